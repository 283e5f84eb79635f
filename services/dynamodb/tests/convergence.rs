//! Three regions write at random while links are cut and mended and the program begins anew: in the end all of them have what
//! was written last.

use crate::cloud::{Cloud, table};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).unwrap()
    }
}

fn create(region: &str) -> Json {
    json!({"TableName": "tab", "ReplicaUpdates": [{"Create": {"RegionName": region}}]})
}

/// The links that are cut, as pairs of places in the list of regions.
#[derive(Default)]
struct Cuts(Vec<(usize, usize)>);

impl Cuts {
    fn apply(&self, cloud: &Cloud) {
        cloud.faults().remove(None);
        self.0.iter().for_each(|(one, other)| cloud.unlink(REGIONS[*one], REGIONS[*other]));
    }

    fn toggle(&mut self, cloud: &Cloud, dice: &mut Dice) {
        let pair = [(0, 1), (1, 2), (0, 2)][dice.below(3)];
        match self.0.iter().position(|cut| *cut == pair) {
            Some(at) => drop(self.0.remove(at)),
            None => self.0.push(pair),
        }
        self.apply(cloud);
    }
}

/// Writes something somewhere; gives the key and what it is now, unless nothing was written.
async fn write(cloud: &Cloud, dice: &mut Dice, number: usize) -> Option<(String, Json)> {
    let key = format!("k{}", dice.below(6));
    let place = json!({"pk": {"S": key}});
    match dice.below(4) {
        0 => {
            let item = json!({"pk": {"S": key}, "n": {"N": number.to_string()}});
            cloud.ok("PutItem", json!({"TableName": "tab", "Item": item})).await;
            Some((key, item))
        }
        1 => {
            let gone = json!({"TableName": "tab", "Key": place, "ReturnValues": "ALL_OLD"});
            let was = cloud.ok("DeleteItem", gone).await;
            was.get("Attributes").map(|_| (key, Json::Null))
        }
        2 => {
            let add = json!({"TableName": "tab", "Key": place, "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "ALL_NEW"});
            Some((key, cloud.ok("UpdateItem", add).await["Attributes"].take()))
        }
        _ => {
            let until = cloud.now() + 1 + i64::try_from(dice.below(20)).unwrap();
            let item = json!({"pk": {"S": format!("t{}", dice.below(4))}, "until": {"N": until.to_string()}});
            cloud.ok("PutItem", json!({"TableName": "tab", "Item": item})).await;
            None
        }
    }
}

async fn items(cloud: &Cloud) -> Vec<Json> {
    cloud.ok("Scan", json!({"TableName": "tab"})).await["Items"].as_array().unwrap().clone()
}

async fn play(seed: u64) {
    let mut cloud = Cloud::new().with_table().await;
    cloud.freeze();
    cloud.ok("UpdateTable", create(REGIONS[1])).await;
    cloud.advance(5).await;
    let ttl = json!({"TableName": "tab", "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": true}});
    cloud.ok("UpdateTimeToLive", ttl).await;
    let (mut dice, mut cuts, mut last) = (Dice(seed), Cuts::default(), BTreeMap::new());
    let mut regions = 2;
    for number in 0..160 {
        if number == 40 {
            // A third region comes while the others write, all links being whole.
            cuts.0.clear();
            cuts.apply(&cloud);
            cloud.ok("UpdateTable", create(REGIONS[2])).await;
        }
        if number == 60 {
            cuts.0.clear();
            cuts.apply(&cloud);
            cloud.advance(5).await;
            regions = 3;
        }
        match dice.below(12) {
            0 if !(40..60).contains(&number) => cuts.toggle(&cloud, &mut dice),
            1 => cloud.advance(1 + dice.below(10) as u64).await,
            2 if dice.below(3) == 0 => {
                let again = cloud.again();
                again.freeze();
                cuts.apply(&again);
                cloud = again;
            }
            _ => {
                let region = cloud.at(REGIONS[dice.below(regions)]);
                last.extend(write(&region, &mut dice, number).await);
            }
        }
        cloud.advance_millis(1).await;
    }
    cloud.faults().remove(None);
    cloud.advance(1_000).await;
    let expected: Vec<Json> = last.into_values().filter(|item| !item.is_null()).collect();
    for region in REGIONS {
        let mut found = items(&cloud.at(region)).await;
        found.sort_by_key(|item| item["pk"]["S"].as_str().unwrap().to_owned());
        assert_eq!(found, expected, "{region}, seed {seed}");
    }
    // Nothing is kept of what has come to everybody and is gone.
    cloud.advance(3 * 3600).await;
    assert!(!cloud.has_table_rows("dynamodb.outgoing") && !cloud.has_table_rows("dynamodb.stamps-gone"), "seed {seed}");
}

#[tokio::test]
async fn all_regions_have_what_was_written_last() {
    for seed in 1..=12 {
        play(seed).await;
    }
}

#[tokio::test]
async fn a_table_of_one_region_keeps_no_stamps() {
    let cloud = Cloud::new();
    cloud.ok("CreateTable", table("tab", "pk:S", "")).await;
    cloud.put(json!({"pk": {"S": "a"}})).await;
    assert!(!cloud.has_table_rows("dynamodb.stamps"));
}
