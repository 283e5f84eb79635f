//! Pollers: from a queue to a function, batch by batch, with the function's role.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};
use undercast_kernel::{Cx, Failure, Kernel, Result};

use crate::function::{FUNCTIONS, Function};
use crate::invoke;
use crate::mapping::{Mapping, record};
use crate::report::{Call, Done};
use crate::state::{State, locked};

/// A look at an empty queue waits so many seconds.
const WAIT: i64 = 20;
/// After a failure a poller waits before it looks again.
const PAUSE: Duration = Duration::from_secs(1);
/// A batch may be so large, in bytes of its event.
const MOST_BYTES: usize = 6 * 1024 * 1024;

/// Makes pollers be as the mapping says: running, with its settings, or not.
pub(crate) fn apply(state: &Arc<State>, kernel: &Kernel, mapping: &Mapping) {
    stop(state, &mapping.id);
    if !mapping.enabled {
        return;
    }
    let (stopper, stopped) = watch::channel(false);
    locked(&state.pollers).insert(mapping.id.clone(), stopper);
    let poller = Poller { state: Arc::clone(state), kernel: kernel.clone(), mapping: mapping.clone() };
    kernel.spawn(Arc::new(poller).run(stopped));
}

/// Stops the pollers of a mapping. Batches under way are finished.
pub(crate) fn stop(state: &State, id: &str) {
    drop(locked(&state.pollers).remove(id));
}

struct Poller {
    state: Arc<State>,
    kernel: Kernel,
    mapping: Mapping,
}

impl Poller {
    /// Takes batches until it is told to stop, so many at a time as the mapping allows.
    async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.mapping.concurrency()));
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
                Ok(Some((function, messages))) => {
                    let poller = Arc::clone(&self);
                    self.kernel.spawn(async move {
                        if let Err(failure) = poller.handle(&function, &messages).await {
                            tracing::warn!(
                                mapping = poller.mapping.id,
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
                        mapping = self.mapping.id,
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

    fn cx(&self) -> Cx {
        self.kernel.cx_for(&self.mapping.account, &self.mapping.region)
    }

    fn role(&self, function: &Function) -> Cx {
        self.cx().as_role("lambda.amazonaws.com", &function.role, &function.name)
    }

    /// Waits for messages. `None`: there were none.
    async fn batch(&self) -> Result<Option<(Function, Vec<Json>)>> {
        let name = self.mapping.function();
        let Some(function) = FUNCTIONS.get(&self.kernel.database().read(), &name.key())? else {
            // It may be made again under its name.
            tokio::time::sleep(PAUSE).await;
            return Ok(None);
        };
        let most = usize::try_from(self.mapping.batch).map_err(Failure::broken)?;
        let mut messages = self.receive(&function, most, WAIT).await?;
        let window = Duration::from_secs(u64::try_from(self.mapping.window).unwrap_or(0));
        let begun = Instant::now();
        let size = |all: &[Json]| all.iter().map(|m| m["Body"].as_str().map_or(0, str::len)).sum::<usize>();
        while !messages.is_empty() && messages.len() < most && size(&messages) < MOST_BYTES / 2 {
            let left = window.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break;
            }
            let wait = i64::try_from(left.as_secs()).unwrap_or(WAIT).clamp(1, WAIT);
            messages.extend(self.receive(&function, most - messages.len(), wait).await?);
        }
        Ok((!messages.is_empty()).then_some((function, messages)))
    }

    async fn receive(&self, function: &Function, most: usize, wait: i64) -> Result<Vec<Json>> {
        let input = json!({
            "QueueUrl": self.mapping.queue_url(&self.kernel), "MaxNumberOfMessages": most.min(10), "WaitTimeSeconds": wait,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let mut answer = self.role(function).call("sqs", "ReceiveMessage", input).await?;
        match answer["Messages"].take() {
            Json::Array(messages) => Ok(messages),
            _ => Ok(Vec::new()),
        }
    }

    /// Runs the function with a batch, and deletes what it has done.
    async fn handle(&self, function: &Function, messages: &[Json]) -> Result<()> {
        let cx = self.cx();
        let records: Vec<Json> = messages.iter().map(|m| record(&self.mapping, m)).collect();
        let call = Call {
            request_id: cx.request_id().to_owned(),
            payload: json!({"Records": records}).to_string().into(),
            client_context: None,
            arn: function.arn(&cx),
        };
        let done = invoke::run(&self.state, &cx, function, call).await?;
        let ids: Vec<&str> = messages.iter().filter_map(|m| m["MessageId"].as_str()).collect();
        let failed = failed(&done, &ids, self.mapping.reports);
        let good = |m: &&Json| !m["MessageId"].as_str().is_some_and(|id| failed.contains(id));
        let good: Vec<&Json> = messages.iter().filter(good).collect();
        for ten in good.chunks(10) {
            let entries: Vec<Json> = ten
                .iter()
                .enumerate()
                .map(|(n, m)| json!({"Id": n.to_string(), "ReceiptHandle": m["ReceiptHandle"]}))
                .collect();
            let input = json!({"QueueUrl": self.mapping.queue_url(&self.kernel), "Entries": entries});
            self.role(function).call("sqs", "DeleteMessageBatch", input).await?;
        }
        Ok(())
    }
}

/// The messages of a batch that failed: all where the function failed, or where what it reports makes no sense.
fn failed<'a>(done: &Done, ids: &[&'a str], reports: bool) -> HashSet<&'a str> {
    let all = || ids.iter().copied().collect();
    if done.failed {
        return all();
    }
    if !reports {
        return HashSet::new();
    }
    // No answer, null, an empty object and an empty list all say that everything was done.
    let Ok(answer) = serde_json::from_slice::<Json>(&done.payload) else { return all() };
    let failures = match answer.get("batchItemFailures") {
        None | Some(Json::Null) => return HashSet::new(),
        Some(Json::Array(failures)) => failures,
        Some(_) => return all(),
    };
    let mut out = HashSet::new();
    for failure in failures {
        match failure["itemIdentifier"].as_str().and_then(|id| ids.iter().find(|known| **known == id)) {
            Some(known) => drop(out.insert(*known)),
            None => return all(),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_stays_in_the_queue() {
        let done = |payload: &'static str, failed| Done { payload: payload.into(), failed, log: String::new() };
        let ids = ["a", "b"];
        let one = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        for (payload, failure, reports, wanted) in [
            ("null", false, false, 0),
            ("{}", true, true, 2),
            (one, false, false, 0),
            (one, false, true, 1),
            ("null", false, true, 0),
            (r#"{"batchItemFailures":[]}"#, false, true, 0),
            (r#"{"batchItemFailures":[{"itemIdentifier":"other"}]}"#, false, true, 2),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, false, true, 2),
        ] {
            assert_eq!(failed(&done(payload, failure), &ids, reports).len(), wanted, "{payload}");
        }
    }
}
