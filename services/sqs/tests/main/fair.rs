//! Fair queues, and the metrics of queues.

use super::*;

async fn say(client: &Client, url: &str, body: &str, group: &str) {
    client
        .call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group}))
        .await
        .ok();
}

#[tokio::test]
async fn a_quiet_group_goes_before_one_that_has_its_share() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    for n in 0..30 {
        say(&client, &url, &format!("noisy{n}"), "noisy").await;
    }
    let first = receive(&client, &url, json!({})).await;
    assert_eq!(bodies(&first)[0], "noisy0");
    assert_eq!(first.len(), 10);
    for n in 0..3 {
        say(&client, &url, &format!("quiet{n}"), "quiet").await;
    }
    let next = receive(&client, &url, json!({"AttributeNames": ["MessageGroupId"]})).await;
    assert_eq!(bodies(&next)[..4], ["quiet0", "quiet1", "quiet2", "noisy10"]);
    assert_eq!(next[0]["Attributes"]["MessageGroupId"], "quiet");
    // With nobody else who waits the noisy one goes on.
    assert_eq!(receive(&client, &url, json!({})).await.len(), 10);
}

async fn sum(client: &Client, cloud: &Cloud, name: &str, statistic: &str) -> Option<f64> {
    let now = cloud.kernel.clock().now().as_second();
    let input = json!({"Namespace": "AWS/SQS", "MetricName": name, "Dimensions": [{"Name": "QueueName", "Value": "q"}],
        "StartTime": now - 86_400, "EndTime": now + 60, "Period": 86_400, "Statistics": [statistic]});
    let answer = client.call("cloudwatch", "GetMetricStatistics", input).await.ok();
    let points = answer["Datapoints"].as_array().unwrap();
    points.iter().map(|d| d[statistic].as_f64().unwrap()).reduce(if statistic == "Sum" {
        |a, b| a + b
    } else {
        f64::max
    })
}

#[tokio::test]
async fn what_is_done_is_counted_and_what_waits_is_measured() {
    let cloud = Cloud::start(more_services()).await;
    let client = cloud.client();
    let url = queue(&client, "q", json!({})).await;
    receive(&client, &url, json!({})).await;
    for n in 0..6 {
        say(&client, &url, "12345", if n < 5 { "noisy" } else { "quiet" }).await;
    }
    let delayed = json!({"QueueUrl": url, "MessageBody": "12345", "DelaySeconds": 900, "MessageGroupId": "quiet"});
    client.call("sqs", "SendMessage", delayed).await.ok();
    let got = receive(&client, &url, json!({"MaxNumberOfMessages": 3, "VisibilityTimeout": 3600})).await;
    client.call("sqs", "DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": got[0]["ReceiptHandle"]})).await.ok();
    let entry = json!([{"Id": "a", "ReceiptHandle": got[0]["ReceiptHandle"]}]);
    client.call("sqs", "DeleteMessageBatch", json!({"QueueUrl": url, "Entries": entry})).await.ok();
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    for (name, statistic, wanted) in [
        ("NumberOfMessagesSent", "Sum", 7.0),
        ("SentMessageSize", "Sum", 35.0),
        ("NumberOfEmptyReceives", "Sum", 1.0),
        ("NumberOfMessagesReceived", "Sum", 3.0),
        ("NumberOfMessagesDeleted", "Sum", 1.0),
        ("ApproximateNumberOfMessagesVisible", "Maximum", 3.0),
        ("ApproximateNumberOfMessagesNotVisible", "Maximum", 2.0),
        ("ApproximateNumberOfMessagesDelayed", "Maximum", 1.0),
        ("ApproximateAgeOfOldestMessage", "Maximum", 120.0),
        ("ApproximateNumberOfNoisyGroups", "Maximum", 1.0),
        ("ApproximateNumberOfMessagesVisibleInQuietGroups", "Maximum", 1.0),
        ("ApproximateNumberOfMessagesNotVisibleInQuietGroups", "Maximum", 0.0),
        ("ApproximateNumberOfMessagesDelayedInQuietGroups", "Maximum", 1.0),
        ("ApproximateAgeOfOldestMessageInQuietGroups", "Maximum", 120.0),
    ] {
        let found = sum(&client, &cloud, name, statistic).await.expect(name);
        assert!(
            (found - wanted).abs() < 1.5 && (wanted > 100.0 || (found - wanted).abs() < 0.01),
            "{name}: {found}, wanted {wanted}"
        );
    }
    // A queue with which nothing is done is measured for six hours.
    cloud.kernel.advance(Duration::from_secs(7 * 3_600)).await.unwrap();
    cloud.kernel.keep_metrics().await.unwrap();
    let input = json!({"Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Dimensions": [{"Name": "QueueName", "Value": "q"}],
        "StartTime": cloud.kernel.clock().now().as_second() - 600, "EndTime": cloud.kernel.clock().now().as_second() + 60, "Period": 60, "Statistics": ["Sum"]});
    assert_eq!(client.call("cloudwatch", "GetMetricStatistics", input).await.ok()["Datapoints"], json!([]));
}

#[tokio::test]
async fn fifo_queues_count_what_they_do_not_take_and_groups_that_are_busy() {
    let cloud = Cloud::start(more_services()).await;
    let client = cloud.client();
    let made = client
        .call("sqs", "CreateQueue", json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}}))
        .await
        .ok();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    for (group, id) in [("a", "1"), ("a", "1"), ("b", "2"), ("c", "3")] {
        let input = json!({"QueueUrl": url, "MessageBody": "x", "MessageGroupId": group, "MessageDeduplicationId": id});
        client.call("sqs", "SendMessage", input).await.ok();
    }
    receive(&client, &url, json!({"MaxNumberOfMessages": 2, "VisibilityTimeout": 3600})).await;
    cloud.kernel.advance(Duration::from_secs(120)).await.unwrap();
    let of = async |name: &str, statistic: &str| {
        let now = cloud.kernel.clock().now().as_second();
        let input = json!({"Namespace": "AWS/SQS", "MetricName": name, "Dimensions": [{"Name": "QueueName", "Value": "q.fifo"}],
            "StartTime": now - 3_600, "EndTime": now + 60, "Period": 7_200, "Statistics": [statistic]});
        client.call("cloudwatch", "GetMetricStatistics", input).await.ok()["Datapoints"][0][statistic].clone()
    };
    assert_eq!(of("NumberOfDeduplicatedSentMessages", "Sum").await, 1.0);
    assert_eq!(of("NumberOfMessagesSent", "Sum").await, 3.0);
    assert_eq!(of("ApproximateNumberOfGroupsWithInflightMessages", "Maximum").await, 2.0);
}
