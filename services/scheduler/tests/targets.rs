//! What each target is given, and what is refused as one.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_function_is_invoked_with_the_input_or_an_event_that_tells_of_the_schedule() {
    let functions = Functions::default();
    let (cloud, client, _) = at_with("2026-03-01T12:00:00Z", functions.clone()).await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    create(&client, "at(2026-03-01T13:00:00)", json!({"Target": {"Arn": function, "Input": null}})).await;
    pass(&cloud, 3600).await;
    let taken = functions.taken.lock().unwrap().pop().unwrap();
    assert_eq!(taken["type"], "Event");
    let caller = taken["caller"].as_str().unwrap();
    assert!(caller.starts_with("arn:aws:sts::000000000000:assumed-role/scheduler/"), "{caller}");
    let mut event = taken["event"].clone();
    assert!(event["id"].take().is_string());
    assert_eq!(
        event,
        json!({"version": "0", "id": null, "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "000000000000",
               "time": "2026-03-01T13:00:00Z", "region": "us-east-1", "detail": "{}",
               "resources": ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"]})
    );
    let words = r#"{"arn": "<aws.scheduler.schedule-arn>", "at": "<aws.scheduler.scheduled-time>", "id": "<aws.scheduler.execution-id>", "n": <aws.scheduler.attempt-number>}"#;
    let more = json!({"Name": "t", "Target": {"Arn": function, "Input": words}});
    create(&client, "at(2026-03-01T14:00:00)", more).await;
    pass(&cloud, 3600).await;
    let event = functions.taken.lock().unwrap().pop().unwrap()["event"].clone();
    assert_eq!((&event["at"], &event["n"]), (&json!("2026-03-01T14:00:00Z"), &json!(1)));
    assert_eq!(event["arn"], "arn:aws:scheduler:us-east-1:000000000000:schedule/default/t");
    assert_eq!(event["id"].as_str().unwrap().len(), 16);
}

#[tokio::test]
async fn queues_topics_and_streams_are_told() {
    let (cloud, client, url) = noon().await;
    let fifo = queue(&client, "f.fifo").await;
    let target =
        json!({"Arn": QUEUE.replace(":q", ":f.fifo"), "Input": "one", "SqsParameters": {"MessageGroupId": "g"}});
    create(&client, "at(2026-03-01T12:01:00)", json!({"Target": target})).await;
    let topic = client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok()["TopicArn"].clone();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let open = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", open).await.ok();
    let subscription =
        json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, "Attributes": {"RawMessageDelivery": "true"}});
    client.call("sns", "Subscribe", subscription).await.ok();
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "t", "Target": {"Arn": topic, "Input": "two"}})).await;
    client.call("kinesis", "CreateStream", json!({"StreamName": "k", "ShardCount": 1})).await.ok();
    let stream = json!({"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/k", "Input": "three", "KinesisParameters": {"PartitionKey": "p"}});
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "k", "Target": stream})).await;
    pass(&cloud, 61).await;
    let told = messages(&client, &fifo).await;
    assert_eq!((told[0]["Body"].as_str(), told[0]["Attributes"]["MessageGroupId"].as_str()), (Some("one"), Some("g")));
    assert_eq!(bodies(&client, &url).await, ["two"]);
    let place = json!({"StreamName": "k", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let place = client.call("kinesis", "GetShardIterator", place).await.ok()["ShardIterator"].clone();
    let records = client.call("kinesis", "GetRecords", json!({"ShardIterator": place})).await.ok()["Records"].clone();
    assert_eq!(
        (unbase64(records[0]["Data"].as_str().unwrap()).as_str(), &records[0]["PartitionKey"]),
        ("three", &json!("p"))
    );
    let shown = ok(&client, "GetSchedule", json!({"Name": "k"})).await["Target"].clone();
    assert_eq!(shown["KinesisParameters"], json!({"PartitionKey": "p"}));
    assert_eq!(
        ok(&client, "GetSchedule", json!({"Name": "s"})).await["Target"]["SqsParameters"],
        json!({"MessageGroupId": "g"})
    );
}

#[tokio::test]
async fn a_bus_gets_events() {
    let (cloud, client, url) = noon().await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    let open = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", open).await.ok();
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": r#"{"source": ["shop"]}"#})).await.ok();
    let targets = json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE}]});
    client.call("events", "PutTargets", targets).await.ok();
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let parameters = json!({"DetailType": "night", "Source": "shop"});
    let target = json!({"Arn": bus, "Input": r#"{"at": "<aws.scheduler.scheduled-time>"}"#, "EventBridgeParameters": parameters});
    create(&client, "at(2026-03-01T12:01:00)", json!({"Target": target})).await;
    let shown = ok(&client, "GetSchedule", json!({"Name": "s"})).await["Target"]["EventBridgeParameters"].clone();
    assert_eq!(shown, parameters);
    // What is no event is told by its entry, and fails.
    let more = json!({"Name": "t", "Target": {"Arn": bus, "Input": "no event", "EventBridgeParameters": parameters, "RetryPolicy": {"MaximumRetryAttempts": 0}}});
    create(&client, "at(2026-03-01T12:01:00)", more).await;
    pass(&cloud, 120).await;
    let told: Vec<Json> = bodies(&client, &url).await.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    assert_eq!((told.len(), &told[0]["detail"]), (1, &json!({"at": "2026-03-01T12:01:00Z"})));
    assert_eq!((&told[0]["detail-type"], &told[0]["source"]), (&json!("night"), &json!("shop")));
    assert_eq!(told[0]["resources"], json!(["arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"]));
    assert_eq!(counted(&cloud, &client, "default", "TargetErrorCount").await, 1.0);
}

#[tokio::test]
async fn a_delivery_stream_is_told() {
    let (cloud, client, _) = noon().await;
    client.call("s3", "CreateBucket", json!({"Bucket": "delivered"})).await.ok();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = json!({"RoleName": "firehose", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", made).await.ok();
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
    let input = json!({"RoleName": "firehose", "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
    let to = json!({"RoleARN": "arn:aws:iam::000000000000:role/firehose", "BucketARN": "arn:aws:s3:::delivered"});
    let input = json!({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": to});
    client.call("firehose", "CreateDeliveryStream", input).await.ok();
    pass(&cloud, 60).await;
    let target = json!({"Arn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/d", "Input": "told"});
    create(&client, "at(2026-03-01T12:02:00)", json!({"Target": target})).await;
    pass(&cloud, 600).await;
    let listed = client.call("s3", "ListObjectsV2", json!({"Bucket": "delivered"})).await.ok();
    let key = listed["Contents"][0]["Key"].clone();
    let object = client.call("s3", "GetObject", json!({"Bucket": "delivered", "Key": key})).await;
    assert_eq!(&object.body[..], b"told");
}

#[tokio::test]
async fn any_operation_is_a_target_by_its_names_in_sdks() {
    let (cloud, client, url) = noon().await;
    let universal = |operation: &str, input: Json| json!({"Arn": format!("arn:aws:scheduler:::aws-sdk:{operation}"), "Input": input.to_string()});
    let send =
        universal("sqs:sendMessage", json!({"QueueUrl": url, "MessageBody": "at <aws.scheduler.scheduled-time>"}));
    create(&client, "at(2026-03-01T12:01:00)", json!({"Target": send})).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
    let put = universal("s3:putObject", json!({"Bucket": "bucket", "Key": "k", "Body": "written"}));
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "put", "Target": put})).await;
    client.call("kinesis", "CreateStream", json!({"StreamName": "k", "ShardCount": 1})).await.ok();
    let record = universal("kinesis:putRecord", json!({"StreamName": "k", "PartitionKey": "p", "Data": "plain"}));
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "record", "Target": record})).await;
    // Members begin with capitals in SDKs, whatever the API says.
    let tags = universal("sqs:tagQueue", json!({"QueueUrl": url, "Tags": {"a": "b"}}));
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "tags", "Target": tags})).await;
    let made = universal("sqs:createQueue", json!({"QueueName": "made", "Tags": {"team": "shop"}}));
    create(&client, "at(2026-03-01T12:01:00)", json!({"Name": "made", "Target": made})).await;
    pass(&cloud, 61).await;
    assert_eq!(bodies(&client, &url).await, ["at 2026-03-01T12:01:00Z"]);
    let object = client.call("s3", "GetObject", json!({"Bucket": "bucket", "Key": "k"})).await;
    assert_eq!(&object.body[..], b"written");
    let place = json!({"StreamName": "k", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let place = client.call("kinesis", "GetShardIterator", place).await.ok()["ShardIterator"].clone();
    let records = client.call("kinesis", "GetRecords", json!({"ShardIterator": place})).await.ok()["Records"].clone();
    assert_eq!(unbase64(records[0]["Data"].as_str().unwrap()), "plain");
    assert_eq!(client.call("sqs", "ListQueueTags", json!({"QueueUrl": url})).await.ok()["Tags"], json!({"a": "b"}));
    let made = client.call("sqs", "GetQueueUrl", json!({"QueueName": "made"})).await.ok()["QueueUrl"].clone();
    assert_eq!(
        client.call("sqs", "ListQueueTags", json!({"QueueUrl": made})).await.ok()["Tags"],
        json!({"team": "shop"})
    );
}

#[tokio::test]
async fn what_cannot_be_a_target_is_refused_when_the_schedule_is_made() {
    let (_cloud, client, url) = noon().await;
    let sdk = |operation: &str| format!("arn:aws:scheduler:::aws-sdk:{operation}");
    let send = json!({"QueueUrl": url, "MessageBody": "x", "Body": "y"}).to_string();
    for (target, code, words) in [
        (json!({"Arn": "queue"}), "ValidationException", "Provided Arn is not in correct format."),
        (
            json!({"Arn": "arn:aws:lambda:us-east-1:000000000000:f"}),
            "ValidationException",
            "Provided Arn is not in correct format.",
        ),
        (
            json!({"Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}),
            "NotImplemented",
            "scheduler targets of states",
        ),
        (
            json!({"Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default"}),
            "ValidationException",
            "EventBridgeParameters must be specified",
        ),
        (
            json!({"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/k"}),
            "ValidationException",
            "KinesisParameters must be specified",
        ),
        (
            json!({"Arn": format!("{QUEUE}.fifo")}),
            "ValidationException",
            "SqsParameters.MessageGroupId must be specified",
        ),
        (
            json!({"EventBridgeParameters": {"DetailType": "t", "Source": "s"}}),
            "ValidationException",
            "EventBridgeParameters is not supported",
        ),
        (
            json!({"KinesisParameters": {"PartitionKey": "p"}}),
            "ValidationException",
            "KinesisParameters is not supported",
        ),
        (json!({"Arn": sdk("sqs:receiveMessage"), "Input": "{}"}), "ValidationException", "only reads"),
        (json!({"Arn": sdk("sqs:sendNothing"), "Input": "{}"}), "NotImplemented", "sqs.sendNothing"),
        (json!({"Arn": sdk("ec2:stopInstances"), "Input": "{}"}), "NotImplemented", "ec2.stopInstances"),
        (json!({"Arn": sdk("sqs:sendMessage"), "Input": "{"}), "ValidationException", "The input is not valid JSON."),
        (
            json!({"Arn": sdk("sqs:sendMessage"), "Input": "{}"}),
            "ValidationException",
            "The field 'QueueUrl' is required but was missing",
        ),
        (
            json!({"Arn": sdk("sqs:sendMessage"), "Input": send}),
            "ValidationException",
            "The field 'Body' is not supported",
        ),
        (json!({"EcsParameters": {"TaskDefinitionArn": "x"}}), "NotImplemented", "EcsParameters"),
        (json!({"DeadLetterConfig": {"Arn": format!("{QUEUE}.fifo")}}), "ValidationException", "deadLetterConfig"),
    ] {
        let (found, message) =
            refused(&client, "CreateSchedule", schedule("rate(1 day)", &json!({"Target": target}))).await;
        assert!(found == code && message.contains(words), "{target}: {found}: {message}");
    }
    assert_eq!(ok(&client, "ListSchedules", json!({})).await["Schedules"], json!([]));
}
