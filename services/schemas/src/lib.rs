//! EventBridge Schema Registry: what events look like, by registry, schema and version; discovery from live events; code that
//! reads and writes them.
//!
//! Reading order: `name` and `rows`; `registries`, `schemas`, `search`; `document` (what a schema may say) and `export`; `infer`
//! (a schema from events), `discoverers` and `discovery` (a rule on a bus brings events here); `bindings`; `policy`; `aws_events`.
//!
//! Tables, all by account and region: `schemas.registries` (name), `schemas.schemas` (registry, name), `schemas.versions` (registry,
//! name, number), `schemas.bindings` (registry, name, number, language), `schemas.discoverers` (id). The registry
//! `discovered-schemas` is there without a row. `aws.events` has no rows at all: it has events that services here tell of, and
//! no others, and is the same for everybody.
//!
//! A discoverer has a rule on its bus that the service alone may change, and whose target is the discoverer; EventBridge stores a
//! task of this service with what acknowledges an event, so that none is left out.
//! What is not here: schemas of events that no service here sends, and of those of Access Analyzer, CloudTrail's insights and Parameter
//! Store; the calls that CloudTrail records have no schemas in `aws.events`
//! (on AWS each service has one). Schemas that nobody used for two years are not deleted. What is discovered has room for 200 schemas of
//! 100 versions each, and what comes beyond is not learnt. Events and schemas are 128 levels deep at most; AWS has 255.
//!
//! Source: the EventBridge Schema Registry API reference, and "Amazon EventBridge schemas" in the user guide.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod aws_events;
mod bindings;
mod cfn;
mod discoverers;
mod discovery;
mod document;
mod error;
mod export;
mod infer;
mod name;
mod policy;
mod registries;
mod role;
mod rows;
mod schemas;
mod search;
mod tags;
mod versions;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Next, Record, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "schemas";

/// What CloudTrail's events do not tell.
const MASKED: &[&str] = &["Content", "Events", "keywords"];

/// The service.
#[derive(Debug, Default)]
pub struct Schemas;

impl Service for Schemas {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        error::bad(undercast_wire::check::message(violations))
    }

    /// Parameters are called as on the wire. What events and schemas say is not told.
    ///
    /// Source: "Schema registry API property value masking" in the user guide.
    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        let named = parameters.as_object().into_iter().flatten().map(|(name, value)| {
            let member = operation.input.members.iter().find(|member| member.name == name);
            let name = member.map_or(name.as_str(), |member| member.wire);
            let told = if MASKED.contains(&name) { Json::from("***") } else { value.clone() };
            (name.to_owned(), told)
        });
        Json::Object(named.collect())
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                discovery::KIND => discovery::run(cx, task).await,
                discoverers::KIND => discoverers::run(cx, task).await,
                bindings::KIND => bindings::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Registry), Box::new(cfn::Schema), Box::new(cfn::Discoverer), Box::new(cfn::RegistryPolicy)]
    }
}

api::operations! {
    impl api::Operations for Schemas; |self, cx, input|
    CreateDiscoverer => discoverers::create(cx, input).await,
    CreateRegistry => registries::create(cx, input).await,
    CreateSchema => schemas::create(cx, input).await,
    DeleteDiscoverer => discoverers::delete(cx, &input).await,
    DeleteRegistry => registries::delete(cx, &input).await,
    DeleteResourcePolicy => policy::delete(cx, &input).await,
    DeleteSchema => schemas::delete(cx, &input).await,
    DeleteSchemaVersion => versions::delete(cx, &input).await,
    DescribeCodeBinding => bindings::describe(cx, &input),
    DescribeDiscoverer => discoverers::describe(cx, &input),
    DescribeRegistry => registries::describe(cx, &input),
    DescribeSchema => schemas::describe(cx, &input),
    ExportSchema => export::export(cx, &input),
    GetCodeBindingSource => bindings::source(cx, &input),
    GetDiscoveredSchema => infer::discovered(&input),
    GetResourcePolicy => policy::get(cx, &input),
    ListDiscoverers => discoverers::list(cx, &input),
    ListRegistries => registries::list(cx, &input),
    ListSchemaVersions => versions::list(cx, &input),
    ListSchemas => schemas::list(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    PutCodeBinding => bindings::put(cx, &input).await,
    PutResourcePolicy => policy::put(cx, input).await,
    SearchSchemas => search::search(cx, &input),
    StartDiscoverer => discoverers::start(cx, &input).await,
    StopDiscoverer => discoverers::stop(cx, &input).await,
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, &input).await,
    UpdateDiscoverer => discoverers::update(cx, input).await,
    UpdateRegistry => registries::update(cx, input).await,
    UpdateSchema => schemas::update(cx, input).await,
}
