//! Every kind of target.

use serde_json::json;

use super::{Client, arn, body, cloud, entry, messages, open, put, queue, receive, role, rule, target};

#[tokio::test]
async fn a_fifo_queue_gets_a_group_and_the_trace() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q.fifo").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    let missing =
        client.call("events", "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "t", "Arn": queue}]})).await;
    assert_eq!(missing.json["message"], "Parameter(s) SqsParameters must be specified for target: t.");
    target(&client, "r", json!({"Id": "t", "Arn": queue, "SqsParameters": {"MessageGroupId": "g"}})).await;
    let mut traced = entry("a", &json!({}));
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    traced["TraceHeader"] = json!(trace);
    client.call("events", "PutEvents", json!({"Entries": [traced]})).await.ok();
    let found = messages(&client, &url).await;
    assert_eq!(found[0]["Attributes"]["MessageGroupId"], "g");
    assert_eq!(found[0]["Attributes"]["AWSTraceHeader"], trace);
}

#[tokio::test]
async fn a_topic_gets_the_event_as_its_message() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q").await;
    open(&client, &url, &queue, "sns.amazonaws.com").await;
    let topic = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].clone();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish", "Resource": topic, "Condition": {"ArnEquals": {"aws:SourceArn": arn("events", "rule/r")}}}]});
    let input = json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy.to_string()});
    client.call("sns", "SetTopicAttributes", input).await.ok();
    let input =
        json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "Attributes": {"RawMessageDelivery": "true"}});
    client.call("sns", "Subscribe", input).await.ok();
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": topic, "InputPath": "$.detail"})).await;
    put(&client, "a", json!({"n": 1})).await;
    assert_eq!(messages(&client, &url).await[0]["Body"], "{\"n\":1}");
}

#[tokio::test]
async fn a_stream_gets_a_record_by_a_role() {
    let cloud = cloud().await;
    let client = cloud.client();
    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
    let stream = arn("kinesis", "stream/s");
    let role = role(&client, "putter", "kinesis:PutRecord").await;
    rule(&client, "r", &json!({"source": ["a"]})).await;
    let without =
        client.call("events", "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "t", "Arn": stream}]})).await;
    assert_eq!(without.json["message"], format!("RoleArn is required for target {stream}."));
    let parameters = json!({"PartitionKeyPath": "$.detail.key"});
    target(&client, "r", json!({"Id": "t", "Arn": stream, "RoleArn": role, "KinesisParameters": parameters})).await;
    put(&client, "a", json!({"key": "k7"})).await;
    let input = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = client.call("kinesis", "GetShardIterator", input).await.ok()["ShardIterator"].clone();
    for _ in 0..100 {
        let found = client.call("kinesis", "GetRecords", json!({"ShardIterator": iterator})).await.ok();
        if let Some(record) = found["Records"].as_array().unwrap().first() {
            assert_eq!(record["PartitionKey"], "k7");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no record came");
}

#[tokio::test]
async fn a_log_group_gets_an_entry_when_its_policies_let_it() {
    let cloud = cloud().await;
    let client = cloud.client();
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "/aws/events/x"})).await.ok();
    let group = arn("logs", "log-group:/aws/events/x");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": format!("{group}:*")}]});
    let input = json!({"policyName": "p", "policyDocument": policy.to_string()});
    client.call("logs", "PutResourcePolicy", input).await.ok();
    rule(&client, "r", &json!({"source": ["a"]})).await;
    let transformer = json!({"InputPathsMap": {"n": "$.detail.n", "time": "$.time"},
        "InputTemplate": "{\"timestamp\": <time>, \"message\": \"n is <n>\"}"});
    target(&client, "r", json!({"Id": "t", "Arn": group, "InputTransformer": transformer})).await;
    target(&client, "r", json!({"Id": "u", "Arn": format!("{group}:*")})).await;
    put(&client, "a", json!({"n": 1})).await;
    for _ in 0..100 {
        let found = client.call("logs", "FilterLogEvents", json!({"logGroupName": "/aws/events/x"})).await.ok();
        let mut said: Vec<String> =
            found["events"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap().to_owned()).collect();
        said.sort();
        if let [first, second] = said.as_slice() {
            assert_eq!(first, "n is 1");
            assert!(second.starts_with("{\"version\":\"0\""), "{second}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("nothing was logged");
}

/// A client of another account.
pub(super) fn stranger(cloud: &super::Cloud) -> Client {
    cloud.client_of(undercast_testkit::Credentials::new("111111111111", "test"))
}

#[tokio::test]
async fn an_event_goes_to_one_other_bus_and_no_further() {
    let cloud = cloud().await;
    let client = cloud.client();
    let there = stranger(&cloud).in_region("eu-west-1");
    let role = role(&client, "sender", "events:PutEvents").await;
    client.call("events", "CreateEventBus", json!({"Name": "near"})).await.ok();
    there.call("events", "CreateEventBus", json!({"Name": "far"})).await.ok();
    let (near, far) = (arn("events", "event-bus/near"), "arn:aws:events:eu-west-1:111111111111:event-bus/far");
    let (near_url, near_queue) = queue(&client, "near").await;
    let (far_url, far_queue) = queue(&there, "far").await;
    let (dead_url, dead_queue) = queue(&client, "dead").await;
    let everything = json!({"source": [{"prefix": ""}]}).to_string();
    rule(&client, "r", &json!({"source": ["a"]})).await;
    target(&client, "r", json!({"Id": "near", "Arn": near, "RoleArn": role})).await;
    target(&client, "r", json!({"Id": "far", "Arn": far, "RoleArn": role, "DeadLetterConfig": {"Arn": dead_queue}}))
        .await;
    client
        .call("events", "PutRule", json!({"Name": "n", "EventBusName": "near", "EventPattern": everything}))
        .await
        .ok();
    let targets = json!([{"Id": "q", "Arn": near_queue}, {"Id": "b", "Arn": far, "RoleArn": role, "DeadLetterConfig": {"Arn": dead_queue}}]);
    client.call("events", "PutTargets", json!({"Rule": "n", "EventBusName": "near", "Targets": targets})).await.ok();
    there.call("events", "PutRule", json!({"Name": "f", "EventBusName": "far", "EventPattern": everything})).await.ok();
    let targets = json!([{"Id": "q", "Arn": far_queue}]);
    there.call("events", "PutTargets", json!({"Rule": "f", "EventBusName": "far", "Targets": targets})).await.ok();
    // The other account has not let it in yet.
    let id = put(&client, "a", json!({})).await;
    assert_eq!(body(&messages(&client, &near_url).await[0])["id"], id);
    let mut codes: Vec<String> = Vec::new();
    while codes.len() < 2 {
        let found = messages(&client, &dead_url).await;
        assert!(!found.is_empty(), "{codes:?}");
        codes.extend(
            found.iter().map(|m| m["MessageAttributes"]["ERROR_CODE"]["StringValue"].as_str().unwrap().to_owned()),
        );
    }
    codes.sort();
    assert_eq!(codes, ["NO_PERMISSIONS", "THIRD_ACCOUNT_HOP_DETECTED"]);
    let grant =
        json!({"EventBusName": "far", "Action": "events:PutEvents", "Principal": "000000000000", "StatementId": "s"});
    there.call("events", "PutPermission", grant).await.ok();
    let id = put(&client, "a", json!({})).await;
    let found = body(&messages(&there, &far_url).await[0]);
    assert_eq!(
        (&found["id"], &found["account"], &found["region"]),
        (&json!(id), &json!("000000000000"), &json!("us-east-1"))
    );
    assert!(receive(&there, &far_url, 0).await.is_empty());
}
