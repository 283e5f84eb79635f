//! Targets of rules: PutTargets and its kin.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api::kept::Target;
use crate::api::{self, output};
use crate::bus::page;
use crate::error::{too_many, validation};
use crate::name::BusName;
use crate::path::Path;
use crate::rule::{check_managed, find, manager};
use crate::transform;

/// Account, region, bus; rule, id.
pub(crate) static TARGETS: Table<Row> = Table::new("events.targets");

/// A rule has so many at most.
const MOST: usize = 5;

/// A target as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Row {
    #[n(0)]
    pub(crate) arn: String,
    /// All of it, as the API has it.
    #[n(1)]
    json: String,
}

impl Row {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        Ok(Self { arn: target.arn.clone(), json: serde_json::to_string(target).map_err(Failure::broken)? })
    }

    pub(crate) fn target(&self) -> Result<Target> {
        serde_json::from_str(&self.json).map_err(Failure::broken)
    }
}

/// What can be a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Queue,
    Topic,
    Function,
    LogGroup,
    Stream,
    DeliveryStream,
    Bus,
    /// An API destination.
    Destination,
    /// A discoverer of schemas, which only its own service makes a target.
    Discoverer,
}

/// Services whose resources AWS takes as targets, and nobody here calls.
const UNBUILT: &[&str] = &[
    "appsync",
    "autoscaling",
    "batch",
    "codebuild",
    "codepipeline",
    "ec2",
    "ecs",
    "execute-api",
    "glue",
    "imagebuilder",
    "inspector",
    "redshift",
    "redshift-serverless",
    "sagemaker",
    "ssm",
    "ssm-incidents",
    "states",
];

impl Kind {
    /// What an ARN is of.
    pub(crate) fn of(arn: &str) -> Result<Self> {
        let malformed =
            || validation(format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."));
        let parsed = Arn::parse(arn).filter(|arn| !arn.region.is_empty() && !arn.account.is_empty());
        let parsed = parsed.ok_or_else(malformed)?;
        match (parsed.service.as_str(), parsed.resource.split(['/', ':']).next().unwrap_or("")) {
            ("sqs", _) => Ok(Self::Queue),
            ("sns", _) => Ok(Self::Topic),
            ("lambda", "function") => Ok(Self::Function),
            ("logs", "log-group") => Ok(Self::LogGroup),
            ("kinesis", "stream") => Ok(Self::Stream),
            ("firehose", "deliverystream") => Ok(Self::DeliveryStream),
            ("events", "event-bus") => Ok(Self::Bus),
            ("events", "api-destination") => Ok(Self::Destination),
            ("schemas", "discoverer") => Ok(Self::Discoverer),
            ("events", kind) => Err(Failure::not_built(format!("events targets of the kind {kind}"))),
            (service, _) if UNBUILT.contains(&service) => {
                Err(Failure::not_built(format!("events targets of the service {service}")))
            }
            (service, _) if ["lambda", "logs", "kinesis", "firehose"].contains(&service) => Err(malformed().into()),
            (service, _) => Err(validation(format!("{service} is not a supported service for a target.")).into()),
        }
    }

    /// AWS calls it by a role, and not in EventBridge's own name.
    fn needs_role(self) -> bool {
        matches!(self, Self::Stream | Self::DeliveryStream | Self::Bus | Self::Destination)
    }
}

/// The texts of a request that say what of an event a target gets.
fn check_input(target: &Target) -> Result<()> {
    let id = &target.id;
    let given = [target.input.is_some(), target.input_path.is_some(), target.input_transformer.is_some()];
    if given.iter().filter(|is| **is).count() > 1 {
        let message = format!("Only one of Input, InputPath, or InputTransformer must be provided for target {id}.");
        return Err(validation(message).into());
    }
    if target.input.as_ref().is_some_and(|text| serde_json::from_str::<serde_json::Value>(text).is_err()) {
        return Err(validation(format!("JSON syntax error in input for target {id}.")).into());
    }
    let of_map = target.input_transformer.as_ref().and_then(|of| of.input_paths_map.as_ref());
    let mut paths = target.input_path.iter().chain(of_map.iter().flat_map(|map| map.values()));
    if paths.any(|path| Path::parse(path).is_none()) {
        return Err(validation(format!("InputPath for target {id} is invalid.")).into());
    }
    if let Some(name) = of_map.and_then(|map| map.keys().find(|name| transform::RESERVED.contains(&name.as_str()))) {
        let message = format!("InputPathsMap for target {id} contains the reserved variable {name}.");
        return Err(validation(message).into());
    }
    match target.input_transformer.as_ref().and_then(transform::complaint) {
        Some(complaint) => Err(validation(format!("InputTemplate for target {id} {complaint}")).into()),
        None => Ok(()),
    }
}

/// The queue for what cannot be delivered.
fn check_dead_letters(bus: &BusName, target: &Target) -> Result<()> {
    let Some(arn) = target.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref()) else { return Ok(()) };
    let malformed =
        || validation(format!("Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."));
    let queue = Arn::parse(arn).ok_or_else(malformed)?;
    if queue.service != "sqs" {
        return Err(validation(format!("{} is not supported as a dead letter resource.", queue.service)).into());
    }
    if queue.resource.ends_with(".fifo") {
        return Err(validation("SQS FIFO is not supported by Dead Letter Queues.").into());
    }
    if queue.region != bus.region {
        let message =
            format!("Parameter {arn} is not valid. Reason: The dead-letter queue must be in the Region of the rule.");
        return Err(validation(message).into());
    }
    Ok(())
}

