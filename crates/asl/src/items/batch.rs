//! `ItemBatcher`: items in batches, each with what all have in common.

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::tree::BatcherLimits;

/// The batches of the items: objects with `Items`, and `BatchInput` if there is one.
///
/// # Errors
/// When one item alone is more than a batch may have.
pub fn batches(items: Vec<Value>, limits: BatcherLimits, batch_input: Option<&Value>) -> Result<Vec<Value>, Failure> {
    let most_items = limits.items.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX).max(1);
    let most_bytes = limits.bytes.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    // `{"Items":[]}`, and the input before it.
    let frame = batch(Vec::new(), batch_input).to_string().len();
    let (mut all, mut current, mut bytes) = (Vec::new(), Vec::new(), frame);
    for item in items {
        let length = item.to_string().len();
        if frame.saturating_add(length) > most_bytes {
            return Err(super::failed(format!(
                "An item of {length} bytes does not fit into a batch of MaxInputBytesPerBatch: {most_bytes}"
            )));
        }
        let comma = usize::from(!current.is_empty());
        if current.len() >= most_items || bytes + comma + length > most_bytes {
            all.push(batch(std::mem::take(&mut current), batch_input));
            bytes = frame;
        }
        bytes += length + usize::from(!current.is_empty());
        current.push(item);
    }
    if !current.is_empty() {
        all.push(batch(current, batch_input));
    }
    Ok(all)
}

fn batch(items: Vec<Value>, batch_input: Option<&Value>) -> Value {
    let mut fields = Map::new();
    if let Some(input) = batch_input {
        fields.insert("BatchInput".to_owned(), input.clone());
    }
    fields.insert("Items".to_owned(), Value::Array(items));
    Value::Object(fields)
}
