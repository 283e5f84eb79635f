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
use crate::error::Result;
use crate::items::write::Done;
use crate::key::slot;
use crate::metrics;
use crate::table::{BASE, Index, Table};
use std::sync::{Arc, Mutex, PoisonError};
use undercast_kernel::Cx;

/// What a request uses.
pub(crate) struct Ledger<'a> {
    throughput: &'a Throughput,
    cx: &'a Cx,
    tables: Vec<(Arc<Table>, Arc<Mutex<Gauges>>)>,
    entries: Vec<Entry>,
    refusals: Vec<Refusal>,
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

/// The global index of this number. Local ones are paid for with the table.
fn global(table: &Table, number: u16) -> Option<&Index> {
    if number == BASE { None } else { table.global.iter().find(|index| index.number == number) }
}

impl<'a> Ledger<'a> {
    pub(super) fn new(throughput: &'a Throughput, cx: &'a Cx) -> Self {
        Self { throughput, cx, tables: Vec::new(), entries: Vec::new(), refusals: Vec::new() }
    }

    /// Begins anew, where a closure runs again.
    pub(crate) fn begin(&mut self) {
        self.entries.clear();
        self.refusals.clear();
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
    pub(crate) fn admit(&mut self, table: &Arc<Table>, number: u16, side: Side, place: &[u8]) -> Result<()> {
        self.admit_slot(table, number, side, slot(place))
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
    pub(crate) fn note(&mut self, table: &Arc<Table>, number: u16, side: Side, place: &[u8], units: f64) {
        self.note_slot(table, number, side, slot(place), units);
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
        self.note(&done.table, BASE, Side::Write, &done.key.bytes, units);
        for write in &done.written.indexes {
            let units = capacity::index_units(write) * times;
            self.note_slot(&done.table, write.number, Side::Write, write.slot, units);
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
    }
}
