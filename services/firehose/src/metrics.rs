//! What CloudWatch is told, in the namespace `AWS/Firehose`.
//!
//! Source: "Monitor Amazon Data Firehose using CloudWatch metrics" in the developer guide.

use std::time::Instant;

use undercast_kernel::{Cx, Metric};

use crate::stream::Stream;

#[expect(clippy::cast_precision_loss, reason = "what one call or one file has is far below 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// Tells something of a stream.
pub(crate) fn observe(cx: &Cx, stream: &Stream, name: &str, unit: &str, value: f64) {
    let dimensions: &[(&str, &str)] = &[("DeliveryStreamName", &stream.name)];
    cx.observe(&Metric { namespace: "AWS/Firehose", name, dimensions, unit }, value);
}

/// Tells of records that were put by one call.
pub(crate) fn incoming(cx: &Cx, stream: &Stream, operation: &str, (records, bytes): (usize, usize), began: Instant) {
    let tell = |name: &str, unit: &str, value: f64| observe(cx, stream, name, unit, value);
    tell("IncomingRecords", "Count", float(records));
    tell("IncomingBytes", "Bytes", float(bytes));
    tell("IncomingPutRequests", "Count", 1.0);
    tell(&format!("{operation}.Bytes"), "Bytes", float(bytes));
    tell(&format!("{operation}.Requests"), "Count", 1.0);
    tell(&format!("{operation}.Latency"), "Milliseconds", began.elapsed().as_secs_f64() * 1000.0);
    if operation == "PutRecordBatch" {
        tell("PutRecordBatch.Records", "Count", float(records));
    }
}

/// Tells of a file: `DeliveryToS3` or `BackupToS3`. What failed has no bytes and no records.
pub(crate) fn delivered(cx: &Cx, stream: &Stream, what: &str, of: Option<(usize, usize)>, oldest: i64) {
    let tell = |name: &str, unit: &str, value: f64| observe(cx, stream, &format!("{what}.{name}"), unit, value);
    tell("Success", "Count", if of.is_some() { 1.0 } else { 0.0 });
    let age = usize::try_from((cx.now_millis() - oldest).max(0) / 1000).unwrap_or(0);
    tell("DataFreshness", "Seconds", float(age));
    if let Some((records, bytes)) = of {
        tell("Records", "Count", float(records));
        tell("Bytes", "Bytes", float(bytes));
        tell("ObjectCount", "Count", 1.0);
    }
}
