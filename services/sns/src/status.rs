//! Logs of what became of deliveries, in CloudWatch Logs, with the role that the topic names.
//!
//! Source: "Amazon SNS message delivery status" in the developer guide. The logs are written as well as can be: a delivery is not
//! one less because nobody could be told of it.

use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::wire::text::hex_encode;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::deliver::Answer;
use crate::message::Message;
use crate::permission;
use crate::rows::{Subscription, Topic};

/// What attributes begin with, by what subscriptions call their protocol.
const KINDS: &[(&str, &str)] = &[
    ("http", "HTTP"),
    ("https", "HTTP"),
    ("sqs", "SQS"),
    ("lambda", "Lambda"),
    ("application", "Application"),
    ("firehose", "Firehose"),
];
const SUCCESS_ROLE: &str = "SuccessFeedbackRoleArn";
const FAILURE_ROLE: &str = "FailureFeedbackRoleArn";
const RATE: &str = "SuccessFeedbackSampleRate";

/// Whether a topic has such an attribute of logs.
pub(crate) fn is_attribute(name: &str) -> bool {
    let of_kind =
        |kind: &str| name.strip_prefix(kind).is_some_and(|rest| [SUCCESS_ROLE, FAILURE_ROLE, RATE].contains(&rest));
    KINDS.iter().any(|(_, kind)| of_kind(kind))
}

/// A delivery that has ended.
pub(crate) struct Attempt<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) subscription: &'a Subscription,
    pub(crate) message: &'a Message,
    pub(crate) attempts: u32,
}

/// The role that logs a delivery; `None`: it is not logged.
fn role(cx: &Cx, topic: &Topic, protocol: &str, good: bool) -> Option<String> {
    let (_, kind) = KINDS.iter().find(|(of, _)| *of == protocol)?;
    if !good {
        return topic.text(&format!("{kind}{FAILURE_ROLE}")).map(ToOwned::to_owned);
    }
    let role = topic.text(&format!("{kind}{SUCCESS_ROLE}"))?;
    let rate: u64 = topic.text(&format!("{kind}{RATE}")).and_then(|r| r.parse().ok()).unwrap_or(0);
    (cx.random().below(100) < rate).then(|| role.to_owned())
}

/// What queues answer, as logs tell it.
pub(crate) fn of_sqs(request: &str, message: &str) -> String {
    json!({"sqsRequestId": request, "sqsMessageId": message}).to_string()
}

fn event(cx: &Cx, attempt: &Attempt<'_>, good: bool, answer: &Answer) -> Json {
    let now = cx.refreshed().now_millis();
    json!({
        "notification": {
            "messageMD5Sum": hex_encode(&Md5::digest(attempt.message.text_for(&attempt.subscription.protocol).as_bytes())),
            "messageId": attempt.message.id,
            "topicArn": attempt.topic.arn(cx),
            "timestamp": attempt.message.timestamp().replace('T', " ").replace('Z', ""),
        },
        "delivery": {
            "deliveryId": cx.random().uuid(),
            "destination": attempt.subscription.endpoint,
            "providerResponse": answer.response,
            "dwellTimeMs": now - attempt.message.time,
            "attempts": attempt.attempts,
            "statusCode": answer.status,
        },
        "status": if good { "SUCCESS" } else { "FAILURE" },
    })
}

async fn write(cx: &Cx, role: &str, group: &str, event: &Json) -> Result<()> {
    let topic = event["notification"]["topicArn"].as_str().unwrap_or_default();
    let logs = permission::with_role(cx, role, topic)?;
    let stream = cx.random().uuid();
    for (operation, input) in [
        ("CreateLogGroup", json!({"logGroupName": group})),
        ("CreateLogStream", json!({"logGroupName": group, "logStreamName": stream})),
    ] {
        match logs.call("logs", operation, input).await {
            Err(failure) if failure.code() == Some("ResourceAlreadyExistsException") => {}
            other => drop(other?),
        }
    }
    let events = json!([{"timestamp": cx.refreshed().now_millis(), "message": event.to_string()}]);
    let input = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
    logs.call("logs", "PutLogEvents", input).await.map(drop)
}

async fn write_or_warn(cx: &Cx, role: &str, group: &str, event: &Json) {
    if let Err(failure) = write(cx, role, group, event).await {
        tracing::warn!(group, role, error = &failure as &dyn std::error::Error, "a delivery could not be logged");
    }
}

fn group(topic: &Topic, good: bool) -> String {
    let end = if good { "" } else { "/Failure" };
    format!("sns/{}/{}/{}{end}", topic.region, topic.account, topic.name)
}

/// Logs a delivery that has ended, where its topic wants that.
pub(crate) async fn log(cx: &Cx, attempt: &Attempt<'_>, good: bool, answer: &Answer) {
    if let Some(role) = role(cx, attempt.topic, &attempt.subscription.protocol, good) {
        write_or_warn(cx, &role, &group(attempt.topic, good), &event(cx, attempt, good, answer)).await;
    }
}

/// Has the delivery to a queue logged that was done with the writes of its publication.
pub(crate) fn of_queue(
    cx: &Cx,
    tx: &mut Tx<'_>,
    topic: &Topic,
    subscription: &Subscription,
    message: &Message,
) -> Result<()> {
    let Some(role) = role(cx, topic, "sqs", true) else { return Ok(()) };
    let attempt = Attempt { topic, subscription, message, attempts: 1 };
    let answer = Answer { status: 200, response: of_sqs(cx.request_id(), &message.id) };
    let event = event(cx, &attempt, true, &answer);
    let place = cx.elsewhere(&topic.account, &topic.region);
    let payload = json!({"role": role, "group": group(topic, true), "event": event}).to_string();
    let id = format!("status/{}/{}", message.id, subscription.id);
    place.tasks().schedule(&place, tx, "sns", &id, "status", payload, cx.now())
}

/// Writes such a log.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let planned: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let text = |name: &str| planned[name].as_str().unwrap_or_default();
    write_or_warn(cx, text("role"), text("group"), &planned["event"]).await;
    Ok(Next::Done)
}

/// Logs a message that was sent to a telephone, so many of a hundred.
pub(crate) async fn log_text(cx: &Cx, role: &str, rate: u64, number: &str, message: &Message) {
    if cx.random().below(100) >= rate {
        return;
    }
    let event = json!({
        "notification": {"messageId": message.id, "timestamp": message.timestamp().replace('T', " ").replace('Z', "")},
        "delivery": {"destination": number, "smsType": crate::sms::kind(cx, message).unwrap_or_default(),
            "providerResponse": "It is in the inbox.", "dwellTimeMs": 0, "priceInUSD": 0.0},
        "status": "SUCCESS",
    });
    let group = format!("sns/{}/{}/DirectPublishToPhoneNumber", cx.region(), cx.account());
    write_or_warn(cx, role, &group, &event).await;
}
