//! Targets: which there are, and how each is called.
//!
//! Templated targets name a resource, and Scheduler knows the call; a universal one names an operation
//! (`arn:aws:scheduler:::aws-sdk:sqs:sendMessage`), and its input is that of the operation, as SDKs write it.
//!
//! Source: "Managing targets", "Using templated targets" and "Using universal targets" in the user guide.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::sdk::capitalised;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Joined, Result};

use crate::api::input;
use crate::error::validation;
use crate::payload::Attempt;
use crate::rows::Target;

/// Operations whose names begin so only read, and are no targets.
const READING: &[&str] = &[
    "get",
    "describe",
    "list",
    "poll",
    "receive",
    "search",
    "scan",
    "query",
    "select",
    "read",
    "lookup",
    "discover",
    "validate",
    "batchGet",
    "batchDescribe",
    "batchRead",
    "transactGet",
    "adminGet",
    "adminList",
    "testMigration",
    "retrieve",
    "testConnection",
    "translateDocument",
    "isAuthorized",
    "invokeModel",
];

/// What a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Function,
    Queue,
    Topic,
    Stream,
    Delivery,
    Bus,
    /// Service and operation in SDKs.
    Universal(String, String),
}

impl Kind {
    /// Of a target's ARN.
    fn of(text: &str) -> Result<(Arn, Self)> {
        let arn = Arn::parse(text).ok_or_else(|| validation("Provided Arn is not in correct format."))?;
        let mut parts = arn.resource.split(':');
        let kind = match (arn.service.as_str(), parts.next(), parts.next(), parts.next()) {
            ("scheduler", Some("aws-sdk"), Some(service), Some(action)) => {
                Self::Universal(service.to_owned(), action.to_owned())
            }
            ("lambda", Some("function"), Some(_), _) => Self::Function,
            ("sqs", ..) => Self::Queue,
            ("sns", ..) => Self::Topic,
            ("kinesis", Some(resource), ..) if resource.starts_with("stream/") => Self::Stream,
            ("firehose", Some(resource), ..) if resource.starts_with("deliverystream/") => Self::Delivery,
            ("events", Some(resource), ..) if resource.starts_with("event-bus/") => Self::Bus,
            ("lambda" | "kinesis" | "firehose" | "events" | "scheduler", ..) => {
                return Err(validation("Provided Arn is not in correct format."));
            }
            (other, ..) => return Err(Failure::not_built(format!("scheduler targets of {other}"))),
        };
        Ok((arn, kind))
    }

    /// The service that is called, as it is called here.
    fn service(&self) -> Option<&'static str> {
        match self {
            Self::Function => Some("lambda"),
            Self::Queue => Some("sqs"),
            Self::Topic => Some("sns"),
            Self::Stream => Some("kinesis"),
            Self::Delivery => Some("firehose"),
            Self::Bus => Some("events"),
            Self::Universal(..) => None,
        }
    }
}

/// Refuses a target that cannot be, or that nobody here can call.
pub(crate) fn check(cx: &Cx, target: &input::Target) -> Result<()> {
    let (arn, kind) = Kind::of(&target.arn)?;
    let parameters = [
        (target.event_bridge_parameters.is_some(), Kind::Bus, "EventBridgeParameters"),
        (target.kinesis_parameters.is_some(), Kind::Stream, "KinesisParameters"),
        (target.sqs_parameters.is_some(), Kind::Queue, "SqsParameters"),
    ];
    for (given, of, name) in parameters {
        if given && kind != of {
            return Err(validation(format!("{name} is not supported for target {}.", target.arn)));
        }
        if !given && kind == of && kind != Kind::Queue {
            return Err(validation(format!("{name} must be specified for target {}.", target.arn)));
        }
    }
    let group = target.sqs_parameters.as_ref().and_then(|p| p.message_group_id.as_ref());
    if kind == Kind::Queue && arn.resource.ends_with(".fifo") && group.is_none() {
        return Err(validation("SqsParameters.MessageGroupId must be specified for a FIFO queue."));
    }
    if let Kind::Universal(service, action) = &kind {
        return check_universal(cx, service, action, target.input.as_deref());
    }
    match kind.service() {
        Some(name) if cx.kernel().service(name).is_none() => Err(Failure::not_built(format!("the service {name}"))),
        _ => Ok(()),
    }
}

