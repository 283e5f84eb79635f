//! External account bindings: credentials with which clients register, and the roles with whose rights they order.

use undercast_kernel::{Cx, Result};

use super::role;
use super::rows::{BINDING, BINDINGS, Binding, Named, binding, child_arn, endpoint, endpoint_arn, page};
use crate::api::{self, input, output};
use crate::rows::moment;
use crate::{error, keys, tagging};

/// Bytes of the key by which a binding is proved.
const MAC: usize = 32;

fn span(of: &input::Expiration) -> Result<i64> {
    let unit = match of.type_.as_str() {
        "MINUTES" => 60_000,
        "HOURS" => 3_600_000,
        _ => 86_400_000,
    };
    of.value.checked_mul(unit).ok_or_else(|| error::validation("The expiration is too far away."))
}

/// How it is shown by itself and in lists: two shapes with the same members.
macro_rules! shown {
    ($of:ident, $cx:expr, $row:expr) => {{
        let (cx, of) = ($cx, $row);
        output::$of {
            acme_external_account_binding_arn: Some(child_arn(cx, &of.endpoint, BINDING, &of.id)),
            acme_endpoint_arn: Some(endpoint_arn(cx, &of.endpoint)),
            role_arn: Some(of.role.clone()),
            expires_at: of.expires.and_then(moment),
            revoked_at: of.revoked.and_then(moment),
            last_used_at: of.used.and_then(moment),
            created_at: moment(of.created),
            updated_at: moment(of.updated),
        }
    }};
}

/// `CreateAcmeExternalAccountBinding`
pub(crate) async fn create(
    cx: &Cx,
    input: &api::CreateAcmeExternalAccountBindingInput,
) -> Result<api::CreateAcmeExternalAccountBindingOutput> {
    let tags = tagging::of_acme(input.tags.as_deref())?;
    let request = (&input.acme_endpoint_arn, &input.role_arn, &input.expiration);
    let span = input.expiration.as_ref().map(span).transpose()?;
    endpoint(cx, &cx.read(), &input.acme_endpoint_arn)?;
    if !role::is_assumable(cx, &input.role_arn)? {
        let message = format!("The role {} cannot be assumed by {}.", input.role_arn, super::PRINCIPAL);
        return Err(error::validation(message));
    }
    let mac = keys::sealed(cx, &cx.random().bytes::<MAC>())?;
    let made = cx
        .write(|tx| {
            let of = endpoint(cx, tx, &input.acme_endpoint_arn)?;
            let all = BINDINGS.all(tx, &(cx.account(), cx.region(), &of.id))?;
            let there = super::repeated(cx, tx, input.idempotency_token.as_deref(), &request, |_, token| {
                Ok(all.iter().find(|entry| entry.row.token.as_deref() == Some(token)).map(|entry| entry.row.clone()))
            })?;
            if let Some(there) = there {
                return Ok(there);
            }
            let new = Binding {
                id: cx.random().uuid(),
                endpoint: of.id,
                role: input.role_arn.clone(),
                mac: mac.clone(),
                expires: span.map(|span| cx.now_millis().saturating_add(span)),
                revoked: None,
                used: None,
                tags: tags.clone(),
                created: cx.now_millis(),
                updated: cx.now_millis(),
                token: input.idempotency_token.clone(),
            };
            BINDINGS.put(tx, &(cx.account(), cx.region(), &new.endpoint, &new.id), &new);
            Ok(new)
        })
        .await?;
    Ok(api::CreateAcmeExternalAccountBindingOutput {
        external_account_binding: Some(shown!(AcmeExternalAccountBinding, cx, made)),
    })
}

/// `DescribeAcmeExternalAccountBinding`
pub(crate) fn describe(
    cx: &Cx,
    input: &api::DescribeAcmeExternalAccountBindingInput,
) -> Result<api::DescribeAcmeExternalAccountBindingOutput> {
    let of = binding(cx, &cx.read(), &input.acme_external_account_binding_arn)?;
    Ok(api::DescribeAcmeExternalAccountBindingOutput {
        external_account_binding: Some(shown!(AcmeExternalAccountBinding, cx, of)),
    })
}

/// `GetAcmeExternalAccountBindingCredentials`: the key in the form in which clients take it.
pub(crate) fn credentials(
    cx: &Cx,
    input: &api::GetAcmeExternalAccountBindingCredentialsInput,
) -> Result<api::GetAcmeExternalAccountBindingCredentialsOutput> {
    let of = binding(cx, &cx.read(), &input.acme_external_account_binding_arn)?;
    if !is_good(cx, &of) {
        return Err(error::validation("The external account binding is revoked, or has expired."));
    }
    let mac = keys::opened(cx, of.mac)?;
    Ok(api::GetAcmeExternalAccountBindingCredentialsOutput {
        key_id: Some(of.id),
        mac_key: Some(super::jose::encode(&mac)),
    })
}

/// Whether clients can still register with it.
pub(crate) fn is_good(cx: &Cx, of: &Binding) -> bool {
    of.revoked.is_none() && of.expires.is_none_or(|expires| cx.now_millis() < expires)
}

/// `ListAcmeExternalAccountBindings`
pub(crate) fn list(
    cx: &Cx,
    input: &api::ListAcmeExternalAccountBindingsInput,
) -> Result<api::ListAcmeExternalAccountBindingsOutput> {
    let from = cx.read();
    let endpoint = endpoint(cx, &from, &input.acme_endpoint_arn)?;
    let all = BINDINGS.all(&from, &(cx.account(), cx.region(), &endpoint.id))?.into_iter().map(|entry| entry.row);
    let shown = all.map(|of| shown!(AcmeExternalAccountBindingSummary, cx, of));
    let scope = format!("ListAcmeExternalAccountBindings/{}", endpoint.id);
    let (list, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAcmeExternalAccountBindingsOutput { external_account_bindings: Some(list), next_token })
}

/// `RevokeAcmeExternalAccountBinding`: accounts that registered with it stay.
pub(crate) async fn revoke(cx: &Cx, input: &api::RevokeAcmeExternalAccountBindingInput) -> Result<()> {
    cx.write(|tx| {
        let mut of = binding(cx, tx, &input.acme_external_account_binding_arn)?;
        if of.revoked.is_none() {
            (of.revoked, of.updated) = (Some(cx.now_millis()), cx.now_millis());
            BINDINGS.put(tx, &(cx.account(), cx.region(), &of.endpoint, &of.id), &of);
        }
        Ok(())
    })
    .await
}

/// `DeleteAcmeExternalAccountBinding`
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteAcmeExternalAccountBindingInput) -> Result<()> {
    let Some(Named::Binding(endpoint, id)) = Named::parse(cx, &input.acme_external_account_binding_arn) else {
        return Ok(());
    };
    cx.write(|tx| {
        BINDINGS.delete(tx, &(cx.account(), cx.region(), &endpoint, &id));
        Ok(())
    })
    .await
}
