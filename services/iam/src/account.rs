//! What an account has: counted, and told whole.

use std::collections::BTreeMap;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::entity::{Entity, Kind, MOST_ATTACHED, url_encoded};
use crate::policies::{self, Uses};
use crate::{
    attached, groups, instance_profiles, keys, managed, mfa, oidc, pages, preferences, saml, server_certificates,
    signing, usage,
};

/// What there is, how much of it there may be, and what the root user has.
pub(crate) fn summary(cx: &Cx) -> Result<api::GetAccountSummaryOutput> {
    let from = cx.read();
    let account = cx.account();
    let (devices, in_use) = mfa::count(&from, account)?;
    let own = policies::all(&from, account)?;
    let versions: usize = own.iter().map(policies::Managed::versions).sum();
    let count = |kind: Kind| Ok::<_, undercast_kernel::Failure>(kind.all(&from, account)?.len());
    let providers = saml::count(&from, account)? + oidc::count(&from, account)?;
    let map = [
        ("Users", count(Kind::User)?),
        ("UsersQuota", Kind::User.quota().0),
        ("Groups", count(Kind::Group)?),
        ("GroupsQuota", Kind::Group.quota().0),
        ("Roles", count(Kind::Role)?),
        ("RolesQuota", Kind::Role.quota().0),
        ("InstanceProfiles", instance_profiles::all(&from, account)?.len()),
        ("InstanceProfilesQuota", instance_profiles::MOST),
        ("ServerCertificates", server_certificates::count(&from, account)?),
        ("ServerCertificatesQuota", server_certificates::MOST),
        ("Providers", providers),
        ("Policies", own.len()),
        ("PoliciesQuota", policies::MOST),
        ("PolicySizeQuota", policies::DOCUMENT_LIMIT),
        ("PolicyVersionsInUse", versions),
        ("PolicyVersionsInUseQuota", 10_000),
        ("VersionsPerPolicyQuota", policies::MOST_VERSIONS),
        ("UserPolicySizeQuota", Kind::User.inline_limit()),
        ("GroupPolicySizeQuota", Kind::Group.inline_limit()),
        ("RolePolicySizeQuota", Kind::Role.inline_limit()),
        ("AssumeRolePolicySizeQuota", crate::entity::MOST_TRUST),
        ("AttachedPoliciesPerUserQuota", MOST_ATTACHED),
        ("AttachedPoliciesPerGroupQuota", MOST_ATTACHED),
        ("AttachedPoliciesPerRoleQuota", MOST_ATTACHED),
        ("GroupsPerUserQuota", groups::MOST_OF_A_USER),
        ("SigningCertificatesPerUserQuota", signing::MOST),
        ("AccessKeysPerUserQuota", keys::MOST),
        ("MFADevices", devices),
        ("MFADevicesInUse", in_use),
        ("AccountMFAEnabled", usize::from(mfa::of_root(&from, account)?)),
        // The root user has no keys that were issued here, no password and no certificate.
        ("AccountAccessKeysPresent", 0),
        ("AccountPasswordPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("GlobalEndpointTokenVersion", preferences::TOKEN_VERSION),
    ];
    let summary_map: BTreeMap<String, i32> =
        map.into_iter().map(|(name, number)| (name.to_owned(), i32::try_from(number).unwrap_or(i32::MAX))).collect();
    Ok(api::GetAccountSummaryOutput { summary_map: Some(summary_map.into_iter().collect()) })
}

/// One of the things that `GetAccountAuthorizationDetails` tells, in its order.
enum Told {
    Entity(Kind, Box<Entity>),
    Local(Box<policies::Managed>),
    Aws(&'static managed::AwsPolicy),
}

impl Told {
    fn place(&self) -> String {
        match self {
            Self::Entity(Kind::User, entity) => format!("1 {}", entity.name.to_lowercase()),
            Self::Entity(Kind::Group, entity) => format!("2 {}", entity.name.to_lowercase()),
            Self::Entity(Kind::Role, entity) => format!("3 {}", entity.name.to_lowercase()),
            Self::Local(policy) => format!("4 {}", policy.name().to_lowercase()),
            Self::Aws(policy) => format!("5 {}", policy.name),
        }
    }
}

/// All that is asked for. AWS's own policies are told where something uses them.
fn told(cx: &Cx, from: &impl Read, filter: &[String], uses: &Uses) -> Result<Vec<Told>> {
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|f| f == name);
    let mut all = Vec::new();
    for kind in [Kind::User, Kind::Group, Kind::Role] {
        if wanted(kind.capital()) {
            let found = kind.all(from, cx.account())?.into_iter();
            all.extend(found.map(|entity| Told::Entity(kind, Box::new(entity))));
        }
    }
    if wanted("LocalManagedPolicy") {
        all.extend(policies::all(from, cx.account())?.into_iter().map(|policy| Told::Local(Box::new(policy))));
    }
    if wanted("AWSManagedPolicy") {
        all.extend(managed::all().filter(|policy| uses.are_of(&policy.arn(cx.partition()))).map(Told::Aws));
    }
    all.sort_by_key(Told::place);
    Ok(all)
}

/// Inline policies as the account's details show them.
fn inline(entity: &Entity) -> Option<Vec<output::PolicyDetail>> {
    let policies = entity.inline.iter().map(|(name, document)| output::PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(url_encoded(document)),
    });
    Some(policies.collect()).filter(|all: &Vec<_>| !all.is_empty())
}

fn attached(entity: &Entity) -> Option<Vec<output::AttachedPolicy>> {
    Some(entity.attached.iter().map(|arn| attached::shown(arn)).collect())
}

