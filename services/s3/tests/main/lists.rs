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
    call(&client, "PutObject", json!({"Bucket": "stock", "Key": "other", "StorageClass": "INTELLIGENT_TIERING"}))
        .await
        .ok();
    let configuration = json!({"Id": "all", "IsEnabled": true, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["Size", "StorageClass", "EncryptionStatus", "ChecksumAlgorithm", "IntelligentTieringAccessTier"],
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
        "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, StorageClass, EncryptionStatus, IntelligentTieringAccessTier, ChecksumAlgorithm"
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
        format!("\"stock\",\"a%20b\",\"{old}\",\"false\",\"false\",\"1\",\"STANDARD\",\"SSE-S3\",\"\",\"CRC64NVME\"")
    );
    assert!(lines[2].contains("\"true\",\"true\",\"\",\"\""), "a delete marker: {text}");
    assert!(lines[4].ends_with(",\"INTELLIGENT_TIERING\",\"SSE-S3\",\"FREQUENT\",\"CRC64NVME\""), "{text}");
    // The next one comes by itself, until the configuration goes.
    let count = || async { call(&client, "ListObjectsV2", json!({"Bucket": "lists"})).await.ok()["KeyCount"].clone() };
    assert_eq!(count().await, 4);
    cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
    assert_eq!(count().await, 8);
    call(&client, "DeleteBucketInventoryConfiguration", json!({"Bucket": "stock", "Id": "all"})).await.ok();
    cloud.kernel.advance(Duration::from_secs(2 * DAY)).await.unwrap();
    assert_eq!(count().await, 8);
}

const FIELDS: [&str; 8] = [
    "Size",
    "LastModifiedDate",
    "ETag",
    "StorageClass",
    "IsMultipartUploaded",
    "ReplicationStatus",
    "EncryptionStatus",
    "ObjectLockRetainUntilDate",
];

