//! Grants: permissions beside the key policy.

use super::*;

const OTHER: &str = "111111111111";

fn arn(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:user/{name}")
}

async fn grant(client: &Client, input: Json) -> (String, String) {
    let made = call(client, "CreateGrant", input).await;
    (made["GrantId"].as_str().unwrap().to_owned(), made["GrantToken"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_grant_allows_what_it_says_until_it_is_revoked() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ann = user(&cloud, ACCOUNT, "ann", None).await;
    let (id, key_arn) = key(&client, json!({})).await;
    let encrypt = json!({"KeyId": id, "Plaintext": b64("x")});
    assert_eq!(refused(&ann, "Encrypt", encrypt.clone()).await.0, "AccessDeniedException");
    let input = json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, "ann"), "Operations": ["Encrypt"], "Name": "one",
                       "RetiringPrincipal": arn(ACCOUNT, "bob")});
    let (grant_id, token) = grant(&client, input.clone()).await;
    // The same again is the same grant, by its name.
    assert_eq!(grant(&client, input).await.0, grant_id);
    let mut with_token = encrypt.clone();
    with_token["GrantTokens"] = json!([token]);
    let blob = call(&ann, "Encrypt", with_token.clone()).await["CiphertextBlob"].clone();
    assert_eq!(refused(&ann, "Decrypt", json!({"CiphertextBlob": blob})).await.0, "AccessDeniedException");
    with_token["GrantTokens"] = json!(["nonsense"]);
    assert_eq!(refused(&ann, "Encrypt", with_token).await.0, "InvalidGrantTokenException");
    let told =
        call(&client, "ListGrants", json!({"KeyId": id, "GrantId": grant_id, "GranteePrincipal": arn(ACCOUNT, "ann")}))
            .await;
    let told = &told["Grants"][0];
    assert_eq!(
        (&told["KeyId"], &told["Operations"], &told["Name"]),
        (&json!(key_arn), &json!(["Encrypt"]), &json!("one"))
    );
    assert_eq!(told["IssuingAccount"], json!(format!("arn:aws:iam::{ACCOUNT}:root")));
    let retirable = call(&client, "ListRetirableGrants", json!({"RetiringPrincipal": arn(ACCOUNT, "bob")})).await;
    assert_eq!(retirable["Grants"][0]["GrantId"], json!(grant_id));
    call(&client, "RevokeGrant", json!({"KeyId": id, "GrantId": grant_id})).await;
    assert_eq!(refused(&ann, "Encrypt", encrypt).await.0, "AccessDeniedException");
    assert_eq!(refused(&client, "RevokeGrant", json!({"KeyId": id, "GrantId": grant_id})).await.0, "NotFoundException");
    assert_eq!(call(&client, "ListGrants", json!({"KeyId": id})).await["Grants"], json!([]));
}

#[tokio::test]
async fn constraints_hold_for_the_encryption_context() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    for (name, constraint, allowed) in [
        ("subset", "EncryptionContextSubset", [false, true, true, false]),
        ("equals", "EncryptionContextEquals", [false, true, false, false]),
    ] {
        let caller = user(&cloud, ACCOUNT, name, None).await;
        let input = json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, name), "Operations": ["Encrypt", "DescribeKey"], "Constraints": {constraint: {"a": "1"}}});
        grant(&client, input).await;
        let contexts = [json!({}), json!({"a": "1"}), json!({"a": "1", "b": "2"}), json!({"a": "2"})];
        for (context, allowed) in contexts.into_iter().zip(allowed) {
            let input = json!({"KeyId": id, "Plaintext": b64("x"), "EncryptionContext": context});
            assert_eq!(caller.call("kms", "Encrypt", input).await.status < 300, allowed, "{name}: {context}");
        }
        // What has no encryption context is not constrained by one.
        call(&caller, "DescribeKey", json!({"KeyId": id})).await;
    }
}

#[tokio::test]
async fn a_grant_serves_another_account_without_a_policy_there() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (ann, bob) = (user(&cloud, OTHER, "ann", None).await, user(&cloud, OTHER, "bob", None).await);
    let (id, key_arn) = key(&client, json!({})).await;
    let (grant_id, _) = grant(
        &client,
        json!({"KeyId": id, "GranteePrincipal": arn(OTHER, "ann"), "Operations": ["Encrypt", "RetireGrant"]}),
    )
    .await;
    let encrypt = json!({"KeyId": key_arn, "Plaintext": b64("x")});
    call(&ann, "Encrypt", encrypt.clone()).await;
    assert_eq!(refused(&bob, "Encrypt", encrypt.clone()).await.0, "AccessDeniedException");
    // The grantee may give it back, who is not named may not.
    let retire = json!({"KeyId": key_arn, "GrantId": grant_id});
    assert_eq!(refused(&bob, "RetireGrant", retire.clone()).await.0, "AccessDeniedException");
    let mut trial = retire.clone();
    trial["DryRun"] = json!(true);
    assert_eq!(refused(&ann, "RetireGrant", trial).await.0, "DryRunOperationException");
    call(&ann, "RetireGrant", retire).await;
    assert_eq!(refused(&ann, "Encrypt", encrypt).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn what_an_account_is_granted_its_own_policies_give_on() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let allow = json!({"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"});
    let (with, without) = (user(&cloud, OTHER, "with", Some(allow)).await, user(&cloud, OTHER, "without", None).await);
    let (id, key_arn) = key(&client, json!({})).await;
    let root = format!("arn:aws:iam::{OTHER}:root");
    grant(&client, json!({"KeyId": id, "GranteePrincipal": root, "Operations": ["Encrypt"]})).await;
    let encrypt = json!({"KeyId": key_arn, "Plaintext": b64("x")});
    call(&with, "Encrypt", encrypt.clone()).await;
    assert_eq!(refused(&without, "Encrypt", encrypt).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn a_retiring_principal_retires_by_token() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (ann, bob) = (user(&cloud, ACCOUNT, "ann", None).await, user(&cloud, ACCOUNT, "bob", None).await);
    let (id, _) = key(&client, json!({})).await;
    let input = json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, "ann"), "RetiringPrincipal": arn(ACCOUNT, "bob"), "Operations": ["Encrypt"]});
    let (_, token) = grant(&client, input).await;
    assert_eq!(refused(&ann, "RetireGrant", json!({"GrantToken": token})).await.0, "AccessDeniedException");
    call(&bob, "RetireGrant", json!({"GrantToken": token})).await;
    assert_eq!(refused(&bob, "RetireGrant", json!({"GrantToken": token})).await.0, "InvalidGrantTokenException");
}

