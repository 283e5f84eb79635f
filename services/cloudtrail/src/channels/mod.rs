//! Channels: events of other applications, and the way that they take into event data stores.

pub(crate) mod audit;
pub(crate) mod data;
pub(crate) mod operations;
pub(crate) mod row;
