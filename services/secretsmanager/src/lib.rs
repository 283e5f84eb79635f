//! AWS Secrets Manager: secrets in versions with staging labels, encrypted with keys of KMS, rotated by functions, replicated to
//! Regions.
//!
//! Reading order: `rows` (what a secret is, and how it is named), `labels` (the rules of staging labels), `sealed` (KMS), `secrets`
//! and `values` (the operations), `rotation` (schedules) and `rotate` (the four steps), `replication`, `policy`, `listing`.
//!
//! Tables, all by account and Region: `secretsmanager.secrets` (name), `secretsmanager.versions` (name, suffix of the ARN, version).
//! No value is in them but as an envelope of a data key of KMS, under the encryption context `SecretARN` and `SecretVersionId`; the calls
//! to KMS are made with the rights of whoever calls. A replica is a secret of its Region like any other, which tells of its
//! primary; a durable task copies to it what was changed. Rotations and deletions are durable tasks as well.
//! What is not here, and refused: replicas in other accounts, secrets of partners (`Type`), secrets that other services manage.
//!
//! Source: the API reference and the user guide of AWS Secrets Manager.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod cfn;
mod deletion;
mod error;
mod events;
mod labels;
mod listing;
mod metrics;
mod password;
mod policy;
mod replication;
mod rotate;
mod rotation;
mod rows;
mod sealed;
mod secrets;
mod shown;
mod tagging;
mod values;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Record, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "secretsmanager";

/// In whose name it calls functions, and asks KMS.
const PRINCIPAL: &str = "secretsmanager.amazonaws.com";

/// The service.
#[derive(Debug, Default)]
pub struct SecretsManager;

impl Service for SecretsManager {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        cx.meter(SERVICE, "Requests", 1.0);
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                deletion::KIND => deletion::run(cx, task).await,
                replication::KIND => replication::run(cx, task).await,
                rotate::KIND => rotate::run(cx, task).await,
                rotation::DUE => rotation::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn measure(&self, kernel: &Kernel) -> Result<()> {
        metrics::measure(kernel)
    }

    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        let hidden = ["secretString", "secretBinary", "rotationToken"];
        undercast_kernel::hidden(undercast_kernel::event_parameters(operation, parameters), &hidden)
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types()
    }
}

api::operations! {
    impl api::Operations for SecretsManager; |self, cx, input|
    BatchGetSecretValue => listing::batch(cx, input).await,
    CancelRotateSecret => rotation::cancel(cx, &input).await,
    CreateSecret => secrets::create(cx, input).await,
    DeleteResourcePolicy => policy::delete(cx, &input).await,
    DeleteSecret => deletion::delete(cx, &input).await,
    DescribeSecret => secrets::describe(cx, &input),
    GetRandomPassword => password::random(cx, &input),
    GetResourcePolicy => policy::get(cx, &input),
    GetSecretValue => values::get(cx, &input).await,
    ListResourcePolicies => policy::list(cx, &input),
    ListSecretVersionIds => listing::versions(cx, &input),
    ListSecrets => listing::list(cx, &input),
    PutResourcePolicy => policy::put(cx, &input).await,
    PutSecretValue => values::put(cx, input).await,
    RemoveRegionsFromReplication => replication::remove(cx, &input).await,
    ReplicateSecretToRegions => replication::replicate(cx, input).await,
    RestoreSecret => deletion::restore(cx, &input).await,
    RotateSecret => rotation::rotate(cx, input).await,
    StopReplicationToReplica => replication::stop(cx, &input).await,
    TagResource => tagging::tag(cx, &input).await,
    UntagResource => tagging::untag(cx, &input).await,
    UpdateSecret => secrets::update(cx, input).await,
    UpdateSecretVersionStage => values::update_stage(cx, &input).await,
    ValidateResourcePolicy => policy::validate(cx, &input),
}
