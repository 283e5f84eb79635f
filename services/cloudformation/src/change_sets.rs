//! Change sets: what an update would do, and doing it.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use minicbor::{Decode, Encode};
use serde_json::Value as Json;
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Failure, Result, fingerprint};

use crate::api::{self, errors, input, output};
use crate::error::validation;
use crate::known::Surroundings;
use crate::rows::{self, Kind, NAMES, OnFailure, Operation, Source, Stack, moment};
use crate::template::{self, Action, ResolvedResource, ResourceChange};
use crate::tokens;
use crate::{deploy, describe, plan, references, types};

/// Stack, name → change set.
static CHANGE_SETS: Table<ChangeSet> = Table::new("cloudformation.change_sets");

/// The execution status of a change set that is being carried out.
const EXECUTING: &str = "EXECUTE_IN_PROGRESS";

const NOTHING: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct ChangeSet {
    #[n(0)]
    arn: String,
    #[n(1)]
    name: String,
    #[n(2)]
    source: Source,
    #[n(3)]
    description: Option<String>,
    #[n(4)]
    status: String,
    #[n(5)]
    reason: Option<String>,
    #[n(6)]
    execution: String,
    /// Milliseconds since 1970.
    #[n(7)]
    created: i64,
    #[n(8)]
    changes: Vec<Change>,
    /// The stack was made for it and is not there yet.
    #[n(9)]
    creates: bool,
    #[n(10)]
    on_failure: Option<String>,
    /// The token of the request that asked for it, and what tells that request from others.
    #[n(11)]
    token: Option<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Token {
    #[n(0)]
    token: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    request: Vec<u8>,
}

/// One change, as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Change {
    #[n(0)]
    action: String,
    #[n(1)]
    logical: String,
    #[n(2)]
    physical: Option<String>,
    #[n(3)]
    resource_type: String,
    #[n(4)]
    replacement: Option<String>,
    /// Changed property, whether it requires recreation, whether that is certain.
    #[n(5)]
    details: Vec<(String, String, bool)>,
}

fn not_found(name: &str) -> AwsError {
    errors::change_set_not_found_exception(format!("ChangeSet [{name}] does not exist"))
}

/// The stack and change set that a request names.
fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str, stack: Option<&str>) -> Result<(Stack, ChangeSet)> {
    if name.starts_with("arn:") {
        let uuids = CHANGE_SETS.all(from, &(cx.account(), cx.region()))?;
        let found = uuids.into_iter().find(|e| e.row.arn == name).ok_or_else(|| not_found(name))?;
        let uuid = found.key::<(String, String, String, String)>().map(|k| k.2).unwrap_or_else(String::new);
        let stack = rows::STACKS.get(from, &cx.key(&uuid))?.ok_or_else(|| not_found(name))?;
        return Ok((stack, found.row));
    }
    let stack =
        stack.ok_or_else(|| validation("StackName must be specified if ChangeSetName is not specified as an ARN."))?;
    let stack = rows::lookup(cx, from, stack)?.ok_or_else(|| validation(format!("Stack [{stack}] does not exist")))?;
    let set = CHANGE_SETS.get(from, &(cx.account(), cx.region(), &stack.uuid, name))?.ok_or_else(|| not_found(name))?;
    Ok((stack, set))
}

fn put(cx: &Cx, tx: &mut Tx<'_>, stack: &Stack, set: &ChangeSet) {
    CHANGE_SETS.put(tx, &(cx.account(), cx.region(), &stack.uuid, &set.name), set);
}

/// Writes how the execution of a change set has ended, now that its stack is at rest.
pub(crate) fn ended(cx: &Cx, tx: &mut Tx<'_>, stack: &Stack) -> Result<()> {
    let sets = CHANGE_SETS.all(tx, &(cx.account(), cx.region(), &stack.uuid))?;
    let done = matches!(stack.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE");
    for mut set in sets.into_iter().map(|e| e.row).filter(|set| set.execution == EXECUTING) {
        if done { "EXECUTE_COMPLETE" } else { "EXECUTE_FAILED" }.clone_into(&mut set.execution);
        put(cx, tx, stack, &set);
    }
    Ok(())
}

/// Forgets all change sets of a stack.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, stack: &Stack) -> Result<()> {
    CHANGE_SETS.clear(tx, &(cx.account(), cx.region(), &stack.uuid))?;
    Ok(())
}

