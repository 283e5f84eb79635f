//! Certificates as they are given away: with their chains, and where their users asked for that, with their keys.

use undercast_kernel::{Cx, Failure, Result};

use crate::api;
use crate::describe::check_there;
use crate::rows::{CERTIFICATES, Kind, MATERIAL, Status, find};
use crate::{error, keys, lifecycle};

/// Characters that no passphrase has.
///
/// Source: ExportCertificate, Passphrase, in the API reference.
const NOT_IN_PASSPHRASES: &[u8] = b"#$%";

/// `GetCertificate`
pub(crate) fn get(cx: &Cx, input: &api::GetCertificateInput) -> Result<api::GetCertificateOutput> {
    let from = cx.read();
    let of = find(cx, &from, &input.certificate_arn)?;
    check_there(&of, &input.certificate_arn)?;
    let chain = MATERIAL.get(&from, &of.key())?.and_then(|material| material.chain);
    Ok(api::GetCertificateOutput { certificate: of.body, certificate_chain: chain })
}

fn check_passphrase(passphrase: &[u8]) -> Result<()> {
    let allowed = |byte: &u8| byte.is_ascii() && !NOT_IN_PASSPHRASES.contains(byte);
    if passphrase.iter().all(allowed) {
        return Ok(());
    }
    Err(error::validation("The passphrase can have any ASCII character but #, $ and %."))
}

/// `ExportCertificate`: of a certificate that was asked for so. From then on it is renewed without being asked.
pub(crate) async fn export(cx: &Cx, input: &api::ExportCertificateInput) -> Result<api::ExportCertificateOutput> {
    check_passphrase(&input.passphrase)?;
    let arn = &input.certificate_arn;
    let from = cx.read();
    let of = find(cx, &from, arn)?;
    // The key of one that was ordered by ACME never was here.
    if of.kind != Kind::AmazonIssued || !of.exportable || of.ordered.is_some() {
        return Err(error::validation(format!("The certificate {arn} cannot be exported.")));
    }
    check_there(&of, arn)?;
    if of.status != Status::Issued {
        return Err(error::validation(format!("The certificate {arn} is {}.", of.status.as_str())));
    }
    let lost = || Failure::broken("a certificate that was issued has no key");
    let material = MATERIAL.get(&from, &of.key())?.ok_or_else(lost)?;
    let key = keys::opened(cx, material.key.ok_or_else(lost)?)?;
    let private_key = keys::encrypted(cx, &key, &input.passphrase)?;
    cx.write(|tx| {
        let mut row = find(cx, tx, arn)?;
        // What was renewed in between is not what is given away here.
        row.exported_since |= row.issued == of.issued;
        row.exported = true;
        CERTIFICATES.put(tx, &row.key(), &row);
        lifecycle::look_now(cx, tx, &row)
    })
    .await?;
    Ok(api::ExportCertificateOutput {
        certificate: of.body,
        certificate_chain: material.chain,
        private_key: Some(private_key),
    })
}
