//! Global tables of version 2017.11.29, of which AWS lets none be made any more: they can be looked for, and are not there.
//!
//! Source: what AWS answers, as measured in 2026.

use crate::DynamoDb;
use crate::api::{
    CreateGlobalTableInput, CreateGlobalTableOutput, DescribeGlobalTableOutput, DescribeGlobalTableSettingsOutput,
    ListGlobalTablesInput, ListGlobalTablesOutput, UpdateGlobalTableInput, UpdateGlobalTableOutput,
    UpdateGlobalTableSettingsOutput,
};
use crate::error::{Error, Result};
use undercast_kernel::regions;

impl DynamoDb {
    /// Refuses to make a global table of that version.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn create_legacy(&self, input: CreateGlobalTableInput) -> Result<CreateGlobalTableOutput> {
        let regions: Vec<_> = input.replication_group.into_iter().filter_map(|replica| replica.region_name).collect();
        tracing::debug!(
            table = input.global_table_name,
            ?regions,
            "a global table of version 2017.11.29 was asked for"
        );
        Err(not_supported())
    }

    /// Refuses to change one.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn update_legacy(&self, input: UpdateGlobalTableInput) -> Result<UpdateGlobalTableOutput> {
        if input.replica_updates.is_empty() {
            return Err(Error::validation("One or more parameter values were invalid"));
        }
        for update in input.replica_updates {
            if let Some(replica) = update.create {
                tracing::debug!(region = replica.region_name, "a replica of version 2017.11.29 was asked for");
                return Err(not_supported());
            }
            if let Some(replica) = update.delete {
                tracing::debug!(
                    region = replica.region_name,
                    "the end of a replica of version 2017.11.29 was asked for"
                );
            }
        }
        Err(Error::global_table_not_found(&input.global_table_name))
    }

    /// Looks for one.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn describe_legacy(&self, name: &str) -> Result<DescribeGlobalTableOutput> {
        Err(Error::global_table("Global table not found: ", name))
    }

    /// Looks for the settings of one.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn describe_legacy_settings(&self, name: &str) -> Result<DescribeGlobalTableSettingsOutput> {
        Err(Error::global_table_not_found(name))
    }

    /// Refuses to change the settings of one.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn update_legacy_settings(&self, name: &str) -> Result<UpdateGlobalTableSettingsOutput> {
        Err(Error::global_table_not_found(name))
    }

    /// All of them: none.
    ///
    /// # Errors
    /// When the region that is asked about is none.
    pub(crate) fn list_legacy(&self, input: ListGlobalTablesInput) -> Result<ListGlobalTablesOutput> {
        if input.region_name.is_some_and(|region| !regions::exists(&region)) {
            return Err(Error::internal("Internal server error"));
        }
        // Of none there are none behind another, and no page has too many.
        tracing::debug!(after = input.exclusive_start_global_table_name, limit = input.limit, "there are none");
        Ok(ListGlobalTablesOutput { global_tables: Some(Vec::new()), last_evaluated_global_table_name: None })
    }
}

fn not_supported() -> Error {
    Error::invalid(
        "DynamoDB global tables version 2017.11.29 is not supported. We recommend using DynamoDB global tables version \
         2019.11.21, instead of version 2017.11.29 (Legacy).",
    )
}
