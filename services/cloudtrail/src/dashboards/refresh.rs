//! Refreshes: StartDashboardRefresh, by hand or by the clock. CloudTrail runs the queries in its own name, for the sake of the
//! dashboard: policies of the stores let it in, and for the clock the policy of the dashboard.

use std::collections::BTreeMap;

use serde_json::json;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use super::row::{DASHBOARDS, Dashboard, find};
use super::widget::{Values, filled};
use crate::api;
use crate::lake::queries;
use crate::rows::{from_json, moment, to_json};
use crate::{PRINCIPAL, SERVICE};

/// What the tasks are called: a refresh, and one that is due by the clock.
pub(crate) const KIND: &str = "refresh dashboard";
pub(crate) const CLOCK: &str = "refresh dashboard by the clock";

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn by_clock(cx: &Cx, dashboard: &Dashboard) -> String {
    format!("{CLOCK} {}", dashboard.arn(cx))
}

/// When a dashboard is due after a moment.
fn next(hours: i64, minutes: i64, after: i64) -> i64 {
    // From the first refresh of the day before on, so that one that is due at once is not left out.
    let first = after.div_euclid(DAY) * DAY - DAY + minutes * MINUTE;
    let step = hours * HOUR;
    first + ((after - first).div_euclid(step) + 1) * step
}

/// Has a dashboard refreshed by the clock, or no more.
pub(crate) fn schedule(cx: &Cx, tx: &mut Tx<'_>, dashboard: &Dashboard) -> Result<()> {
    let Some(schedule) = dashboard.schedule.as_ref().filter(|schedule| schedule.enabled) else {
        return cancel(cx, tx, dashboard);
    };
    let due = moment(next(schedule.hours(), schedule.minutes(), cx.now_millis()));
    cx.tasks().schedule(cx, tx, SERVICE, &by_clock(cx, dashboard), CLOCK, dashboard.name.clone(), due)
}

pub(crate) fn cancel(cx: &Cx, tx: &mut Tx<'_>, dashboard: &Dashboard) -> Result<()> {
    cx.tasks().cancel(tx, SERVICE, &by_clock(cx, dashboard))
}

/// CloudTrail in its own name, for the sake of a dashboard.
fn own(cx: &Cx, dashboard: &Dashboard) -> Cx {
    cx.as_service(PRINCIPAL, Some(&dashboard.arn(cx)))
}

/// Begins a refresh, whose queries are run a moment later.
pub(crate) async fn start(cx: &Cx, input: api::StartDashboardRefreshInput) -> Result<api::StartDashboardRefreshOutput> {
    let given = input.query_parameter_values.unwrap_or_else(BTreeMap::new);
    let dashboard = find(cx, &cx.read(), &input.dashboard_id)?;
    let values = Values::usual(cx.now_millis()).with(&given)?;
    for widget in &dashboard.widgets {
        queries::checked(cx, &filled(&widget.sql, &values.of(widget))?).await?;
    }
    let id = format!("{:013}{}", cx.now_millis().rem_euclid(10_i64.pow(13)), cx.random().text(4, "0123456789"));
    cx.write(|tx| {
        let dashboard = find(cx, tx, &input.dashboard_id)?;
        let refreshed = Dashboard { refreshed: Some(id.clone()), ..dashboard };
        DASHBOARDS.put(tx, &cx.key(refreshed.name.as_str()), &refreshed);
        let payload = to_json(&(&refreshed.name, &id, &given))?;
        cx.tasks().schedule(cx, tx, SERVICE, &format!("{KIND} {id}"), KIND, payload, cx.now())
    })
    .await?;
    Ok(api::StartDashboardRefreshOutput { refresh_id: Some(id) })
}

/// Runs the queries of a refresh.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let (name, id, given): (String, String, BTreeMap<String, String>) = from_json(&task.payload)?;
    let Some(dashboard) = DASHBOARDS.get(&cx.read(), &cx.key(name.as_str()))? else { return Ok(Next::Done) };
    let values = Values::usual(task.due).with(&given)?;
    let mut failure = None;
    for widget in &dashboard.widgets {
        let asked =
            json!({"QueryAlias": widget.alias, "QueryParameters": Some(values.of(widget)).filter(|v| !v.is_empty())});
        match own(cx, &dashboard).call(SERVICE, "StartQuery", asked).await {
            Ok(started) => queries::belongs(cx, started["QueryId"].as_str().unwrap_or_default(), &id).await?,
            Err(Failure::Aws(error)) => failure = Some(error.message),
            Err(failure) => return Err(failure),
        }
    }
    failed(cx, &name, failure).await?;
    Ok(Next::Done)
}

/// Keeps why a refresh failed, or that it did not.
async fn failed(cx: &Cx, name: &str, failure: Option<String>) -> Result<()> {
    cx.write(|tx| {
        if let Some(dashboard) = DASHBOARDS.get(tx, &cx.key(name))? {
            DASHBOARDS.put(tx, &cx.key(name), &Dashboard { failure: failure.clone(), ..dashboard });
        }
        Ok(())
    })
    .await
}

/// Refreshes a dashboard by the clock, if its policy lets CloudTrail do it.
pub(crate) async fn tick(cx: &Cx, task: &Task) -> Result<Next> {
    let name = task.payload.as_str();
    let Some(dashboard) = DASHBOARDS.get(&cx.read(), &cx.key(name))? else { return Ok(Next::Done) };
    let Some(schedule) = dashboard.schedule.as_ref().filter(|schedule| schedule.enabled) else {
        return Ok(Next::Done);
    };
    match own(cx, &dashboard).call(SERVICE, "StartDashboardRefresh", json!({"DashboardId": dashboard.arn(cx)})).await {
        Ok(_) => {}
        Err(Failure::Aws(error)) => failed(cx, name, Some(error.message)).await?,
        Err(failure) => return Err(failure),
    }
    Ok(Next::Again(moment(next(schedule.hours(), schedule.minutes(), task.due))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock() {
        let at = |day: i64, hours: i64, minutes: i64| day * DAY + hours * HOUR + minutes * MINUTE;
        assert_eq!(next(24, 90, at(7, 1, 29)), at(7, 1, 30));
        assert_eq!(next(24, 90, at(7, 1, 30)), at(8, 1, 30));
        assert_eq!(next(6, 90, at(7, 1, 30)), at(7, 7, 30));
        assert_eq!(next(6, 90, at(7, 20, 0)), at(8, 1, 30));
        assert_eq!(next(1, 90, at(7, 0, 0)), at(7, 0, 30));
    }
}
