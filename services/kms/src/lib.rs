//! AWS Key Management Service.
//!
//! Tables, all by account and region: `kms.keys` (key id), `kms.materials` (material id): the secrets, as ciphertext;
//! `kms.aliases` (name), `kms.grants` (key id, grant id). A ciphertext names the material that made it, so that it finds its
//! key, and a key that was rotated still decrypts what it encrypted before (`envelope.rs`).
//! The clock deletes keys whose day has come, and rotates them. AWS managed keys are made when they are first used
//! (`managed.rs`).
//!
//! Start with `rows.rs` (what a key is), then `data.rs` (what it does) and `permission.rs` (who may).
//! Keys of many Regions are rows in each of them, which one transaction changes (`family.rs`). Material from outside is
//! unwrapped with keys that serve a day (`import.rs`).
//! Custom key stores cannot be made, so there is none (`stores.rs`).
//! What is not here, and refused: external key stores, SM2 (which AWS has in China only), enclaves, imported material in keys
//! of many Regions.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod aliases;
mod cfn;
mod data;
mod edwards;
mod encapsulation;
mod envelope;
mod error;
mod family;
mod grants;
mod import;
mod keys;
mod lattices;
mod managed;
mod material;
mod operations;
mod pages;
mod pairs;
mod permission;
mod policy;
mod reference;
mod rotation;
mod rows;
mod signing;
mod specs;
mod stores;
mod tagging;
mod usage;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::check::{self, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Kms;

impl Service for Kms {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        Box::pin(async move {
            let called = api::SERVICE.operations.get(operation);
            let called = called.ok_or_else(|| Failure::no_such_operation(&api::SERVICE, operation))?;
            if let Value::Structure(fields) = &input {
                managed::make_if_used(cx, called, fields).await?;
            }
            cx.meter("kms", "Requests", 1.0);
            api::call(self, cx, operation, input).await.map_err(|failure| error::as_listed(called, failure))
        })
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input, None).map_err(|failure| error::as_listed(operation, failure))
    }

    fn keep<'a>(&'a self, kernel: &'a Kernel) -> BoxFuture<'a, Result<()>> {
        Box::pin(usage::flush(kernel))
    }

    /// Secrets are not told again, not even as what they are.
    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        let secret = |violation: &Violation| matches!(violation.path.as_str(), "plaintext" | "message");
        let mut message = check::message(violations);
        for violation in violations.iter().filter(|violation| secret(violation)) {
            if let Some(value) = &violation.value {
                message = message.replace(&format!("Value '{value}' at"), "Value at");
            }
        }
        error::validation(message)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                keys::DELETE => keys::delete(cx, &task.payload).await?,
                import::EXPIRE => import::expire(cx, task).await?,
                rotation::ROTATE => rotation::run(cx, &task.payload).await?,
                other => return Err(Failure::broken(format!("kms has no task `{other}`"))),
            }
            Ok(Next::Done)
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Key), Box::new(cfn::ReplicaKey), Box::new(cfn::Alias)]
    }
}
