//! How far a mapping is in each shard of its stream. What was not kept here comes again after a stop: at least once.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result};

/// Account, region, mapping, shard → how far it is.
static CHECKPOINTS: Table<Checkpoint> = Table::new("lambda.checkpoints");

/// How far a mapping is in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub(super) struct Checkpoint {
    /// The last record that is done with.
    #[n(0)]
    pub(super) after: Option<String>,
    /// All are, and none comes any more.
    #[n(1)]
    pub(super) ended: bool,
    /// The window that is open.
    #[n(2)]
    pub(super) window: Option<Open>,
}

/// A tumbling window with what the function made of its records so far.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Open {
    /// Milliseconds since 1970.
    #[n(0)]
    pub(super) start: i64,
    /// JSON.
    #[n(1)]
    pub(super) state: String,
}

pub(super) fn get(cx: &Cx, from: &(impl Read + ?Sized), mapping: &str, shard: &str) -> Result<Checkpoint> {
    Ok(CHECKPOINTS.get(from, &(cx.account(), cx.region(), mapping, shard))?.unwrap_or_default())
}

pub(super) async fn put(cx: &Cx, mapping: &str, shard: &str, checkpoint: &Checkpoint) -> Result<()> {
    cx.write(|tx| {
        CHECKPOINTS.put(tx, &(cx.account(), cx.region(), mapping, shard), checkpoint);
        Ok(())
    })
    .await
}

pub(super) fn forget(cx: &Cx, tx: &mut Tx<'_>, mapping: &str) -> Result<()> {
    CHECKPOINTS.clear(tx, &(cx.account(), cx.region(), mapping))?;
    Ok(())
}
