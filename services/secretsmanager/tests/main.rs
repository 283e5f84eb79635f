//! Secrets Manager through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod canary;
mod cfn;
mod deletion;
mod encryption;
mod limits;
mod lists;
mod model;
mod passwords;
mod policies;
mod replication;
mod rights;
mod rotation;
mod versions;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use undercast_cloudformation::CloudFormation;
use undercast_cloudwatch::CloudWatch;
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::wire::schema::Operation;
use undercast_kernel::wire::{Bytes, Fields, Service as Api, Value};
use undercast_kernel::{Access, Answer, AwsError, Cx, Service};
use undercast_kms::Kms;
use undercast_secretsmanager::SecretsManager;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "secretsmanager";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:rotator";

/// Lambda, as far as it rotates secrets: what it is asked for it keeps, and it does what the four steps are for.
#[derive(Default, Clone)]
struct Functions {
    events: Arc<Mutex<Vec<Json>>>,
    /// The step that fails, if one does.
    fails_in: Arc<Mutex<Option<&'static str>>>,
    /// Nobody may invoke it.
    closed: Arc<Mutex<bool>>,
    /// It seems as if one might.
    breaks: Arc<Mutex<bool>>,
}

impl Functions {
    fn steps(&self) -> Vec<String> {
        let all = std::mem::take(&mut *self.events.lock().unwrap());
        all.iter().map(|event| event["Step"].as_str().unwrap().to_owned()).collect()
    }

    fn fail_in(&self, step: Option<&'static str>) {
        *self.fails_in.lock().unwrap() = step;
    }

    async fn rotate(&self, cx: &Cx, event: &Json) -> undercast_kernel::Result<()> {
        let cx = cx.kernel().cx_for(cx.account(), cx.region());
        let (id, version) = (&event["SecretId"], &event["ClientRequestToken"]);
        match event["Step"].as_str().unwrap() {
            "createSecret" => {
                let value = format!("value {}", version.as_str().unwrap());
                let input = json!({"SecretId": id, "ClientRequestToken": version, "SecretString": value,
                    "VersionStages": ["AWSPENDING"], "RotationToken": event["RotationToken"]});
                cx.call(SERVICE, "PutSecretValue", input).await?;
            }
            "finishSecret" => {
                let described = cx.call(SERVICE, "DescribeSecret", json!({"SecretId": id})).await?;
                let stages = described["VersionIdsToStages"].as_object().unwrap();
                let current =
                    stages.iter().find(|(_, labels)| labels.as_array().unwrap().contains(&json!("AWSCURRENT")));
                let input = json!({"SecretId": id, "VersionStage": "AWSCURRENT", "MoveToVersionId": version,
                    "RemoveFromVersionId": current.unwrap().0});
                cx.call(SERVICE, "UpdateSecretVersionStage", input).await?;
            }
            _ => {
                let input = json!({"SecretId": id, "VersionId": version, "VersionStage": "AWSPENDING"});
                cx.call(SERVICE, "GetSecretValue", input).await?;
            }
        }
        Ok(())
    }
}

/// An answer of `Invoke`.
struct Invoked(Option<&'static str>);

impl undercast_kernel::wire::Write for Invoked {
    fn write(&self, w: &mut dyn undercast_kernel::wire::Writer) {
        let invoke = undercast_lambda::api::SERVICE.operations.iter().find(|o| o.name == "Invoke").unwrap();
        let member =
            |name: &str| u16::try_from(invoke.output.members.iter().position(|m| m.name == name).unwrap()).unwrap();
        w.structure(invoke.output);
        if let Some(kind) = self.0 {
            w.member(member("FunctionError"));
            w.string(kind);
        }
        w.end();
    }
}

impl Service for Functions {
    fn api(&self) -> &'static Api {
        &undercast_lambda::api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, _operation: usize, input: Value) -> Answer<'a> {
        Box::pin(async move {
            let fields = input.as_fields().unwrap();
            if *self.closed.lock().unwrap() {
                return Err(AwsError::new("AccessDeniedException", 403, "no").into());
            }
            if fields.text("InvocationType") == Some("DryRun") {
                return Ok(Box::new(Invoked(None)) as _);
            }
            if *self.breaks.lock().unwrap() {
                return Err(AwsError::new("TooManyRequestsException", 429, "no").into());
            }
            let Some(Value::Blob(bytes)) = fields.get("Payload") else { panic!("an invocation without an event") };
            let mut event: Json = serde_json::from_slice(bytes as &Bytes).unwrap();
            event["caller"] = json!(cx.principal().arn);
            let fails = event["Step"].as_str() == *self.fails_in.lock().unwrap();
            self.events.lock().unwrap().push(event.clone());
            if fails || self.rotate(cx, &event).await.is_err() {
                return Ok(Box::new(Invoked(Some("Unhandled"))) as _);
            }
            Ok(Box::new(Invoked(None)) as _)
        })
    }

    fn access(&self, _: &Cx, _: &'static Operation, _: &Fields) -> undercast_kernel::Result<Vec<Access>> {
        Ok(Vec::new())
    }
}

fn with(functions: Functions) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(SecretsManager),
        Arc::new(CloudFormation),
        Arc::new(CloudWatch),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(Kms),
        Arc::new(Sqs),
        Arc::new(Sts),
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
    assert!(coverage.cases >= 40, "{coverage:?}");
}

/// A cloud whose clock stands still at noon, with functions that rotate.
async fn noon_with(functions: Functions) -> (Cloud, Client) {
    let cloud = Cloud::start(with(functions)).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let client = cloud.client();
    (cloud, client)
}

async fn noon() -> (Cloud, Client) {
    noon_with(Functions::default()).await
}

async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

const DAY: u64 = 86_400;

/// The number of a version, in the form of a token.
fn token(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// Makes the secret `s` with its first version, or another with more.
async fn create(client: &Client, more: Json) -> Json {
    let mut input = json!({"Name": "s", "SecretString": "one", "ClientRequestToken": token(1)});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ok(client, "CreateSecret", input).await
}

async fn put(client: &Client, number: usize, value: &str) -> Json {
    let input = json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": token(number)});
    ok(client, "PutSecretValue", input).await
}

async fn get(client: &Client, id: &str) -> Json {
    ok(client, "GetSecretValue", json!({"SecretId": id})).await
}

async fn describe(client: &Client, id: &str) -> Json {
    ok(client, "DescribeSecret", json!({"SecretId": id})).await
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

/// Names of the events that the service told of by itself, oldest first.
fn told(cloud: &Cloud) -> Vec<String> {
    let all = cloud.kernel.trail().latest(1000).into_iter().filter(|record| record.service == SERVICE);
    let own = |name: &str| !undercast_secretsmanager::api::SERVICE.operations.iter().any(|o| o.name == name);
    all.map(|record| record.operation.to_owned()).filter(|name| own(name)).collect()
}

/// A client of another account.
fn of_account(cloud: &Cloud, account: &str) -> Client {
    cloud.client_of(undercast_testkit::Credentials::new(account, "test"))
}
