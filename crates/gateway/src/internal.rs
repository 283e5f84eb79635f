//! Undercast's own endpoints: `/_undercast/…`, and the habits kept under `/_localstack/…`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::{FaultRule, IamMode, NameRecord, Record, Timestamp, auth};
use undercast_wire::{Body, Request, Response, text};

use crate::listen::Gateway;
use crate::snapshots;

/// Bodies of these endpoints are small.
const LIMIT: usize = 1 << 20;

/// Answers one of them.
pub(crate) async fn answer(gateway: &Gateway, request: Request) -> Response {
    match answer_or_refuse(gateway, request).await {
        Ok(json) => respond(200, &json),
        Err((status, message)) => respond(status, &json!({"error": message})),
    }
}

async fn answer_or_refuse(gateway: &Gateway, request: Request) -> Answer {
    let (method, path) = (request.method, request.path.trim_end_matches('/'));
    let query = text::pairs(&request.query).ok_or((400, "the query string is not readable".to_owned()))?;
    let input = read(request.body).await?;
    match (method.as_str(), path) {
        ("GET", "/_undercast/health" | "/_localstack/health") => Ok(health(gateway)),
        ("GET", "/_localstack/init") => gateway.settings.init.answer(None),
        ("GET", path) if path.starts_with("/_localstack/init/") => {
            gateway.settings.init.answer(path.strip_prefix("/_localstack/init/"))
        }
        ("GET", "/_undercast/report") => Ok(report(gateway)),
        ("GET", "/_undercast/events") => events(gateway, &query),
        ("GET", "/_undercast/clock") => Ok(clock(gateway)),
        ("POST", "/_undercast/clock") => set_clock(gateway, &input).await,
        ("GET", "/_undercast/faults") => Ok(json!({"rules": gateway.kernel.faults().list()})),
        ("POST", "/_undercast/faults") => add_fault(gateway, input),
        ("DELETE", "/_undercast/faults") => Ok(json!({"removed": gateway.kernel.faults().remove(get(&query, "id"))})),
        ("GET", "/_undercast/usage") => Ok(usage(gateway)),
        ("GET", "/_undercast/least-privilege") => least_privilege(gateway, &query).await,
        ("GET", "/_undercast/inbox") => inbox(gateway, &query),
        ("DELETE", "/_undercast/inbox") => {
            let removed = gateway.kernel.empty_inbox().await.map_err(|e| (500, e.to_string()))?;
            Ok(json!({"removed": removed}))
        }
        ("GET", "/_undercast/names") => {
            let names = gateway.kernel.names().map_err(|e| (500, e.to_string()))?;
            Ok(json!({"names": names}))
        }
        ("POST", "/_undercast/names") => put_name(gateway, &input).await,
        ("DELETE", "/_undercast/names") => remove_name(gateway, &query).await,
        (_, path) if path == "/_undercast/reset" || path.starts_with("/_undercast/snapshots") => {
            snapshots::answer(gateway, &method, path, &input).await
        }
        ("POST", "/_undercast/stop") => {
            gateway.stop();
            Ok(json!({"stopping": true}))
        }
        _ => Err((404, format!("there is no {method} {path}"))),
    }
}

/// The JSON of a body; an empty one says nothing.
async fn read(body: Body) -> Answer {
    let bytes = body.collect(LIMIT).await.map_err(|e| (400, format!("the body could not be read: {e}")))?;
    let bytes = bytes.ok_or_else(|| (413, format!("the body is larger than {LIMIT} bytes")))?;
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&bytes).map_err(|e| (400, format!("the body is not JSON: {e}")))
}

/// A parameter of the query string.
fn get<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn respond(status: u16, json: &Json) -> Response {
    let mut response = Response::new(status, format!("{json:#}\n").into_bytes());
    response.set("content-type", "application/json");
    response
}

