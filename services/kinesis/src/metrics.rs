//! What CloudWatch is told, in the namespace `AWS/Kinesis`: of streams always, of shards where that is on.
//!
//! Source: "Monitor the Amazon Kinesis Data Streams service with Amazon CloudWatch" in the developer guide.

use std::time::Instant;

use undercast_kernel::{Cx, Failure, Metric, Result};

use crate::stream::{Stream, shard_name};

#[expect(clippy::cast_precision_loss, reason = "what one call moves is far below 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

fn observe(cx: &Cx, name: &str, unit: &str, dimensions: &[(&str, &str)], value: f64) {
    cx.observe(&Metric { namespace: "AWS/Kinesis", name, dimensions, unit }, value);
}

/// Tells something of a stream.
pub(crate) fn of_stream(cx: &Cx, stream: &Stream, name: &str, unit: &str, value: f64) {
    observe(cx, name, unit, &[("StreamName", &stream.name)], value);
}

/// Tells something of one of its shards, if that is on.
pub(crate) fn of_shard(cx: &Cx, stream: &Stream, shard: u32, name: &str, unit: &str, value: f64) {
    if stream.monitored.iter().any(|metric| metric == name) {
        observe(cx, name, unit, &[("StreamName", &stream.name), ("ShardId", &shard_name(shard))], value);
    }
}

/// Tells something of a consumer.
pub(crate) fn of_consumer(cx: &Cx, stream: &Stream, consumer: &str, name: &str, unit: &str, value: f64) {
    observe(cx, name, unit, &[("StreamName", &stream.name), ("ConsumerName", consumer)], value);
}

/// What came into a shard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
    pub(crate) throttled: usize,
}

/// Tells what came into the shards of a stream with one call.
pub(crate) fn incoming(cx: &Cx, stream: &Stream, shards: impl Iterator<Item = (u32, Traffic)>) {
    let mut all = Traffic::default();
    for (shard, traffic) in shards {
        all.bytes += traffic.bytes;
        all.records += traffic.records;
        all.throttled += traffic.throttled;
        if traffic.records > 0 {
            of_shard(cx, stream, shard, "IncomingBytes", "Bytes", float(traffic.bytes));
            of_shard(cx, stream, shard, "IncomingRecords", "Count", float(traffic.records));
        }
        let throttled = float(traffic.throttled);
        of_shard(cx, stream, shard, "WriteProvisionedThroughputExceeded", "Count", throttled);
    }
    if all.records > 0 {
        of_stream(cx, stream, "IncomingBytes", "Bytes", float(all.bytes));
        of_stream(cx, stream, "IncomingRecords", "Count", float(all.records));
    }
    of_stream(cx, stream, "WriteProvisionedThroughputExceeded", "Count", float(all.throttled));
}

/// Tells that a call succeeded or not, and how long it took. What the caller did wrong is not counted.
pub(crate) fn call<T>(cx: &Cx, stream: &Stream, operation: &str, began: Instant, result: &Result<T>) {
    let success = match result {
        Ok(_) => 1.0,
        Err(Failure::Broken(_)) => 0.0,
        Err(failure) if failure.code() == Some("ProvisionedThroughputExceededException") => 0.0,
        Err(_) => return,
    };
    of_stream(cx, stream, &format!("{operation}.Success"), "Count", success);
    let millis = began.elapsed().as_secs_f64() * 1000.0;
    of_stream(cx, stream, &format!("{operation}.Latency"), "Milliseconds", millis);
}
