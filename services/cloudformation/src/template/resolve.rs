//! Functions to values.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::cidr;
use super::error::{FormatFault, FunctionFault, TemplateError};
use super::function::{self, Function, text};
use super::parameters::ParameterValues;
use super::sections::Template;
use super::stack::Pseudo;
use super::sub::{self, Piece};

/// What stands in a plan for a value that is known only when the change is carried out. It is AWS's own mark, as
/// `DescribeChangeSet` shows it.
pub const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// What is known of something outside of the template.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// This.
    Value(Value),
    /// Nothing yet: it will be known later.
    Pending,
    /// There is no such thing.
    Missing,
}

/// Where values come from that a template only names.
pub trait Attributes {
    /// What `Ref` of a resource gives: in most cases its physical id.
    fn ref_of(&self, logical: &str) -> Known;
    /// What `Fn::GetAtt` gives.
    fn get_att(&self, logical: &str, name: &str) -> Known;
    /// What another stack exports.
    fn import(&self, name: &str) -> Known;
    /// The zones of a region, as a list of text.
    fn azs(&self, region: &str) -> Known;
}

/// The value of a tree.
#[derive(Debug)]
pub(super) enum Out {
    Value(Value),
    /// `AWS::NoValue`: the property or item goes.
    Nothing,
    /// Known later; only in plans.
    Unknown,
}

/// Everything a function may ask.
pub(super) struct Resolver<'s> {
    pub(super) template: &'s Template,
    pub(super) parameters: &'s ParameterValues,
    pub(super) pseudo: &'s Pseudo,
    pub(super) conditions: &'s BTreeMap<String, bool>,
    pub(super) attributes: &'s dyn Attributes,
    /// A plan: what is pending is marked instead of refused.
    pub(super) planned: bool,
}

type Resolved = Result<Out, TemplateError>;

