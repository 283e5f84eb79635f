//! AWS's sentence for a denial, after "Troubleshoot access denied error messages" of the IAM User Guide.

use crate::decide::{PolicyType, Reason};
use crate::policy::Request;

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
