//! Annotations: named texts of up to 1 MiB that belong to a version of an object, and can be put, read and deleted without it.
//!
//! They stand by the rank of their version, so they stay where they are when it becomes an old one, and go when it goes.
//! Bytes are kept as those of objects are, and encrypted as their object is.
//!
//! Source: "Annotating your objects" in the user guide and "List of Amazon S3 annotation-related error codes" in the API
//! reference, whose sentences the errors have; the order of refusals and the form of lists as recorded by public test suites.

use undercast_kernel::store::{Order, Read, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result, paging};

use crate::api::{self, output};
use crate::checksum::{self, Algorithm};
use crate::encryption::{Customer, Sealing, Shown};
use crate::events::{self, Event};
use crate::intake::{self, Said, Taken};
use crate::objects::{existing, wants_checksum};
use crate::rows::{ANNOTATIONS, Annotation, Bucket, LISTED_ANNOTATIONS, Object, Replication, Sealed};
use crate::versions::{self, Moment};
use crate::{
    S3, bucket, buckets, conditions, content, error, listing, lock, permission, replicate_annotations, storage,
};

/// An annotation has so many bytes at most.
pub(crate) const MOST_BYTES: u64 = 1024 * 1024;

/// Its name has so many.
const NAME_BYTES: usize = 512;

/// A version has so many annotations.
const MOST: usize = 1000;

/// The place of an annotation.
type Place<'a> = (&'a str, &'a str, &'a str, &'a str, u64, &'a str);

pub(crate) fn place<'a>(bucket: &'a Bucket, key: &'a str, rank: u64, name: &'a str) -> Place<'a> {
    (&bucket.account, &bucket.region, &bucket.name, key, rank, name)
}

/// The beginning of the places of all annotations of a version.
fn all<'a>(bucket: &'a Bucket, key: &'a str, rank: u64) -> (&'a str, &'a str, &'a str, &'a str, u64) {
    (&bucket.account, &bucket.region, &bucket.name, key, rank)
}

/// The name in the key of a row.
fn name_of(key: Option<(String, String, String, String, u64, String)>) -> Result<String> {
    key.map(|k| k.5).ok_or_else(|| Failure::broken("an annotation has a malformed key"))
}

fn is_character(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-')
}

/// The rules for names.
///
/// Source: "Annotation naming rules" in the user guide.
fn check_name(name: &str) -> Result<()> {
    check_given(name)?;
    if name.len() > NAME_BYTES {
        let message =
            format!("Your annotation name is too long. Annotation names can be up to {NAME_BYTES} bytes in length.");
        return Err(AwsError::new("AnnotationNameTooLong", 400, message).into());
    }
    let lower = name.to_lowercase();
    let reserved = ["aws", "s3"].iter().any(|prefix| lower.starts_with(prefix));
    if reserved || !name.chars().all(is_character) {
        let message = "Your annotation name contains invalid characters, or the name starts with a reserved prefix (aws or s3, case-insensitive). Annotation names can contain only Unicode letters, numbers, underscore (_), period (.), and hyphen (-).";
        return Err(AwsError::new("InvalidAnnotationName", 400, message).with("AnnotationName", name).into());
    }
    Ok(())
}

/// A call names an annotation.
fn check_given(name: &str) -> Result<()> {
    if name.is_empty() { Err(unnamed().into()) } else { Ok(()) }
}

/// A call that must name an annotation names none.
pub(crate) fn unnamed() -> AwsError {
    AwsError::new("UserAnnotationNameMustBeSpecified", 400, "You must specify a user annotation name.")
}

fn missing(name: &str) -> AwsError {
    AwsError::new("NoSuchAnnotation", 404, "The specified annotation does not exist.").with("AnnotationName", name)
}

/// The bytes of an annotation are not UTF-8.
pub(crate) fn not_text() -> AwsError {
    let message = "The request payload contains an unsupported media type. The annotation payload must be valid UTF-8 encoded text.";
    AwsError::new("UnsupportedMediaType", 415, message)
}

fn check_size(taken: &Taken) -> Result<()> {
    if taken.size > 0 {
        return Ok(());
    }
    let message = "Your proposed upload is smaller than the minimum allowed size";
    Err(AwsError::new("EntityTooSmall", 400, message).with("ProposedSize", 0).with("MinSizeAllowed", 1).into())
}

