//! What is read, on its way to who takes it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value as Json, json};

use crate::{Consumer, Kind};

/// A record of a stream.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its sequence number.
    pub sequence: String,
    /// When it came, in milliseconds since 1970.
    pub arrived: i64,
    /// As the consumer takes it.
    pub event: Json,
    /// Records of the same key have the same.
    pub(crate) key: u64,
    /// Bytes of the event.
    pub(crate) size: usize,
    /// The consumer wants it.
    pub(crate) wanted: bool,
}

impl Record {
    /// What `GetRecords` gave.
    pub(crate) fn new(kind: Kind, consumer: &dyn Consumer, shard: &str, given: &Json) -> Option<Self> {
        let (sequence, key, time) = match kind {
            Kind::Kinesis => (&given["SequenceNumber"], &given["PartitionKey"], &given["ApproximateArrivalTimestamp"]),
            _ => {
                let change = &given["dynamodb"];
                (&change["SequenceNumber"], &change["Keys"], &change["ApproximateCreationDateTime"])
            }
        };
        let sequence = sequence.as_str()?.to_owned();
        let (event, wanted) = consumer.record(kind, shard, given);
        let mut hasher = DefaultHasher::new();
        key.to_string().hash(&mut hasher);
        let size = event.to_string().len();
        Some(Self { sequence, arrived: milliseconds(time), key: hasher.finish(), event, size, wanted })
    }
}

/// Seconds with a fraction, in milliseconds.
fn milliseconds(seconds: &Json) -> i64 {
    // Times of this age have no more digits than a number holds.
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds is far below 2^53")]
    let millis = (seconds.as_f64().unwrap_or(0.0) * 1000.0).round() as i64;
    millis
}

/// A message that `ReceiveMessage` gave, as events show it.
pub fn message(source: &str, region: &str, given: &Json) -> Json {
    let mut attributes = Map::new();
    for (name, value) in given["MessageAttributes"].as_object().into_iter().flatten() {
        let mut shown = json!({"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]});
        for (from, to) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
            if let Some(found) = value.get(from) {
                shown[to] = found.clone();
            }
        }
        attributes.insert(name.clone(), shown);
    }
    let mut shown = json!({
        "messageId": given["MessageId"], "receiptHandle": given["ReceiptHandle"], "body": given["Body"],
        "attributes": given["Attributes"], "messageAttributes": attributes, "md5OfBody": given["MD5OfBody"],
        "eventSource": "aws:sqs", "eventSourceARN": source, "awsRegion": region,
    });
    if let Some(md5) = given.get("MD5OfMessageAttributes") {
        shown["md5OfMessageAttributes"] = md5.clone();
    }
    shown
}
