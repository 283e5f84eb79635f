//! The program in a network namespace that has loopback and no route: everything works there, and nothing tries to
//! leave. The kernel counts each attempt, and the test sees to it that it does. Without the test harness, because this
//! program starts itself once more inside.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and says that it passed"
)]

#[path = "program/cloud.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod cloud;

use std::io::ErrorKind;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_engines::runtimes::{Language, discover, usual_places};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Folder};

use crate::cloud::Cloud;

const NAME: &str = "nothing_leaves_and_everything_works";
/// The argument with which this program is started inside.
const INSIDE: &str = "inside";

/// Raises loopback and becomes the program that is named. Python is there anyway: functions run in it.
const RAISE: &str = "
import fcntl, os, socket, struct, sys
with socket.socket() as s:
    flags = struct.unpack('16sH14x', fcntl.ioctl(s, 0x8913, struct.pack('16sH14x', b'lo', 0)))[1]
    fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', flags | 1))
os.execv(sys.argv[1], sys.argv[1:])
";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == INSIDE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(inside());
    }
    let mut wanted = arguments.iter().filter(|a| !a.starts_with('-')).peekable();
    if wanted.peek().is_none() || wanted.any(|w| NAME.contains(w.as_str())) {
        outside();
        println!("test {NAME} ... ok");
    }
}

/// Starts this program once more, in a namespace: without root where that is allowed, else as root.
fn outside() {
    let kinds = [&["--user", "--map-root-user", "--net"][..], &["--net"]];
    let unshare = |kind: &[&str], program: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(kind).arg(program);
        unshare
    };
    let possible = |kind: &&&[&str]| unshare(kind, "true").output().is_ok_and(|o| o.status.success());
    let kind = kinds.iter().find(possible).expect(
        "this machine lets nobody make a network namespace: allow user namespaces (`undercast doctor` says how) or run the tests as root",
    );
    let mut again = unshare(kind, "python3");
    let status = again.args(["-c", RAISE]).arg(std::env::current_exe().unwrap()).arg(INSIDE).status().unwrap();
    assert!(status.success(), "inside of the namespace: {status}");
}

async fn inside() {
    assert_no_route();
    let mut watch = Watch::new();
    let home = Folder::new();
    let data = home.0.join("data");
    let mut cloud = Cloud::start(&home.0, &["--data", data.to_str().unwrap()]);
    messages(&cloud.client).await;
    objects_and_items(&cloud.client).await;
    stack(&cloud.client).await;
    cloud.ok(&["snapshot", "save", "one"]);
    cloud.ok(&["clock", "advance", "400d"]);
    cloud.ok(&["status"]);
    cloud.ok(&["down"]);
    assert!(cloud.ended(Duration::from_secs(15)).success());
    watch.assert_nothing_left();
}

/// Every route that there is leads to this machine itself.
fn assert_no_route() {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/net/{name}")).unwrap();
    let four = read("route");
    assert_eq!(four.lines().count(), 1, "there is a route, so this is no place for this test: {four}");
    let six = read("ipv6_route");
    assert!(six.lines().all(|line| line.split_whitespace().last() == Some("lo")), "there is a route: {six}");
}

/// Sees whoever tries to leave: the kernel counts what it has no route for, and names are asked for on port 53.
struct Watch {
    names: UdpSocket,
    before: u64,
}

impl Watch {
    fn new() -> Self {
        let names = UdpSocket::bind("0.0.0.0:53").unwrap();
        names.set_nonblocking(true).unwrap();
        let before = Self::attempts();
        // It must see what it is there to see.
        let refused = TcpStream::connect("192.0.2.1:443").map_err(|e| e.kind());
        assert_eq!(refused.err(), Some(ErrorKind::NetworkUnreachable));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let refused = socket.send_to(b"who?", "192.0.2.1:53").map_err(|e| e.kind());
        assert_eq!(refused.err(), Some(ErrorKind::NetworkUnreachable));
        assert_eq!(Self::attempts(), before + 2, "the kernel counts attempts");
        socket.send_to(b"who?", "127.0.0.53:53").unwrap();
        let mut watch = Self { names, before: before + 2 };
        assert_eq!(watch.asked().as_deref(), Some(&b"who?"[..]), "a resolver of this machine is asked here");
        watch
    }

    /// What the kernel found no route for, in this namespace.
    fn attempts() -> u64 {
        let four = std::fs::read_to_string("/proc/self/net/snmp").unwrap();
        let lines: Vec<Vec<&str>> =
            four.lines().filter(|l| l.starts_with("Ip:")).map(|l| l.split_whitespace().collect()).collect();
        let column = lines[0].iter().position(|name| *name == "OutNoRoutes").unwrap();
        let four: u64 = lines[1][column].parse().unwrap();
        let six = std::fs::read_to_string("/proc/self/net/snmp6").unwrap();
        let six = six.lines().find_map(|line| line.strip_prefix("Ip6OutNoRoutes")).unwrap();
        four + six.trim().parse::<u64>().unwrap()
    }

