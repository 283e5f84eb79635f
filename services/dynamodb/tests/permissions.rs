//! What policies allow, and what they can ask about.

use crate::cloud::Cloud;
use serde_json::{Value as Json, json};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";

fn policy(actions: &[&str], resource: &str, condition: Json) -> Json {
    let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[tokio::test]
async fn a_user_does_what_the_policy_allows() {
    let cloud = Cloud::new().with_table().await;
    cloud.put(json!({"pk": {"S": "a"}})).await;
    let user = cloud.as_user(&policy(&["dynamodb:GetItem", "dynamodb:Query"], TABLE, Json::Null));
    assert_eq!(user.get(json!({"pk": {"S": "a"}})).await, json!({"pk": {"S": "a"}}));
    let denied = user.err("PutItem", json!({"TableName": "tab", "Item": {"pk": {"S": "a"}}})).await;
    assert_eq!(denied.code, "AccessDeniedException");
    assert_eq!(
        denied.message,
        format!(
            "User: arn:aws:iam::000000000000:user/ada is not authorized to perform: dynamodb:PutItem on resource: {TABLE} because no identity-based policy allows the dynamodb:PutItem action"
        )
    );
    // An index is a resource of its own.
    let query = json!({
        "TableName": "tab", "IndexName": "index", "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "a"}}
    });
    assert!(user.err("Query", query).await.message.contains("table/tab/index/index"));
    assert_eq!(user.err("ListTables", json!({})).await.code, "AccessDeniedException");
}

#[tokio::test]
async fn transactions_need_what_their_actions_need() {
    let cloud = Cloud::new().with_table().await;
    let user = cloud.as_user(&policy(&["dynamodb:PutItem"], TABLE, Json::Null));
    let put = json!({"Put": {"TableName": "tab", "Item": {"pk": {"S": "a"}}}});
    let check = json!({"ConditionCheck": {
        "TableName": "tab", "Key": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_not_exists(pk)"
    }});
    user.ok("TransactWriteItems", json!({"TransactItems": [put]})).await;
    let denied = user.err("TransactWriteItems", json!({"TransactItems": [put, check]})).await;
    assert!(denied.message.contains("dynamodb:ConditionCheckItem"), "{}", denied.message);
}

#[tokio::test]
async fn a_policy_can_give_each_user_a_partition_and_some_attributes() {
    let cloud = Cloud::new().with_sorted_table("S").await;
    let condition = json!({
        "ForAllValues:StringEquals": {
            "dynamodb:LeadingKeys": ["${aws:username}"], "dynamodb:Attributes": ["pk", "sk", "open"]
        },
        "Null": {"dynamodb:LeadingKeys": "false"}
    });
    let user = cloud.as_user(&policy(&["dynamodb:*"], TABLE, condition));
    let item = |pk: &str, attribute: &str| json!({"pk": {"S": pk}, "sk": {"S": "1"}, attribute: {"S": "x"}});
    let put = |pk: &str, attribute: &str| json!({"TableName": "tab", "Item": item(pk, attribute)});
    user.ok("PutItem", put("ada", "open")).await;
    user.err("PutItem", put("bob", "open")).await;
    user.err("PutItem", put("ada", "closed")).await;
    let query = |pk: &str| {
        json!({
            "TableName": "tab", "KeyConditionExpression": "sk > :s AND #p = :p", "ProjectionExpression": "#p, open",
            "ExpressionAttributeNames": {"#p": "pk"}, "ExpressionAttributeValues": {":p": {"S": pk}, ":s": {"S": "0"}}
        })
    };
    // `open` is a reserved word, but the authoriser is asked first.
    assert_eq!(user.err("Query", query("bob")).await.code, "AccessDeniedException");
    assert_eq!(user.err("Query", query("ada")).await.code, "ValidationException");
    assert_eq!(user.err("Scan", json!({"TableName": "tab"})).await.code, "AccessDeniedException");
    let key = |pk: &str| json!({"pk": {"S": pk}, "sk": {"S": "1"}});
    let get = |pk: &str| json!({"RequestItems": {"tab": {"Keys": [key("ada"), key(pk)]}}});
    assert_eq!(user.err("BatchGetItem", get("bob")).await.code, "AccessDeniedException");
    assert_eq!(user.err("BatchGetItem", get("ada")).await.message, "Provided list of item keys contains duplicates");
    let update = |expression: &str| {
        json!({
            "TableName": "tab", "Key": key("ada"), "UpdateExpression": expression,
            "ExpressionAttributeNames": {"#o": "open"}, "ExpressionAttributeValues": {":v": {"S": "y"}}
        })
    };
    user.ok("UpdateItem", update("SET #o = :v")).await;
    user.err("UpdateItem", update("SET #o = :v REMOVE closed")).await;
}

#[tokio::test]
async fn a_policy_can_ask_about_tags() {
    let cloud = Cloud::new();
    let mut input = crate::cloud::table("tab", "pk:S", "");
    input["Tags"] = json!([{"Key": "team", "Value": "a"}]);
    cloud.ok("CreateTable", input).await;
    cloud.ok("CreateTable", crate::cloud::table("other", "pk:S", "")).await;
    let user = cloud.as_user(&policy(&["dynamodb:*"], "*", json!({"StringEquals": {"aws:ResourceTag/team": "a"}})));
    user.ok("Scan", json!({"TableName": "tab"})).await;
    user.err("Scan", json!({"TableName": "other"})).await;
}
