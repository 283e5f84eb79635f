//! Logs on their way to CloudWatch Logs, sent with the function's role: without the permissions they are lost, as on AWS.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use undercast_kernel::{Cx, Kernel, Result};

use crate::function::Function;
use crate::state::locked;

/// What `LogType: Tail` answers: the last so many bytes.
const TAIL: usize = 4096;
/// A call carries so many events, and so many bytes.
const MOST_EVENTS: usize = 1_000;
const MOST_BYTES: usize = 1_000_000;

/// A line with the moment it came at, in milliseconds since 1970.
type Line = (i64, String);

/// Where an environment's lines go.
pub(crate) struct Sink {
    kernel: Kernel,
    lines: mpsc::UnboundedSender<Line>,
    /// The lines of the invocation under way.
    tail: Mutex<String>,
}

impl Sink {
    /// A sink whose lines go to a stream of the function's log group.
    pub(crate) fn open(kernel: &Kernel, function: &Function, stream: String) -> Arc<Self> {
        let (lines, arriving) = mpsc::unbounded_channel();
        let shipper = Shipper {
            kernel: kernel.clone(),
            account: function.account.clone(),
            region: function.region.clone(),
            role: function.role.clone(),
            function: function.name.clone(),
            group: function.log_group(),
            stream,
            there: false,
        };
        kernel.spawn(shipper.run(arriving));
        Arc::new(Self { kernel: kernel.clone(), lines, tail: Mutex::default() })
    }

    /// Adds a line.
    pub(crate) fn line(&self, text: String) {
        let mut tail = locked(&self.tail);
        tail.push_str(&text);
        if tail.len() > 4 * TAIL {
            let cut = (tail.len() - TAIL..).find(|at| tail.is_char_boundary(*at)).unwrap_or(0);
            tail.drain(..cut);
        }
        drop(tail);
        // The shipper ends when the program does; then nobody reads logs either.
        drop(self.lines.send((self.kernel.clock().now().as_millisecond(), text)));
    }

    /// Begins the lines of an invocation. What came before them belongs to it, as on AWS.
    pub(crate) fn begin(&self, init: bool) {
        if !init {
            locked(&self.tail).clear();
        }
    }

    /// The last lines of the invocation.
    pub(crate) fn tail(&self) -> String {
        let tail = locked(&self.tail);
        let from = (tail.len().saturating_sub(TAIL)..).find(|at| tail.is_char_boundary(*at)).unwrap_or(0);
        tail[from..].to_owned()
    }
}

struct Shipper {
    kernel: Kernel,
    account: String,
    region: String,
    role: String,
    function: String,
    group: String,
    stream: String,
    /// Group and stream were made.
    there: bool,
}

impl Shipper {
    /// Sends lines until nobody adds any more.
    async fn run(mut self, mut arriving: mpsc::UnboundedReceiver<Line>) {
        while let Some(first) = arriving.recv().await {
            let mut bytes = first.1.len();
            let mut batch = vec![first];
            while batch.len() < MOST_EVENTS && bytes < MOST_BYTES / 2 {
                let Ok(line) = arriving.try_recv() else { break };
                bytes += line.1.len() + 26;
                batch.push(line);
            }
            // The clock may have been set back meanwhile.
            batch.sort_by_key(|(time, _)| *time);
            if let Err(failure) = self.send(&batch).await {
                tracing::debug!(
                    function = self.function,
                    error = &failure as &dyn std::error::Error,
                    "a function's logs were dropped"
                );
            }
        }
    }

    fn cx(&self) -> Cx {
        self.kernel.cx_for(&self.account, &self.region).as_role("lambda.amazonaws.com", &self.role, &self.function)
    }

    async fn send(&mut self, batch: &[Line]) -> Result<()> {
        let cx = self.cx();
        if !self.there {
            self.make(&cx).await?;
        }
        let events: Vec<Json> =
            batch.iter().map(|(time, message)| json!({"timestamp": time, "message": message})).collect();
        let input = json!({"logGroupName": self.group, "logStreamName": self.stream, "logEvents": events});
        match cx.call("logs", "PutLogEvents", input.clone()).await {
            // Somebody has removed the group meanwhile.
            Err(failure) if failure.code() == Some("ResourceNotFoundException") => {
                self.make(&cx).await?;
                cx.call("logs", "PutLogEvents", input).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    async fn make(&mut self, cx: &Cx) -> Result<()> {
        let there = |made: Result<Json>| match made {
            Err(failure) if failure.code() == Some("ResourceAlreadyExistsException") => Ok(()),
            other => other.map(drop),
        };
        // A role that may not make the group may still write to one that is there.
        let group = there(cx.call("logs", "CreateLogGroup", json!({"logGroupName": self.group})).await);
        let stream = there(
            cx.call("logs", "CreateLogStream", json!({"logGroupName": self.group, "logStreamName": self.stream})).await,
        );
        match (group, stream) {
            (_, Ok(())) => self.there = true,
            (Err(failure), Err(_)) | (Ok(()), Err(failure)) => return Err(failure),
        }
        Ok(())
    }
}
