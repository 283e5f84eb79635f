//! Who is told of what came of an event: destinations get a record of it, a dead-letter queue the event itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{Body, Cx, Failure, Result};
use undercast_sources::queue_url;

use crate::error;
use crate::function::Function;

/// A dead letter tells so much of the error.
const MOST_MESSAGE: usize = 1_024;

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// Something to be told, and to whom. It is kept with the state until it is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// Name of the function.
    pub(crate) function: String,
    /// Its number, if it is a published version.
    pub(crate) version: Option<u64>,
    /// ARN of what is told.
    pub(crate) to: String,
    pub(crate) what: Telling,
}

/// What is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Telling {
    /// A record of an outcome.
    Record(Json),
    /// An event that nothing came of.
    DeadLetter {
        request_id: String,
        payload: String,
        /// The HTTP status of the last answer.
        code: u16,
        message: String,
    },
}

/// Whether a destination can be told of an outcome.
pub(crate) fn takes(arn: &Arn, outcome: Outcome) -> bool {
    match arn.service.as_str() {
        "sqs" | "sns" => !arn.resource.ends_with(".fifo"),
        "lambda" => arn.resource.starts_with("function:"),
        "events" => arn.resource.starts_with("event-bus/"),
        // A bucket takes failures only.
        "s3" => outcome != Outcome::Success,
        _ => false,
    }
}

/// The call that tells a destination: service, operation, input.
pub(crate) fn call(
    cx: &Cx,
    arn: &Arn,
    to: &str,
    record: &Json,
    function: &Function,
) -> (&'static str, &'static str, Json) {
    match arn.service.as_str() {
        "sqs" => {
            ("sqs", "SendMessage", json!({"QueueUrl": queue_url(cx.kernel(), arn), "MessageBody": record.to_string()}))
        }
        "sns" => ("sns", "Publish", json!({"TopicArn": to, "Message": record.to_string()})),
        "lambda" => {
            let payload = undercast_kernel::wire::text::base64(record.to_string().as_bytes());
            ("lambda", "Invoke", json!({"FunctionName": to, "InvocationType": "Event", "Payload": payload}))
        }
        "events" => {
            let good = record["requestContext"]["condition"] == "Success";
            let kind = format!("Lambda Function Invocation Result - {}", if good { "Success" } else { "Failure" });
            let of = record["requestContext"]["functionArn"].as_str().unwrap_or_default();
            let entry = json!({
                "Source": "lambda", "DetailType": kind, "Detail": record.to_string(), "EventBusName": to,
                "Resources": [to, of],
            });
            ("events", "PutEvents", json!({"Entries": [entry]}))
        }
        _ => {
            let moment = cx.now().strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S").to_string();
            let key = format!("aws/lambda/async/{}/{moment}-{}", function.name, cx.random().uuid());
            ("s3", "PutObject", json!({"Bucket": arn.resource, "Key": key}))
        }
    }
}

/// Tells it, with the function's role.
///
/// # Errors
/// As the service that is told answers.
pub(crate) async fn tell(cx: &Cx, function: &Function, delivery: &Delivery) -> Result<()> {
    let role = cx.as_role("lambda.amazonaws.com", &function.role, &function.name);
    let arn = Arn::parse(&delivery.to).ok_or_else(|| cx.broken("a destination has no ARN"))?;
    match &delivery.what {
        Telling::Record(record) => {
            let (service, operation, input) = call(cx, &arn, &delivery.to, record, function);
            if service == "s3" {
                let body = Body::from(bytes::Bytes::from(record.to_string()));
                return role.call_with_body(service, operation, input, Some(body)).await.map(drop);
            }
            let answer = role.call(service, operation, input).await?;
            // A bus answers for each entry by itself.
            match answer["Entries"][0]["ErrorMessage"].as_str() {
                Some(message) => Err(error::invalid(message)),
                None => Ok(()),
            }
        }
        Telling::DeadLetter { request_id, payload, code, message } => {
            let end = (0..=MOST_MESSAGE.min(message.len())).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
            let attribute = |kind: &str, value: &str| json!({"DataType": kind, "StringValue": value});
            let mut attributes = json!({
                "RequestID": attribute("String", request_id),
                "ErrorCode": attribute("Number", &code.to_string()),
            });
            if end > 0 {
                attributes["ErrorMessage"] = attribute("String", &message[..end]);
            }
            let (service, operation, mut input) = dead_letter_call(cx, &arn, &delivery.to, payload);
            input["MessageAttributes"] = attributes;
            role.call(service, operation, input).await.map(drop)
        }
    }
}

fn dead_letter_call(cx: &Cx, arn: &Arn, to: &str, payload: &str) -> (&'static str, &'static str, Json) {
    if arn.service == "sns" {
        ("sns", "Publish", json!({"TopicArn": to, "Message": payload}))
    } else {
        ("sqs", "SendMessage", json!({"QueueUrl": queue_url(cx.kernel(), arn), "MessageBody": payload}))
    }
}

/// The queue or topic that a function shall have for dead letters, if its role may write there. None is none.
pub(crate) fn dead_letters(cx: &Cx, given: Option<&str>, role: &str, function: &str) -> Result<Option<String>> {
    let Some(to) = given.filter(|to| !to.is_empty()) else { return Ok(None) };
    let arn = Arn::parse(to).filter(|arn| matches!(arn.service.as_str(), "sqs" | "sns"));
    let arn = arn.filter(|arn| !arn.resource.ends_with(".fifo"));
    let arn = arn.ok_or_else(|| {
        error::invalid(format!(
            "The provided dead letter target {to} is no standard queue of SQS and no standard topic of SNS."
        ))
    })?;
    let caller = cx.as_role("lambda.amazonaws.com", role, function);
    let (service, operation, input) = dead_letter_call(cx, &arn, to, "{}");
    if caller.would_be_denied(service, operation, input)?.is_some() {
        return Err(error::invalid(format!(
            "The provided execution role does not have permissions to call {operation} on {}",
            service.to_uppercase()
        )));
    }
    Ok(Some(to.to_owned()))
}

/// Whether a destination that answered so will never take what it was told.
pub(crate) fn is_final(failure: &Failure) -> bool {
    matches!(failure, Failure::Aws(answer) if answer.status < 500 && answer.status != 429)
        || !matches!(failure, Failure::Aws(_))
}
