//! S3 through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod ages;
mod analyses;
mod annotations;
mod browsers;
mod by_hand;
mod conditions;
mod control;
mod everywhere;
mod failures;
mod fuzzed;
mod hostile;
mod jobs;
mod lists;
mod logs;
mod measures;
mod mfa;
mod model;
mod multi_region;
mod orc;
mod replicas;
mod select;
mod sharing;
mod sums;
mod templates;
mod tiers;
mod trail;
mod urls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_s3::{S3, S3Control};
use undercast_sns::Sns;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Answer, Client, Cloud, Credentials, conformance};
use undercast_wire::{Bytes, Request, text};

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(S3::default()), Arc::new(S3Control), Arc::new(Sns), Arc::new(Sqs), Arc::new(Iam), Arc::new(Sts)]
}

async fn call(client: &Client, operation: &str, input: Json) -> Answer {
    client.call("s3", operation, input).await
}

async fn bucket(client: &Client, name: &str) {
    call(client, "CreateBucket", json!({"Bucket": name})).await.ok();
}

async fn put(client: &Client, bucket: &str, key: &str, body: &[u8]) -> Json {
    client
        .call_with_body("s3", "PutObject", json!({"Bucket": bucket, "Key": key}), Some(Bytes::copy_from_slice(body)))
        .await
        .ok()
}

async fn get(client: &Client, input: Json) -> (Answer, Vec<u8>) {
    let answer = call(client, "GetObject", input).await;
    let body = answer.body.to_vec();
    (answer, body)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "s3", services).await;
    assert!(coverage.cases > 50, "{coverage:?}");
}

#[tokio::test]
async fn bytes_come_back_as_they_went_in_small_and_large() {
    for durable in [false, true] {
        let cloud = if durable { Cloud::durable(services()).await } else { Cloud::start(services()).await };
        let client = cloud.client();
        bucket(&client, "bytes").await;
        for length in [0, 1, 4096, 4097, 300_000, 3_000_001] {
            let sent = bytes(length);
            put(&client, "bytes", "k", &sent).await;
            let (answer, body) = get(&client, json!({"Bucket": "bytes", "Key": "k", "ChecksumMode": "ENABLED"})).await;
            assert_eq!((answer.status, body.len()), (200, length));
            assert!(body == sent, "{length} bytes differ");
            assert!(answer.headers.contains_key("x-amz-checksum-crc64nvme"));
            if length > 10 {
                let (answer, body) =
                    get(&client, json!({"Bucket": "bytes", "Key": "k", "Range": format!("bytes=5-{}", length - 3)}))
                        .await;
                assert_eq!(answer.status, 206);
                assert_eq!(answer.headers["content-range"], format!("bytes 5-{}/{length}", length - 3).as_str());
                assert!(body == sent[5..=length - 3], "a range of {length} bytes differs");
            }
        }
    }
}

