//! Errors in the registry's words: each has a code and a message in its body.
//!
//! Source: messages that AWS gave, as its users tell them (of a registry that is there already, and of a schema that cannot be
//! exported); where none is known, the same form of words.

use undercast_kernel::{AwsError, Failure, Result, paging};

use crate::api::errors;

/// An error with the members that its shape has.
fn spoken(mut error: AwsError) -> AwsError {
    let (code, message) = (error.code.clone(), error.message.clone());
    error.fields.extend([("Code".into(), code.as_ref().into()), ("Message".into(), message.into())]);
    error
}

pub(crate) fn bad(message: impl Into<String>) -> AwsError {
    spoken(errors::bad_request_exception(message))
}

pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    spoken(errors::conflict_exception(message)).into()
}

pub(crate) fn forbidden(message: impl Into<String>) -> Failure {
    spoken(errors::forbidden_exception(message)).into()
}

pub(crate) fn gone(message: impl Into<String>) -> Failure {
    spoken(errors::gone_exception(message)).into()
}

pub(crate) fn missing(message: impl Into<String>) -> Failure {
    spoken(errors::not_found_exception(message)).into()
}

pub(crate) fn stale_policy() -> Failure {
    let message = "The RevisionId provided does not match the revision of the policy.";
    spoken(errors::precondition_failed_exception(message)).into()
}

/// What nobody but AWS may change.
pub(crate) fn managed(registry: &str) -> Failure {
    forbidden(format!("Registry with name {registry} is managed by AWS."))
}

/// More than an account has by default.
pub(crate) fn too_many(what: &str, most: usize) -> Failure {
    forbidden(format!("The quota of {most} {what} is reached."))
}

/// A page has so many at most, and where nothing else is said.
const PAGE: usize = 100;

/// A page of a list, and the token of the next one.
pub(crate) fn page<T>(
    scope: &str,
    items: Vec<T>,
    token: Option<&str>,
    limit: Option<i32>,
) -> Result<(Vec<T>, Option<String>)> {
    let size = match limit.map(usize::try_from) {
        None => PAGE,
        Some(Ok(size @ 1..=PAGE)) => size,
        Some(_) => return Err(bad(format!("Limit must be between 1 and {PAGE}.")).into()),
    };
    paging::page(scope, items, token, size).ok_or_else(|| bad("NextToken is not valid.").into())
}
