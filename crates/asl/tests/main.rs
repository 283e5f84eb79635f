//! The language.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cases;
mod machines;
mod suite;
mod support;
