//! The items of a distributed `Map`: read from the bytes of a file, and made into batches. Fetching files is for who runs machines.

mod batch;
mod csv;
mod manifest;

pub use batch::batches;
pub use manifest::{Manifest, ManifestFile, manifest};

use serde_json::{Map, Value};

use crate::failure::{Failure, name};
use crate::tree::{InputType, ReaderConfig};

fn failed(cause: impl Into<String>) -> Failure {
    Failure::new(name::ITEM_READER_FAILED, cause)
}

/// The items in the bytes of a file, at most `most` of them. A manifest has files of its own: see [`manifest`].
///
/// # Errors
/// When the bytes are not what the configuration says. Parquet is not read here.
pub fn read_items(bytes: &[u8], config: &ReaderConfig, most: Option<u64>) -> Result<Vec<Value>, Failure> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    match config.input_type {
        Some(InputType::Csv) => csv::read(bytes, &config.csv_headers, config.csv_delimiter.unwrap_or(','), most),
        Some(InputType::Json) | None => json(bytes, config.items_pointer.as_deref().unwrap_or(""), most),
        Some(InputType::JsonLines) => json_lines(bytes, most),
        Some(InputType::Manifest) => Err(failed("A manifest names files, and holds no items itself.")),
        Some(InputType::Parquet) => Err(failed("Undercast does not read Parquet as the items of a Map.")),
    }
}

/// The items of an array, or the pairs of an object, at a JSON pointer.
fn json(bytes: &[u8], pointer: &str, most: usize) -> Result<Vec<Value>, Failure> {
    let document: Value = serde_json::from_slice(bytes)
        .map_err(|_| failed("Attempting to map over non-iterable node: the file is no JSON document."))?;
    let mut found = document;
    let found = found.pointer_mut(pointer).map(Value::take).ok_or_else(|| {
        failed("The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.")
    })?;
    items_of(found, most)
}

/// What a `Map` makes of a value: the items of an array; of an object a pair of `Key` and `Value` each.
///
/// # Errors
/// When it is neither.
pub fn items_of(value: Value, most: usize) -> Result<Vec<Value>, Failure> {
    match value {
        Value::Array(mut items) => {
            items.truncate(most);
            Ok(items)
        }
        Value::Object(fields) => Ok(fields.into_iter().take(most).map(|(key, value)| pair(key, value)).collect()),
        _ => Err(failed("Attempting to map over non-iterable node.")),
    }
}

fn pair(key: String, value: Value) -> Value {
    let fields = [("Key".to_owned(), Value::String(key)), ("Value".to_owned(), value)];
    Value::Object(fields.into_iter().collect::<Map<_, _>>())
}

/// A document a line. Empty lines are no items.
fn json_lines(bytes: &[u8], most: usize) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if items.len() >= most {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let item = serde_json::from_slice(line).map_err(|e| failed(format!("Line {} is no JSON: {e}", number + 1)))?;
        items.push(item);
    }
    Ok(items)
}
