//! Multipart uploads: begun, fed with parts, given up.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Body, Cx, Failure, Result};

use crate::api::{self, output};
use crate::checksum::{self, Algorithm, Checksum};
use crate::content::{self, Span};
use crate::copy::{self, CopySource, Source};
use crate::encryption::{Customer, DataKey};
use crate::intake::{self, Said, Taken};
use crate::lifecycle::{Ages, End};
use crate::rows::{Bucket, PARTS, Part, Sealed, UPLOADS, Upload};
use crate::tiers::{Note, Touch};
use crate::{
    S3, acl, archive, bucket, buckets, encryption, error, headers, lifecycle, lock, objects, permission, storage,
    tagging,
};

/// Parts have numbers up to this one.
const MOST_PARTS: i32 = 10_000;

/// The key of an upload.
pub(crate) fn upload_key<'a>(
    bucket: &'a Bucket,
    key: &'a str,
    id: &'a str,
) -> (&'a str, &'a str, &'a str, &'a str, &'a str) {
    (&bucket.account, &bucket.region, &bucket.name, key, id)
}

/// The key of a part.
pub(crate) fn part_key<'a>(bucket: &'a Bucket, id: &'a str, number: u64) -> (&'a str, &'a str, &'a str, &'a str, u64) {
    (&bucket.account, &bucket.region, &bucket.name, id, number)
}

/// The upload with that id, which must be going on.
pub(crate) fn open(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, id: &str) -> Result<Upload> {
    UPLOADS.get(from, &upload_key(bucket, key, id))?.ok_or_else(|| error::no_such_upload(id).into())
}

/// The algorithm and kind of checksum that an upload shall have.
fn checksum_of(algorithm: Option<&str>, kind: Option<&str>) -> Result<(Option<Algorithm>, bool)> {
    let Some(name) = algorithm else {
        return match kind {
            None => Ok((None, false)),
            Some(_) => Err(error::invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
            .into()),
        };
    };
    let algorithm = Algorithm::parse(name)?;
    let composite = match kind {
        None => algorithm.is_composite_by_default(),
        Some(kind) => kind == "COMPOSITE",
    };
    algorithm.check_type(composite)?;
    Ok((Some(algorithm), composite))
}

pub(crate) async fn create(
    s3: &S3,
    cx: &Cx,
    input: api::CreateMultipartUploadInput,
) -> Result<api::CreateMultipartUploadOutput> {
    let found = bucket::open(cx, &cx.read(), &input.bucket, input.expected_bucket_owner.as_deref())?;
    bucket::check_key(&input.key)?;
    let sealing = s3.sealing(cx, &found, &input.key, &encryption::asked!(input)).await?;
    let (owner, acl) = acl::of_new_object(&cx.read(), &found, &cx.principal().account, &acl::asked_of_object!(input))?;
    let locked = lock::asked!(input).read(&found, cx.now())?;
    let (algorithm, composite) = checksum_of(input.checksum_algorithm.as_deref(), input.checksum_type.as_deref())?;
    let upload = Upload {
        initiated: cx.now_millis(),
        headers: headers::kept(headers::kept_from!(input), input.metadata)?,
        tags: input.tagging.as_deref().map(tagging::of_header).transpose()?.into_iter().flatten().collect(),
        storage_class: objects::storage_class(input.storage_class)?,
        algorithm,
        composite,
        initiator: cx.principal().arn.clone(),
        owner,
        acl,
        sealed: sealing.sealed,
        locked,
    };
    // Ids sort by the moment at which their uploads began, as lists of uploads do.
    let id = format!(
        "{:014x}{}",
        cx.now().as_microsecond(),
        cx.random().text(50, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._")
    );
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        UPLOADS.put(tx, &upload_key(&bucket, &input.key, &id), &upload);
        lifecycle::notice(cx, tx, &bucket, Ages::New)
    })
    .await?;
    let abort = lifecycle::abortion(&cx.read(), &found, &input.key, upload.initiated)?;
    let mut output = api::CreateMultipartUploadOutput {
        upload_id: Some(id),
        request_charged: permission::charged(cx, &found),
        abort_date: abort.as_ref().and_then(End::at),
        abort_rule_id: abort.map(|a| a.rule),
        checksum_algorithm: algorithm.map(|a| a.name().to_owned()),
        checksum_type: algorithm.map(|_| if composite { "COMPOSITE" } else { "FULL_OBJECT" }.to_owned()),
        ..Default::default()
    };
    encryption::show!(output, upload.sealed.as_ref(), encryption::customer!(input));
    output.ssekms_encryption_context = input.ssekms_encryption_context;
    (output.bucket, output.key) = (Some(input.bucket), Some(input.key));
    Ok(output)
}

