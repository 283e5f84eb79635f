//! Errors in SNS's words.

use undercast_kernel::AwsError;

use crate::api::errors;

pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    errors::invalid_parameter_exception(message)
}

pub(crate) fn no_topic() -> AwsError {
    errors::not_found_exception("Topic does not exist")
}

pub(crate) fn no_subscription() -> AwsError {
    errors::not_found_exception("Subscription does not exist")
}

/// A member that must be there and is not.
pub(crate) fn no_value(parameter: &str) -> AwsError {
    invalid(format!("Invalid parameter: {parameter} Reason: no value for required parameter"))
}

pub(crate) fn empty_batch() -> AwsError {
    errors::empty_batch_request_exception("The batch request doesn't contain any entries.")
}
