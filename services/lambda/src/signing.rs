//! Code signing configurations: which functions take only packages that somebody signed.
//!
//! Nothing here signs packages, so that each is unsigned: one is refused where that is what the configuration says. A package
//! with a signature of AWS Signer in it cannot be judged, and is refused as not built.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, input, output};
use crate::configuration::moment;
use crate::error;
use crate::function::{Code, FUNCTIONS, Function, FunctionName};
use crate::metrics;
use crate::{check, package};

/// Account, region, id → configuration.
static CONFIGS: Table<SigningConfig> = Table::new("lambda.signing-configs");

/// A code signing configuration.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SigningConfig {
    #[n(0)]
    id: String,
    #[n(1)]
    description: Option<String>,
    /// ARNs of versions of signing profiles.
    #[n(2)]
    publishers: Vec<String>,
    /// What is unsigned is refused, and not only counted.
    #[n(3)]
    enforced: bool,
    /// Milliseconds since 1970.
    #[n(4)]
    modified: i64,
    #[n(5)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl SigningConfig {
    fn show(&self, cx: &Cx) -> output::CodeSigningConfig {
        let policy = if self.enforced { "Enforce" } else { "Warn" };
        output::CodeSigningConfig {
            code_signing_config_id: self.id.clone(),
            code_signing_config_arn: cx.arn("lambda", &format!("code-signing-config:{}", self.id)),
            description: self.description.clone(),
            allowed_publishers: output::AllowedPublishers { signing_profile_version_arns: self.publishers.clone() },
            code_signing_policies: output::CodeSigningPolicies {
                untrusted_artifact_on_deployment: Some(policy.to_owned()),
            },
            last_modified: moment(self.modified),
        }
    }

    pub(crate) fn put(&self, cx: &Cx, tx: &mut undercast_kernel::store::Tx<'_>) {
        CONFIGS.put(tx, &cx.key(&self.id), self);
    }
}

fn look(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Option<SigningConfig>> {
    let id = arn.rsplit(':').next().unwrap_or_default();
    let own = cx.arn("lambda", &format!("code-signing-config:{id}")) == arn;
    if own { Ok(CONFIGS.get(from, &cx.key(id))?) } else { Ok(None) }
}

/// The configuration, or the error of calls about configurations.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<SigningConfig> {
    let missing = || error::not_found(format!("The Lambda code signing configuration {arn} can not be found."));
    look(cx, from, arn)?.ok_or_else(missing)
}

/// The configuration, or the error of calls about functions.
fn of_function(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<SigningConfig> {
    look(cx, from, arn)?.ok_or_else(|| {
        let message = format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
        );
        errors::code_signing_config_not_found_exception(message).with("Type", "User").into()
    })
}

fn is_enforced(policies: Option<&input::CodeSigningPolicies>) -> Option<bool> {
    policies?.untrusted_artifact_on_deployment.as_ref().map(|policy| policy == "Enforce")
}

/// `CreateCodeSigningConfig`
pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateCodeSigningConfigInput,
) -> Result<api::CreateCodeSigningConfigOutput> {
    let tags = input.tags.unwrap_or_else(BTreeMap::new);
    check::tags(&tags, 0)?;
    let config = SigningConfig {
        id: format!("csc-{}", cx.random().hex(17)),
        description: input.description,
        publishers: input.allowed_publishers.signing_profile_version_arns,
        enforced: is_enforced(input.code_signing_policies.as_ref()) == Some(true),
        modified: cx.now_millis(),
        tags,
    };
    cx.write(|tx| {
        config.put(cx, tx);
        Ok(())
    })
    .await?;
    Ok(api::CreateCodeSigningConfigOutput { code_signing_config: config.show(cx) })
}

/// `GetCodeSigningConfig`
pub(crate) fn get(cx: &Cx, arn: &str) -> Result<api::GetCodeSigningConfigOutput> {
    Ok(api::GetCodeSigningConfigOutput { code_signing_config: find(cx, &cx.read(), arn)?.show(cx) })
}

/// `UpdateCodeSigningConfig`
pub(crate) async fn update(
    cx: &Cx,
    input: api::UpdateCodeSigningConfigInput,
) -> Result<api::UpdateCodeSigningConfigOutput> {
    let config = cx
        .write(|tx| {
            let mut config = find(cx, tx, &input.code_signing_config_arn)?;
            config.description = input.description.clone().or(config.description);
            if let Some(publishers) = &input.allowed_publishers {
                config.publishers.clone_from(&publishers.signing_profile_version_arns);
            }
            config.enforced = is_enforced(input.code_signing_policies.as_ref()).unwrap_or(config.enforced);
            config.modified = cx.now_millis();
            config.put(cx, tx);
            Ok(config)
        })
        .await?;
    Ok(api::UpdateCodeSigningConfigOutput { code_signing_config: config.show(cx) })
}

