//! Policies of tables and streams: put, read and deleted, and what they let others do.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
const OTHER: &str = "111111111111";

fn statement(effect: &str, principal: &str, actions: &[&str], resources: &[&str]) -> Json {
    json!({"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": resources})
}

fn policy(statements: &[Json]) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn put(arn: &str, policy: &Json) -> Json {
    json!({"ResourceArn": arn, "Policy": policy.to_string()})
}

fn everything() -> Json {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]})
}

#[tokio::test]
async fn a_policy_is_put_read_changed_and_deleted() {
    let cloud = Cloud::new().with_table().await;
    let of = json!({"ResourceArn": TABLE});
    let missing = cloud.err("GetResourcePolicy", of.clone()).await;
    assert_eq!(
        (missing.code.as_str(), missing.message),
        ("PolicyNotFoundException", format!("Resource-based policy not found for the provided ResourceArn: {TABLE}"))
    );
    assert_eq!(cloud.ok("DeleteResourcePolicy", of.clone()).await, json!({}));
    let text = format!(
        r#"{{ "Statement": {{"Action": ["dynamodb:GetItem"], "Resource": "{TABLE}",
             "Principal": {{"AWS": ["{OTHER}", "arn:aws:iam::{OTHER}:root"]}}, "Effect": "Allow", "Sid": "one"}} }}"#
    );
    let first = cloud.ok("PutResourcePolicy", json!({"ResourceArn": TABLE, "Policy": text})).await;
    let shown = cloud.ok("GetResourcePolicy", of.clone()).await;
    assert_eq!(shown["RevisionId"], first["RevisionId"]);
    assert_eq!(
        shown["Policy"],
        format!(
            r#"{{"Version":"2008-10-17","Statement":[{{"Sid":"one","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OTHER}:root"}},"Action":"dynamodb:GetItem","Resource":"{TABLE}"}}]}}"#
        )
    );
    let again = cloud.ok("PutResourcePolicy", json!({"ResourceArn": TABLE, "Policy": text})).await;
    assert_eq!(again, first, "the same policy is the same revision");
    let mut input = put(TABLE, &policy(&[statement("Allow", OTHER, &["dynamodb:Query"], &["*"])]));
    input["ExpectedRevisionId"] = json!("NO_POLICY");
    let refused = cloud.err("PutResourcePolicy", input.clone()).await;
    let id = first["RevisionId"].as_str().unwrap();
    assert_eq!(
        refused.message,
        format!(
            "Resource-based policy not found for the provided ResourceArn: Requested policy update expecting none to be present for table tab, but a policy exists with revision id {id}."
        )
    );
    input["ExpectedRevisionId"] = json!("123");
    let refused = cloud.err("PutResourcePolicy", input.clone()).await;
    assert_eq!(
        refused.message,
        format!(
            "Resource-based policy not found for the provided ResourceArn: Requested update for policy with revision id 123, but the policy associated to target table tab has revision id {id}."
        )
    );
    input["ExpectedRevisionId"] = json!(id);
    let second = cloud.ok("PutResourcePolicy", input.clone()).await;
    assert_ne!(second, first);
    let stale = json!({"ResourceArn": TABLE, "ExpectedRevisionId": id});
    assert_eq!(cloud.err("DeleteResourcePolicy", stale).await.code, "PolicyNotFoundException");
    assert_eq!(cloud.ok("DeleteResourcePolicy", of.clone()).await, second);
    assert_eq!(cloud.err("PutResourcePolicy", input).await.code, "PolicyNotFoundException");
    assert_eq!(cloud.err("GetResourcePolicy", of).await.code, "PolicyNotFoundException");
}

