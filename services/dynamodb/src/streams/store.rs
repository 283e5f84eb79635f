//! What is kept of streams: what each is, how far it has come, and its records.

use crate::compact::{self, ItemRef};
use crate::encryption::{Encryption, Keys};
use crate::error::{Error, Result};
use crate::policies::ResourcePolicy;
use crate::rows::{Change, Scope};
use crate::table::{KeySchema, Table};
use crate::value::Item;
use bytes::Bytes;
use minicbor::{Decode, Encode};
use undercast_store::{Order, Page, Read, Tx, prefix_end};

const STREAMS: &str = "dynamodb.streams";
const POSITIONS: &str = "dynamodb.stream-positions";
const RECORDS: &str = "dynamodb.stream-records";

/// How long a record is kept, and how long a stream can be read after its end, in milliseconds.
pub const RETENTION: i64 = 24 * 3_600_000;

/// What the records of a stream show of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum View {
    /// Its key.
    #[n(0)]
    KeysOnly,
    /// The item as it is after the write.
    #[n(1)]
    NewImage,
    /// The item as it was before.
    #[n(2)]
    OldImage,
    /// Both.
    #[n(3)]
    NewAndOldImages,
}

impl View {
    const ALL: [(Self, &'static str); 4] = [
        (Self::KeysOnly, "KEYS_ONLY"),
        (Self::NewImage, "NEW_IMAGE"),
        (Self::OldImage, "OLD_IMAGE"),
        (Self::NewAndOldImages, "NEW_AND_OLD_IMAGES"),
    ];

    /// The view that AWS calls by this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(view, _)| *view)
    }

    /// AWS's name of it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(view, _)| *view == self).map_or("KEYS_ONLY", |(_, name)| name)
    }
}

/// What a table knows of the stream that it has, or had last.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Latest {
    /// The stream's label.
    #[n(0)]
    pub label: String,
    /// The stream's id.
    #[n(1)]
    pub id: String,
    /// What its records show.
    #[n(2)]
    pub view: View,
    /// Whether writes are recorded.
    #[n(3)]
    pub enabled: bool,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Stream {
    /// Name of the table.
    #[n(0)]
    pub table: String,
    /// The moment that it was made, as text; with the table's name it makes its ARN.
    #[n(1)]
    pub label: String,
    /// Unique for all time.
    #[n(2)]
    pub id: String,
    /// What its records show.
    #[n(3)]
    pub view: View,
    /// When it was made, in milliseconds since 1970.
    #[n(4)]
    pub created: i64,
    /// The key of the table.
    #[n(5)]
    pub key: KeySchema,
    /// When it was disabled, or its table deleted.
    #[n(6)]
    pub ended: Option<i64>,
    /// What its records are sealed with, once it has ended; before that its table says it.
    #[n(7)]
    pub encryption: Option<Encryption>,
    /// Its policy, if it has one.
    #[n(8)]
    pub policy: Option<ResourcePolicy>,
}

impl Stream {
    /// Whether it has ended so long ago that nobody sees it any more.
    pub fn is_over(&self, now: i64) -> bool {
        self.ended.is_some_and(|ended| ended.saturating_add(RETENTION) <= now)
    }
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// When it happened, in milliseconds since 1970.
    #[n(0)]
    pub at: i64,
    /// What it did.
    #[n(1)]
    pub event: Event,
    /// Whether the item expired, instead of having been deleted.
    #[n(2)]
    pub expired: bool,
    /// The key, as an item in its stored form.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub keys: Vec<u8>,
    /// The item before it, in its stored form, if the view has it.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub old: Option<Vec<u8>>,
    /// The item after it, in its stored form, if the view has it.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub new: Option<Vec<u8>>,
}

impl Record {
    /// Whether it is sealed with a key of its table.
    pub fn is_sealed(&self) -> bool {
        // What is not sealed begins as items do.
        ItemRef::open(&self.keys).is_err()
    }

    /// The record of a stream or a history as it is.
    ///
    /// # Errors
    /// When it is damaged, or the key is not at hand.
    pub fn opened(self, keys: Keys<'_>, id: &str) -> Result<Self> {
        let open = |kept: Vec<u8>| Ok::<_, Error>(keys.open(&[id.as_bytes()], kept.into())?.to_vec());
        Ok(Self {
            keys: open(self.keys)?,
            old: self.old.map(open).transpose()?,
            new: self.new.map(open).transpose()?,
            ..self
        })
    }

