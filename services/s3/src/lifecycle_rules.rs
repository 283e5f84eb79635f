//! What lifecycle rules say: which are taken, what they do to what, and when.
//!
//! Source: "Managing the lifecycle of objects" in the user guide, above all "Lifecycle configuration elements" and
//! "Transitioning objects using Amazon S3 Lifecycle".

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use undercast_kernel::{AwsError, Failure, Result, Timestamp};

use crate::api::kept::{LifecycleRule, LifecycleRuleFilter};
use crate::rows::Aged;
use crate::{error, tiers};

pub(crate) const DAY: i64 = 24 * 60 * 60 * 1000;

/// A bucket has so many rules at most.
const MOST_RULES: usize = 1000;

/// Smaller objects are not moved, unless a rule says otherwise.
pub(crate) const LEAST_BYTES: u64 = 128 * 1024;

/// The default of `TransitionDefaultMinimumObjectSize`.
pub(crate) const ALL_128K: &str = "all_storage_classes_128K";

/// The classes in the order in which objects move.
const CLASSES: [&str; 7] =
    ["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

/// The lifecycle of a bucket, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lifecycle {
    pub(crate) rules: Vec<LifecycleRule>,
    /// `TransitionDefaultMinimumObjectSize`
    pub(crate) minimum: String,
}

/// The midnight behind a moment, in milliseconds since 1970. One that is a midnight has the next one behind it.
pub(crate) fn midnight_behind(millis: i64) -> i64 {
    millis.div_euclid(DAY) * DAY + DAY
}

/// When what happened at `since` is so many days old: S3 adds the days and goes on to the next midnight of UTC.
pub(crate) fn aged(since: i64, days: i32) -> i64 {
    midnight_behind(since.saturating_add(i64::from(days).saturating_mul(DAY)))
}

fn rank(class: &str) -> usize {
    // REDUCED_REDUNDANCY moves as STANDARD does.
    CLASSES.iter().position(|c| *c == class).unwrap_or(0)
}

/// What a rule does to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Moves it to a class.
    Transition(String),
    /// Deletes it, or puts a delete marker on top.
    Expire,
}

/// What is to become of a version: now, or at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fate {
    pub(crate) action: Option<Action>,
    /// The next moment at which something happens, in milliseconds since 1970.
    pub(crate) next: Option<i64>,
}

impl Fate {
    /// Adds what a rule does at `due`.
    fn add(&mut self, due: i64, now: i64, action: Action) {
        if due > now {
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
            return;
        }
        // What deletes comes before what moves, and of two moves the one that goes further.
        let better = match (&self.action, &action) {
            (None, _) | (Some(Action::Transition(_)), Action::Expire) => true,
            (Some(Action::Transition(before)), Action::Transition(after)) => rank(after) > rank(before),
            (Some(Action::Expire), _) => false,
        };
        if better {
            self.action = Some(action);
        }
    }

    /// This one, and what `later` does where this one does nothing; where both do something, `later` has its turn the
    /// next day.
    fn before(self, later: Self, now: i64) -> Self {
        let both = self.action.is_some() && later.action.is_some();
        let next = [self.next, later.next, both.then(|| midnight_behind(now))];
        Self { action: self.action.or(later.action), next: next.into_iter().flatten().min() }
    }
}

/// What a filter sees of an object.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) key: &'a str,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) size: u64,
}

/// A filter in one form, however it was written.
struct Filter<'a> {
    prefix: Option<&'a str>,
    tags: Vec<(&'a str, &'a str)>,
    larger: Option<i64>,
    smaller: Option<i64>,
}

impl<'a> Filter<'a> {
    fn of(rule: &'a LifecycleRule) -> Self {
        let Some(filter) = &rule.filter else {
            return Self { prefix: rule.prefix.as_deref(), tags: Vec::new(), larger: None, smaller: None };
        };
        let tag = filter.tag.iter().map(|t| (t.key.as_str(), t.value.as_str()));
        let and = filter.and.as_ref();
        let more = and.and_then(|a| a.tags.as_ref()).into_iter().flatten();
        Self {
            prefix: filter.prefix.as_deref().or(and.and_then(|a| a.prefix.as_deref())),
            tags: tag.chain(more.map(|t| (t.key.as_str(), t.value.as_str()))).collect(),
            larger: filter.object_size_greater_than.or(and.and_then(|a| a.object_size_greater_than)),
            smaller: filter.object_size_less_than.or(and.and_then(|a| a.object_size_less_than)),
        }
    }

