//! Custom policy checks: whether a policy lets through what another does not, what it shall not, or everybody.
//!
//! Source: "Validate policies with IAM Access Analyzer custom policy checks" in the IAM user guide; messages as AWS's examples show
//! them.

use std::collections::BTreeSet;

use undercast_kernel::policy::{Document, Effect, Element, Policy, PolicyKind, Statement, Version};
use undercast_kernel::{AwsError, Result};

use crate::api::{self, errors, output};
use crate::public;
use crate::reach::{Limits, Seen, Space, Undecided, settled};

/// The policy of a check.
fn parse(text: &str, kind: &str) -> Result<Policy> {
    let kind = if kind == "IDENTITY_POLICY" { PolicyKind::Inline } else { PolicyKind::Resource };
    Policy::parse(kind, text).map_err(|malformed| {
        let message = format!("The policy document is not valid: {malformed} ({})", malformed.place);
        errors::invalid_parameter_exception(message).into()
    })
}

fn undecided(why: &Undecided) -> AwsError {
    errors::unprocessable_entity_exception(why.to_string())
}

/// The statements of the first policy by which it lets something through that `counts`, exactly.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn exactly(
    documents: &[&Document],
    limits: &Limits<'_>,
    counts: impl Fn(&Seen) -> bool,
) -> std::result::Result<BTreeSet<usize>, Undecided> {
    let statements =
        |documents: &[&Document], limits: &Limits<'_>| -> std::result::Result<BTreeSet<usize>, Undecided> {
            let requests = Space::new(documents)?.requests(0, limits)?;
            Ok(requests.iter().filter(|seen| counts(seen)).flat_map(|seen| seen.allowing(0)).collect())
        };
    let possible = statements(documents, limits)?;
    let settled = settled(documents);
    if possible.is_empty() || settled.is_empty() {
        return Ok(possible);
    }
    // It may be that it does, for some values of the policies' variables. Some of them show that it does.
    let mut shown = BTreeSet::new();
    for (values, documents) in settled {
        let documents: Vec<&Document> = documents.iter().collect();
        let value = |key: &str, found: Option<&[String]>| {
            let fixed = values.get(key).is_none_or(|value| found == Some(std::slice::from_ref(value)));
            fixed && (limits.value)(key, found)
        };
        shown.extend(statements(&documents, &Limits { value: &value, ..*limits })?);
    }
    if shown.is_empty() {
        return Err(Undecided::new("its policy variables may stand for what makes a difference"));
    }
    Ok(shown)
}

/// What is said of each statement: `words` and how it is called.
fn reasons(document: &Document, statements: &BTreeSet<usize>, words: &str) -> Vec<output::ReasonSummary> {
    let reason = |at: &usize| {
        let sid = document.statements.get(*at).and_then(|s| s.sid.clone()).filter(|sid| !sid.is_empty());
        let called = sid.as_ref().map_or_else(|| format!("index: {at}"), |sid| format!("sid: {sid}"));
        output::ReasonSummary {
            description: Some(format!("{words} statement with {called}.")),
            statement_index: i32::try_from(*at).ok(),
            statement_id: sid,
        }
    };
    statements.iter().map(reason).collect()
}

/// Whether the new policy lets anything through that the existing one does not.
pub(crate) fn no_new_access(input: &api::CheckNoNewAccessInput) -> Result<api::CheckNoNewAccessOutput> {
    let new = parse(&input.new_policy_document, &input.policy_type)?;
    let existing = parse(&input.existing_policy_document, &input.policy_type)?;
    let documents = [new.document(), existing.document()];
    let statements =
        exactly(&documents, &Limits::NONE, |seen| seen.allowing(1).is_empty()).map_err(|e| undecided(&e))?;
    let passed = statements.is_empty();
    let message = if passed {
        "The modified permissions do not grant new access compared to your existing policy."
    } else {
        "The modified permissions grant new access compared to your existing policy."
    };
    Ok(api::CheckNoNewAccessOutput {
        result: Some(verdict(passed)),
        message: Some(message.to_owned()),
        reasons: (!passed).then(|| reasons(new.document(), &statements, "New access in the")),
    })
}

