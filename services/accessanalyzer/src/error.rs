//! Errors in Access Analyzer's words. What is known of its messages is used as it is; the others say the same in the same manner.

use undercast_kernel::{AwsError, Failure, paging};

use crate::api::errors;

/// A parameter that cannot be so.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    because(message, "fieldValidationFailed")
}

/// A request that cannot be served so, though each of its parameters could be.
pub(crate) fn unsupported(message: impl Into<String>) -> AwsError {
    because(message, "notSupported")
}

pub(crate) fn because(message: impl Into<String>, reason: &str) -> AwsError {
    let mut error = errors::validation_exception(message);
    error.fields.push(("reason".into(), reason.into()));
    error
}

fn of_resource(mut error: AwsError, id: &str, kind: &str) -> Failure {
    error.fields.extend([("resourceId".into(), id.into()), ("resourceType".into(), kind.into())]);
    error.into()
}

pub(crate) fn missing(kind: &str, id: &str) -> Failure {
    let message = format!("{kind} with id {id} was not found.");
    of_resource(errors::resource_not_found_exception(message), id, kind)
}

pub(crate) fn conflict(kind: &str, id: &str, message: impl Into<String>) -> Failure {
    of_resource(errors::conflict_exception(message), id, kind)
}

pub(crate) fn quota(kind: &str, id: &str, message: impl Into<String>) -> Failure {
    of_resource(errors::service_quota_exceeded_exception(message), id, kind)
}

pub(crate) fn denied(message: impl Into<String>) -> Failure {
    errors::access_denied_exception(message).into()
}

/// A page has so many at most, and where nothing else is said.
const PAGE: usize = 100;
/// The most that may be asked for.
const MOST: usize = 1000;

/// A page of a list, and the token of the next one.
pub(crate) fn page<T>(
    scope: &str,
    items: Vec<T>,
    token: Option<&str>,
    most: Option<i32>,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let size = match most.map(usize::try_from) {
        None => PAGE,
        Some(Ok(size @ 1..=MOST)) => size,
        Some(_) => return Err(invalid(format!("maxResults must be between 1 and {MOST}."))),
    };
    paging::page(scope, items, token, size).ok_or_else(|| invalid("The nextToken is not valid."))
}
