//! The real program, killed without warning under load, again and again: what it acknowledged is there, and nothing is half there.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "there is no kernel here")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::Service;
use undercast_testkit::{Client, Credentials, Folder};

const CRASHES: u32 = 100;

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(undercast_dynamodb::DynamoDb::default()), Arc::new(undercast_sqs::Sqs)]
}

/// A cloud in a process of its own, killed when dropped.
struct Cloud(Child);

impl Drop for Cloud {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(folder: &Folder, port: u16) -> Cloud {
    let mut up = Command::new(env!("CARGO_BIN_EXE_undercast"));
    up.args(["up", "--listen", &format!("127.0.0.1:{port}"), "--log", "error", "--data"]).arg(&folder.0);
    let cloud = Cloud(up.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap());
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return cloud;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the cloud did not start");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

type Acknowledged = Arc<Mutex<BTreeSet<String>>>;

/// Writes until there is no answer any more.
async fn load(client: Client, url: String, name: String, messages: Acknowledged, pairs: Acknowledged) {
    for n in 0.. {
        let id = format!("{name}-{n}");
        let sent = client.try_call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": id})).await;
        match sent.map(|a| a.status) {
            Some(200) => drop(messages.lock().unwrap().insert(id.clone())),
            _ => return,
        }
        let put = |side: &str| json!({"Put": {"TableName": "pairs", "Item": {"id": {"S": format!("{id}/{side}")}}}});
        let written = client
            .try_call("dynamodb", "TransactWriteItems", json!({"TransactItems": [put("left"), put("right")]}))
            .await;
        match written.map(|a| a.status) {
            Some(200) => drop(pairs.lock().unwrap().insert(id)),
            _ => return,
        }
    }
}

/// Waits until so many more pairs are acknowledged, on a machine however busy.
async fn at_work(pairs: &Acknowledged, more: usize) {
    let count = || pairs.lock().unwrap().len();
    let enough = count() + more;
    for _ in 0..30_000 {
        if count() >= enough {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("nothing is acknowledged any more");
}

async fn scan(client: &Client) -> BTreeSet<String> {
    let (mut found, mut start) = (BTreeSet::new(), Json::Null);
    loop {
        let input = if start.is_null() {
            json!({"TableName": "pairs"})
        } else {
            json!({"TableName": "pairs", "ExclusiveStartKey": start})
        };
        let page = client.call("dynamodb", "Scan", input).await.ok();
        found.extend(page["Items"].as_array().unwrap().iter().map(|i| i["id"]["S"].as_str().unwrap().to_owned()));
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_hundred_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let client = Client::new(SocketAddr::from(([127, 0, 0, 1], port)), services(), Credentials::new("test", "test"));
    let (messages, pairs): (Acknowledged, Acknowledged) = (Arc::default(), Arc::default());
    let mut cloud = start(&folder, port);
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let table = json!({"TableName": "pairs", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                       "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    client.call("dynamodb", "CreateTable", table).await.ok();
    for crash in 0..CRASHES {
        let work: Vec<_> = (0..8)
            .map(|w| {
                tokio::spawn(load(client.clone(), url.clone(), format!("{crash}.{w}"), messages.clone(), pairs.clone()))
            })
            .collect();
        at_work(&pairs, 4 + (crash * 7 % 20) as usize).await;
        // Moments spread over the groups that are being committed.
        tokio::time::sleep(Duration::from_micros(u64::from(crash * 577 % 10_000))).await;
        drop(cloud);
        for task in work {
            task.await.unwrap();
        }
        cloud = start(&folder, port);
    }
    let found = scan(&client).await;
    let pairs = pairs.lock().unwrap().clone();
    assert!(pairs.len() > 4 * CRASHES as usize, "only {} pairs were acknowledged", pairs.len());
    for id in &pairs {
        assert!(
            found.contains(&format!("{id}/left")) && found.contains(&format!("{id}/right")),
            "{id} was acknowledged and is not there"
        );
    }
    for one in &found {
        let other =
            one.strip_suffix("/left").map_or_else(|| one.replace("/right", "/left"), |id| format!("{id}/right"));
        assert!(found.contains(&other), "{one} is there without its other half");
    }
    let mut left = messages.lock().unwrap().clone();
    let sent = left.len();
    while !left.is_empty() {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let page = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(got) = page["Messages"].as_array() else { break };
        for message in got {
            left.remove(message["Body"].as_str().unwrap());
        }
    }
    assert!(left.is_empty(), "{} of {sent} acknowledged messages are gone: {left:?}", left.len());
    drop(cloud);
}
