//! What was used last, and the reports of it.

use super::*;
use undercast_kernel::Timestamp;
use undercast_wire::text;

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("iam", operation, input).await.ok()
}

async fn at_noon() -> Cloud {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    cloud
}

fn noon() -> i64 {
    1_772_366_400
}

async fn last_used(root: &Client, key: &str) -> Json {
    call(root, "GetAccessKeyLastUsed", json!({"AccessKeyId": key})).await
}

#[tokio::test]
async fn a_key_tells_when_where_and_for_what_it_was_used() {
    let cloud = at_noon().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let key = ann.credentials.key.clone();
    assert_eq!(last_used(&root, &key).await["AccessKeyLastUsed"], json!({"ServiceName": "N/A", "Region": "N/A"}));
    // An attempt is a use, whatever becomes of it.
    assert_eq!(ann.in_region("eu-west-1").call("sqs", "ListQueues", json!({})).await.status, 403);
    let used = last_used(&root, &key).await;
    assert_eq!(used["UserName"], "ann");
    assert_eq!(used["AccessKeyLastUsed"], json!({"LastUsedDate": noon(), "ServiceName": "sqs", "Region": "eu-west-1"}));
    cloud.kernel.advance(Duration::from_secs(3_600)).await.unwrap();
    ann.call("sts", "GetCallerIdentity", json!({})).await.ok();
    let used = last_used(&root, &key).await;
    assert_eq!(
        used["AccessKeyLastUsed"],
        json!({"LastUsedDate": noon() + 3_600, "ServiceName": "sts", "Region": "us-east-1"})
    );
    // A signature that is wrong is no use.
    cloud.kernel.advance(Duration::from_secs(3_600)).await.unwrap();
    let forged = cloud.client_of(Credentials::new(&key, "guess"));
    assert_eq!(forged.call("iam", "ListUsers", json!({})).await.code(), "SignatureDoesNotMatch");
    assert_eq!(last_used(&root, &key).await, used);
    call(&root, "DeleteAccessKey", json!({"UserName": "ann", "AccessKeyId": key})).await;
    assert_eq!(root.call("iam", "GetAccessKeyLastUsed", json!({"AccessKeyId": key})).await.code(), "NoSuchEntity");
}

async fn assumed(cloud: &Cloud, by: &Client, role: &str) -> Client {
    let arn = format!("arn:aws:iam::000000000000:role/{role}");
    let made = by.call("sts", "AssumeRole", json!({"RoleArn": arn, "RoleSessionName": "one"})).await.ok();
    let text = |field: &str| made["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    credentials.token = Some(text("SessionToken"));
    cloud.client_of(credentials)
}

#[tokio::test]
async fn a_role_tells_when_it_was_used() {
    let cloud = at_noon().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let trust = trust(&json!({"AWS": "arn:aws:iam::000000000000:user/ann"}));
    call(&root, "CreateRole", json!({"RoleName": "worker", "AssumeRolePolicyDocument": trust})).await;
    let used = async || call(&root, "GetRole", json!({"RoleName": "worker"})).await["Role"]["RoleLastUsed"].clone();
    assert_eq!(used().await, json!({}));
    let worker = assumed(&cloud, &ann, "worker").await;
    assert_eq!(used().await, json!({}));
    worker.in_region("eu-west-1").call("sqs", "ListQueues", json!({})).await;
    assert_eq!(used().await, json!({"LastUsedDate": noon(), "Region": "eu-west-1"}));
    // AWS looks back for 400 days.
    cloud.kernel.advance(Duration::from_secs(401 * 86_400)).await.unwrap();
    assert_eq!(used().await, json!({}));
}

async fn report(root: &Client, arn: &str, granularity: &str) -> (Json, Json) {
    let input = json!({"Arn": arn, "Granularity": granularity});
    let job = call(root, "GenerateServiceLastAccessedDetails", input).await["JobId"].clone();
    let found = call(root, "GetServiceLastAccessedDetails", json!({"JobId": job})).await;
    (job, found)
}

fn service<'a>(report: &'a Json, namespace: &str) -> &'a Json {
    let all = report["ServicesLastAccessed"].as_array().unwrap();
    all.iter().find(|s| s["ServiceNamespace"] == namespace).unwrap_or(&Json::Null)
}

