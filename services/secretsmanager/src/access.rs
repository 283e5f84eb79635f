//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for AWS Secrets Manager" in the service authorization reference.

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{MapContext, PolicyKind};
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::SERVICE;
use crate::labels::CURRENT;
use crate::rows::Secret;

/// The operations that are done to no single secret.
const ON_NOTHING: &[&str] = &["GetRandomPassword", "ListSecrets", "BatchGetSecretValue"];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let name = operation.name;
    let mut access = match input.text("SecretId") {
        Some(id) => on_named(cx, id, name)?,
        None if name == "CreateSecret" => {
            // The characters that its ARN will end in are not known to whoever writes policies.
            let named = input.text("Name").unwrap_or_default();
            Access::new(format!("{SERVICE}:{name}"), cx.arn(SERVICE, &format!("secret:{named}-??????")))
        }
        None => Access::new(format!("{SERVICE}:{name}"), "*"),
    };
    said(&mut access.context, name, input);
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    let mut needed = vec![access];
    if ON_NOTHING.contains(&name) && input.get("Filters").is_some() && name != "ListSecrets" {
        needed.push(Access::new(format!("{SERVICE}:ListSecrets"), "*"));
    }
    if name == "CreateSecret" && matches!(input.get("Tags"), Some(Value::List(tags)) if !tags.is_empty()) {
        let first = &needed[0];
        let mut tag = Access::new(format!("{SERVICE}:TagResource"), first.resource.clone());
        undercast_kernel::tags::requested(&mut tag.context, input.get("Tags"), input.get("TagKeys"));
        needed.push(tag);
    }
    if let Some(function) = input.text("RotationLambdaARN")
        && Arn::parse(function).is_some_and(|arn| arn.account == cx.principal().account)
    {
        needed.push(Access::new("lambda:InvokeFunction", function));
    }
    Ok(needed)
}

/// A permission on what a name or an ARN names, without what a call says.
pub(crate) fn on_named(cx: &Cx, id: &str, operation: &str) -> Result<Access> {
    match Secret::look_up(cx, &cx.read(), id)? {
        Some(secret) => on_secret(cx, &secret, operation),
        None => Ok(on_missing(cx, operation, id)),
    }
}

/// A permission on a secret that is here, without what a call says.
pub(crate) fn on_secret(cx: &Cx, secret: &Secret, operation: &str) -> Result<Access> {
    let arn = secret.arn(cx);
    let mut access = Access::new(format!("{SERVICE}:{operation}"), &arn).in_account(&secret.account);
    if let Some(policy) = &secret.policy {
        let policy = cx.policies().compile(PolicyKind::Resource, policy).map_err(Failure::broken)?;
        access = access.with_policy(&arn, policy);
    }
    let context = &mut access.context;
    context.set("secretsmanager:SecretId", &arn);
    context.set("secretsmanager:SecretPrimaryRegion", secret.primary.as_ref().unwrap_or(&secret.region));
    if let Some(rotation) = &secret.rotation {
        context.set("secretsmanager:resource/AllowRotationLambdaArn", &rotation.function);
    }
    for (key, value) in &secret.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value);
        context.set(&format!("secretsmanager:ResourceTag/{key}"), value);
    }
    Ok(access)
}

/// The same on one that is not here.
fn on_missing(cx: &Cx, operation: &str, id: &str) -> Access {
    let arn = Arn::parse(id);
    let resource = if arn.is_some() { id.to_owned() } else { cx.arn(SERVICE, &format!("secret:{id}")) };
    let mut access = Access::new(format!("{SERVICE}:{operation}"), &resource);
    access.context.set("secretsmanager:SecretId", resource);
    if let Some(arn) = arn {
        access = access.in_account(arn.account);
    }
    access
}

/// The condition keys of members that a call has.
fn said(context: &mut MapContext, operation: &str, input: &Fields) {
    const TEXTS: &[(&str, &str)] = &[
        ("Name", "secretsmanager:Name"),
        ("Description", "secretsmanager:Description"),
        ("VersionId", "secretsmanager:VersionId"),
        ("VersionStage", "secretsmanager:VersionStage"),
        ("RotationLambdaARN", "secretsmanager:RotationLambdaARN"),
    ];
    const FLAGS: &[(&str, &str)] = &[
        ("ForceDeleteWithoutRecovery", "secretsmanager:ForceDeleteWithoutRecovery"),
        ("ForceOverwriteReplicaSecret", "secretsmanager:ForceOverwriteReplicaSecret"),
        ("BlockPublicPolicy", "secretsmanager:BlockPublicPolicy"),
        ("RotateImmediately", "secretsmanager:RotateImmediately"),
    ];
    for (member, key) in TEXTS {
        if let Some(text) = input.text(member) {
            context.set(key, text);
        }
    }
    for (member, key) in FLAGS {
        if let Some(Value::Boolean(flag)) = input.get(member) {
            context.set(key, flag.to_string());
        }
    }
    if let Some(key) = input.text("KmsKeyId") {
        let name = if key.starts_with("arn:") { "secretsmanager:KmsKeyArn" } else { "secretsmanager:KmsKeyId" };
        context.set(name, key);
    }
    if operation == "GetSecretValue" && input.get("VersionId").is_none() && input.get("VersionStage").is_none() {
        context.set("secretsmanager:VersionStage", CURRENT);
    }
    if operation == "RotateSecret" {
        context.set("secretsmanager:ModifyRotationRules", input.get("RotationRules").is_some().to_string());
        if input.get("RotateImmediately").is_none() {
            context.set("secretsmanager:RotateImmediately", "true");
        }
    }
    if let Some(Value::Integer(days)) = input.get("RecoveryWindowInDays") {
        context.set("secretsmanager:RecoveryWindowInDays", days.to_string());
    }
    if let Some(Value::List(regions)) = input.get("AddReplicaRegions") {
        let regions = regions.iter().filter_map(|region| region.text("Region")).map(ToOwned::to_owned);
        context.set_many("secretsmanager:AddReplicaRegions", regions.collect());
    }
}

/// The condition keys of tags that a call sets, or takes away.
pub(crate) fn said_of_tags(context: &mut MapContext, tags: &undercast_kernel::tags::Tags) {
    for (key, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
        context.set(&format!("aws:RequestTag/{key}"), value);
    }
    if !tags.is_empty() {
        context.set_many("aws:TagKeys", tags.keys().cloned().collect());
    }
}
