//! Orders (RFC 8555, 7.4): of domains that were validated beforehand, so that there is nothing left to do but to send the request
//! for the certificate.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value as Json, json};
use undercast_kernel::{Access, Failure};
use undercast_wire::Response;
use undercast_wire::schema::TimestampFormat;
use undercast_wire::text;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::rows::{ORDERS, Order};
use super::server::{Answered, Asked, Reached, answer, malformed, problem, unauthorized};
use super::{jose, role, validations};
use crate::events::{self, Action};
use crate::rows::{CERTIFICATES, Certificate, Kind, MATERIAL, Material, Method, Ordered, Status, moment};
use crate::x509::spki_algorithm;
use crate::{SERVICE, domains, issuing, keys, lifecycle};

/// An order that is not finished is forgotten after a week.
const PATIENCE: i64 = 7 * 86_400_000;
/// A certificate has so many names at most.
const NAMES: usize = 100;

fn time(milliseconds: i64) -> Option<String> {
    moment(milliseconds).map(|at| text::timestamp(at, TimestampFormat::Iso8601))
}

fn identifier(name: &str) -> Json {
    json!({"type": "dns", "value": name})
}

fn status(at: &Reached, of: &Order) -> &'static str {
    match of.certificate {
        Some(_) => "valid",
        None if at.cx.now_millis() >= of.expires => "invalid",
        None => "ready",
    }
}

fn shown(at: &Reached, of: &Order) -> Json {
    let mut shown = json!({
        "status": status(at, of),
        "expires": time(of.expires),
        "identifiers": of.names.iter().map(|name| identifier(name)).collect::<Vec<_>>(),
        "authorizations": (0..of.names.len()).map(|n| at.url(&format!("authz/{}/{n}", of.id))).collect::<Vec<_>>(),
        "finalize": at.url(&format!("order/{}/finalize", of.id)),
    });
    if let Some(certificate) = &of.certificate {
        shown["certificate"] = json!(at.url(&format!("cert/{certificate}")));
    }
    shown
}

fn location(at: &Reached, of: &Order) -> Option<String> {
    Some(at.url(&format!("order/{}", of.id)))
}

/// An order of whoever asks.
fn find(at: &Reached, asked: &Asked, id: &str) -> Answered<Order> {
    let own = asked.account()?;
    let there = ORDERS.get(&at.cx.read(), &at.key(id)).map_err(Failure::from)?;
    there.filter(|of| of.account == own.id).ok_or_else(|| problem(404, "malformed", "There is no such order."))
}

/// The names that an order is for.
fn names(said: &Json) -> Answered<Vec<String>> {
    let all = said.get("identifiers").and_then(Json::as_array).filter(|all| !all.is_empty() && all.len() <= NAMES);
    let all = all.ok_or_else(|| malformed(format!("An order is for 1 to {NAMES} identifiers.")))?;
    let mut names: Vec<String> = Vec::new();
    for one in all {
        if one.get("type").and_then(Json::as_str) != Some("dns") {
            return Err(problem(400, "unsupportedIdentifier", "Certificates are for names alone."));
        }
        let name = one.get("value").and_then(Json::as_str).map(str::to_ascii_lowercase);
        let name = name.ok_or_else(|| malformed("An identifier has a value."))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// `newOrder`
pub(crate) async fn new(at: &Reached, asked: &Asked) -> Answered<Response> {
    let own = asked.account()?;
    let said = asked.object()?;
    if said.get("notBefore").is_some() || said.get("notAfter").is_some() {
        return Err(malformed("When a certificate begins and ends is not the client's to say."));
    }
    let names = names(&said)?;
    check_authorized(at, &names)?;
    let cx = &at.cx;
    let (id, expires) = (cx.random().uuid(), cx.now_millis() + PATIENCE);
    let order = Order { id, account: own.id.clone(), names, expires, certificate: None };
    cx.write(|tx| {
        ORDERS.put(tx, &at.key(&order.id), &order);
        Ok(())
    })
    .await?;
    Ok(answer(201, &shown(at, &order), location(at, &order)))
}

fn check_authorized(at: &Reached, names: &[String]) -> Answered<()> {
    for name in names {
        if !validations::is_authorized(&at.cx, &at.cx.read(), &at.endpoint.id, name)? {
            let detail = format!("The endpoint has no domain validation that is valid for {name}.");
            return Err(problem(403, "rejectedIdentifier", detail));
        }
        if let Some(reason) = domains::refusal(&at.cx, name)? {
            let kind = if reason == "CAA_ERROR" { "caa" } else { "rejectedIdentifier" };
            return Err(problem(403, kind, format!("{name}: {reason}")));
        }
    }
    Ok(())
}

/// An order as it is.
pub(crate) fn order(at: &Reached, asked: &Asked, id: &str) -> Answered<Response> {
    let of = find(at, asked, id)?;
    Ok(answer(200, &shown(at, &of), location(at, &of)))
}

/// The orders of an account.
pub(crate) fn of_account(at: &Reached, asked: &Asked, id: &str) -> Answered<Response> {
    if asked.account()?.id != id {
        return Err(unauthorized("The account is another one's."));
    }
    let place = (at.cx.account(), at.cx.region(), &at.endpoint.id);
    let all = ORDERS.all(&at.cx.read(), &place).map_err(Failure::from)?.into_iter().map(|entry| entry.row);
    let own: Vec<_> = all.filter(|of| of.account == id).filter_map(|of| location(at, &of)).collect();
    Ok(answer(200, &json!({"orders": own}), None))
}

fn name_of<'a>(of: &'a Order, number: &str) -> Answered<&'a str> {
    let name = number.parse::<usize>().ok().and_then(|number| of.names.get(number));
    name.map(String::as_str).ok_or_else(|| problem(404, "malformed", "There is no such authorization."))
}

