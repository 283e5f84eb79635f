//! The list of objects that a job works on: read from a file, from an inventory report, or made from a bucket.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, Timestamp};
use undercast_wire::{Bytes, text};

use super::rows::{Entry, Job};
use super::run::{Step, Stop};
use super::{csv, work};
use crate::replicate;
use crate::rows::{Bucket, Replication, Sealed};
use crate::versions::{self, Found};

/// A list may have so many bytes: 256 MiB.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// What was read.
pub(crate) struct Listed {
    pub(crate) entries: Vec<Entry>,
    /// ARN and entity tag of the manifest that was made for the job.
    pub(crate) generated: Option<(String, String)>,
}

/// Reads or makes the list of a job.
pub(crate) async fn read(cx: &Cx, job: &Job) -> Step<Listed> {
    let request: Json = serde_json::from_str(&job.request).map_err(Failure::broken)?;
    let as_role = work::as_role(cx, job);
    if let Some(manifest) = request.get("Manifest") {
        let entries = from_file(&as_role, manifest).await?;
        return Ok(entries.map(|entries| Listed { entries, generated: None }));
    }
    let Some(generator) = request.pointer("/ManifestGenerator/S3JobManifestGenerator") else {
        return Err(cx.broken("a job without a list"));
    };
    made(&as_role, job, generator).await
}

/// Bucket and key in the ARN of an object.
fn place(arn: &str) -> Option<(String, String)> {
    if let Some((point, key)) = crate::control::via::object(arn) {
        return Some((point, key));
    }
    let (bucket, key) = arn.splitn(6, ':').nth(5)?.split_once('/')?;
    Some((bucket.to_owned(), key.to_owned()))
}

/// The bytes of an object, and its entity tag.
async fn fetch(cx: &Cx, input: Json) -> Step<(Bytes, String)> {
    match cx.call_with_body("s3", "GetObject", input, None).await {
        Ok((answer, body)) => {
            let tag = answer.get("ETag").and_then(Json::as_str).unwrap_or_default().trim_matches('"').to_owned();
            let bytes = match body {
                Some(body) => body.collect(MOST_BYTES).await.map_err(Failure::broken)?,
                None => Some(Bytes::new()),
            };
            let too_large =
                || Stop::new("InvalidManifestContent", format!("The manifest has more than {MOST_BYTES} bytes"));
            Ok(bytes.ok_or_else(too_large).map(|bytes| (bytes, tag)))
        }
        Err(failure) => Ok(Err(Stop::of(failure, "Error reading the manifest")?)),
    }
}

async fn from_file(cx: &Cx, manifest: &Json) -> Step<Vec<Entry>> {
    let text = |path: &str| manifest.pointer(path).and_then(Json::as_str);
    let malformed =
        |why: &str| Stop::new("InvalidManifestContent", format!("Error reading the manifest. Caused by: {why}"));
    let Some((bucket, key)) = text("/Location/ObjectArn").and_then(place) else {
        return Ok(Err(malformed("its ARN is not that of an object")));
    };
    let input = json!({"Bucket": bucket, "Key": key, "VersionId": text("/Location/ObjectVersionId")});
    let (bytes, tag) = match fetch(cx, input).await? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let expected = text("/Location/ETag").unwrap_or_default().trim_matches('"');
    if tag != expected {
        return Ok(Err(malformed(&format!("ETag mismatch. Expected ETag: {expected}. Actual ETag: {tag}"))));
    }
    if text("/Spec/Format") == Some("S3BatchOperations_CSV_20180820") {
        let fields: Vec<&str> = manifest
            .pointer("/Spec/Fields")
            .and_then(Json::as_array)
            .map(|fields| fields.iter().filter_map(Json::as_str).collect())
            .unwrap_or_default();
        return Ok(entries(&bytes, &fields).map_err(|why| malformed(&why)));
    }
    inventory(cx, &bytes).await
}

