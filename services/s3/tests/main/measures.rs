//! What CloudWatch is told of buckets.

use undercast_cloudwatch::CloudWatch;

use super::*;

fn with_cloudwatch() -> Vec<Arc<dyn Service>> {
    let mut all = services();
    all.push(Arc::new(CloudWatch));
    all
}

/// The sum, the count of values, and the largest of a metric of S3 over the last hours.
async fn figures(cloud: &Cloud, name: &str, dimensions: &[(&str, &str)]) -> Option<(f64, f64, f64)> {
    let now = cloud.kernel.clock().now().as_second();
    let dimensions: Vec<Json> = dimensions.iter().map(|(n, v)| json!({"Name": n, "Value": v})).collect();
    let asked = json!({"Namespace": "AWS/S3", "MetricName": name, "Dimensions": dimensions, "StartTime": now - 40 * 3600,
        "EndTime": now + 3600, "Period": 3600 * 48, "Statistics": ["Sum", "SampleCount", "Maximum"]});
    let answer = cloud.client().call("cloudwatch", "GetMetricStatistics", asked).await.ok();
    let point = answer["Datapoints"].as_array()?.first()?.clone();
    Some((point["Sum"].as_f64()?, point["SampleCount"].as_f64()?, point["Maximum"].as_f64()?))
}

async fn of_filter(cloud: &Cloud, id: &str, name: &str) -> Option<f64> {
    figures(cloud, name, &[("BucketName", "seen"), ("FilterId", id)]).await.map(|(sum, _, _)| sum)
}

async fn measure(client: &Client, id: &str, filter: Json) {
    let mut configuration = json!({"Id": id});
    if !filter.is_null() {
        configuration["Filter"] = filter;
    }
    let input = json!({"Bucket": "seen", "Id": id, "MetricsConfiguration": configuration});
    call(client, "PutBucketMetricsConfiguration", input).await.ok();
}

/// Answers are told of when their last byte has gone.
async fn settled(cloud: &Cloud, id: &str, all: f64) {
    for _ in 0..200 {
        if of_filter(cloud, id, "AllRequests").await >= Some(all) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?} requests, not {all}", of_filter(cloud, id, "AllRequests").await);
}

