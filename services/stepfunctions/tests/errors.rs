//! What fails, and how it is told; what is stopped; what is redriven.

use super::*;

#[tokio::test]
async fn what_cannot_be_reckoned_is_told_with_its_state() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "InputPath": "$.missing", "End": true}}});
    let failed = run(&client, &definition, &json!({"a": 1})).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    let cause = failed["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("An error occurred while executing the state 'P' (entered at the event id #2). "),
        "{cause}"
    );
    assert_eq!(
        types(&client, failed["executionArn"].as_str().unwrap()).await,
        ["ExecutionStarted", "PassStateEntered", "ExecutionFailed"]
    );
}

#[tokio::test]
async fn an_expression_that_fails_is_an_event_of_its_own() {
    let (_cloud, client) = noon().await;
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": {"Type": "Pass", "Output": {"x": "{% $states.input.missing %}"}, "End": true}}});
    let failed = run(&client, &definition, &json!({"a": 1})).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("States.QueryEvaluationError")));
    let arn = failed["executionArn"].as_str().unwrap();
    let event = until(&client, arn, "EvaluationFailed").await;
    let details = &event["evaluationFailedEventDetails"];
    assert_eq!(
        (&details["state"], &details["location"], &details["error"]),
        (&json!("P"), &json!("Output/x"), &json!("States.QueryEvaluationError"))
    );
}

#[tokio::test]
async fn nothing_matches() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 2, "Next": "S"}]}, "S": {"Type": "Succeed"}}});
    let failed = run(&client, &definition, &json!({"a": 1})).await;
    let cause = failed["cause"].as_str().unwrap();
    assert!(
        cause.contains("Failed to transition out of the state. The state does not point to a next state."),
        "{cause}"
    );
}

#[tokio::test]
async fn an_error_of_its_own() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "F", "States": {"F": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{} it is', $.c)"}}});
    let failed = run(&client, &definition, &json!({"e": "Mine", "c": "so"})).await;
    assert_eq!((&failed["error"], &failed["cause"]), (&json!("Mine"), &json!("so it is")));
}

#[tokio::test]
async fn an_execution_has_twenty_five_thousand_events_at_most() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "C"}], "Default": "A"}, "C": {"Type": "Succeed"}}});
    let failed = run(&client, &definition, &json!({})).await;
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert_eq!(failed["cause"], "The execution reached the maximum number of history events (25000).");
    assert_eq!(
        (&failed["redriveStatus"], &failed["redriveStatusReason"]),
        (&json!("NOT_REDRIVABLE"), &json!("Execution history size limit exceeded"))
    );
}

#[tokio::test]
async fn what_is_too_large_is_an_error() {
    let (_cloud, client) = noon().await;
    let definition = json!({"StartAt": "Grow", "States": {
        "Grow": {"Type": "Pass", "Parameters": {"text.$": "States.Format('{}{}', $.text, $.text)"}, "Next": "More"},
        "More": {"Type": "Choice", "Choices": [{"Variable": "$.text", "StringEquals": "", "Next": "Done"}], "Default": "Grow"}, "Done": {"Type": "Succeed"}}});
    let failed = run(&client, &definition, &json!({"text": "x".repeat(1000)})).await;
    assert_eq!(failed["error"], "States.DataLimitExceeded", "{failed:#}");
}