#[tokio::test]
async fn who_may_make_grants_by_a_grant_gives_no_more_than_it_has() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let ann = user(&cloud, ACCOUNT, "ann", None).await;
    let (id, _) = key(&client, json!({})).await;
    let input = json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, "ann"), "Operations": ["CreateGrant", "Encrypt"], "Constraints": {"EncryptionContextSubset": {"a": "1"}}});
    grant(&client, input).await;
    let wanted = |operations: Json, constraints: Json| json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, "bob"), "Operations": operations, "Constraints": constraints});
    for wider in [
        wanted(json!(["Encrypt", "Decrypt"]), json!({"EncryptionContextSubset": {"a": "1"}})),
        wanted(json!(["Encrypt"]), json!({"EncryptionContextSubset": {"b": "1"}})),
        wanted(json!(["Encrypt"]), json!({})),
    ] {
        assert_eq!(refused(&ann, "CreateGrant", wider).await.0, "AccessDeniedException");
    }
    grant(&ann, wanted(json!(["Encrypt"]), json!({"EncryptionContextEquals": {"a": "1", "b": "2"}}))).await;
}

#[tokio::test]
async fn a_service_has_a_grant_for_its_resource() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    let source = format!("arn:aws:sns:us-east-1:{ACCOUNT}:t");
    let input = json!({"KeyId": id, "GranteeServicePrincipal": "sns.amazonaws.com", "RetiringServicePrincipal": "sqs.amazonaws.com",
                       "Operations": ["Encrypt"], "Constraints": {"SourceArn": source}});
    grant(&client, input).await;
    let encrypt = json!({"KeyId": id, "Plaintext": b64("x")});
    let as_service =
        |source: &str| cloud.kernel.cx_for(ACCOUNT, "us-east-1").as_service("sns.amazonaws.com", Some(source));
    as_service(&source).call("kms", "Encrypt", encrypt.clone()).await.unwrap();
    let other = as_service("arn:aws:sns:us-east-1:000000000000:other").call("kms", "Encrypt", encrypt).await;
    assert_eq!(other.unwrap_err().code(), Some("AccessDeniedException"));
    let told = call(&client, "ListGrants", json!({"KeyId": id, "GranteeServicePrincipal": "sns.amazonaws.com"})).await;
    assert_eq!(told["Grants"][0]["GranteeServicePrincipal"], "sns.amazonaws.com");
    let told =
        call(&client, "ListRetirableGrants", json!({"RetiringServicePrincipal": "sqs.amazonaws.com", "Limit": 5}))
            .await;
    assert_eq!((&told["Grants"][0]["Constraints"]["SourceArn"], &told["Truncated"]), (&json!(source), &json!(false)));
}

#[tokio::test]
async fn grants_come_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let (id, _) = key(&client, json!({})).await;
    for name in ["a", "b", "c"] {
        grant(&client, json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, name), "RetiringPrincipal": arn(ACCOUNT, "r"), "Operations": ["Encrypt"]})).await;
    }
    for (operation, filter) in
        [("ListGrants", json!({"KeyId": id})), ("ListRetirableGrants", json!({"RetiringPrincipal": arn(ACCOUNT, "r")}))]
    {
        let mut input = filter.clone();
        input["Limit"] = json!(2);
        let first = call(&client, operation, input).await;
        assert_eq!((first["Grants"].as_array().unwrap().len(), &first["Truncated"]), (2, &json!(true)));
        let mut input = filter.clone();
        input["Marker"] = first["NextMarker"].clone();
        assert_eq!(call(&client, operation, input).await["Grants"].as_array().unwrap().len(), 1);
        let mut input = filter;
        input["Marker"] = json!("nonsense");
        assert_eq!(refused(&client, operation, input).await.0, "InvalidMarkerException");
    }
    let trial = json!({"KeyId": id, "GranteePrincipal": arn(ACCOUNT, "d"), "Operations": ["Encrypt"], "DryRun": true});
    assert_eq!(refused(&client, "CreateGrant", trial).await.0, "DryRunOperationException");
    let there = call(&client, "ListGrants", json!({"KeyId": id})).await["Grants"].clone();
    assert_eq!(there.as_array().unwrap().len(), 3);
    let trial = json!({"KeyId": id, "GrantId": there[0]["GrantId"], "DryRun": true});
    assert_eq!(refused(&client, "RevokeGrant", trial).await.0, "DryRunOperationException");
    assert_eq!(call(&client, "ListGrants", json!({"KeyId": id})).await["Grants"].as_array().unwrap().len(), 3);
}
