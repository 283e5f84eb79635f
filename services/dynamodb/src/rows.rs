//! Where tables and items are kept in the store, and how a write to an item is carried out in all of them.
//!
//! Keys begin with the store's table name, account and region. Rows of items go on with the table's id, the number of
//! the index (0 for the table itself), and the place as [`crate::key`] encodes it. Values are items in their stored form:
//! whole in the table, projected in an index.

use crate::capacity::index_units;
use crate::compact::{self, ItemRef, MapRef};
use crate::destinations::Destinations;
use crate::encryption::{self, Attached, Ring};
use crate::error::Result;
use crate::global::stamps::{self, Stamp};
use crate::key::slot;
use crate::streams::store as streams;
use crate::table::{BASE, Index, IndexProjection, Table};
use crate::value::Item;
use crate::vectors;
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use undercast_store::{Order, Page, Part, PartDecode, Read, Remembered, Tx, prefix_end};

pub use crate::expiry::{expired, next_expiry};
use crate::expiry::{expiry, write_expiry};
pub use crate::sweep::{Sweep, sweep};

pub(crate) const TABLES: &str = "dynamodb.tables";
pub(crate) const ITEMS: &str = "dynamodb.items";
pub(crate) const COUNTS: &str = "dynamodb.counts";

/// Whose state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    /// The account, 12 digits.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
}

/// Appends a part of a key.
fn text(part: &str, key: &mut Vec<u8>) {
    Part::encode(part, key);
}

impl Scope<'_> {
    pub(crate) fn prefix(&self, kind: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(128);
        text(kind, &mut key);
        text(self.account, &mut key);
        text(self.region, &mut key);
        key
    }

    fn table_key(&self, name: &str) -> Vec<u8> {
        let mut key = self.prefix(TABLES);
        text(name, &mut key);
        key
    }

    /// The beginning of the keys of all rows of a table.
    pub(crate) fn rows(&self, kind: &str, table: &str) -> Vec<u8> {
        let mut key = self.prefix(kind);
        text(table, &mut key);
        key
    }

    /// The beginning of the keys of the rows of a table or of one of its indexes.
    pub(crate) fn space(&self, table: &str, number: u16) -> Vec<u8> {
        let mut key = self.rows(ITEMS, table);
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    pub(crate) fn counts_key(&self, table: &str, number: u16) -> Vec<u8> {
        let mut key = self.rows(COUNTS, table);
        key.extend_from_slice(&number.to_be_bytes());
        key
    }
}

/// Descriptions of tables as they were last decoded.
#[derive(Debug, Default)]
pub struct Descriptions {
    tables: Remembered<Table>,
    ring: Arc<Ring>,
}

impl Descriptions {
    /// The table of this name, if there is one that holds items for others to read.
    ///
    /// # Errors
    /// When the store fails or the description cannot be read.
    pub fn get(&self, from: &(impl Read + ?Sized), scope: Scope<'_>, name: &str) -> Result<Option<Arc<Table>>> {
        Ok(self.any(from, scope, name)?.filter(|table| table.is_there()))
    }

    /// The same, though it may still be being made.
    ///
    /// # Errors
    /// When the store fails or the description cannot be read.
    pub fn any(&self, from: &(impl Read + ?Sized), scope: Scope<'_>, name: &str) -> Result<Option<Arc<Table>>> {
        self.tables.at(from, scope.table_key(name), |stored| {
            let mut table: Table = minicbor::decode(stored)?;
            self.attach(&mut table);
            Ok(table)
        })
    }

    /// The ring on which the keys of tables hang.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Hangs the keys of a table that was read from elsewhere on the ring.
    pub fn attach(&self, table: &mut Table) {
        encryption::hang(&self.ring, table);
        table.ring = Attached(Some(self.ring.clone()));
    }
}

/// Puts a table's description.
pub fn put_table(tx: &mut Tx<'_>, scope: Scope<'_>, table: &Table) {
    let mut bytes = Vec::with_capacity(256);
    // Writing to a vector cannot fail.
    if minicbor::encode(table, &mut bytes).is_ok() {
        tx.put(scope.table_key(&table.name), bytes.into());
    }
}

/// Deletes a table's description; its rows are swept by [`sweep`].
pub fn delete_table(tx: &mut Tx<'_>, scope: Scope<'_>, name: &str) {
    tx.delete(scope.table_key(name));
}

/// The first tables in order of their names, behind `after`.
///
/// # Errors
/// When the store fails or a description cannot be read.
pub fn list_tables(
    from: &(impl Read + ?Sized),
    scope: Scope<'_>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Table>> {
    let prefix = scope.prefix(TABLES);
    let start = after.map_or_else(|| prefix.clone(), |name| [scope.table_key(name), vec![0]].concat());
    let page = Page { start, end: prefix_end(&prefix), order: Order::Ascending, limit };
    from.scan(&page)?.into_iter().map(|(_, bytes)| Ok(minicbor::decode(&bytes)?)).collect()
}

