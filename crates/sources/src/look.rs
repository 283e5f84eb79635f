//! Whether a source is there, and whether a role may take from it: asked before anything is taken.
//!
//! The words are those of Lambda's event source mappings, which pipes tell in the same way.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{Access, Cx, Result};

use crate::{Kind, queue_url};

/// What stands against taking from a source, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub String);

/// Looks at a source as a role, which `who` names in refusals: "The function execution role". Gives the attributes of a
/// queue, and nothing of a stream.
///
/// # Errors
/// When the source cannot be looked at for another reason than that it is not there, or the role may not.
pub async fn look(kind: Kind, role: &Cx, source: &str, who: &str) -> Result<std::result::Result<Json, Problem>> {
    match kind {
        Kind::Queue => look_at_queue(role, source, who).await,
        Kind::Table => {
            let actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"];
            look_at_stream(kind, role, source, &actions).await
        }
        Kind::Kinesis => {
            let actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListShards"];
            look_at_stream(kind, role, source, &actions).await
        }
    }
}

async fn look_at_stream(
    kind: Kind,
    role: &Cx,
    source: &str,
    actions: &[&str; 4],
) -> Result<std::result::Result<Json, Problem>> {
    let service = if kind == Kind::Kinesis { "kinesis" } else { "dynamodb" };
    let [first, second, third, last] = actions;
    let refused = || {
        Ok(Err(Problem(format!(
            "Cannot access stream {source}. Please ensure the role can perform the {first}, {second}, {third}, and {last} Actions on your stream in IAM."
        ))))
    };
    match role.call(kind.api(), "DescribeStream", kind.named(source)).await {
        Ok(_) => {}
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => {
            return Ok(Err(Problem(format!("Stream not found: {source}"))));
        }
        Err(failure) if failure.code().is_some_and(|code| code.starts_with("AccessDenied")) => return refused(),
        Err(failure) => return Err(failure),
    }
    for action in actions {
        // Streams are listed by account, and not one by one.
        let resource = if *action == "ListStreams" { "*" } else { source };
        if role.denied(&Access::new(format!("{service}:{action}"), resource))?.is_some() {
            return refused();
        }
    }
    Ok(Ok(Json::Null))
}

async fn look_at_queue(role: &Cx, source: &str, who: &str) -> Result<std::result::Result<Json, Problem>> {
    let refused = |action: &str| Ok(Err(Problem(format!("{who} does not have permissions to call {action} on SQS"))));
    let Some(queue) = Arn::parse(source) else {
        return Ok(Err(Problem("The event source ARN is malformed.".to_owned())));
    };
    let asked = json!({"QueueUrl": queue_url(role.kernel(), &queue), "AttributeNames": ["All"]});
    let attributes = match role.call("sqs", "GetQueueAttributes", asked).await {
        Ok(answer) => answer["Attributes"].clone(),
        Err(failure) => {
            return match failure.code() {
                Some("AccessDenied") => refused("GetQueueAttributes"),
                Some("AWS.SimpleQueueService.NonExistentQueue") => Ok(Err(Problem(
                    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.".to_owned(),
                ))),
                _ => Err(failure),
            };
        }
    };
    // Where the queue has no policy of its own, the role's policies alone decide, and can be asked before.
    if attributes.get("Policy").is_none() {
        for action in ["ReceiveMessage", "DeleteMessage"] {
            let access = Access::new(format!("sqs:{action}"), source).in_account(queue.account.clone());
            if role.denied(&access)?.is_some() {
                return refused(action);
            }
        }
    }
    Ok(Ok(attributes))
}
