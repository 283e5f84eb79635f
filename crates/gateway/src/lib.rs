//! The door: listeners, routing, TLS, CORS, health.
//!
//! Knows: HTTP, which request is for which service. Must not know: how a service works.
//!
//! Reading order: [`listen`] (a connection) → `handle` (a request) → `route` (for whom) → the kernel.

mod body;
mod call;
mod cors;
mod handle;
mod hoisted;
mod host;
mod init;
mod internal;
mod lingering;
mod listen;
mod observed;
mod patience;
mod payload;
mod route;
mod snapshots;
pub mod tls;

pub use init::{Init, Script, Stage};
pub use listen::{Gateway, Stopping, bind, listen};

/// How the door is kept.
#[derive(Debug, Clone)]
pub struct DoorSettings {
    /// Host names besides loopback ones under which requests are taken.
    pub hosts: Vec<String>,
    /// Origins besides loopback ones whose pages may call.
    pub origins: Vec<String>,
    /// Where the own CA is kept.
    pub ca: std::path::PathBuf,
    /// Where snapshots are kept.
    pub snapshots: undercast_kernel::store::Snapshots,
    /// Where the state is, beside which the order for the next beginning is written.
    pub files: std::path::PathBuf,
    /// How the init scripts are.
    pub init: Init,
}
