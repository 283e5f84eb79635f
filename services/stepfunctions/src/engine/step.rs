//! States: entered, done, left.

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use undercast_asl as asl;
use undercast_kernel::{Random, Timestamp};

use super::fan::Iterations;
use super::frame::{Doing, Held};
use super::mapping::Plan;
use super::task::{Attempt, token};
use super::{Around, Run, history, state_in};
use crate::resource::{Pattern, Resource};

/// A result or an output has so many bytes at most.
const MOST_BYTES: usize = crate::executions::MOST_BYTES;
/// How long a task may take, in seconds, if it says nothing.
const NO_TIMEOUT: u64 = 99_999_999;

impl asl::Outside for Around<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn fill(&self, bytes: &mut [u8]) {
        fill(self.random, bytes);
    }
}

fn fill(random: &Random, bytes: &mut [u8]) {
    for part in bytes.chunks_mut(16) {
        let some: [u8; 16] = random.bytes();
        let length = part.len();
        part.copy_from_slice(some.get(..length).unwrap_or_default());
    }
}

/// What a state does next, reckoned.
enum Does {
    /// It is left for its own next state.
    Leave(asl::Done),
    /// It is left for this one.
    Choose(asl::Chosen),
    Wait(i64),
    Fail(asl::Failure),
    Task(Box<Resource>, Attempt),
    Branches(Json, u32),
    Iterations(Iterations, Option<u64>),
    MapRun(Box<Plan>),
}

