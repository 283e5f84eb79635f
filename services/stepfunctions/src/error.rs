//! Errors in the words of Step Functions.

use undercast_kernel::Failure;

use crate::api::errors;

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    errors::validation_exception(message).into()
}

pub(crate) fn invalid_arn(why: impl std::fmt::Display) -> Failure {
    errors::invalid_arn(format!("Invalid Arn: '{why}'")).into()
}

pub(crate) fn no_machine(arn: &str) -> Failure {
    errors::state_machine_does_not_exist(format!("State Machine Does Not Exist: '{arn}'")).into()
}

pub(crate) fn no_execution(arn: &str) -> Failure {
    errors::execution_does_not_exist(format!("Execution Does Not Exist: '{arn}'")).into()
}

pub(crate) fn no_activity(arn: &str) -> Failure {
    errors::activity_does_not_exist(format!("Activity Does Not Exist: '{arn}'")).into()
}

pub(crate) fn no_resource(arn: &str) -> Failure {
    errors::resource_not_found(format!("Resource not found: '{arn}'")).into()
}

pub(crate) fn bad_token() -> Failure {
    errors::invalid_token("Invalid Token: 'Invalid token'").into()
}

pub(crate) fn invalid_name(name: &str) -> Failure {
    errors::invalid_name(format!("Invalid Name: '{name}'")).into()
}

/// Refuses names with spaces, brackets, wildcards, special and control characters.
///
/// Source: `CreateStateMachine` in the API reference; recorded answers.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let refused = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
            || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{d7ff}'..='\u{d7ff}')
    };
    if name.is_empty() || name.chars().any(refused) { Err(invalid_name(name)) } else { Ok(()) }
}
