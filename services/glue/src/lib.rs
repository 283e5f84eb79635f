//! AWS Glue: its Data Catalog, as far as databases, tables and their versions go. Crawlers, jobs, partitions and the schema registry are not
//! built.
//!
//! Tables: `glue.databases` (account, region, name); `glue.tables` (account, region, database, name); `glue.versions` (the same, and the
//! number of the version). Names are kept in lower case, as Hive has them.
//!
//! Quotas are not held, and the catalog of another account is not reached.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod cfn;
mod databases;
mod error;
mod tables;
mod versions;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Glue;

impl Service for Glue {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        Ok(access::access(cx, operation, input))
    }

    fn run<'a>(&'a self, _cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move { Err(Failure::broken(format!("glue has no task `{}`", task.kind))) })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Database), Box::new(cfn::Table)]
    }
}

api::operations! {
    impl api::Operations for Glue; |self, cx, input|
    BatchDeleteTable => tables::delete_many(cx, &input).await,
    CreateDatabase => databases::create(cx, input).await,
    CreateTable => tables::create(cx, input).await,
    DeleteDatabase => databases::delete(cx, &input).await,
    DeleteTable => tables::delete(cx, &input).await,
    DeleteTableVersion => versions::delete(cx, &input).await,
    GetDatabase => databases::get(cx, &input),
    GetDatabases => databases::list(cx, &input),
    GetTable => tables::get(cx, &input),
    GetTableVersion => versions::get(cx, &input),
    GetTableVersions => versions::list(cx, &input),
    GetTables => tables::list(cx, &input),
    UpdateDatabase => databases::update(cx, input).await,
    UpdateTable => tables::update(cx, input).await,
}
