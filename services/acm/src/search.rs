//! `SearchCertificates`: by statements over what certificates say and what ACM knows of them.

use std::cmp::Ordering;

use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, input, output};
use crate::describe::{eligibility, enabled};
use crate::error;
use crate::listing::{Listed, all};
use crate::rows::{Kind, Method, moment};
use crate::x509::Facts;

/// A page has so many at most.
const PAGE: usize = 500;
/// Statements are so many levels deep at most.
const DEPTH: usize = 10;

/// A certificate as it is looked for and shown.
struct Found {
    listed: Listed,
    arn: String,
    in_use: bool,
    renewable: bool,
}

impl Found {
    fn new(cx: &Cx, listed: Listed) -> Result<Self> {
        let (arn, renewable) = (listed.row.arn(cx), listed.row.is_renewable(cx)?);
        Ok(Self { arn, in_use: !listed.row.users(cx)?.is_empty(), renewable, listed })
    }

    fn common_name(&self) -> Option<String> {
        match &self.listed.facts {
            Some(facts) => facts.subject_name.common_name.clone(),
            None => self.listed.domain(),
        }
    }

    fn is_exported(&self) -> bool {
        self.listed.row.exported
    }

    fn renewal_status(&self) -> Option<&'static str> {
        self.listed.row.renewal.as_ref().map(|renewal| renewal.status.as_str())
    }

    fn validation_method(&self) -> Option<&'static str> {
        self.listed.row.method.map(Method::as_str)
    }

    fn endpoint(&self) -> Option<&str> {
        self.listed.row.ordered.as_ref().map(|ordered| ordered.endpoint.as_str())
    }

    fn acme_account(&self) -> Option<&str> {
        self.listed.row.ordered.as_ref().map(|ordered| ordered.account.as_str())
    }

    fn starts(&self) -> Option<Timestamp> {
        self.listed.facts.as_ref().and_then(Facts::starts)
    }

    fn ends(&self) -> Option<Timestamp> {
        self.listed.facts.as_ref().and_then(Facts::ends)
    }
}

/// Refuses statements within statements without end. That each says one thing was seen to when they were read.
fn check(statement: &input::CertificateFilterStatement, depth: usize) -> Result<()> {
    if depth > DEPTH {
        return Err(error::validation(format!("FilterStatement is more than {DEPTH} levels deep.")));
    }
    let (and, or, not) = (statement.and.as_ref(), statement.or.as_ref(), statement.not.as_deref());
    and.into_iter().chain(or).flatten().chain(not).try_for_each(|inner| check(inner, depth + 1))
}

fn holds(of: &Found, statement: &input::CertificateFilterStatement) -> bool {
    let (and, or) = (statement.and.as_ref(), statement.or.as_ref());
    and.is_none_or(|all| all.iter().all(|inner| holds(of, inner)))
        && or.is_none_or(|any| any.iter().any(|inner| holds(of, inner)))
        && statement.not.as_deref().is_none_or(|inner| !holds(of, inner))
        && statement.filter.as_ref().is_none_or(|filter| passes(of, filter))
}

fn passes(of: &Found, filter: &input::CertificateFilter) -> bool {
    filter.certificate_arn.as_ref().is_none_or(|arn| *arn == of.arn)
        && filter.x509_attribute_filter.as_ref().is_none_or(|filter| says(of, filter))
        && filter.acm_certificate_metadata_filter.as_ref().is_none_or(|filter| is_known_as(of, filter))
}

fn compare(value: &str, wanted: &str, operator: &str) -> bool {
    let (value, wanted) = (value.to_lowercase(), wanted.to_lowercase());
    if operator == "EQUALS" { value == wanted } else { value.contains(&wanted) }
}

fn is_between(at: Option<Timestamp>, range: &input::TimestampRange) -> bool {
    at.is_some_and(|at| range.start.is_none_or(|start| start <= at) && range.end.is_none_or(|end| at <= end))
}

