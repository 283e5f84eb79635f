//! A template with its values: which resources there are, in which order, and what they say.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::check;
use super::conditions;
use super::error::{FormatFault, TemplateError};
use super::function::text;
use super::graph;
use super::parameters::ParameterValues;
use super::references::{Reference, collect};
use super::resolve::{Attributes, Resolver};
use super::sections::{Output, Resource, Template};

/// The pseudo parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pseudo {
    /// `AWS::AccountId`
    pub account_id: String,
    /// `AWS::Region`
    pub region: String,
    /// `AWS::Partition`
    pub partition: String,
    /// `AWS::URLSuffix`
    pub url_suffix: String,
    /// `AWS::StackName`
    pub stack_name: String,
    /// `AWS::StackId`
    pub stack_id: String,
    /// `AWS::NotificationARNs`
    pub notification_arns: Vec<String>,
}

impl Pseudo {
    /// The value of a pseudo parameter; `AWS::NoValue` has none.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let text = match name {
            "AWS::AccountId" => &self.account_id,
            "AWS::Region" => &self.region,
            "AWS::Partition" => &self.partition,
            "AWS::URLSuffix" => &self.url_suffix,
            "AWS::StackName" => &self.stack_name,
            "AWS::StackId" => &self.stack_id,
            "AWS::NotificationARNs" => return Some(self.notification_arns.iter().map(String::as_str).collect()),
            _ => return None,
        };
        Some(text.as_str().into())
    }
}

/// Whether `name` is a pseudo parameter.
pub(super) fn is_pseudo(name: &str) -> bool {
    matches!(
        name,
        "AWS::AccountId"
            | "AWS::Region"
            | "AWS::Partition"
            | "AWS::URLSuffix"
            | "AWS::StackName"
            | "AWS::StackId"
            | "AWS::NotificationARNs"
            | "AWS::NoValue"
    )
}

/// A template with the values of its parameters.
#[derive(Debug, Clone)]
pub struct Stack<'t> {
    template: &'t Template,
    parameters: ParameterValues,
    pseudo: Pseudo,
    conditions: BTreeMap<String, bool>,
    /// The resources that exist, each with those it needs, in the order of the template.
    dependencies: IndexMap<&'t str, Vec<&'t str>>,
    levels: Vec<Vec<&'t str>>,
}

impl<'t> Stack<'t> {
    /// Evaluates conditions, checks rules, and orders the resources that exist.
    ///
    /// # Errors
    /// When a condition cannot be evaluated, a rule fails, a resource needs one that does not exist, or resources
    /// need each other in a circle.
    pub fn new(template: &'t Template, parameters: ParameterValues, pseudo: Pseudo) -> Result<Self, TemplateError> {
        let conditions = conditions::evaluate(template, &parameters, &pseudo)?;
        conditions::check_rules(template, &parameters, &pseudo, &conditions)?;
        let dependencies = dependencies(template, &conditions)?;
        let levels = levels(&dependencies)?;
        Ok(Self { template, parameters, pseudo, conditions, dependencies, levels })
    }

