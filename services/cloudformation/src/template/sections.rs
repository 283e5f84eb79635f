//! The sections of a template, and the shape each must have.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::error::{FormatFault, TemplateError};
use super::function::{self, Function, not_built, text};
use super::parameters::Parameter;
use super::source::{self, MAX_BODY_BYTES, MAX_DEPTH, Source};
use super::{check, parameters};

const SECTIONS: [&str; 9] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Resources",
    "Outputs",
];

/// The one transform that defines nothing: it only adds functions.
const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

const MAX_RESOURCES: usize = 500;
const MAX_OTHERS: usize = 200;
const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// A parsed template, well formed as far as that can be said without values.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// `Description`
    pub description: Option<String>,
    /// `Metadata`
    pub metadata: Option<Value>,
    /// `Parameters`, in the order written.
    pub parameters: IndexMap<String, Parameter>,
    /// `Mappings`: map, top-level key, second-level key.
    pub mappings: Map<String, Value>,
    /// `Conditions`, not evaluated.
    pub conditions: IndexMap<String, Value>,
    /// `Rules`, not evaluated.
    pub rules: Map<String, Value>,
    /// The macros of `Transform`, in the order written. They are not run: the caller refuses them, or expands the
    /// template and parses what comes of it. Until then references are not checked, because macros may define what
    /// they name. `Fn::Length`, `Fn::ToJsonString` and default values of `Fn::FindInMap` are built, so of
    /// `AWS::LanguageExtensions` only `Fn::ForEach` is missing (and refused, as `Fn::Transform` is).
    pub transforms: Vec<String>,
    /// `Resources`
    pub resources: IndexMap<String, Resource>,
    /// `Outputs`
    pub outputs: IndexMap<String, Output>,
    /// Keys written twice in one map, of which the last was taken, as CloudFormation does.
    pub duplicate_keys: Vec<String>,
}

/// One member of `Resources`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// `Type`
    pub resource_type: String,
    /// `Properties`, not resolved.
    pub properties: Map<String, Value>,
    /// `DependsOn`
    pub depends_on: Vec<String>,
    /// `Condition`
    pub condition: Option<String>,
    /// `DeletionPolicy`, if given: the default depends on the type.
    pub deletion_policy: Option<DeletionPolicy>,
    /// `UpdateReplacePolicy`, if given.
    pub update_replace_policy: Option<DeletionPolicy>,
    /// `UpdatePolicy`, not resolved.
    pub update_policy: Option<Value>,
    /// `CreationPolicy`, not resolved.
    pub creation_policy: Option<Value>,
    /// `Metadata`, not resolved.
    pub metadata: Option<Value>,
}

/// What becomes of a resource that the stack no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// It is deleted.
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless its creation is rolled back. Not for `UpdateReplacePolicy`.
    RetainExceptOnCreate,
    /// A snapshot stays.
    Snapshot,
}

/// One member of `Outputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// `Value`, not resolved.
    pub value: Value,
    /// `Description`
    pub description: Option<String>,
    /// `Condition`
    pub condition: Option<String>,
    /// `Export`
    pub export: Option<Export>,
}

/// The `Export` of an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// `Name`, not resolved.
    pub name: Value,
}

