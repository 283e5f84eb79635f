//! How many records of a queue wait, are in flight, and were put aside, which CloudWatch is told every minute.
//!
//! Of a queue that has had nothing to give for six hours nothing more is told until somebody asks it for records.
//! Source: "Monitor a queue" in the developer guide.

use std::time::Duration;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Next, Result, Task};

use super::Queue;
use super::receive;
use crate::batch;
use crate::metrics;
use crate::name::QueueName;
use crate::stream::{HEADS, Head, Layout, STREAMS, Stream};

/// Queue → what it has given.
static GIVEN: Table<Given> = Table::new("kinesis.queue_given");

/// The task that tells CloudWatch of a queue.
pub(crate) const MEASURING: &str = "measure";
const EVERY: Duration = Duration::from_secs(60);
/// Milliseconds after which a queue that has nothing is told of no more.
const QUIET: i64 = 6 * 3_600_000;
/// Never more records than so many are told of.
const MOST: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
struct Given {
    /// So many records were handed out at least once.
    #[n(0)]
    records: u64,
    /// When it last had something, or gave something, in milliseconds since 1970.
    #[n(1)]
    active: i64,
    /// The task is there.
    #[n(2)]
    measured: bool,
}

fn id(cx: &Cx, queue: &Queue) -> String {
    format!("measure/{}/{}/{}", cx.account(), cx.region(), queue.id)
}

/// Notes that a queue was asked and gave so many records that it had not given before, and has it measured.
pub(crate) fn note(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue, records: u64) -> Result<()> {
    let before = GIVEN.get(tx, &queue.place(cx))?.unwrap_or_default();
    if !before.measured {
        let first = cx.now().saturating_add(EVERY).unwrap_or(cx.now());
        cx.tasks().schedule(cx, tx, "kinesis", &id(cx, queue), MEASURING, queue.id.clone(), first)?;
    }
    let after = Given { records: before.records + records, active: cx.now_millis(), measured: true };
    GIVEN.put(tx, &queue.place(cx), &after);
    Ok(())
}

/// Whether CloudWatch is told of a queue.
pub(crate) fn is_measured(cx: &Cx, from: &impl Read, queue: &Queue) -> Result<bool> {
    Ok(GIVEN.get(from, &queue.place(cx))?.is_some_and(|given| given.measured))
}

pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    GIVEN.delete(tx, &queue.place(cx));
    cx.tasks().cancel(tx, "kinesis", &id(cx, queue))
}

/// So many records of a stream were not handed out yet: an index of the stream is a record of one of its shards.
fn fresh(cx: &Cx, from: &impl Read, queue: &Queue, stream: &Stream, given: u64) -> Result<u64> {
    let next = HEADS.get(from, &stream.place(cx))?.unwrap_or(Head::FIRST).next;
    let horizon = stream.horizon(cx.now_millis());
    let mut kept = Head::FIRST.next;
    for shard in &Layout::read(cx, from, stream)?.shards {
        kept = kept.max(batch::since(cx, from, (stream, shard.number), horizon, next)?);
    }
    let all = next.saturating_sub(queue.from.max(Head::FIRST.next));
    Ok(all.saturating_sub(given).min(next.saturating_sub(kept)))
}

#[expect(clippy::cast_precision_loss, reason = "at most a million")]
fn tell(cx: &Cx, queue: &Queue, name: &str, count: u64) {
    metrics::of_queue(cx, queue, name, count.min(MOST) as f64);
}

/// Does the task that tells CloudWatch of a queue.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let name = QueueName { account: cx.account().to_owned(), id: task.payload.clone() };
    let Ok(queue) = name.find(cx, &from) else { return Ok(Next::Done) };
    let stream = STREAMS.get(&from, &cx.key(&queue.stream_name))?.filter(|stream| stream.id == queue.stream);
    let Some(stream) = stream else { return Ok(Next::Done) };
    let given = GIVEN.get(&from, &queue.place(cx))?.unwrap_or_default();
    let counts = receive::counts(cx, &from, &queue)?;
    let visible = counts.visible + fresh(cx, &from, &queue, &stream, given.records)?;
    tell(cx, &queue, "VisibleQueueRecords", visible);
    tell(cx, &queue, "InFlightQueueRecords", counts.in_flight);
    tell(cx, &queue, "VisibleDeadLetterQueueRecords", counts.aside);
    let goes_on = cx
        .write(|tx| {
            let mut given = GIVEN.get(tx, &queue.place(cx))?.unwrap_or_default();
            if visible > 0 {
                given.active = cx.now_millis();
            }
            given.measured = cx.now_millis() - given.active < QUIET;
            GIVEN.put(tx, &queue.place(cx), &given);
            Ok(given.measured)
        })
        .await?;
    let next = cx.now().saturating_add(EVERY).unwrap_or(cx.now());
    Ok(if goes_on { Next::Again(next) } else { Next::Done })
}
