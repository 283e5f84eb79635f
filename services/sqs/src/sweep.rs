//! The end of messages nobody receives, and of deduplication ids: swept by the clock.

use undercast_kernel::store::{Order, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::message::{self, MESSAGES};
use crate::queue::{Placed, Queue, QueueName};
use crate::receive::ATTEMPTS;
use crate::send::{DEDUPLICATION, DEDUPLICATION_MILLIS};

/// A sweep looks at so many rows in one transaction.
const PAGE: usize = 1_000;

/// Sees to it that a queue that holds something will be swept. The first message plans it; sweeps plan the next ones.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    let first = MESSAGES.page(tx, &queue.place(), None::<&()>, Order::Ascending, 2)?;
    let due = match first.as_slice() {
        [only] => queue.end_of(&only.row),
        _ => return Ok(()),
    };
    let due = if queue.is_fifo() { due.min(cx.now_millis() + DEDUPLICATION_MILLIS) } else { due };
    schedule(cx, tx, queue, due)
}

/// Plans a sweep anew when a queue's retention was changed.
pub(crate) fn replan(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    match MESSAGES.page(tx, &queue.place(), None::<&()>, Order::Ascending, 1)?.first() {
        Some(first) => schedule(cx, tx, queue, queue.end_of(&first.row)),
        None => Ok(()),
    }
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, due: i64) -> Result<()> {
    let cx = cx.elsewhere(&queue.account, &queue.region);
    let due = Timestamp::from_millisecond(due).map_err(Failure::broken)?;
    cx.tasks().schedule(&cx, tx, "sqs", &format!("sweep/{}", queue.tag()), "sweep", queue.name.clone(), due)
}

/// Removes what is over, and says when to come again.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let name = QueueName { account: task.account.clone(), region: task.region.clone(), name: task.payload.clone() };
    let next = cx
        .write(|tx| {
            let Ok(queue) = name.find(tx) else { return Ok(None) };
            let forgotten = forget(cx, tx, &queue)?;
            Ok([expire(cx, tx, &queue)?, forgotten].into_iter().flatten().min())
        })
        .await?;
    match next {
        Some(due) => Ok(Next::Again(Timestamp::from_millisecond(due).map_err(Failure::broken)?)),
        None => Ok(Next::Done),
    }
}

/// Removes messages whose time is over; says when the next one's is.
fn expire(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<Option<i64>> {
    for entry in MESSAGES.page(tx, &queue.place(), None::<&()>, Order::Ascending, PAGE)? {
        let Some((_, number)) = entry.key::<(Placed, u64)>() else { continue };
        let end = queue.end_of(&entry.row);
        if end > cx.now_millis() {
            return Ok(Some(end));
        }
        message::remove(tx, queue, number, &entry.row);
    }
    let more = !MESSAGES.page(tx, &queue.place(), None::<&()>, Order::Ascending, 1)?.is_empty();
    Ok(more.then_some(cx.now_millis()))
}

/// Removes every message whose time is over, before the queue has another retention: what is over does not come back.
pub(crate) fn expire_all(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    for entry in MESSAGES.all(tx, &queue.place())? {
        if let Some((_, number)) = entry.key::<(Placed, u64)>().filter(|_| queue.is_over(&entry.row, cx.now_millis())) {
            message::remove(tx, queue, number, &entry.row);
        }
    }
    Ok(())
}

/// Forgets deduplication ids and attempts to receive; says when to look again.
fn forget(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<Option<i64>> {
    if !queue.is_fifo() {
        return Ok(None);
    }
    let mut ends = Vec::new();
    for entry in DEDUPLICATION.all(tx, &queue.place())? {
        if entry.row.until > cx.now_millis() {
            ends.push(entry.row.until);
        } else if let Some((_, group, deduplication)) = entry.key::<(Placed, String, String)>() {
            DEDUPLICATION.delete(tx, &(queue.place(), group, deduplication));
        }
    }
    for entry in ATTEMPTS.all(tx, &queue.place())? {
        if entry.row.until > cx.now_millis() {
            ends.push(entry.row.until);
        } else if let Some((_, attempt)) = entry.key::<(Placed, String)>() {
            ATTEMPTS.delete(tx, &(queue.place(), attempt));
        }
    }
    Ok(ends.into_iter().min())
}
