//! What is one too many, or one too long: it is refused, and nothing is changed.

use super::*;

#[tokio::test]
async fn a_name_has_512_characters_at_most() {
    let (_cloud, client) = noon().await;
    let long = "n".repeat(512);
    create(&client, json!({"Name": long})).await;
    let input = |name: &str| json!({"Name": name, "SecretString": "x", "ClientRequestToken": token(1)});
    is_refused(&client, "CreateSecret", input(&"n".repeat(513)), "ValidationException", "less than or equal to 512")
        .await;
    let words =
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    for name in ["with blank", "colon:", "umlaut ä"] {
        is_refused(&client, "CreateSecret", input(name), "ValidationException", words).await;
    }
    create(&client, json!({"Name": "all/of_these+are=there.@!-"})).await;
}

#[tokio::test]
async fn a_value_has_65536_bytes_at_most() {
    let (_cloud, client) = noon().await;
    create(&client, json!({"SecretString": "v".repeat(65_536)})).await;
    let over = "v".repeat(65_537);
    // Two bytes a letter: the letters are few enough, the bytes are not.
    let wide = "ä".repeat(32_769);
    for value in [&over, &wide] {
        let input = json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": token(2)});
        let (code, message) = refused(&client, "PutSecretValue", input).await;
        assert_eq!(code, "ValidationException");
        assert!(message.contains("less than or equal to 65536") && message.len() < 300, "{message}");
    }
    let bytes = undercast_kernel::wire::text::base64(&vec![1; 65_537]);
    let input = json!({"SecretId": "s", "SecretBinary": bytes, "ClientRequestToken": token(2)});
    is_refused(&client, "PutSecretValue", input, "ValidationException", "less than or equal to 65536").await;
    for (more, code, words) in [
        (json!({}), "InvalidRequestException", "You must provide either SecretString or SecretBinary."),
        (
            json!({"SecretString": "a", "SecretBinary": "YQ=="}),
            "InvalidParameterException",
            "both a binary secret value",
        ),
        (json!({"SecretString": ""}), "ValidationException", "secretString"),
        (json!({"SecretString": "a", "RotationToken": token(5)}), "InvalidParameterException", "RotationToken"),
        (json!({"SecretString": "a", "ClientRequestToken": "short"}), "ValidationException", "clientRequestToken"),
        (json!({"SecretString": "a", "SecretId": "none"}), "ResourceNotFoundException", ""),
    ] {
        let mut input = json!({"SecretId": "s", "ClientRequestToken": token(2)});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        is_refused(&client, "PutSecretValue", input, code, words).await;
    }
    for (operation, name) in [("UpdateSecret", "SecretId"), ("CreateSecret", "Name")] {
        let input = json!({name: "s", "SecretString": "a", "SecretBinary": "YQ==", "ClientRequestToken": token(2)});
        is_refused(&client, operation, input, "InvalidParameterException", "both a binary secret value").await;
    }
    let without = json!({"Name": "t", "SecretString": "a"});
    is_refused(
        &client,
        "CreateSecret",
        without,
        "InvalidRequestException",
        "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
    )
    .await;
    let without = json!({"SecretId": "s", "SecretString": "a"});
    is_refused(
        &client,
        "PutSecretValue",
        without,
        "InvalidRequestException",
        "You must provide a ClientRequestToken value.",
    )
    .await;
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], json!({token(1): ["AWSCURRENT"]}));
}

#[tokio::test]
async fn all_versions_have_20_labels_at_most() {
    let (_cloud, client) = noon().await;
    create(&client, json!({})).await;
    let labels = |range: std::ops::Range<usize>| range.map(|n| format!("l{n:02}")).collect::<Vec<_>>();
    let input =
        json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": token(2), "VersionStages": labels(0..19)});
    ok(&client, "PutSecretValue", input).await;
    let before = describe(&client, "s").await;
    let one_more = json!({"SecretId": "s", "VersionStage": "l19", "MoveToVersionId": token(1)});
    is_refused(&client, "UpdateSecretVersionStage", one_more, "LimitExceededException", "20 staging labels").await;
    let input = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": token(3), "VersionStages": ["l20"]});
    is_refused(&client, "PutSecretValue", input, "LimitExceededException", "20 staging labels").await;
    let input =
        json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": token(3), "VersionStages": labels(0..21)});
    is_refused(&client, "PutSecretValue", input, "ValidationException", "versionStages").await;
    assert_eq!(describe(&client, "s").await, before);
    // One that is moved is not one more.
    let moved =
        json!({"SecretId": "s", "VersionStage": "l18", "RemoveFromVersionId": token(2), "MoveToVersionId": token(1)});
    ok(&client, "UpdateSecretVersionStage", moved).await;
}

#[tokio::test]
async fn a_secret_has_50_tags_at_most() {
    let (_cloud, client) = noon().await;
    let tags = |range: std::ops::Range<usize>| {
        range.map(|n| json!({"Key": format!("k{n}"), "Value": "v"})).collect::<Vec<_>>()
    };
    let input = json!({"Name": "s", "ClientRequestToken": token(1), "Tags": tags(0..51)});
    is_refused(&client, "CreateSecret", input, "InvalidParameterException", "maximum of 50 tags").await;
    create(&client, json!({"Tags": tags(0..49)})).await;
    ok(
        &client,
        "TagResource",
        json!({"SecretId": "s", "Tags": [{"Key": "k0", "Value": "w"}, {"Key": "k49", "Value": "v"}]}),
    )
    .await;
    let before = describe(&client, "s").await;
    assert_eq!(
        (before["Tags"].as_array().unwrap().len(), &before["Tags"][0]),
        (50, &json!({"Key": "k0", "Value": "w"}))
    );
    let over = json!({"SecretId": "s", "Tags": [{"Key": "k50", "Value": "v"}]});
    is_refused(&client, "TagResource", over, "InvalidParameterException", "maximum of 50 tags").await;
    assert_eq!(describe(&client, "s").await, before);
    ok(&client, "UntagResource", json!({"SecretId": "s", "TagKeys": ["k1", "k2", "none"]})).await;
    assert_eq!(describe(&client, "s").await["Tags"].as_array().unwrap().len(), 48);
    for (tags, words) in [
        (json!([{"Key": "aws:x", "Value": "v"}]), "aws:"),
        (json!([{"Key": "k1", "Value": "a"}, {"Key": "k1", "Value": "b"}]), "more than once"),
        (json!([{"Value": "v"}]), "must have a Key"),
    ] {
        is_refused(&client, "TagResource", json!({"SecretId": "s", "Tags": tags}), "InvalidParameterException", words)
            .await;
    }

    is_refused(&client, "TagResource", json!({"SecretId": "none", "Tags": []}), "ResourceNotFoundException", "").await;
    is_refused(&client, "UntagResource", json!({"SecretId": "none", "TagKeys": []}), "ResourceNotFoundException", "")
        .await;
}
