//! One request: from its head to its answer.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;
use undercast_kernel::auth::{self, Caller, Refusal};
use undercast_kernel::{CrossOrigin, Failure, Origin, Signed, SignedIn};
use undercast_wire::http::names;
use undercast_wire::schema::Protocol;
use undercast_wire::sigv4::chunked::{ChunkSigner, ChunkedDecoder};
use undercast_wire::sigv4::{self, Signature, asymmetric};
use undercast_wire::{AwsError, Body, Request, Response, Service, protocol, text};

use crate::lingering::Unread;
use crate::listen::Gateway;
use crate::observed::{self, Observed};
use crate::route::{Asked, Target};
use crate::{body, cors, hoisted, host, internal, payload};

/// A request's answer; `None`: the connection is cut. `unread` is set where the client is still sending.
pub(crate) async fn handle(
    gateway: &Gateway,
    request: http::Request<Incoming>,
    peer: IpAddr,
    tls: Option<&'static str>,
    unread: &Unread,
) -> Option<Response> {
    let (parts, incoming) = request.into_parts();
    let shared = parts.version >= http::Version::HTTP_2;
    let (body, left) = body::incoming(incoming);
    let mut response = reply(gateway, convert(parts, body), peer, tls).await?;
    // As S3 does: a client that is refused before it has sent everything must not take the connection for a good one.
    if left.is_something() && !shared {
        response.set("connection", "close");
        unread.set();
    }
    Some(response)
}

async fn reply(gateway: &Gateway, request: Request, peer: IpAddr, tls: Option<&'static str>) -> Option<Response> {
    let host_header = request.header(names::HOST).unwrap_or_default().to_owned();
    let Some(name) = host::parse(&host_header, &gateway.settings.hosts) else {
        return Some(refuse(403, "The Host header names neither a loopback address nor a configured name."));
    };
    let origin = request.header(names::ORIGIN).map(ToOwned::to_owned);
    let labels: Vec<String> = name.labels.iter().map(|l| (*l).to_owned()).collect();
    let door = Door { gateway, labels, host: host_header, peer, tls };
    let rules = origin.as_ref().and_then(|_| door.cross_origin(&request));
    if let Some(origin) = &origin {
        if request.method == "OPTIONS"
            && let Some(rules) = rules
        {
            return Some(door.preflight(rules));
        }
        let own = matches!(rules, Some(CrossOrigin::Allowed(_)));
        if !own && !cors::allowed(origin, &gateway.settings.origins) {
            return Some(refuse(403, "Pages of this origin are not allowed to call; add it to UNDERCAST_ORIGINS."));
        }
        if request.method == "OPTIONS" {
            return Some(cors::preflight(origin, &request.headers));
        }
    }
    let mut response = door.answer(request).await?;
    match (&origin, rules) {
        (Some(_), Some(CrossOrigin::Allowed(headers))) => {
            headers.iter().for_each(|(name, value)| response.set(name, value));
        }
        // The rules of what it is for do not let the page read the answer.
        (Some(_), Some(CrossOrigin::Refused(_))) | (None, _) => {}
        (Some(origin), None) => cors::add(&mut response, origin),
    }
    Some(response)
}

/// The region in a label that has one behind the site: `s3-website-us-east-1`.
fn region_in<'a>(label: &'a str, site: &str) -> Option<&'a str> {
    let region = label.strip_prefix(site)?.strip_prefix('-')?;
    undercast_kernel::regions::exists(region).then_some(region)
}

fn refuse(status: u16, why: &str) -> Response {
    let mut response = Response::new(status, format!("{why}\n").into_bytes());
    response.set("content-type", "text/plain");
    response
}

fn convert(parts: Parts, body: Body) -> Request {
    let mut headers = parts.headers;
    // HTTP/2 has the host in its own field.
    if !headers.contains_key(names::HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(value) = authority.as_str().parse()
    {
        headers.insert(names::HOST, value);
    }
    Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    }
}

/// What is known of a request before it is known what it asks for.
struct Door<'a> {
    gateway: &'a Gateway,
    labels: Vec<String>,
    host: String,
    peer: IpAddr,
    /// The version of TLS.
    tls: Option<&'static str>,
}

