//! Errors in ACM's words, where they are known.

use undercast_kernel::{Failure, Result, paging};

use crate::api::errors;

pub(crate) fn bad_arn(arn: &str) -> Failure {
    errors::invalid_arn_exception(format!("The ARN {arn} is invalid.")).into()
}

pub(crate) fn missing(arn: &str) -> Failure {
    errors::resource_not_found_exception(format!("Could not find certificate {arn}.")).into()
}

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    errors::validation_exception(message).into()
}

pub(crate) fn parameter(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

pub(crate) fn options(message: impl Into<String>) -> Failure {
    errors::invalid_domain_validation_options_exception(message).into()
}

pub(crate) fn conflict(message: impl Into<String>) -> Failure {
    errors::conflict_exception(message).into()
}

pub(crate) fn state(message: impl Into<String>) -> Failure {
    errors::invalid_state_exception(message).into()
}

pub(crate) fn in_progress(arn: &str) -> Failure {
    errors::request_in_progress_exception(format!(
        "The certificate request has been received, and is in progress: {arn}. Try again later."
    ))
    .into()
}

pub(crate) fn limit(message: impl Into<String>) -> Failure {
    errors::limit_exceeded_exception(message).into()
}

/// A page of a list, and the token of the next one.
pub(crate) fn page<T>(
    scope: &str,
    items: Vec<T>,
    token: Option<&str>,
    size: usize,
    bad_token: impl Fn(&'static str) -> Failure,
) -> Result<(Vec<T>, Option<String>)> {
    paging::page(scope, items, token, size).ok_or_else(|| bad_token("The NextToken is not valid."))
}
