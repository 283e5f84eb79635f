//! The way of a request from where it is known for whom it is: its body, its signature, its operation.

use std::sync::Arc;

use bytes::Bytes;
use undercast_kernel::auth::{self, Caller, Refusal};
use undercast_kernel::{Failure, Origin, Signed, SignedIn};
use undercast_wire::http::names;
use undercast_wire::schema::Protocol;
use undercast_wire::sigv4::chunked::{ChunkSigner, ChunkedDecoder};
use undercast_wire::sigv4::{self, Signature, asymmetric};
use undercast_wire::{AwsError, Request, Response, Service, protocol, text};

use crate::handle::Door;
use crate::observed::{self, Observed};
use crate::route::{Asked, Target};
use crate::{body, hoisted, payload};

/// A request of which it is known for whom it is.
pub(crate) struct Call<'a> {
    pub(crate) door: &'a Door<'a>,
    pub(crate) api: &'static Service,
    pub(crate) request_id: &'a str,
    pub(crate) target: Target,
    pub(crate) signature: Option<Signature>,
    /// The path that was signed, if it was another than the request's.
    pub(crate) signed_path: Option<String>,
}

impl Call<'_> {
    pub(crate) async fn run(mut self, mut request: Request) -> Result<Response, Failure> {
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
        if !outcome.why.is_empty() {
            response.set("x-undercast-why", &printable(&outcome.why.join(" | ")));
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
pub(crate) fn anonymous() -> Caller {
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

/// A text as it can stand in a header.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
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
        Protocol::Json | Protocol::Cbor | Protocol::AwsCbor => AwsError::new("UnknownOperationException", 400, ""),
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
