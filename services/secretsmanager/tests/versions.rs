//! Versions: put once under their tokens, named by labels.

use super::*;

#[tokio::test]
async fn a_secret_is_shown_with_what_it_was_made_with() {
    let (_cloud, client) = noon().await;
    let made = create(&client, json!({"Description": "words", "Tags": [{"Key": "team", "Value": "a"}]})).await;
    let arn = made["ARN"].as_str().unwrap();
    let suffix = arn.strip_prefix("arn:aws:secretsmanager:us-east-1:000000000000:secret:s-").unwrap();
    assert!(suffix.len() == 6 && suffix.chars().all(|c| c.is_ascii_alphanumeric()), "{arn}");
    assert_eq!(made, json!({"ARN": arn, "Name": "s", "VersionId": token(1)}));
    let shown = describe(&client, "s").await;
    let noon = json!(1_772_366_400);
    assert_eq!(
        shown,
        json!({"ARN": arn, "Name": "s", "Description": "words", "CreatedDate": noon, "LastChangedDate": noon,
               "Tags": [{"Key": "team", "Value": "a"}], "VersionIdsToStages": {token(1): ["AWSCURRENT"]}})
    );
    let read = get(&client, "s").await;
    assert_eq!(
        read,
        json!({"ARN": arn, "Name": "s", "VersionId": token(1), "SecretString": "one", "VersionStages": ["AWSCURRENT"],
               "CreatedDate": noon})
    );
    // Reads are told by the day.
    assert_eq!(describe(&client, "s").await["LastAccessedDate"], 1_772_323_200);
}

#[tokio::test]
async fn a_secret_is_found_by_its_name_its_arn_and_the_arn_without_its_end() {
    let (cloud, client) = noon().await;
    let arn = create(&client, json!({"Name": "path/to-secret"})).await["ARN"].as_str().unwrap().to_owned();
    let partial = &arn[..arn.len() - 7];
    for id in ["path/to-secret", &arn, partial] {
        assert_eq!(get(&client, id).await["ARN"], arn.as_str());
    }
    let other = arn.replace("us-east-1", "eu-west-1");
    let wrong = format!("{partial}-AAAAAA");
    for id in ["path/to", other.as_str(), wrong.as_str(), "arn:aws:secretsmanager:us-east-1:000000000000:nothing:x"] {
        let why = "Secrets Manager can't find the specified secret.";
        is_refused(&client, "GetSecretValue", json!({"SecretId": id}), "ResourceNotFoundException", why).await;
    }
    assert_eq!(get(&client.in_region("us-east-1"), &arn).await["Name"], "path/to-secret");
    let there = client.in_region("eu-west-1");
    is_refused(&there, "DescribeSecret", json!({"SecretId": "path/to-secret"}), "ResourceNotFoundException", "").await;
    // A name with such an end is found under it, too.
    let odd = create(&client, json!({"Name": "odd-abcdef"})).await["ARN"].as_str().unwrap().to_owned();
    assert_eq!(get(&client, &odd).await["Name"], "odd-abcdef");
    assert_eq!(get(&client, &odd[..odd.len() - 7]).await["Name"], "odd-abcdef");
    drop(cloud);
}

#[tokio::test]
async fn a_token_is_used_for_one_value() {
    let (_cloud, client) = noon().await;
    let made = create(&client, json!({})).await;
    assert_eq!(create(&client, json!({})).await, made);
    let another = json!({"Name": "s", "SecretString": "other", "ClientRequestToken": token(1)});
    let exists = "The operation failed because the secret s already exists.";
    is_refused(&client, "CreateSecret", another, "ResourceExistsException", exists).await;
    let second = put(&client, 2, "two").await;
    assert_eq!(second["VersionStages"], json!(["AWSCURRENT"]));
    assert_eq!(put(&client, 2, "two").await, second);
    let again = json!({"SecretId": "s", "SecretString": "else", "ClientRequestToken": token(2)});
    let arn = made["ARN"].as_str().unwrap();
    let in_use = format!(
        "You can't use ClientRequestToken {} because that value is already in use for a version of secret {arn}.",
        token(2)
    );
    for operation in ["PutSecretValue", "UpdateSecret"] {
        is_refused(&client, operation, again.clone(), "ResourceExistsException", &in_use).await;
    }
    // The same bytes as a text and as bytes are not the same value.
    let bytes = json!({"SecretId": "s", "SecretBinary": "dHdv", "ClientRequestToken": token(2)});
    is_refused(&client, "PutSecretValue", bytes, "ResourceExistsException", &in_use).await;
    // A value that was current and is not any more is not so again by being put again.
    put(&client, 3, "three").await;
    put(&client, 2, "two").await;
    assert_eq!(get(&client, "s").await["SecretString"], "three");
}

