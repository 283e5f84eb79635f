//! What the calls need to be allowed.
//!
//! Source: "Actions, resources, and condition keys for AWS CloudTrail" in the service authorization reference; CreateTrail and
//! UpdateTrail hand a role over.

use undercast_kernel::{Access, Cx, Result};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::channels::row::CHANNELS;
use crate::dashboards::operations::aliased;
use crate::dashboards::row::DASHBOARDS;
use crate::lake::queries;
use crate::lake::store::{self, STORES};
use crate::name::TrailName;
use crate::policies;
use crate::rows::TRAILS;
use crate::{PRINCIPAL, channels};

/// What is about no trail in particular.
const OF_ALL: &[&str] = &[
    "DeregisterOrganizationDelegatedAdmin",
    "DescribeTrails",
    "GetImport",
    "ListChannels",
    "ListDashboards",
    "ListEventDataStores",
    "ListImportFailures",
    "ListImports",
    "ListInsightsData",
    "ListPublicKeys",
    "ListTrails",
    "LookupEvents",
    "RegisterOrganizationDelegatedAdmin",
    "StartImport",
    "StopImport",
];

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    let action = format!("cloudtrail:{}", operation.name);
    if OF_ALL.contains(&operation.name) {
        let mut needed = vec![Access::new(action, "*")];
        let role = input
            .get("ImportSource")
            .and_then(|source| source.get("S3"))
            .and_then(|s3| s3.text("S3BucketAccessRoleArn"));
        needed.extend(role.map(|role| Access::passing(cx, role, PRINCIPAL)));
        return Ok(needed);
    }
    let home = home(cx, operation.name, input);
    let mut needed: Vec<Access> = match stores(&home, operation.name, input)? {
        _ if operation.name.contains("Dashboard") => of_dashboards(cx, operation.name, input)?,
        _ if operation.name.ends_with("Channel") => of_channels(cx, operation.name, input)?.unwrap_or_else(Vec::new),
        Some(ids) => ids.iter().map(|id| of_store(&home, action.clone(), id)).collect::<Result<_>>()?,
        None => of_trails(cx, &action, input)?,
    };
    let changes = operation.name != "RemoveTags";
    let tags = input.get("TagsList").or(input.get("Tags"));
    for access in &mut needed {
        undercast_kernel::tags::requested(&mut access.context, tags.filter(|_| changes), None);
        if let Some(Value::List(tags)) = tags.filter(|_| !changes) {
            let keys = tags.iter().filter_map(|tag| tag.text("Key")).map(ToOwned::to_owned);
            access.context.set_many("aws:TagKeys", keys.collect());
        }
    }
    if let Some(role) = input.text("CloudWatchLogsRoleArn").filter(|role| !role.is_empty()) {
        needed.push(Access::passing(cx, role, PRINCIPAL));
    }
    Ok(needed)
}

/// Permissions on what is named, or given by ARNs.
fn of_trails(cx: &Cx, action: &str, input: &Fields) -> Result<Vec<Access>> {
    if let Some(Value::List(ids)) = input.get("ResourceIdList") {
        return ids.iter().filter_map(Value::as_str).map(|id| of_trail(cx, action.to_owned(), id)).collect();
    }
    let given = ["Name", "TrailName", "ResourceId", "ResourceArn"].into_iter().find_map(|name| input.text(name));
    Ok(vec![of_trail(cx, action.to_owned(), given.unwrap_or("*"))?])
}

/// What policies of event data stores let other accounts do.
const ACROSS_ACCOUNTS: &[&str] =
    &["CancelQuery", "DescribeQuery", "GetEventDataStore", "GetQueryResults", "ListQueries", "StartQuery"];

/// The ids of the event data stores that a call is about, where they are; `None`: it is about none.
fn stores(home: &Cx, operation: &str, input: &Fields) -> Result<Option<Vec<String>>> {
    if let Some(given) = input.text("EventDataStore") {
        return Ok(Some(vec![given.to_owned()]));
    }
    Ok(match (operation, input.text("QueryId")) {
        ("CreateEventDataStore", _) => Some(vec!["*".to_owned()]),
        ("StartQuery", _) => Some(queries::stores_named(home, &asked(home, input)?)),
        (_, Some(id)) => Some(vec![queries::store_of(home, id)?.unwrap_or_else(|| "*".to_owned())]),
        ("DescribeQuery", None) => {
            let store = queries::store_of_alias(home, input.text("QueryAlias").unwrap_or(""))?;
            Some(vec![store.unwrap_or_else(|| "*".to_owned())])
        }
        _ => None,
    })
}

