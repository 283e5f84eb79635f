//! What a mapping takes from, and whether its function's role may.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_sources::{Kind, queue_url};

use crate::error;
use crate::function::Function;

/// Of the source with this ARN.
pub(crate) fn kind_of(source: &str) -> Result<Kind> {
    let malformed = || error::invalid("The event source ARN is malformed.");
    let arn = Arn::parse(source).ok_or_else(malformed)?;
    match (Kind::of(&arn), arn.service.as_str()) {
        (Some(kind), _) => Ok(kind),
        (None, "dynamodb") => Err(malformed()),
        (None, service) => Err(Failure::not_built(format!("lambda event sources of {service}"))),
    }
}

/// How large batches are where nobody says it.
pub(crate) fn usual_batch(kind: Kind) -> i32 {
    match kind {
        Kind::Queue => 10,
        Kind::Table | Kind::Kinesis => 100,
    }
}

/// Looks at the source with the function's role: it must be there, and the role must be able to take from it.
pub(crate) async fn check(kind: Kind, cx: &Cx, function: &Function, source: &str) -> Result<()> {
    match kind {
        Kind::Queue => check_queue(cx, function, source).await,
        Kind::Table => {
            let actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"];
            check_stream(kind, cx, function, source, &actions).await
        }
        Kind::Kinesis => {
            let actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListShards"];
            check_stream(kind, cx, function, source, &actions).await
        }
    }
}

async fn check_stream(kind: Kind, cx: &Cx, function: &Function, source: &str, actions: &[&str; 4]) -> Result<()> {
    let service = if kind == Kind::Kinesis { "kinesis" } else { "dynamodb" };
    let [first, second, third, last] = actions;
    let refused = || {
        error::invalid(format!(
            "Cannot access stream {source}. Please ensure the role can perform the {first}, {second}, {third}, and {last} Actions on your stream in IAM."
        ))
    };
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let described = role.call(kind.api(), "DescribeStream", kind.named(source)).await;
    match described {
        Ok(_) => {}
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => {
            return Err(error::invalid(format!("Stream not found: {source}")));
        }
        Err(failure) if failure.code().is_some_and(|code| code.starts_with("AccessDenied")) => {
            return Err(refused());
        }
        Err(failure) => return Err(failure),
    }
    for action in actions {
        // Streams are listed by account, and not one by one.
        let resource = if *action == "ListStreams" { "*" } else { source };
        if role.denied(&Access::new(format!("{service}:{action}"), resource))?.is_some() {
            return Err(refused());
        }
    }
    Ok(())
}

async fn check_queue(cx: &Cx, function: &Function, source: &str) -> Result<()> {
    let refused = |action: &str| {
        error::invalid(format!("The function execution role does not have permissions to call {action} on SQS"))
    };
    let Some(queue) = Arn::parse(source) else { return Err(error::invalid("The event source ARN is malformed.")) };
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let url = queue_url(cx.kernel(), &queue);
    let answer = role.call("sqs", "GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
    let attributes = match answer {
        Ok(answer) => answer["Attributes"].clone(),
        Err(failure) => {
            return Err(match failure.code() {
                Some("AccessDenied") => refused("GetQueueAttributes"),
                Some("AWS.SimpleQueueService.NonExistentQueue") => error::invalid(
                    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
                ),
                _ => failure,
            });
        }
    };
    // Where the queue has no policy of its own, the role's policies alone decide, and can be asked before.
    if attributes.get("Policy").is_none() {
        for action in ["ReceiveMessage", "DeleteMessage"] {
            let access = Access::new(format!("sqs:{action}"), source).in_account(queue.account.clone());
            if role.denied(&access)?.is_some() {
                return Err(refused(action));
            }
        }
    }
    let hidden = attributes["VisibilityTimeout"].as_str().and_then(|v| v.parse::<i32>().ok());
    match hidden.filter(|seconds| *seconds < function.timeout) {
        Some(seconds) => Err(error::invalid(format!(
            "Queue visibility timeout: {seconds} seconds is less than Function timeout: {} seconds",
            function.timeout
        ))),
        None => Ok(()),
    }
}
