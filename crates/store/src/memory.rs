//! State in memory: for `--ephemeral` and simulation. A snapshot is one reference count.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use imbl::OrdMap;

use crate::{Backend, Batch, Order, Page, Read, Result};

type Rows = OrdMap<Vec<u8>, Bytes>;

/// A backend that forgets.
#[derive(Default)]
pub struct Memory {
    rows: RwLock<Arc<View>>,
}

impl Memory {
    /// Nothing in it.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Backend for Memory {
    fn snapshot(&self) -> Arc<dyn Read + Send + Sync> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let mut view = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let rows = &mut Arc::make_mut(&mut view).0;
        for (key, value) in batch {
            match value {
                Some(value) => drop(rows.insert(key.clone(), value.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(())
    }

    fn immediate(&self) -> bool {
        true
    }
}

#[derive(Clone, Default)]
struct View(Rows);

impl Read for View {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>> {
        let start = page.start.clone();
        let row = |(key, value): (&Vec<u8>, &Bytes)| (Bytes::copy_from_slice(key), value.clone());
        Ok(match (&page.end, page.order) {
            (Some(end), _) if *end <= start => Vec::new(),
            (Some(end), Order::Ascending) => self.0.range(start..end.clone()).take(page.limit).map(row).collect(),
            (Some(end), Order::Descending) => {
                self.0.range(start..end.clone()).rev().take(page.limit).map(row).collect()
            }
            (None, Order::Ascending) => self.0.range(start..).take(page.limit).map(row).collect(),
            (None, Order::Descending) => self.0.range(start..).rev().take(page.limit).map(row).collect(),
        })
    }
}
