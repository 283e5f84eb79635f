//! SNS through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod archive;
mod durable;
mod encryption;
mod fifo;
mod filters;
mod http;
mod people;
mod promises;
mod protection;
mod status;
mod streams;
mod templates;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kms::Kms;
use undercast_logs::Logs;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud, conformance};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(CloudWatch), Arc::new(Iam), Arc::new(Kms), Arc::new(Logs), Arc::new(Sns), Arc::new(Sqs)]
}

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";

async fn topic(client: &Client, attributes: Json) {
    client.call("sns", "CreateTopic", json!({"Name": "t", "Attributes": attributes})).await.ok();
}

/// A queue that every topic of the account may send to.
async fn any_queue(client: &Client, name: &str, attributes: Json) -> (String, String) {
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn}]}).to_string();
    let mut all = attributes;
    all["Policy"] = json!(policy);
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": all})).await.ok();
    (made["QueueUrl"].as_str().unwrap().to_owned(), arn)
}

async fn subscribed(client: &Client, topic: &str, protocol: &str, endpoint: &str, attributes: Json) -> String {
    let input = json!({"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes, "ReturnSubscriptionArn": true});
    client.call("sns", "Subscribe", input).await.ok()["SubscriptionArn"].as_str().unwrap().to_owned()
}

async fn publish(client: &Client, message: &str) -> Json {
    client.call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": message})).await.ok()
}

fn bodies(messages: &[Json]) -> Vec<&str> {
    messages.iter().map(|m| m["Body"].as_str().unwrap()).collect()
}

/// What the inbox has of a kind.
fn letters(cloud: &Cloud, kind: &str) -> Vec<undercast_kernel::Letter> {
    cloud.kernel.inbox().unwrap().into_iter().filter(|l| l.kind == kind).collect()
}

/// Waits until something is so, for what goes on beside the calls.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn conformance_cases_hold_on_every_protocol() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "sns", services).await;
    assert!(coverage.cases > 20, "{coverage:?}");
}

/// A queue that the topic may send to.
async fn queue(client: &Client, name: &str, open: bool) -> (String, String) {
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC}}}]}).to_string();
    let attributes = if open { json!({"Policy": policy}) } else { json!({}) };
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    (made["QueueUrl"].as_str().unwrap().to_owned(), arn)
}

async fn receive(client: &Client, url: &str, wait: u32) -> Vec<Json> {
    let input =
        json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait, "MessageAttributeNames": ["All"]});
    client.call("sqs", "ReceiveMessage", input).await.ok()["Messages"].as_array().cloned().unwrap_or_default()
}

async fn subscribe(client: &Client, arn: &str, attributes: Json) {
    let input = json!({"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": arn, "Attributes": attributes});
    client.call("sns", "Subscribe", input).await.ok();
}

#[tokio::test]
async fn a_queue_gets_the_envelope_or_the_raw_message() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    let ((plain, plain_arn), (raw, raw_arn)) = (queue(&client, "plain", true).await, queue(&client, "raw", true).await);
    subscribe(&client, &plain_arn, json!({})).await;
    subscribe(&client, &raw_arn, json!({"RawMessageDelivery": "true"})).await;
    let attributes = json!({"kind": {"DataType": "String", "StringValue": "x"}});
    let published = client
        .call(
            "sns",
            "Publish",
            json!({"TopicArn": TOPIC, "Message": "hello", "Subject": "s", "MessageAttributes": attributes}),
        )
        .await
        .ok();
    let got = receive(&client, &plain, 5).await;
    let envelope: Json = serde_json::from_str(got[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&envelope["Message"], &envelope["Subject"], &envelope["MessageId"]),
        (&json!("hello"), &json!("s"), &published["MessageId"])
    );
    assert_eq!(envelope["MessageAttributes"]["kind"], json!({"Type": "String", "Value": "x"}));
    let got = receive(&client, &raw, 5).await;
    assert_eq!((&got[0]["Body"], &got[0]["MessageAttributes"]["kind"]["StringValue"]), (&json!("hello"), &json!("x")));
}

