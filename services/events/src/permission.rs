//! Who may do what: the permissions that a call needs, the policies of buses, and the condition keys that policies can ask about.
//!
//! Source: "Actions, resources, and condition keys for Amazon EventBridge" in the service authorization reference; "Using IAM
//! policy conditions" in the user guide.

use serde_json::Value as Json;
use undercast_kernel::policy::{MapContext, PolicyKind};
use undercast_kernel::store::Read;
use undercast_kernel::{Access, Cx, Failure, Result, regions};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

use crate::invoke::PRINCIPAL;
use crate::name::{BusName, Tagged};
use crate::rule::RULES;
use crate::tags;

/// Operations that are about no resource in particular.
const OF_ACCOUNT: &[&str] = &[
    "ListApiDestinations",
    "ListArchives",
    "ListConnections",
    "ListEventBuses",
    "ListEventSources",
    "ListPartnerEventSources",
    "ListReplays",
    "PutPartnerEvents",
    "TestEventPattern",
];

/// A permission over which the policy of a bus has a say.
fn guarded(cx: &Cx, from: &(impl Read + ?Sized), access: Access, bus: &BusName) -> Result<Access> {
    let access = access.in_account(bus.account.clone());
    let Some(text) = bus.get(from)?.and_then(|found| found.policy) else { return Ok(access) };
    let policy = cx.policies().compile(PolicyKind::Resource, &text).map_err(Failure::broken)?;
    Ok(access.with_policy(&bus.arn(), policy))
}

/// The permission to put an event on a bus.
pub(crate) fn to_put(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    bus: &BusName,
    source: &str,
    detail_type: &str,
) -> Result<Access> {
    let mut access = Access::new("events:PutEvents", bus.arn());
    access.context.set_many("events:source", vec![source.to_owned()]);
    access.context.set_many("events:detail-type", vec![detail_type.to_owned()]);
    guarded(cx, from, access, bus)
}

fn of_entries(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    let Some(Value::List(entries)) = input.get("Entries") else { return Ok(Vec::new()) };
    let from = cx.read();
    let mut seen = Vec::new();
    for entry in entries.iter().filter_map(Value::as_fields) {
        let text = |name: &str| entry.text(name).unwrap_or("").to_owned();
        let needed = (BusName::of(cx, entry.text("EventBusName")), text("Source"), text("DetailType"));
        if !seen.contains(&needed) {
            seen.push(needed);
        }
    }
    seen.iter().map(|(bus, source, kind)| to_put(cx, &from, bus, source, kind)).collect()
}

/// What a pattern demands of a field of the event, where it names values.
fn demanded(pattern: Option<&str>, path: &[&str]) -> Vec<String> {
    let json: Option<Json> = pattern.and_then(|text| serde_json::from_str(text).ok());
    let found = json.as_ref().and_then(|json| path.iter().try_fold(json, |json, name| json.get(*name)));
    let values = found.and_then(Json::as_array).into_iter().flatten();
    values.filter_map(Json::as_str).map(str::to_owned).collect()
}

/// What policies can ask of a rule that is put.
fn describe_rule(access: &mut Access, input: &Fields) {
    let pattern = input.text("EventPattern");
    for (key, path) in [
        ("events:source", &["source"] as &[&str]),
        ("events:detail-type", &["detail-type"]),
        ("events:detail.service", &["detail", "service"]),
        ("events:detail.eventTypeCode", &["detail", "eventTypeCode"]),
        ("events:detail.userIdentity.principalId", &["detail", "userIdentity", "principalId"]),
    ] {
        let values = demanded(pattern, path);
        if !values.is_empty() {
            access.context.set_many(key, values);
        }
    }
}

/// What policies can ask of the targets that are put.
fn describe_targets(access: &mut Access, input: &Fields) {
    let Some(Value::List(targets)) = input.get("Targets") else { return };
    let arns = targets.iter().filter_map(Value::as_fields).filter_map(|target| target.text("Arn"));
    access.context.set_many("events:TargetArn", arns.map(str::to_owned).collect());
}

/// The roles that a call hands to EventBridge.
fn passed(cx: &Cx, input: &Fields) -> Vec<Access> {
    let of_targets = match input.get("Targets") {
        Some(Value::List(targets)) => targets.iter().filter_map(Value::as_fields).collect(),
        _ => Vec::new(),
    };
    let mut roles: Vec<&str> =
        of_targets.iter().filter_map(|target| target.text("RoleArn")).chain(input.text("RoleArn")).collect();
    roles.sort_unstable();
    roles.dedup();
    roles.into_iter().map(|role| Access::passing(cx, role, PRINCIPAL)).collect()
}

