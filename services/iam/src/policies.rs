//! Managed policies and their versions.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::{Entity, Kind, add_tags, check_document, tags_input, tags_output, url_encoded};
use crate::{managed, pages};

static POLICIES: Table<Managed> = Table::new("iam.policies");

const MOST_VERSIONS: usize = 5;
/// Characters of a document, white space left out.
const DOCUMENT_LIMIT: usize = 6_144;

/// A customer's managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Managed {
    #[n(0)]
    id: String,
    #[n(1)]
    name: String,
    #[n(2)]
    path: String,
    #[n(3)]
    description: Option<String>,
    /// Seconds since 1970.
    #[n(4)]
    created: i64,
    #[n(5)]
    updated: i64,
    #[n(6)]
    tags: BTreeMap<String, String>,
    /// Number, document, when it was made.
    #[n(7)]
    versions: Vec<(u32, String, i64)>,
    #[n(8)]
    default: u32,
    /// Number of the next version; numbers are never used twice.
    #[n(9)]
    next: u32,
}

fn not_found(arn: &str) -> AwsError {
    errors::no_such_entity_exception(format!("Policy {arn} was not found."))
}

fn key(arn: &str) -> Result<(String, String)> {
    let parsed = Arn::parse(arn).filter(|a| a.service == "iam" && a.resource.starts_with("policy/"));
    let parsed = parsed.ok_or_else(|| AwsError::new("ValidationError", 400, format!("ARN {arn} is not valid.")))?;
    let name = parsed.resource.rsplit('/').next().unwrap_or_default().to_lowercase();
    Ok((parsed.account, name))
}

pub(crate) fn find(from: &(impl Read + ?Sized), arn: &str) -> Result<Managed> {
    let (account, name) = key(arn)?;
    POLICIES.get(from, &(account, name))?.ok_or_else(|| not_found(arn).into())
}

/// The document in force of any managed policy. `None`: there is no such policy.
pub(crate) fn document(from: &(impl Read + ?Sized), arn: &str) -> Result<Option<String>> {
    if let Some(document) = managed::document(arn)? {
        return Ok(Some(document.to_owned()));
    }
    let (account, name) = key(arn)?;
    Ok(POLICIES.get(from, &(account, name))?.and_then(|p| p.version(p.default).map(|v| v.1.clone())))
}

/// Refuses to attach what is not there.
pub(crate) fn check_attachable(from: &(impl Read + ?Sized), arn: &str) -> Result<()> {
    match document(from, arn)? {
        Some(_) => Ok(()),
        None => {
            Err(errors::no_such_entity_exception(format!("Policy {arn} does not exist or is not attachable.")).into())
        }
    }
}

async fn change(cx: &Cx, arn: &str, mut change: impl FnMut(&mut Managed) -> Result<()>) -> Result<()> {
    refuse_aws(arn)?;
    cx.write(|tx| {
        let mut policy = find(tx, arn)?;
        change(&mut policy)?;
        POLICIES.put(tx, &key(arn)?, &policy);
        Ok(())
    })
    .await
}

/// AWS's own policies cannot be changed.
fn refuse_aws(arn: &str) -> Result<()> {
    match managed::name(arn) {
        Some(_) => {
            Err(AwsError::new("AccessDenied", 403, format!("You cannot change the AWS managed policy {arn}.")).into())
        }
        None => Ok(()),
    }
}

fn check(document: &str) -> Result<()> {
    check_document(PolicyKind::Managed, document)?;
    if document.chars().filter(|c| !c.is_whitespace()).count() > DOCUMENT_LIMIT {
        let message = format!("Cannot exceed quota for PolicySize: {DOCUMENT_LIMIT}");
        return Err(errors::limit_exceeded_exception(message).into());
    }
    Ok(())
}

impl Managed {
    fn version(&self, number: u32) -> Option<&(u32, String, i64)> {
        self.versions.iter().find(|v| v.0 == number)
    }

    fn named(&self, id: &str, arn: &str) -> Result<&(u32, String, i64)> {
        let number = id.strip_prefix('v').and_then(|n| n.split('.').next()).and_then(|n| n.parse().ok());
        let missing = || {
            errors::no_such_entity_exception(format!("Policy {arn} version {id} does not exist or is not attachable."))
        };
        number.and_then(|n| self.version(n)).ok_or_else(|| missing().into())
    }

    fn arn(&self, cx: &Cx) -> String {
        cx.global_arn("iam", &format!("policy{}{}", self.path, self.name))
    }

    fn output(&self, cx: &Cx, uses: (i32, i32), whole: bool) -> output::Policy {
        output::Policy {
            policy_name: Some(self.name.clone()),
            policy_id: Some(self.id.clone()),
            arn: Some(self.arn(cx)),
            path: Some(self.path.clone()),
            default_version_id: Some(format!("v{}", self.default)),
            attachment_count: Some(uses.0),
            permissions_boundary_usage_count: Some(uses.1),
            is_attachable: Some(true),
            description: self.description.clone().filter(|_| whole),
            create_date: Timestamp::from_second(self.created).ok(),
            update_date: Timestamp::from_second(self.updated).ok(),
            tags: tags_output(&self.tags).filter(|_| whole),
        }
    }

