//! From a queue to a function, batch by batch, with the function's role.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, watch};
use undercast_kernel::{Cx, Failure, Kernel, Result};

use crate::function::{FUNCTIONS, Function};
use crate::invoke;
use crate::mapping::Mapping;
use crate::report::{Call, Done};
use crate::sources::filter::Filter;
use crate::sources::reported;
use crate::state::State;

/// A look at an empty queue waits so many seconds.
const WAIT: i64 = 20;
/// After a failure a poller waits before it looks again.
const PAUSE: Duration = Duration::from_secs(1);
/// A batch may be so large, in bytes of its event.
const MOST_BYTES: usize = 6 * 1024 * 1024;

pub(super) struct Poller {
    filter: Filter,
    state: Arc<State>,
    kernel: Kernel,
    mapping: Mapping,
}

impl Poller {
    pub(super) fn new(state: Arc<State>, kernel: Kernel, mapping: Mapping) -> Self {
        Self { filter: Filter::new(&mapping), state, kernel, mapping }
    }

    /// Takes batches until it is told to stop, so many at a time as the mapping allows.
    pub(super) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
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
        let Json::Array(messages) = answer["Messages"].take() else { return Ok(Vec::new()) };
        // What no filter wants is done with.
        let wants = |m: &Json| self.filter.wants(&record(&self.mapping, m), "body");
        let (wanted, others): (Vec<Json>, Vec<Json>) = messages.into_iter().partition(wants);
        self.delete(function, &others).await?;
        Ok(wanted)
    }

    async fn delete(&self, function: &Function, messages: &[Json]) -> Result<()> {
        for ten in messages.chunks(10) {
            let entry = |(n, m): (usize, &Json)| json!({"Id": n.to_string(), "ReceiptHandle": m["ReceiptHandle"]});
            let entries: Vec<Json> = ten.iter().enumerate().map(entry).collect();
            let input = json!({"QueueUrl": self.mapping.queue_url(&self.kernel), "Entries": entries});
            self.role(function).call("sqs", "DeleteMessageBatch", input).await?;
        }
        Ok(())
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
        let good: Vec<Json> = messages.iter().filter(good).cloned().collect();
        self.delete(function, &good).await
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
    match reported(&done.payload, ids) {
        Some(failed) => failed.into_iter().filter_map(|n| ids.get(n).copied()).collect(),
        None => all(),
    }
}

/// A message as a function's event shows it.
fn record(mapping: &Mapping, message: &Json) -> Json {
    let mut attributes = serde_json::Map::new();
    for (name, value) in message["MessageAttributes"].as_object().into_iter().flatten() {
        let mut shown = json!({"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]});
        for (from, to) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
            if let Some(found) = value.get(from) {
                shown[to] = found.clone();
            }
        }
        attributes.insert(name.clone(), shown);
    }
    let mut record = json!({
        "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
        "attributes": message["Attributes"], "messageAttributes": attributes, "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs", "eventSourceARN": mapping.source, "awsRegion": mapping.region,
    });
    if let Some(md5) = message.get("MD5OfMessageAttributes") {
        record["md5OfMessageAttributes"] = md5.clone();
    }
    record
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
