//! AWS's sentences.

use undercast_kernel::{AwsError, Failure};
use undercast_wire::check::{Constraint, Violation};

use crate::api::errors;

/// Input that is not as the model says, in the words of Organizations ("InvalidInputException", with its reasons).
pub(crate) fn against_model(violation: &Violation) -> AwsError {
    let (reason, message) = match &violation.constraint {
        Constraint::Required => ("INPUT_REQUIRED", "You must provide a value for all required parameters."),
        Constraint::MinLength(_) => ("MIN_LENGTH_EXCEEDED", "You provided a string that is shorter than allowed."),
        Constraint::MaxLength(_) => ("MAX_LENGTH_EXCEEDED", "You provided a string that is longer than allowed."),
        Constraint::Min(_) => ("MIN_VALUE_EXCEEDED", "You provided a numeric value that is smaller than allowed."),
        Constraint::Max(_) => ("MAX_VALUE_EXCEEDED", "You provided a numeric value that is larger than allowed."),
        Constraint::Values(_) => ("INVALID_ENUM", "You specified an invalid value."),
        _ => ("INVALID_PATTERN", "You provided a value that does not match the required pattern."),
    };
    errors::invalid_input_exception(format!("{message} ({})", violation.path)).with("Reason", reason)
}

pub(crate) fn denied() -> Failure {
    AwsError::new("AccessDeniedException", 400, "You don't have permissions to access this resource.").into()
}

pub(crate) fn not_in_use() -> Failure {
    errors::aws_organizations_not_in_use_exception("Your account is not a member of an organization.").into()
}

pub(crate) fn invalid(reason: &'static str, message: impl Into<String>) -> Failure {
    errors::invalid_input_exception(message).with("Reason", reason).into()
}

pub(crate) fn violation(reason: &'static str, message: impl Into<String>) -> Failure {
    errors::constraint_violation_exception(message).with("Reason", reason).into()
}

pub(crate) fn handshake_violation(reason: &'static str, message: impl Into<String>) -> Failure {
    errors::handshake_constraint_violation_exception(message).with("Reason", reason).into()
}

pub(crate) fn no_account() -> Failure {
    errors::account_not_found_exception("You specified an account that doesn't exist.").into()
}

pub(crate) fn no_unit() -> Failure {
    errors::organizational_unit_not_found_exception("You specified an organizational unit that doesn't exist.").into()
}

pub(crate) fn no_parent() -> Failure {
    errors::parent_not_found_exception("You specified parent that doesn't exist.").into()
}

pub(crate) fn no_root() -> Failure {
    errors::root_not_found_exception("You specified a root that doesn't exist.").into()
}

pub(crate) fn no_target() -> Failure {
    errors::target_not_found_exception("You specified a target that doesn't exist.").into()
}

pub(crate) fn no_policy() -> Failure {
    errors::policy_not_found_exception("We can't find a policy with the PolicyId that you specified.").into()
}

pub(crate) fn bad_token() -> Failure {
    invalid("INVALID_NEXT_TOKEN", "The NextToken that you specified is not valid.")
}
