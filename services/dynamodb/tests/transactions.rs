//! Transactions and batches.

use crate::cloud::Cloud;
use serde_json::{Value as Json, json};

fn put(pk: &str, guarded: bool) -> Json {
    let mut put = json!({"TableName": "tab", "Item": {"pk": {"S": pk}}});
    if guarded {
        put["ConditionExpression"] = json!("attribute_not_exists(pk)");
    }
    json!({"Put": put})
}

#[tokio::test]
async fn all_or_nothing() {
    let cloud = Cloud::new().with_table().await;
    cloud.put(json!({"pk": {"S": "there"}, "n": {"N": "1"}})).await;
    let refused = cloud
        .err(
            "TransactWriteItems",
            json!({"TransactItems": [put("new", false), put("there", true), put("third", false)]}),
        )
        .await;
    assert_eq!(refused.code, "TransactionCanceledException");
    assert_eq!(
        refused.message,
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, None]"
    );
    assert_eq!(
        refused.fields,
        [(
            "CancellationReasons".to_owned(),
            json!([
                {"Code": "None"},
                {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
                {"Code": "None"}
            ])
        )]
    );
    assert_eq!(cloud.get(json!({"pk": {"S": "new"}})).await, Json::Null);
    let items = json!([
        put("new", true),
        {"Update": {
            "TableName": "tab", "Key": {"pk": {"S": "there"}}, "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}}
        }},
        {"ConditionCheck": {"TableName": "tab", "Key": {"pk": {"S": "other"}}, "ConditionExpression": "attribute_not_exists(pk)"}},
        {"Delete": {"TableName": "tab", "Key": {"pk": {"S": "never"}}}}
    ]);
    let answer =
        cloud.ok("TransactWriteItems", json!({"TransactItems": items, "ReturnConsumedCapacity": "TOTAL"})).await;
    assert_eq!(
        answer["ConsumedCapacity"],
        json!([{"TableName": "tab", "CapacityUnits": 8.0, "WriteCapacityUnits": 8.0}])
    );
    let gets: Vec<Json> = ["there", "none", "new"]
        .iter()
        .map(|pk| json!({"Get": {"TableName": "tab", "Key": {"pk": {"S": pk}}}}))
        .collect();
    let answer = cloud.ok("TransactGetItems", json!({"TransactItems": gets, "ReturnConsumedCapacity": "TOTAL"})).await;
    assert_eq!(
        answer["Responses"],
        json!([{"Item": {"pk": {"S": "there"}, "n": {"N": "2"}}}, {}, {"Item": {"pk": {"S": "new"}}}])
    );
    assert_eq!(answer["ConsumedCapacity"][0]["ReadCapacityUnits"], 6.0);
}

#[tokio::test]
async fn a_token_does_the_work_once() {
    let cloud = Cloud::new().with_table().await;
    let bump = |by: &str, token: &str| {
        json!({
            "ClientRequestToken": token,
            "TransactItems": [{"Update": {
                "TableName": "tab", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD n :by",
                "ExpressionAttributeValues": {":by": {"N": by}}
            }}]
        })
    };
    cloud.ok("TransactWriteItems", bump("1", "first")).await;
    cloud.ok("TransactWriteItems", bump("1", "first")).await;
    cloud.ok("TransactWriteItems", bump("1", "second")).await;
    let found = || async { cloud.get(json!({"pk": {"S": "a"}})).await["n"]["N"].clone() };
    assert_eq!(found().await, "2");
    assert_eq!(cloud.err("TransactWriteItems", bump("2", "first")).await.code, "IdempotentParameterMismatchException");
    let rows = cloud.rows();
    cloud.advance(601).await;
    cloud.ok("TransactWriteItems", bump("2", "first")).await;
    assert_eq!(found().await, "4");
    assert!(cloud.rows() < rows, "tokens that are over make room for new ones");
}

#[tokio::test]
async fn some_mistakes_end_the_transaction_and_some_the_request() {
    let cloud = Cloud::new().with_table().await;
    let write = |items: Json| json!({"TransactItems": items});
    let reason = |message: &str| json!([{"Code": "ValidationError", "Message": message}]);
    let wrong = cloud
        .err("TransactWriteItems", write(json!([{"Put": {"TableName": "tab", "Item": {"pk": {"N": "5"}}}}])))
        .await;
    assert_eq!(
        wrong.fields[0].1,
        reason("One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N")
    );
    let wrong = cloud
        .err("TransactWriteItems", write(json!([{"Delete": {"TableName": "tab", "Key": {"pk": {"N": "5"}}}}])))
        .await;
    assert_eq!(wrong.fields[0].1, reason("The provided key element does not match the schema"));
    let empty =
        cloud.err("TransactWriteItems", write(json!([{"Put": {"TableName": "tab", "Item": {"pk": {"S": ""}}}}]))).await;
    assert_eq!(empty.code, "ValidationException");
    let twice = cloud.err("TransactWriteItems", write(json!([put("a", false), put("a", false)]))).await;
    assert_eq!(twice.message, "Transaction request cannot include multiple operations on one item");
    let none = cloud
        .err("TransactWriteItems", write(json!([{"Put": {"TableName": "none", "Item": {"pk": {"S": "a"}}}}])))
        .await;
    assert_eq!(none.code, "ResourceNotFoundException");
    let missing = cloud.err("TransactGetItems", write(json!([{"Get": {"TableName": "tab", "Key": {}}}]))).await;
    assert_eq!(missing.code, "TransactionCanceledException");
    let update = json!([{"Update": {
        "TableName": "tab", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET a = b"
    }}]);
    let wrong = cloud.err("TransactWriteItems", write(update)).await;
    assert_eq!(
        wrong.fields[0].1,
        reason("The provided expression refers to an attribute that does not exist in the item")
    );
}
