//! Records: what is put is read, in order, from wherever a reader begins, and survives.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kinesis::Kinesis;
use undercast_testkit::{Cloud, Folder};

use crate::support::{ARN, all, call, create, get, iterator, put, services, settled, texts, with_stream};

const SHARD: &str = "shardId-000000000000";

#[tokio::test]
async fn records_are_read_from_wherever_a_reader_begins() {
    let (cloud, client) = with_stream(1).await;
    let first = put(&client, "a", "one").await;
    assert_eq!(first["ShardId"], SHARD);
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    let between = cloud.kernel.clock().now();
    let latest = iterator(&client, SHARD, "LATEST", json!({})).await;
    let second = put(&client, "b", "two").await;
    put(&client, "c", "three").await;

    assert_eq!(all(&client, SHARD).await, ["one", "two", "three"]);
    assert_eq!(texts(&get(&client, &latest, json!({})).await), ["two", "three"]);
    let (one, two) = (&first["SequenceNumber"], &second["SequenceNumber"]);
    for (kind, more, expected) in [
        ("AT_SEQUENCE_NUMBER", json!({"StartingSequenceNumber": one}), &["one", "two", "three"][..]),
        ("AFTER_SEQUENCE_NUMBER", json!({"StartingSequenceNumber": one}), &["two", "three"][..]),
        ("AFTER_SEQUENCE_NUMBER", json!({"StartingSequenceNumber": two}), &["three"][..]),
        ("AT_TIMESTAMP", json!({"Timestamp": between.as_second()}), &["two", "three"][..]),
        ("AT_TIMESTAMP", json!({"Timestamp": 1}), &["one", "two", "three"][..]),
    ] {
        let place = iterator(&client, SHARD, kind, more.clone()).await;
        assert_eq!(texts(&get(&client, &place, json!({})).await), expected, "{kind} {more}");
    }
}

#[tokio::test]
async fn a_reader_is_told_how_far_behind_it_is() {
    let (cloud, client) = with_stream(1).await;
    put(&client, "a", "one").await;
    cloud.kernel.advance(Duration::from_secs(30)).await.unwrap();
    put(&client, "a", "two").await;
    let start = iterator(&client, SHARD, "TRIM_HORIZON", json!({})).await;
    let got = get(&client, &start, json!({"Limit": 1, "StreamARN": ARN})).await;
    let behind = got["MillisBehindLatest"].as_i64().unwrap();
    assert!((30_000..40_000).contains(&behind), "{behind}");
    let next = get(&client, got["NextShardIterator"].as_str().unwrap(), json!({})).await;
    assert_eq!((texts(&next), &next["MillisBehindLatest"]), (vec!["two".to_owned()], &json!(0)));
    let record = &next["Records"][0];
    assert_eq!((&record["PartitionKey"], record.get("EncryptionType")), (&json!("a"), None));
    assert!(record["ApproximateArrivalTimestamp"].as_f64().unwrap() > 1.7e9);
    let empty = get(&client, next["NextShardIterator"].as_str().unwrap(), json!({})).await;
    assert!(texts(&empty).is_empty());
}

