//! Policies of stores: other accounts that may query them.

use super::lake::{finished, id, rows, store};
use super::*;

const OTHER: &str = "222222222222";
/// What one who queries does.
const QUERYING: &[&str] = &[
    "cloudtrail:StartQuery",
    "cloudtrail:DescribeQuery",
    "cloudtrail:GetQueryResults",
    "cloudtrail:ListQueries",
    "cloudtrail:CancelQuery",
    "cloudtrail:GetEventDataStore",
];

fn other(cloud: &Cloud) -> Client {
    cloud.client_of(Credentials::new(OTHER, "secret"))
}

/// A policy that lets another account in.
pub(crate) fn policy(principal: &Json, actions: &[&str], arn: &str) -> String {
    let statement = json!({"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": arn});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

fn account() -> Json {
    json!({"AWS": format!("arn:aws:iam::{OTHER}:root")})
}

#[tokio::test]
async fn another_account_queries_what_it_is_let_in_to() {
    let (cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "mine"})).await.ok();
    let other = other(&cloud);
    let sql = format!("SELECT COUNT(*) AS n FROM {} WHERE eventName = 'CreateQueue'", id(&arn));
    let ask = json!({"QueryStatement": sql, "EventDataStoreOwnerAccountId": "000000000000"});
    assert_eq!(refused(&other, "StartQuery", ask.clone()).await.0, "AccessDeniedException");
    let text = policy(&account(), QUERYING, &arn);
    let put = ok(&client, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": text})).await;
    assert_eq!((&put["ResourceArn"], &put["ResourcePolicy"]), (&json!(arn), &json!(text)));
    assert_eq!(ok(&client, "GetResourcePolicy", json!({"ResourceArn": arn})).await, put);
    // Whose the store is must be said, or be in its ARN.
    let alone = json!({"QueryStatement": sql});
    assert_eq!(refused(&other, "StartQuery", alone).await.0, "EventDataStoreNotFoundException");
    let started = ok(&other, "StartQuery", ask.clone()).await;
    assert_eq!(started["EventDataStoreOwnerAccountId"], "000000000000");
    let query = started["QueryId"].clone();
    finished(&client, &query).await;
    let theirs = json!({"QueryId": query, "EventDataStoreOwnerAccountId": "000000000000"});
    let shown = ok(&other, "DescribeQuery", theirs.clone()).await;
    assert_eq!(
        (&shown["QueryStatus"], &shown["EventDataStoreOwnerAccountId"]),
        (&json!("FINISHED"), &json!("000000000000"))
    );
    let found = ok(&other, "GetQueryResults", theirs.clone()).await;
    assert_eq!(found["QueryResultRows"], json!([[{"n": "1"}]]));
    assert_eq!(refused(&other, "GetQueryResults", json!({"QueryId": query})).await.0, "QueryIdNotFoundException");
    assert_eq!(refused(&other, "CancelQuery", theirs).await.0, "InactiveQueryException");
    let listed = ok(&other, "ListQueries", json!({"EventDataStore": arn})).await;
    assert_eq!(listed["Queries"][0]["QueryId"], query);
    assert_eq!(ok(&other, "GetEventDataStore", json!({"EventDataStore": arn})).await["Name"], "lake");
    // What no policy can allow stays the owner's.
    let (code, _) = refused(&other, "DeleteEventDataStore", json!({"EventDataStore": arn})).await;
    assert_eq!(code, "EventDataStoreNotFoundException");
    ok(&client, "DeleteResourcePolicy", json!({"ResourceArn": arn})).await;
    assert_eq!(refused(&other, "StartQuery", ask).await.0, "AccessDeniedException");
    let (code, _) = refused(&client, "GetResourcePolicy", json!({"ResourceArn": arn})).await;
    assert_eq!(code, "ResourcePolicyNotFoundException");
    let (code, _) = refused(&client, "DeleteResourcePolicy", json!({"ResourceArn": arn})).await;
    assert_eq!(code, "ResourcePolicyNotFoundException");
}

#[tokio::test]
async fn a_policy_denies_its_own_account_as_well() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    assert_eq!(rows(&client, &arn, "SELECT 1 AS one FROM LAKE LIMIT 0").await, json!([]));
    let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "cloudtrail:StartQuery", "Resource": arn});
    let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    ok(&client, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": text})).await;
    let sql = json!({"QueryStatement": format!("SELECT 1 FROM {}", id(&arn))});
    assert_eq!(refused(&client, "StartQuery", sql).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn what_is_no_policy_of_a_store() {
    let (_cloud, client) = cloud().await;
    let arn = store(&client, json!({})).await;
    let many: Vec<Json> = (0..51).map(|at| json!(format!("{at:012}"))).collect();
    let statement = |principal: Json, action: &str, resource: &str| json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource});
    let start = "cloudtrail:StartQuery";
    let document = |statements: Json| json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let good = statement(account(), start, &arn);
    for bad in [
        "{}".to_owned(),
        "no policy".to_owned(),
        document(json!([])),
        document(json!(vec![good.clone(); 21])),
        document(json!([statement(json!({"AWS": many}), start, &arn)])),
        document(json!([statement(account(), "cloudtrail:DeleteEventDataStore", &arn)])),
        document(json!([statement(account(), start, "*")])),
    ] {
        let input = json!({"ResourceArn": arn, "ResourcePolicy": bad});
        let (code, message) = refused(&client, "PutResourcePolicy", input).await;
        assert_eq!(code, "ResourcePolicyNotValidException", "{bad}: {message}");
    }
    let (code, _) = refused(&client, "GetResourcePolicy", json!({"ResourceArn": arn})).await;
    assert_eq!(code, "ResourcePolicyNotFoundException");
    // It goes with what it is of.
    ok(&client, "PutResourcePolicy", json!({"ResourceArn": arn, "ResourcePolicy": document(json!([good]))})).await;
}
