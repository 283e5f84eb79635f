//! ACM through a real socket, on the cloud's clock.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod acme;
mod cfn;
mod exports;
mod imports;
mod letters;
mod limits;
mod lists;
mod renewal;
mod requested;
mod rights;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_acm::Acm;
use undercast_cloudformation::CloudFormation;
use undercast_cloudwatch::CloudWatch;
use undercast_events::Events;
use undercast_iam::Iam;
use undercast_kernel::store::Snapshot;
use undercast_kernel::wire::{self, Fields, Request, Value};
use undercast_kernel::{Access, Answer, Body, Bytes, Cx, NameRecord, Result, Service, Timestamp};
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "acm";
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A service that answers for names, and whose resources use certificates. Its API is another's, which nobody calls.
#[derive(Default)]
struct Neighbour {
    /// A name and what its CNAME says.
    name: Option<(String, String)>,
    /// The end of the ARN of a certificate that is in use.
    uses: Option<String>,
}

impl Service for Neighbour {
    fn api(&self) -> &'static wire::Service {
        Iam.api()
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        Service::call(&Iam, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static wire::schema::Operation, input: &Fields) -> Result<Vec<Access>> {
        Iam.access(cx, operation, input)
    }

    fn resolve(&self, _from: &Snapshot, name: &str, kind: &str) -> Result<Vec<String>> {
        let own = self.name.iter().filter(|(own, _)| own == name && kind == "CNAME");
        Ok(own.map(|(_, value)| value.clone()).collect())
    }

    fn uses(&self, _from: &Snapshot, arn: &str) -> Result<Vec<String>> {
        let used = self.uses.as_ref().is_some_and(|end| arn.ends_with(end.as_str()));
        Ok(if used {
            vec!["arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/l".to_owned()]
        } else {
            vec![]
        })
    }
}

fn with(acm: Acm) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(acm),
        Arc::new(CloudFormation),
        Arc::new(CloudWatch),
        Arc::new(Events::default()),
        Arc::new(Iam),
        Arc::new(Sqs),
    ]
}

fn services() -> Vec<Arc<dyn Service>> {
    with(Acm::default())
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, SERVICE, services).await;
    assert!(coverage.cases >= 60, "{coverage:?}");
}

/// A cloud whose clock stands still at noon.
async fn noon_with(services: Vec<Arc<dyn Service>>) -> (Cloud, Client) {
    let cloud = Cloud::start(services).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let client = cloud.client();
    (cloud, client)
}

async fn noon() -> (Cloud, Client) {
    noon_with(services()).await
}

/// The same where nobody publishes records but users.
async fn waiting() -> (Cloud, Client) {
    noon_with(with(Acm::waiting())).await
}

