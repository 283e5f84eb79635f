//! What is written of a step of an execution, all of it with one transaction, and who is told of it then.

use serde_json::json;
use undercast_kernel::store::{Order as Direction, Tx};
use undercast_kernel::{Announcement, Cx, Result};

use crate::api::errors;
use crate::engine::frame::Doing;
use crate::engine::history::Event;
use crate::engine::{Effects, Order, Run, token};
use crate::executions::{KEPT, is_kept};
use crate::rows::{
    BY_END, BY_START, EVENTS, EXECUTIONS, Execution, FRAMES, OFFERS, Offer, RUNNING, Status, execution_key, moment,
    numbered,
};
use crate::runtime::{Key, Live, bell};
use crate::{SERVICE, logbook, mapruns, metrics};

/// The kind of the tasks that look at an execution when something of it is due.
pub(crate) const DUE: &str = "due";
/// With each new execution at most so many are forgotten that ended long ago.
const FORGOTTEN: usize = 2;

/// What is known in the store of an execution that something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// Nothing: it is made now.
    Now,
    /// It is there, and goes on.
    Before,
    /// It is there, had ended, and goes on again.
    Again,
}

/// An execution as it begins, goes on again, or has ended.
fn turned(live: &Live, run: &Run, effects: &Effects, cx: &Cx) -> Execution {
    let running = Execution {
        progress: run.progress(),
        redrives: run.header.redrives,
        redriven: run.header.redriven,
        status: Status::Running,
        stopped: None,
        output: None,
        error: None,
        cause: None,
        ..live.execution.clone()
    };
    let Some(end) = effects.end.clone() else { return running };
    let (status, stopped) = (end.status, Some(cx.now_millis()));
    Execution { status, stopped, output: end.output, error: end.error, cause: end.cause, ..running }
}

/// Writes a step. `next`: when the execution has to be looked at, `had`: whether that was said before.
pub(crate) async fn write(
    cx: &Cx,
    key: &Key,
    live: &Live,
    run: &Run,
    effects: &Effects,
    next: Option<i64>,
    had: bool,
    made: Made,
) -> Result<()> {
    let ended = effects.end.is_some();
    let turned = (ended || made != Made::Before).then(|| turned(live, run, effects, cx));
    if let Some(express) = &live.express {
        // What is only in memory has its timers there, too.
        if let Some(execution) = turned.filter(|_| ended) {
            express.ended.get_or_init(|| execution);
        }
        return Ok(());
    }
    let events: Vec<(i64, Event)> =
        effects.events.iter().map(|event| Ok((event.id, Event::of(event)?))).collect::<Result<_>>()?;
    let (machine, name) = (live.execution.machine.as_str(), live.execution.name.as_str());
    let frame_key = |id: u32| numbered(cx, machine, name, u64::from(id));
    cx.write(|tx| {
        match made {
            Made::Now => make(cx, tx, &live.execution)?,
            Made::Again => unlist(cx, tx, &live.execution),
            Made::Before => {}
        }
        for (id, event) in &events {
            EVENTS.put(tx, &numbered(cx, machine, name, *id), event);
        }
        for id in &effects.changed {
            if let Some(frame) = run.frames.get(id) {
                FRAMES.put(tx, &frame_key(*id), frame);
            }
        }
        effects.removed.iter().for_each(|id| FRAMES.delete(tx, &frame_key(*id)));
        offer(cx, tx, run, effects);
        plan(cx, tx, &live.execution, next, had)?;
        if !ended {
            RUNNING.put(tx, key, &run.progress());
        }
        let Some(execution) = &turned else { return Ok(()) };
        EXECUTIONS.put(tx, key, execution);
        if let Some(stopped) = execution.stopped {
            RUNNING.delete(tx, key);
            mapruns::count_end(cx, tx, execution)?;
            BY_END.put(tx, &by_end(cx, execution, stopped), &0);
        }
        cx.announce(tx, &changed(cx, execution))
    })
    .await
}

fn by_end<'a>(cx: &'a Cx, execution: &'a Execution, stopped: i64) -> (&'a str, &'a str, i64, &'a str, &'a str) {
    (cx.account(), cx.region(), stopped, &execution.machine, &execution.name)
}

/// It is none of those that have ended any more.
fn unlist(cx: &Cx, tx: &mut Tx<'_>, execution: &Execution) {
    if let Some(stopped) = execution.stopped {
        BY_END.delete(tx, &by_end(cx, execution, stopped));
    }
}

fn by_start<'a>(cx: &'a Cx, execution: &'a Execution) -> (&'a str, &'a str, &'a str, i64, &'a str) {
    (cx.account(), cx.region(), &execution.machine, execution.started, &execution.name)
}

