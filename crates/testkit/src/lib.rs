//! For tests: a cloud of its own on a port of its own, and signed calls to it by operation name and JSON, on every
//! protocol that the service has.
//!
//! Knows: the kernel, the gateway, the wire's tables. Must not know: any service by name.
//!
//! A test that meets something that cannot be (no port, no runtime) panics: it has nothing better to do.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests sign by the machine's clock, as clients do, and are told by variables"
)]

mod authenticator;
mod client;
mod cloud;
pub mod conformance;
mod listening;
pub mod promises;

pub use authenticator::Authenticator;
pub use client::{Answer, Client, Credentials};
pub use cloud::{Cloud, Folder};
pub use listening::Listening;
