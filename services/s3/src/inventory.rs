//! Inventories: lists of what is in a bucket, brought to another one every day or week.
//!
//! Source: "Cataloging and analyzing your data with S3 Inventory" in the user guide.

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{AwsError, Body, Bytes, Cx, Failure, Next, Result, Task, Timestamp};
use undercast_wire::text::{base64, hex_encode, percent_encode};

use crate::api;
use crate::api::kept::InventoryConfiguration;
use crate::configurations::{self, Kind};
use crate::lifecycle_rules::{DAY, Lifecycle, Seen, midnight_behind};
use crate::listing::{Cursor, Plain, Ranked};
use crate::replication::bucket_of;
use crate::rows::{BUCKETS, Bucket, OBJECTS, Object, Sealed, VERSIONS};
use crate::settings::Setting;
use crate::{acl, bucket, events, objects};

const KIND: Kind = Kind("inventory");

/// A file of a list has so many lines at most.
const MOST_LINES: usize = 100_000;

pub(crate) async fn put(cx: &Cx, input: api::PutBucketInventoryConfigurationInput) -> Result<()> {
    let configuration = input.inventory_configuration;
    KIND.check_id(&input.id, &configuration.id)?;
    let target = &configuration.destination.s3_bucket_destination;
    if bucket_of(&target.bucket).is_none() {
        let error = AwsError::new("InvalidS3DestinationBucket", 400, "Invalid bucket ARN.");
        return Err(error.into());
    }
    if target.format != "CSV" {
        return Err(Failure::not_built(format!("inventories in the format {}", target.format)));
    }
    let fields = configuration.optional_fields.as_deref().unwrap_or_default();
    if let Some(field) = fields.iter().find(|f| value_of(f).is_none()) {
        return Err(Failure::not_built(format!("inventories with the field {field}")));
    }
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        KIND.put(tx, &bucket, &input.id, &configuration)?;
        // The first list comes with the next night.
        schedule(cx, tx, &bucket, &input.id, midnight_behind(cx.now_millis()))
    })
    .await
}

fn task_id(bucket: &Bucket, id: &str) -> String {
    format!("inventory {} {id}", bucket.name)
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, id: &str, due: i64) -> Result<()> {
    let due = Timestamp::from_millisecond(due).map_err(Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let payload = json!([bucket.name, id]).to_string();
    cx.tasks().schedule(&owner, tx, "s3", &task_id(bucket, id), "inventory", payload, due)
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetBucketInventoryConfigurationInput,
) -> Result<api::GetBucketInventoryConfigurationOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let found = KIND.get(&from, &bucket, &input.id)?;
    Ok(api::GetBucketInventoryConfigurationOutput { inventory_configuration: Some(found) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketInventoryConfigurationInput) -> Result<()> {
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        KIND.delete(tx, &bucket, &input.id)?;
        cx.tasks().cancel(tx, "s3", &task_id(&bucket, &input.id))
    })
    .await
}

pub(crate) fn list(
    cx: &Cx,
    input: api::ListBucketInventoryConfigurationsInput,
) -> Result<api::ListBucketInventoryConfigurationsOutput> {
    let (owner, token) = (input.expected_bucket_owner.as_deref(), input.continuation_token.as_deref());
    let page = configurations::list(cx, KIND, &input.bucket, owner, token)?;
    Ok(api::ListBucketInventoryConfigurationsOutput {
        continuation_token: input.continuation_token,
        inventory_configuration_list: page.list,
        is_truncated: Some(page.truncated),
        next_continuation_token: page.next,
    })
}

/// A line of a list, before it is written.
struct Line<'a> {
    bucket: &'a Bucket,
    lifecycle: Option<&'a Lifecycle>,
    key: &'a str,
    object: &'a Object,
    latest: bool,
}