#[tokio::test]
async fn labels_move_from_version_to_version() {
    let (_cloud, client) = noon().await;
    create(&client, json!({})).await;
    put(&client, 2, "two").await;
    let input = json!({"SecretId": "s", "SecretBinary": "AAE=", "ClientRequestToken": token(3), "VersionStages": ["mine", "AWSPENDING"]});
    assert_eq!(ok(&client, "PutSecretValue", input).await["VersionStages"], json!(["AWSPENDING", "mine"]));
    let stages = json!({token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT"], token(3): ["AWSPENDING", "mine"]});
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], stages);
    let mine = ok(&client, "GetSecretValue", json!({"SecretId": "s", "VersionStage": "mine"})).await;
    assert_eq!((&mine["SecretBinary"], &mine["VersionId"]), (&json!("AAE="), &json!(token(3))));
    assert_eq!(mine.get("SecretString"), None);
    let shift = |label: &str, from: Option<usize>, to: Option<usize>| {
        let mut input = json!({"SecretId": "s", "VersionStage": label});
        if let Some(from) = from {
            input["RemoveFromVersionId"] = json!(token(from));
        }
        if let Some(to) = to {
            input["MoveToVersionId"] = json!(token(to));
        }
        input
    };
    ok(&client, "UpdateSecretVersionStage", shift("AWSCURRENT", Some(2), Some(3))).await;
    let stages = json!({token(2): ["AWSPREVIOUS"], token(3): ["AWSCURRENT", "AWSPENDING", "mine"]});
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], stages);
    ok(&client, "UpdateSecretVersionStage", shift("mine", Some(3), None)).await;
    ok(&client, "UpdateSecretVersionStage", shift("new", None, Some(1))).await;
    ok(&client, "UpdateSecretVersionStage", shift("new", None, Some(1))).await;
    let stages = json!({token(1): ["new"], token(2): ["AWSPREVIOUS"], token(3): ["AWSCURRENT", "AWSPENDING"]});
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], stages);
    let must_say = format!(
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version {}, so you must explicitly reference that version in RemoveFromVersionId.",
        token(3)
    );
    for (input, words) in [
        (shift("AWSCURRENT", None, Some(1)), must_say.as_str()),
        (shift("AWSCURRENT", Some(2), Some(1)), "it must be set to the version that currently has the staging label"),
        (shift("AWSCURRENT", Some(3), None), "It can't be completely removed."),
        (shift("AWSPREVIOUS", Some(1), None), "isn't currently attached to version"),
        (shift("nowhere", Some(1), None), "isn't currently attached to version"),
        (shift("new", None, None), "MoveToVersionId"),
    ] {
        is_refused(&client, "UpdateSecretVersionStage", input, "InvalidParameterException", words).await;
    }
    let nobody = shift("new", Some(1), Some(9));
    is_refused(&client, "UpdateSecretVersionStage", nobody, "ResourceNotFoundException", &token(9)).await;
    assert_eq!(describe(&client, "s").await["VersionIdsToStages"], stages);
}

#[tokio::test]
async fn a_version_is_read_by_its_id_its_label_or_both() {
    let (_cloud, client) = noon().await;
    create(&client, json!({})).await;
    put(&client, 2, "two").await;
    put(&client, 3, "three").await;
    let read = async |more: Json| {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call(SERVICE, "GetSecretValue", input).await
    };
    assert_eq!(read(json!({"VersionId": token(2)})).await.ok()["SecretString"], "two");
    assert_eq!(read(json!({"VersionStage": "AWSPREVIOUS"})).await.ok()["SecretString"], "two");
    assert_eq!(read(json!({"VersionId": token(2), "VersionStage": "AWSPREVIOUS"})).await.ok()["SecretString"], "two");
    // One without labels is there until it is swept.
    let bare = read(json!({"VersionId": token(1)})).await.ok();
    assert_eq!((&bare["SecretString"], bare.get("VersionStages")), (&json!("one"), None));
    let other = read(json!({"VersionId": token(1), "VersionStage": "AWSCURRENT"})).await;
    assert_eq!(other.code(), "InvalidRequestException");
    let why = "You provided a VersionStage that is not associated to the provided VersionId.";
    assert_eq!(other.json["message"], why);
    for (input, words) in [
        (
            json!({"VersionStage": "none"}),
            "Secrets Manager can't find the specified secret value for staging label: none",
        ),
        (json!({"VersionId": token(9)}), "Secrets Manager can't find the specified secret value for VersionId: "),
    ] {
        let missing = read(input).await;
        assert_eq!(missing.code(), "ResourceNotFoundException");
        assert!(missing.json["message"].as_str().unwrap().starts_with(words), "{}", missing.json);
    }
}