fn user(cx: &Cx, from: &impl Read, user: &Entity) -> Result<output::UserDetail> {
    let mut names = Vec::new();
    for group in &user.groups {
        names.push(Kind::Group.find(from, cx.account(), group)?.name);
    }
    let shown = user.user(cx, true);
    Ok(output::UserDetail {
        path: Some(shown.path),
        user_name: Some(shown.user_name),
        user_id: Some(shown.user_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        user_policy_list: inline(user),
        group_list: Some(names),
        attached_managed_policies: attached(user),
        permissions_boundary: shown.permissions_boundary,
        tags: shown.tags,
    })
}

fn group(cx: &Cx, group: &Entity) -> output::GroupDetail {
    let shown = group.group(cx);
    output::GroupDetail {
        path: Some(shown.path),
        group_name: Some(shown.group_name),
        group_id: Some(shown.group_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        group_policy_list: inline(group),
        attached_managed_policies: attached(group),
    }
}

fn role(cx: &Cx, from: &impl Read, role: &Entity) -> Result<output::RoleDetail> {
    let shown = role.role(cx, true);
    Ok(output::RoleDetail {
        path: Some(shown.path),
        role_name: Some(shown.role_name),
        role_id: Some(shown.role_id),
        arn: Some(shown.arn),
        create_date: Some(shown.create_date),
        assume_role_policy_document: shown.assume_role_policy_document,
        instance_profile_list: Some(instance_profiles::of_role(cx, from, &role.name)?),
        role_policy_list: inline(role),
        attached_managed_policies: attached(role),
        permissions_boundary: shown.permissions_boundary,
        tags: shown.tags,
        role_last_used: Some(usage::of_role(cx, from, role)?),
    })
}

/// Users, groups, roles and policies with all that they allow, by pages.
pub(crate) fn details(
    cx: &Cx,
    input: api::GetAccountAuthorizationDetailsInput,
) -> Result<api::GetAccountAuthorizationDetailsOutput> {
    let from = cx.read();
    let uses = Uses::of(&from, cx.account())?;
    let filter = input.filter.unwrap_or_else(Vec::new);
    let list = format!("GetAccountAuthorizationDetails {}", filter.join(" "));
    let all = told(cx, &from, &filter, &uses)?;
    let (page, is_truncated, marker) = pages::page(&list, all, Told::place, input.marker.as_deref(), input.max_items)?;
    let (mut users, mut groups, mut roles, mut policies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for told in page {
        match told {
            Told::Entity(Kind::User, entity) => users.push(user(cx, &from, &entity)?),
            Told::Entity(Kind::Group, entity) => groups.push(group(cx, &entity)),
            Told::Entity(Kind::Role, entity) => roles.push(role(cx, &from, &entity)?),
            Told::Local(policy) => policies.push(policy.detail(cx, &uses)),
            Told::Aws(policy) => policies.push(policies::aws_detail(cx, policy, &uses)),
        }
    }
    Ok(api::GetAccountAuthorizationDetailsOutput {
        user_detail_list: Some(users),
        group_detail_list: Some(groups),
        role_detail_list: Some(roles),
        policies: Some(policies),
        is_truncated,
        marker,
    })
}

/// The users, groups and roles that have a policy attached, or as boundary.
pub(crate) fn entities_of_policy(
    cx: &Cx,
    input: &api::ListEntitiesForPolicyInput,
) -> Result<api::ListEntitiesForPolicyOutput> {
    let from = cx.read();
    if policies::document(&from, &input.policy_arn)?.is_none() {
        let message = format!("Policy {} was not found.", input.policy_arn);
        return Err(errors::no_such_entity_exception(message).into());
    }
    let kinds: &[Kind] = match input.entity_filter.as_deref() {
        None => &[Kind::Group, Kind::Role, Kind::User],
        Some("User") => &[Kind::User],
        Some("Role") => &[Kind::Role],
        Some("Group") => &[Kind::Group],
        // Policies are attached to no policies.
        Some(_) => &[],
    };
    let usage = input.policy_usage_filter.as_deref();
    let uses = |entity: &Entity| {
        let attached = usage != Some("PermissionsBoundary") && entity.attached.contains(&input.policy_arn);
        attached || usage != Some("PermissionsPolicy") && entity.boundary.as_ref() == Some(&input.policy_arn)
    };
    let prefix = input.path_prefix.as_deref();
    let mut found = Vec::new();
    for kind in kinds {
        let all = kind.all(&from, cx.account())?.into_iter();
        let wanted = all.filter(|e| uses(e) && prefix.is_none_or(|prefix| e.path.starts_with(prefix)));
        found.extend(wanted.map(|entity| (*kind, entity)));
    }
    let place = |(kind, entity): &(Kind, Entity)| format!("{} {}", kind.word(), entity.name.to_lowercase());
    let list = format!("ListEntitiesForPolicy {}", input.policy_arn);
    let (page, is_truncated, marker) = pages::page(&list, found, place, input.marker.as_deref(), input.max_items)?;
    let mut answer = api::ListEntitiesForPolicyOutput { is_truncated, marker, ..Default::default() };
    let (mut groups, mut users, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, Entity { name, id, .. }) in page {
        let (name, id) = (Some(name), Some(id));
        match kind {
            Kind::Group => groups.push(output::PolicyGroup { group_name: name, group_id: id }),
            Kind::User => users.push(output::PolicyUser { user_name: name, user_id: id }),
            Kind::Role => roles.push(output::PolicyRole { role_name: name, role_id: id }),
        }
    }
    (answer.policy_groups, answer.policy_users, answer.policy_roles) = (Some(groups), Some(users), Some(roles));
    Ok(answer)
}
