//! Scheduled actions: limits that change by the clock.

use minicbor::{Decode, Encode};
use undercast_kernel::schedule::Schedule;
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Next, Result, Task, Timestamp, paging};

use crate::activities::{Activity, moment};
use crate::api::{self, errors, kept, output};
use crate::dimension::{NAMESPACE, Place};
use crate::error::{bad_token, none_found, validation};
use crate::rows::{TARGETS, Target, place_of};
use crate::targets::{PAGE, check_limits, page_size, wanted_dimension};
use crate::{SERVICE, scaling};

/// Account, region, resource and dimension, name.
static SCHEDULED: Table<Scheduled> = Table::new("autoscaling.scheduled");

/// The kind of its tasks.
pub(crate) const RUN: &str = "scheduled";

/// A target has so many at most.
const MOST: usize = 200;

/// A scheduled action.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Scheduled {
    #[n(0)]
    name: String,
    #[n(1)]
    id: String,
    #[n(2)]
    schedule: String,
    #[n(3)]
    zone: Option<String>,
    /// Milliseconds since 1970.
    #[n(4)]
    start: Option<i64>,
    #[n(5)]
    end: Option<i64>,
    #[n(6)]
    min: Option<i32>,
    #[n(7)]
    max: Option<i32>,
    #[n(8)]
    created: i64,
}

impl Scheduled {
    fn arn(&self, cx: &Cx, place: &Place) -> String {
        let resource = format!(
            "scheduledAction:{}:resource/dynamodb/{}:scheduledActionName/{}",
            self.id, place.resource, self.name
        );
        cx.arn("autoscaling", &resource)
    }

    /// When it is due next, after a moment. `None`: never again.
    fn next(&self, after: Timestamp) -> Result<Option<Timestamp>> {
        let schedule =
            Schedule::parse(&self.schedule, self.zone.as_deref()).map_err(|why| validation(why.to_string()))?;
        let begun = moment(self.start.unwrap_or(self.created));
        // A rate begins with its start time; nothing is due before it.
        let just_before = moment(begun.as_millisecond() - 1);
        let after = if self.start.is_some() { after.max(just_before) } else { after };
        let first = self.start.is_some() && matches!(schedule, Schedule::Rate(_)) && after < begun;
        let next = if first { Some(begun) } else { schedule.next(begun, after) };
        Ok(next.filter(|at| self.end.is_none_or(|end| at.as_millisecond() <= end)))
    }
}

fn task_id(cx: &Cx, place: &Place, name: &str) -> String {
    format!("{RUN}/{}/{}/{}/{}/{name}", cx.account(), cx.region(), place.dimension.name(), place.resource)
}

/// What a task needs to find its action.
fn payload(place: &Place, name: &str) -> String {
    serde_json::json!({"resource": place.resource, "dimension": place.dimension.name(), "name": name}).to_string()
}

pub(crate) async fn put(cx: &Cx, input: api::PutScheduledActionInput) -> Result<()> {
    let place = Place::parse(&input.service_namespace, &input.resource_id, &input.scalable_dimension)?;
    let name = input.scheduled_action_name.as_str();
    cx.write(|tx| {
        Target::find(cx, tx, &place)?;
        let key = place.named(cx, name);
        let action = changed(cx, SCHEDULED.get(tx, &key)?, &input)?;
        if !SCHEDULED.has(tx, &key)? && SCHEDULED.all(tx, &place.key(cx))?.len() >= MOST {
            let message = format!("The number of scheduled actions of a scalable target exceeds the limit of {MOST}");
            return Err(errors::limit_exceeded_exception(message).into());
        }
        SCHEDULED.put(tx, &key, &action);
        let id = task_id(cx, &place, name);
        match action.next(cx.now())? {
            Some(due) => cx.tasks().schedule(cx, tx, SERVICE, &id, RUN, payload(&place, name), due),
            None => cx.tasks().cancel(tx, SERVICE, &id),
        }
    })
    .await
}

/// What a request makes of an action. Start and end that are not given are taken away, the rest stays as it is.
fn changed(cx: &Cx, there: Option<Scheduled>, input: &api::PutScheduledActionInput) -> Result<Scheduled> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    let new = there.is_none();
    let mut action = match there {
        Some(action) => action,
        None => Scheduled {
            name: input.scheduled_action_name.clone(),
            id: cx.random().uuid(),
            schedule: String::new(),
            zone: None,
            start: None,
            end: None,
            min: None,
            max: None,
            created: cx.now_millis(),
        },
    };
    match &input.schedule {
        Some(schedule) => action.schedule.clone_from(schedule),
        None if new => return Err(validation("Schedule is required for a new scheduled action")),
        None => {}
    }
    action.zone = input.timezone.clone().or(action.zone);
    (action.start, action.end) = (millis(input.start_time), millis(input.end_time));
    if let Some(limits) = &input.scalable_target_action {
        (action.min, action.max) = (limits.min_capacity, limits.max_capacity);
    }
    match (action.min, action.max) {
        (None, None) => return Err(validation("At least one of MinCapacity and MaxCapacity must be specified")),
        (Some(min), None) => check_limits(min, min)?,
        (None, Some(max)) => check_limits(1, max)?,
        (Some(min), Some(max)) => check_limits(min, max)?,
    }
    if let (Some(start), Some(end)) = (action.start, action.end)
        && start >= end
    {
        return Err(validation("StartTime must be before EndTime"));
    }
    Schedule::parse(&action.schedule, action.zone.as_deref()).map_err(|why| validation(why.to_string()))?;
    Ok(action)
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteScheduledActionInput) -> Result<()> {
    let place = Place::parse(&input.service_namespace, &input.resource_id, &input.scalable_dimension)?;
    let name = input.scheduled_action_name.as_str();
    cx.write(|tx| {
        let key = place.named(cx, name);
        if !SCHEDULED.has(tx, &key)? {
            return Err(none_found("scheduled action", "scheduled action name", &place, name));
        }
        SCHEDULED.delete(tx, &key);
        cx.tasks().cancel(tx, SERVICE, &task_id(cx, &place, name))
    })
    .await
}