#[tokio::test]
async fn an_upload_in_parts_is_one_object() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "parts").await;
    let begun = call(
        &client,
        "CreateMultipartUpload",
        json!({"Bucket": "parts", "Key": "big", "ContentType": "text/x", "Metadata": {"a": "b"}}),
    )
    .await
    .ok();
    let id = begun["UploadId"].as_str().unwrap();
    let (first, second) = (bytes(5 * 1024 * 1024), bytes(1000));
    let mut named = Vec::new();
    for (number, body) in [(1, &first), (3, &second)] {
        let input = json!({"Bucket": "parts", "Key": "big", "UploadId": id, "PartNumber": number});
        let part = client.call_with_body("s3", "UploadPart", input, Some(body.clone().into())).await.ok();
        named.push(json!({"PartNumber": number, "ETag": part["ETag"]}));
    }
    let listed =
        call(&client, "ListParts", json!({"Bucket": "parts", "Key": "big", "UploadId": id, "MaxParts": 1})).await.ok();
    assert_eq!((listed["Parts"].as_array().unwrap().len(), listed["IsTruncated"].clone()), (1, json!(true)));
    let input = json!({"Bucket": "parts", "Key": "big", "UploadId": id, "MultipartUpload": {"Parts": named}});
    let done = call(&client, "CompleteMultipartUpload", input).await.ok();
    assert!(done["ETag"].as_str().unwrap().ends_with("-2\""));
    // Who was not answered asks again, and gets the same answer.
    let again = json!({"Bucket": "parts", "Key": "big", "UploadId": id, "MultipartUpload": {"Parts": named}});
    assert_eq!(call(&client, "CompleteMultipartUpload", again).await.ok(), done);
    let other = json!({"Bucket": "parts", "Key": "big", "UploadId": id, "MultipartUpload": {"Parts": named[..1]}});
    assert_eq!(call(&client, "CompleteMultipartUpload", other).await.code(), "NoSuchUpload");
    let whole: Vec<u8> = first.iter().chain(&second).copied().collect();
    let (answer, body) = get(&client, json!({"Bucket": "parts", "Key": "big"})).await;
    assert!(body == whole);
    assert_eq!(
        (answer.headers["content-type"].to_str().unwrap(), answer.headers["x-amz-meta-a"].to_str().unwrap()),
        ("text/x", "b")
    );
    // A range over the seam, and a part by its number.
    let (_, body) = get(
        &client,
        json!({"Bucket": "parts", "Key": "big", "Range": format!("bytes={}-{}", first.len() - 10, first.len() + 9)}),
    )
    .await;
    assert!(body == whole[first.len() - 10..first.len() + 10]);
    let (answer, body) = get(&client, json!({"Bucket": "parts", "Key": "big", "PartNumber": 3})).await;
    assert_eq!((answer.status, answer.headers["x-amz-mp-parts-count"].to_str().unwrap()), (206, "2"));
    assert!(body == second);
    // A copy has the bytes too, and stays when the source goes.
    let copied =
        call(&client, "CopyObject", json!({"Bucket": "parts", "Key": "copy", "CopySource": "parts/big"})).await.ok();
    assert!(!copied["CopyObjectResult"]["ETag"].as_str().unwrap().contains('-'));
    call(&client, "DeleteObject", json!({"Bucket": "parts", "Key": "big"})).await.ok();
    // A blob goes at the second sweep that finds it without a row.
    let mut seen = undercast_kernel::store::Unreferenced::default();
    for _ in 0..2 {
        cloud.kernel.blobs().sweep(cloud.kernel.database(), &mut seen).await.unwrap();
    }
    let (_, body) = get(&client, json!({"Bucket": "parts", "Key": "copy"})).await;
    assert!(body == whole);
    call(&client, "DeleteObject", json!({"Bucket": "parts", "Key": "copy"})).await.ok();
    cloud.kernel.blobs().sweep(cloud.kernel.database(), &mut seen).await.unwrap();
    assert!(
        cloud.kernel.blobs().sweep(cloud.kernel.database(), &mut seen).await.unwrap() > 0,
        "nobody refers to the blobs any more"
    );
}

