//! SQS through a real socket, on each of its protocols.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod clock;
mod encryption;
mod fair;
mod moves;
mod promises;
mod templates;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kms::Kms;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud, Credentials, conformance};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Sqs)]
}

/// With those that it asks, and that tell of it.
fn more_services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(CloudWatch), Arc::new(Iam), Arc::new(Kms), Arc::new(Sqs)]
}

/// A user who may do this.
async fn user(cloud: &Cloud, actions: &Json) -> Client {
    let client = cloud.client();
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok();
    let text = |name: &str| made["AccessKey"][name].as_str().unwrap();
    cloud.client_of(Credentials::new(text("AccessKeyId"), text("SecretAccessKey")))
}

async fn queue(client: &Client, name: &str, attributes: Json) -> String {
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    made["QueueUrl"].as_str().unwrap().to_owned()
}

async fn send(client: &Client, url: &str, body: &str) {
    client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": body})).await.ok();
}

async fn receive(client: &Client, url: &str, more: Json) -> Vec<Json> {
    let mut input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("sqs", "ReceiveMessage", input).await.ok()["Messages"].as_array().cloned().unwrap_or_default()
}

fn bodies(messages: &[Json]) -> Vec<&str> {
    messages.iter().map(|m| m["Body"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn conformance_cases_hold_on_every_protocol() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "sqs", services).await;
    assert!(coverage.cases > 20, "{coverage:?}");
}

#[tokio::test]
async fn a_message_that_is_not_deleted_comes_back_when_its_time_is_over() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({"VisibilityTimeout": "30"})).await;
    send(&client, &url, "once").await;
    assert_eq!(bodies(&receive(&client, &url, json!({})).await), ["once"]);
    assert!(receive(&client, &url, json!({})).await.is_empty());
    cloud.kernel.advance(Duration::from_secs(29)).await.unwrap();
    assert!(receive(&client, &url, json!({})).await.is_empty());
    cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    let again = receive(&client, &url, json!({"AttributeNames": ["All"]})).await;
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    let handle = &again[0]["ReceiptHandle"];
    client.call("sqs", "DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle})).await.ok();
    cloud.kernel.advance(Duration::from_secs(3_600)).await.unwrap();
    assert!(receive(&client, &url, json!({})).await.is_empty());
}

#[tokio::test]
async fn a_waiting_receiver_is_woken_at_once() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    let waiting = {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let started = std::time::Instant::now();
            (receive(&client, &url, json!({"WaitTimeSeconds": 20})).await, started.elapsed())
        }
    };
    let sending = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        send(&client, &url, "wake up").await;
    };
    let ((messages, waited), ()) = tokio::join!(waiting, sending);
    assert_eq!(bodies(&messages), ["wake up"]);
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test]
async fn what_is_received_too_often_goes_to_the_dead_letter_queue_and_back() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let dead = queue(&client, "dead", json!({})).await;
    let policy =
        json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 2}).to_string();
    let url = queue(&client, "q", json!({"VisibilityTimeout": "0", "RedrivePolicy": policy})).await;
    send(&client, &url, "poison").await;
    for _ in 0..2 {
        assert_eq!(receive(&client, &url, json!({})).await.len(), 1);
    }
    assert!(receive(&client, &url, json!({})).await.is_empty());
    let letters = receive(&client, &dead, json!({"AttributeNames": ["All"], "VisibilityTimeout": 0})).await;
    assert_eq!(letters[0]["Attributes"]["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:q");
    let started = client
        .call("sqs", "StartMessageMoveTask", json!({"SourceArn": "arn:aws:sqs:us-east-1:000000000000:dead"}))
        .await
        .ok();
    assert!(started["TaskHandle"].is_string());
    assert_eq!(bodies(&receive(&client, &url, json!({"WaitTimeSeconds": 5})).await), ["poison"]);
    let tasks = client
        .call("sqs", "ListMessageMoveTasks", json!({"SourceArn": "arn:aws:sqs:us-east-1:000000000000:dead"}))
        .await
        .ok();
    assert_eq!(tasks["Results"][0]["ApproximateNumberOfMessagesMoved"], 1);
}

