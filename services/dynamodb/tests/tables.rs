//! Tables: made, changed, described, expired and deleted.

use crate::cloud::{Cloud, table};
use serde_json::json;

#[tokio::test]
async fn a_table_is_made_described_listed_and_deleted() {
    let cloud = Cloud::new();
    let made = cloud.ok("CreateTable", table("first", "pk:S", "sk:N")).await;
    let shown = &made["TableDescription"];
    assert_eq!(shown["TableStatus"], "CREATING");
    assert_eq!(shown["TableArn"], "arn:aws:dynamodb:us-east-1:000000000000:table/first");
    assert_eq!(shown["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(shown["DeletionProtectionEnabled"], false);
    let described = cloud.ok("DescribeTable", json!({"TableName": "first"})).await;
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
    assert_eq!(described["Table"]["TableId"], shown["TableId"]);
    assert_eq!(
        described["Table"]["KeySchema"],
        json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}])
    );
    let by_arn = cloud.ok("DescribeTable", json!({"TableName": shown["TableArn"]})).await;
    assert_eq!(by_arn, described);
    let again = cloud.err("CreateTable", table("first", "pk:S", "")).await;
    assert_eq!(
        (again.code.as_str(), again.message.as_str()),
        ("ResourceInUseException", "Table already exists: first")
    );
    for name in ["second", "third"] {
        cloud.ok("CreateTable", table(name, "pk:S", "")).await;
    }
    let page = cloud.ok("ListTables", json!({"Limit": 2})).await;
    assert_eq!(page, json!({"TableNames": ["first", "second"], "LastEvaluatedTableName": "second"}));
    let rest = cloud.ok("ListTables", json!({"Limit": 2, "ExclusiveStartTableName": "second"})).await;
    assert_eq!(rest, json!({"TableNames": ["third"]}));
    let gone = cloud.ok("DeleteTable", json!({"TableName": "first"})).await;
    assert_eq!(gone["TableDescription"]["TableStatus"], "DELETING");
    let missing = cloud.err("DescribeTable", json!({"TableName": "first"})).await;
    assert_eq!(missing.code, "ResourceNotFoundException");
    assert_eq!(missing.message, "Requested resource not found: Table: first not found");
}

#[tokio::test]
async fn a_table_made_anew_begins_empty_and_the_old_rows_are_swept() {
    let cloud = Cloud::new();
    let bare = cloud.rows();
    let cloud = cloud.with_table().await;
    for number in 0..1500 {
        cloud.put(json!({"pk": {"S": number.to_string()}})).await;
    }
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["ItemCount"], 1500);
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.ok("CreateTable", table("tab", "pk:S", "")).await;
    assert_eq!(cloud.ok("Scan", json!({"TableName": "tab"})).await["Count"], 0);
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(1).await;
    assert_eq!(cloud.rows(), bare + 1, "only the kernel's clock is left");
}

#[tokio::test]
async fn a_protected_table_is_not_deleted() {
    let cloud = Cloud::new().with_table().await;
    let protect = |protected: bool| json!({"TableName": "tab", "DeletionProtectionEnabled": protected});
    let shown = cloud.ok("UpdateTable", protect(true)).await;
    assert_eq!(shown["TableDescription"]["DeletionProtectionEnabled"], true);
    let refused = cloud.err("DeleteTable", json!({"TableName": "tab"})).await;
    assert_eq!(
        refused.message,
        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
    );
    cloud.ok("UpdateTable", protect(false)).await;
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
}