#[tokio::test]
async fn old_versions_stay_until_they_are_deleted_by_name() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "versions").await;
    put(&client, "versions", "k", b"null").await;
    call(
        &client,
        "PutBucketVersioning",
        json!({"Bucket": "versions", "VersioningConfiguration": {"Status": "Enabled"}}),
    )
    .await
    .ok();
    let first = put(&client, "versions", "k", b"one").await["VersionId"].as_str().unwrap().to_owned();
    let second = put(&client, "versions", "k", b"two").await["VersionId"].as_str().unwrap().to_owned();
    let read =
        async |version: &str| get(&client, json!({"Bucket": "versions", "Key": "k", "VersionId": version})).await.1;
    assert_eq!(
        (read("null").await, read(&first).await, read(&second).await),
        (b"null".to_vec(), b"one".to_vec(), b"two".to_vec())
    );
    let deleted = call(&client, "DeleteObject", json!({"Bucket": "versions", "Key": "k"})).await.ok();
    assert_eq!(deleted["DeleteMarker"], true);
    let (gone, _) = get(&client, json!({"Bucket": "versions", "Key": "k"})).await;
    assert_eq!((gone.status, gone.headers["x-amz-delete-marker"].to_str().unwrap()), (404, "true"));
    let listed = call(&client, "ListObjectVersions", json!({"Bucket": "versions"})).await.ok();
    let ids: Vec<&str> =
        listed["Versions"].as_array().unwrap().iter().map(|v| v["VersionId"].as_str().unwrap()).collect();
    assert_eq!(ids, [second.as_str(), first.as_str(), "null"]);
    assert_eq!(
        (listed["DeleteMarkers"][0]["IsLatest"].clone(), listed["Versions"][0]["IsLatest"].clone()),
        (json!(true), json!(false))
    );
    // Pages of one go through the same versions.
    let (mut pages, mut key, mut id) = (Vec::new(), String::new(), String::new());
    loop {
        let page = call(
            &client,
            "ListObjectVersions",
            json!({"Bucket": "versions", "MaxKeys": 1, "KeyMarker": key, "VersionIdMarker": id}),
        )
        .await
        .ok();
        pages.extend(
            page["Versions"].as_array().into_iter().flatten().map(|v| v["VersionId"].as_str().unwrap().to_owned()),
        );
        if page["IsTruncated"] == false {
            break;
        }
        key = page["NextKeyMarker"].as_str().unwrap().to_owned();
        id = page["NextVersionIdMarker"].as_str().unwrap().to_owned();
    }
    assert_eq!(pages, ids);
    // Without its marker the key is back; without its newest version the one before is current.
    call(&client, "DeleteObject", json!({"Bucket": "versions", "Key": "k", "VersionId": deleted["VersionId"]}))
        .await
        .ok();
    assert_eq!(get(&client, json!({"Bucket": "versions", "Key": "k"})).await.1, b"two");
    call(&client, "DeleteObject", json!({"Bucket": "versions", "Key": "k", "VersionId": second})).await.ok();
    assert_eq!(get(&client, json!({"Bucket": "versions", "Key": "k"})).await.1, b"one");
    // Suspended, a writing takes the place of the null version and of nothing else.
    call(
        &client,
        "PutBucketVersioning",
        json!({"Bucket": "versions", "VersioningConfiguration": {"Status": "Suspended"}}),
    )
    .await
    .ok();
    assert_eq!(put(&client, "versions", "k", b"new null").await["VersionId"], "null");
    assert_eq!((read("null").await, read(&first).await), (b"new null".to_vec(), b"one".to_vec()));
    assert_eq!(call(&client, "DeleteBucket", json!({"Bucket": "versions"})).await.code(), "BucketNotEmpty");
}

/// As programs do that empty a bucket.
#[tokio::test]
async fn a_list_goes_on_behind_versions_that_were_deleted_meanwhile() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "emptied").await;
    let set = |status: &str| json!({"Bucket": "emptied", "VersioningConfiguration": {"Status": status}});
    for status in ["Enabled", "Suspended", "Enabled"] {
        call(&client, "PutBucketVersioning", set(status)).await.ok();
        for n in 0..if status == "Enabled" { 40 } else { 1 } {
            put(&client, "emptied", "k", format!("{status} {n}").as_bytes()).await;
        }
    }
    put(&client, "emptied", "l", b"x").await;
    let (mut input, mut deleted) = (json!({"Bucket": "emptied", "MaxKeys": 3}), 0);
    loop {
        let page = call(&client, "ListObjectVersions", input.clone()).await.ok();
        for version in page["Versions"].as_array().unwrap() {
            let one = json!({"Bucket": "emptied", "Key": version["Key"], "VersionId": version["VersionId"]});
            call(&client, "DeleteObject", one).await.ok();
            deleted += 1;
        }
        if page["IsTruncated"] == false {
            break;
        }
        input["KeyMarker"] = page["NextKeyMarker"].clone();
        input["VersionIdMarker"] = page["NextVersionIdMarker"].clone();
    }
    assert_eq!(deleted, 82);
    call(&client, "DeleteBucket", json!({"Bucket": "emptied"})).await.ok();
}

