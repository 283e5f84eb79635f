//! Queues of SQS: beside what the store can do, beside moto, with nothing waiting and with a million messages.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Failed;
use crate::cloud;
use crate::limit::{Limit, Shape};
use crate::load::{CONNECTIONS, Connection, must};
use crate::plan::{Folder, ROUND, ROUNDS};
use crate::server::Server;
use crate::signed::{Client, Key};
use crate::table::{self, Measured};

/// Bytes of a message.
const BODY: usize = 1024;
/// Messages of the row of a full queue.
const WAITING: u64 = 1_000_000;
/// Readings of a latency.
pub(crate) const READINGS: usize = 1000;

/// A request of an API that speaks JSON.
pub(crate) fn request(address: SocketAddr, service: &str, target: &str, body: &Json) -> Result<Vec<u8>, Failed> {
    let key = Key::test();
    Client { address, key: &key }.json(service, target, &body.to_string())
}

/// A call that must succeed.
pub(crate) fn call(address: SocketAddr, service: &str, target: &str, body: &Json) -> Result<Json, Failed> {
    let answer = must(address, &request(address, service, target, body)?)?;
    if answer.is_empty() { Ok(Json::Null) } else { parsed(&answer) }
}

fn parsed(answer: &str) -> Result<Json, Failed> {
    serde_json::from_str(answer).map_err(|_| Failed::Said(format!("an answer is not JSON: {answer}")))
}

/// Who talks to a server over one connection.
pub(crate) struct Talk {
    address: SocketAddr,
    connection: Connection,
}

impl Talk {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failed> {
        Ok(Self { address, connection: Connection::open(address).await? })
    }

    pub(crate) async fn call(&mut self, service: &str, target: &str, body: &Json) -> Result<Json, Failed> {
        let request = request(self.address, service, target, body)?;
        let answer = self.connection.ask_for_body(&request).await?;
        if answer.is_empty() { Ok(Json::Null) } else { parsed(&answer) }
    }

    async fn sqs(&mut self, operation: &str, body: &Json) -> Result<Json, Failed> {
        self.call("sqs", &format!("AmazonSQS.{operation}"), body).await
    }
}

/// Makes a queue and gives its URL.
pub(crate) fn queue(address: SocketAddr, name: &str) -> Result<String, Failed> {
    let made = call(address, "sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name}))?;
    let url = made["QueueUrl"].as_str().map(ToOwned::to_owned);
    url.ok_or_else(|| Failed::Said("a queue has no URL".to_owned()))
}

fn message() -> String {
    "m".repeat(BODY)
}

/// Sends so many messages with one call.
async fn send(talk: &mut Talk, queue: &str, batch: usize) -> Result<(), Failed> {
    if batch == 1 {
        return talk.sqs("SendMessage", &json!({"QueueUrl": queue, "MessageBody": message()})).await.map(drop);
    }
    let entries: Vec<Json> = (0..batch).map(|n| json!({"Id": n.to_string(), "MessageBody": message()})).collect();
    let answer = talk.sqs("SendMessageBatch", &json!({"QueueUrl": queue, "Entries": entries})).await?;
    let sent = answer["Successful"].as_array().map_or(0, Vec::len);
    if sent == batch { Ok(()) } else { Err(Failed::Said(format!("a batch was refused: {answer}"))) }
}

/// Receives at most so many messages and deletes them. Says how many there were.
async fn take(talk: &mut Talk, queue: &str, batch: usize) -> Result<usize, Failed> {
    let input = json!({"QueueUrl": queue, "MaxNumberOfMessages": batch});
    let received = talk.sqs("ReceiveMessage", &input).await?;
    let handles: Vec<&Json> =
        received["Messages"].as_array().into_iter().flatten().map(|one| &one["ReceiptHandle"]).collect();
    match handles.as_slice() {
        [] => {}
        [handle] if batch == 1 => {
            talk.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": handle})).await?;
        }
        all => {
            let entry = |(n, handle): (usize, &&Json)| json!({"Id": n.to_string(), "ReceiptHandle": handle});
            let entries: Vec<Json> = all.iter().enumerate().map(entry).collect();
            talk.sqs("DeleteMessageBatch", &json!({"QueueUrl": queue, "Entries": entries})).await?;
        }
    }
    Ok(handles.len())
}

/// What each connection does, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Sends, receives and deletes.
    All,
    Sending,
    /// Receives and deletes.
    Taking,
}

