//! Resource policies of secrets.
//!
//! Source: PutResourcePolicy, ValidateResourcePolicy and ListResourcePolicies in the API reference: of the policies that a secret can
//! have, its users change the one that is called `default`; the others are AWS's own, and there are none here.

use std::sync::Arc;

use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors, output};
use crate::rows::Secret;
use crate::{access, error, replication};

/// The policy that users change.
const DEFAULT: &str = "default";
const PAGE: i32 = 100;

fn check_name(name: Option<&str>) -> Result<()> {
    match name {
        None | Some(DEFAULT) => Ok(()),
        Some(other) => Err(error::parameter(format!(
            "The policy {other} can't be changed. You can modify only the default policy."
        ))),
    }
}

fn compile(cx: &Cx, text: &str) -> Result<Arc<Policy>> {
    let malformed = |why: String| -> Failure {
        let message = if why.to_lowercase().contains("principal") {
            "This resource policy contains an unsupported principal.".to_owned()
        } else {
            format!("This resource policy contains a syntax error: {why}")
        };
        errors::malformed_policy_document_exception(message).into()
    };
    cx.policies().compile(PolicyKind::Resource, text).map_err(|bad| malformed(bad.to_string()))
}

pub(crate) async fn put(cx: &Cx, input: &api::PutResourcePolicyInput) -> Result<api::PutResourcePolicyOutput> {
    check_name(input.policy_name.as_deref())?;
    Secret::changeable(cx, &cx.read(), &input.secret_id)?;
    let policy = compile(cx, &input.resource_policy)?;
    if input.block_public_policy == Some(true) && policy.is_public(&[]) {
        let message = "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access to the secret.";
        return Err(errors::public_policy_exception(message).into());
    }
    let secret = change(cx, &input.secret_id, Some(&input.resource_policy)).await?;
    Ok(api::PutResourcePolicyOutput {
        arn: Some(secret.arn(cx)),
        name: Some(secret.name),
        policy_name: Some(DEFAULT.to_owned()),
    })
}

async fn change(cx: &Cx, id: &str, policy: Option<&str>) -> Result<Secret> {
    cx.write(|tx| {
        let secret = Secret::changeable(cx, tx, id)?;
        let secret = Secret { policy: policy.map(ToOwned::to_owned), changed: cx.now_millis(), ..secret };
        secret.put(tx);
        replication::follow(cx, tx, &secret)?;
        Ok(secret)
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteResourcePolicyInput) -> Result<api::DeleteResourcePolicyOutput> {
    check_name(input.policy_name.as_deref())?;
    let secret = change(cx, &input.secret_id, None).await?;
    Ok(api::DeleteResourcePolicyOutput {
        arn: Some(secret.arn(cx)),
        name: Some(secret.name),
        policy_name: Some(DEFAULT.to_owned()),
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetResourcePolicyInput) -> Result<api::GetResourcePolicyOutput> {
    let secret = Secret::active(cx, &cx.read(), &input.secret_id)?;
    if let Some(name) = input.policy_name.as_deref().filter(|name| *name != DEFAULT) {
        let message = format!("Secrets Manager can't find the resource policy {name}.");
        return Err(errors::resource_not_found_exception(message).into());
    }
    Ok(api::GetResourcePolicyOutput {
        arn: Some(secret.arn(cx)),
        policy_name: secret.policy.as_ref().map(|_| DEFAULT.to_owned()),
        resource_policy: secret.policy,
        name: Some(secret.name),
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListResourcePoliciesInput) -> Result<api::ListResourcePoliciesOutput> {
    let secret = Secret::active(cx, &cx.read(), &input.secret_id)?;
    let named = secret.policy.iter().map(|_| output::ResourcePolicySummary { policy_name: Some(DEFAULT.to_owned()) });
    let size = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let scope = format!("ListResourcePolicies/{}", secret.arn(cx));
    let page = paging::page(&scope, named.collect(), input.next_token.as_deref(), size);
    let (resource_policies, next_token) = page.ok_or_else(error::bad_page)?;
    Ok(api::ListResourcePoliciesOutput { resource_policies, next_token })
}

/// Tries a policy out: whether it lets everybody in, and whether whoever asks could change it again.
pub(crate) fn validate(cx: &Cx, input: &api::ValidateResourcePolicyInput) -> Result<api::ValidateResourcePolicyOutput> {
    let policy = compile(cx, &input.resource_policy)?;
    let mut found = Vec::new();
    let mut add = |check: &str, message: &str| {
        found.push(output::ValidationErrorsEntry {
            check_name: Some(check.to_owned()),
            error_message: Some(message.to_owned()),
        });
    };
    if policy.is_public(&[]) {
        add("PublicPolicy", "The resource policy did not prevent broad access to the secret.");
    }
    let secret = match &input.secret_id {
        Some(id) => Secret::active(cx, &cx.read(), id)?,
        None => Secret::new(cx, "*"),
    };
    let tried = Secret { policy: Some(input.resource_policy.clone()), ..secret };
    if cx.denied(&access::on_secret(cx, &tried, "PutResourcePolicy")?)?.is_some() {
        add("Lockout", "The resource policy would keep you from changing it.");
    }
    Ok(api::ValidateResourcePolicyOutput {
        policy_validation_passed: Some(found.is_empty()),
        validation_errors: Some(found),
    })
}
