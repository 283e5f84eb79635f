//! Strongly consistent global tables: every region has the latest, or says that it cannot know it.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

const VIRGINIA: &str = "us-east-1";
const OHIO: &str = "us-east-2";
const OREGON: &str = "us-west-2";

fn one(action: &str, region: &str) -> Json {
    let mut update = json!({});
    update[action] = json!({"RegionName": region});
    update
}

fn strong(replicas: &[&str], witness: Option<&str>) -> Json {
    let replicas: Vec<Json> = replicas.iter().map(|region| one("Create", region)).collect();
    let mut input = json!({"TableName": "tab", "MultiRegionConsistency": "STRONG", "ReplicaUpdates": replicas});
    if let Some(witness) = witness {
        input["GlobalTableWitnessUpdates"] = json!([one("Create", witness)]);
    }
    input
}

async fn three() -> (Cloud, Cloud, Cloud) {
    let cloud = Cloud::new().with_table().await;
    cloud.ok("UpdateTable", strong(&[OHIO, OREGON], None)).await;
    cloud.advance(5).await;
    let (ohio, oregon) = (cloud.at(OHIO), cloud.at(OREGON));
    (cloud, ohio, oregon)
}

async fn shown(cloud: &Cloud) -> Json {
    cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"].take()
}

fn item(value: &str) -> Json {
    json!({"pk": {"S": "a"}, "v": {"S": value}})
}

async fn latest(cloud: &Cloud) -> Json {
    cloud.get(json!({"pk": {"S": "a"}})).await["v"]["S"].take()
}

/// What is read without asking for the latest.
async fn some(cloud: &Cloud) -> Json {
    let input = json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}});
    cloud.ok("GetItem", input).await["Item"]["v"]["S"].take()
}