/// How a field is made.
type Field = fn(&Line<'_>) -> String;

fn moment(millis: i64) -> String {
    events::iso(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// What an optional field says. `None`: it is not built.
fn value_of(field: &str) -> Option<Field> {
    Some(match field {
        "Size" => |l| l.object.size.to_string(),
        "LastModifiedDate" => |l| moment(l.object.modified.div_euclid(1000) * 1000),
        "StorageClass" => |l| l.object.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()),
        "ETag" => |l| l.object.etag.clone(),
        "IsMultipartUploaded" => |l| l.object.parts.is_some().to_string(),
        "ReplicationStatus" => |l| l.object.replication.map_or_else(String::new, crate::rows::Replication::name),
        "EncryptionStatus" => |l| {
            match &l.object.sealed {
                None => "SSE-S3",
                Some(Sealed::Customer { .. }) => "SSE-C",
                Some(Sealed::Kms { dual: false, .. }) => "SSE-KMS",
                Some(Sealed::Kms { dual: true, .. }) => "DSSE-KMS",
            }
            .to_owned()
        },
        "BucketKeyStatus" => |l| {
            match &l.object.sealed {
                Some(Sealed::Kms { bucket_key: true, .. }) => "ENABLED",
                Some(Sealed::Kms { bucket_key: false, .. }) => "DISABLED",
                _ => "",
            }
            .to_owned()
        },
        "ObjectLockRetainUntilDate" => |l| l.object.locked.retention.map_or_else(String::new, |r| moment(r.until)),
        "ObjectLockMode" => |l| l.object.locked.retention.map_or_else(String::new, |r| r.mode.name().to_owned()),
        "ObjectLockLegalHoldStatus" => |l| {
            match l.object.locked.hold {
                Some(true) => "On",
                Some(false) => "Off",
                None => "",
            }
            .to_owned()
        },
        "ChecksumAlgorithm" => {
            |l| l.object.checksum.as_ref().map_or_else(String::new, |c| c.algorithm.name().to_owned())
        }
        "ObjectOwner" => |l| acl::user(objects::owner(l.bucket, l.object)),
        "ObjectAccessControlList" => |l| base64(acl_of(l).to_string().as_bytes()),
        "LifecycleExpirationDate" => |l| {
            let seen = Seen { key: l.key, tags: &l.object.tags, size: l.object.size };
            let end = l.lifecycle.and_then(|rules| rules.expiration(seen, l.object.modified));
            end.filter(|_| l.latest).map_or_else(String::new, |(at, _)| moment(at))
        },
        _ => return None,
    })
}

/// The ACL of an object as lists have it.
fn acl_of(line: &Line<'_>) -> Json {
    let owner = objects::owner(line.bucket, line.object);
    let grants = acl::shown(line.object.acl.as_ref(), owner);
    let grants: Vec<Json> = grants
        .iter()
        .map(|g| {
            let who = g.grantee.as_ref();
            json!({"canonicalId": who.and_then(|w| w.id.clone()), "uri": who.and_then(|w| w.uri.clone()),
                   "type": who.map(|w| w.type_.clone()), "permission": g.permission})
        })
        .collect();
    json!({"version": "2022-11-10", "status": "AVAILABLE", "grants": grants})
}

/// The columns of a list.
struct Columns {
    names: Vec<String>,
    versions: bool,
    fields: Vec<Field>,
}

impl Columns {
    fn of(configuration: &InventoryConfiguration) -> Self {
        let versions = configuration.included_object_versions == "All";
        let mut names = vec!["Bucket".to_owned(), "Key".to_owned()];
        if versions {
            names.extend(["VersionId", "IsLatest", "IsDeleteMarker"].map(ToOwned::to_owned));
        }
        let asked = configuration.optional_fields.as_deref().unwrap_or_default();
        names.extend(asked.iter().cloned());
        Self { names, versions, fields: asked.iter().filter_map(|f| value_of(f)).collect() }
    }

    fn write(&self, line: &Line<'_>, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let mut key = String::new();
        percent_encode(line.key, true, &mut key);
        write!(out, "\"{}\",\"{key}\"", line.bucket.name)?;
        if self.versions {
            let version = line.object.version.as_deref().unwrap_or("");
            write!(out, ",\"{version}\",\"{}\",\"{}\"", line.latest, line.object.marker)?;
        }
        for field in &self.fields {
            // Of a delete marker there is not more to say.
            let value = if line.object.marker { String::new() } else { field(line) };
            write!(out, ",\"{}\"", value.replace('"', "\"\""))?;
        }
        writeln!(out)
    }
}

/// The lists of a bucket, packed, each with how many bytes it has.
fn lists(cx: &Cx, bucket: &Bucket, configuration: &InventoryConfiguration) -> Result<Vec<Vec<u8>>> {
    let from = cx.read();
    let columns = Columns::of(configuration);
    let prefix = configuration.filter.as_ref().map_or("", |f| f.prefix.as_str());
    let lifecycle = Setting::Lifecycle.get::<Lifecycle>(&from, bucket)?;
    let mut current: Cursor<'_, Object, Plain> = Cursor::new(&OBJECTS, &from, bucket, prefix, Vec::new());
    let mut old: Cursor<'_, Object, Ranked> = Cursor::new(&VERSIONS, &from, bucket, prefix, Vec::new());
    let (mut files, mut lines) = (Vec::new(), 0);
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    loop {
        let keys = [current.peek()?.map(|(k, _)| k.0.clone()), old.peek()?.map(|(k, _)| k.0.clone())];
        let Some(key) = keys.into_iter().flatten().min() else { break };
        let mut found = Vec::new();
        if current.peek()?.is_some_and(|(k, _)| k.0 == key) {
            found.extend(current.take().map(|(_, object)| object));
        }
        while old.peek()?.is_some_and(|(k, _)| k.0 == key) {
            found.extend(old.take().map(|(_, object)| object));
        }
        for (number, object) in found.iter().enumerate() {
            let latest = number == 0;
            if !columns.versions && (!latest || object.marker) {
                continue;
            }
            let line = Line { bucket, lifecycle: lifecycle.as_ref(), key: &key, object, latest };
            columns.write(&line, &mut file).map_err(Failure::broken)?;
            lines += 1;
            if lines == MOST_LINES {
                let full = std::mem::replace(&mut file, GzEncoder::new(Vec::new(), Compression::default()));
                files.push(full.finish().map_err(Failure::broken)?);
                lines = 0;
            }
        }
    }
    if lines > 0 || files.is_empty() {
        files.push(file.finish().map_err(Failure::broken)?);
    }
    Ok(files)
}

/// Where the files of a configuration go.
struct Target<'a> {
    cx: Cx,
    bucket: &'a str,
    /// `prefix/source/id/`
    base: String,
    encryption: Json,
}

impl Target<'_> {
    async fn put(&self, key: &str, kind: &str, bytes: Vec<u8>) -> Result<()> {
        let mut input = self.encryption.clone();
        if let Json::Object(input) = &mut input {
            input.insert("Bucket".to_owned(), self.bucket.into());
            input.insert("Key".to_owned(), format!("{}{key}", self.base).into());
            input.insert("ContentType".to_owned(), kind.into());
            input.insert("ContentLength".to_owned(), bytes.len().into());
        }
        self.cx.call_with_body("s3", "PutObject", input, Some(Body::from(Bytes::from(bytes)))).await.map(drop)
    }
}

