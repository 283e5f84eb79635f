//! Versions of state machines, which stay as they are, and aliases, which lead to one or two of them.
//!
//! Source: "State machine versions" and "State machine aliases" in the developer guide.

use undercast_kernel::store::{Order, Read, Tx};
use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, errors, input, output};
use crate::arns::{MachineArn, Qualifier, of_qualified};
use crate::error::{bad_token, invalid_arn, no_machine, no_resource, validation};
use crate::machines::page_size;
use crate::rows::{ALIASES, Alias, MACHINES, Machine, Route, VERSIONS, Version, moment};

/// A machine has so many versions at most, and so many aliases.
const MOST_VERSIONS: usize = 1000;
const MOST_ALIASES: usize = 100;

fn place<'a>(cx: &'a Cx, machine: &'a str) -> (&'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), machine)
}

fn version_key<'a>(cx: &'a Cx, machine: &'a str, number: u64) -> (&'a str, &'a str, &'a str, u64) {
    (cx.account(), cx.region(), machine, number)
}

fn alias_key<'a>(cx: &'a Cx, machine: &'a str, name: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), machine, name)
}

/// Makes a version of a machine's newest revision, unless the last one is of it. The machine is written by whoever calls.
pub(crate) fn publish(cx: &Cx, tx: &mut Tx<'_>, machine: &mut Machine, description: Option<String>) -> Result<Version> {
    let place = (cx.account(), cx.region(), machine.name.clone());
    let place = (place.0, place.1, place.2.as_str());
    let last = VERSIONS.page(tx, &place, None::<&()>, Order::Descending, 1)?.pop().map(|entry| entry.row);
    if let Some(last) = last.filter(|last| last.revision == machine.revision) {
        return Ok(last);
    }
    if VERSIONS.all(tx, &place)?.len() >= MOST_VERSIONS {
        let why = format!("The number of versions of a state machine is limited to {MOST_VERSIONS}.");
        return Err(errors::service_quota_exceeded_exception(why).into());
    }
    machine.published += 1;
    let version = Version {
        number: machine.published,
        revision: machine.revision.clone(),
        description,
        created: cx.now_millis(),
    };
    VERSIONS.put(tx, &version_key(cx, &machine.name, version.number), &version);
    Ok(version)
}

pub(crate) async fn publish_version(
    cx: &Cx,
    input: api::PublishStateMachineVersionInput,
) -> Result<api::PublishStateMachineVersionOutput> {
    let arn = MachineArn::unqualified(cx, &input.state_machine_arn)?;
    let name = arn.name.as_str();
    let version = cx
        .write(|tx| {
            let mut machine = Machine::find(cx, tx, name)?.ok_or_else(|| no_machine(&input.state_machine_arn))?;
            let current = machine.revision(cx, tx, &machine.revision)?;
            // A machine that was never updated has a revision whose id is INITIAL.
            let id = current.shown_id().unwrap_or_else(|| "INITIAL".to_owned());
            if input.revision_id.as_ref().is_some_and(|wanted| *wanted != id) {
                let why = format!("Failed to publish the State Machine version for revision {id}. The current State Machine revision is {id}.");
                return Err(errors::conflict_exception(why).into());
            }
            let version = publish(cx, tx, &mut machine, input.description.clone())?;
            MACHINES.put(tx, &cx.key(name), &machine);
            Ok(version)
        })
        .await?;
    Ok(api::PublishStateMachineVersionOutput {
        creation_date: moment(version.created),
        state_machine_version_arn: of_qualified(cx, name, &version.number.to_string()),
    })
}

pub(crate) fn list_versions(
    cx: &Cx,
    input: &api::ListStateMachineVersionsInput,
) -> Result<api::ListStateMachineVersionsOutput> {
    let arn = MachineArn::unqualified(cx, &input.state_machine_arn)?;
    let all = VERSIONS.page(&cx.read(), &place(cx, &arn.name), None::<&()>, Order::Descending, usize::MAX)?;
    let shown = all.into_iter().map(|entry| output::StateMachineVersionListItem {
        state_machine_version_arn: of_qualified(cx, &arn.name, &entry.row.number.to_string()),
        creation_date: moment(entry.row.created),
    });
    let (scope, size) = (format!("ListStateMachineVersions/{}", arn.name), page_size(input.max_results));
    let page = paging::page(&scope, shown.collect(), input.next_token.as_deref(), size).ok_or_else(bad_token)?;
    Ok(api::ListStateMachineVersionsOutput { state_machine_versions: page.0, next_token: page.1 })
}

