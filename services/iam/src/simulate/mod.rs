//! The policy simulator: what the authoriser would say, of policies that are there or that are only written down.
//!
//! The authoriser's own evaluator decides. Sources: the API reference of `SimulateCustomPolicy` and `SimulatePrincipalPolicy`; answers
//! of AWS that users of it published, for what `MatchedStatements` names and where a statement begins and ends.

mod keys;
mod positions;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{
    Effect, Inputs, MapContext, NamedPolicy, PolicyKind, PolicyType, PrincipalFacts, PrincipalKind, Reason, Request,
    ResourceRule, Step, StepOutcome, decide,
};
use undercast_kernel::{AwsError, Cx, Result};

use self::sources::{Source, Sources};
use crate::api::{self, errors, input, output};
use crate::pages;

fn invalid(message: impl Into<String>) -> AwsError {
    errors::invalid_input_exception(message)
}

/// What is simulated: who does what to what, under which policies.
struct Simulation {
    sources: Sources,
    principal: PrincipalFacts,
    context: MapContext,
    /// The keys that the context has, in small letters.
    given: BTreeSet<String>,
    owner: Option<String>,
    actions: Vec<String>,
    resources: Vec<String>,
    /// The resources were named.
    named: bool,
}

/// What both operations are asked.
struct Asked {
    actions: Vec<String>,
    resources: Option<Vec<String>>,
    owner: Option<String>,
    caller: Option<String>,
    entries: Option<Vec<input::ContextEntry>>,
}

/// A caller by its ARN. Without one nothing is known of it.
fn principal(caller: Option<&str>) -> std::result::Result<PrincipalFacts, AwsError> {
    let unknown = |kind, arn: &str, account: String| PrincipalFacts {
        arn: arn.to_owned(),
        account,
        kind,
        user_id: String::new(),
        canonical_user: None,
    };
    let Some(caller) = caller else {
        return Ok(unknown(PrincipalKind::User { name: String::new() }, "", String::new()));
    };
    let bad = || invalid(format!("Invalid caller ARN: {caller}"));
    let arn = Arn::parse(caller).ok_or_else(bad)?;
    let last = arn.resource.rsplit('/').next().unwrap_or_default().to_owned();
    let (service, kind) = (arn.service.as_str(), arn.resource.split('/').next().unwrap_or_default());
    let kind = match (service, kind) {
        ("iam", "user") => PrincipalKind::User { name: last },
        ("iam", "root") => PrincipalKind::Root,
        ("sts", "assumed-role") => {
            let role = arn.resource.split('/').nth(1).unwrap_or_default();
            let role_arn = format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account);
            PrincipalKind::AssumedRole { role_arn, session_name: last, provider: None }
        }
        // "You can specify only the ARN of an IAM user": of a role the simulator takes a session.
        _ => return Err(bad()),
    };
    Ok(unknown(kind, caller, arn.account))
}

impl Simulation {
    fn new(sources: Sources, asked: Asked) -> Result<Self> {
        for action in &asked.actions {
            let good = action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
            if !good {
                return Err(invalid(format!("Invalid Action Name: {action}")).into());
            }
        }
        if sources.resource.is_some() && asked.caller.is_none() {
            return Err(invalid("CallerArn must be specified when a resource policy is given.").into());
        }
        let mut principal = principal(asked.caller.as_deref())?;
        let owner = match &asked.owner {
            Some(owner) => Some(
                Arn::parse(owner)
                    .map(|arn| arn.account)
                    .filter(|account| !account.is_empty())
                    .ok_or_else(|| invalid(format!("Invalid Resource Owner: {owner}")))?,
            ),
            None => None,
        };
        // Nobody's account is everybody's: nothing lies between accounts then.
        if principal.account.is_empty() {
            principal.account = owner.clone().unwrap_or_else(String::new);
        }
        let (mut context, mut given) = (MapContext::new(), BTreeSet::new());
        for entry in asked.entries.into_iter().flatten() {
            let (name, kind, values) = (
                entry.context_key_name.unwrap_or_else(String::new),
                entry.context_key_type.unwrap_or_else(|| "string".to_owned()),
                entry.context_key_values.unwrap_or_else(Vec::new),
            );
            given.insert(name.to_lowercase());
            match values.as_slice() {
                [one] if !kind.ends_with("List") => context.set(&name, one.clone()),
                many => context.set_many(&name, many.to_vec()),
            };
        }
        let named = asked.resources.as_ref().is_some_and(|all| !all.is_empty());
        let resources = asked.resources.filter(|all| !all.is_empty()).unwrap_or_else(|| vec!["*".to_owned()]);
        Ok(Self { sources, principal, context, given, owner, actions: asked.actions, resources, named })
    }