    /// Bytes by AWS's count: of the key and of the images.
    ///
    /// # Errors
    /// When what is stored is damaged.
    pub fn size(&self) -> Result<usize> {
        let parts = [Some(&self.keys), self.old.as_ref(), self.new.as_ref()];
        parts.into_iter().flatten().map(|part| Ok(ItemRef::open(part)?.size())).sum()
    }
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// There was no item.
    #[n(0)]
    Insert,
    /// There was another item.
    #[n(1)]
    Modify,
    /// There is no item any more.
    #[n(2)]
    Remove,
}

fn row(scope: Scope<'_>, table: &str, label: &str) -> Vec<u8> {
    let mut key = scope.rows(STREAMS, table);
    undercast_store::Part::encode(label, &mut key);
    key
}

fn record_key(scope: Scope<'_>, id: &str, position: u64) -> Vec<u8> {
    let mut key = scope.rows(RECORDS, id);
    key.extend_from_slice(&position.to_be_bytes());
    key
}

fn position_of(key: &[u8]) -> u64 {
    key.last_chunk().copied().map_or(0, u64::from_be_bytes)
}

fn encoded(value: &impl Encode<()>) -> Bytes {
    let mut bytes = Vec::with_capacity(256);
    // Writing to a vector cannot fail.
    let _infallible = minicbor::encode(value, &mut bytes);
    bytes.into()
}

/// Makes or changes a stream.
pub fn put(tx: &mut Tx<'_>, scope: Scope<'_>, stream: &Stream) {
    tx.put(row(scope, &stream.table, &stream.label), encoded(stream));
}

/// Deletes a stream whose records have been trimmed.
pub fn delete(tx: &mut Tx<'_>, scope: Scope<'_>, stream: &Stream) {
    tx.delete(row(scope, &stream.table, &stream.label));
    forget(tx, scope, &stream.id);
}

/// Forgets how far a stream or a history had come whose records have been trimmed.
pub fn forget(tx: &mut Tx<'_>, scope: Scope<'_>, id: &str) {
    tx.delete(scope.rows(POSITIONS, id));
}

/// A stream by its table's name and its label.
///
/// # Errors
/// When the store fails.
pub fn get(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str, label: &str) -> Result<Option<Stream>> {
    Ok(from.get(&row(scope, table, label))?.map(|bytes| minicbor::decode(&bytes)).transpose()?)
}

/// Streams in the order of their tables' names and of their labels: those of one table or all, behind one of them.
///
/// # Errors
/// When the store fails.
pub fn list(
    from: &(impl Read + ?Sized),
    scope: Scope<'_>,
    table: Option<&str>,
    after: Option<(&str, &str)>,
    limit: usize,
) -> Result<Vec<Stream>> {
    let prefix = table.map_or_else(|| scope.prefix(STREAMS), |table| scope.rows(STREAMS, table));
    let behind = after.map(|(table, label)| [row(scope, table, label), vec![0]].concat());
    let start = behind.map_or_else(|| prefix.clone(), |behind| behind.max(prefix.clone()));
    let page = Page { start, end: prefix_end(&prefix), order: Order::Ascending, limit };
    from.scan(&page)?.into_iter().map(|(_, bytes)| Ok(minicbor::decode(&bytes)?)).collect()
}

/// The position that the next record gets; the first is 1.
///
/// # Errors
/// When the store fails.
pub fn next(from: &(impl Read + ?Sized), scope: Scope<'_>, id: &str) -> Result<u64> {
    let stored = from.get(&scope.rows(POSITIONS, id))?;
    Ok(stored.and_then(|bytes| bytes.first_chunk().copied()).map_or(1, u64::from_be_bytes))
}

