//! What of a resource's policy, ACL and grants lets somebody in from outside of a zone of trust.
//!
//! Access of AWS's services is not told of, and what cannot be told exactly is told of as if it were so: "findings for external access"
//! in the IAM user guide says both. A variable of a policy may stand for anything here.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::arn::Arn;
use undercast_kernel::auth::canonical_user;
use undercast_kernel::policy::{Document, Effect, PrincipalFacts, PrincipalKind, PrincipalType, Principals, Statement};

use crate::public;
use crate::reach::{Limits, Prepared, Space, Undecided, base};
use crate::rows::{Found, Source};
use crate::zone::Zone;

/// Somebody from outside, what they may do, and under what condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `AWS` and an account, say.
    pub(crate) principal: (String, String),
    pub(crate) actions: BTreeSet<String>,
    pub(crate) condition: BTreeMap<String, String>,
    pub(crate) public: bool,
    pub(crate) source: Option<Source>,
}

/// A policy, and of what it is.
pub(crate) struct Guarded<'a> {
    pub(crate) document: &'a Document,
    pub(crate) service: &'a str,
    /// What can be done to it.
    pub(crate) actions: &'a [String],
    /// Patterns of its ARNs.
    pub(crate) resources: &'a [String],
    /// What requests have of keys, where that is known.
    pub(crate) known: &'a BTreeMap<String, String>,
}

/// Everybody.
const ANYBODY: (&str, &str) = ("AWS", "*");

/// Whom a statement names: of accounts their ids.
fn named(statement: &Statement) -> BTreeSet<(String, String)> {
    let anybody = || BTreeSet::from([(ANYBODY.0.to_owned(), ANYBODY.1.to_owned())]);
    let Some(element) = &statement.principal else { return BTreeSet::new() };
    let Principals::Named(all) = &element.principals else { return anybody() };
    if element.negated {
        return anybody();
    }
    let whom = |kind: PrincipalType, value: &String| {
        let arn = Arn::parse(value).filter(|arn| arn.service == "iam" && arn.resource == "root");
        (kind.as_str().to_owned(), arn.map_or_else(|| value.clone(), |arn| arn.account))
    };
    all.iter()
        .filter(|(kind, _)| *kind != PrincipalType::Service)
        .flat_map(|(kind, values)| values.iter().map(move |value| whom(*kind, value)))
        .collect()
}

/// Whether somebody is whom a finding would name, and outside.
fn is_outside(zone: &Zone, (kind, value): (&str, &str), who: &PrincipalFacts) -> bool {
    match &who.kind {
        PrincipalKind::Service { .. } => return false,
        PrincipalKind::Federated { provider } => return kind == "Federated" && provider == value,
        PrincipalKind::Anonymous => return (kind, value) == ANYBODY,
        PrincipalKind::AssumedRole { provider: Some(_), .. } => return false,
        _ if zone.has(&who.account) => return false,
        _ => {}
    }
    match (kind, value) {
        ANYBODY => true,
        ("AWS", value) => {
            let behind = match &who.kind {
                PrincipalKind::AssumedRole { role_arn, .. } => role_arn == value,
                PrincipalKind::FederatedUser { user_arn, .. } => user_arn == value,
                _ => false,
            };
            who.account == value || who.arn == value || who.user_id == value || behind
        }
        ("CanonicalUser", value) => who.canonical_user.as_deref() == Some(value),
        _ => false,
    }
}

/// Whether a value of a key says that a request comes from within.
fn is_within(zone: &Zone, key: &str, value: &str) -> bool {
    let of_organization = |id: &str| zone.organization.as_deref() == Some(id);
    match key {
        "aws:sourceaccount" | "aws:sourceowner" | "kms:calleraccount" | "s3:dataaccesspointaccount" => zone.has(value),
        "aws:sourcearn" | "s3:dataaccesspointarn" | "lambda:sourcefunctionarn" => {
            Arn::parse(value).is_some_and(|arn| zone.has(&arn.account))
        }
        "aws:principalorgid" | "aws:sourceorgid" => of_organization(value),
        "aws:principalorgpaths" | "aws:sourceorgpaths" => value.split('/').next().is_some_and(of_organization),
        _ => false,
    }
}

