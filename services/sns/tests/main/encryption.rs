//! Topics that are encrypted with a key of KMS.

use super::*;
use undercast_kernel::store::{Order, Page, Read as _};

async fn key(client: &Client) -> String {
    let made = client.call("kms", "CreateKey", json!({})).await.ok();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

/// Both ways to publish are refused alike.
async fn refused(client: &Client, code: &str) {
    let one = client.call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": "m"})).await;
    assert_eq!(one.code(), code, "{}", one.json);
    let entries = json!([{"Id": "a", "Message": "m"}]);
    let many =
        client.call("sns", "PublishBatch", json!({"TopicArn": TOPIC, "PublishBatchRequestEntries": entries})).await;
    assert_eq!(many.code(), code, "{}", many.json);
}

#[tokio::test]
async fn what_waits_is_sealed_and_opened_for_who_gets_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({"KmsMasterKeyId": key(&client).await})).await;
    let (url, arn) = any_queue(&client, "q", json!({})).await;
    subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    let fault = json!({"id": "down", "service": "sqs", "operation": "SendMessage", "effect": {"error": {"code": "ServiceUnavailable", "status": 503}}});
    cloud.kernel.faults().add(serde_json::from_value(fault).unwrap()).unwrap();
    publish(&client, "a secret that waits").await;
    // Whatever the row says: the message is not in it.
    let read = cloud.kernel.database().read();
    let page = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let all = read.scan(&page).unwrap();
    let has = |row: &[u8], text: &str| row.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(all.iter().any(|(key, _)| has(key, "sns.waiting")));
    assert!(!all.iter().any(|(_, row)| has(row, "a secret that waits")));
    cloud.kernel.faults().remove(None);
    cloud.kernel.advance(Duration::from_secs(30)).await.unwrap();
    assert_eq!(bodies(&receive(&client, &url, 0).await), ["a secret that waits"]);
}

#[tokio::test]
async fn what_kms_refuses_is_refused() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let id = key(&client).await;
    topic(&client, json!({"KmsMasterKeyId": id})).await;
    publish(&client, "m").await;
    client.call("kms", "DisableKey", json!({"KeyId": id})).await.ok();
    refused(&client, "KMSDisabledException").await;
    client.call("kms", "ScheduleKeyDeletion", json!({"KeyId": id})).await.ok();
    refused(&client, "KMSInvalidStateException").await;
    let set = |key: &str| json!({"TopicArn": TOPIC, "AttributeName": "KmsMasterKeyId", "AttributeValue": key});
    client.call("sns", "SetTopicAttributes", set("alias/nothing")).await.ok();
    refused(&client, "KMSNotFoundException").await;
    client.call("sns", "SetTopicAttributes", set(&key(&client).await)).await.ok();
    let throttle = json!({"id": "busy", "service": "kms", "effect": "throttle"});
    cloud.kernel.faults().add(serde_json::from_value(throttle).unwrap()).unwrap();
    refused(&client, "KMSThrottlingException").await;
    cloud.kernel.faults().remove(None);
    // A user who may publish and not use the key.
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:*", "Resource": "*"}]})
            .to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": "u", "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": "u"})).await.ok();
    let text = |name: &str| made["AccessKey"][name].as_str().unwrap();
    let user = cloud.client_of(undercast_testkit::Credentials::new(text("AccessKeyId"), text("SecretAccessKey")));
    refused(&user, "KMSAccessDeniedException").await;
}
