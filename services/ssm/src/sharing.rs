//! Advanced parameters for other accounts, by resource policies.
//!
//! Source: "Working with shared parameters" in the user guide, PutResourcePolicy in the API reference: a policy has 1,024 bytes at most,
//! and a parameter one of them.

use sha2::{Digest as _, Sha256};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::access;
use crate::api::{self, errors, output};
use crate::names::Named;
use crate::rows::{PARAMETERS, Parameter, Shared, Tier};

const LONGEST: usize = 1024;
const PAGE: i32 = 50;

fn invalid(message: impl Into<String>) -> Failure {
    errors::resource_policy_invalid_parameter_exception(message).into()
}

/// The parameter of an ARN, which is the caller's own.
fn named(cx: &Cx, arn: &str) -> Result<Named> {
    let parts = Arn::parse(arn).filter(|parts| parts.service == "ssm");
    let parts = parts.ok_or_else(|| invalid(format!("{arn} isn't the ARN of a parameter.")))?;
    if !parts.resource.starts_with("parameter/") {
        return Err(Failure::not_built(format!("policies of {arn}")));
    }
    if parts.account != cx.account() {
        return Err(missing(arn));
    }
    Named::parse(cx, arn).map_err(|_| missing(arn))
}

fn missing(arn: &str) -> Failure {
    errors::resource_not_found_exception(format!("The specified parameter to be shared could not be found: {arn}"))
        .into()
}

fn find(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Parameter> {
    let named = named(cx, arn)?;
    let found = Parameter::look_up(cx, from, &named)?;
    found.ok_or_else(|| missing(arn))
}

fn hash(policy: &str) -> String {
    text::hex_encode(&Sha256::digest(policy.as_bytes()))
}

/// Refuses a change of a policy that is not the one that the request says.
fn expect(parameter: &Parameter, id: &str, hash: Option<&str>) -> Result<()> {
    let there = parameter.shared.as_ref().filter(|there| there.id == id);
    let Some(there) = there else {
        return Err(
            errors::resource_policy_not_found_exception(format!("The specified policy ID wasn't found: {id}")).into()
        );
    };
    if hash != Some(there.hash.as_str()) {
        let message = "The hash provided in the call doesn't match the stored hash. This exception is thrown when trying to update an obsolete policy version or when multiple requests to update a policy are sent.";
        return Err(errors::resource_policy_conflict_exception(message).into());
    }
    Ok(())
}

pub(crate) async fn put(cx: &Cx, input: &api::PutResourcePolicyInput) -> Result<api::PutResourcePolicyOutput> {
    if input.policy.len() > LONGEST {
        let message = format!("A policy can't be greater than {LONGEST} bytes in size.");
        return Err(errors::resource_policy_limit_exceeded_exception(message).into());
    }
    find(cx, &cx.read(), &input.resource_arn)?;
    let malformed = |why: String| errors::malformed_resource_policy_document_exception(why);
    cx.policies().compile(PolicyKind::Resource, &input.policy).map_err(|bad| malformed(bad.to_string()))?;
    let change = |tx: &mut Tx<'_>| {
        let parameter = find(cx, tx, &input.resource_arn)?;
        if parameter.tier != Tier::Advanced {
            return Err(invalid("Only parameters of the advanced-parameter tier can be shared."));
        }
        let id = match (&input.policy_id, &parameter.shared) {
            (Some(id), _) => {
                expect(&parameter, id, input.policy_hash.as_deref())?;
                id.clone()
            }
            (None, None) => cx.random().uuid(),
            (None, Some(_)) => {
                let message =
                    "Only one policy can be attached to a parameter. To update it, specify PolicyId and PolicyHash.";
                return Err(errors::resource_policy_limit_exceeded_exception(message).into());
            }
        };
        let shared = Shared { id, hash: hash(&input.policy), text: input.policy.clone() };
        Parameter { shared: Some(shared.clone()), ..parameter }.put(tx);
        Ok(shared)
    };
    let shared = cx.write(change).await?;
    Ok(api::PutResourcePolicyOutput { policy_id: Some(shared.id), policy_hash: Some(shared.hash) })
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteResourcePolicyInput) -> Result<()> {
    cx.write(|tx| {
        let parameter = find(cx, tx, &input.resource_arn)?;
        expect(&parameter, &input.policy_id, Some(&input.policy_hash))?;
        Parameter { shared: None, ..parameter }.put(tx);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::GetResourcePoliciesInput) -> Result<api::GetResourcePoliciesOutput> {
    let parameter = find(cx, &cx.read(), &input.resource_arn)?;
    let all = parameter.shared.iter().map(|shared| output::GetResourcePoliciesResponseEntry {
        policy_id: Some(shared.id.clone()),
        policy_hash: Some(shared.hash.clone()),
        policy: Some(shared.text.clone()),
    });
    let scope = format!("GetResourcePolicies/{}", input.resource_arn);
    let size = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let page = paging::page(&scope, all.collect(), input.next_token.as_deref(), size);
    let (policies, next_token) = page.ok_or_else(|| invalid("The specified token is not valid."))?;
    Ok(api::GetResourcePoliciesOutput { next_token, policies: Some(policies) })
}

/// The parameters of other accounts that their policies let the caller describe.
///
/// # Errors
/// When the store fails.
pub(crate) fn with_caller(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Vec<Parameter>> {
    let all = PARAMETERS.all(from, &())?.into_iter().map(|entry| entry.row);
    let others = all.filter(|p| p.account != cx.account() && p.region == cx.region() && p.shared.is_some());
    let mut found = Vec::new();
    for parameter in others {
        if cx.denied(&access::on_parameter(cx, &parameter, "DescribeParameters")?)?.is_none() {
            found.push(parameter);
        }
    }
    Ok(found)
}
