//! What time does to objects: lifecycles, archives, retention.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const DAY: u64 = 24 * 60 * 60;

async fn advance(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn keys(client: &Client, bucket: &str) -> Vec<String> {
    let page = call(client, "ListObjectsV2", json!({"Bucket": bucket})).await.ok();
    let contents = page["Contents"].as_array().cloned().unwrap_or_default();
    contents.iter().map(|o| format!("{} {}", o["Key"].as_str().unwrap(), o["StorageClass"].as_str().unwrap())).collect()
}

async fn rules(client: &Client, bucket: &str, rules: Json) {
    let input = json!({"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules}});
    call(client, "PutBucketLifecycleConfiguration", input).await.ok();
}

#[tokio::test]
async fn objects_move_down_and_end() {
    for durable in [false, true] {
        let cloud = if durable { Cloud::durable(services()).await } else { Cloud::start(services()).await };
        let client = cloud.client();
        bucket(&client, "ages").await;
        rules(
            &client,
            "ages",
            json!([
                {"ID": "down", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 100},
                 "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}]},
                {"ID": "off", "Status": "Disabled", "Filter": {}, "Expiration": {"Days": 1}},
                {"ID": "tagged", "Status": "Enabled", "Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 2}},
            ]),
        )
        .await;
        put(&client, "ages", "logs/large", &bytes(200_000)).await;
        put(&client, "ages", "logs/small", b"x").await;
        put(&client, "ages", "other", b"x").await;
        call(&client, "PutObject", json!({"Bucket": "ages", "Key": "tagged", "Tagging": "keep=no"})).await.ok();
        advance(&cloud, 4 * DAY).await;
        assert_eq!(keys(&client, "ages").await, ["logs/large STANDARD", "logs/small STANDARD", "other STANDARD"]);
        advance(&cloud, 28 * DAY).await;
        assert_eq!(keys(&client, "ages").await, ["logs/large STANDARD_IA", "logs/small STANDARD", "other STANDARD"]);
        // What is written later has its own time.
        put(&client, "ages", "logs/late", b"x").await;
        advance(&cloud, 30 * DAY).await;
        assert_eq!(keys(&client, "ages").await[1], "logs/late STANDARD");
        let read = call(&client, "GetObject", json!({"Bucket": "ages", "Key": "logs/large"})).await;
        assert_eq!((read.status, read.code()), (403, "InvalidObjectState"));
        advance(&cloud, 40 * DAY).await;
        assert_eq!(keys(&client, "ages").await, ["logs/late STANDARD", "other STANDARD"]);
        advance(&cloud, 40 * DAY).await;
        assert_eq!(keys(&client, "ages").await, ["other STANDARD"]);
    }
}

#[tokio::test]
async fn old_versions_and_lone_markers_end() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "olds").await;
    call(&client, "PutBucketVersioning", json!({"Bucket": "olds", "VersioningConfiguration": {"Status": "Enabled"}}))
        .await
        .ok();
    rules(
        &client,
        "olds",
        json!([{"ID": "old", "Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": true},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 5, "NewerNoncurrentVersions": 1}}]),
    )
    .await;
    for body in [b"1", b"2", b"3", b"4"] {
        put(&client, "olds", "k", body).await;
    }
    put(&client, "olds", "gone", b"x").await;
    let gone = call(&client, "ListObjectVersions", json!({"Bucket": "olds", "Prefix": "gone"})).await.ok();
    let version = gone["Versions"][0]["VersionId"].clone();
    call(&client, "DeleteObject", json!({"Bucket": "olds", "Key": "gone"})).await.ok();
    call(&client, "DeleteObject", json!({"Bucket": "olds", "Key": "gone", "VersionId": version})).await.ok();
    advance(&cloud, 2 * DAY).await;
    let count = |page: &Json, what: &str| page[what].as_array().map_or(0, Vec::len);
    let page = call(&client, "ListObjectVersions", json!({"Bucket": "olds"})).await.ok();
    assert_eq!((count(&page, "Versions"), count(&page, "DeleteMarkers")), (4, 0), "a marker alone goes at once");
    advance(&cloud, 5 * DAY).await;
    let page = call(&client, "ListObjectVersions", json!({"Bucket": "olds"})).await.ok();
    assert_eq!(count(&page, "Versions"), 2, "the current version and the newest of the others stay");
    assert_eq!(get(&client, json!({"Bucket": "olds", "Key": "k"})).await.1, b"4");
}

