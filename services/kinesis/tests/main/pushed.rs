//! Consumers, and the records that are pushed to them over HTTP/2.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::Protocol;
use undercast_testkit::{Client, Listening};

use crate::support::{ARN, call, put, settled, texts, with_stream};

const SHARD: &str = "shardId-000000000000";

async fn consumer(client: &Client, name: &str) -> String {
    let made = call(client, "RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": name})).await.ok();
    made["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned()
}

fn start(arn: &str, position: &Json) -> Json {
    json!({"ConsumerARN": arn, "ShardId": SHARD, "StartingPosition": position})
}

/// The first event with records, or with children.
async fn records(listening: &mut Listening) -> Json {
    loop {
        let event = listening.next().await.expect("an event");
        match event["event"].as_str().unwrap() {
            "initial-response" => {}
            "SubscribeToShardEvent" => {
                let payload = &event["payload"];
                if !payload["Records"].as_array().unwrap().is_empty() || payload["ChildShards"].is_array() {
                    return payload.clone();
                }
            }
            other => panic!("an event {other}: {event}"),
        }
    }
}

#[tokio::test]
async fn records_are_pushed_as_they_come_in_json_and_in_cbor() {
    for protocol in [Protocol::Json, Protocol::AwsCbor] {
        let (_cloud, client) = with_stream(1).await;
        let client = client.speaking(protocol);
        let arn = consumer(&client, "c").await;
        put(&client, "k", "one").await;
        let mut listening = client
            .listen("kinesis", "SubscribeToShard", start(&arn, &json!({"Type": "TRIM_HORIZON"})))
            .await
            .ok()
            .unwrap();
        assert_eq!(listening.next().await.unwrap()["event"], "initial-response");
        let first = records(&mut listening).await;
        assert_eq!((texts(&first), &first["MillisBehindLatest"]), (vec!["one".to_owned()], &json!(0)));
        let record = &first["Records"][0];
        assert_eq!(record["SequenceNumber"], first["ContinuationSequenceNumber"]);
        assert!(record["ApproximateArrivalTimestamp"].as_f64().unwrap() > 1.7e9, "{record}");
        put(&client, "k", "two").await;
        assert_eq!(texts(&records(&mut listening).await), ["two"]);
    }
}

#[tokio::test]
async fn a_subscription_lasts_five_minutes_and_goes_on_from_where_it_was() {
    let (cloud, client) = with_stream(1).await;
    let arn = consumer(&client, "c").await;
    let subscribe = |position: Json| client.listen("kinesis", "SubscribeToShard", start(&arn, &position));
    let mut first = subscribe(json!({"Type": "LATEST"})).await.ok().unwrap();
    assert_eq!(first.next().await.unwrap()["event"], "initial-response");
    let empty = first.next().await.unwrap()["payload"].clone();
    assert!(texts(&empty).is_empty());
    // The place of a reader goes on where nothing is written.
    let continuation = empty["ContinuationSequenceNumber"].clone();
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    while first.next().await.is_some() {}
    put(&client, "k", "between").await;
    let position = json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": continuation});
    let mut second = subscribe(position).await.ok().unwrap();
    assert_eq!(texts(&records(&mut second).await), ["between"]);
}

#[tokio::test]
async fn another_subscription_takes_over_after_five_seconds() {
    let (cloud, client) = with_stream(1).await;
    let arn = consumer(&client, "c").await;
    let subscribe = || client.listen("kinesis", "SubscribeToShard", start(&arn, &json!({"Type": "LATEST"})));
    let mut first = subscribe().await.ok().unwrap();
    let refused = subscribe().await.err().unwrap();
    assert_eq!(refused.code(), "ResourceInUseException");
    let message = "Another active subscription exists for this consumer: 000000000000:s:shardId-000000000000:c";
    assert_eq!(refused.json["message"], message);
    cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    let mut second = subscribe().await.ok().unwrap();
    let last = loop {
        let event = first.next().await.unwrap();
        if event["event"] == "ResourceInUseException" {
            break event;
        }
    };
    assert_eq!(last["payload"]["message"], message);
    assert!(first.next().await.is_none());
    put(&client, "k", "x").await;
    assert_eq!(texts(&records(&mut second).await), ["x"]);
}

