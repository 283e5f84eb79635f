//! The service as the kernel sees it: its operations, what they need to be allowed, its tasks.

use crate::DynamoDb;
use crate::api;
use crate::metrics::{self, Counted};
use crate::permission;
use crate::request;
use crate::tables::describe;
use crate::trail;
use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::store::Snapshot;
use undercast_kernel::{Access, Answer, Cx, Failure, Kernel, Next, Record, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{AwsError, Fields, Value};

/// The operations on items.
pub(crate) const DATA: &[&str] = &[
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "SearchVectors",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
];

impl Service for DynamoDb {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        let name = api::SERVICE.operations.get(operation).map_or("", |operation| operation.name);
        // A table is made where the call goes to, whatever its name says.
        let named = input.as_fields().filter(|_| name != "CreateTable");
        let elsewhere = match named.map(|input| request::elsewhere(cx, input)).transpose() {
            Ok(elsewhere) => elsewhere.flatten(),
            Err(error) => return Box::pin(async move { Err(error.into()) }),
        };
        let sealed = match self.has_encrypted(cx) {
            Ok(any) => any && self.data_events().contains(&name),
            Err(error) => return Box::pin(async move { Err(error.into()) }),
        };
        let strong = match self.has_strong(cx) {
            Ok(any) => any && self.data_events().contains(&name),
            Err(error) => return Box::pin(async move { Err(error.into()) }),
        };
        let counted = Counted::of(name, &input);
        if counted.is_none() && elsewhere.is_none() && !sealed && !strong {
            return api::call(self, cx, operation, input);
        }
        Box::pin(async move {
            let cx = elsewhere.as_ref().unwrap_or(cx);
            let opened = if sealed { self.open_all(cx, &input).await } else { Ok(()) };
            let opened = match opened {
                Ok(()) if strong => self.make_ready(cx, name, &input).await,
                opened => opened,
            };
            let result = match opened {
                Ok(()) => api::call(self, cx, operation, input).await,
                Err(error) => Err(error.into()),
            };
            if let Some(counted) = counted {
                counted.over(cx, &result);
            }
            result
        })
    }

    fn refused(&self, cx: &Cx, failure: &Failure) {
        metrics::refused(cx, failure);
    }

    fn start(&self, kernel: &Kernel) {
        kernel.spawn(metrics::tell(kernel.clone()));
        if let Err(error) = self.pumps.begin_all(kernel) {
            tracing::error!(error = &error as &dyn std::error::Error, "writes are not delivered to streams of Kinesis");
        }
    }

    fn data_events(&self) -> &'static [&'static str] {
        DATA
    }

    /// What is in items is not told.
    fn event_parameters(&self, operation: &'static Operation, record: &Record, parameters: &Json) -> Json {
        if DATA.contains(&record.operation) {
            trail::parameters(operation, parameters)
        } else {
            undercast_kernel::event_parameters(operation, parameters)
        }
    }

    /// Answers have items in them.
    fn event_answer(&self, operation: &'static Operation, record: &Record, answer: &Json) -> Json {
        if DATA.contains(&record.operation) { Json::Null } else { undercast_kernel::event_answer(operation, answer) }
    }

    fn event_resources(&self, _from: &Snapshot, record: &Record, parameters: &Json) -> Vec<Json> {
        if DATA.contains(&record.operation) { trail::resources(record, parameters) } else { Vec::new() }
    }

    fn access(&self, cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
        Ok(permission::access(self, cx, operation, input)?)
    }

    fn invalid(&self, operation: &'static Operation, violations: &[Violation]) -> AwsError {
        crate::violations::invalid(operation, violations)
    }

    fn resource_types(&self) -> Vec<Box<dyn ResourceType>> {
        vec![Box::new(crate::cfn::Table::Simple), Box::new(crate::cfn::Table::Global)]
    }

    fn run<'a>(&'a self, cx: &'a Cx, task: &'a Task) -> BoxFuture<'a, Result<Next>> {
        Box::pin(async move { Ok(self.run_task(cx, task).await?) })
    }
}

