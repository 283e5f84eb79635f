//! What becomes of a message that was received: deleted, hidden longer, shown again.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::message::{self, MESSAGES, Standing};
use crate::queue::{Queue, QueueName};
use crate::receive::ReceiptHandle;
use crate::{batch, error, metrics};

/// A message cannot be hidden longer than this after a receive.
const MOST_MILLIS: i64 = 43_200_000;

fn expired(handle: &str) -> Failure {
    error::invalid_parameter(handle, "ReceiptHandle", "The receipt handle has expired.").into()
}

/// Where a message stands, unless its time is over and nobody has swept it yet.
fn living(cx: &Cx, tx: &Tx<'_>, queue: &Queue, number: u64) -> Result<Option<Standing>> {
    Ok(MESSAGES.get(tx, &(queue.place(), number))?.filter(|standing| !queue.is_over(standing, cx.now_millis())))
}

/// Deletes what a handle names; says whether it was there.
fn delete(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, handle: &str) -> Result<bool> {
    let parsed = ReceiptHandle::parse(handle, queue)?;
    let Some(standing) = living(cx, tx, queue, parsed.number)? else { return Ok(false) };
    if standing.receipt != parsed.receipt {
        // Somebody else has received it since. Standard queues take the request and keep the message.
        return if queue.is_fifo() { Err(expired(handle)) } else { Ok(false) };
    }
    if queue.is_fifo() && standing.visible <= cx.now_millis() {
        return Err(expired(handle));
    }
    message::remove(tx, queue, parsed.number, &standing);
    Ok(true)
}

fn count(cx: &Cx, queue: &Queue, deleted: bool) {
    metrics::touch(cx, queue);
    if deleted {
        metrics::deleted(cx, queue);
    }
}

fn change(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, handle: &str, seconds: i32) -> Result<()> {
    if !(0..=43_200).contains(&seconds) {
        let reason = "Must be between 0 and 43200, if provided.";
        return Err(error::invalid_parameter(&seconds.to_string(), "VisibilityTimeout", reason).into());
    }
    let parsed = ReceiptHandle::parse(handle, queue)?;
    let not_in_flight = || {
        errors::message_not_inflight(format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."
        ))
    };
    let standing = living(cx, tx, queue, parsed.number)?;
    let now = cx.now_millis();
    let Some(standing) = standing.filter(|s| s.receipt == parsed.receipt && s.visible > now) else {
        return Err(not_in_flight().into());
    };
    let visible = now + i64::from(seconds) * 1000;
    if visible - standing.received > MOST_MILLIS {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        return Err(error::invalid_parameter(&seconds.to_string(), "VisibilityTimeout", reason).into());
    }
    message::restand(tx, queue, parsed.number, &standing, &Standing { visible, ..standing.clone() });
    Ok(())
}

pub(crate) async fn delete_one(cx: &Cx, input: api::DeleteMessageInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let (queue, deleted) = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            let deleted = delete(cx, tx, &queue, &input.receipt_handle)?;
            Ok((queue, deleted))
        })
        .await?;
    count(cx, &queue, deleted);
    // In a FIFO queue the rest of its group can be seen now.
    cx.signals().ring(&queue.topic());
    Ok(())
}

pub(crate) async fn delete_many(cx: &Cx, input: api::DeleteMessageBatchInput) -> Result<api::DeleteMessageBatchOutput> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    batch::check_ids("DeleteMessageBatchRequestEntry", input.entries.iter().map(|e| e.id.as_str()))?;
    let (queue, results) = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            let results: Vec<_> =
                input.entries.iter().map(|e| (e.id.clone(), delete(cx, tx, &queue, &e.receipt_handle))).collect();
            Ok((queue, results))
        })
        .await?;
    cx.signals().ring(&queue.topic());
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(deleted) => {
                count(cx, &queue, deleted);
                successful.push(output::DeleteMessageBatchResultEntry { id });
            }
            Err(why) => failed.push(batch::failed(id, why)?),
        }
    }
    Ok(api::DeleteMessageBatchOutput { successful, failed })
}

pub(crate) async fn change_one(cx: &Cx, input: api::ChangeMessageVisibilityInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let topic = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            change(cx, tx, &queue, &input.receipt_handle, input.visibility_timeout)?;
            Ok(queue.topic())
        })
        .await?;
    // Whoever waits must look again at when the next message can be seen.
    cx.signals().ring(&topic);
    Ok(())
}

pub(crate) async fn change_many(
    cx: &Cx,
    input: api::ChangeMessageVisibilityBatchInput,
) -> Result<api::ChangeMessageVisibilityBatchOutput> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    batch::check_ids("ChangeMessageVisibilityBatchRequestEntry", input.entries.iter().map(|e| e.id.as_str()))?;
    let (topic, results) = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            let each = input.entries.iter().map(|e| {
                let seconds = e.visibility_timeout.ok_or_else(|| Failure::from(error::missing("VisibilityTimeout")));
                (e.id.clone(), seconds.and_then(|s| change(cx, tx, &queue, &e.receipt_handle, s)))
            });
            let results: Vec<_> = each.collect();
            Ok((queue.topic(), results))
        })
        .await?;
    cx.signals().ring(&topic);
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(()) => successful.push(output::ChangeMessageVisibilityBatchResultEntry { id }),
            Err(why) => failed.push(batch::failed(id, why)?),
        }
    }
    Ok(api::ChangeMessageVisibilityBatchOutput { successful, failed })
}
