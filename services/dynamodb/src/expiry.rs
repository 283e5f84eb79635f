//! When items expire: a row for each of them, in the order of their times.

use crate::compact::{self, ItemRef, ValueRef};
use crate::error::Result;
use crate::rows::Scope;
use crate::table::Table;
use bytes::Bytes;
use undercast_store::{Order, Page, Read, Tx, prefix_end};

/// The number under which expiry times are kept.
pub(crate) const EXPIRY: u16 = u16::MAX;

/// When an item expires, in seconds since 1970, if its attribute says so with a number.
///
/// # Errors
/// When a stored item is damaged.
pub(crate) fn expiry(attribute: &str, item: Option<ItemRef<'_>>) -> Result<Option<u64>> {
    let Some(item) = item else { return Ok(None) };
    Ok(match item.attributes().get(attribute)? {
        Some(ValueRef::N(text)) => {
            compact::parse_number(text)?.to_i64().and_then(|seconds| u64::try_from(seconds).ok())
        }
        _ => None,
    })
}

/// Keeps the time of an item, in the place of the one that it had.
pub(crate) fn write_expiry(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    place: &[u8],
    before: Option<u64>,
    after: Option<u64>,
) {
    if before == after {
        return;
    }
    let space = scope.space(&table.id, EXPIRY);
    let key = |seconds: u64| [space.as_slice(), &seconds.to_be_bytes(), place].concat();
    if let Some(seconds) = before {
        tx.delete(key(seconds));
    }
    if let Some(seconds) = after {
        tx.put(key(seconds), Bytes::new());
    }
}

/// The times and the places of up to `limit` items whose time lies between `from` and `until`, in seconds since 1970, the longest
/// expired first.
///
/// # Errors
/// When the store fails.
pub fn expired(
    read: &(impl Read + ?Sized),
    scope: Scope<'_>,
    table: &Table,
    from: u64,
    until: u64,
    limit: usize,
) -> Result<Vec<(u64, Vec<u8>)>> {
    let space = scope.space(&table.id, EXPIRY);
    let bound = |seconds: u64| [space.as_slice(), &seconds.to_be_bytes()].concat();
    let page = Page { start: bound(from), end: Some(bound(until)), order: Order::Ascending, limit };
    let found = read.scan(&page)?;
    let part = |key: &[u8]| {
        let (seconds, place) = key.get(space.len()..)?.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*seconds), place.to_vec()))
    };
    Ok(found.into_iter().filter_map(|(key, _)| part(&key)).collect())
}

/// When the next item expires, in seconds since 1970.
///
/// # Errors
/// When the store fails.
pub fn next_expiry(read: &(impl Read + ?Sized), scope: Scope<'_>, table: &Table, from: u64) -> Result<Option<u64>> {
    let space = scope.space(&table.id, EXPIRY);
    let start = [space.as_slice(), &from.to_be_bytes()].concat();
    let page = Page { start, end: prefix_end(&space), order: Order::Ascending, limit: 1 };
    let found = read.scan(&page)?;
    let seconds = found.first().and_then(|(key, _)| key.get(space.len()..)?.first_chunk::<8>().copied());
    Ok(seconds.map(u64::from_be_bytes))
}