#[tokio::test]
async fn lists_go_through_all_keys_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "lists").await;
    let mut keys: Vec<String> = (0..60)
        .map(|n| format!("a/{n}/x"))
        .chain((0..40).map(|n| format!("b{n}")))
        .chain(["ä".to_owned(), "z z".to_owned()])
        .collect();
    for key in &keys {
        put(&client, "lists", key, b"x").await;
    }
    keys.sort();
    let (mut found, mut token) = (Vec::new(), Json::Null);
    loop {
        let page = call(&client, "ListObjectsV2", json!({"Bucket": "lists", "MaxKeys": 7, "ContinuationToken": token}))
            .await
            .ok();
        found.extend(page["Contents"].as_array().unwrap().iter().map(|o| o["Key"].as_str().unwrap().to_owned()));
        if page["IsTruncated"] == false {
            break;
        }
        token = page["NextContinuationToken"].clone();
    }
    assert_eq!(found, keys);
    // Rolled up, page by page, with version 1's markers.
    let (mut prefixes, mut marker) = (Vec::new(), String::new());
    loop {
        let page = call(
            &client,
            "ListObjects",
            json!({"Bucket": "lists", "Prefix": "a/", "Delimiter": "/", "MaxKeys": 9, "Marker": marker}),
        )
        .await
        .ok();
        prefixes.extend(
            page["CommonPrefixes"].as_array().unwrap().iter().map(|o| o["Prefix"].as_str().unwrap().to_owned()),
        );
        if page["IsTruncated"] == false {
            break;
        }
        marker = page["NextMarker"].as_str().unwrap().to_owned();
    }
    let mut wanted: Vec<String> = (0..60).map(|n| format!("a/{n}/")).collect();
    wanted.sort();
    assert_eq!(prefixes, wanted);
    let page = call(&client, "ListObjectsV2", json!({"Bucket": "lists", "StartAfter": "b9", "EncodingType": "url"}))
        .await
        .ok();
    let names: Vec<&str> = page["Contents"].as_array().unwrap().iter().map(|o| o["Key"].as_str().unwrap()).collect();
    assert_eq!(names, ["z+z", "%C3%A4"]);
}

async fn user(cloud: &Cloud, name: &str) -> Client {
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| key["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

fn statement(principal: &Json, action: &Json, resource: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}]}).to_string()
}

#[tokio::test]
async fn a_bucket_policy_lets_others_in() {
    let cloud = Cloud::start(services()).await;
    let (owner, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    bucket(&owner, "shared").await;
    put(&owner, "shared", "k", b"x").await;
    let read = json!({"Bucket": "shared", "Key": "k"});
    let denied = call(&other, "GetObject", read.clone()).await;
    assert_eq!(
        (denied.status, denied.code(), denied.json["message"].as_str().unwrap()),
        (403, "AccessDenied", "Access Denied")
    );
    let policy = statement(&json!({"AWS": "111111111111"}), &json!("s3:GetObject"), &json!("arn:aws:s3:::shared/*"));
    call(&owner, "PutBucketPolicy", json!({"Bucket": "shared", "Policy": policy})).await.ok();
    assert_eq!(get(&other, read.clone()).await.1, b"x");
    assert_eq!(call(&other, "ListObjectsV2", json!({"Bucket": "shared"})).await.code(), "AccessDenied");
    // Who may not list is not told whether a key is missing.
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "shared", "Key": "none"})).await.code(), "AccessDenied");
    assert_eq!(call(&owner, "GetObject", json!({"Bucket": "shared", "Key": "none"})).await.code(), "NoSuchKey");
    call(&owner, "DeleteBucketPolicy", json!({"Bucket": "shared"})).await.ok();
    assert_eq!(call(&other, "GetObject", read).await.code(), "AccessDenied");
}

