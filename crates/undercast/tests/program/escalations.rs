//! The ways to more rights that are known from the field: each needs one permission, without which nothing happens, and with
//! which it does. So what is denied is denied for want of that permission, and of no other.
//!
//! Sources: "AWS IAM Privilege Escalation – Methods and Mitigation" (Rhino Security Labs), and what came after it.

use serde_json::{Value as Json, json};
use undercast_testkit::{Answer, Client, Cloud, Credentials};

const ADMIN: &str = "arn:aws:iam::000000000000:role/admin";
const WORKER: &str = "arn:aws:iam::000000000000:role/worker";
const POLICY: &str = "arn:aws:iam::000000000000:policy/own";
const ALL: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const QUEUE: &str = "http://localhost/000000000000/q";

/// What is tried: service, operation, input, and the permission without which it is denied.
type Attempt = (&'static str, &'static str, Json, &'static str);

fn anything() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}).to_string()
}

fn open(principal: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]})
        .to_string()
}

/// Rights in IAM itself.
fn of_identities() -> Vec<Attempt> {
    let eve = "arn:aws:iam::000000000000:user/eve";
    vec![
        (
            "iam",
            "CreatePolicyVersion",
            json!({"PolicyArn": POLICY, "PolicyDocument": anything(), "SetAsDefault": true}),
            "iam:CreatePolicyVersion",
        ),
        (
            "iam",
            "SetDefaultPolicyVersion",
            json!({"PolicyArn": POLICY, "VersionId": "v2"}),
            "iam:SetDefaultPolicyVersion",
        ),
        ("iam", "DeletePolicyVersion", json!({"PolicyArn": POLICY, "VersionId": "v1"}), "iam:DeletePolicyVersion"),
        ("iam", "CreateAccessKey", json!({"UserName": "boss"}), "iam:CreateAccessKey"),
        (
            "iam",
            "UpdateAccessKey",
            json!({"UserName": "boss", "AccessKeyId": "KEY", "Status": "Inactive"}),
            "iam:UpdateAccessKey",
        ),
        ("iam", "DeleteAccessKey", json!({"UserName": "boss", "AccessKeyId": "KEY"}), "iam:DeleteAccessKey"),
        (
            "iam",
            "CreateLoginProfile",
            json!({"UserName": "boss", "Password": "long-Enough-1"}),
            "iam:CreateLoginProfile",
        ),
        (
            "iam",
            "UpdateLoginProfile",
            json!({"UserName": "ward", "Password": "long-Enough-2"}),
            "iam:UpdateLoginProfile",
        ),
        ("iam", "AttachUserPolicy", json!({"UserName": "boss", "PolicyArn": ALL}), "iam:AttachUserPolicy"),
        ("iam", "AttachGroupPolicy", json!({"GroupName": "makers", "PolicyArn": ALL}), "iam:AttachGroupPolicy"),
        ("iam", "AttachRolePolicy", json!({"RoleName": "worker", "PolicyArn": ALL}), "iam:AttachRolePolicy"),
        ("iam", "DetachUserPolicy", json!({"UserName": "ward", "PolicyArn": POLICY}), "iam:DetachUserPolicy"),
        (
            "iam",
            "PutUserPolicy",
            json!({"UserName": "boss", "PolicyName": "x", "PolicyDocument": anything()}),
            "iam:PutUserPolicy",
        ),
        (
            "iam",
            "PutGroupPolicy",
            json!({"GroupName": "makers", "PolicyName": "x", "PolicyDocument": anything()}),
            "iam:PutGroupPolicy",
        ),
        (
            "iam",
            "PutRolePolicy",
            json!({"RoleName": "worker", "PolicyName": "x", "PolicyDocument": anything()}),
            "iam:PutRolePolicy",
        ),
        ("iam", "DeleteRolePolicy", json!({"RoleName": "worker", "PolicyName": "less"}), "iam:DeleteRolePolicy"),
        ("iam", "AddUserToGroup", json!({"UserName": "boss", "GroupName": "makers"}), "iam:AddUserToGroup"),
        (
            "iam",
            "UpdateAssumeRolePolicy",
            json!({"RoleName": "admin", "PolicyDocument": open(eve)}),
            "iam:UpdateAssumeRolePolicy",
        ),
        ("iam", "CreateRole", json!({"RoleName": "new", "AssumeRolePolicyDocument": open(eve)}), "iam:CreateRole"),
        (
            "iam",
            "PutUserPermissionsBoundary",
            json!({"UserName": "ward", "PermissionsBoundary": ALL}),
            "iam:PutUserPermissionsBoundary",
        ),
        ("iam", "DeleteUserPermissionsBoundary", json!({"UserName": "ward"}), "iam:DeleteUserPermissionsBoundary"),
        ("iam", "DeleteRolePermissionsBoundary", json!({"RoleName": "worker"}), "iam:DeleteRolePermissionsBoundary"),
        ("iam", "TagUser", json!({"UserName": "eve", "Tags": [{"Key": "team", "Value": "admins"}]}), "iam:TagUser"),
        ("iam", "TagRole", json!({"RoleName": "worker", "Tags": [{"Key": "team", "Value": "admins"}]}), "iam:TagRole"),
        ("iam", "UntagRole", json!({"RoleName": "worker", "TagKeys": ["team"]}), "iam:UntagRole"),
        (
            "iam",
            "AddRoleToInstanceProfile",
            json!({"InstanceProfileName": "machine", "RoleName": "admin"}),
            "iam:PassRole",
        ),
        ("iam", "UpdateUser", json!({"UserName": "boss", "NewPath": "/admins/"}), "iam:UpdateUser"),
        (
            "iam",
            "CreateServiceLinkedRole",
            json!({"AWSServiceName": "dynamodb.application-autoscaling.amazonaws.com"}),
            "iam:CreateServiceLinkedRole",
        ),
        (
            "iam",
            "CreateServiceSpecificCredential",
            json!({"UserName": "boss", "ServiceName": "codecommit.amazonaws.com"}),
            "iam:CreateServiceSpecificCredential",
        ),
        (
            "iam",
            "DeactivateMFADevice",
            json!({"UserName": "boss", "SerialNumber": "arn:aws:iam::000000000000:mfa/none"}),
            "iam:DeactivateMFADevice",
        ),
        ("sts", "AssumeRole", json!({"RoleArn": WORKER, "RoleSessionName": "s1"}), "sts:AssumeRole"),
        ("sts", "GetFederationToken", json!({"Name": "friend", "Policy": anything()}), "sts:GetFederationToken"),
    ]
}

