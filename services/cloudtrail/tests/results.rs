//! Results of queries, delivered to a bucket; queries that take long.

use sha2::{Digest as _, Sha256};

use super::lake::{finished, id, store};
use super::*;

/// Lets CloudTrail deliver results.
async fn open(client: &Client, folder: &str) {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl", "Resource": format!("arn:aws:s3:::{BUCKET}")},
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject", "Resource": format!("arn:aws:s3:::{BUCKET}/{folder}*"),
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:cloudtrail:us-east-1:000000000000:eventdatastore/*"}, "StringEquals": {"aws:SourceAccount": "000000000000"}}},
    ]});
    client.call("s3", "PutBucketPolicy", json!({"Bucket": BUCKET, "Policy": policy.to_string()})).await.ok();
}

/// The status of a delivery that is over.
async fn delivered(client: &Client, query: &Json) -> Json {
    for _ in 0..500 {
        let shown = ok(client, "DescribeQuery", json!({"QueryId": query})).await;
        if shown["DeliveryStatus"] != "PENDING" {
            return shown["DeliveryStatus"].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the delivery does not end")
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let answer = client.call("s3", "GetObject", json!({"Bucket": BUCKET, "Key": key})).await;
    assert_eq!(answer.status, 200, "{key}");
    answer.body.to_vec()
}

#[tokio::test]
async fn results_are_delivered_and_signed() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    for name in ["a", "b"] {
        client.call("sqs", "CreateQueue", json!({"QueueName": name})).await.ok();
    }
    open(&client, "answers/").await;
    let sql = format!(
        "SELECT element_at(requestParameters, 'queueName') AS q, 'says \"x\", y' AS t FROM {} WHERE eventName = 'CreateQueue' ORDER BY 1",
        id(&arn)
    );
    let uri = format!("s3://{BUCKET}/answers/");
    let query =
        ok(&client, "StartQuery", json!({"QueryStatement": sql, "DeliveryS3Uri": uri})).await["QueryId"].clone();
    finished(&client, &query).await;
    assert_eq!(delivered(&client, &query).await, "SUCCESS");
    let shown = ok(&client, "DescribeQuery", json!({"QueryId": query})).await;
    assert_eq!(shown["DeliveryS3Uri"], json!(uri));
    let keys = keys(&client, "answers/AWSLogs/000000000000/CloudTrail-Lake/Query/").await;
    let of = format!("/{}/result_", query.as_str().unwrap());
    assert!(keys.len() == 2 && keys.iter().all(|key| key.contains(&of)), "{keys:?}");
    let (csv, sign) = (&keys[0], &keys[1]);
    assert!(csv.ends_with("result_1.csv.gz") && sign.ends_with("result_sign.json"), "{keys:?}");
    let zipped = get(&client, csv).await;
    let text = String::from_utf8(unzipped(&zipped)).unwrap();
    assert_eq!(text, "q,t\na,\"says \"\"x\"\", y\"\nb,\"says \"\"x\"\", y\"\n");
    let sign: Json = serde_json::from_slice(&get(&client, sign).await).unwrap();
    let hash = undercast_kernel::wire::text::hex_encode(&Sha256::digest(&zipped));
    assert_eq!(sign["files"], json!([{"fileHashValue": hash, "fileName": "result_1.csv.gz"}]));
    assert_eq!((&sign["version"], &sign["region"]), (&json!("1.0"), &json!("us-east-1")));
    integrity::check_signature(&client, &sign["publicKeyFingerprint"], &sign["hashSignature"], &hash).await;
}

#[tokio::test]
async fn a_bucket_for_results_must_be_there_and_open() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let sql = format!("SELECT COUNT(*) FROM {}", id(&arn));
    let ask = |uri: &str| json!({"QueryStatement": sql, "DeliveryS3Uri": uri});
    for (uri, wanted) in [
        ("s3://none-there", "S3BucketDoesNotExistException"),
        ("s3://trail-logs/closed", "InsufficientS3BucketPolicyException"),
        ("s3://trail-logs/AWSLogs", "InvalidS3PrefixException"),
    ] {
        assert_eq!(refused(&client, "StartQuery", ask(uri)).await.0, wanted, "{uri}");
    }
    assert_eq!(ok(&client, "ListQueries", json!({"EventDataStore": arn})).await["Queries"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_delivered_is_said() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    open(&client, "answers/").await;
    // A key that lets nobody in but the account closes the bucket to CloudTrail, whatever its policy says.
    let closed = settings::key(&client, false).await;
    let rule = json!({"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": closed}});
    let input = json!({"Bucket": BUCKET, "ServerSideEncryptionConfiguration": {"Rules": [rule]}});
    client.call("s3", "PutBucketEncryption", input).await.ok();
    let sql = format!("SELECT COUNT(*) FROM {}", id(&arn));
    let ask = json!({"QueryStatement": sql, "DeliveryS3Uri": format!("s3://{BUCKET}/answers")});
    let query = ok(&client, "StartQuery", ask).await["QueryId"].clone();
    assert_eq!(finished(&client, &query).await["QueryStatus"], "FINISHED");
    assert_eq!(delivered(&client, &query).await, "ACCESS_DENIED");
    assert_eq!(keys(&client, "answers/").await, Vec::<String>::new());
    drop(cloud);
}

/// A query over so many combinations of events that nobody waits for its end.
fn endless(arn: &str) -> String {
    let id = id(arn);
    let tables: Vec<String> = ["a", "b", "c", "d", "e", "f"].iter().map(|name| format!("{id} {name}")).collect();
    format!(
        "SELECT COUNT(*) AS n FROM {} WHERE a.eventID || b.eventID || c.eventID || d.eventID || e.eventID || f.eventID = 'none'",
        tables.join(" CROSS JOIN ")
    )
}

#[tokio::test]
async fn ten_queries_run_at_a_time_and_can_be_cancelled() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    for at in 0..40 {
        client.call("sqs", "CreateQueue", json!({"QueueName": format!("q{at}")})).await.ok();
    }
    open(&client, "answers/").await;
    let mut all = Vec::new();
    for _ in 0..10 {
        let ask = json!({"QueryStatement": endless(&arn), "DeliveryS3Uri": format!("s3://{BUCKET}/answers")});
        all.push(ok(&client, "StartQuery", ask).await["QueryId"].clone());
    }
    let one_more = json!({"QueryStatement": endless(&arn)});
    let (code, message) = refused(&client, "StartQuery", one_more.clone()).await;
    assert_eq!(code, "MaxConcurrentQueriesException");
    assert_eq!(message, "You are already running the maximum number of concurrent queries: 10.");
    let running =
        async |query: &Json| ok(&client, "DescribeQuery", json!({"QueryId": query})).await["QueryStatus"].clone();
    while running(&all[0]).await != "RUNNING" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for query in &all {
        let cancelled = ok(&client, "CancelQuery", json!({"QueryId": query, "EventDataStore": arn})).await;
        assert_eq!((&cancelled["QueryId"], &cancelled["QueryStatus"]), (query, &json!("CANCELLED")));
    }
    let shown = ok(&client, "DescribeQuery", json!({"QueryId": all[0]})).await;
    assert_eq!((&shown["QueryStatus"], &shown["DeliveryStatus"]), (&json!("CANCELLED"), &json!("CANCELLED")));
    assert_eq!(refused(&client, "CancelQuery", json!({"QueryId": all[0]})).await.0, "InactiveQueryException");
    // There is room for others again, and they are not kept waiting by those that were cancelled.
    let sql = format!("SELECT COUNT(*) AS n FROM {} WHERE eventName = 'CreateQueue'", id(&arn));
    let short = ok(&client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    finished(&client, &short).await;
    let found = ok(&client, "GetQueryResults", json!({"QueryId": short})).await;
    assert_eq!(found["QueryResultRows"], json!([[{"n": "40"}]]));
}
