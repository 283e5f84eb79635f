//! Tables of DynamoDB, beside a bare server, beside what the store can do, and beside other programs that speak its
//! protocol: moto (in memory) and dynalite (in memory, and with its files, which it does not sync).

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::Failed;
use crate::cloud::{self, between};
use crate::load::{self, CONNECTIONS, Connection, Load, must};
use crate::plan::{Folder, ROUND, ROUNDS, beside};
use crate::server::Server;
use crate::signed::{Client, Key};
use crate::table::{self, Measured, say};

const OURS: [&str; 2] = ["ephemeral", "durable, synced"];
const DYNALITE: [&str; 2] = ["dynalite, in memory", "dynalite, files, not synced"];
/// Bytes of an item's text.
const TEXT: usize = 1024;
const FEW_ITEMS: u64 = 10_000;
const MANY_ITEMS: u64 = 10_000_000;
/// Items of a `BatchWriteItem`, at most.
const BATCH: u64 = 25;
/// Items of the table that is scanned.
const SCANNED: u64 = 20_000;
/// Readings of a latency.
const READINGS: usize = 20_000;

/// A server that has the tables.
struct Peer {
    name: &'static str,
    server: Server,
}

fn request(address: SocketAddr, operation: &str, body: &str) -> Result<Vec<u8>, Failed> {
    let key = Key::test();
    Client { address, key: &key }.json("dynamodb", &format!("DynamoDB_20120810.{operation}"), body)
}

fn call(address: SocketAddr, operation: &str, body: &str) -> Result<String, Failed> {
    must(address, &request(address, operation, body)?)
}

