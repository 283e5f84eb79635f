//! Durable timers: work that falls due at a moment, stored with the state that made it.
//!
//! A task runs at least once: its row goes when its work has succeeded. Work that fails comes again, later each time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use minicbor::{Decode, Encode};
use undercast_store::{Order, Shared, Table, Tx};
use undercast_wire::Timestamp;

use crate::{Cx, Failure, Kernel, Result};

/// Due (ms since 1970), service, id → task.
static DUE: Table<Task> = Table::new("kernel.tasks");
/// Service, id → due and account, so that a task can be moved or taken back.
static BY_ID: Table<(i64, String)> = Table::new("kernel.tasks.by_id");

/// Whose the tasks are.
pub(crate) fn shared() -> [Shared; 2] {
    [Shared::by_row(&DUE, |task| &task.account), Shared::by_row(&BY_ID, |(_, account)| account)]
}

/// Work that falls due.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Task {
    /// The service that does it.
    #[n(0)]
    pub service: String,
    /// Its id, unique in the service: a task scheduled again under its id is moved.
    #[n(1)]
    pub id: String,
    /// What is to be done, as the service calls it.
    #[n(2)]
    pub kind: String,
    /// What the service needs for it.
    #[n(3)]
    pub payload: String,
    /// Account.
    #[n(4)]
    pub account: String,
    /// Region.
    #[n(5)]
    pub region: String,
    /// When it falls due, in milliseconds since 1970.
    #[n(6)]
    pub due: i64,
    /// How often it has failed.
    #[n(7)]
    pub attempts: u32,
}

/// What is to become of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is done.
    Done,
    /// It comes again at that moment.
    Again(Timestamp),
}

/// The timers of one cloud.
#[derive(Default)]
pub struct Tasks {
    /// How many were ever scheduled, in transactions that were kept or not.
    scheduled: AtomicU64,
    wake: tokio::sync::Notify,
    /// Held while somebody advances the clock, or by the loop for each look.
    turn: tokio::sync::Mutex<()>,
    running: Mutex<HashSet<(String, String)>>,
}

/// So many tasks run at a time.
const AT_ONCE: usize = 64;
/// Whoever advances the clock waits so long for a task, by the machine's time, before others that are due run beside it:
/// one of them may be what the task itself waits for.
const PATIENCE: Duration = Duration::from_millis(100);
/// A task whose end could not be stored waits so long, by the machine's time, before it is done again.
const STORE_FAILED: Duration = Duration::from_secs(1);

impl Tasks {
    /// Schedules work with the writes of a transaction. One with the same service and id is moved.
    ///
    /// # Errors
    /// When the store fails.
    pub fn schedule(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        service: &str,
        id: &str,
        kind: &str,
        payload: String,
        due: Timestamp,
    ) -> Result<()> {
        let task = Task {
            service: service.to_owned(),
            id: id.to_owned(),
            kind: kind.to_owned(),
            payload,
            account: cx.account().to_owned(),
            region: cx.region().to_owned(),
            due: due.as_millisecond(),
            attempts: 0,
        };
        self.put(tx, &task)
    }

