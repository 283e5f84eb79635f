//! What becomes of a state that fails: it is tried again, caught, or its machine fails with it.

use std::sync::Arc;

use undercast_asl as asl;

use super::frame::Doing;
use super::history::{cause, error, plain};
use super::{Around, Run, state_in};
use crate::api::kept::{EvaluationFailedEventDetails, HistoryEvent};

impl Run {
    /// A state has failed.
    pub(super) fn fail(&mut self, around: &Around<'_>, id: u32, failure: asl::Failure) {
        let machine = Arc::clone(&self.machine);
        let Some(state) = state_in(&machine, &self.frames, id) else { return };
        if failure.error == asl::name::QUERY_EVALUATION_ERROR {
            let details = EvaluationFailedEventDetails {
                error: error(&failure.error),
                cause: cause(&failure.cause),
                location: failure.location.clone(),
                state: state.name.clone(),
            };
            let event = plain("EvaluationFailed");
            self.note(id, HistoryEvent { evaluation_failed_event_details: Some(details), ..event });
        }
        if let Some(delay) = self.try_again(around, id, state, &failure) {
            self.forget_children(id);
            let until = self.now.saturating_add(delay);
            return self.put(id, Doing::Delayed(until));
        }
        match self.scoped(around, id, |scope| state.catch(scope, &failure)) {
            Some(Ok(Some(caught))) => {
                self.forget_children(id);
                self.leave(around, id, caught.done, Some(caught.next));
            }
            Some(Err(other)) => self.fail_frame(around, id, other),
            Some(Ok(None)) | None => self.fail_frame(around, id, failure),
        }
    }

    /// In how many milliseconds the state is tried again, if a retrier is for its error and has tries left.
    fn try_again(&mut self, around: &Around<'_>, id: u32, state: &asl::State, failure: &asl::Failure) -> Option<i64> {
        let (at, retrier) = state.retrier(failure)?;
        let mut tried = self.frame(id)?.retries.clone();
        tried.resize(state.retry.len(), 0);
        let count = tried.get_mut(at)?;
        let delay = retrier.delay(*count, around.random.fraction())?;
        *count += 1;
        self.change(id, |frame| frame.retries = tried);
        i64::try_from(delay.as_millis()).ok()
    }
}