fn item(n: u64, text: usize) -> String {
    format!(r#"{{"pk":{{"S":"{n}"}},"sk":{{"N":"0"}},"text":{{"S":"{}"}}}}"#, "i".repeat(text))
}

/// Makes a table with items of its key `pk` and `sk`.
fn create(address: SocketAddr, name: &str, more: &str) -> Result<(), Failed> {
    let table = format!(
        r#"{{"TableName":"{name}","BillingMode":"PAY_PER_REQUEST","KeySchema":[{{"AttributeName":"pk","KeyType":"HASH"}},{{"AttributeName":"sk","KeyType":"RANGE"}}],"AttributeDefinitions":[{{"AttributeName":"pk","AttributeType":"S"}},{{"AttributeName":"sk","AttributeType":"N"}}]{more}}}"#
    );
    call(address, "CreateTable", &table)?;
    for _ in 0..500 {
        if call(address, "DescribeTable", &format!(r#"{{"TableName":"{name}"}}"#))?.contains("\"ACTIVE\"") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Failed::Said(format!("the table {name} does not become active")))
}

impl Peer {
    /// Starts a program that speaks the protocol, and puts there what is asked for.
    fn start(name: &'static str, program: &Path, words: &[&str]) -> Result<Self, Failed> {
        let arguments = |address: SocketAddr| {
            let port = address.port().to_string();
            words.iter().map(|word| if *word == "PORT" { port.clone() } else { (*word).to_owned() }).collect()
        };
        let first = |address| request(address, "ListTables", "{}").unwrap_or_default();
        Self { name, server: Server::start_quietly(program, arguments, first)? }.filled()
    }

    fn cloud(name: &'static str, binary: &Path, data: Option<&Path>) -> Result<Self, Failed> {
        Self { name, server: cloud::start(binary, data)? }.filled()
    }

    fn filled(self) -> Result<Self, Failed> {
        create(self.server.address, "bench", "")?;
        for n in 0..10 {
            let text = "q".repeat(TEXT);
            let item = format!(r#"{{"pk":{{"S":"q"}},"sk":{{"N":"{n}"}},"text":{{"S":"{text}"}}}}"#);
            call(self.server.address, "PutItem", &format!(r#"{{"TableName":"bench","Item":{item}}}"#))?;
        }
        Ok(self)
    }

    /// The load of an operation. `None`: the server does not know it.
    async fn load(&self, measure: &Measure) -> Result<Option<Load>, Failed> {
        let address = self.server.address;
        // What is read has to be there.
        if measure.operation == "GetItem" {
            for n in 0..CONNECTIONS {
                call(address, "PutItem", &(MEASURES[0].body)(n))?;
            }
        }
        let requests: Vec<Vec<u8>> = (0..CONNECTIONS)
            .map(|n| request(address, measure.operation, &(measure.body)(n)))
            .collect::<Result<_, Failed>>()?;
        let (status, _) = load::ask(address, &requests[0])?;
        if status != 200 && !OURS.contains(&self.name) {
            return Ok(None);
        }
        Load::connect(address, requests).await.map(Some)
    }
}

/// An operation that is measured: a request for each connection, and what it may cost.
struct Measure {
    operation: &'static str,
    body: fn(usize) -> String,
    /// Microseconds of processor time, in memory.
    most: Option<f64>,
    /// Of the bare server's rate.
    least: Option<f64>,
}

const MEASURES: &[Measure] = &[
    Measure {
        operation: "PutItem",
        body: |n| format!(r#"{{"TableName":"bench","Item":{}}}"#, item(n as u64, TEXT)),
        most: Some(20.0),
        least: None,
    },
    Measure {
        operation: "GetItem",
        body: |n| format!(r#"{{"TableName":"bench","Key":{{"pk":{{"S":"{n}"}},"sk":{{"N":"0"}}}}}}"#),
        most: Some(15.0),
        least: Some(0.6),
    },
    Measure {
        operation: "UpdateItem",
        body: |n| {
            format!(
                r##"{{"TableName":"bench","Key":{{"pk":{{"S":"{n}"}},"sk":{{"N":"0"}}}},"UpdateExpression":"SET #t = :t","ExpressionAttributeNames":{{"#t":"text"}},"ExpressionAttributeValues":{{":t":{{"S":"{}"}}}}}}"##,
                "u".repeat(TEXT)
            )
        },
        most: None,
        least: None,
    },
    Measure {
        operation: "Query",
        body: |_| {
            r#"{"TableName":"bench","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"q"}}}"#
                .to_owned()
        },
        most: Some(40.0),
        least: None,
    },
    Measure {
        operation: "TransactWriteItems",
        body: |n| {
            let put =
                |part| format!(r#"{{"Put":{{"TableName":"bench","Item":{}}}}}"#, item((n * 4 + part) as u64, TEXT));
            let puts: Vec<String> = (0..4).map(put).collect();
            format!(r#"{{"TransactItems":[{}]}}"#, puts.join(","))
        },
        most: None,
        least: None,
    },
];

/// The programs beside which it is measured: `moto_server` and `dynalite`.
pub(crate) struct Others<'a> {
    pub(crate) moto: &'a Path,
    pub(crate) dynalite: &'a Path,
}

/// Measures everything and prints the table.
pub(crate) fn run(binary: &Path, others: &Others<'_>) -> Result<(), Failed> {
    let folder = Folder::new()?;
    let sender = Builder::new_current_thread().enable_all().build()?;
    let leveldb = folder.0.join("dynalite").display().to_string();
    let here = ["--host", "127.0.0.1", "--createTableMs", "0", "--port", "PORT"];
    let peers = [
        Peer::cloud(OURS[0], binary, None)?,
        Peer::cloud(OURS[1], binary, Some(&folder.0.join("data")))?,
        Peer::start(DYNALITE[0], others.dynalite, &here)?,
        Peer::start(DYNALITE[1], others.dynalite, &[&here[..], &["--path", &leveldb]].concat())?,
        Peer::start("moto, in memory", others.moto, &["-H", "127.0.0.1", "-p", "PORT"])?,
    ];
    let bare = beside("bare", &TEXT.to_string())?;
    table::head_of_objects();
    for measure in MEASURES {
        sender.block_on(compare(measure, &bare, &peers))?;
    }
    drop((peers, bare));
    scan(&sender, binary)?;
    streams(binary)?;
    latency(&sender, binary, &folder.0)
}

/// Measures an operation on every server that knows it.
async fn compare(measure: &Measure, bare: &Server, peers: &[Peer]) -> Result<(), Failed> {
    let mut limit = Measured::default();
    let mut load = Load::connect(bare.address, vec![request(bare.address, measure.operation, "{}")?]).await?;
    let mut all = Vec::new();
    for peer in peers {
        if let Some(load) = peer.load(measure).await? {
            all.push((peer, load, Measured::default()));
        } else {
            say(&format!("{}, {}: refused", measure.operation, peer.name));
        }
    }
    for round in 0..=ROUNDS {
        let span = if round == 0 { ROUND / 5 } else { ROUND };
        let done = load.run(span).await?;
        if round > 0 {
            limit.add(done, Duration::ZERO);
        }
        let mut broken = Vec::new();
        for (peer, load, measured) in &mut all {
            let before = peer.server.cpu()?;
            match load.run(span).await {
                Ok(done) if round > 0 => measured.add(done, peer.server.cpu()?.saturating_sub(before)),
                Ok(_) => {}
                Err(error) if OURS.contains(&peer.name) => return Err(error),
                Err(_) => broken.push(peer.name),
            }
        }
        broken.iter().for_each(|name| say(&format!("{}, {name}: breaks under this load", measure.operation)));
        all.retain(|(peer, ..)| !broken.contains(&peer.name));
    }
    let rate = |name: &str| all.iter().find(|(peer, ..)| peer.name == name).map(|(_, _, measured)| measured.rate());
    for (peer, _, measured) in &all {
        let first = peer.name == OURS[0];
        let share = measure.least.filter(|_| first).map(|least| (measured.rate() / limit.rate(), least));
        let most = measure.most.filter(|_| first);
        let (name, shown) = (format!("{}, {}", measure.operation, peer.name), format!("{:.0}/s", measured.rate()));
        table::object(&name, &shown, share, Some((measured.cost(), most)));
    }
    // The files of dynalite are not synced: to be ahead of them is to be ahead of less.
    for (what, ours, theirs) in [("in memory", OURS[0], DYNALITE[0]), ("with files", OURS[1], DYNALITE[1])] {
        if let Some(share) = rate(ours).zip(rate(theirs)).map(|(ours, theirs)| ours / theirs) {
            let verdict = table::at_least(share, 1.0, " ×");
            table::single(&format!("  {what}, of dynalite"), &format!("{share:.1} ×"), &verdict);
        }
    }
    Ok(())
}

/// Writes items of so many bytes of text, in batches, over several connections.
async fn fill(address: SocketAddr, table: &'static str, items: u64, text: usize) -> Result<(), Failed> {
    const WRITERS: u64 = 16;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for batch in (0..items.div_ceil(BATCH)).skip(usize::try_from(writer).unwrap_or(0)).step_by(16) {
                let put = |n| format!(r#"{{"PutRequest":{{"Item":{}}}}}"#, item(n, text));
                let puts: Vec<String> = (batch * BATCH..((batch + 1) * BATCH).min(items)).map(put).collect();
                let body = format!(r#"{{"RequestItems":{{"{table}":[{}]}}}}"#, puts.join(","));
                connection.ask(&request(address, "BatchWriteItem", &body)?).await?;
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.map_err(|_| Failed::Said("a writer ended early".to_owned()))??;
    }
    Ok(())
}

/// How fast a table is scanned over one connection, in pages of 1 MB.
fn scan(sender: &Runtime, binary: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, None)?;
    create(server.address, "scanned", "")?;
    sender.block_on(fill(server.address, "scanned", SCANNED, TEXT))?;
    let page = request(server.address, "Scan", r#"{"TableName":"scanned"}"#)?;
    let length = must(server.address, &page)?.len();
    let mut measured = Measured::default();
    let mut load = sender.block_on(Load::over(1, server.address, vec![page]))?;
    for _ in 0..ROUNDS {
        let before = server.cpu()?;
        let done = sender.block_on(load.run(ROUND))?;
        measured.add(done, server.cpu()?.saturating_sub(before));
    }
    // The network's own limit: as many bytes of a server that has nothing to do for them.
    let bare = beside("bare", &length.to_string())?;
    let mut limit = Measured::default();
    let mut load = sender.block_on(Load::over(1, bare.address, vec![request(bare.address, "Scan", "{}")?]))?;
    for _ in 0..ROUNDS {
        limit.add(sender.block_on(load.run(ROUND))?, Duration::ZERO);
    }
    // A page has 1 MB of items, whatever their JSON comes to.
    let (speed, most) = (measured.rate() * 1.048, limit.rate() * 1.048);
    let shown = format!("{speed:.0} MB/s");
    let verdict = format!("limit 200 MB/s: {}; a bare server sends {most:.0}", table::at_least(speed, 200.0, " MB/s"));
    table::single("Scan, one connection", &shown, &verdict);
    Ok(())
}

/// How long after a write's answer its record is in the stream.
fn streams(binary: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, None)?;
    let address = server.address;
    create(address, "streamed", r#","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}"#)?;
    let arn = between(&call(address, "DescribeTable", r#"{"TableName":"streamed"}"#)?, "\"LatestStreamArn\":\"", "\"")?;
    let key = Key::test();
    let ask = |operation: &str, body: &str| -> Result<String, Failed> {
        let client = Client { address, key: &key };
        must(address, &client.json("dynamodb", &format!("DynamoDBStreams_20120810.{operation}"), body)?)
    };
    let shard = between(&ask("DescribeStream", &format!(r#"{{"StreamArn":"{arn}"}}"#))?, "\"ShardId\":\"", "\"")?;
    let from = format!(r#"{{"StreamArn":"{arn}","ShardId":"{shard}","ShardIteratorType":"LATEST"}}"#);
    let mut iterator = between(&ask("GetShardIterator", &from)?, "\"ShardIterator\":\"", "\"")?;
    let mut took = Vec::new();
    for n in 0..500 {
        call(address, "PutItem", &format!(r#"{{"TableName":"streamed","Item":{}}}"#, item(n, 16)))?;
        let acknowledged = Instant::now();
        loop {
            let page = ask("GetRecords", &format!(r#"{{"ShardIterator":"{iterator}"}}"#))?;
            iterator = between(&page, "\"NextShardIterator\":\"", "\"")?;
            if page.contains("\"eventName\"") {
                break;
            }
        }
        took.push(acknowledged.elapsed());
    }
    let milliseconds = worst_of_a_hundred(&mut took).as_secs_f64() * 1e3;
    let verdict = format!("limit 5 ms: {}", table::at_most(milliseconds, 5.0, " ms"));
    table::single("stream record after the write, p99", &format!("{milliseconds:.2} ms"), &verdict);
    Ok(())
}

fn worst_of_a_hundred(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

/// The latency of `GetItem` among few items and among many, and the memory that those take.
fn latency(sender: &Runtime, binary: &Path, folder: &Path) -> Result<(), Failed> {
    let mut found = Vec::new();
    for items in [FEW_ITEMS, MANY_ITEMS] {
        let server = cloud::start(binary, Some(&folder.join(format!("items-{items}"))))?;
        create(server.address, "items", "")?;
        say(&format!("writing {items} items"));
        let began = Instant::now();
        sender.block_on(fill(server.address, "items", items, 64))?;
        say(&format!("written in {:.0} s", began.elapsed().as_secs_f64()));
        std::thread::sleep(Duration::from_secs(3));
        let mut took = sender.block_on(readings(server.address, items))?;
        found.push((worst_of_a_hundred(&mut took), server.memory()? >> 20));
    }
    let [few, many] = [found[0], found[1]];
    let share = many.0.as_secs_f64() / few.0.as_secs_f64();
    table::single(&format!("GetItem, p99, {FEW_ITEMS} items"), &format!("{:?}", few.0), "");
    let verdict = format!("{share:.2} ×, limit 2 ×: {}", table::at_most(share, 2.0, " ×"));
    table::single(&format!("GetItem, p99, {MANY_ITEMS} items"), &format!("{:?}", many.0), &verdict);
    #[expect(clippy::cast_precision_loss, reason = "mebibytes are exact in a double")]
    table::single(
        &format!("memory with {MANY_ITEMS} items"),
        &format!("{} MiB", many.1),
        &format!("limit 300 MiB: {}", table::at_most(many.1 as f64, 300.0, " MiB")),
    );
    Ok(())
}

async fn readings(address: SocketAddr, items: u64) -> Result<Vec<Duration>, Failed> {
    let mut connection = Connection::open(address).await?;
    let mut took = Vec::with_capacity(READINGS);
    for n in 0..READINGS as u64 {
        // Steps of a prime spread over all of them.
        let id = n * 7_919_993 % items;
        let body = format!(r#"{{"TableName":"items","Key":{{"pk":{{"S":"{id}"}},"sk":{{"N":"0"}}}}}}"#);
        let request = request(address, "GetItem", &body)?;
        let started = Instant::now();
        let length = connection.ask(&request).await?;
        took.push(started.elapsed());
        // The head and an empty answer would be shorter.
        if length < 128 {
            return Err(Failed::Said(format!("the item {id} is not there")));
        }
    }
    Ok(took)
}