impl Run {
    /// What the expressions of a frame's state see. `None`: there is no such frame.
    pub(super) fn scoped<T>(&self, around: &Around<'_>, id: u32, look: impl FnOnce(&asl::Scope<'_>) -> T) -> Option<T> {
        self.scoped_with(around, id, None, look)
    }

    fn scoped_with<T>(
        &self,
        around: &Around<'_>,
        id: u32,
        token: Option<&str>,
        look: impl FnOnce(&asl::Scope<'_>) -> T,
    ) -> Option<T> {
        let frame = self.frame(id)?;
        let (context, none) = (self.context(frame, token), Map::new());
        let variables = frame.variables.as_object().unwrap_or(&none);
        Some(look(&asl::Scope { input: &frame.input, context: &context, variables, outside: around }))
    }

    /// A frame goes on: it enters its state, or does it again.
    pub(super) fn step(&mut self, around: &Around<'_>, id: u32) {
        let Some(frame) = self.frame(id) else { return };
        let machine = Arc::clone(&self.machine);
        let Some(state) = state_in(&machine, &self.frames, id) else {
            let why = format!("There is no state '{}'.", frame.state);
            return self.fail_frame(around, id, asl::Failure::runtime(why));
        };
        if self.events >= history::MOST {
            let why = "The execution reached the maximum number of history events (25000).";
            return self.end_failed(asl::name::RUNTIME, why);
        }
        if frame.doing == Doing::Entering {
            let event = history::entered(state.kind_name(), &state.name, &frame.input);
            let number = self.note(id, event);
            let now = self.now;
            self.change(id, |frame| {
                (frame.entered, frame.entered_at, frame.doing) = (number, now, Doing::Attempting);
                frame.retries.clear();
            });
        }
        match self.reckon(around, id, state) {
            Ok(does) => self.act(around, id, does),
            Err(failure) => self.fail_reckoning(around, id, failure),
        }
    }

    /// Something that the state says cannot be reckoned.
    fn fail_reckoning(&mut self, around: &Around<'_>, id: u32, failure: asl::Failure) {
        let entered = self.frame(id).map_or(0, |frame| frame.entered);
        let name = self.frame(id).map_or_else(String::new, |frame| frame.state.clone());
        self.fail(around, id, failure.in_state(&name, i64::try_from(entered).unwrap_or(i64::MAX)));
    }

    /// What a state does, as its expressions say it.
    fn reckon(&self, around: &Around<'_>, id: u32, state: &asl::State) -> Result<Does, asl::Failure> {
        let nothing = || Err(asl::Failure::runtime("The frame of the state is gone."));
        let found = match &state.kind {
            asl::Kind::Task(task) => return self.reckon_task(around, id, state, task),
            asl::Kind::Map(map) if map.is_distributed() => {
                return Ok(Does::MapRun(Box::new(self.map_plan(around, id)?)));
            }
            asl::Kind::Map(map) => self.scoped(around, id, |scope| iterations(scope, state, map)),
            asl::Kind::Pass(pass) => self.scoped(around, id, |scope| {
                let effective = state.effective_input(scope)?;
                state.complete(scope, pass.result(&effective)).map(Does::Leave)
            }),
            asl::Kind::Choice(_) => self.scoped(around, id, |scope| state.choose(scope).map(Does::Choose)),
            asl::Kind::Succeed => self.scoped(around, id, |scope| state.leave(scope).map(Does::Leave)),
            asl::Kind::Wait(wait) => {
                let now = self.now;
                self.scoped(around, id, |scope| until(scope, state, wait, now).map(Does::Wait))
            }
            asl::Kind::Fail(fail) => self.scoped(around, id, |scope| fail.failure(scope).map(Does::Fail)),
            asl::Kind::Parallel(branches) => self.scoped(around, id, |scope| {
                let input = state.effective_input(scope)?.value;
                Ok(Does::Branches(input, u32::try_from(branches.len()).unwrap_or(u32::MAX)))
            }),
        };
        found.unwrap_or_else(nothing)
    }

    fn reckon_task(
        &self,
        around: &Around<'_>,
        id: u32,
        state: &asl::State,
        task: &asl::Task,
    ) -> Result<Does, asl::Failure> {
        let resource = Resource::parse(&task.resource).map_err(|failure| asl::Failure::runtime(failure.to_string()))?;
        let later = match &resource {
            Resource::Activity(_) => true,
            Resource::Service(call) => call.pattern == Pattern::Callback,
            Resource::Function(_) => false,
        };
        let nonce = around.random.hex(32);
        let given = later.then(|| token(&self.header.arn, id, &nonce));
        let attempt = self.scoped_with(around, id, given.as_deref(), |scope| {
            let effective = state.effective_input(scope)?;
            let seconds = |given: &Option<asl::Given<u64>>, field: &str| {
                given.as_ref().map(|given| scope.number(given, field, &effective.selected)).transpose()
            };
            let timeout = seconds(&task.timeout_seconds, "TimeoutSeconds")?.filter(|n| *n < NO_TIMEOUT);
            let heartbeat = seconds(&task.heartbeat_seconds, "HeartbeatSeconds")?.filter(|_| later);
            let credentials = task.credentials.as_ref().map(|template| scope.fill(template, &effective.selected));
            let role = credentials.transpose()?.and_then(|told| told["RoleArn"].as_str().map(ToOwned::to_owned));
            Ok(Attempt { nonce: nonce.clone(), arguments: effective.value, timeout, heartbeat, role })
        });
        let attempt = attempt.unwrap_or_else(|| Err(asl::Failure::runtime("The frame of the state is gone.")))?;
        Ok(Does::Task(Box::new(resource), attempt))
    }

    fn act(&mut self, around: &Around<'_>, id: u32, does: Does) {
        match does {
            Does::Leave(done) => self.leave(around, id, done, None),
            Does::Choose(chosen) => self.leave(around, id, chosen.done, Some(chosen.next)),
            // What is over already needs no timer.
            Does::Wait(until) if until <= self.now => self.waited(around, id),
            Does::Wait(until) => self.put(id, Doing::Waiting(until)),
            Does::Fail(failure) => self.fail_frame(around, id, failure),
            Does::Task(resource, attempt) => self.schedule(id, &resource, attempt),
            Does::Branches(input, branches) => self.begin_branches(id, input, branches),
            Does::Iterations(all, at_once) => self.begin_iterations(around, id, all, at_once),
            Does::MapRun(plan) => self.begin_map_run(around, id, &plan),
        }
    }

    /// A task, the branches or the iterations of a state have given a result.
    pub(super) fn conclude(&mut self, around: &Around<'_>, id: u32, result: Json) {
        let machine = Arc::clone(&self.machine);
        let Some(state) = state_in(&machine, &self.frames, id) else { return };
        if result.to_string().len() > MOST_BYTES {
            let why = format!(
                "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                state.name
            );
            return self.fail(around, id, asl::Failure::new(asl::name::DATA_LIMIT_EXCEEDED, why));
        }
        match self.scoped(around, id, |scope| state.complete(scope, result)) {
            Some(Ok(done)) => self.leave(around, id, done, None),
            Some(Err(failure)) => self.fail_reckoning(around, id, failure),
            None => {}
        }
    }

    /// A state is left. `next`: the state that comes then, where it is not the state's own.
    pub(super) fn leave(&mut self, around: &Around<'_>, id: u32, done: asl::Done, next: Option<String>) {
        let machine = Arc::clone(&self.machine);
        let Some(state) = state_in(&machine, &self.frames, id) else { return };
        if done.output.to_string().len() > MOST_BYTES {
            let why = format!(
                "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                state.name
            );
            return self.fail_frame(around, id, asl::Failure::new(asl::name::DATA_LIMIT_EXCEEDED, why));
        }
        self.note(id, history::exited(state.kind_name(), &state.name, &done.output, Some(&done.assigned)));
        if !done.assigned.is_empty() {
            self.change(id, |frame| {
                let mut variables = (*frame.variables).clone();
                for (name, value) in done.assigned {
                    variables[name] = value;
                }
                frame.variables = Held::new(variables);
            });
        }
        match next.or_else(|| state.next_state().map(ToOwned::to_owned)) {
            Some(next) => {
                self.change(id, |frame| {
                    (frame.state, frame.input, frame.doing) = (next, Held::new(done.output), Doing::Entering);
                });
                self.ready.push_back(id);
            }
            None => self.end_frame(around, id, done.output),
        }
    }

    /// A moment has come: whatever was to be then goes on.
    pub(super) fn due(&mut self, around: &Around<'_>) {
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            return self.time_out();
        }
        let due: Vec<u32> =
            self.frames.iter().filter(|(_, f)| f.due().is_some_and(|at| at <= self.now)).map(|(id, _)| *id).collect();
        for id in due {
            match self.frame(id).map(|frame| &frame.doing) {
                Some(Doing::Waiting(_)) => self.waited(around, id),
                Some(Doing::Delayed(_)) => {
                    self.put(id, Doing::Attempting);
                    self.ready.push_back(id);
                }
                Some(Doing::Tasking(_)) => self.task_timed_out(around, id),
                _ => {}
            }
        }
    }

    fn waited(&mut self, around: &Around<'_>, id: u32) {
        let machine = Arc::clone(&self.machine);
        let Some(state) = state_in(&machine, &self.frames, id) else { return };
        match self.scoped(around, id, |scope| state.leave(scope)) {
            Some(Ok(done)) => self.leave(around, id, done, None),
            Some(Err(failure)) => self.fail_reckoning(around, id, failure),
            None => {}
        }
    }
}

/// Until when a `Wait` waits, in milliseconds.
fn until(scope: &asl::Scope<'_>, state: &asl::State, wait: &asl::Wait, now: i64) -> Result<i64, asl::Failure> {
    let selected = state.effective_input(scope)?.selected;
    match wait {
        asl::Wait::Seconds(given) => {
            let seconds = scope.number(given, "Seconds", &selected)?;
            Ok(now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)))
        }
        asl::Wait::Until(given) => Ok(scope.moment(given, "Timestamp", &selected)?.as_millisecond().max(now)),
    }
}

/// The iterations of an inline `Map`.
fn iterations(scope: &asl::Scope<'_>, state: &asl::State, map: &asl::Map) -> Result<Does, asl::Failure> {
    let effective = state.effective_input(scope)?;
    let items = map.items(scope, &effective)?;
    let at_once = map.max_concurrency.as_ref().map(|given| scope.number(given, "MaxConcurrency", &effective.selected));
    let at_once = at_once.transpose()?;
    Ok(Does::Iterations(Iterations { inputs: map.inputs(scope, &effective, items.clone())?, items }, at_once))
}
