//! Objects to records.

mod csv;
mod json;
mod parquet;
mod tape;

pub use tape::Source;

pub(crate) use csv::{CsvReader, Fields};
pub(crate) use json::JsonReader;
pub(crate) use parquet::ParquetReader;
pub(crate) use tape::{Counter, Tape};

use crate::error::{Code, Error};

/// The longest record: 1 MB.
pub(crate) const MOST_RECORD: u64 = 1024 * 1024;

/// A record is too long.
pub(crate) fn over_max_record() -> Error {
    let message = "The character number in one record is more than our max threshold, maxCharsPerRecord: 1,048,576";
    Error::new(Code::OverMaxRecordSize, message)
}

/// Bytes are no text.
pub(crate) fn invalid_text(offset: u64) -> Error {
    let digits = offset.to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let message = format!("UTF-8 encoding is required. The text encoding error was found near byte {grouped}.");
    Error::new(Code::InvalidTextEncoding, message)
}
