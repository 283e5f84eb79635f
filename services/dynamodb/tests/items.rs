//! Items: put, got, changed and deleted.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

fn whole() -> Json {
    json!({
        "pk": {"S": "é\u{0}/"},
        "text": {"S": ""},
        "number": {"N": "-0012.500"},
        "bytes": {"B": "AAH/"},
        "texts": {"SS": ["b", "a"]},
        "numbers": {"NS": ["10", "9e0"]},
        "byte-sets": {"BS": ["Yg==", "YQ=="]},
        "map": {"M": {"inner": {"L": [{"BOOL": true}, {"NULL": true}, {"M": {}}]}}},
        "list": {"L": []},
        "no": {"BOOL": false},
        "nothing": {"NULL": false}
    })
}

#[tokio::test]
async fn every_type_comes_back_in_its_canonical_form() {
    let cloud = Cloud::new().with_table().await;
    cloud.put(whole()).await;
    let mut expected = whole();
    expected["number"] = json!({"N": "-12.5"});
    expected["texts"] = json!({"SS": ["a", "b"]});
    expected["numbers"] = json!({"NS": ["9", "10"]});
    expected["byte-sets"] = json!({"BS": ["YQ==", "Yg=="]});
    expected["nothing"] = json!({"NULL": true});
    assert_eq!(cloud.get(json!({"pk": {"S": "é\u{0}/"}})).await, expected);
    assert_eq!(cloud.get(json!({"pk": {"S": "é"}})).await, Json::Null);
}

#[tokio::test]
async fn numbers_are_one_key_however_they_are_written() {
    let cloud = Cloud::new();
    cloud.ok("CreateTable", table("tab", "pk:N", "")).await;
    cloud.put(json!({"pk": {"N": "1.0"}, "a": {"S": "x"}})).await;
    cloud.put(json!({"pk": {"N": "100e-2"}, "a": {"S": "y"}})).await;
    assert_eq!(cloud.get(json!({"pk": {"N": "1"}})).await, json!({"pk": {"N": "1"}, "a": {"S": "y"}}));
    assert_eq!(cloud.ok("Scan", json!({"TableName": "tab"})).await["Count"], 1);
}

#[tokio::test]
async fn a_put_returns_what_was_there() {
    let cloud = Cloud::new().with_table().await;
    let put = |value: &str| json!({"TableName": "tab", "Item": {"pk": {"S": "a"}, "v": {"S": value}}, "ReturnValues": "ALL_OLD"});
    assert_eq!(cloud.ok("PutItem", put("1")).await, json!({}));
    assert_eq!(cloud.ok("PutItem", put("2")).await, json!({"Attributes": {"pk": {"S": "a"}, "v": {"S": "1"}}}));
    let gone =
        cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "ReturnValues": "ALL_OLD"})).await;
    assert_eq!(gone["Attributes"]["v"]["S"], "2");
    let nothing =
        cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "ReturnValues": "ALL_OLD"})).await;
    assert_eq!(nothing, json!({}));
    let refused =
        cloud.err("PutItem", json!({"TableName": "tab", "Item": {"pk": {"S": "a"}}, "ReturnValues": "ALL_NEW"})).await;
    assert_eq!(refused.message, "ReturnValues can only be ALL_OLD or NONE");
}

#[tokio::test]
async fn conditions_guard_writes() {
    let cloud = Cloud::new().with_table().await;
    let put = json!({
        "TableName": "tab", "Item": {"pk": {"S": "a"}, "v": {"N": "1"}},
        "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
    });
    cloud.ok("PutItem", put.clone()).await;
    let refused = cloud.err("PutItem", put).await;
    assert_eq!(refused.code, "ConditionalCheckFailedException");
    assert_eq!(refused.message, "The conditional request failed");
    assert_eq!(refused.fields, [("Item".to_owned(), json!({"pk": {"S": "a"}, "v": {"N": "1"}}))]);
    let delete = |value: &str| {
        json!({
            "TableName": "tab", "Key": {"pk": {"S": "a"}}, "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"N": value}}
        })
    };
    let refused = cloud.err("DeleteItem", delete("2")).await;
    assert!(refused.fields.is_empty());
    cloud.ok("DeleteItem", delete("1.0")).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await, Json::Null);
}

