//! `ListObjectVersions`: all versions and delete markers, keys in order, newest version first.

use undercast_kernel::store::Snapshot;
use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::list_objects::{shows_restorations, some};
use crate::listing::{self, Asked, Cursor, Item, Names, Plain, Ranked, Rows};
use crate::rows::{Bucket, LISTED, LISTED_VERSIONS, Listed};
use crate::versions::{self, NULL};
use crate::{archive, buckets, error, permission};

/// Current and old versions, merged.
struct Versions<'a> {
    current: Cursor<'a, Listed, Plain>,
    old: Cursor<'a, Listed, Ranked>,
    /// The key of the row before: what follows under the same key is not the latest.
    before: Option<String>,
}

/// A row, and whether it is the key's latest version.
struct Version {
    row: Listed,
    latest: bool,
}

impl<'a> Versions<'a> {
    fn new(from: &'a Snapshot, bucket: &'a Bucket, prefix: &str, start: &[u8]) -> Self {
        Self {
            current: Cursor::new(&LISTED, from, bucket, prefix, start.to_vec()),
            old: Cursor::new(&LISTED_VERSIONS, from, bucket, prefix, start.to_vec()),
            before: None,
        }
    }
}

impl Rows for Versions<'_> {
    type Row = Version;

    fn next(&mut self) -> Result<Option<(String, Version)>> {
        let current = self.current.peek()?.map(|(k, _)| k.0.clone());
        let old = self.old.peek()?.map(|(k, _)| k.0.clone());
        // The current version stands before the old ones of its key.
        let from_current = match (&current, &old) {
            (Some(current), Some(old)) => current <= old,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let taken = if from_current {
            self.current.take().map(|(k, row)| (k.0, row))
        } else {
            self.old.take().map(|(k, row)| (k.0, row))
        };
        Ok(taken.map(|(key, row)| {
            let latest = self.before.as_ref() != Some(&key);
            self.before = Some(key.clone());
            (key, Version { row, latest })
        }))
    }

    fn skip_to(&mut self, start: Vec<u8>) {
        self.current.skip(start.clone());
        self.old.skip(start);
    }
}

/// Leaves out what a marker says was given already.
struct Behind<'a> {
    versions: Versions<'a>,
    /// This key's versions up to one of them.
    marker: Option<(&'a str, UpTo)>,
}

/// The last version that was given. It may be gone by now, as where each page is deleted before the next one is asked for.
enum UpTo {
    /// Ids tell the place of their versions.
    Rank(u64),
    Null,
}

impl UpTo {
    /// The version with that id. The null version's place is not in its id: where there is none any more, the key's versions
    /// are given from the first one on, rather than none of them.
    fn of(from: &Snapshot, bucket: &Bucket, key: &str, id: &str) -> Result<Option<Self>> {
        if id == NULL {
            let there = !matches!(versions::find(from, bucket, key, Some(id))?, versions::Found::Missing);
            return Ok(there.then_some(Self::Null));
        }
        let rank = versions::rank_of(id).map(Self::Rank);
        rank.map(Some)
            .ok_or_else(|| error::invalid_argument("Invalid version id specified", "version-id-marker", id).into())
    }
}

impl Rows for Behind<'_> {
    type Row = Version;

    fn next(&mut self) -> Result<Option<(String, Version)>> {
        while let Some((key, version)) = self.versions.next()? {
            match &self.marker {
                Some((marked, UpTo::Rank(rank))) if *marked == key && version.row.rank <= *rank => {}
                Some((marked, UpTo::Null)) if *marked == key => {
                    if version.row.version.is_none() {
                        self.marker = None;
                    }
                }
                _ => return Ok(Some((key, version))),
            }
        }
        Ok(None)
    }

    fn skip_to(&mut self, start: Vec<u8>) {
        self.versions.skip_to(start);
    }
}

fn shown_id(row: &Listed) -> &str {
    row.version.as_deref().unwrap_or(NULL)
}