    fn version_output(&self, version: &(u32, String, i64), with_document: bool) -> output::PolicyVersion {
        output::PolicyVersion {
            document: with_document.then(|| url_encoded(&version.1)),
            version_id: Some(format!("v{}", version.0)),
            is_default_version: Some(version.0 == self.default),
            create_date: Timestamp::from_second(version.2).ok(),
        }
    }
}

/// An AWS managed policy as it is shown: facts about it that are not known here are left out.
fn aws_output(cx: &Cx, name: &str, uses: (i32, i32)) -> output::Policy {
    let (path, last) = name.rsplit_once('/').map_or(("/".to_owned(), name), |(p, n)| (format!("/{p}/"), n));
    output::Policy {
        policy_name: Some(last.to_owned()),
        arn: Some(format!("arn:{}:iam::aws:policy/{name}", cx.partition())),
        path: Some(path),
        default_version_id: Some("v1".to_owned()),
        attachment_count: Some(uses.0),
        permissions_boundary_usage_count: Some(uses.1),
        is_attachable: Some(true),
        ..output::Policy::default()
    }
}

/// How many users and roles have a policy attached, and as boundary.
fn uses(from: &impl Read, cx: &Cx, arn: &str) -> Result<(i32, i32)> {
    let (mut attached, mut boundary) = (0, 0);
    for kind in [Kind::User, Kind::Role] {
        for Entity { attached: list, boundary: limit, .. } in kind.all(from, cx.account())? {
            attached += i32::from(list.iter().any(|a| a == arn));
            boundary += i32::from(limit.as_deref() == Some(arn));
        }
    }
    Ok((attached, boundary))
}

pub(crate) async fn create(cx: &Cx, input: api::CreatePolicyInput) -> Result<api::CreatePolicyOutput> {
    check(&input.policy_document)?;
    let tags = tags_input(input.tags)?;
    let now = cx.now().as_second();
    let mut policy = Managed {
        id: cx.random().id("ANPA", 17),
        name: input.policy_name,
        path: input.path.unwrap_or_else(|| "/".to_owned()),
        description: input.description,
        created: now,
        updated: now,
        tags: BTreeMap::new(),
        versions: vec![(1, input.policy_document, now)],
        default: 1,
        next: 2,
    };
    add_tags(&mut policy.tags, &tags)?;
    cx.write(|tx| {
        let key = (cx.account(), policy.name.to_lowercase());
        if POLICIES.has(tx, &key)? {
            let message = format!("A policy called {} already exists. Duplicate names are not allowed.", policy.name);
            return Err(errors::entity_already_exists_exception(message).into());
        }
        POLICIES.put(tx, &key, &policy);
        Ok(())
    })
    .await?;
    Ok(api::CreatePolicyOutput { policy: Some(policy.output(cx, (0, 0), true)) })
}

pub(crate) async fn get(cx: &Cx, input: api::GetPolicyInput) -> Result<api::GetPolicyOutput> {
    let read = cx.read();
    let uses = uses(&read, cx, &input.policy_arn)?;
    let policy = match managed::document(&input.policy_arn)? {
        Some(_) => aws_output(cx, managed::name(&input.policy_arn).unwrap_or_default(), uses),
        None => find(&read, &input.policy_arn)?.output(cx, uses, true),
    };
    Ok(api::GetPolicyOutput { policy: Some(policy) })
}

pub(crate) async fn list(cx: &Cx, input: api::ListPoliciesInput) -> Result<api::ListPoliciesOutput> {
    let read = cx.read();
    let scope = input.scope.as_deref().unwrap_or("All");
    let mut found = Vec::new();
    if scope != "AWS" {
        for entry in POLICIES.all(&read, &(cx.account(),))? {
            let uses = uses(&read, cx, &entry.row.arn(cx))?;
            found.push(entry.row.output(cx, uses, false));
        }
    }
    if scope != "Local" {
        for name in managed::all() {
            let uses = uses(&read, cx, &format!("arn:{}:iam::aws:policy/{name}", cx.partition()))?;
            found.push(aws_output(cx, name, uses));
        }
    }
    if let Some(prefix) = &input.path_prefix {
        found.retain(|p| p.path.as_ref().is_some_and(|path| path.starts_with(prefix.as_str())));
    }
    if input.only_attached == Some(true) {
        found.retain(|p| p.attachment_count != Some(0));
    }
    found.sort_by(|a, b| a.arn.cmp(&b.arn));
    let name = |p: &output::Policy| p.arn.clone().unwrap_or_default();
    let (policies, is_truncated, marker) =
        pages::page("ListPolicies", found, name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListPoliciesOutput { policies: Some(policies), is_truncated, marker })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeletePolicyInput) -> Result<()> {
    refuse_aws(&input.policy_arn)?;
    cx.write(|tx| {
        let policy = find(tx, &input.policy_arn)?;
        if uses(tx, cx, &input.policy_arn)? != (0, 0) {
            return Err(errors::delete_conflict_exception("Cannot delete a policy attached to entities.").into());
        }
        if policy.versions.len() > 1 {
            let message = "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.";
            return Err(errors::delete_conflict_exception(message).into());
        }
        POLICIES.delete(tx, &key(&input.policy_arn)?);
        Ok(())
    })
    .await
}

