//! AWS's own managed policies: those whose text is known here, in `managed.json`.
//!
//! Source: the AWS managed policy reference guide; each text is that of the version which is named with it, the newest one
//! that is known here. A policy that is not in that list is refused as not built, since it exists on AWS, and so is another
//! version.

use std::sync::LazyLock;

use serde::Deserialize;
use undercast_kernel::{Failure, Result};

/// A policy of AWS's.
#[derive(Deserialize)]
#[serde(from = "Listed")]
pub(crate) struct AwsPolicy {
    /// What stands in its ARN behind `policy/`: its path and name.
    pub(crate) name: String,
    /// Its version in force: `v3`.
    pub(crate) version: String,
    pub(crate) document: String,
}

/// As it stands in the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    version: String,
    document: serde_json::Value,
}

impl From<Listed> for AwsPolicy {
    fn from(listed: Listed) -> Self {
        Self { name: listed.name, version: listed.version, document: listed.document.to_string() }
    }
}

/// A list that cannot be read has no policies in it, which a test would see.
static KNOWN: LazyLock<Vec<AwsPolicy>> =
    LazyLock::new(|| serde_json::from_str(include_str!("managed.json")).unwrap_or_else(|_| Vec::new()));

const PREFIX: &str = ":iam::aws:policy/";

impl AwsPolicy {
    /// Its ARN in a partition.
    pub(crate) fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}{PREFIX}{}", self.name)
    }

    /// `/service-role/`
    pub(crate) fn path(&self) -> String {
        self.name.rsplit_once('/').map_or_else(|| "/".to_owned(), |(path, _)| format!("/{path}/"))
    }

    /// Its name without the path.
    pub(crate) fn last_name(&self) -> &str {
        self.name.rsplit_once('/').map_or(self.name.as_str(), |(_, name)| name)
    }
}

/// The path and name of an AWS managed policy's ARN.
pub(crate) fn name(arn: &str) -> Option<&str> {
    arn.split_once(PREFIX).map(|(_, name)| name)
}

/// An AWS managed policy by its ARN. `None`: the ARN is not of one.
pub(crate) fn find(arn: &str) -> Result<Option<&'static AwsPolicy>> {
    let Some(name) = name(arn) else { return Ok(None) };
    match KNOWN.iter().find(|known| known.name == name) {
        Some(known) => Ok(Some(known)),
        None => Err(Failure::not_built(format!("the AWS managed policy {name}: its text is not known here"))),
    }
}

/// All that are known.
pub(crate) fn all() -> impl Iterator<Item = &'static AwsPolicy> {
    KNOWN.iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use undercast_kernel::policy::{Policy, PolicyKind};

    #[test]
    fn every_known_policy_is_one() {
        assert!(all().count() > 10);
        for known in all() {
            let policy = Policy::parse(PolicyKind::Managed, &known.document);
            assert!(policy.is_ok(), "{}: {policy:?}", known.name);
            let number = known.version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
            assert!(number.is_some(), "{}: {}", known.name, known.version);
            assert_eq!(all().filter(|other| other.name == known.name).count(), 1, "{}", known.name);
        }
    }
}
