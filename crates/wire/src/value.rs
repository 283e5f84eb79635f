//! `Value`: a request or answer as a tree, whatever protocol it came by. Readers make it, checks walk it, the generated
//! structs are built from it by moving out of it, and the trail and the authoriser read it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
pub use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::schema::Structure;
use crate::text::hex_encode;

/// One value of a request or answer.
#[derive(Debug, Default)]
pub enum Value {
    /// An explicit null in a sparse list or map; members that are null are left out.
    #[default]
    Null,
    /// true or false.
    Boolean(bool),
    /// An integer or long.
    Integer(i64),
    /// A float or double.
    Double(f64),
    /// A text.
    String(String),
    /// Bytes.
    Blob(Bytes),
    /// A moment.
    Timestamp(Timestamp),
    /// A list.
    List(Vec<Value>),
    /// A map; of equal keys the last one stands.
    Map(BTreeMap<String, Value>),
    /// A structure or union.
    Structure(Fields),
    /// Any JSON.
    Document(serde_json::Value),
    /// A streaming body.
    Body(Body),
}

/// The members of a structure that are set.
pub struct Fields {
    /// The structure.
    pub schema: &'static Structure,
    /// Index of the member in the schema, and its value.
    pub set: Vec<(u16, Value)>,
}

/// The members by their names. The schema itself would have no end: structures hold themselves.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(self.schema.name);
        for (index, value) in &self.set {
            out.field(self.schema.members.get(usize::from(*index)).map_or("?", |m| m.name), value);
        }
        out.finish()
    }
}

impl Fields {
    /// No member set.
    pub fn new(schema: &'static Structure) -> Self {
        Self { schema, set: Vec::with_capacity(schema.members.len().min(16)) }
    }

    /// The member called `name`, if it is set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let index = self.schema.index(name)?;
        self.set.iter().find(|(i, _)| *i == index).map(|(_, v)| v)
    }

    /// The text member called `name`, if it is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl Value {
    /// Its text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(s) = self { Some(s) } else { None }
    }

    /// Its members, if it is a structure.
    pub fn as_fields(&self) -> Option<&Fields> {
        if let Self::Structure(f) = self { Some(f) } else { None }
    }

    /// The text of its member `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.as_fields().and_then(|f| f.text(name))
    }

    /// Its member `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_fields().and_then(|f| f.get(name))
    }
}

/// Moving a value into the Rust type that the generated struct has for it. A reader gives each member the variant its
/// schema names, so the fallback of each of these is never met by a request that passed the checks.
impl Value {
    /// As a text.
    pub fn into_text(self) -> String {
        if let Self::String(s) = self { s } else { String::new() }
    }

    /// As true or false.
    pub fn into_boolean(self) -> bool {
        matches!(self, Self::Boolean(true))
    }

    /// As a 32-bit integer; the reader has refused larger ones.
    pub fn into_integer(self) -> i32 {
        if let Self::Integer(i) = self { i32::try_from(i).unwrap_or(i32::MAX) } else { 0 }
    }

    /// As a 64-bit integer.
    pub fn into_long(self) -> i64 {
        if let Self::Integer(i) = self { i } else { 0 }
    }

    /// As a float.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the wire's float is 32 bits")]
    pub fn into_float(self) -> f32 {
        match self {
            Self::Double(d) => d as f32,
            Self::Integer(i) => i as f32,
            _ => 0.0,
        }
    }

    /// As a double.
    #[expect(clippy::cast_precision_loss, reason = "JSON writes whole doubles as integers")]
    pub fn into_double(self) -> f64 {
        match self {
            Self::Double(d) => d,
            Self::Integer(i) => i as f64,
            _ => 0.0,
        }
    }

    /// As bytes.
    pub fn into_blob(self) -> Bytes {
        if let Self::Blob(b) = self { b } else { Bytes::new() }
    }

    /// As a moment.
    pub fn into_timestamp(self) -> Timestamp {
        if let Self::Timestamp(t) = self { t } else { Timestamp::UNIX_EPOCH }
    }

    /// As a list.
    pub fn into_list<T>(self, item: impl Fn(Value) -> T) -> Vec<T> {
        if let Self::List(l) = self { l.into_iter().map(item).collect() } else { Vec::new() }
    }