/// Objects that a customer's key encrypts have no annotations.
pub(crate) fn check_sealed(sealed: Option<&Sealed>) -> Result<()> {
    match sealed {
        Some(Sealed::Customer { .. }) => {
            let message = "The object is encrypted with SSE-C, which does not support annotations.";
            Err(error::invalid_request(message).into())
        }
        _ => Ok(()),
    }
}

/// `x-amz-object-if-match`
fn check_match(object: &Object, header: Option<&str>) -> Result<()> {
    if header.is_none_or(|header| conditions::names(header, &object.etag)) {
        return Ok(());
    }
    Err(error::precondition_failed("x-amz-object-if-match").into())
}

/// There is room for one more.
pub(crate) fn check_room(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, rank: u64) -> Result<()> {
    let there = LISTED_ANNOTATIONS.page(from, &all(bucket, key, rank), None::<&()>, Order::Ascending, MOST)?;
    if there.len() < MOST {
        return Ok(());
    }
    let message = format!("The object annotation count exceeds the limit ({MOST}).");
    Err(AwsError::new("AnnotationLimitExceeded", 400, message).into())
}

/// The annotation of a version with that name.
pub(crate) fn find(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    object: &Object,
    name: &str,
) -> Result<Option<Annotation>> {
    Ok(ANNOTATIONS.get(from, &place(bucket, key, object.rank, name))?)
}

/// All annotations of a version, by name.
pub(crate) fn of_version(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    object: &Object,
) -> Result<Vec<(String, Annotation)>> {
    if !object.annotated {
        return Ok(Vec::new());
    }
    let rows = ANNOTATIONS.all(from, &all(bucket, key, object.rank))?;
    rows.into_iter().map(|entry| Ok((name_of(entry.key())?, entry.row))).collect()
}

/// Gives up the annotations of a version that goes.
pub(crate) fn forget(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object) -> Result<()> {
    if !object.annotated {
        return Ok(());
    }
    let place = all(bucket, key, object.rank);
    for entry in ANNOTATIONS.all(tx, &place)? {
        intake::release(tx, bucket, &entry.row.stored)?;
    }
    ANNOTATIONS.clear(tx, &place)?;
    Ok(())
}

/// Puts an annotation in the place of what has its name there.
pub(crate) fn set(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    object: &Object,
    name: &str,
    annotation: &Annotation,
) -> Result<()> {
    let before = find(tx, bucket, key, object, name)?;
    if before.is_none() {
        check_room(tx, bucket, key, object.rank)?;
    }
    intake::retain(tx, bucket, &annotation.stored)?;
    if let Some(before) = before {
        intake::release(tx, bucket, &before.stored)?;
    }
    ANNOTATIONS.put(tx, &place(bucket, key, object.rank, name), annotation);
    storage::changed(tx, bucket)?;
    if object.annotated {
        return Ok(());
    }
    versions::put_back(tx, bucket, key, &Object { annotated: true, ..object.clone() })
}

/// The row of bytes that were taken in.
pub(crate) fn row(taken: &Taken, sealed: Option<Sealed>, modified: i64) -> Annotation {
    Annotation {
        modified,
        size: taken.size,
        etag: taken.etag.clone(),
        checksum: taken.checksum.clone(),
        replication: None,
        stored: taken.stored.clone(),
        sealed,
        going: Vec::new(),
    }
}

