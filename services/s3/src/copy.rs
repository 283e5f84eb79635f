//! Copies: the source's bytes stay where they are and are referred to once more.

use undercast_kernel::{Cx, Result};
use undercast_wire::text::percent_decode;

use crate::annotations::{self, Moved};
use crate::api::{self, output};
use crate::checksum::{self, Algorithm};
use crate::conditions::{self, Reading};
use crate::content::{self, Span};
use crate::encryption::DataKey;
use crate::events::{self, Event};
use crate::intake::Taken;
use crate::rows::{Acl, Bucket, Content, Headers, Locked, Object, SEGMENTS, Sealed, Segment};
use crate::tiers::{Note, Touch};
use crate::versions::{self, Moment};
use crate::{
    MOST_BYTES, S3, acl, archive, bucket, buckets, control, encryption, error, headers, intake, lock, metrics, objects,
    permission, tagging,
};

/// `x-amz-copy-source`: a bucket, a key, and maybe a version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

impl CopySource {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
            error::invalid_argument(message, "x-amz-copy-source", text)
        };
        // The version stands behind the last question mark; one in the key itself is encoded.
        let (path, version) = match text.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        let path = percent_decode(path, false).ok_or_else(wrong)?;
        if path.starts_with("arn:") {
            let (bucket, key) = control::via::object(&path).ok_or_else(wrong)?;
            return Ok(Self { bucket, key, version });
        }
        let path = path.strip_prefix('/').unwrap_or(&path);
        match path.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version })
            }
            _ => Err(wrong().into()),
        }
    }
}

/// The source of a copy as it is now.
pub(crate) struct Source {
    pub(crate) bucket: Bucket,
    pub(crate) object: Object,
}

impl Source {
    pub(crate) fn find(cx: &Cx, source: &CopySource, owner: Option<&str>, conditions: &Reading<'_>) -> Result<Self> {
        let from = cx.read();
        let bucket = bucket::anywhere(&from, &source.bucket, owner)?;
        let found = versions::find(&from, &bucket, &source.key, source.version.as_deref())?;
        let object = match (found, source.version.as_deref()) {
            (versions::Found::Object(object), _) => *object,
            (versions::Found::Marker(_), Some(_)) => {
                let message =
                    "The source of a copy request may not specifically refer to a delete marker by version id.";
                return Err(error::invalid_request(message).into());
            }
            (_, None) => return Err(error::no_such_key(&source.key).into()),
            (versions::Found::Missing, Some(version)) => {
                return Err(error::no_such_version(&source.key, version).into());
            }
        };
        conditions.check_source(&object, cx.now())?;
        // A copy gets its source.
        metrics::observe_object(cx, &from, &bucket, (&source.key, &object), &[("GetRequests", "Count", 1.0)])?;
        Ok(Self { bucket, object })
    }
}

/// The bytes of a copy, with the hashes that they have as one piece.
struct Copied {
    etag: String,
    checksum: checksum::Checksum,
    bytes: Bytes,
}

/// Where the bytes of a copy are.
enum Bytes {
    /// Where the source's are, referred to once more.
    Shared(Vec<Segment>),
    /// Encrypted anew.
    Own(Taken),
}

/// A copy of a plain object has its hashes already; others are read once for them. Bytes that a key of their object
/// encrypts, before or after, are written anew.
async fn copied(
    cx: &Cx,
    source: &Source,
    algorithm: Option<Algorithm>,
    source_key: Option<&DataKey>,
    key: Option<&DataKey>,
) -> Result<Copied> {
    let from = cx.read();
    let object = &source.object;
    let segments = content::segments(&from, &source.bucket, object)?;
    // Without a word the copy has the source's algorithm; a checksum of parts is replaced by one of the whole.
    let wanted = algorithm.or(object.checksum.as_ref().map(|c| c.algorithm)).unwrap_or(Algorithm::Crc64Nvme);
    let anew = source_key.is_some() || key.is_some();
    if !anew
        && object.parts.is_none()
        && let Some(known) = object.checksum.clone().filter(|c| c.algorithm == wanted && !c.composite)
    {
        return Ok(Copied { etag: object.etag.clone(), checksum: known, bytes: Bytes::Shared(segments) });
    }
    let whole = Span::whole(object.size);
    let body = content::open(cx, &from, &source.bucket, object.clone(), whole, source_key).await?;
    if anew {
        let taken = intake::copy(cx, body, wanted, key).await?;
        let (etag, checksum) = (taken.etag.clone(), taken.checksum.clone());
        return Ok(Copied { etag, checksum, bytes: Bytes::Own(taken) });
    }
    let (etag, checksum) = intake::hash(body, wanted).await?;
    Ok(Copied { etag, checksum, bytes: Bytes::Shared(segments) })
}

