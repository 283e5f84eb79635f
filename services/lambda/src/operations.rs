//! The operations, each where its subject is.

use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::function::{FUNCTIONS, FunctionName};
use crate::{Lambda, configuration, error, invoke, mapping, policy, pool, tags, url};

impl api::Operations for Lambda {
    async fn add_permission(&self, cx: &Cx, input: api::AddPermissionInput) -> Result<api::AddPermissionOutput> {
        policy::add(cx, input).await
    }

    async fn create_event_source_mapping(
        &self,
        cx: &Cx,
        input: api::CreateEventSourceMappingInput,
    ) -> Result<api::CreateEventSourceMappingOutput> {
        mapping::create(&self.state, cx, input).await
    }

    async fn create_function(&self, cx: &Cx, input: api::CreateFunctionInput) -> Result<api::CreateFunctionOutput> {
        configuration::create(&self.state, cx, input).await
    }

    async fn create_function_url_config(
        &self,
        cx: &Cx,
        input: api::CreateFunctionUrlConfigInput,
    ) -> Result<api::CreateFunctionUrlConfigOutput> {
        url::create(cx, input).await
    }

    async fn delete_event_source_mapping(
        &self,
        cx: &Cx,
        input: api::DeleteEventSourceMappingInput,
    ) -> Result<api::DeleteEventSourceMappingOutput> {
        mapping::delete(&self.state, cx, &input.uuid).await
    }

    async fn delete_function(&self, cx: &Cx, input: api::DeleteFunctionInput) -> Result<api::DeleteFunctionOutput> {
        configuration::delete(&self.state, cx, input).await
    }

    async fn delete_function_concurrency(&self, cx: &Cx, input: api::DeleteFunctionConcurrencyInput) -> Result<()> {
        set_reserved(cx, &input.function_name, None).await
    }

    async fn delete_function_url_config(&self, cx: &Cx, input: api::DeleteFunctionUrlConfigInput) -> Result<()> {
        url::delete(cx, &input.function_name).await
    }

    async fn get_account_settings(
        &self,
        cx: &Cx,
        _input: api::GetAccountSettingsInput,
    ) -> Result<api::GetAccountSettingsOutput> {
        let all = FUNCTIONS.all(&cx.read(), &(cx.account(), cx.region()))?;
        let size: u64 = all.iter().map(|e| e.row.code.size).sum();
        let unreserved = pool::ACCOUNT_LIMIT - pool::reserved(cx, cx.account(), cx.region())?;
        Ok(api::GetAccountSettingsOutput {
            account_limit: Some(output::AccountLimit {
                total_code_size: Some(80_530_636_800),
                code_size_unzipped: Some(262_144_000),
                code_size_zipped: Some(52_428_800),
                concurrent_executions: Some(pool::ACCOUNT_LIMIT),
                unreserved_concurrent_executions: Some(unreserved),
            }),
            account_usage: Some(output::AccountUsage {
                total_code_size: i64::try_from(size).ok(),
                function_count: i64::try_from(all.len()).ok(),
            }),
        })
    }

    async fn get_event_source_mapping(
        &self,
        cx: &Cx,
        input: api::GetEventSourceMappingInput,
    ) -> Result<api::GetEventSourceMappingOutput> {
        mapping::get(cx, &input.uuid)
    }

    async fn get_function(&self, cx: &Cx, input: api::GetFunctionInput) -> Result<api::GetFunctionOutput> {
        configuration::get(&self.state, cx, input).await
    }

