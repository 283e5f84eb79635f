//! Amazon Simple Notification Service: topics, who gets their messages, and what becomes of each.
//!
//! Tables, all by account and region: `sns.topics` (name), `sns.subscriptions` (topic, id); `sns.deduplication` and
//! `sns.sequence` of FIFO topics, `sns.archive` and `sns.replays` of those that are archived; `sns.waiting` (topic, message): messages
//! for which somebody waits, `sns.turns`: their order in a group; `sns.applications`, `sns.endpoints`: devices; `sns.sms`,
//! `sns.sandbox`; `sns.signing`: the key of the signatures.
//!
//! A publication is one transaction: queues of this cloud have the message with its writes, and for everybody else a durable
//! task is stored that comes again until it succeeds or is dead-lettered. E-mails, short messages and notifications of phones go
//! into the inbox.
//! What is not here, and refused: X-Ray's traces, events of platform applications.
//!
//! Start with `message.rs` and `publish.rs`, then `deliver/mod.rs`.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod archive;
mod cfn;
mod deliver;
mod envelope;
mod error;
mod filter;
mod message;
mod metrics;
mod operations;
mod people;
mod permission;
mod platform;
mod protection;
mod publish;
mod retry;
mod rows;
mod sealed;
mod signature;
mod sms;
mod status;
mod subscribe;
mod subscription_attributes;
mod topic_attributes;

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Access, Answer, AwsError, Cx, Failure, Next, Record, Result, Service, Task, Timestamp};
use undercast_wire::check::{Constraint, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Request, Response, Value};

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

    /// What messages say is not told, and no secret of an application.
    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        let names = [
            "message",
            "messageAttributes",
            "oneTimePassword",
            "phoneNumber",
            "platformCredential",
            "PlatformCredential",
            "subject",
            "token",
        ];
        undercast_kernel::hidden(undercast_kernel::event_parameters(operation, parameters), &names)
    }

    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        let topic = parameters["TopicArn"].as_str().filter(|_| self.data_events().contains(&record.operation));
        let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
        topic.map(|arn| json!({"accountId": account(arn), "type": "AWS::SNS::Topic", "ARN": arn})).into_iter().collect()
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input)
    }

    /// A missing member is a `ValidationError`, as AWS answered it; others are invalid parameters.
    fn invalid(&self, operation: &'static Operation, violations: &[Violation]) -> AwsError {
        // Forms do not tell an empty list from none.
        if operation.name == "PublishBatch" && violations.iter().any(|v| v.path == "publishBatchRequestEntries") {
            return error::empty_batch();
        }
        match violations.iter().find(|v| v.constraint != Constraint::Required) {
            None => AwsError::new("ValidationError", 400, undercast_wire::check::message(violations)),
            Some(violation) => error::invalid(format!("Invalid parameter: {}", violation.sentence())),
        }
    }

    fn denied(&self, _access: &Access, message: String) -> AwsError {
        AwsError::new("AuthorizationError", 403, message)
    }

    fn throttled(&self, operation: &'static Operation) -> AwsError {
        if operation.errors.iter().any(|e| e.code == "Throttled") {
            return api::errors::throttled_exception("Rate exceeded");
        }
        AwsError::new("Throttling", 400, "Rate exceeded")
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                "turns" => deliver::turns(cx, task).await,
                "notice" => subscribe::notice(cx, task).await,
                "expire" => subscribe::expire(cx, task).await,
                "replay" => archive::replay(cx, task).await,
                "thin" => archive::thin(cx, task).await,
                "status" => status::run(cx, task).await,
                "forget" => match publish::forget(cx, &task.payload).await? {
                    Some(due) => Timestamp::from_millisecond(due).map(Next::Again).map_err(Failure::broken),
                    None => Ok(Next::Done),
                },
                _ => deliver::run(cx, task).await,
            }
        })
    }

    fn paths(&self) -> &'static [&'static str] {
        &[signature::PATH]
    }

    fn serve<'a>(
        &'a self,
        cx: &'a Cx,
        _site: &'a str,
        _name: &'a str,
        request: Request,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move { signature::serve(cx, &request.path) })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![
            Box::new(cfn::Topic),
            Box::new(cfn::Subscription),
            Box::new(cfn::TopicPolicy),
            Box::new(cfn::TopicInlinePolicy),
        ]
    }
}
