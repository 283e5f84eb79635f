//! Errors in KMS's words.

use undercast_kernel::{AwsError, Failure};
use undercast_wire::schema::Operation;

use crate::api::errors;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", 400, message)
}

/// A value that breaks a constraint which the model leaves out, in the form of those that it has.
pub(crate) fn constraint(value: &str, member: &str, rule: &str) -> AwsError {
    validation(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {rule}"
    ))
}

/// A key that its account does not have.
pub(crate) fn no_key(arn: &str) -> AwsError {
    errors::not_found_exception(format!("Key '{arn}' does not exist"))
}

pub(crate) fn no_alias(arn: &str) -> AwsError {
    errors::not_found_exception(format!("Alias {arn} is not found."))
}

/// A key id that is no key id.
pub(crate) fn bad_id(given: &str) -> AwsError {
    errors::not_found_exception(format!("Invalid keyId '{given}'"))
}

/// An ARN of another region.
pub(crate) fn other_region(region: &str) -> AwsError {
    errors::not_found_exception(format!("Invalid arn {region}"))
}

/// Operations that know no invalid ARN do not find what it names.
pub(crate) fn as_listed(operation: &'static Operation, failure: Failure) -> Failure {
    match failure {
        Failure::Aws(error)
            if error.name == "InvalidArnException"
                && !operation.errors.iter().any(|listed| listed.name == error.name) =>
        {
            errors::not_found_exception(error.message).into()
        }
        other => other,
    }
}

pub(crate) fn bad_arn(given: &str) -> AwsError {
    errors::invalid_arn_exception(format!("Invalid arn {given}"))
}

/// What AWS says of keys of others that do not exist, or are not for the caller: it does not tell which.
pub(crate) fn not_yours(principal: &str, action: &str, arn: &str) -> AwsError {
    AwsError::new(
        "AccessDeniedException",
        400,
        format!(
            "User: {principal} is not authorized to perform: {action} on resource: {arn} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
        ),
    )
}

/// A ciphertext whose key is gone, or elsewhere.
pub(crate) fn no_key_of_ciphertext() -> AwsError {
    AwsError::new(
        "AccessDeniedException",
        400,
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
    )
}

/// AWS gives no message with this one.
pub(crate) fn bad_ciphertext() -> AwsError {
    errors::invalid_ciphertext_exception("")
}

pub(crate) fn incorrect_key() -> AwsError {
    errors::incorrect_key_exception(
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
}

pub(crate) fn disabled(arn: &str) -> AwsError {
    errors::disabled_exception(format!("{arn} is disabled."))
}

pub(crate) fn invalid_state(message: impl Into<String>) -> AwsError {
    errors::kms_invalid_state_exception(message)
}

pub(crate) fn pending_deletion(arn: &str) -> AwsError {
    invalid_state(format!("{arn} is pending deletion."))
}

pub(crate) fn pending_import(arn: &str) -> AwsError {
    invalid_state(format!("{arn} is pending import."))
}

/// An operation that is for keys of the other origin.
pub(crate) fn wrong_origin(arn: &str, origin: &str) -> AwsError {
    let message = format!("{arn} origin is {origin} which is not valid for this operation.");
    errors::unsupported_operation_exception(message)
}

pub(crate) fn unsupported() -> AwsError {
    errors::unsupported_operation_exception("")
}

/// Custom key stores cannot be made here, so there is none.
pub(crate) fn no_store(id: &str) -> AwsError {
    errors::custom_key_store_not_found_exception(format!("Custom key store {id} does not exist."))
}

pub(crate) fn dry_run() -> AwsError {
    errors::dry_run_operation_exception("The request would have succeeded, but the DryRun option is set.")
}
