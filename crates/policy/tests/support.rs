//! Short ways to say what a test is about.

use std::sync::Arc;

use undercast_policy::{
    Context, Decision, Inputs, MapContext, NamedPolicy, Policy, PolicyKind, PrincipalFacts, PrincipalKind, Request,
    decide,
};

pub(crate) const ACCOUNT: &str = "111122223333";

pub(crate) fn policy(kind: PolicyKind, text: &str) -> Policy {
    match Policy::parse(kind, text) {
        Ok(policy) => policy,
        Err(malformed) => panic!("{malformed} at {}: {text}", malformed.place),
    }
}

pub(crate) fn named(kind: PolicyKind, name: &str, text: &str) -> NamedPolicy {
    NamedPolicy { name: name.into(), policy: Arc::new(policy(kind, text)) }
}

/// A policy of one statement: `effect` of `action` on `resource`.
pub(crate) fn simple(effect: &str, action: &str, resource: &str) -> NamedPolicy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}}}"#
    );
    named(PolicyKind::Inline, &format!("{effect} {action}"), &text)
}

/// A resource policy of one statement; `principal` is JSON.
pub(crate) fn on_resource(effect: &str, principal: &str, action: &str) -> NamedPolicy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":{principal},"Action":"{action}","Resource":"*"}}}}"#
    );
    named(PolicyKind::Resource, "resource policy", &text)
}

pub(crate) fn user(name: &str) -> PrincipalFacts {
    PrincipalFacts {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        account: ACCOUNT.into(),
        kind: PrincipalKind::User { name: name.into() },
        user_id: "AIDAEXAMPLE".into(),
        canonical_user: None,
    }
}

pub(crate) fn root() -> PrincipalFacts {
    PrincipalFacts {
        arn: format!("arn:aws:iam::{ACCOUNT}:root"),
        account: ACCOUNT.into(),
        kind: PrincipalKind::Root,
        user_id: ACCOUNT.into(),
        canonical_user: None,
    }
}

pub(crate) fn role_session(role: &str, session: &str) -> PrincipalFacts {
    PrincipalFacts {
        arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"),
        account: ACCOUNT.into(),
        kind: PrincipalKind::AssumedRole {
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
            session_name: session.into(),
            provider: None,
        },
        user_id: format!("AROAEXAMPLE:{session}"),
        canonical_user: None,
    }
}

pub(crate) fn federated_user(name: &str, behind: &str) -> PrincipalFacts {
    PrincipalFacts {
        arn: format!("arn:aws:sts::{ACCOUNT}:federated-user/{name}"),
        account: ACCOUNT.into(),
        kind: PrincipalKind::FederatedUser {
            name: name.into(),
            user_arn: format!("arn:aws:iam::{ACCOUNT}:user/{behind}"),
        },
        user_id: format!("{ACCOUNT}:{name}"),
        canonical_user: None,
    }
}

pub(crate) fn service(name: &str) -> PrincipalFacts {
    PrincipalFacts {
        arn: name.into(),
        account: String::new(),
        kind: PrincipalKind::Service { name: name.into() },
        user_id: String::new(),
        canonical_user: None,
    }
}

pub(crate) fn anonymous() -> PrincipalFacts {
    PrincipalFacts {
        arn: "anonymous".into(),
        account: String::new(),
        kind: PrincipalKind::Anonymous,
        user_id: String::new(),
        canonical_user: None,
    }
}

pub(crate) const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:orders";

/// Decides `sqs:SendMessage` on [`QUEUE`] with the policies that `with` puts in.
pub(crate) fn send<'a>(request: &'a Request<'a>, with: impl FnOnce(&mut Inputs<'a>)) -> Decision {
    let mut inputs = Inputs::new(request);
    with(&mut inputs);
    decide(&inputs)
}

pub(crate) fn request<'a>(principal: &'a PrincipalFacts, context: &'a dyn Context) -> Request<'a> {
    Request { action: "sqs:SendMessage", resource: QUEUE, principal, context }
}

/// Whether an inline policy with this condition allows a request with these keys.
pub(crate) fn condition_holds(condition: &str, context: &MapContext) -> bool {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}}}"#
    );
    let policy = policy(PolicyKind::Inline, &text);
    policy.evaluate(&request(&user("alice"), context)).allowed.is_some()
}

pub(crate) fn context(keys: &[(&str, &str)]) -> MapContext {
    let mut context = MapContext::new();
    for (key, value) in keys {
        context.set(key, *value);
    }
    context
}
