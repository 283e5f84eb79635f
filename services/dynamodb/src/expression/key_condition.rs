//! Key conditions: which partition a query reads, and what part of it.

use super::condition::{self, Condition, Operand};
use super::syntax::Comparator;
use super::{ExpressionError, ExpressionKind, Path, Placeholders};
use crate::compact::{Corrupt, ValueRef};
use crate::key::{KeyValue, after_prefix, encode_keys};
use crate::value::{AttributeValue, Type};
use std::ops::Bound;

/// A key condition that AWS refuses, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyConditionError {
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error("Invalid operator used in KeyConditionExpression: {0}")]
    Operator(&'static str),
    #[error("KeyConditionExpressions cannot contain nested operations")]
    NestedOperation,
    #[error("KeyConditionExpressions cannot have conditions on nested attributes")]
    NestedAttribute,
    #[error("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")]
    ManyAttributes,
    #[error("Invalid condition in KeyConditionExpression: No key attribute specified")]
    NoAttribute,
    #[error(
        "Invalid condition in KeyConditionExpression: {0} operator must have the key attribute as its first operand"
    )]
    AttributeNotFirst(&'static str),
    #[error("KeyConditionExpressions must only contain one condition per key")]
    ManyConditions,
    #[error("Conditions can be of length 1 or 2 only")]
    ConditionCount,
    #[error("Query condition missed key schema element: {0}")]
    MissedKey(Box<str>),
    #[error(
        "RANGE key attributes {missing} must have equality conditions specified in the query because a condition is present on key attribute {present}"
    )]
    Gap { missing: Box<str>, present: Box<str> },
    #[error("Query key condition not supported")]
    NotSupported,
    #[error("One or more parameter values were invalid: Condition parameter type does not match schema type")]
    TypeMismatch,
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {what} value. Key: {key}"
    )]
    EmptyKey { what: &'static str, key: Box<str> },
}

/// A key attribute of a table or an index.
#[derive(Debug, Clone, Copy)]
pub struct KeyAttribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// `S`, `N` or `B`.
    pub kind: Type,
}

/// Most attributes of a key: four of either kind.
const MAX_TESTS: usize = 8;

/// A key condition parsed, bound and checked as far as it can be without knowing the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCondition {
    /// At least one, on different attributes.
    tests: Vec<(String, Test)>,
}

/// What one attribute must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// The comparison with this value.
    Compare(Comparator, AttributeValue),
    /// From the first to the second, both included.
    Between(AttributeValue, AttributeValue),
    /// Begin with this text or these bytes.
    BeginsWith(AttributeValue),
}

/// What a query reads: one partition, and of it the items whose sort key lies in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The partition; of an index it may have several values.
    pub partition: Vec<KeyValue>,
    /// What the first sort keys are equal to, in an index that has several.
    pub equal: Vec<KeyValue>,
    /// What the next sort key must satisfy; `None` for all of it.
    pub sort: Option<SortCondition>,
}

/// What sort keys must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortCondition {
    /// The comparison with this value. Never `<>`.
    Compare(Comparator, KeyValue),
    /// From the first to the second, both included.
    Between(KeyValue, KeyValue),
    /// Begin with this text or these bytes.
    BeginsWith(KeyValue),
}

/// Parses and binds a key condition.
///
/// # Errors
/// What AWS says of it.
pub fn parse(text: &str, placeholders: &Placeholders) -> Result<KeyCondition, KeyConditionError> {
    KeyCondition::of(&condition::parse(ExpressionKind::KeyCondition, text, placeholders)?)
}

/// The parts of a conjunction; anything else that is made of conditions is no key condition.
fn flatten<'a>(condition: &'a Condition, parts: &mut Vec<&'a Condition>) -> Result<(), KeyConditionError> {
    match condition {
        Condition::And(inner) => inner.iter().try_for_each(|part| flatten(part, parts)),
        Condition::Or(_) => Err(KeyConditionError::Operator("OR")),
        Condition::Not(_) => Err(KeyConditionError::Operator("NOT")),
        Condition::In { .. } => Err(KeyConditionError::Operator("IN")),
        Condition::AttributeExists(_) => Err(KeyConditionError::Operator("attribute_exists")),
        Condition::AttributeNotExists(_) => Err(KeyConditionError::Operator("attribute_not_exists")),
        Condition::AttributeType(..) => Err(KeyConditionError::Operator("attribute_type")),
        Condition::Contains(..) => Err(KeyConditionError::Operator("contains")),
        Condition::Compare { comparator: Comparator::NotEqual, .. } => {
            Err(KeyConditionError::Operator(Comparator::NotEqual.symbol()))
        }
        Condition::Compare { .. } | Condition::Between { .. } | Condition::BeginsWith(..) => {
            parts.push(condition);
            Ok(())
        }
    }
}

