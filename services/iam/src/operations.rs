//! The operations: users and roles here, the others where their subject is.

use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::entity::{Entity, Kind, MOST_ATTACHED, add_tags, check_document, tags_input, tags_output, url_encoded};
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

impl api::Operations for Iam {
    async fn create_account_alias(&self, cx: &Cx, input: api::CreateAccountAliasInput) -> Result<()> {
        aliases::create(cx, &input.account_alias).await
    }

    async fn delete_account_alias(&self, cx: &Cx, input: api::DeleteAccountAliasInput) -> Result<()> {
        aliases::delete(cx, &input.account_alias).await
    }

    async fn list_account_aliases(
        &self,
        cx: &Cx,
        input: api::ListAccountAliasesInput,
    ) -> Result<api::ListAccountAliasesOutput> {
        aliases::list(cx, &input)
    }

    async fn attach_role_policy(&self, cx: &Cx, input: api::AttachRolePolicyInput) -> Result<()> {
        attach(cx, Kind::Role, &input.role_name, &input.policy_arn).await
    }

    async fn detach_role_policy(&self, cx: &Cx, input: api::DetachRolePolicyInput) -> Result<()> {
        detach(cx, Kind::Role, &input.role_name, &input.policy_arn).await
    }

    async fn put_role_policy(&self, cx: &Cx, input: api::PutRolePolicyInput) -> Result<()> {
        let put = |entity: &mut Entity| {
            entity.put_inline(Kind::Role, input.policy_name.clone(), input.policy_document.clone())
        };
        Kind::Role.change(cx, &input.role_name, |_, entity| put(entity)).await
    }

    async fn get_role_policy(&self, cx: &Cx, input: api::GetRolePolicyInput) -> Result<api::GetRolePolicyOutput> {
        let entity = Kind::Role.find(&cx.read(), cx.account(), &input.role_name)?;
        let policy_document = url_encoded(&entity.inline(&input.policy_name)?);
        Ok(api::GetRolePolicyOutput { role_name: entity.name, policy_name: input.policy_name, policy_document })
    }

    async fn delete_role_policy(&self, cx: &Cx, input: api::DeleteRolePolicyInput) -> Result<()> {
        delete_inline(cx, Kind::Role, &input.role_name, &input.policy_name).await
    }

    async fn list_role_policies(
        &self,
        cx: &Cx,
        input: api::ListRolePoliciesInput,
    ) -> Result<api::ListRolePoliciesOutput> {
        let (policy_names, is_truncated, marker) =
            inline_names(cx, Kind::Role, &input.role_name, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListRolePoliciesOutput { policy_names, is_truncated, marker })
    }

    async fn list_attached_role_policies(
        &self,
        cx: &Cx,
        input: api::ListAttachedRolePoliciesInput,
    ) -> Result<api::ListAttachedRolePoliciesOutput> {
        let prefix = input.path_prefix.as_deref();
        let (found, is_truncated, marker) =
            attached(cx, Kind::Role, &input.role_name, prefix, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListAttachedRolePoliciesOutput { attached_policies: Some(found), is_truncated, marker })
    }

    async fn put_role_permissions_boundary(&self, cx: &Cx, input: api::PutRolePermissionsBoundaryInput) -> Result<()> {
        set_boundary(cx, Kind::Role, &input.role_name, Some(&input.permissions_boundary)).await
    }

    async fn delete_role_permissions_boundary(
        &self,
        cx: &Cx,
        input: api::DeleteRolePermissionsBoundaryInput,
    ) -> Result<()> {
        set_boundary(cx, Kind::Role, &input.role_name, None).await
    }

    async fn tag_role(&self, cx: &Cx, input: api::TagRoleInput) -> Result<()> {
        let tags = tags_input(Some(input.tags))?;
        Kind::Role.change(cx, &input.role_name, |_, entity| add_tags(&mut entity.tags, &tags)).await
    }

    async fn untag_role(&self, cx: &Cx, input: api::UntagRoleInput) -> Result<()> {
        let keep = |entity: &mut Entity| entity.tags.retain(|k, _| !input.tag_keys.contains(k));
        Kind::Role
            .change(cx, &input.role_name, |_, entity| {
                keep(entity);
                Ok(())
            })
            .await
    }

    async fn list_role_tags(&self, cx: &Cx, input: api::ListRoleTagsInput) -> Result<api::ListRoleTagsOutput> {
        let (tags, is_truncated, marker) =
            tags(cx, Kind::Role, &input.role_name, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListRoleTagsOutput { tags, is_truncated, marker })
    }

    async fn list_roles(&self, cx: &Cx, input: api::ListRolesInput) -> Result<api::ListRolesOutput> {
        let prefix = input.path_prefix.as_deref();
        let (found, is_truncated, marker) = entities(cx, Kind::Role, prefix, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListRolesOutput { roles: found.iter().map(|e| e.role(cx, false)).collect(), is_truncated, marker })
    }

    async fn attach_user_policy(&self, cx: &Cx, input: api::AttachUserPolicyInput) -> Result<()> {
        attach(cx, Kind::User, &input.user_name, &input.policy_arn).await
    }

