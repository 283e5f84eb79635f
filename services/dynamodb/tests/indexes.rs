//! Indexes: what they hold after writes, and how they are made and deleted.

use crate::cloud::Cloud;
use serde_json::{Value as Json, json};

/// A table with a local index of everything, and a global one of keys and `proj`.
async fn indexed() -> Cloud {
    let cloud = Cloud::new();
    let schema = |partition: &str, sort: Option<&str>| {
        let mut keys = vec![json!({"AttributeName": partition, "KeyType": "HASH"})];
        keys.extend(sort.map(|sort| json!({"AttributeName": sort, "KeyType": "RANGE"})));
        Json::from(keys)
    };
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    cloud
        .ok(
            "CreateTable",
            json!({
                "TableName": "tab",
                "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("g"), attribute("l")],
                "KeySchema": schema("pk", Some("sk")),
                "BillingMode": "PAY_PER_REQUEST",
                "LocalSecondaryIndexes": [
                    {"IndexName": "local", "KeySchema": schema("pk", Some("l")), "Projection": {"ProjectionType": "ALL"}}
                ],
                "GlobalSecondaryIndexes": [{
                    "IndexName": "global", "KeySchema": schema("g", None),
                    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["proj"]}
                }]
            }),
        )
        .await;
    cloud
}

fn item(pk: &str, more: &[(&str, &str)]) -> Json {
    let mut item = json!({"pk": {"S": pk}, "sk": {"S": "1"}});
    for (name, value) in more {
        item[*name] = json!({"S": value});
    }
    item
}

async fn in_global(cloud: &Cloud, g: &str) -> Vec<Json> {
    let input = json!({
        "TableName": "tab", "IndexName": "global", "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": g}}
    });
    cloud.ok("Query", input).await["Items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_index_has_what_its_projection_says_and_follows_every_write() {
    let cloud = indexed().await;
    cloud.put(item("a", &[("g", "x"), ("proj", "p"), ("extra", "o")])).await;
    cloud.put(item("b", &[("extra", "o")])).await;
    assert_eq!(in_global(&cloud, "x").await, [item("a", &[("g", "x"), ("proj", "p")])]);
    let update = |expression: &str, value: &str| {
        json!({
            "TableName": "tab", "Key": {"pk": {"S": "b"}, "sk": {"S": "1"}}, "UpdateExpression": expression,
            "ExpressionAttributeValues": {":v": {"S": value}}
        })
    };
    cloud.ok("UpdateItem", update("SET g = :v", "x")).await;
    assert_eq!(in_global(&cloud, "x").await.len(), 2);
    cloud.ok("UpdateItem", update("SET g = :v", "y")).await;
    assert_eq!(in_global(&cloud, "x").await.len(), 1);
    assert_eq!(in_global(&cloud, "y").await, [item("b", &[("g", "y")])]);
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"pk": {"S": "b"}, "sk": {"S": "1"}}})).await;
    assert!(in_global(&cloud, "y").await.is_empty());
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], 1);
    assert_eq!(shown["Table"]["ItemCount"], 1);
}

