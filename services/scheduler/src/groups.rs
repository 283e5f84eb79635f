//! Groups of schedules.

use std::time::Duration;

use serde_json::json;
use undercast_kernel::store::{Order, Tx};
use undercast_kernel::{Cx, Next, Result, Task, fingerprint, paging};

use crate::api::{self, output};
use crate::error::{self, bad_token, conflict, validation, was_done};
use crate::rows::{DEFAULT_GROUP, GROUPS, Group, SCHEDULES, moment};
use crate::{SERVICE, schedules, tags};

/// The kind of the tasks that delete groups.
pub(crate) const KIND: &str = "delete-group";
/// A page has so many, and the list of a group that is deleted loses so many at a time.
pub(crate) const PAGE: usize = 100;

/// Writes the default group down, unless it is there: it was made when it was first met.
pub(crate) fn keep_default(cx: &Cx, tx: &mut Tx<'_>, name: &str) -> Result<()> {
    if name == DEFAULT_GROUP && !GROUPS.has(tx, &cx.key(name))? {
        GROUPS.put(tx, &cx.key(name), &Group::new(cx, name));
    }
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateScheduleGroupInput) -> Result<api::CreateScheduleGroupOutput> {
    let request = fingerprint(&input);
    let tags = tags::given(input.tags.as_deref().unwrap_or_default());
    tags::check(&tags, 0)?;
    let name = input.name.as_str();
    let schedule_group_arn = cx
        .write(|tx| {
            let group = Group { tags: tags.clone(), ..Group::new(cx, name) };
            if was_done(cx, tx, "CreateScheduleGroup", input.client_token.as_deref(), &request)? {
                return Ok(group.arn(cx));
            }
            if name == DEFAULT_GROUP || GROUPS.has(tx, &cx.key(name))? {
                return Err(conflict(format!("Schedule group {name} already exists.")));
            }
            GROUPS.put(tx, &cx.key(name), &group);
            Ok(group.arn(cx))
        })
        .await?;
    Ok(api::CreateScheduleGroupOutput { schedule_group_arn })
}

fn state(group: &Group) -> &'static str {
    if group.deleting { "DELETING" } else { "ACTIVE" }
}

pub(crate) async fn get(cx: &Cx, input: api::GetScheduleGroupInput) -> Result<api::GetScheduleGroupOutput> {
    let name = input.name.as_str();
    if name == DEFAULT_GROUP && !GROUPS.has(&cx.read(), &cx.key(name))? {
        cx.write(|tx| keep_default(cx, tx, name)).await?;
    }
    let group = Group::find(cx, &cx.read(), name)?;
    Ok(api::GetScheduleGroupOutput {
        arn: Some(group.arn(cx)),
        state: Some(state(&group).to_owned()),
        creation_date: Some(moment(group.created)),
        last_modification_date: Some(moment(group.modified)),
        name: Some(group.name),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListScheduleGroupsInput) -> Result<api::ListScheduleGroupsOutput> {
    let from = cx.read();
    let prefix = input.name_prefix.as_deref().unwrap_or("");
    let mut all: Vec<Group> =
        GROUPS.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect();
    if !all.iter().any(|group| group.name == DEFAULT_GROUP) {
        all.push(Group::new(cx, DEFAULT_GROUP));
        all.sort_by(|a, b| a.name.cmp(&b.name));
    }
    all.retain(|group| group.name.starts_with(prefix));
    let size = input.max_results.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
    let scope = format!("ListScheduleGroups/{prefix}");
    let (page, next_token) = paging::page(&scope, all, input.next_token.as_deref(), size).ok_or_else(bad_token)?;
    let shown = page.into_iter().map(|group| output::ScheduleGroupSummary {
        arn: Some(group.arn(cx)),
        state: Some(state(&group).to_owned()),
        creation_date: Some(moment(group.created)),
        last_modification_date: Some(moment(group.modified)),
        name: Some(group.name),
    });
    Ok(api::ListScheduleGroupsOutput { schedule_groups: shown.collect(), next_token })
}

/// Begins to delete a group with its schedules. They are due no more from now on.
pub(crate) async fn delete(cx: &Cx, input: api::DeleteScheduleGroupInput) -> Result<()> {
    let request = fingerprint(&input);
    let name = input.name.as_str();
    if name == DEFAULT_GROUP {
        return Err(validation("The default schedule group cannot be deleted."));
    }
    cx.write(|tx| {
        if was_done(cx, tx, "DeleteScheduleGroup", input.client_token.as_deref(), &request)? {
            return Ok(());
        }
        let mut group = GROUPS.get(tx, &cx.key(name))?.ok_or_else(|| error::no_group(name))?;
        if group.deleting {
            return Err(conflict(format!("Schedule group {name} is being deleted.")));
        }
        (group.deleting, group.modified) = (true, cx.now_millis());
        GROUPS.put(tx, &cx.key(name), &group);
        let id = format!("{KIND}/{}/{}/{name}", cx.account(), cx.region());
        cx.tasks().schedule(cx, tx, SERVICE, &id, KIND, json!({"group": name}).to_string(), cx.now())
    })
    .await?;
    Ok(())
}

/// Deletes some schedules of a group, and the group after the last.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(undercast_kernel::Failure::broken)?;
    let name = told["group"].as_str().unwrap_or_default();
    let left = cx
        .write(|tx| {
            let some = SCHEDULES.page(tx, &cx.key(name), None::<&()>, Order::Ascending, PAGE)?;
            for entry in &some {
                schedules::remove(cx, tx, &entry.row)?;
            }
            let left = some.len() == PAGE;
            if !left {
                GROUPS.delete(tx, &cx.key(name));
            }
            Ok(left)
        })
        .await?;
    if !left {
        return Ok(Next::Done);
    }
    let soon = cx.kernel().clock().now().checked_add(Duration::from_millis(1));
    Ok(Next::Again(soon.map_err(undercast_kernel::Failure::broken)?))
}
