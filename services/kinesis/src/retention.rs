//! How long records are kept: IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod, and the task that removes what
//! is over. What is over is not read any more, removed or not.

use std::time::Duration;

use undercast_kernel::store::{Order, Tx};
use undercast_kernel::{Cx, Next, Result, Task};

use crate::api;
use crate::batch::BATCHES;
use crate::encryption;
use crate::name::StreamName;
use crate::stream::{Change, DAY, SHARDS, STREAMS, Status, Stream};
use crate::{error, settle};

/// The longest time, in hours: a year.
const MOST: i32 = 8760;
/// What is over is looked for so often.
const BETWEEN: Duration = Duration::from_secs(3600);
/// So many rows are removed at a time.
const STEP: usize = 200;

/// The task that removes what is over.
pub(crate) const TRIMMING: &str = "trim";

fn check(hours: i32) -> Result<()> {
    let (limit, bound, word) = if hours < DAY {
        ("Minimum", DAY, "short")
    } else if hours > MOST {
        ("Maximum", MOST, "long")
    } else {
        return Ok(());
    };
    let message = format!(
        "{limit} allowed retention period is {bound} hours. Requested retention period ({hours} hours) is too {word}."
    );
    Err(error::invalid(message).into())
}

async fn change(cx: &Cx, name: &StreamName, hours: i32, increases: bool) -> Result<()> {
    check(hours)?;
    cx.write(|tx| {
        let mut stream = name.find_active(cx, tx)?;
        let now = stream.retention_hours;
        if (increases && hours < now) || (!increases && hours > now) {
            let (word, other) = if increases { ("shorter", "Decrease") } else { ("longer", "Increase") };
            let message = format!(
                "Requested retention period ({hours} hours) for stream {} can not be {word} than existing retention period ({now} hours). Use {other}RetentionPeriod API.",
                name.name
            );
            return Err(error::invalid(message).into());
        }
        stream.over = stream.horizon(cx.now_millis());
        stream.retention_hours = hours;
        stream.status = Status::Updating(Change::Setting);
        settle::plan(cx, tx, &stream)
    })
    .await
}

pub(crate) async fn increase(cx: &Cx, input: api::IncreaseStreamRetentionPeriodInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    change(cx, &name, input.retention_period_hours, true).await
}

pub(crate) async fn decrease(cx: &Cx, input: api::DecreaseStreamRetentionPeriodInput) -> Result<()> {
    let name = StreamName::of(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    change(cx, &name, input.retention_period_hours, false).await
}

pub(crate) fn task_id(cx: &Cx, stream: u64) -> String {
    format!("trim/{}/{}/{stream}", cx.account(), cx.region())
}

/// Has what is over removed from a stream from now on.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, id: u64, name: &str) -> Result<()> {
    let due = cx.now().saturating_add(BETWEEN).unwrap_or(cx.now());
    cx.tasks().schedule(cx, tx, "kinesis", &task_id(cx, id), TRIMMING, format!("{id}/{name}"), due)
}

/// Does the task that removes what is over.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some((id, name)) = task.payload.split_once('/') else { return Ok(Next::Done) };
    let left = cx
        .write(|tx| {
            let stream = STREAMS.get(tx, &cx.key(name))?.filter(|stream| stream.id.to_string() == id);
            stream.map(|stream| trim(cx, tx, stream)).transpose()
        })
        .await?;
    Ok(match left {
        None => Next::Done,
        Some(true) => Next::Again(cx.now()),
        Some(false) => Next::Again(cx.now().saturating_add(BETWEEN).unwrap_or(cx.now())),
    })
}

/// Removes some of what is over; says whether there may be more.
fn trim(cx: &Cx, tx: &mut Tx<'_>, mut stream: Stream) -> Result<bool> {
    let (place, horizon) = (stream.place(cx), stream.horizon(cx.now_millis()));
    let mut left = STEP;
    let mut forgotten = false;
    for entry in SHARDS.page(tx, &place, None::<&()>, Order::Ascending, usize::MAX)? {
        let number = u64::from(entry.row.number);
        let rows = BATCHES.page(tx, &(place, number), None::<&()>, Order::Ascending, left)?;
        for row in rows.iter().take_while(|row| row.row.at < horizon) {
            if let Some((_, shard, last)) = row.key::<((String, String, u64), u64, u64)>() {
                BATCHES.delete(tx, &(place, shard, last));
                left -= 1;
            }
        }
        if left == 0 {
            return Ok(true);
        }
        if entry.row.closed.is_some_and(|closed| closed < horizon) {
            SHARDS.delete(tx, &(place, number));
            forgotten = true;
        }
    }
    encryption::forget(cx, tx, &stream, horizon)?;
    if forgotten {
        stream.layout += 1;
        STREAMS.put(tx, &cx.key(&stream.name.clone()), &stream);
    }
    Ok(false)
}
