//! A batch and the function: given, given again after a failure, cut in two, given up.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::Result;

use crate::function::Function;
use crate::invoke;
use crate::report::{Call, Done};
use crate::sources::discarded::{self, Reason};
use crate::sources::records::Record;
use crate::sources::reported;
use crate::sources::shard::Shard;

/// A batch that failed is given again after so long, and after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Records that are given to the function together, and how often it has failed with them.
struct Batch {
    records: Vec<Record>,
    failures: u32,
}

impl Shard {
    /// Gives records to the function, so many batches at a time as the mapping says, those of one key in their order.
    /// Says whether they are done with: it was not told to stop before.
    pub(super) async fn deliver(&mut self, function: &Function, records: Vec<Record>) -> Result<bool> {
        let lanes = u64::try_from(self.stream.streaming.parallel).unwrap_or(1).max(1);
        let most = usize::try_from(self.stream.mapping.batch).unwrap_or(1).max(1);
        let records: Vec<Record> = records.into_iter().filter(|record| record.wanted).collect();
        if lanes == 1 {
            return self.deliver_lane(function, records, most).await;
        }
        let mut work = tokio::task::JoinSet::new();
        for lane in 0..lanes {
            let own: Vec<Record> = records.iter().filter(|record| record.key % lanes == lane).cloned().collect();
            let mut shard = Self::new(self.stream.clone(), self.id.clone(), self.stopped.clone());
            let function = function.clone();
            work.spawn(async move { shard.deliver_lane(&function, own, most).await });
        }
        let mut done = true;
        while let Some(lane) = work.join_next().await {
            done &= lane.map_err(undercast_kernel::Failure::broken)??;
        }
        Ok(done)
    }

    async fn deliver_lane(&mut self, function: &Function, records: Vec<Record>, most: usize) -> Result<bool> {
        let batches = records.chunks(most).map(|records| Batch { records: records.to_vec(), failures: 0 });
        let mut left: VecDeque<Batch> = batches.collect();
        let mut pause = FIRST_PAUSE;
        while let Some(batch) = left.pop_front() {
            if self.is_stopped() {
                return Ok(false);
            }
            if self.is_too_old(&batch) {
                self.give_up(function, &batch, Reason::RecordAgeExceeded).await?;
                continue;
            }
            let again = match self.attempt(function, &batch).await? {
                Attempt::Done => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Attempt::Throttled => vec![batch],
                Attempt::Failed { from } => self.after_failure(function, batch, from).await?,
            };
            again.into_iter().rev().for_each(|batch| left.push_front(batch));
            if !left.is_empty() {
                self.pause(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(true)
    }

    fn is_too_old(&self, batch: &Batch) -> bool {
        let most = i64::from(self.stream.streaming.most_age);
        let oldest = batch.records.first().map_or(i64::MAX, |record| record.arrived);
        most >= 0 && self.stream.cx().now_millis().saturating_sub(oldest) > most * 1000
    }

    /// What is given again after a failure: what is left from the first record that failed, in two parts where the
    /// mapping says so.
    async fn after_failure(&self, function: &Function, mut batch: Batch, from: usize) -> Result<Vec<Batch>> {
        batch.records.drain(..from);
        if self.stream.streaming.bisect && batch.records.len() > 1 {
            // Cutting in two is no attempt.
            let second = batch.records.split_off(batch.records.len().div_ceil(2));
            let failures = batch.failures;
            return Ok(vec![batch, Batch { records: second, failures }]);
        }
        batch.failures += 1;
        match u32::try_from(self.stream.streaming.most_retries) {
            Ok(most) if batch.failures > most => {
                self.give_up(function, &batch, Reason::RetryAttemptsExhausted).await?;
                Ok(Vec::new())
            }
            _ => Ok(vec![batch]),
        }
    }

    async fn give_up(&self, function: &Function, batch: &Batch, reason: Reason) -> Result<()> {
        discarded::tell(&self.stream, function, &self.id, &batch.records, reason, batch.failures).await
    }

    /// Runs the function once.
    async fn attempt(&mut self, function: &Function, batch: &Batch) -> Result<Attempt> {
        let records: Vec<&Json> = batch.records.iter().map(|record| &record.event).collect();
        let event = self.in_window(json!({"Records": records}), false);
        let Some(done) = self.invoke(function, event).await? else { return Ok(Attempt::Throttled) };
        let ids: Vec<&str> = batch.records.iter().map(|record| record.sequence.as_str()).collect();
        let failed = match (done.failed, self.stream.mapping.reports) {
            (true, _) => Some(0),
            (false, false) => None,
            (false, true) => match reported(&done.payload, &ids) {
                // What comes behind the first that failed is given again with it.
                Some(places) => places.into_iter().min(),
                None => Some(0),
            },
        };
        let failed = failed.or_else(|| (!self.keep_state(&done)).then_some(0));
        let result = if failed.is_some() { "PROBLEM: Function call failed" } else { "OK" };
        self.stream.state.set_last_result(&self.stream.mapping.id, result);
        Ok(failed.map_or(Attempt::Done, |from| Attempt::Failed { from }))
    }

    /// What came of an invocation. `None`: there is no place for it just now.
    pub(super) async fn invoke(&self, function: &Function, event: Json) -> Result<Option<Done>> {
        let cx = self.stream.cx();
        let call = Call {
            request_id: cx.request_id().to_owned(),
            payload: event.to_string().into(),
            client_context: None,
            arn: function.arn(&cx),
        };
        match invoke::run(&self.stream.state, &cx, function, call).await {
            Ok(done) => Ok(Some(done)),
            Err(failure) if failure.code() == Some("TooManyRequestsException") => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// What came of giving a batch to the function.
enum Attempt {
    Done,
    /// It is not the function's fault.
    Throttled,
    /// What stands before this place is done.
    Failed {
        from: usize,
    },
}
