//! What all tests need: a cloud with a bucket and a role, and ways to put records and to look at what was delivered.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_firehose::Firehose;
use undercast_glue::Glue;
use undercast_iam::Iam;
use undercast_kernel::wire::text;
use undercast_kernel::{Service, metrics};
use undercast_kinesis::Kinesis;
use undercast_kms::Kms;
use undercast_logs::Logs;
use undercast_s3::S3;
use undercast_testkit::{Client, Cloud};

pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/firehose";
pub(crate) const BUCKET: &str = "arn:aws:s3:::logs";

pub(crate) fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Firehose::default()),
        Arc::new(Glue),
        Arc::new(Iam),
        Arc::new(Kinesis::without_limits()),
        Arc::new(Kms),
        Arc::new(Logs),
        Arc::new(S3::default()),
    ]
}

/// A cloud with the bucket `logs` and a role that may do everything.
pub(crate) async fn cloud() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    prepare(&client).await;
    (cloud, client)
}

pub(crate) async fn prepare(client: &Client) {
    client.call("s3", "CreateBucket", json!({"Bucket": "logs"})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "firehose", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    allow(client, &["*"]).await;
}

/// Gives the role these rights on everything, in the place of those it had.
pub(crate) async fn allow(client: &Client, actions: &[&str]) {
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": "firehose", "PolicyName": "rights", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

pub(crate) async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("firehose", operation, input).await.ok()
}

/// Makes the stream `s` with a destination in the bucket.
pub(crate) async fn create(client: &Client, more: Json) {
    let mut destination = json!({"RoleARN": ROLE, "BucketARN": BUCKET});
    destination.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let input = json!({"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": destination});
    call(client, "CreateDeliveryStream", input).await;
}

pub(crate) async fn put(client: &Client, data: &str) {
    let input = json!({"DeliveryStreamName": "s", "Record": {"Data": text::base64(data.as_bytes())}});
    call(client, "PutRecord", input).await;
}

pub(crate) async fn advance(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

/// The keys of the bucket.
pub(crate) async fn keys(client: &Client) -> Vec<String> {
    let listed = client.call("s3", "ListObjectsV2", json!({"Bucket": "logs"})).await.ok();
    let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
    objects.iter().map(|object| object["Key"].as_str().unwrap().to_owned()).collect()
}

/// The bytes of an object.
pub(crate) async fn object(client: &Client, key: &str) -> Vec<u8> {
    let answer = client.call("s3", "GetObject", json!({"Bucket": "logs", "Key": key})).await;
    assert_eq!(answer.status, 200, "{key}");
    answer.body.to_vec()
}

/// The text of the only object under a prefix.
pub(crate) async fn only(client: &Client, prefix: &str) -> String {
    let all = keys(client).await;
    let under: Vec<&String> = all.iter().filter(|key| key.starts_with(prefix)).collect();
    assert_eq!(under.len(), 1, "{all:?}");
    String::from_utf8(object(client, under[0]).await).unwrap()
}

/// The sum of a metric of the stream.
pub(crate) async fn metric(cloud: &Cloud, name: &str) -> Option<f64> {
    cloud.kernel.keep_metrics().await.unwrap();
    let from = cloud.kernel.database().read();
    let found = metrics::list(&from, ("000000000000", "us-east-1"), Some("AWS/Firehose"), 0).unwrap();
    let series = found.into_iter().find(|series| {
        series.name == name && series.dimensions == [("DeliveryStreamName".to_owned(), "s".to_owned())]
    })?;
    let now = cloud.kernel.clock().now().as_second();
    let points = metrics::read(&from, &series, now - 7200, now + 120, now).unwrap();
    Some(points.iter().map(|(_, statistics)| statistics.sum).sum())
}
