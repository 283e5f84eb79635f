//! `GetMetricData`.

use jiff::tz::TimeZone;
use undercast_kernel::{Cx, Result, Timestamp, paging};

use crate::api::errors;
use crate::api::kept::MetricDataQuery;
use crate::api::{self, output};
use crate::error::validation;
use crate::label;
use crate::math::{Series, Value};
use crate::queries::{self, Queries};

/// A call asks so many questions at most.
const MOST_QUERIES: usize = 500;

/// An answer has so many points at most.
const MOST_POINTS: i32 = 100_800;

pub(crate) async fn get(cx: &Cx, input: api::GetMetricDataInput) -> Result<api::GetMetricDataOutput> {
    let (start, end) = (input.start_time.as_second(), input.end_time.as_second());
    check(&input.metric_data_queries, start, end)?;
    let zone = label::zone(input.label_options.as_ref().and_then(|options| options.timezone.as_deref()))?;
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
    let mut asked = Queries::new(cx, &input.metric_data_queries, start, end);
    let mut results = Vec::new();
    for query in &input.metric_data_queries {
        if query.return_data == Some(false) {
            continue;
        }
        for (label, series) in shown(cx, query, asked.value(query)?, &zone)? {
            results.push(page.result(&query.id, label, series, ascending));
        }
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
    if queries.iter().all(|q| q.return_data == Some(false)) {
        return Err(validation("At least one query must return data."));
    }
    queries.iter().filter_map(|q| q.label.as_deref()).try_for_each(label::check)?;
    queries::check(queries)
}

/// The series of a query, with their labels.
fn shown(cx: &Cx, query: &MetricDataQuery, value: Value, zone: &TimeZone) -> Result<Vec<(String, Series)>> {
    let told = |label: &str, series: &Series| label::told(cx, label, series, zone);
    match value {
        Value::Scalar(_) => {
            let message = format!("Error in expression '{}': The result is a number, and no time series", query.id);
            Err(validation(message))
        }
        Value::Series(mut series) => {
            let metric = query.metric_stat.as_ref().and_then(|stat| stat.metric.metric_name.as_ref());
            series.label.clone_from(metric.unwrap_or(&query.id));
            let label = told(query.label.as_deref().unwrap_or(&series.label), &series);
            Ok(vec![(label, series)])
        }
        Value::Array(all) => {
            let each = all.into_iter().map(|series| {
                let label = match &query.label {
                    None => series.label.clone(),
                    Some(label) if label.contains("${") => told(label, &series),
                    Some(label) => format!("{label} {}", series.label),
                };
                (label, series)
            });
            Ok(each.collect())
        }
    }
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
    fn result(&mut self, id: &str, label: String, series: Series, ascending: bool) -> output::MetricDataResult {
        let mut points: Vec<(i64, f64)> = series.points.into_iter().collect();
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
        output::MetricDataResult {
            id: Some(id.to_owned()),
            label: Some(label),
            timestamps: Some(at.into_iter().filter_map(|at| Timestamp::from_second(at).ok()).collect()),
            values: Some(values),
            status_code: Some(if rest > 0 { "PartialData" } else { "Complete" }.to_owned()),
            messages: None,
        }
    }
}
