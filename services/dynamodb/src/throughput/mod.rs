//! Throughput that is real: what a table and each of its global indexes may read and write a second, and what is refused
//! beyond that.
//!
//! Reading order: [`allowance`] (what is kept of it with a table) → `pace` (what follows from that for one second) → `bucket` and `gauge`
//! (how far it is used up) → `ledger` (what one request uses) → `throttled` (the refusals).
//!
//! Capacity that is not used is saved for 300 seconds. A request is let in while anything is left, and what it takes is known
//! when it has been carried out, so a bucket can owe, and lets nobody in until it has paid that back. So it is at AWS: a table of
//! one unit takes an item of 400 units in one write, and a scan of one page (128 units) is answered by a table of five
//! ("Burst and adaptive capacity" in the developer guide; for the admission of requests, section 4 of "Amazon DynamoDB: A
//! Scalable, Predictably Performant, and Fully Managed NoSQL Database Service", USENIX ATC 2022). Within a table any partition
//! may take what the others leave (adaptive capacity), up to what one partition can do at all.
//!
//! Limits: buckets are in memory, and full when the program begins, of which AWS says nothing. The partitions that a table has
//! are those that its warm throughput needs, not those that its size needs. A scan takes from the partition in which its page begins.

pub mod allowance;
mod bucket;
mod gauge;
mod ledger;
pub(crate) mod pace;
pub(crate) mod settings;
mod throttled;

pub(crate) use allowance::Allowance;
use gauge::Gauges;
pub(crate) use ledger::{Ledger, Spot};
pub(crate) use throttled::{is_throttled, reason_code};

use crate::DynamoDb;
use crate::table::{Index, Table};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use undercast_kernel::Cx;

/// Which of the two capacities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// That of reading.
    Read,
    /// That of writing.
    Write,
}

impl Side {
    /// AWS's word in names of reasons and metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
        }
    }

    /// One of two values.
    pub(crate) fn of<T>(self, read: T, write: T) -> T {
        match self {
            Self::Read => read,
            Self::Write => write,
        }
    }
}

/// How far the tables here are used up.
#[derive(Debug, Default)]
pub(crate) struct Throughput {
    unlimited: bool,
    tables: RwLock<HashMap<String, Arc<Mutex<Gauges>>>>,
}

impl Throughput {
    /// One that refuses nothing.
    pub(crate) fn unlimited() -> Self {
        Self { unlimited: true, tables: RwLock::default() }
    }

    /// The gauges of a table, by its id.
    fn gauges(&self, table: &str) -> Arc<Mutex<Gauges>> {
        if let Some(known) = self.tables.read().unwrap_or_else(PoisonError::into_inner).get(table) {
            return known.clone();
        }
        let mut all = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(table.to_owned()).or_default().clone()
    }

    /// Forgets a table that is deleted.
    pub(crate) fn forget(&self, table: &str) {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(table);
    }

    /// What a table or one of its global indexes can take at once, in units a second: what is kept, or what it has grown to by
    /// its traffic since the program began.
    pub(crate) fn warm(&self, table: &Table, index: Option<&Index>) -> allowance::Rates {
        let (number, billing, allowance) = match index {
            None => (crate::table::BASE, table.billing, &table.allowance),
            Some(index) => (index.number, index.billing, &index.allowance),
        };
        let kept = allowance.warm(billing);
        let known = self.tables.read().unwrap_or_else(PoisonError::into_inner).get(&table.id).cloned();
        match known {
            Some(gauges) if billing == crate::table::Billing::OnDemand => {
                gauges.lock().unwrap_or_else(PoisonError::into_inner).grown(number).most(kept)
            }
            _ => kept,
        }
    }
}

impl DynamoDb {
    /// What a request uses of the throughput of tables.
    pub(crate) fn ledger<'a>(&'a self, cx: &'a Cx) -> Ledger<'a> {
        Ledger::new(&self.throughput, cx)
    }
}
