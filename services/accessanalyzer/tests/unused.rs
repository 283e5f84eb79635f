//! Access that nobody uses, what is recommended against it, and access within.

use undercast_testkit::Credentials;

use super::*;

const DAY: i64 = 86_400;

async fn advance(cloud: &Cloud, days: i64) {
    let span = Duration::from_secs(u64::try_from(days * DAY).unwrap());
    cloud.kernel.advance(span).await.unwrap();
}

/// A user with a policy and a key.
async fn user(cloud: &Cloud, client: &Client, name: &str, policy: &Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let input = json!({"UserName": name, "PolicyName": "own", "PolicyDocument": policy.to_string()});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

fn allow(actions: &Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

async fn all(client: &Client, arn: &str, filter: Json) -> Vec<Json> {
    let found = ok(client, "ListFindingsV2", json!({"analyzerArn": arn, "filter": filter})).await;
    found["findings"].as_array().unwrap().clone()
}

async fn details(client: &Client, arn: &str, kind: &str) -> Json {
    let found = all(client, arn, json!({"findingType": {"eq": [kind]}})).await;
    assert_eq!(found.len(), 1, "{kind}: {found:#?}");
    ok(client, "GetFindingV2", json!({"analyzerArn": arn, "id": found[0]["id"]})).await
}

#[tokio::test]
async fn what_is_not_used_is_told_once_it_is_old_enough() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let busy =
        user(&cloud, &client, "busy", &allow(&json!(["sqs:*", "sns:Publish", "iam:ListUsers", "iam:ListRoles"]))).await;
    let policy = json!({"UserName": "busy", "Password": "pass-Word-1"});
    client.call("iam", "CreateLoginProfile", policy).await.ok();
    client.call("iam", "CreateRole", role("idle", &json!({"AWS": OWN}))).await.ok();
    client.call("iam", "CreateRole", role("spared", &json!({"AWS": OWN}))).await.ok();
    client.call("iam", "TagRole", json!({"RoleName": "spared", "Tags": [{"Key": "keep", "Value": "yes"}]})).await.ok();
    let rule = json!({"unusedAccess": {"unusedAccessAge": 30, "analysisRule": {"exclusions": [{"resourceTags": [{"keep": ""}]}]}}});
    let input = json!({"analyzerName": "u", "type": "ACCOUNT_UNUSED_ACCESS", "configuration": rule});
    let arn = ok(&client, "CreateAnalyzer", input).await["arn"].as_str().unwrap().to_owned();
    advance(&cloud, 29).await;
    assert!(all(&client, &arn, json!({})).await.is_empty());
    // Somebody is at work.
    busy.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    busy.call("iam", "ListUsers", json!({})).await.ok();
    advance(&cloud, 3).await;
    let found = all(&client, &arn, json!({})).await;
    let kinds: Vec<&str> = found.iter().map(|f| f["findingType"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 3, "{found:#?}");
    let idle = details(&client, &arn, "UnusedIAMRole").await;
    assert_eq!(idle["resource"], format!("arn:aws:iam::{OWN}:role/idle"));
    assert!(idle["findingDetails"][0]["unusedIamRoleDetails"]["lastAccessed"].is_null());
    assert_eq!(details(&client, &arn, "UnusedIAMUserPassword").await["resourceType"], "AWS::IAM::User");
    let permissions = details(&client, &arn, "UnusedPermission").await;
    let of = |service: &str| {
        let all = permissions["findingDetails"].as_array().unwrap().iter();
        all.map(|d| d["unusedPermissionDetails"].clone()).find(|d| d["serviceNamespace"] == service).unwrap()
    };
    assert!(of("sns")["actions"].is_null() && of("sns")["lastAccessed"].is_null());
    assert_eq!(of("iam")["actions"], json!([{"action": "iam:ListRoles"}]));
    let statistics = ok(&client, "GetFindingsStatistics", json!({"analyzerArn": arn})).await;
    let unused = &statistics["findingsStatistics"][0]["unusedAccessFindingsStatistics"];
    assert_eq!((&unused["totalActiveFindings"], &unused["topAccounts"][0]["account"]), (&json!(3), &json!(OWN)));
    // The key was used 3 days ago; later it is idle as well.
    advance(&cloud, 30).await;
    let key = details(&client, &arn, "UnusedIAMUserAccessKey").await;
    assert!(key["findingDetails"][0]["unusedIamUserAccessKeyDetails"]["lastAccessed"].is_number(), "{key}");
    client.call("iam", "DeleteRole", json!({"RoleName": "idle"})).await.ok();
    advance(&cloud, 1).await;
    assert_eq!(all(&client, &arn, json!({"status": {"eq": ["RESOLVED"]}})).await.len(), 1);
    // What is resolved is forgotten after 90 days.
    advance(&cloud, 92).await;
    assert!(all(&client, &arn, json!({"status": {"eq": ["RESOLVED"]}})).await.is_empty());
    let of_external = refused(&client, "ListFindings", json!({"analyzerArn": arn})).await;
    assert_eq!(of_external.0, "ValidationException");
}

#[tokio::test]
async fn a_narrower_policy_is_recommended() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let busy = user(&cloud, &client, "busy", &allow(&json!(["sqs:*", "sns:Publish"]))).await;
    let dead = json!({"PolicyName": "dead", "PolicyDocument": allow(&json!("kms:Decrypt")).to_string()});
    let dead = client.call("iam", "CreatePolicy", dead).await.ok()["Policy"]["Arn"].clone();
    client.call("iam", "AttachUserPolicy", json!({"UserName": "busy", "PolicyArn": dead})).await.ok();
    let rule = json!({"unusedAccess": {"unusedAccessAge": 10}});
    let input = json!({"analyzerName": "u", "type": "ACCOUNT_UNUSED_ACCESS", "configuration": rule});
    let arn = ok(&client, "CreateAnalyzer", input).await["arn"].as_str().unwrap().to_owned();
    advance(&cloud, 9).await;
    busy.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    busy.call("sqs", "ListQueues", json!({})).await.ok();
    advance(&cloud, 3).await;
    let found = all(&client, &arn, json!({"findingType": {"eq": ["UnusedPermission"]}})).await;
    let id = found[0]["id"].as_str().unwrap().to_owned();
    let asked = json!({"analyzerArn": arn, "id": id});
    assert_eq!(refused(&client, "GetFindingRecommendation", asked.clone()).await.0, "ResourceNotFoundException");
    ok(&client, "GenerateFindingRecommendation", asked.clone()).await;
    until("it is made", async || ok(&client, "GetFindingRecommendation", asked.clone()).await["status"] == "SUCCEEDED")
        .await;
    let made = ok(&client, "GetFindingRecommendation", asked.clone()).await;
    assert_eq!(made["resourceArn"], format!("arn:aws:iam::{OWN}:user/busy"));
    let steps: Vec<Json> = made["recommendedSteps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["unusedPermissionsRecommendedStep"].clone())
        .collect();
    let told: Vec<_> =
        steps.iter().map(|s| (s["recommendedAction"].as_str().unwrap(), s["existingPolicyId"].clone())).collect();
    assert_eq!(told, [("CREATE_POLICY", json!("own")), ("DETACH_POLICY", json!("own")), ("DETACH_POLICY", dead)]);
    let policy: Json = serde_json::from_str(steps[0]["recommendedPolicy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["Statement"][0]["Action"], json!(["sqs:CreateQueue", "sqs:ListQueues"]));
    assert!(steps[2]["policyUpdatedAt"].is_number());
    let mut paged = asked;
    paged["maxResults"] = json!(1);
    let first = ok(&client, "GetFindingRecommendation", paged.clone()).await;
    paged["nextToken"] = first["nextToken"].clone();
    assert_eq!(ok(&client, "GetFindingRecommendation", paged).await["recommendedSteps"].as_array().unwrap().len(), 1);
    let other = all(&client, &arn, json!({"findingType": {"neq": ["UnusedPermission"]}})).await;
    if let Some(other) = other.first() {
        let (code, _) =
            refused(&client, "GenerateFindingRecommendation", json!({"analyzerArn": arn, "id": other["id"]})).await;
        assert_eq!(code, "ValidationException");
    }
}

#[tokio::test]
async fn a_configuration_can_be_changed_but_not_its_age() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let input = json!({"analyzerName": "u", "type": "ACCOUNT_UNUSED_ACCESS", "tags": {"a": "b"}});
    ok(&client, "CreateAnalyzer", input).await;
    let shown = async || ok(&client, "GetAnalyzer", json!({"analyzerName": "u"})).await["analyzer"].clone();
    assert_eq!(shown().await["configuration"], json!({"unusedAccess": {"unusedAccessAge": 90}}));
    let rule = json!({"exclusions": [{"resourceTags": [{"a": "b"}]}]});
    let input = json!({"analyzerName": "u", "configuration": {"unusedAccess": {"analysisRule": rule}}});
    let wanted = json!({"unusedAccess": {"unusedAccessAge": 90, "analysisRule": rule}});
    assert_eq!(ok(&client, "UpdateAnalyzer", input).await["configuration"], wanted);
    assert_eq!(shown().await["configuration"], wanted);
    let input = json!({"analyzerName": "u", "configuration": {"unusedAccess": {"unusedAccessAge": 10}}});
    assert_eq!(refused(&client, "UpdateAnalyzer", input).await.0, "ValidationException");
    for wrong in [
        json!({"unusedAccess": {"unusedAccessAge": 400}}),
        json!({"internalAccess": {}}),
        json!({"unusedAccess": {"analysisRule": {"exclusions": [{"accountIds": [OTHER]}]}}}),
    ] {
        let input = json!({"analyzerName": "w", "type": "ACCOUNT_UNUSED_ACCESS", "configuration": wrong});
        assert_eq!(refused(&client, "CreateAnalyzer", input).await.0, "ValidationException");
    }
}

#[tokio::test]
async fn access_within_is_that_of_users_and_roles() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    for bucket in ["watched", "other"] {
        client.call("s3", "CreateBucket", json!({"Bucket": bucket})).await.ok();
    }
    let own = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::watched/*"}]});
    user(&cloud, &client, "reader", &own("s3:GetObject")).await;
    user(&cloud, &client, "denied", &own("s3:GetObject")).await;
    user(&cloud, &client, "nobody", &allow(&json!("sqs:*"))).await;
    client.call("iam", "CreateRole", role("named", &json!({"AWS": OWN}))).await.ok();
    let named = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWN}:role/named")}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::watched/*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}});
    let denied = json!({"Effect": "Deny", "Principal": {"AWS": format!("arn:aws:iam::{OWN}:user/denied")}, "Action": "s3:*", "Resource": "arn:aws:s3:::watched/*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [named, denied]}).to_string();
    client.call("s3", "PutBucketPolicy", json!({"Bucket": "watched", "Policy": policy})).await.ok();
    let rule = json!({"internalAccess": {"analysisRule": {"inclusions": [{"resourceTypes": ["AWS::S3::Bucket"], "resourceArns": ["arn:aws:s3:::watched"]}]}}});
    let arn = analyzer(&client, "i", "ACCOUNT_INTERNAL_ACCESS", rule).await;
    let found = all(&client, &arn, json!({})).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    let mut shown = Vec::new();
    for one in &found {
        assert_eq!((&one["findingType"], &one["resource"]), (&json!("InternalAccess"), &json!("arn:aws:s3:::watched")));
        let whole = ok(&client, "GetFindingV2", json!({"analyzerArn": arn, "id": one["id"]})).await;
        shown.push(whole["findingDetails"][0]["internalAccessDetails"].clone());
    }
    shown.sort_by_key(|details| details["principal"]["AWS"].as_str().unwrap().to_owned());
    assert_eq!(shown[0]["principal"], json!({"AWS": format!("arn:aws:iam::{OWN}:role/named")}));
    assert_eq!(
        (&shown[0]["action"], &shown[0]["condition"]),
        (&json!(["s3:PutObject"]), &json!({"aws:SourceIp": "203.0.113.0/24"}))
    );
    assert_eq!((&shown[0]["principalType"], &shown[0]["accessType"]), (&json!("IAM_ROLE"), &json!("INTRA_ACCOUNT")));
    assert_eq!(shown[1]["principal"], json!({"AWS": format!("arn:aws:iam::{OWN}:user/reader")}));
    assert_eq!((&shown[1]["action"], &shown[1]["condition"]), (&json!(["s3:GetObject"]), &json!({})));
    assert_eq!(shown[1]["serviceControlPolicyRestriction"], "NOT_APPLICABLE");
    let statistics = ok(&client, "GetFindingsStatistics", json!({"analyzerArn": arn})).await;
    let within = &statistics["findingsStatistics"][0]["internalAccessFindingsStatistics"];
    assert_eq!(within["resourceTypeStatistics"]["AWS::S3::Bucket"]["totalActiveFindings"], 2);
    for wrong in [json!([{"resourceTypes": ["AWS::SQS::Queue"]}]), json!([{"accountIds": [OWN]}])] {
        let rule = json!({"internalAccess": {"analysisRule": {"inclusions": wrong}}});
        let input = json!({"analyzerName": "w", "type": "ACCOUNT_INTERNAL_ACCESS", "configuration": rule});
        assert_eq!(refused(&client, "CreateAnalyzer", input).await.0, "ValidationException");
    }
}
