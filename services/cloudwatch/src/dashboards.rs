//! Dashboards: documents that are checked, kept by account and shown again.
//!
//! Source: "Dashboard body structure and syntax" in the API reference. A body that is no JSON, or whose widgets lack what they need, is
//! refused; a member that AWS does not know is told of, and the dashboard is kept.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::{Value as Json, json};
use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Failure, Result, Timestamp, paging};

use crate::alarms::check_tags;
use crate::api::{self, errors, output};
use crate::error::invalid;

/// Account, name.
pub(crate) static DASHBOARDS: Table<Dashboard> = Table::new("cloudwatch.dashboards");

/// A page has so many.
const PAGE: usize = 1000;

/// A call deletes so many at most.
const MOST_DELETED: usize = 100;

/// A dashboard has so many widgets at most.
const MOST_WIDGETS: usize = 500;

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Dashboard {
    #[n(0)]
    name: String,
    #[n(1)]
    body: String,
    /// Milliseconds since 1970.
    #[n(2)]
    modified: i64,
    #[n(3)]
    pub(crate) tags: BTreeMap<String, String>,
}

fn arn(cx: &Cx, name: &str) -> String {
    cx.global_arn("cloudwatch", &format!("dashboard/{name}"))
}

fn check_name(name: &str) -> Result<()> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 255 {
        return Err(invalid("The value for field DashboardName must be between 1 and 255 characters long."));
    }
    if !name.bytes().all(good) {
        return Err(invalid(
            "The value for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and underscore (_).\n",
        ));
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: api::PutDashboardInput) -> Result<api::PutDashboardOutput> {
    check_name(&input.dashboard_name)?;
    let found = look(&input.dashboard_body);
    if found.iter().any(|found| found.fatal) {
        return Err(refusal(&found));
    }
    let tags = check_tags(input.tags)?;
    cx.write(|tx| {
        let key = (cx.account(), input.dashboard_name.as_str());
        let there = DASHBOARDS.get(tx, &key)?;
        let dashboard = Dashboard {
            name: input.dashboard_name.clone(),
            body: input.dashboard_body.clone(),
            modified: cx.now_millis(),
            tags: there.map_or_else(|| tags.clone(), |there| there.tags),
        };
        DASHBOARDS.put(tx, &key, &dashboard);
        Ok(())
    })
    .await?;
    let told = found
        .into_iter()
        .map(|found| output::DashboardValidationMessage { data_path: Some(found.path), message: Some(found.message) });
    Ok(api::PutDashboardOutput { dashboard_validation_messages: Some(told.collect()) })
}

/// Something that is wrong with a body.
struct Finding {
    path: String,
    message: String,
    fatal: bool,
}

fn refusal(found: &[Finding]) -> Failure {
    let fatal: Vec<Json> =
        found.iter().filter(|f| f.fatal).map(|f| json!({"DataPath": f.path, "Message": f.message})).collect();
    let count = fatal.len();
    let message =
        format!("The dashboard body is invalid, there are {count} validation errors: {}", Json::Array(fatal.clone()));
    errors::dashboard_invalid_input_error(message).with("dashboardValidationMessages", fatal).into()
}

fn look(body: &str) -> Vec<Finding> {
    let fatal = |path: &str, message: &str| Finding { path: path.to_owned(), message: message.to_owned(), fatal: true };
    let Ok(body) = serde_json::from_str::<Json>(body) else {
        return vec![fatal("", "The field DashboardBody must be a valid JSON object")];
    };
    let Some(members) = body.as_object() else {
        return vec![fatal("", "The field DashboardBody must be a valid JSON object")];
    };
    let mut found = Vec::new();
    for name in
        members.keys().filter(|n| !["widgets", "start", "end", "periodOverride", "variables"].contains(&n.as_str()))
    {
        found.push(Finding {
            path: format!("/{name}"),
            message: format!("Should NOT have additional properties: {name}"),
            fatal: false,
        });
    }
    match members.get("widgets") {
        None => found.push(fatal("/widgets", "Should have required property 'widgets'")),
        Some(Json::Array(widgets)) if widgets.len() > MOST_WIDGETS => {
            found.push(fatal("/widgets", "Should NOT have more than 500 items"));
        }
        Some(Json::Array(widgets)) => widgets.iter().enumerate().for_each(|(n, widget)| look_at(n, widget, &mut found)),
        Some(_) => found.push(fatal("/widgets", "Should be array")),
    }
    found
}

