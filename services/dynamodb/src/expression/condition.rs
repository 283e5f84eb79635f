//! Conditions and filters: the typed tree, how it is made, and whether it holds of an item.

use super::bind::{self, Bound, Function};
use super::syntax::{self, Call, Comparator};
use super::{ExpressionError, ExpressionKind, MAX_IN_OPERANDS, Path, Placeholders, Problem};
use crate::compact::{self, Corrupt, MapRef, ValueRef};
use crate::value::{AttributeValue, Type, base64};
use std::cmp::Ordering;

/// Something that is true or false of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of these holds.
    Or(Vec<Condition>),
    /// All of these hold.
    And(Vec<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
    /// `left = right`
    Compare {
        /// How.
        comparator: Comparator,
        /// What stands before it.
        left: Operand,
        /// What stands behind it.
        right: Operand,
    },
    /// `value BETWEEN low AND high`
    Between {
        /// What is compared.
        value: Operand,
        /// The lower bound.
        low: Operand,
        /// The upper bound.
        high: Operand,
    },
    /// `value IN (candidates)`
    In {
        /// What is looked for.
        value: Operand,
        /// What it may be equal to.
        candidates: Vec<Operand>,
    },
    /// `attribute_exists(path)`
    AttributeExists(Path),
    /// `attribute_not_exists(path)`
    AttributeNotExists(Path),
    /// `attribute_type(operand, type)`
    AttributeType(Operand, Type),
    /// `begins_with(operand, prefix)`
    BeginsWith(Operand, Operand),
    /// `contains(whole, part)`
    Contains(Operand, Operand),
}

/// Something that has a value, or has none if the item lacks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A place in the item.
    Path(Path),
    /// A value of the request.
    Value(Constant),
    /// `size(operand)`
    Size(Box<Operand>),
}

/// A value of the request in its stored form, in which it is compared with stored values byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant(Box<[u8]>);

impl Constant {
    /// The value's stored form.
    pub fn new(value: &AttributeValue) -> Self {
        let mut bytes = Vec::new();
        compact::encode_value(value, &mut bytes);
        Self(bytes.into())
    }

    /// The value.
    ///
    /// # Errors
    /// Never for a constant made by [`Constant::new`].
    pub fn value(&self) -> Result<ValueRef<'_>, Corrupt> {
        ValueRef::open(&self.0)
    }
}

/// Parses and binds a condition or a filter.
///
/// # Errors
/// What AWS says of it.
pub fn parse(kind: ExpressionKind, text: &str, placeholders: &Placeholders) -> Result<Condition, ExpressionError> {
    let written = super::parse::condition(kind, text)?;
    bind(&written, placeholders).map_err(|problem| problem.of(kind))
}

/// Checks what is written in AWS's order, and replaces the placeholders.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn bind(written: &syntax::Condition, placeholders: &Placeholders) -> Result<Condition, Problem> {
    each_leaf(written, &mut |leaf| check_in(leaf))?;
    each_leaf(written, &mut |leaf| each_call(leaf, &mut bind::check_known::<ConditionFunction>))?;
    each_leaf(written, &mut check_use)?;
    each_leaf(written, &mut |leaf| operands(leaf).try_for_each(bind::check_words))?;
    build(written, placeholders)
}

/// Visits the comparisons and functions of a condition in the order in which they are written.
fn each_leaf<'a>(
    condition: &'a syntax::Condition,
    visit: &mut impl FnMut(&'a syntax::Condition) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match condition {
        syntax::Condition::Or(parts) | syntax::Condition::And(parts) => {
            parts.iter().try_for_each(|part| each_leaf(part, visit))
        }
        syntax::Condition::Not(part) => each_leaf(part, visit),
        leaf => visit(leaf),
    }
}

fn operands(leaf: &syntax::Condition) -> impl Iterator<Item = &syntax::Operand> {
    let (some, more): (Vec<&syntax::Operand>, &[syntax::Operand]) = match leaf {
        syntax::Condition::Compare { left, right, .. } => (vec![left, right], &[]),
        syntax::Condition::Between { value, low, high } => (vec![value, low, high], &[]),
        syntax::Condition::In { value, candidates } => (vec![value], candidates),
        syntax::Condition::Call(call) => (Vec::new(), &call.arguments),
        syntax::Condition::Or(_) | syntax::Condition::And(_) | syntax::Condition::Not(_) => (Vec::new(), &[]),
    };
    some.into_iter().chain(more)
}

