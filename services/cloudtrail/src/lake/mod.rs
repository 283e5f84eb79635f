//! CloudTrail Lake: events that are kept for queries.

pub(crate) mod columns;
pub(crate) mod ingest;
pub(crate) mod queries;
pub(crate) mod store;
pub(crate) mod stores;
