//! `PutMetricAlarm`, and what all alarms are checked for.

use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::tags::{self, Tags};
use undercast_kernel::{Cx, Failure, Result};

use super::act::{Kind, SCALING};
use super::datapoints::Missing;
use super::rows::{ALARMS, Alarm, COUNTS, Comparison, Definition, MetricDefinition, MetricSource, Watched};
use super::{evaluate, history, message};
use crate::api::kept::MetricDataQuery;
use crate::api::{self, errors, input};
use crate::error::validation;
use crate::queries;
use crate::statistic::Statistic;

/// Why a new alarm is in its state.
pub(super) const CREATED: &str = "Unchecked: Initial alarm creation";

/// A region of an account has so many alarms at most.
const MOST: u32 = 5000;

/// A resource has so many tags at most.
const MOST_TAGS: usize = 50;

/// An alarm on several metrics has so many of them, and so many expressions.
const MOST_METRICS: usize = 10;
const MOST_EXPRESSIONS: usize = 10;

/// Seconds.
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What an alarm is given besides its definition.
pub(super) struct Given {
    pub(super) name: String,
    pub(super) enabled: bool,
    pub(super) tags: Tags,
}

pub(crate) async fn put(cx: &Cx, mut input: api::PutMetricAlarmInput) -> Result<()> {
    let (name, enabled) = (std::mem::take(&mut input.alarm_name), input.actions_enabled.unwrap_or(true));
    let tags = check_tags(input.tags.take())?;
    let definition = definition(input)?;
    check_actions(cx, &definition)?;
    let given = Given { name, enabled, tags };
    let often = definition.metric().is_some_and(|metric| metric.period() < 60);
    cx.write(|tx| {
        store(cx, tx, &given, &definition)?;
        evaluate::schedule(cx, tx, often)
    })
    .await
}

fn required<T>(given: Option<T>, parameter: &str) -> Result<T> {
    given.ok_or_else(|| validation(format!("The parameter {parameter} is required.")))
}

fn definition(mut input: api::PutMetricAlarmInput) -> Result<Definition> {
    let operator = required(input.comparison_operator.take(), "ComparisonOperator")?;
    let comparison = Comparison::parse(&operator)
        .ok_or_else(|| Failure::not_built(format!("alarms on anomaly detection ({operator})")))?;
    let threshold = required(input.threshold, "Threshold")?;
    if !threshold.is_finite() {
        return Err(validation(format!("The value {threshold} for parameter Threshold is invalid.")));
    }
    let evaluation_periods = required(input.evaluation_periods, "EvaluationPeriods")?;
    let treat_missing_data = input.treat_missing_data.take();
    if let Some(treated) = treat_missing_data.as_deref().filter(|t| Missing::parse(t).is_none()) {
        return Err(validation(format!(
            "The value {treated} for parameter TreatMissingData is not supported. Supported values are [breaching, notBreaching, ignore, missing]."
        )));
    }
    if let Some(points) = input.datapoints_to_alarm.filter(|points| !(1..=evaluation_periods).contains(points)) {
        return Err(validation(format!(
            "The parameter DatapointsToAlarm must be between 1 and EvaluationPeriods: {points}."
        )));
    }
    let low = input.evaluate_low_sample_count_percentile.take();
    check_low(low.as_deref(), input.extended_statistic.as_deref())?;
    let metric = MetricDefinition {
        evaluation_periods,
        datapoints_to_alarm: input.datapoints_to_alarm,
        threshold,
        comparison,
        treat_missing_data,
        evaluate_low_sample_count_percentile: low,
        source: MetricSource::Math(Vec::new()),
    };
    let description = input.alarm_description.take();
    let ok_actions = input.ok_actions.take().unwrap_or_else(Vec::new);
    let alarm_actions = input.alarm_actions.take().unwrap_or_else(Vec::new);
    let insufficient_data_actions = input.insufficient_data_actions.take().unwrap_or_else(Vec::new);
    let metric = MetricDefinition { source: source(input)?, ..metric };
    check_span(&metric)?;
    let watched = Watched::Metric(Box::new(metric));
    Ok(Definition { description, ok_actions, alarm_actions, insufficient_data_actions, watched })
}

