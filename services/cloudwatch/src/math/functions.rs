//! The functions of metric math.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::value::zip;
use super::{Expression, Grid, Points, Search, Series, Value, World, Wrong, evaluate};

/// What AWS has and nobody computes here.
const NOT_BUILT: &[&str] = &["ANOMALY_DETECTION_BAND", "DB_PERF_INSIGHTS", "LAMBDA", "SERVICE_QUOTA"];

type Outcome<W> = Result<Value, <W as World>::Failure>;

pub(super) fn call<W: World>(world: &mut W, name: &str, arguments: &[Expression]) -> Outcome<W> {
    if NOT_BUILT.contains(&name) {
        return Err(world.not_built(name));
    }
    match (name, arguments) {
        ("METRICS", []) => Ok(Value::Array(world.metrics("")?)),
        ("METRICS", [Expression::Text(part)]) => Ok(Value::Array(world.metrics(part)?)),
        ("SEARCH", [Expression::Text(what), Expression::Text(statistic), rest @ ..]) => {
            search(world, what, statistic, rest)
        }
        ("INSIGHT_RULE_METRIC", [Expression::Text(rule), Expression::Text(metric)]) => {
            Ok(Value::Series(world.insight(rule, metric)?))
        }
        ("TIME_SERIES", [number]) => {
            let number = scalar(evaluate(world, number)?)?;
            Ok(Value::Series(constant(world.grid(None), number)))
        }
        ("FILL", [series, filling]) => fill(world, series, filling),
        ("IF", [condition, yes]) => choose(world, condition, yes, None),
        ("IF", [condition, yes, no]) => choose(world, condition, yes, Some(no)),
        ("SORT", [array, Expression::Name(by), Expression::Name(order), rest @ ..]) => {
            sort(world, array, by, order, rest)
        }
        ("SLICE", [array, bounds @ ..]) => slice(world, array, bounds),
        (_, [one]) => {
            let value = evaluate(world, one)?;
            Ok(of_one(name, value)?)
        }
        _ if is_known(name) => Err(wrong_arguments(name).into()),
        _ => Err(Wrong(format!("Unknown function: {name}")).into()),
    }
}

/// Functions that take one argument, besides those of more.
const OF_ONE: &[&str] = &[
    "ABS",
    "AVG",
    "CEIL",
    "DATAPOINT_COUNT",
    "DATE",
    "DAY",
    "DIFF",
    "DIFF_TIME",
    "EPOCH",
    "FIRST",
    "FLOOR",
    "HOUR",
    "LAST",
    "LOG",
    "LOG10",
    "MAX",
    "METRIC_COUNT",
    "MIN",
    "MINUTE",
    "MONTH",
    "PERIOD",
    "RATE",
    "REMOVE_EMPTY",
    "RUNNING_SUM",
    "STDDEV",
    "SUM",
    "YEAR",
];
const OF_MORE: &[&str] = &["FILL", "IF", "INSIGHT_RULE_METRIC", "METRICS", "SEARCH", "SLICE", "SORT", "TIME_SERIES"];

fn is_known(name: &str) -> bool {
    OF_ONE.contains(&name) || OF_MORE.contains(&name)
}

fn wrong_arguments(name: &str) -> Wrong {
    Wrong(format!("Wrong arguments of the function: {name}"))
}

fn of_one(name: &str, value: Value) -> Result<Value, Wrong> {
    if let Some(fold) = fold_of(name) {
        return folded(name, value, fold);
    }
    match name {
        "ABS" => Ok(value.map(|v| Some(v.abs()))),
        "CEIL" => Ok(value.map(|v| Some(v.ceil()))),
        "FLOOR" => Ok(value.map(|v| Some(v.floor()))),
        "LOG" => Ok(value.map(|v| Some(v.ln()))),
        "LOG10" => Ok(value.map(|v| Some(v.log10()))),
        "DIFF" => value.each(|series| steps(series, |value, _| value)),
        "DIFF_TIME" => value.each(|series| steps(series, |_, seconds| seconds)),
        "RATE" => value.each(|series| steps(series, |value, seconds| value / seconds)),
        "RUNNING_SUM" => value.each(running_sum),
        "MINUTE" | "HOUR" | "DAY" | "DATE" | "MONTH" | "YEAR" | "EPOCH" => value.each(|series| moments(name, series)),
        "PERIOD" => match value {
            Value::Series(series) => Ok(Value::Scalar(float(series.period))),
            _ => Err(wrong_arguments(name)),
        },
        "METRIC_COUNT" | "FIRST" | "LAST" | "REMOVE_EMPTY" => of_array(name, value),
        _ if is_known(name) => Err(wrong_arguments(name)),
        _ => Err(Wrong(format!("Unknown function: {name}"))),
    }
}

