//! What a request says of its body, for bodies that are read whole: configurations, lists of keys.
//!
//! Source: the header `Content-MD5` of the operations that have it, and "Checking object integrity" in the user guide.

use md5::{Digest as _, Md5};
use undercast_kernel::{AwsError, Result};
use undercast_wire::Request;
use undercast_wire::schema::Operation;
use undercast_wire::text::unbase64;

use crate::checksum::{Algorithm, Hasher};
use crate::error;

const ANNOUNCED: &str = "x-amz-sdk-checksum-algorithm";

/// Operations whose model demands a checksum, which AWS takes without one all the same: clients that are older than the model
/// (s3cmd, boto 2) send none with just these.
const UNCHECKED: [&str; 8] = [
    "PutBucketAcl",
    "PutBucketLogging",
    "PutBucketNotificationConfiguration",
    "PutBucketPolicy",
    "PutBucketRequestPayment",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutObjectAcl",
];

/// Holds the body against `Content-MD5` and `x-amz-checksum-*`. Some operations demand one of them.
pub(crate) fn check(operation: &Operation, request: &Request, body: &[u8]) -> Result<()> {
    let md5 = request.header("content-md5");
    if let Some(said) = md5 {
        let wanted = content_md5(said)?;
        if Md5::digest(body).as_slice() != wanted {
            return Err(bad_digest("Content-MD5", "what we received").into());
        }
    }
    // What its headers say is said of the object that the parts make.
    if operation.name == "CompleteMultipartUpload" {
        return Ok(());
    }
    let names = request.headers.keys().map(http_name).filter_map(|n| Some((Algorithm::of_header(n)?, n)));
    let mut given = names.filter_map(|(algorithm, name)| Some((algorithm, request.header(name)?)));
    let checksum = given.next();
    if given.next().is_some() {
        let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(error::invalid_request(message).into());
    }
    match (checksum, request.header(ANNOUNCED)) {
        (Some((algorithm, value)), announced) => {
            algorithm.check_value(value, "header")?;
            if announced.is_some_and(|a| a != algorithm.name()) {
                let message = format!("Value for {ANNOUNCED} header is invalid.");
                return Err(error::invalid_request(message).into());
            }
            let mut hasher = Hasher::new(algorithm);
            hasher.update(body);
            if hasher.finish().value != value {
                return Err(bad_digest(algorithm.name(), "the calculated checksum").into());
            }
        }
        (None, Some(_)) => return Err(announced_in_vain().into()),
        (None, None) if md5.is_none() && operation.checksum_required && !UNCHECKED.contains(&operation.name) => {
            let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(error::invalid_request(message).into());
        }
        (None, None) => {}
    }
    Ok(())
}

fn http_name(name: &http::HeaderName) -> &str {
    name.as_str()
}

/// The sixteen bytes of a `Content-MD5`.
pub(crate) fn content_md5(text: &str) -> Result<Vec<u8>> {
    let bytes = unbase64(text).filter(|b| b.len() == 16);
    bytes.ok_or_else(|| {
        let error = AwsError::new("InvalidDigest", 400, "The Content-MD5 you specified was invalid.");
        error.with("Content-MD5", text).into()
    })
}

/// The bytes are not those that the sender had.
pub(crate) fn bad_digest(what: &str, other: &str) -> AwsError {
    AwsError::new("BadDigest", 400, format!("The {what} you specified did not match {other}."))
}

/// An algorithm was named, and no value came.
pub(crate) fn announced_in_vain() -> AwsError {
    let message =
        format!("{ANNOUNCED} specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.");
    error::invalid_request(message)
}
