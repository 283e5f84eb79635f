//! The resource types of this cloud, and what a template may use of them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use undercast_kernel::resources::ResourceType;
use undercast_kernel::{Cx, Failure, Kernel, Result};

use crate::api::errors;
use crate::template::{DeletionPolicy, Template};

type Types = HashMap<&'static str, Arc<dyn ResourceType>>;

/// All resource types that the services bring along, by name.
fn all(kernel: &Kernel) -> &'static Types {
    // Which services a program has is the same in every cloud it runs.
    static ALL: OnceLock<Types> = OnceLock::new();
    ALL.get_or_init(|| {
        let types = kernel.services().iter().flat_map(|s| s.resource_types());
        types.map(|t| (t.name(), Arc::from(t))).collect()
    })
}

/// A resource type.
pub(crate) fn find(cx: &Cx, name: &str) -> Result<Arc<dyn ResourceType>> {
    let found = all(cx.kernel()).get(name).cloned();
    found.ok_or_else(|| Failure::not_built(format!("the resource type {name}")))
}

/// Refuses a template that uses what is not built, before anything of it is made.
pub(crate) fn check(cx: &Cx, template: &Template) -> Result<()> {
    if let Some(transform) = template.transforms.iter().find(|t| *t != "AWS::LanguageExtensions") {
        return Err(Failure::not_built(format!("the transform {transform}")));
    }
    for (logical, resource) in &template.resources {
        let kind = find(cx, &resource.resource_type)?;
        let known = kind.properties();
        if let Some(property) = resource.properties.keys().find(|p| !known.contains(&p.as_str())) {
            return Err(Failure::not_built(format!(
                "the property {property} of {} ({logical})",
                resource.resource_type
            )));
        }
        if resource.deletion_policy == Some(DeletionPolicy::Snapshot)
            || resource.update_replace_policy == Some(DeletionPolicy::Snapshot)
        {
            return Err(Failure::not_built(format!("the deletion policy Snapshot ({logical})")));
        }
        if resource.creation_policy.is_some() || resource.update_policy.is_some() {
            return Err(Failure::not_built(format!("creation and update policies ({logical})")));
        }
    }
    Ok(())
}

/// Properties that give IAM resources names of the user's choice.
const NAMES: &[(&str, &str)] = &[
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
    ("AWS::IAM::Group", "GroupName"),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
];

/// The capabilities that a template needs, and the types that need them.
pub(crate) fn capabilities(template: &Template) -> (Vec<String>, Vec<String>) {
    let iam: Vec<&str> =
        template.resources.values().map(|r| r.resource_type.as_str()).filter(|t| t.starts_with("AWS::IAM::")).collect();
    let named = template
        .resources
        .values()
        .any(|r| NAMES.iter().any(|(t, p)| r.resource_type == *t && r.properties.contains_key(*p)));
    let mut needed = Vec::new();
    if !iam.is_empty() {
        needed.push(if named { "CAPABILITY_NAMED_IAM".to_owned() } else { "CAPABILITY_IAM".to_owned() });
    }
    let mut types: Vec<String> = iam.into_iter().map(ToOwned::to_owned).collect();
    types.sort();
    types.dedup();
    (needed, types)
}

/// Refuses a template whose capabilities the caller has not acknowledged.
pub(crate) fn check_capabilities(template: &Template, given: &[String]) -> Result<()> {
    let (needed, _) = capabilities(template);
    // The named capability includes the other.
    let acknowledged =
        |n: &String| given.contains(n) || (n == "CAPABILITY_IAM" && given.iter().any(|g| g == "CAPABILITY_NAMED_IAM"));
    let missing: Vec<String> = needed.into_iter().filter(|n| !acknowledged(n)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(errors::insufficient_capabilities_exception(format!("Requires capabilities : [{}]", missing.join(", "))).into())
}
