//! Which version of a key is which: putting a new one, taking one away, finding one.
//!
//! The newest version of a key stands in [`OBJECTS`], unless it is a delete marker; all others stand in [`VERSIONS`] by
//! rank, newest first. So the plain reading of a key is one row, and a bucket without versions never sees the second table.

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use undercast_kernel::store::{Order, Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::rows::{Bucket, Content, OBJECTS, Object, SEGMENTS, VERSIONS, Versioning};
use crate::{annotations, error, intake, storage};

/// How S3 writes the version that was put while the bucket kept none.
pub(crate) const NULL: &str = "null";

/// What decides the ids of versions made by one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now_millis: i64,
    random: [u8; 16],
}

impl Moment {
    pub(crate) fn of(cx: &Cx) -> Self {
        Self { now_millis: cx.now_millis(), random: cx.random().bytes() }
    }

    /// A rank that sorts before `newest` and before those of earlier moments.
    fn rank(self, newest: Option<u64>) -> u64 {
        let by_time = u64::MAX - (u64::try_from(self.now_millis).unwrap_or(0) << 16);
        newest.map_or(by_time, |newest| by_time.min(newest.saturating_sub(1)))
    }

    /// A text that is larger for later events of the same key.
    pub(crate) fn sequencer(self, object: Option<&Object>) -> String {
        let rank = object.map_or_else(|| self.rank(None), |o| o.rank.min(self.rank(None)));
        format!("00{:016X}", u64::MAX - rank)
    }

    /// The id of the version with that rank.
    fn id(self, rank: u64) -> String {
        let mut bytes = [0; 24];
        let (head, tail) = bytes.split_at_mut(8);
        tail.copy_from_slice(&self.random);
        for (out, (a, b)) in head.iter_mut().zip(rank.to_be_bytes().iter().zip(&self.random)) {
            *out = a ^ b;
        }
        engine().encode(bytes)
    }
}

fn engine() -> GeneralPurpose {
    // The characters that S3's own version ids have.
    let alphabet = Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._");
    GeneralPurpose::new(&alphabet.unwrap_or(base64::alphabet::URL_SAFE), GeneralPurposeConfig::new())
}

/// The rank inside a version's id. `None`: no id of ours.
pub(crate) fn rank_of(id: &str) -> Option<u64> {
    let bytes = engine().decode(id).ok().filter(|b| b.len() == 24)?;
    let mut rank = [0; 8];
    for (out, (a, b)) in rank.iter_mut().zip(bytes.iter().zip(&bytes[8..])) {
        *out = a ^ b;
    }
    Some(u64::from_be_bytes(rank))
}

/// What is found under a key.
#[derive(Debug)]
pub(crate) enum Found {
    Object(Box<Object>),
    /// A delete marker.
    Marker(Box<Object>),
    Missing,
}

impl Object {
    /// Its version as answers show it, where the bucket has versions.
    pub(crate) fn shown_version(&self, bucket: &Bucket) -> Option<String> {
        (bucket.versioning != Versioning::Off).then(|| self.version.clone().unwrap_or_else(|| NULL.to_owned()))
    }

    fn is(&self, id: &str) -> bool {
        self.version.as_deref().unwrap_or(NULL) == id
    }
}

fn old<'a>(bucket: &'a Bucket, key: &'a str, rank: u64) -> (&'a str, &'a str, &'a str, &'a str, u64) {
    (&bucket.account, &bucket.region, &bucket.name, key, rank)
}

/// The newest row among those that are not current.
fn newest_old(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str) -> Result<Option<Object>> {
    let page = VERSIONS.page(from, &bucket.key(key), None::<&()>, Order::Ascending, 1)?;
    Ok(page.into_iter().next().map(|e| e.row))
}

/// Finds the current version of a key, or the one with that id.
pub(crate) fn find(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, version: Option<&str>) -> Result<Found> {
    let current = OBJECTS.get(from, &bucket.key(key))?;
    let found = match (version, current) {
        (None, Some(object)) => Some(object),
        (None, None) if bucket.versioning == Versioning::Off => None,
        (None, None) => newest_old(from, bucket, key)?,
        (Some(id), Some(object)) if object.is(id) => Some(object),
        (Some(id), _) => find_old(from, bucket, key, id)?,
    };
    Ok(match found {
        None => Found::Missing,
        Some(object) if object.marker => Found::Marker(Box::new(object)),
        Some(object) => Found::Object(Box::new(object)),
    })
}

