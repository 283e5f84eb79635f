//! Functions made, changed, shown and removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercast_kernel::store::Blobs;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, output};
use crate::function::{Attached, FUNCTIONS, Function, FunctionName};
use crate::package::{self, Source};
use crate::state::State;
use crate::{
    alias, check, credentials, destination, error, event_config, layer, provisioned, runtimes, signing, site, url,
    version,
};

/// `2024-05-01T12:00:00.000+0000`
pub(crate) fn moment(millis: i64) -> String {
    let at = undercast_kernel::Timestamp::from_millisecond(millis).unwrap_or(undercast_kernel::Timestamp::UNIX_EPOCH);
    format!("{}+0000", format!("{at:.3}").trim_end_matches('Z'))
}

pub(crate) fn sha256(id: &str) -> String {
    let bytes: Vec<u8> =
        (0..id.len() / 2).filter_map(|n| u8::from_str_radix(id.get(2 * n..2 * n + 2)?, 16).ok()).collect();
    text::base64(&bytes)
}

/// A function as answers show it that were asked for this qualifier.
pub(crate) fn show_as(cx: &Cx, function: &Function, qualifier: Option<&str>) -> output::FunctionConfiguration {
    let shown = show(cx, function);
    let end = qualifier.map_or_else(String::new, |qualifier| format!(":{qualifier}"));
    output::FunctionConfiguration { function_arn: Some(format!("{}{end}", function.arn(cx))), ..shown }
}

/// A function as answers show it, under its name alone.
pub(crate) fn show(cx: &Cx, function: &Function) -> output::FunctionConfiguration {
    let variables = (!function.variables.is_empty()).then(|| function.variables.clone());
    let pending = !function.active;
    output::FunctionConfiguration {
        function_name: Some(function.name.clone()),
        function_arn: Some(function.arn(cx)),
        runtime: Some(function.runtime.clone()),
        role: Some(function.role.clone()),
        handler: (!function.handler.is_empty()).then(|| function.handler.clone()),
        code_size: i64::try_from(function.code.size).ok(),
        description: Some(function.description.clone()),
        timeout: Some(function.timeout),
        memory_size: Some(function.memory),
        last_modified: Some(moment(function.modified)),
        code_sha256: Some(sha256(&function.code.id)),
        version: Some(function.version_name()),
        environment: variables.map(|v| output::EnvironmentResponse { variables: Some(v), error: None }),
        tracing_config: Some(output::TracingConfigResponse { mode: Some("PassThrough".to_owned()) }),
        revision_id: Some(function.revision.clone()),
        state: Some(if pending { "Pending" } else { "Active" }.to_owned()),
        state_reason: pending.then(|| "The function is being created.".to_owned()),
        state_reason_code: pending.then(|| "Creating".to_owned()),
        last_update_status: Some(if pending { "InProgress" } else { "Successful" }.to_owned()),
        package_type: Some("Zip".to_owned()),
        architectures: Some(vec!["x86_64".to_owned()]),
        layers: (!function.layers.is_empty()).then(|| function.layers.iter().map(show_layer).collect()),
        dead_letter_config: function.dead_letters.clone().map(|to| output::DeadLetterConfig { target_arn: Some(to) }),
        ephemeral_storage: Some(output::EphemeralStorage { size: function.storage }),
        snap_start: Some(output::SnapStartResponse {
            apply_on: Some("None".to_owned()),
            optimization_status: Some("Off".to_owned()),
        }),
        logging_config: Some(output::LoggingConfig {
            log_format: Some(if function.json_logs.is_some() { "JSON" } else { "Text" }.to_owned()),
            log_group: Some(function.log_group()),
            application_log_level: function.json_logs.as_ref().map(|levels| levels.application.clone()),
            system_log_level: function.json_logs.as_ref().map(|levels| levels.system.clone()),
        }),
        ..output::FunctionConfiguration::default()
    }
}

fn show_layer(layer: &Attached) -> output::Layer {
    output::Layer {
        arn: Some(layer.arn.clone()),
        code_size: i64::try_from(layer.code.size).ok(),
        ..output::Layer::default()
    }
}

