//! The registry of AWS's own events: what services send is what their schemas say.

use super::*;

/// What is untrue of a value by a schema. What a schema does not know is untrue as well.
fn check(all: &Json, schema: &Json, value: &Json, at: &str, wrong: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        return check(all, &all[target.rsplit('/').next().unwrap()], value, at, wrong);
    }
    let is = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !is {
        wrong.push(format!("{at} is not {}: {value}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        wrong.push(format!("{at} is none of {}: {value}", schema["enum"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            wrong.push(format!("{at} has no {name}"));
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(of), _) => check(all, of, value, &format!("{at}.{name}"), wrong),
            (None, Json::Object(_)) => {
                check(all, &schema["additionalProperties"], value, &format!("{at}.{name}"), wrong);
            }
            _ if schema.get("properties").is_some() => wrong.push(format!("{at} has {name}, which no schema knows")),
            _ => {}
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(all, &schema["items"], item, &format!("{at}[]"), wrong);
    }
}

/// Has every event of AWS's services come to a queue.
async fn listen(client: &Client) -> String {
    let url = client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok()["QueueUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    let arn = "arn:aws:sqs:us-east-1:000000000000:q";
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]});
    let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    client.call("sqs", "SetQueueAttributes", input).await.ok();
    let pattern =
        json!({"source": [{"prefix": "aws."}], "detail-type": [{"anything-but": ["AWS API Call via CloudTrail"]}]});
    client.call("events", "PutRule", json!({"Name": "all", "EventPattern": pattern.to_string()})).await.ok();
    let target = json!({"Id": "1", "Arn": arn});
    client.call("events", "PutTargets", json!({"Rule": "all", "Targets": [target]})).await.ok();
    client.call("events", "PutRule", json!({"Name": "often", "ScheduleExpression": "rate(1 minute)"})).await.ok();
    client.call("events", "PutTargets", json!({"Rule": "often", "Targets": [target]})).await.ok();
    url
}

async fn objects(client: &Client) {
    client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
    let versioned = json!({"Bucket": "bucket", "VersioningConfiguration": {"Status": "Enabled"}});
    let told = json!({"Bucket": "bucket", "NotificationConfiguration": {"EventBridgeConfiguration": {}}});
    client.call("s3", "PutBucketNotificationConfiguration", told).await.ok();
    for turn in 0..2 {
        let key = json!({"Bucket": "bucket", "Key": "k"});
        let body = Some(undercast_kernel::Bytes::from_static(b"x"));
        client.call_with_body("s3", "PutObject", key.clone(), body).await.ok();
        let tags = json!({"Bucket": "bucket", "Key": "k", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}});
        client.call("s3", "PutObjectTagging", tags).await.ok();
        client.call("s3", "DeleteObjectTagging", key.clone()).await.ok();
        client.call("s3", "DeleteObject", key).await.ok();
        if turn == 0 {
            client.call("s3", "PutBucketVersioning", versioned.clone()).await.ok();
        }
    }
}

async fn alarms(client: &Client) {
    let alarm = json!({"AlarmName": "a", "AlarmDescription": "d", "Namespace": "N", "MetricName": "M", "Dimensions": [{"Name": "d", "Value": "v"}],
        "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"});
    client.call("cloudwatch", "PutMetricAlarm", alarm.clone()).await.ok();
    let mut changed = alarm;
    changed["Threshold"] = json!(2);
    changed["TreatMissingData"] = json!("breaching");
    client.call("cloudwatch", "PutMetricAlarm", changed).await.ok();
    let composite = json!({"AlarmName": "c", "AlarmRule": "ALARM(a)"});
    client.call("cloudwatch", "PutCompositeAlarm", composite).await.ok();
    let state = json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "r", "StateReasonData": "{\"n\": 1}"});
    client.call("cloudwatch", "SetAlarmState", state).await.ok();
    client.call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": ["c"]})).await.ok();
}

