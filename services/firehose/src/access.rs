//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for Amazon Data Firehose" in the service authorization reference.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::stream::{STREAMS, arn};
use crate::{PRINCIPAL, SERVICE};

/// All texts under members that name roles, wherever they stand.
fn roles(value: &Value, found: &mut Vec<String>) {
    if let Value::List(items) = value {
        items.iter().for_each(|item| roles(item, found));
    }
    if let Some(fields) = value.as_fields() {
        roles_of(fields, found);
    }
}

fn roles_of(fields: &Fields, found: &mut Vec<String>) {
    found.extend(fields.text("RoleARN").map(ToOwned::to_owned));
    fields.set.iter().for_each(|(_, inner)| roles(inner, found));
}

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("{SERVICE}:{}", operation.name);
    let Some(name) = input.text("DeliveryStreamName") else { return Ok(vec![Access::new(action, "*")]) };
    let mut access = Access::new(action, arn(cx, name));
    if let Some(stream) = STREAMS.get(&cx.read(), &cx.key(name))? {
        for (key, value) in &stream.tags {
            access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
        }
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    let mut needed = vec![access];
    let mut handed = Vec::new();
    roles_of(input, &mut handed);
    handed.sort();
    handed.dedup();
    needed.extend(handed.iter().map(|role| Access::passing(cx, role, PRINCIPAL)));
    Ok(needed)
}