fn health(gateway: &Gateway) -> Json {
    let services: BTreeMap<&str, &str> =
        gateway.kernel.services().iter().map(|s| (s.api().name, "available")).collect();
    json!({"services": services, "edition": "undercast", "version": env!("CARGO_PKG_VERSION")})
}

/// What works, what of it is ignored, and what is not built.
fn report(gateway: &Gateway) -> Json {
    let services: Vec<Json> = gateway
        .kernel
        .services()
        .iter()
        .map(|service| {
            let api = service.api();
            let operations: Vec<Json> = api
                .operations
                .iter()
                .map(|o| {
                    let ignored: BTreeMap<&str, &str> =
                        o.input.members.iter().filter_map(|m| m.ignored.map(|r| (m.name, r))).collect();
                    json!({"name": o.name, "ignored": ignored, "cases": o.cases})
                })
                .collect();
            let unbuilt: Vec<&str> = api.unbuilt.iter().map(|u| u.name).collect();
            let protocols: Vec<&str> = api.protocols.iter().map(|p| p.name()).collect();
            json!({"service": api.name, "protocols": protocols, "operations": operations, "not_built": unbuilt})
        })
        .collect();
    json!({"services": services})
}

fn events(gateway: &Gateway, query: &[(String, String)]) -> Answer {
    let trail = gateway.kernel.trail();
    let records = if let Some(id) = get(query, "request") {
        trail.find(id).into_iter().collect()
    } else {
        let wrong = |_| (400, "`count` must be a number of events".to_owned());
        let count = get(query, "count").map(str::parse).transpose().map_err(wrong)?;
        trail.latest(count.unwrap_or(100))
    };
    match get(query, "form") {
        None => Ok(json!({"events": records})),
        Some("cloudtrail") => {
            let from = gateway.kernel.database().read();
            let shown = |r: &Record| Some(r.cloudtrail(&**gateway.kernel.service(r.service)?, &from));
            Ok(json!({"Records": records.iter().filter_map(shown).collect::<Vec<_>>()}))
        }
        Some(other) => Err((400, format!("events have no form `{other}`; there is `cloudtrail`"))),
    }
}

fn clock(gateway: &Gateway) -> Json {
    let (ahead, frozen) = gateway.kernel.clock().ahead();
    json!({"now": gateway.kernel.clock().now(), "ahead_seconds": ahead.as_secs_f64(), "frozen": frozen})
}

pub(crate) type Answer = Result<Json, (u16, String)>;

async fn set_clock(gateway: &Gateway, input: &Json) -> Answer {
    let clock = gateway.kernel.clock();
    let failed = |e: undercast_kernel::Failure| (500, e.to_string());
    match input.get("action").and_then(Json::as_str) {
        Some("freeze") => clock.freeze(),
        Some("resume") => clock.resume(),
        Some("set") => {
            let to = input.get("to").and_then(Json::as_str).and_then(|t| t.parse::<Timestamp>().ok());
            let to = to.ok_or((400, "`to` must be a moment such as 2027-01-01T00:00:00Z".to_owned()))?;
            let ahead = to.duration_since(clock.now());
            match Duration::try_from(ahead) {
                // Forward, everything on the way is done; backward, nothing can be undone.
                Ok(span) => drop(gateway.kernel.advance(span).await.map_err(failed)?),
                Err(_) => clock.set(to),
            }
        }
        Some("advance") => {
            let seconds = input.get("seconds").and_then(Json::as_f64).filter(|s| s.is_finite() && *s >= 0.0);
            let seconds = seconds.ok_or((400, "`seconds` must be a number that is not negative".to_owned()))?;
            gateway.kernel.advance(Duration::from_secs_f64(seconds.min(3e9))).await.map_err(failed)?;
        }
        _ => return Err((400, "`action` must be freeze, resume, set or advance".to_owned())),
    }
    gateway.kernel.keep_clock().await.map_err(failed)?;
    Ok(self::clock(gateway))
}

