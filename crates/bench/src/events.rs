//! Events and records: EventBridge to a queue, SNS to many, Kinesis in and out.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::Failed;
use crate::cloud;
use crate::load::{self, must};
use crate::messages::{READINGS, Talk, call, queue, request, worst};
use crate::plan::{Folder, ROUND, ROUNDS};
use crate::signed::{Client, Key};
use crate::table::{self, Measured, say};

/// Queues of a topic.
const QUEUES: usize = 100;
/// Records of a call, and bytes of each.
const RECORDS: usize = 500;
const RECORD: usize = 1024;
const FEW_RULES: usize = 10;
const MANY_RULES: usize = 10_000;

fn arn_of_queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// Has a queue take what anybody sends.
fn open_to_all(address: SocketAddr, url: &str, name: &str) -> Result<(), Failed> {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn_of_queue(name)}]});
    let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}});
    call(address, "sqs", "AmazonSQS.SetQueueAttributes", &input).map(drop)
}

/// Measures all of it and prints its rows.
pub(crate) fn run(sender: &Runtime, binary: &Path, folder: &Folder) -> Result<(), Failed> {
    buses(sender, binary, folder)?;
    topics(sender, binary, folder)?;
    streams(sender, binary)
}

fn event(kind: usize) -> Json {
    json!({"Entries": [{"Source": "bench", "DetailType": format!("kind{kind}"), "Detail": "{\"a\":{\"b\":[1,2,3]},\"c\":\"text\"}"}]})
}

fn rule(address: SocketAddr, number: usize) -> Result<(), Failed> {
    let pattern = json!({"source": ["bench"], "detail-type": [format!("kind{number}")]});
    let input = json!({"Name": format!("rule{number}"), "EventPattern": pattern.to_string(), "EventBusName": "bench"});
    call(address, "events", "AWSEvents.PutRule", &input).map(drop)
}

/// From an event to a queue, and what many rules cost.
fn buses(sender: &Runtime, binary: &Path, folder: &Folder) -> Result<(), Failed> {
    let server = cloud::start(binary, Some(&folder.0.join("buses")))?;
    let address = server.address;
    let (status, _) = load::ask(address, &request(address, "events", "AWSEvents.ListEventBuses", &json!({}))?)?;
    if status != 200 {
        say("EventBridge: not measured, this binary does not have it");
        return Ok(());
    }
    call(address, "events", "AWSEvents.CreateEventBus", &json!({"Name": "bench"}))?;
    let url = queue(address, "events")?;
    open_to_all(address, &url, "events")?;
    (0..FEW_RULES).try_for_each(|number| rule(address, number))?;
    let targets = json!([{"Id": "queue", "Arn": arn_of_queue("events")}]);
    let input = json!({"Rule": "rule0", "EventBusName": "bench", "Targets": targets});
    call(address, "events", "AWSEvents.PutTargets", &input)?;
    let milliseconds = worst(&mut sender.block_on(arrivals(address, &url))?);
    let verdict = format!("limit 5 ms: {}", table::at_most(milliseconds, 5.0, " ms"));
    table::single("EventBridge, from the put to a queue, p99", &format!("{milliseconds:.2} ms"), &verdict);
    // An event that no rule takes: what is measured is the matching.
    let few = sender.block_on(puts(address))?;
    (FEW_RULES..MANY_RULES).try_for_each(|number| rule(address, number))?;
    let many = sender.block_on(puts(address))?;
    let dearer = many.as_secs_f64() / few.as_secs_f64();
    let verdict = format!("limit 3 ×: {}", table::at_most(dearer, 3.0, " ×"));
    table::single("EventBridge, 10,000 rules beside 10", &format!("{dearer:.2} ×"), &verdict);
    Ok(())
}

fn on_bus(mut event: Json) -> Json {
    event["Entries"][0]["EventBusName"] = json!("bench");
    event
}

/// How long events take to a queue on which somebody waits.
async fn arrivals(address: SocketAddr, url: &str) -> Result<Vec<Duration>, Failed> {
    let (mut waits, mut puts) = (Talk::open(address).await?, Talk::open(address).await?);
    let mut took = Vec::new();
    for _ in 0..READINGS {
        let waiting = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
        let arrives = async {
            let received = waits.call("sqs", "AmazonSQS.ReceiveMessage", &waiting).await?;
            Ok::<_, Failed>((Instant::now(), received["Messages"][0]["ReceiptHandle"].clone()))
        };
        let sends = async {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let began = Instant::now();
            puts.call("events", "AWSEvents.PutEvents", &on_bus(event(0))).await?;
            Ok::<_, Failed>(began)
        };
        let (arrived, began) = tokio::join!(arrives, sends);
        let (arrived, handle) = arrived?;
        took.push(arrived.saturating_duration_since(began?));
        puts.call("sqs", "AmazonSQS.DeleteMessage", &json!({"QueueUrl": url, "ReceiptHandle": handle})).await?;
    }
    Ok(took)
}

