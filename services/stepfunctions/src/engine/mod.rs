//! One execution as a machine of its own: something happens, it goes on as far as it can, and says what is to be written and done.
//!
//! It knows no store, no clock and no service, so that what it does depends on what happened alone. `step` enters and leaves states,
//! `fan` runs branches and iterations, `task` follows what others do, `fail` retries, catches and ends; `history` makes the events.

pub(crate) mod context;
mod fail;
mod fan;
pub(crate) mod frame;
pub(crate) mod history;
pub(crate) mod mapping;
mod step;
mod task;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use undercast_asl as asl;
use undercast_kernel::{Random, Timestamp};

use crate::api::kept::{
    ExecutionAbortedEventDetails, ExecutionFailedEventDetails, ExecutionRedrivenEventDetails,
    ExecutionStartedEventDetails, ExecutionSucceededEventDetails, ExecutionTimedOutEventDetails, HistoryEvent,
};
use crate::rows::{Progress, Status};
use frame::{Doing, Frame, Held};
use history::{cause, error};

pub(crate) use task::{Way, read_token, token};

/// The frame of the execution itself.
pub(crate) const ROOT: u32 = 0;

/// What does not change while an execution runs.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine_arn: String,
    pub(crate) machine_name: String,
    pub(crate) version_arn: Option<String>,
    pub(crate) alias_arn: Option<String>,
    pub(crate) role: String,
    pub(crate) region: String,
    pub(crate) input: Held,
    pub(crate) started: i64,
    pub(crate) redrives: u32,
    pub(crate) redriven: Option<i64>,
}

/// An execution that goes on.
pub(crate) struct Run {
    pub(crate) header: Header,
    pub(crate) machine: Arc<asl::Machine>,
    pub(crate) frames: BTreeMap<u32, Frame>,
    /// The number of the last event, and of the next frame.
    events: u64,
    next: u32,
    /// When it has taken too long.
    deadline: Option<i64>,
    ready: VecDeque<u32>,
    effects: Effects,
    now: i64,
    /// The last event of all: what an end is told after.
    last: u64,
    ended: bool,
}

/// What happens to an execution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    Started,
    /// A moment has come.
    Due,
    /// A worker took the task.
    Taken {
        frame: u32,
        nonce: String,
        worker: Option<String>,
    },
    Submitted {
        frame: u32,
        nonce: String,
        answer: Json,
    },
    Succeeded {
        frame: u32,
        nonce: String,
        result: Json,
    },
    Failed {
        frame: u32,
        nonce: String,
        error: String,
        cause: String,
        way: Way,
    },
    Heartbeat {
        frame: u32,
        nonce: String,
    },
    /// A map run has ended.
    Mapped {
        frame: u32,
        arn: String,
        result: Result<Json, asl::Failure>,
    },
    Stopped {
        error: Option<String>,
        cause: Option<String>,
    },
    /// It has taken as long as one of its kind may.
    Late,
    Redriven,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) status: Status,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

/// What others are to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    Task {
        frame: u32,
    },
    /// A worker of this activity may have the task.
    Offer {
        frame: u32,
        activity: String,
    },
    /// The items of a distributed map.
    MapRun {
        frame: u32,
        arn: String,
    },
    /// Nobody waits for a map run any more.
    StopRun {
        arn: String,
    },
}

/// What is to be written, and then done.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) changed: BTreeSet<u32>,
    pub(crate) removed: BTreeSet<u32>,
    pub(crate) orders: Vec<Order>,
    pub(crate) end: Option<End>,
}

/// Chance and time, which come from outside.
pub(crate) struct Around<'a> {
    pub(crate) now: Timestamp,
    pub(crate) random: &'a Random,
}

impl Run {
    pub(crate) fn new(
        header: Header,
        machine: Arc<asl::Machine>,
        frames: BTreeMap<u32, Frame>,
        progress: Progress,
    ) -> Self {
        let now = header.started;
        let Progress { events, frames: next, deadline } = progress;
        let (ready, effects) = (VecDeque::new(), Effects::default());
        Self { header, machine, frames, events, next, deadline, ready, effects, now, last: events, ended: false }
    }

