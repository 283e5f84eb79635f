//! How much is in a bucket: what CloudWatch is told of every bucket once a day.
//!
//! Counting is reading everything, so what was counted is kept until something changes. Annotations are not counted: AWS
//! names no kind of storage that they would be.
//!
//! Source: "Amazon S3 daily storage metrics for buckets in CloudWatch" and "Amazon S3 dimensions in CloudWatch" in the user guide.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Snapshot, Table, Tx};
use undercast_kernel::{Cx, Failure, Metric, Next, Result, Task, Timestamp};

use crate::lifecycle_rules::midnight_behind;
use crate::listing::{Cursor, InBucket, Plain, Ranked};
use crate::rows::{AGED, AGED_VERSIONS, Aged, BUCKETS, Bucket, OWNED, PARTS};
use crate::tiers;

/// Account, region, bucket → what was in it when it was counted. The row goes with the next change.
static COUNTED: Table<Counted> = Table::new("s3.counted");

/// Bytes that are billed for a smaller object of some classes.
const SMALLEST: u64 = 128 * 1024;

/// Bytes that an archived object takes beside its own: in its class, and as STANDARD.
const OVERHEAD: u64 = 32 * 1024;
const NAME_OVERHEAD: u64 = 8 * 1024;

/// What is in a bucket.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub(crate) struct Counted {
    /// `None`: it is being counted.
    #[n(0)]
    done: Option<()>,
    /// Versions, delete markers and parts of uploads that go on.
    #[n(1)]
    objects: u64,
    /// CloudWatch's name of a kind of storage → bytes.
    #[n(2)]
    bytes: BTreeMap<String, u64>,
    /// There are objects whose tier changes by itself, with time.
    #[n(3)]
    tiered: bool,
}

/// Something in the bucket changes.
pub(crate) fn changed(tx: &mut Tx<'_>, bucket: &Bucket) -> Result<()> {
    if COUNTED.has(tx, &bucket.all())? {
        COUNTED.delete(tx, &bucket.all());
    }
    Ok(())
}

/// The account has a bucket in the region now, which is counted at midnight.
pub(crate) fn begin(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket) -> Result<()> {
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    let due = Timestamp::from_millisecond(midnight_behind(cx.now_millis())).map_err(Failure::broken)?;
    let id = format!("storage {} {}", bucket.account, bucket.region);
    cx.tasks().schedule_sooner(&owner, tx, "s3", &id, "storage", String::new(), due)
}

/// The kinds of storage that an object of INTELLIGENT_TIERING takes, with how much of each.
fn kinds_of_tier(tier: &str, size: u64) -> Vec<(&'static str, u64)> {
    match tier {
        "INFREQUENT" => vec![("IntelligentTieringIAStorage", size)],
        "ARCHIVE_INSTANT_ACCESS" => vec![("IntelligentTieringAIAStorage", size)],
        "ARCHIVE" => vec![
            ("IntelligentTieringAAStorage", size),
            ("IntAAObjectOverhead", OVERHEAD),
            ("IntAAS3ObjectOverhead", NAME_OVERHEAD),
        ],
        "DEEP_ARCHIVE" => vec![
            ("IntelligentTieringDAAStorage", size),
            ("IntDAAObjectOverhead", OVERHEAD),
            ("IntDAAS3ObjectOverhead", NAME_OVERHEAD),
        ],
        _ => vec![("IntelligentTieringFAStorage", size)],
    }
}

/// The kinds of storage that an object of another class takes, with how much of each.
fn kinds(class: Option<&str>, size: u64) -> Vec<(&'static str, u64)> {
    let small = SMALLEST.saturating_sub(size);
    match class.unwrap_or("STANDARD") {
        "REDUCED_REDUNDANCY" => vec![("ReducedRedundancyStorage", size)],
        "STANDARD_IA" => vec![("StandardIAStorage", size), ("StandardIASizeOverhead", small)],
        "ONEZONE_IA" => vec![("OneZoneIAStorage", size), ("OneZoneIASizeOverhead", small)],
        "GLACIER_IR" => vec![("GlacierInstantRetrievalStorage", size), ("GlacierInstantRetrievalSizeOverhead", small)],
        "GLACIER" => vec![
            ("GlacierStorage", size),
            ("GlacierObjectOverhead", OVERHEAD),
            ("GlacierS3ObjectOverhead", NAME_OVERHEAD),
        ],
        "DEEP_ARCHIVE" => vec![
            ("DeepArchiveStorage", size),
            ("DeepArchiveObjectOverhead", OVERHEAD),
            ("DeepArchiveS3ObjectOverhead", NAME_OVERHEAD),
        ],
        _ => vec![("StandardStorage", size)],
    }
}

