//! Keys of a cloud that is killed without warning.

use serde_json::json;
use undercast_testkit::Folder;

use crate::cloud::Cloud;

#[tokio::test]
async fn a_key_decrypts_after_a_crash_what_it_encrypted_before() {
    let home = Folder::new();
    let data = home.0.join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let cloud = Cloud::start(&home.0, &arguments);
    let key = cloud.client.call("kms", "CreateKey", json!({})).await.ok()["KeyMetadata"]["KeyId"].clone();
    let input = json!({"KeyId": key, "Plaintext": "eA==", "EncryptionContext": {"a": "b"}});
    let blob = cloud.client.call("kms", "Encrypt", input).await.ok()["CiphertextBlob"].clone();
    cloud.client.call("kms", "RotateKeyOnDemand", json!({"KeyId": key})).await.ok();
    drop(cloud);
    let cloud = Cloud::start(&home.0, &arguments);
    let input = json!({"CiphertextBlob": blob, "EncryptionContext": {"a": "b"}});
    let opened = cloud.client.call("kms", "Decrypt", input).await.ok();
    assert_eq!(opened["Plaintext"], "eA==");
    let rotations = cloud.client.call("kms", "ListKeyRotations", json!({"KeyId": key})).await.ok();
    assert_eq!(rotations["Rotations"].as_array().map(Vec::len), Some(1));
}
