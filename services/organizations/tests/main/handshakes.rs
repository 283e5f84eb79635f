//! Invitations, and all features.

use super::*;

async fn invite(client: &Client, kind: &str, id: &str) -> Answer {
    let input =
        json!({"Target": {"Id": id, "Type": kind}, "Notes": "welcome", "Tags": [{"Key": "from", "Value": "outside"}]});
    call(client, "InviteAccountToOrganization", input).await
}

#[tokio::test]
async fn an_invited_account_joins() {
    let (cloud, client, root) = organization().await;
    let other = root_of(&cloud, OTHER);
    let made = invite(&client, "ACCOUNT", OTHER).await.ok();
    let shown = &made["Handshake"];
    let id = shown["Id"].clone();
    assert_eq!((&shown["State"], &shown["Action"]), (&json!("OPEN"), &json!("INVITE")));
    assert_eq!(
        shown["ExpirationTimestamp"].as_f64().unwrap() - shown["RequestedTimestamp"].as_f64().unwrap(),
        15.0 * 86_400.0
    );
    refused(&invite(&client, "ACCOUNT", OTHER).await, "DuplicateHandshakeException");
    let letters = cloud.kernel.inbox().unwrap();
    assert!(
        letters.iter().any(|letter| letter.account == OTHER && letter.text.contains(id.as_str().unwrap())),
        "{letters:?}"
    );
    refused(&call(&client, "AcceptHandshake", json!({"HandshakeId": id})).await, "AccessDeniedException");
    let stranger = root_of(&cloud, "444455556666");
    refused(&call(&stranger, "DescribeHandshake", json!({"HandshakeId": id})).await, "AccessDeniedException");
    let mine = call(&other, "ListHandshakesForAccount", json!({"Filter": {"ActionType": "INVITE"}})).await.ok();
    assert_eq!(mine["Handshakes"][0]["Id"], id);
    let accepted = call(&other, "AcceptHandshake", json!({"HandshakeId": id})).await.ok();
    assert_eq!(accepted["Handshake"]["State"], "ACCEPTED");
    refused(&call(&other, "AcceptHandshake", json!({"HandshakeId": id})).await, "HandshakeAlreadyInStateException");
    refused(&call(&other, "DeclineHandshake", json!({"HandshakeId": id})).await, "InvalidHandshakeTransitionException");
    refused(&call(&client, "CancelHandshake", json!({"HandshakeId": id})).await, "InvalidHandshakeTransitionException");
    let described = call(&client, "DescribeAccount", json!({"AccountId": OTHER})).await.ok();
    assert_eq!(described["Account"]["JoinedMethod"], "INVITED");
    let tags = call(&client, "ListTagsForResource", json!({"ResourceId": OTHER})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "from", "Value": "outside"}]));
    let parents = call(&client, "ListParents", json!({"ChildId": OTHER})).await.ok();
    assert_eq!(parents["Parents"], json!([{"Id": root, "Type": "ROOT"}]));
    let again = invite(&client, "ACCOUNT", OTHER).await;
    assert_eq!(again.json["error"]["Reason"], "ALREADY_IN_AN_ORGANIZATION", "{}", again.json);
}

