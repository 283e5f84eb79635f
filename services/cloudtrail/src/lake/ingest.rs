//! Events on their way into event data stores.

use undercast_kernel::Result;
use undercast_kernel::store::{Order, Read, Table, Tx};

use super::store::Store;

/// Account, region, id of a store; milliseconds, id of the event: the event, in JSON.
pub(crate) static EVENTS: Table<String> = Table::new("cloudtrail.lake");

const DAY: i64 = 24 * 60 * 60 * 1000;
/// So many events that are too old go with each that comes.
const OLD: usize = 8;

/// Keeps an event, and forgets what was kept for long enough.
pub(crate) fn put(tx: &mut Tx<'_>, store: &Store, at: i64, id: &str, text: &String) -> Result<()> {
    EVENTS.put(tx, &(store.key(), at, id), text);
    let oldest = at - i64::from(store.retention) * DAY;
    for (then, id, _) in read(tx, store, i64::MIN, OLD)? {
        if then < oldest {
            EVENTS.delete(tx, &(store.key(), then, id.as_str()));
        }
    }
    Ok(())
}

/// Events of a store from a moment on, with when they were and their ids.
pub(crate) fn read(
    from: &(impl Read + ?Sized),
    store: &Store,
    since: i64,
    limit: usize,
) -> Result<Vec<(i64, String, String)>> {
    let page = EVENTS.range(from, &(store.key(), since), &(store.key(), i64::MAX), Order::Ascending, limit)?;
    let parts = page.into_iter().filter_map(|entry| {
        let (_, _, _, at, id) = entry.key::<(String, String, String, i64, String)>()?;
        Some((at, id, entry.row))
    });
    Ok(parts.collect())
}

/// The events that a store still has at a moment.
pub(crate) fn kept(from: &(impl Read + ?Sized), store: &Store, now: i64) -> Result<Vec<String>> {
    let oldest = now - i64::from(store.retention) * DAY;
    Ok(read(from, store, oldest, usize::MAX)?.into_iter().map(|(_, _, text)| text).collect())
}
