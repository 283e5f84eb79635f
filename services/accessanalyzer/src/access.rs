//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for AWS IAM Access Analyzer" in the service authorization reference.

use undercast_kernel::{Access, Cx, Result, tags};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::{analyzers, role};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    // The second versions of two operations are allowed as the first ones.
    let name = operation.name.strip_suffix("V2").unwrap_or(operation.name);
    let action = format!("access-analyzer:{name}");
    let named = input.text("analyzerName").map(|name| cx.arn("access-analyzer", &format!("analyzer/{name}")));
    let given = input.text("analyzerArn").or(input.text("resourceArn").filter(|arn| arn.contains(":analyzer/")));
    let analyzer = given.map(ToOwned::to_owned).or(named);
    let resource = match (name, &analyzer, input.text("ruleName")) {
        // Analyzed resources have ARNs of others.
        ("CreateArchiveRule" | "DeleteArchiveRule" | "GetArchiveRule" | "UpdateArchiveRule", Some(arn), Some(rule)) => {
            format!("{arn}/archive-rule/{rule}")
        }
        (_, Some(arn), _) => arn.clone(),
        (_, None, _) => "*".to_owned(),
    };
    let mut first = Access::new(action, resource);
    for (key, value) in analyzer.and_then(|arn| analyzers::tags_of(cx, &arn)).into_iter().flatten() {
        first.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    tags::requested(&mut first.context, input.get("tags"), input.get("tagKeys"));
    let mut needed = vec![first];
    if name == "CreateAnalyzer" && !role::is_there(cx)? {
        let mut made = Access::new("iam:CreateServiceLinkedRole", role::arn(cx));
        made.context.set("iam:AWSServiceName", role::PRINCIPAL);
        needed.push(made);
    }
    if let Some(Value::Structure(trails)) = input.get("cloudTrailDetails")
        && let Some(role) = trails.text("accessRole")
    {
        needed.push(Access::passing(cx, role, role::PRINCIPAL));
    }
    Ok(needed)
}
