//! Streams: what a reader of them notices.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

async fn streamed(view: &str) -> Cloud {
    let cloud = Cloud::new();
    let mut input = table("tab", "pk:S", "");
    input["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": view});
    cloud.ok("CreateTable", input).await;
    cloud
}

async fn arn(cloud: &Cloud) -> Json {
    cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"]["LatestStreamArn"].clone()
}

async fn shard(cloud: &Cloud, arn: &Json) -> Json {
    let described = cloud.ok("DescribeStream", json!({"StreamArn": arn})).await;
    described["StreamDescription"]["Shards"][0].clone()
}

async fn iterator(cloud: &Cloud, arn: &Json, kind: &str) -> Json {
    let shard = shard(cloud, arn).await["ShardId"].clone();
    let input = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind});
    cloud.ok("GetShardIterator", input).await["ShardIterator"].clone()
}

async fn read(cloud: &Cloud, iterator: &Json) -> (Vec<Json>, Json) {
    let answer = cloud.ok("GetRecords", json!({"ShardIterator": iterator})).await;
    (answer["Records"].as_array().unwrap().clone(), answer["NextShardIterator"].clone())
}

/// The records of all shards.
async fn all(cloud: &Cloud) -> Vec<Json> {
    let arn = arn(cloud).await;
    let described = cloud.ok("DescribeStream", json!({"StreamArn": arn})).await;
    let mut records = Vec::new();
    for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
        let input = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let start = cloud.ok("GetShardIterator", input).await["ShardIterator"].clone();
        records.extend(read(cloud, &start).await.0);
    }
    records
}

fn names(records: &[Json]) -> Vec<&str> {
    records.iter().map(|record| record["eventName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_write_is_recorded_in_order_with_its_images() {
    let cloud = streamed("NEW_AND_OLD_IMAGES").await;
    cloud.put(json!({"pk": {"S": "a"}, "n": {"N": "1"}})).await;
    cloud.put(json!({"pk": {"S": "a"}, "n": {"N": "2"}})).await;
    let add = json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}});
    cloud.ok("UpdateItem", add).await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}})).await;
    let records = all(&cloud).await;
    assert_eq!(names(&records), ["INSERT", "MODIFY", "MODIFY", "REMOVE"]);
    let first = &records[0]["dynamodb"];
    assert_eq!(first["Keys"], json!({"pk": {"S": "a"}}));
    assert_eq!(first["NewImage"], json!({"pk": {"S": "a"}, "n": {"N": "1"}}));
    assert!(first.get("OldImage").is_none());
    assert_eq!(first["StreamViewType"], "NEW_AND_OLD_IMAGES");
    // Key: 2 + 1. Image: that and 1 + 2.
    assert_eq!(first["SizeBytes"], 9);
    assert_eq!(records[2]["dynamodb"]["OldImage"]["n"]["N"], "2");
    assert_eq!(records[2]["dynamodb"]["NewImage"]["n"]["N"], "3");
    assert!(records[3]["dynamodb"].get("NewImage").is_none());
    assert_eq!(records[3]["eventSource"], "aws:dynamodb");
    assert!(records[3].get("userIdentity").is_none());
    let numbers: Vec<u128> =
        records.iter().map(|r| r["dynamodb"]["SequenceNumber"].as_str().unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] != numbers[1], "{numbers:?}");
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_not_recorded() {
    let cloud = streamed("NEW_IMAGE").await;
    cloud.put(json!({"pk": {"S": "a"}, "s": {"SS": ["x", "y"]}})).await;
    cloud.put(json!({"pk": {"S": "a"}, "s": {"SS": ["y", "x"]}})).await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "none"}}})).await;
    assert_eq!(names(&all(&cloud).await), ["INSERT"]);
}

#[tokio::test]
async fn a_view_shows_what_it_is_called_after() {
    for (view, new, old) in [("KEYS_ONLY", false, false), ("NEW_IMAGE", true, false), ("OLD_IMAGE", false, true)] {
        let cloud = streamed(view).await;
        cloud.put(json!({"pk": {"S": "a"}, "n": {"N": "1"}})).await;
        cloud.put(json!({"pk": {"S": "a"}, "n": {"N": "2"}})).await;
        let record = all(&cloud).await[1]["dynamodb"].clone();
        assert_eq!((record.get("NewImage").is_some(), record.get("OldImage").is_some()), (new, old), "{view}");
    }
}

