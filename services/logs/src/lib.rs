//! Amazon CloudWatch Logs: log groups, their streams, and the events in them.
//!
//! Tables: `logs.groups` (account, region, name); `logs.streams` (group, name); `logs.events` (stream, time, number), so
//! that a stream reads in the order of time and, within a millisecond, of arrival. Groups and streams have unique ids, so
//! that one made anew under an old name begins empty. `logs.policies` (account, region, name): who else may write.
//! Limits: 1 MiB and 10,000 events a call, 14 days old, 2 hours ahead, 24 hours from first to last.
//!
//! Start with `group.rs` and `stream.rs`, then `put.rs` and `get.rs`.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod cfn;
mod filter;
mod get;
mod group;
mod operations;
mod pattern;
mod policies;
mod put;
mod retention;
mod stream;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Logs;

impl Service for Logs {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["PutLogEvents"]
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(retention::sweep(cx, task))
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::LogGroup)]
    }
}
