//! Sessions for those whom a user vouches for, and whose a key is.

use super::*;

#[tokio::test]
async fn a_federated_user_may_do_what_both_allow() {
    let cloud = Cloud::start(services()).await;
    let ann = user(&cloud, "ann", &allow(&["sts:GetFederationToken", "sqs:*"], &json!({}))).await;
    let token = async |more: Json| {
        let mut input = json!({"Name": "guest"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ann.call("sts", "GetFederationToken", input).await
    };
    let made = token(json!({"Policy": allow(&["sqs:CreateQueue", "iam:*"], &json!({}))})).await.ok();
    assert_eq!(made["FederatedUser"]["Arn"], "arn:aws:sts::000000000000:federated-user/guest");
    assert_eq!(made["FederatedUser"]["FederatedUserId"], "000000000000:guest");
    let guest = holder(&cloud, &made);
    let who = guest.call("sts", "GetCallerIdentity", json!({})).await.ok();
    assert_eq!(who["Arn"], "arn:aws:sts::000000000000:federated-user/guest");
    assert!(may_make_queue(&guest, "a").await);
    assert_eq!(guest.call("sqs", "ListQueues", json!({})).await.status, 403, "the session's policy does not allow it");
    assert_eq!(guest.call("iam", "ListUsers", json!({})).await.status, 403, "the user's policies do not allow it");
    // Without a policy of the session nothing is allowed.
    assert!(!may_make_queue(&holder(&cloud, &token(json!({})).await.ok()), "b").await);
    // Tags need a permission of their own.
    let tags = json!({"Tags": [{"Key": "team", "Value": "red"}], "Policy": allow(&["sqs:*"], &json!({}))});
    let denied = token(tags.clone()).await;
    assert!(denied.json["message"].as_str().unwrap().contains("sts:TagSession"), "{}", denied.json);
    let input = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": allow(&["sts:*", "sqs:*"],
        &json!({"StringEqualsIfExists": {"aws:PrincipalTag/team": "red"}}))});
    cloud.client().call("iam", "PutUserPolicy", input).await.ok();
    assert!(may_make_queue(&holder(&cloud, &token(tags).await.ok()), "c").await);
    let blue = json!({"Tags": [{"Key": "team", "Value": "blue"}], "Policy": allow(&["sqs:*"], &json!({}))});
    assert!(!may_make_queue(&holder(&cloud, &token(blue).await.ok()), "d").await);
}

#[tokio::test]
async fn sessions_beget_no_such_sessions() {
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    let policy = allow(&["sqs:*", "sts:*"], &json!({}));
    let made = root.call("sts", "GetFederationToken", json!({"Name": "guest", "Policy": policy})).await.ok();
    let guest = holder(&cloud, &made);
    assert!(may_make_queue(&guest, "a").await, "the root user stands behind it");
    let own = holder(&cloud, &root.call("sts", "GetSessionToken", json!({})).await.ok());
    for session in [&guest, &own] {
        for (operation, input) in [("GetFederationToken", json!({"Name": "other"})), ("GetSessionToken", json!({}))] {
            let refused = session.call("sts", operation, input).await;
            assert_eq!((refused.status, refused.code()), (403, "AccessDenied"), "{operation}: {}", refused.json);
            assert!(refused.json["message"].as_str().unwrap().starts_with(&format!("Cannot call {operation}")));
        }
    }
    for (input, code) in [
        (json!({"Name": "x"}), "ValidationError"),
        (json!({"Name": "guest", "DurationSeconds": 899}), "ValidationError"),
        (json!({"Name": "guest", "Policy": "{}"}), "MalformedPolicyDocumentException"),
        (json!({"Name": "guest", "PolicyArns": long_policies()}), "PackedPolicyTooLargeException"),
    ] {
        let refused = root.call("sts", "GetFederationToken", input).await;
        assert_eq!((refused.status, refused.code()), (400, code), "{}", refused.json);
    }
}

#[tokio::test]
async fn whose_a_key_is() {
    let cloud = Cloud::start(services()).await;
    let other = cloud.client_of(Credentials::new("111122223333", "test"));
    other.call("iam", "CreateUser", json!({"UserName": "bob"})).await.ok();
    let key = other.call("iam", "CreateAccessKey", json!({"UserName": "bob"})).await.ok();
    let key = key["AccessKey"]["AccessKeyId"].as_str().unwrap();
    let info = async |key: &str| cloud.client().call("sts", "GetAccessKeyInfo", json!({"AccessKeyId": key})).await;
    assert_eq!(info(key).await.ok()["Account"], "111122223333");
    assert_eq!(info("AKIAIOSFODNN7EXAMPLE").await.ok()["Account"], "000000000000");
    assert_eq!(info("short").await.code(), "ValidationError");
    let strict = Cloud::with(services(), |s| s.auth = undercast_kernel::AuthMode::Strict, false).await;
    assert_eq!(strict.client().call("sts", "GetAccessKeyInfo", json!({"AccessKeyId": key})).await.status, 403);
}
