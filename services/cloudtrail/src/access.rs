//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for AWS CloudTrail" in the service authorization reference; CreateTrail and
//! UpdateTrail hand a role over.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::PRINCIPAL;
use crate::name::TrailName;
use crate::rows::TRAILS;

/// What is about no trail in particular.
const OF_ALL: &[&str] = &[
    "DeregisterOrganizationDelegatedAdmin",
    "DescribeTrails",
    "ListInsightsData",
    "ListPublicKeys",
    "ListTrails",
    "LookupEvents",
    "RegisterOrganizationDelegatedAdmin",
];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("cloudtrail:{}", operation.name);
    if OF_ALL.contains(&operation.name) {
        return Ok(vec![Access::new(action, "*")]);
    }
    let mut needed: Vec<Access> = match input.get("ResourceIdList") {
        Some(Value::List(ids)) => {
            ids.iter().filter_map(Value::as_str).map(|id| of_trail(cx, action.clone(), id)).collect::<Result<_>>()?
        }
        _ => {
            let given = ["Name", "TrailName", "ResourceId"].into_iter().find_map(|name| input.text(name));
            vec![of_trail(cx, action, given.unwrap_or("*"))?]
        }
    };
    let changes = operation.name != "RemoveTags";
    let tags = input.get("TagsList");
    for access in &mut needed {
        undercast_kernel::tags::requested(&mut access.context, tags.filter(|_| changes), None);
        if let Some(Value::List(tags)) = tags.filter(|_| !changes) {
            let keys = tags.iter().filter_map(|tag| tag.text("Key")).map(ToOwned::to_owned);
            access.context.set_many("aws:TagKeys", keys.collect());
        }
    }
    if let Some(role) = input.text("CloudWatchLogsRoleArn").filter(|role| !role.is_empty()) {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    Ok(needed)
}

/// A permission on a trail that is named, or given by its ARN.
fn of_trail(cx: &Cx, action: String, given: &str) -> Result<Access> {
    let name = match TrailName::parse(given) {
        Some(name) => name,
        // What is no name is refused by the operation.
        None if given.starts_with("arn:") => return Ok(Access::new(action, given)),
        None => TrailName::here(cx, given),
    };
    // Of another account's trail the operation says that it is unknown, unless it is the organization's.
    let mut access = Access::new(action, name.arn());
    for (key, value) in TRAILS.get(&cx.read(), &name.key())?.into_iter().flat_map(|trail| trail.tags) {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}
