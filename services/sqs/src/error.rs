//! Errors in SQS's words. Those without a shape in the model have no name of their own either.

use undercast_kernel::AwsError;

use crate::api::errors;

pub(crate) fn no_queue() -> AwsError {
    errors::queue_does_not_exist("The specified queue does not exist.")
}

pub(crate) fn missing(parameter: &str) -> AwsError {
    AwsError::new("MissingParameter", 400, format!("The request must contain the parameter {parameter}."))
}

pub(crate) fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", 400, message)
}

/// `Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.`
pub(crate) fn invalid_parameter(value: &str, parameter: &str, reason: &str) -> AwsError {
    invalid_value(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

/// The value of a queue's attribute.
pub(crate) fn invalid_attribute(parameter: &str) -> AwsError {
    errors::invalid_attribute_value(format!("Invalid value for the parameter {parameter}."))
}
