//! Archived objects: which cannot be read, how they are asked back, and when they go again.
//!
//! Source: "Restoring an archived object" and "Archive retrieval options" in the user guide.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{AwsError, Cx, Next, Result, Task, Timestamp};
use undercast_wire::schema::TimestampFormat;
use undercast_wire::text::timestamp;
use undercast_wire::{Write, Writer};

use crate::api::{self, output};
use crate::events::{self, Event};
use crate::objects::existing;
use crate::rows::{Bucket, Object, Restoration};
use crate::versions::{self, Moment};
use crate::{bucket, error, permission, tiers};

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

/// The longest that a restored copy may stay, in days: more than 68 years would not be a date.
const MOST_DAYS: i32 = 24_855;

/// The two classes whose objects must be asked back, for a while.
fn is_archived(object: &Object) -> bool {
    matches!(object.storage_class.as_deref(), Some("GLACIER" | "DEEP_ARCHIVE"))
}

/// Whether its bytes can be had now.
pub(crate) fn check_readable(object: &Object, now_millis: i64) -> Result<()> {
    check(object, now_millis, "The operation is not valid for the object's storage class")
}

/// The same for the source of a copy, of which S3 has other words.
pub(crate) fn check_source(object: &Object, now_millis: i64) -> Result<()> {
    check(object, now_millis, "Operation is not valid for the source object's storage class")
}

fn check(object: &Object, now_millis: i64, message: &str) -> Result<()> {
    if let Some(tier) = tiers::archive(object) {
        let message = "The operation is not valid for the object's access tier";
        let error = AwsError::new("InvalidObjectState", 403, message);
        return Err(error.with("StorageClass", tiers::CLASS).with("AccessTier", tier.name()).into());
    }
    let there = matches!(object.restoration, Some(Restoration::Until(until)) if until > now_millis);
    if !is_archived(object) || there {
        return Ok(());
    }
    let class = object.storage_class.clone().unwrap_or_else(String::new);
    Err(AwsError::new("InvalidObjectState", 403, message).with("StorageClass", class).into())
}

/// `x-amz-restore`
pub(crate) fn shown(restoration: &Restoration) -> String {
    match restoration {
        Restoration::Ongoing { .. } => "ongoing-request=\"true\"".to_owned(),
        Restoration::Until(until) => {
            let at = Timestamp::from_millisecond(*until).unwrap_or(Timestamp::UNIX_EPOCH);
            format!("ongoing-request=\"false\", expiry-date=\"{}\"", timestamp(at, TimestampFormat::Http))
        }
    }
}

/// The same in lists.
pub(crate) fn status(restoration: Option<Restoration>) -> Option<output::RestoreStatus> {
    let status = match restoration? {
        Restoration::Ongoing { .. } => {
            output::RestoreStatus { is_restore_in_progress: Some(true), restore_expiry_date: None }
        }
        Restoration::Until(until) => output::RestoreStatus {
            is_restore_in_progress: Some(false),
            restore_expiry_date: Timestamp::from_millisecond(until).ok(),
        },
    };
    Some(status)
}

/// How long a retrieval takes from a class or an access tier. `None`: it does not have that option.
///
/// Source: the table of "Archive retrieval options": the longest of each span.
fn retrieval(place: &str, option: &str) -> Option<i64> {
    Some(match (place, option) {
        ("GLACIER" | "ARCHIVE_ACCESS", "Expedited") => 5 * HOUR / 60,
        ("GLACIER" | "ARCHIVE_ACCESS", "Standard") => 5 * HOUR,
        ("GLACIER" | "ARCHIVE_ACCESS", "Bulk") => 12 * HOUR,
        ("DEEP_ARCHIVE" | "DEEP_ARCHIVE_ACCESS", "Standard") => 12 * HOUR,
        ("DEEP_ARCHIVE" | "DEEP_ARCHIVE_ACCESS", "Bulk") => 48 * HOUR,
        _ => return None,
    })
}

/// The end of a stay of so many days from a moment on: the midnight behind it, as for lifecycles.
fn until(from_millis: i64, days: i32) -> i64 {
    (from_millis + i64::from(days) * DAY).div_euclid(DAY) * DAY + DAY
}