impl Template {
    /// Parses a template of at most [`source::MAX_URL_BYTES`](super::MAX_URL_BYTES), in JSON or YAML.
    ///
    /// # Errors
    /// [`TemplateError`], in CloudFormation's words.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let Source { tree, duplicate_keys } = source::read(text)?;
        Self::build(&tree, duplicate_keys)
    }

    /// The same for a `TemplateBody`, which may be at most [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES) long.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_body(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_BODY_BYTES {
            return Err(TemplateError::BodyTooLong { limit: MAX_BODY_BYTES });
        }
        Self::parse(text)
    }

    /// The same for a tree that is there already, such as a template that a transform made.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn from_value(tree: &Value) -> Result<Self, TemplateError> {
        if deeper_than(tree, MAX_DEPTH) {
            return Err(TemplateError::TooDeep { limit: MAX_DEPTH });
        }
        Self::build(tree, Vec::new())
    }

    fn build(tree: &Value, duplicate_keys: Vec<String>) -> Result<Self, TemplateError> {
        let top = tree.as_object().ok_or(TemplateError::Structure)?;
        let transforms = transforms(top)?;
        known_sections(top, !transforms.is_empty())?;
        if let Some(path) = source::find_null(tree, "") {
            return Err(TemplateError::Null { path });
        }
        if top.get("AWSTemplateFormatVersion").is_some_and(|version| version.as_str() != Some("2010-09-09")) {
            return Err(TemplateError::FormatVersion);
        }
        let template = Self {
            description: description(top)?,
            metadata: top.get("Metadata").cloned(),
            parameters: members(top, "Parameters", "Parameter", "parameters", MAX_OTHERS)?
                .into_iter()
                .map(|(name, value)| Ok((name.clone(), parameters::read(value)?)))
                .collect::<Result<_, TemplateError>>()?,
            mappings: mappings(top)?,
            conditions: members(top, "Conditions", "Condition", "conditions", usize::MAX)?
                .into_iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            rules: section(top, "Rules")?.cloned().into_iter().flatten().collect(),
            transforms,
            resources: members(top, "Resources", "Resource", "resources", MAX_RESOURCES)?
                .into_iter()
                .map(|(name, value)| Ok((name.clone(), resource(name, value)?)))
                .collect::<Result<_, TemplateError>>()?,
            outputs: members(top, "Outputs", "Output", "outputs", MAX_OTHERS)?
                .into_iter()
                .map(|(name, value)| Ok((name.clone(), output(name, value)?)))
                .collect::<Result<_, TemplateError>>()?,
            duplicate_keys,
        };
        if template.resources.is_empty() {
            return Err(FormatFault::NoResources.into());
        }
        if template.transforms.iter().all(|name| name == LANGUAGE_EXTENSIONS) {
            check::references(&template)?;
        }
        Ok(template)
    }
}

fn known_sections(top: &Map<String, Value>, transformed: bool) -> Result<(), TemplateError> {
    // `Globals` is a section of the SAM transform; other sections of macros are theirs to take away.
    let known =
        |name: &String| SECTIONS.contains(&name.as_str()) || name == "Transform" || (transformed && name == "Globals");
    if top.contains_key("Hooks") {
        return Err(not_built("the Hooks section of templates"));
    }
    let names: Vec<String> = top.keys().filter(|name| !known(name)).cloned().collect();
    if names.is_empty() { Ok(()) } else { Err(TemplateError::UnknownSections { names }) }
}

fn deeper_than(value: &Value, limit: usize) -> bool {
    // Not recursive: this is what keeps all recursion after it bounded.
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|item| (item, depth + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

fn description(top: &Map<String, Value>) -> Result<Option<String>, TemplateError> {
    match top.get("Description") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_DESCRIPTION_BYTES => Err(FormatFault::DescriptionTooLong.into()),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FormatFault::NotText { element: "Description" }.into()),
    }
}

/// The names of the macros of `Transform`: text, a map with `Name`, or a list of these.
fn transforms(top: &Map<String, Value>) -> Result<Vec<String>, TemplateError> {
    let name = |value: &Value| match value {
        Value::String(name) => Ok(name.clone()),
        Value::Object(map) => {
            map.get("Name").and_then(Value::as_str).map(str::to_owned).ok_or(TemplateError::TransformName)
        }
        _ => Err(TemplateError::TransformName),
    };
    match top.get("Transform") {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(name).collect(),
        Some(one) => Ok(vec![name(one)?]),
    }
}

fn section<'v>(
    top: &'v Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'v Map<String, Value>>, TemplateError> {
    match top.get(name) {
        None => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(FormatFault::SectionNotMap { section: name }.into()),
    }
}

/// The members of a section, their names and number checked.
fn members<'v>(
    top: &'v Map<String, Value>,
    name: &'static str,
    kind: &'static str,
    kinds: &'static str,
    limit: usize,
) -> Result<Vec<(&'v String, &'v Value)>, TemplateError> {
    let Some(map) = section(top, name)? else { return Ok(Vec::new()) };
    for member in map.keys() {
        if member.starts_with("Fn::ForEach") {
            return Err(not_built("Fn::ForEach"));
        }
        if member.is_empty() || !member.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(FormatFault::Name { kind, name: member.clone() }.into());
        }
    }
    if map.len() > limit {
        return Err(FormatFault::TooMany { kind: kinds, count: map.len(), limit }.into());
    }
    Ok(map.iter().collect())
}

