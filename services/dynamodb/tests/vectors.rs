//! Vector indexes: what they hold, what a search finds, and what they refuse.

use crate::cloud::Cloud;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn vector(numbers: &[f64]) -> Json {
    numbers.iter().map(|n| json!({"N": n.to_string()})).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "so that calls read as JSON")]
fn item(id: &str, numbers: &[f64], more: Json) -> Json {
    let mut item = json!({"id": {"S": id}, "vec": {"L": vector(numbers)}});
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

/// A table with the index `like`, by `kind` into partitions and by `brand` narrowed.
async fn table(distance: &str, projection: Json) -> Cloud {
    let cloud = Cloud::new();
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    cloud.ok("CreateTable", json!({
        "TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("id", "S"), attribute("kind", "S"), attribute("brand", "S"), attribute("price", "N")],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "VectorIndexes": [{
            "IndexName": "like", "VectorAttribute": {"AttributeName": "vec"}, "Dimensions": 2, "DistanceFunction": distance,
            "SearchSchema": [
                {"AttributeName": "kind", "SearchSchemaElementType": "HASH"},
                {"AttributeName": "brand", "SearchSchemaElementType": "INLINE_FILTER"},
                {"AttributeName": "price", "SearchSchemaElementType": "INLINE_FILTER"},
            ],
            "Projection": projection,
        }],
    })).await;
    cloud
}

#[expect(clippy::needless_pass_by_value, reason = "so that calls read as JSON")]
fn search(condition: &str, values: Json) -> Json {
    json!({"TableName": "tab", "IndexName": "like", "SearchVector": vector(&[1.0, 0.0]), "TopK": 10,
           "SearchConditionExpression": condition, "ExpressionAttributeValues": values})
}

/// Ids and scores of what a search finds.
async fn found(cloud: &Cloud, input: Json) -> Vec<(String, f64)> {
    let answer = cloud.ok("SearchVectors", input).await;
    let results = answer["SearchResults"].as_array().unwrap();
    results.iter().map(|r| (r["Item"]["id"]["S"].as_str().unwrap().to_owned(), r["Score"].as_f64().unwrap())).collect()
}

