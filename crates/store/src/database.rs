//! Transactions: run at once on what will be, acknowledged when it is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{Backend, Batch, Error, Order, Page, Read, Result};

/// The state of the whole cloud.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    state: Mutex<State>,
    /// The same as in `state`, for readers: they do not wait while a writer runs its closure.
    committed: RwLock<Arc<dyn Read + Send + Sync>>,
    wake: Condvar,
}

struct State {
    committed: Arc<dyn Read + Send + Sync>,
    /// The group that is on its way to the disk.
    flushing: Arc<Batch>,
    /// The group that collects meanwhile.
    pending: Batch,
    /// Told when the pending group has been committed, or lost.
    group: watch::Sender<Fate>,
    closed: bool,
}

#[derive(Clone)]
enum Fate {
    Open,
    Committed,
    Lost(Arc<dyn std::error::Error + Send + Sync>),
}

/// Committed state at one moment.
#[derive(Clone)]
pub struct Snapshot(Arc<dyn Read + Send + Sync>);

impl Read for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.get(key)
    }

    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>> {
        self.0.scan(page)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a commit seen, before anybody is told of it.
    fn publish(&self, state: &mut State, snapshot: Arc<dyn Read + Send + Sync>) {
        *self.committed.write().unwrap_or_else(PoisonError::into_inner) = snapshot.clone();
        state.committed = snapshot;
    }
}

impl Database {
    /// Opens a database over a backend. A durable one gets a thread that commits groups; it ends with the last handle.
    ///
    /// # Errors
    /// When the backend cannot be read, or the thread cannot be started.
    pub fn new(backend: Arc<dyn Backend>) -> Result<Self> {
        let committed = backend.snapshot()?;
        let state = State {
            committed: committed.clone(),
            flushing: Arc::default(),
            pending: Batch::new(),
            group: watch::Sender::new(Fate::Open),
            closed: false,
        };
        let shared = Arc::new(Shared {
            backend,
            state: Mutex::new(state),
            committed: RwLock::new(committed),
            wake: Condvar::new(),
        });
        if !shared.backend.immediate() {
            let flusher = shared.clone();
            let started = std::thread::Builder::new().name("store".to_owned()).spawn(move || flush(&flusher));
            started.map_err(Error::engine)?;
        }
        Ok(Self { shared })
    }