    async fn detach_user_policy(&self, cx: &Cx, input: api::DetachUserPolicyInput) -> Result<()> {
        detach(cx, Kind::User, &input.user_name, &input.policy_arn).await
    }

    async fn put_user_policy(&self, cx: &Cx, input: api::PutUserPolicyInput) -> Result<()> {
        let put = |entity: &mut Entity| {
            entity.put_inline(Kind::User, input.policy_name.clone(), input.policy_document.clone())
        };
        Kind::User.change(cx, &input.user_name, |_, entity| put(entity)).await
    }

    async fn get_user_policy(&self, cx: &Cx, input: api::GetUserPolicyInput) -> Result<api::GetUserPolicyOutput> {
        let entity = Kind::User.find(&cx.read(), cx.account(), &input.user_name)?;
        let policy_document = url_encoded(&entity.inline(&input.policy_name)?);
        Ok(api::GetUserPolicyOutput { user_name: entity.name, policy_name: input.policy_name, policy_document })
    }

    async fn delete_user_policy(&self, cx: &Cx, input: api::DeleteUserPolicyInput) -> Result<()> {
        delete_inline(cx, Kind::User, &input.user_name, &input.policy_name).await
    }

    async fn list_user_policies(
        &self,
        cx: &Cx,
        input: api::ListUserPoliciesInput,
    ) -> Result<api::ListUserPoliciesOutput> {
        let (policy_names, is_truncated, marker) =
            inline_names(cx, Kind::User, &input.user_name, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListUserPoliciesOutput { policy_names, is_truncated, marker })
    }

    async fn list_attached_user_policies(
        &self,
        cx: &Cx,
        input: api::ListAttachedUserPoliciesInput,
    ) -> Result<api::ListAttachedUserPoliciesOutput> {
        let prefix = input.path_prefix.as_deref();
        let (found, is_truncated, marker) =
            attached(cx, Kind::User, &input.user_name, prefix, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListAttachedUserPoliciesOutput { attached_policies: Some(found), is_truncated, marker })
    }

    async fn put_user_permissions_boundary(&self, cx: &Cx, input: api::PutUserPermissionsBoundaryInput) -> Result<()> {
        set_boundary(cx, Kind::User, &input.user_name, Some(&input.permissions_boundary)).await
    }

    async fn delete_user_permissions_boundary(
        &self,
        cx: &Cx,
        input: api::DeleteUserPermissionsBoundaryInput,
    ) -> Result<()> {
        set_boundary(cx, Kind::User, &input.user_name, None).await
    }

    async fn tag_user(&self, cx: &Cx, input: api::TagUserInput) -> Result<()> {
        let tags = tags_input(Some(input.tags))?;
        Kind::User.change(cx, &input.user_name, |_, entity| add_tags(&mut entity.tags, &tags)).await
    }

    async fn untag_user(&self, cx: &Cx, input: api::UntagUserInput) -> Result<()> {
        let keep = |entity: &mut Entity| entity.tags.retain(|k, _| !input.tag_keys.contains(k));
        Kind::User
            .change(cx, &input.user_name, |_, entity| {
                keep(entity);
                Ok(())
            })
            .await
    }

    async fn list_user_tags(&self, cx: &Cx, input: api::ListUserTagsInput) -> Result<api::ListUserTagsOutput> {
        let (tags, is_truncated, marker) =
            tags(cx, Kind::User, &input.user_name, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListUserTagsOutput { tags, is_truncated, marker })
    }

    async fn list_users(&self, cx: &Cx, input: api::ListUsersInput) -> Result<api::ListUsersOutput> {
        let prefix = input.path_prefix.as_deref();
        let (found, is_truncated, marker) = entities(cx, Kind::User, prefix, input.marker.as_deref(), input.max_items)?;
        Ok(api::ListUsersOutput { users: found.iter().map(|e| e.user(cx, false)).collect(), is_truncated, marker })
    }

