//! What waits, when it is delivered, under which names, and what becomes of it when it cannot be.

use std::io::Read as _;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Cloud, Folder};

use crate::support::{
    BUCKET, ROLE, advance, allow, call, cloud, create, keys, metric, object, only, prepare, put, services,
};

#[tokio::test]
async fn records_wait_for_their_time_and_come_in_their_order() {
    let (cloud, client) = cloud().await;
    create(&client, json!({"Prefix": "in/", "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1}})).await;
    for at in 0..5 {
        put(&client, &format!("{at}\n")).await;
    }
    advance(&cloud, 59).await;
    assert_eq!(keys(&client).await, Vec::<String>::new());
    advance(&cloud, 2).await;
    assert_eq!(only(&client, "in/").await, "0\n1\n2\n3\n4\n");
    let key = keys(&client).await.remove(0);
    // in/YYYY/MM/dd/HH/s-1-YYYY-MM-dd-HH-mm-ss-uuid
    let parts: Vec<&str> = key.split('/').collect();
    assert_eq!(parts.len(), 6, "{key}");
    let stamp = format!("s-1-{}-{}-{}-{}-", parts[1], parts[2], parts[3], parts[4]);
    assert!(parts[5].starts_with(&stamp) && parts[5].len() == stamp.len() + 6 + 36, "{key}");
    // The next wait their own time.
    put(&client, "later").await;
    advance(&cloud, 61).await;
    assert_eq!(keys(&client).await.len(), 2);
    assert_eq!(metric(&cloud, "IncomingRecords").await, Some(6.0));
    assert_eq!(metric(&cloud, "DeliveryToS3.Records").await, Some(6.0));
    assert_eq!(metric(&cloud, "DeliveryToS3.Success").await, Some(2.0));
}

#[tokio::test]
async fn a_full_buffer_waits_no_longer() {
    let (cloud, client) = cloud().await;
    create(&client, json!({"BufferingHints": {"IntervalInSeconds": 900, "SizeInMBs": 1}})).await;
    let data = text::base64(&vec![b'x'; 400_000]);
    let records: Vec<Json> = (0..3).map(|_| json!({"Data": data})).collect();
    let input = json!({"DeliveryStreamName": "s", "Records": records});
    let answer = call(&client, "PutRecordBatch", input).await;
    assert_eq!((&answer["FailedPutCount"], answer["RequestResponses"].as_array().map(Vec::len)), (&json!(0), Some(3)));
    advance(&cloud, 1).await;
    assert_eq!(keys(&client).await.len(), 1);
}

#[tokio::test]
async fn files_are_compressed_as_it_is_said() {
    let (cloud, client) = cloud().await;
    create(&client, json!({"CompressionFormat": "GZIP", "Prefix": "gz/"})).await;
    let plain = "a line of a log\n".repeat(1000);
    let cases: [(&str, fn(&[u8]) -> Vec<u8>); 5] = [
        (".gz", |body| {
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut out).unwrap();
            out
        }),
        (".zip", |body| {
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(body.to_vec())).unwrap();
            let mut out = Vec::new();
            archive.by_index(0).unwrap().read_to_end(&mut out).unwrap();
            out
        }),
        (".snappy", |body| {
            let mut out = Vec::new();
            snap::read::FrameDecoder::new(body).read_to_end(&mut out).unwrap();
            out
        }),
        (".hsnappy", |body| {
            let length = u32::from_be_bytes(body[4..8].try_into().unwrap());
            assert_eq!(body.len(), 8 + usize::try_from(length).unwrap());
            snap::raw::Decoder::new().decompress_vec(&body[8..]).unwrap()
        }),
        (".log", <[u8]>::to_vec),
    ];
    for (at, (extension, open)) in cases.iter().enumerate() {
        let format = ["GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY", "UNCOMPRESSED"][at];
        let mut update = json!({"CompressionFormat": format});
        if format == "UNCOMPRESSED" {
            update["FileExtension"] = json!(".log");
        }
        call(
            &client,
            "UpdateDestination",
            json!({"DeliveryStreamName": "s", "DestinationId": "destinationId-000000000001",
            "CurrentDeliveryStreamVersionId": (at + 1).to_string(), "ExtendedS3DestinationUpdate": update}),
        )
        .await;
        put(&client, &plain).await;
        advance(&cloud, 301).await;
        let all = keys(&client).await;
        let key = all.iter().find(|key| key.ends_with(extension)).unwrap_or_else(|| panic!("{all:?}"));
        assert!(key.contains(&format!("/s-{}-", at + 2)), "{key}");
        assert_eq!(open(&object(&client, key).await), plain.as_bytes(), "{key}");
    }
}

#[tokio::test]
async fn names_are_in_the_zone_that_is_said() {
    let (cloud, client) = cloud().await;
    create(
        &client,
        json!({"Prefix": "at=!{timestamp:HH}/", "ErrorOutputPrefix": "e/!{firehose:error-output-type}/",
        "CustomTimeZone": "Asia/Tokyo"}),
    )
    .await;
    put(&client, "x").await;
    let hour: i32 = cloud.kernel.clock().now().strftime("%H").to_string().parse().unwrap();
    advance(&cloud, 301).await;
    let key = keys(&client).await.remove(0);
    assert!(key.starts_with(&format!("at={:02}/", (hour + 9) % 24)), "{key} at {hour}");
}

#[tokio::test]
async fn what_cannot_be_written_waits_for_a_day_and_is_told_of() {
    let (cloud, client) = cloud().await;
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "/f"})).await.ok();
    client.call("logs", "CreateLogStream", json!({"logGroupName": "/f", "logStreamName": "s3"})).await.ok();
    let logging = json!({"Enabled": true, "LogGroupName": "/f", "LogStreamName": "s3"});
    create(&client, json!({"CloudWatchLoggingOptions": logging})).await;
    allow(&client, &["logs:*"]).await;
    put(&client, "kept").await;
    advance(&cloud, 400).await;
    assert_eq!(keys(&client).await.len(), 0);
    let read = json!({"logGroupName": "/f", "logStreamName": "s3"});
    let told = client.call("logs", "GetLogEvents", read).await.ok();
    let event: Json = serde_json::from_str(told["events"][0]["message"].as_str().unwrap()).unwrap();
    assert_eq!((&event["errorCode"], &event["deliveryStreamVersionId"]), (&json!("S3.AccessDenied"), &json!(1)));
    // It comes, once it may.
    allow(&client, &["s3:PutObject", "logs:*"]).await;
    advance(&cloud, 600).await;
    assert_eq!(only(&client, "").await, "kept");

    allow(&client, &["logs:*"]).await;
    put(&client, "lost").await;
    advance(&cloud, 26 * 3600).await;
    allow(&client, &["s3:PutObject"]).await;
    advance(&cloud, 3600).await;
    assert_eq!(only(&client, "").await, "kept");
}

