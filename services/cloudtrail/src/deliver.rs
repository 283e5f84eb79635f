//! Delivery: files of events into the bucket of a trail, a notification of each, and the events into a log group.
//!
//! A trail's task runs five minutes after the first event that waits, as AWS does on average. What cannot be delivered waits for the
//! next attempt; a crash between a file and the forgetting of its events delivers these once more, which AWS does not rule out
//! either.
//!
//! Source: "CloudTrail log file name format", "Sending events to CloudWatch Logs" and "Configuring Amazon SNS notifications" in the user
//! guide.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Order, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Body, Bytes, Cx, Failure, Next, Result, Task, Timestamp};

use crate::digest::{self, File};
use crate::name::TrailName;
use crate::rows::{PENDING, STATUS, Status, TRAILS, Trail, Tried, moment};
use crate::{PRINCIPAL, SERVICE};

/// What the task is called.
pub(crate) const KIND: &str = "deliver";

/// Events wait so long for others to go with them.
const WAIT: Duration = Duration::from_secs(5 * 60);
/// What could not be delivered waits so long for the next attempt.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// A file has so many events at most.
const MOST: usize = 2_000;
/// So many events are put into a log group at once, and so many bytes of them. The limit is 1 MiB with 26 bytes an event.
const MOST_LINES: usize = 1_000;
const MOST_BYTES: usize = 900_000;

fn task(name: &TrailName) -> String {
    format!("{KIND} {}", name.arn())
}

/// Has what waits for a trail delivered. `cx`: where the trail is at home.
pub(crate) fn schedule(cx: &Cx, tx: &mut Tx<'_>, name: &TrailName) -> Result<()> {
    let due = cx.now() + WAIT;
    cx.tasks().schedule_sooner(cx, tx, SERVICE, &task(name), KIND, name.arn(), due)
}

pub(crate) fn cancel(cx: &Cx, tx: &mut Tx<'_>, name: &TrailName) -> Result<()> {
    cx.tasks().cancel(tx, SERVICE, &task(name))
}

/// The folder of an account's files of one kind: `prefix/AWSLogs/o-…/111122223333/CloudTrail`.
pub(crate) fn folder(trail: &Trail, account: &str, kind: &str) -> String {
    let prefix = trail.prefix.as_ref().map_or(String::new(), |prefix| format!("{prefix}/"));
    let of = trail.organization_id.as_ref().map_or(String::new(), |id| format!("{id}/"));
    format!("{prefix}AWSLogs/{of}{account}/{kind}")
}

/// The folders into which a trail's files will go, as far as they are known beforehand.
pub(crate) fn folders(trail: &Trail) -> Vec<String> {
    let mut all = vec![folder(trail, &trail.account, "CloudTrail")];
    if trail.validated {
        all.push(folder(trail, &trail.account, "CloudTrail-Digest"));
    }
    all
}

/// What is asked of S3 to put a file of `length` bytes.
pub(crate) fn put(trail: &Trail, key: &str, length: usize) -> Json {
    let mut input = json!({
        "Bucket": trail.bucket,
        "Key": key,
        "ACL": "bucket-owner-full-control",
        "ContentType": "application/json",
        "ContentEncoding": "gzip",
        "ContentLength": length,
    });
    if let Some(key) = &trail.kms {
        let context = json!({"aws:cloudtrail:arn": trail.named().arn()}).to_string();
        input["ServerSideEncryption"] = json!("aws:kms");
        input["SSEKMSKeyId"] = json!(key);
        input["SSEKMSEncryptionContext"] = json!(text::base64(context.as_bytes()));
    }
    input
}

pub(crate) fn zipped(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).and_then(|()| encoder.finish()).map_err(Failure::broken)
}

pub(crate) fn sha256(content: &[u8]) -> String {
    text::hex_encode(&Sha256::digest(content))
}

/// CloudTrail in its own name, for the sake of a trail.
pub(crate) fn own(cx: &Cx, name: &TrailName) -> Cx {
    name.home(cx).as_service(PRINCIPAL, Some(&name.arn()))
}