#[tokio::test]
async fn filters_and_queue_policies_decide() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    let ((open, open_arn), (closed, closed_arn)) =
        (queue(&client, "open", true).await, queue(&client, "closed", false).await);
    subscribe(
        &client,
        &open_arn,
        json!({"RawMessageDelivery": "true", "FilterPolicy": json!({"kind": ["wanted"]}).to_string()}),
    )
    .await;
    subscribe(&client, &closed_arn, json!({"RawMessageDelivery": "true"})).await;
    for kind in ["unwanted", "wanted"] {
        let attributes = json!({"kind": {"DataType": "String", "StringValue": kind}});
        client
            .call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": kind, "MessageAttributes": attributes}))
            .await
            .ok();
    }
    let got = receive(&client, &open, 5).await;
    assert_eq!(got.iter().map(|m| m["Body"].clone()).collect::<Vec<_>>(), ["wanted"]);
    assert!(receive(&client, &closed, 1).await.is_empty(), "a queue without a policy lets nobody in");
}

#[tokio::test]
async fn errors_are_in_awss_words() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let check = async |operation: &str, input: Json, code: &str, message: &str| {
        let answer = client.call("sns", operation, input).await;
        assert_eq!((answer.code(), answer.json["message"].as_str().unwrap()), (code, message), "{operation}");
    };
    check("Publish", json!({"TopicArn": TOPIC, "Message": "x"}), "NotFoundException", "Topic does not exist").await;
    check("CreateTopic", json!({"Name": "a b"}), "InvalidParameterException", "Invalid parameter: Topic Name").await;
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    check(
        "Publish",
        json!({"TopicArn": TOPIC, "Message": ""}),
        "InvalidParameterException",
        "Invalid parameter: Empty message",
    )
    .await;
    check(
        "Publish",
        json!({"TopicArn": TOPIC, "Message": "{}", "MessageStructure": "json"}),
        "InvalidParameterException",
        "Invalid parameter: Message Structure - No default entry in JSON message body",
    )
    .await;
    check(
        "Subscribe",
        json!({"TopicArn": TOPIC, "Protocol": "test-protocol", "Endpoint": "x"}),
        "InvalidParameterException",
        "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol",
    )
    .await;
    let unbuilt =
        client.call("sns", "CreateTopic", json!({"Name": "u", "Attributes": {"TracingConfig": "Active"}})).await;
    assert_eq!(unbuilt.status, 501);
}

#[tokio::test]
async fn a_topic_of_large_messages_takes_a_mebibyte() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (url, arn) = any_queue(&client, "q", json!({})).await;
    subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    let sms = subscribed(&client, TOPIC, "sms", "+14155552671", json!({})).await;
    let size = |size: &str| json!({"TopicArn": TOPIC, "AttributeName": "MaximumMessageSize", "AttributeValue": size});
    for wrong in ["1023", "1048577", "large"] {
        assert_eq!(client.call("sns", "SetTopicAttributes", size(wrong)).await.code(), "InvalidParameterException");
    }
    let mixed = client.call("sns", "SetTopicAttributes", size("1048576")).await;
    assert_eq!(mixed.code(), "InvalidParameterException", "telephones get no large messages");
    client.call("sns", "Unsubscribe", json!({"SubscriptionArn": sms})).await.ok();
    client.call("sns", "SetTopicAttributes", size("1048576")).await.ok();
    let again = json!({"TopicArn": TOPIC, "Protocol": "sms", "Endpoint": "+14155552671"});
    assert_eq!(client.call("sns", "Subscribe", again).await.code(), "InvalidParameterException");
    publish(&client, &"x".repeat(1_048_576)).await;
    assert_eq!(receive(&client, &url, 0).await[0]["Body"].as_str().unwrap().len(), 1_048_576);
    let large = json!({"TopicArn": TOPIC, "Message": "x".repeat(1_048_577)});
    assert_eq!(client.call("sns", "Publish", large).await.json["message"], "Invalid parameter: Message too long");
}
