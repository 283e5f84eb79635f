//! Access Analyzer through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cfn;
mod external;
mod generation;
mod issues;
mod paging;
mod previews;
mod rights;
mod unused;
mod validation;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_accessanalyzer::AccessAnalyzer;
use undercast_cloudformation::CloudFormation;
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kms::Kms;
use undercast_organizations::Organizations;
use undercast_s3::{S3, S3Control};
use undercast_secretsmanager::SecretsManager;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "accessanalyzer";
/// Whose cloud it is, and two others.
const OWN: &str = "000000000000";
const OTHER: &str = "111111111111";
const THIRD: &str = "222222222222";

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(AccessAnalyzer::default()),
        Arc::new(CloudFormation),
        Arc::new(DynamoDb::default()),
        Arc::new(DynamoDbStreams),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(Kms),
        Arc::new(Organizations::default()),
        Arc::new(S3::default()),
        Arc::new(S3Control),
        Arc::new(SecretsManager),
        Arc::new(Sns),
        Arc::new(Sqs),
        Arc::new(Sts),
    ]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 110, "{coverage:?}");
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap_or_default().to_owned())
}

/// Waits until something is so.
async fn until(what: &str, is: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn analyzer_arn(name: &str) -> String {
    format!("arn:aws:access-analyzer:us-east-1:{OWN}:analyzer/{name}")
}

/// Makes an analyzer, and waits for its first look.
async fn analyzer(client: &Client, name: &str, kind: &str, configuration: Json) -> String {
    let input = json!({"analyzerName": name, "type": kind, "configuration": configuration});
    let arn = ok(client, "CreateAnalyzer", input).await["arn"].as_str().unwrap().to_owned();
    until("everything was looked at", async || {
        let shown = ok(client, "GetAnalyzer", json!({"analyzerName": name})).await;
        !shown["analyzer"]["lastResourceAnalyzedAt"].is_null()
    })
    .await;
    arn
}

fn role(name: &str, principal: &Json) -> Json {
    let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
    let trust = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    json!({"RoleName": name, "AssumeRolePolicyDocument": trust})
}

/// The findings of an analyzer that are in some state, by their resources.
async fn findings(client: &Client, arn: &str, filter: Json) -> Vec<Json> {
    let input = json!({"analyzerArn": arn, "filter": filter, "sort": {"attributeName": "resource", "orderBy": "ASC"}});
    ok(client, "ListFindings", input).await["findings"].as_array().unwrap().clone()
}
