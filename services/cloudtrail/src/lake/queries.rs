//! Queries: StartQuery and what becomes of it.
//!
//! Source: "CloudTrail Lake queries" in the user guide, and the API reference. A query and its results are there for seven days.

use std::time::{Duration, Instant};

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Next, Result, Task, Timestamp, paging};
use undercast_query::{Answer, BadQuery, Column, Query};

use super::store::{STORES, Store};
use super::{columns, ingest, results, seal, store};
use crate::api::{self, errors, output};
use crate::dashboards::operations::aliased;
use crate::dashboards::widget::filled;
use crate::rows::moment;
use crate::{CloudTrail, SERVICE, deliver};

/// What the tasks are called.
pub(crate) const KIND: &str = "query";
pub(crate) const FORGET: &str = "forget query";

/// Account, region, id.
static QUERIES: Table<Asked> = Table::new("cloudtrail.queries");
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
    pub(crate) id: String,
    /// The id of the first store that it names.
    #[n(1)]
    pub(crate) store: String,
    #[n(2)]
    sql: String,
    #[n(3)]
    status: Status,
    /// Milliseconds since 1970.
    #[n(4)]
    pub(crate) created: i64,
    #[n(5)]
    took: i64,
    #[n(6)]
    scanned: i64,
    #[n(7)]
    matched: i64,
    #[n(8)]
    bytes: i64,
    #[n(9)]
    pub(crate) results: i64,
    #[n(10)]
    error: Option<String>,
    /// The id of the store whose key its results are sealed with.
    #[n(11)]
    pub(crate) sealed_by: Option<String>,
    /// Where its results go.
    #[n(12)]
    uri: Option<String>,
    #[n(13)]
    delivery: Option<Delivery>,
    /// The names of the columns of what it found.
    #[n(14)]
    #[cbor(default)]
    pub(crate) columns: Vec<String>,
    #[n(15)]
    pub(crate) ended: Option<i64>,
    /// What the widget of a dashboard calls it.
    #[n(16)]
    pub(crate) alias: Option<String>,
    /// The refresh of a dashboard that it is part of.
    #[n(17)]
    pub(crate) refresh: Option<String>,
}

/// What becomes of the delivery of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Delivery {
    #[n(0)]
    Pending,
    #[n(1)]
    Success,
    #[n(2)]
    Failed,
    #[n(3)]
    FailedSigningFile,
    #[n(4)]
    ResourceNotFound,
    #[n(5)]
    AccessDenied,
    #[n(6)]
    AccessDeniedSigningFile,
    #[n(7)]
    Cancelled,
}

impl Delivery {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::FailedSigningFile => "FAILED_SIGNING_FILE",
            Self::ResourceNotFound => "RESOURCE_NOT_FOUND",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::AccessDeniedSigningFile => "ACCESS_DENIED_SIGNING_FILE",
            Self::Cancelled => "CANCELLED",
        }
    }
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

/// What is to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) sql: String,
    pub(crate) alias: Option<String>,
    /// Where results go.
    pub(crate) uri: Option<String>,
}

pub(crate) async fn start(cx: &Cx, input: api::StartQueryInput) -> Result<api::StartQueryOutput> {
    let owner = input.event_data_store_owner_account_id;
    let cx = &store::home(cx, None, owner.as_deref());
    let wrong = |message: &str| Err(errors::invalid_parameter_exception(message).into());
    let sql = match (input.query_statement, &input.query_alias) {
        (Some(_), Some(_)) => return wrong("QueryAlias cannot be specified with QueryStatement."),
        (Some(_), None) if input.query_parameters.is_some() => {
            return wrong("QueryParameters can be specified with QueryAlias only.");
        }
        (Some(sql), None) => sql,
        (None, Some(alias)) => {
            let values = input.query_parameters.unwrap_or_else(Vec::new);
            let Some(widget) = aliased(cx, &cx.read(), alias)? else {
                return wrong("No widget of a dashboard has the query alias.");
            };
            filled(&widget.sql, &values)?
        }
        (None, None) => return wrong("QueryStatement or QueryAlias must be specified."),
    };
    let query_id = begin(cx, Order { sql, alias: input.query_alias, uri: input.delivery_s3_uri }).await?;
    Ok(api::StartQueryOutput { query_id: Some(query_id), event_data_store_owner_account_id: owner })
}

