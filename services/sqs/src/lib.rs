//! Amazon Simple Queue Service.
//!
//! Tables: `sqs.queues` (account, region, name), `sqs.messages` (queue, number): where a message stands; `sqs.bodies`
//! (queue, number): what it says, never changed; `sqs.order`: standard queues by the moment a message can be seen, FIFO
//! queues by number. A queue's key is its unique id, so that a queue made anew under an old name begins empty.
//! `sqs.keys`: data keys of KMS; `sqs.grouped`: fair queues; `sqs.room`: how many more can be in flight.
//! Limits: 1 MiB a message and a batch, 10 entries a batch, 14 days, 12 hours invisible, 5 minutes of deduplication, 120,000 in flight.
//!
//! Start with `queue.rs` (what a queue is), then `send.rs` and `receive.rs`.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod attributes;
mod batch;
mod cfn;
mod encryption;
mod error;
mod fair;
mod flight;
mod message;
mod metrics;
mod move_task;
mod operations;
mod permission;
mod queue;
mod receive;
mod send;
mod sweep;
mod visibility;

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Access, Answer, AwsError, Cx, Kernel, Next, Ready, Record, Result, Service, Task};
use undercast_wire::check::{Constraint, Violation};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The service.
#[derive(Debug, Default)]
pub struct Sqs;

impl Service for Sqs {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn data_events(&self) -> &'static [&'static str] {
        &[
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
        ]
    }

    /// What messages say is not told.
    fn event_parameters(&self, operation: &'static Operation, _record: &Record, parameters: &Json) -> Json {
        undercast_kernel::hidden(
            undercast_kernel::event_parameters(operation, parameters),
            &["messageBody", "messageAttributes"],
        )
    }

    /// Messages are not told of, where they are answered either.
    fn event_answer(&self, operation: &'static Operation, record: &Record, answer: &Json) -> Json {
        if record.operation == "ReceiveMessage" {
            Json::Null
        } else {
            undercast_kernel::event_answer(operation, answer)
        }
    }

    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        let url = parameters["QueueUrl"].as_str().filter(|_| self.data_events().contains(&record.operation));
        let named = url.and_then(|url| {
            let mut parts = url.trim_end_matches('/').rsplit('/');
            let (name, account) = (parts.next()?, parts.next().unwrap_or(&record.account));
            let partition = undercast_kernel::regions::partition(&record.region);
            let arn = format!("arn:{partition}:sqs:{}:{account}:{name}", record.region);
            Some(json!({"accountId": account, "type": "AWS::SQS::Queue", "ARN": arn}))
        });
        named.into_iter().collect()
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input)
    }

    /// SQS has its own words for what the model requires.
    fn invalid(&self, _operation: &'static Operation, violations: &[Violation]) -> AwsError {
        let first = violations.first();
        match first.map(|v| &v.constraint) {
            Some(Constraint::Required) => error::missing(&capital(first.map_or("", |v| v.path.as_str()))),
            _ => {
                let reasons: Vec<String> = violations.iter().map(Violation::sentence).collect();
                error::invalid_value(format!("One or more parameters are invalid. Reason: {}", reasons.join("; ")))
            }
        }
    }

    fn denied(&self, access: &Access, message: String) -> AwsError {
        // SQS answers in the query protocol's code on both protocols, and never says why.
        let end = message.find(" because ").or_else(|| message.find(" with an explicit deny")).unwrap_or(message.len());
        let because =
            if message[end..].contains("identity-based") { message.clone() } else { message[..end].to_owned() };
        AwsError {
            name: "AccessDeniedException".into(),
            ..AwsError::new("AccessDenied", 403, format_denial(access, &because))
        }
    }

    fn measure(&self, kernel: &Kernel) -> Result<()> {
        metrics::measure(kernel)
    }

    fn throttled(&self, _operation: &'static Operation) -> AwsError {
        api::errors::request_throttled("Rate exceeded")
    }

    fn prepare(&self, cx: &Cx, operation: usize, input: Value) -> Result<Option<Box<dyn Ready>>> {
        match api::SERVICE.operations.get(operation).map(|o| o.name) {
            Some("SendMessage") => send::prepare(cx, api::SendMessageInput::read(input)),
            _ => Ok(None),
        }
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                "move" => move_task::step(cx, task).await,
                _ => sweep::run(cx, task).await,
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Queue), Box::new(cfn::QueuePolicy), Box::new(cfn::QueueInlinePolicy)]
    }
}

/// SQS names actions in small letters in this sentence.
fn format_denial(access: &Access, message: &str) -> String {
    message.replace(access.action.as_ref(), &access.action.to_lowercase())
}

/// A member's path with the first letter large again, as SQS names parameters.
fn capital(path: &str) -> String {
    let mut chars = path.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}
