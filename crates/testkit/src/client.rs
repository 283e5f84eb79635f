//! A client for any service: input by JSON, encoded and signed as an SDK does it.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use undercast_kernel::{Service, json as inprocess};
use undercast_wire::cbor::CborWriter;
use undercast_wire::eventstream::Message;
use undercast_wire::json_write::JsonWriter;
use undercast_wire::schema::{Location, Operation, Protocol, Shape, TimestampFormat};
use undercast_wire::sigv4::{self, Signature, asymmetric};
use undercast_wire::xml_write::XmlWriter;
use undercast_wire::{Fields, Request, Value, Write, cbor, json_read, text, xml_read};

/// An access key.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Its id.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// Session token.
    pub token: Option<String>,
}

impl Credentials {
    /// A key without a session.
    pub fn new(key: &str, secret: &str) -> Self {
        Self { key: key.to_owned(), secret: secret.to_owned(), token: None }
    }
}

/// A client.
#[derive(Clone)]
pub struct Client {
    /// Where the cloud listens.
    pub address: SocketAddr,
    pub(crate) services: Vec<Arc<dyn Service>>,
    /// Who calls.
    pub credentials: Credentials,
    /// Region of the signatures.
    pub region: String,
    /// The protocol to speak; `None`: the service's preferred one.
    pub protocol: Option<Protocol>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body as it came.
    pub body: Bytes,
    /// The output as in-process JSON; for an error `{"code": …, "message": …}`.
    pub json: Json,
}

impl Answer {
    /// The output of a success.
    pub fn ok(self) -> Json {
        assert!(self.status < 300, "status {}: {}", self.status, self.json);
        self.json
    }

    /// The code of an error.
    pub fn code(&self) -> &str {
        assert!(self.status >= 300, "expected an error, found {}", self.json);
        self.json["code"].as_str().unwrap_or_default()
    }
}

/// What is being called.
pub(crate) struct Call {
    api: &'static undercast_wire::Service,
    pub(crate) operation: &'static Operation,
    protocol: Protocol,
}

impl Client {
    /// A client of a cloud that runs elsewhere, for these services.
    pub fn new(address: SocketAddr, services: Vec<Arc<dyn Service>>, credentials: Credentials) -> Self {
        Self { address, services, credentials, region: "us-east-1".to_owned(), protocol: None }
    }

