//! Analytics configurations: how old what is read and stored is, as a file that grows by a day every night.
//!
//! A configuration without an export has nothing to show but itself, for the analysis is seen in AWS's console alone. The
//! figures of a day are made at the midnight behind it, of the first whole day on: what is stored then, and what
//! `counts.rs` has counted. A day at whose end the program did not run has none, unless it runs again within the next day.
//!
//! Three columns stay empty, as they do on AWS until there is a result: `CumulativeAccessRatio`, for AWS does not say how it
//! is made, and the two ages at which to move objects to STANDARD_IA, which follow from it. AWS does not say either what the
//! file is called, nor how the column `Filter` is written.
//!
//! Source: "Amazon S3 analytics – Storage Class Analysis" in the user guide.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;
use undercast_kernel::store::{Read, Snapshot, Tx};
use undercast_kernel::{AwsError, Body, Bytes, Cx, Failure, Next, Result, Task, Timestamp};

use crate::api;
use crate::api::kept::{AnalyticsConfiguration, AnalyticsS3BucketDestination};
use crate::configurations::{self, Kind};
use crate::counts::{self, ALL, DAYS, Day, Figures, GROUPS};
use crate::filter::{And, Filter};
use crate::lifecycle_rules::{DAY, midnight_behind};
use crate::listing::{Cursor, InBucket, Plain, Ranked};
use crate::replication::bucket_of;
use crate::rows::{AGED, AGED_VERSIONS, Aged, BUCKETS, Bucket};
use crate::settings::Setting;
use crate::{S3, bucket, events};

const KIND: Kind = Kind("analytics");

/// The first line of a file.
const COLUMNS: &str = "Date,ConfigId,Filter,StorageClass,ObjectAge,ObjectCount,DataUploaded_MB,Storage_MB,DataRetrieved_MB,\
    GetRequestCount,CumulativeAccessRatio,ObjectAgeForSIATransition,RecommendedObjectAgeForSIATransition";

fn filter(configuration: &AnalyticsConfiguration) -> Filter<'_> {
    configuration.filter.as_ref().map_or(Filter::ALL, |f| Filter {
        prefix: f.prefix.as_deref(),
        tag: f.tag.as_ref(),
        point: None,
        and: f.and.as_ref().map(|a| And {
            prefix: a.prefix.as_deref(),
            point: None,
            tags: a.tags.as_deref().unwrap_or_default(),
        }),
    })
}

/// Where a configuration's file goes.
fn destination(configuration: &AnalyticsConfiguration) -> Option<&AnalyticsS3BucketDestination> {
    configuration.storage_class_analysis.data_export.as_ref().map(|e| &e.destination.s3_bucket_destination)
}

/// Whether something is counted in a bucket.
pub(crate) fn is_counted(bucket: &Bucket) -> bool {
    Setting::Analytics.is_on(bucket)
}

/// The configurations that export and are about an object.
pub(crate) fn about(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    tags: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let all: Vec<AnalyticsConfiguration> = KIND.all(from, bucket)?;
    let about = all.into_iter().filter(|c| destination(c).is_some() && filter(c).matches(key, tags));
    Ok(about.map(|c| c.id).collect())
}

