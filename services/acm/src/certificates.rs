//! What is done to a certificate that is there: deleted, revoked, renewed, changed.

use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::describe::enabled;
use crate::request::{self, Names};
use crate::rows::{
    CERTIFICATES, Certificate, DomainStatus, Kind, MATERIAL, Method, Revocation, Status, Update, Validation, find,
};
use crate::{error, events, lifecycle, quotas};

fn check_unused(cx: &Cx, of: &Certificate, arn: &str) -> Result<()> {
    if of.users(cx)?.is_empty() {
        return Ok(());
    }
    let message = format!("Certificate {arn} in account {} is in use.", of.account);
    Err(errors::resource_in_use_exception(message).into())
}

/// `DeleteCertificate`
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteCertificateInput) -> Result<()> {
    let arn = &input.certificate_arn;
    cx.write(|tx| {
        let of = find(cx, tx, arn)?;
        check_unused(cx, &of, arn)?;
        CERTIFICATES.delete(tx, &of.key());
        MATERIAL.delete(tx, &of.key());
        quotas::give_back(cx, tx, &of)
    })
    .await
}

/// `RevokeCertificate`: of one that somebody has outside.
pub(crate) async fn revoke(cx: &Cx, input: &api::RevokeCertificateInput) -> Result<api::RevokeCertificateOutput> {
    let arn = &input.certificate_arn;
    cx.write(|tx| {
        let mut of = find(cx, tx, arn)?;
        if of.status == Status::Revoked {
            return Err(error::conflict(format!("The certificate {arn} is revoked already.")));
        }
        check_unused(cx, &of, arn)?;
        let outside = of.kind == Kind::AmazonIssued && (of.exported || of.ordered.is_some());
        if !outside || of.status != Status::Issued {
            let message = format!("The certificate {arn} cannot be revoked: it was not exported, or is not issued.");
            return Err(error::validation(message));
        }
        revoke_within(cx, tx, &mut of, &input.revocation_reason)
    })
    .await?;
    Ok(api::RevokeCertificateOutput { certificate_arn: Some(arn.clone()) })
}

/// Revokes a certificate, with the writes of a transaction.
pub(crate) fn revoke_within(
    cx: &Cx,
    tx: &mut undercast_kernel::store::Tx<'_>,
    of: &mut Certificate,
    reason: &str,
) -> Result<()> {
    of.status = Status::Revoked;
    of.revoked = Some(Revocation { reason: reason.to_owned(), at: cx.now_millis() });
    CERTIFICATES.put(tx, &of.key(), of);
    match of.facts()? {
        Some(facts) => events::revoked(cx, tx, of, &facts),
        None => Ok(()),
    }
}

/// `RenewCertificate`: before its time, of one that was exported.
///
/// Source: "Force certificate renewal" in the user guide.
pub(crate) async fn renew(cx: &Cx, input: &api::RenewCertificateInput) -> Result<()> {
    let arn = &input.certificate_arn;
    cx.write(|tx| {
        let mut of = find(cx, tx, arn)?;
        let pending = of.renewal.as_ref().is_some_and(|renewal| renewal.status.is_pending());
        if of.status == Status::PendingValidation || pending {
            return Err(error::in_progress(arn));
        }
        if !(of.exported_since && of.is_renewable(cx)?) {
            return Err(error::validation(format!("The certificate {arn} is not eligible for renewal.")));
        }
        of.renewal = Some(lifecycle::renewal(cx, &of));
        CERTIFICATES.put(tx, &of.key(), &of);
        lifecycle::look_now(cx, tx, &of)
    })
    .await
}

/// `UpdateCertificateOptions`: from letters to records, for the most part.
///
/// Source: "Migrate from email to DNS validation" in the user guide.
pub(crate) async fn update_options(
    cx: &Cx,
    published: Names,
    input: &api::UpdateCertificateOptionsInput,
) -> Result<()> {
    let (arn, options) = (&input.certificate_arn, &input.options);
    let transparency = options.certificate_transparency_logging_preference.as_ref();
    if transparency.is_none() && options.export.is_none() && options.validation_method.is_none() {
        return Err(error::validation("Options must have at least one member."));
    }
    cx.write(|tx| {
        let mut of = find(cx, tx, arn)?;
        if of.kind != Kind::AmazonIssued || of.status != Status::Issued {
            let message = format!("The certificate {arn} is not one that ACM issued, or is {}.", of.status.as_str());
            return Err(error::state(message));
        }
        if options.export.as_ref().is_some_and(|wanted| *wanted != enabled(of.exportable)) {
            return Err(error::validation("The value of Export cannot be updated after the certificate is created."));
        }
        if let Some(transparency) = transparency {
            of.transparency = Some(transparency.clone());
        }
        if let Some(wanted) = &options.validation_method {
            of.update = Some(migration(cx, &of, wanted)?);
            for name in of.names.iter().filter(|_| published == Names::Published) {
                request::publish(cx, tx, name, "")?;
            }
            lifecycle::look_now(cx, tx, &of)?;
        }
        CERTIFICATES.put(tx, &of.key(), &of);
        Ok(())
    })
    .await
}

/// The change that is asked for.
fn migration(cx: &Cx, of: &Certificate, wanted: &str) -> Result<Update> {
    if of.update.as_ref().is_some_and(|update| update.status == DomainStatus::Pending) {
        return Err(error::conflict("The validation method of the certificate is being updated already."));
    }
    if wanted != Method::Dns.as_str() || of.method != Some(Method::Email) {
        let message = "The validation method can be changed from EMAIL to DNS, and not otherwise.";
        return Err(error::validation(message));
    }
    let by_record = |name: &String| Validation {
        domain: name.clone(),
        method: Method::Dns,
        validation_domain: None,
        status: DomainStatus::Pending,
        code: None,
    };
    let now = cx.now_millis();
    let validations = of.names.iter().map(by_record).collect();
    Ok(Update { status: DomainStatus::Pending, validations, requested: now, updated: now })
}
