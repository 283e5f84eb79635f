//! Executions that go on: what happens to each is taken one after the other, written, and then carried out.
//!
//! What is held in memory of an execution is what the store has of it; where a write fails, it is forgotten and read anew.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::Notify;
use undercast_asl as asl;
use undercast_kernel::store::Entry as Row;
use undercast_kernel::{Cx, Failure, Kernel, Result};

use crate::api::errors;
use crate::engine::frame::{Doing, Frame, Held};
use crate::engine::mapping::Plan;
use crate::engine::{Around, Effects, Happening, Header, Order, Run, Way};
use crate::resource::{Pattern, Resource};
use crate::rows::{
    EXECUTIONS, Execution, FRAMES, Progress, REVISIONS, RUNNING, Revision, Status, execution_key, revision_key,
};
use crate::tasks::{self, Outcome};
use crate::write::{self, Made};
use crate::{express, mapruns};

/// So many definitions are remembered as they were read.
const REMEMBERED: usize = 512;

/// Account, region, machine and name of an execution.
pub(crate) type Key = (String, String, String, String);

/// All that goes on.
#[derive(Default)]
pub(crate) struct Runtime {
    live: Mutex<HashMap<Key, Arc<Live>>>,
    definitions: Mutex<HashMap<String, Arc<asl::Machine>>>,
}

/// An execution that goes on.
pub(crate) struct Live {
    pub(crate) execution: Execution,
    pub(crate) revision: Revision,
    run: tokio::sync::Mutex<State>,
    /// How many tasks are being done for it now, and who wants to know when none is.
    busy: AtomicUsize,
    idle: Notify,
    /// Held by whoever writes its logs, and what is to be written.
    pub(crate) logs: tokio::sync::Mutex<()>,
    pub(crate) records: Mutex<Vec<Json>>,
    /// Something has happened to it.
    pub(crate) changed: Notify,
    /// What is only in memory, and how it ended.
    pub(crate) express: Option<express::Express>,
}

struct State {
    run: Run,
    /// When it was to be looked at, as the store has it.
    due: Option<i64>,
    /// A step of it could not be written: the store knows better what it is.
    lost: bool,
}

/// What a distributed map does, and in which context its calls are made, if its role can be assumed.
pub(crate) type Planned = (std::result::Result<Plan, asl::Failure>, Option<Cx>);

/// An order with all that it takes to carry it out.
struct Job {
    frame: u32,
    nonce: String,
    order: tasks::Order,
    /// The execution that it waits for, and whether its output is to be JSON.
    child: Option<(String, bool)>,
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    fn new(execution: Execution, revision: Revision, run: Run, express: Option<express::Express>) -> Arc<Self> {
        let run = tokio::sync::Mutex::new(State { run, due: None, lost: false });
        Arc::new(Self {
            execution,
            revision,
            run,
            busy: AtomicUsize::new(0),
            idle: Notify::new(),
            logs: tokio::sync::Mutex::new(()),
            records: Mutex::default(),
            changed: Notify::new(),
            express,
        })
    }

    /// When it has to be looked at next.
    pub(crate) async fn due_next(&self) -> Option<i64> {
        self.run.lock().await.run.due_next()
    }

