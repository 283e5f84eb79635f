//! Tables of DynamoDB are held to their throughput, or not, as the program is told; and CloudWatch tells whose keys met the limits.

use serde_json::{Value as Json, json};
use undercast_testkit::{Answer, Folder};

use crate::cloud::{Cloud, free_port, program};

const DYNAMODB: &str = "dynamodb";

/// A table of one unit of reading and one of writing.
fn narrow() -> Json {
    json!({"TableName": "narrow", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}})
}

/// Puts an item that takes more than such a table has saved, and then another one.
async fn flood(cloud: &Cloud) -> Answer {
    let item = json!({"TableName": "narrow", "Item": {"pk": {"S": "hot"}, "text": {"S": "x".repeat(390_000)}}});
    cloud.client.call(DYNAMODB, "PutItem", item.clone()).await.ok();
    cloud.client.call(DYNAMODB, "PutItem", item).await
}

#[tokio::test]
async fn tables_are_held_to_their_throughput_and_reports_say_whose_keys_met_it() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral"]);
    cloud.client.call(DYNAMODB, "CreateTable", narrow()).await.ok();
    let enable = json!({"TableName": "narrow", "ContributorInsightsAction": "ENABLE"});
    cloud.client.call(DYNAMODB, "UpdateContributorInsights", enable).await.ok();
    let refused = flood(&cloud).await;
    assert_eq!(refused.code(), "ProvisionedThroughputExceededException");
    let reason = json!([{"reason": "TableWriteProvisionedThroughputExceeded",
        "resource": "arn:aws:dynamodb:us-east-1:000000000000:table/narrow"}]);
    let body: Json = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body["ThrottlingReasons"], reason);
    let shown = cloud.client.call(DYNAMODB, "DescribeContributorInsights", json!({"TableName": "narrow"})).await.ok();
    let now = shown["LastUpdateDateTime"].as_f64().unwrap();
    for (rule, value) in [("PKC", 1143.0), ("PKT", 1.0)] {
        let rules = shown["ContributorInsightsRuleList"].as_array().unwrap();
        let rule = rules.iter().find(|name| name.as_str().unwrap().contains(rule)).unwrap();
        let input = json!({"RuleName": rule, "StartTime": now - 600.0, "EndTime": now + 600.0, "Period": 60});
        let report = cloud.client.call("cloudwatch", "GetInsightRuleReport", input).await.ok();
        assert_eq!(report["Contributors"][0]["Keys"], json!(["hot"]));
        assert_eq!(report["Contributors"][0]["ApproximateAggregateValue"].as_f64(), Some(value));
    }
}

#[tokio::test]
async fn tables_take_whatever_is_asked_where_limits_are_off() {
    let home = Folder::new();
    let cloud = Cloud::start(&home.0, &["--ephemeral", "--dynamodb-limits", "off"]);
    cloud.client.call(DYNAMODB, "CreateTable", narrow()).await.ok();
    flood(&cloud).await.ok();
    // The same by the environment, before which the command line goes.
    for (arguments, held) in [(&[][..], false), (&["--dynamodb-limits", "on"][..], true)] {
        let port = free_port();
        let mut up = program(&["up", "--ephemeral", "--listen", &format!("127.0.0.1:{port}")]);
        up.args(arguments).env("UNDERCAST_DATA", &home.0).env("UNDERCAST_LOG", "error");
        up.env("UNDERCAST_DYNAMODB_LIMITS", "off");
        let cloud = Cloud::spawn(up, port);
        cloud.client.call(DYNAMODB, "CreateTable", narrow()).await.ok();
        assert_eq!(flood(&cloud).await.status != 200, held);
    }
}
