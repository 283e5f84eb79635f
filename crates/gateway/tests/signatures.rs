//! Signatures that are wrong, too old, or of another request. The key is one that was issued here, so it is verified.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use undercast_kernel::Timestamp;
use undercast_testkit::{Client, Cloud, Credentials};
use undercast_wire::sigv4::{self, Signature};
use undercast_wire::{Body, Request, text};

use crate::raw::{cloud, queues, refused, unsigned};

/// A client with a key that was issued here, whose owner may do everything.
async fn user(cloud: &Cloud) -> Client {
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let policy = json!({"UserName": "ann", "PolicyName": "all", "PolicyDocument": all.to_string()});
    root.call("iam", "PutUserPolicy", policy).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": "ann"})).await.ok()["AccessKey"].clone();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

fn create_queue(name: &str) -> Request {
    let headers = [("x-amz-target", "AmazonSQS.CreateQueue"), ("content-type", "application/x-amz-json-1.0")];
    unsigned("POST", "/", &headers, json!({"QueueName": name}).to_string().as_bytes())
}

fn list_users() -> Request {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    unsigned("POST", "/", &headers, b"Action=ListUsers&Version=2010-05-08")
}

/// Signed as a service's API asks for, some minutes ago.
fn signed(cloud: &Cloud, client: &Client, service: &str, mut request: Request, minutes_ago: i64) -> Request {
    let api = cloud.kernel.service(service).unwrap().api();
    let now = Timestamp::from_second(cloud.kernel.clock().now().as_second() - 60 * minutes_ago).unwrap();
    client.sign_at(&mut request, api, now);
    request
}

/// A URL of S3 that was signed some seconds ago and is good for so many.
fn presigned(cloud: &Cloud, client: &Client, path: &str, ago: i64, good_for: u64) -> Request {
    let signed_at = Timestamp::from_second(cloud.kernel.clock().now().as_second() - ago).unwrap();
    let stamp = sigv4::stamp(signed_at);
    let mut signature = Signature {
        algorithm: "AWS4-HMAC-SHA256".to_owned(),
        access_key: client.credentials.key.clone(),
        date: stamp[..8].to_owned(),
        region: client.region.clone(),
        service: "s3".to_owned(),
        signed_headers: "host".to_owned(),
        signature: String::new(),
        signed_at,
        stamp,
        token: None,
        expires: Some(good_for),
    };
    let mut credential = String::new();
    text::percent_encode(&format!("{}/{}", signature.access_key, signature.scope()), false, &mut credential);
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires={good_for}&X-Amz-SignedHeaders=host",
        signature.stamp
    );
    let host = format!("localhost:{}", cloud.address.port());
    let mut request = unsigned("GET", &format!("{path}?{query}"), &[("host", &host)], b"");
    let canonical = sigv4::canonical_request(&request, &signature, "UNSIGNED-PAYLOAD", true);
    let key = sigv4::signing_key(&client.credentials.secret, &signature.date, &signature.region, "s3");
    signature.signature = sigv4::sign(&key, &sigv4::string_to_sign(&signature, &canonical));
    request.query = format!("{query}&X-Amz-Signature={}", signature.signature);
    request
}

/// The same request with another Authorization header.
fn with_authorization(mut request: Request, change: impl FnOnce(&str) -> String) -> Request {
    let changed = change(request.header("authorization").unwrap());
    request.headers.insert("authorization", changed.parse().unwrap());
    request
}

