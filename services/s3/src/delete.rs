//! Deletions, one and many.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, output};
use crate::events::{self, Event};
use crate::rows::{Bucket, OBJECTS, Object};
use crate::versions::{self, Deleted, Moment};
use crate::{S3, bucket, error, permission};

/// `DeleteObjects` takes so many keys.
const MOST_KEYS: usize = 1000;

fn check_bypass(bypass: Option<bool>) -> Result<()> {
    if bypass != Some(true) {
        return Ok(());
    }
    let message = "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.";
    Err(error::invalid_argument(message, "x-amz-bypass-governance-retention", "true").into())
}

/// `If-Match` of a deletion: the object must be there and have that entity tag.
fn check_match(if_match: Option<&str>, key: &str, current: Option<&Object>) -> Result<()> {
    match (if_match, current) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(error::no_such_key(key).into()),
        (Some(header), Some(object)) if header.trim() == "*" || header.trim_matches('"') == object.etag => Ok(()),
        _ => Err(error::precondition_failed("If-Match").into()),
    }
}

/// Deletes one key or version, and tells whom it concerns.
fn one(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
    if_match: Option<&str>,
    moment: Moment,
) -> Result<Deleted> {
    let Some(version) = version else {
        if if_match.is_some() {
            check_match(if_match, key, OBJECTS.get(tx, &bucket.key(key))?.as_ref())?;
        }
        let deleted = versions::delete(tx, bucket, key, moment)?;
        match (&deleted.removed, &deleted.marker) {
            (_, Some(marker)) => events::emit(cx, tx, bucket, Event::MarkerCreated, key, Some(marker), moment)?,
            (Some(_), None) => events::emit(cx, tx, bucket, Event::Delete, key, None, moment)?,
            // Nothing was removed.
            (None, None) => {}
        }
        return Ok(deleted);
    };
    if if_match.is_some() {
        let found = match versions::find(tx, bucket, key, Some(version))? {
            versions::Found::Object(object) => Some(object),
            _ => None,
        };
        check_match(if_match, key, found.as_deref())?;
    }
    let removed = versions::delete_version(tx, bucket, key, version)?;
    if let Some(object) = &removed {
        events::emit(cx, tx, bucket, Event::Delete, key, Some(object), moment)?;
    }
    Ok(Deleted { removed, marker: None })
}

pub(crate) async fn object(cx: &Cx, input: api::DeleteObjectInput) -> Result<api::DeleteObjectOutput> {
    check_bypass(input.bypass_governance_retention)?;
    let moment = Moment::of(cx);
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        let deleted = one(cx, tx, &bucket, &input.key, input.version_id.as_deref(), input.if_match.as_deref(), moment)?;
        let output = match (&deleted.marker, &input.version_id) {
            (Some(marker), _) => api::DeleteObjectOutput {
                delete_marker: Some(true),
                version_id: marker.shown_version(&bucket),
                ..Default::default()
            },
            (None, Some(version)) => api::DeleteObjectOutput {
                delete_marker: deleted.removed.as_ref().is_some_and(|o| o.marker).then_some(true),
                version_id: Some(version.clone()),
                ..Default::default()
            },
            (None, None) => api::DeleteObjectOutput::default(),
        };
        Ok(output)
    })
    .await
}

/// One key of `DeleteObjects`, and what became of it.
struct Wish {
    key: String,
    version: Option<String>,
    etag: Option<String>,
    refused: Option<(String, String)>,
}

pub(crate) async fn objects(s3: &S3, cx: &Cx, input: api::DeleteObjectsInput) -> Result<api::DeleteObjectsOutput> {
    check_bypass(input.bypass_governance_retention)?;
    let quiet = input.delete.quiet == Some(true);
    if input.delete.objects.is_empty() || input.delete.objects.len() > MOST_KEYS {
        return Err(error::malformed_xml().into());
    }
    let from = cx.read();
    let guarded =
        s3.guarded(cx, &from, s3.bucket(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?)?;
    let mut wishes = Vec::with_capacity(input.delete.objects.len());
    for object in input.delete.objects {
        let action = if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let access = guarded.on_object(action, &object.key);
        let refused = cx.denied(&access)?.map(|message| {
            let error = permission::denied(&access, &message);
            (error.code.into_owned(), error.message)
        });
        wishes.push(Wish { key: object.key, version: object.version_id, etag: object.e_tag, refused });
    }
    let moments: Vec<Moment> = wishes.iter().map(|_| Moment::of(cx)).collect();
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        let mut output = api::DeleteObjectsOutput::default();
        for (wish, moment) in wishes.iter().zip(&moments) {
            match fulfil(cx, tx, &bucket, wish, *moment)? {
                Ok(_) if quiet => {}
                Ok(deleted) => output.deleted.get_or_insert_default().push(deleted),
                Err(error) => output.errors.get_or_insert_default().push(error),
            }
        }
        Ok(output)
    })
    .await
}

fn fulfil(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    wish: &Wish,
    moment: Moment,
) -> Result<std::result::Result<output::DeletedObject, output::Error>> {
    let refusal = |code: &str, message: &str| output::Error {
        key: Some(wish.key.clone()),
        version_id: wish.version.clone(),
        code: Some(code.to_owned()),
        message: Some(message.to_owned()),
    };
    if let Some((code, message)) = &wish.refused {
        return Ok(Err(refusal(code, message)));
    }
    match one(cx, tx, bucket, &wish.key, wish.version.as_deref(), wish.etag.as_deref(), moment) {
        Ok(deleted) => {
            let marker = deleted.marker.as_ref().or(deleted.removed.as_ref().filter(|o| o.marker));
            Ok(Ok(output::DeletedObject {
                key: Some(wish.key.clone()),
                version_id: wish.version.clone(),
                delete_marker: marker.map(|_| true),
                delete_marker_version_id: marker.and_then(|m| m.shown_version(bucket)),
            }))
        }
        Err(Failure::Aws(error)) => Ok(Err(refusal(&error.code, &error.message))),
        Err(failure) => Err(failure),
    }
}
