//! The CloudFormation types, as stacks use them.

use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, Updated};
use undercast_kernel::{Cx, Service};
use undercast_kinesis::Kinesis;
use undercast_testkit::{Client, Cloud};

use crate::support::{ARN, call, create, services, settled};

fn of_type(name: &str) -> Box<dyn ResourceType> {
    Kinesis::default().resource_types().into_iter().find(|t| t.name() == name).unwrap()
}

fn request(properties: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "stack".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1".to_owned(),
        logical_id: "Logical".to_owned(),
        properties: of(properties),
        tags: vec![("of".to_owned(), "stack".to_owned())],
    }
}

fn of(properties: &Json) -> Properties {
    properties.as_object().unwrap().clone()
}

async fn cloud() -> (Cloud, Client, Cx) {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    (cloud, client, cx)
}

async fn summary(client: &Client) -> Json {
    let answer = call(client, "DescribeStreamSummary", json!({"StreamName": "s"})).await.ok();
    answer["StreamDescriptionSummary"].clone()
}

#[tokio::test]
async fn a_stream_is_made_changed_and_removed() {
    let (_cloud, client, cx) = cloud().await;
    let streams = of_type("AWS::Kinesis::Stream");
    let before = json!({"Name": "s", "ShardCount": 2, "RetentionPeriodHours": 48, "MaxRecordSizeInKiB": 2048,
        "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "DesiredShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"],
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}, "Tags": [{"Key": "a", "Value": "1"}]});
    let made = streams.create(&cx, &request(&before)).await.unwrap();
    assert_eq!((made.id.as_str(), &made.attributes["Arn"]), ("s", &json!(ARN)));
    let told = summary(&client).await;
    assert_eq!(
        (&told["OpenShardCount"], &told["RetentionPeriodHours"], &told["MaxRecordSizeInKiB"], &told["EncryptionType"]),
        (&json!(2), &json!(48), &json!(2048), &json!("KMS"))
    );
    assert_eq!(told["EnhancedMonitoring"][0]["ShardLevelMetrics"], json!(["IncomingBytes", "OutgoingBytes"]));
    let tags = call(&client, "ListTagsForStream", json!({"StreamName": "s"})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "1"}, {"Key": "of", "Value": "stack"}]));

    // What is gone has its default again.
    let after = json!({"Name": "s", "ShardCount": 4, "DesiredShardLevelMetrics": ["IncomingBytes", "IncomingRecords"]});
    let updated = streams.update(&cx, "s", &of(&before), &request(&after)).await.unwrap();
    assert!(matches!(updated, Updated::InPlace(r) if r.id == "s"));
    let told = summary(&client).await;
    assert_eq!(
        (&told["OpenShardCount"], &told["RetentionPeriodHours"], &told["MaxRecordSizeInKiB"], &told["EncryptionType"]),
        (&json!(4), &json!(24), &json!(1024), &json!("NONE"))
    );
    assert_eq!(told["EnhancedMonitoring"][0]["ShardLevelMetrics"], json!(["IncomingBytes", "IncomingRecords"]));
    let tags = call(&client, "ListTagsForStream", json!({"StreamName": "s"})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "of", "Value": "stack"}]));
    let commit = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    call(&client, "UpdateAccountSettings", commit).await.ok();
    let warm = json!({"Name": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 6});
    let Updated::InPlace(now) = streams.update(&cx, "s", &of(&after), &request(&warm)).await.unwrap() else { panic!() };
    assert_eq!(now.attributes["WarmThroughputObject.CurrentMiBps"], 6);
    let warmer = json!({"Name": "s", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 8});
    let Updated::InPlace(now) = streams.update(&cx, "s", &of(&warm), &request(&warmer)).await.unwrap() else {
        panic!()
    };
    assert_eq!(now.attributes["WarmThroughputObject"], json!({"TargetMiBps": 8, "CurrentMiBps": 8}));

    streams.delete(&cx, "s", &of(&warmer)).await.unwrap();
    assert_eq!(call(&client, "DescribeStream", json!({"StreamName": "s"})).await.code(), "ResourceNotFoundException");
    streams.delete(&cx, "s", &of(&warmer)).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_cannot_be_made_as_wanted_does_not_stay() {
    let (_cloud, client, cx) = cloud().await;
    let streams = of_type("AWS::Kinesis::Stream");
    let wrong = json!({"ShardCount": 1, "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/nobody"}});
    assert!(streams.create(&cx, &request(&wrong)).await.is_err());
    assert_eq!(call(&client, "ListStreams", json!({})).await.ok()["StreamNames"], json!([]));
    let made = streams.create(&cx, &request(&json!({"ShardCount": "1"}))).await.unwrap();
    assert!(made.id.starts_with("stack-Logical-"), "{}", made.id);
    assert!(streams.create(&cx, &request(&json!({"ShardCount": "many"}))).await.is_err());
}

#[tokio::test]
async fn consumers_and_policies_are_made_and_removed() {
    let (_cloud, client, cx) = cloud().await;
    create(&client, 1).await;
    let consumers = of_type("AWS::Kinesis::StreamConsumer");
    let properties = json!({"ConsumerName": "c", "StreamARN": ARN, "Tags": [{"Key": "a", "Value": "1"}]});
    let made = consumers.create(&cx, &request(&properties)).await.unwrap();
    assert_eq!(
        (&made.attributes["ConsumerARN"], &made.attributes["ConsumerStatus"]),
        (&json!(made.id), &json!("ACTIVE"))
    );
    assert_eq!((&made.attributes["ConsumerName"], &made.attributes["StreamARN"]), (&json!("c"), &json!(ARN)));
    assert!(made.attributes["ConsumerCreationTimestamp"].is_string());
    let same = consumers.update(&cx, &made.id, &of(&properties), &request(&properties)).await.unwrap();
    assert!(matches!(same, Updated::InPlace(r) if r.id == made.id));

    let policies = of_type("AWS::Kinesis::ResourcePolicy");
    let policy = |account: &str| {
        json!({"ResourceArn": made.id, "ResourcePolicy": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "kinesis:SubscribeToShard", "Resource": made.id}]}})
    };
    let (before, after) = (policy("111111111111"), policy("222222222222"));
    assert_eq!(policies.create(&cx, &request(&before)).await.unwrap().id, made.id);
    policies.update(&cx, &made.id, &of(&before), &request(&after)).await.unwrap();
    let told = call(&client, "GetResourcePolicy", json!({"ResourceARN": made.id})).await.ok();
    assert!(told["Policy"].as_str().unwrap().contains("222222222222"));
    for _ in 0..2 {
        policies.delete(&cx, &made.id, &of(&after)).await.unwrap();
    }
    for _ in 0..2 {
        consumers.delete(&cx, &made.id, &of(&properties)).await.unwrap();
    }
    settled(&client).await;
    assert_eq!(summary(&client).await["ConsumerCount"], 0);
}