#[tokio::test]
async fn what_came_is_kept_as_it_came() {
    let (cloud, client) = cloud().await;
    let processing = json!({"Enabled": true, "Processors": [{"Type": "AppendDelimiterToRecord", "Parameters":
        [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}]});
    create(
        &client,
        json!({"Prefix": "out/", "ProcessingConfiguration": processing, "S3BackupMode": "Enabled",
        "S3BackupConfiguration": {"RoleARN": ROLE, "BucketARN": BUCKET, "Prefix": "raw/"}}),
    )
    .await;
    put(&client, "a").await;
    put(&client, "b").await;
    advance(&cloud, 301).await;
    assert_eq!(only(&client, "out/").await, "a\nb\n");
    assert_eq!(only(&client, "raw/").await, "ab");
    assert_eq!(metric(&cloud, "BackupToS3.Records").await, Some(2.0));
}

/// A life of a cloud: its threads end with it, so that the folder is free for the next.
fn live_once(folder: &Folder, work: impl AsyncFnOnce(Cloud)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { work(Cloud::in_folder(services(), folder).await).await });
}

#[test]
fn what_waits_outlives_the_cloud() {
    let folder = Folder::new();
    live_once(&folder, async |cloud| {
        let client = cloud.client();
        prepare(&client).await;
        create(&client, json!({})).await;
        put(&client, "before").await;
    });
    live_once(&folder, async |cloud| {
        let client = cloud.client();
        put(&client, "after").await;
        advance(&cloud, 301).await;
        assert_eq!(only(&client, "").await, "beforeafter");
    });
}

#[tokio::test]
async fn a_stream_made_anew_begins_empty() {
    let (cloud, client) = cloud().await;
    create(&client, json!({})).await;
    put(&client, "old").await;
    call(&client, "DeleteDeliveryStream", json!({"DeliveryStreamName": "s", "AllowForceDelete": true})).await;
    create(&client, json!({})).await;
    put(&client, "new").await;
    advance(&cloud, 301).await;
    assert_eq!(only(&client, "").await, "new");
}
