//! Data Firehose through crashes of the real program: what it acknowledged is in the bucket, each record once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

const CRASHES: u32 = 10;
const ROLE: &str = "arn:aws:iam::000000000000:role/firehose";

/// Puts records until there is no answer any more; gives the next number.
async fn load(client: Client, mut next: u64, acknowledged: Arc<Mutex<Vec<u64>>>) -> u64 {
    loop {
        let record = |n| json!({"Data": text::base64(format!("{n}\n").as_bytes())});
        let records: Vec<Json> = (next..next + 5).map(record).collect();
        let input = json!({"DeliveryStreamName": "s", "Records": records});
        let answer = client.try_call("firehose", "PutRecordBatch", input).await;
        if answer.as_ref().is_some_and(|answer| answer.status == 200) {
            acknowledged.lock().unwrap().extend(next..next + 5);
        }
        next += 5;
        if answer.is_none() {
            return next;
        }
    }
}

/// The numbers in all objects.
async fn delivered(client: &Client) -> Vec<u64> {
    let mut found = Vec::new();
    let mut input = json!({"Bucket": "out"});
    loop {
        let page = client.call("s3", "ListObjectsV2", input).await.ok();
        for object in page["Contents"].as_array().into_iter().flatten() {
            let got = client.call("s3", "GetObject", json!({"Bucket": "out", "Key": object["Key"]})).await;
            let text = String::from_utf8(got.body.to_vec()).unwrap();
            found.extend(text.lines().map(|line| line.parse::<u64>().unwrap()));
        }
        match page["NextContinuationToken"].as_str() {
            Some(token) => input = json!({"Bucket": "out", "ContinuationToken": token}),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_records_are_delivered_once_over_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let acknowledged = Arc::<Mutex<Vec<u64>>>::default();
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    client.call("s3", "CreateBucket", json!({"Bucket": "out"})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "firehose", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let input = json!({"RoleName": "firehose", "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    let destination = json!({"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::out",
        "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 1}});
    let input = json!({"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": destination});
    client.call("firehose", "CreateDeliveryStream", input).await.ok();
    let mut next = 0;
    for crash in 0..CRASHES {
        let work = tokio::spawn(load(client.clone(), next, acknowledged.clone()));
        tokio::time::sleep(Duration::from_millis(u64::from(150 + crash * 37))).await;
        drop(cloud);
        next = work.await.unwrap();
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let mut found = Vec::new();
    for _ in 0..200 {
        found = delivered(&client).await;
        if acknowledged.iter().all(|n| found.contains(n)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut once = found.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), found.len(), "a record is there more than once");
    let missing: Vec<&u64> = acknowledged.iter().filter(|n| !found.contains(n)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
