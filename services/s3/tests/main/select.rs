//! SelectObjectContent: what the cases as data do not show.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use undercast_testkit::{Client, Cloud};
use undercast_wire::{Bytes, Request, text};

use crate::{bucket, call, put, services, statement, unsigned, user};

fn query(bucket: &str, key: &str, expression: &str) -> Json {
    json!({
        "Bucket": bucket, "Key": key, "Expression": expression, "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}},
    })
}

/// A request by hand.
fn request(path: &str, expression: &str) -> Request {
    let body = format!(
        "<SelectObjectContentRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Expression>{expression}</Expression><ExpressionType>SQL</ExpressionType><InputSerialization><CSV/></InputSerialization><OutputSerialization><CSV/></OutputSerialization></SelectObjectContentRequest>"
    );
    let mut request = unsigned("POST", path);
    request.query = "select&select-type=2".to_owned();
    request.body = Bytes::from(body).into();
    request
}

/// The events of an answer.
async fn events(client: &Client, input: Json) -> Vec<Json> {
    let answer = call(client, "SelectObjectContent", input).await;
    assert_eq!(answer.headers.get("content-type").unwrap(), "application/vnd.amazon.eventstream");
    answer.ok()["Payload"].as_array().unwrap().clone()
}

/// The records of all events together.
fn records(events: &[Json]) -> String {
    events.iter().filter(|e| e["event"] == "Records").map(|e| e["payload"].as_str().unwrap()).collect()
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.fold(String::new(), |mut text, n| {
        writeln!(text, "{n},{}", "x".repeat(20)).unwrap();
        text
    })
}

#[tokio::test]
async fn large_objects_are_read_from_their_files_in_pieces() {
    for durable in [false, true] {
        let cloud = if durable { Cloud::durable(services()).await } else { Cloud::start(services()).await };
        let client = cloud.client();
        bucket(&client, "select").await;
        let object = lines(0..60_000);
        put(&client, "select", "k", object.as_bytes()).await;
        let found = events(&client, query("select", "k", "SELECT * FROM S3Object")).await;
        assert!(records(&found) == object);
        let sizes: Vec<usize> = found.iter().map(|e| e["payload"].as_str().map_or(0, str::len)).collect();
        assert!(sizes.len() > 10 && sizes.iter().all(|size| *size <= 128 * 1024), "{sizes:?}");
        // Nothing is found for a while: the connection is kept alive.
        let mut rare = query("select", "k", "SELECT _1 FROM S3Object WHERE _1 = 59999");
        let kinds =
            |events: &[Json]| events.iter().map(|e| e["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let found = events(&client, rare.clone()).await;
        assert_eq!(kinds(&found)[..2], ["Cont", "Cont"]);
        assert_eq!(records(&found), "59999\n");
        rare["RequestProgress"] = json!({"Enabled": true});
        let found = events(&client, rare.clone()).await;
        assert!(kinds(&found)[..2] == ["Progress", "Progress"] && !kinds(&found).contains(&"Cont".to_owned()));
        // A range is read without what lies before it.
        rare["ScanRange"] = json!({"End": 54});
        rare["Expression"] = json!("SELECT _1 FROM S3Object");
        let found = events(&client, rare).await;
        assert_eq!(records(&found), "59998\n59999\n");
        let stats = found.iter().find(|e| e["event"] == "Stats").unwrap()["payload"].as_str().unwrap();
        assert!(stats.contains("<BytesScanned>55</BytesScanned>"), "{stats}");
    }
}

#[tokio::test]
async fn an_object_of_several_parts_is_one() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "parts").await;
    let id =
        call(&client, "CreateMultipartUpload", json!({"Bucket": "parts", "Key": "k"})).await.ok()["UploadId"].clone();
    let object = lines(0..200_000);
    // The seam is inside of a record.
    let (first, second) = object.as_bytes().split_at(5 * 1024 * 1024 + 11);
    let mut parts = Vec::new();
    for (number, body) in [(1, first), (2, second)] {
        let input = json!({"Bucket": "parts", "Key": "k", "UploadId": id, "PartNumber": number});
        let body = Bytes::copy_from_slice(body);
        let part = client.call_with_body("s3", "UploadPart", input, Some(body)).await.ok();
        parts.push(json!({"PartNumber": number, "ETag": part["ETag"]}));
    }
    let done = json!({"Bucket": "parts", "Key": "k", "UploadId": id, "MultipartUpload": {"Parts": parts}});
    call(&client, "CompleteMultipartUpload", done).await.ok();
    let found =
        events(&client, query("parts", "k", "SELECT COUNT(*), SUM(_1), MAX(CHAR_LENGTH(_2)) FROM S3Object")).await;
    assert_eq!(records(&found), "200000,19999900000,20\n");
}