#[tokio::test]
async fn updates_change_and_answer() {
    let cloud = Cloud::new().with_table().await;
    let update = |expression: &str, values: Json, returned: &str| {
        let mut input = json!({"TableName": "tab", "Key": {"pk": {"S": "a"}}, "ReturnValues": returned});
        if !expression.is_empty() {
            input["UpdateExpression"] = json!(expression);
        }
        if values != json!({}) {
            input["ExpressionAttributeValues"] = values;
        }
        input
    };
    assert_eq!(cloud.ok("UpdateItem", update("", json!({}), "ALL_NEW")).await["Attributes"], json!({"pk": {"S": "a"}}));
    let values = json!({":one": {"N": "1"}, ":m": {"M": {"x": {"N": "1"}, "y": {"S": "keep"}}}, ":l": {"L": [{"S": "0"}, {"S": "1"}]}});
    let answer = cloud.ok("UpdateItem", update("SET n = :one, m = :m, l = :l", values, "UPDATED_OLD")).await;
    assert_eq!(answer, json!({}));
    let answer = cloud
        .ok(
            "UpdateItem",
            update("SET m.x = m.x + :one, l[1] = n ADD n :one", json!({":one": {"N": "1"}}), "UPDATED_NEW"),
        )
        .await;
    assert_eq!(answer["Attributes"], json!({"m": {"M": {"x": {"N": "2"}}}, "l": {"L": [{"N": "1"}]}, "n": {"N": "2"}}));
    let answer = cloud.ok("UpdateItem", update("REMOVE l[0], m.y", json!({}), "UPDATED_OLD")).await;
    assert_eq!(answer["Attributes"], json!({"l": {"L": [{"S": "0"}]}, "m": {"M": {"y": {"S": "keep"}}}}));
    let answer = cloud.ok("UpdateItem", update("REMOVE n", json!({}), "ALL_OLD")).await;
    assert_eq!(answer["Attributes"]["n"], json!({"N": "2"}));
    let found = cloud.get(json!({"pk": {"S": "a"}})).await;
    assert_eq!(found, json!({"pk": {"S": "a"}, "m": {"M": {"x": {"N": "2"}}}, "l": {"L": [{"N": "1"}]}}));
    let refused = cloud.err("UpdateItem", update("SET pk = :v", json!({":v": {"S": "b"}}), "NONE")).await;
    assert_eq!(
        refused.message,
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
    );
}

#[tokio::test]
async fn items_are_weighed_to_the_byte() {
    let cloud = Cloud::new().with_table().await;
    let item = |bytes: usize| json!({"pk": {"S": "a"}, "b": {"S": "x".repeat(bytes - 2 - 1 - 1)}});
    cloud.put(item(409_600)).await;
    let refused = cloud.err("PutItem", json!({"TableName": "tab", "Item": item(409_601)})).await;
    assert_eq!(refused.message, "Item size has exceeded the maximum allowed size");
    let update = |bytes: usize| {
        json!({
            "TableName": "tab", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET b = :b",
            "ExpressionAttributeValues": {":b": {"S": "x".repeat(bytes - 1)}}
        })
    };
    // UpdateItem weighs what it writes, with 22 bytes for itself and one SET.
    cloud.ok("UpdateItem", update(409_600 - 22)).await;
    let refused = cloud.err("UpdateItem", update(409_600 - 21)).await;
    assert_eq!(refused.message, "Item size to update has exceeded the maximum allowed size");
}

#[tokio::test]
async fn batches_read_and_write() {
    let cloud = Cloud::new().with_table().await;
    cloud.put(json!({"pk": {"S": "gone"}})).await;
    let requests: Vec<Json> = (0..20)
        .map(|n| json!({"PutRequest": {"Item": {"pk": {"S": n.to_string()}, "v": {"N": n.to_string()}}}}))
        .chain([json!({"DeleteRequest": {"Key": {"pk": {"S": "gone"}}}})])
        .collect();
    let answer =
        cloud.ok("BatchWriteItem", json!({"RequestItems": {"tab": requests}, "ReturnConsumedCapacity": "TOTAL"})).await;
    assert_eq!(answer["UnprocessedItems"], json!({}));
    assert_eq!(answer["ConsumedCapacity"], json!([{"TableName": "tab", "CapacityUnits": 21.0}]));
    let keys: Vec<Json> = ["3", "gone", "17"].iter().map(|pk| json!({"pk": {"S": pk}})).collect();
    let answer = cloud
        .ok("BatchGetItem", json!({"RequestItems": {"tab": {"Keys": keys, "ProjectionExpression": "v"}}, "ReturnConsumedCapacity": "TOTAL"}))
        .await;
    assert_eq!(answer["Responses"]["tab"], json!([{"v": {"N": "3"}}, {"v": {"N": "17"}}]));
    assert_eq!(answer["UnprocessedKeys"], json!({}));
    assert_eq!(answer["ConsumedCapacity"], json!([{"TableName": "tab", "CapacityUnits": 1.5}]));
    let twice = json!({"RequestItems": {"tab": {"Keys": [{"pk": {"S": "1"}}, {"pk": {"S": "1"}}]}}});
    assert_eq!(cloud.err("BatchGetItem", twice).await.message, "Provided list of item keys contains duplicates");
}

#[tokio::test]
async fn what_a_batch_cannot_answer_at_once_comes_back() {
    let cloud = Cloud::new().with_table().await;
    let keys: Vec<Json> = (0..45).map(|n| json!({"pk": {"S": n.to_string()}})).collect();
    for key in &keys {
        cloud.put(json!({"pk": key["pk"], "b": {"S": "x".repeat(400_000)}})).await;
    }
    let answer =
        cloud.ok("BatchGetItem", json!({"RequestItems": {"tab": {"Keys": keys, "ConsistentRead": true}}})).await;
    let found = answer["Responses"]["tab"].as_array().unwrap().len();
    let left = answer["UnprocessedKeys"]["tab"]["Keys"].as_array().unwrap().len();
    assert_eq!((found, left), (42, 3));
    let rest = cloud.ok("BatchGetItem", json!({"RequestItems": answer["UnprocessedKeys"]})).await;
    assert_eq!(rest["Responses"]["tab"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let cloud = Cloud::new().with_table().await;
    let elsewhere = "arn:aws:dynamodb:eu-west-1:000000000000:table/tab";
    let refused = cloud.err("GetItem", json!({"TableName": elsewhere, "Key": {"pk": {"S": "a"}}})).await;
    assert_eq!(refused.code, "ResourceNotFoundException");
}