fn unsigned(method: &str, path: &str) -> Request {
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers: [("host".parse().unwrap(), "localhost".parse().unwrap())].into_iter().collect(),
        body: Bytes::new().into(),
    }
}

#[tokio::test]
async fn everybody_reads_what_a_public_policy_says_once_blocks_are_off() {
    let cloud = Cloud::start(services()).await;
    let owner = cloud.client();
    bucket(&owner, "public").await;
    put(&owner, "public", "page.html", b"hello").await;
    let policy = statement(&json!("*"), &json!("s3:GetObject"), &json!("arn:aws:s3:::public/*"));
    let refused = call(&owner, "PutBucketPolicy", json!({"Bucket": "public", "Policy": policy})).await;
    assert_eq!(refused.code(), "AccessDenied");
    assert!(refused.json["message"].as_str().unwrap().contains("BlockPublicPolicy"));
    let off = json!({"BlockPublicAcls": false, "IgnorePublicAcls": false, "BlockPublicPolicy": false, "RestrictPublicBuckets": false});
    call(&owner, "PutPublicAccessBlock", json!({"Bucket": "public", "PublicAccessBlockConfiguration": off})).await.ok();
    assert_eq!(owner.send(unsigned("GET", "/public/page.html")).await.0, 403);
    call(&owner, "PutBucketPolicy", json!({"Bucket": "public", "Policy": policy})).await.ok();
    let (status, _, body) = owner.send(unsigned("GET", "/public/page.html")).await;
    assert_eq!((status, &body[..]), (200, &b"hello"[..]));
    assert_eq!(owner.send(unsigned("GET", "/public")).await.0, 403);
    assert_eq!(owner.send(unsigned("DELETE", "/public/page.html")).await.0, 403);
    let status = call(&owner, "GetBucketPolicyStatus", json!({"Bucket": "public"})).await.ok();
    assert_eq!(status["PolicyStatus"]["IsPublic"], true);
    // RestrictPublicBuckets shuts everybody out again, without a change of the policy.
    let restrict = json!({"RestrictPublicBuckets": true});
    call(&owner, "PutPublicAccessBlock", json!({"Bucket": "public", "PublicAccessBlockConfiguration": restrict}))
        .await
        .ok();
    assert_eq!(owner.send(unsigned("GET", "/public/page.html")).await.0, 403);
    assert_eq!(get(&owner, json!({"Bucket": "public", "Key": "page.html"})).await.1, b"hello");
}