fn verdict(passed: bool) -> String {
    if passed { "PASS" } else { "FAIL" }.to_owned()
}

/// The access that shall not be given, as a policy that allows it.
fn described(access: &[crate::api::input::Access]) -> Result<(Document, &'static str)> {
    let invalid = |message: &str| errors::invalid_parameter_exception(message);
    let Some(access) = access.first() else { return Err(invalid("The access must not be empty.").into()) };
    let (actions, resources) = (access.actions.as_deref().unwrap_or(&[]), access.resources.as_deref().unwrap_or(&[]));
    let words = match (actions.is_empty(), resources.is_empty()) {
        (true, true) => return Err(invalid("The access must have actions or resources.").into()),
        (false, true) => "actions",
        (true, false) => "resources",
        (false, false) => "actions and resources",
    };
    let element = |patterns: &[String]| {
        let patterns = if patterns.is_empty() { vec!["*".to_owned()] } else { patterns.to_vec() };
        Element { negated: false, patterns }
    };
    for resource in resources.iter().filter(|resource| *resource != "*") {
        let place: Vec<&str> = resource.splitn(6, ':').collect();
        if place.len() < 6 || place[0] != "arn" || place[..5].iter().any(|part| part.contains(['*', '?'])) {
            let message =
                format!("The resource {resource} is not valid: wildcards can be in the id of a resource only.");
            return Err(invalid(&message).into());
        }
    }
    if let Some(action) = actions.iter().find(|action| *action != "*" && action.split(':').count() != 2) {
        return Err(invalid(&format!("The action {action} is not valid.")).into());
    }
    let statement = Statement {
        sid: None,
        effect: Effect::Allow,
        principal: None,
        action: element(actions),
        resource: Some(element(resources)),
        conditions: Vec::new(),
    };
    Ok((Document { version: Some(Version::V2008), id: None, statements: vec![statement] }, words))
}

/// Whether a policy lets through what it shall not.
pub(crate) fn access_not_granted(input: &api::CheckAccessNotGrantedInput) -> Result<api::CheckAccessNotGrantedOutput> {
    let policy = parse(&input.policy_document, &input.policy_type)?;
    let (access, words) = described(&input.access)?;
    let documents = [policy.document(), &access];
    let statements =
        exactly(&documents, &Limits::NONE, |seen| !seen.allowing(1).is_empty()).map_err(|e| undecided(&e))?;
    let passed = statements.is_empty();
    let grants = if passed { "does not grant" } else { "grants" };
    let what = match words {
        "resources" => "one or more of the listed resources".to_owned(),
        "actions" => "perform one or more of the listed actions".to_owned(),
        _ => "perform one or more of the listed actions on one or more of the listed resources".to_owned(),
    };
    Ok(api::CheckAccessNotGrantedOutput {
        result: Some(verdict(passed)),
        message: Some(format!("The policy document {grants} access to {what}.")),
        reasons: (!passed)
            .then(|| reasons(policy.document(), &statements, &format!("One or more of the listed {words} in the"))),
    })
}

