//! From a queue to a consumer, batch by batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};
use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Kernel, Result};

use crate::{Batch, Consumer, Settings, Taken, message, queue_url};

/// A look at an empty queue waits so many seconds.
const WAIT: i64 = 20;
/// After a failure a poller waits before it looks again.
const PAUSE: Duration = Duration::from_secs(1);
/// A batch may be so large, in bytes of its event.
const MOST_BYTES: usize = 6 * 1024 * 1024;

/// A message that was received.
struct Message {
    id: String,
    handle: Json,
    /// As the consumer takes it.
    event: Json,
    size: usize,
}

pub(crate) struct Poller {
    kernel: Kernel,
    settings: Settings,
    url: Option<String>,
    consumer: Arc<dyn Consumer>,
}

impl Poller {
    pub(crate) fn new(kernel: Kernel, settings: Settings, consumer: Arc<dyn Consumer>) -> Self {
        let url = Arn::parse(&settings.source).map(|queue| queue_url(&kernel, &queue));
        Self { kernel, settings, url, consumer }
    }

    /// Takes batches until it is told to stop, so many at a time as is allowed.
    pub(crate) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.settings.at_once));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let taken = tokio::select! {
                // First, so that what is sent after the stop is not taken any more.
                biased;
                // The sender was dropped.
                _ = stopped.changed() => return,
                taken = self.batch() => taken,
            };
            match taken {
                Ok(Some((reader, messages))) => {
                    let poller = Arc::clone(&self);
                    self.kernel.spawn(async move {
                        if let Err(failure) = poller.handle(&reader, &messages).await {
                            tracing::warn!(
                                consumer = poller.consumer.id(),
                                error = &failure as &dyn std::error::Error,
                                "a batch could not be handled; its messages come again"
                            );
                            tokio::time::sleep(PAUSE).await;
                        }
                        drop(place);
                    });
                }
                Ok(None) => {}
                Err(failure) => {
                    tracing::warn!(
                        consumer = self.consumer.id(),
                        error = &failure as &dyn std::error::Error,
                        "a queue could not be polled"
                    );
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        _ = stopped.changed() => return,
                    }
                }
            }
        }
    }

    /// Waits for messages. `None`: there were none.
    async fn batch(&self) -> Result<Option<(Cx, Vec<Message>)>> {
        let Some(reader) = self.consumer.reader()? else {
            // Somebody may be there again soon.
            tokio::time::sleep(PAUSE).await;
            return Ok(None);
        };
        let most = self.settings.batch;
        let mut messages = self.receive(&reader, most, WAIT).await?;
        let begun = Instant::now();
        let size = |all: &[Message]| all.iter().map(|message| message.size).sum::<usize>();
        while !messages.is_empty() && messages.len() < most && size(&messages) < MOST_BYTES / 2 {
            let left = self.settings.window.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break;
            }
            let wait = i64::try_from(left.as_secs()).unwrap_or(WAIT).clamp(1, WAIT);
            messages.extend(self.receive(&reader, most - messages.len(), wait).await?);
        }
        Ok((!messages.is_empty()).then_some((reader, messages)))
    }

    async fn receive(&self, reader: &Cx, most: usize, wait: i64) -> Result<Vec<Message>> {
        let input = json!({
            "QueueUrl": self.url, "MaxNumberOfMessages": most.min(10), "WaitTimeSeconds": wait,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let mut answer = reader.call("sqs", "ReceiveMessage", input).await?;
        let Json::Array(given) = answer["Messages"].take() else { return Ok(Vec::new()) };
        let region = self.consumer.cx().region().to_owned();
        let (mut wanted, mut others) = (Vec::new(), Vec::new());
        for mut given in given {
            let shown = message(&self.settings.source, &region, &given);
            match self.consumer.message(shown) {
                Some(event) => wanted.push(Message {
                    id: given["MessageId"].as_str().unwrap_or_default().to_owned(),
                    size: given["Body"].as_str().map_or(0, str::len),
                    handle: given["ReceiptHandle"].take(),
                    event,
                }),
                None => others.push(given["ReceiptHandle"].take()),
            }
        }
        // What no filter wants is done with.
        self.delete(reader, &others).await?;
        Ok(wanted)
    }

    async fn delete(&self, reader: &Cx, handles: &[Json]) -> Result<()> {
        for ten in handles.chunks(10) {
            let entry = |(n, handle): (usize, &Json)| json!({"Id": n.to_string(), "ReceiptHandle": handle});
            let entries: Vec<Json> = ten.iter().enumerate().map(entry).collect();
            reader.call("sqs", "DeleteMessageBatch", json!({"QueueUrl": self.url, "Entries": entries})).await?;
        }
        Ok(())
    }

    /// Gives a batch, and deletes what is done.
    async fn handle(&self, reader: &Cx, messages: &[Message]) -> Result<()> {
        let events: Vec<&Json> = messages.iter().map(|message| &message.event).collect();
        let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let failed = match self.consumer.take(Batch { events: &events, ids: &ids, shard: None, window: None }).await? {
            Taken::Done(_) => Vec::new(),
            Taken::Failed(places) => places,
            Taken::Throttled => {
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            }
        };
        let good = messages.iter().enumerate().filter(|(place, _)| !failed.contains(place));
        let good: Vec<Json> = good.map(|(_, message)| message.handle.clone()).collect();
        self.delete(reader, &good).await
    }
}
