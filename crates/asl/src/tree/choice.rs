//! `Choice`: rules, and what they compare.

use jiff::Timestamp;

use crate::jsonata::Expression;
use crate::path::Path;
use crate::template::Template;

/// A `Choice`.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The rules, of which the first that holds counts.
    pub rules: Vec<Rule>,
    /// The state that comes when none holds.
    pub default: Option<String>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What must hold.
    pub condition: Condition,
    /// The state that comes then.
    pub next: String,
    /// What its author says of it.
    pub comment: Option<String>,
    /// What the state gives then.
    pub output: Option<Template>,
    /// The variables that are set then.
    pub assign: Option<Template>,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these.
    And(Vec<Condition>),
    /// One of these.
    Or(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// What is found at a path compares so.
    Test(Path, Comparison),
    /// The expression is true.
    Expression(Expression),
    /// `"Condition": true`.
    Always(bool),
}

/// What something is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand<T> {
    /// This.
    Value(T),
    /// What is found there: the operators that end with `Path`.
    Path(Path),
}

/// How it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Equals,
    /// Before it.
    LessThan,
    /// After it.
    GreaterThan,
    /// Not after it.
    LessThanEquals,
    /// Not before it.
    GreaterThanEquals,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// `StringEquals`, `StringLessThan`, …
    String(Order, Operand<String>),
    /// `StringMatches`: `*` is anything, `\*` a star.
    StringMatches(String),
    /// `NumericEquals`, …
    Numeric(Order, Operand<f64>),
    /// `TimestampEquals`, …
    Timestamp(Order, Operand<Timestamp>),
    /// `BooleanEquals`
    Boolean(Operand<bool>),
    /// `IsNull`
    IsNull(bool),
    /// `IsPresent`
    IsPresent(bool),
    /// `IsNumeric`
    IsNumeric(bool),
    /// `IsString`
    IsString(bool),
    /// `IsBoolean`
    IsBoolean(bool),
    /// `IsTimestamp`
    IsTimestamp(bool),
}
