//! Throughput: what is let in, what is said to the rest, and what CloudWatch is told.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";

/// A table of so many units, and an index `index` of `g` of so many, where it shall have one.
fn provisioned((read, write): (i64, i64), index: Option<(i64, i64)>) -> Json {
    let units = |(read, write): (i64, i64)| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    let mut input = table("tab", "pk:S", "");
    input["BillingMode"] = json!("PROVISIONED");
    input["ProvisionedThroughput"] = units((read, write));
    if let Some(index) = index {
        input["AttributeDefinitions"] =
            json!([{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}]);
        input["GlobalSecondaryIndexes"] = json!([{
            "IndexName": "index", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"}, "ProvisionedThroughput": units(index)
        }]);
    }
    input
}

/// An item of so many thousand bytes.
fn heavy(pk: &str, thousands: usize) -> Json {
    json!({"pk": {"S": pk}, "text": {"S": "x".repeat(thousands * 1000)}})
}

fn put(item: &Json) -> Json {
    json!({"TableName": "tab", "Item": item})
}

fn key(pk: &str) -> Json {
    json!({"pk": {"S": pk}})
}

fn get(pk: &str) -> Json {
    json!({"TableName": "tab", "Key": key(pk), "ConsistentRead": true})
}

fn reasons(reason: &str, resource: &str) -> Json {
    json!([{"reason": reason, "resource": resource}])
}