/// The objects in the files that an inventory report's manifest names.
async fn inventory(cx: &Cx, bytes: &[u8]) -> Step<Vec<Entry>> {
    let malformed =
        |why: &str| Stop::new("InvalidManifestContent", format!("Error reading the manifest. Caused by: {why}"));
    let Ok(report) = serde_json::from_slice::<Json>(bytes) else { return Ok(Err(malformed("it is not JSON"))) };
    let text = |name: &str| report.get(name).and_then(Json::as_str);
    let (Some("CSV"), Some(schema), Some(destination)) =
        (text("fileFormat"), text("fileSchema"), text("destinationBucket"))
    else {
        return Ok(Err(malformed("it is no manifest of an inventory report in CSV")));
    };
    let fields: Vec<&str> = schema.split(',').map(str::trim).collect();
    let bucket = destination.rsplit(':').next().unwrap_or(destination);
    let mut all = Vec::new();
    for file in report.get("files").and_then(Json::as_array).into_iter().flatten() {
        let (packed, _) = match fetch(cx, json!({"Bucket": bucket, "Key": file.get("key")})).await? {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let sum = file.get("MD5checksum").and_then(Json::as_str);
        if sum.is_some_and(|sum| !sum.eq_ignore_ascii_case(&md5_of(&packed))) {
            return Ok(Err(malformed("a file of the inventory report has another MD5 checksum")));
        }
        let Some(plain) = unzipped(&packed) else { return Ok(Err(malformed("a file is not compressed by gzip"))) };
        match entries(&plain, &fields) {
            Ok(some) => all.extend(some),
            Err(why) => return Ok(Err(malformed(&why))),
        }
    }
    Ok(Ok(all))
}

fn unzipped(packed: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    GzDecoder::new(packed).take(MOST_BYTES as u64 + 1).read_to_end(&mut out).ok()?;
    (out.len() <= MOST_BYTES).then_some(out)
}

/// In hexadecimal.
pub(crate) fn md5_of(bytes: &[u8]) -> String {
    text::hex_encode(&Md5::digest(bytes))
}

/// The objects in lines with these fields. Keys are encoded as in URLs.
fn entries(bytes: &[u8], fields: &[&str]) -> std::result::Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let lines = csv::lines(text).ok_or_else(|| "a quote stands alone".to_owned())?;
    let at = |name: &str| fields.iter().position(|f| *f == name);
    let (Some(bucket), Some(key)) = (at("Bucket"), at("Key")) else {
        return Err("it has no fields Bucket and Key".to_owned());
    };
    let version = at("VersionId");
    let mut all = Vec::with_capacity(lines.len());
    for (number, line) in (1..).zip(lines) {
        if line.len() != fields.len() {
            return Err(format!("line {number} has {} values instead of {}", line.len(), fields.len()));
        }
        let key = text::percent_decode(&line[key], true).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| format!("line {number} has no key that is encoded as in URLs"))?;
        let version = version.map(|at| line[at].clone()).filter(|v| !v.is_empty());
        all.push(Entry { bucket: line[bucket].clone(), key, version });
    }
    Ok(all)
}

