//! Mocks of tasks: what they say instead, held against what the service's model says of its answers.
//!
//! Source: `MockInput` in the API reference; recorded answers for the messages.

use serde_json::Value as Json;
use undercast_kernel::sdk::capitalised;
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::schema::{Shape, Structure};

use crate::api::input;
use crate::error::validation;
use crate::resource::Resource;
use crate::tasks::Outcome;

/// How much of a result must be as the model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// What is required must be there, and all that is there must be right.
    Strict,
    /// All that is there must be right.
    Present,
    None,
}

/// What a mock says instead of a task.
pub(crate) fn outcome(cx: &Cx, mock: &input::MockInput, resource: &str) -> Result<Outcome> {
    match (&mock.result, &mock.error_output) {
        (Some(result), None) => {
            let result: Json =
                serde_json::from_str(result).map_err(|_| validation("Mocked result must be valid JSON"))?;
            let mode = match mock.field_validation_mode.as_deref() {
                Some("NONE") => Mode::None,
                Some("PRESENT") => Mode::Present,
                _ => Mode::Strict,
            };
            check(cx, resource, &result, mode)?;
            Ok(Outcome::Succeeded(result))
        }
        (None, Some(error)) => {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(String::new);
            Ok(Outcome::Failed(text(&error.error), text(&error.cause)))
        }
        _ => Err(validation("A test mock should have only one of the following fields: [result, errorOutput].")),
    }
}

/// Holds a result against the answer of the operation that the task calls. Functions and activities answer what they like.
fn check(cx: &Cx, resource: &str, result: &Json, mode: Mode) -> Result<()> {
    let Resource::Service(call) = Resource::parse(resource)? else { return Ok(()) };
    if mode == Mode::None {
        return Ok(());
    }
    // What Step Functions calls `states` and `events` SDKs call otherwise.
    let service = match call.sdk().unwrap_or(&call.kind) {
        "states" => "sfn",
        "events" => "eventbridge",
        other => other,
    };
    if !result.is_object() {
        return Err(validation("Mocked result must be a JSON object."));
    }
    match cx.kernel().callable(service, &call.action) {
        // What waits ends with something of somebody else's.
        Some(callable) if !call.is_submitted() => structure(result, callable.operation.output, mode),
        _ => Ok(()),
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    validation(format!("Mock result schema validation error: {what}"))
}

fn structure(given: &Json, of: &Structure, mode: Mode) -> Result<()> {
    for member in of.members {
        let name = capitalised(member.name);
        match given.get(&name) {
            Some(Json::Null) | None if member.required && mode == Mode::Strict => {
                return Err(wrong(format!("Required field '{name}' is missing")));
            }
            Some(Json::Null) | None => {}
            Some(value) => shape(&name, value, &member.shape, mode)?,
        }
    }
    Ok(())
}

fn shape(name: &str, value: &Json, shape_of: &Shape, mode: Mode) -> Result<()> {
    let must_be = |what: &str| Err(wrong(format!("Field '{name}' must be {what}")));
    match shape_of {
        Shape::String(text) => match value.as_str() {
            Some(given) => length(name, given.chars().count(), text.size.min, text.size.max),
            None => must_be("a string"),
        },
        Shape::Blob(size) => match value.as_str() {
            Some(given) => length(name, given.len(), size.min, size.max),
            // A payload may be written as the JSON that it is.
            None if name == "Payload" => Ok(()),
            None => must_be("a string"),
        },
        Shape::Timestamp(_) if value.is_string() || value.is_number() => Ok(()),
        Shape::Timestamp(_) => must_be("a string"),
        Shape::Boolean if value.is_boolean() => Ok(()),
        Shape::Boolean => must_be("a boolean"),
        Shape::Integer(range) | Shape::Long(range) => match value.as_f64() {
            #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
            Some(given) => bounds(name, given, range.min.map(|n| n as f64), range.max.map(|n| n as f64)),
            None => must_be("a number"),
        },
        Shape::Float(range) | Shape::Double(range) => match value.as_f64() {
            Some(given) => bounds(name, given, range.min, range.max),
            None => must_be("a number"),
        },
        Shape::List(list) => match value.as_array() {
            Some(items) => items.iter().try_for_each(|item| shape(name, item, &list.item, mode)),
            None => must_be("an array"),
        },
        Shape::Map(map) => match value.as_object() {
            Some(entries) => entries.values().try_for_each(|entry| shape(name, entry, &map.value, mode)),
            None => must_be("an object"),
        },
        Shape::Structure(inner) if value.is_object() => structure(value, inner, mode),
        Shape::Structure(_) => must_be("an object"),
        Shape::Document => Ok(()),
    }
}

fn length(name: &str, length: usize, min: Option<u64>, max: Option<u64>) -> Result<()> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if min.is_some_and(|min| length < min) {
        return Err(wrong(format!("Field '{name}' is smaller than the minimum length")));
    }
    if max.is_some_and(|max| length > max) {
        return Err(wrong(format!("Field '{name}' exceeds the maximum length")));
    }
    Ok(())
}

fn bounds(name: &str, given: f64, min: Option<f64>, max: Option<f64>) -> Result<()> {
    if min.is_some_and(|min| given < min) {
        return Err(wrong(format!("Field '{name}' is less than the minimum value")));
    }
    if max.is_some_and(|max| given > max) {
        return Err(wrong(format!("Field '{name}' exceeds the maximum value")));
    }
    Ok(())
}
