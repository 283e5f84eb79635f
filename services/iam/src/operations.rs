//! The operations: users and roles here, the others where their subject is.

use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::entity::{Entity, Kind, MOST_ATTACHED, add_tags, check_trust, tags_input, tags_output, url_encoded};
use crate::{Iam, aliases, keys, mfa, pages, policies};

/// Attaches a managed policy to a user or role; attaching it twice is attaching it once.
async fn attach(cx: &Cx, kind: Kind, name: &str, arn: &str) -> Result<()> {
    kind.change(cx, name, |tx, entity| {
        policies::check_attachable(tx, arn)?;
        if entity.attached.iter().any(|a| a == arn) {
            return Ok(());
        }
        if entity.attached.len() >= MOST_ATTACHED {
            let word = if kind == Kind::User { "User" } else { "Role" };
            return Err(errors::limit_exceeded_exception(format!(
                "Cannot exceed quota for PoliciesPer{word}: {MOST_ATTACHED}"
            ))
            .into());
        }
        entity.attached.push(arn.to_owned());
        Ok(())
    })
    .await
}

async fn detach(cx: &Cx, kind: Kind, name: &str, arn: &str) -> Result<()> {
    kind.change(cx, name, |_, entity| {
        let before = entity.attached.len();
        entity.attached.retain(|a| a != arn);
        if entity.attached.len() == before {
            return Err(errors::no_such_entity_exception(format!("Policy {arn} was not found.")).into());
        }
        Ok(())
    })
    .await
}

async fn delete_inline(cx: &Cx, kind: Kind, name: &str, policy: &str) -> Result<()> {
    kind.change(cx, name, |_, entity| {
        entity.inline(policy)?;
        entity.inline.remove(policy);
        Ok(())
    })
    .await
}

async fn set_boundary(cx: &Cx, kind: Kind, name: &str, arn: Option<&str>) -> Result<()> {
    kind.change(cx, name, |tx, entity| {
        match arn {
            Some(arn) => policies::check_attachable(tx, arn)?,
            None if entity.boundary.is_none() => {
                let message = format!("{} does not have a permissions boundary", entity.name);
                return Err(errors::no_such_entity_exception(message).into());
            }
            None => {}
        }
        entity.boundary = arn.map(ToOwned::to_owned);
        Ok(())
    })
    .await
}

type Page<T> = (Vec<T>, Option<bool>, Option<String>);

fn attached(
    cx: &Cx,
    kind: Kind,
    name: &str,
    prefix: Option<&str>,
    marker: Option<&str>,
    most: Option<i32>,
) -> Result<Page<output::AttachedPolicy>> {
    let entity = kind.find(&cx.read(), cx.account(), name)?;
    let last = |arn: &String| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let path = |arn: &str| arn.split_once(":policy").map_or("", |(_, path)| path).to_owned();
    let mut arns: Vec<String> =
        entity.attached.into_iter().filter(|a| prefix.is_none_or(|p| path(a).starts_with(p))).collect();
    arns.sort();
    let all = arns
        .iter()
        .map(|arn| output::AttachedPolicy { policy_name: Some(last(arn)), policy_arn: Some(arn.clone()) })
        .collect();
    let place = |p: &output::AttachedPolicy| p.policy_arn.clone().unwrap_or_default();
    pages::page(&format!("Attached {name}"), all, place, marker, most)
}

fn inline_names(cx: &Cx, kind: Kind, name: &str, marker: Option<&str>, most: Option<i32>) -> Result<Page<String>> {
    let entity = kind.find(&cx.read(), cx.account(), name)?;
    pages::page(&format!("Inline {name}"), entity.inline.into_keys().collect(), Clone::clone, marker, most)
}

fn tags(cx: &Cx, kind: Kind, name: &str, marker: Option<&str>, most: Option<i32>) -> Result<Page<output::Tag>> {
    let entity = kind.find(&cx.read(), cx.account(), name)?;
    let all = tags_output(&entity.tags).unwrap_or_else(Vec::new);
    pages::page(&format!("Tags {name}"), all, |t| t.key.clone(), marker, most)
}

fn entities(
    cx: &Cx,
    kind: Kind,
    prefix: Option<&str>,
    marker: Option<&str>,
    most: Option<i32>,
) -> Result<Page<Entity>> {
    let mut all = kind.all(&cx.read(), cx.account())?;
    all.retain(|e| prefix.is_none_or(|p| e.path.starts_with(p)));
    let list = if kind == Kind::User { "ListUsers" } else { "ListRoles" };
    pages::page(list, all, |e| e.name.to_lowercase(), marker, most)
}