    /// As a map.
    pub fn into_map<T>(self, item: impl Fn(Value) -> T) -> BTreeMap<String, T> {
        if let Self::Map(m) = self { m.into_iter().map(|(k, v)| (k, item(v))).collect() } else { BTreeMap::new() }
    }

    /// As the members of a structure.
    pub fn into_set(self) -> Vec<(u16, Value)> {
        if let Self::Structure(f) = self { f.set } else { Vec::new() }
    }

    /// As JSON.
    pub fn into_document(self) -> serde_json::Value {
        if let Self::Document(d) = self { d } else { serde_json::Value::Null }
    }

    /// As a streaming body.
    pub fn into_body(self) -> Body {
        match self {
            Self::Body(b) => b,
            Self::Blob(b) => Body::from(b),
            _ => Body::empty(),
        }
    }

    /// `None` for an explicit null of a sparse list or map.
    pub fn into_sparse<T>(self, item: impl Fn(Value) -> T) -> Option<T> {
        if matches!(self, Self::Null) { None } else { Some(item(self)) }
    }
}

/// The stream inside a [`Body`]: chunks, or the reason why the sender stopped.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// One piece, and no more.
struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection ended first, or the other side was too slow.
    #[error("the body ended early")]
    Incomplete(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// It broke a rule of its encoding, length, signature or checksum; AWS's error code and message.
    #[error("{code}: {message}")]
    Refused {
        /// AWS's code.
        code: &'static str,
        /// AWS's message.
        message: String,
    },
}

/// The bytes of a request or answer: whole, or arriving. It can be taken once.
pub struct Body {
    inner: Mutex<Inner>,
    /// `None`: nothing can be said behind it.
    trailers: Option<Trailers>,
}

/// What a sender says behind the body, once it has been read to its end: names in lower case, and values.
pub type Trailers = Arc<Mutex<Vec<(String, String)>>>;

enum Inner {
    Whole(Bytes),
    Stream(ByteStream, Option<u64>),
    /// The same, of which the sender said the SHA-256.
    Hashed(Box<Hashed>, Option<u64>),
}

/// Is told of the pieces of a body. It is dropped at the end of the body, or with it.
pub trait Counter: Send {
    /// So many bytes went by.
    fn count(&mut self, bytes: usize);
}

struct Counted<C> {
    stream: ByteStream,
    counter: Option<C>,
}

fn counted(stream: ByteStream, counter: impl Counter + Unpin + 'static) -> ByteStream {
    Box::pin(Counted { stream, counter: Some(counter) })
}

impl<C: Counter + Unpin> Stream for Counted<C> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(cx);
        match (&polled, &mut self.counter) {
            (Poll::Ready(Some(Ok(bytes))), Some(counter)) => counter.count(bytes.len()),
            (Poll::Ready(None | Some(Err(_))), counter) => *counter = None,
            _ => {}
        }
        polled
    }
}

/// Bytes whose last piece is followed by an error if they are not those whose SHA-256 was said.
struct Hashed {
    stream: ByteStream,
    hasher: Sha256,
    expected: String,
    done: bool,
}

impl Stream for Hashed {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        match self.stream.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.hasher.update(&bytes);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(None) => {
                self.done = true;
                let hash = hex_encode(&std::mem::take(&mut self.hasher).finalize());
                let good = hash == self.expected;
                Poll::Ready((!good).then(|| Err(BodyError::other_hash())))
            }
            other => other,
        }
    }
}

impl BodyError {
    /// The bytes are not those that were signed.
    pub fn other_hash() -> Self {
        Self::Refused {
            code: "XAmzContentSHA256Mismatch",
            message: "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
        }
    }
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// Bytes that arrive in pieces; `length` when it is known before.
    pub fn stream(stream: ByteStream, length: Option<u64>) -> Self {
        Self { inner: Mutex::new(Inner::Stream(stream, length)), trailers: None }
    }

    /// The same, with what the sender will have said behind it.
    pub fn stream_with_trailers(stream: ByteStream, length: Option<u64>, trailers: Trailers) -> Self {
        Self { inner: Mutex::new(Inner::Stream(stream, length)), trailers: Some(trailers) }
    }

