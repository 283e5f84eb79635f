//! What becomes of an alarm that fires, and of limits that change: another capacity, or a reason why not.

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::activities::{self, Activity, NotScaled};
use crate::dimension::Place;
use crate::rows::{Kind, Last, Policy, TARGETS, Target, all_policies};
use crate::tracking::{self, Role};
use crate::{role, steps};

/// What CloudWatch tells of an alarm.
struct Fired {
    alarm: String,
    policy: String,
    state: String,
    /// The newest last.
    points: Vec<f64>,
    threshold: f64,
}

impl Fired {
    fn parse(payload: &str) -> Result<Self> {
        let told: Json = serde_json::from_str(payload).map_err(Failure::broken)?;
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let data: Json = told["data"].as_str().and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default();
        Ok(Self {
            alarm: text("alarm"),
            policy: text("policy"),
            state: text("state"),
            points: data["recentDatapoints"].as_array().into_iter().flatten().filter_map(Json::as_f64).collect(),
            threshold: data["threshold"].as_f64().unwrap_or(0.0),
        })
    }
}

/// What a policy wants.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    capacity: i64,
    /// Seconds after scaling in, and after scaling out.
    cooldowns: (i32, i32),
}

/// An alarm has fired, or goes on.
pub(crate) async fn fired(cx: &Cx, task: &Task) -> Result<Next> {
    let fired = Fired::parse(&task.payload)?;
    let Some((place, policy)) = find(cx, &fired.policy)? else { return Ok(Next::Done) };
    let Some(target) = TARGETS.get(&cx.read(), &place.key(cx))? else { return Ok(Next::Done) };
    let current = match place.capacity(cx).await {
        // The table is gone, or nobody may look at it.
        Err(Failure::Aws(_)) => return Ok(Next::Done),
        other => other?,
    };
    // What is paid for by request is given nothing.
    if current == 0 {
        return Ok(Next::Done);
    }
    let kind = policy.kind()?;
    let wanted = match &kind {
        Kind::Step(configuration) => {
            let beyond = steps::aggregated(configuration, &fired.points).map(|figure| figure - fired.threshold);
            let capacity = beyond.and_then(|beyond| steps::desired(configuration, current, beyond));
            let cooldown = steps::cooldown(configuration);
            capacity.map(|capacity| Wanted { capacity, cooldowns: (cooldown, cooldown) })
        }
        Kind::Tracking(configuration) => match Role::of(&fired.alarm) {
            Some(role @ (Role::High | Role::Low)) => {
                let capacity = tracking::desired(configuration, current, role, &fired.points);
                // An alarm asks for one direction only.
                let capacity = capacity.filter(|c| (*c > current) == (role == Role::High) && *c != current);
                let cooldowns =
                    (configuration.scale_in_cooldown.unwrap_or(0), configuration.scale_out_cooldown.unwrap_or(0));
                capacity.map(|capacity| Wanted { capacity, cooldowns })
            }
            _ => {
                tracking::put_alarms(cx, &place, &policy, configuration, current).await?;
                None
            }
        },
    };
    if let Some(wanted) = wanted
        && (wanted.capacity > current || matches!(kind, Kind::Step(_)) || others_agree(cx, &place, &policy).await?)
    {
        scale(cx, &place, &target, (&policy, &fired), current, wanted).await?;
    }
    Ok(Next::Done)
}