pub(crate) async fn put(
    s3: &S3,
    cx: &Cx,
    mut input: api::PutObjectAnnotationInput,
) -> Result<api::PutObjectAnnotationOutput> {
    let (key, name, version) = (input.key.as_str(), input.annotation_name.as_str(), input.version_id.as_deref());
    let (owner, if_match) = (input.expected_bucket_owner.as_deref(), input.object_if_match.as_deref());
    let from = cx.read();
    let found = bucket::open(cx, &from, &input.bucket, owner)?;
    check_name(name)?;
    let object = existing(&from, &found, key, version)?;
    check_sealed(object.sealed.as_ref())?;
    check_match(&object, if_match)?;
    let said = Said {
        checksum: checksum::single(checksum::given!(input))?,
        md5: input.content_md5.take(),
        algorithm: input.checksum_algorithm.take(),
        length: None,
        annotation: true,
    };
    let sealing = s3.sealing_like(cx, &found, object.sealed.as_ref()).await?;
    let body = input.annotation_payload.take();
    let taken = intake::take(cx, body, said, sealing.key.as_ref()).await?;
    check_size(&taken)?;
    let annotation = row(&taken, sealing.sealed, cx.now_millis());
    let moment = Moment::of(cx);
    let (bucket, object) = cx
        .write(|tx| {
            let bucket = bucket::open(cx, tx, &input.bucket, owner)?;
            let now = existing(tx, &bucket, key, version)?;
            check_match(&now, if_match)?;
            // Another object has the key by now, or this one is encrypted anew.
            if now.rank != object.rank || now.sealed != object.sealed {
                return Err(error::operation_aborted().into());
            }
            set(tx, &bucket, key, &now, name, &annotation)?;
            replicate_annotations::notice(cx, tx, &bucket, key, &now, name)?;
            events::tell(cx, tx, &bucket, Event::AnnotationPut, key, Some(&now), moment, None)?;
            Ok((bucket, now))
        })
        .await?;
    drop(taken);
    let mut output = api::PutObjectAnnotationOutput {
        annotation_name: Some(name.to_owned()),
        checksum_type: Some(annotation.checksum.kind().to_owned()),
        e_tag: Some(format!("\"{}\"", annotation.etag)),
        key: Some(key.to_owned()),
        object_version_id: object.shown_version(&bucket),
        request_charged: permission::charged(cx, &bucket),
        server_side_encryption: Shown::of(annotation.sealed.as_ref(), Customer::default()).method,
        ..Default::default()
    };
    checksum::show!(output, Some(&annotation.checksum));
    Ok(output)
}

pub(crate) async fn get(
    s3: &S3,
    cx: &Cx,
    input: api::GetObjectAnnotationInput,
) -> Result<api::GetObjectAnnotationOutput> {
    let (key, name) = (input.key.as_str(), input.annotation_name.as_str());
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    check_given(name)?;
    let checksum = wants_checksum(input.checksum_mode.as_deref())?;
    let object = existing(&from, &bucket, key, input.version_id.as_deref())?;
    let found = find(&from, &bucket, key, &object, name)?.ok_or_else(|| missing(name))?;
    let data_key = s3.opening(cx, found.sealed.as_ref(), &Customer::default()).await?;
    let body = content::stored(cx, found.stored, found.size, data_key.as_ref()).await?;
    let mut output = api::GetObjectAnnotationOutput {
        annotation_payload: Some(body),
        content_length: i64::try_from(found.size).ok(),
        e_tag: Some(format!("\"{}\"", found.etag)),
        last_modified: Some(buckets::shown(found.modified)),
        object_version_id: object.shown_version(&bucket),
        replication_status: found.replication.map(Replication::name),
        request_charged: permission::charged(cx, &bucket),
        server_side_encryption: Shown::of(found.sealed.as_ref(), Customer::default()).method,
        ..Default::default()
    };
    if checksum {
        checksum::show!(output, Some(&found.checksum));
        output.checksum_type = Some(found.checksum.kind().to_owned());
    }
    Ok(output)
}

/// A prefix that names could have.
fn check_prefix(prefix: &str) -> Result<()> {
    if prefix.len() <= NAME_BYTES && prefix.chars().all(is_character) {
        return Ok(());
    }
    let error = AwsError::new("InvalidPrefix", 400, "The annotation prefix you have provided is not valid.");
    Err(error.with("AnnotationPrefix", prefix).into())
}

