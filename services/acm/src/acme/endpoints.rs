//! Endpoints: made, changed, and deleted with all that belongs to them. Certificates that they issued stay.

use undercast_kernel::{Cx, Result};

use super::rows::{ACCOUNTS, BINDINGS, ENDPOINTS, Endpoint, Named, ORDERS, VALIDATIONS, endpoint, page};
use crate::api::{self, input, output};
use crate::rows::moment;
use crate::tagging;

/// The algorithms that an endpoint is held to.
fn algorithms(authority: &input::CertificateAuthority) -> Option<Vec<String>> {
    authority.public_certificate_authority.as_ref().and_then(|public| public.allowed_key_algorithms.clone())
}

/// `CreateAcmeEndpoint`: it can be used at once.
pub(crate) async fn create(cx: &Cx, input: &api::CreateAcmeEndpointInput) -> Result<api::CreateAcmeEndpointOutput> {
    let request =
        (&input.contact, &input.certificate_authority, &input.authorization_behavior, &input.certificate_tags);
    let new = Endpoint {
        id: cx.random().uuid(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        contact: input.contact.clone(),
        algorithms: algorithms(&input.certificate_authority),
        certificate_tags: tagging::of_acme(input.certificate_tags.as_deref())?,
        tags: tagging::of_acme(input.tags.as_deref())?,
        created: cx.now_millis(),
        updated: cx.now_millis(),
        token: input.idempotency_token.clone(),
    };
    let made = cx
        .write(|tx| {
            let there = super::repeated(cx, tx, input.idempotency_token.as_deref(), &request, |tx, token| {
                let all = ENDPOINTS.all(tx, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
                Ok(all.into_iter().find(|row| row.token.as_deref() == Some(token)))
            })?;
            let made = there.unwrap_or_else(|| new.clone());
            ENDPOINTS.put(tx, &made.key(), &made);
            Ok(made)
        })
        .await?;
    Ok(api::CreateAcmeEndpointOutput { acme_endpoint_arn: Some(made.arn(cx)) })
}

/// `UpdateAcmeEndpoint`: what is not said stays.
pub(crate) async fn update(cx: &Cx, input: &api::UpdateAcmeEndpointInput) -> Result<()> {
    cx.write(|tx| {
        let mut row = endpoint(cx, tx, &input.acme_endpoint_arn)?;
        if let Some(contact) = &input.contact {
            row.contact = Some(contact.clone());
        }
        if let Some(authority) = &input.certificate_authority {
            row.algorithms = algorithms(authority);
        }
        // There is one behaviour, which it has already.
        if input.authorization_behavior.is_some() || input.contact.is_some() || input.certificate_authority.is_some() {
            row.updated = cx.now_millis();
        }
        ENDPOINTS.put(tx, &row.key(), &row);
        Ok(())
    })
    .await
}

/// `DeleteAcmeEndpoint`
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteAcmeEndpointInput) -> Result<()> {
    let Some(Named::Endpoint(id)) = Named::parse(cx, &input.acme_endpoint_arn) else { return Ok(()) };
    cx.write(|tx| {
        ENDPOINTS.delete(tx, &cx.key(&id));
        let all = (cx.account(), cx.region(), &id);
        VALIDATIONS.clear(tx, &all)?;
        BINDINGS.clear(tx, &all)?;
        ACCOUNTS.clear(tx, &all)?;
        ORDERS.clear(tx, &all)?;
        Ok(())
    })
    .await
}

fn authority(of: &Endpoint) -> output::CertificateAuthority {
    output::CertificateAuthority {
        public_certificate_authority: Some(output::PublicCertificateAuthority {
            allowed_key_algorithms: of.algorithms.clone(),
        }),
    }
}

/// How it is shown by itself and in lists: two shapes with the same members.
macro_rules! shown {
    ($of:ident, $cx:expr, $row:expr) => {{
        let (cx, of) = ($cx, $row);
        output::$of {
            acme_endpoint_arn: Some(of.arn(cx)),
            endpoint_url: Some(of.url(cx)),
            status: Some("ACTIVE".to_owned()),
            failure_reason: None,
            authorization_behavior: Some("PRE_APPROVED".to_owned()),
            contact: of.contact.clone(),
            certificate_authority: Some(authority(&of)),
            certificate_tags: Some(tagging::shown(&of.certificate_tags)),
            created_at: moment(of.created),
            updated_at: moment(of.updated),
        }
    }};
}

/// `DescribeAcmeEndpoint`
pub(crate) fn describe(cx: &Cx, input: &api::DescribeAcmeEndpointInput) -> Result<api::DescribeAcmeEndpointOutput> {
    let of = endpoint(cx, &cx.read(), &input.acme_endpoint_arn)?;
    Ok(api::DescribeAcmeEndpointOutput { acme_endpoint: Some(shown!(AcmeEndpoint, cx, of)) })
}

/// `ListAcmeEndpoints`
pub(crate) fn list(cx: &Cx, input: &api::ListAcmeEndpointsInput) -> Result<api::ListAcmeEndpointsOutput> {
    let all = ENDPOINTS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let shown = all.map(|of| shown!(AcmeEndpointSummary, cx, of));
    let (token, most) = (input.next_token.as_deref(), input.max_results);
    let (acme_endpoints, next_token) = page("ListAcmeEndpoints", shown.collect(), token, most)?;
    Ok(api::ListAcmeEndpointsOutput { acme_endpoints: Some(acme_endpoints), next_token })
}
