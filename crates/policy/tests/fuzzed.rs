//! The body of the fuzz target: a policy of chance, and a request of chance.

use std::sync::Arc;

use undercast_policy::{
    Inputs, MapContext, NamedPolicy, Policy, PolicyKind, PrincipalFacts, PrincipalKind, Request, decide, explained,
};

const KINDS: [PolicyKind; 9] = [
    PolicyKind::Managed,
    PolicyKind::Inline,
    PolicyKind::Boundary,
    PolicyKind::Session,
    PolicyKind::Resource,
    PolicyKind::Trust,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
    PolicyKind::Endpoint,
];
/// What stands between the policy, the action, the resource, and the value of the keys that may be in the request.
const BETWEEN: char = '\u{1e}';

/// A byte that says what kind of policy; the policy; what is asked. What is written of the policy must parse to the same, and
/// whoever decides must say what the policy alone says.
pub(crate) fn policy(bytes: &[u8]) {
    let Some((how, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut parts = text.splitn(4, BETWEEN);
    let mut next = |usual| parts.next().unwrap_or(usual);
    let (text, action) = (next(""), next("sqs:SendMessage"));
    let (resource, value) = (next("arn:aws:sqs:us-east-1:111122223333:orders"), next("alice"));
    let kind = KINDS[usize::from(how & 0x0f) % KINDS.len()];
    let policy = match Policy::parse(kind, text) {
        Ok(policy) => policy,
        Err(malformed) => {
            assert!(!malformed.to_string().is_empty());
            return;
        }
    };
    let written = policy.document().to_value().to_string();
    match Policy::parse(kind, &written) {
        Ok(again) => assert_eq!(again.document(), policy.document(), "{written}"),
        Err(malformed) => panic!("{malformed} at {}: {written}", malformed.place),
    }
    ask(how & 0x10 != 0, policy, (action, resource, value));
}

fn ask(of_resource: bool, policy: Policy, (action, resource, value): (&str, &str, &str)) {
    let principal = PrincipalFacts {
        arn: "arn:aws:iam::111122223333:user/alice".into(),
        account: "111122223333".into(),
        kind: PrincipalKind::User { name: "alice".into() },
        user_id: "AIDAEXAMPLE".into(),
        canonical_user: None,
    };
    let mut context = MapContext::new();
    for key in ["aws:sourceip", "aws:currenttime", "k", "aws:resourcetag/k", "aws:multifactorauthage"] {
        context.set(key, value);
    }
    context.set_many("aws:tagkeys", value.split(',').map(ToOwned::to_owned).collect());
    let request = Request { action, resource, principal: &principal, context: &context };
    let verdict = policy.evaluate(&request);
    let all = [NamedPolicy { name: "p".into(), policy: Arc::new(policy) }];
    let mut inputs = Inputs::new(&request);
    if of_resource {
        inputs.resource = &all;
    } else {
        inputs.identity = &all;
    }
    inputs.explain = true;
    let decision = decide(&inputs);
    assert!(!explained(&request, &decision).is_empty());
    if verdict.denied.is_some() || verdict.allowed.is_none() {
        assert!(!decision.allowed);
    } else if !of_resource {
        assert!(decision.allowed);
    }
}
