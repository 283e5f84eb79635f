//! Why versions are not replicated, in S3's words.
//!
//! Source: "Amazon S3 replication failure reasons" in the user guide.

use undercast_kernel::{AwsError, Failure, Result};

/// One of the words of the table.
pub(crate) type Reason = &'static str;

/// At which end of a way something is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Source,
    Destination,
}

/// Whether who refuses will refuse again; what cannot be reached, or is overloaded, is asked again.
fn is_final(error: &AwsError) -> bool {
    error.status < 500 && error.code != "ThrottlingException"
}

/// Why a key of KMS was not to be had.
pub(crate) fn of_key(failure: Failure, end: End) -> Result<Reason> {
    let Failure::Aws(error) = &failure else { return Err(failure) };
    if !is_final(error) {
        return Err(failure);
    }
    Ok(match (error.code.as_ref(), end) {
        ("KMS.NotFoundException", End::Destination) => "DstKmsKeyNotFound",
        (code, End::Destination) if code.starts_with("KMS.") => "DstKmsKeyInvalidState",
        // "or when the AWS KMS key policy doesn't allow the source bucket's replication role to use the AWS KMS key"
        (_, End::Destination) => "DstPutObjectNotPermitted",
        (code, End::Source) if code.starts_with("KMS.") => "SrcKmsKeyInvalidState",
        (_, End::Source) => "SrcGetObjectNotPermitted",
    })
}

/// Why a destination did not take a version.
pub(crate) fn of_destination(failure: Failure) -> Result<Reason> {
    match failure {
        Failure::Aws(error) if is_final(&error) => Ok("DstPutObjectNotPermitted"),
        failure => Err(failure),
    }
}

/// Why a version that a job names is not there.
pub(crate) fn of_source(failure: Failure) -> Result<Reason> {
    let Failure::Aws(error) = &failure else { return Err(failure) };
    Ok(match error.code.as_ref() {
        "NoSuchBucket" => "SrcBucketNotFound",
        "NoSuchKey" => "SrcKeyNotFound",
        "NoSuchVersion" => "SrcVersionNotFound",
        // A delete marker.
        "MethodNotAllowed" => "SrcObjectNotEligible",
        _ => return Err(failure),
    })
}