    /// The same client in another region.
    pub fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// The same client on another protocol.
    pub fn speaking(&self, protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..self.clone() }
    }

    /// Calls `service.Operation`; a blob that is the whole body may be given as its own argument.
    pub async fn call(&self, service: &str, operation: &str, input: Json) -> Answer {
        self.call_with_body(service, operation, input, None).await
    }

    /// The same with a body.
    pub async fn call_with_body(&self, service: &str, operation: &str, input: Json, body: Option<Bytes>) -> Answer {
        let (call, request) = self.prepare(service, operation, input, body);
        let (status, headers, body) = self.send(request).await;
        call.answer(status, headers, body)
    }

    /// Encodes and signs.
    pub(crate) fn prepare(&self, service: &str, operation: &str, input: Json, body: Option<Bytes>) -> (Call, Request) {
        let found = self.services.iter().find(|s| s.api().name == service);
        let api = found.unwrap_or_else(|| panic!("no service {service}")).api();
        let found = api.operations.iter().find(|o| o.name == operation);
        let operation = found.unwrap_or_else(|| panic!("{service} has no operation {operation}"));
        let protocol = self.protocol.or(api.protocols.first().copied()).expect("a protocol");
        let call = Call { api, operation, protocol };
        let input = inprocess::decode(input, operation.input).expect("an input of the operation").input;
        let mut request = call.encode(&input, body);
        call.say_checksum(&mut request);
        if self.credentials.key.is_empty() {
            set(&mut request, "host", &format!("localhost:{}", self.address.port()));
        } else {
            self.sign(&mut request, api);
        }
        (call, request)
    }

    /// Signs a request: all its headers and its body.
    pub fn sign(&self, request: &mut Request, api: &undercast_wire::Service) {
        self.sign_as(request, api, jiff::Timestamp::now(), None);
    }

    /// The same as if it were `now`.
    pub fn sign_at(&self, request: &mut Request, api: &undercast_wire::Service, now: jiff::Timestamp) {
        self.sign_as(request, api, now, None);
    }

    /// Signs a request for a set of regions, by version 4a.
    pub fn sign_for(&self, request: &mut Request, api: &undercast_wire::Service, regions: &str) {
        self.sign_as(request, api, jiff::Timestamp::now(), Some(regions));
    }

    fn sign_as(
        &self,
        request: &mut Request,
        api: &undercast_wire::Service,
        now: jiff::Timestamp,
        regions: Option<&str>,
    ) {
        let stamp = sigv4::stamp(now);
        if !request.headers.contains_key("host") {
            set(request, "host", &format!("localhost:{}", self.address.port()));
        }
        set(request, "x-amz-date", &stamp);
        let body = request.body.take().into_parts().unwrap_or_default();
        let hash = text::hex_encode(&Sha256::digest(&body));
        request.body = body.into();
        if api.s3_signing {
            set(request, "x-amz-content-sha256", &hash);
        }
        if let Some(token) = &self.credentials.token {
            set(request, "x-amz-security-token", token);
        }
        if let Some(regions) = regions {
            set(request, "x-amz-region-set", regions);
        }
        let mut names: Vec<String> = request.headers.keys().map(ToString::to_string).collect();
        names.sort();
        let mut signature = Signature {
            algorithm: if regions.is_some() { asymmetric::ALGORITHM } else { sigv4::SYMMETRIC }.to_owned(),
            access_key: self.credentials.key.clone(),
            date: stamp[..8].to_owned(),
            region: regions.unwrap_or(&self.region).to_owned(),
            service: api.signing_name.to_owned(),
            signed_headers: names.join(";"),
            signature: String::new(),
            signed_at: now,
            stamp,
            token: None,
            expires: None,
        };
        let canonical = sigv4::canonical_request(request, &signature, &hash, api.s3_signing);
        let to_sign = sigv4::string_to_sign(&signature, &canonical);
        signature.signature = if regions.is_some() {
            self.asymmetric(&to_sign)
        } else {
            let key = sigv4::signing_key(&self.credentials.secret, &signature.date, &self.region, api.signing_name);
            sigv4::sign(&key, &to_sign)
        };
        let header = format!(
            "{} Credential={}/{}, SignedHeaders={}, Signature={}",
            signature.algorithm,
            signature.access_key,
            signature.scope(),
            signature.signed_headers,
            signature.signature
        );
        set(request, "authorization", &header);
    }

    /// The signature of version 4a of a text.
    fn asymmetric(&self, to_sign: &str) -> String {
        let Credentials { key, secret, .. } = &self.credentials;
        let private = asymmetric::private_key(key, secret).expect("a private key");
        let public = asymmetric::PublicKey::of(key, secret).expect("a public key");
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = signature::EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, public.point());
        let made = pair.expect("a pair of keys").sign(&SystemRandom::new(), to_sign.as_bytes());
        text::hex_encode(made.expect("a signature").as_ref())
    }

    /// Calls an operation of a cloud that may be gone at any moment. `None`: there was no answer.
    pub async fn try_call(&self, service: &str, operation: &str, input: Json) -> Option<Answer> {
        self.try_call_with_body(service, operation, input, None).await
    }

    /// The same with a body.
    pub async fn try_call_with_body(
        &self,
        service: &str,
        operation: &str,
        input: Json,
        body: Option<Bytes>,
    ) -> Option<Answer> {
        let (call, request) = self.prepare(service, operation, input, body);
        let (status, headers, body) = self.try_send(request).await.ok()?;
        Some(call.answer(status, headers, body))
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request) -> (u16, http::HeaderMap, Bytes) {
        self.try_send(request).await.expect("an answer")
    }

    async fn try_send(
        &self,
        request: Request,
    ) -> Result<(u16, http::HeaderMap, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let stream = tokio::net::TcpStream::connect(self.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let uri =
            if request.query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, request.query) };
        let body = request.body.into_parts().unwrap_or_default();
        let mut out =
            http::Request::builder().method(request.method.as_str()).uri(uri).body(Full::new(body)).expect("a request");
        *out.headers_mut() = request.headers;
        let exchange = async move {
            let response = sender.send_request(out).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, headers, body))
        };
        // The connection ends with its sender, or before it when the other side hangs up, with its answer or without.
        let (answer, _ended) = tokio::join!(exchange, connection);
        Ok(answer?)
    }
}