/// The key of an upload that is encrypted with one of its own: the customer's, which each part brings, or KMS's.
async fn key_of(s3: &S3, cx: &Cx, upload: &Upload, customer: &Customer<'_>) -> Result<Option<DataKey>> {
    let customers = matches!(upload.sealed, Some(Sealed::Customer { .. }));
    s3.opening(cx, upload.sealed.as_ref(), customer).await.map_err(|failure| match failure.code() {
        Some("InvalidRequest") if customers => error::invalid_request("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.").into(),
        Some("AccessDenied") if customers => {
            error::invalid_request("The provided encryption parameters did not match the ones used originally.").into()
        }
        _ => failure,
    })
}

fn check_number(number: i32) -> Result<u64> {
    match u64::try_from(number) {
        Ok(n) if (1..=MOST_PARTS).contains(&number) => Ok(n),
        _ => {
            let message = "Part number must be an integer between 1 and 10000, inclusive";
            Err(error::invalid_argument(message, "partNumber", &number.to_string()).into())
        }
    }
}

/// The part must have the checksum that the upload was begun with.
fn check_algorithm(upload: &Upload, said: &Said) -> Result<Option<Algorithm>> {
    let announced = said.algorithm.as_deref().map(Algorithm::parse).transpose()?;
    let actual = said.checksum.as_ref().map(|c| c.0).or(announced);
    match (upload.algorithm, actual) {
        (Some(wanted), Some(actual)) if wanted != actual => Err(checksum::unlike(Some(wanted), actual).into()),
        (Some(wanted), _) => Ok(Some(wanted)),
        (None, _) => Ok(None),
    }
}

pub(crate) async fn part(s3: &S3, cx: &Cx, mut input: api::UploadPartInput) -> Result<api::UploadPartOutput> {
    let (name, key, id) = (input.bucket.as_str(), input.key.as_str(), input.upload_id.as_str());
    let owner = input.expected_bucket_owner.as_deref();
    let from = cx.read();
    let found = bucket::open(cx, &from, name, owner)?;
    let number = check_number(input.part_number)?;
    let upload = open(&from, &found, key, id)?;
    let said = Said {
        checksum: checksum::single(checksum::given!(input))?,
        md5: input.content_md5.take(),
        algorithm: input.checksum_algorithm.take(),
        length: input.content_length,
        annotation: false,
    };
    let wanted = check_algorithm(&upload, &said)?;
    let customer = encryption::customer!(input);
    let data_key = key_of(s3, cx, &upload, &customer).await?;
    let body = input.body.take().unwrap_or_else(Body::empty);
    let mut taken = take_part(cx, body, said, wanted, data_key.as_ref()).await?;
    let shown = taken.checksum.clone();
    // An upload without an algorithm of its own keeps CRC-64/NVME of its parts, from which that of the whole is made.
    if upload.algorithm.is_none() && taken.checksum.algorithm != Algorithm::Crc64Nvme {
        taken.checksum = content::checksum(cx, &taken.stored, data_key.as_ref(), Algorithm::Crc64Nvme).await?;
    }
    let etag = keep(cx, name, owner, key, id, number, taken).await?;
    let mut output = api::UploadPartOutput {
        e_tag: Some(format!("\"{etag}\"")),
        request_charged: permission::charged(cx, &found),
        ..Default::default()
    };
    encryption::show!(output, upload.sealed.as_ref(), customer);
    checksum::show!(output, Some(&shown));
    Ok(output)
}

