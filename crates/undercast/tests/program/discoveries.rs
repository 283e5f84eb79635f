//! Discoverers through crashes of the real program: what was acknowledged on their bus is discovered.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

/// A registry has room for 200.
const KINDS: usize = 150;

/// Puts an event of a kind of its own, for as long as it takes until it is acknowledged.
async fn put(client: &Client, kind: usize) {
    let detail = json!({"n": kind}).to_string();
    let entry = json!({"Source": "crash", "DetailType": format!("kind {kind}"), "Detail": detail});
    let input = json!({"Entries": [entry]});
    loop {
        match client.try_call("events", "PutEvents", input.clone()).await {
            Some(answer) if answer.status == 200 && answer.json["FailedEntryCount"] == 0 => return,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn discovered(client: &Client) -> BTreeSet<String> {
    let (mut all, mut input) = (BTreeSet::new(), json!({"RegistryName": "discovered-schemas"}));
    loop {
        let page = client.call("schemas", "ListSchemas", input.clone()).await.ok();
        all.extend(page["Schemas"].as_array().unwrap().iter().map(|s| s["SchemaName"].as_str().unwrap().to_owned()));
        match page["NextToken"].as_str() {
            Some(token) => input["NextToken"] = json!(token),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_discovered_through_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    let bus = json!({"SourceArn": "arn:aws:events:us-east-1:000000000000:event-bus/default"});
    client.call("schemas", "CreateDiscoverer", bus).await.ok();
    let mut crashes = 0;
    for kinds in (0..KINDS).collect::<Vec<_>>().chunks(KINDS / 5) {
        // The cloud is killed with what it has just acknowledged.
        for kind in kinds {
            put(&client, *kind).await;
        }
        drop(cloud);
        crashes += 1;
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    let began = std::time::Instant::now();
    while discovered(&client).await.len() < KINDS && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let wanted: BTreeSet<String> = (0..KINDS).map(|kind| format!("crash@Kind{kind}")).collect();
    assert_eq!(discovered(&client).await, wanted, "after {crashes} crashes");
}
