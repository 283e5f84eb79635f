//! Events: how often they are tried, how old they get, and who is told of what came of them.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Cloud};

use crate::setup::{
    ROLE, allow, cloud, create, eventually, invoke_with, logs, python, python_runtime, role, stack, told,
};

crate::tests!(
    every_kind_of_destination_is_told,
    events_are_tried_as_often_as_their_configuration_says,
    events_grow_no_older_than_their_configuration_says,
    a_function_that_never_runs_fails_at_once,
    dead_letters_carry_what_went_wrong,
    configurations_are_put_changed_listed_and_removed,
    templates_have_configurations_of_events,
    wrong_configurations_of_events_are_refused,
);

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const CODE: &str = "def handler(event, context):\n    print('tried')\n    if event.get('fail'):\n        raise ValueError('boom')\n    return {'done': event}\n";
const RIGHTS: &[&str] = &["logs:*", "sqs:*", "sns:*", "events:*", "lambda:*", "s3:*"];

async fn call(client: &Client, operation: &str, input: Json) -> Json {
    client.call("lambda", operation, input).await.ok()
}

async fn queue(client: &Client, name: &str) -> (Json, String) {
    let url = client.call("sqs", "CreateQueue", json!({"QueueName": name})).await.ok()["QueueUrl"].clone();
    (url, format!("arn:aws:sqs:us-east-1:000000000000:{name}"))
}

/// The next message of a queue.
async fn message(client: &Client, url: &Json) -> Json {
    for _ in 0..100 {
        let input = json!({"QueueUrl": url, "MessageAttributeNames": ["All"], "WaitTimeSeconds": 1});
        let answer = client.call("sqs", "ReceiveMessage", input).await.ok();
        if let Some(message) = answer["Messages"].get(0) {
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
            return message.clone();
        }
    }
    panic!("no message came");
}

async fn body(client: &Client, url: &Json) -> Json {
    serde_json::from_str(message(client, url).await["Body"].as_str().unwrap()).unwrap()
}

async fn event(client: &Client, name: &str, payload: &Json) -> String {
    let answer = invoke_with(client, name, json!({"InvocationType": "Event"}), payload).await;
    assert_eq!(answer.status, 202);
    answer.headers["x-amzn-requestid"].to_str().unwrap().to_owned()
}

/// A function `f` whose role may tell everybody.
async fn ready() -> (Cloud, Client) {
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    create(&client, python("f", CODE)).await;
    (cloud, client)
}

async fn configure(client: &Client, more: Json) -> Json {
    let mut input = json!({"FunctionName": "f"});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(client, "PutFunctionEventInvokeConfig", input).await
}

fn destinations(success: &str, failure: &str) -> Json {
    json!({"DestinationConfig": {"OnSuccess": {"Destination": success}, "OnFailure": {"Destination": failure}}, "MaximumRetryAttempts": 0})
}

