//! One shard: read in its order, in batches, each done before the next of the same keys.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::watch;
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::checkpoints::{self, Checkpoint};
use crate::records::Record;
use crate::stream::Stream;
use crate::{Kind, Start};

/// A shard in which there is nothing new is looked at so often, unless somebody rings.
const LOOK: Duration = Duration::from_millis(250);
/// After a failure a shard is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// A batch may be so large, in bytes of its records.
const MOST_BYTES: usize = 6 * 1024 * 1024 - 4096;

/// A shard that is being read.
pub(crate) struct Shard {
    pub(crate) stream: Arc<Stream>,
    pub(crate) id: String,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) checkpoint: Checkpoint,
    /// Where to read on. `None`: it was not asked for yet, or no longer holds.
    iterator: Option<String>,
    /// Nothing comes behind what waits.
    closed: bool,
    /// Read, and not given to the consumer yet.
    waiting: VecDeque<Record>,
}

impl Shard {
    pub(crate) fn new(stream: Arc<Stream>, id: String, stopped: watch::Receiver<bool>) -> Self {
        Self {
            stream,
            id,
            stopped,
            checkpoint: Checkpoint::default(),
            iterator: None,
            closed: false,
            waiting: VecDeque::new(),
        }
    }

    /// Gives what comes to the consumer, until the shard has ended or it is told to stop.
    pub(crate) async fn run(mut self) {
        let read = self.stream.kernel.database().read();
        match checkpoints::get(&*self.stream.consumer, &read, &self.id) {
            Ok(checkpoint) => self.checkpoint = checkpoint,
            Err(failure) => return self.stream.complain(&failure, "a checkpoint could not be read"),
        }
        while !self.is_stopped() && !self.checkpoint.ended {
            if let Err(failure) = self.step().await {
                self.stream.complain(&failure, "a shard could not be read");
                // An iterator that no longer holds is asked for anew, behind what is done.
                self.iterator = None;
                self.closed = false;
                self.waiting.clear();
                self.pause(PAUSE).await;
            }
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        // The sender was dropped.
        self.stopped.has_changed().is_err()
    }

    /// Sleeps, unless it is told to stop.
    pub(crate) async fn pause(&mut self, span: Duration) {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            _ = self.stopped.changed() => {}
        }
    }

    /// One batch, if there is one.
    async fn step(&mut self) -> Result<()> {
        let Some(reader) = self.stream.consumer.reader()? else {
            self.pause(PAUSE).await;
            return Ok(());
        };
        self.gather(&reader).await?;
        if self.is_stopped() {
            return Ok(());
        }
        self.close_window().await?;
        let batch = self.take();
        if let Some(last) = batch.last() {
            let last = last.sequence.clone();
            if !self.deliver(batch).await? {
                return Ok(());
            }
            self.checkpoint.after = Some(last);
        } else if self.closed && self.waiting.is_empty() {
            self.checkpoint.ended = true;
        } else {
            return Ok(());
        }
        checkpoints::put(&*self.stream.consumer, &self.id, &self.checkpoint).await
    }

    /// How many records may be taken at once: a batch for each that may run at a time.
    fn most(&self) -> usize {
        self.stream.settings.batch.max(1) * self.stream.streaming.parallel.max(1)
    }

    fn bytes(&self) -> usize {
        self.waiting.iter().map(|record| record.size).sum()
    }

    /// Reads until a batch is full, its time to fill is over, or there is nothing to wait for.
    async fn gather(&mut self, reader: &Cx) -> Result<()> {
        let window = self.stream.settings.window;
        let mut begun = None;
        while !self.closed && !self.is_stopped() && self.waiting.len() < self.most() && self.bytes() < MOST_BYTES {
            let bell = self.stream.cx().signals().of(&format!("dynamodb.stream:{}", self.stream.settings.source));
            let rung = bell.notified();
            let came = self.read(reader).await?;
            if !self.waiting.is_empty() {
                let begun = *begun.get_or_insert_with(Instant::now);
                if begun.elapsed() >= window {
                    return Ok(());
                }
            } else if self.is_window_over() {
                return Ok(());
            }
            if came == 0 && !self.closed {
                tokio::select! {
                    () = rung => {}
                    () = tokio::time::sleep(LOOK) => {}
                    _ = self.stopped.changed() => {}
                }
            }
        }
        Ok(())
    }

    /// Reads what is there; how many records came.
    async fn read(&mut self, reader: &Cx) -> Result<usize> {
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => self.begin(reader).await?,
        };
        let stream = Arc::clone(&self.stream);
        let answer = reader.call(stream.kind.api(), "GetRecords", json!({"ShardIterator": iterator})).await?;
        let given = answer["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
        let new = |given| Record::new(stream.kind, &*stream.consumer, &self.id, given);
        let records: Vec<Record> = given.iter().filter_map(new).collect();
        let came = records.len();
        self.waiting.extend(records);
        self.iterator = answer["NextShardIterator"].as_str().map(ToOwned::to_owned);
        self.closed = self.iterator.is_none();
        Ok(came)
    }

    /// Where to read on: behind what waits, behind what is done, or where the settings say.
    async fn begin(&self, reader: &Cx) -> Result<String> {
        let mut input = self.stream.kind.named(&self.stream.settings.source);
        input["ShardId"] = json!(self.id);
        let after = self.waiting.back().map(|record| &record.sequence).or(self.checkpoint.after.as_ref());
        match (after, self.stream.streaming.start) {
            (Some(after), _) => {
                input["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
                input[if self.stream.kind == Kind::Kinesis { "StartingSequenceNumber" } else { "SequenceNumber" }] =
                    json!(after);
            }
            (None, Start::Horizon) => input["ShardIteratorType"] = json!("TRIM_HORIZON"),
            // A shard that is younger begins later anyhow.
            (None, Start::At(since)) => {
                input["ShardIteratorType"] = json!("AT_TIMESTAMP");
                input["Timestamp"] = seconds(since);
            }
        }
        let answer = match reader.call(self.stream.kind.api(), "GetShardIterator", input.clone()).await {
            // What comes next is no longer kept: the oldest that is comes instead.
            Err(failure) if failure.code() == Some("TrimmedDataAccessException") => {
                input["ShardIteratorType"] = json!("TRIM_HORIZON");
                input.as_object_mut().map(|input| input.shift_remove("SequenceNumber"));
                reader.call(self.stream.kind.api(), "GetShardIterator", input).await?
            }
            answer => answer?,
        };
        let iterator = answer["ShardIterator"].as_str();
        Ok(iterator.ok_or_else(|| Failure::broken("there is no iterator"))?.to_owned())
    }

    /// The next batch: of one window, where there are windows.
    fn take(&mut self) -> Vec<Record> {
        let (most, mut bytes, mut batch) = (self.most(), 0, Vec::new());
        let window = self.waiting.front().and_then(|record| self.window_of(record.arrived));
        while batch.len() < most
            && let Some(next) = self.waiting.front()
            && (batch.is_empty() || bytes + next.size <= MOST_BYTES)
            && self.window_of(next.arrived) <= window
        {
            bytes += next.size;
            batch.extend(self.waiting.pop_front());
        }
        batch
    }

    /// The first record that waits.
    pub(crate) fn next(&self) -> Option<&Record> {
        self.waiting.front()
    }

    /// Nothing comes any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }
}

/// A time as calls have it.
fn seconds(millis: i64) -> Json {
    let time = Timestamp::from_millisecond(millis).unwrap_or_default();
    json!(time.as_duration().as_secs_f64())
}