#[tokio::test]
async fn a_subscription_ends_with_its_shard_and_names_the_children() {
    let (_cloud, client) = with_stream(1).await;
    let arn = consumer(&client, "c").await;
    let mut listening =
        client.listen("kinesis", "SubscribeToShard", start(&arn, &json!({"Type": "LATEST"}))).await.ok().unwrap();
    put(&client, "k", "last").await;
    assert_eq!(texts(&records(&mut listening).await), ["last"]);
    let scale = json!({"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    call(&client, "UpdateShardCount", scale).await.ok();
    settled(&client).await;
    let end = records(&mut listening).await;
    assert_eq!((end["ChildShards"].as_array().unwrap().len(), end.get("ContinuationSequenceNumber")), (2, None));
    assert!(listening.next().await.is_none());
}

#[tokio::test]
async fn a_subscription_ends_with_its_consumer() {
    let (_cloud, client) = with_stream(1).await;
    let arn = consumer(&client, "c").await;
    let position = json!({"Type": "AT_TIMESTAMP", "Timestamp": 1});
    let mut listening = client.listen("kinesis", "SubscribeToShard", start(&arn, &position)).await.ok().unwrap();
    call(&client, "DeregisterStreamConsumer", json!({"ConsumerARN": arn})).await.ok();
    loop {
        match listening.next().await {
            Some(event) if event["event"] == "ResourceNotFoundException" => break,
            Some(_) => {}
            None => panic!("it ended without a reason"),
        }
    }
    let gone =
        client.listen("kinesis", "SubscribeToShard", start(&arn, &json!({"Type": "LATEST"}))).await.err().unwrap();
    assert_eq!(gone.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn consumers_are_registered_described_listed_and_deregistered() {
    let (cloud, client) = with_stream(1).await;
    let twice = json!({"StreamARN": ARN, "ConsumerName": "c00"});
    for n in 0..20 {
        let name = format!("c{n:02}");
        let input = json!({"StreamARN": ARN, "ConsumerName": name, "Tags": {"team": "a"}});
        let made = call(&client, "RegisterStreamConsumer", input).await.ok();
        assert_eq!(made["Consumer"]["ConsumerStatus"], "CREATING");
        let described =
            call(&client, "DescribeStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": name})).await.ok();
        assert_eq!(described["ConsumerDescription"]["ConsumerStatus"], "ACTIVE");
        assert_eq!(described["ConsumerDescription"]["StreamARN"], ARN);
    }
    assert_eq!(call(&client, "RegisterStreamConsumer", twice).await.code(), "ResourceInUseException");
    let more = json!({"StreamARN": ARN, "ConsumerName": "more"});
    assert_eq!(call(&client, "RegisterStreamConsumer", more.clone()).await.code(), "LimitExceededException");
    // Accounts that are committed to a minimum have fifty.
    let commit = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    call(&client, "UpdateAccountSettings", commit).await.ok();
    call(&client, "RegisterStreamConsumer", more).await.ok();

    let first = call(&client, "ListStreamConsumers", json!({"StreamARN": ARN, "MaxResults": 19})).await.ok();
    assert_eq!(first["Consumers"].as_array().unwrap().len(), 19);
    let next = json!({"StreamARN": ARN, "NextToken": first["NextToken"]});
    let second = call(&client, "ListStreamConsumers", next.clone()).await.ok();
    assert_eq!(second["Consumers"].as_array().unwrap().len(), 2);
    let made = settled(&client).await["StreamCreationTimestamp"].as_f64().unwrap();
    let named = |at: f64| json!({"StreamARN": ARN, "StreamCreationTimestamp": at});
    call(&client, "ListStreamConsumers", named(made)).await.ok();
    assert_eq!(call(&client, "ListStreamConsumers", named(1.0)).await.code(), "ResourceNotFoundException");
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    assert_eq!(call(&client, "ListStreamConsumers", next).await.code(), "ExpiredNextTokenException");

    let arn = first["Consumers"][3]["ConsumerARN"].clone();
    let tags = call(&client, "ListTagsForResource", json!({"ResourceARN": arn})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "a"}]));
    let in_the_way = call(&client, "DeleteStream", json!({"StreamName": "s"})).await;
    assert_eq!(in_the_way.code(), "ResourceInUseException");
    call(&client, "DeregisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "c03"})).await.ok();
    let gone = call(&client, "DescribeStreamConsumer", json!({"ConsumerARN": arn})).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
    call(&client, "DeleteStream", json!({"StreamName": "s", "EnforceConsumerDeletion": true})).await.ok();
}

#[tokio::test]
async fn a_subscription_can_be_tried_out() {
    let (_cloud, client) = with_stream(1).await;
    let arn = consumer(&client, "c").await;
    let mut input = start(&arn, &json!({"Type": "LATEST"}));
    input["DryRun"] = json!(true);
    let tried = client.listen("kinesis", "SubscribeToShard", input).await.err().unwrap();
    assert_eq!(tried.code(), "DryRunOperationException");
}