/// What the copy has besides its bytes.
struct Dress {
    headers: Headers,
    tags: undercast_kernel::tags::Tags,
    storage_class: Option<String>,
    owner: Option<String>,
    acl: Option<Acl>,
    sealed: Option<Sealed>,
    locked: Locked,
}

fn directive(value: Option<&str>, what: &str, header: &str) -> Result<bool> {
    match value {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(error::invalid_argument(format!("Unknown {what} directive."), header, other).into()),
    }
}

fn dress(
    cx: &Cx,
    input: &mut api::CopyObjectInput,
    bucket: &Bucket,
    source: &Source,
    sealed: Option<Sealed>,
) -> Result<Dress> {
    // ACLs and locks are not copied.
    let (owner, acl) = acl::of_new_object(&cx.read(), bucket, &cx.principal().account, &acl::asked_of_object!(input))?;
    let locked = lock::asked!(input).read(bucket, cx.now())?;
    let replace = directive(input.metadata_directive.as_deref(), "metadata", "x-amz-metadata-directive")?;
    let replace_tags = directive(input.tagging_directive.as_deref(), "tagging", "x-amz-tagging-directive")?;
    let own = headers::kept(headers::kept_from!(input), input.metadata.take())?;
    let headers = if replace {
        own
    } else {
        // The redirect is never copied.
        Headers { redirect: own.redirect, ..source.object.headers.clone() }
    };
    let tags = if replace_tags {
        input.tagging.as_deref().map(tagging::of_header).transpose()?.into_iter().flatten().collect()
    } else {
        source.object.tags.clone()
    };
    // The class is not copied either: without a word it is STANDARD.
    let storage_class = objects::storage_class(input.storage_class.clone())?;
    Ok(Dress { headers, tags, storage_class, owner, acl, sealed, locked })
}

/// A copy onto itself must change something.
fn check_change(input: &api::CopyObjectInput, source: &CopySource) -> Result<()> {
    let same = source.bucket == input.bucket && source.key == input.key && source.version.is_none();
    let changes = input.metadata_directive.as_deref() == Some("REPLACE")
        || input.tagging_directive.as_deref() == Some("REPLACE")
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.checksum_algorithm.is_some()
        || input.server_side_encryption.is_some()
        || input.sse_customer_algorithm.is_some();
    if !same || changes {
        return Ok(());
    }
    let message = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
    Err(error::invalid_request(message).into())
}

pub(crate) async fn object(s3: &S3, cx: &Cx, mut input: api::CopyObjectInput) -> Result<api::CopyObjectOutput> {
    let source_name = CopySource::parse(&input.copy_source)?;
    let target = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    bucket::check_key(&input.key)?;
    check_change(&input, &source_name)?;
    let algorithm = input.checksum_algorithm.as_deref().map(Algorithm::parse).transpose()?;
    let reading = Reading {
        if_match: input.copy_source_if_match.as_deref(),
        if_none_match: input.copy_source_if_none_match.as_deref(),
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let source = Source::find(cx, &source_name, input.expected_source_bucket_owner.as_deref(), &reading)?;
    if source.object.size > MOST_BYTES {
        let message = format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {MOST_BYTES}"
        );
        return Err(error::invalid_request(message).into());
    }
    archive::check_source(&source.object, cx.now_millis())?;
    let source_key = s3.opening(cx, source.object.sealed.as_ref(), &encryption::source_customer!(input)).await?;
    let sealing = s3.sealing(cx, &target, &input.key, &encryption::asked!(input)).await?;
    let dress = dress(cx, &mut input, &target, &source, sealing.sealed.clone())?;
    let copied = copied(cx, &source, algorithm, source_key.as_ref(), sealing.key.as_ref()).await?;
    let moved = if input.annotation_directive.as_deref() == Some("EXCLUDE") {
        None
    } else {
        let of = (&source.bucket, source_name.key.as_str(), &source.object);
        Some(s3.moved(cx, &cx.read(), of, &sealing, algorithm).await?)
    };
    let (bucket, object) = place(cx, &input, &source_name, &source, &copied, &dress, moved.as_deref()).await?;
    let mut result = output::CopyObjectResult {
        e_tag: Some(format!("\"{}\"", object.etag)),
        last_modified: Some(buckets::shown(object.modified)),
        checksum_type: Some(copied.checksum.kind().to_owned()),
        ..Default::default()
    };
    checksum::show!(result, &object.checksum);
    let mut output = api::CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source.object.shown_version(&source.bucket),
        version_id: object.shown_version(&bucket),
        request_charged: permission::charged(cx, &bucket),
        ..Default::default()
    };
    encryption::show!(output, object.sealed.as_ref(), encryption::customer!(input));
    output.ssekms_encryption_context = input.ssekms_encryption_context;
    Ok(output)
}