pub(crate) async fn create(cx: &Cx, input: api::CreateChangeSetInput) -> Result<api::CreateChangeSetOutput> {
    let found = rows::lookup(cx, &cx.read(), &input.stack_name)?;
    let kind = input.change_set_type.as_deref().unwrap_or("UPDATE");
    let creates = kind == "CREATE";
    let token = input.client_token.clone().map(|token| Token { token, request: fingerprint(&input) });
    if !matches!(kind, "CREATE" | "UPDATE") {
        return Err(Failure::not_built("cloudformation.CreateChangeSet with ChangeSetType IMPORT"));
    }
    let existing = found.filter(|s| s.deleted.is_none());
    if let Some(stack) = &existing
        && let Some(set) = asked_before(cx, &cx.read(), stack, &input.change_set_name, token.as_ref())?
    {
        return Ok(api::CreateChangeSetOutput { id: Some(set.arn), stack_id: Some(stack.arn.clone()) });
    }
    match &existing {
        Some(stack) if creates && stack.status != "REVIEW_IN_PROGRESS" => {
            let message = format!(
                "Stack [{}] already exists and cannot be created again with the changeSet [{}].",
                input.stack_name, input.change_set_name
            );
            return Err(validation(message).into());
        }
        None if !creates => return Err(validation(format!("Stack [{}] does not exist", input.stack_name)).into()),
        Some(stack) if stack.in_progress() => return Err(describe::busy(stack).into()),
        _ => {}
    }
    let previous = existing.as_ref().filter(|_| input.use_previous_template == Some(true));
    let source = Source {
        template: plan::template_text(cx, input.template_body, input.template_url, previous).await?,
        parameters: plan::parameters(input.parameters, existing.as_ref())?,
        tags: tags_or(input.tags, existing.as_ref()),
        capabilities: input.capabilities.unwrap_or_else(Vec::new),
        role_arn: input.role_arn.or_else(|| existing.as_ref().and_then(|s| s.source.role_arn.clone())),
        fetched: None,
    };
    let source = references::fetched(cx, source).await?;
    let stack =
        existing.clone().unwrap_or_else(|| describe::new_stack(cx, input.stack_name.clone(), Source::default()));
    plan::check(cx, &source, &stack.name, &stack.arn)?;
    let changes = changes(cx, &stack, &source)?;
    let empty =
        changes.is_empty() && !creates && stack.source.tags == source.tags && !outputs_differ(cx, &stack, &source)?;
    let set = ChangeSet {
        arn: cx.arn("cloudformation", &format!("changeSet/{}/{}", input.change_set_name, cx.random().uuid())),
        name: input.change_set_name,
        source,
        description: input.description,
        status: if empty { "FAILED" } else { "CREATE_COMPLETE" }.to_owned(),
        reason: empty.then(|| NOTHING.to_owned()),
        execution: if empty { "UNAVAILABLE" } else { "AVAILABLE" }.to_owned(),
        created: cx.now_millis(),
        changes,
        creates,
        on_failure: input.on_stack_failure,
        token,
    };
    store(cx, &stack, existing.is_none(), &set).await?;
    Ok(api::CreateChangeSetOutput { id: Some(set.arn), stack_id: Some(stack.arn) })
}

