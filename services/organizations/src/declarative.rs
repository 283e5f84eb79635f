//! Policies that say what services are to do, other than of permissions: what may stand in each type (`grammar.json`), and what
//! must be in what comes out for an account.
//!
//! Source: the syntax and examples of each type in the user guide of Organizations. An organization keeps, attaches and works out
//! such policies; the services that heed them are not here. Types whose grammar is not written down here are refused.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

use crate::effective::{ALLOWED, Inherited};

/// Type → what may stand in it: an object of names (`*` is any), a list of the values that there are, or a kind of value.
static GRAMMAR: LazyLock<Map<String, Json>> =
    LazyLock::new(|| serde_json::from_str(include_str!("grammar.json")).unwrap_or_default());

/// What may be said of operators below.
const CHILD_OPERATORS: &[&str] = &["@@all", "@@none", "@@assign", "@@append", "@@remove"];
/// "Quotas" of AWS Backup: rules of a plan.
const MOST_RULES: usize = 10;

/// Whether policies of a type can be told from what is none.
pub(crate) fn is_known(kind: &str) -> bool {
    GRAMMAR.contains_key(kind)
}

/// Characters of a document of a type ("Quotas and service limits for AWS Organizations").
pub(crate) fn limit(kind: &str) -> usize {
    if kind == "AISERVICES_OPT_OUT_POLICY" { 2_500 } else { 10_000 }
}

/// Whether a content is a policy of a type.
pub(crate) fn is_good(kind: &str, content: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Json>(content) else { return false };
    let whole = policy.as_object().is_some_and(|whole| !whole.is_empty());
    whole && GRAMMAR.get(kind).is_some_and(|grammar| fits(grammar, &policy))
}

fn fits(grammar: &Json, node: &Json) -> bool {
    let Json::Object(entries) = node else { return false };
    entries.iter().all(|(name, value)| match (name.as_str(), grammar) {
        (ALLOWED, _) => {
            let texts = value.as_array().filter(|all| !all.is_empty());
            texts
                .is_some_and(|all| all.iter().all(|one| one.as_str().is_some_and(|one| CHILD_OPERATORS.contains(&one))))
        }
        (operator, Json::Object(_)) if operator.starts_with("@@") => false,
        (name, Json::Object(children)) => children.get(name).or(children.get("*")).is_some_and(|of| fits(of, value)),
        ("@@assign", leaf) => is_value(leaf, value),
        ("@@append" | "@@remove", leaf) if leaf == "list" => is_value(leaf, value),
        _ => false,
    })
}

/// Whether a value is one that an operator may set. Numbers and flags are written as texts as well.
fn is_value(leaf: &Json, value: &Json) -> bool {
    match leaf {
        Json::Array(values) => values.contains(value),
        _ => match leaf.as_str() {
            Some("list") => match value {
                Json::Array(all) => all.iter().all(Json::is_string),
                value => value.is_string(),
            },
            Some("number") => value.is_u64() || value.as_str().is_some_and(|text| text.parse::<u64>().is_ok()),
            Some("flag") => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
            _ => value.is_string(),
        },
    }
}

/// What is wrong with what came out for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) path: String,
    /// The policies that had a part in it.
    pub(crate) policies: Vec<String>,
}

/// What is wrong with an effective policy. Of most types any that is well formed is whole; a plan of backups needs all its parts,
/// which levels may have left out or taken away.
///
/// The codes and messages are those of the event `EffectivePolicyValidation` in the user guide.
pub(crate) fn faults(kind: &str, effective: &Inherited) -> Vec<Fault> {
    let mut faults = Faults { effective, found: Vec::new() };
    if kind == "BACKUP_POLICY" {
        let whole = effective.whole();
        for (name, plan) in whole["plans"].as_object().into_iter().flatten() {
            faults.of_plan(&format!("plans/{name}"), plan);
        }
    }
    faults.found
}

