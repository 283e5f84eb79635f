//! The service as the kernel sees it: its operations, what they need to be allowed, its tasks.

use crate::DynamoDb;
use crate::api;
use crate::permission;
use crate::tables::describe;
use futures_core::future::BoxFuture;
use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Access, Answer, Cx, Next, Result, Service, Task};
use undercast_wire::check::Violation;
use undercast_wire::schema::Operation;
use undercast_wire::{AwsError, Fields, Value};

impl Service for DynamoDb {
    fn api(&self) -> &'static undercast_wire::Service {
        &api::SERVICE
    }

    fn call<'a>(&'a self, cx: &'a Cx, operation: usize, input: Value) -> Answer<'a> {
        let of_items = || api::SERVICE.operations.get(operation).is_some_and(|o| self.data_events().contains(&o.name));
        match self.has_encrypted(cx) {
            Ok(true) if of_items() => Box::pin(async move {
                self.open_all(cx, &input).await?;
                api::call(self, cx, operation, input).await
            }),
            Ok(_) => api::call(self, cx, operation, input),
            Err(error) => Box::pin(async move { Err(error.into()) }),
        }
    }

    fn data_events(&self) -> &'static [&'static str] {
        &[
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
            "TransactGetItems",
            "TransactWriteItems",
            "UpdateItem",
        ]
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
    CreateBackup => Ok(self.back_up(cx, input).await?),
    CreateTable => Ok(self.create(cx, input).await?),
    DeleteBackup => Ok(DynamoDb::delete_backup(self, cx, &input.backup_arn).await?),
    DeleteItem => Ok(self.delete(cx, input).await?),
    DeleteTable => Ok(self.drop_table(cx, &input.table_name).await?),
    DescribeBackup => Ok(DynamoDb::describe_backup(self, cx, &input.backup_arn)?),
    DescribeContinuousBackups => Ok(self.describe_recovery(cx, &input.table_name)?),
    DescribeEndpoints => Ok(describe::endpoints(cx)),
    DescribeKinesisStreamingDestination => Ok(self.describe_destinations(cx, &input.table_name)?),
    DescribeLimits => Ok(describe::limits()),
    DescribeTable => Ok(self.describe(cx, &input.table_name)?),
    DescribeTimeToLive => Ok(self.describe_ttl(cx, &input.table_name)?),
    ExecuteStatement => Ok(self.execute(cx, input).await?),
    DescribeExport => Ok(DynamoDb::describe_export(self, cx, &input.export_arn)?),
    DescribeImport => Ok(DynamoDb::describe_import(self, cx, &input.import_arn)?),
    ExecuteTransaction => Ok(self.transaction(cx, input).await?),
    ExportTableToPointInTime => Ok(self.export(cx, input).await?),
    GetItem => Ok(self.get(cx, input)?),
    ImportTable => Ok(self.import(cx, input).await?),
    ListBackups => Ok(DynamoDb::list_backups(self, cx, &input)?),
    ListExports => Ok(DynamoDb::list_exports(self, cx, &input)?),
    ListImports => Ok(DynamoDb::list_imports(self, cx, &input)?),
    ListTables => Ok(self.list(cx, &input)?),
    ListTagsOfResource => Ok(self.list_tags(cx, &input)?),
    PutItem => Ok(self.put(cx, input).await?),
    Query => Ok(self.find(cx, input)?),
    RestoreTableFromBackup => Ok(self.restore_backup(cx, input).await?),
    RestoreTableToPointInTime => Ok(self.restore_moment(cx, input).await?),
    Scan => Ok(self.look_through(cx, input)?),
    TagResource => Ok(self.tag(cx, input).await?),
    TransactGetItems => Ok(self.transact_get(cx, input)?),
    TransactWriteItems => Ok(self.transact_write(cx, input).await?),
    UntagResource => Ok(self.untag(cx, input).await?),
    UpdateContinuousBackups => Ok(self.update_recovery(cx, input).await?),
    UpdateItem => Ok(self.update(cx, input).await?),
    UpdateTable => Ok(self.change_table(cx, input).await?),
    UpdateTimeToLive => Ok(self.update_ttl(cx, input).await?),
}