    fn matches(&self, seen: Seen<'_>) -> bool {
        let size = i64::try_from(seen.size).unwrap_or(i64::MAX);
        self.prefix.is_none_or(|p| seen.key.starts_with(p))
            && self.tags.iter().all(|(key, value)| seen.tags.get(*key).is_some_and(|v| v == value))
            && self.larger.is_none_or(|least| size > least)
            && self.smaller.is_none_or(|most| size < most)
    }

    fn says_size(&self) -> bool {
        self.larger.is_some() || self.smaller.is_some()
    }
}

impl Lifecycle {
    fn enabled(&self) -> impl Iterator<Item = &LifecycleRule> {
        self.rules.iter().filter(|r| r.status == "Enabled")
    }

    /// Whether an object is large enough to move.
    fn may_move(&self, filter: &Filter<'_>, size: u64, class: &str) -> bool {
        let any_size = self.minimum != ALL_128K && matches!(class, "GLACIER" | "DEEP_ARCHIVE");
        size >= LEAST_BYTES || filter.says_size() || any_size
    }

    /// What becomes of the current version of a key. `for_good`: its end is no delete marker. A move comes before a marker,
    /// and after an end for good ("Conflicting lifecycle actions").
    pub(crate) fn of_current(&self, key: &str, object: &Aged, for_good: bool, now: i64) -> Fate {
        let (mut moves, mut ends) = (Fate::default(), Fate::default());
        let seen = Seen { key, tags: &object.tags, size: object.size };
        let class = object.storage_class.as_deref().unwrap_or("STANDARD");
        for rule in self.enabled() {
            let filter = Filter::of(rule);
            if !filter.matches(seen) {
                continue;
            }
            if let Some(due) = rule.expiration.as_ref().and_then(|e| due(object.modified, e.days, e.date)) {
                ends.add(due, now, Action::Expire);
            }
            for transition in rule.transitions.iter().flatten() {
                let Some(to) = transition.storage_class.as_deref() else { continue };
                let down = rank(to) > rank(class) && tiers::may_leave(object.tiered, to);
                if down && self.may_move(&filter, object.size, to) {
                    let due = due(object.modified, transition.days.or(Some(0)), transition.date);
                    moves.add(due.unwrap_or(now), now, Action::Transition(to.to_owned()));
                }
            }
        }
        if for_good { ends.before(moves, now) } else { moves.before(ends, now) }
    }

    /// What becomes of a version that is not current since `since`; `newer` such versions of its key are newer.
    pub(crate) fn of_noncurrent(&self, key: &str, object: &Aged, since: i64, newer: usize, now: i64) -> Fate {
        let mut fate = Fate::default();
        let seen = Seen { key, tags: &object.tags, size: object.size };
        let class = object.storage_class.as_deref().unwrap_or("STANDARD");
        let enough = |kept: Option<i32>| kept.is_none_or(|kept| newer >= usize::try_from(kept).unwrap_or(0));
        for rule in self.enabled() {
            let filter = Filter::of(rule);
            if !filter.matches(seen) {
                continue;
            }
            if let Some(expiration) = &rule.noncurrent_version_expiration
                && enough(expiration.newer_noncurrent_versions)
            {
                fate.add(aged(since, expiration.noncurrent_days.unwrap_or(0)), now, Action::Expire);
            }
            for transition in rule.noncurrent_version_transitions.iter().flatten() {
                let Some(to) = transition.storage_class.as_deref() else { continue };
                let down = rank(to) > rank(class) && tiers::may_leave(object.tiered, to);
                let fits = !object.marker && down && self.may_move(&filter, object.size, to);
                if fits && enough(transition.newer_noncurrent_versions) {
                    let due = aged(since, transition.noncurrent_days.unwrap_or(0));
                    fate.add(due, now, Action::Transition(to.to_owned()));
                }
            }
        }
        fate
    }

