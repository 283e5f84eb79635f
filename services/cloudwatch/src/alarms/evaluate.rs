//! The evaluation of metric alarms.

use std::collections::BTreeMap;

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Next, Result, Task, Timestamp};

use super::datapoints::{self, Missing, Point, judge};
use super::rows::{ALARMS, Alarm, Definition, MetricDefinition, MetricSource, State, all};
use super::{EVALUATE, act, mute, reason, state};
use crate::api::kept::{Metric, MetricDataQuery, MetricStat};
use crate::math::{Points, Value};
use crate::queries::{self, Queries};
use crate::statistic::Statistic;

/// Seconds between evaluations, and where an alarm has a period of less than a minute.
const USUAL: i64 = 60;
const OFTEN: i64 = 10;

/// Seconds: nobody puts values for later than so, and a little more.
const EARLIEST: i64 = 3 * 3600;

/// Has the alarms of this region evaluated soon.
pub(super) fn schedule(cx: &Cx, tx: &mut Tx<'_>, often: bool) -> Result<()> {
    let due = next(cx.now().as_second(), if often { OFTEN } else { USUAL });
    let id = task_id(cx);
    cx.tasks().schedule_sooner(cx, tx, "cloudwatch", &id, EVALUATE, String::new(), due)
}

fn task_id(cx: &Cx) -> String {
    format!("{EVALUATE}/{}/{}", cx.account(), cx.region())
}

/// The next moment, in whole steps.
fn next(now: i64, step: i64) -> Timestamp {
    Timestamp::from_second(now - now.rem_euclid(step) + step).unwrap_or(Timestamp::MAX)
}

/// What an alarm is found to be.
struct Found {
    alarm: Alarm,
    definition: Definition,
    /// `None`: it stays as it is.
    state: Option<State>,
    /// What its points are now.
    data: Option<String>,
}

/// What was found of the alarms of a region.
#[derive(Default)]
struct Round {
    found: Vec<Found>,
    /// Some have a period of less than a minute.
    often: bool,
    /// There are metric alarms.
    any: bool,
    /// Some have points, or will have.
    lively: bool,
}

/// Evaluates the metric alarms of a region.
pub(crate) async fn evaluate(cx: &Cx, task: &Task) -> Result<Next> {
    // Whatever the moment at which the task is come to, it is the one for which it was ordered that counts.
    let due = task.due.div_euclid(1000);
    cx.kernel().keep_metrics().await?;
    let from = cx.read();
    let awaited = cx.is_metrics_awaited(&from)?;
    let mut round = Round::default();
    for (alarm, definition) in all(cx, &from)? {
        look_at(cx, alarm, definition, due, &mut round)?;
    }
    if !round.found.is_empty() {
        let found = &round.found;
        let changed: Vec<&str> = found.iter().filter(|f| f.state.is_some()).map(|f| f.alarm.name.as_str()).collect();
        cx.write(|tx| {
            found.iter().try_for_each(|f| settle(cx, tx, f))?;
            state::follow(cx, tx, &changed, None)
        })
        .await?;
    }
    let quiet = round.found.is_empty() && !round.lively;
    if !round.any || (quiet && awaited) {
        return Ok(Next::Done);
    }
    if quiet {
        // It looks once more, for what has come while it looked, and then sleeps until there are new metrics.
        cx.write(|tx| {
            cx.await_metrics(tx, "cloudwatch", &task_id(cx), EVALUATE);
            Ok(())
        })
        .await?;
    }
    Ok(Next::Again(next(due.max(cx.now().as_second() - USUAL), if round.often { OFTEN } else { USUAL })))
}

fn look_at(cx: &Cx, alarm: Alarm, definition: Definition, due: i64, round: &mut Round) -> Result<()> {
    let Some(metric) = definition.metric() else { return Ok(()) };
    round.any = true;
    round.often |= metric.period() < USUAL;
    if due.rem_euclid(USUAL) != 0 && metric.period() >= USUAL {
        // It is looked at with the next full minute.
        round.lively = true;
        return Ok(());
    }
    let points = points(cx, metric, due)?;
    round.lively |= !points.is_empty() || has_future(cx, metric, due)?;
    let Some((state, data)) = found_state(cx, &alarm, metric, due, &points)? else { return Ok(()) };
    // Without a point there is nothing by which to scale.
    if state.is_some() || (!points.is_empty() && act::repeats(&alarm, &definition)) {
        round.found.push(Found { alarm, definition, state, data });
    }
    Ok(())
}

