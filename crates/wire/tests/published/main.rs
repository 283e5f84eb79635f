//! Published cases: AWS's protocol tests and its signature suite, read from a folder beside the project.
//!
//! They are not part of the project. Where the folder is absent (a clone elsewhere), these tests say so and pass.
//! Written from the client's side: an input case's request must be read as its parameters, an output case's result must
//! be written as its answer. Cases that a server cannot meet are left out by name, each with its reason.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops at the first surprise")]

mod compare;
mod errors;
mod left_out;
mod models;
mod schema;
mod server;
mod signatures;

use std::path::PathBuf;

use left_out::LeftOut;
use serde_json::Value as Json;
use undercast_wire::schema::{Location, Protocol};
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

/// How many cases of the client's side are run. The number may not fall.
const REQUESTS_RUN: usize = 352;
const ANSWERS_RUN: usize = 364;

struct Group {
    file: String,
    cases: Vec<(schema::Api, Json)>,
}

fn groups(kind: &str) -> Option<Vec<Group>> {
    let folder = folder("protocols")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(kind)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let groups = files
        .into_iter()
        .map(|file| {
            let groups: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let cases = groups.iter().flat_map(|g| {
                g["cases"].as_array().unwrap().iter().map(move |c| (schema::Api::build(g, c), c.clone()))
            });
            Group { file: file.file_name().unwrap().to_string_lossy().into_owned(), cases: cases.collect() }
        })
        .collect();
    Some(groups)
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
    let mut headers = headers(&sent["headers"]);
    // A case lists the headers that it is about; a client says of each body what it is.
    if api.protocol == Protocol::RestJson && !body.is_empty() {
        headers.entry("content-type").or_insert(http::HeaderValue::from_static("application/json"));
    }
    let request = Request {
        method: sent["method"].as_str().unwrap_or("POST").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
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

/// Without the token that a client makes up where its user gives none.
fn without_made_up(mut found: Fields, params: &Json) -> Fields {
    let schema = found.schema;
    found.set.retain(|(index, _)| {
        let member = &schema.members[usize::from(*index)];
        !member.idempotency_token || params.get(member.name).is_some()
    });
    found
}

/// A server's map of the query string has all of its parameters; of a client's the other members' are not a part.
fn map_of_the_client(mut found: Fields) -> Fields {
    let schema = found.schema;
    for (index, value) in &mut found.set {
        if let (Location::QueryMap, Value::Map(map)) = (schema.members[usize::from(*index)].location, value) {
            map.retain(|name, _| !schema.members.iter().any(|m| m.location == Location::Query && m.wire == name));
        }
    }
    found
}

#[test]
fn requests_are_read_as_their_parameters() {
    let Some(groups) = groups("input") else { return };
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), LeftOut::new(left_out::REQUESTS));
    for group in groups {
        for (api, case) in group.cases {
            let id = case["id"].as_str().unwrap_or("unnamed");
            if left_out.has(id) {
                continue;
            }
            let wanted = api.value(&case["params"], api.operation.input);
            match read(&api, &case).map(|found| without_made_up(found, &case["params"])) {
                Ok(found) if compare::same_members(&found, &wanted) => passed += 1,
                Ok(found) => {
                    let found = Value::Structure(map_of_the_client(found));
                    if compare::same(&found, &wanted) {
                        passed += 1;
                    } else {
                        failed.push(format!("{} {id}: read {found:?}", group.file));
                    }
                }
                Err(why) => failed.push(format!("{} {id}: {why}", group.file)),
            }
        }
    }
    left_out.settle("requests", passed, REQUESTS_RUN, &failed);
}

#[test]
fn answers_are_written_as_published() {
    let Some(groups) = groups("output") else { return };
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), LeftOut::new(left_out::ANSWERS));
    for group in groups {
        for (api, case) in group.cases {
            let id = case["id"].as_str().unwrap_or("unnamed");
            if left_out.has(id) {
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
    left_out.settle("answers", passed, ANSWERS_RUN, &failed);
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
