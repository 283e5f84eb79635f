//! The states of a pipe, by the clock.

use serde_json::json;

use super::*;

async fn state(client: &Client) -> (String, String) {
    let found = ok(client, "DescribePipe", json!({"Name": "p"})).await;
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("DesiredState"), text("CurrentState"))
}

fn states(wanted: &str, current: &str) -> (String, String) {
    (wanted.to_owned(), current.to_owned())
}

#[tokio::test]
async fn a_pipe_comes_to_the_state_that_is_wanted() {
    let setup = setup().await;
    let client = &setup.client;
    setup.cloud.kernel.clock().freeze();
    let plain = json!({"TargetParameters": {"InputTemplate": "<$.body>"}});
    let made = ok(client, "CreatePipe", pipe(&plain)).await;
    assert_eq!((&made["DesiredState"], &made["CurrentState"]), (&json!("RUNNING"), &json!("CREATING")));
    assert_eq!((&made["Name"], &made["Arn"]), (&json!("p"), &json!("arn:aws:pipes:us-east-1:000000000000:pipe/p")));
    for (operation, input) in [
        ("StartPipe", json!({"Name": "p"})),
        ("StopPipe", json!({"Name": "p"})),
        ("DeletePipe", json!({"Name": "p"})),
        ("UpdatePipe", json!({"Name": "p", "RoleArn": ROLE})),
        ("CreatePipe", pipe(&json!({}))),
    ] {
        let (code, message) = refused(client, operation, input).await;
        assert!(code == "ConflictException" && message.contains("Pipe p"), "{operation}: {code}: {message}");
    }
    setup.send("while it is made").await;
    setup.nothing_comes(&setup.to).await;
    let found = setup.settled("p", "RUNNING").await;
    assert_eq!(found["StateReason"], "USER_INITIATED");
    assert_eq!(setup.come(1).await, ["while it is made"]);
    let stopped = ok(client, "StopPipe", json!({"Name": "p"})).await;
    assert_eq!((&stopped["DesiredState"], &stopped["CurrentState"]), (&json!("STOPPED"), &json!("STOPPING")));
    setup.send("while it stands").await;
    setup.settled("p", "STOPPED").await;
    setup.nothing_comes(&setup.to).await;
    let started = ok(client, "StartPipe", json!({"Name": "p"})).await;
    assert_eq!((&started["DesiredState"], &started["CurrentState"]), (&json!("RUNNING"), &json!("STARTING")));
    setup.settled("p", "RUNNING").await;
    assert_eq!(setup.come(1).await, ["while it stands"]);
    let updated = ok(
        client,
        "UpdatePipe",
        json!({"Name": "p", "RoleArn": ROLE, "DesiredState": "STOPPED", "Description": "words"}),
    )
    .await;
    assert_eq!((&updated["DesiredState"], &updated["CurrentState"]), (&json!("STOPPED"), &json!("UPDATING")));
    assert_eq!(setup.settled("p", "STOPPED").await["Description"], "words");
    let deleted = ok(client, "DeletePipe", json!({"Name": "p"})).await;
    assert_eq!((&deleted["DesiredState"], &deleted["CurrentState"]), (&json!("DELETED"), &json!("DELETING")));
    assert_eq!(state(client).await, states("DELETED", "DELETING"));
    setup.cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    let (code, message) = refused(client, "DescribePipe", json!({"Name": "p"})).await;
    assert_eq!((code.as_str(), message.as_str()), ("NotFoundException", "Pipe p does not exist."));
    // Another of its name is another.
    setup.send("for the next").await;
    ok(client, "CreatePipe", pipe(&merged(plain, &json!({"DesiredState": "STOPPED"})))).await;
    setup.settled("p", "STOPPED").await;
    setup.nothing_comes(&setup.to).await;
    assert_eq!(count(client, &setup.from).await, 1);
}