#[tokio::test]
async fn users_may_do_what_their_policies_say_key_by_key() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    bucket(&root, "homes").await;
    for key in ["ann/1", "bob/1"] {
        put(&root, "homes", key, b"x").await;
    }
    let denied = call(&ann, "GetObject", json!({"Bucket": "homes", "Key": "ann/1"})).await;
    let message = denied.json["message"].as_str().unwrap();
    assert!(message.starts_with("User: arn:aws:iam::000000000000:user/ann is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::homes/ann/1\" because no identity-based policy"), "{message}");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::homes/ann/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::homes", "Condition": {"StringLike": {"s3:prefix": "ann/*"}}},
    ]});
    root.call(
        "iam",
        "PutUserPolicy",
        json!({"UserName": "ann", "PolicyName": "home", "PolicyDocument": policy.to_string()}),
    )
    .await
    .ok();
    call(&ann, "GetObject", json!({"Bucket": "homes", "Key": "ann/1"})).await.ok();
    assert_eq!(call(&ann, "GetObject", json!({"Bucket": "homes", "Key": "bob/1"})).await.code(), "AccessDenied");
    call(&ann, "ListObjectsV2", json!({"Bucket": "homes", "Prefix": "ann/"})).await.ok();
    assert_eq!(call(&ann, "ListObjectsV2", json!({"Bucket": "homes"})).await.code(), "AccessDenied");
    // A copy reads one key and writes another.
    assert_eq!(
        call(&ann, "CopyObject", json!({"Bucket": "homes", "Key": "ann/2", "CopySource": "homes/bob/1"})).await.code(),
        "AccessDenied"
    );
    call(&ann, "CopyObject", json!({"Bucket": "homes", "Key": "ann/2", "CopySource": "homes/ann/1"})).await.ok();
    let objects = json!([{"Key": "ann/1"}, {"Key": "bob/1"}]);
    let deleted = call(&ann, "DeleteObjects", json!({"Bucket": "homes", "Delete": {"Objects": objects}})).await.ok();
    assert_eq!(
        (
            deleted["Deleted"][0]["Key"].clone(),
            deleted["Errors"][0]["Key"].clone(),
            deleted["Errors"][0]["Code"].clone()
        ),
        (json!("ann/1"), json!("bob/1"), json!("AccessDenied"))
    );
    call(&root, "HeadObject", json!({"Bucket": "homes", "Key": "bob/1"})).await.ok();
}

#[tokio::test]
async fn a_queue_is_told_what_happens() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "told").await;
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap();
    let arn = "arn:aws:sqs:us-east-1:000000000000:q";
    let rule = json!({"Bucket": "told", "NotificationConfiguration": {"QueueConfigurations": [
        {"Id": "images", "QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}}]}});
    // The queue's own policy must let S3 in.
    let refused = call(&client, "PutBucketNotificationConfiguration", rule.clone()).await;
    assert_eq!(
        (refused.code(), refused.json["message"].as_str().unwrap()),
        ("InvalidArgument", "Unable to validate the following destination configurations")
    );
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::told"}, "StringEquals": {"aws:SourceAccount": "000000000000"}}}]});
    client
        .call("sqs", "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}}))
        .await
        .ok();
    call(&client, "PutBucketNotificationConfiguration", rule).await.ok();
    let test = receive(&client, url).await;
    assert_eq!((test["Event"].clone(), test["Bucket"].clone()), (json!("s3:TestEvent"), json!("told")));
    put(&client, "told", "notes.txt", b"x").await;
    put(&client, "told", "a cat.jpg", b"meow").await;
    let record = receive(&client, url).await["Records"][0].clone();
    assert_eq!(
        (record["eventName"].clone(), record["eventVersion"].clone(), record["awsRegion"].clone()),
        (json!("ObjectCreated:Put"), json!("2.1"), json!("us-east-1"))
    );
    assert_eq!(
        (record["s3"]["configurationId"].clone(), record["s3"]["bucket"]["arn"].clone()),
        (json!("images"), json!("arn:aws:s3:::told"))
    );
    let object = &record["s3"]["object"];
    assert_eq!(
        (object["key"].clone(), object["size"].clone(), object["eTag"].clone()),
        (json!("a+cat.jpg"), json!(4), json!("4a4be40c96ac6314e91d93f38043a634"))
    );
    call(&client, "DeleteObject", json!({"Bucket": "told", "Key": "a cat.jpg"})).await.ok();
    let gone = receive(&client, url).await["Records"][0].clone();
    assert_eq!(gone["eventName"], "ObjectRemoved:Delete");
    assert!(gone["s3"]["object"]["sequencer"].as_str() > object["sequencer"].as_str());
    let shown = call(&client, "GetBucketNotificationConfiguration", json!({"Bucket": "told"})).await.ok();
    assert_eq!(
        shown["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"][0],
        json!({"Name": "Suffix", "Value": ".jpg"})
    );
}

async fn receive(client: &Client, url: &str) -> Json {
    let messages = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url, "WaitTimeSeconds": 5})).await.ok();
    let message = &messages["Messages"][0];
    client.call("sqs", "DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]})).await.ok();
    serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_topic_is_told_what_happens() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "told").await;
    let topic = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].clone();
    let rule = json!({"Bucket": "told", "NotificationConfiguration": {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:Copy"]}]}});
    assert_eq!(call(&client, "PutBucketNotificationConfiguration", rule.clone()).await.code(), "InvalidArgument");
    let policy = statement(&json!({"Service": "s3.amazonaws.com"}), &json!("sns:Publish"), &topic);
    client
        .call(
            "sns",
            "SetTopicAttributes",
            json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy}),
        )
        .await
        .ok();
    let policy = statement(&json!({"Service": "sns.amazonaws.com"}), &json!("sqs:SendMessage"), &json!("*"));
    let made =
        client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    client.call("sns", "Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "Attributes": {"RawMessageDelivery": "true"}})).await.ok();
    call(&client, "PutBucketNotificationConfiguration", rule).await.ok();
    let url = made["QueueUrl"].as_str().unwrap();
    assert_eq!(receive(&client, url).await["Event"], "s3:TestEvent");
    put(&client, "told", "k", b"x").await;
    call(&client, "CopyObject", json!({"Bucket": "told", "Key": "copy", "CopySource": "told/k"})).await.ok();
    let record = receive(&client, url).await["Records"][0].clone();
    assert_eq!(
        (record["eventName"].clone(), record["s3"]["object"]["key"].clone()),
        (json!("ObjectCreated:Copy"), json!("copy"))
    );
}

#[tokio::test]
async fn a_queue_that_was_away_is_told_later() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "later").await;
    let rule = json!({"Bucket": "later", "SkipDestinationValidation": true, "NotificationConfiguration": {"QueueConfigurations": [
        {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectCreated:*"]}]}});
    call(&client, "PutBucketNotificationConfiguration", rule).await.ok();
    put(&client, "later", "k", b"x").await;
    let policy = statement(&json!({"Service": "s3.amazonaws.com"}), &json!("sqs:SendMessage"), &json!("*"));
    let made =
        client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let record = receive(&client, made["QueueUrl"].as_str().unwrap()).await;
    assert_eq!(record["Records"][0]["s3"]["object"]["key"], "k");
}

#[tokio::test]
async fn a_bucket_lives_in_its_region() {
    let cloud = Cloud::start(services()).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    let made = json!({"Bucket": "far", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    call(&there, "CreateBucket", made).await.ok();
    put(&there, "far", "k", b"x").await;
    let wrong = call(&here, "GetObject", json!({"Bucket": "far", "Key": "k"})).await;
    assert_eq!(
        (wrong.status, wrong.code(), wrong.headers["x-amz-bucket-region"].to_str().unwrap()),
        (400, "AuthorizationHeaderMalformed", "eu-west-1")
    );
    assert_eq!(
        call(&here, "GetBucketLocation", json!({"Bucket": "far"})).await.body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-west-1</LocationConstraint>"
    );
    let buckets = call(&here, "ListBuckets", json!({"BucketRegion": "eu-west-1"})).await.ok();
    assert_eq!(buckets["Buckets"][0]["Name"], "far");
    // A copy may come from another region.
    bucket(&here, "near").await;
    call(&here, "CopyObject", json!({"Bucket": "near", "Key": "k", "CopySource": "far/k"})).await.ok();
    let other = cloud.client_of(Credentials::new("111111111111", "x"));
    assert_eq!(call(&other, "CreateBucket", json!({"Bucket": "far"})).await.code(), "BucketAlreadyExists");
    // Where it lies its owner has it already; only us-east-1 takes that for a success.
    let again = json!({"Bucket": "far", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    let again = call(&there, "CreateBucket", again).await;
    assert_eq!((again.status, again.code()), (409, "BucketAlreadyOwnedByYou"));
    call(&here, "CreateBucket", json!({"Bucket": "near"})).await.ok();
}

#[tokio::test]
async fn metadata_and_headers_come_back() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "meta").await;
    let input = json!({"Bucket": "meta", "Key": "k", "ContentType": "text/plain", "CacheControl": "no-cache", "ContentEncoding": "gzip", "Metadata": {"Colour": "grün", "a": "b"},
        "Tagging": "x=1&y=2", "StorageClass": "STANDARD_IA"});
    client.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(b"hello"))).await.ok();
    let head = call(&client, "HeadObject", json!({"Bucket": "meta", "Key": "k"})).await;
    let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
    for (name, value) in [
        ("content-type", "text/plain"),
        ("cache-control", "no-cache"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("accept-ranges", "bytes"),
        ("x-amz-meta-colour", "=?UTF-8?B?Z3LDvG4=?="),
        ("x-amz-meta-a", "b"),
        ("x-amz-tagging-count", "2"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("etag", "\"5d41402abc4b2a76b9719d911017c592\""),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    assert!(head.body.is_empty());
    let (answer, _) = get(
        &client,
        json!({"Bucket": "meta", "Key": "k", "ResponseContentType": "x/y", "ResponseCacheControl": "max-age=1"}),
    )
    .await;
    assert_eq!(
        (answer.headers["content-type"].to_str().unwrap(), answer.headers["cache-control"].to_str().unwrap()),
        ("x/y", "max-age=1")
    );
    let (fresh, body) =
        get(&client, json!({"Bucket": "meta", "Key": "k", "IfNoneMatch": "\"5d41402abc4b2a76b9719d911017c592\""}))
            .await;
    assert_eq!((fresh.status, body.len()), (304, 0));
}

#[tokio::test]
async fn answers_are_xml_that_strict_readers_take() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "xml").await;
    let acl = call(&client, "GetBucketAcl", json!({"Bucket": "xml"})).await;
    let body = String::from_utf8(acl.body.to_vec()).unwrap();
    assert!(body.contains("<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"), "{body}");
    assert!(
        body.contains(
            "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>"
        ),
        "{body}"
    );
    put(&client, "xml", "a&b", b"x").await;
    for (operation, root) in [
        ("ListObjects", "ListBucketResult"),
        ("ListObjectsV2", "ListBucketResult"),
        ("ListObjectVersions", "ListVersionsResult"),
        ("ListMultipartUploads", "ListMultipartUploadsResult"),
    ] {
        let answer = call(&client, operation, json!({"Bucket": "xml"})).await;
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(body.starts_with(&format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=")), "{body}");
    }
}

#[tokio::test]
async fn a_broken_body_is_not_kept() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "sums").await;
    let put = async |more: Json| {
        let mut input = json!({"Bucket": "sums", "Key": "k"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(b"123456789"))).await
    };
    for (more, code) in [
        (json!({"ContentMD5": text::base64(&[0; 16])}), "BadDigest"),
        (json!({"ContentMD5": "short"}), "InvalidDigest"),
        (json!({"ChecksumCRC32": "AAAAAA=="}), "BadDigest"),
        (json!({"ChecksumCRC32": "AAAA"}), "InvalidRequest"),
        (json!({"ChecksumCRC32": "y/Q5Jg==", "ChecksumSHA1": "98O8HYCOBHMq32eZZczDTKeuNEE="}), "InvalidRequest"),
        (json!({"ChecksumAlgorithm": "SHA256"}), "InvalidRequest"),
    ] {
        assert_eq!(put(more.clone()).await.code(), code, "{more}");
    }
    assert_eq!(call(&client, "HeadObject", json!({"Bucket": "sums", "Key": "k"})).await.status, 404);
    for more in [
        json!({"ChecksumCRC32": "y/Q5Jg=="}),
        json!({"ChecksumCRC32C": "4waSgw=="}),
        json!({"ChecksumCRC64NVME": "rosUhgp5mIg="}),
        json!({"ContentMD5": "JfnnlDI7RTiF9RgfG2JNCw=="}),
    ] {
        put(more).await.ok();
    }
}
