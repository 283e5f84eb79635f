//! Policies of event data stores, channels and dashboards: PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.
//!
//! Source: "AWS CloudTrail resource-based policy examples" in the user guide, and the API reference. A policy says who else may do
//! what to a resource: other accounts query a store and put events into a channel, CloudTrail runs queries for a dashboard.

use serde_json::Value as Json;
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Access, Cx, Failure, Result};

use crate::api::{self, errors};
use crate::channels::row;
use crate::dashboards;
use crate::lake::store;

/// Account, region, resource (`eventdatastore/…`): its policy.
static POLICIES: Table<String> = Table::new("cloudtrail.policies");

/// A policy has so many statements, and each so many principals.
const MOST_STATEMENTS: usize = 20;
const MOST_PRINCIPALS: usize = 50;

/// What policies of event data stores can allow.
const ON_STORES: &[&str] = &[
    "cloudtrail:CancelQuery",
    "cloudtrail:DescribeQuery",
    "cloudtrail:GenerateQuery",
    "cloudtrail:GenerateQueryResultsSummary",
    "cloudtrail:GetEventDataStore",
    "cloudtrail:GetQueryResults",
    "cloudtrail:ListQueries",
    "cloudtrail:StartQuery",
];
/// The one thing that policies of channels allow.
const ON_CHANNELS: &[&str] = &["cloudtrail-data:PutAuditEvents"];
/// The one thing that policies of dashboards allow.
const ON_DASHBOARDS: &[&str] = &["cloudtrail:StartDashboardRefresh"];

/// The resource that has a policy, or may have one: as its ARN ends, and what can be allowed on it.
struct Guarded {
    resource: String,
    actions: &'static [&'static str],
}

fn invalid(arn: &str) -> Failure {
    errors::resource_arn_not_valid_exception(format!("The resource ARN is not valid: {arn}.")).into()
}

fn missing(arn: &str) -> Failure {
    errors::resource_not_found_exception(format!("Resource {arn} is not found.")).into()
}

