//! Discoverers: CreateDiscoverer and its kin.
//!
//! A discoverer has a rule on its bus, which no one but the service may change, and whose target is the discoverer itself. The rule
//! follows what is stored of the discoverer: the call that changes it sees to that at once, and a task does where the call was cut
//! short.
//!
//! Source: such a rule, as users of AWS show it (its name, its words, its pattern: events of AWS's own services are left out, those of
//! partners are not); "Creating a schema from events on an event bus" in the user guide.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::api::{self, output};
use crate::error::{bad, conflict, missing, page, too_many};
use crate::rows::{DISCOVERERS, Discoverer};
use crate::{SERVICE, role, tags};

/// The kind of the tasks that see to the rule of a discoverer.
pub(crate) const KIND: &str = "rule";
/// What a call did not do in this time is done for it.
const GRACE: Duration = Duration::from_secs(5);
/// An account has so many by default.
const MOST: usize = 10;
/// What EventBridge says of what is not there.
const GONE: &str = "ResourceNotFoundException";

/// The discoverer of a call.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Discoverer> {
    DISCOVERERS.get(from, &cx.key(id))?.ok_or_else(|| missing(format!("Discoverer with id {id} does not exist.")))
}

pub(crate) fn arn(cx: &Cx, id: &str) -> String {
    cx.arn(SERVICE, &format!("discoverer/{id}"))
}

fn state(discoverer: &Discoverer) -> String {
    if discoverer.started { "STARTED" } else { "STOPPED" }.to_owned()
}

/// The name of a bus by its ARN, which must be of this account and region.
fn bus_of(cx: &Cx, source: &str) -> Result<String> {
    let arn = Arn::parse(source).filter(|arn| arn.service == "events");
    let here = arn.filter(|arn| arn.account == cx.account() && arn.region == cx.region());
    let name = here.and_then(|arn| arn.resource.strip_prefix("event-bus/").map(str::to_owned));
    name.ok_or_else(|| bad(format!("SourceArn {source} is not an event bus of this account and Region.")).into())
}

fn task_id(cx: &Cx, id: &str) -> String {
    format!("{KIND}/{}/{}/{id}", cx.account(), cx.region())
}

/// Writes down that the rule is to be seen to.
fn plan(cx: &Cx, tx: &mut Tx<'_>, id: &str, bus: &str) -> Result<()> {
    let due = cx.now().checked_add(GRACE).map_err(Failure::broken)?;
    let payload = json!({"discoverer": id, "bus": bus}).to_string();
    cx.tasks().schedule(cx, tx, SERVICE, &task_id(cx, id), KIND, payload, due)
}

/// What the rule of a discoverer wants.
fn pattern(cx: &Cx, discoverer: &Discoverer) -> Json {
    let mut pattern = json!({"source": [{"prefix": "aws.partner/"}, {"anything-but": {"prefix": "aws."}}]});
    if !discoverer.cross_account {
        pattern["account"] = json!([cx.account()]);
    }
    pattern
}

fn unless_gone(done: Result<Json>) -> Result<()> {
    match done {
        Err(Failure::Aws(error)) if error.code == GONE => Ok(()),
        other => other.map(drop),
    }
}

/// Has the rule be as the discoverer is: it is there or not, and in force or not.
async fn follow(cx: &Cx, id: &str, bus: &str) -> Result<()> {
    let rule = format!("Schemas-{id}");
    let caller = role::session(cx);
    let Some(discoverer) = DISCOVERERS.get(&cx.read(), &cx.key(id))? else {
        let targets = json!({"EventBusName": bus, "Rule": rule, "Ids": [id], "Force": true});
        unless_gone(caller.call("events", "RemoveTargets", targets).await)?;
        let input = json!({"EventBusName": bus, "Name": rule, "Force": true});
        return unless_gone(caller.call("events", "DeleteRule", input).await);
    };
    let state = if discoverer.started { "ENABLED" } else { "DISABLED" };
    let input = json!({
        "EventBusName": bus, "Name": rule, "State": state, "EventPattern": pattern(cx, &discoverer).to_string(),
        "Description": "This rule is used to route Events to Schema Discoverer",
    });
    caller.call("events", "PutRule", input).await?;
    let targets = json!([{"Id": id, "Arn": arn(cx, id)}]);
    caller.call("events", "PutTargets", json!({"EventBusName": bus, "Rule": rule, "Targets": targets})).await.map(drop)
}

/// The same for a call that planned it.
async fn follow_now(cx: &Cx, id: &str, bus: &str) -> Result<()> {
    match follow(cx, id, bus).await {
        Err(Failure::Aws(error)) if error.code == GONE => return Err(missing(error.message)),
        other => other?,
    }
    cx.write(|tx| cx.tasks().cancel(tx, SERVICE, &task_id(cx, id))).await
}

/// Does what a call was to do and did not come to.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let named = |name: &str| told[name].as_str().unwrap_or_default();
    match follow(cx, named("discoverer"), named("bus")).await {
        // The bus has gone, and its rules with it.
        Err(Failure::Aws(error)) if error.code == GONE => Ok(Next::Done),
        other => other.map(|()| Next::Done),
    }
}

