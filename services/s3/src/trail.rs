//! How CloudTrail tells of calls to S3.
//!
//! Source: "Amazon S3 CloudTrail events" in the user guide, and events that AWS delivered (github.com/awsdocs has some in its
//! CloudTrail user guide).

use serde_json::{Map, Value as Json, json};
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Record, regions};
use undercast_wire::schema::{Location, Member, Operation, Shape};

use crate::bucket;
use crate::copy::CopySource;

/// Events keep the first names of operations, and the names of what permits them.
pub(crate) fn name(operation: &'static str) -> &'static str {
    match operation {
        "DeletePublicAccessBlock" => "DeleteBucketPublicAccessBlock",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetBucketLifecycleConfiguration" => "GetBucketLifecycle",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "ListObjectsV2" => "ListObjects",
        "PutBucketAccelerateConfiguration" => "PutAccelerateConfiguration",
        "PutBucketLifecycleConfiguration" => "PutBucketLifecycle",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "PutObjectLockConfiguration" => "PutBucketObjectLockConfiguration",
        "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
        same => same,
    }
}

/// What was asked for: the host, the bucket and the key, then subresources, parameters and S3's own headers under their
/// names, and the body under that of its element.
pub(crate) fn parameters(operation: &Operation, host: &str, given: &Json) -> Json {
    let mut out = Map::new();
    if !host.is_empty() {
        out.insert("Host".to_owned(), host.into());
    }
    let (_, query) = operation.http.uri.split_once('?').unwrap_or_default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        out.insert(name.to_owned(), value.into());
    }
    for (name, value) in given.as_object().into_iter().flatten() {
        let Some(member) = operation.input.members.iter().find(|m| m.name == name) else { continue };
        match (member.location, member.name) {
            (Location::Label, "Bucket") => drop(out.insert("bucketName".to_owned(), value.clone())),
            (Location::Label, "Key") => drop(out.insert("key".to_owned(), value.clone())),
            (Location::Headers, _) => {
                let headers = value.as_object().into_iter().flatten();
                out.extend(headers.map(|(name, value)| (format!("{}{name}", member.wire), value.clone())));
            }
            (Location::Query, _) => drop(out.insert(member.wire.to_owned(), shown(value))),
            (Location::Header, _) if member.wire.starts_with("x-amz-") => {
                out.insert(member.wire.to_owned(), shown(value));
            }
            (Location::Body, "Policy") => drop(out.insert("bucketPolicy".to_owned(), document(value))),
            (Location::Body, _) if !member.streaming => drop(out.insert(element(member).to_owned(), value.clone())),
            _ => {}
        }
    }
    Json::Object(out)
}

/// Headers and parameters are texts.
fn shown(value: &Json) -> Json {
    match value {
        Json::Number(number) => number.to_string().into(),
        Json::Bool(flag) => flag.to_string().into(),
        other => other.clone(),
    }
}

/// A policy, taken apart where it is one.
fn document(value: &Json) -> Json {
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}

/// The element that a body's structure is.
fn element(member: &Member) -> &'static str {
    match member.shape {
        Shape::Structure(of) => of.xml_name.unwrap_or(if member.xml == member.name { of.name } else { member.xml }),
        _ => member.xml,
    }
}

/// Operations on all objects with a prefix.
const ON_PREFIXES: [&str; 6] =
    ["DeleteObjects", "HeadBucket", "ListMultipartUploads", "ListObjectVersions", "ListObjects", "ListObjectsV2"];

/// The buckets and objects that a call is about, its source's too.
pub(crate) fn resources(from: &Snapshot, record: &Record, given: &Json) -> Vec<Json> {
    let text = |name: &str| given.get(name).and_then(Json::as_str);
    let Some(name) = text("Bucket") else { return Vec::new() };
    let object = match text("Key") {
        Some(key) => Some(("ARN", key)),
        None if ON_PREFIXES.contains(&record.operation) => Some(("ARNPrefix", text("Prefix").unwrap_or(""))),
        None => None,
    };
    let mut all = of(from, record, name, object);
    if let Some(source) = text("CopySource").and_then(|source| CopySource::parse(source).ok()) {
        all.extend(of(from, record, &source.bucket, Some(("ARN", source.key.as_str()))));
    }
    all
}

fn of(from: &Snapshot, record: &Record, name: &str, object: Option<(&str, &str)>) -> Vec<Json> {
    // What a store that cannot be read has to say it says in the call's own answer.
    let bucket = bucket::anywhere(from, name, None).ok();
    let arn = match &bucket {
        Some(bucket) => bucket.arn(),
        None => format!("arn:{}:s3:::{name}", regions::partition(&record.region)),
    };
    let owner = bucket.map(|bucket| bucket.account);
    // Who is denied another's bucket is not told whose it is.
    let denied = record.error.as_ref().is_some_and(|(code, _)| code == "AccessDenied");
    let owner = match owner {
        Some(owner) if denied && owner != record.account => Some(String::new()),
        None if record.error.is_none() => Some(record.account.clone()),
        owner => owner,
    };
    let mut all = Vec::new();
    if let Some((field, rest)) = object {
        all.push(json!({"type": "AWS::S3::Object", field: format!("{arn}/{rest}")}));
    }
    let mut bucket = json!({"type": "AWS::S3::Bucket", "ARN": arn});
    if let (Some(owner), Some(bucket)) = (owner, bucket.as_object_mut()) {
        bucket.insert("accountId".to_owned(), owner.into());
    }
    all.push(bucket);
    all
}
