//! Imports: log files of trails, read out of a bucket into an event data store.
//!
//! Source: "Copy trail events to an event data store" in the user guide, and the API reference.

pub(crate) mod file;
pub(crate) mod operations;
pub(crate) mod row;
pub(crate) mod run;
