//! Whether the condition of a rule holds.

use std::cmp::Ordering;

use serde_json::Value;

use crate::failure::Failure;
use crate::jsonata;
use crate::moment;
use crate::path::Path;
use crate::scope::View;
use crate::tree::{Comparison, Condition, Operand, Order};

pub(crate) fn holds(condition: &Condition, view: &View) -> Result<bool, Failure> {
    match condition {
        Condition::And(all) => {
            for inner in all {
                if !holds(inner, view)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Or(any) => {
            for inner in any {
                if holds(inner, view)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::Not(inner) => holds(inner, view).map(|holds| !holds),
        Condition::Always(value) => Ok(*value),
        Condition::Expression(expression) => match view.evaluate(expression)? {
            Value::Bool(value) => Ok(value),
            other => Err(jsonata::unexpected(expression, "boolean", &other)),
        },
        Condition::Test(path, comparison) => test(path, comparison, view),
    }
}

fn test(path: &Path, comparison: &Comparison, view: &View) -> Result<bool, Failure> {
    let found = path.find(&view.roots()).into_value();
    if let Comparison::IsPresent(wanted) = comparison {
        return Ok(found.is_ok() == *wanted);
    }
    let value = found.map_err(|_| absent(path))?;
    Ok(match comparison {
        Comparison::IsPresent(wanted) => *wanted,
        Comparison::IsNull(wanted) => value.is_null() == *wanted,
        Comparison::IsNumeric(wanted) => value.is_number() == *wanted,
        Comparison::IsString(wanted) => value.is_string() == *wanted,
        Comparison::IsBoolean(wanted) => value.is_boolean() == *wanted,
        Comparison::IsTimestamp(wanted) => value.as_str().and_then(moment::read).is_some() == *wanted,
        Comparison::StringMatches(pattern) => value.as_str().is_some_and(|text| matches(text, pattern)),
        Comparison::String(order, operand) => {
            let read = |value: &Value| value.as_str().map(str::to_owned);
            compare(*order, read(&value), operand, view, read, |a, b| Some(a.encode_utf16().cmp(b.encode_utf16())))?
        }
        Comparison::Numeric(order, operand) => {
            compare(*order, value.as_f64(), operand, view, Value::as_f64, f64::partial_cmp)?
        }
        Comparison::Timestamp(order, operand) => {
            let read = |value: &Value| value.as_str().and_then(moment::read);
            compare(*order, read(&value), operand, view, read, |a, b| Some(a.cmp(b)))?
        }
        Comparison::Boolean(operand) => {
            compare(Order::Equals, value.as_bool(), operand, view, Value::as_bool, |a, b| Some(a.cmp(b)))?
        }
    })
}

fn absent(path: &Path) -> Failure {
    Failure::runtime(format!("Invalid path '{path}': The choice state's condition path references an invalid value."))
}

/// Whether two values of one kind compare so. Values of other kinds do not.
fn compare<T: Clone>(
    order: Order,
    left: Option<T>,
    operand: &Operand<T>,
    view: &View,
    read: impl Fn(&Value) -> Option<T>,
    compare: impl Fn(&T, &T) -> Option<Ordering>,
) -> Result<bool, Failure> {
    let right = match operand {
        Operand::Value(value) => Some(value.clone()),
        Operand::Path(path) => read(&path.find(&view.roots()).into_value().map_err(|_| absent(path))?),
    };
    let (Some(left), Some(right)) = (left, right) else { return Ok(false) };
    let Some(found) = compare(&left, &right) else { return Ok(false) };
    Ok(match order {
        Order::Equals => found == Ordering::Equal,
        Order::LessThan => found == Ordering::Less,
        Order::GreaterThan => found == Ordering::Greater,
        Order::LessThanEquals => found != Ordering::Greater,
        Order::GreaterThanEquals => found != Ordering::Less,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Any,
    One(char),
}

/// `StringMatches`: a star is anything, `\*` a star and `\\` a backslash.
fn matches(text: &str, pattern: &str) -> bool {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Any,
            '\\' => Part::One(chars.next().unwrap_or('\\')),
            c => Part::One(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Where the last star stood, and how much of the text it has: each text is passed over at most once a star.
    let (mut at, mut part, mut star) = (0, 0, None);
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                star = Some((part, at));
                part += 1;
            }
            Some(Part::One(c)) if *c == text[at] => {
                at += 1;
                part += 1;
            }
            _ => {
                let Some((stood, had)) = star else { return false };
                star = Some((stood, had + 1));
                (part, at) = (stood + 1, had + 1);
            }
        }
    }
    parts[part..].iter().all(|part| *part == Part::Any)
}
