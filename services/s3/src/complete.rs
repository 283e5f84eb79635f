//! `CompleteMultipartUpload`: the parts become an object, without a byte of them being moved.

use md5::{Digest as _, Md5};
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::text::{hex_encode, percent_encode, unbase64};

use crate::api;
use crate::api::input::CompletedPart;
use crate::checksum::{self, Algorithm, Checksum};
use crate::events::{self, Event};
use crate::rows::{Bucket, Content, OBJECTS, Object, PARTS, Part, SEGMENTS, Segment, Upload, VERSIONS};
use crate::uploads::{self, part_key};
use crate::versions::{self, Moment};
use crate::{LEAST_PART, bucket, conditions, encryption, error, lock, permission};

/// A part as the request names it.
struct Named {
    number: i32,
    etag: String,
    checksum: Option<(Algorithm, String)>,
}

/// The parts of the request: at least one, in the order of their numbers.
fn named(parts: Option<Vec<CompletedPart>>) -> Result<Vec<Named>> {
    let mut named: Vec<Named> = Vec::new();
    for part in parts.into_iter().flatten() {
        let checksum = checksum::single(checksum::given!(part))?;
        let (Some(number), Some(etag)) = (part.part_number, part.e_tag) else {
            return Err(error::malformed_xml().into());
        };
        if named.last().is_some_and(|before| before.number >= number) {
            let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(undercast_kernel::AwsError::new("InvalidPartOrder", 400, message).into());
        }
        named.push(Named { number, etag: etag.trim_matches('"').to_owned(), checksum });
    }
    if named.is_empty() {
        return Err(error::invalid_request("You must specify at least one part").into());
    }
    Ok(named)
}

/// The part that was uploaded under that number, if the request means that one.
fn found(tx: &Tx<'_>, bucket: &Bucket, id: &str, upload: &Upload, named: &Named, last: bool) -> Result<Part> {
    let unlike = || Failure::from(error::invalid_part(id, named.number, &named.etag));
    let number = u64::try_from(named.number).map_err(|_| unlike())?;
    let part = PARTS.get(tx, &part_key(bucket, id, number))?.filter(|p| p.etag == named.etag).ok_or_else(unlike)?;
    match (&named.checksum, upload.algorithm) {
        (Some((algorithm, value)), Some(wanted)) if *algorithm == wanted && *value == part.checksum.value => {}
        (Some(_), Some(_)) => return Err(unlike()),
        (Some((algorithm, value)), None) if *algorithm == part.checksum.algorithm && *value != part.checksum.value => {
            return Err(unlike());
        }
        (None, Some(wanted)) if upload.composite => {
            let message = format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
                wanted.name().to_lowercase(),
                named.number
            );
            return Err(error::invalid_request(message).into());
        }
        _ => {}
    }
    if !last && part.size < LEAST_PART {
        return Err(error::entity_too_small(part.size, named.number, &part.etag).into());
    }
    Ok(part)
}

/// The entity tag of an object made of parts: the MD5 of their MD5s, and how many they are.
fn etag<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let (mut md5, count) = (Md5::new(), parts.len());
    for part in parts {
        md5.update(unhex(part));
    }
    format!("{}-{count}", hex_encode(&md5.finalize()))
}

