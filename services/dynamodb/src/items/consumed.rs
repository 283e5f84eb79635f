//! What a call cost, as `ReturnConsumedCapacity` and `ReturnItemCollectionMetrics` ask for it.

use super::write::Done;
use crate::api::form::Attributes;
use crate::api::output::{Capacity, ConsumedCapacity, ItemCollectionMetrics};
use crate::capacity;
use crate::compact::ItemRef;
use crate::error::Result;
use crate::expression::key_condition::KeyRange;
use crate::rows::{self, Rows, Scope};
use crate::table::{BASE, Table};
use crate::value::{AttributeValue, Item};
use std::collections::BTreeMap;
use std::sync::Arc;
use undercast_store::{Order, Read};

/// Units that a call has consumed of one table.
#[derive(Debug, Clone)]
pub(crate) struct Consumed {
    table: Arc<Table>,
    base: f64,
    indexes: BTreeMap<u16, f64>,
    /// Whether they are of reading or of writing; told apart only in the answers of transactions.
    writing: bool,
}

impl Consumed {
    /// Units of reading a table, or one of its indexes where it has a number.
    pub(crate) fn reading(table: Arc<Table>, number: u16, units: f64) -> Self {
        let mut consumed = Self { table, base: 0.0, indexes: BTreeMap::new(), writing: false };
        consumed.add(number, units);
        consumed
    }

    /// Units of a write, each counted so many times.
    ///
    /// # Errors
    /// When a stored item is damaged.
    pub(crate) fn writing(done: &Done, times: f64) -> Result<Self> {
        let (old, new) = done.sizes()?;
        let base = capacity::write_units(old, new) * times;
        let mut consumed = Self { table: done.table.clone(), base, indexes: BTreeMap::new(), writing: true };
        for write in &done.written.indexes {
            consumed.add(write.number, capacity::index_units(write) * times);
        }
        Ok(consumed)
    }

    /// Adds units of the table or of an index.
    pub(crate) fn add(&mut self, number: u16, units: f64) {
        if number == BASE {
            self.base += units;
        } else {
            *self.indexes.entry(number).or_default() += units;
        }
    }

    /// Adds what another call consumed of the same table.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.base += other.base;
        other.indexes.iter().for_each(|(number, units)| self.add(*number, *units));
    }

    /// All units together.
    pub(crate) fn total(&self) -> f64 {
        self.base + self.indexes.values().sum::<f64>()
    }

    /// As an answer has it, if the request asks for it.
    pub(crate) fn report(&self, asked: Option<&str>) -> Option<ConsumedCapacity> {
        let indexes = match asked {
            Some("INDEXES") => true,
            Some("TOTAL") => false,
            _ => return None,
        };
        let capacity = |units: f64| Capacity { capacity_units: Some(units), ..Capacity::default() };
        let arms = |of: &[crate::table::Index]| {
            let arms: BTreeMap<String, Capacity> = of
                .iter()
                .filter_map(|index| self.indexes.get(&index.number).map(|units| (index.name.clone(), capacity(*units))))
                .collect();
            Some(arms).filter(|arms| indexes && !arms.is_empty())
        };
        Some(ConsumedCapacity {
            table_name: Some(self.table.name.clone()),
            capacity_units: Some(self.total()),
            table: indexes.then(|| capacity(self.base)),
            local_secondary_indexes: arms(&self.table.local),
            global_secondary_indexes: arms(&self.table.global),
            ..ConsumedCapacity::default()
        })
    }

    /// As the answer of a transaction has it, which tells reading from writing.
    pub(crate) fn report_transaction(&self, asked: Option<&str>) -> Option<ConsumedCapacity> {
        let mut report = self.report(asked)?;
        let side = if self.writing { &mut report.write_capacity_units } else { &mut report.read_capacity_units };
        *side = report.capacity_units;
        if let Some(table) = &mut report.table {
            let side = if self.writing { &mut table.write_capacity_units } else { &mut table.read_capacity_units };
            *side = table.capacity_units;
        }
        Some(report)
    }
}

