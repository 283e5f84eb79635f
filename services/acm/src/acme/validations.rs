//! Domains for which an endpoint may issue: each by a record of its own, which must stay published.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Next, Result, Task};

use super::rows::{
    Named, Scope, VALIDATION, VALIDATIONS, Validation, ValidationStatus, child_arn, endpoint, endpoint_arn, page,
    validation,
};
use crate::api::{self, input, output};
use crate::domains::{self, is_within, without_star};
use crate::request::{self, Names};
use crate::rows::moment;
use crate::{SERVICE, error, tagging};

/// The kind of the task that looks for the record.
pub(crate) const KIND: &str = "acme-validation";
/// The record is waited for so long.
const PATIENCE: i64 = 72 * 3_600_000;

fn key<'a>(cx: &'a Cx, of: &'a Validation) -> (&'a str, &'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), &of.endpoint, &of.id)
}

/// The scope that is asked for: the domain itself, where nothing is said.
fn scope(options: &input::DnsPrevalidationOptions) -> Result<Scope> {
    let Some(said) = &options.domain_scope else {
        return Ok(Scope { exact: true, subdomains: false, wildcards: false });
    };
    let is = |option: &Option<String>| option.as_deref() == Some("ENABLED");
    let scope =
        Scope { exact: is(&said.exact_domain), subdomains: is(&said.subdomains), wildcards: is(&said.wildcards) };
    if !(scope.exact || scope.subdomains || scope.wildcards) {
        return Err(error::validation("At least one option of DomainScope must be ENABLED."));
    }
    Ok(scope)
}

fn dns(options: &input::PrevalidationOptions) -> Result<&input::DnsPrevalidationOptions> {
    options
        .dns_prevalidation
        .as_ref()
        .ok_or_else(|| error::validation("PrevalidationOptions must have DnsPrevalidation."))
}

/// `CreateAcmeDomainValidation`
pub(crate) async fn create(
    cx: &Cx,
    published: Names,
    input: &api::CreateAcmeDomainValidationInput,
) -> Result<api::CreateAcmeDomainValidationOutput> {
    let options = dns(&input.prevalidation_options)?;
    let (scope, tags) = (scope(options)?, tagging::of_acme(input.tags.as_deref())?);
    let request = (&input.acme_endpoint_arn, &input.domain_name, &input.prevalidation_options);
    let made = cx
        .write(|tx| {
            let of = endpoint(cx, tx, &input.acme_endpoint_arn)?;
            let all = VALIDATIONS.all(tx, &(cx.account(), cx.region(), &of.id))?;
            let there = super::repeated(cx, tx, input.idempotency_token.as_deref(), &request, |_, token| {
                Ok(all.iter().find(|entry| entry.row.token.as_deref() == Some(token)).map(|entry| entry.row.clone()))
            })?;
            if let Some(there) = there {
                return Ok(there);
            }
            if all.iter().any(|entry| entry.row.domain == input.domain_name) {
                let message = format!("The endpoint has a validation of the domain {} already.", input.domain_name);
                return Err(error::conflict(message));
            }
            let new = Validation {
                id: cx.random().uuid(),
                endpoint: of.id,
                domain: input.domain_name.clone(),
                scope,
                zone: options.hosted_zone_id.clone(),
                status: ValidationStatus::Validating,
                failure: None,
                tags: tags.clone(),
                created: cx.now_millis(),
                updated: cx.now_millis(),
                token: input.idempotency_token.clone(),
            };
            begin(cx, tx, published, &new)?;
            Ok(new)
        })
        .await?;
    let arn = child_arn(cx, &made.endpoint, VALIDATION, &made.id);
    Ok(api::CreateAcmeDomainValidationOutput { acme_domain_validation_arn: arn })
}

/// Puts one that has to look for its record.
fn begin(cx: &Cx, tx: &mut Tx<'_>, published: Names, of: &Validation) -> Result<()> {
    VALIDATIONS.put(tx, &key(cx, of), of);
    if published == Names::Published && of.zone.is_none() {
        request::publish(cx, tx, &of.domain, &of.endpoint)?;
    }
    cx.tasks().schedule(cx, tx, SERVICE, &of.id, KIND, format!("{}/{}", of.endpoint, of.id), cx.now())
}

