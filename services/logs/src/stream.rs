//! Log streams, and what an event in one is.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Passed, Read, Table};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::group::{self, Group};

/// Where rows of a group or a stream begin, in keys that were read: account, region, id.
pub(crate) type Placed = (Passed, Passed, u64);

/// Group, name → stream.
pub(crate) static STREAMS: Table<Stream> = Table::new("logs.streams");
/// Stream, time (ms), number → event.
pub(crate) static EVENTS: Table<Event> = Table::new("logs.events");

/// A log stream. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Stream {
    /// Unique, also among streams of the same name.
    #[n(0)]
    pub(crate) id: u64,
    #[n(1)]
    pub(crate) created: i64,
    #[n(2)]
    pub(crate) first_event: Option<i64>,
    #[n(3)]
    pub(crate) last_event: Option<i64>,
    #[n(4)]
    pub(crate) last_ingestion: Option<i64>,
    /// Bytes of its events.
    #[n(5)]
    pub(crate) stored: i64,
}

/// A log event.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Event {
    #[n(0)]
    pub(crate) message: String,
    /// When it arrived (ms).
    #[n(1)]
    pub(crate) ingested: i64,
}

impl Event {
    /// What it counts for: each event has 26 bytes of its own.
    pub(crate) fn size(message: &str) -> usize {
        message.len() + 26
    }
}

/// The stream of a group that is called so.
pub(crate) fn find(cx: &Cx, from: &impl Read, group: &Group, name: &str) -> Result<Stream> {
    STREAMS.get(from, &(cx.key(group.id), name))?.ok_or_else(|| group::no_stream().into())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateLogStreamInput) -> Result<()> {
    cx.write(|tx| {
        let group = group::find(cx, tx, &input.log_group_name)?;
        let key = (cx.key(group.id), input.log_stream_name.as_str());
        if STREAMS.has(tx, &key)? {
            return Err(errors::resource_already_exists_exception("The specified log stream already exists").into());
        }
        let id = group::next_ids(cx, tx, 1)?;
        let stream = Stream {
            id,
            created: cx.now_millis(),
            first_event: None,
            last_event: None,
            last_ingestion: None,
            stored: 0,
        };
        STREAMS.put(tx, &key, &stream);
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteLogStreamInput) -> Result<()> {
    cx.write(|tx| {
        let group = group::find(cx, tx, &input.log_group_name)?;
        let stream = find(cx, tx, &group, &input.log_stream_name)?;
        EVENTS.clear(tx, &cx.key(stream.id))?;
        STREAMS.delete(tx, &(cx.key(group.id), input.log_stream_name.as_str()));
        Ok(())
    })
    .await
}

fn show(cx: &Cx, group: &Group, name: &str, stream: &Stream) -> output::LogStream {
    output::LogStream {
        log_stream_name: Some(name.to_owned()),
        creation_time: Some(stream.created),
        first_event_timestamp: stream.first_event,
        last_event_timestamp: stream.last_event,
        last_ingestion_time: stream.last_ingestion,
        upload_sequence_token: Some(sequence_token(stream.id)),
        arn: Some(format!("{}:log-stream:{name}", group.arn(cx))),
        // AWS has shown 0 for streams since 2019.
        stored_bytes: Some(0),
    }
}

/// A token that nobody needs any more, in AWS's form.
pub(crate) fn sequence_token(id: u64) -> String {
    format!("49{id:054}")
}

pub(crate) async fn describe(cx: &Cx, input: api::DescribeLogStreamsInput) -> Result<api::DescribeLogStreamsOutput> {
    let read = cx.read();
    let group = group::named(cx, &read, input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    let descending = input.descending == Some(true);
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(group::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or("");
    let mut all = group::streams(cx, &read, &group)?;
    all.retain(|(name, _)| name.starts_with(prefix));
    // The place of a stream in the order; a page begins behind the place where the last one ended.
    let place =
        |(name, stream): &(String, Stream)| (if by_time { stream.last_event.unwrap_or(0) } else { 0 }, name.clone());
    all.sort_by_key(place);
    if descending {
        all.reverse();
    }
    let scope = format!("DescribeLogStreams/{}/{by_time}/{descending}/{prefix}", group.id);
    if let Some(position) = group::token_position(&scope, input.next_token.as_deref())? {
        let (time, name) = position.split_once('/').ok_or_else(|| cx.broken("a token of ours has no place in it"))?;
        let after = (time.parse().map_err(Failure::broken)?, name.to_owned());
        all.retain(|s| if descending { place(s) < after } else { place(s) > after });
    }
    let limit = usize::try_from(input.limit.unwrap_or(50)).map_err(Failure::broken)?;
    let more = all.len() > limit;
    all.truncate(limit);
    let next_token =
        all.last().filter(|_| more).map(place).map(|(time, name)| paging::token(&scope, &format!("{time}/{name}")));
    let log_streams = all.iter().map(|(name, stream)| show(cx, &group, name, stream)).collect();
    Ok(api::DescribeLogStreamsOutput { log_streams: Some(log_streams), next_token })
}
