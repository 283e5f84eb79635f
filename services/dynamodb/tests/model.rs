//! DynamoDB against a small model of itself: a sorted map, and nothing else.

use crate::cloud::Cloud;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Op {
    Put(u8, u8, Option<u8>),
    Delete(u8, u8),
    Bump(u8, u8),
    Move(u8, u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let (pk, sk) = (0_u8..3, 0_u8..6);
    prop_oneof![
        (pk.clone(), sk.clone(), proptest::option::of(0_u8..3)).prop_map(|(pk, sk, g)| Op::Put(pk, sk, g)),
        (pk.clone(), sk.clone()).prop_map(|(pk, sk)| Op::Delete(pk, sk)),
        (pk.clone(), sk.clone()).prop_map(|(pk, sk)| Op::Bump(pk, sk)),
        (pk, sk, 0_u8..3).prop_map(|(pk, sk, g)| Op::Move(pk, sk, g)),
    ]
}

type Model = BTreeMap<(u8, u8), (Option<u8>, u32)>;

fn key(pk: u8, sk: u8) -> Json {
    json!({"pk": {"S": pk.to_string()}, "sk": {"N": sk.to_string()}})
}

fn item((pk, sk): (u8, u8), (g, n): (Option<u8>, u32)) -> Json {
    let mut item = key(pk, sk);
    if let Some(g) = g {
        item["g"] = json!({"S": g.to_string()});
    }
    if n > 0 {
        item["n"] = json!({"N": n.to_string()});
    }
    item
}

async fn apply(cloud: &Cloud, model: &mut Model, op: &Op) {
    match *op {
        Op::Put(pk, sk, g) => {
            model.insert((pk, sk), (g, 0));
            cloud.put(item((pk, sk), (g, 0))).await;
        }
        Op::Delete(pk, sk) => {
            model.remove(&(pk, sk));
            cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": key(pk, sk)})).await;
        }
        Op::Bump(pk, sk) => {
            model.entry((pk, sk)).or_insert((None, 0)).1 += 1;
            let input = json!({
                "TableName": "tab", "Key": key(pk, sk), "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}}
            });
            cloud.ok("UpdateItem", input).await;
        }
        Op::Move(pk, sk, g) => {
            let there = model.get_mut(&(pk, sk));
            let input = json!({
                "TableName": "tab", "Key": key(pk, sk), "UpdateExpression": "SET g = :g",
                "ConditionExpression": "attribute_exists(pk)", "ExpressionAttributeValues": {":g": {"S": g.to_string()}}
            });
            let result = cloud.call("UpdateItem", input).await;
            assert_eq!(result.is_ok(), there.is_some());
            if let Some(there) = there {
                there.0 = Some(g);
            }
        }
    }
}

async fn compare(cloud: &Cloud, model: &Model) {
    for pk in 0..3 {
        let input = json!({
            "TableName": "tab", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": pk.to_string()}}
        });
        let found = cloud.ok("Query", input).await;
        let expected: Vec<Json> =
            model.iter().filter(|((of, _), _)| *of == pk).map(|(key, value)| item(*key, *value)).collect();
        assert_eq!(found["Items"], Json::from(expected));
    }
    for g in 0..3_u8 {
        let input = json!({
            "TableName": "tab", "IndexName": "idx", "KeyConditionExpression": "g = :g",
            "ExpressionAttributeValues": {":g": {"S": g.to_string()}}
        });
        let found = cloud.ok("Query", input).await;
        let mut found: Vec<String> = found["Items"].as_array().unwrap().iter().map(Json::to_string).collect();
        let mut expected: Vec<String> = model
            .iter()
            .filter(|(_, (of, _))| *of == Some(g))
            .map(|(key, value)| item(*key, *value).to_string())
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found.len(), expected.len());
        let parsed = |texts: Vec<String>| {
            texts.iter().map(|text| serde_json::from_str::<Json>(text).unwrap()).collect::<Vec<_>>()
        };
        let (found, expected) = (parsed(found), parsed(expected));
        assert!(expected.iter().all(|item| found.contains(item)));
    }
    let shown = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await;
    assert_eq!(shown["Table"]["ItemCount"], model.len());
    let indexed = model.values().filter(|(g, _)| g.is_some()).count();
    assert_eq!(shown["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], indexed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn dynamodb_is_a_sorted_map_with_an_index(ops in proptest::collection::vec(op(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cloud = Cloud::new();
            let mut input = crate::cloud::table("tab", "pk:S", "sk:N");
            input["AttributeDefinitions"].as_array_mut().unwrap().push(json!({"AttributeName": "g", "AttributeType": "S"}));
            input["GlobalSecondaryIndexes"] = json!([{
                "IndexName": "idx", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}
            }]);
            cloud.ok("CreateTable", input).await;
            let mut model = Model::new();
            for op in &ops {
                apply(&cloud, &mut model, op).await;
            }
            compare(&cloud, &model).await;
        });
    }
}