/// Whether a policy of a resource lets everybody in.
pub(crate) fn no_public_access(input: &api::CheckNoPublicAccessInput) -> Result<api::CheckNoPublicAccessOutput> {
    let policy = parse(&input.policy_document, "RESOURCE_POLICY")?;
    let service = public::service_of(&input.resource_type);
    let statements = public::statements(policy.document(), service).map_err(|e| undecided(&e))?;
    let passed = statements.is_empty();
    let grants = if passed { "does not grant" } else { "grants" };
    Ok(api::CheckNoPublicAccessOutput {
        result: Some(verdict(passed)),
        message: Some(format!("The resource policy {grants} public access for the given resource type.")),
        reasons: (!passed).then(|| reasons(policy.document(), &statements, "Public access granted in the following")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use undercast_kernel::policy::{MapContext, PrincipalFacts, PrincipalKind, Request};

    use super::*;

    fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = serde_json::Value> + Clone {
        proptest::collection::vec(proptest::sample::select(words), 1..3).prop_map(|words| serde_json::json!(words))
    }

    fn condition() -> impl Strategy<Value = serde_json::Value> {
        let operators = &[
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLikeIfExists",
            "StringEqualsIgnoreCase",
            "ForAnyValue:StringEquals",
            "ForAllValues:StringLike",
            "ForAllValues:StringNotEquals",
        ][..];
        let compared = (
            proptest::sample::select(operators),
            proptest::sample::select(&["k:A", "k:b"][..]),
            one_of(&["1", "a", "a*", "A"]),
        )
            .prop_map(|(operator, key, values)| serde_json::json!({operator: {key: values}}));
        let null =
            proptest::sample::select(&["k:a", "k:B"][..]).prop_map(|key| serde_json::json!({"Null": {key: "true"}}));
        let whose =
            one_of(&["arn:aws:iam::111111111111:user/*", "arn:aws:iam::*:role/r", "arn:aws:iam::111111111111:root"])
                .prop_map(|values| serde_json::json!({"ArnLike": {"aws:PrincipalArn": values}}));
        prop_oneof![2 => Just(serde_json::json!({})), 3 => compared, 1 => null, 1 => whose]
    }

    fn statement() -> impl Strategy<Value = serde_json::Value> {
        let principals = one_of(&[
            "111111111111",
            "arn:aws:iam::111111111111:user/u",
            "arn:aws:iam::222222222222:role/r",
            "arn:aws:sts::222222222222:assumed-role/r/s",
        ]);
        let principal = prop_oneof![
            2 => Just(("Principal", serde_json::json!("*"))),
            3 => principals.clone().prop_map(|aws| ("Principal", serde_json::json!({"AWS": aws}))),
            1 => principals.prop_map(|aws| ("NotPrincipal", serde_json::json!({"AWS": aws}))),
            1 => Just(("Principal", serde_json::json!({"Service": "s.amazonaws.com"}))),
        ];
        let action = (any::<bool>(), one_of(&["s:Get", "s:Ge?", "s:*", "S:put", "*", "t:*"]));
        let resource = (
            any::<bool>(),
            one_of(&["arn:aws:s:::a", "arn:aws:s:::a*", "arn:aws:s:::*/b", "*", "arn:aws:s", "arn:*:s:::ab"]),
        );
        (any::<bool>(), principal, action, resource, condition()).prop_map(
            |(denies, (who, whom), action, resource, condition)| {
                let mut statement = serde_json::json!({"Effect": if denies { "Deny" } else { "Allow" }});
                statement[who] = whom;
                statement[if action.0 { "Action" } else { "NotAction" }] = action.1;
                statement[if resource.0 { "Resource" } else { "NotResource" }] = resource.1;
                statement["Condition"] = condition;
                statement
            },
        )
    }

    fn policy() -> impl Strategy<Value = String> {
        let statements = proptest::collection::vec(statement(), 1..4);
        statements.prop_map(|all| serde_json::json!({"Version": "2012-10-17", "Statement": all}).to_string())
    }

    fn callers() -> Vec<PrincipalFacts> {
        let facts = |arn: &str, account: &str, kind| PrincipalFacts {
            arn: arn.to_owned(),
            account: account.to_owned(),
            kind,
            user_id: String::new(),
            canonical_user: None,
        };
        let user = |account: &str, name: &str| {
            facts(&format!("arn:aws:iam::{account}:user/{name}"), account, PrincipalKind::User { name: String::new() })
        };
        let session = |account: &str, name: &str| {
            let kind = PrincipalKind::AssumedRole {
                role_arn: format!("arn:aws:iam::{account}:role/r"),
                session_name: name.to_owned(),
                provider: None,
            };
            facts(&format!("arn:aws:sts::{account}:assumed-role/r/{name}"), account, kind)
        };
        vec![
            user("111111111111", "u"),
            user("111111111111", "v"),
            user("333333333333", "u"),
            session("222222222222", "s"),
            session("222222222222", "t"),
            session("111111111111", "s"),
            facts("arn:aws:iam::111111111111:root", "111111111111", PrincipalKind::Root),
            facts("s.amazonaws.com", "", PrincipalKind::Service { name: "s.amazonaws.com".to_owned() }),
            facts("anonymous", "", PrincipalKind::Anonymous),
        ]
    }

    fn allows(policy: &Policy, request: &Request<'_>) -> bool {
        let verdict = policy.evaluate(request);
        verdict.denied.is_none() && verdict.allowed.is_some()
    }

    /// A request out of some that the first policy lets through and the second does not.
    fn tried(new: &Policy, old: &Policy) -> bool {
        let values: &[&[&str]] = &[&[], &["1"], &["a"], &["ab"], &["A"], &["z"], &["1", "z"], &["a", "1"], &["a", "z"]];
        let mut contexts = Vec::new();
        for a in values {
            for b in &values[..5] {
                let mut context = MapContext::new();
                for (key, found) in [("k:a", a), ("k:b", b)] {
                    if !found.is_empty() {
                        context.set_many(key, found.iter().map(ToString::to_string).collect());
                    }
                }
                contexts.push(context);
            }
        }
        let callers = callers();
        let requests = ["s:Get", "s:Gex", "s:Put", "s:Other", "t:Get", "u:Get"].into_iter().flat_map(|action| {
            [
                "arn:aws:s:::a",
                "arn:aws:s:::ab",
                "arn:aws:s:::c/b",
                "arn:aws:s:::a/b",
                "arn:aws:t:::a",
                "arn:x:s:::ab",
                "*",
            ]
            .into_iter()
            .map(move |resource| (action, resource))
        });
        requests.into_iter().any(|(action, resource)| {
            callers.iter().any(|principal| {
                contexts.iter().any(|context| {
                    let request = Request { action, resource, principal, context };
                    allows(new, &request) && !allows(old, &request)
                })
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn what_is_found_is_so_and_nothing_is_left_out(new in policy(), old in policy()) {
            let parse = |text: &str| Policy::parse(PolicyKind::Resource, text).unwrap();
            let (new, old) = (parse(&new), parse(&old));
            let documents = [new.document(), old.document()];
            let found = Space::new(&documents).unwrap().requests(0, &Limits::NONE).unwrap();
            let mut differs = false;
            for seen in &found {
                prop_assert_eq!(seen.witness.is_allowed(&new), !seen.allowing(0).is_empty());
                prop_assert_eq!(seen.witness.is_allowed(&old), !seen.allowing(1).is_empty());
                differs |= !seen.allowing(0).is_empty() && seen.allowing(1).is_empty();
            }
            if tried(&new, &old) {
                prop_assert!(differs);
            }
            let alone = Space::new(&documents[..1]).unwrap().requests(0, &Limits::NONE).unwrap();
            prop_assert!(alone.iter().all(|seen| seen.witness.is_allowed(&new) != seen.allowing(0).is_empty()));
        }

        #[test]
        fn nothing_is_new_to_itself(policy in policy()) {
            let policy = Policy::parse(PolicyKind::Resource, &policy).unwrap();
            let documents = [policy.document(), policy.document()];
            prop_assert!(exactly(&documents, &Limits::NONE, |seen| seen.allowing(1).is_empty()).unwrap().is_empty());
        }
    }

    fn differs(new: &str, old: &str) -> std::result::Result<bool, Undecided> {
        let parse = |resource: &str| {
            let statement = format!(r#"{{"Effect": "Allow", "Action": "s3:*", {resource}}}"#);
            Policy::parse(PolicyKind::Inline, &format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#))
                .unwrap()
        };
        let (new, old) = (parse(new), parse(old));
        let documents = [new.document(), old.document()];
        exactly(&documents, &Limits::NONE, |seen| seen.allowing(1).is_empty()).map(|found| !found.is_empty())
    }

    #[test]
    fn variables_stand_for_anything() {
        let own = r#""Resource": "arn:aws:s3:::home/${aws:username}/*""#;
        for (new, old, expected) in [
            (own, own, false),
            (own, r#""Resource": "arn:aws:s3:::home/*""#, false),
            (r#""Resource": "arn:aws:s3:::home/*""#, own, true),
            (own, r#""Resource": "arn:aws:s3:::home/bob/*""#, true),
            (r#""Resource": "arn:aws:s3:::home/bob/*""#, own, true),
            (
                r#""NotResource": "arn:aws:s3:::home/${aws:username}/*""#,
                r#""NotResource": "arn:aws:s3:::home/*""#,
                true,
            ),
            (
                r#""NotResource": "arn:aws:s3:::home/*""#,
                r#""NotResource": "arn:aws:s3:::home/${aws:username}/*""#,
                false,
            ),
            (
                r#""Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/o": "${aws:userid}"}}"#,
                r#""Resource": "*""#,
                false,
            ),
            (
                r#""Resource": "*""#,
                r#""Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/o": "${aws:userid}"}}"#,
                true,
            ),
        ] {
            assert_eq!(differs(new, old), Ok(expected), "{new} {old}");
        }
    }

    #[test]
    fn numbers_dates_and_addresses_are_told_apart_at_their_ends() {
        let when = |condition: &str| format!(r#""Resource": "*", "Condition": {condition}"#);
        for (new, old, expected) in [
            (
                r#"{"NumericLessThan": {"s3:max-keys": "10"}}"#,
                r#"{"NumericLessThanEquals": {"s3:max-keys": "10"}}"#,
                false,
            ),
            (
                r#"{"NumericLessThanEquals": {"s3:max-keys": "10"}}"#,
                r#"{"NumericLessThan": {"s3:max-keys": "10"}}"#,
                true,
            ),
            (r#"{"NumericEquals": {"k:n": ["5", "6"]}}"#, r#"{"NumericGreaterThan": {"k:n": "4.9"}}"#, false),
            (
                r#"{"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}"#,
                r#"{"DateLessThan": {"aws:CurrentTime": "2020-01-02T00:00:00Z"}}"#,
                false,
            ),
            (
                r#"{"DateLessThan": {"aws:CurrentTime": "2020-01-02T00:00:00Z"}}"#,
                r#"{"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}"#,
                true,
            ),
            (
                r#"{"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}}"#,
                r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
                false,
            ),
            (
                r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
                r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/9", "10.128.0.0/9"]}}"#,
                false,
            ),
            (
                r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
                r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/9"}}"#,
                true,
            ),
            (r#"{"NotIpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#, r#"{"IpAddress": {"aws:SourceIp": "::/0"}}"#, true),
            (
                r#"{"Bool": {"aws:SecureTransport": "true"}}"#,
                r#"{"Bool": {"aws:SecureTransport": ["true", "false"]}}"#,
                false,
            ),
            (r#"{"StringEquals": {"k:a": "K"}}"#, r#"{"StringEqualsIgnoreCase": {"k:a": "k"}}"#, false),
        ] {
            assert_eq!(differs(&when(new), &when(old)), Ok(expected), "{new} {old}");
        }
        let mixed = r#"{"StringLike": {"k:a": "1*"}, "NumericLessThan": {"k:a": "5"}}"#;
        assert!(differs(&when(mixed), &when("{}")).is_err());
    }
}