#[tokio::test]
async fn a_write_is_everywhere_when_it_is_answered() {
    let (cloud, ohio, oregon) = three().await;
    let made = shown(&ohio).await;
    assert_eq!((&made["MultiRegionConsistency"], &made["TableStatus"]), (&json!("STRONG"), &json!("ACTIVE")));
    assert_eq!(made["Replicas"].as_array().unwrap().len(), 2);
    assert!(made.get("StreamSpecification").is_none(), "it needs no stream");
    cloud.put(item("1")).await;
    assert_eq!((latest(&ohio).await, latest(&oregon).await), (json!("1"), json!("1")));
    let condition = |value: &str, expected: &str| {
        json!({"TableName": "tab", "Item": item(value), "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"S": expected}}})
    };
    oregon.ok("PutItem", condition("2", "1")).await;
    let refused = ohio.err("PutItem", condition("3", "1")).await;
    assert_eq!(refused.code, "ConditionalCheckFailedException");
    let batch = json!({"RequestItems": {"tab": [{"DeleteRequest": {"Key": {"pk": {"S": "a"}}}}]}});
    ohio.ok("BatchWriteItem", batch).await;
    assert_eq!(latest(&cloud).await, Json::Null);
    ohio.ok("ExecuteStatement", json!({"Statement": "INSERT INTO tab VALUE {'pk': 'a', 'v': 'sql'}"})).await;
    let select = json!({"Statement": "SELECT v FROM tab WHERE pk = 'a'", "ConsistentRead": true});
    assert_eq!(cloud.ok("ExecuteStatement", select).await["Items"], json!([{"v": {"S": "sql"}}]));
    // A stream is a region's own.
    let stream =
        json!({"TableName": "tab", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}});
    oregon.ok("UpdateTable", stream).await;
    cloud.put(item("4")).await;
    assert!(shown(&cloud).await.get("StreamSpecification").is_none());
    let arn = shown(&oregon).await["LatestStreamArn"].clone();
    let shard = oregon.ok("DescribeStream", json!({"StreamArn": arn})).await["StreamDescription"]["Shards"][0].clone();
    let from = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = oregon.ok("GetShardIterator", from).await["ShardIterator"].clone();
    let records = oregon.ok("GetRecords", json!({"ShardIterator": iterator})).await["Records"].take();
    assert_eq!(records[0]["dynamodb"]["NewImage"], item("4"));
    oregon.ok("UpdateTable", json!({"TableName": "tab", "StreamSpecification": {"StreamEnabled": false}})).await;
}

#[tokio::test]
async fn a_region_that_is_cut_off_neither_writes_nor_knows_the_latest() {
    let (cloud, ohio, oregon) = three().await;
    cloud.put(item("1")).await;
    cloud.unlink(OREGON, VIRGINIA);
    cloud.unlink(OREGON, OHIO);
    cloud.put(item("2")).await;
    assert_eq!(latest(&ohio).await, "2");
    for (operation, input) in [
        ("PutItem", json!({"TableName": "tab", "Item": item("3")})),
        ("GetItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "ConsistentRead": true})),
        ("Scan", json!({"TableName": "tab", "ConsistentRead": true})),
        ("BatchGetItem", json!({"RequestItems": {"tab": {"Keys": [{"pk": {"S": "a"}}], "ConsistentRead": true}}})),
        ("ExecuteStatement", json!({"Statement": "DELETE FROM tab WHERE pk = 'a'"})),
        (
            "BatchExecuteStatement",
            json!({"Statements": [{"Statement": "SELECT * FROM tab WHERE pk = 'a'", "ConsistentRead": true}]}),
        ),
    ] {
        let refused = oregon.err(operation, input).await;
        assert_eq!((refused.code.as_str(), refused.status), ("InternalServerError", 500), "{operation}");
    }
    assert_eq!(some(&oregon).await, "1");
    // One other region is enough to know everything.
    cloud.faults().remove(Some(&format!("{OREGON} {OHIO}")));
    assert_eq!(some(&oregon).await, "1");
    assert_eq!(latest(&oregon).await, "2");
    oregon.put(item("3")).await;
    assert_eq!(latest(&cloud).await, "3", "it made up for what it missed by way of the third");
    cloud.faults().remove(None);
    // What was missed is made up for without anybody asking, after a while.
    cloud.unlink(OREGON, VIRGINIA);
    cloud.unlink(OREGON, OHIO);
    for n in 0..450 {
        cloud.put(json!({"pk": {"S": n.to_string()}})).await;
    }
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}})).await;
    cloud.faults().remove(None);
    assert_eq!(some(&oregon).await, "3");
    cloud.advance(5).await;
    assert_eq!(oregon.ok("Scan", json!({"TableName": "tab"})).await["Count"], 450);
    assert!(!cloud.has_table_rows("dynamodb.missed"));
}

#[tokio::test]
async fn a_witness_knows_what_it_is_not_asked() {
    let cloud = Cloud::new().with_table().await;
    cloud.ok("UpdateTable", strong(&[OHIO], Some(OREGON))).await;
    assert_eq!(
        shown(&cloud).await["GlobalTableWitnesses"],
        json!([{"RegionName": OREGON, "WitnessStatus": "CREATING"}])
    );
    cloud.advance(5).await;
    let (ohio, oregon) = (cloud.at(OHIO), cloud.at(OREGON));
    assert_eq!(shown(&ohio).await["GlobalTableWitnesses"], json!([{"RegionName": OREGON, "WitnessStatus": "ACTIVE"}]));
    assert_eq!(oregon.err("DescribeTable", json!({"TableName": "tab"})).await.code, "ResourceNotFoundException");
    oregon.ok("CreateTable", table("tab", "pk:S", "")).await;
    cloud.unlink(VIRGINIA, OHIO);
    cloud.put(item("1")).await;
    assert_eq!(latest(&ohio).await, "1", "by way of the witness");
    ohio.put(item("2")).await;
    cloud.unlink(VIRGINIA, OREGON);
    assert_eq!(cloud.err("PutItem", json!({"TableName": "tab", "Item": item("3")})).await.status, 500);
    cloud.faults().remove(None);
    assert_eq!(latest(&cloud).await, "2");
    let delete = |replicas: Json, witness: Option<&str>| {
        let mut input = json!({"TableName": "tab", "ReplicaUpdates": replicas});
        if let Some(witness) = witness {
            input["GlobalTableWitnessUpdates"] = json!([one("Delete", witness)]);
        }
        input
    };
    let alone = cloud.err("UpdateTable", delete(json!([one("Delete", OHIO)]), None)).await.message;
    assert_eq!(alone, "Update table delete operation does not include all witnesses.");
    let other = cloud.err("UpdateTable", delete(json!([one("Delete", OHIO)]), Some("eu-west-1"))).await.message;
    assert!(other.ends_with("Please retry the request without these witnesses: [eu-west-1]."), "{other}");
    cloud.ok("UpdateTable", delete(json!([one("Delete", OHIO)]), Some(OREGON))).await;
    cloud.advance(5).await;
    let left = shown(&cloud).await;
    for member in ["Replicas", "GlobalTableWitnesses", "MultiRegionConsistency", "GlobalTableVersion"] {
        assert!(left.get(member).is_none(), "{member}");
    }
    assert_eq!(latest(&cloud).await, "2");
    assert_eq!(shown(&oregon).await["TableStatus"], "ACTIVE", "the table of that name is another one");
}

