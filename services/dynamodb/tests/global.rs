//! Global tables whose replicas agree in the end: what users of several regions notice.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const IRELAND: &str = "eu-west-1";

pub(crate) fn create(region: &str) -> Json {
    json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": region}}]})
}

fn delete(region: &str) -> Json {
    json!({"TableName": "tab", "ReplicaUpdates": [{"Delete": {"RegionName": region}}]})
}

/// A table in the first region, with replicas in the others.
async fn spread(regions: &[&str]) -> Cloud {
    let cloud = Cloud::new().with_table().await;
    for region in regions {
        cloud.ok("UpdateTable", create(region)).await;
        cloud.advance(5).await;
    }
    cloud
}

async fn shown(cloud: &Cloud) -> Json {
    cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"].take()
}

async fn items(cloud: &Cloud) -> Json {
    cloud.ok("Scan", json!({"TableName": "tab"})).await["Items"].take()
}

fn item(key: &str, value: &str) -> Json {
    json!({"pk": {"S": key}, "v": {"S": value}})
}

#[tokio::test]
async fn a_replica_is_made_while_its_table_serves() {
    let cloud = Cloud::new().with_table().await;
    for n in 0..450 {
        cloud.put(item(&format!("{n:03}"), "old")).await;
    }
    let answer = cloud.ok("UpdateTable", create(WEST)).await["TableDescription"].take();
    assert_eq!((&answer["TableStatus"], &answer["GlobalTableVersion"]), (&json!("UPDATING"), &json!("2019.11.21")));
    assert_eq!(answer["Replicas"], json!([]));
    assert_eq!(answer["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    let made = shown(&cloud).await;
    assert_eq!(made["Replicas"][0]["ReplicaStatus"], "CREATING");
    let west = cloud.at(WEST);
    assert_eq!(shown(&west).await["TableStatus"], "CREATING");
    // What is being made can be described, and nothing else.
    for (operation, input) in [
        ("GetItem", json!({"TableName": "tab", "Key": {"pk": {"S": "001"}}})),
        ("UpdateTable", json!({"TableName": "tab", "DeletionProtectionEnabled": true})),
        ("DescribeTimeToLive", json!({"TableName": "tab"})),
    ] {
        assert_eq!(west.err(operation, input).await.code, "ResourceNotFoundException", "{operation}");
    }
    let backups = west.err("DescribeContinuousBackups", json!({"TableName": "tab"})).await;
    assert_eq!(backups.code, "TableNotFoundException");
    assert_eq!(west.err("DeleteTable", json!({"TableName": "tab"})).await.code, "ResourceInUseException");
    let busy = cloud.err("UpdateTable", create(IRELAND)).await;
    assert_eq!(
        (busy.code.as_str(), busy.message.as_str()),
        ("ResourceInUseException", "The resource which you are attempting to change is in use.")
    );
    cloud.put(item("001", "new")).await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "449"}}})).await;
    cloud.advance(5).await;
    let (here, there) = (shown(&cloud).await, shown(&west).await);
    assert_eq!((&here["TableStatus"], &there["TableStatus"]), (&json!("ACTIVE"), &json!("ACTIVE")));
    assert_eq!(here["Replicas"][0]["RegionName"], WEST);
    assert_eq!(there["Replicas"][0]["RegionName"], EAST);
    assert_ne!(here["TableId"], there["TableId"]);
    assert_eq!(there["TableArn"], "arn:aws:dynamodb:us-west-2:000000000000:table/tab");
    assert_eq!(here["GlobalTableSettingsReplicationMode"], "ENABLED_WITH_OVERRIDES");
    assert!(here.get("MultiRegionConsistency").is_none());
    assert_eq!(items(&west).await, items(&cloud).await);
    assert_eq!(west.get(json!({"pk": {"S": "001"}})).await["v"]["S"], "new");
    assert_eq!(west.get(json!({"pk": {"S": "449"}})).await, Json::Null);
}

