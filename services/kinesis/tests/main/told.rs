//! What CloudWatch is told, and what of calls is data.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_kernel::{Keeper, Record, metrics};
use undercast_kinesis::Kinesis;
use undercast_testkit::{Client, Cloud};

use crate::support::{all, call, create, put, settled, with_stream};

/// The sum of a metric of the stream `s`, with what else tells it from others.
async fn sum(cloud: &Cloud, name: &str, more: Option<(&str, &str)>) -> Option<f64> {
    cloud.kernel.keep_metrics().await.unwrap();
    let found =
        metrics::list(&cloud.kernel.database().read(), ("000000000000", "us-east-1"), Some("AWS/Kinesis"), 0).unwrap();
    let wanted: Vec<(String, String)> = [Some(("StreamName", "s")), more]
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let series = found.into_iter().find(|series| {
        let mut has: Vec<_> = series.dimensions.clone();
        has.sort();
        let mut wanted = wanted.clone();
        wanted.sort();
        series.name == name && has == wanted
    })?;
    let now = cloud.kernel.clock().now().as_second();
    let points = metrics::read(&cloud.kernel.database().read(), &series, now - 3600, now + 120, now).unwrap();
    Some(points.iter().map(|(_, statistics)| statistics.sum).sum())
}

async fn write(client: &Client) {
    let records: Vec<Json> = (0..3).map(|_| json!({"PartitionKey": "key", "Data": text::base64(b"seven b")})).collect();
    call(client, "PutRecords", json!({"StreamName": "s", "Records": records})).await.ok();
}

#[tokio::test]
async fn streams_are_measured() {
    let (cloud, client) = with_stream(1).await;
    put(&client, "key", "seven b").await;
    write(&client).await;
    all(&client, "shardId-000000000000").await;
    for (name, expected) in [
        ("IncomingBytes", 40.0),
        ("IncomingRecords", 4.0),
        ("WriteProvisionedThroughputExceeded", 0.0),
        ("ReadProvisionedThroughputExceeded", 0.0),
        ("PutRecord.Bytes", 10.0),
        ("PutRecord.Success", 1.0),
        ("PutRecords.Bytes", 30.0),
        ("PutRecords.Success", 1.0),
        ("PutRecords.Records", 3.0),
        ("PutRecords.TotalRecords", 3.0),
        ("PutRecords.SuccessfulRecords", 3.0),
        ("PutRecords.FailedRecords", 0.0),
        ("PutRecords.ThrottledRecords", 0.0),
        ("GetRecords.Bytes", 28.0),
        ("GetRecords.Records", 4.0),
        ("GetRecords.Success", 2.0),
        ("GetRecords.IteratorAgeMilliseconds", 0.0),
    ] {
        assert_eq!(sum(&cloud, name, None).await, Some(expected), "{name}");
    }
    for name in ["PutRecord.Latency", "PutRecords.Latency", "GetRecords.Latency"] {
        assert!(sum(&cloud, name, None).await.is_some_and(|all| all > 0.0), "{name}");
    }
    assert_eq!(sum(&cloud, "IncomingBytes", Some(("ShardId", "shardId-000000000000"))).await, None);
}

#[tokio::test]
async fn shards_are_measured_where_that_is_on() {
    let cloud = Cloud::start(vec![Arc::new(Kinesis::default())]).await;
    let client = cloud.client();
    create(&client, 1).await;
    call(&client, "EnableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})).await.ok();
    settled(&client).await;
    cloud.kernel.clock().freeze();
    write(&client).await;
    all(&client, "shardId-000000000000").await;
    let large = json!({"StreamName": "s", "PartitionKey": "k", "Data": text::base64(&vec![0; 1_048_000])});
    call(&client, "PutRecord", large.clone()).await.ok();
    call(&client, "PutRecord", large.clone()).await.ok();
    assert_eq!(call(&client, "PutRecord", large).await.code(), "ProvisionedThroughputExceededException");
    let shard = Some(("ShardId", "shardId-000000000000"));
    for (name, expected) in [
        ("IncomingBytes", 30.0 + 2.0 * 1_048_001.0),
        ("IncomingRecords", 5.0),
        ("OutgoingBytes", 21.0),
        ("OutgoingRecords", 3.0),
        ("WriteProvisionedThroughputExceeded", 1.0),
        ("ReadProvisionedThroughputExceeded", 0.0),
        ("IteratorAgeMilliseconds", 0.0),
    ] {
        assert_eq!(sum(&cloud, name, shard).await, Some(expected), "{name}");
    }
    assert_eq!(sum(&cloud, "PutRecord.Success", None).await, Some(2.0));
}

/// Keeps all that happens.
#[derive(Default)]
struct Kept(Mutex<Vec<Record>>);

impl Keeper for Kept {
    fn keep(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

#[tokio::test]
async fn calls_on_data_name_their_stream_on_the_trail() {
    let (cloud, client) = with_stream(1).await;
    let kept = Arc::new(Kept::default());
    cloud.kernel.trail().tell(kept.clone());
    put(&client, "key", "x").await;
    all(&client, "shardId-000000000000").await;
    let service = cloud.kernel.service("kinesis").unwrap().clone();
    let expected = json!([{"accountId": "000000000000", "type": "AWS::Kinesis::Stream", "ARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}]);
    let records = kept.0.lock().unwrap().clone();
    for operation in ["PutRecord", "GetShardIterator", "GetRecords"] {
        assert!(service.data_events().contains(&operation));
        let record = records.iter().find(|record| record.operation == operation).unwrap();
        let parameters = record.parameters.clone().unwrap();
        assert_eq!(
            json!(service.event_resources(&cloud.kernel.database().read(), record, &parameters)),
            expected,
            "{operation}"
        );
    }
    let put = records.iter().find(|record| record.operation == "PutRecord").unwrap();
    assert_eq!(put.parameters.as_ref().unwrap()["Data"], Json::Null, "what was sent is not kept");
}

#[tokio::test]
async fn consumers_are_measured() {
    let (cloud, client) = with_stream(1).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let made = call(&client, "RegisterStreamConsumer", json!({"StreamARN": arn, "ConsumerName": "c"})).await.ok();
    put(&client, "key", "seven b").await;
    let input = json!({"ConsumerARN": made["Consumer"]["ConsumerARN"], "ShardId": "shardId-000000000000",
        "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let mut listening = client.listen("kinesis", "SubscribeToShard", input.clone()).await.ok().unwrap();
    for _ in 0..2 {
        listening.next().await.unwrap();
    }
    assert!(client.listen("kinesis", "SubscribeToShard", input).await.is_err());
    let consumer = Some(("ConsumerName", "c"));
    for (name, expected) in [
        ("SubscribeToShard.Success", 1.0),
        ("SubscribeToShard.RateExceeded", 1.0),
        ("SubscribeToShardEvent.Success", 1.0),
        ("SubscribeToShardEvent.Bytes", 7.0),
        ("SubscribeToShardEvent.Records", 1.0),
        ("SubscribeToShardEvent.MillisBehindLatest", 0.0),
    ] {
        assert_eq!(sum(&cloud, name, consumer).await, Some(expected), "{name}");
    }
}