pub(crate) async fn create_version(
    cx: &Cx,
    input: api::CreatePolicyVersionInput,
) -> Result<api::CreatePolicyVersionOutput> {
    check(&input.policy_document)?;
    refuse_aws(&input.policy_arn)?;
    let output = cx
        .write(|tx: &mut Tx<'_>| {
            let mut policy = find(tx, &input.policy_arn)?;
            if policy.versions.len() >= MOST_VERSIONS {
                let message = "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.";
                return Err(errors::limit_exceeded_exception(message).into());
            }
            let version = (policy.next, input.policy_document.clone(), cx.now().as_second());
            policy.next += 1;
            policy.updated = version.2;
            if input.set_as_default == Some(true) {
                policy.default = version.0;
            }
            policy.versions.push(version.clone());
            POLICIES.put(tx, &key(&input.policy_arn)?, &policy);
            Ok(policy.version_output(&version, false))
        })
        .await?;
    Ok(api::CreatePolicyVersionOutput { policy_version: Some(output) })
}

pub(crate) async fn get_version(cx: &Cx, input: api::GetPolicyVersionInput) -> Result<api::GetPolicyVersionOutput> {
    let version = match managed::document(&input.policy_arn)? {
        Some(document) => output::PolicyVersion {
            document: Some(url_encoded(document)),
            version_id: Some(input.version_id),
            is_default_version: Some(true),
            create_date: None,
        },
        None => {
            let policy = find(&cx.read(), &input.policy_arn)?;
            let version = policy.named(&input.version_id, &input.policy_arn)?;
            policy.version_output(version, true)
        }
    };
    Ok(api::GetPolicyVersionOutput { policy_version: Some(version) })
}

pub(crate) async fn list_versions(
    cx: &Cx,
    input: api::ListPolicyVersionsInput,
) -> Result<api::ListPolicyVersionsOutput> {
    let policy = find(&cx.read(), &input.policy_arn)?;
    // The newest comes first.
    let versions = policy.versions.iter().rev().map(|v| policy.version_output(v, false)).collect();
    let place = |v: &output::PolicyVersion| {
        let number: u32 = v.version_id.as_deref().and_then(|id| id[1..].parse().ok()).unwrap_or_default();
        format!("{:010}", u32::MAX - number)
    };
    let list = format!("ListPolicyVersions {}", input.policy_arn);
    let (versions, is_truncated, marker) =
        pages::page(&list, versions, place, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListPolicyVersionsOutput { versions: Some(versions), is_truncated, marker })
}

pub(crate) async fn delete_version(cx: &Cx, input: api::DeletePolicyVersionInput) -> Result<()> {
    change(cx, &input.policy_arn, |policy| {
        let number = policy.named(&input.version_id, &input.policy_arn)?.0;
        if number == policy.default {
            return Err(errors::delete_conflict_exception("Cannot delete the default version of a policy.").into());
        }
        policy.versions.retain(|v| v.0 != number);
        Ok(())
    })
    .await
}

pub(crate) async fn set_default_version(cx: &Cx, input: api::SetDefaultPolicyVersionInput) -> Result<()> {
    change(cx, &input.policy_arn, |policy| {
        policy.default = policy.named(&input.version_id, &input.policy_arn)?.0;
        policy.updated = cx.now().as_second();
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagPolicyInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    change(cx, &input.policy_arn, |policy| add_tags(&mut policy.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagPolicyInput) -> Result<()> {
    change(cx, &input.policy_arn, |policy| {
        policy.tags.retain(|k, _| !input.tag_keys.contains(k));
        Ok(())
    })
    .await
}

pub(crate) async fn list_tags(cx: &Cx, input: api::ListPolicyTagsInput) -> Result<api::ListPolicyTagsOutput> {
    let policy = find(&cx.read(), &input.policy_arn)?;
    let tags = tags_output(&policy.tags).unwrap_or_else(Vec::new);
    let list = format!("ListPolicyTags {}", input.policy_arn);
    let (tags, is_truncated, marker) =
        pages::page(&list, tags, |t| t.key.clone(), input.marker.as_deref(), input.max_items)?;
    Ok(api::ListPolicyTagsOutput { tags, is_truncated, marker })
}
