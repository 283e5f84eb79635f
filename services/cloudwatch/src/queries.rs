//! The queries of `GetMetricData` and of alarms: metrics, and expressions over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use undercast_kernel::metrics::{self, MINUTE, Metric, Series as Known, Statistics};
use undercast_kernel::{Cx, Failure, Result, insights};

use crate::api::kept::{MetricDataQuery, MetricStat};
use crate::error::validation;
use crate::math::{self, Grid, Points, Search, Series, Source, Value, World, Wrong};
use crate::span::{Span, is_period};
use crate::statistic::Statistic;

/// A search finds so many metrics at most.
const MOST_FOUND: usize = 500;

/// Seconds: a metric without a value for so long is not found by a search.
const FOUND: i64 = 14 * metrics::DAY;

/// The queries of one request, each of which is worked out once.
pub(crate) struct Queries<'a> {
    cx: &'a Cx,
    all: &'a [MetricDataQuery],
    start: i64,
    end: i64,
    known: BTreeMap<&'a str, Value>,
    /// Those that are being worked out: an expression that needs itself has no value.
    open: Vec<&'a str>,
}

/// Why there is no value.
pub(crate) enum Stop {
    Wrong(Wrong),
    Failure(Failure),
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Refuses queries that cannot be, whatever the metrics are.
pub(crate) fn check(queries: &[MetricDataQuery]) -> Result<()> {
    let mut ids = BTreeSet::new();
    for query in queries {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !query.id.starts_with(|c: char| c.is_ascii_lowercase()) || !query.id.bytes().all(good) {
            return Err(validation(format!("The value {} for parameter Id is invalid.", query.id)));
        }
        if !ids.insert(&query.id) {
            return Err(validation("The values for parameter id in MetricDataQueries are not unique."));
        }
        match (&query.metric_stat, &query.expression) {
            (Some(_), Some(_)) => {
                return Err(validation("MetricStat and Expression must not both be specified."));
            }
            (None, None) => return Err(validation("Either MetricStat or Expression must be specified.")),
            (Some(stat), None) => check_metric(query, stat)?,
            (None, Some(expression)) => check_expression(query, expression)?,
        }
    }
    Ok(())
}

fn check_metric(query: &MetricDataQuery, stat: &MetricStat) -> Result<()> {
    if query.period.is_some() {
        return Err(validation("Period must not be set where MetricStat is."));
    }
    if Statistic::parse(&stat.stat).is_none() {
        return Err(validation(format!("The value {} for parameter Stat is invalid.", stat.stat)));
    }
    if !is_period(i64::from(stat.period)) {
        return Err(validation("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60."));
    }
    Ok(())
}

fn check_expression(query: &MetricDataQuery, expression: &str) -> Result<()> {
    if expression.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("SELECT ")) {
        return Err(Failure::not_built("queries of Metrics Insights"));
    }
    math::parse(expression).map_err(|wrong| in_expression(&query.id, &wrong))?;
    if query.period.is_some_and(|period| !is_period(i64::from(period))) {
        return Err(validation("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60."));
    }
    Ok(())
}

fn in_expression(id: &str, wrong: &Wrong) -> Failure {
    validation(format!("Error in expression '{id}': {}", wrong.0))
}

/// What a metric had in each period.
pub(crate) fn periods(cx: &Cx, stat: &MetricStat, start: i64, end: i64) -> Result<BTreeMap<i64, Statistics>> {
    let metric = &stat.metric;
    let dimensions: Vec<(&str, &str)> =
        metric.dimensions.iter().flatten().map(|d| (d.name.as_str(), d.value.as_str())).collect();
    let (namespace, name) = (metric.namespace.as_deref(), metric.metric_name.as_deref());
    let asked = Metric {
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
        dimensions: &dimensions,
        unit: "",
    };
    let found = metrics::find(&cx.read(), (cx.account(), cx.region()), &asked, stat.unit.as_deref())?;
    let span = Span::new(cx, start, end, i64::from(stat.period));
    let mut periods = BTreeMap::<i64, Statistics>::new();
    for one in found {
        for (at, values) in span.read(cx, &one)? {
            periods.entry(at).or_default().merge(&values);
        }
    }
    Ok(periods)
}

impl<'a> Queries<'a> {
    /// Queries over the seconds from `start` on and before `end`, which were checked before.
    pub(crate) fn new(cx: &'a Cx, all: &'a [MetricDataQuery], start: i64, end: i64) -> Self {
        Self { cx, all, start, end, known: BTreeMap::new(), open: Vec::new() }
    }