/// Whether all other policies that track something, and may take back, are ready to: AWS takes nothing back before.
async fn others_agree(cx: &Cx, place: &Place, policy: &Policy) -> Result<bool> {
    for (of, other) in all_policies(cx, &cx.read())? {
        if of != *place || other.id == policy.id {
            continue;
        }
        let low = other.alarms.iter().find(|alarm| Role::of(alarm) == Some(Role::Low));
        let Some(low) = low else { continue };
        let found = role::alarms(cx).call("cloudwatch", "DescribeAlarms", json!({"AlarmNames": [low]})).await?;
        if found["MetricAlarms"][0]["StateValue"] != "ALARM" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The policy of an ARN, and what it scales.
fn find(cx: &Cx, arn: &str) -> Result<Option<(Place, Policy)>> {
    let id = Arn::parse(arn).and_then(|arn| arn.resource.split(':').nth(1).map(ToOwned::to_owned));
    Ok(all_policies(cx, &cx.read())?.into_iter().find(|(_, policy)| Some(&policy.id) == id.as_ref()))
}

async fn scale(
    cx: &Cx,
    place: &Place,
    target: &Target,
    (policy, fired): (&Policy, &Fired),
    current: i64,
    wanted: Wanted,
) -> Result<()> {
    let out = wanted.capacity > current;
    if if out { target.suspended.scaling_out } else { target.suspended.scaling_in } {
        return Ok(());
    }
    let cause = format!("monitor alarm {} in state {} triggered policy {}", fired.alarm, fired.state, policy.name);
    let capacity = wanted.capacity.clamp(i64::from(target.min), i64::from(target.max));
    let no_further = if out { capacity <= current } else { capacity >= current };
    if no_further {
        let reason = match (out, capacity == wanted.capacity) {
            (_, true) => NotScaled::AlreadyAtDesiredCapacity(i32::try_from(current).unwrap_or(i32::MAX)),
            (true, false) => NotScaled::AlreadyAtMaxCapacity(target.max),
            (false, false) => NotScaled::AlreadyAtMinCapacity(target.min),
        };
        return not_scaled(cx, place, &cause, reason).await;
    }
    let by = (capacity - current).abs();
    if cools(cx, target, out, by, wanted.cooldowns) {
        return Ok(());
    }
    if !set(cx, place, capacity, &cause).await? {
        return Ok(());
    }
    cx.write(|tx| {
        let Some(mut target) = TARGETS.get(tx, &place.key(cx))? else { return Ok(()) };
        let last = Some(Last { at: cx.now_millis(), by });
        if out {
            target.last_out = last;
            // To give more at once ends the pause after having taken back.
            target.last_in = None;
        } else {
            target.last_in = last;
        }
        TARGETS.put(tx, &place.key(cx), &target);
        Ok(())
    })
    .await
}

/// Whether the last activity in this direction is too fresh. More than the last time may be given at once.
fn cools(cx: &Cx, target: &Target, out: bool, by: i64, (after_in, after_out): (i32, i32)) -> bool {
    let (last, seconds) = if out { (target.last_out, after_out) } else { (target.last_in, after_in) };
    let Some(last) = last else { return false };
    let fresh = cx.now_millis() < last.at + i64::from(seconds) * 1000;
    fresh && !(out && by > last.by)
}

/// Notes why nothing is scaled, once for as long as it is so.
async fn not_scaled(cx: &Cx, place: &Place, cause: &str, reason: NotScaled) -> Result<()> {
    let mut activity = Activity::new(cx, place, "Attempting to scale due to alarm triggered".to_owned(), cause);
    activity.status = "Unfulfilled".to_owned();
    activity.not_scaled = Some(reason);
    cx.write(|tx| {
        let told = activities::newest(cx, tx, place)?;
        if told.is_some_and(|told| told.not_scaled == activity.not_scaled && told.cause == activity.cause) {
            return Ok(());
        }
        activity.add(cx, tx)
    })
    .await
}

/// Gives it another capacity, and its policies' alarms other thresholds. Whether it was done.
async fn set(cx: &Cx, place: &Place, capacity: i64, cause: &str) -> Result<bool> {
    let words = place.dimension.words();
    let mut activity = Activity::new(cx, place, format!("Setting {words} to {capacity}."), cause);
    let done = match place.set_capacity(cx, capacity).await {
        Ok(()) => {
            let message = format!("Successfully set {words} to {capacity}. Change successfully fulfilled by dynamodb.");
            activity.message = Some(message);
            true
        }
        Err(failure @ (Failure::Aws(_) | Failure::NotBuilt { .. })) => {
            activity.status = "Failed".to_owned();
            activity.message = Some(format!("Failed to set {words} to {capacity}. Reason: {failure}"));
            false
        }
        Err(failure) => return Err(failure),
    };
    cx.write(|tx| activity.add(cx, tx)).await?;
    if done {
        follow(cx, place, capacity).await?;
    }
    Ok(done)
}

/// Gives the alarms of the policies of a target the thresholds of its capacity.
async fn follow(cx: &Cx, place: &Place, capacity: i64) -> Result<()> {
    for (of, policy) in all_policies(cx, &cx.read())? {
        if of != *place {
            continue;
        }
        if let Kind::Tracking(configuration) = policy.kind()? {
            tracking::put_alarms(cx, place, &policy, &configuration, capacity).await?;
        }
    }
    Ok(())
}

/// Brings a target back within its limits.
pub(crate) async fn within_limits(cx: &Cx, place: &Place) -> Result<()> {
    let target = Target::find(cx, &cx.read(), place)?;
    let current = place.capacity(cx).await?;
    let (min, max) = (i64::from(target.min), i64::from(target.max));
    if current == 0 {
        return Ok(());
    }
    if current < min {
        set(cx, place, min, &format!("minimum capacity was set to {min}")).await?;
    } else if current > max {
        set(cx, place, max, &format!("maximum capacity was set to {max}")).await?;
    }
    Ok(())
}
