//! Schedules: made, changed, shown, deleted.

use undercast_kernel::store::{Order, Tx};
use undercast_kernel::{Cx, Result, fingerprint, paging};

use crate::api::{self, kept, output};
use crate::definition::Said;
use crate::error::{bad_token, conflict, validation, was_done};
use crate::groups::{self, PAGE};
use crate::rows::{DEFAULT_GROUP, Group, INVOCATIONS, SCHEDULES, Schedule, arn_of_schedule, moment, place};
use crate::{PRINCIPAL, due, encryption, invocation, target};

/// Looks at all that a request says, and seals the target's input.
async fn checked(cx: &Cx, said: &Said) -> Result<crate::rows::Target> {
    said.check(cx)?;
    target::check(cx, &said.target)?;
    let arn = arn_of_schedule(cx, &said.group, &said.name);
    if !cx.is_assumable(PRINCIPAL, &said.target.role_arn, Some(&arn))? {
        return Err(validation(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ));
    }
    let input = encryption::seal(cx, &arn, said.key.as_deref(), said.target.input.as_deref()).await?;
    Ok(said.target(input))
}

fn put(cx: &Cx, tx: &mut Tx<'_>, schedule: &Schedule) -> Result<()> {
    SCHEDULES.put(tx, &schedule.key(cx), schedule);
    due::plan(cx, tx, schedule)
}

pub(crate) async fn create(cx: &Cx, input: api::CreateScheduleInput) -> Result<api::CreateScheduleOutput> {
    let (request, token) = (fingerprint(&input), input.client_token.clone());
    let said = Said::from(input);
    let target = checked(cx, &said).await?;
    cx.write(|tx| {
        if was_done(cx, tx, "CreateSchedule", token.as_deref(), &request)? {
            return Ok(());
        }
        Group::find_active(cx, tx, &said.group)?;
        groups::keep_default(cx, tx, &said.group)?;
        if SCHEDULES.has(tx, &place(cx, &said.group, &said.name))? {
            return Err(conflict(format!("Schedule {} already exists.", said.name)));
        }
        put(cx, tx, &said.define(cx, target.clone(), None)?)
    })
    .await?;
    Ok(api::CreateScheduleOutput { schedule_arn: arn_of_schedule(cx, &said.group, &said.name) })
}

