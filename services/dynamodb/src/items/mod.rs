//! The operations on items.

pub(crate) mod batch;
pub(crate) mod consumed;
pub(crate) mod get;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod transact;
pub(crate) mod write;
pub(crate) mod write_one;
