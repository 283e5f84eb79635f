//! Replication configurations: which are taken, and what they say of an object.
//!
//! Source: "Replicating objects within and across Regions" in the user guide, above all "Replication configuration file
//! elements".

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::api;
use crate::api::kept::{ReplicationRule, ReplicationRuleFilter};
use crate::rows::{BUCKETS, Bucket, Versioning};
use crate::settings::{Setting, missing};
use crate::{bucket, error};

/// A bucket has so many rules at most.
const MOST_RULES: usize = 1000;

/// The replication of a bucket, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) role: String,
    pub(crate) rules: Vec<ReplicationRule>,
}

/// The name of the bucket behind a destination's ARN.
pub(crate) fn bucket_of(arn: &str) -> Option<&str> {
    let name = arn.strip_prefix("arn:")?.split_once(":s3:::")?.1;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

fn is_on(status: Option<&str>) -> bool {
    status == Some("Enabled")
}

/// The filter of a rule in one form.
fn filter(rule: &ReplicationRule) -> (&str, Vec<(&str, &str)>) {
    let Some(filter) = &rule.filter else { return (rule.prefix.as_deref().unwrap_or(""), Vec::new()) };
    let and = filter.and.as_ref();
    let prefix = filter.prefix.as_deref().or(and.and_then(|a| a.prefix.as_deref())).unwrap_or("");
    let more = and.and_then(|a| a.tags.as_ref()).into_iter().flatten();
    (prefix, filter.tag.iter().chain(more).map(|t| (t.key.as_str(), t.value.as_str())).collect())
}

/// What a rule does to a version.
pub(crate) trait Rule {
    /// Whether it is about a key with these tags.
    fn matches(&self, key: &str, tags: &BTreeMap<String, String>) -> bool;
    /// Delete markers are replicated too. Rules of the first version did so always.
    fn copies_markers(&self) -> bool;
    /// What is changed at a replica comes back.
    fn copies_changes_of_replicas(&self) -> bool;
    /// Objects that a key of KMS encrypts are replicated too.
    fn copies_kms(&self) -> bool;
    /// Replication Time Control: it is told of what takes more than fifteen minutes.
    fn is_timed(&self) -> bool;
    /// CloudWatch is told of it.
    fn is_measured(&self) -> bool;
}

impl Rule for ReplicationRule {
    fn matches(&self, key: &str, tags: &BTreeMap<String, String>) -> bool {
        let (prefix, wanted) = filter(self);
        self.status == "Enabled"
            && key.starts_with(prefix)
            && wanted.iter().all(|(k, v)| tags.get(*k).is_some_and(|found| found == v))
    }

    fn copies_markers(&self) -> bool {
        match &self.delete_marker_replication {
            Some(markers) => is_on(markers.status.as_deref()),
            None => self.filter.is_none(),
        }
    }

    fn copies_changes_of_replicas(&self) -> bool {
        let criteria = self.source_selection_criteria.as_ref();
        is_on(criteria.and_then(|c| c.replica_modifications.as_ref()).map(|r| r.status.as_str()))
    }

    fn copies_kms(&self) -> bool {
        let criteria = self.source_selection_criteria.as_ref();
        is_on(criteria.and_then(|c| c.sse_kms_encrypted_objects.as_ref()).map(|r| r.status.as_str()))
    }

    fn is_timed(&self) -> bool {
        is_on(self.destination.replication_time.as_ref().map(|t| t.status.as_str()))
    }

    fn is_measured(&self) -> bool {
        is_on(self.destination.metrics.as_ref().map(|m| m.status.as_str()))
    }
}

impl Configuration {
    /// The rules that a version meets, one a destination: of those to the same bucket the one of highest priority.
    pub(crate) fn rules_for(&self, key: &str, tags: &BTreeMap<String, String>) -> Vec<&ReplicationRule> {
        let mut found: Vec<&ReplicationRule> = Vec::new();
        for rule in self.rules.iter().filter(|r| r.matches(key, tags)) {
            let same = found.iter().position(|f| f.destination.bucket == rule.destination.bucket);
            match same {
                Some(at) if rule.priority.unwrap_or(0) > found[at].priority.unwrap_or(0) => found[at] = rule,
                Some(_) => {}
                None => found.push(rule),
            }
        }
        found
    }

    /// The rule with that name.
    pub(crate) fn rule(&self, id: &str) -> Option<&ReplicationRule> {
        self.rules.iter().find(|r| r.id.as_deref() == Some(id))
    }
}

fn invalid(message: &str, name: &str, value: &str) -> Failure {
    error::invalid_argument(message, name, value).into()
}

fn refused(message: impl Into<String>) -> Failure {
    error::invalid_request(message).into()
}

/// Checks the rules of a request against each other, and gives those without a name one.
fn check(configuration: &mut Configuration, mut name: impl FnMut() -> String) -> Result<()> {
    let rules = &mut configuration.rules;
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(error::malformed_xml().into());
    }
    let filtered = rules.iter().filter(|r| r.filter.is_some()).count();
    if filtered != 0 && filtered != rules.len() {
        return Err(error::malformed_xml().into());
    }
    let (mut names, mut priorities) = (HashSet::new(), HashSet::new());
    for rule in rules {
        let id = rule.id.get_or_insert_with(&mut name);
        if id.len() > 255 {
            return Err(invalid("The maximum length of an ID is 255 characters", "ID", id));
        }
        if !names.insert(id.clone()) {
            return Err(invalid("Rule Id must be unique", "ID", id));
        }
        check_rule(rule)?;
        if let (Some(_), Some(priority)) = (&rule.filter, rule.priority)
            && !priorities.insert(priority)
        {
            return Err(invalid("Found duplicate priority", "Priority", &priority.to_string()));
        }
    }
    Ok(())
}

