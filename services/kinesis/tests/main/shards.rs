//! Shards: how they are split and merged, what of them is listed, and the states of a stream meanwhile.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Cloud};

use crate::support::{ARN, all, call, create, get, iterator, put, services, settled, texts, with_stream};

fn names(shards: &Json) -> Vec<u32> {
    let shards = shards.as_array().unwrap();
    shards.iter().map(|s| s["ShardId"].as_str().unwrap().strip_prefix("shardId-").unwrap().parse().unwrap()).collect()
}

async fn list(client: &Client, more: Json) -> Json {
    let mut input = json!({"StreamName": "s"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(client, "ListShards", input).await.ok()
}

const MIDDLE: &str = "170141183460469231731687303715884105728";

#[tokio::test]
async fn a_split_shard_ends_and_its_children_go_on() {
    let (cloud, client) = with_stream(1).await;
    put(&client, "a", "before").await;
    cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": MIDDLE});
    call(&client, "SplitShard", split.clone()).await.ok();
    let stream = settled(&client).await;
    assert_eq!((names(&stream["Shards"]), &stream["StreamStatus"]), (vec![0, 1, 2], &json!("ACTIVE")));
    let [parent, lower, upper] = [0, 1, 2].map(|n| stream["Shards"][n].clone());
    assert!(parent["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    assert_eq!((&lower["ParentShardId"], &upper["ParentShardId"]), (&parent["ShardId"], &parent["ShardId"]));
    assert_eq!(upper["HashKeyRange"]["StartingHashKey"], MIDDLE);
    let after = put(&client, "a", "after").await;
    assert_ne!(after["ShardId"], parent["ShardId"]);

    let start = iterator(&client, "shardId-000000000000", "TRIM_HORIZON", json!({})).await;
    let got = get(&client, &start, json!({})).await;
    assert_eq!((texts(&got), got.get("NextShardIterator")), (vec!["before".to_owned()], None));
    let children = got["ChildShards"].as_array().unwrap();
    assert_eq!(children.len(), 2);
    assert_eq!(
        (&children[0]["ShardId"], &children[0]["ParentShards"]),
        (&lower["ShardId"], &json!(["shardId-000000000000"]))
    );
    assert_eq!(children[1]["HashKeyRange"], upper["HashKeyRange"]);

    let again = call(&client, "SplitShard", split).await;
    assert_eq!(again.code(), "ResourceInUseException");
    assert!(again.json["message"].as_str().unwrap().contains("has already been merged or split"));
}

#[tokio::test]
async fn merged_shards_have_one_child_of_two_parents() {
    let (_cloud, client) = with_stream(3).await;
    let apart = json!({"StreamName": "s", "ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000002"});
    let answer = call(&client, "MergeShards", apart).await;
    assert_eq!(answer.code(), "InvalidArgumentException");
    let merge = json!({"StreamARN": ARN, "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000002"});
    call(&client, "MergeShards", merge).await.ok();
    let stream = settled(&client).await;
    let child = &stream["Shards"][3];
    assert_eq!(
        (&child["ParentShardId"], &child["AdjacentParentShardId"]),
        (&json!("shardId-000000000001"), &json!("shardId-000000000002"))
    );
    assert_eq!(child["HashKeyRange"]["EndingHashKey"], "340282366920938463463374607431768211455");
    let start = iterator(&client, "shardId-000000000002", "LATEST", json!({})).await;
    let got = get(&client, &start, json!({})).await;
    assert_eq!(got["ChildShards"][0]["ParentShards"], json!(["shardId-000000000001", "shardId-000000000002"]));
}

#[tokio::test]
async fn a_stream_is_scaled_to_shards_of_one_size() {
    let (_cloud, client) = with_stream(3).await;
    for (target, scaled) in
        [(4, true), (6, true), (5, true), (10, true), (11, true), (6, true), (13, false), (2, false)]
    {
        let input = json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
        let answer = call(&client, "UpdateShardCount", input).await;
        if !scaled {
            assert_eq!(answer.code(), "LimitExceededException", "{target}");
            continue;
        }
        assert_eq!(answer.ok()["TargetShardCount"], json!(target));
        settled(&client).await;
        let open = list(&client, json!({"ShardFilter": {"Type": "AT_LATEST"}})).await;
        let mut starts: Vec<u128> = open["Shards"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["HashKeyRange"]["StartingHashKey"].as_str().unwrap().parse().unwrap())
            .collect();
        starts.sort_unstable();
        let size = u128::MAX / target;
        let expected: Vec<u128> = (0..target).map(|n| n * size).collect();
        let close = starts.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= target);
        assert!(close && starts.len() == expected.len(), "{target}: {starts:?}");
    }
    let summary = call(&client, "DescribeStreamSummary", json!({"StreamName": "s"})).await.ok();
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 6);
}

#[tokio::test]
async fn ten_times_a_day_a_stream_is_scaled() {
    let (cloud, client) = with_stream(1).await;
    let scale = |target: u32| json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
    for n in 0..10 {
        call(&client, "UpdateShardCount", scale(1 + n % 2)).await.ok();
        settled(&client).await;
    }
    assert_eq!(call(&client, "UpdateShardCount", scale(1)).await.code(), "LimitExceededException");
    cloud.kernel.advance(Duration::from_secs(24 * 3600)).await.unwrap();
    call(&client, "UpdateShardCount", scale(1)).await.ok();
}

#[tokio::test]
async fn filters_mean_the_shards_that_were_open() {
    let (cloud, client) = with_stream(2).await;
    cloud.kernel.advance(Duration::from_secs(100)).await.unwrap();
    let before = cloud.kernel.clock().now().as_second();
    cloud.kernel.advance(Duration::from_secs(100)).await.unwrap();
    let merge = json!({"StreamName": "s", "ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000001"});
    call(&client, "MergeShards", merge).await.ok();
    settled(&client).await;
    cloud.kernel.advance(Duration::from_secs(100)).await.unwrap();
    let after = cloud.kernel.clock().now().as_second();
    for (filter, expected) in [
        (json!({"Type": "AT_LATEST"}), vec![2]),
        (json!({"Type": "AT_TRIM_HORIZON"}), vec![0, 1]),
        (json!({"Type": "FROM_TRIM_HORIZON"}), vec![0, 1, 2]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": before}), vec![0, 1]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": after}), vec![2]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": before}), vec![0, 1, 2]),
        (json!({"Type": "FROM_TIMESTAMP", "Timestamp": after}), vec![2]),
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000000"}), vec![1, 2]),
    ] {
        assert_eq!(names(&list(&client, json!({"ShardFilter": filter})).await["Shards"]), expected, "{filter}");
    }
    // A closed shard is listed as long as what it had may be read.
    cloud.kernel.advance(Duration::from_secs(25 * 3600)).await.unwrap();
    assert_eq!(names(&list(&client, json!({})).await["Shards"]), [2]);
    assert_eq!(names(&settled(&client).await["Shards"]), [2]);
    let gone = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    assert_eq!(call(&client, "GetShardIterator", gone).await.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn shards_and_streams_come_by_page() {
    let (cloud, client) = with_stream(5).await;
    let first = list(&client, json!({"MaxResults": 2})).await;
    assert_eq!(names(&first["Shards"]), [0, 1]);
    let token = first["NextToken"].clone();
    let second = call(&client, "ListShards", json!({"NextToken": token, "MaxResults": 2})).await.ok();
    assert_eq!(names(&second["Shards"]), [2, 3]);
    let both = call(&client, "ListShards", json!({"StreamName": "s", "NextToken": token})).await;
    assert_eq!(both.code(), "InvalidArgumentException");
    assert_eq!(call(&client, "ListShards", json!({"NextToken": "nonsense"})).await.code(), "InvalidArgumentException");
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    assert_eq!(call(&client, "ListShards", json!({"NextToken": token})).await.code(), "ExpiredNextTokenException");
    let made = settled(&client).await["StreamCreationTimestamp"].as_f64().unwrap();
    let named = |at: f64| json!({"StreamARN": ARN, "StreamCreationTimestamp": at, "ExclusiveStartShardId": "shardId-000000000002"});
    assert_eq!(names(&call(&client, "ListShards", named(made)).await.ok()["Shards"]), [3, 4]);
    assert_eq!(call(&client, "ListShards", named(made - 5.0)).await.code(), "ResourceNotFoundException");

    let page = call(&client, "DescribeStream", json!({"StreamARN": ARN, "Limit": 3})).await.ok();
    assert_eq!(
        (names(&page["StreamDescription"]["Shards"]), &page["StreamDescription"]["HasMoreShards"]),
        (vec![0, 1, 2], &json!(true))
    );
    let after = json!({"StreamName": "s", "ExclusiveStartShardId": "shardId-000000000002"});
    let page = call(&client, "DescribeStream", after).await.ok();
    assert_eq!(
        (names(&page["StreamDescription"]["Shards"]), &page["StreamDescription"]["HasMoreShards"]),
        (vec![3, 4], &json!(false))
    );

    for name in ["r", "t"] {
        call(&client, "CreateStream", json!({"StreamName": name, "ShardCount": 1})).await.ok();
    }
    let page = call(&client, "ListStreams", json!({"Limit": 2})).await.ok();
    assert_eq!((&page["StreamNames"], &page["HasMoreStreams"]), (&json!(["r", "s"]), &json!(true)));
    assert_eq!(page["StreamSummaries"][1]["StreamARN"], ARN);
    let rest = call(&client, "ListStreams", json!({"NextToken": page["NextToken"]})).await.ok();
    assert_eq!((&rest["StreamNames"], &rest["HasMoreStreams"]), (&json!(["t"]), &json!(false)));
    cloud.kernel.advance(Duration::from_secs(301)).await.unwrap();
    let expired = call(&client, "ListStreams", json!({"NextToken": page["NextToken"]})).await;
    assert_eq!(expired.code(), "ExpiredNextTokenException");
    let rest = call(&client, "ListStreams", json!({"ExclusiveStartStreamName": "r"})).await.ok();
    assert_eq!(rest["StreamNames"], json!(["s", "t"]));
}

#[tokio::test]
async fn states_follow_the_clock() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    call(&client, "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
    assert_eq!(settled(&client).await["StreamStatus"], "CREATING");
    let put_early = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    assert_eq!(call(&client, "PutRecord", put_early.clone()).await.code(), "ResourceNotFoundException");
    let tag = json!({"StreamName": "s", "Tags": {"a": "b"}});
    assert_eq!(call(&client, "AddTagsToStream", tag).await.code(), "ResourceInUseException");
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(settled(&client).await["StreamStatus"], "ACTIVE");
    let longer = json!({"StreamName": "s", "RetentionPeriodHours": 48});
    call(&client, "IncreaseStreamRetentionPeriod", longer.clone()).await.ok();
    assert_eq!(settled(&client).await["StreamStatus"], "UPDATING");
    call(&client, "PutRecord", put_early).await.ok();
    let busy = call(&client, "IncreaseStreamRetentionPeriod", longer).await;
    assert_eq!(busy.code(), "ResourceInUseException");
    assert_eq!(busy.json["message"], "Stream s under account 000000000000 not ACTIVE, instead in state UPDATING");
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    call(&client, "DeleteStream", json!({"StreamName": "s"})).await.ok();
    assert_eq!(settled(&client).await["StreamStatus"], "DELETING");
    let create_anew = json!({"StreamName": "s", "ShardCount": 1});
    assert_eq!(call(&client, "CreateStream", create_anew).await.code(), "ResourceInUseException");
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let gone = call(&client, "DescribeStream", json!({"StreamName": "s"})).await;
    assert_eq!(gone.code(), "ResourceNotFoundException");
    assert_eq!(gone.json["message"], "Stream s under account 000000000000 not found.");
    cloud.kernel.clock().resume();
    create(&client, 1).await;
    put(&client, "k", "x").await;
    assert_eq!(all(&client, "shardId-000000000000").await, ["x"]);
}

#[tokio::test]
async fn the_mode_of_a_stream_is_changed_twice_a_day() {
    let (cloud, client) = with_stream(1).await;
    let to = |mode: &str| json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": mode}});
    call(&client, "UpdateStreamMode", to("ON_DEMAND")).await.ok();
    assert_eq!(settled(&client).await["StreamModeDetails"]["StreamMode"], "ON_DEMAND");
    let scale = json!({"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    assert_eq!(call(&client, "UpdateShardCount", scale).await.code(), "ValidationException");
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": MIDDLE});
    assert_eq!(call(&client, "SplitShard", split).await.code(), "ValidationException");
    let merge = json!({"StreamName": "s", "ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000001"});
    assert_eq!(call(&client, "MergeShards", merge).await.code(), "ValidationException");
    call(&client, "UpdateStreamMode", to("PROVISIONED")).await.ok();
    settled(&client).await;
    assert_eq!(call(&client, "UpdateStreamMode", to("ON_DEMAND")).await.code(), "LimitExceededException");
    cloud.kernel.advance(Duration::from_secs(24 * 3600)).await.unwrap();
    call(&client, "UpdateStreamMode", to("ON_DEMAND")).await.ok();
    let limits = call(&client, "DescribeLimits", json!({})).await.ok();
    assert_eq!(
        (&limits["OpenShardCount"], &limits["OnDemandStreamCount"], &limits["ShardLimit"]),
        (&json!(0), &json!(1), &json!(20_000))
    );
}

#[tokio::test]
async fn a_commitment_lasts_a_day_and_lets_streams_be_warm() {
    let (cloud, client) = with_stream(1).await;
    let commit = |status: &str| json!({"MinimumThroughputBillingCommitment": {"Status": status}});
    let warm = |rate: u32| json!({"StreamARN": ARN, "WarmThroughputMiBps": rate});
    let to_on_demand =
        json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 8});
    assert_eq!(call(&client, "UpdateStreamMode", to_on_demand.clone()).await.code(), "ValidationException");
    let none = call(&client, "DescribeAccountSettings", json!({})).await.ok();
    assert_eq!(none["MinimumThroughputBillingCommitment"], json!({"Status": "DISABLED"}));
    let begun = call(&client, "UpdateAccountSettings", commit("ENABLED")).await.ok();
    assert_eq!(begun["MinimumThroughputBillingCommitment"]["Status"], "ENABLED");
    assert_eq!(
        call(&client, "UpdateStreamWarmThroughput", warm(8)).await.code(),
        "ValidationException",
        "it is provisioned"
    );
    call(&client, "UpdateStreamMode", to_on_demand).await.ok();
    settled(&client).await;
    let summary = call(&client, "DescribeStreamSummary", json!({"StreamARN": ARN})).await.ok();
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!(summary["WarmThroughput"], json!({"TargetMiBps": 8, "CurrentMiBps": 8}));
    let asked =
        call(&client, "UpdateStreamWarmThroughput", json!({"StreamName": "s", "WarmThroughputMiBps": 12})).await.ok();
    assert_eq!(asked["WarmThroughput"], json!({"TargetMiBps": 12, "CurrentMiBps": 8}));
    settled(&client).await;
    assert_eq!(call(&client, "UpdateStreamWarmThroughput", warm(20_000)).await.code(), "LimitExceededException");
    let made = json!({"StreamName": "w", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 6});
    call(&client, "CreateStream", made).await.ok();
    let summary = call(&client, "DescribeStreamSummary", json!({"StreamName": "w"})).await.ok();
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 6);
    let ends = call(&client, "UpdateAccountSettings", commit("DISABLED")).await.ok();
    assert_eq!(ends["MinimumThroughputBillingCommitment"]["Status"], "ENABLED_UNTIL_EARLIEST_ALLOWED_END");
    cloud.kernel.advance(Duration::from_secs(24 * 3600)).await.unwrap();
    let ended = call(&client, "DescribeAccountSettings", json!({})).await.ok();
    assert_eq!(ended["MinimumThroughputBillingCommitment"]["Status"], "DISABLED");
    assert!(ended["MinimumThroughputBillingCommitment"]["EndedAt"].is_number());
}

#[tokio::test]
async fn a_stream_that_changes_cannot_be_changed() {
    let (cloud, client) = with_stream(2).await;
    call(&client, "UpdateAccountSettings", json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}}))
        .await
        .ok();
    cloud.kernel.clock().freeze();
    call(&client, "CreateStream", json!({"StreamName": "new", "ShardCount": 1})).await.ok();
    let new = "arn:aws:kinesis:us-east-1:000000000000:stream/new";
    for (operation, input) in [
        ("RemoveTagsFromStream", json!({"StreamName": "new", "TagKeys": ["a"]})),
        ("TagResource", json!({"ResourceARN": new, "Tags": {"a": "b"}})),
        ("UntagResource", json!({"ResourceARN": new, "TagKeys": ["a"]})),
    ] {
        assert_eq!(call(&client, operation, input).await.code(), "ResourceInUseException", "{operation}");
    }
    let longer = json!({"StreamName": "s", "RetentionPeriodHours": 48});
    call(&client, "IncreaseStreamRetentionPeriod", longer).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111111111111"},
        "Action": "kinesis:PutRecord", "Resource": ARN}]})
        .to_string();
    let key = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    for (operation, input) in [
        ("DecreaseStreamRetentionPeriod", json!({"StreamName": "s", "RetentionPeriodHours": 24})),
        ("DeleteResourcePolicy", json!({"ResourceARN": ARN})),
        ("DisableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})),
        ("EnableEnhancedMonitoring", json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]})),
        ("MergeShards", json!({"StreamName": "s", "ShardToMerge": "0", "AdjacentShardToMerge": "1"})),
        ("PutResourcePolicy", json!({"ResourceARN": ARN, "Policy": policy})),
        ("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "c"})),
        ("SplitShard", json!({"StreamName": "s", "ShardToSplit": "0", "NewStartingHashKey": "9"})),
        ("StartStreamEncryption", key.clone()),
        ("StopStreamEncryption", key),
        ("UpdateMaxRecordSize", json!({"StreamARN": ARN, "MaxRecordSizeInKiB": 2048})),
        ("UpdateShardCount", json!({"StreamName": "s", "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"})),
        ("UpdateStreamMode", json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})),
        ("UpdateStreamRecordDistributionStrategy", json!({"StreamARN": ARN, "RecordDistributionStrategy": "AUTO"})),
        ("UpdateStreamWarmThroughput", json!({"StreamARN": ARN, "WarmThroughputMiBps": 4})),
    ] {
        assert_eq!(call(&client, operation, input).await.code(), "ResourceInUseException", "{operation}");
    }
}

#[tokio::test]
async fn an_account_has_so_many_shards_in_a_region() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client().in_region("eu-central-1");
    call(&client, "CreateStream", json!({"StreamName": "s", "ShardCount": 1000})).await.ok();
    settled(&client).await;
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "9"});
    assert_eq!(call(&client, "SplitShard", split).await.code(), "LimitExceededException");
    let scale = json!({"StreamName": "s", "TargetShardCount": 1001, "ScalingType": "UNIFORM_SCALING"});
    assert_eq!(call(&client, "UpdateShardCount", scale).await.code(), "LimitExceededException");
}