fn set(request: &mut Request, name: &str, value: &str) {
    let name: http::HeaderName = name.parse().expect("a header name");
    request.headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
}

/// The messages of an event stream: of which kind, their payload as text, and what an error says.
fn events(mut rest: &[u8]) -> Json {
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (message, length) = Message::decode(rest).expect("a message").expect("a whole message");
        rest = &rest[length..];
        let mut event = json!({"event": message.text(":event-type").or(message.text(":message-type"))});
        for (name, header) in [("code", ":error-code"), ("message", ":error-message"), ("content", ":content-type")] {
            if let Some(text) = message.text(header) {
                event[name] = json!(text);
            }
        }
        if !message.payload.is_empty() {
            event["payload"] = json!(String::from_utf8_lossy(&message.payload));
        }
        events.push(event);
    }
    json!(events)
}

impl Call {
    /// As SDKs do, says a checksum where the operation or the input demands one and the input says none.
    fn say_checksum(&self, request: &mut Request) {
        let said = request.headers.keys().any(|k| k == "content-md5" || k.as_str().starts_with("x-amz-checksum-"));
        let asked = request.headers.contains_key("x-amz-sdk-checksum-algorithm") && !self.operation.streams_input();
        if (self.operation.checksum_required || asked) && !said {
            let body = request.body.take().into_parts().unwrap_or_default();
            let announced = request.header("x-amz-sdk-checksum-algorithm").map(ToOwned::to_owned);
            match announced.as_deref() {
                Some("SHA256") => set(request, "x-amz-checksum-sha256", &text::base64(&Sha256::digest(&body))),
                Some(other) => panic!("the test client has no checksum {other}"),
                None => set(request, "content-md5", &text::base64(&md5::Md5::digest(&body))),
            }
            request.body = body.into();
        }
    }

    pub(crate) fn answer(&self, status: u16, headers: http::HeaderMap, body: Bytes) -> Answer {
        let json = if status < 300 { self.decode(status, &headers, &body) } else { self.decode_error(&headers, &body) };
        Answer { status, headers, body, json }
    }