/// Every table of every account and region, with its account and region.
///
/// # Errors
/// When the store fails or a description cannot be read.
pub fn every_table(from: &(impl Read + ?Sized)) -> Result<Vec<((String, String), Table)>> {
    let mut prefix = Vec::new();
    text(TABLES, &mut prefix);
    let page = Page { end: prefix_end(&prefix), start: prefix.clone(), order: Order::Ascending, limit: usize::MAX };
    let mut tables = Vec::new();
    for (key, stored) in from.scan(&page)? {
        let mut rest = key.get(prefix.len()..).unwrap_or_default();
        let (account, region) = (PartDecode::decode(&mut rest), PartDecode::decode(&mut rest));
        if let (Some(account), Some(region)) = (account, region) {
            let whose = (account, region);
            tables.push((whose, minicbor::decode(&stored)?));
        }
    }
    Ok(tables)
}

/// How much a table or an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Counts {
    /// Items.
    #[n(0)]
    pub items: i64,
    /// Bytes by AWS's count.
    #[n(1)]
    pub bytes: i64,
}

/// How much a table (`number` 0) or one of its indexes holds.
///
/// # Errors
/// When the store fails.
pub fn counts(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &Table, number: u16) -> Result<Counts> {
    Ok(match from.get(&scope.counts_key(&table.id, number))? {
        Some(bytes) => minicbor::decode(&bytes)?,
        None => Counts::default(),
    })
}

/// Puts a row of an index.
///
/// # Errors
/// When the key of its table is not at hand.
pub(crate) fn put_row(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    number: u16,
    place: &[u8],
    row: Bytes,
) -> Result<()> {
    let key = [scope.space(&table.id, number).as_slice(), place].concat();
    tx.put(key, sealed(table, number, place, row)?);
    Ok(())
}

/// Deletes a row of an index.
pub(crate) fn delete_row(tx: &mut Tx<'_>, scope: Scope<'_>, table: &Table, number: u16, place: &[u8]) {
    tx.delete([scope.space(&table.id, number).as_slice(), place].concat());
}

/// Counts what became of a row, by its sizes before and after.
///
/// # Errors
/// When the store fails.
pub(crate) fn count(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    number: u16,
    old: Option<usize>,
    new: Option<usize>,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let size = |side: Option<usize>| side.and_then(|size| i64::try_from(size).ok()).unwrap_or(0);
    let mut counts = counts(tx, scope, table, number)?;
    counts.items += i64::from(new.is_some()) - i64::from(old.is_some());
    counts.bytes += size(new) - size(old);
    let mut bytes = Vec::with_capacity(16);
    if minicbor::encode(counts, &mut bytes).is_ok() {
        tx.put(scope.counts_key(&table.id, number), bytes.into());
    }
    Ok(())
}

/// The stored item at a place, as the bytes that [`ItemRef::open`] reads.
///
/// # Errors
/// When the store fails.
pub fn get(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &Table, place: &[u8]) -> Result<Option<Bytes>> {
    let mut key = scope.space(&table.id, BASE);
    key.extend_from_slice(place);
    from.get(&key)?.map(|kept| opened(table, BASE, place, kept)).transpose()
}

/// A row as it is, of what is kept of it.
///
/// # Errors
/// When it is damaged, or the key of its table is not at hand.
pub(crate) fn opened(table: &Table, number: u16, place: &[u8], kept: Bytes) -> Result<Bytes> {
    table.keys().open(&[table.id.as_bytes(), &number.to_be_bytes(), place], kept)
}

/// What is kept of a row.
///
/// # Errors
/// When the key of its table is not at hand.
pub(crate) fn sealed(table: &Table, number: u16, place: &[u8], row: Bytes) -> Result<Bytes> {
    table.keys().seal(&[table.id.as_bytes(), &number.to_be_bytes(), place], row)
}

/// The description of a table, not remembered.
///
/// # Errors
/// When the store fails or the description cannot be read.
pub fn table(from: &(impl Read + ?Sized), scope: Scope<'_>, name: &str) -> Result<Option<Table>> {
    Ok(from.get(&scope.table_key(name))?.map(|stored| minicbor::decode(&stored)).transpose()?)
}

/// What a write did besides the table's own row, for the count of capacity.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// For each index that changed: its number, and the sizes of the rows taken away and put there.
    pub indexes: Vec<IndexWrite>,
    /// When the item expires, in seconds since 1970, if the write has changed that.
    pub expires: Option<u64>,
    /// The stamp that the item of a replica got.
    pub stamp: Option<Stamp>,
}

