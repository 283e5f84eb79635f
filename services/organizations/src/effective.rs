//! Policies as they come out for an account: what is inherited, and what each level makes of it. And what may stand in tag
//! policies.
//!
//! Source: "Understanding policy inheritance" and "Inheritance operators" in the user guide of Organizations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::home::Home;
use crate::organization::page;
use crate::policies::{self, content};
use crate::rows::{POLICIES, moment};
use crate::{accounts, declarative, error};

pub(crate) const ALLOWED: &str = "@@operators_allowed_for_child_policies";
const OPERATORS: &[&str] = &["@@assign", "@@append", "@@remove", ALLOWED];

/// Refuses what is no tag policy. `Err(None)`: it is malformed.
pub(crate) fn check(content: &str) -> std::result::Result<(), Option<Failure>> {
    let parsed: Json = serde_json::from_str(content).map_err(|_| None)?;
    let whole = parsed.as_object().ok_or(None)?;
    let tags = match whole.iter().collect::<Vec<_>>().as_slice() {
        [(name, Json::Object(tags))] if *name == "tags" => tags,
        _ => return Err(None),
    };
    for (_, tag) in tags.iter().filter(|(name, _)| *name != ALLOWED) {
        for (name, value) in tag.as_object().ok_or(None)? {
            match name.as_str() {
                "tag_key" | "tag_value" => check_operators(value)?,
                ALLOWED => {}
                "enforced_for" | "report_required_tag_for" => {
                    let what = format!("tag policies with `{name}`: no service is held to them");
                    return Err(Some(Failure::not_built(what)));
                }
                _ => return Err(None),
            }
        }
    }
    Ok(())
}

fn check_operators(value: &Json) -> std::result::Result<(), Option<Failure>> {
    let all = value.as_object().ok_or(None)?;
    if all.keys().all(|name| OPERATORS.contains(&name.as_str())) { Ok(()) } else { Err(None) }
}

/// What came out so far: values by their path, and what those below may still do to them.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    values: BTreeMap<Vec<String>, Json>,
    /// Path → the policies that said something of it.
    said: BTreeMap<Vec<String>, BTreeSet<String>>,
    /// Path → the level at which it was said, and the operators that are left to lower levels.
    allowed: BTreeMap<Vec<String>, (usize, Vec<String>)>,
}

impl Inherited {
    /// Adds a policy that is attached at a level: 0 is the root.
    fn add(&mut self, level: usize, id: &str, policy: &Json) {
        self.walk(level, id, policy, &mut Vec::new());
    }

    fn walk(&mut self, level: usize, id: &str, node: &Json, path: &mut Vec<String>) {
        let Json::Object(entries) = node else { return };
        for (name, value) in entries {
            match name.as_str() {
                "@@assign" | "@@append" | "@@remove" if self.may(level, path, name) => {
                    self.said.entry(path.clone()).or_default().insert(id.to_owned());
                    self.apply(name, value, path);
                }
                "@@assign" | "@@append" | "@@remove" => {}
                ALLOWED => {
                    // Who is above says what may be done below, and nobody below changes that.
                    if self.allowed.get(path).is_none_or(|(said, _)| *said >= level) {
                        self.allowed.insert(path.clone(), (level, texts(value)));
                    }
                }
                _ => {
                    path.push(name.clone());
                    self.walk(level, id, value, path);
                    path.pop();
                }
            }
        }
    }

    /// Whether an operator is left to this level: by each that is above, for the path or what it is in.
    fn may(&self, level: usize, path: &[String], operator: &str) -> bool {
        (0..=path.len()).all(|length| match self.allowed.get(&path[..length]) {
            Some((said, operators)) if *said < level => {
                operators.iter().any(|allowed| allowed == operator || allowed == "@@all")
            }
            _ => true,
        })
    }

