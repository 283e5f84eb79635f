//! From a stream to a function: its shards, each when those it came from are done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use undercast_kernel::{Cx, Kernel, Result};

use crate::function::{FUNCTIONS, Function};
use crate::mapping::Mapping;
use crate::mapping::settings::Streaming;
use crate::mapping::source::Kind;
use crate::sources::checkpoints;
use crate::sources::filter::Filter;
use crate::sources::shard::Shard;
use crate::state::State;

/// New shards are looked for so often, and whenever one has ended.
const LOOK: Duration = Duration::from_secs(2);

/// A mapping's stream.
pub(super) struct Stream {
    pub(super) state: Arc<State>,
    pub(super) kernel: Kernel,
    pub(super) mapping: Mapping,
    pub(super) streaming: Streaming,
    pub(super) kind: Kind,
    pub(super) filter: Filter,
}

impl Stream {
    pub(super) fn new(state: Arc<State>, kernel: Kernel, mapping: Mapping, streaming: Streaming) -> Self {
        // It was made for a stream.
        let kind = Kind::of(&mapping.source).unwrap_or(Kind::Table);
        Self { state, kernel, filter: Filter::new(&mapping), mapping, streaming, kind }
    }

    pub(super) fn cx(&self) -> Cx {
        self.kernel.cx_for(&self.mapping.account, &self.mapping.region)
    }

    pub(super) fn role(&self, function: &Function) -> Cx {
        self.cx().as_role("lambda.amazonaws.com", &function.role, &function.name)
    }

    /// The function, as it is now. `None`: it is gone; it may be made again under its name.
    pub(super) fn function(&self) -> Result<Option<Function>> {
        Ok(FUNCTIONS.get(&self.kernel.database().read(), &self.mapping.function().key())?)
    }

    /// Reads the shards until it is told to stop.
    pub(super) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
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

    pub(super) fn complain(&self, failure: &(dyn std::error::Error + 'static), what: &str) {
        tracing::warn!(mapping = self.mapping.id, error = failure, "{what}");
    }

    /// The shards that are to be read now and are not: those whose parents are done, or are no longer kept.
    async fn waiting(&self, running: &HashSet<String>) -> Result<Vec<String>> {
        let Some(function) = self.function()? else { return Ok(Vec::new()) };
        let shards = self.shards(&function).await?;
        let (cx, read) = (self.cx(), self.kernel.database().read());
        let mut ended: HashMap<&str, bool> = HashMap::new();
        for shard in &shards {
            let id = shard["ShardId"].as_str().unwrap_or_default();
            ended.insert(id, checkpoints::get(&cx, &read, &self.mapping.id, id)?.ended);
        }
        let is_open = |id: &str| ended.get(id) == Some(&false);
        let parents = ["ParentShardId", "AdjacentParentShardId"];
        let ready = |shard: &&Json| !parents.iter().any(|name| shard[*name].as_str().is_some_and(is_open));
        let ids = shards.iter().filter(ready).filter_map(|shard| shard["ShardId"].as_str());
        Ok(ids.filter(|id| is_open(id) && !running.contains(*id)).map(ToOwned::to_owned).collect())
    }

    /// All shards of the stream.
    async fn shards(&self, function: &Function) -> Result<Vec<Json>> {
        let (role, mut all) = (self.role(function), Vec::new());
        let mut input = self.kind.named(&self.mapping.source);
        loop {
            let (mut page, next) = match self.kind {
                Kind::Kinesis => {
                    let mut answer = role.call("kinesis", "ListShards", input.clone()).await?;
                    let next = answer["NextToken"].take();
                    (answer["Shards"].take(), json!({"NextToken": next}))
                }
                _ => {
                    let mut answer = role.call("dynamodbstreams", "DescribeStream", input.clone()).await?;
                    let mut found = answer["StreamDescription"].take();
                    let next = json!({"StreamArn": self.mapping.source, "ExclusiveStartShardId": found["LastEvaluatedShardId"]});
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
