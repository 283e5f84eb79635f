//! Between JSON and the evaluator's values.
//!
//! The evaluator's numbers are those of JavaScript. A whole number that they cannot hold exactly is remembered when it goes
//! in, so that one that comes out as it went in is the same.

use std::collections::HashMap;

use indexmap::IndexMap;
use jsonata_core::value::JValue;
use serde_json::{Number, Value};

use super::guard;
use crate::scope::View;

/// Whole numbers below this one are exact.
const EXACT: u64 = 1 << 53;

/// How deep a value may be: as deep as JSON that is read.
const DEEPEST: usize = 127;

/// What an expression sees.
pub(crate) struct Bindings {
    pub(super) named: Vec<(String, JValue)>,
    pub(super) exact: Exact,
}

/// The whole numbers that went in and are not exact, by what became of them. Two of them that became one are none.
#[derive(Default)]
pub(super) struct Exact(HashMap<u64, Option<Number>>);

impl Bindings {
    pub(crate) fn of(view: &View) -> Self {
        let mut exact = Exact::default();
        let mut states = vec![("input", view.scope.input), ("context", view.scope.context)];
        states.extend(view.result.map(|result| ("result", result)));
        states.extend(view.error.map(|error| ("errorOutput", error)));
        let states: IndexMap<String, JValue> =
            states.into_iter().map(|(name, value)| (name.to_owned(), exact.take(value))).collect();
        let mut named = vec![("states".to_owned(), JValue::object(states))];
        named.extend(view.scope.variables.iter().map(|(name, value)| (name.clone(), exact.take(value))));
        Self { named, exact }
    }
}

impl Exact {
    pub(super) fn take(&mut self, value: &Value) -> JValue {
        match value {
            Value::Null => JValue::Null,
            Value::Bool(value) => JValue::Bool(*value),
            Value::Number(number) => JValue::Number(self.number(number)),
            Value::String(text) => JValue::string(text.as_str()),
            Value::Array(items) => JValue::array(items.iter().map(|item| self.take(item)).collect()),
            Value::Object(fields) => {
                JValue::object(fields.iter().map(|(name, value)| (name.clone(), self.take(value))).collect())
            }
        }
    }

    fn number(&mut self, number: &Number) -> f64 {
        let float = number.as_f64().unwrap_or(f64::NAN);
        let large = number.as_i64().map(i64::unsigned_abs).or(number.as_u64()).is_some_and(|n| n >= EXACT);
        if large {
            let known = self.0.entry(float.to_bits()).or_insert_with(|| Some(number.clone()));
            if known.as_ref() != Some(number) {
                *known = None;
            }
        }
        float
    }

    /// The JSON of a value; nothing of what is undefined. A function is none.
    pub(super) fn give(&self, value: &JValue) -> Result<Option<Value>, NotJson> {
        self.give_within(value, &mut (guard::MOST_BYTES + 8), 0)
    }

    fn give_within(&self, value: &JValue, left: &mut usize, depth: usize) -> Result<Option<Value>, NotJson> {
        let bytes = value.as_str().map_or(8, str::len);
        if depth > DEEPEST || bytes > *left {
            return Err(NotJson::TooLarge);
        }
        *left -= bytes;
        Ok(Some(match value {
            JValue::Undefined => return Ok(None),
            JValue::Null => Value::Null,
            JValue::Bool(value) => Value::Bool(*value),
            JValue::Number(number) => self.json_number(*number)?,
            JValue::String(text) => Value::String(text.to_string()),
            JValue::Array(items) => {
                let mut array = Vec::with_capacity(items.len());
                for item in items {
                    array.extend(self.give_within(item, left, depth + 1)?);
                }
                Value::Array(array)
            }
            JValue::Object(fields) => {
                let mut object = serde_json::Map::new();
                for (name, value) in fields.iter() {
                    if let Some(value) = self.give_within(value, left, depth + 1)? {
                        object.insert(name.clone(), value);
                    }
                }
                Value::Object(object)
            }
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => return Err(NotJson::Function),
        }))
    }

    fn json_number(&self, number: f64) -> Result<Value, NotJson> {
        if let Some(known) = self.0.get(&number.to_bits()) {
            return known.clone().map(Value::Number).ok_or(NotJson::Inexact);
        }
        // JSON has no such numbers, and the service writes the names that JavaScript has for them.
        if number.is_nan() {
            return Ok("NaN".into());
        }
        if number.is_infinite() {
            return Ok(if number > 0.0 { "Infinity" } else { "-Infinity" }.into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and in range")]
        if number.fract() == 0.0 && number.abs() <= EXACT as f64 {
            return Ok(Value::from(number as i64));
        }
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }
}

/// What has no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotJson {
    Function,
    /// Larger or deeper than a value may be.
    TooLarge,
    /// One of several whole numbers that JavaScript cannot tell apart.
    Inexact,
}
