//! Lifecycles: set and shown, and done when the clock says so.
//!
//! A bucket that has one has one task, due at the next midnight at which a rule may act on something. It walks over all
//! that is in the bucket, does what is due, and comes again at the next such midnight. Who writes into the bucket sees to it
//! that the task comes soon enough for what is written.

use undercast_kernel::store::{Read, Snapshot, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task, Timestamp};

use crate::api;
use crate::events::{self, Event};
use crate::lifecycle_rules::{self, ALL_128K, Action, Fate, Lifecycle, Seen, aged, midnight_behind};
use crate::listing::{Cursor, Plain, Ranked, Uploading};
use crate::rows::{AGED, AGED_VERSIONS, Aged, BUCKETS, Bucket, Object, UPLOADS, Versioning};
use crate::settings::{Setting, missing};
use crate::versions::{self, Found, Moment};
use crate::{bucket, lock, mfa, tiers, uploads};

/// So many changes go into one transaction.
const AT_ONCE: usize = 500;

pub(crate) async fn put(
    cx: &Cx,
    input: api::PutBucketLifecycleConfigurationInput,
) -> Result<api::PutBucketLifecycleConfigurationOutput> {
    let given = input.lifecycle_configuration.ok_or_else(crate::error::malformed_xml)?;
    let mut rules = given.rules;
    lifecycle_rules::check(&mut rules, || cx.random().uuid())?;
    let minimum = input.transition_default_minimum_object_size.unwrap_or_else(|| ALL_128K.to_owned());
    let lifecycle = Lifecycle { rules, minimum };
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        mfa::refuses_lifecycle(&bucket)?;
        bucket.lifecycle = Some(lifecycle.least_days());
        Setting::Lifecycle.put(tx, &mut bucket, &lifecycle)?;
        // What is there already may be old enough.
        come_by(cx, tx, &bucket, midnight_behind(cx.now_millis()))
    })
    .await?;
    Ok(api::PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size: Some(lifecycle.minimum) })
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetBucketLifecycleConfigurationInput,
) -> Result<api::GetBucketLifecycleConfigurationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (bucket, found) = Setting::Lifecycle.of_call::<Lifecycle>(cx, &input.bucket, owner)?;
    let found = found.ok_or_else(|| {
        missing(&bucket, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
    })?;
    Ok(api::GetBucketLifecycleConfigurationOutput {
        rules: Some(found.rules),
        transition_default_minimum_object_size: Some(found.minimum),
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteBucketLifecycleInput) -> Result<()> {
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        bucket.lifecycle = None;
        Setting::Lifecycle.clear(tx, &mut bucket);
        cx.tasks().cancel(tx, "s3", &task_id(&bucket.name))
    })
    .await
}

fn task_id(name: &str) -> String {
    format!("lifecycle {name}")
}

fn come_by(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, due: i64) -> Result<()> {
    let due = Timestamp::from_millisecond(due).map_err(Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    cx.tasks().schedule_sooner(&owner, tx, "s3", &task_id(&bucket.name), "lifecycle", bucket.name.clone(), due)
}

/// How old what rules see after a change may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ages {
    /// It was made by the change.
    New,
    /// It was there: it has other tags, nothing keeps it any more, or what stood before it has gone.
    Old,
}

/// Something was written into the bucket: its rules shall see it in time.
pub(crate) fn notice(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, ages: Ages) -> Result<()> {
    let now = cx.now_millis();
    match (bucket.lifecycle, ages) {
        (Some(days), Ages::New) => come_by(cx, tx, bucket, aged(now, days)),
        (Some(_), Ages::Old) => come_by(cx, tx, bucket, midnight_behind(now)),
        (None, _) => Ok(()),
    }
}

/// The end that a rule sets.
pub(crate) struct End {
    millis: i64,
    pub(crate) rule: String,
}

impl End {
    pub(crate) fn at(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.millis).ok()
    }

    /// `x-amz-expiration`
    fn header(&self) -> String {
        let at = self.at().unwrap_or(Timestamp::UNIX_EPOCH);
        let at = undercast_wire::text::timestamp(at, undercast_wire::schema::TimestampFormat::Http);
        format!("expiry-date=\"{at}\", rule-id=\"{}\"", self.rule)
    }
}

