//! Move tasks, in time.

use super::*;

const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

/// A cloud with a dead-letter queue that holds `count` letters: m0, m1, … sent to `q`.
async fn with_letters(count: usize) -> (Cloud, Client, String, String) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    // What falls due is done when the clock is moved, and at no other time.
    cloud.kernel.clock().freeze();
    let dead = queue(&client, "dead", json!({})).await;
    let policy = json!({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1}).to_string();
    let url = queue(&client, "q", json!({"VisibilityTimeout": "0", "RedrivePolicy": policy})).await;
    for n in 0..count {
        send(&client, &url, &format!("m{n}")).await;
    }
    while !receive(&client, &url, json!({})).await.is_empty() {}
    (cloud, client, url, dead)
}

async fn start(client: &Client, more: Json) -> undercast_testkit::Answer {
    let mut input = json!({"SourceArn": DEAD});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.call("sqs", "StartMessageMoveTask", input).await
}

async fn tasks(client: &Client) -> Vec<Json> {
    let input = json!({"SourceArn": DEAD, "MaxResults": 10});
    client.call("sqs", "ListMessageMoveTasks", input).await.ok()["Results"].as_array().unwrap().clone()
}

async fn waiting(client: &Client, url: &str) -> Json {
    let input = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]});
    client.call("sqs", "GetQueueAttributes", input).await.ok()["Attributes"]["ApproximateNumberOfMessages"].clone()
}