/// Stores a change set, and with it the stack that it will create.
async fn store(cx: &Cx, stack: &Stack, new: bool, set: &ChangeSet) -> Result<()> {
    cx.write(|tx| {
        if CHANGE_SETS.has(tx, &(cx.account(), cx.region(), &stack.uuid, &set.name))? {
            let message =
                format!("ChangeSet {} cannot be created due to a mismatch with existing attribute Name", set.name);
            return Err(errors::already_exists_exception(message).into());
        }
        if new {
            if NAMES.has(tx, &cx.key(&stack.name))? {
                return Err(errors::already_exists_exception(format!("Stack [{}] already exists", stack.name)).into());
            }
            NAMES.put(tx, &cx.key(&stack.name), &stack.uuid);
            stack.clone().set_status(cx, tx, "REVIEW_IN_PROGRESS", Some("User Initiated".to_owned()))?;
        }
        put(cx, tx, stack, set);
        Ok(())
    })
    .await
}

/// The change set that the same request has made before.
fn asked_before(
    cx: &Cx,
    from: &impl Read,
    stack: &Stack,
    name: &str,
    token: Option<&Token>,
) -> Result<Option<ChangeSet>> {
    let set = CHANGE_SETS.get(from, &(cx.account(), cx.region(), &stack.uuid, name))?;
    Ok(set.filter(|set| token.is_some() && set.token.as_ref() == token))
}

/// The tags of a request, or those that the stack has.
pub(crate) fn tags_or(given: Option<Vec<input::Tag>>, stack: Option<&Stack>) -> Vec<(String, String)> {
    match (given, stack) {
        (None, Some(stack)) => stack.source.tags.clone(),
        (given, _) => plan::tags(given),
    }
}

/// Whether a deployment of `source`, which changes no resource, gives other outputs.
fn outputs_differ(cx: &Cx, stack: &Stack, source: &Source) -> Result<bool> {
    let (template, values) = plan::read(source)?;
    let order = template::Stack::new(&template, values, plan::pseudo(cx, &stack.name, &stack.arn))?;
    match deploy::outputs(cx, stack, &order) {
        Ok(outputs) => Ok(outputs != stack.outputs),
        // The deployment will say what is wrong with them.
        Err(deploy::Stopped::Failed(_)) => Ok(true),
        Err(deploy::Stopped::Broken(failure)) => Err(failure),
    }
}

/// Whether deploying `source` would change anything.
pub(crate) fn anything(cx: &Cx, stack: &Stack, source: &Source) -> Result<bool> {
    let resources_or_tags = !changes(cx, stack, source)?.is_empty() || stack.source.tags != source.tags;
    Ok(resources_or_tags || outputs_differ(cx, stack, source)?)
}

/// All is told at once, so that no token of ours asks for more.
fn no_further(token: Option<&String>) -> Result<()> {
    if token.is_some() { Err(validation("Invalid NextToken").into()) } else { Ok(()) }
}

fn changes(cx: &Cx, stack: &Stack, source: &Source) -> Result<Vec<Change>> {
    let read = cx.read();
    let rows = stack.resources(cx, &read)?;
    let mut old = IndexMap::new();
    for row in rows.iter().filter(|r| r.made.is_some()) {
        if let Some(made) = &row.made {
            old.insert(
                row.logical.clone(),
                ResolvedResource { resource_type: made.resource_type.clone(), properties: made.properties()? },
            );
        }
    }
    let (template, values) = plan::read(source)?;
    let order = template::Stack::new(&template, values, plan::pseudo(cx, &stack.name, &stack.arn))?;
    // A resource that does not exist yet, or that will be replaced, gives values that are known only later.
    let mut pending: BTreeSet<String> =
        order.resources().map(|(n, _)| n.to_owned()).filter(|n| !old.contains_key(n)).collect();
    loop {
        let known = Surroundings::of(cx, &read, stack)?.planned(pending.clone());
        let mut new = IndexMap::new();
        for (name, resource) in order.resources() {
            let properties = order.planned_properties(name, &known)?;
            new.insert(name.to_owned(), ResolvedResource { resource_type: resource.resource_type.clone(), properties });
        }
        let differences = template::diff(&old, &new);
        let replaced: BTreeSet<String> =
            differences.iter().filter(|d| replacement(cx, d) == "True").map(|d| d.logical.clone()).collect();
        let more: BTreeSet<String> = pending.union(&replaced).cloned().collect();
        if more == pending {
            let changed = differences.into_iter().filter(|d| d.action != Action::None);
            return Ok(changed.map(|d| change(cx, &d, &rows)).collect());
        }
        pending = more;
    }
}

