//! Kinesis streams as sources.

use std::time::Duration;

use serde_json::json;
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Cloud};

use crate::support::{BUCKET, ROLE, advance, call, cloud, keys, metric, object};

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/k";

async fn write(client: &Client, data: &str) {
    let input = json!({"StreamName": "k", "PartitionKey": data, "Data": text::base64(data.as_bytes())});
    client.call("kinesis", "PutRecord", input).await.ok();
}

/// Waits until so many records were read.
async fn read(cloud: &Cloud, count: f64) {
    for _ in 0..200 {
        if metric(cloud, "DataReadFromKinesisStream.Records").await.is_some_and(|read| read >= count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("records were not read");
}

#[tokio::test]
async fn what_a_stream_has_is_delivered_over_splits() {
    let (cloud, client) = cloud().await;
    client.call("kinesis", "CreateStream", json!({"StreamName": "k", "ShardCount": 1})).await.ok();
    client.call("kinesis", "DescribeStream", json!({"StreamName": "k"})).await.ok();
    write(&client, "too early").await;
    advance(&cloud, 10).await;
    let input = json!({"DeliveryStreamName": "s", "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {"KinesisStreamARN": STREAM, "RoleARN": ROLE},
        "ExtendedS3DestinationConfiguration": {"RoleARN": ROLE, "BucketARN": BUCKET}});
    call(&client, "CreateDeliveryStream", input).await;
    write(&client, "one").await;
    read(&cloud, 1.0).await;
    let split = json!({"StreamName": "k", "ShardToSplit": "shardId-000000000000",
        "NewStartingHashKey": "170141183460469231731687303715884105728"});
    client.call("kinesis", "SplitShard", split).await.ok();
    client.call("kinesis", "DescribeStream", json!({"StreamName": "k"})).await.ok();
    write(&client, "two").await;
    write(&client, "three").await;
    read(&cloud, 3.0).await;
    advance(&cloud, 301).await;
    let mut all = String::new();
    for key in keys(&client).await {
        all.push_str(&String::from_utf8(object(&client, &key).await).unwrap());
    }
    assert!(all.len() == 11 && all.starts_with("one") && all.contains("two") && all.contains("three"), "{all}");

    // What is put is for other streams.
    for (operation, more) in [
        ("PutRecord", json!({"Record": {"Data": "eA=="}})),
        ("PutRecordBatch", json!({"Records": [{"Data": "eA=="}]})),
        ("StartDeliveryStreamEncryption", json!({})),
        ("StopDeliveryStreamEncryption", json!({})),
    ] {
        let mut input = json!({"DeliveryStreamName": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(client.call("firehose", operation, input).await.code(), "InvalidArgumentException", "{operation}");
    }
    call(&client, "DeleteDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
}
