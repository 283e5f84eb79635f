//! What the calls need to be allowed.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::rows::arn_of;
use crate::{PRINCIPAL, tags};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let resource = match (input.text("resourceArn"), input.text("Name")) {
        (Some(arn), _) => arn.to_owned(),
        (None, Some(name)) => arn_of(cx, name),
        (None, None) => "*".to_owned(),
    };
    let mut access = Access::new(format!("pipes:{}", operation.name), resource.as_str());
    if let Some(name) = resource.rsplit_once(":pipe/").map(|(_, name)| name) {
        for (key, value) in tags::of(cx, &cx.read(), name)? {
            access.context.set(&format!("aws:ResourceTag/{key}"), value);
        }
    }
    let tags = input.get("Tags").or(input.get("tags"));
    undercast_kernel::tags::requested(&mut access.context, tags, input.get("tagKeys"));
    let mut needed = vec![access];
    if let Some(role) = input.text("RoleArn") {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    // To have logs delivered is a right of its own.
    let log = input.get("LogConfiguration");
    let destinations = ["S3LogDestination", "FirehoseLogDestination", "CloudwatchLogsLogDestination"];
    if log.is_some_and(|log| destinations.iter().any(|name| log.get(name).is_some())) {
        needed.push(Access::new("logs:CreateLogDelivery", "*"));
    }
    Ok(needed)
}