async fn ids(cloud: &Cloud, condition: &str, values: Json) -> Vec<String> {
    found(cloud, search(condition, values)).await.into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn the_nearest_of_a_partition_come_first() {
    let cloud = table("COSINE", json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title"]})).await;
    let shoe = |brand: &str, price: u32| json!({"kind": {"S": "shoe"}, "brand": {"S": brand}, "price": {"N": price.to_string()}, "title": {"S": "t"}, "more": {"S": "m"}});
    cloud.put(item("same", &[5.0, 0.0], shoe("a", 1))).await;
    cloud.put(item("near", &[1.0, 0.5], shoe("b", 2))).await;
    cloud.put(item("far", &[-1.0, 0.0], shoe("a", 3))).await;
    cloud.put(item("bare", &[0.0, 1.0], json!({"kind": {"S": "shoe"}}))).await;
    cloud.put(item("other", &[1.0, 0.0], json!({"kind": {"S": "hat"}}))).await;
    // It is stored, and in no partition of the index.
    cloud.put(item("none", &[1.0, 0.0], json!({}))).await;
    let shoes = json!({":k": {"S": "shoe"}});
    let all = found(&cloud, search("kind = :k", shoes.clone())).await;
    let names: Vec<&str> = all.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(names, ["same", "near", "bare", "far"]);
    assert_eq!((all[0].1, all[2].1, all[3].1), (0.0, 1.0, 2.0));
    assert_eq!(
        ids(&cloud, "kind = :k AND brand = :b", json!({":k": {"S": "shoe"}, ":b": {"S": "a"}})).await,
        ["same", "far"]
    );
    let between = "kind = :k AND (price BETWEEN :l AND :h OR brand IN (:b))";
    let values = json!({":k": {"S": "shoe"}, ":l": {"N": "2"}, ":h": {"N": "2"}, ":b": {"S": "z"}});
    assert_eq!(ids(&cloud, between, values).await, ["near"]);
    let mut two = search("kind = :k", shoes.clone());
    two["TopK"] = json!(2);
    two["ReturnConsumedCapacity"] = json!("TOTAL");
    let answer = cloud.ok("SearchVectors", two.clone()).await;
    assert_eq!(answer["SearchResults"].as_array().unwrap().len(), 2);
    assert_eq!(answer["ConsumedCapacity"], json!({"VectorSearchRequestBytes": 1024.0}));
    // What the index has, without the vector.
    let first = &answer["SearchResults"][0]["Item"];
    assert_eq!(
        *first,
        json!({"id": {"S": "same"}, "kind": {"S": "shoe"}, "brand": {"S": "a"}, "price": {"N": "1"}, "title": {"S": "t"}})
    );
    two["ProjectionExpression"] = json!("id, vec, more");
    let answer = cloud.ok("SearchVectors", two).await;
    assert_eq!(answer["SearchResults"][0]["Item"], json!({"id": {"S": "same"}, "vec": {"L": vector(&[5.0, 0.0])}}));
    let table = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"].clone();
    let index = &table["VectorIndexes"][0];
    assert_eq!(
        (&index["IndexStatus"], &index["ItemCount"], &index["Dimensions"]),
        (&json!("ACTIVE"), &json!(5), &json!(2))
    );
    assert!(
        index["IndexArn"].as_str().unwrap().ends_with("table/tab/index/like") && index.get("Backfilling").is_none()
    );
}

#[tokio::test]
async fn an_index_follows_every_write() {
    let cloud = table("EUCLIDEAN", json!({"ProjectionType": "ALL"})).await;
    let hats = json!({":k": {"S": "hat"}});
    let hat = async || ids(&cloud, "kind = :k", hats.clone()).await;
    cloud.put(item("a", &[1.0, 0.0], json!({"kind": {"S": "hat"}}))).await;
    assert_eq!(hat().await, ["a"]);
    let update = async |expression: &str, values: Json| {
        let mut input = json!({"TableName": "tab", "Key": {"id": {"S": "a"}}, "UpdateExpression": expression});
        if values != json!({}) {
            input["ExpressionAttributeValues"] = values;
        }
        cloud.ok("UpdateItem", input).await;
    };
    update("SET vec[0] = :n", json!({":n": {"N": "4"}})).await;
    assert_eq!(found(&cloud, search("kind = :k", hats.clone())).await, [("a".to_owned(), 3.0)]);
    update("REMOVE kind", json!({})).await;
    assert!(hat().await.is_empty(), "without its partition it is not in the index");
    update("SET kind = :k", hats.clone()).await;
    assert_eq!(hat().await, ["a"]);
    update("REMOVE vec", json!({})).await;
    assert!(hat().await.is_empty());
    cloud.put(item("b", &[2.0, 2.0], json!({"kind": {"S": "hat"}}))).await;
    cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"id": {"S": "b"}}})).await;
    assert!(hat().await.is_empty());
    let put = json!({"Put": {"TableName": "tab", "Item": item("c", &[0.0, 0.0], json!({"kind": {"S": "hat"}}))}});
    cloud.ok("TransactWriteItems", json!({"TransactItems": [put]})).await;
    assert_eq!(hat().await, ["c"]);
    let index = cloud.ok("DescribeTable", json!({"TableName": "tab"})).await["Table"]["VectorIndexes"][0].clone();
    assert_eq!(index["ItemCount"], 1);
}

