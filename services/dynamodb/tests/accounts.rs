//! Global tables whose replicas are in several accounts, and policies that have a say in replication.

use crate::cloud::Cloud;
use serde_json::{Value as Json, json};

const HERE: &str = "000000000000";
const OTHER: &str = "111111111111";
const THIRD: &str = "222222222222";
const SOURCE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";

/// A policy that lets replication do its work between tables of these accounts, and these accounts join.
fn trust(accounts: &[&str]) -> Json {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "replication.dynamodb.amazonaws.com"}, "Resource": "*",
         "Action": ["dynamodb:ReadDataForReplication", "dynamodb:WriteDataForReplication", "dynamodb:ReplicateSettings"],
         "Condition": {"StringEquals": {"aws:SourceAccount": accounts}}},
        {"Effect": "Allow", "Principal": {"AWS": accounts}, "Resource": "*", "Action": "dynamodb:AssociateTableReplica"}]})
}

fn police(arn: &str, policy: &Json) -> Json {
    json!({"ResourceArn": arn, "Policy": policy.to_string()})
}

fn join(policy: &Json) -> Json {
    json!({"TableName": "tab", "GlobalTableSourceArn": SOURCE, "GlobalTableSettingsReplicationMode": "ENABLED",
        "ResourcePolicy": policy.to_string()})
}

async fn shown(cloud: &Cloud) -> Json {
    cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"].take()
}

async fn items(cloud: &Cloud) -> Json {
    cloud.ok("Scan", json!({"TableName": "tab"})).await["Items"].take()
}

fn item(key: &str) -> Json {
    json!({"pk": {"S": key}})
}

