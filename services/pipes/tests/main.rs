//! Pipes through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cfn;
mod enrichments;
mod logs;
mod operations;
mod restarts;
mod rights;
mod sealed;
mod sources;
mod states;
mod targets;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_cloudwatch::CloudWatch;
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_events::Events;
use undercast_firehose::Firehose;
use undercast_iam::Iam;
use undercast_kernel::wire::schema::{Operation, Structure};
use undercast_kernel::wire::{Fields, Service as Api, Value, Write, Writer, text};
use undercast_kernel::{Access, Answer, AwsError, Bytes, Cx, Service};
use undercast_kinesis::Kinesis;
use undercast_kms::Kms;
use undercast_logs::Logs;
use undercast_pipes::Pipes;
use undercast_s3::S3;
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_testkit::{Client, Cloud, conformance};

const SERVICE: &str = "pipes";
const ROLE: &str = "arn:aws:iam::000000000000:role/pipe";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// What a function does with what it is given: its answer, or what it throws.
type Work = Box<dyn FnMut(&Json) -> Result<Json, Json> + Send>;

/// Lambda, as far as it runs one function, which a test writes.
#[derive(Clone)]
struct Functions {
    work: Arc<Mutex<Work>>,
    /// The type of each invocation, and what it was given.
    taken: Arc<Mutex<Vec<(String, Json)>>>,
}

impl Default for Functions {
    fn default() -> Self {
        Self { work: Arc::new(Mutex::new(Box::new(|_| Ok(Json::Null)))), taken: Arc::default() }
    }
}

impl Functions {
    fn work(&self, work: impl FnMut(&Json) -> Result<Json, Json> + Send + 'static) {
        *self.work.lock().unwrap() = Box::new(work);
    }

    fn taken(&self) -> Vec<(String, Json)> {
        self.taken.lock().unwrap().clone()
    }
}

/// The answer of an invocation.
struct Invoked {
    of: &'static Structure,
    payload: Bytes,
    failed: bool,
}

impl Write for Invoked {
    fn write(&self, w: &mut dyn Writer) {
        w.structure(self.of);
        w.member(self.of.index("Payload").unwrap());
        w.blob(&self.payload);
        if self.failed {
            w.member(self.of.index("FunctionError").unwrap());
            w.string("Unhandled");
        }
        w.end();
    }
}

impl Service for Functions {
    fn api(&self) -> &'static Api {
        &undercast_lambda::api::SERVICE
    }

    fn call<'a>(&'a self, _cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        let fields = input.as_fields().unwrap();
        let payload = match fields.get("Payload") {
            Some(Value::Blob(bytes)) => serde_json::from_slice::<Json>(bytes).unwrap(),
            _ => Json::Null,
        };
        let kind = fields.text("InvocationType").unwrap_or_default().to_owned();
        self.taken.lock().unwrap().push((kind, payload.clone()));
        let answer = (self.work.lock().unwrap())(&payload);
        let of = undercast_lambda::api::SERVICE.operations[operation].output;
        Box::pin(async move {
            let (answer, failed) = match answer {
                Ok(answer) => (answer, false),
                Err(thrown) if thrown == "throttled" => {
                    return Err(AwsError::new("TooManyRequestsException", 429, "Rate Exceeded.").into());
                }
                Err(thrown) => (thrown, true),
            };
            Ok(Box::new(Invoked { of, payload: answer.to_string().into(), failed }) as _)
        })
    }

    fn access(&self, _: &Cx, _: &'static Operation, _: &Fields) -> undercast_kernel::Result<Vec<Access>> {
        Ok(Vec::new())
    }
}

fn with(functions: Functions) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Pipes::default()),
        Arc::new(CloudWatch),
        Arc::new(DynamoDb::default()),
        Arc::new(DynamoDbStreams),
        Arc::new(Events::default()),
        Arc::new(Firehose::default()),
        Arc::new(Iam),
        Arc::new(Kinesis::without_limits()),
        Arc::new(Kms),
        Arc::new(Logs),
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
    assert!(coverage.cases >= 15, "{coverage:?}");
}

/// Makes a role that pipes may assume, with these rights.
async fn role(client: &Client, name: &str, actions: &[&str]) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "CreateRole", json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    allow(client, name, actions).await;
}

async fn allow(client: &Client, role: &str, actions: &[&str]) {
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": role, "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

async fn queue(client: &Client, name: &str) -> String {
    let fifo = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
    let attributes = if name.ends_with(".fifo") { fifo } else { json!({"VisibilityTimeout": "1"}) };
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    made["QueueUrl"].as_str().unwrap().to_owned()
}

/// A cloud with a role that may do everything, and the queues `from` and `to`.
struct Setup {
    cloud: Cloud,
    client: Client,
    functions: Functions,
    from: String,
    to: String,
}

async fn setup() -> Setup {
    let functions = Functions::default();
    let cloud = Cloud::start(with(functions.clone())).await;
    let client = cloud.client();
    role(&client, "pipe", &["*"]).await;
    let (from, to) = (queue(&client, "from").await, queue(&client, "to").await);
    Setup { cloud, client, functions, from, to }
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

/// What makes a pipe `p` from one queue to the other.
fn pipe(more: &Json) -> Json {
    merged(json!({"Name": "p", "Source": arn("from"), "Target": arn("to"), "RoleArn": ROLE}), more)
}

async fn ok(client: &Client, operation: &str, input: Json) -> Json {
    client.call(SERVICE, operation, input).await.ok()
}

/// Code and message of an error.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call(SERVICE, operation, input).await;
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap_or_default().to_owned())
}