/// Whether an alarm's metrics have points that it will come to, or might have them without anybody telling.
fn has_future(cx: &Cx, metric: &MetricDefinition, due: i64) -> Result<bool> {
    let one = query(&metric.source);
    let queries: Vec<&MetricDataQuery> = match &metric.source {
        MetricSource::Math(queries) => queries.iter().collect(),
        MetricSource::One { .. } => one.iter().collect(),
    };
    for query in queries {
        // Contributions are kept apart from metrics.
        if query.expression.as_deref().is_some_and(|e| e.contains("INSIGHT_RULE_METRIC")) {
            return Ok(true);
        }
        if let Some(stat) = &query.metric_stat
            && !queries::periods(cx, stat, due, due + EARLIEST)?.is_empty()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps what was found, unless the alarm has become another one meanwhile.
fn settle(cx: &Cx, tx: &mut Tx<'_>, found: &Found) -> Result<()> {
    let Some(mut alarm) = ALARMS.get(tx, &cx.key(&found.alarm.name))? else { return Ok(()) };
    if alarm != found.alarm {
        return Ok(());
    }
    match &found.state {
        Some(state) => state::enter(cx, tx, &mut alarm, state.clone()),
        None if mute::is_muted(cx, tx, &alarm.name)? => Ok(()),
        None => act::repeat(cx, tx, &alarm, &found.definition, found.data.clone()),
    }
}

/// What an alarm's metric makes of it: a state that it was not in before, and what is told of its points.
type Findings = (Option<State>, Option<String>);

/// Evaluates an alarm at a moment. `None`: too little is known to say anything.
fn found_state(
    cx: &Cx,
    alarm: &Alarm,
    metric: &MetricDefinition,
    due: i64,
    points: &[Point],
) -> Result<Option<Findings>> {
    let treated = treated(metric);
    if too_few_samples(cx, metric, due, points)? {
        return Ok(None);
    }
    let count = |n: i32| usize::try_from(n).unwrap_or(1);
    let verdict = judge(points, count(metric.evaluation_periods), count(metric.to_alarm()), treated);
    let now = cx.now_millis();
    let told = || Some(reason::data(metric, &verdict.points, now).to_string()).filter(|data| data.len() <= 4000);
    let Some(value) = verdict.state.filter(|value| *value != alarm.state.value) else {
        // Nobody asks for the points of an alarm that stays and does nothing.
        let definition = alarm.definition()?;
        return Ok(Some((None, act::repeats(alarm, &definition).then(told).flatten())));
    };
    let reason = reason::sentence(metric, value, &verdict, treated).chars().take(1023).collect();
    Ok(Some((Some(State { value, reason, data: told(), since: now }), None)))
}

/// How missing points are taken. Those of DynamoDB are ignored, whatever is said (API reference, `PutMetricAlarm`).
fn treated(metric: &MetricDefinition) -> Missing {
    const IGNORED: &str = "AWS/DynamoDB";
    let ignored = match &metric.source {
        MetricSource::One { namespace, .. } => namespace == IGNORED,
        MetricSource::Math(queries) => queries
            .iter()
            .filter_map(|q| q.metric_stat.as_ref())
            .any(|s| s.metric.namespace.as_deref() == Some(IGNORED)),
    };
    if ignored {
        return Missing::Ignore;
    }
    metric.treat_missing_data.as_deref().and_then(Missing::parse).unwrap_or(Missing::Missing)
}

/// The points of the periods that are looked at, the newest first.
fn points(cx: &Cx, metric: &MetricDefinition, due: i64) -> Result<Vec<Point>> {
    let period = metric.period();
    let looked_at = i64::from(metric.evaluation_periods) + datapoints::MORE;
    // Periods of a minute and more slide: each evaluation looks at what is behind it.
    let end = due - due.rem_euclid(period.min(USUAL));
    let start = end - looked_at * period;
    let values = values(cx, metric, start, end)?;
    let newest_first = (1..=looked_at).filter_map(|age| {
        let at = end - age * period;
        let value = *values.get(&at)?;
        let breaches = metric.comparison.breaches(value, metric.threshold);
        Some(Point { age: usize::try_from(age).unwrap_or(usize::MAX), at, value, breaches })
    });
    Ok(newest_first.collect())
}

/// The queries of an alarm on one metric, in the form of those on several.
pub(super) fn query(source: &MetricSource) -> Option<MetricDataQuery> {
    let MetricSource::One { namespace, name, dimensions, statistic, extended_statistic, period, unit } = source else {
        return None;
    };
    let metric =
        Metric { namespace: Some(namespace.clone()), metric_name: Some(name.clone()), dimensions: dimensions.clone() };
    let stat = statistic.as_ref().or(extended_statistic.as_ref())?.clone();
    let metric_stat = Some(MetricStat { metric, period: *period, stat, unit: unit.clone() });
    Some(MetricDataQuery { id: "m1".to_owned(), metric_stat, return_data: Some(true), ..MetricDataQuery::default() })
}

/// The figure of each period.
fn values(cx: &Cx, metric: &MetricDefinition, start: i64, end: i64) -> Result<Points> {
    let one = query(&metric.source);
    let all: &[MetricDataQuery] = match (&metric.source, &one) {
        (MetricSource::Math(queries), _) => queries,
        (_, Some(one)) => std::slice::from_ref(one),
        (_, None) => &[],
    };
    let Some(shown) = all.iter().find(|q| q.return_data != Some(false)) else { return Ok(Points::new()) };
    match Queries::new(cx, all, start, end).value(shown)? {
        Value::Series(series) => Ok(series.points),
        Value::Array(many) => Ok(many.into_iter().next().map(|series| series.points).unwrap_or_else(BTreeMap::new)),
        Value::Scalar(_) => Ok(Points::new()),
    }
}

/// Whether a percentile is asked for of fewer values than tell one, and the alarm is to wait for more.
fn too_few_samples(cx: &Cx, metric: &MetricDefinition, due: i64, points: &[Point]) -> Result<bool> {
    if metric.evaluate_low_sample_count_percentile.as_deref() != Some("ignore") {
        return Ok(false);
    }
    let MetricSource::One { extended_statistic: Some(name), .. } = &metric.source else { return Ok(false) };
    let Some(Statistic::Percentile(percent)) = Statistic::parse(name) else { return Ok(false) };
    let Some(newest) = points.first() else { return Ok(false) };
    let part = percent / 100.0;
    let rarest = if part >= 0.5 { 1.0 - part } else { part };
    let Some(stat) = query(&metric.source).and_then(|q| q.metric_stat) else { return Ok(false) };
    let values = queries::periods(cx, &stat, newest.at, (newest.at + metric.period()).min(due))?;
    // Ten values lie beyond the percentile, where there are enough.
    Ok(values.get(&newest.at).is_some_and(|values| values.count * rarest < 10.0 - 1e-9))
}
