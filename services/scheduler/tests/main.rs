//! Scheduler through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod calendar;
mod cfn;
mod encrypted;
mod failures;
mod groups;
mod operations;
mod restarts;
mod rights;
mod targets;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_events::Events;
use undercast_firehose::Firehose;
use undercast_iam::Iam;
use undercast_kernel::wire::schema::Operation;
use undercast_kernel::wire::{Fields, Service as Api, Value, text};
use undercast_kernel::{Access, Answer, AwsError, Cx, Service};
use undercast_kinesis::Kinesis;
use undercast_kms::Kms;
use undercast_s3::S3;
use undercast_scheduler::Scheduler;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "scheduler";
const ROLE: &str = "arn:aws:iam::000000000000:role/scheduler";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

/// Lambda, as far as it takes events and keeps them. It refuses as often as it is told to.
#[derive(Default, Clone)]
struct Functions {
    taken: Arc<Mutex<Vec<Json>>>,
    refusals: Arc<Mutex<Vec<(&'static str, u16)>>>,
}

impl Service for Functions {
    fn api(&self) -> &'static Api {
        &undercast_lambda::api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, _operation: usize, input: Value) -> Answer<'a> {
        let fields = input.as_fields().unwrap();
        let payload = match fields.get("Payload") {
            Some(Value::Blob(bytes)) => serde_json::from_slice::<Json>(bytes).ok(),
            _ => None,
        };
        let told = json!({"caller": cx.principal().arn, "event": payload, "type": fields.text("InvocationType")});
        let refusal = self.refusals.lock().unwrap().pop();
        if refusal.is_none() {
            self.taken.lock().unwrap().push(told);
        }
        Box::pin(async move {
            match refusal {
                Some((code, status)) => Err(AwsError::new(code, status, "Not now.").into()),
                None => Ok(Box::new(()) as _),
            }
        })
    }

    fn access(&self, _: &Cx, _: &'static Operation, _: &Fields) -> undercast_kernel::Result<Vec<Access>> {
        Ok(Vec::new())
    }
}

fn with(functions: Functions) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Scheduler),
        Arc::new(CloudWatch),
        Arc::new(Events::default()),
        Arc::new(Firehose::default()),
        Arc::new(Iam),
        Arc::new(Kinesis::default()),
        Arc::new(Kms),
        Arc::new(S3::default()),
        Arc::new(Sns),
        Arc::new(Sqs),
        Arc::new(functions),
    ]
}

fn services() -> Vec<Arc<dyn Service>> {
    with(Functions::default())
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 20, "{coverage:?}");
}

/// Makes a role that Scheduler may assume, with these rights.
async fn role(client: &Client, name: &str, actions: &[&str]) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "CreateRole", json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": name, "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

async fn queue(client: &Client, name: &str) -> String {
    let fifo = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
    let attributes = if name.ends_with(".fifo") { fifo } else { json!({}) };
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    made["QueueUrl"].as_str().unwrap().to_owned()
}

/// A cloud whose clock stands still at a moment, with a role that may do everything and the queue `q`.
async fn at_with(moment: &str, functions: Functions) -> (Cloud, Client, String) {
    let cloud = Cloud::start(with(functions)).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set(moment.parse::<Timestamp>().unwrap());
    let client = cloud.client();
    role(&client, "scheduler", &["*"]).await;
    let url = queue(&client, "q").await;
    (cloud, client, url)
}

async fn at(moment: &str) -> (Cloud, Client, String) {
    at_with(moment, Functions::default()).await
}

async fn noon() -> (Cloud, Client, String) {
    at("2026-03-01T12:00:00Z").await
}

async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

fn merged(one: Json, more: &Json) -> Json {
    let Json::Object(mut all) = one else { return one };
    for (name, value) in more.as_object().unwrap() {
        match all.get_mut(name) {
            Some(there) if there.is_object() && value.is_object() => *there = merged(there.take(), value),
            _ => drop(all.insert(name.clone(), value.clone())),
        }
    }
    all.retain(|_, value| !value.is_null());
    Json::Object(all)
}

/// What makes a schedule `s` that tells the queue when it is due.
fn schedule(expression: &str, more: &Json) -> Json {
    let target = json!({"Arn": QUEUE, "RoleArn": ROLE, "Input": "<aws.scheduler.scheduled-time>"});
    merged(
        json!({"Name": "s", "ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}),
        more,
    )
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

async fn create(client: &Client, expression: &str, more: Json) {
    ok(client, "CreateSchedule", schedule(expression, &more)).await;
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap_or_default().to_owned())
}

/// The messages that wait in a queue, which are taken out.
async fn messages(client: &Client, url: &str) -> Vec<Json> {
    let mut all = Vec::new();
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"]});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(some) = got["Messages"].as_array().filter(|m| !m.is_empty()) else { return all };
        for message in some {
            all.push(message.clone());
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
    }
}

/// Their bodies, sorted.
async fn bodies(client: &Client, url: &str) -> Vec<String> {
    let body = |message: &Json| message["Body"].as_str().unwrap().to_owned();
    let mut all: Vec<String> = messages(client, url).await.iter().map(body).collect();
    all.sort();
    all
}

/// The sum of a metric of a group, over all that is kept.
async fn counted(cloud: &Cloud, client: &Client, group: &str, name: &str) -> f64 {
    cloud.kernel.keep_metrics().await.unwrap();
    let now = cloud.kernel.clock().now().as_second();
    let input = json!({"Namespace": "AWS/Scheduler", "MetricName": name, "Statistics": ["Sum"], "Period": 86_400,
        "Dimensions": [{"Name": "ScheduleGroup", "Value": group}], "StartTime": now - 10 * 86_400, "EndTime": now + 86_400});
    let found = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
    found["Datapoints"].as_array().unwrap().iter().map(|point| point["Sum"].as_f64().unwrap()).sum()
}

fn unbase64(text: &str) -> String {
    String::from_utf8(text::unbase64(text).unwrap()).unwrap()
}
