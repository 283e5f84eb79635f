//! Step Functions through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cfn;
mod clock;
mod errors;
mod express;
mod fans;
mod histories;
mod machines;
mod maps;
mod restarts;
mod rights;
mod tasks;
mod test_state;
mod tokens;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_cloudwatch::CloudWatch;
use undercast_dynamodb::DynamoDb;
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_logs::Logs;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_stepfunctions::StepFunctions;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "stepfunctions";
const ROLE: &str = "arn:aws:iam::000000000000:role/states";
const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:m";

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(StepFunctions::default()),
        Arc::new(CloudFormation),
        Arc::new(CloudWatch),
        Arc::new(DynamoDb::default()),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(Logs),
        Arc::new(Sns),
        Arc::new(Sqs),
    ]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 40, "{coverage:?}");
}

/// Makes a role that Step Functions may assume, with these rights.
async fn role(client: &Client, name: &str, actions: &[&str]) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", made).await.ok();
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": name, "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

/// A cloud whose clock stands still at noon, with a role that may do everything.
async fn noon() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let client = cloud.client();
    role(&client, "states", &["*"]).await;
    (cloud, client)
}

/// The same by the machine's clock.
async fn now() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, "states", &["*"]).await;
    (cloud, client)
}

async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap_or_default().to_owned())
}

/// Makes the machine `m`.
async fn machine(client: &Client, definition: &Json) {
    let input = json!({"name": "m", "definition": definition.to_string(), "roleArn": ROLE});
    ok(client, "CreateStateMachine", input).await;
}

/// Starts an execution of `m`, and says its ARN.
async fn start(client: &Client, input: &Json) -> String {
    let started = ok(client, "StartExecution", json!({"stateMachineArn": MACHINE, "input": input.to_string()})).await;
    started["executionArn"].as_str().unwrap().to_owned()
}

async fn describe(client: &Client, arn: &str) -> Json {
    ok(client, "DescribeExecution", json!({"executionArn": arn})).await
}

/// Waits until an execution has ended, and says what it is then.
async fn ended(client: &Client, arn: &str) -> Json {
    for _ in 0..2000 {
        let found = describe(client, arn).await;
        if found["status"] != "RUNNING" {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{arn} goes on: {:#}", history(client, arn).await);
}

/// Makes `m`, runs it with an input, and says what came of it.
async fn run(client: &Client, definition: &Json, input: &Json) -> Json {
    machine(client, definition).await;
    let arn = start(client, input).await;
    ended(client, &arn).await
}

/// The output of an execution that has ended well.
fn output(ended: &Json) -> Json {
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    serde_json::from_str(ended["output"].as_str().unwrap()).unwrap()
}

async fn history(client: &Client, arn: &str) -> Json {
    let input = json!({"executionArn": arn, "maxResults": 1000});
    ok(client, "GetExecutionHistory", input).await["events"].clone()
}

/// The types of an execution's events.
async fn types(client: &Client, arn: &str) -> Vec<String> {
    let events = history(client, arn).await;
    events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

/// Waits until an event of a type is in a history.
async fn until(client: &Client, arn: &str, kind: &str) -> Json {
    for _ in 0..2000 {
        let events = history(client, arn).await;
        if let Some(event) = events.as_array().unwrap().iter().find(|event| event["type"] == kind) {
            return event.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no {kind}: {:#}", history(client, arn).await);
}
