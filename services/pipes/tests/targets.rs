//! What each target is given, by its batch operation.

use serde_json::json;

use super::*;

#[tokio::test]
async fn messages_go_from_queue_to_queue_and_are_gone() {
    let setup = setup().await;
    setup.running(json!({})).await;
    for n in 0..25 {
        setup.send(&format!("m{n}")).await;
    }
    let come = setup.messages(&setup.to, 25).await;
    let mut bodies: Vec<String> = Vec::new();
    for message in &come {
        let event = parsed(&body(message));
        assert_eq!((&event["eventSource"], &event["eventSourceARN"]), (&json!("aws:sqs"), &json!(arn("from"))));
        assert_eq!(event["awsRegion"], "us-east-1");
        bodies.push(event["body"].as_str().unwrap().to_owned());
    }
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 25);
    setup.emptied(&setup.from).await;
    let count = async |name: &str| setup.counted(name).await;
    assert_eq!(count("EventCount").await, 25.0);
    assert!(count("Invocations").await >= 3.0 && count("EventSize").await > 2500.0);
    assert_eq!((count("ExecutionFailed").await, count("TargetStageFailed").await), (0.0, 0.0));
    assert!(count("Duration").await > 0.0 && count("TargetStageDuration").await > 0.0);
}

#[tokio::test]
async fn a_template_makes_what_the_target_gets() {
    let setup = setup().await;
    let more = json!({"TargetParameters": {"InputTemplate": r#"{"n": <$.body.n>, "text": "a <$.body.t> of <aws.pipes.pipe-name>"}"#}});
    setup.running(more).await;
    setup.send(r#"{"n": 7, "t": "\"word\""}"#).await;
    assert_eq!(parsed(&setup.come(1).await[0]), json!({"n": 7, "text": "a \"word\" of p"}));
    let update = json!({"Name": "p", "RoleArn": ROLE, "TargetParameters": {"InputTemplate": "<$.body>"}});
    ok(&setup.client, "UpdatePipe", update).await;
    setup.settled("p", "RUNNING").await;
    setup.send("just a text").await;
    assert_eq!(setup.come(1).await, ["just a text"]);
    // A template that makes no JSON fails, and the message comes again.
    let update = json!({"Name": "p", "RoleArn": ROLE, "TargetParameters": {"InputTemplate": r#"{"n" <$.body>}"#}});
    ok(&setup.client, "UpdatePipe", update).await;
    setup.settled("p", "RUNNING").await;
    setup.send("x").await;
    eventually("an execution fails", async || setup.counted("ExecutionFailed").await >= 1.0).await;
    assert_eq!(count(&setup.client, &setup.from).await, 1);
    setup.nothing_comes(&setup.to).await;
}

#[tokio::test]
async fn a_queue_in_order_keeps_groups_that_paths_point_to() {
    let setup = setup().await;
    let fifo = queue(&setup.client, "to.fifo").await;
    let parameters = json!({"InputTemplate": "<$.body.n>", "SqsQueueParameters": {"MessageGroupId": "$.body.g", "MessageDeduplicationId": "$.messageId"}});
    setup.running(json!({"Target": arn("to.fifo"), "TargetParameters": parameters})).await;
    setup.send(r#"{"g": "a", "n": 1}"#).await;
    let come = setup.messages(&fifo, 1).await;
    assert_eq!((body(&come[0]).as_str(), &come[0]["Attributes"]["MessageGroupId"]), ("1", &json!("a")));
    assert_eq!(come[0]["Attributes"]["MessageDeduplicationId"].as_str().unwrap().len(), 36);
    // Where nothing is found the execution fails.
    setup.send(r#"{"n": 2}"#).await;
    eventually("an execution fails", async || setup.counted("ExecutionFailed").await >= 1.0).await;
}

#[tokio::test]
async fn a_function_gets_lists_and_says_what_failed() {
    let setup = setup().await;
    setup.functions.work(|events| {
        let failed = events.as_array().unwrap().iter().filter(|event| event["body"] == "bad");
        let failed: Vec<Json> = failed.map(|event| json!({"itemIdentifier": event["messageId"]})).collect();
        Ok(json!({"batchItemFailures": failed}))
    });
    for text in ["good", "bad", "fine"] {
        setup.send(text).await;
    }
    setup.running(json!({"Target": FUNCTION})).await;
    eventually("the bad one comes again", async || {
        let taken = setup.functions.taken();
        let bad =
            taken.iter().filter(|(_, events)| events.as_array().unwrap().iter().any(|event| event["body"] == "bad"));
        bad.count() > 1
    })
    .await;
    let taken = setup.functions.taken();
    let good = taken.iter().filter(|(_, events)| events.to_string().contains("good")).count();
    assert_eq!((good, taken[0].0.as_str()), (1, "RequestResponse"));
    assert!(setup.counted("ExecutionPartiallyFailed").await + setup.counted("ExecutionFailed").await >= 1.0);
    setup.functions.work(|_| Ok(json!("done")));
    setup.emptied(&setup.from).await;
}

#[tokio::test]
async fn a_function_that_throws_or_is_throttled_gets_them_again() {
    let setup = setup().await;
    let mut calls = 0;
    setup.functions.work(move |_| {
        calls += 1;
        match calls {
            1 => Err(json!({"errorMessage": "no"})),
            2 => Err(json!("throttled")),
            3 => Ok(json!({"batchItemFailures": [{"itemIdentifier": "nobody"}]})),
            _ => Ok(Json::Null),
        }
    });
    setup.running(json!({"Target": FUNCTION, "TargetParameters": {"LambdaFunctionParameters": {"InvocationType": "REQUEST_RESPONSE"}}})).await;
    setup.send("x").await;
    eventually("it is done in the end", async || setup.functions.taken().len() == 4).await;
    setup.emptied(&setup.from).await;
    assert_eq!((setup.counted("ExecutionFailed").await, setup.counted("ExecutionThrottled").await), (2.0, 1.0));
}

#[tokio::test]
async fn a_function_need_not_be_waited_for() {
    let setup = setup().await;
    let kind = json!({"LambdaFunctionParameters": {"InvocationType": "FIRE_AND_FORGET"}});
    setup.running(json!({"Target": FUNCTION, "TargetParameters": kind})).await;
    setup.send("x").await;
    eventually("it is invoked", async || !setup.functions.taken().is_empty()).await;
    let (kind, events) = setup.functions.taken().remove(0);
    assert_eq!((kind.as_str(), &events[0]["body"]), ("Event", &json!("x")));
    setup.emptied(&setup.from).await;
}

#[tokio::test]
async fn topics_streams_and_logs_are_targets() {
    let setup = setup().await;
    let client = &setup.client;
    let topic = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].clone();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let open = json!({"QueueUrl": setup.to, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", open).await.ok();
    let subscription = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn("to"), "Attributes": {"RawMessageDelivery": "true"}});
    client.call("sns", "Subscribe", subscription).await.ok();
    let plain = json!({"InputTemplate": "<$.body>"});
    setup.running(json!({"Target": topic, "TargetParameters": plain})).await;
    setup.send("to a topic").await;
    assert_eq!(setup.come(1).await, ["to a topic"]);

    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await.ok();
    setup.cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    let to_stream = json!({"Name": "p", "RoleArn": ROLE, "Target": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
        "TargetParameters": {"KinesisStreamParameters": {"PartitionKey": "$.body.k"}, "InputTemplate": "<$.body.v>"}});
    ok(client, "UpdatePipe", to_stream).await;
    setup.settled("p", "RUNNING").await;
    setup.send(r#"{"k": "key", "v": "to a stream"}"#).await;
    let place = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let place = client.call("kinesis", "GetShardIterator", place).await.ok()["ShardIterator"].clone();
    let records =
        async || client.call("kinesis", "GetRecords", json!({"ShardIterator": place})).await.ok()["Records"].clone();
    eventually("a record comes", async || records().await.as_array().is_some_and(|all| !all.is_empty())).await;
    let record = records().await[0].clone();
    assert_eq!(
        (unbase64(record["Data"].as_str().unwrap()).as_str(), &record["PartitionKey"]),
        ("to a stream", &json!("key"))
    );

    client.call("logs", "CreateLogGroup", json!({"logGroupName": "g"})).await.ok();
    client.call("logs", "CreateLogStream", json!({"logGroupName": "g", "logStreamName": "l"})).await.ok();
    let to_logs = json!({"Name": "p", "RoleArn": ROLE, "Target": "arn:aws:logs:us-east-1:000000000000:log-group:g:*",
        "TargetParameters": {"CloudWatchLogsParameters": {"LogStreamName": "l", "Timestamp": "$.body.at"}, "InputTemplate": "<$.body.v>"}});
    ok(client, "UpdatePipe", to_logs).await;
    setup.settled("p", "RUNNING").await;
    let at = setup.cloud.kernel.clock().now().as_millisecond() - 5000;
    setup.send(&json!({"at": at, "v": "to a log"}).to_string()).await;
    let events = async || {
        client.call("logs", "GetLogEvents", json!({"logGroupName": "g", "logStreamName": "l"})).await.ok()["events"]
            .clone()
    };
    eventually("an event comes", async || events().await.as_array().is_some_and(|all| !all.is_empty())).await;
    let event = events().await[0].clone();
    assert_eq!((&event["message"], &event["timestamp"]), (&json!("to a log"), &json!(at)));
    setup.emptied(&setup.from).await;
}

#[tokio::test]
async fn a_bus_gets_events() {
    let setup = setup().await;
    let client = &setup.client;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let open = json!({"QueueUrl": setup.to, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", open).await.ok();
    client
        .call("events", "PutRule", json!({"Name": "r", "EventPattern": r#"{"source": [{"prefix": "Pipe "}, "shop"]}"#}))
        .await
        .ok();
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": arn("to")}]})).await.ok();
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    setup.running(json!({"Target": bus, "TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    setup.send(r#"{"n": 1}"#).await;
    let event = parsed(&setup.come(1).await[0]);
    assert_eq!(
        (&event["detail"], &event["detail-type"], &event["source"]),
        (&json!({"n": 1}), &json!("Event from aws:sqs"), &json!("Pipe p"))
    );
    let parameters =
        json!({"DetailType": "$.body.kind", "Source": "shop", "Resources": ["$.eventSourceARN"], "Time": "$.body.at"});
    let update =
        json!({"Name": "p", "RoleArn": ROLE, "TargetParameters": {"EventBridgeEventBusParameters": parameters}});
    ok(client, "UpdatePipe", update).await;
    setup.settled("p", "RUNNING").await;
    setup.send(r#"{"kind": "sale", "at": "2026-03-01T12:00:00Z"}"#).await;
    let event = parsed(&setup.come(1).await[0]);
    assert_eq!((&event["detail-type"], &event["source"]), (&json!("sale"), &json!("shop")));
    assert_eq!((&event["time"], &event["resources"]), (&json!("2026-03-01T12:00:00Z"), &json!([arn("from")])));
    setup.emptied(&setup.from).await;
}

#[tokio::test]
async fn a_delivery_stream_is_a_target() {
    let setup = setup().await;
    let target = delivery(&setup).await;
    setup.running(json!({"Target": target, "TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    setup.send("to be delivered").await;
    setup.emptied(&setup.from).await;
    assert_eq!(delivered(&setup).await, "to be delivered");
}

#[tokio::test]
async fn what_a_target_does_not_take_comes_again_alone() {
    let setup = setup().await;
    let small = json!({"QueueUrl": setup.to, "Attributes": {"MaximumMessageSize": "1024"}});
    setup.client.call("sqs", "SetQueueAttributes", small).await.ok();
    for text in ["a", &"x".repeat(2000), "b"] {
        setup.send(text).await;
    }
    setup.running(json!({"TargetParameters": {"InputTemplate": "<$.body>"}})).await;
    assert_eq!(setup.come(2).await, ["a", "b"]);
    eventually("it fails", async || setup.counted("ExecutionFailed").await >= 1.0).await;
    assert_eq!(count(&setup.client, &setup.from).await, 1);
    setup.nothing_comes(&setup.to).await;
}
