//! What S3 Control answers when it refuses.
//!
//! Source: "Error responses" in the S3 API reference, and answers of AWS as public test suites recorded them.

use undercast_kernel::AwsError;
use undercast_wire::check::{self, Violation};
use undercast_wire::schema::Operation;

pub(crate) fn access_denied() -> AwsError {
    AwsError::new("AccessDenied", 403, "Access Denied")
}

pub(crate) fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequest", 400, message)
}

/// Broken constraints: a body that is not what the schema wants, or a request that names nothing there can be.
pub(crate) fn invalid(_operation: &'static Operation, violations: &[Violation]) -> AwsError {
    let in_body = |v: &Violation| v.path.contains('.') || v.path == "publicAccessBlockConfiguration";
    if violations.iter().any(in_body) {
        return crate::error::malformed_xml();
    }
    invalid_request(check::message(violations))
}