/// Records a write of the item that `change` is about, unless it changed nothing.
///
/// # Errors
/// When the store fails or a stored item is damaged.
pub fn append(tx: &mut Tx<'_>, scope: Scope<'_>, table: &Table, stream: &Latest, change: &Change<'_>) -> Result<()> {
    let event = match (&change.old, &change.new) {
        (None, None) => return Ok(()),
        (Some(old), Some(new)) if is_same(old, new)? => return Ok(()),
        (None, Some(_)) => Event::Insert,
        (Some(_), Some(_)) => Event::Modify,
        (Some(_), None) => Event::Remove,
    };
    let Some(item) = change.new.as_deref().or(change.old.as_deref()) else { return Ok(()) };
    let attributes = ItemRef::open(item)?.attributes();
    let mut keys = Item::new();
    for name in table.key.names() {
        if let Some(value) = attributes.get(name)? {
            keys.insert(name.to_owned(), value.to_value()?);
        }
    }
    let mut key_bytes = Vec::with_capacity(64);
    compact::encode(&keys, &mut key_bytes);
    let shows_old = matches!(stream.view, View::OldImage | View::NewAndOldImages);
    let shows_new = matches!(stream.view, View::NewImage | View::NewAndOldImages);
    let seal = |bytes: Bytes| Ok::<_, Error>(table.keys().seal(&[stream.id.as_bytes()], bytes)?.to_vec());
    let image = |item: &Option<Bytes>, shown: bool| item.clone().filter(|_| shown).map(seal).transpose();
    let record = Record {
        at: change.at,
        event,
        expired: change.expired,
        keys: seal(key_bytes.into())?,
        old: image(&change.old, shows_old)?,
        new: image(&change.new, shows_new)?,
    };
    put_record(tx, scope, &stream.id, record)
}

/// Puts a record behind all others. A clock that goes back does not take it before them.
fn put_record(tx: &mut Tx<'_>, scope: Scope<'_>, id: &str, mut record: Record) -> Result<()> {
    let key = scope.rows(POSITIONS, id);
    let stored = tx.get(&key)?.unwrap_or_default();
    let last = stored.last_chunk().copied().map_or(record.at, i64::from_be_bytes);
    let position = stored.first_chunk().copied().map_or(1, u64::from_be_bytes);
    record.at = record.at.max(last);
    tx.put(record_key(scope, id, position), encoded(&record));
    tx.put(key, [(position + 1).to_be_bytes(), record.at.to_be_bytes()].concat().into());
    Ok(())
}

/// Whether two stored items have the same attributes. Sets can be written in several orders.
fn is_same(old: &Bytes, new: &Bytes) -> Result<bool> {
    let (before, after) = (ItemRef::open(old)?, ItemRef::open(new)?);
    Ok(old == new || (before.size() == after.size() && before.to_item()? == after.to_item()?))
}

/// Records with their positions, from one position on, however old.
///
/// # Errors
/// When the store fails.
pub fn records(
    from: &(impl Read + ?Sized),
    scope: Scope<'_>,
    id: &str,
    position: u64,
    limit: usize,
) -> Result<Vec<(u64, Record)>> {
    let end = prefix_end(&scope.rows(RECORDS, id));
    let page = Page { start: record_key(scope, id, position), end, order: Order::Ascending, limit };
    from.scan(&page)?.into_iter().map(|(key, bytes)| Ok((position_of(&key), minicbor::decode(&bytes)?))).collect()
}

/// The position of the first record that is not older than `since`, in milliseconds since 1970; without such a record the
/// position of the next one.
///
/// # Errors
/// When the store fails.
pub fn first_since(from: &(impl Read + ?Sized), scope: Scope<'_>, id: &str, since: i64) -> Result<u64> {
    // Records are in the order of their moments, so the place is found by halving.
    let end = next(from, scope, id)?;
    let mut low = records(from, scope, id, 0, 1)?.first().map_or(end, |(position, _)| *position);
    let mut high = end;
    while low < high {
        let middle = low + (high - low) / 2;
        match records(from, scope, id, middle, 1)?.first() {
            Some((_, record)) if record.at < since => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Deletes up to `limit` records that are older than `since`; says whether there may be more.
///
/// # Errors
/// When the store fails.
pub fn trim(tx: &mut Tx<'_>, scope: Scope<'_>, id: &str, since: i64, limit: usize) -> Result<bool> {
    let old = records(tx, scope, id, 0, limit)?;
    let full = old.len() >= limit;
    let mut all = true;
    for (position, record) in old {
        if record.at >= since {
            all = false;
            break;
        }
        tx.delete(record_key(scope, id, position));
    }
    Ok(full && all)
}
