//! What the tests have in common: a cloud, roles, packages.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_cloudwatch::CloudWatch;
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_engines::runtimes::{Language, discover, usual_places};
use undercast_events::Events;
use undercast_firehose::Firehose;
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kernel::wire::text;
use undercast_kinesis::Kinesis;
use undercast_lambda::Lambda;
use undercast_logs::Logs;
use undercast_s3::S3;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Answer, Client, Cloud};

pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/function";

/// The newest Python and Node.js of this machine, as Lambda names them: `python3.11`, `nodejs20.x`.
static RUNTIMES: OnceLock<(String, String)> = OnceLock::new();

fn places() -> Vec<PathBuf> {
    let home = std::env::home_dir();
    usual_places(std::env::var_os("PATH").as_deref(), home.as_deref())
}

/// Finds the runtimes that the tests use.
pub(crate) async fn find_runtimes() {
    let found = discover(&places()).await;
    let newest = |language| found.iter().filter(|r| r.language == language).map(|r| r.version).max();
    // The functions of the tests need 3.10 and 18.
    let python = newest(Language::Python).filter(|v| v.minor >= 10).expect("a Python interpreter on this machine");
    let node = newest(Language::Node).filter(|v| v.major >= 18).expect("a Node.js on this machine");
    RUNTIMES.set((format!("python3.{}", python.minor), format!("nodejs{}.x", node.major))).unwrap();
}

pub(crate) fn python_runtime() -> &'static str {
    &RUNTIMES.get().unwrap().0
}

pub(crate) fn services() -> Vec<Arc<dyn Service>> {
    let places = places();
    let lambda = Arc::new(Lambda::new(places));
    vec![
        Arc::new(CloudFormation),
        Arc::new(CloudWatch),
        Arc::new(DynamoDb::default()),
        Arc::new(DynamoDbStreams),
        Arc::new(Events::default()),
        Arc::new(Firehose::default()),
        Arc::new(Iam),
        Arc::new(Kinesis::default()),
        Arc::new(Logs),
        Arc::new(S3::default()),
        Arc::new(Sns),
        Arc::new(Sqs),
        Arc::new(Sts),
        lambda,
    ]
}

/// A cloud with the role `function`, which Lambda may assume and which may write logs.
pub(crate) async fn cloud() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&client, "function", &["logs:*"]).await;
    (cloud, client)
}

/// Makes a role with these rights on everything.
pub(crate) async fn role(client: &Client, name: &str, actions: &[&str]) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", input).await.ok();
    allow(client, name, actions).await;
}

/// Gives a role these rights on everything, in the place of those it had.
pub(crate) async fn allow(client: &Client, role: &str, actions: &[&str]) {
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": role, "PolicyName": "rights", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

/// A package with these files.
pub(crate) fn package(files: &[(&str, &str, u32)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content, mode) in files {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        archive.start_file(*name, options).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The input of `CreateFunction` for Python code.
pub(crate) fn python(name: &str, code: &str) -> Json {
    json!({
        "FunctionName": name, "Runtime": python_runtime(), "Role": ROLE, "Handler": "index.handler",
        "Code": {"ZipFile": text::base64(&package(&[("index.py", code, 0o644)]))},
    })
}

/// The same for JavaScript.
pub(crate) fn node(name: &str, file: &str, code: &str) -> Json {
    let mut input = python(name, "");
    input["Runtime"] = json!(RUNTIMES.get().unwrap().1);
    input["Code"] = json!({"ZipFile": text::base64(&package(&[(file, code, 0o644)]))});
    input
}

pub(crate) async fn create(client: &Client, input: Json) -> Json {
    client.call("lambda", "CreateFunction", input).await.ok()
}

/// Invokes a function and gives the whole answer.
pub(crate) async fn invoke_with(client: &Client, name: &str, more: Json, payload: &Json) -> Answer {
    let mut input = json!({"FunctionName": name, "Payload": text::base64(payload.to_string().as_bytes())});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("lambda", "Invoke", input).await
}

/// Invokes a function that must succeed.
pub(crate) async fn invoke(client: &Client, name: &str, payload: Json) -> Json {
    let answer = invoke_with(client, name, json!({}), &payload).await;
    let output = parsed(&answer);
    assert!(answer.headers.get("x-amz-function-error").is_none(), "{output}");
    assert_eq!(answer.status, 200, "{output}");
    output
}

pub(crate) fn parsed(answer: &Answer) -> Json {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}: {:?}", answer.status, answer.body))
}

/// The messages in a function's log, once one of them has `wanted` in it.
pub(crate) async fn logs(client: &Client, name: &str, wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..200 {
        let answer =
            client.call("logs", "FilterLogEvents", json!({"logGroupName": format!("/aws/lambda/{name}")})).await;
        if answer.status == 200 {
            let events = answer.json["events"].as_array().unwrap();
            found = events.iter().map(|e| e["message"].as_str().unwrap().to_owned()).collect();
            if found.iter().any(|m: &String| m.contains(wanted)) {
                return found;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no line with {wanted:?} in {found:?}");
}

/// Waits until something is true.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 20 s: {what}");
}

/// Sends a request to a host of the cloud that is not an API.
pub(crate) async fn request(
    client: &Client,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, http::HeaderMap, Bytes) {
    let rest = url.split_once("://").unwrap().1;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut all = http::HeaderMap::new();
    all.insert("host", host.parse().unwrap());
    for (name, value) in headers {
        all.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let request = undercast_kernel::wire::Request {
        method: method.to_owned(),
        path: format!("/{path}"),
        query: query.to_owned(),
        headers: all,
        body: body.to_vec().into(),
    };
    client.send(request).await
}

/// The message of an error.
pub(crate) fn told(answer: &Answer) -> String {
    let message = ["message", "Message"].iter().find_map(|name| answer.json[*name].as_str());
    message.unwrap_or_default().to_owned()
}

/// Makes or changes the stack `s`, waits until it is as wanted, and gives all that is told of it.
pub(crate) async fn stack(client: &Client, operation: &str, template: &Json, wanted: &str) -> String {
    let input = json!({"StackName": "s", "TemplateBody": template.to_string()});
    client.call("cloudformation", operation, input).await.ok();
    eventually(wanted, || async {
        let found = client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await.ok();
        found["Stacks"][0]["StackStatus"] == wanted
    })
    .await;
    let stack = client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await.ok();
    let events = client.call("cloudformation", "DescribeStackEvents", json!({"StackName": "s"})).await.ok();
    format!("{stack}{events}")
}
