//! AWS CloudFormation.
//!
//! [`template`] is the template language, without any input or output: what a template says, whether it is well
//! formed, in which order its resources come, and what their properties are once parameters and the attributes of
//! other resources are known. The stacks that carry it out build on it.
//!
//! Tables, all by account and region: `cloudformation.stacks` (unique id), `cloudformation.names` (stack name → unique id),
//! `cloudformation.resources` (stack, logical id), `cloudformation.events` (stack, number), `cloudformation.change_sets`
//! (stack, name), `cloudformation.exports` (name), `cloudformation.imports` (export, stack).
//!
//! A deployment is a durable task that works through the resources and stores each step; after a crash it goes on where it was.
//! Resource types are those that the services of this cloud bring along. Start with `deploy.rs`.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

pub mod template;

mod change_sets;
mod deploy;
mod describe;
mod error;
mod known;
mod operations;
mod plan;
mod references;
mod remove;
mod rollback;
mod rows;
mod summary;
mod tokens;
mod types;

use futures_core::future::BoxFuture;
use undercast_kernel::{Access, Answer, AwsError, Cx, Next, Result, Service, Task};
use undercast_wire::check::{self, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct CloudFormation;

impl Service for CloudFormation {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    /// A stack is `arn:aws:cloudformation:region:account:stack/name/id`; a role to pass needs `iam:PassRole`.
    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        let named = input.text("StackName").or_else(|| input.text("ChangeSetName").filter(|n| n.starts_with("arn:")));
        let resource = match named {
            Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
            Some(name) => {
                rows::stack_arn_of(cx, name)?.unwrap_or_else(|| cx.arn("cloudformation", &format!("stack/{name}/*")))
            }
            None => "*".to_owned(),
        };
        let mut needed = vec![Access::new(format!("cloudformation:{}", operation.name), resource)];
        if let Some(role) = input.text("RoleARN") {
            needed.push(Access::passing(cx, role, "cloudformation.amazonaws.com"));
        }
        Ok(needed)
    }

    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        error::validation(check::message(violations))
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move { deploy::run(cx, task).await })
    }
}