/// Checks runtime and handler, which go together.
async fn runtime(state: &State, runtime: Option<String>, handler: Option<String>) -> Result<(String, String)> {
    let handler = handler.filter(|h| !h.is_empty());
    let (Some(runtime), Some(handler)) = (runtime, handler) else {
        return Err(error::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    runtimes::find(&runtime, state.interpreters().await)?;
    Ok((runtime, handler))
}

pub(crate) async fn create(
    state: &Arc<State>,
    cx: &Cx,
    input: api::CreateFunctionInput,
) -> Result<api::CreateFunctionOutput> {
    if let Some(package) = input.package_type.filter(|p| p != "Zip") {
        return Err(Failure::not_built(format!("lambda functions with PackageType {package}")));
    }
    let wishes = check::Wishes {
        vpc: input.vpc_config,
        key: input.kms_key_arn,
        tracing: input.tracing_config,
        snap_start: input.snap_start,
    };
    wishes.check()?;
    check::architectures(input.architectures.as_ref())?;
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    if name.name.len() > 64 {
        return Err(error::violated(&name.name, "functionName", "Member must have length less than or equal to 64"));
    }
    let (runtime, handler) = runtime(state, input.runtime, input.handler).await?;
    let tags = input.tags.unwrap_or_else(BTreeMap::new);
    check::tags(&tags, 0)?;
    let logging = input.logging_config.map(|given| check::logging(given, None)).transpose()?;
    let (log_group, json_logs) = logging.unwrap_or((None, None));
    let mut function = Function {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: name.name.clone(),
        runtime,
        role: input.role,
        handler,
        description: input.description.unwrap_or_else(String::new),
        timeout: check::timeout(input.timeout.unwrap_or(3))?,
        memory: check::memory(input.memory_size.unwrap_or(128))?,
        storage: input.ephemeral_storage.as_ref().map_or(Ok(512), check::storage)?,
        variables: check::variables(input.environment)?.unwrap_or_default(),
        tags,
        code: crate::function::Code { id: String::new(), size: 0, unzipped: 0 },
        log_group,
        modified: cx.now_millis(),
        revision: cx.random().uuid(),
        generation: cx.random().uuid(),
        reserved: None,
        permissions: Vec::new(),
        active: false,
        url: None,
        version: None,
        published: 0,
        origin: String::new(),
        dead_letters: None,
        json_logs,
        signing: input.code_signing_config_arn,
        layers: layer::attached::find(cx, input.layers.as_deref().unwrap_or_default())?,
    };
    if FUNCTIONS.has(&cx.read(), &function.key())? {
        return Err(error::conflict(format!("Function already exist: {}", function.name)));
    }
    credentials::assumable(cx, &function.role, &function.arn(cx))?;
    let dead_letters = input.dead_letter_config.and_then(|config| config.target_arn);
    function.dead_letters = destination::dead_letters(cx, dead_letters.as_deref(), &function.role, &function.name)?;
    let source = Source {
        zip: input.code.zip_file,
        bucket: input.code.s3_bucket,
        key: input.code.s3_key,
        version: input.code.s3_object_version,
        mode: input.code.s3_object_storage_mode,
    };
    let (code, kept) = package::take(cx, source).await?;
    layer::attached::check_size(&code, &function.layers)?;
    function.code = code;
    signing::inspect(cx, &name, function.signing.as_deref(), function.packages()).await?;
    let publish = input.publish == Some(true);
    let made = cx
        .write(|tx| {
            if FUNCTIONS.has(tx, &function.key())? {
                return Err(error::conflict(format!("Function already exist: {}", function.name)));
            }
            function.retain(tx)?;
            function.put(tx);
            if publish { version::publish(cx, tx, &function, None) } else { Ok(function.clone()) }
        })
        .await?;
    drop(kept);
    let shown = show(cx, &made);
    activate_beside(state, cx, function);
    Ok(shown)
}

fn activate_beside(state: &Arc<State>, cx: &Cx, function: Function) {
    let (state, own) = (Arc::clone(state), cx.clone());
    cx.spawn(async move { package::activate(&state, &own, &function).await });
}

pub(crate) async fn get(state: &Arc<State>, cx: &Cx, input: api::GetFunctionInput) -> Result<api::GetFunctionOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let function = name.find_version(cx, &cx.read())?;
    let location = site::link(state, cx, &function.code.id, &function.region);
    let concurrency = function.reserved.map(|n| output::Concurrency { reserved_concurrent_executions: Some(n) });
    Ok(api::GetFunctionOutput {
        configuration: Some(show_as(cx, &function, name.qualifier.as_deref())),
        code: Some(output::FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(location),
            ..output::FunctionCodeLocation::default()
        }),
        tags: (!function.tags.is_empty()).then(|| function.tags.clone()),
        concurrency,
        ..api::GetFunctionOutput::default()
    })
}

