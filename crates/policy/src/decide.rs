//! The flow: all the policies of one request, and the answer.
//!
//! Followed are "How AWS enforcement code logic evaluates requests to allow or deny access", "Policy evaluation for
//! requests within a single account" and "Cross-account policy evaluation logic" of the IAM User Guide.

use std::sync::Arc;

use crate::parse::PolicyKind;
use crate::policy::{Policy, Request, Subject};
use crate::principal::{Grade, PrincipalKind};
use crate::trace::{self, Step};

/// A policy and the name by which a trace calls it: an ARN, or `inline:Name`.
#[derive(Debug, Clone)]
pub struct NamedPolicy {
    /// What the trace calls it.
    pub name: Arc<str>,
    /// The policy.
    pub policy: Arc<Policy>,
}

/// The types of policies that a denial tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyType {
    /// Policies of a user, its groups, or a role.
    Identity,
    /// A policy of the resource.
    Resource,
    /// The trust policy of a role, which is the resource policy of `sts:AssumeRole`.
    RoleTrust,
    /// A permissions boundary.
    Boundary,
    /// Session policies.
    Session,
    /// Service control policies.
    ServiceControl,
    /// Resource control policies.
    ResourceControl,
    /// The policy of a VPC endpoint.
    Endpoint,
}

/// Whether a resource-based policy must allow even within one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResourceRule {
    /// The rule for nearly all: identity-based or resource-based allow is enough.
    #[default]
    EitherAllows,
    /// Role trust policies and KMS key policies: without an allow here nothing else helps.
    MustAllow,
    /// The same, where among the resource's policies one is a KMS grant to the caller: whom it names needs no policy of
    /// their own, not even from another account.
    Granted,
}

/// All that bears on one request. Slices are empty where there is no such policy.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is asked.
    pub request: &'a Request<'a>,
    /// The account that owns the resource; `None` means the caller's own.
    pub resource_account: Option<&'a str>,
    /// Policies of the user and its groups, of the role behind a session, or of the user behind a federated session.
    pub identity: &'a [NamedPolicy],
    /// The permissions boundary of the same user or role.
    pub boundary: Option<&'a NamedPolicy>,
    /// Session policies; `None` when the session was made without.
    pub session: Option<&'a [NamedPolicy]>,
    /// Policies of the resource (or the trust policy of the role to assume).
    pub resource: &'a [NamedPolicy],
    /// How much the resource's policy weighs within one account.
    pub resource_rule: ResourceRule,
    /// Service control policies, a list a level from the root to the account. Empty for accounts outside of an
    /// organization, its management account, and service-linked roles.
    pub service_control: &'a [&'a [NamedPolicy]],
    /// Resource control policies of the resource's account, a list a level. Empty as above.
    pub resource_control: &'a [&'a [NamedPolicy]],
    /// The policy of the VPC endpoint the request came through.
    pub endpoint: Option<&'a NamedPolicy>,
    /// Build the trace also when the answer is yes.
    pub explain: bool,
}

impl<'a> Inputs<'a> {
    /// A request with no policy at all; set what there is by struct update.
    pub fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            resource_account: None,
            identity: &[],
            boundary: None,
            session: None,
            resource: &[],
            resource_rule: ResourceRule::EitherAllows,
            service_control: &[],
            resource_control: &[],
            endpoint: None,
            explain: false,
        }
    }

    fn crosses_accounts(&self) -> bool {
        let caller = &self.request.principal.account;
        self.resource_rule != ResourceRule::Granted && self.resource_account.is_some_and(|owner| owner != caller)
    }

    fn resource_must_allow(&self) -> bool {
        self.resource_rule != ResourceRule::EitherAllows
    }

    fn resource_type(&self) -> PolicyType {
        let trust = self.resource.iter().any(|named| named.policy.kind() == PolicyKind::Trust);
        if trust { PolicyType::RoleTrust } else { PolicyType::Resource }
    }

    /// All policies in the order of the flow, with the type each counts as.
    pub fn all(&self) -> impl Iterator<Item = (PolicyType, &'a NamedPolicy)> {
        let levels = |levels: &'a [&'a [NamedPolicy]]| levels.iter().copied().flatten();
        let typed = |kind: PolicyType| move |named: &'a NamedPolicy| (kind, named);
        levels(self.resource_control)
            .map(typed(PolicyType::ResourceControl))
            .chain(levels(self.service_control).map(typed(PolicyType::ServiceControl)))
            .chain(self.endpoint.into_iter().map(typed(PolicyType::Endpoint)))
            .chain(self.resource.iter().map(typed(self.resource_type())))
            .chain(self.identity.iter().map(typed(PolicyType::Identity)))
            .chain(self.boundary.into_iter().map(typed(PolicyType::Boundary)))
            .chain(self.session.unwrap_or(&[]).iter().map(typed(PolicyType::Session)))
    }
}

/// What made the answer yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedBy {
    /// The root user needs no policy within its account.
    Root,
    /// An identity-based policy.
    Identity,
    /// A resource-based policy alone.
    Resource,
    /// Both sides of a request between accounts, or a resource-based policy that delegates to the account.
    Both,
}

