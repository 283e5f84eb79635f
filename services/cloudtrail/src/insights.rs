//! Insights: calls that are made, or fail, unusually often.
//!
//! What is usual is what the seven days before had on average a minute. Five minutes that have more than three times as much, and more
//! than four standard deviations of such five minutes beyond it, and one call a minute at least, begin an insight; it ends with the first
//! five minutes that do not. AWS does not tell by what it finds them: it learns from the same seven days, and begins after a day or more
//! of logging, which is so here too. Calls that are unusually rare are not found.
//!
//! Source: "Working with CloudTrail Insights" and "CloudTrail record contents for Insights events for trails" in the user guide.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;
use undercast_kernel::{Announcement, Cx, Kernel, Next, Result, Timestamp, paging};

use crate::api::kept::InsightSelector;
use crate::api::{self, errors};
use crate::history::{fits, shown};
use crate::lake::ingest::{self, Kept};
use crate::lake::store::{self, STORES, State, Store};
use crate::name::find;
use crate::recorder::newest;
use crate::rows::{Seen, TRAILS, Trail, from_json, moment};
use crate::series::{CALLS, Count, Counted, ERRORS, HOUR, HOURS, MINUTE, MINUTES, Series, between, count};
use crate::{CloudTrail, SERVICE, deliver};

/// What the task is called.
pub(crate) const KIND: &str = "insights";

/// Account, region; source, name, code of an error: what is unusual now.
static UNUSUAL: Table<Unusual> = Table::new("cloudtrail.unusual");
/// Account, region, milliseconds, id: insights events, as the history has others.
pub(crate) static INSIGHTS: Table<Seen> = Table::new("cloudtrail.insights");

const DAY: i64 = 24 * HOUR;
/// What is usual is learnt from so long before.
const BASELINE: i64 = 7 * DAY;
/// Nothing is found before so much of it is known.
const LEARNT: i64 = DAY;
/// What is looked at together.
const WINDOW: i64 = 5 * MINUTE;
const WINDOW_MINUTES: f64 = 5.0;

/// An insight that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Unusual {
    #[n(0)]
    since: i64,
    /// What its beginning and its end share.
    #[n(1)]
    id: String,
}

