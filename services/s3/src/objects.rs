//! Objects: put, read, described.

use std::sync::Arc;

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Body, Cx, Failure, Result};
use undercast_wire::schema::TimestampFormat;
use undercast_wire::text::timestamp;

use crate::api;
use crate::checksum::{self, Checksum};
use crate::conditions::{self, Reading};
use crate::content::{self, Span};
use crate::events::{self, Event};
use crate::intake::{self, Said};
use crate::rows::{Bucket, Content, Headers, Object};
use crate::versions::{self, Found, Moment};
use crate::{S3, bucket, buckets, encryption, error, headers, policy, tagging};

/// The object under a key that must be there, for calls that say nothing of delete markers.
pub(crate) fn existing(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
) -> Result<Object> {
    match versions::find(from, bucket, key, version)? {
        Found::Object(object) => Ok(*object),
        Found::Marker(marker) => Err(marked(bucket, key, version, &marker).into()),
        Found::Missing => Err(missing(key, version).into()),
    }
}

fn missing(key: &str, version: Option<&str>) -> AwsError {
    version.map_or_else(|| error::no_such_key(key), |v| error::no_such_version(key, v))
}

/// A delete marker under its own id cannot be read; in place of the key it means that the key is gone.
fn marked(bucket: &Bucket, key: &str, version: Option<&str>, marker: &Object) -> AwsError {
    let error = match version {
        Some(_) => AwsError::new("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
            .with("Method", "GET")
            .with("ResourceType", "DeleteMarker")
            .with_header("allow", "DELETE")
            .with_header("last-modified", timestamp(buckets::shown(marker.modified), TimestampFormat::Http)),
        None => error::no_such_key(key),
    };
    let error = error.with_header("x-amz-delete-marker", "true");
    match marker.shown_version(bucket) {
        Some(id) => error.with_header("x-amz-version-id", id),
        None => error,
    }
}

impl S3 {
    /// The same for readings: that a key is missing is told only to those who may list the bucket.
    pub(crate) fn readable(
        &self,
        cx: &Cx,
        from: &(impl Read + ?Sized),
        bucket: &Arc<Bucket>,
        key: &str,
        version: Option<&str>,
    ) -> Result<Object> {
        match versions::find(from, bucket, key, version)? {
            Found::Object(object) => Ok(*object),
            found => {
                let access = self.guarded(cx, from, bucket.clone())?.on_bucket(if version.is_some() {
                    "s3:ListBucketVersions"
                } else {
                    "s3:ListBucket"
                });
                if let Some(message) = cx.denied(&access)? {
                    return Err(crate::permission::denied(&access, &message).into());
                }
                Err(match found {
                    Found::Marker(marker) => marked(bucket, key, version, &marker),
                    _ => missing(key, version),
                }
                .into())
            }
        }
    }
}

/// What is asked of a reading, in `GetObject` and `HeadObject` alike.
macro_rules! wanted {
    ($input:expr) => {
        Wanted {
            reading: Reading {
                if_match: $input.if_match.as_deref(),
                if_none_match: $input.if_none_match.as_deref(),
                if_modified_since: $input.if_modified_since,
                if_unmodified_since: $input.if_unmodified_since,
            },
            range: $input.range.as_deref(),
            part: $input.part_number,
            checksum: $input.checksum_mode.is_some(),
            overrides: Overrides {
                any: $input.response_cache_control.is_some()
                    || $input.response_content_disposition.is_some()
                    || $input.response_content_encoding.is_some()
                    || $input.response_content_language.is_some()
                    || $input.response_content_type.is_some()
                    || $input.response_expires.is_some(),
                headers: Headers {
                    content_type: $input.response_content_type.clone(),
                    cache_control: $input.response_cache_control.clone(),
                    disposition: $input.response_content_disposition.clone(),
                    encoding: $input.response_content_encoding.clone(),
                    language: $input.response_content_language.clone(),
                    expires: $input.response_expires.map(|t| timestamp(t, TimestampFormat::Http)),
                    ..Headers::default()
                },
            },
        }
    };
}

/// Puts what is known of an object into the members of an answer.
macro_rules! describe {
    ($output:expr, $bucket:expr, $described:expr) => {{
        let Described { object, headers, span, parts, ranged, checksum, .. } = $described;
        checksum::show!($output, checksum);
        $output.checksum_type = checksum.as_ref().map(|c| c.kind().to_owned());
        $output.accept_ranges = Some("bytes".to_owned());
        $output.last_modified = Some(buckets::shown(object.modified));
        $output.content_length = i64::try_from(span.length).ok();
        $output.content_range = ranged.then(|| span.header(object.size));
        $output.e_tag = Some(format!("\"{}\"", object.etag));
        $output.version_id = object.shown_version($bucket);
        $output.cache_control = headers.cache_control.clone();
        $output.content_disposition = headers.disposition.clone();
        $output.content_encoding = headers.encoding.clone();
        $output.content_language = headers.language.clone();
        $output.content_type = Some(headers.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()));
        $output.expires = headers.expires.clone();
        $output.website_redirect_location = headers.redirect.clone();
        $output.metadata = headers::shown_metadata(&headers.metadata);
        $output.storage_class = object.storage_class.clone();
        $output.server_side_encryption = encryption::shown();
        $output.parts_count = *parts;
        $output.tag_count = i32::try_from(object.tags.len()).ok().filter(|n| *n > 0);
    }};
}