async fn place(
    cx: &Cx,
    input: &api::CopyObjectInput,
    name: &CopySource,
    source: &Source,
    copied: &Copied,
    dress: &Dress,
    annotated: Option<&[Moved]>,
) -> Result<(Bucket, Object)> {
    let moment = Moment::of(cx);
    let id = cx.random().hex(32);
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        conditions::check_write(tx, &bucket, &input.key, input.if_match.as_deref(), input.if_none_match.as_deref())?;
        // Between the reading and now the source may have gone, and its bytes with it.
        let there = versions::find(tx, &source.bucket, &name.key, name.version.as_deref())?;
        let versions::Found::Object(there) = there else { return Err(error::operation_aborted().into()) };
        if there.rank != source.object.rank {
            return Err(error::operation_aborted().into());
        }
        let moved = annotated.unwrap_or_default();
        if annotated.is_some() {
            annotations::check_unmoved(tx, &source.bucket, &name.key, &there, moved)?;
        }
        annotations::retain(tx, &bucket, moved)?;
        if let Some(note) = Note::of(&source.object, Touch::Read, moment.now_millis) {
            note.put(tx, &source.bucket, &name.key, moment.now_millis)?;
        }
        let content = match (&copied.bytes, &source.object.content) {
            (Bytes::Own(Taken { stored, .. }), _) | (Bytes::Shared(_), Content::One(stored)) => {
                intake::retain(tx, &bucket, stored)?;
                Content::One(stored.clone())
            }
            (Bytes::Shared(segments), Content::Many(_)) => {
                for segment in segments {
                    intake::retain(tx, &bucket, &segment.stored)?;
                }
                SEGMENTS.put(tx, &bucket.key(&id), segments);
                Content::Many(id.clone())
            }
        };
        let object = Object {
            size: source.object.size,
            etag: copied.etag.clone(),
            checksum: Some(copied.checksum.clone()),
            storage_class: dress.storage_class.clone(),
            headers: dress.headers.clone(),
            tags: dress.tags.clone(),
            owner: dress.owner.clone(),
            acl: dress.acl.clone(),
            sealed: dress.sealed.clone(),
            locked: lock::of_new(&bucket, dress.locked, cx.now_millis()),
            ..Object::new(cx.now_millis(), content)
        };
        let object = versions::place(tx, &bucket, &input.key, object, moment)?;
        events::emit(cx, tx, &bucket, Event::Copy, &input.key, Some(&object), moment)?;
        annotations::put_copies(cx, tx, &bucket, &input.key, object.rank, moved)?;
        Ok((bucket, object))
    })
    .await
}

/// Conditions of a copy's source, from the request of a part.
pub(crate) fn reading_of(input: &api::UploadPartCopyInput) -> Reading<'_> {
    Reading {
        if_match: input.copy_source_if_match.as_deref(),
        if_none_match: input.copy_source_if_none_match.as_deref(),
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let source = |bucket: &str, key: &str, version: Option<&str>| {
            Some(CopySource { bucket: bucket.to_owned(), key: key.to_owned(), version: version.map(ToOwned::to_owned) })
        };
        for (text, wanted) in [
            ("b/k", source("b", "k", None)),
            ("/b/a/b%20c", source("b", "a/b c", None)),
            ("b/k?versionId=v1", source("b", "k", Some("v1"))),
            ("b%2Fk", source("b", "k", None)),
            ("b/a%3FversionId=1", source("b", "a?versionId=1", None)),
            ("b/a+b", source("b", "a+b", None)),
            ("b", None),
            ("/b/", None),
        ] {
            assert_eq!(CopySource::parse(text).ok(), wanted, "{text}");
        }
    }
}
