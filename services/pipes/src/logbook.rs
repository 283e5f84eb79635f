//! Logs of executions: a record a step, as far as the pipe's level says, to a log group and to a bucket.
//!
//! Source: "Logging Amazon EventBridge Pipes performance", "Specifying EventBridge Pipes log level" and "EventBridge Pipes log
//! schema reference" in the user guide. In which log stream and under which key AWS writes them is not told; here it is a stream
//! with the pipe's name, and `AWSLogs/<account>/pipes/<region>/<pipe>/<hour>/<execution>.log`.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text;
use undercast_kernel::{Body, Cx, Failure, Result};

use crate::error::told;
use crate::rows::{Bucket, Log, Pipe};

/// Who delivers logs.
const DELIVERY: &str = "delivery.logs.amazonaws.com";
/// What is processed, asked or answered is cut to so many bytes.
const LONGEST: usize = 64 * 1024;

/// A step of an execution, and from which level on it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(&'static str, Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Level {
    Error,
    Info,
    Trace,
}

impl Step {
    pub(crate) const FAILED: Self = Self("EXECUTION_FAILED", Level::Error);
    pub(crate) const PARTIALLY_FAILED: Self = Self("EXECUTION_PARTIALLY_FAILED", Level::Error);
    pub(crate) const STARTED: Self = Self("EXECUTION_STARTED", Level::Info);
    pub(crate) const SUCCEEDED: Self = Self("EXECUTION_SUCCEEDED", Level::Info);
    pub(crate) const THROTTLED: Self = Self("EXECUTION_THROTTLED", Level::Error);
    pub(crate) const TIMEOUT: Self = Self("EXECUTION_TIMEOUT", Level::Error);
}

/// The steps of a stage: of the enrichment, or of the target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    pub(crate) entered: Step,
    pub(crate) exited: Step,
    pub(crate) transforming: Step,
    pub(crate) transformed: Step,
    pub(crate) not_transformed: Step,
    pub(crate) invoking: Step,
    pub(crate) invoked: Step,
    pub(crate) not_invoked: Step,
    pub(crate) skipped: Step,
    pub(crate) partly: Step,
}

pub(crate) const ENRICHMENT: Stage = Stage {
    entered: Step("ENRICHMENT_STAGE_ENTERED", Level::Info),
    exited: Step("ENRICHMENT_STAGE_EXITED", Level::Info),
    transforming: Step("ENRICHMENT_TRANSFORMATION_STARTED", Level::Trace),
    transformed: Step("ENRICHMENT_TRANSFORMATION_SUCCEEDED", Level::Trace),
    not_transformed: Step("ENRICHMENT_TRANSFORMATION_FAILED", Level::Error),
    invoking: Step("ENRICHMENT_INVOCATION_STARTED", Level::Trace),
    invoked: Step("ENRICHMENT_INVOCATION_SUCCEEDED", Level::Trace),
    not_invoked: Step("ENRICHMENT_INVOCATION_FAILED", Level::Error),
    skipped: Step("ENRICHMENT_INVOCATION_SKIPPED", Level::Info),
    partly: Step("ENRICHMENT_INVOCATION_FAILED", Level::Error),
};

pub(crate) const TARGET: Stage = Stage {
    entered: Step("TARGET_STAGE_ENTERED", Level::Info),
    exited: Step("TARGET_STAGE_EXITED", Level::Info),
    transforming: Step("TARGET_TRANSFORMATION_STARTED", Level::Trace),
    transformed: Step("TARGET_TRANSFORMATION_SUCCEEDED", Level::Trace),
    not_transformed: Step("TARGET_TRANSFORMATION_FAILED", Level::Error),
    invoking: Step("TARGET_INVOCATION_STARTED", Level::Trace),
    invoked: Step("TARGET_INVOCATION_SUCCEEDED", Level::Trace),
    not_invoked: Step("TARGET_INVOCATION_FAILED", Level::Error),
    skipped: Step("TARGET_INVOCATION_SKIPPED", Level::Trace),
    partly: Step("TARGET_INVOCATION_PARTIALLY_FAILED", Level::Error),
};