#[tokio::test]
async fn a_secret_may_begin_without_a_value() {
    let (_cloud, client) = noon().await;
    let made = ok(&client, "CreateSecret", json!({"Name": "s", "ClientRequestToken": token(1)})).await;
    assert_eq!(made.get("VersionId"), None);
    let why = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT";
    is_refused(&client, "GetSecretValue", json!({"SecretId": "s"}), "ResourceNotFoundException", why).await;
    assert_eq!(describe(&client, "s").await.get("VersionIdsToStages"), None);
    // The first version is the current one, whatever it is called.
    let input =
        json!({"SecretId": "s", "SecretString": "one", "ClientRequestToken": token(1), "VersionStages": ["mine"]});
    assert_eq!(ok(&client, "PutSecretValue", input).await["VersionStages"], json!(["AWSCURRENT", "mine"]));
}

#[tokio::test]
async fn an_update_changes_what_it_says() {
    let (cloud, client) = noon().await;
    create(&client, json!({"Description": "words"})).await;
    pass(&cloud, 60).await;
    let updated = ok(&client, "UpdateSecret", json!({"SecretId": "s", "Description": "others"})).await;
    assert_eq!(updated.get("VersionId"), None);
    let shown = describe(&client, "s").await;
    assert_eq!((&shown["Description"], &shown["LastChangedDate"]), (&json!("others"), &json!(1_772_366_460)));
    let input = json!({"SecretId": "s", "SecretString": "two", "ClientRequestToken": token(2), "Description": ""});
    assert_eq!(ok(&client, "UpdateSecret", input).await["VersionId"], token(2));
    let shown = describe(&client, "s").await;
    assert_eq!(shown["VersionIdsToStages"], json!({token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT"]}));
    assert_eq!(shown["Description"], "");
    let input = json!({"SecretId": "s", "SecretBinary": "dHdv", "ClientRequestToken": token(3)});
    ok(&client, "UpdateSecret", input).await;
    assert_eq!(get(&client, "s").await["SecretBinary"], "dHdv");
    let input = json!({"SecretId": "s", "SecretString": "x"});
    is_refused(&client, "UpdateSecret", input, "InvalidRequestException", "ClientRequestToken").await;
    is_refused(&client, "UpdateSecret", json!({"SecretId": "none"}), "ResourceNotFoundException", "").await;
}

#[tokio::test]
async fn old_versions_without_labels_make_room() {
    let (cloud, client) = noon().await;
    create(&client, json!({})).await;
    for number in 2..=100 {
        put(&client, number, "more").await;
    }
    // All are of today, so that none of them can go.
    let over = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": token(101)});
    is_refused(&client, "PutSecretValue", over.clone(), "LimitExceededException", "100 versions").await;
    is_refused(&client, "UpdateSecret", over, "LimitExceededException", "100 versions").await;
    let listed = async |more: Json| {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ok(&client, "ListSecretVersionIds", input).await
    };
    assert_eq!(listed(json!({})).await["Versions"].as_array().unwrap().len(), 2);
    assert_eq!(listed(json!({"IncludeDeprecated": true})).await["Versions"].as_array().unwrap().len(), 100);
    pass(&cloud, DAY + 1).await;
    put(&client, 101, "x").await;
    let all = listed(json!({"IncludeDeprecated": true, "MaxResults": 60})).await;
    let rest = listed(json!({"IncludeDeprecated": true, "MaxResults": 60, "NextToken": all["NextToken"]})).await;
    let ids =
        |page: &Json| page["Versions"].as_array().unwrap().iter().map(|v| v["VersionId"].clone()).collect::<Vec<_>>();
    let ids = [ids(&all), ids(&rest)].concat();
    assert_eq!(ids.len(), 100);
    assert!(!ids.contains(&json!(token(1))) && ids.contains(&json!(token(2))) && ids.contains(&json!(token(101))));
    let first = &all["Versions"][0];
    assert_eq!(first["KmsKeyIds"], json!(["DefaultEncryptionKey"]));
    let bad = json!({"SecretId": "s", "NextToken": "x"});
    is_refused(&client, "ListSecretVersionIds", bad, "InvalidNextTokenException", "").await;
}