/// What a generator's filter says of an object in a listing.
fn wanted(filter: Option<&Json>, object: &Json) -> bool {
    let Some(filter) = filter else { return true };
    let number = |json: Option<&Json>| json.and_then(Json::as_f64);
    let modified = number(object.get("LastModified")).and_then(text::from_epoch);
    let bound = |name: &str| filter.get(name).and_then(Json::as_str).and_then(|t| t.parse::<Timestamp>().ok());
    let after = bound("CreatedAfter").is_none_or(|at| modified.is_some_and(|m| m > at));
    let before = bound("CreatedBefore").is_none_or(|at| modified.is_some_and(|m| m < at));
    let size = object.get("Size").and_then(Json::as_i64).unwrap_or_default();
    let greater = filter.get("ObjectSizeGreaterThanBytes").and_then(Json::as_i64).is_none_or(|n| size > n);
    let less = filter.get("ObjectSizeLessThanBytes").and_then(Json::as_i64).is_none_or(|n| size < n);
    let key = object.get("Key").and_then(Json::as_str).unwrap_or_default();
    let class = object.get("StorageClass").and_then(Json::as_str).unwrap_or("STANDARD");
    let any = |path: &str, fits: &dyn Fn(&str) -> bool| {
        let list = filter.pointer(path).and_then(Json::as_array);
        list.is_none_or(|list| list.iter().filter_map(Json::as_str).any(fits))
    };
    after
        && before
        && greater
        && less
        && any("/KeyNameConstraint/MatchAnyPrefix", &|p| key.starts_with(p))
        && any("/KeyNameConstraint/MatchAnySuffix", &|s| key.ends_with(s))
        && any("/KeyNameConstraint/MatchAnySubstring", &|s| key.contains(s))
        && any("/MatchAnyStorageClass", &|c| c == class)
}

/// What is in a bucket, as lists show it: its objects, or all their versions.
async fn listed(cx: &Cx, bucket: &str, owner: Option<&Json>, versions: bool) -> Step<Vec<Json>> {
    let mut all = Vec::new();
    let (operation, list) = if versions { ("ListObjectVersions", "Versions") } else { ("ListObjectsV2", "Contents") };
    let places = if versions {
        [("KeyMarker", "NextKeyMarker"), ("VersionIdMarker", "NextVersionIdMarker")].as_slice()
    } else {
        &[("ContinuationToken", "NextContinuationToken")]
    };
    let mut input = json!({"Bucket": bucket, "ExpectedBucketOwner": owner});
    loop {
        let mut page = match cx.call("s3", operation, input.clone()).await {
            Ok(page) => page,
            Err(failure) => return Ok(Err(Stop::of(failure, "Error listing the source bucket")?)),
        };
        if let Some(Json::Array(some)) = page.get_mut(list).map(Json::take) {
            all.extend(some);
        }
        if page.get("IsTruncated").and_then(Json::as_bool) != Some(true) {
            return Ok(Ok(all));
        }
        for (place, next) in places {
            input[*place] = page.get(*next).cloned().unwrap_or_default();
        }
    }
}

/// The filter asks for what each version has of its own.
fn is_of_replication(filter: &Json) -> bool {
    filter.get("EligibleForReplication").and_then(Json::as_bool) == Some(true)
        || filter.get("ObjectReplicationStatuses").is_some()
}

/// What a generator's filter says of what lists do not show.
fn fits(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    filter: Option<&Json>,
    key: &str,
    version: Option<&str>,
) -> Result<bool> {
    let Some(filter) = filter else { return Ok(true) };
    let encryptions = filter.get("MatchAnyObjectEncryption").and_then(Json::as_array);
    if encryptions.is_none() && !is_of_replication(filter) {
        return Ok(true);
    }
    let Found::Object(object) = versions::find(from, bucket, key, version)? else { return Ok(false) };
    let status = match object.replication {
        None => "NONE",
        Some(Replication::Pending) => "PENDING",
        Some(Replication::Completed) => "COMPLETED",
        Some(Replication::Failed) => "FAILED",
        Some(Replication::Replica) => "REPLICA",
    };
    let statuses = filter.get("ObjectReplicationStatuses").and_then(Json::as_array);
    let eligible = filter.get("EligibleForReplication").and_then(Json::as_bool) != Some(true)
        || replicate::is_eligible(from, bucket, key, &object)?;
    Ok(eligible
        && statuses.is_none_or(|all| all.iter().any(|s| s == status))
        && encryptions.is_none_or(|all| all.iter().any(|e| is_encrypted(e, object.sealed.as_ref()))))
}

