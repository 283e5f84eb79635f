//! Which policies are attached to what, and which types of them are enabled.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::error::{self, invalid, no_target, violation};
use crate::home::Home;
use crate::ids::{Kind, target_arn};
use crate::organization::{page, root};
use crate::policies::{self, check_kind, find, managed_of, summary};
use crate::rows::{ATTACHMENTS, MEMBERS, UNITS};

/// Policies of a type that are attached to one root, unit or account, at most ("Quotas for AWS Organizations").
fn most(kind: &str) -> usize {
    if kind == policies::TAGS { 10 } else { 5 }
}

/// The policies of a type that are attached to a target.
fn of_kind(home: &Home, from: &(impl Read + ?Sized), target: &str, kind: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for id in home.attached(from, target)? {
        if find(home, from, &id)?.kind == kind {
            found.push(id);
        }
    }
    Ok(found)
}

pub(crate) async fn attach(cx: &Cx, id: &str, target: &str) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        let policy = find(&home, tx, id)?;
        home.name(tx, target)?.ok_or_else(no_target)?;
        if !home.organization.types.contains(&policy.kind) {
            let message = "This operation can be performed only for enabled policy types.";
            return Err(errors::policy_type_not_enabled_exception(message).into());
        }
        let there = of_kind(&home, tx, target, &policy.kind)?;
        if there.iter().any(|other| other == id) {
            let message = "A policy with the specified name and type already exists.";
            return Err(errors::duplicate_policy_attachment_exception(message).into());
        }
        if there.len() >= most(&policy.kind) {
            let message = "You have attached the maximum number of policies to the specified target.";
            return Err(violation("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message));
        }
        ATTACHMENTS.put(tx, &(&home.management, target, id), &cx.now_millis());
        home.touch(tx);
        Ok(())
    })
    .await
}

pub(crate) async fn detach(cx: &Cx, id: &str, target: &str) -> Result<()> {
    cx.write(|tx| {
        let mut home = Home::managed(cx, tx)?;
        let policy = find(&home, tx, id)?;
        home.name(tx, target)?.ok_or_else(no_target)?;
        let there = of_kind(&home, tx, target, &policy.kind)?;
        if !there.iter().any(|other| other == id) {
            let message = "The policy isn't attached to the specified target in the specified root.";
            return Err(errors::policy_not_attached_exception(message).into());
        }
        if policy.kind == policies::RESOURCE_CONTROL && policies::is_managed(id) {
            return Err(invalid("NON_DETACHABLE_POLICY", "You can't detach the policy RCPFullAWSAccess."));
        }
        if policy.kind == policies::SERVICE_CONTROL && there.len() == 1 {
            let message = "You cannot remove the last policy attached to the specified target. You should have at least one attached.";
            return Err(violation("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", message));
        }
        ATTACHMENTS.delete(tx, &(&home.management, target, id));
        home.touch(tx);
        Ok(())
    })
    .await
}

/// All that policies can be attached to.
fn targets_of(home: &Home, from: &(impl Read + ?Sized)) -> Result<Vec<String>> {
    let units = UNITS.all(from, &(&home.management,))?;
    let units = units.iter().filter_map(|e| e.key::<(String, String)>().map(|(_, id)| id));
    let members = MEMBERS.all(from, &())?;
    let members = members.iter().filter(|e| e.row.management == home.management);
    let members = members.filter_map(|e| e.key::<(String,)>().map(|(id,)| id));
    Ok([home.organization.root.clone()].into_iter().chain(units).chain(members).collect())
}

pub(crate) async fn enable_type(cx: &Cx, root_id: &str, kind: &str) -> Result<api::EnablePolicyTypeOutput> {
    check_kind(kind)?;
    let root = cx
        .write(|tx| {
            let mut home = of_root(cx, tx, root_id)?;
            if home.organization.types.iter().any(|enabled| enabled == kind) {
                let message = "The specified policy type is already enabled.";
                return Err(errors::policy_type_already_enabled_exception(message).into());
            }
            if !home.organization.all_features {
                let message =
                    "You can't enable this type of policy before all features of the organization are enabled.";
                return Err(errors::policy_type_not_available_for_organization_exception(message).into());
            }
            home.organization.types.push(kind.to_owned());
            if let Some(id) = managed_of(kind) {
                for target in targets_of(&home, tx)? {
                    ATTACHMENTS.put(tx, &(&home.management, target, id), &cx.now_millis());
                }
            }
            home.touch(tx);
            Ok(root(&home))
        })
        .await?;
    Ok(api::EnablePolicyTypeOutput { root: Some(root) })
}

/// Disables a type. All policies of it are detached from everything.
pub(crate) async fn disable_type(cx: &Cx, root_id: &str, kind: &str) -> Result<api::DisablePolicyTypeOutput> {
    let root = cx
        .write(|tx| {
            let mut home = of_root(cx, tx, root_id)?;
            if !home.organization.types.iter().any(|enabled| enabled == kind) {
                let message = "This operation can be performed only for enabled policy types.";
                return Err(errors::policy_type_not_enabled_exception(message).into());
            }
            home.organization.types.retain(|enabled| enabled != kind);
            for target in targets_of(&home, tx)? {
                for id in of_kind(&home, tx, &target, kind)? {
                    ATTACHMENTS.delete(tx, &(&home.management, &target, id));
                }
            }
            home.touch(tx);
            Ok(root(&home))
        })
        .await?;
    Ok(api::DisablePolicyTypeOutput { root: Some(root) })
}

fn of_root(cx: &Cx, tx: &Tx<'_>, root: &str) -> Result<Home> {
    let home = Home::managed(cx, tx)?;
    if home.organization.root == root { Ok(home) } else { Err(error::no_root()) }
}

pub(crate) fn of_target(cx: &Cx, input: &api::ListPoliciesForTargetInput) -> Result<api::ListPoliciesForTargetOutput> {
    check_kind(&input.filter)?;
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListPoliciesForTarget")?;
    home.name(&from, &input.target_id)?.ok_or_else(no_target)?;
    let mut all = Vec::new();
    for id in of_kind(&home, &from, &input.target_id, &input.filter)? {
        all.push(summary(&home, &id, &find(&home, &from, &id)?));
    }
    let list = format!("ListPoliciesForTarget {} {}", input.target_id, input.filter);
    let (policies, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListPoliciesForTargetOutput { policies: Some(policies), next_token })
}

pub(crate) fn targets(cx: &Cx, input: &api::ListTargetsForPolicyInput) -> Result<api::ListTargetsForPolicyOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListTargetsForPolicy")?;
    find(&home, &from, &input.policy_id)?;
    let mut all = Vec::new();
    for entry in ATTACHMENTS.all(&from, &(&home.management,))? {
        let Some((_, target, policy)) = entry.key::<(String, String, String)>() else { continue };
        if policy == input.policy_id {
            all.push(output::PolicyTargetSummary {
                arn: Some(target_arn(&home.management, &home.organization.id, &target)),
                name: home.name(&from, &target)?,
                type_: Some(Kind::of(&target).target().to_owned()),
                target_id: Some(target),
            });
        }
    }
    let list = format!("ListTargetsForPolicy {}", input.policy_id);
    let (targets, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListTargetsForPolicyOutput { targets: Some(targets), next_token })
}
