//! All that an account has, told at once.

use super::*;

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("iam", operation, input).await.ok()
}

async fn furnished() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    let document = allow("sqs:*", "*");
    call(&root, "CreateGroup", json!({"GroupName": "Devs", "Path": "/g/"})).await;
    call(&root, "CreateUser", json!({"UserName": "Ann", "Tags": [{"Key": "k", "Value": "v"}]})).await;
    call(&root, "AddUserToGroup", json!({"GroupName": "devs", "UserName": "ann"})).await;
    let trust = trust(&json!({"Service": "ec2.amazonaws.com"}));
    let role = json!({"RoleName": "box", "AssumeRolePolicyDocument": trust, "Tags": [{"Key": "k", "Value": "v"}]});
    call(&root, "CreateRole", role).await;
    call(&root, "CreateInstanceProfile", json!({"InstanceProfileName": "ip"})).await;
    call(&root, "AddRoleToInstanceProfile", json!({"InstanceProfileName": "ip", "RoleName": "box"})).await;
    for (word, name) in [("User", "ann"), ("Group", "devs"), ("Role", "box")] {
        let input = json!({format!("{word}Name"): name, "PolicyName": "own", "PolicyDocument": document});
        call(&root, &format!("Put{word}Policy"), input).await;
    }
    call(&root, "CreatePolicy", json!({"PolicyName": "queues", "Description": "d", "PolicyDocument": document})).await;
    let arn = "arn:aws:iam::000000000000:policy/queues";
    let version = json!({"PolicyArn": arn, "PolicyDocument": allow("sns:*", "*"), "SetAsDefault": true});
    call(&root, "CreatePolicyVersion", version).await;
    call(&root, "AttachUserPolicy", json!({"UserName": "ann", "PolicyArn": arn})).await;
    let aws = "arn:aws:iam::aws:policy/AmazonSQSFullAccess";
    call(&root, "AttachGroupPolicy", json!({"GroupName": "devs", "PolicyArn": aws})).await;
    call(&root, "PutRolePermissionsBoundary", json!({"RoleName": "box", "PermissionsBoundary": arn})).await;
    (cloud, root)
}

