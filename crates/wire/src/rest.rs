//! HTTP bindings: labels, query strings, headers, payloads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::decode::{Collect, Decoded, Malformed, Result, scalar};
use crate::http::{Request, Response, names};
use crate::json_write::JsonWriter;
use crate::schema::{List, Location, Map, Member, Operation, Protocol, Shape, Structure, TimestampFormat};
use crate::text;
use crate::value::{Body, Timestamp, Value};
use crate::write::Writer;
use crate::xml_write::XmlWriter;
use crate::{eventstream, json_read, media, xml_read};

/// Reads a request of a REST protocol; `labels` come from [`crate::uri::Pattern`].
pub fn decode(
    protocol: Protocol,
    operation: &'static Operation,
    request: &Request,
    body: &Bytes,
    labels: &[(&'static str, String)],
) -> Result<Decoded> {
    let mut unknown = Vec::new();
    let schema = operation.input;
    if protocol == Protocol::RestJson {
        media::check(operation, request, body)?;
    }
    let query = text::pairs(&request.query).ok_or_else(|| Malformed::wrong_type("the query string is not UTF-8"))?;
    let mut found = Collect::new(schema);
    for (index, member) in (0u16..).zip(schema.members) {
        if let Some(value) = bound(member, request, &query, labels)? {
            found.set(index, value);
        }
    }
    match schema.payload.zip(schema.payload()) {
        Some((index, member)) => {
            if let Some(value) = payload(protocol, member, request, body, &mut unknown)? {
                found.set(index, value);
            }
        }
        None if schema.members.iter().any(|m| m.location == Location::Body) => {
            let fields = match protocol {
                Protocol::RestXml => xml_read::structure(body, schema, &mut unknown)?,
                _ => json_read::structure(body, schema, &mut unknown)?,
            };
            for (index, value) in fields.set {
                if schema.members.get(usize::from(index)).is_some_and(|m| m.location == Location::Body) {
                    found.set(index, value);
                }
            }
        }
        None => {}
    }
    Ok(Decoded { input: found.finish()?, unknown })
}

fn payload(
    protocol: Protocol,
    member: &'static Member,
    request: &Request,
    body: &Bytes,
    unknown: &mut Vec<String>,
) -> Result<Option<Value>> {
    Ok(match &member.shape {
        _ if member.streaming => Some(Value::Body(request.body.take())),
        _ if body.is_empty() => None,
        Shape::Blob(_) => Some(Value::Blob(body.clone())),
        Shape::String(_) => {
            let text = String::from_utf8(body.to_vec()).map_err(|_| Malformed::syntax("the body is not UTF-8"))?;
            Some(Value::String(text))
        }
        Shape::Structure(of) if protocol == Protocol::RestXml => {
            let fields = xml_read::structure(body, of, unknown)?;
            Some(Value::Structure(fields))
        }
        shape => json_read::value(body, shape, unknown)?,
    })
}

/// The value of a member that is not in the body.
fn bound(
    member: &'static Member,
    request: &Request,
    query: &[(String, String)],
    labels: &[(&'static str, String)],
) -> Result<Option<Value>> {
    match member.location {
        Location::Body | Location::Status => Ok(None),
        Location::Label => {
            let text = labels.iter().find(|(name, _)| *name == member.wire).map(|(_, v)| v.as_str());
            text.map(|t| one(t, member, &member.shape, TimestampFormat::Iso8601)).transpose()
        }
        Location::Query => from_query(member, query),
        Location::QueryMap => query_map(member, query),
        Location::Header => from_header(member, request),
        Location::Headers => Ok(prefixed(member, request)),
    }
}

fn from_query(member: &'static Member, query: &[(String, String)]) -> Result<Option<Value>> {
    let mut texts = query.iter().filter(|(n, _)| n == member.wire).map(|(_, v)| v.as_str()).peekable();
    if texts.peek().is_none() {
        return Ok(None);
    }
    match &member.shape {
        Shape::List(of) => {
            let items: Result<Vec<_>> = texts.map(|t| one(t, member, &of.item, TimestampFormat::Iso8601)).collect();
            Ok(Some(Value::List(items?)))
        }
        shape => texts.next().map(|t| one(t, member, shape, TimestampFormat::Iso8601)).transpose(),
    }
}

/// Every parameter of the query string, those that other members take as well: so servers read it, says the
/// specification of the trait (`httpQueryParams`), and so that what the caller sent is all there.
fn query_map(member: &'static Member, query: &[(String, String)]) -> Result<Option<Value>> {
    let Shape::Map(of) = &member.shape else {
        return Err(Malformed::wrong_type("query parameters are bound to a map"));
    };
    let mut out: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in query {
        match &of.value {
            Shape::List(_) => match out.entry(name.clone()).or_insert_with(|| Value::List(Vec::new())) {
                Value::List(items) => items.push(Value::String(value.clone())),
                _ => return Err(Malformed::wrong_type("query parameters are bound to a map of lists")),
            },
            // Of a parameter that stands twice the first one counts.
            shape => {
                if !out.contains_key(name) {
                    out.insert(name.clone(), scalar(value, shape, TimestampFormat::Iso8601)?);
                }
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Map(out)))
}

fn from_header(member: &'static Member, request: &Request) -> Result<Option<Value>> {
    // An operation has many more headers than a request: most are not there, and need no look into the map.
    if !request.headers.keys().any(|name| name.as_str().eq_ignore_ascii_case(member.wire)) {
        return Ok(None);
    }
    let mut texts = Vec::new();
    for value in request.headers.get_all(member.wire) {
        let text = std::str::from_utf8(value.as_bytes());
        let wrong = |_| {
            let shown = String::from_utf8_lossy(value.as_bytes());
            Malformed::wrong_type(format!("the header {} is not UTF-8", member.wire)).at(member.wire, &shown)
        };
        texts.push(text.map_err(wrong)?);
    }
    let Some(first) = texts.first() else { return Ok(None) };
    match &member.shape {
        // A header without a value is a list without an item.
        Shape::List(_) if texts.iter().all(|text| text.trim().is_empty()) => Ok(Some(Value::List(Vec::new()))),
        Shape::List(of) => {
            let items =
                header_items(&texts.join(","), matches!(of.item, Shape::Timestamp(None | Some(TimestampFormat::Http))));
            let items: Result<Vec<_>> = items.iter().map(|t| one(t, member, &of.item, TimestampFormat::Http)).collect();
            Ok(Some(Value::List(items?)))
        }
        Shape::String(_) if member.json_value => {
            let bytes = text::unbase64(first.trim()).and_then(|b| String::from_utf8(b).ok());
            Ok(Some(Value::String(bytes.ok_or_else(|| Malformed::wrong_type("a header is not base64"))?)))
        }
        Shape::Document => {
            let bytes = text::unbase64(first.trim()).unwrap_or_else(|| first.as_bytes().to_vec());
            let json = serde_json::from_slice(&bytes).map_err(|e| Malformed::wrong_type(e.to_string()))?;
            Ok(Some(Value::Document(json)))
        }
        shape => one(first.trim(), member, shape, TimestampFormat::Http).map(Some),
    }
}

/// The value of a parameter or header, or of one item of it.
fn one(text: &str, member: &'static Member, shape: &Shape, time: TimestampFormat) -> Result<Value> {
    scalar(text, shape, time).map_err(|malformed| malformed.at(member.wire, text))
}

/// Splits a header's list at commas, outside quotes; HTTP dates have a comma of their own.
fn header_items(text: &str, dates: bool) -> Vec<String> {
    let mut items = Vec::new();
    let mut current = String::new();
    let (mut quoted, mut escaped, mut commas) = (false, false, 0);
    for c in text.chars() {
        match c {
            _ if escaped => {
                current.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted && dates && commas == 0 => {
                commas = 1;
                current.push(c);
            }
            ',' if !quoted => {
                items.push(std::mem::take(&mut current).trim().to_owned());
                commas = 0;
            }
            _ => current.push(c),
        }
    }
    items.push(current.trim().to_owned());
    items
}

fn prefixed(member: &'static Member, request: &Request) -> Option<Value> {
    let mut out: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in &request.headers {
        let split = name.as_str().split_at_checked(member.wire.len());
        let rest = split.and_then(|(head, rest)| head.eq_ignore_ascii_case(member.wire).then_some(rest));
        if let (Some(rest), Ok(text)) = (rest, std::str::from_utf8(value.as_bytes())) {
            // Repeated metadata headers are joined, as HTTP allows and S3 does.
            match out.get_mut(rest) {
                Some(Value::String(before)) => {
                    before.push(',');
                    before.push_str(text);
                }
                _ => drop(out.insert(rest.to_owned(), Value::String(text.to_owned()))),
            }
        }
    }
    (!out.is_empty()).then_some(Value::Map(out))
}

/// Puts an output down as an HTTP answer: some members in headers, the status or the raw payload, the others in a body.
pub struct RestWriter {
    response: Response,
    body: BodyWriter,
    depth: usize,
    schema: &'static Structure,
    at: At,
    header: Header,
    xml: bool,
    any_body: bool,
}

/// Where the value that comes next goes.
#[derive(Clone, Copy)]
enum At {
    Body,
    Header(&'static Member),
    Status,
    RawPayload,
    Payload,
}

#[derive(Default)]
struct Header {
    items: Vec<String>,
    key: String,
    open: bool,
}

enum BodyWriter {
    Json(JsonWriter),
    Xml(XmlWriter),
}

impl BodyWriter {
    fn writer(&mut self) -> &mut dyn Writer {
        match self {
            Self::Json(w) => w,
            Self::Xml(w) => w,
        }
    }
}

impl RestWriter {
    /// For an answer with `status`, whose output is `schema`.
    pub fn new(protocol: Protocol, status: u16, schema: &'static Structure, namespace: Option<&'static str>) -> Self {
        let xml = protocol == Protocol::RestXml;
        let payload = schema.payload();
        let (root, own) = match payload.map(|m| (&m.shape, m)) {
            Some((Shape::Structure(of), m)) => (
                of.xml_name.unwrap_or(if m.xml == m.name { of.name } else { m.xml }),
                m.xml_namespace.or(of.xml_namespace),
            ),
            _ => (schema.xml_name.unwrap_or(schema.name), schema.xml_namespace),
        };
        let namespace = own.map(|(uri, _)| uri).or(namespace);
        // Neither asks for memory before something is put down; a raw payload needs none.
        let body =
            if xml { BodyWriter::Xml(XmlWriter::new(root, namespace)) } else { BodyWriter::Json(JsonWriter::new()) };
        let response = Response::new(status, Bytes::new());
        Self { response, body, depth: 0, schema, at: At::Body, header: Header::default(), xml, any_body: false }
    }

    /// The answer.
    pub fn finish(mut self) -> Response {
        // RFC 9110, 15.3.7: what has a Content-Range is a part.
        if self.response.status == 200 && self.response.headers.contains_key("content-range") {
            self.response.status = 206;
        }
        let has_body = self.schema.payload.is_none() && (!self.xml || self.any_body || self.is_element());
        let payload = matches!(
            self.schema.payload().map(|m| &m.shape),
            Some(Shape::Structure(_) | Shape::Document | Shape::List(_) | Shape::Map(_))
        );
        if has_body || (payload && self.any_body) {
            match self.body {
                BodyWriter::Json(w) => {
                    self.response.body = w.finish().into();
                    self.response.set("content-type", "application/json");
                }
                BodyWriter::Xml(w) => {
                    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", w.finish());
                    self.response.body = text.into_bytes().into();
                    self.response.set("content-type", "application/xml");
                }
            }
        }
        self.response
    }

    /// The output itself is an element of the body.
    fn wraps(&self) -> bool {
        self.schema.payload.is_none() && !self.schema.unwrapped
    }

    /// Whether the answer is an element also where nothing is in it: the versioning of a bucket that never had any, say.
    fn is_element(&self) -> bool {
        let outside = |m: &Member| matches!(m.location, Location::Header | Location::Headers | Location::Status);
        self.wraps() && !self.schema.members.iter().all(outside)
    }

    fn scalar<'t>(
        &mut self,
        text: impl FnOnce(Option<TimestampFormat>) -> Cow<'t, str>,
        body: impl FnOnce(&mut dyn Writer),
    ) {
        match self.at {
            At::Body | At::Payload => {
                self.any_body = true;
                body(self.body.writer());
            }
            At::Header(member) => {
                let (format, inside_list) = match &member.shape {
                    Shape::Timestamp(format) => (*format, false),
                    Shape::List(List { item: Shape::Timestamp(format), .. }) => (*format, true),
                    shape => (None, matches!(shape, Shape::List(_))),
                };
                let text = text(format);
                self.header_value(member, &text, inside_list);
            }
            At::Status => {
                if let Ok(status) = text(None).parse() {
                    self.response.status = status;
                }
            }
            At::RawPayload => {
                let text = text(None);
                self.response.body = text.into_owned().into_bytes().into();
                if !self.response.headers.contains_key(names::CONTENT_TYPE) {
                    self.response.set("content-type", "text/plain");
                }
            }
        }
    }

    fn header_value(&mut self, member: &'static Member, text: &str, inside_list: bool) {
        if self.header.open && matches!(member.shape, Shape::Map(_)) {
            let name = format!("{}{}", member.wire, self.header.key);
            self.response.set(&name, text);
        } else if inside_list {
            let date = matches!(member.shape, Shape::List(List { item: Shape::Timestamp(_), .. }));
            let quote = !date && (text.is_empty() || text.contains(',') || text.contains('"'));
            let text = if quote {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            } else {
                text.to_owned()
            };
            self.header.items.push(text);
        } else if member.json_value {
            self.response.set(member.wire, &text::base64(text.as_bytes()));
        } else {
            self.response.set(member.wire, text);
        }
    }
}

impl Writer for RestWriter {
    fn structure(&mut self, of: &'static Structure) {
        self.depth += 1;
        if self.depth > 1 || self.wraps() {
            self.any_body |= self.depth > 1;
            self.body.writer().structure(of);
        }
    }

    fn member(&mut self, index: u16) {
        if self.depth != 1 {
            return self.body.writer().member(index);
        }
        let Some(member) = self.schema.members.get(usize::from(index)) else { return };
        self.at = match member.location {
            Location::Header | Location::Headers => At::Header(member),
            Location::Status => At::Status,
            _ if self.schema.payload == Some(index) => match member.shape {
                Shape::String(_) | Shape::Blob(_) => At::RawPayload,
                Shape::Structure(of) if of.event_stream => At::RawPayload,
                _ => At::Payload,
            },
            _ => At::Body,
        };
        if matches!(self.at, At::Body) && self.wraps() {
            self.any_body = true;
            self.body.writer().member(index);
        }
    }

    fn list(&mut self, of: &'static List, length: usize) {
        self.depth += 1;
        if let At::Header(_) = self.at {
            self.header.open = true;
        } else {
            self.any_body = true;
            self.body.writer().list(of, length);
        }
    }

    fn map(&mut self, of: &'static Map, length: usize) {
        self.depth += 1;
        if let At::Header(_) = self.at {
            self.header.open = true;
        } else {
            self.any_body = true;
            self.body.writer().map(of, length);
        }
    }

    fn key(&mut self, key: &str) {
        if let At::Header(_) = self.at {
            key.clone_into(&mut self.header.key);
        } else {
            self.body.writer().key(key);
        }
    }

    fn end(&mut self) {
        self.depth -= 1;
        if let At::Header(member) = self.at
            && self.header.open
        {
            let header = std::mem::take(&mut self.header);
            if matches!(member.shape, Shape::List(_)) {
                self.response.set(member.wire, &header.items.join(", "));
            }
        } else if self.depth > 0 || self.wraps() {
            self.body.writer().end();
        }
    }

    fn null(&mut self) {
        if let At::Body | At::Payload = self.at {
            self.body.writer().null();
        }
    }

    fn boolean(&mut self, value: bool) {
        self.scalar(|_| if value { "true" } else { "false" }.into(), |w| w.boolean(value));
    }

    fn integer(&mut self, value: i64) {
        self.scalar(|_| value.to_string().into(), |w| w.integer(value));
    }

    fn double(&mut self, value: f64) {
        self.scalar(|_| text::double(value).into(), |w| w.double(value));
    }

    fn string(&mut self, value: &str) {
        self.scalar(|_| value.into(), |w| w.string(value));
    }

    fn blob(&mut self, value: &Bytes) {
        if let At::RawPayload = self.at {
            self.response.body = value.clone().into();
            if !self.response.headers.contains_key(names::CONTENT_TYPE) {
                self.response.set("content-type", "application/octet-stream");
            }
        } else {
            self.scalar(|_| text::base64(value).into(), |w| w.blob(value));
        }
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.scalar(
            |format| text::timestamp(value, format.unwrap_or(TimestampFormat::Http)).into(),
            |w| w.timestamp(value),
        );
    }

    fn document(&mut self, value: &serde_json::Value) {
        self.scalar(|_| value.to_string().into(), |w| w.document(value));
    }

    fn body(&mut self, value: &Body) {
        if let At::RawPayload = self.at {
            self.response.body = value.take();
            if !self.response.headers.contains_key(names::CONTENT_TYPE) {
                let events = matches!(self.schema.payload().map(|m| &m.shape), Some(Shape::Structure(_)));
                let kind = if events { eventstream::MEDIA_TYPE } else { "application/octet-stream" };
                self.response.set("content-type", kind);
            }
        } else {
            self.body.writer().body(value);
        }
    }
}
