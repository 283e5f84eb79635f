//! Amazon EventBridge Scheduler: schedules that invoke targets once, at a rate, or by the calendar of a time zone.
//!
//! Reading order: `rows`, `definition` (what a schedule may say), `schedules` and `groups` (the operations), `due` (what becomes of
//! a schedule whose moment has come), `invocation` (attempts, retries, the dead-letter queue), `target` (how each target is
//! called) with `payload`, `encryption`.
//!
//! Tables, all by account and region: `scheduler.groups` (name), `scheduler.schedules` (group, name), `scheduler.invocations`
//! (group, name, execution). A schedule's moment is taken with one transaction that plans the invocation and finds the next
//! moment: so each is taken once, whatever stops or jumps. An invocation is a durable task: a queue has its message with the writes
//! that are done with it, and so once; what another target was stopped over, between its answer and the writing down, is done again,
//! as AWS does ("at least once").
//! What is not here yet, and refused: targets of services that are not here, ECS tasks, SageMaker pipelines.
//!
//! Source: the API reference and the user guide of EventBridge Scheduler.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod cfn;
mod definition;
mod due;
mod encryption;
mod error;
mod groups;
mod invocation;
mod metrics;
mod payload;
mod rows;
mod schedules;
mod tags;
mod target;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "scheduler";

/// In whose name it assumes roles, and asks KMS.
const PRINCIPAL: &str = "scheduler.amazonaws.com";

/// The service.
#[derive(Debug, Default)]
pub struct Scheduler;

impl Service for Scheduler {
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
            match task.kind.as_str() {
                due::KIND => due::run(cx, task).await,
                invocation::KIND => invocation::run(cx, task).await,
                groups::KIND => groups::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Schedule), Box::new(cfn::ScheduleGroup)]
    }
}

api::operations! {
    impl api::Operations for Scheduler; |self, cx, input|
    CreateSchedule => schedules::create(cx, input).await,
    CreateScheduleGroup => groups::create(cx, input).await,
    DeleteSchedule => schedules::delete(cx, input).await,
    DeleteScheduleGroup => groups::delete(cx, input).await,
    GetSchedule => schedules::get(cx, input).await,
    GetScheduleGroup => groups::get(cx, input).await,
    ListScheduleGroups => groups::list(cx, &input),
    ListSchedules => schedules::list(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, &input).await,
    UpdateSchedule => schedules::update(cx, input).await,
}
