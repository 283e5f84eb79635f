//! What the calls need to be allowed.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::rows::{DEFAULT_GROUP, arn_of_group, arn_of_schedule};
use crate::{PRINCIPAL, tags};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let named = input.text("GroupName").unwrap_or(DEFAULT_GROUP);
    let (resource, group) = match (input.text("ResourceArn"), input.text("Name")) {
        (Some(arn), _) => (arn.to_owned(), arn.rsplit('/').next()),
        (None, Some(name)) if operation.name.ends_with("ScheduleGroup") => (arn_of_group(cx, name), Some(name)),
        (None, Some(name)) => (arn_of_schedule(cx, named, name), Some(named)),
        (None, None) => ("*".to_owned(), None),
    };
    let mut access = Access::new(format!("scheduler:{}", operation.name), resource);
    if let Some(group) = group {
        for (key, value) in tags::of(cx, &cx.read(), group)? {
            access.context.set(&format!("aws:ResourceTag/{key}"), value);
        }
    }
    request_tags(&mut access, input);
    let mut needed = vec![access];
    if let Some(role) = input.get("Target").and_then(|target| target.text("RoleArn")) {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    Ok(needed)
}

fn request_tags(access: &mut Access, input: &Fields) {
    let mut keys = Vec::new();
    if let Some(Value::List(tags)) = input.get("Tags") {
        for tag in tags {
            let key = tag.text("Key").unwrap_or_default();
            access.context.set(&format!("aws:RequestTag/{key}"), tag.text("Value").unwrap_or_default());
            keys.push(key.to_owned());
        }
    }
    if let Some(Value::List(names)) = input.get("TagKeys") {
        keys.extend(names.iter().filter_map(Value::as_str).map(ToOwned::to_owned));
    }
    if !keys.is_empty() {
        access.context.set_many("aws:TagKeys", keys);
    }
}
