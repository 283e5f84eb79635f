//! Streams of Firehose that get what is published.

use super::*;
use undercast_firehose::Firehose;
use undercast_s3::S3;

const STREAM: &str = "arn:aws:firehose:us-east-1:000000000000:deliverystream/s";
const ROLE: &str = "arn:aws:iam::000000000000:role/r";

#[tokio::test]
async fn a_stream_gets_a_line_a_notification() {
    let mut all = services();
    all.push(Arc::new(Firehose::default()));
    all.push(Arc::new(S3::default()));
    let cloud = Cloud::start(all).await;
    let client = cloud.client();
    let call = async |service: &str, operation: &str, input: Json| client.call(service, operation, input).await.ok();
    call("s3", "CreateBucket", json!({"Bucket": "logs-of-it"})).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["firehose.amazonaws.com", "sns.amazonaws.com"]}, "Action": "sts:AssumeRole"}]});
    call("iam", "CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()})).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        .to_string();
    call("iam", "PutRolePolicy", json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy})).await;
    let destination = json!({"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::logs-of-it", "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1}});
    call(
        "firehose",
        "CreateDeliveryStream",
        json!({"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": destination}),
    )
    .await;
    topic(&client, json!({})).await;
    let without =
        client.call("sns", "Subscribe", json!({"TopicArn": TOPIC, "Protocol": "firehose", "Endpoint": STREAM})).await;
    assert_eq!(
        without.json["message"],
        "Invalid parameter: SubscriptionRoleArn Reason: no value for required parameter"
    );
    let raw = json!({"SubscriptionRoleArn": ROLE, "RawMessageDelivery": "true"});
    let arn = subscribed(&client, TOPIC, "firehose", STREAM, raw).await;
    publish(&client, "one").await;
    let set = json!({"SubscriptionArn": arn, "AttributeName": "RawMessageDelivery", "AttributeValue": "false"});
    let asked =
        |n: usize| cloud.kernel.trail().latest(1_000).iter().filter(|r| r.operation == "PutRecord").count() >= n;
    until("the first is put", async || asked(1)).await;
    call("sns", "SetSubscriptionAttributes", set).await;
    publish(&client, "two").await;
    until("the second is put", async || asked(2)).await;
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let listed = call("s3", "ListObjectsV2", json!({"Bucket": "logs-of-it"})).await;
    let key = listed["Contents"][0]["Key"].clone();
    let body = client.call("s3", "GetObject", json!({"Bucket": "logs-of-it", "Key": key})).await.body;
    let lines: Vec<&str> = std::str::from_utf8(&body).unwrap().lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "one"));
    assert_eq!(serde_json::from_str::<Json>(lines[1]).unwrap()["Message"], "two");
    // A role that trusts SNS no more lets nothing through.
    let trust = trust.to_string().replace("sns.amazonaws.com", "sqs.amazonaws.com");
    call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": "r", "PolicyDocument": trust})).await;
    publish(&client, "three").await;
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert!(!asked(3));
}
