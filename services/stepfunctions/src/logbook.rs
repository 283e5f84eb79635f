//! Logs of executions: their events, as far as the level of the machine says, in a log group.
//!
//! Source: "Using CloudWatch Logs to log execution history in Step Functions" in the developer guide. The names of log streams are
//! those that AWS's console shows: `states/<machine>/<hour>/<id>`.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use undercast_kernel::Cx;
use undercast_kernel::arn::Arn;

use crate::DELIVERY;
use crate::api::kept::HistoryEvent;
use crate::engine::Effects;
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

fn rank(level: Level) -> u8 {
    match level {
        Level::Off => 0,
        Level::Fatal => 1,
        Level::Error => 2,
        Level::All => 3,
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
pub(crate) fn note(cx: &Cx, live: &Arc<Live>, effects: &Effects) {
    let logging = &live.revision.logging;
    let Some(group) = logging.group.as_deref().and_then(Arn::parse) else { return };
    let arn = live.express.as_ref().map_or_else(|| live.execution.arn(cx), |express| express.arn.clone());
    let wanted = |event: &&HistoryEvent| rank(level_of(&event.type_)) <= rank(logging.level);
    let records: Vec<Json> = effects
        .events
        .iter()
        .filter(wanted)
        .map(|event| {
            let message = record(event, &arn, live.execution.redrives, logging.data);
            json!({"timestamp": event.timestamp.as_millisecond(), "message": message})
        })
        .collect();
    if records.is_empty() {
        return;
    }
    let hour = moment(live.execution.started).strftime("%Y-%m-%d-%H-00").to_string();
    let stream = format!("states/{}/{hour}/{}", live.execution.machine, short(&arn));
    let name = group.resource.trim_start_matches("log-group:").trim_end_matches(":*").to_owned();
    let there = cx.kernel().cx_for(&group.account, &group.region).through(DELIVERY);
    let live = Arc::clone(live);
    cx.spawn(async move {
        // Records go in the order of their steps.
        let _turn = live.logs.lock().await;
        let made = json!({"logGroupName": name, "logStreamName": stream});
        let there_already = there.call("logs", "CreateLogStream", made).await;
        let known = |code: Option<&str>| code == Some("ResourceAlreadyExistsException");
        if let Err(failure) = there_already.as_ref().map(drop).map_err(|f| (known(f.code()), f.to_string()))
            && !failure.0
        {
            tracing::warn!(group = name, why = failure.1, "a log group takes no events of executions");
            return;
        }
        let put = json!({"logGroupName": name, "logStreamName": stream, "logEvents": records});
        if let Err(failure) = there.call("logs", "PutLogEvents", put).await {
            tracing::warn!(
                group = name,
                error = &failure as &dyn std::error::Error,
                "events of an execution were not logged"
            );
        }
    });
}

/// Tells the stream of one execution from those of others.
fn short(arn: &str) -> String {
    let mut hash: u32 = 2_166_136_261;
    for byte in arn.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    }
    format!("{hash:08x}")
}
