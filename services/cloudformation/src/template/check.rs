//! What can be said of references before any value is known.

use serde_json::Value;

use super::error::{FormatFault, FunctionFault, TemplateError};
use super::references::{Reference, both, collect};
use super::sections::{Resource, Template};
use super::stack::is_pseudo;

/// Checks that all that is named exists.
pub(super) fn references(template: &Template) -> Result<(), TemplateError> {
    conditions(template)?;
    in_resources(template)?;
    in_outputs(template)
}

/// All trees of a resource in which functions may stand.
pub(super) fn trees(resource: &Resource) -> impl Iterator<Item = &Value> {
    let others = [&resource.metadata, &resource.update_policy, &resource.creation_policy];
    resource.properties.values().chain(others.into_iter().flatten())
}

fn conditions(template: &Template) -> Result<(), TemplateError> {
    let mut unresolved = Vec::new();
    for value in template.conditions.values() {
        let mut found = Vec::new();
        collect(value, &both, &mut found)?;
        for reference in &found {
            match reference.name() {
                Some(name) if !is_pseudo(name) && !template.parameters.contains_key(name) => {
                    push(&mut unresolved, name);
                }
                _ => of_sections(reference, template)?,
            }
        }
    }
    if unresolved.is_empty() { Ok(()) } else { Err(FormatFault::UnresolvedInConditions { names: unresolved }.into()) }
}

fn in_resources(template: &Template) -> Result<(), TemplateError> {
    let mut unresolved = Vec::new();
    for resource in template.resources.values() {
        known_condition(template, resource.condition.as_deref(), "Resources")?;
        for name in &resource.depends_on {
            if !template.resources.contains_key(name) {
                push(&mut unresolved, name);
            }
        }
        let mut found = Vec::new();
        trees(resource).try_for_each(|tree| collect(tree, &both, &mut found))?;
        of_names(&found, template, &mut unresolved)?;
    }
    if unresolved.is_empty() { Ok(()) } else { Err(FormatFault::Unresolved { names: unresolved }.into()) }
}

fn in_outputs(template: &Template) -> Result<(), TemplateError> {
    let mut unresolved = Vec::new();
    for output in template.outputs.values() {
        known_condition(template, output.condition.as_deref(), "Outputs")?;
        let mut found = Vec::new();
        collect(&output.value, &both, &mut found)?;
        if let Some(export) = &output.export {
            collect(&export.name, &both, &mut found)?;
        }
        of_names(&found, template, &mut unresolved)?;
    }
    if unresolved.is_empty() { Ok(()) } else { Err(TemplateError::UnresolvedInOutputs { names: unresolved }) }
}

fn known_condition(template: &Template, name: Option<&str>, section: &'static str) -> Result<(), TemplateError> {
    match name {
        Some(name) if !template.conditions.contains_key(name) => {
            Err(FormatFault::UnresolvedCondition { name: name.to_owned(), section }.into())
        }
        _ => Ok(()),
    }
}

fn of_names(found: &[Reference<'_>], template: &Template, unresolved: &mut Vec<String>) -> Result<(), TemplateError> {
    for reference in found {
        match reference {
            Reference::Name(name) => {
                let known = is_pseudo(name)
                    || template.parameters.contains_key(*name)
                    || template.resources.contains_key(*name);
                if !known {
                    push(unresolved, name);
                }
            }
            Reference::Attribute(name) if !template.resources.contains_key(*name) => {
                return Err(FunctionFault::GetAttUndefined { name: (*name).to_owned() }.into());
            }
            Reference::SubAttribute(whole) => {
                if reference.name().is_none_or(|name| !template.resources.contains_key(name)) {
                    return Err(FunctionFault::SubUndefined { name: (*whole).to_owned() }.into());
                }
            }
            Reference::Attribute(_) | Reference::If(_) | Reference::Mapping(_) => of_sections(reference, template)?,
        }
    }
    Ok(())
}

/// Conditions of `Fn::If` and maps of `Fn::FindInMap`.
fn of_sections(reference: &Reference<'_>, template: &Template) -> Result<(), TemplateError> {
    match reference {
        Reference::If(name) if !template.conditions.contains_key(*name) => {
            Err(FunctionFault::NoCondition { name: (*name).to_owned(), function: "Fn::If" }.into())
        }
        Reference::Mapping(name) if !template.mappings.contains_key(*name) => {
            Err(FunctionFault::NoMapping { name: (*name).to_owned() }.into())
        }
        _ => Ok(()),
    }
}

fn push(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}
