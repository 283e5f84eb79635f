//! A property: whatever is split and merged while records are written, every record is read once, in the order of its key, by
//! whoever reads parents before children. Also where the cloud begins again in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use undercast_kernel::Service;
use undercast_kernel::wire::text;
use undercast_kinesis::Kinesis;
use undercast_testkit::{Client, Cloud, Folder};

use crate::support::{all, call, create, settled};

#[derive(Debug, Clone)]
enum Step {
    /// Records under these keys.
    Write(Vec<u8>),
    /// Splits the open shard of this turn in the middle.
    Split(usize),
    /// Merges it with the next one.
    Merge(usize),
    Scale(u32),
    BeginAgain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => proptest::collection::vec(0u8..6, 1..8).prop_map(Step::Write),
        2 => (0usize..8).prop_map(Step::Split),
        2 => (0usize..8).prop_map(Step::Merge),
        1 => (1u32..6).prop_map(Step::Scale),
        1 => Just(Step::BeginAgain),
    ];
    proptest::collection::vec(step, 1..16)
}

fn range(shard: &Json) -> (u128, u128) {
    let bound = |name: &str| shard["HashKeyRange"][name].as_str().unwrap().parse().unwrap();
    (bound("StartingHashKey"), bound("EndingHashKey"))
}

async fn open(client: &Client) -> Vec<Json> {
    let input = json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}});
    let mut shards = call(client, "ListShards", input).await.ok()["Shards"].as_array().unwrap().clone();
    shards.sort_by_key(range);
    // Together they have every hash key once.
    assert_eq!((range(&shards[0]).0, range(&shards[shards.len() - 1]).1), (0, u128::MAX));
    assert!(shards.windows(2).all(|two| range(&two[0]).1 + 1 == range(&two[1]).0));
    shards
}

async fn reshard(client: &Client, step: &Step) {
    let shards = open(client).await;
    let (operation, input) = match step {
        Step::Split(turn) => {
            let shard = &shards[turn % shards.len()];
            let (from, to) = range(shard);
            let middle = from + (to - from) / 2 + 1;
            (
                "SplitShard",
                json!({"StreamName": "s", "ShardToSplit": shard["ShardId"], "NewStartingHashKey": middle.to_string()}),
            )
        }
        Step::Merge(turn) if shards.len() > 1 => {
            let at = turn % (shards.len() - 1);
            let [one, other] = [&shards[at]["ShardId"], &shards[at + 1]["ShardId"]];
            ("MergeShards", json!({"StreamName": "s", "ShardToMerge": one, "AdjacentShardToMerge": other}))
        }
        Step::Scale(target) => (
            "UpdateShardCount",
            json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"}),
        ),
        _ => return,
    };
    let answer = call(client, operation, input).await;
    // Not every number can be scaled to from every other.
    assert!(answer.status == 200 || answer.code() == "LimitExceededException", "{operation}: {}", answer.json);
    settled(client).await;
}

/// What a reader gets who reads shards after their parents.
async fn read(client: &Client) -> Vec<String> {
    let shards =
        call(client, "ListShards", json!({"StreamName": "s"})).await.ok()["Shards"].as_array().unwrap().clone();
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    while done.len() < shards.len() {
        for shard in &shards {
            let parents = [&shard["ParentShardId"], &shard["AdjacentParentShardId"]];
            let ready = parents.iter().all(|p| p.as_str().is_none_or(|p| done.contains(p)));
            let id = shard["ShardId"].as_str().unwrap();
            if ready && done.insert(id) {
                found.extend(all(client, id).await);
            }
        }
    }
    found
}

/// Does some steps in one cloud: those before the next that begins again.
async fn some(cloud: Cloud, steps: &[Step], written: &mut BTreeMap<u8, u32>, first: bool) {
    let client = cloud.client();
    if first {
        create(&client, 2).await;
    }
    for step in steps {
        match step {
            Step::Write(keys) => {
                let records: Vec<Json> = keys
                    .iter()
                    .map(|key| {
                        let number = written.entry(*key).or_insert(0);
                        *number += 1;
                        json!({"PartitionKey": format!("key-{key}"), "Data": text::base64(format!("{key}:{number}").as_bytes())})
                    })
                    .collect();
                let answer = call(&client, "PutRecords", json!({"StreamName": "s", "Records": records})).await.ok();
                assert_eq!(answer["FailedRecordCount"], 0);
            }
            other => reshard(&client, other).await,
        }
    }
    let mut next: BTreeMap<u8, u32> = BTreeMap::new();
    for record in read(&client).await {
        let (key, number) = record.split_once(':').unwrap();
        let last = next.entry(key.parse().unwrap()).or_insert(0);
        *last += 1;
        assert_eq!(number.parse::<u32>().unwrap(), *last, "of key {key}");
    }
    assert_eq!(next, *written);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_is_read_once_in_the_order_of_its_key(steps in steps()) {
        let folder = Folder::new();
        let mut written = BTreeMap::new();
        let mut parts: Vec<Vec<Step>> = vec![Vec::new()];
        for step in steps {
            match step {
                Step::BeginAgain => parts.push(Vec::new()),
                step => parts.last_mut().unwrap().push(step),
            }
        }
        for (number, part) in parts.iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let services: Vec<Arc<dyn Service>> = vec![Arc::new(Kinesis::without_limits())];
                let cloud = Cloud::in_folder(services, &folder).await;
                some(cloud, part, &mut written, number == 0).await;
            });
        }
    }
}