    fn encode(&self, input: &Fields, body: Option<Bytes>) -> Request {
        let mut request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            body: undercast_wire::Body::empty(),
        };
        match self.protocol {
            Protocol::Json => {
                let target = format!("{}.{}", self.api.target_prefix.unwrap_or_default(), self.operation.name);
                set(&mut request, "x-amz-target", &target);
                set(&mut request, "content-type", undercast_wire::protocol::json_type(self.api));
                let mut w = JsonWriter::new();
                input.write(&mut w);
                request.body = w.finish().into();
            }
            Protocol::AwsCbor => {
                let target = format!("{}.{}", self.api.target_prefix.unwrap_or_default(), self.operation.name);
                set(&mut request, "x-amz-target", &target);
                set(&mut request, "content-type", undercast_wire::protocol::aws_cbor_type(self.api));
                let mut w = CborWriter::aws();
                input.write(&mut w);
                request.body = w.finish().into();
            }
            Protocol::Cbor => {
                request.path =
                    format!("/service/{}/operation/{}", self.api.rpc_name.unwrap_or_default(), self.operation.name);
                set(&mut request, "smithy-protocol", "rpc-v2-cbor");
                set(&mut request, "content-type", "application/cbor");
                let mut w = CborWriter::new();
                input.write(&mut w);
                request.body = w.finish().into();
            }
            Protocol::Query | Protocol::Ec2 => {
                set(&mut request, "content-type", "application/x-www-form-urlencoded; charset=utf-8");
                let mut form = format!("Action={}&Version={}", self.operation.name, self.api.api_version);
                flatten(&Value::Structure(clone(input)), None, "", self.protocol == Protocol::Ec2, &mut form);
                request.body = form.into_bytes().into();
            }
            Protocol::RestJson | Protocol::RestXml => self.encode_rest(input, &mut request),
        }
        if let Some(body) = body {
            request.body = body.into();
        }
        request
    }

    fn encode_rest(&self, input: &Fields, request: &mut Request) {
        self.operation.http.method.clone_into(&mut request.method);
        let (path, literal) = self.operation.http.uri.split_once('?').unwrap_or((self.operation.http.uri, ""));
        let mut path = path.to_owned();
        let mut query: Vec<String> = literal.split('&').filter(|l| !l.is_empty()).map(ToOwned::to_owned).collect();
        let mut rest = Fields::new(input.schema);
        for (index, value) in &input.set {
            let member = &input.schema.members[usize::from(*index)];
            let text = || plain(value, &member.shape, TimestampFormat::Iso8601);
            match member.location {
                Location::Label => {
                    let greedy = path.contains(&format!("{{{}+}}", member.wire));
                    let mut encoded = String::new();
                    text::percent_encode(&text(), greedy, &mut encoded);
                    path = path
                        .replace(&format!("{{{}+}}", member.wire), &encoded)
                        .replace(&format!("{{{}}}", member.wire), &encoded);
                }
                Location::Query => {
                    let items = if let Value::List(items) = value {
                        items.iter().map(|v| plain(v, &member.shape, TimestampFormat::Iso8601)).collect()
                    } else {
                        vec![text()]
                    };
                    for item in items {
                        let mut encoded = format!("{}=", member.wire);
                        text::percent_encode(&item, false, &mut encoded);
                        query.push(encoded);
                    }
                }
                Location::Header => {
                    set(
                        request,
                        &member.wire.to_ascii_lowercase(),
                        &plain(value, &member.shape, TimestampFormat::Http),
                    );
                }
                Location::Headers => {
                    if let Value::Map(entries) = value {
                        for (name, value) in entries {
                            set(
                                request,
                                &format!("{}{name}", member.wire).to_ascii_lowercase(),
                                value.as_str().unwrap_or_default(),
                            );
                        }
                    }
                }
                _ => rest.set.push((*index, clone_value(value))),
            }
        }
        request.path = path;
        request.query = query.join("&");
        self.rest_body(&rest, request);
    }

    fn rest_body(&self, rest: &Fields, request: &mut Request) {
        let xml = self.protocol == Protocol::RestXml;
        match rest.schema.payload() {
            Some(member) => match rest.set.first().map(|(_, v)| v) {
                Some(Value::Blob(bytes)) => request.body = bytes.clone().into(),
                Some(Value::String(text)) => request.body = text.clone().into_bytes().into(),
                Some(Value::Structure(fields)) if xml => {
                    let name = fields.schema.xml_name.unwrap_or(member.xml);
                    let mut w = XmlWriter::new(name, member.xml_namespace.map(|n| n.0).or(self.api.xml_namespace));
                    fields.write(&mut w);
                    request.body = w.finish().into_bytes().into();
                }
                Some(Value::Structure(fields)) => {
                    let mut w = JsonWriter::new();
                    fields.write(&mut w);
                    request.body = w.finish().into();
                }
                _ => {}
            },
            None if rest.schema.members.iter().any(|m| m.location == Location::Body) => {
                if xml {
                    let mut w =
                        XmlWriter::new(rest.schema.xml_name.unwrap_or(rest.schema.name), self.api.xml_namespace);
                    rest.write(&mut w);
                    request.body = w.finish().into_bytes().into();
                } else {
                    set(request, "content-type", "application/json");
                    let mut w = JsonWriter::new();
                    rest.write(&mut w);
                    request.body = w.finish().into();
                }
            }
            None => {}
        }
    }

    fn decode(&self, status: u16, headers: &http::HeaderMap, body: &Bytes) -> Json {
        let schema = self.operation.output;
        let mut unknown = Vec::new();
        let streamed = |m: &&undercast_wire::schema::Member| matches!(m.shape, Shape::Structure(of) if of.event_stream);
        if let (Some(member), Protocol::Json | Protocol::AwsCbor) =
            (schema.members.iter().find(streamed), self.protocol)
        {
            return json!({member.name: events(body)});
        }
        let fields = match self.protocol {
            Protocol::AwsCbor => cbor::aws_structure(body, schema, &mut unknown).expect("a CBOR answer"),
            Protocol::Json => json_read::structure(body, schema, &mut unknown).expect("a JSON answer"),
            Protocol::Cbor => cbor::structure(body, schema, &mut unknown).expect("a CBOR answer"),
            Protocol::Query | Protocol::Ec2 => {
                let root = xml_read::parse(body).expect("an XML answer").expect("a root element");
                let result = match self.operation.result_wrapper {
                    Some(wrapper) => root.children.into_iter().find(|c| c.name == wrapper).unwrap_or_default(),
                    None => root,
                };
                xml_read::members(&result, schema, &mut unknown).expect("an output")
            }
            Protocol::RestJson | Protocol::RestXml => return self.decode_rest(status, headers, body),
        };
        inprocess::encode(&fields)
    }

    fn decode_rest(&self, status: u16, headers: &http::HeaderMap, body: &Bytes) -> Json {
        let schema = self.operation.output;
        let mut unknown = Vec::new();
        let xml = self.protocol == Protocol::RestXml;
        let mut out = match schema.payload() {
            Some(m) => match &m.shape {
                Shape::Structure(of) if of.event_stream => json!({m.name: events(body)}),
                Shape::Structure(of) if !body.is_empty() => {
                    let fields = if xml {
                        xml_read::structure(body, of, &mut unknown)
                    } else {
                        json_read::structure(body, of, &mut unknown)
                    };
                    json!({m.name: inprocess::encode(&fields.expect("a payload"))})
                }
                Shape::String(_) => json!({m.name: String::from_utf8_lossy(body)}),
                _ => json!({m.name: text::base64(body)}),
            },
            None if body.is_empty() => json!({}),
            None => {
                let fields = if xml {
                    xml_read::structure(body, schema, &mut unknown)
                } else {
                    json_read::structure(body, schema, &mut unknown)
                };
                inprocess::encode(&fields.expect("an output"))
            }
        };
        for member in schema.members {
            let header = headers.get(member.wire.to_ascii_lowercase().as_str()).and_then(|v| v.to_str().ok());
            match (member.location, header) {
                (Location::Status, _) => out[member.name] = json!(status),
                (Location::Header, Some(text)) => {
                    let value = undercast_wire::decode::scalar(text, &member.shape, TimestampFormat::Http);
                    let fields =
                        value.map(|v| Fields { schema, set: vec![(schema.index(member.name).unwrap_or_default(), v)] });
                    out[member.name] =
                        fields.map_or_else(|_| json!(text), |f| inprocess::encode(&f)[member.name].clone());
                }
                (Location::Headers, _) => {
                    let prefix = member.wire.to_ascii_lowercase();
                    let found = headers.iter().filter_map(|(n, v)| {
                        Some((n.as_str().strip_prefix(&prefix)?.to_owned(), json!(v.to_str().ok()?)))
                    });
                    out[member.name] = Json::Object(found.collect());
                }
                _ => {}
            }
        }
        out
    }

    fn decode_error(&self, headers: &http::HeaderMap, body: &Bytes) -> Json {
        if matches!(self.protocol, Protocol::Json | Protocol::RestJson) {
            let json: Json = serde_json::from_slice(body).unwrap_or_default();
            let name = json["__type"].as_str().map(ToOwned::to_owned);
            let name =
                name.or_else(|| headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).map(ToOwned::to_owned));
            let name = name.unwrap_or_default();
            let code = name.rsplit('#').next().unwrap_or_default().to_owned();
            let message = json.get("message").or(json.get("Message")).cloned().unwrap_or_default();
            return json!({"code": code, "message": message, "error": json});
        }
        if matches!(self.protocol, Protocol::Cbor | Protocol::AwsCbor) {
            let code = headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).unwrap_or_default();
            let message = cbor::texts(body).into_iter().find(|(name, _)| name == "message");
            return json!({"code": code, "message": message.map(|(_, text)| text)});
        }
        let Ok(Some(root)) = xml_read::parse(body) else { return json!({"code": "", "message": ""}) };
        let error = if root.name == "Error" { Some(&root) } else { find(&root, "Error") };
        let text = |name: &str| error.and_then(|e| e.children.iter().find(|c| c.name == name)).map(|c| c.text.clone());
        // Errors are called by their shapes' names, as on the JSON protocols.
        let code = text("Code").unwrap_or_default();
        let name = self.operation.errors.iter().find(|e| e.code == code).map_or(code.as_str(), |e| e.name);
        json!({"code": name, "message": text("Message")})
    }
}

