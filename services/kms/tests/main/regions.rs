//! Keys of many Regions.

use super::*;

const DAY: u64 = 24 * 60 * 60;

async fn family(client: &Client, region: &str) -> (String, Client) {
    let (id, arn) = key(client, json!({"MultiRegion": true})).await;
    assert!(id.starts_with("mrk-"), "{id}");
    let made = call(client, "ReplicateKey", json!({"KeyId": arn, "ReplicaRegion": region, "Description": "copy", "Tags": [{"TagKey": "a", "TagValue": "b"}]})).await;
    let told = &made["ReplicaKeyMetadata"];
    assert_eq!(told["Arn"], json!(format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}")));
    assert_eq!((&told["Description"], &made["ReplicaTags"][0]["TagKey"]), (&json!("copy"), &json!("a")));
    assert!(made["ReplicaPolicy"].as_str().unwrap().contains("key-default-1"));
    (id, client.in_region(region))
}

async fn described(client: &Client, id: &str) -> Json {
    call(client, "DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone()
}

#[tokio::test]
async fn what_one_encrypts_its_relatives_decrypt() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, there) = family(&client, "eu-west-1").await;
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x"), "EncryptionContext": {"a": "b"}}))
        .await["CiphertextBlob"]
        .clone();
    let opened = call(&there, "Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": {"a": "b"}})).await;
    assert_eq!(
        (&opened["Plaintext"], &opened["KeyId"]),
        (&json!(b64("x")), &json!(format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{id}")))
    );
    // What one rotates in, the other has.
    call(&client, "RotateKeyOnDemand", json!({"KeyId": id})).await;
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("y")})).await["CiphertextBlob"].clone();
    assert_eq!(call(&there, "Decrypt", json!({"CiphertextBlob": blob})).await["Plaintext"], json!(b64("y")));
    // Each is switched by itself.
    call(&there, "DisableKey", json!({"KeyId": id})).await;
    assert_eq!(
        (&described(&client, &id).await["Enabled"], &described(&there, &id).await["Enabled"]),
        (&json!(true), &json!(false))
    );
    let told = described(&there, &id).await["MultiRegionConfiguration"].clone();
    let primary = json!({"Arn": format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}"), "Region": "us-east-1"});
    assert_eq!((&told["MultiRegionKeyType"], &told["PrimaryKey"]), (&json!("REPLICA"), &primary));
    assert_eq!(told["ReplicaKeys"][0]["Region"], "eu-west-1");
}

#[tokio::test]
async fn the_primary_key_rotates_for_all_wherever_it_is() {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let client = cloud.client();
    let (id, there) = family(&client, "eu-west-1").await;
    for operation in ["EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"] {
        assert_eq!(refused(&there, operation, json!({"KeyId": id})).await.0, "UnsupportedOperationException");
    }
    call(&client, "EnableKeyRotation", json!({"KeyId": id, "RotationPeriodInDays": 100})).await;
    assert_eq!(call(&there, "GetKeyRotationStatus", json!({"KeyId": id})).await["RotationPeriodInDays"], json!(100));
    call(&client, "UpdatePrimaryRegion", json!({"KeyId": id, "PrimaryRegion": "eu-west-1"})).await;
    assert_eq!(described(&there, &id).await["MultiRegionConfiguration"]["MultiRegionKeyType"], "PRIMARY");
    assert_eq!(described(&client, &id).await["MultiRegionConfiguration"]["ReplicaKeys"][0]["Region"], "us-east-1");
    cloud.kernel.advance(Duration::from_secs(101 * DAY)).await.unwrap();
    for client in [&client, &there] {
        let rotations = call(client, "ListKeyRotations", json!({"KeyId": id})).await["Rotations"].clone();
        assert_eq!(rotations.as_array().unwrap().len(), 1);
    }
    assert_eq!(
        described(&there, &id).await["CurrentKeyMaterialId"],
        described(&client, &id).await["CurrentKeyMaterialId"]
    );
}

