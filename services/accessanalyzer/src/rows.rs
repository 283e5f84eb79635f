//! What is stored. Moments are milliseconds since 1970.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::tags::Tags;
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::kept::{AnalyzerConfiguration, Criterion};

/// Account, region, name.
pub(crate) static ANALYZERS: Table<Analyzer> = Table::new("accessanalyzer.analyzers");
/// Account, region, analyzer; name.
pub(crate) static RULES: Table<Rule> = Table::new("accessanalyzer.rules");
/// Account, region, analyzer; id.
pub(crate) static FINDINGS: Table<Finding> = Table::new("accessanalyzer.findings");
/// Account, region, analyzer; ARN.
pub(crate) static ANALYZED: Table<Analyzed> = Table::new("accessanalyzer.analyzed");

/// An analyzer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Analyzer {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) kind: String,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) tags: Tags,
    /// In JSON.
    #[n(4)]
    pub(crate) configuration: Option<String>,
    /// The resource that was looked at last, and when.
    #[n(5)]
    pub(crate) last: Option<(String, i64)>,
    /// Why it looks at nothing any more.
    #[n(6)]
    pub(crate) disabled: Option<String>,
    /// Tells it from others that had its name.
    #[n(7)]
    pub(crate) id: String,
}

/// What a filter wants of keys.
pub(crate) type Filter = BTreeMap<String, Criterion>;

/// An archive rule.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rule {
    #[n(0)]
    pub(crate) name: String,
    /// In JSON.
    #[n(1)]
    pub(crate) filter: String,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) updated: i64,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Finding {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) status: String,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) analyzed: i64,
    #[n(4)]
    pub(crate) updated: i64,
    /// What was found, in JSON.
    #[n(5)]
    found: String,
}

/// A resource that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Analyzed {
    #[n(0)]
    pub(crate) kind: String,
    #[n(1)]
    pub(crate) owner: String,
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) analyzed: i64,
    #[n(4)]
    pub(crate) updated: i64,
    #[n(5)]
    pub(crate) error: Option<String>,
    /// What was told of it, by which a change is noticed.
    #[n(6)]
    pub(crate) policies: String,
}

/// What a finding says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// `ExternalAccess`, `UnusedIAMRole`…
    pub(crate) kind: String,
    pub(crate) resource: String,
    pub(crate) resource_type: String,
    pub(crate) owner: String,
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) principal: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) action: Vec<String>,
    #[serde(default)]
    pub(crate) condition: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) public: bool,
    #[serde(default)]
    pub(crate) sources: Vec<Source>,
    /// Whether resource control policies restrict it.
    pub(crate) resource_control: Option<String>,
    /// Whether service control policies restrict it.
    pub(crate) service_control: Option<String>,
    /// Of access within: whose the principal is, and what it is.
    pub(crate) within: Option<Within>,
    /// Of access that is not used: when it was used last.
    pub(crate) last_accessed: Option<i64>,
    /// The access key that is not used.
    pub(crate) access_key: Option<String>,
    /// Services and actions that are not used.
    #[serde(default)]
    pub(crate) unused: Vec<Unused>,
}

/// How access is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) kind: String,
    pub(crate) access_point: Option<String>,
}

/// A principal within the zone of trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Within {
    pub(crate) account: String,
    /// `IAM_ROLE` or `IAM_USER`.
    pub(crate) kind: String,
    /// `INTRA_ACCOUNT` or `INTRA_ORG`.
    pub(crate) access: String,
}

/// A service of which permissions are not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unused {
    pub(crate) service: String,
    pub(crate) last: Option<i64>,
    /// Actions, where the service as a whole is used.
    pub(crate) actions: Option<Vec<(String, Option<i64>)>>,
}

impl Finding {
    pub(crate) fn new(id: String, status: &str, now: i64, found: &Found) -> Result<Self> {
        let found = serde_json::to_string(found).map_err(Failure::broken)?;
        Ok(Self { id, status: status.to_owned(), created: now, analyzed: now, updated: now, found })
    }

    pub(crate) fn found(&self) -> Result<Found> {
        serde_json::from_str(&self.found).map_err(Failure::broken)
    }
}

impl Rule {
    pub(crate) fn filter(&self) -> Result<Filter> {
        serde_json::from_str(&self.filter).map_err(Failure::broken)
    }
}

impl Analyzer {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("access-analyzer", &format!("analyzer/{}", self.name))
    }

    pub(crate) fn configuration(&self) -> Result<Option<AnalyzerConfiguration>> {
        self.configuration.as_deref().map(|text| serde_json::from_str(text).map_err(Failure::broken)).transpose()
    }

    /// It looks for access from outside.
    pub(crate) fn is_external(&self) -> bool {
        matches!(self.kind.as_str(), "ACCOUNT" | "ORGANIZATION")
    }

    /// It looks for access that is not used.
    pub(crate) fn is_unused(&self) -> bool {
        self.kind.ends_with("_UNUSED_ACCESS")
    }
}

/// The archive rules of an analyzer.
pub(crate) fn rules(cx: &Cx, from: &(impl Read + ?Sized), analyzer: &str) -> Result<Vec<Rule>> {
    Ok(RULES.all(from, &cx.key(analyzer))?.into_iter().map(|entry| entry.row).collect())
}

/// The findings of an analyzer.
pub(crate) fn findings(cx: &Cx, from: &(impl Read + ?Sized), analyzer: &str) -> Result<Vec<Finding>> {
    Ok(FINDINGS.all(from, &cx.key(analyzer))?.into_iter().map(|entry| entry.row).collect())
}

/// A moment out of the store.
pub(crate) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
