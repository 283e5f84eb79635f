//! What is said when a session is asked for.

use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

/// A role that may do everything, whose sessions last two hours at most, with this trust policy.
async fn worker(root: &Client, trust: &Json) {
    let input =
        json!({"RoleName": "worker", "AssumeRolePolicyDocument": trust.to_string(), "MaxSessionDuration": 7_200});
    root.call("iam", "CreateRole", input).await.ok();
    let all = json!({"RoleName": "worker", "PolicyName": "p", "PolicyDocument": allow("*", "*")});
    root.call("iam", "PutRolePolicy", all).await.ok();
}

/// Lets ann do this, under a condition.
fn trusted(actions: &[&str], condition: &Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/ann"},
        "Action": actions, "Condition": condition}]})
}

fn assume(more: &Json) -> Json {
    let mut input = json!({"RoleArn": ROLE, "RoleSessionName": "s1"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

fn client_of(cloud: &Cloud, session: &Json) -> Client {
    let text = |field: &str| session["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    credentials.token = Some(text("SessionToken"));
    cloud.client_of(credentials)
}

#[tokio::test]
async fn a_session_policy_limits_what_the_role_may_do() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    worker(&root, &trusted(&["sts:AssumeRole"], &json!({}))).await;
    let limited = ann.call("sts", "AssumeRole", assume(&json!({"Policy": allow("sqs:List*", "*")}))).await.ok();
    let limited = client_of(&cloud, &limited);
    limited.call("sqs", "ListQueues", json!({})).await.ok();
    let denied = limited.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await;
    assert_eq!(denied.status, 403);
    let malformed = ann.call("sts", "AssumeRole", assume(&json!({"Policy": "{\"Statement\": 1}"}))).await;
    assert_eq!((malformed.status, malformed.code()), (400, "MalformedPolicyDocumentException"), "{}", malformed.json);
    let large = allow("sqs:List*", &"x".repeat(2_000));
    let large = ann.call("sts", "AssumeRole", assume(&json!({"Policy": large}))).await;
    assert_eq!((large.status, large.code()), (400, "PackedPolicyTooLargeException"), "{}", large.json);
    assert!(large.json["message"].as_str().unwrap().starts_with("Packed policy consumes 10"), "{}", large.json);
}

#[tokio::test]
async fn the_external_id_and_tags_are_seen_by_policies() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    let condition = json!({"StringEquals": {"sts:ExternalId": "partner", "aws:RequestTag/team": "blue"}});
    worker(&root, &trusted(&["sts:AssumeRole", "sts:TagSession"], &condition)).await;
    let tag = |value: &str| json!([{"Key": "team", "Value": value}]);
    for wrong in [
        json!({}),
        json!({"ExternalId": "partner"}),
        json!({"ExternalId": "other", "Tags": tag("blue")}),
        json!({"ExternalId": "partner", "Tags": tag("red")}),
    ] {
        assert_eq!(ann.call("sts", "AssumeRole", assume(&wrong)).await.code(), "AccessDenied");
    }
    let tags = assume(&json!({"ExternalId": "partner", "Tags": tag("blue")}));
    let input =
        |actions: &[&str]| json!({"RoleName": "worker", "PolicyDocument": trusted(actions, &condition).to_string()});
    root.call("iam", "UpdateAssumeRolePolicy", input(&["sts:AssumeRole"])).await.ok();
    let denied = ann.call("sts", "AssumeRole", tags.clone()).await;
    assert!(denied.json["message"].as_str().unwrap().contains("to perform: sts:TagSession on"), "{}", denied.json);
    root.call("iam", "UpdateAssumeRolePolicy", input(&["sts:AssumeRole", "sts:TagSession"])).await.ok();
    let session = client_of(&cloud, &ann.call("sts", "AssumeRole", tags).await.ok());
    // The session has the tag, whatever the role has.
    let own = json!({"RoleName": "worker", "Tags": [{"Key": "Team", "Value": "red"}, {"Key": "size", "Value": "1"}]});
    root.call("iam", "TagRole", own).await.ok();
    let only = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*",
        "Resource": "arn:aws:sqs:us-east-1:000000000000:${aws:PrincipalTag/team}-${aws:PrincipalTag/size}"}]});
    let input = json!({"RoleName": "worker", "PolicyName": "p", "PolicyDocument": only.to_string()});
    root.call("iam", "PutRolePolicy", input).await.ok();
    session.call("sqs", "CreateQueue", json!({"QueueName": "blue-1"})).await.ok();
    assert_eq!(session.call("sqs", "CreateQueue", json!({"QueueName": "red-1"})).await.status, 403);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_was_asked() {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    worker(&root, &trusted(&["sts:AssumeRole"], &json!({}))).await;
    for (seconds, message) in [
        (899, "at 'durationSeconds' failed to satisfy constraint"),
        (7_201, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
    ] {
        let refused = ann.call("sts", "AssumeRole", assume(&json!({"DurationSeconds": seconds}))).await;
        assert_eq!((refused.status, refused.code()), (400, "ValidationError"), "{}", refused.json);
        assert!(refused.json["message"].as_str().unwrap().contains(message), "{}", refused.json);
    }
    let role = ann.call("sts", "AssumeRole", assume(&json!({"DurationSeconds": 7_200}))).await.ok();
    let own = ann.call("sts", "GetSessionToken", json!({"DurationSeconds": 7_000})).await.ok();
    let (role, own) = (client_of(&cloud, &role), client_of(&cloud, &own));
    let chained = role.call("sts", "AssumeRole", assume(&json!({"DurationSeconds": 3_601}))).await;
    assert_eq!(chained.status, 403, "the trust policy names ann alone: {}", chained.json);
    let who = async |client: &Client| client.call("sts", "GetCallerIdentity", json!({})).await.status;
    cloud.kernel.advance(Duration::from_secs(6_999)).await.unwrap();
    assert_eq!((who(&role).await, who(&own).await), (200, 200));
    cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    assert_eq!((who(&role).await, who(&own).await), (200, 403));
    cloud.kernel.advance(Duration::from_secs(200)).await.unwrap();
    assert_eq!(who(&role).await, 403);
}
