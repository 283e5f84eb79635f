//! The flow: who may, who may not, and in which words.

use undercast_policy::{
    AllowedBy, Decision, NamedPolicy, NoContext, PolicyKind, PolicyType, PrincipalFacts, Reason, ResourceRule,
    StepOutcome, denied_message, explained,
};

use crate::support::{
    QUEUE, anonymous, federated_user, named, on_resource, request, role_session, root, send, service, simple, user,
};

fn allow() -> NamedPolicy {
    simple("Allow", "sqs:*", "*")
}

fn other() -> NamedPolicy {
    simple("Allow", "s3:*", "*")
}

fn deny() -> NamedPolicy {
    simple("Deny", "sqs:SendMessage", "*")
}

fn implicit(policy_type: PolicyType) -> Reason {
    Reason::ImplicitDeny { policy_type }
}

#[derive(Default)]
struct Case {
    identity: Vec<NamedPolicy>,
    boundary: Option<NamedPolicy>,
    session: Option<Vec<NamedPolicy>>,
    resource: Vec<NamedPolicy>,
    owner: Option<&'static str>,
    must: bool,
}

fn run(principal: &PrincipalFacts, case: &Case) -> Decision {
    send(&request(principal, &NoContext), |inputs| {
        inputs.identity = &case.identity;
        inputs.boundary = case.boundary.as_ref();
        inputs.session = case.session.as_deref();
        inputs.resource = &case.resource;
        inputs.resource_account = case.owner;
        inputs.resource_rule = if case.must { ResourceRule::MustAllow } else { ResourceRule::EitherAllows };
    })
}

#[test]
fn identity_policies_alone() {
    let alice = user("alice");
    let run = |identity: Vec<NamedPolicy>| run(&alice, &Case { identity, ..Case::default() }).reason;
    assert_eq!(run(vec![]), implicit(PolicyType::Identity));
    assert_eq!(run(vec![other()]), implicit(PolicyType::Identity));
    assert_eq!(run(vec![other(), allow()]), Reason::Allowed(AllowedBy::Identity));
    assert!(matches!(run(vec![allow(), deny()]), Reason::ExplicitDeny { policy_type: PolicyType::Identity, .. }));
}

