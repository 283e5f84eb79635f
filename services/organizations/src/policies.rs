//! Policies: service control policies, resource control policies, tag policies, and those that tell services what to do.

use undercast_kernel::policy::{Policy as Compiled, PolicyKind};
use undercast_kernel::store::{Entry, Read};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::error::{invalid, no_policy, violation};
use crate::home::Home;
use crate::organization::page;
use crate::rows::{ATTACHMENTS, POLICIES, Policy};
use crate::{declarative, effective, ids, tags};

pub(crate) const SERVICE_CONTROL: &str = "SERVICE_CONTROL_POLICY";
pub(crate) const RESOURCE_CONTROL: &str = "RESOURCE_CONTROL_POLICY";
pub(crate) const TAGS: &str = "TAG_POLICY";

/// What AWS attaches to everything: id, type, name, content.
const MANAGED: &[(&str, &str, &str, &str)] = &[
    (
        "p-FullAWSAccess",
        SERVICE_CONTROL,
        "FullAWSAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "p-RCPFullAWSAccess",
        RESOURCE_CONTROL,
        "RCPFullAWSAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
    ),
];
const MANAGED_DESCRIPTION: &str = "Allows access to every operation";

/// Characters of a document ("Quotas and service limits for AWS Organizations").
fn limit(kind: &str) -> usize {
    match kind {
        SERVICE_CONTROL | RESOURCE_CONTROL => 5_120,
        TAGS => 10_000,
        _ => declarative::limit(kind),
    }
}

/// Refuses the types of policies that cannot be told from what is none.
pub(crate) fn check_kind(kind: &str) -> Result<()> {
    if [SERVICE_CONTROL, RESOURCE_CONTROL, TAGS].contains(&kind) || declarative::is_known(kind) {
        return Ok(());
    }
    Err(Failure::not_built(format!("policies of the type {kind}: what may stand in them is not known here")))
}

pub(crate) fn is_managed(id: &str) -> bool {
    MANAGED.iter().any(|(known, ..)| *known == id)
}

/// The id of what AWS attaches to everything, of a type.
pub(crate) fn managed_of(kind: &str) -> Option<&'static str> {
    MANAGED.iter().find(|(_, of, ..)| *of == kind).map(|(id, ..)| *id)
}

/// Type and content of a policy.
pub(crate) fn content(from: &(impl Read + ?Sized), management: &str, id: &str) -> Result<Option<(String, String)>> {
    if let Some((_, kind, _, content)) = MANAGED.iter().find(|(known, ..)| *known == id) {
        return Ok(Some(((*kind).to_owned(), (*content).to_owned())));
    }
    Ok(POLICIES.get(from, &(management, id))?.map(|policy| (policy.kind, policy.content)))
}

/// A policy by its id: that of the organization, or AWS's own.
pub(crate) fn find(home: &Home, from: &(impl Read + ?Sized), id: &str) -> Result<Policy> {
    if let Some((_, kind, name, content)) = MANAGED.iter().find(|(known, ..)| *known == id) {
        return Ok(Policy {
            name: (*name).to_owned(),
            description: MANAGED_DESCRIPTION.to_owned(),
            kind: (*kind).to_owned(),
            content: (*content).to_owned(),
            tags: Default::default(),
            updated: 0,
        });
    }
    POLICIES.get(from, &(&home.management, id))?.ok_or_else(no_policy)
}

pub(crate) fn summary(home: &Home, id: &str, policy: &Policy) -> output::PolicySummary {
    output::PolicySummary {
        arn: Some(ids::policy_arn(&home.management, &home.organization.id, &policy.kind, id)),
        id: Some(id.to_owned()),
        name: Some(policy.name.clone()),
        description: Some(policy.description.clone()),
        type_: Some(policy.kind.clone()),
        aws_managed: Some(is_managed(id)),
    }
}

fn shown(home: &Home, id: &str, policy: &Policy) -> output::Policy {
    output::Policy { policy_summary: Some(summary(home, id, policy)), content: Some(policy.content.clone()) }
}

/// Refuses a content that is too long, or none of its type.
fn check(kind: &str, content: &str) -> Result<()> {
    let most = limit(kind);
    if content.chars().count() > most {
        let message = format!("You have exceeded the policy content size limit of {most} characters.");
        return Err(violation("POLICY_CONTENT_LIMIT_EXCEEDED", message));
    }
    let malformed = || {
        let message = "The provided policy document does not meet the requirements of the specified policy type.";
        Failure::from(errors::malformed_policy_document_exception(message))
    };
    match kind {
        SERVICE_CONTROL => Compiled::parse(PolicyKind::ServiceControl, content).map(drop).map_err(|_| malformed()),
        RESOURCE_CONTROL => Compiled::parse(PolicyKind::ResourceControl, content).map(drop).map_err(|_| malformed()),
        TAGS => effective::check(content).map_err(|failure| failure.unwrap_or_else(malformed)),
        kind if declarative::is_good(kind, content) => Ok(()),
        _ => Err(malformed()),
    }
}

