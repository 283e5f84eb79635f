//! Tasks: how what a state orders is done, as the role of the machine.

mod call;
mod child;
mod function;
mod names;

use serde_json::Value as Json;
use undercast_kernel::{Cx, Failure};

use crate::PRINCIPAL;
use crate::resource::{Pattern, Resource};

pub(crate) use child::wait as wait_for_child;

/// What came of a task, or of the call that began it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It is done, with this.
    Succeeded(Json),
    /// The call was answered so; the end is told later.
    Submitted(Json),
    /// An error's name and cause.
    Failed(String, String),
}

/// An order to do a task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// The task's `Resource`.
    pub(crate) resource: String,
    pub(crate) arguments: Json,
    /// The role of the machine, or the one that the state's `Credentials` name.
    pub(crate) role: String,
    /// ARN of the execution, and of its machine.
    pub(crate) execution: String,
    pub(crate) machine: String,
}

/// The context in which calls are made for a machine, with a role. `None`: the role cannot be assumed.
///
/// # Errors
/// When the store fails.
pub(crate) fn as_role(cx: &Cx, role: &str, machine: &str) -> undercast_kernel::Result<Option<Cx>> {
    if cx.kernel().identities().is_none() {
        // Where no IAM is, nobody has roles, and the account itself is all that may do anything.
        return Ok(Some(cx.kernel().cx_for(cx.account(), cx.region()).through(PRINCIPAL)));
    }
    if !cx.is_assumable(PRINCIPAL, role, Some(machine))? {
        return Ok(None);
    }
    Ok(Some(cx.as_role(PRINCIPAL, role, &cx.random().text(32, "abcdefghijklmnopqrstuvwxyzABCDEF"))))
}

/// Does a task, or begins it.
pub(crate) async fn perform(cx: &Cx, order: &Order) -> Outcome {
    let resource = match Resource::parse(&order.resource) {
        Ok(resource) => resource,
        Err(failure) => return broken(&failure),
    };
    let role = match as_role(cx, &order.role, &order.machine) {
        Ok(Some(role)) => role,
        Ok(None) => {
            let cause = format!("The role {} cannot be assumed by {PRINCIPAL}.", order.role);
            return Outcome::Failed("States.TaskFailed".to_owned(), cause);
        }
        Err(failure) => return broken(&failure),
    };
    match resource {
        Resource::Function(arn) => function::invoke(&role, &arn, &order.arguments).await,
        // Workers come for those by themselves.
        Resource::Activity(_) => Outcome::Submitted(Json::Null),
        Resource::Service(call) => {
            let done = match call.kind.as_str() {
                "lambda" => function::invoke_known(&role, &order.arguments, call.pattern == Pattern::Callback).await,
                _ => call::make(&role, &call, order).await,
            };
            match done {
                Outcome::Succeeded(answer) if call.is_submitted() => Outcome::Submitted(answer),
                other => other,
            }
        }
    }
}

/// What cannot be AWS's own doing is told as what it is.
fn broken(failure: &Failure) -> Outcome {
    Outcome::Failed("States.Runtime".to_owned(), failure.to_string())
}
