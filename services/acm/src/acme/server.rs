//! What clients meet at an endpoint: its directory, and the way of a signed request (RFC 8555, 6 and 7).

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure};
use undercast_wire::{Request, Response};

use super::jose::{self, Signed};
use super::rows::{ACCOUNTS, Account, AccountStatus, ENDPOINTS, Endpoint, path};
use super::{orders, registration, revocation};

/// What the paths of all endpoints begin with.
pub(crate) const PATHS: &str = "/_acm/acme/";

/// A signed request is small.
const LIMIT: usize = 1 << 18;
/// So many nonces are remembered; a client whose own is forgotten is given another.
const NONCES: usize = 10_000;

/// The nonces that were given out and not used yet. They do not outlive the program: clients ask for others then.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<(HashSet<String>, VecDeque<String>)>);

impl Nonces {
    fn give(&self, cx: &Cx) -> String {
        let nonce = jose::encode(&cx.random().bytes::<16>());
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (good, order) = &mut *guard;
        good.insert(nonce.clone());
        order.push_back(nonce.clone());
        if order.len() > NONCES
            && let Some(old) = order.pop_front()
        {
            good.remove(&old);
        }
        nonce
    }

    fn take(&self, nonce: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.remove(nonce)
    }
}

/// Why a request is not done.
pub(crate) enum Refused {
    /// As clients are told (RFC 8555, 6.7).
    Problem { status: u16, kind: &'static str, detail: String },
    /// Something broke.
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

pub(crate) type Answered<T> = std::result::Result<T, Refused>;

pub(crate) fn problem(status: u16, kind: &'static str, detail: impl Into<String>) -> Refused {
    Refused::Problem { status, kind, detail: detail.into() }
}

pub(crate) fn malformed(detail: impl Into<String>) -> Refused {
    problem(400, "malformed", detail)
}

pub(crate) fn unauthorized(detail: impl Into<String>) -> Refused {
    problem(403, "unauthorized", detail)
}

fn not_there() -> Refused {
    problem(404, "malformed", "There is nothing here.")
}

/// An endpoint, as a client has reached it.
pub(crate) struct Reached {
    /// In the endpoint's account and region.
    pub cx: Cx,
    pub endpoint: Endpoint,
    /// What the URLs begin with: by the host at which the client came.
    base: String,
}

impl Reached {
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/{rest}", self.base)
    }

    /// The key of something that belongs to the endpoint.
    pub(crate) fn key<'a>(&'a self, id: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
        (self.cx.account(), self.cx.region(), &self.endpoint.id, id)
    }

    /// An account by the URL that a client calls itself by.
    pub(crate) fn account(&self, url: &str) -> Answered<Option<Account>> {
        let Some(id) = url.strip_prefix(&self.url("account/")) else { return Ok(None) };
        Ok(ACCOUNTS.get(&self.cx.read(), &self.key(id)).map_err(Failure::from)?)
    }
}

/// A request whose signature is good.
pub(crate) struct Asked {
    /// Who asks; `None`: somebody who shows a key instead.
    pub account: Option<Account>,
    /// The key that signed it.
    pub key: Json,
    pub signed: Signed,
}

impl Asked {
    /// The account that asks.
    pub(crate) fn account(&self) -> Answered<&Account> {
        self.account.as_ref().ok_or_else(|| malformed("The request must name its account in kid."))
    }

    /// The payload, which is an object.
    pub(crate) fn object(&self) -> Answered<Json> {
        self.signed.json().filter(Json::is_object).ok_or_else(|| malformed("The payload is not a JSON object."))
    }
}

/// An answer that is JSON, and where it is.
pub(crate) fn answer(status: u16, body: &Json, location: Option<String>) -> Response {
    let mut response = Response::new(status, body.to_string().into_bytes());
    response.set("content-type", "application/json");
    if let Some(location) = location {
        response.set("location", &location);
    }
    response
}

fn directory(at: &Reached) -> Response {
    let body = json!({
        "newNonce": at.url("new-nonce"),
        "newAccount": at.url("new-account"),
        "newOrder": at.url("new-order"),
        "revokeCert": at.url("revoke-cert"),
        "keyChange": at.url("key-change"),
        "meta": {"externalAccountRequired": true},
    });
    answer(200, &body, None)
}

