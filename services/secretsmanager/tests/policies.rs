//! Resource policies: put, shown, tried out.

use super::*;

pub(crate) fn allowing(account: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": account},
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], "Resource": "*"}]})
    .to_string()
}

#[tokio::test]
async fn a_secret_has_one_policy_which_is_called_default() {
    let (_cloud, client) = noon().await;
    let arn = create(&client, json!({})).await["ARN"].clone();
    let none = ok(&client, "GetResourcePolicy", json!({"SecretId": "s"})).await;
    assert_eq!(none, json!({"ARN": arn, "Name": "s"}));
    assert_eq!(ok(&client, "ListResourcePolicies", json!({"SecretId": "s"})).await, json!({"ResourcePolicies": []}));
    let policy = allowing("111111111111");
    let put =
        ok(&client, "PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": policy, "PolicyName": "default"}))
            .await;
    assert_eq!(put, json!({"ARN": arn, "Name": "s", "PolicyName": "default"}));
    let got = ok(&client, "GetResourcePolicy", json!({"SecretId": "s", "PolicyName": "default"})).await;
    assert_eq!(got["ResourcePolicy"], policy.as_str());
    let listed = ok(&client, "ListResourcePolicies", json!({"SecretId": "s", "MaxResults": 1})).await;
    assert_eq!(listed, json!({"ResourcePolicies": [{"PolicyName": "default"}]}));
    for (operation, code, more) in [
        ("PutResourcePolicy", "InvalidParameterException", json!({"ResourcePolicy": policy, "PolicyName": "other"})),
        ("DeleteResourcePolicy", "InvalidParameterException", json!({"PolicyName": "other"})),
        ("GetResourcePolicy", "ResourceNotFoundException", json!({"PolicyName": "other"})),
        ("ListResourcePolicies", "InvalidNextTokenException", json!({"NextToken": "x"})),
    ] {
        let mut input = json!({"SecretId": "s"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        is_refused(&client, operation, input, code, "").await;
    }
    ok(&client, "DeleteResourcePolicy", json!({"SecretId": "s", "PolicyName": "default"})).await;
    assert_eq!(ok(&client, "GetResourcePolicy", json!({"SecretId": "s"})).await, none);
    for operation in ["GetResourcePolicy", "DeleteResourcePolicy", "ListResourcePolicies"] {
        is_refused(&client, operation, json!({"SecretId": "none"}), "ResourceNotFoundException", "").await;
    }
}

#[tokio::test]
async fn a_policy_that_lets_everybody_in_is_refused_where_that_is_asked_for() {
    let (_cloud, client) = noon().await;
    create(&client, json!({})).await;
    let public = allowing("*");
    let put = |policy: &str, block: Option<bool>| {
        let mut input = json!({"SecretId": "s", "ResourcePolicy": policy});
        if let Some(block) = block {
            input["BlockPublicPolicy"] = json!(block);
        }
        input
    };
    is_refused(&client, "PutResourcePolicy", put(&public, Some(true)), "PublicPolicyException", "broad access").await;
    for block in [None, Some(false)] {
        ok(&client, "PutResourcePolicy", put(&public, block)).await;
    }
    ok(&client, "PutResourcePolicy", put(&allowing("111111111111"), Some(true))).await;
    for bad in [
        "no policy",
        "{}",
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#,
    ] {
        for operation in ["PutResourcePolicy", "ValidateResourcePolicy"] {
            is_refused(
                &client,
                operation,
                put(bad, None)
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| *name != "BlockPublicPolicy")
                    .map(|(n, v)| (n.clone(), v.clone()))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
                "MalformedPolicyDocumentException",
                "This resource policy contains",
            )
            .await;
        }
    }
    let got = ok(&client, "GetResourcePolicy", json!({"SecretId": "s"})).await;
    assert_eq!(got["ResourcePolicy"], allowing("111111111111").as_str());
    is_refused(
        &client,
        "PutResourcePolicy",
        json!({"SecretId": "none", "ResourcePolicy": public}),
        "ResourceNotFoundException",
        "",
    )
    .await;
}

#[tokio::test]
async fn a_policy_is_tried_out() {
    let (cloud, client) = noon().await;
    create(&client, json!({})).await;
    let validate = async |who: &Client, policy: String, id: Option<&str>| {
        let mut input = json!({"ResourcePolicy": policy});
        if let Some(id) = id {
            input["SecretId"] = json!(id);
        }
        ok(who, "ValidateResourcePolicy", input).await
    };
    let good = validate(&client, allowing("111111111111"), None).await;
    assert_eq!(good, json!({"PolicyValidationPassed": true, "ValidationErrors": []}));
    let public = validate(&client, allowing("*"), Some("s")).await;
    assert_eq!(
        (&public["PolicyValidationPassed"], &public["ValidationErrors"][0]["CheckName"]),
        (&json!(false), &json!("PublicPolicy"))
    );
    let all = json!([{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}]);
    let user = rights::user(&cloud, &client, "u", all).await;
    let lockout = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::000000000000:user/u"},
        "Action": "secretsmanager:PutResourcePolicy", "Resource": "*"}]});
    let locked = validate(&user, lockout.to_string(), Some("s")).await;
    assert_eq!(locked["ValidationErrors"][0]["CheckName"], "Lockout");
    assert!(locked["ValidationErrors"][0]["ErrorMessage"].is_string());
    let none = json!({"ResourcePolicy": allowing("111111111111"), "SecretId": "none"});
    is_refused(&client, "ValidateResourcePolicy", none, "ResourceNotFoundException", "").await;
}
