//! Tasks that are ended from outside: by a token, by an activity's worker.

use super::*;

const ACTIVITY: &str = "arn:aws:states:us-east-1:000000000000:activity:a";

/// A machine that sends its token to a queue, and waits for an answer.
async fn asking(client: &Client, more: &Json) -> String {
    let queue = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let url = queue["QueueUrl"].as_str().unwrap().to_owned();
    let mut ask = json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token", "what.$": "$.what"}}, "End": true});
    for (name, value) in more.as_object().unwrap() {
        ask[name] = value.clone();
    }
    let mut states = json!({"Ask": ask});
    if more.get("Catch").is_some() {
        states["Caught"] = json!({"Type": "Pass", "End": true});
    }
    machine(client, &json!({"StartAt": "Ask", "States": states})).await;
    url
}

/// The token that the machine has sent.
async fn token(client: &Client, url: &str) -> String {
    let input = json!({"QueueUrl": url, "WaitTimeSeconds": 10});
    let got = client.call("sqs", "ReceiveMessage", input).await.ok();
    let body: Json = serde_json::from_str(got["Messages"][0]["Body"].as_str().unwrap()).unwrap();
    body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_has_the_token_ends_the_task() {
    let (_cloud, client) = noon().await;
    let url = asking(&client, &json!({})).await;
    let arn = start(&client, &json!({"what": 1})).await;
    let token = token(&client, &url).await;
    until(&client, &arn, "TaskSubmitted").await;
    assert_eq!(describe(&client, &arn).await["status"], "RUNNING");
    let wrong = refused(&client, "SendTaskSuccess", json!({"taskToken": token, "output": "{"})).await;
    assert_eq!(wrong.0, "InvalidOutput");
    let wrong = refused(&client, "SendTaskSuccess", json!({"taskToken": format!("{token}AAAA"), "output": "1"})).await;
    assert!(["InvalidToken", "TaskTimedOut", "TaskDoesNotExist"].contains(&wrong.0.as_str()), "{wrong:?}");
    ok(&client, "SendTaskSuccess", json!({"taskToken": token, "output": "{\"done\": true}"})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!({"done": true}));
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types(&client, &arn).await, expected);
    // It is nobody's any more.
    let late = refused(&client, "SendTaskSuccess", json!({"taskToken": token, "output": "1"})).await;
    assert_eq!(late, ("TaskTimedOut".to_owned(), "Task Timed Out: 'Provided task does not exist anymore'".to_owned()));
    assert_eq!(refused(&client, "SendTaskHeartbeat", json!({"taskToken": token})).await.0, "TaskTimedOut");
    assert_eq!(refused(&client, "SendTaskHeartbeat", json!({"taskToken": "nonsense"})).await.0, "InvalidToken");
}

#[tokio::test]
async fn a_task_can_be_failed() {
    let (_cloud, client) = noon().await;
    let url = asking(&client, &json!({"Catch": [{"ErrorEquals": ["Mine"], "Next": "Caught"}]})).await;
    let arn = start(&client, &json!({"what": 1})).await;
    let token = token(&client, &url).await;
    until(&client, &arn, "TaskSubmitted").await;
    ok(&client, "SendTaskFailure", json!({"taskToken": token, "error": "Mine", "cause": "because"})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!({"Error": "Mine", "Cause": "because"}));
    let failed = until(&client, &arn, "TaskFailed").await;
    let details =
        json!({"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken", "error": "Mine", "cause": "because"});
    assert_eq!(failed["taskFailedEventDetails"], details);
}

#[tokio::test]
async fn who_says_nothing_for_too_long_is_too_late() {
    let (cloud, client) = noon().await;
    let url = asking(&client, &json!({"HeartbeatSeconds": 10, "TimeoutSeconds": 25})).await;
    let arn = start(&client, &json!({"what": 1})).await;
    let token = token(&client, &url).await;
    until(&client, &arn, "TaskSubmitted").await;
    for _ in 0..2 {
        pass(&cloud, 8).await;
        ok(&client, "SendTaskHeartbeat", json!({"taskToken": token})).await;
    }
    assert_eq!(describe(&client, &arn).await["status"], "RUNNING");
    pass(&cloud, 9).await;
    let ended = describe(&client, &arn).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("States.Timeout")));
    let out = until(&client, &arn, "TaskTimedOut").await;
    assert_eq!(out["taskTimedOutEventDetails"]["resource"], "sendMessage.waitForTaskToken");
}

#[tokio::test]
async fn a_worker_takes_what_an_activity_offers() {
    let (cloud, client) = noon().await;
    let made = ok(&client, "CreateActivity", json!({"name": "a", "tags": [{"key": "team", "value": "x"}]})).await;
    assert_eq!(made["activityArn"], ACTIVITY);
    let definition = json!({"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": ACTIVITY, "TimeoutSeconds": 60, "HeartbeatSeconds": 20, "End": true}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"n": 1})).await;
    let task = ok(&client, "GetActivityTask", json!({"activityArn": ACTIVITY, "workerName": "w"})).await;
    assert_eq!(task["input"], "{\"n\":1}");
    let started = until(&client, &arn, "ActivityStarted").await;
    assert_eq!(started["activityStartedEventDetails"], json!({"workerName": "w"}));
    pass(&cloud, 15).await;
    ok(&client, "SendTaskHeartbeat", json!({"taskToken": task["taskToken"]})).await;
    pass(&cloud, 15).await;
    ok(&client, "SendTaskSuccess", json!({"taskToken": task["taskToken"], "output": "2"})).await;
    assert_eq!(output(&ended(&client, &arn).await), json!(2));
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types(&client, &arn).await, expected);
}

#[tokio::test]
async fn two_workers_share_what_there_is_and_a_late_one_gets_nothing_old() {
    let (cloud, client) = noon().await;
    ok(&client, "CreateActivity", json!({"name": "a"})).await;
    let definition = json!({"StartAt": "Do", "States": {"Do": {"Type": "Task", "Resource": ACTIVITY, "TimeoutSeconds": 60, "End": true}}});
    machine(&client, &definition).await;
    let old = start(&client, &json!({"n": 0})).await;
    pass(&cloud, 61).await;
    assert_eq!(describe(&client, &old).await["error"], "States.Timeout");
    assert_eq!(types(&client, &old).await[3], "ActivityTimedOut");
    start(&client, &json!({"n": 1})).await;
    start(&client, &json!({"n": 2})).await;
    let take = json!({"activityArn": ACTIVITY});
    let (one, other) = (ok(&client, "GetActivityTask", take.clone()).await, ok(&client, "GetActivityTask", take).await);
    let mut inputs = [one["input"].clone(), other["input"].clone()];
    inputs.sort_by_key(ToString::to_string);
    assert_eq!(inputs, [json!("{\"n\":1}"), json!("{\"n\":2}")]);
}