#[tokio::test]
async fn an_index_is_read_in_its_own_order_a_page_at_a_time() {
    let cloud = indexed().await;
    for (sk, l) in [("1", "c"), ("2", "a"), ("3", "b"), ("4", "b")] {
        let mut item = item("p", &[("l", l), ("g", "same")]);
        item["sk"] = json!({"S": sk});
        cloud.put(item).await;
    }
    for (index, condition) in [("local", "pk = :v"), ("global", "g = :v")] {
        let value = if index == "local" { "p" } else { "same" };
        let mut input = json!({
            "TableName": "tab", "IndexName": index, "KeyConditionExpression": condition, "Limit": 1,
            "ExpressionAttributeValues": {":v": {"S": value}}
        });
        let mut found = Vec::new();
        loop {
            let answer = cloud.ok("Query", input.clone()).await;
            found.extend(
                answer["Items"].as_array().unwrap().iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned()),
            );
            match answer.get("LastEvaluatedKey") {
                Some(key) => input["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        if index == "local" {
            assert_eq!(found, ["2", "3", "4", "1"]);
        } else {
            found.sort();
            assert_eq!(found, ["1", "2", "3", "4"]);
        }
    }
    let scanned = cloud.ok("Scan", json!({"TableName": "tab", "IndexName": "local"})).await;
    assert_eq!(scanned["Count"], 4);
}

#[tokio::test]
async fn writes_to_indexes_are_counted_as_measured_at_aws() {
    let cloud = indexed().await;
    let put = |item: Json| json!({"TableName": "tab", "Item": item, "ReturnConsumedCapacity": "INDEXES"});
    let capacity = |total: f64, table: f64, global: Option<f64>, local: Option<f64>| {
        let mut expected = json!({"TableName": "tab", "CapacityUnits": total, "Table": {"CapacityUnits": table}});
        if let Some(units) = global {
            expected["GlobalSecondaryIndexes"] = json!({"global": {"CapacityUnits": units}});
        }
        if let Some(units) = local {
            expected["LocalSecondaryIndexes"] = json!({"local": {"CapacityUnits": units}});
        }
        expected
    };
    let full = item("a", &[("g", "x"), ("l", "y"), ("proj", "p"), ("extra", "o")]);
    let answer = cloud.ok("PutItem", put(full.clone())).await;
    assert_eq!(answer["ConsumedCapacity"], capacity(3.0, 1.0, Some(1.0), Some(1.0)));
    let answer = cloud.ok("PutItem", put(full)).await;
    assert_eq!(answer["ConsumedCapacity"], capacity(1.0, 1.0, None, None), "nothing changes, so no index is written");
    let update = |expression: &str, value: Option<&str>| {
        let mut input = json!({
            "TableName": "tab", "Key": {"pk": {"S": "a"}, "sk": {"S": "1"}}, "UpdateExpression": expression,
            "ReturnConsumedCapacity": "INDEXES"
        });
        if let Some(value) = value {
            input["ExpressionAttributeValues"] = json!({":v": {"S": value}});
        }
        input
    };
    for (expression, value, expected) in [
        ("SET extra = :v", Some("o2"), capacity(2.0, 1.0, None, Some(1.0))),
        ("SET proj = :v", Some("p2"), capacity(3.0, 1.0, Some(1.0), Some(1.0))),
        ("SET g = :v", Some("moved"), capacity(4.0, 1.0, Some(2.0), Some(1.0))),
        ("SET l = :v", Some("moved"), capacity(3.0, 1.0, None, Some(2.0))),
        ("REMOVE g", None, capacity(3.0, 1.0, Some(1.0), Some(1.0))),
    ] {
        let answer = cloud.ok("UpdateItem", update(expression, value)).await;
        assert_eq!(answer["ConsumedCapacity"], expected, "{expression}");
    }
    let gone =
        json!({"TableName": "tab", "Key": {"pk": {"S": "a"}, "sk": {"S": "1"}}, "ReturnConsumedCapacity": "INDEXES"});
    assert_eq!(cloud.ok("DeleteItem", gone).await["ConsumedCapacity"], capacity(2.0, 1.0, None, Some(1.0)));
}

#[tokio::test]
async fn an_index_made_later_is_filled_and_one_that_goes_is_swept() {
    let cloud = Cloud::new().with_table().await;
    for n in 0..2500 {
        let mut item = json!({"pk": {"S": n.to_string()}});
        if n % 2 == 0 {
            item["g"] = json!({"S": "even"});
        }
        if n == 1 {
            item["g"] = json!({"N": "1"});
        }
        cloud.put(item).await;
    }
    let create = json!({
        "TableName": "tab", "AttributeDefinitions": [{"AttributeName": "g", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "late", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"}
        }}]
    });
    let shown = cloud.ok("UpdateTable", create).await;
    assert_eq!(shown["TableDescription"]["TableStatus"], "UPDATING");
    assert_eq!(shown["TableDescription"]["GlobalSecondaryIndexes"][0]["IndexStatus"], "CREATING");
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
    assert_eq!(shown["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], 1250);
    let counted = json!({"TableName": "tab", "IndexName": "late", "Select": "COUNT"});
    assert_eq!(cloud.ok("Scan", counted.clone()).await["Count"], 1250);
    let before = cloud.rows();
    let delete = json!({"TableName": "tab", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "late"}}]});
    let shown = cloud.ok("UpdateTable", delete.clone()).await;
    assert_eq!(shown["TableDescription"]["GlobalSecondaryIndexes"][0]["IndexStatus"], "DELETING");
    assert_eq!(cloud.err("Scan", counted).await.message, "The table does not have the specified index: late");
    assert_eq!(cloud.err("UpdateTable", delete).await.code, "ResourceNotFoundException");
    cloud.advance(1).await;
    assert!(cloud.rows() <= before - 1250);
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["AttributeDefinitions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_local_index_looks_up_what_it_does_not_have() {
    let cloud = Cloud::new();
    let mut input = crate::cloud::table("tab", "pk:S", "sk:S");
    input["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "l", "AttributeType": "S"}));
    input["LocalSecondaryIndexes"] = json!([{
        "IndexName": "local", "Projection": {"ProjectionType": "KEYS_ONLY"},
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "l", "KeyType": "RANGE"}]
    }]);
    cloud.ok("CreateTable", input).await;
    cloud.put(item("p", &[("l", "1"), ("extra", "o")])).await;
    let query = |more: Json| {
        let mut input = json!({
            "TableName": "tab", "IndexName": "local", "KeyConditionExpression": "pk = :p", "ReturnConsumedCapacity": "INDEXES",
            "ExpressionAttributeValues": {":p": {"S": "p"}}
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let answer = cloud.ok("Query", query(json!({}))).await;
    assert_eq!(answer["Items"], json!([item("p", &[("l", "1")])]));
    assert_eq!(answer["ConsumedCapacity"]["CapacityUnits"], 0.5);
    let answer = cloud.ok("Query", query(json!({"Select": "ALL_ATTRIBUTES"}))).await;
    assert_eq!(answer["Items"], json!([item("p", &[("l", "1"), ("extra", "o")])]));
    assert_eq!(answer["ConsumedCapacity"]["CapacityUnits"], 1.0);
    let answer = cloud.ok("Query", query(json!({"ProjectionExpression": "extra"}))).await;
    assert_eq!(answer["Items"], json!([{"extra": {"S": "o"}}]));
    let metrics = json!({"TableName": "tab", "Item": item("p", &[]), "ReturnItemCollectionMetrics": "SIZE"});
    let answer = cloud.ok("PutItem", metrics).await;
    assert_eq!(
        answer["ItemCollectionMetrics"],
        json!({"ItemCollectionKey": {"pk": {"S": "p"}}, "SizeEstimateRangeGB": [0.0, 1.0]})
    );
}

#[tokio::test]
async fn what_a_global_index_cannot_do_is_said() {
    let cloud = indexed().await;
    let query = |more: Json| {
        let mut input = json!({
            "TableName": "tab", "IndexName": "global", "KeyConditionExpression": "g = :g",
            "ExpressionAttributeValues": {":g": {"S": "x"}}
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    for (more, message) in [
        (json!({"ConsistentRead": true}), "Consistent reads are not supported on global secondary indexes"),
        (
            json!({"Select": "ALL_ATTRIBUTES"}),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index global because its projection type is not ALL",
        ),
        (
            json!({"ProjectionExpression": "extra, proj"}),
            "One or more parameter values were invalid: Global secondary index global does not project [extra]",
        ),
    ] {
        assert_eq!(cloud.err("Query", query(more)).await.message, message);
    }
    let wrong = cloud
        .err("PutItem", json!({"TableName": "tab", "Item": {"pk": {"S": "a"}, "sk": {"S": "1"}, "g": {"N": "5"}}}))
        .await;
    assert_eq!(
        wrong.message,
        "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: global"
    );
    let empty = cloud
        .err("PutItem", json!({"TableName": "tab", "Item": {"pk": {"S": "a"}, "sk": {"S": "1"}, "g": {"S": ""}}}))
        .await;
    assert_eq!(
        empty.message,
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: global, IndexKey: g"
    );
}

async fn with_wide_index() -> Cloud {
    let cloud = Cloud::new();
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": if name == "n" { "N" } else { "S" }});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let definitions: Vec<Json> = ["pk", "h", "i", "a", "n", "c"].into_iter().map(attribute).collect();
    let input = json!({
        "TableName": "tab", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("pk", "HASH")],
        "AttributeDefinitions": definitions,
        "GlobalSecondaryIndexes": [{
            "IndexName": "wide", "Projection": {"ProjectionType": "KEYS_ONLY"},
            "KeySchema": [key("h", "HASH"), key("i", "HASH"), key("a", "RANGE"), key("n", "RANGE"), key("c", "RANGE")],
        }],
    });
    cloud.ok("CreateTable", input).await;
    let rows = [("p1", "x", "10", "b"), ("p2", "x", "9", "a"), ("p3", "x", "9", "b"), ("p4", "y", "1", "a")];
    for (pk, a, n, c) in rows {
        let s = |text: &str| json!({"S": text});
        let item = json!({"pk": s(pk), "h": s("h"), "i": s("i"), "a": s(a), "n": {"N": n}, "c": s(c), "rest": s("-")});
        cloud.put(item).await;
    }
    cloud.put(json!({"pk": {"S": "p5"}, "h": {"S": "h"}, "i": {"S": "i"}, "a": {"S": "x"}, "c": {"S": "a"}})).await;
    cloud
}

fn wide(condition: &str, more: &Json) -> Json {
    let all = json!({":h": {"S": "h"}, ":i": {"S": "i"}, ":x": {"S": "x"}, ":nine": {"N": "9"}, ":b": {"S": "b"}});
    let used = all.as_object().unwrap().iter().filter(|(name, _)| condition.contains(name.as_str()));
    let values: serde_json::Map<String, Json> = used.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut input = json!({"TableName": "tab", "IndexName": "wide", "KeyConditionExpression": condition});
    input["ExpressionAttributeValues"] = Json::Object(values);
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

fn keys(answer: &Json) -> Vec<&str> {
    answer["Items"].as_array().unwrap().iter().map(|item| item["pk"]["S"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_index_may_have_a_key_of_several_attributes() {
    let cloud = with_wide_index().await;
    let cases: [(&str, &[&str]); 6] = [
        ("h = :h AND i = :i", &["p2", "p3", "p1", "p4"]),
        ("h = :h AND i = :i AND a = :x", &["p2", "p3", "p1"]),
        ("h = :h AND i = :i AND a > :x", &["p4"]),
        ("a = :x AND n > :nine AND h = :h AND i = :i", &["p1"]),
        ("h = :h AND i = :i AND a = :x AND n = :nine", &["p2", "p3"]),
        ("h = :h AND i = :i AND a = :x AND n = :nine AND begins_with(c, :b)", &["p3"]),
    ];
    for (condition, expected) in cases {
        assert_eq!(keys(&cloud.ok("Query", wide(condition, &json!({}))).await), expected, "{condition}");
    }
    let page = cloud.ok("Query", wide("h = :h AND i = :i AND a = :x", &json!({"Limit": 2}))).await;
    let last = page["LastEvaluatedKey"].clone();
    let named: Vec<&String> = last.as_object().unwrap().keys().collect();
    assert_eq!(named, ["a", "c", "h", "i", "n", "pk"]);
    let rest = cloud.ok("Query", wide("h = :h AND i = :i AND a = :x", &json!({"ExclusiveStartKey": last}))).await;
    assert_eq!(keys(&rest), ["p1"]);
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["GlobalSecondaryIndexes"][0]["KeySchema"].as_array().unwrap().len(), 5);
    assert_eq!(shown["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], 4);
}

#[tokio::test]
async fn a_condition_on_a_key_of_several_attributes_has_no_gaps() {
    let cloud = with_wide_index().await;
    let gap = |missing: &str, present: &str| {
        format!(
            "RANGE key attributes {missing} must have equality conditions specified in the query because a condition is \
             present on key attribute {present}"
        )
    };
    let cases = [
        ("h = :h AND i = :i AND n = :nine", gap("a", "n")),
        ("h = :h AND i = :i AND a > :x AND n = :nine", gap("a", "n")),
        ("h = :h AND i = :i AND c = :b", gap("a, n", "c")),
        ("h = :h AND a = :x", "Query condition missed key schema element: i".to_owned()),
    ];
    for (condition, message) in cases {
        assert_eq!(cloud.err("Query", wide(condition, &json!({}))).await.message, message, "{condition}");
    }
}