/// Has connections do something with batches for a while. Says how many messages that were.
async fn busy(
    address: SocketAddr,
    queue: &str,
    (doing, batch, connections): (Doing, usize, usize),
    span: Duration,
) -> Result<(u64, Duration), Failed> {
    let mut talks = Vec::new();
    for _ in 0..connections {
        talks.push(Talk::open(address).await?);
    }
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut talk in talks {
        let queue = queue.to_owned();
        running.spawn(async move {
            let mut done = 0;
            while began.elapsed() < span {
                if doing != Doing::Taking {
                    send(&mut talk, &queue, batch).await?;
                }
                let taken = if doing == Doing::Sending { batch } else { take(&mut talk, &queue, batch).await? };
                done += taken as u64;
            }
            Ok::<u64, Failed>(done)
        });
    }
    let mut all = 0;
    while let Some(ended) = running.join_next().await {
        all += ended.map_err(|_| Failed::Said("a connection ended early".to_owned()))??;
    }
    Ok((all, began.elapsed()))
}

/// Measures queues and prints their rows.
pub(crate) fn run(
    sender: &Runtime,
    workers: &Runtime,
    binary: &Path,
    moto: &Path,
    folder: &Folder,
) -> Result<(), Failed> {
    let durable = cloud::start(binary, Some(&folder.0.join("queues")))?;
    let moto = Server::start_quietly(
        moto,
        |address| ["-H", "127.0.0.1", "-p", &address.port().to_string()].map(ToOwned::to_owned).to_vec(),
        |address| request(address, "sqs", "AmazonSQS.ListQueues", &json!({})).unwrap_or_default(),
    )?;
    let store = Limit::open(&folder.0.join("limit-of-queues"))?;
    for batch in [1, 10] {
        around(sender, workers, (&durable, &moto, &store), batch)?;
    }
    drop((durable, moto));
    in_memory(sender, binary)?;
    waking(sender, binary)?;
    full(sender, binary, folder)
}

/// Messages that are sent, received and deleted.
fn around(
    sender: &Runtime,
    workers: &Runtime,
    (durable, moto, store): (&Server, &Server, &Limit),
    batch: usize,
) -> Result<(), Failed> {
    let queues = (queue(durable.address, &format!("around{batch}"))?, queue(moto.address, &format!("around{batch}"))?);
    let (mut limit, mut ours, mut theirs) = (Measured::default(), Measured::default(), Measured::default());
    for _ in 0..ROUNDS {
        limit.add(workers.block_on(store.run(Shape::Messages(batch as u64), ROUND))?, Duration::ZERO);
        let before = durable.cpu()?;
        let work = (Doing::All, batch, CONNECTIONS);
        let done = sender.block_on(busy(durable.address, &queues.0, work, ROUND))?;
        ours.add(done, durable.cpu()?.saturating_sub(before));
        // It serves one call at a time, and breaks under many connections.
        theirs.add(sender.block_on(busy(moto.address, &queues.1, (Doing::All, batch, 4), ROUND))?, Duration::ZERO);
    }
    // A message is written three times: sent, received, deleted, each batch by one call.
    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    let share = ours.rate() * 3.0 / batch as f64 / limit.rate();
    let name = format!("SQS send, receive, delete, durable, by {batch}");
    table::object(&name, &format!("{:.0}/s", ours.rate()), Some((share, 0.5)), Some((ours.cost(), None)));
    let beside = ours.rate() / theirs.rate();
    table::single(
        "  of moto, in memory",
        &format!("{beside:.1} ×"),
        &format!("limit 10 ×: {}", table::at_least(beside, 10.0, " ×")),
    );
    Ok(())
}