/// Says all of a schedule anew: what is not said has its default again.
pub(crate) async fn update(cx: &Cx, input: api::UpdateScheduleInput) -> Result<api::UpdateScheduleOutput> {
    let (request, token) = (fingerprint(&input), input.client_token.clone());
    let said = Said::from(input);
    Schedule::find(cx, &cx.read(), &said.group, &said.name)?;
    let target = checked(cx, &said).await?;
    cx.write(|tx| {
        if was_done(cx, tx, "UpdateSchedule", token.as_deref(), &request)? {
            return Ok(());
        }
        Group::find_active(cx, tx, &said.group)?;
        let there = Schedule::find(cx, tx, &said.group, &said.name)?;
        put(cx, tx, &said.define(cx, target.clone(), Some(&there))?)
    })
    .await?;
    Ok(api::UpdateScheduleOutput { schedule_arn: arn_of_schedule(cx, &said.group, &said.name) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteScheduleInput) -> Result<()> {
    let request = fingerprint(&input);
    let group = input.group_name.as_deref().unwrap_or(DEFAULT_GROUP);
    cx.write(|tx| {
        if was_done(cx, tx, "DeleteSchedule", input.client_token.as_deref(), &request)? {
            return Ok(());
        }
        let schedule = Schedule::find(cx, tx, group, &input.name)?;
        remove(cx, tx, &schedule)
    })
    .await?;
    Ok(())
}

/// Removes a schedule with what is planned of it.
pub(crate) fn remove(cx: &Cx, tx: &mut Tx<'_>, schedule: &Schedule) -> Result<()> {
    for entry in INVOCATIONS.all(tx, &place(cx, &schedule.group, &schedule.name))? {
        if let Some((_, _, _, _, execution)) = entry.key::<(String, String, String, String, String)>() {
            invocation::forget(cx, tx, schedule, &execution)?;
        }
    }
    SCHEDULES.delete(tx, &schedule.key(cx));
    due::plan(cx, tx, &Schedule { next: None, ..schedule.clone() })
}

fn state(schedule: &Schedule) -> String {
    if schedule.enabled { "ENABLED" } else { "DISABLED" }.to_owned()
}

pub(crate) async fn get(cx: &Cx, input: api::GetScheduleInput) -> Result<api::GetScheduleOutput> {
    let group = input.group_name.as_deref().unwrap_or(DEFAULT_GROUP);
    Group::find(cx, &cx.read(), group)?;
    let schedule = Schedule::find(cx, &cx.read(), group, &input.name)?;
    let arn = schedule.arn(cx);
    let shown = encryption::open_for_caller(cx, &arn, &schedule.target.input).await?;
    let mode = if schedule.window.is_some() { "FLEXIBLE" } else { "OFF" };
    Ok(api::GetScheduleOutput {
        state: Some(state(&schedule)),
        target: Some(shown_target(&schedule, shown)),
        arn: Some(arn),
        creation_date: Some(moment(schedule.created)),
        last_modification_date: Some(moment(schedule.modified)),
        start_date: schedule.start.map(moment),
        end_date: schedule.end.map(moment),
        flexible_time_window: Some(kept::FlexibleTimeWindow {
            mode: mode.to_owned(),
            maximum_window_in_minutes: schedule.window,
        }),
        action_after_completion: Some(if schedule.deletes { "DELETE" } else { "NONE" }.to_owned()),
        group_name: Some(schedule.group),
        name: Some(schedule.name),
        schedule_expression: Some(schedule.expression),
        schedule_expression_timezone: Some(schedule.zone),
        description: schedule.description,
        kms_key_arn: schedule.key,
    })
}

fn shown_target(schedule: &Schedule, input: Option<String>) -> output::Target {
    let target = schedule.target.clone();
    let event = |(detail_type, source)| kept::EventBridgeParameters { detail_type, source };
    output::Target {
        arn: target.arn,
        role_arn: target.role,
        dead_letter_config: target.dead_letters.map(|arn| kept::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(kept::RetryPolicy {
            maximum_event_age_in_seconds: Some(target.most_age),
            maximum_retry_attempts: Some(target.most_retries),
        }),
        input,
        event_bridge_parameters: target.event.map(event),
        kinesis_parameters: target.partition_key.map(|partition_key| kept::KinesisParameters { partition_key }),
        sqs_parameters: target.queue.map(|queue| kept::SqsParameters { message_group_id: queue.group }),
        ..output::Target::default()
    }
}

/// The schedules of one group or of all, by group and name.
pub(crate) fn list(cx: &Cx, input: &api::ListSchedulesInput) -> Result<api::ListSchedulesOutput> {
    let from = cx.read();
    if let Some(group) = &input.group_name {
        Group::find(cx, &from, group)?;
    }
    let prefix = input.name_prefix.as_deref().unwrap_or("");
    let scope = format!("ListSchedules/{:?}/{prefix}/{:?}", input.group_name, input.state);
    let size = input.max_results.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
    let mut after: Option<(String, String)> = match &input.next_token {
        None => None,
        Some(token) => {
            let position = paging::position(&scope, token).ok_or_else(bad_token)?;
            position.split_once('/').map(|(group, name)| (group.to_owned(), name.to_owned()))
        }
    };
    let wanted = |schedule: &Schedule| {
        input.group_name.as_ref().is_none_or(|group| *group == schedule.group)
            && schedule.name.starts_with(prefix)
            && input.state.as_ref().is_none_or(|wanted| *wanted == state(schedule))
    };
    let mut found = Vec::new();
    loop {
        let last = after.as_ref().map(|(group, name)| place(cx, group.as_str(), name.as_str()));
        let rows = SCHEDULES.page(&from, &(cx.account(), cx.region()), last.as_ref(), Order::Ascending, 10 * PAGE)?;
        let Some(end) = rows.last() else { break };
        let end = (end.row.group.clone(), end.row.name.clone());
        found.extend(rows.into_iter().map(|entry| entry.row).filter(wanted));
        if found.len() > size {
            break;
        }
        after = Some(end);
    }
    let more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| more);
    let next_token = last.map(|last| paging::token(&scope, &format!("{}/{}", last.group, last.name)));
    let schedules = found.into_iter().map(|schedule| summary(cx, schedule)).collect();
    Ok(api::ListSchedulesOutput { schedules, next_token })
}

fn summary(cx: &Cx, schedule: Schedule) -> output::ScheduleSummary {
    output::ScheduleSummary {
        arn: Some(schedule.arn(cx)),
        state: Some(state(&schedule)),
        creation_date: Some(moment(schedule.created)),
        last_modification_date: Some(moment(schedule.modified)),
        target: Some(output::TargetSummary { arn: schedule.target.arn }),
        name: Some(schedule.name),
        group_name: Some(schedule.group),
    }
}
