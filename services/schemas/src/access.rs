//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for Amazon EventBridge Schemas" in the service authorization reference;
//! "Resource-based policies for Amazon EventBridge schemas" in the user guide.

use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::name::RegistryName;
use crate::rows::REGISTRIES;
use crate::tags::Tagged;
use crate::{discoverers, role};

/// What the policy of a registry has a say in.
const GUARDED: &[&str] = &[
    "CreateSchema",
    "DeleteRegistry",
    "DeleteSchema",
    "DeleteSchemaVersion",
    "DescribeCodeBinding",
    "DescribeRegistry",
    "DescribeSchema",
    "GetCodeBindingSource",
    "ListSchemaVersions",
    "ListSchemas",
    "PutCodeBinding",
    "SearchSchemas",
    "UpdateRegistry",
    "UpdateSchema",
];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("schemas:{}", operation.name);
    let mut needed = match (operation.name, input.text("RegistryName")) {
        ("CreateDiscoverer", _) => to_create_discoverer(cx, action)?,
        ("GetDiscoveredSchema", _) => vec![Access::new(action, "*")],
        ("ListDiscoverers", _) => vec![Access::new(action, discoverers::arn(cx, "*"))],
        ("ListRegistries", _) => vec![Access::new(action, RegistryName::new(cx, "*").arn())],
        (_, Some(given)) => of_registry(cx, operation.name, action, &RegistryName::of(cx, given), input)?,
        (_, None) => vec![of_other(cx, action, input)?],
    };
    if let Some(first) = needed.first_mut() {
        undercast_kernel::tags::requested(&mut first.context, input.get("Tags"), input.get("TagKeys"));
    }
    Ok(needed)
}

/// The first discoverer comes with the role that all have.
fn to_create_discoverer(cx: &Cx, action: String) -> Result<Vec<Access>> {
    let mut needed = vec![Access::new(action, "*")];
    if !role::is_there(cx)? {
        let mut made = Access::new("iam:CreateServiceLinkedRole", role::arn(cx));
        made.context.set("iam:AWSServiceName", role::PRINCIPAL);
        needed.push(made);
    }
    Ok(needed)
}

fn of_registry(
    cx: &Cx,
    operation: &str,
    action: String,
    registry: &RegistryName,
    input: &Fields,
) -> Result<Vec<Access>> {
    let of_registry = Tagged::Registry(registry.clone());
    let (resource, tagged) = match (operation, input.text("SchemaName")) {
        // They are about schemas, and name none.
        ("ListSchemas" | "SearchSchemas", _) => (registry.schema_arn("*"), None),
        (_, Some(schema)) => (registry.schema_arn(schema), Some(Tagged::Schema(registry.clone(), schema.to_owned()))),
        (_, None) => (registry.arn(), Some(of_registry.clone())),
    };
    let mut needed = vec![guarded(cx, operation, Access::new(action.clone(), resource), registry, tagged)?];
    if operation == "ExportSchema" {
        needed.push(guarded(cx, operation, Access::new(action, registry.arn()), registry, Some(of_registry))?);
    }
    Ok(needed)
}

/// A permission with the policy of the registry, and the tags of what it is about.
fn guarded(
    cx: &Cx,
    operation: &str,
    mut access: Access,
    registry: &RegistryName,
    tagged: Option<Tagged>,
) -> Result<Access> {
    let from = cx.read();
    if let Some(tagged) = tagged {
        tags_of(cx, &mut access, &tagged);
    }
    if registry.is_aws() {
        return Ok(access);
    }
    let access = access.in_account(registry.account.clone());
    let policy = REGISTRIES.get(&from, &registry.key())?.and_then(|registry| registry.policy);
    match policy.filter(|_| GUARDED.contains(&operation)) {
        Some(policy) => {
            let compiled = cx.policies().compile(PolicyKind::Resource, &policy.text).map_err(Failure::broken)?;
            Ok(access.with_policy(&registry.arn(), compiled))
        }
        None => Ok(access),
    }
}

/// What is not there has no tags, and the operation says so.
fn tags_of(cx: &Cx, access: &mut Access, tagged: &Tagged) {
    for (key, value) in tagged.tags(cx, &cx.read()).into_iter().flatten() {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
}

/// A permission on a discoverer, or on what an ARN names.
fn of_other(cx: &Cx, action: String, input: &Fields) -> Result<Access> {
    let (resource, tagged) = match (input.text("DiscovererId"), input.text("ResourceArn")) {
        (Some(id), _) => (discoverers::arn(cx, id), Some(Tagged::Discoverer(id.to_owned()))),
        (None, Some(arn)) => (arn.to_owned(), Tagged::parse(cx, arn).ok()),
        (None, None) => ("*".to_owned(), None),
    };
    let mut access = Access::new(action, resource);
    if let Some(tagged) = tagged {
        tags_of(cx, &mut access, &tagged);
    }
    Ok(access)
}
