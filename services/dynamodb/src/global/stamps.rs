//! Who wrote an item last, and what the other replicas have yet to be told.
//!
//! A stamp is the moment of a write in microseconds and its region. It is greater than the one that the item had where it was
//! written, so that two writes of one millisecond keep their order, and a clock that goes back loses nothing. Items that are
//! gone keep theirs until no older write can arrive any more.

use crate::error::Result;
use crate::rows::{Change, Scope};
use crate::table::Table;
use bytes::Bytes;
use minicbor::{Decode, Encode};
use undercast_store::{Order, Page, Part, PartDecode, Read, Tx, prefix_end};

const STAMPS: &str = "dynamodb.stamps";
const GONE: &str = "dynamodb.stamps-gone";
const OUTGOING: &str = "dynamodb.outgoing";
const ENDS: &str = "dynamodb.outgoing-ends";
const CURSORS: &str = "dynamodb.outgoing-cursors";
const MISSED: &str = "dynamodb.missed";

/// What is kept of replication under the id of a table.
pub(crate) const KINDS: [&str; 6] = [STAMPS, GONE, OUTGOING, ENDS, CURSORS, MISSED];

/// When and where an item was written. The later one wins; of two at one moment the one of the region that comes later in
/// the alphabet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Stamp {
    /// Microseconds since 1970.
    #[n(0)]
    pub at: i64,
    /// The region.
    #[n(1)]
    pub region: String,
}

/// A stamp, and whether its write left no item.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Kept {
    #[n(0)]
    stamp: Stamp,
    #[n(1)]
    gone: bool,
}

/// A write that others have yet to be told of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Outgoing {
    /// The place that was written to.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub place: Vec<u8>,
    /// When, in milliseconds since 1970.
    #[n(1)]
    pub at: i64,
}

/// A write that a replica of a strongly consistent table missed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Missed {
    /// Its stamp.
    #[n(0)]
    pub stamp: Stamp,
    /// The item that it left, as the rows of the table are kept.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub new: Option<Vec<u8>>,
}

fn encoded(value: &impl Encode<()>) -> Bytes {
    let mut bytes = Vec::with_capacity(64);
    // Writing to a vector cannot fail.
    let _infallible = minicbor::encode(value, &mut bytes);
    bytes.into()
}

fn at_place(scope: Scope<'_>, kind: &str, table: &str, place: &[u8]) -> Vec<u8> {
    [scope.rows(kind, table).as_slice(), place].concat()
}

fn gone_key(scope: Scope<'_>, table: &str, at: i64, place: &[u8]) -> Vec<u8> {
    [scope.rows(GONE, table).as_slice(), &at.max(0).to_be_bytes(), place].concat()
}

fn kept(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str, place: &[u8]) -> Result<Option<Kept>> {
    let stored = from.get(&at_place(scope, STAMPS, table, place))?;
    Ok(stored.map(|stored| minicbor::decode(&stored)).transpose()?)
}

/// The stamp of an item, if it was written since its table is a replica.
///
/// # Errors
/// When the store fails.
pub fn get(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str, place: &[u8]) -> Result<Option<Stamp>> {
    Ok(kept(from, scope, table, place)?.map(|kept| kept.stamp))
}

/// Stamps a write to a replica: anew where it is written first, else with the stamp that it has. Where it is written first
/// it is noted for the others, unless they have it with the same transaction.
///
/// # Errors
/// When the store fails.
pub fn stamp(tx: &mut Tx<'_>, scope: Scope<'_>, table: &Table, strong: bool, change: &Change<'_>) -> Result<Stamp> {
    let before = kept(tx, scope, &table.id, change.place)?;
    let new = change.origin.clone().unwrap_or_else(|| {
        let later = before.as_ref().map_or(i64::MIN, |before| before.stamp.at.saturating_add(1));
        Stamp { at: change.at.saturating_mul(1000).max(later), region: scope.region.to_owned() }
    });
    if let Some(before) = before.filter(|before| before.gone) {
        tx.delete(gone_key(scope, &table.id, before.stamp.at, change.place));
    }
    let gone = change.new.is_none();
    if gone {
        tx.put(gone_key(scope, &table.id, new.at, change.place), Bytes::new());
    }
    tx.put(at_place(scope, STAMPS, &table.id, change.place), encoded(&Kept { stamp: new.clone(), gone }));
    if change.origin.is_none() && !strong {
        note(tx, scope, &table.id, change)?;
    }
    Ok(new)
}

fn note(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, change: &Change<'_>) -> Result<()> {
    let position = end(tx, scope, table)?;
    let outgoing = Outgoing { place: change.place.to_vec(), at: change.at };
    tx.put(outgoing_key(scope, table, position), encoded(&outgoing));
    tx.put(scope.rows(ENDS, table), position.saturating_add(1).to_be_bytes().to_vec().into());
    Ok(())
}

