//! Tumbling windows: what a function makes of the records of a span of time, over several batches.

use serde_json::{Value as Json, json};
use undercast_kernel::{Result, Timestamp};

use crate::function::Function;
use crate::report::Done;
use crate::sources::checkpoints::{self, Open};
use crate::sources::shard::Shard;

/// What a function keeps of a window may be so long.
const MOST_STATE: usize = 1024 * 1024;

impl Shard {
    /// Milliseconds of a window. `None`: there are none.
    fn window(&self) -> Option<i64> {
        Some(i64::from(self.stream.streaming.tumbling) * 1000).filter(|length| *length > 0)
    }

    /// The beginning of the window in which something came.
    pub(super) fn window_of(&self, arrived: i64) -> Option<i64> {
        self.window().map(|length| arrived.div_euclid(length) * length)
    }

    /// Whether nothing more belongs to the window that is open.
    pub(super) fn is_window_over(&self) -> bool {
        let (Some(length), Some(open)) = (self.window(), &self.checkpoint.window) else { return false };
        match self.next() {
            Some(next) => self.window_of(next.arrived) > Some(open.start),
            None => self.is_closed() || self.stream.cx().now_millis() >= open.start + length,
        }
    }

    /// Opens the window of the record that comes next, after the one before has had its end.
    pub(super) async fn close_window(&mut self, function: &Function) -> Result<()> {
        if self.is_window_over() {
            let event = self.in_window(json!({"Records": []}), true);
            match self.invoke(function, event).await? {
                Some(done) if !done.failed => {}
                // It comes again with the next look.
                _ => return Err(undercast_kernel::Failure::broken("the end of a window failed")),
            }
            self.checkpoint.window = None;
            checkpoints::put(&self.stream.cx(), &self.stream.mapping.id, &self.id, &self.checkpoint).await?;
        }
        if self.checkpoint.window.is_none()
            && let Some(start) = self.next().and_then(|next| self.window_of(next.arrived))
        {
            self.checkpoint.window = Some(Open { start, state: "{}".to_owned() });
        }
        Ok(())
    }

    /// An event with what belongs to its window.
    pub(super) fn in_window(&self, mut event: Json, last: bool) -> Json {
        let (Some(length), Some(open)) = (self.window(), &self.checkpoint.window) else { return event };
        let moment =
            |millis| Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        event["window"] = json!({"start": moment(open.start), "end": moment(open.start + length)});
        event["state"] = serde_json::from_str(&open.state).unwrap_or_else(|_| json!({}));
        event["shardId"] = json!(self.id);
        event["eventSourceARN"] = json!(self.stream.mapping.source);
        event["isFinalInvokeForWindow"] = json!(last);
        event["isWindowTerminatedEarly"] = json!(false);
        event
    }

    /// Keeps what the function made of the window so far. Says whether it gave something to keep, where it has to.
    pub(super) fn keep_state(&mut self, done: &Done) -> bool {
        let Some(open) = &mut self.checkpoint.window else { return true };
        let answer: Json = serde_json::from_slice(&done.payload).unwrap_or_default();
        let state = answer.get("state").filter(|state| state.is_object()).map(Json::to_string);
        let Some(state) = state.filter(|state| state.len() <= MOST_STATE) else { return false };
        open.state = state;
        true
    }
}
