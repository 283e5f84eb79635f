//! What the tests have in common: a cloud, requests that no client would make, and bytes as they are.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use undercast_kernel::Service;
use undercast_testkit::{Client, Cloud};
use undercast_wire::Request;

pub(crate) async fn cloud() -> Cloud {
    let services: Vec<Arc<dyn Service>> = vec![
        Arc::new(undercast_dynamodb::DynamoDb::default()),
        Arc::new(undercast_iam::Iam),
        Arc::new(undercast_lambda::Lambda::new(Vec::new())),
        Arc::new(undercast_s3::S3::default()),
        Arc::new(undercast_sns::Sns),
        Arc::new(undercast_sqs::Sqs),
    ];
    Cloud::start(services).await
}

/// A request with these headers and nothing else.
pub(crate) fn unsigned(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut all = http::HeaderMap::new();
    for (name, value) in headers {
        all.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: all,
        body: body.to_vec().into(),
    }
}

/// A request for a service, as somebody signs it whose key was not issued here: for the root user.
pub(crate) fn request(service: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let credential = format!("test/20260101/us-east-1/{service}/aws4_request");
    let signature = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00");
    let mut signed = vec![("host", "localhost"), ("x-amz-date", "20260101T000000Z"), ("authorization", &signature)];
    if service == "s3" {
        signed.push(("x-amz-content-sha256", "UNSIGNED-PAYLOAD"));
    }
    unsigned(method, target, &[&signed, headers].concat(), body)
}

/// A call of the JSON protocol.
pub(crate) fn json_call(service: &str, target: &str, body: &[u8]) -> Request {
    let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
    request(service, "POST", "/", &headers, body)
}

/// A call of the query protocol.
pub(crate) fn form_call(service: &str, form: &[u8]) -> Request {
    request(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], form)
}

/// Sends a request that must be refused: with this status, and with this code in its headers or body.
pub(crate) async fn refused(client: &Client, request: Request, status: u16, code: &str) {
    let what = format!("{} {}?{} {:?}", request.method, request.path, request.query, request.headers);
    refuses(client, vec![(request, what.as_bytes())], status, code).await;
}

/// The same for several, each with what is said of it when it is not refused.
pub(crate) async fn refuses(client: &Client, cases: Vec<(Request, &[u8])>, status: u16, code: &str) {
    for (request, what) in cases {
        let (found, headers, answer) = client.send(request).await;
        let answer = format!("{headers:?} {}", String::from_utf8_lossy(&answer));
        let what = String::from_utf8_lossy(&what[..what.len().min(600)]);
        assert!(found == status && answer.contains(code), "{status} {code} expected, found {found} {answer}: {what}");
    }
}

/// A connection to the cloud.
pub(crate) async fn connect(cloud: &Cloud) -> TcpStream {
    TcpStream::connect(cloud.address).await.unwrap()
}

/// All that comes until the other side hangs up, which it must.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    match read.expect("the other side hangs up") {
        Ok(_) => {}
        // It hung up before it read all that was sent.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes as they are, and gives what comes back.
pub(crate) async fn say(cloud: &Cloud, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(cloud).await;
    // It may hang up while it is being told.
    let _ = stream.write_all(bytes.as_ref()).await;
    rest(&mut stream).await
}

/// Names of all queues.
pub(crate) async fn queues(client: &Client) -> Vec<String> {
    let answer = client.call("sqs", "ListQueues", json!({})).await.ok();
    let urls = answer["QueueUrls"].as_array().cloned().unwrap_or_default();
    urls.iter().map(|url| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}
