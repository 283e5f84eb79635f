//! Functions of one record.

use crate::error::{Code, Error, Result};
use crate::sql::{Expression, Function, Trim};
use crate::types::{Part, Timestamp, Value, format};

use super::{Scope, evaluate};

pub(super) fn call(function: Function, arguments: &[Expression], scope: &Scope<'_>) -> Result<Value> {
    match function {
        Function::Coalesce => return coalesce(arguments, scope),
        Function::UtcNow => return Ok(Value::Timestamp(Timestamp::of_instant(scope.now))),
        _ => {}
    }
    let values = arguments.iter().map(|a| evaluate(a, scope)).collect::<Result<Vec<_>>>()?;
    if function == Function::NullIf {
        return Ok(null_if(&values));
    }
    if let Some(unknown) = values.iter().find(|v| v.is_unknown()) {
        return Ok(unknown.clone());
    }
    of_known(function, &values)
}

fn coalesce(arguments: &[Expression], scope: &Scope<'_>) -> Result<Value> {
    for argument in arguments {
        let value = evaluate(argument, scope)?;
        if !value.is_unknown() {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

fn null_if(values: &[Value]) -> Value {
    match values {
        [a, _] if a.is_unknown() => Value::Null,
        [a, b] if a.equals(b) => Value::Null,
        [a, ..] => a.clone(),
        [] => Value::Null,
    }
}

fn wrong_type() -> Error {
    Code::IncorrectSqlFunctionArgumentType.into()
}

/// The arguments of a function, by their place.
struct Arguments<'a>(&'a [Value]);

impl Arguments<'_> {
    fn get(&self, number: usize) -> &Value {
        self.0.get(number).unwrap_or(&Value::Missing)
    }

    fn text(&self, number: usize) -> Result<&str> {
        self.get(number).text().ok_or_else(wrong_type)
    }

    fn moment(&self, number: usize) -> Result<&Timestamp> {
        match self.get(number) {
            Value::Timestamp(moment) => Ok(moment),
            _ => Err(wrong_type()),
        }
    }

    fn int(&self, number: usize) -> Result<i64> {
        match super::operators::operand(self.get(number)) {
            Ok(Value::Int(int)) => Ok(int),
            _ => Err(wrong_type()),
        }
    }
}

fn of_known(function: Function, values: &[Value]) -> Result<Value> {
    let arguments = Arguments(values);
    Ok(match function {
        Function::CharLength => Value::Int(i64::try_from(arguments.text(0)?.chars().count()).unwrap_or(i64::MAX)),
        Function::Lower => Value::String(arguments.text(0)?.to_lowercase()),
        Function::Upper => Value::String(arguments.text(0)?.to_uppercase()),
        Function::Substring => {
            let length = if values.len() > 2 { Some(arguments.int(2)?) } else { None };
            Value::String(substring(arguments.text(0)?, arguments.int(1)?, length)?)
        }
        Function::Trim(end) => Value::String(trim(arguments.text(0)?, arguments.text(1)?, end).to_owned()),
        Function::DateAdd(part) => Value::Timestamp(arguments.moment(1)?.add(part, arguments.int(0)?)?),
        Function::DateDiff(part) => Value::Int(difference(part, &arguments)?),
        Function::Extract(part) => Value::Int(arguments.moment(0)?.extract(part)),
        Function::ToString => Value::String(format(arguments.moment(0)?, arguments.text(1)?)?),
        Function::ToTimestamp => {
            let moment = Timestamp::parse(arguments.text(0)?);
            Value::Timestamp(moment.ok_or_else(|| Error::from(Code::ValueParseFailure))?)
        }
        // They take what is unknown, or nothing.
        Function::Coalesce | Function::NullIf | Function::UtcNow => Value::Null,
    })
}

fn difference(part: Part, arguments: &Arguments<'_>) -> Result<i64> {
    arguments.moment(0)?.until(part, arguments.moment(1)?)
}

/// Characters are counted from 1; what lies before the first one counts as length, but is not there.
fn substring(text: &str, start: i64, length: Option<i64>) -> Result<String> {
    let skipped = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let rest = text.chars().skip(skipped);
    match length {
        None => Ok(rest.collect()),
        Some(length) if length < 0 => Err(Code::EvaluatorInvalidArguments.into()),
        Some(length) => {
            let end = start.saturating_add(length);
            let count = usize::try_from(end.saturating_sub(start.max(1))).unwrap_or(0);
            Ok(rest.take(count).collect())
        }
    }
}

fn trim<'a>(text: &'a str, characters: &str, end: Trim) -> &'a str {
    let remove = |c: char| characters.contains(c);
    match end {
        Trim::Leading => text.trim_start_matches(remove),
        Trim::Trailing => text.trim_end_matches(remove),
        Trim::Both => text.trim_matches(remove),
    }
}
