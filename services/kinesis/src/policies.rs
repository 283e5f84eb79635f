//! Policies of streams and consumers: PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy.
//!
//! Source: "Sharing your data stream with another account" in the developer guide.

use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Access, Cx, Failure, Result};

use crate::api::{self, errors};
use crate::consumers::{self, CONSUMERS};
use crate::name::Resource;
use crate::stream::STREAMS;

/// Most bytes of a policy.
const MOST: usize = 20 * 1024;
/// What is answered where there is none.
const NONE: &str = "{}";

/// The policy of a stream or a consumer. `None` where there is neither.
pub(crate) fn of(cx: &Cx, from: &impl Read, resource: &Resource) -> Result<Option<String>> {
    let Some(stream) = STREAMS.get(from, &cx.key(&resource.stream().name))? else { return Ok(None) };
    match resource {
        Resource::Stream(_) => Ok(stream.policy),
        Resource::Consumer(name) => {
            let found = CONSUMERS.get(from, &(stream.place(cx), &name.name))?;
            Ok(found.filter(|consumer| consumer.second() == name.created).and_then(|consumer| consumer.policy))
        }
    }
}

/// A permission over which the policy of what it is on has a say. `cx` is in the account of the resource.
pub(crate) fn guarded(cx: &Cx, access: Access, resource: &Resource) -> Result<Access> {
    let Some(text) = of(cx, &cx.read(), resource)? else { return Ok(access) };
    let policy = cx.policies().compile(PolicyKind::Resource, &text).map_err(Failure::broken)?;
    Ok(access.with_policy(&resource.arn(cx), policy))
}

fn set(cx: &Cx, tx: &mut Tx<'_>, resource: &Resource, policy: Option<String>) -> Result<Option<String>> {
    match resource {
        Resource::Stream(name) => {
            let mut stream = name.find_active(cx, tx)?;
            let before = std::mem::replace(&mut stream.policy, policy);
            STREAMS.put(tx, &cx.key(&name.name), &stream);
            Ok(before)
        }
        Resource::Consumer(name) => {
            let (stream, mut consumer) = consumers::find(cx, tx, name)?;
            consumers::check_active(cx, name, &consumer)?;
            let before = std::mem::replace(&mut consumer.policy, policy);
            CONSUMERS.put(tx, &(stream.place(cx), &consumer.name), &consumer);
            Ok(before)
        }
    }
}

pub(crate) async fn put(cx: &Cx, input: api::PutResourcePolicyInput) -> Result<()> {
    let resource = Resource::parse(cx, &input.resource_arn)?;
    let invalid = |why: String| Failure::from(errors::validation_exception(why));
    if input.policy.len() > MOST {
        return Err(invalid(format!("The policy is larger than {MOST} bytes.")));
    }
    cx.policies().compile(PolicyKind::Resource, &input.policy).map_err(|why| invalid(why.to_string()))?;
    cx.write(|tx| set(cx, tx, &resource, Some(input.policy.clone())).map(drop)).await
}

pub(crate) fn get(cx: &Cx, input: &api::GetResourcePolicyInput) -> Result<api::GetResourcePolicyOutput> {
    let (resource, from) = (Resource::parse(cx, &input.resource_arn)?, cx.read());
    match &resource {
        Resource::Stream(name) => drop(name.find(cx, &from)?),
        Resource::Consumer(name) => drop(consumers::find(cx, &from, name)?),
    }
    Ok(api::GetResourcePolicyOutput { policy: of(cx, &from, &resource)?.unwrap_or_else(|| NONE.to_owned()) })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteResourcePolicyInput) -> Result<()> {
    let resource = Resource::parse(cx, &input.resource_arn)?;
    cx.write(|tx| match set(cx, tx, &resource, None)? {
        Some(_) => Ok(()),
        None => {
            let message = format!("No resource policy found for resource ARN {}", input.resource_arn);
            Err(errors::resource_not_found_exception(message).into())
        }
    })
    .await
}
