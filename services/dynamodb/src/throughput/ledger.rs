//! What one request uses of the throughput of tables: it is let in table by table and partition by partition, and what it has
//! used is taken when it is over.
//!
//! Closures of transactions may run again, so nothing is taken before the end; what has been noted by then counts
//! against the same request, which is how a batch comes by what it leaves undone.

use super::gauge::{Gauges, Limit, Pending};
use super::pace::Pace;
use super::throttled::throttled;
use super::{Side, Throughput};
use crate::capacity;
use crate::compact::{ItemRef, ValueRef};
use crate::error::Result;
use crate::insights::{self, Event};
use crate::items::write::Done;
use crate::key::{KeyValue, slot};
use crate::metrics;
use crate::table::{BASE, Index, PrimaryKey, Table};
use crate::value::base64;
use std::sync::{Arc, Mutex, PoisonError};
use undercast_kernel::Cx;

/// A unit of writing counts for so many of reading in insights.
const WRITE_WEIGHT: f64 = 3.0;

/// What a request uses.
pub(crate) struct Ledger<'a> {
    throughput: &'a Throughput,
    cx: &'a Cx,
    tables: Vec<(Arc<Table>, Arc<Mutex<Gauges>>)>,
    entries: Vec<Entry>,
    refusals: Vec<Refusal>,
    uses: Vec<Use>,
}

/// What was done to a key that is counted.
struct Use {
    table: usize,
    number: u16,
    keys: Vec<String>,
    event: Event,
}

/// Units of a table, or of one of its global indexes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its place in the list of tables.
    table: usize,
    number: u16,
    side: Side,
    slot: u32,
    units: f64,
}

/// What was not let in.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    table: usize,
    number: u16,
    side: Side,
    limit: Limit,
}

/// Where a request begins: its place, and the values of its key as far as they are known, which insights count by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a> {
    /// The place, as keys are encoded.
    pub(crate) place: &'a [u8],
    /// What says which partition; nothing where it is no single one.
    pub(crate) partition: &'a [KeyValue],
    /// What says where in the partition.
    pub(crate) sort: Option<&'a KeyValue>,
}

impl<'a> From<&'a PrimaryKey> for Spot<'a> {
    fn from(key: &'a PrimaryKey) -> Self {
        Self { place: &key.bytes, partition: std::slice::from_ref(&key.partition), sort: key.sort.as_ref() }
    }
}

impl Spot<'_> {
    fn keys(&self) -> Vec<String> {
        let text = |value: &KeyValue| match value {
            KeyValue::S(text) => text.clone(),
            KeyValue::N(number) => number.to_string(),
            KeyValue::B(bytes) => base64(bytes),
        };
        self.partition.iter().chain(self.sort).map(text).collect()
    }
}

/// The global index of this number. Local ones are paid for with the table.
fn global(table: &Table, number: u16) -> Option<&Index> {
    if number == BASE { None } else { table.global.iter().find(|index| index.number == number) }
}

/// The values of the key that an item has in an index.
fn keys_of(index: &Index, stored: &[u8]) -> Result<Vec<String>> {
    let item = ItemRef::open(stored)?.attributes();
    let mut keys = Vec::new();
    for name in index.key.names() {
        let value = item.get(name)?.map(ValueRef::to_value).transpose()?;
        let Some(value) = value.as_ref().and_then(KeyValue::from_attribute) else { return Ok(Vec::new()) };
        keys.extend(Spot { place: &[], partition: std::slice::from_ref(&value), sort: None }.keys());
    }
    Ok(keys)
}

impl<'a> Ledger<'a> {
    pub(super) fn new(throughput: &'a Throughput, cx: &'a Cx) -> Self {
        Self { throughput, cx, tables: Vec::new(), entries: Vec::new(), refusals: Vec::new(), uses: Vec::new() }
    }

    /// Begins anew, where a closure runs again. What was refused before was refused.
    pub(crate) fn begin(&mut self) {
        self.entries.clear();
        self.uses.retain(|one| one.event == Event::Refused);
    }

    fn known(&mut self, table: &Arc<Table>) -> usize {
        if let Some(at) = self.tables.iter().position(|(known, _)| Arc::ptr_eq(known, table)) {
            return at;
        }
        self.tables.push((table.clone(), self.throughput.gauges(&table.id)));
        self.tables.len() - 1
    }

    /// Lets in what begins at a place of a table or of an index, if it may.
    ///
    /// # Errors
    /// When too much is asked.
    pub(crate) fn admit(&mut self, table: &Arc<Table>, number: u16, side: Side, spot: Spot<'_>) -> Result<()> {
        let admitted = self.admit_slot(table, number, side, slot(spot.place));
        if admitted.is_err() {
            self.used(table, number, || spot.keys(), Event::Refused);
        }
        admitted
    }