/// Why the answer is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Yes.
    Allowed(AllowedBy),
    /// A statement denies.
    ExplicitDeny {
        /// The type of the policy.
        policy_type: PolicyType,
        /// Its name.
        policy: Arc<str>,
        /// The index of the statement in it.
        statement: usize,
    },
    /// Policies of this type would have had to allow, and none does.
    ImplicitDeny {
        /// The type of policy that is missing an allow.
        policy_type: PolicyType,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// Each statement and whether it applied; built on a denial, or when asked for.
    pub trace: Vec<Step>,
}

/// Weighs all policies of a request.
pub fn decide(inputs: &Inputs<'_>) -> Decision {
    let subject = Subject::new(inputs.request, inputs.boundary.is_some());
    let reason = match explicit_deny(inputs, &subject) {
        Some(deny) => deny,
        None => match grant(inputs, &subject) {
            Ok(by) => Reason::Allowed(by),
            Err(policy_type) => Reason::ImplicitDeny { policy_type },
        },
    };
    let allowed = matches!(reason, Reason::Allowed(_));
    let trace = if inputs.explain || !allowed { trace::build(inputs, &subject) } else { Vec::new() };
    Decision { allowed, reason, trace }
}

/// An explicit deny anywhere ends the matter.
fn explicit_deny(inputs: &Inputs<'_>, subject: &Subject<'_>) -> Option<Reason> {
    inputs.all().find_map(|(policy_type, named)| {
        let statement = named.policy.verdict(subject).denied?;
        Some(Reason::ExplicitDeny { policy_type, policy: named.name.clone(), statement })
    })
}

/// What grants the request, or the type of policy that failed to. There is no explicit deny any more.
fn grant(inputs: &Inputs<'_>, subject: &Subject<'_>) -> Result<AllowedBy, PolicyType> {
    every_level_allows(inputs.resource_control, subject, PolicyType::ResourceControl)?;
    every_level_allows(inputs.service_control, subject, PolicyType::ServiceControl)?;
    if inputs.endpoint.is_some_and(|named| !allows(std::slice::from_ref(named), subject)) {
        return Err(PolicyType::Endpoint);
    }
    let grade = best_grade(inputs.resource, subject);
    let no_resource_allow = inputs.resource_type();
    match inputs.request.principal.kind {
        // These have no policies of their own: only the resource can let them in.
        PrincipalKind::Anonymous | PrincipalKind::Federated { .. } | PrincipalKind::Service { .. } => {
            grade.map(|_| AllowedBy::Resource).ok_or(no_resource_allow)
        }
        PrincipalKind::Root => {
            let needs_resource = inputs.crosses_accounts() || inputs.resource_must_allow();
            match grade {
                None if needs_resource => Err(no_resource_allow),
                _ => Ok(AllowedBy::Root),
            }
        }
        PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } | PrincipalKind::FederatedUser { .. } => {
            if inputs.crosses_accounts() {
                own_side(inputs, subject, true)?;
                grade.map(|_| AllowedBy::Both).ok_or(no_resource_allow)
            } else {
                within_account(inputs, subject, grade)
            }
        }
    }
}

/// The single-account rules, by how closely a resource-based policy names the caller.
fn within_account(inputs: &Inputs<'_>, subject: &Subject<'_>, grade: Option<Grade>) -> Result<AllowedBy, PolicyType> {
    match grade {
        Some(Grade::Direct) => Ok(AllowedBy::Resource),
        // Named is the role or user behind the session: its implicit deny does not count, that of the boundary and
        // of session policies does.
        Some(Grade::Behind) => own_side(inputs, subject, false).map(|()| AllowedBy::Resource),
        // Named is the account, which leaves the matter to its own policies.
        Some(Grade::Account) => own_side(inputs, subject, true).map(|()| AllowedBy::Both),
        None if inputs.resource_must_allow() => Err(inputs.resource_type()),
        None => own_side(inputs, subject, true).map(|()| AllowedBy::Identity),
    }
}

/// The caller's own policies: identity-based (if they count), boundary, session.
fn own_side(inputs: &Inputs<'_>, subject: &Subject<'_>, identity_counts: bool) -> Result<(), PolicyType> {
    if identity_counts && !allows(inputs.identity, subject) {
        return Err(PolicyType::Identity);
    }
    if inputs.boundary.is_some_and(|named| !allows(std::slice::from_ref(named), subject)) {
        return Err(PolicyType::Boundary);
    }
    // A federated user has what its session policies and the user's policies both allow: without session policies,
    // nothing. A role session without session policies has all of the role's permissions.
    let federated = matches!(inputs.request.principal.kind, PrincipalKind::FederatedUser { .. });
    match inputs.session {
        Some(session) if !allows(session, subject) => Err(PolicyType::Session),
        None if federated => Err(PolicyType::Session),
        _ => Ok(()),
    }
}

fn every_level_allows(
    levels: &[&[NamedPolicy]],
    subject: &Subject<'_>,
    policy_type: PolicyType,
) -> Result<(), PolicyType> {
    if levels.iter().all(|level| allows(level, subject)) { Ok(()) } else { Err(policy_type) }
}

fn allows(policies: &[NamedPolicy], subject: &Subject<'_>) -> bool {
    best_grade(policies, subject).is_some()
}

fn best_grade(policies: &[NamedPolicy], subject: &Subject<'_>) -> Option<Grade> {
    policies.iter().filter_map(|named| named.policy.verdict(subject).allowed).map(|(_, grade)| grade).max()
}