/// Takes a part in; one of which nothing is said is hashed as its upload demands.
async fn take_part(cx: &Cx, body: Body, said: Said, wanted: Option<Algorithm>, key: Option<&DataKey>) -> Result<Taken> {
    let quiet = said.checksum.is_none() && said.algorithm.is_none();
    let mut taken = intake::take(cx, body, said, key).await?;
    if let Some(algorithm) = wanted.filter(|a| quiet && taken.checksum.algorithm != *a) {
        taken.checksum = content::checksum(cx, &taken.stored, key, algorithm).await?;
    }
    Ok(taken)
}

/// Puts a part into its upload, in the place of one with the same number, and gives back its entity tag.
async fn keep(
    cx: &Cx,
    name: &str,
    owner: Option<&str>,
    key: &str,
    id: &str,
    number: u64,
    taken: Taken,
) -> Result<String> {
    let part = Part {
        modified: cx.now_millis(),
        size: taken.size,
        etag: taken.etag.clone(),
        stored: taken.stored.clone(),
        checksum: taken.checksum.clone(),
    };
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, name, owner)?;
        open(tx, &bucket, key, id)?;
        let place = part_key(&bucket, id, number);
        if let Some(before) = PARTS.get(tx, &place)? {
            intake::release(tx, &bucket, &before.stored)?;
        }
        intake::retain(tx, &bucket, &part.stored)?;
        PARTS.put(tx, &place, &part);
        storage::changed(tx, &bucket)?;
        Ok(())
    })
    .await?;
    drop(taken);
    Ok(part.etag)
}

/// `bytes=0-9`, wholly inside the source.
fn copy_range(text: &str, size: u64) -> Result<Span> {
    let number = |t: &str| t.parse::<u64>().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit()));
    let bounds = text.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
    let bounds =
        bounds.and_then(|(first, last)| Some((number(first)?, number(last)?))).filter(|(first, last)| first <= last);
    let Some((first, last)) = bounds else {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
        return Err(error::invalid_argument(message, "x-amz-copy-source-range", text).into());
    };
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(error::invalid_argument(message, "x-amz-copy-source-range", text).into());
    }
    Ok(Span { start: first, length: last - first + 1 })
}

pub(crate) async fn part_copy(s3: &S3, cx: &Cx, input: api::UploadPartCopyInput) -> Result<api::UploadPartCopyOutput> {
    let from = cx.read();
    let owner = input.expected_bucket_owner.as_deref();
    let found = bucket::open(cx, &from, &input.bucket, owner)?;
    let number = check_number(input.part_number)?;
    let upload = open(&from, &found, &input.key, &input.upload_id)?;
    let name = CopySource::parse(&input.copy_source)?;
    let source = Source::find(cx, &name, input.expected_source_bucket_owner.as_deref(), &copy::reading_of(&input))?;
    archive::check_source(&source.object, cx.now_millis())?;
    let source_key = s3.opening(cx, source.object.sealed.as_ref(), &encryption::source_customer!(input)).await?;
    let customer = encryption::customer!(input);
    let data_key = key_of(s3, cx, &upload, &customer).await?;
    let size = source.object.size;
    let span = input.copy_source_range.as_deref().map_or(Ok(Span::whole(size)), |text| copy_range(text, size))?;
    if span.length > crate::MOST_BYTES {
        let message = format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {}",
            crate::MOST_BYTES
        );
        return Err(error::invalid_request(message).into());
    }
    let version = source.object.shown_version(&source.bucket);
    let note = Note::of(&source.object, Touch::Read, cx.now_millis());
    let body = content::open(cx, &from, &source.bucket, source.object, span, source_key.as_ref()).await?;
    let taken = intake::copy(cx, body, upload.algorithm.unwrap_or(Algorithm::Crc64Nvme), data_key.as_ref()).await?;
    let shown: Checksum = taken.checksum.clone();
    let etag = keep(cx, &input.bucket, owner, &input.key, &input.upload_id, number, taken).await?;
    if let Some(note) = note {
        note.keep(cx, &source.bucket, &name.key).await;
    }
    let mut result = output::CopyPartResult {
        e_tag: Some(format!("\"{etag}\"")),
        last_modified: Some(buckets::shown(cx.now_millis())),
        ..Default::default()
    };
    if upload.algorithm.is_some() {
        checksum::show!(result, Some(&shown));
    }
    let mut output = api::UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: version,
        request_charged: permission::charged(cx, &found),
        ..Default::default()
    };
    encryption::show!(output, upload.sealed.as_ref(), customer);
    Ok(output)
}

