//! Groups: users whose rights are given together. A group is no principal; its policies are its members'.

use std::collections::BTreeMap;

use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::attached::{self, Wanted};
use crate::entity::{Entity, Kind, url_encoded};
use crate::pages;

/// Account, group, user (in small letters) → since when (seconds since 1970). A user's row names its groups, too.
static MEMBERS: Table<i64> = Table::new("iam.members");

/// A user is in so many groups at most.
pub(crate) const MOST_OF_A_USER: usize = 10;

/// The users of a group, in small letters.
fn members(from: &(impl Read + ?Sized), account: &str, group: &str) -> Result<Vec<String>> {
    let rows = MEMBERS.all(from, &(account, group.to_lowercase()))?;
    Ok(rows.iter().filter_map(|row| Some(row.key::<(String, String, String)>()?.2)).collect())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateGroupInput) -> Result<api::CreateGroupOutput> {
    let group = Entity::new(cx, Kind::Group, input.group_name, input.path, BTreeMap::new())?;
    cx.write(|tx| Kind::Group.add(tx, cx.account(), &group)).await?;
    Ok(api::CreateGroupOutput { group: group.group(cx) })
}

/// The group, and its members by pages.
pub(crate) fn get(cx: &Cx, input: &api::GetGroupInput) -> Result<api::GetGroupOutput> {
    let from = cx.read();
    let group = Kind::Group.find(&from, cx.account(), &input.group_name)?;
    let mut users = Vec::new();
    for name in members(&from, cx.account(), &group.name)? {
        users.push(Kind::User.find(&from, cx.account(), &name)?);
    }
    let list = format!("GetGroup {}", group.name);
    let (users, is_truncated, marker) =
        pages::page(&list, users, |u| u.name.to_lowercase(), input.marker.as_deref(), input.max_items)?;
    let users = users.iter().map(|user| user.user(cx, false)).collect();
    Ok(api::GetGroupOutput { group: group.group(cx), users, is_truncated, marker })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteGroupInput) -> Result<()> {
    cx.write(|tx| {
        let group = Kind::Group.find(tx, cx.account(), &input.group_name)?;
        if !members(tx, cx.account(), &group.name)?.is_empty() {
            let message = "Cannot delete entity, must remove users from group first.";
            return Err(errors::delete_conflict_exception(message).into());
        }
        Kind::Group.remove(tx, cx.account(), &group.name)
    })
    .await
}

/// Gives a group another name or path. Who is in it stays in it.
pub(crate) async fn update(cx: &Cx, input: api::UpdateGroupInput) -> Result<()> {
    cx.write(|tx| {
        let mut group = Kind::Group.find(tx, cx.account(), &input.group_name)?;
        let (before, users) = (group.name.to_lowercase(), members(tx, cx.account(), &group.name)?);
        let name = input.new_group_name.clone().unwrap_or_else(|| group.name.clone());
        let after = name.to_lowercase();
        if after != before {
            Kind::Group.check_free(tx, cx.account(), &name)?;
            Kind::Group.table().delete(tx, &(cx.account(), &before));
            for user in &users {
                let since = MEMBERS.get(tx, &(cx.account(), &before, user))?.unwrap_or(group.created);
                MEMBERS.delete(tx, &(cx.account(), &before, user));
                MEMBERS.put(tx, &(cx.account(), &after, user), &since);
                let mut row = Kind::User.find(tx, cx.account(), user)?;
                row.groups.iter_mut().filter(|g| **g == before).for_each(|g| g.clone_from(&after));
                Kind::User.put(tx, cx.account(), &row);
            }
        }
        group.name = name;
        if let Some(path) = &input.new_path {
            group.path.clone_from(path);
        }
        Kind::Group.put(tx, cx.account(), &group);
        Ok(())
    })
    .await
}