fn find_old(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, id: &str) -> Result<Option<Object>> {
    if id == NULL {
        let all = VERSIONS.all(from, &bucket.key(key))?;
        return Ok(all.into_iter().map(|e| e.row).find(|o| o.version.is_none()));
    }
    let Some(rank) = rank_of(id) else {
        return Err(error::invalid_argument("Invalid version id specified", "versionId", id).into());
    };
    Ok(VERSIONS.get(from, &old(bucket, key, rank))?.filter(|o| o.is(id)))
}

/// Gives up a version that goes: what it is made of, and its annotations.
fn release(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object) -> Result<()> {
    annotations::forget(tx, bucket, key, object)?;
    release_content(tx, bucket, object)
}

/// Gives up what an object is made of.
fn release_content(tx: &mut Tx<'_>, bucket: &Bucket, object: &Object) -> Result<()> {
    match &object.content {
        Content::One(stored) => intake::release(tx, bucket, stored),
        Content::Many(id) => {
            for segment in SEGMENTS.get(tx, &bucket.key(id))?.into_iter().flatten() {
                intake::release(tx, bucket, &segment.stored)?;
            }
            SEGMENTS.delete(tx, &bucket.key(id));
            Ok(())
        }
    }
}

/// Makes `object` the current version of the key. Its rank and version are filled in.
pub(crate) fn place(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, mut object: Object, moment: Moment) -> Result<Object> {
    storage::changed(tx, bucket)?;
    let current = make_room(tx, bucket, key)?;
    object.rank = moment.rank(current);
    object.version = (bucket.versioning == Versioning::Enabled).then(|| moment.id(object.rank));
    OBJECTS.put(tx, &bucket.key(key), &object);
    Ok(object)
}

/// Puts a version that has its rank and id already where it stands among those of the key, in the place of itself if it
/// was there.
pub(crate) fn insert(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: Object, moment: Moment) -> Result<Object> {
    storage::changed(tx, bucket)?;
    if let Some(before) = ranked(tx, bucket, key, object.rank)? {
        if before.version != object.version {
            // Another version was made here at the same moment, so this one gets another id.
            return place(tx, bucket, key, object, moment);
        }
        release_content(tx, bucket, &before)?;
        let object = Object { annotated: before.annotated, ..object };
        put_back(tx, bucket, key, &object)?;
        return Ok(object);
    }
    let current = OBJECTS.get(tx, &bucket.key(key))?;
    let newest = match &current {
        Some(current) => Some(current.rank),
        None => newest_old(tx, bucket, key)?.map(|o| o.rank),
    };
    if newest.is_some_and(|newest| newest < object.rank) {
        VERSIONS.put(tx, &old(bucket, key, object.rank), &object);
        return Ok(object);
    }
    if let Some(current) = current {
        OBJECTS.delete(tx, &bucket.key(key));
        VERSIONS.put(tx, &old(bucket, key, current.rank), &current);
    }
    if object.marker {
        VERSIONS.put(tx, &old(bucket, key, object.rank), &object);
    } else {
        OBJECTS.put(tx, &bucket.key(key), &object);
    }
    Ok(object)
}

/// Removes or moves what a new version takes the place of, and says what the newest rank was.
fn make_room(tx: &mut Tx<'_>, bucket: &Bucket, key: &str) -> Result<Option<u64>> {
    let current = OBJECTS.get(tx, &bucket.key(key))?;
    if bucket.versioning == Versioning::Off {
        if let Some(object) = &current {
            release(tx, bucket, key, object)?;
        }
        return Ok(current.map(|o| o.rank));
    }
    let newest = match &current {
        Some(object) => Some(object.rank),
        None => newest_old(tx, bucket, key)?.map(|o| o.rank),
    };
    let suspended = bucket.versioning == Versioning::Suspended;
    match current {
        Some(object) if suspended && object.version.is_none() => release(tx, bucket, key, &object)?,
        Some(object) => VERSIONS.put(tx, &old(bucket, key, object.rank), &object),
        None => {}
    }
    OBJECTS.delete(tx, &bucket.key(key));
    if suspended && let Some(null) = find_old(tx, bucket, key, NULL)? {
        release(tx, bucket, key, &null)?;
        VERSIONS.delete(tx, &old(bucket, key, null.rank));
    }
    Ok(newest)
}