async fn every_kind_of_destination_is_told() {
    let (_cloud, client) = ready().await;
    let (good, good_arn) = queue(&client, "good").await;
    let (bad, bad_arn) = queue(&client, "bad").await;
    configure(&client, destinations(&good_arn, &bad_arn)).await;
    let id = event(&client, "f", &json!({"k": 1})).await;
    let mut record = body(&client, &good).await;
    assert!(record["timestamp"].as_str().unwrap().ends_with('Z'), "{record}");
    record["timestamp"] = Json::Null;
    assert_eq!(
        record,
        json!({
            "version": "1.0", "timestamp": null,
            "requestContext": {"requestId": id, "functionArn": format!("{ARN}:$LATEST"), "condition": "Success", "approximateInvokeCount": 1},
            "requestPayload": {"k": 1},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"done": {"k": 1}},
        })
    );
    event(&client, "f", &json!({"fail": true})).await;
    let record = body(&client, &bad).await;
    assert_eq!(
        (&record["requestContext"]["condition"], &record["requestContext"]["approximateInvokeCount"]),
        (&json!("RetriesExhausted"), &json!(1))
    );
    assert_eq!(
        (&record["responseContext"]["functionError"], &record["responsePayload"]["errorMessage"]),
        (&json!("Unhandled"), &json!("boom"))
    );
    // A topic and a bus, each with a queue behind it.
    let topic =
        client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].as_str().unwrap().to_owned();
    let open = |arn: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}).to_string()
    };
    for (url, arn) in [(&good, &good_arn), (&bad, &bad_arn)] {
        let input = json!({"QueueUrl": url, "Attributes": {"Policy": open(arn)}});
        client.call("sqs", "SetQueueAttributes", input).await.ok();
    }
    let input = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": good_arn, "Attributes": {"RawMessageDelivery": "true"}});
    client.call("sns", "Subscribe", input).await.ok();
    let pattern = json!({"source": ["lambda"], "detail-type": ["Lambda Function Invocation Result - Failure"]});
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern.to_string()})).await.ok();
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "q", "Arn": bad_arn}]})).await.ok();
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    configure(&client, destinations(&topic, bus)).await;
    event(&client, "f", &json!({"k": 2})).await;
    assert_eq!(body(&client, &good).await["requestPayload"], json!({"k": 2}));
    event(&client, "f", &json!({"fail": 2})).await;
    let told = body(&client, &bad).await;
    assert_eq!(told["resources"], json!([bus, format!("{ARN}:$LATEST")]));
    assert_eq!(told["detail"]["requestContext"]["condition"], "RetriesExhausted");
    // Another function, and a bucket.
    let code = "import json\ndef handler(event, context):\n    print('heard', json.dumps(event['requestPayload']))\n";
    create(&client, python("g", code)).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "failures"})).await.ok();
    let other = "arn:aws:lambda:us-east-1:000000000000:function:g";
    configure(&client, destinations(other, "arn:aws:s3:::failures")).await;
    event(&client, "f", &json!({"k": 3})).await;
    assert!(logs(&client, "g", "heard").await.contains(&"heard {\"k\": 3}\n".to_owned()));
    event(&client, "f", &json!({"fail": 3})).await;
    let list = async || {
        client.call("s3", "ListObjectsV2", json!({"Bucket": "failures"})).await.ok()["Contents"][0]["Key"].clone()
    };
    eventually("an object", || async { list().await.is_string() }).await;
    let key = list().await;
    assert!(key.as_str().unwrap().starts_with("aws/lambda/async/f/2"), "{key}");
    let object = client.call("s3", "GetObject", json!({"Bucket": "failures", "Key": key})).await;
    let record: Json = serde_json::from_slice(&object.body).unwrap();
    assert_eq!(record["requestPayload"], json!({"fail": 3}));
}

/// How often the function has been tried.
async fn tried(client: &Client, wanted: usize) {
    eventually("another attempt", || async {
        logs(client, "f", "tried").await.iter().filter(|line| *line == "tried\n").count() == wanted
    })
    .await;
}

