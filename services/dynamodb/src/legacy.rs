//! The parameters from before there were expressions: `Expected`, `QueryFilter`, `ScanFilter`, `KeyConditions`,
//! `AttributeUpdates` and `AttributesToGet`. They become the same typed trees that expressions become.

use crate::api::form::Written;
use crate::api::input::{AttributeValueUpdate, Condition as Given, ExpectedAttributeValue};
use crate::error::{Error, Result};
use crate::expression::Path;
use crate::expression::condition::{Condition, Constant, Operand};
use crate::expression::key_condition::{KeyCondition, Test};
use crate::expression::projection::Projection;
use crate::expression::syntax::Comparator;
use crate::expression::update::{self, Action, Change, SetValue, Update};
use crate::key::KeyValue;
use crate::value::{AttributeValue, Type};
use std::collections::BTreeMap;

/// The condition of a write.
///
/// # Errors
/// What AWS says of one that makes no sense.
pub(crate) fn expected(
    given: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<&str>,
) -> Result<Option<Condition>> {
    let Some(given) = given else { return without_conditions(operator) };
    let conditions = given.into_iter().map(|(name, expected)| expectation(&name, expected));
    combined(conditions.collect::<Result<_>>()?, operator)
}

/// The filter of a read.
///
/// # Errors
/// What AWS says of one that makes no sense.
pub(crate) fn filter(given: Option<BTreeMap<String, Given>>, operator: Option<&str>) -> Result<Option<Condition>> {
    let Some(given) = given else { return without_conditions(operator) };
    let conditions = given.into_iter().map(|(name, given)| {
        let values = values(given.attribute_value_list)?;
        comparison(&name, &given.comparison_operator, &values)
    });
    combined(conditions.collect::<Result<_>>()?, operator)
}

fn without_conditions(operator: Option<&str>) -> Result<Option<Condition>> {
    match operator {
        Some(_) => Err(Error::invalid("ConditionalOperator cannot be used without Filter or Expected")),
        None => Ok(None),
    }
}

fn combined(mut conditions: Vec<Condition>, operator: Option<&str>) -> Result<Option<Condition>> {
    match (conditions.len(), operator) {
        (0, operator) => without_conditions(operator),
        (1, _) => Ok(conditions.pop()),
        (_, Some("OR")) => Ok(Some(Condition::Or(conditions))),
        _ => Ok(Some(Condition::And(conditions))),
    }
}

fn values(given: Option<Vec<Written>>) -> Result<Vec<AttributeValue>> {
    given.unwrap_or_default().into_iter().map(Written::into_value).collect()
}

fn expectation(name: &str, expected: ExpectedAttributeValue) -> Result<Condition> {
    let invalid = |what: &str| Err(Error::invalid(format_args!("{what} for Attribute: {name}")));
    let value = expected.value.map(Written::into_value).transpose()?;
    if let Some(operator) = &expected.comparison_operator {
        if expected.exists.is_some() {
            return invalid("Exists and ComparisonOperator cannot be used together");
        }
        let list = match (value, expected.attribute_value_list) {
            (Some(_), Some(_)) => return invalid("Value and AttributeValueList cannot be used together"),
            (Some(value), None) => vec![value],
            (None, list) => {
                if list.is_none() && !matches!(operator.as_str(), "NULL" | "NOT_NULL") {
                    return invalid(&format!(
                        "Value or AttributeValueList must be used with ComparisonOperator: {operator}"
                    ));
                }
                values(list)?
            }
        };
        return comparison(name, operator, &list);
    }
    if expected.attribute_value_list.is_some() {
        return invalid("AttributeValueList can only be used with a ComparisonOperator");
    }
    match (value, expected.exists) {
        (Some(_), Some(false)) => invalid("Value cannot be used when Exists is false"),
        (None, Some(false)) => Ok(Condition::AttributeNotExists(Path::attribute(name))),
        (Some(value), _) => Ok(compare(name, Comparator::Equal, &value)),
        (None, Some(true)) => invalid("Value must be provided when Exists is true"),
        (None, None) => invalid("Value must be provided when Exists is null"),
    }
}