/// The condition of a statement as findings show it: what is asked for, and not what is left out.
pub(crate) fn condition(statement: &Statement) -> BTreeMap<String, String> {
    let asked = statement.conditions.iter().filter(|entry| {
        let operator = base(&entry.operator);
        !operator.contains("Not") && operator != "Null"
    });
    asked.map(|entry| (entry.key.clone(), entry.values.join(","))).collect()
}

/// `beside` are policies that name others whom to tell apart.
fn prepared(guarded: &Guarded<'_>, zone: &Zone, beside: &[&Document]) -> Result<Prepared, Undecided> {
    let value = |key: &str, found: Option<&[String]>| match guarded.known.get(key) {
        Some(known) => found == Some(std::slice::from_ref(known)),
        None => !found.into_iter().flatten().any(|value| is_within(zone, key, value)),
    };
    let limits = Limits { value: &value, actions: guarded.actions, resources: guarded.resources, ..Limits::NONE };
    let documents: Vec<&Document> = std::iter::once(guarded.document).chain(beside.iter().copied()).collect();
    Space::new(&documents)?.prepare(&limits)
}

/// Whom a policy lets in from outside.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn by_policy(guarded: &Guarded<'_>, zone: &Zone) -> Result<Vec<Entry>, Undecided> {
    let public = public::statements(guarded.document, guarded.service).unwrap_or_else(|_| BTreeSet::new());
    let prepared = prepared(guarded, zone, &[])?;
    let mut all = Vec::new();
    for (at, statement) in guarded.document.statements.iter().enumerate().filter(|(_, s)| s.effect == Effect::Allow) {
        for (kind, value) in named(statement) {
            if zone.accounts.iter().any(|account| canonical_user(account) == value) {
                continue;
            }
            let outside = |who: &PrincipalFacts| is_outside(zone, (&kind, &value), who);
            let seen = prepared.requests(|_, statement| statement == at, outside)?;
            let allowed = seen.into_iter().filter(|seen| seen.allowing(0).contains(&at));
            let actions: BTreeSet<String> = allowed.flat_map(|seen| seen.witness.actions).collect();
            if !actions.is_empty() {
                all.push(Entry {
                    public: (kind.as_str(), value.as_str()) == ANYBODY && public.contains(&at),
                    principal: (kind, value),
                    actions,
                    condition: condition(statement),
                    source: None,
                });
            }
        }
    }
    Ok(all)
}

/// What a policy lets somebody do from outside, whom another policy names.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn lets(
    guarded: &Guarded<'_>,
    zone: &Zone,
    (kind, value): (&str, &str),
    named_by: &Document,
) -> Result<BTreeSet<String>, Undecided> {
    let outside = |who: &PrincipalFacts| is_outside(zone, (kind, value), who);
    let seen = prepared(guarded, zone, &[named_by])?.requests(|of, _| of == 0, outside)?;
    let allowed = seen.into_iter().filter(|seen| !seen.allowing(0).is_empty());
    Ok(allowed.flat_map(|seen| seen.witness.actions).collect())
}

/// Findings of these entries: one for each principal and condition.
pub(crate) fn findings(entries: Vec<Entry>, of: &Found) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for entry in entries {
        let principal = BTreeMap::from([entry.principal]);
        let same = all.iter_mut().find(|found| found.principal == principal && found.condition == entry.condition);
        let mut actions = entry.actions;
        match same {
            Some(found) => {
                actions.extend(std::mem::take(&mut found.action));
                found.action = actions.into_iter().collect();
                found.public |= entry.public;
                found.sources.extend(entry.source);
                found.sources.sort();
                found.sources.dedup();
            }
            None => all.push(Found {
                principal,
                action: actions.into_iter().collect(),
                condition: entry.condition,
                public: entry.public,
                sources: entry.source.into_iter().collect(),
                ..of.clone()
            }),
        }
    }
    all
}
