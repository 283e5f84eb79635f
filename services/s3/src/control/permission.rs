//! What a call of S3 Control needs to be allowed.
//!
//! Source: "Actions, resources, and condition keys for Amazon S3" in the service authorization reference.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use super::points;
use super::rows::{POINTS, origin};

/// What a call needs.
pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("s3:{}", operation.name);
    Ok(match operation.name {
        "GetPublicAccessBlock" => vec![Access::new("s3:GetAccountPublicAccessBlock", "*")],
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => vec![Access::new("s3:PutAccountPublicAccessBlock", "*")],
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            vec![Access::new(action, input.text("ResourceArn").unwrap_or("*"))]
        }
        "CreateAccessPoint" => create(cx, action, input),
        name if name.contains("AccessPoint") && input.text("Name").is_some() => {
            vec![of_point(cx, action, input.text("Name").unwrap_or_default())?]
        }
        _ => vec![Access::new(action, "*")],
    })
}

fn create(cx: &Cx, action: String, input: &Fields) -> Vec<Access> {
    let arn = points::arn_of(cx, input.text("Name").unwrap_or_default());
    let mut access = Access::new(action, arn.as_str());
    keys(cx, &mut access, origin(input.get("VpcConfiguration").is_some()));
    let tags = match input.get("Tags") {
        Some(Value::List(tags)) => tags.as_slice(),
        _ => &[],
    };
    let mut needed = vec![access];
    if !tags.is_empty() {
        needed.push(Access::new("s3:TagResource", arn));
    }
    let names: Vec<String> = tags.iter().filter_map(|t| t.text("Key")).map(ToOwned::to_owned).collect();
    for access in &mut needed {
        for tag in tags {
            if let (Some(key), Some(value)) = (tag.text("Key"), tag.text("Value")) {
                access.context.set(&format!("aws:RequestTag/{key}"), value);
            }
        }
        access.context.set_many("aws:TagKeys", names.clone());
    }
    needed
}

fn of_point(cx: &Cx, action: String, name: &str) -> Result<Access> {
    let mut access = Access::new(action, points::arn_of(cx, name));
    if let Some(point) = POINTS.get(&cx.read(), &cx.key(name))? {
        keys(cx, &mut access, point.origin());
        for (key, value) in &point.tags {
            access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
        }
    }
    Ok(access)
}

fn keys(cx: &Cx, access: &mut Access, origin: &'static str) {
    let arn = access.resource.clone();
    access.context.set("s3:DataAccessPointArn", arn);
    access.context.set("s3:DataAccessPointAccount", cx.account());
    access.context.set("s3:AccessPointNetworkOrigin", origin);
}
