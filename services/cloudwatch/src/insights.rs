//! `GetInsightRuleReport`: who contributed most to what a rule of Contributor Insights counts.

use std::collections::BTreeMap;

use undercast_kernel::insights::{self, Amount, Minute, Share};
use undercast_kernel::metrics::MINUTE;
use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::error::invalid;

/// A report has so many contributors unless it is said otherwise, and so many at most.
const USUAL: usize = 10;
const MOST: usize = 100;
/// An answer has so many points at most.
const MOST_POINTS: i64 = 1440;

/// By what contributors are put in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OrderBy {
    Sum,
    Maximum,
}

impl OrderBy {
    fn of(self, amount: &Amount) -> f64 {
        match self {
            Self::Sum => amount.sum,
            Self::Maximum => amount.maximum,
        }
    }
}

pub(crate) async fn report(cx: &Cx, input: api::GetInsightRuleReportInput) -> Result<api::GetInsightRuleReportOutput> {
    let (start, end, period) = span(&input)?;
    let most = match input.max_contributor_count {
        None => USUAL,
        Some(given) => usize::try_from(given)
            .ok()
            .filter(|n| (1..=MOST).contains(n))
            .ok_or_else(|| invalid(format!("The parameter MaxContributorCount must be between 1 and {MOST}.")))?,
    };
    let order = match input.order_by.as_deref() {
        None | Some("Sum") => OrderBy::Sum,
        Some("Maximum") => OrderBy::Maximum,
        Some(_) => return Err(invalid("The parameter OrderBy must be Sum or Maximum.")),
    };
    let asked: Vec<String> = input.metrics.into_iter().flatten().collect();
    if let Some(unknown) = asked.iter().find(|name| !METRICS.contains(&name.as_str())) {
        return Err(invalid(format!("The value {unknown} for parameter Metrics is invalid.")));
    }
    cx.kernel().keep_metrics().await?;
    let from = cx.read();
    let rule = insights::rule(cx, &from, &input.rule_name)?
        .ok_or_else(|| errors::resource_not_found_exception(format!("The rule {} does not exist.", input.rule_name)))?;
    let mut periods: BTreeMap<i64, Minute> = BTreeMap::new();
    let mut all = Minute::default();
    for (at, minute) in insights::read(cx, &from, &input.rule_name, start, end)? {
        all.add(&minute);
        periods.entry(at - (at - start).rem_euclid(period)).or_default().add(&minute);
    }
    all.top.sort_by(|a, b| order.of(&b.amount).total_cmp(&order.of(&a.amount)));
    let contributors = all.top.iter().take(most).map(|share| contributor(share, order, &periods)).collect();
    let points = periods.iter().map(|(at, minute)| point(*at, minute, &asked)).collect();
    Ok(api::GetInsightRuleReportOutput {
        key_labels: Some(rule.labels),
        aggregation_statistic: Some("Sum".to_owned()),
        aggregate_value: Some(all.all.sum),
        approximate_unique_count: i64::try_from(all.contributors).ok(),
        contributors: Some(contributors),
        metric_datapoints: (!asked.is_empty()).then_some(points),
    })
}

/// Start, end and period in seconds.
fn span(input: &api::GetInsightRuleReportInput) -> Result<(i64, i64, i64)> {
    let (start, end, period) = (input.start_time.as_second(), input.end_time.as_second(), i64::from(input.period));
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    if period < MINUTE || period % MINUTE != 0 {
        return Err(invalid("The parameter Period must be a multiple of 60."));
    }
    if (end - start) / period > MOST_POINTS {
        return Err(invalid(format!("The report would have more than {MOST_POINTS} datapoints.")));
    }
    Ok((start - start.rem_euclid(MINUTE), end, period))
}

fn contributor(share: &Share, order: OrderBy, periods: &BTreeMap<i64, Minute>) -> output::InsightRuleContributor {
    let of = |minute: &Minute| minute.top.iter().find(|other| other.keys == share.keys).map(|s| order.of(&s.amount));
    let datapoints = periods.iter().filter_map(|(at, minute)| {
        let timestamp = Timestamp::from_second(*at).ok()?;
        Some(output::InsightRuleContributorDatapoint { timestamp, approximate_value: of(minute)? })
    });
    output::InsightRuleContributor {
        keys: share.keys.clone(),
        approximate_aggregate_value: order.of(&share.amount),
        datapoints: datapoints.collect(),
    }
}

/// The metrics of a report.
const METRICS: &[&str] =
    &["UniqueContributors", "MaxContributorValue", "SampleCount", "Sum", "Minimum", "Maximum", "Average"];

/// A metric of a rule in a period. `None`: there is none of that name.
#[expect(clippy::cast_precision_loss, reason = "contributors are counted in numbers that a float tells apart")]
pub(crate) fn figure(minute: &Minute, metric: &str) -> Option<f64> {
    let all = &minute.all;
    Some(match metric {
        "UniqueContributors" => minute.contributors as f64,
        "MaxContributorValue" => minute.top.iter().map(|share| share.amount.sum).fold(0.0, f64::max),
        "SampleCount" => all.count,
        "Average" => all.sum / all.count.max(1.0),
        "Sum" => all.sum,
        "Minimum" => all.minimum,
        "Maximum" => all.maximum,
        _ => return None,
    })
}

fn point(at: i64, minute: &Minute, asked: &[String]) -> output::InsightRuleMetricDatapoint {
    let given = |name: &str| if asked.iter().any(|wanted| wanted == name) { figure(minute, name) } else { None };
    output::InsightRuleMetricDatapoint {
        timestamp: Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH),
        unique_contributors: given("UniqueContributors"),
        max_contributor_value: given("MaxContributorValue"),
        sample_count: given("SampleCount"),
        average: given("Average"),
        sum: given("Sum"),
        minimum: given("Minimum"),
        maximum: given("Maximum"),
    }
}
