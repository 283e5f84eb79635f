//! `GetMetricStatistics`.

use std::collections::BTreeMap;

use undercast_kernel::metrics::{self, Metric, Series, Statistics};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, kept, output};
use crate::error::{combination, invalid, missing};
use crate::span::{Span, is_period};
use crate::statistic::{PLAIN, Statistic};

/// An answer has so many points at most.
const MOST: i64 = 1440;

pub(crate) async fn get(cx: &Cx, input: api::GetMetricStatisticsInput) -> Result<api::GetMetricStatisticsOutput> {
    let plain = parse(input.statistics.as_deref(), "Statistics")?;
    let extended = parse(input.extended_statistics.as_deref(), "ExtendedStatistics")?;
    match (plain.is_empty(), extended.is_empty()) {
        (true, true) => return Err(missing("Statistics")),
        (false, false) => {
            let message =
                "The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both.";
            return Err(combination(message));
        }
        _ => {}
    }
    let span = span(cx, &input)?;
    cx.kernel().keep_metrics().await?;
    let mut datapoints = Vec::new();
    for series in
        series_of(cx, &input.namespace, &input.metric_name, input.dimensions.as_deref(), input.unit.as_deref())?
    {
        let periods = span.read(cx, &series)?;
        datapoints.extend(periods.iter().map(|(at, values)| point(&series.unit, *at, values, &plain, &extended)));
    }
    Ok(api::GetMetricStatisticsOutput { label: Some(input.metric_name), datapoints: Some(datapoints) })
}

fn parse(names: Option<&[String]>, parameter: &str) -> Result<Vec<(String, Statistic)>> {
    let names = names.unwrap_or_default().iter().enumerate();
    let parsed = names.map(|(n, name)| {
        let plain = PLAIN.iter().find(|(known, _)| known == name).map(|(_, statistic)| *statistic);
        let wanted = if parameter == "Statistics" { plain } else { Statistic::parse_extended(name) };
        let wrong = || invalid(format!("The value {name} for parameter {parameter}.member.{} is invalid.", n + 1));
        wanted.map(|statistic| (name.clone(), statistic)).ok_or_else(wrong)
    });
    parsed.collect()
}

fn span(cx: &Cx, input: &api::GetMetricStatisticsInput) -> Result<Span> {
    let (start, end) = (input.start_time.as_second(), input.end_time.as_second());
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    let period = i64::from(input.period);
    if !is_period(period) {
        return Err(invalid("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60."));
    }
    let span = Span::new(cx, start, end, period);
    let periods = span.periods();
    if periods > MOST {
        let message = format!(
            "You have requested up to {periods} datapoints, which exceeds the limit of {MOST}. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        );
        return Err(combination(message));
    }
    Ok(span)
}

/// The series of a metric: one, or one a unit where no unit is asked for.
fn series_of(
    cx: &Cx,
    namespace: &str,
    name: &str,
    dimensions: Option<&[kept::Dimension]>,
    unit: Option<&str>,
) -> Result<Vec<Series>> {
    let dimensions: Vec<(&str, &str)> =
        dimensions.unwrap_or_default().iter().map(|d| (d.name.as_str(), d.value.as_str())).collect();
    let metric = Metric { namespace, name, dimensions: &dimensions, unit: "" };
    metrics::find(&cx.read(), (cx.account(), cx.region()), &metric, unit)
}

fn point(
    unit: &str,
    at: i64,
    values: &Statistics,
    plain: &[(String, Statistic)],
    extended: &[(String, Statistic)],
) -> output::Datapoint {
    let asked = |wanted: Statistic| plain.iter().find(|(_, s)| *s == wanted).and_then(|(_, s)| s.of(values));
    let others: BTreeMap<String, f64> =
        extended.iter().filter_map(|(name, s)| Some((name.clone(), s.of(values)?))).collect();
    output::Datapoint {
        timestamp: Timestamp::from_second(at).ok(),
        sample_count: asked(Statistic::SampleCount),
        average: asked(Statistic::Average),
        sum: asked(Statistic::Sum),
        minimum: asked(Statistic::Minimum),
        maximum: asked(Statistic::Maximum),
        unit: Some(unit.to_owned()),
        extended_statistics: (!extended.is_empty()).then_some(others),
    }
}
