//! Logs of deliveries, and metrics.

use super::*;

async fn events(client: &Client, group: &str) -> Vec<Json> {
    let answer = client.call("logs", "FilterLogEvents", json!({"logGroupName": group})).await;
    if answer.status != 200 {
        return Vec::new();
    }
    let all = answer.json["events"].as_array().cloned().unwrap_or_default();
    all.iter().map(|e| serde_json::from_str(e["message"].as_str().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn deliveries_are_logged_with_the_role_of_the_topic() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    client
        .call("iam", "CreateRole", json!({"RoleName": "logs", "AssumeRolePolicyDocument": trust.to_string()}))
        .await
        .ok();
    let policy =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]})
            .to_string();
    client
        .call("iam", "PutRolePolicy", json!({"RoleName": "logs", "PolicyName": "p", "PolicyDocument": policy}))
        .await
        .ok();
    let role = "arn:aws:iam::000000000000:role/logs";
    topic(&client, json!({"SQSSuccessFeedbackRoleArn": role, "SQSSuccessFeedbackSampleRate": "100", "SQSFailureFeedbackRoleArn": role})).await;
    let (_, arn) = any_queue(&client, "q", json!({})).await;
    subscribed(&client, TOPIC, "sqs", &arn, json!({})).await;
    subscribed(&client, TOPIC, "sqs", "arn:aws:sqs:us-east-1:000000000000:gone", json!({})).await;
    let published = publish(&client, "m").await;
    let group = "sns/us-east-1/000000000000/t";
    until("the success is logged", async || events(&client, group).await.len() == 1).await;
    until("the failure is logged", async || events(&client, &format!("{group}/Failure")).await.len() == 1).await;
    let good = events(&client, group).await.remove(0);
    assert_eq!((&good["status"], &good["notification"]["messageId"]), (&json!("SUCCESS"), &published["MessageId"]));
    assert_eq!(good["notification"]["messageMD5Sum"], "6f8f57715090da2632453988d9a1501b");
    assert_eq!(good["delivery"]["destination"], arn);
    let bad = events(&client, &format!("{group}/Failure")).await.remove(0);
    assert_eq!((&bad["status"], &bad["delivery"]["attempts"]), (&json!("FAILURE"), &json!(1)));
    // And one to a telephone.
    let set = json!({"attributes": {"DeliveryStatusIAMRole": role, "DeliveryStatusSuccessSamplingRate": "100"}});
    client.call("sns", "SetSMSAttributes", set).await.ok();
    client.call("sns", "Publish", json!({"PhoneNumber": "+14155552671", "Message": "m"})).await.ok();
    assert_eq!(events(&client, "sns/us-east-1/000000000000/DirectPublishToPhoneNumber").await.len(), 1);
}

#[tokio::test]
async fn messages_are_counted() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (_, arn) = any_queue(&client, "q", json!({})).await;
    let (_, dead) = any_queue(&client, "dead", json!({})).await;
    let filter = json!({"FilterPolicy": json!({"kind": ["wanted"]}).to_string()});
    subscribed(&client, TOPIC, "sqs", &arn, filter).await;
    let gone = "arn:aws:sqs:us-east-1:000000000000:gone";
    for (endpoint, target) in [(gone.to_owned(), dead), (format!("{gone}2"), gone.to_owned())] {
        let redrive = json!({"deadLetterTargetArn": target}).to_string();
        subscribed(&client, TOPIC, "sqs", &endpoint, json!({"RedrivePolicy": redrive})).await;
    }
    let kind = |value: &str| json!({"kind": {"DataType": "String", "StringValue": value}});
    for attributes in [kind("wanted"), kind("other"), json!({})] {
        client
            .call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": "four", "MessageAttributes": attributes}))
            .await
            .ok();
    }
    cloud.kernel.advance(Duration::from_secs(60)).await.unwrap();
    let now = cloud.kernel.clock().now().as_second();
    for (name, wanted) in [
        ("NumberOfMessagesPublished", 3.0),
        ("PublishSize", 43.0),
        ("NumberOfNotificationsDelivered", 1.0),
        ("NumberOfNotificationsFilteredOut", 2.0),
        ("NumberOfNotificationsFilteredOut-MessageAttributes", 1.0),
        ("NumberOfNotificationsFilteredOut-NoMessageAttributes", 1.0),
        ("NumberOfNotificationsFailed", 6.0),
        ("NumberOfNotificationsRedrivenToDlq", 3.0),
        ("NumberOfNotificationsFailedToRedriveToDlq", 3.0),
    ] {
        let input = json!({"Namespace": "AWS/SNS", "MetricName": name, "Dimensions": [{"Name": "TopicName", "Value": "t"}],
            "StartTime": now - 600, "EndTime": now + 60, "Period": 3600, "Statistics": ["Sum"]});
        let answer = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
        let sum: f64 = answer["Datapoints"].as_array().unwrap().iter().map(|d| d["Sum"].as_f64().unwrap()).sum();
        assert!((sum - wanted).abs() < 0.01, "{name}: {sum}, wanted {wanted}");
    }
}

#[tokio::test]
async fn the_trail_says_who_published_where_and_not_what() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    topic(&client, json!({})).await;
    let (url, arn) = any_queue(&client, "q", json!({})).await;
    subscribed(&client, TOPIC, "sqs", &arn, json!({"RawMessageDelivery": "true"})).await;
    client.call("sns", "Publish", json!({"TopicArn": TOPIC, "Message": "a secret", "Subject": "about it"})).await.ok();
    let from = cloud.kernel.database().read();
    let told = |operation: &str| {
        let record = cloud.kernel.trail().latest(100).into_iter().find(|r| r.operation == operation).unwrap();
        let service = cloud.kernel.service(record.service).unwrap().clone();
        record.cloudtrail(&*service, &from)
    };
    let publish = told("Publish");
    let hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
    assert_eq!(publish["requestParameters"], json!({"topicArn": TOPIC, "message": hidden, "subject": hidden}));
    assert_eq!(publish["resources"], json!([{"accountId": "000000000000", "type": "AWS::SNS::Topic", "ARN": TOPIC}]));
    let send = told("SendMessage");
    assert_eq!(send["requestParameters"], json!({"queueUrl": url, "messageBody": hidden, "messageAttributes": hidden}));
    assert_eq!(send["resources"][0]["ARN"], arn);
    assert_eq!(send["userIdentity"]["invokedBy"], "sns.amazonaws.com");
}