fn compare(name: &str, comparator: Comparator, value: &AttributeValue) -> Condition {
    Condition::Compare { comparator, left: path(name), right: constant(value) }
}

fn path(name: &str) -> Operand {
    Operand::Path(Path::attribute(name))
}

fn constant(value: &AttributeValue) -> Operand {
    Operand::Value(Constant::new(value))
}

/// How many values an operator takes; `None` as the most stands for any number.
fn arity(operator: &str) -> (usize, Option<usize>) {
    match operator {
        "NULL" | "NOT_NULL" => (0, Some(0)),
        "BETWEEN" => (2, Some(2)),
        "IN" => (1, None),
        _ => (1, Some(1)),
    }
}

fn comparator(operator: &str) -> Option<Comparator> {
    Some(match operator {
        "EQ" => Comparator::Equal,
        "NE" => Comparator::NotEqual,
        "LE" => Comparator::LessOrEqual,
        "LT" => Comparator::Less,
        "GE" => Comparator::GreaterOrEqual,
        "GT" => Comparator::Greater,
        _ => return None,
    })
}

/// Refuses values that an operator does not take.
fn check_values(operator: &str, values: &[AttributeValue]) -> Result<()> {
    let (least, most) = arity(operator);
    if values.len() < least || most.is_some_and(|most| values.len() > most) {
        return Err(Error::invalid(format_args!(
            "Invalid number of argument(s) for the {operator} ComparisonOperator"
        )));
    }
    let allowed: fn(Type) -> bool = match operator {
        "LT" | "LE" | "GT" | "GE" | "BETWEEN" | "IN" => |kind| matches!(kind, Type::S | Type::N | Type::B),
        "CONTAINS" | "NOT_CONTAINS" => |kind| !matches!(kind, Type::SS | Type::NS | Type::BS | Type::M | Type::L),
        "BEGINS_WITH" => |kind| matches!(kind, Type::S | Type::B),
        _ => |_| true,
    };
    if let Some(value) = values.iter().find(|value| !allowed(value.kind())) {
        let kind = value.kind().code();
        return Err(Error::invalid(format_args!(
            "ComparisonOperator {operator} is not valid for {kind} AttributeValue type"
        )));
    }
    if values.windows(2).any(|pair| pair.first().map(AttributeValue::kind) != pair.last().map(AttributeValue::kind)) {
        return Err(Error::invalid("AttributeValues inside AttributeValueList must be of same type"));
    }
    let bounds: Vec<Option<KeyValue>> = values.iter().map(KeyValue::from_attribute).collect();
    if let ("BETWEEN", [Some(low), Some(high)]) = (operator, bounds.as_slice())
        && low.compare(high).is_some_and(std::cmp::Ordering::is_gt)
    {
        return Err(Error::validation(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ));
    }
    Ok(())
}

fn comparison(name: &str, operator: &str, values: &[AttributeValue]) -> Result<Condition> {
    check_values(operator, values)?;
    let mut each = values.iter().map(constant);
    let mut next = || each.next().ok_or_else(|| Error::invalid("AttributeValueList is too short"));
    Ok(match operator {
        "NULL" => Condition::AttributeNotExists(Path::attribute(name)),
        "NOT_NULL" => Condition::AttributeExists(Path::attribute(name)),
        "CONTAINS" => Condition::Contains(path(name), next()?),
        // What is not there does not contain anything, nor does it not contain it.
        "NOT_CONTAINS" => Condition::And(vec![
            Condition::AttributeExists(Path::attribute(name)),
            Condition::Not(Box::new(Condition::Contains(path(name), next()?))),
        ]),
        "BEGINS_WITH" => Condition::BeginsWith(path(name), next()?),
        "IN" => Condition::In { value: path(name), candidates: each.collect() },
        "BETWEEN" => Condition::Between { value: path(name), low: next()?, high: next()? },
        other => {
            let comparator =
                comparator(other).ok_or_else(|| Error::invalid(format_args!("Unknown ComparisonOperator: {other}")))?;
            Condition::Compare { comparator, left: path(name), right: next()? }
        }
    })
}