fn each_call<'a>(
    leaf: &'a syntax::Condition,
    visit: &mut impl FnMut(&'a Call) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match leaf {
        syntax::Condition::Call(call) => bind::each_call_in(call, visit),
        other => operands(other).try_for_each(|operand| bind::each_call(operand, visit)),
    }
}

fn check_in(leaf: &syntax::Condition) -> Result<(), Problem> {
    match leaf {
        syntax::Condition::In { candidates, .. } if candidates.len() > MAX_IN_OPERANDS => {
            Err(Problem::TooManyInOperands(candidates.len()))
        }
        _ => Ok(()),
    }
}

/// Only `size` may stand where a value is wanted, and it may not stand where a condition is wanted.
fn check_use(leaf: &syntax::Condition) -> Result<(), Problem> {
    let misused = |call: &Call| Err(Problem::MisusedFunction(call.function.as_str().into()));
    let as_operand = |operand: &syntax::Operand| {
        bind::each_call(operand, &mut |call| if call.function == "size" { Ok(()) } else { misused(call) })
    };
    operands(leaf).try_for_each(as_operand)?;
    match leaf {
        syntax::Condition::Call(call) if call.function == "size" => misused(call),
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConditionFunction {
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Contains,
    Size,
}

impl Function for ConditionFunction {
    fn from_name(name: &str) -> Option<Self> {
        const ALL: [ConditionFunction; 6] = [
            ConditionFunction::AttributeExists,
            ConditionFunction::AttributeNotExists,
            ConditionFunction::AttributeType,
            ConditionFunction::BeginsWith,
            ConditionFunction::Contains,
            ConditionFunction::Size,
        ];
        ALL.into_iter().find(|function| function.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::AttributeExists => "attribute_exists",
            Self::AttributeNotExists => "attribute_not_exists",
            Self::AttributeType => "attribute_type",
            Self::BeginsWith => "begins_with",
            Self::Contains => "contains",
            Self::Size => "size",
        }
    }

    fn operands(self) -> usize {
        match self {
            Self::AttributeExists | Self::AttributeNotExists | Self::Size => 1,
            Self::AttributeType | Self::BeginsWith | Self::Contains => 2,
        }
    }
}

type BoundOperand = Bound<ConditionFunction>;

/// The type of an operand, as far as it is known without an item.
fn kind(operand: &BoundOperand) -> Option<Type> {
    match operand {
        Bound::Path(_) => None,
        Bound::Value(value) => Some(value.kind()),
        Bound::Call(ConditionFunction::Size, _) => Some(Type::N),
        Bound::Call(..) => Some(Type::Bool),
    }
}

fn build(written: &syntax::Condition, placeholders: &Placeholders) -> Result<Condition, Problem> {
    let all =
        |parts: &[syntax::Condition]| parts.iter().map(|part| build(part, placeholders)).collect::<Result<Vec<_>, _>>();
    let bound = |operand: &syntax::Operand| bind::bind::<ConditionFunction>(operand, placeholders);
    Ok(match written {
        syntax::Condition::Or(parts) => Condition::Or(all(parts)?),
        syntax::Condition::And(parts) => Condition::And(all(parts)?),
        syntax::Condition::Not(part) => Condition::Not(Box::new(build(part, placeholders)?)),
        syntax::Condition::Compare { comparator, left, right } => compare(*comparator, bound(left)?, bound(right)?)?,
        syntax::Condition::Between { value, low, high } => between(bound(value)?, bound(low)?, bound(high)?)?,
        syntax::Condition::In { value, candidates } => {
            let value = bound(value)?;
            let candidates = candidates.iter().map(bound).collect::<Result<Vec<_>, _>>()?;
            value.check_counts()?;
            candidates.iter().try_for_each(Bound::check_counts)?;
            let candidates = candidates.into_iter().map(operand).collect::<Result<_, _>>()?;
            Condition::In { value: operand(value)?, candidates }
        }
        syntax::Condition::Call(call) => function(call, placeholders)?,
    })
}

fn compare(comparator: Comparator, left: BoundOperand, right: BoundOperand) -> Result<Condition, Problem> {
    left.check_counts()?;
    right.check_counts()?;
    check_distinct(comparator.symbol(), &left, &right)?;
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        check_ordered(comparator.symbol(), &left)?;
        check_ordered(comparator.symbol(), &right)?;
    }
    Ok(Condition::Compare { comparator, left: operand(left)?, right: operand(right)? })
}

fn between(value: BoundOperand, low: BoundOperand, high: BoundOperand) -> Result<Condition, Problem> {
    [&value, &low, &high].into_iter().try_for_each(Bound::check_counts)?;
    [&value, &low, &high].into_iter().try_for_each(|bound| check_ordered("BETWEEN", bound))?;
    if let (Bound::Value(low), Bound::Value(high)) = (&low, &high) {
        let shown = || (shown(low).into(), shown(high).into());
        if low.kind() != high.kind() {
            let (low, high) = shown();
            return Err(Problem::BoundTypes { low, high });
        }
        let (first, second) = (Constant::new(low), Constant::new(high));
        let order = first.value().and_then(|first| first.compare(second.value()?));
        if order == Ok(Some(Ordering::Greater)) {
            let (low, high) = shown();
            return Err(Problem::BoundOrder { low, high });
        }
    }
    Ok(Condition::Between { value: operand(value)?, low: operand(low)?, high: operand(high)? })
}

/// A value as messages about bounds show it.
fn shown(value: &AttributeValue) -> String {
    let code = value.kind().code();
    match value {
        AttributeValue::S(text) => format!("{{{code}:{text}}}"),
        AttributeValue::N(number) => format!("{{{code}:{number}}}"),
        AttributeValue::B(bytes) => format!("{{{code}:{}}}", base64(bytes)),
        _ => format!("{{{code}}}"),
    }
}

fn check_distinct(operator: &'static str, first: &BoundOperand, second: &BoundOperand) -> Result<(), Problem> {
    match (first, second) {
        (Bound::Path(first), Bound::Path(second)) if first == second => {
            Err(Problem::NotDistinct { operator, operand: first.clone() })
        }
        _ => Ok(()),
    }
}

fn check_ordered(operator: &'static str, operand: &BoundOperand) -> Result<(), Problem> {
    check_type(operator, operand, |kind| matches!(kind, Type::S | Type::N | Type::B))
}

fn check_type(operator: &'static str, operand: &BoundOperand, allowed: fn(Type) -> bool) -> Result<(), Problem> {
    match kind(operand) {
        Some(kind) if !allowed(kind) => Err(Problem::OperandType { operator, found: kind.code() }),
        _ => Ok(()),
    }
}

fn function(call: &Call, placeholders: &Placeholders) -> Result<Condition, Problem> {
    let (function, arguments) = bind::bind_call::<ConditionFunction>(call, placeholders)?;
    bind::check_count(function, &arguments)?;
    let name = function.name();
    let wrong_count = || Problem::OperandCount { function: name, count: call.arguments.len() };
    let mut arguments = arguments.into_iter();
    let first = arguments.next().ok_or_else(wrong_count)?;
    let Some(second) = arguments.next() else {
        return match (function, first) {
            (ConditionFunction::AttributeExists, Bound::Path(path)) => Ok(Condition::AttributeExists(path)),
            (ConditionFunction::AttributeNotExists, Bound::Path(path)) => Ok(Condition::AttributeNotExists(path)),
            (ConditionFunction::Size, _) => Err(Problem::MisusedFunction(name.into())),
            _ => Err(Problem::NotAPath(name)),
        };
    };
    check_distinct(name, &first, &second)?;
    match function {
        ConditionFunction::BeginsWith => {
            let text = |kind| matches!(kind, Type::S | Type::B);
            check_type(name, &first, text)?;
            check_type(name, &second, text)?;
            Ok(Condition::BeginsWith(operand(first)?, operand(second)?))
        }
        ConditionFunction::AttributeType => {
            let wanted = attribute_type(name, &second)?;
            Ok(Condition::AttributeType(operand(first)?, wanted))
        }
        _ => Ok(Condition::Contains(operand(first)?, operand(second)?)),
    }
}

fn attribute_type(function: &'static str, operand: &BoundOperand) -> Result<Type, Problem> {
    /// What AWS calls the type of an operand it cannot know beforehand.
    const ANY: &str = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}";
    match operand {
        Bound::Value(AttributeValue::S(code)) => {
            Type::from_code(code).ok_or_else(|| Problem::UnknownType(code.as_str().into()))
        }
        other => {
            let found = kind(other).map_or(ANY, Type::code);
            Err(Problem::OperandType { operator: function, found })
        }
    }
}

