//! What all tests need: a cloud with streams, and ways to write and read them.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kernel::wire::text;
use undercast_kinesis::Kinesis;
use undercast_kms::Kms;
use undercast_testkit::{Answer, Client, Cloud, Credentials};

/// Services whose streams take and give everything.
pub(crate) fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Kinesis::without_limits()), Arc::new(Iam), Arc::new(Kms)]
}

/// Services whose shards are limited as at AWS.
pub(crate) fn limited() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Kinesis::default())]
}

pub(crate) const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

/// A call to Kinesis.
pub(crate) async fn call(client: &Client, operation: &str, input: Json) -> Answer {
    client.call("kinesis", operation, input).await
}

/// A cloud with a stream `s` of so many shards.
pub(crate) async fn with_stream(shards: u32) -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    create(&client, shards).await;
    (cloud, client)
}

/// Makes the stream `s`.
pub(crate) async fn create(client: &Client, shards: u32) {
    call(client, "CreateStream", json!({"StreamName": "s", "ShardCount": shards})).await.ok();
    settled(client).await;
}

/// What the stream `s` is, once it is what it was told to be.
pub(crate) async fn settled(client: &Client) -> Json {
    call(client, "DescribeStream", json!({"StreamName": "s"})).await.ok()["StreamDescription"].clone()
}

/// Puts a text under a partition key.
pub(crate) async fn put(client: &Client, key: &str, what: &str) -> Json {
    let data = text::base64(what.as_bytes());
    call(client, "PutRecord", json!({"StreamName": "s", "PartitionKey": key, "Data": data})).await.ok()
}

/// An iterator of a shard.
pub(crate) async fn iterator(client: &Client, shard: &str, kind: &str, more: Json) -> String {
    let mut input = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": kind});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = call(client, "GetShardIterator", input).await.ok();
    made["ShardIterator"].as_str().unwrap().to_owned()
}

/// One look at an iterator.
pub(crate) async fn get(client: &Client, iterator: &str, more: Json) -> Json {
    let mut input = json!({"ShardIterator": iterator});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(client, "GetRecords", input).await.ok()
}

/// The texts of records.
pub(crate) fn texts(answer: &Json) -> Vec<String> {
    let records = answer["Records"].as_array().unwrap();
    records.iter().map(|r| String::from_utf8(text::unbase64(r["Data"].as_str().unwrap()).unwrap()).unwrap()).collect()
}

/// All texts of a shard, from its beginning to its end, or to where it has come to.
pub(crate) async fn all(client: &Client, shard: &str) -> Vec<String> {
    let mut next = Some(iterator(client, shard, "TRIM_HORIZON", json!({})).await);
    let mut found = Vec::new();
    while let Some(place) = next {
        let got = get(client, &place, json!({})).await;
        let some = texts(&got);
        if some.is_empty() && got["MillisBehindLatest"] == 0 {
            break;
        }
        found.extend(some);
        next = got["NextShardIterator"].as_str().map(ToOwned::to_owned);
    }
    found
}

/// The same client with other keys.
pub(crate) fn holding(client: &Client, credentials: Credentials) -> Client {
    let mut other = client.clone();
    other.credentials = credentials;
    other
}
