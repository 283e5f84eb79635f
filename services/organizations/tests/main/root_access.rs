//! Centralized root access: its features, and sessions as the root users of members.

use super::*;

const IAM: &str = "iam.amazonaws.com";

async fn iam(client: &Client, operation: &str) -> Answer {
    client.call("iam", operation, json!({})).await
}

/// Somebody of an account who may do this.
async fn user(cloud: &Cloud, account: &str, name: &str, policy: &Json) -> Client {
    let root = root_of(cloud, account);
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let document = json!({"Version": "2012-10-17", "Statement": [policy]}).to_string();
    root.call("iam", "PutUserPolicy", json!({"UserName": name, "PolicyName": "p", "PolicyDocument": document}))
        .await
        .ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| key["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

async fn assume(client: &Client, target: &str, task: &str) -> Answer {
    let task = format!("arn:aws:iam::aws:policy/root-task/{task}");
    client.call("sts", "AssumeRoot", json!({"TargetPrincipal": target, "TaskPolicyArn": {"arn": task}})).await
}

/// A session as the root user of a member, for a task.
async fn session(cloud: &Cloud, client: &Client, target: &str, task: &str) -> Client {
    let answer = assume(client, target, task).await.ok();
    let text = |field: &str| answer["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    credentials.token = Some(text("SessionToken"));
    cloud.client_of(credentials)
}

const FEATURES: [&str; 5] = [
    "EnableOrganizationsRootSessions",
    "EnableOrganizationsRootCredentialsManagement",
    "DisableOrganizationsRootSessions",
    "DisableOrganizationsRootCredentialsManagement",
    "ListOrganizationsFeatures",
];

#[tokio::test]
async fn features_are_switched_by_those_who_administer_iam() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for operation in FEATURES {
        refused(&iam(&client, operation).await, "OrganizationNotFoundException");
    }
    call(&client, "CreateOrganization", json!({"FeatureSet": "CONSOLIDATED_BILLING"})).await.ok();
    for operation in FEATURES {
        refused(&iam(&client, operation).await, "OrganizationNotInAllFeaturesModeException");
    }
    call(&client, "DeleteOrganization", json!({})).await.ok();
    let made = call(&client, "CreateOrganization", json!({})).await.ok();
    for operation in FEATURES {
        refused(&iam(&client, operation).await, "ServiceAccessNotEnabledException");
    }
    call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await.ok();
    let security = account(&cloud, "security").await;
    let delegate = root_of(&cloud, &security);
    for operation in FEATURES {
        refused(&iam(&delegate, operation).await, "AccountNotManagementOrDelegatedAdministratorException");
    }
    let told = iam(&client, "EnableOrganizationsRootSessions").await.ok();
    assert_eq!(
        (&told["OrganizationId"], &told["EnabledFeatures"]),
        (&made["Organization"]["Id"], &json!(["RootSessions"]))
    );
    iam(&client, "EnableOrganizationsRootSessions").await.ok();
    let told = iam(&client, "EnableOrganizationsRootCredentialsManagement").await.ok();
    assert_eq!(told["EnabledFeatures"], json!(["RootCredentialsManagement", "RootSessions"]));
    let input = json!({"AccountId": security, "ServicePrincipal": IAM});
    call(&client, "RegisterDelegatedAdministrator", input).await.ok();
    assert_eq!(iam(&delegate, "ListOrganizationsFeatures").await.ok()["EnabledFeatures"], told["EnabledFeatures"]);
    for operation in &FEATURES[..2] {
        refused(&iam(&delegate, operation).await, "CallerIsNotManagementAccountException");
    }
    let told = iam(&delegate, "DisableOrganizationsRootCredentialsManagement").await.ok();
    assert_eq!(told["EnabledFeatures"], json!(["RootSessions"]));
    let told = iam(&client, "DisableOrganizationsRootSessions").await.ok();
    assert_eq!(told["EnabledFeatures"], json!([]));
    let nobody =
        user(&cloud, MANAGEMENT, "nobody", &json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})).await;
    for operation in FEATURES {
        refused(&iam(&nobody, operation).await, "AccessDenied");
    }
}

