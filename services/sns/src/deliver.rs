//! Delivery: to queues and functions, again until it succeeds, or to the dead-letter queue.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::attributes::dead_letter_target;
use crate::rows::{SUBSCRIPTIONS, Subscription, Topic};

/// Account, region, delivery → how often it has failed.
static FAILURES: Table<u32> = Table::new("sns.failures");

/// SNS tries queues and functions 100,015 times over 23 days; the first three follow at once, then every second, then longer
/// ("Amazon SNS message delivery retries"). After so many the message is dead-lettered.
const MOST_ATTEMPTS: u32 = 100_015;

/// Plans a delivery with the writes that accept the message.
pub(crate) fn schedule(
    cx: &Cx,
    tx: &mut Tx<'_>,
    topic: &Topic,
    subscription: &str,
    message: &str,
    notification: &Json,
) -> Result<()> {
    let place = cx.elsewhere(&topic.account, &topic.region);
    let id = format!("{message}/{subscription}");
    place.tasks().schedule(&place, tx, "sns", &id, "deliver", notification.to_string(), cx.now())
}

/// Delivers one notification to one subscription.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let notification: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let text = |name: &str| notification[name].as_str().unwrap_or_default().to_owned();
    let (topic, id) = (text("topic"), text("subscription"));
    let Some(subscription) = SUBSCRIPTIONS.get(&cx.read(), &(cx.account(), cx.region(), &topic, &id))? else {
        // It was unsubscribed meanwhile.
        return Ok(Next::Done);
    };
    let topic_arn = cx.arn("sns", &topic);
    let result = match subscription.protocol.as_str() {
        "sqs" => to_queue(cx, &topic_arn, &subscription, &notification).await,
        "lambda" => to_function(cx, &topic_arn, &subscription, &notification).await,
        other => Err(Failure::not_built(format!("sns delivery by {other}"))),
    };
    match result {
        Ok(()) => settle(cx, &task.id, None).await.map(|()| Next::Done),
        Err(failure) => again(cx, task, &topic_arn, &subscription, &notification, &failure).await,
    }
}

async fn settle(cx: &Cx, id: &str, failures: Option<u32>) -> Result<()> {
    if failures.is_none() && FAILURES.get(&cx.read(), &cx.key(id))?.is_none() {
        return Ok(());
    }
    cx.write(|tx| {
        match failures {
            Some(count) => FAILURES.put(tx, &cx.key(id), &count),
            None => FAILURES.delete(tx, &cx.key(id)),
        }
        Ok(())
    })
    .await
}

/// Client-side errors (no permission, no queue) are not tried again: they go to the dead-letter queue at once.
async fn again(
    cx: &Cx,
    task: &Task,
    topic_arn: &str,
    subscription: &Subscription,
    notification: &Json,
    failure: &Failure,
) -> Result<Next> {
    let count = FAILURES.get(&cx.read(), &cx.key(&task.id))?.unwrap_or(0) + 1;
    let hopeless = matches!(failure, Failure::NotBuilt { .. })
        || matches!(failure, Failure::Aws(e) if e.sender && e.status != 429);
    if hopeless || count >= MOST_ATTEMPTS {
        let target = subscription.attributes.get("RedrivePolicy").and_then(|p| dead_letter_target(p));
        if let Some(target) = target {
            let body = envelope(topic_arn, notification).to_string();
            send(cx, topic_arn, &target, json!({"MessageBody": body})).await?;
        }
        settle(cx, &task.id, None).await?;
        return Ok(Next::Done);
    }
    settle(cx, &task.id, Some(count)).await?;
    let seconds = match count {
        0..=3 => 0,
        4..=5 => 1,
        _ => 20,
    };
    let due =
        cx.kernel().clock().now().checked_add(std::time::Duration::from_secs(seconds)).map_err(Failure::broken)?;
    Ok(Next::Again(due))
}

/// A notification as queues get it.
fn envelope(topic_arn: &str, notification: &Json) -> Json {
    let mut out = Map::new();
    let mut add = |name: &str, value: &Json| {
        if !value.is_null() {
            out.insert(name.to_owned(), value.clone());
        }
    };
    add("Type", &json!("Notification"));
    add("MessageId", &notification["id"]);
    add("TopicArn", &json!(topic_arn));
    add("Subject", &notification["subject"]);
    add("Message", &notification["message"]);
    add("Timestamp", &json!(millis(notification)));
    if notification["attributes"].as_object().is_some_and(|a| !a.is_empty()) {
        add("MessageAttributes", &notification["attributes"]);
    }
    Json::Object(out)
}

/// The time of publication with three decimals, as SNS writes it.
fn millis(notification: &Json) -> String {
    let time = notification["time"].as_str().and_then(|t| t.parse::<undercast_kernel::Timestamp>().ok());
    time.map_or_else(String::new, |t| t.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

async fn send(cx: &Cx, topic_arn: &str, queue: &str, mut input: Json) -> Result<()> {
    let arn = Arn::parse(queue).ok_or_else(|| Failure::broken(format!("{queue} is no ARN")))?;
    input["QueueUrl"] = json!(format!("{}/{}/{}", cx.endpoint(), arn.account, arn.resource));
    let there = cx.elsewhere(&arn.account, &arn.region).as_service("sns.amazonaws.com", Some(topic_arn));
    there.call("sqs", "SendMessage", input).await.map(drop)
}

async fn to_queue(cx: &Cx, topic_arn: &str, subscription: &Subscription, notification: &Json) -> Result<()> {
    let input = if subscription.is_raw() {
        let attributes = notification["attributes"].as_object().into_iter().flatten().map(|(name, a)| {
            let kind = a["Type"].as_str().unwrap_or_default();
            let member = if kind.starts_with("Binary") { "BinaryValue" } else { "StringValue" };
            (name.clone(), json!({"DataType": kind, member: a["Value"]}))
        });
        json!({"MessageBody": notification["message"], "MessageAttributes": attributes.collect::<Map<_, _>>()})
    } else {
        json!({"MessageBody": envelope(topic_arn, notification).to_string()})
    };
    send(cx, topic_arn, &subscription.endpoint, input).await
}

async fn to_function(cx: &Cx, topic_arn: &str, subscription: &Subscription, notification: &Json) -> Result<()> {
    let event = json!({"Records": [{
        "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription.arn(topic_arn),
        "Sns": {"Type": "Notification", "MessageId": notification["id"], "TopicArn": topic_arn, "Subject": notification["subject"],
                "Message": notification["message"], "Timestamp": millis(notification), "MessageAttributes": notification["attributes"]}}]});
    let arn = Arn::parse(&subscription.endpoint).ok_or_else(|| Failure::broken("a function's endpoint is no ARN"))?;
    let there = cx.elsewhere(&arn.account, &arn.region).as_service("sns.amazonaws.com", Some(topic_arn));
    let payload = undercast_kernel::wire::text::base64(event.to_string().as_bytes());
    let input = json!({"FunctionName": subscription.endpoint, "InvocationType": "Event", "Payload": payload});
    there.call("lambda", "Invoke", input).await.map(drop)
}
