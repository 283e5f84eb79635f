//! The tables of S3 Control, and what their rows hold.

use undercast_kernel::store::Table;

use crate::rows::Block;

/// Account → its Block Public Access.
pub(crate) static ACCOUNTS: Table<Block> = Table::new("s3.accounts");
