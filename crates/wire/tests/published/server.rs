//! Cases for servers: malformed requests with the status and headers that must be answered, and cases that only servers
//! can meet.

use serde_json::{Value as Json, json};
use undercast_wire::check::{self, Constraint, Violation};
use undercast_wire::decode::Decoded;
use undercast_wire::schema::{Operation, Protocol};
use undercast_wire::value::{Body, Value};
use undercast_wire::{AwsError, Bytes, Request, Response, protocol, text, uri};

use crate::left_out::{self, LeftOut};
use crate::schema::Api;
use crate::{Output, compare, folder, headers, models};

/// How many are run. The numbers may not fall.
const MALFORMED_RUN: usize = 615;
const SERVER_RUN: usize = 47;

fn cases(name: &str) -> Option<Vec<Json>> {
    let file = folder("smithy")?.join(name);
    Some(serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
}

/// A case's request and the bytes of its body.
fn request(protocol: Protocol, case: &Json) -> (Request, Bytes) {
    let sent_to = case["uri"].as_str().unwrap_or("/");
    let (path, query) = sent_to.split_once('?').unwrap_or((sent_to, ""));
    let parameters: Vec<&str> = case["queryParams"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let query = [query, &parameters.join("&")].iter().filter(|q| !q.is_empty()).copied().collect::<Vec<_>>().join("&");
    let body = case["body"].as_str().unwrap_or_default();
    let body = if protocol == Protocol::Cbor { text::unbase64(body).unwrap() } else { body.as_bytes().to_vec() };
    let body = Bytes::from(body);
    let request = Request {
        method: case["method"].as_str().unwrap_or("POST").to_owned(),
        path: path.to_owned(),
        query,
        headers: headers(&case["headers"]),
        body: Body::from(body.clone()),
    };
    (request, body)
}

fn read(protocol: Protocol, operation: &'static Operation, case: &Json) -> Result<(Decoded, Vec<Violation>), AwsError> {
    let (request, body) = request(protocol, case);
    let refused = |why: &str| AwsError::new("UnknownOperationException", 404, why.to_owned());
    let pairs = text::pairs(&request.query).ok_or_else(|| refused("the query string cannot be read"))?;
    let fit = uri::Pattern::new(operation.http.uri).fit(&uri::Path::new(&request.path), &pairs);
    let labels = match protocol {
        Protocol::RestJson | Protocol::RestXml => fit.ok_or_else(|| refused("the path does not fit"))?.labels,
        _ => Vec::new(),
    };
    let decoded =
        protocol::decode(protocol, operation, &request, &body, &labels).map_err(|e| e.into_error(protocol))?;
    let broken = check::violations(&decoded);
    Ok((decoded, broken))
}

fn answer(api: &Api, error: &AwsError) -> Response {
    protocol::encode_error(api.protocol, api.service, error, "request-id")
}

/// Runs one malformed request.
fn malformed(api: &Api, case: &Json) -> Result<(), String> {
    let wanted = &case["response"];
    let kind = wanted["headers"]["x-amzn-errortype"].as_str().unwrap_or_default();
    let error = match read(api.protocol, api.operation, &case["request"]) {
        Err(error) => error,
        Ok((_, broken)) if broken.is_empty() => return Err("it was taken".to_owned()),
        Ok((_, broken)) => {
            said_of(&broken, wanted["body"]["assertion"]["contents"].as_str().unwrap_or_default())?;
            AwsError::new(api.service.validation_error, 400, check::message(&broken))
        }
    };
    let response = answer(api, &error);
    let named = response.headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if named == kind && Some(u64::from(response.status)) == wanted["code"].as_u64() {
        Ok(())
    } else {
        Err(format!("{} {named} instead of {} {kind}: {}", response.status, wanted["code"], error.message))
    }
}

/// The case's sentence names the same place and the same kind of constraint. AWS's services word it as
/// [`check::message`] does; the sentences of the cases are those of another framework.
fn said_of(broken: &[Violation], body: &str) -> Result<(), String> {
    let [violation] = broken else { return Err(format!("{} violations instead of one", broken.len())) };
    let constraint = match &violation.constraint {
        Constraint::Required => "Member must not be null".to_owned(),
        Constraint::MinLength(_) | Constraint::MaxLength(_) => "Member must have length ".to_owned(),
        Constraint::Min(_) | Constraint::Max(_) | Constraint::Least(_) | Constraint::Most(_) => {
            "Member must be ".to_owned()
        }
        Constraint::Pattern(pattern) => format!("Member must satisfy regular expression pattern: {pattern}"),
        Constraint::Values(values) => format!("Member must satisfy enum value set: [{}]", values.join(", ")),
    };
    let wanted = format!("at '{}' failed to satisfy constraint: {constraint}", pointer(&violation.path));
    if body.contains(&wanted) { Ok(()) } else { Err(format!("{wanted} is not in {body}")) }
}

/// `list.1.member` as the cases write it: `/list/0`.
fn pointer(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('.') {
        match (part, parts.last().map(|last| last.parse::<usize>())) {
            ("member", Some(Ok(number))) => *parts.last_mut().unwrap() = (number - 1).to_string(),
            ("member", _) => {}
            _ => parts.push(part.to_owned()),
        }
    }
    format!("/{}", parts.join("/"))
}

#[test]
fn malformed_requests_are_refused_as_published() {
    let Some(cases) = cases("malformed-requests.json") else { return };
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), LeftOut::new(left_out::MALFORMED));
    for case in cases {
        let id = case["id"].as_str().unwrap();
        if left_out.has(id) {
            continue;
        }
        let outcome = match models::of_malformed(case["operation"].as_str().unwrap()) {
            Some(operation) => malformed(&Api::around(Protocol::RestJson, operation), &case),
            None => Err("its operation is not in the table".to_owned()),
        };
        match outcome {
            Ok(()) => passed += 1,
            Err(why) => failed.push(format!("{id}: {why}")),
        }
    }
    left_out.settle("malformed requests", passed, MALFORMED_RUN, &failed);
}

