//! Condition operators, compiled.
//!
//! Absent keys follow "Condition operators" and "Set operators for multi-valued context keys" of the IAM User Guide:
//! a positive operator fails, a negated one holds, `…IfExists` holds, `ForAllValues` holds, `ForAnyValue` fails
//! (also with `IfExists`: a set without a member has no member that matches).

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::arn::{self, ArnPattern};
use crate::context::Values;
use crate::document::ConditionEntry;
use crate::pattern::{Pattern, Reading, Resolve};
use crate::value::{self, Network, Number};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Plain,
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Text { like: bool, ignore_case: bool },
    Number(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

/// An operator's name, taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator {
    quantifier: Quantifier,
    if_exists: bool,
    negated: bool,
    family: Family,
}

impl Operator {
    /// Reads a name such as `ForAnyValue:StringNotLikeIfExists`; `None` when there is no such operator.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (quantifier, name) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Quantifier::All, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Quantifier::Any, rest)
        } else {
            (Quantifier::Plain, name)
        };
        let (if_exists, name) = name.strip_suffix("IfExists").map_or((false, name), |rest| (true, rest));
        let (negated, family) = family(name)?;
        let null_alone = family != Family::Null || (quantifier == Quantifier::Plain && !if_exists);
        null_alone.then_some(Self { quantifier, if_exists, negated, family })
    }

    /// Whether the values of this operator are dates, which IAM checks when a policy is stored.
    pub(crate) fn compares_dates(self) -> bool {
        matches!(self.family, Family::Date(_))
    }
}

fn family(name: &str) -> Option<(bool, Family)> {
    let text = |like, ignore_case| Family::Text { like, ignore_case };
    Some(match name {
        "StringEquals" => (false, text(false, false)),
        "StringNotEquals" => (true, text(false, false)),
        "StringEqualsIgnoreCase" => (false, text(false, true)),
        "StringNotEqualsIgnoreCase" => (true, text(false, true)),
        "StringLike" => (false, text(true, false)),
        "StringNotLike" => (true, text(true, false)),
        "Bool" => (false, Family::Bool),
        "BinaryEquals" => (false, Family::Binary),
        "IpAddress" => (false, Family::Address),
        "NotIpAddress" => (true, Family::Address),
        "ArnEquals" | "ArnLike" => (false, Family::Arn),
        "ArnNotEquals" | "ArnNotLike" => (true, Family::Arn),
        "Null" => (false, Family::Null),
        _ => {
            let (make, rest): (fn(Comparison) -> Family, &str) = match name.strip_prefix("Numeric") {
                Some(rest) => (Family::Number, rest),
                None => (Family::Date, name.strip_prefix("Date")?),
            };
            let (negated, comparison) = match rest {
                "Equals" => (false, Comparison::Equal),
                "NotEquals" => (true, Comparison::Equal),
                "LessThan" => (false, Comparison::Less),
                "LessThanEquals" => (false, Comparison::LessOrEqual),
                "GreaterThan" => (false, Comparison::Greater),
                "GreaterThanEquals" => (false, Comparison::GreaterOrEqual),
                _ => return None,
            };
            (negated, make(comparison))
        }
    })
}

/// The values of a condition in the form its operator compares. A value that is not of the form matches nothing.
#[derive(Debug, Clone)]
enum Operands {
    Text(Vec<Pattern>),
    IgnoringCase(Vec<Pattern>),
    Number(Comparison, Vec<Number>),
    Date(Comparison, Vec<i64>),
    Binary(Vec<String>),
    Address(Vec<Network>),
    Arn(Vec<ArnPattern>),
    Null(Vec<bool>),
}

/// One compiled entry of a `Condition`.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// The key in lower case, as contexts are asked for it.
    key: String,
    operator: Operator,
    operands: Operands,
}

