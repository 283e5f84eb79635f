//! What becomes of records that a queue has handed out: AcknowledgeQueueRecords and its kin, of many receipts at a time.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use super::Queue;
use super::receive::{Held, Spot};
use crate::api::{self, output};
use crate::metrics;
use crate::name::QueueName;

/// Why a receipt is not good for anything.
struct Refusal {
    code: &'static str,
    message: &'static str,
}

const NO_RECEIPT: Refusal =
    Refusal { code: "InvalidArgumentException", message: "The receipt handle is not one of this queue." };
const NOT_HELD: Refusal = Refusal {
    code: "ResourceNotFoundException",
    message: "The record of the receipt handle was acknowledged, or has been received again.",
};
const NOT_IN_FLIGHT: Refusal = Refusal {
    code: "InvalidArgumentException",
    message: "The record of the receipt handle is not in flight: its visibility timeout has expired.",
};

/// What a call does with each record.
#[derive(Clone, Copy)]
enum Deed {
    Acknowledge,
    /// Seconds from now.
    Hide(i32),
    Restore,
}

/// What came of a call: the receipts that were good, and the others with the reason.
type Outcome = (Vec<String>, Vec<(String, Refusal)>);

/// Does something with the record of a receipt.
fn one(
    cx: &Cx,
    tx: &mut Tx<'_>,
    queue: &Queue,
    (receipt, deed): (&str, Deed),
    aside: bool,
) -> Result<std::result::Result<(), Refusal>> {
    let Some((spot, nonce)) = Spot::of_receipt(receipt) else { return Ok(Err(NO_RECEIPT)) };
    let held = Held::get(cx, tx, queue, spot, &nonce)?;
    let Some(mut held) = held.filter(|held| held.aside == aside) else { return Ok(Err(NOT_HELD)) };
    let in_flight = held.is_in_flight(cx.now_millis());
    // One whose last time is over has been put aside, and this receipt is not of that.
    if !aside && held.dead && !in_flight {
        return Ok(Err(NOT_HELD));
    }
    match deed {
        Deed::Acknowledge => Held::delete(cx, tx, queue, spot)?,
        Deed::Hide(_) if !in_flight => return Ok(Err(NOT_IN_FLIGHT)),
        Deed::Hide(seconds) => {
            held.visible = cx.now_millis() + i64::from(seconds) * 1000;
            held.put(cx, tx, queue, spot)?;
        }
        Deed::Restore => {
            held.restore(cx.now_millis());
            held.put(cx, tx, queue, spot)?;
        }
    }
    Ok(Ok(()))
}

/// Does something with each of many records, in one transaction.
async fn each(cx: &Cx, arn: &str, aside: bool, entries: &[(String, Deed)]) -> Result<Outcome> {
    let name = QueueName::from_arn(cx, arn)?;
    let (queue, outcome) = cx
        .write(|tx| {
            let queue = name.find(cx, tx)?;
            let mut outcome: Outcome = (Vec::new(), Vec::new());
            for (receipt, deed) in entries {
                match one(cx, tx, &queue, (receipt, *deed), aside)? {
                    Ok(()) => outcome.0.push(receipt.clone()),
                    Err(refusal) => outcome.1.push((receipt.clone(), refusal)),
                }
            }
            Ok((queue, outcome))
        })
        .await?;
    if !aside && matches!(entries.first(), Some((_, Deed::Acknowledge))) {
        metrics::of_queue(cx, &queue, "AcknowledgedQueueRecords", metrics::float(outcome.0.len()));
    }
    cx.signals().ring(&queue.topic(cx));
    Ok(outcome)
}

/// Answers alike of operations whose shapes differ in nothing but their names.
macro_rules! answer {
    ($outcome:expr, $output:ident, $good:ident, $bad:ident) => {{
        let (good, bad) = $outcome;
        let failed = |(receipt_handle, why): (String, Refusal)| output::$bad {
            receipt_handle,
            error_code: why.code.to_owned(),
            error_message: Some(why.message.to_owned()),
        };
        api::$output {
            successful: good.into_iter().map(|receipt_handle| output::$good { receipt_handle }).collect(),
            failed: bad.into_iter().map(failed).collect(),
        }
    }};
}

pub(crate) async fn acknowledge(
    cx: &Cx,
    input: api::AcknowledgeQueueRecordsInput,
) -> Result<api::AcknowledgeQueueRecordsOutput> {
    let entries: Vec<_> = input.entries.into_iter().map(|e| (e.receipt_handle, Deed::Acknowledge)).collect();
    let outcome = each(cx, &input.queue_arn, false, &entries).await?;
    Ok(answer!(
        outcome,
        AcknowledgeQueueRecordsOutput,
        AcknowledgeQueueRecordsResultEntry,
        AcknowledgeQueueRecordsErrorEntry
    ))
}

pub(crate) async fn acknowledge_dead_letters(
    cx: &Cx,
    input: api::AcknowledgeDeadLetterQueueRecordsInput,
) -> Result<api::AcknowledgeDeadLetterQueueRecordsOutput> {
    let entries: Vec<_> = input.entries.into_iter().map(|e| (e.receipt_handle, Deed::Acknowledge)).collect();
    let outcome = each(cx, &input.queue_arn, true, &entries).await?;
    Ok(answer!(
        outcome,
        AcknowledgeDeadLetterQueueRecordsOutput,
        AcknowledgeDeadLetterQueueRecordsResultEntry,
        AcknowledgeDeadLetterQueueRecordsErrorEntry
    ))
}

pub(crate) async fn restore(
    cx: &Cx,
    input: api::RestoreDeadLetterQueueRecordsInput,
) -> Result<api::RestoreDeadLetterQueueRecordsOutput> {
    let entries: Vec<_> = input.entries.into_iter().map(|e| (e.receipt_handle, Deed::Restore)).collect();
    let outcome = each(cx, &input.queue_arn, true, &entries).await?;
    Ok(answer!(
        outcome,
        RestoreDeadLetterQueueRecordsOutput,
        RestoreDeadLetterQueueRecordsResultEntry,
        RestoreDeadLetterQueueRecordsErrorEntry
    ))
}

pub(crate) async fn hide(
    cx: &Cx,
    input: api::UpdateQueueRecordsVisibilityInput,
) -> Result<api::UpdateQueueRecordsVisibilityOutput> {
    let entries = input.entries.into_iter();
    let entries: Vec<_> = entries.map(|e| (e.receipt_handle, Deed::Hide(e.visibility_timeout_seconds))).collect();
    let outcome = each(cx, &input.queue_arn, false, &entries).await?;
    Ok(answer!(
        outcome,
        UpdateQueueRecordsVisibilityOutput,
        UpdateQueueRecordsVisibilityResultEntry,
        UpdateQueueRecordsVisibilityErrorEntry
    ))
}

pub(crate) async fn hide_dead_letters(
    cx: &Cx,
    input: api::UpdateDeadLetterQueueRecordsVisibilityInput,
) -> Result<api::UpdateDeadLetterQueueRecordsVisibilityOutput> {
    let entries = input.entries.into_iter();
    let entries: Vec<_> = entries.map(|e| (e.receipt_handle, Deed::Hide(e.visibility_timeout_seconds))).collect();
    let outcome = each(cx, &input.queue_arn, true, &entries).await?;
    Ok(answer!(
        outcome,
        UpdateDeadLetterQueueRecordsVisibilityOutput,
        UpdateDeadLetterQueueRecordsVisibilityResultEntry,
        UpdateDeadLetterQueueRecordsVisibilityErrorEntry
    ))
}
