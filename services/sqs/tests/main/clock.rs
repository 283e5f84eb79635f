//! What changes as time goes by.

use super::*;

async fn frozen() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    cloud.kernel.clock().freeze();
    let client = cloud.client();
    (cloud, client)
}

async fn advance(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

async fn set(client: &Client, url: &str, attributes: Json) {
    client.call("sqs", "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": attributes})).await.ok();
}

async fn send_fifo(client: &Client, url: &str, group: &str, body: &str) {
    let input = json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": body});
    client.call("sqs", "SendMessage", input).await.ok();
}

async fn rows(cloud: &Cloud, table: &'static str) -> usize {
    let any: undercast_kernel::store::Table<undercast_kernel::Task> = undercast_kernel::store::Table::new(table);
    // Rows of any form are counted by deleting them in a transaction that is given up.
    let counted = std::cell::Cell::new(0);
    let given_up = cloud.kernel.database().write(|tx| {
        counted.set(any.clear(tx, &())?);
        Err::<(), _>(undercast_kernel::store::Error::Lost)
    });
    assert!(given_up.await.is_err());
    counted.get()
}

#[tokio::test]
async fn a_fifo_queues_delay_is_for_what_is_in_it_and_a_standard_queues_is_not() {
    let (cloud, client) = frozen().await;
    let fifo = queue(&client, "q.fifo", json!({"FifoQueue": "true", "DelaySeconds": "60"})).await;
    let standard = queue(&client, "q", json!({"DelaySeconds": "60"})).await;
    send_fifo(&client, &fifo, "g", "one").await;
    send(&client, &standard, "one").await;
    advance(&cloud, 10).await;
    set(&client, &fifo, json!({"DelaySeconds": "5"})).await;
    set(&client, &standard, json!({"DelaySeconds": "5"})).await;
    assert_eq!(bodies(&receive(&client, &fifo, json!({"VisibilityTimeout": 30})).await), ["one"]);
    assert!(receive(&client, &standard, json!({})).await.is_empty());
    // Other attributes leave it alone, and so does a delay for what was received.
    set(&client, &fifo, json!({"DelaySeconds": "0"})).await;
    assert!(receive(&client, &fifo, json!({})).await.is_empty());
    send_fifo(&client, &fifo, "h", "two").await;
    set(&client, &fifo, json!({"DelaySeconds": "20"})).await;
    assert!(receive(&client, &fifo, json!({})).await.is_empty());
    advance(&cloud, 20).await;
    set(&client, &fifo, json!({"VisibilityTimeout": "7"})).await;
    assert_eq!(bodies(&receive(&client, &fifo, json!({})).await), ["two"]);
}

#[tokio::test]
async fn a_shorter_retention_ends_what_is_older_and_a_longer_one_brings_nothing_back() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q", json!({"MessageRetentionPeriod": "600"})).await;
    send(&client, &url, "old").await;
    advance(&cloud, 100).await;
    send(&client, &url, "young").await;
    set(&client, &url, json!({"MessageRetentionPeriod": "60"})).await;
    set(&client, &url, json!({"MessageRetentionPeriod": "600"})).await;
    assert_eq!(bodies(&receive(&client, &url, json!({"VisibilityTimeout": 0})).await), ["young"]);
    // Nobody looks, and it is swept with the retention that it has by then.
    set(&client, &url, json!({"MessageRetentionPeriod": "120"})).await;
    advance(&cloud, 119).await;
    assert_eq!(rows(&cloud, "sqs.bodies").await, 1);
    advance(&cloud, 1).await;
    assert_eq!(rows(&cloud, "sqs.bodies").await, 0);
}

#[tokio::test]
async fn nothing_is_left_of_a_fifo_queues_messages_ids_and_attempts() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q.fifo", json!({"FifoQueue": "true", "MessageRetentionPeriod": "900"})).await;
    for n in 0..3 {
        send_fifo(&client, &url, "g", &format!("m{n}")).await;
        advance(&cloud, 60).await;
    }
    receive(&client, &url, json!({"ReceiveRequestAttemptId": "a", "MaxNumberOfMessages": 1})).await;
    let counts = |cloud| async move { (rows(cloud, "sqs.deduplication").await, rows(cloud, "sqs.attempts").await) };
    assert_eq!(counts(&cloud).await, (3, 1));
    advance(&cloud, 119).await;
    assert_eq!(counts(&cloud).await, (3, 1));
    advance(&cloud, 61).await;
    assert_eq!(counts(&cloud).await, (1, 1), "two ids are five minutes old");
    advance(&cloud, 120).await;
    assert_eq!(counts(&cloud).await, (0, 0));
    assert_eq!(rows(&cloud, "sqs.messages").await, 3);
    advance(&cloud, 900).await;
    assert_eq!(rows(&cloud, "sqs.messages").await, 0);
    assert_eq!(rows(&cloud, "kernel.tasks").await, 0);
}

