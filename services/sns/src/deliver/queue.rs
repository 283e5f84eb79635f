//! Queues: where they are in this cloud they have a message with the writes of its publication.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{AwsError, Cx, Failure, Joined, Result};

use super::Answer;
use crate::envelope::Envelope;
use crate::message::Message;
use crate::rows::{Subscription, Topic};
use crate::sealed::PRINCIPAL;
use crate::signature::Key;
use crate::{protection, status};

/// What a queue is sent.
fn input(
    envelope: &Envelope<'_>,
    queue: &Arn,
    subscription: &Subscription,
    message: &Message,
    replayed: bool,
) -> Result<Json> {
    let mut input = if subscription.is_raw() {
        let attributes = message.attributes.iter().map(|(name, a)| {
            let member = if a.kind.starts_with("Binary") { "BinaryValue" } else { "StringValue" };
            (name.clone(), json!({"DataType": a.kind, member: a.value}))
        });
        json!({"MessageBody": message.text_for("sqs"), "MessageAttributes": attributes.collect::<Map<_, _>>()})
    } else {
        json!({"MessageBody": envelope.notification(message, subscription, replayed)?.to_string()})
    };
    input["QueueUrl"] = json!(format!("{}/{}/{}", envelope.cx.endpoint(), queue.account, queue.resource));
    if queue.resource.ends_with(".fifo") {
        input["MessageGroupId"] = json!(message.group);
        input["MessageDeduplicationId"] = json!(message.deduplication);
    } else if !envelope.topic.is_fifo() && message.group.is_some() {
        // Queues are fair by it. FIFO topics do not tell it to standard queues.
        input["MessageGroupId"] = json!(message.group);
    }
    Ok(input)
}

fn parse(queue: &str) -> Result<Arn> {
    Arn::parse(queue).ok_or_else(|| AwsError::new("InvalidParameter", 400, format!("{queue} is no ARN")).into())
}

/// SNS itself, on behalf of a topic, where a queue is.
fn itself(envelope: &Envelope<'_>, queue: &Arn) -> Cx {
    let arn = envelope.topic.arn(envelope.cx);
    envelope.cx.elsewhere(&queue.account, &queue.region).as_service(PRINCIPAL, Some(&arn))
}

/// Whether something that is sent to a queue's region arrives there at once.
fn is_near(cx: &Cx, topic: &Topic, queue: &Arn) -> bool {
    let faults = cx.kernel().faults();
    queue.region == topic.region
        || (faults.are_linked(&topic.region, &queue.region) && faults.distance(&topic.region, &queue.region).is_zero())
}

/// Prepares what a subscriber's queue is sent with the writes of the publication. `None`: it needs a delivery of its own.
pub(crate) fn join(
    cx: &Cx,
    topic: &Topic,
    key: Option<&Key>,
    subscription: &Subscription,
    message: &Message,
) -> Result<Option<Joined>> {
    // Findings of personal data are told to others, and refusals are not the publisher's.
    if protection::looks_outbound(topic) {
        return Ok(None);
    }
    let envelope = Envelope { cx, topic, key };
    match join_to(&envelope, &subscription.endpoint, subscription, message, false) {
        // The delivery finds out the same, and does what is to be done.
        Err(Failure::Aws(_) | Failure::NotBuilt { .. }) => Ok(None),
        other => other,
    }
}

/// The same for any queue.
pub(crate) fn join_to(
    envelope: &Envelope<'_>,
    queue: &str,
    subscription: &Subscription,
    message: &Message,
    replayed: bool,
) -> Result<Option<Joined>> {
    let queue = parse(queue)?;
    if !is_near(envelope.cx, envelope.topic, &queue) {
        return Ok(None);
    }
    let input = input(envelope, &queue, subscription, message, replayed)?;
    itself(envelope, &queue).join("sqs", "SendMessage", input)
}

/// Sends a subscriber's queue a message.
pub(crate) async fn send(
    envelope: &Envelope<'_>,
    subscription: &Subscription,
    message: &Message,
    replayed: bool,
) -> Result<Answer> {
    send_to(envelope, &subscription.endpoint, subscription, message, replayed).await
}

/// The same for any queue.
pub(crate) async fn send_to(
    envelope: &Envelope<'_>,
    queue: &str,
    subscription: &Subscription,
    message: &Message,
    replayed: bool,
) -> Result<Answer> {
    let queue = parse(queue)?;
    let input = input(envelope, &queue, subscription, message, replayed)?;
    say(envelope, &queue, input).await
}

/// Sends a queue what asks its owner to confirm a subscription.
pub(crate) async fn confirm(envelope: &Envelope<'_>, queue: &str, text: &str) -> Result<()> {
    let queue = parse(queue)?;
    let url = format!("{}/{}/{}", envelope.cx.endpoint(), queue.account, queue.resource);
    say(envelope, &queue, json!({"QueueUrl": url, "MessageBody": text})).await.map(drop)
}

async fn say(envelope: &Envelope<'_>, queue: &Arn, input: Json) -> Result<Answer> {
    let (cx, topic) = (envelope.cx, envelope.topic);
    let faults = cx.kernel().faults();
    if queue.region != topic.region {
        if !faults.are_linked(&topic.region, &queue.region) {
            return Err(Failure::Cut);
        }
        cx.kernel().clock().sleep(faults.distance(&topic.region, &queue.region)).await;
    }
    let there = itself(envelope, queue);
    let sent = there.call("sqs", "SendMessage", input).await?;
    Ok(Answer {
        status: 200,
        response: status::of_sqs(there.request_id(), sent["MessageId"].as_str().unwrap_or_default()),
    })
}