#[tokio::test]
async fn a_task_moves_so_many_a_second_and_passes_over_what_is_in_flight() {
    let (cloud, client, url, dead) = with_letters(5).await;
    assert_eq!(waiting(&client, &dead).await, "5");
    let first = receive(&client, &dead, json!({"MaxNumberOfMessages": 1, "VisibilityTimeout": 600})).await;
    assert_eq!(bodies(&first), ["m0"]);
    start(&client, json!({"MaxNumberOfMessagesPerSecond": 1})).await.ok();
    cloud.kernel.advance(Duration::ZERO).await.unwrap();
    let task = &tasks(&client).await[0];
    assert_eq!((&task["Status"], &task["ApproximateNumberOfMessagesMoved"]), (&json!("RUNNING"), &json!(1)));
    assert_eq!(
        (&task["ApproximateNumberOfMessagesToMove"], &task["MaxNumberOfMessagesPerSecond"]),
        (&json!(4), &json!(1))
    );
    assert_eq!((&task["SourceArn"], &task["DestinationArn"]), (&json!(DEAD), &Json::Null));
    cloud.kernel.advance(Duration::from_millis(999)).await.unwrap();
    assert_eq!(tasks(&client).await[0]["ApproximateNumberOfMessagesMoved"], 1);
    cloud.kernel.advance(Duration::from_millis(1_001)).await.unwrap();
    assert_eq!(tasks(&client).await[0]["ApproximateNumberOfMessagesMoved"], 3);
    let again = start(&client, json!({})).await;
    assert_eq!(again.code(), "InvalidParameterValue");
    assert!(again.json["message"].as_str().unwrap().contains("already a task running"), "{}", again.json);
    cloud.kernel.advance(Duration::from_secs(10)).await.unwrap();
    let task = &tasks(&client).await[0];
    assert_eq!((&task["Status"], &task["ApproximateNumberOfMessagesMoved"]), (&json!("COMPLETED"), &json!(4)));
    assert!(task["TaskHandle"].is_null(), "only a running task has a handle: {task}");
    let back = receive(&client, &url, json!({"MessageSystemAttributeNames": ["All"], "VisibilityTimeout": 60})).await;
    assert_eq!(bodies(&back), ["m1", "m2", "m3", "m4"]);
    assert_eq!(back[0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert!(back[0]["Attributes"]["DeadLetterQueueSourceArn"].is_null());
}

#[tokio::test]
async fn a_task_without_a_rate_moves_all_that_there_is() {
    let (cloud, client, url, dead) = with_letters(203).await;
    start(&client, json!({})).await.ok();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let task = &tasks(&client).await[0];
    assert_eq!((&task["Status"], &task["ApproximateNumberOfMessagesMoved"]), (&json!("COMPLETED"), &json!(203)));
    assert_eq!((waiting(&client, &url).await, waiting(&client, &dead).await), (json!("203"), json!("0")));
}

#[tokio::test]
async fn a_task_that_is_cancelled_leaves_the_rest() {
    let (cloud, client, url, dead) = with_letters(4).await;
    start(&client, json!({"MaxNumberOfMessagesPerSecond": 1})).await.ok();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    let handle = tasks(&client).await[0]["TaskHandle"].clone();
    let cancelled = client.call("sqs", "CancelMessageMoveTask", json!({"TaskHandle": handle})).await.ok();
    assert_eq!(cancelled["ApproximateNumberOfMessagesMoved"], 2);
    assert_eq!(tasks(&client).await[0]["Status"], "CANCELLING");
    let twice = client.call("sqs", "CancelMessageMoveTask", json!({"TaskHandle": handle})).await;
    assert_eq!(twice.code(), "InvalidParameterValue");
    cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    assert_eq!(tasks(&client).await[0]["Status"], "CANCELLED");
    assert_eq!((waiting(&client, &url).await, waiting(&client, &dead).await), (json!("2"), json!("2")));
    // Another one goes on with what is left, to where it is told; the newest one is listed first.
    let other = queue(&client, "other", json!({})).await;
    start(&client, json!({"DestinationArn": "arn:aws:sqs:us-east-1:000000000000:other"})).await.ok();
    cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!((waiting(&client, &other).await, waiting(&client, &url).await), (json!("2"), json!("2")));
    let statuses: Vec<Json> = tasks(&client).await.iter().map(|t| t["Status"].clone()).collect();
    assert_eq!(statuses, ["COMPLETED", "CANCELLED"]);
    let newest = client.call("sqs", "ListMessageMoveTasks", json!({"SourceArn": DEAD})).await.ok();
    assert_eq!(newest["Results"].as_array().unwrap().len(), 1, "one is listed, unless more are asked for");
    // A handle of a task that is not that queue's is of no task.
    let made_up =
        undercast_kernel::wire::text::base64(format!("{{\"taskId\":\"x\",\"sourceArn\":\"{DEAD}\"}}").as_bytes());
    let unknown = client.call("sqs", "CancelMessageMoveTask", json!({"TaskHandle": made_up})).await;
    assert_eq!(unknown.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_task_fails_when_it_does_not_know_where_to() {
    let (cloud, client, url, dead) = with_letters(2).await;
    let second = json!({"deadLetterTargetArn": DEAD, "maxReceiveCount": 1}).to_string();
    queue(&client, "q2", json!({"RedrivePolicy": second})).await;
    client.call("sqs", "DeleteQueue", json!({"QueueUrl": url})).await.ok();
    start(&client, json!({})).await.ok();
    cloud.kernel.advance(Duration::from_secs(5)).await.unwrap();
    let task = &tasks(&client).await[0];
    assert_eq!((&task["Status"], &task["FailureReason"]), (&json!("FAILED"), &json!("CouldNotDetermineMessageSource")));
    assert_eq!(waiting(&client, &dead).await, "2");
}

#[tokio::test]
async fn ten_tasks_are_remembered() {
    let (cloud, client, _, _) = with_letters(0).await;
    for _ in 0..12 {
        start(&client, json!({})).await.ok();
        cloud.kernel.advance(Duration::from_secs(1)).await.unwrap();
    }
    let started: Vec<i64> = tasks(&client).await.iter().map(|t| t["StartedTimestamp"].as_i64().unwrap()).collect();
    assert_eq!(started.len(), 10);
    assert!(started.is_sorted_by(|a, b| a > b), "{started:?}");
}
