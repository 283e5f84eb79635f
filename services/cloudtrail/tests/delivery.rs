//! Files in the bucket, notifications, log groups, encryption.

use super::*;

#[tokio::test]
async fn what_is_called_is_delivered_some_minutes_later() {
    let (cloud, client) = cloud().await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "before"})).await.ok();
    trail(&client, json!({"S3KeyPrefix": ""})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "during"})).await.ok();
    client.call("sqs", "ListQueues", json!({})).await.ok();
    assert!(keys(&client, "AWSLogs").await.is_empty());
    advance(&cloud, 6).await;
    let all = keys(&client, "AWSLogs").await;
    assert_eq!(all.len(), 1, "{all:?}");
    // AWSLogs/000000000000/CloudTrail/us-east-1/2026/11/27/000000000000_CloudTrail_us-east-1_20261127T1930Z_….json.gz
    let parts: Vec<&str> = all[0].split('/').collect();
    assert_eq!(parts[..4], ["AWSLogs", "000000000000", "CloudTrail", "us-east-1"]);
    assert!(parts[7].starts_with("000000000000_CloudTrail_us-east-1_") && parts[7].ends_with(".json.gz"));
    let events = delivered(&client).await;
    let queues: Vec<&Json> = events.iter().filter(|e| e["eventSource"] == "sqs.amazonaws.com").collect();
    assert_eq!(queues.len(), 2, "{queues:?}");
    assert_eq!(queues[0]["requestParameters"]["queueName"], "during");
    assert_eq!(queues[1]["eventName"], "ListQueues");
    // What is looked up is the same event.
    let input = json!({"LookupAttributes": [{"AttributeKey": "ResourceName", "AttributeValue": "during"}]});
    let found = ok(&client, "LookupEvents", input).await["Events"][0].clone();
    assert_eq!(found["EventId"], queues[0]["eventID"]);
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert_eq!((&status["IsLogging"], status.get("LatestDeliveryError")), (&json!(true), None));
    assert!(status["LatestDeliveryTime"].is_number(), "{status}");
}

