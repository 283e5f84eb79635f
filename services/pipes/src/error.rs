//! Errors in the words of Pipes.

use undercast_kernel::{AwsError, Failure};

use crate::api::errors;

pub(crate) fn validation(message: impl Into<String>) -> Failure {
    errors::validation_exception(message).into()
}

pub(crate) fn not_found(name: &str) -> Failure {
    errors::not_found_exception(format!("Pipe {name} does not exist.")).into()
}

pub(crate) fn conflict(name: &str, message: impl Into<String>) -> Failure {
    errors::conflict_exception(message).with("resourceId", name).with("resourceType", "pipe").into()
}

/// The refusal of KMS as Pipes tells it.
pub(crate) fn of_kms(failure: Failure) -> Failure {
    match failure {
        Failure::Aws(error) if error.code.starts_with("AccessDenied") => {
            AwsError::new("AccessDeniedException", 403, error.message).into()
        }
        Failure::Aws(error) => validation(error.message),
        other => other,
    }
}

/// Code, HTTP status and message of a failure, as logs show it.
pub(crate) fn told(failure: &Failure) -> (String, u16, String) {
    match failure {
        Failure::Aws(error) => (error.code.to_string(), error.status, error.message.clone()),
        Failure::NotBuilt { .. } => ("NotImplemented".to_owned(), 501, failure.to_string()),
        Failure::Cut => ("ServiceUnavailable".to_owned(), 503, failure.to_string()),
        Failure::Broken(_) => ("InternalFailure".to_owned(), 500, failure.to_string()),
    }
}

/// Whether somebody has too much to do.
pub(crate) fn is_throttled(failure: &Failure) -> bool {
    matches!(failure, Failure::Aws(error) if error.status == 429
        || ["Throttl", "TooManyRequests", "ThroughputExceeded"].iter().any(|word| error.code.contains(word)))
}
