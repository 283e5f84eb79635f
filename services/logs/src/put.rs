//! `PutLogEvents`: which events are taken, which are too new, too old or over already.

use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::stream::{self, EVENTS, Event, STREAMS};
use crate::{group, retention};

const DAY: i64 = 86_400_000;
/// Older events are refused.
const OLDEST: i64 = 14 * DAY;
/// Events further ahead are refused.
const NEWEST: i64 = 2 * 3_600_000;
/// The most bytes of one call, and of one event.
const MOST_BYTES: usize = 1_048_576;

/// Refuses a batch that is wrong as a whole.
fn check(input: &api::PutLogEventsInput) -> Result<()> {
    let events = &input.log_events;
    if events.windows(2).any(|two| matches!(two, [a, b] if a.timestamp > b.timestamp)) {
        return Err(group::invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && last.timestamp - first.timestamp > DAY
    {
        return Err(group::invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let sizes = events.iter().map(|e| Event::size(&e.message));
    if let Some(large) = sizes.clone().find(|size| *size > MOST_BYTES) {
        return Err(group::invalid(format!("Log event too large: {large} bytes exceeds limit of {MOST_BYTES}")));
    }
    let all: usize = sizes.sum();
    if all > MOST_BYTES {
        return Err(group::invalid(format!("Upload too large: {all} bytes exceeds limit of {MOST_BYTES}")));
    }
    Ok(())
}

/// How many events at the beginning are over or too old, and from which one on they are too new.
struct Bounds {
    expired: usize,
    old: usize,
    new: usize,
}

impl Bounds {
    fn of(input: &api::PutLogEventsInput, now: i64, horizon: i64) -> Self {
        let before = |moment: i64| input.log_events.partition_point(|e| e.timestamp < moment);
        let old = before(now - OLDEST);
        Self { expired: before(horizon), old, new: input.log_events.partition_point(|e| e.timestamp <= now + NEWEST) }
    }

    fn taken(&self) -> std::ops::Range<usize> {
        let first = self.expired.max(self.old);
        first..self.new.max(first)
    }

    /// What the answer says of those that were not taken.
    fn rejected(&self, count: usize) -> Option<output::RejectedLogEventsInfo> {
        let index = |n: usize| i32::try_from(n).ok();
        let too_new_log_event_start_index = if self.new < count { index(self.new) } else { None };
        let too_old_log_event_end_index = if self.old > 0 { index(self.old) } else { None };
        let expired_log_event_end_index = if self.expired > self.old { index(self.expired) } else { None };
        let any =
            too_new_log_event_start_index.or(too_old_log_event_end_index).or(expired_log_event_end_index).is_some();
        any.then_some(output::RejectedLogEventsInfo {
            too_new_log_event_start_index,
            too_old_log_event_end_index,
            expired_log_event_end_index,
        })
    }
}

/// Takes the events that may be taken.
pub(crate) async fn events(cx: &Cx, input: api::PutLogEventsInput) -> Result<api::PutLogEventsOutput> {
    check(&input)?;
    let (bounds, token) = cx
        .write(|tx| {
            let mut group = group::find(cx, tx, &input.log_group_name)?;
            let mut stream = stream::find(cx, tx, &group, &input.log_stream_name)?;
            let bounds = Bounds::of(&input, cx.now_millis(), group.horizon(cx.now_millis()));
            let taken = input.log_events.get(bounds.taken()).unwrap_or(&[]);
            let first = group::next_ids(cx, tx, taken.len())?;
            for (number, event) in (first..).zip(taken) {
                let row = Event { message: event.message.clone(), ingested: cx.now_millis() };
                EVENTS.put(tx, &(cx.key(stream.id), event.timestamp, number), &row);
                stream.stored += i64::try_from(Event::size(&event.message)).unwrap_or(i64::MAX);
            }
            if let (Some(oldest), Some(newest)) = (taken.first(), taken.last()) {
                stream.first_event = Some(stream.first_event.map_or(oldest.timestamp, |t| t.min(oldest.timestamp)));
                stream.last_event = Some(stream.last_event.map_or(newest.timestamp, |t| t.max(newest.timestamp)));
                stream.last_ingestion = Some(cx.now_millis());
                retention::plan(cx, tx, &mut group, oldest.timestamp)?;
            }
            STREAMS.put(tx, &(cx.key(group.id), input.log_stream_name.as_str()), &stream);
            Ok((bounds, stream::sequence_token(first)))
        })
        .await?;
    let rejected_log_events_info = bounds.rejected(input.log_events.len());
    Ok(api::PutLogEventsOutput {
        next_sequence_token: Some(token),
        rejected_log_events_info,
        ..api::PutLogEventsOutput::default()
    })
}