    /// Takes what happens, goes on as far as that leads, and says what came of it.
    pub(crate) fn happen(&mut self, around: &Around<'_>, happening: Happening) -> Effects {
        if self.ended {
            return Effects::default();
        }
        self.now = around.now.as_millisecond();
        match happening {
            Happening::Started => self.start(),
            Happening::Due => self.due(around),
            Happening::Taken { frame, nonce, worker } => self.taken(frame, &nonce, worker),
            Happening::Submitted { frame, nonce, answer } => self.submitted(frame, &nonce, answer),
            Happening::Succeeded { frame, nonce, result } => self.succeeded(around, frame, &nonce, result),
            Happening::Failed { frame, nonce, error, cause, way } => {
                self.task_failed(around, frame, &nonce, error, cause, way);
            }
            Happening::Heartbeat { frame, nonce } => self.heartbeat(frame, &nonce),
            Happening::Mapped { frame, arn, result } => self.mapped(around, frame, &arn, result),
            Happening::Stopped { error: name, cause: why } => self.stop(name, why),
            Happening::Late => self.time_out(),
            Happening::Redriven => self.redrive(),
        }
        while self.effects.end.is_none() {
            let Some(id) = self.ready.pop_front() else { break };
            self.step(around, id);
        }
        self.ready.clear();
        self.ended = self.effects.end.is_some();
        std::mem::take(&mut self.effects)
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        Progress { events: self.events, frames: self.next, deadline: self.deadline }
    }

    /// When it has to be looked at next, if nothing else happens.
    pub(crate) fn due_next(&self) -> Option<i64> {
        self.frames.values().filter_map(Frame::due).chain(self.deadline).min()
    }

    fn start(&mut self) {
        let header = &self.header;
        let details = ExecutionStartedEventDetails {
            input: Some(header.input.to_string()),
            input_details: history::whole(),
            role_arn: Some(header.role.clone()),
            state_machine_alias_arn: header.alias_arn.clone(),
            state_machine_version_arn: header.version_arn.clone(),
        };
        let event =
            HistoryEvent { execution_started_event_details: Some(details), ..history::plain("ExecutionStarted") };
        let input = header.input.clone();
        self.write(0, event);
        self.deadline = self.machine.timeout_seconds.map(|seconds| self.after(seconds));
        let first = self.machine.start_at.clone();
        // The first state of an execution comes after no event.
        self.add(frame_at(None, first, input, Held::new(Json::Object(Map::new())), 0));
    }

    /// So many seconds from now.
    fn after(&self, seconds: u64) -> i64 {
        self.now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
    }

    /// A new frame, which goes on at once.
    fn add(&mut self, frame: Frame) -> u32 {
        let id = self.next;
        self.next += 1;
        self.frames.insert(id, frame);
        self.effects.changed.insert(id);
        self.ready.push_back(id);
        id
    }

    /// A frame that is there.
    fn frame(&self, id: u32) -> Option<&Frame> {
        self.frames.get(&id)
    }

    /// The same, to be changed and written.
    fn change(&mut self, id: u32, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.get_mut(&id) {
            change(frame);
            self.effects.changed.insert(id);
        }
    }

    /// The frame is at something else.
    fn put(&mut self, id: u32, doing: Doing) {
        self.change(id, |frame| frame.doing = doing);
    }

    /// Writes an event behind another, and says its number.
    fn write(&mut self, previous: u64, event: HistoryEvent) -> u64 {
        self.events += 1;
        self.last = self.events;
        let id = i64::try_from(self.events).unwrap_or(i64::MAX);
        let previous_event_id = i64::try_from(previous).ok();
        let timestamp = crate::rows::moment(self.now);
        self.effects.events.push(HistoryEvent { timestamp, id, previous_event_id, ..event });
        self.events
    }

    /// Writes an event of a frame behind its last one.
    fn note(&mut self, id: u32, event: HistoryEvent) -> u64 {
        let previous = self.frame(id).map_or(0, |frame| frame.previous);
        let number = self.write(previous, event);
        self.change(id, |frame| frame.previous = number);
        number
    }

    /// The state in which a frame is.
    fn state_of(&self, id: u32) -> Option<&asl::State> {
        state_in(&self.machine, &self.frames, id)
    }

