//! A request and an answer as this crate sees them: no sockets, no server.

use ::http::header::AsHeaderName;
use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::value::Body;

/// A request, its body whole or arriving.
#[derive(Debug)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path as it was sent, percent-encoding and all.
    pub path: String,
    /// Query string as it was sent, without the question mark.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
}

impl Request {
    /// The header called `name`, if it is readable text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
}

impl Response {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Body>) -> Self {
        // Room for what nearly every answer has, so that the map does not grow while it is filled.
        Self { status, headers: HeaderMap::with_capacity(12), body: body.into() }
    }

    /// Sets a header whose name was made before; a value that no header can carry is left out.
    pub fn put(&mut self, name: &HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.insert(name, value);
        }
    }

    /// Sets a header; a value that no header can carry is left out, as HTTP has no way to say it.
    pub fn set(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            self.headers.insert(name, value);
        }
    }
}

/// Names of headers that nearly every call is asked for. Looking one up by its text would take it apart each time.
pub mod names {
    use ::http::HeaderName;

    pub use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN, SERVER, USER_AGENT};

    /// When the request was signed.
    pub static AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
    /// The hash of the body that was signed.
    pub static AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
    /// The session token.
    pub static AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
    /// The regions in which a signature of version 4a is good.
    pub static AMZ_REGION_SET: HeaderName = HeaderName::from_static("x-amz-region-set");
    /// The operation, in the JSON protocols.
    pub static AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
    /// S3's request id.
    pub static AMZ_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
    /// S3's second request id.
    pub static AMZ_ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
    /// The request id of the other services.
    pub static AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");
    /// DynamoDB's checksum of a body.
    pub static AMZ_CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
}