/// What a record says besides its step.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) payload: Option<&'a Json>,
    pub(crate) request: Option<&'a Json>,
    pub(crate) response: Option<&'a Json>,
    pub(crate) failure: Option<(&'a Failure, &'a str)>,
    /// A failure that no service told.
    pub(crate) message: Option<&'a str>,
}

/// The records of one execution.
pub(crate) struct Logbook {
    level: Option<Level>,
    data: bool,
    arn: String,
    execution: String,
    records: Vec<(i64, String)>,
}

impl Logbook {
    pub(crate) fn new(cx: &Cx, pipe: &Pipe) -> Self {
        let level = pipe.log.as_ref().and_then(|log| match log.level.as_str() {
            "ERROR" => Some(Level::Error),
            "INFO" => Some(Level::Info),
            "TRACE" => Some(Level::Trace),
            _ => None,
        });
        let data = pipe.log.as_ref().is_some_and(|log| log.data);
        Self { level, data, arn: pipe.arn(cx), execution: cx.random().uuid(), records: Vec::new() }
    }

    /// Notes a step, where the level says so.
    pub(crate) fn note(&mut self, cx: &Cx, Step(step, level): Step, said: &Said<'_>) {
        let Some(own) = self.level.filter(|own| level <= *own) else { return };
        let now = cx.kernel().clock().now().as_millisecond();
        let name = ["ERROR", "INFO", "TRACE"][own as usize];
        let mut record = json!({"resourceArn": self.arn, "timestamp": now, "executionId": self.execution, "messageType": step, "logLevel": name});
        if self.data {
            let mut cut = Vec::new();
            for (name, value) in
                [("payload", said.payload), ("awsRequest", said.request), ("awsResponse", said.response)]
            {
                let Some(value) = value else { continue };
                let mut shown = value.to_string();
                if shown.len() > LONGEST {
                    let end = (0..=LONGEST).rev().find(|at| shown.is_char_boundary(*at)).unwrap_or(0);
                    shown.truncate(end);
                    cut.push(name);
                }
                record[name] = json!(shown);
            }
            if !cut.is_empty() {
                record["truncatedFields"] = json!(cut);
            }
        }
        if let Some((failure, service)) = said.failure {
            let (code, status, message) = told(failure);
            record["error"] = json!({"httpStatusCode": status, "message": message, "details": code, "awsService": service,
                "requestId": cx.request_id()});
        } else if let Some(message) = said.message {
            record["error"] = json!({"message": message, "details": ""});
        }
        self.records.push((now, record.to_string()));
    }

    /// Delivers what was noted. What cannot be delivered stops nothing.
    pub(crate) async fn deliver(self, cx: &Cx, pipe: &Pipe) {
        let Some(log) = pipe.log.as_ref().filter(|_| !self.records.is_empty()) else { return };
        // Whoever set it was asked for the right to have logs delivered.
        let from = cx.kernel().cx_for(cx.account(), cx.region()).through(DELIVERY);
        if let Some(group) = &log.group
            && let Err(failure) = self.to_group(&from, group, &pipe.name).await
        {
            tracing::warn!(pipe = pipe.name, error = &failure as &dyn std::error::Error, "a log could not be written");
        }
        if let Some(stream) = &log.delivery
            && let Err(failure) = self.to_delivery(&from, stream).await
        {
            tracing::warn!(
                pipe = pipe.name,
                error = &failure as &dyn std::error::Error,
                "a log could not be delivered"
            );
        }
        if let Some(bucket) = &log.bucket
            && let Err(failure) = self.to_bucket(&from, bucket, &pipe.name).await
        {
            tracing::warn!(pipe = pipe.name, error = &failure as &dyn std::error::Error, "a log could not be stored");
        }
    }

    async fn to_delivery(&self, cx: &Cx, stream: &str) -> Result<()> {
        let (there, name) = delivery_of(cx, stream)?;
        let line = |record: &String| json!({"Data": text::base64(format!("{record}\n").as_bytes())});
        let records: Vec<Json> = self.records.iter().map(|(_, record)| line(record)).collect();
        there
            .call("firehose", "PutRecordBatch", json!({"DeliveryStreamName": name, "Records": records}))
            .await
            .map(drop)
    }