/// Moves the clock. What falls due begins and ends on the way.
async fn pass(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// What is refused with this code, and words that its message has.
async fn is_refused(client: &Client, operation: &str, input: Json, code: &str, words: &str) {
    let answer = client.call(SERVICE, operation, input.clone()).await;
    let message = answer.json["message"].as_str().unwrap_or_default();
    assert!(answer.code() == code && message.contains(words), "{operation} {input}: {}", answer.json);
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

/// Asks for a certificate for `shop.com`, or with more said.
async fn request(client: &Client, more: Json) -> String {
    let mut input = json!({"DomainName": "shop.com", "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ok(client, "RequestCertificate", input).await["CertificateArn"].as_str().unwrap().to_owned()
}

async fn describe(client: &Client, arn: &str) -> Json {
    ok(client, "DescribeCertificate", json!({"CertificateArn": arn})).await["Certificate"].clone()
}

async fn has_status(client: &Client, arn: &str, status: &str) {
    until(status, async || describe(client, arn).await["Status"] == status).await;
}

/// Asks for one, and waits for it.
async fn issued(client: &Client, more: Json) -> String {
    let arn = request(client, more).await;
    has_status(client, &arn, "ISSUED").await;
    arn
}

async fn export(client: &Client, arn: &str) -> Json {
    let passphrase = wire::text::base64(b"secret");
    ok(client, "ExportCertificate", json!({"CertificateArn": arn, "Passphrase": passphrase})).await
}

/// The record that validates the first domain of a certificate.
async fn record(client: &Client, arn: &str) -> (String, String) {
    let record = describe(client, arn).await["DomainValidationOptions"][0]["ResourceRecord"].clone();
    (record["Name"].as_str().unwrap().to_owned(), record["Value"].as_str().unwrap().to_owned())
}

/// Publishes a record, as users do.
async fn publish(cloud: &Cloud, name: &str, kind: &str, value: &str) {
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let record = NameRecord::new(&cx, name, kind, vec![value.to_owned()], None).unwrap();
    cx.write(|tx| cx.publish_name(tx, &record)).await.unwrap();
}

/// Asks for a page, or for a file, as a browser does.
async fn fetch(client: &Client, method: &str, path: &str, query: &str) -> (u16, Bytes) {
    let posts = method == "POST";
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: if posts { String::new() } else { query.to_owned() },
        headers: Default::default(),
        body: if posts { Body::from(Bytes::from(query.to_owned())) } else { Body::empty() },
    };
    request.headers.insert("host", "localhost".parse().unwrap());
    let (status, _, body) = client.send(request).await;
    (status, body)
}

/// Has the events of ACM come to a queue.
async fn listen(client: &Client) -> String {
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": "*"}]});
    let queue = json!({"QueueName": "q", "Attributes": {"Policy": open.to_string()}});
    let url = client.call("sqs", "CreateQueue", queue).await.ok()["QueueUrl"].as_str().unwrap().to_owned();
    let pattern = json!({"source": ["aws.acm"], "detail-type": [{"prefix": "ACM "}]}).to_string();
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern})).await.ok();
    let target = json!([{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}]);
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": target})).await.ok();
    url
}

/// The events that came to the queue since it was looked at last, the oldest first.
async fn told(client: &Client, url: &str) -> Vec<Json> {
    let mut told: Vec<Json> = Vec::new();
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(some) = got["Messages"].as_array().filter(|some| !some.is_empty()) else { break };
        for message in some {
            let event = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            is_as_its_schema_says(&event);
            told.push(event);
            let gone = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", gone).await.ok();
        }
    }
    told.sort_by_key(|event| event["time"].as_str().unwrap().to_owned());
    told
}

/// The registry of AWS's own events knows what ACM tells, and all of it.
fn is_as_its_schema_says(event: &Json) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/src/aws-events.json");
    let all: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let schema =
        all.iter().find(|one| one["source"] == "aws.acm" && one["detailType"] == event["detail-type"]).unwrap();
    let schema = &schema["schemas"][schema["detail"].as_str().unwrap()];
    let detail = event["detail"].as_object().unwrap();
    for (name, value) in detail {
        let of = &schema["properties"][name];
        let fits = match of["type"].as_str() {
            Some("string") => value.is_string(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => false,
        };
        assert!(fits && of["enum"].as_array().is_none_or(|all| all.contains(value)), "{name}: {value} is not {of}");
    }
    for name in schema["required"].as_array().unwrap() {
        assert!(detail.contains_key(name.as_str().unwrap()), "{event} has no {name}");
    }
}

/// Lets days pass, and says what was told meanwhile: a queue forgets after four of them.
async fn told_within(cloud: &Cloud, client: &Client, url: &str, days: u64) -> Vec<Json> {
    let mut all = Vec::new();
    let mut left = days;
    while left > 0 {
        let some = left.min(3);
        pass(cloud, some * DAY).await;
        all.extend(told(client, url).await);
        left -= some;
    }
    all
}

/// Their kinds.
fn kinds(told: &[Json]) -> Vec<&str> {
    told.iter().map(|event| event["detail-type"].as_str().unwrap()).collect()
}