/// Answers a request to one of the endpoints.
pub(crate) async fn serve(nonces: &Nonces, cx: &Cx, request: Request) -> undercast_kernel::Result<Response> {
    let found = find(cx, &request.path)?;
    let Some((at, rest)) = found else { return told(problem(404, "malformed", "There is no such endpoint.")) };
    let answered = match (request.method.as_str(), rest.as_str()) {
        ("GET", "directory") => Ok(directory(&at)),
        ("HEAD", "new-nonce") => Ok(Response::new(200, Vec::new())),
        ("GET", "new-nonce") => Ok(Response::new(204, Vec::new())),
        ("POST", _) => post(nonces, &at, &rest, request).await,
        _ => Err(problem(405, "malformed", "Everything but the directory and nonces is asked for by POST.")),
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(refused) => told(refused)?,
    };
    response.set("replay-nonce", &nonces.give(&at.cx));
    response.set("cache-control", "no-store");
    response.set("link", &format!("<{}>;rel=\"index\"", at.url("directory")));
    Ok(response)
}

/// A refusal as clients read it.
fn told(refused: Refused) -> undercast_kernel::Result<Response> {
    let (status, kind, detail) = match refused {
        Refused::Problem { status, kind, detail } => (status, kind, detail),
        Refused::Failure(failure) => return Err(failure),
    };
    let body = json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status});
    let mut response = answer(status, &body, None);
    response.set("content-type", "application/problem+json");
    Ok(response)
}

/// The endpoint that a path leads to, and what is asked of it.
fn find(cx: &Cx, at: &str) -> undercast_kernel::Result<Option<(Reached, String)>> {
    let mut parts = at.strip_prefix(PATHS).unwrap_or_default().splitn(3, '/');
    let (Some(region), Some(id), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return Ok(None) };
    let all = ENDPOINTS.all(&cx.read(), &())?.into_iter().map(|entry| entry.row);
    let Some(endpoint) = all.into_iter().find(|row| row.id == id && row.region == region) else { return Ok(None) };
    let base = format!("{}{}", cx.endpoint(), path(region, id));
    let cx = cx.elsewhere(&endpoint.account, &endpoint.region);
    Ok(Some((Reached { cx, endpoint, base }, rest.to_owned())))
}

async fn post(nonces: &Nonces, at: &Reached, rest: &str, request: Request) -> Answered<Response> {
    if request.header("content-type") != Some("application/jose+json") {
        return Err(problem(415, "malformed", "The content type must be application/jose+json."));
    }
    let body = request.body.collect(LIMIT).await.ok().flatten();
    let body = body.and_then(|body| serde_json::from_slice(&body).ok());
    let asked = authenticate(nonces, at, rest, body.as_ref())?;
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        ["new-account"] => registration::register(at, &asked).await,
        ["account", id] => registration::account(at, &asked, id).await,
        ["account", id, "orders"] => orders::of_account(at, &asked, id),
        ["key-change"] => registration::change_key(at, &asked).await,
        ["new-order"] => orders::new(at, &asked).await,
        ["order", id] => orders::order(at, &asked, id),
        ["order", id, "finalize"] => orders::finalize(at, &asked, id).await,
        ["authz", id, number] => orders::authorization(at, &asked, id, number),
        ["chall", id, number] => orders::challenge(at, &asked, id, number),
        ["cert", id] => orders::certificate(at, &asked, id),
        ["revoke-cert"] => revocation::revoke(at, &asked).await,
        _ => Err(not_there()),
    }
}

/// Whose a request is, and that it is theirs (RFC 8555, 6.2 to 6.5).
fn authenticate(nonces: &Nonces, at: &Reached, rest: &str, body: Option<&Json>) -> Answered<Asked> {
    let signed = body.and_then(Signed::read).ok_or_else(|| malformed("The body is not a JSON Web Signature."))?;
    let shown = signed.protected.get("jwk").cloned();
    let (account, key) = match (signed.said("kid"), shown) {
        (Some(_), Some(_)) | (None, None) => return Err(malformed("The request must have either kid or jwk.")),
        (None, Some(key)) => (None, key),
        (Some(url), None) => {
            let missing = || problem(400, "accountDoesNotExist", "There is no such account.");
            let account = at.account(url)?.ok_or_else(missing)?;
            let key = serde_json::from_str(&account.key).map_err(Failure::broken)?;
            (Some(account), key)
        }
    };
    match signed.is_signed_with(&key) {
        None => return Err(problem(400, "badSignatureAlgorithm", "Known are ES256, ES384 and RS256.")),
        Some(false) => return Err(malformed("The signature is not the key's.")),
        Some(true) => {}
    }
    if signed.said("url") != Some(at.url(rest).as_str()) {
        return Err(unauthorized("The signed URL is not that of the request."));
    }
    if !signed.said("nonce").is_some_and(|nonce| nonces.take(nonce)) {
        return Err(problem(400, "badNonce", "The nonce is not good, or was used already."));
    }
    if account.as_ref().is_some_and(|account| account.status != AccountStatus::Valid) {
        return Err(unauthorized("The account is deactivated or revoked."));
    }
    Ok(Asked { account, key, signed })
}
