//! Certificates are revoked by the account that ordered them, or by whoever has their key (RFC 8555, 7.6).

use serde_json::Value as Json;
use undercast_kernel::{Access, Failure};
use undercast_wire::Response;

use super::rows::ACCOUNTS;
use super::server::{Answered, Asked, Reached, malformed, problem, unauthorized};
use super::{jose, role};
use crate::certificates::revoke_within;
use crate::rows::{CERTIFICATES, Certificate, Status};
use crate::x509::Facts;

/// The reasons, by their numbers in RFC 5280 (5.3.1).
fn reason(number: i64) -> Option<&'static str> {
    Some(match number {
        0 => "UNSPECIFIED",
        1 => "KEY_COMPROMISE",
        3 => "AFFILIATION_CHANGED",
        4 => "SUPERSEDED",
        5 => "CESSATION_OF_OPERATION",
        9 => "PRIVILEGE_WITHDRAWN",
        _ => return None,
    })
}

/// The certificate of this endpoint that a request names.
fn find(at: &Reached, der: &[u8]) -> Answered<(Certificate, Facts)> {
    let arn = at.endpoint.arn(&at.cx);
    let all = CERTIFICATES.all(&at.cx.read(), &(at.cx.account(), at.cx.region())).map_err(Failure::from)?;
    for entry in all {
        let row = entry.row;
        if row.ordered.as_ref().is_none_or(|ordered| ordered.endpoint != arn) {
            continue;
        }
        if let Some(facts) = row.facts()?.filter(|facts| facts.der == der) {
            return Ok((row, facts));
        }
    }
    Err(problem(404, "malformed", "There is no such certificate."))
}

/// `revokeCert`
pub(crate) async fn revoke(at: &Reached, asked: &Asked) -> Answered<Response> {
    let said = asked.object()?;
    let der = said.get("certificate").and_then(Json::as_str).and_then(jose::decode);
    let (of, facts) = find(at, &der.ok_or_else(|| malformed("There is no certificate."))?)?;
    let number = said.get("reason").map_or(Some(0), Json::as_i64);
    let reason = number.and_then(reason);
    let reason =
        reason.ok_or_else(|| problem(400, "badRevocationReason", "The reason is not one of 0, 1, 3, 4, 5 and 9."))?;
    let Some(ordered) = of.ordered.clone() else { return Err(unauthorized("The certificate was not ordered here.")) };
    let may = match &asked.account {
        Some(own) => own.id == ordered.account,
        None => jose::public_key(&asked.key).is_some_and(|key| key == facts.public_key),
    };
    let owner = ACCOUNTS.get(&at.cx.read(), &at.key(&ordered.account)).map_err(Failure::from)?;
    let Some(owner) = owner.filter(|_| may) else {
        return Err(unauthorized("Neither the account that ordered the certificate nor its key has signed."));
    };
    let arn = of.arn(&at.cx);
    let mut access = Access::new("acm:RevokeCertificate", &arn);
    access.context.set("acm:CertificateKeyPairOrigin", "ACME");
    for (key, value) in &of.tags {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    if let Some(why) = role::denied(&at.cx, &owner.role, &owner.id, &access)? {
        return Err(unauthorized(why));
    }
    let revoked = at
        .cx
        .write(|tx| {
            let there = CERTIFICATES.get(tx, &of.key())?;
            let Some(mut row) = there.filter(|row| row.status == Status::Issued) else { return Ok(false) };
            revoke_within(&at.cx, tx, &mut row, reason).map(|()| true)
        })
        .await?;
    if !revoked {
        return Err(problem(400, "alreadyRevoked", "The certificate is revoked already, or has come to its end."));
    }
    Ok(Response::new(200, Vec::new()))
}
