//! Activities, whose workers come for their tasks; and the tokens by which tasks are ended from outside.

use std::sync::Arc;
use std::time::Duration;

use undercast_kernel::store::Order;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::arns;
use crate::engine::{Happening, Way, read_token};
use crate::error::{bad_token, check_name, no_activity};
use crate::machines::{check_encryption, owned_key, page_size};
use crate::rows::{ACTIVITIES, Activity, EXECUTIONS, OFFERS, Offer, Status, moment};
use crate::runtime::{Key, Runtime, bell, key_of_arn};
use crate::tags;

/// A worker waits so long for a task.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn create(cx: &Cx, input: api::CreateActivityInput) -> Result<api::CreateActivityOutput> {
    check_name(&input.name)?;
    if let Some(encryption) = &input.encryption_configuration {
        check_encryption(encryption)?;
    }
    let activity_arn = arns::of_activity(cx, &input.name);
    let given = tags::given(input.tags.as_deref().unwrap_or_default());
    tags::check(&given, 0, &activity_arn)?;
    let created = cx
        .write(|tx| {
            // An activity that is made again is the one that is there.
            if let Some(there) = ACTIVITIES.get(tx, &cx.key(input.name.as_str()))? {
                return Ok(there.created);
            }
            let activity = Activity { name: input.name.clone(), created: cx.now_millis(), tags: given.clone() };
            ACTIVITIES.put(tx, &cx.key(input.name.as_str()), &activity);
            Ok(activity.created)
        })
        .await?;
    Ok(api::CreateActivityOutput { activity_arn, creation_date: moment(created) })
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeActivityInput) -> Result<api::DescribeActivityOutput> {
    let name = arns::activity(cx, &input.activity_arn)?;
    let found = ACTIVITIES.get(&cx.read(), &cx.key(name.as_str()))?;
    let activity = found.ok_or_else(|| no_activity(&input.activity_arn))?;
    Ok(api::DescribeActivityOutput {
        activity_arn: input.activity_arn.clone(),
        name: activity.name,
        creation_date: moment(activity.created),
        encryption_configuration: Some(owned_key()),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListActivitiesInput) -> Result<api::ListActivitiesOutput> {
    let all = ACTIVITIES.all(&cx.read(), &(cx.account(), cx.region()))?;
    let shown = all.into_iter().map(|entry| output::ActivityListItem {
        activity_arn: arns::of_activity(cx, &entry.row.name),
        creation_date: moment(entry.row.created),
        name: entry.row.name,
    });
    let (given, size) = (input.next_token.as_deref(), page_size(input.max_results));
    let page = paging::page("ListActivities", shown.collect(), given, size).ok_or_else(bad_token)?;
    Ok(api::ListActivitiesOutput { activities: page.0, next_token: page.1 })
}

/// Deletes an activity, if it is there. Tasks that wait for its workers wait on.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteActivityInput) -> Result<()> {
    let name = arns::activity(cx, &input.activity_arn)?;
    cx.write(|tx| {
        ACTIVITIES.delete(tx, &cx.key(name.as_str()));
        OFFERS.clear(tx, &(cx.account(), cx.region(), name.as_str()))?;
        Ok(())
    })
    .await
}

/// Takes the task that has waited longest.
async fn take(cx: &Cx, activity: &str) -> Result<Option<Offer>> {
    let place = (cx.account(), cx.region(), activity);
    if OFFERS.page(&cx.read(), &place, None::<&()>, Order::Ascending, 1)?.is_empty() {
        return Ok(None);
    }
    cx.write(|tx| {
        let first = OFFERS.page(tx, &place, None::<&()>, Order::Ascending, 1)?.pop();
        let Some(entry) = first else { return Ok(None) };
        if let Some((_, _, _, scheduled, nonce)) = entry.key::<(String, String, String, i64, String)>() {
            OFFERS.delete(tx, &(place.0, place.1, place.2, scheduled, nonce.as_str()));
        }
        Ok(Some(entry.row))
    })
    .await
}

/// Gives a worker a task, and waits up to a minute for one.
pub(crate) async fn get_task(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    input: api::GetActivityTaskInput,
) -> Result<api::GetActivityTaskOutput> {
    let name = arns::activity(cx, &input.activity_arn)?;
    if !ACTIVITIES.has(&cx.read(), &cx.key(name.as_str()))? {
        return Err(no_activity(&input.activity_arn));
    }
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let bell = cx.signals().of(&bell(&input.activity_arn));
        let heard = bell.notified();
        while let Some(offer) = take(cx, &name).await? {
            let Some((key, frame, nonce)) = place(&offer.token) else { continue };
            let happening = Happening::Taken { frame, nonce, worker: input.worker_name.clone() };
            // A task that was too late meanwhile is nobody's.
            if runtime.happen(cx, &key, happening).await? {
                return Ok(api::GetActivityTaskOutput { task_token: Some(offer.token), input: Some(offer.input) });
            }
        }
        if tokio::time::timeout_at(until, heard).await.is_err() {
            return Ok(api::GetActivityTaskOutput::default());
        }
    }
}

/// Execution, frame and attempt of a token.
fn place(token: &str) -> Option<(Key, u32, String)> {
    let (arn, frame, nonce) = read_token(token)?;
    Some((key_of_arn(&arn)?, frame, nonce))
}

/// Tells an execution of what became of a task.
async fn tell(
    runtime: &Arc<Runtime>,
    cx: &Cx,
    token: &str,
    happening: impl FnOnce(u32, String) -> Happening,
) -> Result<()> {
    let invalid = || -> Failure { errors::invalid_token("Invalid Token: 'Invalid token'").into() };
    let (key, frame, nonce) = place(token).ok_or_else(invalid)?;
    if key.0 != cx.account() || key.1 != cx.region() {
        return Err(invalid());
    }
    let found = EXECUTIONS.get(&cx.read(), &key)?;
    let gone = "Task Timed Out: 'Provided task does not exist anymore'";
    let Some(execution) = found else {
        return Err(errors::task_does_not_exist("Task does not exist").into());
    };
    if execution.status != Status::Running || !runtime.happen(cx, &key, happening(frame, nonce)).await? {
        return Err(errors::task_timed_out(gone).into());
    }
    Ok(())
}

pub(crate) async fn succeed(runtime: &Arc<Runtime>, cx: &Cx, input: api::SendTaskSuccessInput) -> Result<()> {
    let result = serde_json::from_str(&input.output)
        .map_err(|why| errors::invalid_output(format!("Invalid Output: '{why}'")))?;
    tell(runtime, cx, &input.task_token, |frame, nonce| Happening::Succeeded { frame, nonce, result }).await
}

pub(crate) async fn fail(runtime: &Arc<Runtime>, cx: &Cx, input: api::SendTaskFailureInput) -> Result<()> {
    let (error, cause) = (input.error.unwrap_or_else(String::new), input.cause.unwrap_or_else(String::new));
    let way = Way::Task;
    tell(runtime, cx, &input.task_token, |frame, nonce| Happening::Failed { frame, nonce, error, cause, way }).await
}

pub(crate) async fn heartbeat(runtime: &Arc<Runtime>, cx: &Cx, input: &api::SendTaskHeartbeatInput) -> Result<()> {
    tell(runtime, cx, &input.task_token, |frame, nonce| Happening::Heartbeat { frame, nonce }).await
}
