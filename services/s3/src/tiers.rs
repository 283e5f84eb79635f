//! The access tiers of INTELLIGENT_TIERING: in which one an object is, and what counts as access.
//!
//! The tiers that need no asking back follow from the day of the last access, so nobody moves objects among them. That day
//! is written when an object is read on a later day than the one that is known: once a day at most, and only for objects
//! that are monitored.
//!
//! Source: "How S3 Intelligent-Tiering works" in the user guide.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::lifecycle_rules::{DAY, LEAST_BYTES, aged};
use crate::rows::{Aged, Archive, BUCKETS, Bucket, Object, Tiered};
use crate::versions;

/// The class whose objects have access tiers.
pub(crate) const CLASS: &str = "INTELLIGENT_TIERING";

/// After so many days without access an object is in the Infrequent Access tier.
const INFREQUENT: i32 = 30;

/// After so many days without access an object is in the Archive Instant Access tier.
const INSTANT: i32 = 90;

impl Archive {
    /// As S3's own API names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Access => "ARCHIVE_ACCESS",
            Self::DeepAccess => "DEEP_ARCHIVE_ACCESS",
        }
    }

    /// The tier of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Access, Self::DeepAccess].into_iter().find(|tier| tier.name() == name)
    }
}

fn monitored(class: Option<&str>, size: u64, marker: bool) -> bool {
    class == Some(CLASS) && size >= LEAST_BYTES && !marker
}

/// Whether an object moves among the tiers: "If the size of an object is less than 128 KB, it is not monitored".
pub(crate) fn is_monitored(object: &Object) -> bool {
    monitored(object.storage_class.as_deref(), object.size, object.marker)
}

/// Where an object begins that comes into a class now.
pub(crate) fn begun(class: Option<&str>, now_millis: i64) -> Option<Tiered> {
    (class == Some(CLASS)).then_some(Tiered { accessed: now_millis, queried: None, archive: None })
}

fn known(tiered: Option<Tiered>, modified: i64) -> Tiered {
    tiered.unwrap_or(Tiered { accessed: modified, queried: None, archive: None })
}

/// The archive in which an object is.
pub(crate) fn archive(object: &Object) -> Option<Archive> {
    object.tiered.and_then(|t| t.archive)
}

/// In which tier an object is, as inventories name it. `None`: it has another class.
pub(crate) fn access_tier(object: &Object, now_millis: i64) -> Option<&'static str> {
    let tiered = known(object.tiered, object.modified);
    tier(object.storage_class.as_deref(), object.size, object.marker, tiered, now_millis)
}

/// The same of a row as lifecycle rules see it.
pub(crate) fn access_tier_of_row(object: &Aged, now_millis: i64) -> Option<&'static str> {
    let tiered = known(object.tiered, object.modified);
    tier(object.storage_class.as_deref(), object.size, object.marker, tiered, now_millis)
}

fn tier(class: Option<&str>, size: u64, marker: bool, tiered: Tiered, now_millis: i64) -> Option<&'static str> {
    if class != Some(CLASS) || marker {
        return None;
    }
    Some(match tiered.archive {
        Some(Archive::Access) => "ARCHIVE",
        Some(Archive::DeepAccess) => "DEEP_ARCHIVE",
        None if !monitored(class, size, marker) => "FREQUENT",
        None if aged(tiered.accessed, INSTANT) <= now_millis => "ARCHIVE_INSTANT_ACCESS",
        None if aged(tiered.accessed, INFREQUENT) <= now_millis => "INFREQUENT",
        None => "FREQUENT",
    })
}

/// Whether lifecycle rules may move an object to a class: what is archived goes further down only.
pub(crate) fn may_leave(tiered: Option<Tiered>, to: &str) -> bool {
    match tiered.and_then(|t| t.archive) {
        None => true,
        Some(Archive::Access) => matches!(to, "GLACIER" | "DEEP_ARCHIVE"),
        Some(Archive::DeepAccess) => to == "DEEP_ARCHIVE",
    }
}

/// What decides when an object is archived. `None`: it is not monitored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quiet {
    /// Since when nothing has kept it out of the archives.
    pub(crate) since: i64,
    pub(crate) archive: Option<Archive>,
}

impl Quiet {
    fn of(tiered: Tiered) -> Self {
        Self { since: tiered.accessed.max(tiered.queried.unwrap_or(i64::MIN)), archive: tiered.archive }
    }
}

/// The same of a row as lifecycle rules see it.
pub(crate) fn quiet(object: &Aged) -> Option<Quiet> {
    let is = monitored(object.storage_class.as_deref(), object.size, object.marker);
    is.then(|| Quiet::of(known(object.tiered, object.modified)))
}

/// The same of a whole row.
pub(crate) fn quiet_object(object: &Object) -> Option<Quiet> {
    is_monitored(object).then(|| Quiet::of(known(object.tiered, object.modified)))
}

/// Puts a monitored object into an archive.
pub(crate) fn put_away(object: &mut Object, archive: Archive) {
    object.tiered = Some(Tiered { archive: Some(archive), ..known(object.tiered, object.modified) });
}

/// How an object is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Its bytes are read or copied: it is in the Frequent Access tier.
    Read,
    /// It is asked by `SelectObjectContent`, which "doesn't constitute access that tiers objects up", and keeps it out of
    /// the archives all the same.
    Query,
}

