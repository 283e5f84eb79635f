//! Comparing by meaning: order and white space are free where the protocol leaves them so.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value as Json;
use undercast_wire::schema::{Protocol, Shape};
use undercast_wire::value::{Fields, Value};
use undercast_wire::xml_read::{self, Element};
use undercast_wire::{Response, cbor, json_read, text};

use crate::schema::Api;

/// Two values say the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Structure(a), Value::Structure(b)) => same_fields(a, b),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        (Value::Double(a), Value::Double(b)) => (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-6 * a.abs(),
        #[expect(clippy::cast_precision_loss, reason = "small numbers of cases")]
        (Value::Integer(a), Value::Double(b)) | (Value::Double(b), Value::Integer(a)) => *a as f64 == *b,
        (Value::Timestamp(a), Value::Timestamp(b)) => (a.as_millisecond() - b.as_millisecond()).abs() < 1,
        (Value::Document(a), Value::Document(b)) => a == b,
        (Value::Body(a), Value::Body(b)) => a.length() == b.length(),
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Blob(a), Value::Blob(b)) => a == b,
        (Value::Null, Value::Null) => true,
        _ => false,
    }
}

/// The same for the members of a structure.
pub(crate) fn same_members(found: &Fields, wanted: &Value) -> bool {
    wanted.as_fields().is_some_and(|wanted| same_fields(found, wanted))
}

/// An empty map, list or body that was sent as nothing is the same as none.
fn same_fields(a: &Fields, b: &Fields) -> bool {
    let empty = |v: &Value| match v {
        Value::Map(m) => m.is_empty(),
        Value::List(l) => l.is_empty(),
        Value::Body(body) => body.length() == Some(0),
        Value::Blob(bytes) => bytes.is_empty(),
        Value::Structure(f) => f.set.is_empty(),
        Value::String(s) => s.is_empty(),
        _ => false,
    };
    let covers = |a: &Fields, b: &Fields| {
        a.set.iter().all(|(i, v)| match b.set.iter().find(|(j, _)| i == j) {
            Some((_, w)) => same(v, w),
            None => empty(v),
        })
    };
    covers(a, b) && covers(b, a)
}

/// Compares an answer with the published one.
pub(crate) fn response(api: &Api, case: &Json, found: &Response) -> Result<(), String> {
    let wanted = &case["response"];
    let status = wanted["status_code"].as_u64().unwrap_or(200);
    if u64::from(found.status) != status {
        return Err(format!("status {} instead of {status}", found.status));
    }
    let is_error = case.get("errorCode").is_some();
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        let given = found.headers.get(name.to_lowercase()).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        // One case has the header of a request among those of its answer.
        let free = ["content-type", "content-length", "x-amzn-errortype", "x-amz-target"];
        let free = free.contains(&name.to_lowercase().as_str());
        if !free && !is_error && given.as_deref().map(normal) != value.as_str().map(normal) {
            return Err(format!("header {name}: {given:?} instead of {value}"));
        }
    }
    let body = found.body.take().into_parts().map_err(|_| "a streaming body")?;
    if is_error {
        return error(api, case, found, &body);
    }
    body_of(api, &in_utc(wanted["body"].as_str().unwrap_or_default()), &body)
}

/// Moments with an offset as a server writes them.
fn in_utc(body: &str) -> String {
    static MOMENT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,}[+-][0-9]{2}:[0-9]{2}").unwrap());
    let moment = |found: &Captures<'_>| text::parse_iso8601(&found[0]).unwrap().to_string();
    MOMENT.replace_all(body, moment).into_owned()
}

/// Nulls that clients must pass over; a server writes none.
fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(entries) => {
            entries.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect()
        }
        other => other,
    }
}

/// Lists in headers are the same with and without spaces behind their commas.
fn normal(text: &str) -> String {
    text.replace(", ", ",")
}

fn error(api: &Api, case: &Json, found: &Response, body: &[u8]) -> Result<(), String> {
    let code = case["errorCode"].as_str().unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    let header = found.headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok());
    let named = header == Some(code)
        || text.contains(&format!("<Code>{code}</Code>"))
        || text.contains(&format!("\"__type\":\"{code}\""));
    let cbor = api.protocol == Protocol::Cbor && text.contains(code);
    if named || cbor { Ok(()) } else { Err(format!("the code {code} is not in {text}")) }
}

