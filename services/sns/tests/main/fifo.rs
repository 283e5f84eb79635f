//! FIFO topics: order, deduplication, and who may subscribe.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const FIFO: &str = "arn:aws:sns:us-east-1:000000000000:t.fifo";

async fn fifo(client: &Client, attributes: Json) {
    let mut all = attributes;
    all["FifoTopic"] = json!("true");
    client.call("sns", "CreateTopic", json!({"Name": "t.fifo", "Attributes": all})).await.ok();
}

async fn fifo_queue(client: &Client, name: &str) -> String {
    let (url, arn) = any_queue(client, name, json!({"FifoQueue": "true"})).await;
    subscribed(client, FIFO, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    url
}

async fn say(client: &Client, message: &str, group: &str, id: &str) -> Json {
    let input = json!({"TopicArn": FIFO, "Message": message, "MessageGroupId": group, "MessageDeduplicationId": id});
    client.call("sns", "Publish", input).await.ok()
}

/// Receives and deletes until there is nothing more.
async fn drain(client: &Client, url: &str) -> Vec<Json> {
    let mut all = Vec::new();
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"]});
        let got =
            client.call("sqs", "ReceiveMessage", input).await.ok()["Messages"].as_array().cloned().unwrap_or_default();
        if got.is_empty() {
            return all;
        }
        for message in got {
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
            all.push(message);
        }
    }
}

#[tokio::test]
async fn groups_keep_their_order_and_ids_are_taken_once() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    fifo(&client, json!({})).await;
    let url = fifo_queue(&client, "q.fifo").await;
    let (plain, plain_arn) = any_queue(&client, "plain", json!({})).await;
    subscribed(&client, FIFO, "sqs", &plain_arn, json!({})).await;
    let first = say(&client, "one", "g", "1").await;
    let second = say(&client, "two", "g", "2").await;
    assert_eq!(say(&client, "again", "other", "1").await, first, "the scope is the topic");
    assert!(first["SequenceNumber"].as_str().unwrap() < second["SequenceNumber"].as_str().unwrap());
    assert_eq!(first["SequenceNumber"].as_str().unwrap().len(), 20);
    let got = drain(&client, &url).await;
    assert_eq!(bodies(&got), ["one", "two"]);
    assert_eq!(
        (&got[0]["Attributes"]["MessageGroupId"], &got[0]["Attributes"]["MessageDeduplicationId"]),
        (&json!("g"), &json!("1"))
    );
    // A standard queue has the message too, and nothing of its group.
    let got = drain(&client, &plain).await;
    assert_eq!(got.len(), 2);
    assert!(got[0]["Attributes"]["MessageGroupId"].is_null());
    let envelope: Json = serde_json::from_str(got[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(envelope["SequenceNumber"], first["SequenceNumber"]);
    assert!(envelope["Signature"].is_null(), "messages of FIFO topics are not signed");
    // Five minutes later the id is free again; the queue has forgotten it by then as well.
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    assert_ne!(say(&client, "one", "g", "1").await["MessageId"], first["MessageId"]);
    assert_eq!(bodies(&drain(&client, &url).await), ["one"]);
}

#[tokio::test]
async fn ids_are_of_the_content_or_of_the_group_where_that_is_wanted() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    fifo(&client, json!({"ContentBasedDeduplication": "true", "FifoThroughputScope": "MessageGroup"})).await;
    let url = fifo_queue(&client, "q.fifo").await;
    for (group, message) in [("a", "x"), ("a", "x"), ("b", "x"), ("b", "y")] {
        let input = json!({"TopicArn": FIFO, "Message": message, "MessageGroupId": group});
        client.call("sns", "Publish", input).await.ok();
    }
    // The queue's own scope is all of it, so that it takes "x" once.
    assert_eq!(bodies(&drain(&client, &url).await), ["x", "y"]);
    let refused = client.call("sns", "Publish", json!({"TopicArn": FIFO, "Message": "x"})).await;
    assert_eq!(refused.json["message"], "Invalid parameter: The MessageGroupId parameter is required for FIFO topics");
}

