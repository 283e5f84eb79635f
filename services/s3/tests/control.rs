//! S3 Control through a real socket.

use serde_json::{Value as Json, json};
use undercast_testkit::{Answer, Client, Cloud, Credentials};
use undercast_wire::{Bytes, Request};

use super::{bucket, call, put, services};

const ME: &str = "000000000000";

async fn control(client: &Client, operation: &str, input: Json) -> Answer {
    let mut input = input;
    input["AccountId"] = json!(client_account(client));
    client.call("s3control", operation, input).await
}

/// The account of a client's key.
fn client_account(client: &Client) -> &str {
    let key = client.credentials.key.as_str();
    if key.len() == 12 { key } else { ME }
}

/// A request as SDKs send it, to a host that they made up.
fn request(method: &str, host: &str, path: &str, body: &[u8]) -> Request {
    let mut headers = http::HeaderMap::new();
    headers.insert("host", host.parse().unwrap());
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers,
        body: Bytes::copy_from_slice(body).into(),
    }
}

async fn signed(client: &Client, mut request: Request) -> (u16, String) {
    client.sign(&mut request, &undercast_s3::api::SERVICE);
    let (status, _, body) = client.send(request).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn allow(principal: Json, action: &str, resource: Json) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}]})
        .to_string()
}

#[tokio::test]
async fn the_account_joins_the_settings_of_its_buckets() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    bucket(&owner, "open").await;
    put(&owner, "open", "k", b"x").await;
    call(&owner, "DeletePublicAccessBlock", json!({"Bucket": "open"})).await.ok();
    let policy = allow(json!("*"), "s3:GetObject", json!("arn:aws:s3:::open/*"));
    call(&owner, "PutBucketPolicy", json!({"Bucket": "open", "Policy": policy})).await.ok();
    call(&other, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.ok();
    let restrict = json!({"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": true}});
    control(&owner, "PutPublicAccessBlock", restrict).await.ok();
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.code(), "AccessDenied");
    call(&owner, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.ok();
    control(&owner, "DeletePublicAccessBlock", json!({})).await.ok();
    call(&other, "GetObject", json!({"Bucket": "open", "Key": "k"})).await.ok();
    let denied = other.call("s3control", "GetPublicAccessBlock", json!({"AccountId": ME})).await;
    assert_eq!((denied.status, denied.code()), (403, "AccessDenied"));
}

#[tokio::test]
async fn control_requests_are_told_from_buckets_by_their_header() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let port = cloud.address.port();
    let path = "/v20180820/configuration/publicAccessBlock";
    let host = format!("{ME}.localhost:{port}");
    let mut asked = request("GET", &host, path, b"");
    asked.headers.insert("x-amz-account-id", ME.parse().unwrap());
    let (status, body) = signed(&client, asked).await;
    assert!(status == 404 && body.contains("<Code>NoSuchPublicAccessBlockConfiguration</Code>"), "{status} {body}");
    assert!(body.contains("<ErrorResponse"), "{body}");
    // What AWS has and Undercast has not says so.
    let mut asked = request("GET", &host, "/v20180820/storagelens/x", b"");
    asked.headers.insert("x-amz-account-id", ME.parse().unwrap());
    let (status, body) = signed(&client, asked).await;
    assert!(status == 501 && body.contains("s3control.GetStorageLensConfiguration"), "{status} {body}");
    // Without the header it is a key in a bucket of that name.
    bucket(&client, "v20180820").await;
    put(&client, "v20180820", "configuration/publicAccessBlock", b"mine").await;
    let plain = format!("localhost:{port}");
    assert_eq!(signed(&client, request("GET", &plain, path, b"")).await, (200, "mine".to_owned()));
    put(&client, "v20180820", "bucket/x", b"mine").await;
    let asked = request("GET", &plain, "/v20180820/bucket/x", b"");
    assert_eq!(signed(&client, asked).await, (200, "mine".to_owned()));
}