#[tokio::test]
async fn writes_get_to_every_region_and_the_last_one_wins() {
    let cloud = spread(&[WEST, IRELAND]).await;
    let (west, ireland) = (cloud.at(WEST), cloud.at(IRELAND));
    cloud.put(item("a", "east")).await;
    assert_eq!(west.get(json!({"pk": {"S": "a"}})).await, Json::Null, "replication takes its time");
    cloud.advance(1).await;
    assert_eq!(west.get(json!({"pk": {"S": "a"}})).await["v"]["S"], "east");
    west.put(item("a", "west")).await;
    ireland.put(item("a", "ireland")).await;
    ireland.put(item("a", "ireland again")).await;
    cloud.advance(1).await;
    for region in [&cloud, &west, &ireland] {
        assert_eq!(region.get(json!({"pk": {"S": "a"}})).await["v"]["S"], "ireland again");
    }
    // What is far away takes longer.
    let far = json!({"region": WEST, "effect": {"far": {"from": EAST, "milliseconds": 30_000}}});
    cloud.faults().add(serde_json::from_value(far).unwrap()).unwrap();
    west.put(item("far", "west")).await;
    cloud.advance(20).await;
    assert_eq!(ireland.get(json!({"pk": {"S": "far"}})).await["v"]["S"], "west");
    assert_eq!(cloud.get(json!({"pk": {"S": "far"}})).await, Json::Null);
    cloud.advance(20).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "far"}})).await["v"]["S"], "west");
    cloud.faults().remove(None);
    // A condition looks at what is there where it is asked.
    let put = json!({"TableName": "tab", "Item": item("b", "1"), "ConditionExpression": "attribute_not_exists(pk)"});
    cloud.ok("PutItem", put.clone()).await;
    west.ok("PutItem", put.clone()).await;
    cloud.advance(1).await;
    ireland.err("PutItem", put).await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}})).await;
    cloud.advance(1).await;
    for region in [&west, &ireland] {
        assert_eq!(region.get(json!({"pk": {"S": "a"}})).await, Json::Null);
    }
}

#[tokio::test]
async fn what_a_cut_link_holds_up_arrives_when_it_is_mended() {
    let cloud = spread(&[WEST]).await;
    let west = cloud.at(WEST);
    cloud.unlink(WEST, EAST);
    cloud.put(item("a", "1")).await;
    cloud.put(item("b", "1")).await;
    cloud.advance(2 * 86_400).await;
    west.put(item("b", "2")).await;
    cloud.advance(5).await;
    assert_eq!(items(&west).await, json!([item("b", "2")]));
    assert_eq!(cloud.get(json!({"pk": {"S": "b"}})).await["v"]["S"], "1");
    // Nothing of a global table is changed while a replica cannot be reached.
    let refused = cloud.err("UpdateTable", json!({"TableName": "tab", "TableClass": "STANDARD"})).await;
    assert_eq!((refused.code.as_str(), refused.status), ("InternalServerError", 500));
    cloud.faults().remove(None);
    cloud.advance(5).await;
    assert_eq!(items(&west).await, items(&cloud).await);
    assert_eq!(west.get(json!({"pk": {"S": "a"}})).await["v"]["S"], "1");
    assert_eq!(cloud.get(json!({"pk": {"S": "b"}})).await["v"]["S"], "2");
    let latency = cloud.metric("ReplicationLatency", &["TableName=tab", "ReceivingRegion=us-west-2"]).await;
    assert!(latency.0 > 1000.0 && latency.1 >= 2.0, "{latency:?}");
}

