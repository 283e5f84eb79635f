//! Backups, and tables as they were at a moment of the past.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

async fn recoverable() -> Cloud {
    let cloud = Cloud::new();
    let mut input = table("tab", "pk:S", "");
    input["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "g", "AttributeType": "S"}));
    input["GlobalSecondaryIndexes"] = json!([{"IndexName": "by-g", "Projection": {"ProjectionType": "ALL"},
        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}]}]);
    cloud.ok("CreateTable", input).await;
    cloud.ok("UpdateContinuousBackups", recovery(true)).await;
    cloud
}

fn recovery(enabled: bool) -> Json {
    json!({"TableName": "tab", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled}})
}

async fn put(cloud: &Cloud, pk: &str, value: &str) {
    cloud.put(json!({"pk": {"S": pk}, "v": {"S": value}, "g": {"S": "g"}})).await;
}

/// The items of a table as `pk=v`, by its index, which must agree with the table.
async fn held(cloud: &Cloud, name: &str) -> Vec<String> {
    let list = |answer: Json| {
        let items = answer["Items"].as_array().unwrap().clone();
        let text = |item: &Json| format!("{}={}", item["pk"]["S"].as_str().unwrap(), item["v"]["S"].as_str().unwrap());
        let mut all: Vec<String> = items.iter().map(text).collect();
        all.sort();
        all
    };
    let by_index = list(cloud.ok("Scan", json!({"TableName": name, "IndexName": "by-g"})).await);
    assert_eq!(list(cloud.ok("Scan", json!({"TableName": name})).await), by_index);
    by_index
}

#[tokio::test]
async fn a_table_can_be_restored_to_any_moment_since_its_history_began() {
    let cloud = recoverable().await;
    put(&cloud, "a", "1").await;
    put(&cloud, "b", "1").await;
    cloud.advance(10).await;
    let then = cloud.now();
    cloud.advance(10).await;
    put(&cloud, "a", "2").await;
    put(&cloud, "a", "3").await;
    put(&cloud, "c", "1").await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "b"}}})).await;
    let input = json!({"SourceTableName": "tab", "TargetTableName": "past", "RestoreDateTime": then});
    let shown = cloud.ok("RestoreTableToPointInTime", input.clone()).await["TableDescription"].clone();
    assert_eq!(
        (&shown["TableStatus"], &shown["RestoreSummary"]["RestoreInProgress"]),
        (&json!("CREATING"), &json!(true))
    );
    assert_eq!(held(&cloud, "past").await, ["a=1", "b=1"]);
    assert_eq!(held(&cloud, "tab").await, ["a=3", "c=1"]);
    let again = cloud.err("RestoreTableToPointInTime", input).await;
    assert_eq!(
        (again.code.as_str(), again.message.as_str()),
        ("TableAlreadyExistsException", "Table already exists: past")
    );
    let latest = json!({"SourceTableName": "tab", "TargetTableName": "now", "UseLatestRestorableTime": true,
        "GlobalSecondaryIndexOverride": []});
    cloud.ok("RestoreTableToPointInTime", latest).await;
    let shown = cloud.ok("DescribeTable", json!({"TableName": "now"})).await["Table"].clone();
    assert!(shown.get("GlobalSecondaryIndexes").is_none());
    assert_eq!((&shown["ItemCount"], &shown["RestoreSummary"]["RestoreInProgress"]), (&json!(2), &json!(false)));
    let status = cloud.ok("DescribeContinuousBackups", json!({"TableName": "past"})).await;
    let status = &status["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"];
    assert_eq!(status, "DISABLED", "a restored table has no history of its own");
}