pub(crate) fn list(cx: &Cx, input: api::ListFunctionsInput) -> Result<api::ListFunctionsOutput> {
    let read = cx.read();
    let all = FUNCTIONS.all(&read, &(cx.account(), cx.region()))?;
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?.min(50);
    // With this, each version is one of the list.
    let every = input.function_version.is_some();
    let scope = if every { "ListFunctions/ALL" } else { "ListFunctions" };
    let after = input.marker.map(|m| paging::position(scope, &m).ok_or_else(|| error::invalid("Invalid Marker")));
    let after = after.transpose()?;
    let mut found = Vec::new();
    for function in all.into_iter().map(|e| e.row) {
        let published = if every { version::all(&read, &function)? } else { Vec::new() };
        found.push(function);
        found.extend(published);
    }
    let place = |f: &Function| format!("{}/{:020}", f.name, f.version.unwrap_or(0));
    let mut rest = found.into_iter().filter(|f| after.as_ref().is_none_or(|a| place(f) > *a));
    let page: Vec<Function> = rest.by_ref().take(most).collect();
    let next_marker = rest.next().and(page.last()).map(|f| paging::token(scope, &place(f)));
    let shown = |f: &Function| if every { show_as(cx, f, Some(&f.version_name())) } else { show(cx, f) };
    Ok(api::ListFunctionsOutput { functions: Some(page.iter().map(shown).collect()), next_marker })
}

/// Refuses a change to something that has changed since it was looked at.
pub(crate) fn check_revision(given: Option<&String>, now: &str) -> Result<()> {
    match given {
        Some(given) if given != now => {
            let message = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id";
            Err(api::errors::precondition_failed_exception(message).into())
        }
        _ => Ok(()),
    }
}

pub(crate) async fn update_code(
    state: &Arc<State>,
    cx: &Cx,
    input: api::UpdateFunctionCodeInput,
) -> Result<api::UpdateFunctionCodeOutput> {
    check::architectures(input.architectures.as_ref())?;
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let signing = name.find(cx, &cx.read())?.signing;
    let source = Source {
        zip: input.zip_file,
        bucket: input.s3_bucket,
        key: input.s3_key,
        version: input.s3_object_version,
        mode: input.s3_object_storage_mode,
    };
    let (code, kept) = package::take(cx, source).await?;
    signing::inspect(cx, &name, signing.as_deref(), std::iter::once(&code)).await?;
    let (dry, publish) = (input.dry_run == Some(true), input.publish == Some(true));
    let (function, published) = cx
        .write(|tx| {
            let mut function = name.find(cx, tx)?;
            check_revision(input.revision_id.as_ref(), &function.revision)?;
            layer::attached::check_size(&code, &function.layers)?;
            let before = std::mem::replace(&mut function.code, code.clone());
            function.active = false;
            changed(cx, &mut function);
            if !dry {
                Blobs::retain(tx, &function.account, &function.code.blob())?;
                Blobs::release(tx, &function.account, &before.blob())?;
                function.put(tx);
            }
            let published = (publish && !dry).then(|| version::publish(cx, tx, &function, None)).transpose()?;
            Ok((function, published))
        })
        .await?;
    drop(kept);
    let shown = match published {
        Some(version) => show_as(cx, &version, Some(&version.version_name())),
        None => show(cx, &Function { active: true, ..function.clone() }),
    };
    if !dry {
        activate_beside(state, cx, function);
    }
    Ok(shown)
}