/// Each operation on an item `a`, by itself.
fn every_operation() -> [(&'static str, Json); 9] {
    let values = json!({":p": {"S": "a"}});
    let query = json!({"TableName": "tab", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values});
    [
        ("GetItem", get("a")),
        ("PutItem", put(&heavy("a", 1))),
        ("UpdateItem", json!({"TableName": "tab", "Key": key("a"), "UpdateExpression": "SET x = pk"})),
        ("DeleteItem", json!({"TableName": "tab", "Key": key("a")})),
        ("Query", query),
        ("Scan", json!({"TableName": "tab"})),
        ("BatchGetItem", json!({"RequestItems": {"tab": {"Keys": [key("a")]}}})),
        ("BatchWriteItem", json!({"RequestItems": {"tab": [{"DeleteRequest": {"Key": key("a")}}]}})),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM tab WHERE pk = 'a'"})),
    ]
}

#[tokio::test]
async fn a_table_takes_what_it_saved_and_then_what_it_is_given() {
    let cloud = Cloud::limited();
    cloud.ok("CreateTable", provisioned((1, 1), None)).await;
    // 300 units were saved, and the last of them lets a whole item in.
    cloud.ok("PutItem", put(&heavy("a", 390))).await;
    let refused = cloud.err("PutItem", put(&heavy("b", 1))).await;
    assert_eq!((refused.code.as_str(), refused.status), ("ProvisionedThroughputExceededException", 400));
    assert_eq!(
        refused.message,
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
    );
    let reason = reasons("TableWriteProvisionedThroughputExceeded", TABLE);
    assert_eq!(refused.fields, [("ThrottlingReasons".to_owned(), reason)]);
    for (operation, input) in [
        ("UpdateItem", json!({"TableName": "tab", "Key": key("a"), "UpdateExpression": "SET x = pk"})),
        ("DeleteItem", json!({"TableName": "tab", "Key": key("a")})),
        ("ExecuteStatement", json!({"Statement": "DELETE FROM tab WHERE pk = 'a'"})),
    ] {
        assert_eq!(cloud.err(operation, input).await.code, "ProvisionedThroughputExceededException", "{operation}");
    }
    cloud.advance(80).await;
    assert_eq!(cloud.err("PutItem", put(&heavy("b", 1))).await.code, "ProvisionedThroughputExceededException");
    cloud.advance(20).await;
    cloud.ok("PutItem", put(&heavy("b", 1))).await;
    // What is read has units of its own: 96 of them an item.
    for _ in 0..4 {
        cloud.ok("GetItem", get("a")).await;
    }
    let refused = cloud.err("GetItem", get("a")).await;
    assert_eq!(refused.fields[0].1, reasons("TableReadProvisionedThroughputExceeded", TABLE));
    cloud.ok("PutItem", put(&heavy("c", 390))).await;
    for (operation, input) in every_operation() {
        assert_eq!(cloud.err(operation, input).await.code, "ProvisionedThroughputExceededException", "{operation}");
    }
    cloud
        .ok(
            "UpdateTable",
            json!({"TableName": "tab", "ProvisionedThroughput": {"ReadCapacityUnits": 100, "WriteCapacityUnits": 1}}),
        )
        .await;
    cloud.advance(2).await;
    cloud.ok("Scan", json!({"TableName": "tab"})).await;
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_paid_for() {
    let cloud = Cloud::limited();
    cloud.ok("CreateTable", provisioned((1, 1), None)).await;
    cloud.ok("PutItem", put(&heavy("a", 200))).await;
    let mut conditional = put(&json!({"pk": {"S": "a"}}));
    conditional["ConditionExpression"] = json!("attribute_not_exists(pk)");
    assert_eq!(cloud.err("PutItem", conditional.clone()).await.code, "ConditionalCheckFailedException");
    assert_eq!(cloud.err("PutItem", conditional).await.code, "ProvisionedThroughputExceededException");
    assert_eq!(cloud.metric("ConsumedWriteCapacityUnits", &["TableName=tab"]).await, (392.0, 2.0));
    assert_eq!(cloud.metric("ConditionalCheckFailedRequests", &["TableName=tab"]).await, (1.0, 1.0));
}

#[tokio::test]
async fn an_index_that_cannot_follow_holds_its_table_up() {
    let cloud = Cloud::limited();
    cloud.ok("CreateTable", provisioned((10, 10), Some((1, 1)))).await;
    let indexed = |pk: &str, thousands: usize| {
        let mut item = heavy(pk, thousands);
        item["g"] = json!({"S": "same"});
        item
    };
    cloud.ok("PutItem", put(&indexed("a", 390))).await;
    let refused = cloud.err("PutItem", put(&indexed("b", 1))).await;
    assert_eq!(
        refused.message,
        "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API"
    );
    let index = format!("{TABLE}/index/index");
    assert_eq!(refused.fields[0].1, reasons("IndexWriteProvisionedThroughputExceeded", &index));
    // Nothing of it was written, and what the index does not have goes on.
    assert_eq!(cloud.ok("GetItem", get("b")).await, json!({}));
    cloud.ok("PutItem", put(&heavy("c", 1))).await;
    let batch = json!({"RequestItems": {"tab": [
        {"PutRequest": {"Item": indexed("d", 1)}}, {"PutRequest": {"Item": heavy("e", 1)}}, {"DeleteRequest": {"Key": key("a")}}
    ]}});
    let answer = cloud.ok("BatchWriteItem", batch).await;
    assert_eq!(
        answer["UnprocessedItems"],
        json!({"tab": [{"PutRequest": {"Item": indexed("d", 1)}}, {"DeleteRequest": {"Key": key("a")}}]})
    );
    assert_eq!(cloud.ok("Scan", json!({"TableName": "tab", "Select": "COUNT"})).await["Count"], 3);
    // The index is read with units of its own.
    let query = json!({
        "TableName": "tab", "IndexName": "index", "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "same"}}
    });
    for _ in 0..7 {
        cloud.ok("Query", query.clone()).await;
    }
    let refused = cloud.err("Query", query).await;
    assert_eq!(refused.message, "The level of configured provisioned throughput for the index was exceeded");
    assert_eq!(refused.fields[0].1, reasons("IndexReadProvisionedThroughputExceeded", &index));
    let dimensions = ["TableName=tab", "GlobalSecondaryIndexName=index"];
    assert_eq!(cloud.metric("ConsumedWriteCapacityUnits", &dimensions).await, (381.0, 1.0));
    assert_eq!(cloud.metric("WriteThrottleEvents", &dimensions).await, (3.0, 3.0));
    assert_eq!(cloud.metric("WriteProvisionedThroughputThrottleEvents", &dimensions).await, (3.0, 3.0));
    assert_eq!(cloud.metric("ReadThrottleEvents", &dimensions).await, (1.0, 1.0));
}

#[tokio::test]
async fn a_batch_leaves_undone_what_is_not_let_in() {
    let cloud = Cloud::limited();
    cloud.ok("CreateTable", provisioned((1, 1), None)).await;
    let write = |pk: &str| json!({"PutRequest": {"Item": heavy(pk, 200)}});
    let batch = |names: [&str; 3]| json!({"RequestItems": {"tab": names.map(write)}});
    let answer = cloud.ok("BatchWriteItem", batch(["a", "b", "c"])).await;
    assert_eq!(answer["UnprocessedItems"], json!({"tab": [write("c")]}));
    let refused = cloud.err("BatchWriteItem", batch(["c", "d", "e"])).await;
    assert_eq!(refused.code, "ProvisionedThroughputExceededException");
    let keys: Vec<Json> = (0..8).map(|n| if n < 2 { key(["a", "b"][n]) } else { key(&n.to_string()) }).collect();
    let read = |keys: &[Json]| json!({"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": true}}});
    for _ in 0..3 {
        // Each of them takes 49 units for what is there, and one for what is not.
        let answer = cloud.ok("BatchGetItem", read(&keys[..2])).await;
        assert_eq!(answer["UnprocessedKeys"], json!({}));
    }
    let answer = cloud.ok("BatchGetItem", read(&keys[2..])).await;
    assert_eq!(answer["UnprocessedKeys"], json!({}));
    let answer = cloud.err("BatchGetItem", read(&keys)).await;
    assert_eq!(answer.code, "ProvisionedThroughputExceededException");
    cloud.advance(3).await;
    let answer = cloud.ok("BatchGetItem", read(&keys)).await;
    assert_eq!(answer["Responses"][TABLE].as_array().unwrap().len(), 1);
    assert_eq!(answer["UnprocessedKeys"][TABLE]["Keys"].as_array().unwrap().len(), 7);
    let throttled = |operation: &str| ["TableName=tab".to_owned(), format!("Operation={operation}")];
    for operation in ["BatchGetItem", "BatchWriteItem"] {
        let dimensions = throttled(operation);
        let dimensions: Vec<&str> = dimensions.iter().map(String::as_str).collect();
        assert_eq!(cloud.metric("ThrottledRequests", &dimensions).await, (1.0, 1.0), "{operation}");
    }
}

