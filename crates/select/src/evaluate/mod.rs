//! Expressions to values, record by record.

mod aggregate;
pub(crate) mod cast;
mod functions;
mod like;
mod operators;

use crate::error::{Code, Result};
use crate::sql::{Expression, Step, Unknown};
use crate::types::Value;

pub(crate) use aggregate::Accumulator;
pub(crate) use operators::truth;

/// A record as expressions see it.
pub(crate) trait Record {
    /// A column of a CSV file, by its number.
    fn column(&self, number: usize) -> Value;
    /// The whole of it.
    fn whole(&self) -> std::borrow::Cow<'_, Value>;
}

/// What expressions are evaluated with.
pub(crate) struct Scope<'a> {
    pub(crate) record: &'a dyn Record,
    /// What the aggregates have come to.
    pub(crate) aggregates: &'a [Value],
    /// When the query was made.
    pub(crate) now: jiff::Timestamp,
}

/// What stands under a path. Names without quotes must match one attribute at most.
pub(crate) fn follow<'a>(value: &'a Value, steps: &[Step]) -> Result<&'a Value> {
    let mut at = value;
    for step in steps {
        at = match (step, at) {
            (Step::Key(name), Value::Struct(members)) => {
                let mut found = members.iter().filter(|(key, _)| name.matches(key));
                match (found.next(), found.next()) {
                    (Some(_), Some(_)) if !name.exact => return Err(Code::AmbiguousFieldName.into()),
                    (Some((_, value)), _) => value,
                    (None, _) => &Value::Missing,
                }
            }
            (Step::Index(index), Value::List(items)) => items.get(*index).unwrap_or(&Value::Missing),
            _ => &Value::Missing,
        };
    }
    Ok(at)
}

/// What an expression is worth for a record.
pub(crate) fn evaluate(expression: &Expression, scope: &Scope<'_>) -> Result<Value> {
    let of = |e: &Expression| evaluate(e, scope);
    match expression {
        Expression::Literal(value) => Ok(value.clone()),
        Expression::Column(number) => Ok(scope.record.column(*number)),
        Expression::Record(steps) => Ok(follow(&scope.record.whole(), steps)?.clone()),
        // Every path is bound before the first record is read.
        Expression::Path(_) => Err(Code::EvaluatorBindingDoesNotExist.into()),
        Expression::Aggregate(number) => Ok(scope.aggregates.get(*number).cloned().unwrap_or(Value::Missing)),
        Expression::List(items) => Ok(Value::List(items.iter().map(of).collect::<Result<_>>()?)),
        Expression::Negate(inner) => operators::negate(&of(inner)?),
        Expression::Not(inner) => Ok(operators::known(truth(&of(inner)?)?.map(|b| !b))),
        Expression::And(all) => connect(all, false, scope),
        Expression::Or(all) => connect(all, true, scope),
        Expression::Binary(operator, operands) => operators::binary(*operator, &of(&operands[0])?, &of(&operands[1])?),
        Expression::Between(three) => operators::between(&of(&three[0])?, &of(&three[1])?, &of(&three[2])?),
        Expression::In(value, list) => {
            let value = of(value)?;
            operators::is_in(&value, list.iter().map(of))
        }
        Expression::InList(two) => {
            let value = of(&two[0])?;
            match of(&two[1])? {
                Value::List(items) => operators::is_in(&value, items.into_iter().map(Ok)),
                list if list.is_unknown() => Ok(list),
                _ => Err(Code::InvalidDataType.into()),
            }
        }
        Expression::Like(two, escape) => {
            let escape = escape.as_deref().map(of).transpose()?;
            like::like(&of(&two[0])?, &of(&two[1])?, escape.as_ref())
        }
        Expression::Is(inner, what) => Ok(Value::Bool(is(&of(inner)?, *what))),
        Expression::Case { of: value, when, otherwise } => case(value.as_deref(), when, otherwise.as_deref(), scope),
        Expression::Cast(inner, to) => cast::cast(&of(inner)?, *to),
        Expression::Call(function, arguments) => functions::call(*function, arguments, scope),
    }
}

/// AND (`decisive` false) and OR (`decisive` true): what decides ends it.
fn connect(all: &[Expression], decisive: bool, scope: &Scope<'_>) -> Result<Value> {
    let mut known = true;
    for expression in all {
        match truth(&evaluate(expression, scope)?)? {
            Some(value) if value == decisive => return Ok(Value::Bool(decisive)),
            Some(_) => {}
            None => known = false,
        }
    }
    Ok(if known { Value::Bool(!decisive) } else { Value::Null })
}

/// What is missing is null as well.
fn is(value: &Value, what: Unknown) -> bool {
    match what {
        Unknown::Null => value.is_unknown(),
        Unknown::Missing => matches!(value, Value::Missing),
        Unknown::True => matches!(value, Value::Bool(true)),
        Unknown::False => matches!(value, Value::Bool(false)),
    }
}

fn case(
    of: Option<&Expression>,
    when: &[[Expression; 2]],
    otherwise: Option<&Expression>,
    scope: &Scope<'_>,
) -> Result<Value> {
    let of = of.map(|e| evaluate(e, scope)).transpose()?;
    for [condition, result] in when {
        let condition = evaluate(condition, scope)?;
        let holds = match &of {
            Some(value) => !value.is_unknown() && !condition.is_unknown() && value.equals(&condition),
            None => truth(&condition)? == Some(true),
        };
        if holds {
            return evaluate(result, scope);
        }
    }
    otherwise.map_or(Ok(Value::Null), |e| evaluate(e, scope))
}