/// What a deletion did.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// What went for good.
    pub(crate) removed: Option<Object>,
    /// The delete marker that was made.
    pub(crate) marker: Option<Object>,
}

/// Deletes a key: for good where the bucket keeps no versions, else behind a delete marker.
pub(crate) fn delete(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, moment: Moment) -> Result<Deleted> {
    storage::changed(tx, bucket)?;
    if bucket.versioning == Versioning::Off {
        let removed = OBJECTS.get(tx, &bucket.key(key))?;
        if let Some(object) = &removed {
            release(tx, bucket, key, object)?;
            OBJECTS.delete(tx, &bucket.key(key));
        }
        return Ok(Deleted { removed, marker: None });
    }
    let newest = make_room(tx, bucket, key)?;
    let rank = moment.rank(newest);
    let version = (bucket.versioning == Versioning::Enabled).then(|| moment.id(rank));
    let marker = Object { rank, version, ..Object::marker(moment.now_millis) };
    VERSIONS.put(tx, &old(bucket, key, rank), &marker);
    Ok(Deleted { removed: None, marker: Some(marker) })
}

/// Deletes one version for good. `None`: there is none with that id.
pub(crate) fn delete_version(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, id: &str) -> Result<Option<Object>> {
    storage::changed(tx, bucket)?;
    let current = OBJECTS.get(tx, &bucket.key(key))?;
    let has_current = current.is_some();
    if let Some(object) = current.filter(|o| o.is(id)) {
        release(tx, bucket, key, &object)?;
        OBJECTS.delete(tx, &bucket.key(key));
        promote(tx, bucket, key)?;
        return Ok(Some(object));
    }
    let Some(object) = find_old(tx, bucket, key, id)? else { return Ok(None) };
    release(tx, bucket, key, &object)?;
    VERSIONS.delete(tx, &old(bucket, key, object.rank));
    if !has_current {
        promote(tx, bucket, key)?;
    }
    Ok(Some(object))
}

/// The newest of the old versions becomes current again, unless it is a delete marker.
fn promote(tx: &mut Tx<'_>, bucket: &Bucket, key: &str) -> Result<()> {
    if let Some(object) = newest_old(tx, bucket, key)?.filter(|o| !o.marker) {
        VERSIONS.delete(tx, &old(bucket, key, object.rank));
        OBJECTS.put(tx, &bucket.key(key), &object);
    }
    Ok(())
}

/// The version of a key with that rank.
pub(crate) fn ranked(from: &(impl Read + ?Sized), bucket: &Bucket, key: &str, rank: u64) -> Result<Option<Object>> {
    match OBJECTS.get(from, &bucket.key(key))?.filter(|o| o.rank == rank) {
        Some(object) => Ok(Some(object)),
        None => Ok(VERSIONS.get(from, &old(bucket, key, rank))?),
    }
}

/// Deletes a version that is not current for good.
pub(crate) fn delete_ranked(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object) -> Result<()> {
    storage::changed(tx, bucket)?;
    release(tx, bucket, key, object)?;
    VERSIONS.delete(tx, &old(bucket, key, object.rank));
    Ok(())
}

/// Puts a changed version back where it stands.
pub(crate) fn put_back(tx: &mut Tx<'_>, bucket: &Bucket, key: &str, object: &Object) -> Result<()> {
    storage::changed(tx, bucket)?;
    if OBJECTS.get(tx, &bucket.key(key))?.is_some_and(|o| o.rank == object.rank) {
        OBJECTS.put(tx, &bucket.key(key), object);
    } else {
        VERSIONS.put(tx, &old(bucket, key, object.rank), object);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_rank() {
        let moment = Moment { now_millis: 1_800_000_000_000, random: *b"0123456789abcdef" };
        let rank = moment.rank(None);
        let id = moment.id(rank);
        assert_eq!((rank_of(&id), id.len()), (Some(rank), 32));
        assert_eq!(rank_of("nonsense"), None);
        assert!(moment.rank(Some(rank)) < rank, "a later version sorts first");
        assert!(Moment { now_millis: 1_800_000_000_001, ..moment }.rank(None) < rank);
    }
}
