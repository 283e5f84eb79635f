//! Expressions as they are written. Printing a tree and parsing what was printed gives the same tree.

use std::fmt;

/// A document path as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// A name or placeholder first, then any.
    pub parts: Vec<Part>,
}

/// A step of a path as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `name`
    Name(String),
    /// `#name`, with its mark
    Placeholder(String),
    /// `[digits]`, however many
    Index(String),
}

/// A function and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The name, as written.
    pub function: String,
    /// At least one.
    pub arguments: Vec<Operand>,
}

/// Something that has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A place in the item.
    Path(Path),
    /// `:value`, with its mark.
    Value(String),
    /// What a function makes.
    Call(Call),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparator written so.
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|comparator| comparator.symbol() == symbol)
    }

    /// The comparator that says the same with the operands exchanged.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// Something that is true or false of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Two or more, of which one must hold.
    Or(Vec<Condition>),
    /// Two or more, which must all hold.
    And(Vec<Condition>),
    /// What must not hold.
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
        /// At least one.
        candidates: Vec<Operand>,
    },
    /// `function(arguments)`
    Call(Call),
}

/// An update as written: its clauses, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// At least one.
    pub clauses: Vec<Clause>,
}

/// A clause of an update, with at least one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    /// `SET path = value`
    Set(Vec<(Path, SetValue)>),
    /// `REMOVE path`
    Remove(Vec<Path>),
    /// `ADD path :value`
    Add(Vec<(Path, String)>),
    /// `DELETE path :value`
    Delete(Vec<(Path, String)>),
}

impl Clause {
    /// Its keyword.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Set(_) => "SET",
            Self::Remove(_) => "REMOVE",
            Self::Add(_) => "ADD",
            Self::Delete(_) => "DELETE",
        }
    }
}

/// What a place is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    /// A value.
    Operand(Operand),
    /// `left + right`
    Sum(Operand, Operand),
    /// `left - right`
    Difference(Operand, Operand),
}

/// A projection as written: paths, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The paths.
    pub paths: Vec<Path>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Index(digits) => write!(f, "[{digits}]")?,
                Part::Name(name) | Part::Placeholder(name) if place == 0 => f.write_str(name)?,
                Part::Name(name) | Part::Placeholder(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

/// Writes each with a separator between.
fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[T], separator: &str) -> fmt::Result {
    parts.iter().enumerate().try_for_each(|(place, part)| {
        let before = if place == 0 { "" } else { separator };
        write!(f, "{before}{part}")
    })
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        joined(f, &self.arguments, ", ")?;
        f.write_str(")")
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Value(placeholder) => f.write_str(placeholder),
            Self::Call(call) => call.fmt(f),
        }
    }
}

impl Condition {
    /// Writes a part of a larger condition, in parentheses if without them it would be read otherwise.
    fn write_part(&self, f: &mut fmt::Formatter<'_>, bare: bool) -> fmt::Result {
        if bare { write!(f, "{self}") } else { write!(f, "({self})") }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => parts.iter().enumerate().try_for_each(|(place, part)| {
                f.write_str(if place == 0 { "" } else { " OR " })?;
                part.write_part(f, !matches!(part, Self::Or(_)))
            }),
            Self::And(parts) => parts.iter().enumerate().try_for_each(|(place, part)| {
                f.write_str(if place == 0 { "" } else { " AND " })?;
                part.write_part(f, !matches!(part, Self::Or(_) | Self::And(_)))
            }),
            Self::Not(part) => {
                f.write_str("NOT ")?;
                part.write_part(f, !matches!(**part, Self::Or(_) | Self::And(_)))
            }
            Self::Compare { comparator, left, right } => write!(f, "{left} {} {right}", comparator.symbol()),
            Self::Between { value, low, high } => write!(f, "{value} BETWEEN {low} AND {high}"),
            Self::In { value, candidates } => {
                write!(f, "{value} IN (")?;
                joined(f, candidates, ", ")?;
                f.write_str(")")
            }
            Self::Call(call) => call.fmt(f),
        }
    }
}

impl fmt::Display for SetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand(operand) => operand.fmt(f),
            Self::Sum(left, right) => write!(f, "{left} + {right}"),
            Self::Difference(left, right) => write!(f, "{left} - {right}"),
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.keyword())?;
        match self {
            Self::Set(actions) => {
                let shown: Vec<String> = actions.iter().map(|(path, value)| format!("{path} = {value}")).collect();
                joined(f, &shown, ", ")
            }
            Self::Remove(paths) => joined(f, paths, ", "),
            Self::Add(actions) | Self::Delete(actions) => {
                let shown: Vec<String> = actions.iter().map(|(path, value)| format!("{path} {value}")).collect();
                joined(f, &shown, ", ")
            }
        }
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.clauses, " ")
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.paths, ", ")
    }
}