#[tokio::test]
async fn streams_of_all_regions_have_what_was_written_in_one() {
    let cloud = spread(&[WEST]).await;
    let west = cloud.at(WEST);
    let attribute = json!({"AttributeName": "until", "Enabled": true});
    cloud.ok("UpdateTimeToLive", json!({"TableName": "tab", "TimeToLiveSpecification": attribute})).await;
    let ttl = west.ok("DescribeTimeToLive", json!({"TableName": "tab"})).await;
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "until");
    let until = cloud.now() + 60;
    cloud.put(json!({"pk": {"S": "a"}, "until": {"N": until.to_string()}})).await;
    cloud.advance(120).await;
    assert_eq!((items(&cloud).await, items(&west).await), (json!([]), json!([])));
    for (region, by_itself) in [(&cloud, true), (&west, false)] {
        let records = records(region).await;
        assert_eq!(records.iter().map(|record| record["eventName"].clone()).collect::<Vec<_>>(), ["INSERT", "REMOVE"]);
        assert_eq!(records[1].get("userIdentity").is_some(), by_itself, "{records:?}");
    }
    // An item of a region that cannot be reached expires by itself after a while.
    cloud.unlink(EAST, WEST);
    let until = cloud.now() + 60;
    cloud.faults().remove(None);
    cloud.put(json!({"pk": {"S": "b"}, "until": {"N": until.to_string()}})).await;
    cloud.advance(5).await;
    cloud.unlink(EAST, WEST);
    cloud.advance(100).await;
    assert_eq!(items(&west).await.as_array().unwrap().len(), 1);
    cloud.advance(600).await;
    assert_eq!(items(&west).await, json!([]));
    let error =
        cloud.err("UpdateTable", json!({"TableName": "tab", "StreamSpecification": {"StreamEnabled": false}})).await;
    assert!(error.message.ends_with("Disabling Stream is not allowed for a Global Table replica."), "{error:?}");
}