/// What the certificate itself says.
fn says(of: &Found, filter: &input::X509AttributeFilter) -> bool {
    let listed = &of.listed;
    let common = filter.subject.as_ref().and_then(|subject| subject.common_name.as_ref());
    let name = filter.subject_alternative_name.as_ref().and_then(|name| name.dns_name.as_ref());
    let serial = listed.facts.as_ref().map(|facts| facts.serial.as_str());
    common.is_none_or(|f| of.common_name().is_some_and(|name| compare(&name, &f.value, &f.comparison_operator)))
        && name.is_none_or(|f| listed.names().iter().any(|name| compare(name, &f.value, &f.comparison_operator)))
        && filter.extended_key_usage.as_ref().is_none_or(|wanted| listed.extended().contains(&wanted.as_str()))
        && filter.key_usage.as_ref().is_none_or(|wanted| listed.key_usages().contains(&wanted.as_str()))
        && filter.key_algorithm.as_ref().is_none_or(|wanted| *wanted == listed.row.key_algorithm)
        && filter.serial_number.as_deref().is_none_or(|wanted| serial == Some(wanted))
        && filter.not_after.as_ref().is_none_or(|range| is_between(of.ends(), range))
        && filter.not_before.as_ref().is_none_or(|range| is_between(of.starts(), range))
}

/// What ACM knows of it.
fn is_known_as(of: &Found, filter: &input::AcmCertificateMetadataFilter) -> bool {
    let row = &of.listed.row;
    let is = |wanted: Option<&String>, has: Option<&str>| wanted.is_none_or(|wanted| has == Some(wanted.as_str()));
    is(filter.status.as_ref(), Some(row.status.as_str()))
        && is(filter.renewal_status.as_ref(), of.renewal_status())
        && is(filter.type_.as_ref(), Some(row.kind.as_str()))
        && filter.in_use.is_none_or(|wanted| wanted == of.in_use)
        && filter.exported.is_none_or(|wanted| wanted == of.is_exported())
        && is(filter.export_option.as_ref(), of.listed.export_option().as_deref())
        // CloudFront manages none here.
        && filter.managed_by.is_none()
        && is(filter.validation_method.as_ref(), of.validation_method())
        && is(filter.certificate_key_pair_origin.as_ref(), Some(row.origin()))
        && is(filter.acme_endpoint_arn.as_ref(), of.endpoint())
        && is(filter.acme_account_id.as_ref(), of.acme_account())
}

/// The order of two, by what is said. What one of them lacks comes first.
fn order(a: &Found, b: &Found, by: &str) -> Ordering {
    let (x, y) = (&a.listed.row, &b.listed.row);
    match by {
        "NOT_AFTER" => a.ends().cmp(&b.ends()),
        "NOT_BEFORE" => a.starts().cmp(&b.starts()),
        "STATUS" => x.status.as_str().cmp(y.status.as_str()),
        "RENEWAL_STATUS" => a.renewal_status().cmp(&b.renewal_status()),
        "EXPORTED" => a.is_exported().cmp(&b.is_exported()),
        "IN_USE" => a.in_use.cmp(&b.in_use),
        "KEY_ALGORITHM" => x.key_algorithm.cmp(&y.key_algorithm),
        "TYPE" => x.kind.as_str().cmp(y.kind.as_str()),
        "CERTIFICATE_ARN" => a.arn.cmp(&b.arn),
        "COMMON_NAME" => a.common_name().cmp(&b.common_name()),
        "REVOKED_AT" => x.revoked.as_ref().map(|r| r.at).cmp(&y.revoked.as_ref().map(|r| r.at)),
        "RENEWAL_ELIGIBILITY" => a.renewable.cmp(&b.renewable),
        "ISSUED_AT" => x.issued.cmp(&y.issued),
        "IMPORTED_AT" => x.imported.cmp(&y.imported),
        "EXPORT_OPTION" => a.listed.export_option().cmp(&b.listed.export_option()),
        "VALIDATION_METHOD" => a.validation_method().cmp(&b.validation_method()),
        "ACME_ENDPOINT_ARN" => a.endpoint().cmp(&b.endpoint()),
        "ACME_ACCOUNT_ID" => a.acme_account().cmp(&b.acme_account()),
        "CERTIFICATE_KEY_PAIR_ORIGIN" => x.origin().cmp(y.origin()),
        // By CREATED_AT, in which order they are already; none is managed by somebody.
        _ => Ordering::Equal,
    }
}

