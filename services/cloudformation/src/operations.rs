//! The operations on stacks.

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::error::validation;
use crate::rows::{self, EXPORTS, IMPORTS, Kind, NAMES, OnFailure, Operation, STACKS, Source, Stack};
use crate::tokens::{self, Token};
use crate::{CloudFormation, change_sets, deploy, describe, plan, references, summary};

/// Lists come in pages of so many.
const PAGE: usize = 100;

fn operation(cx: &Cx, kind: Kind, source: Source, on_failure: OnFailure, token: &Token) -> Operation {
    Operation {
        id: cx.random().uuid(),
        kind,
        source,
        access_key: deploy::caller(cx),
        on_failure,
        retain: Vec::new(),
        token: token.text(),
    }
}

/// The stack that a creation with this token has made before. A stack that is gone cannot be answered with.
fn made_before(cx: &Cx, from: &(impl Read + ?Sized), name: &str, token: &Token) -> Result<String> {
    let stack = rows::lookup(cx, from, name)?;
    stack.map(|s| s.arn).ok_or_else(|| tokens::used(&token.text().unwrap_or_default()))
}

fn page<T>(list: &str, items: Vec<T>, token: Option<&str>) -> Result<(Vec<T>, Option<String>)> {
    paging::page(list, items, token, PAGE).ok_or_else(|| Failure::from(validation("Invalid NextToken")))
}

/// All stacks, the newest first.
fn all(cx: &Cx, from: &impl Read) -> Result<Vec<Stack>> {
    let mut found: Vec<Stack> = STACKS.all(from, &(cx.account(), cx.region()))?.into_iter().map(|e| e.row).collect();
    found.sort_by_key(|s| std::cmp::Reverse(s.created));
    Ok(found)
}

api::operations! {
    impl api::Operations for CloudFormation; |self, cx, input|
    CreateChangeSet => change_sets::create(cx, input).await,
    CreateStack => create_stack(cx, input).await,
    DeleteChangeSet => change_sets::delete(cx, input).await,
    DeleteStack => delete_stack(cx, input).await,
    DescribeChangeSet => change_sets::describe(cx, input).await,
    DescribeStackEvents => describe_stack_events(cx, input),
    DescribeStackResource => describe_stack_resource(cx, &input),
    DescribeStackResources => describe_stack_resources(cx, input),
    DescribeStacks => describe_stacks(cx, input),
    ExecuteChangeSet => change_sets::execute(cx, input).await,
    GetTemplate => get_template(cx, input),
    GetTemplateSummary => summary::summarise(cx, input).await,
    ListChangeSets => change_sets::list(cx, input).await,
    ListExports => list_exports(cx, &input),
    ListImports => list_imports(cx, input),
    ListStackResources => list_stack_resources(cx, &input),
    ListStacks => list_stacks(cx, input),
    UpdateStack => update_stack(cx, input).await,
    ValidateTemplate => summary::validate(cx, input).await,
}

