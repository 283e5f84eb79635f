//! What a mapping takes from, and whether its function's role may.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{Access, Cx, Failure, Result};

use crate::error;
use crate::function::Function;

/// What a mapping takes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Queue,
    /// A stream of a DynamoDB table.
    Table,
    /// A data stream of Kinesis.
    Kinesis,
}

impl Kind {
    /// Of the source with this ARN.
    pub(crate) fn of(source: &str) -> Result<Self> {
        let malformed = || error::invalid("The event source ARN is malformed.");
        let arn = Arn::parse(source).ok_or_else(malformed)?;
        match (arn.service.as_str(), arn.resource.as_str()) {
            ("sqs", _) => Ok(Self::Queue),
            ("dynamodb", resource) if resource.contains("/stream/") => Ok(Self::Table),
            ("dynamodb", _) => Err(malformed()),
            ("kinesis", resource) if resource.starts_with("stream/") && !resource.contains("/consumer/") => {
                Ok(Self::Kinesis)
            }
            (service, _) => Err(Failure::not_built(format!("lambda event sources of {service}"))),
        }
    }

    /// The API that reads streams of this kind.
    pub(crate) fn api(self) -> &'static str {
        if self == Self::Kinesis { "kinesis" } else { "dynamodbstreams" }
    }

    /// A stream as calls of that API name it.
    pub(crate) fn named(self, stream: &str) -> Json {
        if self == Self::Kinesis { json!({"StreamARN": stream}) } else { json!({"StreamArn": stream}) }
    }

    /// How large batches are where nobody says it.
    pub(crate) fn batch(self) -> i32 {
        match self {
            Self::Queue => 10,
            Self::Table | Self::Kinesis => 100,
        }
    }

    /// Looks at the source with the function's role: it must be there, and the role must be able to take from it.
    pub(crate) async fn check(self, cx: &Cx, function: &Function, source: &str) -> Result<()> {
        match self {
            Self::Queue => check_queue(cx, function, source).await,
            Self::Table => {
                let actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"];
                self.check_stream(cx, function, source, &actions).await
            }
            Self::Kinesis => {
                let actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListShards"];
                self.check_stream(cx, function, source, &actions).await
            }
        }
    }

    async fn check_stream(self, cx: &Cx, function: &Function, source: &str, actions: &[&str; 4]) -> Result<()> {
        let service = if self == Self::Kinesis { "kinesis" } else { "dynamodb" };
        let [first, second, third, last] = actions;
        let refused = || {
            error::invalid(format!(
                "Cannot access stream {source}. Please ensure the role can perform the {first}, {second}, {third}, and {last} Actions on your stream in IAM."
            ))
        };
        let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
        let described = role.call(self.api(), "DescribeStream", self.named(source)).await;
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
}

async fn check_queue(cx: &Cx, function: &Function, source: &str) -> Result<()> {
    let refused = |action: &str| {
        error::invalid(format!("The function execution role does not have permissions to call {action} on SQS"))
    };
    let Some(queue) = Arn::parse(source) else { return Err(error::invalid("The event source ARN is malformed.")) };
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let url = format!("http://{}/{}/{}", cx.kernel().settings().host, queue.account, queue.resource);
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
