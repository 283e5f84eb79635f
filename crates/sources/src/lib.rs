//! Taking from queues and streams, batch by batch: what Lambda's event source mappings and EventBridge's pipes have in common.
//!
//! Knows: how queues of SQS, streams of Kinesis and streams of DynamoDB's tables are read by calls from inside; batches that fill,
//! filters, windows, checkpoints, retries, batches that are cut in two, records that are given up. Must not know: who takes what
//! is read, and how.
//!
//! Reading order: [`Consumer`] (who takes), `queue` (polls, and deletes what is done), `stream` (shards after those that they came
//! from) with `shard` (one of them, in its order), `delivery` (a batch until it is done with), `window`, `checkpoints`.

mod checkpoints;
mod delivery;
mod filter;
mod look;
mod queue;
mod records;
mod shard;
mod stream;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Kernel, Result};

pub use checkpoints::{Checkpoint, Open};
pub use filter::Filter;
pub use look::{Problem, look};
pub use records::{Record, message};

/// What is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A queue of SQS.
    Queue,
    /// A stream of a DynamoDB table.
    Table,
    /// A data stream of Kinesis.
    Kinesis,
}

impl Kind {
    /// Of the source with this ARN. `None`: nobody here knows it.
    pub fn of(source: &Arn) -> Option<Self> {
        match (source.service.as_str(), source.resource.as_str()) {
            ("sqs", _) => Some(Self::Queue),
            ("dynamodb", resource) if resource.contains("/stream/") => Some(Self::Table),
            ("kinesis", resource) if resource.starts_with("stream/") && !resource.contains("/consumer/") => {
                Some(Self::Kinesis)
            }
            _ => None,
        }
    }

    /// The API that reads sources of this kind.
    pub fn api(self) -> &'static str {
        match self {
            Self::Queue => "sqs",
            Self::Table => "dynamodbstreams",
            Self::Kinesis => "kinesis",
        }
    }

    /// A stream as calls of that API name it.
    pub fn named(self, stream: &str) -> Json {
        if self == Self::Kinesis { json!({"StreamARN": stream}) } else { json!({"StreamArn": stream}) }
    }
}

/// The URL of a queue, for calls from inside.
pub fn queue_url(kernel: &Kernel, queue: &Arn) -> String {
    format!("http://{}/{}/{}", kernel.settings().host, queue.account, queue.resource)
}

/// Where a stream's shards are read from at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The oldest record.
    Horizon,
    /// What came at this time or later, in milliseconds since 1970.
    At(i64),
}

/// How a source is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// ARN of the queue or the stream.
    pub source: String,
    /// The most messages or records of a batch.
    pub batch: usize,
    /// How long a batch may take to fill.
    pub window: Duration,
    /// So many batches of a queue at a time.
    pub at_once: usize,
    /// Of a stream.
    pub streaming: Option<Streaming>,
}

/// How a stream is read. -1 stands for no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streaming {
    /// Where it begins.
    pub start: Start,
    /// A batch that fails is cut in two.
    pub bisect: bool,
    /// Seconds after which records are given up.
    pub most_age: i32,
    /// How often a batch is given again before it is given up.
    pub most_retries: i32,
    /// Batches of a shard at a time.
    pub parallel: usize,
    /// Seconds of a tumbling window; 0: there is none.
    pub tumbling: i32,
}

/// What is given to a consumer at once.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Messages or records, as the consumer made them.
    pub events: &'a [&'a Json],
    /// What tells each from the others: message ids, sequence numbers.
    pub ids: &'a [&'a str],
    /// Of a stream: the shard.
    pub shard: Option<&'a str>,
    /// The window that they belong to.
    pub window: Option<Window<'a>>,
}

/// A tumbling window.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Milliseconds since 1970.
    pub start: i64,
    /// The same.
    pub end: i64,
    /// What the consumer made of it so far: JSON.
    pub state: &'a str,
    /// Nothing comes any more.
    pub last: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is done with; what the consumer makes of the window so far.
    Done(Option<String>),
    /// It is not its fault, and comes again.
    Throttled,
    /// What stands at these places of the batch failed.
    Failed(Vec<usize>),
}

/// Why records are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// They were given again as often as they may be.
    RetryAttemptsExhausted,
    /// They are too old.
    RecordAgeExceeded,
}

impl Reason {
    /// As AWS names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

/// Records that are given up.
#[derive(Debug, Clone, Copy)]
pub struct GivenUp<'a> {
    /// The shard.
    pub shard: &'a str,
    /// The records: at least one.
    pub records: &'a [Record],
    /// Why.
    pub reason: Reason,
    /// How often the batch has failed.
    pub attempts: u32,
}

