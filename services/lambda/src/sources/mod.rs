//! Event sources: from a queue or a stream to a function.

mod discarded;
mod taker;

use std::sync::Arc;
use std::time::Duration;

use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Kernel, Result};
use undercast_sources::{Checkpoint, Settings};

use crate::mapping::Mapping;
use crate::sources::taker::Taker;
use crate::state::State;

/// Account, region, mapping, shard → how far it is.
static CHECKPOINTS: Table<Checkpoint> = Table::new("lambda.checkpoints");

/// Makes what takes from a source be as the mapping says: running, with its settings, or not.
pub(crate) fn apply(state: &Arc<State>, kernel: &Kernel, mapping: &Mapping) {
    stop(state, &mapping.id);
    if !mapping.enabled {
        return;
    }
    let settings = Settings {
        source: mapping.source.clone(),
        batch: usize::try_from(mapping.batch).unwrap_or(1),
        window: Duration::from_secs(u64::try_from(mapping.window).unwrap_or(0)),
        at_once: mapping.concurrency(),
        streaming: mapping.streaming.as_ref().map(Into::into),
    };
    state.running.start(kernel, settings, Arc::new(Taker::new(state, kernel, mapping)));
}

/// Stops what takes from a mapping's source. Batches under way are finished.
pub(crate) fn stop(state: &State, id: &str) {
    state.running.stop(id);
}

/// Forgets how far a mapping that is deleted was.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, id: &str) -> Result<()> {
    CHECKPOINTS.clear(tx, &(cx.account(), cx.region(), id))?;
    Ok(())
}