fn recreation(cx: &Cx, change: &ResourceChange, property: &str) -> bool {
    types::find(cx, &change.resource_type).is_ok_and(|t| t.create_only().contains(&property))
}

fn replacement(cx: &Cx, change: &ResourceChange) -> &'static str {
    if change.action != Action::Modify {
        return "False";
    }
    let certain = change.type_changed
        || change.changed.iter().any(|p| !change.uncertain.contains(p) && recreation(cx, change, p.property()));
    let perhaps = change.changed.iter().any(|p| recreation(cx, change, p.property()));
    match (certain, perhaps) {
        (true, _) => "True",
        (false, true) => "Conditional",
        (false, false) => "False",
    }
}

fn change(cx: &Cx, change: &ResourceChange, rows: &[rows::Resource]) -> Change {
    let physical =
        rows.iter().find(|r| r.logical == change.logical).and_then(|r| r.made.as_ref()).map(|m| m.id.clone());
    let mut details: Vec<(String, String, bool)> = Vec::new();
    for path in &change.changed {
        let name = path.property().to_owned();
        if !details.iter().any(|(n, ..)| *n == name) {
            let requires = if recreation(cx, change, &name) { "Always" } else { "Never" };
            details.push((name, requires.to_owned(), !change.uncertain.contains(path)));
        }
    }
    let action = match change.action {
        Action::Add => "Add",
        Action::Remove => "Remove",
        Action::Modify | Action::None => "Modify",
    };
    Change {
        action: action.to_owned(),
        logical: change.logical.clone(),
        physical: physical.filter(|_| change.action != Action::Add),
        resource_type: change.resource_type.clone(),
        replacement: (change.action == Action::Modify).then(|| replacement(cx, change).to_owned()),
        details,
    }
}

impl Change {
    fn output(self) -> output::Change {
        let modify = self.action == "Modify";
        let details = self.details.into_iter().map(|(name, requires, certain)| output::ResourceChangeDetail {
            target: Some(output::ResourceTargetDefinition {
                attribute: Some("Properties".to_owned()),
                name: Some(name),
                requires_recreation: Some(requires),
                ..output::ResourceTargetDefinition::default()
            }),
            evaluation: Some(if certain { "Static" } else { "Dynamic" }.to_owned()),
            change_source: Some("DirectModification".to_owned()),
            causing_entity: None,
        });
        output::Change {
            type_: Some("Resource".to_owned()),
            hook_invocation_count: None,
            resource_change: Some(output::ResourceChange {
                action: Some(self.action),
                logical_resource_id: Some(self.logical),
                physical_resource_id: self.physical,
                resource_type: Some(self.resource_type),
                replacement: self.replacement,
                scope: Some(if modify { vec!["Properties".to_owned()] } else { Vec::new() }),
                details: Some(details.filter(|_| modify).collect()),
                ..output::ResourceChange::default()
            }),
        }
    }
}

pub(crate) async fn describe(cx: &Cx, input: api::DescribeChangeSetInput) -> Result<api::DescribeChangeSetOutput> {
    no_further(input.next_token.as_ref())?;
    let (stack, set) = find(cx, &cx.read(), &input.change_set_name, input.stack_name.as_deref())?;
    Ok(api::DescribeChangeSetOutput {
        change_set_name: Some(set.name),
        change_set_id: Some(set.arn),
        stack_id: Some(stack.arn),
        stack_name: Some(stack.name),
        description: set.description,
        parameters: Some(describe::parameters(&set.source)?),
        creation_time: Some(moment(set.created)),
        execution_status: Some(set.execution),
        status: Some(set.status),
        status_reason: set.reason,
        capabilities: Some(set.source.capabilities),
        tags: Some(describe::tags(&set.source.tags)),
        changes: Some(set.changes.into_iter().map(Change::output).collect()),
        on_stack_failure: set.on_failure,
        ..api::DescribeChangeSetOutput::default()
    })
}