fn check_rule(rule: &ReplicationRule) -> Result<()> {
    match (&rule.filter, &rule.prefix) {
        (Some(_), Some(_)) | (None, None) => return Err(error::malformed_xml().into()),
        (Some(filter), None) => check_filtered(rule, filter)?,
        (None, Some(_)) if rule.priority.is_some() => {
            return Err(invalid(
                "Priority cannot be used for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.",
                "Priority",
                "",
            ));
        }
        (None, Some(_)) => {}
    }
    let destination = &rule.destination;
    if let Some(time) = &destination.replication_time {
        if time.time.minutes != Some(15) {
            return Err(invalid("Minutes must be 15", "Minutes", ""));
        }
        if time.status == "Enabled" && destination.metrics.as_ref().is_none_or(|m| m.status != "Enabled") {
            return Err(refused("Replication metrics must be enabled when Replication Time Control is."));
        }
    }
    if destination.access_control_translation.is_some() && destination.account.is_none() {
        return Err(invalid("Account must be specified when AccessControlTranslation is", "Account", ""));
    }
    if rule.copies_kms() && destination.encryption_configuration.is_none() {
        return Err(refused("EncryptionConfiguration must be specified if SseKmsEncryptedObjects is present."));
    }
    Ok(())
}

fn check_filtered(rule: &ReplicationRule, given: &ReplicationRuleFilter) -> Result<()> {
    let said = [given.prefix.is_some(), given.tag.is_some(), given.and.is_some()];
    if said.iter().filter(|s| **s).count() > 1 {
        return Err(error::malformed_xml().into());
    }
    let needs = |what: &str| {
        refused(format!(
            "{what} must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information."
        ))
    };
    if rule.priority.is_none() {
        return Err(needs("Priority"));
    }
    if rule.delete_marker_replication.is_none() {
        return Err(needs("DeleteMarkerReplication"));
    }
    if !filter(rule).1.is_empty() && rule.copies_markers() {
        return Err(refused(
            "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.",
        ));
    }
    Ok(())
}