/// What a request asks for.
struct Wish {
    days: Option<i32>,
    tier: String,
}

fn wish(given: Option<crate::api::input::RestoreRequest>) -> Result<Wish> {
    let given = given.ok_or_else(error::malformed_xml)?;
    if let Some(days) = given.days.filter(|days| !(1..=MOST_DAYS).contains(days)) {
        let message = "restoration days should be a positive integer";
        return Err(error::invalid_argument(message, "Days", &days.to_string()).into());
    }
    let tier = given.glacier_job_parameters.map(|g| g.tier).or(given.tier);
    Ok(Wish { days: given.days, tier: tier.unwrap_or_else(|| "Standard".to_owned()) })
}

/// A wish that fits an object.
struct Fitting {
    /// How long a copy stays; of INTELLIGENT_TIERING no copy is made: the object itself comes back.
    days: i32,
    takes: i64,
}

impl Wish {
    fn fit(&self, object: &Object) -> Result<Fitting> {
        let class = object.storage_class.as_deref().unwrap_or("STANDARD");
        let archive = tiers::archive(object);
        if class == tiers::CLASS && archive.is_none() {
            let message = "This action is not allowed against this storage tier.";
            return Err(AwsError::new("ObjectAlreadyInActiveTierError", 403, message).into());
        }
        if archive.is_none() && !is_archived(object) {
            let message = "Restore is not allowed for the object's current storage class";
            return Err(AwsError::new("InvalidObjectState", 403, message).with("StorageClass", class).into());
        }
        let days = match (archive, self.days) {
            (Some(_), Some(days)) => {
                let message = "INTELLIGENT_TIERING objects are not subject to restore expiry. Do not specify Days when restoring this object";
                return Err(error::invalid_argument(message, "Days", &days.to_string()).into());
            }
            (Some(_), None) => 0,
            (None, days) => days.ok_or_else(error::malformed_xml)?,
        };
        let takes = retrieval(archive.map_or(class, |a| a.name()), &self.tier).ok_or_else(|| {
            let message = "Retrieval option is not supported by this storage class";
            error::invalid_argument(message, "Tier", &self.tier)
        })?;
        Ok(Fitting { days, takes })
    }
}

fn task_id(bucket: &Bucket, key: &str, object: &Object) -> String {
    format!("restore {} {} {key}", bucket.name, object.rank)
}

/// What is left to do of a restoration.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pending {
    bucket: String,
    key: String,
    version: String,
}

fn schedule(cx: &Cx, tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object, due: i64) -> Result<()> {
    let pending = Pending {
        bucket: bucket.name.clone(),
        key: key.to_owned(),
        version: object.version.clone().unwrap_or_else(|| versions::NULL.to_owned()),
    };
    let payload = serde_json::to_string(&pending).map_err(undercast_kernel::Failure::broken)?;
    let due = Timestamp::from_millisecond(due).map_err(undercast_kernel::Failure::broken)?;
    let owner = cx.elsewhere(&bucket.account, &bucket.region);
    cx.tasks().schedule(&owner, tx, "s3", &task_id(bucket, key, object), "restore", payload, due)
}

pub(crate) async fn restore(cx: &Cx, input: api::RestoreObjectInput) -> Result<Restoring> {
    let wish = wish(input.restore_request)?;
    let (key, owner) = (input.key.as_str(), input.expected_bucket_owner.as_deref());
    let moment = Moment::of(cx);
    let now = cx.now_millis();
    cx.write(|tx| {
        let bucket = bucket::open(cx, tx, &input.bucket, owner)?;
        let mut object = existing(tx, &bucket, key, input.version_id.as_deref())?;
        let Fitting { days: wished, takes } = wish.fit(&object)?;
        let (restoration, due, fresh) = match object.restoration {
            Some(Restoration::Ongoing { ready, days }) => {
                let faster = now + takes;
                if faster >= ready {
                    let message = "Object restore is already in progress";
                    return Err(AwsError::new("RestoreAlreadyInProgress", 409, message).into());
                }
                (Restoration::Ongoing { ready: faster, days }, faster, true)
            }
            // It is there: only the end of its stay moves.
            Some(Restoration::Until(end)) if end > now => {
                let end = until(now, wished);
                (Restoration::Until(end), end, false)
            }
            _ => (Restoration::Ongoing { ready: now + takes, days: wished }, now + takes, true),
        };
        object.restoration = Some(restoration);
        versions::put_back(tx, &bucket, key, &object)?;
        schedule(cx, tx, &bucket, key, &object, due)?;
        if fresh {
            events::emit(cx, tx, &bucket, Event::RestorePost, key, Some(&object), moment)?;
        }
        Ok(Restoring { charged: permission::charged(cx, &bucket), begun: fresh })
    })
    .await
}