/// A change in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexWrite {
    /// The index's number.
    pub number: u16,
    /// Size of the row that was taken away or replaced.
    pub old: Option<usize>,
    /// Size of the row that was put there.
    pub new: Option<usize>,
    /// The new row has the place of the old one, so that AWS writes once.
    pub in_place: bool,
    /// The hash by which partitions are spread, of the row that was put there, else of the one that was taken away.
    pub slot: u32,
}

/// A write to one place of a table.
#[derive(Debug)]
pub struct Change<'a> {
    /// The place, as [`crate::key`] encodes it.
    pub place: &'a [u8],
    /// The item that is there now.
    pub old: Option<Bytes>,
    /// The item that is to be there.
    pub new: Option<Bytes>,
    /// When it happens, in milliseconds since 1970.
    pub at: i64,
    /// Whether the item expires, instead of being written by a caller.
    pub expired: bool,
    /// When and where it was written first, if that was in another region.
    pub origin: Option<Stamp>,
}

/// Carries out a write in the table, in its indexes, in the expiry times, in the counts and in the stream.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub fn write(tx: &mut Tx<'_>, scope: Scope<'_>, table: &Table, change: &Change<'_>) -> Result<Written> {
    let old = change.old.as_deref().map(ItemRef::open).transpose()?;
    let new = change.new.as_deref().map(ItemRef::open).transpose()?;
    let stamp = match &table.replica {
        // What is told of something that never got here leaves its stamp, so that nothing older comes after it.
        Some(replica) if new.is_some() || old.is_some() || change.origin.is_some() => {
            Some(stamps::stamp(tx, scope, table, replica.strong, change)?)
        }
        _ => None,
    };
    let mut written = Written { stamp, ..Written::default() };
    let key = [scope.space(&table.id, BASE).as_slice(), change.place].concat();
    match &change.new {
        Some(bytes) => tx.put(key, sealed(table, BASE, change.place, bytes.clone())?),
        None if change.old.is_some() => tx.delete(key),
        None => return Ok(written),
    }
    count(tx, scope, table, BASE, old.map(ItemRef::size), new.map(ItemRef::size))?;
    for index in table.indexes() {
        let before = IndexRow::of(table, index, change.old.as_ref().zip(old), change.place)?;
        let after = IndexRow::of(table, index, change.new.as_ref().zip(new), change.place)?;
        written.indexes.extend(write_index(tx, scope, table, index, before.as_ref(), after.as_ref())?);
    }
    vectors::write(tx, scope, table, change.place, (old, new))?;
    if let Some(attribute) = &table.ttl {
        let (before, after) = (expiry(attribute, old)?, expiry(attribute, new)?);
        write_expiry(tx, scope, table, change.place, before, after);
        written.expires = after.filter(|_| before != after);
    }
    if let Some(stream) = table.stream.as_ref().filter(|stream| stream.enabled) {
        streams::append(tx, scope, table, stream, change)?;
    }
    if let Some(recovery) = &table.recovery {
        streams::append(tx, scope, table, &recovery.history, change)?;
    }
    if let Some(feed) = table.destinations.as_ref().and_then(Destinations::feed) {
        streams::append(tx, scope, table, feed, change)?;
    }
    Ok(written)
}

/// What an index has of an item.
struct IndexRow {
    place: Vec<u8>,
    bytes: Bytes,
    size: usize,
}

