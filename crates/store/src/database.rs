//! Transactions: run at once on what will be, acknowledged when it is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{Backend, Batch, Error, Order, Page, Read, Result, layers};

/// The state of the whole cloud.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
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
}

impl Database {
    /// Opens a database over a backend. A durable one gets a thread that commits groups; it ends with the last handle.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(backend: Arc<dyn Backend>) -> Result<Self> {
        let state = State {
            flushing: Arc::default(),
            pending: Batch::new(),
            group: watch::Sender::new(Fate::Open),
            closed: false,
        };
        let shared = Arc::new(Shared { backend, state: Mutex::new(state), wake: Condvar::new() });
        if !shared.backend.immediate() {
            let flusher = shared.clone();
            let started = std::thread::Builder::new().name("store".to_owned()).spawn(move || flush(&flusher));
            started.map_err(Error::engine)?;
        }
        Ok(Self { shared })
    }

    /// Committed state as it is now.
    pub fn read(&self) -> Snapshot {
        Snapshot(self.shared.backend.snapshot())
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
        let (done, waiting) = {
            let mut state = self.shared.state();
            let mut tx = Tx { state: &state, committed: self.shared.backend.snapshot(), writes: Batch::new() };
            let done = change(&mut tx);
            let writes = tx.writes;
            if done.is_err() || writes.is_empty() {
                // What it read may still be on its way to the disk. An answer must not be truer than the disk is, nor a refusal:
                // who reads after it would not see yet for what he was refused.
                let unsettled = !(state.pending.is_empty() && state.flushing.is_empty());
                (done, unsettled.then(|| state.group.subscribe()))
            } else if self.shared.backend.immediate() {
                self.shared.backend.commit(&writes)?;
                (done, None)
            } else {
                if state.closed {
                    return Err(Error::Lost.into());
                }
                state.pending.extend(writes);
                self.shared.wake.notify_one();
                (done, Some(state.group.subscribe()))
            }
        };
        let Some(mut waiting) = waiting else { return done };
        let fate = waiting.wait_for(|fate| !matches!(fate, Fate::Open)).await.map(|fate| fate.clone());
        match fate {
            Ok(Fate::Lost(source)) => Err(Error::Engine(source).into()),
            Ok(_) => done,
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
        drop(state);
        self.shared.backend.close();
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
        // Readers see it before its writers are told.
        let done = shared.backend.commit(&batch);
        let mut state = shared.state();
        state.flushing = Arc::default();
        match done {
            Ok(()) => {
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
    committed: Arc<dyn Read + Send + Sync>,
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
            None => self.committed.get(key),
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
            return self.committed.scan(page);
        }
        // Deleted keys may hide rows, so that many more are asked for.
        let hidden = over.values().filter(|v| v.is_none()).count();
        let below = self.committed.scan(&Page { limit: page.limit.saturating_add(hidden), ..page.clone() })?;
        let below = below.into_iter().map(Ok);
        match page.order {
            Order::Ascending => layers::merge(below, over.into_iter(), page.order, page.limit),
            Order::Descending => layers::merge(below, over.into_iter().rev(), page.order, page.limit),
        }
    }
}
