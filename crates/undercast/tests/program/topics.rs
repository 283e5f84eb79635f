//! SNS through crashes of the real program: every queue of a topic has what was acknowledged, each message once, and FIFO queues
//! in its order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

const CRASHES: u32 = 10;
const QUEUES: [&str; 3] = ["a", "b", "c"];

/// Publishes numbers to both topics until there is no answer any more; gives the next number.
async fn load(client: Client, mut next: u64, acknowledged: Arc<Mutex<Vec<u64>>>) -> u64 {
    let topic = |name: &str| format!("arn:aws:sns:us-east-1:000000000000:{name}");
    loop {
        let plain = json!({"TopicArn": topic("t"), "Message": next.to_string()});
        let ordered = json!({"TopicArn": topic("t.fifo"), "Message": next.to_string(), "MessageGroupId": "g", "MessageDeduplicationId": next.to_string()});
        let mut good = true;
        for input in [plain, ordered] {
            match client.try_call("sns", "Publish", input).await {
                Some(answer) => good &= answer.status == 200,
                None => return next + 1,
            }
        }
        if good {
            acknowledged.lock().unwrap().push(next);
        }
        next += 1;
    }
}

/// Everything that is in a queue, in the order in which it is received.
async fn drain(client: &Client, queue: &str) -> Vec<u64> {
    let found = client.call("sqs", "GetQueueUrl", json!({"QueueName": queue})).await.ok();
    let (url, mut out) = (found["QueueUrl"].clone(), Vec::new());
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let answer = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(messages) = answer["Messages"].as_array() else { return out };
        let entries: Vec<Json> = messages
            .iter()
            .enumerate()
            .map(|(n, m)| json!({"Id": n.to_string(), "ReceiptHandle": m["ReceiptHandle"]}))
            .collect();
        out.extend(messages.iter().map(|m| m["Body"].as_str().unwrap().parse::<u64>().unwrap()));
        client.call("sqs", "DeleteMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await.ok();
    }
}

async fn subscribe(client: &Client, topic: &str, queue: &str, attributes: Json) {
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn}]});
    let mut attributes = attributes;
    attributes["Policy"] = json!(policy.to_string());
    client.call("sqs", "CreateQueue", json!({"QueueName": queue, "Attributes": attributes})).await.ok();
    let input = json!({"TopicArn": format!("arn:aws:sns:us-east-1:000000000000:{topic}"), "Protocol": "sqs", "Endpoint": arn,
        "Attributes": {"RawMessageDelivery": "true"}});
    client.call("sns", "Subscribe", input).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_queue_has_every_acknowledged_message_once_over_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let acknowledged = Arc::<Mutex<Vec<u64>>>::default();
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    client.call("sns", "CreateTopic", json!({"Name": "t"})).await.ok();
    client.call("sns", "CreateTopic", json!({"Name": "t.fifo", "Attributes": {"FifoTopic": "true"}})).await.ok();
    for queue in QUEUES {
        subscribe(&client, "t", queue, json!({})).await;
    }
    subscribe(&client, "t.fifo", "q.fifo", json!({"FifoQueue": "true"})).await;
    let mut next = 0;
    for crash in 0..CRASHES {
        let work = tokio::spawn(load(client.clone(), next, acknowledged.clone()));
        // However slow the disk is, something was acknowledged before each crash; the moment after it is any.
        let before = acknowledged.lock().unwrap().len();
        while acknowledged.lock().unwrap().len() < before + 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(crash * 7))).await;
        drop(cloud);
        next = work.await.unwrap();
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let mut first: Option<Vec<u64>> = None;
    for queue in QUEUES {
        let mut found = drain(&client, queue).await;
        found.sort_unstable();
        let missing: Vec<&u64> = acknowledged.iter().filter(|n| !found.contains(n)).collect();
        assert!(missing.is_empty(), "{queue}: {missing:?}");
        assert!(found.is_sorted_by(|a, b| a < b), "{queue} has a message more than once: {found:?}");
        // What one queue has, acknowledged or not, all have: a publication is one transaction.
        assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{queue}");
    }
    let ordered = drain(&client, "q.fifo").await;
    assert!(ordered.is_sorted_by(|a, b| a < b), "{ordered:?}");
    let missing: Vec<&u64> = acknowledged.iter().filter(|n| !ordered.contains(n)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
