//! AWS Lambda: functions that really run, each in a sandbox of its own.
//!
//! Tables: `lambda.functions` (account, region, name); `lambda.versions` (the same, and a number); `lambda.aliases` (the same,
//! and a name); `lambda.event-configs` and `lambda.provisioned` (the same, and a qualifier); `lambda.layers` (account, region,
//! name); `lambda.layer-versions` (the same, and a number); `lambda.urls` (url id); `lambda.mappings` and `lambda.signing-configs` (account, region, id);
//! `lambda.checkpoints` (account, region, mapping, shard). A
//! package is a blob; unpacked it is a folder named by its hash, shared by all functions that have it.
//!
//! The way of an invocation: `invoke.rs` (checks) → `pool.rs` (an environment that is free, or a new one) →
//! `environment.rs` (the sandbox) ↔ `runtime_api.rs` (the Runtime API, which the runtime inside speaks) → `report.rs`
//! (START, END, REPORT) → `shipping.rs` (CloudWatch Logs). Event sources come in through `sources/`, URLs through `site.rs`.
//!
//! Runtimes are interpreters of this machine with a small client of ours (`runtime/`), or programs of the function's own.
//! Limits: 50 MB zipped, 250 MB unzipped, 6 MB in and out, 1 MB for events, 15 minutes, 1,000 at a time an account.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod alias;
mod asynchronous;
mod cfn;
mod cfn_layers;
mod cfn_parts;
mod cfn_versions;
mod check;
mod configuration;
mod cors;
mod credentials;
mod destination;
mod door;
mod environment;
mod error;
mod event_config;
mod function;
mod holder;
mod invoke;
mod layer;
mod mapping;
mod metrics;
mod operations;
mod output_lines;
mod package;
mod platform;
mod policy;
mod pool;
mod provisioned;
mod report;
mod runtime_api;
mod runtimes;
mod shipping;
mod signing;
mod site;
mod site_streamed;
mod sources;
mod state;
mod streamed;
mod tags;
mod url;
mod version;

use std::path::PathBuf;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::{Shared, Snapshot};
use undercast_kernel::{Access, Answer, AwsError, CrossOrigin, Cx, Kernel, Next, Record, Result, Service, Task};
use undercast_wire::check::{Constraint, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Request, Response, Value};

pub(crate) use state::State;

/// The service.
pub struct Lambda {
    state: Arc<State>,
}

impl Lambda {
    /// The service, which looks for interpreters in these directories.
    pub fn new(interpreters: Vec<PathBuf>) -> Self {
        Self { state: Arc::new(State::new(interpreters)) }
    }
}

impl Service for Lambda {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["Invoke", "InvokeWithResponseStream"]
    }

    /// The function that is invoked.
    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        let given = parameters["FunctionName"].as_str().filter(|_| self.data_events().contains(&record.operation));
        let told = given.map(|given| {
            // By its name, by a part of its ARN that begins with the account, or by all of it; with a version or without.
            let name = given.rsplit_once("function:").map_or(given, |(_, rest)| rest);
            let name = name.split(':').next().unwrap_or(name);
            let account = given.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3)).unwrap_or(&record.account);
            let partition = undercast_kernel::regions::partition(&record.region);
            let arn = format!("arn:{partition}:lambda:{}:{account}:function:{name}", record.region);
            json!({"accountId": account, "type": "AWS::Lambda::Function", "ARN": arn})
        });
        told.into_iter().collect()
    }

    fn shared(&self) -> Vec<Shared> {
        vec![Shared::by_row(&url::URLS, |(account, _, _)| account)]
    }

    /// Lambda has an error of its own for runtimes that it does not know.
    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        let runtime = violations.iter().find(|v| v.path == "runtime" && matches!(v.constraint, Constraint::Values(_)));
        match runtime {
            Some(violation) => error::unknown_runtime(violation),
            None => AwsError::new("ValidationException", 400, undercast_wire::check::message(violations)),
        }
    }

    /// A package of 50 MB in base64, and the rest of the request.
    fn body_limit(&self) -> usize {
        70_167_211
    }

    fn cross_origin(&self, from: &Snapshot, request: &Request) -> Option<CrossOrigin> {
        cors::decide(from, request)
    }

    fn sites(&self) -> &'static [&'static str] {
        &[site::URLS_SITE, site::PACKAGES]
    }

    fn serve<'a>(
        &'a self,
        cx: &'a Cx,
        site: &'a str,
        name: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(site::serve(&self.state, cx, site, name, request))
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(asynchronous::run(&self.state, cx, task))
    }

    fn start(&self, kernel: &Kernel) {
        self.state.start(kernel);
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![
            Box::new(cfn::Function),
            Box::new(cfn_versions::EventInvokeConfig),
            Box::new(cfn_layers::Layer),
            Box::new(cfn_layers::Permission),
            Box::new(cfn_versions::CodeSigningConfig),
            Box::new(cfn_versions::Version),
            Box::new(cfn_versions::Alias),
            Box::new(cfn_parts::Permission),
            Box::new(cfn_parts::Url),
            Box::new(cfn_parts::EventSourceMapping),
        ]
    }
}
