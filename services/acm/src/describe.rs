//! Certificates as answers show them.

use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, output};
use crate::rows::{Certificate, DomainStatus, Kind, Method, Renewal, Status, Update, Validation, find, moment};
use crate::x509::Facts;
use crate::{domains, error, letters};

/// A page has so many at most.
const PAGE: usize = 1000;

/// Whether something may be done, as options say it.
pub(crate) fn enabled(is: bool) -> String {
    if is { "ENABLED" } else { "DISABLED" }.to_owned()
}

pub(crate) fn eligibility(is: bool) -> String {
    if is { "ELIGIBLE" } else { "INELIGIBLE" }.to_owned()
}

/// A key algorithm as certificates are described and listed with it: `RSA-2048`, which the API's own enumeration does not have, but
/// which AWS answers.
pub(crate) fn hyphenated(key_algorithm: &str) -> Option<String> {
    Some(key_algorithm.replace('_', "-"))
}

/// What a signature of the authority that will issue it is called.
fn expected_signature(key_algorithm: &str) -> String {
    if key_algorithm.starts_with("RSA") { "SHA256WITHRSA" } else { "SHA256WITHECDSA" }.to_owned()
}

fn validation(cx: &Cx, of: &Validation) -> output::DomainValidation {
    output::DomainValidation {
        domain_name: of.domain.clone(),
        validation_emails: of.validation_domain.as_deref().map(letters::recipients),
        validation_domain: of.validation_domain.clone().or_else(|| Some(of.domain.clone())),
        validation_status: Some(of.status.as_str().to_owned()),
        resource_record: (of.method == Method::Dns).then(|| domains::record(cx, &of.domain, "")),
        http_redirect: None,
        validation_method: Some(of.method.as_str().to_owned()),
    }
}

fn validations(cx: &Cx, of: &[Validation]) -> Vec<output::DomainValidation> {
    of.iter().map(|of| validation(cx, of)).collect()
}

fn renewal(cx: &Cx, of: &Renewal) -> output::RenewalSummary {
    output::RenewalSummary {
        renewal_status: of.status.as_str().to_owned(),
        domain_validation_options: validations(cx, &of.validations),
        renewal_status_reason: of.reason.clone(),
        updated_at: moment(of.updated).unwrap_or_else(|| cx.now()),
    }
}

fn update(of: &Update) -> output::UpdateSummary {
    let status = match of.status {
        DomainStatus::Pending => "PENDING_DOMAIN_VALIDATION",
        DomainStatus::Success => "SUCCESS",
        DomainStatus::Failed => "FAILED",
    };
    output::UpdateSummary {
        status: Some(status.to_owned()),
        type_: Some("DOMAIN_VALIDATION_METHOD".to_owned()),
        domain_validation_method_update_summary: Some(output::DomainValidationMethodUpdateSummary {
            from: Some(Method::Email.as_str().to_owned()),
            to: Some(Method::Dns.as_str().to_owned()),
        }),
        requested_at: moment(of.requested),
        updated_at: moment(of.updated),
    }
}

fn options(of: &Certificate) -> Option<output::CertificateOptions> {
    (of.kind == Kind::AmazonIssued).then(|| output::CertificateOptions {
        certificate_transparency_logging_preference: Some(of.transparency.clone().unwrap_or_else(|| enabled(true))),
        export: Some(enabled(of.exportable)),
        validation_method: of.method.map(|method| method.as_str().to_owned()),
    })
}