    /// What becomes of a delete marker that is all that its key has.
    pub(crate) fn of_lone_marker(&self, key: &str, marker: &Aged, now: i64) -> Fate {
        let mut fate = Fate::default();
        let none = BTreeMap::new();
        let seen = Seen { key, tags: &none, size: 0 };
        for rule in self.enabled().filter(|r| Filter::of(r).matches(seen)) {
            let Some(expiration) = &rule.expiration else { continue };
            if expiration.expired_object_delete_marker == Some(true) {
                fate.add(now, now, Action::Expire);
            } else if let Some(due) = due(marker.modified, expiration.days, expiration.date) {
                fate.add(due, now, Action::Expire);
            }
        }
        fate
    }

    /// When an upload that was begun at `initiated` is given up, and by which rule.
    pub(crate) fn of_upload(&self, key: &str, initiated: i64) -> Option<(i64, &str)> {
        let none = BTreeMap::new();
        let seen = Seen { key, tags: &none, size: 0 };
        let rules = self.enabled().filter(|r| Filter::of(r).matches(seen));
        let ends = rules.filter_map(|rule| {
            let days = rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation?;
            Some((aged(initiated, days), rule.id.as_deref().unwrap_or("")))
        });
        ends.min_by_key(|(at, _)| *at)
    }

    /// When the current version of a key expires, and by which rule: what `x-amz-expiration` tells.
    pub(crate) fn expiration(&self, seen: Seen<'_>, modified: i64) -> Option<(i64, &str)> {
        let rules = self.enabled().filter(|r| Filter::of(r).matches(seen));
        let ends = rules.filter_map(|rule| {
            let expiration = rule.expiration.as_ref()?;
            Some((due(modified, expiration.days, expiration.date)?, rule.id.as_deref().unwrap_or("")))
        });
        ends.min_by_key(|(at, _)| *at)
    }

    /// After how many days at the earliest something may happen to what is written now, or because of it.
    pub(crate) fn least_days(&self) -> i32 {
        // What is written may be one newer version too many for old ones that wait for nothing else.
        let counts = |rule: &LifecycleRule| {
            let expiration = rule.noncurrent_version_expiration.as_ref().and_then(|e| e.newer_noncurrent_versions);
            let moved = rule.noncurrent_version_transitions.iter().flatten().find_map(|t| t.newer_noncurrent_versions);
            expiration.or(moved).is_some()
        };
        if self.enabled().any(counts) {
            return 0;
        }
        let days = self.enabled().flat_map(|rule| {
            let expiration = rule
                .expiration
                .as_ref()
                .map(|e| if e.expired_object_delete_marker == Some(true) { 0 } else { e.days.unwrap_or(0) });
            let transitions = rule.transitions.iter().flatten().map(|t| t.days.unwrap_or(0));
            let noncurrent = rule.noncurrent_version_expiration.as_ref().map(|e| e.noncurrent_days.unwrap_or(0));
            let moved = rule.noncurrent_version_transitions.iter().flatten().map(|t| t.noncurrent_days.unwrap_or(0));
            let uploads = rule.abort_incomplete_multipart_upload.as_ref().and_then(|a| a.days_after_initiation);
            expiration.into_iter().chain(transitions).chain(noncurrent).chain(moved).chain(uploads).collect::<Vec<_>>()
        });
        days.min().unwrap_or(0)
    }

    /// The next date that a rule names.
    pub(crate) fn next_date(&self, now: i64) -> Option<i64> {
        let dates = self.enabled().flat_map(|rule| {
            let expiration = rule.expiration.as_ref().and_then(|e| e.date);
            expiration.into_iter().chain(rule.transitions.iter().flatten().filter_map(|t| t.date))
        });
        dates.map(Timestamp::as_millisecond).filter(|at| *at > now).min()
    }
}

