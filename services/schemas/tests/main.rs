//! The schema registry through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod aws_events;
mod bindings;
mod cfn;
mod discovery;
mod lists;
mod rights;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_cloudwatch::CloudWatch;
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_s3::S3;
use undercast_schemas::Schemas;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "schemas";
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus";

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Schemas),
        Arc::new(CloudFormation),
        Arc::new(CloudWatch),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(S3::default()),
        Arc::new(Sqs),
    ]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 50, "{coverage:?}");
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    let message = answer.json["Message"].as_str().or(answer.json["message"].as_str()).unwrap_or_default();
    (answer.code().to_owned(), message.to_owned())
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

/// A document of OpenAPI with these schemas.
fn open_api(title: &str, schemas: &Json) -> String {
    json!({"openapi": "3.0.0", "info": {"title": title, "version": "1.0.0"}, "paths": {}, "components": {"schemas": schemas}})
        .to_string()
}

/// What makes a schema of one object with these properties, in the registry `r`.
fn schema(name: &str, properties: &Json) -> Json {
    let content = open_api(name, &json!({name: {"type": "object", "properties": properties}}));
    json!({"RegistryName": "r", "SchemaName": name, "Type": "OpenApi3", "Content": content})
}

/// The names of a list's items, page by page.
async fn pages(client: &Client, operation: &str, mut input: Json, list: &str, name: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    loop {
        let page = ok(client, operation, input.clone()).await;
        all.push(page[list].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect());
        match page["NextToken"].as_str() {
            Some(token) => input["NextToken"] = json!(token),
            None => return all,
        }
    }
}