#[tokio::test]
async fn requests_are_counted_by_their_kind() {
    let cloud = Cloud::start(with_cloudwatch()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    bucket(&client, "other").await;
    put(&client, "seen", "before", b"not counted").await;
    measure(&client, "all", json!(null)).await;
    put(&client, "seen", "a", &[7; 1000]).await;
    get(&client, json!({"Bucket": "seen", "Key": "a"})).await;
    get(&client, json!({"Bucket": "seen", "Key": "a", "Range": "bytes=0-9"})).await;
    get(&client, json!({"Bucket": "seen", "Key": "none"})).await;
    call(&client, "HeadObject", json!({"Bucket": "seen", "Key": "a"})).await.ok();
    call(&client, "ListObjectsV2", json!({"Bucket": "seen"})).await.ok();
    call(&client, "GetBucketVersioning", json!({"Bucket": "seen"})).await.ok();
    call(&client, "CopyObject", json!({"Bucket": "other", "Key": "b", "CopySource": "seen/a"})).await.ok();
    call(&client, "CopyObject", json!({"Bucket": "seen", "Key": "c", "CopySource": "seen/a"})).await.ok();
    call(&client, "DeleteObject", json!({"Bucket": "seen", "Key": "c"})).await;
    call(&client, "DeleteObjects", json!({"Bucket": "seen", "Delete": {"Objects": [{"Key": "c"}]}})).await.ok();
    call(&client, "CreateMultipartUpload", json!({"Bucket": "seen", "Key": "m"})).await.ok();
    put(&client, "other", "not", b"counted").await;
    settled(&cloud, "all", 11.0).await;
    for (name, sum) in [
        ("AllRequests", 11.0),
        ("GetRequests", 5.0),
        ("PutRequests", 2.0),
        ("HeadRequests", 1.0),
        ("ListRequests", 1.0),
        ("DeleteRequests", 2.0),
        ("PostRequests", 1.0),
        ("4xxErrors", 1.0),
        ("5xxErrors", 0.0),
    ] {
        assert_eq!(of_filter(&cloud, "all", name).await, Some(sum), "{name}");
    }
    let all = |name| figures_of_all(&cloud, name);
    let (_, count, _) = all("4xxErrors").await;
    assert_eq!(count, 11.0, "the average is the share of errors");
    let (sum, _, most) = all("BytesUploaded").await;
    assert!((1000.0..1500.0).contains(&sum) && most == 1000.0, "{sum} {most}");
    let (sum, _, most) = all("BytesDownloaded").await;
    assert!(sum > 1010.0 && most == 1000.0, "{sum} {most}");
    let ((first, count, _), (total, _, _)) = (all("FirstByteLatency").await, all("TotalRequestLatency").await);
    assert!(count == 11.0 && first > 0.0 && total >= first && total < 60_000.0, "{first} {total}");
}

async fn figures_of_all(cloud: &Cloud, name: &str) -> (f64, f64, f64) {
    figures(cloud, name, &[("BucketName", "seen"), ("FilterId", "all")]).await.unwrap()
}

#[tokio::test]
async fn filters_choose_what_is_counted() {
    let cloud = Cloud::start(with_cloudwatch()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    let point = json!({"AccountId": "000000000000", "Name": "door", "Bucket": "seen"});
    let door = client.call("s3control", "CreateAccessPoint", point).await.ok();
    measure(&client, "all", json!(null)).await;
    measure(&client, "docs", json!({"Prefix": "docs/ä "})).await;
    measure(&client, "team", json!({"Tag": {"Key": "team", "Value": "a"}})).await;
    measure(&client, "both", json!({"And": {"Prefix": "docs/", "Tags": [{"Key": "team", "Value": "a"}]}})).await;
    measure(&client, "door", json!({"AccessPointArn": door["AccessPointArn"]})).await;
    let put = async |bucket: &str, key: &str, tagging: &str| {
        let input = json!({"Bucket": bucket, "Key": key, "Tagging": tagging});
        client.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(b"x"))).await.ok();
    };
    put("seen", "docs/ä 1", "").await;
    put("seen", "docs/2", "team=a&x=y").await;
    put("seen", "other", "team=a").await;
    put("seen", "third", "team=b").await;
    put(door["Alias"].as_str().unwrap(), "fourth", "").await;
    get(&client, json!({"Bucket": "seen", "Key": "docs/2"})).await;
    get(&client, json!({"Bucket": door["AccessPointArn"], "Key": "other"})).await;
    call(&client, "DeleteObject", json!({"Bucket": "seen", "Key": "docs/2"})).await;
    settled(&cloud, "all", 12.0).await;
    for (id, puts, gets, deletes) in [
        ("docs", Some(1.0), None, None),
        ("team", Some(2.0), Some(2.0), Some(1.0)),
        ("both", Some(1.0), Some(1.0), Some(1.0)),
        ("door", Some(1.0), Some(1.0), None),
    ] {
        for (name, wanted) in [("PutRequests", puts), ("GetRequests", gets), ("DeleteRequests", deletes)] {
            assert_eq!(of_filter(&cloud, id, name).await, wanted, "{id} {name}");
        }
    }
    call(&client, "DeleteBucketMetricsConfiguration", json!({"Bucket": "seen", "Id": "docs"})).await;
    put("seen", "docs/ä 1", "").await;
    settled(&cloud, "all", 14.0).await;
    assert_eq!(of_filter(&cloud, "docs", "PutRequests").await, Some(1.0));
}

