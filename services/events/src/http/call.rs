//! Calling an API destination.
//!
//! Source: "API destinations" in the user guide: the headers of requests, which answers are tried again (401, 407, 409, 429 and those of
//! 500 and more), five seconds for an answer, Retry-After.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text::base64;
use undercast_kernel::{Access, Cx};
use undercast_outward::{Answer, NoAnswer, Request, Url, send};

use super::connection::{self, AUTHORIZED, Connection};
use super::destination::{self, Destination};
use super::parameters::Parameters;
use super::token::encoded;
use crate::Events;
use crate::api::kept::{HttpParameters, Target};
use crate::deliver::Refusal;
use crate::event::Event;
use crate::path::Path;

/// What EventBridge calls itself.
pub(super) const AGENT: &str = "Amazon/EventBridge/ApiDestinations";
/// The other side has so long to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Headers that nobody sets but we.
const OWN: &[&str] =
    &["user-agent", "range", "accept-encoding", "connection", "content-length", "host", "transfer-encoding"];

type Called<T> = Result<T, Refusal>;

/// A value of a target's parameters: itself, or what the event has where it is a path.
fn value(given: &str, event: &Json) -> String {
    let path = if given.starts_with("$.") { Path::parse(given) } else { None };
    match path.map(|path| path.find(event).unwrap_or(Json::Null)) {
        None => given.to_owned(),
        Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
    }
}

/// The address, its stars replaced by the values that the target has for them.
fn address(destination: &Destination, given: &HttpParameters, event: &Json) -> Option<Url> {
    let mut values = given.path_parameter_values.iter().flatten();
    let mut pieces = destination.endpoint.split('*');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match values.next() {
            Some(given) => text.push_str(&encoded(&value(given, event))),
            None => text.push('*'),
        }
        text.push_str(piece);
    }
    Url::parse(&text).filter(|url| url.login.is_none())
}

/// What is sent, but for what says who we are. What the connection says goes before what the target says.
fn request(
    destination: &Destination,
    parameters: &Parameters,
    target: &Target,
    event: &Event,
    input: &str,
) -> Called<Request> {
    let (json, none) = (event.json(), HttpParameters::default());
    let given = target.http_parameters.as_ref().unwrap_or(&none);
    let invocation = parameters.invocation.clone().unwrap_or_default();
    let mut url = address(destination, given, &json)
        .ok_or_else(|| Refusal::for_good("INVALID_PARAMETER", "The address of the API destination is none."))?;
    let mut query: BTreeMap<String, String> = BTreeMap::new();
    query.extend(given.query_string_parameters.iter().flatten().map(|(k, v)| (k.clone(), value(v, &json))));
    let own = invocation.query_string_parameters.into_iter().flatten();
    query.extend(own.map(|p| (p.key.unwrap_or_default(), p.value.unwrap_or_default())));
    url.add_query(query, encoded);
    let mut headers: BTreeMap<String, String> =
        BTreeMap::from([("content-type".to_owned(), "application/json; charset=utf-8".to_owned())]);
    headers.extend(given.header_parameters.iter().flatten().map(|(k, v)| (k.to_lowercase(), value(v, &json))));
    let own = invocation.header_parameters.into_iter().flatten();
    headers.extend(own.map(|p| (p.key.unwrap_or_default().to_lowercase(), p.value.unwrap_or_default())));
    headers.retain(|name, _| !OWN.contains(&name.as_str()));
    let mut body = input.to_owned();
    let more: Vec<_> = invocation.body_parameters.into_iter().flatten().collect();
    if !more.is_empty()
        && let Ok(Json::Object(mut fields)) = serde_json::from_str(input)
    {
        fields.extend(more.into_iter().map(|p| (p.key.unwrap_or_default(), Json::from(p.value.unwrap_or_default()))));
        body = Json::Object(fields).to_string();
    }
    let fixed = [
        ("user-agent", AGENT.to_owned()),
        ("range", "bytes=0-1048575".to_owned()),
        ("accept-encoding", "gzip,deflate".to_owned()),
        ("connection", "close".to_owned()),
        ("content-length", body.len().to_string()),
    ];
    let headers = headers.into_iter().chain(fixed.map(|(name, value)| (name.to_owned(), value))).collect();
    Ok(Request { method: destination.method.clone(), url, headers, body: Bytes::from(body), patience: PATIENCE })
}

