//! Executions that a task starts, and waits for where it is told to.
//!
//! Source: "Start a new AWS Step Functions state machine from a running execution" in the developer guide.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::sdk::capitalised;
use undercast_kernel::{Cx, Failure};

use super::{Order, Outcome, names};
use crate::{SERVICE, executions};

/// What an answer is with capitals, moments in milliseconds.
fn capitals(answer: &Json) -> Json {
    let told = answer.as_object().into_iter().flatten().map(|(name, value)| {
        let name = capitalised(name);
        let value = match value {
            Json::Object(_) => capitals(value),
            Json::Number(seconds) if name.ends_with("Date") => {
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a moment fit")]
                let millis = (seconds.as_f64().unwrap_or_default() * 1000.0).round() as i64;
                json!(millis)
            }
            other => other.clone(),
        };
        (name, value)
    });
    Json::Object(told.collect::<Map<String, Json>>())
}

/// Starts an execution.
pub(crate) async fn start(role: &Cx, order: &Order) -> Outcome {
    let given = &order.arguments;
    let machine = given["StateMachineArn"].as_str().unwrap_or_default();
    let input = match &given["Input"] {
        Json::Null => "{}".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut wanted = json!({"stateMachineArn": machine, "input": input});
    for (from, to) in [("Name", "name"), ("TraceHeader", "traceHeader")] {
        if let Some(text) = given[from].as_str() {
            wanted[to] = json!(text);
        }
    }
    let region = undercast_kernel::arn::Arn::parse(machine).map(|arn| (arn.account, arn.region));
    let there = region.map_or_else(|| role.clone(), |(account, region)| role.elsewhere(&account, &region));
    match there.call(SERVICE, "StartExecution", wanted).await {
        Ok(answer) => Outcome::Succeeded(names::with_metadata(capitals(&answer), role)),
        Err(failure) => names::known("StepFunctions", "AWSStepFunctions", role, &failure),
    }
}

/// Waits until an execution that was started has ended. `parsed`: its output is JSON and not text.
pub(crate) async fn wait(cx: &Cx, arn: &str, parsed: bool) -> Outcome {
    let there = undercast_kernel::arn::Arn::parse(arn).map(|arn| cx.elsewhere(&arn.account, &arn.region));
    let Some(there) = there else { return super::broken(&Failure::broken(format!("{arn} is no ARN"))) };
    let described = match executions::ended(&there, arn).await {
        Ok(described) => described,
        Err(failure) => return super::broken(&failure),
    };
    let mut told = capitals(&described);
    let succeeded = told["Status"] == "SUCCEEDED";
    if parsed {
        for member in ["Input", "Output"] {
            let json = told[member].as_str().and_then(|text| serde_json::from_str::<Json>(text).ok());
            if let Some(json) = json {
                told[member] = json;
            }
        }
    }
    if succeeded { Outcome::Succeeded(told) } else { Outcome::Failed("States.TaskFailed".to_owned(), told.to_string()) }
}
