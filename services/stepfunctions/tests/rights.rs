//! Rights: of callers, of the role of a machine, and what a role is handed over for.

use undercast_testkit::Credentials;

use super::*;

async fn user(cloud: &Cloud, name: &str, statements: Json) -> Client {
    let client = cloud.client();
    client.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    client
        .call("iam", "PutUserPolicy", json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let key = client.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok()["AccessKey"].clone();
    let text = |member: &str| key[member].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

#[tokio::test]
async fn who_makes_a_machine_hands_its_role_over() {
    let (cloud, _client) = noon().await;
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}).to_string();
    let input = json!({"name": "m", "definition": definition, "roleArn": ROLE});
    let without = user(&cloud, "without", json!([{"Effect": "Allow", "Action": "states:*", "Resource": "*"}])).await;
    let (code, message) = refused(&without, "CreateStateMachine", input.clone()).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("iam:PassRole") && message.contains(ROLE), "{message}");
    let with = json!([{"Effect": "Allow", "Action": "states:*", "Resource": MACHINE},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE, "Condition": {"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}}}]);
    let with = user(&cloud, "with", with).await;
    ok(&with, "CreateStateMachine", input.clone()).await;
    let mut other = input;
    other["name"] = json!("other");
    assert_eq!(refused(&with, "CreateStateMachine", other).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn a_task_may_what_its_role_may() {
    let (_cloud, client) = noon().await;
    role(&client, "poor", &["sqs:ListQueues"]).await;
    let definition = json!({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:createQueue", "Parameters": {"QueueName": "q"}, "End": true}}});
    let poor = "arn:aws:iam::000000000000:role/poor";
    ok(&client, "CreateStateMachine", json!({"name": "m", "definition": definition.to_string(), "roleArn": poor}))
        .await;
    let arn = start(&client, &json!({})).await;
    let denied = ended(&client, &arn).await;
    assert_eq!((&denied["status"], &denied["error"]), (&json!("FAILED"), &json!("Sqs.SqsException")));
    let cause = denied["cause"].as_str().unwrap();
    assert!(
        cause.contains("sqs:createqueue") && cause.contains("assumed-role/poor/") || cause.contains("sqs:CreateQueue"),
        "{cause}"
    );
    // A role that trusts somebody else is nobody's here.
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": "poor", "PolicyDocument": trust.to_string()}))
        .await
        .ok();
    let arn = start(&client, &json!({})).await;
    assert!(ended(&client, &arn).await["cause"].as_str().unwrap().contains("cannot be assumed"));
}

#[tokio::test]
async fn a_state_may_have_a_role_of_its_own() {
    let (_cloud, client) = noon().await;
    role(&client, "poor", &["sqs:ListQueues"]).await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": "states", "PolicyDocument": trust.to_string()}))
        .await
        .ok();
    let definition = json!({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:createQueue", "Parameters": {"QueueName": "q"},
        "Credentials": {"RoleArn.$": "$.role"}, "End": true}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"role": "arn:aws:iam::000000000000:role/poor"})).await;
    assert_eq!(ended(&client, &arn).await["status"], "FAILED");
    let scheduled = until(&client, &arn, "TaskScheduled").await;
    assert_eq!(
        scheduled["taskScheduledEventDetails"]["taskCredentials"],
        json!({"roleArn": "arn:aws:iam::000000000000:role/poor"})
    );
    let arn = start(&client, &json!({"role": ROLE})).await;
    assert_eq!(ended(&client, &arn).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn tags_decide_where_a_policy_says_so() {
    let (cloud, client) = noon().await;
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}).to_string();
    let input =
        json!({"name": "m", "definition": definition, "roleArn": ROLE, "tags": [{"key": "team", "value": "a"}]});
    ok(&client, "CreateStateMachine", input).await;
    let statement = json!([{"Effect": "Allow", "Action": "states:*", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}]);
    let other = user(&cloud, "other", statement).await;
    ok(&other, "DescribeStateMachine", json!({"stateMachineArn": MACHINE})).await;
    ok(&client, "TagResource", json!({"resourceArn": MACHINE, "tags": [{"key": "team", "value": "b"}]})).await;
    assert_eq!(
        refused(&other, "DescribeStateMachine", json!({"stateMachineArn": MACHINE})).await.0,
        "AccessDeniedException"
    );
    ok(&client, "UntagResource", json!({"resourceArn": MACHINE, "tagKeys": ["team"]})).await;
    assert_eq!(ok(&client, "ListTagsForResource", json!({"resourceArn": MACHINE})).await["tags"], json!([]));
}
