//! What many clients saw at once is what some order of their calls, one after the other, would have shown them: every call
//! takes effect at one moment between its request and its answer, a transaction with all that it does.
//!
//! The order is searched for as in Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with the states
//! remembered that Lowe added to it (2017).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value as Json, json};
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_kernel::Service;
use undercast_testkit::{Answer, Client, Cloud};

const KEYS: usize = 4;
const CLIENTS: u64 = 6;
const CALLS: usize = 60;

/// The numbers of the items.
type State = [i64; KEYS];

/// What was asked, with what was seen of it.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Get(usize, i64),
    Put(usize, i64),
    /// Added, and the number that came of it.
    Add(usize, i64, i64),
    /// Put where a number was expected, and whether it was there.
    Swap(usize, i64, i64, bool),
    /// One from here to there, unless there is none left; and whether there was.
    Move(usize, usize, bool),
    GetAll(State),
    /// Refused for the sake of another call.
    Nothing,
}

impl Seen {
    /// The state after it. `None`: it cannot have been seen in this state.
    fn on(&self, mut state: State) -> Option<State> {
        let holds = match *self {
            Self::Get(key, seen) => state[key] == seen,
            Self::Put(key, number) => {
                state[key] = number;
                true
            }
            Self::Add(key, more, seen) => {
                state[key] += more;
                state[key] == seen
            }
            Self::Swap(key, expected, number, done) => {
                let there = state[key] == expected;
                if there {
                    state[key] = number;
                }
                there == done
            }
            Self::Move(from, to, done) => {
                let left = state[from] >= 1;
                if left {
                    state[from] -= 1;
                    state[to] += 1;
                }
                left == done
            }
            Self::GetAll(seen) => state == seen,
            Self::Nothing => true,
        };
        holds.then_some(state)
    }
}

/// A call, from when it was sent to when its answer was there.
#[derive(Debug, Clone)]
struct Call {
    sent: u64,
    answered: u64,
    seen: Seen,
}

/// Whether some order of the calls shows what was seen.
fn has_order(calls: &[Call]) -> bool {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.sent);
    let mut known = HashSet::new();
    let mut open = vec![(vec![false; calls.len()], [0; KEYS])];
    while let Some((done, state)) = open.pop() {
        let left = || calls.iter().zip(&done).enumerate().filter(|(_, (_, done))| !**done);
        // Nothing that was sent after an answer can come before it.
        let Some(first) = left().map(|(_, (call, _))| call.answered).min() else { return true };
        for (index, (call, _)) in left().take_while(|(_, (call, _))| call.sent < first) {
            if let Some(next) = call.seen.on(state) {
                let mut with = done.clone();
                with[index] = true;
                if known.insert((with.clone(), next)) {
                    open.push((with, next));
                }
            }
        }
    }
    false
}

fn key(key: usize) -> Json {
    json!({"pk": {"S": key.to_string()}})
}

fn number(item: &Json) -> i64 {
    item["n"]["N"].as_str().unwrap().parse().unwrap()
}

/// A client, with dice of its own.
struct Player {
    client: Client,
    dice: u64,
    seen: i64,
    /// How many of the kinds of calls it makes; transactions are the last two.
    kinds: u64,
}

impl Player {
    fn below(&mut self, end: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % end
    }

    fn key(&mut self) -> usize {
        usize::try_from(self.below(KEYS as u64)).unwrap()
    }

    fn small(&mut self) -> i64 {
        i64::try_from(self.below(9)).unwrap()
    }

    async fn ask(&self, operation: &str, input: Json) -> Answer {
        self.client.call("dynamodb", operation, input).await
    }

    async fn play(&mut self) -> Seen {
        let (at, more) = (self.key(), self.small());
        match self.below(self.kinds) {
            0 => {
                let input = json!({"TableName": "tab", "Key": key(at), "ConsistentRead": true});
                let answer = self.ask("GetItem", input).await;
                if answer.status != 200 {
                    assert_eq!(answer.code(), "InternalServerError", "{}", answer.json);
                    return Seen::Nothing;
                }
                self.seen = number(&answer.json["Item"]);
                Seen::Get(at, self.seen)
            }
            1 => {
                let item = json!({"pk": {"S": at.to_string()}, "n": {"N": more.to_string()}});
                written(&self.ask("PutItem", json!({"TableName": "tab", "Item": item})).await, Seen::Put(at, more))
            }
            2 => {
                let input = json!({
                    "TableName": "tab", "Key": key(at), "UpdateExpression": "ADD n :more",
                    "ExpressionAttributeValues": {":more": {"N": more.to_string()}}, "ReturnValues": "UPDATED_NEW"
                });
                let answer = self.ask("UpdateItem", input).await;
                if answer.status == 200 {
                    self.seen = number(&answer.json["Attributes"]);
                }
                written(&answer, Seen::Add(at, more, self.seen))
            }
            3 => self.swap(at, more).await,
            4 => self.transfer(at).await,
            _ => {
                let gets: Vec<Json> = (0..KEYS).map(|k| json!({"Get": {"TableName": "tab", "Key": key(k)}})).collect();
                let answer = self.ask("TransactGetItems", json!({"TransactItems": gets})).await;
                if answer.status != 200 {
                    assert!(reasons(&answer).contains("TransactionConflict"), "{}", answer.json);
                    return Seen::Nothing;
                }
                let all = answer.json["Responses"].as_array().unwrap().iter().map(|r| number(&r["Item"]));
                Seen::GetAll(all.collect::<Vec<_>>().try_into().unwrap())
            }
        }
    }