/// A bucket with a version under a retention, an older one, a delete marker, and a key that is no plain word.
async fn stocked(client: &Client) {
    call(client, "CreateBucket", json!({"Bucket": "stock", "ObjectLockEnabledForBucket": true})).await.ok();
    bucket(client, "lists").await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::lists/*"}]});
    call(client, "PutBucketPolicy", json!({"Bucket": "lists", "Policy": policy.to_string()})).await.ok();
    put(client, "stock", "a b/é\"", b"1").await;
    put(client, "stock", "a b/é\"", b"22").await;
    put(client, "stock", "gone", b"x").await;
    call(client, "DeleteObject", json!({"Bucket": "stock", "Key": "gone"})).await.ok();
    put(client, "stock", "kept", b"").await;
    let retention = json!({"Mode": "GOVERNANCE", "RetainUntilDate": "2100-01-02T03:04:05.678Z"});
    call(client, "PutObjectRetention", json!({"Bucket": "stock", "Key": "kept", "Retention": retention})).await.ok();
}

/// The manifest of the list of a night, and its one file.
async fn delivered(cloud: &Cloud, client: &Client, format: &str, fields: &[&str]) -> (Json, String, Vec<u8>) {
    let configuration = json!({"Id": format, "IsEnabled": true, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
        "OptionalFields": fields, "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::lists", "Format": format}}});
    let input = json!({"Bucket": "stock", "Id": format, "InventoryConfiguration": configuration});
    call(client, "PutBucketInventoryConfiguration", input).await.ok();
    cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
    let page = call(client, "ListObjectsV2", json!({"Bucket": "lists"})).await.ok();
    let keys: Vec<&str> = page["Contents"].as_array().unwrap().iter().map(|o| o["Key"].as_str().unwrap()).collect();
    let manifest = keys.iter().find(|k| k.ends_with("/manifest.json")).unwrap();
    let (_, body) = get(client, json!({"Bucket": "lists", "Key": manifest})).await;
    let manifest: Json = serde_json::from_slice(&body).unwrap();
    let key = manifest["files"][0]["key"].as_str().unwrap().to_owned();
    let link = keys.iter().find(|k| k.ends_with("/symlink.txt")).unwrap();
    let (_, link) = get(client, json!({"Bucket": "lists", "Key": link})).await;
    assert_eq!(String::from_utf8(link).unwrap(), format!("s3://lists/{key}"));
    let (_, file) = get(client, json!({"Bucket": "lists", "Key": key})).await;
    assert_eq!(manifest["files"][0]["size"], file.len());
    (manifest, key, file)
}

/// What both formats must say, of lines that are read back from them.
fn check(lines: &[Json], day: &str) {
    assert_eq!(lines.len(), 5, "{lines:?}");
    let told = |line: usize, names: &[&str]| json!(names.iter().map(|n| lines[line][*n].clone()).collect::<Vec<_>>());
    let which = ["bucket", "key", "is_latest", "is_delete_marker", "size"];
    assert_eq!(told(0, &which), json!(["stock", "a b/é\"", true, false, 2]));
    assert_eq!(told(1, &which), json!(["stock", "a b/é\"", false, false, 1]));
    assert_eq!(told(2, &which), json!(["stock", "gone", true, true, null]));
    assert_eq!(told(4, &which), json!(["stock", "kept", true, false, 0]));
    assert_eq!(
        told(2, &["e_tag", "last_modified_date", "storage_class"]),
        json!([null, null, null]),
        "a delete marker"
    );
    let more = ["e_tag", "storage_class", "is_multipart_uploaded", "replication_status", "encryption_status"];
    assert_eq!(told(4, &more), json!(["d41d8cd98f00b204e9800998ecf8427e", "STANDARD", false, null, "SSE-S3"]));
    assert_ne!(lines[0]["version_id"], lines[1]["version_id"]);
    assert_eq!(told(0, &["object_lock_retain_until_date"]), json!([null]));
    assert_eq!(lines[4]["object_lock_retain_until_date"], 4_102_542_245_678_i64);
    let modified = jiff::Timestamp::from_millisecond(lines[0]["last_modified_date"].as_i64().unwrap()).unwrap();
    assert!(modified.to_string().starts_with(day), "{modified} is on {day}");
}

/// A line as the reader of the `parquet` crate gives it.
fn shown(row: &parquet::record::Row) -> Json {
    use parquet::record::Field;
    let value = |field: &Field| match field {
        Field::Null => Json::Null,
        Field::Bool(truth) => json!(truth),
        Field::Long(number) | Field::TimestampMillis(number) => json!(number),
        Field::Str(text) => json!(text),
        other => panic!("{other:?}"),
    };
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

#[tokio::test]
async fn lists_come_as_parquet_and_can_be_selected_from() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    stocked(&client).await;
    let day = cloud.kernel.clock().now().strftime("%Y-%m-%d").to_string();
    let (manifest, key, file) = delivered(&cloud, &client, "Parquet", &FIELDS).await;
    assert!(key.starts_with("stock/Parquet/data/") && key.ends_with(".parquet"), "{key}");
    assert_eq!(manifest["fileFormat"], "Parquet");
    assert_eq!(
        manifest["fileSchema"],
        "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);  \
         optional binary version_id (STRING);  optional boolean is_latest;  optional boolean is_delete_marker;  \
         optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));  optional binary e_tag (STRING);  \
         optional binary storage_class (STRING);  optional boolean is_multipart_uploaded;  \
         optional binary replication_status (STRING);  optional binary encryption_status (STRING);  \
         optional int64 object_lock_retain_until_date (TIMESTAMP(MILLIS,true));}"
    );
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    let group = reader.metadata().row_group(0);
    assert_eq!(group.column(1).compression(), parquet::basic::Compression::SNAPPY);
    let lines: Vec<Json> = reader.get_row_iter(None).unwrap().map(|row| shown(&row.unwrap())).collect();
    check(&lines, &day);
    let query = json!({"Bucket": "lists", "Key": key, "ExpressionType": "SQL",
        "Expression": "SELECT s.\"key\", s.\"size\" FROM S3Object s WHERE s.is_latest AND s.\"size\" > 0",
        "InputSerialization": {"Parquet": {}}, "OutputSerialization": {"CSV": {}}});
    let found = call(&client, "SelectObjectContent", query).await.ok();
    assert_eq!(found["Payload"][0]["payload"], "\"a b/é\"\"\",2\n");
}

#[tokio::test]
async fn lists_come_as_orc() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    stocked(&client).await;
    let day = cloud.kernel.clock().now().strftime("%Y-%m-%d").to_string();
    // The order in which fields are asked for is not that of the columns.
    let mut fields = FIELDS;
    fields.reverse();
    let (manifest, key, file) = delivered(&cloud, &client, "ORC", &fields).await;
    assert!(key.starts_with("stock/ORC/data/") && key.ends_with(".orc"), "{key}");
    assert_eq!(manifest["fileFormat"], "ORC");
    assert_eq!(
        manifest["fileSchema"],
        "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,\
         last_modified_date:timestamp,e_tag:string,storage_class:string,is_multipart_uploaded:boolean,\
         replication_status:string,encryption_status:string,object_lock_retain_until_date:timestamp>"
    );
    check(&crate::orc::lines(&file), &day);
}

#[tokio::test]
async fn a_list_of_nothing_has_a_file_with_no_lines() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    for format in ["Parquet", "ORC"] {
        let cloud = Cloud::start(services()).await;
        let client = cloud.client();
        stocked(&client).await;
        let configuration = json!({"Id": "none", "IsEnabled": true, "IncludedObjectVersions": "Current",
            "Schedule": {"Frequency": "Daily"}, "Filter": {"Prefix": "nothing/"},
            "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::lists", "Format": format}}});
        let input = json!({"Bucket": "stock", "Id": "none", "InventoryConfiguration": configuration});
        call(&client, "PutBucketInventoryConfiguration", input).await.ok();
        cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
        let page = call(&client, "ListObjectsV2", json!({"Bucket": "lists", "Prefix": "stock/none/data/"})).await.ok();
        let (_, file) = get(&client, json!({"Bucket": "lists", "Key": page["Contents"][0]["Key"]})).await;
        match format {
            "ORC" => assert!(crate::orc::lines(&file).is_empty()),
            _ => {
                assert_eq!(
                    SerializedFileReader::new(Bytes::from(file)).unwrap().get_row_iter(None).unwrap().count(),
                    0
                );
            }
        }
    }
}

#[tokio::test]
async fn lists_say_in_which_access_tier_an_object_is() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    stocked(&client).await;
    for (key, size) in [("tier/large", 128 * 1024), ("tier/small", 1)] {
        let input = json!({"Bucket": "stock", "Key": key, "StorageClass": "INTELLIGENT_TIERING"});
        client.call_with_body("s3", "PutObject", input, Some(bytes(size).into())).await.ok();
    }
    cloud.kernel.advance(Duration::from_secs(31 * DAY)).await.unwrap();
    let (_, _, file) = delivered(&cloud, &client, "ORC", &["IntelligentTieringAccessTier"]).await;
    let lines = crate::orc::lines(&file);
    let tier = |key: &str| lines.iter().find(|l| l["key"] == key).unwrap()["intelligent_tiering_access_tier"].clone();
    assert_eq!(
        [tier("tier/large"), tier("tier/small"), tier("kept")],
        [json!("INFREQUENT"), json!("FREQUENT"), json!(null)]
    );
}