/// When an upload is given up.
pub(crate) fn abortion(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, initiated: i64) -> Result<Option<End>> {
    let Some(lifecycle) = Setting::Lifecycle.get::<Lifecycle>(from, bucket)? else { return Ok(None) };
    Ok(lifecycle.of_upload(key, initiated).map(|(millis, rule)| End { millis, rule: rule.to_owned() }))
}

/// `x-amz-expiration` of the current version of a key.
pub(crate) fn expiration(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    key: &str,
    object: &Object,
) -> Result<Option<String>> {
    let Some(lifecycle) = Setting::Lifecycle.get::<Lifecycle>(from, bucket)? else { return Ok(None) };
    let end = lifecycle.expiration(Seen { key, tags: &object.tags, size: object.size }, object.modified);
    Ok(end.map(|(millis, rule)| End { millis, rule: rule.to_owned() }.header()))
}

/// One thing to do.
struct Deed {
    key: String,
    /// The version; `None`: an upload.
    what: What,
    action: Action,
}

enum What {
    Current { rank: u64 },
    Old { rank: u64 },
    Upload { id: String },
}

/// A walk over a bucket: what is due, and when it goes on.
struct Walk<'a> {
    lifecycle: &'a Lifecycle,
    now: i64,
    deeds: Vec<Deed>,
    next: Option<i64>,
}

impl Walk<'_> {
    fn take(&mut self, key: &str, what: What, fate: Fate) {
        if let Some(next) = fate.next {
            self.next = Some(self.next.map_or(next, |n| n.min(next)));
        }
        if let Some(action) = fate.action {
            self.deeds.push(Deed { key: key.to_owned(), what, action });
        }
    }
}

/// Does what is due in a bucket.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let Some(bucket) = BUCKETS.get(&from, &(&task.payload,))? else { return Ok(Next::Done) };
    let Some(lifecycle) = Setting::Lifecycle.get::<Lifecycle>(&from, &bucket)? else { return Ok(Next::Done) };
    let now = cx.now_millis();
    let mut walk = Walk { lifecycle: &lifecycle, now, deeds: Vec::new(), next: lifecycle.next_date(now) };
    let mut at = Some(Vec::new());
    while let Some(start) = at {
        at = some_keys(&from, &bucket, start, &mut walk)?;
        fulfil(cx, &bucket.name, std::mem::take(&mut walk.deeds)).await?;
    }
    some_uploads(&from, &bucket, &mut walk)?;
    fulfil(cx, &bucket.name, std::mem::take(&mut walk.deeds)).await?;
    if let Some(next) = walk.next {
        cx.write(|tx| come_by(cx, tx, &bucket, next)).await?;
    }
    Ok(Next::Done)
}

/// Looks at keys until there is enough to do. Says where to go on; `None`: that was the last key.
fn some_keys(from: &Snapshot, bucket: &Bucket, start: Vec<u8>, walk: &mut Walk<'_>) -> Result<Option<Vec<u8>>> {
    let mut current: Cursor<'_, Aged, Plain> = Cursor::new(&AGED, from, bucket, "", start.clone());
    let mut old: Cursor<'_, Aged, Ranked> = Cursor::new(&AGED_VERSIONS, from, bucket, "", start);
    loop {
        let keys = [current.peek()?.map(|(k, _)| k.0.clone()), old.peek()?.map(|(k, _)| k.0.clone())];
        let Some(key) = keys.into_iter().flatten().min() else { return Ok(None) };
        if walk.deeds.len() >= AT_ONCE {
            return Ok(Some(key.into_bytes()));
        }
        let mut successor = None;
        if current.peek()?.is_some_and(|(k, _)| k.0 == key)
            && let Some((_, object)) = current.take()
        {
            let fate = walk.lifecycle.of_current(&key, &object, bucket.versioning == Versioning::Off, walk.now);
            walk.take(&key, What::Current { rank: object.rank }, fate);
            successor = Some(object.modified);
        }
        one_history(&key, &mut old, successor, walk)?;
    }
}

