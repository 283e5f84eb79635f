//! Amazon Simple Notification Service: standard topics, subscriptions of queues and functions.
//!
//! Tables, all by account and region: `sns.topics` (name), `sns.subscriptions` (topic, id). A publication is accepted with one
//! transaction that also schedules a delivery a subscription; deliveries are durable tasks that come again until they
//! succeed or are dead-lettered.
//! What is not here yet, and refused: FIFO topics, HTTP(S), e-mail, SMS and mobile push, encryption. Notifications carry no
//! signature yet: a made-up one would be a lie.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod attributes;
mod cfn;
mod deliver;
mod error;
mod filter;
mod operations;
mod permission;
mod publish;
mod rows;
mod subscribe;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, AwsError, Cx, Next, Result, Service, Task};
use undercast_wire::check::{Constraint, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Sns;

impl Service for Sns {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["Publish", "PublishBatch"]
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input)
    }

    /// A missing member is a `ValidationError`, as AWS answered it; others are invalid parameters.
    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        match violations.iter().find(|v| v.constraint != Constraint::Required) {
            None => AwsError::new("ValidationError", 400, undercast_wire::check::message(violations)),
            Some(violation) => error::invalid(format!("Invalid parameter: {}", violation.sentence())),
        }
    }

    fn denied(&self, _access: &Access, message: String) -> AwsError {
        AwsError::new("AuthorizationError", 403, message)
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move { deliver::run(cx, task).await })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Topic), Box::new(cfn::Subscription), Box::new(cfn::TopicPolicy)]
    }
}
