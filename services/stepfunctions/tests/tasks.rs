//! Tasks: calls of services, in both forms, and executions of executions.

use super::*;

async fn table(client: &Client) {
    let input = json!({"TableName": "table", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]});
    client.call("dynamodb", "CreateTable", input).await.ok();
}

#[tokio::test]
async fn known_calls_take_json_where_the_api_takes_text() {
    let (_cloud, client) = now().await;
    table(&client).await;
    let queue = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let topic = client.call("sns", "CreateTopic", json!({"Name": "topic"})).await.ok();
    let task = |resource: &str, parameters: Json, next: &str| json!({"Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters, "ResultPath": format!("$.{next}"), "Next": next});
    let definition = json!({"StartAt": "Put", "States": {
        "Put": task("dynamodb:putItem", json!({"TableName": "table", "Item": {"id": {"S.$": "$.id"}}}), "Get"),
        "Get": task("dynamodb:getItem", json!({"TableName": "table", "Key": {"id": {"S.$": "$.id"}}}), "Send"),
        "Send": task("sqs:sendMessage", json!({"QueueUrl": queue["QueueUrl"], "MessageBody": {"id.$": "$.id"},
            "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "k"}}}), "Publish"),
        "Publish": task("sns:publish", json!({"TopicArn": topic["TopicArn"], "Message": {"id.$": "$.id"}}), "Tell"),
        "Tell": task("events:putEvents", json!({"Entries": [{"Source": "s", "DetailType": "d", "Detail": {"id.$": "$.id"}}]}), "End"),
        "End": {"Type": "Succeed"}}});
    let ended = run(&client, &definition, &json!({"id": "7"})).await;
    let out = output(&ended);
    assert_eq!(out["Send"]["Item"], json!({"id": {"S": "7"}}));
    assert!(out["Publish"]["MessageId"].is_string() && out["Tell"]["MessageId"].is_string(), "{out:#}");
    assert_eq!(out["End"]["FailedEntryCount"], 0);
    assert_eq!(out["Get"]["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let got = client
        .call("sqs", "ReceiveMessage", json!({"QueueUrl": queue["QueueUrl"], "MessageAttributeNames": ["All"]}))
        .await
        .ok();
    assert_eq!(got["Messages"][0]["Body"], "{\"id\":\"7\"}");
    assert_eq!(got["Messages"][0]["MessageAttributes"]["kind"]["StringValue"], "k");
    let arn = ended["executionArn"].as_str().unwrap();
    let scheduled = until(&client, arn, "TaskScheduled").await;
    let details = json!({"resourceType": "dynamodb", "resource": "putItem", "region": "us-east-1",
        "parameters": "{\"TableName\":\"table\",\"Item\":{\"id\":{\"S\":\"7\"}}}"});
    let told = &scheduled["taskScheduledEventDetails"];
    let parsed = |value: &Json| serde_json::from_str::<Json>(value["parameters"].as_str().unwrap()).unwrap();
    assert_eq!(parsed(told), parsed(&details));
    assert_eq!((&told["resourceType"], &told["resource"]), (&json!("dynamodb"), &json!("putItem")));
    let started = until(&client, arn, "TaskStarted").await;
    assert_eq!(started["taskStartedEventDetails"], json!({"resourceType": "dynamodb", "resource": "putItem"}));
}

#[tokio::test]
async fn any_operation_is_called_as_sdks_write_it() {
    let (_cloud, client) = now().await;
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Make", "States": {
        "Make": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:cloudwatchlogs:createLogGroup", "Arguments": {"LogGroupName": "{% $states.input.name %}"},
            "Output": "{% $states.input %}", "Next": "Find"},
        "Find": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:cloudwatchlogs:describeLogGroups", "Arguments": {"LogGroupNamePrefix": "{% $states.input.name %}"},
            "Output": "{% $states.result.LogGroups[0].LogGroupName %}", "End": true}}});
    assert_eq!(output(&run(&client, &definition, &json!({"name": "g"})).await), json!("g"));
}

#[tokio::test]
async fn errors_have_the_names_of_sdks() {
    let (_cloud, client) = now().await;
    table(&client).await;
    let put = |resource: &str| {
        json!({"Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "End": true,
            "Parameters": {"TableName": "table", "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_exists(id)"}})
    };
    machine(&client, &json!({"StartAt": "P", "States": {"P": put("dynamodb:putItem")}})).await;
    let arn = start(&client, &json!({})).await;
    let known = ended(&client, &arn).await;
    assert_eq!(
        (&known["status"], &known["error"]),
        (&json!("FAILED"), &json!("DynamoDB.ConditionalCheckFailedException"))
    );
    let cause = known["cause"].as_str().unwrap();
    let begins = "The conditional request failed (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ConditionalCheckFailedException; Request ID: ";
    assert!(cause.starts_with(begins), "{cause}");
    let update = json!({"stateMachineArn": MACHINE, "definition": json!({"StartAt": "P", "States": {"P": put("aws-sdk:dynamodb:putItem")}}).to_string()});
    ok(&client, "UpdateStateMachine", update).await;
    let arn = start(&client, &json!({})).await;
    let sdk = ended(&client, &arn).await;
    assert_eq!(sdk["error"], "DynamoDb.ConditionalCheckFailedException");
    assert!(sdk["cause"].as_str().unwrap().contains("(Service: DynamoDb, Status Code: 400, Request ID: "), "{sdk:#}");
}

#[tokio::test]
async fn an_execution_waits_for_one_that_it_starts() {
    let (_cloud, client) = now().await;
    let child = json!({"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "Good"}], "Default": "Bad"},
        "Good": {"Type": "Pass", "Result": {"good": true}, "End": true}, "Bad": {"Type": "Fail", "Error": "Bad"}}});
    let made = json!({"name": "child", "definition": child.to_string(), "roleArn": ROLE});
    let child = ok(&client, "CreateStateMachine", made).await["stateMachineArn"].clone();
    let start_child = |pattern: &str| {
        json!({"StartAt": "S", "States": {"S": {"Type": "Task", "Resource": format!("arn:aws:states:::states:startExecution{pattern}"),
            "Parameters": {"StateMachineArn": child, "Input.$": "$"}, "End": true}}})
    };
    let first = output(&run(&client, &start_child(".sync:2"), &json!({"n": 1})).await);
    assert_eq!((&first["Output"], &first["Status"]), (&json!({"good": true}), &json!("SUCCEEDED")));
    assert!(first["ExecutionArn"].as_str().unwrap().contains(":execution:child:"), "{first:#}");
    let again = async |pattern: &str, input: Json| {
        let update = json!({"stateMachineArn": MACHINE, "definition": start_child(pattern).to_string()});
        ok(&client, "UpdateStateMachine", update).await;
        let arn = start(&client, &input).await;
        ended(&client, &arn).await
    };
    assert_eq!(output(&again(".sync", json!({"n": 1})).await)["Output"], "{\"good\":true}");
    assert!(output(&again("", json!({"n": 1})).await)["ExecutionArn"].is_string());
    let failed = again(".sync:2", json!({"n": 2})).await;
    assert_eq!(failed["error"], "States.TaskFailed");
    let cause: Json = serde_json::from_str(failed["cause"].as_str().unwrap()).unwrap();
    assert_eq!((&cause["Status"], &cause["Error"]), (&json!("FAILED"), &json!("Bad")));
}
