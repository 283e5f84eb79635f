//! Amazon S3 Control: what S3 has by account rather than by bucket.
//!
//! Tables (`rows.rs`): `s3.accounts`, the Block Public Access of an account; `s3.points`, access points, with their aliases
//! in `s3.aliases` and what a bucket has of them in `s3.attached`. [`via`] is how calls of S3 go through them.
//! `s3.multi` and its like are multi-region access points. Batch jobs have tables of their own ([`jobs`]).
//!
//! Limits: nothing here is in a VPC, so nobody reaches an access point of one; a generator's list has the current versions,
//! and all of them where it is about replication. Storage Lens, Access Grants, Object Lambda, Outposts and directory buckets are not built, and are refused.

pub mod api;
pub(crate) mod block;
pub(crate) mod cfn;
mod error;
mod jobs;
mod multi_region;
mod operations;
mod permission;
pub(crate) mod points;
mod requests;
mod rows;
mod tags;
mod trail;
pub(crate) mod via;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::{Shared, Snapshot};
use undercast_kernel::{Access, Answer, AwsError, Cx, Next, Record, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::decode::Malformed;
use undercast_wire::schema::{Operation, Protocol};
use undercast_wire::{Fields, Value};

/// The service. [`crate::S3`] obeys what is set here.
#[derive(Debug, Default)]
pub struct S3Control;

impl Service for S3Control {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                requests::KIND => requests::run(cx, task).await,
                _ => jobs::run::run(cx, task).await,
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![
            Box::new(cfn::AccessPoint),
            Box::new(cfn::MultiRegionAccessPoint),
            Box::new(cfn::MultiRegionAccessPointPolicy),
        ]
    }

    fn event_name(&self, operation: &'static str) -> &'static str {
        trail::name(operation)
    }

    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        trail::resources(record, parameters)
    }

    fn shared(&self) -> Vec<Shared> {
        vec![
            Shared::by_row(&rows::ALIASES, |(account, _, _)| account),
            Shared::by_row(&rows::MULTI_ALIASES, |(account, _)| account),
        ]
    }

    fn malformed(&self, operation: &'static Operation, protocol: Protocol, why: Malformed) -> AwsError {
        crate::malformed(operation, protocol, why)
    }

    fn throttled(&self, operation: &'static Operation) -> AwsError {
        error::throttled(operation)
    }

    fn invalid(&self, operation: &'static Operation, violations: &[Violation]) -> AwsError {
        error::invalid(operation, violations)
    }
}
