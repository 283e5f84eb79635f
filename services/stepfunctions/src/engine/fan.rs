//! `Parallel` and `Map`: several frames at a time, and what becomes of the state when they end.

use serde_json::Value as Json;
use undercast_asl as asl;

use super::frame::{Doing, Fan, Frame, Held, Item};
use super::history::plain;
use super::{Around, Order, ROOT, Run, frame_at};
use crate::api::kept::{HistoryEvent, MapIterationEventDetails, MapStateStartedEventDetails};

/// So many iterations of an inline `Map` run at a time, if it says nothing.
const AT_ONCE: u32 = 40;

/// The items of an inline `Map`, and what each iteration begins with.
pub(super) struct Iterations {
    pub(super) items: Vec<Json>,
    pub(super) inputs: Vec<Json>,
}

impl Run {
    /// Begins the branches of a `Parallel`, each with the same input.
    pub(super) fn begin_branches(&mut self, id: u32, input: Json, branches: u32) {
        let started = self.note(id, plain("ParallelStateStarted"));
        let fan = Fan { started, total: branches, at_once: branches, inputs: Held::new(input), items: None };
        self.put(id, Doing::Fanning(fan.clone()));
        for index in 0..branches {
            self.begin_child(id, &fan, index);
        }
    }

    /// Begins the iterations of an inline `Map`.
    pub(super) fn begin_iterations(&mut self, around: &Around<'_>, id: u32, all: Iterations, at_once: Option<u64>) {
        let total = u32::try_from(all.items.len()).unwrap_or(u32::MAX);
        let length = i32::try_from(total).ok();
        let details = MapStateStartedEventDetails { length };
        let started =
            self.note(id, HistoryEvent { map_state_started_event_details: Some(details), ..plain("MapStateStarted") });
        let at_once = at_once.filter(|n| *n > 0).and_then(|n| u32::try_from(n).ok()).unwrap_or(AT_ONCE).min(AT_ONCE);
        let (inputs, items) = (Held::new(Json::Array(all.inputs)), Some(Held::new(Json::Array(all.items))));
        let fan = Fan { started, total, at_once, inputs, items };
        self.put(id, Doing::Fanning(fan.clone()));
        if total == 0 {
            return self.end_fan(around, id);
        }
        for index in 0..total.min(at_once) {
            self.begin_child(id, &fan, index);
        }
    }

    /// Begins a branch or an iteration.
    fn begin_child(&mut self, id: u32, fan: &Fan, index: u32) {
        let Some(parent) = self.frame(id).cloned() else { return };
        let (start, name) = match self.state_of(id).map(|state| (&state.kind, state.name.clone())) {
            Some((asl::Kind::Parallel(branches), name)) => {
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                (branch.map(|branch| branch.start_at.clone()), name)
            }
            Some((asl::Kind::Map(map), name)) => (Some(map.processor.start_at.clone()), name),
            _ => (None, String::new()),
        };
        let Some(start) = start else { return };
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let (input, previous, item) = match &fan.items {
            None => (fan.inputs.clone(), fan.started, parent.item),
            Some(items) => {
                let started = self.write(fan.started, iteration("Started", &name, index));
                let value = Held::new(items.get(at).cloned().unwrap_or_default());
                let item = Item { index, value };
                (Held::new(fan.inputs.get(at).cloned().unwrap_or_default()), started, Some(item))
            }
        };
        self.add(Frame { item, ..frame_at(Some((id, index)), start, input, parent.variables, previous) });
    }

    fn children(&self, id: u32) -> impl Iterator<Item = (u32, u32, &Frame)> {
        self.frames.iter().filter_map(move |(child, frame)| match frame.parent {
            Some((parent, index)) if parent == id => Some((*child, index, frame)),
            _ => None,
        })
    }

    /// A branch or iteration has ended well, or the execution has.
    pub(super) fn end_frame(&mut self, around: &Around<'_>, id: u32, output: Json) {
        let Some((parent, index)) = self.frame(id).and_then(|frame| frame.parent) else { return self.succeed(&output) };
        let Some((name, is_map)) = self.state_of(parent).map(|s| (s.name.clone(), matches!(s.kind, asl::Kind::Map(_))))
        else {
            return;
        };
        if is_map {
            self.note(id, iteration("Succeeded", &name, index));
        }
        let last = self.frame(id).map_or(0, |frame| frame.previous);
        self.put(id, Doing::Done(Held::new(output)));
        self.change(parent, |frame| frame.previous = last);
        let Some(Doing::Fanning(fan)) = self.frame(parent).map(|frame| frame.doing.clone()) else { return };
        let begun = u32::try_from(self.children(parent).count()).unwrap_or(u32::MAX);
        if begun < fan.total {
            return self.begin_child(parent, &fan, begun);
        }
        if self.children(parent).all(|(_, _, frame)| matches!(frame.doing, Doing::Done(_))) {
            self.end_fan(around, parent);
        }
    }

