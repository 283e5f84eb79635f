//! Operators. What is unknown makes unknown.

use std::cmp::Ordering;

use crate::error::{Code, Result};
use crate::sql::Binary;
use crate::types::{Decimal, Value, number};

/// Null for what is not known.
pub(super) fn known(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Bool)
}

/// Whether a condition holds. `None`: nobody knows.
pub(crate) fn truth(value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Bool(value) => Ok(Some(*value)),
        Value::Missing | Value::Null => Ok(None),
        _ => Err(Code::InvalidDataType.into()),
    }
}

/// What two operands make when one of them is unknown.
fn unknown(a: &Value, b: &Value) -> Option<Value> {
    if matches!(a, Value::Missing) || matches!(b, Value::Missing) {
        return Some(Value::Missing);
    }
    (a.is_unknown() || b.is_unknown()).then_some(Value::Null)
}

pub(super) fn binary(operator: Binary, a: &Value, b: &Value) -> Result<Value> {
    if let Some(unknown) = unknown(a, b) {
        return Ok(unknown);
    }
    let ordered = |holds: fn(Ordering) -> bool| Ok(known(a.compare(b).map(holds)));
    match operator {
        Binary::Equal => Ok(Value::Bool(a.equals(b))),
        Binary::Unequal => Ok(Value::Bool(!a.equals(b))),
        Binary::Less => ordered(Ordering::is_lt),
        Binary::LessOrEqual => ordered(Ordering::is_le),
        Binary::Greater => ordered(Ordering::is_gt),
        Binary::GreaterOrEqual => ordered(Ordering::is_ge),
        Binary::Concatenate => match (a.text(), b.text()) {
            (Some(a), Some(b)) => Ok(Value::String(format!("{a}{b}"))),
            _ => Err(Code::IncorrectSqlFunctionArgumentType.into()),
        },
        Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
            arithmetic(operator, &operand(a)?, &operand(b)?)
        }
    }
}

/// A number, or the number that a column's text is.
pub(super) fn operand(value: &Value) -> Result<Value> {
    match value {
        value if value.is_number() => Ok(value.clone()),
        Value::Text(text) => number(text).ok_or_else(|| Code::InvalidDataType.into()),
        _ => Err(Code::IncorrectSqlFunctionArgumentType.into()),
    }
}

/// Of whole numbers whole, of floats float, else base-10.
pub(super) fn arithmetic(operator: Binary, a: &Value, b: &Value) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        return whole(operator, *a, *b);
    }
    if matches!(a, Value::Float(_)) || matches!(b, Value::Float(_)) {
        let (Some(a), Some(b)) = (a.float(), b.float()) else { return Err(Code::InvalidDataType.into()) };
        return floating(operator, a, b);
    }
    let (Some(a), Some(b)) = (a.decimal(), b.decimal()) else { return Err(Code::InvalidDataType.into()) };
    let of: fn(Decimal, Decimal) -> Result<Decimal> = match operator {
        Binary::Add => Decimal::add,
        Binary::Subtract => Decimal::subtract,
        Binary::Multiply => Decimal::multiply,
        Binary::Divide => Decimal::divide,
        _ => Decimal::remainder,
    };
    Ok(Value::Decimal(of(a, b)?))
}

fn whole(operator: Binary, a: i64, b: i64) -> Result<Value> {
    if b == 0 && matches!(operator, Binary::Divide | Binary::Remainder) {
        return Err(Code::ExternalEvalException.into());
    }
    let result = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.map(Value::Int).ok_or_else(|| Code::IntegerOverflow.into())
}

fn floating(operator: Binary, a: f64, b: f64) -> Result<Value> {
    let result = match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide => a / b,
        _ => a % b,
    };
    // JSON has no words for what is not finite.
    if result.is_finite() { Ok(Value::Float(result)) } else { Err(Code::ExternalEvalException.into()) }
}

pub(super) fn negate(value: &Value) -> Result<Value> {
    if value.is_unknown() {
        return Ok(value.clone());
    }
    match operand(value)? {
        Value::Int(int) => int.checked_neg().map(Value::Int).ok_or_else(|| Code::IntegerOverflow.into()),
        Value::Float(float) => Ok(Value::Float(-float)),
        Value::Decimal(decimal) => Ok(Value::Decimal(decimal.negated())),
        _ => Err(Code::InvalidDataType.into()),
    }
}

pub(super) fn between(value: &Value, from: &Value, to: &Value) -> Result<Value> {
    let low = truth(&binary(Binary::GreaterOrEqual, value, from)?)?;
    let high = truth(&binary(Binary::LessOrEqual, value, to)?)?;
    Ok(match (low, high) {
        (Some(false), _) | (_, Some(false)) => Value::Bool(false),
        (Some(true), Some(true)) => Value::Bool(true),
        _ => Value::Null,
    })
}

pub(super) fn is_in(value: &Value, list: impl Iterator<Item = Result<Value>>) -> Result<Value> {
    if value.is_unknown() {
        return Ok(value.clone());
    }
    let mut sure = true;
    for item in list {
        let item = item?;
        if item.is_unknown() {
            sure = false;
        } else if value.equals(&item) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(known(sure.then_some(false)))
}
