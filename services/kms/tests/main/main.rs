//! KMS through a real socket.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod clock;
mod grants;
mod imports;
mod lattices;
mod managed;
mod objects;
mod pairs;
mod properties;
mod regions;
mod templates;
mod usage;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_kms::Kms;
use undercast_sts::Sts;
use undercast_testkit::{Client, Cloud, Credentials, conformance};
use undercast_wire::text;

const ACCOUNT: &str = "000000000000";

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Kms), Arc::new(Iam), Arc::new(Sts)]
}

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("kms", operation, input).await.ok()
}

/// Code and message of the error of a call.
async fn refused(client: &Client, operation: &str, input: Json) -> (String, String) {
    let answer = client.call("kms", operation, input).await;
    (answer.code().to_owned(), answer.json["message"].as_str().unwrap_or_default().to_owned())
}

/// Id and ARN of a new key.
async fn key(client: &Client, input: Json) -> (String, String) {
    let made = call(client, "CreateKey", input).await["KeyMetadata"].clone();
    (made["KeyId"].as_str().unwrap().to_owned(), made["Arn"].as_str().unwrap().to_owned())
}

fn b64(text: &str) -> String {
    text::base64(text.as_bytes())
}

async fn user(cloud: &Cloud, account: &str, name: &str, policy: Option<Json>) -> Client {
    let root = cloud.client_of(Credentials::new(account, "test"));
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    if let Some(statement) = policy {
        let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let input = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy});
        root.call("iam", "PutUserPolicy", input).await.ok();
    }
    let made = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "kms", services).await;
    assert!(coverage.cases > 50, "{coverage:?}");
}

#[tokio::test]
async fn what_is_encrypted_is_decrypted_with_its_context_and_nothing_else() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, arn) = key(&client, json!({})).await;
    let context = json!({"app": "shop", "user": "7"});
    let input = json!({"KeyId": id, "Plaintext": b64("hello"), "EncryptionContext": context});
    let made = call(&client, "Encrypt", input).await;
    assert_eq!((&made["KeyId"], &made["EncryptionAlgorithm"]), (&json!(arn), &json!("SYMMETRIC_DEFAULT")));
    let blob = made["CiphertextBlob"].as_str().unwrap();
    assert!(!String::from_utf8_lossy(&text::unbase64(blob).unwrap()).contains("hello"));
    let opened = call(&client, "Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": context})).await;
    assert_eq!((&opened["Plaintext"], &opened["KeyId"]), (&json!(b64("hello")), &json!(arn)));
    let described = call(&client, "DescribeKey", json!({"KeyId": id})).await;
    assert_eq!(opened["KeyMaterialId"], described["KeyMetadata"]["CurrentKeyMaterialId"]);
    for wrong in
        [json!({}), json!({"app": "shop"}), json!({"app": "shop", "user": "8"}), json!({"apps": "hop", "user": "7"})]
    {
        let (code, message) =
            refused(&client, "Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": wrong})).await;
        assert_eq!((code.as_str(), message.as_str()), ("InvalidCiphertextException", ""), "{wrong}");
    }
    // Each bit counts, wherever it stands, and so does the end.
    let bytes = text::unbase64(blob).unwrap();
    let turned = (0..bytes.len()).map(|at| [&bytes[..at], &[bytes[at] ^ 1], &bytes[at + 1..]].concat());
    let cut = (1..bytes.len()).map(|length| bytes[..length].to_vec());
    for (at, changed) in turned.chain(cut).enumerate() {
        let input = json!({"CiphertextBlob": text::base64(&changed), "EncryptionContext": context});
        let answer = client.call("kms", "Decrypt", input).await;
        assert!(["InvalidCiphertextException", "AccessDeniedException"].contains(&answer.code()), "change {at}");
    }
}