#[tokio::test]
async fn policies_that_are_none_are_refused() {
    let cloud = Cloud::new().with_table().await;
    let long = format!("{}{}", policy(&[]), " ".repeat(20_480));
    let stream = format!("{TABLE}/stream/2026-01-01T00:00:00.000");
    for (text, message) in [
        ("".to_owned(), "Invalid policy document: This policy contains invalid Json"),
        ("[]".to_owned(), "Invalid policy document: This policy contains invalid Json"),
        ("null".to_owned(), "Invalid policy document: This text appears not to be a policy"),
        (policy(&[]).to_string(), "Invalid policy document: Could not parse the policy: Statement is empty!"),
        (long, "Maximum policy size of 20480 bytes exceeded"),
        (
            policy(&[json!({"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "dynamodb:*"})]).to_string(),
            "Invalid policy document: Missing required field Resource",
        ),
        (
            policy(&[statement("Allow", OTHER, &["dynamodb:GetRecords", "dynamodb:GetItem", "s3:GetObject"], &["*"])])
                .to_string(),
            r#"Invalid policy document: The following action names are invalid: "dynamodb:GetRecords", "s3:GetObject""#,
        ),
        (
            policy(&[statement("Allow", OTHER, &["dynamodb:GetItem"], &[&stream])]).to_string(),
            &format!(
                r#"Invalid policy document: The relative-id "table/tab/stream/2026-01-01T00:00:00.000" is invalid for ARN "{stream}""#
            ),
        ),
        (
            policy(&[
                json!({"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "dynamodb:Scan", "Resource": "*"}),
                json!({"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "dynamodb:Query", "Resource": "*"}),
            ])
            .to_string(),
            "Invalid policy document: The Statement Ids in the policy are not unique",
        ),
    ] {
        let refused = cloud.err("PutResourcePolicy", json!({"ResourceArn": TABLE, "Policy": text})).await;
        assert_eq!(refused.code, "ValidationException");
        assert_eq!(refused.message, format!("One or more parameter values were invalid: {message}"));
    }
    let open = put(TABLE, &policy(&[statement("Allow", "*", &["dynamodb:GetItem"], &["*"])]));
    assert!(
        cloud.err("PutResourcePolicy", open).await.message.starts_with("Resource-based policy grants unbounded access")
    );
    for (arn, message) in [
        ("tab", "One or more parameter values were invalid: ARNs must start with 'arn:': tab".to_owned()),
        (
            "arn:aws:dynamodb:us-east-1:000000000000:table/no",
            "Requested resource not found: Table: no not found".to_owned(),
        ),
        (
            "arn:aws:dynamodb:us-east-1:111111111111:table/tab",
            "This action is only supported by accounts that match the resource owner’s account.".to_owned(),
        ),
        (
            "arn:aws:dynamodb:eu-west-1:000000000000:table/tab",
            "One or more parameter values were invalid: Invalid resource Arn: arn:aws:dynamodb:eu-west-1:000000000000:table/tab"
                .to_owned(),
        ),
        (
            &format!("{TABLE}/index/i"),
            format!(
                "One or more parameter values were invalid: Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {TABLE}/index/i"
            ),
        ),
        (
            &format!("{TABLE}/backup/0"),
            format!("One or more parameter values were invalid: Provided Arn is not a DynamoDB resource arn: {TABLE}/backup/0"),
        ),
        (
            &stream,
            "Requested resource not found: Stream: 2026-01-01T00:00:00.000 not found for Table: tab".to_owned(),
        ),
    ] {
        assert_eq!(cloud.err("GetResourcePolicy", json!({"ResourceArn": arn})).await.message, message);
        assert_eq!(cloud.err("DeleteResourcePolicy", json!({"ResourceArn": arn})).await.message, message);
    }
    let gone = put(
        "arn:aws:dynamodb:us-east-1:000000000000:table/no",
        &policy(&[statement("Allow", OTHER, &["dynamodb:*"], &["*"])]),
    );
    assert_eq!(cloud.err("PutResourcePolicy", gone).await.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn nobody_locks_themselves_out_unless_they_say_so() {
    let cloud = Cloud::new().with_table().await;
    let locked = policy(&[json!({
        "Effect": "Deny", "Principal": "*", "Action": ["dynamodb:PutResourcePolicy", "dynamodb:Scan", "dynamodb:PartiQLSelect"],
        "Resource": TABLE
    })]);
    let mut input = put(TABLE, &locked);
    let refused = cloud.err("PutResourcePolicy", input.clone()).await;
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        (
            "AccessDeniedException",
            "The new resource policy will not allow you to update the resource policy in the future."
        )
    );
    input["ConfirmRemoveSelfResourceAccess"] = json!(true);
    cloud.ok("PutResourcePolicy", input.clone()).await;
    assert_eq!(cloud.err("PutResourcePolicy", input).await.code, "AccessDeniedException");
    // The root user is denied as well, and does what it is not denied.
    assert_eq!(cloud.err("Scan", json!({"TableName": "tab"})).await.code, "AccessDeniedException");
    assert_eq!(
        cloud.err("ExecuteStatement", json!({"Statement": "SELECT * FROM tab"})).await.code,
        "AccessDeniedException"
    );
    assert_eq!(cloud.again().err("Scan", json!({"TableName": "tab"})).await.code, "AccessDeniedException");
    cloud.put(json!({"pk": {"S": "a"}})).await;
    cloud.ok("DeleteResourcePolicy", json!({"ResourceArn": TABLE})).await;
    cloud.ok("Scan", json!({"TableName": "tab"})).await;
}

#[tokio::test]
async fn another_account_does_what_the_policy_of_a_table_allows() {
    let cloud = Cloud::new();
    let mut input = crate::cloud::table("tab", "pk:S", "");
    input["AttributeDefinitions"] =
        json!([{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}]);
    input["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "index", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}
    }]);
    let allowed = statement(
        "Allow",
        OTHER,
        &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:BatchGetItem", "dynamodb:Query"],
        &[TABLE],
    );
    input["ResourcePolicy"] = json!(policy(std::slice::from_ref(&allowed)).to_string());
    cloud.ok("CreateTable", input).await;
    let other = cloud.as_user_of(OTHER, &everything());
    let item = json!({"pk": {"S": "a"}, "g": {"S": "b"}});
    let key = json!({"pk": {"S": "a"}});
    other.ok("PutItem", json!({"TableName": TABLE, "Item": item})).await;
    assert_eq!(other.ok("GetItem", json!({"TableName": TABLE, "Key": key})).await["Item"], item);
    assert_eq!(cloud.get(key.clone()).await, item, "it is in the table of its owner");
    let batch = other.ok("BatchGetItem", json!({"RequestItems": {TABLE: {"Keys": [key]}}})).await;
    assert_eq!(batch["Responses"][TABLE][0], item);
    let transaction = json!({"TransactItems": [{"Put": {"TableName": TABLE, "Item": item}}]});
    other.ok("TransactWriteItems", transaction).await;
    let denied = other.err("DeleteItem", json!({"TableName": TABLE, "Key": key})).await;
    assert_eq!(denied.code, "AccessDeniedException");
    assert!(
        denied.message.ends_with("because no resource-based policy allows the dynamodb:DeleteItem action"),
        "{}",
        denied.message
    );
    // Its own table of that name is another one, and an index is another resource.
    assert_eq!(other.err("GetItem", json!({"TableName": "tab", "Key": key})).await.code, "ResourceNotFoundException");
    let query = json!({
        "TableName": TABLE, "IndexName": "index", "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "b"}}
    });
    assert_eq!(other.err("Query", query.clone()).await.code, "AccessDeniedException");
    let on_index = statement("Allow", OTHER, &["dynamodb:Query"], &[&format!("{TABLE}/index/index")]);
    cloud.ok("PutResourcePolicy", put(TABLE, &policy(&[allowed, on_index]))).await;
    assert_eq!(other.ok("Query", query).await["Count"], 1);
    let mixed = json!({"RequestItems": {TABLE: {"Keys": [key]}, "tab": {"Keys": [key]}}});
    other.ok("CreateTable", table("tab", "pk:S", "")).await;
    assert_eq!(other.err("BatchGetItem", mixed).await.status, 501);
    // What the policy allows does not help those whom their own account allows nothing.
    cloud.ok("DeleteResourcePolicy", json!({"ResourceArn": TABLE})).await;
    assert_eq!(other.err("GetItem", json!({"TableName": TABLE, "Key": key})).await.code, "AccessDeniedException");
}

#[tokio::test]
async fn a_policy_needs_the_permission_to_put_it() {
    let cloud = Cloud::new();
    let own = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:CreateTable", "Resource": "*"}]});
    let user = cloud.as_user(&own);
    let mut input = table("tab", "pk:S", "");
    input["ResourcePolicy"] = json!(policy(&[statement("Allow", OTHER, &["dynamodb:*"], &["*"])]).to_string());
    let denied = user.err("CreateTable", input.clone()).await;
    assert!(denied.message.contains("dynamodb:PutResourcePolicy"), "{}", denied.message);
    input.as_object_mut().unwrap().remove("ResourcePolicy");
    user.ok("CreateTable", input).await;
}

#[tokio::test]
async fn a_stream_has_a_policy_of_its_own() {
    let cloud = Cloud::new();
    let mut input = table("tab", "pk:S", "");
    input["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    let made = cloud.ok("CreateTable", input).await;
    let stream = made["TableDescription"]["LatestStreamArn"].as_str().unwrap();
    cloud.put(json!({"pk": {"S": "a"}})).await;
    let other = cloud.as_user_of(OTHER, &everything());
    assert_eq!(other.err("DescribeStream", json!({"StreamArn": stream})).await.code, "AccessDeniedException");
    let of_table = policy(&[statement("Allow", OTHER, &["dynamodb:GetItem"], &["*"])]);
    let refused = cloud.err("PutResourcePolicy", put(stream, &of_table)).await;
    assert!(refused.message.contains("action names are invalid"), "{}", refused.message);
    let actions = ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"];
    let of_stream = policy(&[statement("Allow", OTHER, &actions, &[stream])]);
    cloud.ok("PutResourcePolicy", put(stream, &of_stream)).await;
    assert_eq!(cloud.err("GetResourcePolicy", json!({"ResourceArn": TABLE})).await.code, "PolicyNotFoundException");
    let shown = other.ok("DescribeStream", json!({"StreamArn": stream})).await;
    let shard = &shown["StreamDescription"]["Shards"][0]["ShardId"];
    let input = json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = other.ok("GetShardIterator", input).await;
    let records = other.ok("GetRecords", iterator).await;
    assert_eq!(records["Records"].as_array().unwrap().len(), 1);
    cloud.ok("DeleteResourcePolicy", json!({"ResourceArn": stream})).await;
    assert_eq!(other.err("DescribeStream", json!({"StreamArn": stream})).await.code, "AccessDeniedException");
}