fn add_fault(gateway: &Gateway, input: Json) -> Answer {
    let mut rule: FaultRule = serde_json::from_value(input).map_err(|e| (400, e.to_string()))?;
    if rule.id.is_empty() {
        rule.id = gateway.kernel.random().hex(8);
    }
    let answer = json!({"id": rule.id});
    gateway.kernel.faults().add(rule).map_err(|why| (400, why.to_string()))?;
    Ok(answer)
}

/// What would have left this machine for people, the oldest first: all of it, of one kind, or to one address.
fn inbox(gateway: &Gateway, query: &[(String, String)]) -> Answer {
    let letters = gateway.kernel.inbox().map_err(|e| (500, e.to_string()))?;
    let wanted = |name: &str, is: &str| get(query, name).is_none_or(|wanted| wanted == is);
    let letters = letters.into_iter().filter(|l| wanted("kind", &l.kind) && wanted("to", &l.to));
    Ok(json!({"letters": letters.collect::<Vec<_>>()}))
}

/// Publishes a record: `{"name", "type", "values", "account"}`; without an account, for the first one.
async fn put_name(gateway: &Gateway, input: &Json) -> Answer {
    let text = |name: &str| {
        let found = input.get(name).and_then(Json::as_str);
        found.ok_or_else(|| (400, format!("`{name}` must be a text")))
    };
    let values = input.get("values").and_then(Json::as_array).ok_or((400, "`values` must be a list".to_owned()))?;
    let values = values.iter().filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect();
    let account = input.get("account").and_then(Json::as_str).unwrap_or(auth::DEFAULT_ACCOUNT);
    let cx = gateway.kernel.cx_for(account, undercast_kernel::regions::DEFAULT);
    let record = NameRecord::new(&cx, text("name")?, text("type")?, values, None).map_err(|e| (400, e.to_string()))?;
    cx.write(|tx| cx.publish_name(tx, &record)).await.map_err(|e| (500, e.to_string()))?;
    Ok(json!(record))
}

/// Takes the records of a name back: all, or those of a `type`.
async fn remove_name(gateway: &Gateway, query: &[(String, String)]) -> Answer {
    let name = get(query, "name").ok_or((400, "which name?".to_owned()))?;
    let removed = gateway.kernel.withdraw_name(name, get(query, "type")).await.map_err(|e| (500, e.to_string()))?;
    Ok(json!({"removed": removed}))
}

fn usage(gateway: &Gateway) -> Json {
    let rows: Vec<Json> = gateway
        .kernel
        .meter()
        .read()
        .into_iter()
        .map(|(account, region, service, unit, amount)| json!({"account": account, "region": region, "service": service, "unit": unit, "amount": amount}))
        .collect();
    json!({"usage": rows})
}

/// The smallest policy for what a user or role did: all of it, since a moment (`since`), or of the last `seconds`.
async fn least_privilege(gateway: &Gateway, query: &[(String, String)]) -> Answer {
    let kernel = &gateway.kernel;
    if kernel.settings().iam == IamMode::Off {
        return Err((
            409,
            "this cloud runs with `--iam off`: nobody asks for permissions, so none are observed".to_owned(),
        ));
    }
    let of = get(query, "of").ok_or((400, "`of` must be the ARN of a user or role".to_owned()))?;
    let wrong = || (400, "`since` must be a moment such as 2027-01-01T00:00:00Z, `seconds` a number".to_owned());
    let since = match (get(query, "since"), get(query, "seconds")) {
        (Some(moment), _) => moment.parse().map_err(|_| wrong())?,
        (None, Some(seconds)) => {
            let seconds = seconds.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0).ok_or_else(wrong)?;
            kernel.clock().now() - Duration::from_secs_f64(seconds.min(3e9))
        }
        (None, None) => Timestamp::UNIX_EPOCH,
    };
    let known = kernel.identities().ok_or((409, "this cloud runs without IAM".to_owned()))?;
    let found = known.least_privilege(kernel, of, since).await.map_err(|e| (500, e.to_string()))?;
    found.ok_or_else(|| (404, format!("there is no user or role {of}")))
}