/// The kinds of widgets, and what their properties must have.
const KINDS: &[(&str, &[&str])] = &[
    ("alarm", &["alarms"]),
    ("custom", &["endpoint"]),
    ("explorer", &[]),
    ("log", &["query"]),
    ("metric", &[]),
    ("text", &["markdown"]),
];

fn look_at(n: usize, widget: &Json, found: &mut Vec<Finding>) {
    let mut fatal = |path: String, message: String| found.push(Finding { path, message, fatal: true });
    let place = format!("/widgets/{n}");
    let Some(members) = widget.as_object() else { return fatal(place, "Should be object".to_owned()) };
    let Some(kind) = members.get("type").and_then(Json::as_str) else {
        return fatal(place, "Should have required property 'type'".to_owned());
    };
    let Some((_, needed)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        return fatal(format!("{place}/type"), "Should be equal to one of the allowed values".to_owned());
    };
    for (name, least, most) in [("x", 0, 23), ("y", 0, i64::MAX), ("width", 1, 24), ("height", 1, 1000)] {
        let Some(given) = members.get(name) else { continue };
        if !given.as_i64().is_some_and(|number| (least..=most).contains(&number)) {
            fatal(format!("{place}/{name}"), format!("Should be integer >= {least} and <= {most}"));
        }
    }
    let Some(properties) = members.get("properties").and_then(Json::as_object) else {
        return fatal(place, "Should have required property 'properties'".to_owned());
    };
    for name in needed.iter().filter(|name| !properties.contains_key(**name)) {
        fatal(format!("{place}/properties"), format!("Should have required property '{name}'"));
    }
    if kind == "metric" && !["metrics", "annotations", "title"].iter().any(|name| properties.contains_key(*name)) {
        fatal(format!("{place}/properties"), "Should have required property 'metrics'".to_owned());
    }
}

pub(crate) fn get(cx: &Cx, input: &api::GetDashboardInput) -> Result<api::GetDashboardOutput> {
    check_name(&input.dashboard_name)?;
    let found = DASHBOARDS.get(&cx.read(), &(cx.account(), input.dashboard_name.as_str()))?;
    let found = found.ok_or_else(|| not_found(&input.dashboard_name))?;
    Ok(api::GetDashboardOutput {
        dashboard_arn: Some(arn(cx, &found.name)),
        dashboard_body: Some(found.body),
        dashboard_name: Some(found.name),
    })
}

fn not_found(name: &str) -> Failure {
    errors::dashboard_not_found_error(format!("Dashboard {name} does not exist")).into()
}

pub(crate) fn list(cx: &Cx, input: &api::ListDashboardsInput) -> Result<api::ListDashboardsOutput> {
    let prefix = input.dashboard_name_prefix.as_deref().unwrap_or_default();
    if !prefix.is_empty() {
        check_name(prefix)?;
    }
    let rows = DASHBOARDS.all(&cx.read(), &(cx.account(),))?;
    let found: Vec<Dashboard> = rows.into_iter().map(|e| e.row).filter(|d| d.name.starts_with(prefix)).collect();
    let page = paging::page("ListDashboards", found, input.next_token.as_deref(), PAGE);
    let (page, next_token) = page.ok_or_else(|| invalid("The value for parameter NextToken is invalid."))?;
    let entries = page.into_iter().map(|d| output::DashboardEntry {
        dashboard_arn: Some(arn(cx, &d.name)),
        last_modified: Timestamp::from_millisecond(d.modified).ok(),
        size: i64::try_from(d.body.len()).ok(),
        dashboard_name: Some(d.name),
    });
    Ok(api::ListDashboardsOutput { dashboard_entries: Some(entries.collect()), next_token })
}

/// Removes those that are there, and says which one is not.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteDashboardsInput) -> Result<()> {
    if input.dashboard_names.is_empty() {
        return Err(invalid("The collection DashboardNames must not be empty."));
    }
    if input.dashboard_names.len() > MOST_DELETED {
        let message = format!("The collection DashboardNames must not have a size greater than {MOST_DELETED}.");
        return Err(invalid(message));
    }
    input.dashboard_names.iter().try_for_each(|name| check_name(name))?;
    let gone = cx
        .write(|tx| {
            let mut gone = None;
            for name in &input.dashboard_names {
                let key = (cx.account(), name.as_str());
                if DASHBOARDS.has(tx, &key)? {
                    DASHBOARDS.delete(tx, &key);
                } else {
                    gone = gone.or(Some(name));
                }
            }
            Ok(gone)
        })
        .await?;
    gone.map_or(Ok(()), |name| Err(not_found(name)))
}
