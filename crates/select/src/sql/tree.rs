//! What a query is made of.

use std::fmt;

use crate::error::Result;
use crate::types::{Part, Value};

/// Where in the text: both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A name of a column, an attribute or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// In quotes: case counts.
    pub(crate) exact: bool,
}

impl Name {
    pub(crate) fn matches(&self, other: &str) -> bool {
        if self.exact { self.text == other } else { self.text.eq_ignore_ascii_case(other) }
    }

    /// The column that `_N` counts to, from 0. `None`: the name is no such number.
    pub(crate) fn position(&self) -> Option<Option<usize>> {
        let digits = self.text.strip_prefix('_')?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1)))
    }
}

/// One step of a path.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// `.name` or `['name']`
    Key(Name),
    /// `[0]`
    Index(usize),
    /// `.*`, in a `FROM` clause only.
    AnyKey,
    /// `[*]`, in a `FROM` clause only.
    AnyIndex,
}

/// A reference to what a record holds.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) root: Name,
    pub(crate) steps: Vec<Step>,
    pub(crate) at: Position,
}

/// Operators of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Concatenate,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What `IS` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Null,
    Missing,
    True,
    False,
}

/// What `CAST` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int,
    String,
    Float,
    Decimal,
    Timestamp,
}

/// Which end `TRIM` works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trim {
    Leading,
    Trailing,
    Both,
}

/// Functions of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    CharLength,
    Lower,
    Upper,
    Substring,
    /// Of a string and the characters to remove.
    Trim(Trim),
    DateAdd(Part),
    DateDiff(Part),
    Extract(Part),
    ToString,
    ToTimestamp,
    UtcNow,
    Coalesce,
    NullIf,
}

/// Functions of many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregateKind {
    Average,
    Count,
    Maximum,
    Minimum,
    Sum,
}

/// A function of many records with what it is of; `COUNT(*)` is of nothing.
#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    pub(crate) kind: AggregateKind,
    pub(crate) of: Option<Expression>,
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Literal(Value),
    Path(Path),
    List(Vec<Expression>),
    Negate(Box<Expression>),
    Not(Box<Expression>),
    /// Many of them, so that a long chain is not a deep tree.
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Binary(Binary, Box<[Expression; 2]>),
    /// The value, from, to.
    Between(Box<[Expression; 3]>),
    In(Box<Expression>, Vec<Expression>),
    /// The value and the list that it might be in.
    InList(Box<[Expression; 2]>),
    Like(Box<[Expression; 2]>, Option<Box<Expression>>),
    Is(Box<Expression>, Unknown),
    Case {
        of: Option<Box<Expression>>,
        when: Vec<[Expression; 2]>,
        otherwise: Option<Box<Expression>>,
    },
    Cast(Box<Expression>, Type),
    Call(Function, Vec<Expression>),
    /// The aggregate with that number.
    Aggregate(usize),
    /// A column of a CSV file, by its number.
    Column(usize),
    /// What the record has under a path.
    Record(Vec<Step>),
}

/// One of the things that are selected.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// `*`
    All,
    /// `s.*`
    AllOf(Name),
    /// An expression and the name of its column; without one it is called after its place.
    One(Expression, Option<String>),
}

/// A query.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) items: Vec<Item>,
    /// What follows `S3Object[*]`.
    pub(crate) from: Vec<Step>,
    /// How the record may be called.
    pub(crate) names: Vec<Name>,
    pub(crate) condition: Option<Expression>,
    pub(crate) limit: Option<u64>,
    pub(crate) aggregates: Vec<Aggregate>,
}

impl Expression {
    /// Visits this expression and all below it.
    pub(crate) fn walk(&mut self, visit: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        visit(self)?;
        let mut all = |list: &mut [Self]| list.iter_mut().try_for_each(|e| e.walk(visit));
        match self {
            Self::Literal(_) | Self::Path(_) | Self::Aggregate(_) | Self::Column(_) | Self::Record(_) => Ok(()),
            Self::List(list) | Self::And(list) | Self::Or(list) | Self::Call(_, list) => all(list),
            Self::Negate(one) | Self::Not(one) | Self::Is(one, _) | Self::Cast(one, _) => one.walk(visit),
            Self::Binary(_, two) | Self::InList(two) => all(&mut two[..]),
            Self::Between(three) => all(&mut three[..]),
            Self::In(one, list) => {
                one.walk(visit)?;
                list.iter_mut().try_for_each(|e| e.walk(visit))
            }
            Self::Like(two, escape) => {
                all(&mut two[..])?;
                escape.as_mut().map_or(Ok(()), |e| e.walk(visit))
            }
            Self::Case { of, when, otherwise } => {
                of.as_mut().map_or(Ok(()), |e| e.walk(visit))?;
                when.iter_mut().flatten().try_for_each(|e| e.walk(visit))?;
                otherwise.as_mut().map_or(Ok(()), |e| e.walk(visit))
            }
        }
    }
}

impl Query {
    /// All that is evaluated.
    pub(crate) fn expressions(&mut self) -> impl Iterator<Item = &mut Expression> {
        let items = self.items.iter_mut().filter_map(|item| match item {
            Item::One(expression, _) => Some(expression),
            Item::All | Item::AllOf(_) => None,
        });
        items.chain(&mut self.condition).chain(self.aggregates.iter_mut().filter_map(|a| a.of.as_mut()))
    }

    pub(crate) fn selects_all(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::All | Item::AllOf(_)))
    }
}