fn encryption(configuration: &InventoryConfiguration) -> Json {
    match &configuration.destination.s3_bucket_destination.encryption {
        Some(e) => match &e.ssekms {
            Some(kms) => json!({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms.key_id}),
            None => json!({"ServerSideEncryption": "AES256"}),
        },
        None => json!({}),
    }
}

/// Brings the lists, and what says which they are.
async fn deliver(cx: &Cx, bucket: &Bucket, configuration: &InventoryConfiguration) -> Result<()> {
    let given = &configuration.destination.s3_bucket_destination;
    let name = bucket_of(&given.bucket).unwrap_or("");
    let prefix = given.prefix.as_deref().map_or_else(String::new, |p| format!("{}/", p.trim_end_matches('/')));
    let base = format!("{prefix}{}/{}/", bucket.name, configuration.id);
    let target = Target { cx: events::as_s3(cx, bucket), bucket: name, base, encryption: encryption(configuration) };
    let mut files = Vec::new();
    for bytes in lists(cx, bucket, configuration)? {
        let key = format!("data/{}.csv.gz", cx.random().uuid());
        let (size, md5) = (bytes.len(), hex_encode(&Md5::digest(&bytes)));
        target.put(&key, "application/x-gzip", bytes).await?;
        files.push(json!({"key": format!("{}{key}", target.base), "size": size, "MD5checksum": md5}));
    }
    let day = cx.now().strftime("%Y-%m-%dT%H-%MZ").to_string();
    let hive: Vec<String> =
        files.iter().filter_map(|f| Some(format!("s3://{name}/{}", f.get("key")?.as_str()?))).collect();
    let manifest = json!({
        "sourceBucket": bucket.name,
        "destinationBucket": given.bucket,
        "version": "2016-11-30",
        "creationTimestamp": cx.now_millis().to_string(),
        "fileFormat": given.format,
        "fileSchema": Columns::of(configuration).names.join(", "),
        "files": files,
    });
    let manifest = manifest.to_string().into_bytes();
    let checksum = hex_encode(&Md5::digest(&manifest));
    target.put(&format!("{day}/manifest.json"), "application/json", manifest).await?;
    target.put(&format!("{day}/manifest.checksum"), "text/plain", checksum.into_bytes()).await?;
    let link = format!("hive/dt={}/symlink.txt", cx.now().strftime("%Y-%m-%d-%H-%M"));
    target.put(&link, "text/plain", hive.join("\n").into_bytes()).await
}

/// A night has come.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let (name, id): (String, String) = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let from = cx.read();
    let Some(bucket) = BUCKETS.get(&from, &(&name,))? else { return Ok(Next::Done) };
    let configuration: InventoryConfiguration = match KIND.get(&from, &bucket, &id) {
        Ok(found) => found,
        Err(Failure::Aws(_)) => return Ok(Next::Done),
        Err(failure) => return Err(failure),
    };
    if configuration.is_enabled {
        match deliver(cx, &bucket, &configuration).await {
            Ok(()) => {}
            Err(Failure::Aws(error)) => {
                tracing::warn!(bucket = name, id, %error, "an inventory cannot be delivered");
            }
            Err(failure) => return Err(failure),
        }
    }
    let days = if configuration.schedule.frequency == "Weekly" { 7 } else { 1 };
    let next = midnight_behind(cx.now_millis()) + (days - 1) * DAY;
    Ok(Timestamp::from_millisecond(next).map_or(Next::Done, Next::Again))
}
