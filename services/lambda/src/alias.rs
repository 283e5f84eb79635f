//! Aliases: names that lead to one version of a function, or to two by their weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, input, output};
use crate::configuration::check_revision;
use crate::function::{Function, FunctionName, Url};
use crate::state::State;
use crate::{error, event_config, provisioned, url};

/// Account, region, name of the function, name → alias.
pub(crate) static ALIASES: Table<Alias> = Table::new("lambda.aliases");

/// An alias.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Alias {
    #[n(0)]
    pub(crate) name: String,
    /// `$LATEST`, or a number.
    #[n(1)]
    pub(crate) version: String,
    #[n(2)]
    pub(crate) description: String,
    /// Another version and its share, from 0 to 1.
    #[n(3)]
    pub(crate) other: Option<(String, f64)>,
    /// Made anew with every change.
    #[n(4)]
    pub(crate) revision: String,
    /// Statements of its policy, by their ids, as JSON.
    #[n(5)]
    pub(crate) permissions: Vec<(String, String)>,
    #[n(6)]
    pub(crate) url: Option<Url>,
}

impl Alias {
    /// The version that an invocation gets whose dice show this, from 0 up to 1.
    pub(crate) fn route(&self, dice: f64) -> &str {
        match &self.other {
            Some((other, share)) if dice < *share => other,
            _ => &self.version,
        }
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>, function: &Function) {
        ALIASES.put(tx, &(&function.account, &function.region, &function.name, &self.name), self);
    }

    fn show(&self, cx: &Cx, function: &Function) -> output::AliasConfiguration {
        let weights = |(version, share): &(String, f64)| output::AliasRoutingConfiguration {
            additional_version_weights: Some(BTreeMap::from([(version.clone(), *share)])),
        };
        output::AliasConfiguration {
            alias_arn: Some(format!("{}:{}", function.arn(cx), self.name)),
            name: Some(self.name.clone()),
            function_version: Some(self.version.clone()),
            description: Some(self.description.clone()),
            routing_config: self.other.as_ref().map(weights),
            revision_id: Some(self.revision.clone()),
        }
    }
}

/// The alias of a function with this name.
pub(crate) fn find(from: &(impl Read + ?Sized), function: &Function, name: &str) -> Result<Option<Alias>> {
    Ok(ALIASES.get(from, &(&function.account, &function.region, &function.name, name))?)
}

/// The aliases of a function, in the order of their names.
pub(crate) fn all(from: &(impl Read + ?Sized), function: &Function) -> Result<Vec<Alias>> {
    Ok(ALIASES.all(from, &function.key())?.into_iter().map(|entry| entry.row).collect())
}

/// The names of the aliases that lead to a version.
pub(crate) fn leading_to(from: &(impl Read + ?Sized), function: &Function, version: u64) -> Result<Vec<String>> {
    let version = version.to_string();
    let leads = |a: &Alias| a.version == version || a.other.as_ref().is_some_and(|(other, _)| *other == version);
    Ok(all(from, function)?.into_iter().filter(leads).map(|a| a.name).collect())
}

/// Removes all aliases of a function that is deleted, with their URLs.
pub(crate) fn forget(tx: &mut Tx<'_>, name: &FunctionName) -> Result<()> {
    for alias in ALIASES.all(tx, &name.key())? {
        if let Some(there) = &alias.row.url {
            url::URLS.delete(tx, &(there.id.as_str(),));
        }
    }
    ALIASES.clear(tx, &name.key())?;
    Ok(())
}

/// A version must be there for an alias to lead to it.
fn check_version(cx: &Cx, from: &(impl Read + ?Sized), function: &Function, version: &str) -> Result<()> {
    let name = FunctionName { qualifier: Some(version.to_owned()), ..function.place() };
    name.find_version(cx, from).map(drop)
}

