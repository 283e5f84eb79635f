//! Events that services tell of themselves.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::{ACCOUNT, Client, arn, body, cloud, messages, queue, receive, rule, target};

/// A queue that gets the events of a pattern.
async fn listener(client: &Client, name: &str, pattern: Json) -> String {
    let (url, queue) = queue(client, name).await;
    rule(client, name, &pattern).await;
    target(client, name, json!({"Id": "t", "Arn": queue})).await;
    url
}

/// So many events, in the order of their details as texts.
async fn events(client: &Client, url: &str, count: usize) -> Vec<Json> {
    let mut all = Vec::new();
    while all.len() < count {
        let found = messages(client, url).await;
        assert!(!found.is_empty(), "{count} events are wanted, these came: {all:?}");
        all.extend(found.iter().map(body));
    }
    assert!(receive(client, url, 0).await.is_empty());
    all.sort_by_key(|event| event["detail"].to_string());
    all
}

#[tokio::test]
async fn a_bucket_tells_of_its_objects() {
    let cloud = cloud().await;
    let client = cloud.client();
    let url = listener(&client, "q", json!({"source": ["aws.s3"], "detail-type": [{"prefix": "Object"}]})).await;
    client.call("s3", "CreateBucket", json!({"Bucket": "bkt"})).await.ok();
    let put = async |key: &str| {
        let input = json!({"Bucket": "bkt", "Key": key});
        client.call_with_body("s3", "PutObject", input, Some(Bytes::from_static(b"data"))).await.ok()
    };
    put("untold").await;
    let told = json!({"Bucket": "bkt", "NotificationConfiguration": {"EventBridgeConfiguration": {}}});
    client.call("s3", "PutBucketNotificationConfiguration", told).await.ok();
    let shown = client.call("s3", "GetBucketNotificationConfiguration", json!({"Bucket": "bkt"})).await.ok();
    assert_eq!(shown, json!({"EventBridgeConfiguration": {}}));
    put("a b").await;
    let created = events(&client, &url, 1).await.remove(0);
    assert_eq!(
        (&created["detail-type"], &created["account"], &created["resources"]),
        (&json!("Object Created"), &json!(ACCOUNT), &json!(["arn:aws:s3:::bkt"]))
    );
    let mut detail = created["detail"].clone();
    let sequencer = detail["object"].as_object_mut().unwrap().remove("sequencer").unwrap();
    assert!(sequencer.is_string());
    detail.as_object_mut().unwrap().remove("request-id").unwrap();
    assert_eq!(
        detail,
        json!({"version": "0", "bucket": {"name": "bkt"}, "requester": ACCOUNT, "source-ip-address": "127.0.0.1", "reason": "PutObject",
            "object": {"key": "a b", "size": 4, "etag": "8d777f385d3dfec8815d20f7496026dc"}})
    );
    let tags = json!({"Bucket": "bkt", "Key": "a b", "Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}});
    client.call("s3", "PutObjectTagging", tags).await.ok();
    let tagged = events(&client, &url, 1).await.remove(0);
    assert_eq!((&tagged["detail-type"], &tagged["detail"]["reason"]), (&json!("Object Tags Added"), &Json::Null));
    client.call("s3", "DeleteObject", json!({"Bucket": "bkt", "Key": "a b"})).await.ok();
    let gone = events(&client, &url, 1).await.remove(0);
    assert_eq!(
        (&gone["detail-type"], &gone["detail"]["deletion-type"], &gone["detail"]["reason"]),
        (&json!("Object Deleted"), &json!("Permanently Deleted"), &json!("DeleteObject"))
    );
    let versions = json!({"Bucket": "bkt", "VersioningConfiguration": {"Status": "Enabled"}});
    client.call("s3", "PutBucketVersioning", versions).await.ok();
    client.call("s3", "DeleteObject", json!({"Bucket": "bkt", "Key": "untold"})).await.ok();
    let marked = events(&client, &url, 1).await.remove(0);
    assert_eq!(marked["detail"]["deletion-type"], "Delete Marker Created");
    assert!(marked["detail"]["object"]["version-id"].is_string());
    // Nobody is told any more.
    let told = json!({"Bucket": "bkt", "NotificationConfiguration": {}});
    client.call("s3", "PutBucketNotificationConfiguration", told).await.ok();
    put("again").await;
    assert!(receive(&client, &url, 1).await.is_empty());
}

#[tokio::test]
async fn an_alarm_tells_of_its_state() {
    let cloud = cloud().await;
    let client = cloud.client();
    let pattern = json!({"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}});
    let url = listener(&client, "q", pattern).await;
    let alarm = json!({"AlarmName": "a", "Namespace": "Shop", "MetricName": "Sales", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "LessThanThreshold", "AlarmDescription": "few"});
    client.call("cloudwatch", "PutMetricAlarm", alarm).await.ok();
    let set = json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "because"});
    client.call("cloudwatch", "SetAlarmState", set).await.ok();
    let event = events(&client, &url, 1).await.remove(0);
    assert_eq!(
        (&event["detail-type"], &event["resources"]),
        (&json!("CloudWatch Alarm State Change"), &json!([arn("cloudwatch", "alarm:a")]))
    );
    let detail = &event["detail"];
    assert_eq!((&detail["alarmName"], &detail["state"]["reason"]), (&json!("a"), &json!("because")));
    assert_eq!(detail["previousState"]["value"], "INSUFFICIENT_DATA");
    let metric = &detail["configuration"]["metrics"][0]["metricStat"];
    assert_eq!((&metric["metric"]["name"], &metric["period"]), (&json!("Sales"), &json!(60)));
    assert_eq!(detail["configuration"]["description"], "few");
}

#[tokio::test]
async fn an_alarm_tells_of_its_changes() {
    let cloud = cloud().await;
    let client = cloud.client();
    let pattern = json!({"detail-type": ["CloudWatch Alarm Configuration Change"]});
    let url = listener(&client, "q", pattern).await;
    let mut alarm = json!({"AlarmName": "a", "Namespace": "Shop", "MetricName": "Sales", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "LessThanThreshold", "TreatMissingData": "ignore",
        "DatapointsToAlarm": 1});
    client.call("cloudwatch", "PutMetricAlarm", alarm.clone()).await.ok();
    let event = events(&client, &url, 1).await.remove(0);
    assert_eq!(
        (&event["source"], &event["resources"]),
        (&json!("aws.cloudwatch"), &json!([arn("cloudwatch", "alarm:a")]))
    );
    let created = event["detail"].clone();
    assert_eq!((&created["operation"], &created["alarmName"]), (&json!("create"), &json!("a")));
    assert_eq!((&created["state"]["value"], created.get("previousConfiguration")), (&json!("INSUFFICIENT_DATA"), None));
    let configuration = &created["configuration"];
    for (name, wanted) in [
        ("threshold", json!(1.0)),
        ("evaluationPeriods", json!(1)),
        ("datapointsToAlarm", json!(1)),
        ("comparisonOperator", json!("LessThanThreshold")),
        ("treatMissingData", json!("ignore")),
        ("actionsEnabled", json!(true)),
        ("alarmActions", json!([])),
    ] {
        assert_eq!(configuration[name], wanted, "{name}");
    }
    alarm["Threshold"] = json!(2.0);
    client.call("cloudwatch", "PutMetricAlarm", alarm).await.ok();
    let updated = events(&client, &url, 1).await.remove(0)["detail"].clone();
    assert_eq!((&updated["operation"], &updated["configuration"]["threshold"]), (&json!("update"), &json!(2.0)));
    assert_eq!(updated["previousConfiguration"], *configuration);
    client.call("cloudwatch", "DisableAlarmActions", json!({"AlarmNames": ["a"]})).await.ok();
    let disabled = events(&client, &url, 1).await.remove(0)["detail"].clone();
    assert_eq!(
        (&disabled["operation"], &disabled["configuration"]["actionsEnabled"]),
        (&json!("update"), &json!(false))
    );
    client.call("cloudwatch", "DeleteAlarms", json!({"AlarmNames": ["a"]})).await.ok();
    let deleted = events(&client, &url, 1).await.remove(0)["detail"].clone();
    assert_eq!((&deleted["operation"], &deleted["configuration"]), (&json!("delete"), &disabled["configuration"]));
}

#[tokio::test]
async fn a_stack_tells_of_itself_and_its_resources() {
    let cloud = cloud().await;
    let client = cloud.client();
    let stacks = listener(&client, "stacks", json!({"detail-type": ["CloudFormation Stack Status Change"]})).await;
    let resources = listener(
        &client,
        "resources",
        json!({"detail-type": ["CloudFormation Resource Status Change"],
        "detail": {"status-details": {"status": ["CREATE_COMPLETE"]}}}),
    )
    .await;
    let template = json!({"Resources": {"Mine": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mine"}}}});
    let input = json!({"StackName": "s", "TemplateBody": template.to_string(), "ClientRequestToken": "token"});
    let id = client.call("cloudformation", "CreateStack", input).await.ok()["StackId"].clone();
    let told = events(&client, &stacks, 2).await;
    let statuses: Vec<&Json> = told.iter().map(|event| &event["detail"]["status-details"]["status"]).collect();
    assert!(
        statuses.contains(&&json!("CREATE_IN_PROGRESS")) && statuses.contains(&&json!("CREATE_COMPLETE")),
        "{told:?}"
    );
    assert_eq!((&told[0]["source"], &told[0]["resources"]), (&json!("aws.cloudformation"), &json!([id])));
    assert_eq!((&told[0]["detail"]["stack-id"], &told[0]["detail"]["client-request-token"]), (&id, &json!("token")));
    let told = events(&client, &resources, 1).await.remove(0);
    assert_eq!(
        (&told["detail"]["logical-resource-id"], &told["detail"]["resource-type"]),
        (&json!("Mine"), &json!("AWS::SQS::Queue"))
    );
    assert!(told["detail"]["physical-resource-id"].as_str().unwrap().ends_with("/mine"));
}

#[tokio::test]
async fn calls_are_told_of_to_rules_that_want_them() {
    let cloud = cloud().await;
    let client = cloud.client();
    let kind = "AWS API Call via CloudTrail";
    let changes = listener(
        &client,
        "changes",
        json!({"source": ["aws.sqs"], "detail-type": [kind],
        "detail": {"requestParameters": {"queueName": [{"exists": true}]}}}),
    )
    .await;
    let (all, queue) = queue(&client, "all").await;
    let pattern = json!({"source": ["aws.sqs"], "detail-type": [kind], "detail": {"eventName": ["GetQueueUrl"]}});
    let input = json!({"Name": "all", "EventPattern": pattern.to_string(), "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"});
    client.call("events", "PutRule", input).await.ok();
    target(&client, "all", json!({"Id": "t", "Arn": queue})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "new"})).await.ok();
    client.call("sqs", "GetQueueUrl", json!({"QueueName": "new"})).await.ok();
    assert_eq!(client.call("sqs", "GetQueueUrl", json!({"QueueName": "gone"})).await.status, 400);
    let mut told = events(&client, &changes, 2).await;
    // The queue of the other rule was made after this rule.
    told.retain(|event| event["detail"]["requestParameters"]["queueName"] == "new");
    let detail = &told[0]["detail"];
    assert_eq!((&detail["eventName"], &detail["eventSource"]), (&json!("CreateQueue"), &json!("sqs.amazonaws.com")));
    assert_eq!((&detail["userIdentity"]["type"], &detail["readOnly"]), (&json!("Root"), &json!(false)));
    let told = events(&client, &all, 2).await;
    let refused: Vec<&Json> =
        told.iter().map(|event| &event["detail"]["errorCode"]).filter(|code| !code.is_null()).collect();
    assert_eq!(refused.len(), 1, "{told:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(receive(&client, &changes, 0).await.is_empty());
}