fn operand(bound: BoundOperand) -> Result<Operand, Problem> {
    match bound {
        Bound::Path(path) => Ok(Operand::Path(path)),
        Bound::Value(value) => Ok(Operand::Value(Constant::new(&value))),
        Bound::Call(function, arguments) => {
            let name = function.name();
            let count = arguments.len();
            let only = arguments.into_iter().next().ok_or(Problem::OperandCount { function: name, count })?;
            if function != ConditionFunction::Size {
                return Err(Problem::MisusedFunction(name.into()));
            }
            check_type(name, &only, |kind| !matches!(kind, Type::N | Type::Bool | Type::Null))?;
            Ok(Operand::Size(Box::new(operand(only)?)))
        }
    }
}

/// The value of an operand: stored bytes, or a size made on the way.
#[derive(Clone, Copy)]
enum Found<'a> {
    Value(ValueRef<'a>),
    Size(usize),
}

impl Operand {
    fn find<'a>(&'a self, item: MapRef<'a>) -> Result<Option<Found<'a>>, Corrupt> {
        match self {
            Self::Path(path) => Ok(path.find(item)?.map(Found::Value)),
            Self::Value(constant) => constant.value().map(|value| Some(Found::Value(value))),
            Self::Size(of) => Ok(match of.find(item)? {
                Some(Found::Value(value)) => size(value).map(Found::Size),
                Some(Found::Size(_)) | None => None,
            }),
        }
    }