/// The stores of a statement that can be run.
pub(crate) async fn checked(cx: &Cx, sql: &str) -> Result<Vec<Store>> {
    let query = parse(sql, cx.now()).map_err(|error| bad(&error))?;
    let from = cx.read();
    let stores: Vec<Store> = query.tables().map(|table| store::find_active(cx, &from, table)).collect::<Result<_>>()?;
    if stores.is_empty() {
        return Err(bad(&BadQuery::Statement("it names no event data store".to_owned())));
    }
    let kinds: Vec<Vec<Column>> = stores.iter().map(|store| Ok(store.kind()?.columns())).collect::<Result<_>>()?;
    let of = query.tables().zip(&kinds);
    let empty = of.map(|(name, columns)| undercast_query::Table { name, columns, rows: Vec::new() });
    query.run(empty.collect()).await.map_err(|error| bad(&error))?;
    Ok(stores)
}

/// Has something asked, where the stores are.
pub(crate) async fn begin(cx: &Cx, order: Order) -> Result<String> {
    let stores = checked(cx, &order.sql).await?;
    for store in &stores {
        seal::check(cx, store)?;
    }
    let asked = Asked {
        id: cx.random().uuid(),
        store: stores.first().map_or(String::new(), |store| store.id.clone()),
        sql: order.sql,
        status: Status::Queued,
        created: cx.now_millis(),
        took: 0,
        scanned: 0,
        matched: 0,
        bytes: 0,
        results: 0,
        error: None,
        sealed_by: stores.iter().find(|store| store.kms.is_some()).map(|store| store.id.clone()),
        delivery: order.uri.as_ref().map(|_| Delivery::Pending),
        uri: order.uri,
        columns: Vec::new(),
        ended: None,
        alias: order.alias,
        refresh: None,
    };
    if let Some(uri) = &asked.uri {
        results::check(cx, &asked, uri).await?;
    }
    cx.write(|tx| {
        let all = QUERIES.all(tx, &(cx.account(), cx.region()))?;
        // Those of dashboards are limited by how many widgets these have.
        let counts = |asked: &Asked| asked.status.is_active() && asked.alias.is_none();
        if asked.alias.is_none() && all.iter().filter(|entry| counts(&entry.row)).count() >= AT_ONCE {
            let message = format!("You are already running the maximum number of concurrent queries: {AT_ONCE}.");
            return Err(errors::max_concurrent_queries_exception(message).into());
        }
        QUERIES.put(tx, &cx.key(asked.id.as_str()), &asked);
        let (run, gone) = (format!("{KIND} {}", asked.id), format!("{FORGET} {}", asked.id));
        cx.tasks().schedule(cx, tx, SERVICE, &run, KIND, asked.id.clone(), cx.now())?;
        cx.tasks().schedule(cx, tx, SERVICE, &gone, FORGET, asked.id.clone(), cx.now() + KEPT)
    })
    .await?;
    Ok(asked.id)
}

/// What is rung when a query is cancelled.
fn bell(cx: &Cx, id: &str) -> String {
    format!("cloudtrail query {}/{}/{id}", cx.account(), cx.region())
}

/// Runs a query, unless it is cancelled before or on the way, and delivers what it found.
pub(crate) async fn run(service: &CloudTrail, cx: &Cx, task: &Task) -> Result<Next> {
    let key = cx.key(task.payload.as_str());
    let bell = cx.signals().of(&bell(cx, &task.payload));
    let cancelled = bell.notified();
    let asked = cx
        .write(|tx| {
            let found = QUERIES.get(tx, &key)?;
            let Some(asked) = found.filter(|asked| asked.status.is_active()) else { return Ok(None) };
            let running = Asked { status: Status::Running, ..asked };
            QUERIES.put(tx, &key, &running);
            Ok(Some(running))
        })
        .await?;
    if let Some(asked) = asked {
        // What was called before is in it.
        service.recorder.settle().await;
        tokio::select! {
            // Who cancelled it wants nothing of it.
            () = cancelled => return Ok(Next::Done),
            ended = answer(cx, &asked) => ended?,
        }
    }
    let ended = QUERIES.get(&cx.read(), &key)?;
    let waits = |asked: &Asked| asked.status == Status::Finished && asked.delivery == Some(Delivery::Pending);
    if let Some(asked) = ended.filter(waits)
        && let Some(uri) = &asked.uri
    {
        let delivery = Some(results::deliver(cx, &asked, uri).await?);
        cx.write(|tx| {
            if let Some(asked) = QUERIES.get(tx, &key)? {
                QUERIES.put(tx, &key, &Asked { delivery, ..asked });
            }
            Ok(())
        })
        .await?;
    }
    Ok(Next::Done)
}

