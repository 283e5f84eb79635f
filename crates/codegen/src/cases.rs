//! How many conformance cases stand behind each operation: what the report says of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::{Error, read};

/// Counts the cases of a service in a folder, which need not be there.
pub(crate) fn count(service: &str, folder: &Path) -> Result<BTreeMap<String, u32>, Error> {
    let mut counts = BTreeMap::new();
    if !folder.exists() {
        return Ok(counts);
    }
    let failed = |source| Error::File { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let cases: Vec<Json> = serde_json::from_str(&read(&path)?)
            .map_err(|source| Error::Json { service: path.display().to_string(), source })?;
        for case in cases {
            let operation = case.get("operation").and_then(Json::as_str).and_then(|name| name.split_once('.'));
            if let Some((_, operation)) = operation.filter(|(owner, _)| *owner == service) {
                *counts.entry(operation.to_owned()).or_insert(0) += 1;
            }
        }
    }
    Ok(counts)
}
