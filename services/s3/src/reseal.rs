//! `UpdateObjectEncryption`: an object gets another key, and stays what it is.
//!
//! Source: "UpdateObjectEncryption" in the S3 API reference.

use undercast_kernel::store::Tx;
use undercast_kernel::{AwsError, Cx, Result};

use crate::api;
use crate::checksum::Algorithm;
use crate::content::{self, Span};
use crate::encryption::{Asked, Customer, DataKey};
use crate::intake::{self, Taken};
use crate::objects::existing;
use crate::rows::{Bucket, Content, Method, Object, SEGMENTS, Sealed, Segment};
use crate::{S3, annotations, archive, bucket, error, lock, permission, versions};

/// Whether an object's encryption can be changed.
fn check(object: &Object) -> Result<()> {
    let refused = match &object.sealed {
        Some(Sealed::Customer { .. }) => "Objects that are encrypted with SSE-C cannot be updated.",
        Some(Sealed::Kms { dual: true, .. }) => "Objects that are encrypted with DSSE-KMS cannot be updated.",
        _ => return Ok(()),
    };
    Err(error::invalid_request(refused).into())
}

/// The pieces of an object, as they are now: where each begins, and how long it is.
fn spans(object: &Object, segments: &[Segment]) -> Vec<Span> {
    if segments.is_empty() {
        return vec![Span::whole(object.size)];
    }
    let mut start = 0;
    let span = |s: &Segment| {
        let span = Span { start, length: s.size };
        start += s.size;
        span
    };
    segments.iter().map(span).collect()
}

pub(crate) async fn update(
    s3: &S3,
    cx: &Cx,
    input: api::UpdateObjectEncryptionInput,
) -> Result<api::UpdateObjectEncryptionOutput> {
    let wanted = input.object_encryption.ssekms.ok_or_else(error::malformed_xml)?;
    let from = cx.read();
    let (key, owner) = (input.key.as_str(), input.expected_bucket_owner.as_deref());
    let bucket = bucket::open(cx, &from, &input.bucket, owner)?;
    let object = existing(&from, &bucket, key, input.version_id.as_deref())?;
    check(&object)?;
    archive::check_readable(&object, cx.now_millis())?;
    if lock::keeps(&object.locked, cx.now_millis(), false) {
        return Err(lock::protected().into());
    }
    let old = s3.opening(cx, object.sealed.as_ref(), &Customer::default()).await?;
    let asked = Asked {
        method: Some(Method::Kms.name()),
        key: Some(&wanted.kms_key_arn),
        bucket_key: Some(wanted.bucket_key_enabled == Some(true)),
        ..Asked::default()
    };
    let sealing = s3.sealing(cx, &bucket, key, &asked).await?;
    let segments = content::segments(&from, &bucket, &object)?;
    let mut anew = Vec::new();
    for span in spans(&object, &segments) {
        anew.push(rewritten(cx, &bucket, &object, span, old.as_ref(), sealing.key.as_ref()).await?);
    }
    let moved = s3.moved(cx, &from, (&bucket, key, &object), &sealing, None).await?;
    cx.write(|tx| {
        let Some(now) = versions::ranked(tx, &bucket, key, object.rank)?.filter(|o| o.content == object.content) else {
            let message = "A conflicting operation is currently in progress against this resource. Please try again.";
            return Err(AwsError::new("OperationAborted", 409, message).into());
        };
        annotations::put_resealed(tx, &bucket, key, &now, &moved)?;
        let content = put(tx, &bucket, &now, &segments, &anew)?;
        let changed = Object { content, sealed: sealing.sealed.clone(), ..now };
        versions::put_back(tx, &bucket, key, &changed)
    })
    .await?;
    Ok(api::UpdateObjectEncryptionOutput { request_charged: permission::charged(cx, &bucket) })
}

/// A piece, encrypted anew.
async fn rewritten(
    cx: &Cx,
    bucket: &Bucket,
    object: &Object,
    span: Span,
    old: Option<&DataKey>,
    key: Option<&DataKey>,
) -> Result<Taken> {
    let body = content::open(cx, &cx.read(), bucket, object.clone(), span, old).await?;
    intake::copy(cx, body, Algorithm::Crc64Nvme, key).await
}

/// Puts the new pieces in the place of the old ones.
fn put(tx: &mut Tx<'_>, bucket: &Bucket, object: &Object, segments: &[Segment], anew: &[Taken]) -> Result<Content> {
    for piece in anew {
        intake::retain(tx, bucket, &piece.stored)?;
    }
    match (&object.content, anew) {
        (Content::One(stored), [piece]) => {
            intake::release(tx, bucket, stored)?;
            Ok(Content::One(piece.stored.clone()))
        }
        (content, _) => {
            let Content::Many(id) = content else { return Ok(content.clone()) };
            segments.iter().try_for_each(|s| intake::release(tx, bucket, &s.stored))?;
            let changed =
                segments.iter().zip(anew).map(|(s, piece)| Segment { stored: piece.stored.clone(), ..s.clone() });
            SEGMENTS.put(tx, &bucket.key(id), &changed.collect());
            Ok(content.clone())
        }
    }
}