impl Resolver<'_> {
    /// The value of `node`, whole.
    pub(super) fn whole(&self, node: &Value) -> Result<Option<Value>, TemplateError> {
        Ok(match self.value(node)? {
            Out::Value(value) => Some(value),
            Out::Nothing => None,
            Out::Unknown => Some(KNOWN_AFTER_APPLY.into()),
        })
    }

    /// The value of a map of properties.
    pub(super) fn properties(&self, map: &Map<String, Value>) -> Result<Map<String, Value>, TemplateError> {
        let mut out = Map::new();
        for (name, value) in map {
            if let Some(value) = self.whole(value)? {
                out.insert(name.clone(), value);
            }
        }
        Ok(out)
    }

    pub(super) fn value(&self, node: &Value) -> Resolved {
        match node {
            Value::Array(items) => {
                let items = items.iter().filter_map(|item| self.whole(item).transpose());
                Ok(Out::Value(Value::Array(items.collect::<Result<_, _>>()?)))
            }
            Value::Object(map) => match function::call(map)? {
                None => Ok(Out::Value(Value::Object(self.properties(map)?))),
                Some((function, argument)) => self.call(function, argument),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(self.out(node.clone())),
        }
    }

    fn call(&self, function: Function, argument: &Value) -> Resolved {
        match function {
            Function::Ref => self.reference(argument.as_str().ok_or(FunctionFault::Ref)?),
            Function::GetAtt => {
                let (resource, attribute) = function::get_att(argument)?;
                let Some(attribute) = self.text(attribute, FunctionFault::GetAtt)? else { return Ok(Out::Unknown) };
                self.attribute(resource, &attribute)
            }
            Function::Sub => self.sub(argument),
            Function::Join => self.join(argument),
            Function::Select => self.select(argument),
            Function::Split => self.split(argument),
            Function::FindInMap => self.find_in_map(argument),
            Function::If => {
                let (condition, yes, no) = function::if_parts(argument)?;
                let holds = self
                    .conditions
                    .get(condition)
                    .ok_or_else(|| FunctionFault::NoCondition { name: condition.to_owned(), function: "Fn::If" })?;
                self.value(if *holds { yes } else { no })
            }
            Function::ImportValue => {
                let Some(name) = self.text(argument, FunctionFault::ImportValue)? else { return Ok(Out::Unknown) };
                let missing = || TemplateError::NoExport { name: name.clone() };
                self.known(self.attributes.import(&name), &name, missing)
            }
            Function::Base64 => Ok(match self.text(argument, FunctionFault::Base64)? {
                None => Out::Unknown,
                Some(text) => Out::Value(STANDARD.encode(text).into()),
            }),
            Function::GetAzs => {
                let Some(region) = self.text(argument, FunctionFault::GetAzs)? else { return Ok(Out::Unknown) };
                let region = if region.is_empty() { self.pseudo.region.clone() } else { region };
                self.known(self.attributes.azs(&region), &region, || FunctionFault::GetAzs.into())
            }
            Function::Cidr => self.cidr(argument),
            Function::Length => Ok(match self.list(argument, FunctionFault::Length)? {
                None => Out::Unknown,
                Some(items) => Out::Value(items.len().into()),
            }),
            Function::ToJsonString => self.json_text(argument),
            Function::Transform => Err(function::not_built(function.name())),
            Function::And
            | Function::Or
            | Function::Not
            | Function::Equals
            | Function::Contains
            | Function::EachMemberEquals
            | Function::EachMemberIn => Err(FunctionFault::BooleanAsValue { function: function.name() }.into()),
        }
    }

    /// What `Ref` gives: a pseudo parameter, a parameter, or a resource.
    fn reference(&self, name: &str) -> Resolved {
        if name == "AWS::NoValue" {
            return Ok(Out::Nothing);
        }
        if let Some(value) = self.pseudo.get(name) {
            return Ok(Out::Value(value));
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Out::Value(value.to_value()));
        }
        self.existing(name)?;
        let missing = || unresolved(name);
        self.known(self.attributes.ref_of(name), name, missing)
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Resolved {
        self.existing(resource)?;
        let missing =
            || FunctionFault::NoAttribute { resource: resource.to_owned(), attribute: attribute.to_owned() }.into();
        let what = format!("{resource}.{attribute}");
        self.known(self.attributes.get_att(resource, attribute), &what, missing)
    }

    /// A resource must be in the template, and its condition must hold.
    fn existing(&self, name: &str) -> Result<(), TemplateError> {
        let resource = self.template.resources.get(name).ok_or_else(|| unresolved(name))?;
        let holds = resource.condition.as_ref().is_none_or(|condition| self.conditions.get(condition) == Some(&true));
        if holds { Ok(()) } else { Err(unresolved(name)) }
    }

    fn known(&self, known: Known, what: &str, missing: impl FnOnce() -> TemplateError) -> Resolved {
        match known {
            Known::Value(value) => Ok(self.out(value)),
            Known::Pending if self.planned => Ok(Out::Unknown),
            Known::Pending => Err(TemplateError::NotYet { what: what.to_owned() }),
            Known::Missing => Err(missing()),
        }
    }

    /// In a plan, values that came out of another plan may hold the mark.
    fn out(&self, value: Value) -> Out {
        if self.planned && value.as_str() == Some(KNOWN_AFTER_APPLY) { Out::Unknown } else { Out::Value(value) }
    }

    /// A scalar as text; `None` when it is known later.
    pub(super) fn text(&self, node: &Value, fault: FunctionFault) -> Result<Option<String>, TemplateError> {
        match self.value(node)? {
            Out::Value(value) => text(&value).map(Some).ok_or_else(|| fault.into()),
            Out::Nothing => Err(fault.into()),
            Out::Unknown => Ok(None),
        }
    }

    /// A list, item by item; `None` when the whole of it is known later.
    pub(super) fn list(&self, node: &Value, fault: FunctionFault) -> Result<Option<Vec<Out>>, TemplateError> {
        match self.value(node)? {
            Out::Value(Value::Array(items)) => Ok(Some(items.into_iter().map(|item| self.out(item)).collect())),
            Out::Unknown => Ok(None),
            Out::Value(_) | Out::Nothing => Err(fault.into()),
        }
    }

    fn sub(&self, argument: &Value) -> Resolved {
        let (template, names) = sub::argument(argument)?;
        let mut out = String::with_capacity(template.len());
        for piece in sub::pieces(template)? {
            let name = match piece {
                Piece::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::Variable(name) => name,
            };
            let value = match (names.and_then(|names| names.get(name)), name.split_once('.')) {
                (Some(local), _) => self.value(local)?,
                (None, Some((resource, attribute))) => self.attribute(resource, attribute)?,
                (None, None) => self.reference(name)?,
            };
            match value {
                Out::Value(value) => out.push_str(&text(&value).ok_or(FunctionFault::Sub)?),
                Out::Nothing => return Err(FunctionFault::Sub.into()),
                Out::Unknown => return Ok(Out::Unknown),
            }
        }
        Ok(Out::Value(out.into()))
    }

    fn join(&self, argument: &Value) -> Resolved {
        let Some([Value::String(delimiter), list]) = argument.as_array().map(Vec::as_slice) else {
            return Err(FunctionFault::Join.into());
        };
        let Some(items) = self.list(list, FunctionFault::Join)? else { return Ok(Out::Unknown) };
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Out::Value(value) => parts.push(text(&value).ok_or(FunctionFault::Join)?),
                Out::Nothing => {}
                Out::Unknown => return Ok(Out::Unknown),
            }
        }
        Ok(Out::Value(parts.join(delimiter).into()))
    }

    fn select(&self, argument: &Value) -> Resolved {
        let Some([index, list]) = argument.as_array().map(Vec::as_slice) else {
            return Err(FunctionFault::Select.into());
        };
        let Some(index) = self.text(index, FunctionFault::Select)? else { return Ok(Out::Unknown) };
        let position: usize = index.trim().parse().map_err(|_| FunctionFault::Select)?;
        let Some(items) = self.list(list, FunctionFault::Select)? else { return Ok(Out::Unknown) };
        items.into_iter().nth(position).ok_or_else(|| FunctionFault::SelectIndex { index }.into())
    }

    fn split(&self, argument: &Value) -> Resolved {
        let Some([Value::String(delimiter), source]) = argument.as_array().map(Vec::as_slice) else {
            return Err(FunctionFault::Split.into());
        };
        if delimiter.is_empty() {
            return Err(FunctionFault::Split.into());
        }
        let Some(source) = self.text(source, FunctionFault::Split)? else { return Ok(Out::Unknown) };
        Ok(Out::Value(source.split(delimiter.as_str()).collect()))
    }

    fn find_in_map(&self, argument: &Value) -> Resolved {
        let (map, top, second, default) = match argument.as_array().map(Vec::as_slice) {
            Some([map, top, second]) => (map, top, second, None),
            Some([map, top, second, Value::Object(options)]) => (map, top, second, options.get("DefaultValue")),
            _ => return Err(FunctionFault::FindInMap.into()),
        };
        let key = |node| self.text(node, FunctionFault::FindInMap);
        let (Some(map), Some(top), Some(second)) = (key(map)?, key(top)?, key(second)?) else {
            return Ok(Out::Unknown);
        };
        let mapping = self.template.mappings.get(&map);
        let found = mapping.and_then(|mapping| mapping.get(&top)).and_then(|keys| keys.get(&second));
        match (found, default) {
            (Some(value), _) => Ok(Out::Value(value.clone())),
            (None, Some(default)) => self.value(default),
            (None, None) if mapping.is_none() => Err(FunctionFault::NoMapping { name: map }.into()),
            (None, None) => Err(FunctionFault::NoMappingValue { map, top, second }.into()),
        }
    }

    fn cidr(&self, argument: &Value) -> Resolved {
        let Some([block, count, bits]) = argument.as_array().map(Vec::as_slice) else {
            return Err(FunctionFault::Cidr.into());
        };
        let part = |node| self.text(node, FunctionFault::Cidr);
        let (Some(block), Some(count), Some(bits)) = (part(block)?, part(count)?, part(bits)?) else {
            return Ok(Out::Unknown);
        };
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| FunctionFault::Cidr);
        Ok(Out::Value(cidr::blocks(&block, number(&count)?, number(&bits)?)?.into()))
    }

    fn json_text(&self, argument: &Value) -> Resolved {
        match self.value(argument)? {
            Out::Value(value @ (Value::Array(_) | Value::Object(_))) if self.planned && holds_mark(&value) => {
                Ok(Out::Unknown)
            }
            Out::Value(value @ (Value::Array(_) | Value::Object(_))) => Ok(Out::Value(value.to_string().into())),
            Out::Unknown => Ok(Out::Unknown),
            Out::Value(_) | Out::Nothing => Err(FunctionFault::ToJsonString.into()),
        }
    }
}

fn unresolved(name: &str) -> TemplateError {
    FormatFault::Unresolved { names: vec![name.to_owned()] }.into()
}

/// Whether a value, or anything in it, is known only after the change.
pub(super) fn holds_mark(value: &Value) -> bool {
    match value {
        Value::String(text) => text == KNOWN_AFTER_APPLY,
        Value::Array(items) => items.iter().any(holds_mark),
        Value::Object(map) => map.values().any(holds_mark),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
