//! The evaluator beside a second one, small, slow and plain, which was written from the IAM User Guide alone
//! (`model`), on policies and requests that are made up (`made`). A case
//! is a number.

mod made;
mod model;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use undercast_policy::{
    Inputs, MapContext, NamedPolicy, Policy, PolicyKind, PolicyType, PrincipalFacts, Reason, Request, ResourceRule,
    decide,
};

/// So many cases are tried.
const CASES: u64 = 100_000;

/// The policies of one request and the request, as plain as can be.
#[derive(Debug)]
struct Case {
    principal: PrincipalFacts,
    action: String,
    resource: String,
    owner: String,
    keys: BTreeMap<String, Vec<String>>,
    identity: Vec<Json>,
    boundary: Option<Json>,
    session: Option<Vec<Json>>,
    on_resource: Vec<Json>,
    must: bool,
    service_control: Vec<Vec<Json>>,
    resource_control: Vec<Vec<Json>>,
    endpoint: Option<Json>,
}

/// What there is to say: yes, or which type of policy says no, and whether it says so in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Answer {
    Yes,
    Denied,
    Missing(&'static str),
}

fn named(kind: PolicyKind, documents: &[Json]) -> Vec<NamedPolicy> {
    let one = |document: &Json| match Policy::parse(kind, &document.to_string()) {
        Ok(policy) => NamedPolicy { name: "p".into(), policy: Arc::new(policy) },
        Err(malformed) => panic!("{malformed}: {document}"),
    };
    documents.iter().map(one).collect()
}

fn evaluated(case: &Case) -> Answer {
    let mut context = MapContext::new();
    for (key, values) in &case.keys {
        match values.as_slice() {
            [one] if !key.ends_with("keys") => context.set(key, one.clone()),
            many => context.set_many(key, many.to_vec()),
        };
    }
    let request =
        Request { action: &case.action, resource: &case.resource, principal: &case.principal, context: &context };
    let levels = |kind, levels: &[Vec<Json>]| -> Vec<Vec<NamedPolicy>> {
        levels.iter().map(|level| named(kind, level)).collect()
    };
    let service_control = levels(PolicyKind::Inline, &case.service_control);
    let resource_control = levels(PolicyKind::Resource, &case.resource_control);
    let boundary = case.boundary.as_ref().map(|document| named(PolicyKind::Inline, std::slice::from_ref(document)));
    let endpoint = case.endpoint.as_ref().map(|document| named(PolicyKind::Resource, std::slice::from_ref(document)));
    let session = case.session.as_ref().map(|documents| named(PolicyKind::Session, documents));
    let decision = decide(&Inputs {
        resource_account: Some(&case.owner),
        identity: &named(PolicyKind::Inline, &case.identity),
        boundary: boundary.as_ref().and_then(|one| one.first()),
        session: session.as_deref(),
        resource: &named(PolicyKind::Resource, &case.on_resource),
        resource_rule: if case.must { ResourceRule::MustAllow } else { ResourceRule::EitherAllows },
        service_control: &service_control.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        resource_control: &resource_control.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        endpoint: endpoint.as_ref().and_then(|one| one.first()),
        ..Inputs::new(&request)
    });
    assert_eq!(decision.allowed, matches!(decision.reason, Reason::Allowed(_)));
    match decision.reason {
        Reason::Allowed(_) => Answer::Yes,
        Reason::ExplicitDeny { .. } => Answer::Denied,
        Reason::ImplicitDeny { policy_type } => Answer::Missing(match policy_type {
            PolicyType::Identity => "identity",
            PolicyType::Resource | PolicyType::RoleTrust => "resource",
            PolicyType::Boundary => "boundary",
            PolicyType::Session => "session",
            PolicyType::ServiceControl => "service control",
            PolicyType::ResourceControl => "resource control",
            PolicyType::Endpoint => "endpoint",
        }),
    }
}

#[test]
fn a_second_evaluator_says_the_same() {
    let mut seen: BTreeMap<Answer, u64> = BTreeMap::new();
    for number in 0..CASES {
        let case = made::case(number);
        let (ours, plain) = (evaluated(&case), model::answer(&case));
        assert!(ours == plain, "case {number}: {ours:?}, and the plain evaluator says {plain:?}: {case:#?}");
        *seen.entry(ours).or_default() += 1;
    }
    // Cases that all end alike would show nothing.
    let kinds = ["identity", "resource", "boundary", "session", "service control", "resource control", "endpoint"];
    let all = [Answer::Yes, Answer::Denied].into_iter().chain(kinds.map(Answer::Missing));
    all.for_each(|answer| assert!(seen.get(&answer).is_some_and(|n| *n >= CASES / 200), "{answer:?}: {seen:?}"));
}