#[tokio::test]
async fn a_trail_that_stops_delivers_what_it_has_and_no_more() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "one"})).await.ok();
    ok(&client, "StopLogging", json!({"Name": "all"})).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "two"})).await.ok();
    advance(&cloud, 30).await;
    let events = delivered(&client).await;
    let made: Vec<&Json> = events.iter().filter(|e| e["eventName"] == "CreateQueue").collect();
    assert_eq!((made.len(), &made[0]["requestParameters"]["queueName"]), (1, &json!("one")));
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert_eq!(status["IsLogging"], false);
    assert!(status["StopLoggingTime"].is_number() && !status["TimeLoggingStopped"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn topics_and_log_groups_are_told() {
    let (cloud, client) = cloud().await;
    let topic = client.call("sns", "CreateTopic", json!({"Name": "files"})).await.ok()["TopicArn"].clone();
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "sns:Publish", "Resource": topic, "Condition": {"StringEquals": {"aws:SourceArn": TRAIL}}}]});
    let input = json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": open.to_string()});
    client.call("sns", "SetTopicAttributes", input).await.ok();
    let queue = "arn:aws:sqs:us-east-1:000000000000:told";
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}]});
    let made = client
        .call("sqs", "CreateQueue", json!({"QueueName": "told", "Attributes": {"Policy": open.to_string()}}))
        .await
        .ok();
    let input =
        json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "Attributes": {"RawMessageDelivery": "true"}});
    client.call("sns", "Subscribe", input).await.ok();
    settings::log_role(&client).await;
    let more = json!({"SnsTopicName": "files", "CloudWatchLogsLogGroupArn": settings::GROUP, "CloudWatchLogsRoleArn": settings::ROLE});
    let made_trail = trail(&client, more).await;
    assert_eq!((&made_trail["SnsTopicARN"], &made_trail["SnsTopicName"]), (&topic, &topic));
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    advance(&cloud, 6).await;
    let key = keys(&client, "/CloudTrail/").await.remove(0);
    let received = client.call("sqs", "ReceiveMessage", json!({"QueueUrl": made["QueueUrl"]})).await.ok();
    let message: Json = serde_json::from_str(received["Messages"][0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(message, json!({"s3Bucket": BUCKET, "s3ObjectKey": [key]}));
    let input = json!({"logGroupName": "trail", "logStreamName": "000000000000_CloudTrail_us-east-1"});
    let lines = client.call("logs", "GetLogEvents", input).await.ok()["events"].as_array().unwrap().clone();
    let lines: Vec<Json> =
        lines.iter().map(|e| serde_json::from_str(e["message"].as_str().unwrap()).unwrap()).collect();
    assert_eq!(lines, delivered(&client).await);
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert!(status["LatestCloudWatchLogsDeliveryTime"].is_number() && status["LatestNotificationTime"].is_number());
    // A group that has gone is an error of the status, and files come as before.
    client.call("logs", "DeleteLogGroup", json!({"logGroupName": "trail"})).await.ok();
    client.call("sqs", "CreateQueue", json!({"QueueName": "q2"})).await.ok();
    advance(&cloud, 6).await;
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert_eq!(status["LatestCloudWatchLogsDeliveryError"], "ResourceNotFoundException");
    assert_eq!(keys(&client, "/CloudTrail/").await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_delivered_waits() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({})).await;
    client.call("s3", "DeleteBucketPolicy", json!({"Bucket": BUCKET})).await.ok();
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    advance(&cloud, 6).await;
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert_eq!(status["LatestDeliveryError"], "AccessDenied");
    assert!(keys(&client, "AWSLogs").await.is_empty());
    prepare_again(&client).await;
    advance(&cloud, 16).await;
    assert!(names(&delivered(&client).await).contains(&"CreateQueue"));
    let status = ok(&client, "GetTrailStatus", json!({"Name": "all"})).await;
    assert_eq!(status.get("LatestDeliveryError"), None);
}

async fn prepare_again(client: &Client) {
    let policy = bucket_policy(&["AWSLogs/000000000000"]).to_string();
    client.call("s3", "PutBucketPolicy", json!({"Bucket": BUCKET, "Policy": policy})).await.ok();
}

#[tokio::test]
async fn files_are_encrypted_with_the_key_of_the_trail() {
    let (cloud, client) = cloud().await;
    let key = settings::key(&client, true).await;
    let made = trail(&client, json!({"KmsKeyId": key})).await;
    assert_eq!(made["KmsKeyId"], key);
    client.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    advance(&cloud, 6).await;
    let file = keys(&client, "/CloudTrail/").await.remove(0);
    let head = client.call("s3", "HeadObject", json!({"Bucket": BUCKET, "Key": file})).await.ok();
    assert_eq!((&head["ServerSideEncryption"], &head["SSEKMSKeyId"]), (&json!("aws:kms"), &key));
    assert!(names(&delivered(&client).await).contains(&"CreateQueue"));
}

#[tokio::test]
async fn all_regions_come_to_a_trail_of_all_regions() {
    let (cloud, client) = cloud().await;
    trail(&client, json!({"IsMultiRegionTrail": true})).await;
    let there = client.in_region("eu-west-1");
    there.call("sqs", "CreateQueue", json!({"QueueName": "far"})).await.ok();
    client.call("iam", "CreateUser", json!({"UserName": "u"})).await.ok();
    advance(&cloud, 6).await;
    assert_eq!(keys(&client, "/CloudTrail/eu-west-1/").await.len(), 1);
    let events = delivered(&client).await;
    let far = events.iter().find(|e| e["eventName"] == "CreateQueue").unwrap();
    assert_eq!(far["awsRegion"], "eu-west-1");
    assert!(names(&events).contains(&"CreateUser"));
    // Its shadow is seen there, and changed at home only.
    assert_eq!(ok(&there, "DescribeTrails", json!({})).await["trailList"][0]["HomeRegion"], "us-east-1");
    let none = ok(&there, "DescribeTrails", json!({"includeShadowTrails": false})).await;
    assert_eq!(none["trailList"], json!([]));
    let (code, _) = refused(&there, "StopLogging", json!({"Name": TRAIL})).await;
    assert_eq!(code, "InvalidHomeRegionException");
}

#[tokio::test]
async fn eventbridge_hears_of_what_a_trail_logs() {
    let (cloud, client) = cloud().await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:heard";
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}]});
    let url = client
        .call("sqs", "CreateQueue", json!({"QueueName": "heard", "Attributes": {"Policy": open.to_string()}}))
        .await
        .ok()["QueueUrl"]
        .clone();
    let pattern = json!({"detail-type": ["AWS API Call via CloudTrail"], "source": ["aws.sqs", "aws.s3"]}).to_string();
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern})).await.ok();
    client.call("events", "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "t", "Arn": queue}]})).await.ok();
    let heard = async || {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 2});
        let received = client.call("sqs", "ReceiveMessage", input).await.ok();
        let all = received["Messages"].as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|m| serde_json::from_str::<Json>(m["Body"].as_str().unwrap()).unwrap()["detail"].clone())
            .collect::<Vec<_>>()
    };
    client.call("sqs", "CreateQueue", json!({"QueueName": "unlogged"})).await.ok();
    assert_eq!(heard().await, Vec::<Json>::new());
    trail(&client, json!({})).await;
    let advanced = json!({"TrailName": "all", "AdvancedEventSelectors": [
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
        {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]});
    ok(&client, "PutEventSelectors", advanced).await;
    client.call("sqs", "CreateQueue", json!({"QueueName": "logged"})).await.ok();
    let told = heard().await;
    assert_eq!((told.len(), &told[0]["requestParameters"]["queueName"]), (1, &json!("logged")), "{told:?}");
    client.call("s3", "PutObject", json!({"Bucket": BUCKET, "Key": "k"})).await.ok();
    let told = heard().await;
    assert_eq!(names(&told), ["PutObject"]);
    // It is the event of the trail, by its id.
    advance(&cloud, 6).await;
    assert!(delivered(&client).await.iter().any(|event| event["eventID"] == told[0]["eventID"]));
}