#[tokio::test]
async fn a_batch_is_taken_in_its_order() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    fifo(&client, json!({})).await;
    let url = fifo_queue(&client, "q.fifo").await;
    let entry = |id: &str, deduplication: Option<&str>| json!({"Id": id, "Message": id, "MessageGroupId": "g", "MessageDeduplicationId": deduplication});
    let entries = json!([entry("a", Some("1")), entry("b", None), entry("c", Some("3"))]);
    let answer =
        client.call("sns", "PublishBatch", json!({"TopicArn": FIFO, "PublishBatchRequestEntries": entries})).await.ok();
    assert_eq!(answer["Failed"][0]["Id"], "b");
    assert_eq!(answer["Failed"][0]["Code"], "InvalidParameter");
    assert_eq!(answer["Successful"].as_array().unwrap().len(), 2);
    assert_eq!(bodies(&drain(&client, &url).await), ["a", "c"]);
}

#[tokio::test]
async fn what_cannot_be_delivered_holds_up_its_group_alone() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    fifo(&client, json!({})).await;
    let url = fifo_queue(&client, "q.fifo").await;
    let fault = json!({"id": "down", "service": "sqs", "operation": "SendMessage", "effect": {"error": {"code": "ServiceUnavailable", "status": 503}}});
    cloud.kernel.faults().add(serde_json::from_value(fault).unwrap()).unwrap();
    say(&client, "one", "g", "1").await;
    say(&client, "two", "g", "2").await;
    until("the first delivery failed", async || cloud.kernel.trail().latest(100).iter().any(|r| r.status == 503)).await;
    cloud.kernel.faults().remove(None);
    // The queue is there again, and what comes now waits for what came before.
    say(&client, "three", "g", "3").await;
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    assert_eq!(bodies(&drain(&client, &url).await), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_fifo_topic_has_queues_alone_and_a_hundred_of_them() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    fifo(&client, json!({})).await;
    let refused = client
        .call("sns", "Subscribe", json!({"TopicArn": FIFO, "Protocol": "email", "Endpoint": "a@example.com"}))
        .await;
    assert_eq!(refused.code(), "InvalidParameterException");
    for n in 0..100 {
        subscribed(&client, FIFO, "sqs", &format!("arn:aws:sqs:us-east-1:000000000000:q{n}"), json!({})).await;
    }
    let input = json!({"TopicArn": FIFO, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:more"});
    assert_eq!(client.call("sns", "Subscribe", input).await.code(), "SubscriptionLimitExceededException");
}

/// What a FIFO topic with two queues makes of messages: group, id, and how many seconds pass before it.
async fn play(steps: &[(u8, u8, u16)]) -> (Vec<Vec<Json>>, BTreeMap<String, Vec<String>>) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    fifo(&client, json!({})).await;
    let urls = [fifo_queue(&client, "a.fifo").await, fifo_queue(&client, "b.fifo").await];
    let (mut taken, mut wanted): (BTreeMap<u8, i64>, BTreeMap<String, Vec<String>>) = Default::default();
    for (n, (group, id, wait)) in steps.iter().enumerate() {
        cloud.kernel.advance(Duration::from_secs(u64::from(*wait))).await.unwrap();
        let now = cloud.kernel.clock().now().as_second();
        say(&client, &n.to_string(), &format!("g{group}"), &format!("i{id}")).await;
        if taken.get(id).is_none_or(|at| now - at >= 300) {
            taken.insert(*id, now);
            wanted.entry(format!("g{group}")).or_default().push(n.to_string());
        }
    }
    (vec![drain(&client, &urls[0]).await, drain(&client, &urls[1]).await], wanted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn every_queue_has_every_group_in_order_and_every_id_once(
        // Waits stay clear of the five minutes, which the clock runs on beside.
        steps in prop::collection::vec((0..3u8, 0..4u8, prop_oneof![Just(0u16), Just(100), Just(310)]), 1..12)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (queues, wanted) = runtime.block_on(play(&steps));
        for got in queues {
            let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for message in &got {
                let group = message["Attributes"]["MessageGroupId"].as_str().unwrap().to_owned();
                found.entry(group).or_default().push(message["Body"].as_str().unwrap().to_owned());
            }
            prop_assert_eq!(&found, &wanted);
            let numbers: BTreeSet<&str> = got.iter().map(|m| m["Attributes"]["SequenceNumber"].as_str().unwrap()).collect();
            prop_assert_eq!(numbers.len(), got.len());
        }
    }
}
