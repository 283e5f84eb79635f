//! The program as a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use undercast_kernel::Service;
use undercast_kernel::wire::{Body, Request};
use undercast_testkit::{Client, Credentials};

/// The program with these arguments.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_undercast"));
    program.args(arguments).stdin(Stdio::null());
    program
}

/// A port that nobody has. It is below those that the system gives to outgoing connections, of which one could have it
/// while a cloud is down between two starts.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until there are so many more of something that these make, on a machine however busy: a disk that is given gigabytes
/// of something else lets who waits for it wait for minutes.
pub(crate) async fn at_work(work: &[JoinHandle<()>], count: impl Fn() -> usize, more: usize) {
    let (enough, began) = (count() + more, Instant::now());
    while count() < enough {
        assert!(!work.iter().all(JoinHandle::is_finished), "all got no answer, while the cloud is there");
        assert!(began.elapsed() < Duration::from_secs(300), "nothing is done any more");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the clients of these tests call; only their tables are used.
pub(crate) fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(undercast_acm::Acm::default()),
        Arc::new(undercast_application_autoscaling::ApplicationAutoScaling),
        Arc::new(undercast_cloudformation::CloudFormation),
        Arc::new(undercast_cloudwatch::CloudWatch),
        Arc::new(undercast_dynamodb::DynamoDb::default()),
        Arc::new(undercast_events::Events::default()),
        Arc::new(undercast_firehose::Firehose::default()),
        Arc::new(undercast_glue::Glue),
        Arc::new(undercast_iam::Iam),
        Arc::new(undercast_kinesis::Kinesis::default()),
        Arc::new(undercast_kms::Kms),
        Arc::new(undercast_lambda::Lambda::new(Vec::new())),
        Arc::new(undercast_logs::Logs),
        Arc::new(undercast_organizations::Organizations::default()),
        Arc::new(undercast_pipes::Pipes::default()),
        Arc::new(undercast_s3::S3::default()),
        Arc::new(undercast_s3::S3Control),
        Arc::new(undercast_scheduler::Scheduler),
        Arc::new(undercast_schemas::Schemas),
        Arc::new(undercast_secretsmanager::SecretsManager),
        Arc::new(undercast_sns::Sns),
        Arc::new(undercast_stepfunctions::StepFunctions::default()),
        Arc::new(undercast_sqs::Sqs),
        Arc::new(undercast_ssm::Ssm),
        Arc::new(undercast_sts::Sts),
    ]
}

/// A cloud in a process of its own, killed when dropped.
pub(crate) struct Cloud {
    pub(crate) process: Child,
    pub(crate) port: u16,
    pub(crate) client: Client,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Cloud {
    /// One with these arguments on a free port, which keeps its state, or its snapshots, in `home`.
    pub(crate) fn start(home: &Path, arguments: &[&str]) -> Self {
        Self::on(free_port(), home, arguments)
    }

    /// The same on this port.
    pub(crate) fn on(port: u16, home: &Path, arguments: &[&str]) -> Self {
        Self::listening(&format!("127.0.0.1:{port}"), port, home, arguments)
    }

    /// The same on several addresses, of which this port is one.
    pub(crate) fn listening(addresses: &str, port: u16, home: &Path, arguments: &[&str]) -> Self {
        let mut up = program(&["up", "--listen", addresses]);
        up.args(arguments).env("UNDERCAST_DATA", home).env("UNDERCAST_LOG", "error");
        Self::spawn(up, port)
    }

    /// The one that this command starts on this port.
    pub(crate) fn spawn(mut up: Command, port: u16) -> Self {
        up.stdout(Stdio::null());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let client = Client::new(address, services(), Credentials::new("test", "test"));
        let mut cloud = Self { process: up.spawn().unwrap(), port, client };
        for _ in 0..1_000 {
            if let Some(status) = cloud.process.try_wait().unwrap() {
                panic!("the cloud ended with {status} instead of starting");
            }
            if std::net::TcpStream::connect(address).is_ok() {
                return cloud;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the cloud did not start");
    }

    /// Runs a command that asks this cloud.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        program(&["--endpoint", &endpoint]).args(arguments).output().unwrap()
    }

    /// The same for one that must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The same for one that must fail, and say why.
    pub(crate) fn no(&self, arguments: &[&str], why: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
    }

    /// Waits until the program ends by itself.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < within, "the program did not end within {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What one of the cloud's own endpoints answers.
    pub(crate) async fn get(&self, path: &str) -> (u16, Json) {
        let mut headers = http::HeaderMap::new();
        headers.insert("host", http::HeaderValue::from_static("localhost"));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Body::empty(),
        };
        let (status, _, body) = self.client.send(request).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Makes a queue, and gives its URL.
    pub(crate) async fn queue(&self, name: &str) -> String {
        let made = self.client.call("sqs", "CreateQueue", json!({"QueueName": name})).await.ok();
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// The names of all queues.
    pub(crate) async fn queues(&self) -> Vec<String> {
        let answer = self.client.call("sqs", "ListQueues", json!({})).await.ok();
        let urls = answer["QueueUrls"].as_array().cloned().unwrap_or_default();
        urls.iter().map(|url| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    }
}
