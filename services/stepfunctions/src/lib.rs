//! AWS Step Functions: state machines, and what runs of them.
//!
//! Reading order: `arns`, `rows`, `machines` and `versions` (what is defined), `executions`, `redrive`, `express`, `activities` and
//! `mapruns` (the operations on what runs), `engine` (an execution as a machine of its own), `runtime` (which takes what happens and has it
//! carried out), `write` (what is stored of each step), `tasks` (how what a state orders is done). The language itself is the crate
//! `undercast-asl`.
//!
//! Tables, by account and region: `stepfunctions.machines` (name), `.revisions` (machine's id, revision), `.versions`, `.aliases`,
//! `.activities`, `.offers` (tasks that wait for workers), `.executions` (machine, name) with three indexes, `.frames` (what runs of
//! each) and `.events` (their histories). A step is one transaction: its events, the frames that it changed, the timer. What a step
//! orders is done after it is written, so that a task whose end was not written is done again after a crash, and nothing else is.
//! What is not here yet, and refused: keys of KMS, X-Ray, `http:invoke`, services that are not here.
//!
//! Source: the API reference and the developer guide of Step Functions, the specification of the Amazon States Language.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod activities;
mod arns;
mod cfn;
mod engine;
mod error;
mod executions;
mod express;
mod logbook;
mod machines;
mod mapruns;
mod metrics;
mod mock;
mod redrive;
mod resource;
mod rows;
mod runtime;
mod tags;
mod tasks;
mod test_state;
mod validate;
mod versions;
mod write;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use runtime::Runtime;

/// What the kernel calls this service.
const SERVICE: &str = "stepfunctions";
/// In whose name it assumes roles.
const PRINCIPAL: &str = "states.amazonaws.com";
/// Who delivers its logs.
const DELIVERY: &str = "delivery.logs.amazonaws.com";

/// The service.
#[derive(Default)]
pub struct StepFunctions {
    runtime: Arc<Runtime>,
}

impl std::fmt::Debug for StepFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StepFunctions")
    }
}

impl Service for StepFunctions {
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
        Box::pin(async move {
            if task.kind != write::DUE {
                return Err(Failure::broken(format!("{SERVICE} has no task `{}`", task.kind)));
            }
            let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            let key = (task.account.clone(), task.region.clone(), text("machine"), text("name"));
            self.runtime.due(cx, &key).await?;
            Ok(Next::Done)
        })
    }

    fn start(&self, kernel: &Kernel) {
        self.runtime.resume(kernel);
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["GetActivityTask", "SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess", "StartSyncExecution"]
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        cfn::types()
    }
}

api::operations! {
    impl api::Operations for StepFunctions; |self, cx, input|
    CreateActivity => activities::create(cx, input).await,
    CreateStateMachine => machines::create(cx, input).await,
    CreateStateMachineAlias => versions::create_alias(cx, input).await,
    DeleteActivity => activities::delete(cx, &input).await,
    DeleteStateMachine => machines::delete(&self.runtime, cx, &input).await,
    DeleteStateMachineAlias => versions::delete_alias(cx, &input).await,
    DeleteStateMachineVersion => versions::delete_version(cx, &input).await,
    DescribeActivity => activities::describe(cx, &input),
    DescribeExecution => executions::describe(cx, &input),
    DescribeMapRun => mapruns::describe(cx, &input),
    DescribeStateMachine => machines::describe(cx, &input),
    DescribeStateMachineAlias => versions::describe_alias(cx, &input),
    DescribeStateMachineForExecution => machines::describe_for_execution(cx, &input),
    GetActivityTask => activities::get_task(&self.runtime, cx, input).await,
    GetExecutionHistory => executions::history(cx, &input),
    ListActivities => activities::list(cx, &input),
    ListExecutions => executions::list(cx, &input),
    ListMapRuns => mapruns::list(cx, &input),
    ListStateMachineAliases => versions::list_aliases(cx, &input),
    ListStateMachineVersions => versions::list_versions(cx, &input),
    ListStateMachines => machines::list(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    PublishStateMachineVersion => versions::publish_version(cx, input).await,
    RedriveExecution => redrive::redrive(&self.runtime, cx, input).await,
    SendTaskFailure => activities::fail(&self.runtime, cx, input).await,
    SendTaskHeartbeat => activities::heartbeat(&self.runtime, cx, &input).await,
    SendTaskSuccess => activities::succeed(&self.runtime, cx, input).await,
    StartExecution => executions::start(&self.runtime, cx, input).await,
    StartSyncExecution => express::start_sync(&self.runtime, cx, input).await,
    StopExecution => executions::stop(&self.runtime, cx, input).await,
    TagResource => tags::tag(cx, input).await,
    TestState => test_state::test(cx, input).await,
    UntagResource => tags::untag(cx, &input).await,
    UpdateMapRun => mapruns::update(&self.runtime, cx, &input).await,
    UpdateStateMachine => machines::update(cx, input).await,
    UpdateStateMachineAlias => versions::update_alias(cx, input).await,
    ValidateStateMachineDefinition => validate::validate(&input),
}
