//! Who may do what.

use undercast_testkit::Credentials;

use super::*;

const DENIED: &str = "AccessDeniedException";

async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let input = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy});
    client.call("iam", "PutUserPolicy", input).await.ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

fn allow(actions: &Json, resource: &str) -> Json {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

/// A call of every operation.
fn calls() -> Vec<(&'static str, Json)> {
    let arn = analyzer_arn("a");
    let id = "00000000-0000-0000-0000-000000000000";
    let policy = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    let analyzer = json!({"analyzerName": "a"});
    let rule = json!({"analyzerName": "a", "ruleName": "r"});
    let filtered = json!({"analyzerName": "a", "ruleName": "r", "filter": {}});
    let finding = json!({"analyzerArn": arn, "id": "f"});
    let list = json!({"analyzerArn": arn});
    vec![
        ("ApplyArchiveRule", json!({"analyzerArn": arn, "ruleName": "r"})),
        ("CancelPolicyGeneration", json!({"jobId": id})),
        ("CheckAccessNotGranted", json!({"policyDocument": policy, "access": [], "policyType": "IDENTITY_POLICY"})),
        (
            "CheckNoNewAccess",
            json!({"newPolicyDocument": policy, "existingPolicyDocument": policy, "policyType": "IDENTITY_POLICY"}),
        ),
        ("CheckNoPublicAccess", json!({"policyDocument": policy, "resourceType": "AWS::S3::Bucket"})),
        ("CreateAccessPreview", json!({"analyzerArn": arn, "configurations": {}})),
        ("CreateAnalyzer", json!({"analyzerName": "a", "type": "ACCOUNT"})),
        ("CreateArchiveRule", filtered.clone()),
        ("DeleteAnalyzer", analyzer.clone()),
        ("DeleteArchiveRule", rule.clone()),
        ("GenerateFindingRecommendation", finding.clone()),
        ("GetAccessPreview", json!({"analyzerArn": arn, "accessPreviewId": id})),
        ("GetAnalyzedResource", json!({"analyzerArn": arn, "resourceArn": "arn:aws:s3:::b"})),
        ("GetAnalyzer", analyzer.clone()),
        ("GetArchiveRule", rule),
        ("GetFinding", finding.clone()),
        ("GetFindingRecommendation", finding.clone()),
        ("GetFindingV2", finding),
        ("GetFindingsStatistics", list.clone()),
        ("GetGeneratedPolicy", json!({"jobId": id})),
        ("ListAccessPreviewFindings", json!({"analyzerArn": arn, "accessPreviewId": id})),
        ("ListAccessPreviews", list.clone()),
        ("ListAnalyzedResources", list.clone()),
        ("ListAnalyzers", json!({})),
        ("ListArchiveRules", analyzer.clone()),
        ("ListFindings", list.clone()),
        ("ListFindingsV2", list),
        ("ListPolicyGenerations", json!({})),
        ("ListTagsForResource", json!({"resourceArn": arn})),
        (
            "StartPolicyGeneration",
            json!({"policyGenerationDetails": {"principalArn": format!("arn:aws:iam::{OWN}:role/r")}}),
        ),
        ("StartResourceScan", json!({"analyzerArn": arn, "resourceArn": "arn:aws:s3:::b"})),
        ("TagResource", json!({"resourceArn": arn, "tags": {"a": "b"}})),
        ("UntagResource", json!({"resourceArn": arn, "tagKeys": ["a"]})),
        ("UpdateAnalyzer", analyzer),
        ("UpdateArchiveRule", filtered),
        ("UpdateFindings", json!({"analyzerArn": arn, "status": "ACTIVE"})),
        ("ValidatePolicy", json!({"policyDocument": policy, "policyType": "IDENTITY_POLICY"})),
    ]
}

#[tokio::test]
async fn each_operation_is_allowed_by_its_own_action_and_by_no_other() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let nobody = user(&cloud, &client, "nobody", json!([allow(&json!("sqs:*"), "*")])).await;
    let all = calls();
    assert_eq!(all.len(), 37);
    for (at, (operation, input)) in all.iter().enumerate() {
        let (code, message) = refused(&nobody, operation, input.clone()).await;
        let action = format!("access-analyzer:{}", operation.trim_end_matches("V2"));
        assert!(code == DENIED && message.contains(&action), "{operation}: {code} {message}");
        let actions = json!([action, "iam:CreateServiceLinkedRole"]);
        let may = user(&cloud, &client, &format!("may-{at}"), json!([allow(&actions, "*")])).await;
        let answer = may.call(SERVICE, operation, input.clone()).await;
        assert!(answer.status < 300 || answer.code() != DENIED, "{operation}: {}", answer.json);
    }
}

