//! The resource types as CloudFormation drives them.

use super::*;
use undercast_kernel::Cx;
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated};

fn properties(json: &Json) -> Properties {
    json.as_object().unwrap().clone()
}

fn request(json: &Json) -> ResourceRequest {
    ResourceRequest {
        stack: "shop".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".to_owned(),
        logical_id: "It".to_owned(),
        properties: properties(json),
        tags: vec![("stack".to_owned(), "shop".to_owned())],
    }
}

fn kind(name: &str) -> Box<dyn ResourceType> {
    let name = format!("AWS::IAM::{name}");
    Iam.resource_types().into_iter().find(|kind| kind.name() == name).unwrap()
}

/// A cloud, and its account's own context.
async fn start() -> (Cloud, Client, Cx) {
    let cloud = Cloud::start(services()).await;
    let (client, cx) = (cloud.client(), cloud.kernel.cx_for("000000000000", "us-east-1"));
    (cloud, client, cx)
}

async fn create(cx: &Cx, name: &str, json: &Json) -> Resource {
    kind(name).create(cx, &request(json)).await.unwrap()
}

async fn update(cx: &Cx, name: &str, id: &str, before: &Json, after: &Json) -> Resource {
    match kind(name).update(cx, id, &properties(before), &request(after)).await.unwrap() {
        Updated::InPlace(resource) => resource,
        Updated::NeedsReplacement => panic!("{name} is replaced"),
    }
}

/// Removes it twice: what is gone is gone.
async fn delete(cx: &Cx, name: &str, id: &str, json: &Json) {
    for _ in 0..2 {
        kind(name).delete(cx, id, &properties(json)).await.unwrap();
    }
}

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("iam", operation, input).await.ok()
}

fn document(action: &str) -> Json {
    serde_json::from_str(&allow(action, "*")).unwrap()
}

const FULL: &str = "arn:aws:iam::aws:policy/AmazonSQSFullAccess";
const READ: &str = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess";

#[test]
fn each_type_of_the_model_is_there_and_replaced_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/cloudformation/iam.json");
    let model: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let types = Iam.resource_types();
    for (name, facts) in model["types"].as_object().unwrap() {
        let kind = types.iter().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("{name} is missing"));
        for (property, fact) in facts["properties"].as_object().unwrap() {
            // What keys there are is read, and taking one away makes no sense where none was given.
            if ["PrivateKeyList", "RemovePrivateKey"].contains(&property.as_str()) {
                assert!(!kind.properties().contains(&property.as_str()));
                continue;
            }
            assert!(kind.properties().contains(&property.as_str()), "{name}.{property} is not understood");
            let replaced = fact["causesReplacement"] == "yes";
            assert_eq!(kind.create_only().contains(&property.as_str()), replaced, "{name}.{property}");
        }
    }
    assert_eq!(types.len(), model["types"].as_object().unwrap().len());
}

#[tokio::test]
async fn a_user_is_made_changed_and_removed() {
    let (_cloud, client, cx) = start().await;
    for group in ["one", "two"] {
        call(&client, "CreateGroup", json!({"GroupName": group})).await;
    }
    let before = json!({"UserName": "ann", "Path": "/a/", "Groups": ["one"], "ManagedPolicyArns": [FULL], "PermissionsBoundary": FULL,
        "LoginProfile": {"Password": "Secret-1234", "PasswordResetRequired": true},
        "Policies": [{"PolicyName": "p", "PolicyDocument": document("s3:*")}], "Tags": [{"Key": "team", "Value": "shop"}]});
    let made = create(&cx, "User", &before).await;
    assert_eq!((made.id.as_str(), &made.attributes["Arn"]), ("ann", &json!("arn:aws:iam::000000000000:user/a/ann")));
    let after = json!({"UserName": "ann", "Groups": ["two"], "ManagedPolicyArns": [READ],
        "LoginProfile": {"Password": "Other-1234"}, "Policies": [{"PolicyName": "q", "PolicyDocument": allow("sns:*", "*")}]});
    let updated = update(&cx, "User", "ann", &before, &after).await;
    assert_eq!(updated.attributes["Arn"], "arn:aws:iam::000000000000:user/ann");
    let all = call(&client, "GetAccountAuthorizationDetails", json!({"Filter": ["User"]})).await;
    let user = &all["UserDetailList"][0];
    assert_eq!((&user["GroupList"], &user["UserPolicyList"][0]["PolicyName"]), (&json!(["two"]), &json!("q")));
    assert_eq!(user["AttachedManagedPolicies"], json!([{"PolicyName": "AmazonSQSReadOnlyAccess", "PolicyArn": READ}]));
    assert_eq!((user.get("PermissionsBoundary"), &user["Tags"]), (None, &json!([{"Key": "stack", "Value": "shop"}])));
    let login = call(&client, "GetLoginProfile", json!({"UserName": "ann"})).await;
    assert_eq!(login["LoginProfile"]["PasswordResetRequired"], false);
    delete(&cx, "User", "ann", &after).await;
    assert_eq!(call(&client, "ListUsers", json!({})).await["Users"], json!([]));
    // Without a name it gets one.
    let named = create(&cx, "User", &json!({})).await;
    assert!(named.id.starts_with("shop-It-"), "{}", named.id);
}