/// Finds what is asked for, and keeps it.
async fn answer(cx: &Cx, asked: &Asked) -> Result<()> {
    let key = cx.key(asked.id.as_str());
    let begun = Instant::now();
    let (bytes, outcome) = find(cx, asked).await?;
    let took = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let sealed_by = asked.sealed_by.as_deref().map(|id| STORES.get(&cx.read(), &cx.key(id))).transpose()?.flatten();
    let kept = match &outcome {
        Ok(answer) => match results::prepare(cx, &asked.id, sealed_by.as_ref(), answer).await {
            Err(undercast_kernel::Failure::Aws(error)) => Err(BadQuery::Run(error.message)),
            other => Ok((other?, answer)),
        },
        Err(error) => Err(BadQuery::Run(error.to_string())),
    };
    cx.write(|tx| {
        // Who cancelled it meanwhile wants nothing of it.
        let Some(now) = QUERIES.get(tx, &key)?.filter(|asked| asked.status.is_active()) else { return Ok(()) };
        let done = match &kept {
            Ok((rows, answer)) => {
                results::put(tx, key, rows);
                let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
                Asked {
                    status: Status::Finished,
                    scanned: count(answer.scanned),
                    matched: count(answer.matched),
                    results: count(answer.rows.len()),
                    columns: answer.columns.clone(),
                    ..now
                }
            }
            Err(error) => {
                let delivery = now.delivery.map(|_| Delivery::Failed);
                Asked { status: Status::Failed, error: Some(error.to_string()), delivery, ..now }
            }
        };
        QUERIES.put(tx, &key, &Asked { took, bytes, ended: Some(cx.refreshed().now_millis()), ..done });
        Ok(())
    })
    .await
}

type Outcome = std::result::Result<Answer, BadQuery>;

/// What a query finds, and how many bytes were read for it.
async fn find(cx: &Cx, asked: &Asked) -> Result<(i64, Outcome)> {
    let query = match parse(&asked.sql, moment(asked.created)) {
        Ok(query) => query,
        Err(error) => return Ok((0, Err(error))),
    };
    let (mut read, mut bytes) = (Vec::new(), 0);
    for name in query.tables() {
        let found = async {
            let store = store::find_active(cx, &cx.read(), name)?;
            Ok((store.kind()?.columns(), ingest::kept(cx, &store, cx.now_millis()).await?))
        };
        let (columns, texts) = match found.await {
            Ok(found) => found,
            Err(undercast_kernel::Failure::Aws(error)) => return Ok((0, Err(BadQuery::Run(error.message)))),
            Err(failure) => return Err(failure),
        };
        bytes += texts.iter().map(String::len).sum::<usize>();
        let rows: Vec<Json> = texts.into_iter().map(|text| row(&query, &text)).collect();
        read.push((columns, rows));
    }
    let named = query.tables().zip(&mut read);
    let tables =
        named.map(|(name, (columns, rows))| undercast_query::Table { name, columns, rows: std::mem::take(rows) });
    let tables = tables.collect();
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
        results::forget(tx, key)
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

/// A query is part of a refresh.
pub(crate) async fn belongs(cx: &Cx, id: &str, refresh: &str) -> Result<()> {
    cx.write(|tx| {
        if let Some(asked) = QUERIES.get(tx, &cx.key(id))? {
            QUERIES.put(tx, &cx.key(id), &Asked { refresh: Some(refresh.to_owned()), ..asked });
        }
        Ok(())
    })
    .await
}

/// The last query of a widget, or the one of a refresh.
fn last(cx: &Cx, from: &(impl Read + ?Sized), alias: &str, refresh: Option<&str>) -> Result<Option<Asked>> {
    let all = QUERIES.all(from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let of = |asked: &Asked| {
        asked.alias.as_deref() == Some(alias) && refresh.is_none_or(|id| asked.refresh.as_deref() == Some(id))
    };
    Ok(all.filter(of).max_by_key(|asked| asked.created))
}

/// The query that a call tells of: by its id, or as the last one of a widget.
fn described(cx: &Cx, from: &(impl Read + ?Sized), input: &api::DescribeQueryInput) -> Result<Asked> {
    match (&input.query_id, &input.query_alias) {
        (Some(_), Some(_)) => {
            Err(errors::invalid_parameter_exception("Specify either QueryId or QueryAlias, and not both.").into())
        }
        (Some(_), None) if input.refresh_id.is_some() => {
            Err(errors::invalid_parameter_exception("RefreshId can be specified with QueryAlias only.").into())
        }
        (Some(id), None) => asked(cx, from, id, input.event_data_store.as_deref()),
        (None, Some(alias)) => {
            let found = last(cx, from, alias, input.refresh_id.as_deref())?;
            let message = || format!("No query with the alias {alias} is found.");
            found.ok_or_else(|| errors::query_id_not_found_exception(message()).into())
        }
        (None, None) => Err(errors::invalid_parameter_exception("QueryId or QueryAlias must be specified.").into()),
    }
}

/// The store of the last query of a widget: what its permissions are about.
pub(crate) fn store_of_alias(cx: &Cx, alias: &str) -> Result<Option<String>> {
    Ok(last(cx, &cx.read(), alias, None)?.map(|asked| asked.store))
}

/// The store of a query: what its permissions are about.
pub(crate) fn store_of(cx: &Cx, id: &str) -> Result<Option<String>> {
    Ok(QUERIES.get(&cx.read(), &cx.key(id))?.map(|asked| asked.store))
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeQueryInput) -> Result<api::DescribeQueryOutput> {
    let owner = input.event_data_store_owner_account_id.as_deref();
    let cx = &store::home(cx, input.event_data_store.as_deref(), owner);
    let asked = described(cx, &cx.read(), input)?;
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
        delivery_s3_uri: asked.uri,
        delivery_status: asked.delivery.map(|delivery| delivery.name().to_owned()),
        prompt: None,
        event_data_store_owner_account_id: owner.map(ToOwned::to_owned),
    })
}