/// An archive with a program in it that does nothing.
const CODE: &str = "UEsDBBQAAAAAAAAAIVCDFtyMAQAAAAEAAAAJAAAAYm9vdHN0cmFweFBLAQIUAxQAAAAAAAAAIVCDFtyMAQAAAAEAAAAJAAAAAAAAAAAAAACAAQAAAABib290c3RyYXBQSwUGAAAAAAEAAQA3AAAAKAAAAAAA";
/// Roles that are handed to services, and resources that are opened.
fn of_services() -> Vec<Attempt> {
    let template = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}).to_string();
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let target = json!({"Arn": queue, "RoleArn": ADMIN});
    let open = |resource: &str, action: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}]})
        .to_string()
    };
    vec![
        (
            "lambda",
            "CreateFunction",
            json!({"FunctionName": "g", "Role": ADMIN, "Runtime": "provided.al2023", "Handler": "f.h", "Code": {"ZipFile": CODE}}),
            "iam:PassRole",
        ),
        ("lambda", "UpdateFunctionConfiguration", json!({"FunctionName": "f", "Role": ADMIN}), "iam:PassRole"),
        ("lambda", "UpdateFunctionCode", json!({"FunctionName": "f", "ZipFile": CODE}), "lambda:UpdateFunctionCode"),
        (
            "lambda",
            "AddPermission",
            json!({"FunctionName": "f", "StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "111122223333"}),
            "lambda:AddPermission",
        ),
        (
            "lambda",
            "CreateFunctionUrlConfig",
            json!({"FunctionName": "f", "AuthType": "NONE"}),
            "lambda:CreateFunctionUrlConfig",
        ),
        (
            "cloudformation",
            "CreateStack",
            json!({"StackName": "s", "TemplateBody": template, "RoleARN": ADMIN}),
            "iam:PassRole",
        ),
        (
            "events",
            "PutTargets",
            json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": queue, "RoleArn": ADMIN}]}),
            "iam:PassRole",
        ),
        (
            "events",
            "PutPermission",
            json!({"Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "x"}),
            "events:PutPermission",
        ),
        (
            "scheduler",
            "CreateSchedule",
            json!({"Name": "s", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}),
            "iam:PassRole",
        ),
        (
            "sqs",
            "AddPermission",
            json!({"QueueUrl": QUEUE, "Label": "x", "AWSAccountIds": ["111122223333"], "Actions": ["SendMessage"]}),
            "sqs:AddPermission",
        ),
        (
            "sqs",
            "SetQueueAttributes",
            json!({"QueueUrl": QUEUE, "Attributes": {"Policy": open(queue, "sqs:SendMessage")}}),
            "sqs:SetQueueAttributes",
        ),
        (
            "sns",
            "AddPermission",
            json!({"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Label": "x", "AWSAccountId": ["111122223333"], "ActionName": ["Publish"]}),
            "sns:AddPermission",
        ),
        (
            "s3",
            "PutBucketPolicy",
            json!({"Bucket": "some-bucket", "Policy": json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::some-bucket/*"}]}).to_string()}),
            "s3:PutBucketPolicy",
        ),
        (
            "s3",
            "PutPublicAccessBlock",
            json!({"Bucket": "some-bucket", "PublicAccessBlockConfiguration": {"BlockPublicPolicy": false}}),
            "s3:PutBucketPublicAccessBlock",
        ),
        (
            "kms",
            "CreateGrant",
            json!({"KeyId": "CMK", "GranteePrincipal": "arn:aws:iam::000000000000:user/eve", "Operations": ["Decrypt"]}),
            "kms:CreateGrant",
        ),
        (
            "kinesis",
            "PutResourcePolicy",
            json!({"ResourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "Policy": json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kinesis:PutRecord", "Resource": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}]}).to_string()}),
            "kinesis:PutResourcePolicy",
        ),
        ("organizations", "CreateOrganization", json!({}), "organizations:CreateOrganization"),
    ]
}

/// The account that is attacked: a boss, a ward who is bounded, roles, and what the attempts are about.
async fn set_up(cloud: &Cloud) -> (Client, Client) {
    let root = cloud.client();
    let call = async |service: &str, operation: &str, input: Json| root.call(service, operation, input).await.ok();
    for user in ["eve", "boss", "ward"] {
        call("iam", "CreateUser", json!({"UserName": user})).await;
    }
    let less = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}]});
    call("iam", "CreatePolicy", json!({"PolicyName": "own", "PolicyDocument": less.to_string()})).await;
    call("iam", "CreatePolicyVersion", json!({"PolicyArn": POLICY, "PolicyDocument": anything()})).await;
    call("iam", "AttachUserPolicy", json!({"UserName": "ward", "PolicyArn": POLICY})).await;
    call("iam", "PutUserPermissionsBoundary", json!({"UserName": "ward", "PermissionsBoundary": POLICY})).await;
    call("iam", "CreateLoginProfile", json!({"UserName": "ward", "Password": "long-Enough-1"})).await;
    call("iam", "CreateGroup", json!({"GroupName": "makers"})).await;
    let services = ["lambda", "cloudformation", "events", "scheduler", "ec2"].map(|s| format!("{s}.amazonaws.com"));
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": services, "AWS": "000000000000"}, "Action": "sts:AssumeRole"}]});
    for role in ["admin", "worker"] {
        call("iam", "CreateRole", json!({"RoleName": role, "AssumeRolePolicyDocument": trust.to_string()})).await;
    }
    call("iam", "AttachRolePolicy", json!({"RoleName": "admin", "PolicyArn": ALL})).await;
    call(
        "iam",
        "PutRolePolicy",
        json!({"RoleName": "worker", "PolicyName": "less", "PolicyDocument": less.to_string()}),
    )
    .await;
    call("iam", "PutRolePermissionsBoundary", json!({"RoleName": "worker", "PermissionsBoundary": POLICY})).await;
    call("iam", "TagRole", json!({"RoleName": "worker", "Tags": [{"Key": "team", "Value": "makers"}]})).await;
    call("iam", "CreateInstanceProfile", json!({"InstanceProfileName": "machine"})).await;
    call("sqs", "CreateQueue", json!({"QueueName": "q"})).await;
    call("sns", "CreateTopic", json!({"Name": "t"})).await;
    call("s3", "CreateBucket", json!({"Bucket": "some-bucket"})).await;
    call("events", "PutRule", json!({"Name": "r", "ScheduleExpression": "rate(1 day)"})).await;
    call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let key = call("kms", "CreateKey", json!({})).await["KeyMetadata"]["KeyId"].clone();
    call("kms", "CreateAlias", json!({"AliasName": "alias/k", "TargetKeyId": key})).await;
    let function = json!({"FunctionName": "f", "Role": WORKER, "Runtime": "provided.al2023", "Handler": "f.h", "Code": {"ZipFile": CODE}});
    call("lambda", "CreateFunction", function).await;
    let key = call("iam", "CreateAccessKey", json!({"UserName": "eve"})).await;
    let text = |name: &str| key["AccessKey"][name].as_str().unwrap().to_owned();
    let eve = cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")));
    (root, eve)
}

/// Eve may do everything but this.
async fn but_for(root: &Client, missing: &[&str]) {
    let policy = if missing.is_empty() {
        anything()
    } else {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": missing, "Resource": "*"}]})
            .to_string()
    };
    let input = json!({"UserName": "eve", "PolicyName": "eve", "PolicyDocument": policy});
    root.call("iam", "PutUserPolicy", input).await.ok();
}

/// Puts the boss's access key, the queue's address and the key of KMS where an attempt names them.
fn filled(input: &Json, key: &str, queue: &str, cmk: &str) -> Json {
    let text = input
        .to_string()
        .replace("\"KEY\"", &format!("\"{key}\""))
        .replace(QUEUE, queue)
        .replace("\"CMK\"", &format!("\"{cmk}\""));
    serde_json::from_str(&text).unwrap()
}

fn is_denied(answer: &Answer) -> bool {
    answer.status >= 400
        && answer.json["code"]
            .as_str()
            .is_some_and(|code| code.contains("AccessDenied") || code.contains("AuthorizationError"))
}

async fn each_needs_its_permission(attempts: Vec<Attempt>) {
    assert!(attempts.len() >= 17);
    let cloud = Cloud::start(crate::cloud::services()).await;
    let (root, eve) = set_up(&cloud).await;
    let boss = root.call("iam", "CreateAccessKey", json!({"UserName": "boss"})).await.ok();
    let boss = boss["AccessKey"]["AccessKeyId"].as_str().unwrap();
    let queue = root.call("sqs", "GetQueueUrl", json!({"QueueName": "q"})).await.ok();
    let queue = queue["QueueUrl"].as_str().unwrap();
    let aliases = root.call("kms", "ListAliases", json!({})).await.ok();
    let alias = aliases["Aliases"].as_array().unwrap().iter().find(|alias| alias["AliasName"] == "alias/k");
    let cmk = alias.unwrap()["TargetKeyId"].as_str().unwrap();
    for (service, operation, input, missing) in attempts {
        let input = filled(&input, boss, queue, cmk);
        but_for(&root, &[missing]).await;
        let denied = eve.call(service, operation, input.clone()).await;
        assert!(is_denied(&denied), "{service}.{operation} without {missing}: {}", denied.json);
        let last = cloud.kernel.trail().latest(1);
        let told = last[0].decision.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(told.contains(missing), "{service}.{operation}: {missing} decides, and not {told}");
        but_for(&root, &[]).await;
        let done = eve.call(service, operation, input).await;
        // What is not there cannot be taken away, which is another answer than a denial.
        assert!(
            done.status < 300 || done.json["code"] == "NoSuchEntityException",
            "{service}.{operation}: {}",
            done.json
        );
    }
}

#[tokio::test]
async fn identities_are_not_widened() {
    each_needs_its_permission(of_identities()).await;
}

#[tokio::test]
async fn services_lend_no_rights() {
    each_needs_its_permission(of_services()).await;
}

/// What was left behind by somebody whose rights were taken away.
#[tokio::test]
async fn leftovers_are_worth_nothing() {
    let cloud = Cloud::start(crate::cloud::services()).await;
    let (root, eve) = set_up(&cloud).await;
    but_for(&root, &[]).await;
    let session = eve.call("sts", "AssumeRole", json!({"RoleArn": ADMIN, "RoleSessionName": "s1"})).await.ok();
    let own = eve.call("sts", "GetSessionToken", json!({})).await.ok();
    let holder = |answer: &Json| {
        let text = |name: &str| answer["Credentials"][name].as_str().unwrap().to_owned();
        let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
        credentials.token = Some(text("SessionToken"));
        cloud.client_of(credentials)
    };
    let (session, own) = (holder(&session), holder(&own));
    let lists = async |client: &Client| client.call("sqs", "ListQueues", json!({})).await;
    for client in [&session, &own, &eve] {
        lists(client).await.ok();
    }
    // A role that is made anew under its name is another one: sessions of the old one have no rights.
    root.call("iam", "DetachRolePolicy", json!({"RoleName": "admin", "PolicyArn": ALL})).await.ok();
    assert!(is_denied(&lists(&session).await), "the role has no policies any more");
    root.call("iam", "DeleteRole", json!({"RoleName": "admin"})).await.ok();
    root.call("iam", "CreateRole", json!({"RoleName": "admin", "AssumeRolePolicyDocument": open("000000000000")}))
        .await
        .ok();
    root.call("iam", "AttachRolePolicy", json!({"RoleName": "admin", "PolicyArn": ALL})).await.ok();
    assert!(is_denied(&lists(&session).await), "the session is of a role that is gone");
    root.call("iam", "DeleteUserPolicy", json!({"UserName": "eve", "PolicyName": "eve"})).await.ok();
    for client in [&own, &eve] {
        assert!(is_denied(&lists(client).await));
    }
    // So is a user.
    let key = eve.credentials.key.clone();
    root.call("iam", "DeleteAccessKey", json!({"UserName": "eve", "AccessKeyId": key})).await.ok();
    assert!(lists(&eve).await.status >= 400);
    root.call("iam", "DeleteUser", json!({"UserName": "eve"})).await.ok();
    root.call("iam", "CreateUser", json!({"UserName": "eve"})).await.ok();
    but_for(&root, &[]).await;
    assert!(lists(&own).await.status >= 400, "the session is of a user who is gone");
}
