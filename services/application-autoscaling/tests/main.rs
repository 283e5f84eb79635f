//! Scaling through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cfn;
mod lists;
mod replicas;
mod scheduled;
mod steps;
mod tracking;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use undercast_application_autoscaling::ApplicationAutoScaling;
use undercast_cloudwatch::CloudWatch;
use undercast_dynamodb::DynamoDb;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "application-autoscaling";

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(ApplicationAutoScaling), Arc::new(CloudWatch), Arc::new(DynamoDb::default()), Arc::new(Iam)]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 6, "{coverage:?}");
}

/// A cloud whose clock stands still at noon.
async fn at_noon() -> Cloud {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    cloud
}

async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

/// What names the units of writing of the table `tab`, and more.
fn writes(more: &Json) -> Json {
    merged(
        &json!({"ServiceNamespace": "dynamodb", "ResourceId": "table/tab", "ScalableDimension": "dynamodb:table:WriteCapacityUnits"}),
        more,
    )
}

fn merged(one: &Json, more: &Json) -> Json {
    let mut all = one.as_object().unwrap().clone();
    all.extend(more.as_object().unwrap().clone());
    all.retain(|_, value| !value.is_null());
    Json::Object(all)
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// The code and the message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    let message = answer.json["message"].as_str().unwrap_or_default().to_owned();
    (answer.code().to_owned(), message)
}

/// A table `tab` with so many units, and an index `idx` with as many.
async fn table(client: &Client, units: i64) {
    let given = json!({"ReadCapacityUnits": units, "WriteCapacityUnits": units});
    let key = |name: &str| json!([{"AttributeName": name, "KeyType": "HASH"}]);
    let input = json!({"TableName": "tab", "KeySchema": key("pk"), "ProvisionedThroughput": given,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "by", "AttributeType": "S"}],
        "GlobalSecondaryIndexes": [{"IndexName": "idx", "KeySchema": key("by"), "Projection": {"ProjectionType": "ALL"}, "ProvisionedThroughput": given}]});
    client.call("dynamodb", "CreateTable", input).await.ok();
}

/// Units of reading and of writing of the table.
async fn units(client: &Client) -> (i64, i64) {
    let found = client.call("dynamodb", "DescribeTable", json!({"TableName": "tab"})).await.ok();
    let given = &found["Table"]["ProvisionedThroughput"];
    (given["ReadCapacityUnits"].as_i64().unwrap(), given["WriteCapacityUnits"].as_i64().unwrap())
}

/// Consumes so many tens of units of writing.
async fn load(client: &Client, tens: usize) {
    let item = json!({"pk": {"S": "a"}, "fat": {"S": "x".repeat(9_500)}});
    for _ in 0..tens {
        client.call("dynamodb", "PutItem", json!({"TableName": "tab", "Item": item})).await.ok();
    }
}

async fn register(client: &Client, min: i64, max: i64) -> String {
    let made = ok(client, "RegisterScalableTarget", writes(&json!({"MinCapacity": min, "MaxCapacity": max}))).await;
    made["ScalableTargetARN"].as_str().unwrap().to_owned()
}

async fn activities(client: &Client, more: Json) -> Vec<Json> {
    let input = merged(&json!({"ServiceNamespace": "dynamodb"}), &more);
    ok(client, "DescribeScalingActivities", input).await["ScalingActivities"].as_array().cloned().unwrap_or_default()
}

async fn alarm_states(client: &Client) -> Vec<(String, String, f64)> {
    let found = client.call("cloudwatch", "DescribeAlarms", json!({})).await.ok();
    let text = |a: &Json, name: &str| a[name].as_str().unwrap().to_owned();
    let alarms = found["MetricAlarms"].as_array().unwrap().iter();
    alarms.map(|a| (text(a, "AlarmName"), text(a, "StateValue"), a["Threshold"].as_f64().unwrap())).collect()
}
