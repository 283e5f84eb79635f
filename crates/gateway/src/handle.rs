//! One request: from its head to its answer.

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;
use undercast_kernel::auth;
use undercast_kernel::{CrossOrigin, Failure, Origin};
use undercast_wire::http::names;
use undercast_wire::schema::Protocol;
use undercast_wire::sigv4::{self, Signature};
use undercast_wire::{AwsError, Body, Request, Response, Service, protocol, text};

use crate::call::{Call, anonymous};
use crate::lingering::Unread;
use crate::listen::Gateway;
use crate::{body, cors, host, internal, route};

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

/// A form that nobody signed is at most so long: what a provider of SAML says has 100,000 characters.
const LARGEST_FORM: usize = 1024 * 1024;

/// What is known of a request before it is known what it asks for.
pub(crate) struct Door<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) labels: Vec<String>,
    pub(crate) host: String,
    pub(crate) peer: IpAddr,
    /// The version of TLS.
    pub(crate) tls: Option<&'static str>,
}

impl Door<'_> {
    async fn answer(&self, mut request: Request) -> Option<Response> {
        if request.path.starts_with("/_undercast/") || request.path.starts_with("/_localstack/") {
            return Some(internal::answer(self.gateway, request).await);
        }
        if let Some(site) = self.path(&request).or_else(|| self.site()) {
            return self.serve(site, request).await;
        }
        let signed = sigv4::read(&request);
        let signature = signed.as_ref().ok().and_then(Option::as_ref);
        let named = self.labels.iter().rev().find_map(|l| self.gateway.router.by_label(l));
        let named = match named {
            None if signature.is_none() => self.unsigned_form(&mut request).await,
            named => named,
        };
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

    /// The service of a form that nobody signed, where one service alone has such an operation for anybody: who begins a
    /// session by the word of an identity provider has no keys yet.
    async fn unsigned_form(&self, request: &mut Request) -> Option<usize> {
        if request.method != "POST" || request.path != "/" || !route::is_form(request) {
            return None;
        }
        let body = request.body.take().collect(LARGEST_FORM).await.ok().flatten()?;
        let pairs = std::str::from_utf8(&body).ok().and_then(text::pairs);
        request.body = body.into();
        let action = pairs?.into_iter().find(|(name, _)| name == "Action")?.1;
        self.gateway.router.for_anybody(&action)
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

    pub(crate) fn origin(&self, request: &Request, access_key: Option<String>) -> Origin {
        Origin {
            scheme: if self.tls.is_some() { "https" } else { "http" },
            tls: self.tls,
            host: self.host.clone(),
            address: Some(self.peer),
            user_agent: request.header(names::USER_AGENT).unwrap_or_default().to_owned(),
            access_key,
            signed: None,
            service: None,
            why: request.headers.contains_key("x-undercast-why"),
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

    /// A path that a service answers on every host.
    fn path(&self, request: &Request) -> Option<(usize, usize, &'static str)> {
        self.gateway.kernel.services().iter().enumerate().find_map(|(index, service)| {
            let found = service.paths().iter().find(|path| request.path.starts_with(**path));
            found.map(|path| (index, self.labels.len(), *path))
        })
    }

    async fn serve(&self, (index, at, site): (usize, usize, &'static str), request: Request) -> Option<Response> {
        let service = self.gateway.kernel.services().get(index)?;
        let label = self.labels.get(at);
        let region = label.and_then(|l| region_in(l, site)).or(self.labels.get(at + 1).map(String::as_str));
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