async fn create_stack(cx: &Cx, input: api::CreateStackInput) -> Result<api::CreateStackOutput> {
    let token = Token::of(&input.stack_name, input.client_request_token.as_ref(), &input);
    let on_failure = match (input.on_failure.as_deref(), input.disable_rollback) {
        (Some(_), Some(true)) => {
            return Err(validation("Only one of OnFailure or DisableRollback may be specified.").into());
        }
        (Some("DO_NOTHING"), _) | (None, Some(true)) => OnFailure::DoNothing,
        (Some("DELETE"), _) => OnFailure::Delete,
        _ => OnFailure::RollBack,
    };
    let source = Source {
        template: plan::template_text(cx, input.template_body, input.template_url, None).await?,
        parameters: plan::parameters(input.parameters, None)?,
        tags: plan::tags(input.tags),
        capabilities: input.capabilities.unwrap_or_else(Vec::new),
        role_arn: input.role_arn,
        fetched: None,
    };
    let source = references::fetched(cx, source).await?;
    let mut stack = describe::new_stack(cx, input.stack_name, source.clone());
    stack.termination_protection = input.enable_termination_protection == Some(true);
    stack.disable_rollback = on_failure == OnFailure::DoNothing;
    plan::check(cx, &source, &stack.name, &stack.arn)?;
    let operation = operation(cx, Kind::Create, source, on_failure, &token);
    let arn = cx
        .write(|tx| {
            if token.take(cx, tx)? {
                return made_before(cx, tx, &stack.name, &token);
            }
            if NAMES.has(tx, &cx.key(&stack.name))? {
                return Err(errors::already_exists_exception(format!("Stack [{}] already exists", stack.name)).into());
            }
            NAMES.put(tx, &cx.key(&stack.name), &stack.uuid);
            deploy::begin(
                cx,
                tx,
                &mut stack.clone(),
                operation.clone(),
                "CREATE_IN_PROGRESS",
                Some("User Initiated".to_owned()),
            )?;
            Ok(stack.arn.clone())
        })
        .await?;
    Ok(api::CreateStackOutput { stack_id: Some(arn), operation_id: None })
}

async fn delete_stack(cx: &Cx, input: api::DeleteStackInput) -> Result<()> {
    if input.deletion_mode.as_deref().is_some_and(|m| m != "STANDARD") {
        return Err(Failure::not_built("cloudformation.DeleteStack with DeletionMode FORCE_DELETE_STACK"));
    }
    cx.write(|tx| {
        let Some(mut stack) = rows::lookup(cx, tx, &input.stack_name)?.filter(|s| s.deleted.is_none()) else { return Ok(()) };
        let token = Token::of(&stack.name, input.client_request_token.as_ref(), &input);
        if token.take(cx, tx)? {
            return Ok(());
        }
        if stack.termination_protection {
            let message = format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", stack.name);
            return Err(validation(message).into());
        }
        if input.retain_resources.as_ref().is_some_and(|r| !r.is_empty()) && stack.status != "DELETE_FAILED" {
            let message = "Invalid operation on stack. RetainResources can only be specified when the stack is in the DELETE_FAILED state.";
            return Err(validation(message).into());
        }
        if stack.operation.as_ref().is_some_and(|o| o.kind == Kind::Delete) {
            return Ok(());
        }
        if stack.in_progress() {
            return Err(describe::busy(&stack).into());
        }
        let source = Source { role_arn: input.role_arn.clone().or_else(|| stack.source.role_arn.clone()), ..stack.source.clone() };
        let mut delete = operation(cx, Kind::Delete, source, OnFailure::DoNothing, &token);
        delete.retain = input.retain_resources.clone().unwrap_or_else(Vec::new);
        deploy::begin(cx, tx, &mut stack, delete, "DELETE_IN_PROGRESS", Some("User Initiated".to_owned()))
    })
    .await
}

fn describe_stack_events(cx: &Cx, input: api::DescribeStackEventsInput) -> Result<api::DescribeStackEventsOutput> {
    let read = cx.read();
    let found = rows::lookup(cx, &read, &input.stack_name)?;
    let stack = found.ok_or_else(|| validation(format!("Stack [{}] does not exist", input.stack_name)))?;
    let before = match input.next_token {
        Some(token) => {
            let position = paging::position(&stack.arn, &token).and_then(|p| p.parse().ok());
            Some(position.ok_or_else(|| Failure::from(validation("Invalid NextToken")))?)
        }
        None => None,
    };
    let events = stack.events(cx, &read, before, PAGE)?;
    let last = events.last().map(|(number, _)| *number).filter(|n| *n > 1);
    let next_token = last.map(|n| paging::token(&stack.arn, &n.to_string()));
    let stack_events = events.into_iter().map(|(_, e)| describe::event(&stack, e)).collect();
    Ok(api::DescribeStackEventsOutput { stack_events: Some(stack_events), next_token })
}

