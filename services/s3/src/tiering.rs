//! Intelligent-Tiering configurations: which objects of INTELLIGENT_TIERING are archived, and after how many days.
//!
//! A bucket with one that is enabled has one task, due at the next midnight at which something may be archived. It walks
//! over all that is in the bucket. What is written or read later cannot be due sooner than the fewest days from then on, so
//! the task comes by then, and nobody who writes or reads need call it.
//!
//! Source: "Using S3 Intelligent-Tiering" in the user guide.

use std::collections::HashSet;

use undercast_kernel::store::{Snapshot, Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::api;
use crate::api::kept::{IntelligentTieringConfiguration, Tiering};
use crate::configurations::{self, Kind};
use crate::events::{self, Event};
use crate::filter::{And, Filter};
use crate::lifecycle_rules::{aged, midnight_behind};
use crate::listing::{Cursor, InBucket, Plain, Ranked};
use crate::rows::{AGED, AGED_VERSIONS, Aged, Archive, BUCKETS, Bucket, Object};
use crate::tiers::{self, Quiet};
use crate::versions::{self, Moment};
use crate::{bucket, error};

const KIND: Kind = Kind("intelligent-tiering");

/// So many objects are moved in one transaction.
const AT_ONCE: usize = 500;

/// The most days of a tier: "up to 2 years".
const MOST_DAYS: i32 = 730;

fn filter(configuration: &IntelligentTieringConfiguration) -> Filter<'_> {
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

fn check(configuration: &IntelligentTieringConfiguration) -> Result<()> {
    if configuration.filter.is_some() {
        filter(configuration).check()?;
    }
    if configuration.tierings.is_empty() {
        return Err(error::malformed_xml().into());
    }
    let mut tiers = HashSet::new();
    for Tiering { access_tier: tier, days } in &configuration.tierings {
        if !tiers.insert(tier) {
            return Err(error::malformed_xml().into());
        }
        let least = if Archive::parse(tier) == Some(Archive::Access) { 90 } else { 180 };
        let wrong = if *days < least {
            format!("Days specified in {tier} tier should not be less than {least}.")
        } else if *days > MOST_DAYS {
            format!("Days specified in {tier} tier should not be more than {MOST_DAYS}.")
        } else {
            continue;
        };
        return Err(error::invalid_argument(wrong, "Days", &days.to_string()).into());
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketIntelligentTieringConfigurationInput) -> Result<()> {
    let configuration = input.intelligent_tiering_configuration;
    KIND.check_id(&input.id, &configuration.id)?;
    check(&configuration)?;
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        KIND.put(tx, &bucket, &input.id, &configuration)?;
        // What is there already may have waited long enough.
        come_by(cx, tx, &bucket, midnight_behind(cx.now_millis()))
    })
    .await
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetBucketIntelligentTieringConfigurationInput,
) -> Result<api::GetBucketIntelligentTieringConfigurationOutput> {
    let from = cx.read();
    let bucket = bucket::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let found = KIND.get(&from, &bucket, &input.id)?;
    Ok(api::GetBucketIntelligentTieringConfigurationOutput { intelligent_tiering_configuration: Some(found) })
}

/// What is archived stays there: it waits for somebody who asks it back.
pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketIntelligentTieringConfigurationInput) -> Result<()> {
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        KIND.delete(tx, &bucket, &input.id)
    })
    .await
}

pub(crate) fn list(
    cx: &Cx,
    input: api::ListBucketIntelligentTieringConfigurationsInput,
) -> Result<api::ListBucketIntelligentTieringConfigurationsOutput> {
    let (owner, token) = (input.expected_bucket_owner.as_deref(), input.continuation_token.as_deref());
    let page = configurations::list(cx, KIND, &input.bucket, owner, token)?;
    Ok(api::ListBucketIntelligentTieringConfigurationsOutput {
        continuation_token: input.continuation_token,
        intelligent_tiering_configuration_list: page.list,
        is_truncated: Some(page.truncated),
        next_continuation_token: page.next,
    })
}

