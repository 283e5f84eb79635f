//! What is written of a step of an execution, all of it with one transaction, and who is told of it then.

use serde_json::json;
use undercast_kernel::store::Tx;
use undercast_kernel::{Announcement, Cx, Result};

use crate::api::errors;
use crate::engine::frame::Doing;
use crate::engine::history::Event;
use crate::engine::{Effects, Order, Run, token};
use crate::rows::{BY_END, BY_START, EVENTS, EXECUTIONS, Execution, FRAMES, OFFERS, Offer, RUNNING, Status, moment};
use crate::runtime::{Key, Live, bell};
use crate::{SERVICE, arns, logbook, mapruns, metrics};

/// The kind of the tasks that look at an execution when something of it is due.
pub(crate) const DUE: &str = "due";

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

/// An execution with what came of a step.
fn after(live: &Live, run: &Run, effects: &Effects, cx: &Cx) -> Execution {
    let mut execution = Execution {
        events: run.events,
        frames: run.next,
        deadline: run.deadline,
        redrives: run.header.redrives,
        redriven: run.header.redriven,
        status: Status::Running,
        stopped: None,
        output: None,
        error: None,
        cause: None,
        ..live.execution.clone()
    };
    if let Some(end) = &effects.end {
        execution.status = end.status;
        execution.stopped = Some(cx.now_millis());
        execution.output.clone_from(&end.output);
        execution.error.clone_from(&end.error);
        execution.cause.clone_from(&end.cause);
    }
    execution
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
    let execution = after(live, run, effects, cx);
    if let Some(express) = &live.express {
        express.keep(&execution);
        // What is only in memory has its timers there, too.
        return Ok(());
    }
    let events: Vec<(i64, Event)> =
        effects.events.iter().map(|event| Ok((event.id, Event::of(event)?))).collect::<Result<_>>()?;
    cx.write(|tx| {
        match made {
            Made::Now => make(cx, tx, &execution)?,
            Made::Again => {
                RUNNING.put(tx, key, &0);
                if let Some(stopped) = live.execution.stopped {
                    BY_END.delete(tx, &by_end(cx, &execution, stopped));
                }
            }
            Made::Before => {}
        }
        EXECUTIONS.put(tx, key, &execution);
        for (id, event) in &events {
            EVENTS.put(
                tx,
                &(cx.account(), cx.region(), execution.machine.as_str(), execution.name.as_str(), *id),
                event,
            );
        }
        let frame =
            |id: u32| (cx.account(), cx.region(), execution.machine.as_str(), execution.name.as_str(), u64::from(id));
        for id in &effects.changed {
            if let Some(row) = run.frames.get(id) {
                FRAMES.put(tx, &frame(*id), row);
            }
        }
        effects.removed.iter().for_each(|id| FRAMES.delete(tx, &frame(*id)));
        offer(cx, tx, run, effects);
        plan(cx, tx, &execution, next, had)?;
        if let Some(stopped) = execution.stopped {
            RUNNING.delete(tx, key);
            mapruns::count_end(cx, tx, &execution)?;
            BY_END.put(tx, &by_end(cx, &execution, stopped), &0);
        }
        if execution.stopped.is_some() || made != Made::Before {
            cx.announce(tx, &changed(cx, &execution))?;
        }
        Ok(())
    })
    .await
}

fn by_end<'a>(cx: &'a Cx, execution: &'a Execution, stopped: i64) -> (&'a str, &'a str, i64, &'a str, &'a str) {
    (cx.account(), cx.region(), stopped, &execution.machine, &execution.name)
}

/// Writes a new execution down, unless there is one with its name.
fn make(cx: &Cx, tx: &mut Tx<'_>, execution: &Execution) -> Result<()> {
    if EXECUTIONS.has(tx, &execution.key(cx))? {
        let arn = execution.arn(cx);
        return Err(errors::execution_already_exists(format!("Execution Already Exists: '{arn}'")).into());
    }
    RUNNING.put(tx, &execution.key(cx), &0);
    let started = (cx.account(), cx.region(), execution.machine.as_str(), execution.started, execution.name.as_str());
    BY_START.put(tx, &started, &0);
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
pub(crate) fn tell(cx: &Cx, live: &std::sync::Arc<Live>, effects: &Effects) {
    metrics::of_step(cx, live, effects);
    logbook::note(cx, live, effects);
    for order in &effects.orders {
        if let Order::Offer { activity, .. } = order {
            cx.signals().ring(&bell(activity));
        }
    }
    if effects.end.is_some() {
        let execution = &live.execution;
        let arn = match &live.express {
            Some(express) => express.arn.clone(),
            None => arns::of_execution(cx, &execution.machine, &execution.name),
        };
        cx.signals().ring(&bell(&arn));
    }
}