/// Headers of the answer that the request chooses.
struct Overrides {
    any: bool,
    headers: Headers,
}

struct Wanted<'a> {
    reading: Reading<'a>,
    range: Option<&'a str>,
    part: Option<i32>,
    checksum: bool,
    overrides: Overrides,
}

/// An object, and which part of it is given.
struct Described {
    object: Object,
    headers: Headers,
    span: Span,
    ranged: bool,
    parts: Option<i32>,
    checksum: Option<Checksum>,
}

impl Wanted<'_> {
    fn of(self, cx: &Cx, from: &(impl Read + ?Sized), bucket: &Bucket, mut object: Object) -> Result<Described> {
        self.reading.check(&object, cx.now())?;
        if self.overrides.any && cx.origin().access_key.is_none() && cx.origin().address.is_some() {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(error::invalid_request(message).into());
        }
        let (span, ranged, parts) = match (self.part, self.range) {
            (Some(_), Some(_)) => {
                return Err(
                    error::invalid_request("Cannot specify both Range header and partNumber query parameter").into()
                );
            }
            (Some(number), None) => part(from, bucket, &object, number)?,
            (None, Some(range)) => {
                let span = Span::of_header(range, object.size)?;
                (span.unwrap_or(Span::whole(object.size)), span.is_some(), None)
            }
            (None, None) => (Span::whole(object.size), false, None),
        };
        // The checksum is of the whole; of a part of it S3 says nothing.
        let whole = span.length == object.size;
        let checksum = if self.checksum && whole { object.checksum.clone() } else { None };
        let mut headers = std::mem::take(&mut object.headers);
        headers::overlay(&mut headers, self.overrides.headers);
        Ok(Described { object, headers, span, ranged, parts, checksum })
    }
}

/// The span of one part, and how many there are.
fn part(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    object: &Object,
    number: i32,
) -> Result<(Span, bool, Option<i32>)> {
    if !(1..=10_000).contains(&number) {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(error::invalid_argument(message, "partNumber", &number.to_string()).into());
    }
    let unsatisfiable = || {
        let error = AwsError::new("InvalidPartNumber", 416, "The requested partnumber is not satisfiable");
        error.with("ActualPartCount", object.parts.unwrap_or(1)).with("PartNumberRequested", number)
    };
    let Some(count) = object.parts else {
        return if number == 1 {
            Ok((Span::whole(object.size), object.size > 0, None))
        } else {
            Err(unsatisfiable().into())
        };
    };
    let mut start = 0;
    for segment in content::segments(from, bucket, object)? {
        if i32::try_from(segment.number) == Ok(number) {
            return Ok((Span { start, length: segment.size }, segment.size > 0, i32::try_from(count).ok()));
        }
        start += segment.size;
    }
    Err(unsatisfiable().into())
}

