//! `DescribeAlarms` and `DescribeAlarmsForMetric`.

use undercast_kernel::{Cx, Result, Timestamp, paging};

use super::composite;
use super::rows::{Alarm, Definition, MetricSource, SuppressedBy, Watched, all, name_of};
use crate::api::kept::Dimension;
use crate::api::{self, errors, output};
use crate::error::validation;

/// A page has so many.
const PAGE: i32 = 100;

pub(crate) fn describe(cx: &Cx, input: &api::DescribeAlarmsInput) -> Result<api::DescribeAlarmsOutput> {
    let family = input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some();
    check(input, family)?;
    let alarms = all(cx, &cx.read())?;
    let found: Vec<(Alarm, Definition)> = match (&input.children_of_alarm_name, &input.parents_of_alarm_name) {
        (Some(parent), _) => children(alarms, parent)?,
        (None, Some(child)) => parents(alarms, child)?,
        (None, None) => alarms.into_iter().filter(|(alarm, definition)| is_wanted(input, alarm, definition)).collect(),
    };
    let size = usize::try_from(input.max_records.unwrap_or(PAGE)).unwrap_or(1);
    let page = paging::page("DescribeAlarms", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(|| errors::invalid_next_token("The next token is invalid."))?;
    let (mut metric_alarms, mut composite_alarms) = (Vec::new(), Vec::new());
    for (alarm, definition) in page {
        match (&definition.watched, family) {
            (Watched::Metric(_), false) => metric_alarms.extend(metric_alarm(cx, &alarm, &definition)),
            (Watched::Composite(_), false) => composite_alarms.extend(composite_alarm(cx, &alarm, &definition)),
            (Watched::Metric(_), true) => metric_alarms.push(output::MetricAlarm {
                alarm_name: Some(alarm.name.clone()),
                alarm_arn: Some(alarm.arn(cx)),
                state_value: Some(alarm.state.value.as_str().to_owned()),
                state_updated_timestamp: Timestamp::from_millisecond(alarm.state.since).ok(),
                ..output::MetricAlarm::default()
            }),
            (Watched::Composite(_), true) => {
                // Of those that watch an alarm only the names are told.
                let child = input.children_of_alarm_name.is_some();
                composite_alarms.push(output::CompositeAlarm {
                    alarm_name: Some(alarm.name.clone()),
                    alarm_arn: Some(alarm.arn(cx)),
                    state_value: child.then(|| alarm.state.value.as_str().to_owned()),
                    state_updated_timestamp: Timestamp::from_millisecond(alarm.state.since).ok().filter(|_| child),
                    ..output::CompositeAlarm::default()
                });
            }
        }
    }
    Ok(api::DescribeAlarmsOutput {
        composite_alarms: Some(composite_alarms),
        metric_alarms: Some(metric_alarms),
        log_alarms: Some(Vec::new()),
        next_token,
    })
}

fn check(input: &api::DescribeAlarmsInput, family: bool) -> Result<()> {
    let others = [
        input.alarm_names.is_some(),
        input.alarm_name_prefix.is_some(),
        input.alarm_types.is_some(),
        input.state_value.is_some(),
        input.action_prefix.is_some(),
        input.children_of_alarm_name.is_some() && input.parents_of_alarm_name.is_some(),
    ];
    if family && others.contains(&true) {
        return Err(validation(
            "ChildrenOfAlarmName and ParentsOfAlarmName can be specified with MaxRecords and NextToken only.",
        ));
    }
    if input.alarm_names.is_some() && input.alarm_name_prefix.is_some() {
        return Err(validation("AlarmNames and AlarmNamePrefix must not both be specified."));
    }
    Ok(())
}

fn is_wanted(input: &api::DescribeAlarmsInput, alarm: &Alarm, definition: &Definition) -> bool {
    let types = input.alarm_types.as_deref().unwrap_or_default();
    let of_type = definition.alarm_type();
    // Without a type AWS tells of metric alarms alone.
    (if types.is_empty() { of_type == "MetricAlarm" } else { types.iter().any(|t| t == of_type) })
        && input.alarm_names.as_ref().is_none_or(|names| names.contains(&alarm.name))
        && input.alarm_name_prefix.as_ref().is_none_or(|prefix| alarm.name.starts_with(prefix.as_str()))
        && input.state_value.as_ref().is_none_or(|state| alarm.state.value.as_str() == state)
        && input.action_prefix.as_ref().is_none_or(|p| definition.all_actions().any(|a| a.starts_with(p.as_str())))
}

fn children(alarms: Vec<(Alarm, Definition)>, parent: &str) -> Result<Vec<(Alarm, Definition)>> {
    let parent = alarms.iter().find(|(alarm, _)| alarm.name == name_of(parent));
    let names = match parent.and_then(|(_, definition)| definition.composite()) {
        Some(composite) => composite::children(composite)?,
        None => Vec::new(),
    };
    Ok(alarms.into_iter().filter(|(alarm, _)| names.contains(&alarm.name)).collect())
}

fn parents(alarms: Vec<(Alarm, Definition)>, child: &str) -> Result<Vec<(Alarm, Definition)>> {
    let mut found = Vec::new();
    for (alarm, definition) in alarms {
        let Some(composite) = definition.composite() else { continue };
        if composite::children(composite)?.iter().any(|name| name == name_of(child)) {
            found.push((alarm, definition));
        }
    }
    Ok(found)
}

fn metric_alarm(cx: &Cx, alarm: &Alarm, definition: &Definition) -> Option<output::MetricAlarm> {
    let metric = definition.metric()?;
    let mut shown = output::MetricAlarm {
        alarm_name: Some(alarm.name.clone()),
        alarm_arn: Some(alarm.arn(cx)),
        alarm_description: definition.description.clone(),
        alarm_configuration_updated_timestamp: Timestamp::from_millisecond(alarm.defined).ok(),
        actions_enabled: Some(alarm.actions_enabled),
        ok_actions: Some(definition.ok_actions.clone()),
        alarm_actions: Some(definition.alarm_actions.clone()),
        insufficient_data_actions: Some(definition.insufficient_data_actions.clone()),
        state_value: Some(alarm.state.value.as_str().to_owned()),
        state_reason: Some(alarm.state.reason.clone()),
        state_reason_data: alarm.state.data.clone(),
        state_updated_timestamp: Timestamp::from_millisecond(alarm.state.since).ok(),
        state_transitioned_timestamp: Timestamp::from_millisecond(alarm.state.since).ok(),
        evaluation_periods: Some(metric.evaluation_periods),
        datapoints_to_alarm: metric.datapoints_to_alarm,
        threshold: Some(metric.threshold),
        comparison_operator: Some(metric.comparison.as_str().to_owned()),
        treat_missing_data: metric.treat_missing_data.clone(),
        evaluate_low_sample_count_percentile: metric.evaluate_low_sample_count_percentile.clone(),
        ..output::MetricAlarm::default()
    };
    match metric.source.clone() {
        MetricSource::One { namespace, name, dimensions, statistic, extended_statistic, period, unit } => {
            shown.namespace = Some(namespace);
            shown.metric_name = Some(name);
            shown.dimensions = Some(dimensions.unwrap_or_else(Vec::new));
            shown.statistic = statistic;
            shown.extended_statistic = extended_statistic;
            shown.period = Some(period);
            shown.unit = unit;
        }
        MetricSource::Math(queries) => shown.metrics = Some(queries),
    }
    Some(shown)
}

fn composite_alarm(cx: &Cx, alarm: &Alarm, definition: &Definition) -> Option<output::CompositeAlarm> {
    let composite = definition.composite()?;
    let suppressor = composite.suppressor.as_ref();
    let by = alarm.suppressed.as_ref().map(|s| match s.by {
        SuppressedBy::WaitPeriod => ("WaitPeriod", "Actions suppressed by WaitPeriod"),
        SuppressedBy::ExtensionPeriod => ("ExtensionPeriod", "Actions suppressed by ExtensionPeriod"),
        SuppressedBy::Alarm => ("Alarm", "Actions suppressed by Alarm"),
    });
    Some(output::CompositeAlarm {
        actions_enabled: Some(alarm.actions_enabled),
        alarm_actions: Some(definition.alarm_actions.clone()),
        alarm_arn: Some(alarm.arn(cx)),
        alarm_configuration_updated_timestamp: Timestamp::from_millisecond(alarm.defined).ok(),
        alarm_description: definition.description.clone(),
        alarm_name: Some(alarm.name.clone()),
        alarm_rule: Some(composite.rule.clone()),
        insufficient_data_actions: Some(definition.insufficient_data_actions.clone()),
        ok_actions: Some(definition.ok_actions.clone()),
        state_reason: Some(alarm.state.reason.clone()),
        state_reason_data: alarm.state.data.clone(),
        state_updated_timestamp: Timestamp::from_millisecond(alarm.state.since).ok(),
        state_value: Some(alarm.state.value.as_str().to_owned()),
        state_transitioned_timestamp: Timestamp::from_millisecond(alarm.state.since).ok(),
        actions_suppressed_by: by.map(|(by, _)| by.to_owned()),
        actions_suppressed_reason: by.map(|(_, reason)| reason.to_owned()),
        actions_suppressor: suppressor.map(|s| s.alarm.clone()),
        actions_suppressor_wait_period: suppressor.map(|s| s.wait),
        actions_suppressor_extension_period: suppressor.map(|s| s.extension),
        action_configuration: None,
    })
}

pub(crate) fn describe_for_metric(
    cx: &Cx,
    input: &api::DescribeAlarmsForMetricInput,
) -> Result<api::DescribeAlarmsForMetricOutput> {
    let alarms = all(cx, &cx.read())?;
    let wanted = alarms.iter().filter(|(_, definition)| {
        let Some(MetricSource::One { namespace, name, dimensions, statistic, extended_statistic, period, unit }) =
            definition.metric().map(|metric| &metric.source)
        else {
            return false;
        };
        *namespace == input.namespace
            && *name == input.metric_name
            && sorted(dimensions.as_deref()) == sorted(input.dimensions.as_deref())
            && input.statistic.as_ref().is_none_or(|wanted| statistic.as_ref() == Some(wanted))
            && input.extended_statistic.as_ref().is_none_or(|wanted| extended_statistic.as_ref() == Some(wanted))
            && input.period.is_none_or(|wanted| *period == wanted)
            && input.unit.as_ref().is_none_or(|wanted| unit.as_ref() == Some(wanted))
    });
    let metric_alarms = wanted.filter_map(|(alarm, definition)| metric_alarm(cx, alarm, definition)).collect();
    Ok(api::DescribeAlarmsForMetricOutput { metric_alarms: Some(metric_alarms) })
}

fn sorted(dimensions: Option<&[Dimension]>) -> Vec<(&str, &str)> {
    let mut all: Vec<(&str, &str)> =
        dimensions.unwrap_or_default().iter().map(|d| (d.name.as_str(), d.value.as_str())).collect();
    all.sort_unstable();
    all
}
