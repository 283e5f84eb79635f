//! Streams of Kinesis, and a table whose writes go to one, through crashes of the real program: what it acknowledged is read, in the
//! order in which it was put.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

const CRASHES: u32 = 12;
const OFF: &[&str] = &["--kinesis-limits", "off", "--dynamodb-limits", "off"];

/// What was acknowledged, by key.
type Acknowledged = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

/// Writes under one key until there is no answer any more, and says what was acknowledged.
async fn load(client: Client, key: String, mut next: u64, acknowledged: Acknowledged) -> u64 {
    loop {
        let records: Vec<Json> = (next..next + 5)
            .map(|n| json!({"PartitionKey": key, "Data": text::base64(format!("{key}:{n}").as_bytes())}))
            .collect();
        let put = client.try_call("kinesis", "PutRecords", json!({"StreamName": "s", "Records": records})).await;
        let item = json!({"TableName": "table", "Item": {"pk": {"S": format!("{key}:{next}")}}});
        let item = if put.is_some() { client.try_call("dynamodb", "PutItem", item).await } else { None };
        let mut all = acknowledged.lock().unwrap();
        if put.is_some_and(|answer| answer.status == 200) {
            all.entry(key.clone()).or_default().extend(next..next + 5);
        }
        if item.as_ref().is_some_and(|answer| answer.status == 200) {
            all.entry("items".to_owned()).or_default().push(next);
        }
        next += 5;
        if item.is_none() {
            return next;
        }
    }
}

/// How many records of each key were acknowledged.
fn counts(acknowledged: &Acknowledged) -> [usize; 4] {
    let all = acknowledged.lock().unwrap();
    std::array::from_fn(|w| all.get(&format!("key-{w}")).map_or(0, Vec::len))
}

/// The texts of all records of a stream, shard by shard.
async fn read(client: &Client, stream: &str) -> Vec<String> {
    let shards = client.call("kinesis", "ListShards", json!({"StreamName": stream})).await.ok()["Shards"].clone();
    let mut found = Vec::new();
    for shard in shards.as_array().unwrap() {
        let start = json!({"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let mut place = client.call("kinesis", "GetShardIterator", start).await.ok()["ShardIterator"].clone();
        while place.is_string() {
            let got = client.call("kinesis", "GetRecords", json!({"ShardIterator": place})).await.ok();
            let records = got["Records"].as_array().unwrap();
            let text = |r: &Json| String::from_utf8(text::unbase64(r["Data"].as_str().unwrap()).unwrap()).unwrap();
            found.extend(records.iter().map(text));
            if records.is_empty() && got["MillisBehindLatest"] == 0 {
                break;
            }
            place = got["NextShardIterator"].clone();
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_records_survive_crashes_in_their_order() {
    let (folder, port) = (Folder::new(), free_port());
    let acknowledged: Acknowledged = Arc::default();
    let mut cloud = Cloud::on(port, &folder.0, OFF);
    let client = cloud.client.clone();
    for stream in ["s", "items"] {
        client.call("kinesis", "CreateStream", json!({"StreamName": stream, "ShardCount": 2})).await.ok();
    }
    let table = json!({"TableName": "table", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]});
    client.call("dynamodb", "CreateTable", table).await.ok();
    let to = json!({"TableName": "table", "StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/items"});
    client.call("dynamodb", "EnableKinesisStreamingDestination", to).await.ok();
    let mut next = [0; 4];
    for crash in 0..CRASHES {
        let work: Vec<_> = (0..4)
            .map(|w| tokio::spawn(load(client.clone(), format!("key-{w}"), next[w], acknowledged.clone())))
            .collect();
        let before = counts(&acknowledged);
        tokio::time::sleep(std::time::Duration::from_millis(150 + u64::from(crash * 37 % 100))).await;
        // However slow the machine is: something of each is acknowledged before it crashes.
        while counts(&acknowledged).iter().zip(before).any(|(now, before)| *now == before) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(cloud);
        for (w, task) in work.into_iter().enumerate() {
            next[w] = task.await.unwrap();
        }
        cloud = Cloud::on(port, &folder.0, OFF);
    }
    let mut expected = acknowledged.lock().unwrap().clone();
    let items = expected.remove("items").unwrap_or_default();
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for text in read(&client, "s").await {
        let (key, number) = text.split_once(':').unwrap();
        found.entry(key.to_owned()).or_default().push(number.parse().unwrap());
    }
    for (key, numbers) in &found {
        assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{key} is read once and in order: {numbers:?}");
    }
    for (key, numbers) in &expected {
        let there = found.get(key).cloned().unwrap_or_default();
        let lost: Vec<&u64> = numbers.iter().filter(|n| !there.contains(n)).collect();
        assert!(lost.is_empty() && numbers.len() > 20, "{key}: {lost:?} of {} are gone", numbers.len());
    }
    // What a table took is delivered, if not yet then soon.
    for _ in 0..200 {
        if read(&client, "items").await.len() >= items.len() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} items were taken, and fewer are delivered", items.len());
}
