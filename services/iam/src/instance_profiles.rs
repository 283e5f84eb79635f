//! Instance profiles: what hands a role to an instance. Each has one role at most.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::{Kind, add_tags, tags_input, tags_output};
use crate::pages;

/// Account, name in small letters → instance profile.
static PROFILES: Table<Profile> = Table::new("iam.instance_profiles");

/// An account has so many.
pub(crate) const MOST: usize = 1_000;
/// An instance profile has so many roles.
const MOST_ROLES: usize = 1;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Profile {
    #[n(0)]
    id: String,
    #[n(1)]
    name: String,
    #[n(2)]
    path: String,
    /// Seconds since 1970.
    #[n(3)]
    created: i64,
    #[n(4)]
    tags: BTreeMap<String, String>,
    /// Its role's name, in small letters.
    #[n(5)]
    role: Option<String>,
}

impl Profile {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.global_arn("iam", &format!("instance-profile{}{}", self.path, self.name))
    }

    pub(crate) fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn output(&self, cx: &Cx, from: &(impl Read + ?Sized), whole: bool) -> Result<output::InstanceProfile> {
        let role = self.role.as_ref().map(|name| Kind::Role.find(from, cx.account(), name)).transpose()?;
        Ok(output::InstanceProfile {
            path: self.path.clone(),
            instance_profile_name: self.name.clone(),
            instance_profile_id: self.id.clone(),
            arn: self.arn(cx),
            create_date: Timestamp::from_second(self.created).unwrap_or(Timestamp::UNIX_EPOCH),
            roles: role.iter().map(|role| role.role(cx, false)).collect(),
            tags: tags_output(&self.tags).filter(|_| whole),
        })
    }
}

fn not_found(name: &str) -> AwsError {
    errors::no_such_entity_exception(format!("Instance Profile {name} cannot be found."))
}

pub(crate) fn find(from: &(impl Read + ?Sized), account: &str, name: &str) -> Result<Profile> {
    PROFILES.get(from, &(account, name.to_lowercase()))?.ok_or_else(|| not_found(name).into())
}

/// All of an account.
pub(crate) fn all(from: &(impl Read + ?Sized), account: &str) -> Result<Vec<Profile>> {
    Ok(PROFILES.all(from, &(account,))?.into_iter().map(|entry| entry.row).collect())
}

/// Those that hand out a role, as answers show them.
pub(crate) fn of_role(cx: &Cx, from: &(impl Read + ?Sized), role: &str) -> Result<Vec<output::InstanceProfile>> {
    let role = role.to_lowercase();
    let all = all(from, cx.account())?;
    all.iter().filter(|p| p.role.as_deref() == Some(role.as_str())).map(|p| p.output(cx, from, false)).collect()
}

/// Whether a role is handed out, which keeps it from being deleted.
pub(crate) fn any(from: &(impl Read + ?Sized), account: &str, role: &str) -> Result<bool> {
    let role = role.to_lowercase();
    Ok(all(from, account)?.iter().any(|p| p.role.as_deref() == Some(role.as_str())))
}