#[tokio::test]
async fn a_transaction_is_cancelled_by_what_is_not_let_in() {
    let cloud = Cloud::limited();
    cloud.ok("CreateTable", provisioned((1, 1), None)).await;
    let write = |pk: &str| json!({"Put": {"TableName": "tab", "Item": heavy(pk, 160)}});
    let refused = cloud.err("TransactWriteItems", json!({"TransactItems": [write("a"), write("b")]})).await;
    assert_eq!(refused.code, "TransactionCanceledException");
    let (_, given) = refused.fields.iter().find(|(name, _)| name == "CancellationReasons").unwrap();
    assert_eq!(given[0]["Code"], "None");
    assert_eq!(given[1]["Code"], "ProvisionedThroughputExceeded");
    assert!(given[1]["Message"].as_str().unwrap().starts_with("The level of configured provisioned throughput"));
    assert_eq!(cloud.ok("Scan", json!({"TableName": "tab"})).await["Count"], 0);
    cloud.advance(300).await;
    cloud.ok("PutItem", put(&heavy("a", 390))).await;
    // Two units of each: 192 of 300, and then nothing is left.
    let read = json!({"TransactItems": [{"Get": {"TableName": "tab", "Key": key("a")}}]});
    cloud.ok("TransactGetItems", read.clone()).await;
    cloud.ok("TransactGetItems", read.clone()).await;
    let refused = cloud.err("TransactGetItems", read).await;
    assert!(refused.message.ends_with("[ProvisionedThroughputExceeded]"), "{}", refused.message);
    let statements = json!({"Statements": [{"Statement": "SELECT * FROM tab WHERE pk = 'a'"}]});
    let answer = cloud.ok("BatchExecuteStatement", statements).await;
    assert_eq!(answer["Responses"][0]["Error"]["Code"], "ProvisionedThroughputExceeded");
}

#[tokio::test]
async fn what_is_paid_for_by_request_may_have_a_most() {
    let cloud = Cloud::limited();
    let mut input = table("tab", "pk:S", "");
    input["OnDemandThroughput"] = json!({"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 1});
    let made = cloud.ok("CreateTable", input).await;
    assert_eq!(made["TableDescription"]["OnDemandThroughput"]["MaxReadRequestUnits"], 1);
    cloud.ok("PutItem", put(&heavy("a", 390))).await;
    let refused = cloud.err("PutItem", put(&heavy("a", 1))).await;
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("ThrottlingException", "Throughput exceeds the maximum OnDemandThroughput configured on table or index")
    );
    let reason = reasons("TableWriteMaxOnDemandThroughputExceeded", TABLE);
    assert_eq!(refused.fields, [("throttlingReasons".to_owned(), reason)]);
    let cancelled = cloud.err("TransactWriteItems", json!({"TransactItems": [{"Put": put(&heavy("a", 1))}]})).await;
    assert!(cancelled.message.ends_with("[ThrottlingError]"), "{}", cancelled.message);
    for _ in 0..4 {
        cloud.ok("GetItem", get("a")).await;
    }
    for (operation, input) in every_operation() {
        assert_eq!(cloud.err(operation, input).await.code, "ThrottlingException", "{operation}");
    }
    let most = |most: Json| json!({"TableName": "tab", "OnDemandThroughput": most});
    let changed = cloud.ok("UpdateTable", most(json!({"MaxWriteRequestUnits": -1}))).await;
    assert_eq!(changed["TableDescription"]["OnDemandThroughput"], json!({"MaxReadRequestUnits": 1}));
    cloud.advance(1).await;
    cloud.ok("PutItem", put(&heavy("a", 1))).await;
    cloud.ok("UpdateTable", most(json!({"MaxReadRequestUnits": -1}))).await;
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert!(shown["Table"].get("OnDemandThroughput").is_none());
    let refused = cloud.err("UpdateTable", most(json!({"MaxReadRequestUnits": 0}))).await;
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range"
    );
    let refused = cloud.err("UpdateTable", most(json!({"MaxReadRequestUnits": 40_001}))).await;
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        (
            "LimitExceededException",
            "Subscriber limit exceeded: Requested MaxReadRequestUnits for OnDemandThroughput for table exceeds TableMaxReadCapacityUnits of the account in region us-east-1"
        )
    );
}