#[tokio::test]
async fn strong_consistency_cannot_be_had_with_everything() {
    let (cloud, ohio, _) = three().await;
    let put = json!({"TransactItems": [{"Put": {"TableName": "tab", "Item": item("1")}}]});
    let get = json!({"TransactItems": [{"Get": {"TableName": "tab", "Key": {"pk": {"S": "a"}}}}]});
    let sql = json!({"TransactStatements": [{"Statement": "INSERT INTO tab VALUE {'pk': 'a'}"}]});
    for (operation, input) in [("TransactWriteItems", put), ("TransactGetItems", get), ("ExecuteTransaction", sql)] {
        assert_eq!(ohio.err(operation, input).await.code, "ValidationException", "{operation}");
    }
    let ttl = json!({"TableName": "tab", "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": true}});
    assert_eq!(cloud.err("UpdateTimeToLive", ttl).await.code, "ValidationException");
    for (input, message) in [
        (
            json!({"ReplicaUpdates": [one("Create", "eu-west-1")]}),
            "Cannot add replicas to a global table with strong MultiRegionConsistency",
        ),
        (
            json!({"ReplicaUpdates": [one("Create", "eu-west-1")], "MultiRegionConsistency": "EVENTUAL"}),
            "MultiRegionConsistency parameter is unsupported on existing global table",
        ),
        (
            json!({"ReplicaUpdates": [one("Delete", OHIO)], "MultiRegionConsistency": "STRONG"}),
            "Only Replica Create actions are supported when MultiRegionConsistency parameter is provided.",
        ),
        (json!({"ReplicaUpdates": [one("Delete", OHIO)]}), DELETION),
    ] {
        let mut input = input;
        input["TableName"] = json!("tab");
        assert_eq!(cloud.err("UpdateTable", input).await.message, message);
    }
    assert_eq!(ohio.err("DeleteTable", json!({"TableName": "tab"})).await.message, DELETION);
    let both = json!({"TableName": "tab", "ReplicaUpdates": [one("Delete", OHIO), one("Delete", OREGON)]});
    cloud.ok("UpdateTable", both).await;
    cloud.advance(5).await;
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
}

const DELETION: &str =
    "Deletion of only one table replica is not supported for global tables with MultiRegionConsistency set to STRONG.";

