//! The lines of an export.

use super::Format;
use crate::api::form;
use crate::compact::{ItemRef, MapRef};
use crate::error::Result;
use crate::ion::{self, Field};
use serde_json::{Map as JsonMap, json};

/// An item as it is.
pub(super) fn of_item(format: Format, item: ItemRef<'_>) -> Result<String> {
    match format {
        Format::Json => Ok(json!({"Item": form::json_map(item.attributes())?}).to_string()),
        Format::Ion => Ok(ion::line("Item", &[("", Field::Map(item.attributes()))])?),
    }
}

/// A change of an item.
pub(super) struct Change<'a> {
    /// When it was written last, in milliseconds since 1970.
    pub(super) at: i64,
    pub(super) keys: MapRef<'a>,
    pub(super) old: Option<ItemRef<'a>>,
    pub(super) new: Option<ItemRef<'a>>,
}

/// What became of an item.
pub(super) fn of_change(format: Format, change: &Change<'_>) -> Result<String> {
    let micros = change.at.saturating_mul(1000);
    let images = [("NewImage", change.new), ("OldImage", change.old)];
    let images = images.into_iter().filter_map(|(name, image)| Some((name, image?.attributes())));
    match format {
        Format::Json => {
            let mut line = JsonMap::new();
            line.insert("Metadata".to_owned(), json!({"WriteTimestampMicros": {"N": micros.to_string()}}));
            line.insert("Keys".to_owned(), form::json_map(change.keys)?);
            for (name, image) in images {
                line.insert(name.to_owned(), form::json_map(image)?);
            }
            Ok(serde_json::Value::Object(line).to_string())
        }
        Format::Ion => {
            let mut fields = vec![("Metadata", Field::Written(micros)), ("Keys", Field::Map(change.keys))];
            fields.extend(images.map(|(name, image)| (name, Field::Map(image))));
            Ok(ion::line("Record", &fields)?)
        }
    }
}