impl Counted {
    fn add(&mut self, kinds: Vec<(&'static str, u64)>) {
        for (kind, bytes) in kinds.into_iter().filter(|(_, bytes)| *bytes > 0) {
            match self.bytes.get_mut(kind) {
                Some(sum) => *sum += bytes,
                None => drop(self.bytes.insert(kind.to_owned(), bytes)),
            }
        }
    }

    fn rows<K: InBucket>(
        &mut self,
        now: i64,
        from: &Snapshot,
        bucket: &Bucket,
        table: &'static Table<Aged>,
    ) -> Result<()> {
        let mut rows: Cursor<'_, Aged, K> = Cursor::new(table, from, bucket, "", Vec::new());
        while rows.peek()?.is_some() {
            for (_, object) in std::iter::from_fn(|| rows.take()) {
                self.objects += 1;
                match tiers::access_tier_of_row(&object, now) {
                    _ if object.marker => {}
                    Some(tier) => {
                        self.tiered = true;
                        self.add(kinds_of_tier(tier, object.size));
                    }
                    None => self.add(kinds(object.storage_class.as_deref(), object.size)),
                }
            }
        }
        Ok(())
    }
}

/// What is in a bucket: as it was counted last, or counted now.
async fn count(cx: &Cx, bucket: &Bucket) -> Result<Counted> {
    if let Some(counted) = COUNTED.get(&cx.read(), &bucket.all())?.filter(|c| c.done.is_some() && !c.tiered) {
        return Ok(counted);
    }
    // Whoever changes something from here on takes the row away.
    let write = |tx: &mut Tx<'_>| {
        COUNTED.put(tx, &bucket.all(), &Counted::default());
        Ok::<_, Failure>(())
    };
    cx.write(write).await?;
    let from = cx.read();
    let mut counted = Counted { done: Some(()), ..Counted::default() };
    counted.rows::<Plain>(cx.now_millis(), &from, bucket, &AGED)?;
    counted.rows::<Ranked>(cx.now_millis(), &from, bucket, &AGED_VERSIONS)?;
    for part in PARTS.all(&from, &bucket.all())? {
        counted.objects += 1;
        counted.add(kinds(None, part.row.size));
    }
    cx.write(|tx| {
        if COUNTED.has(tx, &bucket.all())? {
            COUNTED.put(tx, &bucket.all(), &counted);
        }
        Ok(())
    })
    .await?;
    Ok(counted)
}

/// Tells CloudWatch what is in the buckets of an account in a region.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let mut any = false;
    for owned in OWNED.all(&cx.read(), &(&task.account,))? {
        let Some((_, name)) = owned.key::<(String, String)>() else { continue };
        let Some(bucket) = BUCKETS.get(&cx.read(), &(&name,))?.filter(|b| b.region == task.region) else { continue };
        any = true;
        let counted = count(cx, &bucket).await?;
        let observe = |name: &str, unit: &str, kind: &str, value: u64| {
            let dimensions = [("BucketName", bucket.name.as_str()), ("StorageType", kind)];
            cx.observe(&Metric { namespace: "AWS/S3", name, dimensions: &dimensions, unit }, value as f64);
        };
        observe("NumberOfObjects", "Count", "AllStorageTypes", counted.objects);
        for (kind, bytes) in &counted.bytes {
            observe("BucketSizeBytes", "Bytes", kind, *bytes);
        }
    }
    if !any {
        return Ok(Next::Done);
    }
    Ok(Next::Again(Timestamp::from_millisecond(midnight_behind(cx.now_millis())).map_err(Failure::broken)?))
}