    fn run(&self) -> Vec<output::EvaluationResult> {
        self.actions.iter().map(|action| self.action(action)).collect()
    }

    fn action(&self, action: &str) -> output::EvaluationResult {
        let all: Vec<Outcome> = self.resources.iter().map(|resource| self.one(action, resource)).collect();
        let specific = self.resources.iter().zip(&all).map(|(resource, outcome)| output::ResourceSpecificResult {
            eval_resource_name: resource.clone(),
            eval_resource_decision: outcome.decision.to_owned(),
            matched_statements: Some(outcome.matched.clone()),
            missing_context_values: Some(outcome.missing.clone()),
            eval_decision_details: Some(outcome.details.clone()),
            permissions_boundary_decision_detail: outcome.boundary(),
        });
        let specific = specific.collect();
        let (name, whole) = match (self.resources.as_slice(), all.as_slice()) {
            ([resource], [outcome]) => (resource.clone(), outcome.clone()),
            _ => ("*".to_owned(), Outcome::of_all(&all)),
        };
        output::EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(name),
            eval_decision: whole.decision.to_owned(),
            permissions_boundary_decision_detail: whole.boundary(),
            organizations_decision_detail: whole
                .organizations
                .map(|allowed| output::OrganizationsDecisionDetail { allowed_by_organizations: Some(allowed) }),
            matched_statements: Some(whole.matched),
            missing_context_values: Some(whole.missing),
            eval_decision_details: Some(whole.details),
            resource_specific_results: self.named.then_some(specific),
        }
    }

    fn one(&self, action: &str, resource: &str) -> Outcome {
        let request = Request { action, resource, principal: &self.principal, context: &self.context };
        let named = |all: &[Source]| -> Vec<NamedPolicy> { all.iter().map(Source::named).collect() };
        let (identity, boundary) = (named(&self.sources.identity), named(&self.sources.boundary));
        let on_resource: Vec<NamedPolicy> = self.sources.resource.iter().map(Source::named).collect();
        let levels: Vec<&[NamedPolicy]> = self.sources.organization.iter().map(Vec::as_slice).collect();
        let decision = decide(&Inputs {
            resource_account: self.owner.as_deref(),
            identity: &identity,
            boundary: boundary.first(),
            resource: &on_resource,
            resource_rule: ResourceRule::EitherAllows,
            service_control: &levels,
            explain: true,
            ..Inputs::new(&request)
        });
        let (word, effect) = match decision.reason {
            Reason::Allowed(_) => ("allowed", Some(Effect::Allow)),
            Reason::ExplicitDeny { .. } => ("explicitDeny", Some(Effect::Deny)),
            Reason::ImplicitDeny { .. } => ("implicitDeny", None),
        };
        let decisive = |step: &&Step| Some(step.effect) == effect && step.outcome == StepOutcome::Matched;
        let matched = decision.trace.iter().filter(decisive).filter_map(|step| self.statement(step)).collect();
        let allows = |policies: &[NamedPolicy]| {
            policies.iter().any(|named| {
                let verdict = named.policy.evaluate(&request);
                verdict.denied.is_none() && verdict.allowed.is_some()
            })
        };
        let organizations = (!levels.is_empty()).then(|| levels.iter().all(|level| allows(level)));
        Outcome {
            decision: word,
            matched,
            missing: self.missing(),
            details: self.details(&request, &identity, &on_resource),
            bounded: (!boundary.is_empty()).then(|| allows(&boundary)),
            organizations,
        }
    }

    /// What the two sides of a request between accounts say, each for itself.
    fn details(
        &self,
        request: &Request<'_>,
        identity: &[NamedPolicy],
        resource: &[NamedPolicy],
    ) -> BTreeMap<String, String> {
        if self.owner.as_ref().is_none_or(|owner| *owner == self.principal.account) || resource.is_empty() {
            return BTreeMap::new();
        }
        let word = |policies: &[NamedPolicy]| {
            let verdicts: Vec<_> = policies.iter().map(|named| named.policy.evaluate(request)).collect();
            if verdicts.iter().any(|verdict| verdict.denied.is_some()) {
                "explicitDeny"
            } else if verdicts.iter().any(|verdict| verdict.allowed.is_some()) {
                "allowed"
            } else {
                "implicitDeny"
            }
        };
        BTreeMap::from([
            ("IAM Policy".to_owned(), word(identity).to_owned()),
            ("Resource Policy".to_owned(), word(resource).to_owned()),
        ])
    }

    /// A statement that decided, as the simulator names it.
    fn statement(&self, step: &Step) -> Option<output::Statement> {
        let (source, kind) = match step.policy_type {
            PolicyType::Identity => (self.sources.identity.iter().find(|s| *s.id == *step.policy), "IAM Policy"),
            PolicyType::Boundary => (self.sources.boundary.iter().find(|s| *s.id == *step.policy), "IAM Policy"),
            PolicyType::Resource => (self.sources.resource.as_ref(), "Resource Policy"),
            // What an organization says is told in `OrganizationsDecisionDetail` alone.
            _ => (None, ""),
        };
        let source = source?;
        let (start, end) = positions::of_statement(&source.text, step.statement)?;
        let position = |(line, column): (i32, i32)| output::Position { line: Some(line), column: Some(column) };
        Some(output::Statement {
            source_policy_id: Some(source.id.clone()),
            source_policy_type: Some(kind.to_owned()),
            start_position: Some(position(start)),
            end_position: Some(position(end)),
        })
    }

    /// Keys that the policies ask for, and that nobody gave.
    fn missing(&self) -> Vec<String> {
        let known: &[&str] = match self.principal.kind {
            _ if self.principal.arn.is_empty() => &[],
            PrincipalKind::User { .. } => {
                &["aws:username", "aws:principalarn", "aws:principalaccount", "aws:principaltype"]
            }
            _ => &["aws:principalarn", "aws:principalaccount", "aws:principaltype"],
        };
        let all = self.sources.texts().flat_map(keys::of_policy);
        let wanted: BTreeSet<String> = all
            .filter(|key| {
                let small = key.to_lowercase();
                !self.given.contains(&small) && !known.contains(&small.as_str())
            })
            .collect();
        wanted.into_iter().collect()
    }
}

