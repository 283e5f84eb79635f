//! Tokens of OAuth, by the client's credentials: asked for when there is none, when one is about to expire, and when the other side
//! does not know it any more. They are kept in memory alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use undercast_kernel::Cx;
use undercast_kernel::wire::text;
use undercast_outward::{Request, Url, send};

use super::connection::Connection;
use crate::deliver::Refusal;

/// The other side has so long to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A token is renewed so long before it expires, in milliseconds.
const AHEAD: i64 = 60_000;

/// Tokens by the version of their connections.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Token>>);

#[derive(Debug, Clone)]
struct Token {
    /// What stands in the header.
    header: String,
    /// Milliseconds since 1970.
    expires: Option<i64>,
}

/// A form field or a piece of a query, encoded.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text::percent_encode(text, false, &mut out);
    out
}

fn refused(why: impl std::fmt::Display) -> Refusal {
    let message = format!("The authorization endpoint gave no token: {why}");
    Refusal::later("SDK_CLIENT_ERROR", message)
}

impl Tokens {
    /// The header that says who we are.
    pub(super) async fn header(&self, cx: &Cx, connection: &Connection) -> Result<String, Refusal> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&connection.version).cloned();
        let now = cx.refreshed().now_millis();
        match known.filter(|token| token.expires.is_none_or(|end| end - AHEAD > now)) {
            Some(token) => Ok(token.header),
            None => self.renew(cx, connection).await,
        }
    }

    /// Asks for a token.
    pub(super) async fn renew(&self, cx: &Cx, connection: &Connection) -> Result<String, Refusal> {
        let token = ask(cx, connection).await?;
        let header = token.header.clone();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(connection.version.clone(), token);
        Ok(header)
    }
}

async fn ask(cx: &Cx, connection: &Connection) -> Result<Token, Refusal> {
    let parameters = connection.open(cx).await.map_err(|failure| Refusal::of(&failure))?;
    let oauth = parameters.and_then(|all| all.oauth).ok_or_else(|| refused("the connection has no credentials"))?;
    let mut url = Url::parse(&oauth.endpoint).ok_or_else(|| refused("its address is none"))?;
    let http = oauth.http.unwrap_or_default();
    let mut form = vec![
        ("grant_type".to_owned(), "client_credentials".to_owned()),
        ("client_id".to_owned(), oauth.client.name),
        ("client_secret".to_owned(), oauth.client.secret.unwrap_or_default()),
    ];
    for parameter in http.body_parameters.into_iter().flatten() {
        let (name, value) = (parameter.key.unwrap_or_default(), parameter.value.unwrap_or_default());
        form.retain(|(there, _)| *there != name);
        form.push((name, value));
    }
    let query = http.query_string_parameters.into_iter().flatten();
    url.add_query(query.map(|p| (p.key.unwrap_or_default(), p.value.unwrap_or_default())), encoded);
    let mut headers = vec![("user-agent".to_owned(), super::call::AGENT.to_owned())];
    let given = http.header_parameters.into_iter().flatten();
    headers.extend(given.map(|p| (p.key.unwrap_or_default(), p.value.unwrap_or_default())));
    let mut body = Bytes::new();
    if oauth.method == "GET" {
        url.add_query(form, encoded);
    } else {
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        body = Bytes::from(pairs.join("&"));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
    }
    headers.push(("content-length".to_owned(), body.len().to_string()));
    let request = Request { method: oauth.method, url, headers, body, patience: PATIENCE };
    let answer = send(&cx.kernel().settings().authority(), request).await.map_err(refused)?;
    if !(200..300).contains(&answer.status) {
        return Err(refused(format!("HTTP status {}", answer.status)));
    }
    let told: Json = serde_json::from_slice(&answer.body).map_err(refused)?;
    let token = told["access_token"].as_str().ok_or_else(|| refused("its answer has no access_token"))?;
    let kind = told["token_type"].as_str().filter(|kind| !kind.eq_ignore_ascii_case("bearer")).unwrap_or("Bearer");
    let lives = told["expires_in"].as_i64().or_else(|| told["expires_in"].as_str().and_then(|text| text.parse().ok()));
    let expires = lives.map(|seconds| cx.refreshed().now_millis() + seconds * 1000);
    Ok(Token { header: format!("{kind} {token}"), expires })
}
