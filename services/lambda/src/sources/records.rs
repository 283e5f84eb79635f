//! Records of streams as functions see them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value as Json, json};

use crate::function::Function;
use crate::mapping::Mapping;
use crate::mapping::source::Kind;
use crate::sources::filter::Filter;

/// A record on its way to a function.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) sequence: String,
    /// When it came, in milliseconds since 1970.
    pub(super) arrived: i64,
    /// Records of the same key have the same.
    pub(super) key: u64,
    /// As the function sees it.
    pub(super) event: Json,
    /// Bytes of that.
    pub(super) size: usize,
    /// The filters want it.
    pub(super) wanted: bool,
}

impl Record {
    /// What `GetRecords` gave.
    pub(super) fn new(
        kind: Kind,
        mapping: &Mapping,
        function: &Function,
        shard: &str,
        filter: &Filter,
        given: &Json,
    ) -> Option<Self> {
        let (sequence, key, time) = match kind {
            Kind::Kinesis => (&given["SequenceNumber"], &given["PartitionKey"], &given["ApproximateArrivalTimestamp"]),
            _ => {
                let change = &given["dynamodb"];
                (&change["SequenceNumber"], &change["Keys"], &change["ApproximateCreationDateTime"])
            }
        };
        let sequence = sequence.as_str()?.to_owned();
        let (event, wanted) = match kind {
            Kind::Kinesis => {
                let event = of_kinesis(mapping, function, shard, given);
                let wanted = filter.wants_encoded(&event["kinesis"], "data");
                (event, wanted)
            }
            _ => {
                let event = of_table(mapping, given);
                let wanted = filter.wants(&event, "");
                (event, wanted)
            }
        };
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

fn of_kinesis(mapping: &Mapping, function: &Function, shard: &str, given: &Json) -> Json {
    let sequence = given["SequenceNumber"].as_str().unwrap_or_default();
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": given["PartitionKey"],
            "sequenceNumber": sequence,
            "data": given["Data"],
            "approximateArrivalTimestamp": given["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("{shard}:{sequence}"),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": function.role,
        "awsRegion": mapping.region,
        "eventSourceARN": mapping.source,
    })
}

fn of_table(mapping: &Mapping, given: &Json) -> Json {
    let mut event = given.clone();
    if let Some(identity) = given.get("userIdentity").filter(|identity| identity.is_object()) {
        event["userIdentity"] = json!({"type": identity["Type"], "principalId": identity["PrincipalId"]});
    }
    event["eventSourceARN"] = json!(mapping.source);
    event
}