#[tokio::test]
async fn a_hot_key_is_refused_while_other_keys_go_on() {
    let cloud = Cloud::limited().with_table().await;
    for _ in 0..3 {
        cloud.put(heavy("hot", 390)).await;
    }
    let refused = cloud.err("PutItem", put(&heavy("hot", 1))).await;
    assert_eq!(refused.code, "ThrottlingException");
    assert!(refused.message.starts_with("Throughput exceeds the current capacity of your table or index."));
    assert_eq!(refused.fields[0].1, reasons("TableWriteKeyRangeThroughputExceeded", TABLE));
    let mut let_in = 0;
    for n in 0..20 {
        let_in += i32::from(cloud.call("PutItem", put(&heavy(&n.to_string(), 1))).await.is_ok());
    }
    assert!((10..20).contains(&let_in), "{let_in} of 20, where one partition in four is hot");
    assert_eq!(
        cloud.metric("WriteKeyRangeThroughputThrottleEvents", &["TableName=tab"]).await.0,
        f64::from(21 - let_in)
    );
    cloud.advance(1).await;
    cloud.put(heavy("hot", 1)).await;
}

#[tokio::test]
async fn an_account_allows_no_table_more_than_its_quota() {
    let cloud = Cloud::limited().with_table().await;
    let warm = json!({"ReadUnitsPerSecond": 40_000, "WriteUnitsPerSecond": 40_000});
    cloud.ok("UpdateTable", json!({"TableName": "tab", "WarmThroughput": warm})).await;
    for n in 0..60 {
        cloud.put(heavy(&n.to_string(), 390)).await;
        cloud.advance(1).await;
    }
    // Each of them takes 96 units of 40,000 there are in a second, and a partition has 3,000 of its own.
    let mut refusals = Vec::new();
    for n in 0..420 {
        refusals.extend(cloud.call("GetItem", get(&(n % 60).to_string())).await.err());
    }
    let last = refusals.pop().unwrap();
    assert_eq!(
        (last.code.as_str(), last.message.as_str()),
        (
            "RequestLimitExceeded",
            "Throughput exceeds the current throughput limit for your account. To request a limit increase, contact AWS Support at https://aws.amazon.com/support."
        )
    );
    assert_eq!(last.fields, [("ThrottlingReasons".to_owned(), reasons("TableReadAccountLimitExceeded", TABLE))]);
    cloud.advance(1).await;
    cloud.ok("GetItem", get("0")).await;
}