    /// The value, if it is one that the item or the request has.
    fn value<'a>(&'a self, item: MapRef<'a>) -> Result<Option<ValueRef<'a>>, Corrupt> {
        Ok(match self.find(item)? {
            Some(Found::Value(value)) => Some(value),
            Some(Found::Size(_)) | None => None,
        })
    }
}

fn size(value: ValueRef<'_>) -> Option<usize> {
    match value {
        ValueRef::S(text) => Some(text.len()),
        ValueRef::B(bytes) => Some(bytes.len()),
        ValueRef::SS(set) | ValueRef::NS(set) | ValueRef::BS(set) => Some(set.len()),
        ValueRef::M(map) => Some(map.len()),
        ValueRef::L(list) => Some(list.len()),
        ValueRef::N(_) | ValueRef::Bool(_) | ValueRef::Null => None,
    }
}

impl Found<'_> {
    fn equals(self, other: Self) -> Result<bool, Corrupt> {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => Ok(a.equals(b)),
            _ => Ok(self.compare(other)? == Some(Ordering::Equal)),
        }
    }

    fn compare(self, other: Self) -> Result<Option<Ordering>, Corrupt> {
        let number = |found: Self| match found {
            Self::Size(size) => Ok(Some(crate::number::Number::from(size as u64))),
            Self::Value(ValueRef::N(text)) => compact::parse_number(text).map(Some),
            Self::Value(_) => Ok(None),
        };
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => a.compare(b),
            _ => Ok(number(self)?.zip(number(other)?).map(|(a, b)| a.cmp(&b))),
        }
    }
}

impl Operand {
    fn each_path<'a>(&'a self, visit: &mut dyn FnMut(&'a Path)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
            Self::Size(of) => of.each_path(visit),
        }
    }
}