#[tokio::test]
async fn who_stops_an_execution_says_why() {
    let (cloud, client) = noon().await;
    machine(&client, &json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": true}}})).await;
    let arn = start(&client, &json!({})).await;
    let stopped = ok(&client, "StopExecution", json!({"executionArn": arn, "error": "Mine", "cause": "enough"})).await;
    let found = describe(&client, &arn).await;
    assert_eq!(
        (&found["status"], &found["error"], &found["cause"]),
        (&json!("ABORTED"), &json!("Mine"), &json!("enough"))
    );
    assert_eq!(found["stopDate"], stopped["stopDate"]);
    assert_eq!(ok(&client, "StopExecution", json!({"executionArn": arn})).await["stopDate"], stopped["stopDate"]);
    pass(&cloud, 200).await;
    assert_eq!(types(&client, &arn).await, ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"]);
}

#[tokio::test]
async fn a_redrive_goes_on_from_what_failed() {
    let (_cloud, client) = noon().await;
    let ask = |name: &str| json!({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:getQueueUrl", "Parameters": {"QueueName": name}, "ResultPath": "$.url", "End": true});
    let definition = json!({"StartAt": "First", "States": {
        "First": {"Type": "Pass", "Result": 1, "ResultPath": "$.first", "Next": "Both"},
        "Both": {"Type": "Parallel", "Next": "Last", "Branches": [
            {"StartAt": "There", "States": {"There": ask("there")}}, {"StartAt": "Later", "States": {"Later": ask("later")}}]},
        "Last": {"Type": "Pass", "End": true}}});
    client.call("sqs", "CreateQueue", json!({"QueueName": "there"})).await.ok();
    machine(&client, &definition).await;
    let arn = start(&client, &json!({})).await;
    let failed = ended(&client, &arn).await;
    assert_eq!(
        (&failed["status"], &failed["redriveStatus"], &failed["redriveCount"]),
        (&json!("FAILED"), &json!("REDRIVABLE"), &json!(0))
    );
    client.call("sqs", "CreateQueue", json!({"QueueName": "later"})).await.ok();
    let redriven = ok(&client, "RedriveExecution", json!({"executionArn": arn, "clientToken": "t"})).await;
    let done = ended(&client, &arn).await;
    assert_eq!(output(&done).as_array().unwrap().len(), 2);
    assert_eq!((&done["redriveCount"], &done["redriveDate"]), (&json!(1), &redriven["redriveDate"]));
    let types = types(&client, &arn).await;
    let count = |kind: &str| types.iter().filter(|found| *found == kind).count();
    assert_eq!(
        (count("PassStateEntered"), count("ExecutionRedriven"), count("ParallelStateStarted")),
        (2, 1, 1),
        "{types:?}"
    );
    let again = ok(&client, "RedriveExecution", json!({"executionArn": arn, "clientToken": "t"})).await;
    assert_eq!(again, redriven);
    let listed = ok(&client, "ListExecutions", json!({"stateMachineArn": MACHINE, "redriveFilter": "REDRIVEN"})).await;
    assert_eq!(listed["executions"][0]["redriveCount"], 1);
}

#[tokio::test]
async fn buses_and_metrics_hear_of_executions() {
    let (cloud, client) = noon().await;
    let queue = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]});
    client
        .call(
            "sqs",
            "SetQueueAttributes",
            json!({"QueueUrl": queue["QueueUrl"], "Attributes": {"Policy": policy.to_string()}}),
        )
        .await
        .ok();
    let pattern = json!({"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"], "detail": {"status": ["FAILED"]}});
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern.to_string()})).await.ok();
    client
        .call(
            "events",
            "PutTargets",
            json!({"Rule": "r", "Targets": [{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q"}]}),
        )
        .await
        .ok();
    let failed =
        run(&client, &json!({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}), &json!({})).await;
    let got =
        client.call("sqs", "ReceiveMessage", json!({"QueueUrl": queue["QueueUrl"], "WaitTimeSeconds": 10})).await.ok();
    let event: Json = serde_json::from_str(got["Messages"][0]["Body"].as_str().unwrap()).unwrap();
    let detail = &event["detail"];
    assert_eq!(
        (&detail["executionArn"], &detail["error"], &detail["status"]),
        (&failed["executionArn"], &json!("E"), &json!("FAILED"))
    );
    cloud.kernel.keep_metrics().await.unwrap();
    let now = cloud.kernel.clock().now().as_second();
    let sum = async |name: &str| {
        let input = json!({"Namespace": "AWS/States", "MetricName": name, "Statistics": ["Sum"], "Period": 86_400,
            "Dimensions": [{"Name": "StateMachineArn", "Value": MACHINE}], "StartTime": now - 86_400, "EndTime": now + 86_400});
        client.call("cloudwatch", "GetMetricStatistics", input).await.ok()["Datapoints"][0]["Sum"].clone()
    };
    assert_eq!((sum("ExecutionsStarted").await, sum("ExecutionsFailed").await), (json!(1.0), json!(1.0)));
}

#[tokio::test]
async fn what_is_stopped_while_it_begins_is_stopped_for_good() {
    let (_cloud, client) = noon().await;
    machine(&client, &json!({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": true}}})).await;
    for n in 0..40 {
        let name = format!("e{n}");
        let arn = format!("arn:aws:states:us-east-1:000000000000:execution:m:{name}");
        let starting = ok(&client, "StartExecution", json!({"stateMachineArn": MACHINE, "name": name}));
        let stopping =
            async { while client.call(SERVICE, "StopExecution", json!({"executionArn": arn})).await.status != 200 {} };
        tokio::join!(starting, stopping);
        assert_eq!(describe(&client, &arn).await["status"], "ABORTED");
        assert_eq!(types(&client, &arn).await, ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"]);
        let again = refused(&client, "StartExecution", json!({"stateMachineArn": MACHINE, "name": name})).await;
        assert_eq!(again.0, "ExecutionAlreadyExists");
    }
}
