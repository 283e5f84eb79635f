//! Access within: which users and roles of the zone of trust can do something to the resources that an analyzer is told to look at.
//!
//! Every way in which the policies of both sides, boundaries, and those of the organization can be met is put before the authoriser
//! itself, which decides. With an account as the zone of trust those of the organization are left out, as on AWS.
//!
//! Source: InternalAccessDetails in the API reference, and "IAM Access Analyzer findings: internal access" in the IAM user guide.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use undercast_kernel::policy::{
    Document, Inputs, NamedPolicy, PolicyKind, PrincipalFacts, PrincipalKind, Request, decide,
};
use undercast_kernel::{Cx, Failure, IdentityPolicies, Membership, Result};

use crate::api::kept::{InternalAccessAnalysisRuleCriteria, InternalAccessConfiguration};
use crate::error::invalid;
use crate::exposure::{failed, restriction};
use crate::external::condition;
use crate::reach::{Limits, Seen, Space, Undecided};
use crate::resources::{From, Resource};
use crate::rows::{Analyzer, Found, Source, Within};
use crate::zone::{Zone, every};
use crate::{facts, role};

/// What such analyzers look at.
const TYPES: &[&str] = &[
    "AWS::DynamoDB::Stream",
    "AWS::DynamoDB::Table",
    "AWS::RDS::DBClusterSnapshot",
    "AWS::RDS::DBSnapshot",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
];

const KIND: &str = "InternalAccess";

fn inclusions(configuration: &InternalAccessConfiguration) -> &[InternalAccessAnalysisRuleCriteria] {
    configuration.analysis_rule.as_ref().and_then(|rule| rule.inclusions.as_deref()).unwrap_or(&[])
}

/// Holds a configuration against what it may be.
pub(crate) fn check(configuration: &InternalAccessConfiguration, zone: &Zone) -> Result<()> {
    for rule in inclusions(configuration) {
        let mut kinds = rule.resource_types.iter().flatten();
        if !kinds.all(|kind| TYPES.contains(&kind.as_str())) {
            let message = "Invalid InternalAccessAnalysisRuleCriteria: the provided resourceType is invalid";
            return Err(invalid(message).into());
        }
        if zone.organization.is_none() && rule.account_ids.as_ref().is_some_and(|ids| !ids.is_empty()) {
            return Err(invalid("Account IDs can be included by organization-level analyzers only.").into());
        }
    }
    Ok(())
}

/// Whether a rule speaks of a resource.
fn includes(rule: &InternalAccessAnalysisRuleCriteria, resource: &Resource) -> bool {
    let said = |list: &Option<Vec<String>>, value: &str| {
        list.as_ref().is_none_or(|list| list.is_empty() || list.iter().any(|one| one == value))
    };
    said(&rule.account_ids, &resource.owner)
        && said(&rule.resource_types, resource.kind)
        && said(&rule.resource_arns, &resource.arn)
}

/// A user or role of the zone.
struct Caller {
    facts: PrincipalFacts,
    arn: String,
    kind: &'static str,
    policies: std::sync::Arc<IdentityPolicies>,
    membership: Option<std::sync::Arc<Membership>>,
}

/// The resources that are looked at, and who can do what to them.
pub(crate) async fn look(
    cx: &Cx,
    analyzer: &Analyzer,
    zone: &Zone,
    resources: Vec<Resource>,
) -> Result<(Vec<Resource>, Vec<Found>)> {
    let configuration = analyzer.configuration()?.and_then(|all| all.internal_access).unwrap_or_default();
    let wanted = |resource: &Resource| {
        TYPES.contains(&resource.kind) && inclusions(&configuration).iter().any(|rule| includes(rule, resource))
    };
    let resources: Vec<Resource> = resources.into_iter().filter(wanted).collect();
    if resources.is_empty() {
        return Ok((resources, Vec::new()));
    }
    let callers = callers(cx, zone).await?;
    let mut all = Vec::new();
    for resource in &resources {
        match resource.error {
            Some(why) => all.push(failed(resource, KIND, why)),
            None => {
                for caller in &callers {
                    all.extend(of_pair(cx, zone, resource, caller)?);
                }
            }
        }
    }
    Ok((resources, all))
}

