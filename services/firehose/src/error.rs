//! Refusals in AWS's words, as its users tell them.

use undercast_kernel::{AwsError, Cx, Failure};

use crate::api::errors;

pub(crate) fn not_found(cx: &Cx, name: &str) -> AwsError {
    errors::resource_not_found_exception(format!("Firehose {name} under account {} not found.", cx.account()))
}

pub(crate) fn exists(cx: &Cx, name: &str) -> AwsError {
    errors::resource_in_use_exception(format!("Firehose {name} under accountId {} already exists", cx.account()))
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    errors::invalid_argument_exception(message).into()
}
