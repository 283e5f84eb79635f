//! `application/vnd.amazon.eventstream`: prelude, headers, payload, two checksums.

use bytes::Bytes;

use crate::http::names;
use crate::rest::RestWriter;
use crate::schema::{Protocol, Shape, Structure};
use crate::write::Write;

/// What answers that are such streams say they are.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// A header's value.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    /// true or false.
    Boolean(bool),
    /// 8 bits.
    Byte(i8),
    /// 16 bits.
    Short(i16),
    /// 32 bits.
    Integer(i32),
    /// 64 bits.
    Long(i64),
    /// Bytes.
    Blob(Bytes),
    /// A text.
    String(String),
    /// Milliseconds since 1970.
    Timestamp(i64),
    /// A UUID.
    Uuid([u8; 16]),
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// Headers in order.
    pub headers: Vec<(String, HeaderValue)>,
    /// Payload.
    pub payload: Bytes,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A checksum is wrong.
    #[error("the {0} checksum does not match")]
    Checksum(&'static str),
    /// A length is impossible.
    #[error("a length is out of range")]
    Length,
    /// A header is not well formed.
    #[error("a header is malformed")]
    Header,
    /// The stream has no such event.
    #[error("there is no such event")]
    Event,
}

/// The largest message that AWS sends or takes.
const MAX_MESSAGE: usize = 24 * 1024 * 1024;
const MAX_HEADERS: usize = 128 * 1024;

impl Message {
    /// An event: `:message-type` event, its type and its content type.
    pub fn event(kind: &str, content_type: Option<&str>, payload: impl Into<Bytes>) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::String(value.to_owned()));
        let mut headers = vec![text(":message-type", "event"), text(":event-type", kind)];
        headers.extend(content_type.map(|t| text(":content-type", t)));
        Self { headers, payload: payload.into() }
    }

    /// The event that is the member `kind` of `stream`, put down as its shape says: `event` is what that member holds.
    ///
    /// # Errors
    /// When there is no such event, or some of its members are headers, which no service here has.
    pub fn of(protocol: Protocol, stream: &'static Structure, kind: &str, event: &dyn Write) -> Result<Self, Broken> {
        let Some(Shape::Structure(schema)) = stream.members.iter().find(|m| m.name == kind).map(|m| &m.shape) else {
            return Err(Broken::Event);
        };
        if schema.members.iter().any(|m| m.event_header) {
            return Err(Broken::Header);
        }
        let mut writer = RestWriter::new(protocol, 200, schema, None);
        event.write(&mut writer);
        let response = writer.finish();
        let payload = response.body.into_parts().unwrap_or_default();
        let content_type = response.headers.get(names::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        // Events in XML say so with the older name.
        let content_type = content_type.map(|t| if t == "application/xml" { "text/xml" } else { t });
        Ok(Self::event(kind, content_type, payload))
    }

    /// An error that ends a stream: `:message-type` error, its code and its message.
    pub fn error(code: &str, message: &str) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::String(value.to_owned()));
        let headers = vec![text(":message-type", "error"), text(":error-code", code), text(":error-message", message)];
        Self { headers, payload: Bytes::new() }
    }

    /// The text header called `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(n, v)| match v {
            HeaderValue::String(s) if n == name => Some(s.as_str()),
            _ => None,
        })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When a header or the payload is longer than the format allows.
    pub fn encode(&self) -> Result<Vec<u8>, Broken> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push(u8::try_from(name.len()).map_err(|_| Broken::Header)?);
            headers.extend_from_slice(name.as_bytes());
            encode_value(value, &mut headers)?;
        }
        let total = 16 + headers.len() + self.payload.len();
        if total > MAX_MESSAGE || headers.len() > MAX_HEADERS {
            return Err(Broken::Length);
        }
        let length = |n: usize| u32::try_from(n).map(u32::to_be_bytes).map_err(|_| Broken::Length);
        let mut out = Vec::with_capacity(total);
        out.extend_from_slice(&length(total)?);
        out.extend_from_slice(&length(headers.len())?);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(&headers);
        out.extend_from_slice(&self.payload);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        Ok(out)
    }

    /// Reads the first message of `bytes`, and how many bytes it took. `None`: more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no message.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Broken> {
        let Some(prelude) = bytes.get(..12) else { return Ok(None) };
        let word = |at: usize| u32::from_be_bytes([prelude[at], prelude[at + 1], prelude[at + 2], prelude[at + 3]]);
        if crc32fast::hash(&prelude[..8]) != word(8) {
            return Err(Broken::Checksum("prelude"));
        }
        let (total, header_length) = (word(0) as usize, word(4) as usize);
        if total > MAX_MESSAGE || header_length > MAX_HEADERS || total < 16 + header_length {
            return Err(Broken::Length);
        }
        let Some(message) = bytes.get(..total) else { return Ok(None) };
        let (body, checksum) = message.split_at(total - 4);
        if crc32fast::hash(body).to_be_bytes() != checksum {
            return Err(Broken::Checksum("message"));
        }
        let headers = decode_headers(&body[12..12 + header_length])?;
        let payload = Bytes::copy_from_slice(&body[12 + header_length..]);
        Ok(Some((Self { headers, payload }, total)))
    }
}

