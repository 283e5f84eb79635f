//! `GetMetricData`.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::metrics::Statistics;
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::api::errors;
use crate::api::input::MetricDataQuery;
use crate::api::{self, output};
use crate::error::validation;
use crate::span::{Span, is_period};
use crate::statistic::{Parsed, Statistic};
use crate::statistics::series_of;

/// A call asks so many questions at most.
const MOST_QUERIES: usize = 500;

/// An answer has so many points at most.
const MOST_POINTS: i32 = 100_800;

pub(crate) async fn get(cx: &Cx, input: api::GetMetricDataInput) -> Result<api::GetMetricDataOutput> {
    let (start, end) = (input.start_time.as_second(), input.end_time.as_second());
    check(&input.metric_data_queries, start, end)?;
    let most = input.max_datapoints.unwrap_or(MOST_POINTS);
    if !(1..=MOST_POINTS).contains(&most) {
        let message = format!("The parameter MaxDatapoints must be between 1 and {MOST_POINTS}.");
        return Err(validation(message));
    }
    let done = match &input.next_token {
        Some(token) => {
            let wrong = || errors::invalid_next_token("The value for parameter NextToken is invalid.");
            paging::number("GetMetricData", token).ok_or_else(wrong)?
        }
        None => 0,
    };
    cx.kernel().keep_metrics().await?;
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let mut page = Page { skip: done, left: usize::try_from(most).unwrap_or(usize::MAX), over: false };
    let mut results = Vec::new();
    for query in input.metric_data_queries {
        if query.return_data == Some(false) {
            continue;
        }
        let points = answer(cx, &query, start, end)?;
        results.push(page.result(query, points, ascending));
    }
    let shown: usize = results.iter().map(|r| r.values.as_ref().map_or(0, Vec::len)).sum();
    let next_token = page.over.then(|| paging::token("GetMetricData", &(done + shown).to_string()));
    Ok(api::GetMetricDataOutput { metric_data_results: Some(results), next_token, messages: Some(Vec::new()) })
}

fn check(queries: &[MetricDataQuery], start: i64, end: i64) -> Result<()> {
    if start == end {
        return Err(validation("The parameter StartTime must not equal parameter EndTime."));
    }
    if start > end {
        return Err(validation("The parameter StartTime must be less than the parameter EndTime."));
    }
    if queries.is_empty() {
        return Err(validation("The collection MetricDataQueries must not be empty."));
    }
    if queries.len() > MOST_QUERIES {
        let message = format!("The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.");
        return Err(validation(message));
    }
    let mut ids = BTreeSet::new();
    for query in queries {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !query.id.starts_with(|c: char| c.is_ascii_lowercase()) || !query.id.bytes().all(good) {
            return Err(validation(format!("The value {} for parameter Id is invalid.", query.id)));
        }
        if !ids.insert(&query.id) {
            return Err(validation("The values for parameter id in MetricDataQueries are not unique."));
        }
    }
    Ok(())
}

/// What a question asks for: a figure by the second in which its period begins.
fn answer(cx: &Cx, query: &MetricDataQuery, start: i64, end: i64) -> Result<BTreeMap<i64, f64>> {
    let Some(asked) = &query.metric_stat else {
        return Err(validation("Either MetricStat or Expression must be specified."));
    };
    if query.label.as_ref().is_some_and(|l| l.contains("${")) {
        return Err(Failure::not_built("labels with variables"));
    }
    if query.period.is_some() {
        return Err(validation("Period must not be set where MetricStat is."));
    }
    let statistic = match Statistic::parse(&asked.stat) {
        Parsed::Known(statistic) => statistic,
        Parsed::NotBuilt => return Err(Failure::not_built(format!("the statistic {}", asked.stat))),
        Parsed::Unknown => {
            return Err(validation(format!("The value {} for parameter Stat is invalid.", asked.stat)));
        }
    };
    let period = i64::from(asked.period);
    if !is_period(period) {
        return Err(validation("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60."));
    }
    let metric = &asked.metric;
    let (namespace, name) = (metric.namespace.as_deref(), metric.metric_name.as_deref());
    let series = series_of(
        cx,
        namespace.unwrap_or_default(),
        name.unwrap_or_default(),
        metric.dimensions.as_deref(),
        asked.unit.as_deref(),
    )?;
    let span = Span::new(cx, start, end, period);
    let mut periods = BTreeMap::<i64, Statistics>::new();
    for one in series {
        for (at, values) in span.read(cx, &one)? {
            periods.entry(at).or_default().merge(&values);
        }
    }
    Ok(periods.into_iter().filter_map(|(at, values)| Some((at, statistic.of(&values)?))).collect())
}

/// What of all points this answer has.
struct Page {
    /// Points of earlier answers, which are still to be passed over.
    skip: usize,
    /// Points for which there is room.
    left: usize,
    /// Some are left over.
    over: bool,
}

impl Page {
    fn result(
        &mut self,
        query: MetricDataQuery,
        points: BTreeMap<i64, f64>,
        ascending: bool,
    ) -> output::MetricDataResult {
        let mut points: Vec<(i64, f64)> = points.into_iter().collect();
        if !ascending {
            points.reverse();
        }
        let passed = self.skip.min(points.len());
        self.skip -= passed;
        let shown = self.left.min(points.len() - passed);
        self.left -= shown;
        let rest = points.len() - passed - shown;
        self.over |= rest > 0;
        let (at, values): (Vec<i64>, Vec<f64>) = points.into_iter().skip(passed).take(shown).unzip();
        let named = || query.metric_stat.and_then(|s| s.metric.metric_name);
        output::MetricDataResult {
            id: Some(query.id),
            label: query.label.or_else(named),
            timestamps: Some(at.into_iter().filter_map(|at| Timestamp::from_second(at).ok()).collect()),
            values: Some(values),
            status_code: Some(if rest > 0 { "PartialData" } else { "Complete" }.to_owned()),
            messages: None,
        }
    }
}