/// Whether a target is where the rule can reach it.
fn check_place(bus: &BusName, target: &Target, kind: Kind) -> Result<()> {
    let Some(arn) = Arn::parse(&target.arn) else { return Ok(()) };
    let denied = |why: &str| {
        AwsError::new(
            "AccessDeniedException",
            400,
            format!("Access to the resource {} is denied. Reason: {why}", target.arn),
        )
    };
    if kind == Kind::Bus {
        let changed = target.input.is_some() || target.input_path.is_some() || target.input_transformer.is_some();
        if changed && arn.account != bus.account {
            let message = format!("Input, InputPath and InputTransformer are not supported for target: {}.", target.id);
            return Err(validation(message).into());
        }
        if changed {
            return Err(Failure::not_built("events that are changed on their way to another bus"));
        }
        return Ok(());
    }
    if arn.region != bus.region {
        return Err(denied("Adding cross-region target is not permitted.").into());
    }
    let own = [Kind::LogGroup, Kind::DeliveryStream, Kind::Destination, Kind::Discoverer];
    if arn.account != bus.account && own.contains(&kind) {
        return Err(denied("Adding cross-account target is not permitted.").into());
    }
    if arn.account != bus.account && target.role_arn.is_none() {
        return Err(validation(format!("RoleArn is required for target {}.", target.arn)).into());
    }
    Ok(())
}

/// Checks a target of a rule.
fn check(bus: &BusName, target: &Target) -> Result<()> {
    let kind = Kind::of(&target.arn)?;
    check_input(target)?;
    if kind.needs_role() && target.role_arn.is_none() {
        return Err(validation(format!("RoleArn is required for target {}.", target.arn)).into());
    }
    if target.kinesis_parameters.is_some() && kind != Kind::Stream {
        return Err(
            validation(format!("Parameter(s) KinesisParameters not supported for target: {}.", target.id)).into()
        );
    }
    if target.http_parameters.is_some() && kind != Kind::Destination {
        return Err(validation(format!("Parameter(s) HttpParameters not supported for target: {}.", target.id)).into());
    }
    let path = target.kinesis_parameters.as_ref().map(|of| of.partition_key_path.as_str());
    if path.is_some_and(|path| Path::parse(path).is_none()) {
        return Err(validation(format!("PartitionKeyPath for target {} is invalid.", target.id)).into());
    }
    let group = target.sqs_parameters.as_ref().and_then(|of| of.message_group_id.as_ref());
    if kind == Kind::Queue && target.arn.ends_with(".fifo") && group.is_none() {
        return Err(
            validation(format!("Parameter(s) SqsParameters must be specified for target: {}.", target.id)).into()
        );
    }
    check_dead_letters(bus, target)?;
    check_place(bus, target, kind)
}

/// Refuses what only a service makes a target of a rule of its own.
fn check_own(target: &Target) -> Result<()> {
    match Kind::of(&target.arn)? {
        Kind::Discoverer => Err(validation("schemas is not a supported service for a target.").into()),
        _ => Ok(()),
    }
}

pub(crate) async fn put(cx: &Cx, input: api::PutTargetsInput) -> Result<api::PutTargetsOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    input.targets.iter().try_for_each(|target| check(&bus, target))?;
    if manager(cx).is_none() {
        input.targets.iter().try_for_each(check_own)?;
    }
    let rows = input.targets.iter().map(|target| Ok((&target.id, Row::new(target)?))).collect::<Result<Vec<_>>>()?;
    cx.write(|tx| {
        let rule = find(cx, tx, &bus, &input.rule)?;
        check_managed(cx, &rule, None)?;
        for (id, row) in &rows {
            TARGETS.put(tx, &(bus.key(), &input.rule, id), row);
        }
        if TARGETS.all(tx, &(bus.key(), &input.rule))?.len() > MOST {
            return Err(too_many().into());
        }
        Ok(())
    })
    .await?;
    Ok(api::PutTargetsOutput { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
}

pub(crate) async fn remove(cx: &Cx, input: api::RemoveTargetsInput) -> Result<api::RemoveTargetsOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    let failed = cx
        .write(|tx| {
            let rule = find(cx, tx, &bus, &input.rule)?;
            check_managed(cx, &rule, input.force)?;
            let mut failed = Vec::new();
            for id in &input.ids {
                let key = (bus.key(), &input.rule, id);
                if !TARGETS.has(tx, &key)? {
                    failed.push(output::RemoveTargetsResultEntry {
                        target_id: Some(id.clone()),
                        error_code: Some("ResourceNotFoundException".to_owned()),
                        error_message: Some(format!("Rule {} does not have a target with the Id {id}.", input.rule)),
                    });
                }
                TARGETS.delete(tx, &key);
            }
            Ok(failed)
        })
        .await?;
    let count = i32::try_from(failed.len()).unwrap_or(i32::MAX);
    Ok(api::RemoveTargetsOutput { failed_entry_count: Some(count), failed_entries: Some(failed) })
}

/// The targets of a rule.
pub(crate) fn of_rule(from: &(impl Read + ?Sized), bus: &BusName, rule: &str) -> Result<Vec<Target>> {
    TARGETS.all(from, &(bus.key(), rule))?.iter().map(|entry| entry.row.target()).collect()
}

pub(crate) fn list(cx: &Cx, input: &api::ListTargetsByRuleInput) -> Result<api::ListTargetsByRuleOutput> {
    let bus = BusName::of(cx, input.event_bus_name.as_deref());
    let from = cx.read();
    find(cx, &from, &bus, &input.rule)?;
    let scope = format!("ListTargetsByRule/{}/{}", bus.name, input.rule);
    let targets = of_rule(&from, &bus, &input.rule)?;
    let (page, next_token) = page(&scope, targets, input.next_token.as_deref(), input.limit)?;
    Ok(api::ListTargetsByRuleOutput { targets: Some(page), next_token })
}