#[tokio::test]
async fn who_may_get_an_object_may_query_it_and_nobody_else() {
    let cloud = Cloud::start(services()).await;
    let (owner, reader) = (cloud.client(), user(&cloud, "reader").await);
    bucket(&owner, "guarded").await;
    put(&owner, "guarded", "k", b"a,b\n").await;
    let asked = query("guarded", "k", "SELECT _2 FROM S3Object");
    assert_eq!(call(&reader, "SelectObjectContent", asked.clone()).await.code(), "AccessDenied");
    let policy = json!({"UserName": "reader", "PolicyName": "p", "PolicyDocument": json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::guarded/*",
            "Condition": {"StringEquals": {"s3:ExistingObjectTag/open": "yes"}}}],
    }).to_string()});
    owner.call("iam", "PutUserPolicy", policy).await.ok();
    assert_eq!(call(&reader, "SelectObjectContent", asked.clone()).await.code(), "AccessDenied");
    let tags = json!({"TagSet": [{"Key": "open", "Value": "yes"}]});
    call(&owner, "PutObjectTagging", json!({"Bucket": "guarded", "Key": "k", "Tagging": tags})).await.ok();
    assert_eq!(records(&events(&reader, asked).await), "b\n");
    // Who may not list is not told whether a key is missing.
    let missing = query("guarded", "none", "SELECT * FROM S3Object");
    assert_eq!(call(&reader, "SelectObjectContent", missing).await.code(), "AccessDenied");
}

#[tokio::test]
async fn what_everybody_may_get_not_everybody_may_query() {
    let cloud = Cloud::start(services()).await;
    let owner = cloud.client();
    bucket(&owner, "public").await;
    put(&owner, "public", "k", b"a,b\n").await;
    let off = json!({"BlockPublicAcls": false, "IgnorePublicAcls": false, "BlockPublicPolicy": false, "RestrictPublicBuckets": false});
    call(&owner, "PutPublicAccessBlock", json!({"Bucket": "public", "PublicAccessBlockConfiguration": off})).await.ok();
    let policy = statement(&json!("*"), &json!("s3:GetObject"), &json!("arn:aws:s3:::public/*"));
    call(&owner, "PutBucketPolicy", json!({"Bucket": "public", "Policy": policy})).await.ok();
    let (status, _, answer) = owner.send(request("/public/k", "SELECT * FROM S3Object")).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(status == 403 && answer.contains("<Code>AccessDenied</Code>"), "{status} {answer}");
    assert_eq!(records(&events(&owner, query("public", "k", "SELECT _1 FROM S3Object")).await), "a\n");
}

#[tokio::test]
async fn what_a_customers_key_encrypts_is_queried_with_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "sealed").await;
    let rule = json!({"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}});
    let open = json!({"Bucket": "sealed", "ServerSideEncryptionConfiguration": {"Rules": [rule]}});
    call(&client, "PutBucketEncryption", open).await.ok();
    let with_key = |mut input: Json, letter: char| {
        let key = letter.to_string().repeat(32);
        let md5 = if letter == 'k' { "mT2HRsMGJ5IX5C+0rreZ8Q==" } else { "3I/h1kl+vSP1l12NKhxegQ==" };
        input["SSECustomerAlgorithm"] = json!("AES256");
        input["SSECustomerKey"] = json!(text::base64(key.as_bytes()));
        input["SSECustomerKeyMD5"] = json!(md5);
        input
    };
    // In a file, and in a row.
    for (key, object) in [("large", lines(0..20_000)), ("small", lines(0..50))] {
        let body = Bytes::from(object.clone());
        let sealed = with_key(json!({"Bucket": "sealed", "Key": key}), 'k');
        client.call_with_body("s3", "PutObject", sealed, Some(body)).await.ok();
        let asked = query("sealed", key, "SELECT * FROM S3Object");
        assert!(records(&events(&client, with_key(asked.clone(), 'k')).await) == object);
        let mut some = asked.clone();
        let half = object.len() / 2;
        some["ScanRange"] = json!({"Start": half});
        let rest = object[half..].split_once('\n').unwrap().1;
        assert!(records(&events(&client, with_key(some, 'k')).await) == rest);
        assert_eq!(call(&client, "SelectObjectContent", with_key(asked.clone(), 'x')).await.code(), "AccessDenied");
        assert_eq!(call(&client, "SelectObjectContent", asked).await.code(), "InvalidRequest");
    }
}

/// How many queries are going on in this process.
fn going_on() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "s3-select").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_ends_the_query() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "left").await;
    // The answer is larger than what a connection holds that nobody reads, and than the object.
    put(&client, "left", "k", lines(0..20_000).as_bytes()).await;
    let expression = format!("SELECT {} FROM S3Object", vec!["_2"; 30].join(","));
    let mut request = request("/left/k", &expression);
    client.sign(&mut request, services()[0].api());
    let mut head = String::from("POST /left/k?select&select-type=2 HTTP/1.1\r\n");
    for (name, value) in &request.headers {
        write!(head, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
    }
    let body = request.body.take().into_parts().unwrap_or_default();
    write!(head, "content-length: {}\r\n\r\n{}", body.len(), std::str::from_utf8(&body).unwrap()).unwrap();
    let mut stream = tokio::net::TcpStream::connect(client.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut beginning = [0; 1000];
    stream.read_exact(&mut beginning).await.unwrap();
    assert!(beginning.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&beginning));
    // What is not read is not looked for.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(going_on() > 0, "12 MB are more than a connection holds");
    drop(stream);
    let end = Instant::now() + Duration::from_secs(30);
    while going_on() > 0 {
        assert!(Instant::now() < end, "{} queries go on that nobody reads", going_on());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
