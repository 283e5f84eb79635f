//! `Retry` and `Catch`.

use super::fields::{Fields, Reader};
use super::flow;
use super::machine::MOST_SECONDS;
use crate::failure::name;
use crate::tree::{Catcher, Jitter, QueryLanguage, Retrier};

/// The longest delay that a retrier may have ("Retrying after an error": less than a year).
const LONGEST_DELAY: u64 = 31_622_400;

pub(super) fn read(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> (Vec<Retrier>, Vec<Catcher>) {
    let retry = each(fields, "Retry", reader, |item, reader, _| retrier(item, reader));
    reader.sees_error = true;
    let catch = each(fields, "Catch", reader, |item, reader, i| catcher(item, language, i, reader));
    reader.sees_error = false;
    (retry, catch)
}

/// The members of a list that may be empty; `States.ALL` only in the last.
fn each<T>(
    fields: &Fields,
    name: &str,
    reader: &mut Reader,
    mut read: impl FnMut(&Fields, &mut Reader, usize) -> Option<T>,
) -> Vec<T> {
    let items = match fields.get(name) {
        Some(serde_json::Value::Array(items)) if items.is_empty() => return Vec::new(),
        _ => fields.array(name, reader).unwrap_or_default(),
    };
    let mut found = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let at = format!("{}[{i}]", fields.at(name));
        let Some(item) = Fields::of(item, &at, reader) else { continue };
        if !item.require(if name == "Catch" { &["ErrorEquals", "Next"] } else { &["ErrorEquals"] }, reader) {
            continue;
        }
        check_names(&item, i + 1 == items.len(), reader);
        found.extend(read(&item, reader, i));
    }
    found
}

fn check_names(item: &Fields, last: bool, reader: &mut Reader) {
    let at = item.at("ErrorEquals");
    let Some(names) = item.array("ErrorEquals", reader) else { return };
    for (i, value) in names.iter().enumerate() {
        let at = format!("{at}[{i}]");
        if !value.is_string() {
            reader.schema("Expected value of type [STRING]", &at);
        }
    }
    if names.iter().any(|name| name == name::ALL) {
        if names.len() > 1 {
            reader.schema("States.ALL must appear alone in ErrorEquals", &at);
        }
        if !last {
            reader.schema("States.ALL must appear in the last retrier or catcher", &at);
        }
    }
}

fn names(item: &Fields, reader: &mut Reader) -> Vec<String> {
    let all = item.array("ErrorEquals", reader).unwrap_or_default();
    all.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn retrier(item: &Fields, reader: &mut Reader) -> Option<Retrier> {
    let known = [
        "ErrorEquals",
        "IntervalSeconds",
        "MaxAttempts",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
        "Comment",
    ];
    item.allow(&known, reader);
    let interval_seconds = item.integer("IntervalSeconds", 1, MOST_SECONDS, reader).unwrap_or(1);
    let max_attempts = item.integer("MaxAttempts", 0, MOST_SECONDS, reader).unwrap_or(3);
    let backoff_rate = item.number("BackoffRate", 1.0, f64::INFINITY, reader).unwrap_or(2.0);
    let max_delay_seconds = item.integer("MaxDelaySeconds", 1, LONGEST_DELAY - 1, reader);
    if max_delay_seconds.is_some_and(|most| most <= interval_seconds) {
        reader.schema("MaxDelaySeconds must be greater than IntervalSeconds", &item.at("MaxDelaySeconds"));
    }
    let jitter = item.word("JitterStrategy", &[("NONE", Jitter::None), ("FULL", Jitter::Full)], reader);
    let error_equals = names(item, reader);
    Some(Retrier {
        error_equals,
        interval_seconds,
        max_attempts,
        backoff_rate,
        max_delay_seconds,
        jitter: jitter.unwrap_or_default(),
    })
}

fn catcher(item: &Fields, language: QueryLanguage, index: usize, reader: &mut Reader) -> Option<Catcher> {
    let (foreign, other) = match language {
        QueryLanguage::JsonPath => ("Output", "JSONata"),
        QueryLanguage::Jsonata => ("ResultPath", "JSONPath"),
    };
    item.allow(&["ErrorEquals", "Next", "Comment", "ResultPath", "Output", "Assign"], reader);
    if item.has(foreign) {
        let message = format!(
            "The QueryLanguage is set to '{}', but field '{foreign}' is only supported for the '{other}' QueryLanguage",
            language.as_str()
        );
        reader.schema(message, &item.at);
        return None;
    }
    let owner = format!("Catch[{index}]/");
    Some(Catcher {
        error_equals: names(item, reader),
        next: item.text("Next", reader)?,
        comment: item.text("Comment", reader),
        result_path: flow::placement(item, reader)?,
        output: flow::template(item, "Output", language, &owner, reader),
        assign: flow::assign(item, language, &owner, reader),
    })
}
