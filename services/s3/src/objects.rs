//! Objects: put, read, described.

use std::sync::Arc;

use undercast_kernel::store::Read;
use undercast_kernel::tags::Tags;
use undercast_kernel::{AwsError, Body, Cx, Result, SignedIn};
use undercast_wire::schema::TimestampFormat;
use undercast_wire::text::timestamp;

use crate::api;
use crate::checksum::{self, Checksum};
use crate::conditions::{self, Reading};
use crate::content::{self, Span};
use crate::counts::{Counted, Figures};
use crate::events::{self, Event};
use crate::intake::{self, Said};
use crate::rows::{Acl, Bucket, Content, Headers, Locked, Object, Ownership};
use crate::tiers::{self, Note, Touch};
use crate::versions::{self, Found, Moment};
use crate::{S3, acl, archive, bucket, buckets, encryption, error, headers, lifecycle, lock, permission, tagging};

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

/// `x-amz-checksum-mode`: the model has it in capitals, and AWS's Common Runtime sends `enabled`.
pub(crate) fn wants_checksum(mode: Option<&str>) -> Result<bool> {
    match mode {
        None => Ok(false),
        Some(mode) if mode.eq_ignore_ascii_case("ENABLED") => Ok(true),
        // In the words of AWS, as recorded by a public test suite.
        Some(_) => Err(error::invalid_request("Value for x-amz-checksum-mode header is invalid.").into()),
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
            checksum: wants_checksum($input.checksum_mode.as_deref())?,
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
        let Described { object, headers, span, parts, ranged, checksum, locked, charged, expiration } = $described;
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
        $output.restore = object.restoration.as_ref().map(archive::shown);
        $output.replication_status = object.replication.map(|r| r.name().to_owned());
        $output.request_charged = charged.clone();
        $output.expiration = expiration.clone();
        lock::show!($output, locked);
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
    locked: Locked,
    /// `requester`, where who asks pays.
    charged: Option<String>,
    /// When and why it expires.
    expiration: Option<String>,
}

impl Wanted<'_> {
    fn of(
        self,
        s3: &S3,
        cx: &Cx,
        from: &(impl Read + ?Sized),
        bucket: &Bucket,
        key: &str,
        mut object: Object,
    ) -> Result<Described> {
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
        let locked = s3.shown_lock(cx, bucket, key, &object.locked)?;
        let charged = permission::charged(cx, bucket);
        let expiration = lifecycle::expiration(from, bucket, key, &object)?;
        Ok(Described { object, headers, span, ranged, parts, checksum, locked, charged, expiration })
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
    let customer = encryption::customer!(input);
    encryption::check_customer(object.sealed.as_ref(), &customer)?;
    let described = wanted!(input).of(s3, cx, &from, &bucket, &input.key, object)?;
    archive::check_readable(&described.object, cx.now_millis())?;
    let key = s3.opening(cx, described.object.sealed.as_ref(), &customer).await?;
    let note = Note::of(&described.object, Touch::Read, cx.now_millis());
    let counted = Counted::of(&from, &bucket, &input.key, &described.object, cx.now_millis())?;
    let mut output = api::GetObjectOutput::default();
    describe!(output, &bucket, &described);
    encryption::show!(output, described.object.sealed.as_ref(), customer);
    let body = content::open(cx, &from, &bucket, described.object, described.span, key.as_ref()).await?;
    output.body = Some(match counted {
        Some(counted) => s3.counts.watch(cx, counted, body),
        None => body,
    });
    if let Some(note) = note {
        note.keep(cx, &bucket, &input.key).await;
    }
    Ok(output)
}

pub(crate) fn head(s3: &S3, cx: &Cx, input: &api::HeadObjectInput) -> Result<api::HeadObjectOutput> {
    let from = cx.read();
    let bucket = s3.bucket(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = s3.readable(cx, &from, &bucket, &input.key, input.version_id.as_deref())?;
    let customer = encryption::customer!(input);
    encryption::check_customer(object.sealed.as_ref(), &customer)?;
    let described = wanted!(input).of(s3, cx, &from, &bucket, &input.key, object)?;
    let mut output = api::HeadObjectOutput::default();
    describe!(output, &bucket, &described);
    output.archive_status = tiers::archive(&described.object).map(|tier| tier.name().to_owned());
    encryption::show!(output, described.object.sealed.as_ref(), customer);
    Ok(output)
}

/// A storage class as rows keep it.
pub(crate) fn storage_class(asked: Option<String>) -> Result<Option<String>> {
    match asked.as_deref() {
        None | Some("STANDARD") => Ok(None),
        Some(
            "REDUCED_REDUNDANCY"
            | "STANDARD_IA"
            | "ONEZONE_IA"
            | "INTELLIGENT_TIERING"
            | "GLACIER_IR"
            | "GLACIER"
            | "DEEP_ARCHIVE",
        ) => Ok(asked),
        // The others are for other kinds of buckets.
        Some(class) => {
            let error = AwsError::new("InvalidStorageClass", 400, "The storage class you specified is not valid");
            Err(error.with("StorageClassRequested", class).into())
        }
    }
}

/// What a new object has besides its bytes, as the request says it.
struct Dress {
    headers: Headers,
    tags: Tags,
    storage_class: Option<String>,
    owner: Option<String>,
    acl: Option<Acl>,
    locked: Locked,
}

fn dress(cx: &Cx, bucket: &Bucket, input: &mut api::PutObjectInput) -> Result<Dress> {
    let (owner, acl) = acl::of_new_object(&cx.read(), bucket, &cx.principal().account, &acl::asked_of_object!(input))?;
    let locked = lock::asked!(input);
    let (checked, said) = (input.content_md5.is_some(), checksum::single(checksum::given!(input))?);
    if locked.is_given() && !checked && said.is_none() && input.checksum_algorithm.is_none() {
        let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        return Err(error::invalid_request(message).into());
    }
    let locked = locked.read(bucket, cx.now())?;
    Ok(Dress {
        headers: headers::kept(headers::kept_from!(input), input.metadata.take())?,
        tags: input.tagging.as_deref().map(tagging::of_header).transpose()?.into_iter().flatten().collect(),
        storage_class: storage_class(input.storage_class.take())?,
        owner,
        acl,
        locked,
    })
}

pub(crate) async fn put(s3: &S3, cx: &Cx, mut input: api::PutObjectInput) -> Result<api::PutObjectOutput> {
    let found = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    bucket::check_key(&input.key)?;
    // Told before the body is read, and decided when it is there.
    let (if_match, if_none_match) = (input.if_match.clone(), input.if_none_match.clone());
    let check = |tx: &dyn Read, bucket: &Bucket, key: &str| {
        conditions::check_write(tx, bucket, key, if_match.as_deref(), if_none_match.as_deref())
    };
    check(&cx.read(), &found, &input.key)?;
    let dress = dress(cx, &found, &mut input)?;
    let sealing = s3.sealing(cx, &found, &input.key, &encryption::asked!(input)).await?;
    let said = Said {
        checksum: checksum::single(checksum::given!(input))?,
        md5: input.content_md5.take(),
        algorithm: input.checksum_algorithm.take(),
        length: input.content_length,
        annotation: false,
    };
    let body = input.body.take().unwrap_or_else(Body::empty);
    let taken = intake::take(cx, body, said, sealing.key.as_ref()).await?;
    let moment = Moment::of(cx);
    let form = cx.origin().signed.as_ref().is_some_and(|s| s.place == SignedIn::Form);
    let event = if form { Event::Post } else { Event::Put };
    let object = Object {
        size: taken.size,
        etag: taken.etag.clone(),
        checksum: Some(taken.checksum.clone()),
        storage_class: dress.storage_class,
        headers: dress.headers,
        tags: dress.tags,
        owner: dress.owner,
        acl: dress.acl,
        sealed: sealing.sealed,
        ..Object::new(cx.now_millis(), Content::One(taken.stored.clone()))
    };
    let (bucket, object) = cx
        .write(|tx| {
            let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
            check(tx, &bucket, &input.key)?;
            intake::retain(tx, &bucket, &taken.stored)?;
            // The default that counts is that of the moment at which the object comes to be, not of that before its body.
            let object = Object { locked: lock::of_new(&bucket, dress.locked, cx.now_millis()), ..object.clone() };
            let object = versions::place(tx, &bucket, &input.key, object, moment)?;
            events::emit(cx, tx, &bucket, event, &input.key, Some(&object), moment)?;
            Ok((bucket, object))
        })
        .await?;
    drop(taken);
    if let Some(counted) = Counted::of(&cx.read(), &bucket, &input.key, &object, cx.now_millis())? {
        s3.counts.add(cx, &counted, Figures { uploaded: object.size, ..Figures::default() });
    }
    let mut output = api::PutObjectOutput {
        e_tag: Some(format!("\"{}\"", object.etag)),
        version_id: object.shown_version(&bucket),
        request_charged: permission::charged(cx, &bucket),
        expiration: lifecycle::expiration(&cx.read(), &bucket, &input.key, &object)?,
        ..Default::default()
    };
    encryption::show!(output, object.sealed.as_ref(), encryption::customer!(input));
    output.ssekms_encryption_context = input.ssekms_encryption_context;
    checksum::show!(output, &object.checksum);
    output.checksum_type = object.checksum.as_ref().map(|c| c.kind().to_owned());
    Ok(output)
}

/// The account that owns an object.
pub(crate) fn owner<'a>(bucket: &'a Bucket, object: &'a Object) -> &'a str {
    object.owner.as_deref().unwrap_or(&bucket.account)
}

pub(crate) fn get_acl(cx: &Cx, input: &api::GetObjectAclInput) -> Result<api::GetObjectAclOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = existing(&from, &bucket, &input.key, input.version_id.as_deref())?;
    let (owner, counts) = match bucket.ownership {
        Ownership::Enforced => (bucket.account.as_str(), None),
        _ => (owner(&bucket, &object), object.acl.as_ref()),
    };
    Ok(api::GetObjectAclOutput {
        owner: Some(buckets::owner(owner)),
        grants: Some(acl::shown(counts, owner)),
        request_charged: permission::charged(cx, &bucket),
    })
}

pub(crate) async fn put_acl(cx: &Cx, input: api::PutObjectAclInput) -> Result<api::PutObjectAclOutput> {
    let moment = Moment::of(cx);
    let charged = cx
        .write(|tx| {
            let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
            let mut object = existing(tx, &bucket, &input.key, input.version_id.as_deref())?;
            let owner = owner(&bucket, &object).to_owned();
            let asked = acl::asked!(input);
            let acl = acl::of_change(tx, &bucket, &owner, &asked, input.access_control_policy.as_ref())?;
            if bucket.ownership != Ownership::Enforced {
                object.acl = acl;
                versions::put_back(tx, &bucket, &input.key, &object)?;
                events::emit(cx, tx, &bucket, Event::AclPut, &input.key, Some(&object), moment)?;
            }
            Ok(permission::charged(cx, &bucket))
        })
        .await?;
    Ok(api::PutObjectAclOutput { request_charged: charged })
}
