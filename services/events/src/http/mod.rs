//! API destinations: endpoints outside of the cloud that rules call over HTTP, and the connections by which they know us.
//!
//! What connections keep secret is sealed with a key of KMS and is never shown.
//!
//! Source: "API destinations" and "Connections" in the user guide.

pub(crate) mod call;
pub(crate) mod connection;
pub(crate) mod destination;
mod pace;
mod parameters;
mod token;

pub(crate) use pace::Pace;
pub(crate) use token::Tokens;
