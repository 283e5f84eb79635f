//! Written values into values of attributes.

use super::problem::StatementProblem;
use super::tree::{At, Expression};
use crate::expression::{Element, Path};
use crate::number::Number;
use crate::value::{AttributeValue, Item, MAX_DEPTH, ValueError};
use std::fmt::Write as _;

/// Makes values of what is written, with the parameters put in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) parameters: &'a [AttributeValue],
}

impl Values<'_> {
    /// The value of an expression; `None` if it is none that could be known without an item.
    ///
    /// # Errors
    /// What AWS says of a value that no attribute may have.
    pub(super) fn constant(self, written: &Expression) -> Result<Option<AttributeValue>, StatementProblem> {
        match written {
            Expression::Parameter(..)
            | Expression::Text(_)
            | Expression::Number(_)
            | Expression::Bool(_)
            | Expression::Null
            | Expression::List(_)
            | Expression::Map(_)
            | Expression::Bag(_) => self.value(written).map(Some),
            _ => Ok(None),
        }
    }

    /// The value of an attribute.
    ///
    /// # Errors
    /// When it is none, or none that an attribute may have.
    pub(super) fn value(self, written: &Expression) -> Result<AttributeValue, StatementProblem> {
        if let Expression::Parameter(number, _) = written {
            return self.parameters.get(*number).cloned().ok_or(StatementProblem::ParameterCount);
        }
        literal(written, &mut Vec::new())
    }

    /// The item of an INSERT.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub(super) fn item(self, written: &Expression) -> Result<Item, StatementProblem> {
        match written {
            Expression::Map(members) => {
                let members = members.iter().map(|(name, value)| Ok((name.clone(), self.value(value)?)));
                unique(members.collect::<Result<_, StatementProblem>>()?)
            }
            other => match self.value(other)? {
                AttributeValue::M(item) => Ok(item),
                _ => Err(StatementProblem::Malformed("Expected a tuple")),
            },
        }
    }
}

/// Where in a literal something stands, as messages say it: `root.x[1]`.
fn shown(steps: &[Element]) -> Box<str> {
    let mut text = "root".to_owned();
    for step in steps {
        // Writing to a text cannot fail.
        let _ = match step {
            Element::Attribute(name) => write!(text, ".{name}"),
            Element::Index(index) => write!(text, "[{index}]"),
        };
    }
    text.into()
}

fn literal(written: &Expression, steps: &mut Vec<Element>) -> Result<AttributeValue, StatementProblem> {
    if steps.len() >= MAX_DEPTH {
        return Err(StatementProblem::TooDeep(shown(steps)));
    }
    match written {
        Expression::Text(text) => Ok(AttributeValue::S(text.clone())),
        Expression::Number(text) => number(text, steps).map(AttributeValue::N),
        Expression::Bool(truth) => Ok(AttributeValue::Bool(*truth)),
        Expression::Null => Ok(AttributeValue::Null),
        Expression::List(elements) => {
            let mut values = Vec::with_capacity(elements.len());
            for (index, element) in elements.iter().enumerate() {
                values.push(inside(Element::Index(u32::try_from(index).unwrap_or(u32::MAX)), element, steps)?);
            }
            Ok(AttributeValue::L(values))
        }
        Expression::Map(members) => {
            let mut values = Vec::with_capacity(members.len());
            for (name, member) in members {
                values.push((name.clone(), inside(Element::Attribute(name.clone()), member, steps)?));
            }
            unique(values).map(AttributeValue::M)
        }
        Expression::Bag(members) => bag(members, steps),
        other => {
            let (what, at) = kind(other);
            Err(StatementProblem::DataType { what: what.into(), path: shown(steps), at })
        }
    }
}

fn inside(step: Element, written: &Expression, steps: &mut Vec<Element>) -> Result<AttributeValue, StatementProblem> {
    steps.push(step);
    let value = literal(written, steps);
    steps.pop();
    value
}

fn unique(members: Vec<(String, AttributeValue)>) -> Result<Item, StatementProblem> {
    let count = members.len();
    let item: Item = members.into_iter().collect();
    if item.len() < count { Err(StatementProblem::Malformed("Duplicate keys in tuple")) } else { Ok(item) }
}

fn number(text: &str, steps: &[Element]) -> Result<Number, StatementProblem> {
    Number::parse(text).map_err(|error| StatementProblem::Number { error, path: shown(steps) })
}

/// A set: of texts or of numbers.
fn bag(members: &[Expression], steps: &[Element]) -> Result<AttributeValue, StatementProblem> {
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    for member in members {
        match member {
            Expression::Text(text) => texts.push(text.clone()),
            Expression::Number(written) => numbers.push((written.as_str(), number(written, steps)?)),
            _ => return Err(StatementProblem::MixedBag),
        }
    }
    if members.is_empty() {
        return Err(StatementProblem::EmptyBag);
    }
    if numbers.is_empty() {
        return Ok(AttributeValue::string_set(texts)?);
    }
    if !texts.is_empty() {
        return Err(StatementProblem::MixedBag);
    }
    let written: Vec<String> = numbers.iter().map(|(written, _)| (*written).to_owned()).collect();
    match AttributeValue::number_set(&written) {
        Err(ValueError::DuplicateNumbers) => {
            Err(StatementProblem::DuplicateNumbers { members: written.join(", ").into(), path: shown(steps) })
        }
        set => Ok(set?),
    }
}

/// What something that is no literal is called, and where it stands.
fn kind(written: &Expression) -> (&str, At) {
    match written {
        Expression::Parameter(_, at) => ("Parameter", *at),
        Expression::Call { function, at, .. } => (function, *at),
        Expression::Path(Path { root, .. }, at) => (root, *at),
        Expression::Arithmetic { left, .. }
        | Expression::Compare { left, .. }
        | Expression::Between { value: left, .. }
        | Expression::In { value: left, .. }
        | Expression::Is { value: left, .. }
        | Expression::Not(left) => kind(left),
        Expression::And(parts) | Expression::Or(parts) => {
            parts.first().map_or(("", At { line: 1, column: 1, length: 0 }), kind)
        }
        _ => ("Literal", At { line: 1, column: 1, length: 0 }),
    }
}
