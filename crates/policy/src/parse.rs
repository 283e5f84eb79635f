//! From text to [`Document`], with the checks AWS makes of each kind of policy.
//!
//! IAM checks in stages, and a document with several faults is answered with the first stage's: grammar, version,
//! legacy parser (effects' case, dates, ARNs' shape), unique `Sid`s, actions, forms of resources, forms of actions,
//! resources. The order below keeps that, as recorded from AWS in the tests of public emulators.

mod json;
mod statement;
mod trust;
mod words;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::document::{Document, Effect, Statement, Version};
use crate::error::{Fault, MalformedPolicy};

/// What a document is to be used as: it decides which elements it must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// A managed policy (also used as permissions boundary): version 2012-10-17 only.
    Managed,
    /// A policy embedded in a user, group or role.
    Inline,
    /// A permissions boundary; written as a managed policy.
    Boundary,
    /// A policy passed when a session is made.
    Session,
    /// A policy attached to a resource. `Resource` may be missing: some services imply it, others check themselves.
    Resource,
    /// The trust policy of a role.
    Trust,
    /// A service control policy of an organization.
    ServiceControl,
    /// A resource control policy of an organization.
    ResourceControl,
    /// The policy of a VPC endpoint.
    Endpoint,
}

impl PolicyKind {
    /// Policies that belong to a principal, and so name none.
    fn belongs_to_principal(self) -> bool {
        matches!(self, Self::Managed | Self::Inline | Self::Boundary | Self::Session | Self::ServiceControl)
    }

    fn needs_current_version(self) -> bool {
        matches!(self, Self::Managed | Self::Boundary)
    }

    fn needs_resource(self) -> bool {
        !matches!(self, Self::Resource | Self::Trust)
    }

    fn of_organization(self) -> bool {
        matches!(self, Self::ServiceControl | Self::ResourceControl)
    }
}

/// Parses and checks `text`.
pub(crate) fn document(kind: PolicyKind, text: &str) -> Result<Document, MalformedPolicy> {
    let parsed = match kind {
        PolicyKind::Trust => trust::document(text),
        _ => general(kind, text),
    };
    parsed.map_err(|malformed| {
        // Organizations answers every fault with one sentence; the place still says which it was.
        if kind.of_organization() {
            let place = format!("{}: {}", malformed.place, malformed.fault);
            MalformedPolicy::new(Fault::PolicyTypeRequirements, place)
        } else {
            malformed
        }
    })
}

fn general(kind: PolicyKind, text: &str) -> Result<Document, MalformedPolicy> {
    let value = json::strict(text).map_err(|error| MalformedPolicy::syntax(error.to_string()))?;
    let top = object(&value, "document")?;
    known_elements(top, &["Version", "Id", "Statement"], "document")?;
    let version = version(top)?;
    let id = optional_text(top, "Id", "document")?;
    let written = statement_values(top)?;
    let mut statements = Vec::with_capacity(written.len());
    for (index, value) in written.iter().enumerate() {
        statements.push(statement::read(kind, value, &format!("Statement[{index}]"))?);
    }
    if kind.needs_current_version() && version != Some(Version::V2012) {
        return Err(MalformedPolicy::new(Fault::VersionTooOld, "Version"));
    }
    for (index, draft) in statements.iter().enumerate() {
        words::legacy(draft, index)?;
    }
    unique_sids(&statements, kind)?;
    let checks = [has_actions, words::resources, words::actions];
    for check in checks {
        for (index, draft) in statements.iter().enumerate() {
            check(draft, index)?;
        }
    }
    for (index, draft) in statements.iter().enumerate() {
        has_the_rest(draft, kind, index)?;
    }
    let statements = statements.into_iter().map(statement::Draft::finish).collect();
    Ok(Document { version, id, statements })
}

fn has_actions(draft: &statement::Draft, index: usize) -> Result<(), MalformedPolicy> {
    match &draft.action {
        Some(action) if !action.patterns.is_empty() => Ok(()),
        _ => Err(MalformedPolicy::new(Fault::NoActions, format!("Statement[{index}]"))),
    }
}

fn has_the_rest(draft: &statement::Draft, kind: PolicyKind, index: usize) -> Result<(), MalformedPolicy> {
    let place = format!("Statement[{index}]");
    let empty = draft.resource.as_ref().is_some_and(|resource| resource.patterns.is_empty());
    if empty || (draft.resource.is_none() && kind.needs_resource()) {
        return Err(MalformedPolicy::new(Fault::NoResources, place));
    }
    if draft.principal.is_none() && !kind.belongs_to_principal() {
        return Err(MalformedPolicy::new(Fault::MissingField { field: "Principal" }, place));
    }
    Ok(())
}

fn unique_sids(statements: &[statement::Draft], kind: PolicyKind) -> Result<(), MalformedPolicy> {
    let mut seen = BTreeSet::new();
    for (index, draft) in statements.iter().enumerate() {
        let Some(sid) = draft.sid.as_deref().filter(|sid| !sid.is_empty()) else { continue };
        let place = || format!("Statement[{index}].Sid");
        if !seen.insert(sid) {
            return Err(MalformedPolicy::new(Fault::DuplicateSid, place()));
        }
        // Services that own resource policies allow more characters, and check themselves.
        let free = matches!(kind, PolicyKind::Resource | PolicyKind::Endpoint);
        if !free && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(MalformedPolicy::new(Fault::SidCharacters, place()));
        }
    }
    Ok(())
}

fn version(top: &Map<String, Value>) -> Result<Option<Version>, MalformedPolicy> {
    match top.get("Version").map(Value::as_str) {
        None => Ok(None),
        Some(Some("2012-10-17")) => Ok(Some(Version::V2012)),
        Some(Some("2008-10-17")) => Ok(Some(Version::V2008)),
        Some(_) => Err(MalformedPolicy::syntax("Version")),
    }
}

fn statement_values(top: &Map<String, Value>) -> Result<Vec<&Value>, MalformedPolicy> {
    match top.get("Statement") {
        Some(one @ Value::Object(_)) => Ok(vec![one]),
        Some(Value::Array(many)) if !many.is_empty() => Ok(many.iter().collect()),
        _ => Err(MalformedPolicy::syntax("Statement")),
    }
}

fn object<'v>(value: &'v Value, place: &str) -> Result<&'v Map<String, Value>, MalformedPolicy> {
    value.as_object().ok_or_else(|| MalformedPolicy::syntax(place))
}

fn known_elements(map: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), MalformedPolicy> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(MalformedPolicy::syntax(format!("{place}.{unknown}"))),
    }
}

fn optional_text(map: &Map<String, Value>, name: &str, place: &str) -> Result<Option<String>, MalformedPolicy> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(MalformedPolicy::syntax(format!("{place}.{name}"))),
    }
}

/// The effect regardless of case; the legacy stage refuses the wrong case.
fn effect(text: &str) -> Option<(Effect, bool)> {
    [Effect::Allow, Effect::Deny]
        .into_iter()
        .find(|effect| effect.as_str().eq_ignore_ascii_case(text))
        .map(|effect| (effect, effect.as_str() == text))
}

/// Used by the trust stage, which builds statements directly.
fn whole(draft: statement::Draft) -> Statement {
    draft.finish()
}