/// What comes out for one resource, or for all of an action.
#[derive(Debug, Clone)]
struct Outcome {
    decision: &'static str,
    matched: Vec<output::Statement>,
    missing: Vec<String>,
    details: BTreeMap<String, String>,
    bounded: Option<bool>,
    organizations: Option<bool>,
}

impl Outcome {
    fn boundary(&self) -> Option<output::PermissionsBoundaryDecisionDetail> {
        let allowed = self.bounded?;
        Some(output::PermissionsBoundaryDecisionDetail { allowed_by_permissions_boundary: Some(allowed) })
    }

    /// Of several resources: the worst of it, without statements, which stand with each resource.
    fn of_all(all: &[Self]) -> Self {
        let has = |word: &str| all.iter().any(|outcome| outcome.decision == word);
        let decision = ["explicitDeny", "implicitDeny"].into_iter().find(|word| has(word)).unwrap_or("allowed");
        let every =
            |of: fn(&Self) -> Option<bool>| all.iter().map(of).try_fold(true, |so_far, one| Some(so_far && one?));
        Self {
            decision,
            matched: Vec::new(),
            missing: all.first().map_or_else(Vec::new, |first| first.missing.clone()),
            details: BTreeMap::new(),
            bounded: every(|outcome| outcome.bounded),
            organizations: every(|outcome| outcome.organizations),
        }
    }
}