/// Looks at the old versions of a key, newest first. `successor`: when the current version was made; `None`: the first one
/// here is the newest, a delete marker.
fn one_history(
    key: &str,
    old: &mut Cursor<'_, Aged, Ranked>,
    mut successor: Option<i64>,
    walk: &mut Walk<'_>,
) -> Result<()> {
    let (mut newer, mut lone) = (0, None);
    while old.peek()?.is_some_and(|(k, _)| k.0 == key)
        && let Some((_, object)) = old.take()
    {
        // A version is noncurrent since its successor was made.
        match successor {
            Some(since) => {
                let fate = walk.lifecycle.of_noncurrent(key, &object, since, newer, walk.now);
                walk.take(key, What::Old { rank: object.rank }, fate);
                newer += 1;
                lone = None;
            }
            None => lone = Some(object.clone()),
        }
        successor = Some(object.modified);
    }
    if let Some(marker) = lone {
        let fate = walk.lifecycle.of_lone_marker(key, &marker, walk.now);
        walk.take(key, What::Old { rank: marker.rank }, fate);
    }
    Ok(())
}

fn some_uploads(from: &Snapshot, bucket: &Bucket, walk: &mut Walk<'_>) -> Result<()> {
    let mut cursor: Cursor<'_, crate::rows::Upload, Uploading> = Cursor::new(&UPLOADS, from, bucket, "", Vec::new());
    while cursor.peek()?.is_some() {
        let Some((Uploading(key, id), upload)) = cursor.take() else { break };
        if let Some((due, _)) = walk.lifecycle.of_upload(&key, upload.initiated) {
            let (action, next) = if due <= walk.now { (Some(Action::Expire), None) } else { (None, Some(due)) };
            walk.take(&key, What::Upload { id }, Fate { action, next });
        }
    }
    Ok(())
}

/// Does some deeds, each if what it is about is still as it was.
async fn fulfil(cx: &Cx, name: &str, deeds: Vec<Deed>) -> Result<()> {
    for some in deeds.chunks(AT_ONCE) {
        let moments: Vec<Moment> = some.iter().map(|_| Moment::of(cx)).collect();
        cx.write(|tx| {
            let Some(bucket) = BUCKETS.get(tx, &(name,))? else { return Ok(()) };
            for (deed, moment) in some.iter().zip(&moments) {
                fulfil_one(cx, tx, &bucket, deed, *moment)?;
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn fulfil_one(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, deed: &Deed, moment: Moment) -> Result<()> {
    let key = deed.key.as_str();
    match (&deed.what, &deed.action) {
        (What::Upload { id }, _) => match uploads::open(tx, bucket, key, id) {
            Ok(_) => uploads::forget(tx, bucket, key, id, &[]),
            // It was completed or given up meanwhile.
            Err(Failure::Aws(_)) => Ok(()),
            Err(failure) => Err(failure),
        },
        (What::Current { rank }, Action::Expire) => match versions::find(tx, bucket, key, None)? {
            Found::Object(object) if object.rank == *rank => {
                let deleted = versions::delete(tx, bucket, key, moment)?;
                let event = deleted.marker.as_ref().map_or(Event::LifecycleDelete, |_| Event::LifecycleMarkerCreated);
                events::emit(cx, tx, bucket, event, key, deleted.marker.as_ref(), moment)
            }
            _ => Ok(()),
        },
        (What::Old { rank }, Action::Expire) => {
            let Some(object) = versions::ranked(tx, bucket, key, *rank)? else { return Ok(()) };
            if lock::keeps(&object.locked, moment.now_millis, false) {
                // A legal hold has no end; when it is taken off, that is noticed.
                let end = object.locked.retention.map(|r| midnight_behind(r.until - 1));
                return end.map_or(Ok(()), |end| come_by(cx, tx, bucket, end.max(midnight_behind(moment.now_millis))));
            }
            versions::delete_ranked(tx, bucket, key, &object)?;
            events::emit(cx, tx, bucket, Event::LifecycleDelete, key, Some(&object), moment)
        }
        (What::Current { rank } | What::Old { rank }, Action::Transition(class)) => {
            let Some(mut object) = versions::ranked(tx, bucket, key, *rank)? else { return Ok(()) };
            object.storage_class = Some(class.clone());
            object.restoration = None;
            object.tiered = tiers::begun(Some(class), moment.now_millis);
            versions::put_back(tx, bucket, key, &object)?;
            events::emit(cx, tx, bucket, Event::LifecycleTransition, key, Some(&object), moment)
        }
    }
}