async fn records(cloud: &Cloud) -> Vec<Json> {
    let arn = shown(cloud).await["LatestStreamArn"].clone();
    let described = cloud.ok("DescribeStream", json!({"StreamArn": arn})).await;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let input = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = cloud.ok("GetShardIterator", input).await["ShardIterator"].clone();
    cloud.ok("GetRecords", json!({"ShardIterator": iterator})).await["Records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn replicas_go_one_by_one_and_the_last_is_a_table_again() {
    let cloud = spread(&[WEST, IRELAND]).await;
    let (west, ireland) = (cloud.at(WEST), cloud.at(IRELAND));
    let source = cloud.err("DeleteTable", json!({"TableName": "tab"})).await;
    assert_eq!(
        source.message,
        "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the table in the \
         last 24 hours."
    );
    west.ok("UpdateTable", json!({"TableName": "tab", "DeletionProtectionEnabled": true})).await;
    assert_eq!(shown(&cloud).await["DeletionProtectionEnabled"], false);
    let protected = cloud.err("UpdateTable", delete(WEST)).await;
    assert_eq!(
        protected.message,
        "Cannot delete table tab in region us-west-2 because it has deletion protection enabled. Disable deletion protection \
         first."
    );
    west.ok("UpdateTable", json!({"TableName": "tab", "DeletionProtectionEnabled": false})).await;
    // What was written a moment before it goes is told to the others first, however long that takes.
    west.put(item("late", "1")).await;
    cloud.unlink(IRELAND, WEST);
    let going = cloud.ok("UpdateTable", delete(WEST)).await["TableDescription"].take();
    assert_eq!(going["TableStatus"], "UPDATING");
    assert_eq!(
        west.err("PutItem", json!({"TableName": "tab", "Item": item("a", "1")})).await.code,
        "ResourceNotFoundException"
    );
    cloud.advance(30).await;
    assert_eq!(shown(&west).await["TableStatus"], "DELETING");
    assert_eq!(cloud.err("UpdateTable", create(WEST)).await.message, taken());
    cloud.faults().remove(None);
    cloud.advance(5).await;
    assert_eq!(west.err("DescribeTable", json!({"TableName": "tab"})).await.code, "ResourceNotFoundException");
    assert_eq!(items(&ireland).await, json!([item("late", "1")]));
    let left = shown(&cloud).await;
    assert_eq!((&left["TableStatus"], left["Replicas"].as_array().unwrap().len()), (&json!("ACTIVE"), 1));
    ireland.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(5).await;
    let left = shown(&cloud).await;
    assert!(left.get("Replicas").is_none() && left.get("GlobalTableVersion").is_none(), "{left}");
    assert_eq!(left["StreamSpecification"]["StreamEnabled"], true);
    cloud.ok("UpdateTable", json!({"TableName": "tab", "StreamSpecification": {"StreamEnabled": false}})).await;
    // It can be spread anew.
    cloud.ok("UpdateTable", create(WEST)).await;
    cloud.advance(5).await;
    assert_eq!(items(&west).await, items(&cloud).await);
    cloud.ok("UpdateTable", delete(WEST)).await;
    cloud.advance(5).await;
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(2 * 86_400).await;
    let empty = Cloud::new();
    empty.advance(1).await;
    assert_eq!(cloud.rows(), empty.rows(), "nothing is left");
}

fn taken() -> String {
    "Failed to create a the new replica of table with name: \u{2018}tab\u{2019} because one or more replicas already existed as \
     tables."
        .to_owned()
}

#[tokio::test]
async fn settings_are_the_same_everywhere_but_where_they_may_differ() {
    let cloud = spread(&[WEST]).await;
    let west = cloud.at(WEST);
    cloud.put(json!({"pk": {"S": "a"}, "kind": {"S": "x"}})).await;
    cloud.advance(1).await;
    let index = json!({"TableName": "tab", "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "by-kind", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}]}}]});
    west.ok("UpdateTable", index).await;
    let query = json!({"TableName": "tab", "IndexName": "by-kind", "KeyConditionExpression": "kind = :k",
        "ExpressionAttributeValues": {":k": {"S": "x"}}});
    assert_eq!(cloud.ok("Query", query).await["Count"], 1);
    let most = json!({"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 50});
    cloud.ok("UpdateTable", json!({"TableName": "tab", "OnDemandThroughput": most})).await;
    assert_eq!(shown(&west).await["OnDemandThroughput"], most);
    let update = |overrides: Json| {
        let mut update = json!({"RegionName": WEST});
        update.as_object_mut().unwrap().extend(overrides.as_object().unwrap().clone());
        json!({"TableName": "tab", "ReplicaUpdates": [{"Update": update}]})
    };
    let override_all = json!({"OnDemandThroughputOverride": {"MaxReadRequestUnits": 70},
        "TableClassOverride": "STANDARD_INFREQUENT_ACCESS",
        "GlobalSecondaryIndexes": [{"IndexName": "by-kind", "OnDemandThroughputOverride": {"MaxReadRequestUnits": 30}}]});
    cloud.ok("UpdateTable", update(override_all)).await;
    let there = shown(&west).await;
    assert_eq!(there["OnDemandThroughput"], json!({"MaxReadRequestUnits": 70, "MaxWriteRequestUnits": 50}));
    assert_eq!(there["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS");
    assert_eq!(there["GlobalSecondaryIndexes"][0]["OnDemandThroughput"]["MaxReadRequestUnits"], 30);
    let here = shown(&cloud).await;
    assert!(here.get("TableClassSummary").is_none());
    let replica = &here["Replicas"][0];
    assert_eq!(replica["OnDemandThroughputOverride"]["MaxReadRequestUnits"], 70);
    assert_eq!(replica["ReplicaTableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS");
    assert_eq!(replica["GlobalSecondaryIndexes"][0]["OnDemandThroughputOverride"]["MaxReadRequestUnits"], 30);
    assert_eq!(replica["WarmThroughput"]["ReadUnitsPerSecond"], 12_000);
    // What is set of one replica for all goes to those that differ as well.
    cloud.ok("UpdateTable", json!({"TableName": "tab", "TableClass": "STANDARD"})).await;
    assert_eq!(shown(&west).await["TableClassSummary"]["TableClass"], "STANDARD");
    for (overrides, message) in [
        (json!({}), "There are no actions specified in the Replica Update Action of the request."),
        (
            json!({"GlobalSecondaryIndexes": [{"IndexName": "by-kind"}]}),
            "There are no actions specified in the Replica Update Action of the request.",
        ),
        (
            json!({"KMSMasterKeyId": "alias/aws/dynamodb"}),
            "One or more parameter values were invalid: KMSMasterKeyId must be specified for each replica.",
        ),
        (
            json!({"ProvisionedThroughputOverride": {"ReadCapacityUnits": 3}}),
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            json!({"GlobalSecondaryIndexes": [{"IndexName": "by-kind", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 3}}]}),
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
    ] {
        assert_eq!(cloud.err("UpdateTable", update(overrides)).await.message, message);
    }
    let capacity = json!({"TableName": "tab", "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "by-kind",
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}}]});
    let refused = cloud.err("UpdateTable", capacity).await.message;
    assert_eq!(refused, "Table write capacity should either be Pay-Per-Request or AutoScaled.");
    cloud
        .ok(
            "UpdateTable",
            json!({"TableName": "tab", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-kind"}}]}),
        )
        .await;
    assert!(shown(&west).await.get("GlobalSecondaryIndexes").is_none());
}

#[tokio::test]
async fn a_new_replica_is_made_as_it_shall_be() {
    let cloud = Cloud::new();
    let mut wanted = table("tab", "pk:S", "");
    wanted["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "kind", "AttributeType": "S"}));
    wanted["GlobalSecondaryIndexes"] = json!([{"IndexName": "by-kind", "Projection": {"ProjectionType": "KEYS_ONLY"},
        "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}]}]);
    wanted["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    wanted["Tags"] = json!([{"Key": "a", "Value": "b"}]);
    cloud.ok("CreateTable", wanted).await;
    let create = json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": WEST,
        "ProvisionedThroughputOverride": {"ReadCapacityUnits": 5},
        "OnDemandThroughputOverride": {"MaxReadRequestUnits": 9},
        "TableClassOverride": "STANDARD_INFREQUENT_ACCESS",
        "GlobalSecondaryIndexes": [
            {"IndexName": "none"},
            {"IndexName": "by-kind", "OnDemandThroughputOverride": {"MaxReadRequestUnits": 8},
             "ProvisionedThroughputOverride": {"ReadCapacityUnits": 5}}]}}]});
    cloud.ok("UpdateTable", create).await;
    cloud.advance(5).await;
    let west = cloud.at(WEST);
    let there = shown(&west).await;
    assert_eq!(there["StreamSpecification"]["StreamViewType"], "KEYS_ONLY");
    assert_eq!(there["OnDemandThroughput"], json!({"MaxReadRequestUnits": 9}));
    assert_eq!(there["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS");
    assert_eq!(there["GlobalSecondaryIndexes"][0]["OnDemandThroughput"]["MaxReadRequestUnits"], 8);
    let tags = west.ok("ListTagsOfResource", json!({"ResourceArn": there["TableArn"]})).await;
    assert_eq!(tags["Tags"], json!([]));
}

#[tokio::test]
async fn replicas_that_cannot_be_are_refused() {
    let cloud = spread(&[WEST]).await;
    cloud.at(IRELAND).ok("CreateTable", table("tab", "pk:S", "")).await;
    let local = "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required.";
    let missing = "Update global table operation failed because one or more replicas were not part of the global table. Please \
                   retry the request without these replicas: [ca-central-1].";
    for (updates, message) in [
        (json!([{"Create": {"RegionName": WEST}}]), taken()),
        (json!([{"Create": {"RegionName": IRELAND}}]), taken()),
        (json!([{"Create": {"RegionName": EAST}}]), local.to_owned()),
        (json!([{"Delete": {"RegionName": EAST}}]), local.to_owned()),
        (json!([{"Delete": {"RegionName": "ca-central-1"}}]), missing.to_owned()),
        (json!([{"Update": {"RegionName": "ca-central-1", "TableClassOverride": "STANDARD"}}]), missing.to_owned()),
        (json!([{}]), "There are no actions specified in the Replica Update Action of the request.".to_owned()),
        (
            json!([{"Create": {"RegionName": "us-east-2"}}, {"Create": {"RegionName": "us-west-1"}}]),
            "Update table operation with more than one create or delete replica actions not allowed".to_owned(),
        ),
        (
            json!([{"Create": {"RegionName": "us-east-2"}, "Delete": {"RegionName": WEST}}]),
            "Update table operation with more than one type of replica actions not allowed.".to_owned(),
        ),
    ] {
        assert_eq!(
            cloud.err("UpdateTable", json!({"TableName": "tab", "ReplicaUpdates": updates})).await.message,
            message
        );
    }
    let nowhere = cloud.err("UpdateTable", create("us-fake-1")).await.message;
    assert!(
        nowhere.starts_with("Region us-fake-1 is not supported. The latest version of global tables are only"),
        "{nowhere}"
    );
    let mut both = create("us-east-2");
    both["DeletionProtectionEnabled"] = json!(true);
    assert_eq!(
        cloud.err("UpdateTable", both).await.message,
        "One or more parameter values were invalid: Replica modification must be the only operation in the request"
    );
    let mut capacity = table("capacity", "pk:S", "");
    capacity["BillingMode"] = json!("PROVISIONED");
    capacity["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    cloud.ok("CreateTable", capacity).await;
    let mut scaled = create(WEST);
    scaled["TableName"] = json!("capacity");
    assert_eq!(
        cloud.err("UpdateTable", scaled).await.message,
        "Table write capacity should either be Pay-Per-Request or AutoScaled."
    );
}

#[tokio::test]
async fn who_adds_a_replica_needs_rights_in_its_region() {
    let allow = |actions: &[&str], region: &str| {
        let resource = format!("arn:aws:dynamodb:{region}:000000000000:table/tab");
        json!({"Effect": "Allow", "Action": actions, "Resource": resource})
    };
    let (here, there) = (allow(&["dynamodb:UpdateTable"], EAST), allow(&["dynamodb:*"], WEST));
    let policy = |statements: &[&Json]| json!({"Version": "2012-10-17", "Statement": statements});
    let cloud = Cloud::new().with_table().await;
    let denied = cloud.as_user(&policy(&[&here])).err("UpdateTable", create(WEST)).await;
    assert_eq!(denied.code, "AccessDeniedException");
    assert!(denied.message.contains("us-west-2"), "{}", denied.message);
    let cloud = Cloud::new().with_table().await;
    cloud.as_user(&policy(&[&here, &there])).ok("UpdateTable", create(WEST)).await;
}

#[tokio::test]
async fn global_tables_of_the_old_version_are_not_there() {
    let cloud = spread(&[WEST]).await;
    let group = json!({"GlobalTableName": "tab", "ReplicationGroup": [{"RegionName": EAST}, {"RegionName": WEST}]});
    let old = "One or more parameter values were invalid: DynamoDB global tables version 2017.11.29 is not supported. We recommend \
               using DynamoDB global tables version 2019.11.21, instead of version 2017.11.29 (Legacy).";
    assert_eq!(cloud.err("CreateGlobalTable", group).await.message, old);
    let update = |update: Json| json!({"GlobalTableName": "tab", "ReplicaUpdates": update});
    assert_eq!(cloud.err("UpdateGlobalTable", update(json!([{"Create": {"RegionName": WEST}}]))).await.message, old);
    let missing = "Global table with name: 'tab' does not exist.";
    let gone = cloud.err("UpdateGlobalTable", update(json!([{"Delete": {"RegionName": WEST}}]))).await;
    assert_eq!((gone.code.as_str(), gone.message.as_str()), ("GlobalTableNotFoundException", missing));
    assert_eq!(
        cloud.err("UpdateGlobalTable", update(json!([]))).await.message,
        "One or more parameter values were invalid"
    );
    let name = json!({"GlobalTableName": "tab"});
    assert_eq!(
        cloud.err("DescribeGlobalTable", name.clone()).await.message,
        format!("Global table not found: {missing}")
    );
    assert_eq!(cloud.err("DescribeGlobalTableSettings", name.clone()).await.message, missing);
    assert_eq!(cloud.err("UpdateGlobalTableSettings", name).await.message, missing);
    let listed = cloud
        .ok("ListGlobalTables", json!({"RegionName": WEST, "Limit": 1, "ExclusiveStartGlobalTableName": "aaa"}))
        .await;
    assert_eq!(listed, json!({"GlobalTables": []}));
    assert_eq!(cloud.err("ListGlobalTables", json!({"RegionName": "us-fake-9"})).await.status, 500);
}

/// A cloud with KMS, a table that is encrypted so, and a key of the customer in another region.
async fn encrypted(specification: Json) -> (Cloud, String) {
    let cloud = Cloud::whole();
    let key = cloud.at(WEST).other("kms", "CreateKey", json!({})).await["KeyMetadata"]["Arn"].take();
    let mut wanted = table("tab", "pk:S", "");
    wanted["SSESpecification"] = specification;
    cloud.ok("CreateTable", wanted).await;
    (cloud, key.as_str().unwrap().to_owned())
}

fn create_with(key: &str) -> Json {
    json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": WEST, "KMSMasterKeyId": key}}]})
}

const NO_KEY: &str = "One or more parameter values were invalid: KMSMasterKeyId must be specified for each replica.";
const TWO_KINDS: &str = "One or more parameter values were invalid: All replica keys must either be Customer Managed CMK or AWS Managed CMK.";

#[tokio::test]
async fn a_replica_has_a_key_of_its_own() {
    let (cloud, key) = encrypted(json!({"Enabled": true})).await;
    cloud.put(item("a", "do not read this")).await;
    assert_eq!(cloud.err("UpdateTable", create_with(&key)).await.message, TWO_KINDS);
    cloud.ok("UpdateTable", create(WEST)).await;
    cloud.advance(5).await;
    let west = cloud.at(WEST);
    cloud.put(item("b", "do not read this")).await;
    cloud.advance(5).await;
    assert_eq!(items(&west).await, items(&cloud).await);
    assert!(!cloud.holds("do not read this"));
    let (here, there) = (shown(&cloud).await, shown(&west).await);
    let managed = |table: &Json| table["SSEDescription"]["KMSMasterKeyArn"].clone();
    assert!(managed(&there).as_str().unwrap().starts_with("arn:aws:kms:us-west-2:"), "{there}");
    assert_eq!(
        (managed(&here), managed(&there)),
        (there["Replicas"][0]["KMSMasterKeyId"].clone(), here["Replicas"][0]["KMSMasterKeyId"].clone())
    );
    // A key of a customer for one of them alone does not go.
    let own = cloud.other("kms", "CreateKey", json!({})).await["KeyMetadata"]["Arn"].take();
    let change = |specification: Json| json!({"TableName": "tab", "SSESpecification": specification});
    let mixed =
        cloud.err("UpdateTable", change(json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": own}))).await;
    assert_eq!(mixed.message, TWO_KINDS);
    // To be encrypted without KMS, and with it again, is so for all.
    cloud.advance(3600).await;
    cloud.ok("UpdateTable", change(json!({"Enabled": false}))).await;
    assert!(shown(&west).await.get("SSEDescription").is_none());
    cloud.advance(3600).await;
    west.ok("UpdateTable", change(json!({"Enabled": true}))).await;
    cloud.advance(60).await;
    assert_eq!(shown(&cloud).await["SSEDescription"]["Status"], "ENABLED");
    assert_eq!(items(&west).await, items(&cloud).await);
}

#[tokio::test]
async fn keys_of_customers_are_named_for_each_region() {
    let own = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "alias/own"});
    let cloud = Cloud::whole();
    let here = cloud.other("kms", "CreateKey", json!({})).await["KeyMetadata"]["KeyId"].take();
    cloud.other("kms", "CreateAlias", json!({"AliasName": "alias/own", "TargetKeyId": here})).await;
    let west = cloud.at(WEST);
    let key = west.other("kms", "CreateKey", json!({})).await["KeyMetadata"].take();
    let mut wanted = table("tab", "pk:S", "");
    wanted["SSESpecification"] = own;
    cloud.ok("CreateTable", wanted).await;
    assert_eq!(cloud.err("UpdateTable", create(WEST)).await.message, NO_KEY);
    assert_eq!(cloud.err("UpdateTable", create_with("alias/aws/dynamodb")).await.message, TWO_KINDS);
    let missing = cloud.err("UpdateTable", create_with("alias/nothing")).await.message;
    assert!(missing.starts_with("KMS validation error"), "{missing}");
    cloud.ok("UpdateTable", create_with(key["KeyId"].as_str().unwrap())).await;
    cloud.advance(5).await;
    assert_eq!(shown(&cloud).await["Replicas"][0]["KMSMasterKeyId"], key["Arn"]);
    // Without its key a replica is told nothing, and everything when it has it again.
    west.other("kms", "DisableKey", json!({"KeyId": key["KeyId"]})).await;
    cloud.advance(3600).await;
    cloud.put(item("a", "1")).await;
    cloud.advance(5).await;
    let replica = shown(&cloud).await["Replicas"][0].take();
    assert_eq!(replica["ReplicaStatus"], "INACCESSIBLE_ENCRYPTION_CREDENTIALS");
    assert!(replica["ReplicaInaccessibleDateTime"].is_number());
    west.other("kms", "EnableKey", json!({"KeyId": key["KeyId"]})).await;
    cloud.advance(3600).await;
    assert_eq!(items(&west).await, json!([item("a", "1")]));
    let owned = Cloud::whole().with_table().await;
    assert_eq!(owned.err("UpdateTable", create_with("alias/aws/dynamodb")).await.message, NO_KEY);
}

#[tokio::test]
async fn a_replica_leaves_and_keeps_what_it_has() {
    let cloud = spread(&[WEST, IRELAND]).await;
    let (west, ireland) = (cloud.at(WEST), cloud.at(IRELAND));
    let leave = json!({"TableName": "tab",
        "ReplicaUpdates": [{"Disassociate": {"RegionName": WEST, "DisassociationMode": "WAIT_FOR_REPLICATION"}}]});
    west.ok("UpdateTable", json!({"TableName": "tab", "DisassociationProtectionEnabled": true})).await;
    assert_eq!(shown(&west).await["DisassociationProtectionEnabled"], true);
    assert!(shown(&cloud).await.get("DisassociationProtectionEnabled").is_none());
    let protected = cloud.err("UpdateTable", leave.clone()).await;
    assert!(protected.message.contains("protected against disassociation"), "{protected:?}");
    west.ok("UpdateTable", json!({"TableName": "tab", "DisassociationProtectionEnabled": false})).await;
    let mut both = leave.clone();
    both["ReplicaUpdates"].as_array_mut().unwrap().push(json!({"Delete": {"RegionName": IRELAND}}));
    assert!(cloud.err("UpdateTable", both).await.message.contains("more than one type of replica actions"));
    let mut nobody = leave.clone();
    nobody["ReplicaUpdates"][0]["Disassociate"]["RegionName"] = json!("ca-central-1");
    assert!(cloud.err("UpdateTable", nobody).await.message.ends_with("without these replicas: [ca-central-1]."));

    cloud.ok("UpdateTable", leave).await;
    cloud.unlink(WEST, IRELAND);
    for (region, key) in [(&cloud, "east"), (&west, "west"), (&ireland, "ireland")] {
        region.put(item(key, "1")).await;
    }
    cloud.advance(30).await;
    // It waits until everybody has what was written, and serves until then.
    assert_eq!(shown(&west).await["TableStatus"], "UPDATING");
    assert_eq!(shown(&cloud).await["Replicas"][0]["ReplicaStatus"], "UPDATING");
    cloud.faults().remove(None);
    cloud.advance(10).await;
    for region in [&west, &ireland] {
        assert_eq!(items(region).await, items(&cloud).await);
    }
    assert_eq!(items(&west).await.as_array().unwrap().len(), 3);
    assert!(shown(&west).await.get("Replicas").is_none());
    assert_eq!(shown(&cloud).await["Replicas"].as_array().unwrap().len(), 1);
    west.put(item("alone", "1")).await;
    cloud.put(item("together", "1")).await;
    cloud.advance(5).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "alone"}})).await, Json::Null);
    assert_eq!(west.get(json!({"pk": {"S": "together"}})).await, Json::Null);
    assert_eq!(ireland.get(json!({"pk": {"S": "together"}})).await["v"]["S"], "1");
}