/// When a rule acts on what is as old as `since`.
fn due(since: i64, days: Option<i32>, date: Option<Timestamp>) -> Option<i64> {
    date.map(Timestamp::as_millisecond).or(days.map(|days| aged(since, days)))
}

fn invalid(message: impl Into<String>) -> Failure {
    AwsError::new("InvalidArgument", 400, message).into()
}

fn refused(message: &str) -> Failure {
    error::invalid_request(message).into()
}

/// Checks the rules of a request, and gives those without a name one.
pub(crate) fn check(rules: &mut [LifecycleRule], mut name: impl FnMut() -> String) -> Result<()> {
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(error::malformed_xml().into());
    }
    let mut names = HashSet::new();
    for rule in rules {
        let id = rule.id.get_or_insert_with(&mut name);
        if id.len() > 255 {
            return Err(invalid("ID length should not exceed allowed limit of 255"));
        }
        if !names.insert(id.clone()) {
            return Err(invalid("Rule ID must be unique. Found same ID for more than one rule"));
        }
        check_rule(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &LifecycleRule) -> Result<()> {
    if rule.filter.is_some() == rule.prefix.is_some() {
        return Err(error::malformed_xml().into());
    }
    if let Some(filter) = &rule.filter {
        check_filter(filter)?;
    }
    let acts = rule.expiration.is_some()
        || rule.transitions.as_ref().is_some_and(|t| !t.is_empty())
        || rule.noncurrent_version_expiration.is_some()
        || rule.noncurrent_version_transitions.as_ref().is_some_and(|t| !t.is_empty())
        || rule.abort_incomplete_multipart_upload.is_some();
    if !acts {
        return Err(refused("At least one action needs to be specified in a rule"));
    }
    let tagged = !Filter::of(rule).tags.is_empty();
    if tagged && rule.abort_incomplete_multipart_upload.is_some() {
        return Err(refused("AbortIncompleteMultipartUpload cannot be specified with Tags."));
    }
    let uploads = rule.abort_incomplete_multipart_upload.as_ref();
    if uploads.is_some_and(|a| a.days_after_initiation.unwrap_or(0) < 1) {
        return Err(invalid(
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
        ));
    }
    check_expiration(rule, tagged)?;
    check_transitions(rule)?;
    check_noncurrent(rule)
}

fn check_filter(filter: &LifecycleRuleFilter) -> Result<()> {
    let said = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
        filter.and.is_some(),
    ];
    if said.iter().filter(|s| **s).count() > 1 {
        return Err(error::malformed_xml().into());
    }
    let Some(and) = &filter.and else { return Ok(()) };
    let mut keys = HashSet::new();
    let tags = and.tags.as_deref().unwrap_or_default();
    if !tags.iter().all(|t| keys.insert(&t.key)) {
        return Err(refused("Duplicate Tag Keys are not allowed."));
    }
    let parts = tags.len()
        + usize::from(and.prefix.is_some())
        + usize::from(and.object_size_greater_than.is_some())
        + usize::from(and.object_size_less_than.is_some());
    if parts < 2 { Err(error::malformed_xml().into()) } else { Ok(()) }
}

fn check_date(date: Timestamp) -> Result<()> {
    if date.as_millisecond().rem_euclid(DAY) == 0 { Ok(()) } else { Err(invalid("'Date' must be at midnight GMT")) }
}

fn check_expiration(rule: &LifecycleRule, tagged: bool) -> Result<()> {
    let Some(expiration) = &rule.expiration else { return Ok(()) };
    match (expiration.days, expiration.date, expiration.expired_object_delete_marker) {
        (Some(days), None, None) if days < 1 => Err(invalid("'Days' for Expiration action must be a positive integer")),
        (Some(_), None, None) => Ok(()),
        (None, Some(date), None) => check_date(date),
        (None, None, Some(_)) if tagged => Err(refused("ExpiredObjectDeleteMarker cannot be specified with Tags.")),
        (None, None, Some(_)) => Ok(()),
        _ => Err(error::malformed_xml().into()),
    }
}

