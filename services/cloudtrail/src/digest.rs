//! Digest files: each hour, what log files were delivered and what they hash to, signed and chained.
//!
//! A digest covers the files that were delivered since the one before. The first one after logging began (or validation) begins a chain. A
//! region in which nothing was ever logged has no digests, but for the trail's home.
//!
//! Source: "CloudTrail digest file structure" in the user guide, and what `aws cloudtrail validate-logs` checks.

use std::time::Duration;

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Next, Result, Task};

use crate::deliver::{code, folder, put_file, sha256};
use crate::name::TrailName;
use crate::rows::{STATUS, TRAILS, Trail, moment};
use crate::{SERVICE, keys};

/// What the task is called.
pub(crate) const KIND: &str = "digest";

const HOUR: Duration = Duration::from_secs(60 * 60);
const HOUR_MILLIS: i64 = 60 * 60 * 1000;
/// A digest that could not be delivered comes after so long.
const AGAIN: Duration = Duration::from_secs(5 * 60);

/// Account, home region, name of a trail; account and region of the events: the last digest.
static CHAINS: Table<Chain> = Table::new("cloudtrail.chains");
/// The same with a number: files that no digest has yet.
static FILES: Table<File> = Table::new("cloudtrail.files");

/// A file that was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct File {
    #[n(0)]
    pub(crate) bucket: String,
    #[n(1)]
    pub(crate) key: String,
    /// SHA-256 of what is zipped in it.
    #[n(2)]
    pub(crate) hash: String,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) oldest: i64,
    #[n(4)]
    pub(crate) newest: i64,
}

/// How far the digests of an account and region are.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Chain {
    /// Up to when they go.
    #[n(0)]
    end: i64,
    /// The last one; `None`: there is none yet.
    #[n(1)]
    last: Option<Last>,
    /// The number of the next file.
    #[n(2)]
    next: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Last {
    #[n(0)]
    bucket: String,
    #[n(1)]
    key: String,
    #[n(2)]
    hash: String,
    #[n(3)]
    signature: String,
}

fn task(name: &TrailName) -> String {
    format!("{KIND} {}", name.arn())
}

/// Begins the digests of a trail that logs and is to be validated, or ends them. `anew`: the chain begins again.
pub(crate) fn schedule_if_wanted(cx: &Cx, tx: &mut Tx<'_>, trail: &Trail, anew: bool) -> Result<()> {
    let name = trail.named();
    if !trail.logging || !trail.validated {
        return forget(cx, tx, &name);
    }
    if anew {
        forget(cx, tx, &name)?;
        let chain = Chain { end: cx.now_millis(), last: None, next: 0 };
        CHAINS.put(tx, &(name.key(), cx.account(), cx.region()), &chain);
        cx.tasks().schedule(cx, tx, SERVICE, &task(&name), KIND, name.arn(), cx.now() + HOUR)?;
    }
    Ok(())
}

/// Ends the digests of a trail.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, name: &TrailName) -> Result<()> {
    CHAINS.clear(tx, &(name.key(),))?;
    FILES.clear(tx, &(name.key(),))?;
    cx.tasks().cancel(tx, SERVICE, &task(name))
}

/// A file was delivered: the next digest has it.
pub(crate) fn add(cx: &Cx, tx: &mut Tx<'_>, trail: &Trail, of: (&str, &str), file: &File) -> Result<()> {
    if !trail.validated || !trail.logging {
        return Ok(());
    }
    let name = trail.named();
    let key = (name.key(), of.0, of.1);
    let begun = || Chain { end: cx.now_millis().div_euclid(HOUR_MILLIS) * HOUR_MILLIS, last: None, next: 0 };
    let mut chain = CHAINS.get(tx, &key)?.unwrap_or_else(begun);
    FILES.put(tx, &(key, chain.next), file);
    chain.next += 1;
    CHAINS.put(tx, &key, &chain);
    Ok(())
}

fn seconds(millis: i64) -> String {
    text::timestamp(moment(millis.div_euclid(1000) * 1000), TimestampFormat::Iso8601)
}

