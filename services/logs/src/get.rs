//! `GetLogEvents`: one stream, forwards or backwards, page by page.

use undercast_kernel::store::{Entry, Order};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, output};
use crate::group;
use crate::stream::{self, EVENTS, Event, Placed};

/// A place between events: time (ms) and number of the event before or behind it.
type Place = (i64, u64);

/// The most bytes of one answer.
const MOST_BYTES: usize = 1_048_576;
const MOST_EVENTS: usize = 10_000;

/// Where to go on, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    forward: bool,
    place: Place,
}

impl Token {
    fn encode(self) -> String {
        let direction = if self.forward { 'f' } else { 'b' };
        format!("{direction}/{:020}{:020}/s", self.place.0, self.place.1)
    }

    fn parse(text: &str) -> Result<Self> {
        let invalid = || group::invalid("The specified nextToken is invalid.");
        let (direction, rest) = text.split_once('/').ok_or_else(invalid)?;
        let digits = rest.strip_suffix("/s").filter(|d| d.len() == 40 && d.is_ascii()).ok_or_else(invalid)?;
        let (time, number) = digits.split_at(20);
        let forward = match direction {
            "f" => true,
            "b" => false,
            _ => return Err(invalid()),
        };
        Ok(Self { forward, place: (time.parse().map_err(|_| invalid())?, number.parse().map_err(|_| invalid())?) })
    }
}

/// The time of an event, its number, and itself.
pub(crate) fn row(entry: Entry<Event>) -> Option<(i64, u64, Event)> {
    let (_, time, number) = entry.key::<(Placed, i64, u64)>()?;
    Some((time, number, entry.row))
}

/// Events of a page, oldest first.
pub(crate) async fn events(cx: &Cx, input: api::GetLogEventsInput) -> Result<api::GetLogEventsOutput> {
    let read = cx.read();
    let group = group::named(cx, &read, input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
    let stream = stream::find(cx, &read, &group, &input.log_stream_name)?;
    let token = input.next_token.as_deref().map(Token::parse).transpose()?;
    let limit = input.limit.map_or(Ok(MOST_EVENTS), usize::try_from).map_err(Failure::broken)?;
    let mut start = (input.start_time.unwrap_or(0).max(group.horizon(cx.now_millis())), 0);
    let mut end = (input.end_time.unwrap_or(i64::MAX), 0);
    let forward = match token {
        Some(token) if token.forward => {
            start = start.max((token.place.0, token.place.1 + 1));
            true
        }
        Some(token) => {
            end = end.min(token.place);
            false
        }
        None => input.start_from_head == Some(true),
    };
    let order = if forward { Order::Ascending } else { Order::Descending };
    let found = if start < end {
        EVENTS.range(&read, &(cx.key(stream.id), start.0, start.1), &(cx.key(stream.id), end.0, end.1), order, limit)?
    } else {
        Vec::new()
    };
    let mut bytes = 0;
    let mut rows: Vec<_> = found.into_iter().filter_map(row).take_while(|(_, _, e)| fits(&mut bytes, e)).collect();
    if !forward {
        rows.reverse();
    }
    // At the end the token that was given comes back, which is how callers see that it is the end.
    let here = token.map_or(if forward { start } else { (stream.last_event.unwrap_or(0), 0) }, |t| t.place);
    let before = rows.first().map_or(here, |(time, number, _)| (*time, *number));
    let behind = rows.last().map_or(here, |(time, number, _)| (*time, *number));
    let events = rows.into_iter().map(|(timestamp, _, event)| output::OutputLogEvent {
        timestamp: Some(timestamp),
        message: Some(event.message),
        ingestion_time: Some(event.ingested),
    });
    Ok(api::GetLogEventsOutput {
        events: Some(events.collect()),
        next_forward_token: Some(Token { forward: true, place: behind }.encode()),
        next_backward_token: Some(Token { forward: false, place: before }.encode()),
    })
}

/// Whether one more event fits into an answer. The first one always does.
pub(crate) fn fits(bytes: &mut usize, event: &Event) -> bool {
    let first = *bytes == 0;
    *bytes += Event::size(&event.message);
    first || *bytes <= MOST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_say_where_and_which_way() {
        let token = Token { forward: true, place: (1_700_000_000_000, 17) };
        assert_eq!(Token::parse(&token.encode()).ok(), Some(token));
        assert!(Token::parse("x/1/s").is_err() && Token::parse("f/12/s").is_err());
    }
}
