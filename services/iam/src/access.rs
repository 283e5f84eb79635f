//! What IAM's own calls need to be allowed.

use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::entity::Kind;

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("iam:{}", operation.name);
    let mut access = Access::new(action, resource(cx, operation, input)?);
    if let Some(arn) = input.text("PolicyArn") {
        access.context.set("iam:PolicyARN", arn);
    }
    if let Some(arn) = input.text("PermissionsBoundary") {
        access.context.set("iam:PermissionsBoundary", arn);
    }
    if let Some(Value::List(tags)) = input.get("Tags") {
        for tag in tags {
            if let (Some(key), Some(value)) = (tag.text("Key"), tag.text("Value")) {
                access.context.set(&format!("aws:RequestTag/{key}"), value);
            }
        }
        access
            .context
            .set_many("aws:TagKeys", tags.iter().filter_map(|t| t.text("Key")).map(ToOwned::to_owned).collect());
    }
    Ok(vec![access])
}

/// The ARN that a call is about. One that does not exist yet is named by the path that it shall have.
fn resource(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<String> {
    let path = input.text("Path").unwrap_or("/");
    let of = |kind: Kind, word: &str, name: &str| -> Result<String> {
        match kind.find(&cx.read(), cx.account(), name) {
            Ok(entity) => Ok(entity.arn(cx, kind)),
            Err(failure) if failure.code() == Some("NoSuchEntity") => {
                Ok(cx.global_arn("iam", &format!("{word}{path}{name}")))
            }
            Err(failure) => Err(failure),
        }
    };
    if let Some(name) = input.text("RoleName") {
        return of(Kind::Role, "role", name);
    }
    if let Some(name) = input.text("UserName") {
        return of(Kind::User, "user", name);
    }
    if let Some(name) = input.text("VirtualMFADeviceName") {
        return Ok(cx.global_arn("iam", &format!("mfa{path}{name}")));
    }
    if operation.name == "DeleteVirtualMFADevice" {
        return Ok(input.text("SerialNumber").unwrap_or("*").to_owned());
    }
    if let Some(name) = input.text("PolicyName") {
        return Ok(cx.global_arn("iam", &format!("policy{path}{name}")));
    }
    if let Some(arn) = input.text("PolicyArn") {
        return Ok(arn.to_owned());
    }
    let about_oneself = operation.name.contains("AccessKey")
        || matches!(operation.name, "GetUser" | "DeactivateMFADevice" | "ListMFADevices");
    Ok(match &cx.principal().kind {
        PrincipalKind::User { .. } if about_oneself => cx.principal().arn.clone(),
        _ => "*".to_owned(),
    })
}
