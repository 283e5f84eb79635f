//! Encryption with S3's own key: what every object has. Bytes on the disk, in rows and in blobs, are ciphertext.
//!
//! Keys of KMS and of customers are not here yet, and refused.

use undercast_kernel::{AwsError, Failure, Result};

/// What S3 calls it.
const OWN: &str = "AES256";

/// Refuses another encryption than S3's own.
pub(crate) fn check(asked: Option<&str>) -> Result<()> {
    match asked {
        None | Some(OWN) => Ok(()),
        Some("aws:kms" | "aws:kms:dsse" | "aws:fsx") => Err(Failure::not_built("s3 encryption with keys of KMS")),
        Some(_) => {
            Err(AwsError::new("InvalidArgument", 400, "The encryption method specified is not supported").into())
        }
    }
}

/// What answers tell of it.
#[expect(clippy::unnecessary_wraps, reason = "members of answers are optional")]
pub(crate) fn shown() -> Option<String> {
    Some(OWN.to_owned())
}
