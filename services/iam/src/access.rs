//! What IAM's own calls need to be allowed.

use std::collections::BTreeMap;

use undercast_kernel::policy::{PolicyKind, PrincipalKind};
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::entity::{Entity, Kind};
use crate::{instance_profiles, linked, password_policy, policies, properties, server_certificates};

/// Members that are ARNs of what a call is about.
const ARNS: [&str; 3] = ["PolicyArn", "SAMLProviderArn", "OpenIDConnectProviderArn"];
/// Calls about a device itself, whose serial number is its ARN. Others are about who has it.
const OF_DEVICES: [&str; 4] = ["DeleteVirtualMFADevice", "ListMFADeviceTags", "TagMFADevice", "UntagMFADevice"];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let mut access = Access::new(format!("iam:{}", operation.name), String::new());
    access.resource = resource(cx, operation, input, &mut access)?;
    for (member, key) in [
        ("PolicyArn", "iam:PolicyARN"),
        ("PermissionsBoundary", "iam:PermissionsBoundary"),
        ("AWSServiceName", "iam:AWSServiceName"),
        ("OrganizationsPolicyId", "iam:OrganizationsPolicyId"),
        ("ServiceName", "iam:ServiceSpecificCredentialServiceName"),
        ("CredentialAgeDays", "iam:ServiceSpecificCredentialAgeDays"),
    ] {
        let value = match input.get(member) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            _ => continue,
        };
        access.context.set(key, &value);
    }
    match (operation.name, input.get("Properties")) {
        ("GetAccountProperties", _) => {
            access.context.set_many("iam:AccountPropertyNamespaces", vec![properties::NAMESPACE.to_owned()]);
        }
        ("PutAccountProperties", Some(Value::Map(given))) => {
            let namespaces = properties::namespaces(given.keys().map(String::as_str));
            access.context.set_many("iam:AccountPropertyNamespaces", namespaces);
        }
        _ => {}
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    let access = allow_own_password(cx, operation, access)?;
    let mut all = vec![access];
    // Whoever hands a role to instances passes it on.
    if operation.name == "AddRoleToInstanceProfile"
        && let Some(name) = input.text("RoleName")
    {
        let role = entity(cx, Kind::Role, name, "/")?.1;
        all.push(Access::passing(cx, &role, "ec2.amazonaws.com"));
    }
    Ok(all)
}

/// An account's password policy can let all users change their own passwords, and read the policy, by itself.
fn allow_own_password(cx: &Cx, operation: &'static Operation, access: Access) -> Result<Access> {
    let own = matches!(operation.name, "ChangePassword" | "GetAccountPasswordPolicy");
    let user = matches!(cx.principal().kind, PrincipalKind::User { .. });
    if !own || !user || !password_policy::users_may_change(&cx.read(), cx.account())? {
        return Ok(access);
    }
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": access.action,
        "Principal": {"AWS": cx.principal().arn}, "Resource": "*"}]});
    let policy = cx.policies().compile(PolicyKind::Resource, &document.to_string()).map_err(Failure::broken)?;
    Ok(access.with_policy("password policy of the account", policy))
}

/// A user, role or group with its ARN. One that does not exist yet has the path that it shall have.
fn entity(cx: &Cx, kind: Kind, name: &str, path: &str) -> Result<(Option<Entity>, String)> {
    match kind.find(&cx.read(), cx.account(), name) {
        Ok(entity) => {
            let arn = entity.arn(cx, kind);
            Ok((Some(entity), arn))
        }
        Err(failure) if failure.code() == Some("NoSuchEntity") => {
            Ok((None, cx.global_arn("iam", &format!("{}{path}{name}", kind.word()))))
        }
        Err(failure) => Err(failure),
    }
}

