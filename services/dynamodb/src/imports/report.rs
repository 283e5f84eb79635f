//! What CloudWatch Logs is told of an import: each item that could not be read.

use super::Import;
use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure, Result};

/// The log group of all imports.
const GROUP: &str = "/aws-dynamodb/imports";

/// Most events of one call, and most bytes of them.
const MOST: usize = 1000;
const MOST_BYTES: usize = 512 * 1024;

pub(super) fn group_arn(cx: &Cx) -> String {
    cx.arn("logs", &format!("log-group:{GROUP}:*"))
}

/// What waits to be told.
pub(super) struct Report<'a> {
    cx: &'a Cx,
    arn: String,
    stream: String,
    events: Vec<Json>,
    bytes: usize,
    begun: bool,
}

impl<'a> Report<'a> {
    /// The report of an import, in a group that is there from now on.
    ///
    /// # Errors
    /// When the caller may not make the group.
    pub(super) async fn begin(cx: &'a Cx, import: &Import) -> Result<Self> {
        unless_there(cx.call("logs", "CreateLogGroup", json!({"logGroupName": GROUP})).await)?;
        let stream = format!("{}/error", import.id);
        Ok(Self { cx, arn: import.arn(cx), stream, events: Vec::new(), bytes: 0, begun: false })
    }

    /// Tells of an item: in which object it stands, as which, and what is wrong with it.
    ///
    /// # Errors
    /// When the caller may not write to the group.
    pub(super) async fn tell(&mut self, bucket: &str, key: &str, index: i64, message: &str) -> Result<()> {
        let pointer = json!({"bucket": bucket, "key": key, "itemIndex": index});
        let text = json!({"itemS3Pointer": pointer, "importArn": self.arn, "errorMessages": [message]}).to_string();
        self.bytes += text.len() + 26;
        self.events.push(json!({"timestamp": self.cx.refreshed().now_millis(), "message": text}));
        if self.events.len() >= MOST || self.bytes >= MOST_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Tells what waits.
    ///
    /// # Errors
    /// When the caller may not write to the group.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        let cx = self.cx.refreshed();
        let place = json!({"logGroupName": GROUP, "logStreamName": self.stream});
        if !self.begun {
            unless_there(cx.call("logs", "CreateLogStream", place.clone()).await)?;
            self.begun = true;
        }
        let mut input = place;
        input["logEvents"] = std::mem::take(&mut self.events).into();
        self.bytes = 0;
        cx.call("logs", "PutLogEvents", input).await.map(drop)
    }
}

/// What is there already need not be made.
fn unless_there(made: Result<Json>) -> Result<()> {
    match made {
        Err(Failure::Aws(error)) if error.code == "ResourceAlreadyExistsException" => Ok(()),
        other => other.map(drop),
    }
}