/// How long a put takes, at the middle, of an event that no rule takes.
async fn puts(address: SocketAddr) -> Result<Duration, Failed> {
    let mut talk = Talk::open(address).await?;
    let mut took = Vec::new();
    for _ in 0..READINGS {
        let began = Instant::now();
        talk.call("events", "AWSEvents.PutEvents", &on_bus(event(MANY_RULES))).await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

/// One publication to many queues.
fn topics(sender: &Runtime, binary: &Path, folder: &Folder) -> Result<(), Failed> {
    let server = cloud::start(binary, Some(&folder.0.join("topics")))?;
    let address = server.address;
    let key = Key::test();
    let client = Client { address, key: &key };
    let topic = "arn:aws:sns:us-east-1:000000000000:bench".replace(':', "%3A");
    must(address, &client.form("sns", "Action=CreateTopic&Version=2010-03-31&Name=bench")?)?;
    for number in 0..QUEUES {
        let name = format!("fan{number}");
        open_to_all(address, &queue(address, &name)?, &name)?;
        let arn = arn_of_queue(&name).replace(':', "%3A");
        let form = format!("Action=Subscribe&Version=2010-03-31&TopicArn={topic}&Protocol=sqs&Endpoint={arn}");
        must(address, &client.form("sns", &form)?)?;
    }
    let publish = client.form("sns", &format!("Action=Publish&Version=2010-03-31&TopicArn={topic}&Message=text"))?;
    let mut took = sender.block_on(async {
        let mut connection = load::Connection::open(address).await?;
        let mut took = Vec::new();
        for _ in 0..READINGS / 5 {
            let began = Instant::now();
            connection.ask(&publish).await?;
            took.push(began.elapsed());
        }
        Ok::<_, Failed>(took)
    })?;
    // What was acknowledged has to be there.
    let url = queue(address, "fan99")?;
    let asked = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]});
    let mut there = 0;
    for _ in 0..100 {
        let told = call(address, "sqs", "AmazonSQS.GetQueueAttributes", &asked)?;
        let count = told["Attributes"]["ApproximateNumberOfMessages"].as_str().and_then(|count| count.parse().ok());
        there = count.unwrap_or(0);
        if there == READINGS / 5 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    if there != READINGS / 5 {
        return Err(Failed::Said(format!("a queue has {there} of {} messages", READINGS / 5)));
    }
    let milliseconds = worst(&mut took);
    let verdict = format!("limit 10 ms: {}", table::at_most(milliseconds, 10.0, " ms"));
    table::single("SNS to 100 queues, durable, p99", &format!("{milliseconds:.2} ms"), &verdict);
    Ok(())
}

/// Records into a stream and out of it, over one connection.
fn streams(sender: &Runtime, binary: &Path) -> Result<(), Failed> {
    let server = cloud::start(binary, None)?;
    let address = server.address;
    call(address, "kinesis", "Kinesis_20131202.CreateStream", &json!({"StreamName": "bench", "ShardCount": 1}))?;
    call(address, "kinesis", "Kinesis_20131202.DescribeStream", &json!({"StreamName": "bench"}))?;
    let data = undercast_wire::text::base64(&[b'r'; RECORD]);
    let record = |n: usize| json!({"PartitionKey": n.to_string(), "Data": data});
    let records: Vec<Json> = (0..RECORDS).map(record).collect();
    let put = request(
        address,
        "kinesis",
        "Kinesis_20131202.PutRecords",
        &json!({"StreamName": "bench", "Records": records}),
    )?;
    let from = json!({"StreamName": "bench", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let megabytes = |measured: &Measured, bytes: usize| {
        #[expect(clippy::cast_precision_loss, reason = "sizes of calls are exact in a double")]
        let bytes = bytes as f64;
        measured.rate() * bytes / 1e6
    };
    let mut written = Measured::default();
    let mut load = sender.block_on(load::Load::over(1, address, vec![put]))?;
    for _ in 0..ROUNDS {
        written.add(sender.block_on(load.run(ROUND))?, Duration::ZERO);
    }
    let speed = megabytes(&written, RECORDS * RECORD);
    let verdict = format!("limit 200 MB/s: {}", table::at_least(speed, 200.0, " MB/s"));
    table::single("Kinesis PutRecords, 500 × 1 KiB", &format!("{speed:.0} MB/s"), &verdict);
    // The same records again and again: an iterator is good for five minutes.
    let iterator = call(address, "kinesis", "Kinesis_20131202.GetShardIterator", &from)?["ShardIterator"].clone();
    let page = json!({"ShardIterator": iterator});
    let got = call(address, "kinesis", "Kinesis_20131202.GetRecords", &page)?;
    let count = got["Records"].as_array().map_or(0, Vec::len);
    let get = request(address, "kinesis", "Kinesis_20131202.GetRecords", &page)?;
    let mut read = Measured::default();
    let mut load = sender.block_on(load::Load::over(1, address, vec![get]))?;
    for _ in 0..ROUNDS {
        read.add(sender.block_on(load.run(ROUND))?, Duration::ZERO);
    }
    let speed = megabytes(&read, count * RECORD);
    let verdict = format!("limit 400 MB/s: {}", table::at_least(speed, 400.0, " MB/s"));
    table::single("Kinesis GetRecords", &format!("{speed:.0} MB/s"), &verdict);
    Ok(())
}