fn attributes(of: &Found) -> output::X509Attributes {
    let texts = |of: Vec<&str>| Some(of.into_iter().map(ToOwned::to_owned).collect());
    let dns = |name: String| output::GeneralName { dns_name: Some(name), ..Default::default() };
    let facts = of.listed.facts.as_ref();
    let subject = output::DistinguishedName { common_name: of.common_name(), ..Default::default() };
    let names = facts.map(|facts| facts.names.clone());
    output::X509Attributes {
        issuer: facts.map(|facts| facts.issuer_name.clone()),
        subject: Some(facts.map_or(subject, |facts| facts.subject_name.clone())),
        subject_alternative_names: Some(names.unwrap_or_else(|| of.listed.names().into_iter().map(dns).collect())),
        extended_key_usages: texts(of.listed.extended()),
        key_algorithm: Some(of.listed.row.key_algorithm.clone()),
        key_usages: texts(of.listed.key_usages()),
        serial_number: facts.map(|facts| facts.serial.clone()),
        not_after: of.ends(),
        not_before: of.starts(),
    }
}

fn shown(of: &Found) -> output::CertificateSearchResult {
    let row = &of.listed.row;
    let own = row.kind == Kind::AmazonIssued;
    let metadata = output::AcmCertificateMetadata {
        created_at: moment(row.created),
        exported: own.then_some(row.exported),
        imported_at: row.imported.and_then(moment),
        in_use: Some(of.in_use),
        issued_at: row.issued.and_then(moment),
        renewal_eligibility: Some(eligibility(of.renewable)),
        revoked_at: row.revoked.as_ref().and_then(|revoked| moment(revoked.at)),
        status: Some(row.status.as_str().to_owned()),
        renewal_status: of.renewal_status().map(ToOwned::to_owned),
        type_: Some(row.kind.as_str().to_owned()),
        export_option: own.then(|| enabled(row.exportable)),
        managed_by: None,
        validation_method: of.validation_method().map(ToOwned::to_owned),
        certificate_key_pair_origin: Some(row.origin().to_owned()),
        acme_endpoint_arn: of.endpoint().map(ToOwned::to_owned),
        acme_account_id: of.acme_account().map(ToOwned::to_owned),
    };
    output::CertificateSearchResult {
        certificate_arn: Some(of.arn.clone()),
        x509_attributes: Some(attributes(of)),
        certificate_metadata: Some(output::CertificateMetadata { acm_certificate_metadata: Some(metadata) }),
    }
}

/// `SearchCertificates`: the newest first, where nothing else is said.
pub(crate) fn search(cx: &Cx, input: &api::SearchCertificatesInput) -> Result<api::SearchCertificatesOutput> {
    if let Some(statement) = &input.filter_statement {
        check(statement, 1)?;
    }
    let found = all(cx)?.into_iter().map(|listed| Found::new(cx, listed));
    let mut found = found.collect::<Result<Vec<_>>>()?;
    found.retain(|of| input.filter_statement.as_ref().is_none_or(|statement| holds(of, statement)));
    let by = input.sort_by.as_deref().unwrap_or("CREATED_AT");
    found.sort_by(|a, b| order(a, b, by));
    if input.sort_order.as_deref() != Some("ASCENDING") {
        found.reverse();
    }
    let scope = format!("SearchCertificates/{:?}/{by}/{:?}", input.filter_statement, input.sort_order);
    let size = input.max_results.map_or(PAGE, |results| usize::try_from(results).unwrap_or(PAGE));
    let (page, next_token) = error::page(&scope, found, input.next_token.as_deref(), size, error::validation)?;
    Ok(api::SearchCertificatesOutput { results: Some(page.iter().map(shown).collect()), next_token })
}