#[tokio::test]
async fn a_group_and_who_is_in_it() {
    let (_cloud, client, cx) = start().await;
    for name in ["ann", "bob"] {
        call(&client, "CreateUser", json!({"UserName": name})).await;
    }
    let before = json!({"GroupName": "devs", "Path": "/g/", "ManagedPolicyArns": [FULL], "Policies": [{"PolicyName": "p", "PolicyDocument": document("s3:*")}]});
    let made = create(&cx, "Group", &before).await;
    assert_eq!((made.id.as_str(), &made.attributes["Arn"]), ("devs", &json!("arn:aws:iam::000000000000:group/g/devs")));
    let after = json!({"GroupName": "devs", "Path": "/h/", "ManagedPolicyArns": []});
    let updated = update(&cx, "Group", "devs", &before, &after).await;
    assert_eq!(updated.attributes["Arn"], "arn:aws:iam::000000000000:group/h/devs");
    let policies = call(&client, "ListGroupPolicies", json!({"GroupName": "devs"})).await;
    assert_eq!(policies["PolicyNames"], json!([]));
    let members = async |group: &str| {
        let shown = call(&client, "GetGroup", json!({"GroupName": group})).await;
        let users = shown["Users"].as_array().unwrap().clone();
        users.iter().map(|u| u["UserName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    call(&client, "CreateGroup", json!({"GroupName": "ops"})).await;
    let (first, second) =
        (json!({"GroupName": "devs", "Users": ["ann"]}), json!({"GroupName": "devs", "Users": ["bob"]}));
    let third = json!({"GroupName": "ops", "Users": ["bob"]});
    let addition = create(&cx, "UserToGroupAddition", &first).await;
    assert_eq!(addition.attributes["Id"], addition.id);
    assert_eq!(members("devs").await, ["ann"]);
    update(&cx, "UserToGroupAddition", &addition.id, &first, &second).await;
    assert_eq!(members("devs").await, ["bob"]);
    update(&cx, "UserToGroupAddition", &addition.id, &second, &third).await;
    assert_eq!((members("devs").await.len(), members("ops").await), (0, vec!["bob".to_owned()]));
    delete(&cx, "UserToGroupAddition", &addition.id, &third).await;
    assert_eq!(members("ops").await.len(), 0);
    delete(&cx, "Group", "devs", &after).await;
}

#[tokio::test]
async fn policies_of_all_kinds() {
    let (_cloud, client, cx) = start().await;
    let trust = trust(&json!({"Service": "ec2.amazonaws.com"}));
    call(&client, "CreateRole", json!({"RoleName": "box", "AssumeRolePolicyDocument": trust})).await;
    call(&client, "CreateUser", json!({"UserName": "ann"})).await;
    call(&client, "CreateGroup", json!({"GroupName": "devs"})).await;
    let before =
        json!({"ManagedPolicyName": "m", "PolicyDocument": document("s3:*"), "Users": ["ann"], "Groups": ["devs"]});
    let made = create(&cx, "ManagedPolicy", &before).await;
    let arn = "arn:aws:iam::000000000000:policy/m";
    assert_eq!((made.id.as_str(), &made.attributes["PolicyArn"]), (arn, &json!(arn)));
    assert_eq!((&made.attributes["AttachmentCount"], &made.attributes["DefaultVersionId"]), (&json!(2), &json!("v1")));
    assert_eq!(
        (&made.attributes["IsAttachable"], &made.attributes["PermissionsBoundaryUsageCount"]),
        (&json!(true), &json!(0))
    );
    assert!(made.attributes["PolicyId"].as_str().unwrap().starts_with("ANPA"));
    for date in ["CreateDate", "UpdateDate"] {
        assert!(made.attributes[date].as_str().unwrap().ends_with('Z'), "{}", made.attributes[date]);
    }
    let after = json!({"ManagedPolicyName": "m", "PolicyDocument": document("sns:*"), "Roles": ["box"]});
    let updated = update(&cx, "ManagedPolicy", arn, &before, &after).await;
    assert_eq!(
        (&updated.attributes["AttachmentCount"], &updated.attributes["DefaultVersionId"]),
        (&json!(1), &json!("v2"))
    );
    delete(&cx, "ManagedPolicy", arn, &after).await;

    let names = async |word: &str, name: &str| {
        let input = json!({format!("{word}Name"): name});
        call(&client, &format!("List{word}Policies"), input).await["PolicyNames"].clone()
    };
    let before = json!({"PolicyName": "p", "PolicyDocument": document("s3:*"), "Users": ["ann"], "Groups": ["devs"]});
    let made = create(&cx, "Policy", &before).await;
    assert_eq!(made.attributes["Id"], made.id);
    let after = json!({"PolicyName": "q", "PolicyDocument": document("s3:*"), "Roles": ["box"], "Groups": ["devs"]});
    update(&cx, "Policy", &made.id, &before, &after).await;
    assert_eq!(
        (names("User", "ann").await, names("Group", "devs").await, names("Role", "box").await),
        (json!([]), json!(["q"]), json!(["q"]))
    );
    delete(&cx, "Policy", &made.id, &after).await;
    assert_eq!((names("Group", "devs").await, names("Role", "box").await), (json!([]), json!([])));

    for (word, name) in [("Role", "box"), ("User", "ann"), ("Group", "devs")] {
        let with = |action: &str| json!({format!("{word}Name"): name, "PolicyName": "own", "PolicyDocument": document(action)});
        let (before, after) = (with("s3:*"), with("sns:*"));
        let made = create(&cx, &format!("{word}Policy"), &before).await;
        assert_eq!(made.id, format!("own|{name}"));
        update(&cx, &format!("{word}Policy"), &made.id, &before, &after).await;
        let shown =
            call(&client, &format!("Get{word}Policy"), json!({format!("{word}Name"): name, "PolicyName": "own"})).await;
        assert!(shown["PolicyDocument"].as_str().unwrap().contains("sns"));
        delete(&cx, &format!("{word}Policy"), &made.id, &after).await;
        assert_eq!(names(word, name).await, json!([]));
    }
}

#[tokio::test]
async fn keys_devices_and_instance_profiles() {
    let (cloud, client, cx) = start().await;
    cloud.kernel.clock().freeze();
    for name in ["ann", "bob"] {
        call(&client, "CreateUser", json!({"UserName": name})).await;
    }
    let before = json!({"UserName": "ann", "Serial": 1});
    let made = create(&cx, "AccessKey", &before).await;
    assert_eq!(made.attributes["Id"], made.id);
    let secret = made.attributes["SecretAccessKey"].as_str().unwrap();
    let own = cloud.client_of(Credentials::new(&made.id, secret));
    own.call("sts", "GetCallerIdentity", json!({})).await.ok();
    let after = json!({"UserName": "ann", "Serial": 1, "Status": "Inactive"});
    assert_eq!(update(&cx, "AccessKey", &made.id, &before, &after).await.attributes["SecretAccessKey"], secret);
    assert_eq!(own.call("sts", "GetCallerIdentity", json!({})).await.code(), "InvalidClientTokenId");
    delete(&cx, "AccessKey", &made.id, &after).await;
    let off = create(&cx, "AccessKey", &after).await;
    let keys = call(&client, "ListAccessKeys", json!({"UserName": "ann"})).await;
    assert_eq!(keys["AccessKeyMetadata"][0]["Status"], "Inactive");
    delete(&cx, "AccessKey", &off.id, &after).await;

    let before =
        json!({"VirtualMfaDeviceName": "d", "Path": "/d/", "Users": ["ann"], "Tags": [{"Key": "k", "Value": "v"}]});
    let made = create(&cx, "VirtualMFADevice", &before).await;
    let serial = "arn:aws:iam::000000000000:mfa/d/d";
    assert_eq!((made.id.as_str(), &made.attributes["SerialNumber"]), (serial, &json!(serial)));
    let holder = async || call(&client, "GetMFADevice", json!({"SerialNumber": serial})).await["UserName"].clone();
    assert_eq!(holder().await, "ann");
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    let after = json!({"VirtualMfaDeviceName": "d", "Path": "/d/", "Users": ["bob"]});
    update(&cx, "VirtualMFADevice", serial, &before, &after).await;
    assert_eq!(holder().await, "bob");
    let tags = call(&client, "ListMFADeviceTags", json!({"SerialNumber": serial})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "stack", "Value": "shop"}]));
    delete(&cx, "VirtualMFADevice", serial, &after).await;
    let both = json!({"Users": ["ann", "bob"]});
    assert!(kind("VirtualMFADevice").create(&cx, &request(&both)).await.is_err());

    let trust = trust(&json!({"Service": "ec2.amazonaws.com"}));
    for role in ["one", "two"] {
        call(&client, "CreateRole", json!({"RoleName": role, "AssumeRolePolicyDocument": trust})).await;
    }
    let (before, after) = (json!({"Path": "/i/", "Roles": ["one"]}), json!({"Path": "/i/", "Roles": ["two"]}));
    let made = create(&cx, "InstanceProfile", &before).await;
    assert_eq!(made.attributes["Arn"], format!("arn:aws:iam::000000000000:instance-profile/i/{}", made.id));
    update(&cx, "InstanceProfile", &made.id, &before, &after).await;
    let shown = call(&client, "GetInstanceProfile", json!({"InstanceProfileName": made.id})).await;
    assert_eq!(shown["InstanceProfile"]["Roles"][0]["RoleName"], "two");
    delete(&cx, "InstanceProfile", &made.id, &after).await;
}

