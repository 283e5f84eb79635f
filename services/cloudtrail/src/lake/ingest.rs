//! Events on their way into event data stores, and out of them.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Result};

use super::seal::{self, Opener, Sealed};
use super::store::Store;

/// Account, region, id of a store; milliseconds, id of the event: the event, in JSON.
static EVENTS: Table<String> = Table::new("cloudtrail.lake");
/// The same of stores with a key of KMS.
static SEALED: Table<Sealed> = Table::new("cloudtrail.lake.sealed");

const DAY: i64 = 24 * 60 * 60 * 1000;
/// So many events that are too old go with each that comes.
const OLD: usize = 8;

/// An event for a store.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// When it was, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) id: String,
    /// All of it, in JSON.
    pub(crate) text: String,
}

/// An event as its store keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    at: i64,
    id: String,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Plain(String),
    Sealed(Sealed),
}

/// Events as their store keeps them: sealed, where it has a key.
pub(crate) async fn prepare(cx: &Cx, store: &Store, events: Vec<Event>) -> Result<Vec<Kept>> {
    let sealer = seal::sealer(cx, store).await?;
    let kept = events.into_iter().map(|Event { at, id, text }| {
        let form = match &sealer {
            Some(sealer) => Form::Sealed(sealer.seal(cx, &id, &text)?),
            None => Form::Plain(text),
        };
        Ok(Kept { at, id, form })
    });
    kept.collect()
}

/// Keeps an event, and forgets what was kept for long enough. `now`: in milliseconds since 1970.
pub(crate) fn put(tx: &mut Tx<'_>, store: &Store, kept: &Kept, now: i64) -> Result<()> {
    let key = (store.key(), kept.at, kept.id.as_str());
    match &kept.form {
        Form::Plain(text) => EVENTS.put(tx, &key, text),
        Form::Sealed(sealed) => SEALED.put(tx, &key, sealed),
    }
    let oldest = now - i64::from(store.retention) * DAY;
    for (then, id, _) in read(tx, &EVENTS, store, i64::MIN, OLD)? {
        if then < oldest {
            EVENTS.delete(tx, &(store.key(), then, id.as_str()));
        }
    }
    for (then, id, _) in read(tx, &SEALED, store, i64::MIN, OLD)? {
        if then < oldest {
            SEALED.delete(tx, &(store.key(), then, id.as_str()));
        }
    }
    Ok(())
}

/// Forgets all events of a store.
pub(crate) fn forget(tx: &mut Tx<'_>, store: &Store) -> Result<()> {
    EVENTS.clear(tx, &store.key())?;
    SEALED.clear(tx, &store.key())?;
    Ok(())
}

/// Events of a store from a moment on, with when they were and their ids.
fn read<T: for<'b> Decode<'b, ()> + Encode<()>>(
    from: &(impl Read + ?Sized),
    table: &Table<T>,
    store: &Store,
    since: i64,
    limit: usize,
) -> Result<Vec<(i64, String, T)>> {
    let page = table.range(from, &(store.key(), since), &(store.key(), i64::MAX), Order::Ascending, limit)?;
    let parts = page.into_iter().filter_map(|entry| {
        let (_, _, _, at, id) = entry.key::<(String, String, String, i64, String)>()?;
        Some((at, id, entry.row))
    });
    Ok(parts.collect())
}

/// The events that a store still has at a moment.
pub(crate) async fn kept(cx: &Cx, store: &Store, now: i64) -> Result<Vec<String>> {
    let from = cx.read();
    let oldest = now - i64::from(store.retention) * DAY;
    let plain = read(&from, &EVENTS, store, oldest, usize::MAX)?;
    let mut all: Vec<String> = plain.into_iter().map(|(_, _, text)| text).collect();
    let mut opener = Opener::new(cx, store);
    for (_, id, sealed) in read(&from, &SEALED, store, oldest, usize::MAX)? {
        all.push(opener.open(&id, &sealed).await?);
    }
    Ok(all)
}