    async fn create_role(&self, cx: &Cx, input: api::CreateRoleInput) -> Result<api::CreateRoleOutput> {
        check_document(PolicyKind::Trust, &input.assume_role_policy_document)?;
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

    async fn get_role(&self, cx: &Cx, input: api::GetRoleInput) -> Result<api::GetRoleOutput> {
        Ok(api::GetRoleOutput { role: Kind::Role.find(&cx.read(), cx.account(), &input.role_name)?.role(cx, true) })
    }

    async fn update_role(&self, cx: &Cx, input: api::UpdateRoleInput) -> Result<()> {
        Kind::Role
            .change(cx, &input.role_name, |_, role| {
                // What is left out is set back: the API reference says so of both.
                role.description.clone_from(&input.description);
                role.max_session = input.max_session_duration.unwrap_or(3_600);
                Ok(())
            })
            .await
    }

    async fn update_assume_role_policy(&self, cx: &Cx, input: api::UpdateAssumeRolePolicyInput) -> Result<()> {
        check_document(PolicyKind::Trust, &input.policy_document)?;
        Kind::Role
            .change(cx, &input.role_name, |_, role| {
                role.trust.clone_from(&input.policy_document);
                Ok(())
            })
            .await
    }

    async fn delete_role(&self, cx: &Cx, input: api::DeleteRoleInput) -> Result<()> {
        cx.write(|tx| Kind::Role.remove(tx, cx.account(), &input.role_name)).await
    }

    async fn create_user(&self, cx: &Cx, input: api::CreateUserInput) -> Result<api::CreateUserOutput> {
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

    async fn get_user(&self, cx: &Cx, input: api::GetUserInput) -> Result<api::GetUserOutput> {
        let name = keys::user_of(cx, input.user_name)?;
        Ok(api::GetUserOutput { user: Kind::User.find(&cx.read(), cx.account(), &name)?.user(cx, true) })
    }

    async fn delete_user(&self, cx: &Cx, input: api::DeleteUserInput) -> Result<()> {
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

    async fn create_virtual_mfa_device(
        &self,
        cx: &Cx,
        input: api::CreateVirtualMFADeviceInput,
    ) -> Result<api::CreateVirtualMFADeviceOutput> {
        mfa::create(cx, input).await
    }

    async fn enable_mfa_device(&self, cx: &Cx, input: api::EnableMFADeviceInput) -> Result<()> {
        mfa::enable(cx, input).await
    }

    async fn resync_mfa_device(&self, cx: &Cx, input: api::ResyncMFADeviceInput) -> Result<()> {
        mfa::resynchronise(cx, input).await
    }

    async fn deactivate_mfa_device(&self, cx: &Cx, input: api::DeactivateMFADeviceInput) -> Result<()> {
        mfa::deactivate(cx, input).await
    }

    async fn delete_virtual_mfa_device(&self, cx: &Cx, input: api::DeleteVirtualMFADeviceInput) -> Result<()> {
        mfa::delete(cx, input).await
    }

    async fn list_mfa_devices(&self, cx: &Cx, input: api::ListMFADevicesInput) -> Result<api::ListMFADevicesOutput> {
        mfa::list(cx, input)
    }

    async fn list_virtual_mfa_devices(
        &self,
        cx: &Cx,
        input: api::ListVirtualMFADevicesInput,
    ) -> Result<api::ListVirtualMFADevicesOutput> {
        mfa::list_virtual(cx, &input)
    }

    async fn create_access_key(&self, cx: &Cx, input: api::CreateAccessKeyInput) -> Result<api::CreateAccessKeyOutput> {
        keys::create(cx, input).await
    }

    async fn list_access_keys(&self, cx: &Cx, input: api::ListAccessKeysInput) -> Result<api::ListAccessKeysOutput> {
        keys::list(cx, input).await
    }

    async fn update_access_key(&self, cx: &Cx, input: api::UpdateAccessKeyInput) -> Result<()> {
        keys::update(cx, input).await
    }

    async fn delete_access_key(&self, cx: &Cx, input: api::DeleteAccessKeyInput) -> Result<()> {
        keys::delete(cx, input).await
    }

    async fn create_policy(&self, cx: &Cx, input: api::CreatePolicyInput) -> Result<api::CreatePolicyOutput> {
        policies::create(cx, input).await
    }

    async fn get_policy(&self, cx: &Cx, input: api::GetPolicyInput) -> Result<api::GetPolicyOutput> {
        policies::get(cx, input).await
    }

    async fn list_policies(&self, cx: &Cx, input: api::ListPoliciesInput) -> Result<api::ListPoliciesOutput> {
        policies::list(cx, input).await
    }

    async fn delete_policy(&self, cx: &Cx, input: api::DeletePolicyInput) -> Result<()> {
        policies::delete(cx, input).await
    }

    async fn create_policy_version(
        &self,
        cx: &Cx,
        input: api::CreatePolicyVersionInput,
    ) -> Result<api::CreatePolicyVersionOutput> {
        policies::create_version(cx, input).await
    }

    async fn get_policy_version(
        &self,
        cx: &Cx,
        input: api::GetPolicyVersionInput,
    ) -> Result<api::GetPolicyVersionOutput> {
        policies::get_version(cx, input).await
    }

    async fn list_policy_versions(
        &self,
        cx: &Cx,
        input: api::ListPolicyVersionsInput,
    ) -> Result<api::ListPolicyVersionsOutput> {
        policies::list_versions(cx, input).await
    }

    async fn delete_policy_version(&self, cx: &Cx, input: api::DeletePolicyVersionInput) -> Result<()> {
        policies::delete_version(cx, input).await
    }

    async fn set_default_policy_version(&self, cx: &Cx, input: api::SetDefaultPolicyVersionInput) -> Result<()> {
        policies::set_default_version(cx, input).await
    }

    async fn tag_policy(&self, cx: &Cx, input: api::TagPolicyInput) -> Result<()> {
        policies::tag(cx, input).await
    }

    async fn untag_policy(&self, cx: &Cx, input: api::UntagPolicyInput) -> Result<()> {
        policies::untag(cx, input).await
    }

    async fn list_policy_tags(&self, cx: &Cx, input: api::ListPolicyTagsInput) -> Result<api::ListPolicyTagsOutput> {
        policies::list_tags(cx, input).await
    }
}