impl IndexRow {
    fn of(table: &Table, index: &Index, item: Option<(&Bytes, ItemRef<'_>)>, primary: &[u8]) -> Result<Option<Self>> {
        let Some((stored, item)) = item else { return Ok(None) };
        let Some(place) = index.place_of(table, item.attributes(), primary)? else { return Ok(None) };
        if index.projection == IndexProjection::All {
            return Ok(Some(Self { place, bytes: stored.clone(), size: item.size() }));
        }
        let projected = project(table, index, item.attributes())?;
        let mut bytes = Vec::new();
        compact::encode(&projected, &mut bytes);
        Ok(Some(Self { place, bytes: bytes.into(), size: projected.size() }))
    }
}

fn project(table: &Table, index: &Index, item: MapRef<'_>) -> Result<Item> {
    let mut projected = Vec::new();
    for entry in item.iter() {
        let (name, value) = entry?;
        if index.projects(table, name) {
            projected.push((name.to_owned(), value.to_value()?));
        }
    }
    Ok(projected.into_iter().collect())
}

fn write_index(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    index: &Index,
    before: Option<&IndexRow>,
    after: Option<&IndexRow>,
) -> Result<Option<IndexWrite>> {
    let in_place = match (before, after) {
        (None, None) => return Ok(None),
        (Some(before), Some(after)) if before.place == after.place => {
            // A write that changes nothing of what an index has costs it nothing.
            if before.bytes == after.bytes {
                return Ok(None);
            }
            true
        }
        _ => false,
    };
    let space = scope.space(&table.id, index.number);
    let key = |row: &IndexRow| [space.as_slice(), row.place.as_slice()].concat();
    let (old, new) = (before.map(|row| row.size), after.map(|row| row.size));
    if let Some(before) = before
        && !in_place
    {
        tx.delete(key(before));
    }
    if let Some(after) = after {
        tx.put(key(after), sealed(table, index.number, &after.place, after.bytes.clone())?);
    }
    count(tx, scope, table, index.number, old, new)?;
    let slot = after.or(before).map_or(0, |row| slot(&row.place));
    Ok(Some(IndexWrite { number: index.number, old, new, in_place, slot }))
}

/// Which rows of a table or an index are read, and which way.
#[derive(Debug, Clone)]
pub struct Rows {
    /// From here on, behind the beginning of the keys.
    pub from: Bound<Vec<u8>>,
    /// Up to here.
    pub to: Bound<Vec<u8>>,
    /// Which way.
    pub order: Order,
}

impl Rows {
    /// All of them.
    pub fn all() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded, order: Order::Ascending }
    }

    /// Only those behind a place, in the order of reading.
    #[must_use]
    pub fn after(mut self, place: &[u8]) -> Self {
        match self.order {
            Order::Ascending => self.from = Bound::Excluded(place.to_vec()),
            Order::Descending => self.to = Bound::Excluded(place.to_vec()),
        }
        self
    }

    fn page(&self, space: &[u8], limit: usize) -> Page {
        let key = |place: &[u8]| [space, place].concat();
        let start = match &self.from {
            Bound::Included(place) => key(place),
            Bound::Excluded(place) => [key(place), vec![0]].concat(),
            Bound::Unbounded => space.to_vec(),
        };
        let end = match &self.to {
            Bound::Included(place) => Some([key(place), vec![0]].concat()),
            Bound::Excluded(place) => Some(key(place)),
            Bound::Unbounded => prefix_end(space),
        };
        Page { start, end, order: self.order, limit }
    }
}

/// Up to `limit` rows of a table (`number` 0) or an index: their places and the stored items.
///
/// # Errors
/// When the store fails.
pub fn scan(
    from: &(impl Read + ?Sized),
    scope: Scope<'_>,
    table: &Table,
    number: u16,
    rows: &Rows,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Bytes)>> {
    let space = scope.space(&table.id, number);
    let found = from.scan(&rows.page(&space, limit))?;
    let place = |key: &Bytes| key.get(space.len()..).unwrap_or_default().to_vec();
    let row = |(key, kept): (Bytes, Bytes)| {
        let place = place(&key);
        let row = opened(table, number, &place, kept)?;
        Ok((place, row))
    };
    found.into_iter().map(row).collect()
}

/// Makes the rows of new indexes, or the expiry times, for up to `limit` items behind `after`; gives the place to go on
/// from, or `None` when all have been seen, and the units of writing that it took.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub fn backfill(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    what: Backfill<'_>,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<(Option<Vec<u8>>, f64)> {
    let mut units = 0.0;
    let rows = after.map_or_else(Rows::all, |place| Rows::all().after(place));
    let found = scan(tx, scope, table, BASE, &rows, limit)?;
    for (place, bytes) in &found {
        let item = ItemRef::open(bytes)?;
        match what {
            Backfill::Index(index) => {
                let row = IndexRow::of(table, index, Some((bytes, item)), place)?;
                let write = write_index(tx, scope, table, index, None, row.as_ref())?;
                units += write.as_ref().map_or(0.0, index_units);
            }
            Backfill::Expiry(attribute) => {
                let seconds = expiry(attribute, Some(item))?;
                write_expiry(tx, scope, table, place, None, seconds);
            }
        }
    }
    let next = if found.len() < limit { None } else { found.into_iter().next_back().map(|(place, _)| place) };
    Ok((next, units))
}

/// What [`backfill`] makes.
#[derive(Debug, Clone, Copy)]
pub enum Backfill<'a> {
    /// The rows of an index.
    Index(&'a Index),
    /// The expiry times by this attribute.
    Expiry(&'a str),
}

const TAGS: &str = "dynamodb.tags";

/// The tags of a table, by its id.
///
/// # Errors
/// When the store fails.
pub fn tags(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str) -> Result<BTreeMap<String, String>> {
    let stored = from.get(&scope.rows(TAGS, table))?;
    Ok(stored.map(|bytes| minicbor::decode(&bytes)).transpose()?.unwrap_or_default())
}

/// Sets the tags of a table; none at all are not kept.
pub fn put_tags(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, tags: &BTreeMap<String, String>) {
    let key = scope.rows(TAGS, table);
    let mut bytes = Vec::new();
    if tags.is_empty() {
        tx.delete(key);
    } else if minicbor::encode(tags, &mut bytes).is_ok() {
        tx.put(key, bytes.into());
    }
}