/// What several calls consumed, a table each.
#[derive(Debug, Default)]
pub(crate) struct Bill(BTreeMap<String, Consumed>);

impl Bill {
    /// Adds what a call consumed.
    pub(crate) fn add(&mut self, consumed: Consumed) {
        match self.0.get_mut(&consumed.table.name) {
            Some(known) => known.merge(&consumed),
            None => {
                self.0.insert(consumed.table.name.clone(), consumed);
            }
        }
    }

    /// Whether no call was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As an answer has it, if the request asks for it.
    pub(crate) fn report(&self, asked: Option<&str>) -> Option<Vec<ConsumedCapacity>> {
        let all: Vec<_> = self.0.values().filter_map(|consumed| consumed.report(asked)).collect();
        (!all.is_empty()).then_some(all)
    }

    /// As the answer of a transaction has it.
    pub(crate) fn report_transaction(&self, asked: Option<&str>) -> Option<Vec<ConsumedCapacity>> {
        let all: Vec<_> = self.0.values().filter_map(|consumed| consumed.report_transaction(asked)).collect();
        (!all.is_empty()).then_some(all)
    }
}

const GIGABYTE: f64 = 1_073_741_824.0;

/// The metrics of the item collection that a write belongs to. Only tables with local indexes have collections.
///
/// # Errors
/// When the store fails.
pub(crate) fn collection_metrics(
    from: &impl Read,
    scope: Scope<'_>,
    done: &Done,
    asked: Option<&str>,
) -> Result<Option<ItemCollectionMetrics>> {
    if asked != Some("SIZE") || done.table.local.is_empty() {
        return Ok(None);
    }
    let partition = match &done.key.partition {
        crate::key::KeyValue::S(text) => AttributeValue::S(text.clone()),
        crate::key::KeyValue::N(number) => AttributeValue::N(*number),
        crate::key::KeyValue::B(bytes) => AttributeValue::B(bytes.clone()),
    };
    let key = Item::from_iter([(done.table.key.partition.clone(), partition)]);
    let gigabytes = (collection_bytes(from, scope, done)? / GIGABYTE).floor();
    Ok(Some(ItemCollectionMetrics {
        item_collection_key: Some(Attributes::from(key)),
        size_estimate_range_gb: Some(vec![gigabytes, gigabytes + 1.0]),
    }))
}

/// Bytes of a collection: its items, and their rows in local indexes. It is added up only where the whole table weighs
/// enough for the sum to reach the first boundary.
fn collection_bytes(from: &impl Read, scope: Scope<'_>, done: &Done) -> Result<f64> {
    let table = &done.table;
    let numbers = || std::iter::once(BASE).chain(table.local.iter().map(|index| index.number));
    let mut most = 0.0;
    for number in numbers() {
        most += as_float(rows::counts(from, scope, table, number)?.bytes);
    }
    if most < GIGABYTE {
        return Ok(most.min(GIGABYTE - 1.0));
    }
    let (first, last) =
        KeyRange { partition: vec![done.key.partition.clone()], equal: Vec::new(), sort: None }.bounds();
    let mut bytes = 0.0;
    for number in numbers() {
        let mut rows = Rows { from: first.clone(), to: last.clone(), order: Order::Ascending };
        loop {
            let page = rows::scan(from, scope, table, number, &rows, 1000)?;
            for (_, stored) in &page {
                bytes += as_float(i64::try_from(ItemRef::open(stored)?.size()).unwrap_or(i64::MAX));
            }
            match page.last() {
                Some((place, _)) if page.len() == 1000 => rows = rows.after(place),
                _ => break,
            }
        }
    }
    Ok(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate in gigabytes")]
fn as_float(bytes: i64) -> f64 {
    bytes as f64
}
