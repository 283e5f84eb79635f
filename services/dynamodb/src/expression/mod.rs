//! Expressions: conditions, filters, key conditions, updates and projections.
//!
//! A text goes three steps. [`parse`](mod@parse) makes a [`syntax`] tree of what is written, knowing nothing of names and
//! values. Binding checks it in AWS's order, puts `#names` and `:values` in, and makes the typed tree of [`condition`],
//! [`update`], [`projection`] or [`key_condition`], in which what makes no sense cannot be said. Evaluating reads items in
//! their stored form. The order of checks decides which of several mistakes the caller hears of, so it is AWS's.

mod apply;
mod bind;
pub mod condition;
pub mod key_condition;
mod lexer;
pub mod parse;
pub mod path;
pub mod projection;
mod reserved;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod update;

pub use path::{Element, Path};
pub use reserved::is_reserved;

use crate::compact::Corrupt;
use crate::value::{AttributeValue, ValueError};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

/// Most bytes of an expression's text.
pub const MAX_EXPRESSION_SIZE: usize = 4096;
/// Most operators and functions in an expression.
pub const MAX_OPERATORS: usize = 300;
/// Most values behind `IN`.
pub const MAX_IN_OPERANDS: usize = 100;

/// Which parameter of a request an expression stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionKind {
    /// `ConditionExpression`
    Condition,
    /// `FilterExpression`
    Filter,
    /// `KeyConditionExpression`
    KeyCondition,
    /// `UpdateExpression`
    Update,
    /// `ProjectionExpression`
    Projection,
    /// `SearchConditionExpression`
    SearchCondition,
}

impl fmt::Display for ExpressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Update => "UpdateExpression",
            Self::Projection => "ProjectionExpression",
            Self::SearchCondition => "SearchConditionExpression",
        })
    }
}

/// An expression that AWS refuses, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid {kind}: {problem}")]
pub struct ExpressionError {
    /// The parameter it stands in.
    pub kind: ExpressionKind,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an expression. The semicolons at the ends of some sentences are AWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("The expression can not be empty;")]
    Empty,
    #[error("Expression size has exceeded the maximum allowed size; expression size: {0}")]
    TooLong(usize),
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax { token: Box<str>, near: Box<str> },
    #[error("The expression has redundant parentheses;")]
    RedundantParentheses,
    #[error("The expression contains too many operators; operator count: {0}")]
    TooManyOperators(usize),
    #[error("The IN operator is provided with too many operands; number of operands: {0}")]
    TooManyInOperands(usize),
    #[error("Invalid function name; function: {0}")]
    UnknownFunction(Box<str>),
    #[error("The function is not allowed to be used this way in an expression; function: {0}")]
    MisusedFunction(Box<str>),
    #[error("The \"{0}\" section can only be used once in an update expression;")]
    RepeatedSection(&'static str),
    #[error("Attribute name is a reserved keyword; reserved keyword: {0}")]
    Reserved(Box<str>),
    #[error("List index is not within the allowable range; index: [{0}]")]
    IndexOutOfRange(Box<str>),
    #[error("An expression attribute name used in the document path is not defined; attribute name: {0}")]
    UndefinedName(Box<str>),
    #[error("An expression attribute value used in expression is not defined; attribute value: {0}")]
    UndefinedValue(Box<str>),
    #[error(
        "Incorrect number of operands for operator or function; operator or function: {function}, number of operands: {count}"
    )]
    OperandCount { function: &'static str, count: usize },
    #[error("Operator or function requires a document path; operator or function: {0}")]
    NotAPath(&'static str),
    #[error("Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}")]
    OperandType { operator: &'static str, found: &'static str },
    /// The clauses ADD and DELETE have a wording of their own.
    #[error("Incorrect operand type for operator or function; operator: {operator}, operand type: {found}")]
    ClauseOperandType { operator: &'static str, found: &'static str },
    #[error("Invalid attribute type name found; type: {0}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")]
    UnknownType(Box<str>),
    #[error(
        "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: {operand}"
    )]
    NotDistinct { operator: &'static str, operand: Path },
    #[error(
        "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
    )]
    BoundTypes { low: Box<str>, high: Box<str> },
    #[error(
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
    )]
    BoundOrder { low: Box<str>, high: Box<str> },
    #[error(
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {0}, path two: {1}"
    )]
    Overlap(Path, Path),
    #[error(
        "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {0}, path two: {1}"
    )]
    Conflict(Path, Path),
}

impl Problem {
    fn of(self, kind: ExpressionKind) -> ExpressionError {
        ExpressionError { kind, problem: self }
    }
}

