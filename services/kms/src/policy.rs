//! Key policies.

use serde_json::json;
use undercast_kernel::policy::PolicyKind;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::reference::Reference;
use crate::rows::Key;
use crate::{keys, pages, permission};

/// A key has one policy, of this name.
const NAME: &str = "default";
/// The longest policy, in bytes. Source: "Resource quotas" in the KMS developer guide.
const LONGEST: usize = 32 * 1024;

/// The policy of a key that is made without one: the account's own policies decide.
pub(crate) fn usual(cx: &Cx) -> String {
    let root = format!("arn:{}:iam::{}:root", cx.partition(), cx.account());
    pretty(&json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [{"Sid": "Enable IAM User Permissions",
        "Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}]}))
}

/// The policy of an AWS managed key: everybody of the account may use it through its service, and see it.
pub(crate) fn of_service(cx: &Cx, service: &str) -> String {
    let root = format!("arn:{}:iam::{}:root", cx.partition(), cx.account());
    let label = service.to_uppercase();
    let through = format!("{service}.{}.amazonaws.com", cx.region());
    let mut use_it = vec!["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"];
    if service != "s3" {
        use_it.insert(4, "kms:CreateGrant");
    }
    pretty(&json!({"Version": "2012-10-17", "Id": format!("auto-{service}-1"), "Statement": [
        {"Sid": format!("Allow access through {label} for all principals in the account that are authorized to use {label}"),
         "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": use_it, "Resource": "*",
         "Condition": {"StringEquals": {"kms:ViaService": through, "kms:CallerAccount": cx.account()}}},
        {"Sid": "Allow direct access to key metadata to the account", "Effect": "Allow", "Principal": {"AWS": root},
         "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"], "Resource": "*"}]}))
}

fn pretty(policy: &serde_json::Value) -> String {
    format!("{policy:#}")
}

/// Refuses a policy that is none, or (unless `bypass`) one under which the caller could not put another.
pub(crate) fn check(cx: &Cx, key: &Key, policy: &str, bypass: bool) -> Result<()> {
    if policy.len() > LONGEST {
        let message = format!("The policy is longer than {LONGEST} bytes.");
        return Err(errors::limit_exceeded_exception(message).into());
    }
    let malformed = |message: String| errors::malformed_policy_document_exception(message);
    cx.policies().compile(PolicyKind::Resource, policy).map_err(|bad| malformed(bad.to_string()))?;
    if bypass {
        return Ok(());
    }
    let changed = Key { policy: policy.to_owned(), ..key.clone() };
    let denied = cx.denied(&permission::on_key(cx, &cx.read(), &changed, "PutKeyPolicy")?)?;
    // What the caller's own policies lack, their account can give them later; the key policy is what nobody could change.
    if denied.is_some_and(|message| message.contains("resource-based policy")) {
        let message = "The new key policy will not allow you to update the key policy in the future.";
        return Err(malformed(message.to_owned()).into());
    }
    Ok(())
}

fn check_name(name: Option<&str>) -> Result<()> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(errors::not_found_exception("No such policy exists").into()),
    }
}

pub(crate) fn get(cx: &Cx, input: &api::GetKeyPolicyInput) -> Result<api::GetKeyPolicyOutput> {
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &cx.read())?;
    check_name(input.policy_name.as_deref())?;
    Ok(api::GetKeyPolicyOutput { policy: Some(key.policy), policy_name: Some(NAME.to_owned()) })
}

pub(crate) async fn put(cx: &Cx, input: api::PutKeyPolicyInput) -> Result<()> {
    check_name(input.policy_name.as_deref())?;
    let bypass = input.bypass_policy_lockout_safety_check == Some(true);
    cx.write(|tx| {
        let key = keys::own(cx, tx, &input.key_id)?;
        check(cx, &key, &input.policy, bypass)?;
        Key { policy: input.policy.clone(), ..key }.put(tx);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: api::ListKeyPoliciesInput) -> Result<api::ListKeyPoliciesOutput> {
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &cx.read())?;
    let scope = format!("ListKeyPolicies/{}", key.id);
    let names = [NAME.to_owned()];
    let page = pages::page(names, Clone::clone, &scope, 100, input.limit, input.marker)?;
    Ok(api::ListKeyPoliciesOutput {
        policy_names: Some(page.items),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}