#[tokio::test]
async fn invitations_are_declined_canceled_and_expire() {
    let (cloud, client, _) = organization().await;
    let other = root_of(&cloud, OTHER);
    let by_address = invite(&client, "EMAIL", &format!("root@{OTHER}.undercast.invalid")).await.ok();
    let id = by_address["Handshake"]["Id"].clone();
    assert_eq!(by_address["Handshake"]["Parties"][1]["Type"], "EMAIL");
    let declined = call(&other, "DeclineHandshake", json!({"HandshakeId": id})).await.ok();
    assert_eq!(declined["Handshake"]["State"], "DECLINED");
    refused(&call(&other, "DeclineHandshake", json!({"HandshakeId": id})).await, "HandshakeAlreadyInStateException");
    refused(&call(&other, "AcceptHandshake", json!({"HandshakeId": id})).await, "InvalidHandshakeTransitionException");
    // Who began an organization meanwhile cannot join another.
    let meanwhile = invite(&client, "ACCOUNT", OTHER).await.ok()["Handshake"]["Id"].clone();
    call(&other, "CreateOrganization", json!({})).await.ok();
    let accepted = call(&other, "AcceptHandshake", json!({"HandshakeId": meanwhile})).await;
    assert_eq!(accepted.json["error"]["Reason"], "ALREADY_IN_AN_ORGANIZATION", "{}", accepted.json);
    call(&other, "DeleteOrganization", json!({})).await.ok();
    call(&other, "DeclineHandshake", json!({"HandshakeId": meanwhile})).await.ok();
    let second = invite(&client, "ACCOUNT", OTHER).await.ok()["Handshake"]["Id"].clone();
    let canceled = call(&client, "CancelHandshake", json!({"HandshakeId": second})).await.ok();
    assert_eq!(canceled["Handshake"]["State"], "CANCELED");
    refused(
        &call(&client, "CancelHandshake", json!({"HandshakeId": second})).await,
        "HandshakeAlreadyInStateException",
    );
    let third = invite(&client, "ACCOUNT", OTHER).await.ok()["Handshake"]["Id"].clone();
    cloud.kernel.advance(std::time::Duration::from_secs(15 * 86_400)).await.unwrap();
    let expired = call(&client, "DescribeHandshake", json!({"HandshakeId": third})).await.ok();
    assert_eq!(expired["Handshake"]["State"], "EXPIRED");
    refused(
        &call(&other, "AcceptHandshake", json!({"HandshakeId": third})).await,
        "InvalidHandshakeTransitionException",
    );
    let all = call(&client, "ListHandshakesForOrganization", json!({"MaxResults": 2})).await.ok();
    assert_eq!(all["Handshakes"].as_array().unwrap().len(), 2);
    assert!(all["NextToken"].is_string());
    let nothing = json!({"HandshakeId": "h-00000000"});
    for operation in ["AcceptHandshake", "CancelHandshake", "DeclineHandshake", "DescribeHandshake"] {
        refused(&call(&client, operation, nothing.clone()).await, "HandshakeNotFoundException");
    }
    for (kind, id, reason) in [
        ("ACCOUNT", "12", "INVALID_PATTERN"),
        ("EMAIL", "nobody@example.com", "INVALID_EMAIL_ADDRESS_TARGET"),
        ("ORGANIZATION", "o-0000000000", "INVALID_PARTY_TYPE_TARGET"),
    ] {
        let bad = invite(&client, kind, id).await;
        assert_eq!(bad.json["error"]["Reason"], reason, "{}", bad.json);
    }
    let both = json!({"Filter": {"ActionType": "INVITE", "ParentHandshakeId": "h-00000000"}});
    refused(&call(&client, "ListHandshakesForOrganization", both).await, "InvalidInputException");
}

#[tokio::test]
async fn all_features_need_those_who_were_invited() {
    let cloud = Cloud::start(services()).await;
    let (client, other) = (cloud.client(), root_of(&cloud, OTHER));
    let made = call(&client, "CreateOrganization", json!({"FeatureSet": "CONSOLIDATED_BILLING"})).await.ok();
    assert_eq!(made["Organization"]["AvailablePolicyTypes"], json!([]));
    let roots = call(&client, "ListRoots", json!({})).await.ok();
    let kind = json!({"RootId": roots["Roots"][0]["Id"], "PolicyType": "SERVICE_CONTROL_POLICY"});
    refused(&call(&client, "EnablePolicyType", kind.clone()).await, "PolicyTypeNotAvailableForOrganizationException");
    let content = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let policy =
        json!({"Content": content.to_string(), "Description": "", "Name": "p", "Type": "SERVICE_CONTROL_POLICY"});
    refused(&call(&client, "CreatePolicy", policy).await, "PolicyTypeNotAvailableForOrganizationException");
    let service = json!({"ServicePrincipal": "ssm.amazonaws.com"});
    let early = call(&client, "EnableAWSServiceAccess", service).await;
    assert_eq!(early.json["error"]["Reason"], "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE", "{}", early.json);
    let invited = invite(&client, "ACCOUNT", OTHER).await.ok()["Handshake"]["Id"].clone();
    call(&other, "AcceptHandshake", json!({"HandshakeId": invited})).await.ok();
    let whole = call(&client, "EnableAllFeatures", json!({})).await.ok();
    assert_eq!(whole["Handshake"]["State"], "REQUESTED");
    let id = whole["Handshake"]["Id"].clone();
    let again = call(&client, "EnableAllFeatures", json!({})).await;
    assert_eq!(
        again.json["error"]["Reason"], "ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION",
        "{}",
        again.json
    );
    refused(&call(&client, "AcceptHandshake", json!({"HandshakeId": id})).await, "InvalidHandshakeTransitionException");
    let parts = json!({"Filter": {"ParentHandshakeId": id}});
    let parts = call(&client, "ListHandshakesForOrganization", parts).await.ok();
    let part = parts["Handshakes"][0]["Id"].clone();
    assert_eq!(parts["Handshakes"][0]["Action"], "APPROVE_ALL_FEATURES");
    call(&other, "AcceptHandshake", json!({"HandshakeId": part})).await.ok();
    let late = invite(&client, "ACCOUNT", "444455556666").await;
    assert_eq!(late.json["error"]["Reason"], "INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES", "{}", late.json);
    call(&client, "AcceptHandshake", json!({"HandshakeId": id})).await.ok();
    let described = call(&client, "DescribeOrganization", json!({})).await.ok();
    assert_eq!(described["Organization"]["FeatureSet"], "ALL");
    call(&client, "EnablePolicyType", kind).await.ok();
    let done = call(&client, "EnableAllFeatures", json!({})).await;
    assert_eq!(done.json["error"]["Reason"], "ORGANIZATION_ALREADY_HAS_ALL_FEATURES", "{}", done.json);
}