    /// The template.
    pub fn template(&self) -> &'t Template {
        self.template
    }

    /// The values of the parameters.
    pub fn parameters(&self) -> &ParameterValues {
        &self.parameters
    }

    /// The values of the conditions.
    pub fn conditions(&self) -> &BTreeMap<String, bool> {
        &self.conditions
    }

    /// The resources that exist, in the order of the template.
    pub fn resources(&self) -> impl Iterator<Item = (&'t str, &'t Resource)> {
        self.dependencies.keys().filter_map(|name| self.template.resources.get(*name).map(|resource| (*name, resource)))
    }

    /// The outputs that exist, in the order of the template.
    pub fn outputs(&self) -> impl Iterator<Item = (&'t str, &'t Output)> {
        let exists = |output: &&Output| holds(output.condition.as_deref(), &self.conditions);
        self.template
            .outputs
            .iter()
            .filter(move |(_, output)| exists(output))
            .map(|(name, output)| (name.as_str(), output))
    }

    /// What a resource needs, without duplicates.
    pub fn dependencies(&self, logical: &str) -> &[&'t str] {
        self.dependencies.get(logical).map_or(&[], Vec::as_slice)
    }

    /// The order of creation: the members of a level need only what earlier levels hold, and can be made at once.
    pub fn levels(&self) -> &[Vec<&'t str>] {
        &self.levels
    }

    /// The order of deletion: nothing goes before what needs it.
    pub fn deletion_levels(&self) -> impl Iterator<Item = &[&'t str]> {
        self.levels.iter().rev().map(Vec::as_slice)
    }

    /// The properties of a resource, all functions resolved. Needs all that the resource depends on to be known.
    ///
    /// # Errors
    /// When a function cannot be resolved.
    pub fn properties(&self, logical: &str, known: &dyn Attributes) -> Result<Map<String, Value>, TemplateError> {
        self.resolver(known, false).properties(&self.resource(logical)?.properties)
    }

    /// The properties of a resource as far as they are known; the rest is marked
    /// [`KNOWN_AFTER_APPLY`](super::KNOWN_AFTER_APPLY).
    ///
    /// # Errors
    /// When a function cannot be resolved now or later.
    pub fn planned_properties(
        &self,
        logical: &str,
        known: &dyn Attributes,
    ) -> Result<Map<String, Value>, TemplateError> {
        self.resolver(known, true).properties(&self.resource(logical)?.properties)
    }

    /// Resolves any other tree of the template: metadata, policies, the value of an output. `None` when it is
    /// `AWS::NoValue`.
    ///
    /// # Errors
    /// When a function cannot be resolved.
    pub fn resolve(&self, tree: &Value, known: &dyn Attributes) -> Result<Option<Value>, TemplateError> {
        self.resolver(known, false).whole(tree)
    }

    /// The value and the name of the export of an output.
    ///
    /// # Errors
    /// When a function cannot be resolved, or the name is not one.
    pub fn output(&self, name: &str, known: &dyn Attributes) -> Result<(Value, Option<String>), TemplateError> {
        let output = self.template.outputs.get(name).ok_or(FormatFault::NoOutputValue)?;
        let resolver = self.resolver(known, false);
        let value = resolver.whole(&output.value)?.ok_or(FormatFault::NoOutputValue)?;
        let Some(export) = &output.export else { return Ok((value, None)) };
        let malformed = || FormatFault::ExportName { name: name.to_owned() };
        let name = resolver.whole(&export.name)?.as_ref().and_then(text).ok_or_else(malformed)?;
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b':' || byte == b'-';
        if name.is_empty() || !name.bytes().all(valid) {
            return Err(malformed().into());
        }
        Ok((value, Some(name)))
    }

    fn resource(&self, logical: &str) -> Result<&'t Resource, TemplateError> {
        let unresolved = || FormatFault::Unresolved { names: vec![logical.to_owned()] };
        let resource = self.template.resources.get(logical).filter(|_| self.dependencies.contains_key(logical));
        resource.ok_or_else(|| unresolved().into())
    }

    fn resolver<'s>(&'s self, attributes: &'s dyn Attributes, planned: bool) -> Resolver<'s> {
        Resolver {
            template: self.template,
            parameters: &self.parameters,
            pseudo: &self.pseudo,
            conditions: &self.conditions,
            attributes,
            planned,
        }
    }
}

fn holds(condition: Option<&str>, conditions: &BTreeMap<String, bool>) -> bool {
    condition.is_none_or(|name| conditions.get(name) == Some(&true))
}

fn dependencies<'t>(
    template: &'t Template,
    conditions: &BTreeMap<String, bool>,
) -> Result<IndexMap<&'t str, Vec<&'t str>>, TemplateError> {
    let exists = |name: &str| {
        template.resources.get(name).is_some_and(|resource| holds(resource.condition.as_deref(), conditions))
    };
    let choose = |condition: &str| conditions.get(condition).copied();
    let (mut all, mut unresolved) = (IndexMap::new(), Vec::new());
    for (name, resource) in template.resources.iter().filter(|(name, _)| exists(name)) {
        // A `DependsOn` on a resource whose condition does not hold asks for no order, so it is no error.
        let mut needs: Vec<&str> = resource.depends_on.iter().map(String::as_str).filter(|name| exists(name)).collect();
        let mut found = Vec::new();
        check::trees(resource).try_for_each(|tree| collect(tree, &choose, &mut found))?;
        for need in found.iter().filter_map(Reference::name) {
            if exists(need) {
                needs.push(need);
            } else if template.resources.contains_key(need) && !unresolved.iter().any(|known| known == need) {
                unresolved.push(need.to_owned());
            }
        }
        needs.sort_unstable();
        needs.dedup();
        all.insert(name.as_str(), needs);
    }
    if unresolved.is_empty() { Ok(all) } else { Err(FormatFault::Unresolved { names: unresolved }.into()) }
}

fn levels<'t>(dependencies: &IndexMap<&'t str, Vec<&'t str>>) -> Result<Vec<Vec<&'t str>>, TemplateError> {
    let edges: Vec<Vec<usize>> = dependencies
        .values()
        .map(|needs| needs.iter().filter_map(|need| dependencies.get_index_of(need)).collect())
        .collect();
    let name = |index: usize| dependencies.get_index(index).map(|(name, _)| *name);
    match graph::levels(&edges) {
        Ok(levels) => Ok(levels.into_iter().map(|level| level.into_iter().filter_map(name).collect()).collect()),
        Err(cycle) => {
            let names = cycle.into_iter().filter_map(name).map(str::to_owned).collect();
            Err(TemplateError::Circular { names })
        }
    }
}
