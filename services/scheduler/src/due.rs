//! A schedule whose moment has come: the moment is taken, the invocation is planned, and the next moment is found, all with
//! one transaction.

use serde_json::json;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::rows::{INVOCATIONS, Invocation, SCHEDULES, Schedule, execution_place, moment, place};
use crate::{SERVICE, invocation, metrics, schedules};

/// The kind of these tasks.
pub(crate) const KIND: &str = "due";

/// So many moments that have passed are taken with one transaction: the program may have slept for a night.
const AT_ONCE: usize = 100;

fn task_id(cx: &Cx, schedule: &Schedule) -> String {
    format!("{KIND}/{}/{}/{}/{}", cx.account(), cx.region(), schedule.group, schedule.name)
}

/// Has a schedule looked at when it is due, or no more.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, schedule: &Schedule) -> Result<()> {
    let id = task_id(cx, schedule);
    match schedule.next {
        Some(next) => {
            let payload = json!({"group": schedule.group, "name": schedule.name}).to_string();
            cx.tasks().schedule(cx, tx, SERVICE, &id, KIND, payload, moment(next))
        }
        None => cx.tasks().cancel(tx, SERVICE, &id),
    }
}

/// A schedule is due. Where it moves on, it schedules its task itself, so that nothing comes between.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let (group, name) = (text("group"), text("name"));
    let dropped = cx
        .write(|tx| {
            let Some(mut schedule) = SCHEDULES.get(tx, &place(cx, group, name))? else { return Ok(0) };
            let dropped = take(cx, tx, &mut schedule)?;
            if schedule.enabled && schedule.next.is_none() && is_done_with(cx, tx, &schedule)? {
                return schedules::remove(cx, tx, &schedule).map(|()| dropped);
            }
            SCHEDULES.put(tx, &schedule.key(cx), &schedule);
            plan(cx, tx, &schedule)?;
            Ok(dropped)
        })
        .await?;
    if dropped > 0 {
        tracing::warn!(group, name, "invocations that are too old by now are dropped");
        metrics::count(cx, group, "InvocationDroppedCount");
    }
    Ok(Next::Done)
}

/// Takes the moments that have come. What is older than the target takes is passed over; says how often that was.
fn take(cx: &Cx, tx: &mut Tx<'_>, schedule: &mut Schedule) -> Result<usize> {
    let timing = schedule.timing()?;
    let now = cx.now_millis();
    let oldest = now - i64::from(schedule.target.most_age) * 1000;
    let mut dropped = 0;
    for _ in 0..AT_ONCE {
        let Some(due) = schedule.next.filter(|due| *due <= now) else { break };
        if due < oldest {
            dropped += 1;
            schedule.next = schedule.following(&timing, due.max(oldest - 1));
            continue;
        }
        let window = u64::try_from(schedule.window.unwrap_or(0)).unwrap_or(0) * 60_000;
        let planned = due + i64::try_from(cx.random().below(window)).unwrap_or(0);
        let execution = cx.random().hex(16);
        let invocation = Invocation { schedule: schedule.id.clone(), due, planned, failures: 0 };
        INVOCATIONS.put(tx, &execution_place(cx, &schedule.group, &schedule.name, &execution), &invocation);
        invocation::plan(cx, tx, schedule, &execution, planned)?;
        schedule.next = schedule.following(&timing, due);
    }
    Ok(dropped)
}

/// Whether a schedule that is due no more has had its last invocation, and is to be deleted then.
pub(crate) fn is_done_with(cx: &Cx, tx: &Tx<'_>, schedule: &Schedule) -> Result<bool> {
    if !schedule.deletes {
        return Ok(false);
    }
    let rest = INVOCATIONS.page(
        tx,
        &place(cx, &schedule.group, &schedule.name),
        None::<&()>,
        undercast_kernel::store::Order::Ascending,
        1,
    )?;
    Ok(rest.is_empty())
}