async fn change(cx: &Cx, name: &str, mut change: impl FnMut(&mut Tx<'_>, &mut Profile) -> Result<()>) -> Result<()> {
    cx.write(|tx| {
        let mut profile = find(tx, cx.account(), name)?;
        change(tx, &mut profile)?;
        PROFILES.put(tx, &(cx.account(), name.to_lowercase()), &profile);
        Ok(())
    })
    .await
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateInstanceProfileInput,
) -> Result<api::CreateInstanceProfileOutput> {
    let mut profile = Profile {
        id: cx.random().id("AIPA", 17),
        name: input.instance_profile_name,
        path: input.path.unwrap_or_else(|| "/".to_owned()),
        created: cx.now().as_second(),
        tags: BTreeMap::new(),
        role: None,
    };
    add_tags(&mut profile.tags, &tags_input(input.tags)?)?;
    let instance_profile = cx
        .write(|tx| {
            let key = (cx.account(), profile.name.to_lowercase());
            if PROFILES.has(tx, &key)? {
                let message = format!("Instance Profile {} already exists.", profile.name);
                return Err(errors::entity_already_exists_exception(message).into());
            }
            if PROFILES.all(tx, &(cx.account(),))?.len() >= MOST {
                let message = format!("Cannot exceed quota for InstanceProfilesPerAccount: {MOST}");
                return Err(errors::limit_exceeded_exception(message).into());
            }
            PROFILES.put(tx, &key, &profile);
            profile.output(cx, tx, true)
        })
        .await?;
    Ok(api::CreateInstanceProfileOutput { instance_profile })
}

pub(crate) fn get(cx: &Cx, input: &api::GetInstanceProfileInput) -> Result<api::GetInstanceProfileOutput> {
    let from = cx.read();
    let found = find(&from, cx.account(), &input.instance_profile_name)?;
    Ok(api::GetInstanceProfileOutput { instance_profile: found.output(cx, &from, true)? })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteInstanceProfileInput) -> Result<()> {
    cx.write(|tx| {
        let profile = find(tx, cx.account(), &input.instance_profile_name)?;
        if profile.role.is_some() {
            let message = "Cannot delete entity, must remove roles from instance profile first.";
            return Err(errors::delete_conflict_exception(message).into());
        }
        PROFILES.delete(tx, &(cx.account(), profile.name.to_lowercase()));
        Ok(())
    })
    .await
}

pub(crate) async fn add_role(cx: &Cx, input: api::AddRoleToInstanceProfileInput) -> Result<()> {
    change(cx, &input.instance_profile_name, |tx, profile| {
        let role = Kind::Role.find(tx, cx.account(), &input.role_name)?;
        role.refuse_protected()?;
        if profile.role.is_some() {
            let message = format!("Cannot exceed quota for InstanceSessionsPerInstanceProfile: {MOST_ROLES}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        profile.role = Some(role.name.to_lowercase());
        Ok(())
    })
    .await
}

pub(crate) async fn remove_role(cx: &Cx, input: api::RemoveRoleFromInstanceProfileInput) -> Result<()> {
    change(cx, &input.instance_profile_name, |_, profile| {
        if profile.role.as_deref() != Some(input.role_name.to_lowercase().as_str()) {
            let message = format!("The role with name {} cannot be found.", input.role_name);
            return Err(errors::no_such_entity_exception(message).into());
        }
        profile.role = None;
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListInstanceProfilesInput) -> Result<api::ListInstanceProfilesOutput> {
    let from = cx.read();
    let mut found = all(&from, cx.account())?;
    found.retain(|p| input.path_prefix.as_ref().is_none_or(|prefix| p.path.starts_with(prefix.as_str())));
    let name = |p: &Profile| p.name.to_lowercase();
    let (page, is_truncated, marker) =
        pages::page("ListInstanceProfiles", found, name, input.marker.as_deref(), input.max_items)?;
    let instance_profiles: Result<Vec<_>> = page.iter().map(|p| p.output(cx, &from, false)).collect();
    Ok(api::ListInstanceProfilesOutput { instance_profiles: instance_profiles?, is_truncated, marker })
}

pub(crate) fn list_of_role(
    cx: &Cx,
    input: &api::ListInstanceProfilesForRoleInput,
) -> Result<api::ListInstanceProfilesForRoleOutput> {
    let from = cx.read();
    let role = Kind::Role.find(&from, cx.account(), &input.role_name)?;
    let name = |p: &output::InstanceProfile| p.instance_profile_name.to_lowercase();
    let list = format!("ListInstanceProfilesForRole {}", role.name);
    let (instance_profiles, is_truncated, marker) =
        pages::page(&list, of_role(cx, &from, &role.name)?, name, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListInstanceProfilesForRoleOutput { instance_profiles, is_truncated, marker })
}

pub(crate) async fn tag(cx: &Cx, input: api::TagInstanceProfileInput) -> Result<()> {
    let tags = tags_input(Some(input.tags))?;
    change(cx, &input.instance_profile_name, |_, profile| add_tags(&mut profile.tags, &tags)).await
}

pub(crate) async fn untag(cx: &Cx, input: api::UntagInstanceProfileInput) -> Result<()> {
    change(cx, &input.instance_profile_name, |_, profile| {
        profile.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(crate) fn list_tags(
    cx: &Cx,
    input: &api::ListInstanceProfileTagsInput,
) -> Result<api::ListInstanceProfileTagsOutput> {
    let profile = find(&cx.read(), cx.account(), &input.instance_profile_name)?;
    let list = format!("ListInstanceProfileTags {}", profile.name);
    let (tags, is_truncated, marker) = pages::tags(&list, &profile.tags, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListInstanceProfileTagsOutput { tags, is_truncated, marker })
}