#[tokio::test]
async fn moments_before_the_history_cannot_be_restored() {
    let cloud = recoverable().await;
    let at = |moment: i64| json!({"SourceTableName": "tab", "TargetTableName": "past", "RestoreDateTime": moment});
    for moment in [cloud.now() - 10, cloud.now() + 10] {
        assert_eq!(cloud.err("RestoreTableToPointInTime", at(moment)).await.code, "InvalidRestoreTimeException");
    }
    cloud.ok("UpdateContinuousBackups", recovery(false)).await;
    let refused = cloud.err("RestoreTableToPointInTime", at(cloud.now())).await;
    assert_eq!(refused.code, "PointInTimeRecoveryUnavailableException");
    let none = json!({"SourceTableName": "none", "TargetTableName": "past", "UseLatestRestorableTime": true});
    let none = cloud.err("RestoreTableToPointInTime", none).await;
    assert_eq!((none.code.as_str(), none.message.as_str()), ("TableNotFoundException", "Table not found: none"));
}

#[tokio::test]
async fn a_history_is_kept_for_as_long_as_was_asked_for() {
    let cloud = recoverable().await;
    let mut days = recovery(true);
    days["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"] = json!(1);
    cloud.ok("UpdateContinuousBackups", days).await;
    for value in ["5", "4", "3", "2", "1"] {
        put(&cloud, "a", value).await;
    }
    let rows = cloud.rows();
    cloud.advance(86_400 + 7200).await;
    assert!(cloud.rows() + 3 < rows, "the records of the writes are gone");
    let old = json!({"SourceTableName": "tab", "TargetTableName": "past", "RestoreDateTime": cloud.now() - 87_000});
    assert_eq!(cloud.err("RestoreTableToPointInTime", old).await.code, "InvalidRestoreTimeException");
    let begun = json!({"SourceTableName": "tab", "TargetTableName": "past", "RestoreDateTime": cloud.now() - 86_000});
    cloud.ok("RestoreTableToPointInTime", begun).await;
    assert_eq!(held(&cloud, "past").await, ["a=1"]);
}

#[tokio::test]
async fn an_ended_history_leaves_nothing_behind() {
    let cloud = recoverable().await;
    cloud.ok("UpdateContinuousBackups", recovery(false)).await;
    cloud.advance(1).await;
    put(&cloud, "a", "1").await;
    let rows = cloud.rows();
    cloud.ok("UpdateContinuousBackups", recovery(true)).await;
    put(&cloud, "a", "2").await;
    assert!(cloud.rows() > rows);
    cloud.ok("UpdateContinuousBackups", recovery(false)).await;
    cloud.advance(7200).await;
    assert_eq!(cloud.rows(), rows);
}

