//! What all batches share: their ids, and entries that fail.

use std::collections::BTreeSet;

use undercast_kernel::{Failure, Result};

use crate::api::{errors, output};

/// Checks the ids of a batch's entries.
pub(crate) fn check_ids<'a>(entry: &str, ids: impl Iterator<Item = &'a str>) -> Result<()> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        return Err(errors::empty_batch_request(format!("There should be at least one {entry} in the request.")).into());
    }
    if ids.len() > 10 {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", ids.len());
        return Err(errors::too_many_entries_in_batch_request(message).into());
    }
    let good = |id: &&str| {
        (1..=80).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !ids.iter().all(good) {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
        return Err(errors::invalid_batch_entry_id(message).into());
    }
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        Some(twice) => Err(errors::batch_entry_ids_not_distinct(format!("Id {twice} repeated.")).into()),
        None => Ok(()),
    }
}

/// An entry that failed. What is not AWS's own error fails the whole batch.
pub(crate) fn failed(id: String, why: Failure) -> Result<output::BatchResultErrorEntry> {
    match why {
        Failure::Aws(error) => Ok(output::BatchResultErrorEntry {
            id,
            sender_fault: error.sender,
            code: error.code.into_owned(),
            message: Some(error.message),
        }),
        other => Err(other),
    }
}