/// What an upload became that was completed with these parts before.
fn completed(tx: &Tx<'_>, bucket: &Bucket, key: &str, id: &str, named: &[Named]) -> Result<Option<Object>> {
    let wanted = etag(named.iter().map(|n| n.etag.as_str()));
    let is_it = |object: &Object| {
        // The segments of an object have the id of its upload.
        matches!(&object.content, Content::Many(segments) if segments == id) && object.etag == wanted
    };
    match OBJECTS.get(tx, &bucket.key(key))?.filter(is_it) {
        Some(object) => Ok(Some(object)),
        None => Ok(VERSIONS.all(tx, &bucket.key(key))?.into_iter().map(|e| e.row).find(is_it)),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(0);
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// What the request says of the whole.
struct Said {
    checksum: Option<(Algorithm, String)>,
    kind: Option<String>,
    size: Option<i64>,
}

impl Said {
    fn check(&self, upload: &Upload, checksum: &Checksum, size: u64) -> Result<()> {
        if let Some(kind) = self.kind.as_deref().filter(|k| *k != checksum.kind()) {
            let message = match upload.algorithm {
                None => "The upload was created using the null checksum mode. The complete request must use the same checksum mode.".to_owned(),
                Some(_) => format!("The upload was created using the {} checksum mode. The complete request must use the same checksum mode.", checksum.kind()),
            };
            tracing::debug!(kind, "another kind of checksum than the upload's");
            return Err(error::invalid_request(message).into());
        }
        if let Some((algorithm, value)) = &self.checksum {
            // A composite value may stand without the number of parts.
            let bare = value.split('-').next().unwrap_or(value);
            if unbase64(bare).is_none() {
                let name = algorithm.name().to_lowercase();
                return Err(
                    error::invalid_request(format!("Value for x-amz-checksum-{name} header is invalid.")).into()
                );
            }
            if *algorithm != checksum.algorithm {
                return Err(checksum::unlike(upload.algorithm, *algorithm).into());
            }
            if checksum.value.split('-').next() != Some(bare) {
                let message = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
                return Err(undercast_kernel::AwsError::new("BadDigest", 400, message).into());
            }
        }
        if let Some(said) = self.size.filter(|s| u64::try_from(*s) != Ok(size)) {
            let message = format!(
                "The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {size}"
            );
            return Err(error::invalid_request(message).into());
        }
        Ok(())
    }
}

pub(crate) async fn complete(
    cx: &Cx,
    input: api::CompleteMultipartUploadInput,
) -> Result<api::CompleteMultipartUploadOutput> {
    let said = Said {
        checksum: checksum::single(checksum::given!(input))?,
        kind: input.checksum_type.clone(),
        size: input.mpu_object_size,
    };
    let customer = encryption::customer!(input);
    let named = named(input.multipart_upload.and_then(|m| m.parts))?;
    let (key, id) = (input.key.as_str(), input.upload_id.as_str());
    let (if_match, if_none_match) = (input.if_match.as_deref(), input.if_none_match.as_deref());
    let moment = Moment::of(cx);
    let (bucket, object) = cx
        .write(|tx| {
            let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
            let upload = match uploads::open(tx, &bucket, key, id) {
                Ok(upload) => upload,
                // Who was not answered asks again, and is told what became of it.
                Err(failure) => match completed(tx, &bucket, key, id, &named)? {
                    Some(object) => return Ok((bucket, object)),
                    None => return Err(failure),
                },
            };
            // A key is not needed, but one that is given must be the upload's.
            encryption::check_customer_if_given(upload.sealed.as_ref(), &customer)?;
            conditions::check_write(tx, &bucket, key, if_match, if_none_match)?;
            let object = assemble(cx, tx, &bucket, id, upload, &named, &said)?;
            let numbers: Vec<u32> = named.iter().filter_map(|n| u32::try_from(n.number).ok()).collect();
            uploads::forget(tx, &bucket, key, id, &numbers)?;
            let object = versions::place(tx, &bucket, key, object, moment)?;
            events::emit(cx, tx, &bucket, Event::Complete, key, Some(&object), moment)?;
            Ok((bucket, object))
        })
        .await?;
    let mut path = String::new();
    percent_encode(key, true, &mut path);
    let mut output = api::CompleteMultipartUploadOutput {
        location: Some(format!("{}/{}/{path}", cx.endpoint(), bucket.name)),
        e_tag: Some(format!("\"{}\"", object.etag)),
        version_id: object.shown_version(&bucket),
        request_charged: permission::charged(cx, &bucket),
        checksum_type: object.checksum.as_ref().map(|c| c.kind().to_owned()),
        ..Default::default()
    };
    checksum::show!(output, &object.checksum);
    let shown = encryption::Shown::of(object.sealed.as_ref(), customer);
    output.server_side_encryption = shown.method;
    output.ssekms_key_id = shown.key;
    output.bucket_key_enabled = shown.bucket_key;
    (output.bucket, output.key) = (Some(bucket.name), Some(input.key.clone()));
    Ok(output)
}

/// The object that the parts make. Their bytes stay where they are; a row says in which order.
fn assemble(
    cx: &Cx,
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    id: &str,
    upload: Upload,
    named: &[Named],
    said: &Said,
) -> Result<Object> {
    let mut parts = Vec::with_capacity(named.len());
    for (at, name) in named.iter().enumerate() {
        parts.push(found(tx, bucket, id, &upload, name, at + 1 == named.len())?);
    }
    let size = parts.iter().map(|p| p.size).sum();
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let sums = parts.iter().map(|p| (p.checksum.value.as_str(), p.size));
    let checksum = checksum::combine(algorithm, upload.composite, sums)
        .ok_or_else(|| Failure::broken("a part has a checksum that is none"))?;
    said.check(&upload, &checksum, size)?;
    let etag = etag(parts.iter().map(|p| p.etag.as_str()));
    let count = u32::try_from(parts.len()).map_err(Failure::broken)?;
    let segments: Vec<Segment> = named
        .iter()
        .zip(parts)
        .map(|(name, part)| Segment {
            number: u32::try_from(name.number).unwrap_or(0),
            size: part.size,
            stored: part.stored,
            checksum: upload.algorithm.map(|_| part.checksum.value),
        })
        .collect();
    SEGMENTS.put(tx, &bucket.key(id), &segments);
    Ok(Object {
        size,
        etag,
        checksum: Some(checksum),
        storage_class: upload.storage_class,
        headers: upload.headers,
        tags: upload.tags,
        parts: Some(count),
        owner: upload.owner,
        acl: upload.acl,
        sealed: upload.sealed,
        locked: lock::of_new(bucket, upload.locked, cx.now_millis()),
        ..Object::new(cx.now_millis(), Content::Many(id.to_owned()))
    })
}