    /// What a query is worth.
    pub(crate) fn value(&mut self, query: &'a MetricDataQuery) -> Result<Value> {
        if let Some(known) = self.known.get(query.id.as_str()) {
            return Ok(known.clone());
        }
        let value = match (&query.metric_stat, &query.expression) {
            (Some(stat), _) => Value::Series(self.metric(query, stat)?),
            (None, Some(expression)) => self.expression(&query.id, expression)?,
            (None, None) => return Err(validation("Either MetricStat or Expression must be specified.")),
        };
        self.known.insert(&query.id, value.clone());
        Ok(value)
    }

    fn metric(&self, query: &MetricDataQuery, stat: &MetricStat) -> Result<Series> {
        let unknown = || validation(format!("The value {} for parameter Stat is invalid.", stat.stat));
        let statistic = Statistic::parse(&stat.stat).ok_or_else(unknown)?;
        let values = periods(self.cx, stat, self.start, self.end)?;
        let metric = &stat.metric;
        let source = Source {
            namespace: metric.namespace.clone().unwrap_or_else(String::new),
            name: metric.metric_name.clone().unwrap_or_else(String::new),
            dimensions: metric.dimensions.iter().flatten().map(|d| (d.name.clone(), d.value.clone())).collect(),
            statistic: stat.stat.clone(),
        };
        Ok(Series {
            label: query.label.clone().unwrap_or_else(|| source.name.clone()),
            source: Some(Arc::new(source)),
            period: i64::from(stat.period),
            points: values.into_iter().filter_map(|(at, values)| Some((at, statistic.of(&values)?))).collect(),
        })
    }

    fn expression(&mut self, id: &'a str, expression: &str) -> Result<Value> {
        if self.open.contains(&id) {
            return Err(in_expression(id, &Wrong::new("The expression needs its own value")));
        }
        let parsed = math::parse(expression).map_err(|wrong| in_expression(id, &wrong))?;
        self.open.push(id);
        let value = math::evaluate(self, &parsed);
        self.open.pop();
        value.map_err(|stop| match stop {
            Stop::Wrong(wrong) => in_expression(id, &wrong),
            Stop::Failure(failure) => failure,
        })
    }

    /// The period of what names none: that of the expression, or the shortest one of the request's metrics.
    fn period(&self) -> i64 {
        let own = self.open.last().and_then(|id| self.all.iter().find(|q| q.id == *id)).and_then(|q| q.period);
        let shortest = || self.all.iter().filter_map(|q| q.metric_stat.as_ref().map(|s| s.period)).min();
        own.or_else(shortest).map_or(MINUTE, i64::from)
    }
}

impl World for Queries<'_> {
    type Failure = Stop;

    fn query(&mut self, id: &str) -> std::result::Result<Value, Stop> {
        let all = self.all;
        let query = all.iter().find(|q| q.id == id);
        let query = query.ok_or_else(|| Wrong(format!("Unknown id: {id}")))?;
        Ok(self.value(query)?)
    }

    fn metrics(&mut self, containing: &str) -> std::result::Result<Vec<Series>, Stop> {
        let mut found = Vec::new();
        for query in self.all.iter().filter(|q| q.metric_stat.is_some() && q.id.contains(containing)) {
            if let Value::Series(series) = self.value(query)? {
                found.push(series);
            }
        }
        Ok(found)
    }

    fn search(&mut self, search: &Search) -> std::result::Result<Vec<Series>, Stop> {
        let cx = self.cx;
        let since = cx.now().as_second() - FOUND;
        let mut found = metrics::list(&cx.read(), (cx.account(), cx.region()), search.namespace(), since)?;
        found.retain(|metric| search.finds(metric));
        // With another unit it is the same metric.
        let mut groups: Vec<Vec<Known>> = Vec::new();
        for metric in found {
            let same = |g: &Vec<Known>| {
                let first = &g[0];
                first.namespace == metric.namespace
                    && first.name == metric.name
                    && first.dimensions == metric.dimensions
            };
            match groups.iter_mut().find(|g| same(g)) {
                Some(group) => group.push(metric),
                None => groups.push(vec![metric]),
            }
        }
        groups.truncate(MOST_FOUND);
        let labels = labels(&groups);
        let period = search.period.unwrap_or_else(|| self.period());
        let span = Span::new(cx, self.start, self.end, period);
        let mut all = Vec::new();
        for (group, label) in groups.into_iter().zip(labels) {
            all.push(series_of(cx, &group, label, search, span)?);
        }
        Ok(all)
    }

    fn insight(&mut self, rule: &str, metric: &str) -> std::result::Result<Series, Stop> {
        let from = self.cx.read();
        if insights::rule(self.cx, &from, rule)?.is_none() {
            return Err(Wrong(format!("Unknown rule: {rule}")).into());
        }
        let period = self.period().max(MINUTE);
        let span = Span::new(self.cx, self.start, self.end, period);
        let mut minutes: BTreeMap<i64, insights::Minute> = BTreeMap::new();
        for (at, minute) in insights::read(self.cx, &from, rule, span.start, span.end)? {
            minutes.entry(at - (at - span.start).rem_euclid(period)).or_default().add(&minute);
        }
        let figure = |minute: &insights::Minute| crate::insights::figure(minute, metric);
        if minutes.values().any(|minute| figure(minute).is_none()) {
            return Err(Wrong(format!("Unknown metric of a rule: {metric}")).into());
        }
        let points: Points = minutes.iter().filter_map(|(at, minute)| Some((*at, figure(minute)?))).collect();
        Ok(Series { label: format!("{rule} {metric}"), source: None, period, points })
    }

    fn not_built(&mut self, function: &str) -> Stop {
        Failure::not_built(format!("the function {function} of metric math")).into()
    }

    fn grid(&self, period: Option<i64>) -> Grid {
        let period = period.filter(|p| *p > 0).unwrap_or_else(|| self.period());
        let span = Span::new(self.cx, self.start, self.end, period);
        Grid { start: span.start, end: span.end, period }
    }
}