async fn callers(cx: &Cx, zone: &Zone) -> Result<Vec<Caller>> {
    let Some(known) = cx.kernel().identities() else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for account in &zone.accounts {
        let there = role::session(cx, account, cx.region());
        let users = every(&there, "iam", "ListUsers", json!({}), "Users").await?;
        let roles = every(&there, "iam", "ListRoles", json!({}), "Roles").await?;
        let from = cx.read();
        let membership = match cx.kernel().organizations().filter(|known| known.any()) {
            Some(known) => known.membership(&from, account)?,
            None => None,
        };
        for (who, kind) in users.iter().map(|u| (u, "IAM_USER")).chain(roles.iter().map(|r| (r, "IAM_ROLE"))) {
            if who["Path"].as_str().is_some_and(|path| path.starts_with("/aws-service-role/")) {
                continue;
            }
            let facts = facts_of(account, who, kind);
            let policies = known.policies(&from, &facts)?;
            let arn = who["Arn"].as_str().unwrap_or_default().to_owned();
            all.push(Caller { facts, arn, kind, policies, membership: membership.clone() });
        }
    }
    Ok(all)
}

fn facts_of(account: &str, who: &Json, kind: &str) -> PrincipalFacts {
    let text = |name: &str| who[name].as_str().unwrap_or_default().to_owned();
    let (arn, known, user_id) = if kind == "IAM_USER" {
        (text("Arn"), PrincipalKind::User { name: text("UserName") }, text("UserId"))
    } else {
        let session = PrincipalKind::AssumedRole {
            role_arn: text("Arn"),
            session_name: "any-session".to_owned(),
            provider: None,
        };
        let arn = format!("arn:aws:sts::{account}:assumed-role/{}/any-session", text("RoleName"));
        (arn, session, format!("{}:any-session", text("RoleId")))
    };
    let canonical = Some(undercast_kernel::auth::canonical_user(account));
    PrincipalFacts { arn, account: account.to_owned(), kind: known, user_id, canonical_user: canonical }
}

/// What somebody can do to a resource; `None`: nothing.
fn of_pair(cx: &Cx, zone: &Zone, resource: &Resource, caller: &Caller) -> Result<Option<Found>> {
    let mut of_resource = Vec::new();
    for given in resource.policies.iter().filter(|given| given.from == From::Resource) {
        let policy = cx.policies().compile(PolicyKind::Resource, &given.text).map_err(Failure::broken)?;
        of_resource.push(NamedPolicy { name: resource.arn.as_str().into(), policy });
    }
    let whole = zone.organization.is_some();
    let membership = caller.membership.as_deref().filter(|_| whole);
    let sides = Sides { resource, caller, of_resource, membership };
    let (service, _) = Resource::actions(resource.kind);
    let about = failed(resource, KIND, "");
    match sides.access(service) {
        Err(_) => Ok(Some(Found { principal: sides.principal(), ..failed(resource, KIND, "INTERNAL_ERROR") })),
        Ok((actions, _)) if actions.is_empty() => Ok(None),
        Ok((actions, condition)) => {
            let same = caller.facts.account == resource.owner;
            let access = if same { "INTRA_ACCOUNT" } else { "INTRA_ORG" }.to_owned();
            let within = Within { account: caller.facts.account.clone(), kind: caller.kind.to_owned(), access };
            let of_bucket = resource.kind == "AWS::S3::Bucket";
            let source = Source { kind: "POLICY".to_owned(), access_point: None };
            Ok(Some(Found {
                error: None,
                principal: sides.principal(),
                action: actions.into_iter().collect(),
                condition,
                sources: of_bucket.then_some(source).into_iter().collect(),
                resource_control: Some(control(whole, restriction(cx, &resource.owner, service)? == "APPLICABLE")),
                service_control: Some(control(whole, caller.is_controlled())),
                within: Some(within),
                ..about
            }))
        }
    }
}