#[tokio::test]
async fn providers_certificates_and_roles_of_services() {
    let (_cloud, client, cx) = start().await;
    let (one, two) = ("a".repeat(40), "b".repeat(40));
    let before = json!({"Url": "https://id.example.com", "ClientIdList": ["x", "y"], "ThumbprintList": [one]});
    let made = create(&cx, "OIDCProvider", &before).await;
    let arn = "arn:aws:iam::000000000000:oidc-provider/id.example.com";
    assert_eq!((made.id.as_str(), &made.attributes["Arn"]), (arn, &json!(arn)));
    let after = json!({"Url": "https://id.example.com", "ClientIdList": ["y", "z"], "ThumbprintList": [two], "Tags": [{"Key": "k", "Value": "v"}]});
    update(&cx, "OIDCProvider", arn, &before, &after).await;
    let shown = call(&client, "GetOpenIDConnectProvider", json!({"OpenIDConnectProviderArn": arn})).await;
    assert_eq!((&shown["ClientIDList"], &shown["ThumbprintList"]), (&json!(["y", "z"]), &json!([two])));
    assert_eq!(shown["Tags"].as_array().unwrap().len(), 2);
    delete(&cx, "OIDCProvider", arn, &after).await;

    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem();
    let (first, second) = (certificates::metadata(), certificates::metadata());
    let before = json!({"Name": "idp", "SamlMetadataDocument": first, "AddPrivateKey": key, "AssertionEncryptionMode": "Allowed"});
    let made = create(&cx, "SAMLProvider", &before).await;
    assert_eq!(made.id, "arn:aws:iam::000000000000:saml-provider/idp");
    let uuid = made.attributes["SamlProviderUUID"].clone();
    let after = json!({"Name": "idp", "SamlMetadataDocument": second, "AddPrivateKey": key, "AssertionEncryptionMode": "Required"});
    assert_eq!(update(&cx, "SAMLProvider", &made.id, &before, &after).await.attributes["SamlProviderUUID"], uuid);
    let shown = call(&client, "GetSAMLProvider", json!({"SAMLProviderArn": made.id})).await;
    assert_eq!(
        (&shown["SAMLMetadataDocument"], &shown["AssertionEncryptionMode"]),
        (&json!(second), &json!("Required"))
    );
    delete(&cx, "SAMLProvider", &made.id, &after).await;

    let (body, pem) = certificates::signed(&rcgen::KeyPair::generate().unwrap(), "web");
    let before = json!({"CertificateBody": body, "PrivateKey": pem, "CertificateChain": null, "Path": "/w/", "ServerCertificateName": "web"});
    let mut before = before;
    before.as_object_mut().unwrap().remove("CertificateChain");
    let mut after = before.clone();
    (after["Path"], after["Tags"]) = (json!("/v/"), json!([{"Key": "k", "Value": "v"}]));
    let made = create(&cx, "ServerCertificate", &before).await;
    assert_eq!(
        (made.id.as_str(), &made.attributes["Arn"]),
        ("web", &json!("arn:aws:iam::000000000000:server-certificate/w/web"))
    );
    let updated = update(&cx, "ServerCertificate", "web", &before, &after).await;
    assert_eq!(updated.attributes["Arn"], "arn:aws:iam::000000000000:server-certificate/v/web");
    delete(&cx, "ServerCertificate", "web", &after).await;

    let with = |description: &str| json!({"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "shop", "Description": description});
    let made = create(&cx, "ServiceLinkedRole", &with("one")).await;
    assert_eq!(
        (made.id.as_str(), &made.attributes["RoleName"]),
        ("AWSServiceRoleForAutoScaling_shop", &json!(made.id))
    );
    update(&cx, "ServiceLinkedRole", &made.id, &with("one"), &with("two")).await;
    let shown = call(&client, "GetRole", json!({"RoleName": made.id})).await;
    assert_eq!(shown["Role"]["Description"], "two");
    delete(&cx, "ServiceLinkedRole", &made.id, &with("two")).await;
    assert_eq!(call(&client, "ListRoles", json!({})).await["Roles"], json!([]));
}
