//! Where states lead: to states that are there, each to be reached, and one of them the end.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::fields::{Fields, Reader};
use crate::diagnostic::Code;

/// Checks the transitions between the states of one machine or branch, also where something else is wrong with it.
///
/// That nothing ends is only told of the whole machine, and then it is not told which states are not reached.
pub(super) fn check(fields: &Fields, states: &Map<String, Value>, whole_machine: bool, reader: &mut Reader) {
    let Some(start) = fields.get("StartAt").and_then(Value::as_str) else { return };
    let missing = |target: &str, at: &str, reader: &mut Reader| {
        if !states.contains_key(target) {
            reader.tell(Code::MissingTransitionTarget, format!("Missing 'Next' target: {target}"), Some(at));
        }
    };
    missing(start, &fields.at("StartAt"), reader);
    let mut leads: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, state) in states {
        let at = format!("{}/States/{name}", fields.at);
        for (target, place) in targets(state) {
            missing(target, &format!("{at}{place}"), reader);
            leads.entry(name).or_default().push(target);
        }
    }
    if whole_machine && !states.values().any(is_end) {
        reader.tell(Code::MissingEndState, "Workflow has no terminal state", None);
        return;
    }
    let (mut reached, mut left) = (HashSet::new(), vec![start]);
    while let Some(name) = left.pop() {
        if reached.insert(name) {
            left.extend(leads.get(name).into_iter().flatten());
        }
    }
    for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
        let at = format!("{}/States/{name}", fields.at);
        reader.tell(Code::MissingTransitionTarget, format!("State \"{name}\" is not reachable."), Some(&at));
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
