//! Secure strings are sealed with keys of KMS, with the rights of whoever puts and reads them.

use undercast_kernel::store::{Order, Page, Read as _};

use super::*;

async fn key(client: &Client) -> String {
    let made = client.call("kms", "CreateKey", json!({})).await.ok();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

const SECURE: &str = "SecureString";

#[tokio::test]
async fn nothing_is_stored_in_the_open() {
    let (cloud, client) = noon().await;
    put(&client, "/s", "a value that nobody sees", json!({"Type": SECURE})).await;
    put(&client, "/a", "another that nobody sees", json!({"Type": SECURE, "Tier": "Advanced"})).await;
    put(&client, "/o", "one that all may see", json!({})).await;
    let page = Page { start: Vec::new(), end: None, order: Order::Ascending, limit: usize::MAX };
    let all = cloud.kernel.database().read().scan(&page).unwrap();
    let has = |row: &[u8], text: &str| row.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(all.iter().any(|(_, row)| has(row, "one that all may see")));
    assert!(!all.iter().any(|(_, row)| has(row, "that nobody sees")));
    for (name, open) in [("/s", "a value that nobody sees"), ("/a", "another that nobody sees")] {
        let closed = ok(&client, "GetParameter", json!({"Name": name})).await["Parameter"]["Value"].clone();
        assert!(undercast_kernel::wire::text::unbase64(closed.as_str().unwrap()).is_some(), "{closed}");
        assert_eq!(value(&client, name).await, open);
    }
    let described =
        ok(&client, "DescribeParameters", json!({"ParameterFilters": [{"Key": "Type", "Values": [SECURE]}]})).await;
    assert_eq!(described["Parameters"][0]["KeyId"], "alias/aws/ssm");
    let history = ok(&client, "GetParameterHistory", json!({"Name": "/s", "WithDecryption": true})).await;
    assert_eq!(
        (&history["Parameters"][0]["Value"], &history["Parameters"][0]["KeyId"]),
        (&json!("a value that nobody sees"), &json!("alias/aws/ssm"))
    );
    // The ciphertext of a standard parameter is KMS's own, under the parameter's ARN: who has it and the key can open it.
    let own = key(&client).await;
    put(&client, "/k", "mine", json!({"Type": SECURE, "KeyId": own})).await;
    let closed = ok(&client, "GetParameter", json!({"Name": "/k"})).await["Parameter"]["Value"].clone();
    let context = json!({"PARAMETER_ARN": "arn:aws:ssm:us-east-1:000000000000:parameter/k"});
    let opened =
        client.call("kms", "Decrypt", json!({"CiphertextBlob": closed, "EncryptionContext": context})).await.ok();
    assert_eq!(opened["Plaintext"], undercast_kernel::wire::text::base64(b"mine"));
}

#[tokio::test]
async fn what_kms_refuses_is_refused() {
    let (cloud, client) = noon().await;
    let own = key(&client).await;
    put(&client, "/k/s", "mine", json!({"Type": SECURE, "KeyId": own})).await;
    client.call("kms", "DisableKey", json!({"KeyId": own})).await.ok();
    let disabled = "is disabled. (Service: AWSKMS; Status Code: 400; Error Code: DisabledException)";
    for (operation, input) in [
        ("GetParameter", json!({"Name": "/k/s", "WithDecryption": true})),
        ("GetParameters", json!({"Names": ["/k/s"], "WithDecryption": true})),
        ("GetParametersByPath", json!({"Path": "/k", "WithDecryption": true})),
        ("GetParameterHistory", json!({"Name": "/k/s", "WithDecryption": true})),
        ("PutParameter", json!({"Name": "/k/t", "Value": "x", "Type": SECURE, "KeyId": own})),
        ("PutParameter", json!({"Name": "/k/t", "Value": "x", "Type": SECURE, "KeyId": own, "Tier": "Advanced"})),
    ] {
        is_refused(&client, operation, input, "InvalidKeyId", disabled).await;
    }
    let none = json!({"Name": "/k/t", "Value": "x", "Type": SECURE, "KeyId": "alias/none"});
    is_refused(&client, "PutParameter", none, "InvalidKeyId", "NotFoundException").await;
    is_refused(&client, "GetParameter", json!({"Name": "/k/t"}), "ParameterNotFound", "").await;
    client.call("kms", "EnableKey", json!({"KeyId": own})).await.ok();
    // Who may read the parameter and not use the key reads it as it is kept.
    let user = rights::user(
        &cloud,
        &client,
        "u",
        json!([
        {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {
            "kms:EncryptionContext:PARAMETER_ARN": "arn:aws:ssm:us-east-1:000000000000:parameter/other"}}}]),
    )
    .await;
    ok(&user, "GetParameter", json!({"Name": "/k/s"})).await;
    let (code, message) = refused(&user, "GetParameter", json!({"Name": "/k/s", "WithDecryption": true})).await;
    assert!(
        code == "AccessDeniedException" && message.contains("kms:Decrypt") && message.contains("Service: AWSKMS"),
        "{message}"
    );
    // The AWS managed key is for all who may use Parameter Store.
    put(&user, "/managed", "open", json!({"Type": SECURE})).await;
    assert_eq!(value(&user, "/managed").await, "open");
}