pub(crate) fn list(cx: &Cx, input: api::ListObjectVersionsInput) -> Result<api::ListObjectVersionsOutput> {
    let from = cx.read();
    let bucket = listing::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let names = Names::new(input.encoding_type.as_deref())?;
    if let Some(asked) = input.max_keys.filter(|most| *most < 0) {
        // Not in the words of the other lists.
        return Err(error::invalid_argument("max-keys cannot be negative", "max-keys", &asked.to_string()).into());
    }
    let most = listing::most(input.max_keys, "maxKeys")?;
    let restoration = shows_restorations(input.optional_object_attributes.as_deref());
    let prefix = input.prefix.as_deref().unwrap_or("");
    let delimiter = listing::delimiter(input.delimiter.as_ref());
    let key_marker = input.key_marker.as_deref().filter(|m| !m.is_empty());
    let id_marker = input.version_id_marker.as_deref().filter(|m| !m.is_empty());
    if let (None, Some(id)) = (key_marker, id_marker) {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(error::invalid_argument(message, "version-id-marker", id).into());
    }
    let given = key_marker.filter(|m| {
        delimiter.is_some_and(|d| m.len() > prefix.len() && m.starts_with(prefix) && m.ends_with(d))
            && id_marker.is_none()
    });
    let start = match (key_marker, id_marker) {
        (Some(key), Some(_)) => key.as_bytes().to_vec(),
        (Some(key), None) if given.is_some() => listing::behind(key),
        (Some(key), None) => listing::after(key),
        (None, _) => Vec::new(),
    };
    let given_up_to = match key_marker.zip(id_marker) {
        Some((key, id)) => UpTo::of(&from, &bucket, key, id)?.map(|up_to| (key, up_to)),
        None => None,
    };
    let mut rows = Behind { versions: Versions::new(&from, &bucket, prefix, &start), marker: given_up_to };
    let listing = listing::walk(&mut rows, &Asked { prefix, delimiter, given, most })?;
    let next = listing.items.last().filter(|_| listing.truncated);
    let next_key = next.map(|i| names.show(i.name()));
    let next_id = next.and_then(|i| match i {
        Item::Row(_, version) => Some(shown_id(&version.row).to_owned()),
        Item::Prefix(_) => None,
    });
    let truncated = listing.truncated;
    let mut output = api::ListObjectVersionsOutput {
        is_truncated: Some(truncated),
        key_marker: Some(names.show(key_marker.unwrap_or(""))),
        version_id_marker: Some(id_marker.unwrap_or("").to_owned()),
        next_key_marker: next_key,
        next_version_id_marker: next_id,
        name: Some(bucket.name.clone()),
        prefix: Some(names.show(prefix)),
        delimiter: delimiter.map(|d| names.show(d)),
        max_keys: listing::shown_most(most),
        encoding_type: input.encoding_type,
        request_charged: permission::charged(cx, &bucket),
        ..Default::default()
    };
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for item in listing.items {
        match item {
            Item::Row(key, version) if version.row.marker => markers.push(marker(&bucket, names, &key, &version)),
            Item::Row(key, version) => versions.push(shown(&bucket, names, &key, version, restoration)),
            Item::Prefix(prefix) => prefixes.push(output::CommonPrefix { prefix: Some(names.show(&prefix)) }),
        }
    }
    output.versions = some(versions);
    output.delete_markers = some(markers);
    output.common_prefixes = some(prefixes);
    Ok(output)
}

fn marker(bucket: &Bucket, names: Names, key: &str, version: &Version) -> output::DeleteMarkerEntry {
    output::DeleteMarkerEntry {
        owner: Some(buckets::owner(&bucket.account)),
        key: Some(names.show(key)),
        version_id: Some(shown_id(&version.row).to_owned()),
        is_latest: Some(version.latest),
        last_modified: Some(buckets::shown(version.row.modified)),
    }
}

fn shown(bucket: &Bucket, names: Names, key: &str, version: Version, restoration: bool) -> output::ObjectVersion {
    let row = version.row;
    output::ObjectVersion {
        e_tag: Some(format!("\"{}\"", row.etag)),
        checksum_algorithm: row.checksum.as_ref().map(|c| vec![c.algorithm.name().to_owned()]),
        checksum_type: row.checksum.as_ref().map(|c| c.kind().to_owned()),
        size: i64::try_from(row.size).ok(),
        key: Some(names.show(key)),
        version_id: Some(shown_id(&row).to_owned()),
        storage_class: Some(row.storage_class.unwrap_or_else(|| "STANDARD".to_owned())),
        is_latest: Some(version.latest),
        last_modified: Some(buckets::shown(row.modified)),
        owner: Some(buckets::owner(row.owner.as_deref().unwrap_or(&bucket.account))),
        restore_status: archive::status(row.restoration.filter(|_| restoration)),
    }
}