/// How S3 names the filter of a rule in its refusals.
fn named(rule: &LifecycleRule) -> String {
    format!("'(prefix={})'", Filter::of(rule).prefix.unwrap_or(""))
}

fn check_transitions(rule: &LifecycleRule) -> Result<()> {
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let expiration = rule.expiration.as_ref();
    let mut classes = HashSet::new();
    for transition in transitions {
        let class = transition.storage_class.as_deref().ok_or_else(error::malformed_xml)?;
        if !classes.insert(class) {
            return Err(refused("'StorageClass' must be different for 'Transition' actions in same 'Rule'"));
        }
        match (transition.days, transition.date) {
            (Some(days), None) if days < 0 => {
                return Err(invalid("'Days' for Transition action must be nonnegative"));
            }
            (Some(days), None) if days < 30 && matches!(class, "STANDARD_IA" | "ONEZONE_IA") => {
                return Err(invalid(format!(
                    "'Days' in Transition action must be greater than or equal to 30 for storageClass '{class}'"
                )));
            }
            (Some(days), None) => {
                if expiration.and_then(|e| e.days).is_some_and(|end| end <= days) {
                    return Err(invalid(format!(
                        "'Days' in the Expiration action for filter {} must be greater than 'Days' in the Transition action",
                        named(rule)
                    )));
                }
            }
            (None, Some(date)) => check_date(date)?,
            // Neither is zero days.
            (None, None) => {}
            (Some(_), Some(_)) => return Err(error::malformed_xml().into()),
        }
    }
    let dated = transitions.iter().any(|t| t.date.is_some()) || expiration.is_some_and(|e| e.date.is_some());
    let counted = transitions.iter().any(|t| t.days.is_some()) || expiration.is_some_and(|e| e.days.is_some());
    if dated && counted && !transitions.is_empty() {
        return Err(refused(&format!(
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter {}",
            named(rule)
        )));
    }
    Ok(())
}