/// What `RestoreObject` answers: 202 where something was begun, 200 where the object is there.
#[derive(Debug)]
pub(crate) struct Restoring {
    charged: Option<String>,
    begun: bool,
}

impl Write for Restoring {
    fn write(&self, w: &mut dyn Writer) {
        w.structure(api::restored());
        if let Some(charged) = &self.charged {
            w.member(0);
            w.string(charged);
        }
        w.end();
    }

    fn status(&self) -> Option<u16> {
        self.begun.then_some(202)
    }
}

/// The object of a task, as it is now. `None`: it has gone.
fn found(from: &(impl Read + ?Sized), pending: &Pending) -> Result<Option<(Bucket, Object)>> {
    let Some(bucket) = crate::rows::BUCKETS.get(from, &(&pending.bucket,))? else { return Ok(None) };
    match versions::find(from, &bucket, &pending.key, Some(&pending.version))? {
        versions::Found::Object(object) => Ok(Some((bucket, *object))),
        _ => Ok(None),
    }
}

/// An object has come, or its stay is over.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let pending: Pending = serde_json::from_str(&task.payload).map_err(undercast_kernel::Failure::broken)?;
    let moment = Moment::of(cx);
    let now = cx.now_millis();
    let again = cx
        .write(|tx| {
            let Some((bucket, mut object)) = found(tx, &pending)? else { return Ok(None) };
            let (restoration, event) = match object.restoration {
                Some(Restoration::Ongoing { ready, .. }) if ready <= now && tiers::archive(&object).is_some() => {
                    // Back in the Frequent Access tier, until nobody accesses it again for long enough.
                    object.tiered = tiers::begun(object.storage_class.as_deref(), ready);
                    (None, Event::RestoreCompleted)
                }
                Some(Restoration::Ongoing { ready, days }) if ready <= now => {
                    (Some(Restoration::Until(until(ready, days))), Event::RestoreCompleted)
                }
                Some(Restoration::Until(end)) if end <= now => (None, Event::RestoreDelete),
                Some(Restoration::Ongoing { ready: at, .. } | Restoration::Until(at)) => return Ok(Some(at)),
                None => return Ok(None),
            };
            object.restoration = restoration;
            versions::put_back(tx, &bucket, &pending.key, &object)?;
            events::emit(cx, tx, &bucket, event, &pending.key, Some(&object), moment)?;
            Ok(match restoration {
                Some(Restoration::Until(end)) => Some(end),
                _ => None,
            })
        })
        .await?;
    let at = again.and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(at.map_or(Next::Done, Next::Again))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_end_at_midnight() {
        assert_eq!(until(0, 1), 2 * DAY);
        assert_eq!(until(DAY - 1, 1), 2 * DAY);
        assert_eq!(until(DAY + HOUR, 2), 4 * DAY);
    }

    #[test]
    fn tiers() {
        assert_eq!(retrieval("GLACIER", "Expedited"), Some(5 * 60 * 1000));
        assert_eq!(retrieval("DEEP_ARCHIVE", "Expedited"), None);
        assert_eq!(retrieval("ARCHIVE_ACCESS", "Bulk"), Some(12 * HOUR));
        assert_eq!(retrieval("DEEP_ARCHIVE_ACCESS", "Expedited"), None);
    }
}
