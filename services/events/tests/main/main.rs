//! EventBridge through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod archives;
mod cfn;
mod destinations;
mod inputs;
mod partners;
mod retries;
mod rights;
mod rules;
mod sources;
mod targets;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_events::Events;
use undercast_kernel::{Service, metrics};
use undercast_testkit::{Client, Cloud, conformance};

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Events::default()),
        Arc::new(undercast_cloudformation::CloudFormation),
        Arc::new(undercast_cloudwatch::CloudWatch),
        Arc::new(undercast_firehose::Firehose::default()),
        Arc::new(undercast_iam::Iam),
        Arc::new(undercast_kinesis::Kinesis::without_limits()),
        Arc::new(undercast_kms::Kms),
        Arc::new(undercast_logs::Logs),
        Arc::new(undercast_s3::S3::default()),
        Arc::new(undercast_sns::Sns),
        Arc::new(undercast_sqs::Sqs),
    ]
}

/// A cloud with all of them.
async fn cloud() -> Cloud {
    Cloud::start(services()).await
}

const ACCOUNT: &str = "000000000000";

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{resource}")
}

/// A queue into which EventBridge may put what its rules say. Returns its URL and ARN.
async fn queue(client: &Client, name: &str) -> (String, String) {
    let mut attributes = json!({});
    if name.ends_with(".fifo") {
        attributes = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
    }
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let input = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
    let told = client.call("sqs", "GetQueueAttributes", input).await.ok();
    let arn = told["Attributes"]["QueueArn"].as_str().unwrap().to_owned();
    open(client, &url, &arn, "events.amazonaws.com").await;
    (url, arn)
}

/// Lets a service put messages into a queue.
async fn open(client: &Client, url: &str, arn: &str, service: &str) {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service},
        "Action": "sqs:SendMessage", "Resource": arn}]});
    let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", input).await.ok();
}

/// The messages of a queue, within a second or two. They are taken out of it.
async fn messages(client: &Client, url: &str) -> Vec<Json> {
    receive(client, url, 2).await
}

async fn receive(client: &Client, url: &str, wait: u32) -> Vec<Json> {
    let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait,
        "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]});
    let found =
        client.call("sqs", "ReceiveMessage", input).await.ok()["Messages"].as_array().cloned().unwrap_or_default();
    for message in &found {
        let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
        client.call("sqs", "DeleteMessage", input).await.ok();
    }
    found
}

fn body(message: &Json) -> Json {
    serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()
}

async fn rule(client: &Client, name: &str, pattern: &Json) {
    client.call("events", "PutRule", json!({"Name": name, "EventPattern": pattern.to_string()})).await.ok();
}

async fn target(client: &Client, rule: &str, target: Json) {
    let answer = client.call("events", "PutTargets", json!({"Rule": rule, "Targets": [target]})).await.ok();
    assert_eq!(answer, json!({"FailedEntryCount": 0, "FailedEntries": []}));
}

fn entry(source: &str, detail: &Json) -> Json {
    json!({"Source": source, "DetailType": "kind", "Detail": detail.to_string()})
}

/// Puts one event on the default bus. Returns its id.
async fn put(client: &Client, source: &str, detail: Json) -> String {
    let answer = client.call("events", "PutEvents", json!({"Entries": [entry(source, &detail)]})).await.ok();
    assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    answer["Entries"][0]["EventId"].as_str().unwrap().to_owned()
}

/// A role that EventBridge may take on, and what it may do.
async fn role(client: &Client, name: &str, action: &str) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()});
    let made = client.call("iam", "CreateRole", input).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
    let input = json!({"RoleName": name, "PolicyName": "p", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

/// The sums of all metrics of a namespace, by name and rule.
fn told(cloud: &Cloud, namespace: &str) -> BTreeMap<(String, String), f64> {
    let from = cloud.kernel.database().read();
    let now = cloud.kernel.clock().now().as_second();
    let series = metrics::list(&from, (ACCOUNT, "us-east-1"), Some(namespace), 0).unwrap();
    let sum = |series: &metrics::Series| {
        let points = metrics::read(&from, series, now - 3600, now + 120, now).unwrap();
        let rule = series.dimensions.iter().find(|(name, _)| name == "RuleName").map_or("", |(_, rule)| rule);
        ((series.name.clone(), rule.to_owned()), points.iter().map(|(_, statistics)| statistics.sum).sum())
    };
    series.iter().map(sum).collect()
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "events", services).await;
    assert!(coverage.cases >= 30, "{coverage:?}");
}

#[tokio::test]
async fn an_event_reaches_a_queue_as_it_is() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q").await;
    rule(&client, "r", &json!({"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}})).await;
    target(&client, "r", json!({"Id": "t", "Arn": queue})).await;
    let input = json!({"Entries": [
        {"Source": "shop", "DetailType": "order", "Detail": "{ \"total\": 11.50, \"b\": {\"z\": 1, \"a\": 2} }",
         "Resources": ["arn:aws:s3:::x"], "Time": "2026-01-02T03:04:05Z"},
        entry("shop", &json!({"total": 9})),
    ]});
    let answer = client.call("events", "PutEvents", input).await.ok();
    let id = answer["Entries"][0]["EventId"].as_str().unwrap();
    let found = messages(&client, &url).await;
    assert_eq!(found.len(), 1);
    let wanted = format!(
        r#"{{"version":"0","id":"{id}","detail-type":"order","source":"shop","account":"{ACCOUNT}","time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":["arn:aws:s3:::x"],"detail":{{"total":11.50,"b":{{"z":1,"a":2}}}}}}"#
    );
    assert_eq!(found[0]["Body"], wanted.as_str());
    assert!(receive(&client, &url, 0).await.is_empty());
}

#[tokio::test]
async fn an_event_is_there_at_once() {
    let cloud = cloud().await;
    let client = cloud.client();
    let (url, queue) = queue(&client, "q").await;
    rule(&client, "r", &json!({"source": ["shop"]})).await;
    target(&client, "r", json!({"Id": "t", "Arn": queue})).await;
    let mut quickest = Duration::MAX;
    for n in 0..5 {
        let began = std::time::Instant::now();
        let (found, _) = tokio::join!(receive(&client, &url, 5), put(&client, "shop", json!({"n": n})));
        assert_eq!(found.len(), 1);
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}