#[tokio::test]
async fn a_batch_is_spread_over_shards_and_keeps_its_order() {
    let (_cloud, client) = with_stream(3).await;
    let entries: Vec<Json> = (0..300)
        .map(|n| json!({"PartitionKey": format!("key-{}", n % 17), "Data": text::base64(format!("{n}").as_bytes())}))
        .collect();
    let answer = call(&client, "PutRecords", json!({"StreamARN": ARN, "Records": entries})).await.ok();
    assert_eq!(answer["FailedRecordCount"], 0);
    let results = answer["Records"].as_array().unwrap();
    let mut seen = Vec::new();
    for shard in 0..3 {
        let name = format!("shardId-{shard:012}");
        let start = iterator(&client, &name, "TRIM_HORIZON", json!({})).await;
        let got = get(&client, &start, json!({})).await;
        let numbers: Vec<usize> = texts(&got).iter().map(|t| t.parse().unwrap()).collect();
        assert!(!numbers.is_empty() && numbers.is_sorted(), "{numbers:?}");
        for (number, record) in numbers.iter().zip(got["Records"].as_array().unwrap()) {
            let result = &results[*number];
            assert_eq!((&result["ShardId"], &result["SequenceNumber"]), (&json!(name), &record["SequenceNumber"]));
        }
        seen.extend(numbers);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hash_key_that_is_given_decides_over_the_shard() {
    let (_cloud, client) = with_stream(2).await;
    for (hash, shard) in [
        ("0", SHARD),
        ("170141183460469231731687303715884105727", SHARD),
        ("170141183460469231731687303715884105728", "shardId-000000000001"),
        ("340282366920938463463374607431768211455", "shardId-000000000001"),
    ] {
        let input = json!({"StreamName": "s", "PartitionKey": "same", "ExplicitHashKey": hash, "Data": ""});
        assert_eq!(call(&client, "PutRecord", input).await.ok()["ShardId"], shard, "{hash}");
    }
}

#[tokio::test]
async fn what_is_older_than_its_retention_is_not_read() {
    let (cloud, client) = with_stream(1).await;
    let old = put(&client, "a", "old").await;
    cloud.kernel.advance(Duration::from_secs(23 * 3600)).await.unwrap();
    put(&client, "a", "new").await;
    assert_eq!(all(&client, SHARD).await, ["old", "new"]);
    cloud.kernel.advance(Duration::from_secs(3601)).await.unwrap();
    assert_eq!(all(&client, SHARD).await, ["new"]);
    let number = json!({"StartingSequenceNumber": old["SequenceNumber"]});
    let place = iterator(&client, SHARD, "AT_SEQUENCE_NUMBER", number).await;
    assert_eq!(texts(&get(&client, &place, json!({})).await), ["new"], "what is gone is passed over");
    // More of it stays when it is told so in time; what was over comes not back.
    call(&client, "IncreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 8760})).await.ok();
    settled(&client).await;
    cloud.kernel.advance(Duration::from_secs(300 * 24 * 3600)).await.unwrap();
    assert_eq!(all(&client, SHARD).await, ["new"]);
    call(&client, "DecreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 24})).await.ok();
    settled(&client).await;
    assert!(all(&client, SHARD).await.is_empty());
}

#[tokio::test]
async fn iterators_expire_and_cannot_be_made_up() {
    let (cloud, client) = with_stream(1).await;
    let place = iterator(&client, SHARD, "LATEST", json!({})).await;
    let mut bytes = text::unbase64(&place).unwrap();
    bytes[20] ^= 1;
    for forged in [text::base64(&bytes), "AAAAAAAAAAE=".to_owned(), "nonsense!".to_owned()] {
        let answer = call(&client, "GetRecords", json!({"ShardIterator": forged})).await;
        assert_eq!(
            (answer.code(), &answer.json["message"]),
            ("InvalidArgumentException", &json!("Invalid ShardIterator."))
        );
    }
    cloud.kernel.advance(Duration::from_secs(299)).await.unwrap();
    get(&client, &place, json!({})).await;
    cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    let answer = call(&client, "GetRecords", json!({"ShardIterator": place})).await;
    assert_eq!(answer.code(), "ExpiredIteratorException");
    let message = answer.json["message"].as_str().unwrap();
    assert!(message.starts_with("Iterator expired. The iterator was created at time ") && message.contains("300000"));
    // One of a stream that had the name before is none of the stream that has it now.
    let place = iterator(&client, SHARD, "LATEST", json!({})).await;
    call(&client, "DeleteStream", json!({"StreamName": "s"})).await.ok();
    create(&client, 1).await;
    assert_eq!(call(&client, "GetRecords", json!({"ShardIterator": place})).await.code(), "InvalidArgumentException");
}

#[tokio::test]
async fn a_stream_of_an_old_name_begins_empty() {
    let (_cloud, client) = with_stream(1).await;
    put(&client, "a", "before").await;
    call(&client, "DeleteStream", json!({"StreamName": "s"})).await.ok();
    create(&client, 1).await;
    put(&client, "a", "after").await;
    assert_eq!(all(&client, SHARD).await, ["after"]);
}

#[tokio::test]
async fn records_of_up_to_ten_mebibytes_go_in_where_the_stream_says_so() {
    let (_cloud, client) = with_stream(1).await;
    let large = |size: usize| json!({"StreamName": "s", "PartitionKey": "k", "Data": text::base64(&vec![b'x'; size])});
    let refused = call(&client, "PutRecord", large(1024 * 1024)).await;
    assert_eq!(refused.code(), "InvalidArgumentException", "the partition key counts");
    call(&client, "PutRecord", large(1024 * 1024 - 1)).await.ok();
    let input = json!({"StreamARN": ARN, "MaxRecordSizeInKiB": 10240});
    call(&client, "UpdateMaxRecordSize", input).await.ok();
    settled(&client).await;
    call(&client, "PutRecord", large(10 * 1024 * 1024 - 1)).await.ok();
    let start = iterator(&client, SHARD, "TRIM_HORIZON", json!({})).await;
    // The two are more than one answer holds.
    let got = get(&client, &start, json!({})).await;
    assert_eq!(texts(&got).iter().map(String::len).collect::<Vec<_>>(), [1024 * 1024 - 1]);
    let got = get(&client, got["NextShardIterator"].as_str().unwrap(), json!({})).await;
    assert_eq!(texts(&got)[0].len(), 10 * 1024 * 1024 - 1);
}

#[tokio::test]
async fn the_service_distributes_records_of_a_stream_that_says_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateStream", json!({"StreamName": "s", "RecordDistributionStrategy": "AUTO"})).await.ok();
    let mut shards = Vec::new();
    for n in 0..8 {
        let data = text::base64(format!("{n}").as_bytes());
        let key = if n % 2 == 0 { json!("same") } else { Json::Null };
        let put = call(&client, "PutRecord", json!({"StreamName": "s", "PartitionKey": key, "Data": data})).await.ok();
        shards.push(put["ShardId"].as_str().unwrap().to_owned());
    }
    shards.sort();
    shards.dedup();
    assert_eq!(shards.len(), 4, "each shard had its turn");
    let ordered = json!({"StreamName": "s", "Data": "", "SequenceNumberForOrdering": "1"});
    assert_eq!(call(&client, "PutRecord", ordered).await.code(), "InvalidArgumentException");
    let back = json!({"StreamARN": ARN, "RecordDistributionStrategy": "USER_PARTITION_KEY"});
    call(&client, "UpdateStreamRecordDistributionStrategy", back).await.ok();
    assert_eq!(call(&client, "PutRecord", json!({"StreamName": "s", "Data": ""})).await.code(), "ValidationException");
}

#[test]
fn what_was_acknowledged_is_there_after_the_cloud_was_opened_again() {
    let folder = Folder::new();
    let run = |work: fn(Cloud) -> futures_util::future::BoxFuture<'static, ()>| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let services: Vec<std::sync::Arc<dyn undercast_kernel::Service>> =
                vec![std::sync::Arc::new(Kinesis::without_limits())];
            work(Cloud::in_folder(services, &folder).await).await;
        });
    };
    run(|cloud| {
        Box::pin(async move {
            let client = cloud.client();
            create(&client, 2).await;
            for n in 0..20 {
                put(&client, &format!("k{n}"), &format!("{n}")).await;
            }
        })
    });
    run(|cloud| {
        Box::pin(async move {
            let client = cloud.client();
            put(&client, "k", "20").await;
            let mut found = all(&client, SHARD).await;
            found.extend(all(&client, "shardId-000000000001").await);
            let mut numbers: Vec<u32> = found.iter().map(|t| t.parse().unwrap()).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..=20).collect::<Vec<_>>());
        })
    });
}
