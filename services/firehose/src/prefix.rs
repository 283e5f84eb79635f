//! Names of objects: prefixes with expressions, and what stands behind them.
//!
//! Source: "Understand custom prefixes for Amazon S3 objects" and "Amazon S3 object name format" in the developer guide.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use undercast_kernel::Timestamp;

use crate::pattern::Pattern;

/// What names the hours where a prefix does not say it.
const DEFAULT: &str = "yyyy/MM/dd/HH/";
/// How long a random string is.
const RANDOM: usize = 11;

/// A part of a prefix.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Time(Pattern),
    Random,
    ErrorType,
    FromQuery(String),
    FromLambda(String),
}

/// A prefix, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prefix(Vec<Part>);

/// The values of one file that expressions ask for.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// When the oldest record of the file came.
    pub(crate) at: Timestamp,
    pub(crate) zone: &'a TimeZone,
    /// What makes this file's name another than others': the same each time that it is written.
    pub(crate) seed: &'a str,
    /// Which error it is about.
    pub(crate) error: Option<&'a str>,
    pub(crate) from_query: &'a BTreeMap<String, String>,
    pub(crate) from_lambda: &'a BTreeMap<String, String>,
}

impl Prefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("!{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (expression, behind) = after.split_once('}').ok_or("an expression is not closed")?;
            parts.push(expression_of(expression)?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Whether anything of it is found out only when a file is written.
    pub(crate) fn has_expressions(&self) -> bool {
        self.0.iter().any(|part| !matches!(part, Part::Text(_)))
    }

    pub(crate) fn names_error(&self) -> bool {
        self.0.contains(&Part::ErrorType)
    }

    pub(crate) fn names_partition(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::FromQuery(_) | Part::FromLambda(_)))
    }

    fn names_time(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Time(_)))
    }

    /// The keys that partitions are asked for: those that a query finds, and those that a function gives.
    pub(crate) fn partition_keys(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut queried, mut given) = (Vec::new(), Vec::new());
        for part in &self.0 {
            match part {
                Part::FromQuery(key) => queried.push(key.as_str()),
                Part::FromLambda(key) => given.push(key.as_str()),
                _ => {}
            }
        }
        (queried, given)
    }

    /// The prefix of a file of records.
    pub(crate) fn of_records(&self, facts: &Facts<'_>) -> String {
        let mut out = self.evaluated(facts);
        if !self.has_expressions() {
            out.push_str(&Self::hours(facts));
        }
        out
    }

    /// The prefix of a file of what failed.
    pub(crate) fn of_errors(&self, facts: &Facts<'_>) -> String {
        let mut out = self.evaluated(facts);
        if !self.names_error() {
            out.push_str(facts.error.unwrap_or_default());
            out.push('/');
        }
        if !self.names_time() {
            out.push_str(&Self::hours(facts));
        }
        out
    }

    fn hours(facts: &Facts<'_>) -> String {
        Pattern::parse(DEFAULT).map(|pattern| pattern.format(facts.at, facts.zone)).unwrap_or_default()
    }

    fn evaluated(&self, facts: &Facts<'_>) -> String {
        let mut out = String::new();
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Time(pattern) => out.push_str(&pattern.format(facts.at, facts.zone)),
                Part::Random => out.push_str(&random(&format!("{}/{at}", facts.seed))),
                Part::ErrorType => out.push_str(facts.error.unwrap_or_default()),
                Part::FromQuery(key) => out.push_str(facts.from_query.get(key).map_or("", String::as_str)),
                Part::FromLambda(key) => out.push_str(facts.from_lambda.get(key).map_or("", String::as_str)),
            }
        }
        out
    }
}

fn expression_of(text: &str) -> Result<Part, String> {
    let (namespace, value) = text.split_once(':').ok_or_else(|| format!("the expression !{{{text}}} has no value"))?;
    match (namespace, value) {
        ("timestamp", value) => Pattern::parse(value).map(Part::Time),
        ("firehose", "random-string") => Ok(Part::Random),
        ("firehose", "error-output-type") => Ok(Part::ErrorType),
        ("partitionKeyFromQuery", key) if !key.is_empty() => Ok(Part::FromQuery(key.to_owned())),
        ("partitionKeyFromLambda", key) if !key.is_empty() => Ok(Part::FromLambda(key.to_owned())),
        _ => Err(format!("the expression !{{{text}}} is none that is known")),
    }
}

/// Letters and digits that a seed gives.
fn random(seed: &str) -> String {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let hash = Sha256::digest(seed.as_bytes());
    hash.iter().take(RANDOM).map(|byte| char::from(SIGNS[usize::from(*byte) % SIGNS.len()])).collect()
}

/// A UUID that a seed gives.
pub(crate) fn uuid(seed: &str) -> String {
    let hash = Sha256::digest(seed.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What stands behind the prefix: the stream, its version, when the oldest record came, and what makes it unique.
pub(crate) fn suffix(stream: &str, version: u64, facts: &Facts<'_>, extension: &str) -> String {
    let at = Pattern::parse("yyyy-MM-dd-HH-mm-ss").map(|pattern| pattern.format(facts.at, facts.zone));
    format!("{stream}-{version}-{}-{}{extension}", at.unwrap_or_default(), uuid(facts.seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefix: &str, error: Option<&str>) -> String {
        let none = BTreeMap::new();
        let from_query = BTreeMap::from([("c".to_owned(), "42".to_owned())]);
        let at: Timestamp = "2018-08-27T10:30:05Z".parse().unwrap();
        let facts = Facts { at, zone: &TimeZone::UTC, seed: "s", error, from_query: &from_query, from_lambda: &none };
        let prefix = Prefix::parse(prefix).unwrap();
        if error.is_some() { prefix.of_errors(&facts) } else { prefix.of_records(&facts) }
    }

    #[test]
    fn prefixes_are_evaluated_as_the_guide_shows_it() {
        assert_eq!(key("", None), "2018/08/27/10/");
        assert_eq!(key("logs/", None), "logs/2018/08/27/10/");
        assert_eq!(key("!{timestamp:yyyy}-!{timestamp:MM}/", None), "2018-08/");
        assert_eq!(key("dt=!{timestamp:yyyy'-'MM'-'dd}/", None), "dt=2018-08-27/");
        assert_eq!(key("c=!{partitionKeyFromQuery:c}/", None), "c=42/");
        let failed = Some("processing-failed");
        assert_eq!(key("fails/!{firehose:error-output-type}/", failed), "fails/processing-failed/2018/08/27/10/");
        assert_eq!(key("", failed), "processing-failed/2018/08/27/10/");
        assert_eq!(key("e/!{firehose:error-output-type}/!{timestamp:yyyy}/", failed), "e/processing-failed/2018/");
        let random = key("!{firehose:random-string}/!{firehose:random-string}", None);
        let (one, other) = random.split_once('/').unwrap();
        assert!(one.len() == 11 && other.len() == 11 && one != other, "{random}");
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in ["!{timestamp:yyyy", "!{timestamp}", "!{firehose:else}", "!{other:x}", "!{partitionKeyFromQuery:}"] {
            assert!(Prefix::parse(bad).is_err(), "{bad}");
        }
    }
}