fn outgoing_key(scope: Scope<'_>, table: &str, position: u64) -> Vec<u8> {
    at_place(scope, OUTGOING, table, &position.to_be_bytes())
}

fn number(stored: Option<Bytes>) -> Option<u64> {
    stored.and_then(|bytes| bytes.first_chunk().copied()).map(u64::from_be_bytes)
}

/// The position that the next write to a table gets.
///
/// # Errors
/// When the store fails.
pub fn end(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str) -> Result<u64> {
    Ok(number(from.get(&scope.rows(ENDS, table))?).unwrap_or(0))
}

fn cursor_key(scope: Scope<'_>, table: &str, target: &str) -> Vec<u8> {
    let mut key = scope.rows(CURSORS, table);
    Part::encode(target, &mut key);
    key
}

/// The position of the first write that a region has yet to be told of.
///
/// # Errors
/// When the store fails.
pub fn cursor(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str, target: &str) -> Result<Option<u64>> {
    Ok(number(from.get(&cursor_key(scope, table, target))?))
}

/// Notes that a region was told of everything before a position.
pub fn set_cursor(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, target: &str, position: u64) {
    tx.put(cursor_key(scope, table, target), position.to_be_bytes().to_vec().into());
}

/// Notes that a region will be told of nothing more.
pub fn end_cursor(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, target: &str) {
    tx.delete(cursor_key(scope, table, target));
}

fn all(scope: Scope<'_>, kind: &str, table: &str, limit: usize) -> Page {
    let start = scope.rows(kind, table);
    Page { end: prefix_end(&start), start, order: Order::Ascending, limit }
}

/// Writes that others have yet to be told of, from a position on.
///
/// # Errors
/// When the store fails.
pub fn outgoing(
    from: &(impl Read + ?Sized),
    scope: Scope<'_>,
    table: &str,
    position: u64,
    limit: usize,
) -> Result<Vec<(u64, Outgoing)>> {
    let page = Page { start: outgoing_key(scope, table, position), ..all(scope, OUTGOING, table, limit) };
    let position = |key: &Bytes| key.last_chunk().copied().map_or(0, u64::from_be_bytes);
    from.scan(&page)?.into_iter().map(|(key, stored)| Ok((position(&key), minicbor::decode(&stored)?))).collect()
}

/// Forgets up to `limit` writes that every region was told of.
///
/// # Errors
/// When the store fails.
pub fn trim(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, limit: usize) -> Result<()> {
    let cursors = tx.scan(&all(scope, CURSORS, table, usize::MAX))?;
    let told = cursors.into_iter().filter_map(|(_, stored)| number(Some(stored))).min();
    let told = told.map_or_else(|| end(tx, scope, table), Ok)?;
    for (position, _) in outgoing(tx, scope, table, 0, limit)? {
        if position < told {
            tx.delete(outgoing_key(scope, table, position));
        }
    }
    Ok(())
}

/// Forgets the stamps of up to `limit` items that went before a moment in milliseconds since 1970; says whether there may be
/// more.
///
/// # Errors
/// When the store fails.
pub fn forget_gone(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, before: i64, limit: usize) -> Result<bool> {
    let page =
        Page { end: Some(gone_key(scope, table, before.saturating_mul(1000), &[])), ..all(scope, GONE, table, limit) };
    let prefix = scope.rows(GONE, table).len();
    let found = tx.scan(&page)?;
    let more = found.len() >= limit;
    for (key, _) in found {
        if let Some(place) = key.get(prefix + 8..) {
            tx.delete(at_place(scope, STAMPS, table, place));
        }
        tx.delete(key.to_vec());
    }
    Ok(more)
}

/// Keeps a write for a replica that it could not be done in, in the place of any that it missed before.
pub fn miss(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, place: &[u8], missed: &Missed) {
    tx.put(at_place(scope, MISSED, table, place), encoded(missed));
}

/// Up to `limit` writes that a replica missed, with their places.
///
/// # Errors
/// When the store fails.
pub fn missed(
    from: &(impl Read + ?Sized),
    scope: Scope<'_>,
    table: &str,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Missed)>> {
    let prefix = scope.rows(MISSED, table).len();
    let found = from.scan(&all(scope, MISSED, table, limit))?;
    let place = |key: &Bytes| key.get(prefix..).unwrap_or_default().to_vec();
    found.into_iter().map(|(key, stored)| Ok((place(&key), minicbor::decode(&stored)?))).collect()
}

/// Forgets a write that a replica has made up for.
pub fn made_up(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, place: &[u8]) {
    tx.delete(at_place(scope, MISSED, table, place));
}

/// The regions that a table tells of its writes.
///
/// # Errors
/// When the store fails.
pub fn told(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str) -> Result<Vec<String>> {
    let prefix = scope.rows(CURSORS, table).len();
    let found = from.scan(&all(scope, CURSORS, table, usize::MAX))?;
    Ok(found.into_iter().filter_map(|(key, _)| PartDecode::decode(&mut key.get(prefix..)?)).collect())
}