#[tokio::test]
async fn queries_tell_how_much_they_read() {
    let cloud = Cloud::start(with_cloudwatch()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    measure(&client, "all", json!(null)).await;
    put(&client, "seen", "table", b"1,a\n2,b\n3,c\n").await;
    let query = json!({"Bucket": "seen", "Key": "table", "ExpressionType": "SQL", "Expression": "SELECT s._2 FROM S3Object s",
        "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}});
    assert_eq!(call(&client, "SelectObjectContent", query).await.status, 200);
    settled(&cloud, "all", 2.0).await;
    for (name, sum) in [("SelectRequests", 1.0), ("SelectBytesScanned", 12.0), ("SelectBytesReturned", 6.0)] {
        assert_eq!(of_filter(&cloud, "all", name).await, Some(sum), "{name}");
    }
}

#[tokio::test]
async fn what_is_stored_is_told_at_midnight() {
    let cloud = Cloud::start(with_cloudwatch()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    let day = Duration::from_secs(24 * 3600);
    let stored = async |name: &str, kind: &str| {
        figures(&cloud, name, &[("BucketName", "seen"), ("StorageType", kind)]).await.map(|(_, _, most)| most)
    };
    let store = async |key: &str, class: &str, size: usize| {
        let input = json!({"Bucket": "seen", "Key": key, "StorageClass": class});
        client.call_with_body("s3", "PutObject", input, Some(Bytes::from(vec![1; size]))).await.ok();
    };
    call(&client, "PutBucketVersioning", json!({"Bucket": "seen", "VersioningConfiguration": {"Status": "Enabled"}}))
        .await
        .ok();
    store("a", "STANDARD", 1000).await;
    store("a", "STANDARD", 200).await;
    store("ia", "STANDARD_IA", 131_000).await;
    store("cold", "DEEP_ARCHIVE", 10).await;
    call(&client, "DeleteObject", json!({"Bucket": "seen", "Key": "a"})).await;
    let upload = call(&client, "CreateMultipartUpload", json!({"Bucket": "seen", "Key": "m"})).await.ok();
    let part = json!({"Bucket": "seen", "Key": "m", "UploadId": upload["UploadId"], "PartNumber": 1});
    client.call_with_body("s3", "UploadPart", part, Some(Bytes::from_static(b"12345"))).await.ok();
    cloud.kernel.advance(day).await.unwrap();
    for (kind, bytes) in [
        ("StandardStorage", Some(1205.0)),
        ("StandardIAStorage", Some(131_000.0)),
        ("StandardIASizeOverhead", Some(72.0)),
        ("DeepArchiveStorage", Some(10.0)),
        ("DeepArchiveObjectOverhead", Some(32768.0)),
        ("DeepArchiveS3ObjectOverhead", Some(8192.0)),
        ("GlacierStorage", None),
    ] {
        assert_eq!(stored("BucketSizeBytes", kind).await, bytes, "{kind}");
    }
    assert_eq!(stored("NumberOfObjects", "AllStorageTypes").await, Some(6.0));
    // Nothing changes: the same again; then it does.
    cloud.kernel.advance(day * 2).await.unwrap();
    assert_eq!(stored("NumberOfObjects", "AllStorageTypes").await, Some(6.0));
    store("b", "STANDARD", 10_000).await;
    call(&client, "AbortMultipartUpload", json!({"Bucket": "seen", "Key": "m", "UploadId": upload["UploadId"]})).await;
    cloud.kernel.advance(day * 2).await.unwrap();
    assert_eq!(stored("BucketSizeBytes", "StandardStorage").await, Some(11_200.0));
    assert_eq!(stored("NumberOfObjects", "AllStorageTypes").await, Some(6.0));
}

#[tokio::test]
async fn access_tiers_are_told_as_time_makes_them() {
    let cloud = Cloud::start(with_cloudwatch()).await;
    let client = cloud.client();
    bucket(&client, "seen").await;
    for (key, size) in [("large", 200_000), ("small", 100)] {
        let input = json!({"Bucket": "seen", "Key": key, "StorageClass": "INTELLIGENT_TIERING"});
        client.call_with_body("s3", "PutObject", input, Some(Bytes::from(vec![1; size]))).await.ok();
    }
    for (days, kind, bytes) in [
        (1, "IntelligentTieringFAStorage", 200_100.0),
        (35, "IntelligentTieringIAStorage", 200_000.0),
        (60, "IntelligentTieringAIAStorage", 200_000.0),
    ] {
        cloud.kernel.advance(Duration::from_secs(days * 24 * 3600)).await.unwrap();
        let found = figures(&cloud, "BucketSizeBytes", &[("BucketName", "seen"), ("StorageType", kind)]).await;
        assert_eq!(found.map(|(_, _, most)| most), Some(bytes), "{kind}");
    }
}
