//! A machine, and the branches in it.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::fields::{Fields, Reader};
use super::{graph, state, variables};
use crate::diagnostic::Code;
use crate::tree::{ExecutionType, Machine, ProcessorConfig, ProcessorMode, QueryLanguage};

/// How long a state's name may be ("Common state fields").
const LONGEST_NAME: usize = 80;

/// The most seconds that a definition may say.
pub(super) const MOST_SECONDS: u64 = 99_999_999;

pub(super) const LANGUAGES: &[(&str, QueryLanguage)] =
    &[("JSONPath", QueryLanguage::JsonPath), ("JSONata", QueryLanguage::Jsonata)];

/// The machine itself.
pub(super) fn whole(map: &Map<String, Value>, reader: &mut Reader) -> Option<Machine> {
    let fields = Fields { map, at: String::new() };
    fields.allow(&["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"], reader);
    reader.language = fields.word("QueryLanguage", LANGUAGES, reader).unwrap_or_default();
    let timeout_seconds = fields.integer("TimeoutSeconds", 0, MOST_SECONDS, reader);
    let version = fields.text("Version", reader);
    if version.as_deref().is_some_and(|version| version != "1.0") {
        reader.schema("Value should be one of the following: [1.0]", &fields.at("Version"));
    }
    let machine = states(&fields, true, reader);
    variables::check(&fields, &HashSet::new(), reader);
    Some(Machine { timeout_seconds, version, ..machine? })
}

/// A branch of a `Parallel`.
pub(super) fn branch(value: &Value, at: &str, reader: &mut Reader) -> Option<Machine> {
    let fields = Fields::of(value, at, reader)?;
    fields.allow(&["Comment", "StartAt", "States"], reader);
    states(&fields, false, reader)
}

/// What a `Map` does with each item.
pub(super) fn processor(fields: &Fields, reader: &mut Reader) -> Option<Machine> {
    fields.allow(&["Comment", "StartAt", "States", "ProcessorConfig"], reader);
    let processor_config = fields.object("ProcessorConfig", reader).and_then(|fields| config(&fields, reader));
    let machine = states(fields, false, reader)?;
    Some(Machine { processor_config, ..machine })
}

fn config(fields: &Fields, reader: &mut Reader) -> Option<ProcessorConfig> {
    fields.allow(&["Mode", "ExecutionType"], reader);
    let modes = &[("INLINE", ProcessorMode::Inline), ("DISTRIBUTED", ProcessorMode::Distributed)];
    let types = &[("STANDARD", ExecutionType::Standard), ("EXPRESS", ExecutionType::Express)];
    let execution_type = fields.word("ExecutionType", types, reader);
    let mode = if fields.has("Mode") { fields.word("Mode", modes, reader)? } else { ProcessorMode::Inline };
    match mode {
        ProcessorMode::Distributed => _ = fields.require(&["ExecutionType"], reader),
        ProcessorMode::Inline if fields.has("ExecutionType") => {
            reader.schema("Field 'ExecutionType' is not supported", &fields.at);
        }
        ProcessorMode::Inline => {}
    }
    if mode == ProcessorMode::Distributed && reader.limits.express {
        reader.schema("Express state machine does not support Distributed Map", &fields.at("Mode"));
    }
    Some(ProcessorConfig { mode, execution_type })
}

fn states(fields: &Fields, whole_machine: bool, reader: &mut Reader) -> Option<Machine> {
    fields.require(&["States", "StartAt"], reader);
    let comment = fields.text("Comment", reader);
    let start_at = fields.text("StartAt", reader);
    let object = fields.object("States", reader)?;
    if object.map.is_empty() {
        reader.schema("Value cannot be empty", &object.at);
        return None;
    }
    let mut states = IndexMap::new();
    let mut whole = true;
    for (name, value) in object.map {
        let at = object.at(name);
        check_name(name, &at, reader);
        match state::read(name, value, &at, reader) {
            Some(state) => _ = states.insert(name.clone(), state),
            None => whole = false,
        }
    }
    graph::check(fields, object.map, whole_machine, reader);
    let start_at = start_at.filter(|_| whole)?;
    Some(Machine {
        comment,
        query_language: reader.language,
        start_at,
        states,
        timeout_seconds: None,
        version: None,
        processor_config: None,
    })
}

fn check_name(name: &str, at: &str, reader: &mut Reader) {
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME {
        let message = format!("State name must be between 1 and {LONGEST_NAME} characters long");
        reader.tell(Code::InvalidStateName, message, Some(at));
    }
    if !reader.names.insert(name.to_owned()) {
        reader.tell(Code::DuplicateStateName, format!("Duplicate State name: {name}"), Some(at));
    }
}