/// The statement of a query: it is said, or it is a widget's.
fn asked(home: &Cx, input: &Fields) -> Result<String> {
    if let Some(sql) = input.text("QueryStatement") {
        return Ok(sql.to_owned());
    }
    let widget = aliased(home, &home.read(), input.text("QueryAlias").unwrap_or(""))?;
    Ok(widget.map_or_else(String::new, |widget| without_parameters(&widget.sql)))
}

/// A statement whose parameters are left out: what it names is the same.
fn without_parameters(sql: &str) -> String {
    sql.replace('?', "0")
}

/// A permission on a dashboard that is named, or given by its ARN.
fn of_dashboard(cx: &Cx, action: &str, given: &str) -> Result<Access> {
    let name = given.rsplit('/').next().unwrap_or(given);
    let mut access = policies::guarded(cx, action.to_owned(), &format!("dashboard/{name}"))?;
    for (key, value) in DASHBOARDS.get(&cx.read(), &cx.key(name))?.into_iter().flat_map(|one| one.tags) {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}

/// What is done to a dashboard, and what CloudTrail is to do for it.
fn of_dashboards(cx: &Cx, operation: &str, input: &Fields) -> Result<Vec<Access>> {
    let given = input.text("DashboardId").or(input.text("Name")).unwrap_or("*");
    let name = given.rsplit('/').next().unwrap_or(given);
    let mut needed = vec![of_dashboard(cx, &format!("cloudtrail:{operation}"), name)?];
    if !["CreateDashboard", "UpdateDashboard"].contains(&operation) {
        return Ok(needed);
    }
    if let Some(Value::List(widgets)) = input.get("Widgets") {
        for sql in widgets.iter().filter_map(|widget| widget.text("QueryStatement")) {
            for store in queries::stores_named(cx, &without_parameters(sql)) {
                needed.push(of_store(cx, "cloudtrail:StartQuery".to_owned(), &store)?);
            }
        }
    }
    if input.get("RefreshSchedule").is_some() {
        needed.push(of_dashboard(cx, "cloudtrail:StartDashboardRefresh", name)?);
    }
    Ok(needed)
}

/// Where the stores of a call are.
fn home(cx: &Cx, operation: &str, input: &Fields) -> Cx {
    if ACROSS_ACCOUNTS.contains(&operation) {
        store::home(cx, input.text("EventDataStore"), input.text("EventDataStoreOwnerAccountId"))
    } else {
        cx.clone()
    }
}

/// A permission on an event data store.
fn of_store(home: &Cx, action: String, given: &str) -> Result<Access> {
    let id = given.rsplit('/').next().unwrap_or(given);
    let mut access = policies::guarded(home, action, &format!("eventdatastore/{id}"))?;
    for (key, value) in STORES.get(&home.read(), &home.key(id))?.into_iter().flat_map(|store| store.tags) {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}

/// A permission on a channel that is given by its id or its ARN.
fn of_channel(cx: &Cx, action: String, given: &str) -> Result<Access> {
    let id = given.rsplit('/').next().unwrap_or(given);
    let mut access = Access::new(action, channels::row::arn(cx.account(), cx.region(), id));
    for (key, value) in CHANNELS.get(&cx.read(), &cx.key(id))?.into_iter().flat_map(|channel| channel.tags) {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}

/// What making or changing a channel is about: itself, and the stores to which it leads.
fn of_channels(cx: &Cx, operation: &str, input: &Fields) -> Result<Option<Vec<Access>>> {
    let action = format!("cloudtrail:{operation}");
    let mut needed = match (operation, input.text("Channel")) {
        ("CreateChannel", _) => vec![of_channel(cx, action.clone(), "*")?],
        (_, Some(given)) => vec![of_channel(cx, action.clone(), given)?],
        _ => return Ok(None),
    };
    if let ("CreateChannel", Some(Value::List(all))) = (operation, input.get("Destinations")) {
        for location in all.iter().filter_map(|one| one.text("Location")) {
            needed.push(of_store(cx, action.clone(), location)?);
        }
    }
    Ok(Some(needed))
}

/// A permission on a trail that is named, or given by its ARN.
fn of_trail(cx: &Cx, action: String, given: &str) -> Result<Access> {
    if given.contains(":eventdatastore/") {
        return of_store(cx, action, given);
    }
    if given.contains(":dashboard/") {
        return of_dashboard(cx, &action, given);
    }
    if given.contains(":channel/") {
        return of_channel(cx, action, given);
    }
    let name = match TrailName::parse(given) {
        Some(name) => name,
        // What is no name is refused by the operation.
        None if given.starts_with("arn:") => return Ok(Access::new(action, given)),
        None => TrailName::here(cx, given),
    };
    // Of another account's trail the operation says that it is unknown, unless it is the organization's.
    let mut access = Access::new(action, name.arn());
    for (key, value) in TRAILS.get(&cx.read(), &name.key())?.into_iter().flat_map(|trail| trail.tags) {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(access)
}
