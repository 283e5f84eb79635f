//! Records that CloudWatch Logs sends: compressed, and with messages inside.
//!
//! Source: "Decompress CloudWatch Logs" and "Extract message after decompression of CloudWatch Logs" in the developer guide.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde_json::Value as Json;

/// A record becomes no larger than this, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// A record as it was before it was compressed, or only its messages. `None`: it has none, being there to see whether the stream is.
pub(super) fn gzip(data: &[u8], messages: bool) -> Result<Option<Vec<u8>>, String> {
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(data).take(MOST + 1).read_to_end(&mut plain);
    read.map_err(|_| "The record is not compressed with GZIP.".to_owned())?;
    if plain.len() as u64 > MOST {
        return Err(format!("The record is larger than {MOST} bytes."));
    }
    if !messages {
        return Ok(Some(plain));
    }
    let record: Json =
        serde_json::from_slice(&plain).map_err(|_| "The record is not one of CloudWatch Logs.".to_owned())?;
    if record["messageType"] == "CONTROL_MESSAGE" {
        return Ok(None);
    }
    let events = record["logEvents"].as_array().ok_or("The record is not one of CloudWatch Logs.")?;
    let mut out = String::new();
    for event in events {
        out.push_str(event["message"].as_str().unwrap_or_default());
        out.push('\n');
    }
    Ok(Some(out.into_bytes()))
}
