//! Amazon EventBridge Pipes: from a queue or a stream to a target, with filters, an enrichment and templates between.
//!
//! Reading order: `rows`, `definition` (what a pipe may say), `pipes` and `update` (the operations), `settle` (how a pipe comes to the
//! state that is wanted, by the clock), `runner` (who takes from the source: see the crate `sources`), `execution` (what becomes
//! of a batch) with `template`, `enrichment`, `target`; `discarded`, `logbook`, `metrics`.
//!
//! Tables, by account and region: `pipes.pipes` (name), `pipes.checkpoints` (pipe, shard). What is taken is done with when the target
//! has it: a message is deleted then, and a checkpoint kept; so nothing is lost by a crash, and what was under way comes again.
//! What is not here yet, and refused: sources of Kafka and MQ, enrichments but functions, targets of services that are not here.
//!
//! Source: the API reference of EventBridge Pipes and "Amazon EventBridge Pipes" in the user guide.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod cfn;
mod definition;
mod discarded;
mod enrichment;
mod error;
mod execution;
mod logbook;
mod metrics;
mod parameters;
mod pipes;
mod rows;
mod runner;
mod settle;
mod tags;
mod target;
mod template;
mod update;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Kernel, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use runner::State;

/// What the kernel calls this service.
const SERVICE: &str = "pipes";

/// In whose name it assumes roles, and asks KMS.
const PRINCIPAL: &str = "pipes.amazonaws.com";

/// The service.
#[derive(Debug, Default)]
pub struct Pipes {
    state: Arc<State>,
}

impl Service for Pipes {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(settle::run(&self.state, cx, task))
    }

    fn start(&self, kernel: &Kernel) {
        runner::resume(&self.state, kernel);
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Pipe)]
    }
}

api::operations! {
    impl api::Operations for Pipes; |self, cx, input|
    CreatePipe => pipes::create(cx, input).await,
    DeletePipe => pipes::delete(&self.state, cx, &input).await,
    DescribePipe => pipes::describe(cx, &input).await,
    ListPipes => pipes::list(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    StartPipe => pipes::start(cx, &input).await,
    StopPipe => pipes::stop(&self.state, cx, &input).await,
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, &input).await,
    UpdatePipe => update::update(cx, input).await,
}
