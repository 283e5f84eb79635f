//! Filter policies: which messages a subscription gets. They are event patterns with limits of their own.
//!
//! Source: "Amazon SNS message filtering" and "Filter policy constraints" in the developer guide; messages of refusals as AWS
//! answered them.

use serde_json::{Map, Value as Json};
use undercast_kernel::AwsError;
use undercast_pattern::Pattern;

use crate::api::errors;
use crate::error::invalid;

/// A policy has at most so many keys,
const MOST_KEYS: usize = 5;
/// so many combinations of values,
const MOST_COMBINATIONS: u64 = 150;
/// and so many bytes.
const LARGEST: usize = 256 * 1024;

/// What a policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The message's attributes: no nesting.
    Attributes,
    /// Its body, as JSON.
    Body,
}

fn refuse(reason: impl std::fmt::Display) -> AwsError {
    invalid(format!("Invalid parameter: FilterPolicy: {reason}"))
}

/// Refuses a policy that is none, or too large a one.
pub(crate) fn check(text: &str, scope: Scope) -> Result<(), AwsError> {
    let policy: Json = serde_json::from_str(text).map_err(|error| refuse(unread(text, &error)))?;
    let Json::Object(entries) = policy else {
        return Err(refuse("Filter is not an object"));
    };
    if text.len() > LARGEST {
        return Err(refuse("Filter policy is too large"));
    }
    if scope == Scope::Attributes && is_nested(&entries) {
        let message = "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy";
        return Err(invalid(message));
    }
    Pattern::parse(text).map_err(|why| refuse(why.0.split("\n at ").next().unwrap_or_default()))?;
    let size = Size::of(&entries, 1);
    if size.keys > MOST_KEYS {
        return Err(refuse("Filter policy can not have more than 5 keys"));
    }
    if size.combinations > MOST_COMBINATIONS {
        return Err(refuse("Filter policy is too complex"));
    }
    Ok(())
}

/// What AWS says of a text that is no JSON; it does not quote the text here.
pub(crate) fn unread(text: &str, error: &serde_json::Error) -> String {
    let at = format!(
        "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {}, column: {}]",
        error.line(),
        error.column()
    );
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if word.chars().next().is_some_and(char::is_alphabetic) {
        return format!(
            "failed to parse JSON. Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false'){}",
            at.replace(&format!("column: {}", error.column()), &format!("column: {}", word.chars().count() + 1))
        );
    }
    let found = text.lines().nth(error.line().saturating_sub(1));
    match found.and_then(|line| line.chars().nth(error.column().saturating_sub(1))) {
        Some(found) if !error.is_eof() => format!(
            "failed to parse JSON. Unexpected character ('{found}' (code {})): was expecting double-quote to start field name{at}",
            u32::from(found)
        ),
        _ => format!("failed to parse JSON. Unexpected end-of-input{at}"),
    }
}

fn is_nested(entries: &Map<String, Json>) -> bool {
    entries.iter().any(|(key, value)| match value {
        Json::Object(_) => true,
        Json::Array(choices) if key == "$or" => choices.iter().filter_map(Json::as_object).any(is_nested),
        _ => false,
    })
}

/// How large a policy is, as the quotas count.
struct Size {
    keys: usize,
    combinations: u64,
}

impl Size {
    /// Values of a key multiply those of the others, each as often as its key is deep; alternatives add up.
    fn of(entries: &Map<String, Json>, depth: u64) -> Self {
        let mut size = Self { keys: 0, combinations: 1 };
        for (key, value) in entries {
            match value {
                Json::Array(choices) if key == "$or" && choices.iter().all(Json::is_object) => {
                    let choices = choices.iter().filter_map(Json::as_object).map(|c| Self::of(c, depth));
                    let (keys, sum) =
                        choices.fold((0, 0u64), |(k, c), s| (k + s.keys, c.saturating_add(s.combinations)));
                    size.keys += keys;
                    size.combinations = size.combinations.saturating_mul(sum.max(1));
                }
                Json::Array(values) => {
                    size.keys += 1;
                    let values = u64::try_from(values.len()).unwrap_or(u64::MAX).max(1);
                    size.combinations = size.combinations.saturating_mul(values.saturating_mul(depth));
                }
                Json::Object(inside) => {
                    let inside = Self::of(inside, depth + 1);
                    size.keys += inside.keys;
                    size.combinations = size.combinations.saturating_mul(inside.combinations);
                }
                _ => {}
            }
        }
        size
    }
}

/// Whether a message fits.
pub(crate) fn fits(text: &str, root: &Json) -> bool {
    // It was checked when it was set; one that cannot be read lets nothing through.
    Pattern::parse(text).is_ok_and(|pattern| pattern.matches(root))
}

/// All filter policies of a topic's subscriptions together are at most so many.
pub(crate) const MOST_OF_A_TOPIC: usize = 200;

/// The refusal of one more.
pub(crate) fn too_many() -> AwsError {
    errors::filter_policy_limit_exceeded_exception(format!(
        "Filter policy limit exceeded: a topic has at most {MOST_OF_A_TOPIC} filter policies"
    ))
}
