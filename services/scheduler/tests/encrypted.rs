//! Inputs that are sealed with keys of KMS.

use serde_json::json;
use undercast_kernel::store::{Order, Page, Read as _};

use super::*;

fn is_kept(cloud: &Cloud, text: &str) -> bool {
    let all = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let rows = cloud.kernel.database().read().scan(&all).unwrap();
    let mut own = rows.into_iter().filter(|(key, _)| key.starts_with(b"scheduler."));
    own.any(|(_, value)| value.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[tokio::test]
async fn an_input_is_sealed_and_opened_by_the_role_and_by_those_who_may() {
    let (cloud, client, url) = noon().await;
    let key = client.call("kms", "CreateKey", json!({})).await.ok()["KeyMetadata"]["Arn"].clone();
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "plain", "Target": {"Input": "a plain one"}})).await;
    let sealed = json!({"KmsKeyArn": key, "Target": {"Input": "a secret <aws.scheduler.attempt-number>"}});
    create(&client, "at(2026-03-01T12:01:00)", sealed.clone()).await;
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "none", "KmsKeyArn": key, "Target": {"Input": null}}))
        .await;
    assert!(is_kept(&cloud, "a plain one") && !is_kept(&cloud, "a secret"));
    ok(&client, "UpdateSchedule", schedule("at(2026-03-01T12:01:00)", &json!({"Target": {"Input": "a secret"}}))).await;
    assert!(is_kept(&cloud, "a secret"));
    ok(&client, "UpdateSchedule", schedule("at(2026-03-01T12:01:00)", &sealed)).await;
    assert!(!is_kept(&cloud, "a secret"));
    let shown = ok(&client, "GetSchedule", json!({"Name": "s"})).await;
    assert_eq!(
        (&shown["KmsKeyArn"], &shown["Target"]["Input"]),
        (&key, &json!("a secret <aws.scheduler.attempt-number>"))
    );
    assert_eq!(ok(&client, "GetSchedule", json!({"Name": "none"})).await["Target"].get("Input"), None);
    pass(&cloud, 60).await;
    let told = bodies(&client, &url).await;
    assert_eq!(told[..2], ["a plain one", "a secret 1"]);
    assert!(told[2].contains("Scheduled Event"));
}

#[tokio::test]
async fn a_role_that_may_not_decrypt_invokes_nothing_and_a_key_that_cannot_be_used_makes_nothing() {
    let (cloud, client, url) = noon().await;
    let key = client.call("kms", "CreateKey", json!({})).await.ok()["KeyMetadata"]["Arn"].clone();
    role(&client, "poor", &["sqs:*"]).await;
    let poor = json!({"RoleArn": "arn:aws:iam::000000000000:role/poor", "RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": QUEUE}});
    create(&client, "at(2026-03-01T12:01:00)", json!({"KmsKeyArn": key, "Target": poor})).await;
    pass(&cloud, 60).await;
    let told = messages(&client, &url).await;
    assert_eq!((told.len(), told[0]["Body"].as_str()), (1, Some("{}")));
    assert_eq!(told[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"], "AccessDeniedException");
    let pair = json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"});
    let pair = client.call("kms", "CreateKey", pair).await.ok()["KeyMetadata"]["Arn"].clone();
    let gone = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";
    for wrong in [pair, json!(gone)] {
        let input = schedule("rate(1 day)", &json!({"Name": "t", "KmsKeyArn": wrong}));
        assert_eq!(refused(&client, "CreateSchedule", input).await.0, "ValidationException", "{wrong}");
    }
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    assert_eq!(refused(&client, "GetSchedule", json!({"Name": "s"})).await.0, "ValidationException");
}