api::operations! {
    impl api::Operations for Iam; |self, cx, input|
    AttachRolePolicy => attach(cx, Kind::Role, &input.role_name, &input.policy_arn).await,
    AttachUserPolicy => attach(cx, Kind::User, &input.user_name, &input.policy_arn).await,
    CreateAccessKey => keys::create(cx, input).await,
    CreateAccountAlias => aliases::create(cx, &input.account_alias).await,
    CreatePolicy => policies::create(cx, input).await,
    CreatePolicyVersion => policies::create_version(cx, input).await,
    CreateRole => create_role(cx, input).await,
    CreateUser => create_user(cx, input).await,
    CreateVirtualMFADevice => mfa::create(cx, input).await,
    DeactivateMFADevice => mfa::deactivate(cx, input).await,
    DeleteAccessKey => keys::delete(cx, input).await,
    DeleteAccountAlias => aliases::delete(cx, &input.account_alias).await,
    DeletePolicy => policies::delete(cx, input).await,
    DeletePolicyVersion => policies::delete_version(cx, input).await,
    DeleteRole => cx.write(|tx| Kind::Role.remove(tx, cx.account(), &input.role_name)).await,
    DeleteRolePermissionsBoundary => set_boundary(cx, Kind::Role, &input.role_name, None).await,
    DeleteRolePolicy => delete_inline(cx, Kind::Role, &input.role_name, &input.policy_name).await,
    DeleteUser => delete_user(cx, input).await,
    DeleteUserPermissionsBoundary => set_boundary(cx, Kind::User, &input.user_name, None).await,
    DeleteUserPolicy => delete_inline(cx, Kind::User, &input.user_name, &input.policy_name).await,
    DeleteVirtualMFADevice => mfa::delete(cx, input).await,
    DetachRolePolicy => detach(cx, Kind::Role, &input.role_name, &input.policy_arn).await,
    DetachUserPolicy => detach(cx, Kind::User, &input.user_name, &input.policy_arn).await,
    EnableMFADevice => mfa::enable(cx, input).await,
    GetPolicy => policies::get(cx, input).await,
    GetPolicyVersion => policies::get_version(cx, input).await,
    GetRole => Ok(api::GetRoleOutput { role: Kind::Role.find(&cx.read(), cx.account(), &input.role_name)?.role(cx, true) }),
    GetRolePolicy => get_role_policy(cx, input),
    GetUser => get_user(cx, input),
    GetUserPolicy => get_user_policy(cx, input),
    ListAccessKeys => keys::list(cx, input).await,
    ListAccountAliases => aliases::list(cx, &input),
    ListAttachedRolePolicies => list_attached_role_policies(cx, &input),
    ListAttachedUserPolicies => list_attached_user_policies(cx, &input),
    ListMFADevices => mfa::list(cx, input),
    ListPolicies => policies::list(cx, input).await,
    ListPolicyTags => policies::list_tags(cx, input).await,
    ListPolicyVersions => policies::list_versions(cx, input).await,
    ListRolePolicies => list_role_policies(cx, &input),
    ListRoleTags => list_role_tags(cx, &input),
    ListRoles => list_roles(cx, &input),
    ListUserPolicies => list_user_policies(cx, &input),
    ListUserTags => list_user_tags(cx, &input),
    ListUsers => list_users(cx, &input),
    ListVirtualMFADevices => mfa::list_virtual(cx, &input),
    PutRolePermissionsBoundary => set_boundary(cx, Kind::Role, &input.role_name, Some(&input.permissions_boundary)).await,
    PutRolePolicy => put_role_policy(cx, input).await,
    PutUserPermissionsBoundary => set_boundary(cx, Kind::User, &input.user_name, Some(&input.permissions_boundary)).await,
    PutUserPolicy => put_user_policy(cx, input).await,
    ResyncMFADevice => mfa::resynchronise(cx, input).await,
    SetDefaultPolicyVersion => policies::set_default_version(cx, input).await,
    TagPolicy => policies::tag(cx, input).await,
    TagRole => tag_role(cx, input).await,
    TagUser => tag_user(cx, input).await,
    UntagPolicy => policies::untag(cx, input).await,
    UntagRole => untag_role(cx, input).await,
    UntagUser => untag_user(cx, input).await,
    UpdateAccessKey => keys::update(cx, input).await,
    UpdateAssumeRolePolicy => update_assume_role_policy(cx, input).await,
    UpdateRole => update_role(cx, input).await,
}

