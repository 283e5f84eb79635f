//! Tumbling windows: what a consumer makes of the records of a span of time, over several batches.

use undercast_kernel::{Failure, Result};

use crate::checkpoints::{self, Open};
use crate::shard::Shard;
use crate::{Batch, Taken, Window};

impl Shard {
    /// Milliseconds of a window. `None`: there are none.
    fn window(&self) -> Option<i64> {
        Some(i64::from(self.stream.streaming.tumbling) * 1000).filter(|length| *length > 0)
    }

    /// The beginning of the window in which something came.
    pub(crate) fn window_of(&self, arrived: i64) -> Option<i64> {
        self.window().map(|length| arrived.div_euclid(length) * length)
    }

    /// Whether nothing more belongs to the window that is open.
    pub(crate) fn is_window_over(&self) -> bool {
        let (Some(length), Some(open)) = (self.window(), &self.checkpoint.window) else { return false };
        match self.next() {
            Some(next) => self.window_of(next.arrived) > Some(open.start),
            None => self.is_closed() || self.stream.cx().now_millis() >= open.start + length,
        }
    }

    /// Opens the window of the record that comes next, after the one before has had its end.
    pub(crate) async fn close_window(&mut self) -> Result<()> {
        if self.is_window_over() {
            let last = Batch { events: &[], ids: &[], shard: Some(&self.id), window: self.open_window(true) };
            let Taken::Done(_) = self.stream.consumer.take(last).await? else {
                // It comes again with the next look.
                return Err(Failure::broken("the end of a window failed"));
            };
            self.checkpoint.window = None;
            checkpoints::put(&*self.stream.consumer, &self.id, &self.checkpoint).await?;
        }
        if self.checkpoint.window.is_none()
            && let Some(start) = self.next().and_then(|next| self.window_of(next.arrived))
        {
            self.checkpoint.window = Some(Open { start, state: "{}".to_owned() });
        }
        Ok(())
    }

    /// The window that is open, as the consumer sees it.
    pub(crate) fn open_window(&self, last: bool) -> Option<Window<'_>> {
        let (length, open) = (self.window()?, self.checkpoint.window.as_ref()?);
        Some(Window { start: open.start, end: open.start + length, state: &open.state, last })
    }

    /// Keeps what the consumer made of the window so far.
    pub(crate) fn keep_state(&mut self, state: Option<String>) {
        if let (Some(open), Some(state)) = (&mut self.checkpoint.window, state) {
            open.state = state;
        }
    }
}
