//! The names of variables: a branch may not set one that has the name of a variable set further out ("Variable scope").

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::fields::{Fields, Reader};
use crate::diagnostic::Code;

pub(super) fn check(fields: &Fields, outer: &HashSet<String>, reader: &mut Reader) {
    let Some(states) = fields.get("States").and_then(Value::as_object) else { return };
    let mut inner = outer.clone();
    for (name, state) in states {
        for (variable, at) in assigned(state) {
            if outer.contains(&variable) {
                let message = format!("The variable name '{variable}' was already defined in a parent scope.");
                let at = format!("{}/States/{name}{at}", fields.at);
                reader.tell(Code::DuplicateVariableName, message, Some(&at));
            }
            inner.insert(variable);
        }
    }
    for (name, state) in states {
        let at = format!("{}/States/{name}", fields.at);
        for (index, branch) in state.get("Branches").and_then(Value::as_array).into_iter().flatten().enumerate() {
            descend(branch, format!("{at}/Branches[{index}]"), &inner, reader);
        }
        for field in ["ItemProcessor", "Iterator"] {
            let Some(processor) = state.get(field) else { continue };
            // The executions of a distributed map have variables of their own.
            let distributed = processor.pointer("/ProcessorConfig/Mode").is_some_and(|mode| mode == "DISTRIBUTED");
            let none = HashSet::new();
            descend(processor, format!("{at}/{field}"), if distributed { &none } else { &inner }, reader);
        }
    }
}

fn descend(value: &Value, at: String, outer: &HashSet<String>, reader: &mut Reader) {
    if let Value::Object(map) = value {
        check(&Fields { map, at }, outer, reader);
    }
}

/// The variables that a state sets, and where.
fn assigned(state: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |value: Option<&Map<String, Value>>, at: &str| {
        for name in value.into_iter().flat_map(Map::keys) {
            all.push((name.strip_suffix(".$").unwrap_or(name).to_owned(), format!("{at}/{name}")));
        }
    };
    add(state.get("Assign").and_then(Value::as_object), "/Assign");
    for list in ["Choices", "Catch"] {
        for (index, item) in state.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            add(item.get("Assign").and_then(Value::as_object), &format!("/{list}[{index}]/Assign"));
        }
    }
    all
}
