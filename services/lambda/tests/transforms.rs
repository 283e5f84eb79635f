//! Functions that transform what Firehose delivers.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Cloud};

use crate::setup::{allow, cloud, create, python, role};

crate::tests!(records_are_transformed_dropped_and_given_up);

const ROLE: &str = "arn:aws:iam::000000000000:role/firehose";

const CODE: &str = r#"
import base64

def one(record):
    data = base64.b64decode(record["data"]).decode()
    if data == "boom":
        raise RuntimeError("no")
    result = {"drop": "Dropped", "fail": "ProcessingFailed"}.get(data, "Ok")
    return {"recordId": record["recordId"], "result": result, "data": base64.b64encode((data.upper() + "\n").encode()).decode(),
            "metadata": {"partitionKeys": {"first": data[0]}}}

def handler(event, context):
    assert event["deliveryStreamArn"].endswith(":deliverystream/s") and event["region"] == "us-east-1"
    return {"records": [one(record) for record in event["records"] if record["data"] != base64.b64encode(b"miss").decode()]}
"#;

async fn put(client: &Client, data: &[&str]) {
    let records: Vec<Json> = data.iter().map(|data| json!({"Data": text::base64(data.as_bytes())})).collect();
    client.call("firehose", "PutRecordBatch", json!({"DeliveryStreamName": "s", "Records": records})).await.ok();
}

/// All objects under a prefix, one behind the other, once there is one.
async fn delivered(cloud: &Cloud, client: &Client, prefix: &str) -> String {
    cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
    for _ in 0..100 {
        let listed = client.call("s3", "ListObjectsV2", json!({"Bucket": "out", "Prefix": prefix})).await.ok();
        let mut all = String::new();
        for object in listed["Contents"].as_array().into_iter().flatten() {
            let answer = client.call("s3", "GetObject", json!({"Bucket": "out", "Key": object["Key"]})).await;
            all.push_str(std::str::from_utf8(&answer.body).unwrap());
        }
        if !all.is_empty() {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was delivered under {prefix}");
}

async fn records_are_transformed_dropped_and_given_up() {
    let (cloud, client) = cloud().await;
    create(&client, python("f", CODE)).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "out"})).await.ok();
    role(&client, "firehose", &["s3:*", "lambda:InvokeFunction"]).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let input = json!({"RoleName": "firehose", "PolicyDocument": trust.to_string()});
    client.call("iam", "UpdateAssumeRolePolicy", input).await.ok();
    let parameters = json!([
        {"ParameterName": "LambdaArn", "ParameterValue": "arn:aws:lambda:us-east-1:000000000000:function:f"},
        {"ParameterName": "NumberOfRetries", "ParameterValue": "1"},
    ]);
    let destination = json!({"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::out", "Prefix": "ok/!{partitionKeyFromLambda:first}/",
        "ErrorOutputPrefix": "bad/!{firehose:error-output-type}/", "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
        "DynamicPartitioningConfiguration": {"Enabled": true},
        "ProcessingConfiguration": {"Enabled": true, "Processors": [{"Type": "Lambda", "Parameters": parameters}]}});
    let input = json!({"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": destination});
    client.call("firehose", "CreateDeliveryStream", input).await.ok();

    put(&client, &["apple", "drop", "avocado", "fail", "miss", "banana"]).await;
    assert_eq!(delivered(&cloud, &client, "ok/a/").await, "APPLE\nAVOCADO\n");
    assert_eq!(delivered(&cloud, &client, "ok/b/").await, "BANANA\n");
    let failed = delivered(&cloud, &client, "bad/processing-failed/").await;
    let failed: Vec<Json> = failed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<(&str, &str)> =
        failed.iter().map(|one| (one["errorCode"].as_str().unwrap(), one["rawData"].as_str().unwrap())).collect();
    let raw = |data: &str| text::base64(data.as_bytes());
    assert_eq!(codes, [("Lambda.ProcessingFailedStatus", &*raw("fail")), ("Lambda.MissingRecordId", &*raw("miss"))]);

    // A function that breaks is called again, and then all that it was given is given up.
    put(&client, &["cherry", "boom"]).await;
    delivered(&cloud, &client, "bad/").await;
    let failed = delivered(&cloud, &client, "bad/").await;
    let last: Json = serde_json::from_str(failed.lines().last().unwrap()).unwrap();
    assert_eq!((&last["errorCode"], &last["attemptsMade"]), (&json!("Lambda.FunctionError"), &json!(2)));

    // And so it is where it may not be called.
    allow(&client, "firehose", &["s3:*"]).await;
    put(&client, &["date"]).await;
    delivered(&cloud, &client, "bad/").await;
    assert!(delivered(&cloud, &client, "bad/").await.contains("Lambda.InvokeAccessDenied"));
}