/// Delivers the digests of the last hour, one an account and region.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(name) = TrailName::parse(&task.payload) else { return Ok(Next::Done) };
    let Some(trail) = TRAILS.get(&cx.read(), &name.key())? else { return Ok(Next::Done) };
    if !trail.logging || !trail.validated {
        return Ok(Next::Done);
    }
    let mut outcome = Ok(());
    for entry in CHAINS.all(&cx.read(), &(name.key(),))? {
        let Some((_, _, _, account, region)) = entry.key::<(String, String, String, String, String)>() else {
            continue;
        };
        outcome = deliver(cx, &trail, (&account, &region), entry.row).await;
        if outcome.is_err() {
            break;
        }
    }
    let failed = code(&outcome);
    let now = cx.refreshed();
    now.write(|tx| {
        let mut status = STATUS.get(tx, &name.key())?.unwrap_or_default();
        status.digests.note(now.now_millis(), failed.clone());
        STATUS.put(tx, &name.key(), &status);
        Ok(())
    })
    .await?;
    Ok(Next::Again(moment(task.due) + if failed.is_some() { AGAIN } else { HOUR }))
}

async fn deliver(cx: &Cx, trail: &Trail, (account, region): (&str, &str), chain: Chain) -> Result<()> {
    let name = trail.named();
    let place = (name.key(), account, region);
    let end = cx.now_millis().div_euclid(1000) * 1000;
    if chain.end >= end {
        return Ok(());
    }
    let signing = keys::current(&cx.elsewhere(&trail.account, region)).await?;
    let files = FILES.page(&cx.read(), &place, None::<&()>, Order::Ascending, usize::MAX)?;
    let key = key(trail, account, region, end);
    let rows: Vec<&File> = files.iter().map(|entry| &entry.row).collect();
    let mut digest = document(account, (chain.end, end), &rows, chain.last.as_ref());
    digest["digestS3Bucket"] = json!(trail.bucket);
    digest["digestS3Object"] = json!(key);
    digest["digestPublicKeyFingerprint"] = json!(signing.fingerprint);
    let content = digest.to_string();
    let hash = sha256(content.as_bytes());
    let before = chain.last.as_ref().map_or("null", |last| last.signature.as_str());
    let signature = signing.sign(&format!("{}\n{}/{key}\n{hash}\n{before}", seconds(end), trail.bucket))?;
    let metadata = json!({"signature": signature, "signature-algorithm": "SHA256withRSA"});
    put_file(cx, trail, &key, content.as_bytes(), Some(metadata)).await?;
    let last = Last { bucket: trail.bucket.clone(), key, hash, signature };
    cx.write(|tx| {
        // Who stopped it meanwhile has no chain any more.
        let Some(now) = CHAINS.get(tx, &place)? else { return Ok(()) };
        CHAINS.put(tx, &place, &Chain { end, last: Some(last.clone()), next: now.next });
        for entry in &files {
            if let Some((.., number)) = entry.key::<(String, String, String, String, String, i64)>() {
                FILES.delete(tx, &(place, number));
            }
        }
        Ok(())
    })
    .await
}

/// `…/CloudTrail-Digest/us-east-1/2026/11/27/111122223333_CloudTrail-Digest_us-east-1_name_us-east-1_20261127T193000Z.json.gz`
fn key(trail: &Trail, account: &str, region: &str, end: i64) -> String {
    let at = moment(end);
    let (day, stamp) = (at.strftime("%Y/%m/%d"), at.strftime("%Y%m%dT%H%M%SZ"));
    let (name, home) = (&trail.name, &trail.region);
    let folder = folder(trail, account, "CloudTrail-Digest");
    format!("{folder}/{region}/{day}/{account}_CloudTrail-Digest_{region}_{name}_{home}_{stamp}.json.gz")
}

fn document(account: &str, (start, end): (i64, i64), files: &[&File], before: Option<&Last>) -> Json {
    let file = |file: &&File| {
        json!({
            "s3Bucket": file.bucket, "s3Object": file.key, "hashValue": file.hash, "hashAlgorithm": "SHA-256",
            "newestEventTime": seconds(file.newest), "oldestEventTime": seconds(file.oldest),
        })
    };
    json!({
        "awsAccountId": account,
        "digestStartTime": seconds(start),
        "digestEndTime": seconds(end),
        "digestS3Bucket": null,
        "digestS3Object": null,
        "digestPublicKeyFingerprint": null,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": files.iter().map(|file| file.newest).max().map(seconds),
        "oldestEventTime": files.iter().map(|file| file.oldest).min().map(seconds),
        "previousDigestS3Bucket": before.map(|last| &last.bucket),
        "previousDigestS3Object": before.map(|last| &last.key),
        "previousDigestHashValue": before.map(|last| &last.hash),
        "previousDigestHashAlgorithm": before.map(|_| "SHA-256"),
        "previousDigestSignature": before.map(|last| &last.signature),
        "logFiles": files.iter().map(file).collect::<Vec<_>>(),
    })
}