fn of_array(name: &str, value: Value) -> Result<Value, Wrong> {
    let Value::Array(mut all) = value else { return Err(wrong_arguments(name)) };
    match name {
        "METRIC_COUNT" => Ok(Value::Scalar(all.len() as f64)),
        "REMOVE_EMPTY" => {
            all.retain(|series| !series.points.is_empty());
            Ok(Value::Array(all))
        }
        "FIRST" if !all.is_empty() => Ok(Value::Series(all.swap_remove(0))),
        _ => Ok(all.pop().map_or_else(|| Value::Array(Vec::new()), Value::Series)),
    }
}

type Fold = fn(&[f64]) -> f64;

/// What makes one figure of many.
fn fold_of(name: &str) -> Option<Fold> {
    Some(match name {
        "AVG" => |all| all.iter().sum::<f64>() / all.len() as f64,
        "SUM" => |all| all.iter().sum(),
        "MIN" => |all| all.iter().copied().fold(f64::INFINITY, f64::min),
        "MAX" => |all| all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "DATAPOINT_COUNT" => |all| all.len() as f64,
        "STDDEV" => |all| {
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt()
        },
        _ => return None,
    })
}

/// Of a series a number; of an array a series, whose points are of those that have one.
fn folded(name: &str, value: Value, fold: Fold) -> Result<Value, Wrong> {
    match value {
        Value::Scalar(_) => Err(wrong_arguments(name)),
        Value::Series(series) => {
            let values: Vec<f64> = series.points.into_values().collect();
            Ok(Value::Scalar(if values.is_empty() && name == "SUM" { 0.0 } else { fold(&values) }))
        }
        Value::Array(all) => {
            let mut columns = std::collections::BTreeMap::<i64, Vec<f64>>::new();
            let period = all.iter().map(|series| series.period).max().unwrap_or(0);
            all.iter().flat_map(|s| &s.points).for_each(|(at, value)| columns.entry(*at).or_default().push(*value));
            let series = Series { label: String::new(), source: None, period, points: Points::new() };
            Ok(Value::Series(series.with(columns.into_iter().map(|(at, values)| (at, fold(&values))))))
        }
    }
}

/// What each point is to the one before it: by how much its value is greater, and how many seconds later it is.
fn steps(mut series: Series, each: impl Fn(f64, f64) -> f64) -> Series {
    let points: Vec<(i64, f64)> = std::mem::take(&mut series.points).into_iter().collect();
    let step = |pair: &[(i64, f64)]| (pair[1].0, each(pair[1].1 - pair[0].1, float(pair[1].0 - pair[0].0)));
    series.with(points.windows(2).map(step))
}

fn running_sum(mut series: Series) -> Series {
    let mut sum = 0.0;
    let points = std::mem::take(&mut series.points);
    series.with(points.into_iter().map(|(at, value)| {
        sum += value;
        (at, sum)
    }))
}

/// Parts of the moment of each point, in UTC.
fn moments(name: &str, mut series: Series) -> Series {
    let part = |at: i64| -> Option<f64> {
        let civil: DateTime = jiff::tz::TimeZone::UTC.to_datetime(Timestamp::from_second(at).ok()?);
        Some(match name {
            "MINUTE" => f64::from(civil.minute()),
            "HOUR" => f64::from(civil.hour()),
            "DAY" => f64::from(civil.weekday().to_monday_one_offset()),
            "DATE" => f64::from(civil.day()),
            "MONTH" => f64::from(civil.month()),
            "YEAR" => f64::from(civil.year()),
            _ => float(at),
        })
    };
    let points = std::mem::take(&mut series.points);
    series.with(points.into_keys().filter_map(|at| Some((at, part(at)?))))
}

#[expect(clippy::cast_precision_loss, reason = "seconds are far below what a float tells apart")]
fn float(seconds: i64) -> f64 {
    seconds as f64
}

fn scalar(value: Value) -> Result<f64, Wrong> {
    match value {
        Value::Scalar(number) => Ok(number),
        _ => Err(Wrong::new("A number is needed, and a time series is given")),
    }
}

fn constant(grid: Grid, number: f64) -> Series {
    let series = Series { label: String::new(), source: None, period: grid.period, points: Points::new() };
    series.with(grid.moments().map(|at| (at, number)))
}

