//! AWS's sentence for a denial, after "Troubleshoot access denied error messages" of the IAM User Guide.

use crate::decide::{AllowedBy, Decision, PolicyType, Reason};
use crate::document::Effect;
use crate::policy::{Miss, Request};
use crate::trace::{Step, StepOutcome};

/// The whole sentence: `User: … is not authorized to perform: … on resource: … because no identity-based policy
/// allows the … action`. Services that name no resource pass an empty one; services with a form of their own (quotes
/// around the resource, a sentence before) put it together from [`denied_because`].
///
/// An allowed request has no such sentence: `None`.
pub fn denied_message(request: &Request<'_>, reason: &Reason) -> Option<String> {
    let because = denied_because(request.action, reason)?;
    let resource = match request.resource {
        "" => String::new(),
        resource => format!(" on resource: {resource}"),
    };
    let (user, action) = (&request.principal.arn, request.action);
    Some(format!("User: {user} is not authorized to perform: {action}{resource} {because}"))
}

/// The last part of the sentence alone.
pub fn denied_because(action: &str, reason: &Reason) -> Option<String> {
    match reason {
        Reason::Allowed(_) => None,
        Reason::ExplicitDeny { policy_type, .. } => {
            Some(format!("with an explicit deny in {}", explicit(*policy_type)))
        }
        Reason::ImplicitDeny { policy_type } => {
            Some(format!("because no {} allows the {action} action", implicit(*policy_type)))
        }
    }
}

/// So many statements are named that nearly allowed.
const NAMED: usize = 3;

/// A decision in words: AWS's sentence, and the statement that decided, or those that would have allowed but for their
/// conditions. The decision must have its trace.
pub fn explained(request: &Request<'_>, decision: &Decision) -> String {
    let (user, action) = (&request.principal.arn, request.action);
    let on = match request.resource {
        "" | "*" => String::new(),
        resource => format!(" on resource: {resource}"),
    };
    match &decision.reason {
        Reason::Allowed(by) => {
            let because = match by {
                AllowedBy::Root => "because they are the root user of their account".to_owned(),
                AllowedBy::Identity | AllowedBy::Resource | AllowedBy::Both => by_what(decision, *by),
            };
            format!("User: {user} is authorized to perform: {action}{on} {because}")
        }
        Reason::ExplicitDeny { policy_type, policy, statement } => {
            let same = |step: &&Step| {
                step.policy_type == *policy_type && step.policy == *policy && step.statement == *statement
            };
            let which = decision.trace.iter().find(same).map_or_else(String::new, |step| format!(": {}", name(step)));
            format!("{}{which}", denied_message(request, &decision.reason).unwrap_or_default())
        }
        Reason::ImplicitDeny { .. } => {
            let near: Vec<String> = decision.trace.iter().filter_map(nearly).take(NAMED).collect();
            let sentence = denied_message(request, &decision.reason).unwrap_or_default();
            if near.is_empty() { sentence } else { format!("{sentence}; {}", near.join("; ")) }
        }
    }
}

/// The statements that allowed: of the principal's side, of the resource's, or of both.
fn by_what(decision: &Decision, by: AllowedBy) -> String {
    let counts = |step: &&Step| {
        let side = match step.policy_type {
            PolicyType::Identity => by != AllowedBy::Resource,
            PolicyType::Resource | PolicyType::RoleTrust => by != AllowedBy::Identity,
            _ => false,
        };
        side && step.effect == Effect::Allow && step.outcome == StepOutcome::Matched
    };
    let all: Vec<String> = decision.trace.iter().filter(counts).take(NAMED).map(name).collect();
    format!("because of {}", all.join(", and "))
}

/// A statement that would have allowed but for a condition.
fn nearly(step: &Step) -> Option<String> {
    match &step.outcome {
        StepOutcome::Missed(Miss::Condition { operator, key }) if step.effect == Effect::Allow => {
            Some(format!("{} would, but its condition {operator} of {key} does not hold", name(step)))
        }
        _ => None,
    }
}

fn name(step: &Step) -> String {
    let sid = step.sid.as_ref().map_or_else(String::new, |sid| format!(" ({sid})"));
    format!("statement {}{sid} of {}", step.statement + 1, step.policy)
}

fn explicit(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::Identity => "an identity-based policy",
        PolicyType::Resource => "a resource-based policy",
        PolicyType::RoleTrust => "the role trust policy",
        PolicyType::Boundary => "a permissions boundary",
        // The guide's example has "a sessions policy"; AWS's answers have the singular.
        PolicyType::Session => "a session policy",
        PolicyType::ServiceControl => "a service control policy",
        PolicyType::ResourceControl => "a resource control policy",
        PolicyType::Endpoint => "a VPC endpoint policy",
    }
}

fn implicit(policy_type: PolicyType) -> &'static str {
    match policy_type {
        PolicyType::Identity => "identity-based policy",
        PolicyType::Resource => "resource-based policy",
        PolicyType::RoleTrust => "role trust policy",
        PolicyType::Boundary => "permissions boundary",
        PolicyType::Session => "session policy",
        PolicyType::ServiceControl => "service control policy",
        PolicyType::ResourceControl => "resource control policy",
        PolicyType::Endpoint => "VPC endpoint policy",
    }
}
