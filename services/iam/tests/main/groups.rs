//! Groups, and what their policies are worth; renames.

use super::*;

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("iam", operation, input).await.ok()
}

#[tokio::test]
async fn the_policies_of_a_group_are_its_members() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let may = async |what: &str| ann.call("sqs", "CreateQueue", json!({"QueueName": what})).await.status == 200;
    call(&root, "CreateGroup", json!({"GroupName": "Devs"})).await;
    let own = allow("sqs:*", "arn:aws:sqs:us-east-1:000000000000:dev-*");
    call(&root, "PutGroupPolicy", json!({"GroupName": "devs", "PolicyName": "own", "PolicyDocument": own})).await;
    assert!(!may("dev-1").await);
    call(&root, "AddUserToGroup", json!({"GroupName": "devs", "UserName": "Ann"})).await;
    assert!(may("dev-2").await && !may("other").await);
    let attach = json!({"GroupName": "devs", "PolicyArn": "arn:aws:iam::aws:policy/AmazonSQSFullAccess"});
    call(&root, "AttachGroupPolicy", attach.clone()).await;
    assert!(may("other").await);
    // What denies, denies, whichever group it is from.
    call(&root, "CreateGroup", json!({"GroupName": "careful"})).await;
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sqs:CreateQueue", "Resource": "*"}]});
    let put = json!({"GroupName": "careful", "PolicyName": "no", "PolicyDocument": deny.to_string()});
    call(&root, "PutGroupPolicy", put).await;
    call(&root, "AddUserToGroup", json!({"GroupName": "careful", "UserName": "ann"})).await;
    assert!(!may("third").await);
    call(&root, "RemoveUserFromGroup", json!({"GroupName": "careful", "UserName": "ann"})).await;
    assert!(may("third").await);
    call(&root, "UpdateGroup", json!({"GroupName": "devs", "NewGroupName": "makers"})).await;
    assert!(may("fourth").await);
    call(&root, "DetachGroupPolicy", json!({"GroupName": "makers", "PolicyArn": attach["PolicyArn"]})).await;
    assert!(!may("fifth").await && may("dev-3").await);
    call(&root, "RemoveUserFromGroup", json!({"GroupName": "makers", "UserName": "ann"})).await;
    assert!(!may("dev-4").await);
}

#[tokio::test]
async fn a_user_that_is_renamed_keeps_all_that_it_has() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    call(&root, "CreateGroup", json!({"GroupName": "devs"})).await;
    call(&root, "AddUserToGroup", json!({"GroupName": "devs", "UserName": "ann"})).await;
    let put = json!({"GroupName": "devs", "PolicyName": "own", "PolicyDocument": allow("sqs:*", "*")});
    call(&root, "PutGroupPolicy", put).await;
    call(&root, "CreateLoginProfile", json!({"UserName": "ann", "Password": "Secret-1234"})).await;
    let credential = json!({"UserName": "ann", "ServiceName": "codecommit.amazonaws.com"});
    call(&root, "CreateServiceSpecificCredential", credential).await;
    let device = call(&root, "CreateVirtualMFADevice", json!({"VirtualMFADeviceName": "d"})).await;
    let serial = &device["VirtualMFADevice"]["SerialNumber"];
    cloud.kernel.clock().freeze();
    let seed = device["VirtualMFADevice"]["Base32StringSeed"].as_str().unwrap();
    let shows = undercast_testkit::Authenticator::new(seed);
    let enable = json!({"UserName": "ann", "SerialNumber": serial, "AuthenticationCode1": shows.code(&cloud, -1), "AuthenticationCode2": shows.code(&cloud, 0)});
    call(&root, "EnableMFADevice", enable).await;
    let session = call_sts(&ann, "GetSessionToken").await;
    call(&root, "UpdateUser", json!({"UserName": "ann", "NewUserName": "Eve", "NewPath": "/e/"})).await;
    for client in [&ann, &session] {
        let identity = client.call("sts", "GetCallerIdentity", json!({})).await.ok();
        assert_eq!(identity["Arn"], "arn:aws:iam::000000000000:user/e/Eve");
        client.call("sqs", "ListQueues", json!({})).await.ok();
    }
    let named = json!({"UserName": "eve"});
    assert_eq!(call(&root, "GetLoginProfile", named.clone()).await["LoginProfile"]["UserName"], "Eve");
    assert_eq!(call(&root, "ListMFADevices", named.clone()).await["MFADevices"][0]["UserName"], "Eve");
    let shown = call(&root, "GetMFADevice", json!({"SerialNumber": serial, "UserName": "Eve"})).await;
    assert_eq!((&shown["UserName"], &shown["SerialNumber"]), (&json!("Eve"), serial));
    let credentials = call(&root, "ListServiceSpecificCredentials", named.clone()).await;
    assert_eq!(credentials["ServiceSpecificCredentials"][0]["UserName"], "Eve");
    assert_eq!(root.call("iam", "DeleteUser", named).await.code(), "DeleteConflictException");
    // Its old name is free.
    call(&root, "CreateUser", json!({"UserName": "ann"})).await;
    call(&root, "DeleteUser", json!({"UserName": "ann"})).await;
    // Only the case of letters may change, too.
    call(&root, "UpdateUser", json!({"UserName": "eve", "NewUserName": "EVE"})).await;
    assert_eq!(call(&root, "GetUser", json!({"UserName": "eve"})).await["User"]["UserName"], "EVE");
}

async fn call_sts(client: &Client, operation: &str) -> Client {
    let made = client.try_call("sts", operation, json!({})).await;
    let Some(credentials) = made.filter(|m| m.status == 200).map(|m| m.json["Credentials"].clone()) else {
        return client.clone();
    };
    let text = |field: &str| credentials[field].as_str().unwrap().to_owned();
    let mut session = client.clone();
    session.credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    session.credentials.token = Some(text("SessionToken"));
    session
}

#[tokio::test]
async fn a_role_is_handed_out_by_those_who_may_pass_it_on() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let trust = trust(&json!({"Service": "ec2.amazonaws.com"}));
    call(&root, "CreateRole", json!({"RoleName": "box", "AssumeRolePolicyDocument": trust})).await;
    call(&root, "CreateInstanceProfile", json!({"InstanceProfileName": "ip"})).await;
    let may = |actions: &[&str]| {
        let document =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
        json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": document.to_string()})
    };
    call(&root, "PutUserPolicy", may(&["iam:AddRoleToInstanceProfile"])).await;
    let add = json!({"InstanceProfileName": "ip", "RoleName": "box"});
    let denied = ann.call("iam", "AddRoleToInstanceProfile", add.clone()).await;
    assert_eq!(denied.code(), "AccessDenied");
    assert!(
        denied.json["message"]
            .as_str()
            .unwrap()
            .contains("iam:PassRole on resource: arn:aws:iam::000000000000:role/box")
    );
    call(&root, "PutUserPolicy", may(&["iam:AddRoleToInstanceProfile", "iam:PassRole"])).await;
    call(&ann, "AddRoleToInstanceProfile", add).await;
}

#[tokio::test]
async fn policies_see_tags_of_users_and_roles() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:Get*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "shop"}}}]});
    let put = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": document.to_string()});
    call(&root, "PutUserPolicy", put).await;
    call(&root, "CreateUser", json!({"UserName": "bob"})).await;
    assert_eq!(ann.call("iam", "GetUser", json!({"UserName": "bob"})).await.code(), "AccessDenied");
    call(&root, "TagUser", json!({"UserName": "bob", "Tags": [{"Key": "team", "Value": "shop"}]})).await;
    call(&ann, "GetUser", json!({"UserName": "bob"})).await;
}