pub(crate) fn list(cx: &Cx, input: api::ListObjectAnnotationsInput) -> Result<api::ListObjectAnnotationsOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = existing(&from, &bucket, &input.key, input.version_id.as_deref())?;
    let prefix = input.annotation_prefix.as_deref().unwrap_or("");
    check_prefix(prefix)?;
    let scope = format!("ListObjectAnnotations {} {} {} {prefix}", bucket.name, input.key, object.rank);
    let token = input.continuation_token.as_deref();
    let after = token.map(|token| listing::position(&scope, token)).transpose()?;
    let most = input.max_annotation_results.and_then(|n| usize::try_from(n).ok()).unwrap_or(MOST);
    let rows = LISTED_ANNOTATIONS.all(&from, &all(&bucket, &input.key, object.rank))?;
    let mut found = Vec::new();
    for entry in rows {
        let name = name_of(entry.key())?;
        if name.starts_with(prefix) && after.as_ref().is_none_or(|after| name > *after) {
            found.push((name, entry.row));
        }
    }
    let truncated = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| truncated).map(|(name, _)| paging::token(&scope, name));
    let shown = found.into_iter().map(|(name, row)| output::AnnotationEntry {
        annotation_name: name,
        checksum_algorithm: Some(vec![row.checksum.algorithm.name().to_owned()]),
        e_tag: Some(format!("\"{}\"", row.etag)),
        last_modified: buckets::shown(row.modified),
        replication_status: row.replication.map(Replication::name),
        size: i64::try_from(row.size).unwrap_or(i64::MAX),
    });
    let shown: Vec<_> = shown.collect();
    Ok(api::ListObjectAnnotationsOutput {
        annotation_count: i32::try_from(shown.len()).ok(),
        annotations: Some(shown),
        next_continuation_token: next,
        object_version_id: object.shown_version(&bucket),
        request_charged: permission::charged(cx, &bucket),
        bucket: Some(input.bucket),
        key: Some(input.key),
        annotation_prefix: input.annotation_prefix,
        // AWS says it only to those who said it.
        max_annotation_results: input.max_annotation_results,
        continuation_token: input.continuation_token,
    })
}

/// What is not there is deleted already.
pub(crate) async fn delete(
    s3: &S3,
    cx: &Cx,
    input: api::DeleteObjectAnnotationInput,
) -> Result<api::DeleteObjectAnnotationOutput> {
    let (key, name) = (input.key.as_str(), input.annotation_name.as_str());
    let owner = input.expected_bucket_owner.as_deref();
    let found = bucket::open(cx, &cx.read(), &input.bucket, owner)?;
    check_given(name)?;
    let bypass = s3.bypasses(cx, &found, key, input.bypass_governance_retention)?;
    let moment = Moment::of(cx);
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, owner)?;
        let object = existing(tx, &bucket, key, input.version_id.as_deref())?;
        check_match(&object, input.object_if_match.as_deref())?;
        if let Some(annotation) = find(tx, &bucket, key, &object, name)? {
            if lock::keeps(&object.locked, moment.now_millis, bypass) {
                return Err(lock::protected().into());
            }
            intake::release(tx, &bucket, &annotation.stored)?;
            ANNOTATIONS.delete(tx, &place(&bucket, key, object.rank, name));
            storage::changed(tx, &bucket)?;
            events::tell(cx, tx, &bucket, Event::AnnotationDelete, key, Some(&object), moment, None)?;
        }
        Ok(api::DeleteObjectAnnotationOutput {
            object_version_id: object.shown_version(&bucket),
            request_charged: permission::charged(cx, &bucket),
        })
    })
    .await
}

/// An annotation on its way into a copy, or encrypted anew.
pub(crate) struct Moved {
    name: String,
    /// As it was when it was read.
    before: Annotation,
    after: Annotation,
    /// Holds bytes that are new until the row that refers to them is committed.
    _taken: Option<Taken>,
}

impl S3 {
    /// The annotations of a version as `sealing` encrypts them, with checksums of `algorithm` where it is given. Bytes that
    /// no key of their own encrypts, before or after, stay where they are.
    pub(crate) async fn moved(
        &self,
        cx: &Cx,
        from: &(impl Read + ?Sized),
        (bucket, key, object): (&Bucket, &str, &Object),
        sealing: &Sealing,
        algorithm: Option<Algorithm>,
    ) -> Result<Vec<Moved>> {
        let mut all = Vec::new();
        for (name, before) in of_version(from, bucket, key, object)? {
            check_sealed(sealing.sealed.as_ref())?;
            all.push(self.moved_one(cx, name, before, sealing, algorithm).await?);
        }
        Ok(all)
    }

