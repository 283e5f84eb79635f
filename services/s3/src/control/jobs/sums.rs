//! Checksums of objects that stay where they are.
//!
//! Source: "Compute checksums" in the user guide, and its example of a report. The bytes are read without a restore, so
//! archived objects have checksums too; the role needs what a reader needs.

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::text::{hex_encode, unbase64};

use super::rows::Entry;
use super::work::Outcome;
use crate::checksum::{Algorithm, Checksum, combine};
use crate::content::{self, Span};
use crate::encryption::Customer;
use crate::rows::{Bucket, Object};
use crate::{S3, bucket, intake, objects};

/// What such a task answers that fails.
fn failed(cx: &Cx, why: &str, code: u16) -> Outcome {
    let message = json!(format!("Task {} {why}", cx.random().uuid()));
    let details = format!("error details: {{\"failureMessage\":{message}, \"errorCode\": \"{code}\"}}");
    Outcome::failed(200, "PermanentFailure", details)
}

/// Computes the checksum of an object that a job asks for: of the whole, or of the checksums of its parts.
pub(crate) async fn compute(cx: &Cx, operation: &Json, entry: &Entry) -> Result<Outcome> {
    let text = |name: &str| operation.get(name).and_then(Json::as_str);
    let algorithm = Algorithm::parse(text("ChecksumAlgorithm").unwrap_or(Algorithm::Crc64Nvme.name()))?;
    let composite = text("ChecksumType") == Some("COMPOSITE");
    let input = json!({"Bucket": entry.bucket, "Key": entry.key, "VersionId": entry.version});
    match cx.call("s3", "HeadObject", input).await {
        Ok(_) => {}
        Err(failure @ Failure::Broken(_)) => return Err(failure),
        Err(failure) => {
            let error = failure.into_error("");
            let why = match error.status {
                404 => "Key not found",
                // What no key comes with cannot be looked at.
                400 => "SSE-C encryption type is not supported for this operation",
                _ => &error.message,
            };
            return Ok(failed(cx, why, error.status));
        }
    }
    let from = cx.read();
    let there = bucket::anywhere(&from, &entry.bucket, None)?;
    let object = objects::existing(&from, &there, &entry.key, entry.version.as_deref())?;
    let sum = match of_object(cx, &there, &object, algorithm, composite).await {
        Ok(sum) => sum,
        Err(failure @ Failure::Broken(_)) => return Err(failure),
        Err(failure) => {
            let error = failure.into_error("");
            return Ok(failed(cx, &error.message, error.status));
        }
    };
    let bytes = unbase64(sum.value.split('-').next().unwrap_or_default()).unwrap_or_default();
    Ok(Outcome::done(format!(
        "{{\"checksum_base64\":\"{}\",\"etag\":\"{}\",\"checksumAlgorithm\":\"{}\",\"checksumType\":\"{}\",\"checksum_hex\":\"{}\"}}",
        sum.value,
        object.etag,
        algorithm.name(),
        sum.kind(),
        hex_encode(&bytes).to_uppercase()
    )))
}

async fn of_object(
    cx: &Cx,
    bucket: &Bucket,
    object: &Object,
    algorithm: Algorithm,
    composite: bool,
) -> Result<Checksum> {
    let from = cx.read();
    let key = S3::default().opening(cx, object.sealed.as_ref(), &Customer::default()).await?;
    let spans = if composite { spans(&content::segments(&from, bucket, object)?, object) } else { Vec::new() };
    if spans.is_empty() {
        let body = content::open(cx, &from, bucket, object.clone(), Span::whole(object.size), key.as_ref()).await?;
        let (_, whole) = intake::hash(body, algorithm).await?;
        return if composite { joined(algorithm, &[(whole.value, object.size)]) } else { Ok(whole) };
    }
    let mut parts = Vec::with_capacity(spans.len());
    for span in spans {
        let length = span.length;
        let body = content::open(cx, &from, bucket, object.clone(), span, key.as_ref()).await?;
        parts.push((intake::hash(body, algorithm).await?.1.value, length));
    }
    joined(algorithm, &parts)
}

/// Where each part of an object begins, and how long it is.
fn spans(segments: &[crate::rows::Segment], object: &Object) -> Vec<Span> {
    let mut start = 0;
    let span = |segment: &crate::rows::Segment| {
        let span = Span { start, length: segment.size };
        start += segment.size;
        span
    };
    if object.parts.is_some() { segments.iter().map(span).collect() } else { Vec::new() }
}

fn joined(algorithm: Algorithm, parts: &[(String, u64)]) -> Result<Checksum> {
    let parts = parts.iter().map(|(value, size)| (value.as_str(), *size));
    combine(algorithm, true, parts).ok_or_else(|| Failure::broken("a checksum that was just made is none"))
}