#[tokio::test]
async fn headers_that_are_no_signature_are_refused() {
    let cloud = cloud().await;
    let client = user(&cloud).await;
    let make = |of: Request, service: &str, change: &dyn Fn(&str) -> String| {
        let mut request = with_authorization(signed(&cloud, &client, service, of, 0), change);
        // Without a signature it is the host that says for whom a request is.
        request.headers.insert("host", format!("{service}.us-east-1.localhost").parse().unwrap());
        request
    };
    let changes: Vec<Box<dyn Fn(&str) -> String>> = vec![
        Box::new(|_| "Bearer me".to_owned()),
        Box::new(|_| "AWS4-HMAC-SHA256".to_owned()),
        Box::new(|_| "AWS4-HMAC-SHA256 Credential=".to_owned()),
        Box::new(|h| h.replace("Signature=", "Sign=")),
        Box::new(|h| h.replace("SignedHeaders=", "Headers=")),
        Box::new(|h| h.replace("/aws4_request", "")),
        Box::new(|h| h.replace("/aws4_request", "/aws4_request/more")),
    ];
    for change in &changes {
        refused(&client, make(create_queue("q"), "sqs", change), 400, "IncompleteSignatureException").await;
        refused(&client, make(list_users(), "iam", change), 400, "IncompleteSignature").await;
    }
    let mut undated = signed(&cloud, &client, "sqs", create_queue("q"), 0);
    undated.headers.remove("x-amz-date");
    refused(&client, undated, 400, "IncompleteSignatureException").await;
    let mut unsigned = create_queue("q");
    unsigned.headers.insert("host", "sqs.us-east-1.localhost".parse().unwrap());
    refused(&client, unsigned, 400, "MissingAuthenticationTokenException").await;
    assert!(queues(&cloud.client()).await.is_empty());
}

#[tokio::test]
async fn a_signature_is_good_for_its_own_request_alone() {
    let cloud = cloud().await;
    let client = user(&cloud).await;
    let genuine = || signed(&cloud, &client, "sqs", create_queue("genuine"), 0);
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = genuine();
        change(&mut request);
        request
    };
    let changes: Vec<Box<dyn Fn(&mut Request)>> = vec![
        Box::new(|r| r.body = Body::from(json!({"QueueName": "another"}).to_string().into_bytes())),
        Box::new(|r| r.path = "/other".to_owned()),
        Box::new(|r| r.query = "a=b".to_owned()),
        Box::new(|r| r.method = "PUT".to_owned()),
        Box::new(|r| drop(r.headers.insert("x-amz-target", "AmazonSQS.DeleteQueue".parse().unwrap()))),
        Box::new(|r| drop(r.headers.insert("host", "127.0.0.1".parse().unwrap()))),
        Box::new(|r| drop(r.headers.insert("x-amz-date", "20260101T000000Z".parse().unwrap()))),
        Box::new(|r| drop(r.headers.remove("content-type"))),
    ];
    for change in &changes {
        refused(&client, changed(change), 400, "InvalidSignatureException").await;
    }
    let last = |h: &str| format!("{}{}", &h[..h.len() - 1], if h.ends_with('0') { '1' } else { '0' });
    refused(&client, with_authorization(genuine(), last), 400, "InvalidSignatureException").await;
    let region = |h: &str| h.replace("us-east-1", "eu-west-1");
    refused(&client, with_authorization(genuine(), region), 400, "InvalidSignatureException").await;
    assert!(queues(&cloud.client()).await.is_empty());
    // Within a quarter of an hour it may come twice, as on AWS.
    for _ in 0..2 {
        assert_eq!(client.send(genuine()).await.0, 200);
    }
    assert_eq!(queues(&cloud.client()).await, ["genuine"]);
}

#[tokio::test]
async fn a_signature_is_good_for_its_own_service_and_day_alone() {
    let cloud = cloud().await;
    let client = user(&cloud).await;
    let of_another = signed(&cloud, &client, "iam", create_queue("q"), 0);
    let why = "Credential should be scoped to correct service: 'sqs'.";
    refused(&client, of_another, 400, why).await;
    let genuine = || signed(&cloud, &client, "sqs", create_queue("q"), 0);
    let day = |h: &str| {
        let (head, rest) = h.split_once('/').unwrap();
        format!("{head}/20260101{}", &rest[8..])
    };
    refused(&client, with_authorization(genuine(), day), 400, "Date in Credential scope does not match").await;
    let without_host = |h: &str| h.replace("host;", "");
    let why = "must be a 'SignedHeader' in the AWS Authorization";
    refused(&client, with_authorization(genuine(), without_host), 400, why).await;
    assert!(queues(&cloud.client()).await.is_empty());
}