/// Puts a user into a group; one that is in it stays in it.
pub(crate) async fn add_user(cx: &Cx, input: api::AddUserToGroupInput) -> Result<()> {
    cx.write(|tx| {
        let group = Kind::Group.find(tx, cx.account(), &input.group_name)?.name.to_lowercase();
        let mut user = Kind::User.find(tx, cx.account(), &input.user_name)?;
        if user.groups.contains(&group) {
            return Ok(());
        }
        if user.groups.len() >= MOST_OF_A_USER {
            let message = format!("Cannot exceed quota for GroupsPerUser: {MOST_OF_A_USER}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        MEMBERS.put(tx, &(cx.account(), &group, user.name.to_lowercase()), &cx.now().as_second());
        user.groups.push(group);
        Kind::User.put(tx, cx.account(), &user);
        Ok(())
    })
    .await
}

pub(crate) async fn remove_user(cx: &Cx, input: api::RemoveUserFromGroupInput) -> Result<()> {
    cx.write(|tx| {
        let group = Kind::Group.find(tx, cx.account(), &input.group_name)?;
        let mut user = Kind::User.find(tx, cx.account(), &input.user_name)?;
        let name = group.name.to_lowercase();
        if !user.groups.contains(&name) {
            let message = format!("User {} not in group {}", user.name, group.name);
            return Err(errors::no_such_entity_exception(message).into());
        }
        MEMBERS.delete(tx, &(cx.account(), &name, user.name.to_lowercase()));
        user.groups.retain(|g| *g != name);
        Kind::User.put(tx, cx.account(), &user);
        Ok(())
    })
    .await
}

/// A user has another name: it stays where it was.
pub(crate) fn user_renamed(tx: &mut Tx<'_>, account: &str, user: &Entity, before: &str) -> Result<()> {
    for group in &user.groups {
        let since = MEMBERS.get(tx, &(account, group, before))?.unwrap_or(user.created);
        MEMBERS.delete(tx, &(account, group, before));
        MEMBERS.put(tx, &(account, group, user.name.to_lowercase()), &since);
    }
    Ok(())
}

pub(crate) fn list(cx: &Cx, input: &api::ListGroupsInput) -> Result<api::ListGroupsOutput> {
    let mut all = Kind::Group.all(&cx.read(), cx.account())?;
    all.retain(|g| input.path_prefix.as_ref().is_none_or(|p| g.path.starts_with(p.as_str())));
    let (groups, is_truncated, marker) =
        pages::page("ListGroups", all, |g| g.name.to_lowercase(), input.marker.as_deref(), input.max_items)?;
    Ok(api::ListGroupsOutput { groups: groups.iter().map(|g| g.group(cx)).collect(), is_truncated, marker })
}

pub(crate) fn list_of_user(cx: &Cx, input: &api::ListGroupsForUserInput) -> Result<api::ListGroupsForUserOutput> {
    let from = cx.read();
    let mut user = Kind::User.find(&from, cx.account(), &input.user_name)?;
    user.groups.sort();
    let list = format!("ListGroupsForUser {}", user.name);
    let (names, is_truncated, marker) =
        pages::page(&list, user.groups, Clone::clone, input.marker.as_deref(), input.max_items)?;
    let groups: Result<Vec<_>> =
        names.iter().map(|name| Ok(Kind::Group.find(&from, cx.account(), name)?.group(cx))).collect();
    Ok(api::ListGroupsForUserOutput { groups: groups?, is_truncated, marker })
}

pub(crate) fn get_policy(cx: &Cx, input: api::GetGroupPolicyInput) -> Result<api::GetGroupPolicyOutput> {
    let group = Kind::Group.find(&cx.read(), cx.account(), &input.group_name)?;
    let policy_document = url_encoded(&group.inline(&input.policy_name)?);
    Ok(api::GetGroupPolicyOutput { group_name: group.name, policy_name: input.policy_name, policy_document })
}

pub(crate) fn list_policies(cx: &Cx, input: &api::ListGroupPoliciesInput) -> Result<api::ListGroupPoliciesOutput> {
    let wanted = Wanted { prefix: None, marker: input.marker.as_deref(), most: input.max_items };
    let (policy_names, is_truncated, marker) = attached::inline_names(cx, Kind::Group, &input.group_name, wanted)?;
    Ok(api::ListGroupPoliciesOutput { policy_names, is_truncated, marker })
}

pub(crate) fn list_attached(
    cx: &Cx,
    input: &api::ListAttachedGroupPoliciesInput,
) -> Result<api::ListAttachedGroupPoliciesOutput> {
    let prefix = input.path_prefix.as_deref();
    let wanted = Wanted { prefix, marker: input.marker.as_deref(), most: input.max_items };
    let (found, is_truncated, marker) = attached::list(cx, Kind::Group, &input.group_name, wanted)?;
    Ok(api::ListAttachedGroupPoliciesOutput { attached_policies: Some(found), is_truncated, marker })
}