#[tokio::test]
async fn batches_and_transactions_are_recorded_and_refused_ones_are_not() {
    let cloud = streamed("KEYS_ONLY").await;
    let put = |name: &str| json!({"PutRequest": {"Item": {"pk": {"S": name}}}});
    cloud.ok("BatchWriteItem", json!({"RequestItems": {"tab": [put("a"), put("b")]}})).await;
    let put = |name: &str| {
        json!({"Put": {"TableName": "tab", "Item": {"pk": {"S": name}},
        "ConditionExpression": "attribute_not_exists(pk)"}})
    };
    cloud.ok("TransactWriteItems", json!({"TransactItems": [put("c"), put("d")]})).await;
    cloud.err("TransactWriteItems", json!({"TransactItems": [put("e"), put("a")]})).await;
    let records = all(&cloud).await;
    let keys: Vec<&str> = records.iter().map(|r| r["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn readers_begin_where_they_ask_to() {
    let cloud = streamed("KEYS_ONLY").await;
    let arn = arn(&cloud).await;
    let begin = shard(&cloud, &arn).await["SequenceNumberRange"]["StartingSequenceNumber"].clone();
    let latest = iterator(&cloud, &arn, "LATEST").await;
    cloud.put(json!({"pk": {"S": "a"}})).await;
    cloud.advance(10).await;
    let between = cloud.now();
    cloud.put(json!({"pk": {"S": "b"}})).await;
    cloud.put(json!({"pk": {"S": "c"}})).await;
    let (records, next) = read(&cloud, &latest).await;
    assert_eq!(records.len(), 3);
    assert!(read(&cloud, &next).await.0.is_empty(), "an open shard goes on");
    let second = records[1]["dynamodb"]["SequenceNumber"].clone();
    let shard = shard(&cloud, &arn).await["ShardId"].clone();
    let at = |kind: &str, member: &str, value: Json| {
        let mut input = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind});
        input[member] = value;
        input
    };
    let wanted = [
        (at("AT_SEQUENCE_NUMBER", "SequenceNumber", second.clone()), 2),
        (at("AFTER_SEQUENCE_NUMBER", "SequenceNumber", second), 1),
        (at("AT_SEQUENCE_NUMBER", "SequenceNumber", begin.clone()), 3),
        (at("AFTER_SEQUENCE_NUMBER", "SequenceNumber", begin), 3),
        (at("AT_TIMESTAMP", "Timestamp", json!(between)), 2),
    ];
    for (input, count) in wanted {
        let found = cloud.ok("GetShardIterator", input.clone()).await["ShardIterator"].clone();
        assert_eq!(read(&cloud, &found).await.0.len(), count, "{input}");
    }
    let page = cloud.ok("GetRecords", json!({"ShardIterator": latest, "Limit": 2})).await;
    assert_eq!(page["Records"].as_array().unwrap().len(), 2);
    assert_eq!(read(&cloud, &page["NextShardIterator"]).await.0.len(), 1);
}

#[tokio::test]
async fn records_go_after_a_day_and_iterators_after_a_quarter_of_an_hour() {
    let cloud = streamed("KEYS_ONLY").await;
    let arn = arn(&cloud).await;
    cloud.put(json!({"pk": {"S": "a"}})).await;
    let old = iterator(&cloud, &arn, "TRIM_HORIZON").await;
    let first = read(&cloud, &old).await.0[0]["dynamodb"]["SequenceNumber"].clone();
    cloud.advance(901).await;
    let refused = cloud.err("GetRecords", json!({"ShardIterator": old})).await;
    assert_eq!(refused.code, "ExpiredIteratorException");
    cloud.advance(86_400 - 1000).await;
    cloud.put(json!({"pk": {"S": "b"}})).await;
    assert_eq!(all(&cloud).await.len(), 2);
    let nearly = iterator(&cloud, &arn, "TRIM_HORIZON").await;
    cloud.advance(200).await;
    assert_eq!(all(&cloud).await.len(), 1, "a day later the first is gone");
    let trimmed = cloud.err("GetRecords", json!({"ShardIterator": nearly})).await;
    assert_eq!(trimmed.code, "TrimmedDataAccessException");
    let shard = shard(&cloud, &arn).await["ShardId"].clone();
    let input =
        json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first});
    assert_eq!(cloud.err("GetShardIterator", input).await.code, "TrimmedDataAccessException");
}