#[tokio::test]
async fn throughput_and_billing_change() {
    let cloud = Cloud::new();
    let mut input = table("tab", "pk:S", "");
    input["BillingMode"] = json!("PROVISIONED");
    let missing = cloud.err("CreateTable", input.clone()).await;
    assert_eq!(
        missing.message,
        "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
    );
    input["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6});
    let made = cloud.ok("CreateTable", input).await;
    assert_eq!(made["TableDescription"]["ProvisionedThroughput"]["WriteCapacityUnits"], 6);
    assert!(made["TableDescription"].get("BillingModeSummary").is_none());
    let units = |read: i64| json!({"TableName": "tab", "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": 6}});
    assert!(
        cloud
            .err("UpdateTable", units(5))
            .await
            .message
            .starts_with("The provisioned throughput for the table will not change.")
    );
    cloud.ok("UpdateTable", units(7)).await;
    cloud.ok("UpdateTable", json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST"})).await;
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(shown["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"], 0);
    let nothing = cloud.err("UpdateTable", json!({"TableName": "tab"})).await;
    assert!(nothing.message.starts_with("At least one of ProvisionedThroughput"));
}

#[tokio::test]
async fn tags_are_kept_with_the_table() {
    let cloud = Cloud::new();
    let mut input = table("tab", "pk:S", "");
    input["Tags"] = json!([{"Key": "team", "Value": "a"}]);
    let made = cloud.ok("CreateTable", input).await;
    let arn = &made["TableDescription"]["TableArn"];
    let many: Vec<_> = (10..30).map(|n| json!({"Key": format!("k{n}"), "Value": n.to_string()})).collect();
    cloud.ok("TagResource", json!({"ResourceArn": arn, "Tags": many})).await;
    cloud.ok("TagResource", json!({"ResourceArn": arn, "Tags": [{"Key": "team", "Value": "b"}]})).await;
    cloud.ok("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["k10", "never-there"]})).await;
    let mut tags = Vec::new();
    let mut token = json!(null);
    loop {
        let mut input = json!({"ResourceArn": arn});
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let page = cloud.ok("ListTagsOfResource", input).await;
        tags.extend(page["Tags"].as_array().unwrap().clone());
        match page.get("NextToken") {
            Some(next) => token = next.clone(),
            None => break,
        }
    }
    assert_eq!(tags.len(), 20);
    assert_eq!(tags.last(), Some(&json!({"Key": "team", "Value": "b"})));
    let elsewhere = "arn:aws:dynamodb:us-east-1:000000000000:table/none";
    let missing = cloud.err("ListTagsOfResource", json!({"ResourceArn": elsewhere})).await;
    assert_eq!(missing.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn items_expire_when_their_time_comes() {
    let cloud = Cloud::new().with_table().await;
    let now = cloud.now();
    let item = |pk: &str, at: i64| json!({"pk": {"S": pk}, "until": {"N": at.to_string()}});
    cloud.put(item("before", now + 50)).await;
    cloud.put(item("ancient", 1000)).await;
    cloud.put(json!({"pk": {"S": "text"}, "until": {"S": "soon"}})).await;
    let set = |enabled: bool, name: &str| json!({"TableName": "tab", "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": name}});
    cloud.ok("UpdateTimeToLive", set(true, "until")).await;
    assert_eq!(cloud.err("UpdateTimeToLive", set(true, "until")).await.message, "TimeToLive is already enabled");
    assert_eq!(
        cloud.err("UpdateTimeToLive", set(false, "other")).await.message,
        "TimeToLive is active on a different AttributeName: current AttributeName is until"
    );
    let shown = cloud.ok("DescribeTimeToLive", json!({"TableName": "tab"})).await;
    assert_eq!(shown, json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}}));
    cloud.put(item("later", now + 500)).await;
    cloud.put(item("soon", now + 20)).await;
    cloud.put(item("moved", now + 21)).await;
    cloud.put(item("moved", now + 400)).await;
    let left = || async {
        let found = cloud.ok("Scan", json!({"TableName": "tab"})).await;
        let mut keys: Vec<String> = found["Items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["pk"]["S"].as_str().unwrap().to_owned())
            .collect();
        keys.sort();
        keys
    };
    cloud.advance(10).await;
    assert_eq!(left().await, ["ancient", "before", "later", "moved", "soon", "text"]);
    cloud.advance(15).await;
    assert_eq!(left().await, ["ancient", "before", "later", "moved", "text"]);
    cloud.advance(400).await;
    assert_eq!(left().await, ["ancient", "later", "text"]);
    cloud.ok("UpdateTimeToLive", set(false, "until")).await;
    cloud.advance(1000).await;
    assert_eq!(left().await, ["ancient", "later", "text"]);
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["ItemCount"], 3);
}

#[tokio::test]
async fn what_is_not_built_is_refused() {
    let cloud = Cloud::new().with_table().await;
    let refused = cloud.err("ListBulkOperations", json!({})).await;
    assert_eq!((refused.code.as_str(), refused.status), ("NotImplemented", 501), "{refused:?}");
}

#[tokio::test]
async fn limits_and_endpoints() {
    let cloud = Cloud::new();
    assert_eq!(cloud.ok("DescribeLimits", json!({})).await["AccountMaxReadCapacityUnits"], 80_000);
    let found = cloud.ok("DescribeEndpoints", json!({})).await;
    assert_eq!(found["Endpoints"][0]["Address"], "localhost:4566");
}