    /// A put on the condition that nothing has changed since.
    async fn swap(&mut self, at: usize, more: i64) -> Seen {
        let expected = self.seen;
        let input = json!({
            "TableName": "tab", "Item": {"pk": {"S": at.to_string()}, "n": {"N": more.to_string()}},
            "ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": expected.to_string()}}
        });
        let answer = self.ask("PutItem", input).await;
        match answer.status {
            200 => Seen::Swap(at, expected, more, true),
            _ if answer.code() == "ConditionalCheckFailedException" => Seen::Swap(at, expected, more, false),
            _ => written(&answer, Seen::Nothing),
        }
    }

    /// A transaction on two items.
    async fn transfer(&mut self, from: usize) -> Seen {
        let to = (from + 1 + usize::try_from(self.below(KEYS as u64 - 1)).unwrap()) % KEYS;
        let update = |at: usize, more: &str, condition: &str| {
            json!({"Update": {
                "TableName": "tab", "Key": key(at), "UpdateExpression": "ADD n :more", "ConditionExpression": condition,
                "ExpressionAttributeValues": {":more": {"N": more}, ":low": {"N": if more == "1" { "-999" } else { "1" }}}
            }})
        };
        let items = json!([update(from, "-1", "n >= :low"), update(to, "1", "n >= :low")]);
        let answer = self.ask("TransactWriteItems", json!({"TransactItems": items})).await;
        if answer.status == 200 {
            return Seen::Move(from, to, true);
        }
        let why = reasons(&answer);
        if why.contains("ConditionalCheckFailed") {
            return Seen::Move(from, to, false);
        }
        assert!(why.contains("TransactionConflict"), "{}", answer.json);
        Seen::Nothing
    }
}

fn reasons(answer: &Answer) -> String {
    assert!(matches!(answer.code(), "TransactionCanceledException" | "TransactionInProgressException"));
    answer.json.to_string()
}

/// A write outside of a transaction may give way to one, or to a write in another region; and one in a region that is cut
/// off is refused.
fn written(answer: &Answer, seen: Seen) -> Seen {
    if answer.status == 200 {
        return seen;
    }
    let known = ["TransactionConflictException", "ReplicatedWriteConflictException", "InternalServerError"];
    assert!(known.contains(&answer.code()), "{}", answer.json);
    Seen::Nothing
}

/// What the clients of a cloud see.
#[expect(clippy::disallowed_methods, reason = "clients are no part of the kernel")]
async fn history(cloud: &Cloud, seed: u64, regions: &[&str]) -> Vec<Call> {
    let moment = Arc::new(AtomicU64::new(0));
    let kinds = if regions.len() > 1 { 4 } else { 6 };
    let players: Vec<_> = (0..CLIENTS)
        .zip(regions.iter().cycle())
        .map(|(n, region)| {
            let mut client = cloud.client();
            client.region = (*region).to_owned();
            let mut player = Player { client, dice: seed * 1_000 + n, seen: 0, kinds };
            let moment = moment.clone();
            tokio::spawn(async move {
                let mut calls = Vec::new();
                for _ in 0..CALLS {
                    let sent = moment.fetch_add(1, Ordering::SeqCst);
                    let seen = player.play().await;
                    calls.push(Call { sent, answered: moment.fetch_add(1, Ordering::SeqCst), seen });
                }
                calls
            })
        })
        .collect();
    let mut all = Vec::new();
    for player in players {
        all.extend(player.await.unwrap());
    }
    all
}

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(DynamoDb::without_limits()), Arc::new(DynamoDbStreams)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_was_seen_has_an_order() {
    for (seed, durable) in [(1, false), (2, true), (3, true)] {
        let cloud = if durable { Cloud::durable(services()).await } else { Cloud::start(services()).await };
        let client = cloud.client();
        let table = json!({
            "TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]
        });
        client.call("dynamodb", "CreateTable", table).await.ok();
        while client.call("dynamodb", "DescribeTable", json!({"TableName": "tab"})).await.ok()["Table"]["TableStatus"]
            != "ACTIVE"
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for at in 0..KEYS {
            let item = json!({"pk": {"S": at.to_string()}, "n": {"N": "0"}});
            client.call("dynamodb", "PutItem", json!({"TableName": "tab", "Item": item})).await.ok();
        }
        let calls = history(&cloud, seed, &["us-east-1"]).await;
        let moves = calls.iter().filter(|call| matches!(call.seen, Seen::Move(_, _, true))).count();
        let overlapping = calls.iter().filter(|call| call.answered - call.sent > 1).count();
        assert!(moves > 10 && overlapping > 50, "{moves} moves, {overlapping} calls beside others");
        assert!(has_order(&calls), "seed {seed}: no order of these calls shows what was seen: {calls:#?}");
    }
}

