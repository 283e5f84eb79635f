//! Managed policies and their versions.

use std::collections::{BTreeMap, HashMap};

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::{Entity, Kind, add_tags, check_document, tags_input, tags_output, url_encoded};
use crate::managed::{self, AwsPolicy};
use crate::pages;

static POLICIES: Table<Managed> = Table::new("iam.policies");

/// An account has so many policies of its own.
pub(crate) const MOST: usize = 1_500;
pub(crate) const MOST_VERSIONS: usize = 5;
/// Characters of a document, white space left out.
pub(crate) const DOCUMENT_LIMIT: usize = 6_144;

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
    if let Some(policy) = managed::find(arn)? {
        return Ok(Some(policy.document.clone()));
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

    pub(crate) fn arn(&self, cx: &Cx) -> String {
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

    /// As `GetAccountAuthorizationDetails` shows it, with all its versions.
    pub(crate) fn detail(&self, cx: &Cx, uses: &Uses) -> output::ManagedPolicyDetail {
        let count = uses.count(&self.arn(cx));
        output::ManagedPolicyDetail {
            policy_name: Some(self.name.clone()),
            policy_id: Some(self.id.clone()),
            arn: Some(self.arn(cx)),
            path: Some(self.path.clone()),
            default_version_id: Some(format!("v{}", self.default)),
            attachment_count: Some(count.0),
            permissions_boundary_usage_count: Some(count.1),
            is_attachable: Some(true),
            description: self.description.clone(),
            create_date: Timestamp::from_second(self.created).ok(),
            update_date: Timestamp::from_second(self.updated).ok(),
            policy_version_list: Some(self.versions.iter().rev().map(|v| self.version_output(v, true)).collect()),
        }
    }

    pub(crate) fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn versions(&self) -> usize {
        self.versions.len()
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

/// An AWS managed policy as `GetAccountAuthorizationDetails` shows it: with what is known of it.
pub(crate) fn aws_detail(cx: &Cx, policy: &AwsPolicy, uses: &Uses) -> output::ManagedPolicyDetail {
    let count = uses.count(&policy.arn(cx.partition()));
    output::ManagedPolicyDetail {
        policy_name: Some(policy.last_name().to_owned()),
        arn: Some(policy.arn(cx.partition())),
        path: Some(policy.path()),
        default_version_id: Some(policy.version.clone()),
        attachment_count: Some(count.0),
        permissions_boundary_usage_count: Some(count.1),
        is_attachable: Some(true),
        policy_version_list: Some(vec![aws_version(policy, true)]),
        ..output::ManagedPolicyDetail::default()
    }
}

/// An AWS managed policy as it is shown: facts about it that are not known here are left out.
fn aws_output(cx: &Cx, policy: &AwsPolicy, uses: (i32, i32)) -> output::Policy {
    output::Policy {
        policy_name: Some(policy.last_name().to_owned()),
        arn: Some(policy.arn(cx.partition())),
        path: Some(policy.path()),
        default_version_id: Some(policy.version.clone()),
        attachment_count: Some(uses.0),
        permissions_boundary_usage_count: Some(uses.1),
        is_attachable: Some(true),
        ..output::Policy::default()
    }
}

fn aws_version(policy: &AwsPolicy, with_document: bool) -> output::PolicyVersion {
    output::PolicyVersion {
        document: with_document.then(|| url_encoded(&policy.document)),
        version_id: Some(policy.version.clone()),
        is_default_version: Some(true),
        create_date: None,
    }
}

/// By ARN: how many users, roles and groups have a policy attached, and as boundary.
pub(crate) struct Uses(HashMap<String, (i32, i32)>);

impl Uses {
    pub(crate) fn of(from: &(impl Read + ?Sized), account: &str) -> Result<Self> {
        let mut all: HashMap<String, (i32, i32)> = HashMap::new();
        for kind in Kind::ALL {
            for Entity { attached, boundary, .. } in kind.all(from, account)? {
                attached.into_iter().for_each(|arn| all.entry(arn).or_insert((0, 0)).0 += 1);
                boundary.into_iter().for_each(|arn| all.entry(arn).or_insert((0, 0)).1 += 1);
            }
        }
        Ok(Self(all))
    }

    /// Whether anything uses a policy.
    pub(crate) fn are_of(&self, arn: &str) -> bool {
        self.0.contains_key(arn)
    }

    fn count(&self, arn: &str) -> (i32, i32) {
        self.0.get(arn).copied().unwrap_or((0, 0))
    }
}

/// The customer's policies of an account.
pub(crate) fn all(from: &(impl Read + ?Sized), account: &str) -> Result<Vec<Managed>> {
    Ok(POLICIES.all(from, &(account,))?.into_iter().map(|entry| entry.row).collect())
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
        if POLICIES.all(tx, &(cx.account(),))?.len() >= MOST {
            let message = format!("Cannot exceed quota for PoliciesPerAccount: {MOST}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        POLICIES.put(tx, &key, &policy);
        Ok(())
    })
    .await?;
    Ok(api::CreatePolicyOutput { policy: Some(policy.output(cx, (0, 0), true)) })
}

pub(crate) async fn get(cx: &Cx, input: api::GetPolicyInput) -> Result<api::GetPolicyOutput> {
    let read = cx.read();
    let uses = Uses::of(&read, cx.account())?.count(&input.policy_arn);
    let policy = match managed::find(&input.policy_arn)? {
        Some(policy) => aws_output(cx, policy, uses),
        None => find(&read, &input.policy_arn)?.output(cx, uses, true),
    };
    Ok(api::GetPolicyOutput { policy: Some(policy) })
}

pub(crate) async fn list(cx: &Cx, input: api::ListPoliciesInput) -> Result<api::ListPoliciesOutput> {
    let read = cx.read();
    let (scope, uses) = (input.scope.as_deref().unwrap_or("All"), Uses::of(&read, cx.account())?);
    let mut found = Vec::new();
    if scope != "AWS" {
        for policy in all(&read, cx.account())? {
            found.push(policy.output(cx, uses.count(&policy.arn(cx)), false));
        }
    }
    if scope != "Local" {
        for policy in managed::all() {
            found.push(aws_output(cx, policy, uses.count(&policy.arn(cx.partition()))));
        }
    }
    if let Some(prefix) = &input.path_prefix {
        found.retain(|p| p.path.as_ref().is_some_and(|path| path.starts_with(prefix.as_str())));
    }
    if input.only_attached == Some(true) {
        found.retain(|p| p.attachment_count != Some(0));
    }
    match input.policy_usage_filter.as_deref() {
        Some("PermissionsPolicy") => found.retain(|p| p.attachment_count != Some(0)),
        Some(_) => found.retain(|p| p.permissions_boundary_usage_count != Some(0)),
        None => {}
    }
    found.sort_by(|a, b| a.arn.cmp(&b.arn));
    let name = |p: &output::Policy| p.arn.clone().unwrap_or_else(String::new);
    let (policies, is_truncated, marker) =
        pages::page("ListPolicies", found, name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListPoliciesOutput { policies: Some(policies), is_truncated, marker })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeletePolicyInput) -> Result<()> {
    refuse_aws(&input.policy_arn)?;
    cx.write(|tx| {
        let policy = find(tx, &input.policy_arn)?;
        if Uses::of(tx, cx.account())?.count(&input.policy_arn) != (0, 0) {
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
    let version = match managed::find(&input.policy_arn)? {
        Some(policy) if policy.version == input.version_id => aws_version(policy, true),
        Some(policy) => {
            // Older versions exist on AWS; their texts are not known here.
            let what = format!("version {} of {}: only {} is known", input.version_id, policy.name, policy.version);
            return Err(Failure::not_built(what));
        }
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
    // The newest comes first.
    let versions = match managed::find(&input.policy_arn)? {
        Some(policy) => vec![aws_version(policy, false)],
        None => {
            let policy = find(&cx.read(), &input.policy_arn)?;
            policy.versions.iter().rev().map(|v| policy.version_output(v, false)).collect()
        }
    };
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
