//! The items of a map run, read from S3 where a reader says so.

use serde_json::{Value as Json, json};
use undercast_asl as asl;
use undercast_kernel::{Cx, Failure};

use crate::engine::mapping::Source;

/// A file of items has so many bytes at most.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// A page of a bucket's list.
const PAGE: usize = 1000;

type Read<T> = Result<T, asl::Failure>;

fn failed(cause: impl Into<String>) -> asl::Failure {
    asl::Failure::new(asl::name::ITEM_READER_FAILED, cause)
}

fn refused(failure: &Failure) -> asl::Failure {
    failed(failure.to_string())
}

/// The items of a run, read with the rights of a role.
pub(super) async fn read(role: &Cx, source: Source) -> Read<Vec<Json>> {
    let (resource, given, config, most) = match source {
        Source::Given(items) => return Ok(items),
        Source::Read(resource, given, config, most) => (resource, given, config, most),
    };
    let mut items = match resource.rsplit(':').next() {
        Some("listObjectsV2") => list(role, &given, &config, most).await?,
        _ => file(role, &given, &config, most).await?,
    };
    if let Some(most) = most.and_then(|most| usize::try_from(most).ok()) {
        items.truncate(most);
    }
    Ok(items)
}

async fn object(role: &Cx, given: &Json) -> Read<Vec<u8>> {
    let mut input = json!({"Bucket": given["Bucket"], "Key": given["Key"]});
    for member in ["VersionId", "ExpectedBucketOwner"] {
        if given[member].is_string() {
            input[member] = given[member].clone();
        }
    }
    let (_, body) = role.call_with_body("s3", "GetObject", input, None).await.map_err(|why| refused(&why))?;
    let body = body.ok_or_else(|| failed("The object has no body."))?;
    let bytes = body.collect(MOST_BYTES).await.map_err(|why| failed(why.to_string()))?;
    let bytes = bytes.ok_or_else(|| failed(format!("A file of items has at most {MOST_BYTES} bytes.")))?;
    Ok(bytes.to_vec())
}

/// The items in an object; of a manifest those in the objects that it names.
async fn file(role: &Cx, given: &Json, config: &asl::ReaderConfig, most: Option<u64>) -> Read<Vec<Json>> {
    let bytes = object(role, given).await?;
    let (Some(asl::InputType::Manifest), Some(kind)) = (config.input_type, config.manifest_type) else {
        return asl::read_items(&bytes, config, most);
    };
    let manifest = asl::manifest(&bytes, kind)?;
    let mut inner = asl::ReaderConfig { input_type: Some(asl::InputType::Csv), ..config.clone() };
    if !manifest.columns.is_empty() {
        inner.csv_headers = asl::CsvHeaders::Given(manifest.columns.clone());
    }
    let mut items = Vec::new();
    for file in &manifest.files {
        let bytes = object(role, &json!({"Bucket": file.bucket, "Key": file.key})).await?;
        items.extend(asl::read_items(&plain(&file.key, bytes)?, &inner, most)?);
        if most.is_some_and(|most| u64::try_from(items.len()).unwrap_or(u64::MAX) >= most) {
            break;
        }
    }
    Ok(items)
}

/// Files of inventories are compressed.
fn plain(key: &str, bytes: Vec<u8>) -> Read<Vec<u8>> {
    use std::io::Read as _;
    if !key.ends_with(".gz") {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    flate2::read::MultiGzDecoder::new(bytes.as_slice())
        .take(most)
        .read_to_end(&mut out)
        .map_err(|why| failed(format!("{key} is not compressed as its name says: {why}")))?;
    Ok(out)
}

/// The objects of a bucket, as items; or what is in each.
async fn list(role: &Cx, given: &Json, config: &asl::ReaderConfig, most: Option<u64>) -> Read<Vec<Json>> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let mut input = json!({"Bucket": given["Bucket"], "MaxKeys": PAGE});
    if given["Prefix"].is_string() {
        input["Prefix"] = given["Prefix"].clone();
    }
    let mut items: Vec<Json> = Vec::new();
    loop {
        let page = role.call("s3", "ListObjectsV2", input.clone()).await.map_err(|why| refused(&why))?;
        for found in page["Contents"].as_array().into_iter().flatten() {
            if items.len() >= most {
                return Ok(items);
            }
            match config.transformation {
                asl::ReaderTransformation::None => items.push(told(found)),
                asl::ReaderTransformation::LoadAndFlatten => {
                    let bytes = object(role, &json!({"Bucket": given["Bucket"], "Key": found["Key"]})).await?;
                    items.extend(asl::read_items(&bytes, config, None)?);
                }
            }
        }
        match page["NextContinuationToken"].as_str() {
            Some(token) => input["ContinuationToken"] = json!(token),
            None => return Ok(items),
        }
    }
}

/// An object of a list as an item tells it.
fn told(found: &Json) -> Json {
    let modified = found["LastModified"].as_f64().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970, without the fraction")]
    let modified = modified as i64;
    json!({"Etag": found["ETag"], "Key": found["Key"], "LastModified": modified, "Size": found["Size"],
        "StorageClass": found["StorageClass"]})
}