#[tokio::test]
async fn a_backup_outlives_its_table_and_can_be_restored() {
    let cloud = recoverable().await;
    cloud.ok("UpdateContinuousBackups", recovery(false)).await;
    put(&cloud, "a", "1").await;
    put(&cloud, "b", "1").await;
    let made =
        cloud.ok("CreateBackup", json!({"TableName": "tab", "BackupName": "before"})).await["BackupDetails"].clone();
    assert_eq!((&made["BackupStatus"], &made["BackupType"]), (&json!("CREATING"), &json!("USER")));
    let arn = made["BackupArn"].clone();
    put(&cloud, "a", "2").await;
    let index = |name: &str, attribute: &str| {
        json!({"IndexName": name, "Projection": {"ProjectionType": "ALL"},
        "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}]})
    };
    let mut input = json!({"BackupArn": arn, "TargetTableName": "renamed"});
    input["GlobalSecondaryIndexOverride"] = json!([index("other", "g"), index("by-g", "g")]);
    cloud.ok("RestoreTableFromBackup", input.clone()).await;
    assert_eq!(held(&cloud, "renamed").await, ["a=1", "b=1"]);
    cloud.ok("DeleteTable", json!({"TableName": "renamed"})).await;
    input["GlobalSecondaryIndexOverride"] = json!([index("by-pk", "pk")]);
    let refused = cloud.err("RestoreTableFromBackup", input).await;
    assert!(refused.message.starts_with("Index by-pk does not match a secondary index"), "{}", refused.message);
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(60).await;
    let shown = cloud.ok("DescribeBackup", json!({"BackupArn": arn})).await["BackupDescription"].clone();
    assert_eq!(shown["BackupDetails"]["BackupStatus"], "AVAILABLE");
    assert_eq!(shown["SourceTableDetails"]["ItemCount"], 2);
    assert_eq!(shown["SourceTableFeatureDetails"]["GlobalSecondaryIndexes"][0]["IndexName"], "by-g");
    cloud.ok("RestoreTableFromBackup", json!({"BackupArn": arn, "TargetTableName": "back"})).await;
    assert_eq!(held(&cloud, "back").await, ["a=1", "b=1"]);
    let gone = cloud.ok("DeleteBackup", json!({"BackupArn": arn})).await;
    assert_eq!(gone["BackupDescription"]["BackupDetails"]["BackupStatus"], "DELETED");
    cloud.advance(60).await;
    let none = cloud.err("DescribeBackup", json!({"BackupArn": arn})).await;
    assert_eq!(none.code, "BackupNotFoundException");
    assert_eq!(held(&cloud, "back").await, ["a=1", "b=1"]);
    cloud.ok("DeleteTable", json!({"TableName": "back"})).await;
    cloud.advance(60).await;
    assert_eq!(cloud.ok("ListBackups", json!({})).await["BackupSummaries"], json!([]));
}

#[tokio::test]
async fn backups_are_listed_by_table_time_and_kind() {
    let cloud = Cloud::new().with_table().await;
    cloud.ok("CreateTable", table("other", "pk:S", "")).await;
    for (table, name) in [("tab", "one"), ("other", "two"), ("tab", "three")] {
        cloud.advance(10).await;
        cloud.ok("CreateBackup", json!({"TableName": table, "BackupName": name})).await;
    }
    let names = async |input: Json| -> (Vec<String>, Json) {
        let page = cloud.ok("ListBackups", input).await;
        let all = page["BackupSummaries"].as_array().unwrap().iter();
        (all.map(|b| b["BackupName"].as_str().unwrap().to_owned()).collect(), page["LastEvaluatedBackupArn"].clone())
    };
    assert_eq!(names(json!({"TableName": "tab"})).await.0, ["one", "three"]);
    let (first, last) = names(json!({"Limit": 2})).await;
    assert_eq!(first, ["two", "one"]);
    assert_eq!(names(json!({"ExclusiveStartBackupArn": last})).await, (vec!["three".to_owned()], Json::Null));
    assert_eq!(names(json!({"TimeRangeLowerBound": cloud.now() - 5})).await.0, ["three"]);
    assert!(names(json!({"BackupType": "SYSTEM"})).await.0.is_empty());
    let none = cloud.err("CreateBackup", json!({"TableName": "none", "BackupName": "four"})).await;
    assert_eq!(none.code, "TableNotFoundException");
}

#[tokio::test]
async fn a_table_with_a_history_leaves_a_backup_behind() {
    let cloud = recoverable().await;
    for pk in ["a", "b", "c", "d", "e"] {
        put(&cloud, pk, "1").await;
    }
    cloud.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(7200).await;
    assert_eq!(cloud.ok("ListBackups", json!({})).await["BackupSummaries"], json!([]));
    let listed = cloud.ok("ListBackups", json!({"BackupType": "ALL"})).await["BackupSummaries"][0].clone();
    assert_eq!((&listed["BackupName"], &listed["BackupType"]), (&json!("tab$DeletedTableBackup"), &json!("SYSTEM")));
    let arn = listed["BackupArn"].clone();
    assert_eq!(cloud.err("DeleteBackup", json!({"BackupArn": arn})).await.code, "ValidationException");
    cloud.ok("RestoreTableFromBackup", json!({"BackupArn": arn, "TargetTableName": "tab"})).await;
    let all = ["a=1", "b=1", "c=1", "d=1", "e=1"];
    assert_eq!(held(&cloud, "tab").await, all);
    let rows = cloud.rows();
    cloud.advance(36 * 86_400).await;
    assert_eq!(cloud.err("DescribeBackup", json!({"BackupArn": arn})).await.code, "BackupNotFoundException");
    assert_eq!(held(&cloud, "tab").await, all);
    assert!(cloud.rows() + 8 < rows, "what the deleted table held is gone");
}
