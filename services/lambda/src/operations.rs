//! The operations, each where its subject is.

use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::function::{FUNCTIONS, FunctionName};
use crate::{
    Lambda, alias, configuration, error, event_config, invoke, layer, mapping, policy, pool, provisioned, runtimes,
    signing, streamed, tags, url, version,
};

api::operations! {
    impl api::Operations for Lambda; |self, cx, input|
    AddLayerVersionPermission => layer::policy::add(cx, input).await,
    AddPermission => policy::add(cx, input).await,
    CreateAlias => alias::create(cx, input).await,
    CreateCodeSigningConfig => signing::create(cx, input).await,
    CreateEventSourceMapping => mapping::create(&self.state, cx, input).await,
    CreateFunction => configuration::create(&self.state, cx, input).await,
    CreateFunctionUrlConfig => url::create(cx, input).await,
    DeleteAlias => alias::delete(&self.state, cx, &input.function_name, &input.name).await,
    DeleteCodeSigningConfig => signing::delete(cx, &input.code_signing_config_arn).await,
    DeleteEventSourceMapping => mapping::delete(&self.state, cx, &input.uuid).await,
    DeleteFunction => configuration::delete(&self.state, cx, input).await,
    DeleteFunctionCodeSigningConfig => signing::take_away(cx, &input.function_name).await,
    DeleteFunctionConcurrency => set_reserved(cx, &input.function_name, None).await,
    DeleteFunctionEventInvokeConfig => event_config::delete(cx, &input).await,
    DeleteFunctionUrlConfig => url::delete(cx, &input).await,
    DeleteLayerVersion => layer::delete(cx, &input).await,
    DeleteProvisionedConcurrencyConfig => provisioned::delete(&self.state, cx, &input).await,
    GetAccountSettings => account_settings(cx),
    GetAlias => alias::get(cx, &input),
    GetCodeSigningConfig => signing::get(cx, &input.code_signing_config_arn),
    GetEventSourceMapping => mapping::get(&self.state, cx, &input.uuid),
    GetFunction => configuration::get(&self.state, cx, input).await,
    GetFunctionCodeSigningConfig => signing::of(cx, &input.function_name),
    GetFunctionConcurrency => concurrency(cx, &input),
    GetFunctionConfiguration => shown_configuration(cx, &input),
    GetFunctionEventInvokeConfig => event_config::get(cx, &input),
    GetFunctionUrlConfig => url::get(cx, &input),
    GetLayerVersion => layer::get(&self.state, cx, &input),
    GetLayerVersionByArn => layer::get_by_arn(&self.state, cx, &input.arn),
    GetLayerVersionPolicy => layer::policy::get(cx, &input),
    GetPolicy => policy::get(cx, &input),
    GetProvisionedConcurrencyConfig => provisioned::get(&self.state, cx, &input),
    GetRuntimeManagementConfig => runtimes::management(cx, &input.function_name, input.qualifier.as_deref()),
    Invoke => invoke::invoke(&self.state, cx, input).await,
    InvokeWithResponseStream => streamed::invoke(&self.state, cx, input).await,
    InvokeAsync => invoke::invoke_async(cx, input).await,
    ListAliases => alias::list(cx, &input),
    ListCodeSigningConfigs => signing::list(cx, &input),
    ListEventSourceMappings => mapping::list(&self.state, cx, input),
    ListFunctionEventInvokeConfigs => event_config::list(cx, &input),
    ListFunctionUrlConfigs => url::list(cx, &input),
    ListFunctions => configuration::list(cx, input),
    ListFunctionsByCodeSigningConfig => signing::list_functions(cx, &input),
    ListLayerVersions => layer::list_versions(cx, input),
    ListLayers => layer::list(cx, input),
    ListProvisionedConcurrencyConfigs => provisioned::list(&self.state, cx, &input),
    ListTags => Ok(api::ListTagsOutput { tags: Some(tags::list(cx, &input.resource)?) }),
    ListVersionsByFunction => version::list(cx, &input),
    PublishLayerVersion => layer::publish(&self.state, cx, input).await,
    PublishVersion => version::publish_version(cx, input).await,
    PutFunctionCodeSigningConfig => signing::put(cx, &input).await,
    PutFunctionConcurrency => put_concurrency(cx, &input).await,
    PutFunctionEventInvokeConfig => event_config::put(cx, input).await,
    PutProvisionedConcurrencyConfig => provisioned::put(&self.state, cx, input).await,
    PutRuntimeManagementConfig => runtimes::manage(cx, &input),
    RemoveLayerVersionPermission => layer::policy::remove(cx, input).await,
    RemovePermission => policy::remove(cx, input).await,
    TagResource => tags::tag(cx, &input.resource, input.tags).await,
    UntagResource => tags::untag(cx, &input.resource, &input.tag_keys).await,
    UpdateAlias => alias::update(&self.state, cx, input).await,
    UpdateCodeSigningConfig => signing::update(cx, input).await,
    UpdateEventSourceMapping => mapping::update(&self.state, cx, input).await,
    UpdateFunctionCode => configuration::update_code(&self.state, cx, input).await,
    UpdateFunctionConfiguration => configuration::update(&self.state, cx, input).await,
    UpdateFunctionEventInvokeConfig => event_config::update(cx, input).await,
    UpdateFunctionUrlConfig => url::update(cx, input).await,
}

fn account_settings(cx: &Cx) -> Result<api::GetAccountSettingsOutput> {
    let all = FUNCTIONS.all(&cx.read(), &(cx.account(), cx.region()))?;
    let mut size: u64 = all.iter().map(|e| e.row.code.size).sum();
    for function in &all {
        size += version::all(&cx.read(), &function.row)?.iter().map(|v| v.code.size).sum::<u64>();
    }
    let layers = layer::LAYER_VERSIONS.all(&cx.read(), &(cx.account(), cx.region()))?;
    size += layers.iter().map(|layer| layer.row.code.size).sum::<u64>();
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

fn concurrency(cx: &Cx, input: &api::GetFunctionConcurrencyInput) -> Result<api::GetFunctionConcurrencyOutput> {
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &cx.read())?;
    Ok(api::GetFunctionConcurrencyOutput { reserved_concurrent_executions: function.reserved })
}

fn shown_configuration(
    cx: &Cx,
    input: &api::GetFunctionConfigurationInput,
) -> Result<api::GetFunctionConfigurationOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let function = name.find_version(cx, &cx.read())?;
    Ok(configuration::show_as(cx, &function, name.qualifier.as_deref()))
}

async fn put_concurrency(
    cx: &Cx,
    input: &api::PutFunctionConcurrencyInput,
) -> Result<api::PutFunctionConcurrencyOutput> {
    let reserved = input.reserved_concurrent_executions;
    set_reserved(cx, &input.function_name, Some(reserved)).await?;
    Ok(api::PutFunctionConcurrencyOutput { reserved_concurrent_executions: Some(reserved) })
}

/// Reserves a part of the account's limit for a function, or gives it back.
async fn set_reserved(cx: &Cx, name: &str, reserved: Option<i32>) -> Result<()> {
    let name = FunctionName::parse(cx, name, None)?;
    if name.qualifier.is_some() {
        return Err(error::invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
        ));
    }
    cx.write(|tx| {
        let mut function = name.find(cx, tx)?;
        let all = FUNCTIONS.all(tx, &(&function.account, &function.region))?;
        let provisioned = provisioned::total(tx, &function)?;
        if let Some(reserved) = reserved.filter(|reserved| *reserved < provisioned) {
            return Err(error::invalid(format!(
                " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
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