struct Faults<'a> {
    effective: &'a Inherited,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, code: &'static str, message: String, path: &str) {
        let policies = self.effective.contributors(path);
        self.found.push(Fault { code, message, path: path.to_owned(), policies });
    }

    fn require(&mut self, path: &str, of: &Json, names: &[&str]) {
        for name in names.iter().filter(|name| of.get(**name).is_none()) {
            self.add("KEY_REQUIRED", format!("'{name}' is missing"), path);
        }
    }

    /// Each child of a part, with its path.
    fn each<'b>(path: &str, of: &'b Json, part: &str) -> Vec<(String, &'b Json)> {
        let children = of[part].as_object().into_iter().flatten();
        children.map(|(name, child)| (format!("{path}/{part}/{name}"), child)).collect()
    }

    fn of_plan(&mut self, path: &str, plan: &Json) {
        self.require(path, plan, &["regions", "rules", "selections"]);
        if plan["regions"].as_array().is_some_and(Vec::is_empty) {
            let message = "'regions' is less than the allowed minimum limit 1".to_owned();
            self.add("ELEMENTS_TOO_FEW", message, &format!("{path}/regions"));
        }
        let rules = Self::each(path, plan, "rules");
        if rules.len() > MOST_RULES {
            let message = format!("'rules' exceeds the allowed maximum limit {MOST_RULES}");
            self.add("ELEMENTS_TOO_MANY", message, &format!("{path}/rules"));
        }
        for (path, rule) in rules {
            self.require(&path, rule, &["target_backup_vault_name"]);
            for (path, copy) in Self::each(&path, rule, "copy_actions") {
                self.require(&path, copy, &["target_backup_vault_arn"]);
            }
        }
        let path = format!("{path}/selections");
        for (path, selection) in Self::each(&path, &plan["selections"], "tags") {
            self.require(&path, selection, &["iam_role_arn", "tag_key", "tag_value"]);
        }
        for (path, selection) in Self::each(&path, &plan["selections"], "resources") {
            self.require(&path, selection, &["iam_role_arn", "resource_types"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_has_a_grammar_of_its_own() {
        for (kind, good) in [
            (
                "AISERVICES_OPT_OUT_POLICY",
                json!({"services": {"default": {"opt_out_policy": {"@@assign": "optOut"}, ALLOWED: ["@@none"]}}}),
            ),
            ("S3_POLICY", json!({"s3_attributes": {"public_access_block_configuration": {"@@assign": "all"}}})),
            ("SECURITYHUB_POLICY", json!({"securityhub": {"enable_in_regions": {"@@append": ["us-east-1"]}}})),
            (
                "DECLARATIVE_POLICY_EC2",
                json!({"ec2_attributes": {"instance_metadata_defaults": {"http_put_response_hop_limit": {"@@assign": "4"}}}}),
            ),
            (
                "UPGRADE_ROLLOUT_POLICY",
                json!({"upgrade_rollout": {"tags": {"env": {"tag_values": {"dev": {"patch_order": {"@@assign": "first"}}}}}}}),
            ),
        ] {
            assert!(is_good(kind, &good.to_string()), "{kind}: {good}");
            for other in GRAMMAR.keys().filter(|other| *other != kind) {
                assert!(!is_good(other, &good.to_string()), "{other}: {good}");
            }
        }
        for bad in [
            json!({}),
            json!([]),
            json!({"services": {"default": {"opt_out_policy": {"@@assign": "maybe"}}}}),
            json!({"services": {"default": {"opt_out_policy": {"@@append": ["optIn"]}}}}),
            json!({"services": {"default": {"opt_out_policy": "optIn"}}}),
            json!({"services": {"default": {"@@assign": "optIn"}}}),
            json!({"services": {"default": {"opt_out_policy": {"@@assign": "optIn", ALLOWED: ["@@some"]}}}}),
        ] {
            assert!(!is_good("AISERVICES_OPT_OUT_POLICY", &bad.to_string()), "{bad}");
        }
    }
}
