//! The real program: its state saved, brought back, forked, emptied, carried in a file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use undercast_kernel::Service;
use undercast_testkit::{Client, Credentials, Folder};

struct Cloud {
    process: Child,
    port: u16,
    client: Client,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(undercast_sqs::Sqs), Arc::new(undercast_dynamodb::DynamoDb::default())]
}

impl Cloud {
    /// One with these arguments, whose saved states are kept under `home`.
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut up = Command::new(env!("CARGO_BIN_EXE_undercast"));
        up.args(["up", "--listen", &format!("127.0.0.1:{port}"), "--log", "error"]).args(arguments);
        up.env("UNDERCAST_DATA", home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let client =
            Client::new(SocketAddr::from(([127, 0, 0, 1], port)), services(), Credentials::new("test", "test"));
        let cloud = Self { process: up.spawn().unwrap(), port, client };
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return cloud;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the cloud did not start");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_undercast"));
        command.args(["--endpoint", &format!("http://127.0.0.1:{}", self.port)]).args(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn no(&self, arguments: &[&str], why: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
    }

    async fn make(&self, queue: &str) {
        self.client.call("sqs", "CreateQueue", json!({"QueueName": queue})).await.ok();
    }

    async fn queues(&self) -> Vec<String> {
        let answer = self.client.call("sqs", "ListQueues", json!({})).await.ok();
        let urls = answer["QueueUrls"].as_array().cloned().unwrap_or_default();
        urls.iter().map(|url| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    }
}

async fn through_it_all(home: &Folder, arguments: &[&str]) {
    let cloud = Cloud::start(&home.0, arguments);
    cloud.make("first").await;
    cloud.ok(&["snapshot", "save", "one"]);
    cloud.make("second").await;
    cloud.ok(&["snapshot", "load", "one"]);
    assert_eq!(cloud.queues().await, ["first"], "what came after the save is gone");

    let fork = home.0.join("fork");
    cloud.ok(&["snapshot", "fork", "one", fork.to_str().unwrap()]);
    cloud.no(&["snapshot", "fork", "one", fork.to_str().unwrap()], "is there already");
    let other = Cloud::start(&home.0, &["--data", fork.to_str().unwrap()]);
    other.make("of-the-fork").await;
    assert_eq!(other.queues().await, ["first", "of-the-fork"]);
    assert_eq!(cloud.queues().await, ["first"], "a fork does not touch what it was made of");

    let file = home.0.join("state.tar");
    other.ok(&["export", file.to_str().unwrap()]);
    cloud.ok(&["reset"]);
    assert!(cloud.queues().await.is_empty());
    cloud.ok(&["import", file.to_str().unwrap()]);
    assert_eq!(cloud.queues().await, ["first", "of-the-fork"]);

    cloud.no(&["snapshot", "load", "two"], "there is no snapshot `two`");
    cloud.no(&["snapshot", "load", "../one"], "there is no snapshot");
    cloud.no(&["snapshot", "save", "../one"], "the name of a snapshot");
    std::fs::write(&file, "nothing that was exported").unwrap();
    cloud.no(&["import", file.to_str().unwrap()], "is not an exported state");
    let listed = cloud.run(&["snapshot", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with("one "), "{listed:?}");
    assert_eq!(cloud.queues().await, ["first", "of-the-fork"], "what is refused changes nothing");
}

#[tokio::test]
async fn a_kept_state_is_saved_and_brought_back() {
    let home = Folder::new();
    let data = home.0.join("data");
    through_it_all(&home, &["--data", data.to_str().unwrap()]).await;
}

#[tokio::test]
async fn a_state_in_memory_is_saved_and_brought_back() {
    let home = Folder::new();
    through_it_all(&home, &["--ephemeral"]).await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_the_cloud_runs_on() {
    let home = Folder::new();
    let data = home.0.join("data");
    let cloud = Cloud::start(&home.0, &["--data", data.to_str().unwrap()]);
    cloud.make("first").await;
    cloud.ok(&["snapshot", "save", "one"]);
    let rows = data.join("snapshots/one/rows");
    let mut bytes = std::fs::read(&rows).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    cloud.no(&["snapshot", "load", "one"], "damaged");
    assert_eq!(cloud.queues().await, ["first"]);
}
