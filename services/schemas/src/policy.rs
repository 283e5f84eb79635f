//! Policies of registries: they can let in other accounts, and are asked whenever the registry or a schema in it is.
//!
//! Source: "Resource-based policies for Amazon EventBridge schemas" in the user guide.

use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Cx, Result};

use crate::api;
use crate::error::{bad, managed, missing, stale_policy};
use crate::name::RegistryName;
use crate::registries;
use crate::rows::{Policy, REGISTRIES, Registry};

/// The registry of a call, which must say one.
fn named(cx: &Cx, given: Option<&str>) -> Result<RegistryName> {
    let given = given.ok_or_else(|| bad("RegistryName is required."))?;
    let name = RegistryName::of(cx, given);
    registries::find(cx, &cx.read(), &name)?;
    if name.is_aws() { Err(managed(&name.name)) } else { Ok(name) }
}

fn none(name: &RegistryName) -> undercast_kernel::Failure {
    missing(format!("Policy of registry with name {} does not exist.", name.name))
}

pub(crate) fn get(cx: &Cx, input: &api::GetResourcePolicyInput) -> Result<api::GetResourcePolicyOutput> {
    let name = named(cx, input.registry_name.as_deref())?;
    let policy = registries::find(cx, &cx.read(), &name)?.policy.ok_or_else(|| none(&name))?;
    Ok(api::GetResourcePolicyOutput { policy: Some(policy.text), revision_id: Some(policy.revision) })
}

/// With a revision it takes the place of that revision only.
pub(crate) async fn put(cx: &Cx, input: api::PutResourcePolicyInput) -> Result<api::PutResourcePolicyOutput> {
    let name = named(cx, input.registry_name.as_deref())?;
    let compiled = cx.policies().compile(PolicyKind::Resource, &input.policy);
    compiled.map_err(|why| bad(format!("Policy is not valid: {why}.")))?;
    let policy = Policy { text: input.policy, revision: cx.random().uuid() };
    cx.write(|tx| {
        let registry = registries::find(cx, tx, &name)?;
        let there = registry.policy.as_ref().map(|policy| policy.revision.as_str());
        if input.revision_id.is_some() && input.revision_id.as_deref() != there {
            return Err(stale_policy());
        }
        REGISTRIES.put(tx, &name.key(), &Registry { policy: Some(policy.clone()), ..registry });
        Ok(())
    })
    .await?;
    Ok(api::PutResourcePolicyOutput { policy: Some(policy.text), revision_id: Some(policy.revision) })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteResourcePolicyInput) -> Result<()> {
    let name = named(cx, input.registry_name.as_deref())?;
    cx.write(|tx| {
        let registry = registries::find(cx, tx, &name)?;
        if registry.policy.is_none() {
            return Err(none(&name));
        }
        REGISTRIES.put(tx, &name.key(), &Registry { policy: None, ..registry });
        Ok(())
    })
    .await
}