pub(crate) async fn results(cx: &Cx, input: &api::GetQueryResultsInput) -> Result<api::GetQueryResultsOutput> {
    let owner = input.event_data_store_owner_account_id.as_deref();
    let cx = &store::home(cx, input.event_data_store.as_deref(), owner);
    let asked = asked(cx, &cx.read(), &input.query_id, input.event_data_store.as_deref())?;
    let scope = format!("GetQueryResults/{}", asked.id);
    let start = match &input.next_token {
        None => 0,
        Some(token) => paging::number(&scope, token)
            .ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?,
    };
    let size = input.max_query_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let rows = results::page(cx, &asked, i64::try_from(start).unwrap_or(i64::MAX), size).await?;
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
        query_result_rows: Some(results::shown(rows)),
        error_message: asked.error,
    })
}

pub(crate) async fn cancel(cx: &Cx, input: &api::CancelQueryInput) -> Result<api::CancelQueryOutput> {
    let owner = input.event_data_store_owner_account_id.as_deref();
    let cx = &store::home(cx, input.event_data_store.as_deref(), owner);
    cx.write(|tx| {
        let asked = asked(cx, tx, &input.query_id, input.event_data_store.as_deref())?;
        if !asked.status.is_active() {
            let message = format!("The query {} is not running: its status is {}.", asked.id, asked.status.name());
            return Err(errors::inactive_query_exception(message).into());
        }
        let key = cx.key(input.query_id.as_str());
        let delivery = asked.delivery.map(|_| Delivery::Cancelled);
        QUERIES.put(tx, &key, &Asked { status: Status::Cancelled, delivery, ..asked });
        cx.tasks().cancel(tx, SERVICE, &format!("{KIND} {}", input.query_id))
    })
    .await?;
    cx.signals().ring(&bell(cx, &input.query_id));
    Ok(api::CancelQueryOutput {
        query_id: input.query_id.clone(),
        query_status: Status::Cancelled.name().to_owned(),
        event_data_store_owner_account_id: owner.map(ToOwned::to_owned),
    })
}

/// The queries of a store, the newest first.
pub(crate) fn list(cx: &Cx, input: &api::ListQueriesInput) -> Result<api::ListQueriesOutput> {
    let cx = &store::home(cx, Some(&input.event_data_store), None);
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
