//! The end of events: a group's retention, swept by the clock.

use undercast_kernel::store::{Order, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::group::{self, GROUPS, Group};
use crate::stream::{EVENTS, Event, Placed, STREAMS};

/// What `retentionInDays` may be.
const DAYS: &[i32] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653];
/// A sweep removes so many events of a stream in one transaction.
const PAGE: usize = 1_000;

/// Days in milliseconds.
pub(crate) fn millis(days: i32) -> i64 {
    i64::from(days) * 86_400_000
}

fn id(cx: &Cx, group: &Group) -> String {
    format!("sweep/{}/{}/{}", cx.account(), cx.region(), group.id)
}

/// Sets how long a group keeps its events; `None`: for ever.
pub(crate) async fn set(cx: &Cx, name: &str, days: Option<i32>) -> Result<()> {
    if let Some(days) = days.filter(|d| !DAYS.contains(d)) {
        let values: Vec<String> = DAYS.iter().map(ToString::to_string).collect();
        let message = format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            values.join(", ")
        );
        return Err(group::invalid(message));
    }
    cx.write(|tx| {
        let mut group = group::find(cx, tx, name)?;
        group.retention = days;
        group.swept = false;
        group.put(cx, tx);
        cancel(cx, tx, &group)?;
        match oldest(cx, tx, &group)? {
            Some(oldest) => plan(cx, tx, &mut group, oldest),
            None => Ok(()),
        }
    })
    .await
}

/// Sees to it that a group that holds an event of this time (ms) will be swept.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, group: &mut Group, oldest: i64) -> Result<()> {
    let Some(days) = group.retention.filter(|_| !group.swept) else { return Ok(()) };
    let due = Timestamp::from_millisecond(oldest + millis(days)).map_err(Failure::broken)?;
    group.swept = true;
    group.put(cx, tx);
    cx.tasks().schedule(cx, tx, "logs", &id(cx, group), "sweep", group.name.clone(), due)
}

pub(crate) fn cancel(cx: &Cx, tx: &mut Tx<'_>, group: &Group) -> Result<()> {
    cx.tasks().cancel(tx, "logs", &id(cx, group))
}

/// The time of a group's oldest event (ms).
fn oldest(cx: &Cx, tx: &Tx<'_>, group: &Group) -> Result<Option<i64>> {
    let mut oldest: Option<i64> = None;
    for (_, stream) in group::streams(cx, tx, group)? {
        let first = EVENTS.page(tx, &cx.key(stream.id), None::<&()>, Order::Ascending, 1)?.pop();
        let time = first.and_then(|e| e.key::<(Placed, i64, u64)>()).map(|k| k.1);
        oldest = [oldest, time].into_iter().flatten().min();
    }
    Ok(oldest)
}

/// Removes events that are over, and says when to come again.
pub(crate) async fn sweep(cx: &Cx, task: &Task) -> Result<Next> {
    let next = cx
        .write(|tx| {
            let Some(mut group) = GROUPS.get(tx, &cx.key(task.payload.as_str()))? else { return Ok(None) };
            let Some(days) = group.retention.filter(|_| id(cx, &group) == task.id) else { return Ok(None) };
            let horizon = group.horizon(cx.now_millis());
            for (name, mut stream) in group::streams(cx, tx, &group)? {
                let over = EVENTS.range(
                    tx,
                    &(cx.key(stream.id), i64::MIN, 0u64),
                    &(cx.key(stream.id), horizon, 0u64),
                    Order::Ascending,
                    PAGE,
                )?;
                for entry in &over {
                    let Some((_, time, number)) = entry.key::<(Placed, i64, u64)>() else { continue };
                    EVENTS.delete(tx, &(cx.key(stream.id), time, number));
                    stream.stored -= i64::try_from(Event::size(&entry.row.message)).unwrap_or(0);
                }
                if !over.is_empty() {
                    let first = EVENTS.page(tx, &cx.key(stream.id), None::<&()>, Order::Ascending, 1)?.pop();
                    stream.first_event = first.and_then(|e| e.key::<(Placed, i64, u64)>()).map(|k| k.1);
                    STREAMS.put(tx, &(cx.key(group.id), name), &stream);
                }
            }
            let next = oldest(cx, tx, &group)?.map(|time| (time + millis(days)).max(cx.now_millis() + 1));
            group.swept = next.is_some();
            group.put(cx, tx);
            Ok(next)
        })
        .await?;
    match next {
        Some(due) => Ok(Next::Again(Timestamp::from_millisecond(due).map_err(Failure::broken)?)),
        None => Ok(Next::Done),
    }
}