/// The functions that have a configuration.
fn functions(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Vec<Function>> {
    let all = FUNCTIONS.all(from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    Ok(all.filter(|function| function.signing.as_deref() == Some(arn)).collect())
}

/// `DeleteCodeSigningConfig`, when no function has it.
pub(crate) async fn delete(cx: &Cx, arn: &str) -> Result<()> {
    cx.write(|tx| {
        let config = find(cx, tx, arn)?;
        if !functions(cx, tx, arn)?.is_empty() {
            return Err(error::conflict(format!(
                "The code signing configuration {arn} cannot be deleted because functions use it."
            )));
        }
        CONFIGS.delete(tx, &cx.key(&config.id));
        Ok(())
    })
    .await
}

/// `ListCodeSigningConfigs`
pub(crate) fn list(cx: &Cx, input: &api::ListCodeSigningConfigsInput) -> Result<api::ListCodeSigningConfigsOutput> {
    let all = CONFIGS.all(&cx.read(), &(cx.account(), cx.region()))?;
    let all: Vec<_> = all.into_iter().map(|entry| entry.row.show(cx)).collect();
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let (page, next_marker) = paging::page("ListCodeSigningConfigs", all, input.marker.as_deref(), most)
        .ok_or_else(|| error::invalid("Invalid Marker"))?;
    Ok(api::ListCodeSigningConfigsOutput { next_marker, code_signing_configs: Some(page) })
}

/// `ListFunctionsByCodeSigningConfig`
pub(crate) fn list_functions(
    cx: &Cx,
    input: &api::ListFunctionsByCodeSigningConfigInput,
) -> Result<api::ListFunctionsByCodeSigningConfigOutput> {
    let (read, arn) = (cx.read(), &input.code_signing_config_arn);
    find(cx, &read, arn)?;
    let all: Vec<String> = functions(cx, &read, arn)?.iter().map(|function| function.arn(cx)).collect();
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let scope = format!("ListFunctionsByCodeSigningConfig/{arn}");
    let (page, next_marker) =
        paging::page(&scope, all, input.marker.as_deref(), most).ok_or_else(|| error::invalid("Invalid Marker"))?;
    Ok(api::ListFunctionsByCodeSigningConfigOutput { next_marker, function_arns: Some(page) })
}

/// `PutFunctionCodeSigningConfig`: what is deployed from now on is looked at.
pub(crate) async fn put(
    cx: &Cx,
    input: &api::PutFunctionCodeSigningConfigInput,
) -> Result<api::PutFunctionCodeSigningConfigOutput> {
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    set(cx, &name, Some(&input.code_signing_config_arn)).await?;
    Ok(api::PutFunctionCodeSigningConfigOutput {
        code_signing_config_arn: input.code_signing_config_arn.clone(),
        function_name: name.name,
    })
}

/// `DeleteFunctionCodeSigningConfig`
pub(crate) async fn take_away(cx: &Cx, function: &str) -> Result<()> {
    set(cx, &FunctionName::parse(cx, function, None)?, None).await
}

async fn set(cx: &Cx, name: &FunctionName, arn: Option<&String>) -> Result<()> {
    cx.write(|tx| {
        if let Some(arn) = arn {
            of_function(cx, tx, arn)?;
        }
        let mut function = name.find(cx, tx)?;
        function.signing = arn.cloned();
        function.put(tx);
        Ok(())
    })
    .await
}

/// `GetFunctionCodeSigningConfig`
pub(crate) fn of(cx: &Cx, function: &str) -> Result<api::GetFunctionCodeSigningConfigOutput> {
    let function = FunctionName::parse(cx, function, None)?.find(cx, &cx.read())?;
    Ok(api::GetFunctionCodeSigningConfigOutput {
        code_signing_config_arn: function.signing.unwrap_or_else(String::new),
        function_name: function.name,
    })
}

/// Looks at what is to be deployed as the function's configuration says.
pub(crate) async fn inspect<'a>(
    cx: &Cx,
    name: &FunctionName,
    arn: Option<&str>,
    packages: impl Iterator<Item = &'a Code>,
) -> Result<()> {
    let Some(arn) = arn else { return Ok(()) };
    let config = of_function(cx, &cx.read(), arn)?;
    for code in packages {
        if package::is_signed(cx, code).await? {
            return Err(Failure::not_built(
                "lambda packages with signatures of AWS Signer, which nobody here can check",
            ));
        }
    }
    if config.enforced {
        let message = format!(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for {}.",
            name.name
        );
        return Err(errors::code_verification_failed_exception(message).with("Type", "User").into());
    }
    metrics::of_events(cx, name, "SignatureValidationErrors", "Count", 1.0);
    Ok(())
}
