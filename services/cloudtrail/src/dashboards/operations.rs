//! CreateDashboard and its kin.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Result, paging};

use super::refresh;
use super::row::{DASHBOARDS, Dashboard, Schedule, find};
use super::widget::Widget;
use crate::api::{self, errors, input, output};
use crate::rows::moment;
use crate::{policies, tags};

/// An account has so many in a region, and each has so many widgets.
const MOST: usize = 100;
const MOST_WIDGETS: usize = 10;
/// So many are on a page.
const PAGE: usize = 1000;
/// The dashboard that AWS makes.
const HIGHLIGHTS: &str = "AWSCloudTrail-Highlights";
const CUSTOM: &str = "CUSTOM";

fn bad(message: impl Into<String>) -> Failure {
    errors::invalid_parameter_exception(message).into()
}

fn conflict(message: impl Into<String>) -> Failure {
    errors::conflict_exception(message).into()
}

async fn widgets(cx: &Cx, given: Vec<input::RequestWidget>) -> Result<Vec<Widget>> {
    if given.len() > MOST_WIDGETS {
        let message = format!("A custom dashboard can have at most {MOST_WIDGETS} widgets.");
        return Err(errors::service_quota_exceeded_exception(message).into());
    }
    let mut all = Vec::new();
    for one in given {
        all.push(Widget::checked(cx, one).await?);
    }
    Ok(all)
}

/// Checks when a dashboard is to be refreshed.
fn schedule(given: input::RefreshSchedule) -> Result<Schedule> {
    let (unit, value) = given.frequency.map_or((None, None), |frequency| (frequency.unit, frequency.value));
    let good = match (unit.as_deref(), value) {
        (Some("HOURS"), Some(value)) => [1, 6, 12, 24].contains(&value),
        (Some("DAYS"), Some(value)) => value == 1,
        // A schedule that is turned off may say nothing.
        (None, None) => given.status.as_deref() != Some("ENABLED"),
        _ => false,
    };
    if !good {
        return Err(bad("A dashboard can be refreshed every 1, 6, 12 or 24 hours, or every day."));
    }
    let time = |text: &str| {
        let parts =
            text.split_once(':').and_then(|(hours, minutes)| Some((hours.parse().ok()?, minutes.parse().ok()?)));
        parts.is_some_and(|(hours, minutes): (u8, u8)| hours < 24 && minutes < 60)
    };
    if let Some(text) = given.time_of_day.as_deref().filter(|text| !time(text)) {
        return Err(bad(format!("The time of day {text} is not valid.")));
    }
    Ok(Schedule { unit, value, enabled: given.status.as_deref() == Some("ENABLED"), time: given.time_of_day })
}

fn shown_schedule(schedule: &Schedule) -> output::RefreshSchedule {
    output::RefreshSchedule {
        frequency: schedule
            .unit
            .as_ref()
            .map(|unit| output::RefreshScheduleFrequency { unit: Some(unit.clone()), value: schedule.value }),
        status: Some(if schedule.enabled { "ENABLED" } else { "DISABLED" }.to_owned()),
        time_of_day: Some(schedule.time.clone().unwrap_or_else(|| "00:00".to_owned())),
    }
}

fn shown_widgets(dashboard: &Dashboard) -> Vec<output::Widget> {
    dashboard.widgets.iter().map(Widget::shown).collect()
}

pub(crate) async fn create(cx: &Cx, input: api::CreateDashboardInput) -> Result<api::CreateDashboardOutput> {
    if input.name == HIGHLIGHTS {
        return Err(Failure::not_built("the Highlights dashboard, whose queries are AWS's own"));
    }
    let now = cx.now_millis();
    let dashboard = Dashboard {
        widgets: widgets(cx, input.widgets.unwrap_or_else(Vec::new)).await?,
        schedule: input.refresh_schedule.map(schedule).transpose()?,
        protected: input.termination_protection_enabled == Some(true),
        tags: tags::given(input.tags_list.unwrap_or_else(Vec::new), 0)?,
        created: now,
        updated: now,
        changed: false,
        refreshed: None,
        failure: None,
        name: input.name,
    };
    cx.write(|tx| {
        let all = DASHBOARDS.all(tx, &(cx.account(), cx.region()))?;
        if all.iter().any(|entry| entry.row.name == dashboard.name) {
            return Err(conflict(format!("The dashboard {} already exists.", dashboard.name)));
        }
        if all.len() >= MOST {
            let message = format!("The account already has {MOST} dashboards in this region.");
            return Err(errors::service_quota_exceeded_exception(message).into());
        }
        put(cx, tx, &dashboard)
    })
    .await?;
    Ok(api::CreateDashboardOutput {
        dashboard_arn: Some(dashboard.arn(cx)),
        widgets: Some(shown_widgets(&dashboard)),
        refresh_schedule: dashboard.schedule.as_ref().map(shown_schedule),
        name: Some(dashboard.name),
        type_: Some(CUSTOM.to_owned()),
        tags_list: Some(tags::shown(dashboard.tags)),
        termination_protection_enabled: Some(dashboard.protected),
    })
}