/// The key condition of a query.
///
/// # Errors
/// What AWS says of one that makes no sense.
pub(crate) fn key_conditions(given: BTreeMap<String, Given>) -> Result<KeyCondition> {
    let mut tests = Vec::with_capacity(given.len());
    for (name, given) in given {
        let operator = given.comparison_operator;
        let values = values(given.attribute_value_list)?;
        check_values(&operator, &values)?;
        let mut values = values.into_iter();
        let (first, second) = (values.next(), values.next());
        let test = match (operator.as_str(), comparator(&operator), first, second) {
            ("NE", ..) => None,
            (_, Some(comparator), Some(value), None) => Some(Test::Compare(comparator, value)),
            ("BETWEEN", _, Some(low), Some(high)) => Some(Test::Between(low, high)),
            ("BEGINS_WITH", _, Some(prefix), None) => Some(Test::BeginsWith(prefix)),
            _ => None,
        };
        let test =
            test.ok_or_else(|| Error::validation("Attempted conditional constraint is not an indexable operation"))?;
        tests.push((name, test));
    }
    Ok(KeyCondition::new(tests)?)
}

/// The update that `AttributeUpdates` is.
///
/// # Errors
/// What AWS says of one that makes no sense.
pub(crate) fn updates(given: BTreeMap<String, AttributeValueUpdate>) -> Result<Update> {
    let action = |(name, update): (String, AttributeValueUpdate)| {
        let value = update.value.map(Written::into_value).transpose()?;
        let change = change(&name, update.action.as_deref().unwrap_or("PUT"), value)?;
        Ok(Action { path: Path::attribute(name), change })
    };
    Ok(Update { actions: given.into_iter().map(action).collect::<Result<_>>()? })
}

fn change(name: &str, action: &str, value: Option<AttributeValue>) -> Result<Change> {
    match (action, value) {
        ("DELETE", None) => Ok(Change::Remove),
        (_, None) => Err(Error::invalid("Only DELETE action is allowed when no attribute value is specified")),
        ("DELETE", Some(value)) => match value.kind() {
            Type::SS | Type::NS | Type::BS => Ok(Change::Delete(value)),
            kind => Err(Error::invalid(format_args!(
                "DELETE action with value is not supported for the type {}",
                kind.code()
            ))),
        },
        ("ADD", Some(value)) => match value.kind() {
            Type::N | Type::SS | Type::NS | Type::BS => Ok(Change::Add(value)),
            // An addition to a list, which the clause ADD does not have, makes it longer.
            Type::L => {
                let nothing = Box::new(update::Operand::Value(AttributeValue::L(Vec::new())));
                let there = update::Operand::IfNotExists(Path::attribute(name), nothing);
                let longer = update::Operand::ListAppend(Box::new(there), Box::new(update::Operand::Value(value)));
                Ok(Change::Set(SetValue::Operand(longer)))
            }
            kind => Err(Error::invalid(format_args!("ADD action is not supported for the type {}", kind.code()))),
        },
        (_, Some(value)) => Ok(Change::Set(SetValue::Operand(update::Operand::Value(value)))),
    }
}

/// The projection that `AttributesToGet` is.
///
/// # Errors
/// When an attribute is named twice.
pub(crate) fn projection(names: Vec<String>) -> Result<Projection> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
        let name = pair.first().map_or("", |name| name.as_str());
        return Err(Error::invalid(format_args!("Duplicate value in attribute name: {name}")));
    }
    let paths: Vec<Path> = names.into_iter().map(Path::attribute).collect();
    Ok(Projection::of(&paths))
}