fn check_universal(cx: &Cx, service: &str, action: &str, input: Option<&str>) -> Result<()> {
    if READING.iter().any(|word| action.starts_with(word)) {
        return Err(validation(format!("Action {action} for service {service} is not supported, for it only reads.")));
    }
    let missing = || Failure::not_built(format!("{service}.{action}"));
    let callable = cx.kernel().callable(service, action).ok_or_else(missing)?;
    let refuse = |reason: String| validation(format!("Invalid RequestJson provided. Reason {reason}"));
    let written = Attempt::sample().fill(input.unwrap_or("{}"));
    let written: Json =
        serde_json::from_str(&written).map_err(|_| refuse("The input is not valid JSON.".to_owned()))?;
    let (given, body) = callable.input(&written).map_err(refuse)?;
    let is_missing = |member: &&undercast_wire::schema::Member| {
        member.required
            && !member.idempotency_token
            && given.get(member.name).is_none()
            && !(member.streaming && body.is_some())
    };
    match callable.operation.input.members.iter().find(is_missing) {
        Some(member) => Err(refuse(format!("The field '{}' is required but was missing", capitalised(member.name)))),
        None => Ok(()),
    }
}

/// What is asked of a queue.
fn to_queue(cx: &Cx, queue: &Arn, target: &Target, payload: &str) -> Json {
    let mut input = json!({"QueueUrl": queue_url(cx, queue), "MessageBody": payload});
    if let Some(group) = target.queue.as_ref().and_then(|queue| queue.group.as_ref()) {
        input["MessageGroupId"] = json!(group);
    }
    input
}

/// Prepares a call that takes effect with the writes that are done with the invocation: a queue has its message once, whatever
/// stops. `None`: this target is called by itself, and has it at least once.
pub(crate) fn join(cx: &Cx, role: &Cx, target: &Target, payload: &str) -> Result<Option<Joined>> {
    let (arn, kind) = Kind::of(&target.arn)?;
    match kind {
        Kind::Queue => {
            let there = role.elsewhere(&arn.account, &arn.region);
            there.join("sqs", "SendMessage", to_queue(cx, &arn, target, payload))
        }
        Kind::Universal(service, action) => match cx.kernel().callable(&service, &action) {
            Some(callable) => {
                let (input, body) = callable.input(&written(payload)?).map_err(validation)?;
                if body.is_some() {
                    return Ok(None);
                }
                role.join(callable.service, callable.operation.name, input)
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The input of a universal target.
fn written(payload: &str) -> Result<Json> {
    serde_json::from_str(payload).map_err(|_| validation("The input is not valid JSON."))
}

/// Calls a target once, as its role. `payload`: what it is given.
pub(crate) async fn invoke(cx: &Cx, role: &Cx, target: &Target, attempt: &Attempt, payload: &str) -> Result<()> {
    let (arn, kind) = Kind::of(&target.arn)?;
    let there = role.elsewhere(&arn.account, &arn.region);
    match kind {
        Kind::Function => {
            let payload = text::base64(payload.as_bytes());
            let input = json!({"FunctionName": target.arn, "InvocationType": "Event", "Payload": payload});
            there.call("lambda", "Invoke", input).await.map(drop)
        }
        Kind::Queue => {
            let input = to_queue(cx, &arn, target, payload);
            there.call("sqs", "SendMessage", input).await.map(drop)
        }
        Kind::Topic => {
            there.call("sns", "Publish", json!({"TopicArn": target.arn, "Message": payload})).await.map(drop)
        }
        Kind::Stream => {
            let data = text::base64(payload.as_bytes());
            let input = json!({"StreamARN": target.arn, "PartitionKey": target.partition_key, "Data": data});
            there.call("kinesis", "PutRecord", input).await.map(drop)
        }
        Kind::Delivery => {
            let name = arn.resource.strip_prefix("deliverystream/");
            let input = json!({"DeliveryStreamName": name, "Record": {"Data": text::base64(payload.as_bytes())}});
            there.call("firehose", "PutRecord", input).await.map(drop)
        }
        Kind::Bus => put_event(&there, target, attempt, payload).await,
        Kind::Universal(service, action) => role.call_as_sdk(&service, &action, &written(payload)?).await.map(drop),
    }
}

async fn put_event(there: &Cx, target: &Target, attempt: &Attempt, payload: &str) -> Result<()> {
    let (detail_type, source) = target.event.clone().unwrap_or_default();
    let entry = json!({"EventBusName": target.arn, "DetailType": detail_type, "Source": source, "Detail": payload,
                       "Resources": [attempt.schedule_arn]});
    let answer = there.call("events", "PutEvents", json!({"Entries": [entry]})).await?;
    // What one entry is answered stands beside the others, in an answer that is a success.
    let entry = &answer["Entries"][0];
    match entry["ErrorCode"].as_str() {
        None => Ok(()),
        Some(code) => {
            let message = entry["ErrorMessage"].as_str().unwrap_or_default();
            Err(undercast_kernel::AwsError::new(code.to_owned(), 400, message).into())
        }
    }
}

/// The URL of a queue, for calls from inside.
pub(crate) fn queue_url(cx: &Cx, queue: &Arn) -> String {
    format!("http://{}/{}/{}", cx.kernel().settings().host, queue.account, queue.resource)
}