/// Keeps a dashboard, which is refreshed when it is due.
fn put(cx: &Cx, tx: &mut Tx<'_>, dashboard: &Dashboard) -> Result<()> {
    DASHBOARDS.put(tx, &cx.key(dashboard.name.as_str()), dashboard);
    refresh::schedule(cx, tx, dashboard)
}

pub(crate) fn get(cx: &Cx, input: &api::GetDashboardInput) -> Result<api::GetDashboardOutput> {
    let dashboard = find(cx, &cx.read(), &input.dashboard_id)?;
    Ok(api::GetDashboardOutput {
        dashboard_arn: Some(dashboard.arn(cx)),
        type_: Some(CUSTOM.to_owned()),
        status: Some(if dashboard.changed { "UPDATED" } else { "CREATED" }.to_owned()),
        widgets: Some(shown_widgets(&dashboard)),
        refresh_schedule: dashboard.schedule.as_ref().map(shown_schedule),
        created_timestamp: Some(moment(dashboard.created)),
        updated_timestamp: Some(moment(dashboard.updated)),
        last_refresh_id: dashboard.refreshed,
        last_refresh_failure_reason: dashboard.failure,
        termination_protection_enabled: Some(dashboard.protected),
    })
}

/// What is not said of it stays as it is.
pub(crate) async fn update(cx: &Cx, input: api::UpdateDashboardInput) -> Result<api::UpdateDashboardOutput> {
    find(cx, &cx.read(), &input.dashboard_id)?;
    let given = match input.widgets {
        Some(all) => Some(widgets(cx, all).await?),
        None => None,
    };
    let when = input.refresh_schedule.map(schedule).transpose()?;
    let dashboard = cx
        .write(|tx| {
            let before = find(cx, tx, &input.dashboard_id)?;
            let dashboard = Dashboard {
                widgets: given.clone().unwrap_or_else(|| before.widgets.clone()),
                schedule: when.clone().or_else(|| before.schedule.clone()),
                protected: input.termination_protection_enabled.unwrap_or(before.protected),
                updated: cx.now_millis(),
                changed: true,
                ..before
            };
            put(cx, tx, &dashboard)?;
            Ok(dashboard)
        })
        .await?;
    Ok(api::UpdateDashboardOutput {
        dashboard_arn: Some(dashboard.arn(cx)),
        widgets: Some(shown_widgets(&dashboard)),
        refresh_schedule: dashboard.schedule.as_ref().map(shown_schedule),
        name: Some(dashboard.name),
        type_: Some(CUSTOM.to_owned()),
        termination_protection_enabled: Some(dashboard.protected),
        created_timestamp: Some(moment(dashboard.created)),
        updated_timestamp: Some(moment(dashboard.updated)),
    })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteDashboardInput) -> Result<()> {
    cx.write(|tx| {
        let dashboard = find(cx, tx, &input.dashboard_id)?;
        if dashboard.protected {
            return Err(conflict(format!("Termination protection is enabled for the dashboard {}.", dashboard.name)));
        }
        policies::forget(cx, tx, &format!("dashboard/{}", dashboard.name));
        DASHBOARDS.delete(tx, &cx.key(dashboard.name.as_str()));
        refresh::cancel(cx, tx, &dashboard)
    })
    .await
}

/// The dashboards of this account and region, by their names.
pub(crate) fn list(cx: &Cx, input: &api::ListDashboardsInput) -> Result<api::ListDashboardsOutput> {
    let wanted = |dashboard: &Dashboard| {
        input.name_prefix.as_deref().is_none_or(|prefix| dashboard.name.starts_with(prefix))
            && input.type_.as_deref().is_none_or(|of| of == CUSTOM)
    };
    let all = DASHBOARDS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let shown = all.filter(wanted).map(|dashboard| output::DashboardDetail {
        dashboard_arn: Some(dashboard.arn(cx)),
        type_: Some(CUSTOM.to_owned()),
    });
    let size = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let scope = format!("ListDashboards/{:?}/{:?}", input.name_prefix, input.type_);
    let page = paging::page(&scope, shown.collect(), input.next_token.as_deref(), size);
    let (dashboards, next_token) =
        page.ok_or_else(|| errors::invalid_next_token_exception("The next token is not valid."))?;
    Ok(api::ListDashboardsOutput { dashboards: Some(dashboards), next_token })
}

/// The query of a widget, wherever it is.
pub(crate) fn aliased(cx: &Cx, from: &(impl Read + ?Sized), alias: &str) -> Result<Option<Widget>> {
    let all = DASHBOARDS.all(from, &(cx.account(), cx.region()))?;
    Ok(all.into_iter().flat_map(|entry| entry.row.widgets).find(|widget| widget.alias == alias))
}