    async fn to_group(&self, cx: &Cx, group: &str, pipe: &str) -> Result<()> {
        let (there, name) = group_of(cx, group)?;
        let events: Vec<Json> =
            self.records.iter().map(|(at, record)| json!({"timestamp": at, "message": record})).collect();
        let input = json!({"logGroupName": name, "logStreamName": pipe, "logEvents": events});
        match there.call("logs", "PutLogEvents", input.clone()).await {
            Err(failure) if failure.code() == Some("ResourceNotFoundException") => {}
            done => return done.map(drop),
        }
        let made = there.call("logs", "CreateLogStream", json!({"logGroupName": name, "logStreamName": pipe})).await;
        match made {
            // Another execution was faster.
            Err(failure) if failure.code() != Some("ResourceAlreadyExistsException") => return Err(failure),
            _ => {}
        }
        there.call("logs", "PutLogEvents", input).await.map(drop)
    }

    async fn to_bucket(&self, cx: &Cx, bucket: &Bucket, pipe: &str) -> Result<()> {
        let hour = cx.now().strftime("%Y/%m/%d/%H").to_string();
        let prefix = bucket.prefix.as_deref().unwrap_or("");
        let (account, region) = (cx.account(), cx.region());
        let key = format!("{prefix}AWSLogs/{account}/pipes/{region}/{pipe}/{hour}/{}.log", self.execution);
        let lines: String = self.records.iter().map(|(_, record)| format!("{record}\n")).collect();
        let input = json!({"Bucket": bucket.name, "Key": key, "ExpectedBucketOwner": bucket.owner, "ContentType": "application/json"});
        cx.call_with_body("s3", "PutObject", input, Some(Body::from(lines.into_bytes()))).await.map(drop)
    }
}

/// The place and the name of a log group.
fn group_of(cx: &Cx, arn: &str) -> Result<(Cx, String)> {
    let parsed = Arn::parse(arn).ok_or_else(|| cx.broken("a log group has a malformed ARN"))?;
    let name = parsed.resource.strip_prefix("log-group:").unwrap_or(&parsed.resource);
    let name = name.strip_suffix(":*").unwrap_or(name).to_owned();
    Ok((cx.elsewhere(&parsed.account, &parsed.region), name))
}

/// The place and the name of a delivery stream.
fn delivery_of(cx: &Cx, arn: &str) -> Result<(Cx, String)> {
    let parsed = Arn::parse(arn).ok_or_else(|| cx.broken("a delivery stream has a malformed ARN"))?;
    let name = parsed.resource.strip_prefix("deliverystream/").unwrap_or(&parsed.resource).to_owned();
    Ok((cx.elsewhere(&parsed.account, &parsed.region), name))
}

/// Refuses logs that nobody would see: to a group, a bucket or a delivery stream that is not there.
pub(crate) async fn check(cx: &Cx, log: &Log) -> Result<()> {
    let from = cx.kernel().cx_for(cx.account(), cx.region()).through(DELIVERY);
    if let Some(group) = &log.group {
        let (there, name) = group_of(&from, group)?;
        let found = there.call("logs", "DescribeLogGroups", json!({"logGroupNamePrefix": name})).await?;
        let is_there = found["logGroups"].as_array().is_some_and(|all| all.iter().any(|g| g["logGroupName"] == name));
        if !is_there {
            return Err(crate::error::validation(format!("The log group {group} does not exist.")));
        }
    }
    if let Some(bucket) = &log.bucket {
        let input = json!({"Bucket": bucket.name, "ExpectedBucketOwner": bucket.owner});
        if let Err(Failure::Aws(error)) = from.call("s3", "HeadBucket", input).await {
            return Err(crate::error::validation(format!(
                "The bucket {} cannot take logs: {}",
                bucket.name, error.code
            )));
        }
    }
    if let Some(stream) = &log.delivery {
        let (there, name) = delivery_of(&from, stream)?;
        match there.call("firehose", "DescribeDeliveryStream", json!({"DeliveryStreamName": name})).await {
            Err(Failure::Aws(error)) => {
                return Err(crate::error::validation(format!("{stream} cannot take logs: {}", error.code)));
            }
            described => drop(described?),
        }
    }
    Ok(())
}
