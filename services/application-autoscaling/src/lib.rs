//! Application Auto Scaling: capacity that follows load, or the clock. What is scaled here is what DynamoDB's provisioned tables and
//! their global indexes are given.
//!
//! Reading order: `dimension` (what can be scaled, and how its capacity is read and set), `targets`, `policies` with `tracking`
//! (whose alarms are made and deleted here) and `steps`, `scaling` (what becomes of an alarm that fires), `scheduled`,
//! `activities`.
//!
//! Tables, all by account and region, resource and dimension: `autoscaling.targets`, `autoscaling.policies` (name),
//! `autoscaling.scheduled` (name); by moment: `autoscaling.activities`.
//! CloudWatch tells of an alarm that fires by a task of this service, once a minute for as long as it does.
//! What is not here yet, and refused: other namespaces than `dynamodb`, predictive scaling.
//!
//! Source: the API reference and the user guide, and "Managing throughput capacity automatically with DynamoDB auto scaling".

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod activities;
mod cfn;
mod dimension;
mod error;
mod policies;
mod role;
mod rows;
mod scaling;
mod scheduled;
mod steps;
mod tags;
mod targets;
mod tracking;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// What the kernel calls this service.
const SERVICE: &str = "application-autoscaling";

/// The service.
#[derive(Debug, Default)]
pub struct ApplicationAutoScaling;

impl Service for ApplicationAutoScaling {
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
                // CloudWatch's word for it.
                "alarm" => scaling::fired(cx, task).await,
                scheduled::RUN => scheduled::run(cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::ScalableTarget), Box::new(cfn::ScalingPolicy)]
    }
}

api::operations! {
    impl api::Operations for ApplicationAutoScaling; |self, cx, input|
    DeleteScalingPolicy => policies::delete(cx, &input).await,
    DeleteScheduledAction => scheduled::delete(cx, &input).await,
    DeregisterScalableTarget => targets::deregister(cx, &input).await,
    DescribeScalableTargets => targets::describe(cx, &input),
    DescribeScalingActivities => activities::describe(cx, &input),
    DescribeScalingPolicies => policies::describe(cx, &input).await,
    DescribeScheduledActions => scheduled::describe(cx, &input),
    ListTagsForResource => tags::list(cx, &input),
    PutScalingPolicy => policies::put(cx, input).await,
    PutScheduledAction => scheduled::put(cx, input).await,
    RegisterScalableTarget => targets::register(cx, input).await,
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, &input).await,
}
