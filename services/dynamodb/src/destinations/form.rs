//! A write as a record of a Kinesis data stream.
//!
//! Source: "Using the DynamoDB Streams Kinesis adapter … record format" in the developer guide: JSON, much like a record of a
//! table's own stream, with moments in milliseconds or microseconds.

use crate::api::form::Attributes;
use crate::error::Result;
use crate::streams::store::{Event, Record};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_wire::json_write::JsonWriter;
use undercast_wire::{Write as _, text};

/// What a record is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) region: &'a str,
    pub(super) table: &'a str,
    /// The feed, and the place of the record in it.
    pub(super) feed: &'a str,
    pub(super) position: u64,
    pub(super) microseconds: bool,
}

/// A record that is to be put: its partition key, and its data.
pub(super) struct Formed {
    pub(super) partition_key: String,
    pub(super) data: Vec<u8>,
    /// Bytes by AWS's count.
    pub(super) size: usize,
}

/// The text of stored attributes.
fn image(stored: Vec<u8>) -> Result<Json> {
    let mut json = JsonWriter::new();
    Attributes::stored(stored.into())?.write(&mut json);
    Ok(serde_json::from_slice(&json.finish()).unwrap_or(Json::Null))
}

fn uuid(of: &Source<'_>) -> String {
    let digest = Sha256::digest(format!("{}:{}", of.feed, of.position));
    let hex = text::hex_encode(digest.get(..16).unwrap_or_default());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// What is put into a stream for a write.
///
/// # Errors
/// When it is damaged.
pub(super) fn form(of: &Source<'_>, record: Record) -> Result<Formed> {
    let size = record.size()?;
    let name = match record.event {
        Event::Insert => "INSERT",
        Event::Modify => "MODIFY",
        Event::Remove => "REMOVE",
    };
    let at = if of.microseconds { record.at.saturating_mul(1000) } else { record.at };
    // Writes of one item go to one shard.
    let partition_key = text::hex_encode(Sha256::digest(&record.keys).get(..16).unwrap_or_default());
    let mut told = json!({"ApproximateCreationDateTime": at, "Keys": image(record.keys)?});
    if let Some(new) = record.new {
        told["NewImage"] = image(new)?;
    }
    if let Some(old) = record.old {
        told["OldImage"] = image(old)?;
    }
    told["SizeBytes"] = json!(size);
    if of.microseconds {
        told["ApproximateCreationDateTimePrecision"] = json!("MICROSECOND");
    }
    let expiry = json!({"principalId": "dynamodb.amazonaws.com", "type": "Service"});
    let whole = json!({
        "awsRegion": of.region,
        "eventID": uuid(of),
        "eventName": name,
        "userIdentity": if record.expired { expiry } else { Json::Null },
        "recordFormat": "application/json",
        "tableName": of.table,
        "dynamodb": told,
        "eventSource": "aws:dynamodb",
    });
    Ok(Formed { partition_key, data: whole.to_string().into_bytes(), size })
}