/// Names are unique among the policies of a type.
fn check_name(home: &Home, from: &(impl Read + ?Sized), kind: &str, name: &str, but: &str) -> Result<()> {
    let same = |id: &str, of: &str, called: &str| id != but && of == kind && called == name;
    let managed = MANAGED.iter().any(|(id, of, called, _)| same(id, of, called));
    let own = all(home, from)?.iter().any(|(id, policy)| same(id, &policy.kind, &policy.name));
    if managed || own {
        return Err(errors::duplicate_policy_exception("A policy with the same name already exists.").into());
    }
    Ok(())
}

/// The organization's own policies.
fn all(home: &Home, from: &(impl Read + ?Sized)) -> Result<Vec<(String, Policy)>> {
    let rows = POLICIES.all(from, &(&home.management,))?;
    Ok(rows.into_iter().filter_map(|e| e.key::<(String, String)>().map(|(_, id)| (id, e.row))).collect())
}

pub(crate) async fn create(cx: &Cx, input: api::CreatePolicyInput) -> Result<api::CreatePolicyOutput> {
    check_kind(&input.type_)?;
    check(&input.type_, &input.content)?;
    let id = ids::new(cx, "p-", 8);
    let policy = Policy {
        name: input.name,
        description: input.description,
        kind: input.type_,
        content: input.content,
        tags: tags::of(input.tags)?,
        updated: cx.now_millis(),
    };
    let made = cx
        .write(|tx| {
            let home = Home::managed(cx, tx)?;
            if !home.organization.all_features {
                let message =
                    "You can't use policies of this type before all features of the organization are enabled.";
                return Err(errors::policy_type_not_available_for_organization_exception(message).into());
            }
            check_name(&home, tx, &policy.kind, &policy.name, "")?;
            POLICIES.put(tx, &(&home.management, &id), &policy);
            Ok(shown(&home, &id, &policy))
        })
        .await?;
    Ok(api::CreatePolicyOutput { policy: Some(made) })
}

pub(crate) fn describe(cx: &Cx, id: &str) -> Result<api::DescribePolicyOutput> {
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:DescribePolicy")?;
    Ok(api::DescribePolicyOutput { policy: Some(shown(&home, id, &find(&home, &from, id)?)) })
}

fn refuse_managed(id: &str) -> Result<()> {
    if is_managed(id) {
        return Err(invalid("IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be changed."));
    }
    Ok(())
}

pub(crate) async fn update(cx: &Cx, input: api::UpdatePolicyInput) -> Result<api::UpdatePolicyOutput> {
    let id = &input.policy_id;
    let changed = cx
        .write(|tx| {
            let mut home = Home::managed(cx, tx)?;
            refuse_managed(id)?;
            let mut policy = find(&home, tx, id)?;
            if let Some(content) = &input.content {
                check(&policy.kind, content)?;
                policy.content.clone_from(content);
            }
            if let Some(name) = &input.name {
                check_name(&home, tx, &policy.kind, name, id)?;
                policy.name.clone_from(name);
            }
            if let Some(description) = &input.description {
                policy.description.clone_from(description);
            }
            policy.updated = cx.now_millis();
            POLICIES.put(tx, &(&home.management, id), &policy);
            home.touch(tx);
            Ok(shown(&home, id, &policy))
        })
        .await?;
    Ok(api::UpdatePolicyOutput { policy: Some(changed) })
}

pub(crate) async fn delete(cx: &Cx, id: &str) -> Result<()> {
    cx.write(|tx| {
        let home = Home::managed(cx, tx)?;
        refuse_managed(id)?;
        find(&home, tx, id)?;
        let rows = ATTACHMENTS.all(tx, &(&home.management,))?;
        let mut keys = rows.iter().filter_map(Entry::key::<(String, String, String)>);
        if keys.any(|(_, _, policy)| policy == id) {
            let message = "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.";
            return Err(errors::policy_in_use_exception(message).into());
        }
        POLICIES.delete(tx, &(&home.management, id));
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListPoliciesInput) -> Result<api::ListPoliciesOutput> {
    check_kind(&input.filter)?;
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListPolicies")?;
    let mut summaries = Vec::new();
    if let Some(id) = managed_of(&input.filter) {
        summaries.push(summary(&home, id, &find(&home, &from, id)?));
    }
    let own = all(&home, &from)?;
    summaries.extend(own.iter().filter(|(_, p)| p.kind == input.filter).map(|(id, p)| summary(&home, id, p)));
    let list = format!("ListPolicies {}", input.filter);
    let (policies, next_token) = page(&list, summaries, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListPoliciesOutput { policies: Some(policies), next_token })
}
