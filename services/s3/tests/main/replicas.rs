//! Replication: to other regions and accounts, through links that are cut.

use super::*;

pub(super) const ROLE: &str = "arn:aws:iam::000000000000:role/replicate";

pub(super) async fn role(cloud: &Cloud, actions: &Json) {
    let root = cloud.client();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    root.call("iam", "CreateRole", json!({"RoleName": "replicate", "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": "replicate", "PolicyName": "p", "PolicyDocument": may.to_string()});
    root.call("iam", "PutRolePolicy", input).await.ok();
}

pub(super) async fn versioned(client: &Client, name: &str) {
    let place = (client.region != "us-east-1").then(|| json!({"LocationConstraint": client.region}));
    let mut input = json!({"Bucket": name});
    if let Some(place) = place {
        input["CreateBucketConfiguration"] = place;
    }
    call(client, "CreateBucket", input).await.ok();
    let on = json!({"Bucket": name, "VersioningConfiguration": {"Status": "Enabled"}});
    call(client, "PutBucketVersioning", on).await.ok();
}

pub(super) fn kill(cloud: &Cloud, region: &str) {
    let rule = serde_json::from_value(json!({"region": region, "effect": "dead"}));
    cloud.kernel.faults().add(rule.unwrap()).unwrap();
}

pub(super) fn rule(id: &str, priority: i32, prefix: &str, target: &str) -> Json {
    json!({"ID": id, "Priority": priority, "Status": "Enabled", "Filter": {"Prefix": prefix},
           "DeleteMarkerReplication": {"Status": "Enabled"}, "Destination": {"Bucket": format!("arn:aws:s3:::{target}")}})
}

pub(super) async fn replicate(client: &Client, name: &str, rules: &Json) {
    let input = json!({"Bucket": name, "ReplicationConfiguration": {"Role": ROLE, "Rules": rules}});
    call(client, "PutBucketReplication", input).await.ok();
}

/// Waits until a version's status is no longer PENDING.
pub(super) async fn settled(client: &Client, bucket: &str, key: &str) -> String {
    for _ in 0..400 {
        let head = call(client, "HeadObject", json!({"Bucket": bucket, "Key": key})).await.ok();
        match head["ReplicationStatus"].as_str() {
            Some("PENDING") => tokio::time::sleep(Duration::from_millis(10)).await,
            other => return other.unwrap_or_default().to_owned(),
        }
    }
    panic!("{key} is still on its way");
}

#[tokio::test]
async fn versions_markers_and_changes_reach_another_region() {
    let cloud = Cloud::start(services()).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    role(&cloud, &json!("s3:*")).await;
    versioned(&here, "from").await;
    versioned(&there, "into").await;
    put(&here, "from", "docs/before", b"x").await;
    replicate(&here, "from", &json!([rule("docs", 1, "docs/", "into")])).await;
    let shown = call(&here, "GetBucketReplication", json!({"Bucket": "from"})).await.ok();
    assert_eq!(shown["ReplicationConfiguration"]["Rules"][0]["ID"], "docs");
    let version = put(&here, "from", "docs/1", b"hello").await["VersionId"].clone();
    put(&here, "from", "other", b"x").await;
    assert_eq!(settled(&here, "from", "docs/1").await, "COMPLETED");
    assert_eq!(settled(&here, "from", "other").await, "", "no rule is about it");
    assert_eq!(settled(&here, "from", "docs/before").await, "", "it was there before the rule");
    let replica = call(&there, "HeadObject", json!({"Bucket": "into", "Key": "docs/1"})).await.ok();
    assert_eq!((&replica["ReplicationStatus"], &replica["VersionId"]), (&json!("REPLICA"), &version));
    assert_eq!(get(&there, json!({"Bucket": "into", "Key": "docs/1"})).await.1, b"hello");
    // Tags follow, and so does the marker.
    let tags = json!({"Bucket": "from", "Key": "docs/1", "Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}});
    call(&here, "PutObjectTagging", tags).await.ok();
    let tagged = || call(&there, "GetObjectTagging", json!({"Bucket": "into", "Key": "docs/1", "VersionId": version}));
    for _ in 0..300 {
        if tagged().await.ok()["TagSet"] != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(tagged().await.ok()["TagSet"], json!([{"Key": "a", "Value": "1"}]));
    call(&here, "DeleteObject", json!({"Bucket": "from", "Key": "docs/1"})).await.ok();
    for _ in 0..300 {
        if call(&there, "HeadObject", json!({"Bucket": "into", "Key": "docs/1"})).await.status == 404 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(call(&there, "GetObject", json!({"Bucket": "into", "Key": "docs/1"})).await.code(), "NoSuchKey");
    assert_eq!(get(&there, json!({"Bucket": "into", "Key": "docs/1", "VersionId": version})).await.1, b"hello");
    let off = json!({"Bucket": "from", "VersioningConfiguration": {"Status": "Suspended"}});
    assert_eq!(call(&here, "PutBucketVersioning", off).await.code(), "InvalidBucketState");
    call(&here, "DeleteBucketReplication", json!({"Bucket": "from"})).await.ok();
    let gone = call(&here, "GetBucketReplication", json!({"Bucket": "from"})).await;
    assert_eq!(gone.code(), "ReplicationConfigurationNotFoundError");
}

#[tokio::test]
async fn an_upload_in_parts_is_replicated_whole_and_in_another_class() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&cloud, &json!("s3:*")).await;
    versioned(&client, "from").await;
    versioned(&client, "into").await;
    let mut to = rule("all", 1, "", "into");
    to["Destination"]["StorageClass"] = "STANDARD_IA".into();
    replicate(&client, "from", &json!([to])).await;
    let begun = call(&client, "CreateMultipartUpload", json!({"Bucket": "from", "Key": "big"})).await.ok();
    let (first, second) = (bytes(5 * 1024 * 1024), bytes(77));
    let mut named = Vec::new();
    for (number, body) in [(1, &first), (2, &second)] {
        let input = json!({"Bucket": "from", "Key": "big", "UploadId": begun["UploadId"], "PartNumber": number});
        let part = client.call_with_body("s3", "UploadPart", input, Some(body.clone().into())).await.ok();
        named.push(json!({"PartNumber": number, "ETag": part["ETag"]}));
    }
    let input =
        json!({"Bucket": "from", "Key": "big", "UploadId": begun["UploadId"], "MultipartUpload": {"Parts": named}});
    let done = call(&client, "CompleteMultipartUpload", input).await.ok();
    assert_eq!(settled(&client, "from", "big").await, "COMPLETED");
    let (answer, body) = get(&client, json!({"Bucket": "into", "Key": "big"})).await;
    assert!(body == [first, second].concat());
    assert_eq!(answer.headers["etag"], done["ETag"].as_str().unwrap());
    assert_eq!(answer.headers["x-amz-storage-class"], "STANDARD_IA");
}

#[tokio::test]
async fn a_cut_link_queues_and_a_refusal_fails() {
    let cloud = Cloud::start(services()).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    role(&cloud, &json!(["s3:GetObjectVersionForReplication", "s3:ReplicateObject"])).await;
    versioned(&here, "from").await;
    versioned(&there, "into").await;
    replicate(&here, "from", &json!([rule("all", 1, "", "into")])).await;
    kill(&cloud, "eu-west-1");
    for number in 0..20 {
        put(&here, "from", &format!("k{number}"), b"x").await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let head = call(&here, "HeadObject", json!({"Bucket": "from", "Key": "k3"})).await.ok();
    assert_eq!(head["ReplicationStatus"], "PENDING");
    cloud.kernel.faults().remove(None);
    cloud.kernel.advance(Duration::from_secs(600)).await.unwrap();
    for number in 0..20 {
        assert_eq!(settled(&here, "from", &format!("k{number}")).await, "COMPLETED");
        assert_eq!(get(&there, json!({"Bucket": "into", "Key": format!("k{number}")})).await.1, b"x");
    }
    // The role may not replicate tags.
    call(&here, "PutObject", json!({"Bucket": "from", "Key": "tagged", "Tagging": "a=1"})).await.ok();
    assert_eq!(settled(&here, "from", "tagged").await, "FAILED");
    assert_eq!(call(&there, "HeadObject", json!({"Bucket": "into", "Key": "tagged"})).await.status, 404);
}

#[tokio::test]
async fn what_takes_too_long_is_told() {
    let cloud = Cloud::start(services()).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    role(&cloud, &json!("s3:*")).await;
    versioned(&here, "from").await;
    versioned(&there, "into").await;
    let mut timed = rule("timed", 1, "", "into");
    timed["Destination"]["ReplicationTime"] = json!({"Status": "Enabled", "Time": {"Minutes": 15}});
    timed["Destination"]["Metrics"] = json!({"Status": "Enabled", "EventThreshold": {"Minutes": 15}});
    replicate(&here, "from", &json!([timed])).await;
    let queue = here.call("sqs", "CreateQueue", json!({"QueueName": "late"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]});
    let input = json!({"QueueUrl": queue["QueueUrl"], "Attributes": {"Policy": policy.to_string()}});
    here.call("sqs", "SetQueueAttributes", input).await.ok();
    let told = json!({"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:late", "Events": ["s3:Replication:*"]}]});
    let input = json!({"Bucket": "from", "NotificationConfiguration": told});
    call(&here, "PutBucketNotificationConfiguration", input).await.ok();
    let url = queue["QueueUrl"].as_str().unwrap().to_owned();
    receive(&here, &url).await;
    kill(&cloud, "eu-west-1");
    put(&here, "from", "k", b"x").await;
    cloud.kernel.advance(Duration::from_secs(16 * 60)).await.unwrap();
    let message = receive(&here, &url).await.to_string();
    assert!(message.contains("Replication:OperationMissedThreshold") && message.contains("timed"), "{message}");
    cloud.kernel.faults().remove(None);
    cloud.kernel.advance(Duration::from_secs(10 * 60)).await.unwrap();
    let message = receive(&here, &url).await.to_string();
    assert!(message.contains("Replication:OperationReplicatedAfterThreshold"), "{message}");
}

#[tokio::test]
async fn what_is_on_its_way_is_measured() {
    let mut all = services();
    all.push(Arc::new(undercast_cloudwatch::CloudWatch));
    let cloud = Cloud::start(all).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    role(&cloud, &json!(["s3:GetObjectVersionForReplication", "s3:ReplicateObject"])).await;
    versioned(&here, "from").await;
    versioned(&there, "into").await;
    let mut measured = rule("measured", 1, "", "into");
    measured["Destination"]["Metrics"] = json!({"Status": "Enabled"});
    replicate(&here, "from", &json!([measured])).await;
    let start = cloud.kernel.clock().now().as_second() - 60;
    let values = async |name: &str, statistic: &str| {
        let dimensions = json!([{"Name": "SourceBucket", "Value": "from"}, {"Name": "DestinationBucket", "Value": "into"},
            {"Name": "RuleId", "Value": "measured"}]);
        let metric = json!({"Namespace": "AWS/S3", "MetricName": name, "Dimensions": dimensions});
        let input = json!({"MetricDataQueries": [{"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}],
            "StartTime": start, "EndTime": start + 7200, "ScanBy": "TimestampAscending"});
        let answer = here.call("cloudwatch", "GetMetricData", input).await.ok();
        let values = answer["MetricDataResults"][0]["Values"].as_array().unwrap().clone();
        values.iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>()
    };
    kill(&cloud, "eu-west-1");
    put(&here, "from", "one", &[1; 100]).await;
    put(&here, "from", "two", &[1; 50]).await;
    cloud.kernel.advance(Duration::from_secs(5 * 60)).await.unwrap();
    let operations = values("OperationsPendingReplication", "Maximum").await;
    assert!(operations.len() >= 4 && operations.iter().all(|n| *n == 2.0), "{operations:?}");
    assert_eq!(values("BytesPendingReplication", "Maximum").await[0], 150.0);
    let behind = values("ReplicationLatency", "Maximum").await;
    assert!(behind.is_sorted() && *behind.last().unwrap() > 180.0, "{behind:?}");
    assert!(values("OperationsFailedReplication", "Sum").await.is_empty());
    cloud.kernel.faults().remove(None);
    cloud.kernel.advance(Duration::from_secs(10 * 60)).await.unwrap();
    assert_eq!(settled(&here, "from", "one").await, "COMPLETED");
    call(&here, "PutObject", json!({"Bucket": "from", "Key": "tagged", "Tagging": "a=1"})).await.ok();
    assert_eq!(settled(&here, "from", "tagged").await, "FAILED");
    cloud.kernel.advance(Duration::from_secs(2 * 60)).await.unwrap();
    for name in ["OperationsPendingReplication", "BytesPendingReplication", "ReplicationLatency"] {
        assert_eq!(values(name, "Maximum").await.last(), Some(&0.0), "{name}");
    }
    assert_eq!(values("OperationsFailedReplication", "Sum").await, [1.0]);
}

/// Changes what the role of a test may do.
pub(super) async fn may(client: &Client, actions: &[&str]) {
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let input = json!({"RoleName": "replicate", "PolicyName": "p", "PolicyDocument": may.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

#[tokio::test]
async fn a_refusal_is_told_in_s3s_words() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    role(&cloud, &json!("s3:*")).await;
    versioned(&client, "from").await;
    versioned(&client, "into").await;
    replicate(&client, "from", &json!([rule("all", 1, "", "into")])).await;
    let policy = statement(&json!({"Service": "s3.amazonaws.com"}), &json!("sqs:SendMessage"), &json!("*"));
    let made =
        client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap();
    let told = json!({"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
        "Events": ["s3:Replication:OperationFailedReplication"]}]});
    call(&client, "PutBucketNotificationConfiguration", json!({"Bucket": "from", "NotificationConfiguration": told}))
        .await
        .ok();
    receive(&client, url).await;
    let failed = async |key: &str, wanted: &str| {
        call(&client, "PutObject", json!({"Bucket": "from", "Key": key, "Tagging": "a=1"})).await.ok();
        let record = receive(&client, url).await["Records"][0].clone();
        assert_eq!(record["s3"]["object"]["key"], key);
        assert_eq!(record["replicationEventData"]["failureReason"], wanted, "{record}");
        assert_eq!(settled(&client, "from", key).await, "FAILED");
    };
    let (get, put) = ("s3:GetObjectVersionForReplication", "s3:ReplicateObject");
    may(&client, &[put]).await;
    failed("get", "SrcGetObjectNotPermitted").await;
    may(&client, &[get]).await;
    failed("put", "DstPutObjectNotPermitted").await;
    may(&client, &[get, put]).await;
    failed("read-tags", "SrcGetTaggingNotPermitted").await;
    may(&client, &[get, put, "s3:GetObjectVersionTagging"]).await;
    failed("tags", "DstPutTaggingNotPermitted").await;
    call(&client, "DeleteObject", json!({"Bucket": "from", "Key": "tags"})).await.ok();
    let record = receive(&client, url).await["Records"][0].clone();
    assert_eq!(record["replicationEventData"]["failureReason"], "DstDelObjNotPermitted");
    may(&client, &["s3:*"]).await;
    let off = json!({"Bucket": "into", "VersioningConfiguration": {"Status": "Suspended"}});
    call(&client, "PutBucketVersioning", off).await.ok();
    failed("unversioned", "DstBucketUnversioned").await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "replicate", "PolicyDocument": trust.to_string()});
    client.call("iam", "UpdateAssumeRolePolicy", input).await.ok();
    failed("role", "AssumeRoleNotPermitted").await;
    call(&client, "DeleteBucket", json!({"Bucket": "into"})).await.ok();
    failed("gone", "DstBucketNotFound").await;
}
