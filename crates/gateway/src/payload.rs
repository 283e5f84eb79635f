//! What signers say of bodies, and the errors of bodies that are not so.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use undercast_kernel::auth::{self, Refusal};
use undercast_wire::http::names;
use undercast_wire::schema::Protocol;
use undercast_wire::sigv4;
use undercast_wire::value::BodyError;
use undercast_wire::{AwsError, Request, text};

/// Whether it comes in chunks that may be signed one by one.
pub(crate) fn is_chunked(request: &Request) -> bool {
    request
        .header(names::CONTENT_ENCODING)
        .is_some_and(|e| e.split(',').any(|p| p.trim().eq_ignore_ascii_case("aws-chunked")))
}

/// The SHA-256 of a body. That of none is known.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    if bytes.is_empty() { sigv4::EMPTY_SHA256.to_owned() } else { text::hex_encode(&Sha256::digest(bytes)) }
}

pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a signer may say of the body besides its hash.
///
/// Source: "Signature Calculations for the Authorization Header" in the S3 API reference.
const PAYLOADS: [&str; 6] = [
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
];

/// Whether a signer may say this of a body.
pub(crate) fn is_said(said: &str) -> bool {
    is_hash(said) || PAYLOADS.contains(&said)
}

pub(crate) fn unknown(said: &str) -> AwsError {
    let message = format!("x-amz-content-sha256 must be {}, or a valid sha256 value.", PAYLOADS.join(", "));
    let error = AwsError::new("InvalidArgument", 400, message);
    error.with("ArgumentName", "x-amz-content-sha256").with("ArgumentValue", said)
}

pub(crate) fn mismatch(protocol: Protocol, s3: bool) -> AwsError {
    if s3 {
        return error(&BodyError::other_hash());
    }
    auth::refusal(Refusal::Mismatch, protocol, s3, None)
}

pub(crate) fn error(error: &BodyError) -> AwsError {
    match error {
        BodyError::Refused { code, message } => AwsError::new(*code, 400, message.clone()),
        BodyError::Incomplete(_) => AwsError::new("IncompleteBody", 400, "The request body terminated unexpectedly"),
    }
}

pub(crate) fn unzip(bytes: &[u8], limit: usize) -> Option<Bytes> {
    use std::io::Read as _;
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(limit as u64 + 1).read_to_end(&mut out).ok()?;
    (out.len() <= limit).then(|| out.into())
}
