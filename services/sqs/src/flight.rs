//! The limit of messages in flight. How many there are is counted only when so many were received since it was counted last that
//! the limit might be reached.
//!
//! Source: "Amazon SQS message quotas" in the developer guide: 120,000 in flight, in standard and FIFO queues.

use undercast_kernel::Result;
use undercast_kernel::store::{Table, Tx};

use crate::message;
use crate::queue::Queue;

/// Queue → how many more can be received before the messages in flight are counted again.
static ROOM: Table<u32> = Table::new("sqs.room");

/// A queue has at most so many messages in flight.
pub(crate) const MOST: u32 = 120_000;

/// How many of `wanted` messages can be received.
pub(crate) fn room(tx: &mut Tx<'_>, queue: &Queue, wanted: usize, now: i64) -> Result<usize> {
    let wanted = u32::try_from(wanted).unwrap_or(MOST);
    let mut room = ROOM.get(tx, &queue.place())?.unwrap_or(MOST);
    if room < wanted {
        let (_, in_flight, _) = message::counts(tx, queue, now)?;
        room = MOST.saturating_sub(u32::try_from(in_flight).unwrap_or(MOST));
    }
    ROOM.put(tx, &queue.place(), &room.saturating_sub(wanted));
    usize::try_from(room.min(wanted)).map_err(undercast_kernel::Failure::broken)
}

/// Forgets a queue that is deleted.
pub(crate) fn forget(tx: &mut Tx<'_>, queue: &Queue) {
    ROOM.delete(tx, &queue.place());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value as Json, json};
    use undercast_kernel::store::Table;
    use undercast_testkit::Cloud;

    use super::*;
    use crate::message::{MESSAGES, ORDER, Standing};
    use crate::queue::QUEUES;

    /// A queue with this one message and so many others in flight.
    async fn full(cloud: &Cloud, name: &str, attributes: Json) -> String {
        let client = cloud.client();
        let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
        let url = made["QueueUrl"].as_str().unwrap().to_owned();
        let fifo = name.ends_with(".fifo");
        let mut message = json!({"QueueUrl": url, "MessageBody": "one more"});
        if fifo {
            (message["MessageGroupId"], message["MessageDeduplicationId"]) = (json!("g"), json!("d"));
        }
        client.call("sqs", "SendMessage", message).await.ok();
        let now = cloud.kernel.clock().now().as_millisecond();
        let standing =
            Standing { visible: now + 60_000, receives: 1, first_received: now, receipt: 1, sent: now, received: now };
        let fill = |tx: &mut Tx<'_>| {
            let place = ("000000000000", "us-east-1", name);
            let queue = QUEUES.get(tx, &place)?.ok_or_else(|| undercast_kernel::Failure::broken("no queue"))?;
            for number in 10..u64::from(MOST) + 10 {
                MESSAGES.put(tx, &(queue.place(), number), &standing);
                ORDER.put(tx, &(queue.place(), standing.visible, number), &0);
            }
            let room: Table<u32> = Table::new("sqs.room");
            room.put(tx, &queue.place(), &0);
            Ok::<_, undercast_kernel::Failure>(())
        };
        cloud.kernel.database().write(fill).await.unwrap();
        url
    }

    #[tokio::test]
    async fn a_queue_with_120_000_messages_in_flight_gives_no_more() {
        let cloud = Cloud::start(vec![Arc::new(crate::Sqs)]).await;
        let client = cloud.client();
        let url = full(&cloud, "q", json!({})).await;
        let receive = async || client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await;
        assert_eq!(receive().await.code(), "OverLimit");
        cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
        assert_eq!(receive().await.ok()["Messages"][0]["Body"], "one more");
        // FIFO queues say nothing of it.
        let url = full(&cloud, "q.fifo", json!({"FifoQueue": "true"})).await;
        let nothing = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await.ok();
        assert!(nothing["Messages"].is_null(), "{nothing}");
    }
}