/// What says who we are: the name of a header, and its value.
async fn identity(
    service: &Events,
    cx: &Cx,
    connection: &Connection,
    parameters: &Parameters,
    renewed: bool,
) -> Called<(String, String)> {
    let secret = |secret: &Option<String>| secret.clone().unwrap_or_default();
    if let Some(basic) = &parameters.basic {
        let login = base64(format!("{}:{}", basic.name, secret(&basic.secret)).as_bytes());
        return Ok(("authorization".to_owned(), format!("Basic {login}")));
    }
    if let Some(key) = &parameters.key {
        return Ok((key.name.to_lowercase(), secret(&key.secret)));
    }
    let token =
        if renewed { service.tokens.renew(cx, connection).await } else { service.tokens.header(cx, connection).await };
    Ok(("authorization".to_owned(), token?))
}

/// What an answer means.
fn judge(cx: &Cx, answer: &Answer) -> Called<()> {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(());
    }
    let message = format!("The API destination answered with HTTP status {status}.");
    let again = matches!(status, 401 | 407 | 409 | 429) || status >= 500;
    if !again {
        return Err(Refusal::for_good("SDK_CLIENT_ERROR", message));
    }
    let code = if status == 429 { "THROTTLING" } else { "ERROR_FROM_TARGET" };
    let wait =
        answer.headers.get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse::<i64>().ok());
    match wait {
        // It does not want to be asked again.
        Some(seconds) if seconds < 0 => Err(Refusal::for_good(code, message)),
        Some(seconds) => {
            let due = cx.refreshed().now_millis() + seconds.saturating_mul(1000);
            Err(Refusal { not_before: Some(due), ..Refusal::later(code, message) })
        }
        None => Err(Refusal::later(code, message)),
    }
}

fn unanswered(error: &NoAnswer) -> Refusal {
    match error {
        NoAnswer::Aws(_) | NoAnswer::Request(_) => Refusal::for_good("SDK_CLIENT_ERROR", error.to_string()),
        NoAnswer::Timeout(_) => Refusal::later("TIMEOUT", error.to_string()),
        NoAnswer::Unreachable(_) => Refusal::later("CONNECTION_FAILURE", error.to_string()),
    }
}

/// Calls the API destination of a target, with the rights of `cx`.
pub(crate) async fn call(service: &Events, cx: &Cx, target: &Target, event: &Event, input: &str) -> Called<()> {
    let broken = |failure: undercast_kernel::Failure| Refusal::of(&failure);
    let access = Access::new("events:InvokeApiDestination", target.arn.as_str());
    if let Some(message) = cx.denied(&access).map_err(broken)? {
        return Err(Refusal::for_good("NO_PERMISSIONS", message));
    }
    let none = || Refusal::for_good("NO_RESOURCE", format!("There is no API destination {}.", target.arn));
    let arn = Arn::parse(&target.arn).ok_or_else(none)?;
    let destination = destination::of_arn(cx, &arn).map_err(broken)?.ok_or_else(none)?;
    let connection = connection::of_arn(cx, &cx.read(), &destination.connection).map_err(broken)?;
    let inactive = || Refusal::later("CONNECTION_FAILURE", "The connection of the API destination is not authorized.");
    let connection = connection.filter(|connection| connection.state == AUTHORIZED).ok_or_else(inactive)?;
    let parameters = connection.open(cx).await.map_err(broken)?.ok_or_else(inactive)?;
    if let Some(turn) = service.pace.turn(&target.arn, destination.rate, cx.refreshed().now_millis()) {
        return Err(Refusal::wait(turn));
    }
    let request = request(&destination, &parameters, target, event, input)?;
    let mut renewed = false;
    loop {
        let mut request = request.clone();
        let identity = identity(service, cx, &connection, &parameters, renewed).await?;
        request.headers.retain(|(name, _)| *name != identity.0);
        request.headers.push(identity);
        let answer = send(&cx.kernel().settings().authority(), request).await.map_err(|error| unanswered(&error))?;
        // The token may be one that the other side does not know any more.
        if matches!(answer.status, 401 | 407) && parameters.oauth.is_some() && !renewed {
            renewed = true;
            continue;
        }
        return judge(cx, &answer);
    }
}
