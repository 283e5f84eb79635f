//! How far a consumer is in each shard of its stream. What was not kept here comes again after a stop: at least once.

use minicbor::{Decode, Encode};
use undercast_kernel::Result;
use undercast_kernel::store::Read;

use crate::Consumer;

/// How far a consumer is in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Checkpoint {
    /// The last record that is done with.
    #[n(0)]
    pub after: Option<String>,
    /// All are, and none comes any more.
    #[n(1)]
    pub ended: bool,
    /// The window that is open.
    #[n(2)]
    pub window: Option<Open>,
}

/// A tumbling window with what the consumer made of its records so far.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Open {
    /// Milliseconds since 1970.
    #[n(0)]
    pub start: i64,
    /// JSON.
    #[n(1)]
    pub state: String,
}

pub(crate) fn get(of: &dyn Consumer, from: &(impl Read + ?Sized), shard: &str) -> Result<Checkpoint> {
    let cx = of.cx();
    Ok(of.checkpoints().get(from, &(cx.account(), cx.region(), of.id(), shard))?.unwrap_or_default())
}

pub(crate) async fn put(of: &dyn Consumer, shard: &str, checkpoint: &Checkpoint) -> Result<()> {
    let cx = of.cx();
    cx.write(|tx| {
        of.checkpoints().put(tx, &(cx.account(), cx.region(), of.id(), shard), checkpoint);
        Ok(())
    })
    .await
}