    fn apply(&mut self, operator: &str, value: &Json, path: &[String]) {
        let there = self.values.get(path).map_or_else(Vec::new, texts);
        let made = match operator {
            "@@assign" => value.clone(),
            "@@append" => {
                let new = texts(value).into_iter().filter(|text| !there.contains(text)).collect::<Vec<_>>();
                there.into_iter().chain(new).collect()
            }
            _ => {
                let gone = texts(value);
                there.into_iter().filter(|text| !gone.contains(text)).collect()
            }
        };
        self.values.insert(path.to_vec(), made);
    }

    /// The policies that had a part in what stands below a path, or above it.
    pub(crate) fn contributors(&self, path: &str) -> Vec<String> {
        let steps: Vec<&str> = path.split('/').collect();
        let touches = |of: &[String]| of.iter().zip(&steps).all(|(a, b)| a == b);
        let all: BTreeSet<&String> = self.said.iter().filter(|(of, _)| touches(of)).flat_map(|(_, ids)| ids).collect();
        all.into_iter().cloned().collect()
    }

    /// What came out.
    pub(crate) fn whole(&self) -> Json {
        let mut whole = Json::Object(Map::new());
        for (path, value) in &self.values {
            let mut at = &mut whole;
            for step in path {
                if !at[step].is_object() {
                    at[step] = Json::Object(Map::new());
                }
                at = &mut at[step];
            }
            *at = value.clone();
        }
        whole
    }
}

fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(all) => all.iter().flat_map(texts).collect(),
        Json::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// What comes out for a root, unit or account, and when a policy that had a part in it was changed last (ms). `None`: none of
/// its type is attached anywhere above.
fn of(home: &Home, from: &(impl Read + ?Sized), line: &[String], kind: &str) -> Result<Option<(Inherited, i64)>> {
    let (mut inherited, mut updated, mut any) = (Inherited::default(), 0, false);
    for (level, step) in line.iter().enumerate() {
        for id in home.attached(from, step)? {
            let Some((_, text)) = content(from, &home.management, &id)?.filter(|(of, _)| of == kind) else { continue };
            any = true;
            updated = POLICIES.get(from, &(&home.management, &id))?.map_or(updated, |p| updated.max(p.updated));
            inherited.add(level, &id, &serde_json::from_str(&text).map_err(Failure::broken)?);
        }
    }
    Ok(any.then_some((inherited, updated)))
}

fn none() -> Failure {
    let message = "If you ran this action on the management account, this policy type is not enabled. If you ran the action on a member account, the account doesn't have an effective policy of this type.";
    errors::effective_policy_not_found_exception(message).into()
}

pub(crate) fn describe(
    cx: &Cx,
    input: api::DescribeEffectivePolicyInput,
) -> Result<api::DescribeEffectivePolicyOutput> {
    policies::check_kind(&input.policy_type)?;
    let from = cx.read();
    let home = Home::of_member(cx, &from)?;
    let target = input.target_id.unwrap_or_else(|| cx.account().to_owned());
    // Of others only those ask who manage the organization, or administer a service in it.
    if target != cx.account() {
        Home::seen_by_policy(cx, &from, "organizations:DescribeEffectivePolicy")?;
    }
    let line = home.line(&from, &target)?;
    if line.is_empty() {
        return Err(error::no_target());
    }
    let (inherited, updated) = of(&home, &from, &line, &input.policy_type)?.ok_or_else(none)?;
    let effective = output::EffectivePolicy {
        policy_content: Some(inherited.whole().to_string()),
        last_updated_timestamp: Some(moment(updated)),
        target_id: Some(target),
        policy_type: Some(input.policy_type),
    };
    Ok(api::DescribeEffectivePolicyOutput { effective_policy: Some(effective) })
}

