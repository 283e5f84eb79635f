//! DynamoDB through the kernel: what a caller notices.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod accounts;
mod backups;
mod cases;
mod cfn;
mod cloud;
mod convergence;
mod corpus;
mod destinations;
mod encryption;
mod exports;
mod fuzzed;
mod global;
mod history;
mod imports;
mod indexes;
mod items;
mod legacy;
mod model;
mod partiql;
mod permissions;
mod policies;
mod searches;
mod streams;
mod strong;
mod tables;
mod throughput;
mod transactions;
mod vectors;
