//! What policies ask of the request itself: how it came, what it says of its body; and whom no policy locks out.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use undercast_testkit::Folder;

use super::*;
use crate::hostile::{request, say};

/// Denies an action under a condition. The root user is bound by it as everybody is.
async fn deny(client: &Client, action: &str, condition: Json) {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": action,
        "Resource": "arn:aws:s3:::guarded/*", "Condition": condition}]});
    call(client, "PutBucketPolicy", json!({"Bucket": "guarded", "Policy": policy.to_string()})).await.ok();
}

/// The status of an answer over TLS of one version.
async fn over_tls(cloud: &Cloud, folder: &Folder, version: &'static SupportedProtocolVersion, bytes: &[u8]) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.0.join("ca/undercast-ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots);
    let tcp = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config.with_no_client_auth())).connect(name, tcp).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The end of the answer is the end of the connection, said or not.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn policies_see_the_version_of_tls() {
    let folder = Folder::new();
    let cloud = Cloud::in_folder(services(), &folder).await;
    let client = cloud.client();
    bucket(&client, "guarded").await;
    put(&client, "guarded", "k", b"x").await;
    let get = request("GET", "/guarded/k", &[], b"");
    undercast_authority::Authority::load(&undercast_authority::folder(&folder.0)).unwrap();
    deny(&client, "s3:GetObject", json!({"NumericLessThan": {"s3:TlsVersion": "1.3"}})).await;
    assert_eq!(over_tls(&cloud, &folder, &TLS12, &get).await, 403);
    assert_eq!(over_tls(&cloud, &folder, &TLS13, &get).await, 200);
    assert_eq!(say(&cloud, &get).await.status, 200, "without TLS there is no version to compare");
    deny(&client, "s3:GetObject", json!({"Bool": {"aws:SecureTransport": "false"}})).await;
    assert_eq!(over_tls(&cloud, &folder, &TLS12, &get).await, 200);
    assert_eq!(say(&cloud, &get).await.status, 403);
    deny(&client, "s3:GetObject", json!({"Null": {"s3:TlsVersion": "true"}})).await;
    assert_eq!(over_tls(&cloud, &folder, &TLS13, &get).await, 200);
    assert_eq!(say(&cloud, &get).await.status, 403);
}

#[tokio::test]
async fn policies_see_what_is_said_of_a_body() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "guarded").await;
    deny(&client, "s3:PutObject", json!({"StringEquals": {"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}})).await;
    assert_eq!(say(&cloud, &request("PUT", "/guarded/k", &[], b"x")).await.status, 403);
    put(&client, "guarded", "k", b"x").await;
    let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let signed = request("PUT", "/guarded/k", &[("x-amz-content-sha256", hash)], b"x");
    assert_eq!(say(&cloud, &signed).await.status, 200);
}

#[tokio::test]
async fn whoever_locks_itself_out_is_let_in_again_by_the_root_user() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let input = json!({"UserName": "ann", "PolicyName": "all", "PolicyDocument": all.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    bucket(&ann, "guarded").await;
    let nobody = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::guarded", "arn:aws:s3:::guarded/*"]}]});
    let lock = json!({"Bucket": "guarded", "Policy": nobody.to_string()});
    // AWS does not ask whether it is meant.
    call(&ann, "PutBucketPolicy", lock.clone()).await.ok();
    for (operation, input) in [("GetBucketPolicy", json!({"Bucket": "guarded"})), ("PutBucketPolicy", lock.clone())] {
        assert_eq!(call(&ann, operation, input).await.status, 403, "{operation}");
    }
    assert_eq!(
        call(&root, "ListObjectsV2", json!({"Bucket": "guarded"})).await.status,
        403,
        "it is denied all but this:"
    );
    call(&root, "GetBucketPolicy", json!({"Bucket": "guarded"})).await.ok();
    call(&root, "PutBucketPolicy", lock).await.ok();
    let other = cloud.client_of(Credentials::new("111111111111", "x"));
    assert_eq!(call(&other, "DeleteBucketPolicy", json!({"Bucket": "guarded"})).await.status, 403);
    call(&root, "DeleteBucketPolicy", json!({"Bucket": "guarded"})).await.ok();
    call(&ann, "ListObjectsV2", json!({"Bucket": "guarded"})).await.ok();
}

#[tokio::test]
async fn who_has_it_already_is_told_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "kept").await;
    let tag = put(&client, "kept", "k", b"hello").await["ETag"].clone();
    let (long_ago, later) = ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    for (condition, value, status) in [
        ("IfMatch", tag.clone(), 200),
        ("IfMatch", json!("\"other\""), 412),
        ("IfNoneMatch", tag, 304),
        ("IfNoneMatch", json!("\"other\""), 200),
        ("IfModifiedSince", json!(long_ago), 200),
        ("IfUnmodifiedSince", json!(later), 200),
        ("IfUnmodifiedSince", json!(long_ago), 412),
    ] {
        for operation in ["GetObject", "HeadObject"] {
            let answer = call(&client, operation, json!({"Bucket": "kept", "Key": "k", condition: value})).await;
            assert_eq!(answer.status, status, "{operation} {condition} {value}");
            let wanted = if status == 200 && operation == "GetObject" { &b"hello"[..] } else { b"" };
            assert!(answer.body == wanted || status == 412, "{operation} {condition} {value}: {:?}", answer.body);
        }
    }
    // A moment that has not come yet is no condition; the one of the writing itself is.
    let head = call(&client, "HeadObject", json!({"Bucket": "kept", "Key": "k"})).await;
    let since = head.json["LastModified"].clone();
    for operation in ["GetObject", "HeadObject"] {
        let answer = call(&client, operation, json!({"Bucket": "kept", "Key": "k", "IfModifiedSince": since})).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{operation}");
    }
}