fn series_of(cx: &Cx, group: &[Known], label: String, search: &Search, span: Span) -> Result<Series> {
    let mut periods = BTreeMap::<i64, Statistics>::new();
    for one in group {
        for (at, values) in span.read(cx, one)? {
            periods.entry(at).or_default().merge(&values);
        }
    }
    let first = &group[0];
    let source = Source {
        namespace: first.namespace.clone(),
        name: first.name.clone(),
        dimensions: first.dimensions.clone(),
        statistic: search.statistic_name.clone(),
    };
    let points = periods.into_iter().filter_map(|(at, values)| Some((at, search.statistic.of(&values)?))).collect();
    Ok(Series { label, source: Some(Arc::new(source)), period: span.period, points })
}

/// What metrics that were found together are called: by that in which they differ.
fn labels(groups: &[Vec<Known>]) -> Vec<String> {
    let parts = |metric: &Known| {
        let mut parts = vec![metric.namespace.clone(), metric.name.clone()];
        parts.extend(metric.dimensions.iter().map(|(_, value)| value.clone()));
        parts
    };
    let all: Vec<Vec<String>> = groups.iter().map(|group| parts(&group[0])).collect();
    let differs = |n: usize| all.iter().any(|parts| parts.get(n) != all[0].get(n));
    let named = all.iter().map(|parts| {
        let told: Vec<&str> =
            parts.iter().enumerate().filter(|(n, _)| differs(*n)).map(|(_, part)| part.as_str()).collect();
        if told.is_empty() { parts[1].clone() } else { told.join(" ") }
    });
    named.collect()
}

/// Whether an expression has a search in it.
pub(crate) fn searches(expression: &str) -> bool {
    let mut found = false;
    if let Ok(parsed) = math::parse(expression) {
        parsed.walk(&mut |part| found |= matches!(part, math::Expression::Call(name, _) if name == "SEARCH"));
    }
    found
}

/// Refuses ids that no query has, in what one of the queries needs.
pub(crate) fn check_ids(queries: &[MetricDataQuery], shown: &MetricDataQuery) -> Result<()> {
    // Words that functions take are no ids.
    const WORDS: &[&str] =
        &["REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MAX", "MIN", "SUM", "STDDEV", "DATAPOINT_COUNT"];
    let (mut seen, mut open) = (BTreeSet::new(), vec![shown]);
    while let Some(query) = open.pop() {
        if !seen.insert(&query.id) {
            continue;
        }
        let Some(expression) = &query.expression else { continue };
        let parsed = math::parse(expression).map_err(|wrong| in_expression(&query.id, &wrong))?;
        let mut names = Vec::new();
        parsed.walk(&mut |part| {
            if let math::Expression::Name(name) = part {
                names.push(name.clone());
            }
        });
        for name in names.iter().filter(|name| !WORDS.contains(&name.as_str())) {
            match queries.iter().find(|q| q.id == *name) {
                Some(query) => open.push(query),
                None => return Err(in_expression(&query.id, &Wrong(format!("Unknown id: {name}")))),
            }
        }
    }
    Ok(())
}
