//! Errors in CloudWatch's words.

use undercast_kernel::{AwsError, Failure};

use crate::api::errors;

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_value_exception(message).into()
}

pub(crate) fn combination(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_combination_exception(message).into()
}

pub(crate) fn missing(parameter: &str) -> Failure {
    errors::missing_required_parameter_exception(format!("The parameter {parameter} is required.")).into()
}

/// What `GetMetricData` says where the others say `InvalidParameterValue`.
pub(crate) fn validation(message: impl Into<String>) -> Failure {
    AwsError::new("ValidationError", 400, message).into()
}
