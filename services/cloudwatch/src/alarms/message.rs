//! What alarms tell topics and functions.
//!
//! Source: the messages that the user guide shows ("Notifying users on alarm changes", "Lambda" as an alarm action), and
//! published ones of both kinds of alarms.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::Cx;

use super::act::Told;
use super::reason;
use super::rows::{Alarm, Definition, MetricDefinition, MetricSource, State, Watched};
use super::{composite, evaluate};
use crate::api::kept::{Dimension, MetricDataQuery};

/// What a subject has room for.
const SUBJECT: usize = 100;

/// `ALARM: "name" in US East (N. Virginia)`
pub(super) fn subject(cx: &Cx, told: &Told<'_>) -> String {
    let subject = format!("{}: \"{}\" in {}", told.now.value.as_str(), told.alarm.name, region_name(cx.region()));
    subject.chars().filter(char::is_ascii).take(SUBJECT).collect()
}

/// The message to a topic.
pub(super) fn of_topic(cx: &Cx, told: &Told<'_>) -> Json {
    let (alarm, definition) = (told.alarm, told.definition);
    let mut message = json!({
        "AlarmName": alarm.name,
        "AlarmDescription": definition.description,
        "AWSAccountId": cx.account(),
        "AlarmConfigurationUpdatedTimestamp": reason::instant(alarm.defined),
        "NewStateValue": told.now.value.as_str(),
        "NewStateReason": told.now.reason,
        "StateChangeTime": reason::instant(told.now.since),
        "Region": region_name(cx.region()),
        "AlarmArn": alarm.arn(cx),
        "OldStateValue": told.before.value.as_str(),
        "OKActions": definition.ok_actions,
        "AlarmActions": definition.alarm_actions,
        "InsufficientDataActions": definition.insufficient_data_actions,
    });
    match &definition.watched {
        Watched::Metric(metric) => message["Trigger"] = trigger(metric),
        Watched::Composite(composite) => {
            message["AlarmRule"] = json!(composite.rule);
            let children = told.now.data.as_deref().and_then(|d| serde_json::from_str::<Json>(d).ok());
            let children = children.and_then(|d| d["triggeringAlarms"].as_array().cloned()).unwrap_or_default();
            let shown = children.iter().map(|child| {
                json!({"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}})
            });
            message["TriggeringChildren"] = shown.collect();
        }
    }
    message
}

fn trigger(metric: &MetricDefinition) -> Json {
    let mut trigger = Map::new();
    match &metric.source {
        MetricSource::One { namespace, name, dimensions, statistic, extended_statistic, unit, .. } => {
            trigger.insert("MetricName".to_owned(), json!(name));
            trigger.insert("Namespace".to_owned(), json!(namespace));
            match (statistic, extended_statistic) {
                (Some(statistic), _) => {
                    trigger.insert("StatisticType".to_owned(), json!("Statistic"));
                    trigger.insert("Statistic".to_owned(), json!(upper_snake(statistic)));
                }
                (None, extended) => {
                    trigger.insert("StatisticType".to_owned(), json!("ExtendedStatistic"));
                    trigger.insert("ExtendedStatistic".to_owned(), json!(extended));
                }
            }
            trigger.insert("Unit".to_owned(), json!(unit));
            let small = |d: &Dimension| json!({"value": d.value, "name": d.name});
            trigger.insert("Dimensions".to_owned(), dimensions.iter().flatten().map(small).collect());
        }
        MetricSource::Math(queries) => {
            trigger.insert("Metrics".to_owned(), queries.iter().map(|query| json!(query)).collect());
        }
    }
    trigger.insert("Period".to_owned(), json!(metric.period()));
    trigger.insert("EvaluationPeriods".to_owned(), json!(metric.evaluation_periods));
    if let Some(points) = metric.datapoints_to_alarm {
        trigger.insert("DatapointsToAlarm".to_owned(), json!(points));
    }
    trigger.insert("ComparisonOperator".to_owned(), json!(metric.comparison.as_str()));
    trigger.insert("Threshold".to_owned(), json!(metric.threshold));
    let missing = metric.treat_missing_data.as_deref().unwrap_or("missing");
    trigger.insert("TreatMissingData".to_owned(), json!(missing));
    let low = metric.evaluate_low_sample_count_percentile.as_deref().unwrap_or("");
    trigger.insert("EvaluateLowSampleCountPercentile".to_owned(), json!(low));
    Json::Object(trigger)
}

/// `SAMPLE_COUNT` of `SampleCount`.
fn upper_snake(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n > 0 && c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// The event of a function.
pub(super) fn of_function(cx: &Cx, told: &Told<'_>) -> Json {
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": told.alarm.arn(cx),
        "accountId": cx.account(),
        "time": reason::instant(cx.now_millis()),
        "region": cx.region(),
        "alarmData": {
            "alarmName": told.alarm.name,
            "state": state(told.now),
            "previousState": state(told.before),
            "configuration": configuration(told.definition),
        },
    })
}

/// The detail of the event that rules of EventBridge may want.
///
/// Source: "Alarm events and EventBridge" in the user guide.
pub(super) fn of_event(told: &Told<'_>) -> Json {
    json!({
        "alarmName": told.alarm.name,
        "configuration": configuration(told.definition),
        "previousState": state(told.before),
        "state": state(told.now),
    })
}

/// The detail of the event that an alarm was made, changed or deleted. `before`: what it was until it was changed.
///
/// Source: "Alarm events and EventBridge" in the user guide, configuration change events.
pub(super) fn of_change(alarm: &Alarm, definition: &Definition, operation: &str, before: Option<Json>) -> Json {
    let mut detail = json!({
        "alarmName": alarm.name,
        "configuration": whole_configuration(alarm, definition),
        "operation": operation,
        "state": {"value": alarm.state.value.as_str(), "timestamp": reason::instant(alarm.state.since)},
    });
    if let Some(before) = before {
        detail["previousConfiguration"] = before;
    }
    detail
}

/// All that an alarm was told, as events of changes have it.
pub(super) fn whole_configuration(alarm: &Alarm, definition: &Definition) -> Json {
    let mut whole = configuration(definition);
    whole["alarmName"] = json!(alarm.name);
    whole["actionsEnabled"] = json!(alarm.actions_enabled);
    whole["timestamp"] = json!(reason::instant(alarm.defined));
    whole["okActions"] = json!(definition.ok_actions);
    whole["alarmActions"] = json!(definition.alarm_actions);
    whole["insufficientDataActions"] = json!(definition.insufficient_data_actions);
    if let Watched::Metric(metric) = &definition.watched {
        whole["evaluationPeriods"] = json!(metric.evaluation_periods);
        whole["comparisonOperator"] = json!(metric.comparison.as_str());
        whole["threshold"] = json!(metric.threshold);
        if let Some(points) = metric.datapoints_to_alarm {
            whole["datapointsToAlarm"] = json!(points);
        }
        if let Some(missing) = &metric.treat_missing_data {
            whole["treatMissingData"] = json!(missing);
        }
        if let Some(low) = &metric.evaluate_low_sample_count_percentile {
            whole["evaluateLowSampleCountPercentile"] = json!(low);
        }
    }
    whole
}

fn state(state: &State) -> Json {
    let mut shown =
        json!({"value": state.value.as_str(), "reason": state.reason, "timestamp": reason::instant(state.since)});
    if let Some(data) = &state.data {
        shown["reasonData"] = json!(data);
    }
    shown
}

/// What an alarm watches, as events have it.
fn configuration(definition: &Definition) -> Json {
    let mut configuration = json!({});
    if let Some(description) = &definition.description {
        configuration["description"] = json!(description);
    }
    match &definition.watched {
        Watched::Metric(metric) => configuration["metrics"] = metrics(metric),
        Watched::Composite(composite) => {
            configuration["alarmRule"] = json!(composite.rule);
            if let Some(suppressor) = &composite.suppressor {
                configuration["actionsSuppressor"] = json!(suppressor.alarm);
                configuration["actionsSuppressorWaitPeriod"] = json!(suppressor.wait);
                configuration["actionsSuppressorExtensionPeriod"] = json!(suppressor.extension);
            }
        }
    }
    configuration
}

/// The metrics of an alarm as events have them.
fn metrics(metric: &MetricDefinition) -> Json {
    let one = evaluate::query(&metric.source);
    let queries: Vec<&MetricDataQuery> = match &metric.source {
        MetricSource::Math(queries) => queries.iter().collect(),
        MetricSource::One { .. } => one.iter().collect(),
    };
    let shown = queries.into_iter().map(|query| {
        let mut shown = json!({"id": query.id, "returnData": query.return_data.unwrap_or(true)});
        if let Some(stat) = &query.metric_stat {
            let dimensions: Map<String, Json> =
                stat.metric.dimensions.iter().flatten().map(|d| (d.name.clone(), json!(d.value))).collect();
            shown["metricStat"] = json!({
                "metric": {"namespace": stat.metric.namespace, "name": stat.metric.metric_name, "dimensions": dimensions},
                "period": stat.period, "stat": stat.stat});
            if let Some(unit) = &stat.unit {
                shown["metricStat"]["unit"] = json!(unit);
            }
        }
        if let Some(expression) = &query.expression {
            shown["expression"] = json!(expression);
        }
        if let Some(label) = &query.label {
            shown["label"] = json!(label);
        }
        shown
    });
    shown.collect()
}

/// An alarm as its history shows it.
pub(super) fn of_history(cx: &Cx, alarm: &Alarm, definition: &Definition) -> Json {
    let mut shown = json!({
        "alarmName": alarm.name,
        "alarmArn": alarm.arn(cx),
        "alarmDescription": definition.description,
        "alarmConfigurationUpdatedTimestamp": reason::instant(alarm.defined),
        "actionsEnabled": alarm.actions_enabled,
        "okactions": definition.ok_actions,
        "alarmActions": definition.alarm_actions,
        "insufficientDataActions": definition.insufficient_data_actions,
        "stateValue": alarm.state.value.as_str(),
        "stateUpdatedTimestamp": reason::instant(alarm.state.since),
    });
    match &definition.watched {
        Watched::Metric(metric) => {
            shown["evaluationPeriods"] = json!(metric.evaluation_periods);
            shown["threshold"] = json!(metric.threshold);
            shown["comparisonOperator"] = json!(metric.comparison.as_str());
            shown["metrics"] = metrics(metric);
        }
        Watched::Composite(composite) => {
            shown["alarmRule"] = json!(composite.rule);
            shown["children"] = json!(composite::children(composite).unwrap_or_else(|_| Vec::new()));
        }
    }
    shown
}

/// What AWS calls a region in messages.
fn region_name(region: &str) -> &str {
    const NAMES: &[(&str, &str)] = &[
        ("us-east-1", "US East (N. Virginia)"),
        ("us-east-2", "US East (Ohio)"),
        ("us-west-1", "US West (N. California)"),
        ("us-west-2", "US West (Oregon)"),
        ("af-south-1", "Africa (Cape Town)"),
        ("ap-east-1", "Asia Pacific (Hong Kong)"),
        ("ap-south-1", "Asia Pacific (Mumbai)"),
        ("ap-south-2", "Asia Pacific (Hyderabad)"),
        ("ap-northeast-1", "Asia Pacific (Tokyo)"),
        ("ap-northeast-2", "Asia Pacific (Seoul)"),
        ("ap-northeast-3", "Asia Pacific (Osaka)"),
        ("ap-southeast-1", "Asia Pacific (Singapore)"),
        ("ap-southeast-2", "Asia Pacific (Sydney)"),
        ("ap-southeast-3", "Asia Pacific (Jakarta)"),
        ("ap-southeast-4", "Asia Pacific (Melbourne)"),
        ("ap-southeast-5", "Asia Pacific (Malaysia)"),
        ("ap-southeast-7", "Asia Pacific (Thailand)"),
        ("ca-central-1", "Canada (Central)"),
        ("ca-west-1", "Canada West (Calgary)"),
        ("eu-central-1", "EU (Frankfurt)"),
        ("eu-central-2", "Europe (Zurich)"),
        ("eu-west-1", "EU (Ireland)"),
        ("eu-west-2", "EU (London)"),
        ("eu-west-3", "EU (Paris)"),
        ("eu-north-1", "EU (Stockholm)"),
        ("eu-south-1", "Europe (Milan)"),
        ("eu-south-2", "Europe (Spain)"),
        ("il-central-1", "Israel (Tel Aviv)"),
        ("me-south-1", "Middle East (Bahrain)"),
        ("me-central-1", "Middle East (UAE)"),
        ("mx-central-1", "Mexico (Central)"),
        ("sa-east-1", "South America (Sao Paulo)"),
        ("cn-north-1", "China (Beijing)"),
        ("cn-northwest-1", "China (Ningxia)"),
        ("us-gov-east-1", "AWS GovCloud (US-East)"),
        ("us-gov-west-1", "AWS GovCloud (US-West)"),
    ];
    NAMES.iter().find(|(code, _)| *code == region).map_or(region, |(_, name)| name)
}