type Page = (Vec<output::EvaluationResult>, Option<bool>, Option<String>);

fn page(results: Vec<output::EvaluationResult>, marker: Option<&str>, most: Option<i32>) -> Result<Page> {
    let numbered: Vec<(usize, output::EvaluationResult)> = results.into_iter().enumerate().collect();
    let (page, more, marker) = pages::page("Simulate", numbered, |(number, _)| format!("{number:06}"), marker, most)?;
    Ok((page.into_iter().map(|(_, result)| result).collect(), more, marker))
}

pub(crate) fn custom(given: api::SimulateCustomPolicyInput) -> Result<api::SimulateCustomPolicyOutput> {
    let mut sources = Sources::default();
    sources.add(&given.policy_input_list)?;
    sources.bound(given.permissions_boundary_policy_input_list)?;
    sources.organize(given.ordered_organization_policy_input_list)?;
    sources.on_resource(given.resource_policy)?;
    let asked = Asked {
        actions: given.action_names,
        resources: given.resource_arns,
        owner: given.resource_owner,
        caller: given.caller_arn,
        entries: given.context_entries,
    };
    let results = Simulation::new(sources, asked)?.run();
    let (results, is_truncated, marker) = page(results, given.marker.as_deref(), given.max_items)?;
    Ok(api::SimulateCustomPolicyOutput { evaluation_results: Some(results), is_truncated, marker })
}

pub(crate) fn of_principal(
    cx: &Cx,
    given: api::SimulatePrincipalPolicyInput,
) -> Result<api::SimulatePrincipalPolicyOutput> {
    let mut sources = Sources::of(cx, &given.policy_source_arn, given.policy_exclusion_list)?;
    sources.add(given.policy_input_list.as_deref().unwrap_or(&[]))?;
    sources.bound(given.permissions_boundary_policy_input_list)?;
    sources.on_resource(given.resource_policy)?;
    // "The default value is the ARN of PolicySourceArn, if that is a user".
    let user = given.policy_source_arn.contains(":user/").then(|| given.policy_source_arn.clone());
    let asked = Asked {
        actions: given.action_names,
        resources: given.resource_arns,
        owner: given.resource_owner,
        caller: given.caller_arn.or(user),
        entries: given.context_entries,
    };
    let results = Simulation::new(sources, asked)?.run();
    let (results, is_truncated, marker) = page(results, given.marker.as_deref(), given.max_items)?;
    Ok(api::SimulatePrincipalPolicyOutput { evaluation_results: Some(results), is_truncated, marker })
}

/// The keys that some policies ask for, each once.
fn names(sources: &Sources) -> Vec<String> {
    sources.texts().flat_map(keys::of_policy).collect::<BTreeSet<_>>().into_iter().collect()
}

pub(crate) fn keys_of_custom(
    given: &api::GetContextKeysForCustomPolicyInput,
) -> Result<api::GetContextKeysForCustomPolicyOutput> {
    let mut sources = Sources::default();
    sources.add(&given.policy_input_list)?;
    Ok(api::GetContextKeysForCustomPolicyOutput { context_key_names: Some(names(&sources)) })
}

pub(crate) fn keys_of_principal(
    cx: &Cx,
    given: &api::GetContextKeysForPrincipalPolicyInput,
) -> Result<api::GetContextKeysForPrincipalPolicyOutput> {
    let mut sources = Sources::of(cx, &given.policy_source_arn, None)?;
    sources.add(given.policy_input_list.as_deref().unwrap_or(&[]))?;
    Ok(api::GetContextKeysForPrincipalPolicyOutput { context_key_names: Some(names(&sources)) })
}

/// Parses a policy that was written down.
fn parsed(kind: PolicyKind, text: &str) -> std::result::Result<undercast_kernel::policy::Policy, AwsError> {
    undercast_kernel::policy::Policy::parse(kind, text)
        .map_err(|malformed| invalid(format!("The policy is not valid: {}", malformed.fault)))
}