fn describe_stack_resource(
    cx: &Cx,
    input: &api::DescribeStackResourceInput,
) -> Result<api::DescribeStackResourceOutput> {
    let read = cx.read();
    let stack = rows::lookup(cx, &read, &input.stack_name)?;
    let stack = stack.ok_or_else(|| validation(format!("Stack '{}' does not exist", input.stack_name)))?;
    let resource = describe::find_resource(cx, &read, &stack, &input.logical_resource_id)?;
    Ok(api::DescribeStackResourceOutput { stack_resource_detail: Some(describe::resource_detail(&stack, &resource)) })
}

fn describe_stack_resources(
    cx: &Cx,
    input: api::DescribeStackResourcesInput,
) -> Result<api::DescribeStackResourcesOutput> {
    let read = cx.read();
    let of_physical = |physical: &str| -> Result<Option<Stack>> {
        for stack in all(cx, &read)? {
            if stack.resources(cx, &read)?.iter().any(|r| r.made.as_ref().is_some_and(|m| m.id == physical)) {
                return Ok(Some(stack));
            }
        }
        Ok(None)
    };
    let stack = match (input.stack_name, input.physical_resource_id) {
        (Some(name), _) => rows::find(cx, &read, &name)?,
        (None, Some(physical)) => {
            of_physical(&physical)?.ok_or_else(|| validation(format!("Stack for {physical} does not exist")))?
        }
        (None, None) => return Err(validation("Either stackName or physicalResourceId must be specified").into()),
    };
    let wanted = |logical: &str| input.logical_resource_id.as_deref().is_none_or(|l| l == logical);
    let resources = stack.resources(cx, &read)?;
    let shown = resources.iter().filter(|r| wanted(&r.logical)).map(|r| describe::resource(&stack, r)).collect();
    Ok(api::DescribeStackResourcesOutput { stack_resources: Some(shown) })
}

fn describe_stacks(cx: &Cx, input: api::DescribeStacksInput) -> Result<api::DescribeStacksOutput> {
    let read = cx.read();
    let found = match input.stack_name {
        Some(name) => vec![rows::find(cx, &read, &name)?],
        None => all(cx, &read)?.into_iter().filter(|s| s.deleted.is_none()).collect(),
    };
    let (page, next_token) = page("DescribeStacks", found, input.next_token.as_deref())?;
    let stacks: Result<Vec<_>> = page.iter().map(describe::stack).collect();
    Ok(api::DescribeStacksOutput { stacks: Some(stacks?), next_token })
}

fn get_template(cx: &Cx, input: api::GetTemplateInput) -> Result<api::GetTemplateOutput> {
    // Without transforms both stages are the same text.
    drop(input.template_stage);
    let body = match (input.change_set_name, input.stack_name) {
        (Some(set), stack) => change_sets::template(cx, &set, stack.as_deref())?.as_str().map(ToOwned::to_owned),
        (None, Some(name)) => Some(rows::find(cx, &cx.read(), &name)?.source.template),
        (None, None) => return Err(validation("StackName is required if ChangeSetName is not specified.").into()),
    };
    let stages = vec!["Original".to_owned(), "Processed".to_owned()];
    Ok(api::GetTemplateOutput { template_body: body, stages_available: Some(stages) })
}

fn list_exports(cx: &Cx, input: &api::ListExportsInput) -> Result<api::ListExportsOutput> {
    let exports = EXPORTS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().filter_map(|e| {
        let (_, _, name) = e.key::<(String, String, String)>()?;
        Some(output::Export { exporting_stack_id: Some(e.row.stack), name: Some(name), value: Some(e.row.value) })
    });
    let (exports, next_token) = page("ListExports", exports.collect(), input.next_token.as_deref())?;
    Ok(api::ListExportsOutput { exports: Some(exports), next_token })
}

