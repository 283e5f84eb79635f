//! `ListCertificates`: by default, those that ACM or users made, with RSA keys of 1,024 and 2,048 bits and a domain.
//!
//! Source: ListCertificates and Filters in the API reference.

use undercast_kernel::{Cx, Result};

use crate::api::{self, errors, input, output};
use crate::describe::{eligibility, enabled, hyphenated};
use crate::error;
use crate::rows::{CERTIFICATES, Certificate, Kind, moment};
use crate::x509::Facts;

/// A page has so many at most.
const PAGE: usize = 1000;
/// The algorithms that are listed when nothing else is said.
const USUAL: &[&str] = &["RSA_1024", "RSA_2048"];
/// So many names of a certificate are shown.
const NAMES: usize = 100;

/// A certificate, and what it says where it is there.
pub(crate) struct Listed {
    pub row: Certificate,
    pub facts: Option<Facts>,
}

impl Listed {
    pub(crate) fn domain(&self) -> Option<String> {
        self.row.names.first().cloned().or_else(|| self.facts.as_ref().and_then(Facts::domain))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        match &self.facts {
            Some(facts) if self.row.kind == Kind::Imported => facts.domains(),
            _ => self.row.names.clone(),
        }
    }

    pub(crate) fn key_usages(&self) -> Vec<&'static str> {
        self.facts.as_ref().map_or_else(Vec::new, |facts| facts.key_usages.clone())
    }

    pub(crate) fn extended(&self) -> Vec<&'static str> {
        self.facts.as_ref().map_or_else(Vec::new, |facts| facts.extended.iter().map(|(name, _)| *name).collect())
    }

    /// Whether it may be exported, as options say it.
    pub(crate) fn export_option(&self) -> Option<String> {
        (self.row.kind == Kind::AmazonIssued).then(|| enabled(self.row.exportable))
    }
}

/// All certificates of an account and region, in the order in which they came.
pub(crate) fn all(cx: &Cx) -> Result<Vec<Listed>> {
    let rows = CERTIFICATES.all(&cx.read(), &(cx.account(), cx.region()))?;
    let listed = rows.into_iter().map(|entry| Ok(Listed { facts: entry.row.facts()?, row: entry.row }));
    let mut listed = listed.collect::<Result<Vec<_>>>()?;
    listed.sort_by(|a, b| (a.row.created, &a.row.id).cmp(&(b.row.created, &b.row.id)));
    Ok(listed)
}

fn is_included(listed: &Listed, includes: Option<&input::Filters>) -> bool {
    let any = |wanted: Option<&Vec<String>>, has: &[&str]| {
        wanted.is_none_or(|wanted| wanted.iter().any(|name| has.contains(&name.as_str())))
    };
    let algorithm = [listed.row.key_algorithm.as_str()];
    let is_usual = USUAL.contains(&algorithm[0]) && listed.domain().is_some();
    let types = includes.and_then(|includes| includes.key_types.as_ref());
    let of_type = types.map_or(is_usual, |types| any(Some(types), &algorithm));
    let Some(includes) = includes else { return of_type };
    of_type
        && any(includes.key_usage.as_ref(), &listed.key_usages())
        && any(includes.extended_key_usage.as_ref(), &listed.extended())
        && includes.export_option.as_ref().is_none_or(|wanted| listed.export_option().as_ref() == Some(wanted))
        // CloudFront manages none here.
        && includes.managed_by.is_none()
}

fn is_of_origin(listed: &Listed, origins: Option<&Vec<String>>) -> bool {
    let origin = listed.row.origin();
    origins.map_or(origin != "ACME", |origins| origins.iter().any(|wanted| wanted == origin))
}

fn summary(cx: &Cx, listed: &Listed) -> Result<output::CertificateSummary> {
    let row = &listed.row;
    let texts = |of: Vec<&str>| Some(of.into_iter().map(ToOwned::to_owned).collect());
    let names = listed.names();
    Ok(output::CertificateSummary {
        certificate_arn: Some(row.arn(cx)),
        domain_name: listed.domain(),
        has_additional_subject_alternative_names: Some(names.len() > NAMES),
        subject_alternative_name_summaries: Some(names.into_iter().take(NAMES).collect()),
        status: Some(row.status.as_str().to_owned()),
        type_: Some(row.kind.as_str().to_owned()),
        key_algorithm: hyphenated(&row.key_algorithm),
        key_usages: texts(listed.key_usages()),
        extended_key_usages: texts(listed.extended()),
        export_option: listed.export_option(),
        in_use: Some(!row.users(cx)?.is_empty()),
        exported: (row.kind == Kind::AmazonIssued).then_some(row.exported),
        renewal_eligibility: Some(eligibility(row.is_renewable(cx)?)),
        not_before: listed.facts.as_ref().and_then(Facts::starts),
        not_after: listed.facts.as_ref().and_then(Facts::ends),
        created_at: moment(row.created),
        issued_at: row.issued.and_then(moment),
        imported_at: row.imported.and_then(moment),
        revoked_at: row.revoked.as_ref().and_then(|revoked| moment(revoked.at)),
        managed_by: None,
        certificate_key_pair_origin: Some(row.origin().to_owned()),
    })
}

/// `ListCertificates`
pub(crate) fn list(cx: &Cx, input: &api::ListCertificatesInput) -> Result<api::ListCertificatesOutput> {
    if input.sort_by.is_some() != input.sort_order.is_some() {
        return Err(error::validation(
            "If you specify SortBy, you must also specify SortOrder, and the other way round.",
        ));
    }
    let mut listed = all(cx)?;
    let statuses = input.certificate_statuses.as_ref();
    listed.retain(|listed| {
        statuses.is_none_or(|wanted| wanted.iter().any(|status| status == listed.row.status.as_str()))
            && is_of_origin(listed, input.certificate_key_pair_origins.as_ref())
            && is_included(listed, input.includes.as_ref())
    });
    if input.sort_order.as_deref() == Some("DESCENDING") {
        listed.reverse();
    }
    let filters = (statuses, &input.certificate_key_pair_origins, &input.includes, &input.sort_order);
    let scope = format!("ListCertificates/{filters:?}");
    let size = input.max_items.map_or(PAGE, |items| usize::try_from(items).unwrap_or(PAGE));
    let bad_token = |why| errors::invalid_args_exception(why).into();
    let (page, next_token) = error::page(&scope, listed, input.next_token.as_deref(), size, bad_token)?;
    let summaries = page.iter().map(|listed| summary(cx, listed)).collect::<Result<_>>()?;
    Ok(api::ListCertificatesOutput { next_token, certificate_summary_list: Some(summaries) })
}
