//! What shards take and give in a second, and calls that only want to know.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Cloud};

use crate::support::{ARN, call, create, get, iterator, limited};

const SHARD: &str = "shardId-000000000000";

/// A cloud whose clock only the test moves.
async fn standing() -> (Cloud, Client) {
    let cloud = Cloud::start(limited()).await;
    let client = cloud.client();
    create(&client, 2).await;
    cloud.kernel.clock().freeze();
    (cloud, client)
}

fn entries(count: usize, size: usize, hash: &str) -> Vec<Json> {
    let data = text::base64(&vec![b'x'; size]);
    (0..count).map(|_| json!({"PartitionKey": "k", "ExplicitHashKey": hash, "Data": data})).collect()
}

fn failed(answer: &Json) -> Vec<bool> {
    answer["Records"].as_array().unwrap().iter().map(|record| record["ErrorCode"].is_string()).collect()
}

const UPPER: &str = "340282366920938463463374607431768211455";

#[tokio::test]
async fn a_shard_takes_a_mebibyte_a_second_and_the_others_are_let_in() {
    let (cloud, client) = standing().await;
    let mut all = entries(30, 50_000, "0");
    all.extend(entries(1, 10, UPPER));
    let answer = call(&client, "PutRecords", json!({"StreamName": "s", "Records": all})).await.ok();
    assert_eq!(answer["FailedRecordCount"], 9, "21 of 50 KB pass a mebibyte");
    let failed = failed(&answer);
    assert!(failed[..21].iter().all(|f| !f) && failed[21..30].iter().all(|f| *f) && !failed[30], "{failed:?}");
    let entry = &answer["Records"][25];
    assert_eq!(entry["ErrorCode"], "ProvisionedThroughputExceededException");
    let message = "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.";
    assert_eq!((&entry["ErrorMessage"], entry.get("SequenceNumber")), (&json!(message), None));
    let one = json!({"StreamName": "s", "PartitionKey": "k", "ExplicitHashKey": "0", "Data": ""});
    let refused = call(&client, "PutRecord", one.clone()).await;
    assert_eq!((refused.code(), &refused.json["message"]), ("ProvisionedThroughputExceededException", &json!(message)));
    cloud.kernel.advance(Duration::from_millis(100)).await.unwrap();
    call(&client, "PutRecord", one).await.ok();
}

#[tokio::test]
async fn a_shard_takes_a_thousand_records_a_second() {
    let (cloud, client) = standing().await;
    for expected in [0, 0, 500] {
        let all = entries(500, 1, "0");
        let answer = call(&client, "PutRecords", json!({"StreamName": "s", "Records": all})).await.ok();
        assert_eq!(answer["FailedRecordCount"], expected);
    }
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let all = entries(500, 1, "0");
    assert_eq!(
        call(&client, "PutRecords", json!({"StreamName": "s", "Records": all})).await.ok()["FailedRecordCount"],
        0
    );
}

#[tokio::test]
async fn a_shard_is_read_five_times_a_second_and_gives_two_mebibytes() {
    let (cloud, client) = standing().await;
    let start = iterator(&client, SHARD, "TRIM_HORIZON", json!({})).await;
    for _ in 0..5 {
        get(&client, &start, json!({})).await;
    }
    let refused = call(&client, "GetRecords", json!({"ShardIterator": start})).await;
    assert_eq!(refused.code(), "ProvisionedThroughputExceededException");
    cloud.kernel.advance(Duration::from_millis(200)).await.unwrap();
    get(&client, &start, json!({})).await;
    for _ in 0..4 {
        cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
        let all = entries(10, 100_000, "0");
        call(&client, "PutRecords", json!({"StreamName": "s", "Records": all})).await.ok();
    }
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let got = get(&client, &start, json!({})).await;
    assert_eq!(got["Records"].as_array().unwrap().len(), 40, "one call may take more than a second's worth");
    // Four million bytes are two seconds' worth.
    let refused = call(&client, "GetRecords", json!({"ShardIterator": start})).await;
    assert_eq!(refused.code(), "ProvisionedThroughputExceededException");
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    get(&client, &start, json!({})).await;
}

#[tokio::test]
async fn a_stream_on_demand_grows_to_twice_of_what_is_asked_of_it() {
    let cloud = Cloud::start(limited()).await;
    let client = cloud.client();
    call(&client, "CreateStream", json!({"StreamName": "s"})).await.ok();
    call(&client, "DescribeStream", json!({"StreamName": "s"})).await.ok();
    cloud.kernel.clock().freeze();
    let open = || async {
        let told = call(&client, "DescribeStreamSummary", json!({"StreamName": "s"})).await.ok();
        told["StreamDescriptionSummary"]["OpenShardCount"].as_u64().unwrap()
    };
    // Two thousand records a second over a minute are half of what four shards take.
    for n in 0..241 {
        let all = entries(500, 1, "0");
        call(&client, "PutRecords", json!({"StreamName": "s", "Records": all})).await.ok();
        assert_eq!(open().await, 4, "{n}");
    }
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(open().await, 5);
}

#[tokio::test]
async fn iterators_are_given_five_times_a_second() {
    let (cloud, client) = standing().await;
    let input = json!({"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "LATEST"});
    for _ in 0..5 {
        call(&client, "GetShardIterator", input.clone()).await.ok();
    }
    assert_eq!(call(&client, "GetShardIterator", input.clone()).await.code(), "ProvisionedThroughputExceededException");
    let other = json!({"StreamName": "s", "ShardId": "shardId-000000000001", "ShardIteratorType": "LATEST"});
    call(&client, "GetShardIterator", other).await.ok();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    call(&client, "GetShardIterator", input).await.ok();
}

#[tokio::test]
async fn a_call_can_be_tried_out_once_a_second() {
    let (cloud, client) = standing().await;
    let place = iterator(&client, SHARD, "LATEST", json!({})).await;
    for (operation, input) in [
        ("PutRecord", json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "DryRun": true})),
        ("PutRecords", json!({"StreamName": "s", "Records": entries(1, 1, "0"), "DryRun": true})),
        (
            "GetShardIterator",
            json!({"StreamARN": ARN, "ShardId": SHARD, "ShardIteratorType": "LATEST", "DryRun": true}),
        ),
        ("GetRecords", json!({"ShardIterator": place, "DryRun": true})),
    ] {
        cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
        let answer = call(&client, operation, input.clone()).await;
        assert_eq!((answer.code(), answer.status), ("DryRunOperationException", 400), "{operation}");
        assert_eq!(call(&client, operation, input).await.code(), "ThrottlingException");
    }
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let nobody = json!({"StreamName": "nobody", "PartitionKey": "k", "Data": "", "DryRun": true});
    assert_eq!(call(&client, "PutRecord", nobody).await.code(), "ResourceNotFoundException");
    assert!(crate::support::all(&client, SHARD).await.is_empty(), "nothing was written");
}
