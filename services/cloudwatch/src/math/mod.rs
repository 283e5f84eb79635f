//! Metric math: expressions over series of points.
//!
//! Source: "Using metric math" in the user guide, "Metric math syntax and functions". What a point has no value for (a division by
//! zero, a missing point on one side) is no point of the result.

mod functions;
mod lexer;
mod parser;
mod search;
mod value;

pub(crate) use parser::{Expression, parse};
pub(crate) use search::Search;
pub(crate) use value::{Points, Series, Source, Value};

/// What is wrong with an expression. The reference shows none of AWS's own sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

impl Wrong {
    pub(crate) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

/// The seconds at which the periods of a request begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) period: i64,
}

impl Grid {
    pub(crate) fn moments(self) -> impl Iterator<Item = i64> {
        let step = usize::try_from(self.period.max(1)).unwrap_or(1);
        (self.start..self.end).step_by(step)
    }
}

/// What evaluation asks of those who know the metrics.
pub(crate) trait World {
    /// What went wrong besides the expression itself.
    type Failure: From<Wrong>;

    /// The value of another query of the request.
    fn query(&mut self, id: &str) -> Result<Value, Self::Failure>;

    /// The queries of the request that are metrics, of those whose ids have a text in them.
    fn metrics(&mut self, containing: &str) -> Result<Vec<Series>, Self::Failure>;

    /// What a search finds.
    fn search(&mut self, search: &Search) -> Result<Vec<Series>, Self::Failure>;

    /// A metric of a rule of Contributor Insights.
    fn insight(&mut self, rule: &str, metric: &str) -> Result<Series, Self::Failure>;

    /// What AWS computes and nobody does here.
    fn not_built(&mut self, function: &str) -> Self::Failure;

    /// When the periods begin; `period` is that of a series, if there is one.
    fn grid(&self, period: Option<i64>) -> Grid;
}

/// The value of an expression.
pub(crate) fn evaluate<W: World>(world: &mut W, expression: &Expression) -> Result<Value, W::Failure> {
    match expression {
        Expression::Number(number) => Ok(Value::Scalar(*number)),
        Expression::Text(_) => Err(Wrong::new("A text is no value").into()),
        Expression::Name(id) => world.query(id),
        Expression::Negative(inner) => Ok(evaluate(world, inner)?.map(|v| Some(-v))),
        Expression::Binary(operator, left, right) => {
            let (left, right) = (evaluate(world, left)?, evaluate(world, right)?);
            Ok(value::binary(*operator, left, right)?)
        }
        Expression::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match evaluate(world, item)? {
                    Value::Scalar(_) => return Err(Wrong::new("An array has only time series in it").into()),
                    Value::Series(one) => all.push(one),
                    Value::Array(many) => all.extend(many),
                }
            }
            Ok(Value::Array(all))
        }
        Expression::Call(name, arguments) => functions::call(world, name, arguments),
    }
}
