//! Server access logs.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

async fn logs(client: &Client, bucket: &str) -> Vec<(String, String)> {
    let page = call(client, "ListObjectsV2", json!({"Bucket": bucket})).await.ok();
    let mut found = Vec::new();
    for object in page["Contents"].as_array().cloned().unwrap_or_default() {
        let (_, body) = get(client, json!({"Bucket": bucket, "Key": object["Key"]})).await;
        found.push((object["Key"].as_str().unwrap().to_owned(), String::from_utf8(body).unwrap()));
    }
    found
}

#[tokio::test]
async fn requests_become_lines_in_another_bucket() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    bucket(&client, "logs").await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::logs/*", "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::seen"}}}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "logs", "Policy": policy.to_string()})).await.ok();
    let status = json!({"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "l/",
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}});
    call(&client, "PutBucketLogging", json!({"Bucket": "seen", "BucketLoggingStatus": status})).await.ok();
    put(&client, "seen", "a b", b"hello").await;
    get(&client, json!({"Bucket": "seen", "Key": "a b"})).await;
    assert_eq!(call(&client, "GetObject", json!({"Bucket": "seen", "Key": "none"})).await.status, 404);
    tokio::time::sleep(Duration::from_millis(100)).await;
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let found = logs(&client, "logs").await;
    let [(key, text)] = found.as_slice() else { panic!("one file: {found:?}") };
    assert!(key.starts_with("l/000000000000/us-east-1/seen/20"), "{key}");
    let mut lines: Vec<&str> = text.lines().filter(|l| !l.contains("REST.PUT.LOGGING")).collect();
    // By key, then by operation.
    lines.sort_by_key(|l| {
        let mut fields: Vec<String> = l.split(' ').skip(7).take(2).map(ToOwned::to_owned).collect();
        fields.reverse();
        fields
    });
    assert_eq!(lines.len(), 3, "{text}");
    let line = lines[0];
    assert!(line.contains(" REST.GET.OBJECT a%20b \"GET /seen/a%20b HTTP/1.1\" 200 - 5 5 "), "{line}");
    assert!(line.contains(" SigV4 - AuthHeader "), "{line}");
    let (_, times) = numbers(line);
    assert!(times.iter().all(|t| t.parse::<u64>().is_ok()), "{line}");
    assert!(lines[1].contains(" REST.PUT.OBJECT a%20b "), "{}", lines[1]);
    assert!(lines[2].contains(" REST.GET.OBJECT none \"GET /seen/none HTTP/1.1\" 404 NoSuchKey "), "{}", lines[2]);
}

#[tokio::test]
async fn a_target_lets_logs_in_by_its_acl_or_not_at_all() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    call(&client, "CreateBucket", json!({"Bucket": "logs", "ObjectOwnership": "ObjectWriter"})).await.ok();
    let me = call(&client, "ListBuckets", json!({})).await.ok()["Owner"]["ID"].as_str().unwrap().to_owned();
    let grant = json!([{"Grantee": {"Type": "CanonicalUser", "ID": me}, "Permission": "READ"}]);
    let status = json!({"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "", "TargetGrants": grant,
        "TargetObjectKeyFormat": {"SimplePrefix": {}}}});
    let input = json!({"Bucket": "seen", "BucketLoggingStatus": status});
    call(&client, "PutBucketLogging", input).await.ok();
    let read = || async {
        get(&client, json!({"Bucket": "seen", "Key": "k"})).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
        call(&client, "ListObjectsV2", json!({"Bucket": "logs"})).await.ok()["KeyCount"].clone()
    };
    put(&client, "seen", "k", b"x").await;
    assert_eq!(read().await, 0, "nothing lets S3 write");
    let write = json!({"Bucket": "logs", "GrantWrite": "uri=\"http://acs.amazonaws.com/groups/s3/LogDelivery\""});
    call(&client, "PutBucketAcl", write).await.ok();
    assert_eq!(read().await, 1);
    call(&client, "PutBucketLogging", json!({"Bucket": "seen", "BucketLoggingStatus": {}})).await.ok();
    assert_eq!(call(&client, "GetBucketLogging", json!({"Bucket": "seen"})).await.ok(), json!({}));
}

/// How many bytes a line says were sent and the object has, and how long it all took, and the answer alone.
fn numbers(line: &str) -> ([String; 2], [String; 2]) {
    let behind = line.split('"').nth(2).unwrap();
    let [_status, _error, sent, size, total, turned] = behind.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    ([sent.to_owned(), size.to_owned()], [total.to_owned(), turned.to_owned()])
}

#[tokio::test]
async fn lines_say_how_long_it_took_and_what_was_sent() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    bucket(&client, "logs").await;
    let policy = statement(
        &json!({"Service": "logging.s3.amazonaws.com"}),
        &json!("s3:PutObject"),
        &json!("arn:aws:s3:::logs/*"),
    );
    call(&client, "PutBucketPolicy", json!({"Bucket": "logs", "Policy": policy})).await.ok();
    let status = json!({"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": ""}});
    call(&client, "PutBucketLogging", json!({"Bucket": "seen", "BucketLoggingStatus": status})).await.ok();
    // Larger than what the sockets between hold.
    let large = bytes(16_000_000);
    let whole = hostile::request("PUT", "/seen/slow", &[], &large);
    let mut stream = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
    let (first, rest) = whole.split_at(whole.len() - 10);
    stream.write_all(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(rest).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    for (key, wait) in [("read", 300), ("left", 0)] {
        let target = format!("/seen/slow?x-id={key}");
        let mut stream = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
        stream.write_all(&hostile::request("GET", &target, &[], b"")).await.unwrap();
        let mut some = vec![0; 1000];
        stream.read_exact(&mut some).await.unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if wait > 0 {
            stream.read_to_end(&mut some).await.unwrap();
        }
    }
    call(&client, "HeadObject", json!({"Bucket": "seen", "Key": "slow"})).await.ok();
    tokio::time::sleep(Duration::from_millis(300)).await;
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let text: String = logs(&client, "logs").await.into_iter().map(|(_, text)| text).collect();
    let of = |what: &str| {
        let line = text.lines().find(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {text}"));
        let ([sent, size], times) = numbers(line);
        let [total, turned] = times.map(|t| t.parse::<u64>().unwrap());
        (sent, size, total, turned)
    };
    let (sent, _, total, turned) = of("REST.PUT.OBJECT slow");
    assert!(sent == "-" && total >= 300 && turned + 250 < total, "{sent} {total} {turned}");
    let (sent, size, total, turned) = of("x-id=read");
    assert!(sent == "16000000" && size == "16000000" && total >= 300 && turned < total, "{sent} {total} {turned}");
    let (sent, size, _, _) = of("x-id=left");
    assert!(size == "16000000" && sent.parse::<u64>().unwrap() < 16_000_000, "{sent}");
    let (sent, size, ..) = of("REST.HEAD.OBJECT slow");
    assert_eq!((sent.as_str(), size.as_str()), ("-", "16000000"));
}
