//! What the calls need to be allowed.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::{group, policies};

/// The permission that a call needs. Actions on a group name it as its (unnamed) stream, as AWS's messages show it.
pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("logs:{}", operation.name);
    let name = input.text("logGroupName").or_else(|| input.text("logGroupIdentifier").map(group::name_in));
    let resource = match (input.text("resourceArn"), name) {
        (Some(arn), _) => arn.to_owned(),
        (None, name) => {
            let stream = match operation.name {
                "CreateLogStream" | "DeleteLogStream" | "GetLogEvents" | "PutLogEvents" => input.text("logStreamName"),
                _ => None,
            };
            cx.arn("logs", &format!("log-group:{}:log-stream:{}", name.unwrap_or_default(), stream.unwrap_or_default()))
        }
    };
    if operation.name.ends_with("ResourcePolicy") || operation.name.ends_with("ResourcePolicies") {
        return Ok(vec![Access::new(action, "*")]);
    }
    let mut access = Access::new(action, resource);
    undercast_kernel::tags::requested(&mut access.context, input.get("tags"), None);
    Ok(vec![policies::guarded(cx, access)?])
}