#[tokio::test]
async fn tables_are_warmed_and_never_cool_down() {
    let cloud = Cloud::limited().with_table().await;
    let warm = async || cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"]["WarmThroughput"].take();
    let of = |read: i64, write: i64| json!({"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write});
    let shown =
        |read: i64, write: i64| json!({"ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write, "Status": "ACTIVE"});
    assert_eq!(warm().await, shown(12_000, 4000));
    let ask = |warm: Json| json!({"TableName": "tab", "WarmThroughput": warm});
    cloud.ok("UpdateTable", ask(json!({"WriteUnitsPerSecond": 20_000}))).await;
    assert_eq!(warm().await, shown(12_000, 20_000));
    let refused = cloud.err("UpdateTable", ask(of(12_000, 19_999))).await;
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: Requested WriteUnitsPerSecond for WarmThroughput for table is lower than current WarmThroughput, decreasing WarmThroughput is not supported"
    );
    let refused = cloud.err("UpdateTable", ask(of(50_000, 20_000))).await;
    assert_eq!(refused.code, "LimitExceededException");
    // Twenty partitions now: what is hot lies alone.
    for _ in 0..3 {
        cloud.put(heavy("hot", 390)).await;
    }
    cloud.err("PutItem", put(&heavy("hot", 1))).await;
    let mut let_in = 0;
    for n in 0..20 {
        let_in += i32::from(cloud.call("PutItem", put(&heavy(&n.to_string(), 1))).await.is_ok());
    }
    assert!(let_in >= 16, "{let_in}");
    let mut input = provisioned((10, 10), Some((5, 5)));
    input["TableName"] = json!("other");
    input["WarmThroughput"] = of(9, 100);
    let refused = cloud.err("CreateTable", input.clone()).await;
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: Requested ReadUnitsPerSecond for WarmThroughput for table is lower than ReadCapacityUnits of ProvisionedThroughput"
    );
    input["WarmThroughput"] = of(10, 100);
    input["GlobalSecondaryIndexes"][0]["WarmThroughput"] = of(7, 8);
    let made = cloud.ok("CreateTable", input).await;
    assert_eq!(made["TableDescription"]["WarmThroughput"], shown(10, 100));
    assert_eq!(made["TableDescription"]["GlobalSecondaryIndexes"][0]["WarmThroughput"], shown(7, 8));
}

#[tokio::test]
async fn indexes_have_settings_of_their_own() {
    let cloud = Cloud::limited();
    let mut input = provisioned((1, 1), Some((1, 1)));
    input["BillingMode"] = json!("PAY_PER_REQUEST");
    input.as_object_mut().unwrap().remove("ProvisionedThroughput");
    let index = input["GlobalSecondaryIndexes"][0].as_object_mut().unwrap();
    index.remove("ProvisionedThroughput");
    index.insert("OnDemandThroughput".into(), json!({"MaxReadRequestUnits": 5}));
    cloud.ok("CreateTable", input).await;
    let update = |update: Json| {
        let mut update = update;
        update["IndexName"] = json!("index");
        json!({"TableName": "tab", "GlobalSecondaryIndexUpdates": [{"Update": update}]})
    };
    let changed = cloud.ok("UpdateTable", update(json!({"OnDemandThroughput": {"MaxWriteRequestUnits": 6}}))).await;
    let shown = &changed["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!(shown["OnDemandThroughput"], json!({"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 6}));
    let warm = json!({"WarmThroughput": {"ReadUnitsPerSecond": 12_001}});
    let changed = cloud.ok("UpdateTable", update(warm)).await;
    let shown = &changed["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!(shown["WarmThroughput"]["ReadUnitsPerSecond"], 12_001);
    let refused = cloud.err("UpdateTable", update(json!({}))).await;
    assert!(refused.message.contains("when TableThroughputMode is PAY_PER_REQUEST can be to"), "{}", refused.message);
    let made = json!({
        "TableName": "tab", "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "second", "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"}, "OnDemandThroughput": {"MaxReadRequestUnits": 7},
            "WarmThroughput": {"WriteUnitsPerSecond": 4001}
        }}]
    });
    cloud.put(json!({"pk": {"S": "a"}, "h": {"S": "b"}})).await;
    let made = cloud.ok("UpdateTable", made).await;
    let shown = &made["TableDescription"]["GlobalSecondaryIndexes"][1];
    assert_eq!(shown["OnDemandThroughput"], json!({"MaxReadRequestUnits": 7}));
    assert_eq!(shown["WarmThroughput"]["WriteUnitsPerSecond"], 4001);
    let dimensions = ["TableName=tab", "GlobalSecondaryIndexName=second"];
    assert_eq!(cloud.metric("OnlineIndexConsumedWriteCapacity", &dimensions).await, (1.0, 1.0));
    assert_eq!(cloud.metric("OnlineIndexPercentageProgress", &dimensions).await.0, 100.0);
    // Indexes are paid for as their table is.
    let mut switch = json!({
        "TableName": "tab", "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    });
    let refused = cloud.err("UpdateTable", switch.clone()).await;
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: ProvisionedThroughput must be specified for index: index"
    );
    let units = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    switch["GlobalSecondaryIndexUpdates"] =
        json!(["index", "second"].map(|name| json!({"Update": {"IndexName": name, "ProvisionedThroughput": units}})));
    let changed = cloud.ok("UpdateTable", switch).await;
    let shown = &changed["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert!(shown.get("OnDemandThroughput").is_none());
    assert_eq!(shown["ProvisionedThroughput"]["ReadCapacityUnits"], 1);
}

#[tokio::test]
async fn capacity_is_taken_back_four_times_a_day_and_then_once_an_hour() {
    let cloud = Cloud::limited();
    // Midnight is far enough away.
    cloud.advance(86_400 - u64::try_from(cloud.now() % 86_400).unwrap() + 3600).await;
    cloud.ok("CreateTable", provisioned((10, 10), Some((10, 10)))).await;
    let units = |read: i64, write: i64| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    let set = |read: i64, write: i64| json!({"TableName": "tab", "ProvisionedThroughput": units(read, write)});
    let shown =
        async || cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"]["ProvisionedThroughput"].take();
    assert_eq!(shown().await, json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 10, "WriteCapacityUnits": 10}));
    for n in 1..=4 {
        cloud.ok("UpdateTable", set(10 - n, 10 + n)).await;
    }
    let refused = cloud.err("UpdateTable", set(5, 14)).await;
    assert_eq!(refused.code, "LimitExceededException");
    assert!(refused.message.contains("Number of decreases today: 4. Last decrease at "), "{}", refused.message);
    let now = shown().await;
    assert_eq!(now["NumberOfDecreasesToday"], 4);
    assert!(now.get("LastDecreaseDateTime").is_some() && now.get("LastIncreaseDateTime").is_some(), "{now}");
    // An index is counted by itself.
    let index = json!({"TableName": "tab", "GlobalSecondaryIndexUpdates": [
        {"Update": {"IndexName": "index", "ProvisionedThroughput": units(9, 9)}}
    ]});
    cloud.ok("UpdateTable", index).await;
    cloud.advance(3600).await;
    cloud.ok("UpdateTable", set(5, 14)).await;
    cloud.err("UpdateTable", set(4, 14)).await;
    cloud.advance(86_400).await;
    assert_eq!(shown().await["NumberOfDecreasesToday"], 0);
    let refused = cloud.err("UpdateTable", set(40_001, 14)).await;
    assert_eq!(
        refused.message,
        "The requested ReadCapacityUnits, 40001, is above the per table maximum for the account in us-east-1. Per table maximum: 40000. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    );
}