/// The destinations must be there, and keep versions.
fn check_destinations(from: &(impl Read + ?Sized), bucket: &Bucket, configuration: &Configuration) -> Result<()> {
    for rule in &configuration.rules {
        let destination = &rule.destination;
        let name = bucket_of(&destination.bucket)
            .ok_or_else(|| invalid("Invalid bucket ARN.", "Bucket", &destination.bucket))?;
        if name == bucket.name {
            return Err(refused("Destination bucket cannot be the same as the source bucket."));
        }
        let found = BUCKETS.get(from, &(name,))?.ok_or_else(|| refused("Destination bucket must exist."))?;
        if found.versioning != Versioning::Enabled {
            return Err(refused("Destination bucket must have versioning enabled."));
        }
        if destination.account.as_ref().is_some_and(|a| *a != found.account) {
            return Err(refused("The account of the destination bucket is another one than the rule says."));
        }
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: api::PutBucketReplicationInput) -> Result<()> {
    let given = input.replication_configuration;
    if Arn::parse(&given.role).is_none_or(|role| role.service != "iam") {
        return Err(invalid("Invalid Role specified in replication configuration", "Role", &given.role));
    }
    let mut configuration = Configuration { role: given.role, rules: given.rules };
    check(&mut configuration, || cx.random().uuid())?;
    cx.write(|tx| {
        let mut bucket = bucket::open(cx, tx, &input.bucket, input.expected_bucket_owner.as_deref())?;
        if bucket.versioning != Versioning::Enabled {
            return Err(refused("Versioning must be 'Enabled' on the bucket to apply a replication configuration"));
        }
        check_destinations(tx, &bucket, &configuration)?;
        Setting::Replication.put(tx, &mut bucket, &configuration)
    })
    .await
}

pub(crate) fn get(cx: &Cx, input: &api::GetBucketReplicationInput) -> Result<api::GetBucketReplicationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let (bucket, found) = Setting::Replication.of_call::<Configuration>(cx, &input.bucket, owner)?;
    let found = found.ok_or_else(|| {
        let message = "The replication configuration was not found";
        missing(&bucket, "ReplicationConfigurationNotFoundError", message)
    })?;
    Ok(api::GetBucketReplicationOutput {
        replication_configuration: Some(api::output::ReplicationConfiguration { role: found.role, rules: found.rules }),
    })
}

/// A bucket that replicates keeps versions.
pub(crate) fn check_versioning(bucket: &Bucket, wanted: Versioning) -> Result<()> {
    if Setting::Replication.is_on(bucket) && wanted != Versioning::Enabled {
        let message =
            "A replication configuration is present on this bucket, so the versioning state cannot be changed.";
        return Err(AwsError::new("InvalidBucketState", 409, message).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration(rules: serde_json::Value) -> Configuration {
        let rules = serde_json::from_value(rules).unwrap_or_else(|e| panic!("{e}"));
        Configuration { role: "arn:aws:iam::000000000000:role/r".to_owned(), rules }
    }

    #[test]
    fn of_two_rules_to_one_bucket_the_higher_priority_counts() {
        let rule = |id: &str, priority: i32, bucket: &str, prefix: &str| {
            json!({"ID": id, "Priority": priority, "Status": "Enabled", "Filter": {"Prefix": prefix},
                   "DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": format!("arn:aws:s3:::{bucket}")}})
        };
        let all = configuration(json!([
            rule("a", 1, "x", ""),
            rule("b", 2, "x", "k"),
            rule("c", 3, "y", ""),
            rule("d", 4, "x", "z")
        ]));
        let none = BTreeMap::new();
        let ids: Vec<_> = all.rules_for("key", &none).iter().filter_map(|r| r.id.clone()).collect();
        assert_eq!(ids, ["b", "c"]);
    }

    #[test]
    fn configurations_that_are_refused() {
        let refused = |rules: serde_json::Value| {
            check(&mut configuration(rules), String::new).err().map(|e| e.to_string()).unwrap_or_default()
        };
        let dest = json!({"Bucket": "arn:aws:s3:::x"});
        for (rule, wanted) in [
            (json!({"Status": "Enabled", "Prefix": "", "Destination": dest}), ""),
            (json!({"Status": "Enabled", "Destination": dest}), "MalformedXML"),
            (json!({"Status": "Enabled", "Filter": {}, "Destination": dest}), "Priority must be specified"),
            (
                json!({"Status": "Enabled", "Filter": {}, "Priority": 1, "Destination": dest}),
                "DeleteMarkerReplication must be",
            ),
            (
                json!({"Status": "Enabled", "Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Priority": 1,
                       "DeleteMarkerReplication": {"Status": "Enabled"}, "Destination": dest}),
                "not supported if any Tag filter",
            ),
            (
                json!({"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "x",
                       "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}}),
                "metrics must be enabled",
            ),
        ] {
            let found = refused(json!([rule]));
            assert!(if wanted.is_empty() { found.is_empty() } else { found.contains(wanted) }, "{rule}: {found}");
        }
    }
}
