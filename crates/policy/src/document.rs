//! A policy as written: the tree behind the JSON, and the JSON behind the tree.

use serde_json::{Map, Value};

/// The version of the language. It decides whether `${…}` is a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, also what a document without `Version` means. No policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

impl Version {
    /// As written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2008 => "2008-10-17",
            Self::V2012 => "2012-10-17",
        }
    }
}

/// Whether a statement grants or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `Allow`
    Allow,
    /// `Deny`
    Deny,
}

impl Effect {
    /// As written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// `Version`, if given.
    pub version: Option<Version>,
    /// `Id`, if given.
    pub id: Option<String>,
    /// `Statement`: one or many; order is kept, it names statements in traces.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `Sid`, if given.
    pub sid: Option<String>,
    /// `Effect`
    pub effect: Effect,
    /// `Principal` or `NotPrincipal`.
    pub principal: Option<PrincipalElement>,
    /// `Action` or `NotAction`.
    pub action: Element,
    /// `Resource` or `NotResource`; trust policies have none.
    pub resource: Option<Element>,
    /// `Condition`, flattened; all entries must hold.
    pub conditions: Vec<ConditionEntry>,
}

/// `Action`/`NotAction` or `Resource`/`NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The `Not…` form.
    pub negated: bool,
    /// The patterns; one is enough to match.
    pub patterns: Vec<String>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalElement {
    /// The `Not…` form.
    pub negated: bool,
    /// Who.
    pub principals: Principals,
}

/// Who a statement speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principals {
    /// The string `"*"`.
    Everyone,
    /// The object form, in the order written.
    Named(Vec<(PrincipalType, Vec<String>)>),
}

/// The keys of the object form of `Principal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalType {
    /// Accounts, users, roles, sessions, or `*`.
    Aws,
    /// Service principals such as `sns.amazonaws.com`.
    Service,
    /// Identity providers.
    Federated,
    /// An account by its canonical user id.
    CanonicalUser,
}

impl PrincipalType {
    /// As written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Service => "Service",
            Self::Federated => "Federated",
            Self::CanonicalUser => "CanonicalUser",
        }
    }

    /// From JSON; the names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Aws, Self::Service, Self::Federated, Self::CanonicalUser].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One comparison: an operator, a key, the values of which one must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionEntry {
    /// The operator with its prefix and suffix, such as `ForAnyValue:StringLikeIfExists`.
    pub operator: String,
    /// The condition key as written.
    pub key: String,
    /// The values; numbers and booleans are kept as their text.
    pub values: Vec<String>,
}

impl Document {
    /// The document as JSON; [`crate::Policy::parse`] of it gives the same document again.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        if let Some(version) = self.version {
            map.insert("Version".into(), version.as_str().into());
        }
        if let Some(id) = &self.id {
            map.insert("Id".into(), id.as_str().into());
        }
        map.insert("Statement".into(), self.statements.iter().map(Statement::to_value).collect());
        Value::Object(map)
    }
}

impl Statement {
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        if let Some(sid) = &self.sid {
            map.insert("Sid".into(), sid.as_str().into());
        }
        map.insert("Effect".into(), self.effect.as_str().into());
        if let Some(element) = &self.principal {
            let name = if element.negated { "NotPrincipal" } else { "Principal" };
            map.insert(name.into(), element.principals.to_value());
        }
        map.insert(if self.action.negated { "NotAction" } else { "Action" }.into(), one_or_many(&self.action.patterns));
        if let Some(resource) = &self.resource {
            let name = if resource.negated { "NotResource" } else { "Resource" };
            map.insert(name.into(), one_or_many(&resource.patterns));
        }
        if !self.conditions.is_empty() {
            map.insert("Condition".into(), conditions_value(&self.conditions));
        }
        Value::Object(map)
    }
}

impl Principals {
    fn to_value(&self) -> Value {
        match self {
            Self::Everyone => "*".into(),
            Self::Named(named) => Value::Object(
                named.iter().map(|(kind, values)| (kind.as_str().to_owned(), one_or_many(values))).collect(),
            ),
        }
    }
}

fn conditions_value(entries: &[ConditionEntry]) -> Value {
    let mut map = Map::new();
    for entry in entries {
        let block = map.entry(entry.operator.clone()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(keys) = block {
            keys.insert(entry.key.clone(), one_or_many(&entry.values));
        }
    }
    Value::Object(map)
}

fn one_or_many(values: &[String]) -> Value {
    match values {
        [one] => one.as_str().into(),
        many => many.iter().map(String::as_str).collect(),
    }
}