/// The code of what an attempt met with; what breaks here is not told to users, and is tried again.
pub(crate) fn code(result: &Result<()>) -> Option<String> {
    match result {
        Ok(()) => None,
        Err(Failure::Aws(error)) => Some(error.code.to_string()),
        Err(failure) => Some(failure.to_string()),
    }
}

/// Puts a file into the bucket of a trail.
pub(crate) async fn put_file(cx: &Cx, trail: &Trail, key: &str, content: &[u8], metadata: Option<Json>) -> Result<()> {
    let zipped = zipped(content)?;
    let mut input = put(trail, key, zipped.len());
    if let Some(metadata) = metadata {
        input["Metadata"] = metadata;
    }
    let body = Body::from(Bytes::from(zipped));
    own(cx, &trail.named()).call_with_body("s3", "PutObject", input, Some(body)).await?;
    Ok(())
}

/// `20261127T1930Z`
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%MZ").to_string()
}

/// Where a file of an account's events in a region goes. `kind`: `CloudTrail` or `CloudTrail-Insight`.
pub(crate) fn file_key(cx: &Cx, trail: &Trail, kind: &str, account: &str, region: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (now, unique) = (cx.now(), cx.random().text(16, LETTERS));
    let day = now.strftime("%Y/%m/%d");
    format!("{}/{region}/{day}/{account}_{kind}_{region}_{}_{unique}.json.gz", folder(trail, account, kind), stamp(now))
}

/// An event that waits.
struct Event {
    account: String,
    region: String,
    at: i64,
    id: String,
    text: String,
}

/// The events that wait longest, of one account and region.
fn next(cx: &Cx, name: &TrailName) -> Result<Vec<Event>> {
    let page = PENDING.page(&cx.read(), &(name.key(),), None::<&()>, Order::Ascending, MOST)?;
    let mut all: Vec<Event> = Vec::new();
    for entry in page {
        type Key = (String, String, String, String, String, i64, String);
        let Some((_, _, _, account, region, at, id)) = entry.key::<Key>() else { continue };
        if all.first().is_some_and(|first| first.account != account || first.region != region) {
            break;
        }
        all.push(Event { account, region, at, id, text: entry.row });
    }
    Ok(all)
}

/// Delivers what waits, file by file.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(name) = TrailName::parse(&task.payload) else { return Ok(Next::Done) };
    loop {
        let now = cx.refreshed();
        let Some(trail) = TRAILS.get(&now.read(), &name.key())? else { return Ok(Next::Done) };
        let events = next(&now, &name)?;
        let Some(first) = events.first() else { return Ok(Next::Done) };
        let key = file_key(&now, &trail, "CloudTrail", &first.account, &first.region);
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        let content = format!("{{\"Records\":[{}]}}", texts.join(","));
        let put = put_file(&now, &trail, &key, content.as_bytes(), None).await;
        let failed = code(&put);
        let mut tried = Vec::new();
        if failed.is_none() {
            tried.push((Way::Notifications, notify(&now, &trail, &key).await));
            tried.push((Way::Logs, log(&now, &trail, &events).await));
        }
        let file = File {
            bucket: trail.bucket.clone(),
            key,
            hash: sha256(content.as_bytes()),
            oldest: events.iter().map(|event| event.at).min().unwrap_or_default(),
            newest: events.iter().map(|event| event.at).max().unwrap_or_default(),
        };
        now.write(|tx| {
            let mut status = STATUS.get(tx, &name.key())?.unwrap_or_default();
            status.files.note(now.now_millis(), failed.clone());
            tried.iter().for_each(|(way, outcome)| way.note(&mut status, now.now_millis(), outcome));
            STATUS.put(tx, &name.key(), &status);
            if failed.is_none() {
                for event in &events {
                    PENDING.delete(tx, &(name.key(), &event.account, &event.region, event.at, &event.id));
                }
                digest::add(&now, tx, &trail, (&first.account, &first.region), &file)?;
            }
            Ok(())
        })
        .await?;
        if failed.is_some() {
            return Ok(Next::Again(now.now() + AGAIN));
        }
    }
}