/// What a send costs in memory, and what a receive with its deletion.
fn in_memory(sender: &Runtime, binary: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, None)?;
    let queue = queue(server.address, "memory")?;
    for (name, doing, most) in
        [("SQS send, in memory", Doing::Sending, 20.0), ("SQS receive and delete, in memory", Doing::Taking, 50.0)]
    {
        let mut measured = Measured::default();
        // What is taken has to be there: fewer rounds than were sent in.
        for _ in 0..if doing == Doing::Sending { ROUNDS } else { ROUNDS / 3 } {
            let before = server.cpu()?;
            let done = sender.block_on(busy(server.address, &queue, (doing, 1, CONNECTIONS), ROUND))?;
            measured.add(done, server.cpu()?.saturating_sub(before));
        }
        table::object(name, &format!("{:.0}/s", measured.rate()), None, Some((measured.cost(), Some(most))));
    }
    Ok(())
}

/// The worst of a hundred, in milliseconds.
pub(crate) fn worst(took: &mut [Duration]) -> f64 {
    took.sort_unstable();
    took.get(took.len() * 99 / 100).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

/// How long after a send's answer one that waits for it has its own.
fn waking(sender: &Runtime, binary: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, None)?;
    let queue = queue(server.address, "waking")?;
    let took = sender.block_on(async {
        let (mut waits, mut sends) = (Talk::open(server.address).await?, Talk::open(server.address).await?);
        let mut took = Vec::new();
        for _ in 0..READINGS {
            let waiting = json!({"QueueUrl": queue, "WaitTimeSeconds": 20});
            let wakes = async {
                let received = waits.sqs("ReceiveMessage", &waiting).await?;
                Ok::<_, Failed>((Instant::now(), received["Messages"][0]["ReceiptHandle"].clone()))
            };
            let wakens = async {
                tokio::time::sleep(Duration::from_millis(3)).await;
                send(&mut sends, &queue, 1).await?;
                Ok::<_, Failed>(Instant::now())
            };
            let (woken, sent) = tokio::join!(wakes, wakens);
            let (woken, handle) = woken?;
            took.push(woken.saturating_duration_since(sent?));
            sends.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": handle})).await?;
        }
        Ok::<_, Failed>(took)
    });
    let milliseconds = worst(&mut took?);
    let verdict = format!("limit 2 ms: {}", table::at_most(milliseconds, 2.0, " ms"));
    table::single("SQS long poll, after the send's answer, p99", &format!("{milliseconds:.2} ms"), &verdict);
    Ok(())
}

/// A queue with a million messages, beside one with none.
fn full(sender: &Runtime, binary: &Path, folder: &Folder) -> Result<(), Failed> {
    let server = cloud::start(binary, Some(&folder.0.join("full")))?;
    let (empty, full) = (queue(server.address, "empty")?, queue(server.address, "full")?);
    let mut sent = 0;
    while sent < WAITING {
        let work = (Doing::Sending, 10, CONNECTIONS);
        sent += sender.block_on(busy(server.address, &full, work, Duration::from_secs(2)))?.0;
    }
    let mut measured = [Measured::default(); 2];
    for _ in 0..ROUNDS {
        for (of, queue) in measured.iter_mut().zip([&empty, &full]) {
            let work = (Doing::All, 1, CONNECTIONS);
            of.add(sender.block_on(busy(server.address, queue, work, ROUND))?, Duration::ZERO);
        }
    }
    let slower = measured[0].rate() / measured[1].rate();
    let verdict = format!("limit 1.5 ×: {}", table::at_most(slower, 1.5, " ×"));
    table::single("SQS, a million waiting, slower than none", &format!("{slower:.2} ×"), &verdict);
    #[expect(clippy::cast_precision_loss, reason = "a memory's size is exact in a double")]
    let memory = server.most_memory()? as f64 / f64::from(1 << 20);
    let verdict = format!("limit 200 MiB: {}", table::at_most(memory, 200.0, " MiB"));
    table::single("  and the most memory that it took", &format!("{memory:.0} MiB"), &verdict);
    Ok(())
}