/// Removes an upload and those of its parts that `kept` does not name.
pub(crate) fn forget(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, id: &str, kept: &[u32]) -> Result<()> {
    for entry in PARTS.all(tx, &bucket.key(id))? {
        let number = entry.key::<(String, String, String, String, u64)>().map(|k| k.4);
        let is_kept = number.and_then(|n| u32::try_from(n).ok()).is_some_and(|n| kept.binary_search(&n).is_ok());
        if !is_kept {
            intake::release(tx, bucket, &entry.row.stored)?;
        }
    }
    PARTS.clear(tx, &bucket.key(id))?;
    storage::changed(tx, bucket)?;
    UPLOADS.delete(tx, &upload_key(bucket, key, id));
    Ok(())
}

pub(crate) async fn abort(cx: &Cx, input: api::AbortMultipartUploadInput) -> Result<api::AbortMultipartUploadOutput> {
    let charged = cx
        .write(|tx| {
            let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
            open(tx, &bucket, &input.key, &input.upload_id)?;
            forget(tx, &bucket, &input.key, &input.upload_id, &[])?;
            Ok(permission::charged(cx, &bucket))
        })
        .await?;
    Ok(api::AbortMultipartUploadOutput { request_charged: charged, ..Default::default() })
}

/// The parts of an upload by number.
pub(crate) fn parts(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    id: &str,
    after: u64,
    most: usize,
) -> Result<Vec<(i32, Part)>> {
    let after = part_key(bucket, id, after);
    let page = PARTS.page(from, &bucket.key(id), Some(&after), undercast_kernel::store::Order::Ascending, most)?;
    page.into_iter()
        .map(|e| {
            let number = e.key::<(String, String, String, String, u64)>().and_then(|k| i32::try_from(k.4).ok());
            Ok((number.ok_or_else(|| Failure::broken("a part has no number"))?, e.row))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_copies() {
        assert_eq!(copy_range("bytes=0-9", 10).ok(), Some(Span { start: 0, length: 10 }));
        for text in ["bytes=0-10", "bytes=0-", "bytes=-5", "0-9", "bytes=5-4"] {
            assert!(copy_range(text, 10).is_err(), "{text}");
        }
    }

    #[test]
    fn checksums_of_uploads() {
        let of = |algorithm: Option<&str>, kind: Option<&str>| checksum_of(algorithm, kind).ok();
        assert_eq!(of(None, None), Some((None, false)));
        assert_eq!(of(Some("CRC32"), None), Some((Some(Algorithm::Crc32), true)));
        assert_eq!(of(Some("CRC32"), Some("FULL_OBJECT")), Some((Some(Algorithm::Crc32), false)));
        assert_eq!(of(Some("CRC64NVME"), None), Some((Some(Algorithm::Crc64Nvme), false)));
        assert_eq!(of(Some("SHA256"), Some("FULL_OBJECT")), None);
        assert_eq!(of(None, Some("COMPOSITE")), None);
    }
}