/// The accounts for which something comes out that is not whole.
pub(crate) fn invalid_accounts(
    cx: &Cx,
    input: api::ListAccountsWithInvalidEffectivePolicyInput,
) -> Result<api::ListAccountsWithInvalidEffectivePolicyOutput> {
    policies::check_kind(&input.policy_type)?;
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListAccountsWithInvalidEffectivePolicy")?;
    if !home.organization.types.contains(&input.policy_type) {
        return Err(none());
    }
    let mut found = Vec::new();
    for (account, member) in home.members(&from)? {
        let effective = of(&home, &from, &home.line(&from, &account)?, &input.policy_type)?;
        if effective.is_some_and(|(inherited, _)| !declarative::faults(&input.policy_type, &inherited).is_empty()) {
            found.push(accounts::shown(&home, &from, &account, &member)?);
        }
    }
    let list = format!("ListAccountsWithInvalidEffectivePolicy {}", input.policy_type);
    let (accounts, next_token) = page(&list, found, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAccountsWithInvalidEffectivePolicyOutput {
        accounts: Some(accounts),
        policy_type: Some(input.policy_type),
        next_token,
    })
}

/// What is wrong with what comes out for an account.
pub(crate) fn validation_errors(
    cx: &Cx,
    input: api::ListEffectivePolicyValidationErrorsInput,
) -> Result<api::ListEffectivePolicyValidationErrorsOutput> {
    policies::check_kind(&input.policy_type)?;
    let from = cx.read();
    let home = Home::seen_by_policy(cx, &from, "organizations:ListEffectivePolicyValidationErrors")?;
    home.member(&from, &input.account_id)?;
    let line = home.line(&from, &input.account_id)?;
    let (inherited, _) = of(&home, &from, &line, &input.policy_type)?.ok_or_else(none)?;
    let shown = |fault: declarative::Fault| output::EffectivePolicyValidationError {
        error_code: Some(fault.code.to_owned()),
        error_message: Some(fault.message),
        path_to_error: Some(fault.path),
        contributing_policies: Some(fault.policies),
    };
    let all = declarative::faults(&input.policy_type, &inherited).into_iter().map(shown).collect();
    let list = format!("ListEffectivePolicyValidationErrors {} {}", input.account_id, input.policy_type);
    let (errors, next_token) = page(&list, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListEffectivePolicyValidationErrorsOutput {
        path: Some(home.path(&from, &input.account_id)?),
        account_id: Some(input.account_id),
        policy_type: Some(input.policy_type),
        // It comes out anew whenever somebody asks.
        evaluation_timestamp: Some(cx.now()),
        effective_policy_validation_errors: Some(errors),
        next_token,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effective(levels: &[Json]) -> Json {
        let mut inherited = Inherited::default();
        levels.iter().enumerate().for_each(|(level, policy)| inherited.add(level, "p-test", policy));
        inherited.whole()
    }

    #[test]
    fn levels_assign_append_and_remove() {
        let root = json!({"tags": {"cost": {"tag_key": {"@@assign": "Cost"}, "tag_value": {"@@assign": ["1", "2"]}}}});
        let unit = json!({"tags": {"cost": {"tag_value": {"@@append": ["3", "2"]}}}});
        let account =
            json!({"tags": {"cost": {"tag_value": {"@@remove": ["1"]}}, "team": {"tag_key": {"@@assign": "Team"}}}});
        let whole =
            json!({"tags": {"cost": {"tag_key": "Cost", "tag_value": ["2", "3"]}, "team": {"tag_key": "Team"}}});
        assert_eq!(effective(&[root, unit, account]), whole);
    }

    #[test]
    fn what_is_not_left_to_lower_levels_is_not_heeded() {
        let root = json!({"tags": {"cost": {"tag_key": {"@@assign": "Cost", ALLOWED: ["@@none"]},
            "tag_value": {"@@assign": ["1"], ALLOWED: ["@@append"]}}}});
        let unit = json!({"tags": {"cost": {"tag_key": {"@@assign": "COST", ALLOWED: ["@@all"]},
            "tag_value": {"@@assign": ["9"], "@@append": ["2"]}}}});
        let account = json!({"tags": {"cost": {"tag_key": {"@@assign": "cost"}}}});
        let whole = json!({"tags": {"cost": {"tag_key": "Cost", "tag_value": ["1", "2"]}}});
        assert_eq!(effective(&[root, unit, account]), whole);
    }
}