#[tokio::test]
async fn an_accounts_details_are_told_whole_and_by_pages() {
    let (_cloud, root) = furnished().await;
    let all = call(&root, "GetAccountAuthorizationDetails", json!({})).await;
    let user = &all["UserDetailList"][0];
    assert_eq!((&user["UserName"], &user["GroupList"]), (&json!("Ann"), &json!(["Devs"])));
    assert_eq!(user["AttachedManagedPolicies"][0]["PolicyName"], "queues");
    let mut document = String::new();
    undercast_wire::text::percent_encode(&allow("sqs:*", "*"), false, &mut document);
    assert_eq!(user["UserPolicyList"], json!([{"PolicyName": "own", "PolicyDocument": document}]));
    let group = &all["GroupDetailList"][0];
    assert_eq!(
        (&group["Arn"], &group["GroupPolicyList"][0]["PolicyName"]),
        (&json!("arn:aws:iam::000000000000:group/g/Devs"), &json!("own"))
    );
    let role = &all["RoleDetailList"][0];
    assert_eq!(role["InstanceProfileList"][0]["InstanceProfileName"], "ip");
    assert_eq!(role["PermissionsBoundary"]["PermissionsBoundaryArn"], "arn:aws:iam::000000000000:policy/queues");
    assert_eq!((&role["Tags"][0]["Key"], &role["RoleLastUsed"]), (&json!("k"), &json!({})));
    let policies = all["Policies"].as_array().unwrap();
    assert_eq!(
        (policies.len(), &policies[0]["PolicyName"], &policies[1]["PolicyName"]),
        (2, &json!("queues"), &json!("AmazonSQSFullAccess"))
    );
    let versions = policies[0]["PolicyVersionList"].as_array().unwrap();
    assert_eq!(
        (versions.len(), &versions[0]["VersionId"], &versions[0]["IsDefaultVersion"]),
        (2, &json!("v2"), &json!(true))
    );
    assert_eq!(
        (&policies[0]["AttachmentCount"], &policies[0]["PermissionsBoundaryUsageCount"]),
        (&json!(1), &json!(1))
    );
    for (filter, list) in [
        ("User", "UserDetailList"),
        ("Group", "GroupDetailList"),
        ("Role", "RoleDetailList"),
        ("LocalManagedPolicy", "Policies"),
        ("AWSManagedPolicy", "Policies"),
    ] {
        let some = call(&root, "GetAccountAuthorizationDetails", json!({"Filter": [filter]})).await;
        for member in ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"] {
            assert_eq!(some[member].as_array().unwrap().len(), usize::from(member == list), "{filter} {member}");
        }
    }
    let (mut seen, mut marker) = (0, None);
    loop {
        let mut input = json!({"MaxItems": 2});
        if let Some(marker) = &marker {
            input["Marker"] = json!(marker);
        }
        let page = call(&root, "GetAccountAuthorizationDetails", input).await;
        let count = |member: &str| page[member].as_array().unwrap().len();
        let here = count("UserDetailList") + count("GroupDetailList") + count("RoleDetailList") + count("Policies");
        assert!(here <= 2);
        seen += here;
        if page["IsTruncated"] == false {
            break;
        }
        marker = page["Marker"].as_str().map(ToOwned::to_owned);
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn an_account_is_counted() {
    let (_cloud, root) = furnished().await;
    call(&root, "CreateVirtualMFADevice", json!({"VirtualMFADeviceName": "phone"})).await;
    let summary = call(&root, "GetAccountSummary", json!({})).await;
    for (name, number) in [
        ("Users", 1),
        ("UsersQuota", 5_000),
        ("Groups", 1),
        ("GroupsQuota", 300),
        ("Roles", 1),
        ("RolesQuota", 1_000),
        ("InstanceProfiles", 1),
        ("Policies", 1),
        ("PolicyVersionsInUse", 2),
        ("MFADevices", 1),
        ("MFADevicesInUse", 0),
        ("AccountMFAEnabled", 0),
        ("UserPolicySizeQuota", 2_048),
        ("GroupPolicySizeQuota", 5_120),
        ("RolePolicySizeQuota", 10_240),
        ("PolicySizeQuota", 6_144),
        ("AccessKeysPerUserQuota", 2),
        ("AttachedPoliciesPerUserQuota", 10),
    ] {
        assert_eq!(summary["SummaryMap"][name], number, "{name}");
    }
}

#[tokio::test]
async fn awss_own_policies_have_their_versions() {
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaKinesisExecutionRole";
    let policy = call(&root, "GetPolicy", json!({"PolicyArn": arn})).await;
    let policy = &policy["Policy"];
    assert_eq!((&policy["Path"], &policy["DefaultVersionId"]), (&json!("/service-role/"), &json!("v2")));
    let version = call(&root, "GetPolicyVersion", json!({"PolicyArn": arn, "VersionId": "v2"})).await;
    let document = version["PolicyVersion"]["Document"].as_str().unwrap();
    let document = undercast_wire::text::percent_decode(document, false).unwrap();
    assert!(document.contains("kinesis:SubscribeToShard"), "{document}");
    let versions = call(&root, "ListPolicyVersions", json!({"PolicyArn": arn})).await;
    assert_eq!(versions["Versions"][0]["VersionId"], "v2");
    let older = root.call("iam", "GetPolicyVersion", json!({"PolicyArn": arn, "VersionId": "v1"})).await;
    assert_eq!(older.status, 501);
    let unknown = json!({"PolicyArn": "arn:aws:iam::aws:policy/AmazonEC2FullAccess"});
    assert_eq!(root.call("iam", "GetPolicy", unknown).await.status, 501);
}