/// Marks a function as changed: its environments end with what they are doing.
fn changed(cx: &Cx, function: &mut Function) {
    function.modified = cx.now_millis();
    function.revision = cx.random().uuid();
    function.generation = cx.random().uuid();
}

pub(crate) async fn update(
    state: &Arc<State>,
    cx: &Cx,
    input: api::UpdateFunctionConfigurationInput,
) -> Result<api::UpdateFunctionConfigurationOutput> {
    let wishes = check::Wishes {
        vpc: input.vpc_config,
        key: input.kms_key_arn,
        tracing: input.tracing_config,
        snap_start: input.snap_start,
    };
    wishes.check()?;
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let before = name.find(cx, &cx.read())?;
    if let Some(role) = &input.role {
        credentials::assumable(cx, role, &before.arn(cx))?;
    }
    if let Some(runtime) = &input.runtime {
        runtimes::find(runtime, state.interpreters().await)?;
    }
    let role = input.role.as_ref().unwrap_or(&before.role);
    let dead_letters = input
        .dead_letter_config
        .map(|config| destination::dead_letters(cx, config.target_arn.as_deref(), role, &before.name));
    let dead_letters = dead_letters.transpose()?;
    let timeout = input.timeout.map(check::timeout).transpose()?;
    let memory = input.memory_size.map(check::memory).transpose()?;
    let storage = input.ephemeral_storage.as_ref().map(check::storage).transpose()?;
    let variables = check::variables(input.environment)?;
    let layers = input.layers.map(|arns| layer::attached::find(cx, &arns)).transpose()?;
    if let Some(layers) = layers.as_ref().filter(|layers| !layers.is_empty()) {
        let packages = layers.iter().map(|layer| &layer.code);
        signing::inspect(cx, &name, before.signing.as_deref(), packages).await?;
    }
    let logging = input.logging_config.map(|given| check::logging(given, before.json_logs.as_ref())).transpose()?;
    let function = cx
        .write(|tx| {
            let mut function = name.find(cx, tx)?;
            check_revision(input.revision_id.as_ref(), &function.revision)?;
            set(&mut function.role, input.role.as_ref());
            set(&mut function.handler, input.handler.as_ref());
            set(&mut function.description, input.description.as_ref());
            set(&mut function.runtime, input.runtime.as_ref());
            set(&mut function.timeout, timeout.as_ref());
            set(&mut function.memory, memory.as_ref());
            set(&mut function.storage, storage.as_ref());
            set(&mut function.dead_letters, dead_letters.as_ref());
            set(&mut function.variables, variables.as_ref());
            if let Some(layers) = &layers {
                layer::attached::check_size(&function.code, layers)?;
                function.release(tx)?;
                function.layers.clone_from(layers);
                function.retain(tx)?;
            }
            if let Some((log_group, json_logs)) = &logging {
                function.log_group.clone_from(log_group);
                function.json_logs.clone_from(json_logs);
            }
            changed(cx, &mut function);
            function.put(tx);
            Ok(function)
        })
        .await?;
    Ok(show(cx, &function))
}

fn set<T: Clone>(to: &mut T, from: Option<&T>) {
    if let Some(from) = from {
        to.clone_from(from);
    }
}

pub(crate) async fn delete(
    state: &Arc<State>,
    cx: &Cx,
    input: api::DeleteFunctionInput,
) -> Result<api::DeleteFunctionOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    if name.qualifier.is_some() {
        version::delete(state, cx, &name).await?;
        return Ok(api::DeleteFunctionOutput { status_code: Some(204) });
    }
    cx.write(|tx| {
        let function = name.find(cx, tx)?;
        version::forget(tx, &function)?;
        alias::forget(tx, &name)?;
        event_config::forget(tx, &name)?;
        provisioned::forget(tx, &name)?;
        function.release(tx)?;
        if let Some(there) = &function.url {
            url::URLS.delete(tx, &(there.id.as_str(),));
        }
        FUNCTIONS.delete(tx, &function.key());
        Ok(())
    })
    .await?;
    // Mappings stay, and go on when a function of this name is made again, as on AWS.
    state.forget_pools(&name);
    Ok(api::DeleteFunctionOutput { status_code: Some(204) })
}