/// Whether something was found; `malformed`: the code that says that it is not even an ARN.
fn found<T>(looked: Result<T>, malformed: &str, given: &str) -> Result<bool> {
    match looked {
        Ok(_) => Ok(true),
        Err(Failure::Aws(error)) if error.code == malformed => Err(invalid(given)),
        Err(Failure::Aws(_)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The resource of this account that is named.
fn find(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<Guarded> {
    let arn = Arn::parse(given).filter(|arn| arn.service == "cloudtrail").ok_or_else(|| invalid(given))?;
    let (kind, _) = arn.resource.split_once('/').ok_or_else(|| invalid(given))?;
    let own = arn.account == cx.account() && arn.region == cx.region();
    let (actions, is_there) = match kind {
        "eventdatastore" => {
            (ON_STORES, found(store::find(cx, from, given), "EventDataStoreARNInvalidException", given)?)
        }
        "channel" => (ON_CHANNELS, found(row::find(cx, from, given), "ChannelARNInvalidException", given)?),
        "dashboard" => (ON_DASHBOARDS, found(dashboards::row::find(cx, from, given), "", given)?),
        "trail" => {
            let message = format!("The resource type of {given} does not have resource policies.");
            return Err(errors::resource_type_not_supported_exception(message).into());
        }
        _ => return Err(invalid(given)),
    };
    if own && is_there { Ok(Guarded { resource: arn.resource, actions }) } else { Err(missing(given)) }
}

fn bad(why: impl std::fmt::Display) -> Failure {
    errors::resource_policy_not_valid_exception(format!("The resource policy is not valid: {why}")).into()
}

/// A member of a statement that is one text or many.
fn texts(value: &Json) -> Vec<&str> {
    match value {
        Json::String(text) => vec![text],
        Json::Array(all) => all.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// How many principals a statement names.
fn principals(statement: &Json) -> usize {
    match &statement["Principal"] {
        Json::Object(kinds) => kinds.values().map(|value| texts(value).len()).sum(),
        value => texts(value).len(),
    }
}

/// Checks a policy: that it is one, is about this resource, and allows nothing that cannot be allowed on it.
fn check(cx: &Cx, policy: &str, arn: &str, actions: &[&str]) -> Result<()> {
    cx.policies().compile(PolicyKind::Resource, policy).map_err(bad)?;
    let document: Json = serde_json::from_str(policy).map_err(bad)?;
    let statements: Vec<&Json> = match &document["Statement"] {
        Json::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    if statements.is_empty() || statements.len() > MOST_STATEMENTS {
        return Err(bad(format!("it must have between 1 and {MOST_STATEMENTS} statements.")));
    }
    for statement in statements {
        if !(1..=MOST_PRINCIPALS).contains(&principals(statement)) {
            return Err(bad(format!("a statement must have between 1 and {MOST_PRINCIPALS} principals.")));
        }
        let resources = texts(&statement["Resource"]);
        if resources.is_empty() || resources.iter().any(|resource| *resource != arn) {
            return Err(bad(format!("each statement must have the resource {arn}.")));
        }
        let named = texts(&statement["Action"]);
        let known = |action: &str| actions.iter().any(|known| known.eq_ignore_ascii_case(action));
        if let Some(action) = named.iter().find(|action| !known(action)) {
            return Err(bad(format!("the action {action} is not supported.")));
        }
        if named.is_empty() {
            return Err(bad("each statement must have an action."));
        }
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: &api::PutResourcePolicyInput) -> Result<api::PutResourcePolicyOutput> {
    cx.write(|tx| {
        let guarded = find(cx, tx, &input.resource_arn)?;
        check(cx, &input.resource_policy, &input.resource_arn, guarded.actions)?;
        POLICIES.put(tx, &cx.key(guarded.resource.as_str()), &input.resource_policy);
        Ok(())
    })
    .await?;
    Ok(api::PutResourcePolicyOutput {
        resource_arn: Some(input.resource_arn.clone()),
        resource_policy: Some(input.resource_policy.clone()),
        delegated_admin_resource_policy: None,
    })
}

/// The policy of a resource that is named, and its key.
fn get_there(cx: &Cx, from: &(impl Read + ?Sized), given: &str) -> Result<(String, String)> {
    let guarded = find(cx, from, given)?;
    let policy = POLICIES.get(from, &cx.key(guarded.resource.as_str()))?;
    let policy = policy.ok_or_else(|| {
        errors::resource_policy_not_found_exception(format!("The resource {given} has no resource policy."))
    })?;
    Ok((guarded.resource, policy))
}

pub(crate) fn get(cx: &Cx, input: &api::GetResourcePolicyInput) -> Result<api::GetResourcePolicyOutput> {
    let (_, policy) = get_there(cx, &cx.read(), &input.resource_arn)?;
    Ok(api::GetResourcePolicyOutput {
        resource_arn: Some(input.resource_arn.clone()),
        resource_policy: Some(policy),
        delegated_admin_resource_policy: None,
    })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteResourcePolicyInput) -> Result<()> {
    cx.write(|tx| {
        let (resource, _) = get_there(cx, tx, &input.resource_arn)?;
        forget(cx, tx, &resource);
        Ok(())
    })
    .await
}

/// The policy of a resource that goes goes with it.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, resource: &str) {
    POLICIES.delete(tx, &cx.key(resource));
}

/// A permission on a resource of `home`'s account with the policy that it has. `resource`: `eventdatastore/…`.
pub(crate) fn guarded(home: &Cx, action: impl Into<std::borrow::Cow<'static, str>>, resource: &str) -> Result<Access> {
    let arn = home.arn("cloudtrail", resource);
    let access = Access::new(action, &arn).in_account(home.account());
    let Some(policy) = POLICIES.get(&home.read(), &home.key(resource))? else { return Ok(access) };
    let policy = home.policies().compile(PolicyKind::Resource, &policy).map_err(Failure::broken)?;
    Ok(access.with_policy(&arn, policy))
}