/// Who takes what is read.
pub trait Consumer: Send + Sync + 'static {
    /// The id under which it is run, and has its checkpoints.
    fn id(&self) -> &str;

    /// Its account and region.
    fn cx(&self) -> Cx;

    /// The context in which the source is read: that of its role. `None`: nobody would take anything just now.
    ///
    /// # Errors
    /// When the store fails.
    fn reader(&self) -> Result<Option<Cx>>;

    /// A message of a queue, as [`message`] shows it, as the consumer takes it. `None`: it wants it not, and the message is done
    /// with.
    fn message(&self, shown: Json) -> Option<Json>;

    /// A record of a stream, as `GetRecords` gives it, as the consumer takes it, and whether it wants it.
    fn record(&self, kind: Kind, shard: &str, given: &Json) -> (Json, bool);

    /// Takes a batch. What fails comes again.
    fn take<'a>(&'a self, batch: Batch<'a>) -> BoxFuture<'a, Result<Taken>>;

    /// Records are given up.
    fn give_up<'a>(&'a self, given_up: GivenUp<'a>) -> BoxFuture<'a, Result<()>>;

    /// Where it is kept how far it is: account, region, id, shard.
    fn checkpoints(&self) -> &'static Table<Checkpoint>;
}

/// What of a batch failed, as the answer of a function reports it: places in `ids`. `None`: all, for it makes no sense.
pub fn reported(answer: &[u8], ids: &[&str]) -> Option<Vec<usize>> {
    // No answer, null, an empty object and an empty list all say that everything was done.
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let failures = match answer.get("batchItemFailures") {
        None | Some(Json::Null) => return Some(Vec::new()),
        Some(failures) => failures.as_array()?,
    };
    let place = |failure: &Json| ids.iter().position(|id| failure["itemIdentifier"] == **id);
    failures.iter().map(place).collect()
}

/// What takes from sources just now, by the ids of consumers.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<String, Run>>);

/// Something that takes, or has been told to stop and is not done yet.
#[derive(Debug)]
struct Run {
    /// It stops when this is dropped.
    stopper: Option<watch::Sender<bool>>,
    /// The other side is dropped when it has ended.
    ended: watch::Receiver<bool>,
}

impl Run {
    fn has_ended(&self) -> bool {
        self.ended.has_changed().is_err()
    }
}

impl Running {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to take, in the place of what took for this consumer before: once that has finished what was under way, so that
    /// a shard is read by one at a time.
    pub fn start(&self, kernel: &Kernel, settings: Settings, consumer: Arc<dyn Consumer>) {
        let (stopper, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let id = consumer.id().to_owned();
        let mut before = self.all().insert(id, Run { stopper: Some(stopper), ended }).map(|run| run.ended);
        let work = kernel.clone();
        kernel.spawn(async move {
            if let Some(before) = &mut before {
                // It never changes: this ends when the one before has gone.
                while before.changed().await.is_ok() {}
            }
            match settings.streaming.clone() {
                None => Arc::new(queue::Poller::new(work, settings, consumer)).run(stopped).await,
                Some(streaming) => {
                    Arc::new(stream::Stream::new(work, settings, streaming, consumer)).run(stopped).await;
                }
            }
            drop(ending);
        });
    }

    /// Stops what takes for a consumer. Batches under way are finished.
    pub fn stop(&self, id: &str) {
        let mut all = self.all();
        if let Some(run) = all.get_mut(id) {
            run.stopper = None;
        }
        all.retain(|_, run| run.stopper.is_some() || !run.has_ended());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_reported() {
        let ids = ["a", "b"];
        for (answer, wanted) in [
            ("null", Some(vec![])),
            ("{}", Some(vec![])),
            (r#"{"batchItemFailures":[]}"#, Some(vec![])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, Some(vec![1])),
            (r#"{"batchItemFailures":[{"itemIdentifier":"other"}]}"#, None),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, None),
            ("nonsense", None),
        ] {
            assert_eq!(reported(answer.as_bytes(), &ids), wanted, "{answer}");
        }
    }

    #[test]
    fn sources_are_known_by_their_arns() {
        let kind = |resource: &str| Kind::of(&Arn::parse(&format!("arn:aws:{resource}")).unwrap());
        assert_eq!(kind("sqs:us-east-1:000000000000:q"), Some(Kind::Queue));
        assert_eq!(kind("dynamodb:us-east-1:000000000000:table/t/stream/2026"), Some(Kind::Table));
        assert_eq!(kind("kinesis:us-east-1:000000000000:stream/s"), Some(Kind::Kinesis));
        for other in [
            "dynamodb:us-east-1:000000000000:table/t",
            "kinesis:us-east-1:000000000000:stream/s/consumer/c:1",
            "kafka:us-east-1:000000000000:cluster/c",
        ] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