    /// All branches or iterations have ended well: what they gave, in their order, is the result.
    fn end_fan(&mut self, around: &Around<'_>, id: u32) {
        let mut given: Vec<(u32, Json)> = self
            .children(id)
            .filter_map(|(_, index, frame)| match &frame.doing {
                Doing::Done(output) => Some((index, (**output).clone())),
                _ => None,
            })
            .collect();
        given.sort_by_key(|(index, _)| *index);
        let kind = self.state_of(id).map_or("", asl::State::kind_name);
        self.note(id, plain(format!("{kind}StateSucceeded")));
        self.forget_children(id);
        self.conclude(around, id, given.into_iter().map(|(_, output)| output).collect());
    }

    /// A branch or iteration has failed, and its state with it; or the execution has.
    pub(super) fn fail_frame(&mut self, around: &Around<'_>, id: u32, failure: asl::Failure) {
        let Some((parent, index)) = self.frame(id).and_then(|frame| frame.parent) else {
            return self.end_failed(&failure.error, &failure.cause);
        };
        let Some((name, kind)) = self.state_of(parent).map(|state| (state.name.clone(), state.kind_name())) else {
            return;
        };
        self.break_off(id);
        if kind == "Map" {
            self.note(id, iteration("Failed", &name, index));
        }
        let last = self.frame(id).map_or(0, |frame| frame.previous);
        self.abort_children(parent);
        self.change(parent, |frame| frame.previous = last);
        self.note(parent, plain(format!("{kind}StateFailed")));
        self.fail(around, parent, failure);
    }

    /// What still runs beside a branch or iteration that failed is stopped.
    fn abort_children(&mut self, id: u32) {
        let running: Vec<(u32, u32)> = self
            .children(id)
            .filter(|(_, _, frame)| !matches!(frame.doing, Doing::Done(_) | Doing::Broken))
            .map(|(child, index, _)| (child, index))
            .collect();
        for (child, index) in running {
            self.abort_children(child);
            let entered = self.frame(child).is_some_and(|frame| frame.entered > 0);
            let kind = self.state_of(child).map_or("", asl::State::kind_name);
            if entered && matches!(kind, "Task" | "Wait" | "Parallel" | "Map") {
                self.note(child, plain(format!("{kind}StateAborted")));
            }
            if let Some(asl::Kind::Map(_)) = self.state_of(id).map(|state| &state.kind) {
                let name = self.frame(id).map_or_else(String::new, |frame| frame.state.clone());
                self.note(child, iteration("Aborted", &name, index));
            }
            self.break_off(child);
            self.ready.retain(|ready| *ready != child);
        }
    }

    /// A frame stops where it is. One whose branches or iterations run stays what it is: a redrive goes on with those.
    pub(super) fn break_off(&mut self, id: u32) {
        if let Some(Doing::Mapping(arn)) = self.frame(id).map(|frame| &frame.doing) {
            self.effects.orders.push(Order::StopRun { arn: arn.clone() });
        }
        if !self.frame(id).is_some_and(|frame| matches!(frame.doing, Doing::Fanning(_) | Doing::Done(_))) {
            self.put(id, Doing::Broken);
        }
    }

    /// The branches or iterations of a frame are no more, and what was theirs.
    pub(super) fn forget_children(&mut self, id: u32) {
        let children: Vec<u32> = self.children(id).map(|(child, _, _)| child).collect();
        for child in children {
            self.forget_children(child);
            if child != ROOT {
                self.frames.remove(&child);
                self.effects.changed.remove(&child);
                self.effects.removed.insert(child);
                self.ready.retain(|ready| *ready != child);
            }
        }
    }
}

/// `MapIteration…`
fn iteration(what: &str, name: &str, index: u32) -> HistoryEvent {
    let details = Some(MapIterationEventDetails { name: Some(name.to_owned()), index: i32::try_from(index).ok() });
    let event = plain(format!("MapIteration{what}"));
    match what {
        "Started" => HistoryEvent { map_iteration_started_event_details: details, ..event },
        "Succeeded" => HistoryEvent { map_iteration_succeeded_event_details: details, ..event },
        "Failed" => HistoryEvent { map_iteration_failed_event_details: details, ..event },
        _ => HistoryEvent { map_iteration_aborted_event_details: details, ..event },
    }
}