#[tokio::test]
async fn strong_tables_have_three_regions_that_can_be_strong() {
    let cloud = Cloud::new().with_table().await;
    let count = "Unsupported replica count for global tables with MultiRegionConsistency set to STRONG.";
    let needs = "MultiRegionConsistency must be set as STRONG when GlobalTableWitnessUpdates parameter is present.";
    let mut eventual = strong(&[OHIO], Some(OREGON));
    eventual["MultiRegionConsistency"] = json!("EVENTUAL");
    let mut unsaid = strong(&[OHIO], Some(OREGON));
    unsaid.as_object_mut().unwrap().remove("MultiRegionConsistency");
    let mut more = strong(&[OHIO], Some(OREGON));
    more["DeletionProtectionEnabled"] = json!(true);
    for (input, message) in [
        (strong(&[OHIO], None), count),
        (strong(&[OHIO, OREGON], Some("eu-west-1")), count),
        (eventual, needs),
        (unsaid, needs),
        (strong(&[OHIO], Some(OHIO)), "Cannot target multiple regions with the same action"),
        (
            strong(&[OHIO], Some(VIRGINIA)),
            "Cannot add a witness in the same region as an existing replica when creating a global table with \
             MultiRegionConsistency set to STRONG.",
        ),
        (
            strong(&[OHIO, "us-west-1"], None),
            "Unsupported Region(s) specified for global tables with MultiRegionConsistency set to STRONG: [us-west-1].",
        ),
        (more, "Requests that modify replicas or witnesses must not also modify other fields"),
    ] {
        assert_eq!(cloud.err("UpdateTable", input).await.message, message);
    }
    let alone = json!({"TableName": "tab", "GlobalTableWitnessUpdates": [one("Create", OHIO)]});
    assert!(cloud.err("UpdateTable", alone).await.message.starts_with("At least one of ProvisionedThroughput"));
    cloud.put(item("1")).await;
    let full = cloud.err("UpdateTable", strong(&[OHIO, OREGON], None)).await;
    assert!(full.message.starts_with("Tables that contain items are not supported"), "{full:?}");
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}})).await;
    cloud.ok("UpdateTable", strong(&[OHIO, "eu-west-1"], None)).await;
}

#[tokio::test]
async fn what_is_missed_outlives_the_program() {
    let (cloud, ..) = three().await;
    cloud.unlink(OREGON, VIRGINIA);
    cloud.unlink(OREGON, OHIO);
    cloud.put(item("1")).await;
    let cloud = cloud.again();
    assert_eq!(latest(&cloud.at(OREGON)).await, "1");
}

#[tokio::test]
async fn an_item_is_written_in_one_region_at_a_time() {
    let (cloud, ohio, _) = three().await;
    let key = json!({"pk": {"S": "a"}});
    // A write from Virginia takes the time of the way to the nearest of the others.
    for other in [OHIO, OREGON] {
        let far = json!({"region": VIRGINIA, "id": other, "effect": {"far": {"from": other, "milliseconds": 20}}});
        cloud.faults().add(serde_json::from_value(far).unwrap()).unwrap();
    }
    for (operation, input) in [
        ("PutItem", json!({"TableName": "tab", "Item": item("2")})),
        ("UpdateItem", json!({"TableName": "tab", "Key": key})),
        ("DeleteItem", json!({"TableName": "tab", "Key": key})),
        ("BatchWriteItem", json!({"RequestItems": {"tab": [{"PutRequest": {"Item": item("2")}}]}})),
    ] {
        let put = json!({"TableName": "tab", "Item": item("1")});
        let beside = json!({"TableName": "tab", "Item": {"pk": {"S": "other"}}});
        // The first is under way when the others begin.
        let (first, second, third) = tokio::join!(
            cloud.call("PutItem", put.clone()),
            ohio.call(operation, input.clone()),
            ohio.call("PutItem", beside)
        );
        first.unwrap();
        third.unwrap();
        let refused = second.unwrap_err();
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            (
                "ReplicatedWriteConflictException",
                "One or more items in this request are being modified in another Region."
            ),
            "{operation}"
        );
        ohio.ok(operation, input).await;
    }
}

#[tokio::test]
async fn what_a_region_misses_is_sealed_with_its_key() {
    let cloud = Cloud::whole();
    let mut wanted = table("tab", "pk:S", "");
    wanted["SSESpecification"] = json!({"Enabled": true});
    cloud.ok("CreateTable", wanted).await;
    cloud.ok("UpdateTable", strong(&[OHIO, OREGON], None)).await;
    cloud.advance(5).await;
    cloud.unlink(OREGON, VIRGINIA);
    cloud.unlink(OREGON, OHIO);
    cloud.put(item("do not read this")).await;
    assert!(cloud.has_table_rows("dynamodb.missed") && !cloud.holds("do not read this"));
    cloud.faults().remove(None);
    assert_eq!(latest(&cloud.at(OREGON)).await, "do not read this");
}