/// Parts and joins regions at random, so that one of them at a time is cut off or speaks to one other alone.
#[expect(clippy::disallowed_methods, reason = "who disturbs a cloud is no part of its kernel")]
fn disturb(cloud: &Cloud, seed: u64, regions: [&'static str; 3]) -> tokio::task::JoinHandle<()> {
    let kernel = cloud.kernel.clone();
    tokio::spawn(async move {
        let mut dice = seed;
        loop {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            kernel.faults().remove(None);
            // One link is cut, or both of one region.
            let first = usize::try_from((dice >> 40) % 3).unwrap();
            let cut = if (dice >> 50) & 1 == 0 { vec![first] } else { vec![first, (first + 1) % 3] };
            for link in cut {
                let (one, other) = (regions[link], regions[(link + 1) % 3]);
                let rule = json!({"id": link.to_string(), "region": one, "effect": {"unlinked": {"from": other}}});
                kernel.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(7)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_three_regions_saw_of_one_table_has_an_order() {
    const REGIONS: [&str; 3] = ["us-east-1", "us-east-2", "us-west-2"];
    for (seed, witness) in [(11, false), (12, true), (13, false)] {
        let cloud = Cloud::durable(services()).await;
        let client = cloud.client();
        let table = crate::cloud::table("tab", "pk:S", "");
        client.call("dynamodb", "CreateTable", table).await.ok();
        let create = |region: &str| json!({"Create": {"RegionName": region}});
        let mut strong = json!({"TableName": "tab", "MultiRegionConsistency": "STRONG",
            "ReplicaUpdates": [create(REGIONS[1]), create(REGIONS[2])]});
        let mut places = REGIONS.to_vec();
        if witness {
            strong["ReplicaUpdates"] = json!([create(REGIONS[1])]);
            strong["GlobalTableWitnessUpdates"] = json!([create(REGIONS[2])]);
            places.pop();
        }
        client.call("dynamodb", "UpdateTable", strong).await.ok();
        while client.call("dynamodb", "DescribeTable", json!({"TableName": "tab"})).await.ok()["Table"]["TableStatus"]
            != "ACTIVE"
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for at in 0..KEYS {
            let item = json!({"pk": {"S": at.to_string()}, "n": {"N": "0"}});
            client.call("dynamodb", "PutItem", json!({"TableName": "tab", "Item": item})).await.ok();
        }
        let disturbed = disturb(&cloud, seed, REGIONS);
        let calls = history(&cloud, seed, &places).await;
        disturbed.abort();
        let refused = calls.iter().filter(|call| call.seen == Seen::Nothing).count();
        assert!(refused > 5 && calls.len() - refused > 60, "{refused} of {} were refused", calls.len());
        assert!(has_order(&calls), "seed {seed}: no order of these calls shows what was seen: {calls:#?}");
    }
}

/// Calls one after the other, each with what it saw.
fn one_by_one(seen: &[Seen]) -> Vec<Call> {
    let call = |(n, seen): (usize, &Seen)| Call { sent: 2 * n as u64, answered: 2 * n as u64 + 1, seen: seen.clone() };
    seen.iter().enumerate().map(call).collect()
}

#[test]
fn histories_that_have_no_order_are_found_out() {
    assert!(has_order(&one_by_one(&[Seen::Put(0, 3), Seen::Get(0, 3), Seen::Move(0, 1, true)])));
    assert!(!has_order(&one_by_one(&[Seen::Put(0, 3), Seen::Get(0, 0)])), "a stale read");
    assert!(!has_order(&one_by_one(&[Seen::Add(0, 1, 1), Seen::Add(0, 1, 1)])), "a lost update");
    let torn = [Seen::Put(0, 1), Seen::Move(0, 1, true), Seen::GetAll([0, 0, 0, 0])];
    assert!(!has_order(&one_by_one(&torn)), "half of a transaction");
    let mut beside = one_by_one(&torn);
    beside[1].answered = 9;
    assert!(!has_order(&beside), "half of a transaction, while it goes on");
    beside[2].seen = Seen::GetAll([1, 0, 0, 0]);
    assert!(has_order(&beside), "what was there before it");
}
