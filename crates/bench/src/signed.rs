//! Requests as they go over the wire: signed once, sent many times.

use std::net::SocketAddr;

use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use undercast_wire::sigv4::{self, Signature};
use undercast_wire::{Body, Request, text};

use crate::Failed;

const REGION: &str = "us-east-1";

/// An access key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Key {
    /// The key that everybody uses; it was issued by nobody.
    pub(crate) fn test() -> Self {
        Self { id: "test".to_owned(), secret: "test".to_owned() }
    }
}

/// Who sends to where.
pub(crate) struct Client<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) key: &'a Key,
}

#[expect(clippy::disallowed_methods, reason = "signatures of a client carry the machine's time")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

impl Client<'_> {
    /// A request of S3.
    pub(crate) fn s3(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Failed> {
        self.signed("s3", method, path, &[], body)
    }

    /// A request of a service that speaks JSON.
    pub(crate) fn json(&self, service: &str, target: &str, body: &str) -> Result<Vec<u8>, Failed> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        self.signed(service, "POST", "/", &headers, body.as_bytes())
    }

    /// A request of a service that speaks forms.
    pub(crate) fn form(&self, service: &str, body: &str) -> Result<Vec<u8>, Failed> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.signed(service, "POST", "/", &headers, body.as_bytes())
    }

    /// Any request; `path` with its query.
    pub(crate) fn signed(
        &self,
        service: &str,
        method: &str,
        path: &str,
        extra: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>, Failed> {
        let moment = now();
        let stamp = sigv4::stamp(moment);
        let hash = text::hex_encode(&Sha256::digest(body));
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| -> Result<(), Failed> {
            headers.insert(name, value.parse().map_err(|_| Failed::Said(format!("no header can be {value}")))?);
            Ok(())
        };
        set("host", &self.address.to_string())?;
        set("user-agent", "undercast-bench")?;
        set("x-amz-date", &stamp)?;
        set("x-amz-content-sha256", &hash)?;
        for (name, value) in extra {
            set(name, value)?;
        }
        let mut names: Vec<&str> =
            headers.keys().map(http::HeaderName::as_str).filter(|n| *n != "user-agent").collect();
        names.sort_unstable();
        let signed_headers = names.join(";");
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let request = Request {
            method: method.to_owned(),
            path: bare.to_owned(),
            query: query.to_owned(),
            headers,
            body: Body::empty(),
        };
        let signature = Signature {
            algorithm: "AWS4-HMAC-SHA256".to_owned(),
            access_key: self.key.id.clone(),
            date: stamp.chars().take(8).collect(),
            region: REGION.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature: String::new(),
            signed_at: moment,
            stamp,
            token: None,
            expires: None,
        };
        let canonical = sigv4::canonical_request(&request, &signature, &hash, service == "s3");
        let key = sigv4::signing_key(&self.key.secret, &signature.date, REGION, service);
        let made = sigv4::sign(&key, &sigv4::string_to_sign(&signature, &canonical));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={made}",
            self.key.id,
            signature.scope(),
            signature.signed_headers
        );
        let mut out = format!("{method} {path} HTTP/1.1\r\nauthorization: {authorization}\r\n");
        for (name, value) in &request.headers {
            out.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        if !body.is_empty() {
            out.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        out.extend_from_slice(body);
        Ok(out)
    }
}
