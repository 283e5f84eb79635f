//! What an expression is worth.

use std::cmp::Ordering;

use super::{Decimal, Timestamp};

/// A value. JSON has all but moments and texts, CSV has texts only.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// There is nothing under that name.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(Decimal),
    String(String),
    /// A column of a CSV file. It is a string that is taken for what it is compared with.
    Text(String),
    Timestamp(Timestamp),
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// A number of a text, as `CAST` takes it.
pub(crate) fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(int) = text.parse::<i64>() {
        return Some(Value::Int(int));
    }
    Decimal::parse(text)?.ok().map(Value::Decimal)
}

/// True or false of a text.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

impl Value {
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Float(_) | Self::Decimal(_))
    }

    /// The characters of a string, wherever it is from.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn decimal(&self) -> Option<Decimal> {
        match self {
            Self::Int(value) => Some((*value).into()),
            Self::Decimal(value) => Some(*value),
            Self::Float(value) => Decimal::from_f64(*value).ok(),
            _ => None,
        }
    }

    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a float is what is asked for")]
            Self::Int(value) => Some(*value as f64),
            Self::Decimal(value) => Some(value.to_f64()),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A column of a CSV file as what it is compared with. `None`: it cannot be that.
    fn taken_for(text: &str, other: &Self) -> Option<Self> {
        match other {
            Self::Int(_) | Self::Float(_) | Self::Decimal(_) => number(text),
            Self::Bool(_) => boolean(text).map(Self::Bool),
            Self::Timestamp(_) => Timestamp::parse(text.trim()).map(Self::Timestamp),
            _ => None,
        }
    }

    /// Which of two values comes first. `None`: they are not of a kind, or one of them is unknown.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.compare(b)),
            (a, b) if a.is_number() && b.is_number() => match (a.decimal(), b.decimal()) {
                (Some(a), Some(b)) => Some(a.compare(b)),
                // Infinite, or no number at all.
                _ => a.float()?.partial_cmp(&b.float()?),
            },
            (Self::Text(text), b) if b.text().is_none() => Self::taken_for(text, b)?.compare(b),
            (a, Self::Text(text)) if a.text().is_none() => a.compare(&Self::taken_for(text, a)?),
            (a, b) => Some(a.text()?.cmp(b.text()?)),
        }
    }

    /// Whether two known values are the same.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Missing, Self::Missing) => true,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            (Self::Struct(a), Self::Struct(b)) => {
                let found = |name: &str| b.iter().find(|(n, _)| n == name).map(|(_, v)| v);
                a.len() == b.len() && a.iter().all(|(name, a)| found(name).is_some_and(|b| a.equals(b)))
            }
            (a, b) => a.compare(b) == Some(Ordering::Equal),
        }
    }
}
