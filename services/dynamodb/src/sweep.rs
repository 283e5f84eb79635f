//! The rows of what is deleted: nobody sees them any more, and a task takes them away.

use crate::error::Result;
use crate::expiry::EXPIRY;
use crate::global::stamps;
use crate::rows::{COUNTS, ITEMS, Scope};
use undercast_store::{Order, Page, Read, Tx, prefix_end};

/// Deletes up to `limit` rows of a deleted table, or of one of its deleted parts; says whether there may be more.
///
/// # Errors
/// When the store fails.
pub fn sweep(tx: &mut Tx<'_>, scope: Scope<'_>, table: &str, part: Sweep, limit: usize) -> Result<bool> {
    if part == Sweep::Replication {
        for kind in stamps::KINDS {
            if sweep_rows(tx, scope.rows(kind, table), limit)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let (prefix, counts) = match part {
        Sweep::Table => (scope.rows(ITEMS, table), Some(scope.rows(COUNTS, table))),
        Sweep::Index(number) => (scope.space(table, number), Some(scope.counts_key(table, number))),
        Sweep::Expiry | Sweep::Replication => (scope.space(table, EXPIRY), None),
    };
    let mut keys = tx.scan(&Page { end: prefix_end(&prefix), start: prefix, order: Order::Ascending, limit })?;
    let more = keys.len() >= limit;
    if let Some(counts) = counts
        && !more
    {
        keys.extend(tx.scan(&Page { end: prefix_end(&counts), start: counts, order: Order::Ascending, limit })?);
    }
    keys.into_iter().for_each(|(key, _)| tx.delete(key.to_vec()));
    Ok(more)
}

fn sweep_rows(tx: &mut Tx<'_>, prefix: Vec<u8>, limit: usize) -> Result<bool> {
    let keys = tx.scan(&Page { end: prefix_end(&prefix), start: prefix, order: Order::Ascending, limit })?;
    let more = keys.len() >= limit;
    keys.into_iter().for_each(|(key, _)| tx.delete(key.to_vec()));
    Ok(more)
}

/// What [`sweep`] deletes the rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// A whole table.
    Table,
    /// An index, by its number.
    Index(u16),
    /// The expiry times.
    Expiry,
    /// What is kept of replication.
    Replication,
}
