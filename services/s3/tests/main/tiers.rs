//! Access tiers of INTELLIGENT_TIERING: what is archived when, what keeps it from that, and how it comes back.

use super::*;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
const LARGE: usize = 128 * 1024;

async fn advance(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn start(name: &str) -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, name).await;
    (cloud, client)
}

async fn store(client: &Client, bucket: &str, key: &str, length: usize, tagging: &str) -> Json {
    let mut input = json!({"Bucket": bucket, "Key": key, "StorageClass": "INTELLIGENT_TIERING"});
    if !tagging.is_empty() {
        input["Tagging"] = tagging.into();
    }
    client.call_with_body("s3", "PutObject", input, Some(vec![b'x'; length].into())).await.ok()
}

async fn configure(client: &Client, bucket: &str, id: &str, more: Json) {
    let mut configuration = json!({"Id": id, "Status": "Enabled"});
    configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let input = json!({"Bucket": bucket, "Id": id, "IntelligentTieringConfiguration": configuration});
    call(client, "PutBucketIntelligentTieringConfiguration", input).await.ok();
}

fn tier(name: &str, days: u32) -> Json {
    json!({"AccessTier": name, "Days": days})
}

async fn status(client: &Client, bucket: &str, key: &str) -> String {
    let head = call(client, "HeadObject", json!({"Bucket": bucket, "Key": key})).await.ok();
    head["ArchiveStatus"].as_str().unwrap_or("").to_owned()
}

#[tokio::test]
async fn what_nobody_reads_goes_down_and_down() {
    for durable in [false, true] {
        let cloud = if durable { Cloud::durable(services()).await } else { Cloud::start(services()).await };
        let client = cloud.client();
        bucket(&client, "down").await;
        let both = json!([tier("ARCHIVE_ACCESS", 90), tier("DEEP_ARCHIVE_ACCESS", 180)]);
        configure(&client, "down", "logs", json!({"Filter": {"Prefix": "logs/"}, "Tierings": both})).await;
        for (key, length) in [("logs/large", LARGE), ("logs/small", LARGE - 1), ("other", LARGE), ("logs/read", LARGE)]
        {
            store(&client, "down", key, length, "").await;
        }
        put(&client, "down", "logs/standard", &bytes(LARGE)).await;
        advance(&cloud, 60 * DAY).await;
        assert_eq!(get(&client, json!({"Bucket": "down", "Key": "logs/read", "Range": "bytes=0-1"})).await.1, b"xx");
        advance(&cloud, 30 * DAY).await;
        assert_eq!(status(&client, "down", "logs/large").await, "", "ninety days end at midnight");
        advance(&cloud, DAY).await;
        assert_eq!(status(&client, "down", "logs/large").await, "ARCHIVE_ACCESS");
        for key in ["logs/small", "other", "logs/read", "logs/standard"] {
            assert_eq!(status(&client, "down", key).await, "", "{key}");
        }
        let refused = call(&client, "GetObject", json!({"Bucket": "down", "Key": "logs/large"})).await;
        assert_eq!((refused.status, refused.code()), (403, "InvalidObjectState"));
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(text.contains("<StorageClass>INTELLIGENT_TIERING</StorageClass>"), "{text}");
        assert!(text.contains("<AccessTier>ARCHIVE_ACCESS</AccessTier>"), "{text}");
        let copy = json!({"Bucket": "down", "Key": "copy", "CopySource": "down/logs/large"});
        assert_eq!(call(&client, "CopyObject", copy).await.code(), "InvalidObjectState");
        let text = json!({"CSV": {}});
        let query = json!({"Bucket": "down", "Key": "logs/large", "Expression": "SELECT * FROM s3object", "ExpressionType": "SQL",
            "InputSerialization": text, "OutputSerialization": text});
        assert_eq!(call(&client, "SelectObjectContent", query).await.code(), "InvalidObjectState");
        advance(&cloud, 59 * DAY).await;
        assert_eq!(status(&client, "down", "logs/read").await, "", "it was read on the sixtieth day");
        advance(&cloud, DAY).await;
        assert_eq!(status(&client, "down", "logs/read").await, "ARCHIVE_ACCESS");
        advance(&cloud, 30 * DAY).await;
        assert_eq!(status(&client, "down", "logs/large").await, "DEEP_ARCHIVE_ACCESS");
        // One long step does the same as many short ones.
        store(&client, "down", "logs/late", LARGE, "").await;
        advance(&cloud, 200 * DAY).await;
        assert_eq!(status(&client, "down", "logs/late").await, "DEEP_ARCHIVE_ACCESS");
    }
}

