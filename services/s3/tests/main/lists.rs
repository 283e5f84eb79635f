//! Inventories.

use std::io::Read as _;

use super::*;

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn what_is_in_a_bucket_is_listed_every_night() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "stock").await;
    bucket(&client, "lists").await;
    call(&client, "PutBucketVersioning", json!({"Bucket": "stock", "VersioningConfiguration": {"Status": "Enabled"}}))
        .await
        .ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::lists/*", "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::stock"}}}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "lists", "Policy": policy.to_string()})).await.ok();
    let old = put(&client, "stock", "a b", b"1").await["VersionId"].as_str().unwrap().to_owned();
    put(&client, "stock", "a b", b"22").await;
    put(&client, "stock", "gone", b"x").await;
    call(&client, "DeleteObject", json!({"Bucket": "stock", "Key": "gone"})).await.ok();
    put(&client, "stock", "other", b"x").await;
    let configuration = json!({"Id": "all", "IsEnabled": true, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["Size", "StorageClass", "EncryptionStatus", "ChecksumAlgorithm"],
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::lists", "Format": "CSV", "Prefix": "inv"}}});
    let input = json!({"Bucket": "stock", "Id": "all", "InventoryConfiguration": configuration});
    call(&client, "PutBucketInventoryConfiguration", input).await.ok();
    cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
    let page = call(&client, "ListObjectsV2", json!({"Bucket": "lists"})).await.ok();
    let keys: Vec<&str> = page["Contents"].as_array().unwrap().iter().map(|o| o["Key"].as_str().unwrap()).collect();
    let manifest = keys.iter().find(|k| k.ends_with("/manifest.json")).unwrap();
    assert!(manifest.starts_with("inv/stock/all/20"), "{manifest}");
    let (_, body) = get(&client, json!({"Bucket": "lists", "Key": manifest})).await;
    let told: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        told["fileSchema"],
        "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, StorageClass, EncryptionStatus, ChecksumAlgorithm"
    );
    let (_, packed) = get(&client, json!({"Bucket": "lists", "Key": told["files"][0]["key"]})).await;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[0].starts_with("\"stock\",\"a%20b\",\"") && lines[0].contains("\",\"true\",\"false\",\"2\""),
        "{text}"
    );
    assert_eq!(
        lines[1],
        format!("\"stock\",\"a%20b\",\"{old}\",\"false\",\"false\",\"1\",\"STANDARD\",\"SSE-S3\",\"CRC64NVME\"")
    );
    assert!(lines[2].contains("\"true\",\"true\",\"\",\"\""), "a delete marker: {text}");
    // The next one comes by itself, until the configuration goes.
    let count = || async { call(&client, "ListObjectsV2", json!({"Bucket": "lists"})).await.ok()["KeyCount"].clone() };
    assert_eq!(count().await, 4);
    cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
    assert_eq!(count().await, 8);
    call(&client, "DeleteBucketInventoryConfiguration", json!({"Bucket": "stock", "Id": "all"})).await.ok();
    cloud.kernel.advance(Duration::from_secs(2 * DAY)).await.unwrap();
    assert_eq!(count().await, 8);
}