    /// Committed state as it is now.
    pub fn read(&self) -> Snapshot {
        Snapshot(self.shared.committed.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Runs `change` on the newest state, one writer at a time, and returns when its writes are permanent.
    /// When it fails, nothing of it is stored. It may run again, so it has no effect but its writes.
    ///
    /// # Errors
    /// Those of `change`, and when the engine fails.
    pub async fn write<T, E: From<Error>>(
        &self,
        mut change: impl FnMut(&mut Tx<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let (value, waiting) = {
            let mut state = self.shared.state();
            let mut tx = Tx { state: &state, writes: Batch::new() };
            let value = change(&mut tx)?;
            let writes = tx.writes;
            if writes.is_empty() {
                // What it read may still be on its way to the disk; an answer must not be truer than the disk is.
                let unsettled = !(state.pending.is_empty() && state.flushing.is_empty());
                (value, unsettled.then(|| state.group.subscribe()))
            } else if self.shared.backend.immediate() {
                self.shared.backend.commit(&writes)?;
                self.shared.publish(&mut state, self.shared.backend.snapshot()?);
                (value, None)
            } else {
                if state.closed {
                    return Err(Error::Lost.into());
                }
                state.pending.extend(writes);
                self.shared.wake.notify_one();
                (value, Some(state.group.subscribe()))
            }
        };
        let Some(mut waiting) = waiting else { return Ok(value) };
        let fate = waiting.wait_for(|fate| !matches!(fate, Fate::Open)).await.map(|fate| fate.clone());
        match fate {
            Ok(Fate::Lost(source)) => Err(Error::Engine(source).into()),
            Ok(_) => Ok(value),
            Err(_) => Err(Error::Lost.into()),
        }
    }

    /// Waits for the writes on their way, then takes no more.
    pub fn close(&self) {
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.wake.notify_all();
        while !(state.pending.is_empty() && state.flushing.is_empty()) {
            let waited = self.shared.wake.wait_timeout(state, std::time::Duration::from_millis(50));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The flusher holds one handle of the shared state, and the last database the other.
        if Arc::strong_count(&self.shared) <= 2 {
            self.shared.state().closed = true;
            self.shared.wake.notify_all();
        }
    }
}

/// Commits one group after the other.
fn flush(shared: &Shared) {
    loop {
        let (batch, group) = {
            let mut state = shared.state();
            while state.pending.is_empty() {
                if state.closed {
                    return;
                }
                // A reader that found the group unsettled may wait for one that stays empty.
                if state.group.receiver_count() > 0 {
                    let group = std::mem::replace(&mut state.group, watch::Sender::new(Fate::Open));
                    group.send_replace(Fate::Committed);
                }
                state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.flushing = Arc::new(std::mem::take(&mut state.pending));
            let group = std::mem::replace(&mut state.group, watch::Sender::new(Fate::Open));
            (state.flushing.clone(), group)
        };
        let done = shared.backend.commit(&batch).and_then(|()| shared.backend.snapshot());
        let mut state = shared.state();
        state.flushing = Arc::default();
        match done {
            Ok(snapshot) => {
                shared.publish(&mut state, snapshot);
                group.send_replace(Fate::Committed);
            }
            Err(error) => {
                // What collected meanwhile has read what is lost now, so it is lost too.
                let reason = match error {
                    Error::Engine(reason) => reason,
                    other => Arc::new(other),
                };
                group.send_replace(Fate::Lost(reason.clone()));
                state.pending.clear();
                let next = std::mem::replace(&mut state.group, watch::Sender::new(Fate::Open));
                next.send_replace(Fate::Lost(reason));
            }
        }
        shared.wake.notify_all();
    }
}

/// A transaction: reads what is there with its own writes on top.
pub struct Tx<'a> {
    state: &'a State,
    writes: Batch,
}

impl Tx<'_> {
    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Bytes) {
        self.writes.insert(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// The layers on top of the committed state, newest first.
    fn layers(&self) -> [&Batch; 3] {
        [&self.writes, &self.state.pending, &self.state.flushing]
    }
}

impl Read for Tx<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.layers().iter().find_map(|layer| layer.get(key)) {
            Some(found) => Ok(found.clone()),
            None => self.state.committed.get(key),
        }
    }

    fn scan(&self, page: &Page) -> Result<Vec<(Bytes, Bytes)>> {
        let bounds =
            (Bound::Included(page.start.as_slice()), page.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded));
        if page.end.as_ref().is_some_and(|end| *end <= page.start) {
            return Ok(Vec::new());
        }
        let mut over: BTreeMap<&[u8], Option<&Bytes>> = BTreeMap::new();
        for layer in self.layers() {
            for (key, value) in layer.range::<[u8], _>(bounds) {
                over.entry(key.as_slice()).or_insert(value.as_ref());
            }
        }
        if over.is_empty() {
            return self.state.committed.scan(page);
        }
        // Deleted keys may hide rows, so that many more are asked for.
        let hidden = over.values().filter(|v| v.is_none()).count();
        let below = self.state.committed.scan(&Page { limit: page.limit.saturating_add(hidden), ..page.clone() })?;
        Ok(merge(below, over, page))
    }
}

/// Puts the rows of upper layers over those below.
fn merge(below: Vec<(Bytes, Bytes)>, over: BTreeMap<&[u8], Option<&Bytes>>, page: &Page) -> Vec<(Bytes, Bytes)> {
    let ascending = page.order == Order::Ascending;
    let mut over: Vec<_> = over.into_iter().collect();
    if !ascending {
        over.reverse();
    }
    let (mut below, mut over) = (below.into_iter().peekable(), over.into_iter().peekable());
    let mut out = Vec::new();
    while out.len() < page.limit {
        let order = match (below.peek(), over.peek()) {
            (Some((b, _)), Some((o, _))) => {
                let order = b.as_ref().cmp(o);
                if ascending { order } else { order.reverse() }
            }
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        if order.is_le() {
            let row = below.next();
            if order.is_lt() {
                out.extend(row);
                continue;
            }
        }
        if let Some((key, Some(value))) = over.next() {
            out.push((Bytes::copy_from_slice(key), value.clone()));
        }
    }
    out
}
