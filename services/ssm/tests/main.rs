//! Parameter Store through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod canary;
mod cfn;
mod encryption;
mod hierarchies;
mod labels;
mod limits;
mod model;
mod parameters;
mod policies;
mod references;
mod rights;
mod settings;
mod sharing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kms::Kms;
use undercast_secretsmanager::SecretsManager;
use undercast_sqs::Sqs;
use undercast_ssm::Ssm;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "ssm";
const DAY: u64 = 86_400;
/// The moment at which the clocks of these tests stand.
const NOON: i64 = 1_772_366_400;

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Ssm),
        Arc::new(CloudFormation),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(Kms),
        Arc::new(SecretsManager),
        Arc::new(Sqs),
    ]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 30, "{coverage:?}");
}

/// A cloud whose clock stands still at noon.
async fn noon() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let client = cloud.client();
    (cloud, client)
}

async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

fn merged(mut one: Json, more: &Json) -> Json {
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    one
}

/// Puts a `String`, or something else with more.
async fn put(client: &Client, name: &str, value: &str, more: Json) -> Json {
    ok(client, "PutParameter", merged(json!({"Name": name, "Value": value, "Type": "String"}), &more)).await
}

async fn get(client: &Client, name: &str) -> Json {
    ok(client, "GetParameter", json!({"Name": name, "WithDecryption": true})).await["Parameter"].clone()
}

async fn value(client: &Client, name: &str) -> String {
    get(client, name).await["Value"].as_str().unwrap().to_owned()
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap_or_default().to_owned())
}

/// What is refused with this code, and words that its message has.
async fn is_refused(client: &Client, operation: &str, input: Json, code: &str, words: &str) {
    let (found, message) = refused(client, operation, input.clone()).await;
    assert!(found == code && message.contains(words), "{operation} {input}: {found}: {message}");
}

/// What is not built.
async fn is_not_built(client: &Client, operation: &str, input: Json) {
    let answer = client.call(SERVICE, operation, input.clone()).await;
    assert_eq!(answer.status, 501, "{operation} {input}: {}", answer.json);
}

/// A client of another account.
fn of_account(cloud: &Cloud, account: &str) -> Client {
    cloud.client_of(undercast_testkit::Credentials::new(account, "test"))
}

/// A queue that hears what Parameter Store tells of itself.
async fn listening(client: &Client) -> String {
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": "*"}]});
    let made = json!({"QueueName": "q", "Attributes": {"Policy": open.to_string()}});
    let url = client.call("sqs", "CreateQueue", made).await.ok()["QueueUrl"].as_str().unwrap().to_owned();
    let pattern = json!({"source": ["aws.ssm"]}).to_string();
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern})).await.ok();
    let queue = json!([{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}]);
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": queue})).await.ok();
    url
}

/// What it has heard since, by its kind and what it says, in the order of that.
async fn heard(cloud: &Cloud, client: &Client, url: &str) -> Vec<Json> {
    pass(cloud, 1).await;
    let mut all = Vec::new();
    loop {
        let got = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url, "MaxNumberOfMessages": 10})).await.ok();
        let Some(some) = got["Messages"].as_array().filter(|some| !some.is_empty()) else { break };
        for message in some {
            all.push(serde_json::from_str::<Json>(message["Body"].as_str().unwrap()).unwrap());
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
    }
    all.sort_by_key(|event| event["detail"].to_string());
    all
}