#[tokio::test]
async fn a_session_as_root_does_its_task_and_nothing_else() {
    let (cloud, client, _) = organization().await;
    let member = account(&cloud, "member").await;
    let all = json!({"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": "*"});
    let admin = user(&cloud, MANAGEMENT, "admin", &all).await;
    let audit = "IAMAuditRootUserCredentials";
    refused(&assume(&admin, &member, audit).await, "AccessDenied");
    call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await.ok();
    refused(&assume(&admin, &member, audit).await, "AccessDenied");
    iam(&client, "EnableOrganizationsRootSessions").await.ok();
    // Neither root users begin one, nor members, and the management account has none.
    refused(&assume(&client, &member, audit).await, "AccessDenied");
    refused(&assume(&admin, MANAGEMENT, audit).await, "AccessDenied");
    refused(&assume(&admin, "999988887777", audit).await, "AccessDenied");
    let inside = user(&cloud, &member, "inside", &all).await;
    refused(&assume(&inside, &member, audit).await, "AccessDenied");
    refused(&assume(&admin, &member, "AdministratorAccess").await, "ValidationError");
    refused(&assume(&admin, "arn:aws:iam::123456789012:user/ann", audit).await, "ValidationError");
    let one = json!({"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": format!("arn:aws:iam::{member}:root"),
        "Condition": {"StringEquals": {"sts:TaskPolicyArn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}}});
    let auditor = user(&cloud, MANAGEMENT, "auditor", &one).await;
    refused(&assume(&auditor, &member, "S3UnlockBucketPolicy").await, "AccessDenied");
    let root = session(&cloud, &auditor, &format!("arn:aws:iam::{member}:root"), audit).await;
    let who = root.call("sts", "GetCallerIdentity", json!({})).await.ok();
    assert_eq!((&who["Account"], &who["Arn"]), (&json!(member), &json!(format!("arn:aws:iam::{member}:root"))));
    for operation in ["ListAccessKeys", "ListSigningCertificates", "ListMFADevices", "GetUser", "GetAccountSummary"] {
        iam(&root, operation).await.ok();
    }
    refused(&iam(&root, "GetLoginProfile").await, "NoSuchEntityException");
    refused(&iam(&root, "ListUsers").await, "AccessDenied");
    refused(&iam(&root, "CreateLoginProfile").await, "AccessDenied");
    refused(&root.call("iam", "ListAccessKeys", json!({"UserName": "inside"})).await, "AccessDenied");
    refused(&root.call("s3", "ListBuckets", json!({})).await, "AccessDenied");
}

#[tokio::test]
async fn root_passwords_come_and_go() {
    let (cloud, client, _) = organization().await;
    let member = account(&cloud, "member").await;
    call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await.ok();
    iam(&client, "EnableOrganizationsRootSessions").await.ok();
    let all = json!({"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": "*"});
    let admin = user(&cloud, MANAGEMENT, "admin", &all).await;
    let task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials";
    let mut timed = json!({"TargetPrincipal": member, "TaskPolicyArn": {"arn": task}, "DurationSeconds": 901});
    refused(&admin.call("sts", "AssumeRoot", timed.clone()).await, "ValidationError");
    timed["DurationSeconds"] = json!(300);
    let now = cloud.kernel.clock().now().as_second();
    let answer = admin.call("sts", "AssumeRoot", timed).await.ok();
    let ends = answer["Credentials"]["Expiration"].as_f64().unwrap();
    assert!((ends - now as f64 - 300.0).abs() < 5.0, "{answer}");
    let creating = session(&cloud, &admin, &member, "IAMCreateRootUserPassword").await;
    refused(&creating.call("iam", "CreateLoginProfile", json!({"Password": "Secret-1234"})).await, "ValidationError");
    iam(&creating, "CreateLoginProfile").await.ok();
    refused(&iam(&creating, "CreateLoginProfile").await, "EntityAlreadyExistsException");
    iam(&creating, "GetLoginProfile").await.ok();
    refused(&iam(&creating, "DeleteLoginProfile").await, "AccessDenied");
    let deleting = session(&cloud, &admin, &member, "IAMDeleteRootUserCredentials").await;
    iam(&deleting, "DeleteLoginProfile").await.ok();
    refused(&iam(&deleting, "DeleteLoginProfile").await, "NoSuchEntityException");
    let none = json!({"AccessKeyId": "AKIAABCDEFGHIJKLMNOP"});
    refused(&deleting.call("iam", "DeleteAccessKey", none).await, "NoSuchEntityException");
    let none = json!({"CertificateId": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"});
    refused(&deleting.call("iam", "DeleteSigningCertificate", none).await, "NoSuchEntityException");
}

#[tokio::test]
async fn policies_that_deny_everybody_are_taken_away() {
    let (cloud, client, _) = organization().await;
    let member = account(&cloud, "member").await;
    call(&client, "EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await.ok();
    iam(&client, "EnableOrganizationsRootSessions").await.ok();
    let all = json!({"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": "*"});
    let admin = user(&cloud, MANAGEMENT, "admin", &all).await;
    let owner = root_of(&cloud, &member);
    owner.call("s3", "CreateBucket", json!({"Bucket": "locked"})).await.ok();
    let locked = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::locked", "arn:aws:s3:::locked/*"]}]});
    owner.call("s3", "PutBucketPolicy", json!({"Bucket": "locked", "Policy": locked.to_string()})).await.ok();
    let unlocking = session(&cloud, &admin, &member, "S3UnlockBucketPolicy").await;
    refused(&unlocking.call("s3", "ListObjectsV2", json!({"Bucket": "locked"})).await, "AccessDenied");
    unlocking.call("s3", "GetBucketPolicy", json!({"Bucket": "locked"})).await.ok();
    unlocking.call("s3", "DeleteBucketPolicy", json!({"Bucket": "locked"})).await.ok();
    owner.call("s3", "ListObjectsV2", json!({"Bucket": "locked"})).await.ok();
    let made = owner.call("sqs", "CreateQueue", json!({"QueueName": "locked"})).await.ok();
    let url = made["QueueUrl"].clone();
    let locked = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let set = |policy: &str| json!({"QueueUrl": url, "Attributes": {"Policy": policy}});
    owner.call("sqs", "SetQueueAttributes", set(&locked.to_string())).await.ok();
    let send = json!({"QueueUrl": url, "MessageBody": "x"});
    refused(&owner.call("sqs", "SendMessage", send.clone()).await, "AccessDeniedException");
    let unlocking = session(&cloud, &admin, &member, "SQSUnlockQueuePolicy").await;
    refused(&unlocking.call("sqs", "SendMessage", send.clone()).await, "AccessDeniedException");
    unlocking.call("sqs", "GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": ["Policy"]})).await.ok();
    unlocking.call("sqs", "SetQueueAttributes", set("")).await.ok();
    owner.call("sqs", "SendMessage", send).await.ok();
    // It is over after a quarter of an hour.
    cloud.kernel.clock().freeze();
    cloud.kernel.advance(std::time::Duration::from_secs(901)).await.unwrap();
    let over = unlocking.call("sqs", "ListQueues", json!({})).await;
    assert!(over.status >= 400, "{}", over.json);
}

#[tokio::test]
async fn a_token_names_the_organization() {
    let (_cloud, client, root) = organization().await;
    let organization = call(&client, "DescribeOrganization", json!({})).await.ok()["Organization"]["Id"].clone();
    client.call("iam", "EnableOutboundWebIdentityFederation", json!({})).await.ok();
    let input = json!({"Audience": ["a"], "SigningAlgorithm": "RS256"});
    let token = client.call("sts", "GetWebIdentityToken", input).await.ok();
    let claims = token["WebIdentityToken"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let mut claims = claims.replace('-', "+").replace('_', "/");
    while claims.len() % 4 > 0 {
        claims.push('=');
    }
    let claims: Json = serde_json::from_slice(&undercast_wire::text::unbase64(&claims).unwrap()).unwrap();
    let own = &claims["https://sts.amazonaws.com/"];
    let path = format!("{}/{root}/", organization.as_str().unwrap());
    assert_eq!((&own["org_id"], &own["ou_path"]), (&organization, &json!([path])));
}
