//! Values are sealed with keys of KMS, with the rights of whoever puts and reads them.

use undercast_kernel::store::{Order, Page, Read as _};

use super::*;

async fn key(client: &Client) -> String {
    let made = client.call("kms", "CreateKey", json!({})).await.ok();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_is_stored_in_the_open() {
    let (cloud, client) = noon().await;
    create(&client, json!({"SecretString": "a value that nobody sees"})).await;
    let input = json!({"SecretId": "s", "SecretString": "another that nobody sees", "ClientRequestToken": token(2)});
    ok(&client, "PutSecretValue", input).await;
    let page = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let all = cloud.kernel.database().read().scan(&page).unwrap();
    let has = |row: &[u8], text: &str| row.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(all.iter().any(|(key, _)| has(key, "secretsmanager.versions")));
    assert!(!all.iter().any(|(_, row)| has(row, "that nobody sees")));
    // The AWS managed key is made when it is used first.
    let aliases = client.call("kms", "ListAliases", json!({})).await.ok();
    assert_eq!(aliases["Aliases"][0]["AliasName"], "alias/aws/secretsmanager");
}

#[tokio::test]
async fn the_encryption_context_names_secret_and_version() {
    let (cloud, client) = noon().await;
    let key = key(&client).await;
    let arn = create(&client, json!({"KmsKeyId": key})).await["ARN"].as_str().unwrap().to_owned();
    let user = rights::user(
        &cloud,
        &client,
        "reader",
        json!([
        {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": {"StringEquals": {
            "kms:EncryptionContext:SecretARN": arn, "kms:EncryptionContext:SecretVersionId": token(1),
            "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}}]),
    )
    .await;
    assert_eq!(get(&user, "s").await["SecretString"], "one");
    put(&client, 2, "two").await;
    let why = "Access to KMS is not allowed";
    is_refused(&user, "GetSecretValue", json!({"SecretId": "s"}), "AccessDeniedException", why).await;
    let previous = json!({"SecretId": "s", "VersionStage": "AWSPREVIOUS"});
    assert_eq!(ok(&user, "GetSecretValue", previous).await["SecretString"], "one");
    // Who may not make a data key puts nothing.
    let input = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": token(3)});
    is_refused(&user, "PutSecretValue", input, "AccessDeniedException", why).await;
    assert_eq!(get(&client, "s").await["SecretString"], "two");
}

#[tokio::test]
async fn a_key_that_is_disabled_opens_and_seals_nothing() {
    let (_cloud, client) = noon().await;
    let key = key(&client).await;
    create(&client, json!({"KmsKeyId": key})).await;
    assert_eq!(describe(&client, "s").await["KmsKeyId"], key.as_str());
    let versions = ok(&client, "ListSecretVersionIds", json!({"SecretId": "s"})).await;
    assert_eq!(versions["Versions"][0]["KmsKeyIds"], json!([key]));
    client.call("kms", "DisableKey", json!({"KeyId": key})).await.ok();
    let cannot = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
    is_refused(&client, "GetSecretValue", json!({"SecretId": "s"}), "DecryptionFailure", cannot).await;
    let same = json!({"SecretId": "s", "SecretString": "one", "ClientRequestToken": token(1)});
    is_refused(&client, "PutSecretValue", same.clone(), "DecryptionFailure", cannot).await;
    is_refused(&client, "UpdateSecret", same, "DecryptionFailure", cannot).await;
    let same = json!({"Name": "s", "SecretString": "one", "ClientRequestToken": token(1)});
    is_refused(&client, "CreateSecret", same, "DecryptionFailure", cannot).await;
    let cannot = "Secrets Manager can't encrypt the protected secret text using the provided KMS key.";
    let new = json!({"SecretId": "s", "SecretString": "two", "ClientRequestToken": token(2)});
    is_refused(&client, "PutSecretValue", new.clone(), "EncryptionFailure", cannot).await;
    is_refused(&client, "UpdateSecret", new, "EncryptionFailure", cannot).await;
    for id in [key.as_str(), "alias/nothing"] {
        let new = json!({"Name": "t", "SecretString": "x", "ClientRequestToken": token(1), "KmsKeyId": id});
        is_refused(&client, "CreateSecret", new, "EncryptionFailure", cannot).await;
    }
    is_refused(&client, "DescribeSecret", json!({"SecretId": "t"}), "ResourceNotFoundException", "").await;
    client.call("kms", "EnableKey", json!({"KeyId": key})).await.ok();
    assert_eq!(get(&client, "s").await["SecretString"], "one");
}

#[tokio::test]
async fn another_key_seals_the_labelled_versions_anew() {
    let (_cloud, client) = noon().await;
    let (first, second) = (key(&client).await, key(&client).await);
    create(&client, json!({"KmsKeyId": first})).await;
    put(&client, 2, "two").await;
    put(&client, 3, "three").await;
    ok(&client, "UpdateSecret", json!({"SecretId": "s", "KmsKeyId": second})).await;
    let listed = ok(&client, "ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true})).await;
    let keys: Vec<&Json> = listed["Versions"].as_array().unwrap().iter().map(|v| &v["KmsKeyIds"][0]).collect();
    assert_eq!(keys, [&json!(first), &json!(second), &json!(second)]);
    client.call("kms", "DisableKey", json!({"KeyId": first})).await.ok();
    assert_eq!(get(&client, "s").await["SecretString"], "three");
    let previous = json!({"SecretId": "s", "VersionStage": "AWSPREVIOUS"});
    assert_eq!(ok(&client, "GetSecretValue", previous).await["SecretString"], "two");
    // No key said is the AWS managed one.
    ok(
        &client,
        "UpdateSecret",
        json!({"SecretId": "s", "KmsKeyId": "", "SecretString": "four", "ClientRequestToken": token(4)}),
    )
    .await;
    client.call("kms", "DisableKey", json!({"KeyId": second})).await.ok();
    assert_eq!(get(&client, "s").await["SecretString"], "four");
    assert_eq!(describe(&client, "s").await.get("KmsKeyId"), None);
}

#[tokio::test]
async fn a_key_of_another_account_serves_as_its_policy_says() {
    let (cloud, client) = noon().await;
    let other = of_account(&cloud, "111111111111");
    let theirs = key(&other).await;
    let input = json!({"Name": "s", "SecretString": "one", "ClientRequestToken": token(1), "KmsKeyId": theirs});
    let why = "Access to KMS is not allowed";
    is_refused(&client, "CreateSecret", input.clone(), "AccessDeniedException", why).await;
    let policy = |actions: &[&str]| {
        json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": actions, "Resource": "*"}]})
        .to_string()
    };
    let put = async |actions: &[&str]| {
        let input = json!({"KeyId": theirs, "PolicyName": "default", "Policy": policy(actions)});
        other.call("kms", "PutKeyPolicy", input).await.ok();
    };
    put(&["kms:GenerateDataKey", "kms:Decrypt"]).await;
    ok(&client, "CreateSecret", input).await;
    assert_eq!(get(&client, "s").await["SecretString"], "one");
    put(&["kms:GenerateDataKey"]).await;
    is_refused(&client, "GetSecretValue", json!({"SecretId": "s"}), "AccessDeniedException", why).await;
}