/// The table of "Policy evaluation for requests within a single account": which implicit denies a grant by a
/// resource-based policy overcomes, by the principal it names.
#[test]
fn grants_by_a_resource_within_the_account() {
    let alice = user("alice");
    let session = role_session("deploy", "ci");
    let federated = federated_user("fed", "alice");
    let user_arn = r#"{"AWS":"arn:aws:iam::111122223333:user/alice"}"#;
    let role_arn = r#"{"AWS":"arn:aws:iam::111122223333:role/deploy"}"#;
    let session_arn = r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/deploy/ci"}"#;
    let federated_arn = r#"{"AWS":"arn:aws:sts::111122223333:federated-user/fed"}"#;
    let account = r#"{"AWS":"111122223333"}"#;
    let root_arn = r#"{"AWS":"arn:aws:iam::111122223333:root"}"#;
    let by_resource = || Reason::Allowed(AllowedBy::Resource);
    // principal, named, implicit deny in identity policies, in the boundary, in session policies
    let cases = [
        (&alice, user_arn, by_resource(), by_resource(), by_resource()),
        (&session, role_arn, by_resource(), implicit(PolicyType::Boundary), implicit(PolicyType::Session)),
        (&session, session_arn, by_resource(), by_resource(), by_resource()),
        (&session, r#""*""#, by_resource(), by_resource(), by_resource()),
        (&federated, federated_arn, by_resource(), by_resource(), by_resource()),
        (
            &federated,
            user_arn,
            implicit(PolicyType::Session),
            implicit(PolicyType::Boundary),
            implicit(PolicyType::Session),
        ),
        (
            &alice,
            account,
            implicit(PolicyType::Identity),
            implicit(PolicyType::Boundary),
            implicit(PolicyType::Session),
        ),
        (
            &alice,
            root_arn,
            implicit(PolicyType::Identity),
            implicit(PolicyType::Boundary),
            implicit(PolicyType::Session),
        ),
    ];
    for (principal, named, identity, boundary, in_session) in cases {
        let resource = || vec![on_resource("Allow", named, "sqs:SendMessage")];
        let case = Case { resource: resource(), ..Case::default() };
        assert_eq!(run(principal, &case).reason, identity, "identity, {named}");
        let case = Case { resource: resource(), identity: vec![allow()], boundary: Some(other()), ..Case::default() };
        assert_eq!(run(principal, &case).reason, boundary, "boundary, {named}");
        let case =
            Case { resource: resource(), identity: vec![allow()], session: Some(vec![other()]), ..Case::default() };
        assert_eq!(run(principal, &case).reason, in_session, "session, {named}");
    }
}

#[test]
fn boundaries_and_sessions_limit() {
    let session = role_session("deploy", "ci");
    let with = |boundary: Option<NamedPolicy>, in_session: Option<Vec<NamedPolicy>>| {
        run(&session, &Case { identity: vec![allow()], boundary, session: in_session, ..Case::default() }).reason
    };
    assert_eq!(with(None, None), Reason::Allowed(AllowedBy::Identity));
    assert_eq!(with(Some(allow()), Some(vec![other(), allow()])), Reason::Allowed(AllowedBy::Identity));
    assert_eq!(with(Some(other()), None), implicit(PolicyType::Boundary));
    assert_eq!(with(None, Some(vec![])), implicit(PolicyType::Session));
    assert!(matches!(with(Some(deny()), None), Reason::ExplicitDeny { policy_type: PolicyType::Boundary, .. }));
}

#[test]
fn between_accounts_both_must_allow() {
    let alice = user("alice");
    let owner = Some("999988887777");
    let run = |identity: Vec<NamedPolicy>, resource: Vec<NamedPolicy>| {
        run(&alice, &Case { identity, resource, owner, ..Case::default() }).reason
    };
    let direct = || vec![on_resource("Allow", r#"{"AWS":"arn:aws:iam::111122223333:user/alice"}"#, "sqs:*")];
    let account = || vec![on_resource("Allow", r#"{"AWS":"111122223333"}"#, "sqs:*")];
    assert_eq!(run(vec![allow()], vec![]), implicit(PolicyType::Resource));
    assert_eq!(run(vec![], direct()), implicit(PolicyType::Identity));
    assert_eq!(run(vec![allow()], direct()), Reason::Allowed(AllowedBy::Both));
    assert_eq!(run(vec![allow()], account()), Reason::Allowed(AllowedBy::Both));
}

#[test]
fn the_root_user() {
    let root = root();
    let with = |case: Case| run(&root, &case).reason;
    assert_eq!(with(Case::default()), Reason::Allowed(AllowedBy::Root));
    assert_eq!(with(Case { owner: Some("999988887777"), ..Case::default() }), implicit(PolicyType::Resource));
    assert_eq!(with(Case { must: true, ..Case::default() }), implicit(PolicyType::Resource));
    let denied = with(Case { resource: vec![on_resource("Deny", r#""*""#, "sqs:*")], ..Case::default() });
    assert!(matches!(denied, Reason::ExplicitDeny { policy_type: PolicyType::Resource, .. }));
}

#[test]
fn services_and_nobody_need_the_resource() {
    let sns = service("sns.amazonaws.com");
    let named = || vec![on_resource("Allow", r#"{"Service":"sns.amazonaws.com"}"#, "sqs:SendMessage")];
    let everyone = || vec![on_resource("Allow", r#"{"AWS":"*"}"#, "sqs:SendMessage")];
    let by = |principal: &PrincipalFacts, resource| run(principal, &Case { resource, ..Case::default() }).allowed;
    assert!(by(&sns, named()));
    assert!(by(&sns, everyone()));
    assert!(!by(&sns, vec![]));
    assert!(!by(&service("events.amazonaws.com"), named()));
    assert!(by(&anonymous(), everyone()));
    assert!(!by(&anonymous(), named()));
    assert!(!by(&user("alice"), named()));
}

#[test]
fn a_resource_that_must_allow() {
    let alice = user("alice");
    let with = |resource: Vec<NamedPolicy>, identity| {
        run(&alice, &Case { resource, identity, must: true, ..Case::default() }).reason
    };
    let account = || vec![on_resource("Allow", r#"{"AWS":"111122223333"}"#, "sqs:*")];
    let direct = || vec![on_resource("Allow", r#"{"AWS":"arn:aws:iam::111122223333:user/alice"}"#, "sqs:*")];
    assert_eq!(with(vec![], vec![allow()]), implicit(PolicyType::Resource));
    assert_eq!(with(account(), vec![allow()]), Reason::Allowed(AllowedBy::Both));
    assert_eq!(with(account(), vec![]), implicit(PolicyType::Identity));
    assert_eq!(with(direct(), vec![]), Reason::Allowed(AllowedBy::Resource));
}

#[test]
fn organizations() {
    let alice = user("alice");
    let request = request(&alice, &NoContext);
    let identity = [allow()];
    let (full, narrow, denies) = ([simple("Allow", "*", "*")], [other()], [simple("Allow", "*", "*"), deny()]);
    let decide = |levels: &[&[NamedPolicy]]| {
        send(&request, |inputs| {
            inputs.identity = &identity;
            inputs.service_control = levels;
        })
        .reason
    };
    assert_eq!(decide(&[&full, &full]), Reason::Allowed(AllowedBy::Identity));
    assert_eq!(decide(&[&full, &narrow]), implicit(PolicyType::ServiceControl));
    assert_eq!(decide(&[&full, &[]]), implicit(PolicyType::ServiceControl));
    assert!(matches!(
        decide(&[&denies, &full]),
        Reason::ExplicitDeny { policy_type: PolicyType::ServiceControl, statement: 0, .. }
    ));
}

/// `NotPrincipal` with `Deny`: the session, its role and the account must all be listed (IAM User Guide).
#[test]
fn not_principal() {
    let text = |listed: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","NotPrincipal":{{"AWS":{listed}}},"Action":"*","Resource":"*"}}}}"#
        )
    };
    let session = role_session("deploy", "ci");
    let denied = |listed: &str, boundary: Option<NamedPolicy>| {
        let resource = vec![named(PolicyKind::Resource, "r", &text(listed))];
        !run(&session, &Case { identity: vec![allow()], resource, boundary, ..Case::default() }).allowed
    };
    let all = r#"["arn:aws:sts::111122223333:assumed-role/deploy/ci","arn:aws:iam::111122223333:role/deploy","arn:aws:iam::111122223333:root"]"#;
    assert!(!denied(all, None));
    assert!(denied(all, Some(allow())), "a boundary makes the deny hit whoever is listed");
    assert!(denied(r#"["arn:aws:iam::111122223333:role/deploy","arn:aws:iam::111122223333:root"]"#, None));
    assert!(denied(r#""arn:aws:iam::999988887777:root""#, None));
}

/// The examples of "Troubleshoot access denied error messages".
#[test]
fn denials_in_awss_words() {
    let alice = user("alice");
    let request = request(&alice, &NoContext);
    let start = format!(
        "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sqs:SendMessage on resource: {QUEUE}"
    );
    let cases = [
        (
            PolicyType::Identity,
            "because no identity-based policy allows the sqs:SendMessage action",
            "with an explicit deny in an identity-based policy",
        ),
        (
            PolicyType::Resource,
            "because no resource-based policy allows the sqs:SendMessage action",
            "with an explicit deny in a resource-based policy",
        ),
        (
            PolicyType::RoleTrust,
            "because no role trust policy allows the sqs:SendMessage action",
            "with an explicit deny in the role trust policy",
        ),
        (
            PolicyType::Boundary,
            "because no permissions boundary allows the sqs:SendMessage action",
            "with an explicit deny in a permissions boundary",
        ),
        (
            PolicyType::Session,
            "because no session policy allows the sqs:SendMessage action",
            "with an explicit deny in a session policy",
        ),
        (
            PolicyType::ServiceControl,
            "because no service control policy allows the sqs:SendMessage action",
            "with an explicit deny in a service control policy",
        ),
        (
            PolicyType::Endpoint,
            "because no VPC endpoint policy allows the sqs:SendMessage action",
            "with an explicit deny in a VPC endpoint policy",
        ),
    ];
    for (policy_type, because, with) in cases {
        let message = denied_message(&request, &implicit(policy_type));
        assert_eq!(message.as_deref(), Some(format!("{start} {because}").as_str()));
        let reason = Reason::ExplicitDeny { policy_type, policy: "p".into(), statement: 0 };
        assert_eq!(denied_message(&request, &reason), Some(format!("{start} {with}")));
    }
    assert_eq!(denied_message(&request, &Reason::Allowed(AllowedBy::Root)), None);
}

#[test]
fn a_denial_is_explained() {
    let alice = user("alice");
    let text = r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"Tagged","Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}},
        {"Sid":"Other","Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:other"}]}"#;
    let decision =
        run(&alice, &Case { identity: vec![named(PolicyKind::Inline, "inline:Queues", text)], ..Case::default() });
    let told: Vec<String> = decision
        .trace
        .iter()
        .map(|step| match &step.outcome {
            StepOutcome::Matched => format!("{}: matched", step.sid.as_deref().unwrap_or("?")),
            StepOutcome::Missed(miss) => format!("{}: {miss:?}", step.sid.as_deref().unwrap_or("?")),
        })
        .collect();
    assert_eq!(
        told,
        ["Tagged: Condition { operator: \"StringEquals\", key: \"aws:ResourceTag/team\" }", "Other: Resource"]
    );
}

/// A grant of KMS stands beside the key policy: whom it names needs nothing else, whichever account is theirs.
#[test]
fn whom_a_grant_names_needs_no_policy_in_another_account() {
    let alice = user("alice");
    let run = |resource: &[NamedPolicy], identity: &[NamedPolicy], rule: ResourceRule| {
        send(&request(&alice, &NoContext), |inputs| {
            inputs.identity = identity;
            inputs.resource = resource;
            inputs.resource_account = Some("999999999999");
            inputs.resource_rule = rule;
        })
        .reason
    };
    let to_alice = on_resource("Allow", r#"{"AWS":"arn:aws:iam::111122223333:user/alice"}"#, "sqs:*");
    let to_account = on_resource("Allow", r#"{"AWS":"111122223333"}"#, "sqs:*");
    let to_nobody = on_resource("Allow", r#"{"AWS":"arn:aws:iam::111122223333:user/bob"}"#, "sqs:*");
    let granted = ResourceRule::Granted;
    assert_eq!(run(std::slice::from_ref(&to_alice), &[], ResourceRule::MustAllow), implicit(PolicyType::Identity));
    assert_eq!(run(std::slice::from_ref(&to_alice), &[], granted), Reason::Allowed(AllowedBy::Resource));
    assert_eq!(run(std::slice::from_ref(&to_account), &[], granted), implicit(PolicyType::Identity));
    assert_eq!(run(&[to_account], &[allow()], granted), Reason::Allowed(AllowedBy::Both));
    assert_eq!(run(&[to_nobody], &[allow()], granted), implicit(PolicyType::Resource));
    assert!(matches!(run(&[to_alice], &[deny()], granted), Reason::ExplicitDeny { .. }));
}

#[test]
fn a_decision_is_told_in_words() {
    let alice = user("alice");
    let say = |identity: &[NamedPolicy]| {
        let request = request(&alice, &NoContext);
        let decision = send(&request, |inputs| {
            inputs.identity = identity;
            inputs.explain = true;
        });
        explained(&request, &decision)
    };
    let document = |statement: &str| {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        named(PolicyKind::Inline, "inline:p", &text)
    };
    let begin = |word: &str| {
        format!(
            "User: arn:aws:iam::111122223333:user/alice is {word}authorized to perform: sqs:SendMessage on resource: {QUEUE} "
        )
    };
    let allow = r#"{"Sid":"Send","Effect":"Allow","Action":"sqs:*","Resource":"*"}"#;
    assert_eq!(say(&[document(allow)]), begin("") + "because of statement 1 (Send) of inline:p");
    let deny = r#"{"Effect":"Deny","Action":"sqs:Send*","Resource":"*"}"#;
    assert_eq!(
        say(&[document(&format!("{allow},{deny}"))]),
        begin("not ") + "with an explicit deny in an identity-based policy: statement 2 of inline:p"
    );
    let missing = "because no identity-based policy allows the sqs:SendMessage action";
    assert_eq!(say(&[]), begin("not ") + missing);
    let near = r#"{"Sid":"Near","Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#;
    assert_eq!(
        say(&[document(near)]),
        begin("not ")
            + missing
            + "; statement 1 (Near) of inline:p would, but its condition Bool of aws:MultiFactorAuthPresent does not hold"
    );
}
