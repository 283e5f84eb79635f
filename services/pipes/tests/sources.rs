//! Sources: queues, streams of Kinesis, streams of tables; filters, batches, retries, dead letters.

use serde_json::json;

use super::*;

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

/// A cloud with a stream `s` of two shards.
async fn with_stream() -> Setup {
    let setup = setup().await;
    setup.client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await.ok();
    setup.cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    setup
}

async fn put(setup: &Setup, key: &str, data: &str) {
    let input = json!({"StreamName": "s", "PartitionKey": key, "Data": text::base64(data.as_bytes())});
    setup.client.call("kinesis", "PutRecord", input).await.ok();
}

fn of_stream(more: &Json) -> Json {
    merged(
        json!({"Source": STREAM, "SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON"}},
               "TargetParameters": {"InputTemplate": "<$.data>"}}),
        more,
    )
}

#[tokio::test]
async fn only_what_filters_want_goes_on_and_the_rest_is_done_with() {
    let setup = setup().await;
    let filter = json!({"Filters": [{"Pattern": r#"{"body": {"n": [{"numeric": [">", 5]}]}}"#}, {"Pattern": r#"{"body": ["word"]}"#}]});
    let more =
        json!({"SourceParameters": {"FilterCriteria": filter}, "TargetParameters": {"InputTemplate": "<$.body>"}});
    setup.running(more).await;
    for text in [r#"{"n": 1}"#, r#"{"n": 9}"#, "word", "other"] {
        setup.send(text).await;
    }
    assert_eq!(setup.come(2).await, ["word", r#"{"n":9}"#]);
    setup.emptied(&setup.from).await;
    setup.nothing_comes(&setup.to).await;
    assert_eq!(setup.counted("EventCount").await, 2.0);
    // Without filters everything goes on.
    let update = json!({"Name": "p", "RoleArn": ROLE, "SourceParameters": {"FilterCriteria": {"Filters": []}}});
    ok(&setup.client, "UpdatePipe", update).await;
    setup.settled("p", "RUNNING").await;
    setup.send("other").await;
    assert_eq!(setup.come(1).await, ["other"]);
}

#[tokio::test]
async fn batches_fill_for_as_long_as_they_may() {
    let setup = setup().await;
    let hidden = json!({"QueueUrl": setup.from, "Attributes": {"VisibilityTimeout": "30"}});
    setup.client.call("sqs", "SetQueueAttributes", hidden).await.ok();
    let queue = json!({"SqsQueueParameters": {"BatchSize": 50, "MaximumBatchingWindowInSeconds": 2}});
    setup.running(json!({"Target": FUNCTION, "SourceParameters": queue})).await;
    for n in 0..30 {
        setup.send(&n.to_string()).await;
    }
    setup.emptied(&setup.from).await;
    let sizes: Vec<usize> =
        setup.functions.taken().iter().map(|(_, events)| events.as_array().unwrap().len()).collect();
    assert!(sizes.iter().sum::<usize>() == 30 && sizes.len() <= 2, "{sizes:?}");
}

#[tokio::test]
async fn records_of_a_stream_go_on_in_their_order() {
    let setup = with_stream().await;
    let fifo = queue(&setup.client, "to.fifo").await;
    let parameters = json!({"SqsQueueParameters": {"MessageGroupId": "$.partitionKey", "MessageDeduplicationId": "$.sequenceNumber"}});
    for n in 0..30 {
        put(&setup, &format!("key-{}", n % 3), &n.to_string()).await;
    }
    setup.running(of_stream(&json!({"Target": arn("to.fifo"), "TargetParameters": parameters}))).await;
    let come = setup.messages(&fifo, 30).await;
    for key in 0..3 {
        let own = come.iter().filter(|m| m["Attributes"]["MessageGroupId"] == format!("key-{key}"));
        let numbers: Vec<u32> = own.map(|message| body(message).parse().unwrap()).collect();
        assert!(numbers.len() == 10 && numbers.windows(2).all(|two| two[0] < two[1]), "{numbers:?}");
    }
}

#[tokio::test]
async fn a_record_of_kinesis_is_flat_and_begins_where_it_is_said() {
    let setup = with_stream().await;
    put(&setup, "k", "before").await;
    setup.cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let at = setup.cloud.kernel.clock().now().as_second();
    put(&setup, "k", "at").await;
    let parameters =
        json!({"KinesisStreamParameters": {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": at}});
    let more = json!({"Source": STREAM, "SourceParameters": parameters});
    setup.running(more).await;
    let event = parsed(&setup.come(1).await[0]);
    assert_eq!(
        (&event["eventSource"], unbase64(event["data"].as_str().unwrap()).as_str()),
        (&json!("aws:kinesis"), "at")
    );
    assert_eq!((&event["partitionKey"], &event["invokeIdentityArn"]), (&json!("k"), &json!(ROLE)));
    let id = format!("shardId-000000000000:{}", event["sequenceNumber"].as_str().unwrap());
    assert!(event["eventID"] == id || event["eventID"] == id.replace("000:", "001:"), "{event}");
    let latest =
        json!({"Name": "late", "SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "LATEST"}}});
    ok(&setup.client, "CreatePipe", pipe(&of_stream(&latest))).await;
    setup.settled("late", "RUNNING").await;
    put(&setup, "k", "late").await;
    // Both pipes bring it.
    let come = setup.come(2).await;
    assert!(come.contains(&"late".to_owned()), "{come:?}");
    setup.nothing_comes(&setup.to).await;
}

#[tokio::test]
async fn a_bad_record_is_cut_out_given_up_and_told() {
    let setup = with_stream().await;
    setup.functions.work(|events| {
        let bad = events.as_array().unwrap().iter().any(|event| unbase64(event["data"].as_str().unwrap()) == "bad");
        if bad { Err(json!("bad")) } else { Ok(Json::Null) }
    });
    for n in 0..8 {
        put(&setup, "one", &if n == 5 { "bad".to_owned() } else { n.to_string() }).await;
    }
    let dead = queue(&setup.client, "dead").await;
    let parameters = json!({"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
        "MaximumRetryAttempts": 1, "DeadLetterConfig": {"Arn": arn("dead")}, "BatchSize": 8, "MaximumBatchingWindowInSeconds": 1, "ParallelizationFactor": 1}});
    setup.running(json!({"Source": STREAM, "Target": FUNCTION, "SourceParameters": parameters})).await;
    let told = parsed(&body(&setup.messages(&dead, 1).await[0]));
    assert_eq!(
        told["context"],
        json!({"partnerResourceArn": "arn:aws:pipes:us-east-1:000000000000:pipe/p", "condition": "RetryAttemptsExhausted"})
    );
    let batch = &told["KinesisBatchInfo"];
    assert_eq!(
        (&batch["batchSize"], &batch["streamArn"], &told["version"]),
        (&json!(1), &json!(STREAM), &json!("1.0"))
    );
    assert_eq!(batch["startSequenceNumber"], batch["endSequenceNumber"]);
    let done = async || {
        let good = |events: &Json| {
            !events.as_array().unwrap().iter().any(|event| unbase64(event["data"].as_str().unwrap()) == "bad")
        };
        let all = setup.functions.taken().into_iter().filter(|(_, events)| good(events));
        all.map(|(_, events)| events.as_array().unwrap().len()).sum::<usize>()
    };
    eventually("the others are done", async || done().await >= 7).await;
}

#[tokio::test]
async fn records_that_are_too_old_are_given_up_to_a_topic() {
    let setup = with_stream().await;
    setup.functions.work(|_| Err(json!("no")));
    let topic = setup.client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].clone();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let open = json!({"QueueUrl": setup.to, "Attributes": {"Policy": policy.to_string()}});
    setup.client.call("sqs", "SetQueueAttributes", open).await.ok();
    let subscription = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn("to"), "Attributes": {"RawMessageDelivery": "true"}});
    setup.client.call("sns", "Subscribe", subscription).await.ok();
    put(&setup, "k", "x").await;
    let parameters = json!({"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", "MaximumRecordAgeInSeconds": 60, "DeadLetterConfig": {"Arn": topic}}});
    setup.running(json!({"Source": STREAM, "Target": FUNCTION, "SourceParameters": parameters})).await;
    eventually("it fails", async || !setup.functions.taken().is_empty()).await;
    setup.cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let told = parsed(&setup.come(1).await[0]);
    assert_eq!(told["context"]["condition"], "RecordAgeExceeded");
}

#[tokio::test]
async fn changes_of_a_table_go_on() {
    let setup = setup().await;
    let table = json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}});
    let made = setup.client.call("dynamodb", "CreateTable", table).await.ok();
    let stream = made["TableDescription"]["LatestStreamArn"].clone();
    setup.cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    let put = async |id: &str, n: usize| {
        let input = json!({"TableName": "tab", "Item": {"id": {"S": id}, "n": {"N": n.to_string()}}});
        setup.client.call("dynamodb", "PutItem", input).await.ok();
    };
    put("a", 1).await;
    put("b", 1).await;
    let parameters = json!({"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 2, "MaximumBatchingWindowInSeconds": 1,
        "MaximumRecordAgeInSeconds": -1, "MaximumRetryAttempts": -1, "ParallelizationFactor": 2, "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
        "DeadLetterConfig": {"Arn": arn("from")}}, "FilterCriteria": {"Filters": [{"Pattern": r#"{"eventName": ["INSERT"]}"#}]}});
    let template = json!({"InputTemplate": "<$.dynamodb.NewImage.id.S> <$.eventName>"});
    setup.running(json!({"Source": stream, "SourceParameters": parameters, "TargetParameters": template})).await;
    assert_eq!(setup.come(2).await, ["a INSERT", "b INSERT"]);
    put("a", 2).await;
    put("c", 1).await;
    assert_eq!(setup.come(1).await, ["c INSERT"]);
    // What belongs to a source is changed as a whole.
    let all = json!({"BatchSize": 2, "DeadLetterConfig": {"Arn": arn("from")}, "MaximumBatchingWindowInSeconds": 1, "MaximumRecordAgeInSeconds": 60,
        "MaximumRetryAttempts": 3, "OnPartialBatchItemFailure": "AUTOMATIC_BISECT", "ParallelizationFactor": 3});
    let change = json!({"Name": "p", "RoleArn": ROLE, "SourceParameters": {"DynamoDBStreamParameters": all}});
    ok(&setup.client, "UpdatePipe", change).await;
    let shown = setup.settled("p", "RUNNING").await["SourceParameters"]["DynamoDBStreamParameters"].clone();
    assert_eq!(shown, merged(all, &json!({"StartingPosition": "TRIM_HORIZON"})));
    // What is changed of a stream's settings goes on from where it was.
    let update = json!({"Name": "p", "RoleArn": ROLE, "SourceParameters": {"FilterCriteria": {"Filters": []}, "DynamoDBStreamParameters": {"BatchSize": 1}}});
    ok(&setup.client, "UpdatePipe", update).await;
    let shown = setup.settled("p", "RUNNING").await;
    assert_eq!(
        shown["SourceParameters"]["DynamoDBStreamParameters"],
        json!({"StartingPosition": "TRIM_HORIZON", "BatchSize": 1})
    );
    put("c", 2).await;
    assert_eq!(setup.come(1).await, ["c MODIFY"]);
    setup.nothing_comes(&setup.to).await;
}

#[tokio::test]
async fn a_stream_goes_on_where_it_stopped_and_through_a_split() {
    let setup = with_stream().await;
    setup.running(of_stream(&json!({}))).await;
    put(&setup, "a", "1").await;
    assert_eq!(setup.come(1).await, ["1"]);
    ok(&setup.client, "StopPipe", json!({"Name": "p"})).await;
    setup.settled("p", "STOPPED").await;
    put(&setup, "a", "2").await;
    let split = json!({"StreamName": "s", "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING"});
    setup.client.call("kinesis", "UpdateShardCount", split).await.ok();
    setup.cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    put(&setup, "a", "3").await;
    setup.nothing_comes(&setup.to).await;
    ok(&setup.client, "StartPipe", json!({"Name": "p"})).await;
    setup.settled("p", "RUNNING").await;
    assert_eq!(setup.come(2).await, ["2", "3"]);
    setup.nothing_comes(&setup.to).await;
    let update = json!({"KinesisStreamParameters": {"BatchSize": 3, "DeadLetterConfig": {"Arn": arn("from")}, "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
        "MaximumBatchingWindowInSeconds": 1, "MaximumRecordAgeInSeconds": 60, "MaximumRetryAttempts": 3, "ParallelizationFactor": 2}});
    ok(&setup.client, "UpdatePipe", json!({"Name": "p", "RoleArn": ROLE, "SourceParameters": update})).await;
    let shown = setup.settled("p", "RUNNING").await["SourceParameters"]["KinesisStreamParameters"].clone();
    assert_eq!(shown, merged(update["KinesisStreamParameters"].clone(), &json!({"StartingPosition": "TRIM_HORIZON"})));
    put(&setup, "a", "4").await;
    assert_eq!(setup.come(1).await, ["4"]);
}