#[tokio::test]
async fn what_services_send_is_what_their_schemas_say() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = listen(&client).await;
    objects(&client).await;
    alarms(&client).await;
    let template = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}).to_string();
    client.call("cloudformation", "CreateStack", json!({"StackName": "s", "TemplateBody": template})).await.ok();
    cloud.kernel.advance(Duration::from_secs(61)).await.unwrap();
    let wanted = [
        "aws.cloudformation@CloudFormationResourceStatusChange",
        "aws.cloudformation@CloudFormationStackStatusChange",
        "aws.cloudwatch@CloudWatchAlarmConfigurationChange",
        "aws.cloudwatch@CloudWatchAlarmStateChange",
        "aws.events@ScheduledEvent",
        "aws.s3@ObjectCreated",
        "aws.s3@ObjectDeleted",
        "aws.s3@ObjectTagsAdded",
        "aws.s3@ObjectTagsDeleted",
    ];
    let (mut seen, mut wrong) = (std::collections::BTreeSet::new(), Vec::new());
    for _ in 0..200 {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        for message in got["Messages"].as_array().into_iter().flatten() {
            let event: Json = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let kind: String = event["detail-type"].as_str().unwrap().replace(' ', "");
            let name = format!("{}@{kind}", event["source"].as_str().unwrap());
            let input = json!({"RegistryName": "aws.events", "SchemaName": name});
            let found = ok(&client, "DescribeSchema", input).await;
            let content: Json = serde_json::from_str(found["Content"].as_str().unwrap()).unwrap();
            let all = &content["components"]["schemas"];
            check(all, &all["AWSEvent"], &event, &name, &mut wrong);
            seen.insert(name);
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
        if wanted.iter().all(|name| seen.contains(*name)) {
            break;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[tokio::test]
async fn aws_own_registry_is_everybodys_and_nobody_changes_it() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let registry = ok(&client, "DescribeRegistry", json!({"RegistryName": "aws.events"})).await;
    assert_eq!(registry["RegistryArn"], "arn:aws:schemas:us-east-1::registry/aws.events");
    let created = json!({"RegistryName": "aws.events", "SchemaName": "aws.s3@ObjectCreated"});
    let found = ok(&client, "DescribeSchema", created.clone()).await;
    assert_eq!(found["SchemaArn"], "arn:aws:schemas:us-east-1::schema/aws.events/aws.s3@ObjectCreated");
    assert_eq!(found["SchemaVersion"], "1");
    let search = json!({"RegistryName": "aws.events", "Keywords": "deletion-type"});
    assert_eq!(pages(&client, "SearchSchemas", search, "Schemas", "SchemaName").await, [["aws.s3@ObjectDeleted"]]);
    let mut export = created.clone();
    export["Type"] = json!("JSONSchemaDraft4");
    let exported = ok(&client, "ExportSchema", export.clone()).await;
    let exported: Json = serde_json::from_str(exported["Content"].as_str().unwrap()).unwrap();
    assert_eq!(exported["x-amazon-events-source"], "aws.s3");
    export["Type"] = json!("OpenApi3");
    assert_eq!(refused(&client, "ExportSchema", export).await.0, "BadRequestException");
    let tags = json!({"ResourceArn": found["SchemaArn"], "Tags": {"a": "b"}});
    let version = json!({"RegistryName": "aws.events", "SchemaName": "aws.s3@ObjectCreated", "SchemaVersion": "1"});
    for (operation, input) in [
        ("DeleteRegistry", json!({"RegistryName": "aws.events"})),
        ("UpdateRegistry", json!({"RegistryName": "aws.events", "Description": "d"})),
        ("DeleteSchema", created),
        ("DeleteSchemaVersion", version),
        ("TagResource", tags),
        ("PutResourcePolicy", json!({"RegistryName": "aws.events", "Policy": "{}"})),
    ] {
        assert_eq!(refused(&client, operation, input).await.0, "ForbiddenException", "{operation}");
    }
}
