//! Why an alarm is in its state, in AWS's words.
//!
//! Source: the state reasons that the user guide, its event examples and many a public issue show.

use serde_json::{Value as Json, json};
use undercast_kernel::Timestamp;

use super::datapoints::{Missing, Point, Verdict};
use super::rows::{MetricDefinition, MetricSource, StateValue};

/// The sentence of a state that its points make.
pub(super) fn sentence(metric: &MetricDefinition, state: StateValue, verdict: &Verdict, missing: Missing) -> String {
    if state == StateValue::InsufficientData {
        let (count, were) = plural(verdict.missing, "datapoint was", "datapoints were");
        return format!("Insufficient Data: {count} {were} unknown.");
    }
    let (threshold, words) = (shown(metric.threshold), metric.comparison.words());
    let alarming = state == StateValue::Alarm;
    if verdict.points.is_empty() {
        let (periods, name) = plural(verdict.missing, "period", "periods");
        let (count, were) = plural(verdict.missing, "missing datapoint was", "missing datapoints were");
        let way = if missing == Missing::Breaching { "Breaching" } else { "NonBreaching" };
        return format!(
            "Threshold Crossed: no datapoints were received for {periods} {name} and {count} {were} treated as [{way}]."
        );
    }
    let of_state = verdict.points.iter().filter(|p| p.breaches == alarming);
    let told: Vec<String> = of_state.map(|p| format!("{} ({})", shown(p.value), day_and_time(p.at))).collect();
    let (count, all) = (told.len(), verdict.points.len());
    let negation = if alarming { "" } else { "not " };
    // So many good points are enough for the way back.
    let needed = if alarming { metric.to_alarm() } else { metric.evaluation_periods - metric.to_alarm() + 1 };
    let points = if needed == 1 { "datapoint" } else { "datapoints" };
    let way = if alarming { "OK -> ALARM" } else { "ALARM -> OK" };
    let were = if count == 1 { "was" } else { "were" };
    format!(
        "Threshold Crossed: {count} out of the last {all} datapoints [{}] {were} {negation}{words} the threshold ({threshold}) (minimum {needed} {points} for {way} transition).",
        told.join(", ")
    )
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> (usize, &'a str) {
    (count, if count == 1 { one } else { many })
}

/// A number as Java prints it: `90.0`.
pub(super) fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e7 { format!("{value:.1}") } else { value.to_string() }
}

/// `22/02/26 10:00:00`
fn day_and_time(at: i64) -> String {
    Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%d/%m/%y %H:%M:%S").to_string()
}

/// `2026-02-22T10:00:00.000+0000`
pub(super) fn instant(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// The same as data. `now` in milliseconds since 1970.
pub(super) fn data(metric: &MetricDefinition, points: &[Point], now: i64) -> Json {
    let oldest_first: Vec<&Point> = points.iter().rev().collect();
    let recent: Vec<f64> = oldest_first.iter().map(|p| p.value).collect();
    let evaluated: Vec<Json> =
        points.iter().map(|p| json!({"timestamp": instant(p.at * 1000), "value": p.value})).collect();
    let mut data = json!({"version": "1.0", "queryDate": instant(now)});
    if let Some(first) = oldest_first.first() {
        data["startDate"] = json!(instant(first.at * 1000));
    }
    if let MetricSource::One { statistic, extended_statistic, unit, .. } = &metric.source {
        if let Some(statistic) = statistic.as_ref().or(extended_statistic.as_ref()) {
            data["statistic"] = json!(statistic);
        }
        if let Some(unit) = unit {
            data["unit"] = json!(unit);
        }
    }
    data["period"] = json!(metric.period());
    data["recentDatapoints"] = json!(recent);
    data["threshold"] = json!(metric.threshold);
    data["evaluatedDatapoints"] = json!(evaluated);
    data
}