fn search<W: World>(world: &mut W, what: &str, statistic: &str, rest: &[Expression]) -> Outcome<W> {
    let period = match rest {
        [] => None,
        [Expression::Number(period)] => Some(*period),
        _ => return Err(wrong_arguments("SEARCH").into()),
    };
    let search = Search::parse(what, statistic, period)?;
    Ok(Value::Array(world.search(&search)?))
}

fn fill<W: World>(world: &mut W, series: &Expression, filling: &Expression) -> Outcome<W> {
    let series = evaluate(world, series)?;
    let grid = |world: &W, series: &Series| world.grid(Some(series.period));
    let fill: Box<dyn Fn(Series, Grid) -> Series> = match filling {
        Expression::Name(way) if way == "REPEAT" => Box::new(repeated),
        Expression::Name(way) if way == "LINEAR" => Box::new(straightened),
        other => match evaluate(world, other)? {
            Value::Scalar(number) => Box::new(move |series, grid| {
                let mut points = constant(grid, number).points;
                points.extend(series.points.iter().map(|(at, v)| (*at, *v)));
                series.with(points)
            }),
            Value::Series(other) => Box::new(move |series, _| {
                let mut points = other.points.clone();
                points.extend(series.points.iter().map(|(at, v)| (*at, *v)));
                series.with(points)
            }),
            Value::Array(_) => return Err(wrong_arguments("FILL").into()),
        },
    };
    let world = &*world;
    Ok(series.each(|one| {
        let grid = grid(world, &one);
        fill(one, grid)
    })?)
}

/// A missing point has the value of the one before it.
fn repeated(series: Series, grid: Grid) -> Series {
    let mut last = None;
    let points = grid.moments().filter_map(|at| {
        last = series.points.get(&at).copied().or(last);
        Some((at, last?))
    });
    let points: Points = points.collect();
    series.with(points)
}

/// A missing point lies on the line between the points beside it.
fn straightened(series: Series, grid: Grid) -> Series {
    let line = |at: i64| {
        if let Some(value) = series.points.get(&at) {
            return Some(*value);
        }
        let (before, low) = series.points.range(..at).next_back()?;
        let (after, high) = series.points.range(at..).next()?;
        Some(low + (high - low) * float(at - before) / float(after - before))
    };
    let points: Points = grid.moments().filter_map(|at| Some((at, line(at)?))).collect();
    series.with(points)
}

fn choose<W: World>(world: &mut W, condition: &Expression, yes: &Expression, no: Option<&Expression>) -> Outcome<W> {
    let (condition, yes) = (evaluate(world, condition)?, evaluate(world, yes)?);
    let no = no.map(|no| evaluate(world, no)).transpose()?;
    match condition {
        Value::Scalar(truth) if truth != 0.0 => Ok(yes),
        Value::Scalar(_) => Ok(no.unwrap_or_else(|| Value::Array(Vec::new()))),
        Value::Series(condition) => {
            let mut chosen = Points::new();
            for (at, truth) in &condition.points {
                let side = if *truth != 0.0 { Some(&yes) } else { no.as_ref() };
                let value = match side {
                    None => None,
                    Some(Value::Scalar(number)) => Some(*number),
                    Some(Value::Series(series)) => series.points.get(at).copied(),
                    Some(Value::Array(_)) => return Err(wrong_arguments("IF").into()),
                };
                chosen.extend(value.map(|value| (*at, value)));
            }
            let named = Series { source: None, ..condition };
            Ok(Value::Series(named.with(chosen)))
        }
        Value::Array(all) => match yes {
            Value::Scalar(number) if no.is_none() => {
                let one = |c: &Series| zip(c, c, |truth, _| if truth != 0.0 { number } else { f64::NAN });
                Ok(Value::Array(all.iter().map(one).collect()))
            }
            _ => Err(wrong_arguments("IF").into()),
        },
    }
}

fn array<W: World>(world: &mut W, expression: &Expression, function: &str) -> Result<Vec<Series>, W::Failure> {
    match evaluate(world, expression)? {
        Value::Array(all) => Ok(all),
        Value::Series(one) => Ok(vec![one]),
        Value::Scalar(_) => Err(wrong_arguments(function).into()),
    }
}

