//! Amazon Kinesis Data Streams.
//!
//! Tables: `kinesis.streams` (account, region, name); `kinesis.shards` (stream, number); `kinesis.batches` (stream, shard, index of
//! the last record): the records that one call put into a shard, side by side; `kinesis.heads`: the index of a stream's next
//! record, which all its shards share; `kinesis.consumers`, `kinesis.keys`. A stream's key is its unique id, so that a stream
//! made anew under an old name begins empty.
//!
//! Start with `stream.rs` (what a stream is), then `put.rs` and `get.rs`; `settle.rs` is how streams change, `subscribe.rs` how
//! records are pushed.
//!
//! Limits: queues of streams and channels are not built. Calls to the control plane are not throttled; shards are, as at AWS.
//! A stream is made, changed or deleted within a tenth of a second.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod account;
mod batch;
mod cfn;
mod consumers;
mod create;
mod describe;
mod encryption;
mod error;
mod get;
mod iterator;
mod limits;
mod metrics;
mod mode;
mod monitoring;
mod name;
mod operations;
mod permission;
mod policies;
mod put;
mod reshard;
mod retention;
mod sequence;
mod settle;
mod shards;
mod stream;
mod subscribe;
mod tags;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use encryption::Vault;
use limits::Limits;
use stream::Layouts;
use subscribe::Subscriptions;

/// The service.
#[derive(Debug, Clone, Default)]
pub struct Kinesis {
    layouts: Arc<Layouts>,
    limits: Arc<Limits>,
    vault: Arc<Vault>,
    subscriptions: Arc<Subscriptions>,
    /// Where the next record goes, where the service distributes them.
    turn: Arc<AtomicUsize>,
}

impl Kinesis {
    /// One whose shards take and give whatever is asked.
    pub fn without_limits() -> Self {
        Self { limits: Arc::new(Limits::unlimited()), ..Self::default() }
    }
}
