//! Bodies are sealed: with SQS's own key, or with one of KMS.

use super::*;
use undercast_kernel::store::{Order, Page, Read as _};

/// Whether any row has these bytes.
fn stands_in_a_row(cloud: &Cloud, text: &str) -> bool {
    let page = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let all = cloud.kernel.database().read().scan(&page).unwrap();
    all.iter().any(|(_, row)| row.windows(text.len()).any(|w| w == text.as_bytes()))
}

async fn key(client: &Client, more: Json) -> String {
    client.call("kms", "CreateKey", more).await.ok()["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn bodies_are_sealed_unless_a_queue_says_no() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let sealed = queue(&client, "sealed", json!({})).await;
    let plain = queue(&client, "plain", json!({"SqsManagedSseEnabled": "false"})).await;
    send(&client, &sealed, "a sealed body").await;
    send(&client, &plain, "a plain body").await;
    assert!(!stands_in_a_row(&cloud, "a sealed body"));
    assert!(stands_in_a_row(&cloud, "a plain body"));
    let got = receive(&client, &sealed, json!({})).await;
    assert_eq!(
        (bodies(&got), &got[0]["MD5OfBody"]),
        (vec!["a sealed body"], &json!("f0c43a909cc6fa0a3a0904e50b18ec91"))
    );
}

#[tokio::test]
async fn a_key_of_kms_is_asked_as_often_as_the_queue_says() {
    let cloud = Cloud::start(more_services()).await;
    let client = cloud.client();
    cloud.kernel.clock().freeze();
    let attributes = json!({"KmsMasterKeyId": key(&client, json!({})).await, "KmsDataKeyReusePeriodSeconds": "60", "VisibilityTimeout": "0"});
    let url = queue(&client, "q", attributes).await;
    let asked =
        |operation: &str| cloud.kernel.trail().latest(1_000).iter().filter(|r| r.operation == operation).count();
    for _ in 0..3 {
        send(&client, &url, "a secret body").await;
    }
    assert!(!stands_in_a_row(&cloud, "a secret body"));
    assert_eq!(bodies(&receive(&client, &url, json!({})).await), ["a secret body"; 3]);
    receive(&client, &url, json!({})).await;
    assert_eq!((asked("GenerateDataKey"), asked("Decrypt")), (1, 1));
    cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
    send(&client, &url, "a secret body").await;
    assert_eq!(receive(&client, &url, json!({})).await.len(), 4);
    assert_eq!((asked("GenerateDataKey"), asked("Decrypt")), (2, 3));
    // What was sealed stays so in the queue that it is moved to.
    let dead = queue(&client, "dead", json!({})).await;
    let redrive =
        json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1}).to_string();
    client
        .call("sqs", "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": redrive}}))
        .await
        .ok();
    assert!(receive(&client, &url, json!({})).await.is_empty());
    assert_eq!(bodies(&receive(&client, &dead, json!({})).await), ["a secret body"; 4]);
}

/// What sending, both ways, and receiving are refused with.
async fn refused(client: &Client, url: &str, code: &str) {
    let one = client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "x"})).await;
    assert_eq!(one.code(), code, "{}", one.json);
    let entries = json!([{"Id": "a", "MessageBody": "x"}]);
    let many = client.call("sqs", "SendMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await;
    assert_eq!(many.code(), code, "{}", many.json);
    if code != "KmsInvalidKeyUsage" {
        let got = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": url})).await;
        assert_eq!(got.code(), code, "{}", got.json);
    }
}

#[tokio::test]
async fn what_kms_refuses_is_refused() {
    let cloud = Cloud::start(more_services()).await;
    let client = cloud.client();
    let id = key(&client, json!({})).await;
    let attributes = json!({"KmsMasterKeyId": id, "KmsDataKeyReusePeriodSeconds": "60", "VisibilityTimeout": "0", "MessageRetentionPeriod": "1209600"});
    let url = queue(&client, "q", attributes).await;
    send(&client, &url, "x").await;
    let user = user(&cloud, &json!("sqs:*")).await;
    refused(&user, &url, "KmsAccessDenied").await;
    cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
    let throttle = json!({"id": "busy", "service": "kms", "effect": "throttle"});
    cloud.kernel.faults().add(serde_json::from_value(throttle).unwrap()).unwrap();
    refused(&client, &url, "KmsThrottled").await;
    cloud.kernel.faults().remove(None);
    client.call("kms", "DisableKey", json!({"KeyId": id})).await.ok();
    refused(&client, &url, "KmsDisabled").await;
    client.call("kms", "ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7})).await.ok();
    refused(&client, &url, "KmsInvalidState").await;
    cloud.kernel.advance(Duration::from_secs(8 * 86_400)).await.unwrap();
    refused(&client, &url, "KmsNotFound").await;
    let other = key(&client, json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})).await;
    client
        .call("sqs", "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"KmsMasterKeyId": other}}))
        .await
        .ok();
    refused(&client, &url, "KmsInvalidKeyUsage").await;
}
