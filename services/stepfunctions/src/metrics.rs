//! What CloudWatch is told, in the namespace `AWS/States`.
//!
//! Source: "Monitoring Step Functions metrics using Amazon CloudWatch" in the developer guide.

use undercast_kernel::{Cx, Metric};

use crate::api::kept::HistoryEvent;
use crate::engine::Effects;
use crate::rows::Status;
use crate::runtime::Live;

fn observe(cx: &Cx, dimension: (&str, &str), name: &str, unit: &'static str, value: f64) {
    let dimensions = [dimension];
    cx.observe(&Metric { namespace: "AWS/States", name, dimensions: &dimensions, unit }, value);
}

/// Tells of a step.
pub(crate) fn of_step(cx: &Cx, live: &Live, effects: &Effects) {
    let machine = live.execution.machine_arn(cx);
    let of_machine = ("StateMachineArn", machine.as_str());
    for event in &effects.events {
        of_event(cx, of_machine, event);
    }
    cx.meter("stepfunctions", "StateTransitions", transitions(effects));
    let Some(end) = &effects.end else { return };
    let name = match end.status {
        Status::Succeeded => "ExecutionsSucceeded",
        Status::Failed => "ExecutionsFailed",
        Status::TimedOut => "ExecutionsTimedOut",
        Status::Aborted => "ExecutionsAborted",
        Status::Running | Status::PendingRedrive => return,
    };
    observe(cx, of_machine, name, "Count", 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a year has fewer milliseconds")]
    let taken = (cx.now_millis() - live.execution.started).max(0) as f64;
    observe(cx, of_machine, "ExecutionTime", "Milliseconds", taken);
}

/// So many states were entered.
fn transitions(effects: &Effects) -> f64 {
    let entered = effects.events.iter().filter(|event| event.type_.ends_with("StateEntered")).count();
    u32::try_from(entered).map_or(f64::MAX, f64::from)
}

fn of_event(cx: &Cx, of_machine: (&str, &str), event: &HistoryEvent) {
    let count = |dimension: (&str, &str), name: &str| observe(cx, dimension, name, "Count", 1.0);
    match event.type_.as_str() {
        "ExecutionStarted" => count(of_machine, "ExecutionsStarted"),
        "ExecutionRedriven" => count(of_machine, "ExecutionsRedriven"),
        "LambdaFunctionScheduled" => {
            if let Some(details) = &event.lambda_function_scheduled_event_details {
                count(("LambdaFunctionArn", &details.resource), "LambdaFunctionsScheduled");
            }
        }
        "ActivityScheduled" => {
            if let Some(details) = &event.activity_scheduled_event_details {
                count(("ActivityArn", &details.resource), "ActivitiesScheduled");
            }
        }
        "TaskScheduled" => {
            if let Some(details) = &event.task_scheduled_event_details {
                let resource = format!("arn:aws:states:::{}:{}", details.resource_type, details.resource);
                count(("ServiceIntegrationResourceArn", &resource), "ServiceIntegrationsScheduled");
            }
        }
        "TaskSucceeded" => {
            if let Some(details) = &event.task_succeeded_event_details {
                let resource = format!("arn:aws:states:::{}:{}", details.resource_type, details.resource);
                count(("ServiceIntegrationResourceArn", &resource), "ServiceIntegrationsSucceeded");
            }
        }
        "TaskFailed" => {
            if let Some(details) = &event.task_failed_event_details {
                let resource = format!("arn:aws:states:::{}:{}", details.resource_type, details.resource);
                count(("ServiceIntegrationResourceArn", &resource), "ServiceIntegrationsFailed");
            }
        }
        _ => {}
    }
}