/// Removes the actions of a target.
pub(crate) fn clear(cx: &Cx, tx: &mut Tx<'_>, place: &Place) -> Result<()> {
    for entry in SCHEDULED.all(tx, &place.key(cx))? {
        cx.tasks().cancel(tx, SERVICE, &task_id(cx, place, &entry.row.name))?;
    }
    SCHEDULED.clear(tx, &place.key(cx))?;
    Ok(())
}

/// An action is due.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(undercast_kernel::Failure::broken)?;
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let Some(place) = place_of(text("resource"), &text("dimension")) else { return Ok(Next::Done) };
    let name = text("name");
    let key = place.named(cx, name.as_str());
    let Some(action) = SCHEDULED.get(&cx.read(), &key)? else { return Ok(Next::Done) };
    if set_limits(cx, &place, &action).await? {
        scaling::within_limits(cx, &place).await.or_else(|failure| match failure {
            // The table is gone: the limits are set all the same.
            undercast_kernel::Failure::Aws(_) => Ok(()),
            other => Err(other),
        })?;
    }
    let due = Timestamp::from_millisecond(task.due).unwrap_or(cx.now());
    Ok(action.next(due.max(cx.now()))?.map_or(Next::Done, Next::Again))
}

/// Sets the limits of the target. Whether it was done.
async fn set_limits(cx: &Cx, place: &Place, action: &Scheduled) -> Result<bool> {
    cx.write(|tx| {
        let Some(mut target) = TARGETS.get(tx, &place.key(cx))? else { return Ok(false) };
        if target.suspended.scheduled {
            return Ok(false);
        }
        let cause = format!("scheduled action name {} was triggered", action.name);
        let words = match (action.min, action.max) {
            (Some(min), Some(max)) => format!("min capacity to {min} and max capacity to {max}"),
            (Some(min), None) => format!("min capacity to {min}"),
            (None, max) => format!("max capacity to {}", max.unwrap_or(target.max)),
        };
        let mut activity = Activity::new(cx, place, format!("Setting {words}"), &cause);
        let (min, max) = (action.min.unwrap_or(target.min), action.max.unwrap_or(target.max));
        let good = min <= max;
        if good {
            activity.message = Some(format!("Successfully set {words}"));
            (target.min, target.max) = (min, max);
            TARGETS.put(tx, &place.key(cx), &target);
        } else {
            activity.status = "Failed".to_owned();
            activity.message =
                Some(format!("Failed to set {words}. Reason: Maximum capacity cannot be less than minimum capacity"));
        }
        activity.add(cx, tx)?;
        Ok(good)
    })
    .await
}

pub(crate) fn describe(
    cx: &Cx,
    input: &api::DescribeScheduledActionsInput,
) -> Result<api::DescribeScheduledActionsOutput> {
    let size = page_size(input.max_results, PAGE)?;
    let dimension = wanted_dimension(input.scalable_dimension.as_deref());
    let names = input.scheduled_action_names.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for entry in SCHEDULED.all(&cx.read(), &(cx.account(), cx.region()))? {
        let Some(((_, _, resource), of, _)) = entry.key::<((String, String, String), String, String)>() else {
            continue;
        };
        let Some(place) = place_of(resource, &of) else { continue };
        let action = entry.row;
        let named = names.is_empty() || names.iter().any(|n| *n == action.name || *n == action.arn(cx, &place));
        if input.service_namespace == NAMESPACE
            && named
            && dimension.is_none_or(|wanted| wanted == Some(place.dimension))
            && input.resource_id.as_ref().is_none_or(|id| *id == place.resource)
        {
            found.push((place, action));
        }
    }
    let page = paging::page("DescribeScheduledActions", found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(bad_token)?;
    let shown = page.into_iter().map(|(place, action)| output::ScheduledAction {
        scheduled_action_arn: action.arn(cx, &place),
        scheduled_action_name: action.name,
        service_namespace: NAMESPACE.to_owned(),
        schedule: action.schedule,
        timezone: action.zone,
        scalable_dimension: Some(place.dimension.name().to_owned()),
        resource_id: place.resource,
        start_time: action.start.map(moment),
        end_time: action.end.map(moment),
        scalable_target_action: Some(kept::ScalableTargetAction { min_capacity: action.min, max_capacity: action.max }),
        creation_time: moment(action.created),
    });
    Ok(api::DescribeScheduledActionsOutput { scheduled_actions: Some(shown.collect()), next_token })
}
