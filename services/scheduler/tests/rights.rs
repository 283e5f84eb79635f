//! Who may do what: callers, roles that are passed, roles that act.

use serde_json::json;
use undercast_testkit::Credentials;

use super::*;

async fn user(cloud: &Cloud, client: &Client, name: &str, statements: Json) -> Client {
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let made = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

#[tokio::test]
async fn a_caller_needs_the_schedule_and_the_role() {
    let (cloud, client, _) = noon().await;
    let schedules =
        json!({"Effect": "Allow", "Action": "scheduler:*", "Resource": "arn:aws:scheduler:*:*:schedule/default/*"});
    let pass = |to: &str| {
        json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/scheduler",
               "Condition": {"StringEquals": {"iam:PassedToService": to}}})
    };
    let without = user(&cloud, &client, "without", json!([schedules])).await;
    let elsewhere = user(&cloud, &client, "elsewhere", json!([schedules, pass("lambda.amazonaws.com")])).await;
    let with = user(&cloud, &client, "with", json!([schedules, pass("scheduler.amazonaws.com")])).await;
    for caller in [&without, &elsewhere] {
        let (code, message) = refused(caller, "CreateSchedule", schedule("rate(1 day)", &json!({}))).await;
        assert!(code == "AccessDeniedException" && message.contains("iam:PassRole"), "{message}");
    }
    create(&with, "rate(1 day)", json!({})).await;
    assert_eq!(
        refused(&without, "UpdateSchedule", schedule("rate(2 days)", &json!({}))).await.0,
        "AccessDeniedException"
    );
    ok(&without, "GetSchedule", json!({"Name": "s"})).await;
    assert_eq!(refused(&with, "ListSchedules", json!({})).await.0, "AccessDeniedException");
    assert_eq!(refused(&with, "CreateScheduleGroup", json!({"Name": "g"})).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn tags_of_groups_decide() {
    let (cloud, client, _) = noon().await;
    let condition = |key: &str| json!({"StringEquals": {key: "shop"}});
    let statement = |key: &str, actions: Json| json!({"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition(key)});
    let of_shop = json!([
        statement("aws:RequestTag/team", json!(["scheduler:CreateScheduleGroup"])),
        statement(
            "aws:ResourceTag/team",
            json!(["scheduler:DeleteScheduleGroup", "scheduler:UntagResource", "scheduler:GetScheduleGroup"])
        ),
    ]);
    let shop = user(&cloud, &client, "shop", of_shop).await;
    let group = |name: &str, team: &str| json!({"Name": name, "Tags": [{"Key": "team", "Value": team}]});
    ok(&shop, "CreateScheduleGroup", group("mine", "shop")).await;
    assert_eq!(refused(&shop, "CreateScheduleGroup", group("theirs", "bank")).await.0, "AccessDeniedException");
    ok(&client, "CreateScheduleGroup", group("theirs", "bank")).await;
    ok(&shop, "GetScheduleGroup", json!({"Name": "mine"})).await;
    assert_eq!(refused(&shop, "GetScheduleGroup", json!({"Name": "theirs"})).await.0, "AccessDeniedException");
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/mine";
    ok(&shop, "UntagResource", json!({"ResourceArn": arn, "TagKeys": ["x"]})).await;
    ok(&shop, "DeleteScheduleGroup", json!({"Name": "mine"})).await;
}

#[tokio::test]
async fn the_role_acts_and_is_what_may_not() {
    let (cloud, client, url) = noon().await;
    role(&client, "poor", &["sqs:GetQueueUrl"]).await;
    let poor = "arn:aws:iam::000000000000:role/poor";
    let never = json!({"RetryPolicy": {"MaximumRetryAttempts": 0}});
    create(&client, "at(2026-03-01T12:01:00)", json!({"Target": merged(never, &json!({"RoleArn": poor}))})).await;
    pass(&cloud, 120).await;
    assert!(bodies(&client, &url).await.is_empty());
    assert_eq!(counted(&cloud, &client, "default", "TargetErrorCount").await, 1.0);
    // A role that lets Scheduler in no more does nothing, though it may do all.
    create(&client, "at(2026-03-01T13:00:00)", json!({"Name": "t", "Target": {"RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": QUEUE}}})).await;
    let closed = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": "scheduler", "PolicyDocument": closed.to_string()}))
        .await
        .ok();
    pass(&cloud, 3600).await;
    let told = messages(&client, &url).await;
    assert_eq!(told[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"], "AccessDeniedException");
    let (code, message) = refused(&client, "CreateSchedule", schedule("rate(1 day)", &json!({"Name": "u"}))).await;
    assert_eq!(code, "ValidationException");
    assert_eq!(message, "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.");
}

#[tokio::test]
async fn calls_are_on_the_trail_with_the_role() {
    let (cloud, client, _) = noon().await;
    create(&client, "at(2026-03-01T12:01:00)", json!({})).await;
    pass(&cloud, 60).await;
    let all = cloud.kernel.trail().latest(100);
    let made = all.iter().find(|r| r.operation == "CreateSchedule").unwrap();
    assert_eq!(made.service, "scheduler");
    let sent = all.iter().find(|r| r.operation == "SendMessage").unwrap();
    assert!(sent.principal.contains("assumed-role/scheduler/"), "{}", sent.principal);
}