#[tokio::test]
async fn callers_need_the_analyzer_or_the_rule() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    // The first one makes the role that all have.
    let poor = user(&cloud, &client, "poor", json!([allow(&json!("access-analyzer:*"), "*")])).await;
    let (code, message) = refused(&poor, "CreateAnalyzer", json!({"analyzerName": "a", "type": "ACCOUNT"})).await;
    assert!(code == DENIED && message.contains("iam:CreateServiceLinkedRole"), "{message}");
    ok(&client, "CreateAnalyzer", json!({"analyzerName": "a", "type": "ACCOUNT", "tags": {"team": "shop"}})).await;
    ok(&poor, "CreateAnalyzer", json!({"analyzerName": "u", "type": "ACCOUNT_UNUSED_ACCESS"})).await;
    let name = json!({"RoleName": "AWSServiceRoleForAccessAnalyzer"});
    let task = client.call("iam", "DeleteServiceLinkedRole", name).await.ok();
    let status = client.call("iam", "GetServiceLinkedRoleDeletionStatus", task).await.ok();
    assert_eq!(status["Reason"]["RoleUsageList"][0]["Resources"], json!([analyzer_arn("a"), analyzer_arn("u")]));
    let one = user(&cloud, &client, "one", json!([allow(&json!("access-analyzer:*"), &analyzer_arn("a"))])).await;
    ok(&one, "GetAnalyzer", json!({"analyzerName": "a"})).await;
    ok(&one, "ListFindingsV2", json!({"analyzerArn": analyzer_arn("a")})).await;
    assert_eq!(refused(&one, "GetAnalyzer", json!({"analyzerName": "u"})).await.0, DENIED);
    let rule = json!({"analyzerName": "a", "ruleName": "r", "filter": {"resource": {"eq": ["x"]}}});
    assert_eq!(refused(&one, "CreateArchiveRule", rule.clone()).await.0, DENIED);
    let of_rules = format!("{}/archive-rule/r", analyzer_arn("a"));
    let ruler = user(&cloud, &client, "ruler", json!([allow(&json!("access-analyzer:*"), &of_rules)])).await;
    ok(&ruler, "CreateArchiveRule", rule).await;
    let tagged = json!([{"Effect": "Allow", "Action": "access-analyzer:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "shop"}}}]);
    let shop = user(&cloud, &client, "shop", tagged).await;
    ok(&shop, "GetAnalyzer", json!({"analyzerName": "a"})).await;
    assert_eq!(refused(&shop, "GetAnalyzer", json!({"analyzerName": "u"})).await.0, DENIED);
    let asked = json!([{"Effect": "Allow", "Action": "access-analyzer:TagResource", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}, "StringEquals": {"aws:RequestTag/team": "a"}}}]);
    let tagger = user(&cloud, &client, "tagger", asked).await;
    ok(&tagger, "TagResource", json!({"resourceArn": analyzer_arn("a"), "tags": {"team": "a"}})).await;
    assert_eq!(
        refused(&tagger, "TagResource", json!({"resourceArn": analyzer_arn("a"), "tags": {"other": "a"}})).await.0,
        DENIED
    );
    ok(&client, "UntagResource", json!({"resourceArn": analyzer_arn("a"), "tagKeys": ["team"]})).await;
    assert_eq!(ok(&client, "ListTagsForResource", json!({"resourceArn": analyzer_arn("a")})).await["tags"], json!({}));
}

#[tokio::test]
async fn a_role_is_handed_over_by_who_may_pass_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let reader = format!("arn:aws:iam::{OWN}:role/reader");
    let now = cloud.kernel.clock().now().as_second();
    let trail = json!({"cloudTrailArn": format!("arn:aws:cloudtrail:us-east-1:{OWN}:trail/t"), "allRegions": true});
    let trails = json!({"trails": [trail], "accessRole": reader, "startTime": now - 3600});
    let input = json!({"policyGenerationDetails": {"principalArn": reader}, "cloudTrailDetails": trails});
    let poor = user(&cloud, &client, "poor", json!([allow(&json!("access-analyzer:*"), "*")])).await;
    let (code, message) = refused(&poor, "StartPolicyGeneration", input.clone()).await;
    assert!(code == DENIED && message.contains("iam:PassRole"), "{message}");
    let pass = json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": reader,
        "Condition": {"StringEquals": {"iam:PassedToService": "access-analyzer.amazonaws.com"}}});
    let may = user(&cloud, &client, "may", json!([allow(&json!("access-analyzer:*"), "*"), pass])).await;
    ok(&may, "StartPolicyGeneration", input).await;
}

#[tokio::test]
async fn a_key_that_keeps_the_role_out_is_told_of() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let own = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWN}:root")}, "Action": "kms:*", "Resource": "*"});
    let closed = json!({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "kms:GetKeyPolicy", "Resource": "*",
        "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/aws-service-role/*"}}});
    let policy = json!({"Version": "2012-10-17", "Statement": [own, closed]}).to_string();
    let key = client.call("kms", "CreateKey", json!({"Policy": policy})).await.ok()["KeyMetadata"]["Arn"].clone();
    let arn = analyzer(&client, "a", "ACCOUNT", json!(null)).await;
    let found = findings(&client, &arn, json!({"error": {"exists": true}})).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["resource"], &found[0]["error"]), (&key, &json!("ACCESS_DENIED")));
    assert!(found[0]["principal"].is_null() && found[0]["isPublic"].is_null());
    let shown = ok(&client, "GetAnalyzedResource", json!({"analyzerArn": arn, "resourceArn": key})).await;
    assert_eq!(shown["resource"]["error"], "ACCESS_DENIED");
}
