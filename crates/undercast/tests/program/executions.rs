//! Executions of Step Functions through crashes of the real program: each that was acknowledged ends, with every step once in its history.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, at_work, free_port};

const CRASHES: u32 = 8;

/// What was acknowledged: ARNs of executions.
type Acknowledged = Arc<Mutex<Vec<String>>>;

/// Starts executions until there is no answer any more.
async fn load(client: Client, first: u64, acknowledged: Acknowledged) {
    for n in first.. {
        let input = json!({"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:m", "input": json!({"n": n}).to_string()});
        let Some(answer) = client.try_call("stepfunctions", "StartExecution", input).await else { return };
        if answer.status == 200 {
            let arn = answer.json["executionArn"].as_str().unwrap().to_owned();
            acknowledged.lock().unwrap().push(arn);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn prepare(client: &Client) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = json!({"RoleName": "states", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", role).await.ok();
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]});
    let policy = json!({"RoleName": "states", "PolicyName": "p", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", policy).await.ok();
    let queue = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Both", "States": {
        "Both": {"Type": "Parallel", "Output": "{% $sum($states.result) + $states.input.n %}", "Next": "Rest", "Branches": [
            {"StartAt": "Send", "States": {"Send": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Output": 1, "End": true,
                "Arguments": {"QueueUrl": queue["QueueUrl"], "MessageBody": "{% $states.input.n %}"}}}},
            {"StartAt": "Each", "States": {"Each": {"Type": "Map", "Items": [1, 2, 3], "Output": "{% $sum($states.result) %}", "End": true,
                "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}}}}]},
        "Rest": {"Type": "Wait", "Seconds": 1, "End": true}}});
    let machine =
        json!({"name": "m", "definition": definition.to_string(), "roleArn": "arn:aws:iam::000000000000:role/states"});
    client.call("stepfunctions", "CreateStateMachine", machine).await.ok();
}

/// Waits until an execution has ended, and says what it is then.
async fn ended(client: &Client, arn: &str) -> Json {
    for _ in 0..1000 {
        let found = client.call("stepfunctions", "DescribeExecution", json!({"executionArn": arn})).await.ok();
        if found["status"] != "RUNNING" {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{arn} goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_executions_end_whatever_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let acknowledged: Acknowledged = Arc::default();
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    prepare(&client).await;
    for crash in 0..CRASHES {
        let work = vec![tokio::spawn(load(client.clone(), u64::from(crash) * 1000, acknowledged.clone()))];
        at_work(&work, || acknowledged.lock().unwrap().len(), 3).await;
        tokio::time::sleep(Duration::from_millis(u64::from(crash * 37 % 100))).await;
        drop(cloud);
        for task in work {
            task.await.unwrap();
        }
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    let all = acknowledged.lock().unwrap().clone();
    assert!(all.len() >= 24, "{}", all.len());
    for arn in &all {
        let ended = ended(&client, arn).await;
        let input: Json = serde_json::from_str(ended["input"].as_str().unwrap()).unwrap();
        let expected = (input["n"].as_u64().unwrap() + 7).to_string();
        assert_eq!((&ended["status"], &ended["output"]), (&json!("SUCCEEDED"), &json!(expected)), "{ended:#}");
        let history = json!({"executionArn": arn, "maxResults": 1000});
        let events = client.call("stepfunctions", "GetExecutionHistory", history).await.ok()["events"].clone();
        let events = events.as_array().unwrap();
        let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
        assert!(ids.iter().zip(1..).all(|(id, expected)| *id == expected), "{ids:?}");
        let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
        let counts = ["TaskSucceeded", "MapIterationSucceeded", "WaitStateExited", "ExecutionSucceeded"].map(count);
        assert_eq!(counts, [1, 3, 1, 1], "{events:#?}");
    }
}