fn find<'a>(element: &'a xml_read::Element, name: &str) -> Option<&'a xml_read::Element> {
    element.children.iter().find_map(|c| if c.name == name { Some(c) } else { find(c, name) })
}

fn clone(fields: &Fields) -> Fields {
    Fields { schema: fields.schema, set: fields.set.iter().map(|(i, v)| (*i, clone_value(v))).collect() }
}

fn clone_value(value: &Value) -> Value {
    match value {
        Value::Null | Value::Body(_) => Value::Null,
        Value::Boolean(b) => Value::Boolean(*b),
        Value::Integer(i) => Value::Integer(*i),
        Value::Double(d) => Value::Double(*d),
        Value::String(s) => Value::String(s.clone()),
        Value::Blob(b) => Value::Blob(b.clone()),
        Value::Timestamp(t) => Value::Timestamp(*t),
        Value::List(l) => Value::List(l.iter().map(clone_value).collect()),
        Value::Map(m) => Value::Map(m.iter().map(|(k, v)| (k.clone(), clone_value(v))).collect()),
        Value::Structure(f) => Value::Structure(clone(f)),
        Value::Document(d) => Value::Document(d.clone()),
    }
}

/// A scalar as text.
fn plain(value: &Value, shape: &Shape, time: TimestampFormat) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Boolean(b) => b.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Double(d) => text::double(*d),
        Value::Blob(b) => text::base64(b),
        Value::Timestamp(t) => {
            let format = if let Shape::Timestamp(Some(format)) = shape { *format } else { time };
            text::timestamp(*t, format)
        }
        Value::List(items) => items.iter().map(|v| plain(v, shape, time)).collect::<Vec<_>>().join(","),
        _ => String::new(),
    }
}