    /// Returns when none of its tasks is being done.
    async fn rest(&self) {
        loop {
            let idle = self.idle.notified();
            if self.busy.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// What stays the same of an execution.
fn header(cx: &Cx, execution: &Execution, revision: &Revision, arn: String) -> Header {
    let name = execution.machine.split('/').next().unwrap_or_default();
    // The id behind the name of an express execution is none of its name.
    let own_name = execution.name.split(':').next().unwrap_or_default();
    Header {
        arn,
        name: own_name.to_owned(),
        machine_arn: execution.machine_arn(cx),
        machine_name: name.to_owned(),
        version_arn: execution.version_arn(cx),
        alias_arn: execution.alias_arn(cx),
        role: revision.role.clone(),
        region: cx.region().to_owned(),
        input: Held::new(serde_json::from_str(&execution.input).unwrap_or_default()),
        started: execution.started,
        redrives: execution.redrives,
        redriven: execution.redriven,
    }
}

impl Runtime {
    /// A definition as it is read, which is done once.
    pub(crate) fn definition(&self, id: &str, text: &str) -> Result<Arc<asl::Machine>> {
        if let Some(known) = lock(&self.definitions).get(id) {
            return Ok(Arc::clone(known));
        }
        let read = asl::Machine::parse(text).map_err(|_| Failure::broken("a stored definition cannot be read"))?;
        let read = Arc::new(read);
        let mut all = lock(&self.definitions);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(id.to_owned(), Arc::clone(&read));
        Ok(read)
    }

    /// What an execution runs: the machine, or of a child of a distributed map what is done with its items.
    fn machine(&self, execution: &Execution, revision: &Revision) -> Result<Arc<asl::Machine>> {
        let whole = self.definition(&revision.id, &revision.definition)?;
        let Some(state) = &execution.within else { return Ok(whole) };
        let id = format!("{}/{state}", revision.id);
        if let Some(known) = lock(&self.definitions).get(&id) {
            return Ok(Arc::clone(known));
        }
        let found = processor(&whole, state).cloned();
        let found = Arc::new(found.ok_or_else(|| Failure::broken(format!("there is no map `{state}`")))?);
        lock(&self.definitions).insert(id, Arc::clone(&found));
        Ok(found)
    }

    /// Begins an execution: it is written with its first events, and goes on.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        cx: &Cx,
        execution: Execution,
        revision: Revision,
        arn: String,
        express: Option<express::Express>,
    ) -> Result<Arc<Live>> {
        let machine = self.machine(&execution, &revision)?;
        let run = Run::new(header(cx, &execution, &revision, arn), machine, BTreeMap::new(), Progress::default());
        let key = key_of(cx, &execution);
        let live = Live::new(execution, revision, run, express);
        self.advance(cx, &key, &live, Happening::Started, Made::Now).await?;
        Ok(live)
    }

    /// The execution with a key, if it goes on.
    fn find(&self, cx: &Cx, key: &Key) -> Result<Option<Arc<Live>>> {
        if let Some(live) = lock(&self.live).get(key) {
            return Ok(Some(Arc::clone(live)));
        }
        let from = cx.read();
        let found = EXECUTIONS.get(&from, key)?.filter(|execution| execution.status == Status::Running);
        let Some(execution) = found else { return Ok(None) };
        let live = self.load(cx, &from, execution)?;
        // Somebody else may have been faster.
        Ok(Some(Arc::clone(lock(&self.live).entry(key.clone()).or_insert(live))))
    }

    fn load(&self, cx: &Cx, from: &undercast_kernel::store::Snapshot, execution: Execution) -> Result<Arc<Live>> {
        let revision = REVISIONS.get(from, &revision_key(cx, &execution.machine_id, &execution.revision))?;
        let revision = revision.ok_or_else(|| cx.broken("an execution without its revision"))?;
        let machine = self.machine(&execution, &revision)?;
        let mut frames: BTreeMap<u32, Frame> = BTreeMap::new();
        for entry in FRAMES.all(from, &execution.key(cx))? {
            let id = entry.key::<(String, String, String, String, u64)>().and_then(|key| u32::try_from(key.4).ok());
            if let Some(id) = id {
                frames.insert(id, entry.row);
            }
        }
        let header = header(cx, &execution, &revision, execution.arn(cx));
        let progress = RUNNING.get(from, &execution.key(cx))?.unwrap_or(execution.progress);
        let run = Run::new(header, machine, frames, progress);
        Ok(Live::new(execution, revision, run, None))
    }

    /// Something happens to an execution. Says whether it was of any account to it.
    ///
    /// # Errors
    /// When it cannot be written: then it has not happened.
    pub(crate) fn happen<'a>(
        self: &'a Arc<Self>,
        cx: &'a Cx,
        key: &'a Key,
        happening: Happening,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let Some(live) = self.find(cx, key)? else { return Ok(false) };
            self.advance(cx, key, &live, happening, Made::Before).await
        })
    }

    /// The same for one that is at hand.
    pub(crate) async fn happen_to(self: &Arc<Self>, cx: &Cx, live: &Arc<Live>, happening: Happening) -> Result<bool> {
        self.advance(cx, &key_of(cx, &live.execution), live, happening, Made::Before).await
    }

    /// The same for what was stopped, and goes on.
    pub(crate) async fn redrive(self: &Arc<Self>, cx: &Cx, execution: Execution) -> Result<()> {
        let key = key_of(cx, &execution);
        let live = self.load(cx, &cx.read(), execution)?;
        self.advance(cx, &key, &live, Happening::Redriven, Made::Again).await.map(drop)
    }

    /// Takes a step to its end, whether or not whoever asked for it stays for that.
    async fn advance(
        self: &Arc<Self>,
        cx: &Cx,
        key: &Key,
        live: &Arc<Live>,
        happening: Happening,
        made: Made,
    ) -> Result<bool> {
        let (told, hear) = tokio::sync::oneshot::channel();
        let (runtime, own, key, live) = (Arc::clone(self), cx.clone(), key.clone(), Arc::clone(live));
        cx.spawn(async move {
            let done = runtime.step(&own, &key, &live, happening, made).await;
            // Who has gone does not hear.
            drop(told.send(done));
        });
        hear.await.map_err(|_| cx.broken("a step ended without a result"))?
    }

    /// An execution that begins, or goes on again, is there for others from now on: they wait until it has begun.
    fn enter(&self, cx: &Cx, key: &Key, live: &Arc<Live>, made: Made) -> Result<()> {
        match lock(&self.live).entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(Arc::clone(live));
                Ok(())
            }
            Entry::Occupied(_) if made == Made::Again => {
                let why = "Execution is RUNNING and cannot be redriven";
                Err(errors::execution_not_redrivable(why).into())
            }
            Entry::Occupied(_) => {
                let arn = live.execution.arn(cx);
                Err(errors::execution_already_exists(format!("Execution Already Exists: '{arn}'")).into())
            }
        }
    }

    async fn step(
        self: &Arc<Self>,
        cx: &Cx,
        key: &Key,
        live: &Arc<Live>,
        happening: Happening,
        made: Made,
    ) -> Result<bool> {
        let mut state = live.run.lock().await;
        if made != Made::Before {
            self.enter(cx, key, live, made)?;
        }
        if state.lost {
            drop(state);
            return self.happen(cx, key, happening).await;
        }
        let cx = &cx.refreshed();
        let (due, was) = (happening == Happening::Due, state.due);
        let effects = state.run.happen(&Around { now: cx.now(), random: cx.random() }, happening);
        let applied = !effects.events.is_empty() || !effects.changed.is_empty();
        let next = if effects.end.is_some() { None } else { state.run.due_next() };
        if applied || due || next != was {
            let written = write::write(cx, key, live, &state.run, &effects, next, was.is_some() || due, made).await;
            if let Err(failure) = written {
                lock(&self.live).remove(key);
                state.lost = true;
                return Err(failure);
            }
            state.due = next;
        }
        if effects.end.is_some() {
            lock(&self.live).remove(key);
        }
        let jobs = jobs(&state.run, &effects);
        // While nobody else takes a step, so that those who are told hear of steps in their order.
        write::tell(cx, live, &state.run, &effects);
        drop(state);
        self.follow_runs(cx, key, live, &effects);
        live.changed.notify_waiters();
        jobs.into_iter().for_each(|job| self.spawn(cx, key, live, job));
        Ok(applied)
    }

    /// Has a task done beside what goes on, and takes what comes of it.
    fn spawn(self: &Arc<Self>, cx: &Cx, key: &Key, live: &Arc<Live>, job: Job) {
        let (runtime, key, live) = (Arc::clone(self), key.clone(), Arc::clone(live));
        let cx = cx.kernel().cx_for(&key.0, &key.1);
        // Whoever waits for a child is not busy: it may take a year.
        let counts = job.child.is_none();
        live.busy.fetch_add(usize::from(counts), Ordering::AcqRel);
        cx.clone().spawn(async move {
            let outcome = match &job.child {
                Some((arn, parsed)) => tasks::wait_for_child(&cx, arn, *parsed).await,
                None => tasks::perform(&cx, &job.order).await,
            };
            let way = if counts { Way::Submission } else { Way::Task };
            let (frame, nonce) = (job.frame, job.nonce);
            let happening = match outcome {
                Outcome::Succeeded(result) => Happening::Succeeded { frame, nonce, result },
                Outcome::Submitted(answer) => Happening::Submitted { frame, nonce, answer },
                Outcome::Failed(error, cause) => Happening::Failed { frame, nonce, error, cause, way },
            };
            // What is only in memory is at hand; else somebody may have read it anew meanwhile.
            let told = match &live.express {
                Some(_) => runtime.happen_to(&cx, &live, happening).await,
                None => runtime.happen(&cx, &key, happening).await,
            };
            if let Err(failure) = told {
                tracing::error!(execution = ?key, error = &failure as &dyn std::error::Error, "a step could not be written");
            }
            if counts && live.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
                live.idle.notify_waiters();
            }
        });
    }

    /// Map runs that a step began or left are begun or stopped, and the run whose child has ended goes on.
    fn follow_runs(self: &Arc<Self>, cx: &Cx, key: &Key, live: &Arc<Live>, effects: &Effects) {
        let mut work: Vec<(Option<u32>, String, bool)> = Vec::new();
        for order in &effects.orders {
            match order {
                Order::MapRun { frame, arn } => work.push((Some(*frame), arn.clone(), false)),
                Order::StopRun { arn } => work.push((None, arn.clone(), true)),
                Order::Task { .. } | Order::Offer { .. } => {}
            }
        }
        if let (Some(_), Some((arn, _))) = (&effects.end, &live.execution.map_run) {
            work.push((None, arn.clone(), false));
        }
        for (frame, arn, stops) in work {
            let (runtime, key, live) = (Arc::clone(self), key.clone(), Arc::clone(live));
            let cx = cx.kernel().cx_for(&key.0, &key.1);
            live.busy.fetch_add(1, Ordering::AcqRel);
            cx.clone().spawn(async move {
                let done = match (frame, stops) {
                    (Some(frame), _) => mapruns::begin(&runtime, &cx, &key, frame, &arn).await,
                    (None, true) => mapruns::stop(&runtime, &cx, &arn).await,
                    (None, false) => mapruns::pump(&runtime, &cx, &arn).await,
                };
                if let Err(failure) = done {
                    tracing::error!(run = arn, error = &failure as &dyn std::error::Error, "a map run cannot go on");
                }
                if live.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
                    live.idle.notify_waiters();
                }
            });
        }
    }

    /// Begins a child of a map run, unless it was begun before.
    pub(crate) async fn begin_child(self: &Arc<Self>, cx: &Cx, execution: Execution) -> Result<()> {
        let revision = REVISIONS.get(&cx.read(), &revision_key(cx, &execution.machine_id, &execution.revision))?;
        let Some(revision) = revision else { return Ok(()) };
        let arn = execution.arn(cx);
        match self.begin(cx, execution, revision, arn, None).await {
            Err(failure) if failure.code() == Some("ExecutionAlreadyExists") => Ok(()),
            begun => begun.map(drop),
        }
    }

    /// In which context the calls of an execution are made. `None`: it is gone, or its role cannot be assumed.
    pub(crate) async fn role_of(&self, cx: &Cx, key: &Key) -> Result<Option<Cx>> {
        let Some(live) = self.find(cx, key)? else { return Ok(None) };
        let state = live.run.lock().await;
        tasks::as_role(cx, &state.run.header.role, &state.run.header.machine_arn)
    }

    /// What the distributed map of a frame does, and as whom. `None`: its execution has ended.
    pub(crate) async fn map_plan(&self, cx: &Cx, key: &Key, frame: u32) -> Result<Option<Planned>> {
        let Some(live) = self.find(cx, key)? else { return Ok(None) };
        let state = live.run.lock().await;
        let plan = state.run.map_plan(&Around { now: cx.now(), random: cx.random() }, frame);
        let role = tasks::as_role(cx, &state.run.header.role, &state.run.header.machine_arn)?;
        Ok(Some((plan, role)))
    }

    /// What its items are made. `None`: its execution has ended.
    pub(crate) async fn map_inputs(
        &self,
        cx: &Cx,
        key: &Key,
        frame: u32,
        items: Vec<Json>,
    ) -> Result<Option<std::result::Result<Vec<Json>, asl::Failure>>> {
        let Some(live) = self.find(cx, key)? else { return Ok(None) };
        let state = live.run.lock().await;
        Ok(Some(state.run.map_inputs(&Around { now: cx.now(), random: cx.random() }, frame, items)))
    }

    /// A moment has come for an execution. Returns when what that leads to is done, so that whoever moves the clock sees it.
    pub(crate) async fn due(self: &Arc<Self>, cx: &Cx, key: &Key) -> Result<()> {
        let Some(live) = self.find(cx, key)? else { return Ok(()) };
        self.advance(cx, key, &live, Happening::Due, Made::Before).await?;
        live.rest().await;
        Ok(())
    }

    /// Goes on with what went on when the cloud ended: tasks whose end nobody has seen are done again.
    pub(crate) fn resume(self: &Arc<Self>, kernel: &Kernel) {
        let from = kernel.database().read();
        let all = match RUNNING.all(&from, &()) {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the list of executions cannot be read");
                return;
            }
        };
        for key in all.iter().filter_map(Row::key::<Key>) {
            let cx = kernel.cx_for(&key.0, &key.1);
            if let Err(failure) = self.resume_one(&cx, &key) {
                tracing::error!(execution = ?key, error = &failure as &dyn std::error::Error, "an execution cannot go on");
            }
        }
    }

    fn resume_one(self: &Arc<Self>, cx: &Cx, key: &Key) -> Result<()> {
        let Some(live) = self.find(cx, key)? else { return Ok(()) };
        // Nothing has happened to it yet: what is outstanding now was ordered in the life before.
        let Ok(state) = live.run.try_lock() else { return Ok(()) };
        let effects = Effects { orders: outstanding(&state.run), ..Effects::default() };
        let jobs = jobs(&state.run, &effects);
        drop(state);
        self.follow_runs(cx, key, &live, &effects);
        jobs.into_iter().for_each(|job| self.spawn(cx, key, &live, job));
        Ok(())
    }
}