fn mappings(top: &Map<String, Value>) -> Result<Map<String, Value>, TemplateError> {
    for (name, mapping) in members(top, "Mappings", "Mapping", "mappings", MAX_OTHERS)? {
        let not_map = || FormatFault::MappingNotMap { name: name.clone() };
        let keys = mapping.as_object().ok_or_else(not_map)?;
        for (key, attributes) in keys {
            let fault = || FormatFault::MappingAttribute { name: format!("{name}/{key}") };
            let attributes = attributes.as_object().ok_or_else(fault)?;
            if attributes.values().any(Value::is_object) {
                return Err(fault().into());
            }
        }
    }
    Ok(section(top, "Mappings")?.cloned().into_iter().flatten().collect())
}

fn resource(name: &str, value: &Value) -> Result<Resource, TemplateError> {
    let map = value.as_object().ok_or(FormatFault::MemberNotObject { section: "Resources" })?;
    let known = [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "UpdatePolicy",
        "CreationPolicy",
        "Metadata",
        "Description",
    ];
    if let Some(name) = map.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(TemplateError::ResourceAttribute { name: name.clone() });
    }
    let properties = match map.get("Properties") {
        None => Map::new(),
        Some(Value::Object(properties)) => {
            // Properties are named one by one; no function makes them all at once.
            match function::call(properties)? {
                Some((function, _)) if function != Function::Ref => {
                    return Err(TemplateError::UnsupportedProperty { name: function.name().to_owned() });
                }
                _ => properties.clone(),
            }
        }
        Some(_) => return Err(FormatFault::MemberNotObject { section: "Properties" }.into()),
    };
    let no_type = || FormatFault::NoType { name: name.to_owned() };
    Ok(Resource {
        resource_type: optional_text(map, "Type")?.ok_or_else(no_type)?,
        properties,
        depends_on: depends_on(map)?,
        condition: optional_text(map, "Condition")?,
        deletion_policy: policy(map, "DeletionPolicy", name)?,
        update_replace_policy: policy(map, "UpdateReplacePolicy", name)?,
        update_policy: map.get("UpdatePolicy").cloned(),
        creation_policy: map.get("CreationPolicy").cloned(),
        metadata: map.get("Metadata").cloned(),
    })
}

fn depends_on(map: &Map<String, Value>) -> Result<Vec<String>, TemplateError> {
    let names = match map.get("DependsOn") {
        None => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one.clone()]),
        Some(Value::Array(many)) => many.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    };
    names.ok_or_else(|| FormatFault::DependsOn.into())
}

fn policy(
    map: &Map<String, Value>,
    element: &'static str,
    resource: &str,
) -> Result<Option<DeletionPolicy>, TemplateError> {
    let Some(value) = optional_text(map, element)? else { return Ok(None) };
    match value.as_str() {
        "Delete" => Ok(Some(DeletionPolicy::Delete)),
        "Retain" => Ok(Some(DeletionPolicy::Retain)),
        "Snapshot" => Ok(Some(DeletionPolicy::Snapshot)),
        "RetainExceptOnCreate" if element == "DeletionPolicy" => Ok(Some(DeletionPolicy::RetainExceptOnCreate)),
        _ => Err(FormatFault::Policy { element, value, resource: resource.to_owned() }.into()),
    }
}

fn output(name: &str, value: &Value) -> Result<Output, TemplateError> {
    let map = value.as_object().ok_or(FormatFault::MemberNotObject { section: "Outputs" })?;
    let export = match map.get("Export") {
        None => None,
        Some(export) => {
            let malformed = || FormatFault::ExportName { name: name.to_owned() };
            let name = export.as_object().and_then(|export| export.get("Name")).ok_or_else(malformed)?;
            Some(Export { name: name.clone() })
        }
    };
    Ok(Output {
        value: map.get("Value").ok_or(FormatFault::NoOutputValue)?.clone(),
        description: map.get("Description").and_then(text),
        condition: optional_text(map, "Condition")?,
        export,
    })
}

fn optional_text(map: &Map<String, Value>, element: &'static str) -> Result<Option<String>, TemplateError> {
    match map.get(element) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FormatFault::NotText { element }.into()),
    }
}