#[tokio::test]
async fn a_restored_table_may_have_another_most() {
    let cloud = Cloud::new().with_table().await;
    let backup = cloud.ok("CreateBackup", json!({"TableName": "tab", "BackupName": "one"})).await;
    let arn = &backup["BackupDetails"]["BackupArn"];
    let most = json!({"MaxReadRequestUnits": 3});
    let restored = cloud
        .ok(
            "RestoreTableFromBackup",
            json!({"TargetTableName": "second", "BackupArn": arn, "OnDemandThroughputOverride": most}),
        )
        .await;
    assert_eq!(restored["TableDescription"]["OnDemandThroughput"], most);
    let recovery =
        json!({"TableName": "tab", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    cloud.ok("UpdateContinuousBackups", recovery).await;
    let input = json!({
        "TargetTableName": "third", "SourceTableName": "tab", "UseLatestRestorableTime": true,
        "OnDemandThroughputOverride": most
    });
    let restored = cloud.ok("RestoreTableToPointInTime", input.clone()).await;
    assert_eq!(restored["TableDescription"]["OnDemandThroughput"], most);
    let mut input = input;
    input["BillingModeOverride"] = json!("PROVISIONED");
    input["ProvisionedThroughputOverride"] = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    input["TargetTableName"] = json!("fourth");
    let refused = cloud.err("RestoreTableToPointInTime", input).await;
    assert!(refused.message.starts_with("Cannot override MaxReadRequestUnits"), "{}", refused.message);
}

#[tokio::test]
async fn cloudwatch_is_told() {
    let cloud = Cloud::limited();
    let mut input = provisioned((10, 20), Some((3, 4)));
    input["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    let made = cloud.ok("CreateTable", input).await;
    cloud.put(json!({"pk": {"S": "a"}, "g": {"S": "b"}})).await;
    cloud.get(key("a")).await;
    cloud.ok("Scan", json!({"TableName": "tab"})).await;
    cloud.ok("ExecuteStatement", json!({"Statement": "SELECT * FROM tab"})).await;
    cloud.err("GetItem", json!({"TableName": "tab", "Key": {"wrong": {"S": "a"}}})).await;
    cloud.err("GetItem", json!({"TableName": "t", "Key": {"wrong": {"S": "a"}}})).await;
    assert_eq!(cloud.metric("ConsumedReadCapacityUnits", &["TableName=tab"]).await, (2.0, 3.0));
    assert_eq!(cloud.metric("ConsumedWriteCapacityUnits", &["TableName=tab"]).await, (1.0, 1.0));
    for (operation, times) in [("GetItem", 1.0), ("PutItem", 1.0), ("Scan", 1.0), ("ExecuteStatement", 1.0)] {
        let operation = format!("Operation={operation}");
        let (sum, count) = cloud.metric("SuccessfulRequestLatency", &["TableName=tab", &operation]).await;
        assert!(sum > 0.0 && count == times, "{operation}");
    }
    assert_eq!(cloud.metric("ReturnedItemCount", &["TableName=tab", "Operation=Scan"]).await, (1.0, 1.0));
    assert_eq!(cloud.metric("UserErrors", &[]).await, (2.0, 2.0));
    let arn = &made["TableDescription"]["LatestStreamArn"];
    let label = made["TableDescription"]["LatestStreamLabel"].as_str().unwrap();
    let stream = cloud.ok("DescribeStream", json!({"StreamArn": arn})).await;
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let input = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = cloud.ok("GetShardIterator", input).await;
    cloud.ok("GetRecords", iterator).await;
    let label = format!("StreamLabel={label}");
    let dimensions = ["TableName=tab", &label, "Operation=GetRecords"];
    assert_eq!(cloud.metric("ReturnedRecordsCount", &dimensions).await, (1.0, 1.0));
    assert_eq!(cloud.metric("ReturnedBytes", &dimensions).await, (3.0, 1.0));
    cloud
        .ok(
            "UpdateTimeToLive",
            json!({"TableName": "tab", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "until"}}),
        )
        .await;
    cloud.put(json!({"pk": {"S": "b"}, "until": {"N": cloud.now().to_string()}})).await;
    cloud.advance(5).await;
    assert_eq!(cloud.metric("TimeToLiveDeletedItemCount", &["TableName=tab"]).await, (1.0, 1.0));
}

#[tokio::test]
async fn cloudwatch_is_told_from_time_to_time_what_tables_are_given() {
    let cloud = Cloud::limited();
    cloud.ok("CreateTable", provisioned((10, 20), Some((3, 4)))).await;
    cloud.begin();
    for _ in 0..200 {
        cloud.advance(300).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        if cloud.metric("AccountMaxWrites", &[]).await.1 > 0.0 {
            break;
        }
    }
    let average = async |name: &str, dimensions: &[&str]| {
        let (sum, count) = cloud.metric(name, dimensions).await;
        sum / count
    };
    assert_eq!(average("ProvisionedReadCapacityUnits", &["TableName=tab"]).await, 10.0);
    let index = ["TableName=tab", "GlobalSecondaryIndexName=index"];
    assert_eq!(average("ProvisionedWriteCapacityUnits", &index).await, 4.0);
    assert_eq!(average("AccountProvisionedWriteCapacityUtilization", &[]).await, 0.03);
    assert_eq!(average("MaxProvisionedTableReadCapacityUtilization", &[]).await, 0.025);
    assert_eq!(average("AccountMaxTableLevelReads", &[]).await, 40_000.0);
}

/// The names of the rules that count, in order.
async fn rules(cloud: &Cloud, index: Option<&str>) -> Vec<String> {
    let mut input = json!({"TableName": "tab"});
    if let Some(index) = index {
        input["IndexName"] = json!(index);
    }
    let shown = cloud.ok("DescribeContributorInsights", input).await;
    let rules = shown["ContributorInsightsRuleList"].as_array().cloned().unwrap_or_default();
    rules.iter().map(|rule| rule.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn insights_count_keys_by_what_they_consume_and_how_often_they_are_refused() {
    let cloud = Cloud::limited();
    let mut input = provisioned((1, 1), Some((100, 100)));
    input["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "sk", "AttributeType": "N"}));
    input["KeySchema"].as_array_mut().unwrap().push(json!({"AttributeName": "sk", "KeyType": "RANGE"}));
    cloud.ok("CreateTable", input).await;
    let table = json!({"TableName": "tab"});
    assert_eq!(
        cloud.ok("DescribeContributorInsights", table.clone()).await,
        json!({"TableName": "tab", "ContributorInsightsStatus": "DISABLED"})
    );
    let update = |action: &str, more: Json| {
        let mut input = json!({"TableName": "tab", "ContributorInsightsAction": action});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let never = cloud.ok("UpdateContributorInsights", update("DISABLE", json!({}))).await;
    assert_eq!(never, json!({"TableName": "tab", "ContributorInsightsStatus": "DISABLED"}));
    let begun = cloud.ok("UpdateContributorInsights", update("ENABLE", json!({}))).await;
    assert_eq!(
        begun,
        json!({"TableName": "tab", "ContributorInsightsStatus": "ENABLING", "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS"})
    );
    let again = cloud.ok("UpdateContributorInsights", update("ENABLE", json!({}))).await;
    assert_eq!(again["ContributorInsightsStatus"], "ENABLED");
    cloud.ok("UpdateContributorInsights", update("ENABLE", json!({"IndexName": "index"}))).await;
    let millis = cloud.cx().now_millis();
    let name = |kind: &str| format!("DynamoDBContributorInsights-{kind}-tab-{millis}");
    assert_eq!(rules(&cloud, None).await, ["PKC", "SKC", "PKT", "SKT"].map(name));
    let of_index = |kind: &str| format!("DynamoDBContributorInsights-{kind}-tab-index-{millis}");
    assert_eq!(rules(&cloud, Some("index")).await, ["PKC", "PKT"].map(of_index));
    let item = |pk: &str, sk: i64, thousands: usize| {
        json!({
            "pk": {"S": pk}, "sk": {"N": sk.to_string()}, "g": {"S": "of-index"},
            "text": {"S": "x".repeat(thousands * 1000)}
        })
    };
    cloud.put(item("a", 1, 1)).await;
    cloud.put(item("a", 2, 1)).await;
    cloud.put(item("b", 1, 390)).await;
    for _ in 0..2 {
        cloud.err("PutItem", put(&item("b", 1, 1))).await;
    }
    cloud.get(json!({"pk": {"S": "a"}, "sk": {"N": "2"}})).await;
    let query = json!({
        "TableName": "tab", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}},
        "ConsistentRead": true
    });
    cloud.ok("Query", query).await;
    // Writes count three times: 381 units of the large item, one of each small one.
    assert_eq!(cloud.contributors(&name("PKC")).await, [(vec!["b".to_owned()], 1143.0), (vec!["a".to_owned()], 8.0)]);
    let pair = |pk: &str, sk: &str| vec![pk.to_owned(), sk.to_owned()];
    assert_eq!(
        cloud.contributors(&name("SKC")).await,
        [(pair("b", "1"), 1143.0), (pair("a", "2"), 4.0), (pair("a", "1"), 3.0)]
    );
    assert_eq!(cloud.contributors(&name("PKT")).await, [(vec!["b".to_owned()], 2.0)]);
    assert_eq!(cloud.contributors(&name("SKT")).await, [(pair("b", "1"), 2.0)]);
    assert_eq!(cloud.contributors(&of_index("PKC")).await, [(vec!["of-index".to_owned()], 1149.0)]);
    let listed = cloud.ok("ListContributorInsights", json!({"MaxResults": 1})).await;
    assert_eq!(listed["ContributorInsightsSummaries"][0]["TableName"], "tab");
    let next = json!({"MaxResults": 1, "NextToken": listed["NextToken"]});
    let listed = cloud.ok("ListContributorInsights", next).await;
    assert_eq!(listed["ContributorInsightsSummaries"][0]["IndexName"], "index");
    assert!(listed.get("NextToken").is_none());
    // Fewer rules: those that stay are the same.
    cloud.advance(60).await;
    cloud.ok("UpdateContributorInsights", update("ENABLE", json!({"ContributorInsightsMode": "THROTTLED_KEYS"}))).await;
    assert_eq!(rules(&cloud, None).await, ["PKT", "SKT"].map(name));
    let ended = cloud.ok("UpdateContributorInsights", update("DISABLE", json!({}))).await;
    assert_eq!(ended["ContributorInsightsStatus"], "DISABLING");
    let shown = cloud.ok("DescribeContributorInsights", table.clone()).await;
    assert_eq!(
        (&shown["ContributorInsightsStatus"], &shown["ContributorInsightsMode"]),
        (&json!("DISABLED"), &json!("THROTTLED_KEYS"))
    );
    let listed = cloud.ok("ListContributorInsights", table).await;
    assert_eq!(listed["ContributorInsightsSummaries"].as_array().unwrap().len(), 1);
    let unknown = cloud.err("UpdateContributorInsights", update("ENABLE", json!({"IndexName": "nope"}))).await;
    assert_eq!(
        (unknown.code.as_str(), unknown.message.as_str()),
        ("ResourceNotFoundException", "Requested resource not found: Index: nope not found for table: tab")
    );
    for operation in ["DescribeContributorInsights", "ListContributorInsights"] {
        assert_eq!(cloud.err(operation, json!({"TableName": "no-table"})).await.code, "ResourceNotFoundException");
    }
    assert!(cloud.has_rule(&of_index("PKC")));
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    assert!(!cloud.has_rule(&of_index("PKC")));
}
