//! Resource policies of an account: who else may write into its log groups (PutResourcePolicy and its kin).
//!
//! Source: "PutResourcePolicy" in the API reference: ten policies an account and region.

use minicbor::{Decode, Encode};
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::store::Table;
use undercast_kernel::{Access, Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::group::invalid;

/// Account, region, name.
static POLICIES: Table<Policy> = Table::new("logs.policies");

/// An account has so many in a region at most.
const MOST: usize = 10;
/// Most bytes of one.
const LONGEST: usize = 5120;
/// Of a list that is all pages have, where nothing else is said.
const PAGE: i32 = 50;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Policy {
    #[n(0)]
    name: String,
    #[n(1)]
    document: String,
    /// Milliseconds since 1970.
    #[n(2)]
    updated: i64,
}

fn shown(policy: Policy) -> output::ResourcePolicy {
    output::ResourcePolicy {
        policy_name: Some(policy.name),
        policy_document: Some(policy.document),
        last_updated_time: Some(policy.updated),
        policy_scope: Some("ACCOUNT".to_owned()),
        ..output::ResourcePolicy::default()
    }
}

fn named(name: Option<String>) -> Result<String> {
    name.filter(|name| !name.is_empty()).ok_or_else(|| invalid("policyName is required for policies of an account."))
}

pub(crate) async fn put(cx: &Cx, input: api::PutResourcePolicyInput) -> Result<api::PutResourcePolicyOutput> {
    let name = named(input.policy_name)?;
    let document = input.policy_document.ok_or_else(|| invalid("policyDocument is required."))?;
    if document.len() > LONGEST {
        return Err(invalid(format!("The resource policy is longer than {LONGEST} bytes.")));
    }
    let compiled = cx.policies().compile(PolicyKind::Resource, &document);
    compiled.map_err(|why| invalid(format!("Resource policy is not valid: {why}")))?;
    let policy = Policy { name, document, updated: cx.now_millis() };
    cx.write(|tx| {
        let there = POLICIES.all(tx, &(cx.account(), cx.region()))?;
        if there.len() >= MOST && !there.iter().any(|entry| entry.row.name == policy.name) {
            return Err(errors::limit_exceeded_exception("Resource limit exceeded.").into());
        }
        POLICIES.put(tx, &cx.key(&policy.name), &policy);
        Ok(())
    })
    .await?;
    Ok(api::PutResourcePolicyOutput { resource_policy: Some(shown(policy)), revision_id: None })
}

pub(crate) fn describe(
    cx: &Cx,
    input: &api::DescribeResourcePoliciesInput,
) -> Result<api::DescribeResourcePoliciesOutput> {
    let all = POLICIES.all(&cx.read(), &(cx.account(), cx.region()))?;
    // There are none of single groups.
    let of_account = input.policy_scope.as_deref() != Some("RESOURCE");
    let all = all.into_iter().map(|entry| shown(entry.row)).filter(|_| of_account).collect();
    let size = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let page = paging::page("DescribeResourcePolicies", all, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(|| invalid("The specified nextToken is invalid."))?;
    Ok(api::DescribeResourcePoliciesOutput { resource_policies: Some(page), next_token })
}

pub(crate) async fn delete(cx: &Cx, input: api::DeleteResourcePolicyInput) -> Result<()> {
    let name = named(input.policy_name)?;
    cx.write(|tx| {
        if !POLICIES.has(tx, &cx.key(&name))? {
            let message = format!("Policy with name [{name}] does not exist.");
            return Err(errors::resource_not_found_exception(message).into());
        }
        POLICIES.delete(tx, &cx.key(&name));
        Ok(())
    })
    .await
}

/// A permission over which the policies of the account have a say.
pub(crate) fn guarded(cx: &Cx, mut access: Access) -> Result<Access> {
    for entry in POLICIES.all(&cx.read(), &(cx.account(), cx.region()))? {
        let policy = cx.policies().compile(PolicyKind::Resource, &entry.row.document).map_err(Failure::broken)?;
        access = access.with_policy(&entry.row.name, policy);
    }
    Ok(access)
}
