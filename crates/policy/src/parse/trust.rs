//! Trust policies of roles: checked by another validator than the rest, with other words.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::statement::{Draft, conditions, named_principals, strings};
use crate::document::{Document, Effect, Element, PrincipalElement, Principals, Version};
use crate::error::{Fault, MalformedPolicy};

pub(super) fn document(text: &str) -> Result<Document, MalformedPolicy> {
    let value =
        super::json::strict(text).map_err(|error| MalformedPolicy::new(Fault::InvalidJson, error.to_string()))?;
    let top = value.as_object().ok_or_else(|| MalformedPolicy::new(Fault::InvalidJson, "document"))?;
    super::known_elements(top, &["Version", "Id", "Statement"], "document")?;
    let version = match top.get("Version").map(Value::as_str) {
        None => None,
        Some(Some("2012-10-17")) => Some(Version::V2012),
        Some(Some("2008-10-17")) => Some(Version::V2008),
        Some(_) => return Err(MalformedPolicy::new(Fault::InvalidVersion, "Version")),
    };
    let id = super::optional_text(top, "Id", "document")?;
    let written = super::statement_values(top).map_err(|_| MalformedPolicy::new(Fault::EmptyStatement, "Statement"))?;
    let mut sids = BTreeSet::new();
    let mut statements = Vec::with_capacity(written.len());
    for (index, value) in written.iter().enumerate() {
        let place = format!("Statement[{index}]");
        let draft = statement(super::object(value, &place)?, &place)?;
        let sid = draft.sid.clone().filter(|sid| !sid.is_empty());
        if sid.is_some_and(|sid| !sids.insert(sid)) {
            return Err(MalformedPolicy::new(Fault::DuplicateTrustSid, place));
        }
        statements.push(super::whole(draft));
    }
    Ok(Document { version, id, statements })
}

fn statement(map: &Map<String, Value>, place: &str) -> Result<Draft, MalformedPolicy> {
    let known =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    super::known_elements(map, &known, place)?;
    let fault = |fault| MalformedPolicy::new(fault, place);
    let text =
        map.get("Effect").and_then(Value::as_str).ok_or_else(|| fault(Fault::MissingField { field: "Effect" }))?;
    let Some((effect, true)) = super::effect(text) else {
        return Err(fault(Fault::InvalidEffect { effect: text.to_owned() }));
    };
    if map.contains_key("NotPrincipal") {
        let denies = effect == Effect::Deny;
        return Err(fault(if denies { Fault::NotPrincipalInTrust } else { Fault::AllowWithNotPrincipal }));
    }
    let principal = principal(map, place)?;
    let conditions = conditions(map, place)?;
    let action = action(map, place)?;
    if map.contains_key("Resource") {
        return Err(fault(Fault::ProhibitedField { field: "Resource" }));
    }
    if map.contains_key("NotResource") {
        return Err(fault(Fault::ResourcesInTrust));
    }
    Ok(Draft {
        sid: super::optional_text(map, "Sid", place)?,
        effect,
        effect_case_right: true,
        principal: Some(principal),
        action: Some(action),
        resource: None,
        conditions,
    })
}

fn principal(map: &Map<String, Value>, place: &str) -> Result<PrincipalElement, MalformedPolicy> {
    let fault = |fault| MalformedPolicy::new(fault, format!("{place}.Principal"));
    let named = match map.get("Principal") {
        None => return Err(fault(Fault::MissingField { field: "Principal" })),
        Some(Value::Object(named)) if named.is_empty() => return Err(fault(Fault::EmptyPrincipal)),
        Some(Value::Object(named)) => named,
        Some(Value::String(_)) => return Err(fault(Fault::PrincipalNotObject)),
        Some(_) => return Err(fault(Fault::Syntax)),
    };
    Ok(PrincipalElement { negated: false, principals: Principals::Named(named_principals(named, place)?) })
}

fn action(map: &Map<String, Value>, place: &str) -> Result<Element, MalformedPolicy> {
    let fault = |fault| MalformedPolicy::new(fault, format!("{place}.Action"));
    let (negated, value) = match (map.get("Action"), map.get("NotAction")) {
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (None, None) => return Err(fault(Fault::MissingField { field: "Action" })),
        (Some(_), Some(_)) => return Err(fault(Fault::Syntax)),
    };
    let patterns = strings(value).ok_or_else(|| fault(Fault::Syntax))?;
    if patterns.is_empty() {
        return Err(fault(Fault::MissingField { field: "Action" }));
    }
    let of_sts = |action: &String| action.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sts:"));
    if !patterns.iter().all(of_sts) {
        return Err(fault(Fault::NotAssumeRole));
    }
    Ok(Element { negated, patterns })
}