/// The number in the ARN of a version.
fn version_of(cx: &Cx, text: &str) -> Result<(String, u64)> {
    let arn = MachineArn::parse(cx, text)?;
    match arn.qualifier {
        Qualifier::Version(number) => Ok((arn.name, number)),
        _ => Err(invalid_arn(format!("Not a state machine version ARN: {text}"))),
    }
}

pub(crate) async fn delete_version(cx: &Cx, input: &api::DeleteStateMachineVersionInput) -> Result<()> {
    let (name, number) = version_of(cx, &input.state_machine_version_arn)?;
    cx.write(|tx| {
        let leading: Vec<String> = aliases(cx, tx, &name)?
            .into_iter()
            .filter(|alias| alias.routes.iter().any(|route| route.version == number))
            .map(|alias| alias.name)
            .collect();
        if !leading.is_empty() {
            let why = format!(
                "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [{}]",
                leading.join(", ")
            );
            return Err(errors::conflict_exception(why).into());
        }
        VERSIONS.delete(tx, &version_key(cx, &name, number));
        Ok(())
    })
    .await
}

fn aliases(cx: &Cx, from: &(impl Read + ?Sized), machine: &str) -> Result<Vec<Alias>> {
    Ok(ALIASES.all(from, &place(cx, machine))?.into_iter().map(|entry| entry.row).collect())
}

/// The version that an execution by an alias gets.
pub(crate) fn route(cx: &Cx, alias: &Alias) -> u64 {
    let mut left = cx.random().below(100);
    for route in &alias.routes {
        if left < u64::from(route.weight) {
            return route.version;
        }
        left -= u64::from(route.weight);
    }
    alias.routes.first().map_or(0, |route| route.version)
}

/// Reads a routing configuration: one or two versions of one machine, which weigh a hundred together.
fn routes(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    said: &[input::RoutingConfigurationListItem],
) -> Result<(String, Vec<Route>)> {
    let mut machine: Option<String> = None;
    let mut routes: Vec<Route> = Vec::new();
    for item in said {
        let (name, number) = version_of(cx, &item.state_machine_version_arn)?;
        if machine.as_ref().is_some_and(|machine| *machine != name) {
            return Err(validation(
                "Routing configuration must contain state machine versions of the same state machine",
            ));
        }
        if routes.iter().any(|route| route.version == number) {
            return Err(validation("Routing configuration must contain distinct state machine version ARNs"));
        }
        if !VERSIONS.has(from, &version_key(cx, &name, number))? {
            return Err(no_resource(&item.state_machine_version_arn));
        }
        machine = Some(name);
        routes.push(Route { version: number, weight: u8::try_from(item.weight).unwrap_or(u8::MAX) });
    }
    if routes.iter().map(|route| u32::from(route.weight)).sum::<u32>() != 100 {
        return Err(validation("Sum of routing configuration weights must equal 100"));
    }
    Ok((machine.unwrap_or_default(), routes))
}

pub(crate) async fn create_alias(
    cx: &Cx,
    input: api::CreateStateMachineAliasInput,
) -> Result<api::CreateStateMachineAliasOutput> {
    let (machine, created) = cx
        .write(|tx| {
            let (machine, routes) = routes(cx, tx, &input.routing_configuration)?;
            let key = alias_key(cx, &machine, &input.name);
            if let Some(there) = ALIASES.get(tx, &key)? {
                if there.routes == routes && there.description == input.description {
                    return Ok((machine, there.created));
                }
                let why = format!(
                    "Failed to create alias because an alias with the same name and a different routing configuration already exists: {}",
                    of_qualified(cx, &machine, &input.name)
                );
                return Err(errors::conflict_exception(why).into());
            }
            if aliases(cx, tx, &machine)?.len() >= MOST_ALIASES {
                let why = format!("The number of aliases of a state machine is limited to {MOST_ALIASES}.");
                return Err(errors::service_quota_exceeded_exception(why).into());
            }
            let (created, updated) = (cx.now_millis(), cx.now_millis());
            let alias =
                Alias { name: input.name.clone(), description: input.description.clone(), routes, created, updated };
            ALIASES.put(tx, &key, &alias);
            Ok((machine, created))
        })
        .await?;
    Ok(api::CreateStateMachineAliasOutput {
        state_machine_alias_arn: of_qualified(cx, &machine, &input.name),
        creation_date: moment(created),
    })
}