/// The ARN that a call is about. What is known of it goes into the context.
fn resource(cx: &Cx, operation: &'static Operation, input: &Fields, access: &mut Access) -> Result<String> {
    let path = input.text("Path").unwrap_or("/");
    if let Some(name) = input.text("InstanceProfileName") {
        return Ok(match instance_profiles::find(&cx.read(), cx.account(), name) {
            Ok(profile) => {
                resource_tags(access, profile.tags());
                profile.arn(cx)
            }
            Err(failure) if failure.code() == Some("NoSuchEntity") => {
                cx.global_arn("iam", &format!("instance-profile{path}{name}"))
            }
            Err(failure) => return Err(failure),
        });
    }
    for (member, kind) in [("GroupName", Kind::Group), ("RoleName", Kind::Role), ("UserName", Kind::User)] {
        let Some(name) = input.text(member) else { continue };
        let (found, arn) = entity(cx, kind, name, path)?;
        if let Some(entity) = found {
            resource_tags(access, &entity.tags);
        }
        return Ok(arn);
    }
    if let Some(service) = input.text("AWSServiceName") {
        return Ok(linked::arn(cx, service, input.text("CustomSuffix")));
    }
    if let Some(name) = input.text("VirtualMFADeviceName") {
        return Ok(cx.global_arn("iam", &format!("mfa{path}{name}")));
    }
    if let Some(name) = input.text("ServerCertificateName") {
        let known = server_certificates::arn(cx, &cx.read(), name)?;
        return Ok(known.unwrap_or_else(|| cx.global_arn("iam", &format!("server-certificate{path}{name}"))));
    }
    if let Some(name) = input.text("PolicyName") {
        return Ok(cx.global_arn("iam", &format!("policy{path}{name}")));
    }
    if let Some(arn) = ARNS.iter().find_map(|member| input.text(member)) {
        if let Ok(policy) = policies::find(&cx.read(), cx.account(), arn) {
            resource_tags(access, policy.tags());
        }
        return Ok(arn.to_owned());
    }
    match operation.name {
        name if OF_DEVICES.contains(&name) => return Ok(input.text("SerialNumber").unwrap_or("*").to_owned()),
        "CreateSAMLProvider" => {
            return Ok(cx.global_arn("iam", &format!("saml-provider/{}", input.text("Name").unwrap_or("*"))));
        }
        "CreateOpenIDConnectProvider" => {
            let place = input.text("Url").and_then(|url| url.strip_prefix("https://")).unwrap_or("*");
            return Ok(cx.global_arn("iam", &format!("oidc-provider/{}", place.trim_end_matches('/'))));
        }
        _ if input.get("DelegationRequestId").is_some() => {
            let id = input.text("DelegationRequestId").unwrap_or("*");
            return Ok(cx.global_arn("iam", &format!("delegation-request/{id}")));
        }
        "GenerateOrganizationsAccessReport" => {
            let path = input.text("EntityPath").unwrap_or("*");
            return Ok(cx.global_arn("iam", &format!("access-report/{path}")));
        }
        "GetHumanReadableSummary" => return Ok(input.text("EntityArn").unwrap_or("*").to_owned()),
        "GenerateServiceLastAccessedDetails" | "ListPoliciesGrantingServiceAccess" => {
            return Ok(input.text("Arn").unwrap_or("*").to_owned());
        }
        _ => {}
    }
    Ok(match &cx.principal().kind {
        PrincipalKind::User { .. } | PrincipalKind::Root if is_about_oneself(operation.name) => {
            cx.principal().arn.clone()
        }
        _ => "*".to_owned(),
    })
}

/// What policies see of the tags of what a call is about.
fn resource_tags(access: &mut Access, tags: &BTreeMap<String, String>) {
    for (key, value) in tags {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
        access.context.set(&format!("iam:ResourceTag/{key}"), value);
    }
}

/// Calls that are about whoever makes them where they name nobody.
fn is_about_oneself(operation: &str) -> bool {
    let of_things = ["AccessKey", "LoginProfile", "ServiceSpecificCredential", "SigningCertificate", "SSHPublicKey"];
    of_things.iter().any(|thing| operation.contains(thing))
        || matches!(operation, "GetUser" | "DeactivateMFADevice" | "ListMFADevices" | "ChangePassword")
}
