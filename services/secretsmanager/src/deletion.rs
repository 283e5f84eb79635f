//! Secrets that are deleted, at once or when their day comes, and taken back before it.

use serde_json::json;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::api;
use crate::rows::{SECRETS, Secret, VERSIONS, moment};
use crate::{SERVICE, error, events, rotation};

/// The kind of the tasks that delete.
pub(crate) const KIND: &str = "delete";

/// Days between the wish and the deletion, where they are not said.
const USUAL_DAYS: i64 = 30;
const DAYS: std::ops::RangeInclusive<i64> = 7..=30;
const DAY_MILLIS: i64 = 86_400_000;

fn task_id(secret: &Secret) -> String {
    format!("{KIND}/{}/{}/{}", secret.account, secret.region, secret.name)
}

/// Tells of each version that something becomes of.
fn tell(cx: &Cx, event: &'static undercast_wire::schema::Operation, secret: &Secret) {
    events::tell(cx, event, secret, None);
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteSecretInput) -> Result<api::DeleteSecretOutput> {
    let force = input.force_delete_without_recovery == Some(true);
    if force && input.recovery_window_in_days.is_some() {
        return Err(error::parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = input.recovery_window_in_days.unwrap_or(USUAL_DAYS);
    if !DAYS.contains(&days) {
        return Err(error::parameter("RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."));
    }
    let at = if force { cx.now_millis() } else { cx.now_millis() + days * DAY_MILLIS };
    let secret = cx
        .write(|tx| {
            let Some(secret) = Secret::look_up(cx, tx, &input.secret_id)? else {
                // One that is gone, or never was, is deleted already.
                return if force { Ok(None) } else { Err(error::no_secret()) };
            };
            check(cx, &secret, force)?;
            if force {
                remove(cx, tx, &secret)?;
                return Ok(Some(secret));
            }
            let secret = Secret { deletion: Some(at), changed: cx.now_millis(), ..secret };
            secret.put(tx);
            rotation::unplan(cx, tx, &secret)?;
            let payload = json!({"name": secret.name, "suffix": secret.suffix}).to_string();
            cx.tasks().schedule(&secret.home(cx), tx, SERVICE, &task_id(&secret), KIND, payload, moment(at))?;
            Ok(Some(secret))
        })
        .await?;
    if let Some(secret) = &secret {
        tell(cx, if force { &events::DELETION_ENDED } else { &events::DELETION_STARTED }, secret);
    }
    let name = secret.as_ref().map_or_else(|| input.secret_id.clone(), |secret| secret.name.clone());
    Ok(api::DeleteSecretOutput {
        arn: secret.map(|secret| secret.arn(cx)),
        name: Some(name),
        deletion_date: Some(moment(at)),
    })
}

fn check(cx: &Cx, secret: &Secret, force: bool) -> Result<()> {
    if secret.primary.is_some() {
        return Err(error::is_replica());
    }
    if secret.deletion.is_some() && !force {
        return Err(error::marked_for_deletion());
    }
    if !secret.replicas.is_empty() {
        let regions: Vec<&str> = secret.replicas.iter().map(|replica| replica.region.as_str()).collect();
        let (arn, regions) = (secret.arn(cx), regions.join(", "));
        let message = format!("You can't delete secret {arn} that still has replica regions [{regions}].");
        return Err(error::parameter(message));
    }
    Ok(())
}

/// Removes a secret with all that it has.
pub(crate) fn remove(cx: &Cx, tx: &mut Tx<'_>, secret: &Secret) -> Result<()> {
    rotation::unplan(cx, tx, secret)?;
    cx.tasks().cancel(tx, SERVICE, &task_id(secret))?;
    VERSIONS.clear(tx, &secret.versions_place())?;
    SECRETS.delete(tx, &secret.place());
    Ok(())
}

pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: serde_json::Value = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let name = told["name"].as_str().unwrap_or_default();
    let gone = cx
        .write(|tx| {
            let there = SECRETS.get(tx, &cx.key(name))?.filter(|there| told["suffix"] == there.suffix.as_str());
            let Some(secret) = there.filter(|there| there.deletion.is_some_and(|at| at <= cx.now_millis())) else {
                return Ok(None);
            };
            remove(cx, tx, &secret)?;
            Ok(Some(secret))
        })
        .await?;
    if let Some(secret) = gone {
        tell(cx, &events::DELETION_ENDED, &secret);
    }
    Ok(Next::Done)
}

pub(crate) async fn restore(cx: &Cx, input: &api::RestoreSecretInput) -> Result<api::RestoreSecretOutput> {
    let (secret, was) = cx
        .write(|tx| {
            let mut secret = Secret::find(cx, tx, &input.secret_id)?;
            if secret.primary.is_some() {
                return Err(error::is_replica());
            }
            let was = secret.deletion.take().is_some();
            if was {
                secret.changed = cx.now_millis();
                cx.tasks().cancel(tx, SERVICE, &task_id(&secret))?;
                rotation::plan(cx, tx, &mut secret)?;
                secret.put(tx);
            }
            Ok((secret, was))
        })
        .await?;
    if was {
        tell(cx, &events::DELETION_CANCELLED, &secret);
    }
    Ok(api::RestoreSecretOutput { arn: Some(secret.arn(cx)), name: Some(secret.name) })
}
