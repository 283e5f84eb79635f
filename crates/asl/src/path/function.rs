//! The functions with which a path may end.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::find::{Found, Missing};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Min,
    Max,
    Average,
    Sum,
    Deviation,
    Keys,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "length" | "size" => Self::Length,
            "min" => Self::Min,
            "max" => Self::Max,
            "avg" => Self::Average,
            "sum" => Self::Sum,
            "stddev" => Self::Deviation,
            "keys" => Self::Keys,
            _ => return None,
        })
    }

    pub(super) fn apply(self, found: Found<'_>) -> Found<'_> {
        let value = match found {
            Found::Nothing(missing) => return Found::Nothing(missing),
            Found::One(value) => value,
            Found::Many(values) => Cow::Owned(Value::Array(values.into_iter().cloned().collect())),
        };
        match self.of(&value) {
            Some(value) => Found::One(Cow::Owned(value)),
            None => Found::Nothing(Missing::Leaf),
        }
    }

    fn of(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Length, Value::Array(items)) => Some(items.len().into()),
            (Self::Length, Value::Object(fields)) => Some(fields.len().into()),
            (Self::Keys, Value::Object(fields)) => Some(fields.keys().map(String::as_str).collect()),
            (Self::Length | Self::Keys, _) => None,
            (function, Value::Array(items)) => {
                let numbers: Vec<f64> = items.iter().filter_map(Value::as_f64).collect();
                function.of_numbers(&numbers).and_then(Number::from_f64).map(Value::Number)
            }
            _ => None,
        }
    }

    /// Of no numbers there is nothing to reckon.
    fn of_numbers(self, numbers: &[f64]) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a document has fewer numbers than that")]
        let count = numbers.len() as f64;
        let sum: f64 = numbers.iter().sum();
        if numbers.is_empty() {
            return None;
        }
        Some(match self {
            Self::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Average => sum / count,
            Self::Sum => sum,
            Self::Deviation => {
                let squares: f64 = numbers.iter().map(|n| n * n).sum();
                (squares / count - (sum / count).powi(2)).max(0.0).sqrt()
            }
            Self::Length | Self::Keys => return None,
        })
    }
}
