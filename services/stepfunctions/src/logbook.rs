//! Logs of executions: their events, as far as the level of the machine says, in a log group.
//!
//! Source: "Using CloudWatch Logs to log execution history in Step Functions" in the developer guide. The names of log streams are
//! those that AWS's console shows: `states/<machine>/<hour>/<id>`.

use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Result, fingerprint};

use crate::DELIVERY;
use crate::api::kept::HistoryEvent;
use crate::engine::{Effects, Run};
use crate::rows::{Level, moment};
use crate::runtime::Live;

/// From which level on an event is logged.
fn level_of(kind: &str) -> Level {
    match kind {
        "ExecutionAborted" | "ExecutionFailed" | "ExecutionTimedOut" => Level::Fatal,
        "FailStateEntered" | "EvaluationFailed" => Level::Error,
        _ if ["Failed", "Aborted", "TimedOut"].iter().any(|end| kind.ends_with(end)) => Level::Error,
        _ => Level::All,
    }
}

/// Takes inputs, outputs and the like out of an event.
pub(crate) fn strip(event: &mut HistoryEvent) {
    let told = serde_json::to_value(&*event).unwrap_or_default();
    let Json::Object(mut members) = told else { return };
    for details in members.values_mut().filter_map(Json::as_object_mut) {
        for name in
            ["input", "inputDetails", "output", "outputDetails", "assignedVariables", "assignedVariablesDetails"]
        {
            details.remove(name);
        }
        // A member that is there in any case is empty.
        if let Some(parameters) = details.get_mut("parameters") {
            *parameters = json!("");
        }
    }
    if let Ok(stripped) = serde_json::from_value(Json::Object(members)) {
        *event = stripped;
    }
}

/// A record of an event.
fn record(event: &HistoryEvent, arn: &str, redrives: u32, data: bool) -> String {
    let mut event = event.clone();
    if !data {
        strip(&mut event);
    }
    let told = serde_json::to_value(&event).unwrap_or_default();
    let details = told.as_object().and_then(|members| {
        let found = members.iter().find(|(name, _)| name.ends_with("EventDetails"));
        found.map(|(_, details)| details.clone())
    });
    json!({
        "id": event.id.to_string(), "type": event.type_, "details": details.unwrap_or_else(|| Json::Object(Map::new())),
        "redrive_count": redrives.to_string(), "previous_event_id": event.previous_event_id.unwrap_or(0).to_string(),
        "event_timestamp": event.timestamp.as_millisecond().to_string(), "execution_arn": arn,
    })
    .to_string()
}

/// Logs the events of a step.
pub(crate) fn note(cx: &Cx, live: &Arc<Live>, run: &Run, effects: &Effects) {
    let logging = &live.revision.logging;
    let Some(group) = logging.group.as_deref().and_then(Arn::parse) else { return };
    let wanted = |event: &&HistoryEvent| level_of(&event.type_) <= logging.level;
    let header = &run.header;
    let records: Vec<Json> = effects
        .events
        .iter()
        .filter(wanted)
        .map(|event| {
            let message = record(event, &header.arn, header.redrives, logging.data);
            json!({"timestamp": event.timestamp.as_millisecond(), "message": message})
        })
        .collect();
    if records.is_empty() {
        return;
    }
    live.records.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
    let hour = moment(live.execution.started).strftime("%Y-%m-%d-%H-00").to_string();
    let short: String = text::hex_encode(&fingerprint(&header.arn)).chars().take(8).collect();
    let stream = format!("states/{}/{hour}/{short}", live.execution.machine);
    let name = group.resource.trim_start_matches("log-group:").trim_end_matches(":*").to_owned();
    let there = cx.kernel().cx_for(&group.account, &group.region).through(DELIVERY);
    let live = Arc::clone(live);
    cx.spawn(async move {
        // Records go in the order of their steps: one writes at a time, and takes all that wait.
        let _turn = live.logs.lock().await;
        let records = std::mem::take(&mut *live.records.lock().unwrap_or_else(PoisonError::into_inner));
        if records.is_empty() {
            return;
        }
        if let Err(failure) = put(&there, &name, &stream, records).await {
            let error = &failure as &dyn std::error::Error;
            tracing::warn!(group = name, error, "events of an execution were not logged");
        }
    });
}

/// Writes records to a stream, which is made if it is not there.
async fn put(there: &Cx, group: &str, stream: &str, records: Vec<Json>) -> Result<()> {
    let input = json!({"logGroupName": group, "logStreamName": stream, "logEvents": records});
    match there.call("logs", "PutLogEvents", input.clone()).await {
        Err(failure) if failure.code() == Some("ResourceNotFoundException") => {
            let made = json!({"logGroupName": group, "logStreamName": stream});
            there.call("logs", "CreateLogStream", made).await?;
            there.call("logs", "PutLogEvents", input).await.map(drop)
        }
        done => done.map(drop),
    }
}
