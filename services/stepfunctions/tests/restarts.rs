//! Executions of a cloud that is stopped and begun again.

use undercast_testkit::Folder;

use super::*;

/// Runs in a runtime of its own, which takes all that was going on with it, as a crash does.
fn life<T>(folder: &Folder, work: impl AsyncFnOnce(Cloud, Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out = runtime.block_on(async {
        let cloud = Cloud::in_folder(services(), folder).await;
        let client = cloud.client();
        work(cloud, client).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    out
}

/// Waits, tries again, branches, maps, counts: what each step makes is in the output.
fn long() -> Json {
    json!({"QueryLanguage": "JSONata", "StartAt": "Each", "States": {
        "Each": {"Type": "Map", "Items": [1, 2, 3, 4], "MaxConcurrency": 2, "Assign": {"sum": "{% $sum($states.result) %}"}, "Next": "Both",
            "ItemProcessor": {"StartAt": "Rest", "States": {
                "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Twice"},
                "Twice": {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": true}}}},
        "Both": {"Type": "Parallel", "Next": "End", "Branches": [
            {"StartAt": "Queues", "States": {"Queues": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:listQueues", "Arguments": {}, "Output": 1, "End": true}}},
            {"StartAt": "Missing", "States": {"Missing": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:getQueueUrl", "Arguments": {"QueueName": "none"},
                "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "Told"}], "End": true},
                "Told": {"Type": "Succeed"}}}]},
        "End": {"Type": "Pass", "Output": {"sum": "{% $sum %}", "both": "{% $states.input %}"}, "End": true}}})
}

#[test]
fn an_execution_goes_on_wherever_the_cloud_stops() {
    let folder = Folder::new();
    let arn = life(&folder, async |_, client| {
        role(&client, "states", &["*"]).await;
        machine(&client, &long()).await;
        start(&client, &json!({})).await
    });
    for crash in 0..12 {
        life(&folder, async |cloud, _| {
            let kernel = cloud.kernel.clone();
            tokio::select! {
                moved = kernel.advance(Duration::from_millis(700)) => drop(moved.unwrap()),
                () = tokio::time::sleep(Duration::from_millis(5 + crash * 7)) => {}
            }
            cloud.kernel.keep_clock().await.unwrap();
        });
    }
    let (ended, events) = life(&folder, async |cloud, client| {
        for _ in 0..30 {
            pass(&cloud, 1).await;
            if describe(&client, &arn).await["status"] != "RUNNING" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (ended(&client, &arn).await, history(&client, &arn).await)
    });
    assert_eq!(output(&ended), json!({"sum": 20, "both": [1, "Sqs.QueueDoesNotExistException"]}));
    // No number is left out, and none comes twice.
    let ids: Vec<i64> = events.as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert!(ids.windows(2).all(|two| two[0] + 1 == two[1]) && ids[0] == 1, "{ids:?}");
    let count = |kind: &str| events.as_array().unwrap().iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("MapIterationSucceeded"), count("WaitStateExited"), count("ExecutionSucceeded")), (4, 4, 1));
}

#[test]
fn a_token_is_good_in_the_next_life() {
    let folder = Folder::new();
    let (arn, token) = life(&folder, async |_, client| {
        role(&client, "states", &["*"]).await;
        let queue = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
        let definition = json!({"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "End": true,
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": {"QueueUrl": queue["QueueUrl"], "MessageBody.$": "$$.Task.Token"}}}});
        machine(&client, &definition).await;
        let arn = start(&client, &json!({})).await;
        until(&client, &arn, "TaskSubmitted").await;
        let got = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": queue["QueueUrl"]})).await.ok();
        (arn, got["Messages"][0]["Body"].clone())
    });
    life(&folder, async |_, client| {
        ok(&client, "SendTaskSuccess", json!({"taskToken": token, "output": "7"})).await;
        assert_eq!(output(&ended(&client, &arn).await), json!(7));
    });
}
