//! Who may not, whatever the operation; and what is not as the model says.

use super::*;

/// Each operation, with an input that is as the model says.
const OPERATIONS: &[(&str, &str)] = &[
    ("AcceptHandshake", r#"{"HandshakeId": "h-00000000"}"#),
    ("AttachPolicy", r#"{"PolicyId": "p-FullAWSAccess", "TargetId": "r-none"}"#),
    ("CancelHandshake", r#"{"HandshakeId": "h-00000000"}"#),
    ("CloseAccount", r#"{"AccountId": "444455556666"}"#),
    ("CreateAccount", r#"{"Email": "a@b.cd", "AccountName": "n"}"#),
    ("CreateOrganization", r#"{}"#),
    ("CreateOrganizationalUnit", r#"{"ParentId": "r-none", "Name": "n"}"#),
    ("CreatePolicy", r#"{"Content": "{\"tags\":{}}", "Description": "", "Name": "n", "Type": "TAG_POLICY"}"#),
    ("DeclineHandshake", r#"{"HandshakeId": "h-00000000"}"#),
    ("DeleteOrganization", r#"{}"#),
    ("DeleteOrganizationalUnit", r#"{"OrganizationalUnitId": "ou-0000-00000000"}"#),
    ("DeletePolicy", r#"{"PolicyId": "p-FullAWSAccess"}"#),
    ("DeleteResourcePolicy", r#"{}"#),
    ("DeregisterDelegatedAdministrator", r#"{"AccountId": "444455556666", "ServicePrincipal": "ssm.amazonaws.com"}"#),
    ("DescribeAccount", r#"{"AccountId": "444455556666"}"#),
    ("DescribeCreateAccountStatus", r#"{"CreateAccountRequestId": "car-00000000"}"#),
    ("DescribeEffectivePolicy", r#"{"PolicyType": "TAG_POLICY"}"#),
    ("DescribeHandshake", r#"{"HandshakeId": "h-00000000"}"#),
    ("DescribeOrganization", r#"{}"#),
    ("DescribeOrganizationalUnit", r#"{"OrganizationalUnitId": "ou-0000-00000000"}"#),
    ("DescribePolicy", r#"{"PolicyId": "p-FullAWSAccess"}"#),
    ("DescribeResourcePolicy", r#"{}"#),
    ("DetachPolicy", r#"{"PolicyId": "p-FullAWSAccess", "TargetId": "r-none"}"#),
    ("DisableAWSServiceAccess", r#"{"ServicePrincipal": "ssm.amazonaws.com"}"#),
    ("DisablePolicyType", r#"{"RootId": "r-none", "PolicyType": "TAG_POLICY"}"#),
    ("EnableAWSServiceAccess", r#"{"ServicePrincipal": "ssm.amazonaws.com"}"#),
    ("EnableAllFeatures", r#"{}"#),
    ("EnablePolicyType", r#"{"RootId": "r-none", "PolicyType": "TAG_POLICY"}"#),
    ("InviteAccountToOrganization", r#"{"Target": {"Id": "444455556666", "Type": "ACCOUNT"}}"#),
    ("LeaveOrganization", r#"{}"#),
    ("ListAWSServiceAccessForOrganization", r#"{}"#),
    ("ListAccounts", r#"{}"#),
    ("ListAccountsForParent", r#"{"ParentId": "r-none"}"#),
    ("ListChildren", r#"{"ParentId": "r-none", "ChildType": "ACCOUNT"}"#),
    ("ListCreateAccountStatus", r#"{}"#),
    ("ListDelegatedAdministrators", r#"{}"#),
    ("ListDelegatedServicesForAccount", r#"{"AccountId": "444455556666"}"#),
    ("ListHandshakesForAccount", r#"{}"#),
    ("ListHandshakesForOrganization", r#"{}"#),
    ("ListOrganizationalUnitsForParent", r#"{"ParentId": "r-none"}"#),
    ("ListParents", r#"{"ChildId": "444455556666"}"#),
    ("ListPolicies", r#"{"Filter": "TAG_POLICY"}"#),
    ("ListPoliciesForTarget", r#"{"TargetId": "r-none", "Filter": "TAG_POLICY"}"#),
    ("ListRoots", r#"{}"#),
    ("ListTagsForResource", r#"{"ResourceId": "r-none"}"#),
    ("ListTargetsForPolicy", r#"{"PolicyId": "p-FullAWSAccess"}"#),
    ("MoveAccount", r#"{"AccountId": "444455556666", "SourceParentId": "r-none", "DestinationParentId": "r-none"}"#),
    (
        "PutResourcePolicy",
        r#"{"Content": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"organizations:*\",\"Resource\":\"*\"}]}"}"#,
    ),
    ("RegisterDelegatedAdministrator", r#"{"AccountId": "444455556666", "ServicePrincipal": "ssm.amazonaws.com"}"#),
    ("RemoveAccountFromOrganization", r#"{"AccountId": "444455556666"}"#),
    ("TagResource", r#"{"ResourceId": "r-none", "Tags": []}"#),
    ("UntagResource", r#"{"ResourceId": "r-none", "TagKeys": []}"#),
    ("UpdateOrganizationalUnit", r#"{"OrganizationalUnitId": "ou-0000-00000000"}"#),
    ("UpdatePolicy", r#"{"PolicyId": "p-FullAWSAccess"}"#),
];
/// What those do who are in no organization.
const ALONE: &[&str] = &[
    "AcceptHandshake",
    "CancelHandshake",
    "CreateOrganization",
    "DeclineHandshake",
    "DescribeHandshake",
    "ListHandshakesForAccount",
];
/// What any member may do.
const MEMBERS: &[&str] = &["DescribeEffectivePolicy", "DescribeOrganization", "LeaveOrganization"];

fn input(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn those_in_no_organization_are_told_so() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for (operation, text) in OPERATIONS.iter().filter(|(operation, _)| !ALONE.contains(operation)) {
        let answer = call(&client, operation, input(text)).await;
        assert_eq!(answer.code(), "AWSOrganizationsNotInUseException", "{operation}: {}", answer.json);
    }
}

#[tokio::test]
async fn members_do_not_manage() {
    let (cloud, _, _) = organization().await;
    let account = account(&cloud, "dev").await;
    let member = root_of(&cloud, &account);
    let kept = |operation: &str| ALONE.contains(&operation) || MEMBERS.contains(&operation);
    for (operation, text) in OPERATIONS.iter().filter(|(operation, _)| !kept(operation)) {
        let answer = call(&member, operation, input(text)).await;
        assert_eq!(answer.code(), "AccessDeniedException", "{operation}: {}", answer.json);
    }
}

#[tokio::test]
async fn those_without_rights_do_nothing() {
    let (cloud, client, _) = organization().await;
    client.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    let key = client.call("iam", "CreateAccessKey", json!({"UserName": "ann"})).await.ok();
    let text = |name: &str| key["AccessKey"][name].as_str().unwrap().to_owned();
    let ann = cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")));
    for (operation, text) in OPERATIONS {
        let answer = call(&ann, operation, input(text)).await;
        assert_eq!(answer.code(), "AccessDeniedException", "{operation}: {}", answer.json);
    }
}

#[tokio::test]
async fn input_is_as_the_model_says() {
    let (_cloud, client, _) = organization().await;
    for (operation, text) in OPERATIONS {
        let whole = input(text);
        let given = whole.as_object().unwrap();
        for name in given.keys() {
            let mut less = given.clone();
            less.remove(name);
            let answer = call(&client, operation, Json::Object(less)).await;
            assert_eq!(answer.code(), "InvalidInputException", "{operation} without {name}: {}", answer.json);
            assert_eq!(answer.json["error"]["Reason"], "INPUT_REQUIRED", "{operation} without {name}");
        }
    }
    for (operation, given, reason) in [
        ("ListAccounts", json!({"MaxResults": 0}), "MIN_VALUE_EXCEEDED"),
        ("ListAccounts", json!({"MaxResults": 21}), "MAX_VALUE_EXCEEDED"),
        ("DescribeAccount", json!({"AccountId": "12"}), "INVALID_PATTERN"),
        ("CreateAccount", json!({"Email": "a@b", "AccountName": "n"}), "MIN_LENGTH_EXCEEDED"),
        ("CreateAccount", json!({"Email": "a@b.cd", "AccountName": "n".repeat(51)}), "MAX_LENGTH_EXCEEDED"),
        ("ListPolicies", json!({"Filter": "OTHER"}), "INVALID_ENUM"),
    ] {
        let answer = call(&client, operation, given).await;
        assert_eq!(answer.json["error"]["Reason"], reason, "{operation}: {}", answer.json);
    }
    for operation in [
        "ListRoots",
        "ListCreateAccountStatus",
        "ListAWSServiceAccessForOrganization",
        "ListDelegatedAdministrators",
        "ListHandshakesForAccount",
        "ListHandshakesForOrganization",
    ] {
        let answer = call(&client, operation, json!({"NextToken": "nonsense", "MaxResults": 5})).await;
        assert_eq!(answer.json["error"]["Reason"], "INVALID_NEXT_TOKEN", "{operation}: {}", answer.json);
    }
    let wrong = json!({"FeatureSet": "SOME"});
    assert_eq!(call(&client, "CreateOrganization", wrong).await.json["error"]["Reason"], "INVALID_ENUM");
}
