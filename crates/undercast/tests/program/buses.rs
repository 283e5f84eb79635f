//! EventBridge through crashes of the real program: what was acknowledged comes to every target, and to the archive.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

const CRASHES: u32 = 8;
const QUEUES: [&str; 2] = ["a", "b"];

/// Puts numbers until there is no answer any more; gives the next number.
async fn load(client: Client, mut next: u64, acknowledged: Arc<Mutex<Vec<u64>>>) -> u64 {
    loop {
        let entry = json!({"Source": "shop", "DetailType": "sold", "Detail": json!({"n": next}).to_string()});
        let Some(answer) = client.try_call("events", "PutEvents", json!({"Entries": [entry]})).await else {
            return next + 1;
        };
        if answer.status == 200 && answer.json["FailedEntryCount"] == 0 {
            acknowledged.lock().unwrap().push(next);
        }
        next += 1;
    }
}

/// Receives from a queue until it had all of these.
async fn drain(client: &Client, queue: &str, wanted: &[u64]) -> BTreeSet<u64> {
    let found = client.call("sqs", "GetQueueUrl", json!({"QueueName": queue})).await.ok();
    let (url, mut out, began) = (found["QueueUrl"].clone(), BTreeSet::new(), Instant::now());
    while !wanted.iter().all(|n| out.contains(n)) {
        assert!(began.elapsed() < Duration::from_secs(120), "{queue} has {out:?}, and not all of {wanted:?}");
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600, "WaitTimeSeconds": 1});
        let answer = client.call("sqs", "ReceiveMessage", input).await.ok();
        for message in answer["Messages"].as_array().into_iter().flatten() {
            let event: Json = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            out.insert(event["detail"]["n"].as_u64().unwrap());
        }
    }
    out
}

async fn target(client: &Client, queue: &str) {
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn}]});
    let attributes = json!({"Policy": policy.to_string()});
    client.call("sqs", "CreateQueue", json!({"QueueName": queue, "Attributes": attributes})).await.ok();
    let input = json!({"Rule": "r", "Targets": [{"Id": queue, "Arn": arn}]});
    client.call("events", "PutTargets", input).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_target_gets_every_acknowledged_event_over_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let acknowledged = Arc::<Mutex<Vec<u64>>>::default();
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    let pattern = json!({"source": ["shop"]}).to_string();
    client.call("events", "PutRule", json!({"Name": "r", "EventPattern": pattern})).await.ok();
    for queue in QUEUES {
        target(&client, queue).await;
    }
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    client.call("events", "CreateArchive", json!({"ArchiveName": "kept", "EventSourceArn": bus})).await.ok();
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
    for queue in QUEUES {
        let found = drain(&client, queue, &acknowledged).await;
        assert!(found.iter().all(|n| *n < next), "{queue} has what nobody put: {found:?}");
    }
    let archive = client.call("events", "DescribeArchive", json!({"ArchiveName": "kept"})).await.ok();
    let kept = archive["EventCount"].as_u64().unwrap();
    assert!((acknowledged.len() as u64..=next).contains(&kept), "{kept} of {} are archived", acknowledged.len());
}
