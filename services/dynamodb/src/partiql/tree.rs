//! Statements as they are written.

use crate::expression::Path;
use crate::expression::syntax::Comparator;
use std::fmt;

/// Where a token stands, as messages say it: line, column and length, counted in characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.line, self.column, self.length)
    }
}

/// A table, or an index of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) table: String,
    pub(super) index: Option<String>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Select(Select),
    Insert {
        table: String,
        value: Expression,
    },
    Update {
        source: Source,
        changes: Vec<Change>,
        condition: Option<Expression>,
        returning: Option<Returning>,
    },
    Delete {
        source: Source,
        condition: Option<Expression>,
        returning: Option<Returning>,
    },
    /// `EXISTS(SELECT …)`, a condition of a transaction.
    Exists(Select),
}

impl Statement {
    /// Whether it only reads. A condition belongs to the writes whose condition it is.
    pub(super) fn reads(&self) -> bool {
        matches!(self, Self::Select(_))
    }

    /// What it is about.
    pub(super) fn source(&self) -> (&str, Option<&str>) {
        match self {
            Self::Insert { table, .. } => (table, None),
            Self::Select(Select { source, .. })
            | Self::Exists(Select { source, .. })
            | Self::Update { source, .. }
            | Self::Delete { source, .. } => (&source.table, source.index.as_deref()),
        }
    }

    /// What it answers with besides that it was done.
    pub(super) fn returning(&self) -> Option<Returning> {
        match self {
            Self::Update { returning, .. } | Self::Delete { returning, .. } => *returning,
            Self::Select(_) | Self::Insert { .. } | Self::Exists(_) => None,
        }
    }
}

/// A SELECT.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Select {
    /// `None` for `*`.
    pub(super) columns: Option<Vec<Expression>>,
    pub(super) source: Source,
    pub(super) condition: Option<Expression>,
    /// Attributes, and whether they descend.
    pub(super) order: Vec<(String, bool)>,
}

/// One change of an UPDATE.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Set(Path, Expression),
    Remove(Path),
}

/// Which attributes a write answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returning {
    AllOld,
    AllNew,
    ModifiedOld,
    ModifiedNew,
}

impl Returning {
    /// As it is written, without the star.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::AllOld => "ALL OLD",
            Self::AllNew => "ALL NEW",
            Self::ModifiedOld => "MODIFIED OLD",
            Self::ModifiedNew => "MODIFIED NEW",
        }
    }

    /// The `ReturnValues` of UpdateItem that says the same.
    pub(super) fn return_values(self) -> &'static str {
        match self {
            Self::AllOld => "ALL_OLD",
            Self::AllNew => "ALL_NEW",
            Self::ModifiedOld => "UPDATED_OLD",
            Self::ModifiedNew => "UPDATED_NEW",
        }
    }
}

/// Something that has a value, or is true or false.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Path(Path, At),
    Text(String),
    /// A number as it is written, its sign in front.
    Number(String),
    Bool(bool),
    Null,
    /// The parameter of this number, from 0.
    Parameter(usize, At),
    List(Vec<Expression>),
    Map(Vec<(String, Expression)>),
    Bag(Vec<Expression>),
    /// A function with its name in small letters.
    Call {
        function: String,
        arguments: Vec<Expression>,
        at: At,
    },
    /// `left + right` or `left - right`
    Arithmetic {
        plus: bool,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Compare {
        comparator: Comparator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    Between {
        value: Box<Expression>,
        low: Box<Expression>,
        high: Box<Expression>,
    },
    In {
        value: Box<Expression>,
        candidates: Vec<Expression>,
    },
    Is {
        value: Box<Expression>,
        what: Is,
    },
}

/// What `IS` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Missing,
    /// A value of the type with this code.
    Type(&'static str),
}