/// Why an evaluation that was allowed could not be carried out on the item it met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// What AWS says of the update.
    #[error(transparent)]
    Update(#[from] update::UpdateError),
    /// The stored item is damaged.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// Why the `ExpressionAttributeNames` or `ExpressionAttributeValues` of a request are refused, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// The map is there but has nothing in it.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// A key without its mark, or with characters no placeholder has.
    #[error("{map} contains invalid key: Syntax error; key: \"{key}\"")]
    InvalidKey {
        /// The parameter.
        map: &'static str,
        /// The key.
        key: Box<str>,
    },
    /// A value that no attribute may have.
    #[error("ExpressionAttributeValues contains invalid value: {error} for key {key}")]
    InvalidValue {
        /// What is wrong with it.
        error: ValueError,
        /// Its key.
        key: Box<str>,
    },
    /// Keys that no expression of the request uses.
    #[error("Value provided in {map} unused in expressions: keys: {{{keys}}}")]
    Unused {
        /// The parameter.
        map: &'static str,
        /// The keys.
        keys: Box<str>,
    },
}

const NAMES: &str = "ExpressionAttributeNames";
const VALUES: &str = "ExpressionAttributeValues";

/// What the `#names` and `:values` of a request stand for, and which of them its expressions have used.
#[derive(Debug, Default)]
pub struct Placeholders {
    names: BTreeMap<String, Meaning<String>>,
    values: BTreeMap<String, Meaning<AttributeValue>>,
}

#[derive(Debug)]
struct Meaning<T> {
    is: T,
    used: Cell<bool>,
}

impl Placeholders {
    /// Takes both maps as the request has them.
    ///
    /// # Errors
    /// When one is there but empty, or has a key that is no placeholder.
    pub fn new(
        names: Option<impl IntoIterator<Item = (String, String)>>,
        values: Option<impl IntoIterator<Item = (String, Result<AttributeValue, ValueError>)>>,
    ) -> Result<Self, PlaceholderError> {
        let names = collect(names, NAMES, '#')?;
        // Keys are looked at before values, whatever their order.
        let mut good = BTreeMap::new();
        for (key, value) in collect(values, VALUES, ':')? {
            let is = value.is.map_err(|error| PlaceholderError::InvalidValue { error, key: key.as_str().into() })?;
            good.insert(key, Meaning { is, used: value.used });
        }
        Ok(Self { names, values: good })
    }

    /// Refuses placeholders that no expression bound so far has used.
    ///
    /// # Errors
    /// [`PlaceholderError::Unused`].
    pub fn check_all_used(&self) -> Result<(), PlaceholderError> {
        check_used(&self.names, NAMES)?;
        check_used(&self.values, VALUES)
    }

    /// A placeholder for a name, for trees that are not read from an expression's text.
    pub(crate) fn give_name(&mut self, name: &str) -> String {
        let meaning = || Meaning { is: name.to_owned(), used: Cell::new(false) };
        self.names.entry(name.to_owned()).or_insert_with(meaning);
        name.to_owned()
    }

    /// A placeholder for a value, for trees that are not read from an expression's text.
    pub(crate) fn give_value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), Meaning { is: value, used: Cell::new(false) });
        placeholder
    }

    fn name(&self, placeholder: &str) -> Result<&str, Problem> {
        let meaning = self.names.get(placeholder).ok_or_else(|| Problem::UndefinedName(placeholder.into()))?;
        meaning.used.set(true);
        Ok(&meaning.is)
    }

    fn value(&self, placeholder: &str) -> Result<&AttributeValue, Problem> {
        let meaning = self.values.get(placeholder).ok_or_else(|| Problem::UndefinedValue(placeholder.into()))?;
        meaning.used.set(true);
        Ok(&meaning.is)
    }
}

fn collect<T>(
    entries: Option<impl IntoIterator<Item = (String, T)>>,
    map: &'static str,
    mark: char,
) -> Result<BTreeMap<String, Meaning<T>>, PlaceholderError> {
    let Some(entries) = entries else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for (key, is) in entries {
        let name = key.strip_prefix(mark).unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(PlaceholderError::InvalidKey { map, key: key.into() });
        }
        found.insert(key, Meaning { is, used: Cell::new(false) });
    }
    if found.is_empty() { Err(PlaceholderError::Empty(map)) } else { Ok(found) }
}

fn check_used<T>(entries: &BTreeMap<String, Meaning<T>>, map: &'static str) -> Result<(), PlaceholderError> {
    let unused: Vec<&str> =
        entries.iter().filter(|(_, meaning)| !meaning.used.get()).map(|(key, _)| key.as_str()).collect();
    if unused.is_empty() { Ok(()) } else { Err(PlaceholderError::Unused { map, keys: unused.join(", ").into() }) }
}
