//! Event sources: from a queue to a function.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::Service;
use undercast_testkit::{Client, Cloud};

use crate::setup::{allow, cloud, create, eventually, logs, python};

crate::tests!(
    messages_reach_a_function_and_are_gone,
    only_what_failed_comes_again,
    a_mapping_needs_the_roles_permissions,
    a_disabled_mapping_takes_nothing,
    other_services_invoke_by_the_functions_policy,
    a_bucket_tells_a_function,
);

const RIGHTS: &[&str] = &["logs:*", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

async fn queue(client: &Client, name: &str, attributes: Json) -> (String, String) {
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    (made["QueueUrl"].as_str().unwrap().to_owned(), format!("arn:aws:sqs:us-east-1:000000000000:{name}"))
}

async fn send(client: &Client, url: &str, body: &str) {
    let attributes = json!({"k": {"DataType": "String", "StringValue": "v"}});
    client
        .call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": body, "MessageAttributes": attributes}))
        .await
        .ok();
}

async fn left(client: &Client, url: &str) -> (String, String) {
    let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let all = client.call("sqs", "GetQueueAttributes", input).await.ok()["Attributes"].clone();
    let count = |name: &str| all[name].as_str().unwrap().to_owned();
    (count("ApproximateNumberOfMessages"), count("ApproximateNumberOfMessagesNotVisible"))
}

async fn messages_reach_a_function_and_are_gone() {
    let (_cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let (url, arn) = queue(&client, "q", json!({})).await;
    create(&client, python("f", "import json\ndef handler(event, context):\n    print('EVENT', json.dumps(event))\n"))
        .await;
    let made = client
        .call("lambda", "CreateEventSourceMapping", json!({"EventSourceArn": arn, "FunctionName": "f"}))
        .await
        .ok();
    assert_eq!((made["State"].as_str(), made["BatchSize"].as_i64()), (Some("Creating"), Some(10)));
    send(&client, &url, "hello").await;
    let lines = logs(&client, "f", "REPORT").await;
    let event = lines.iter().find_map(|l| l.strip_prefix("EVENT ")).unwrap();
    let record = serde_json::from_str::<Json>(event).unwrap()["Records"][0].clone();
    assert_eq!((record["body"].as_str(), record["eventSource"].as_str()), (Some("hello"), Some("aws:sqs")));
    assert_eq!(
        (record["eventSourceARN"].as_str(), record["awsRegion"].as_str()),
        (Some(arn.as_str()), Some("us-east-1"))
    );
    assert_eq!(
        record["messageAttributes"]["k"],
        json!({"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"})
    );
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    eventually("the queue is empty", || async { left(&client, &url).await == ("0".to_owned(), "0".to_owned()) }).await;
    let again =
        client.call("lambda", "CreateEventSourceMapping", json!({"EventSourceArn": arn, "FunctionName": "f"})).await;
    assert_eq!((again.status, again.code()), (409, "ResourceConflictException"));
    let listed = client.call("lambda", "ListEventSourceMappings", json!({"FunctionName": "f"})).await.ok();
    assert_eq!(listed["EventSourceMappings"][0]["State"], "Enabled");
}

async fn only_what_failed_comes_again() {
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let (_, dead) = queue(&client, "dead", json!({})).await;
    let policy = json!({"deadLetterTargetArn": dead, "maxReceiveCount": 2}).to_string();
    let (url, arn) = queue(&client, "q", json!({"VisibilityTimeout": "30", "RedrivePolicy": policy})).await;
    let code = r"
def handler(event, context):
    bodies = [r['body'] for r in event['Records']]
    print('BATCH', sorted(bodies))
    return {'batchItemFailures': [{'itemIdentifier': r['messageId']} for r in event['Records'] if r['body'] == 'bad']}
";
    create(&client, python("f", code)).await;
    let input = json!({"EventSourceArn": arn, "FunctionName": "f", "FunctionResponseTypes": ["ReportBatchItemFailures"],
                       "MaximumBatchingWindowInSeconds": 1});
    for body in ["bad", "good"] {
        send(&client, &url, body).await;
    }
    client.call("lambda", "CreateEventSourceMapping", input).await.ok();
    let lines = logs(&client, "f", "BATCH").await;
    assert!(lines.iter().any(|l| l.contains("good")), "{lines:?}");
    eventually("the good one is deleted, the bad one hidden", || async {
        left(&client, &url).await == ("0".to_owned(), "1".to_owned())
    })
    .await;
    cloud.kernel.advance(Duration::from_secs(31)).await.unwrap();
    eventually("it came again", || async {
        logs(&client, "f", "BATCH").await.iter().filter(|l| l.contains("['bad']")).count() == 1
    })
    .await;
    cloud.kernel.advance(Duration::from_secs(31)).await.unwrap();
    let dead_url = url.replace("/q", "/dead");
    eventually("it is a dead letter", || async { left(&client, &dead_url).await.0 == "1" }).await;
}

async fn a_mapping_needs_the_roles_permissions() {
    let (_cloud, client) = cloud().await;
    let (_, arn) = queue(&client, "q", json!({})).await;
    create(&client, python("f", "def handler(event, context): pass")).await;
    let input = json!({"EventSourceArn": arn, "FunctionName": "f"});
    let denied = client.call("lambda", "CreateEventSourceMapping", input.clone()).await;
    assert_eq!((denied.status, denied.code()), (400, "InvalidParameterValueException"), "{}", denied.json);
    allow(&client, "function", &["sqs:GetQueueAttributes", "sqs:DeleteMessage"]).await;
    let denied = client.call("lambda", "CreateEventSourceMapping", input.clone()).await;
    assert!(denied.json["message"].as_str().unwrap().contains("ReceiveMessage"), "{}", denied.json);
    allow(&client, "function", RIGHTS).await;
    client.call("lambda", "CreateEventSourceMapping", input).await.ok();
    let other = json!({"EventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/x/1", "FunctionName": "f"});
    assert_eq!(client.call("lambda", "CreateEventSourceMapping", other).await.status, 501);
}

async fn a_disabled_mapping_takes_nothing() {
    let (_cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let (url, arn) = queue(&client, "q", json!({})).await;
    create(&client, python("f", "def handler(event, context): pass")).await;
    let made = client
        .call("lambda", "CreateEventSourceMapping", json!({"EventSourceArn": arn, "FunctionName": "f"}))
        .await
        .ok();
    let id = made["UUID"].clone();
    let told = client.call("lambda", "UpdateEventSourceMapping", json!({"UUID": id, "Enabled": false})).await.ok();
    assert_eq!(told["State"], "Disabling");
    // A poll that is under way may still take what comes, on a machine that is busy.
    tokio::time::sleep(Duration::from_millis(500)).await;
    send(&client, &url, "stays").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(left(&client, &url).await, ("1".to_owned(), "0".to_owned()));
    assert_eq!(client.call("lambda", "GetEventSourceMapping", json!({"UUID": id})).await.ok()["State"], "Disabled");
    client.call("lambda", "UpdateEventSourceMapping", json!({"UUID": id, "Enabled": true})).await.ok();
    eventually("it is taken", || async { left(&client, &url).await == ("0".to_owned(), "0".to_owned()) }).await;
    client.call("lambda", "DeleteEventSourceMapping", json!({"UUID": id})).await.ok();
    assert_eq!(client.call("lambda", "GetEventSourceMapping", json!({"UUID": id})).await.status, 404);
}

async fn other_services_invoke_by_the_functions_policy() {
    let (cloud, client): (Cloud, Client) = cloud().await;
    create(&client, python("f", "def handler(event, context):\n    print('GOT', event)\n")).await;
    let cx =
        cloud.kernel.cx_for("000000000000", "us-east-1").as_service("s3.amazonaws.com", Some("arn:aws:s3:::bucket"));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let call = async || {
        let input = json!({"FunctionName": arn, "InvocationType": "Event"});
        let body = bytes::Bytes::from_static(br#"{"from":"s3"}"#).into();
        cx.call_with_body("lambda", "Invoke", input, Some(body)).await
    };
    assert_eq!(call().await.unwrap_err().code(), Some("AccessDeniedException"));
    let permission = json!({"FunctionName": "f", "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
                            "SourceArn": "arn:aws:s3:::bucket"});
    client.call("lambda", "AddPermission", permission).await.ok();
    call().await.unwrap();
    logs(&client, "f", "GOT {'from': 's3'}").await;
    let policy = client.call("lambda", "GetPolicy", json!({"FunctionName": "f"})).await.ok();
    assert!(policy["Policy"].as_str().unwrap().contains("AWS:SourceArn"));
    client.call("lambda", "RemovePermission", json!({"FunctionName": "f", "StatementId": "s3"})).await.ok();
    assert_eq!(call().await.unwrap_err().code(), Some("AccessDeniedException"));
    assert!(cloud.kernel.services().iter().any(|s: &std::sync::Arc<dyn Service>| s.api().name == "lambda"));
}

async fn a_bucket_tells_a_function() {
    let (_cloud, client) = cloud().await;
    create(
        &client,
        python("f", "def handler(event, context):\n    print('TOLD', event['Records'][0]['s3']['object']['key'])\n"),
    )
    .await;
    client.call("s3", "CreateBucket", json!({"Bucket": "bkt"})).await.ok();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let rule = json!({"Bucket": "bkt", "NotificationConfiguration": {"LambdaFunctionConfigurations": [{"Id": "images",
        "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}}]}});
    // The function's own policy must let S3 in.
    let refused = client.call("s3", "PutBucketNotificationConfiguration", rule.clone()).await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidArgument"));
    let permission = json!({"FunctionName": "f", "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com",
                            "SourceArn": "arn:aws:s3:::bkt"});
    client.call("lambda", "AddPermission", permission).await.ok();
    client.call("s3", "PutBucketNotificationConfiguration", rule).await.ok();
    for key in ["notes.txt", "cat.jpg"] {
        client.call("s3", "PutObject", json!({"Bucket": "bkt", "Key": key, "Body": "eA=="})).await.ok();
    }
    let lines = logs(&client, "f", "TOLD cat.jpg").await;
    assert!(!lines.iter().any(|line| line.contains("notes.txt")), "{lines:?}");
}