/// Adds a value to a form.
fn flatten(value: &Value, shape: Option<(&Shape, bool)>, path: &str, ec2: bool, out: &mut String) {
    let below = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    match (value, shape) {
        (Value::Structure(fields), _) => {
            for (index, value) in &fields.set {
                let member = &fields.schema.members[usize::from(*index)];
                flatten(value, Some((&member.shape, member.flattened)), &below(member.form), ec2, out);
            }
        }
        (Value::List(items), Some((Shape::List(of), flattened))) => {
            let base = if flattened || ec2 { path.to_owned() } else { below(of.item_name) };
            for (n, item) in items.iter().enumerate() {
                flatten(item, Some((&of.item, false)), &format!("{base}.{}", n + 1), ec2, out);
            }
        }
        (Value::Map(entries), Some((Shape::Map(of), flattened))) => {
            let base = if flattened { path.to_owned() } else { below("entry") };
            for (n, (key, value)) in entries.iter().enumerate() {
                pair(&format!("{base}.{}.{}", n + 1, of.key_name), key, out);
                flatten(value, Some((&of.value, false)), &format!("{base}.{}.{}", n + 1, of.value_name), ec2, out);
            }
        }
        (scalar, shape) => {
            let any = Shape::Document;
            pair(path, &plain(scalar, shape.map_or(&any, |s| s.0), TimestampFormat::Iso8601), out);
        }
    }
}

fn pair(name: &str, value: &str, out: &mut String) {
    out.push('&');
    text::percent_encode(name, false, out);
    out.push('=');
    text::percent_encode(value, false, out);
}
