//! Express workflows.

use super::*;

async fn express(client: &Client, definition: &Json, more: Json) {
    let mut input = json!({"name": "m", "type": "EXPRESS", "definition": definition.to_string(), "roleArn": ROLE});
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    ok(client, "CreateStateMachine", input).await;
}

#[tokio::test]
async fn who_waits_is_answered_with_what_came_of_it() {
    let (_cloud, client) = now().await;
    let definition = json!({"StartAt": "One", "States": {
        "One": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "Good"}], "Default": "Bad"},
        "Good": {"Type": "Pass", "Parameters": {"name.$": "$$.Execution.Name"}, "End": true}, "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "is"}}});
    express(&client, &definition, json!({})).await;
    let input = json!({"stateMachineArn": MACHINE, "name": "e", "input": "{\"n\":1}", "traceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"});
    let good = ok(&client, "StartSyncExecution", input).await;
    let arn = good["executionArn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:states:us-east-1:000000000000:express:m:e:"), "{arn}");
    assert_eq!(
        (&good["status"], &good["output"], &good["input"], &good["name"]),
        (&json!("SUCCEEDED"), &json!("{\"name\":\"e\"}"), &json!("{\"n\":1}"), &json!("e"))
    );
    assert_eq!(
        (&good["outputDetails"], &good["inputDetails"]),
        (&json!({"included": true}), &json!({"included": true}))
    );
    assert_eq!(
        (&good["stateMachineArn"], &good["traceHeader"]),
        (&json!(MACHINE), &json!("Root=1-5759e988-bd862e3fe1be46a994272793"))
    );
    assert_eq!(good["billingDetails"]["billedMemoryUsedInMB"], 64);
    assert!(good["startDate"].is_number() && good["stopDate"].is_number(), "{good:#}");
    // A name is used as often as one likes.
    let again = ok(
        &client,
        "StartSyncExecution",
        json!({"stateMachineArn": MACHINE, "name": "e", "input": "{\"n\":2}", "includedData": "METADATA_ONLY"}),
    )
    .await;
    assert_eq!((&again["status"], &again["error"], &again["cause"]), (&json!("FAILED"), &json!("Bad"), &json!("is")));
    assert_eq!((again.get("input"), &again["inputDetails"]), (None, &json!({"included": false})));
    // Nobody can ask for it later.
    let described = refused(&client, "DescribeExecution", json!({"executionArn": arn})).await;
    assert_eq!(
        described,
        ("InvalidArn".to_owned(), "Invalid Arn: 'Resource type not valid in this context: express'".to_owned())
    );
    let listed = refused(&client, "ListExecutions", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(
        listed,
        (
            "StateMachineTypeNotSupported".to_owned(),
            "This operation is not supported by this type of state machine".to_owned()
        )
    );
}

#[tokio::test]
async fn it_takes_five_minutes_at_most() {
    let (cloud, client) = noon().await;
    let wait =
        |seconds: i64| json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": seconds, "End": true}}});
    express(&client, &wait(1000), json!({})).await;
    let answer = async { ok(&client, "StartSyncExecution", json!({"stateMachineArn": MACHINE})).await };
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        pass(&cloud, 301).await;
    };
    let (answer, ()) = tokio::join!(answer, later);
    assert_eq!(answer["status"], "TIMED_OUT", "{answer:#}");
}

#[tokio::test]
async fn its_events_are_in_its_log() {
    let (_cloud, client) = now().await;
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "/states"})).await.ok();
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/states:*";
    let logging = json!({"level": "ALL", "includeExecutionData": true, "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]});
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 1, "End": true}}});
    express(&client, &definition, json!({"loggingConfiguration": logging})).await;
    let described = ok(&client, "DescribeStateMachine", json!({"stateMachineArn": MACHINE})).await;
    assert_eq!(described["loggingConfiguration"], logging);
    let started = ok(&client, "StartExecution", json!({"stateMachineArn": MACHINE, "input": "{\"a\":1}"})).await;
    let mut messages: Vec<Json> = Vec::new();
    for _ in 0..400 {
        let found = client.call("logs", "FilterLogEvents", json!({"logGroupName": "/states"})).await.ok();
        let message = |event: &Json| serde_json::from_str(event["message"].as_str().unwrap()).unwrap();
        messages = found["events"].as_array().unwrap().iter().map(message).collect();
        if messages.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let types: Vec<&str> = messages.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]);
    assert_eq!((&messages[1]["id"], &messages[1]["previous_event_id"]), (&json!("2"), &json!("0")));
    assert_eq!(
        messages[1]["details"],
        json!({"name": "P", "input": "{\"a\":1}", "inputDetails": {"truncated": false}})
    );
    assert_eq!(messages[1]["execution_arn"], started["executionArn"]);
}

#[tokio::test]
async fn a_level_leaves_out_what_is_no_failure_and_data_where_nobody_wants_it() {
    let (_cloud, client) = now().await;
    client.call("logs", "CreateLogGroup", json!({"logGroupName": "/states"})).await.ok();
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/states:*";
    let logging = json!({"level": "ERROR", "includeExecutionData": false, "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]});
    let definition = json!({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}});
    express(&client, &definition, json!({"loggingConfiguration": logging})).await;
    ok(&client, "StartSyncExecution", json!({"stateMachineArn": MACHINE, "input": "{\"secret\":1}"})).await;
    for _ in 0..400 {
        let found = client.call("logs", "FilterLogEvents", json!({"logGroupName": "/states"})).await.ok();
        let events = found["events"].as_array().unwrap().clone();
        if events.len() == 2 {
            let text = found.to_string();
            assert!(
                text.contains("FailStateEntered") && text.contains("ExecutionFailed") && !text.contains("secret"),
                "{text}"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing is logged");
}
