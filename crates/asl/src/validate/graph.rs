//! Where states lead: to states that are there, each to be reached, and one of them the end.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::fields::{Fields, Reader};
use crate::diagnostic::Code;

/// Checks the transitions between the states of one machine or branch, also where something else is wrong with it.
pub(super) fn check(fields: &Fields, states: &Map<String, Value>, reader: &mut Reader) {
    let mut reached = HashSet::new();
    let start = fields.get("StartAt").and_then(Value::as_str);
    if let Some(start) = start {
        follow(start, &fields.at("StartAt"), states, &mut reached, reader);
    }
    let mut ends = false;
    for (name, state) in states {
        let at = format!("{}/States/{name}", fields.at);
        for (target, place) in targets(state) {
            follow(target, &format!("{at}{place}"), states, &mut reached, reader);
        }
        ends |= is_end(state);
    }
    if start.is_some() {
        for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
            let at = format!("{}/States/{name}", fields.at);
            reader.tell(Code::MissingTransitionTarget, format!("State \"{name}\" is not reachable."), Some(&at));
        }
    }
    if !ends {
        reader.tell(Code::MissingEndState, "Workflow has no terminal state", Some(&fields.at("States")));
    }
}

fn follow<'a>(
    target: &'a str,
    at: &str,
    states: &Map<String, Value>,
    reached: &mut HashSet<&'a str>,
    reader: &mut Reader,
) {
    if states.contains_key(target) {
        reached.insert(target);
    } else {
        reader.tell(Code::MissingTransitionTarget, format!("Missing 'Next' target: {target}"), Some(at));
    }
}

/// The states to which one leads, and in which of its fields.
fn targets(state: &Value) -> Vec<(&str, String)> {
    let mut targets = Vec::new();
    for name in ["Next", "Default"] {
        if let Some(target) = state.get(name).and_then(Value::as_str) {
            targets.push((target, format!("/{name}")));
        }
    }
    for list in ["Choices", "Catch"] {
        for (index, item) in state.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            if let Some(target) = item.get("Next").and_then(Value::as_str) {
                targets.push((target, format!("/{list}[{index}]/Next")));
            }
        }
    }
    targets
}

fn is_end(state: &Value) -> bool {
    state.get("End") == Some(&Value::Bool(true))
        || matches!(state.get("Type").and_then(Value::as_str), Some("Succeed" | "Fail"))
}