async fn create_role(cx: &Cx, input: api::CreateRoleInput) -> Result<api::CreateRoleOutput> {
    check_trust(&input.assume_role_policy_document)?;
    let mut role = Entity::new(cx, Kind::Role, input.role_name, input.path, tags_input(input.tags)?)?;
    role.trust = input.assume_role_policy_document;
    role.description = input.description;
    role.max_session = input.max_session_duration.unwrap_or(3_600);
    role.boundary = input.permissions_boundary;
    cx.write(|tx| {
        if let Some(arn) = &role.boundary {
            policies::check_attachable(tx, arn)?;
        }
        Kind::Role.add(tx, cx.account(), &role)
    })
    .await?;
    Ok(api::CreateRoleOutput { role: role.role(cx, true) })
}

async fn create_user(cx: &Cx, input: api::CreateUserInput) -> Result<api::CreateUserOutput> {
    let mut user = Entity::new(cx, Kind::User, input.user_name, input.path, tags_input(input.tags)?)?;
    user.boundary = input.permissions_boundary;
    cx.write(|tx| {
        if let Some(arn) = &user.boundary {
            policies::check_attachable(tx, arn)?;
        }
        Kind::User.add(tx, cx.account(), &user)
    })
    .await?;
    Ok(api::CreateUserOutput { user: Some(user.user(cx, true)) })
}

async fn delete_user(cx: &Cx, input: api::DeleteUserInput) -> Result<()> {
    cx.write(|tx| {
        if keys::any(tx, cx, &input.user_name)? {
            return Err(
                errors::delete_conflict_exception("Cannot delete entity, must delete access keys first.").into()
            );
        }
        if mfa::any(tx, cx, &input.user_name)? {
            let message = "Cannot delete entity, must delete MFA device first.";
            return Err(errors::delete_conflict_exception(message).into());
        }
        Kind::User.remove(tx, cx.account(), &input.user_name)
    })
    .await
}

fn get_role_policy(cx: &Cx, input: api::GetRolePolicyInput) -> Result<api::GetRolePolicyOutput> {
    let entity = Kind::Role.find(&cx.read(), cx.account(), &input.role_name)?;
    let policy_document = url_encoded(&entity.inline(&input.policy_name)?);
    Ok(api::GetRolePolicyOutput { role_name: entity.name, policy_name: input.policy_name, policy_document })
}

fn get_user(cx: &Cx, input: api::GetUserInput) -> Result<api::GetUserOutput> {
    let name = keys::user_of(cx, input.user_name)?;
    Ok(api::GetUserOutput { user: Kind::User.find(&cx.read(), cx.account(), &name)?.user(cx, true) })
}

fn get_user_policy(cx: &Cx, input: api::GetUserPolicyInput) -> Result<api::GetUserPolicyOutput> {
    let entity = Kind::User.find(&cx.read(), cx.account(), &input.user_name)?;
    let policy_document = url_encoded(&entity.inline(&input.policy_name)?);
    Ok(api::GetUserPolicyOutput { user_name: entity.name, policy_name: input.policy_name, policy_document })
}

fn list_attached_role_policies(
    cx: &Cx,
    input: &api::ListAttachedRolePoliciesInput,
) -> Result<api::ListAttachedRolePoliciesOutput> {
    let prefix = input.path_prefix.as_deref();
    let (found, is_truncated, marker) =
        attached(cx, Kind::Role, &input.role_name, prefix, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListAttachedRolePoliciesOutput { attached_policies: Some(found), is_truncated, marker })
}

fn list_attached_user_policies(
    cx: &Cx,
    input: &api::ListAttachedUserPoliciesInput,
) -> Result<api::ListAttachedUserPoliciesOutput> {
    let prefix = input.path_prefix.as_deref();
    let (found, is_truncated, marker) =
        attached(cx, Kind::User, &input.user_name, prefix, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListAttachedUserPoliciesOutput { attached_policies: Some(found), is_truncated, marker })
}

