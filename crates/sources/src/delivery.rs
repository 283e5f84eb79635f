//! A batch and the consumer: given, given again after a failure, cut in two, given up.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value as Json;
use undercast_kernel::{Failure, Result};

use crate::records::Record;
use crate::shard::Shard;
use crate::{Batch as Given, GivenUp, Reason, Taken};

/// A batch that failed is given again after so long, and after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Records that are given together, and how often it has failed with them.
struct Batch {
    records: Vec<Record>,
    failures: u32,
}

impl Shard {
    /// Gives records to the consumer, so many batches at a time as the settings say, those of one key in their order.
    /// Says whether they are done with: it was not told to stop before.
    pub(crate) async fn deliver(&mut self, records: Vec<Record>) -> Result<bool> {
        let lanes = u64::try_from(self.stream.streaming.parallel).unwrap_or(1).max(1);
        let most = self.stream.settings.batch.max(1);
        let records: Vec<Record> = records.into_iter().filter(|record| record.wanted).collect();
        if lanes == 1 {
            return self.deliver_lane(records, most).await;
        }
        let mut work = tokio::task::JoinSet::new();
        for lane in 0..lanes {
            let own: Vec<Record> = records.iter().filter(|record| record.key % lanes == lane).cloned().collect();
            let mut shard = Self::new(self.stream.clone(), self.id.clone(), self.stopped.clone());
            work.spawn(async move { shard.deliver_lane(own, most).await });
        }
        let mut done = true;
        while let Some(lane) = work.join_next().await {
            done &= lane.map_err(Failure::broken)??;
        }
        Ok(done)
    }

    async fn deliver_lane(&mut self, records: Vec<Record>, most: usize) -> Result<bool> {
        let batches = records.chunks(most).map(|records| Batch { records: records.to_vec(), failures: 0 });
        let mut left: VecDeque<Batch> = batches.collect();
        let mut pause = FIRST_PAUSE;
        while let Some(batch) = left.pop_front() {
            if self.is_stopped() {
                return Ok(false);
            }
            if self.is_too_old(&batch) {
                self.give_up(&batch, Reason::RecordAgeExceeded).await?;
                continue;
            }
            let again = match self.attempt(&batch).await? {
                Attempt::Done => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Attempt::Throttled => vec![batch],
                Attempt::Failed { from } => self.after_failure(batch, from).await?,
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
    /// settings say so.
    async fn after_failure(&self, mut batch: Batch, from: usize) -> Result<Vec<Batch>> {
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
                self.give_up(&batch, Reason::RetryAttemptsExhausted).await?;
                Ok(Vec::new())
            }
            _ => Ok(vec![batch]),
        }
    }

    async fn give_up(&self, batch: &Batch, reason: Reason) -> Result<()> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let given_up = GivenUp { shard: &self.id, records: &batch.records, reason, attempts: batch.failures };
        self.stream.consumer.give_up(given_up).await
    }

    /// Gives a batch once.
    async fn attempt(&mut self, batch: &Batch) -> Result<Attempt> {
        let events: Vec<&Json> = batch.records.iter().map(|record| &record.event).collect();
        let ids: Vec<&str> = batch.records.iter().map(|record| record.sequence.as_str()).collect();
        let given = Given { events: &events, ids: &ids, shard: Some(&self.id), window: self.open_window(false) };
        Ok(match self.stream.consumer.take(given).await? {
            Taken::Throttled => Attempt::Throttled,
            Taken::Done(state) => {
                self.keep_state(state);
                Attempt::Done
            }
            // What comes behind the first that failed is given again with it.
            Taken::Failed(places) => places.into_iter().min().map_or(Attempt::Done, |from| Attempt::Failed { from }),
        })
    }
}

/// What came of giving a batch to the consumer.
enum Attempt {
    Done,
    /// It is not the consumer's fault.
    Throttled,
    /// What stands before this place is done.
    Failed {
        from: usize,
    },
}
