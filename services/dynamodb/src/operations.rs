//! The service as the kernel sees it: its operations, what they need to be allowed, its tasks.

use crate::DynamoDb;
use crate::api::{
    self, BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchGetItemInput, BatchGetItemOutput,
    BatchWriteItemInput, BatchWriteItemOutput, CreateBackupInput, CreateBackupOutput, CreateTableInput,
    CreateTableOutput, DeleteBackupInput, DeleteBackupOutput, DeleteItemInput, DeleteItemOutput, DeleteTableInput,
    DeleteTableOutput, DescribeBackupInput, DescribeBackupOutput, DescribeContinuousBackupsInput,
    DescribeContinuousBackupsOutput, DescribeEndpointsInput, DescribeEndpointsOutput,
    DescribeKinesisStreamingDestinationInput, DescribeKinesisStreamingDestinationOutput, DescribeLimitsInput,
    DescribeLimitsOutput, DescribeTableInput, DescribeTableOutput, DescribeTimeToLiveInput, DescribeTimeToLiveOutput,
    ExecuteStatementInput, ExecuteStatementOutput, ExecuteTransactionInput, ExecuteTransactionOutput, GetItemInput,
    GetItemOutput, ListBackupsInput, ListBackupsOutput, ListTablesInput, ListTablesOutput, ListTagsOfResourceInput,
    ListTagsOfResourceOutput, PutItemInput, PutItemOutput, QueryInput, QueryOutput, RestoreTableFromBackupInput,
    RestoreTableFromBackupOutput, RestoreTableToPointInTimeInput, RestoreTableToPointInTimeOutput, ScanInput,
    ScanOutput, TagResourceInput, TransactGetItemsInput, TransactGetItemsOutput, TransactWriteItemsInput,
    TransactWriteItemsOutput, UntagResourceInput, UpdateContinuousBackupsInput, UpdateContinuousBackupsOutput,
    UpdateItemInput, UpdateItemOutput, UpdateTableInput, UpdateTableOutput, UpdateTimeToLiveInput,
    UpdateTimeToLiveOutput,
};
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
        api::call(self, cx, operation, input)
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

impl api::Operations for DynamoDb {
    async fn batch_execute_statement(
        &self,
        cx: &Cx,
        input: BatchExecuteStatementInput,
    ) -> Result<BatchExecuteStatementOutput> {
        Ok(self.execute_batch(cx, input).await?)
    }

    async fn batch_get_item(&self, cx: &Cx, input: BatchGetItemInput) -> Result<BatchGetItemOutput> {
        Ok(self.batch_get(cx, input)?)
    }

    async fn batch_write_item(&self, cx: &Cx, input: BatchWriteItemInput) -> Result<BatchWriteItemOutput> {
        Ok(self.batch_write(cx, input).await?)
    }

    async fn create_backup(&self, cx: &Cx, input: CreateBackupInput) -> Result<CreateBackupOutput> {
        Ok(self.back_up(cx, input).await?)
    }

    async fn create_table(&self, cx: &Cx, input: CreateTableInput) -> Result<CreateTableOutput> {
        Ok(self.create(cx, input).await?)
    }

    async fn delete_backup(&self, cx: &Cx, input: DeleteBackupInput) -> Result<DeleteBackupOutput> {
        Ok(DynamoDb::delete_backup(self, cx, &input.backup_arn).await?)
    }

    async fn delete_item(&self, cx: &Cx, input: DeleteItemInput) -> Result<DeleteItemOutput> {
        Ok(self.delete(cx, input).await?)
    }

    async fn delete_table(&self, cx: &Cx, input: DeleteTableInput) -> Result<DeleteTableOutput> {
        Ok(self.drop_table(cx, &input.table_name).await?)
    }

    async fn describe_backup(&self, cx: &Cx, input: DescribeBackupInput) -> Result<DescribeBackupOutput> {
        Ok(DynamoDb::describe_backup(self, cx, &input.backup_arn)?)
    }

    async fn describe_continuous_backups(
        &self,
        cx: &Cx,
        input: DescribeContinuousBackupsInput,
    ) -> Result<DescribeContinuousBackupsOutput> {
        Ok(self.describe_recovery(cx, &input.table_name)?)
    }

    async fn describe_endpoints(&self, cx: &Cx, _input: DescribeEndpointsInput) -> Result<DescribeEndpointsOutput> {
        Ok(describe::endpoints(cx))
    }

