//! Query and Scan.

use crate::cloud::Cloud;
use serde_json::{Value as Json, json};

fn sorts(answer: &Json, kind: &str) -> Vec<String> {
    let items = answer["Items"].as_array().unwrap();
    items.iter().map(|item| item["sk"][kind].as_str().unwrap().to_owned()).collect()
}

fn query(condition: &str, mut values: Json) -> Json {
    values[":p"] = json!({"S": "p"});
    json!({"TableName": "tab", "KeyConditionExpression": condition, "ExpressionAttributeValues": values})
}

#[tokio::test]
async fn numbers_are_in_order_of_value() {
    let cloud = Cloud::new().with_sorted_table("N").await;
    let numbers =
        ["0", "99.1", "10.9", "10.1", "9", "1.1", "0.09", "-0.01", "-1", "-1.01", "-99.1", "1E-130", "-1E125"];
    for sk in numbers {
        cloud.put(json!({"pk": {"S": "p"}, "sk": {"N": sk}})).await;
        cloud.put(json!({"pk": {"S": "other"}, "sk": {"N": sk}})).await;
    }
    let answer = cloud.ok("Query", query("pk = :p", json!({}))).await;
    assert_eq!(answer["Count"], 13);
    let order = sorts(&answer, "N");
    assert_eq!(order[1..4], ["-99.1", "-1.01", "-1"]);
    assert_eq!(order[4..6], ["-0.01", "0"]);
    assert_eq!(order[7..], ["0.09", "1.1", "9", "10.1", "10.9", "99.1"]);
    let answer = cloud
        .ok("Query", query("pk = :p AND sk BETWEEN :a AND :b", json!({":a": {"N": "-1"}, ":b": {"N": "9.0"}})))
        .await;
    assert_eq!(sorts(&answer, "N").len(), 7);
    let mut input = query("pk = :p AND sk < :a", json!({":a": {"N": "1.1"}}));
    input["ScanIndexForward"] = json!(false);
    input["Limit"] = json!(2);
    assert_eq!(sorts(&cloud.ok("Query", input).await, "N")[0], "0.09");
}

