//! Certificates are asked for here; what becomes of them is in `lifecycle`.

use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, NameRecord, Repeated, Result, fingerprint};
use undercast_wire::text;

use crate::api::{self, input};
use crate::domains::{self, is_within};
use crate::issuing::LONGEST;
use crate::rows::{CERTIFICATES, Certificate, DomainStatus, Kind, Method, Status, Validation};
use crate::{SERVICE, error, keys, letters, lifecycle, quotas, tagging};

/// A certificate has so many names at most, unless AWS raises the quota.
const NAMES: usize = 10;
/// A token is remembered for an hour.
const REMEMBERED: i64 = 3_600_000;

/// Who publishes the records that validate domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// They are published as they are asked for.
    Published,
    /// Users do, in their own time.
    Awaited,
}

/// The method that a request names. Without a word on it, letters are sent.
fn method(named: Option<&str>) -> Result<Method> {
    match named {
        Some("DNS") => Ok(Method::Dns),
        Some("HTTP") => Err(error::parameter(
            "HTTP validation is only supported for certificates that Amazon CloudFront requests on your behalf.",
        )),
        _ => Ok(Method::Email),
    }
}

/// All names of a request, each once, the first one first.
fn names(input: &api::RequestCertificateInput) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for name in [&input.domain_name].into_iter().chain(input.subject_alternative_names.iter().flatten()) {
        let name = name.to_ascii_lowercase();
        check_labels(&name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if input.domain_name.len() > LONGEST {
        let message = format!("The first domain name can be no longer than {LONGEST} characters.");
        return Err(error::options(message));
    }
    if names.len() > NAMES {
        return Err(error::limit(format!("Error: the number of domain names is more than the limit of {NAMES}.")));
    }
    Ok(names)
}

/// Labels that look like Punycode must be.
fn check_labels(name: &str) -> Result<()> {
    let looks = |label: &str| label.len() > 3 && label.as_bytes()[2..4] == *b"--" && !label.starts_with("xn--");
    if name.split('.').any(looks) {
        return Err(error::parameter(format!("The domain name {name} is not a valid internationalized domain name.")));
    }
    Ok(())
}

/// To whom the letters go, where a request says it.
fn validation_domain(domain: &str, options: &[input::DomainValidationOption]) -> String {
    let own = options.iter().find(|option| option.domain_name.eq_ignore_ascii_case(domain));
    own.map_or_else(|| domains::without_star(domain).to_owned(), |option| option.validation_domain.to_ascii_lowercase())
}

fn check_options(names: &[String], options: &[input::DomainValidationOption]) -> Result<()> {
    for option in options {
        let (domain, above) = (option.domain_name.to_ascii_lowercase(), option.validation_domain.to_ascii_lowercase());
        if !names.contains(&domain) {
            let message = format!("The domain name {domain} is not one of the certificate's.");
            return Err(error::options(message));
        }
        if !is_within(domains::without_star(&domain), &above) {
            let message = format!("The validation domain {above} is neither {domain} nor a superdomain of it.");
            return Err(error::options(message));
        }
    }
    Ok(())
}

/// A request, checked.
fn asked(cx: &Cx, input: &api::RequestCertificateInput) -> Result<Certificate> {
    let names = names(input)?;
    let method = method(input.validation_method.as_deref())?;
    let key_algorithm = input.key_algorithm.as_deref().unwrap_or("RSA_2048");
    if !keys::MADE.contains(&key_algorithm) {
        let message = format!("The key algorithm {key_algorithm} is not supported for public certificates.");
        return Err(error::parameter(message));
    }
    let given = input.domain_validation_options.as_deref().unwrap_or_default();
    check_options(&names, given)?;
    let options = input.options.as_ref();
    if let Some(other) = options.and_then(|options| options.validation_method.as_deref())
        && other != method.as_str()
    {
        return Err(error::parameter("The validation method of Options is not the one of the request."));
    }
    let mut asked =
        Certificate::new(cx, Kind::AmazonIssued, Status::PendingValidation, names, key_algorithm.to_owned());
    asked.exportable = options.and_then(|options| options.export.as_deref()) == Some("ENABLED");
    asked.transparency = options.and_then(|o| o.certificate_transparency_logging_preference.clone());
    asked.method = Some(method);
    asked.validations = asked.names.iter().map(|name| new_validation(cx, name, method, given)).collect();
    asked.tags = tagging::given(input.tags.as_deref())?;
    Ok(asked)
}

fn new_validation(cx: &Cx, domain: &str, method: Method, options: &[input::DomainValidationOption]) -> Validation {
    let letters = method == Method::Email;
    Validation {
        domain: domain.to_owned(),
        method,
        validation_domain: letters.then(|| validation_domain(domain, options)),
        status: DomainStatus::Pending,
        code: letters.then(|| letters::code(cx)),
    }
}

/// `RequestCertificate`: the request is taken, and looked after by a task from then on.
pub(crate) async fn request(
    cx: &Cx,
    published: Names,
    input: &api::RequestCertificateInput,
) -> Result<api::RequestCertificateOutput> {
    let mut asked = asked(cx, input)?;
    // A token stands for one request: with another, it is another one.
    let request = fingerprint(&(&asked.names, &asked.method, &asked.key_algorithm, asked.exportable));
    asked.token = input.idempotency_token.as_ref().map(|token| format!("{token}/{}", text::hex_encode(&request[..8])));
    let arn = cx
        .write(|tx| {
            if let Some(there) = repeated(cx, tx, &asked, &request)? {
                return Ok(there.arn(cx));
            }
            quotas::take(cx, tx, Kind::AmazonIssued)?;
            CERTIFICATES.put(tx, &asked.key(), &asked);
            if asked.method == Some(Method::Dns) && published == Names::Published {
                for name in &asked.names {
                    publish(cx, tx, name, "")?;
                }
            }
            letters::send(cx, tx, &asked, &asked.validations)?;
            lifecycle::look_now(cx, tx, &asked)?;
            Ok(asked.arn(cx))
        })
        .await?;
    Ok(api::RequestCertificateOutput { certificate_arn: Some(arn) })
}

/// Publishes the record of a domain in its user's place.
pub(crate) fn publish(cx: &Cx, tx: &mut Tx<'_>, domain: &str, purpose: &str) -> Result<()> {
    let record = domains::record(cx, domain, purpose);
    match NameRecord::new(cx, &record.name, &record.type_, vec![record.value], Some(SERVICE)) {
        Ok(record) => cx.publish_name(tx, &record),
        // A name too long for its own record: it waits, as it would on AWS, for a record that nobody can publish.
        Err(_) => Ok(()),
    }
}

/// The certificate that the same request asked for within the hour.
fn repeated(cx: &Cx, tx: &mut Tx<'_>, asked: &Certificate, request: &[u8]) -> Result<Option<Certificate>> {
    let Some(token) = &asked.token else { return Ok(None) };
    if cx.repeated(tx, SERVICE, token, request, REMEMBERED)? != Repeated::Same {
        return Ok(None);
    }
    let there = CERTIFICATES.all(tx, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    Ok(there.filter(|row| row.token.as_ref() == Some(token)).max_by_key(|row| row.created))
}
