//! Filters and sorts of findings.
//!
//! Source: "IAM Access Analyzer filter keys" in the IAM user guide.

use undercast_kernel::{AwsError, Result};

use crate::error::invalid;
use crate::rows::{Filter, Finding, Found, moment};

/// What a finding has of a key.
pub(crate) trait Told {
    /// `None`: nothing.
    fn told(&self, key: &str) -> Option<String>;
}

/// A finding with what it says.
pub(crate) struct Whole {
    pub(crate) row: Finding,
    pub(crate) found: Found,
}

const KEYS: &[&str] = &[
    "accessType",
    "analyzedAt",
    "changeType",
    "createdAt",
    "error",
    "existingFindingId",
    "existingFindingStatus",
    "findingType",
    "id",
    "isPublic",
    "principalOwnerAccount",
    "principalType",
    "resource",
    "resourceControlPolicyRestriction",
    "resourceOwnerAccount",
    "resourceType",
    "serviceControlPolicyRestriction",
    "status",
    "updatedAt",
];

fn is_known(key: &str) -> bool {
    KEYS.contains(&key)
        || matches!(key, "principal.AWS" | "principal.Federated" | "principal.CanonicalUser")
        || key.strip_prefix("condition.").is_some_and(|key| key.contains(':'))
}

/// What is found has of a key.
pub(crate) fn of_found(found: &Found, key: &str) -> Option<String> {
    if let Some(kind) = key.strip_prefix("principal.") {
        return found.principal.get(kind).cloned();
    }
    if let Some(name) = key.strip_prefix("condition.") {
        let same = found.condition.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        return same.map(|(_, value)| value.clone());
    }
    let within = found.within.as_ref();
    match key {
        "resource" => Some(found.resource.clone()),
        "resourceType" => Some(found.resource_type.clone()),
        "resourceOwnerAccount" => Some(found.owner.clone()),
        "isPublic" => (found.kind == "ExternalAccess").then(|| found.public.to_string()),
        "error" => found.error.clone(),
        "findingType" => Some(found.kind.clone()),
        "resourceControlPolicyRestriction" => found.resource_control.clone(),
        "serviceControlPolicyRestriction" => found.service_control.clone(),
        "accessType" => within.map(|within| within.access.clone()),
        "principalType" => within.map(|within| within.kind.clone()),
        "principalOwnerAccount" => within.map(|within| within.account.clone()),
        _ => None,
    }
}

impl Whole {
    pub(crate) fn new(row: Finding) -> Result<Self> {
        Ok(Self { found: row.found()?, row })
    }
}

impl Told for Whole {
    fn told(&self, key: &str) -> Option<String> {
        match key {
            "id" => Some(self.row.id.clone()),
            "status" => Some(self.row.status.clone()),
            // Texts of one length, in the order of time.
            "createdAt" => Some(format!("{}", moment(self.row.created))),
            "updatedAt" => Some(format!("{}", moment(self.row.updated))),
            "analyzedAt" => Some(format!("{}", moment(self.row.analyzed))),
            _ => of_found(&self.found, key),
        }
    }
}

impl Told for Found {
    fn told(&self, key: &str) -> Option<String> {
        of_found(self, key)
    }
}

/// Refuses a filter with keys that there are not.
///
/// # Errors
/// `ValidationException`.
pub(crate) fn check(filter: &Filter) -> std::result::Result<(), AwsError> {
    for (key, criterion) in filter {
        if !is_known(key) {
            return Err(invalid(format!("The filter key {key} is not valid.")));
        }
        let empty = criterion.eq.is_none() && criterion.neq.is_none() && criterion.contains.is_none();
        if empty && criterion.exists.is_none() {
            return Err(invalid(format!("The criterion of {key} has no operator.")));
        }
    }
    Ok(())
}

/// Whether all criteria hold.
pub(crate) fn matches(filter: &Filter, of: &impl Told) -> bool {
    filter.iter().all(|(key, criterion)| {
        let told = of.told(key);
        let any = |values: &Vec<String>, is: &dyn Fn(&str, &str) -> bool| {
            told.as_deref().is_some_and(|told| values.iter().any(|value| is(told, value)))
        };
        criterion.eq.as_ref().is_none_or(|values| any(values, &|told, value| told == value))
            && criterion.neq.as_ref().is_none_or(|values| !any(values, &|told, value| told == value))
            && criterion.contains.as_ref().is_none_or(|values| any(values, &|told, value| told.contains(value)))
            && criterion.exists.is_none_or(|exists| exists == told.is_some())
    })
}

/// Puts findings in order: by what is asked for, else those first that changed last.
///
/// # Errors
/// `ValidationException` where there is no such key.
pub(crate) fn sort(all: &mut [Whole], by: Option<&str>, order: Option<&str>) -> std::result::Result<(), AwsError> {
    let key = by.unwrap_or("updatedAt");
    if !is_known(key) {
        return Err(invalid(format!("The sort attribute {key} is not valid.")));
    }
    all.sort_by(|a, b| (a.told(key), &a.row.id).cmp(&(b.told(key), &b.row.id)));
    let descending = order.map_or(by.is_none(), |order| order == "DESC");
    if descending {
        all.reverse();
    }
    Ok(())
}
