//! CloudTrail Lake: events that are kept for queries.

pub(crate) mod columns;
pub(crate) mod configuration;
pub(crate) mod enrich;
pub(crate) mod ingest;
pub(crate) mod kind;
pub(crate) mod queries;
pub(crate) mod results;
pub(crate) mod seal;
pub(crate) mod store;
pub(crate) mod stores;