    /// The same, unless it is to come sooner anyway. Work that is due by now may be running, and may have looked already at
    /// what this call changes: it comes again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn schedule_sooner(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        service: &str,
        id: &str,
        kind: &str,
        payload: String,
        due: Timestamp,
    ) -> Result<()> {
        let there = BY_ID.get(tx, &(service, id))?.map(|(due, _)| due);
        if there.is_some_and(|there| cx.now_millis() < there && there <= due.as_millisecond()) {
            return Ok(());
        }
        self.schedule(cx, tx, service, id, kind, payload, due)
    }

    fn put(&self, tx: &mut Tx<'_>, task: &Task) -> Result<()> {
        self.cancel(tx, &task.service, &task.id)?;
        DUE.put(tx, &(task.due, &task.service, &task.id), task);
        BY_ID.put(tx, &(&task.service, &task.id), &(task.due, task.account.clone()));
        self.scheduled.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Takes a task back, if it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn cancel(&self, tx: &mut Tx<'_>, service: &str, id: &str) -> Result<()> {
        if let Some((due, _)) = BY_ID.get(tx, &(service, id))? {
            DUE.delete(tx, &(due, service, id));
            BY_ID.delete(tx, &(service, id));
        }
        Ok(())
    }

    /// How many were scheduled so far: what a writer remembers before it begins.
    pub(crate) fn scheduled(&self) -> u64 {
        self.scheduled.load(Ordering::Acquire)
    }

    /// Wakes the loop if something was scheduled since a writer began. Every writer does so for itself, once its rows can
    /// be read: a flag that others could take first would let the loop look too early, and then sleep.
    pub(crate) fn wake_if_since(&self, before: u64) {
        if self.scheduled() != before {
            self.wake.notify_one();
        }
    }

    fn begin(&self, task: &Task) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.len() < AT_ONCE && running.insert((task.service.clone(), task.id.clone()))
    }

    fn finish(&self, task: &Task) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&(task.service.clone(), task.id.clone()));
        drop(running);
        self.wake.notify_one();
    }

    fn busy(&self) -> bool {
        !self.running.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Kernel {
    /// Runs tasks as they fall due, until the process ends.
    pub(crate) async fn run_tasks(self) {
        loop {
            let next = {
                let _turn = self.inner.tasks.turn.lock().await;
                self.start_due()
            };
            let wait = next.unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = self.inner.clock.sleep_until(wait) => {}
                () = self.inner.tasks.wake.notified() => {}
            }
        }
    }

    /// Starts what is due, and says when the next task falls due.
    fn start_due(&self) -> Option<Timestamp> {
        let now = self.inner.clock.now().as_millisecond();
        let rows = DUE.page(&self.inner.database.read(), &(), None::<&()>, Order::Ascending, AT_ONCE * 2);
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the list of tasks cannot be read");
                return self.inner.clock.now().checked_add(Duration::from_secs(5)).ok();
            }
        };
        for row in rows {
            let task = row.row;
            if task.due > now {
                return Timestamp::from_millisecond(task.due).ok();
            }
            if self.inner.tasks.begin(&task) {
                let kernel = self.clone();
                self.spawn(async move {
                    if kernel.run_task(&task).await.is_err() {
                        // It is due as before; without a pause, a store that fails would keep the loop busy.
                        tokio::time::sleep(STORE_FAILED).await;
                    }
                    kernel.inner.tasks.finish(&task);
                });
            }
        }
        None
    }

    /// Does a task, and stores what becomes of it.
    ///
    /// # Errors
    /// When that cannot be stored: then the task is as it was, and comes again.
    async fn run_task(&self, task: &Task) -> Result<()> {
        let cx = self.cx_for(&task.account, &task.region);
        let outcome = match self.service(&task.service) {
            // It comes again, as work does whose region has lost its power.
            Some(_) if self.faults().is_dead_region(&task.region) => Err(Failure::Cut),
            Some(service) => service.run(&cx, task).await,
            None => Err(Failure::not_built(task.service.clone())),
        };
        let again = match outcome {
            Ok(Next::Done) => None,
            Ok(Next::Again(at)) => Some((at.as_millisecond(), 0)),
            Err(error) => {
                tracing::warn!(
                    service = task.service,
                    task = task.kind,
                    id = task.id,
                    error = &error as &dyn std::error::Error,
                    "a task failed and comes again"
                );
                // 1 s, 2 s, 4 s … up to five minutes.
                let wait = 1000i64 << task.attempts.min(8);
                Some((self.inner.clock.now().as_millisecond() + wait.min(300_000), task.attempts + 1))
            }
        };
        self.settle(task, again).await.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the end of a task could not be stored; it comes again"
            );
        })
    }

    /// Removes or moves a task that has run, unless it was scheduled anew meanwhile.
    async fn settle(&self, task: &Task, again: Option<(i64, u32)>) -> Result<()> {
        let tasks = &self.inner.tasks;
        let settle = |tx: &mut Tx<'_>| {
            if BY_ID.get(tx, &(&task.service, &task.id))?.is_some_and(|(due, _)| due == task.due) {
                tasks.cancel(tx, &task.service, &task.id)?;
                if let Some((due, attempts)) = again {
                    tasks.put(tx, &Task { due, attempts, ..task.clone() })?;
                }
            } else if DUE.has(tx, &(task.due, &task.service, &task.id))? {
                // No id leads to this row, so nobody could take it back, and it would be due for ever.
                DUE.delete(tx, &(task.due, &task.service, &task.id));
            }
            Ok::<_, Failure>(())
        };
        let before = tasks.scheduled();
        self.inner.database.write(settle).await?;
        tasks.wake_if_since(before);
        Ok(())
    }

    /// Begins a task that is due, where the first of them is being done already.
    fn begin_another(&self) -> Result<Option<Task>> {
        let now = self.inner.clock.now().as_millisecond();
        let rows = DUE.page(&self.inner.database.read(), &(), None::<&()>, Order::Ascending, AT_ONCE * 2)?;
        let mut due = rows.into_iter().map(|entry| entry.row).take_while(|task| task.due <= now);
        Ok(due.find(|task| self.inner.tasks.begin(task)))
    }

    /// Does a task that is begun, and waits for its end; one that takes long goes on beside what comes next.
    ///
    /// # Errors
    /// When the end of the task could not be stored.
    async fn run_patiently(&self, task: Task) -> Result<()> {
        let kernel = self.clone();
        let mut doing = Box::pin(async move {
            let stored = kernel.run_task(&task).await;
            kernel.inner.tasks.finish(&task);
            stored
        });
        tokio::select! {
            stored = &mut doing => stored,
            () = tokio::time::sleep(PATIENCE) => {
                // What could not be stored is logged, and due as before.
                self.spawn(async { drop(doing.await) });
                Ok(())
            }
        }
    }

    /// Moves the clock ahead, doing everything that falls due on the way, in order, each at its own moment: none begins before
    /// what was due earlier has ended. Returns when it is all done.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn advance(&self, span: Duration) -> Result<Timestamp> {
        let target = self.inner.clock.now().checked_add(span).map_err(|e| Failure::broken(e.to_string()))?;
        let _turn = self.inner.tasks.turn.lock().await;
        loop {
            // What was measured until now may be what somebody waits for.
            self.keep_metrics().await?;
            let first = DUE.page(&self.inner.database.read(), &(), None::<&()>, Order::Ascending, 1)?.pop();
            let Some(task) = first.map(|e| e.row).filter(|t| t.due <= target.as_millisecond()) else { break };
            let due = Timestamp::from_millisecond(task.due).map_err(|e| Failure::broken(e.to_string()))?;
            if due > self.inner.clock.now() {
                if self.inner.tasks.busy() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                self.inner.clock.set(due);
            }
            let begun = if self.inner.tasks.begin(&task) { Some(task) } else { self.begin_another()? };
            match begun {
                Some(task) => self.run_patiently(task).await?,
                // All were begun before; they end by themselves.
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        if target > self.inner.clock.now() {
            self.inner.clock.set(target);
        }
        while self.inner.tasks.busy() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.keep_clock().await?;
        Ok(self.inner.clock.now())
    }
}