#[tokio::test]
async fn a_data_key_is_what_its_ciphertext_holds() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    for (input, length) in [
        (json!({"KeySpec": "AES_128"}), 16),
        (json!({"KeySpec": "AES_256"}), 32),
        (json!({"NumberOfBytes": 1024}), 1024),
    ] {
        for operation in ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"] {
            let mut input = input.clone();
            input["KeyId"] = json!(id);
            input["EncryptionContext"] = json!({"a": "b"});
            let made = call(&client, operation, input).await;
            let opened = call(
                &client,
                "Decrypt",
                json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": {"a": "b"}}),
            )
            .await;
            assert_eq!(text::unbase64(opened["Plaintext"].as_str().unwrap()).unwrap().len(), length);
            assert_eq!(made["KeyMaterialId"], opened["KeyMaterialId"]);
            if operation == "GenerateDataKey" {
                assert_eq!(made["Plaintext"], opened["Plaintext"]);
            } else {
                assert!(made["Plaintext"].is_null());
            }
        }
    }
    let one = call(&client, "GenerateRandom", json!({"NumberOfBytes": 100})).await["Plaintext"].clone();
    let other = call(&client, "GenerateRandom", json!({"NumberOfBytes": 100})).await["Plaintext"].clone();
    assert_eq!(text::unbase64(one.as_str().unwrap()).unwrap().len(), 100);
    assert_ne!(one, other);
}

#[tokio::test]
async fn re_encryption_moves_data_to_another_key_and_context() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ((from, from_arn), (to, to_arn)) = (key(&client, json!({})).await, key(&client, json!({})).await);
    let made =
        call(&client, "Encrypt", json!({"KeyId": from, "Plaintext": b64("x"), "EncryptionContext": {"a": "1"}})).await;
    let input = json!({"CiphertextBlob": made["CiphertextBlob"], "SourceEncryptionContext": {"a": "1"}, "SourceKeyId": from,
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DestinationKeyId": to, "DestinationEncryptionContext": {"b": "2"},
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT"});
    let moved = call(&client, "ReEncrypt", input.clone()).await;
    assert_eq!((&moved["SourceKeyId"], &moved["KeyId"]), (&json!(from_arn), &json!(to_arn)));
    assert_ne!(moved["SourceKeyMaterialId"], moved["DestinationKeyMaterialId"]);
    let opened = call(
        &client,
        "Decrypt",
        json!({"CiphertextBlob": moved["CiphertextBlob"], "EncryptionContext": {"b": "2"}, "KeyId": to}),
    )
    .await;
    assert_eq!(opened["Plaintext"], json!(b64("x")));
    let mut wrong = input;
    wrong["SourceKeyId"] = json!(to);
    assert_eq!(refused(&client, "ReEncrypt", wrong).await.0, "IncorrectKeyException");
}

#[tokio::test]
async fn a_trial_does_nothing_but_say_that_it_would_have_gone_well() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    for (operation, input) in [
        ("Encrypt", json!({"KeyId": id, "Plaintext": b64("x"), "DryRun": true})),
        ("Decrypt", json!({"CiphertextBlob": blob, "DryRun": true})),
        ("Decrypt", json!({"KeyId": id, "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]})),
        ("ReEncrypt", json!({"CiphertextBlob": blob, "DestinationKeyId": id, "DryRun": true})),
        (
            "ReEncrypt",
            json!({"SourceKeyId": id, "DestinationKeyId": id, "DryRun": true, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}),
        ),
        ("GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256", "DryRun": true})),
        ("GenerateDataKeyWithoutPlaintext", json!({"KeyId": id, "KeySpec": "AES_256", "DryRun": true})),
        ("GenerateDataKeyPair", json!({"KeyId": id, "KeyPairSpec": "ECC_NIST_P256", "DryRun": true})),
        ("GenerateDataKeyPairWithoutPlaintext", json!({"KeyId": id, "KeyPairSpec": "ECC_NIST_P256", "DryRun": true})),
    ] {
        let (code, message) = refused(&client, operation, input).await;
        assert_eq!(code, "DryRunOperationException", "{operation}");
        assert_eq!(message, "The request would have succeeded, but the DryRun option is set.");
    }
    let modifiers = json!({"KeyId": id, "CiphertextBlob": blob, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]});
    assert_eq!(refused(&client, "Decrypt", modifiers).await.0, "ValidationException");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let mut ids = Vec::new();
    for number in 0..5 {
        let (id, _) = key(&client, json!({})).await;
        call(&client, "CreateAlias", json!({"AliasName": format!("alias/{number}"), "TargetKeyId": id})).await;
        ids.push(id);
    }
    ids.sort();
    let mut found = Vec::new();
    let mut input = json!({"Limit": 2});
    loop {
        let page = call(&client, "ListKeys", input.clone()).await;
        found.extend(page["Keys"].as_array().unwrap().iter().map(|k| k["KeyId"].as_str().unwrap().to_owned()));
        if page["Truncated"] == json!(false) {
            break;
        }
        input["Marker"] = page["NextMarker"].clone();
    }
    assert_eq!(found, ids);
    let first = call(&client, "ListAliases", json!({"Limit": 4})).await;
    assert_eq!((first["Aliases"].as_array().unwrap().len(), &first["Truncated"]), (4, &json!(true)));
    let rest = call(&client, "ListAliases", json!({"Marker": first["NextMarker"]})).await;
    assert_eq!(rest["Aliases"][0]["AliasName"], "alias/4");
    let (code, _) = refused(&client, "ListKeys", json!({"Marker": first["NextMarker"]})).await;
    assert_eq!(code, "InvalidMarkerException");
    let own = call(&client, "ListKeys", json!({"ResourceOwners": ["OTHER_ACCOUNTS_VIA_RAM"]})).await;
    assert_eq!(own["Keys"], json!([]));
}