/// Ways by which a delivery is told of.
#[derive(Clone, Copy)]
enum Way {
    Notifications,
    Logs,
}

impl Way {
    /// `None`: the trail has nobody to tell so.
    fn note(self, status: &mut Status, at: i64, outcome: &Option<Result<()>>) {
        let tried: &mut Tried = match self {
            Self::Notifications => &mut status.notifications,
            Self::Logs => &mut status.logs,
        };
        if let Some(outcome) = outcome {
            tried.note(at, code(outcome));
        }
    }
}

/// Tells the topic of a trail of a file.
async fn notify(cx: &Cx, trail: &Trail, key: &str) -> Option<Result<()>> {
    let topic = trail.topic.as_ref()?;
    let message = json!({"s3Bucket": trail.bucket, "s3ObjectKey": [key]}).to_string();
    let arn = Arn::parse(topic)?;
    let there = own(cx, &trail.named()).elsewhere(&arn.account, &arn.region);
    Some(there.call("sns", "Publish", json!({"TopicArn": topic, "Message": message})).await.map(drop))
}

/// The name of a log group, from its ARN.
pub(crate) fn group_name(arn: &str) -> Option<String> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "logs")?;
    let rest = arn.resource.strip_prefix("log-group:")?;
    let name = rest.strip_suffix(":*").unwrap_or(rest);
    (!name.is_empty() && !name.contains(':')).then(|| name.to_owned())
}

/// The stream into which an account's events of a region go.
pub(crate) struct Stream {
    /// Where the group is, as the role that was given for it.
    there: Cx,
    group: String,
    name: String,
}

impl Stream {
    /// `None`: the trail has no log group.
    pub(crate) fn of(cx: &Cx, trail: &Trail, account: &str, region: &str) -> Option<Self> {
        let (arn, role) = (trail.log_group.as_ref()?, trail.role.as_ref()?);
        let (group, arn) = (group_name(arn)?, Arn::parse(arn)?);
        let there = cx.elsewhere(&arn.account, &arn.region);
        let there = there.as_role(PRINCIPAL, role, "CLOUDWATCH_LOGS_DELIVERY_SESSION");
        let of = trail.organization_id.as_ref().map_or(String::new(), |id| format!("{id}_"));
        Some(Self { there, group, name: format!("{of}{account}_CloudTrail_{region}") })
    }

    /// Makes it, unless it is there.
    pub(crate) async fn make(&self) -> Result<()> {
        let input = json!({"logGroupName": self.group, "logStreamName": self.name});
        match self.there.call("logs", "CreateLogStream", input).await {
            Err(Failure::Aws(error)) if error.code == "ResourceAlreadyExistsException" => Ok(()),
            made => made.map(drop),
        }
    }

    async fn put(&self, events: &[Event]) -> Result<()> {
        self.make().await?;
        let mut rest = events;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fit = rest.iter().take(MOST_LINES).take_while(|event| {
                bytes += event.text.len();
                bytes <= MOST_BYTES
            });
            let (now, later) = rest.split_at(fit.count().max(1));
            let lines: Vec<Json> = now.iter().map(|e| json!({"timestamp": e.at, "message": e.text})).collect();
            let input = json!({"logGroupName": self.group, "logStreamName": self.name, "logEvents": lines});
            self.there.call("logs", "PutLogEvents", input).await?;
            rest = later;
        }
        Ok(())
    }
}

/// Puts events into the log group of a trail.
async fn log(cx: &Cx, trail: &Trail, events: &[Event]) -> Option<Result<()>> {
    let first = events.first()?;
    let stream = Stream::of(cx, trail, &first.account, &first.region)?;
    Some(stream.put(events).await)
}

/// Has what waits delivered now: a trail that stops logging has nothing to wait for.
pub(crate) fn hurry(cx: &Cx, tx: &mut Tx<'_>, name: &TrailName) -> Result<()> {
    if PENDING.page(tx, &(name.key(),), None::<&()>, Order::Ascending, 1)?.is_empty() {
        return Ok(());
    }
    cx.tasks().schedule(cx, tx, SERVICE, &task(name), KIND, name.arn(), moment(cx.now_millis()))
}
