//! What keys remember of their last use, and what nobody can make of what they gave.

use super::*;

async fn last(client: &Client, id: &str) -> Json {
    call(client, "GetKeyLastUsage", json!({"KeyId": id})).await
}

#[tokio::test]
async fn a_key_remembers_what_it_was_used_for_last() {
    let cloud = Cloud::durable(services()).await;
    cloud.kernel.clock().freeze();
    let client = cloud.client();
    let (id, arn) = key(&client, json!({})).await;
    let (other, _) = key(&client, json!({})).await;
    let told = last(&client, &id).await;
    assert_eq!((&told["KeyId"], &told["KeyLastUsage"]), (&json!(arn), &Json::Null));
    assert_eq!(told["TrackingStartDate"], told["KeyCreationDate"]);
    let blob = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("x")})).await["CiphertextBlob"].clone();
    let first = last(&client, &arn).await["KeyLastUsage"].clone();
    assert_eq!(first["Operation"], json!("Encrypt"));
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    // Neither what was only tried nor what failed is a use, nor what only looks.
    let dry = json!({"KeyId": id, "Plaintext": b64("x"), "DryRun": true});
    assert_eq!(refused(&client, "Encrypt", dry).await.0, "DryRunOperationException");
    let wrong = json!({"CiphertextBlob": blob, "EncryptionContext": {"a": "b"}});
    assert_eq!(refused(&client, "Decrypt", wrong).await.0, "InvalidCiphertextException");
    call(&client, "DescribeKey", json!({"KeyId": id})).await;
    assert_eq!(last(&client, &id).await["KeyLastUsage"], first);
    // Both sides of a new encryption are used.
    call(&client, "ReEncrypt", json!({"CiphertextBlob": blob, "DestinationKeyId": other})).await;
    for id in [&id, &other] {
        let used = last(&client, id).await["KeyLastUsage"].clone();
        assert_eq!(used["Operation"], json!("ReEncrypt"));
        assert_eq!(used["Timestamp"].as_f64().unwrap(), first["Timestamp"].as_f64().unwrap() + 60.0);
    }
    // The call is the one that its record tells of.
    let answer = client.call("kms", "GenerateDataKey", json!({"KeyId": id, "KeySpec": "AES_256"})).await;
    let used = last(&client, &id).await["KeyLastUsage"].clone();
    assert_eq!(used["Operation"], json!("GenerateDataKey"));
    let record = cloud.kernel.trail().find(used["KmsRequestId"].as_str().unwrap()).unwrap();
    assert_eq!((record.operation, &used["CloudTrailEventId"]), ("GenerateDataKey", &json!(record.event_id)));
    answer.ok();
    let user =
        user(&cloud, ACCOUNT, "user", Some(json!({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"})))
            .await;
    assert_eq!(refused(&user, "GetKeyLastUsage", json!({"KeyId": id})).await.0, "AccessDeniedException");
    call(&user, "DescribeKey", json!({"KeyId": id})).await;
}

#[tokio::test]
async fn a_ciphertext_or_token_with_one_bent_byte_is_worth_nothing() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    let made = call(&client, "Encrypt", json!({"KeyId": id, "Plaintext": b64("hello")})).await;
    let blob = text::unbase64(made["CiphertextBlob"].as_str().unwrap()).unwrap();
    for at in 0..blob.len() {
        let mut bent = blob.clone();
        bent[at] ^= 1;
        for input in [
            json!({"CiphertextBlob": text::base64(&bent)}),
            json!({"CiphertextBlob": text::base64(&bent), "KeyId": id}),
        ] {
            let code = refused(&client, "Decrypt", input).await.0;
            let known = ["InvalidCiphertextException", "AccessDeniedException", "IncorrectKeyException"];
            assert!(known.contains(&code.as_str()), "byte {at}: {code}");
        }
        let cut = json!({"CiphertextBlob": text::base64(&blob[..=at])});
        assert_eq!(client.call("kms", "Decrypt", cut).await.status < 300, at + 1 == blob.len(), "cut behind {at}");
    }
    let grant =
        json!({"KeyId": id, "GranteePrincipal": format!("arn:aws:iam::{ACCOUNT}:root"), "Operations": ["Decrypt"]});
    let token = call(&client, "CreateGrant", grant).await["GrantToken"].as_str().unwrap().to_owned();
    let input = |token: &str| json!({"KeyId": id, "Plaintext": b64("x"), "GrantTokens": [token]});
    call(&client, "Encrypt", input(&token)).await;
    for at in 0..token.len() {
        let mut bent = token.clone().into_bytes();
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).unwrap();
        assert_eq!(refused(&client, "Encrypt", input(&bent)).await.0, "InvalidGrantTokenException", "byte {at}");
    }
}
