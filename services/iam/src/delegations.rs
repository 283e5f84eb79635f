//! Requests for delegated access, of which there are none: partners alone make them, whom AWS lets in one by one
//! (`CreateDelegationRequest` "is not available for general use"), so nobody has one to accept.

use undercast_kernel::Result;

use crate::api::{self, errors};
use crate::pages;

/// A request that is named is not there.
pub(crate) fn none<T>(id: &str) -> Result<T> {
    Err(errors::no_such_entity_exception(format!("Delegation request {id} cannot be found.")).into())
}

pub(crate) fn list(input: api::ListDelegationRequestsInput) -> Result<api::ListDelegationRequestsOutput> {
    let list = format!("ListDelegationRequests {}", input.owner_id.unwrap_or_else(String::new));
    let (requests, is_truncated, marker) =
        pages::page(&list, Vec::new(), |_| String::new(), input.marker.as_deref(), input.max_items)?;
    Ok(api::ListDelegationRequestsOutput { delegation_requests: Some(requests), is_truncated, marker })
}

/// A summary of a request, by its ARN.
pub(crate) fn summary(input: &api::GetHumanReadableSummaryInput) -> Result<api::GetHumanReadableSummaryOutput> {
    let id = undercast_kernel::arn::Arn::parse(&input.entity_arn)
        .filter(|arn| arn.service == "iam")
        .and_then(|arn| arn.resource.strip_prefix("delegation-request/").map(ToOwned::to_owned));
    let wrong = || errors::invalid_input_exception(format!("Invalid ARN:  {}", input.entity_arn));
    none(&id.ok_or_else(wrong)?)
}
