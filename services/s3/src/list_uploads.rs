//! `ListMultipartUploads` and `ListParts`.

use undercast_kernel::store::Snapshot;
use undercast_kernel::{Cx, Result, auth};

use crate::api::{self, output};
use crate::checksum;
use crate::lifecycle::End;
use crate::list_objects::some;
use crate::listing::{self, Asked, Cursor, Item, Names, Rows, Uploading};
use crate::rows::{Bucket, Part, UPLOADS, Upload};
use crate::{buckets, encryption, error, lifecycle, permission, uploads};

/// Uploads by key, and by id (which is by age) under the same key.
struct Uploads<'a> {
    cursor: Cursor<'a, Upload, Uploading>,
    /// This key's uploads up to this id were given already.
    marker: Option<(&'a str, &'a str)>,
}

impl Rows for Uploads<'_> {
    type Row = (String, Upload);

    fn next(&mut self) -> Result<Option<(String, (String, Upload))>> {
        loop {
            self.cursor.peek()?;
            let Some((Uploading(key, id), row)) = self.cursor.take() else { return Ok(None) };
            if !self.marker.is_some_and(|(marked, last)| marked == key && id.as_str() <= last) {
                return Ok(Some((key, (id, row))));
            }
        }
    }

    fn skip_to(&mut self, start: Vec<u8>) {
        self.cursor.skip(start);
    }
}

fn rows<'a>(
    from: &'a Snapshot,
    bucket: &'a Bucket,
    prefix: &str,
    key: Option<&'a str>,
    id: Option<&'a str>,
) -> Uploads<'a> {
    let start = match (key, id) {
        (Some(key), Some(_)) => key.as_bytes().to_vec(),
        (Some(key), None) => listing::after(key),
        (None, _) => Vec::new(),
    };
    Uploads { cursor: Cursor::new(&UPLOADS, from, bucket, prefix, start), marker: key.zip(id) }
}

fn class(upload: &Upload) -> Option<String> {
    Some(upload.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()))
}

/// Who began an upload: the root user is shown by its canonical id, others by their ARN.
fn initiator(bucket: &Bucket, upload: &Upload) -> output::Initiator {
    let root = upload.initiator.ends_with(":root");
    let id = if root { auth::canonical_user(&bucket.account) } else { upload.initiator.clone() };
    let name = upload.initiator.rsplit('/').next().map(ToOwned::to_owned);
    output::Initiator { id: Some(id), display_name: name.filter(|_| !root) }
}

pub(crate) fn list(cx: &Cx, input: api::ListMultipartUploadsInput) -> Result<api::ListMultipartUploadsOutput> {
    let from = cx.read();
    let bucket = listing::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let names = Names::new(input.encoding_type.as_deref())?;
    let most = listing::most(input.max_uploads, "maxUploads")?;
    let prefix = input.prefix.as_deref().unwrap_or("");
    let delimiter = listing::delimiter(input.delimiter.as_ref());
    let key_marker = input.key_marker.as_deref().filter(|m| !m.is_empty());
    // Without a key marker S3 does not look at the other one.
    let id_marker = input.upload_id_marker.as_deref().filter(|m| !m.is_empty() && key_marker.is_some());
    let given = key_marker
        .filter(|m| delimiter.is_some_and(|d| m.len() > prefix.len() && m.starts_with(prefix) && m.ends_with(d)));
    let listing = listing::walk(
        &mut rows(&from, &bucket, prefix, key_marker, id_marker),
        &Asked { prefix, delimiter, given, most },
    )?;
    let truncated = listing.truncated;
    let next = listing.items.last().filter(|_| truncated);
    let next_key = next.map(|i| names.show(i.name()));
    let next_id = next.and_then(|i| match i {
        Item::Row(_, (id, _)) => Some(id.clone()),
        Item::Prefix(_) => None,
    });
    let (mut found, mut prefixes) = (Vec::new(), Vec::new());
    for item in listing.items {
        match item {
            Item::Row(key, (id, upload)) => found.push(output::MultipartUpload {
                upload_id: Some(id),
                key: Some(names.show(&key)),
                initiated: Some(buckets::shown(upload.initiated)),
                storage_class: class(&upload),
                owner: Some(buckets::owner(&bucket.account)),
                initiator: Some(initiator(&bucket, &upload)),
                checksum_algorithm: upload.algorithm.map(|a| a.name().to_owned()),
                checksum_type: upload
                    .algorithm
                    .map(|_| if upload.composite { "COMPOSITE" } else { "FULL_OBJECT" }.to_owned()),
                ..Default::default()
            }),
            Item::Prefix(prefix) => prefixes.push(output::CommonPrefix { prefix: Some(names.show(&prefix)) }),
        }
    }
    Ok(api::ListMultipartUploadsOutput {
        bucket: Some(bucket.name),
        key_marker: Some(names.show(key_marker.unwrap_or(""))),
        upload_id_marker: Some(id_marker.unwrap_or("").to_owned()),
        next_key_marker: next_key,
        prefix: Some(names.show(prefix)),
        delimiter: delimiter.map(|d| names.show(d)),
        next_upload_id_marker: next_id,
        max_uploads: listing::shown_most(most),
        is_truncated: Some(truncated),
        uploads: some(found),
        common_prefixes: some(prefixes),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

pub(crate) fn parts(cx: &Cx, input: api::ListPartsInput) -> Result<api::ListPartsOutput> {
    let from = cx.read();
    let bucket = listing::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let upload = uploads::open(&from, &bucket, &input.key, &input.upload_id)?;
    encryption::check_customer_if_given(upload.sealed.as_ref(), &encryption::customer!(input))?;
    let most = listing::most(input.max_parts, "maxParts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let Ok(after) = u64::try_from(marker) else {
        let message = "Argument part-number-marker must be an integer between 0 and 2147483647";
        return Err(error::invalid_argument(message, "part-number-marker", &marker.to_string()).into());
    };
    let mut found = uploads::parts(&from, &bucket, &input.upload_id, after, most + 1)?;
    let truncated = found.len() > most && most > 0;
    found.truncate(most);
    let next = found.last().map(|(number, _)| *number);
    let abort = lifecycle::abortion(&from, &bucket, &input.key, upload.initiated)?;
    Ok(api::ListPartsOutput {
        bucket: Some(bucket.name.clone()),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(marker),
        next_part_number_marker: Some(next.unwrap_or(0)),
        max_parts: listing::shown_most(most),
        is_truncated: Some(truncated),
        parts: some(found.into_iter().map(|(number, part)| shown(&upload, number, &part)).collect()),
        initiator: Some(initiator(&bucket, &upload)),
        owner: Some(buckets::owner(upload.owner.as_deref().unwrap_or(&bucket.account))),
        storage_class: class(&upload),
        request_charged: permission::charged(cx, &bucket),
        abort_date: abort.as_ref().and_then(End::at),
        abort_rule_id: abort.map(|a| a.rule),
        checksum_algorithm: upload.algorithm.map(|a| a.name().to_owned()),
        checksum_type: upload.algorithm.map(|_| if upload.composite { "COMPOSITE" } else { "FULL_OBJECT" }.to_owned()),
        ..Default::default()
    })
}

fn shown(upload: &Upload, number: i32, part: &Part) -> output::Part {
    let mut shown = output::Part {
        part_number: Some(number),
        last_modified: Some(buckets::shown(part.modified)),
        e_tag: Some(format!("\"{}\"", part.etag)),
        size: i64::try_from(part.size).ok(),
        ..Default::default()
    };
    if upload.algorithm.is_some() {
        checksum::show!(shown, Some(&part.checksum));
    }
    shown
}
