//! Published versions: what a function was, kept under a number.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::alias;
use crate::api;
use crate::configuration::{check_revision, sha256, show_as};
use crate::error;
use crate::function::{Function, FunctionName, Qualifier};
use crate::state::State;
use crate::{event_config, provisioned};

/// Account, region, name, number → the function as it was published.
pub(crate) static VERSIONS: Table<Function> = Table::new("lambda.versions");

/// The versions of a function, in the order of their numbers.
pub(crate) fn all(from: &(impl Read + ?Sized), function: &Function) -> Result<Vec<Function>> {
    let all = VERSIONS.all(from, &function.key())?.into_iter().map(|entry| entry.row);
    Ok(all.map(|v| Function { tags: function.tags.clone(), reserved: function.reserved, ..v }).collect())
}

/// All that makes one version differ from another, in short.
fn origin(function: &Function) -> Result<String> {
    let settings = Function {
        tags: std::collections::BTreeMap::new(),
        modified: 0,
        revision: String::new(),
        generation: String::new(),
        reserved: None,
        permissions: Vec::new(),
        active: true,
        url: None,
        published: 0,
        signing: None,
        ..function.clone()
    };
    Ok(text::hex_encode(&Sha256::digest(minicbor::to_vec(settings).map_err(Failure::broken)?)))
}

/// Publishes what a function is now. What is the same as the last version already is that version.
pub(crate) fn publish(cx: &Cx, tx: &mut Tx<'_>, function: &Function, description: Option<&str>) -> Result<Function> {
    let origin = origin(function)?;
    let place = |number: u64| (function.account.clone(), function.region.clone(), function.name.clone(), number);
    if let Some(last) = VERSIONS.get(tx, &place(function.published))?.filter(|last| last.origin == origin) {
        return Ok(last);
    }
    let number = function.published + 1;
    Function { published: number, ..function.clone() }.put(tx);
    let version = Function {
        version: Some(number),
        description: description.unwrap_or(&function.description).to_owned(),
        revision: cx.random().uuid(),
        permissions: Vec::new(),
        url: None,
        origin,
        ..function.clone()
    };
    version.retain(tx)?;
    version.put(tx);
    Ok(version)
}

/// `PublishVersion`
pub(crate) async fn publish_version(cx: &Cx, input: api::PublishVersionInput) -> Result<api::PublishVersionOutput> {
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let version = cx
        .write(|tx| {
            let function = name.find(cx, tx)?;
            check_revision(input.revision_id.as_ref(), &function.revision)?;
            if !function.active {
                let message = format!(
                    "The operation cannot be performed at this time. An update is in progress for resource: {}",
                    function.arn(cx)
                );
                return Err(error::conflict(message));
            }
            let now = sha256(&function.code.id);
            if let Some(given) = input.code_sha256.as_ref().filter(|given| !given.is_empty() && **given != now) {
                return Err(error::invalid(format!(
                    "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({now}). Please try again with the CodeSHA256 in $LATEST."
                )));
            }
            publish(cx, tx, &function, input.description.as_deref())
        })
        .await?;
    Ok(show_as(cx, &version, Some(&version.version_name())))
}

/// `ListVersionsByFunction`
pub(crate) fn list(cx: &Cx, input: &api::ListVersionsByFunctionInput) -> Result<api::ListVersionsByFunctionOutput> {
    let read = cx.read();
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &read)?;
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?.min(50);
    let published = all(&read, &function)?;
    let scope = format!("ListVersionsByFunction/{}", function.name);
    let every: Vec<Function> = std::iter::once(function).chain(published).collect();
    let (page, next_marker) =
        paging::page(&scope, every, input.marker.as_deref(), most).ok_or_else(|| error::invalid("Invalid Marker"))?;
    let versions = Some(page.iter().map(|v| show_as(cx, v, Some(&v.version_name()))).collect());
    Ok(api::ListVersionsByFunctionOutput { next_marker, versions })
}

/// Removes one version. One that is not there is fine.
pub(crate) async fn delete(state: &Arc<State>, cx: &Cx, name: &FunctionName) -> Result<()> {
    let number = match name.what() {
        Qualifier::Version(number) => number,
        Qualifier::Latest => {
            return Err(error::invalid("$LATEST version cannot be deleted without deleting the function."));
        }
        Qualifier::Alias(_) => return Err(error::invalid("Deletion of aliases is not currently supported.")),
    };
    cx.write(|tx| {
        let function = name.unqualified().find(cx, tx)?;
        let key = (&function.account, &function.region, &function.name, number);
        let Some(version) = VERSIONS.get(tx, &key)? else { return Ok(()) };
        let leading: Vec<String> = alias::leading_to(tx, &function, number)?;
        if !leading.is_empty() {
            let message = format!(
                "Unable to delete version because the following aliases reference it: [{}]",
                leading.join(", ")
            );
            return Err(error::conflict(message));
        }
        version.release(tx)?;
        VERSIONS.delete(tx, &key);
        event_config::forget_one(tx, name);
        provisioned::forget_one(tx, name);
        Ok(())
    })
    .await?;
    state.forget_pool(name);
    Ok(())
}

/// Removes all versions of a function that is deleted.
pub(crate) fn forget(tx: &mut Tx<'_>, function: &Function) -> Result<()> {
    for version in all(tx, function)? {
        version.release(tx)?;
    }
    VERSIONS.clear(tx, &function.key())?;
    Ok(())
}
