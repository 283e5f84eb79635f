//! Certificates that users bring, with their private keys.
//!
//! Source: "Prerequisites for importing ACM certificates" and "Reimport a certificate" in the user guide.

use undercast_kernel::{Cx, Failure, Result};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::api;
use crate::events::{self, Action};
use crate::keys::{self, Brought};
use crate::rows::{CERTIFICATES, Certificate, Kind, MATERIAL, Material, Status, find};
use crate::x509::{Facts, parts};
use crate::{error, lifecycle, quotas, tagging};

/// A bundle that somebody brings, checked.
struct Bundle {
    body: String,
    facts: Facts,
    key_algorithm: &'static str,
    material: Material,
}

fn unreadable(what: &str) -> Failure {
    error::validation(format!("The {what} is not in a valid PEM format, or is not an X.509 certificate."))
}

/// A text that is PEM: it is kept as it is.
fn text(bytes: &[u8], what: &str) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| unreadable(what))
}

/// All certificates of a text, in their order.
fn certificates(text: &str, what: &str) -> Result<Vec<Facts>> {
    let parts = parts(text.as_bytes()).filter(|parts| !parts.is_empty()).ok_or_else(|| unreadable(what))?;
    let read = |(label, der): (String, Vec<u8>)| {
        (label == "CERTIFICATE").then_some(der).and_then(Facts::read).ok_or_else(|| unreadable(what))
    };
    parts.into_iter().map(read).collect()
}

/// Whether another one's key signed a certificate.
fn is_signed_by(of: &Facts, issuer: &Facts) -> bool {
    let (Ok((_, own)), Ok((_, other))) = (X509Certificate::from_der(&of.der), X509Certificate::from_der(&issuer.der))
    else {
        return false;
    };
    undercast_authority::is_signed_by(&own, &other)
}

/// Each of a chain signed the one before; without a chain, the certificate signed itself.
fn check_chain(of: &Facts, chain: &[Facts]) -> Result<()> {
    if chain.is_empty() {
        if is_signed_by(of, of) {
            return Ok(());
        }
        return Err(error::validation(
            "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or certificate chain.",
        ));
    }
    let mut signed = of;
    for issuer in chain {
        if !is_signed_by(signed, issuer) {
            return Err(error::validation("Can not validate the certificate with the certificate chain."));
        }
        signed = issuer;
    }
    Ok(())
}

fn bundle(cx: &Cx, input: &api::ImportCertificateInput) -> Result<Bundle> {
    let body = text(&input.certificate, "certificate")?;
    let mut read = certificates(&body, "certificate")?;
    let (Some(facts), true) = (read.pop(), read.is_empty()) else {
        return Err(error::validation(
            "The certificate field contains more than one certificate. You can specify only one certificate in this field.",
        ));
    };
    let key = Brought::read(&input.private_key)?;
    if key.public_key != facts.public_key {
        return Err(error::validation("The private key does not match the public key of the certificate."));
    }
    if !facts.is_v3 {
        return Err(error::validation("The certificate is not an X.509 version 3 certificate."));
    }
    let key_algorithm = facts.key_algorithm.ok_or_else(|| {
        error::validation("The algorithm or the length of the key of the certificate is not supported.")
    })?;
    let now = cx.now().as_second();
    if now < facts.not_before {
        return Err(error::validation("The certificate is not valid yet."));
    }
    if now >= facts.not_after {
        return Err(error::validation("The certificate has expired."));
    }
    let chain = input.certificate_chain.as_ref().map(|chain| text(chain, "certificate chain")).transpose()?;
    let above = chain.as_deref().map_or(Ok(Vec::new()), |chain| certificates(chain, "certificate chain"))?;
    check_chain(&facts, &above)?;
    let material = Material { chain, key: Some(keys::sealed(cx, &key.pkcs8)?) };
    Ok(Bundle { body, facts, key_algorithm, material })
}

/// What cannot become of a certificate by importing it anew.
fn check_again(before: &Facts, after: &Facts) -> Result<()> {
    if before.key_algorithm != after.key_algorithm {
        return Err(error::validation(
            "The type and size of the key cannot be changed when a certificate is reimported.",
        ));
    }
    if after.domain().is_none() && before.domain().is_some() {
        return Err(error::validation("All domain names cannot be removed when a certificate is reimported."));
    }
    if before.key_usages.iter().any(|usage| !after.key_usages.contains(usage)) {
        return Err(error::validation("Key usages cannot be removed when a certificate is reimported."));
    }
    if before.extended.iter().any(|usage| !after.extended.contains(usage)) {
        return Err(error::validation("Extended key usages cannot be removed when a certificate is reimported."));
    }
    Ok(())
}

/// `ImportCertificate`: as a new one, or in the place of one that was imported before.
pub(crate) async fn import(cx: &Cx, input: &api::ImportCertificateInput) -> Result<api::ImportCertificateOutput> {
    let tags = tagging::given(input.tags.as_deref())?;
    if let Some(arn) = &input.certificate_arn {
        if !tags.is_empty() {
            return Err(error::parameter("You cannot apply tags when reimporting a certificate."));
        }
        let there = find(cx, &cx.read(), arn)?;
        if there.kind != Kind::Imported {
            return Err(error::validation(format!(
                "The certificate {arn} was not imported, and cannot be reimported."
            )));
        }
    }
    let bundle = bundle(cx, input)?;
    let new = Certificate::new(cx, Kind::Imported, Status::Issued, Vec::new(), bundle.key_algorithm.to_owned());
    let arn = cx
        .write(|tx| {
            let (mut row, action) = match &input.certificate_arn {
                Some(arn) => {
                    let there = find(cx, tx, arn)?;
                    if let Some(before) = there.facts()? {
                        check_again(&before, &bundle.facts)?;
                    }
                    (there, Action::Reimport)
                }
                None => {
                    quotas::take(cx, tx, Kind::Imported)?;
                    (Certificate { tags: tags.clone(), ..new.clone() }, Action::Import)
                }
            };
            row.status = Status::Issued;
            row.body = Some(bundle.body.clone());
            row.imported = Some(cx.now_millis());
            row.told = None;
            CERTIFICATES.put(tx, &row.key(), &row);
            MATERIAL.put(tx, &row.key(), &bundle.material);
            events::available(cx, tx, &row, &bundle.facts, action)?;
            lifecycle::look_now(cx, tx, &row)?;
            Ok(row.arn(cx))
        })
        .await?;
    Ok(api::ImportCertificateOutput { certificate_arn: Some(arn) })
}
