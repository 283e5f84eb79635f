//! Errors in Secrets Manager's words.

use undercast_kernel::{AwsError, Failure};

use crate::api::errors;

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    AwsError::new("ValidationException", 400, message).into()
}

pub(crate) fn parameter(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

pub(crate) fn request(message: impl Into<String>) -> Failure {
    errors::invalid_request_exception(message).into()
}

pub(crate) fn access_denied(message: impl Into<String>) -> Failure {
    AwsError::new("AccessDeniedException", 400, message).into()
}

pub(crate) fn no_secret() -> Failure {
    errors::resource_not_found_exception("Secrets Manager can't find the specified secret.").into()
}

pub(crate) fn no_version(id: &str) -> Failure {
    let message = format!("Secrets Manager can't find the specified secret value for VersionId: {id}");
    errors::resource_not_found_exception(message).into()
}

pub(crate) fn no_stage(label: &str) -> Failure {
    let message = format!("Secrets Manager can't find the specified secret value for staging label: {label}");
    errors::resource_not_found_exception(message).into()
}

pub(crate) fn marked_for_deletion() -> Failure {
    request("You can't perform this operation on the secret because it was marked for deletion.")
}

pub(crate) fn is_replica() -> Failure {
    parameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
}

pub(crate) fn exists(name: &str) -> Failure {
    errors::resource_exists_exception(format!("The operation failed because the secret {name} already exists.")).into()
}

pub(crate) fn token_in_use(token: &str, arn: &str) -> Failure {
    let message = format!(
        "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    );
    errors::resource_exists_exception(message).into()
}

pub(crate) fn no_token() -> Failure {
    request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
}

pub(crate) fn over_quota(what: &str) -> Failure {
    errors::limit_exceeded_exception(format!(
        "The request failed because it would exceed one of the Secrets Manager quotas: {what}."
    ))
    .into()
}

pub(crate) fn bad_page() -> Failure {
    errors::invalid_next_token_exception("The NextToken value is invalid.").into()
}

pub(crate) fn no_rotation_function() -> Failure {
    request("No Lambda rotation function ARN is associated with this secret.")
}