#[tokio::test]
async fn what_is_archived_comes_back_for_good() {
    let (cloud, client) = start("back").await;
    let (archive, deep) = (tier("ARCHIVE_ACCESS", 90), tier("DEEP_ARCHIVE_ACCESS", 180));
    configure(&client, "back", "a", json!({"Filter": {"Prefix": "a"}, "Tierings": [archive]})).await;
    configure(&client, "back", "d", json!({"Filter": {"Prefix": "d"}, "Tierings": [deep]})).await;
    for key in ["a1", "a2", "a3", "d1", "d2"] {
        store(&client, "back", key, LARGE, "").await;
    }
    let ask = |key: &str, request: Json| {
        call(&client, "RestoreObject", json!({"Bucket": "back", "Key": key, "RestoreRequest": request}))
    };
    assert_eq!(ask("a1", json!({})).await.code(), "ObjectAlreadyInActiveTierError");
    advance(&cloud, 181 * DAY).await;
    let refused = ask("a1", json!({"Days": 2})).await;
    let words =
        "INTELLIGENT_TIERING objects are not subject to restore expiry. Do not specify Days when restoring this object";
    assert_eq!((refused.code(), refused.json["message"].as_str().unwrap()), ("InvalidArgument", words));
    assert_eq!(ask("d1", json!({"GlacierJobParameters": {"Tier": "Expedited"}})).await.code(), "InvalidArgument");
    for (key, request) in [
        ("a1", json!({})),
        ("a2", json!({"GlacierJobParameters": {"Tier": "Expedited"}})),
        ("a3", json!({"GlacierJobParameters": {"Tier": "Bulk"}})),
        ("d1", json!({"GlacierJobParameters": {"Tier": "Standard"}})),
        ("d2", json!({"GlacierJobParameters": {"Tier": "Bulk"}})),
    ] {
        assert_eq!(ask(key, request).await.status, 202, "{key}");
    }
    assert_eq!(ask("a1", json!({})).await.code(), "RestoreAlreadyInProgress");
    let head = call(&client, "HeadObject", json!({"Bucket": "back", "Key": "a1"})).await.ok();
    assert_eq!(
        (head["ArchiveStatus"].clone(), head["Restore"].clone(), head["StorageClass"].clone()),
        (json!("ARCHIVE_ACCESS"), json!("ongoing-request=\"true\""), json!("INTELLIGENT_TIERING"))
    );
    let away = || async {
        let mut away = Vec::new();
        for key in ["a1", "a2", "a3", "d1", "d2"] {
            if call(&client, "GetObject", json!({"Bucket": "back", "Key": key})).await.status == 403 {
                away.push(key);
            }
        }
        away
    };
    let mut passed = 0;
    for (minutes, wanted) in [
        (4, &["a1", "a2", "a3", "d1", "d2"][..]),
        (5, &["a1", "a3", "d1", "d2"]),
        (5 * 60, &["a3", "d1", "d2"]),
        (12 * 60, &["d2"]),
        (48 * 60, &[]),
    ] {
        advance(&cloud, (minutes - passed) * 60).await;
        passed = minutes;
        assert_eq!(away().await, wanted, "after {minutes} minutes");
    }
    let head = call(&client, "HeadObject", json!({"Bucket": "back", "Key": "a2"})).await.ok();
    assert!(head["ArchiveStatus"].is_null() && head["Restore"].is_null(), "{head}");
    // It stays, and goes down again when it has not been read for long enough.
    advance(&cloud, 89 * DAY).await;
    assert_eq!(status(&client, "back", "a2").await, "");
    advance(&cloud, 3 * DAY).await;
    assert_eq!(status(&client, "back", "a2").await, "ARCHIVE_ACCESS");
}