fn check_low(low: Option<&str>, extended: Option<&str>) -> Result<()> {
    let Some(low) = low else { return Ok(()) };
    if !matches!(low, "evaluate" | "ignore") {
        return Err(validation(format!(
            "The value {low} for parameter EvaluateLowSampleCountPercentile is not supported. Supported values are [evaluate, ignore]."
        )));
    }
    if !matches!(extended.and_then(Statistic::parse), Some(Statistic::Percentile(_))) {
        return Err(validation("EvaluateLowSampleCountPercentile is used only for alarms based on percentiles."));
    }
    Ok(())
}

/// What is watched: one metric, or several with expressions.
fn source(input: api::PutMetricAlarmInput) -> Result<MetricSource> {
    if let Some(queries) = input.metrics {
        let others = input.metric_name.is_some()
            || input.namespace.is_some()
            || input.dimensions.is_some()
            || input.period.is_some()
            || input.unit.is_some()
            || input.statistic.is_some()
            || input.extended_statistic.is_some();
        if others {
            return Err(validation(
                "Metrics must not be specified with MetricName, Namespace, Dimensions, Period, Unit, Statistic or ExtendedStatistic.",
            ));
        }
        check_metrics(&queries)?;
        return Ok(MetricSource::Math(queries));
    }
    let name = required(input.metric_name, "MetricName")?;
    let namespace = required(input.namespace, "Namespace")?;
    let period = required(input.period, "Period")?;
    match (&input.statistic, &input.extended_statistic) {
        (Some(_), Some(_)) => {
            return Err(validation("Statistic and ExtendedStatistic must not both be specified."));
        }
        (None, None) => return Err(validation("Either Statistic or ExtendedStatistic must be specified.")),
        (None, Some(name)) if Statistic::parse_extended(name).is_none() => {
            return Err(validation(format!("The value {name} for parameter ExtendedStatistic is not supported.")));
        }
        _ => {}
    }
    check_period(period)?;
    Ok(MetricSource::One {
        namespace,
        name,
        dimensions: input.dimensions,
        statistic: input.statistic,
        extended_statistic: input.extended_statistic,
        period,
        unit: input.unit,
    })
}

fn check_period(period: i32) -> Result<()> {
    if matches!(period, 10 | 20 | 30) || (period > 0 && period % 60 == 0) {
        return Ok(());
    }
    Err(validation(format!("The period must be 10, 20, 30 or a multiple of 60: {period}.")))
}

fn check_metrics(queries: &[MetricDataQuery]) -> Result<()> {
    queries::check(queries)?;
    let shown: Vec<&MetricDataQuery> = queries.iter().filter(|q| q.return_data != Some(false)).collect();
    let [shown] = shown.as_slice() else {
        return Err(validation("Exactly one element of the metrics list should return data."));
    };
    let metrics = queries.iter().filter(|q| q.metric_stat.is_some()).count();
    if metrics > MOST_METRICS || queries.len() - metrics > MOST_EXPRESSIONS {
        return Err(validation(format!(
            "Metrics list must not contain more than {MOST_METRICS} metrics and {MOST_EXPRESSIONS} expressions."
        )));
    }
    let mut periods = queries.iter().filter_map(|q| q.metric_stat.as_ref().map(|s| s.period));
    if let Some(first) = periods.next() {
        check_period(first)?;
        if periods.any(|period| period != first) {
            return Err(validation("All metrics of an alarm must have the same period."));
        }
    }
    for query in queries {
        query.period.map_or(Ok(()), check_period)?;
        if query.expression.as_deref().is_some_and(queries::searches) {
            return Err(validation("SEARCH is not supported on metric alarms."));
        }
    }
    queries::check_ids(queries, shown)
}