#[tokio::test]
async fn a_fifo_group_waits_for_its_message_in_flight_and_duplicates_are_dropped() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q.fifo", json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"})).await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a1")] {
        client
            .call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group}))
            .await
            .ok();
    }
    let first = receive(&client, &url, json!({"MaxNumberOfMessages": 1})).await;
    assert_eq!(bodies(&first), ["a1"]);
    assert_eq!(
        bodies(&receive(&client, &url, json!({})).await),
        ["b1"],
        "group a waits for a1, and the second a1 was dropped"
    );
    let handle = &first[0]["ReceiptHandle"];
    client.call("sqs", "DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle})).await.ok();
    assert_eq!(bodies(&receive(&client, &url, json!({})).await), ["a2"]);
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "a1", "MessageGroupId": "c"})).await.ok();
    assert!(bodies(&receive(&client, &url, json!({})).await).contains(&"a1"), "five minutes later it is a new message");
}

#[tokio::test]
async fn messages_end_with_their_retention_even_when_nobody_looks() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({"MessageRetentionPeriod": "60"})).await;
    send(&client, &url, "old").await;
    cloud.kernel.advance(Duration::from_secs(30)).await.unwrap();
    send(&client, &url, "young").await;
    cloud.kernel.advance(Duration::from_secs(31)).await.unwrap();
    assert_eq!(bodies(&receive(&client, &url, json!({})).await), ["young"]);
}

#[tokio::test]
async fn another_account_needs_the_queues_policy() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    let stranger = cloud.client_of(undercast_testkit::Credentials::new("111111111111", "x"));
    let denied = stranger.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await;
    assert_eq!((denied.status, denied.code()), (403, "AccessDeniedException"));
    let permission =
        json!({"QueueUrl": url, "Label": "stranger", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]});
    client.call("sqs", "AddPermission", permission).await.ok();
    stranger.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await.ok();
    client.call("sqs", "RemovePermission", json!({"QueueUrl": url, "Label": "stranger"})).await.ok();
    assert_eq!(stranger.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await.status, 403);
    // By name, the owner is said.
    let find = json!({"QueueName": "q", "QueueOwnerAWSAccountId": "000000000000"});
    assert_eq!(stranger.call("sqs", "GetQueueUrl", find.clone()).await.status, 403);
    let permission =
        json!({"QueueUrl": url, "Label": "find", "AWSAccountIds": ["111111111111"], "Actions": ["GetQueueUrl"]});
    client.call("sqs", "AddPermission", permission).await.ok();
    assert_eq!(stranger.call("sqs", "GetQueueUrl", find).await.ok()["QueueUrl"], url.as_str());
    assert_eq!(receive(&client, &url, json!({})).await.len(), 1);
}

#[tokio::test]
async fn a_batch_is_neither_empty_nor_too_large() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    let send = |entries: Json| client.call("sqs", "SendMessageBatch", json!({"QueueUrl": url, "Entries": entries}));
    assert_eq!(send(json!([])).await.code(), "EmptyBatchRequest");
    let entry = |id: &str, size: usize| json!({"Id": id, "MessageBody": "x".repeat(size)});
    let too_long = send(json!([entry("1", 524_288), entry("2", 524_289)])).await;
    assert_eq!(too_long.code(), "BatchRequestTooLong");
    send(json!([entry("1", 524_288), entry("2", 524_288)])).await.ok();
    // A message that is refused for itself counts all the same.
    let bad = json!({"Id": "3", "MessageBody": "x".repeat(524_289), "DelaySeconds": 901});
    assert_eq!(send(json!([entry("1", 524_288), bad])).await.code(), "BatchRequestTooLong");
    assert_eq!(receive(&client, &url, json!({})).await.len(), 2);
}
