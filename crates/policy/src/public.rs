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
    positive && (narrowing(&key) || own.contains(&key.as_str())) && condition.values.iter().all(|v| fixes(&key, v))
}

/// Whether a condition on a fixed value of a key, in small letters, keeps a policy from being public, whatever service it is of.
pub fn narrowing(key: &str) -> bool {
    KEYS.contains(&key)
}

/// Whether a value of such a key is a fixed one.
pub fn fixes(key: &str, value: &str) -> bool {
    match key {
        "aws:sourceip" | "aws:vpcsourceip" => value.rsplit_once('/').is_none_or(|(ip, bits)| {
            let least = if ip.contains(':') { 32 } else { 8 };
            bits.parse::<u32>().is_ok_and(|bits| bits >= least)
        }),
        "aws:sourcearn" | "aws:principalarn" => {
            !value.contains("${")
                && value.split(':').nth(4).is_some_and(|account| !account.is_empty() && !account.contains(['*', '?']))
        }
        _ => !value.contains(['*', '?']) && !value.contains("${"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Policy, PolicyKind};

    fn public(principal: &str, condition: &str) -> bool {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {principal}, "Action": "s3:GetObject",
                "Resource": "*", "Condition": {condition}}}]}}"#
        );
        Policy::parse(PolicyKind::Resource, &text).unwrap().is_public(&["s3:own"])
    }

    #[test]
    fn what_is_fixed_keeps_everybody_out() {
        for (principal, condition, expected) in [
            (r#""*""#, "{}", true),
            (r#"{"AWS": "*"}"#, "{}", true),
            (r#"{"AWS": "111111111111"}"#, "{}", false),
            (r#""*""#, r#"{"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#, false),
            (r#""*""#, r#"{"StringLike": {"aws:PrincipalOrgID": "o-*"}}"#, true),
            (r#""*""#, r#"{"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}"#, true),
            (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, false),
            (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}"#, true),
            (r#""*""#, r#"{"StringEquals": {"s3:Own": "a"}}"#, false),
            (r#""*""#, r#"{"StringEquals": {"s3:Other": "a"}}"#, true),
        ] {
            assert_eq!(public(principal, condition), expected, "{principal} {condition}");
        }
    }
}