impl Condition {
    /// Visits every path that it reads.
    pub fn each_path<'a>(&'a self, visit: &mut dyn FnMut(&'a Path)) {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|part| part.each_path(visit)),
            Self::Not(part) => part.each_path(visit),
            Self::Compare { left, right, .. } => [left, right].into_iter().for_each(|operand| operand.each_path(visit)),
            Self::Between { value, low, high } => {
                [value, low, high].into_iter().for_each(|operand| operand.each_path(visit));
            }
            Self::In { value, candidates } => {
                std::iter::once(value).chain(candidates).for_each(|operand| operand.each_path(visit));
            }
            Self::AttributeExists(path) | Self::AttributeNotExists(path) => visit(path),
            Self::AttributeType(operand, _) => operand.each_path(visit),
            Self::BeginsWith(first, second) | Self::Contains(first, second) => {
                [first, second].into_iter().for_each(|operand| operand.each_path(visit));
            }
        }
    }

    /// Whether it holds of a stored item; [`MapRef::EMPTY`] stands for an item that does not exist.
    ///
    /// A comparison with what the item lacks is false, except `<>`, which is then true.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn holds(&self, item: MapRef<'_>) -> Result<bool, Corrupt> {
        match self {
            Self::Or(parts) => {
                for part in parts {
                    if part.holds(item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::And(parts) => {
                for part in parts {
                    if !part.holds(item)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(part) => Ok(!part.holds(item)?),
            Self::Compare { comparator, left, right } => compares(*comparator, left.find(item)?, right.find(item)?),
            Self::Between { value, low, high } => {
                let value = value.find(item)?;
                Ok(compares(Comparator::GreaterOrEqual, value, low.find(item)?)?
                    && compares(Comparator::LessOrEqual, value, high.find(item)?)?)
            }
            Self::In { value, candidates } => {
                let value = value.find(item)?;
                for candidate in candidates {
                    if compares(Comparator::Equal, value, candidate.find(item)?)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::AttributeExists(path) => Ok(path.find(item)?.is_some()),
            Self::AttributeNotExists(path) => Ok(path.find(item)?.is_none()),
            Self::AttributeType(operand, wanted) => {
                Ok(operand.value(item)?.is_some_and(|value| value.kind() == *wanted))
            }
            Self::BeginsWith(whole, prefix) => Ok(match (whole.value(item)?, prefix.value(item)?) {
                (Some(ValueRef::S(whole)), Some(ValueRef::S(prefix))) => whole.starts_with(prefix),
                (Some(ValueRef::B(whole)), Some(ValueRef::B(prefix))) => whole.starts_with(prefix),
                _ => false,
            }),
            Self::Contains(whole, part) => match (whole.value(item)?, part.value(item)?) {
                (Some(whole), Some(part)) => contains(whole, part),
                _ => Ok(false),
            },
        }
    }
}

fn compares(comparator: Comparator, left: Option<Found<'_>>, right: Option<Found<'_>>) -> Result<bool, Corrupt> {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(comparator == Comparator::NotEqual);
    };
    Ok(match comparator {
        Comparator::Equal => left.equals(right)?,
        Comparator::NotEqual => !left.equals(right)?,
        Comparator::Less => left.compare(right)?.is_some_and(Ordering::is_lt),
        Comparator::LessOrEqual => left.compare(right)?.is_some_and(Ordering::is_le),
        Comparator::Greater => left.compare(right)?.is_some_and(Ordering::is_gt),
        Comparator::GreaterOrEqual => left.compare(right)?.is_some_and(Ordering::is_ge),
    })
}

/// Whether a text contains another, bytes other bytes, a set a member, or a list an element.
fn contains(whole: ValueRef<'_>, part: ValueRef<'_>) -> Result<bool, Corrupt> {
    match (whole, part) {
        (ValueRef::S(whole), ValueRef::S(part)) => Ok(whole.contains(part)),
        (ValueRef::B(whole), ValueRef::B(part)) => {
            Ok(part.is_empty() || whole.windows(part.len()).any(|window| window == part))
        }
        (ValueRef::SS(set), ValueRef::S(text)) | (ValueRef::NS(set), ValueRef::N(text)) => {
            set.contains(text.as_bytes())
        }
        (ValueRef::BS(set), ValueRef::B(bytes)) => set.contains(bytes),
        (ValueRef::L(list), part) => {
            for element in list.iter() {
                if element?.equals(part) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}
