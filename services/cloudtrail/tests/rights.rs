//! Who may do what.

use super::*;

const DENIED: &str = "AccessDeniedException";

fn allow(actions: &[&str], resource: &str) -> Json {
    json!([{"Effect": "Allow", "Action": actions, "Resource": resource}])
}

#[tokio::test]
async fn trails_are_resources_and_their_tags_decide() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({"TagsList": [{"Key": "team", "Value": "a"}]})).await;
    let one = user(&cloud, &client, "one", allow(&["cloudtrail:*"], TRAIL)).await;
    ok(&one, "GetTrail", json!({"Name": "all"})).await;
    ok(&one, "StopLogging", json!({"Name": TRAIL})).await;
    let (code, message) = refused(&one, "GetTrail", json!({"Name": "other"})).await;
    assert_eq!(code, DENIED);
    assert!(message.contains("not authorized to perform: cloudtrail:GetTrail on resource: arn:aws:cloudtrail:us-east-1:000000000000:trail/other"), "{message}");
    assert_eq!(refused(&one, "LookupEvents", json!({})).await.0, DENIED);
    let mut tagged = allow(&["cloudtrail:*"], "*");
    tagged[0]["Condition"] = json!({"StringEquals": {"aws:ResourceTag/team": "b"}});
    let other = user(&cloud, &client, "other", tagged).await;
    assert_eq!(refused(&other, "DeleteTrail", json!({"Name": "all"})).await.0, DENIED);
    ok(&client, "AddTags", json!({"ResourceId": TRAIL, "TagsList": [{"Key": "team", "Value": "b"}]})).await;
    ok(&other, "DeleteTrail", json!({"Name": "all"})).await;
}

#[tokio::test]
async fn a_role_is_handed_over_by_those_who_may() {
    let (cloud, client) = cloud().await;
    settings::log_role(&client).await;
    let mut rights = allow(&["cloudtrail:*"], "*");
    let maker = user(&cloud, &client, "maker", rights.clone()).await;
    let input = json!({"Name": "all", "S3BucketName": BUCKET, "CloudWatchLogsLogGroupArn": settings::GROUP, "CloudWatchLogsRoleArn": settings::ROLE});
    let (code, message) = refused(&maker, "CreateTrail", input.clone()).await;
    assert!(
        code == DENIED && message.contains("iam:PassRole on resource: arn:aws:iam::000000000000:role/trail"),
        "{message}"
    );
    rights
        .as_array_mut()
        .unwrap()
        .push(json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": settings::ROLE,
        "Condition": {"StringEquals": {"iam:PassedToService": "cloudtrail.amazonaws.com"}}}));
    let policy = json!({"Version": "2012-10-17", "Statement": rights}).to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": "maker", "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    ok(&maker, "CreateTrail", input).await;
}

#[tokio::test]
async fn tags_of_a_call_are_condition_keys() {
    let (cloud, client) = cloud().await;
    let mut rights = allow(&["cloudtrail:CreateTrail", "cloudtrail:RemoveTags"], "*");
    rights[0]["Condition"] = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}});
    let maker = user(&cloud, &client, "maker", rights).await;
    let input = |key: &str| json!({"Name": "all", "S3BucketName": BUCKET, "TagsList": [{"Key": key, "Value": "a"}]});
    assert_eq!(refused(&maker, "CreateTrail", input("cost")).await.0, DENIED);
    ok(&maker, "CreateTrail", input("team")).await;
    let gone = |key: &str| json!({"ResourceId": TRAIL, "TagsList": [{"Key": key}]});
    assert_eq!(refused(&maker, "RemoveTags", gone("cost")).await.0, DENIED);
    ok(&maker, "RemoveTags", gone("team")).await;
    let tags = ok(&client, "ListTags", json!({"ResourceIdList": [TRAIL]})).await;
    assert_eq!(tags["ResourceTagList"], json!([{"ResourceId": TRAIL, "TagsList": []}]));
}

#[tokio::test]
async fn others_see_nothing_of_it() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({})).await;
    let other = cloud.client_of(Credentials::new("222222222222", "secret"));
    let (code, message) = refused(&other, "GetTrail", json!({"Name": TRAIL})).await;
    assert_eq!(code, "TrailNotFoundException");
    assert_eq!(message, format!("Unknown trail: {TRAIL} for the user: 222222222222"));
    assert_eq!(ok(&other, "DescribeTrails", json!({})).await["trailList"], json!([]));
    assert!(
        ok(&other, "LookupEvents", json!({})).await["Events"]
            .as_array()
            .unwrap()
            .iter()
            .all(|e| e["EventSource"] == "cloudtrail.amazonaws.com")
    );
}
