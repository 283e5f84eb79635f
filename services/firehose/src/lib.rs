//! Amazon Data Firehose: records that are put, or that a Kinesis stream has, gather in a buffer and are brought to a bucket in files.
//!
//! Tables, by account and region: `firehose.streams` (name), `firehose.buffers` (id of the stream), `firehose.records` (id, number):
//! records that wait, as ciphertext; `firehose.deliveries` (id): the delivery that is under way, `firehose.places` (id, shard): how far a
//! Kinesis stream was read.
//!
//! Reading order: `stream` (what a stream is), `create` with `check`, `put` and `buffer`, then `deliver`: what waits is taken, goes through
//! `processing`, is arranged in files by `files` with names of `prefix`, and is forgotten once all of them are in the bucket. A delivery has its names
//! before it begins, so that one which a crash cut short writes the same objects again. `source` reads Kinesis streams.
//!
//! Limits: destinations are S3 and HTTP endpoints; others are refused by name. A function is asked anew with each try
//! of an endpoint that refuses. The parts of a dynamically partitioned stream share one
//! buffer, where AWS has one for each, and a backup goes with each delivery, whatever its own hints say. The account's quotas of throughput are not held. A stream is active at once.

pub mod api {
    //! The API, generated from its model.
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

mod access;
mod buffer;
mod cfn;
mod check;
mod convert;
mod create;
mod deliver;
mod describe;
mod encryption;
mod endpoint;
mod error;
mod files;
mod logging;
mod metrics;
mod pattern;
mod prefix;
mod processing;
mod put;
mod source;
mod stream;
mod tags;
mod update;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use encryption::Vault;
use source::Readers;

/// What the kernel calls this service.
const SERVICE: &str = "firehose";
/// The service as policies name it.
const PRINCIPAL: &str = "firehose.amazonaws.com";

/// The service.
#[derive(Debug, Default)]
pub struct Firehose {
    vault: Vault,
    readers: Arc<Readers>,
}

impl Service for Firehose {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        api::call(self, cx, operation, input)
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        access::access(cx, operation, input)
    }

    fn throttled(&self, _operation: &'static Operation) -> undercast_kernel::AwsError {
        api::errors::service_unavailable_exception("Slow down.")
    }

    fn data_events(&self) -> &'static [&'static str] {
        &["PutRecord", "PutRecordBatch"]
    }

    fn start(&self, kernel: &Kernel) {
        source::start(&self.readers, kernel);
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                deliver::DELIVER => deliver::run(self, cx, task).await,
                other => Err(Failure::broken(format!("{SERVICE} has no task `{other}`"))),
            }
        })
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::DeliveryStream)]
    }
}

api::operations! {
    impl api::Operations for Firehose; |self, cx, input|
    CreateDeliveryStream => create::create(self, cx, input).await,
    DeleteDeliveryStream => create::delete(self, cx, &input).await,
    DescribeDeliveryStream => describe::describe(cx, &input),
    ListDeliveryStreams => describe::list(cx, &input),
    ListTagsForDeliveryStream => tags::list(cx, &input),
    PutRecord => put::one(self, cx, input).await,
    PutRecordBatch => put::many(self, cx, input).await,
    StartDeliveryStreamEncryption => encryption::start(self, cx, input).await,
    StopDeliveryStreamEncryption => encryption::stop(self, cx, &input).await,
    TagDeliveryStream => tags::tag(cx, input).await,
    UntagDeliveryStream => tags::untag(cx, &input).await,
    UpdateDestination => update::update(cx, input).await,
}