/// What a call is about.
enum Subject {
    Bus(BusName),
    Rule(BusName, String),
    /// `archive/name`, in the account itself.
    Own(String),
    /// A source of a partner, which is of no account.
    Source(String),
}

/// What the account itself has, by the member that names it.
const OWN: &[(&str, &str)] = &[("ArchiveName", "archive"), ("ReplayName", "replay")];

fn subject(cx: &Cx, operation: &str, input: &Fields) -> Subject {
    if let Some(arn) = input.text("ResourceARN") {
        return match Tagged::parse(arn) {
            Some(Tagged::Rule(bus, rule)) => Subject::Rule(bus, rule),
            Some(Tagged::Bus(bus)) => Subject::Bus(bus),
            None => Subject::Bus(BusName::of(cx, None)),
        };
    }
    if operation.contains("EventSource") {
        let name = input.text("Name").or(input.text("EventSourceName"));
        return Subject::Source(format!("event-source/{}", name.unwrap_or("*")));
    }
    let own = [("Connection", "connection"), ("ApiDestination", "api-destination")];
    if let Some((_, kind)) = own.iter().find(|(of, _)| operation.ends_with(of)) {
        return Subject::Own(format!("{kind}/{}", input.text("Name").unwrap_or("*")));
    }
    if let Some((name, kind)) = OWN.iter().find_map(|(member, kind)| Some((input.text(member)?, kind))) {
        return Subject::Own(format!("{kind}/{name}"));
    }
    let bus = BusName::of(cx, input.text("EventBusName"));
    let named = if operation.ends_with("Rule") { input.text("Name") } else { None };
    match named.or(input.text("Rule")) {
        Some(rule) => Subject::Rule(bus, rule.to_owned()),
        None if operation.ends_with("EventBus") => Subject::Bus(BusName::of(cx, input.text("Name"))),
        None => Subject::Bus(bus),
    }
}

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<Vec<Access>> {
    if operation.name == "PutEvents" {
        return of_entries(cx, input);
    }
    let action = format!("events:{}", operation.name);
    if OF_ACCOUNT.contains(&operation.name) {
        return Ok(vec![Access::new(action, "*")]);
    }
    let from = cx.read();
    let (resource, bus, rule) = match subject(cx, operation.name, input) {
        Subject::Own(resource) => {
            let mut needed = vec![Access::new(action, cx.arn("events", &resource))];
            needed.append(&mut passed(cx, input));
            return Ok(needed);
        }
        Subject::Source(resource) => {
            let (partition, region) = (regions::partition(cx.region()), cx.region());
            return Ok(vec![Access::new(action, format!("arn:{partition}:events:{region}::{resource}"))]);
        }
        Subject::Bus(bus) => (bus.arn(), bus, None),
        Subject::Rule(bus, rule) => (bus.rule_arn(&rule), bus, Some(rule)),
    };
    let mut access = Access::new(action, resource);
    describe_rule(&mut access, input);
    describe_targets(&mut access, input);
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    if let Some(rule) = rule.map(|rule| RULES.get(&from, &(bus.key(), &rule))).transpose()?.flatten() {
        access.context.set("events:creatorAccount", rule.created_by);
        if let Some(by) = rule.managed_by {
            access.context.set("events:ManagedBy", by);
        }
    }
    let mut needed = vec![guarded(cx, &from, access, &bus)?];
    needed.append(&mut passed(cx, input));
    Ok(needed)
}

/// The tags of what a call is about.
pub(crate) fn conditions(cx: &Cx, operation: &'static Operation, input: &Fields) -> Result<MapContext> {
    let mut context = MapContext::new();
    let of = match subject(cx, operation.name, input) {
        Subject::Bus(bus) => Tagged::Bus(bus),
        Subject::Rule(bus, rule) => Tagged::Rule(bus, rule),
        Subject::Own(_) | Subject::Source(_) => return Ok(context),
    };
    // What is not there has no tags, and the operation says so.
    if let Ok(tags) = tags::of(&cx.read(), &of) {
        for (key, value) in tags {
            context.set(&format!("aws:ResourceTag/{key}"), value);
        }
    }
    Ok(context)
}
