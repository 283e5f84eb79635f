//! `TestState`.

use super::*;

async fn test(client: &Client, definition: &Json, more: &Json) -> Json {
    let mut input = json!({"definition": definition.to_string(), "roleArn": ROLE});
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    input.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    ok(client, "TestState", input).await
}

#[tokio::test]
async fn a_state_tells_what_it_makes_of_its_data() {
    let (_cloud, client) = now().await;
    let pass = json!({"Type": "Pass", "InputPath": "$.in", "Parameters": {"a.$": "$.x"}, "ResultPath": "$.out", "OutputPath": "$.out", "Next": "Other"});
    let told = test(&client, &pass, &json!({"input": "{\"in\":{\"x\":1}}", "inspectionLevel": "DEBUG"})).await;
    assert_eq!(
        (&told["status"], &told["output"], &told["nextState"]),
        (&json!("SUCCEEDED"), &json!("{\"a\":1}"), &json!("Other"))
    );
    let data = json!({"input": "{\"in\":{\"x\":1}}", "afterInputPath": "{\"x\":1}", "afterParameters": "{\"a\":1}", "result": "{\"a\":1}",
        "afterResultSelector": "{\"a\":1}", "afterResultPath": "{\"in\":{\"x\":1},\"out\":{\"a\":1}}"});
    assert_eq!(told["inspectionData"], data);
    let machine = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Pass", "Output": "{% $v + $states.input.n + $states.context.c %}", "Assign": {"w": 2}, "End": true}}});
    let more = json!({"stateName": "B", "input": "{\"n\":1}", "variables": "{\"v\":10}", "context": "{\"c\":100}", "inspectionLevel": "TRACE"});
    let told = test(&client, &machine, &more).await;
    assert_eq!((&told["output"], told.get("nextState")), (&json!("111"), None));
    assert_eq!(told["inspectionData"]["variables"], "{\"v\":10,\"w\":2}");
    let choice = json!({"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "One"}], "Default": "Other"});
    assert_eq!(test(&client, &choice, &json!({"input": "{\"n\":1}"})).await["nextState"], "One");
    let fail = json!({"Type": "Fail", "Error": "E", "Cause": "c"});
    let told = test(&client, &fail, &json!({})).await;
    assert_eq!(
        (&told["status"], &told["error"], &told["cause"], told.get("inspectionData")),
        (&json!("FAILED"), &json!("E"), &json!("c"), None)
    );
    assert_eq!(
        test(&client, &json!({"Type": "Wait", "Seconds": 1000, "End": true}), &json!({})).await["status"],
        "SUCCEEDED"
    );
}

#[tokio::test]
async fn a_task_is_done_or_mocked() {
    let (_cloud, client) = now().await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let task = |name: &str| {
        json!({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:getQueueUrl", "Parameters": {"QueueName": name}, "End": true,
            "Retry": [{"ErrorEquals": ["Sqs.QueueDoesNotExistException"], "IntervalSeconds": 3, "BackoffRate": 2, "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]})
    };
    let told = test(&client, &task("q"), &json!({})).await;
    assert!(told["output"].as_str().unwrap().contains("/q"), "{told:#}");
    let told = test(
        &client,
        &task("none"),
        &json!({"inspectionLevel": "DEBUG", "stateConfiguration": {"retrierRetryCount": 1}}),
    )
    .await;
    assert_eq!((&told["status"], &told["error"]), (&json!("RETRIABLE"), &json!("Sqs.QueueDoesNotExistException")));
    assert_eq!(told["inspectionData"]["errorDetails"], json!({"retryIndex": 0, "retryBackoffIntervalSeconds": 6}));
    let told = test(
        &client,
        &task("none"),
        &json!({"inspectionLevel": "DEBUG", "stateConfiguration": {"retrierRetryCount": 2}}),
    )
    .await;
    assert_eq!((&told["status"], &told["nextState"]), (&json!("CAUGHT_ERROR"), &json!("Caught")));
    assert_eq!(told["inspectionData"]["errorDetails"], json!({"catchIndex": 0}));
    let mock = json!({"roleArn": null, "mock": {"result": "{\"QueueUrl\":\"mine\"}"}});
    assert_eq!(test(&client, &task("none"), &mock).await["output"], "{\"QueueUrl\":\"mine\"}");
    let mock = json!({"roleArn": null, "mock": {"errorOutput": {"error": "Mine", "cause": "c"}}});
    let told = test(&client, &task("none"), &mock).await;
    assert_eq!(
        (&told["status"], &told["output"]),
        (&json!("CAUGHT_ERROR"), &json!("{\"Error\":\"Mine\",\"Cause\":\"c\"}"))
    );
}

#[tokio::test]
async fn what_a_mock_says_is_what_the_service_could_say() {
    let (_cloud, client) = now().await;
    let put = json!({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:startExecution", "Parameters": {"StateMachineArn": "a"}, "End": true}).to_string();
    let mocked = async |result: Json, mode: Json| {
        let mut mock = json!({"result": result.to_string(), "fieldValidationMode": mode});
        mock.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        client.call(SERVICE, "TestState", json!({"definition": put, "mock": mock})).await
    };
    let refused = async |result: Json, mode: Json| {
        let answer = mocked(result, mode).await;
        (answer.code().to_owned(), answer.json["message"].as_str().unwrap().to_owned())
    };
    let wrong = |why: &str| ("ValidationException".to_owned(), format!("Mock result schema validation error: {why}"));
    let whole = json!({"ExecutionArn": "arn", "StartDate": "2026-01-01T00:00:00Z"});
    assert_eq!(mocked(whole.clone(), Json::Null).await.ok()["status"], "SUCCEEDED");
    assert_eq!(
        refused(json!({"StartDate": "x"}), json!("STRICT")).await,
        wrong("Required field 'ExecutionArn' is missing")
    );
    assert_eq!(
        refused(json!({"ExecutionArn": 1}), json!("PRESENT")).await,
        wrong("Field 'ExecutionArn' must be a string")
    );
    assert_eq!(refused(json!([]), Json::Null).await.1, "Mocked result must be a JSON object.");
    assert_eq!(mocked(json!({"StartDate": "x"}), json!("PRESENT")).await.ok()["status"], "SUCCEEDED");
    assert_eq!(mocked(json!({"ExecutionArn": 1}), json!("NONE")).await.ok()["status"], "SUCCEEDED");
}

#[tokio::test]
async fn what_cannot_be_tested_is_refused() {
    let (_cloud, client) = now().await;
    let pass = json!({"Type": "Pass", "End": true}).to_string();
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:listQueues", "End": true}).to_string();
    let map = json!({"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}).to_string();
    let cases = [
        (
            json!({"definition": map, "roleArn": ROLE}),
            "InvalidDefinition",
            "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]",
        ),
        (json!({"definition": "{", "roleArn": ROLE}), "InvalidDefinition", ""),
        (
            json!({"definition": pass, "mock": {"result": "1"}}),
            "ValidationException",
            "State type 'Pass' is not supported when a mock is specified",
        ),
        (
            json!({"definition": task, "mock": {"result": "1", "errorOutput": {}}}),
            "ValidationException",
            "A test mock should have only one of the following fields: [result, errorOutput].",
        ),
        (
            json!({"definition": task, "mock": {"result": "{"}}),
            "ValidationException",
            "Mocked result must be valid JSON",
        ),
        (
            json!({"definition": task, "mock": {"result": "1"}, "revealSecrets": true}),
            "ValidationException",
            "TestState does not support RevealSecrets when a mock is specified.",
        ),
        (
            json!({"definition": task, "roleArn": ROLE, "stateConfiguration": {"mapIterationFailureCount": 1}}),
            "ValidationException",
            "TestState does not support MapIterationFailureCount when a mock is not specified.",
        ),
        (json!({"definition": pass, "input": "{", "roleArn": ROLE}), "InvalidExecutionInput", ""),
        (json!({"definition": task, "roleArn": "arn:aws:iam::000000000000:user/x"}), "InvalidArn", ""),
    ];
    for (input, code, message) in cases {
        let told = refused(&client, "TestState", input.clone()).await;
        assert_eq!(told.0, code, "{input:#}: {told:?}");
        assert!(message.is_empty() || told.1 == message, "{told:?}");
    }
}