/// The kinds that an event of a category counts for, by these selectors.
pub(crate) fn kinds<'a>(selectors: impl Iterator<Item = &'a InsightSelector>, category: &str) -> Vec<&'static str> {
    let mut all = Vec::new();
    for selector in selectors {
        let kind = [CALLS, ERRORS].into_iter().find(|kind| selector.insight_type.as_deref() == Some(kind));
        // Where nothing is said, management events are meant.
        let wanted = selector.event_categories.as_ref();
        let fits = wanted.map_or(category == "Management", |all| all.iter().any(|one| one == category));
        all.extend(kind.filter(|_| fits));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The insight selectors of a trail.
pub(crate) fn chosen(trail: &Trail) -> Result<Vec<InsightSelector>> {
    trail.insights.as_deref().map_or_else(|| Ok(Vec::new()), from_json)
}

/// Counts a call, and has it looked at when its minute is over.
pub(crate) fn note(kernel: &Kernel, tx: &mut Tx<'_>, counted: &Counted) -> Result<()> {
    count(tx, counted)?;
    let cx = kernel.cx_for(&counted.account, &counted.region);
    let due = moment((counted.at.div_euclid(MINUTE) + 1) * MINUTE);
    let id = format!("{KIND} {} {}", counted.account, counted.region);
    cx.tasks().schedule_sooner(&cx, tx, SERVICE, &id, KIND, String::new(), due)
}

/// Looks at all series of an account and region, once a minute while something is counted or unusual.
pub(crate) async fn run(cx: &Cx) -> Result<Next> {
    let now = cx.now_millis().div_euclid(MINUTE) * MINUTE;
    let mut awake = false;
    for series in series(cx)? {
        let key = series.key(cx.account(), cx.region());
        let from = cx.read();
        let open = UNUSUAL.get(&from, &key)?;
        let recent = total(&between(&from, &MINUTES, key, now - WINDOW, now)?);
        if recent.calls == 0 && open.is_none() {
            continue;
        }
        awake = true;
        let usual = usual(&from, key, open.as_ref().map_or(now - WINDOW, |open| open.since))?;
        let unusual = usual.as_ref().is_some_and(|usual| usual.is_exceeded_by(per_minute(recent.calls, WINDOW)));
        match (open, usual) {
            (None, Some(usual)) if unusual => begin(cx, &series, &usual, &recent, now).await?,
            (Some(open), Some(usual)) if !unusual => end(cx, &series, &open, &usual, now).await?,
            _ => {}
        }
    }
    Ok(if awake { Next::Again(moment(now + MINUTE)) } else { Next::Done })
}

/// What has been counted here.
fn series(cx: &Cx) -> Result<Vec<Series>> {
    let from = cx.read();
    let (mut all, mut after): (Vec<Series>, Option<(String, String, String)>) = (Vec::new(), None);
    loop {
        // From one series to the next, over all of its hours.
        let behind =
            after.as_ref().map(|(s, n, e)| (cx.account(), cx.region(), (s.as_str(), n.as_str(), e.as_str()), i64::MAX));
        let page = HOURS.page(&from, &(cx.account(), cx.region()), behind.as_ref(), Order::Ascending, 1)?;
        let key =
            page.first().and_then(undercast_kernel::store::Entry::key::<(String, String, String, String, String, i64)>);
        let Some((_, _, source, name, error, _)) = key else { return Ok(all) };
        after = Some((source.clone(), name.clone(), error.clone()));
        all.push(Series { source, name, error });
    }
}

fn total(counts: &[(i64, Count)]) -> Count {
    let mut all = Count::default();
    counts.iter().for_each(|(_, count)| all.add(count));
    all
}

fn per_minute(calls: i64, span: i64) -> f64 {
    if span <= 0 { 0.0 } else { calls as f64 * MINUTE as f64 / span as f64 }
}

/// What is usual.
struct Usual {
    average: f64,
    deviation: f64,
    span: i64,
    count: Count,
}

impl Usual {
    fn is_exceeded_by(&self, rate: f64) -> bool {
        let beyond = self.average + 4.0 * self.deviation / WINDOW_MINUTES.sqrt();
        rate > beyond && rate > 3.0 * self.average && rate >= 1.0
    }
}

/// What is usual before a moment; `None`: not enough of it is known.
fn usual(from: &(impl Read + ?Sized), key: (&str, &str, (&str, &str, &str)), before: i64) -> Result<Option<Usual>> {
    let end = before.div_euclid(HOUR) * HOUR;
    // Logging began when the first call of the account and region was counted, of whatever kind.
    let (account, region, _) = key;
    let mut first = i64::MAX;
    for entry in TRAILS.all(from, &(account,))? {
        let trail = entry.row;
        if trail.logging && trail.insights.is_some() && (trail.region == region || trail.multi_region) {
            first = first.min(trail.insights_since.unwrap_or(i64::MAX));
        }
    }
    for entry in STORES.all(from, &(account,))? {
        let store = entry.row;
        if store.state == State::Enabled && store.insights.is_some() && (store.region == region || store.multi_region) {
            first = first.min(store.insights_since.unwrap_or(i64::MAX));
        }
    }
    if first == i64::MAX || end - first < LEARNT {
        return Ok(None);
    }
    let start = (end - BASELINE).max(first.div_euclid(HOUR) * HOUR);
    let count = total(&between(from, &HOURS, key, start, end)?);
    let minutes = ((end - start) / MINUTE) as f64;
    let average = count.calls as f64 / minutes;
    let variance = (count.squares as f64 / minutes - average * average).max(0.0);
    Ok(Some(Usual { average, deviation: variance.sqrt(), span: end - start, count }))
}

async fn begin(cx: &Cx, series: &Series, usual: &Usual, recent: &Count, now: i64) -> Result<()> {
    let open = Unusual { since: now - WINDOW, id: cx.random().uuid() };
    let (id, told) = tell(cx, series, "Start", &open, usual, recent, now);
    let files = deliver_all(cx, &told, now).await;
    let kept = for_stores(cx, &told, now).await?;
    cx.write(|tx| {
        UNUSUAL.put(tx, &series.key(cx.account(), cx.region()), &open);
        kept.iter().try_for_each(|(store, event)| ingest::put(tx, store, event, now))?;
        keep(cx, tx, series, &id, &told, now)
    })
    .await?;
    files
}

async fn end(cx: &Cx, series: &Series, open: &Unusual, usual: &Usual, now: i64) -> Result<()> {
    let key = series.key(cx.account(), cx.region());
    let during = total(&between(&cx.read(), &MINUTES, key, open.since, now)?);
    let (id, told) = tell(cx, series, "End", open, usual, &during, now);
    let files = deliver_all(cx, &told, now).await;
    let kept = for_stores(cx, &told, now).await?;
    cx.write(|tx| {
        UNUSUAL.delete(tx, &key);
        kept.iter().try_for_each(|(store, event)| ingest::put(tx, store, event, now))?;
        keep(cx, tx, series, &id, &told, now)
    })
    .await?;
    files
}

/// The greatest parts of a count, with how much each has a minute.
fn parts(all: &BTreeMap<String, i64>, span: i64) -> Vec<Json> {
    let mut sorted: Vec<(&String, &i64)> = all.iter().collect();
    sorted.sort_by_key(|(value, count)| (std::cmp::Reverse(**count), (*value).clone()));
    sorted.into_iter().take(5).map(|(v, n)| json!({"value": v, "average": per_minute(*n, span)})).collect()
}

/// An insights event, with its id.
fn tell(cx: &Cx, series: &Series, state: &str, open: &Unusual, usual: &Usual, now: &Count, at: i64) -> (String, Json) {
    let span = at - open.since;
    let by = |attribute: &str, of: fn(&Count) -> &BTreeMap<String, i64>| json!({"attribute": attribute, "insight": parts(of(now), span), "baseline": parts(of(&usual.count), usual.span)});
    let mut details = json!({
        "state": state,
        "eventSource": series.source,
        "eventName": series.name,
        "insightType": series.kind(),
        "insightContext": {
            "statistics": {
                "baseline": {"average": usual.average},
                "insight": {"average": per_minute(now.calls, span)},
                "insightDuration": span / MINUTE,
                "baselineDuration": usual.span / MINUTE,
            },
            "attributions": [
                by("userIdentityArn", |count| &count.users),
                by("userAgent", |count| &count.agents),
                by("errorCode", |count| &count.errors),
            ],
        },
    });
    if !series.error.is_empty() {
        details["errorCode"] = json!(series.error);
    }
    let id = cx.random().uuid();
    let when = if state == "Start" { open.since } else { at };
    let event = json!({
        "eventVersion": "1.08",
        "eventTime": text::timestamp(moment(when), TimestampFormat::Iso8601),
        "awsRegion": cx.region(),
        "eventID": id,
        "eventType": "AwsCloudTrailInsight",
        "recipientAccountId": cx.account(),
        "sharedEventID": open.id,
        "insightDetails": details,
        "eventCategory": "Insight",
    });
    (id, event)
}

/// An insights event is kept for who looks it up, and EventBridge is told.
fn keep(cx: &Cx, tx: &mut Tx<'_>, series: &Series, id: &str, event: &Json, at: i64) -> Result<()> {
    let seen = Seen {
        id: id.to_owned(),
        name: series.name.clone(),
        source: series.source.clone(),
        read_only: false,
        username: None,
        access_key: None,
        resources: Vec::new(),
        event: event.to_string(),
        at,
    };
    INSIGHTS.put(tx, &(cx.account(), cx.region(), at, id), &seen);
    cx.announce(
        tx,
        &Announcement {
            source: "aws.cloudtrail".to_owned(),
            detail_type: "AWS Insight via CloudTrail".to_owned(),
            resources: Vec::new(),
            detail: event.clone(),
            time: at,
        },
    )
}

/// Delivers an insights event to the trails that ask for its kind.
async fn deliver_all(cx: &Cx, event: &Json, at: i64) -> Result<()> {
    let kind = event["insightDetails"]["insightType"].as_str().unwrap_or_default();
    let mut outcome = Ok(());
    for entry in TRAILS.all(&cx.read(), &(cx.account(),))? {
        let trail = entry.row;
        let here = trail.region == cx.region() || trail.multi_region;
        let wanted = chosen(&trail)?.iter().any(|selector| selector.insight_type.as_deref() == Some(kind));
        if !trail.logging || !here || !wanted {
            continue;
        }
        let there = trail.named().home(cx);
        let key = deliver::file_key(&there, &trail, "CloudTrail-Insight", cx.account(), cx.region());
        let content = json!({"Records": [event]}).to_string();
        if let Err(error) = deliver::put_file(&there, &trail, &key, content.as_bytes(), None).await {
            tracing::warn!(
                trail = trail.name,
                at,
                error = &error as &dyn std::error::Error,
                "an insight is not delivered"
            );
            if !matches!(error, undercast_kernel::Failure::Aws(_)) {
                outcome = Err(error);
            }
        }
    }
    outcome
}

/// An insights event as a store keeps it, found in what another one has.
///
/// Source: "CloudTrail record contents for Insights events for event data stores" in the user guide.
fn for_lake(event: &Json, source: &str, id: &str) -> Json {
    let details = &event["insightDetails"];
    let (context, empty) = (&details["insightContext"], Vec::new());
    let statistics = &context["statistics"];
    let mut attributions = Vec::new();
    for one in context["attributions"].as_array().unwrap_or(&empty) {
        let of = |name: &str| one[name].as_array().unwrap_or(&empty);
        let (now, usual) = (of("insight"), of("baseline"));
        for at in 0..now.len().max(usual.len()) {
            let part = |all: &[Json], name: &str| all.get(at).map_or(Json::Null, |one| one[name].clone());
            attributions.push(json!({
                "attribute": one["attribute"],
                "insightValue": part(now, "value"),
                "insightAverage": part(now, "average"),
                "baselineValue": part(usual, "value"),
                "baselineAverage": part(usual, "average"),
            }));
        }
    }
    json!({
        "eventVersion": event["eventVersion"],
        "eventCategory": "Insight",
        "eventType": event["eventType"],
        "eventID": id,
        "eventTime": event["eventTime"],
        "awsRegion": event["awsRegion"],
        "recipientAccountId": event["recipientAccountId"],
        "sharedEventID": event["sharedEventID"],
        "insightSource": source,
        "insightState": details["state"],
        "insightEventSource": details["eventSource"],
        "insightEventName": details["eventName"],
        "insightErrorCode": details["errorCode"],
        "insightType": details["insightType"],
        "insightContext": {
            "baselineAverage": statistics["baseline"]["average"],
            "insightAverage": statistics["insight"]["average"],
            "baselineDuration": statistics["baselineDuration"],
            "insightDuration": statistics["insightDuration"],
            "attributions": attributions,
        },
    })
}

/// An insights event for the stores that are to have those of others that ask for its kind.
async fn for_stores(cx: &Cx, event: &Json, at: i64) -> Result<Vec<(Store, Kept)>> {
    let kind = event["insightDetails"]["insightType"].as_str().unwrap_or_default();
    let mut all = Vec::new();
    for entry in STORES.all(&cx.read(), &(cx.account(),))? {
        let source = entry.row;
        let here = source.region == cx.region() || source.multi_region;
        let wanted = source.insight_selectors()?.iter().any(|one| one.insight_type.as_deref() == Some(kind));
        let Some(to) = source.insights_to.as_ref().filter(|_| source.state == State::Enabled && here && wanted) else {
            continue;
        };
        // One that is going keeps nothing any more.
        let Ok(store) = store::find_active(&source.home(cx), &cx.read(), to) else { continue };
        let id = cx.random().uuid();
        let text = for_lake(event, &source.arn(), &id).to_string();
        match ingest::prepare(cx, &store, vec![ingest::Event { at, id, text }]).await {
            Ok(kept) => all.extend(kept.into_iter().map(|one| (store.clone(), one))),
            Err(error) => {
                let (store, error) = (store.arn(), &error as &dyn std::error::Error);
                tracing::warn!(store, error, "an insight is missing in an event data store");
            }
        }
    }
    Ok(all)
}

/// So many are on a page.
const PAGE: usize = 50;

/// Insights events of a trail, the newest first.
pub(crate) async fn list(
    service: &CloudTrail,
    cx: &Cx,
    input: api::ListInsightsDataInput,
) -> Result<api::ListInsightsDataOutput> {
    service.recorder.settle().await;
    let bad = |message: String| errors::invalid_parameter_exception(message);
    let (name, trail) = match find(cx, &cx.read(), &input.insight_source) {
        Err(undercast_kernel::Failure::Aws(error)) => return Err(bad(error.message).into()),
        other => other?,
    };
    if trail.insights.is_none() {
        return Err(bad(format!("Insights are not enabled for the trail {}.", name.arn())).into());
    }
    let start = input.start_time.map_or(i64::MIN, Timestamp::as_millisecond);
    let end = input.end_time.map_or(i64::MAX, Timestamp::as_millisecond);
    if start > end {
        return Err(bad("StartTime must not be after EndTime.".to_owned()).into());
    }
    let dimensions = input.dimensions.unwrap_or_else(BTreeMap::new);
    let wanted =
        |seen: &Seen| (start..=end).contains(&seen.at) && dimensions.iter().all(|(key, value)| fits(seen, key, value));
    let all = newest(&INSIGHTS, cx, &cx.read(), None, usize::MAX)?.into_iter().filter(wanted).map(shown);
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let scope = format!("ListInsightsData/{}/{dimensions:?}/{start}/{end}/{}", name.arn(), input.data_type);
    let page = paging::page(&scope, all.collect(), input.next_token.as_deref(), size);
    let (events, next_token) = page.ok_or_else(|| bad("The next token is not valid.".to_owned()))?;
    Ok(api::ListInsightsDataOutput { events: Some(events), next_token })
}
