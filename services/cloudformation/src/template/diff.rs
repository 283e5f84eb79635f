//! What changes between two sets of resolved resources.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::conditions::same;
use super::function::text;
use super::resolve::holds_mark;

/// A resource with its functions resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedResource {
    /// `Type`
    pub resource_type: String,
    /// `Properties`
    pub properties: Map<String, Value>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Add,
    /// It goes.
    Remove,
    /// It stays and changes.
    Modify,
    /// It stays as it is.
    None,
}

/// A property, from the name down: `["Tags", "0", "Value"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyPath(pub Vec<String>);

impl PropertyPath {
    /// The name of the property itself, by which a type says whether a change replaces the resource.
    pub fn property(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("/Properties")?;
        self.0.iter().try_for_each(|part| write!(formatter, "/{part}"))
    }
}

/// What changes in one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// The logical id.
    pub logical: String,
    /// The type: the new one, or the old one of a resource that goes.
    pub resource_type: String,
    /// What happens.
    pub action: Action,
    /// The type differs: always a replacement.
    pub type_changed: bool,
    /// The properties that differ, sorted as the new template has them, then those that are gone.
    pub changed: Vec<PropertyPath>,
    /// Those of `changed` that may turn out the same: the new value is not known yet.
    pub uncertain: Vec<PropertyPath>,
}

/// Compares two sets of resources: first those of `new`, in its order, then those that go.
///
/// Scalars are compared as text, because to CloudFormation `80` and `"80"` are the same.
pub fn diff(old: &IndexMap<String, ResolvedResource>, new: &IndexMap<String, ResolvedResource>) -> Vec<ResourceChange> {
    let change = |logical: &String, resource: &ResolvedResource, action| ResourceChange {
        logical: logical.clone(),
        resource_type: resource.resource_type.clone(),
        action,
        type_changed: false,
        changed: Vec::new(),
        uncertain: Vec::new(),
    };
    let mut changes: Vec<ResourceChange> = new
        .iter()
        .map(|(logical, after)| match old.get(logical) {
            None => change(logical, after, Action::Add),
            Some(before) => modified(change(logical, after, Action::None), before, after),
        })
        .collect();
    let gone = old.iter().filter(|(logical, _)| !new.contains_key(*logical));
    changes.extend(gone.map(|(logical, before)| change(logical, before, Action::Remove)));
    changes
}

fn modified(mut change: ResourceChange, before: &ResolvedResource, after: &ResolvedResource) -> ResourceChange {
    change.type_changed = before.resource_type != after.resource_type;
    of_maps(&before.properties, &after.properties, &mut Vec::new(), &mut change);
    if change.type_changed || !change.changed.is_empty() {
        change.action = Action::Modify;
    }
    change
}

fn of_maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &mut Vec<String>,
    change: &mut ResourceChange,
) {
    let names = after.keys().chain(before.keys().filter(|name| !after.contains_key(*name)));
    for name in names {
        path.push(name.clone());
        of_values(before.get(name), after.get(name), path, change);
        path.pop();
    }
}

fn of_values(before: Option<&Value>, after: Option<&Value>, path: &mut Vec<String>, change: &mut ResourceChange) {
    match (before, after) {
        (Some(before), Some(after)) if same(before, after) && !holds_mark(after) => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => of_maps(before, after, path, change),
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                path.push(index.to_string());
                of_values(before.get(index), after.get(index), path, change);
                path.pop();
            }
        }
        (before, after) => {
            let scalars = before.and_then(text).is_some() || before.is_none();
            if after.is_some_and(holds_mark) && scalars {
                change.uncertain.push(PropertyPath(path.clone()));
            }
            change.changed.push(PropertyPath(path.clone()));
        }
    }
}