fn check_noncurrent(rule: &LifecycleRule) -> Result<()> {
    let newer = |kept: Option<i32>| match kept {
        Some(kept) if !(1..=100).contains(&kept) => {
            Err(invalid("'NewerNoncurrentVersions' must be an integer between 1 and 100"))
        }
        _ => Ok(()),
    };
    if let Some(expiration) = &rule.noncurrent_version_expiration {
        newer(expiration.newer_noncurrent_versions)?;
        if expiration.noncurrent_days.is_none_or(|days| days < 1) {
            return Err(invalid("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"));
        }
    }
    for transition in rule.noncurrent_version_transitions.iter().flatten() {
        newer(transition.newer_noncurrent_versions)?;
        let class = transition.storage_class.as_deref().ok_or_else(error::malformed_xml)?;
        let days = transition.noncurrent_days.unwrap_or(0);
        if days < 0 {
            return Err(invalid("'NoncurrentDays' for NoncurrentVersionTransition action must be nonnegative"));
        }
        if days < 30 && matches!(class, "STANDARD_IA" | "ONEZONE_IA") {
            return Err(invalid(format!(
                "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass '{class}'"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(rules: serde_json::Value) -> Lifecycle {
        let rules = serde_json::from_value(rules).unwrap_or_else(|e| panic!("{e}"));
        Lifecycle { rules, minimum: ALL_128K.to_owned() }
    }

    fn object(modified: i64, size: u64, class: Option<&str>) -> Aged {
        let storage_class = class.map(ToOwned::to_owned);
        Aged { rank: 0, marker: false, modified, size, storage_class, tags: BTreeMap::new(), tiered: None }
    }

    #[test]
    fn days_end_at_midnight() {
        // "If an object was created on 1/15/2014 at 10:30 AM UTC and you specify 3 days, it expires on 1/19/2014 00:00".
        let at = |text: &str| text.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
        assert_eq!(aged(at("2014-01-15T10:30:00Z"), 3), at("2014-01-19T00:00:00Z"));
    }

    #[test]
    fn objects_move_and_end() {
        let rules = rules(json!([{
            "ID": "all", "Status": "Enabled", "Filter": {},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 90, "StorageClass": "GLACIER"}],
            "Expiration": {"Days": 365}
        }]));
        let large = object(0, LEAST_BYTES, None);
        let fate = |object: &Aged, days: i64| rules.of_current("k", object, true, days * DAY);
        assert_eq!(fate(&large, 1), Fate { action: None, next: Some(31 * DAY) });
        let moved = Some(Action::Transition("STANDARD_IA".to_owned()));
        assert_eq!(fate(&large, 31), Fate { action: moved, next: Some(91 * DAY) });
        let archived = Some(Action::Transition("GLACIER".to_owned()));
        assert_eq!(fate(&large, 100).action, archived, "the class that is further down is meant");
        assert_eq!(fate(&object(0, LEAST_BYTES, Some("GLACIER")), 100), Fate { action: None, next: Some(366 * DAY) });
        assert_eq!(fate(&large, 366).action, Some(Action::Expire));
        let marked = rules.of_current("k", &large, false, 366 * DAY);
        assert_eq!(marked.next, Some(367 * DAY), "what would end in a marker moves first, and ends the next day");
        assert_eq!(marked.action, Some(Action::Transition("GLACIER".to_owned())));
        assert_eq!(fate(&object(0, 10, None), 100), Fate { action: None, next: Some(366 * DAY) }, "too small to move");
    }

    #[test]
    fn filters() {
        let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let matches = |filter: serde_json::Value| {
            let rules = rules(json!([{"ID": "x", "Status": "Enabled", "Filter": filter, "Expiration": {"Days": 1}}]));
            rules.expiration(Seen { key: "logs/1", tags: &tags, size: 100 }, 0).is_some()
        };
        for (filter, wanted) in [
            (json!({}), true),
            (json!({"Prefix": "logs/"}), true),
            (json!({"Prefix": "other/"}), false),
            (json!({"Tag": {"Key": "a", "Value": "1"}}), true),
            (json!({"Tag": {"Key": "a", "Value": "2"}}), false),
            (json!({"ObjectSizeGreaterThan": 99}), true),
            (json!({"ObjectSizeGreaterThan": 100}), false),
            (json!({"ObjectSizeLessThan": 100}), false),
            (
                json!({"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}}),
                true,
            ),
            (
                json!({"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "c", "Value": "2"}]}}),
                false,
            ),
        ] {
            assert_eq!(matches(filter.clone()), wanted, "{filter}");
        }
    }

    #[test]
    fn rules_that_are_refused() {
        let refused = |rule: serde_json::Value| {
            let mut given = rules(json!([rule])).rules;
            check(&mut given, String::new).err().map(|e| e.to_string()).unwrap_or_default()
        };
        for (rule, wanted) in [
            (json!({"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}), ""),
            (json!({"Status": "Enabled", "Filter": {}}), "At least one action"),
            (json!({"Status": "Enabled", "Expiration": {"Days": 1}}), "MalformedXML"),
            (json!({"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 0}}), "positive integer"),
            (json!({"Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2030-01-01T10:00:00Z"}}), "midnight"),
            (json!({"Status": "Enabled", "Filter": {}, "Expiration": {}}), "MalformedXML"),
            (
                json!({"Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 3, "StorageClass": "STANDARD_IA"}]}),
                "30 for storageClass",
            ),
            (
                json!({"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 40}, "Transitions": [{"Days": 40, "StorageClass": "GLACIER"}]}),
                "must be greater than 'Days'",
            ),
            (
                json!({"Status": "Enabled", "Filter": {"And": {"Prefix": "a"}}, "Expiration": {"Days": 1}}),
                "MalformedXML",
            ),
            (
                json!({"Status": "Enabled", "Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Expiration": {"ExpiredObjectDeleteMarker": true}}),
                "with Tags",
            ),
            (
                json!({"Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 101}}),
                "between 1 and 100",
            ),
        ] {
            let found = refused(rule.clone());
            assert!(if wanted.is_empty() { found.is_empty() } else { found.contains(wanted) }, "{rule}: {found}");
        }
    }
}
