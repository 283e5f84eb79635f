//! What S3 answers when it refuses, in its own words.
//!
//! Source: "Error responses" in the S3 API reference; further sentences as recorded from AWS by public test suites.

use undercast_kernel::{AwsError, Failure};
use undercast_wire::decode::Argument;
use undercast_wire::schema::{Location, Operation, Shape};
use undercast_wire::value::BodyError;

pub(crate) fn no_such_bucket(name: &str) -> AwsError {
    AwsError::new("NoSuchBucket", 404, "The specified bucket does not exist").with("BucketName", name)
}

pub(crate) fn no_such_key(key: &str) -> AwsError {
    AwsError::new("NoSuchKey", 404, "The specified key does not exist.").with("Key", key)
}

pub(crate) fn no_such_version(key: &str, version: &str) -> AwsError {
    AwsError::new("NoSuchVersion", 404, "The specified version does not exist.")
        .with("Key", key)
        .with("VersionId", version)
}

pub(crate) fn no_such_upload(id: &str) -> AwsError {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    AwsError::new("NoSuchUpload", 404, message).with("UploadId", id)
}

pub(crate) fn bucket_already_exists(name: &str) -> AwsError {
    let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    AwsError::new("BucketAlreadyExists", 409, message).with("BucketName", name)
}

pub(crate) fn bucket_already_owned(name: &str) -> AwsError {
    let message = "Your previous request to create the named bucket succeeded and you already own it.";
    AwsError::new("BucketAlreadyOwnedByYou", 409, message).with("BucketName", name)
}

pub(crate) fn bucket_not_empty(name: &str) -> AwsError {
    AwsError::new("BucketNotEmpty", 409, "The bucket you tried to delete is not empty").with("BucketName", name)
}

pub(crate) fn invalid_bucket_name(name: &str) -> AwsError {
    AwsError::new("InvalidBucketName", 400, "The specified bucket is not valid.").with("BucketName", name)
}

pub(crate) fn invalid_argument(message: impl Into<String>, name: &str, value: &str) -> AwsError {
    AwsError::new("InvalidArgument", 400, message).with("ArgumentName", name).with("ArgumentValue", value)
}

/// A parameter or header whose value is not of its type.
pub(crate) fn malformed_argument(operation: &Operation, at: &Argument) -> AwsError {
    let member = operation.input.members.iter().find(|m| m.wire == at.name);
    let message = match (at.name, member.map(|m| (m.location, &m.shape))) {
        ("partNumber", _) => "Part number must be an integer between 1 and 10000, inclusive".to_owned(),
        ("x-amz-object-lock-retain-until-date", _) => {
            "The retain until date must be provided in ISO 8601 format".to_owned()
        }
        (name, Some((Location::Query, Shape::Integer(_) | Shape::Long(_)))) => {
            format!("Provided {name} not an integer or within integer range")
        }
        _ => "Invalid argument".to_owned(),
    };
    invalid_argument(message, at.name, &at.value)
}

pub(crate) fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequest", 400, message)
}

pub(crate) fn malformed_xml() -> AwsError {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    AwsError::new("MalformedXML", 400, message)
}

/// S3 has too much to do.
pub(crate) fn slow_down() -> AwsError {
    AwsError::new("SlowDown", 503, "Please reduce your request rate.")
}

pub(crate) fn method_not_allowed(method: &str) -> AwsError {
    AwsError::new("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
        .with("Method", method)
}

pub(crate) fn access_denied() -> AwsError {
    AwsError::new("AccessDenied", 403, "Access Denied")
}

pub(crate) fn acl_not_supported() -> AwsError {
    AwsError::new("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
}

/// `condition` is the header whose demand is not met.
pub(crate) fn precondition_failed(condition: &'static str) -> AwsError {
    let message = "At least one of the pre-conditions you specified did not hold";
    AwsError::new("PreconditionFailed", 412, message).with("Condition", condition)
}

/// Nothing new: an answer without a body.
pub(crate) fn not_modified(etag: &str) -> AwsError {
    AwsError::new("", 304, "").with_header("etag", format!("\"{etag}\""))
}

pub(crate) fn invalid_range(size: u64, asked: &str) -> AwsError {
    AwsError::new("InvalidRange", 416, "The requested range is not satisfiable")
        .with("ActualObjectSize", size)
        .with("RangeRequested", asked)
        .with_header("content-range", format!("bytes */{size}"))
}

pub(crate) fn invalid_part(upload: &str, number: i32, etag: &str) -> AwsError {
    let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    AwsError::new("InvalidPart", 400, message).with("UploadId", upload).with("PartNumber", number).with("ETag", etag)
}

pub(crate) fn entity_too_small(size: u64, number: i32, etag: &str) -> AwsError {
    AwsError::new("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")
        .with("ProposedSize", size)
        .with("MinSizeAllowed", crate::LEAST_PART)
        .with("PartNumber", number)
        .with("ETag", etag)
}

pub(crate) fn entity_too_large(size: u64, most: u64) -> AwsError {
    AwsError::new("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size")
        .with("ProposedSize", size)
        .with("MaxSizeAllowed", most)
}

pub(crate) fn invalid_tag(message: &str, key: &str) -> AwsError {
    AwsError::new("InvalidTag", 400, message).with("TagKey", key)
}

/// What the call was about changed meanwhile; who asks again finds it as it is.
pub(crate) fn operation_aborted() -> AwsError {
    let message =
        "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    AwsError::new("OperationAborted", 409, message)
}

/// The sender stopped, or broke a rule of its encoding.
pub(crate) fn body(error: &BodyError) -> Failure {
    let error = match error {
        BodyError::Refused { code, message } => {
            let status = if *code == "SignatureDoesNotMatch" { 403 } else { 400 };
            AwsError::new(*code, status, message.clone())
        }
        BodyError::Incomplete(_) => {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            AwsError::new("IncompleteBody", 400, message)
        }
    };
    error.into()
}
