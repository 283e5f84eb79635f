//! Whether a policy of a resource lets everybody in, as Block Public Access means it.
//!
//! Source: "The meaning of public" in the S3 user guide, and "Blocking public access with resource-based policies" in the DynamoDB
//! developer guide, which counts the same way.

use crate::document::{ConditionEntry, Effect, PrincipalElement, PrincipalType, Principals};
use crate::policy::Policy;

/// A condition on a fixed value of one of these keys keeps a policy from being public.
const KEYS: &[&str] = &[
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceorgid",
    "aws:sourceip",
    "aws:userid",
    "aws:vpcsourceip",
];

impl Policy {
    /// Whether it lets everybody in. `own` are the condition keys of the service, in small letters, that keep it from that.
    pub fn is_public(&self, own: &[&str]) -> bool {
        self.document().statements.iter().any(|s| {
            s.effect == Effect::Allow
                && s.principal.as_ref().is_some_and(everybody)
                && !s.conditions.iter().any(|condition| narrows(condition, own))
        })
    }
}

fn everybody(element: &PrincipalElement) -> bool {
    element.negated
        || match &element.principals {
            Principals::Everyone => true,
            Principals::Named(named) => {
                named.iter().any(|(kind, values)| *kind == PrincipalType::Aws && values.iter().any(|v| v == "*"))
            }
        }
}

fn narrows(condition: &ConditionEntry, own: &[&str]) -> bool {
    let operator = condition.operator.rsplit(':').next().unwrap_or(&condition.operator);
    let positive = !operator.contains("Not") && !operator.contains("IfExists") && operator != "Null";
    let key = condition.key.to_lowercase();
    let fixed = |value: &String| match key.as_str() {
        "aws:sourceip" | "aws:vpcsourceip" => value.rsplit_once('/').is_none_or(|(ip, bits)| {
            let least = if ip.contains(':') { 32 } else { 8 };
            bits.parse::<u32>().is_ok_and(|bits| bits >= least)
        }),
        "aws:sourcearn" | "aws:principalarn" => {
            !value.contains("${")
                && value.split(':').nth(4).is_some_and(|account| !account.is_empty() && !account.contains(['*', '?']))
        }
        _ => !value.contains(['*', '?']) && !value.contains("${"),
    };
    positive && (KEYS.contains(&key.as_str()) || own.contains(&key.as_str())) && condition.values.iter().all(fixed)
}
