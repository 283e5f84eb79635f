//! Published cases: AWS's protocol tests and its signature suite, read from a folder beside the project.
//!
//! They are not part of the project. Where the folder is absent (a clone elsewhere), these tests say so and pass.
//! Written from the client's side: an input case's request must be read as its parameters, an output case's result must
//! be written as its answer. Cases that a server cannot meet are left out by name, each with its reason.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops at the first surprise")]

mod compare;
mod schema;
mod signatures;

use std::path::PathBuf;

use serde_json::Value as Json;
use undercast_wire::schema::Protocol;
use undercast_wire::value::{Body, Fields, Value};
use undercast_wire::{AwsError, Bytes, Request, protocol, text, uri};

fn folder(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata").join(name);
    if path.is_dir() {
        return Some(path);
    }
    println!("not run: {} is absent", path.display());
    None
}

/// Cases that are about the client alone, and why a server cannot meet them.
const LEFT_OUT: &[(&str, &str)] = &[
    ("TokenAutoFill", "the client makes the token up: the request has more than the parameters"),
    ("RestJsonHttpPayloadTraitsWithMediaTypeWithBlob", "the same as its neighbour without a media type"),
    ("SDKAppliedContentEncoding", "the client compresses; the gateway, not the wire, takes it apart"),
    ("SDKAppendsGzip", "the client compresses; the gateway, not the wire, takes it apart"),
    ("HostWithPath", "the client's endpoint has a path of its own"),
    ("QueryPrecedence", "a map's entry that the client has overwritten is not on the wire"),
    ("AwsJson11IntEnums", "the answer's published headers are those of a request"),
    ("parses_the_request_id", "request ids are headers of the gateway"),
    ("AllQueryStringTypes", "a map of the query string holds what no other member takes; the case wants all of it"),
    ("RestJsonQueryStringEscaping", "the same"),
    ("FloatQueryValues", "the same"),
    ("ZeroAndFalseQueryValues", "the same"),
    ("SDKAppendedGzipAfterProvidedEncoding", "the client compresses; the gateway, not the wire, takes it apart"),
    ("ClientSkips", "what the client leaves out cannot be read"),
    ("NullAndEmptyHeaders", "nulls and empty lists are not on the wire"),
    ("OmitsEmptyListQueryValues", "empty lists are not on the wire"),
    ("EmptyQueryLists", "empty lists are told from absent ones by the query protocol only"),
    ("ParameterizedTypeNotAllowed", "about the content type alone"),
    ("ClientPopulates", "the client sets defaults"),
    ("ClientUsesExplicitlyProvidedMemberValues", "about the client's defaults"),
    ("ClientIgnores", "about the client's defaults"),
    ("ClientErrorCorrects", "about the client's correction of missing members"),
];

fn left_out(id: &str) -> bool {
    LEFT_OUT.iter().any(|(part, _)| id.contains(part))
}

struct Group {
    file: String,
    cases: Vec<(schema::Api, Json)>,
}

fn groups(kind: &str) -> Vec<Group> {
    let Some(folder) = folder("protocols") else { return Vec::new() };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(kind)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let groups: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let cases = groups.iter().flat_map(|g| {
                g["cases"].as_array().unwrap().iter().map(move |c| (schema::Api::build(g, c), c.clone()))
            });
            Group { file: file.file_name().unwrap().to_string_lossy().into_owned(), cases: cases.collect() }
        })
        .collect()
}

fn headers(json: &Json) -> http::HeaderMap {
    let mut out = http::HeaderMap::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        let name: http::HeaderName = name.to_lowercase().parse().unwrap();
        out.append(name, http::HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).unwrap());
    }
    out
}

fn bytes(api: &schema::Api, body: &Json) -> Bytes {
    let text = body.as_str().unwrap_or_default();
    if api.protocol == Protocol::Cbor { text::unbase64(text).unwrap().into() } else { Bytes::from(text.to_owned()) }
}

fn read(api: &schema::Api, case: &Json) -> Result<Fields, String> {
    let sent = &case["serialized"];
    let sent_to = sent["uri"].as_str().unwrap_or("/");
    let (path, query) = sent_to.split_once('?').unwrap_or((sent_to, ""));
    let body = bytes(api, &sent["body"]);
    let request = Request {
        method: sent["method"].as_str().unwrap_or("POST").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers(&sent["headers"]),
        body: Body::from(body.clone()),
    };
    let pairs = text::pairs(query).ok_or("the query string cannot be read")?;
    let labels = uri::Pattern::new(api.operation.http.uri).fit(&uri::Path::new(path), &pairs).map(|m| m.labels);
    let labels = match api.protocol {
        Protocol::RestJson | Protocol::RestXml => {
            labels.ok_or_else(|| format!("{} does not fit {sent_to}", api.operation.http.uri))?
        }
        _ => Vec::new(),
    };
    let decoded = protocol::decode(api.protocol, api.operation, &request, &body, &labels).map_err(|e| e.to_string())?;
    Ok(decoded.input)
}

#[test]
fn requests_are_read_as_their_parameters() {
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for group in groups("input") {
        for (api, case) in group.cases {
            let id = case["id"].as_str().unwrap_or("unnamed");
            if left_out(id) {
                skipped += 1;
                continue;
            }
            let wanted = api.value(&case["params"], api.operation.input);
            match read(&api, &case).map(Value::Structure) {
                Ok(found) if compare::same(&found, &wanted) => passed += 1,
                Ok(found) => failed.push(format!("{} {id}: read {found:?}", group.file)),
                Err(why) => failed.push(format!("{} {id}: {why}", group.file)),
            }
        }
    }
    println!("requests: {passed} passed, {} failed, {skipped} left out", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn answers_are_written_as_published() {
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for group in groups("output") {
        for (api, case) in group.cases {
            let id = case["id"].as_str().unwrap_or("unnamed");
            if left_out(id) || compare::only_a_clients_reading(&case) {
                skipped += 1;
                continue;
            }
            let response = if case.get("error").is_some() || case.get("errorCode").is_some() {
                error(&api, &case)
            } else {
                let Value::Structure(output) = api.value(&case["result"], api.operation.output) else { continue };
                let plain = undercast_wire::value::Fields { schema: output.schema, set: output.set };
                protocol::encode(api.protocol, api.service, api.operation, &Output(plain), "request-id")
            };
            match compare::response(&api, &case, &response) {
                Ok(()) => passed += 1,
                Err(why) => failed.push(format!("{} {id}: {why}", group.file)),
            }
        }
    }
    println!("answers: {passed} passed, {} failed, {skipped} left out", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// `Fields` can be written; the box makes it an answer.
struct Output(Fields);

impl undercast_wire::Write for Output {
    fn write(&self, w: &mut dyn undercast_wire::Writer) {
        self.0.write(w);
    }
}

fn error(api: &schema::Api, case: &Json) -> undercast_wire::Response {
    let code = case["errorCode"].as_str().unwrap_or_default();
    let mut error = AwsError::new(code.to_owned(), 400, case["errorMessage"].as_str().unwrap_or_default());
    error.status = u16::try_from(case["response"]["status_code"].as_u64().unwrap_or(400)).unwrap();
    protocol::encode_error(api.protocol, api.service, &error, "request-id")
}