fn encode_value(value: &HeaderValue, out: &mut Vec<u8>) -> Result<(), Broken> {
    let mut long = |kind: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).ok().filter(|n| *n <= 0x7fff).ok_or(Broken::Header)?;
        out.push(kind);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(bytes);
        Ok(())
    };
    match value {
        HeaderValue::Blob(b) => return long(6, b),
        HeaderValue::String(s) => return long(7, s.as_bytes()),
        HeaderValue::Boolean(b) => out.push(u8::from(!b)),
        HeaderValue::Byte(v) => out.extend_from_slice(&[2, v.to_be_bytes()[0]]),
        HeaderValue::Short(v) => {
            out.push(3);
            out.extend_from_slice(&v.to_be_bytes());
        }
        HeaderValue::Integer(v) => {
            out.push(4);
            out.extend_from_slice(&v.to_be_bytes());
        }
        HeaderValue::Long(v) => {
            out.push(5);
            out.extend_from_slice(&v.to_be_bytes());
        }
        HeaderValue::Timestamp(v) => {
            out.push(8);
            out.extend_from_slice(&v.to_be_bytes());
        }
        HeaderValue::Uuid(v) => {
            out.push(9);
            out.extend_from_slice(v);
        }
    }
    Ok(())
}

fn decode_headers(mut rest: &[u8]) -> Result<Vec<(String, HeaderValue)>, Broken> {
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(rest[0]);
        let name = rest.get(1..=length).ok_or(Broken::Header)?;
        let name = std::str::from_utf8(name).map_err(|_| Broken::Header)?.to_owned();
        rest = &rest[1 + length..];
        let kind = *rest.first().ok_or(Broken::Header)?;
        rest = &rest[1..];
        let (value, used) = decode_value(kind, rest)?;
        rest = &rest[used..];
        headers.push((name, value));
    }
    Ok(headers)
}

fn decode_value(kind: u8, rest: &[u8]) -> Result<(HeaderValue, usize), Broken> {
    fn fixed<const N: usize>(rest: &[u8]) -> Result<[u8; N], Broken> {
        rest.get(..N).and_then(|b| b.try_into().ok()).ok_or(Broken::Header)
    }
    let long = || {
        let length = usize::from(u16::from_be_bytes(fixed(rest)?));
        rest.get(2..2 + length).ok_or(Broken::Header)
    };
    Ok(match kind {
        0 => (HeaderValue::Boolean(true), 0),
        1 => (HeaderValue::Boolean(false), 0),
        2 => (HeaderValue::Byte(i8::from_be_bytes(fixed(rest)?)), 1),
        3 => (HeaderValue::Short(i16::from_be_bytes(fixed(rest)?)), 2),
        4 => (HeaderValue::Integer(i32::from_be_bytes(fixed(rest)?)), 4),
        5 => (HeaderValue::Long(i64::from_be_bytes(fixed(rest)?)), 8),
        6 => {
            let bytes = long()?;
            (HeaderValue::Blob(Bytes::copy_from_slice(bytes)), 2 + bytes.len())
        }
        7 => {
            let bytes = long()?;
            let text = std::str::from_utf8(bytes).map_err(|_| Broken::Header)?;
            (HeaderValue::String(text.to_owned()), 2 + bytes.len())
        }
        8 => (HeaderValue::Timestamp(i64::from_be_bytes(fixed(rest)?)), 8),
        9 => (HeaderValue::Uuid(fixed(rest)?), 16),
        _ => return Err(Broken::Header),
    })
}
