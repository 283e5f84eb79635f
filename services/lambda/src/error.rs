//! Errors in Lambda's words.

use undercast_kernel::{AwsError, Failure};
use undercast_wire::check::{Constraint, Violation};

use crate::api::errors;

/// `Function not found: arn:aws:lambda:us-east-1:000000000000:function:name`
pub(crate) fn no_function(arn: &str) -> Failure {
    kind(errors::resource_not_found_exception(format!("Function not found: {arn}"))).into()
}

/// `Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:name:alias`
pub(crate) fn no_alias(arn: &str) -> Failure {
    not_found(format!("Cannot find alias arn: {arn}"))
}

pub(crate) fn not_found(message: impl Into<String>) -> Failure {
    kind(errors::resource_not_found_exception(message)).into()
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    kind(errors::invalid_parameter_value_exception(message)).into()
}

pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    kind(errors::resource_conflict_exception(message)).into()
}

/// One constraint of the API that its model does not tell.
pub(crate) fn violated(value: impl std::fmt::Display, path: &str, constraint: &str) -> Failure {
    let message =
        format!("1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}");
    AwsError::new("ValidationException", 400, message).into()
}

/// Lambda's errors say whose fault they are.
fn kind(error: AwsError) -> AwsError {
    let who = if error.sender { "User" } else { "Service" };
    error.with("Type", who)
}

/// The caller asks for more at a time than there may be.
pub(crate) fn throttled(reason: &'static str) -> Failure {
    kind(errors::too_many_requests_exception("Rate Exceeded.")).with("Reason", reason).into()
}

/// Lambda itself has trouble.
pub(crate) fn service_fault(message: impl Into<String>) -> Failure {
    kind(errors::service_exception(message)).into()
}

pub(crate) fn too_large(message: String) -> Failure {
    kind(errors::request_too_large_exception(message)).into()
}

pub(crate) fn not_json(why: &serde_json::Error) -> Failure {
    let message = format!("Could not parse request body into json: Could not parse payload into json: {why}");
    kind(errors::invalid_request_content_exception(message)).into()
}

pub(crate) fn unknown_runtime(violation: &Violation) -> AwsError {
    let values = if let Constraint::Values(values) = violation.constraint { values.join(", ") } else { String::new() };
    let value = violation.value.as_deref().unwrap_or_default();
    let message = format!(
        "Value {value} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{values}] or be a valid ARN"
    );
    kind(errors::invalid_parameter_value_exception(message))
}
