//! Rows that are sealed anew, and whether there are any that are sealed.

use crate::error::Result;
use crate::expiry::EXPIRY;
use crate::rows::{ITEMS, Scope, TABLES, opened, sealed};
use crate::table::Table;
use undercast_store::{Order, Page, Part, Read, Tx, prefix_end};

/// Seals up to `limit` rows of a table and its indexes, behind the one with the key `after`, as they would be if they were
/// written now; gives the key of the last one that was looked at, or `None` when all have been.
///
/// # Errors
/// When the store fails, a row is damaged, or its key is not at hand.
pub(super) fn reseal(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    table: &Table,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Option<Vec<u8>>> {
    let prefix = scope.rows(ITEMS, &table.id);
    let start = after.map_or_else(|| prefix.clone(), |key| [key, &[0]].concat());
    let found = tx.scan(&Page { start, end: prefix_end(&prefix), order: Order::Ascending, limit })?;
    for (key, kept) in &found {
        let Some((number, place)) = key.get(prefix.len()..).and_then(|rest| rest.split_first_chunk::<2>()) else {
            continue;
        };
        let number = u16::from_be_bytes(*number);
        // Expiry times have no values.
        if number == EXPIRY || table.keys().is_current(kept) {
            continue;
        }
        let row = opened(table, number, place, kept.clone())?;
        tx.put(key.to_vec(), sealed(table, number, place, row)?);
    }
    Ok(if found.len() < limit { None } else { found.into_iter().next_back().map(|(key, _)| key.to_vec()) })
}

/// Whether any table of any account has keys.
///
/// # Errors
/// When the store fails or a description cannot be read.
pub(super) fn any_encrypted(from: &(impl Read + ?Sized)) -> Result<bool> {
    let mut prefix = Vec::new();
    Part::encode(TABLES, &mut prefix);
    let page = Page { end: prefix_end(&prefix), start: prefix, order: Order::Ascending, limit: usize::MAX };
    for (_, stored) in from.scan(&page)? {
        if minicbor::decode::<Table>(&stored)?.encryption.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