#[tokio::test]
async fn nothing_is_left_of_a_queue_that_is_deleted() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q.fifo", json!({"FifoQueue": "true"})).await;
    send_fifo(&client, &url, "g", "one").await;
    receive(&client, &url, json!({"ReceiveRequestAttemptId": "a"})).await;
    client.call("sqs", "DeleteQueue", json!({"QueueUrl": url})).await.ok();
    let tables =
        ["sqs.queues", "sqs.messages", "sqs.bodies", "sqs.next", "sqs.deduplication", "sqs.attempts", "kernel.tasks"];
    for table in tables {
        assert_eq!(rows(&cloud, table).await, 0, "{table}");
    }
    let make =
        || client.call("sqs", "CreateQueue", json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}}));
    advance(&cloud, 59).await;
    assert_eq!(make().await.code(), "QueueDeletedRecently");
    advance(&cloud, 1).await;
    make().await.ok();
}

#[tokio::test]
async fn a_queue_is_purged_again_after_a_minute() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q", json!({})).await;
    let purge = || client.call("sqs", "PurgeQueue", json!({"QueueUrl": url}));
    purge().await.ok();
    advance(&cloud, 59).await;
    assert_eq!(purge().await.code(), "PurgeQueueInProgress");
    advance(&cloud, 1).await;
    purge().await.ok();
}

#[tokio::test]
async fn the_first_receive_is_remembered() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q", json!({"VisibilityTimeout": "10"})).await;
    let sent = cloud.kernel.clock().now().as_millisecond();
    send(&client, &url, "x").await;
    for (after, count) in [(5, "1"), (10, "2"), (10, "3")] {
        advance(&cloud, after).await;
        let message = &receive(&client, &url, json!({"MessageSystemAttributeNames": ["All"]})).await[0];
        let told = |name: &str| message["Attributes"][name].as_str().unwrap().to_owned();
        assert_eq!(told("ApproximateReceiveCount"), count);
        assert_eq!(told("ApproximateFirstReceiveTimestamp"), (sent + 5_000).to_string());
        assert_eq!(told("SentTimestamp"), sent.to_string());
    }
}

#[tokio::test]
async fn a_message_is_not_hidden_longer_than_twelve_hours() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q", json!({"VisibilityTimeout": "600"})).await;
    send(&client, &url, "x").await;
    let handle = receive(&client, &url, json!({})).await[0]["ReceiptHandle"].clone();
    advance(&cloud, 100).await;
    let change = |seconds: u32| {
        let input = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": seconds});
        client.call("sqs", "ChangeMessageVisibility", input)
    };
    assert_eq!(change(43_101).await.code(), "InvalidParameterValue");
    change(43_100).await.ok();
    advance(&cloud, 43_099).await;
    assert!(receive(&client, &url, json!({})).await.is_empty());
    advance(&cloud, 1).await;
    let late = change(5).await;
    assert_eq!(late.code(), "MessageNotInflight", "its time is over");
    assert_eq!(receive(&client, &url, json!({})).await.len(), 1);
}

