//! Booleans: conditions and the assertions of rules.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{FormatFault, FunctionFault, TemplateError};
use super::function::{self, Function, text};
use super::graph;
use super::parameters::ParameterValues;
use super::references::{Reference, both, collect};
use super::resolve::{Attributes, Known, Out, Resolver};
use super::sections::Template;
use super::stack::Pseudo;

/// In conditions and rules no resource can be named; the static checks have seen to that.
struct NoResources;

impl Attributes for NoResources {
    fn ref_of(&self, _logical: &str) -> Known {
        Known::Missing
    }

    fn get_att(&self, _logical: &str, _name: &str) -> Known {
        Known::Missing
    }

    fn import(&self, _name: &str) -> Known {
        Known::Missing
    }

    fn azs(&self, _region: &str) -> Known {
        Known::Missing
    }
}

/// Evaluates all conditions of a template, in an order in which each finds those it names.
pub(super) fn evaluate(
    template: &Template,
    parameters: &ParameterValues,
    pseudo: &Pseudo,
) -> Result<BTreeMap<String, bool>, TemplateError> {
    let mut values = BTreeMap::new();
    for name in order(template)? {
        let Some(condition) = template.conditions.get(name) else { continue };
        let resolver =
            Resolver { template, parameters, pseudo, conditions: &values, attributes: &NoResources, planned: false };
        let value = resolver.boolean(condition)?;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

fn order(template: &Template) -> Result<Vec<&str>, TemplateError> {
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(template.conditions.len());
    for condition in template.conditions.values() {
        let mut names = Vec::new();
        named(condition, &mut names);
        let mut found = Vec::new();
        collect(condition, &both, &mut found)?;
        names.extend(found.iter().filter_map(|reference| match reference {
            Reference::If(name) => Some(*name),
            _ => None,
        }));
        let index = |name: &&str| {
            let unknown = || FunctionFault::NoCondition { name: (*name).to_owned(), function: "Condition" };
            template.conditions.get_index_of(*name).ok_or_else(unknown)
        };
        edges.push(names.iter().map(index).collect::<Result<_, _>>()?);
    }
    let name = |index: usize| template.conditions.get_index(index).map(|(name, _)| name.as_str());
    match graph::levels(&edges) {
        Ok(levels) => Ok(levels.into_iter().flatten().filter_map(name).collect()),
        Err(cycle) => {
            let names = cycle.into_iter().filter_map(name).map(str::to_owned).collect();
            Err(TemplateError::CircularConditions { names })
        }
    }
}

/// The conditions named by `{"Condition": "Name"}`.
fn named<'t>(value: &'t Value, names: &mut Vec<&'t str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| named(item, names)),
        Value::Object(map) => match (map.len(), map.get("Condition")) {
            (1, Some(Value::String(name))) => names.push(name),
            _ => map.values().for_each(|value| named(value, names)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl Resolver<'_> {
    /// The value of a boolean function.
    pub(super) fn boolean(&self, node: &Value) -> Result<bool, TemplateError> {
        let map = node.as_object().ok_or(FormatFault::NotBoolean)?;
        if let (1, Some(condition)) = (map.len(), map.get("Condition")) {
            let name = condition.as_str().ok_or(FormatFault::NotBoolean)?;
            let unknown = || FunctionFault::NoCondition { name: name.to_owned(), function: "Condition" };
            return self.conditions.get(name).copied().ok_or_else(|| unknown().into());
        }
        let (function, argument) = function::call(map)?.ok_or(FormatFault::NotBoolean)?;
        let arguments = argument.as_array().map(Vec::as_slice);
        match (function, arguments) {
            (Function::Equals, Some([a, b])) => self.equals(a, b),
            (Function::Equals, _) => Err(FunctionFault::Equals.into()),
            // All are evaluated, so that a mistake in one does not hide behind another.
            (Function::And, Some(all)) if (2..=10).contains(&all.len()) => {
                self.count(all).map(|held| held == all.len())
            }
            (Function::Or, Some(all)) if (2..=10).contains(&all.len()) => self.count(all).map(|held| held > 0),
            (Function::And | Function::Or, _) => Err(FunctionFault::AndOr { function: function.name() }.into()),
            (Function::Not, Some([one])) => self.boolean(one).map(|holds| !holds),
            (Function::Not, _) => Err(FunctionFault::Not.into()),
            (Function::Contains | Function::EachMemberEquals | Function::EachMemberIn, _) => {
                self.members(function, argument)
            }
            _ => Err(FormatFault::NotBoolean.into()),
        }
    }

    fn count(&self, nodes: &[Value]) -> Result<usize, TemplateError> {
        let held = nodes.iter().map(|node| self.boolean(node).map(usize::from));
        held.sum()
    }

    fn equals(&self, a: &Value, b: &Value) -> Result<bool, TemplateError> {
        let (a, b) = (self.whole(a)?, self.whole(b)?);
        Ok(match (&a, &b) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        })
    }

    /// The functions of rules that compare the members of lists.
    fn members(&self, function: Function, argument: &Value) -> Result<bool, TemplateError> {
        let fault = || FunctionFault::RuleFunction { function: function.name() };
        let Some([list, other]) = argument.as_array().map(Vec::as_slice) else { return Err(fault().into()) };
        let texts = |node: &Value| -> Result<Vec<String>, TemplateError> {
            let items = self.list(node, fault())?.unwrap_or_default();
            let text = |item| match item {
                Out::Value(value) => text(&value).ok_or_else(|| fault().into()),
                Out::Nothing | Out::Unknown => Err(fault().into()),
            };
            items.into_iter().map(text).collect()
        };
        let items = texts(list)?;
        if function == Function::EachMemberIn {
            let allowed = texts(other)?;
            return Ok(items.iter().all(|item| allowed.contains(item)));
        }
        let Some(wanted) = self.text(other, fault())? else { return Err(fault().into()) };
        Ok(match function {
            Function::Contains => items.contains(&wanted),
            _ => items.iter().all(|item| *item == wanted),
        })
    }
}

/// Whether two values are the same to CloudFormation, to which `80` and `"80"` are.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => match (text(a), text(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

/// Checks the rules of a template: each assertion of a rule whose condition holds (or that has none).
pub(super) fn check_rules(
    template: &Template,
    parameters: &ParameterValues,
    pseudo: &Pseudo,
    conditions: &BTreeMap<String, bool>,
) -> Result<(), TemplateError> {
    let resolver = Resolver { template, parameters, pseudo, conditions, attributes: &NoResources, planned: false };
    for (name, rule) in &template.rules {
        if rule.get("RuleCondition").map_or(Ok(true), |condition| resolver.boolean(condition))? {
            let assertions = rule.get("Assertions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for (index, assertion) in assertions.iter().enumerate() {
                let holds = assertion.get("Assert").ok_or(FormatFault::NotBoolean)?;
                if !resolver.boolean(holds)? {
                    let described = assertion.get("AssertDescription").and_then(Value::as_str);
                    let assertion = described.map_or_else(|| format!("Assertions[{index}]"), str::to_owned);
                    return Err(TemplateError::Rule { rule: name.clone(), assertion });
                }
            }
        }
    }
    Ok(())
}
