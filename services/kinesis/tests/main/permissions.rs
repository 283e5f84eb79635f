//! Who may do what: policies of users, of streams and of consumers, in one account and over two.

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Cloud, Credentials};

use crate::support::{ARN, call, create, holding, put, services, texts, with_stream};

const OTHER: &str = "111111111111";

async fn user(client: &Client, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await;
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok()["AccessKey"].clone();
    let keys = Credentials::new(made["AccessKeyId"].as_str().unwrap(), made["SecretAccessKey"].as_str().unwrap());
    holding(client, keys)
}

#[tokio::test]
async fn a_user_may_do_what_a_policy_says_to_streams_of_a_tag() {
    let (_cloud, client) = with_stream(1).await;
    call(&client, "CreateStream", json!({"StreamName": "other", "ShardCount": 1})).await.ok();
    call(&client, "AddTagsToStream", json!({"StreamARN": ARN, "Tags": {"team": "a", "old": "x"}})).await.ok();
    let user = user(&client, json!([
        {"Effect": "Allow", "Action": ["kinesis:PutRecord", "kinesis:DescribeStreamSummary"], "Resource": "*",
         "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}},
        {"Effect": "Allow", "Action": "kinesis:CreateStream", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/team": "b"}}},
        {"Effect": "Allow", "Action": "kinesis:ListStreams", "Resource": "*"},
        {"Effect": "Allow", "Action": "kinesis:RemoveTagsFromStream", "Resource": "*",
         "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["old"]}}}]))
    .await;
    let write = |name: &str| json!({"StreamName": name, "PartitionKey": "k", "Data": ""});
    call(&user, "PutRecord", write("s")).await.ok();
    call(&user, "DescribeStreamSummary", json!({"StreamARN": ARN})).await.ok();
    let denied = call(&user, "PutRecord", write("other")).await;
    assert_eq!((denied.code(), denied.status), ("AccessDeniedException", 400));
    let expected = "User: arn:aws:iam::000000000000:user/u is not authorized to perform: kinesis:PutRecord on resource: arn:aws:kinesis:us-east-1:000000000000:stream/other because no identity-based policy allows the kinesis:PutRecord action";
    assert_eq!(denied.json["message"], expected);
    let make = |team: &str| json!({"StreamName": format!("of-{team}"), "ShardCount": 1, "Tags": {"team": team}});
    call(&user, "CreateStream", make("b")).await.ok();
    assert_eq!(call(&user, "CreateStream", make("c")).await.code(), "AccessDeniedException");
    call(&user, "ListStreams", json!({})).await.ok();
    let untag = |key: &str| json!({"StreamName": "s", "TagKeys": [key]});
    assert_eq!(call(&user, "RemoveTagsFromStream", untag("team")).await.code(), "AccessDeniedException");
    call(&user, "RemoveTagsFromStream", untag("old")).await.ok();
}

/// Every operation that documents it is denied to those who may nothing.
#[tokio::test]
async fn who_may_nothing_is_told_so() {
    let (_cloud, client) = with_stream(1).await;
    let made = json!({"StreamARN": ARN, "ConsumerName": "c"});
    let consumer = call(&client, "RegisterStreamConsumer", made).await.ok()["Consumer"]["ConsumerARN"].clone();
    let nobody = user(&client, json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}])).await;
    let start = json!({"StreamName": "s", "ShardId": "0", "ShardIteratorType": "LATEST"});
    let place = call(&client, "GetShardIterator", start.clone()).await.ok()["ShardIterator"].clone();
    for (operation, input) in [
        ("AddTagsToStream", json!({"StreamName": "s", "Tags": {"a": "b"}})),
        ("DecreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 24})),
        ("DeleteResourcePolicy", json!({"ResourceARN": ARN})),
        ("DeleteStream", json!({"StreamName": "s"})),
        ("DescribeStream", json!({"StreamName": "s"})),
        ("DescribeStreamSummary", json!({"StreamName": "s"})),
        ("DisableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})),
        ("EnableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})),
        ("GetRecords", json!({"ShardIterator": place})),
        ("GetResourcePolicy", json!({"ResourceARN": ARN})),
        ("GetShardIterator", start),
        ("IncreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 24})),
        ("ListShards", json!({"StreamName": "s"})),
        ("ListTagsForResource", json!({"ResourceARN": ARN})),
        ("ListTagsForStream", json!({"StreamName": "s"})),
        ("MergeShards", json!({"StreamName": "s", "ShardToMerge": "0", "AdjacentShardToMerge": "1"})),
        ("PutRecord", json!({"StreamName": "s", "PartitionKey": "k", "Data": ""})),
        ("PutRecords", json!({"StreamName": "s", "Records": [{"PartitionKey": "k", "Data": ""}]})),
        ("PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": "{}"})),
        ("RemoveTagsFromStream", json!({"StreamName": "s", "TagKeys": ["a"]})),
        ("SplitShard", json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "9"})),
        ("StartStreamEncryption", json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"})),
        ("StopStreamEncryption", json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"})),
        ("SubscribeToShard", json!({"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}})),
        ("TagResource", json!({"ResourceARN": ARN, "Tags": {"a": "b"}})),
        ("UntagResource", json!({"ResourceARN": ARN, "TagKeys": ["a"]})),
        ("UpdateMaxRecordSize", json!({"StreamARN": ARN, "MaxRecordSizeInKiB": 2048})),
        ("UpdateShardCount", json!({"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"})),
        ("UpdateStreamRecordDistributionStrategy", json!({"StreamARN": ARN, "RecordDistributionStrategy": "AUTO"})),
        ("UpdateStreamWarmThroughput", json!({"StreamARN": ARN, "WarmThroughputMiBps": 1})),
    ] {
        assert_eq!(call(&nobody, operation, input).await.code(), "AccessDeniedException", "{operation}");
    }
}

#[tokio::test]
async fn a_policy_of_a_stream_lets_another_account_write_and_read() {
    let (_cloud, client) = with_stream(1).await;
    put(&client, "k", "ours").await;
    let other = holding(&client, Credentials::new(OTHER, "test"));
    let write = json!({"StreamARN": ARN, "PartitionKey": "k", "Data": ""});
    assert_eq!(call(&other, "PutRecord", write.clone()).await.code(), "AccessDeniedException");
    assert_eq!(call(&client, "GetResourcePolicy", json!({"ResourceARN": ARN})).await.ok()["Policy"], "{}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER},
        "Action": ["kinesis:PutRecord", "kinesis:PutRecords", "kinesis:GetShardIterator", "kinesis:GetRecords",
                   "kinesis:ListShards", "kinesis:DescribeStreamSummary"], "Resource": ARN}]})
    .to_string();
    call(&client, "PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": policy})).await.ok();
    assert_eq!(call(&client, "GetResourcePolicy", json!({"ResourceARN": ARN})).await.ok()["Policy"], policy);
    call(&other, "PutRecord", write.clone()).await.ok();
    assert_eq!(call(&other, "ListShards", json!({"StreamARN": ARN})).await.ok()["Shards"].as_array().unwrap().len(), 1);
    let start = json!({"StreamARN": ARN, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let place = call(&other, "GetShardIterator", start).await.ok()["ShardIterator"].clone();
    let got = call(&other, "GetRecords", json!({"ShardIterator": place})).await.ok();
    assert_eq!(texts(&got), ["ours", ""]);
    // What the policy does not name is denied, and a name alone means the caller's own streams.
    assert_eq!(call(&other, "DeleteStream", json!({"StreamARN": ARN})).await.code(), "AccessDeniedException");
    let own = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    assert_eq!(call(&other, "PutRecord", own).await.code(), "ResourceNotFoundException");
    call(&client, "DeleteResourcePolicy", json!({"ResourceARN": ARN})).await.ok();
    assert_eq!(call(&other, "PutRecord", write).await.code(), "AccessDeniedException");
    let none = call(&client, "DeleteResourcePolicy", json!({"ResourceARN": ARN})).await;
    assert_eq!(none.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_policy_of_a_consumer_lets_another_account_subscribe() {
    let (_cloud, client) = with_stream(1).await;
    let other = holding(&client, Credentials::new(OTHER, "test"));
    let made = json!({"StreamARN": ARN, "ConsumerName": "c"});
    let arn = call(&client, "RegisterStreamConsumer", made).await.ok()["Consumer"]["ConsumerARN"].clone();
    call(&client, "DescribeStreamConsumer", json!({"ConsumerARN": arn})).await.ok();
    put(&client, "k", "x").await;
    let input =
        json!({"ConsumerARN": arn, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "TRIM_HORIZON"}});
    let denied = other.listen("kinesis", "SubscribeToShard", input.clone()).await.err().unwrap();
    assert_eq!(denied.code(), "AccessDeniedException");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER},
        "Action": ["kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"], "Resource": arn}]})
    .to_string();
    call(&client, "PutResourcePolicy", json!({"ResourceARN": arn, "Policy": policy})).await.ok();
    call(&other, "DescribeStreamConsumer", json!({"ConsumerARN": arn})).await.ok();
    let mut listening = other.listen("kinesis", "SubscribeToShard", input).await.ok().unwrap();
    listening.next().await.unwrap();
    assert_eq!(texts(&listening.next().await.unwrap()["payload"]), ["x"]);
}

#[tokio::test]
async fn accounts_and_regions_have_streams_of_their_own() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    create(&client, 1).await;
    let elsewhere = client.in_region("eu-central-1");
    assert_eq!(call(&elsewhere, "ListStreams", json!({})).await.ok()["StreamNames"], json!([]));
    let other = holding(&client, Credentials::new(OTHER, "test"));
    assert_eq!(call(&other, "ListStreams", json!({})).await.ok()["StreamNames"], json!([]));
    // The ARN of another region names nothing here.
    assert_eq!(call(&elsewhere, "DescribeStream", json!({"StreamARN": ARN})).await.code(), "ResourceNotFoundException");
}
