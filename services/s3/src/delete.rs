//! Deletions, one and many.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, output};
use crate::events::{self, Event};
use crate::rows::{Bucket, OBJECTS, Object};
use crate::versions::{self, Deleted, Moment};
use crate::{S3, bucket, error, lock, mfa, permission};

/// `DeleteObjects` takes so many keys.
const MOST_KEYS: usize = 1000;

/// `If-Match` of a deletion: the object must be there and have that entity tag.
fn check_match(if_match: Option<&str>, key: &str, current: Option<&Object>) -> Result<()> {
    match (if_match, current) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(error::no_such_key(key).into()),
        (Some(header), Some(object)) if header.trim() == "*" || header.trim_matches('"') == object.etag => Ok(()),
        _ => Err(error::precondition_failed("If-Match").into()),
    }
}

/// What one deletion is asked for.
struct Order<'a> {
    key: &'a str,
    version: Option<&'a str>,
    if_match: Option<&'a str>,
    /// Governance does not hold this caller.
    bypass: bool,
}

/// Deletes one key or version, and tells whom it concerns.
fn one(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, order: &Order<'_>, moment: Moment) -> Result<Deleted> {
    let Order { key, version, if_match, bypass } = *order;
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
    if if_match.is_some() || bucket.lock.is_some() {
        let found = match versions::find(tx, bucket, key, Some(version))? {
            versions::Found::Object(object) => Some(object),
            _ => None,
        };
        check_match(if_match, key, found.as_deref())?;
        if found.is_some_and(|object| lock::keeps(&object.locked, moment.now_millis, bypass)) {
            return Err(lock::protected().into());
        }
    }
    let removed = versions::delete_version(tx, bucket, key, version)?;
    if let Some(object) = &removed {
        events::emit(cx, tx, bucket, Event::Delete, key, Some(object), moment)?;
    }
    Ok(Deleted { removed, marker: None })
}

pub(crate) async fn object(s3: &S3, cx: &Cx, input: api::DeleteObjectInput) -> Result<api::DeleteObjectOutput> {
    let found = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    let bypass = s3.bypasses(cx, &found, &input.key, input.bypass_governance_retention)?;
    let (version, if_match) = (input.version_id.as_deref(), input.if_match.as_deref());
    let order = Order { key: &input.key, version, if_match, bypass };
    let moment = Moment::of(cx);
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        // A delete marker can be taken away again, so whoever makes one shows no code.
        if bucket.mfa_delete == Some(true) && version.is_some() {
            mfa::demand(cx, tx, &bucket, input.mfa.as_deref())?;
        }
        let deleted = one(cx, tx, &bucket, &order, moment)?;
        let mut output = match (&deleted.marker, &input.version_id) {
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
        output.request_charged = permission::charged(cx, &bucket);
        Ok(output)
    })
    .await
}

/// One key of `DeleteObjects`, and what became of it.
struct Wish {
    key: String,
    version: Option<String>,
    etag: Option<String>,
    bypass: bool,
    refused: Option<(String, String)>,
}

pub(crate) async fn objects(s3: &S3, cx: &Cx, input: api::DeleteObjectsInput) -> Result<api::DeleteObjectsOutput> {
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
        let bypass = s3.bypasses(cx, &guarded.bucket, &object.key, input.bypass_governance_retention)?;
        wishes.push(Wish { key: object.key, version: object.version_id, etag: object.e_tag, bypass, refused });
    }
    let moments: Vec<Moment> = wishes.iter().map(|_| Moment::of(cx)).collect();
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        // One code is for all of them, and a wrong one is refused for all of them, with versions or without.
        if bucket.mfa_delete == Some(true) && (input.mfa.is_some() || wishes.iter().any(|w| w.version.is_some())) {
            mfa::demand(cx, tx, &bucket, input.mfa.as_deref())?;
        }
        let charged = permission::charged(cx, &bucket);
        let mut output = api::DeleteObjectsOutput { request_charged: charged, ..Default::default() };
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
    let (version, if_match) = (wish.version.as_deref(), wish.etag.as_deref());
    match one(cx, tx, bucket, &Order { key: &wish.key, version, if_match, bypass: wish.bypass }, moment) {
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