#[tokio::test]
async fn a_key_is_known_by_four_names() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, arn) = key(&client, json!({})).await;
    call(&client, "CreateAlias", json!({"AliasName": "alias/mine", "TargetKeyId": arn})).await;
    let alias_arn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/mine");
    for name in [&id, &arn, "alias/mine", &alias_arn] {
        let made = call(&client, "Encrypt", json!({"KeyId": name, "Plaintext": b64("x")})).await;
        assert_eq!(made["KeyId"], json!(arn));
        let opened = call(&client, "Decrypt", json!({"KeyId": name, "CiphertextBlob": made["CiphertextBlob"]})).await;
        assert_eq!(opened["Plaintext"], json!(b64("x")));
    }
    // Another region has none of it.
    let elsewhere = client.in_region("eu-west-1");
    let (code, message) = refused(&elsewhere, "DescribeKey", json!({"KeyId": arn})).await;
    assert_eq!((code.as_str(), message.as_str()), ("NotFoundException", "Invalid arn us-east-1"));
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    let (code, message) = refused(&elsewhere, "Decrypt", json!({"CiphertextBlob": blob})).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.starts_with("The ciphertext refers to a customer master key that does not exist"), "{message}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_by_any_operation() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (here, _) = key(&client, json!({})).await;
    let grant = "0".repeat(64);
    let operations = [
        ("CancelKeyDeletion", json!({})),
        ("CreateGrant", json!({"GranteePrincipal": "arn:aws:iam::000000000000:user/a", "Operations": ["Encrypt"]})),
        ("Decrypt", json!({"CiphertextBlob": b64("x"), "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"})),
        ("DeriveSharedSecret", json!({"KeyAgreementAlgorithm": "ECDH", "PublicKey": b64("x")})),
        ("DescribeKey", json!({})),
        ("DisableKey", json!({})),
        ("DisableKeyRotation", json!({})),
        ("EnableKey", json!({})),
        ("EnableKeyRotation", json!({})),
        ("Encrypt", json!({"Plaintext": b64("x")})),
        ("GenerateDataKey", json!({"KeySpec": "AES_256"})),
        ("GenerateDataKeyPair", json!({"KeyPairSpec": "RSA_2048"})),
        ("GenerateDataKeyPairWithoutPlaintext", json!({"KeyPairSpec": "RSA_2048"})),
        ("GenerateDataKeyWithoutPlaintext", json!({"KeySpec": "AES_256"})),
        ("GenerateMac", json!({"Message": b64("x"), "MacAlgorithm": "HMAC_SHA_256"})),
        ("GetKeyPolicy", json!({})),
        ("GetKeyRotationStatus", json!({})),
        ("GetPublicKey", json!({})),
        ("ListAliases", json!({})),
        ("ListGrants", json!({})),
        ("ListKeyPolicies", json!({})),
        ("ListKeyRotations", json!({})),
        ("ListResourceTags", json!({})),
        ("PutKeyPolicy", json!({"Policy": "{}"})),
        ("RevokeGrant", json!({"GrantId": grant})),
        ("RotateKeyOnDemand", json!({})),
        ("ScheduleKeyDeletion", json!({})),
        ("Sign", json!({"Message": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256"})),
        ("TagResource", json!({"Tags": [{"TagKey": "a", "TagValue": "b"}]})),
        ("UntagResource", json!({"TagKeys": ["a"]})),
        ("UpdateKeyDescription", json!({"Description": "d"})),
        ("Verify", json!({"Message": b64("x"), "Signature": b64("x"), "SigningAlgorithm": "ECDSA_SHA_256"})),
        ("VerifyMac", json!({"Message": b64("x"), "Mac": b64("x"), "MacAlgorithm": "HMAC_SHA_256"})),
    ];
    let invalid_arn = |operation: &str| {
        let found = Kms.api().operations.iter().find(|o| o.name == operation).unwrap();
        if found.errors.iter().any(|e| e.name == "InvalidArnException") {
            "InvalidArnException"
        } else {
            "NotFoundException"
        }
    };
    for (operation, input) in operations {
        for (id, code) in [
            ("01234567-89ab-cdef-0123-456789abcdef", "NotFoundException"),
            ("arn:aws:kms:us-east-1:000000000000:nothing", invalid_arn(operation)),
            ("mrk-fake-key-id", "NotFoundException"),
        ] {
            let mut input = input.clone();
            input["KeyId"] = json!(id);
            assert_eq!(refused(&client, operation, input).await.0, code, "{operation} of {id}");
        }
    }
    for id in ["01234567-89ab-cdef-0123-456789abcdef", "alias/none"] {
        let input = json!({"CiphertextBlob": b64("x"), "SourceKeyId": here, "SourceEncryptionAlgorithm": "RSAES_OAEP_SHA_1", "DestinationKeyId": id});
        assert_eq!(refused(&client, "ReEncrypt", input).await.0, "NotFoundException");
    }
}

#[tokio::test]
async fn a_key_has_fifty_tags_and_no_more() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let tags = |count: usize| (0..count).map(|n| json!({"TagKey": format!("k{n}"), "TagValue": "v"})).collect::<Json>();
    let many = ("TagException".to_owned(), "Too many tags".to_owned());
    assert_eq!(refused(&client, "CreateKey", json!({"Tags": tags(51)})).await, many);
    let (id, _) = key(&client, json!({"Tags": tags(50)})).await;
    call(&client, "TagResource", json!({"KeyId": id, "Tags": tags(7)})).await;
    assert_eq!(
        refused(&client, "TagResource", json!({"KeyId": id, "Tags": [{"TagKey": "more", "TagValue": "v"}]})).await,
        many
    );
    let long = json!({"Tags": [{"TagKey": "k", "TagValue": "v".repeat(257)}]});
    let (code, message) = refused(&client, "CreateKey", long).await;
    assert_eq!(code, "ValidationException");
    assert!(message.ends_with("at 'tags.1.member.tagValue' failed to satisfy constraint: Member must have length less than or equal to 256"), "{message}");
    let page = call(&client, "ListResourceTags", json!({"KeyId": id, "Limit": 49})).await;
    let rest = call(&client, "ListResourceTags", json!({"KeyId": id, "Marker": page["NextMarker"]})).await;
    assert_eq!((&page["Truncated"], rest["Tags"].as_array().map(Vec::len)), (&json!(true), Some(1)));
}

#[tokio::test]
async fn a_key_has_fifty_aliases_and_no_more() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ((full, _), (other, _)) = (key(&client, json!({})).await, key(&client, json!({})).await);
    for number in 0..50 {
        let input = json!({"AliasName": format!("alias/{number}"), "TargetKeyId": full});
        call(&client, "CreateAlias", input).await;
    }
    let one_more = |target: &str| json!({"AliasName": "alias/more", "TargetKeyId": target});
    assert_eq!(refused(&client, "CreateAlias", one_more(&full)).await.0, "LimitExceededException");
    call(&client, "CreateAlias", one_more(&other)).await;
    assert_eq!(refused(&client, "UpdateAlias", one_more(&full)).await.0, "LimitExceededException");
    call(&client, "DeleteAlias", json!({"AliasName": "alias/7"})).await;
    call(&client, "UpdateAlias", one_more(&full)).await;
    let told = call(&client, "ListAliases", json!({"KeyId": other})).await;
    assert_eq!(told["Aliases"], json!([]));
}
