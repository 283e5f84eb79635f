//! `GetObjectAttributes`.

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::checksum::{self, Checksum};
use crate::list_objects::some;
use crate::rows::{Bucket, Object};
use crate::{bucket, buckets, content, encryption, error, listing, objects, permission};

/// What can be asked for.
const ATTRIBUTES: &[&str] = &["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(crate) fn get(cx: &Cx, input: &api::GetObjectAttributesInput) -> Result<api::GetObjectAttributesOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    if let Some(unknown) = input.object_attributes.iter().find(|a| !ATTRIBUTES.contains(&a.as_str())) {
        return Err(
            error::invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", unknown).into()
        );
    }
    let object = objects::existing(&from, &bucket, &input.key, input.version_id.as_deref())?;
    encryption::check_customer(object.sealed.as_ref(), &encryption::customer!(input))?;
    let asked = |name: &str| input.object_attributes.iter().any(|a| a == name);
    let most = listing::most(input.max_parts, "x-amz-max-parts")?;
    let parts = if asked("ObjectParts") {
        parts(&from, &bucket, &object, input.part_number_marker.unwrap_or(0), most)?
    } else {
        None
    };
    Ok(api::GetObjectAttributesOutput {
        last_modified: Some(buckets::shown(object.modified)),
        version_id: object.shown_version(&bucket),
        request_charged: permission::charged(cx, &bucket),
        e_tag: asked("ETag").then(|| object.etag.clone()),
        checksum: object.checksum.as_ref().filter(|_| asked("Checksum")).map(whole),
        object_parts: parts,
        storage_class: asked("StorageClass")
            .then(|| object.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned())),
        object_size: i64::try_from(object.size).ok().filter(|_| asked("ObjectSize")),
        ..Default::default()
    })
}

fn whole(checksum: &Checksum) -> output::Checksum {
    let mut shown = output::Checksum { checksum_type: Some(checksum.kind().to_owned()), ..Default::default() };
    // Here S3 shows a composite checksum without the number of parts.
    let bare =
        Checksum { value: checksum.value.split('-').next().unwrap_or(&checksum.value).to_owned(), ..checksum.clone() };
    checksum::show!(shown, Some(&bare));
    shown
}

/// The parts of an object that was uploaded in parts. They are shown one by one where they have checksums.
fn parts(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    object: &Object,
    marker: i32,
    most: usize,
) -> Result<Option<output::GetObjectAttributesParts>> {
    let Some(count) = object.parts else { return Ok(None) };
    let total = i32::try_from(count).ok();
    let with_sums = object.checksum.as_ref().filter(|c| c.composite);
    let Some(checksum) = with_sums else {
        return Ok(Some(output::GetObjectAttributesParts { total_parts_count: total, ..Default::default() }));
    };
    let mut shown = Vec::new();
    let mut truncated = false;
    for segment in content::segments(from, bucket, object)? {
        let number = i32::try_from(segment.number).unwrap_or(i32::MAX);
        if number <= marker {
            continue;
        }
        if shown.len() == most {
            truncated = true;
            break;
        }
        let mut part = output::ObjectPart {
            part_number: Some(number),
            size: i64::try_from(segment.size).ok(),
            ..Default::default()
        };
        let own = segment.checksum.map(|value| Checksum { value, ..checksum.clone() });
        checksum::show!(part, &own);
        shown.push(part);
    }
    let next = shown.last().and_then(|p| p.part_number).unwrap_or(0);
    Ok(Some(output::GetObjectAttributesParts {
        total_parts_count: total,
        part_number_marker: Some(marker),
        next_part_number_marker: Some(next),
        max_parts: listing::shown_most(most),
        is_truncated: Some(truncated),
        parts: some(shown),
    }))
}