/// What a receiver gets that waits on a clock which stands still: nothing until so many milliseconds have gone by, and
/// then at once.
async fn waits(cloud: &Cloud, input: Json, milliseconds: u64) -> Vec<Json> {
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    let mut call = std::pin::pin!(cx.call("sqs", "ReceiveMessage", input.clone()));
    if milliseconds > 0 {
        let early = tokio::time::timeout(Duration::from_millis(1), &mut call).await;
        assert!(early.is_err(), "{input} does not wait: {early:?}");
        cloud.kernel.advance(Duration::from_millis(milliseconds - 1)).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), &mut call).await;
        assert!(early.is_err(), "{input} waits less than {milliseconds} ms: {early:?}");
        cloud.kernel.advance(Duration::from_millis(1)).await.unwrap();
    }
    let answer = tokio::time::timeout(Duration::from_secs(10), call).await;
    let answer = answer.unwrap_or_else(|_| panic!("{input} waits longer than {milliseconds} ms"));
    answer.unwrap()["Messages"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn who_waits_is_woken_when_a_message_comes_back() {
    let (cloud, client) = frozen().await;
    let standard = queue(&client, "q", json!({})).await;
    let fifo = queue(&client, "q.fifo", json!({"FifoQueue": "true"})).await;
    send(&client, &standard, "x").await;
    send_fifo(&client, &fifo, "g", "x").await;
    // One that comes back later is not the one that is waited for.
    send_fifo(&client, &fifo, "h", "later").await;
    let take = |seconds: u32| json!({"VisibilityTimeout": seconds, "MaxNumberOfMessages": 1});
    assert_eq!(bodies(&receive(&client, &fifo, take(2)).await), ["x"]);
    assert_eq!(bodies(&receive(&client, &fifo, take(15)).await), ["later"]);
    assert_eq!(bodies(&waits(&cloud, json!({"QueueUrl": fifo, "WaitTimeSeconds": 10}), 2_000).await), ["x"]);
    assert_eq!(bodies(&receive(&client, &standard, take(2)).await), ["x"]);
    assert_eq!(bodies(&waits(&cloud, json!({"QueueUrl": standard, "WaitTimeSeconds": 10}), 2_000).await), ["x"]);
}

#[tokio::test]
async fn a_group_is_free_when_its_message_in_flight_is_over() {
    let (cloud, client) = frozen().await;
    let attributes = json!({"FifoQueue": "true", "MessageRetentionPeriod": "60"});
    let url = queue(&client, "q.fifo", attributes).await;
    send_fifo(&client, &url, "g", "one").await;
    advance(&cloud, 57).await;
    send_fifo(&client, &url, "g", "two").await;
    assert_eq!(
        bodies(&receive(&client, &url, json!({"MaxNumberOfMessages": 1, "VisibilityTimeout": 600})).await),
        ["one"]
    );
    assert_eq!(bodies(&waits(&cloud, json!({"QueueUrl": url, "WaitTimeSeconds": 10}), 3_000).await), ["two"]);
}

#[tokio::test]
async fn who_waits_in_vain_waits_as_long_as_asked_or_as_the_queue_says() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q", json!({"ReceiveMessageWaitTimeSeconds": "3"})).await;
    // One that comes later than anybody waits changes nothing.
    client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": "x", "DelaySeconds": 900})).await.ok();
    for (input, milliseconds) in [
        (json!({"QueueUrl": url}), 3_000),
        (json!({"QueueUrl": url, "WaitTimeSeconds": 2}), 2_000),
        (json!({"QueueUrl": url, "WaitTimeSeconds": 20}), 20_000),
        (json!({"QueueUrl": url, "WaitTimeSeconds": 0}), 0),
    ] {
        assert!(waits(&cloud, input, milliseconds).await.is_empty());
    }
}

#[tokio::test]
async fn who_waits_in_a_fifo_queue_is_woken_when_a_message_is_deleted_or_shown_again() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q.fifo", json!({"FifoQueue": "true"})).await;
    for body in ["one", "two"] {
        send_fifo(&client, &url, "g", body).await;
    }
    let first = receive(&client, &url, json!({"MaxNumberOfMessages": 1})).await;
    let cx = cloud.kernel.cx_for("000000000000", "us-east-1");
    for (operation, more, next) in
        [("ChangeMessageVisibility", json!({"VisibilityTimeout": 0}), "one"), ("DeleteMessage", json!({}), "two")]
    {
        let newest = if next == "one" { first.clone() } else { receive_in_flight(&client, &url).await };
        let mut call = std::pin::pin!(cx.call(
            "sqs",
            "ReceiveMessage",
            json!({"QueueUrl": url, "WaitTimeSeconds": 20, "VisibilityTimeout": 0})
        ));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut call).await.is_err());
        let mut input = json!({"QueueUrl": url, "ReceiptHandle": newest[0]["ReceiptHandle"]});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call("sqs", operation, input).await.ok();
        let answer = tokio::time::timeout(Duration::from_secs(10), call).await.expect("it is woken").unwrap();
        assert_eq!(answer["Messages"][0]["Body"], next);
    }
}

/// The first message of a queue, taken into flight.
async fn receive_in_flight(client: &Client, url: &str) -> Vec<Json> {
    receive(client, url, json!({"MaxNumberOfMessages": 1, "VisibilityTimeout": 600})).await
}

#[tokio::test]
async fn an_attempt_is_forgotten_after_five_minutes_and_when_its_messages_come_back() {
    let (cloud, client) = frozen().await;
    let url = queue(&client, "q.fifo", json!({"FifoQueue": "true", "VisibilityTimeout": "400"})).await;
    send_fifo(&client, &url, "g", "one").await;
    let attempt = || receive(&client, &url, json!({"ReceiveRequestAttemptId": "a"}));
    let first = attempt().await;
    advance(&cloud, 299).await;
    assert_eq!(attempt().await, first);
    advance(&cloud, 1).await;
    assert!(attempt().await.is_empty(), "it is five minutes old, and its message is in flight");
    advance(&cloud, 100).await;
    let second = attempt().await;
    assert_eq!(bodies(&second), ["one"]);
    assert_ne!(second[0]["ReceiptHandle"], first[0]["ReceiptHandle"]);
    let change = json!({"QueueUrl": url, "ReceiptHandle": second[0]["ReceiptHandle"], "VisibilityTimeout": 0});
    client.call("sqs", "ChangeMessageVisibility", change).await.ok();
    assert_ne!(attempt().await[0]["ReceiptHandle"], second[0]["ReceiptHandle"], "its message was shown again");
}