/// Makes room for a new execution, unless there is one with its name. Those that ended long ago are forgotten, some at a time.
fn make(cx: &Cx, tx: &mut Tx<'_>, execution: &Execution) -> Result<()> {
    if let Some(there) = EXECUTIONS.get(tx, &execution.key(cx))? {
        if is_kept(cx, &there) {
            let arn = execution.arn(cx);
            return Err(errors::execution_already_exists(format!("Execution Already Exists: '{arn}'")).into());
        }
        forget(cx, tx, &there)?;
    }
    let (first, last) = ((cx.account(), cx.region(), i64::MIN), (cx.account(), cx.region(), cx.now_millis() - KEPT));
    for entry in BY_END.range(tx, &first, &last, Direction::Ascending, FORGOTTEN)? {
        let Some((_, _, _, machine, name)) = entry.key::<(String, String, i64, String, String)>() else { continue };
        if let Some(old) = EXECUTIONS.get(tx, &execution_key(cx, &machine, &name))? {
            forget(cx, tx, &old)?;
        }
    }
    BY_START.put(tx, &by_start(cx, execution), &0);
    Ok(())
}

/// Nothing of an execution stays.
fn forget(cx: &Cx, tx: &mut Tx<'_>, execution: &Execution) -> Result<()> {
    let place = execution.key(cx);
    FRAMES.clear(tx, &place)?;
    EVENTS.clear(tx, &place)?;
    BY_START.delete(tx, &by_start(cx, execution));
    unlist(cx, tx, execution);
    EXECUTIONS.delete(tx, &place);
    Ok(())
}

/// Tasks of activities are there for workers from now on.
fn offer(cx: &Cx, tx: &mut Tx<'_>, run: &Run, effects: &Effects) {
    for order in &effects.orders {
        let Order::Offer { frame: id, activity } = order else { continue };
        let Some(Doing::Tasking(task)) = run.frames.get(id).map(|frame| &frame.doing) else { continue };
        let name = activity.rsplit(':').next().unwrap_or_default();
        let token = token(&run.header.arn, *id, &task.nonce);
        let offer = Offer { token, input: task.arguments.to_string() };
        OFFERS.put(tx, &(cx.account(), cx.region(), name, task.scheduled, task.nonce.as_str()), &offer);
    }
}

/// Has an execution looked at then.
fn plan(cx: &Cx, tx: &mut Tx<'_>, execution: &Execution, next: Option<i64>, had: bool) -> Result<()> {
    let id = format!("{DUE}/{}/{}/{}/{}", cx.account(), cx.region(), execution.machine, execution.name);
    match next {
        Some(at) => {
            let payload = json!({"machine": execution.machine, "name": execution.name}).to_string();
            cx.tasks().schedule(cx, tx, SERVICE, &id, DUE, payload, moment(at))
        }
        None if had => cx.tasks().cancel(tx, SERVICE, &id),
        None => Ok(()),
    }
}

/// The event by which EventBridge hears of it.
///
/// Source: "Automating Step Functions event delivery with EventBridge" in the developer guide.
fn changed(cx: &Cx, execution: &Execution) -> Announcement {
    let arn = execution.arn(cx);
    let (redrivable, reason) = crate::redrive::status(cx, execution);
    let detail = json!({
        "executionArn": arn, "stateMachineArn": execution.machine_arn(cx), "name": execution.name,
        "status": execution.status.name(), "startDate": execution.started, "stopDate": execution.stopped,
        "input": execution.input, "inputDetails": {"included": true},
        "output": execution.output, "outputDetails": execution.output.as_ref().map(|_| json!({"included": true})),
        "error": execution.error, "cause": execution.cause,
        "stateMachineVersionArn": execution.version_arn(cx), "stateMachineAliasArn": execution.alias_arn(cx),
        "redriveCount": execution.redrives, "redriveDate": execution.redriven,
        "redriveStatus": redrivable, "redriveStatusReason": reason,
    });
    Announcement::new(cx, "aws.states", "Step Functions Execution Status Change", arn, detail)
}

/// Tells those who wait, logs and metrics of a step that is written.
pub(crate) fn tell(cx: &Cx, live: &std::sync::Arc<Live>, run: &Run, effects: &Effects) {
    metrics::of_step(cx, live, effects);
    logbook::note(cx, live, run, effects);
    for order in &effects.orders {
        if let Order::Offer { activity, .. } = order {
            cx.signals().ring(&bell(activity));
        }
    }
    if effects.end.is_some() {
        cx.signals().ring(&bell(&run.header.arn));
    }
}
