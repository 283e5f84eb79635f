//! A request and an answer as this crate sees them: no sockets, no server.

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
    pub fn header(&self, name: &str) -> Option<&str> {
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
        Self { status, headers: HeaderMap::new(), body: body.into() }
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
