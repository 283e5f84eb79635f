//! HTTP endpoints: what they are sent, and what becomes of what they do not take.

use std::io::Read as _;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Cloud};

use crate::support::{BUCKET, ROLE, advance, call, cloud, keys, metric, only, put};

/// What an endpoint was sent.
#[derive(Debug, Clone)]
struct Got {
    head: String,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Json {
        let mut plain = Vec::new();
        if self.header("content-encoding") == Some("gzip") {
            flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut plain).unwrap();
        } else {
            plain.clone_from(&self.body);
        }
        serde_json::from_slice(&plain).unwrap()
    }

    fn records(&self) -> Vec<String> {
        let records = self.json()["records"].as_array().unwrap().clone();
        let text = |one: &Json| String::from_utf8(text::unbase64(one["data"].as_str().unwrap()).unwrap()).unwrap();
        records.iter().map(text).collect()
    }
}

/// A server over TLS, whose CA is the cloud's own. It answers with one status after the other, and then with 200.
struct Endpoint {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

fn acceptor(cloud: &Cloud) -> TlsAcceptor {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let folder = cloud.kernel.settings().files.join("ca");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("undercast-ca.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![CertificateDer::from(own)], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Endpoint {
    async fn new(cloud: &Cloud, answers: &[(u16, bool)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/in?x=1", listener.local_addr().unwrap().port());
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (kept, acceptor) = (got.clone(), acceptor(cloud));
        let mut answers = Vec::from(answers).into_iter();
        #[expect(clippy::disallowed_methods, reason = "the server is not of the cloud")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
                let got = loop {
                    let end = all.windows(4).position(|four| four == b"\r\n\r\n");
                    if let Some(end) = end {
                        let head = String::from_utf8(all[..end].to_vec()).unwrap();
                        let got = Got { head, body: all[end + 4..].to_vec() };
                        if got.body.len() >= got.header("content-length").unwrap().parse().unwrap() {
                            break got;
                        }
                    }
                    let count = stream.read(&mut buffer).await.unwrap();
                    all.extend_from_slice(&buffer[..count]);
                };
                let (status, right) = answers.next().unwrap_or((200, true));
                let id = if right { got.json()["requestId"].clone() } else { json!("another") };
                let body = json!({"requestId": id, "timestamp": 1, "errorMessage": "no"}).to_string();
                kept.lock().unwrap().push(got);
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
                stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn create(client: &Client, endpoint: &Endpoint, more: Json) {
    let mut destination = json!({
        "EndpointConfiguration": {"Url": endpoint.url, "Name": "mine", "AccessKey": "secret"},
        "S3Configuration": {"RoleARN": ROLE, "BucketARN": BUCKET, "ErrorOutputPrefix": "bad/!{firehose:error-output-type}/"},
        "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1}, "RetryOptions": {"DurationInSeconds": 120},
    });
    destination.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let input = json!({"DeliveryStreamName": "s", "HttpEndpointDestinationConfiguration": destination});
    call(client, "CreateDeliveryStream", input).await;
}

#[tokio::test]
async fn records_are_posted_as_the_guide_says() {
    let (cloud, client) = cloud().await;
    let endpoint = Endpoint::new(&cloud, &[]).await;
    let attributes = json!([{"AttributeName": "team", "AttributeValue": "web"}]);
    create(
        &client,
        &endpoint,
        json!({"RequestConfiguration": {"ContentEncoding": "GZIP", "CommonAttributes": attributes},
        "S3BackupMode": "AllData", "RoleARN": ROLE}),
    )
    .await;
    put(&client, "one").await;
    put(&client, "two").await;
    advance(&cloud, 61).await;
    let got = endpoint.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].records(), ["one", "two"]);
    assert!(got[0].head.starts_with("POST /in?x=1 HTTP/1.1"), "{}", got[0].head);
    let id = got[0].json()["requestId"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("x-amz-firehose-protocol-version", "1.0"),
        ("x-amz-firehose-request-id", &*id),
        ("x-amz-firehose-source-arn", "arn:aws:firehose:us-east-1:000000000000:deliverystream/s"),
        ("x-amz-firehose-access-key", "secret"),
        ("x-amz-firehose-common-attributes", r#"{"commonAttributes":{"team":"web"}}"#),
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(got[0].header(name), Some(value), "{name}");
    }
    assert_eq!(only(&client, "").await, "onetwo");
    assert_eq!(metric(&cloud, "DeliveryToHttpEndpoint.Records").await, Some(2.0));

    // The key that it is sent is told to nobody.
    let told = call(&client, "DescribeDeliveryStream", json!({"DeliveryStreamName": "s"})).await;
    let told = &told["DeliveryStreamDescription"]["Destinations"][0];
    assert!(told["S3DestinationDescription"].is_null() && !told.to_string().contains("secret"), "{told}");
    let told = &told["HttpEndpointDestinationDescription"];
    assert_eq!((&told["EndpointConfiguration"]["Name"], &told["S3BackupMode"]), (&json!("mine"), &json!("AllData")));
}

#[tokio::test]
async fn a_refusal_is_tried_again_and_then_kept() {
    let (cloud, client) = cloud().await;
    let endpoint = Endpoint::new(&cloud, &[(503, true), (200, false), (200, true)]).await;
    create(&client, &endpoint, json!({})).await;
    put(&client, "comes").await;
    advance(&cloud, 180).await;
    // The same request each time, until it is taken.
    let got = endpoint.got();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|one| one.json()["requestId"] == got[0].json()["requestId"] && one.records() == ["comes"]));
    assert_eq!(keys(&client).await, Vec::<String>::new());

    let refusing = Endpoint::new(&cloud, &[(500, true); 50]).await;
    let version = json!({"DeliveryStreamName": "s", "CurrentDeliveryStreamVersionId": "1", "DestinationId": "destinationId-000000000001",
        "HttpEndpointDestinationUpdate": {"EndpointConfiguration": {"Url": refusing.url}, "RetryOptions": {"DurationInSeconds": 30},
            "S3Update": {"Prefix": "x/"}, "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 1}, "S3BackupMode": "FailedDataOnly",
            "RoleARN": ROLE, "CloudWatchLoggingOptions": {"Enabled": false}, "ProcessingConfiguration": {"Enabled": false},
            "RequestConfiguration": {"ContentEncoding": "NONE"}}});
    call(&client, "UpdateDestination", version).await;
    put(&client, "stays").await;
    advance(&cloud, 300).await;
    assert!(refusing.got().len() > 1 && refusing.got()[0].header("x-amz-firehose-access-key").is_none());
    let failed: Json = serde_json::from_str(only(&client, "bad/http-endpoint-failed/").await.trim()).unwrap();
    assert_eq!(failed["errorCode"], "HttpEndpoint.DestinationException");
    assert_eq!(text::unbase64(failed["rawData"].as_str().unwrap()).unwrap(), b"stays");
    // A stream to an endpoint stays one.
    let other = json!({"DeliveryStreamName": "s", "CurrentDeliveryStreamVersionId": "2", "DestinationId": "destinationId-000000000001",
        "ExtendedS3DestinationUpdate": {"Prefix": "y/"}});
    assert_eq!(client.call("firehose", "UpdateDestination", other).await.code(), "InvalidArgumentException");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (cloud, client) = cloud().await;
    let endpoint = Endpoint::new(&cloud, &[]).await;
    // Another CA takes the place of the one that vouched for it.
    drop(acceptor(&cloud));
    create(&client, &endpoint, json!({"RetryOptions": {"DurationInSeconds": 0}})).await;
    put(&client, "stays").await;
    advance(&cloud, 120).await;
    assert_eq!(endpoint.got().len(), 0);
    assert!(only(&client, "bad/").await.contains("HttpEndpoint.ConnectionFailed"));
}
