//! Who may do what.

use serde_json::{Value as Json, json};

use super::{Client, Cloud, arn, cloud, entry, rule};

/// A user with one policy.
async fn user(cloud: &Cloud, name: &str, statement: Json) -> Client {
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statement});
    let input = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |of: &str| key["AccessKey"][of].as_str().unwrap().to_owned();
    cloud.client_of(undercast_testkit::Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

fn allow(action: &str, resource: &str, condition: &Json) -> Json {
    json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition})
}

#[tokio::test]
async fn sources_and_kinds_of_events_can_be_asked_of() {
    let cloud = cloud().await;
    let only = json!({"StringEquals": {"events:source": "shop"}, "StringLike": {"events:detail-type": "k*"}});
    let user = user(&cloud, "u", json!([allow("events:PutEvents", &arn("events", "event-bus/default"), &only)])).await;
    user.call("events", "PutEvents", json!({"Entries": [entry("shop", &json!({}))]})).await.ok();
    let mixed = json!({"Entries": [entry("shop", &json!({})), entry("else", &json!({}))]});
    assert_eq!(user.call("events", "PutEvents", mixed).await.code(), "AccessDeniedException");
}

#[tokio::test]
async fn patterns_and_targets_can_be_asked_of() {
    let cloud = cloud().await;
    let root = cloud.client();
    let user = user(
        &cloud,
        "u",
        json!([
            allow(
                "events:PutRule",
                "*",
                &json!({"ForAllValues:StringEquals": {"events:source": ["a", "b"]}, "Null": {"events:source": "false"}})
            ),
            allow("events:PutTargets", "*", &json!({"ArnLike": {"events:TargetArn": arn("sqs", "mine-*")}})),
        ]),
    )
    .await;
    let pattern = |sources: Json| json!({"Name": "r", "EventPattern": json!({"source": sources}).to_string()});
    user.call("events", "PutRule", pattern(json!(["a"]))).await.ok();
    assert_eq!(user.call("events", "PutRule", pattern(json!(["a", "c"]))).await.code(), "AccessDeniedException");
    let targets = |queue: &str| json!({"Rule": "r", "Targets": [{"Id": "t", "Arn": arn("sqs", queue)}]});
    user.call("events", "PutTargets", targets("mine-1")).await.ok();
    assert_eq!(user.call("events", "PutTargets", targets("yours")).await.code(), "AccessDeniedException");
    // Roles are passed on only by those who may.
    let role = super::role(&root, "sender", "sqs:SendMessage").await;
    let mut by_role = targets("mine-2");
    by_role["Targets"][0]["RoleArn"] = json!(role);
    assert_eq!(user.call("events", "PutTargets", by_role.clone()).await.code(), "AccessDeniedException");
    root.call("events", "PutTargets", by_role).await.ok();
}

#[tokio::test]
async fn a_bus_lets_other_accounts_in() {
    let cloud = cloud().await;
    let root = cloud.client();
    let other = cloud.client_of(undercast_testkit::Credentials::new("111111111111", "test"));
    let bus = arn("events", "event-bus/default");
    let mut event = entry("a", &json!({}));
    event["EventBusName"] = json!(bus);
    let entries = json!({"Entries": [event]});
    assert_eq!(other.call("events", "PutEvents", entries.clone()).await.code(), "AccessDeniedException");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "one", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "events:PutEvents", "Resource": bus},
        {"Sid": "two", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Resource": arn("events", "rule/*"),
         "Action": ["events:PutRule", "events:DescribeRule"], "Condition": {"StringEqualsIfExists": {"events:creatorAccount": "111111111111"}}}]});
    root.call("events", "PutPermission", json!({"Policy": policy.to_string()})).await.ok();
    other.call("events", "PutEvents", entries).await.ok();
    let made = json!({"Name": "theirs", "EventBusName": bus, "EventPattern": "{\"source\":[\"a\"]}"});
    other.call("events", "PutRule", made).await.ok();
    let told = root.call("events", "DescribeRule", json!({"Name": "theirs"})).await.ok();
    assert_eq!(told["CreatedBy"], "111111111111");
    rule(&root, "ours", &json!({"source": ["a"]})).await;
    let asked = other.call("events", "DescribeRule", json!({"Name": "ours", "EventBusName": bus})).await;
    assert_eq!(asked.code(), "AccessDeniedException");
    root.call("events", "RemovePermission", json!({"RemoveAllPermissions": true})).await.ok();
    let asked = other.call("events", "DescribeRule", json!({"Name": "theirs", "EventBusName": bus})).await;
    assert_eq!(asked.code(), "AccessDeniedException");
}

#[tokio::test]
async fn tags_can_be_asked_of() {
    let cloud = cloud().await;
    let root = cloud.client();
    let tag = |value: &str| json!([{"Key": "team", "Value": value}]);
    root.call("events", "CreateEventBus", json!({"Name": "red", "Tags": tag("red")})).await.ok();
    root.call("events", "CreateEventBus", json!({"Name": "blue", "Tags": tag("blue")})).await.ok();
    let user = user(
        &cloud,
        "u",
        json!([
            allow("events:DescribeEventBus", "*", &json!({"StringEquals": {"aws:ResourceTag/team": "red"}})),
            allow("events:CreateEventBus", "*", &json!({"StringEquals": {"aws:RequestTag/team": "red"}})),
        ]),
    )
    .await;
    user.call("events", "DescribeEventBus", json!({"Name": "red"})).await.ok();
    assert_eq!(user.call("events", "DescribeEventBus", json!({"Name": "blue"})).await.code(), "AccessDeniedException");
    user.call("events", "CreateEventBus", json!({"Name": "x", "Tags": tag("red")})).await.ok();
    let refused = user.call("events", "CreateEventBus", json!({"Name": "y", "Tags": tag("blue")})).await;
    assert_eq!(refused.code(), "AccessDeniedException");
}
