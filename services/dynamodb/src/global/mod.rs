//! Global tables, version 2019.11.21: tables of one name in several regions that hold the same items.
//!
//! Reading order: [`group`] (which tables belong together) → `request` (what `UpdateTable` asks for) → `change` (how
//! replicas are added, changed and taken away) → `make` (the tasks that fill and empty them) → [`stamps`] (who wrote an item
//! last, and what others have yet to be told) → `replicate` (the task that tells them) → `strong` (tables whose writes are
//! in several regions when they are answered) → `settings` (what is the same in all regions) → `join`
//! (replicas in other accounts), `rights`, `leave` → `describe`, `legacy`.
//!
//! Eventual consistency: each write is stamped with its moment and its region, and noted for each other replica in the
//! transaction that makes it; the later stamp wins, item by item. What cannot be delivered waits, for as long as it takes.
//! Strong consistency: three regions, of which one may only be a witness. A write is done in every region that the one it is
//! made in can reach, which must be one at least; what the region beyond the cut misses is kept for it, and it makes up for
//! that before it writes or is read consistently. So any two of the three know everything.
//! Sources: "Global tables" in the developer guide; refusals as measured against AWS in 2026.
//!
//! Limits: the role `AWSServiceRoleForDynamoDBReplication` is not made, though policies can
//! forbid it what it does. A replica whose key of KMS cannot be used waits for it, and does not leave the global table after 20
//! hours.

mod autoscaling;
mod change;
mod create;
mod describe;
pub mod group;
mod join;
mod leave;
mod legacy;
mod make;
mod refusals;
mod replicate;
mod request;
mod rights;
mod scaled;
mod settings;
pub mod stamps;
mod strong;

pub(crate) use describe::describe;
pub use group::{Home, Replica, Standing};
pub(crate) use join::follows;
pub(crate) use leave::LEAVE;
pub(crate) use make::{FORGET, MAKE, REMOVE};
pub(crate) use replicate::{LEFT, REPLICATE, expires_here};
pub(crate) use request::Asked;
pub(crate) use scaled::{is_scaling, require};
pub(crate) use strong::{InFlight, MAKE_UP};

use crate::error::Error;

use std::time::Duration;

/// What is said of a strongly consistent table whose items shall expire.
pub(crate) fn no_ttl() -> Error {
    refusals::unsupported_by_strong("Time to live is")
}

/// How long after a write others are told of it: those who write much tell much at once.
pub(crate) const DELAY: Duration = Duration::from_millis(100);

/// How long it takes until a region that could not be reached is tried again.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// So many items are brought to another region in one transaction.
pub(crate) const STEP: usize = 200;