/// Machine and name in the ARN of an alias.
fn alias_of(cx: &Cx, text: &str) -> Result<(String, String)> {
    let arn = MachineArn::parse(cx, text)?;
    match arn.qualifier {
        Qualifier::Alias(name) => Ok((arn.name, name)),
        _ => Err(invalid_arn(format!("Not a state machine alias ARN: {text}"))),
    }
}

pub(crate) fn describe_alias(
    cx: &Cx,
    input: &api::DescribeStateMachineAliasInput,
) -> Result<api::DescribeStateMachineAliasOutput> {
    let arn = input.state_machine_alias_arn.as_str();
    let (machine, name) = alias_of(cx, arn)?;
    let alias = ALIASES.get(&cx.read(), &alias_key(cx, &machine, &name))?.ok_or_else(|| no_resource(arn))?;
    let shown = alias.routes.iter().map(|route| output::RoutingConfigurationListItem {
        state_machine_version_arn: of_qualified(cx, &machine, &route.version.to_string()),
        weight: i32::from(route.weight),
    });
    Ok(api::DescribeStateMachineAliasOutput {
        state_machine_alias_arn: Some(arn.to_owned()),
        description: alias.description,
        routing_configuration: Some(shown.collect()),
        creation_date: Some(moment(alias.created)),
        update_date: Some(moment(alias.updated)),
        name: Some(alias.name),
    })
}

pub(crate) async fn update_alias(
    cx: &Cx,
    input: api::UpdateStateMachineAliasInput,
) -> Result<api::UpdateStateMachineAliasOutput> {
    let arn = input.state_machine_alias_arn.as_str();
    let (machine, name) = alias_of(cx, arn)?;
    if input.description.is_none() && input.routing_configuration.is_none() {
        return Err(validation("Either the description or the routing configuration must be specified"));
    }
    cx.write(|tx| {
        let key = alias_key(cx, &machine, &name);
        let mut alias = ALIASES.get(tx, &key)?.ok_or_else(|| no_resource(arn))?;
        if let Some(said) = &input.routing_configuration {
            let (of, routes) = routes(cx, tx, said)?;
            if of != machine {
                return Err(validation("Routing configuration must contain versions of the alias's state machine"));
            }
            alias.routes = routes;
        }
        if input.description.is_some() {
            alias.description.clone_from(&input.description);
        }
        alias.updated = cx.now_millis();
        ALIASES.put(tx, &key, &alias);
        Ok(())
    })
    .await?;
    Ok(api::UpdateStateMachineAliasOutput { update_date: cx.now() })
}

pub(crate) async fn delete_alias(cx: &Cx, input: &api::DeleteStateMachineAliasInput) -> Result<()> {
    let arn = input.state_machine_alias_arn.as_str();
    let (machine, name) = alias_of(cx, arn)?;
    cx.write(|tx| {
        let key = alias_key(cx, &machine, &name);
        if !ALIASES.has(tx, &key)? {
            return Err(no_resource(arn));
        }
        ALIASES.delete(tx, &key);
        Ok(())
    })
    .await
}

/// Of a machine, or of one of its versions.
pub(crate) fn list_aliases(
    cx: &Cx,
    input: &api::ListStateMachineAliasesInput,
) -> Result<api::ListStateMachineAliasesOutput> {
    let text = input.state_machine_arn.as_str();
    let (arn, from) = (MachineArn::parse(cx, text)?, cx.read());
    Machine::find(cx, &from, &arn.name)?.ok_or_else(|| no_machine(text))?;
    let leads = |alias: &Alias| match arn.qualifier {
        Qualifier::Version(number) => alias.routes.iter().any(|route| route.version == number),
        _ => true,
    };
    match &arn.qualifier {
        Qualifier::Version(number) if !VERSIONS.has(&from, &version_key(cx, &arn.name, *number))? => {
            return Err(no_resource(text));
        }
        Qualifier::Alias(_) => return Err(invalid_arn(format!("Not a state machine or version ARN: {text}"))),
        _ => {}
    }
    let shown =
        aliases(cx, &from, &arn.name)?.into_iter().filter(leads).map(|alias| output::StateMachineAliasListItem {
            state_machine_alias_arn: of_qualified(cx, &arn.name, &alias.name),
            creation_date: moment(alias.created),
        });
    let (scope, size) = (format!("ListStateMachineAliases/{text}"), page_size(input.max_results));
    let page = paging::page(&scope, shown.collect(), input.next_token.as_deref(), size).ok_or_else(bad_token)?;
    Ok(api::ListStateMachineAliasesOutput { state_machine_aliases: page.0, next_token: page.1 })
}
