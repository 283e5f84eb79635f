//! What tasks are told in the words of AWS's SDKs: names of errors and causes, metadata of answers.
//!
//! Source: "Handling errors in Step Functions workflows" and "AWS SDK service integrations" in the developer guide. A known call speaks
//! as the SDK for Java 1 does, one in the form of SDKs as the SDK for Java 2 does.

use serde_json::{Value as Json, json};
use undercast_kernel::sdk::capitalised;
use undercast_kernel::{AwsError, Cx, Failure};

use super::Outcome;

/// Services as SDKs write them, and as names of errors do.
const NAMES: &[(&str, &str)] = &[
    ("accessanalyzer", "AccessAnalyzer"),
    ("applicationautoscaling", "ApplicationAutoScaling"),
    ("cloudformation", "CloudFormation"),
    ("cloudtrail", "CloudTrail"),
    ("cloudwatch", "CloudWatch"),
    ("cloudwatchlogs", "CloudWatchLogs"),
    ("dynamodb", "DynamoDb"),
    ("dynamodbstreams", "DynamoDbStreams"),
    ("eventbridge", "EventBridge"),
    ("s3control", "S3Control"),
    ("secretsmanager", "SecretsManager"),
];

/// A service as the SDK for Java 2 writes it.
pub(crate) fn service(sdk: &str) -> String {
    let known = NAMES.iter().find(|(name, _)| *name == sdk);
    known.map_or_else(|| capitalised(sdk), |(_, written)| (*written).to_owned())
}

/// The name of an error's class.
fn class(error: &str) -> String {
    let bare = error.strip_suffix("Exception").or_else(|| error.strip_suffix("Fault")).unwrap_or(error);
    format!("{bare}Exception")
}

/// What the failure of a known call is told as. `prefix`: what stands before the dot (`DynamoDB`), `client`: as the SDK calls the service
/// (`AmazonDynamoDBv2`).
pub(crate) fn known(prefix: &str, client: &str, role: &Cx, failure: &Failure) -> Outcome {
    let Failure::Aws(error) = failure else { return unusual(failure) };
    let modelled = !is_common(error);
    let generic = client.trim_end_matches(|c: char| c == 'v' || c.is_ascii_digit());
    let name = if modelled { class(&error.name) } else { format!("{generic}Exception") };
    let cause = format!(
        "{} (Service: {client}; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)",
        error.message,
        error.status,
        error.code,
        role.request_id()
    );
    Outcome::Failed(format!("{prefix}.{name}"), cause)
}

/// What the failure of a call in the form of SDKs is told as.
pub(crate) fn sdk(sdk: &str, role: &Cx, failure: &Failure) -> Outcome {
    let Failure::Aws(error) = failure else { return unusual(failure) };
    let service = service(sdk);
    let name = if is_common(error) { format!("{service}Exception") } else { class(&error.name) };
    let cause = format!(
        "{} (Service: {service}, Status Code: {}, Request ID: {})",
        error.message,
        error.status,
        role.request_id()
    );
    Outcome::Failed(format!("{service}.{name}"), cause)
}

/// Errors that no service's model lists.
fn is_common(error: &AwsError) -> bool {
    ["AccessDenied", "AccessDeniedException", "ValidationError", "ValidationException", "AuthorizationError"]
        .contains(&error.code.as_ref())
}

/// What is no answer of AWS's: a fault, a defect, or what is not built.
fn unusual(failure: &Failure) -> Outcome {
    let name = match failure {
        Failure::NotBuilt { .. } => "States.Runtime",
        _ => "States.TaskFailed",
    };
    Outcome::Failed(name.to_owned(), failure.to_string())
}

/// An answer with what the SDK for Java 1 adds to it.
pub(crate) fn with_metadata(mut answer: Json, role: &Cx) -> Json {
    if answer.is_null() {
        answer = json!({});
    }
    answer["SdkHttpMetadata"] = json!({"HttpStatusCode": 200});
    answer["SdkResponseMetadata"] = json!({"RequestId": role.request_id()});
    answer
}
