//! For which service, operation and protocol a request is.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;
use undercast_kernel::Service;
use undercast_wire::Request;
use undercast_wire::http::names;
use undercast_wire::schema::{Location, Operation, Protocol};
use undercast_wire::sigv4::Signature;
use undercast_wire::uri::{Path, Pattern};

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Target {
    /// Index of the service.
    pub(crate) service: usize,
    /// The protocol it speaks.
    pub(crate) protocol: Protocol,
    /// What it asks for.
    pub(crate) operation: Asked,
}

/// What a request asks a service for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// An operation that is built, with the labels of its URI.
    Built(usize, Vec<(&'static str, String)>),
    /// An operation of the API that is not built.
    Unbuilt(&'static str),
    /// An operation that the API does not have, as the request names it.
    Unknown(String),
    /// It stands in the body's form, which has not been read yet.
    InForm,
    /// It is the upload of a browser's form.
    Form,
}

/// Finds services and operations.
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    by_target: HashMap<&'static str, usize>,
    by_rpc_name: HashMap<&'static str, usize>,
    by_signing_name: HashMap<&'static str, Vec<usize>>,
    by_host: HashMap<&'static str, usize>,
    operations: Vec<HashMap<&'static str, usize>>,
    bindings: Vec<HashMap<&'static str, Vec<Binding>>>,
}

/// An operation's URI, taken apart.
struct Binding {
    pattern: Pattern,
    /// Required members in the query string.
    query: Vec<&'static str>,
    /// Required members in headers.
    headers: Vec<HeaderName>,
    operation: Bound,
}

enum Bound {
    Built(usize),
    Unbuilt(&'static str),
}

/// What a service binds to URIs, by method; built operations first.
fn bindings(api: &'static undercast_wire::Service) -> HashMap<&'static str, Vec<Binding>> {
    let mut out: HashMap<&'static str, Vec<Binding>> = HashMap::new();
    if !api.protocols.iter().any(|p| matches!(p, Protocol::RestJson | Protocol::RestXml)) {
        return out;
    }
    for (index, operation) in api.operations.iter().enumerate() {
        let (query, headers) = required(operation);
        let pattern = Pattern::new(operation.http.uri);
        out.entry(operation.http.method).or_default().push(Binding {
            pattern,
            query,
            headers,
            operation: Bound::Built(index),
        });
    }
    for unbuilt in api.unbuilt {
        let (pattern, operation) = (Pattern::new(unbuilt.http.uri), Bound::Unbuilt(unbuilt.name));
        out.entry(unbuilt.http.method).or_default().push(Binding {
            pattern,
            query: Vec::new(),
            headers: Vec::new(),
            operation,
        });
    }
    out
}

/// The required members that stand in the query string and in headers. They tell `UploadPart` from `PutObject`, whose
/// URIs are the same.
fn required(operation: &Operation) -> (Vec<&'static str>, Vec<HeaderName>) {
    let at =
        |location| operation.input.members.iter().filter(move |m| m.required && m.location == location).map(|m| m.wire);
    let headers = at(Location::Header).filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
    (at(Location::Query).collect(), headers.collect())
}

impl Binding {
    /// How well it fits; `None`: it does not.
    fn fit(&self, request: &Request, path: &Path<'_>, query: &[(String, String)]) -> Option<(usize, Asked)> {
        if query.is_empty() && (self.pattern.has_query() || !self.query.is_empty()) {
            return None;
        }
        let found = self.pattern.fit(path, query)?;
        let given = self.query.iter().all(|name| query.iter().any(|(n, _)| n == name))
            && self.headers.iter().all(|name| request.headers.contains_key(name));
        // Who names a subresource and not what of it means no operation on the whole: without this, `DELETE /b/k?annotation`
        // would delete the object. The operation itself says what is missing, unless another one fits.
        if !given && !self.pattern.has_query() {
            return None;
        }
        // Of a built and an unbuilt operation that fit alike, the built one is meant.
        Some(match self.operation {
            Bound::Built(index) if !given => (found.rank * 2 - 1, Asked::Built(index, found.labels)),
            Bound::Built(index) => {
                ((found.rank + 10 * (self.query.len() + self.headers.len())) * 2 + 1, Asked::Built(index, found.labels))
            }
            Bound::Unbuilt(name) => (found.rank * 2, Asked::Unbuilt(name)),
        })
    }
}

impl Router {
    pub(crate) fn new(services: &[Arc<dyn Service>]) -> Self {
        let mut router = Self {
            services: services.to_vec(),
            by_target: HashMap::new(),
            by_rpc_name: HashMap::new(),
            by_signing_name: HashMap::new(),
            by_host: HashMap::new(),
            operations: Vec::new(),
            bindings: Vec::new(),
        };
        for (index, service) in services.iter().enumerate() {
            let api = service.api();
            router.by_target.extend(api.target_prefix.map(|t| (t, index)));
            router.by_rpc_name.extend(api.rpc_name.map(|t| (t, index)));
            router.by_signing_name.entry(api.signing_name).or_default().push(index);
            for name in [api.endpoint_prefix, api.name, api.signing_name] {
                router.by_host.entry(name).or_insert(index);
            }
            router.bindings.push(bindings(api));
            router.operations.push(api.operations.iter().enumerate().map(|(i, o)| (o.name, i)).collect());
        }
        router
    }

    /// The service, protocol and operation of a request. `None`: no service that is here.
    /// `host` is the service that the host name names; `bucket` says that the host names an S3 bucket.
    pub(crate) fn route(
        &self,
        request: &Request,
        signature: Option<&Signature>,
        host: Option<usize>,
    ) -> Option<Target> {
        if let Some(target) = request.header(&names::AMZ_TARGET)
            && let Some((prefix, operation)) = target.rsplit_once('.')
            && let Some(service) = self.by_target.get(prefix)
        {
            return Some(self.named(*service, self.json_or_cbor(*service, request), operation));
        }
        if let Some(rest) = request.path.strip_prefix("/service/")
            && let Some((name, operation)) = rest.split_once("/operation/")
            && let Some(service) = self.by_rpc_name.get(name)
        {
            return Some(self.named(*service, Protocol::Cbor, operation.trim_end_matches('/')));
        }
        let linked = if signature.is_none() && host.is_none() { self.linked(request) } else { None };
        let candidates = self.candidates(signature, host.as_ref().or(linked.as_ref()));
        if let Some(target) = candidates.iter().find_map(|service| self.told(*service, request)) {
            return Some(target);
        }
        let form = is_form(request) || request.query.split('&').any(|p| p.starts_with("Action="));
        for service in candidates {
            let api = self.services.get(*service)?.api();
            if api.told_by.is_some() && candidates.len() > 1 {
                continue;
            }
            let protocols = api.protocols;
            if let Some(protocol) = protocols.iter().find(|p| matches!(p, Protocol::Query | Protocol::Ec2))
                && (form || protocols.len() == 1)
            {
                return Some(Target { service: *service, protocol: *protocol, operation: Asked::InForm });
            }
            if let Some(protocol) = protocols.iter().find(|p| matches!(p, Protocol::RestJson | Protocol::RestXml)) {
                return Some(Target {
                    service: *service,
                    protocol: *protocol,
                    operation: self.by_uri(*service, request),
                });
            }
        }
        let service = *candidates.first()?;
        let protocol = *self.services.get(service)?.api().protocols.first()?;
        let target = request.header(&names::AMZ_TARGET).unwrap_or_default();
        Some(Target { service, protocol, operation: Asked::Unknown(target.to_owned()) })
    }

    /// What a request with a target is written in.
    fn json_or_cbor(&self, service: usize, request: &Request) -> Protocol {
        let speaks = self.services.get(service).is_some_and(|s| s.api().protocols.contains(&Protocol::AwsCbor));
        let cbor = request.header(names::CONTENT_TYPE).is_some_and(|t| t.starts_with("application/x-amz-cbor"));
        if speaks && cbor { Protocol::AwsCbor } else { Protocol::Json }
    }

    /// The service of a link that somebody follows, which nobody signed: `/?Action=ConfirmSubscription&…`, where one service
    /// alone has such an operation.
    fn linked(&self, request: &Request) -> Option<usize> {
        let action =
            request.query.split('&').find_map(|p| p.strip_prefix("Action=")).filter(|_| request.path == "/")?;
        self.only(|index, _| self.operations.get(index).is_some_and(|all| all.contains_key(action)))
    }

    /// The service of a form that nobody signed, where one service alone has such an operation for anybody.
    pub(crate) fn for_anybody(&self, action: &str) -> Option<usize> {
        self.only(|_, api| api.operations.iter().any(|operation| operation.anonymous && operation.name == action))
    }

    /// The one service that speaks the query protocol and is as wanted.
    fn only(&self, wanted: impl Fn(usize, &'static undercast_wire::Service) -> bool) -> Option<usize> {
        let speaks = |(index, service): (usize, &Arc<dyn Service>)| {
            let api = service.api();
            (api.protocols.contains(&Protocol::Query) && wanted(index, api)).then_some(index)
        };
        let mut found = self.services.iter().enumerate().filter_map(speaks);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    fn candidates<'a>(&'a self, signature: Option<&Signature>, host: Option<&'a usize>) -> &'a [usize] {
        if let Some(found) = signature.and_then(|s| self.by_signing_name.get(s.service.as_str())) {
            return found;
        }
        match host {
            Some(host) => std::slice::from_ref(host),
            None if signature.is_none() => self.by_signing_name.get("s3").map_or(&[], Vec::as_slice),
            None => &[],
        }
    }

    /// A request with the header that tells those of this service, for something that the service has.
    fn told(&self, service: usize, request: &Request) -> Option<Target> {
        let api = self.services.get(service)?.api();
        api.told_by.filter(|name| request.headers.contains_key(*name))?;
        let protocol = *api.protocols.iter().find(|p| matches!(p, Protocol::RestJson | Protocol::RestXml))?;
        let operation = self.by_uri(service, request);
        (!matches!(operation, Asked::Unknown(_))).then_some(Target { service, protocol, operation })
    }

    /// The service whose API a host label names.
    pub(crate) fn by_label(&self, label: &str) -> Option<usize> {
        self.by_host.get(label).copied()
    }

    /// The operation of a service by name.
    pub(crate) fn named(&self, service: usize, protocol: Protocol, name: &str) -> Target {
        let api = self.services.get(service).map(|s| s.api());
        let built = self.operations.get(service).and_then(|o| o.get(name));
        let unbuilt = api.and_then(|a| a.unbuilt.iter().find(|u| u.name == name));
        let operation = match (built, unbuilt) {
            (Some(index), _) => Asked::Built(*index, Vec::new()),
            (None, Some(unbuilt)) => Asked::Unbuilt(unbuilt.name),
            (None, None) => Asked::Unknown(name.to_owned()),
        };
        Target { service, protocol, operation }
    }

    fn by_uri(&self, service: usize, request: &Request) -> Asked {
        let query = undercast_wire::text::pairs(&request.query).unwrap_or_default();
        let path = Path::new(&request.path);
        let s3 = self.services.get(service).is_some_and(|s| s.api().s3_signing);
        let bindings = self.bindings.get(service).and_then(|b| b.get(request.method.as_str()));
        let mut best: Option<(usize, Asked)> = None;
        for (rank, asked) in bindings.into_iter().flatten().filter_map(|b| b.fit(request, &path, &query)) {
            if best.as_ref().is_none_or(|(r, _)| rank > *r) {
                best = Some((rank, asked));
            }
        }
        match best {
            Some((_, asked)) => asked,
            // What a browser's form uploads is in S3's reference, and not in its model.
            None if s3 && request.method == "POST" && is_upload(request) => Asked::Form,
            None => Asked::Unknown(format!("{} {}", request.method, request.path)),
        }
    }
}

/// The body is a form with a file.
fn is_upload(request: &Request) -> bool {
    request.header("content-type").is_some_and(|t| t.starts_with("multipart/form-data"))
}

/// The body is a form.
pub(crate) fn is_form(request: &Request) -> bool {
    request.header(names::CONTENT_TYPE).is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"))
}