api::operations! {
    impl api::Operations for DynamoDb; |self, cx, input|
    BatchExecuteStatement => Ok(self.execute_batch(cx, input).await?),
    BatchGetItem => Ok(self.batch_get(cx, input)?),
    BatchWriteItem => Ok(self.batch_write(cx, input).await?),
    CreateGlobalTable => Ok(self.create_legacy(input)?),
    DescribeGlobalTable => Ok(self.describe_legacy(&input.global_table_name)?),
    DescribeGlobalTableSettings => Ok(self.describe_legacy_settings(&input.global_table_name)?),
    ListGlobalTables => Ok(self.list_legacy(input)?),
    UpdateGlobalTable => Ok(self.update_legacy(input)?),
    UpdateGlobalTableSettings => Ok(self.update_legacy_settings(&input.global_table_name)?),
    CreateBackup => Ok(self.back_up(cx, input).await?),
    CreateTable => Ok(self.create(cx, input).await?),
    DeleteBackup => Ok(DynamoDb::delete_backup(self, cx, &input.backup_arn).await?),
    DeleteItem => Ok(self.delete(cx, input).await?),
    DeleteResourcePolicy => Ok(self.delete_policy(cx, input).await?),
    DeleteTable => Ok(self.drop_table(cx, &input.table_name).await?),
    DescribeBackup => Ok(DynamoDb::describe_backup(self, cx, &input.backup_arn)?),
    DescribeContinuousBackups => Ok(self.describe_recovery(cx, &input.table_name)?),
    DescribeContributorInsights => Ok(self.describe_insights(cx, input)?),
    DescribeEndpoints => Ok(describe::endpoints(cx)),
    DescribeKinesisStreamingDestination => Ok(self.describe_destinations(cx, &input.table_name)?),
    DescribeLimits => Ok(describe::limits()),
    DisableKinesisStreamingDestination => Ok(self.disable_destination(cx, input).await?),
    EnableKinesisStreamingDestination => Ok(self.enable_destination(cx, input).await?),
    DescribeTable => Ok(self.describe(cx, &input.table_name)?),
    DescribeTableReplicaAutoScaling => Ok(self.describe_replica_scaling(cx, &input.table_name).await?),
    DescribeTimeToLive => Ok(self.describe_ttl(cx, &input.table_name)?),
    ExecuteStatement => Ok(self.execute(cx, input).await?),
    DescribeExport => Ok(DynamoDb::describe_export(self, cx, &input.export_arn)?),
    DescribeImport => Ok(DynamoDb::describe_import(self, cx, &input.import_arn)?),
    ExecuteTransaction => Ok(self.transaction(cx, input).await?),
    ExportTableToPointInTime => Ok(self.export(cx, input).await?),
    GetItem => Ok(self.get(cx, input)?),
    GetResourcePolicy => Ok(self.get_policy(cx, &input)?),
    ImportTable => Ok(self.import(cx, input).await?),
    ListBackups => Ok(DynamoDb::list_backups(self, cx, &input)?),
    ListContributorInsights => Ok(self.list_insights(cx, &input)?),
    ListExports => Ok(DynamoDb::list_exports(self, cx, &input)?),
    ListImports => Ok(DynamoDb::list_imports(self, cx, &input)?),
    ListTables => Ok(self.list(cx, &input)?),
    ListTagsOfResource => Ok(self.list_tags(cx, &input)?),
    PutItem => Ok(self.put(cx, input).await?),
    PutResourcePolicy => Ok(self.put_policy(cx, input).await?),
    Query => Ok(self.find(cx, input)?),
    RestoreTableFromBackup => Ok(self.restore_backup(cx, input).await?),
    RestoreTableToPointInTime => Ok(self.restore_moment(cx, input).await?),
    Scan => Ok(self.look_through(cx, input)?),
    SearchVectors => Ok(self.search_vectors(cx, input)?),
    TagResource => Ok(self.tag(cx, input).await?),
    TransactGetItems => Ok(self.transact_get(cx, input)?),
    TransactWriteItems => Ok(self.transact_write(cx, input).await?),
    UntagResource => Ok(self.untag(cx, input).await?),
    UpdateContinuousBackups => Ok(self.update_recovery(cx, input).await?),
    UpdateContributorInsights => Ok(self.update_insights(cx, input).await?),
    UpdateItem => Ok(self.update(cx, input).await?),
    UpdateKinesisStreamingDestination => Ok(self.update_destination(cx, input).await?),
    UpdateTable => Ok(self.change_table(cx, input).await?),
    UpdateTableReplicaAutoScaling => Ok(self.change_replica_scaling(cx, input).await?),
    UpdateTimeToLive => Ok(self.update_ttl(cx, input).await?),
}