/// An access of which the rows do not know yet.
#[derive(Debug)]
pub(crate) struct Note {
    rank: u64,
    touch: Touch,
}

impl Note {
    /// What must be written down of an access now: nothing, if one on the same day is known.
    pub(crate) fn of(object: &Object, touch: Touch, now_millis: i64) -> Option<Self> {
        let tiered = known(object.tiered, object.modified);
        let last = match touch {
            Touch::Read => Some(tiered.accessed),
            Touch::Query => tiered.queried.max(Some(tiered.accessed)),
        };
        let later = last.is_none_or(|last| last.div_euclid(DAY) < now_millis.div_euclid(DAY));
        (is_monitored(object) && later).then_some(Self { rank: object.rank, touch })
    }

    /// Writes it down with what else is written.
    pub(crate) fn put(&self, tx: &mut Tx<'_>, bucket: &Bucket, key: &str, now_millis: i64) -> Result<()> {
        // It may have gone, or have been archived, since it was read.
        let there = versions::ranked(tx, bucket, key, self.rank)?;
        let Some(mut object) = there.filter(|o| is_monitored(o) && archive(o).is_none()) else { return Ok(()) };
        let tiered = known(object.tiered, object.modified);
        object.tiered = Some(match self.touch {
            Touch::Read => Tiered { accessed: now_millis.max(tiered.accessed), ..tiered },
            Touch::Query => Tiered { queried: Some(now_millis), ..tiered },
        });
        versions::put_back(tx, bucket, key, &object)
    }

    /// Writes it down. That it cannot be is no reason to refuse who reads.
    pub(crate) async fn keep(self, cx: &Cx, bucket: &Bucket, key: &str) {
        let now = cx.now_millis();
        let kept = cx.write(|tx| match BUCKETS.get(tx, &(&bucket.name,))? {
            Some(there) if there.created == bucket.created => self.put(tx, &there, key, now),
            _ => Ok(()),
        });
        if let Err(failure) = kept.await {
            tracing::warn!(
                bucket = bucket.name,
                key,
                error = &failure as &dyn std::error::Error,
                "an access is not noted"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Content;

    fn object(size: u64, tiered: Option<Tiered>) -> Object {
        Object { size, tiered, storage_class: Some(CLASS.to_owned()), ..Object::new(0, Content::nothing()) }
    }

    #[test]
    fn days_without_access_decide() {
        let tier = |object: &Object, days: i64| access_tier(object, days * DAY);
        let large = object(LEAST_BYTES, None);
        for (days, wanted) in [(0, "FREQUENT"), (30, "FREQUENT"), (31, "INFREQUENT"), (90, "INFREQUENT")] {
            assert_eq!(tier(&large, days), Some(wanted), "{days}");
        }
        assert_eq!(tier(&large, 91), Some("ARCHIVE_INSTANT_ACCESS"));
        assert_eq!(tier(&object(LEAST_BYTES - 1, None), 1000), Some("FREQUENT"), "it is too small");
        let read = object(LEAST_BYTES, Some(Tiered { accessed: 50 * DAY + 1, queried: None, archive: None }));
        assert_eq!((tier(&read, 80), tier(&read, 81)), (Some("FREQUENT"), Some("INFREQUENT")));
        let mut away = large.clone();
        put_away(&mut away, Archive::Access);
        assert_eq!(tier(&away, 91), Some("ARCHIVE"));
        put_away(&mut away, Archive::DeepAccess);
        assert_eq!(tier(&away, 91), Some("DEEP_ARCHIVE"));
        assert_eq!(tier(&Object { storage_class: None, ..large }, 91), None);
    }

    #[test]
    fn an_access_is_noted_once_a_day() {
        let tiered = Tiered { accessed: 5 * DAY + 7, queried: None, archive: None };
        let large = object(LEAST_BYTES, Some(tiered));
        let noted = |object: &Object, touch, at: i64| Note::of(object, touch, at).is_some();
        assert!(!noted(&large, Touch::Read, 6 * DAY - 1));
        assert!(noted(&large, Touch::Read, 6 * DAY));
        assert!(noted(&large, Touch::Query, 6 * DAY));
        let asked = object(LEAST_BYTES, Some(Tiered { queried: Some(6 * DAY), ..tiered }));
        assert!(!noted(&asked, Touch::Query, 6 * DAY + 1));
        assert!(noted(&asked, Touch::Read, 6 * DAY + 1), "a query is no reading");
        assert!(!noted(&object(1, Some(tiered)), Touch::Read, 9 * DAY));
    }

    #[test]
    fn what_is_archived_goes_further_down_only() {
        let away = |archive| Some(Tiered { accessed: 0, queried: None, archive });
        assert!(may_leave(away(None), "ONEZONE_IA") && may_leave(None, "ONEZONE_IA"));
        assert!(!may_leave(away(Some(Archive::Access)), "ONEZONE_IA"));
        assert!(may_leave(away(Some(Archive::Access)), "GLACIER"));
        assert!(!may_leave(away(Some(Archive::DeepAccess)), "GLACIER"));
        assert!(may_leave(away(Some(Archive::DeepAccess)), "DEEP_ARCHIVE"));
    }
}