    /// What was asked of a resolver.
    fn asked(&mut self) -> Option<Vec<u8>> {
        let mut question = [0; 512];
        match self.names.recv(&mut question) {
            Ok(length) => Some(question[..length].to_vec()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                None
            }
        }
    }

    fn assert_nothing_left(&mut self) {
        assert_eq!(Self::attempts(), self.before, "somebody tried to reach another machine");
        let asked = self.asked().map(|question| String::from_utf8_lossy(&question).into_owned());
        assert_eq!(asked, None, "somebody asked for a name");
    }
}

/// A topic into a queue.
async fn messages(client: &Client) {
    let queue = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let topic = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    let (url, topic) = (&queue["QueueUrl"], &topic["TopicArn"]);
    let arn = "arn:aws:sqs:us-east-1:000000000000:q";
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage",
        "Principal": {"Service": "sns.amazonaws.com"}, "Resource": arn}]});
    let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", input).await.ok();
    let input = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn});
    client.call("sns", "Subscribe", input).await.ok();
    client.call("sns", "Publish", json!({"TopicArn": topic, "Message": "hello"})).await.ok();
    let input = json!({"QueueUrl": url, "WaitTimeSeconds": 10});
    let got = client.call("sqs", "ReceiveMessage", input).await.ok();
    assert!(got["Messages"][0]["Body"].as_str().unwrap().contains("hello"), "{got}");
}

/// An object, and an item of a table.
async fn objects_and_items(client: &Client) {
    client.call("s3", "CreateBucket", json!({"Bucket": "photos"})).await.ok();
    let body = vec![b'x'; 3 << 20];
    let input = json!({"Bucket": "photos", "Key": "hi"});
    client.call_with_body("s3", "PutObject", input.clone(), Some(body.clone().into())).await.ok();
    let got = client.call("s3", "GetObject", input).await;
    assert_eq!((got.status, got.body.as_ref()), (200, body.as_slice()));
    let table = json!({"TableName": "notes", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    client.call("dynamodb", "CreateTable", table).await.ok();
    let item = json!({"id": {"S": "one"}, "n": {"N": "1"}});
    client.call("dynamodb", "PutItem", json!({"TableName": "notes", "Item": item})).await.ok();
    let input = json!({"TableName": "notes", "Key": {"id": {"S": "one"}}});
    assert_eq!(client.call("dynamodb", "GetItem", input).await.ok()["Item"], item);
}

/// The newest Python of this machine, as Lambda names it.
async fn runtime() -> String {
    let places = usual_places(std::env::var_os("PATH").as_deref(), std::env::home_dir().as_deref());
    let found = discover(&places).await;
    let newest = found.iter().filter(|r| r.language == Language::Python).map(|r| r.version.minor).max();
    format!("python3.{}", newest.expect("a Python interpreter on this machine"))
}

/// A stack with a role and a function, which runs, writes its log, and goes with its stack.
async fn stack(client: &Client) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]});
    let code = "def handler(event, context):\n    print('ran')\n    return {'got': event}\n";
    let template = json!({"Resources": {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust,
            "Policies": [{"PolicyName": "logs", "PolicyDocument": rights}]}},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": "f", "Runtime": runtime().await, "Handler": "index.handler", "Code": {"ZipFile": code},
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}}}}});
    let input = json!({"StackName": "s", "TemplateBody": template.to_string(), "Capabilities": ["CAPABILITY_IAM"]});
    client.call("cloudformation", "CreateStack", input).await.ok();
    let status = settled(client).await;
    assert_eq!(status, "CREATE_COMPLETE");
    let input = json!({"FunctionName": "f", "Payload": text::base64(b"{\"a\": 1}")});
    let answer = client.call("lambda", "Invoke", input).await;
    let output: Json = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, output), (200, json!({"got": {"a": 1}})));
    assert!(logged(client).await, "what the function prints is in its log");
    client.call("cloudformation", "DeleteStack", json!({"StackName": "s"})).await.ok();
    assert!(settled(client).await.is_empty(), "the stack is gone");
    let gone = client.call("lambda", "Invoke", json!({"FunctionName": "f"})).await;
    assert_eq!(gone.status, 404, "{}", gone.json);
}

/// The status of the stack, once it has come to rest; empty when there is none.
async fn settled(client: &Client) -> String {
    for _ in 0..1_200 {
        let answer = client.call("cloudformation", "DescribeStacks", json!({"StackName": "s"})).await;
        let status = answer.json["Stacks"][0]["StackStatus"].as_str().unwrap_or_default().to_owned();
        if !status.ends_with("IN_PROGRESS") {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the stack never came to rest");
}

async fn logged(client: &Client) -> bool {
    for _ in 0..200 {
        let answer = client.call("logs", "FilterLogEvents", json!({"logGroupName": "/aws/lambda/f"})).await;
        let events = answer.json["events"].as_array().cloned().unwrap_or_default();
        if events.iter().any(|e| e["message"].as_str().is_some_and(|m| m.contains("ran"))) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
