//! Errors in Parameter Store's words.

use undercast_kernel::{AwsError, Failure};

use crate::api::errors;

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    AwsError::new("ValidationException", 400, message).into()
}

pub(crate) fn access_denied(message: impl Into<String>) -> Failure {
    AwsError::new("AccessDeniedException", 400, message).into()
}

/// AWS gives no message with this one.
pub(crate) fn no_parameter() -> Failure {
    errors::parameter_not_found("").into()
}

pub(crate) fn no_version(version: &str, name: &str) -> Failure {
    let message =
        format!("Systems Manager could not find version {version} of {name}. Verify the version and try again.");
    errors::parameter_version_not_found(message).into()
}

pub(crate) fn bad_page() -> Failure {
    errors::invalid_next_token("The specified token is not valid.").into()
}
