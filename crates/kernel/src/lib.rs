//! The kernel: what every service needs, and the one way a call takes.
//!
//! Knows: calls, accounts and regions, the clock, the store, who may do what, timers, faults, the record of what happened.
//! Must not know: any service by name, HTTP, sockets.
//!
//! Reading order: [`Service`] (what a service is) → [`Cx`] (what a call is) → [`Kernel::dispatch`] (the way of a call).

mod access;
mod announce;
pub mod arn;
pub mod auth;
mod callers;
mod clock;
mod cloudtrail;
mod credentials;
mod cx;
mod deferred;
mod dispatch;
mod encoded;
mod enriched;
mod failure;
mod faults;
mod idempotency;
mod inbox;
pub mod insights;
mod joined;
pub mod json;
mod memory;
mod meter;
pub mod metrics;
mod names;
pub mod paging;
mod policies;
mod random;
pub mod regions;
mod rehearse;
pub mod resources;
pub mod schedule;
pub mod sdk;
mod service;
mod signals;
pub mod tags;
mod tasks;
mod trail;
mod upkeep;
pub mod waiting;

pub use access::{
    Access, Behind, Coded, Identities, IdentityPolicies, Membership, MfaCode, Organizations, ProviderFacts, RoleFacts,
};
pub use announce::{ANNOUNCED, Announcement};
pub use clock::Clock;
pub use cloudtrail::{answer as event_answer, hidden, parameters as event_parameters};
pub use credentials::{Begun, CREDENTIALS, Credential, OwnerKind, Temporary};
pub use cx::{Cx, Origin, Signed, SignedIn};
pub use deferred::Deferred;
pub use dispatch::{AuthMode, IamMode, Kernel, Outcome, Settings};
pub use enriched::CONTEXT_KEYS;
pub use failure::{Failure, Result};
pub use faults::{BadRule, Effect, FaultRule, Faults};
pub use idempotency::{Repeated, fingerprint};
pub use inbox::Letter;
pub use joined::{Joined, Ready};
pub use meter::Meter;
pub use metrics::Metric;
pub use names::{BadName, NameRecord};
pub use policies::Policies;
pub use random::Random;
pub use service::{Answer, CrossOrigin, Exchange, Service, owners};
pub use signals::Signals;
pub use tasks::{Next, Task, Tasks};
pub use trail::{Keeper, Record, Trail, Trails};

pub use undercast_policy as policy;
pub use undercast_store as store;
pub use undercast_wire as wire;
pub use undercast_wire::{AwsError, Body, Bytes, Timestamp};