fn shown_challenge(at: &Reached, of: &Order, number: &str) -> Json {
    json!({"type": "dns-01", "status": "valid", "url": at.url(&format!("chall/{}/{number}", of.id)), "token": jose::encode(of.id.as_bytes())})
}

/// An authorization, which was given before the client came.
pub(crate) fn authorization(at: &Reached, asked: &Asked, id: &str, number: &str) -> Answered<Response> {
    let of = find(at, asked, id)?;
    let name = name_of(&of, number)?;
    let bare = domains::without_star(name);
    let mut body = json!({
        "status": "valid",
        "expires": time(of.expires),
        "identifier": identifier(bare),
        "challenges": [shown_challenge(at, &of, number)],
    });
    if bare != name {
        body["wildcard"] = json!(true);
    }
    Ok(answer(200, &body, None))
}

/// The challenge of an authorization, which nobody has to meet.
pub(crate) fn challenge(at: &Reached, asked: &Asked, id: &str, number: &str) -> Answered<Response> {
    let of = find(at, asked, id)?;
    name_of(&of, number)?;
    Ok(answer(200, &shown_challenge(at, &of, number), None))
}

/// The public key of a request.
struct Key {
    bytes: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// What a request for a certificate says.
struct Csr {
    names: Vec<String>,
    key_algorithm: &'static str,
    key: Key,
}

impl Csr {
    fn read(said: &Json) -> Answered<Self> {
        let bad = |detail: &str| problem(400, "badCSR", detail);
        let der = said.get("csr").and_then(Json::as_str).and_then(jose::decode);
        let der = der.ok_or_else(|| bad("There is no certificate signing request."))?;
        let (rest, csr) = X509CertificationRequest::from_der(&der).map_err(|_| bad("The request cannot be read."))?;
        if !rest.is_empty() || csr.verify_signature().is_err() {
            return Err(bad("The request is not signed with its key."));
        }
        let info = &csr.certification_request_info;
        let common = info.subject.iter_common_name().filter_map(|name| name.as_str().ok());
        let mut names: Vec<String> = common.map(str::to_ascii_lowercase).collect();
        for extension in csr.requested_extensions().into_iter().flatten() {
            let ParsedExtension::SubjectAlternativeName(of) = extension else { continue };
            for name in &of.general_names {
                let GeneralName::DNSName(name) = name else { return Err(bad("Certificates are for names alone.")) };
                names.push(name.to_ascii_lowercase());
            }
        }
        names.sort();
        names.dedup();
        let key_algorithm = spki_algorithm(&info.subject_pki).filter(|algorithm| keys::MADE.contains(algorithm));
        let key_algorithm = key_algorithm.ok_or_else(|| bad("Keys are RSA_2048, EC_prime256v1 or EC_secp384r1."))?;
        let algorithm = match key_algorithm {
            "RSA_2048" => &PKCS_RSA_SHA256,
            "EC_prime256v1" => &PKCS_ECDSA_P256_SHA256,
            _ => &PKCS_ECDSA_P384_SHA384,
        };
        let key = Key { bytes: info.subject_pki.subject_public_key.data.to_vec(), algorithm };
        Ok(Self { names, key_algorithm, key })
    }
}

/// The certificate is issued, with the rights of the account's role.
pub(crate) async fn finalize(at: &Reached, asked: &Asked, id: &str) -> Answered<Response> {
    let order = find(at, asked, id)?;
    if status(at, &order) != "ready" {
        return Err(problem(403, "orderNotReady", format!("The order is {}.", status(at, &order))));
    }
    let csr = Csr::read(&asked.object()?)?;
    let mut ordered = order.names.clone();
    ordered.sort();
    if csr.names != ordered {
        return Err(problem(400, "badCSR", "The names of the request are not those of the order."));
    }
    if at.endpoint.algorithms.as_ref().is_some_and(|all| !all.iter().any(|one| one == csr.key_algorithm)) {
        return Err(problem(
            400,
            "badCSR",
            format!("The endpoint issues no certificates for {} keys.", csr.key_algorithm),
        ));
    }
    // The records may have gone since the order came.
    check_authorized(at, &order.names)?;
    let own = asked.account()?;
    let mut access = Access::new("acm:RequestCertificate", at.cx.arn(SERVICE, "certificate/*"));
    access.context.set("acm:CertificateKeyPairOrigin", "ACME");
    access.context.set_many("acm:DomainNames", order.names.clone());
    access.context.set("acm:KeyAlgorithm", csr.key_algorithm);
    access.context.set("acm:ValidationMethod", "DNS");
    access.context.set("acm:CertificateTransparencyLogging", "ENABLED");
    access.context.set("acm:Export", "ENABLED");
    if let Some(why) = role::denied(&at.cx, &own.role, &own.id, &access)? {
        return Err(unauthorized(why));
    }
    let finished = issue(at, &order, &csr).await?;
    Ok(answer(200, &shown(at, &finished), location(at, &finished)))
}

async fn issue(at: &Reached, order: &Order, csr: &Csr) -> Answered<Order> {
    let cx = &at.cx;
    let issued = issuing::issue(cx, csr.key_algorithm, &order.names, &csr.key).await?;
    let algorithm = csr.key_algorithm.to_owned();
    let mut row = Certificate::new(cx, Kind::AmazonIssued, Status::Issued, order.names.clone(), algorithm);
    row.method = Some(Method::Dns);
    row.issued = Some(cx.now_millis());
    row.body = Some(issued.body);
    // The client has had the key from the beginning.
    (row.exportable, row.exported) = (true, true);
    row.tags.clone_from(&at.endpoint.certificate_tags);
    row.ordered = Some(Ordered { endpoint: at.endpoint.arn(cx), account: order.account.clone() });
    let material = Material { chain: Some(issued.chain), key: None };
    let done = cx
        .write(|tx| {
            let Some(mut there) = ORDERS.get(tx, &at.key(&order.id))? else { return Ok(None) };
            if there.certificate.is_some() {
                return Ok(Some(there));
            }
            there.certificate = Some(row.id.clone());
            ORDERS.put(tx, &at.key(&order.id), &there);
            CERTIFICATES.put(tx, &row.key(), &row);
            MATERIAL.put(tx, &row.key(), &material);
            if let Some(facts) = row.facts()? {
                events::available(cx, tx, &row, &facts, Action::Issuance)?;
            }
            lifecycle::look_now(cx, tx, &row)?;
            Ok(Some(there))
        })
        .await?;
    done.ok_or_else(|| problem(404, "malformed", "The order is gone."))
}

/// The certificate and whoever vouches for it, but for the authority of the cloud, which clients have.
pub(crate) fn certificate(at: &Reached, asked: &Asked, id: &str) -> Answered<Response> {
    let own = asked.account()?;
    let from = at.cx.read();
    let there = CERTIFICATES.get(&from, &at.cx.key(id)).map_err(Failure::from)?;
    let arn = at.endpoint.arn(&at.cx);
    let own = |of: &Certificate| of.ordered.as_ref().is_some_and(|o| o.account == own.id && o.endpoint == arn);
    let missing = || problem(404, "malformed", "There is no such certificate.");
    let of = there.filter(own).ok_or_else(missing)?;
    let chain = MATERIAL.get(&from, &of.key()).map_err(Failure::from)?.and_then(|material| material.chain);
    let chain = chain.unwrap_or_else(String::new);
    const END: &str = "-----END CERTIFICATE-----\n";
    let first = chain.find(END).map_or(chain.as_str(), |end| &chain[..end + END.len()]);
    let body = format!("{}{first}", of.body.unwrap_or_else(String::new));
    let mut response = Response::new(200, body.into_bytes());
    response.set("content-type", "application/pem-certificate-chain");
    Ok(response)
}