    async fn get_function_concurrency(
        &self,
        cx: &Cx,
        input: api::GetFunctionConcurrencyInput,
    ) -> Result<api::GetFunctionConcurrencyOutput> {
        let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &cx.read())?;
        Ok(api::GetFunctionConcurrencyOutput { reserved_concurrent_executions: function.reserved })
    }

    async fn get_function_configuration(
        &self,
        cx: &Cx,
        input: api::GetFunctionConfigurationInput,
    ) -> Result<api::GetFunctionConfigurationOutput> {
        let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
        Ok(configuration::show(cx, &name.find(cx, &cx.read())?))
    }

    async fn get_function_url_config(
        &self,
        cx: &Cx,
        input: api::GetFunctionUrlConfigInput,
    ) -> Result<api::GetFunctionUrlConfigOutput> {
        url::get(cx, &input.function_name)
    }

    async fn get_policy(&self, cx: &Cx, input: api::GetPolicyInput) -> Result<api::GetPolicyOutput> {
        policy::get(cx, &input)
    }

    async fn invoke(&self, cx: &Cx, input: api::InvokeInput) -> Result<api::InvokeOutput> {
        invoke::invoke(&self.state, cx, input).await
    }

    async fn list_event_source_mappings(
        &self,
        cx: &Cx,
        input: api::ListEventSourceMappingsInput,
    ) -> Result<api::ListEventSourceMappingsOutput> {
        mapping::list(cx, input)
    }

    async fn list_function_url_configs(
        &self,
        cx: &Cx,
        input: api::ListFunctionUrlConfigsInput,
    ) -> Result<api::ListFunctionUrlConfigsOutput> {
        url::list(cx, input)
    }

    async fn list_functions(&self, cx: &Cx, input: api::ListFunctionsInput) -> Result<api::ListFunctionsOutput> {
        configuration::list(cx, input)
    }

    async fn list_tags(&self, cx: &Cx, input: api::ListTagsInput) -> Result<api::ListTagsOutput> {
        Ok(api::ListTagsOutput { tags: Some(tags::list(cx, &input.resource)?) })
    }

    /// Nothing is published, so that `$LATEST` is all there is.
    async fn list_versions_by_function(
        &self,
        cx: &Cx,
        input: api::ListVersionsByFunctionInput,
    ) -> Result<api::ListVersionsByFunctionOutput> {
        if let Some(marker) = input.marker {
            return Err(error::invalid(format!("Invalid Marker: {marker}")));
        }
        let most = usize::try_from(input.max_items.unwrap_or(50)).unwrap_or(50);
        let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &cx.read())?;
        let mut latest = configuration::show(cx, &function);
        latest.function_arn = Some(format!("{}:$LATEST", function.arn(cx)));
        let versions = Some(std::iter::once(latest).take(most).collect());
        Ok(api::ListVersionsByFunctionOutput { next_marker: None, versions })
    }

    async fn put_function_concurrency(
        &self,
        cx: &Cx,
        input: api::PutFunctionConcurrencyInput,
    ) -> Result<api::PutFunctionConcurrencyOutput> {
        let reserved = input.reserved_concurrent_executions;
        set_reserved(cx, &input.function_name, Some(reserved)).await?;
        Ok(api::PutFunctionConcurrencyOutput { reserved_concurrent_executions: Some(reserved) })
    }

    async fn remove_permission(&self, cx: &Cx, input: api::RemovePermissionInput) -> Result<()> {
        policy::remove(cx, input).await
    }

    async fn tag_resource(&self, cx: &Cx, input: api::TagResourceInput) -> Result<()> {
        tags::tag(cx, &input.resource, input.tags).await
    }

    async fn untag_resource(&self, cx: &Cx, input: api::UntagResourceInput) -> Result<()> {
        tags::untag(cx, &input.resource, &input.tag_keys).await
    }

    async fn update_event_source_mapping(
        &self,
        cx: &Cx,
        input: api::UpdateEventSourceMappingInput,
    ) -> Result<api::UpdateEventSourceMappingOutput> {
        mapping::update(&self.state, cx, input).await
    }

    async fn update_function_code(
        &self,
        cx: &Cx,
        input: api::UpdateFunctionCodeInput,
    ) -> Result<api::UpdateFunctionCodeOutput> {
        configuration::update_code(&self.state, cx, input).await
    }

    async fn update_function_configuration(
        &self,
        cx: &Cx,
        input: api::UpdateFunctionConfigurationInput,
    ) -> Result<api::UpdateFunctionConfigurationOutput> {
        configuration::update(&self.state, cx, input).await
    }

    async fn update_function_url_config(
        &self,
        cx: &Cx,
        input: api::UpdateFunctionUrlConfigInput,
    ) -> Result<api::UpdateFunctionUrlConfigOutput> {
        url::update(cx, input).await
    }
}

/// Reserves a part of the account's limit for a function, or gives it back.
async fn set_reserved(cx: &Cx, name: &str, reserved: Option<i32>) -> Result<()> {
    let name = FunctionName::parse(cx, name, None)?;
    cx.write(|tx| {
        let mut function = name.find(cx, tx)?;
        let all = FUNCTIONS.all(tx, &(&function.account, &function.region))?;
        let others: i32 = all.iter().filter(|e| e.row.name != function.name).filter_map(|e| e.row.reserved).sum();
        if others.saturating_add(reserved.unwrap_or(0)) > pool::ACCOUNT_LIMIT - pool::UNRESERVED_LEAST {
            return Err(error::invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{}].",
                pool::UNRESERVED_LEAST
            )));
        }
        function.reserved = reserved;
        function.put(tx);
        Ok(())
    })
    .await
}