fn find(from: &(impl Read + ?Sized), bucket: &Bucket, id: &str) -> Result<Option<AnalyticsConfiguration>> {
    match KIND.get(from, bucket, id) {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Aws(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether a bucket has a configuration of that id that exports.
pub(crate) fn exists(from: &(impl Read + ?Sized), bucket: &Bucket, id: &str) -> Result<bool> {
    Ok(find(from, bucket, id)?.is_some_and(|c| destination(&c).is_some()))
}

fn invalid_target(message: &str) -> Failure {
    AwsError::new("InvalidS3DestinationBucket", 400, message).into()
}

/// The bucket that a file goes to must be one of the same region. One that is not there is missed when the file is made.
fn check_target(from: &(impl Read + ?Sized), bucket: &Bucket, target: &AnalyticsS3BucketDestination) -> Result<()> {
    let Some(name) = bucket_of(&target.bucket) else { return Err(invalid_target("Invalid bucket ARN.")) };
    match BUCKETS.get(from, &(name,))? {
        Some(there) if there.region != bucket.region => {
            Err(invalid_target("The destination bucket must be in the same Region as the source bucket."))
        }
        _ => Ok(()),
    }
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketAnalyticsConfigurationInput) -> Result<()> {
    let configuration = input.analytics_configuration;
    KIND.check_id(&input.id, &configuration.id)?;
    if configuration.filter.is_some() {
        filter(&configuration).check()?;
    }
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        let before = exists(tx, &bucket, &input.id)?;
        KIND.put(tx, &bucket, &input.id, &configuration)?;
        match destination(&configuration) {
            Some(target) => {
                check_target(tx, &bucket, target)?;
                if !before {
                    // The first file comes when the first whole day is over.
                    let first = midnight_behind(midnight_behind(cx.now_millis()));
                    schedule(cx, tx, &bucket, &input.id, first)?;
                }
            }
            None => stop(cx, tx, &bucket, &input.id)?,
        }
        mark(tx, &mut bucket)
    })
    .await
}

/// Says in a bucket's row whether something is counted there.
fn mark(tx: &mut Tx<'_>, bucket: &mut Bucket) -> Result<()> {
    let all: Vec<AnalyticsConfiguration> = KIND.all(tx, bucket)?;
    Setting::Analytics.mark(tx, bucket, all.iter().any(|c| destination(c).is_some()));
    Ok(())
}

fn task_id(bucket: &Bucket, id: &str) -> String {
    format!("analytics {} {id}", bucket.name)
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, id: &str, due: i64) -> Result<()> {
    let due = Timestamp::from_millisecond(due).map_err(Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let payload = json!([bucket.name, id]).to_string();
    cx.tasks().schedule(&owner, tx, "s3", &task_id(bucket, id), "analytics", payload, due)
}

/// No file is made any more, and what is known goes.
fn stop(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, id: &str) -> Result<()> {
    let (account, region, name) = bucket.all();
    DAYS.clear(tx, &(account, region, name, id))?;
    cx.tasks().cancel(tx, "s3", &task_id(bucket, id))
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetBucketAnalyticsConfigurationInput,
) -> Result<api::GetBucketAnalyticsConfigurationOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let found = KIND.get(&from, &bucket, &input.id)?;
    Ok(api::GetBucketAnalyticsConfigurationOutput { analytics_configuration: Some(found) })
}

pub(crate) async fn delete(s3: &S3, cx: &Cx, input: api::DeleteBucketAnalyticsConfigurationInput) -> Result<()> {
    let bucket = cx
        .write(|tx| {
            let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
            KIND.delete(tx, &bucket, &input.id)?;
            stop(cx, tx, &bucket, &input.id)?;
            mark(tx, &mut bucket)?;
            Ok(bucket)
        })
        .await?;
    s3.counts.forget(&bucket, &input.id);
    Ok(())
}

pub(crate) fn list(
    cx: &Cx,
    input: api::ListBucketAnalyticsConfigurationsInput,
) -> Result<api::ListBucketAnalyticsConfigurationsOutput> {
    let (owner, token) = (input.expected_bucket_owner.as_deref(), input.continuation_token.as_deref());
    let page = configurations::list(cx, KIND, &input.bucket, owner, token)?;
    Ok(api::ListBucketAnalyticsConfigurationsOutput {
        continuation_token: input.continuation_token,
        analytics_configuration_list: page.list,
        is_truncated: Some(page.truncated),
        next_continuation_token: page.next,
    })
}

/// Adds what is stored to the figures of a day: every version, but no delete markers.
fn store<K: InBucket>(mut cursor: Cursor<'_, Aged, K>, filter: Filter<'_>, now: i64, day: &mut Day) -> Result<()> {
    while cursor.peek()?.is_some() {
        let Some((key, object)) = cursor.take() else { break };
        if object.marker || !filter.matches(key.key(), &object.tags) {
            continue;
        }
        let figures = Figures { objects: 1, stored: object.size, ..Figures::default() };
        let class = object.storage_class.as_deref().unwrap_or("STANDARD");
        for group in counts::groups(object.size, object.modified, now) {
            day.add(class, group, figures);
        }
    }
    Ok(())
}

/// Makes the figures of the day that is over.
async fn close(cx: &Cx, bucket: &Bucket, configuration: &AnalyticsConfiguration) -> Result<()> {
    let now = cx.now_millis();
    let today = u64::try_from(now.div_euclid(DAY)).unwrap_or(0);
    let stored = stored(&cx.read(), bucket, filter(configuration), now)?;
    cx.write(|tx| {
        let (account, region, name) = bucket.all();
        for entry in DAYS.all(tx, &(account, region, name, &configuration.id))? {
            // Of a day before that nobody can say any more what was stored.
            let at = entry.key::<(String, String, String, String, u64)>().map_or(0, |k| k.4);
            if entry.row.made.is_none() && at + 1 < today {
                DAYS.delete(tx, &(account, region, name, &configuration.id, at));
            }
        }
        let key = (account, region, name, &configuration.id, today.saturating_sub(1));
        let mut day = DAYS.get(tx, &key)?.unwrap_or_default();
        if day.made.is_none() {
            day.made = Some(now);
            day.filter = filter(configuration).text();
            stored.cells.iter().for_each(|c| day.add(&c.class, c.group, c.figures));
            DAYS.put(tx, &key, &day);
        }
        Ok(())
    })
    .await
}

fn stored(from: &Snapshot, bucket: &Bucket, filter: Filter<'_>, now: i64) -> Result<Day> {
    let mut day = Day::default();
    let current: Cursor<'_, Aged, Plain> = Cursor::new(&AGED, from, bucket, filter.prefix(), Vec::new());
    store(current, filter, now, &mut day)?;
    let old: Cursor<'_, Aged, Ranked> = Cursor::new(&AGED_VERSIONS, from, bucket, filter.prefix(), Vec::new());
    store(old, filter, now, &mut day)?;
    Ok(day)
}

/// `000-014`, `730+`, `ALL`
fn group_name(group: u8) -> String {
    let at = usize::from(group);
    match (GROUPS.get(at), GROUPS.get(at + 1)) {
        (Some(first), Some(next)) => format!("{first:03}-{:03}", next - 1),
        (Some(first), None) => format!("{first}+"),
        (None, _) => "ALL".to_owned(),
    }
}

/// Bytes as megabytes, without zeros behind the last digit.
fn megabytes(bytes: u64) -> String {
    let (whole, rest) = (bytes >> 20, bytes & ((1 << 20) - 1));
    let digits = format!("{:06}", rest * 1_000_000 / (1 << 20));
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { whole.to_string() } else { format!("{whole}.{digits}") }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A line of a class in an age group. Objects are counted, and what came, in the group of all ages alone.
fn line(out: &mut String, id: &str, day: &Day, class: &str, group: u8) -> std::fmt::Result {
    let made = Timestamp::from_millisecond(day.made.unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH);
    let figures = day.figures(class, group);
    let (objects, uploaded) = match group {
        ALL => (figures.objects.to_string(), megabytes(figures.uploaded)),
        _ => (String::new(), String::new()),
    };
    writeln!(
        out,
        "{},{id},{},{class},{},{objects},{uploaded},{},{},{},,,",
        made.strftime("%m-%d-%Y"),
        quoted(&day.filter),
        group_name(group),
        megabytes(figures.stored),
        megabytes(figures.retrieved),
        figures.gets,
    )
}

/// The file: "sorted by date within object age group", and at its end the lines of all ages.
fn file(id: &str, days: &[Day]) -> std::result::Result<String, std::fmt::Error> {
    let mut out = format!("{COLUMNS}\n");
    for group in 0..=ALL {
        for day in days {
            let classes: BTreeSet<&str> = day.cells.iter().map(|c| c.class.as_str()).chain(["STANDARD"]).collect();
            classes.into_iter().try_for_each(|class| line(&mut out, id, day, class, group))?;
        }
    }
    Ok(out)
}

async fn deliver(cx: &Cx, bucket: &Bucket, id: &str, target: &AnalyticsS3BucketDestination) -> Result<()> {
    let from = cx.read();
    check_target(&from, bucket, target)?;
    let (account, region, name) = bucket.all();
    let days = DAYS.all(&from, &(account, region, name, id))?.into_iter().map(|e| e.row);
    let days: Vec<Day> = days.filter(|d| d.made.is_some()).collect();
    let text = file(id, &days).map_err(Failure::broken)?;
    let prefix = target.prefix.as_deref().map_or_else(String::new, |p| format!("{}/", p.trim_end_matches('/')));
    let input = json!({
        "Bucket": bucket_of(&target.bucket),
        "Key": format!("{prefix}{name}/{id}.csv"),
        "ContentType": "text/csv",
        "ContentLength": text.len(),
        "ExpectedBucketOwner": target.bucket_account_id,
    });
    let body = Body::from(Bytes::from(text));
    events::as_s3(cx, bucket).call_with_body("s3", "PutObject", input, Some(body)).await.map(drop)
}

/// A day is over.
pub(crate) async fn run(s3: &S3, cx: &Cx, task: &Task) -> Result<Next> {
    let (name, id): (String, String) = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    s3.counts.fold(cx).await?;
    let from = cx.read();
    let Some(bucket) = BUCKETS.get(&from, &(&name,))? else { return Ok(Next::Done) };
    let Some(configuration) = find(&from, &bucket, &id)? else { return Ok(Next::Done) };
    let Some(target) = destination(&configuration) else { return Ok(Next::Done) };
    close(cx, &bucket, &configuration).await?;
    match deliver(cx, &bucket, &id, target).await {
        Ok(()) => {}
        // What cannot be brought today goes with the next file.
        Err(Failure::Aws(error)) => tracing::warn!(bucket = name, id, %error, "an analysis cannot be delivered"),
        Err(failure) => return Err(failure),
    }
    Ok(Timestamp::from_millisecond(midnight_behind(cx.now_millis())).map_or(Next::Done, Next::Again))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let names: Vec<String> = [0, 6, 10, 11, ALL].into_iter().map(group_name).collect();
        assert_eq!(names, ["000-014", "090-119", "365-729", "730+", "ALL"]);
        for (bytes, wanted) in [(0, "0"), (1 << 20, "1"), (3 << 19, "1.5"), (128 * 1024, "0.125"), (1, "0")] {
            assert_eq!(megabytes(bytes), wanted);
        }
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
