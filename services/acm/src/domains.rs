//! Domains: which can have a certificate, and the record by which their owners show that they are theirs.

use sha2::{Digest as _, Sha256};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Result};

use crate::api::output;

/// Names at the end of which nobody owns a public domain (RFC 2606, 6761, 6762, 7686, 8375, and ICANN's `internal`).
const RESERVED: &[&str] = &["example", "home.arpa", "internal", "invalid", "local", "localhost", "onion", "test"];

/// Domains that are Amazon's own.
///
/// Source: "Certificate request fails" in the user guide.
const AMAZONS: &[&str] = &["amazonaws.com", "cloudfront.net", "elasticbeanstalk.com"];

/// Whom a domain must allow to issue certificates, if it allows anybody in particular.
///
/// Source: "(Optional) Configure a CAA record" in the user guide.
const ISSUERS: &[&str] = &["amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"];

/// A domain without the star in front.
pub(crate) fn without_star(domain: &str) -> &str {
    domain.strip_prefix("*.").unwrap_or(domain)
}

/// Whether a domain is another one, or under it.
pub(crate) fn is_within(domain: &str, above: &str) -> bool {
    domain == above || domain.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}

/// Why a domain gets no certificate, whoever asks for it.
pub(crate) fn refusal(cx: &Cx, domain: &str) -> Result<Option<&'static str>> {
    let domain = without_star(domain);
    if RESERVED.iter().any(|reserved| is_within(domain, reserved)) {
        return Ok(Some("INVALID_PUBLIC_DOMAIN"));
    }
    if AMAZONS.iter().any(|own| is_within(domain, own)) {
        return Ok(Some("DOMAIN_NOT_ALLOWED"));
    }
    Ok(if is_allowed(cx, domain)? { None } else { Some("CAA_ERROR") })
}

/// What the nearest CAA records say of a name, which may be those of a name above it (RFC 8659).
fn is_allowed(cx: &Cx, domain: &str) -> Result<bool> {
    let mut name = Some(domain);
    while let Some(current) = name {
        let records = cx.resolve(current, "CAA")?;
        if !records.is_empty() {
            let issuers: Vec<String> = records.iter().filter_map(|record| issuer(record)).collect();
            return Ok(issuers.is_empty() || issuers.iter().any(|issuer| ISSUERS.contains(&issuer.as_str())));
        }
        name = current.split_once('.').map(|(_, above)| above);
    }
    Ok(true)
}

/// Whom a CAA record allows to issue: `0 issue "amazon.com; …"`. `None`: it is about something else.
fn issuer(record: &str) -> Option<String> {
    let mut parts = record.splitn(3, char::is_whitespace);
    let (_, tag, value) = (parts.next()?, parts.next()?, parts.next()?);
    let value = value.trim().trim_matches('"');
    let issuer = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    tag.eq_ignore_ascii_case("issue").then_some(issuer)
}

/// The record that shows that a domain is of this account. It is the same for all certificates of `purpose`, and for a star
/// under the domain.
pub(crate) fn record(cx: &Cx, domain: &str, purpose: &str) -> output::ResourceRecord {
    let domain = without_star(domain);
    let hash = |what: &str| {
        let hash = Sha256::new().chain_update(what).chain_update([0]).chain_update(cx.account());
        hash.chain_update([0]).chain_update(domain).chain_update([0]).chain_update(purpose).finalize()
    };
    let (name, value, zone) = (hash("name"), hash("value"), hash("zone"));
    let zone: String = zone.iter().take(10).map(|byte| char::from(b'a' + byte % 26)).collect();
    output::ResourceRecord {
        name: format!("_{}.{domain}.", text::hex_encode(&name[..16])),
        type_: "CNAME".to_owned(),
        value: format!("_{}.{zone}.acm-validations.aws.", text::hex_encode(&value[..16])),
    }
}

/// Whether a record is published.
pub(crate) fn is_published(cx: &Cx, record: &output::ResourceRecord) -> Result<bool> {
    let wanted = record.value.trim_end_matches('.');
    Ok(cx.resolve(&record.name, &record.type_)?.iter().any(|v| v.trim_end_matches('.').eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_within_itself_and_those_above() {
        assert!(is_within("a.example.com", "example.com"));
        assert!(is_within("example.com", "example.com"));
        assert!(!is_within("badexample.com", "example.com"));
        assert!(!is_within("example.com", "a.example.com"));
    }

    #[test]
    fn caa_records_name_issuers() {
        assert_eq!(issuer("0 issue \"Amazon.com; account=1\"").as_deref(), Some("amazon.com"));
        assert_eq!(issuer("0 issue \";\"").as_deref(), Some(""));
        assert_eq!(issuer("0 iodef \"mailto:a@b.c\""), None);
        assert_eq!(issuer("issue"), None);
    }
}