    async fn describe_kinesis_streaming_destination(
        &self,
        cx: &Cx,
        input: DescribeKinesisStreamingDestinationInput,
    ) -> Result<DescribeKinesisStreamingDestinationOutput> {
        Ok(self.describe_destinations(cx, &input.table_name)?)
    }

    async fn describe_limits(&self, _cx: &Cx, _input: DescribeLimitsInput) -> Result<DescribeLimitsOutput> {
        Ok(describe::limits())
    }

    async fn describe_table(&self, cx: &Cx, input: DescribeTableInput) -> Result<DescribeTableOutput> {
        Ok(self.describe(cx, &input.table_name)?)
    }

    async fn describe_time_to_live(&self, cx: &Cx, input: DescribeTimeToLiveInput) -> Result<DescribeTimeToLiveOutput> {
        Ok(self.describe_ttl(cx, &input.table_name)?)
    }

    async fn execute_statement(&self, cx: &Cx, input: ExecuteStatementInput) -> Result<ExecuteStatementOutput> {
        Ok(self.execute(cx, input).await?)
    }

    async fn execute_transaction(&self, cx: &Cx, input: ExecuteTransactionInput) -> Result<ExecuteTransactionOutput> {
        Ok(self.transaction(cx, input).await?)
    }

    async fn get_item(&self, cx: &Cx, input: GetItemInput) -> Result<GetItemOutput> {
        Ok(self.get(cx, input)?)
    }

    async fn list_backups(&self, cx: &Cx, input: ListBackupsInput) -> Result<ListBackupsOutput> {
        Ok(DynamoDb::list_backups(self, cx, &input)?)
    }

    async fn list_tables(&self, cx: &Cx, input: ListTablesInput) -> Result<ListTablesOutput> {
        Ok(self.list(cx, &input)?)
    }

    async fn list_tags_of_resource(&self, cx: &Cx, input: ListTagsOfResourceInput) -> Result<ListTagsOfResourceOutput> {
        Ok(self.list_tags(cx, &input)?)
    }

    async fn put_item(&self, cx: &Cx, input: PutItemInput) -> Result<PutItemOutput> {
        Ok(self.put(cx, input).await?)
    }

    async fn query(&self, cx: &Cx, input: QueryInput) -> Result<QueryOutput> {
        Ok(self.find(cx, input)?)
    }

    async fn restore_table_from_backup(
        &self,
        cx: &Cx,
        input: RestoreTableFromBackupInput,
    ) -> Result<RestoreTableFromBackupOutput> {
        Ok(self.restore_backup(cx, input).await?)
    }

    async fn restore_table_to_point_in_time(
        &self,
        cx: &Cx,
        input: RestoreTableToPointInTimeInput,
    ) -> Result<RestoreTableToPointInTimeOutput> {
        Ok(self.restore_moment(cx, input).await?)
    }

    async fn scan(&self, cx: &Cx, input: ScanInput) -> Result<ScanOutput> {
        Ok(self.look_through(cx, input)?)
    }

    async fn tag_resource(&self, cx: &Cx, input: TagResourceInput) -> Result<()> {
        Ok(self.tag(cx, input).await?)
    }

    async fn transact_get_items(&self, cx: &Cx, input: TransactGetItemsInput) -> Result<TransactGetItemsOutput> {
        Ok(self.transact_get(cx, input)?)
    }

    async fn transact_write_items(&self, cx: &Cx, input: TransactWriteItemsInput) -> Result<TransactWriteItemsOutput> {
        Ok(self.transact_write(cx, input).await?)
    }

    async fn untag_resource(&self, cx: &Cx, input: UntagResourceInput) -> Result<()> {
        Ok(self.untag(cx, input).await?)
    }

    async fn update_continuous_backups(
        &self,
        cx: &Cx,
        input: UpdateContinuousBackupsInput,
    ) -> Result<UpdateContinuousBackupsOutput> {
        Ok(self.update_recovery(cx, input).await?)
    }

    async fn update_item(&self, cx: &Cx, input: UpdateItemInput) -> Result<UpdateItemOutput> {
        Ok(self.update(cx, input).await?)
    }

    async fn update_table(&self, cx: &Cx, input: UpdateTableInput) -> Result<UpdateTableOutput> {
        Ok(self.change_table(cx, input).await?)
    }

    async fn update_time_to_live(&self, cx: &Cx, input: UpdateTimeToLiveInput) -> Result<UpdateTimeToLiveOutput> {
        Ok(self.update_ttl(cx, input).await?)
    }
}