fn come_by(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, due: i64) -> Result<()> {
    let due = Timestamp::from_millisecond(due).map_err(Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let id = format!("tiering {}", bucket.name);
    cx.tasks().schedule_sooner(&owner, tx, "s3", &id, "tiering", bucket.name.clone(), due)
}

/// The tags of an object have changed: another configuration may be about it now, and it may have waited long enough.
pub(crate) fn notice(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, object: &Object) -> Result<()> {
    if !tiers::is_monitored(object) || KIND.all::<IntelligentTieringConfiguration>(tx, bucket)?.is_empty() {
        return Ok(());
    }
    come_by(cx, tx, bucket, midnight_behind(cx.now_millis()))
}

/// One object to be archived.
struct Move {
    key: String,
    rank: u64,
    seen: Quiet,
    to: Archive,
}

/// A walk over a bucket: what is due, and when it goes on.
struct Walk<'a> {
    configurations: &'a [IntelligentTieringConfiguration],
    now: i64,
    moves: Vec<Move>,
    next: i64,
}

impl Walk<'_> {
    fn look(&mut self, key: &str, object: &Aged) {
        let Some(seen) = tiers::quiet(object) else { return };
        let mut to = seen.archive;
        for configuration in self.configurations.iter().filter(|c| filter(c).matches(key, &object.tags)) {
            for Tiering { access_tier, days } in &configuration.tierings {
                let tier = Archive::parse(access_tier).filter(|tier| Some(*tier) > seen.archive);
                let (Some(tier), due) = (tier, aged(seen.since, *days)) else { continue };
                if due > self.now {
                    self.next = self.next.min(due);
                } else {
                    to = to.max(Some(tier));
                }
            }
        }
        if let Some(to) = to.filter(|to| Some(*to) != seen.archive) {
            self.moves.push(Move { key: key.to_owned(), rank: object.rank, seen, to });
        }
    }
}

/// Archives what is due in a bucket.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let Some(bucket) = BUCKETS.get(&from, &(&task.payload,))? else { return Ok(Next::Done) };
    let mut all: Vec<IntelligentTieringConfiguration> = KIND.all(&from, &bucket)?;
    all.retain(|c| c.status == "Enabled");
    let now = cx.now_millis();
    let Some(fewest) = all.iter().flat_map(|c| &c.tierings).map(|t| t.days).min() else { return Ok(Next::Done) };
    let mut walk = Walk { configurations: &all, now, moves: Vec::new(), next: aged(now, fewest) };
    let mut at = Some(Vec::new());
    while let Some(start) = at {
        at = some::<Plain>(&AGED, &from, &bucket, start, &mut walk)?;
        put_away(cx, &bucket.name, std::mem::take(&mut walk.moves)).await?;
    }
    let mut at = Some(Vec::new());
    while let Some(start) = at {
        at = some::<Ranked>(&AGED_VERSIONS, &from, &bucket, start, &mut walk)?;
        put_away(cx, &bucket.name, std::mem::take(&mut walk.moves)).await?;
    }
    let next = walk.next;
    cx.write(|tx| come_by(cx, tx, &bucket, next)).await?;
    Ok(Next::Done)
}

/// Looks at rows until there is enough to do. Says at which key to go on; `None`: that was the last row.
fn some<K: InBucket>(
    table: &'static Table<Aged>,
    from: &Snapshot,
    bucket: &Bucket,
    start: Vec<u8>,
    walk: &mut Walk<'_>,
) -> Result<Option<Vec<u8>>> {
    let mut cursor: Cursor<'_, Aged, K> = Cursor::new(table, from, bucket, "", start);
    while let Some((key, _)) = cursor.peek()? {
        if walk.moves.len() >= AT_ONCE {
            return Ok(Some(key.key().as_bytes().to_vec()));
        }
        if let Some((key, object)) = cursor.take() {
            walk.look(key.key(), &object);
        }
    }
    Ok(None)
}

/// Archives objects, each if it is still as it was.
async fn put_away(cx: &Cx, name: &str, moves: Vec<Move>) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let moments: Vec<Moment> = moves.iter().map(|_| Moment::of(cx)).collect();
    cx.write(|tx| {
        let Some(bucket) = BUCKETS.get(tx, &(name,))? else { return Ok(()) };
        let s3 = events::as_s3(cx, &bucket);
        for (one, moment) in moves.iter().zip(&moments) {
            let Some(mut object) = versions::ranked(tx, &bucket, &one.key, one.rank)? else { continue };
            // It may have been read meanwhile, or be on its way back.
            if tiers::quiet_object(&object) != Some(one.seen) || object.restoration.is_some() {
                continue;
            }
            tiers::put_away(&mut object, one.to);
            versions::put_back(tx, &bucket, &one.key, &object)?;
            events::tell(&s3, tx, &bucket, Event::Tiered, &one.key, Some(&object), *moment, None)?;
        }
        Ok(())
    })
    .await
}
