//! Queries and their answers.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod corpus;
mod formats;
mod fuzzed;
mod hostile;
mod parquet;
mod properties;
mod sql;
mod support;
