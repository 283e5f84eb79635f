//! The language.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cases;
mod corpus;
mod fuzzed;
mod given;
mod hostile;
mod items;
mod machines;

mod properties;
mod suite;
mod support;