impl Setup {
    /// Makes a pipe, and waits until it runs.
    async fn running(&self, more: Json) {
        ok(&self.client, "CreatePipe", pipe(&more)).await;
        self.settled("p", "RUNNING").await;
    }

    /// Waits until a pipe is in a state.
    async fn settled(&self, name: &str, state: &str) -> Json {
        self.cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
        let found = ok(&self.client, "DescribePipe", json!({"Name": name})).await;
        assert_eq!(found["CurrentState"], state, "{found}");
        found
    }

    async fn send(&self, body: &str) {
        self.client.call("sqs", "SendMessage", json!({"QueueUrl": self.from, "MessageBody": body})).await.ok();
    }

    /// The bodies of so many messages that come to the queue `to`, sorted.
    async fn come(&self, count: usize) -> Vec<String> {
        let mut all: Vec<String> = self.messages(&self.to, count).await.iter().map(body).collect();
        all.sort();
        all
    }

    /// So many messages that come to a queue, in the order in which they come.
    async fn messages(&self, url: &str, count: usize) -> Vec<Json> {
        messages(&self.client, url, count).await
    }

    /// Says that nothing more comes, having waited for a while.
    async fn nothing_comes(&self, url: &str) {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let left = count(&self.client, url).await;
        assert_eq!(left, 0, "{url}");
    }

    /// Waits until there is nothing left in a queue.
    async fn emptied(&self, url: &str) {
        for _ in 0..400 {
            if count(&self.client, url).await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{url} is not emptied");
    }

    /// The sum of a metric of the pipe `p`.
    async fn counted(&self, name: &str) -> f64 {
        self.cloud.kernel.keep_metrics().await.unwrap();
        let now = self.cloud.kernel.clock().now().as_second();
        let input = json!({"Namespace": "AWS/EventBridge/Pipes", "MetricName": name, "Statistics": ["Sum"], "Period": 86_400,
            "Dimensions": [{"Name": "PipeName", "Value": "p"}], "StartTime": now - 86_400, "EndTime": now + 86_400});
        let found = self.client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
        found["Datapoints"].as_array().unwrap().iter().map(|point| point["Sum"].as_f64().unwrap()).sum()
    }
}

/// Makes the delivery stream `d` to the bucket `delivered`.
async fn delivery(setup: &Setup) -> String {
    let client = &setup.client;
    client.call("s3", "CreateBucket", json!({"Bucket": "delivered"})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = json!({"RoleName": "firehose", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", made).await.ok();
    allow(client, "firehose", &["s3:*"]).await;
    let to = json!({"RoleARN": "arn:aws:iam::000000000000:role/firehose", "BucketARN": "arn:aws:s3:::delivered"});
    let input = json!({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": to});
    client.call("firehose", "CreateDeliveryStream", input).await.ok();
    setup.cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    "arn:aws:firehose:us-east-1:000000000000:deliverystream/d".to_owned()
}

/// What it has delivered, once there is something.
async fn delivered(setup: &Setup) -> String {
    setup.cloud.kernel.advance(Duration::from_secs(600)).await.unwrap();
    let listed = setup.client.call("s3", "ListObjectsV2", json!({"Bucket": "delivered"})).await.ok();
    let key = listed["Contents"][0]["Key"].clone();
    let object = setup.client.call("s3", "GetObject", json!({"Bucket": "delivered", "Key": key})).await;
    String::from_utf8(object.body.to_vec()).unwrap()
}

fn body(message: &Json) -> String {
    message["Body"].as_str().unwrap().to_owned()
}

async fn messages(client: &Client, url: &str, count: usize) -> Vec<Json> {
    let mut all = Vec::new();
    let began = std::time::Instant::now();
    while all.len() < count {
        assert!(began.elapsed() < Duration::from_secs(20), "{} of {count} came: {all:?}", all.len());
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "AttributeNames": ["All"], "MessageAttributeNames": ["All"]});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        for message in got["Messages"].as_array().into_iter().flatten() {
            all.push(message.clone());
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
    }
    all
}

/// How many messages a queue has, seen and unseen.
async fn count(client: &Client, url: &str) -> usize {
    let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let found = client.call("sqs", "GetQueueAttributes", input).await.ok()["Attributes"].clone();
    let number = |name: &str| found[name].as_str().unwrap().parse::<usize>().unwrap();
    number("ApproximateNumberOfMessages") + number("ApproximateNumberOfMessagesNotVisible")
}

/// Waits until something holds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}");
}

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn unbase64(text: &str) -> String {
    String::from_utf8(text::unbase64(text).unwrap()).unwrap()
}
