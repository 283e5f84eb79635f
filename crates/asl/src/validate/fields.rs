//! The fields of an object of a definition: what they are, and what is said when they are something else.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::Limits;
use crate::diagnostic::{Code, Diagnostic};
use crate::tree::QueryLanguage;

/// What reads a definition, and collects what is wrong with it.
pub(super) struct Reader {
    pub(super) limits: Limits,
    /// The language of the whole machine.
    pub(super) language: QueryLanguage,
    pub(super) found: Vec<Diagnostic>,
    /// The names of states, which no branch may use again.
    pub(super) names: HashSet<String>,
    /// Whether the field that is read sees `$states.result`.
    pub(super) sees_result: bool,
    /// Whether it sees `$states.errorOutput`.
    pub(super) sees_error: bool,
}

impl Reader {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            language: QueryLanguage::JsonPath,
            found: Vec::new(),
            names: HashSet::new(),
            sees_result: false,
            sees_error: false,
        }
    }

    pub(super) fn tell(&mut self, code: Code, message: impl Into<String>, location: Option<&str>) {
        let location = location.map(|at| if at.is_empty() { "/".to_owned() } else { at.to_owned() });
        self.found.push(Diagnostic { code, message: message.into(), location });
    }

    pub(super) fn schema(&mut self, message: impl Into<String>, at: &str) {
        self.tell(Code::SchemaValidationFailed, message, Some(at));
    }

    /// Whether an object of states has a name twice. Other objects may: the last one counts.
    pub(super) fn repeated(&mut self, place: &[String]) {
        let mut rest = place;
        while let [states, name, after @ ..] = rest {
            if states != "States" {
                return;
            }
            rest = match after {
                [] => {
                    let at: String = place.iter().map(|name| format!("/{name}")).collect();
                    return self.tell(Code::DuplicateStateName, format!("Duplicate State name: {name}"), Some(&at));
                }
                [inner, rest @ ..] if inner == "ItemProcessor" || inner == "Iterator" => rest,
                [inner, _, rest @ ..] if inner == "Branches" => rest,
                _ => return,
            };
        }
    }
}

/// The fields of an object, and where it is.
pub(super) struct Fields<'a> {
    pub(super) map: &'a Map<String, Value>,
    pub(super) at: String,
}

/// The kind of a value, as messages call it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(_) => "NUMBER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    }
}

fn expected(reader: &mut Reader, kind: &str, at: &str) {
    reader.schema(format!("Expected value of type [{kind}]"), at);
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value, at: &str, reader: &mut Reader) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { map, at: at.to_owned() }),
            _ => {
                expected(reader, "OBJECT", at);
                None
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }

    /// Tells of the fields that are not there.
    pub(super) fn require(&self, names: &[&str], reader: &mut Reader) -> bool {
        let missing: Vec<&str> = names.iter().copied().filter(|name| !self.has(name)).collect();
        if !missing.is_empty() {
            reader.schema(format!("These fields are required: [{}]", missing.join(", ")), &self.at);
        }
        missing.is_empty()
    }

    /// Tells of the fields that may not be there.
    pub(super) fn allow(&self, names: &[&str], reader: &mut Reader) {
        for name in self.map.keys().filter(|name| !names.contains(&name.as_str())) {
            reader.schema(format!("Field '{name}' is not supported"), &self.at);
        }
    }

    /// Tells if more than one of them is there.
    pub(super) fn one_at_most(&self, names: &[&str], reader: &mut Reader) {
        if names.iter().filter(|name| self.has(name)).count() > 1 {
            reader.schema(format!("Only one of these fields is supported: [{}]", names.join(", ")), &self.at);
        }
    }

    /// Tells if none of them, or more than one, is there.
    pub(super) fn exactly_one(&self, names: &[&str], reader: &mut Reader) {
        if names.iter().filter(|name| self.has(name)).count() != 1 {
            reader.schema(format!("Exactly one of these fields is required: [{}]", names.join(", ")), &self.at);
        }
    }

    pub(super) fn text(&self, name: &str, reader: &mut Reader) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                expected(reader, "STRING", &self.at(name));
                None
            }
        }
    }

    pub(super) fn boolean(&self, name: &str, reader: &mut Reader) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(value) => Some(*value),
            _ => {
                expected(reader, "BOOLEAN", &self.at(name));
                None
            }
        }
    }

    pub(super) fn integer(&self, name: &str, least: u64, most: u64, reader: &mut Reader) -> Option<u64> {
        integer(self.get(name)?, &self.at(name), least, most, reader)
    }

    pub(super) fn number(&self, name: &str, least: f64, most: f64, reader: &mut Reader) -> Option<f64> {
        number(self.get(name)?, &self.at(name), least, most, reader)
    }

    pub(super) fn object(&self, name: &str, reader: &mut Reader) -> Option<Self> {
        Fields::of(self.get(name)?, &self.at(name), reader)
    }

    /// An array that is not empty.
    pub(super) fn array(&self, name: &str, reader: &mut Reader) -> Option<&'a [Value]> {
        match self.get(name)? {
            Value::Array(items) if items.is_empty() => {
                reader.schema("Value cannot be empty", &self.at(name));
                None
            }
            Value::Array(items) => Some(items),
            _ => {
                expected(reader, "ARRAY", &self.at(name));
                None
            }
        }
    }

    /// One of these words, as what they stand for.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], reader: &mut Reader) -> Option<T> {
        let text = self.text(name, reader)?;
        let known = words.iter().find(|(word, _)| *word == text);
        if known.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("Value should be one of the following: [{}]", all.join(", "));
            reader.schema(message, &self.at(name));
        }
        known.map(|(_, value)| *value)
    }
}

pub(super) fn integer(value: &Value, at: &str, least: u64, most: u64, reader: &mut Reader) -> Option<u64> {
    let whole = value.as_u64().or_else(|| {
        // 3.0 is whole too.
        let number = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..9e15).contains(n))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in range")]
        Some(number as u64)
    });
    match (whole, value) {
        (Some(whole), _) if (least..=most).contains(&whole) => Some(whole),
        (_, Value::Number(number)) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
            let small = number.as_f64().is_some_and(|n| n <= 0.0) || number.as_u64().is_some_and(|n| n < least);
            let message = if small { format!("Minimum value is {least}") } else { format!("Maximum value is {most}") };
            reader.schema(message, at);
            None
        }
        _ => {
            expected(reader, "INTEGER", at);
            None
        }
    }
}

pub(super) fn number(value: &Value, at: &str, least: f64, most: f64, reader: &mut Reader) -> Option<f64> {
    match value.as_f64() {
        Some(number) if (least..=most).contains(&number) => Some(number),
        Some(number) => {
            let small = number < least;
            let message = if small { format!("Minimum value is {least}") } else { format!("Maximum value is {most}") };
            reader.schema(message, at);
            None
        }
        None => {
            expected(reader, "NUMBER", at);
            None
        }
    }
}
