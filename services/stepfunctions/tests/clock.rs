//! What waits: states that wait, retries, time-outs, on the cloud's clock.

use super::*;

#[tokio::test]
async fn a_wait_is_over_when_its_moment_comes() {
    let (cloud, client) = noon().await;
    let definition = json!({"StartAt": "Seconds", "States": {
        "Seconds": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Until"},
        "Until": {"Type": "Wait", "TimestampPath": "$.until", "Next": "Past"},
        "Past": {"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "End": true}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({"seconds": 60, "until": "2026-03-01T13:00:00Z"})).await;
    pass(&cloud, 59).await;
    assert_eq!(types(&client, &arn).await.last().unwrap(), "WaitStateEntered");
    pass(&cloud, 1).await;
    assert_eq!(
        types(&client, &arn).await,
        ["ExecutionStarted", "WaitStateEntered", "WaitStateExited", "WaitStateEntered"]
    );
    assert_eq!(describe(&client, &arn).await["status"], "RUNNING");
    pass(&cloud, 3600).await;
    let ended = describe(&client, &arn).await;
    assert_eq!((&ended["status"], ended["stopDate"].as_f64()), (&json!("SUCCEEDED"), Some(1_772_370_000.0)));
}

#[tokio::test]
async fn a_year_is_no_longer_than_it_takes_to_say_it() {
    let (cloud, client) = noon().await;
    machine(&client, &json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 31_536_000, "End": true}}}))
        .await;
    let arn = start(&client, &json!({})).await;
    pass(&cloud, 31_536_000).await;
    assert_eq!(describe(&client, &arn).await["status"], "SUCCEEDED");
}

#[tokio::test]
async fn an_execution_has_as_long_as_its_machine_says() {
    let (cloud, client) = noon().await;
    let definition =
        json!({"StartAt": "W", "TimeoutSeconds": 30, "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}});
    machine(&client, &definition).await;
    let arn = start(&client, &json!({})).await;
    pass(&cloud, 29).await;
    assert_eq!(describe(&client, &arn).await["status"], "RUNNING");
    pass(&cloud, 1).await;
    assert_eq!(describe(&client, &arn).await["status"], "TIMED_OUT");
    assert_eq!(types(&client, &arn).await.last().unwrap(), "ExecutionTimedOut");
    // It does not go on.
    pass(&cloud, 60).await;
    assert_eq!(types(&client, &arn).await.last().unwrap(), "ExecutionTimedOut");
}

/// A machine whose task asks for a queue that is not there.
fn asking(retry: &Json, catch: &Json) -> Json {
    let mut states = json!({
        "Ask": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:getQueueUrl", "Parameters": {"QueueName": "later"},
            "Retry": retry, "Catch": catch, "End": true}});
    if catch != &json!([]) {
        states["Caught"] = json!({"Type": "Pass", "End": true});
    }
    json!({"StartAt": "Ask", "States": states})
}

#[tokio::test]
async fn a_task_is_tried_again_later_each_time() {
    let (cloud, client) = noon().await;
    let retry = json!([{"ErrorEquals": ["Sqs.QueueDoesNotExistException"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 3}]);
    machine(&client, &asking(&retry, &json!([]))).await;
    let arn = start(&client, &json!({})).await;
    until(&client, &arn, "TaskFailed").await;
    let failures = async || types(&client, &arn).await.iter().filter(|kind| *kind == "TaskFailed").count();
    pass(&cloud, 1).await;
    assert_eq!(failures().await, 1);
    pass(&cloud, 1).await;
    assert_eq!(failures().await, 2);
    pass(&cloud, 5).await;
    assert_eq!(failures().await, 2);
    client.call("sqs", "CreateQueue", json!({"QueueName": "later"})).await.ok();
    pass(&cloud, 1).await;
    let ended = describe(&client, &arn).await;
    assert!(output(&ended)["QueueUrl"].as_str().unwrap().ends_with("/later"), "{ended:#}");
    // The state is entered once, however often it is tried.
    assert_eq!(types(&client, &arn).await.iter().filter(|kind| *kind == "TaskStateEntered").count(), 1);
}

#[tokio::test]
async fn who_has_no_try_left_is_caught_or_fails() {
    let (cloud, client) = noon().await;
    let retry = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]);
    let catch = json!([{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]);
    machine(&client, &asking(&retry, &catch)).await;
    let arn = start(&client, &json!({})).await;
    until(&client, &arn, "TaskFailed").await;
    pass(&cloud, 1).await;
    let caught = output(&describe(&client, &arn).await);
    assert_eq!(caught["Error"], "Sqs.QueueDoesNotExistException");
    let cause = caught["Cause"].as_str().unwrap();
    assert!(cause.contains("(Service: Sqs, Status Code: 400, Request ID: "), "{cause}");
}

#[tokio::test]
async fn what_is_asked_for_many_times_is_asked_at_a_moment_that_chance_names() {
    let (cloud, client) = noon().await;
    let retry = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 20, "BackoffRate": 1, "MaxDelaySeconds": 20, "JitterStrategy": "FULL"}]);
    machine(&client, &asking(&retry, &json!([]))).await;
    let arn = start(&client, &json!({})).await;
    until(&client, &arn, "TaskFailed").await;
    pass(&cloud, 201).await;
    let events = history(&client, &arn).await;
    let moments: Vec<f64> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["type"] == "TaskScheduled")
        .map(|event| event["timestamp"].as_f64().unwrap())
        .collect();
    assert_eq!(moments.len(), 21, "{moments:?}");
    let waits: Vec<f64> = moments.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits.iter().all(|wait| (0.0..=10.0).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait < 5.0) && waits.iter().any(|wait| *wait > 5.0), "{waits:?}");
}