/// `UpdateAcmeDomainValidation`: it is validated anew.
pub(crate) async fn update(cx: &Cx, published: Names, input: &api::UpdateAcmeDomainValidationInput) -> Result<()> {
    let options = input.prevalidation_options.as_ref().map(dns).transpose()?;
    cx.write(|tx| {
        let mut row = validation(cx, tx, &input.acme_domain_validation_arn)?;
        if let Some(options) = options {
            if options.domain_scope.is_some() {
                row.scope = scope(options)?;
            }
            if options.hosted_zone_id.is_some() {
                row.zone.clone_from(&options.hosted_zone_id);
            }
        }
        row.status = ValidationStatus::Validating;
        row.failure = None;
        row.updated = cx.now_millis();
        begin(cx, tx, published, &row)
    })
    .await
}

/// `DeleteAcmeDomainValidation`
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteAcmeDomainValidationInput) -> Result<()> {
    let Some(Named::Validation(endpoint, id)) = Named::parse(cx, &input.acme_domain_validation_arn) else {
        return Ok(());
    };
    cx.write(|tx| {
        VALIDATIONS.delete(tx, &(cx.account(), cx.region(), &endpoint, &id));
        Ok(())
    })
    .await
}

/// Looks for the record of a validation.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some((endpoint, id)) = task.payload.split_once('/') else { return Ok(Next::Done) };
    let place = (cx.account(), cx.region(), endpoint, id);
    let Some(of) = VALIDATIONS.get(&cx.read(), &place)? else { return Ok(Next::Done) };
    if of.status != ValidationStatus::Validating {
        return Ok(Next::Done);
    }
    // Whoever is told of the record after this look has the task look again.
    let record = domains::record(cx, &of.domain, endpoint);
    cx.write(|tx| {
        cx.await_name(tx, &record.name, SERVICE, id, KIND, &task.payload);
        Ok(())
    })
    .await?;
    let late = of.updated + PATIENCE;
    let (status, failure) = match domains::refusal(cx, &of.domain)? {
        Some(reason) if reason != "CAA_ERROR" => (ValidationStatus::Invalid, Some(reason)),
        // There are no zones here that it could write to.
        _ if of.zone.is_some() => (ValidationStatus::Invalid, Some("HOSTED_ZONE_NOT_FOUND")),
        _ if domains::is_published(cx, &record)? => (ValidationStatus::Valid, None),
        _ if cx.now_millis() >= late => (ValidationStatus::Invalid, Some("TIMED_OUT")),
        _ => return Ok(moment(late).map_or(Next::Done, Next::Again)),
    };
    cx.write(|tx| {
        let Some(mut row) = VALIDATIONS.get(tx, &place)? else { return Ok(()) };
        row.status = status;
        row.failure = failure.map(ToOwned::to_owned);
        row.updated = cx.now_millis();
        VALIDATIONS.put(tx, &place, &row);
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

impl Validation {
    /// Whether it counts for a name: the domain, one under it, or a star under one of these.
    fn covers(&self, name: &str) -> bool {
        let bare = without_star(name);
        let (is_star, is_domain) = (bare != name, bare == self.domain);
        if is_star && !self.scope.wildcards {
            return false;
        }
        if is_domain { is_star || self.scope.exact } else { self.scope.subdomains && is_within(bare, &self.domain) }
    }
}

/// Whether an endpoint may issue for a name: a validation that is good counts for it, and its record is still there.
pub(crate) fn is_authorized(cx: &Cx, from: &(impl Read + ?Sized), endpoint: &str, name: &str) -> Result<bool> {
    for entry in VALIDATIONS.all(from, &(cx.account(), cx.region(), endpoint))? {
        let of = entry.row;
        if of.status == ValidationStatus::Valid
            && of.covers(name)
            && domains::is_published(cx, &domains::record(cx, &of.domain, endpoint))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn details(cx: &Cx, of: &Validation) -> output::PrevalidationDetails {
    let option = |is: bool| Some(crate::describe::enabled(is));
    output::PrevalidationDetails {
        dns_prevalidation: Some(output::DnsPrevalidationDetails {
            domain_scope: Some(output::DomainScope {
                exact_domain: option(of.scope.exact),
                subdomains: option(of.scope.subdomains),
                wildcards: option(of.scope.wildcards),
            }),
            hosted_zone_id: of.zone.clone(),
            resource_record: Some(domains::record(cx, &of.domain, &of.endpoint)),
        }),
    }
}

fn failure(of: &Validation) -> Option<output::FailureDetails> {
    let reason = of.failure.clone()?;
    let message = match reason.as_str() {
        "TIMED_OUT" => "The record was not found within 72 hours.",
        "HOSTED_ZONE_NOT_FOUND" => "The hosted zone was not found.",
        "INVALID_PUBLIC_DOMAIN" => "The domain is not a public one.",
        _ => "Certificates are not issued for the domain.",
    };
    Some(output::FailureDetails { reason: Some(reason), message: Some(message.to_owned()) })
}

/// How it is shown by itself and in lists: two shapes with the same members.
macro_rules! shown {
    ($of:ident, $cx:expr, $row:expr) => {{
        let (cx, of) = ($cx, $row);
        output::$of {
            acme_domain_validation_arn: Some(child_arn(cx, &of.endpoint, VALIDATION, &of.id)),
            acme_endpoint_arn: Some(endpoint_arn(cx, &of.endpoint)),
            domain_name: Some(of.domain.clone()),
            prevalidation_type: Some("DNS_PREVALIDATION".to_owned()),
            prevalidation_details: Some(details(cx, &of)),
            status: Some(of.status.as_str().to_owned()),
            failure_details: failure(&of),
            created_at: moment(of.created),
            updated_at: moment(of.updated),
        }
    }};
}

/// `DescribeAcmeDomainValidation`
pub(crate) fn describe(
    cx: &Cx,
    input: &api::DescribeAcmeDomainValidationInput,
) -> Result<api::DescribeAcmeDomainValidationOutput> {
    let of = validation(cx, &cx.read(), &input.acme_domain_validation_arn)?;
    Ok(api::DescribeAcmeDomainValidationOutput { acme_domain_validation: Some(shown!(AcmeDomainValidation, cx, of)) })
}

/// `ListAcmeDomainValidations`
pub(crate) fn list(
    cx: &Cx,
    input: &api::ListAcmeDomainValidationsInput,
) -> Result<api::ListAcmeDomainValidationsOutput> {
    let from = cx.read();
    let endpoint = endpoint(cx, &from, &input.acme_endpoint_arn)?;
    let all = VALIDATIONS.all(&from, &(cx.account(), cx.region(), &endpoint.id))?.into_iter().map(|entry| entry.row);
    let shown = all.map(|of| shown!(AcmeDomainValidationSummary, cx, of));
    let scope = format!("ListAcmeDomainValidations/{}", endpoint.id);
    let (list, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAcmeDomainValidationsOutput { acme_domain_validations: Some(list), next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validation_counts_for_the_names_of_its_scope() {
        let of = |exact, subdomains, wildcards| Validation {
            id: String::new(),
            endpoint: String::new(),
            domain: "shop.com".to_owned(),
            scope: Scope { exact, subdomains, wildcards },
            zone: None,
            status: ValidationStatus::Valid,
            failure: None,
            tags: Default::default(),
            created: 0,
            updated: 0,
            token: None,
        };
        let names = ["shop.com", "a.shop.com", "*.shop.com", "*.a.shop.com", "workshop.com"];
        for (scope, covered) in [
            ((true, false, false), [true, false, false, false, false]),
            ((false, true, false), [false, true, false, false, false]),
            ((false, false, true), [false, false, true, false, false]),
            ((false, true, true), [false, true, true, true, false]),
            ((true, true, true), [true, true, true, true, false]),
        ] {
            let validation = of(scope.0, scope.1, scope.2);
            assert_eq!(names.map(|name| validation.covers(name)), covered, "{scope:?}");
        }
    }
}
