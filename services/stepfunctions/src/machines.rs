//! State machines: made, updated, described, listed, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercast_asl as asl;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, input, output};
use crate::arns::{self, MachineArn, Qualifier};
use crate::error::{bad_token, check_name, invalid_arn, no_machine, validation};
use crate::resource::Resource;
use crate::rows::{
    ALIASES, Level, Logging, MACHINES, Machine, REVISIONS, Revision, VERSIONS, Version, moment, revision_key,
};
use crate::runtime::Runtime;
use crate::{tags, versions};

/// A page has so many.
pub(crate) const PAGE: usize = 100;

/// How large a page of a list is.
pub(crate) fn page_size(wanted: Option<i32>) -> usize {
    wanted.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(PAGE)
}

/// Reads a definition, and refuses one that the language does not allow, or whose tasks nobody here does.
pub(crate) fn read(cx: &Cx, definition: &str, express: bool) -> Result<asl::Machine> {
    let machine = asl::read(definition, &asl::Limits { express })
        .map_err(|wrong| errors::invalid_definition(asl::refusal(&wrong)))?;
    check_states(cx, &machine)?;
    Ok(machine)
}

/// Refuses states that nobody here can do.
fn check_states(cx: &Cx, machine: &asl::Machine) -> Result<()> {
    for state in machine.states.values() {
        match &state.kind {
            asl::Kind::Task(task) => Resource::parse(&task.resource).and_then(|resource| resource.check(cx))?,
            asl::Kind::Parallel(branches) => branches.iter().try_for_each(|branch| check_states(cx, branch))?,
            asl::Kind::Map(map) => {
                check_map(map)?;
                check_states(cx, &map.processor)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses what nobody here does for the items of a map.
fn check_map(map: &asl::Map) -> Result<()> {
    let express = map.processor.processor_config.as_ref().and_then(|config| config.execution_type);
    if express == Some(asl::ExecutionType::Express) {
        return Err(Failure::not_built("express executions of distributed maps"));
    }
    let Some(reader) = &map.item_reader else { return Ok(()) };
    if reader.config.input_type == Some(asl::InputType::Parquet) {
        return Err(Failure::not_built("items of maps in Parquet"));
    }
    match reader.resource.split_once(":::").map(|(_, call)| call) {
        Some("s3:getObject" | "s3:listObjectsV2") => Ok(()),
        _ => Err(Failure::not_built(format!("items of maps from {}", reader.resource))),
    }
}

fn logging_of(said: Option<&input::LoggingConfiguration>) -> Result<Logging> {
    let Some(said) = said else { return Ok(Logging::default()) };
    let invalid = |why: &str| -> Failure {
        errors::invalid_logging_configuration(format!("Invalid Logging Configuration: {why}")).into()
    };
    let level = said.level.as_deref().map_or(Level::Off, Level::named);
    let destinations = said.destinations.as_deref().unwrap_or_default();
    if destinations.len() > 1 {
        return Err(invalid("There must be exactly one Log Destination."));
    }
    let group = destinations.first().and_then(|to| to.cloud_watch_logs_log_group.as_ref()?.log_group_arn.clone());
    if level != Level::Off && group.is_none() {
        return Err(invalid("Must specify exactly one Log Destination."));
    }
    if let Some(group) = &group {
        let arn = Arn::parse(group).filter(|arn| arn.service == "logs" && arn.resource.starts_with("log-group:"));
        if !arn.is_some_and(|arn| arn.resource.ends_with(":*")) {
            return Err(invalid("The destination is not a log group's ARN that ends with ':*'."));
        }
    }
    Ok(Logging { level, data: said.include_execution_data == Some(true), group })
}

/// The log group of a configuration must be there.
async fn check_group(cx: &Cx, logging: &Logging) -> Result<()> {
    let Some(arn) = logging.group.as_deref().and_then(Arn::parse) else { return Ok(()) };
    let name = arn.resource.trim_start_matches("log-group:").trim_end_matches(":*");
    let input = serde_json::json!({"logGroupNamePrefix": name});
    let there = cx.kernel().cx_for(&arn.account, &arn.region).through(crate::DELIVERY);
    let found = there.call("logs", "DescribeLogGroups", input).await?;
    let groups = found["logGroups"].as_array().into_iter().flatten();
    if groups.into_iter().any(|group| group["logGroupName"] == name) {
        return Ok(());
    }
    let why = "Invalid Logging Configuration: The CloudWatch Logs Resource Policy size was exceeded or the log group does not exist.";
    Err(errors::invalid_logging_configuration(why).into())
}

fn shown_logging(logging: &Logging) -> output::LoggingConfiguration {
    let to = |arn: &String| output::LogDestination {
        cloud_watch_logs_log_group: Some(output::CloudWatchLogsLogGroup { log_group_arn: Some(arn.clone()) }),
    };
    output::LoggingConfiguration {
        level: Some(logging.level.name().to_owned()),
        include_execution_data: Some(logging.data),
        destinations: logging.group.as_ref().map(|arn| vec![to(arn)]),
    }
}

/// What only AWS's own keys and no tracing are built for.
fn check_settings(
    encryption: Option<&input::EncryptionConfiguration>,
    tracing: Option<&input::TracingConfiguration>,
) -> Result<()> {
    if let Some(encryption) = encryption {
        check_encryption(encryption)?;
    }
    if tracing.is_some_and(|tracing| tracing.enabled == Some(true)) {
        return Err(Failure::not_built("tracing by X-Ray"));
    }
    Ok(())
}

/// Executions are sealed with keys that AWS owns, which is to say with none that a user could see.
pub(crate) fn check_encryption(said: &input::EncryptionConfiguration) -> Result<()> {
    if said.type_ == "CUSTOMER_MANAGED_KMS_KEY" {
        return Err(Failure::not_built("state machines with keys of KMS"));
    }
    if said.kms_key_id.is_some() || said.kms_data_key_reuse_period_seconds.is_some() {
        let why = "Invalid Encryption Configuration: a key must not be given with the type AWS_OWNED_KEY.";
        return Err(errors::invalid_encryption_configuration(why).into());
    }
    Ok(())
}

pub(crate) fn check_role(cx: &Cx, role: &str) -> Result<()> {
    let arn = Arn::parse(role).filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
    let arn = arn.ok_or_else(|| invalid_arn(format!("Invalid Role Arn: {role}")))?;
    if arn.account != cx.account() {
        return Err(undercast_kernel::AwsError::new(
            "AccessDeniedException",
            400,
            "Cross-account pass role is not allowed.",
        )
        .into());
    }
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateStateMachineInput) -> Result<api::CreateStateMachineOutput> {
    check_name(&input.name)?;
    check_role(cx, &input.role_arn)?;
    check_settings(input.encryption_configuration.as_ref(), input.tracing_configuration.as_ref())?;
    let express = input.type_.as_deref() == Some("EXPRESS");
    read(cx, &input.definition, express)?;
    let logging = logging_of(input.logging_configuration.as_ref())?;
    check_group(cx, &logging).await?;
    if input.version_description.is_some() && input.publish != Some(true) {
        return Err(validation("Version description can only be set when publish is true"));
    }
    let given = tags::given(input.tags.as_deref().unwrap_or_default());
    let arn = arns::of_machine(cx, &input.name);
    tags::check(&given, 0, &arn)?;
    let revision = Revision {
        id: cx.random().uuid(),
        definition: input.definition,
        role: input.role_arn,
        logging,
        updated: cx.now_millis(),
        first: true,
    };
    let (id, name) = (cx.random().uuid(), input.name.as_str());
    let (created, version) = cx
        .write(|tx| {
            if let Some(there) = Machine::find(cx, tx, name)? {
                return repeated(cx, tx, &there, &revision, express).map(|()| (there.created, None));
            }
            let mut machine = Machine {
                name: name.to_owned(),
                id: id.clone(),
                created: cx.now_millis(),
                express,
                revision: revision.id.clone(),
                tags: given.clone(),
                published: 0,
            };
            REVISIONS.put(tx, &revision_key(cx, &id, &revision.id), &revision);
            let version = match input.publish {
                Some(true) => Some(versions::publish(cx, tx, &mut machine, input.version_description.clone())?),
                _ => None,
            };
            MACHINES.put(tx, &cx.key(name), &machine);
            Ok((machine.created, version))
        })
        .await?;
    Ok(api::CreateStateMachineOutput {
        state_machine_arn: arn,
        creation_date: moment(created),
        state_machine_version_arn: version.map(|version| arns::of_qualified(cx, name, &version.number.to_string())),
    })
}

/// A machine that is made again as it is answers as if it were made; with another definition, role or type it is refused.
fn repeated(cx: &Cx, tx: &Tx<'_>, there: &Machine, wanted: &Revision, express: bool) -> Result<()> {
    let current = there.revision(cx, tx, &there.revision)?;
    let same = current.definition == wanted.definition && current.role == wanted.role && there.express == express;
    if same && current.logging == wanted.logging {
        return Ok(());
    }
    Err(errors::state_machine_already_exists(format!("State Machine Already Exists: '{}'", there.arn(cx))).into())
}

pub(crate) async fn update(cx: &Cx, input: api::UpdateStateMachineInput) -> Result<api::UpdateStateMachineOutput> {
    let arn = MachineArn::unqualified(cx, &input.state_machine_arn)?;
    let name = arn.name.as_str();
    check_settings(input.encryption_configuration.as_ref(), input.tracing_configuration.as_ref())?;
    let said = [input.definition.is_some(), input.role_arn.is_some(), input.logging_configuration.is_some()];
    let more =
        [input.tracing_configuration.is_some(), input.encryption_configuration.is_some(), input.publish == Some(true)];
    if !said.iter().chain(&more).any(|is| *is) {
        return Err(errors::missing_required_parameter("Either the definition, the role ARN, the LoggingConfiguration, the TracingConfiguration or the EncryptionConfiguration must be specified").into());
    }
    if input.version_description.is_some() && input.publish != Some(true) {
        return Err(validation("Version description can only be set when publish is true"));
    }
    let there = Machine::find(cx, &cx.read(), name)?.ok_or_else(|| no_machine(&input.state_machine_arn))?;
    if let Some(role) = &input.role_arn {
        check_role(cx, role)?;
    }
    if let Some(definition) = &input.definition {
        read(cx, definition, there.express)?;
    }
    let logging = input.logging_configuration.as_ref().map(|said| logging_of(Some(said))).transpose()?;
    if let Some(logging) = &logging {
        check_group(cx, logging).await?;
    }
    let id = cx.random().uuid();
    let version = cx
        .write(|tx| {
            let mut machine = Machine::find(cx, tx, name)?.ok_or_else(|| no_machine(&input.state_machine_arn))?;
            let current = machine.revision(cx, tx, &machine.revision)?;
            let revision = Revision {
                id: id.clone(),
                definition: input.definition.clone().unwrap_or(current.definition),
                role: input.role_arn.clone().unwrap_or(current.role),
                logging: logging.clone().unwrap_or(current.logging),
                updated: cx.now_millis(),
                first: false,
            };
            REVISIONS.put(tx, &revision_key(cx, &machine.id, &id), &revision);
            machine.revision.clone_from(&id);
            let version = match input.publish {
                Some(true) => Some(versions::publish(cx, tx, &mut machine, input.version_description.clone())?),
                _ => None,
            };
            MACHINES.put(tx, &cx.key(name), &machine);
            Ok(version)
        })
        .await?;
    Ok(api::UpdateStateMachineOutput {
        update_date: cx.now(),
        revision_id: Some(id),
        state_machine_version_arn: version.map(|version| arns::of_qualified(cx, name, &version.number.to_string())),
    })
}

/// What an ARN names: the machine, and which of its revisions. Of an alias one of its versions, by chance.
pub(crate) struct Named {
    pub(crate) machine: Machine,
    pub(crate) revision: Revision,
    pub(crate) version: Option<Version>,
    pub(crate) alias: Option<String>,
}

pub(crate) fn named(cx: &Cx, from: &(impl undercast_kernel::store::Read + ?Sized), text: &str) -> Result<Named> {
    let arn = MachineArn::parse(cx, text)?;
    let machine = Machine::find(cx, from, &arn.name)?.ok_or_else(|| no_machine(text))?;
    let (number, alias) = match arn.qualifier {
        Qualifier::None => {
            let revision = machine.revision(cx, from, &machine.revision)?;
            return Ok(Named { machine, revision, version: None, alias: None });
        }
        Qualifier::Version(number) => (number, None),
        Qualifier::Alias(name) => {
            let key = (cx.account(), cx.region(), arn.name.as_str(), name.as_str());
            let alias = ALIASES.get(from, &key)?.ok_or_else(|| no_machine(text))?;
            (versions::route(cx, &alias), Some(name))
        }
    };
    let key = (cx.account(), cx.region(), arn.name.as_str(), number);
    let version = VERSIONS.get(from, &key)?.ok_or_else(|| no_machine(text))?;
    let revision = machine.revision(cx, from, &version.revision)?;
    Ok(Named { machine, revision, version: Some(version), alias })
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeStateMachineInput) -> Result<api::DescribeStateMachineOutput> {
    let found = named(cx, &cx.read(), &input.state_machine_arn)?;
    let description = found.version.as_ref().and_then(|version| version.description.clone());
    let metadata = input.included_data.as_deref() == Some("METADATA_ONLY");
    let definition = if metadata { String::new() } else { found.revision.definition.clone() };
    Ok(api::DescribeStateMachineOutput {
        state_machine_arn: input.state_machine_arn.clone(),
        name: found.machine.name.clone(),
        status: Some("ACTIVE".to_owned()),
        definition,
        role_arn: found.revision.role.clone(),
        type_: found.machine.kind().to_owned(),
        creation_date: moment(found.version.as_ref().map_or(found.machine.created, |version| version.created)),
        logging_configuration: Some(shown_logging(&found.revision.logging)),
        tracing_configuration: Some(output::TracingConfiguration { enabled: Some(false) }),
        label: None,
        revision_id: found.revision.shown_id(),
        description,
        encryption_configuration: Some(owned_key()),
        variable_references: references(&found.revision.definition).filter(|_| !metadata),
    })
}

/// The variables that each state of a definition refers to.
fn references(definition: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let found = asl::Machine::parse(definition).ok()?.variable_references();
    (!found.is_empty()).then(|| found.into_iter().collect())
}

pub(crate) fn owned_key() -> output::EncryptionConfiguration {
    output::EncryptionConfiguration {
        type_: "AWS_OWNED_KEY".to_owned(),
        kms_key_id: None,
        kms_data_key_reuse_period_seconds: None,
    }
}

/// The same, as the execution with that revision has it.
pub(crate) fn describe_for_execution(
    cx: &Cx,
    input: &api::DescribeStateMachineForExecutionInput,
) -> Result<api::DescribeStateMachineForExecutionOutput> {
    let from = cx.read();
    let execution = crate::executions::find(cx, &from, &input.execution_arn)?;
    let revision = REVISIONS.get(&from, &revision_key(cx, &execution.machine_id, &execution.revision))?;
    let revision = revision.ok_or_else(|| cx.broken("an execution without its revision"))?;
    let metadata = input.included_data.as_deref() == Some("METADATA_ONLY");
    let (name, label) =
        execution.machine.split_once('/').map_or((execution.machine.as_str(), None), |(n, l)| (n, Some(l)));
    Ok(api::DescribeStateMachineForExecutionOutput {
        state_machine_arn: execution.machine_arn(cx),
        name: name.to_owned(),
        definition: if metadata { String::new() } else { revision.definition.clone() },
        role_arn: revision.role.clone(),
        update_date: moment(revision.updated),
        logging_configuration: Some(shown_logging(&revision.logging)),
        tracing_configuration: Some(output::TracingConfiguration { enabled: Some(false) }),
        map_run_arn: execution.map_run.as_ref().map(|(arn, _)| arn.clone()),
        label: label.map(ToOwned::to_owned),
        revision_id: revision.shown_id(),
        encryption_configuration: Some(owned_key()),
        variable_references: references(&revision.definition).filter(|_| !metadata),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListStateMachinesInput) -> Result<api::ListStateMachinesOutput> {
    let all = MACHINES.all(&cx.read(), &(cx.account(), cx.region()))?;
    let shown: Vec<_> = all
        .into_iter()
        .map(|entry| output::StateMachineListItem {
            state_machine_arn: entry.row.arn(cx),
            type_: entry.row.kind().to_owned(),
            creation_date: moment(entry.row.created),
            name: entry.row.name,
        })
        .collect();
    let size = page_size(input.max_results);
    let page = paging::page("ListStateMachines", shown, input.next_token.as_deref(), size);
    let (state_machines, next_token) = page.ok_or_else(bad_token)?;
    Ok(api::ListStateMachinesOutput { state_machines, next_token })
}

/// Deletes a machine with its versions and aliases. What runs of it is stopped, and what is known of its executions goes with it.
pub(crate) async fn delete(runtime: &Arc<Runtime>, cx: &Cx, input: &api::DeleteStateMachineInput) -> Result<()> {
    let arn = MachineArn::unqualified(cx, &input.state_machine_arn)?;
    let name = arn.name.as_str();
    cx.write(|tx| {
        let Some(machine) = Machine::find(cx, tx, name)? else { return Ok(()) };
        let place = (cx.account(), cx.region(), name);
        VERSIONS.clear(tx, &place)?;
        ALIASES.clear(tx, &place)?;
        MACHINES.delete(tx, &cx.key(machine.name.as_str()));
        Ok(())
    })
    .await?;
    crate::executions::stop_all(runtime, cx, name).await
}
