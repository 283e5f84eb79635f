//! The door from outside: what is malformed, forged, oversized, slow or half said is refused, in AWS's words where it has
//! some, and is never taken for something else.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bodies;
mod connections;
mod own;
mod raw;
mod signatures;
