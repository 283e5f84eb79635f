//! Inventories: lists of what is in a bucket, brought to another one every day or week.
//!
//! `fields.rs` knows what is told of an object; `walk.rs` goes over the bucket and fills file after file; each format has a file of
//! its own.
//! Source: "Cataloging and analyzing your data with S3 Inventory" in the user guide.

mod csv;
mod fields;
mod orc;
mod parquet;
mod walk;

use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{AwsError, Body, Bytes, Cx, Failure, Next, Result, Task, Timestamp};
use undercast_wire::text::hex_encode;

use crate::api;
use crate::api::kept::InventoryConfiguration;
use crate::configurations::{self, Kind};
use crate::lifecycle_rules::{DAY, midnight_behind};
use crate::replication::bucket_of;
use crate::rows::{BUCKETS, Bucket};
use crate::{bucket, events};
use walk::{Format, Walk};

const KIND: Kind = Kind("inventory");

pub(crate) async fn put(cx: &Cx, input: api::PutBucketInventoryConfigurationInput) -> Result<()> {
    let configuration = input.inventory_configuration;
    KIND.check_id(&input.id, &configuration.id)?;
    let target = &configuration.destination.s3_bucket_destination;
    if bucket_of(&target.bucket).is_none() {
        let error = AwsError::new("InvalidS3DestinationBucket", 400, "Invalid bucket ARN.");
        return Err(error.into());
    }
    if let Some(field) = fields::missing(&configuration) {
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
    let (from, format) = (cx.read(), Format::of(configuration));
    let mut walk = Walk::over(&from, bucket, configuration, format, cx.now_millis())?;
    while let Some(bytes) = walk.next_file()? {
        let key = format!("data/{}.{}", cx.random().uuid(), format.extension());
        let (size, md5) = (bytes.len(), hex_encode(&Md5::digest(&bytes)));
        target.put(&key, format.media_type(), bytes).await?;
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
        "fileSchema": format.schema(&fields::columns(configuration)),
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
