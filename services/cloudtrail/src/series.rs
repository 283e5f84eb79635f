//! How often calls are made and fail, minute by minute: what insights are found in, and ListInsightsMetricData.
//!
//! It is counted where a trail with insight selectors logs. Counts are kept for 90 days.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::Value as Json;
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Result, Timestamp, paging};

use crate::api::{self, errors};
use crate::rows::moment;
use crate::{CloudTrail, name};

/// Account, region, source, name, code of an error; minute.
pub(crate) static MINUTES: Table<Count> = Table::new("cloudtrail.series");
/// The same by the hour: what is usual is read off these.
pub(crate) static HOURS: Table<Count> = Table::new("cloudtrail.hours");

pub(crate) const MINUTE: i64 = 60 * 1000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Counts are kept so long.
const KEPT: i64 = 90 * 24 * HOUR;
/// So many different callers are told apart.
const MOST_VALUES: usize = 64;

/// What kind of insight a count is for.
pub(crate) const CALLS: &str = "ApiCallRateInsight";
pub(crate) const ERRORS: &str = "ApiErrorRateInsight";

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Count {
    #[n(0)]
    pub(crate) calls: i64,
    /// The sum of the squares of what each minute had.
    #[n(1)]
    pub(crate) squares: i64,
    /// By the caller's ARN.
    #[n(2)]
    pub(crate) users: BTreeMap<String, i64>,
    #[n(3)]
    pub(crate) agents: BTreeMap<String, i64>,
    /// By the code of the error.
    #[n(4)]
    pub(crate) errors: BTreeMap<String, i64>,
}

fn count_value(all: &mut BTreeMap<String, i64>, value: &str, by: i64) {
    if all.len() < MOST_VALUES || all.contains_key(value) {
        *all.entry(value.to_owned()).or_default() += by;
    }
}

impl Count {
    /// Adds another count.
    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.squares += other.squares;
        for (mine, theirs) in
            [(&mut self.users, &other.users), (&mut self.agents, &other.agents), (&mut self.errors, &other.errors)]
        {
            theirs.iter().for_each(|(value, by)| count_value(mine, value, *by));
        }
    }
}

/// Which calls are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) source: String,
    pub(crate) name: String,
    /// Empty: all of them, whether they fail or not.
    pub(crate) error: String,
}

impl Series {
    pub(crate) fn kind(&self) -> &'static str {
        if self.error.is_empty() { CALLS } else { ERRORS }
    }

    pub(crate) fn key<'a>(
        &'a self,
        account: &'a str,
        region: &'a str,
    ) -> (&'a str, &'a str, (&'a str, &'a str, &'a str)) {
        (account, region, (&self.source, &self.name, &self.error))
    }
}

/// A call that is counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) series: Series,
    pub(crate) at: i64,
    one: Count,
}

