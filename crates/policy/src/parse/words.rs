//! The later stages: forms of actions and resources, and what the legacy parser minds.
//!
//! Rules that belong to one service's resources (paths of IAM resources, regions in S3 ARNs) are that service's.

use super::statement::Draft;
use crate::condition::Operator;
use crate::error::{Fault, MalformedPolicy};
use crate::value;

const PARTITIONS: [&str; 9] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*"];

/// What passes the grammar and fails the older parser: effects in the wrong case, dates that are none, and ARNs cut
/// short in the middle.
pub(super) fn legacy(draft: &Draft, index: usize) -> Result<(), MalformedPolicy> {
    let fault =
        |element: &str| Err(MalformedPolicy::new(Fault::LegacyParsing, format!("Statement[{index}].{element}")));
    if !draft.effect_case_right {
        return fault("Effect");
    }
    for entry in &draft.conditions {
        let dates = Operator::parse(&entry.operator).is_some_and(Operator::compares_dates);
        if dates && entry.values.iter().any(|value| value::date(value).is_none()) {
            return fault("Condition");
        }
    }
    let cut_short = |resource: &String| resource_fault(resource).is_none() && is_cut_short(resource);
    if draft.resource.as_ref().is_some_and(|resource| resource.patterns.iter().any(cut_short)) {
        return fault("Resource");
    }
    Ok(())
}

/// `arn:aws:s3::bucket`: empty parts, and yet not six of them. `arn:aws::…` names no service.
fn is_cut_short(resource: &str) -> bool {
    resource != "*" && ((resource.contains("::") && resource.matches(':').count() < 5) || vendor(resource) == Some(""))
}

fn vendor(resource: &str) -> Option<&str> {
    resource.split(':').nth(2)
}

/// The form of each resource.
pub(super) fn resources(draft: &Draft, index: usize) -> Result<(), MalformedPolicy> {
    let Some(element) = &draft.resource else { return Ok(()) };
    // Of several bad resources AWS names the least, not the first.
    match element
        .patterns
        .iter()
        .filter_map(|resource| Some((resource, resource_fault(resource)?)))
        .min_by_key(|(resource, _)| *resource)
    {
        None => Ok(()),
        Some((_, fault)) => Err(MalformedPolicy::new(fault, format!("Statement[{index}].Resource"))),
    }
}

fn resource_fault(resource: &str) -> Option<Fault> {
    if resource.is_empty() {
        return Some(Fault::NotAnArn { resource: String::new() });
    }
    // `**` and such mean what `*` means.
    if resource.bytes().all(|byte| byte == b'*') {
        return None;
    }
    let mut parts = resource.splitn(6, ':');
    let _arn = parts.next();
    let Some(partition) = parts.next() else {
        return Some(Fault::NotAnArn { resource: resource.to_owned() });
    };
    let service = parts.next();
    if !PARTITIONS.contains(&partition) {
        let rest: Vec<&str> = service.into_iter().chain(parts).collect();
        let part = |at: usize| rest.get(at).copied().unwrap_or("*");
        let completed = format!("arn:{partition}:{}:{}:{}:{}", part(0), part(1), part(2), part(3));
        return Some(Fault::InvalidPartition { partition: partition.to_owned(), resource: completed });
    }
    let qualified = service.is_some_and(|service| !service.contains(['*', '?']) || service == "*");
    (!qualified).then_some(Fault::VendorNotQualified)
}

/// The form of each action.
pub(super) fn actions(draft: &Draft, index: usize) -> Result<(), MalformedPolicy> {
    let Some(element) = &draft.action else { return Ok(()) };
    match element.patterns.iter().find_map(|action| action_fault(action)) {
        None => Ok(()),
        Some(fault) => Err(MalformedPolicy::new(fault, format!("Statement[{index}].Action"))),
    }
}

fn action_fault(action: &str) -> Option<Fault> {
    if action == "*" {
        return None;
    }
    let Some((vendor, name)) = action.split_once(':') else { return Some(Fault::NoVendor) };
    if name.contains(':') {
        return Some(Fault::TooManyColons);
    }
    let valid =
        vendor == "*" || vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    (!valid).then(|| Fault::InvalidVendor { vendor: vendor.to_owned() })
}