/// Whether an object is encrypted as a filter names it. All of them are, with S3's own key at least.
fn is_encrypted(filter: &Json, sealed: Option<&Sealed>) -> bool {
    let (name, key, bucket_key) = match sealed {
        None => ("SSES3", None, false),
        Some(Sealed::Customer { .. }) => ("SSEC", None, false),
        Some(Sealed::Kms { key, dual: true, .. }) => ("DSSEKMS", Some(key), false),
        Some(Sealed::Kms { key, bucket_key, .. }) => ("SSEKMS", Some(key), *bucket_key),
    };
    let Some(said) = filter.get(name) else { return false };
    said.get("KmsKeyArn").and_then(Json::as_str).is_none_or(|arn| key.is_some_and(|k| k == arn))
        && said.get("BucketKeyEnabled").and_then(Json::as_bool).is_none_or(|on| on == bucket_key)
}

/// Makes the list from what is in a bucket, and writes it down where that is wanted.
async fn made(cx: &Cx, job: &Job, generator: &Json) -> Step<Listed> {
    let source = generator.get("SourceBucket").and_then(Json::as_str).unwrap_or_default();
    let bucket = work::bucket_of(source);
    let filter = generator.get("Filter");
    let versions = job.operation().as_deref() == Some("S3ReplicateObject") || filter.is_some_and(is_of_replication);
    let found = match listed(cx, &bucket, generator.get("ExpectedBucketOwner"), versions).await? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let from = cx.read();
    let there = crate::bucket::anywhere(&from, &bucket, None)?;
    let mut entries = Vec::new();
    for object in found.iter().filter(|object| wanted(filter, object)) {
        let text = |name: &str| object.get(name).and_then(Json::as_str);
        let Some(key) = text("Key") else { continue };
        let version = text("VersionId").filter(|_| versions);
        if fits(&from, &there, filter, key, version)? {
            let version = version.map(ToOwned::to_owned);
            entries.push(Entry { bucket: bucket.clone(), key: key.to_owned(), version });
        }
    }
    if entries.is_empty() {
        let why = "No object of the source bucket fits the filter of the manifest generator";
        return Ok(Err(Stop::new("EmptyManifest", why)));
    }
    if generator.get("EnableManifestOutput").and_then(Json::as_bool) != Some(true) {
        return Ok(Ok(Listed { entries, generated: None }));
    }
    let output = generator.get("ManifestOutputLocation").cloned().unwrap_or_default();
    let written = write(cx, job, &bucket, &output, &entries).await?;
    Ok(written.map(|generated| Listed { entries, generated: Some(generated) }))
}

/// Writes a list as an inventory report: a file of lines, and the manifest that names it.
async fn write(cx: &Cx, job: &Job, source: &str, output: &Json, entries: &[Entry]) -> Step<(String, String)> {
    let target = output.get("Bucket").and_then(Json::as_str).unwrap_or_default();
    let bucket = work::bucket_of(target);
    let prefix = output.get("ManifestPrefix").and_then(Json::as_str).map_or(String::new(), |p| format!("{p}/"));
    let folder = format!("{prefix}job-{}", job.id);
    let versions = entries.iter().any(|e| e.version.is_some());
    let lines: String = entries.iter().map(|e| line(e, versions)).collect();
    let packed = zipped(lines.as_bytes()).map_err(Failure::broken)?;
    let sum = md5_of(&packed);
    let (file, manifest) = (format!("{folder}/manifests/{sum}.csv.gz"), format!("{folder}/manifest.json"));
    let described = json!({
        "sourceBucket": source,
        "destinationBucket": format!("arn:{}:s3:::{bucket}", cx.partition()),
        "version": "2021-11-30",
        "creationTimestamp": job.created.to_string(),
        "fileFormat": "CSV",
        "fileSchema": if versions { "Bucket, Key, VersionId" } else { "Bucket, Key" },
        "files": [{"key": file, "size": packed.len(), "MD5checksum": sum}],
    });
    let owner = output.get("ExpectedManifestBucketOwner");
    let kms = output.pointer("/ManifestEncryption/SSEKMS/KeyId");
    let mut tag = String::new();
    for (key, bytes) in [(&file, packed), (&manifest, described.to_string().into_bytes())] {
        let input = json!({"Bucket": bucket, "Key": key, "ExpectedBucketOwner": owner,
            "ServerSideEncryption": if kms.is_some() { "aws:kms" } else { "AES256" }, "SSEKMSKeyId": kms});
        match cx.call_with_body("s3", "PutObject", input, Some(bytes.into())).await {
            Ok((answer, _)) => tag = answer.get("ETag").and_then(Json::as_str).unwrap_or_default().to_owned(),
            Err(failure) => return Ok(Err(Stop::of(failure, "Error writing the manifest")?)),
        }
    }
    Ok(Ok((format!("arn:{}:s3:::{bucket}/{manifest}", cx.partition()), tag.trim_matches('"').to_owned())))
}

