//! Users.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{CREDENTIALS, Credential, Cx, OwnerKind, Result};

use crate::api::{self, errors};
use crate::attached::{self, Wanted, refuse_of_services};
use crate::entity::{Entity, Kind, add_tags, tags_input, url_encoded};
use crate::{groups, keys, mfa, pages, passwords, policies, root_user, service_credentials, signing, ssh, usage};

pub(crate) async fn create(cx: &Cx, input: api::CreateUserInput) -> Result<api::CreateUserOutput> {
    let mut user = Entity::new(cx, Kind::User, input.user_name, input.path, tags_input(input.tags)?)?;
    user.boundary = input.permissions_boundary;
    cx.write(|tx| {
        if let Some(arn) = &user.boundary {
            policies::check_attachable(tx, cx.account(), arn)?;
            refuse_of_services(arn)?;
        }
        Kind::User.add(tx, cx.account(), &user)
    })
    .await?;
    Ok(api::CreateUserOutput { user: Some(user.user(cx, true)) })
}

/// What a user still has, in the order in which AWS complains of it, and what it says then.
fn left_over(from: &(impl Read + ?Sized), account: &str, user: &Entity) -> Result<Option<&'static str>> {
    let name = user.name.to_lowercase();
    Ok(if passwords::of(from, account, &name)?.is_some() {
        Some("must delete login profile first.")
    } else if keys::any(from, account, &name)? {
        Some("must delete access keys first.")
    } else if mfa::any(from, account, &name)? {
        Some("must delete MFA device first.")
    } else if signing::any(from, account, &name)? {
        Some("must delete signing certificates first.")
    } else if ssh::any(from, account, &name)? {
        Some("must delete SSH public keys first.")
    } else if service_credentials::any(from, account, &name)? {
        Some("must delete service specific credentials first.")
    } else if !user.groups.is_empty() {
        Some("must remove users from group first.")
    } else {
        None
    })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteUserInput) -> Result<()> {
    cx.write(|tx| {
        let user = Kind::User.find(tx, cx.account(), &input.user_name)?;
        if let Some(reason) = left_over(tx, cx.account(), &user)? {
            return Err(errors::delete_conflict_exception(format!("Cannot delete entity, {reason}")).into());
        }
        Kind::User.remove(tx, cx.account(), &user.name)
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: api::GetUserInput) -> Result<api::GetUserOutput> {
    if root_user::asks(cx, input.user_name.as_deref()) {
        return Ok(api::GetUserOutput { user: root_user::shown(cx) });
    }
    let name = keys::user_of(cx, input.user_name)?;
    Ok(api::GetUserOutput { user: Kind::User.find(&cx.read(), cx.account(), &name)?.user(cx, true) })
}

/// Gives a user another name or path. All that it has stays its own, its sessions too.
pub(crate) async fn update(cx: &Cx, input: api::UpdateUserInput) -> Result<()> {
    usage::flush(cx.kernel()).await?;
    cx.write(|tx| {
        let mut user = Kind::User.find(tx, cx.account(), &input.user_name)?;
        let before = user.name.to_lowercase();
        if let Some(name) = &input.new_user_name {
            user.name.clone_from(name);
        }
        if let Some(path) = &input.new_path {
            user.path.clone_from(path);
        }
        if user.name.to_lowercase() != before {
            Kind::User.check_free(tx, cx.account(), &user.name)?;
            Kind::User.table().delete(tx, &(cx.account(), &before));
            renamed(tx, cx.account(), &user, &before)?;
        }
        Kind::User.put(tx, cx.account(), &user);
        tell_credentials(cx, tx, &user)
    })
    .await
}

fn renamed(tx: &mut Tx<'_>, account: &str, user: &Entity, before: &str) -> Result<()> {
    let after = user.name.to_lowercase();
    groups::user_renamed(tx, account, user, before)?;
    passwords::user_renamed(tx, account, before, &after)?;
    keys::user_renamed(tx, account, before, &after)?;
    mfa::user_renamed(tx, account, before, &after)?;
    signing::user_renamed(tx, account, before, &after)?;
    ssh::user_renamed(tx, account, before, &after)?;
    service_credentials::user_renamed(tx, account, before, &after)
}

/// What signs for the user says whose it is. Sessions are not listed by user anywhere, so all are looked at: users are
/// seldom renamed.
fn tell_credentials(cx: &Cx, tx: &mut Tx<'_>, user: &Entity) -> Result<()> {
    for entry in CREDENTIALS.all(tx, &())? {
        let owned = matches!(entry.row.owner, OwnerKind::User { .. });
        if !owned || entry.row.account != cx.account() || entry.row.user_id != user.id {
            continue;
        }
        let Some((key,)) = entry.key::<(String,)>() else { continue };
        let owner = OwnerKind::User { name: user.name.clone() };
        CREDENTIALS.put(tx, &(key,), &Credential { arn: user.arn(cx, Kind::User), owner, ..entry.row });
    }
    Ok(())
}

pub(crate) fn get_policy(cx: &Cx, input: api::GetUserPolicyInput) -> Result<api::GetUserPolicyOutput> {
    let entity = Kind::User.find(&cx.read(), cx.account(), &input.user_name)?;
    let policy_document = url_encoded(&entity.inline(&input.policy_name)?);
    Ok(api::GetUserPolicyOutput { user_name: entity.name, policy_name: input.policy_name, policy_document })
}

pub(crate) fn list_attached(
    cx: &Cx,
    input: &api::ListAttachedUserPoliciesInput,
) -> Result<api::ListAttachedUserPoliciesOutput> {
    let prefix = input.path_prefix.as_deref();
    let wanted = Wanted { prefix, marker: input.marker.as_deref(), most: input.max_items };
    let (found, is_truncated, marker) = attached::list(cx, Kind::User, &input.user_name, wanted)?;
    Ok(api::ListAttachedUserPoliciesOutput { attached_policies: Some(found), is_truncated, marker })
}

pub(crate) fn list_policies(cx: &Cx, input: &api::ListUserPoliciesInput) -> Result<api::ListUserPoliciesOutput> {
    let wanted = Wanted { prefix: None, marker: input.marker.as_deref(), most: input.max_items };
    let (policy_names, is_truncated, marker) = attached::inline_names(cx, Kind::User, &input.user_name, wanted)?;
    Ok(api::ListUserPoliciesOutput { policy_names, is_truncated, marker })
}

pub(crate) fn list_tags(cx: &Cx, input: &api::ListUserTagsInput) -> Result<api::ListUserTagsOutput> {
    let wanted = Wanted { prefix: None, marker: input.marker.as_deref(), most: input.max_items };
    let (tags, is_truncated, marker) = attached::tags(cx, Kind::User, &input.user_name, wanted)?;
    Ok(api::ListUserTagsOutput { tags, is_truncated, marker })
}

pub(crate) fn list(cx: &Cx, input: &api::ListUsersInput) -> Result<api::ListUsersOutput> {
    let mut all = Kind::User.all(&cx.read(), cx.account())?;
    all.retain(|e| input.path_prefix.as_ref().is_none_or(|p| e.path.starts_with(p.as_str())));
    let (found, is_truncated, marker) =
        pages::page("ListUsers", all, |e| e.name.to_lowercase(), input.marker.as_deref(), input.max_items)?;
    Ok(api::ListUsersOutput { users: found.iter().map(|e| e.user(cx, false)).collect(), is_truncated, marker })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagUserInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    Kind::User.change(cx, &input.user_name, |_, entity| add_tags(&mut entity.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagUserInput) -> Result<()> {
    Kind::User
        .change(cx, &input.user_name, |_, entity| {
            entity.tags.retain(|k, _| !input.tag_keys.contains(k));
            Ok(())
        })
        .await
}