#[tokio::test]
async fn a_pipe_that_cannot_run_says_why() {
    let setup = setup().await;
    let client = &setup.client;
    let invalid = "Input parameter is invalid from the request due to : ";
    role(client, "poor", &["sqs:GetQueueAttributes"]).await;
    role(client, "stream", &["kinesis:Describe*", "kinesis:Get*", "kinesis:ListShards"]).await;
    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
    let closed = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "CreateRole", json!({"RoleName": "closed", "AssumeRolePolicyDocument": closed.to_string()}))
        .await
        .ok();
    let role = |name: &str| format!("arn:aws:iam::000000000000:role/{name}");
    let stream = |name: &str, more: Json| {
        merged(
            json!({"Source": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
               "SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "LATEST"}}}),
            &more,
        )
    };
    let dead = json!({"RoleArn": role("stream"), "SourceParameters": {"KinesisStreamParameters": {"DeadLetterConfig": {"Arn": arn("to")}}}});
    let topic = json!({"RoleArn": role("stream"), "SourceParameters": {"KinesisStreamParameters": {"DeadLetterConfig": {"Arn": "arn:aws:sns:us-east-1:000000000000:t"}}}});
    for (number, (more, words)) in [
        (
            json!({"RoleArn": role("poor")}),
            "The provided customer role does not have permissions to call ReceiveMessage on SQS".to_owned(),
        ),
        (
            json!({"RoleArn": role("gone")}),
            format!("The role {} cannot be assumed by pipes.amazonaws.com", role("gone")),
        ),
        (
            json!({"RoleArn": role("closed")}),
            format!("The role {} cannot be assumed by pipes.amazonaws.com", role("closed")),
        ),
        (
            json!({"Source": arn("gone")}),
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        ),
        (stream("gone", json!({})), "Stream not found".to_owned()),
        (stream("s", json!({"RoleArn": role("poor")})), "Cannot access stream".to_owned()),
        (stream("s", dead), format!("Error occurred while sending message to SQS queue: {}", arn("to"))),
        (stream("s", topic), "Error occurred while publishing message to SNS topic".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("p{number}");
        ok(client, "CreatePipe", pipe(&merged(more, &json!({"Name": name})))).await;
        let reason = setup.settled(&name, "CREATE_FAILED").await["StateReason"].as_str().unwrap().to_owned();
        assert!(reason.starts_with(invalid) && reason.contains(&words), "{reason}");
    }
    // It can be mended, and fails otherwise.
    ok(client, "UpdatePipe", json!({"Name": "p0", "RoleArn": role("gone")})).await;
    setup.settled("p0", "UPDATE_FAILED").await;
    ok(client, "StartPipe", json!({"Name": "p0"})).await;
    setup.settled("p0", "START_FAILED").await;
    ok(client, "UpdatePipe", json!({"Name": "p0", "RoleArn": ROLE})).await;
    setup.settled("p0", "RUNNING").await;
    setup.send("x").await;
    setup.messages(&setup.to, 1).await;
    ok(client, "DeletePipe", json!({"Name": "p1"})).await;
    setup.cloud.kernel.advance(Duration::from_secs(2)).await.unwrap();
    assert_eq!(refused(client, "DescribePipe", json!({"Name": "p1"})).await.0, "NotFoundException");
}

#[tokio::test]
async fn a_role_that_lets_pipes_in_no_more_takes_nothing() {
    let setup = setup().await;
    setup.running(json!({"TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    setup.send("1").await;
    assert_eq!(setup.come(1).await, ["1"]);
    let trust = |service: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
        json!({"RoleName": "pipe", "PolicyDocument": policy.to_string()})
    };
    // What rights a role has is asked with every call.
    allow(&setup.client, "pipe", &["sqs:*"]).await;
    setup.client.call("iam", "UpdateAssumeRolePolicy", trust("ec2.amazonaws.com")).await.ok();
    // A look that is under way may take one more message.
    setup.send("2").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    setup.send("3").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(count(&setup.client, &setup.from).await >= 1);
    setup.client.call("iam", "UpdateAssumeRolePolicy", trust("pipes.amazonaws.com")).await.ok();
    setup.emptied(&setup.from).await;
    assert_eq!(setup.come(2).await, ["2", "3"]);
}
