//! `FilterLogEvents`: several streams at once, in the order of time.

use undercast_kernel::store::Order;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, output};
use crate::get::{fits, row};
use crate::group;
use crate::pattern::Pattern;
use crate::stream::{EVENTS, Event, Stream};

/// A call looks at so many events; what is left comes with the next page, as on AWS.
const LOOKED_AT: usize = 10_000;

/// Which streams a call asks for.
fn chosen(input: &api::FilterLogEventsInput, mut all: Vec<(String, Stream)>) -> Result<Vec<(String, Stream)>> {
    match (&input.log_stream_names, &input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            return Err(group::invalid("LogStreamNames and LogStreamNamePrefix cannot both be specified."));
        }
        (Some(names), None) => {
            if names.iter().any(|n| !all.iter().any(|(name, _)| name == n)) {
                return Err(group::no_stream().into());
            }
            all.retain(|(name, _)| names.contains(name));
        }
        (None, Some(prefix)) => all.retain(|(name, _)| name.starts_with(prefix)),
        (None, None) => {}
    }
    Ok(all)
}

/// An event that was found, with its stream.
struct Found {
    time: i64,
    number: u64,
    stream: String,
    event: Event,
}

pub(crate) async fn events(cx: &Cx, input: api::FilterLogEventsInput) -> Result<api::FilterLogEventsOutput> {
    let read = cx.read();
    let group = group::named(cx, &read, input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
    if input.start_from_head == Some(false) {
        return Err(Failure::not_built("logs.FilterLogEvents from the newest event on"));
    }
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or(""))?;
    let streams = chosen(&input, group::streams(cx, &read, &group)?)?;
    let scope = format!("FilterLogEvents/{}/{:?}/{:?}", group.id, input.filter_pattern, input.log_stream_names);
    let mut start = (input.start_time.unwrap_or(0).max(group.horizon(cx.now_millis())), 0u64);
    if let Some(position) = group::token_position(&scope, input.next_token.as_deref())? {
        let (time, number) = position.split_once('/').ok_or_else(|| cx.broken("a token of ours has no place in it"))?;
        start = (time.parse().map_err(Failure::broken)?, number.parse::<u64>().map_err(Failure::broken)? + 1);
    }
    // `endTime` is the last moment that is still meant.
    let end = input.end_time.map_or(i64::MAX, |t| t.saturating_add(1));
    let mut rows = Vec::new();
    for (name, stream) in &streams {
        if start.0 >= end {
            break;
        }
        let found = EVENTS.range(
            &read,
            &(cx.key(stream.id), start.0, start.1),
            &(cx.key(stream.id), end, 0u64),
            Order::Ascending,
            LOOKED_AT + 1,
        )?;
        rows.extend(found.into_iter().filter_map(row).map(|(time, number, event)| Found {
            time,
            number,
            stream: name.clone(),
            event,
        }));
    }
    rows.sort_by_key(|f| (f.time, f.number));
    let unseen = rows.len() > LOOKED_AT;
    rows.truncate(LOOKED_AT);
    let limit = input.limit.map_or(Ok(LOOKED_AT), usize::try_from).map_err(Failure::broken)?;
    let mut page = Vec::new();
    let mut bytes = 0;
    let mut stopped = None;
    let mut last = None;
    for found in rows {
        let place = (found.time, found.number);
        if pattern.matches(&found.event.message) {
            if page.len() == limit || !fits(&mut bytes, &found.event) {
                stopped = last;
                break;
            }
            page.push(show(found));
        }
        last = Some(place);
    }
    let next = stopped.or(last.filter(|_| unseen));
    let next_token = next.map(|(time, number)| paging::token(&scope, &format!("{time}/{number}")));
    // AWS has left the list of searched streams empty since 2020.
    Ok(api::FilterLogEventsOutput { events: Some(page), searched_log_streams: Some(Vec::new()), next_token })
}

fn show(found: Found) -> output::FilteredLogEvent {
    output::FilteredLogEvent {
        log_stream_name: Some(found.stream),
        timestamp: Some(found.time),
        message: Some(found.event.message),
        ingestion_time: Some(found.event.ingested),
        event_id: Some(format!("{:028}{:028}", found.time, found.number)),
    }
}
