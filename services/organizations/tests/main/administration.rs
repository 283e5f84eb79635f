//! Services that are let in, accounts that administer them, and what the resource policy lets members do.

use super::*;

const SERVICE: &str = "access-analyzer.amazonaws.com";

#[tokio::test]
async fn an_account_administers_a_service() {
    let (cloud, client, _) = organization().await;
    let account = account(&cloud, "audit").await;
    let member = root_of(&cloud, &account);
    let input = json!({"AccountId": account, "ServicePrincipal": SERVICE});
    let early = call(&client, "RegisterDelegatedAdministrator", input.clone()).await;
    assert_eq!(early.json["error"]["Reason"], "SERVICE_ACCESS_NOT_ENABLED", "{}", early.json);
    call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": SERVICE})).await.ok();
    let enabled = call(&client, "ListAWSServiceAccessForOrganization", json!({})).await.ok();
    assert_eq!(enabled["EnabledServicePrincipals"][0]["ServicePrincipal"], SERVICE);
    refused(&call(&member, "ListAccounts", json!({})).await, "AccessDeniedException");
    call(&client, "RegisterDelegatedAdministrator", input.clone()).await.ok();
    call(&member, "ListAccounts", json!({})).await.ok();
    refused(&call(&member, "CreatePolicy", json!({"Content": r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#, "Description": "", "Name": "p", "Type": "SERVICE_CONTROL_POLICY"})).await, "AccessDeniedException");
    refused(&call(&client, "RegisterDelegatedAdministrator", input.clone()).await, "AccountAlreadyRegisteredException");
    let listed = call(&client, "ListDelegatedAdministrators", json!({"ServicePrincipal": SERVICE})).await.ok();
    assert_eq!(listed["DelegatedAdministrators"][0]["Id"], account);
    let services = call(&client, "ListDelegatedServicesForAccount", json!({"AccountId": account})).await.ok();
    assert_eq!(services["DelegatedServices"][0]["ServicePrincipal"], SERVICE);
    let gone = call(&client, "RemoveAccountFromOrganization", json!({"AccountId": account})).await;
    assert_eq!(gone.json["error"]["Reason"], "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", "{}", gone.json);
    refused(&call(&member, "LeaveOrganization", json!({})).await, "ConstraintViolationException");
    let off = call(&client, "DisableAWSServiceAccess", json!({"ServicePrincipal": SERVICE})).await;
    assert_eq!(off.json["error"]["Reason"], "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE", "{}", off.json);
    call(&client, "DeregisterDelegatedAdministrator", input.clone()).await.ok();
    refused(&call(&client, "DeregisterDelegatedAdministrator", input).await, "AccountNotRegisteredException");
    refused(
        &call(&client, "ListDelegatedServicesForAccount", json!({"AccountId": account})).await,
        "AccountNotRegisteredException",
    );
    refused(&call(&member, "ListAccounts", json!({})).await, "AccessDeniedException");
    call(&client, "DisableAWSServiceAccess", json!({"ServicePrincipal": SERVICE})).await.ok();
    call(&client, "RemoveAccountFromOrganization", json!({"AccountId": account})).await.ok();
    for (operation, id, reason) in
        [("RegisterDelegatedAdministrator", MANAGEMENT, "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR")]
    {
        let bad = call(&client, operation, json!({"AccountId": id, "ServicePrincipal": SERVICE})).await;
        assert_eq!(bad.json["error"]["Reason"], reason, "{}", bad.json);
    }
    let nobody = json!({"AccountId": "444455556666", "ServicePrincipal": SERVICE});
    for operation in ["RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator"] {
        refused(&call(&client, operation, nobody.clone()).await, "AccountNotFoundException");
    }
    refused(
        &call(&client, "ListDelegatedServicesForAccount", json!({"AccountId": "444455556666"})).await,
        "AccountNotFoundException",
    );
    let unknown = call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": "moon.amazonaws.com"})).await;
    assert_eq!(unknown.json["error"]["Reason"], "UNRECOGNIZED_SERVICE_PRINCIPAL", "{}", unknown.json);
}

#[tokio::test]
async fn the_resource_policy_lets_members_look() {
    let (cloud, client, _) = organization().await;
    let account = account(&cloud, "audit").await;
    let member = root_of(&cloud, &account);
    refused(&call(&client, "DescribeResourcePolicy", json!({})).await, "ResourcePolicyNotFoundException");
    refused(&call(&client, "DeleteResourcePolicy", json!({})).await, "ResourcePolicyNotFoundException");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": account},
        "Action": ["organizations:ListAccounts", "organizations:ListRoots"], "Resource": "*"}]});
    let put = call(
        &client,
        "PutResourcePolicy",
        json!({"Content": policy.to_string(), "Tags": [{"Key": "a", "Value": "b"}]}),
    )
    .await
    .ok();
    let id = put["ResourcePolicy"]["ResourcePolicySummary"]["Id"].clone();
    call(&member, "ListAccounts", json!({})).await.ok();
    call(&member, "ListRoots", json!({})).await.ok();
    refused(&call(&member, "DescribePolicy", json!({"PolicyId": "p-FullAWSAccess"})).await, "AccessDeniedException");
    let again = call(&client, "PutResourcePolicy", json!({"Content": policy.to_string()})).await.ok();
    assert_eq!(again["ResourcePolicy"]["ResourcePolicySummary"]["Id"], id);
    let described = call(&client, "DescribeResourcePolicy", json!({})).await.ok();
    assert_eq!(described["ResourcePolicy"]["Content"], policy.to_string());
    let tags = call(&client, "ListTagsForResource", json!({"ResourceId": id})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
    call(&client, "TagResource", json!({"ResourceId": id, "Tags": [{"Key": "c", "Value": "d"}]})).await.ok();
    let late = json!({"Content": policy.to_string(), "Tags": [{"Key": "a", "Value": "b"}]});
    refused(&call(&client, "PutResourcePolicy", late).await, "ConstraintViolationException");
    let bad = call(&client, "PutResourcePolicy", json!({"Content": "{}"})).await;
    assert_eq!(bad.json["error"]["Reason"], "INVALID_RESOURCE_POLICY_JSON", "{}", bad.json);
    call(&client, "DeleteResourcePolicy", json!({})).await.ok();
    refused(&call(&member, "ListAccounts", json!({})).await, "AccessDeniedException");
}

#[tokio::test]
async fn identity_policies_name_accounts_and_policies() {
    let (cloud, client, root) = organization().await;
    let unit = unit(&client, &root, "u").await;
    client.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "organizations:Describe*", "Resource": format!("arn:aws:organizations::{MANAGEMENT}:ou/*/{unit}")},
        {"Effect": "Allow", "Action": "organizations:ListPolicies", "Resource": "*",
         "Condition": {"StringEquals": {"organizations:PolicyType": "TAG_POLICY"}}}]});
    let input = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": document.to_string()});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let key = client.call("iam", "CreateAccessKey", json!({"UserName": "ann"})).await.ok();
    let text = |name: &str| key["AccessKey"][name].as_str().unwrap().to_owned();
    let ann = cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")));
    call(&ann, "DescribeOrganizationalUnit", json!({"OrganizationalUnitId": unit})).await.ok();
    call(&ann, "ListPolicies", json!({"Filter": "TAG_POLICY"})).await.ok();
    for (operation, input) in [
        ("DescribeOrganizationalUnit", json!({"OrganizationalUnitId": "ou-0000-00000000"})),
        ("ListPolicies", json!({"Filter": "SERVICE_CONTROL_POLICY"})),
        ("ListAccounts", json!({})),
    ] {
        refused(&call(&ann, operation, input).await, "AccessDeniedException");
    }
}
