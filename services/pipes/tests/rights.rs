//! Who may do what: callers, roles that are passed, logs that are delivered.

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
async fn a_caller_needs_the_pipe_the_role_and_the_delivery_of_logs() {
    let setup = setup().await;
    let pipes = json!({"Effect": "Allow", "Action": "pipes:*", "Resource": "arn:aws:pipes:*:*:pipe/p*"});
    let pass = |to: &str| json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE, "Condition": {"StringEquals": {"iam:PassedToService": to}}});
    let elsewhere = user(&setup.cloud, &setup.client, "elsewhere", json!([pipes, pass("lambda.amazonaws.com")])).await;
    let with = user(&setup.cloud, &setup.client, "with", json!([pipes, pass("pipes.amazonaws.com")])).await;
    let (code, message) = refused(&elsewhere, "CreatePipe", pipe(&json!({}))).await;
    assert!(code == "AccessDeniedException" && message.contains("iam:PassRole"), "{message}");
    ok(&with, "CreatePipe", pipe(&json!({}))).await;
    setup.settled("p", "RUNNING").await;
    assert_eq!(
        refused(&elsewhere, "UpdatePipe", json!({"Name": "p", "RoleArn": ROLE})).await.0,
        "AccessDeniedException"
    );
    ok(&elsewhere, "StopPipe", json!({"Name": "p"})).await;
    for (operation, input) in
        [("ListPipes", json!({})), ("DescribePipe", json!({"Name": "q"})), ("CreatePipe", pipe(&json!({"Name": "q"})))]
    {
        assert_eq!(refused(&with, operation, input).await.0, "AccessDeniedException", "{operation}");
    }
    let log = json!({"Name": "p2", "LogConfiguration": {"Level": "INFO", "CloudwatchLogsLogDestination": {"LogGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:g"}}});
    let (_, message) = refused(&with, "CreatePipe", pipe(&log)).await;
    assert!(message.contains("logs:CreateLogDelivery"), "{message}");
}

#[tokio::test]
async fn tags_decide() {
    let setup = setup().await;
    let statement = |key: &str, action: &str| json!({"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {"StringEquals": {key: "shop"}}});
    let pass = json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"});
    let rights = json!([
        statement("aws:RequestTag/team", "pipes:CreatePipe"),
        statement("aws:ResourceTag/team", "pipes:DescribePipe"),
        statement("aws:RequestTag/team", "pipes:TagResource"),
        pass
    ]);
    let shop = user(&setup.cloud, &setup.client, "shop", rights).await;
    ok(&shop, "CreatePipe", pipe(&json!({"Tags": {"team": "shop"}}))).await;
    assert_eq!(
        refused(&shop, "CreatePipe", pipe(&json!({"Name": "q", "Tags": {"team": "bank"}}))).await.0,
        "AccessDeniedException"
    );
    ok(&setup.client, "CreatePipe", pipe(&json!({"Name": "q", "Tags": {"team": "bank"}}))).await;
    ok(&shop, "DescribePipe", json!({"Name": "p"})).await;
    assert_eq!(refused(&shop, "DescribePipe", json!({"Name": "q"})).await.0, "AccessDeniedException");
    let q = "arn:aws:pipes:us-east-1:000000000000:pipe/q";
    assert_eq!(
        refused(&shop, "TagResource", json!({"resourceArn": q, "tags": {"team": "bank"}})).await.0,
        "AccessDeniedException"
    );
    ok(&shop, "TagResource", json!({"resourceArn": q, "tags": {"team": "shop"}})).await;
}

#[tokio::test]
async fn the_role_acts_and_is_on_the_trail() {
    let setup = setup().await;
    allow(&setup.client, "pipe", &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]).await;
    setup.running(json!({"TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    setup.send("x").await;
    eventually("it may not send", async || setup.counted("TargetStageFailed").await >= 1.0).await;
    allow(&setup.client, "pipe", &["sqs:*"]).await;
    assert_eq!(setup.come(1).await, ["x"]);
    let all = setup.cloud.kernel.trail().latest(500);
    let sent = all.iter().find(|r| r.operation == "SendMessageBatch" && r.status == 200).unwrap();
    assert_eq!(sent.principal, "arn:aws:sts::000000000000:assumed-role/pipe/p");
    assert!(all.iter().any(|r| r.operation == "SendMessageBatch" && r.status == 403));
    assert!(all.iter().any(|r| r.service == "pipes" && r.operation == "CreatePipe"));
}
