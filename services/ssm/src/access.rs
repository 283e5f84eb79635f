//! What the calls need to be allowed.
//!
//! Source: "Restricting access to Parameter Store parameters using IAM policies" in the user guide: who may read below a path reads all that
//! is below it, whatever is denied of single parameters there.

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{MapContext, PolicyKind};
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::SERVICE;
use crate::names::{self, Named};
use crate::rows::Parameter;

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let name = operation.name;
    let mut needed = Vec::new();
    if let Some(given) = input.text("Name") {
        needed.push(on_named(cx, given, name)?);
    } else if let Some(Value::List(names)) = input.get("Names") {
        for given in names.iter().filter_map(Value::as_str) {
            needed.push(on_named(cx, given, name)?);
        }
    } else if let Some(path) = input.text("Path") {
        needed.push(on_path(cx, path, name, input));
    } else if let Some(id) = input.text("ResourceId") {
        needed.push(if input.text("ResourceType") == Some("Parameter") {
            on_named(cx, id, name)?
        } else {
            Access::new(format!("{SERVICE}:{name}"), "*")
        });
    } else if let Some(arn) = input.text("ResourceArn") {
        let is_parameter = Arn::parse(arn).is_some_and(|arn| arn.resource.starts_with("parameter/"));
        needed.push(if is_parameter {
            on_named(cx, arn, name)?
        } else {
            Access::new(format!("{SERVICE}:{name}"), arn)
        });
    } else if let Some(id) = input.text("SettingId") {
        let arn = if id.starts_with("arn:") { id.to_owned() } else { cx.arn(SERVICE, &format!("servicesetting{id}")) };
        needed.push(Access::new(format!("{SERVICE}:{name}"), arn));
    } else {
        needed.push(Access::new(format!("{SERVICE}:{name}"), "*"));
    }
    for access in &mut needed {
        said(&mut access.context, name, input);
    }
    if name == "PutParameter"
        && matches!(input.get("Tags"), Some(Value::List(tags)) if !tags.is_empty())
        && let Some(first) = needed.first()
    {
        let mut tag = Access::new(format!("{SERVICE}:AddTagsToResource"), first.resource.clone());
        undercast_kernel::tags::requested(&mut tag.context, input.get("Tags"), input.get("TagKeys"));
        needed.push(tag);
    }
    Ok(needed)
}

/// A permission on what a name or an ARN names.
fn on_named(cx: &Cx, given: &str, operation: &str) -> Result<Access> {
    // What is no name is said by the handler.
    let Ok(named) = Named::parse(cx, given) else {
        return Ok(Access::new(format!("{SERVICE}:{operation}"), cx.arn(SERVICE, "*")));
    };
    match Parameter::look_up(cx, &cx.read(), &named)? {
        Some(parameter) => on_parameter(cx, &parameter, operation),
        None => Ok(Access::new(format!("{SERVICE}:{operation}"), named.arn(cx)).in_account(named.account)),
    }
}

/// The same on one that is here.
pub(crate) fn on_parameter(cx: &Cx, parameter: &Parameter, operation: &str) -> Result<Access> {
    let arn = parameter.arn(cx);
    let mut access = Access::new(format!("{SERVICE}:{operation}"), &arn).in_account(&parameter.account);
    if let Some(shared) = &parameter.shared {
        let policy = cx.policies().compile(PolicyKind::Resource, &shared.text).map_err(Failure::broken)?;
        access = access.with_policy(&arn, policy);
    }
    for (key, value) in &parameter.tags {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
        access.context.set(&format!("ssm:resourceTag/{key}"), value);
    }
    Ok(access)
}

fn on_path(cx: &Cx, path: &str, operation: &str, input: &Fields) -> Access {
    let bare = format!("{}/", path.trim_end_matches('/'));
    let mut access = Access::new(format!("{SERVICE}:{operation}"), names::arn(cx, cx.account(), &bare));
    let recursive = matches!(input.get("Recursive"), Some(Value::Boolean(true)));
    access.context.set("ssm:Recursive", recursive.to_string());
    access
}

/// The condition keys of members that a call has.
fn said(context: &mut MapContext, operation: &str, input: &Fields) {
    if operation == "PutParameter" {
        let overwrites = matches!(input.get("Overwrite"), Some(Value::Boolean(true)));
        context.set("ssm:Overwrite", overwrites.to_string());
        context.set("ssm:Policies", input.get("Policies").is_some().to_string());
    }
    undercast_kernel::tags::requested(context, input.get("Tags"), input.get("TagKeys"));
}