/// Whether there can be one more, with this id.
fn check_room(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<()> {
    if DISCOVERERS.has(from, &cx.key(id))? {
        return Err(conflict(format!("Discoverer with id {id} already exists.")));
    }
    if DISCOVERERS.all(from, &(cx.account(), cx.region()))?.len() >= MOST {
        return Err(too_many("discoverers", MOST));
    }
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateDiscovererInput) -> Result<api::CreateDiscovererOutput> {
    let bus = bus_of(cx, &input.source_arn)?;
    let id = format!("events-event-bus-{}", bus.replace('/', "-"));
    let discoverer = Discoverer {
        id: id.clone(),
        source: input.source_arn,
        description: input.description,
        cross_account: input.cross_account.unwrap_or(true),
        started: true,
        tags: tags::given(input.tags)?,
    };
    let described = cx.kernel().cx_for(cx.account(), cx.region()).through(role::PRINCIPAL);
    match described.call("events", "DescribeEventBus", json!({"Name": bus})).await {
        Err(Failure::Aws(error)) if error.code == GONE => return Err(bad(error.message).into()),
        other => drop(other?),
    }
    check_room(cx, &cx.read(), &id)?;
    role::make(cx).await?;
    cx.write(|tx| {
        check_room(cx, tx, &id)?;
        DISCOVERERS.put(tx, &cx.key(&id), &discoverer);
        plan(cx, tx, &id, &bus)
    })
    .await?;
    if let Err(failure) = follow_now(cx, &id, &bus).await {
        // What has no rule is none. The task takes away what there may be of it.
        cx.write(|tx| {
            DISCOVERERS.delete(tx, &cx.key(&id));
            Ok(())
        })
        .await?;
        return Err(failure);
    }
    Ok(api::CreateDiscovererOutput {
        discoverer_arn: Some(arn(cx, &id)),
        state: Some(state(&discoverer)),
        description: discoverer.description,
        discoverer_id: Some(id),
        source_arn: Some(discoverer.source),
        cross_account: Some(discoverer.cross_account),
        tags: Some(discoverer.tags),
    })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteDiscovererInput) -> Result<()> {
    let id = input.discoverer_id.as_str();
    let bus = cx
        .write(|tx| {
            let bus = bus_of(cx, &find(cx, tx, id)?.source)?;
            DISCOVERERS.delete(tx, &cx.key(id));
            plan(cx, tx, id, &bus)?;
            Ok(bus)
        })
        .await?;
    follow_now(cx, id, &bus).await
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeDiscovererInput) -> Result<api::DescribeDiscovererOutput> {
    let discoverer = find(cx, &cx.read(), &input.discoverer_id)?;
    Ok(api::DescribeDiscovererOutput {
        discoverer_arn: Some(arn(cx, &discoverer.id)),
        state: Some(state(&discoverer)),
        description: discoverer.description,
        discoverer_id: Some(discoverer.id),
        source_arn: Some(discoverer.source),
        cross_account: Some(discoverer.cross_account),
        tags: Some(discoverer.tags),
    })
}

/// Changes a discoverer, and its rule with it.
async fn change(cx: &Cx, id: &str, change: impl Fn(&mut Discoverer)) -> Result<Discoverer> {
    let (discoverer, bus) = cx
        .write(|tx| {
            let mut discoverer = find(cx, tx, id)?;
            change(&mut discoverer);
            DISCOVERERS.put(tx, &cx.key(id), &discoverer);
            let bus = bus_of(cx, &discoverer.source)?;
            plan(cx, tx, id, &bus)?;
            Ok((discoverer, bus))
        })
        .await?;
    follow_now(cx, id, &bus).await?;
    Ok(discoverer)
}

/// What is not said of it stays as it is.
pub(crate) async fn update(cx: &Cx, input: api::UpdateDiscovererInput) -> Result<api::UpdateDiscovererOutput> {
    let discoverer = change(cx, &input.discoverer_id, |discoverer| {
        if let Some(description) = &input.description {
            discoverer.description = Some(description.clone());
        }
        discoverer.cross_account = input.cross_account.unwrap_or(discoverer.cross_account);
    })
    .await?;
    Ok(api::UpdateDiscovererOutput {
        discoverer_arn: Some(arn(cx, &discoverer.id)),
        state: Some(state(&discoverer)),
        description: discoverer.description,
        discoverer_id: Some(discoverer.id),
        source_arn: Some(discoverer.source),
        cross_account: Some(discoverer.cross_account),
        tags: Some(discoverer.tags),
    })
}

pub(crate) async fn start(cx: &Cx, input: &api::StartDiscovererInput) -> Result<api::StartDiscovererOutput> {
    let started = change(cx, &input.discoverer_id, |discoverer| discoverer.started = true).await?;
    Ok(api::StartDiscovererOutput { state: Some(state(&started)), discoverer_id: Some(started.id) })
}

pub(crate) async fn stop(cx: &Cx, input: &api::StopDiscovererInput) -> Result<api::StopDiscovererOutput> {
    let stopped = change(cx, &input.discoverer_id, |discoverer| discoverer.started = false).await?;
    Ok(api::StopDiscovererOutput { state: Some(state(&stopped)), discoverer_id: Some(stopped.id) })
}

pub(crate) fn list(cx: &Cx, input: &api::ListDiscoverersInput) -> Result<api::ListDiscoverersOutput> {
    let id = input.discoverer_id_prefix.as_deref().unwrap_or("");
    let source = input.source_arn_prefix.as_deref().unwrap_or("");
    let rows = DISCOVERERS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let wanted = rows.filter(|row| row.id.starts_with(id) && row.source.starts_with(source));
    let shown = wanted.map(|discoverer| output::DiscovererSummary {
        discoverer_arn: Some(arn(cx, &discoverer.id)),
        state: Some(state(&discoverer)),
        discoverer_id: Some(discoverer.id),
        source_arn: Some(discoverer.source),
        cross_account: Some(discoverer.cross_account),
        tags: Some(discoverer.tags),
    });
    let scope = format!("ListDiscoverers/{id}/{source}");
    let (found, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.limit)?;
    Ok(api::ListDiscoverersOutput { discoverers: Some(found), next_token })
}