/// How a call is counted: as a call where it changes something, and as an error where it failed.
pub(crate) fn of(event: &Json, account: &str, region: &str, at: i64, kinds: &[&'static str]) -> Vec<Counted> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let identity = &event["userIdentity"];
    let user = identity["arn"].as_str().or(identity["invokedBy"].as_str()).unwrap_or_default();
    let code = event["errorCode"].as_str().unwrap_or("null");
    let one = |error: &str| Counted {
        account: account.to_owned(),
        region: region.to_owned(),
        series: Series {
            source: text(&event["eventSource"]),
            name: text(&event["eventName"]),
            error: error.to_owned(),
        },
        at,
        one: Count {
            calls: 1,
            squares: 0,
            users: BTreeMap::from([(user.to_owned(), 1)]),
            agents: BTreeMap::from([(text(&event["userAgent"]), 1)]),
            errors: BTreeMap::from([(code.to_owned(), 1)]),
        },
    };
    let mut all = Vec::new();
    if kinds.contains(&CALLS) && event["readOnly"] == false {
        all.push(one(""));
    }
    if kinds.contains(&ERRORS) && event["errorCode"].is_string() {
        all.push(one(code));
    }
    all
}

/// Counts a call.
pub(crate) fn count(tx: &mut Tx<'_>, counted: &Counted) -> Result<()> {
    let key = counted.series.key(&counted.account, &counted.region);
    let minute = counted.at.div_euclid(MINUTE) * MINUTE;
    let hour = counted.at.div_euclid(HOUR) * HOUR;
    let mut row = MINUTES.get(tx, &(key, minute))?.unwrap_or_default();
    // (n + 1)² is n² + 2n + 1.
    let square = 2 * row.calls + 1;
    row.add(&counted.one);
    MINUTES.put(tx, &(key, minute), &row);
    let mut row = HOURS.get(tx, &(key, hour))?.unwrap_or_default();
    row.add(&counted.one);
    row.squares += square;
    HOURS.put(tx, &(key, hour), &row);
    for entry in MINUTES.page(tx, &key, None::<&()>, Order::Ascending, 2)? {
        if let Some((.., minute)) = entry.key::<(String, String, String, String, String, i64)>()
            && counted.at - minute > KEPT
        {
            MINUTES.delete(tx, &(key, minute));
        }
    }
    Ok(())
}

/// What was counted from one moment on and before another one.
pub(crate) fn between(
    from: &(impl Read + ?Sized),
    table: &Table<Count>,
    key: (&str, &str, (&str, &str, &str)),
    start: i64,
    end: i64,
) -> Result<Vec<(i64, Count)>> {
    let rows = table.range(from, &(key, start), &(key, end), Order::Ascending, usize::MAX)?;
    let at = |key: Option<(String, String, String, String, String, i64)>| key.map_or(0, |(.., at)| at);
    Ok(rows.into_iter().map(|entry| (at(entry.key()), entry.row)).collect())
}

/// So many points are answered at once.
const MOST_POINTS: usize = 21_600;

/// Counts of calls or of errors by a period.
pub(crate) async fn list(
    service: &CloudTrail,
    cx: &Cx,
    input: &api::ListInsightsMetricDataInput,
) -> Result<api::ListInsightsMetricDataOutput> {
    service.recorder.settle().await;
    let bad = |message: &str| errors::invalid_parameter_exception(message);
    let from = cx.read();
    let trail = input.trail_name.as_deref().map(|given| metric_trail(cx, given)).transpose()?;
    let errors_wanted = input.insight_type == ERRORS;
    if errors_wanted != input.error_code.is_some() {
        return Err(bad("ErrorCode must be specified for ApiErrorRateInsight, and for nothing else.").into());
    }
    let period = i64::from(input.period.unwrap_or(3600));
    if ![60, 300, 3600].contains(&period) {
        return Err(bad("Period must be 60, 300 or 3600.").into());
    }
    let now = cx.now_millis();
    let end = input.end_time.map_or(now, Timestamp::as_millisecond);
    let start = input.start_time.map_or(end - 24 * HOUR, Timestamp::as_millisecond);
    if start >= end {
        return Err(bad("StartTime must be before EndTime.").into());
    }
    let error = input.error_code.clone().unwrap_or_else(String::new);
    let series = Series { source: input.event_source.clone(), name: input.event_name.clone(), error };
    let step = period * 1000;
    let start = start.div_euclid(step) * step;
    let mut points: BTreeMap<i64, i64> = BTreeMap::new();
    if input.data_type.as_deref() != Some("NonZeroData") {
        let count = usize::try_from((end - start).div_euclid(step) + 1).unwrap_or(0).min(10 * MOST_POINTS);
        points.extend((0i64..).take(count).map(|i| (start + i * step, 0)).filter(|(at, _)| *at < end));
    }
    for (at, count) in between(&from, &MINUTES, series.key(cx.account(), cx.region()), start, end)? {
        *points.entry(at.div_euclid(step) * step).or_default() += count.calls;
    }
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(MOST_POINTS);
    let scope = format!("ListInsightsMetricData/{series:?}/{period}/{start}/{end}");
    let page = paging::page(&scope, points.into_iter().collect(), input.next_token.as_deref(), size);
    let (points, next_token) = page.ok_or_else(|| bad("The next token is not valid."))?;
    let (timestamps, values): (Vec<_>, Vec<_>) = points.into_iter().map(|(at, n)| (moment(at), n as f64)).unzip();
    Ok(api::ListInsightsMetricDataOutput {
        trail_arn: trail,
        event_source: Some(series.source),
        event_name: Some(series.name),
        insight_type: Some(input.insight_type.clone()),
        error_code: input.error_code.clone(),
        timestamps: Some(timestamps),
        values: Some(values),
        next_token,
    })
}

/// The ARN of the trail whose metrics are asked for: one with insights.
fn metric_trail(cx: &Cx, given: &str) -> Result<String> {
    let found = name::find(cx, &cx.read(), given);
    let (name, trail) = match found {
        Err(undercast_kernel::Failure::Aws(error)) if error.code != "InvalidTrailNameException" => {
            return Err(errors::invalid_parameter_exception(error.message).into());
        }
        other => other?,
    };
    if trail.insights.is_none() {
        let message = format!("Insights are not enabled for the trail {}.", name.arn());
        return Err(errors::invalid_parameter_exception(message).into());
    }
    Ok(name.arn())
}