#[tokio::test]
async fn an_expired_item_is_removed_by_dynamodb() {
    let cloud = streamed("OLD_IMAGE").await;
    let ttl = json!({"Enabled": true, "AttributeName": "ttl"});
    cloud.ok("UpdateTimeToLive", json!({"TableName": "tab", "TimeToLiveSpecification": ttl})).await;
    cloud.put(json!({"pk": {"S": "a"}, "ttl": {"N": (cloud.now() + 60).to_string()}})).await;
    cloud.advance(62).await;
    let records = all(&cloud).await;
    assert_eq!(names(&records), ["INSERT", "REMOVE"]);
    let identity = json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"});
    assert_eq!(records[1]["userIdentity"], identity);
}

#[tokio::test]
async fn a_stream_ends_can_be_read_for_a_day_and_another_begins() {
    let cloud = streamed("NEW_IMAGE").await;
    let rows = cloud.rows();
    let first = arn(&cloud).await;
    cloud.put(json!({"pk": {"S": "a"}})).await;
    let update = |specification: Json| json!({"TableName": "tab", "StreamSpecification": specification});
    let again = cloud.err("UpdateTable", update(json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}))).await;
    assert_eq!(again.message, "Table already has an enabled stream: TableName: tab");
    cloud.ok("UpdateTable", update(json!({"StreamEnabled": false}))).await;
    let none = cloud.err("UpdateTable", update(json!({"StreamEnabled": false}))).await;
    assert_eq!(none.message, "Table has no stream to disable: TableName: tab");
    cloud.put(json!({"pk": {"S": "b"}})).await;
    let described = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"].clone();
    assert!(described.get("StreamSpecification").is_none());
    assert_eq!(described["LatestStreamArn"], first);
    let stream = cloud.ok("DescribeStream", json!({"StreamArn": first})).await["StreamDescription"].clone();
    assert_eq!(stream["StreamStatus"], "DISABLED");
    let (records, next) = read(&cloud, &iterator(&cloud, &first, "TRIM_HORIZON").await).await;
    let last = &stream["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"];
    assert_eq!((records.len(), next, last), (1, Json::Null, &records[0]["dynamodb"]["SequenceNumber"]));
    cloud.ok("UpdateTable", update(json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}))).await;
    assert_ne!(arn(&cloud).await, first);
    let listed = cloud.ok("ListStreams", json!({"TableName": "tab"})).await;
    assert_eq!(listed["Streams"].as_array().unwrap().len(), 2);
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    assert_eq!(cloud.ok("ListStreams", json!({})).await["Streams"].as_array().unwrap().len(), 2);
    cloud.advance(2 * 86_400).await;
    assert_eq!(cloud.ok("ListStreams", json!({})).await["Streams"], json!([]));
    assert_eq!(cloud.err("DescribeStream", json!({"StreamArn": first})).await.code, "ResourceNotFoundException");
    assert!(cloud.rows() < rows, "nothing is left behind");
}

