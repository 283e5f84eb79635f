//! Numbers, series of points, arrays of series, and what operators make of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Wrong;
use super::parser::Operator;

/// A figure by the second in which its period begins.
pub(crate) type Points = BTreeMap<i64, f64>;

/// The metric from which a series comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: Vec<(String, String)>,
    pub(crate) statistic: String,
}

/// A series of points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// What it is called where several come from one expression.
    pub(crate) label: String,
    pub(crate) source: Option<Arc<Source>>,
    /// Seconds.
    pub(crate) period: i64,
    pub(crate) points: Points,
}

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(f64),
    Series(Series),
    Array(Vec<Series>),
}

impl Series {
    /// The same with other points; those that are no numbers are left out.
    pub(crate) fn with(self, points: impl IntoIterator<Item = (i64, f64)>) -> Self {
        Self { points: points.into_iter().filter(|(_, value)| value.is_finite()).collect(), ..self }
    }

    /// Each point through a function.
    pub(crate) fn map(mut self, each: impl Fn(f64) -> Option<f64>) -> Self {
        let points = std::mem::take(&mut self.points);
        self.with(points.into_iter().filter_map(|(at, value)| Some((at, each(value)?))))
    }
}

impl Value {
    /// Each point, or the number, through a function.
    pub(crate) fn map(self, each: impl Fn(f64) -> Option<f64>) -> Self {
        match self {
            Self::Scalar(number) => Self::Scalar(each(number).unwrap_or(f64::NAN)),
            Self::Series(series) => Self::Series(series.map(each)),
            Self::Array(all) => Self::Array(all.into_iter().map(|series| series.map(&each)).collect()),
        }
    }

    /// Each series through a function.
    pub(crate) fn each(self, change: impl Fn(Series) -> Series) -> Result<Self, Wrong> {
        match self {
            Self::Scalar(_) => Err(Wrong::new("A time series is needed, and a number is given")),
            Self::Series(series) => Ok(Self::Series(change(series))),
            Self::Array(all) => Ok(Self::Array(all.into_iter().map(change).collect())),
        }
    }
}

/// What an operator makes of two numbers.
fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    let truth = |is: bool| if is { 1.0 } else { 0.0 };
    match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        #[expect(clippy::float_cmp, reason = "the operator compares exactly")]
        Operator::Equal => truth(left == right),
        #[expect(clippy::float_cmp, reason = "the operator compares exactly")]
        Operator::Unequal => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Divided => left / right,
        Operator::Power => left.powf(right),
    }
}

/// Two series meet where both have a point.
pub(super) fn zip(left: &Series, right: &Series, each: impl Fn(f64, f64) -> f64) -> Series {
    let both = left.points.iter().filter_map(|(at, l)| Some((*at, each(*l, *right.points.get(at)?))));
    let points: Vec<(i64, f64)> = both.collect();
    Series { period: left.period.max(right.period), source: None, ..left.clone() }.with(points)
}

/// What an operator makes of two values.
pub(super) fn binary(operator: Operator, left: Value, right: Value) -> Result<Value, Wrong> {
    let apply = |l: f64, r: f64| apply(operator, l, r);
    Ok(match (left, right) {
        (Value::Scalar(l), Value::Scalar(r)) => Value::Scalar(apply(l, r)),
        (Value::Scalar(l), right) => right.map(|r| Some(apply(l, r))),
        (left, Value::Scalar(r)) => left.map(|l| Some(apply(l, r))),
        (Value::Series(l), Value::Series(r)) => Value::Series(zip(&l, &r, apply)),
        (Value::Array(all), Value::Series(r)) => Value::Array(all.iter().map(|l| zip(l, &r, apply)).collect()),
        (Value::Series(l), Value::Array(all)) => {
            let named = |r: &Series| Series { label: r.label.clone(), ..zip(&l, r, apply) };
            Value::Array(all.iter().map(named).collect())
        }
        (Value::Array(_), Value::Array(_)) => {
            return Err(Wrong::new("An operator stands between two arrays of time series"));
        }
    })
}
