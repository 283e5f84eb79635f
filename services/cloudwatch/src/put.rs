//! `PutMetricData`.

use undercast_kernel::metrics::{self, DAY, MINUTE, Metric, Series, Statistics};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::api;
use crate::api::input::MetricDatum;
use crate::error::{combination, invalid, missing};

/// A call brings so many at most.
const MOST: usize = 1000;

/// One of them has so many values at most.
const MOST_VALUES: usize = 150;

/// Values are smaller than this.
const LARGEST: f64 = 2.348_542_582_773_833_2e108;

/// Seconds: how old a value may be, and how early.
const OLDEST: i64 = 14 * DAY;
const EARLIEST: i64 = 2 * 3600;

pub(crate) async fn put(cx: &Cx, input: api::PutMetricDataInput) -> Result<()> {
    if input.namespace.starts_with("AWS/") {
        return Err(invalid(format!("The value {} for parameter Namespace is invalid.", input.namespace)));
    }
    let Some(data) = input.metric_data.filter(|data| !data.is_empty()) else { return Err(missing("MetricData")) };
    if data.len() > MOST {
        return Err(invalid(format!("The collection MetricData must not have a size greater than {MOST}.")));
    }
    let mut points = Vec::with_capacity(data.len());
    for (n, datum) in data.iter().enumerate() {
        points.push(point(cx, &input.namespace, datum, &format!("MetricData.member.{}", n + 1))?);
    }
    cx.write(|tx| {
        points.iter().try_for_each(|(series, point)| metrics::add(tx, series, std::slice::from_ref(point)))?;
        cx.metrics_came(tx)
    })
    .await
}

/// The series of a datum and its point. `at`: where it stands in the request.
fn point(cx: &Cx, namespace: &str, datum: &MetricDatum, at: &str) -> Result<(Series, (i64, Statistics))> {
    let given = datum.dimensions.as_deref().unwrap_or_default();
    let dimensions: Vec<(&str, &str)> = given.iter().map(|d| (d.name.as_str(), d.value.as_str())).collect();
    for (n, (name, value)) in dimensions.iter().enumerate() {
        let printable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.trim().is_empty();
        let at = format!("{at}.Dimensions.member.{}", n + 1);
        if !printable(name) || name.starts_with(':') {
            return Err(invalid(format!("The value {name} for parameter {at}.Name is invalid.")));
        }
        if !printable(value) {
            return Err(invalid(format!("The value {value} for parameter {at}.Value is invalid.")));
        }
    }
    let unit = datum.unit.as_deref().unwrap_or("None");
    let metric = Metric { namespace, name: &datum.metric_name, dimensions: &dimensions, unit };
    let second = second(cx, datum.timestamp, at)?;
    let length = match datum.storage_resolution {
        None | Some(60) => MINUTE,
        Some(1) => 1,
        Some(_) => {
            let message = format!("The parameter {at}.StorageResolution must be a value in the set [ 1, 60 ].");
            return Err(invalid(message));
        }
    };
    let series = Series::of(cx.account(), cx.region(), &metric);
    Ok((series, (second - second.rem_euclid(length), statistics(datum, at)?)))
}

fn second(cx: &Cx, given: Option<Timestamp>, at: &str) -> Result<i64> {
    let now = cx.now().as_second();
    let second = given.map_or(now, Timestamp::as_second);
    if second < now - OLDEST {
        return Err(invalid(format!("The parameter {at}.Timestamp must specify a time within the past two weeks.")));
    }
    if second > now + EARLIEST {
        let message = format!("The parameter {at}.Timestamp must specify a time no more than two hours in the future.");
        return Err(invalid(message));
    }
    Ok(second)
}

fn number(value: f64, at: impl std::fmt::Display) -> Result<f64> {
    if value.is_finite() && value.abs() <= LARGEST {
        return Ok(value);
    }
    Err(invalid(format!("The value {value} for parameter {at} is invalid.")))
}

/// The values of a datum: one, some with how often each came, or what is known of many.
fn statistics(datum: &MetricDatum, at: &str) -> Result<Statistics> {
    let exclusive = |one: &str, other: &str| {
        let message =
            format!("The parameters {at}.{one} and {at}.{other} are mutually exclusive and you have specified both.");
        Err(combination(message))
    };
    match (datum.value, &datum.statistic_values, datum.values.as_deref()) {
        (Some(_), Some(_), _) => exclusive("Value", "StatisticValues"),
        (Some(_), _, Some(_)) => exclusive("Value", "Values"),
        (_, Some(_), Some(_)) => exclusive("StatisticValues", "Values"),
        (Some(value), None, None) => Ok(Statistics::of(number(value, format_args!("{at}.Value"))?, 1.0)),
        (None, Some(set), None) => {
            let parts = [
                ("SampleCount", set.sample_count),
                ("Sum", set.sum),
                ("Minimum", set.minimum),
                ("Maximum", set.maximum),
            ];
            for (name, value) in parts {
                number(value, format_args!("{at}.StatisticValues.{name}"))?;
            }
            if set.sample_count <= 0.0 {
                let message = format!("The parameter {at}.StatisticValues.SampleCount must be greater than 0.");
                return Err(invalid(message));
            }
            Ok(Statistics::reported(set.sample_count, set.sum, set.minimum, set.maximum))
        }
        (None, None, Some(values)) => distribution(values, datum.counts.as_deref(), at),
        (None, None, None) => Err(missing(&format!("{at}.Value"))),
    }
}

fn distribution(values: &[f64], counts: Option<&[f64]>, at: &str) -> Result<Statistics> {
    if values.len() > MOST_VALUES {
        let message = format!("The collection {at}.Values must not have a size greater than {MOST_VALUES}.");
        return Err(invalid(message));
    }
    if counts.is_some_and(|c| c.len() != values.len()) {
        return Err(invalid(format!("The parameters {at}.Values and {at}.Counts must be of the same size.")));
    }
    let mut all = Statistics::default();
    for (n, value) in values.iter().enumerate() {
        let value = number(*value, format_args!("{at}.Values.member.{}", n + 1))?;
        let count = counts.and_then(|c| c.get(n)).copied().unwrap_or(1.0);
        let count = number(count, format_args!("{at}.Counts.member.{}", n + 1))?;
        if count <= 0.0 {
            return Err(invalid(format!("The value {count} for parameter {at}.Counts.member.{} is invalid.", n + 1)));
        }
        all.add(value, count);
    }
    if all.count == 0.0 { Err(missing(&format!("{at}.Value"))) } else { Ok(all) }
}