#[tokio::test]
async fn a_primary_key_waits_for_its_replicas() {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let client = cloud.client();
    let (id, there) = family(&client, "eu-west-1").await;
    let scheduled = call(&client, "ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 10})).await;
    assert_eq!((&scheduled["KeyState"], &scheduled["DeletionDate"]), (&json!("PendingReplicaDeletion"), &Json::Null));
    assert_eq!(described(&client, &id).await["PendingDeletionWindowInDays"], json!(10));
    let (code, message) = refused(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await;
    assert_eq!(code, "KMSInvalidStateException");
    assert!(message.ends_with("is pending replica deletion."), "{message}");
    call(&there, "ScheduleKeyDeletion", json!({"KeyId": id, "PendingWindowInDays": 7})).await;
    cloud.kernel.advance(Duration::from_secs(7 * DAY)).await.unwrap();
    assert_eq!(refused(&there, "DescribeKey", json!({"KeyId": id})).await.0, "NotFoundException");
    assert_eq!(described(&client, &id).await["KeyState"], json!("PendingDeletion"));
    cloud.kernel.advance(Duration::from_secs(9 * DAY)).await.unwrap();
    assert_eq!(described(&client, &id).await["KeyState"], json!("PendingDeletion"));
    cloud.kernel.advance(Duration::from_secs(DAY)).await.unwrap();
    assert_eq!(refused(&client, "DescribeKey", json!({"KeyId": id})).await.0, "NotFoundException");
}

#[tokio::test]
async fn a_primary_key_that_is_not_deleted_after_all_is_switched_off() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = family(&client, "eu-west-1").await;
    call(&client, "ScheduleKeyDeletion", json!({"KeyId": id})).await;
    call(&client, "CancelKeyDeletion", json!({"KeyId": id})).await;
    assert_eq!(described(&client, &id).await["KeyState"], json!("Disabled"));
}

#[tokio::test]
async fn only_a_primary_key_in_use_is_replicated() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, there) = family(&client, "eu-west-1").await;
    let (single, arn) = key(&client, json!({})).await;
    let locked = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "kms:*", "Resource": "*"}]}).to_string();
    for (client, id, region, more, code) in [
        (&client, &id, "eu-west-1", json!({}), "AlreadyExistsException"),
        (&client, &id, "us-east-1", json!({}), "AlreadyExistsException"),
        (&client, &single, "eu-west-1", json!({}), "UnsupportedOperationException"),
        (&there, &id, "eu-central-1", json!({}), "UnsupportedOperationException"),
        (&client, &id, "mars-north-1", json!({}), "ValidationException"),
        (&client, &id, "cn-north-1", json!({}), "ValidationException"),
        (&client, &id, "eu-central-1", json!({"Policy": "{"}), "MalformedPolicyDocumentException"),
        (&client, &id, "eu-central-1", json!({"Policy": locked}), "MalformedPolicyDocumentException"),
        (&client, &id, "eu-central-1", json!({"Tags": [{"TagKey": "aws:a", "TagValue": "b"}]}), "TagException"),
        (&client, &"nonsense".to_owned(), "eu-central-1", json!({}), "NotFoundException"),
        (&client, &"arn:aws:kms:us-east-1:000000000000:x".to_owned(), "eu-central-1", json!({}), "InvalidArnException"),
    ] {
        let mut input = more;
        input["KeyId"] = json!(id);
        input["ReplicaRegion"] = json!(region);
        assert_eq!(refused(client, "ReplicateKey", input).await.0, code, "{id} in {region}");
    }
    for (id, region, code) in [
        (&id, "eu-central-1", "NotFoundException"),
        (&id, "us-east-1", "NotFoundException"),
        (&single, "eu-west-1", "UnsupportedOperationException"),
        (&"arn:aws:kms:us-east-1:000000000000:x".to_owned(), "eu-west-1", "InvalidArnException"),
    ] {
        let input = json!({"KeyId": id, "PrimaryRegion": region});
        assert_eq!(refused(&client, "UpdatePrimaryRegion", input).await.0, code, "{id} in {region}");
    }
    let locked_out =
        json!({"KeyId": id, "ReplicaRegion": "eu-central-1", "Policy": locked, "BypassPolicyLockoutSafetyCheck": true});
    call(&client, "ReplicateKey", locked_out).await;
    call(&client, "DisableKey", json!({"KeyId": id})).await;
    for (operation, member) in [("ReplicateKey", "ReplicaRegion"), ("UpdatePrimaryRegion", "PrimaryRegion")] {
        let input = json!({"KeyId": id, member: "eu-west-1"});
        assert_eq!(refused(&client, operation, input).await.0, "DisabledException");
    }
    call(&client, "ScheduleKeyDeletion", json!({"KeyId": id})).await;
    for (operation, member) in [("ReplicateKey", "ReplicaRegion"), ("UpdatePrimaryRegion", "PrimaryRegion")] {
        let input = json!({"KeyId": id, member: "eu-west-1"});
        assert_eq!(refused(&client, operation, input).await.0, "KMSInvalidStateException");
    }
    let told = call(&client, "DescribeKey", json!({"KeyId": arn})).await["KeyMetadata"].clone();
    assert_eq!((&told["MultiRegion"], &told["MultiRegionConfiguration"]), (&json!(false), &Json::Null));
}

#[tokio::test]
async fn conditions_know_replicas() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({"MultiRegion": true})).await;
    let statements = json!([
        {"Effect": "Allow", "Action": "kms:ReplicateKey", "Resource": "*", "Condition": {"StringEquals": {"kms:ReplicaRegion": "eu-west-1", "kms:MultiRegionKeyType": "PRIMARY"}, "Bool": {"kms:MultiRegion": "true"}}},
        {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*", "Condition": {"StringEquals": {"kms:MultiRegionKeyType": "REPLICA"}}}]);
    let caller = user(&cloud, ACCOUNT, "replicator", Some(statements)).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"}]}).to_string();
    let input = |region: &str| json!({"KeyId": id, "ReplicaRegion": region, "Policy": policy, "BypassPolicyLockoutSafetyCheck": true});
    assert_eq!(refused(&caller, "ReplicateKey", input("eu-central-1")).await.0, "AccessDeniedException");
    assert_eq!(refused(&caller, "CreateKey", json!({})).await.0, "AccessDeniedException");
    call(&caller, "ReplicateKey", input("eu-west-1")).await;
    assert_eq!(
        refused(&caller, "UpdatePrimaryRegion", json!({"KeyId": id, "PrimaryRegion": "eu-west-1"})).await.0,
        "AccessDeniedException"
    );
}
