//! What the calls need to be allowed, and what the organization's resource policy lets its members do.
//!
//! Source: "Actions, resources, and condition keys for AWS Organizations" in the service authorization reference.

use std::sync::Arc;

use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::{Access, Cx, Failure, Result};
use undercast_wire::Fields;
use undercast_wire::schema::Operation;

use crate::home::Home;
use crate::ids::{policy_arn, target_arn};
use crate::policies::content;
use crate::rows::HANDSHAKES;
use crate::{handshakes, tags, transfers};

/// Members that name a root, unit, account or policy.
const IDS: &[&str] = &[
    "AccountId",
    "ChildId",
    "DestinationParentId",
    "HandshakeId",
    "Id",
    "OrganizationalUnitId",
    "ParentId",
    "PolicyId",
    "ResourceId",
    "RootId",
    "SourceParentId",
    "TargetId",
];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("organizations:{}", operation.name);
    let from = cx.read();
    let home = match Home::of_member(cx, &from) {
        Ok(home) => Some(home),
        Err(failure) if failure.code() == Some("AWSOrganizationsNotInUseException") => None,
        Err(failure) => return Err(failure),
    };
    let mut all = Vec::new();
    for id in IDS.iter().filter_map(|name| input.text(name)) {
        let mut access = Access::new(action.clone(), resource(cx, home.as_ref(), id)?);
        let there = home.as_ref().map_or(Ok(None), |home| tags::there(cx, home, id))?;
        for (key, value) in there.into_iter().flatten() {
            access.context.set(&format!("aws:ResourceTag/{key}"), value);
        }
        all.push(access);
    }
    if all.is_empty() {
        all.push(Access::new(action, "*"));
    }
    all.iter_mut().for_each(|access| conditions(access, input));
    Ok(all)
}

fn conditions(access: &mut Access, input: &Fields) {
    for name in ["PolicyType", "Type", "Filter"] {
        if let Some(kind) = input.text(name) {
            let transfers = access.action.contains("ResponsibilityTransfer") || access.action.contains("ToTransfer");
            let key = if transfers { "organizations:TransferType" } else { "organizations:PolicyType" };
            access.context.set(key, kind);
        }
    }
    if let Some(principal) = input.text("ServicePrincipal") {
        access.context.set("organizations:ServicePrincipal", principal);
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
}

fn resource(cx: &Cx, home: Option<&Home>, id: &str) -> Result<String> {
    let from = cx.read();
    // Who is invited is in no organization yet, and names the handshake of one.
    if id.starts_with("h-") {
        let found = HANDSHAKES.all(&from, &())?.into_iter().find_map(|entry| {
            let (management, known) = entry.key::<(String, String)>()?;
            (known == id).then_some((management, entry.row))
        });
        return match found {
            Some((management, row)) => handshakes::arn(&from, &management, id, &row),
            None => Ok("*".to_owned()),
        };
    }
    if id.starts_with("rt-") {
        return Ok(transfers::arn(cx, &from, id)?.unwrap_or_else(|| "*".to_owned()));
    }
    let Some(home) = home else { return Ok("*".to_owned()) };
    let (management, organization) = (&home.management, &home.organization.id);
    if id.starts_with("p-") {
        let kind = content(&from, management, id)?.map_or_else(|| "*".to_owned(), |(kind, _)| kind);
        return Ok(policy_arn(management, organization, &kind, id));
    }
    if id.starts_with("rp-") {
        return Ok(format!("arn:aws:organizations::{management}:resourcepolicy/{organization}/{id}"));
    }
    Ok(target_arn(management, organization, id))
}

/// Whether the organization's resource policy lets the caller, of a member account, do this.
pub(crate) fn lets(cx: &Cx, home: &Home, action: &str) -> Result<bool> {
    let Some(policy) = &home.organization.policy else { return Ok(false) };
    let policy = Arc::new(Policy::parse(PolicyKind::Resource, &policy.content).map_err(Failure::broken)?);
    let access =
        Access::new(action.to_owned(), "*").in_account(&home.management).with_policy("resource policy", policy);
    Ok(cx.denied(&access)?.is_none())
}