fn body_of(api: &Api, wanted: &str, found: &[u8]) -> Result<(), String> {
    let schema = api.operation.output;
    let mut unknown = Vec::new();
    let show = || format!("{} instead of {wanted}", String::from_utf8_lossy(found));
    match api.protocol {
        Protocol::Json => {
            let (a, b) = (
                json_read::structure(found, schema, &mut unknown),
                json_read::structure(wanted.as_bytes(), schema, &mut unknown),
            );
            judge(a.ok().zip(b.ok()), show)
        }
        // No case is of what stands in the place of awsJson.
        Protocol::Cbor | Protocol::AwsCbor => {
            let bytes = text::unbase64(wanted).ok_or("the case is not base64")?;
            let (a, b) = (cbor::structure(found, schema, &mut unknown), cbor::structure(&bytes, schema, &mut unknown));
            judge(a.ok().zip(b.ok()), show)
        }
        Protocol::RestJson | Protocol::RestXml => match schema.payload().map(|m| (&m.shape, m.streaming)) {
            Some((Shape::String(_) | Shape::Blob(_), _) | (_, true)) => {
                if found == wanted.as_bytes() {
                    Ok(())
                } else {
                    Err(show())
                }
            }
            _ if wanted.trim().is_empty() => {
                let nothing = matches!(std::str::from_utf8(found).map(str::trim), Ok("" | "{}"));
                if nothing { Ok(()) } else { Err(show()) }
            }
            _ if api.protocol == Protocol::RestXml => xml(api, found, wanted.as_bytes(), show),
            _ => {
                let parse = |b: &[u8]| serde_json::from_slice::<Json>(b).ok();
                let empty =
                    |j: &Option<Json>| j.as_ref().is_none_or(|j| j.as_object().is_some_and(serde_json::Map::is_empty));
                let (a, b) = (parse(found), parse(wanted.as_bytes()));
                if a == b || (empty(&a) && empty(&b)) || numbers_alike(a.as_ref(), b.as_ref()) {
                    return Ok(());
                }
                let read = |json: Option<Json>| {
                    let bytes = without_nulls(json?).to_string();
                    json_read::structure(bytes.as_bytes(), schema, &mut Vec::new()).ok()
                };
                judge(read(a).zip(read(b)), show)
            }
        },
        Protocol::Query | Protocol::Ec2 => xml(api, found, wanted.as_bytes(), show),
    }
}

fn numbers_alike(a: Option<&Json>, b: Option<&Json>) -> bool {
    match (a, b) {
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            a.len() == b.len() && a.iter().all(|(k, v)| numbers_alike(Some(v), b.get(k)))
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| numbers_alike(Some(a), Some(b)))
        }
        (Some(Json::Number(a)), Some(Json::Number(b))) => {
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-6 * a.abs())
        }
        (a, b) => a == b,
    }
}

fn judge(pair: Option<(Fields, Fields)>, show: impl Fn() -> String) -> Result<(), String> {
    let alike = pair.is_some_and(|(a, b)| same(&Value::Structure(a), &Value::Structure(b)));
    if alike { Ok(()) } else { Err(show()) }
}

fn xml(api: &Api, found: &[u8], wanted: &[u8], show: impl Fn() -> String) -> Result<(), String> {
    let (Ok(found), Ok(wanted)) = (xml_read::parse(found), xml_read::parse(wanted)) else { return Err(show()) };
    match (found, wanted) {
        // Where a client needs nothing, the envelope of an empty result says nothing.
        (Some(f), None) if f.children.iter().all(|c| c.children.is_empty() || c.name == "ResponseMetadata") => Ok(()),
        (Some(f), Some(w)) if same_element(&f, &w) || same_meaning(api, &f, &w) => Ok(()),
        (None, None) => Ok(()),
        _ => Err(show()),
    }
}

/// Both are read as the same output, and nothing in ours is unknown to it: a moment with another offset, a number with
/// white space around it.
fn same_meaning(api: &Api, found: &Element, wanted: &Element) -> bool {
    let read = |root: &Element, unknown: &mut Vec<String>| {
        let wrapper = api.operation.result_wrapper;
        let result = wrapper.and_then(|name| root.children.iter().find(|c| c.name == name)).unwrap_or(root);
        let payload = api.operation.output.payload().map(|m| m.shape);
        let schema = if let Some(Shape::Structure(of)) = payload { of } else { api.operation.output };
        xml_read::members(result, schema, unknown).ok()
    };
    let mut unknown = Vec::new();
    let pair = read(found, &mut unknown).zip(read(wanted, &mut Vec::new()));
    unknown.retain(|name| name != "requestId");
    unknown.is_empty() && pair.is_some_and(|(a, b)| !a.set.is_empty() && same_fields(&a, &b))
}

/// Order of elements with different names is free; request ids and namespaces are not compared.
fn same_element(found: &Element, wanted: &Element) -> bool {
    let names = |e: &Element| {
        let mut names: Vec<String> = e.children.iter().map(|c| c.name.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|n| !matches!(n.as_str(), "ResponseMetadata" | "requestId" | "RequestId"));
        names
    };
    // A result that is empty may be there or not.
    let trivial = |e: &Element, name: &str| {
        e.children.iter().all(|c| c.name != name || (c.children.is_empty() && c.text.trim().is_empty()))
    };
    let (a, b) = (names(found), names(wanted));
    let leaf = a.is_empty() && b.is_empty();
    (!leaf || found.text == wanted.text || found.text.trim() == wanted.text.trim())
        && a.iter().chain(&b).all(|name| {
            let f: Vec<&Element> = found.children.iter().filter(|c| c.name == *name).collect();
            let w: Vec<&Element> = wanted.children.iter().filter(|c| c.name == *name).collect();
            if f.is_empty() || w.is_empty() {
                return name.ends_with("Result") && trivial(found, name) && trivial(wanted, name);
            }
            f.len() == w.len()
                && (f.iter().zip(&w).all(|(f, w)| same_element(f, w))
                    || f.iter().all(|f| w.iter().any(|w| same_element(f, w))))
        })
}