    pub(crate) async fn moved_one(
        &self,
        cx: &Cx,
        name: String,
        before: Annotation,
        sealing: &Sealing,
        algorithm: Option<Algorithm>,
    ) -> Result<Moved> {
        let wanted = algorithm.unwrap_or(before.checksum.algorithm);
        let plain = before.sealed.is_none() && sealing.sealed.is_none();
        let mut after = Annotation { replication: None, going: Vec::new(), ..before.clone() };
        if plain && wanted == before.checksum.algorithm {
            return Ok(Moved { name, before, after, _taken: None });
        }
        let key = self.opening(cx, before.sealed.as_ref(), &Customer::default()).await?;
        let body = content::stored(cx, before.stored.clone(), before.size, key.as_ref()).await?;
        if plain {
            after.checksum = intake::hash(body, wanted).await?.1;
            return Ok(Moved { name, before, after, _taken: None });
        }
        let taken = intake::copy(cx, body, wanted, sealing.key.as_ref()).await?;
        let after = row(&taken, sealing.sealed.clone(), before.modified);
        Ok(Moved { name, before, after, _taken: Some(taken) })
    }
}

impl Moved {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is to be put.
    pub(crate) fn after(&self) -> &Annotation {
        &self.after
    }
}

/// The annotations of a version are those that were read.
pub(crate) fn check_unmoved(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    object: &Object,
    moved: &[Moved],
) -> Result<()> {
    let now = of_version(from, bucket, key, object)?;
    let same = now.len() == moved.len()
        && now.iter().zip(moved).all(|((name, row), m)| *name == m.name && row.stored == m.before.stored);
    if same { Ok(()) } else { Err(error::operation_aborted().into()) }
}

/// The bytes of annotations stay, whatever becomes of their source.
pub(crate) fn retain(tx: &mut Tx<'_>, bucket: &Bucket, moved: &[Moved]) -> Result<()> {
    moved.iter().try_for_each(|m| intake::retain(tx, bucket, &m.after.stored))
}

/// Puts retained annotations at a version that was just placed.
pub(crate) fn put_copies(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    rank: u64,
    moved: &[Moved],
) -> Result<()> {
    let Some(object) = versions::ranked(tx, bucket, key, rank)?.filter(|_| !moved.is_empty()) else { return Ok(()) };
    let object = Object { annotated: true, ..object };
    versions::put_back(tx, bucket, key, &object)?;
    for m in moved {
        let copy = Annotation { modified: cx.now_millis(), ..m.after.clone() };
        ANNOTATIONS.put(tx, &place(bucket, key, rank, &m.name), &copy);
        replicate_annotations::notice(cx, tx, bucket, key, &object, &m.name)?;
    }
    Ok(())
}

/// Puts annotations that are encrypted anew in the places of those that they were.
pub(crate) fn put_resealed(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    object: &Object,
    moved: &[Moved],
) -> Result<()> {
    check_unmoved(tx, bucket, key, object, moved)?;
    for m in moved {
        let place = place(bucket, key, object.rank, &m.name);
        let Some(now) = ANNOTATIONS.get(tx, &place)? else { continue };
        intake::retain(tx, bucket, &m.after.stored)?;
        intake::release(tx, bucket, &now.stored)?;
        // It is what it was, also on its way to other buckets; its entity tag stays as that of its object does.
        let Annotation { stored, sealed, .. } = m.after.clone();
        ANNOTATIONS.put(tx, &place, &Annotation { stored, sealed, ..now });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let code =
            |name: &str| check_name(name).err().and_then(|e| e.code().map(ToOwned::to_owned)).unwrap_or_default();
        for name in ["a", "ml.sentiment-2_x", "Größe", "標籤", "-", "awl", &"n".repeat(512)] {
            assert_eq!(code(name), "", "{name}");
        }
        for name in [" ", "a b", "a/b", "a@b", "aws", "AWS.x", "s3", "S3-x", "٣", "🙂"] {
            assert_eq!(code(name), "InvalidAnnotationName", "{name}");
        }
        assert_eq!(code(""), "UserAnnotationNameMustBeSpecified");
        assert_eq!(code(&"n".repeat(513)), "AnnotationNameTooLong");
        assert_eq!(code(&"é".repeat(257)), "AnnotationNameTooLong", "bytes count");
    }
}
