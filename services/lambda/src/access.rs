//! What the calls need to be allowed.

use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::function::FunctionName;
use crate::holder::Holder;
use crate::layer::LayerName;
use crate::{mapping, policy};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = match operation.name {
        "Invoke" | "InvokeAsync" | "InvokeWithResponseStream" => "lambda:InvokeFunction".to_owned(),
        other => format!("lambda:{other}"),
    };
    let mut needed = vec![on(cx, action, operation, input)?];
    if let Some(first) = needed.first_mut() {
        undercast_kernel::tags::requested(&mut first.context, input.get("Tags"), None);
    }
    // Who gives a function a layer must be able to read it.
    for arn in input.get("Layers").into_iter().flat_map(texts) {
        needed.push(of_layer(cx, "lambda:GetLayerVersion".to_owned(), arn)?);
    }
    if let Some(role) = input.text("Role") {
        needed.push(Access::passing(cx, role, "lambda.amazonaws.com"));
    }
    Ok(needed)
}

fn on(cx: &Cx, action: String, operation: &'static Operation, input: &Fields) -> Result<Access> {
    if let Some(id) = input.text("UUID") {
        return Ok(Access::new(action, mapping::arn(cx, id)));
    }
    if let Some(layer) = input.text("LayerName") {
        let place = LayerName::parse(cx, layer);
        return match input.get("VersionNumber") {
            _ if operation.name == "ListLayerVersions" => Ok(Access::new(action, "*")),
            Some(Value::Integer(number)) => of_layer(cx, action, &format!("{}:{number}", place.arn(cx))),
            _ => Ok(Access::new(action, place.arn(cx)).in_account(place.account)),
        };
    }
    if let Some(arn) = input.text("Arn") {
        return of_layer(cx, "lambda:GetLayerVersion".to_owned(), arn);
    }
    if let Some(arn) = input.text("Resource") {
        return match FunctionName::parse(cx, arn, None) {
            Ok(name) if arn.contains(":function:") => of_function(cx, action, &name),
            _ => Ok(Access::new(action, arn)),
        };
    }
    if let (Some(arn), None) = (input.text("CodeSigningConfigArn"), input.text("FunctionName")) {
        return Ok(Access::new(action, arn));
    }
    let Some(name) = input.text("FunctionName") else { return Ok(Access::new(action, "*")) };
    let name = FunctionName::parse(cx, name, input.text("Qualifier"))?;
    if operation.name.ends_with("EventSourceMapping") || operation.name.ends_with("EventSourceMappings") {
        let mut access = Access::new(action, "*");
        access.context.set("lambda:FunctionArn", name.arn(cx));
        return Ok(access);
    }
    let mut access = of_function(cx, action, &name)?;
    if let Some(auth) = input.text("AuthType").or(input.text("FunctionUrlAuthType")) {
        access.context.set("lambda:FunctionUrlAuthType", auth);
    }
    if let Some(config) = input.text("CodeSigningConfigArn") {
        access.context.set("lambda:CodeSigningConfigArn", config);
    }
    if let Some(principal) = input.text("Principal") {
        access.context.set("lambda:Principal", principal);
    }
    Ok(access)
}

/// A permission on a version of a layer, with its policy.
fn of_layer(cx: &Cx, action: String, arn: &str) -> Result<Access> {
    let access = Access::new(action, arn);
    let Some((place, number)) = LayerName::of_version(arn) else { return Ok(access) };
    let access = access.in_account(place.account.clone());
    match place.version(&cx.read(), number)?.and_then(|version| policy::document(&version.permissions)) {
        Some(text) => {
            let policy = cx.policies().compile(PolicyKind::Resource, &text).map_err(Failure::broken)?;
            Ok(access.with_policy(arn, policy))
        }
        None => Ok(access),
    }
}

fn texts(list: &Value) -> Vec<&str> {
    match list {
        Value::List(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A permission on a function, with the function's policy and tags.
fn of_function(cx: &Cx, action: String, name: &FunctionName) -> Result<Access> {
    let access = Access::new(action, name.qualified_arn(cx)).in_account(name.account.clone());
    match Holder::look(cx, &cx.read(), name)? {
        Some(holder) => known(cx, access, &holder),
        None => Ok(access),
    }
}

/// Adds what is known of the function: its tags, and the policy of what was named of it.
pub(crate) fn known(cx: &Cx, mut access: Access, holder: &Holder) -> Result<Access> {
    for (key, value) in &holder.function().tags {
        access.context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
    }
    match policy::document(holder.permissions()) {
        Some(text) => {
            let policy = cx.policies().compile(PolicyKind::Resource, &text).map_err(Failure::broken)?;
            Ok(access.with_policy(&holder.name().qualified_arn(cx), policy))
        }
        None => Ok(access),
    }
}