#[tokio::test]
async fn an_expired_current_version_gets_a_marker_and_a_locked_one_stays() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateBucket", json!({"Bucket": "held", "ObjectLockEnabledForBucket": true})).await.ok();
    rules(
        &client,
        "held",
        json!([{"ID": "all", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]),
    )
    .await;
    let version = put(&client, "held", "k", b"x").await["VersionId"].clone();
    let hold = json!({"Bucket": "held", "Key": "k", "LegalHold": {"Status": "ON"}});
    call(&client, "PutObjectLegalHold", hold).await.ok();
    put(&client, "held", "free", b"x").await;
    advance(&cloud, 10 * DAY).await;
    assert_eq!(call(&client, "GetObject", json!({"Bucket": "held", "Key": "k"})).await.code(), "NoSuchKey");
    assert_eq!(get(&client, json!({"Bucket": "held", "Key": "k", "VersionId": version})).await.1, b"x");
    let page = call(&client, "ListObjectVersions", json!({"Bucket": "held"})).await.ok();
    assert_eq!(page["Versions"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["DeleteMarkers"].as_array().unwrap().len(), 1, "the lone marker of `free` went: {page}");
}

#[tokio::test]
async fn uploads_that_nobody_completes_are_given_up() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "begun").await;
    rules(
        &client,
        "begun",
        json!([{"ID": "up", "Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}]),
    )
    .await;
    call(&client, "CreateMultipartUpload", json!({"Bucket": "begun", "Key": "k"})).await.ok();
    advance(&cloud, 2 * DAY).await;
    let uploads = || call(&client, "ListMultipartUploads", json!({"Bucket": "begun"}));
    assert_eq!(uploads().await.ok()["Uploads"].as_array().unwrap().len(), 1);
    advance(&cloud, 3 * DAY).await;
    assert!(uploads().await.ok()["Uploads"].is_null());
}

#[tokio::test]
async fn an_archived_object_comes_back_for_a_while() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "cold").await;
    let input = json!({"Bucket": "cold", "Key": "k", "StorageClass": "DEEP_ARCHIVE"});
    client.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(b"ice"))).await.ok();
    let read = || call(&client, "GetObject", json!({"Bucket": "cold", "Key": "k"}));
    assert_eq!(read().await.code(), "InvalidObjectState");
    let ask = json!({"Bucket": "cold", "Key": "k", "RestoreRequest": {"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}}});
    assert_eq!(call(&client, "RestoreObject", ask.clone()).await.status, 202);
    advance(&cloud, 11 * 60 * 60).await;
    assert_eq!(read().await.code(), "InvalidObjectState", "Standard takes twelve hours");
    let begun = call(&client, "CreateMultipartUpload", json!({"Bucket": "cold", "Key": "copy"})).await.ok();
    let part = json!({"Bucket": "cold", "Key": "copy", "UploadId": begun["UploadId"], "PartNumber": 1, "CopySource": "cold/k"});
    assert_eq!(call(&client, "UploadPartCopy", part).await.code(), "InvalidObjectState");
    advance(&cloud, 2 * 60 * 60).await;
    assert_eq!(get(&client, json!({"Bucket": "cold", "Key": "k"})).await.1, b"ice");
    assert_eq!(call(&client, "RestoreObject", ask).await.status, 200, "it is there");
    let head = call(&client, "HeadObject", json!({"Bucket": "cold", "Key": "k"})).await.ok();
    assert!(head["Restore"].as_str().unwrap().starts_with("ongoing-request=\"false\", expiry-date=\""));
    assert_eq!(head["StorageClass"], "DEEP_ARCHIVE");
    advance(&cloud, 3 * DAY).await;
    assert_eq!(read().await.code(), "InvalidObjectState");
}

#[tokio::test]
async fn a_retention_ends_by_the_clock() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateBucket", json!({"Bucket": "worm", "ObjectLockEnabledForBucket": true})).await.ok();
    let default =
        json!({"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}}});
    call(&client, "PutObjectLockConfiguration", json!({"Bucket": "worm", "ObjectLockConfiguration": default}))
        .await
        .ok();
    let version = put(&client, "worm", "k", b"x").await["VersionId"].clone();
    let delete = || call(&client, "DeleteObject", json!({"Bucket": "worm", "Key": "k", "VersionId": version}));
    assert_eq!(delete().await.code(), "AccessDenied");
    advance(&cloud, 4 * DAY).await;
    delete().await.ok();
}

#[tokio::test]
async fn the_default_retention_is_that_of_the_moment_at_which_the_body_is_there() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateBucket", json!({"Bucket": "worm", "ObjectLockEnabledForBucket": true})).await.ok();
    let whole = hostile::request("PUT", "/worm/slow", &[], b"first second");
    let (before, behind) = whole.split_at(whole.len() - 6);
    let mut stream = tokio::net::TcpStream::connect(cloud.address).await.unwrap();
    stream.write_all(before).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let default =
        json!({"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}}});
    call(&client, "PutObjectLockConfiguration", json!({"Bucket": "worm", "ObjectLockConfiguration": default}))
        .await
        .ok();
    stream.write_all(behind).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let kept = call(&client, "GetObjectRetention", json!({"Bucket": "worm", "Key": "slow"})).await.ok();
    assert_eq!(kept["Retention"]["Mode"], "COMPLIANCE");
}

async fn versioned(client: &Client, name: &str) {
    bucket(client, name).await;
    let enabled = json!({"Bucket": name, "VersioningConfiguration": {"Status": "Enabled"}});
    call(client, "PutBucketVersioning", enabled).await.ok();
}

#[tokio::test]
async fn an_old_object_goes_at_the_next_midnight_when_it_comes_under_a_rule() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    versioned(&client, "late").await;
    rules(
        &client,
        "late",
        json!([{"ID": "tagged", "Status": "Enabled", "Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 20}},
               {"ID": "few", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 20, "NewerNoncurrentVersions": 1}}]),
    )
    .await;
    put(&client, "late", "tagged", b"x").await;
    put(&client, "late", "often", b"1").await;
    put(&client, "late", "often", b"2").await;
    advance(&cloud, 40 * DAY).await;
    put(&client, "late", "often", b"3").await;
    let tagging = json!({"TagSet": [{"Key": "keep", "Value": "no"}]});
    call(&client, "PutObjectTagging", json!({"Bucket": "late", "Key": "tagged", "Tagging": tagging})).await.ok();
    advance(&cloud, DAY).await;
    assert_eq!(keys(&client, "late").await, ["often STANDARD"]);
    let page = call(&client, "ListObjectVersions", json!({"Bucket": "late", "Prefix": "often"})).await.ok();
    assert_eq!(page["Versions"].as_array().unwrap().len(), 2, "the first has a newer one before it now: {page}");
}

#[tokio::test]
async fn what_a_lock_kept_goes_when_the_lock_ends() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    call(&client, "CreateBucket", json!({"Bucket": "kept", "ObjectLockEnabledForBucket": true})).await.ok();
    rules(
        &client,
        "kept",
        json!([{"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]),
    )
    .await;
    let until = cloud.kernel.clock().now().as_second() + 10 * 24 * 60 * 60;
    for (key, hold) in [("retained", false), ("held", true)] {
        put(&client, "kept", key, b"1").await;
        let retention = json!({"Mode": "COMPLIANCE", "RetainUntilDate": until});
        let (operation, member, value) = if hold {
            ("PutObjectLegalHold", "LegalHold", json!({"Status": "ON"}))
        } else {
            ("PutObjectRetention", "Retention", retention)
        };
        call(&client, operation, json!({"Bucket": "kept", "Key": key, member: value})).await.ok();
        put(&client, "kept", key, b"2").await;
    }
    let count = async || {
        let page = call(&client, "ListObjectVersions", json!({"Bucket": "kept"})).await.ok();
        page["Versions"].as_array().unwrap().len()
    };
    advance(&cloud, 9 * DAY).await;
    assert_eq!(count().await, 4);
    advance(&cloud, 3 * DAY).await;
    assert_eq!(count().await, 3, "the retention is over");
    let page = call(&client, "ListObjectVersions", json!({"Bucket": "kept", "Prefix": "held"})).await.ok();
    let off = json!({"Bucket": "kept", "Key": "held", "VersionId": page["Versions"][1]["VersionId"], "LegalHold": {"Status": "OFF"}});
    call(&client, "PutObjectLegalHold", off).await.ok();
    advance(&cloud, DAY).await;
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn a_move_comes_before_a_delete_marker() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    versioned(&client, "both").await;
    put(&client, "both", "k", &bytes(200_000)).await;
    advance(&cloud, 40 * DAY).await;
    rules(
        &client,
        "both",
        json!([{"ID": "end", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 30}},
               {"ID": "move", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}]),
    )
    .await;
    advance(&cloud, DAY).await;
    assert_eq!(keys(&client, "both").await, ["k GLACIER"]);
    advance(&cloud, DAY).await;
    assert!(keys(&client, "both").await.is_empty());
    let page = call(&client, "ListObjectVersions", json!({"Bucket": "both"})).await.ok();
    assert_eq!(
        (page["Versions"][0]["StorageClass"].clone(), page["DeleteMarkers"][0]["IsLatest"].clone()),
        (json!("GLACIER"), json!(true))
    );
}