pub(crate) async fn list(cx: &Cx, input: api::ListChangeSetsInput) -> Result<api::ListChangeSetsOutput> {
    no_further(input.next_token.as_ref())?;
    let read = cx.read();
    let stack = rows::lookup(cx, &read, &input.stack_name)?;
    let stack = stack.ok_or_else(|| validation(format!("Stack [{}] does not exist", input.stack_name)))?;
    let sets = CHANGE_SETS.all(&read, &(cx.account(), cx.region(), &stack.uuid))?.into_iter().map(|e| {
        output::ChangeSetSummary {
            stack_id: Some(stack.arn.clone()),
            stack_name: Some(stack.name.clone()),
            change_set_id: Some(e.row.arn),
            change_set_name: Some(e.row.name),
            execution_status: Some(e.row.execution),
            status: Some(e.row.status),
            status_reason: e.row.reason,
            creation_time: Some(moment(e.row.created)),
            description: e.row.description,
            ..output::ChangeSetSummary::default()
        }
    });
    Ok(api::ListChangeSetsOutput { summaries: Some(sets.collect()), next_token: None })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteChangeSetInput) -> Result<()> {
    cx.write(|tx| {
        let (stack, set) = match find(cx, tx, &input.change_set_name, input.stack_name.as_deref()) {
            // One that is not there needs no deletion.
            Err(failure) if failure.code() == Some("ChangeSetNotFound") => return Ok(()),
            other => other?,
        };
        if set.execution == EXECUTING {
            let message =
                format!("ChangeSet [{}] cannot be deleted in its current execution status of [{EXECUTING}]", set.arn);
            return Err(errors::invalid_change_set_status_exception(message).into());
        }
        CHANGE_SETS.delete(tx, &(cx.account(), cx.region(), &stack.uuid, &set.name));
        Ok(())
    })
    .await
}

pub(crate) async fn execute(cx: &Cx, input: api::ExecuteChangeSetInput) -> Result<()> {
    cx.write(|tx| {
        let (mut stack, mut set) = find(cx, tx, &input.change_set_name, input.stack_name.as_deref())?;
        let token = tokens::Token::of(&stack.name, input.client_request_token.as_ref(), &input);
        if token.take(cx, tx)? {
            return Ok(());
        }
        if set.execution != "AVAILABLE" {
            let message =
                format!("ChangeSet [{}] cannot be executed in its current status of [{}]", set.arn, set.status);
            return Err(errors::invalid_change_set_status_exception(message).into());
        }
        if stack.in_progress() {
            return Err(describe::busy(&stack).into());
        }
        let on_failure = match (set.on_failure.as_deref(), input.disable_rollback) {
            (Some("DO_NOTHING"), _) | (_, Some(true)) => OnFailure::DoNothing,
            (Some("DELETE"), _) => OnFailure::Delete,
            _ => OnFailure::RollBack,
        };
        forget(cx, tx, &stack)?;
        EXECUTING.clone_into(&mut set.execution);
        put(cx, tx, &stack, &set);
        stack.change_set = Some(set.arn.clone());
        stack.disable_rollback = on_failure == OnFailure::DoNothing;
        let (kind, status) =
            if set.creates { (Kind::Create, "CREATE_IN_PROGRESS") } else { (Kind::Update, "UPDATE_IN_PROGRESS") };
        let operation = Operation {
            id: cx.random().uuid(),
            kind,
            source: set.source.clone(),
            access_key: deploy::caller(cx),
            on_failure,
            retain: Vec::new(),
            token: token.text(),
        };
        deploy::begin(cx, tx, &mut stack, operation, status, Some("User Initiated".to_owned()))
    })
    .await
}

/// The template of a change set.
pub(crate) fn template(cx: &Cx, name: &str, stack: Option<&str>) -> Result<Json> {
    Ok(Json::from(find(cx, &cx.read(), name, stack)?.1.source.template))
}
