//! Amazon DynamoDB Streams: what was written to a table, in order, for 24 hours.
//!
//! Reading order: [`store`] (what is kept of a stream and of a write) → `read` (the operations). Writes are recorded where
//! all writes go through, in [`crate::rows::write`].
//!
//! Limits: a stream has one open shard at a time; AWS's has more, where its table has much to write.

pub mod api;
mod read;
mod shards;
pub mod store;

use crate::metrics;
use crate::permission;
use crate::request::{home, scope};
use crate::table::Table;
use api::{
    DescribeStreamInput, DescribeStreamOutput, GetRecordsInput, GetRecordsOutput, GetShardIteratorInput,
    GetShardIteratorOutput, ListStreamsInput, ListStreamsOutput,
};
pub(crate) use read::stream_arn;
use undercast_kernel::{Access, Answer, Cx, Failure, Next, Result, Service};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{AwsError, Fields, Value};

/// The service that reads streams. [`crate::DynamoDb`] makes and writes them.
#[derive(Debug, Default)]
pub struct DynamoDbStreams;

/// The stream that a request names, or the one that its iterator is of.
fn named(input: &Fields) -> Option<&str> {
    let of_iterator = || input.text("ShardIterator").and_then(|text| text.split('|').next());
    input.text("StreamArn").or_else(of_iterator)
}

impl Service for DynamoDbStreams {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        let elsewhere = input.as_fields().and_then(named).map(|arn| home(cx, arn).into_owned());
        match elsewhere.filter(|home| home.account() != cx.account()) {
            None => api::call(self, cx, operation, input),
            Some(home) => Box::pin(async move { api::call(self, &home, operation, input).await }),
        }
    }

    fn refused(&self, cx: &Cx, failure: &Failure) {
        metrics::refused(cx, failure);
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        let arn = named(input).unwrap_or("*");
        Ok(vec![permission::of_stream(cx, Access::new(format!("dynamodb:{}", operation.name), arn), arn)?])
    }

    fn invalid(&self, operation: &'static Operation, violations: &[Violation]) -> AwsError {
        crate::violations::invalid(operation, violations)
    }
}

impl api::Operations for DynamoDbStreams {
    async fn describe_stream(&self, cx: &Cx, input: DescribeStreamInput) -> Result<DescribeStreamOutput> {
        Ok(read::describe(cx, &input)?)
    }

    async fn get_records(&self, cx: &Cx, input: GetRecordsInput) -> Result<GetRecordsOutput> {
        Ok(read::records(cx, &input).await?)
    }

    async fn get_shard_iterator(&self, cx: &Cx, input: GetShardIteratorInput) -> Result<GetShardIteratorOutput> {
        Ok(read::shard_iterator(cx, &input)?)
    }

    async fn list_streams(&self, cx: &Cx, input: ListStreamsInput) -> Result<ListStreamsOutput> {
        Ok(read::list(cx, &input)?)
    }
}

/// How many records one step of [`trim`] takes away.
pub(crate) const STEP: usize = 1000;
/// How often a stream is trimmed. Nobody sees what is older than it may be, trimmed or not.
pub(crate) const BETWEEN: std::time::Duration = std::time::Duration::from_secs(3600);

/// The topic that is rung when something was written to the stream with this ARN, for those who would poll it otherwise.
pub fn topic(arn: &str) -> String {
    format!("dynamodb.stream:{arn}")
}

/// Rings for those who wait for writes to a table, if it has a stream.
pub(crate) fn announce(cx: &Cx, table: &Table) {
    crate::destinations::announce(cx, table);
    if let Some(stream) = table.stream.as_ref().filter(|stream| stream.enabled) {
        cx.signals().ring(&topic(&stream_arn(cx, &table.name, &stream.label)));
    }
}

/// Does the task that trims a stream, `payload` being its table's name and its label.
///
/// # Errors
/// When the store fails.
pub(crate) async fn trim(cx: &Cx, payload: &str) -> crate::error::Result<Next> {
    let Some((table, label)) = payload.split_once('/') else { return Ok(Next::Done) };
    let (more, over) = cx
        .write(|tx| {
            let Some(stream) = store::get(tx, scope(cx), table, label)? else { return Ok((false, true)) };
            let kept = cx.now_millis().saturating_sub(store::RETENTION);
            let since = if stream.is_over(cx.now_millis()) { i64::MAX } else { kept };
            let more = store::trim(tx, scope(cx), &stream.id, since, STEP)?;
            let over = !more && stream.is_over(cx.now_millis());
            if over {
                store::delete(tx, scope(cx), &stream);
            }
            Ok((more, over))
        })
        .await?;
    Ok(next_trimming(cx, more, over))
}

/// When to go on trimming: at once when there is more, later when there is none, never when all is over.
pub(crate) fn next_trimming(cx: &Cx, more: bool, over: bool) -> Next {
    match (more, over) {
        (_, true) => Next::Done,
        (true, false) => Next::Again(cx.now()),
        (false, false) => Next::Again(cx.now().saturating_add(BETWEEN).unwrap_or(cx.now())),
    }
}
