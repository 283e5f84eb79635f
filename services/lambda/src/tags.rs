//! Tags of functions, of event source mappings and of code signing configurations.

use std::collections::BTreeMap;

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::function::FunctionName;
use crate::{check, error, mapping, signing};

/// Changes the tags of what an ARN names.
fn change(
    cx: &Cx,
    tx: &mut Tx<'_>,
    arn: &str,
    edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<()>,
) -> Result<()> {
    if let Some((_, id)) = arn.split_once(":event-source-mapping:") {
        let mut mapping = mapping::find(cx, tx, id)?;
        edit(&mut mapping.tags)?;
        mapping.put(tx);
        return Ok(());
    }
    if arn.contains(":code-signing-config:") {
        let mut config = signing::find(cx, tx, arn)?;
        edit(&mut config.tags)?;
        config.put(cx, tx);
        return Ok(());
    }
    let mut function = function(cx, arn)?.find(cx, tx)?;
    edit(&mut function.tags)?;
    function.put(tx);
    Ok(())
}

fn function(cx: &Cx, arn: &str) -> Result<FunctionName> {
    if arn.contains(":function:") {
        let name = FunctionName::parse(cx, arn, None)?;
        match name.qualifier {
            None => Ok(name),
            Some(_) => Err(error::invalid(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            )),
        }
    } else {
        Err(Failure::not_built(format!("tags of {arn}")))
    }
}

pub(crate) async fn tag(cx: &Cx, arn: &str, tags: BTreeMap<String, String>) -> Result<()> {
    cx.write(|tx| {
        change(cx, tx, arn, |now| {
            check::tags(&tags, now.keys().filter(|k| !tags.contains_key(*k)).count())?;
            now.extend(tags.clone());
            Ok(())
        })
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, arn: &str, keys: &[String]) -> Result<()> {
    cx.write(|tx| {
        change(cx, tx, arn, |now| {
            now.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    })
    .await
}

pub(crate) fn list(cx: &Cx, arn: &str) -> Result<BTreeMap<String, String>> {
    match arn.split_once(":event-source-mapping:") {
        Some((_, id)) => Ok(mapping::find(cx, &cx.read(), id)?.tags),
        None if arn.contains(":code-signing-config:") => Ok(signing::find(cx, &cx.read(), arn)?.tags),
        None => Ok(function(cx, arn)?.find(cx, &cx.read())?.tags),
    }
}
