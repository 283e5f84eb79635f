//! Accounts that are made here.

use super::*;

#[tokio::test]
async fn an_account_is_made_with_the_role_by_which_one_gets_in() {
    let (cloud, client, root) = organization().await;
    let account = account(&cloud, "dev").await;
    assert!(account.len() == 12 && !account.starts_with('0'), "{account}");
    let described = call(&client, "DescribeAccount", json!({"AccountId": account})).await.ok();
    let shown = &described["Account"];
    let organization = call(&client, "DescribeOrganization", json!({})).await.ok();
    let id = organization["Organization"]["Id"].as_str().unwrap();
    assert_eq!(shown["Arn"], format!("arn:aws:organizations::{MANAGEMENT}:account/{id}/{account}"));
    assert_eq!(
        (&shown["JoinedMethod"], &shown["Status"], &shown["State"]),
        (&json!("CREATED"), &json!("ACTIVE"), &json!("ACTIVE"))
    );
    assert_eq!(shown["Paths"], json!([format!("{id}/{root}/{account}/")]));
    // A user of the management account gets in by the role.
    client.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]});
    let input = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let key = client.call("iam", "CreateAccessKey", json!({"UserName": "ann"})).await.ok();
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let ann = cloud.client_of(Credentials::new(
        &text(&key["AccessKey"]["AccessKeyId"]),
        &text(&key["AccessKey"]["SecretAccessKey"]),
    ));
    let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    let session = ann.call("sts", "AssumeRole", json!({"RoleArn": role, "RoleSessionName": "s1"})).await.ok();
    let mut credentials = Credentials::new(
        &text(&session["Credentials"]["AccessKeyId"]),
        &text(&session["Credentials"]["SecretAccessKey"]),
    );
    credentials.token = Some(text(&session["Credentials"]["SessionToken"]));
    let inside = cloud.client_of(credentials);
    inside.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let queues = root_of(&cloud, &account).call("sqs", "ListQueues", json!({})).await.ok();
    assert!(queues["QueueUrls"][0].as_str().unwrap().ends_with(&format!("/{account}/q")), "{queues}");
}

#[tokio::test]
async fn an_address_is_of_one_account() {
    let (cloud, client, _) = organization().await;
    account(&cloud, "dev").await;
    let again = json!({"Email": "DEV@example.com", "AccountName": "other", "RoleName": "Admin",
        "IamUserAccessToBilling": "DENY", "Tags": [{"Key": "a", "Value": "b"}]});
    let asked = call(&client, "CreateAccount", again).await.ok();
    let id = asked["CreateAccountStatus"]["Id"].clone();
    let mut failed = Json::Null;
    for _ in 0..500 {
        let listed = call(&client, "ListCreateAccountStatus", json!({"States": ["FAILED"]})).await.ok();
        failed = listed["CreateAccountStatuses"][0].clone();
        if !failed.is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((&failed["Id"], &failed["FailureReason"]), (&id, &json!("EMAIL_ALREADY_EXISTS")), "{failed}");
    let unknown = json!({"CreateAccountRequestId": "car-00000000"});
    refused(&call(&client, "DescribeCreateAccountStatus", unknown).await, "CreateAccountStatusNotFoundException");
}

#[tokio::test]
async fn nothing_is_done_in_a_closed_account() {
    let (cloud, client, _) = organization().await;
    let account = account(&cloud, "dev").await;
    let member = root_of(&cloud, &account);
    member.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let close = json!({"AccountId": account});
    call(&client, "CloseAccount", close.clone()).await.ok();
    assert_eq!(member.call("sqs", "ListQueues", json!({})).await.status, 403);
    let described = call(&client, "DescribeAccount", close.clone()).await.ok();
    assert_eq!(described["Account"]["Status"], "SUSPENDED");
    refused(&call(&client, "CloseAccount", close.clone()).await, "AccountAlreadyClosedException");
    refused(&call(&client, "RemoveAccountFromOrganization", close.clone()).await, "ConstraintViolationException");
    let own = call(&client, "CloseAccount", json!({"AccountId": MANAGEMENT})).await;
    assert_eq!(own.json["error"]["Reason"], "CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "{}", own.json);
    cloud.kernel.advance(std::time::Duration::from_secs(90 * 86_400)).await.unwrap();
    refused(&call(&client, "DescribeAccount", close).await, "AccountNotFoundException");
}

#[tokio::test]
async fn accounts_come_and_go() {
    let (cloud, client, root) = organization().await;
    let account = account(&cloud, "dev").await;
    let member = root_of(&cloud, &account);
    refused(&call(&member, "ListAccounts", json!({})).await, "AccessDeniedException");
    refused(&call(&member, "CreateOrganization", json!({})).await, "AlreadyInOrganizationException");
    let listed = call(&client, "ListAccounts", json!({"MaxResults": 1})).await.ok();
    let rest = call(&client, "ListAccounts", json!({"NextToken": listed["NextToken"]})).await.ok();
    let ids: Vec<&str> = [&listed, &rest]
        .iter()
        .flat_map(|page| page["Accounts"].as_array().unwrap())
        .map(|account| account["Id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [MANAGEMENT, &account]);
    let bad = call(&client, "ListAccounts", json!({"NextToken": "nonsense"})).await;
    assert_eq!(bad.json["error"]["Reason"], "INVALID_NEXT_TOKEN", "{}", bad.json);
    refused(&call(&client, "LeaveOrganization", json!({})).await, "MasterCannotLeaveOrganizationException");
    let own = json!({"AccountId": MANAGEMENT});
    refused(&call(&client, "RemoveAccountFromOrganization", own).await, "MasterCannotLeaveOrganizationException");
    refused(&call(&client, "DeleteOrganization", json!({})).await, "OrganizationNotEmptyException");
    call(&member, "LeaveOrganization", json!({})).await.ok();
    refused(&call(&member, "DescribeOrganization", json!({})).await, "AWSOrganizationsNotInUseException");
    refused(&call(&member, "LeaveOrganization", json!({})).await, "AWSOrganizationsNotInUseException");
    let gone = json!({"AccountId": account});
    refused(&call(&client, "RemoveAccountFromOrganization", gone.clone()).await, "AccountNotFoundException");
    refused(&call(&client, "CloseAccount", gone).await, "AccountNotFoundException");
    for (input, code) in [
        (
            json!({"AccountId": account, "SourceParentId": root, "DestinationParentId": root}),
            "AccountNotFoundException",
        ),
        (
            json!({"AccountId": MANAGEMENT, "SourceParentId": "r-none", "DestinationParentId": root}),
            "SourceParentNotFoundException",
        ),
        (
            json!({"AccountId": MANAGEMENT, "SourceParentId": root, "DestinationParentId": "r-none"}),
            "DestinationParentNotFoundException",
        ),
        (
            json!({"AccountId": MANAGEMENT, "SourceParentId": root, "DestinationParentId": root}),
            "DuplicateAccountException",
        ),
    ] {
        refused(&call(&client, "MoveAccount", input).await, code);
    }
    call(&client, "DeleteOrganization", json!({})).await.ok();
    refused(&call(&client, "DescribeOrganization", json!({})).await, "AWSOrganizationsNotInUseException");
}
