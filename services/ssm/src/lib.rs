//! Parameter Store of AWS Systems Manager: parameters in versions with labels, in hierarchies, of two tiers, with policies that the clock
//! enforces.
//!
//! Reading order: `names` (what parameters are called, and how versions are named), `rows` (what is stored), `put` with `tier`,
//! `sealed` (KMS) and `policies` (expiration and notifications), `get` with `reference` (secrets of Secrets Manager), `labels`,
//! `describe` with `filters`, `delete`, `settings`, `sharing` (other accounts).
//!
//! Tables, all by account and Region: `ssm.parameters` (name), `ssm.versions` (name, number), `ssm.counts`, `ssm.settings` (id).
//! The value of a `SecureString` is there only as a ciphertext of KMS, under the encryption context `PARAMETER_ARN`: of `Encrypt` in the
//! standard tier, as an envelope in the advanced one, as on AWS.
//! What is not here, and refused: the rest of Systems Manager, AWS's public parameters (`/aws/service/…`), the data types of EC2 and of
//! integrations. Nobody is held to a rate of calls, whatever the setting of high throughput says.
//!
//! Source: the API reference and the user guide of AWS Systems Manager, chapter Parameter Store.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod cfn;
mod delete;
mod describe;
mod error;
mod filters;
mod get;
mod labels;
mod names;
mod policies;
mod put;
mod reference;
mod rows;
mod sealed;
mod settings;
mod sharing;
mod tagging;
mod tier;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Next, Record, Result, Service, Task};
use undercast_wire::check::{self, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "ssm";

/// In whose name it asks KMS and Secrets Manager.
const PRINCIPAL: &str = "ssm.amazonaws.com";

/// The service.
#[derive(Debug, Default)]
pub struct Ssm;

impl Service for Ssm {
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

    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        AwsError::new("ValidationException", 400, check::message(violations))
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                policies::KIND => policies::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        let shown = undercast_kernel::event_parameters(operation, parameters);
        // A tag has a value, too, and that is no secret.
        if operation.name == "PutParameter" { hide_value(shown) } else { shown }
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types()
    }
}

/// Hides the value of a parameter, and no other.
fn hide_value(mut parameters: Json) -> Json {
    if let Some(value) = parameters.get_mut("value") {
        *value = Json::from("HIDDEN_DUE_TO_SECURITY_REASONS");
    }
    parameters
}

api::operations! {
    impl api::Operations for Ssm; |self, cx, input|
    AddTagsToResource => tagging::add(cx, &input).await,
    DeleteParameter => delete::one(cx, &input).await,
    DeleteParameters => delete::many(cx, &input).await,
    DeleteResourcePolicy => sharing::delete(cx, &input).await,
    DescribeParameters => describe::describe(cx, &input),
    GetParameter => get::one(cx, &input).await,
    GetParameterHistory => get::history(cx, &input).await,
    GetParameters => get::many(cx, &input).await,
    GetParametersByPath => get::by_path(cx, &input).await,
    GetResourcePolicies => sharing::list(cx, &input),
    GetServiceSetting => settings::get(cx, &input),
    LabelParameterVersion => labels::label(cx, &input).await,
    ListTagsForResource => tagging::list(cx, &input),
    PutParameter => put::put(cx, input).await,
    PutResourcePolicy => sharing::put(cx, &input).await,
    RemoveTagsFromResource => tagging::remove(cx, &input).await,
    ResetServiceSetting => settings::reset(cx, &input).await,
    UnlabelParameterVersion => labels::unlabel(cx, &input).await,
    UpdateServiceSetting => settings::update(cx, &input).await,
}