fn read(part: &Condition) -> Result<(&Path, Test), KeyConditionError> {
    match part {
        Condition::Compare { comparator, left, right } => match (side(left)?, side(right)?) {
            (Side::Path(path), Side::Value(value)) => Ok((path, Test::Compare(*comparator, value))),
            (Side::Value(value), Side::Path(path)) => Ok((path, Test::Compare(comparator.mirrored(), value))),
            (Side::Path(_), Side::Path(_)) => Err(KeyConditionError::ManyAttributes),
            (Side::Value(_), Side::Value(_)) => Err(KeyConditionError::NoAttribute),
        },
        Condition::Between { value, low, high } => {
            let (path, bounds) = first_path("BETWEEN", value, &[low, high])?;
            let [low, high]: [AttributeValue; 2] = bounds.try_into().map_err(|_| KeyConditionError::NotSupported)?;
            Ok((path, Test::Between(low, high)))
        }
        Condition::BeginsWith(whole, prefix) => {
            let (path, prefix) = first_path("begins_with", whole, &[prefix])?;
            let prefix = prefix.into_iter().next().ok_or(KeyConditionError::NotSupported)?;
            Ok((path, Test::BeginsWith(prefix)))
        }
        _ => Err(KeyConditionError::NotSupported),
    }
}

enum Side<'a> {
    Path(&'a Path),
    Value(AttributeValue),
}

fn side(operand: &Operand) -> Result<Side<'_>, KeyConditionError> {
    match operand {
        Operand::Path(path) => Ok(Side::Path(path)),
        Operand::Value(constant) => {
            let value = constant.value().and_then(ValueRef::to_value);
            // A constant is the form of a value that was read a moment ago; there is no damaged one.
            value.map(Side::Value).map_err(|Corrupt| KeyConditionError::NotSupported)
        }
        Operand::Size(_) => Err(KeyConditionError::NestedOperation),
    }
}

fn first_path<'a>(
    operator: &'static str,
    first: &'a Operand,
    rest: &[&'a Operand],
) -> Result<(&'a Path, Vec<AttributeValue>), KeyConditionError> {
    let first = side(first)?;
    let mut values = Vec::with_capacity(rest.len());
    let mut paths = 0_usize;
    for operand in rest {
        match side(operand)? {
            Side::Value(value) => values.push(value),
            Side::Path(_) => paths += 1,
        }
    }
    match first {
        Side::Value(_) => Err(KeyConditionError::AttributeNotFirst(operator)),
        Side::Path(_) if paths > 0 => Err(KeyConditionError::ManyAttributes),
        Side::Path(path) => Ok((path, values)),
    }
}

