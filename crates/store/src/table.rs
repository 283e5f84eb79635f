//! Typed tables: a name, keys that begin with account and region, rows of numbered fields.

use std::marker::PhantomData;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::key::{Key, KeyDecode, Part, prefix_end};
use crate::{Error, Order, Page, Read, Result, Tx};

/// A table with rows `V`. Rows are CBOR with numbered fields: a field may be added, a number is never used twice.
pub struct Table<V> {
    name: &'static str,
    rows: PhantomData<fn() -> V>,
}

/// A row with its key.
#[derive(Debug, Clone)]
pub struct Entry<V> {
    key: Bytes,
    name_length: usize,
    /// The row.
    pub row: V,
}

impl<V> Entry<V> {
    /// The parts of its key.
    pub fn key<K: KeyDecode>(&self) -> Option<K> {
        K::decode(&mut self.key.get(self.name_length..)?)
    }
}

impl<V> Table<V> {
    /// A table called `name`; names are never used twice, in any service.
    pub const fn new(name: &'static str) -> Self {
        Self { name, rows: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn bytes(&self, key: &impl Key) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        Part::encode(self.name, &mut out);
        key.encode(&mut out);
        out
    }
}

impl<V: for<'b> Decode<'b, ()> + Encode<()>> Table<V> {
    /// The row of a key.
    ///
    /// # Errors
    /// When the engine fails or the row cannot be read.
    pub fn get(&self, from: &(impl Read + ?Sized), key: &impl Key) -> Result<Option<V>> {
        from.get(&self.bytes(key))?.map(|b| self.read(&b)).transpose()
    }

    /// Reads a row out of its bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self, stored: &[u8]) -> Result<V> {
        minicbor::decode(stored).map_err(|source| Error::Row { table: self.name, source })
    }

    /// Whether the key has a row.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn has(&self, from: &(impl Read + ?Sized), key: &impl Key) -> Result<bool> {
        Ok(from.get(&self.bytes(key))?.is_some())
    }

    /// Puts a row in the place of the one before.
    pub fn put(&self, tx: &mut Tx<'_>, key: &impl Key, row: &V) {
        let mut bytes = Vec::with_capacity(128);
        // Writing to a vector cannot fail; a row that could not be encoded is a defect of its derive.
        if minicbor::encode(row, &mut bytes).is_ok() {
            tx.put(self.bytes(key), bytes.into());
        }
    }

    /// Deletes a row, if it is there.
    pub fn delete(&self, tx: &mut Tx<'_>, key: &impl Key) {
        tx.delete(self.bytes(key));
    }

    /// The first `limit` rows whose keys begin with `prefix`, behind `after` where it is given, in `order`.
    ///
    /// # Errors
    /// When the engine fails or a row cannot be read.
    pub fn page<A: Key>(
        &self,
        from: &(impl Read + ?Sized),
        prefix: &impl Key,
        after: Option<&A>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry<V>>> {
        let prefix = self.bytes(prefix);
        let mut page = Page { end: prefix_end(&prefix), start: prefix, order, limit };
        if let Some(after) = after {
            let mut after = self.bytes(after);
            match order {
                Order::Ascending => {
                    after.push(0);
                    page.start = after.max(page.start);
                }
                Order::Descending => page.end = Some(after),
            }
        }
        self.entries(from, &page)
    }

    /// All rows whose keys begin with `prefix`.
    ///
    /// # Errors
    /// When the engine fails or a row cannot be read.
    pub fn all(&self, from: &(impl Read + ?Sized), prefix: &impl Key) -> Result<Vec<Entry<V>>> {
        self.page(from, prefix, None::<&()>, Order::Ascending, usize::MAX)
    }

    /// The rows with keys from `start` on and before `end`, which both begin inside this table.
    ///
    /// # Errors
    /// When the engine fails or a row cannot be read.
    pub fn range(
        &self,
        from: &(impl Read + ?Sized),
        start: &impl Key,
        end: &impl Key,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry<V>>> {
        let page = Page { start: self.bytes(start), end: Some(self.bytes(end)), order, limit };
        self.entries(from, &page)
    }

    fn entries(&self, from: &(impl Read + ?Sized), page: &Page) -> Result<Vec<Entry<V>>> {
        // The terminator of a text is two bytes.
        let name_length = self.name.len() + 2;
        let found = from.scan(page)?.into_iter();
        found.map(|(key, value)| Ok(Entry { key, name_length, row: self.read(&value)? })).collect()
    }

    /// Deletes all rows whose keys begin with `prefix`, and says how many there were.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn clear(&self, tx: &mut Tx<'_>, prefix: &impl Key) -> Result<usize> {
        let prefix = self.bytes(prefix);
        let page = Page { end: prefix_end(&prefix), start: prefix, order: Order::Ascending, limit: usize::MAX };
        let keys = tx.scan(&page)?;
        let count = keys.len();
        keys.into_iter().for_each(|(key, _)| tx.delete(key.to_vec()));
        Ok(count)
    }
}
