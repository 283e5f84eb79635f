//! What S3 Control answers when it refuses.
//!
//! Source: "Error responses" in the S3 API reference, and answers of AWS as public test suites recorded them.

use undercast_kernel::AwsError;
use undercast_wire::check::{self, Violation};
use undercast_wire::schema::Operation;

/// A tag that cannot be.
pub(crate) const INVALID_TAG: &str = "This request contains a tag key or value that isn't valid. Valid characters include the following: [a-zA-Z+-=._:/]. Tag keys can contain up to 128 characters. Tag values can contain up to 256 characters.";

pub(crate) fn access_denied() -> AwsError {
    AwsError::new("AccessDenied", 403, "Access Denied")
}

pub(crate) fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequest", 400, message)
}

pub(crate) fn invalid_uri(uri: &str) -> AwsError {
    AwsError::new("InvalidURI", 400, "Couldn't parse the specified URI.").with("URI", uri)
}

pub(crate) fn no_such_point(name: &str) -> AwsError {
    AwsError::new("NoSuchAccessPoint", 404, "The specified accesspoint does not exist").with("AccessPointName", name)
}

/// There is too much to do. Jobs have an error of their own for it.
pub(crate) fn throttled(operation: &'static Operation) -> AwsError {
    match operation.errors.iter().find(|e| e.name == "TooManyRequestsException") {
        Some(shape) => AwsError::from_shape(shape, "Too many requests"),
        None => crate::error::slow_down(),
    }
}

/// Broken constraints: a body that is not what the schema wants, or a request that names nothing there can be.
pub(crate) fn invalid(operation: &'static Operation, violations: &[Violation]) -> AwsError {
    let message = check::message(violations);
    match operation.name {
        "CreateJob" => return invalid_request(message),
        "ListJobs" => return AwsError::new("InvalidRequestException", 400, message),
        "DescribeJob" | "UpdateJobPriority" | "UpdateJobStatus" => {
            return AwsError::new("BadRequestException", 400, message);
        }
        _ => {}
    }
    let first = violations.first().map_or("", |v| v.path.as_str());
    if first.starts_with("tags.") || first.starts_with("tagKeys") {
        return AwsError::new("InvalidTag", 400, INVALID_TAG);
    }
    match first {
        "name" => {
            let name = violations.first().and_then(|v| v.value.as_deref()).unwrap_or_default();
            invalid_uri(&format!("accesspoint/{name}"))
        }
        "publicAccessBlockConfiguration" | "bucket" | "policy" => crate::error::malformed_xml(),
        path if path.contains('.') => crate::error::malformed_xml(),
        _ => invalid_request(message),
    }
}