impl Door<'_> {
    async fn answer(&self, mut request: Request) -> Option<Response> {
        if request.path.starts_with("/_undercast/") || request.path.starts_with("/_localstack/") {
            return Some(internal::answer(self.gateway, request).await);
        }
        if let Some(site) = self.site() {
            return self.serve(site, request).await;
        }
        let signed = sigv4::read(&request);
        let signature = signed.as_ref().ok().and_then(Option::as_ref);
        let named = self.labels.iter().rev().find_map(|l| self.gateway.router.by_label(l));
        let signed_path = self.unfold_bucket(&mut request, signature);
        let Some(target) = self.gateway.router.route(&request, signature, named) else {
            let service = signature.map_or("of this request", |s| s.service.as_str());
            return Some(self.no_service(&request, service));
        };
        let service = self.gateway.kernel.services().get(target.service)?;
        let api = service.api();
        let request_id = self.request_id(api);
        let protocol = target.protocol;
        let outcome = match signed {
            Ok(signature) => {
                Call { door: self, api, request_id: &request_id, target, signature, signed_path }.run(request).await
            }
            Err(why) => Err(auth::unreadable(&why, protocol, api.s3_signing).into()),
        };
        let mut response = match outcome {
            Ok(response) => response,
            Err(Failure::Cut) => return None,
            Err(failure) => protocol::encode_error(protocol, api, &failure.into_error(&request_id), &request_id),
        };
        finish(&mut response, api, protocol, &request_id);
        Some(response)
    }

    /// What the rules of what a page's request is for come to.
    fn cross_origin(&self, request: &Request) -> Option<CrossOrigin> {
        let kernel = &self.gateway.kernel;
        let signed = sigv4::read(request).ok().flatten();
        let mut asked = Request {
            method: request.method.clone(),
            path: request.path.clone(),
            query: String::new(),
            headers: request.headers.clone(),
            body: Body::empty(),
        };
        self.unfold_bucket(&mut asked, signed.as_ref());
        let from = kernel.database().read();
        let mut services = kernel.services().iter();
        services.find_map(|service| {
            let meant = signed.as_ref().is_none_or(|s| s.service == service.api().signing_name);
            if meant { service.cross_origin(&from, &asked) } else { None }
        })
    }

    /// The answer to a page that asks beforehand.
    fn preflight(&self, rules: CrossOrigin) -> Response {
        match rules {
            CrossOrigin::Allowed(headers) => {
                let mut response = Response::new(200, Vec::new());
                headers.iter().for_each(|(name, value)| response.set(name, value));
                response
            }
            CrossOrigin::Refused(error) => {
                let id = self.gateway.kernel.random().uuid();
                protocol::encode_error(Protocol::RestXml, &BARE, &error, &id)
            }
        }
    }

    fn request_id(&self, api: &Service) -> String {
        let random = self.gateway.kernel.random();
        if api.s3_signing { random.text(16, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") } else { random.uuid() }
    }

    fn origin(&self, request: &Request, access_key: Option<String>) -> Origin {
        Origin {
            scheme: if self.tls.is_some() { "https" } else { "http" },
            tls: self.tls,
            host: self.host.clone(),
            address: Some(self.peer),
            user_agent: request.header(names::USER_AGENT).unwrap_or_default().to_owned(),
            access_key,
            signed: None,
            service: None,
        }
    }

    /// A host that a user made: `abc.lambda-url.us-east-1.localhost`.
    fn site(&self) -> Option<(usize, usize, &'static str)> {
        if self.labels.is_empty() {
            return None;
        }
        self.gateway.kernel.services().iter().enumerate().find_map(|(index, service)| {
            let found = service.sites().iter().find_map(|site| {
                let names = |label: &String| label == site || region_in(label, site).is_some();
                let at = self.labels.iter().position(names).filter(|at| *at > 0)?;
                Some((at, *site))
            });
            found.map(|(at, site)| (index, at, site))
        })
    }

    async fn serve(&self, (index, at, site): (usize, usize, &'static str), request: Request) -> Option<Response> {
        let service = self.gateway.kernel.services().get(index)?;
        let region = region_in(&self.labels[at], site).or(self.labels.get(at + 1).map(String::as_str));
        let region = region.unwrap_or(undercast_kernel::regions::DEFAULT);
        let caller = anonymous();
        let request_id = self.gateway.kernel.random().uuid();
        let cx = self.gateway.kernel.cx(caller, region, &request_id, self.origin(&request, None));
        let name = self.labels[..at].join(".");
        match service.serve(&cx, site, &name, request).await {
            Ok(response) => Some(response),
            Err(Failure::Cut) => None,
            Err(failure) => {
                let error = failure.into_error(&request_id);
                let mut response =
                    Response::new(error.status, serde_json::json!({"Message": error.message}).to_string().into_bytes());
                response.set("content-type", "application/json");
                response.set("x-amzn-errortype", &error.name);
                response.set("x-amzn-requestid", &request_id);
                Some(response)
            }
        }
    }

    /// A bucket in the host name becomes the first part of the path. Returns the path that was signed, if it was another.
    fn unfold_bucket(&self, request: &mut Request, signature: Option<&Signature>) -> Option<String> {
        if signature.is_some_and(|s| s.service != "s3") {
            return None;
        }
        let region = signature.map(|s| s.region.as_str()).filter(|r| undercast_kernel::regions::exists(r));
        let is_service = |label: &str| self.gateway.router.by_label(label).is_some();
        let bucket = host::bucket(&self.labels, region, is_service)?;
        let mut path = "/".to_owned();
        text::percent_encode(&bucket, false, &mut path);
        path.push_str(&request.path);
        Some(std::mem::replace(&mut request.path, path))
    }

    fn no_service(&self, request: &Request, service: &str) -> Response {
        let message = format!("Undercast has not built this: the service {service}");
        let error = AwsError::new("NotImplemented", 501, message);
        let id = self.gateway.kernel.random().uuid();
        let json = request.header("x-amz-target").is_some()
            || request.header("content-type").is_some_and(|t| t.contains("json"));
        let protocol = if json { Protocol::Json } else { Protocol::Query };
        protocol::encode_error(protocol, &NOBODY, &error, &id)
    }
}

/// Stands in where a request is for no service that is here.
static NOBODY: Service = Service {
    name: "undercast",
    signing_name: "",
    endpoint_prefix: "",
    iam_prefix: "",
    target_prefix: None,
    rpc_name: None,
    api_version: "",
    xml_namespace: None,
    json_version: "1.1",
    protocols: &[Protocol::Json],
    query_compatible: false,
    bare_errors: false,
    s3_signing: false,
    crc32: false,
    validation_error: "ValidationException",
    operations: &[],
    unbuilt: &[],
    global: true,
    told_by: None,
};

/// The same for APIs whose XML errors stand alone.
static BARE: Service = Service { bare_errors: true, s3_signing: true, ..NOBODY };

/// What every answer of a service carries.
fn finish(response: &mut Response, api: &Service, protocol: Protocol, request_id: &str) {
    if api.s3_signing {
        response.put(&names::AMZ_REQUEST_ID, request_id);
        response.put(&names::AMZ_ID_2, &protocol::host_id(request_id));
        response.headers.insert(names::SERVER, http::HeaderValue::from_static("AmazonS3"));
    } else {
        response.put(&names::AMZN_REQUESTID, request_id);
    }
    if api.crc32
        && protocol == Protocol::Json
        && let Some(bytes) = whole(response)
    {
        response.put(&names::AMZ_CRC32, &crc32fast::hash(&bytes).to_string());
    }
}

fn whole(response: &mut Response) -> Option<Bytes> {
    match response.body.take().into_parts() {
        Ok(bytes) => {
            response.body = Body::from(bytes.clone());
            Some(bytes)
        }
        Err((stream, length)) => {
            response.body = Body::stream(stream, length);
            None
        }
    }
}

/// A request of which it is known for whom it is.
struct Call<'a> {
    door: &'a Door<'a>,
    api: &'static Service,
    request_id: &'a str,
    target: Target,
    signature: Option<Signature>,
    /// The path that was signed, if it was another than the request's.
    signed_path: Option<String>,
}

impl Call<'_> {
    async fn run(mut self, mut request: Request) -> Result<Response, Failure> {
        let kernel = &self.door.gateway.kernel;
        let service = kernel.services().get(self.target.service);
        let service = service.ok_or_else(|| Failure::broken("the router named a service that is not there"))?;
        let observed = service.observes(&kernel.database().read(), &request).map(Observed::begin);
        if matches!(self.target.operation, Asked::Form) {
            return self.form(service, request, observed).await;
        }
        let streams = match &self.target.operation {
            Asked::Built(index, _) => self.api.operations.get(*index).is_some_and(|o| o.streams_input()),
            _ => false,
        };
        check_uri(self.api, &request)?;
        let unheeded = self.lift(&mut request)?;
        let payload = self.payload_hash(&request)?;
        let mut bytes = Bytes::new();
        if !streams {
            bytes = self.buffer(&mut request, service.body_limit()).await?;
            if let Some(observed) = &observed {
                observed.heard(bytes.len());
            }
        }
        if let Asked::InForm = self.target.operation {
            self.target = self.read_form(&request, &bytes)?;
        }
        let body = if streams { None } else { Some(&bytes) };
        let caller = self.caller(&mut request, body, payload)?;
        if let Some(observed) = observed.as_ref().filter(|_| streams) {
            request.body = observed.request(request.body.take());
        }
        let region = self.region()?;
        let (index, labels) = match std::mem::replace(&mut self.target.operation, Asked::InForm) {
            Asked::Built(index, labels) => (index, labels),
            Asked::Unbuilt(name) => return Err(Failure::not_built(format!("{}.{name}", self.api.name))),
            Asked::Unknown(name) => return Err(unknown_operation(self.target.protocol, self.api, &name).into()),
            Asked::InForm | Asked::Form => return Err(Failure::broken("the form was not read")),
        };
        let Some(operation) = self.api.operations.get(index).copied() else {
            return Err(Failure::no_such_operation(self.api, index));
        };
        if !streams {
            service.check_body(operation, &request, &bytes)?;
        }
        let protocol = self.target.protocol;
        let decoded = protocol::decode(protocol, operation, &request, &bytes, &labels);
        let decoded = decoded.map_err(|why| service.malformed(operation, protocol, why))?;
        let access_key = caller.access_key.clone();
        let origin = Origin { signed: self.signed(&request), ..self.door.origin(&request, access_key) };
        let cx = kernel.cx(caller, &region, self.request_id, origin);
        let outcome = kernel.dispatch(&cx, service, index, decoded).await;
        let error = outcome.result.as_ref().err().and_then(|e| e.code().map(ToOwned::to_owned));
        let mut response = match outcome.result {
            Ok(output) => protocol::encode(protocol, self.api, operation, &*output, self.request_id),
            Err(failure @ Failure::Cut) => return Err(failure),
            Err(failure) => {
                protocol::encode_error(protocol, self.api, &failure.into_error(self.request_id), self.request_id)
            }
        };
        if let Some(observed) = observed {
            observed.answer((&cx, service), Some(operation), observed::head_of(&request), &mut response, error);
        }
        if !outcome.ignored.is_empty() || !unheeded.is_empty() {
            let members = outcome.ignored.iter().map(|(name, _)| *name);
            let names: Vec<&str> = members.chain(unheeded.iter().map(String::as_str)).collect();
            response.set("x-undercast-ignored", &names.join(", "));
        }
        if !outcome.unknown.is_empty() {
            response.set("x-undercast-unknown", &outcome.unknown.join(", "));
        }
        Ok(response)
    }

    /// Takes headers out of the query string, where S3 does. The names of those of which it takes no heed, as AWS does not.
    fn lift(&self, request: &mut Request) -> Result<Vec<String>, Failure> {
        if !self.api.s3_signing || request.query.is_empty() {
            return Ok(Vec::new());
        }
        let unheeded = hoisted::lift(request, self.signature.as_ref())?;
        match unheeded.first().filter(|_| self.door.gateway.kernel.settings().strict) {
            Some(name) => Err(Failure::not_built(format!("{name} in a URL: S3 takes no heed of it there either"))),
            None => Ok(unheeded),
        }
    }

    fn signed(&self, request: &Request) -> Option<Signed> {
        let signature = self.signature.as_ref()?;
        let place = if signature.expires.is_some() { SignedIn::Query } else { SignedIn::Header };
        let content = request.header("x-amz-content-sha256").map(ToOwned::to_owned);
        Some(Signed { place, version: signature.algorithm.clone(), at: signature.signed_at, content })
    }

    /// A browser's form, which says inside who sends it.
    async fn form(
        &self,
        service: &Arc<dyn undercast_kernel::Service>,
        mut request: Request,
        observed: Option<Arc<Observed>>,
    ) -> Result<Response, Failure> {
        let caller = anonymous();
        let region = self.region()?;
        let cx = self.door.gateway.kernel.cx(caller, &region, self.request_id, self.door.origin(&request, None));
        let Some(observed) = observed else { return service.form(&cx, request).await };
        let head = observed::head_of(&request);
        request.body = observed.request(request.body.take());
        let (mut response, error) = match service.form(&cx, request).await {
            Ok(response) => (response, None),
            Err(failure @ Failure::Cut) => return Err(failure),
            Err(failure) => {
                let error = failure.into_error(self.request_id);
                let code = error.code.to_string();
                (protocol::encode_error(self.target.protocol, self.api, &error, self.request_id), Some(code))
            }
        };
        observed.answer((&cx, service), None, head, &mut response, error);
        Ok(response)
    }

    /// The region of the call: the one that was signed for, or that the host names.
    fn region(&self) -> Result<String, Failure> {
        let default = undercast_kernel::regions::DEFAULT;
        let named = || self.door.labels.iter().find(|l| undercast_kernel::regions::exists(l)).map(String::as_str);
        let signature = match self.signature.as_ref().filter(|s| !s.region.is_empty()) {
            // Of an API that is stored once no region is asked, as of version 4.
            _ if self.api.global => return Ok(default.to_owned()),
            None => return Ok(named().unwrap_or(default).to_owned()),
            Some(signature) if !signature.is_asymmetric() => return Ok(signature.region.clone()),
            Some(signature) => signature,
        };
        // A signature of version 4a is good in several regions. Of a host that names none, the first of them is meant.
        let regions = signature.region.as_str();
        let region = named().or_else(|| asymmetric::first_named(regions)).unwrap_or(default);
        if asymmetric::admits(regions, region) {
            return Ok(region.to_owned());
        }
        Err(auth::refusal(Refusal::Region, self.target.protocol, self.api.s3_signing, Some(signature)).into())
    }

    async fn buffer(&self, request: &mut Request, limit: usize) -> Result<Bytes, Failure> {
        let collected = request.body.take().collect(limit).await.map_err(|e| payload::error(&e))?;
        let bytes = collected.ok_or_else(|| too_large(self.target.protocol))?;
        if request.header(names::CONTENT_ENCODING).is_some_and(|e| e.eq_ignore_ascii_case("gzip")) {
            return payload::unzip(&bytes, limit)
                .ok_or_else(|| AwsError::new("SerializationException", 400, "The body is not gzip").into());
        }
        Ok(bytes)
    }

    /// Reads the operation's name from the form.
    fn read_form(&self, request: &Request, bytes: &Bytes) -> Result<Target, Failure> {
        let protocol = self.target.protocol;
        let form = protocol::form(request, bytes, protocol == Protocol::Ec2).map_err(|e| e.into_error(protocol))?;
        let Some(action) = form.get("Action") else {
            return Err(AwsError::new("MissingAction", 400, "The request must contain the parameter Action.").into());
        };
        // Services with the same name in signatures are told apart by their versions.
        let services = self.door.gateway.kernel.services();
        let version = form.get("Version").unwrap_or_default();
        let same_name = services
            .iter()
            .position(|s| s.api().signing_name == self.api.signing_name && s.api().api_version == version);
        Ok(self.door.gateway.router.named(same_name.unwrap_or(self.target.service), protocol, action))
    }

    /// What the signer said of the body; `None`: its hash is to be computed. S3 wants to be told, unless by a URL.
    fn payload_hash(&self, request: &Request) -> Result<Option<String>, Failure> {
        let said = request.header(&names::AMZ_CONTENT_SHA256).map(ToOwned::to_owned);
        if !self.api.s3_signing {
            return Ok(said);
        }
        let signature = self.signature.as_ref().filter(|s| s.algorithm != sigv4::v2::ALGORITHM);
        let presigned = self.signature.as_ref().is_some_and(|s| s.expires.is_some());
        match said {
            Some(said) if signature.is_some() && !payload::is_said(&said) => Err(payload::unknown(&said).into()),
            Some(said) => Ok(Some(said)),
            None if presigned => Ok(Some("UNSIGNED-PAYLOAD".to_owned())),
            None if signature.is_some() => {
                let message = "Missing required header for this request: x-amz-content-sha256";
                Err(AwsError::new("InvalidRequest", 400, message).into())
            }
            None => Ok(None),
        }
    }

    /// Verifies the signature, and sees to it that the body is the one that was signed. `whole` is the body, unless it is
    /// still to come.
    fn caller(&self, request: &mut Request, whole: Option<&Bytes>, payload: Option<String>) -> Result<Caller, Failure> {
        let (protocol, s3) = (self.target.protocol, self.api.s3_signing);
        let Some(signature) = &self.signature else { return self.unsigned(request) };
        let computed = payload.is_none();
        let hash = payload.unwrap_or_else(|| payload::hash_of(whole.map_or(&[], |bytes| bytes)));
        // Version 2 signs the path with the bucket in it, version 4 the path as it was sent.
        let signed_path = self.signed_path.clone().filter(|_| signature.algorithm != sigv4::v2::ALGORITHM);
        let path = signed_path.map(|signed| std::mem::replace(&mut request.path, signed));
        let caller = self.door.gateway.kernel.authenticate(request, signature, &hash, protocol, self.api);
        if let Some(path) = path {
            request.path = path;
        }
        let caller = caller?;
        self.door.gateway.notice_real_key(&signature.access_key, caller.chunks.is_some());
        if hash.starts_with("STREAMING-") || payload::is_chunked(request) {
            self.unchunk(request, &hash, &caller);
        } else if payload::is_hash(&hash) && !computed {
            match whole {
                None => request.body = request.body.take().expecting(hash),
                Some(bytes) if caller.chunks.is_some() && payload::hash_of(bytes) != hash => {
                    return Err(payload::mismatch(protocol, s3).into());
                }
                Some(_) => {}
            }
        }
        Ok(caller)
    }

    fn unchunk(&self, request: &mut Request, hash: &str, caller: &Caller) {
        let length = request.header("x-amz-decoded-content-length").and_then(|l| l.parse().ok());
        let key = caller.chunks.clone().filter(|_| hash.starts_with("STREAMING-AWS4-"));
        let signer = key.zip(self.signature.as_ref()).map(|(key, signature)| ChunkSigner::new(key, signature));
        let trailer = hash.ends_with("-TRAILER");
        let decoder = ChunkedDecoder::new(signer, trailer, length).announcing(request.header("x-amz-trailer"));
        request.body = body::unchunked(request.body.take(), decoder, length);
    }

    fn unsigned(&self, request: &mut Request) -> Result<Caller, Failure> {
        let open = match &self.target.operation {
            Asked::Built(index, _) => self.api.operations.get(*index).is_some_and(|o| o.anonymous),
            _ => true,
        };
        if !open && !self.api.s3_signing {
            return Err(auth::refusal(Refusal::Missing, self.target.protocol, false, None).into());
        }
        if payload::is_chunked(request) {
            let caller = anonymous();
            let hash = request.header("x-amz-content-sha256").unwrap_or_default().to_owned();
            self.unchunk(request, &hash, &caller);
        }
        Ok(anonymous())
    }
}

