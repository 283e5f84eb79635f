//! Trails of organizations.

use super::*;

const PRINCIPAL: &str = "cloudtrail.amazonaws.com";

/// An organization with one more account, whose id is told.
pub(crate) async fn organization(client: &Client) -> (String, String) {
    let made = client.call("organizations", "CreateOrganization", json!({"FeatureSet": "ALL"})).await.ok();
    let id = made["Organization"]["Id"].as_str().unwrap().to_owned();
    let asked =
        client.call("organizations", "CreateAccount", json!({"AccountName": "m", "Email": "m@example.com"})).await.ok();
    let request = asked["CreateAccountStatus"]["Id"].clone();
    for _ in 0..200 {
        let input = json!({"CreateAccountRequestId": request});
        let status = client.call("organizations", "DescribeCreateAccountStatus", input).await.ok();
        if let Some(account) = status["CreateAccountStatus"]["AccountId"].as_str() {
            return (id, account.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the account is not made")
}

/// Somebody who may do everything in an account of the organization.
pub(crate) async fn member(cloud: &Cloud, client: &Client, account: &str) -> Client {
    let admin = user(cloud, client, "admin", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])).await;
    let role = format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole");
    let given =
        admin.call("sts", "AssumeRole", json!({"RoleArn": role, "RoleSessionName": "night"})).await.ok()["Credentials"]
            .clone();
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    cloud.client_of(Credentials {
        token: Some(text("SessionToken")),
        ..Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"))
    })
}

#[tokio::test]
async fn one_trail_has_the_calls_of_all_accounts() {
    let (cloud, client) = cloud().await;
    let input = json!({"Name": "all", "S3BucketName": BUCKET, "IsOrganizationTrail": true});
    assert_eq!(refused(&client, "CreateTrail", input.clone()).await.0, "OrganizationsNotInUseException");
    let (id, account) = organization(&client).await;
    let there = member(&cloud, &client, &account).await;
    assert_eq!(refused(&client, "CreateTrail", input.clone()).await.0, "CloudTrailAccessNotEnabledException");
    client.call("organizations", "EnableAWSServiceAccess", json!({"ServicePrincipal": PRINCIPAL})).await.ok();
    // The bucket's policy must be for the folder of the organization.
    assert_eq!(refused(&client, "CreateTrail", input).await.0, "InsufficientS3BucketPolicyException");
    let policy = bucket_policy(&[&format!("AWSLogs/{id}")]).to_string();
    client.call("s3", "PutBucketPolicy", json!({"Bucket": BUCKET, "Policy": policy})).await.ok();
    assert_eq!(
        refused(&there, "CreateTrail", json!({"Name": "own", "S3BucketName": BUCKET, "IsOrganizationTrail": true}))
            .await
            .0,
        "NotOrganizationMasterAccountException"
    );
    trail(&client, json!({"IsOrganizationTrail": true})).await;
    there.call("sqs", "CreateQueue", json!({"QueueName": "theirs"})).await.ok();
    advance(&cloud, 6).await;
    let prefix = format!("AWSLogs/{id}/{account}/CloudTrail/us-east-1/");
    let theirs = keys(&client, &prefix).await;
    assert_eq!(theirs.len(), 1, "{:?}", keys(&client, "AWSLogs").await);
    let content: Json = serde_json::from_slice(&file(&client, &theirs[0]).await).unwrap();
    let queue = content["Records"].as_array().unwrap().iter().find(|e| e["eventName"] == "CreateQueue").unwrap();
    assert_eq!(queue["recipientAccountId"], account);
    // They see it, and cannot touch it.
    let seen = ok(&there, "DescribeTrails", json!({})).await;
    assert_eq!(seen["trailList"][0]["TrailARN"], TRAIL);
    assert_eq!(refused(&there, "StopLogging", json!({"Name": TRAIL})).await.0, "NotOrganizationMasterAccountException");
}

#[tokio::test]
async fn an_account_can_be_let_do_it() {
    let (cloud, client) = cloud().await;
    let register = |account: &str| json!({"MemberAccountId": account});
    let (code, _) = refused(&client, "RegisterOrganizationDelegatedAdmin", register("111111111111")).await;
    assert_eq!(code, "OrganizationsNotInUseException");
    let (id, account) = organization(&client).await;
    let there = member(&cloud, &client, &account).await;
    let said = async |who: &Client, account: &str| {
        refused(who, "RegisterOrganizationDelegatedAdmin", register(account)).await.0
    };
    assert_eq!(said(&there, &account).await, "NotOrganizationManagementAccountException");
    assert_eq!(said(&client, &account).await, "CloudTrailAccessNotEnabledException");
    client.call("organizations", "EnableAWSServiceAccess", json!({"ServicePrincipal": PRINCIPAL})).await.ok();
    assert_eq!(said(&client, "000000000000").await, "CannotDelegateManagementAccountException");
    assert_eq!(said(&client, "999999999999").await, "AccountNotFoundException");
    assert_eq!(said(&client, "1234567890123").await, "InvalidParameterException");
    ok(&client, "RegisterOrganizationDelegatedAdmin", register(&account)).await;
    assert_eq!(said(&client, &account).await, "AccountRegisteredException");
    let policy = bucket_policy(&[&format!("AWSLogs/{id}")]).to_string();
    client.call("s3", "PutBucketPolicy", json!({"Bucket": BUCKET, "Policy": policy})).await.ok();
    trail(&there, json!({"IsOrganizationTrail": true})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "ours"})).await.ok();
    advance(&cloud, 6).await;
    assert!(names(&delivered(&client).await).contains(&"CreateQueue"));
    let gone = json!({"DelegatedAdminAccountId": account});
    ok(&client, "DeregisterOrganizationDelegatedAdmin", gone.clone()).await;
    assert_eq!(refused(&client, "DeregisterOrganizationDelegatedAdmin", gone).await.0, "AccountNotRegisteredException");
}
