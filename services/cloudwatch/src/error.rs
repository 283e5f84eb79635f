//! Errors in CloudWatch's words.

use undercast_kernel::{AwsError, Failure};
use undercast_wire::check::{self, Constraint, Violation};
use undercast_wire::schema::Operation;

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

/// Operations that say `InvalidParameterValue` and `MissingParameter` of broken constraints, and not `ValidationError`.
const OLDER: &[&str] = &[
    "DeleteDashboards",
    "GetDashboard",
    "GetInsightRuleReport",
    "GetMetricStatistics",
    "ListDashboards",
    "ListMetrics",
    "ListTagsForResource",
    "PutDashboard",
    "PutMetricData",
    "TagResource",
    "UntagResource",
];

/// What is answered to input that breaks the model's constraints.
pub(crate) fn invalid_input(operation: &'static Operation, violations: &[Violation]) -> AwsError {
    let message = check::message(violations);
    if !OLDER.contains(&operation.name) {
        return AwsError::new("ValidationError", 400, message);
    }
    match violations.first() {
        Some(first) if first.constraint == Constraint::Required => {
            let mut name = first.path.clone();
            name.get_mut(..1).iter_mut().for_each(|initial| initial.make_ascii_uppercase());
            errors::missing_required_parameter_exception(format!("The parameter {name} is required."))
        }
        _ => errors::invalid_parameter_value_exception(message),
    }
}
