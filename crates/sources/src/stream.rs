//! From a stream to a consumer: its shards, each when those it came from are done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Kernel, Result};

use crate::shard::Shard;
use crate::{Consumer, Kind, Settings, Streaming, checkpoints};

/// New shards are looked for so often, and whenever one has ended.
const LOOK: Duration = Duration::from_secs(2);

/// A stream that is taken from.
pub(crate) struct Stream {
    pub(crate) kernel: Kernel,
    pub(crate) settings: Settings,
    pub(crate) streaming: Streaming,
    pub(crate) kind: Kind,
    pub(crate) consumer: Arc<dyn Consumer>,
}

impl Stream {
    pub(crate) fn new(kernel: Kernel, settings: Settings, streaming: Streaming, consumer: Arc<dyn Consumer>) -> Self {
        let kind = Arn::parse(&settings.source).and_then(|source| Kind::of(&source)).unwrap_or(Kind::Table);
        Self { kernel, settings, streaming, kind, consumer }
    }

    pub(crate) fn cx(&self) -> Cx {
        self.consumer.cx()
    }

    /// Reads the shards until it is told to stop.
    pub(crate) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut reading: JoinSet<String> = JoinSet::new();
        let mut running: HashSet<String> = HashSet::new();
        loop {
            match self.waiting(&running).await {
                Ok(shards) => {
                    for id in shards {
                        running.insert(id.clone());
                        let (stream, stopped) = (Arc::clone(&self), stopped.clone());
                        reading.spawn(async move {
                            Shard::new(stream, id.clone(), stopped).run().await;
                            id
                        });
                    }
                }
                Err(failure) => self.complain(&failure, "the shards of a stream could not be listed"),
            }
            tokio::select! {
                biased;
                // The sender was dropped. What is under way is finished.
                _ = stopped.changed() => {
                    while reading.join_next().await.is_some() {}
                    return;
                }
                Some(ended) = reading.join_next() => {
                    if let Ok(id) = ended {
                        running.remove(&id);
                    }
                }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    pub(crate) fn complain(&self, failure: &(dyn std::error::Error + 'static), what: &str) {
        tracing::warn!(consumer = self.consumer.id(), error = failure, "{what}");
    }

    /// The shards that are to be read now and are not: those whose parents are done, or are no longer kept.
    async fn waiting(&self, running: &HashSet<String>) -> Result<Vec<String>> {
        let Some(reader) = self.consumer.reader()? else { return Ok(Vec::new()) };
        let shards = self.shards(&reader).await?;
        let read = self.kernel.database().read();
        let mut ended: HashMap<&str, bool> = HashMap::new();
        for shard in &shards {
            let id = shard["ShardId"].as_str().unwrap_or_default();
            ended.insert(id, checkpoints::get(&*self.consumer, &read, id)?.ended);
        }
        let is_open = |id: &str| ended.get(id) == Some(&false);
        let parents = ["ParentShardId", "AdjacentParentShardId"];
        let ready = |shard: &&Json| !parents.iter().any(|name| shard[*name].as_str().is_some_and(is_open));
        let ids = shards.iter().filter(ready).filter_map(|shard| shard["ShardId"].as_str());
        Ok(ids.filter(|id| is_open(id) && !running.contains(*id)).map(ToOwned::to_owned).collect())
    }

    /// All shards of the stream.
    async fn shards(&self, reader: &Cx) -> Result<Vec<Json>> {
        let (source, mut all) = (&self.settings.source, Vec::new());
        let mut input = self.kind.named(source);
        loop {
            let (mut page, next) = match self.kind {
                Kind::Kinesis => {
                    let mut answer = reader.call("kinesis", "ListShards", input.clone()).await?;
                    let next = answer["NextToken"].take();
                    (answer["Shards"].take(), json!({"NextToken": next}))
                }
                _ => {
                    let mut answer = reader.call("dynamodbstreams", "DescribeStream", input.clone()).await?;
                    let mut found = answer["StreamDescription"].take();
                    let next = json!({"StreamArn": source, "ExclusiveStartShardId": found["LastEvaluatedShardId"]});
                    (found["Shards"].take(), next)
                }
            };
            all.extend(page.as_array_mut().map(std::mem::take).unwrap_or_default());
            let more = ["NextToken", "ExclusiveStartShardId"].iter().any(|name| next[*name].is_string());
            if !more {
                return Ok(all);
            }
            input = next;
        }
    }
}
