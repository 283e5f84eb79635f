//! Parameters that are sealed with keys of KMS.

use serde_json::json;
use undercast_kernel::store::{Order, Page, Read as _};

use super::*;

fn is_kept(cloud: &Cloud, text: &str) -> bool {
    let all = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let rows = cloud.kernel.database().read().scan(&all).unwrap();
    let mut own = rows.into_iter().filter(|(key, _)| key.starts_with(b"pipes."));
    own.any(|(_, value)| value.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[tokio::test]
async fn parameters_are_sealed_and_opened_by_the_role_and_by_those_who_may() {
    let setup = setup().await;
    let client = &setup.client;
    let key = client.call("kms", "CreateKey", json!({})).await.ok()["KeyMetadata"]["Arn"].clone();
    let secret = json!({"TargetParameters": {"InputTemplate": "a secret <$.body>"}});
    setup.running(merged(secret.clone(), &json!({"KmsKeyIdentifier": key}))).await;
    assert!(!is_kept(&setup.cloud, "a secret"));
    setup.send("x").await;
    assert_eq!(setup.come(1).await, ["a secret x"]);
    let shown = ok(client, "DescribePipe", json!({"Name": "p"})).await;
    assert_eq!((&shown["KmsKeyIdentifier"], &shown["TargetParameters"]), (&key, &secret["TargetParameters"]));
    ok(client, "UpdatePipe", json!({"Name": "p", "RoleArn": ROLE, "KmsKeyIdentifier": ""})).await;
    let shown = setup.settled("p", "RUNNING").await;
    assert!(is_kept(&setup.cloud, "a secret") && shown.get("KmsKeyIdentifier").is_none());
    ok(client, "UpdatePipe", json!({"Name": "p", "RoleArn": ROLE, "KmsKeyIdentifier": key})).await;
    setup.settled("p", "RUNNING").await;
    assert!(!is_kept(&setup.cloud, "a secret"));
    // A role that may not decrypt runs nothing.
    allow(client, "pipe", &["sqs:*"]).await;
    ok(client, "StopPipe", json!({"Name": "p"})).await;
    setup.settled("p", "STOPPED").await;
    ok(client, "StartPipe", json!({"Name": "p"})).await;
    let reason = setup.settled("p", "START_FAILED").await["StateReason"].as_str().unwrap().to_owned();
    assert!(reason.contains("kms:Decrypt"), "{reason}");
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    assert_eq!(refused(client, "DescribePipe", json!({"Name": "p"})).await.0, "ValidationException");
    assert_eq!(
        refused(client, "CreatePipe", pipe(&json!({"Name": "q", "KmsKeyIdentifier": key}))).await.0,
        "ValidationException"
    );
}
