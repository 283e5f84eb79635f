//! Labels with values in them: `${MAX}`, `${PROP('MetricName')}`.
//!
//! Source: "Use dynamic labels" in the user guide. It shows no form of moments and spans: they are told as ISO dates and as
//! hours, minutes and seconds.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use undercast_kernel::{Cx, Result};

use crate::error::validation;
use crate::math::Series;

/// A label has so many values in it at most.
const MOST_VALUES: usize = 6;

/// The zone in which labels tell moments: `+0130`, or UTC where none is given.
pub(crate) fn zone(given: Option<&str>) -> Result<TimeZone> {
    let Some(given) = given else { return Ok(TimeZone::UTC) };
    let wrong = || validation(format!("The value {given} for parameter LabelOptions.Timezone is invalid."));
    let (sign, digits) = match given.split_at_checked(1).ok_or_else(wrong)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return Err(wrong()),
    };
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: i32 = digits.parse().map_err(|_| wrong())?;
    let (hours, minutes) = (number / 100, number % 100);
    if hours > 23 || minutes > 59 {
        return Err(wrong());
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).map(TimeZone::fixed).map_err(|_| wrong())
}

/// Refuses a label with too many values in it.
pub(crate) fn check(label: &str) -> Result<()> {
    if label.matches("${").count() > MOST_VALUES {
        return Err(validation(format!("A label must not have more than {MOST_VALUES} dynamic values.")));
    }
    Ok(())
}

/// A label with its values.
pub(crate) fn told(cx: &Cx, label: &str, series: &Series, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut rest = label;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            text.push_str("${");
            rest = after;
            continue;
        };
        match value(cx, name.trim(), series, zone) {
            Some(value) => text.push_str(&value),
            // What is no value stands as it was written.
            None => text.extend(["${", name, "}"]),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

fn value(cx: &Cx, name: &str, series: &Series, zone: &TimeZone) -> Option<String> {
    if let Some(property) = name.strip_prefix("PROP(").and_then(|n| n.strip_suffix(')')) {
        return property_of(cx, property.trim_matches(['\'', '"']), series);
    }
    if name == "LABEL" {
        return Some(series.label.clone());
    }
    let points = &series.points;
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    let count = f64::from(u32::try_from(points.len()).unwrap_or(u32::MAX));
    let sum: f64 = points.values().sum();
    let by_value =
        || points.iter().min_by(|a, b| a.1.total_cmp(b.1)).zip(points.iter().max_by(|a, b| a.1.total_cmp(b.1)));
    let ends = || points.first_key_value().zip(points.last_key_value());
    if let Some(of) = name.strip_suffix("_TIME_RELATIVE") {
        return Some(
            moment_of(of, by_value(), ends())?.map_or_else(|| "-".to_owned(), |at| span(cx.now().as_second() - at)),
        );
    }
    if let Some(of) = name.strip_suffix("_TIME_RANGE") {
        let (first, last) = match of {
            "FIRST_LAST" => ends()?,
            "MIN_MAX" => by_value()?,
            _ => return None,
        };
        return Some(span((last.0 - first.0).abs()));
    }
    if let Some(of) = name.strip_suffix("_TIME") {
        return Some(moment_of(of, by_value(), ends())?.map_or_else(|| "-".to_owned(), |at| moment(at, zone)));
    }
    Some(match name {
        "AVG" => figure((count > 0.0).then(|| sum / count)),
        "DATAPOINT_COUNT" => points.len().to_string(),
        "SUM" => figure((count > 0.0).then_some(sum)),
        "MIN" => figure(by_value().map(|(min, _)| *min.1)),
        "MAX" => figure(by_value().map(|(_, max)| *max.1)),
        "MIN_MAX_RANGE" => figure(by_value().map(|(min, max)| max.1 - min.1)),
        "FIRST" => figure(ends().map(|(first, _)| *first.1)),
        "LAST" => figure(ends().map(|(_, last)| *last.1)),
        "FIRST_LAST_RANGE" => figure(ends().map(|(first, last)| last.1 - first.1)),
        _ => return None,
    })
}

type Two<'a> = Option<((&'a i64, &'a f64), (&'a i64, &'a f64))>;

/// When that was. The outer `None`: there is no such value; the inner one: there is no point.
#[expect(clippy::option_option, reason = "the two are told apart")]
fn moment_of(name: &str, by_value: Two<'_>, ends: Two<'_>) -> Option<Option<i64>> {
    Some(match name {
        "FIRST" => ends.map(|(first, _)| *first.0),
        "LAST" => ends.map(|(_, last)| *last.0),
        "MIN" => by_value.map(|(min, _)| *min.0),
        "MAX" => by_value.map(|(_, max)| *max.0),
        _ => return None,
    })
}

fn property_of(cx: &Cx, property: &str, series: &Series) -> Option<String> {
    let source = series.source.as_ref();
    Some(match property {
        "AccountId" | "AccountLabel" => cx.account().to_owned(),
        "Region" => cx.region().to_owned(),
        "Period" => series.period.to_string(),
        "MetricName" => source?.name.clone(),
        "Namespace" => source?.namespace.clone(),
        "Stat" => source?.statistic.clone(),
        other => {
            let name = other.strip_prefix("Dim.")?;
            source?.dimensions.iter().find(|(n, _)| n == name)?.1.clone()
        }
    })
}

fn moment(at: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(zone.clone());
    at.strftime("%Y-%m-%d %H:%M:%S UTC%:z").to_string()
}

fn span(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, "h"), (minutes, "m"), (rest, "s")];
    let told: Vec<String> = parts.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if told.is_empty() { "0s".to_owned() } else { told.join(" ") }
}