/// What an alarm looks back at is a day, or a week where its periods are hours.
fn check_span(metric: &MetricDefinition) -> Result<()> {
    let most = if metric.period() >= HOUR { 7 * DAY } else { DAY };
    if metric.period() * i64::from(metric.evaluation_periods) > most {
        return Err(validation(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {most})",
            if most == DAY { "a day" } else { "seven days" }
        )));
    }
    Ok(())
}

/// Refuses actions that cannot be, and those that nobody does here.
pub(super) fn check_actions(cx: &Cx, definition: &Definition) -> Result<()> {
    for action in definition.all_actions() {
        let arn = Arn::parse(action).ok_or_else(|| validation(format!("Invalid arn syntax: {action}")))?;
        let not_built = || Failure::not_built(format!("the alarm action {action}"));
        let kind = Kind::of(&arn).ok_or_else(not_built)?;
        if arn.region != cx.region() {
            let message = format!("Invalid region {} specified. Only {} is supported.", arn.region, cx.region());
            return Err(validation(message));
        }
        let service = match kind {
            Kind::Topic => "sns",
            Kind::Function => "lambda",
            Kind::ScalingPolicy => SCALING,
        };
        if cx.kernel().service(service).is_none() {
            return Err(not_built());
        }
    }
    let mut all: Vec<&Vec<String>> =
        vec![&definition.ok_actions, &definition.alarm_actions, &definition.insufficient_data_actions];
    all.retain(|actions| actions.iter().enumerate().any(|(n, action)| actions[..n].contains(action)));
    if all.is_empty() { Ok(()) } else { Err(validation("An action is listed twice.")) }
}

/// The tags of a request, which are good.
pub(crate) fn check_tags(given: Option<Vec<input::Tag>>) -> Result<Tags> {
    let given = given.unwrap_or_else(Vec::new);
    let count = given.len();
    let tags: Tags = given.into_iter().map(|tag| (tag.key, tag.value)).collect();
    if tags.len() < count {
        return Err(validation("The tags have a key twice."));
    }
    tags::check(&tags, 0, MOST_TAGS).map_err(|why| validation(format!("Tags are invalid: {why}.")))?;
    Ok(tags)
}

/// Makes an alarm, or gives one another definition: its state and its tags stay.
pub(super) fn store(cx: &Cx, tx: &mut Tx<'_>, given: &Given, definition: &Definition) -> Result<()> {
    if given.name.chars().any(|c| c.is_ascii_control()) {
        return Err(validation("AlarmName must not contain ASCII control characters."));
    }
    let key = cx.key(given.name.as_str());
    let (alarm, what, before) = match ALARMS.get(tx, &key)? {
        Some(mut alarm) => {
            let before = alarm.definition()?;
            if before.alarm_type() != definition.alarm_type() {
                let message = format!("An alarm of another type has this name already: {}", given.name);
                return Err(validation(message));
            }
            let before = message::whole_configuration(&alarm, &before);
            alarm.define(definition, cx.now_millis())?;
            alarm.actions_enabled = given.enabled;
            (alarm, "Update", Some(before))
        }
        None => {
            if COUNTS.get(tx, &(cx.account(), cx.region()))?.unwrap_or(0) >= MOST {
                return Err(errors::limit_exceeded_fault("The maximum limit for alarms has been reached.").into());
            }
            count(cx, tx, |before| before + 1)?;
            let mut alarm = Alarm::new(cx, &given.name, definition, CREATED)?;
            alarm.actions_enabled = given.enabled;
            alarm.tags.clone_from(&given.tags);
            (alarm, "Create", None)
        }
    };
    ALARMS.put(tx, &key, &alarm);
    history::configured(cx, tx, &alarm, what, before)
}

/// Counts alarms that come and go.
pub(super) fn count(cx: &Cx, tx: &mut Tx<'_>, change: impl FnOnce(u32) -> u32) -> Result<()> {
    let key = (cx.account(), cx.region());
    let before = COUNTS.get(tx, &key)?.unwrap_or(0);
    COUNTS.put(tx, &key, &change(before));
    Ok(())
}
