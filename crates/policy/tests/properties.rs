//! What must hold for all policies.

use proptest::prelude::*;
use undercast_policy::{NoContext, Policy, PolicyKind, Request, Wildcard};

use crate::support::{named, request, send, user};

/// The plainest matcher there is.
fn reference(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => reference(rest, text) || (!text.is_empty() && reference(pattern, &text[1..])),
        (['?', rest @ ..], [_, others @ ..]) => reference(rest, others),
        ([first, rest @ ..], [other, others @ ..]) => first == other && reference(rest, others),
        _ => false,
    }
}

fn statement() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec!["*", "sqs:*", "sqs:SendMessage", "s3:Get*", "sqs:Send?essage"]);
    let resource = prop::sample::select(vec![
        "*",
        "arn:aws:sqs:*:*:orders",
        "arn:aws:sqs",
        "arn:aws:s3:::b",
        "arn:aws:sqs:*:*:${aws:username}",
    ]);
    let condition = prop::sample::select(vec![
        "{}",
        r#"{"StringEquals":{"aws:username":"alice"}}"#,
        r#"{"StringNotEquals":{"aws:username":"alice"}}"#,
        r#"{"Null":{"aws:TokenIssueTime":"true"}}"#,
        r#"{"ForAnyValue:StringLike":{"aws:TagKeys":["a*"]}}"#,
    ]);
    (any::<bool>(), any::<bool>(), any::<bool>(), action, resource, condition).prop_map(
        |(deny, not_action, not_resource, action, resource, condition)| {
            let effect = if deny { "Deny" } else { "Allow" };
            let action_name = if not_action { "NotAction" } else { "Action" };
            let resource_name = if not_resource { "NotResource" } else { "Resource" };
            format!(
                r#"{{"Effect":"{effect}","{action_name}":"{action}","{resource_name}":"{resource}","Condition":{condition}}}"#
            )
        },
    )
}

fn document(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

proptest! {
    #[test]
    fn the_matcher_is_the_reference(pattern in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
        let expected = reference(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
        prop_assert_eq!(Wildcard::new(&pattern).matches(&text), expected);
    }

    #[test]
    fn one_more_deny_never_allows_more(statements in prop::collection::vec(statement(), 1..5), more in statement()) {
        let alice = user("alice");
        let request = request(&alice, &NoContext);
        let ask = |statements: &[String]| {
            let identity = [named(PolicyKind::Inline, "p", &document(statements))];
            send(&request, |inputs| inputs.identity = &identity).allowed
        };
        let before = ask(&statements);
        let mut with_deny = statements;
        with_deny.push(more.replace("\"Allow\"", "\"Deny\""));
        prop_assert!(before || !ask(&with_deny));
    }

    #[test]
    fn what_is_printed_parses_to_the_same(statements in prop::collection::vec(statement(), 1..4)) {
        let first = Policy::parse(PolicyKind::Inline, &document(&statements));
        let first = first.map_err(|malformed| TestCaseError::fail(malformed.to_string()))?;
        let again = Policy::parse(PolicyKind::Inline, &first.document().to_value().to_string());
        let again = again.map_err(|malformed| TestCaseError::fail(malformed.to_string()))?;
        prop_assert_eq!(first.document(), again.document());
    }

    /// Whatever is sent: an answer, not a crash. What parses can be asked.
    #[test]
    fn no_text_breaks_the_parser(text in r#"[{}\[\]":,a-zA-Z0-9*?$ ]{0,80}"#, value in "\\PC{0,40}") {
        for kind in [PolicyKind::Managed, PolicyKind::Trust, PolicyKind::Resource, PolicyKind::ServiceControl] {
            let _ = Policy::parse(kind, &text);
            let quoted = serde_json::Value::from(value.as_str()).to_string();
            let wrapped = format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{{
                "StringLike":{{"k":{quoted}}},"ArnLikeIfExists":{{"k":{quoted}}},"IpAddressIfExists":{{"k":{quoted}}},"NumericEqualsIfExists":{{"k":{quoted}}}}}}}}}"#);
            if let Ok(policy) = Policy::parse(kind, &wrapped) {
                let context = crate::support::context(&[("k", &value)]);
                policy.evaluate(&Request { action: "a:b", resource: &value, principal: &user("alice"), context: &context });
            }
        }
    }
}