/// How a policy of the organization bears on a finding.
fn control(whole: bool, there: bool) -> String {
    match (whole, there) {
        (_, false) => "NOT_APPLICABLE",
        (true, true) => "APPLIED",
        (false, true) => "APPLICABLE",
    }
    .to_owned()
}

impl Caller {
    /// Whether service control policies deny its account anything.
    fn is_controlled(&self) -> bool {
        let levels = self.membership.iter().flat_map(|membership| membership.service_control.iter().flatten());
        let mut statements = levels.flat_map(|named| &named.policy.document().statements);
        statements.any(|statement| statement.effect == undercast_kernel::policy::Effect::Deny)
    }
}

/// The policies of both sides.
struct Sides<'a> {
    resource: &'a Resource,
    caller: &'a Caller,
    of_resource: Vec<NamedPolicy>,
    membership: Option<&'a Membership>,
}

impl Sides<'_> {
    fn principal(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("AWS".to_owned(), self.caller.arn.clone())])
    }

    /// All policies that have a say.
    fn all(&self) -> impl Iterator<Item = &NamedPolicy> {
        let of_organization = self
            .membership
            .into_iter()
            .flat_map(|membership| membership.service_control.iter().chain(&membership.resource_control).flatten());
        let policies = &self.caller.policies;
        self.of_resource.iter().chain(&policies.identity).chain(&policies.boundary).chain(of_organization)
    }

    /// Whether the authoriser lets a request through.
    fn lets(&self, seen: &Seen) -> bool {
        let context = seen.witness.context();
        let Some(action) = seen.witness.actions.first() else { return false };
        let (resource, principal) = (&seen.witness.resource, &seen.witness.principal);
        let request = Request { action, resource, principal, context: &context };
        fn levels(all: Option<&Vec<Vec<NamedPolicy>>>) -> Vec<&[NamedPolicy]> {
            all.into_iter().flatten().map(Vec::as_slice).collect()
        }
        let service_control = levels(self.membership.map(|membership| &membership.service_control));
        let resource_control = levels(self.membership.map(|membership| &membership.resource_control));
        let inputs = Inputs {
            resource_account: Some(&self.resource.owner),
            identity: &self.caller.policies.identity,
            boundary: self.caller.policies.boundary.as_ref(),
            resource: &self.of_resource,
            service_control: &service_control,
            resource_control: &resource_control,
            ..Inputs::new(&request)
        };
        decide(&inputs).allowed
    }

    /// What can be done, and under what condition.
    fn access(&self, service: &str) -> std::result::Result<(BTreeSet<String>, BTreeMap<String, String>), Undecided> {
        let documents: Vec<&Document> = self.all().map(|named| named.policy.document()).collect();
        let (_, types) = Resource::actions(self.resource.kind);
        let (actions, resources) = (facts::actions_on(service, types), self.resource.places());
        let tags = &self.caller.policies.tags;
        let value = |key: &str, found: Option<&[String]>| {
            let Some(name) = key.strip_prefix("aws:principaltag/") else { return true };
            let tag = tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            found == tag.map(std::slice::from_ref)
        };
        let callers = [self.caller.facts.clone()];
        let limits =
            Limits { value: &value, actions: &actions, resources: &resources, callers: &callers, ..Limits::NONE };
        let seen = Space::new(&documents)?.prepare(&limits)?.requests(|_, _| true, |_| true)?;
        let let_through: Vec<Seen> = seen.into_iter().filter(|seen| self.lets(seen)).collect();
        let of_statement = |(policy, at): (usize, usize)| {
            documents.get(policy).and_then(|document| document.statements.get(at)).map(condition)
        };
        // Where there is a way without a condition, there is none.
        let conditions = let_through.iter().flat_map(Seen::speaking_for).filter_map(of_statement);
        let least = conditions.min_by_key(BTreeMap::len).unwrap_or_else(BTreeMap::new);
        Ok((let_through.into_iter().flat_map(|seen| seen.witness.actions).collect(), least))
    }
}
