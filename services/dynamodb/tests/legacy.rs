//! The parameters from before there were expressions.

use crate::cloud::Cloud;
use serde_json::{Value as Json, json};

const INVALID: &str = "One or more parameter values were invalid: ";

#[tokio::test]
async fn expected_guards_a_write() {
    let cloud = Cloud::new().with_table().await;
    let put = |expected: Json, operator: &str| {
        let mut input = json!({"TableName": "tab", "Item": {"pk": {"S": "a"}, "n": {"N": "5"}, "s": {"SS": ["x"]}}, "Expected": expected});
        if !operator.is_empty() {
            input["ConditionalOperator"] = json!(operator);
        }
        input
    };
    cloud.ok("PutItem", put(json!({"pk": {"Exists": false}}), "")).await;
    for (expected, operator, holds) in [
        (json!({"pk": {"Exists": false}}), "", false),
        (json!({"n": {"Value": {"N": "5.0"}}}), "", true),
        (json!({"n": {"Value": {"N": "5"}, "Exists": true}, "q": {"Exists": false}}), "", true),
        (json!({"n": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "5"}]}}), "", false),
        (json!({"n": {"ComparisonOperator": "GE", "Value": {"N": "5"}}}), "", true),
        (
            json!({"n": {"ComparisonOperator": "NE", "Value": {"N": "4"}}, "q": {"ComparisonOperator": "NULL"}}),
            "AND",
            true,
        ),
        (json!({"n": {"ComparisonOperator": "NULL"}, "pk": {"ComparisonOperator": "NOT_NULL"}}), "", false),
        (json!({"n": {"ComparisonOperator": "NULL"}, "pk": {"ComparisonOperator": "NOT_NULL"}}), "OR", true),
        (json!({"n": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "1"}, {"N": "5"}]}}), "", true),
        (json!({"n": {"ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}, {"N": "2"}]}}), "", false),
        (json!({"s": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"S": "x"}]}}), "", true),
        (json!({"s": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [{"S": "x"}]}}), "", false),
        (json!({"q": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [{"S": "x"}]}}), "", false),
        (json!({"pk": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": ""}]}}), "", true),
    ] {
        let result = cloud.call("PutItem", put(expected.clone(), operator)).await;
        match (holds, result) {
            (true, Ok(_)) => {}
            (false, Err(refusal)) => assert_eq!(refusal.code, "ConditionalCheckFailedException", "{expected}"),
            (_, result) => panic!("{expected}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_the_words_of_aws() {
    let cloud = Cloud::new().with_table().await;
    let list =
        |operator: &str, values: Json| json!({"a": {"ComparisonOperator": operator, "AttributeValueList": values}});
    for (expected, message) in [
        (json!({"a": {}}), "Value must be provided when Exists is null for Attribute: a"),
        (json!({"a": {"Exists": true}}), "Value must be provided when Exists is true for Attribute: a"),
        (
            json!({"a": {"Exists": false, "Value": {"S": "a"}}}),
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            json!({"a": {"ComparisonOperator": "LT"}}),
            "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: a",
        ),
        (
            json!({"a": {"Exists": true, "ComparisonOperator": "LT"}}),
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            json!({"a": {"Value": {"S": "a"}, "AttributeValueList": [{"S": "a"}], "ComparisonOperator": "LT"}}),
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            json!({"a": {"AttributeValueList": [{"S": "a"}]}}),
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (list("EQ", json!([])), "Invalid number of argument(s) for the EQ ComparisonOperator"),
        (list("NULL", json!([{"S": "a"}])), "Invalid number of argument(s) for the NULL ComparisonOperator"),
        (list("LT", json!([{"BOOL": true}])), "ComparisonOperator LT is not valid for BOOL AttributeValue type"),
        (
            list("CONTAINS", json!([{"SS": ["a"]}])),
            "ComparisonOperator CONTAINS is not valid for SS AttributeValue type",
        ),
        (
            list("BEGINS_WITH", json!([{"N": "1"}])),
            "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
        (list("IN", json!([{"S": "b"}, {"N": "1"}])), "AttributeValues inside AttributeValueList must be of same type"),
    ] {
        let refused =
            cloud.err("PutItem", json!({"TableName": "tab", "Item": {"pk": {"S": "a"}}, "Expected": expected})).await;
        assert_eq!(refused.message, format!("{INVALID}{message}"));
    }
    let update =
        |update: Json| json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "AttributeUpdates": {"a": update}});
    for (given, message) in [
        (json!({"Action": "PUT"}), "Only DELETE action is allowed when no attribute value is specified"),
        (json!({"Action": "DELETE", "Value": {"S": "1"}}), "DELETE action with value is not supported for the type S"),
        (json!({"Action": "ADD", "Value": {"BOOL": true}}), "ADD action is not supported for the type BOOL"),
    ] {
        assert_eq!(cloud.err("UpdateItem", update(given)).await.message, format!("{INVALID}{message}"));
    }
}

#[tokio::test]
async fn attribute_updates_change_an_item() {
    let cloud = Cloud::new().with_table().await;
    let update = |updates: Json| json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "AttributeUpdates": updates, "ReturnValues": "ALL_NEW"});
    cloud
        .ok(
            "UpdateItem",
            update(
                json!({"n": {"Value": {"N": "1"}}, "s": {"Value": {"SS": ["a", "b"]}}, "gone": {"Value": {"S": "x"}}}),
            ),
        )
        .await;
    let answer = cloud
        .ok(
            "UpdateItem",
            update(json!({
                "n": {"Action": "ADD", "Value": {"N": "2"}}, "s": {"Action": "DELETE", "Value": {"SS": ["a"]}},
                "gone": {"Action": "DELETE"}, "l": {"Action": "ADD", "Value": {"L": [{"S": "1"}]}}
            })),
        )
        .await;
    assert_eq!(
        answer["Attributes"],
        json!({"pk": {"S": "a"}, "n": {"N": "3"}, "s": {"SS": ["b"]}, "l": {"L": [{"S": "1"}]}})
    );
    let refused = cloud.err("UpdateItem", update(json!({"n": {"Action": "ADD", "Value": {"SS": ["a"]}}}))).await;
    assert_eq!(refused.message, "Type mismatch for attribute to update");
}

#[tokio::test]
async fn conditions_and_filters_read() {
    let cloud = Cloud::new().with_sorted_table("N").await;
    for n in 0..10 {
        cloud
            .put(json!({"pk": {"S": "p"}, "sk": {"N": n.to_string()}, "odd": {"BOOL": n % 2 == 1}, "x": {"S": "y"}}))
            .await;
    }
    let keys = |sort: Json| {
        let mut conditions = json!({"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "p"}]}});
        if !sort.is_null() {
            conditions["sk"] = sort;
        }
        json!({"TableName": "tab", "KeyConditions": conditions})
    };
    let between = json!({"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "2"}, {"N": "5"}]});
    let mut input = keys(between);
    input["QueryFilter"] = json!({"odd": {"ComparisonOperator": "EQ", "AttributeValueList": [{"BOOL": true}]}});
    input["AttributesToGet"] = json!(["sk"]);
    let answer = cloud.ok("Query", input.clone()).await;
    assert_eq!(answer["Items"], json!([{"sk": {"N": "3"}}, {"sk": {"N": "5"}}]));
    assert_eq!(answer["ScannedCount"], 4);
    input["Select"] = json!("ALL_ATTRIBUTES");
    let refused = cloud.err("Query", input).await;
    assert_eq!(refused.message, "Cannot specify the AttributesToGet when choosing to get ALL_ATTRIBUTES");
    for (sort, message) in [
        (json!({"ComparisonOperator": "NULL"}), "Attempted conditional constraint is not an indexable operation"),
        (
            json!({"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "5"}, {"N": "2"}]}),
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ),
    ] {
        assert_eq!(cloud.err("Query", keys(sort)).await.message, message);
    }
    let scan = json!({
        "TableName": "tab", "ConditionalOperator": "OR",
        "ScanFilter": {
            "sk": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "2"}]},
            "odd": {"ComparisonOperator": "EQ", "AttributeValueList": [{"BOOL": false}]}
        }
    });
    assert_eq!(cloud.ok("Scan", scan).await["Count"], 6);
    let mut input = keys(Json::Null);
    input["QueryFilter"] = json!({"sk": {"ComparisonOperator": "NOT_NULL"}});
    assert_eq!(
        cloud.err("Query", input).await.message,
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk"
    );
    let get =
        json!({"TableName": "tab", "Key": {"pk": {"S": "p"}, "sk": {"N": "1"}}, "AttributesToGet": ["odd", "none"]});
    assert_eq!(cloud.ok("GetItem", get).await["Item"], json!({"odd": {"BOOL": true}}));
}
