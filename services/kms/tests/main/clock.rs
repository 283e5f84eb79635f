//! What changes as time goes by: keys are deleted and rotated.

use super::*;

const DAY: u64 = 24 * 60 * 60;

async fn frozen() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let client = cloud.client();
    (cloud, client)
}

async fn advance(cloud: &Cloud, days: u64) {
    cloud.kernel.advance(Duration::from_secs(days * DAY)).await.unwrap();
}

async fn state(client: &Client, id: &str) -> String {
    let described = call(client, "DescribeKey", json!({"KeyId": id})).await;
    described["KeyMetadata"]["KeyState"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_deleted_when_its_days_are_over_and_not_before() {
    let (cloud, client) = frozen().await;
    let (id, arn) = key(&client, json!({})).await;
    call(&client, "CreateAlias", json!({"AliasName": "alias/a", "TargetKeyId": id})).await;
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    let scheduled = call(&client, "ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7})).await;
    assert_eq!((&scheduled["KeyState"], &scheduled["PendingWindowInDays"]), (&json!("PendingDeletion"), &json!(7)));
    let (code, message) = refused(&client, "Decrypt", json!({"CiphertextBlob": blob})).await;
    assert_eq!((code, message), ("KMSInvalidStateException".to_owned(), format!("{arn} is pending deletion.")));
    advance(&cloud, 6).await;
    assert_eq!(state(&client, &id).await, "PendingDeletion");
    advance(&cloud, 1).await;
    let (code, message) = refused(&client, "DescribeKey", json!({"KeyId": id})).await;
    assert_eq!((code, message), ("NotFoundException".to_owned(), format!("Key '{arn}' does not exist")));
    assert_eq!(refused(&client, "DescribeKey", json!({"KeyId": "alias/a"})).await.0, "NotFoundException");
    assert_eq!(call(&client, "ListAliases", json!({})).await["Aliases"], json!([]));
    assert_eq!(refused(&client, "Decrypt", json!({"CiphertextBlob": blob})).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn a_deletion_that_is_taken_back_leaves_the_key_switched_off() {
    let (cloud, client) = frozen().await;
    let (id, arn) = key(&client, json!({})).await;
    call(&client, "ScheduleKeyDeletion", json!({"KeyId": id})).await;
    let described = call(&client, "DescribeKey", json!({"KeyId": id})).await;
    assert!(described["KeyMetadata"]["DeletionDate"].is_number());
    assert_eq!(call(&client, "CancelKeyDeletion", json!({"KeyId": id})).await["KeyId"], json!(arn));
    advance(&cloud, 40).await;
    assert_eq!(state(&client, &id).await, "Disabled");
    assert_eq!(refused(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await.0, "DisabledException");
    call(&client, "EnableKey", json!({"KeyId": id})).await;
    call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await;
}

#[tokio::test]
async fn a_rotated_key_decrypts_what_it_encrypted_before() {
    let (cloud, client) = frozen().await;
    let (id, _) = key(&client, json!({})).await;
    let before =
        call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("old")})).await["CiphertextBlob"].clone();
    call(&client, "EnableKeyRotation", json!({"KeyId": id, "RotationPeriodInDays": 90})).await;
    let status = call(&client, "GetKeyRotationStatus", json!({"KeyId": id})).await;
    assert_eq!((&status["KeyRotationEnabled"], &status["RotationPeriodInDays"]), (&json!(true), &json!(90)));
    advance(&cloud, 89).await;
    assert_eq!(call(&client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"], json!([]));
    advance(&cloud, 92).await;
    let rotations = call(&client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"].clone();
    assert_eq!(rotations.as_array().unwrap().len(), 2);
    assert_eq!(
        (&rotations[0]["RotationType"], &rotations[1]["KeyMaterialState"]),
        (&json!("AUTOMATIC"), &json!("CURRENT"))
    );
    let all = call(&client, "ListKeyRotations", json!({"KeyId": id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"})).await;
    assert_eq!(all["Rotations"].as_array().unwrap().len(), 3);
    let page = call(&client, "ListKeyRotations", json!({"KeyId": id, "Limit": 1})).await;
    let next = call(&client, "ListKeyRotations", json!({"KeyId": id, "Marker": page["NextMarker"]})).await;
    assert_eq!(next["Rotations"], json!([rotations[1]]));
    let (code, _) = refused(&client, "ListKeyRotations", json!({"KeyId": id, "Marker": "x"})).await;
    assert_eq!(code, "InvalidMarkerException");
    let after = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("new")})).await["CiphertextBlob"].clone();
    let (old, new) = (
        call(&client, "Decrypt", json!({"CiphertextBlob": before})).await,
        call(&client, "Decrypt", json!({"CiphertextBlob": after})).await,
    );
    assert_eq!((&old["Plaintext"], &new["Plaintext"]), (&json!(b64("old")), &json!(b64("new"))));
    assert_eq!(
        (&old["KeyMaterialId"], &new["KeyMaterialId"]),
        (&all["Rotations"][0]["KeyMaterialId"], &all["Rotations"][2]["KeyMaterialId"])
    );
    call(&client, "DisableKeyRotation", json!({"KeyId": id})).await;
    advance(&cloud, 200).await;
    let rotations = call(&client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"].clone();
    assert_eq!(rotations.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_that_is_switched_off_is_rotated_when_it_is_switched_on() {
    let (cloud, client) = frozen().await;
    let (id, _) = key(&client, json!({})).await;
    call(&client, "EnableKeyRotation", json!({"KeyId": id})).await;
    call(&client, "DisableKey", json!({"KeyId": id})).await;
    advance(&cloud, 400).await;
    assert_eq!(call(&client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"], json!([]));
    call(&client, "EnableKey", json!({"KeyId": id})).await;
    advance(&cloud, 0).await;
    let rotations = call(&client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"].clone();
    assert_eq!(rotations.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_is_rotated_on_demand_twenty_five_times() {
    let (_cloud, client) = frozen().await;
    let (id, arn) = key(&client, json!({})).await;
    for _ in 0..25 {
        assert_eq!(call(&client, "RotateKeyOnDemand", json!({"KeyId": id})).await["KeyId"], json!(arn));
    }
    let (code, message) = refused(&client, "RotateKeyOnDemand", json!({"KeyId": id})).await;
    assert_eq!(code, "LimitExceededException");
    assert_eq!(
        message,
        format!(
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {arn}"
        )
    );
    let rotations = call(&client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"].clone();
    assert_eq!((rotations.as_array().unwrap().len(), &rotations[0]["RotationType"]), (25, &json!("ON_DEMAND")));
}