pub(crate) async fn get(s3: &S3, cx: &Cx, input: api::GetObjectInput) -> Result<api::GetObjectOutput> {
    let from = cx.read();
    let bucket = s3.bucket(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = s3.readable(cx, &from, &bucket, &input.key, input.version_id.as_deref())?;
    let described = wanted!(input).of(cx, &from, &bucket, object)?;
    let mut output = api::GetObjectOutput::default();
    describe!(output, &bucket, &described);
    output.body = Some(content::open(cx, &from, &bucket, described.object, described.span).await?);
    Ok(output)
}

pub(crate) fn head(s3: &S3, cx: &Cx, input: &api::HeadObjectInput) -> Result<api::HeadObjectOutput> {
    let from = cx.read();
    let bucket = s3.bucket(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = s3.readable(cx, &from, &bucket, &input.key, input.version_id.as_deref())?;
    let described = wanted!(input).of(cx, &from, &bucket, object)?;
    let mut output = api::HeadObjectOutput::default();
    describe!(output, &bucket, &described);
    Ok(output)
}

/// A storage class as rows keep it. Those whose objects are read like any other's are kept and shown; the others need
/// restoring, which is not built, or are not for buckets like these.
pub(crate) fn storage_class(asked: Option<String>) -> Result<Option<String>> {
    match asked.as_deref() {
        None | Some("STANDARD") => Ok(None),
        Some("REDUCED_REDUNDANCY" | "STANDARD_IA" | "ONEZONE_IA" | "INTELLIGENT_TIERING" | "GLACIER_IR") => Ok(asked),
        Some(class @ ("GLACIER" | "DEEP_ARCHIVE")) => {
            Err(Failure::not_built(format!("storage class {class}: archived objects")))
        }
        Some(class) => {
            let error = AwsError::new("InvalidStorageClass", 400, "The storage class you specified is not valid");
            Err(error.with("StorageClassRequested", class).into())
        }
    }
}

pub(crate) async fn put(cx: &Cx, input: api::PutObjectInput) -> Result<api::PutObjectOutput> {
    let (name, key, owner) = (input.bucket.as_str(), input.key.as_str(), input.expected_bucket_owner.as_deref());
    let found = bucket::open(cx, &cx.read(), name, owner)?;
    bucket::check_key(key)?;
    let grants = [&input.grant_full_control, &input.grant_read, &input.grant_read_acp, &input.grant_write_acp];
    policy::check_acl(input.acl.as_deref(), &grants.map(Option::as_ref))?;
    let (if_match, if_none_match) = (input.if_match.as_deref(), input.if_none_match.as_deref());
    encryption::check(input.server_side_encryption.as_deref())?;
    // Told before the body is read, and decided when it is there.
    conditions::check_write(&cx.read(), &found, key, if_match, if_none_match)?;
    let headers = headers::kept(headers::kept_from!(input), input.metadata)?;
    let tags = input.tagging.as_deref().map(tagging::of_header).transpose()?.into_iter().flatten().collect();
    let storage_class = storage_class(input.storage_class)?;
    let said = Said {
        checksum: checksum::single(checksum::given!(input))?,
        md5: input.content_md5,
        algorithm: input.checksum_algorithm,
        length: input.content_length,
    };
    let taken = intake::take(cx, input.body.unwrap_or_else(Body::empty), said).await?;
    let moment = Moment::of(cx);
    let object = Object {
        rank: 0,
        version: None,
        marker: false,
        modified: cx.now_millis(),
        size: taken.size,
        etag: taken.etag.clone(),
        checksum: Some(taken.checksum.clone()),
        storage_class,
        content: Content::One(taken.stored.clone()),
        headers,
        tags,
        parts: None,
    };
    let (bucket, object) = cx
        .write(|tx| {
            let bucket = bucket::open(cx, tx, name, owner)?;
            conditions::check_write(tx, &bucket, key, if_match, if_none_match)?;
            intake::retain(tx, &bucket, &taken.stored)?;
            let object = versions::place(tx, &bucket, key, object.clone(), moment)?;
            events::emit(cx, tx, &bucket, Event::Put, key, Some(&object), moment)?;
            Ok((bucket, object))
        })
        .await?;
    drop(taken);
    let mut output = api::PutObjectOutput {
        e_tag: Some(format!("\"{}\"", object.etag)),
        version_id: object.shown_version(&bucket),
        server_side_encryption: encryption::shown(),
        ..Default::default()
    };
    checksum::show!(output, &object.checksum);
    output.checksum_type = object.checksum.as_ref().map(|c| c.kind().to_owned());
    Ok(output)
}

pub(crate) fn get_acl(cx: &Cx, input: &api::GetObjectAclInput) -> Result<api::GetObjectAclOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    existing(&from, &bucket, &input.key, input.version_id.as_deref())?;
    Ok(api::GetObjectAclOutput {
        owner: Some(buckets::owner(&bucket.account)),
        grants: Some(buckets::grants(&bucket)),
        ..Default::default()
    })
}

pub(crate) fn put_acl(cx: &Cx, input: &api::PutObjectAclInput) -> Result<api::PutObjectAclOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    existing(&from, &bucket, &input.key, input.version_id.as_deref())?;
    if input.access_control_policy.is_some() {
        return Err(error::acl_not_supported().into());
    }
    let grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    policy::check_acl(input.acl.as_deref(), &grants.map(Option::as_ref))?;
    Ok(api::PutObjectAclOutput::default())
}