impl Condition {
    /// Compiles an entry; `None` when its operator does not exist.
    pub(crate) fn compile(entry: &ConditionEntry, variables: bool) -> Option<Self> {
        let operator = Operator::parse(&entry.operator)?;
        let values = &entry.values;
        let text = |wildcards, fold| {
            let reading = Reading { wildcards, variables, fold };
            values.iter().map(|value| Pattern::compile(value, reading)).collect()
        };
        let operands = match operator.family {
            Family::Text { ignore_case: true, .. } => Operands::IgnoringCase(
                values
                    .iter()
                    .map(|value| lowered(value, Reading { wildcards: false, variables, fold: true }))
                    .collect(),
            ),
            Family::Text { like, ignore_case: false } => Operands::Text(text(like, false)),
            Family::Bool => Operands::Text(text(false, true)),
            Family::Number(comparison) => {
                Operands::Number(comparison, values.iter().filter_map(|value| Number::parse(value)).collect())
            }
            Family::Date(comparison) => {
                Operands::Date(comparison, values.iter().filter_map(|value| value::date(value)).collect())
            }
            Family::Binary => Operands::Binary(values.clone()),
            Family::Address => Operands::Address(values.iter().filter_map(|value| Network::parse(value)).collect()),
            Family::Arn => {
                Operands::Arn(values.iter().map(|value| ArnPattern::of_condition(value, variables)).collect())
            }
            Family::Null => Operands::Null(values.iter().map(|value| value.eq_ignore_ascii_case("true")).collect()),
        };
        Some(Self { key: entry.key.to_lowercase(), operator, operands })
    }

    /// Whether the condition holds for a request whose keys `lookup` knows.
    pub(crate) fn holds<'c>(&self, lookup: &dyn Fn(&str) -> Option<Values<'c>>, resolve: Resolve<'_>) -> bool {
        let found = lookup(&self.key).filter(|values| !values.is_empty());
        if let Operands::Null(wanted) = &self.operands {
            return wanted.contains(&found.is_none());
        }
        let Operator { quantifier, if_exists, negated, .. } = self.operator;
        let Some(found) = found else {
            return match quantifier {
                Quantifier::All => true,
                Quantifier::Any => false,
                Quantifier::Plain => if_exists || negated,
            };
        };
        match quantifier {
            Quantifier::All => found.iter().all(|value| self.matches(value, resolve) != negated),
            Quantifier::Any => found.iter().any(|value| self.matches(value, resolve) != negated),
            // A multi-valued key without a set operator: any value may match, and none may under a negation.
            Quantifier::Plain => found.iter().any(|value| self.matches(value, resolve)) != negated,
        }
    }

    fn matches(&self, value: &str, resolve: Resolve<'_>) -> bool {
        match &self.operands {
            Operands::Text(patterns) => patterns.iter().any(|pattern| pattern.matches(value, resolve)),
            Operands::IgnoringCase(patterns) => {
                let value = value.to_lowercase();
                let lowered = |key: &str| resolve(key).map(|text| text.to_lowercase());
                patterns.iter().any(|pattern| pattern.matches(&value, &lowered))
            }
            Operands::Number(comparison, operands) => Number::parse(value).is_some_and(|value| {
                operands.iter().any(|operand| value.compare(*operand).is_some_and(|order| comparison.holds(order)))
            }),
            Operands::Date(comparison, operands) => value::date(value)
                .is_some_and(|value| operands.iter().any(|operand| comparison.holds(value.cmp(operand)))),
            Operands::Binary(operands) => operands.iter().any(|operand| value::same_binary(value, operand)),
            Operands::Address(networks) => value
                .trim()
                .parse::<IpAddr>()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(address))),
            Operands::Arn(patterns) => {
                let parts = arn::split(value);
                patterns.iter().any(|pattern| pattern.matches(parts.as_ref(), resolve))
            }
            Operands::Null(_) => false,
        }
    }
}

/// Lower-cases the text of a pattern but not the variables in it (their keys are lower-cased anyway).
fn lowered(value: &str, reading: Reading) -> Pattern {
    Pattern::compile(&value.to_lowercase(), reading)
}