#[tokio::test]
async fn an_account_makes_a_replica_of_a_table_of_another_one() {
    let cloud = Cloud::new().with_table().await;
    let other = cloud.of_account(OTHER, "us-west-2");
    cloud.put(item("a")).await;
    let both = trust(&[HERE, OTHER]);
    // Nobody joins without leave, and nothing is replicated without.
    let stranger = other.err("CreateTable", join(&both)).await;
    assert_eq!(stranger.code, "AccessDeniedException");
    assert!(stranger.message.contains("dynamodb:AssociateTableReplica"), "{}", stranger.message);
    cloud.ok("PutResourcePolicy", police(SOURCE, &both)).await;
    let mut closed = join(&both);
    closed["ResourcePolicy"] = json!(trust(&[THIRD]).to_string());
    let refused = other.err("CreateTable", closed).await;
    assert!(refused.message.starts_with("The resource-based policies of the replicas must allow"), "{refused:?}");
    let mut schema = join(&both);
    schema["BillingMode"] = json!("PAY_PER_REQUEST");
    let said = "BillingMode cannot be specified when GlobalTableSourceArn is specified";
    assert_eq!(other.err("CreateTable", schema).await.message, said);
    let mut unsaid = join(&both);
    unsaid.as_object_mut().unwrap().remove("GlobalTableSettingsReplicationMode");
    assert_eq!(other.err("CreateTable", unsaid).await.code, "ValidationException");
    let mut renamed = join(&both);
    renamed["TableName"] = json!("another");
    assert_eq!(
        other.err("CreateTable", renamed).await.message,
        "All replicas of a global table must have the same name"
    );
    let near = cloud.of_account(OTHER, "us-east-1").err("CreateTable", join(&both)).await.message;
    assert!(near.ends_with("must be in an account and a Region of its own"), "{near}");

    let mut wanted = join(&both);
    wanted["Tags"] = json!([{"Key": "whose", "Value": "other"}]);
    wanted["DeletionProtectionEnabled"] = json!(true);
    let made = other.ok("CreateTable", wanted).await["TableDescription"].take();
    assert_eq!((&made["TableStatus"], &made["GlobalTableVersion"]), (&json!("CREATING"), &json!("2019.11.21")));
    other.advance(5).await;
    let (here, there) = (shown(&cloud).await, shown(&other).await);
    assert_eq!(there["GlobalTableSettingsReplicationMode"], "ENABLED");
    assert_eq!(there["Replicas"][0]["ReplicaArn"], SOURCE);
    assert_eq!(here["Replicas"][0]["ReplicaArn"], "arn:aws:dynamodb:us-west-2:111111111111:table/tab");
    assert_eq!(here["Replicas"][0]["ReplicaStatus"], "ACTIVE");
    assert_eq!(there["DeletionProtectionEnabled"], true);
    assert_eq!(items(&other).await, json!([item("a")]));
    other.put(item("b")).await;
    cloud.advance(1).await;
    assert_eq!(items(&cloud).await, items(&other).await);
    // Settings are the same in both accounts as long as both want that.
    let ttl = json!({"TableName": "tab", "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": true}});
    cloud.ok("UpdateTimeToLive", ttl).await;
    let ttl = other.ok("DescribeTimeToLive", json!({"TableName": "tab"})).await;
    assert_eq!(ttl["TimeToLiveDescription"]["TimeToLiveStatus"], "ENABLED");
    let kept = json!({"TableName": "tab", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    cloud.ok("UpdateContinuousBackups", kept).await;
    let kept = other.ok("DescribeContinuousBackups", json!({"TableName": "tab"})).await;
    let kept = &kept["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"];
    assert_eq!(kept, "ENABLED");
    let mode = |mode: &str| json!({"TableName": "tab", "GlobalTableSettingsReplicationMode": mode});
    other.ok("UpdateTable", mode("DISABLED")).await;
    assert_eq!(shown(&cloud).await["Replicas"][0]["GlobalTableSettingsReplicationMode"], "DISABLED");
    let most = json!({"TableName": "tab", "OnDemandThroughput": {"MaxReadRequestUnits": 9}});
    cloud.ok("UpdateTable", most).await;
    assert!(shown(&other).await.get("OnDemandThroughput").is_none());
    let overrides = cloud.err("UpdateTable", mode("ENABLED_WITH_OVERRIDES")).await.message;
    assert!(
        overrides.starts_with("Value 'ENABLED_WITH_OVERRIDES' at 'GlobalTableSettingsReplicationMode'"),
        "{overrides}"
    );
    for update in [
        json!({"Create": {"RegionName": "eu-west-1"}}),
        json!({"Delete": {"RegionName": "us-west-2"}}),
        json!({"Update": {"RegionName": "us-west-2", "TableClassOverride": "STANDARD"}}),
    ] {
        let refused = cloud.err("UpdateTable", json!({"TableName": "tab", "ReplicaUpdates": [update]})).await;
        assert!(refused.message.starts_with("Replicas of a multi-account global table"), "{refused:?}");
    }

    // Who takes back its leave is told nothing, and tells nothing, until it gives it again.
    let arn = there["TableArn"].as_str().unwrap();
    other.ok("DeleteResourcePolicy", json!({"ResourceArn": arn})).await;
    cloud.put(item("c")).await;
    other.put(item("d")).await;
    cloud.advance(10).await;
    assert_eq!(shown(&cloud).await["Replicas"][0]["ReplicaStatus"], "REPLICATION_NOT_AUTHORIZED");
    assert_eq!(cloud.get(item("d")).await, Json::Null);
    assert_eq!(other.get(item("c")).await, Json::Null);
    other.ok("PutResourcePolicy", police(arn, &both)).await;
    cloud.advance(5).await;
    assert_eq!(items(&cloud).await, items(&other).await);

    // A third account needs the leave of both.
    let third = cloud.of_account(THIRD, "eu-west-1");
    let all = trust(&[HERE, OTHER, THIRD]);
    cloud.ok("PutResourcePolicy", police(SOURCE, &all)).await;
    assert_eq!(third.err("CreateTable", join(&all)).await.code, "ValidationException");
    other.ok("PutResourcePolicy", police(arn, &all)).await;
    third.ok("CreateTable", join(&all)).await;
    cloud.advance(5).await;
    third.put(item("e")).await;
    cloud.advance(5).await;
    assert_eq!(items(&third).await, items(&other).await);
    assert_eq!(items(&third).await, items(&cloud).await);

    other.ok("UpdateTable", json!({"TableName": "tab", "DeletionProtectionEnabled": false})).await;
    other.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(5).await;
    third.ok("DeleteTable", json!({"TableName": "tab"})).await;
    cloud.advance(5).await;
    assert!(shown(&cloud).await.get("Replicas").is_none());
    assert_eq!(items(&cloud).await.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_global_table_of_one_account_does_not_spread_to_others() {
    let cloud = Cloud::new().with_table().await;
    let both = trust(&[HERE, OTHER]);
    cloud.ok("PutResourcePolicy", police(SOURCE, &both)).await;
    cloud
        .ok("UpdateTable", json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]}))
        .await;
    cloud.advance(5).await;
    let refused = cloud.of_account(OTHER, "us-west-2").err("CreateTable", join(&both)).await;
    assert!(refused.message.starts_with("A global table whose replicas are in one account"), "{refused:?}");
}

#[tokio::test]
async fn a_policy_that_denies_replication_holds_it_up() {
    let cloud = Cloud::new().with_table().await;
    cloud
        .ok("UpdateTable", json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]}))
        .await;
    cloud.advance(5).await;
    let ireland = cloud.at("eu-west-1");
    let arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/tab";
    for (principal, actions, condition) in [
        (
            json!({"AWS": "*"}),
            json!(["dynamodb:ReadDataForReplication", "dynamodb:WriteDataForReplication"]),
            json!({"StringEquals": {"aws:PrincipalServiceName": "replication.dynamodb.amazonaws.com"}}),
        ),
        (
            json!({"AWS": "*"}),
            json!("dynamodb:WriteDataForReplication"),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/aws-service-role/replication.dynamodb.amazonaws.com/*"}}),
        ),
    ] {
        let key = principal.to_string() + &condition.to_string();
        let statement = json!({"Effect": "Deny", "Principal": principal, "Action": actions, "Resource": arn, "Condition": condition});
        ireland.ok("PutResourcePolicy", police(arn, &json!({"Version": "2012-10-17", "Statement": [statement]}))).await;
        cloud.put(item(&key)).await;
        cloud.advance(30).await;
        assert_eq!(ireland.get(item(&key)).await, Json::Null, "{condition}");
        ireland.ok("DeleteResourcePolicy", json!({"ResourceArn": arn})).await;
        cloud.advance(5).await;
        assert_eq!(ireland.get(item(&key)).await, item(&key));
    }
}