async fn events_are_tried_as_often_as_their_configuration_says() {
    let (cloud, client) = ready().await;
    let (bad, arn) = queue(&client, "bad").await;
    create(&client, python("h", CODE)).await;
    eventually("active", || async {
        call(&client, "GetFunctionConfiguration", json!({"FunctionName": "h"})).await["State"] == "Active"
    })
    .await;
    call(&client, "PublishVersion", json!({"FunctionName": "h"})).await;
    configure(&client, json!({"MaximumRetryAttempts": 1, "DestinationConfig": {"OnFailure": {"Destination": arn}}}))
        .await;
    let id = event(&client, "f", &json!({"fail": 1})).await;
    tried(&client, 1).await;
    cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
    let record = body(&client, &bad).await;
    assert_eq!(
        (&record["requestContext"]["requestId"], &record["requestContext"]["approximateInvokeCount"]),
        (&json!(id), &json!(2))
    );
    tried(&client, 2).await;
    // A version, and an alias, have configurations of their own.
    let alias = json!({"FunctionName": "h", "Name": "live", "FunctionVersion": "1"});
    call(&client, "CreateAlias", alias).await;
    let input = json!({"FunctionName": "h", "Qualifier": "live", "MaximumRetryAttempts": 0, "DestinationConfig": {"OnFailure": {"Destination": arn}}});
    call(&client, "PutFunctionEventInvokeConfig", input).await;
    event(&client, "h:1", &json!({"fail": 1})).await;
    event(&client, "h:live", &json!({"fail": 2})).await;
    let record = body(&client, &bad).await;
    assert_eq!(record["requestPayload"], json!({"fail": 2}));
    assert_eq!(record["requestContext"]["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:h:live");
    assert_eq!(record["responseContext"]["executedVersion"], "1");
}

async fn events_grow_no_older_than_their_configuration_says() {
    let (cloud, client) = ready().await;
    let (bad, arn) = queue(&client, "bad").await;
    configure(
        &client,
        json!({"MaximumEventAgeInSeconds": 100, "DestinationConfig": {"OnFailure": {"Destination": arn}}}),
    )
    .await;
    event(&client, "f", &json!({"fail": 1})).await;
    tried(&client, 1).await;
    cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
    tried(&client, 2).await;
    // The third attempt would come too late.
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let record = body(&client, &bad).await;
    assert_eq!(
        (&record["requestContext"]["condition"], &record["requestContext"]["approximateInvokeCount"]),
        (&json!("EventAgeExceeded"), &json!(2))
    );
    assert_eq!(record["responsePayload"]["errorMessage"], "boom");
    tried(&client, 2).await;
}

async fn a_function_that_never_runs_fails_at_once() {
    let (_cloud, client) = ready().await;
    let (bad, arn) = queue(&client, "bad").await;
    let (dead, dead_arn) = queue(&client, "dead").await;
    configure(&client, json!({"DestinationConfig": {"OnFailure": {"Destination": arn}}})).await;
    let input = json!({"FunctionName": "f", "DeadLetterConfig": {"TargetArn": dead_arn}});
    call(&client, "UpdateFunctionConfiguration", input).await;
    let input = json!({"FunctionName": "f", "ReservedConcurrentExecutions": 0});
    call(&client, "PutFunctionConcurrency", input).await;
    event(&client, "f", &json!({"k": 1})).await;
    let record = body(&client, &bad).await;
    assert_eq!(record["requestContext"]["condition"], "ZeroReservedConcurrency");
    assert_eq!(
        (record["requestContext"]["approximateInvokeCount"].as_i64(), record.get("responsePayload")),
        (Some(0), None)
    );
    let letter = message(&client, &dead).await;
    assert_eq!(
        (letter["Body"].as_str(), letter["MessageAttributes"]["ErrorCode"]["StringValue"].as_str()),
        (Some("{\"k\":1}"), Some("429"))
    );
}

async fn dead_letters_carry_what_went_wrong() {
    let (cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let (dead, arn) = queue(&client, "dead").await;
    let mut input = python("f", CODE);
    input["DeadLetterConfig"] = json!({"TargetArn": arn});
    let made = create(&client, input).await;
    assert_eq!(made["DeadLetterConfig"], json!({"TargetArn": arn}));
    configure(&client, json!({"MaximumRetryAttempts": 0})).await;
    let id = event(&client, "f", &json!({"fail": 1})).await;
    let letter = message(&client, &dead).await;
    assert_eq!(letter["Body"], "{\"fail\":1}");
    let value = |name: &str| letter["MessageAttributes"][name].clone();
    assert_eq!(value("RequestID"), json!({"StringValue": id, "DataType": "String"}));
    assert_eq!(value("ErrorCode"), json!({"StringValue": "200", "DataType": "Number"}));
    assert_eq!(value("ErrorMessage"), json!({"StringValue": "boom", "DataType": "String"}));
    // A topic does as well, and an empty name is none.
    let topic = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].clone();
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]});
    client
        .call("sqs", "SetQueueAttributes", json!({"QueueUrl": dead, "Attributes": {"Policy": open.to_string()}}))
        .await
        .ok();
    client.call("sns", "Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn})).await.ok();
    let set = async |to: Json| {
        call(
            &client,
            "UpdateFunctionConfiguration",
            json!({"FunctionName": "f", "DeadLetterConfig": {"TargetArn": to}}),
        )
        .await
    };
    set(topic).await;
    event(&client, "f", &json!({"fail": 2})).await;
    let told = body(&client, &dead).await;
    assert_eq!(
        (&told["Message"], &told["MessageAttributes"]["ErrorMessage"]["Value"]),
        (&json!("{\"fail\":2}"), &json!("boom"))
    );
    assert_eq!(set(json!("")).await["DeadLetterConfig"], Json::Null);
    event(&client, "f", &json!({"fail": 3})).await;
    tried(&client, 3).await;
    cloud.kernel.advance(Duration::from_secs(300)).await.unwrap();
    let none = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": dead})).await.ok();
    assert_eq!(none["Messages"], Json::Null);
    // A queue that is gone takes nothing, and no event is tried again for it.
    set(json!(arn)).await;
    client.call("sqs", "DeleteQueue", json!({"QueueUrl": dead})).await.ok();
    event(&client, "f", &json!({"fail": 4})).await;
    tried(&client, 4).await;
    cloud.kernel.advance(Duration::from_secs(300)).await.unwrap();
    tried(&client, 4).await;
}