fn list_imports(cx: &Cx, input: api::ListImportsInput) -> Result<api::ListImportsOutput> {
    let name = input.export_name;
    let users = IMPORTS.all(&cx.read(), &(cx.account(), cx.region(), &name))?;
    let users: Vec<String> = users
        .iter()
        .filter_map(undercast_kernel::store::Entry::key::<(String, String, String, String)>)
        .map(|k| k.3)
        .collect();
    if users.is_empty() {
        return Err(validation(format!("Export '{name}' is not imported by any stack.")).into());
    }
    let (imports, next_token) = page("ListImports", users, input.next_token.as_deref())?;
    Ok(api::ListImportsOutput { imports: Some(imports), next_token })
}

fn list_stack_resources(cx: &Cx, input: &api::ListStackResourcesInput) -> Result<api::ListStackResourcesOutput> {
    let read = cx.read();
    let stack = rows::find(cx, &read, &input.stack_name)?;
    let (page, next_token) = page("ListStackResources", stack.resources(cx, &read)?, input.next_token.as_deref())?;
    let summaries = page.iter().map(describe::resource_summary).collect();
    Ok(api::ListStackResourcesOutput { stack_resource_summaries: Some(summaries), next_token })
}

fn list_stacks(cx: &Cx, input: api::ListStacksInput) -> Result<api::ListStacksOutput> {
    let wanted = input.stack_status_filter.unwrap_or_else(Vec::new);
    let found = all(cx, &cx.read())?.into_iter().filter(|s| wanted.is_empty() || wanted.contains(&s.status));
    let (page, next_token) = page("ListStacks", found.collect(), input.next_token.as_deref())?;
    Ok(api::ListStacksOutput { stack_summaries: Some(page.iter().map(describe::summary).collect()), next_token })
}

async fn update_stack(cx: &Cx, input: api::UpdateStackInput) -> Result<api::UpdateStackOutput> {
    let name = &input.stack_name;
    let found = rows::lookup(cx, &cx.read(), name)?;
    let stack = found.ok_or_else(|| validation(format!("Stack [{name}] does not exist")))?;
    let token = Token::of(&stack.name, input.client_request_token.as_ref(), &input);
    if token.done(cx, &cx.read())? {
        return Ok(api::UpdateStackOutput { stack_id: Some(stack.arn), operation_id: None });
    }
    if stack.in_progress()
        || !stack.status.ends_with("_COMPLETE")
        || matches!(stack.status.as_str(), "DELETE_COMPLETE" | "ROLLBACK_COMPLETE")
    {
        return Err(describe::busy(&stack).into());
    }
    let previous = Some(&stack).filter(|_| input.use_previous_template == Some(true));
    let source = Source {
        template: plan::template_text(cx, input.template_body, input.template_url, previous).await?,
        parameters: plan::parameters(input.parameters, Some(&stack))?,
        tags: change_sets::tags_or(input.tags, Some(&stack)),
        capabilities: input.capabilities.unwrap_or_else(Vec::new),
        role_arn: input.role_arn.or_else(|| stack.source.role_arn.clone()),
        fetched: None,
    };
    let source = references::fetched(cx, source).await?;
    plan::check(cx, &source, &stack.name, &stack.arn)?;
    if !change_sets::anything(cx, &stack, &source)? {
        return Err(validation("No updates are to be performed.").into());
    }
    let on_failure = if input.disable_rollback == Some(true) { OnFailure::DoNothing } else { OnFailure::RollBack };
    let operation = operation(cx, Kind::Update, source, on_failure, &token);
    cx.write(|tx| {
        if token.take(cx, tx)? {
            return Ok(());
        }
        let mut stack = rows::find(cx, tx, &stack.arn)?;
        if stack.in_progress() {
            return Err(describe::busy(&stack).into());
        }
        deploy::begin(cx, tx, &mut stack, operation.clone(), "UPDATE_IN_PROGRESS", Some("User Initiated".to_owned()))
    })
    .await?;
    Ok(api::UpdateStackOutput { stack_id: Some(stack.arn), operation_id: None })
}
