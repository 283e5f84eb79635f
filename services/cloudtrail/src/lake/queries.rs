//! Queries: StartQuery and what becomes of it.
//!
//! Source: "CloudTrail Lake queries" in the user guide, and the API reference. A query and its results are there for seven days.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Order, Read, Table};
use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Next, Result, Task, Timestamp, paging};
use undercast_query::{Answer, BadQuery, Query};

use super::{columns, ingest, store};
use crate::api::{self, errors, output};
use crate::rows::moment;
use crate::{CloudTrail, SERVICE, deliver};

/// What the tasks are called.
pub(crate) const KIND: &str = "query";
pub(crate) const FORGET: &str = "forget query";

/// Account, region, id.
static QUERIES: Table<Asked> = Table::new("cloudtrail.queries");
/// Account, region, id; number: name and value of each column.
static RESULTS: Table<Vec<(String, String)>> = Table::new("cloudtrail.results");

/// So many may run at a time.
const AT_ONCE: usize = 10;
/// Queries are listed, and results are there, so long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// So many rows are on a page, and so many queries.
const PAGE: usize = 1000;

/// A query.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Asked {
    #[n(0)]
    id: String,
    /// The id of the first store that it names.
    #[n(1)]
    store: String,
    #[n(2)]
    sql: String,
    #[n(3)]
    status: Status,
    /// Milliseconds since 1970.
    #[n(4)]
    created: i64,
    #[n(5)]
    took: i64,
    #[n(6)]
    scanned: i64,
    #[n(7)]
    matched: i64,
    #[n(8)]
    bytes: i64,
    #[n(9)]
    results: i64,
    #[n(10)]
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
enum Status {
    #[n(0)]
    Queued,
    #[n(1)]
    Running,
    #[n(2)]
    Finished,
    #[n(3)]
    Failed,
    #[n(4)]
    Cancelled,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

fn bad(error: &BadQuery) -> undercast_kernel::Failure {
    errors::invalid_query_statement_exception(format!("The query statement is not valid: {error}")).into()
}

fn parse(sql: &str, now: Timestamp) -> std::result::Result<Query, BadQuery> {
    Query::parse(sql, &columns::all(), &text::timestamp(now, TimestampFormat::Iso8601))
}

/// The stores that a statement names: what its permissions are about.
pub(crate) fn stores_named(cx: &Cx, sql: &str) -> Vec<String> {
    let query = parse(sql, cx.now());
    query.map(|query| query.tables().map(ToOwned::to_owned).collect()).unwrap_or_default()
}

pub(crate) async fn start(cx: &Cx, input: api::StartQueryInput) -> Result<api::StartQueryOutput> {
    let Some(sql) = input.query_statement else {
        return Err(errors::invalid_parameter_exception("QueryStatement must be specified.").into());
    };
    let query = parse(&sql, cx.now()).map_err(|error| bad(&error))?;
    let from = cx.read();
    for table in query.tables() {
        store::find_active(cx, &from, table)?;
    }
    let Some(first) = query.tables().next() else {
        return Err(bad(&BadQuery::Statement("it names no event data store".to_owned())));
    };
    query.check(&columns::all()).await.map_err(|error| bad(&error))?;
    let asked = Asked {
        id: cx.random().uuid(),
        store: first.to_owned(),
        sql,
        status: Status::Queued,
        created: cx.now_millis(),
        took: 0,
        scanned: 0,
        matched: 0,
        bytes: 0,
        results: 0,
        error: None,
    };
    cx.write(|tx| {
        let all = QUERIES.all(tx, &(cx.account(), cx.region()))?;
        if all.iter().filter(|entry| entry.row.status.is_active()).count() >= AT_ONCE {
            let message = format!("You are already running the maximum number of concurrent queries: {AT_ONCE}.");
            return Err(errors::max_concurrent_queries_exception(message).into());
        }
        QUERIES.put(tx, &cx.key(asked.id.as_str()), &asked);
        let (run, gone) = (format!("{KIND} {}", asked.id), format!("{FORGET} {}", asked.id));
        cx.tasks().schedule(cx, tx, SERVICE, &run, KIND, asked.id.clone(), cx.now())?;
        cx.tasks().schedule(cx, tx, SERVICE, &gone, FORGET, asked.id.clone(), cx.now() + KEPT)
    })
    .await?;
    Ok(api::StartQueryOutput { query_id: Some(asked.id), event_data_store_owner_account_id: None })
}

/// Runs a query.
pub(crate) async fn run(service: &CloudTrail, cx: &Cx, task: &Task) -> Result<Next> {
    let key = cx.key(task.payload.as_str());
    let asked = cx
        .write(|tx| {
            let found = QUERIES.get(tx, &key)?.filter(|asked| asked.status.is_active());
            let running = found.map(|asked| Asked { status: Status::Running, ..asked });
            if let Some(asked) = &running {
                QUERIES.put(tx, &key, asked);
            }
            Ok(running)
        })
        .await?;
    let Some(asked) = asked else { return Ok(Next::Done) };
    // What was called before is in it.
    service.recorder.settle().await;
    let begun = Instant::now();
    let (bytes, outcome) = find(cx, &asked).await?;
    let took = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    cx.write(|tx| {
        // Who cancelled it meanwhile wants nothing of it.
        let Some(now) = QUERIES.get(tx, &key)?.filter(|asked| asked.status.is_active()) else { return Ok(()) };
        let done = match &outcome {
            Ok(answer) => {
                for (number, row) in (0i64..).zip(&answer.rows) {
                    let cells = answer.columns.iter().zip(row);
                    let cells = cells.map(|(name, cell)| (name.clone(), cell.clone().unwrap_or_default()));
                    RESULTS.put(tx, &(key, number), &cells.collect());
                }
                let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
                let (scanned, matched) = (count(answer.scanned), count(answer.matched));
                Asked { status: Status::Finished, scanned, matched, results: count(answer.rows.len()), ..now }
            }
            Err(error) => Asked { status: Status::Failed, error: Some(error.to_string()), ..now },
        };
        QUERIES.put(tx, &key, &Asked { took, bytes, ..done });
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

type Outcome = std::result::Result<Answer, BadQuery>;

/// What a query finds, and how many bytes were read for it.
async fn find(cx: &Cx, asked: &Asked) -> Result<(i64, Outcome)> {
    let query = match parse(&asked.sql, moment(asked.created)) {
        Ok(query) => query,
        Err(error) => return Ok((0, Err(error))),
    };
    let (columns, from) = (columns::all(), cx.read());
    let (mut tables, mut bytes) = (Vec::new(), 0);
    let names: Vec<&str> = query.tables().collect();
    for name in names {
        let store = match store::find_active(cx, &from, name) {
            Ok(store) => store,
            Err(undercast_kernel::Failure::Aws(error)) => return Ok((0, Err(BadQuery::Run(error.message)))),
            Err(failure) => return Err(failure),
        };
        let texts = ingest::kept(&from, &store, cx.now_millis())?;
        bytes += texts.iter().map(String::len).sum::<usize>();
        let rows = texts.into_iter().map(|text| row(&query, &text)).collect();
        tables.push(undercast_query::Table { name, columns: &columns, rows });
    }
    Ok((i64::try_from(bytes).unwrap_or(i64::MAX), query.run(tables).await))
}

/// An event as a row, with itself as text where it is asked for.
fn row(query: &Query, event: &str) -> Json {
    let mut row: Json = serde_json::from_str(event).unwrap_or(Json::Null);
    // Lake's columns call parts of resources otherwise.
    for resource in row["resources"].as_array_mut().into_iter().flatten() {
        for (name, other) in [("ARN", "arn"), ("ARNPrefix", "arnPrefix")] {
            if let Some(entries) = resource.as_object_mut()
                && let Some(value) = entries.remove(name)
            {
                entries.insert(other.to_owned(), value);
            }
        }
    }
    if query.needs("eventJson") {
        row["eventJson"] = json!(event);
    }
    if query.needs("eventJsonChecksum") {
        row["eventJsonChecksum"] = json!(deliver::sha256(event.as_bytes()));
    }
    row
}

pub(crate) async fn forget(cx: &Cx, task: &Task) -> Result<Next> {
    let key = cx.key(task.payload.as_str());
    cx.write(|tx| {
        QUERIES.delete(tx, &key);
        Ok(RESULTS.clear(tx, &(key,)).map(drop)?)
    })
    .await?;
    Ok(Next::Done)
}

/// The query that is given, of a store where one is given as well.
fn asked(cx: &Cx, from: &(impl Read + ?Sized), id: &str, of: Option<&str>) -> Result<Asked> {
    let id_of_store = of.map(|given| store::find_active(cx, from, given)).transpose()?.map(|store| store.id);
    let found = QUERIES.get(from, &cx.key(id))?;
    let found = found.filter(|asked| id_of_store.is_none_or(|store| store == asked.store));
    let message = || format!("The query {id} is not found.");
    found.ok_or_else(|| errors::query_id_not_found_exception(message()).into())
}

/// The store of a query: what its permissions are about.
pub(crate) fn store_of(cx: &Cx, id: &str) -> Result<Option<String>> {
    Ok(QUERIES.get(&cx.read(), &cx.key(id))?.map(|asked| asked.store))
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeQueryInput) -> Result<api::DescribeQueryOutput> {
    let Some(id) = &input.query_id else {
        return Err(errors::invalid_parameter_exception("QueryId must be specified.").into());
    };
    let asked = asked(cx, &cx.read(), id, input.event_data_store.as_deref())?;
    let statistics = output::QueryStatisticsForDescribeQuery {
        events_matched: Some(asked.matched),
        events_scanned: Some(asked.scanned),
        bytes_scanned: Some(asked.bytes),
        execution_time_in_millis: i32::try_from(asked.took).ok(),
        creation_time: Some(moment(asked.created)),
    };
    Ok(api::DescribeQueryOutput {
        query_id: Some(asked.id),
        query_string: Some(asked.sql),
        query_status: Some(asked.status.name().to_owned()),
        query_statistics: Some(statistics),
        error_message: asked.error,
        delivery_s3_uri: None,
        delivery_status: None,
        prompt: None,
        event_data_store_owner_account_id: None,
    })
}

pub(crate) fn results(cx: &Cx, input: &api::GetQueryResultsInput) -> Result<api::GetQueryResultsOutput> {
    let from = cx.read();
    let asked = asked(cx, &from, &input.query_id, input.event_data_store.as_deref())?;
    let scope = format!("GetQueryResults/{}", asked.id);
    let start = match &input.next_token {
        None => 0,
        Some(token) => paging::number(&scope, token)
            .ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?,
    };
    let size = input.max_query_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let key = cx.key(asked.id.as_str());
    let first = i64::try_from(start).unwrap_or(i64::MAX);
    let page = RESULTS.range(&from, &(key, first), &(key, i64::MAX), Order::Ascending, size)?;
    let rows: Vec<Vec<BTreeMap<String, String>>> =
        page.into_iter().map(|entry| entry.row.into_iter().map(|cell| BTreeMap::from([cell])).collect()).collect();
    let shown = start + rows.len();
    let more = i64::try_from(shown).is_ok_and(|shown| shown < asked.results);
    Ok(api::GetQueryResultsOutput {
        query_status: Some(asked.status.name().to_owned()),
        query_statistics: Some(output::QueryStatistics {
            results_count: i32::try_from(rows.len()).ok(),
            total_results_count: i32::try_from(asked.results).ok(),
            bytes_scanned: Some(asked.bytes),
        }),
        next_token: more.then(|| paging::token(&scope, &shown.to_string())),
        query_result_rows: Some(rows),
        error_message: asked.error,
    })
}

pub(crate) async fn cancel(cx: &Cx, input: &api::CancelQueryInput) -> Result<api::CancelQueryOutput> {
    cx.write(|tx| {
        let asked = asked(cx, tx, &input.query_id, input.event_data_store.as_deref())?;
        if !asked.status.is_active() {
            let message = format!("The query {} is not running: its status is {}.", asked.id, asked.status.name());
            return Err(errors::inactive_query_exception(message).into());
        }
        let key = cx.key(input.query_id.as_str());
        QUERIES.put(tx, &key, &Asked { status: Status::Cancelled, ..asked });
        cx.tasks().cancel(tx, SERVICE, &format!("{KIND} {}", input.query_id))
    })
    .await?;
    Ok(api::CancelQueryOutput {
        query_id: input.query_id.clone(),
        query_status: Status::Cancelled.name().to_owned(),
        event_data_store_owner_account_id: None,
    })
}

/// The queries of a store, the newest first.
pub(crate) fn list(cx: &Cx, input: &api::ListQueriesInput) -> Result<api::ListQueriesOutput> {
    let from = cx.read();
    let store = store::find_active(cx, &from, &input.event_data_store)?;
    let start = input.start_time.map_or(i64::MIN, Timestamp::as_millisecond);
    let end = input.end_time.map_or(i64::MAX, Timestamp::as_millisecond);
    if start > end {
        return Err(errors::invalid_date_range_exception("StartTime must not be after EndTime.").into());
    }
    let wanted = |asked: &Asked| {
        let status = input.query_status.as_deref().is_none_or(|status| status == asked.status.name());
        asked.store == store.id && status && (start..=end).contains(&asked.created)
    };
    let all = QUERIES.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let mut all: Vec<Asked> = all.filter(wanted).collect();
    all.sort_by_key(|asked| (std::cmp::Reverse(asked.created), asked.id.clone()));
    let shown = all.into_iter().map(|asked| output::Query {
        query_id: Some(asked.id),
        query_status: Some(asked.status.name().to_owned()),
        creation_time: Some(moment(asked.created)),
    });
    let scope = format!("ListQueries/{}/{start}/{end}/{:?}", store.id, input.query_status);
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let page = paging::page(&scope, shown.collect(), input.next_token.as_deref(), size);
    let (queries, next_token) =
        page.ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?;
    Ok(api::ListQueriesOutput { queries: Some(queries), next_token })
}