    /// The same body, of which the sender said the SHA-256, in hexadecimal: who reads it gets an error behind the last byte
    /// if it is another.
    #[must_use]
    pub fn expecting(self, hash: String) -> Self {
        let (length, trailers) = (self.length(), self.trailers.clone());
        let stream = match self.into_parts() {
            Ok(bytes) => Box::pin(Once(Some(bytes))),
            Err((stream, _)) => stream,
        };
        let hashed = Hashed { stream, hasher: Sha256::new(), expected: hash, done: false };
        Self { inner: Mutex::new(Inner::Hashed(Box::new(hashed), length)), trailers }
    }

    /// The same body, whose pieces are counted as they go by.
    #[must_use]
    pub fn counted(self, by: impl Counter + Unpin + 'static) -> Self {
        let trailers = self.trailers;
        let inner = match self.inner.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Inner::Whole(bytes) => {
                let length = bytes.len() as u64;
                Inner::Stream(counted(Box::pin(Once(Some(bytes).filter(|b| !b.is_empty()))), by), Some(length))
            }
            Inner::Stream(stream, length) => Inner::Stream(counted(stream, by), length),
            Inner::Hashed(hashed, length) => {
                Inner::Hashed(Box::new(Hashed { stream: counted(hashed.stream, by), ..*hashed }), length)
            }
        };
        Self { inner: Mutex::new(inner), trailers }
    }

    /// The SHA-256 that the sender said, for who computes one anyway: whoever takes it holds the bytes against it, and
    /// nobody else does.
    pub fn take_expected(&mut self) -> Option<String> {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(inner, Inner::Whole(Bytes::new())) {
            Inner::Hashed(hashed, length) => {
                *inner = Inner::Stream(hashed.stream, length);
                Some(hashed.expected)
            }
            other => {
                *inner = other;
                None
            }
        }
    }

    /// What the sender says behind the body. Complete once the body has been read to its end.
    pub fn trailers(&self) -> Trailers {
        self.trailers.clone().unwrap_or_else(Trailers::default)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Length in bytes, when it is known.
    pub fn length(&self) -> Option<u64> {
        match &*self.inner() {
            Inner::Whole(b) => Some(b.len() as u64),
            Inner::Stream(_, length) | Inner::Hashed(_, length) => *length,
        }
    }

    /// Takes the bytes out and leaves an empty body.
    pub fn take(&self) -> Self {
        let inner = std::mem::replace(&mut *self.inner(), Inner::Whole(Bytes::new()));
        Self { inner: Mutex::new(inner), trailers: self.trailers.clone() }
    }

    /// The bytes, if they are all here; else the stream.
    pub fn into_parts(self) -> Result<Bytes, (ByteStream, Option<u64>)> {
        match self.inner.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Inner::Whole(b) => Ok(b),
            Inner::Stream(s, length) => Err((s, length)),
            Inner::Hashed(s, length) => Err((Box::into_pin(s), length)),
        }
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        match inner {
            Inner::Whole(b) if b.is_empty() => None,
            Inner::Whole(b) => Some(Ok(std::mem::take(b))),
            Inner::Stream(s, _) => std::future::poll_fn(|cx| s.as_mut().poll_next(cx)).await,
            Inner::Hashed(s, _) => std::future::poll_fn(|cx| Pin::new(&mut **s).poll_next(cx)).await,
        }
    }

    /// All bytes, at most `limit` of them. `None`: there are more.
    pub async fn collect(mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let mut all: Option<Bytes> = None;
        let mut joined: Vec<u8> = Vec::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if joined.len() + piece.len() + all.as_ref().map_or(0, Bytes::len) > limit {
                return Ok(None);
            }
            match (joined.is_empty(), all.take()) {
                (true, None) => all = Some(piece),
                (true, Some(first)) => {
                    joined.extend_from_slice(&first);
                    joined.extend_from_slice(&piece);
                }
                _ => joined.extend_from_slice(&piece),
            }
        }
        Ok(Some(if joined.is_empty() { all.unwrap_or_default() } else { joined.into() }))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { inner: Mutex::new(Inner::Whole(bytes)), trailers: None }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length()).finish()
    }
}