    /// What the task of a frame names, as it is written.
    pub(crate) fn resource_text(&self, id: u32) -> Option<String> {
        match &self.state_of(id)?.kind {
            asl::Kind::Task(task) => Some(task.resource.clone()),
            _ => None,
        }
    }

    fn succeed(&mut self, output: &Json) {
        let details =
            ExecutionSucceededEventDetails { output: Some(output.to_string()), output_details: history::whole() };
        let event =
            HistoryEvent { execution_succeeded_event_details: Some(details), ..history::plain("ExecutionSucceeded") };
        self.note(ROOT, event);
        let output = Some(output.to_string());
        self.effects.end = Some(End { status: Status::Succeeded, output, error: None, cause: None });
    }

    fn end_failed(&mut self, name: &str, why: &str) {
        let details = ExecutionFailedEventDetails { error: error(name), cause: cause(why) };
        let event = HistoryEvent { execution_failed_event_details: Some(details), ..history::plain("ExecutionFailed") };
        self.break_all();
        self.note(ROOT, event);
        self.effects.end = Some(End { status: Status::Failed, output: None, error: error(name), cause: cause(why) });
    }

    fn stop(&mut self, name: Option<String>, why: Option<String>) {
        let details = ExecutionAbortedEventDetails { error: name.clone(), cause: why.clone() };
        let event =
            HistoryEvent { execution_aborted_event_details: Some(details), ..history::plain("ExecutionAborted") };
        self.break_all();
        self.note(ROOT, event);
        self.effects.end = Some(End { status: Status::Aborted, output: None, error: name, cause: why });
    }

    /// It has taken longer than its machine lets it.
    fn time_out(&mut self) {
        let details = ExecutionTimedOutEventDetails { error: None, cause: None };
        let event =
            HistoryEvent { execution_timed_out_event_details: Some(details), ..history::plain("ExecutionTimedOut") };
        self.break_all();
        self.note(ROOT, event);
        self.effects.end = Some(End { status: Status::TimedOut, output: None, error: None, cause: None });
    }

    /// Whatever goes on stops where it is; a redrive goes on from there.
    fn break_all(&mut self) {
        let ids: Vec<u32> = self.frames.keys().copied().collect();
        for id in ids {
            self.break_off(id);
        }
        self.deadline = None;
    }

    /// What was stopped goes on: states that were not done are done again, with the input that they had.
    fn redrive(&mut self) {
        self.header.redrives += 1;
        self.header.redriven = Some(self.now);
        let count = i32::try_from(self.header.redrives).ok();
        let details = ExecutionRedrivenEventDetails { redrive_count: count };
        let event =
            HistoryEvent { execution_redriven_event_details: Some(details), ..history::plain("ExecutionRedriven") };
        let number = self.write(self.last, event);
        self.deadline = self.machine.timeout_seconds.map(|seconds| self.after(seconds));
        let broken: Vec<u32> =
            self.frames.iter().filter(|(_, frame)| frame.doing == Doing::Broken).map(|(id, _)| *id).collect();
        for id in broken {
            self.change(id, |frame| {
                frame.previous = number;
                frame.retries.clear();
                frame.doing = if frame.entered == 0 { Doing::Entering } else { Doing::Attempting };
            });
            self.ready.push_back(id);
        }
    }
}

/// The state in which a frame is: of the whole machine, of a branch of it, or of what is done with an item.
fn state_in<'m>(machine: &'m asl::Machine, frames: &BTreeMap<u32, Frame>, id: u32) -> Option<&'m asl::State> {
    let frame = frames.get(&id)?;
    let Some((parent, index)) = frame.parent else { return machine.state(&frame.state) };
    let inner = match &state_in(machine, frames, parent)?.kind {
        asl::Kind::Parallel(branches) => branches.get(usize::try_from(index).ok()?)?,
        asl::Kind::Map(map) => &map.processor,
        _ => return None,
    };
    inner.state(&frame.state)
}

/// A frame that is to enter a state.
fn frame_at(parent: Option<(u32, u32)>, state: String, input: Held, variables: Held, previous: u64) -> Frame {
    Frame {
        parent,
        state,
        input,
        variables,
        entered: 0,
        entered_at: 0,
        previous,
        retries: Vec::new(),
        doing: Doing::Entering,
        item: None,
    }
}
