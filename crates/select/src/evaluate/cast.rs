//! `CAST`.

use std::borrow::Cow;

use crate::error::{Code, Result};
use crate::sql::Type;
use crate::types::{Decimal, Timestamp, Value, boolean, number};

pub(super) fn cast(value: &Value, to: Type) -> Result<Value> {
    if value.is_unknown() {
        return Ok(value.clone());
    }
    let made = match to {
        Type::Bool => to_bool(value)?,
        Type::Int => return to_int(value),
        Type::String => as_string(value).map(|text| Value::String(text.into_owned())),
        Type::Float => numeric(value)?.float().filter(|f| f.is_finite()).map(Value::Float),
        Type::Decimal => numeric(value)?.decimal().map(Value::Decimal),
        Type::Timestamp => match value {
            Value::Timestamp(_) => Some(value.clone()),
            _ => value.text().and_then(|text| Timestamp::parse(text.trim())).map(Value::Timestamp),
        },
    };
    made.ok_or_else(|| Code::CastFailed.into())
}

fn to_bool(value: &Value) -> Result<Option<Value>> {
    let made = match value {
        Value::Bool(value) => Some(*value),
        value if value.is_number() => value.decimal().map(|d| !d.is_zero()),
        _ => value.text().and_then(boolean),
    };
    Ok(made.map(Value::Bool))
}

/// Fractions are cut off numbers. In texts they are none of a whole number's.
fn to_int(value: &Value) -> Result<Value> {
    let whole = |d: Decimal| d.truncated().map(Value::Int).ok_or_else(|| Code::NumberFormatError.into());
    match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Bool(value) => Ok(Value::Int((*value).into())),
        Value::Float(_) | Value::Decimal(_) => value.decimal().map_or_else(|| Err(Code::CastFailed.into()), whole),
        _ => match value.text().map(str::trim) {
            Some(text) => match (number(text), Decimal::parse(text)) {
                (Some(Value::Int(int)), _) => Ok(Value::Int(int)),
                (_, Some(_)) if !text.contains(['.', 'e', 'E']) => Err(Code::NumberFormatError.into()),
                _ => Err(Code::CastFailed.into()),
            },
            None => Err(Code::CastFailed.into()),
        },
    }
}

fn numeric(value: &Value) -> Result<Value> {
    match value {
        Value::Bool(value) => Ok(Value::Int((*value).into())),
        value if value.is_number() => Ok(value.clone()),
        _ => value.text().and_then(number).ok_or_else(|| Code::CastFailed.into()),
    }
}

/// A scalar in words. `None`: it has none.
pub(crate) fn as_string(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::String(text) | Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(value) => value.to_string().into(),
        Value::Int(value) => value.to_string().into(),
        Value::Float(value) => format!("{value:?}").into(),
        Value::Decimal(value) => value.to_string().into(),
        Value::Timestamp(value) => value.to_string().into(),
        Value::Missing | Value::Null | Value::List(_) | Value::Struct(_) => return None,
    })
}
