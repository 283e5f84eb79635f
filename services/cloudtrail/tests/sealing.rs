//! Stores whose events are sealed with a key of KMS.

use super::lake::{finished, id, rows, store};
use super::*;

/// A key whose policy lets CloudTrail make data keys for stores, and open them.
pub(crate) async fn key(client: &Client) -> String {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:cloudtrail:us-east-1:000000000000:eventdatastore/*"}}},
    ]});
    let made = client.call("kms", "CreateKey", json!({"Policy": policy.to_string()})).await.ok();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

const COUNT: &str = "SELECT COUNT(*) AS n FROM LAKE WHERE eventName = 'CreateQueue'";

#[tokio::test]
async fn events_are_opened_by_the_key_alone() {
    let (cloud, client) = cloud().await;
    let key = key(&client).await;
    let arn = store(&client, json!({"KmsKeyId": key})).await;
    assert_eq!(ok(&client, "GetEventDataStore", json!({"EventDataStore": arn})).await["KmsKeyId"], json!(key));
    client.call("sqs", "CreateQueue", json!({"QueueName": "secret-name"})).await.ok();
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "1"}]]));
    // A later data key seals what comes later; both are opened.
    advance(&cloud, 10).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "other-name"})).await.ok();
    let named =
        "SELECT element_at(requestParameters, 'queueName') AS q FROM LAKE WHERE eventName = 'CreateQueue' ORDER BY 1";
    let sql = named.replace("LAKE", id(&arn));
    let query = ok(&client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    finished(&client, &query).await;
    let found = ok(&client, "GetQueryResults", json!({"QueryId": query})).await;
    assert_eq!(found["QueryResultRows"], json!([[{"q": "other-name"}], [{"q": "secret-name"}]]));
    // CloudTrail asks KMS in its own name, and says for which store.
    let asked = ok(
        &client,
        "LookupEvents",
        json!({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "GenerateDataKey"}]}),
    )
    .await;
    let event: Json = serde_json::from_str(asked["Events"][0]["CloudTrailEvent"].as_str().unwrap()).unwrap();
    assert_eq!(event["userIdentity"]["invokedBy"], "cloudtrail.amazonaws.com");
    assert_eq!(event["requestParameters"]["encryptionContext"], json!({"aws:cloudtrail:arn": arn}));
    // Who disables the key opens nothing any more.
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    let sql = COUNT.replace("LAKE", id(&arn));
    let closed = ok(&client, "StartQuery", json!({"QueryStatement": sql})).await["QueryId"].clone();
    let shown = finished(&client, &closed).await;
    assert_eq!(shown["QueryStatus"], "FAILED", "{shown}");
    assert!(shown["ErrorMessage"].as_str().unwrap().contains("is disabled"), "{shown}");
    let (code, _) = refused(&client, "GetQueryResults", json!({"QueryId": query})).await;
    assert_eq!(code, "InsufficientEncryptionPolicyException");
    client.call("kms", "EnableKey", json!({"KeyId": key})).await.ok();
    assert_eq!(rows(&client, &arn, COUNT).await, json!([[{"n": "2"}]]));
}

#[tokio::test]
async fn a_policy_that_lets_cloudtrail_in_no_more_ends_queries() {
    let (_cloud, client) = cloud().await;
    let key = key(&client).await;
    let arn = store(&client, json!({"KmsKeyId": key})).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}]});
    let closed = json!({"KeyId": key, "PolicyName": "default", "Policy": policy.to_string()});
    client.call("kms", "PutKeyPolicy", closed).await.ok();
    let sql = json!({"QueryStatement": COUNT.replace("LAKE", id(&arn))});
    assert_eq!(refused(&client, "StartQuery", sql).await.0, "InsufficientEncryptionPolicyException");
}

#[tokio::test]
async fn what_is_no_key_for_a_store() {
    let (cloud, client) = cloud().await;
    let (good, other) = (key(&client).await, key(&client).await);
    let (closed, disabled) = (settings::key(&client, false).await, settings::key(&client, true).await);
    client.call("kms", "DisableKey", json!({"KeyId": disabled})).await.ok();
    let arn = store(&client, json!({})).await;
    for (given, wanted) in [
        (closed.clone(), "InsufficientEncryptionPolicyException"),
        (disabled, "KmsException"),
        (json!("alias/none"), "KmsKeyNotFoundException"),
        (json!("arn:aws:kms:us-east-1:000000000000:nothing"), "InvalidKmsKeyIdException"),
    ] {
        let made = json!({"Name": "sealed", "KmsKeyId": given});
        assert_eq!(refused(&client, "CreateEventDataStore", made).await.0, wanted, "{given}");
        let changed = json!({"EventDataStore": arn, "KmsKeyId": given});
        assert_eq!(refused(&client, "UpdateEventDataStore", changed).await.0, wanted, "{given}");
    }
    let set = ok(&client, "UpdateEventDataStore", json!({"EventDataStore": arn, "KmsKeyId": good})).await;
    assert_eq!(set["KmsKeyId"], json!(good));
    let (code, message) =
        refused(&client, "UpdateEventDataStore", json!({"EventDataStore": arn, "KmsKeyId": other})).await;
    assert_eq!((code.as_str(), message.contains("cannot be changed")), ("InvalidParameterException", true));
    drop(cloud);
}
