//! Amazon EventBridge: event buses, rules and their targets.
//!
//! Tables, all by account and region: `events.buses` (name), `events.rules` (bus, name), `events.targets` (bus, rule, id),
//! `events.changes`: how often the rules of a bus were changed. The default bus is there without a row.
//! `events.archives`, `events.archived` (archive; second, id), `events.replays`; `events.connections`, `events.destinations`;
//! `events.sources` (region, name): what partners offer.
//!
//! An event is acknowledged with one transaction that stores a delivery for each target of each rule that wants it; a
//! delivery is a durable task that comes again until the target has taken the event. Which rules want it is found in memory
//! (`index.rs`).
//!
//! Start with `put.rs` and `accept.rs`, then `deliver.rs` and `invoke.rs`; `transform.rs` is what targets get.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod accept;
mod announced;
mod archive;
mod bus;
mod cfn;
mod deliver;
mod discover;
mod error;
mod event;
mod http;
mod index;
mod invoke;
mod metrics;
mod name;
mod operations;
mod partner;
mod path;
mod permission;
mod policy;
mod put;
mod replay;
mod rule;
mod schedule;
mod tags;
mod target;
mod trail;
mod transform;

use http::{Pace, Tokens};
use index::Indexes;
use trail::Listening;

/// The service.
#[derive(Debug, Default)]
pub struct Events {
    indexes: Indexes,
    listening: Listening,
    tokens: Tokens,
    pace: Pace,
}