#[tokio::test]
async fn services_that_may_be_used_are_told_with_their_last_use() {
    let cloud = at_noon().await;
    let (root, ann, bob) = (cloud.client(), user(&cloud, "ann").await, user(&cloud, "bob").await);
    call(&root, "CreateGroup", json!({"GroupName": "devs"})).await;
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["sqs:*", "iam:Get*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]});
    let put = json!({"GroupName": "devs", "PolicyName": "own", "PolicyDocument": document.to_string()});
    call(&root, "PutGroupPolicy", put).await;
    for name in ["ann", "bob"] {
        call(&root, "AddUserToGroup", json!({"GroupName": "devs", "UserName": name})).await;
    }
    ann.in_region("eu-west-1").call("sqs", "ListQueues", json!({})).await.ok();
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    bob.call("sqs", "ListQueues", json!({})).await.ok();
    call(&bob, "GetUser", json!({})).await;
    let arn = |of: &str| format!("arn:aws:iam::000000000000:{of}");
    let (job, found) = report(&root, &arn("group/devs"), "SERVICE_LEVEL").await;
    let names: Vec<&str> = found["ServicesLastAccessed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["ServiceNamespace"].as_str().unwrap())
        .collect();
    assert_eq!((names, &found["JobType"]), (vec!["iam", "sqs"], &json!("SERVICE_LEVEL")));
    let queues = service(&found, "sqs");
    assert_eq!(queues["ServiceName"], "Amazon SQS");
    assert_eq!((&queues["LastAuthenticated"], &queues["TotalAuthenticatedEntities"]), (&json!(noon() + 60), &json!(2)));
    assert_eq!(
        (&queues["LastAuthenticatedEntity"], &queues["LastAuthenticatedRegion"]),
        (&json!(arn("user/bob")), &json!("us-east-1"))
    );
    let asked = json!({"JobId": job, "ServiceNamespace": "sqs", "MaxItems": 1});
    let first = call(&root, "GetServiceLastAccessedDetailsWithEntities", asked.clone()).await;
    let mut next = asked;
    next["Marker"] = first["Marker"].clone();
    let second = call(&root, "GetServiceLastAccessedDetailsWithEntities", next).await;
    let mut users: Vec<Json> = [&first, &second].map(|page| page["EntityDetailsList"][0].clone()).into();
    users.sort_by_key(|user| user["EntityInfo"]["Name"].to_string());
    assert_eq!((&users[0]["LastAuthenticated"], &users[1]["LastAuthenticated"]), (&json!(noon()), &json!(noon() + 60)));
    let page = json!({"JobId": job, "MaxItems": 1});
    let page = call(&root, "GetServiceLastAccessedDetails", page).await;
    let next = json!({"JobId": job, "MaxItems": 1, "Marker": page["Marker"]});
    let next = call(&root, "GetServiceLastAccessedDetails", next).await;
    assert_eq!(
        (&page["ServicesLastAccessed"][0]["ServiceNamespace"], &next["ServicesLastAccessed"][0]["ServiceNamespace"]),
        (&json!("iam"), &json!("sqs"))
    );
    // A report is of the moment when it was made, and of the one who was asked about.
    let (_, found) = report(&root, &arn("user/ann"), "ACTION_LEVEL").await;
    assert_eq!(service(&found, "sqs")["LastAuthenticatedRegion"], "eu-west-1");
    assert_eq!(service(&found, "iam").get("LastAuthenticated"), None);
    let (_, found) = report(&root, &arn("user/bob"), "ACTION_LEVEL").await;
    let actions = service(&found, "iam")["TrackedActionsLastAccessed"].as_array().unwrap();
    assert!(actions.iter().all(|a| a["ActionName"].as_str().unwrap().starts_with("Get")));
    let used: Vec<&Json> = actions.iter().filter(|a| a.get("LastAccessedTime").is_some()).collect();
    assert_eq!(
        used,
        [
            &json!({"ActionName": "GetUser", "LastAccessedEntity": arn("user/bob"), "LastAccessedTime": noon() + 60, "LastAccessedRegion": "us-east-1"})
        ]
    );
    assert!(service(&found, "sqs").get("TrackedActionsLastAccessed").is_none());
}

#[tokio::test]
async fn policies_tell_to_what_they_give_access() {
    let cloud = at_noon().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    call(&root, "CreateGroup", json!({"GroupName": "devs"})).await;
    call(&root, "AddUserToGroup", json!({"GroupName": "devs", "UserName": "ann"})).await;
    for (operation, member, name, arn) in [
        ("AttachUserPolicy", "UserName", "ann", "AmazonSQSFullAccess"),
        ("AttachGroupPolicy", "GroupName", "devs", "PowerUserAccess"),
    ] {
        let arn = format!("arn:aws:iam::aws:policy/{arn}");
        call(&root, operation, json!({member: name, "PolicyArn": arn})).await;
    }
    let put = json!({"GroupName": "devs", "PolicyName": "own", "PolicyDocument": allow("s3:*", "*")});
    call(&root, "PutGroupPolicy", put).await;
    let mut namespaces: Vec<String> = (0..120).map(|n| format!("zz{n:03}")).collect();
    namespaces.extend(["s3", "sqs", "account"].map(ToOwned::to_owned));
    let asked = |marker: Option<&Json>| {
        let mut input = json!({"Arn": "arn:aws:iam::000000000000:user/ann", "ServiceNamespaces": namespaces});
        if let Some(marker) = marker {
            input["Marker"] = marker.clone();
        }
        input
    };
    let first = call(&root, "ListPoliciesGrantingServiceAccess", asked(None)).await;
    let names = |entry: &Json| -> Vec<(String, String)> {
        let all = entry["Policies"].as_array().unwrap();
        let text = |p: &Json, member: &str| p[member].as_str().unwrap_or("").to_owned();
        all.iter().map(|p| (text(p, "PolicyName"), text(p, "EntityName"))).collect()
    };
    let entries = first["PoliciesGrantingServiceAccess"].as_array().unwrap();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    // A policy that leaves a service out gives access to it by its other statement.
    assert_eq!(names(&entries[0]), [pair("PowerUserAccess", "")]);
    assert_eq!(names(&entries[1]), [pair("own", "devs"), pair("PowerUserAccess", "")]);
    assert_eq!(names(&entries[2]), [pair("AmazonSQSFullAccess", ""), pair("PowerUserAccess", "")]);
    assert_eq!((entries.len(), &first["IsTruncated"]), (100, &json!(true)));
    let second = call(&root, "ListPoliciesGrantingServiceAccess", asked(Some(&first["Marker"]))).await;
    assert_eq!(second["PoliciesGrantingServiceAccess"].as_array().unwrap().len(), 23);
    ann.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let (_, found) = report(&root, "arn:aws:iam::aws:policy/AmazonSQSFullAccess", "SERVICE_LEVEL").await;
    assert_eq!(service(&found, "sqs")["TotalAuthenticatedEntities"], 1);
}

async fn content(root: &Client) -> Vec<Vec<String>> {
    call(root, "GenerateCredentialReport", json!({})).await;
    let report = call(root, "GetCredentialReport", json!({})).await;
    let bytes = text::unbase64(report["Content"].as_str().unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.split(',').map(ToOwned::to_owned).collect()).collect()
}

#[tokio::test]
async fn the_credential_report_is_true_for_four_hours() {
    let cloud = at_noon().await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    ann.in_region("eu-west-1").call("sqs", "ListQueues", json!({})).await;
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    call(&root, "CreateAccessKey", json!({"UserName": "ann"})).await;
    let off = json!({"UserName": "ann", "AccessKeyId": ann.credentials.key, "Status": "Inactive"});
    call(&root, "UpdateAccessKey", off).await;
    let (body, _) = certificates::signed(&rcgen::KeyPair::generate().unwrap(), "ann");
    call(&root, "UploadSigningCertificate", json!({"UserName": "ann", "CertificateBody": body})).await;
    let table = content(&root).await;
    let line = |name: &str| -> Vec<(String, String)> {
        let values = table.iter().find(|line| line[0] == name).unwrap();
        table[0].iter().cloned().zip(values.iter().cloned()).collect()
    };
    assert!(table.iter().all(|line| line.len() == 22), "{table:?}");
    let of = |line: &[(String, String)], column: &str| line.iter().find(|(name, _)| name == column).unwrap().1.clone();
    let (noon, later) = ("2026-03-01T12:00:00+00:00", "2026-03-01T12:01:00+00:00");
    for (column, value) in [
        ("arn", "arn:aws:iam::000000000000:user/ann"),
        ("user_creation_time", noon),
        ("password_enabled", "false"),
        ("password_last_used", "N/A"),
        ("password_last_changed", "N/A"),
        ("password_next_rotation", "N/A"),
        ("mfa_active", "false"),
        ("access_key_1_active", "false"),
        ("access_key_1_last_rotated", noon),
        ("access_key_1_last_used_date", noon),
        ("access_key_1_last_used_region", "eu-west-1"),
        ("access_key_1_last_used_service", "sqs"),
        ("access_key_2_active", "true"),
        ("access_key_2_last_rotated", later),
        ("access_key_2_last_used_date", "N/A"),
        ("access_key_2_last_used_region", "N/A"),
        ("access_key_2_last_used_service", "N/A"),
        ("cert_1_active", "true"),
        ("cert_1_last_rotated", later),
        ("cert_2_active", "false"),
        ("cert_2_last_rotated", "N/A"),
    ] {
        assert_eq!(of(&line("ann"), column), value, "{column}");
    }
    let account = line("<root_account>");
    assert_eq!(
        (of(&account, "password_enabled").as_str(), of(&account, "mfa_active").as_str()),
        ("not_supported", "false")
    );
    // One of the last four hours is not made anew.
    call(&root, "CreateUser", json!({"UserName": "bob"})).await;
    assert_eq!(content(&root).await.len(), 3);
    cloud.kernel.advance(Duration::from_secs(4 * 3_600)).await.unwrap();
    let expired = root.call("iam", "GetCredentialReport", json!({})).await;
    assert_eq!((expired.status, expired.code()), (410, "CredentialReportExpiredException"));
    assert_eq!(content(&root).await.len(), 4);
}

#[test]
fn what_was_used_survives_the_program() {
    let folder = undercast_testkit::Folder::new();
    // Each with a runtime of its own: what a cloud does beside the calls ends with it.
    let alone = || tokio::runtime::Runtime::new().unwrap();
    let key = alone().block_on(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        let ann = user(&cloud, "ann").await;
        ann.call("sqs", "ListQueues", json!({})).await;
        // Metrics are kept each minute, and what was used with them.
        cloud.kernel.keep_metrics().await.unwrap();
        last_used(&cloud.client(), &ann.credentials.key).await;
        ann.credentials.key.clone()
    });
    alone().block_on(async {
        let cloud = Cloud::in_folder(services(), &folder).await;
        assert_eq!(last_used(&cloud.client(), &key).await["AccessKeyLastUsed"]["ServiceName"], "sqs");
    });
}
