//! The service as the kernel sees it: its operations, what they need to be allowed, its tasks.

use std::borrow::Cow;

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::policy::MapContext;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Access, Answer, Cx, Failure, Next, Record, Result, Service, Task};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::{
    Kinesis, account, api, cfn, consumers, create, describe, encryption, get, mode, monitoring, name, permission,
    policies, put, reshard, retention, settle, shards, subscribe, tags,
};

/// The operations that move records.
pub(crate) const DATA: &[&str] = &["GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"];

impl Service for Kinesis {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        match input.as_fields().map(|fields| name::home(cx, fields)) {
            Some(Cow::Owned(home)) => Box::pin(async move { api::call(self, &home, operation, input).await }),
            _ => api::call(self, cx, operation, input),
        }
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        permission::access(cx, operation, input)
    }

    fn conditions(&self, cx: &Cx, _: &'static Operation, input: &Fields, _: &Access) -> Result<MapContext> {
        permission::conditions(cx, input)
    }

    fn throttled(&self, _operation: &'static Operation) -> undercast_kernel::AwsError {
        api::errors::provisioned_throughput_exceeded_exception("Rate exceeded")
    }

    fn data_events(&self) -> &'static [&'static str] {
        DATA
    }

    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        name::event_resources(record, parameters)
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(cfn::Stream), Box::new(cfn::StreamConsumer), Box::new(cfn::ResourcePolicy)]
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move {
            match task.kind.as_str() {
                settle::SETTLING => settle::run(cx, task).await,
                settle::REMOVING => settle::remove_records(cx, task).await,
                retention::TRIMMING => retention::run(cx, task).await,
                other => Err(Failure::broken(format!("kinesis has no task `{other}`"))),
            }
        })
    }
}

api::operations! {
    impl api::Operations for Kinesis; |self, cx, input|
    AddTagsToStream => tags::add_to_stream(cx, input).await,
    CreateStream => create::create(cx, input).await,
    DecreaseStreamRetentionPeriod => retention::decrease(cx, input).await,
    DeleteResourcePolicy => policies::delete(cx, input).await,
    DeleteStream => create::delete(cx, input).await,
    DeregisterStreamConsumer => consumers::deregister(cx, input).await,
    DescribeAccountSettings => account::describe_settings(cx),
    DescribeLimits => account::describe_limits(cx),
    DescribeStream => describe::stream(self, cx, input).await,
    DescribeStreamConsumer => consumers::describe(cx, input).await,
    DescribeStreamSummary => describe::summary(self, cx, input).await,
    DisableEnhancedMonitoring => monitoring::disable(cx, input).await,
    EnableEnhancedMonitoring => monitoring::enable(cx, input).await,
    GetRecords => get::records(self, cx, input).await,
    GetResourcePolicy => policies::get(cx, &input),
    GetShardIterator => get::iterator(self, cx, input).await,
    IncreaseStreamRetentionPeriod => retention::increase(cx, input).await,
    ListShards => shards::list(self, cx, input).await,
    ListStreamConsumers => consumers::list(cx, &input),
    ListStreams => describe::list(cx, input),
    ListTagsForResource => tags::list_of_resource(cx, &input),
    ListTagsForStream => tags::list_of_stream(cx, &input),
    MergeShards => reshard::merge_shards(cx, input).await,
    PutRecord => put::one(self, cx, input).await,
    PutRecords => put::many(self, cx, input).await,
    PutResourcePolicy => policies::put(cx, input).await,
    RegisterStreamConsumer => consumers::register(cx, input).await,
    RemoveTagsFromStream => tags::remove_from_stream(cx, input).await,
    SplitShard => reshard::split_shard(cx, input).await,
    StartStreamEncryption => encryption::start(cx, input).await,
    StopStreamEncryption => encryption::stop(cx, input).await,
    SubscribeToShard => subscribe::subscribe(self, cx, input).await,
    TagResource => tags::tag(cx, input).await,
    UntagResource => tags::untag(cx, input).await,
    UpdateAccountSettings => account::update_settings(cx, input).await,
    UpdateMaxRecordSize => mode::update_record_size(cx, input).await,
    UpdateShardCount => reshard::update_count(cx, input).await,
    UpdateStreamMode => mode::update(cx, input).await,
    UpdateStreamRecordDistributionStrategy => mode::update_distribution(cx, input).await,
    UpdateStreamWarmThroughput => mode::update_warm_throughput(cx, input).await,
}