fn sort<W: World>(world: &mut W, of: &Expression, by: &str, order: &str, rest: &[Expression]) -> Outcome<W> {
    let fold = fold_of(by).ok_or_else(|| Wrong(format!("Unknown function to sort by: {by}")))?;
    let descending = match order {
        "ASC" => false,
        "DESC" => true,
        _ => return Err(Wrong(format!("Unknown order: {order}")).into()),
    };
    let mut all = array(world, of, "SORT")?;
    let figure = |series: &Series| fold(&series.points.values().copied().collect::<Vec<_>>());
    // Those without a point are last either way.
    all.sort_by(|a, b| {
        let empty = a.points.is_empty().cmp(&b.points.is_empty());
        let order = figure(a).total_cmp(&figure(b));
        empty.then(if descending { order.reverse() } else { order })
    });
    match rest {
        [] => {}
        [most] => all.truncate(index(scalar(evaluate(world, most)?)?)?),
        _ => return Err(wrong_arguments("SORT").into()),
    }
    Ok(Value::Array(all))
}

fn slice<W: World>(world: &mut W, of: &Expression, bounds: &[Expression]) -> Outcome<W> {
    let all = array(world, of, "SLICE")?;
    let (from, to) = match bounds {
        [from] => (index(scalar(evaluate(world, from)?)?)?, all.len()),
        [from, to] => (index(scalar(evaluate(world, from)?)?)?, index(scalar(evaluate(world, to)?)?)?),
        _ => return Err(wrong_arguments("SLICE").into()),
    };
    Ok(Value::Array(all.into_iter().take(to).skip(from).collect()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked to be a small whole number")]
fn index(number: f64) -> Result<usize, Wrong> {
    let good = number >= 0.0 && number.fract() == 0.0 && number <= 1e6;
    good.then_some(number as usize).ok_or_else(|| Wrong(format!("Not a place in an array: {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::parse;

    /// Three series of five minutes: one to five; two, a hole, four; and one without a point.
    struct Three;

    #[derive(Debug, PartialEq)]
    struct Failed(String);

    impl From<Wrong> for Failed {
        fn from(wrong: Wrong) -> Self {
            Self(wrong.0)
        }
    }

    fn series(label: &str, points: &[(i64, f64)]) -> Series {
        Series { label: label.to_owned(), source: None, period: 60, points: points.iter().copied().collect() }
    }

    impl World for Three {
        type Failure = Failed;

        fn query(&mut self, id: &str) -> Result<Value, Failed> {
            Ok(Value::Series(match id {
                "m1" => series("m1", &[(0, 1.0), (60, 2.0), (120, 3.0), (180, 4.0), (240, 5.0)]),
                "m2" => series("m2", &[(0, 2.0), (120, 4.0)]),
                "m3" => series("m3", &[]),
                _ => return Err(Failed(format!("no {id}"))),
            }))
        }

        fn metrics(&mut self, containing: &str) -> Result<Vec<Series>, Failed> {
            let ids = ["m1", "m2", "m3"].into_iter().filter(|id| id.contains(containing));
            ids.map(|id| self.query(id).map(|v| if let Value::Series(s) = v { s } else { unreachable!() })).collect()
        }

        fn search(&mut self, _: &Search) -> Result<Vec<Series>, Failed> {
            self.metrics("")
        }

        fn insight(&mut self, rule: &str, _: &str) -> Result<Series, Failed> {
            Ok(series(rule, &[(0, 1.0)]))
        }

        fn not_built(&mut self, function: &str) -> Failed {
            Failed(format!("not built: {function}"))
        }

        fn grid(&self, period: Option<i64>) -> Grid {
            Grid { start: 0, end: 300, period: period.unwrap_or(60) }
        }
    }

    fn told(text: &str) -> String {
        let tell = |s: &Series| {
            let points = s.points.iter().map(|(at, v)| format!("{}:{v}", at / 60));
            points.collect::<Vec<_>>().join(" ")
        };
        match parse(text).map_err(Failed::from).and_then(|e| evaluate(&mut Three, &e)) {
            Ok(Value::Scalar(number)) => number.to_string(),
            Ok(Value::Series(series)) => tell(&series),
            Ok(Value::Array(all)) => format!("[{}]", all.iter().map(tell).collect::<Vec<_>>().join(", ")),
            Err(Failed(why)) => format!("! {why}"),
        }
    }

    #[test]
    fn operators_meet_where_both_sides_have_a_point() {
        for (text, wanted) in [
            ("m1 + m2", "0:3 2:7"),
            ("m1 * 2 - 1", "0:1 1:3 2:5 3:7 4:9"),
            ("-m2 ^ 2", "0:-4 2:-16"),
            ("m2 / (m1 - 1)", "2:2"),
            ("m1 > 2", "0:0 1:0 2:1 3:1 4:1"),
            ("m1 > 1 AND m1 <= 3", "0:0 1:1 2:1 3:0 4:0"),
            ("METRICS() + 1", "[0:2 1:3 2:4 3:5 4:6, 0:3 2:5, ]"),
            ("METRICS('2') * m1", "[0:2 2:12]"),
            ("[m1] * [m2]", "! An operator stands between two arrays of time series"),
            ("2 + 3 * 4", "14"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn functions_do_what_the_guide_says() {
        for (text, wanted) in [
            ("SUM(m1)", "15"),
            ("SUM([m1, m2])", "0:3 1:2 2:7 3:4 4:5"),
            ("AVG(METRICS())", "0:1.5 1:2 2:3.5 3:4 4:5"),
            ("MAX(m1) - MIN(m1)", "4"),
            ("STDDEV(m2)", "1"),
            ("DATAPOINT_COUNT(m2)", "2"),
            ("DATAPOINT_COUNT(METRICS())", "0:2 1:1 2:2 3:1 4:1"),
            ("METRIC_COUNT(METRICS())", "3"),
            ("METRIC_COUNT(REMOVE_EMPTY(METRICS()))", "2"),
            ("FILL(m2, 0)", "0:2 1:0 2:4 3:0 4:0"),
            ("FILL(m2, REPEAT)", "0:2 1:2 2:4 3:4 4:4"),
            ("FILL(m2, LINEAR)", "0:2 1:3 2:4"),
            ("FILL(m2, m1)", "0:2 1:2 2:4 3:4 4:5"),
            ("FILL(m2, AVG(m2))", "0:2 1:3 2:4 3:3 4:3"),
            ("FILL(METRICS('m3'), 7)", "[0:7 1:7 2:7 3:7 4:7]"),
            ("RATE(m2)", "2:0.016666666666666666"),
            ("DIFF(m1)", "1:1 2:1 3:1 4:1"),
            ("DIFF_TIME(m2)", "2:120"),
            ("RUNNING_SUM(m1)", "0:1 1:3 2:6 3:10 4:15"),
            ("IF(m1 > 2, m1, 0)", "0:0 1:0 2:3 3:4 4:5"),
            ("IF(m1 > 2, m1)", "2:3 3:4 4:5"),
            ("IF(1 > 2, m1, m2)", "0:2 2:4"),
            ("MINUTE(m2)", "0:0 2:2"),
            ("YEAR(m2) + MONTH(m2) + DATE(m2) + DAY(m2) + HOUR(m2)", "0:1976 2:1976"),
            ("EPOCH(m2)", "0:0 2:120"),
            ("m1 / PERIOD(m1) * 60", "0:1 1:2 2:3 3:4 4:5"),
            ("TIME_SERIES(MAX(m1))", "0:5 1:5 2:5 3:5 4:5"),
            ("FIRST(SORT(METRICS(), MAX, ASC))", "0:2 2:4"),
            ("SORT(METRICS(), SUM, DESC, 1)", "[0:1 1:2 2:3 3:4 4:5]"),
            ("SLICE(METRICS(), 1, 2)", "[0:2 2:4]"),
            ("SLICE(METRICS(), 1)", "[0:2 2:4, ]"),
            ("LAST(SLICE(METRICS(), 0, 2))", "0:2 2:4"),
            ("ABS(CEIL(0 - 1.5)) + FLOOR(1.5) + LOG10(100)", "4"),
            ("LOG(m3)", ""),
            ("INSIGHT_RULE_METRIC('rule', 'Sum')", "0:1"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_said() {
        for (text, wanted) in [
            ("MEAN(m1)", "! Unknown function: MEAN"),
            ("SUM(3)", "! Wrong arguments of the function: SUM"),
            ("SUM(m1, m2)", "! Wrong arguments of the function: SUM"),
            ("SORT(METRICS(), MEAN, ASC)", "! Unknown function to sort by: MEAN"),
            ("SORT(METRICS(), MAX, UP)", "! Unknown order: UP"),
            ("ANOMALY_DETECTION_BAND(m1, 2)", "! not built: ANOMALY_DETECTION_BAND"),
            ("TIME_SERIES(m1)", "! A number is needed, and a time series is given"),
            ("SLICE(METRICS(), 0.5)", "! Not a place in an array: 0.5"),
            ("RATE(3)", "! A time series is needed, and a number is given"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }
}
