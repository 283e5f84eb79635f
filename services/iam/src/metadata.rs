//! Metadata of an identity provider, as SAML 2.0 has them.
//!
//! Source: "Metadata for the OASIS Security Assertion Markup Language (SAML) V2.0", sections 2.3 and 2.4.

use undercast_kernel::{Failure, Result};
use undercast_wire::text;
use undercast_wire::xml_read::{self, Element};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::api::errors;

fn unreadable() -> Failure {
    errors::invalid_input_exception("Could not parse metadata").into()
}

fn attribute<'a>(of: &'a Element, name: &str) -> Option<&'a str> {
    of.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

fn children<'a>(of: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    of.children.iter().filter(move |child| child.name == name)
}

/// The certificates in the keys of a role.
fn certificates(role: &Element) -> impl Iterator<Item = &str> {
    children(role, "KeyDescriptor")
        .flat_map(|key| children(key, "KeyInfo"))
        .flat_map(|info| children(info, "X509Data"))
        .flat_map(|data| children(data, "X509Certificate"))
        .map(|certificate| certificate.text.as_str())
}

fn is_certificate(encoded: &str) -> bool {
    let encoded: String = encoded.chars().filter(|c| !c.is_whitespace()).collect();
    text::unbase64(&encoded).is_some_and(|der| X509Certificate::from_der(&der).is_ok())
}

/// Refuses what are no metadata of an identity provider that can sign in somebody, and tells until when they are good, where
/// they say it (seconds since 1970).
pub(crate) fn check(document: &str) -> Result<Option<i64>> {
    let root = xml_read::parse(document.as_bytes()).ok().flatten().ok_or_else(unreadable)?;
    if root.name != "EntityDescriptor" || attribute(&root, "entityID").is_none_or(str::is_empty) {
        return Err(unreadable());
    }
    let role = children(&root, "IDPSSODescriptor").next().ok_or_else(unreadable)?;
    let signs_in = |service: &Element| {
        attribute(service, "Binding").is_some_and(|b| !b.is_empty())
            && attribute(service, "Location").is_some_and(|l| l.starts_with("https://") || l.starts_with("http://"))
    };
    if !children(role, "SingleSignOnService").any(signs_in) {
        return Err(unreadable());
    }
    let mut keys = certificates(role).peekable();
    if keys.peek().is_none() || !keys.all(is_certificate) {
        return Err(unreadable());
    }
    match attribute(&root, "validUntil") {
        Some(until) => Ok(Some(text::parse_iso8601(until).ok_or_else(unreadable)?.as_second())),
        None => Ok(None),
    }
}
