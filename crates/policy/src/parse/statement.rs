//! The grammar stage of one statement: elements and their types.

use serde_json::{Map, Value};

use super::PolicyKind;
use crate::condition::Operator;
use crate::document::{ConditionEntry, Effect, Element, PrincipalElement, PrincipalType, Principals, Statement};
use crate::error::{Fault, MalformedPolicy};

const ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// A statement that the grammar accepts; later stages see whether it says enough.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    /// `allow` and `DENY` pass the grammar and fail the legacy parser.
    pub(super) effect_case_right: bool,
    pub(super) principal: Option<PrincipalElement>,
    pub(super) action: Option<Element>,
    pub(super) resource: Option<Element>,
    pub(super) conditions: Vec<ConditionEntry>,
}

impl Draft {
    /// The statement; one without actions has an empty list, which matches nothing.
    pub(super) fn finish(self) -> Statement {
        let none = Element { negated: false, patterns: Vec::new() };
        Statement {
            sid: self.sid,
            effect: self.effect,
            principal: self.principal,
            action: self.action.unwrap_or(none),
            resource: self.resource,
            conditions: self.conditions,
        }
    }
}

pub(super) fn read(kind: PolicyKind, value: &Value, place: &str) -> Result<Draft, MalformedPolicy> {
    let map = super::object(value, place)?;
    super::known_elements(map, &ELEMENTS, place)?;
    let prohibited = |name: &str| MalformedPolicy::new(Fault::PrincipalInIdentityPolicy, format!("{place}.{name}"));
    if kind.belongs_to_principal()
        && let Some(name) = ["Principal", "NotPrincipal"].into_iter().find(|name| map.contains_key(*name))
    {
        return Err(prohibited(name));
    }
    let effect_place = || MalformedPolicy::syntax(format!("{place}.Effect"));
    let effect = map.get("Effect").and_then(Value::as_str).and_then(super::effect).ok_or_else(effect_place)?;
    let principal = principal(map, place)?;
    if kind == PolicyKind::ResourceControl {
        // RCP syntax: `Principal` is `"*"` and nothing else; who is meant is said in conditions.
        match &principal {
            Some(PrincipalElement { negated: false, principals: Principals::Everyone }) => {}
            _ => return Err(MalformedPolicy::syntax(format!("{place}.Principal"))),
        }
    }
    Ok(Draft {
        sid: super::optional_text(map, "Sid", place)?,
        effect: effect.0,
        effect_case_right: effect.1,
        principal,
        action: element(map, "Action", "NotAction", place)?,
        resource: element(map, "Resource", "NotResource", place)?,
        conditions: conditions(map, place)?,
    })
}

fn element(
    map: &Map<String, Value>,
    name: &str,
    negated_name: &str,
    place: &str,
) -> Result<Option<Element>, MalformedPolicy> {
    let (negated, value) = match (map.get(name), map.get(negated_name)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (Some(_), Some(_)) => return Err(MalformedPolicy::syntax(format!("{place}.{negated_name}"))),
    };
    let patterns = strings(value).ok_or_else(|| MalformedPolicy::syntax(format!("{place}.{name}")))?;
    Ok(Some(Element { negated, patterns }))
}

/// A string, or a list of strings.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn principal(map: &Map<String, Value>, place: &str) -> Result<Option<PrincipalElement>, MalformedPolicy> {
    let (negated, value) = match (map.get("Principal"), map.get("NotPrincipal")) {
        (None, None) => return Ok(None),
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (Some(_), Some(_)) => return Err(MalformedPolicy::syntax(format!("{place}.NotPrincipal"))),
    };
    let principals = match value {
        Value::String(text) if text == "*" => Principals::Everyone,
        Value::Object(named) if !named.is_empty() => Principals::Named(named_principals(named, place)?),
        _ => return Err(MalformedPolicy::syntax(format!("{place}.Principal"))),
    };
    Ok(Some(PrincipalElement { negated, principals }))
}

/// The object form of `Principal`.
pub(super) fn named_principals(
    named: &Map<String, Value>,
    place: &str,
) -> Result<Vec<(PrincipalType, Vec<String>)>, MalformedPolicy> {
    let mut all = Vec::with_capacity(named.len());
    for (name, value) in named {
        let place = || format!("{place}.Principal.{name}");
        let kind = PrincipalType::from_name(name).ok_or_else(|| {
            MalformedPolicy::new(Fault::InvalidPrincipal { principal: format!("\"{name}\"") }, place())
        })?;
        let values = strings(value).ok_or_else(|| MalformedPolicy::syntax(place()))?;
        all.push((kind, values));
    }
    Ok(all)
}

/// `Condition`, flattened. An operator without keys is accepted whatever its name, as AWS does.
pub(super) fn conditions(map: &Map<String, Value>, place: &str) -> Result<Vec<ConditionEntry>, MalformedPolicy> {
    let Some(value) = map.get("Condition") else { return Ok(Vec::new()) };
    let place = format!("{place}.Condition");
    let mut all = Vec::new();
    for (operator, keys) in super::object(value, &place)? {
        for (key, values) in super::object(keys, &format!("{place}.{operator}"))? {
            let fault = || MalformedPolicy::syntax(format!("{place}.{operator}.{key}"));
            if Operator::parse(operator).is_none() {
                return Err(fault());
            }
            let values = scalars(values).ok_or_else(fault)?;
            all.push(ConditionEntry { operator: operator.clone(), key: key.clone(), values });
        }
    }
    Ok(all)
}

/// Condition values: text, numbers and booleans, alone or in a list, kept as text.
fn scalars(value: &Value) -> Option<Vec<String>> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match value {
        Value::Array(many) => many.iter().map(scalar).collect(),
        one => scalar(one).map(|one| vec![one]),
    }
}
