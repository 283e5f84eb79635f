//! CloudTrail through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cfn;
mod channels;
mod dashboards;
mod delivery;
mod enriched;
mod history;
mod imports;
mod insights;
mod integrity;
mod lake;
mod organization;
mod policies;
mod promised;
mod results;
mod rights;
mod sealing;
mod selection;
mod settings;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_cloudtrail::{CloudTrail, CloudTrailData};
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kms::Kms;
use undercast_logs::Logs;
use undercast_organizations::Organizations;
use undercast_s3::S3;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Client, Cloud, Credentials, conformance};

const SERVICE: &str = "cloudtrail";
const BUCKET: &str = "trail-logs";
const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:000000000000:trail/all";

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(CloudTrail::default()),
        Arc::new(CloudTrailData),
        Arc::new(CloudFormation),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(Kms),
        Arc::new(Logs),
        Arc::new(Organizations::default()),
        Arc::new(S3::default()),
        Arc::new(Sns),
        Arc::new(Sqs),
        Arc::new(Sts),
    ]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 40, "{coverage:?}");
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    let message = answer.json["message"].as_str().or(answer.json["Message"].as_str()).unwrap_or_default();
    (answer.code().to_owned(), message.to_owned())
}

/// The bucket's policy by which CloudTrail may write for these accounts, or under another folder.
fn bucket_policy(folders: &[&str]) -> Json {
    let resources: Vec<String> = folders.iter().map(|f| format!("arn:aws:s3:::{BUCKET}/{f}/*")).collect();
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "AWSCloudTrailAclCheck", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "s3:GetBucketAcl", "Resource": format!("arn:aws:s3:::{BUCKET}")},
        {"Sid": "AWSCloudTrailWrite", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "s3:PutObject", "Resource": resources,
            "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}},
    ]})
}

/// A cloud with a bucket that takes CloudTrail's files.
async fn cloud() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    prepare(&client, &["AWSLogs/000000000000"]).await;
    (cloud, client)
}

async fn prepare(client: &Client, folders: &[&str]) {
    client.call("s3", "CreateBucket", json!({"Bucket": BUCKET})).await.ok();
    let policy = bucket_policy(folders).to_string();
    client.call("s3", "PutBucketPolicy", json!({"Bucket": BUCKET, "Policy": policy})).await.ok();
}

/// Makes the trail `all`, which logs.
async fn trail(client: &Client, more: Json) -> Json {
    let mut input = json!({"Name": "all", "S3BucketName": BUCKET});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = ok(client, "CreateTrail", input).await;
    ok(client, "StartLogging", json!({"Name": "all"})).await;
    made
}

async fn advance(cloud: &Cloud, minutes: u64) {
    cloud.kernel.advance(Duration::from_secs(60 * minutes)).await.unwrap();
}

/// The keys of the bucket that have this in them.
async fn keys(client: &Client, part: &str) -> Vec<String> {
    let listed = client.call("s3", "ListObjectsV2", json!({"Bucket": BUCKET})).await.ok();
    let keys = listed["Contents"].as_array().cloned().unwrap_or_default();
    let keys = keys.iter().map(|object| object["Key"].as_str().unwrap().to_owned());
    keys.filter(|key| key.contains(part)).collect()
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// What is zipped in an object.
async fn file(client: &Client, key: &str) -> Vec<u8> {
    let answer = client.call("s3", "GetObject", json!({"Bucket": BUCKET, "Key": key})).await;
    assert_eq!(answer.status, 200, "{key}");
    unzipped(&answer.body)
}

/// All events that were delivered, in files of this kind.
async fn delivered_of(client: &Client, kind: &str) -> Vec<Json> {
    let mut all = Vec::new();
    for key in keys(client, &format!("/{kind}/")).await {
        let content: Json = serde_json::from_slice(&file(client, &key).await).unwrap();
        all.extend(content["Records"].as_array().unwrap().clone());
    }
    all
}

async fn delivered(client: &Client) -> Vec<Json> {
    delivered_of(client, "CloudTrail").await
}

fn names(events: &[Json]) -> Vec<&str> {
    events.iter().map(|event| event["eventName"].as_str().unwrap_or_default()).collect()
}

/// A user with these rights.
async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let input = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}