#[tokio::test]
async fn list_streams_goes_page_by_page() {
    let cloud = Cloud::new();
    for name in ["one", "two", "three"] {
        let mut input = table(name, "pk:S", "");
        input["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
        cloud.ok("CreateTable", input).await;
    }
    let mut found = Vec::new();
    let mut input = json!({"Limit": 2});
    loop {
        let page = cloud.ok("ListStreams", input.clone()).await;
        found.extend(page["Streams"].as_array().unwrap().iter().map(|s| s["TableName"].as_str().unwrap().to_owned()));
        let Some(last) = page.get("LastEvaluatedStreamArn") else { break };
        input["ExclusiveStartStreamArn"] = last.clone();
    }
    assert_eq!(found, ["one", "three", "two"]);
}

#[tokio::test]
async fn those_who_wait_are_told() {
    let cloud = streamed("KEYS_ONLY").await;
    let arn = arn(&cloud).await;
    let cx = cloud.cx();
    let bell = cx.signals().of(&undercast_dynamodb::streams::topic(arn.as_str().unwrap()));
    let heard = bell.notified();
    cloud.put(json!({"pk": {"S": "a"}})).await;
    tokio::time::timeout(std::time::Duration::from_secs(5), heard).await.unwrap();
}

#[tokio::test]
async fn shards_follow_each_other_and_close() {
    let cloud = Cloud::new();
    let input = json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}});
    let arn = cloud.ok("CreateTable", input).await["TableDescription"]["LatestStreamArn"].clone();
    let streams = async |operation: &str, input: Json| cloud.other("dynamodbstreams", operation, input).await;
    let shards = async || {
        let shown = streams("DescribeStream", json!({"StreamArn": arn})).await;
        shown["StreamDescription"]["Shards"].as_array().unwrap().clone()
    };
    let iterator = async |shard: &Json, kind: &str| {
        let input = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": kind});
        streams("GetShardIterator", input).await["ShardIterator"].clone()
    };
    // The keys that come from an iterator on, and whether more can come.
    let read = async |mut iterator: Json| {
        let mut keys = Vec::new();
        loop {
            let page = streams("GetRecords", json!({"ShardIterator": iterator, "Limit": 2})).await;
            let found = page["Records"].as_array().unwrap();
            keys.extend(found.iter().map(|r| r["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned()));
            match page.get("NextShardIterator").cloned().filter(Json::is_string) {
                Some(next) if !found.is_empty() => iterator = next,
                next => return (keys, next.is_some()),
            }
        }
    };
    let put = async |key: &str| cloud.put(json!({"pk": {"S": key}})).await;
    for key in ["a", "b", "c"] {
        put(key).await;
    }
    let first = shards().await;
    assert_eq!(first.len(), 1);
    assert!(first[0]["SequenceNumberRange"].get("EndingSequenceNumber").is_none(), "{first:?}");
    let at_the_end = iterator(&first[0], "LATEST").await;
    // One shard without a record, and then one with two.
    cloud.advance(8 * 3600 + 60).await;
    put("d").await;
    put("e").await;
    let all = shards().await;
    assert_eq!(all.len(), 3);
    assert_eq!((&all[1]["ParentShardId"], &all[2]["ParentShardId"]), (&all[0]["ShardId"], &all[1]["ShardId"]));
    assert_eq!(all[0]["ShardId"], first[0]["ShardId"]);
    assert!(all[1]["ShardId"].as_str() < all[2]["ShardId"].as_str());
    assert!(all[0]["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    let horizon = "TRIM_HORIZON";
    let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    assert_eq!(read(iterator(&all[0], horizon).await).await, (own(&["a", "b", "c"]), false));
    assert_eq!(read(iterator(&all[1], horizon).await).await, (own(&[]), false));
    assert_eq!(read(iterator(&all[2], horizon).await).await, (own(&["d", "e"]), true));
    assert_eq!(read(iterator(&all[0], "LATEST").await).await, (own(&[]), false));
    // The children of a shard, and the shards page by page.
    let filter = json!({"Type": "CHILD_SHARDS", "ShardId": all[0]["ShardId"]});
    let children = streams("DescribeStream", json!({"StreamArn": arn, "ShardFilter": filter})).await;
    assert_eq!(children["StreamDescription"]["Shards"], json!([all[1]]));
    let page = streams("DescribeStream", json!({"StreamArn": arn, "Limit": 2})).await["StreamDescription"].clone();
    assert_eq!(page["LastEvaluatedShardId"], all[1]["ShardId"]);
    let rest = json!({"StreamArn": arn, "ExclusiveStartShardId": all[1]["ShardId"]});
    assert_eq!(streams("DescribeStream", rest).await["StreamDescription"]["Shards"], json!([all[2]]));
    // An iterator is good for a quarter of an hour.
    let input = json!({"ShardIterator": at_the_end});
    assert_eq!(
        cloud.cx().call("dynamodbstreams", "GetRecords", input).await.unwrap_err().code(),
        Some("ExpiredIteratorException")
    );
    // What a day has passed over is kept no more, nor are the shards that had it.
    cloud.advance(26 * 3600).await;
    let left = shards().await;
    assert!(!left.contains(&all[0]) && left.len() == 7, "{}", left.len());
    assert!(left[0].get("ParentShardId").is_none());
    cloud.ok("UpdateTable", json!({"TableName": "tab", "StreamSpecification": {"StreamEnabled": false}})).await;
    assert!(shards().await.iter().all(|shard| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_string()));
}