/// What the map with a name does with each item, wherever in a machine it stands.
fn processor<'a>(machine: &'a asl::Machine, name: &str) -> Option<&'a asl::Machine> {
    machine.states.values().find_map(|state| match &state.kind {
        asl::Kind::Map(map) if state.name == name => Some(&map.processor),
        asl::Kind::Map(map) => processor(&map.processor, name),
        asl::Kind::Parallel(branches) => branches.iter().find_map(|branch| processor(branch, name)),
        _ => None,
    })
}

pub(crate) fn key_of(cx: &Cx, execution: &Execution) -> Key {
    let (account, region, machine, name) = execution_key(cx, &execution.machine, &execution.name);
    (account.to_owned(), region.to_owned(), machine.to_owned(), name.to_owned())
}

/// Tasks that were ordered, and of which no end is known. Those that others end by a token are theirs.
fn outstanding(run: &Run) -> Vec<Order> {
    let order = |(id, frame): (&u32, &Frame)| match &frame.doing {
        Doing::Tasking(_) => Some(Order::Task { frame: *id }),
        Doing::Mapping(arn) => Some(Order::MapRun { frame: *id, arn: arn.clone() }),
        _ => None,
    };
    run.frames.iter().filter_map(order).collect()
}

/// What it takes to carry out orders for tasks.
fn jobs(run: &Run, effects: &Effects) -> Vec<Job> {
    let job = |order: &Order| {
        let Order::Task { frame: id } = order else { return None };
        let frame = run.frames.get(id)?;
        let Doing::Tasking(task) = &frame.doing else { return None };
        let resource = run.resource_text(*id)?;
        let (pattern, is_activity) = match Resource::parse(&resource).ok()? {
            Resource::Service(call) => (call.pattern, false),
            Resource::Function(_) => (Pattern::RequestResponse, false),
            Resource::Activity(_) => (Pattern::Callback, true),
        };
        let child = match (&task.submitted, pattern) {
            (Some(answer), Pattern::Sync | Pattern::Sync2) => {
                Some((answer["ExecutionArn"].as_str()?.to_owned(), pattern == Pattern::Sync2))
            }
            (Some(_), _) => return None,
            (None, _) if is_activity => return None,
            (None, _) => None,
        };
        Some(Job {
            frame: *id,
            nonce: task.nonce.clone(),
            order: tasks::Order {
                resource,
                arguments: (*task.arguments).clone(),
                role: task.role.clone().unwrap_or_else(|| run.header.role.clone()),
                execution: run.header.arn.clone(),
                machine: run.header.machine_arn.clone(),
            },
            child,
        })
    };
    effects.orders.iter().filter_map(job).collect()
}

/// The key of an execution's ARN.
pub(crate) fn key_of_arn(text: &str) -> Option<Key> {
    let arn = undercast_kernel::arn::Arn::parse(text)?;
    let mut parts = arn.resource.split(':');
    let (kind, machine, name) = (parts.next()?, parts.next()?, parts.next()?);
    let name = match (kind, parts.next()) {
        ("execution", None) => name.to_owned(),
        ("express", Some(id)) => format!("{name}:{id}"),
        _ => return None,
    };
    Some((arn.account, arn.region, machine.to_owned(), name))
}

/// What rings when an execution ends.
pub(crate) fn bell(arn: &str) -> String {
    format!("stepfunctions/{arn}")
}
