//! Redriving: an execution that did not succeed goes on from where it stopped.
//!
//! Source: "Restarting state machine executions with redrive" in the developer guide.

use std::sync::Arc;

use undercast_kernel::{Cx, Repeated, Result, fingerprint};

use crate::api::{self, errors};
use crate::engine::history;
use crate::executions::find;
use crate::mapruns;
use crate::rows::{Execution, Status, moment};
use crate::runtime::Runtime;

/// So long after its end it can be redriven, in milliseconds.
const WINDOW: i64 = 14 * 86_400_000;
/// So often.
const MOST: u32 = 1000;
/// For so long a token is remembered, in milliseconds.
const TOKEN: i64 = 15 * 60_000;

/// Whether an execution can be redriven, and why not.
pub(crate) fn status(cx: &Cx, execution: &Execution) -> (&'static str, Option<String>) {
    let not = |why: String| ("NOT_REDRIVABLE", Some(why));
    match execution.status {
        Status::Running | Status::Succeeded | Status::PendingRedrive => {
            not(format!("Execution is {} and cannot be redriven", execution.status.name()))
        }
        Status::Failed | Status::TimedOut | Status::Aborted => {
            if execution.map_run.is_some() {
                return ("REDRIVABLE_BY_MAP_RUN", None);
            }
            if execution.stopped.is_some_and(|stopped| stopped + WINDOW < cx.now_millis()) {
                return not("Execution is not redrivable because the redrivable period has passed".to_owned());
            }
            if mapruns::has_failed_runs(cx, &cx.read(), execution).unwrap_or(true) {
                return not("Undercast does not redrive executions whose map runs did not succeed".to_owned());
            }
            if execution.redrives >= MOST {
                return not("Execution has exceeded the maximum number of redrives".to_owned());
            }
            if execution.progress.events >= history::MOST - 1 {
                return not("Execution history size limit exceeded".to_owned());
            }
            ("REDRIVABLE", None)
        }
    }
}

pub(crate) async fn redrive(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    input: api::RedriveExecutionInput,
) -> Result<api::RedriveExecutionOutput> {
    let request = fingerprint(&input.execution_arn);
    let token = input.client_token.unwrap_or_else(|| cx.random().uuid());
    let execution = find(cx, &cx.read(), &input.execution_arn)?;
    let known = cx.known(&cx.read(), "stepfunctions.RedriveExecution", &token, &request)?;
    if let (Repeated::Same, Some(at)) = (known, execution.redriven) {
        return Ok(api::RedriveExecutionOutput { redrive_date: moment(at) });
    }
    if let (_, Some(why)) = status(cx, &execution) {
        return Err(errors::execution_not_redrivable(why).into());
    }
    cx.write(|tx| cx.repeated(tx, "stepfunctions.RedriveExecution", &token, &request, TOKEN)).await?;
    runtime.redrive(cx, execution).await?;
    let execution = find(cx, &cx.read(), &input.execution_arn)?;
    Ok(api::RedriveExecutionOutput { redrive_date: execution.redriven.map_or_else(|| cx.now(), moment) })
}