#[tokio::test]
async fn a_signature_that_is_replayed_later_is_refused() {
    let cloud = cloud().await;
    let client = user(&cloud).await;
    for (minutes, good) in [(14, true), (-14, true), (16, false), (-16, false)] {
        let name = format!("q{minutes}");
        let (status, _, body) = client.send(signed(&cloud, &client, "sqs", create_queue(&name), minutes)).await;
        let body = String::from_utf8_lossy(&body);
        assert_eq!((status == 200, body.contains("InvalidSignatureException")), (good, !good), "{minutes}: {body}");
    }
    refused(&client, signed(&cloud, &client, "iam", list_users(), 16), 403, "SignatureDoesNotMatch").await;
    let list = || unsigned("GET", "/", &[], b"");
    refused(&client, signed(&cloud, &client, "s3", list(), 16), 403, "RequestTimeTooSkewed").await;
    assert_eq!(client.send(signed(&cloud, &client, "s3", list(), 0)).await.0, 200);
    // Seen yesterday by the cloud's clock and the machine's alike.
    let captured = signed(&cloud, &client, "sqs", create_queue("yesterday"), 24 * 60);
    refused(&client, captured, 400, "InvalidSignatureException").await;
    assert_eq!(queues(&cloud.client()).await, ["q-14", "q14"]);
}

#[tokio::test]
async fn a_signed_url_ends_with_its_time_and_is_good_for_its_object_alone() {
    let cloud = cloud().await;
    let client = user(&cloud).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
    for key in ["one", "two"] {
        let input = json!({"Bucket": "bucket", "Key": key});
        client.call_with_body("s3", "PutObject", input, Some(key.as_bytes().to_vec().into())).await.ok();
    }
    let url = |ago, good_for| presigned(&cloud, &client, "/bucket/one", ago, good_for);
    let (status, _, body) = client.send(url(50, 60)).await;
    assert_eq!((status, body.as_ref()), (200, &b"one"[..]));
    refused(&client, url(120, 60), 403, "Request has expired").await;
    let other = Request { path: "/bucket/two".to_owned(), ..url(0, 60) };
    refused(&client, other, 403, "SignatureDoesNotMatch").await;
    let longer = url(120, 60);
    let longer = Request { query: longer.query.replace("Expires=60", "Expires=600"), ..longer };
    refused(&client, longer, 403, "SignatureDoesNotMatch").await;
    let for_ever = url(0, 604_801);
    refused(&client, for_ever, 400, "AuthorizationQueryParametersError").await;
    let good = url(0, 3_600);
    cloud.kernel.advance(Duration::from_secs(3_700)).await.unwrap();
    refused(&client, good, 403, "Request has expired").await;
}

#[tokio::test]
async fn a_body_that_is_not_the_signed_one_is_not_kept() {
    let cloud = cloud().await;
    let client = user(&cloud).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
    let put = |body: &[u8]| signed(&cloud, &client, "s3", unsigned("PUT", "/bucket/key", &[], body), 0);
    let mut swapped = put(b"what was signed");
    swapped.body = b"what was sent!!".to_vec().into();
    refused(&client, swapped, 400, "XAmzContentSHA256Mismatch").await;
    let mut emptied = put(b"what was signed");
    emptied.body = Body::empty();
    refused(&client, emptied, 400, "XAmzContentSHA256Mismatch").await;
    let mut claimed = put(b"what was signed");
    let other = text::hex_encode(&Sha256::digest(b"another"));
    claimed.headers.insert("x-amz-content-sha256", other.parse().unwrap());
    refused(&client, claimed, 403, "SignatureDoesNotMatch").await;
    let head = client.call("s3", "HeadObject", json!({"Bucket": "bucket", "Key": "key"})).await;
    assert_eq!(head.status, 404, "nothing of it is kept");
    assert_eq!(client.send(put(b"what was signed")).await.0, 200);
}
