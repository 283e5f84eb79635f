//! The real program, killed without warning under load, again and again: what it acknowledged is there, and nothing is half there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, at_work, free_port};

const CRASHES: u32 = 100;

type Acknowledged = Arc<Mutex<BTreeSet<String>>>;

/// Writes until there is no answer any more.
async fn load(client: Client, url: String, name: String, messages: Acknowledged, pairs: Acknowledged) {
    for n in 0.. {
        let id = format!("{name}-{n}");
        let sent = client.try_call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": id})).await;
        match sent.map(|a| a.status) {
            Some(200) => drop(messages.lock().unwrap().insert(id.clone())),
            _ => return,
        }
        let put = |side: &str| json!({"Put": {"TableName": "pairs", "Item": {"id": {"S": format!("{id}/{side}")}}}});
        let written = client
            .try_call("dynamodb", "TransactWriteItems", json!({"TransactItems": [put("left"), put("right")]}))
            .await;
        match written.map(|a| a.status) {
            Some(200) => drop(pairs.lock().unwrap().insert(id)),
            _ => return,
        }
    }
}

async fn scan(client: &Client) -> BTreeSet<String> {
    let (mut found, mut start) = (BTreeSet::new(), Json::Null);
    loop {
        let input = if start.is_null() {
            json!({"TableName": "pairs"})
        } else {
            json!({"TableName": "pairs", "ExclusiveStartKey": start})
        };
        let page = client.call("dynamodb", "Scan", input).await.ok();
        found.extend(page["Items"].as_array().unwrap().iter().map(|i| i["id"]["S"].as_str().unwrap().to_owned()));
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_hundred_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let (messages, pairs): (Acknowledged, Acknowledged) = (Arc::default(), Arc::default());
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let (client, url) = (cloud.client.clone(), cloud.queue("q").await);
    let table = json!({"TableName": "pairs", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                       "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    client.call("dynamodb", "CreateTable", table).await.ok();
    for crash in 0..CRASHES {
        let work: Vec<_> = (0..8)
            .map(|w| {
                tokio::spawn(load(client.clone(), url.clone(), format!("{crash}.{w}"), messages.clone(), pairs.clone()))
            })
            .collect();
        at_work(&work, || pairs.lock().unwrap().len(), 4 + (crash * 7 % 20) as usize).await;
        // Moments spread over the groups that are being committed.
        tokio::time::sleep(Duration::from_micros(u64::from(crash * 577 % 10_000))).await;
        drop(cloud);
        for task in work {
            task.await.unwrap();
        }
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    let found = scan(&client).await;
    let pairs = pairs.lock().unwrap().clone();
    assert!(pairs.len() > 4 * CRASHES as usize, "only {} pairs were acknowledged", pairs.len());
    for id in &pairs {
        assert!(
            found.contains(&format!("{id}/left")) && found.contains(&format!("{id}/right")),
            "{id} was acknowledged and is not there"
        );
    }
    for one in &found {
        let other =
            one.strip_suffix("/left").map_or_else(|| one.replace("/right", "/left"), |id| format!("{id}/right"));
        assert!(found.contains(&other), "{one} is there without its other half");
    }
    let mut left = messages.lock().unwrap().clone();
    let sent = left.len();
    while !left.is_empty() {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let page = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(got) = page["Messages"].as_array() else { break };
        for message in got {
            left.remove(message["Body"].as_str().unwrap());
        }
    }
    assert!(left.is_empty(), "{} of {sent} acknowledged messages are gone: {left:?}", left.len());
    drop(cloud);
}