/// `DescribeCertificate`
pub(crate) fn describe(cx: &Cx, input: &api::DescribeCertificateInput) -> Result<api::DescribeCertificateOutput> {
    let of = find(cx, &cx.read(), &input.certificate_arn)?;
    let facts = of.facts()?;
    let facts = facts.as_ref();
    let own = of.kind == Kind::AmazonIssued;
    let first = of.names.first().cloned();
    let names = if own { of.names.clone() } else { facts.map_or_else(Vec::new, Facts::domains) };
    let subject = facts.map(|facts| facts.subject.clone());
    let usages = facts.map(|facts| facts.key_usages.iter().map(|name| output::KeyUsage { name: text(name) }).collect());
    let extended = facts.map(|facts| {
        let shown = facts.extended.iter();
        shown.map(|(name, oid)| output::ExtendedKeyUsage { name: text(name), oid: oid.clone() }).collect()
    });
    let signature = facts.map(|facts| facts.signature_algorithm.clone());
    let detail = output::CertificateDetail {
        certificate_arn: Some(of.arn(cx)),
        domain_name: first.clone().or_else(|| facts.and_then(Facts::domain)),
        subject_alternative_names: (!names.is_empty()).then_some(names),
        managed_by: None,
        domain_validation_options: (!of.validations.is_empty()).then(|| validations(cx, &of.validations)),
        serial: facts.map(|facts| facts.serial.clone()),
        subject: subject.or_else(|| first.map(|first| format!("CN={first}"))),
        issuer: facts.map(|facts| facts.issuer.clone()).or_else(|| own.then(|| "Amazon".to_owned())),
        created_at: moment(of.created),
        issued_at: of.issued.and_then(moment),
        imported_at: of.imported.and_then(moment),
        status: text(of.status.as_str()),
        revoked_at: of.revoked.as_ref().and_then(|revoked| moment(revoked.at)),
        revocation_reason: of.revoked.as_ref().map(|revoked| revoked.reason.clone()),
        not_before: facts.and_then(Facts::starts),
        not_after: facts.and_then(Facts::ends),
        key_algorithm: hyphenated(&of.key_algorithm),
        signature_algorithm: signature.or_else(|| Some(expected_signature(&of.key_algorithm))),
        in_use_by: Some(of.users(cx)?),
        failure_reason: of.failure.clone(),
        type_: text(of.kind.as_str()),
        renewal_summary: of.renewal.as_ref().map(|of| renewal(cx, of)),
        key_usages: Some(usages.unwrap_or_else(Vec::new)),
        extended_key_usages: Some(extended.unwrap_or_else(Vec::new)),
        certificate_authority_arn: None,
        renewal_eligibility: Some(eligibility(of.is_renewable(cx)?)),
        options: options(&of),
        update_summary: of.update.as_ref().map(update),
        certificate_key_pair_origin: text(of.origin()),
        acme_endpoint_arn: of.ordered.as_ref().map(|ordered| ordered.endpoint.clone()),
        acme_account_id: of.ordered.as_ref().map(|ordered| ordered.account.clone()),
    };
    Ok(api::DescribeCertificateOutput { certificate: Some(detail) })
}

fn text(of: &str) -> Option<String> {
    Some(of.to_owned())
}

fn configuration(cx: &Cx, of: &Validation) -> output::ValidationConfiguration {
    let challenge = match of.method {
        Method::Dns => output::ValidationChallenge {
            email_validation_challenge: None,
            dns_validation_challenge: Some(output::DnsValidationChallenge {
                resource_record: Some(domains::record(cx, &of.domain, "")),
            }),
        },
        Method::Email => output::ValidationChallenge {
            email_validation_challenge: Some(output::EmailValidationChallenge {
                validation_emails: of.validation_domain.as_deref().map(letters::recipients),
                validation_domain: of.validation_domain.clone(),
            }),
            dns_validation_challenge: None,
        },
    };
    output::ValidationConfiguration {
        validation_method: text(of.method.as_str()),
        validation_challenge: Some(challenge),
        validation_status: text(of.status.as_str()),
    }
}

/// `ListCertificateDomainValidations`: how each domain is validated, and how it shall be where that is being changed.
pub(crate) fn list_validations(
    cx: &Cx,
    input: &api::ListCertificateDomainValidationsInput,
) -> Result<api::ListCertificateDomainValidationsOutput> {
    let of = find(cx, &cx.read(), &input.certificate_arn)?;
    let changing = of.update.as_ref().filter(|update| update.status == DomainStatus::Pending);
    let summaries = of.validations.iter().map(|active| {
        let requested = changing.and_then(|update| update.validations.iter().find(|v| v.domain == active.domain));
        output::DomainValidationSummary {
            domain_name: active.domain.clone(),
            active_validation_configuration: Some(configuration(cx, active)),
            requested_validation_configuration: requested.map(|requested| configuration(cx, requested)),
        }
    });
    let scope = format!("ListCertificateDomainValidations/{}", of.id);
    let size = input.max_items.map_or(PAGE, |items| usize::try_from(items).unwrap_or(PAGE));
    let bad_token = |why| errors::invalid_args_exception(why).into();
    let (list, next_token) = error::page(&scope, summaries.collect(), input.next_token.as_deref(), size, bad_token)?;
    Ok(api::ListCertificateDomainValidationsOutput { domain_validation_summary_list: Some(list), next_token })
}

/// A certificate that is not there yet, or never will be, is not shown.
pub(crate) fn check_there(of: &Certificate, arn: &str) -> Result<()> {
    match of.status {
        Status::PendingValidation => Err(error::in_progress(arn)),
        Status::ValidationTimedOut | Status::Failed => Err(error::missing(arn)),
        Status::Issued | Status::Expired | Status::Revoked => Ok(()),
    }
}
