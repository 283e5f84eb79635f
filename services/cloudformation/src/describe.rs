//! Stacks as answers show them.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Result};

use crate::api::output;
use crate::error::validation;
use crate::plan;
use crate::rows::{Event, Resource, Source, Stack, moment};

/// A stack that is not there yet.
pub(crate) fn new_stack(cx: &Cx, name: String, source: Source) -> Stack {
    let uuid = cx.random().uuid();
    Stack {
        arn: cx.arn("cloudformation", &format!("stack/{name}/{uuid}")),
        uuid,
        name,
        status: String::new(),
        reason: None,
        source,
        outputs: Vec::new(),
        created: cx.now_millis(),
        updated: None,
        deleted: None,
        termination_protection: false,
        disable_rollback: false,
        change_set: None,
        operation: None,
        token: None,
    }
}

/// The refusal to touch a stack that is being changed, or that cannot be changed any more.
pub(crate) fn busy(stack: &Stack) -> AwsError {
    validation(format!("Stack:{} is in {} state and can not be updated.", stack.arn, stack.status))
}

pub(crate) fn tags(tags: &[(String, String)]) -> Vec<output::Tag> {
    tags.iter().map(|(key, value)| output::Tag { key: key.clone(), value: value.clone() }).collect()
}

/// The parameters with their values; those that are not to be echoed are hidden.
pub(crate) fn parameters(source: &Source) -> Result<Vec<output::Parameter>> {
    if source.template.is_empty() {
        return Ok(Vec::new());
    }
    let (template, _) = plan::read(source)?;
    let shown = template.parameters.iter().filter_map(|(name, parameter)| {
        let given = source.parameters.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        let value = given.or_else(|| parameter.default.clone())?;
        let fetched = source.fetched.iter().flatten().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let shown = |value: String| if parameter.no_echo { "****".to_owned() } else { value };
        Some(output::Parameter {
            parameter_key: Some(name.clone()),
            parameter_value: Some(shown(value)),
            resolved_value: fetched.map(shown),
            ..output::Parameter::default()
        })
    });
    Ok(shown.collect())
}

fn description(source: &Source) -> Option<String> {
    plan::read(source).ok().and_then(|(template, _)| template.description)
}

fn no_drift() -> output::StackDriftInformation {
    output::StackDriftInformation { stack_drift_status: "NOT_CHECKED".to_owned(), last_check_timestamp: None }
}

pub(crate) fn stack(stack: &Stack) -> Result<output::Stack> {
    let outputs = stack.outputs.iter().map(|o| output::Output {
        output_key: Some(o.key.clone()),
        output_value: Some(o.value.clone()),
        description: o.description.clone(),
        export_name: o.export.clone(),
    });
    let outputs: Vec<output::Output> = outputs.collect();
    let parameters = parameters(&stack.source)?;
    Ok(output::Stack {
        stack_id: Some(stack.arn.clone()),
        stack_name: stack.name.clone(),
        change_set_id: stack.change_set.clone(),
        description: description(&stack.source),
        parameters: (!parameters.is_empty()).then_some(parameters),
        creation_time: moment(stack.created),
        deletion_time: stack.deleted.map(moment),
        last_updated_time: stack.updated.map(moment),
        rollback_configuration: Some(output::RollbackConfiguration::default()),
        stack_status: stack.status.clone(),
        stack_status_reason: stack.reason.clone(),
        disable_rollback: Some(stack.disable_rollback),
        notification_arns: Some(Vec::new()),
        capabilities: (!stack.source.capabilities.is_empty()).then(|| stack.source.capabilities.clone()),
        outputs: (!outputs.is_empty()).then_some(outputs),
        role_arn: stack.source.role_arn.clone(),
        tags: Some(tags(&stack.source.tags)),
        enable_termination_protection: Some(stack.termination_protection),
        drift_information: Some(no_drift()),
        ..output::Stack::default()
    })
}

pub(crate) fn summary(stack: &Stack) -> output::StackSummary {
    output::StackSummary {
        stack_id: Some(stack.arn.clone()),
        stack_name: stack.name.clone(),
        template_description: description(&stack.source),
        creation_time: moment(stack.created),
        last_updated_time: stack.updated.map(moment),
        deletion_time: stack.deleted.map(moment),
        stack_status: stack.status.clone(),
        stack_status_reason: stack.reason.clone(),
        drift_information: Some(output::StackDriftInformationSummary {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            last_check_timestamp: None,
        }),
        ..output::StackSummary::default()
    }
}

pub(crate) fn event(stack: &Stack, event: Event) -> output::StackEvent {
    output::StackEvent {
        stack_id: stack.arn.clone(),
        event_id: event.id,
        stack_name: stack.name.clone(),
        logical_resource_id: Some(event.logical),
        physical_resource_id: Some(event.physical),
        resource_type: Some(event.resource_type),
        timestamp: moment(event.time),
        resource_status: Some(event.status),
        resource_status_reason: event.reason,
        resource_properties: event.properties,
        client_request_token: event.token,
        ..output::StackEvent::default()
    }
}

fn physical(resource: &Resource) -> Option<String> {
    resource.made.as_ref().map(|m| m.id.clone())
}

pub(crate) fn resource(stack: &Stack, r: &Resource) -> output::StackResource {
    output::StackResource {
        stack_name: Some(stack.name.clone()),
        stack_id: Some(stack.arn.clone()),
        logical_resource_id: r.logical.clone(),
        physical_resource_id: physical(r),
        resource_type: r.resource_type.clone(),
        timestamp: moment(r.updated),
        resource_status: r.status.clone(),
        resource_status_reason: r.reason.clone(),
        drift_information: Some(output::StackResourceDriftInformation {
            stack_resource_drift_status: "NOT_CHECKED".to_owned(),
            ..output::StackResourceDriftInformation::default()
        }),
        ..output::StackResource::default()
    }
}

pub(crate) fn resource_detail(stack: &Stack, r: &Resource) -> output::StackResourceDetail {
    output::StackResourceDetail {
        stack_name: Some(stack.name.clone()),
        stack_id: Some(stack.arn.clone()),
        logical_resource_id: r.logical.clone(),
        physical_resource_id: physical(r),
        resource_type: r.resource_type.clone(),
        last_updated_timestamp: moment(r.updated),
        resource_status: r.status.clone(),
        resource_status_reason: r.reason.clone(),
        ..output::StackResourceDetail::default()
    }
}

pub(crate) fn resource_summary(r: &Resource) -> output::StackResourceSummary {
    output::StackResourceSummary {
        logical_resource_id: r.logical.clone(),
        physical_resource_id: physical(r),
        resource_type: r.resource_type.clone(),
        last_updated_timestamp: moment(r.updated),
        resource_status: r.status.clone(),
        resource_status_reason: r.reason.clone(),
        ..output::StackResourceSummary::default()
    }
}

/// A resource of a stack by its logical id.
pub(crate) fn find_resource(cx: &Cx, from: &impl Read, stack: &Stack, logical: &str) -> Result<Resource> {
    let found = stack.resources(cx, from)?.into_iter().find(|r| r.logical == logical);
    found.ok_or_else(|| validation(format!("Resource {logical} does not exist for stack {}", stack.name)).into())
}
