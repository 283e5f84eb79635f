//! What the calls need to be allowed.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

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
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    let mut needed = vec![access];
    if let Some(role) = input.get("Target").and_then(|target| target.text("RoleArn")) {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    Ok(needed)
}