fn line(entry: &Entry, versions: bool) -> String {
    let mut line = format!("{},{}", csv::quoted(&entry.bucket), csv::quoted(&encoded(&entry.key)));
    if versions {
        line.push(',');
        line.push_str(&csv::quoted(entry.version.as_deref().unwrap_or_default()));
    }
    line + "\n"
}

/// A key as lists and reports have it.
pub(crate) fn encoded(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 8);
    text::percent_encode(key, true, &mut out);
    out
}

fn zipped(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_objects() {
        let read = |text: &str, fields: &[&str]| {
            entries(text.as_bytes(), fields).map(|all| {
                all.iter().map(|e| format!("{}:{}:{:?}", e.bucket, e.key, e.version)).collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(read("b,a%20b\nb,c+d\n", &["Bucket", "Key"]).as_deref(), Ok("b:a b:None b:c d:None"));
        assert_eq!(
            read("x,k,v1,b\nx,k,,b\n", &["Ignore", "Key", "VersionId", "Bucket"]).as_deref(),
            Ok("b:k:Some(\"v1\") b:k:None")
        );
        assert!(read("b\n", &["Bucket", "Key"]).is_err());
        assert!(read("b,\n", &["Bucket", "Key"]).is_err());
        assert!(read("b,k", &["Key", "Size"]).is_err());
    }

    #[test]
    fn filters_of_generators() {
        let object = json!({"Key": "logs/a.txt", "Size": 10, "LastModified": 1_000});
        for (filter, fits) in [
            (json!({}), true),
            (json!({"KeyNameConstraint": {"MatchAnyPrefix": ["x", "logs/"], "MatchAnySuffix": [".txt"]}}), true),
            (json!({"KeyNameConstraint": {"MatchAnySubstring": ["b"]}}), false),
            (json!({"ObjectSizeGreaterThanBytes": 10}), false),
            (json!({"ObjectSizeLessThanBytes": 11, "ObjectSizeGreaterThanBytes": 9}), true),
            (json!({"CreatedAfter": "1970-01-01T00:16:39Z", "CreatedBefore": "1970-01-01T00:16:41Z"}), true),
            (json!({"CreatedBefore": "1970-01-01T00:16:40Z"}), false),
            (json!({"MatchAnyStorageClass": ["STANDARD"]}), true),
            (json!({"MatchAnyStorageClass": ["GLACIER"]}), false),
        ] {
            assert_eq!(wanted(Some(&filter), &object), fits, "{filter}");
        }
    }

    #[test]
    fn places_of_objects() {
        let found = |arn: &str| place(arn).map(|(bucket, key)| format!("{bucket} {key}"));
        assert_eq!(found("arn:aws:s3:::b/a/k").as_deref(), Some("b a/k"));
        assert_eq!(found("arn:aws:s3:::b"), None);
        let point = "arn:aws:s3:us-east-1:000000000000:accesspoint/ap";
        assert_eq!(found(&format!("{point}/object/k")), Some(format!("{point} k")));
    }
}
