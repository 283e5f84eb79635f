//! The real program from the outside: killed, stopped, begun again, and what it says where it cannot begin.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "there is no kernel here")]

mod accounts;
mod beginning;
mod buses;
mod cloud;
mod crash;
mod delivered;
mod discoveries;
mod escalations;
mod events;
mod executions;
mod faults;
mod hooks;
mod keys;
mod least;
mod names;
mod objects;
mod passing;
mod pipes;
mod schedules;
mod secrets;
mod snapshots;
mod stopping;
mod streams;
mod throughput;
mod topics;