fn list_role_policies(cx: &Cx, input: &api::ListRolePoliciesInput) -> Result<api::ListRolePoliciesOutput> {
    let (policy_names, is_truncated, marker) =
        inline_names(cx, Kind::Role, &input.role_name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListRolePoliciesOutput { policy_names, is_truncated, marker })
}

fn list_role_tags(cx: &Cx, input: &api::ListRoleTagsInput) -> Result<api::ListRoleTagsOutput> {
    let (tags, is_truncated, marker) =
        tags(cx, Kind::Role, &input.role_name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListRoleTagsOutput { tags, is_truncated, marker })
}

fn list_roles(cx: &Cx, input: &api::ListRolesInput) -> Result<api::ListRolesOutput> {
    let prefix = input.path_prefix.as_deref();
    let (found, is_truncated, marker) = entities(cx, Kind::Role, prefix, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListRolesOutput { roles: found.iter().map(|e| e.role(cx, false)).collect(), is_truncated, marker })
}

fn list_user_policies(cx: &Cx, input: &api::ListUserPoliciesInput) -> Result<api::ListUserPoliciesOutput> {
    let (policy_names, is_truncated, marker) =
        inline_names(cx, Kind::User, &input.user_name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListUserPoliciesOutput { policy_names, is_truncated, marker })
}

fn list_user_tags(cx: &Cx, input: &api::ListUserTagsInput) -> Result<api::ListUserTagsOutput> {
    let (tags, is_truncated, marker) =
        tags(cx, Kind::User, &input.user_name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListUserTagsOutput { tags, is_truncated, marker })
}

fn list_users(cx: &Cx, input: &api::ListUsersInput) -> Result<api::ListUsersOutput> {
    let prefix = input.path_prefix.as_deref();
    let (found, is_truncated, marker) = entities(cx, Kind::User, prefix, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListUsersOutput { users: found.iter().map(|e| e.user(cx, false)).collect(), is_truncated, marker })
}

async fn put_role_policy(cx: &Cx, input: api::PutRolePolicyInput) -> Result<()> {
    let put =
        |entity: &mut Entity| entity.put_inline(Kind::Role, input.policy_name.clone(), input.policy_document.clone());
    Kind::Role.change(cx, &input.role_name, |_, entity| put(entity)).await
}

async fn put_user_policy(cx: &Cx, input: api::PutUserPolicyInput) -> Result<()> {
    let put =
        |entity: &mut Entity| entity.put_inline(Kind::User, input.policy_name.clone(), input.policy_document.clone());
    Kind::User.change(cx, &input.user_name, |_, entity| put(entity)).await
}

async fn tag_role(cx: &Cx, input: api::TagRoleInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    Kind::Role.change(cx, &input.role_name, |_, entity| add_tags(&mut entity.tags, &tags)).await
}

async fn tag_user(cx: &Cx, input: api::TagUserInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    Kind::User.change(cx, &input.user_name, |_, entity| add_tags(&mut entity.tags, &tags)).await
}

async fn untag_role(cx: &Cx, input: api::UntagRoleInput) -> Result<()> {
    let keep = |entity: &mut Entity| entity.tags.retain(|k, _| !input.tag_keys.contains(k));
    Kind::Role
        .change(cx, &input.role_name, |_, entity| {
            keep(entity);
            Ok(())
        })
        .await
}

async fn untag_user(cx: &Cx, input: api::UntagUserInput) -> Result<()> {
    let keep = |entity: &mut Entity| entity.tags.retain(|k, _| !input.tag_keys.contains(k));
    Kind::User
        .change(cx, &input.user_name, |_, entity| {
            keep(entity);
            Ok(())
        })
        .await
}

async fn update_assume_role_policy(cx: &Cx, input: api::UpdateAssumeRolePolicyInput) -> Result<()> {
    check_trust(&input.policy_document)?;
    Kind::Role
        .change(cx, &input.role_name, |_, role| {
            role.trust.clone_from(&input.policy_document);
            Ok(())
        })
        .await
}

async fn update_role(cx: &Cx, input: api::UpdateRoleInput) -> Result<()> {
    Kind::Role
        .change(cx, &input.role_name, |_, role| {
            // What is left out is set back: the API reference says so of both.
            role.description.clone_from(&input.description);
            role.max_session = input.max_session_duration.unwrap_or(3_600);
            Ok(())
        })
        .await
}