async fn configurations_are_put_changed_listed_and_removed() {
    let (_cloud, client) = ready().await;
    let (_, arn) = queue(&client, "q").await;
    let made = configure(&client, json!({"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60})).await;
    assert_eq!(
        (
            &made["FunctionArn"],
            &made["MaximumRetryAttempts"],
            &made["MaximumEventAgeInSeconds"],
            &made["DestinationConfig"]
        ),
        (&json!(format!("{ARN}:$LATEST")), &json!(1), &json!(60), &json!({"OnSuccess": {}, "OnFailure": {}}))
    );
    let input = json!({"FunctionName": "f", "MaximumRetryAttempts": 0, "DestinationConfig": {"OnSuccess": {"Destination": arn}}});
    let changed = call(&client, "UpdateFunctionEventInvokeConfig", input).await;
    assert_eq!(
        (
            &changed["MaximumRetryAttempts"],
            &changed["MaximumEventAgeInSeconds"],
            &changed["DestinationConfig"]["OnSuccess"]["Destination"]
        ),
        (&json!(0), &json!(60), &json!(arn)),
        "what is not said stays"
    );
    let input = json!({"FunctionName": "f", "MaximumEventAgeInSeconds": 70});
    assert_eq!(call(&client, "UpdateFunctionEventInvokeConfig", input).await["MaximumEventAgeInSeconds"], 70);
    let again = configure(&client, json!({"MaximumEventAgeInSeconds": 90})).await;
    assert_eq!(again["MaximumRetryAttempts"], Json::Null, "all is put anew");
    let get = async |qualifier: &str| {
        client
            .call("lambda", "GetFunctionEventInvokeConfig", json!({"FunctionName": "f", "Qualifier": qualifier}))
            .await
    };
    assert_eq!(get("$LATEST").await.ok()["MaximumEventAgeInSeconds"], 90);
    call(&client, "PublishVersion", json!({"FunctionName": "f"})).await;
    configure(&client, json!({"Qualifier": "1", "MaximumRetryAttempts": 2})).await;
    let input = json!({"FunctionName": "f", "Qualifier": "1", "MaximumEventAgeInSeconds": 80});
    let changed = call(&client, "UpdateFunctionEventInvokeConfig", input).await;
    assert_eq!((&changed["MaximumRetryAttempts"], &changed["MaximumEventAgeInSeconds"]), (&json!(2), &json!(80)));
    let first = call(&client, "ListFunctionEventInvokeConfigs", json!({"FunctionName": "f", "MaxItems": 1})).await;
    assert_eq!(first["FunctionEventInvokeConfigs"][0]["FunctionArn"], format!("{ARN}:$LATEST"));
    let input = json!({"FunctionName": "f", "MaxItems": 1, "Marker": first["NextMarker"]});
    let rest = call(&client, "ListFunctionEventInvokeConfigs", input).await;
    assert_eq!(rest["FunctionEventInvokeConfigs"][0]["FunctionArn"], format!("{ARN}:1"));
    let input = json!({"FunctionName": "f", "Qualifier": "1"});
    assert_eq!(client.call("lambda", "DeleteFunctionEventInvokeConfig", input.clone()).await.status, 204);
    for operation in ["DeleteFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig"] {
        let gone = client.call("lambda", operation, input.clone()).await;
        assert_eq!(
            (gone.status, told(&gone)),
            (404, format!("The function {ARN}:1 doesn't have an EventInvokeConfig"))
        );
    }
    call(&client, "DeleteFunction", json!({"FunctionName": "f"})).await;
    create(&client, python("f", CODE)).await;
    assert_eq!(get("$LATEST").await.status, 404, "what is made anew has none");
}

async fn templates_have_configurations_of_events() {
    let (_cloud, client) = cloud().await;
    allow(&client, "function", RIGHTS).await;
    let (_, arn) = queue(&client, "q").await;
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": "f", "Runtime": python_runtime(), "Role": ROLE, "Handler": "index.handler",
        "Code": {"ZipFile": CODE}, "DeadLetterConfig": {"TargetArn": arn}}});
    let template = |more: Json| {
        let mut properties = json!({"FunctionName": {"Ref": "F"}, "Qualifier": "$LATEST"});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Resources": {"F": function, "C": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": properties}}})
    };
    let all = json!({"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60, "DestinationConfig": {"OnSuccess": {"Destination": arn}}});
    stack(&client, "CreateStack", &template(all.clone()), "CREATE_COMPLETE").await;
    let shown = call(&client, "GetFunctionEventInvokeConfig", json!({"FunctionName": "f"})).await;
    assert_eq!((&shown["MaximumRetryAttempts"], &shown["MaximumEventAgeInSeconds"]), (&json!(1), &json!(60)));
    assert_eq!(shown["DestinationConfig"]["OnSuccess"]["Destination"], arn);
    let configuration = call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await;
    assert_eq!(configuration["DeadLetterConfig"]["TargetArn"], arn);
    stack(&client, "UpdateStack", &template(json!({"MaximumEventAgeInSeconds": 120})), "UPDATE_COMPLETE").await;
    let shown = call(&client, "GetFunctionEventInvokeConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(
        (&shown["MaximumEventAgeInSeconds"], &shown["DestinationConfig"]["OnSuccess"]),
        (&json!(120), &json!({}))
    );
    let mut less = template(json!({}));
    less["Resources"].as_object_mut().unwrap().remove("C");
    less["Resources"]["F"]["Properties"].as_object_mut().unwrap().remove("DeadLetterConfig");
    stack(&client, "UpdateStack", &less, "UPDATE_COMPLETE").await;
    let gone = client.call("lambda", "GetFunctionEventInvokeConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(gone.status, 404);
    let configuration = call(&client, "GetFunctionConfiguration", json!({"FunctionName": "f"})).await;
    assert_eq!(configuration["DeadLetterConfig"], Json::Null);
}

async fn wrong_configurations_of_events_are_refused() {
    let (_cloud, client) = ready().await;
    role(&client, "poor", &["logs:*"]).await;
    let (_, arn) = queue(&client, "q").await;
    let bad = "InvalidParameterValueException";
    let to = |success: &str| json!({"FunctionName": "f", "DestinationConfig": {"OnSuccess": {"Destination": success}}});
    let both = "UpdateFunctionEventInvokeConfig";
    let put = "PutFunctionEventInvokeConfig";
    let invalid = |arn: &str| {
        format!(
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination={arn}), onFailure=null) is invalid."
        )
    };
    let none = "You must specify at least one of error handling or destination setting.".to_owned();
    let missing = "The function doesn't exist.".to_owned();
    for (operation, input, status, code, words) in [
        (put, json!({"FunctionName": "f"}), 400, bad, none.clone()),
        (both, json!({"FunctionName": "f"}), 400, bad, none),
        (
            put,
            json!({"FunctionName": "none", "MaximumRetryAttempts": 1}),
            404,
            "ResourceNotFoundException",
            missing.clone(),
        ),
        (
            put,
            json!({"FunctionName": "f", "Qualifier": "7", "MaximumRetryAttempts": 1}),
            404,
            "ResourceNotFoundException",
            missing.clone(),
        ),
        ("ListFunctionEventInvokeConfigs", json!({"FunctionName": "none"}), 404, "ResourceNotFoundException", missing),
        (
            "ListFunctionEventInvokeConfigs",
            json!({"FunctionName": "f", "Marker": "x"}),
            400,
            bad,
            "Invalid Marker".to_owned(),
        ),
        (
            both,
            json!({"FunctionName": "f", "MaximumRetryAttempts": 1}),
            404,
            "ResourceNotFoundException",
            format!("The function {ARN}:$LATEST doesn't have an EventInvokeConfig"),
        ),
        (
            put,
            json!({"FunctionName": "f", "MaximumRetryAttempts": 3}),
            400,
            "ValidationException",
            "less than or equal to 2".to_owned(),
        ),
        (
            put,
            json!({"FunctionName": "f", "MaximumEventAgeInSeconds": 59}),
            400,
            "ValidationException",
            "greater than or equal to 60".to_owned(),
        ),
        (put, to("arn:aws:iam::000000000000:role/x"), 400, bad, invalid("arn:aws:iam::000000000000:role/x")),
        (put, to("arn:aws:s3:::b"), 400, bad, invalid("arn:aws:s3:::b")),
        (
            put,
            to("arn:aws:sqs:us-east-1:000000000000:q.fifo"),
            400,
            bad,
            invalid("arn:aws:sqs:us-east-1:000000000000:q.fifo"),
        ),
        (put, to(ARN), 400, bad, "You can't specify the function as a destination for itself.".to_owned()),
    ] {
        let answer = client.call("lambda", operation, input.clone()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{operation} {input}: {}", answer.json);
        assert!(told(&answer).contains(&words), "{operation} {input}: {}", answer.json);
    }
    for operation in ["GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"] {
        let answer = client.call("lambda", operation, json!({"FunctionName": "f:1", "Qualifier": "2"})).await;
        assert_eq!(answer.code(), bad, "{operation}");
    }
    let mut input = python("p", CODE);
    input["Role"] = json!("arn:aws:iam::000000000000:role/poor");
    input["DeadLetterConfig"] = json!({"TargetArn": arn});
    let refused = client.call("lambda", "CreateFunction", input.clone()).await;
    assert_eq!(told(&refused), "The provided execution role does not have permissions to call SendMessage on SQS");
    input["DeadLetterConfig"] = json!({"TargetArn": "arn:aws:s3:::b"});
    assert_eq!(client.call("lambda", "CreateFunction", input.clone()).await.code(), bad);
    input.as_object_mut().unwrap().remove("DeadLetterConfig");
    create(&client, input).await;
    let input = json!({"FunctionName": "p", "DestinationConfig": {"OnSuccess": {"Destination": arn}}});
    let refused = client.call("lambda", put, input).await;
    assert_eq!(
        told(&refused),
        format!("The function's execution role does not have permissions to call SendMessage on {arn}")
    );
}
