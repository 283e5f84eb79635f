//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for AWS Step Functions" in the service authorization reference.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::{PRINCIPAL, arns, tags};

/// Members that name what a call is about.
const NAMED: &[&str] = &[
    "stateMachineArn",
    "stateMachineVersionArn",
    "stateMachineAliasArn",
    "executionArn",
    "activityArn",
    "mapRunArn",
    "resourceArn",
];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let resource = match (operation.name, input.text("name")) {
        ("CreateStateMachine", Some(name)) => arns::of_machine(cx, name),
        ("CreateActivity", Some(name)) => arns::of_activity(cx, name),
        ("CreateStateMachineAlias", _) => "*".to_owned(),
        _ => {
            let named = NAMED.iter().find_map(|member| input.text(member));
            named.unwrap_or("*").to_owned()
        }
    };
    let mut access = Access::new(format!("states:{}", operation.name), resource.as_str());
    if (resource.contains(":stateMachine:") || resource.contains(":activity:"))
        && let Some(of) = tags::of(cx, &cx.read(), &unqualified(&resource)).ok().flatten()
    {
        for (key, value) in of {
            access.context.set(&format!("aws:ResourceTag/{key}"), value);
        }
    }
    if let Some((_, qualifier)) = resource.split_once(":stateMachine:").and_then(|(_, rest)| rest.split_once(':')) {
        access.context.set("states:StateMachineQualifier", qualifier);
    }
    // Step Functions writes keys and values of tags small.
    if let Some(undercast_wire::Value::List(list)) = input.get("tags") {
        for tag in list {
            if let (Some(key), value) = (tag.text("key"), tag.text("value")) {
                access.context.set(&format!("aws:RequestTag/{key}"), value.unwrap_or_default());
            }
        }
        let keys: Vec<String> = list.iter().filter_map(|tag| tag.text("key").map(ToOwned::to_owned)).collect();
        access.context.set_many("aws:TagKeys", keys);
    }
    undercast_kernel::tags::requested(&mut access.context, None, input.get("tagKeys"));
    let mut needed = vec![access];
    // To have logs delivered is a right of its own.
    let logging = input.get("loggingConfiguration");
    if logging.is_some_and(|logging| logging.text("level").is_some_and(|level| level != "OFF")) {
        needed.push(Access::new("logs:CreateLogDelivery", "*"));
    }
    if let Some(role) = input.text("roleArn") {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    Ok(needed)
}

/// The ARN of the machine itself.
fn unqualified(arn: &str) -> String {
    arn.split(':').take(7).collect::<Vec<_>>().join(":")
}