    /// Notes what was done to a key, if it is counted.
    pub(crate) fn used(&mut self, table: &Arc<Table>, number: u16, keys: impl FnOnce() -> Vec<String>, event: Event) {
        let index = global(table, number);
        if insights::counts(table, index) {
            let number = index.map_or(BASE, |index| index.number);
            let table = self.known(table);
            self.uses.push(Use { table, number, keys: keys(), event });
        }
    }

    fn admit_slot(&mut self, table: &Arc<Table>, number: u16, side: Side, slot: u32) -> Result<()> {
        if self.throughput.unlimited {
            return Ok(());
        }
        let at = self.known(table);
        let index = global(table, number);
        let number = index.map_or(BASE, |index| index.number);
        let mut pending = Pending::default();
        let same = |entry: &&Entry| entry.table == at && entry.number == number && entry.side == side;
        for entry in self.entries.iter().filter(same) {
            pending.all += entry.units;
            if entry.slot == slot {
                pending.here += entry.units;
            }
        }
        let pace = Pace::of(table, index, side);
        let now = self.cx.now_millis();
        let Some((_, gauges)) = self.tables.get(at) else { return Ok(()) };
        let checked =
            gauges.lock().unwrap_or_else(PoisonError::into_inner).check((number, side), &pace, slot, pending, now);
        checked.map_err(|limit| {
            self.refusals.push(Refusal { table: at, number, side, limit });
            throttled(self.cx, table, index, side, limit, pace.provisioned)
        })
    }

    /// Notes units of a table or of an index.
    pub(crate) fn note(&mut self, table: &Arc<Table>, number: u16, side: Side, spot: Spot<'_>, units: f64) {
        self.note_slot(table, number, side, slot(spot.place), units);
        let event = Event::Accessed(units * side.of(1.0, WRITE_WEIGHT));
        self.used(table, number, || spot.keys(), event);
    }

    fn note_slot(&mut self, table: &Arc<Table>, number: u16, side: Side, slot: u32, units: f64) {
        let table_at = self.known(table);
        let number = global(table, number).map_or(BASE, |index| index.number);
        self.entries.push(Entry { table: table_at, number, side, slot, units });
    }

    /// Lets in what a write does to indexes, and notes all that it does, each unit so many times. A write waits for its global
    /// indexes: AWS calls it back-pressure.
    ///
    /// # Errors
    /// When too much is asked of an index, and when a stored item is damaged.
    pub(crate) fn write(&mut self, done: &Done, times: f64) -> Result<()> {
        for write in &done.written.indexes {
            if global(&done.table, write.number).is_some() {
                self.admit_slot(&done.table, write.number, Side::Write, write.slot)?;
            }
        }
        let (old, new) = done.sizes()?;
        let units = capacity::write_units(old, new) * times;
        self.note(&done.table, BASE, Side::Write, Spot::from(&done.key), units);
        for write in &done.written.indexes {
            let units = capacity::index_units(write) * times;
            self.note_slot(&done.table, write.number, Side::Write, write.slot, units);
            if let Some(index) =
                global(&done.table, write.number).filter(|index| insights::counts(&done.table, Some(index)))
            {
                let stored = if write.new.is_some() { &done.new } else { &done.old };
                let keys = stored.as_deref().map(|stored| keys_of(index, stored)).transpose()?.unwrap_or_default();
                self.used(&done.table, write.number, || keys, Event::Accessed(units * WRITE_WEIGHT));
            }
        }
        Ok(())
    }
}

impl Drop for Ledger<'_> {
    /// Takes what was used, and tells CloudWatch of it.
    fn drop(&mut self) {
        let now = self.cx.now_millis();
        for entry in &self.entries {
            let Some((table, gauges)) = self.tables.get(entry.table) else { continue };
            let index = global(table, entry.number);
            if !self.throughput.unlimited {
                let pace = Pace::of(table, index, entry.side);
                let mut gauges = gauges.lock().unwrap_or_else(PoisonError::into_inner);
                gauges.take((entry.number, entry.side), &pace, entry.slot, entry.units, now);
            }
            metrics::consumed(self.cx, table, index, entry.side, entry.units);
        }
        for refusal in &self.refusals {
            let Some((table, _)) = self.tables.get(refusal.table) else { continue };
            let index = global(table, refusal.number);
            metrics::throttled(self.cx, table, index, refusal.side, refusal.limit.metric());
        }
        for one in &self.uses {
            let Some((table, _)) = self.tables.get(one.table) else { continue };
            insights::count(self.cx, table, global(table, one.number), &one.keys, one.event);
        }
    }
}
