//! Event sources: from a queue or a stream to a function.

mod checkpoints;
mod delivery;
mod discarded;
mod filter;
mod queue;
mod records;
mod shard;
mod stream;
mod window;

use std::sync::Arc;

use serde_json::Value as Json;
use tokio::sync::watch;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Kernel, Result};

use crate::mapping::Mapping;
use crate::state::{State, locked};

/// Makes what takes from a source be as the mapping says: running, with its settings, or not.
pub(crate) fn apply(state: &Arc<State>, kernel: &Kernel, mapping: &Mapping) {
    stop(state, &mapping.id);
    if !mapping.enabled {
        return;
    }
    let (stopper, stopped) = watch::channel(false);
    locked(&state.pollers).insert(mapping.id.clone(), stopper);
    let (state, mapping) = (Arc::clone(state), mapping.clone());
    match mapping.streaming.clone() {
        None => kernel.spawn(Arc::new(queue::Poller::new(state, kernel.clone(), mapping)).run(stopped)),
        Some(streaming) => {
            kernel.spawn(Arc::new(stream::Stream::new(state, kernel.clone(), mapping, streaming)).run(stopped));
        }
    }
}

/// Stops what takes from a mapping's source. Batches under way are finished.
pub(crate) fn stop(state: &State, id: &str) {
    drop(locked(&state.pollers).remove(id));
}

/// Forgets how far a mapping that is deleted was.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, id: &str) -> Result<()> {
    checkpoints::forget(cx, tx, id)
}

/// What of a batch failed, as the function's answer reports it: places in `ids`. `None`: all, for it makes no sense.
fn reported(answer: &[u8], ids: &[&str]) -> Option<Vec<usize>> {
    // No answer, null, an empty object and an empty list all say that everything was done.
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let failures = match answer.get("batchItemFailures") {
        None | Some(Json::Null) => return Some(Vec::new()),
        Some(failures) => failures.as_array()?,
    };
    let place = |failure: &Json| ids.iter().position(|id| failure["itemIdentifier"] == **id);
    failures.iter().map(place).collect()
}