#[tokio::test]
async fn pages_follow_each_other_both_ways() {
    let cloud = Cloud::new().with_sorted_table("S").await;
    let all: Vec<String> = (0..25).map(|n| format!("{n:03}")).collect();
    for sk in &all {
        cloud.put(json!({"pk": {"S": "p"}, "sk": {"S": sk}})).await;
    }
    for forward in [true, false] {
        let mut found = Vec::new();
        let mut input = query("pk = :p", json!({}));
        input["ScanIndexForward"] = json!(forward);
        input["Limit"] = json!(5);
        loop {
            let answer = cloud.ok("Query", input.clone()).await;
            found.extend(sorts(&answer, "S"));
            match answer.get("LastEvaluatedKey") {
                Some(key) => input["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        let mut expected = all.clone();
        if !forward {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_page_holds_a_megabyte() {
    let cloud = Cloud::new().with_sorted_table("S").await;
    for n in 0..20 {
        cloud.put(json!({"pk": {"S": "p"}, "sk": {"S": format!("{n:03}")}, "b": {"S": "x".repeat(60_000)}})).await;
    }
    let mut input = query("pk = :p", json!({}));
    input["ReturnConsumedCapacity"] = json!("TOTAL");
    let first = cloud.ok("Query", input.clone()).await;
    assert_eq!(first["Count"], 18);
    assert_eq!(first["LastEvaluatedKey"]["sk"]["S"], "017");
    assert_eq!(first["ConsumedCapacity"]["CapacityUnits"], 132.0);
    input["ExclusiveStartKey"] = first["LastEvaluatedKey"].clone();
    let second = cloud.ok("Query", input).await;
    assert_eq!((&second["Count"], second.get("LastEvaluatedKey")), (&json!(2), None));
}

#[tokio::test]
async fn filters_come_after_the_limit_and_cost_nothing_less() {
    let cloud = Cloud::new().with_sorted_table("S").await;
    for n in 0..6 {
        let keep = if n % 2 == 0 { "yes" } else { "no" };
        cloud.put(json!({"pk": {"S": "p"}, "sk": {"S": n.to_string()}, "keep": {"S": keep}, "b": {"S": "x".repeat(2000)}})).await;
    }
    let mut input = query("pk = :p", json!({":k": {"S": "yes"}}));
    input["FilterExpression"] = json!("keep = :k");
    input["ReturnConsumedCapacity"] = json!("TOTAL");
    let answer = cloud.ok("Query", input.clone()).await;
    assert_eq!((&answer["Count"], &answer["ScannedCount"]), (&json!(3), &json!(6)));
    assert_eq!(answer["ConsumedCapacity"], json!({"TableName": "tab", "CapacityUnits": 1.5}));
    input["Limit"] = json!(3);
    input["ConsistentRead"] = json!(true);
    let answer = cloud.ok("Query", input.clone()).await;
    assert_eq!((&answer["Count"], &answer["ScannedCount"]), (&json!(2), &json!(3)));
    assert_eq!(answer["ConsumedCapacity"]["CapacityUnits"], 2.0);
    input["Select"] = json!("COUNT");
    let answer = cloud.ok("Query", input).await;
    assert_eq!((answer["Count"].as_i64(), answer.get("Items")), (Some(2), None));
    let mut input = query("pk = :p", json!({":k": {"S": "0"}}));
    input["FilterExpression"] = json!("sk = :k");
    assert_eq!(
        cloud.err("Query", input).await.message,
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    );
}

#[tokio::test]
async fn segments_share_a_table_between_them() {
    let cloud = Cloud::new().with_table().await;
    for n in 0..200 {
        cloud.put(json!({"pk": {"S": n.to_string()}})).await;
    }
    let mut found = Vec::new();
    for segment in 0..7 {
        let mut input = json!({"TableName": "tab", "Segment": segment, "TotalSegments": 7, "Limit": 10});
        loop {
            let answer = cloud.ok("Scan", input.clone()).await;
            found.extend(
                answer["Items"].as_array().unwrap().iter().map(|item| item["pk"]["S"].as_str().unwrap().to_owned()),
            );
            match answer.get("LastEvaluatedKey") {
                Some(key) => input["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        // Each segment has its share, give or take chance.
        assert!(found.len() > usize::try_from(segment).unwrap() * 15);
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 200);
    let refused = cloud.err("Scan", json!({"TableName": "tab", "Segment": 0})).await;
    assert!(refused.message.starts_with("The TotalSegments parameter is required"));
}

#[tokio::test]
async fn starting_keys_must_fit() {
    let cloud = Cloud::new().with_sorted_table("S").await;
    let mut input = query("pk = :p AND sk > :a", json!({":a": {"S": "b"}}));
    for (key, message) in [
        (json!({}), "The provided starting key is invalid"),
        (json!({"pk": {"S": "p"}}), "The provided starting key is invalid"),
        (json!({"pk": {"S": "p"}, "sk": {"N": "1"}}), "The provided key element does not match the schema"),
        (json!({"pk": {"S": "q"}, "sk": {"S": "c"}}), "The query can return at most one row and cannot be restarted"),
        (
            json!({"pk": {"S": "p"}, "sk": {"S": "b"}}),
            "The provided starting key does not match the range key predicate",
        ),
    ] {
        input["ExclusiveStartKey"] = key;
        assert_eq!(cloud.err("Query", input.clone()).await.message, message);
    }
    let mut whole = query("pk = :p", json!({}));
    whole["ExclusiveStartKey"] = json!({"pk": {"S": "q"}, "sk": {"S": "c"}});
    let outside = "The provided starting key is outside query boundaries based on provided conditions";
    assert_eq!(cloud.err("Query", whole).await.message, outside);
}
