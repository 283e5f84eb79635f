//! Archives of FIFO topics, and their replay.

use super::*;

const FIFO: &str = "arn:aws:sns:us-east-1:000000000000:t.fifo";

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("sns", operation, input).await.ok()
}

#[tokio::test]
async fn a_late_queue_gets_what_was_published_since_a_moment() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let attributes = json!({"FifoTopic": "true", "ContentBasedDeduplication": "true", "ArchivePolicy": r#"{"MessageRetentionPeriod":"2"}"#});
    call(&client, "CreateTopic", json!({"Name": "t.fifo", "Attributes": attributes})).await;
    let publish = async |message: &str| {
        call(&client, "Publish", json!({"TopicArn": FIFO, "Message": message, "MessageGroupId": "g"})).await;
    };
    publish("before").await;
    cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let since = cloud.kernel.clock().now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    for message in [r#"{"n":1}"#, "unwanted", r#"{"n":2}"#] {
        publish(message).await;
    }
    let (url, arn) = any_queue(&client, "q.fifo", json!({"FifoQueue": "true"})).await;
    let replay = json!({"PointType": "Timestamp", "StartingPoint": since}).to_string();
    let subscription = subscribed(&client, FIFO, "sqs", &arn, json!({"ReplayPolicy": replay, "FilterPolicyScope": "MessageBody", "FilterPolicy": r#"{"n":[{"exists":true}]}"#})).await;
    let told = async || {
        call(&client, "GetSubscriptionAttributes", json!({"SubscriptionArn": subscription})).await["Attributes"]["ReplayStatus"].clone()
    };
    until("the replay is over", async || told().await == "Completed").await;
    let mut all = Vec::new();
    loop {
        let got = receive(&client, &url, 0).await;
        if got.is_empty() {
            break;
        }
        for message in got {
            client
                .call("sqs", "DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}))
                .await
                .ok();
            all.push(serde_json::from_str::<Json>(message["Body"].as_str().unwrap()).unwrap());
        }
    }
    let said: Vec<&str> = all.iter().map(|m| m["Message"].as_str().unwrap()).collect();
    assert_eq!(said, [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert!(all.iter().all(|m| m["Replayed"] == true));
    // What comes now is no replay.
    publish(r#"{"n":3}"#).await;
    let live: Json = serde_json::from_str(receive(&client, &url, 0).await[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!((&live["Message"], &live["Replayed"]), (&json!(r#"{"n":3}"#), &Json::Null));
    // An archive that goes on is not deleted; after two days nothing is left in it.
    let attributes =
        async || call(&client, "GetTopicAttributes", json!({"TopicArn": FIFO})).await["Attributes"].clone();
    let begun = attributes().await["BeginningArchiveTime"].as_str().unwrap().to_owned();
    assert!(begun < since, "{begun}");
    assert_eq!(client.call("sns", "DeleteTopic", json!({"TopicArn": FIFO})).await.code(), "InvalidStateException");
    cloud.kernel.advance(Duration::from_secs(2 * 86_400 + 1)).await.unwrap();
    let read = cloud.kernel.database().read();
    let rows: undercast_kernel::store::Table<u8> = undercast_kernel::store::Table::new("sns.archive");
    assert!(rows.all(&read, &()).unwrap().is_empty());
    let off = json!({"TopicArn": FIFO, "AttributeName": "ArchivePolicy", "AttributeValue": "{}"});
    call(&client, "SetTopicAttributes", off).await;
    call(&client, "DeleteTopic", json!({"TopicArn": FIFO})).await;
}

#[tokio::test]
async fn what_is_no_archive_or_no_replay_is_refused() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let policy = r#"{"MessageRetentionPeriod":"2"}"#;
    let set = json!({"TopicArn": TOPIC, "AttributeName": "ArchivePolicy", "AttributeValue": policy});
    assert_eq!(client.call("sns", "SetTopicAttributes", set).await.code(), "InvalidParameterException");
    call(&client, "CreateTopic", json!({"Name": "t.fifo", "Attributes": {"FifoTopic": "true"}})).await;
    for policy in ["no", r#"{"MessageRetentionPeriod":"366"}"#, r#"{"MessageRetentionPeriod":"2","More":1}"#] {
        let set = json!({"TopicArn": FIFO, "AttributeName": "ArchivePolicy", "AttributeValue": policy});
        assert_eq!(client.call("sns", "SetTopicAttributes", set).await.code(), "InvalidParameterException", "{policy}");
    }
    let arn = subscribed(&client, FIFO, "sqs", "arn:aws:sqs:us-east-1:000000000000:q", json!({})).await;
    let replay = |text: &str| json!({"SubscriptionArn": arn, "AttributeName": "ReplayPolicy", "AttributeValue": text});
    let good = r#"{"PointType":"Timestamp","StartingPoint":"2026-01-01T00:00:00Z"}"#;
    let refused = client.call("sns", "SetSubscriptionAttributes", replay(good)).await;
    assert_eq!(refused.json["message"], "Invalid parameter: ReplayPolicy: the topic has no ArchivePolicy");
    let set = json!({"TopicArn": FIFO, "AttributeName": "ArchivePolicy", "AttributeValue": policy});
    call(&client, "SetTopicAttributes", set).await;
    for bad in [
        "no",
        r#"{"PointType":"Number","StartingPoint":"2026-01-01T00:00:00Z"}"#,
        r#"{"PointType":"Timestamp","StartingPoint":"yesterday"}"#,
        r#"{"PointType":"Timestamp","StartingPoint":"2026-01-02T00:00:00Z","EndingPoint":"2026-01-01T00:00:00Z"}"#,
    ] {
        let refused = client.call("sns", "SetSubscriptionAttributes", replay(bad)).await;
        assert_eq!(refused.code(), "InvalidParameterException", "{bad}");
    }
    client.call("sns", "SetSubscriptionAttributes", replay(good)).await.ok();
}