#[tokio::test]
async fn indexes_are_made_of_what_is_there_and_deleted() {
    let cloud = Cloud::new();
    cloud
        .ok(
            "CreateTable",
            json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}),
        )
        .await;
    for n in 0..5 {
        cloud.put(item(&format!("i{n}"), &[f64::from(n), 1.0], json!({}))).await;
    }
    // It has no vector of this length.
    cloud.put(item("odd", &[1.0, 2.0, 3.0], json!({}))).await;
    let create = |name: &str| {
        json!({"Create": {"IndexName": name, "VectorAttribute": {"AttributeName": "vec"},
        "Projection": {"ProjectionType": "KEYS_ONLY"}, "Dimensions": 2, "DistanceFunction": "DOT_PRODUCT"}})
    };
    let update = |changes: Json| json!({"TableName": "tab", "VectorIndexUpdates": changes});
    let two = cloud.err("UpdateTable", update(json!([create("one"), create("two")]))).await;
    assert_eq!(two.code, "LimitExceededException");
    let made =
        cloud.ok("UpdateTable", update(json!([create("like")]))).await["TableDescription"]["VectorIndexes"][0].clone();
    assert_eq!((&made["IndexStatus"], &made["Backfilling"]), (&json!("CREATING"), &json!(false)));
    let mut input = search("", json!({}));
    input.as_object_mut().unwrap().retain(|name, _| !name.contains("Expression"));
    input["TopK"] = json!(2);
    assert_eq!(found(&cloud, input.clone()).await, [("i4".to_owned(), 4.0), ("i3".to_owned(), 3.0)]);
    // A copy has it too.
    let arn =
        cloud.ok("CreateBackup", json!({"TableName": "tab", "BackupName": "one"})).await["BackupDetails"]["BackupArn"]
            .clone();
    cloud.ok("RestoreTableFromBackup", json!({"BackupArn": arn, "TargetTableName": "copy"})).await;
    let mut copied = input.clone();
    copied["TableName"] = json!("copy");
    assert_eq!(found(&cloud, copied).await.len(), 2);
    let gone = cloud.ok("UpdateTable", update(json!([{"Delete": {"IndexName": "like"}}]))).await;
    assert_eq!(gone["TableDescription"]["VectorIndexes"][0]["IndexStatus"], "DELETING");
    let refused = cloud.err("SearchVectors", input).await;
    assert_eq!(refused.message, "The table does not have the specified index: like");
    let again = cloud.err("UpdateTable", update(json!([{"Delete": {"IndexName": "like"}}]))).await;
    assert_eq!(again.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_is_no_vector_is_refused() {
    let cloud = table("COSINE", json!({"ProjectionType": "ALL"})).await;
    let before = "One or more parameter values were invalid: ";
    for (vec, words) in [
        (json!({"L": vector(&[1.0])}), "Invalid size for parameter vec, Expected: 2, Actual: 1. IndexName: like"),
        (json!({"S": "x"}), "Invalid type for parameter vec, Expected: L, Actual: S. IndexName: like"),
        (
            json!({"L": [{"N": "1"}, {"S": "x"}]}),
            "Invalid type for parameter vec[1], Expected: N, Actual: S. IndexName: like",
        ),
    ] {
        let mut wrong = item("a", &[], json!({}));
        wrong["vec"] = vec.clone();
        let put = cloud.err("PutItem", json!({"TableName": "tab", "Item": wrong})).await;
        assert_eq!(put.message, format!("{before}{words}"));
        let batch = json!({"RequestItems": {"tab": [{"PutRequest": {"Item": wrong}}]}});
        assert_eq!(cloud.err("BatchWriteItem", batch).await.message, format!("{before}{words}"));
        let update = json!({"TableName": "tab", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET vec = :v", "ExpressionAttributeValues": {":v": vec}});
        assert_eq!(cloud.err("UpdateItem", update).await.message, format!("{before}{words}"));
    }
    let kind = item("a", &[1.0, 1.0], json!({"kind": {"N": "1"}}));
    let refused = cloud.err("PutItem", json!({"TableName": "tab", "Item": kind})).await;
    assert_eq!(
        refused.message,
        format!("{before}Type mismatch for Index Key kind Expected: S Actual: N IndexName: like")
    );
    let kind = item("a", &[1.0, 1.0], json!({"kind": {"S": ""}}));
    assert!(
        cloud.err("PutItem", json!({"TableName": "tab", "Item": kind})).await.message.contains("empty string value")
    );
    assert_eq!(cloud.ok("Scan", json!({"TableName": "tab"})).await["Count"], 0);
}

#[tokio::test]
async fn searches_that_cannot_be_are_refused() {
    let cloud = table("COSINE", json!({"ProjectionType": "ALL"})).await;
    let good = search("kind = :k", json!({":k": {"S": "a"}}));
    let with = |name: &str, value: Json| {
        let mut input = good.clone();
        input[name] = value;
        input
    };
    for (input, words) in [
        (
            with("TopK", json!(101)),
            "Provided TopK value '101' is out of valid range. The value must be between 1 and 100 inclusive",
        ),
        (
            with("SearchVector", vector(&[1.0, 2.0, 3.0])),
            "Input search vector dimension 3 does not match vector index dimension 2",
        ),
        (
            with("SearchVector", json!([{"N": "1"}, {"S": "x"}])),
            "Invalid type for parameter SearchVector[1], Expected: N, Actual: S",
        ),
        (with("IndexName", json!("none")), "The table does not have the specified index: none"),
        (
            with("SearchConditionExpression", json!("kind <> :k")),
            "Invalid SearchConditionExpression: Invalid comparator used in SearchConditionExpression",
        ),
        (
            with("SearchConditionExpression", json!("brand = :k")),
            "SearchConditionExpression must be provided when SearchSchema has a HASH key",
        ),
        (
            with("SearchConditionExpression", json!("kind = :k OR brand = :k")),
            "SearchConditionExpression must be provided when SearchSchema has a HASH key",
        ),
        (
            with("SearchConditionExpression", json!("kind = :k AND title = :k")),
            "The attribute title is not a top-level attribute of the SearchSchema",
        ),
        (with("SearchConditionExpression", json!("kind = ")), "Invalid SearchConditionExpression: Syntax error"),
        (
            json!({"TableName": "tab", "IndexName": "like", "SearchVector": vector(&[1.0, 0.0]), "TopK": 1}),
            "SearchConditionExpression must be provided when SearchSchema has a HASH key",
        ),
    ] {
        let refused = cloud.err("SearchVectors", input).await;
        assert_eq!((refused.code.as_str(), refused.status), ("ValidationException", 400));
        assert!(refused.message.contains(words), "{} for {words}", refused.message);
    }
    let refused = cloud.err("SearchVectors", with("SearchConditionExpression", json!("begins_with(kind, :k)"))).await;
    assert_eq!(refused.status, 501, "{}", refused.message);
    assert_eq!(cloud.err("SearchVectors", with("TableName", json!("none"))).await.code, "ResourceNotFoundException");
    for operation in ["Query", "Scan"] {
        let mut input = json!({"TableName": "tab", "IndexName": "like"});
        if operation == "Query" {
            input["KeyConditionExpression"] = json!("kind = :k");
            input["ExpressionAttributeValues"] = json!({":k": {"S": "a"}});
        }
        let refused = cloud.err(operation, input).await;
        assert_eq!(refused.message, format!("{operation} operation not supported on this index type."));
    }
}

#[tokio::test]
async fn indexes_that_cannot_be_are_refused() {
    let cloud = Cloud::new();
    let index = json!({"IndexName": "like", "VectorAttribute": {"AttributeName": "vec"}, "Dimensions": 2, "DistanceFunction": "COSINE", "Projection": {"ProjectionType": "ALL"}});
    let with = |name: &str, value: Json| {
        let mut changed = index.clone();
        changed[name] = value;
        changed
    };
    let element = |name: &str, kind: &str| json!({"AttributeName": name, "SearchSchemaElementType": kind});
    let table = |indexes: Json| {
        json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "VectorIndexes": indexes})
    };
    for (indexes, words) in [
        (
            json!([with("SearchSchema", json!([element("kind", "HASH")]))]),
            "One element in SearchSchema is not defined in attribute definitions",
        ),
        (json!([with("SearchSchema", json!([element("id", "HASH"), element("id", "INLINE_FILTER")]))]), "twice"),
        (json!([with("Dimensions", json!(4097))]), "Dimensions must be between 1 and 4096"),
        (json!([index.clone(), index.clone()]), "already exists"),
        ((0..6).map(|n| with("IndexName", json!(format!("like{n}")))).collect(), "limit of 5"),
    ] {
        let refused = cloud.err("CreateTable", table(indexes)).await;
        assert_eq!(refused.code, "ValidationException");
        assert!(refused.message.contains(words), "{} for {words}", refused.message);
    }
    let mut provisioned = table(json!([index.clone()]));
    provisioned["BillingMode"] = json!("PROVISIONED");
    provisioned["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
    assert!(cloud.err("CreateTable", provisioned).await.message.contains("PROVISIONED"));
    cloud.ok("CreateTable", table(json!([index]))).await;
    let change = json!({"TableName": "tab", "BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}});
    assert!(cloud.err("UpdateTable", change).await.message.contains("PROVISIONED"));
    let both = json!({"TableName": "tab", "VectorIndexUpdates": [{}]});
    assert_eq!(cloud.err("UpdateTable", both).await.code, "ValidationException");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What a search finds is what sorting everything finds, after any history.
    #[test]
    fn a_search_finds_what_is_nearest(
        writes in prop::collection::vec((0..12_u8, prop::option::of((-4..4_i8, -4..4_i8)), 0..2_u8), 1..60),
        distance in prop_oneof![Just("COSINE"), Just("EUCLIDEAN"), Just("DOT_PRODUCT")],
        top in 1..8_usize,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let cloud = table(distance, json!({"ProjectionType": "KEYS_ONLY"})).await;
            let mut model = std::collections::BTreeMap::new();
            for (id, numbers, kind) in writes {
                let name = format!("i{id:02}");
                match numbers {
                    Some((x, y)) => {
                        let numbers = [f64::from(x), f64::from(y)];
                        cloud.put(item(&name, &numbers, json!({"kind": {"S": kind.to_string()}}))).await;
                        model.insert(name, (numbers, kind));
                    }
                    None => {
                        cloud.ok("DeleteItem", json!({"TableName": "tab", "Key": {"id": {"S": name}}})).await;
                        model.remove(&name);
                    }
                }
            }
            let score = |[x, y]: [f64; 2]| match distance {
                "COSINE" if x == 0.0 && y == 0.0 => 1.0,
                "COSINE" => 1.0 - x / (x * x + y * y).sqrt(),
                "EUCLIDEAN" => ((x - 1.0) * (x - 1.0) + y * y).sqrt(),
                _ => x,
            };
            let sign = if distance == "DOT_PRODUCT" { -1.0 } else { 1.0 };
            let mut wanted: Vec<f64> = model.values().filter(|(_, kind)| *kind == 1).map(|(v, _)| sign * score(*v)).collect();
            wanted.sort_by(f64::total_cmp);
            wanted.truncate(top);
            let mut input = search("kind = :k", json!({":k": {"S": "1"}}));
            input["TopK"] = json!(top);
            let seen = found(&cloud, input).await;
            assert_eq!(seen.len(), wanted.len());
            for ((id, seen), wanted) in seen.iter().zip(&wanted) {
                assert!((sign * seen - wanted).abs() < 1e-9, "{id}: {seen}, not {wanted}");
                assert!((score(model[id].0) - seen).abs() < 1e-9);
            }
        });
    }
}
