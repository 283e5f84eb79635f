//! Roles.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::attached::{self, Wanted, refuse_of_services};
use crate::entity::{Entity, Kind, add_tags, check_trust, tags_input, url_encoded};
use crate::{instance_profiles, pages, policies, usage};

/// Paths of this beginning are for roles of services.
const OF_SERVICES: &str = "/aws-service-role/";

pub(crate) async fn create(cx: &Cx, input: api::CreateRoleInput) -> Result<api::CreateRoleOutput> {
    if input.path.as_ref().is_some_and(|path| path.starts_with(OF_SERVICES)) {
        let message = format!("Paths that begin with {OF_SERVICES} are reserved for service-linked roles.");
        return Err(errors::invalid_input_exception(message).into());
    }
    check_trust(&input.assume_role_policy_document)?;
    let mut role = Entity::new(cx, Kind::Role, input.role_name, input.path, tags_input(input.tags)?)?;
    role.trust = input.assume_role_policy_document;
    role.description = input.description;
    role.max_session = input.max_session_duration.unwrap_or(3_600);
    role.boundary = input.permissions_boundary;
    cx.write(|tx| {
        if let Some(arn) = &role.boundary {
            policies::check_attachable(tx, arn)?;
            refuse_of_services(arn)?;
        }
        Kind::Role.add(tx, cx.account(), &role)
    })
    .await?;
    Ok(api::CreateRoleOutput { role: role.role(cx, true) })
}

/// The role, and when it was used last.
pub(crate) fn get(cx: &Cx, input: &api::GetRoleInput) -> Result<api::GetRoleOutput> {
    let from = cx.read();
    let found = Kind::Role.find(&from, cx.account(), &input.role_name)?;
    let mut role = found.role(cx, true);
    role.role_last_used = Some(usage::of_role(cx, &from, &found)?);
    Ok(api::GetRoleOutput { role })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteRoleInput) -> Result<()> {
    cx.write(|tx: &mut Tx<'_>| {
        let role = Kind::Role.find(tx, cx.account(), &input.role_name)?;
        role.refuse_protected()?;
        if instance_profiles::any(tx, cx.account(), &role.name)? {
            let message = "Cannot delete entity, must remove roles from instance profile first.";
            return Err(errors::delete_conflict_exception(message).into());
        }
        Kind::Role.remove(tx, cx.account(), &role.name)
    })
    .await
}

pub(crate) fn get_policy(cx: &Cx, input: api::GetRolePolicyInput) -> Result<api::GetRolePolicyOutput> {
    let entity = Kind::Role.find(&cx.read(), cx.account(), &input.role_name)?;
    let policy_document = url_encoded(&entity.inline(&input.policy_name)?);
    Ok(api::GetRolePolicyOutput { role_name: entity.name, policy_name: input.policy_name, policy_document })
}

pub(crate) fn list_attached(
    cx: &Cx,
    input: &api::ListAttachedRolePoliciesInput,
) -> Result<api::ListAttachedRolePoliciesOutput> {
    let prefix = input.path_prefix.as_deref();
    let wanted = Wanted { prefix, marker: input.marker.as_deref(), most: input.max_items };
    let (found, is_truncated, marker) = attached::list(cx, Kind::Role, &input.role_name, wanted)?;
    Ok(api::ListAttachedRolePoliciesOutput { attached_policies: Some(found), is_truncated, marker })
}

pub(crate) fn list_policies(cx: &Cx, input: &api::ListRolePoliciesInput) -> Result<api::ListRolePoliciesOutput> {
    let wanted = Wanted { prefix: None, marker: input.marker.as_deref(), most: input.max_items };
    let (policy_names, is_truncated, marker) = attached::inline_names(cx, Kind::Role, &input.role_name, wanted)?;
    Ok(api::ListRolePoliciesOutput { policy_names, is_truncated, marker })
}

pub(crate) fn list_tags(cx: &Cx, input: &api::ListRoleTagsInput) -> Result<api::ListRoleTagsOutput> {
    let wanted = Wanted { prefix: None, marker: input.marker.as_deref(), most: input.max_items };
    let (tags, is_truncated, marker) = attached::tags(cx, Kind::Role, &input.role_name, wanted)?;
    Ok(api::ListRoleTagsOutput { tags, is_truncated, marker })
}

pub(crate) fn list(cx: &Cx, input: &api::ListRolesInput) -> Result<api::ListRolesOutput> {
    let mut all = Kind::Role.all(&cx.read(), cx.account())?;
    all.retain(|e| input.path_prefix.as_ref().is_none_or(|p| e.path.starts_with(p.as_str())));
    let (found, is_truncated, marker) =
        pages::page("ListRoles", all, |e| e.name.to_lowercase(), input.marker.as_deref(), input.max_items)?;
    Ok(api::ListRolesOutput { roles: found.iter().map(|e| e.role(cx, false)).collect(), is_truncated, marker })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagRoleInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    Kind::Role.change_any(cx, &input.role_name, |_, entity| add_tags(&mut entity.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagRoleInput) -> Result<()> {
    Kind::Role
        .change_any(cx, &input.role_name, |_, entity| {
            entity.tags.retain(|k, _| !input.tag_keys.contains(k));
            Ok(())
        })
        .await
}

pub(crate) async fn update_trust(cx: &Cx, input: api::UpdateAssumeRolePolicyInput) -> Result<()> {
    check_trust(&input.policy_document)?;
    Kind::Role
        .change(cx, &input.role_name, |_, role| {
            role.trust.clone_from(&input.policy_document);
            Ok(())
        })
        .await
}

/// Of a service's own role only the description can be changed ("Edit a service-linked role description" in the user guide).
pub(crate) async fn update(cx: &Cx, input: api::UpdateRoleInput) -> Result<()> {
    Kind::Role
        .change_any(cx, &input.role_name, |_, role| {
            if input.max_session_duration.is_some_and(|session| session != role.max_session) {
                role.refuse_protected()?;
            }
            // What is left out is set back: the API reference says so of both.
            role.description.clone_from(&input.description);
            role.max_session = input.max_session_duration.unwrap_or(3_600);
            Ok(())
        })
        .await
}

pub(crate) async fn update_description(
    cx: &Cx,
    input: api::UpdateRoleDescriptionInput,
) -> Result<api::UpdateRoleDescriptionOutput> {
    let mut changed = None;
    Kind::Role
        .change_any(cx, &input.role_name, |_, role| {
            role.description = Some(input.description.clone());
            changed = Some(role.role(cx, true));
            Ok(())
        })
        .await?;
    Ok(api::UpdateRoleDescriptionOutput { role: changed })
}