impl KeyCondition {
    /// The key condition that a condition is.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(condition: &Condition) -> Result<Self, KeyConditionError> {
        let mut parts = Vec::new();
        flatten(condition, &mut parts)?;
        let mut tests: Vec<(String, Test)> = Vec::with_capacity(2);
        for part in &parts {
            let (path, test) = read(part)?;
            if path.is_nested() {
                return Err(KeyConditionError::NestedAttribute);
            }
            if tests.iter().any(|(name, _)| *name == path.root) {
                return Err(KeyConditionError::ManyConditions);
            }
            tests.push((path.root.clone(), test));
        }
        Self::new(tests)
    }

    /// A condition on different attributes.
    ///
    /// # Errors
    /// When there are none, or more than any key has attributes.
    pub fn new(tests: Vec<(String, Test)>) -> Result<Self, KeyConditionError> {
        if tests.is_empty() || tests.len() > MAX_TESTS {
            Err(KeyConditionError::ConditionCount)
        } else {
            Ok(Self { tests })
        }
    }

    /// The names of the attributes it is about.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|(name, _)| name.as_str())
    }

    /// What it reads of a table or index with these keys.
    ///
    /// # Errors
    /// When it does not say which partition, asks about an attribute that is no key, or compares with a value of
    /// another type than the key has.
    pub fn range(
        &self,
        partitions: &[KeyAttribute<'_>],
        sorts: &[KeyAttribute<'_>],
    ) -> Result<KeyRange, KeyConditionError> {
        if self.tests.len() > 2 && partitions.len() + sorts.len() <= 2 {
            return Err(KeyConditionError::ConditionCount);
        }
        let of = |key: &KeyAttribute<'_>| self.tests.iter().find(|(name, _)| name == key.name).map(|(_, test)| test);
        let missed = |key: &KeyAttribute<'_>| KeyConditionError::MissedKey(key.name.into());
        let tests = partitions.iter().map(|key| of(key).ok_or_else(|| missed(key))).collect::<Result<Vec<_>, _>>()?;
        let last = sorts.iter().rposition(|key| of(key).is_some());
        let used = sorts.iter().filter(|key| of(key).is_some()).count();
        if self.tests.len() > partitions.len() + used {
            let other = sorts.iter().find(|key| of(key).is_none());
            return Err(other.map_or(KeyConditionError::NotSupported, missed));
        }
        let mut partition = Vec::with_capacity(partitions.len());
        for (key, test) in partitions.iter().zip(tests) {
            let Test::Compare(Comparator::Equal, value) = test else { return Err(KeyConditionError::NotSupported) };
            partition.push(key_value(*key, value)?);
        }
        let (before, last) = last.map_or((&sorts[..0], None), |last| (&sorts[..last], sorts.get(last)));
        let equal = equal_to(before, last, of)?;
        let sort = last.and_then(|key| of(key).map(|test| sort_condition(*key, test))).transpose()?;
        Ok(KeyRange { partition, equal, sort })
    }
}

/// What the sort keys before the last one that is asked about are equal to: all of them must be.
fn equal_to<'a>(
    before: &[KeyAttribute<'_>],
    last: Option<&KeyAttribute<'_>>,
    of: impl Fn(&KeyAttribute<'_>) -> Option<&'a Test>,
) -> Result<Vec<KeyValue>, KeyConditionError> {
    let mut equal = Vec::with_capacity(before.len());
    let mut missing: Vec<&str> = Vec::new();
    for key in before {
        match of(key) {
            Some(Test::Compare(Comparator::Equal, value)) => equal.push(key_value(*key, value)?),
            _ => missing.push(key.name),
        }
    }
    match last {
        Some(last) if !missing.is_empty() => {
            Err(KeyConditionError::Gap { missing: missing.join(", ").into(), present: last.name.into() })
        }
        _ => Ok(equal),
    }
}

fn sort_condition(key: KeyAttribute<'_>, test: &Test) -> Result<SortCondition, KeyConditionError> {
    Ok(match test {
        Test::Compare(Comparator::NotEqual, _) => return Err(KeyConditionError::NotSupported),
        Test::Compare(comparator, value) => SortCondition::Compare(*comparator, key_value(key, value)?),
        Test::Between(low, high) => SortCondition::Between(key_value(key, low)?, key_value(key, high)?),
        Test::BeginsWith(prefix) => SortCondition::BeginsWith(key_value(key, prefix)?),
    })
}

fn key_value(key: KeyAttribute<'_>, value: &AttributeValue) -> Result<KeyValue, KeyConditionError> {
    let empty = |what| KeyConditionError::EmptyKey { what, key: key.name.into() };
    let value = Some(value).filter(|value| value.kind() == key.kind).and_then(KeyValue::from_attribute);
    match value.ok_or(KeyConditionError::TypeMismatch)? {
        KeyValue::S(text) if text.is_empty() => Err(empty("string")),
        KeyValue::B(bytes) if bytes.is_empty() => Err(empty("binary")),
        value => Ok(value),
    }
}

impl KeyRange {
    /// The keys, as [`crate::key::encode_key`] makes them, of the items it reads: from the first bound to the second.
    /// The sort key may be followed by more, as it is in the keys of an index.
    pub fn bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let base = encode_keys(&self.partition, &self.equal);
        let with = |value: &KeyValue| {
            let mut key = base.clone();
            value.encode(&mut key);
            key
        };
        let end = |prefix: Vec<u8>| after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let all = end(base.clone());
        let Some(sort) = &self.sort else { return (Bound::Included(base), all) };
        match sort {
            SortCondition::Compare(Comparator::Less, value) => {
                (Bound::Included(base.clone()), Bound::Excluded(with(value)))
            }
            SortCondition::Compare(Comparator::LessOrEqual, value) => (Bound::Included(base.clone()), end(with(value))),
            SortCondition::Compare(Comparator::Greater, value) => {
                let above = after_prefix(with(value)).map_or_else(|| Bound::Excluded(with(value)), Bound::Included);
                (above, all)
            }
            SortCondition::Compare(Comparator::GreaterOrEqual, value) => (Bound::Included(with(value)), all),
            SortCondition::Compare(_, value) => (Bound::Included(with(value)), end(with(value))),
            SortCondition::Between(low, high) => (Bound::Included(with(low)), end(with(high))),
            SortCondition::BeginsWith(prefix) => {
                let mut from = base.clone();
                prefix.encode_prefix(&mut from);
                (Bound::Included(from.clone()), end(from))
            }
        }
    }

    /// Whether a sort key is among those it reads, as far as its condition on the last of them says.
    pub fn admits(&self, key: Option<&KeyValue>) -> bool {
        let Some(sort) = &self.sort else { return true };
        let Some(key) = key else { return false };
        let order = |other: &KeyValue| key.compare(other);
        match sort {
            SortCondition::Compare(comparator, value) => order(value).is_some_and(|order| match comparator {
                Comparator::Equal => order.is_eq(),
                Comparator::NotEqual => order.is_ne(),
                Comparator::Less => order.is_lt(),
                Comparator::LessOrEqual => order.is_le(),
                Comparator::Greater => order.is_gt(),
                Comparator::GreaterOrEqual => order.is_ge(),
            }),
            SortCondition::Between(low, high) => {
                order(low).is_some_and(std::cmp::Ordering::is_ge) && order(high).is_some_and(std::cmp::Ordering::is_le)
            }
            SortCondition::BeginsWith(prefix) => match (key, prefix) {
                (KeyValue::S(key), KeyValue::S(prefix)) => key.starts_with(prefix),
                (KeyValue::B(key), KeyValue::B(prefix)) => key.starts_with(prefix),
                _ => false,
            },
        }
    }
}