#[tokio::test]
async fn a_queue_is_told_of_tiers_and_of_what_is_back() {
    let (cloud, client) = start("told").await;
    let policy = statement(&json!({"Service": "s3.amazonaws.com"}), &json!("sqs:SendMessage"), &json!("*"));
    let made =
        client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap();
    let rule = json!({"Bucket": "told", "NotificationConfiguration": {"QueueConfigurations": [
        {"Id": "tiers", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:IntelligentTiering", "s3:ObjectRestore:*"]}]}});
    call(&client, "PutBucketNotificationConfiguration", rule).await.ok();
    assert_eq!(receive(&client, url).await["Event"], "s3:TestEvent");
    configure(&client, "told", "all", json!({"Tierings": [tier("ARCHIVE_ACCESS", 90)]})).await;
    let etag = store(&client, "told", "k", LARGE, "").await["ETag"].as_str().unwrap().trim_matches('"').to_owned();
    advance(&cloud, 92 * DAY).await;
    let record = receive(&client, url).await["Records"][0].clone();
    assert_eq!(
        (record["eventName"].clone(), record["eventVersion"].clone()),
        (json!("IntelligentTiering"), json!("2.3"))
    );
    assert_eq!(record["intelligentTieringEventData"], json!({"destinationAccessTier": "ARCHIVE_ACCESS"}));
    assert_eq!(
        (record["userIdentity"]["principalId"].clone(), record["requestParameters"]["sourceIPAddress"].clone()),
        (json!("s3.amazonaws.com"), json!("s3.amazonaws.com"))
    );
    let object = &record["s3"]["object"];
    assert_eq!(
        (object["key"].clone(), object["size"].clone(), object["eTag"].clone()),
        (json!("k"), json!(LARGE), json!(etag))
    );
    call(&client, "RestoreObject", json!({"Bucket": "told", "Key": "k", "RestoreRequest": {}})).await.ok();
    assert_eq!(receive(&client, url).await["Records"][0]["eventName"], "ObjectRestore:Post");
    advance(&cloud, 6 * HOUR).await;
    assert_eq!(receive(&client, url).await["Records"][0]["eventName"], "ObjectRestore:Completed");
}

#[tokio::test]
async fn what_counts_as_access() {
    let (cloud, client) = start("read").await;
    configure(&client, "read", "all", json!({"Tierings": [tier("ARCHIVE_ACCESS", 90)]})).await;
    let keys = ["got", "copied", "part", "asked", "head", "tagged"];
    for key in keys {
        store(&client, "read", key, LARGE, "").await;
    }
    advance(&cloud, 80 * DAY).await;
    get(&client, json!({"Bucket": "read", "Key": "got"})).await.0.ok();
    call(&client, "CopyObject", json!({"Bucket": "read", "Key": "copy", "CopySource": "read/copied"})).await.ok();
    let begun = call(&client, "CreateMultipartUpload", json!({"Bucket": "read", "Key": "upload"})).await.ok();
    let part = json!({"Bucket": "read", "Key": "upload", "UploadId": begun["UploadId"], "PartNumber": 1, "CopySource": "read/part"});
    call(&client, "UploadPartCopy", part).await.ok();
    let text = json!({"CSV": {}});
    let query = json!({"Bucket": "read", "Key": "asked", "Expression": "SELECT COUNT(*) FROM s3object", "ExpressionType": "SQL",
        "InputSerialization": text, "OutputSerialization": text});
    assert_eq!(call(&client, "SelectObjectContent", query).await.status, 200);
    call(&client, "HeadObject", json!({"Bucket": "read", "Key": "head"})).await.ok();
    let tags = json!({"TagSet": [{"Key": "a", "Value": "b"}]});
    call(&client, "PutObjectTagging", json!({"Bucket": "read", "Key": "tagged", "Tagging": tags})).await.ok();
    advance(&cloud, 20 * DAY).await;
    let mut away = Vec::new();
    for key in keys {
        if !status(&client, "read", key).await.is_empty() {
            away.push(key);
        }
    }
    assert_eq!(away, ["head", "tagged"]);
    advance(&cloud, 80 * DAY).await;
    assert_eq!(status(&client, "read", "asked").await, "ARCHIVE_ACCESS");
}

#[tokio::test]
async fn configurations_are_about_what_their_filter_says() {
    let (cloud, client) = start("some").await;
    let enabled = json!({"Bucket": "some", "VersioningConfiguration": {"Status": "Enabled"}});
    call(&client, "PutBucketVersioning", enabled).await.ok();
    let first = store(&client, "some", "p/old", LARGE, "a=1&b=2").await["VersionId"].clone();
    store(&client, "some", "p/old", LARGE, "").await;
    store(&client, "some", "p/both", LARGE, "a=1&b=2").await;
    store(&client, "some", "p/one", LARGE, "a=1").await;
    store(&client, "some", "q/tag", LARGE, "c=3").await;
    let tags = json!([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]);
    let archive = json!([tier("ARCHIVE_ACCESS", 90)]);
    let and = json!({"And": {"Prefix": "p/", "Tags": tags}});
    configure(&client, "some", "and", json!({"Filter": and, "Tierings": archive})).await;
    let tag = json!({"Tag": {"Key": "c", "Value": "3"}});
    configure(&client, "some", "off", json!({"Filter": tag, "Tierings": archive, "Status": "Disabled"})).await;
    advance(&cloud, 100 * DAY).await;
    for (key, wanted) in [("p/both", "ARCHIVE_ACCESS"), ("p/one", ""), ("q/tag", ""), ("p/old", "")] {
        assert_eq!(status(&client, "some", key).await, wanted, "{key}");
    }
    let old = json!({"Bucket": "some", "Key": "p/old", "VersionId": first});
    assert_eq!(call(&client, "HeadObject", old).await.ok()["ArchiveStatus"], "ARCHIVE_ACCESS");
    // Another tag, or another configuration, and what has waited long enough goes at the next midnight.
    let tagging = json!({"Bucket": "some", "Key": "p/one", "Tagging": {"TagSet": tags}});
    call(&client, "PutObjectTagging", tagging).await.ok();
    advance(&cloud, DAY).await;
    assert_eq!(status(&client, "some", "p/one").await, "ARCHIVE_ACCESS");
    configure(&client, "some", "off", json!({"Filter": tag, "Tierings": archive})).await;
    advance(&cloud, DAY).await;
    assert_eq!(status(&client, "some", "q/tag").await, "ARCHIVE_ACCESS");
    // Without a configuration nothing goes further, and nothing comes back by itself.
    for id in ["and", "off"] {
        call(&client, "DeleteBucketIntelligentTieringConfiguration", json!({"Bucket": "some", "Id": id})).await.ok();
    }
    advance(&cloud, 100 * DAY).await;
    assert_eq!(
        (status(&client, "some", "q/tag").await, status(&client, "some", "p/old").await),
        ("ARCHIVE_ACCESS".to_owned(), String::new())
    );
}

#[tokio::test]
async fn tiers_begin_where_an_object_comes_into_the_class() {
    let (cloud, client) = start("moved").await;
    put(&client, "moved", "k", &bytes(LARGE)).await;
    configure(&client, "moved", "all", json!({"Tierings": [tier("ARCHIVE_ACCESS", 90)]})).await;
    let down = json!([{"Days": 50, "StorageClass": "INTELLIGENT_TIERING"}, {"Days": 250, "StorageClass": "ONEZONE_IA"},
        {"Days": 300, "StorageClass": "GLACIER"}]);
    let rules = json!([{"ID": "r", "Status": "Enabled", "Filter": {}, "Transitions": down}]);
    let input = json!({"Bucket": "moved", "LifecycleConfiguration": {"Rules": rules}});
    call(&client, "PutBucketLifecycleConfiguration", input).await.ok();
    advance(&cloud, 130 * DAY).await;
    assert_eq!(status(&client, "moved", "k").await, "", "it came eighty days ago");
    advance(&cloud, 20 * DAY).await;
    assert_eq!(status(&client, "moved", "k").await, "ARCHIVE_ACCESS");
    let class = || async {
        let head = call(&client, "HeadObject", json!({"Bucket": "moved", "Key": "k"})).await.ok();
        head["StorageClass"].as_str().unwrap().to_owned()
    };
    advance(&cloud, 110 * DAY).await;
    assert_eq!(class().await, "INTELLIGENT_TIERING", "from an archive nothing goes to where it could be read");
    advance(&cloud, 50 * DAY).await;
    assert_eq!((class().await, status(&client, "moved", "k").await), ("GLACIER".to_owned(), String::new()));
}
