//! Lists as lines of text, compressed with gzip.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use undercast_kernel::Timestamp;
use undercast_wire::text::percent_encode;

use super::fields::{Column, Value};
use crate::events;

/// A file that is being written.
pub(super) struct Csv(GzEncoder<Vec<u8>>);

impl Csv {
    pub(super) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::default()))
    }

    /// Writes a line. Keys are encoded as in URLs, which AWS does in this format only.
    pub(super) fn write(&mut self, columns: &[Column], values: Vec<Value>) -> std::io::Result<()> {
        for (number, (column, value)) in columns.iter().zip(values).enumerate() {
            let mut text = text_of(value);
            if column.name == "Key" {
                let key = std::mem::take(&mut text);
                percent_encode(&key, true, &mut text);
            }
            let comma = if number == 0 { "" } else { "," };
            write!(self.0, "{comma}\"{}\"", text.replace('"', "\"\""))?;
        }
        writeln!(self.0)
    }

    pub(super) fn finish(self) -> std::io::Result<Vec<u8>> {
        self.0.finish()
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::None => String::new(),
        Value::Text(text) => text,
        Value::Truth(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Moment(at) => events::iso(Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)),
    }
}
