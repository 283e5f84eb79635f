//! What CloudWatch is told of replication, for rules whose metrics are on: by the minute, while something is on its way.
//!
//! Source: "Using S3 Replication metrics" and "S3 Replication metrics in CloudWatch" in the user guide.

use std::collections::BTreeMap;

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Metric, Next, Result, Task, Timestamp};

use crate::replicate::WAYS;
use crate::replication::{Configuration, Rule, bucket_of};
use crate::rows::{BUCKETS, Bucket};
use crate::settings::Setting;
use crate::versions;

const MINUTE: i64 = 60 * 1000;

/// Something is on its way from the bucket by a rule whose metrics are on.
pub(crate) fn begin(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket) -> Result<()> {
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let id = format!("replication metrics {}", bucket.name);
    cx.tasks().schedule_sooner(&owner, tx, "s3", &id, "replication-metrics", bucket.name.clone(), next_minute(cx)?)
}

fn next_minute(cx: &Cx) -> Result<Timestamp> {
    let minute = cx.now_millis().div_euclid(MINUTE) + 1;
    Timestamp::from_millisecond(minute * MINUTE).map_err(Failure::broken)
}

/// What is on its way by a rule.
#[derive(Default)]
struct Underway {
    operations: f64,
    bytes: f64,
    /// When the one that takes longest began, in milliseconds since 1970.
    since: Option<i64>,
}

/// The metrics of a rule.
struct OfRule<'a> {
    cx: &'a Cx,
    source: &'a str,
    destination: &'a str,
    rule: &'a str,
}

impl OfRule<'_> {
    fn observe(&self, name: &str, unit: &str, value: f64) {
        let dimensions =
            [("SourceBucket", self.source), ("DestinationBucket", self.destination), ("RuleId", self.rule)];
        self.cx.observe(&Metric { namespace: "AWS/S3", name, dimensions: &dimensions, unit }, value);
    }
}

/// Tells what is on its way.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let Some(bucket) = BUCKETS.get(&from, &(&task.payload,))? else { return Ok(Next::Done) };
    let Some(configuration) = Setting::Replication.get::<Configuration>(&from, &bucket)? else {
        return Ok(Next::Done);
    };
    let mut all: BTreeMap<String, Underway> = BTreeMap::new();
    for entry in WAYS.all(&from, &bucket.all())? {
        let Some((_, _, _, key, rank, _)) = entry.key::<(String, String, String, String, u64, String)>() else {
            continue;
        };
        let size = versions::ranked(&from, &bucket, &key, rank)?.map_or(0, |o| o.size);
        let underway = all.entry(entry.row.rule).or_default();
        underway.operations += 1.0;
        underway.bytes += size as f64;
        underway.since = Some(underway.since.unwrap_or(i64::MAX).min(entry.row.since));
    }
    for rule in configuration.rules.iter().filter(|r| r.is_measured()) {
        let id = rule.id.as_deref().unwrap_or_default();
        let destination = bucket_of(&rule.destination.bucket).unwrap_or_default();
        let of_rule = OfRule { cx, source: &bucket.name, destination, rule: id };
        let none = Underway::default();
        let underway = all.get(id).unwrap_or(&none);
        let behind = underway.since.map_or(0, |since| cx.now_millis() - since);
        of_rule.observe("ReplicationLatency", "Seconds", behind as f64 / 1000.0);
        of_rule.observe("BytesPendingReplication", "Bytes", underway.bytes);
        of_rule.observe("OperationsPendingReplication", "Count", underway.operations);
    }
    Ok(if all.is_empty() { Next::Done } else { Next::Again(next_minute(cx)?) })
}

/// A way of a rule led nowhere.
pub(crate) fn failed(cx: &Cx, from: &(impl Read + ?Sized), bucket: &Bucket, rule: &str) -> Result<()> {
    let configuration = Setting::Replication.get::<Configuration>(from, bucket)?;
    let Some(found) = configuration.as_ref().and_then(|c| c.rule(rule)).filter(|r| r.is_measured()) else {
        return Ok(());
    };
    let cx = cx.elsewhere(&bucket.account, &bucket.region);
    let destination = bucket_of(&found.destination.bucket).unwrap_or_default();
    OfRule { cx: &cx, source: &bucket.name, destination, rule }.observe("OperationsFailedReplication", "Count", 1.0);
    Ok(())
}
