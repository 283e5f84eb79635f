//! What readers see: the rows that are in the log alone, over the tree.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;

use super::tree;
use crate::layers::{self, Upper};
use crate::{Batch, Order, Page, Read, Result};

/// What a row weighs in memory beside its bytes, about.
const OVERHEAD: usize = 128;

/// Rows that are not in the tree; `None` hides one that is.
#[derive(Clone, Default)]
pub(super) struct Layer {
    rows: OrdMap<Vec<u8>, Option<Bytes>>,
    /// Bytes of them all, about.
    weight: usize,
    /// How many hide something. Whoever looks for the first row must step over them.
    hiding: usize,
}

impl Layer {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn hiding(&self) -> usize {
        self.hiding
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&Vec<u8>, &Option<Bytes>)> {
        self.rows.iter()
    }

    fn count(&mut self, key: &[u8], value: Option<&Bytes>, more: bool) {
        let weight = OVERHEAD + key.len() + value.map_or(0, Bytes::len);
        let hiding = usize::from(value.is_none());
        if more {
            (self.weight, self.hiding) = (self.weight + weight, self.hiding + hiding);
        } else {
            (self.weight, self.hiding) = (self.weight - weight, self.hiding - hiding);
        }
    }

    fn put(&mut self, key: &[u8], value: Option<Bytes>) {
        self.count(key, value.as_ref(), true);
        if let Some(before) = self.rows.insert(key.to_vec(), value) {
            self.count(key, before.as_ref(), false);
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(before) = self.rows.remove(key) {
            self.count(key, before.as_ref(), false);
        }
    }

    fn range<'a>(&'a self, page: &'a Page) -> Box<dyn Iterator<Item = Upper<'a>> + 'a> {
        let end = page.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range::<_, [u8]>((Bound::Included(page.start.as_slice()), end));
        let rows = rows.map(|(key, value)| (key.as_slice(), value.as_ref()));
        match page.order {
            Order::Ascending => Box::new(rows),
            Order::Descending => Box::new(rows.rev()),
        }
    }
}

/// Committed state at one moment.
#[derive(Clone)]
pub(super) struct View {
    /// Written since the log turned.
    pub(super) fresh: Layer,
    /// Written before, and on its way to the tree.
    pub(super) settling: Layer,
    pub(super) tree: Arc<tree::View>,
}

impl View {
    /// The fresh layer with a group of writes on top. What is written and deleted before it gets to the tree leaves nothing.
    pub(super) fn with(&self, batch: &Batch) -> Result<Layer> {
        let mut fresh = self.fresh.clone();
        for (key, value) in batch {
            if value.is_some() || self.is_below(key)? {
                fresh.put(key, value.clone());
            } else {
                fresh.forget(key);
            }
        }
        Ok(fresh)
    }

    fn is_below(&self, key: &[u8]) -> Result<bool> {
        match self.settling.rows.get(key) {
            Some(row) => Ok(row.is_some()),
            None => Ok(self.tree.get(key)?.is_some()),
        }
    }
}

impl Read for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        for layer in [&self.fresh, &self.settling] {
            if let Some(found) = layer.rows.get(key) {
                return Ok(found.clone());
            }
        }
        self.tree.get(key)
    }

    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>> {
        if page.end.as_ref().is_some_and(|end| *end <= page.start) {
            return Ok(Vec::new());
        }
        match (self.fresh.is_empty(), self.settling.is_empty()) {
            (true, true) => self.tree.scan(page, std::iter::empty()),
            (false, true) => self.tree.scan(page, self.fresh.range(page)),
            _ => self.tree.scan(page, layers::newest(self.fresh.range(page), self.settling.range(page), page.order)),
        }
    }
}
