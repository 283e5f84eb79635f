//! Pipes through crashes of the real program: what a stream or a queue has taken comes to the target, in order by key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::wire::text;
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

const CRASHES: usize = 8;
const ROUND: usize = 40;
const OFF: &[&str] = &["--kinesis-limits", "off"];

async fn role(client: &Client) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "pipes.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = json!({"RoleName": "pipe", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", made).await.ok();
    let rights = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:*", "kinesis:*"], "Resource": "*"}]});
    let input = json!({"RoleName": "pipe", "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

async fn queue(client: &Client, name: &str, attributes: Json) -> String {
    let made = client.call("sqs", "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await.ok();
    made["QueueUrl"].as_str().unwrap().to_owned()
}

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{name}")
}

/// Takes what has come: group and body.
async fn take(client: &Client, url: &str, into: &mut Vec<(String, String)>) {
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"]});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(some) = got["Messages"].as_array().filter(|some| !some.is_empty()) else { return };
        for message in some {
            let group = message["Attributes"]["MessageGroupId"].as_str().unwrap_or_default();
            into.push((group.to_owned(), message["Body"].as_str().unwrap().to_owned()));
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipes_lose_nothing_and_keep_the_order() {
    let (folder, port) = (Folder::new(), free_port());
    let mut cloud = Cloud::on(port, &folder.0, OFF);
    let client = cloud.client.clone();
    role(&client).await;
    client.call("kinesis", "CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await.ok();
    let fifo = json!({"FifoQueue": "true", "ContentBasedDeduplication": "true"});
    let ordered = queue(&client, "to.fifo", fifo).await;
    let from = queue(&client, "from", json!({"VisibilityTimeout": "1"})).await;
    let to = queue(&client, "to", json!({})).await;
    let role = "arn:aws:iam::000000000000:role/pipe";
    let of_stream = json!({"Name": "ordered", "RoleArn": role, "Source": arn("kinesis", "stream/s"), "Target": arn("sqs", "to.fifo"),
        "SourceParameters": {"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 3}},
        "TargetParameters": {"InputTemplate": "<$.data>", "SqsQueueParameters": {"MessageGroupId": "$.partitionKey", "MessageDeduplicationId": "$.sequenceNumber"}}});
    let of_queue = json!({"Name": "plain", "RoleArn": role, "Source": arn("sqs", "from"), "Target": arn("sqs", "to"), "TargetParameters": {"InputTemplate": "<$.body>"}});
    for input in [of_stream, of_queue] {
        client.call("pipes", "CreatePipe", input).await.ok();
    }
    for crash in 0..CRASHES {
        for n in crash * ROUND..(crash + 1) * ROUND {
            let data = text::base64(n.to_string().as_bytes());
            let input = json!({"StreamName": "s", "PartitionKey": format!("key-{}", n % 4), "Data": data});
            client.call("kinesis", "PutRecord", input).await.ok();
            let input = json!({"QueueUrl": from, "MessageBody": n.to_string()});
            client.call("sqs", "SendMessage", input).await.ok();
        }
        tokio::time::sleep(Duration::from_millis(100 + u64::try_from(crash * 53 % 200).unwrap())).await;
        drop(cloud);
        cloud = Cloud::on(port, &folder.0, OFF);
    }
    let (mut in_order, mut plain) = (Vec::new(), Vec::new());
    let all = CRASHES * ROUND;
    let distinct = |some: &[(String, String)]| {
        some.iter().map(|(_, body)| body.clone()).collect::<std::collections::BTreeSet<_>>().len()
    };
    for _ in 0..400 {
        take(&client, &ordered, &mut in_order).await;
        take(&client, &to, &mut plain).await;
        if distinct(&in_order) == all && distinct(&plain) == all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((distinct(&in_order), distinct(&plain)), (all, all));
    let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (key, body) in &in_order {
        by_key.entry(key).or_default().push(body.parse().unwrap());
    }
    for (key, numbers) in by_key {
        assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{key}: {numbers:?}");
    }
    // What was under way in the moment of a crash may come twice.
    assert!(plain.len() <= all + CRASHES * 60, "{}", plain.len());
}