fn protocol_of(case: &Json) -> Option<Protocol> {
    Some(match case["protocol"].as_str()?.rsplit('#').next()? {
        "awsJson1_0" | "awsJson1_1" => Protocol::Json,
        "restJson1" => Protocol::RestJson,
        "restXml" => Protocol::RestXml,
        "rpcv2Cbor" => Protocol::Cbor,
        _ => return None,
    })
}

/// Runs one case that is for servers only.
fn server_only(case: &Json) -> Result<(), String> {
    let protocol = protocol_of(case).ok_or("another protocol")?;
    let id = case["id"].as_str().unwrap();
    let uri = case["uri"].as_str().unwrap_or("/");
    let operation = models::of_server_case(id, uri).ok_or("its operation is not in the table")?;
    let api = Api::around(protocol, operation);
    let side = if case["kind"] == "httpRequestTests" { operation.input } else { operation.output };
    let mut named = case["params"].as_object().into_iter().flat_map(serde_json::Map::keys);
    if let Some(name) = named.find(|name| side.index(name).is_none()) {
        return Err(format!("its operation in the table has no member {name}"));
    }
    if case["kind"] == "httpRequestTests" {
        let (decoded, broken) = read(protocol, api.operation, case).map_err(|e| e.message)?;
        let (found, wanted) = (Value::Structure(decoded.input), api.value(&case["params"], api.operation.input));
        let good = broken.is_empty() && compare::same(&found, &wanted);
        return if good { Ok(()) } else { Err(format!("read {found:?}")) };
    }
    let Value::Structure(output) = api.value(&case["params"], api.operation.output) else { return Err(id.to_owned()) };
    let response = protocol::encode(protocol, api.service, api.operation, &Output(output), "request-id");
    for name in case["forbidHeaders"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if response.headers.contains_key(name.to_lowercase()) {
            return Err(format!("the header {name} is there"));
        }
    }
    let wanted = json!({"status_code": case["code"], "headers": case["headers"], "body": case["body"]});
    compare::response(&api, &json!({"response": wanted}), &response)
}

#[test]
fn cases_for_servers_are_met() {
    let Some(cases) = cases("server-only.json") else { return };
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), LeftOut::new(left_out::SERVER));
    for case in cases {
        // Requests and answers have names of their own.
        let id = case["id"].as_str().unwrap();
        if left_out.has(id) {
            continue;
        }
        match server_only(&case) {
            Ok(()) => passed += 1,
            Err(why) => failed.push(format!("{id}: {why}")),
        }
    }
    left_out.settle("cases for servers", passed, SERVER_RUN, &failed);
}