/// The second version that an alias shall lead to, and its share.
fn other(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    function: &Function,
    version: &str,
    given: &input::AliasRoutingConfiguration,
) -> Result<Option<(String, f64)>> {
    let Some(weights) = &given.additional_version_weights else { return Ok(None) };
    if weights.len() > 1 {
        return Err(error::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    let Some((other, share)) = weights.first_key_value() else { return Ok(None) };
    if other == version {
        return Err(error::invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        )));
    }
    if version == "$LATEST" {
        return Err(error::invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
    }
    check_version(cx, from, function, other)?;
    Ok(Some((other.clone(), *share)))
}

/// `CreateAlias`
pub(crate) async fn create(cx: &Cx, input: api::CreateAliasInput) -> Result<api::CreateAliasOutput> {
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let (alias, function) = cx
        .write(|tx| {
            let function = name.find(cx, tx)?;
            check_version(cx, tx, &function, &input.function_version)?;
            if find(tx, &function, &input.name)?.is_some() {
                return Err(error::conflict(format!("Alias already exists: {}:{}", function.arn(cx), input.name)));
            }
            let routing = input.routing_config.as_ref();
            let other = routing.map(|given| other(cx, tx, &function, &input.function_version, given)).transpose()?;
            let alias = Alias {
                name: input.name.clone(),
                version: input.function_version.clone(),
                description: input.description.clone().unwrap_or_else(String::new),
                other: other.flatten(),
                revision: cx.random().uuid(),
                permissions: Vec::new(),
                url: None,
            };
            alias.put(tx, &function);
            Ok((alias, function))
        })
        .await?;
    Ok(alias.show(cx, &function))
}

/// `UpdateAlias`
pub(crate) async fn update(
    state: &Arc<State>,
    cx: &Cx,
    input: api::UpdateAliasInput,
) -> Result<api::UpdateAliasOutput> {
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let (alias, function) = cx
        .write(|tx| {
            let function = name.find(cx, tx)?;
            let missing = || error::not_found(format!("Alias not found: {}:{}", function.arn(cx), input.name));
            let mut alias = find(tx, &function, &input.name)?.ok_or_else(missing)?;
            check_revision(input.revision_id.as_ref(), &alias.revision)?;
            if let Some(version) = &input.function_version {
                check_version(cx, tx, &function, version)?;
                alias.version.clone_from(version);
            }
            if let Some(description) = &input.description {
                alias.description.clone_from(description);
            }
            let now = alias.other.take().map(|(version, share)| BTreeMap::from([(version, share)]));
            let kept = input::AliasRoutingConfiguration { additional_version_weights: now };
            let routing = input.routing_config.as_ref().unwrap_or(&kept);
            alias.other = other(cx, tx, &function, &alias.version, routing)?;
            alias.revision = cx.random().uuid();
            alias.put(tx, &function);
            Ok((alias, function))
        })
        .await?;
    // What it leads to now has its environments.
    provisioned::reconcile(state, cx, &name);
    Ok(alias.show(cx, &function))
}

/// `DeleteAlias`. One that is not there is fine.
pub(crate) async fn delete(state: &Arc<State>, cx: &Cx, function_name: &str, alias_name: &str) -> Result<()> {
    let name = FunctionName::parse(cx, function_name, None)?;
    cx.write(|tx| {
        let function = name.find(cx, tx)?;
        let Some(alias) = find(tx, &function, alias_name)? else { return Ok(()) };
        if let Some(there) = &alias.url {
            url::URLS.delete(tx, &(there.id.as_str(),));
        }
        ALIASES.delete(tx, &(&function.account, &function.region, &function.name, alias_name));
        let gone = FunctionName { qualifier: Some(alias_name.to_owned()), ..function.place() };
        event_config::forget_one(tx, &gone);
        provisioned::forget_one(tx, &gone);
        Ok(())
    })
    .await?;
    provisioned::reconcile(state, cx, &name);
    Ok(())
}

/// `GetAlias`
pub(crate) fn get(cx: &Cx, input: &api::GetAliasInput) -> Result<api::GetAliasOutput> {
    let read = cx.read();
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &read)?;
    let alias = find(&read, &function, &input.name)?;
    Ok(alias.ok_or_else(|| error::no_alias(&format!("{}:{}", function.arn(cx), input.name)))?.show(cx, &function))
}

/// `ListAliases`
pub(crate) fn list(cx: &Cx, input: &api::ListAliasesInput) -> Result<api::ListAliasesOutput> {
    let read = cx.read();
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &read)?;
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let mut found = all(&read, &function)?;
    found.retain(|alias| input.function_version.as_ref().is_none_or(|version| alias.version == *version));
    let scope = format!("ListAliases/{}/{:?}", function.name, input.function_version);
    let (page, next_marker) =
        paging::page(&scope, found, input.marker.as_deref(), most).ok_or_else(|| error::invalid("Invalid Marker"))?;
    let aliases = Some(page.iter().map(|alias| alias.show(cx, &function)).collect());
    Ok(api::ListAliasesOutput { next_marker, aliases })
}
