//! The operations on tables.

pub(crate) mod backups;
pub(crate) mod create;
pub(crate) mod describe;
pub(crate) mod expire;
pub(crate) mod recovery;
pub(crate) mod restore;
pub(crate) mod schema;
pub(crate) mod stream;
pub(crate) mod tags;
pub(crate) mod update;