/// Who says nothing of who it is.
fn anonymous() -> Caller {
    Caller {
        principal: std::sync::Arc::new(auth::anonymous()),
        session: None,
        temporary: None,
        access_key: None,
        chunks: None,
    }
}

/// S3 takes no request whose path or query string is not UTF-8 behind its escapes, whatever it is for.
fn check_uri(api: &Service, request: &Request) -> Result<(), Failure> {
    let bad = |part: &str| part.contains('%') && text::percent_decode(part, false).is_none();
    if api.s3_signing && (bad(&request.path) || bad(&request.query)) {
        return Err(AwsError::new("InvalidURI", 400, "Couldn't parse the specified URI.").into());
    }
    Ok(())
}

fn too_large(protocol: Protocol) -> AwsError {
    match protocol {
        Protocol::RestXml => AwsError::new("MaxMessageLengthExceeded", 400, "Your request was too big."),
        _ => AwsError::new("RequestEntityTooLargeException", 413, "Request entity is too large"),
    }
}

/// The error for an operation that the API does not have, as each protocol's services word it.
fn unknown_operation(protocol: Protocol, api: &Service, name: &str) -> AwsError {
    match protocol {
        Protocol::Json | Protocol::Cbor => AwsError::new("UnknownOperationException", 400, ""),
        Protocol::RestJson => {
            AwsError::new("UnknownOperationException", 404, format!("No operation of {} is bound to {name}", api.name))
        }
        Protocol::RestXml => {
            AwsError::new("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
        }
        Protocol::Query | Protocol::Ec2 => AwsError::new(
            "InvalidAction",
            400,
            format!("Could not find operation {name} for version {}", api.api_version),
        ),
    }
}
