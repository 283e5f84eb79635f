//! Answers that are streams of events, on the protocols without bindings to HTTP: the first message stands for the rest of
//! the answer, and payloads are written as the protocol writes bodies.
//!
//! Services write payloads as JSON; on the protocol that has CBOR in its place they are put down anew.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use crate::cbor::CborWriter;
use crate::eventstream::{Broken, HeaderValue, MEDIA_TYPE, Message};
use crate::http::{Response, names};
use crate::json_read;
use crate::protocol::{aws_cbor_type, json_type};
use crate::schema::{List, Map, Operation, Protocol, Service, Shape, Structure};
use crate::value::{Body, BodyError, ByteStream, Timestamp};
use crate::write::{Write, Writer};

/// What the first message is called. Clients of these protocols wait for it.
const INITIAL: &str = "initial-response";
const CONTENT_TYPE: &str = ":content-type";

/// The events of an operation's answer, where it is a stream of them.
pub(crate) fn of(operation: &'static Operation) -> Option<&'static Structure> {
    operation.output.members.iter().find_map(|member| match member.shape {
        Shape::Structure(of) if of.event_stream => Some(of),
        _ => None,
    })
}

/// Puts an answer down that is a stream of events, and nothing else.
pub(crate) fn encode(
    protocol: Protocol,
    service: &'static Service,
    operation: &'static Operation,
    output: &dyn Write,
) -> Response {
    let mut taken = TakeBody(None);
    output.write(&mut taken);
    let cbor = protocol == Protocol::AwsCbor;
    let content_type = if cbor { aws_cbor_type(service) } else { json_type(service) };
    let nothing: &[u8] = if cbor { &[0xa0] } else { b"{}" };
    let first = Message::event(INITIAL, Some(content_type), Bytes::from_static(nothing)).encode();
    let first = first.map(Bytes::from).map_err(broken);
    let body = taken.0.unwrap_or_default();
    let stream: ByteStream = match body.into_parts() {
        Ok(whole) => Box::pin(Whole(Some(whole))),
        Err((stream, _)) => stream,
    };
    let events = if cbor { of(operation) } else { None };
    let messages = Messages { first: Some(first), stream, events, content_type, held: Vec::new() };
    let mut response = Response::new(200, Bytes::new());
    response.body = Body::stream(Box::pin(messages), None);
    response.set(names::CONTENT_TYPE.as_str(), MEDIA_TYPE);
    response
}

fn broken(why: Broken) -> BodyError {
    BodyError::Incomplete(Some(Box::new(why)))
}

struct Whole(Option<Bytes>);

impl Stream for Whole {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().filter(|bytes| !bytes.is_empty()).map(Ok))
    }
}

/// The first message, and those of a stream.
struct Messages {
    first: Option<Result<Bytes, BodyError>>,
    stream: ByteStream,
    /// The events whose payloads are put down anew; `None`: they stay as they are.
    events: Option<&'static Structure>,
    content_type: &'static str,
    /// The beginning of a message.
    held: Vec<u8>,
}

impl Messages {
    /// All whole messages of what came so far, put down anew.
    fn again(&mut self, events: &'static Structure, piece: &[u8]) -> Result<Bytes, Broken> {
        self.held.extend_from_slice(piece);
        let (mut out, mut at) = (Vec::with_capacity(self.held.len()), 0);
        while let Some((message, length)) = Message::decode(&self.held[at..])? {
            at += length;
            out.extend_from_slice(&in_cbor(message, events, self.content_type)?.encode()?);
        }
        self.held.drain(..at);
        Ok(out.into())
    }
}

impl Stream for Messages {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            let polled = self.stream.as_mut().poll_next(cx);
            let (Poll::Ready(Some(Ok(piece))), Some(events)) = (&polled, self.events) else { return polled };
            match self.again(events, piece) {
                Ok(bytes) if bytes.is_empty() => {}
                again => return Poll::Ready(Some(again.map_err(broken))),
            }
        }
    }
}

/// A message whose payload is CBOR rather than JSON.
fn in_cbor(mut message: Message, events: &'static Structure, content_type: &str) -> Result<Message, Broken> {
    let kind = message.text(":event-type").or(message.text(":exception-type"));
    let Some(kind) = kind else { return Ok(message) };
    let Some(Shape::Structure(of)) = events.members.iter().find(|m| m.name == kind).map(|m| &m.shape) else {
        return Err(Broken::Event);
    };
    let fields = json_read::structure(&message.payload, of, &mut Vec::new()).map_err(|_| Broken::Event)?;
    let mut w = CborWriter::aws();
    fields.write(&mut w);
    message.payload = w.finish().into();
    for (name, value) in &mut message.headers {
        if name == CONTENT_TYPE {
            *value = HeaderValue::String(content_type.to_owned());
        }
    }
    Ok(message)
}

/// Takes the body out of an answer, and leaves the rest.
struct TakeBody(Option<Body>);

impl Writer for TakeBody {
    fn structure(&mut self, _: &'static Structure) {}
    fn member(&mut self, _: u16) {}
    fn list(&mut self, _: &'static List, _: usize) {}
    fn map(&mut self, _: &'static Map, _: usize) {}
    fn key(&mut self, _: &str) {}
    fn end(&mut self) {}
    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn double(&mut self, _: f64) {}
    fn string(&mut self, _: &str) {}
    fn blob(&mut self, _: &Bytes) {}
    fn timestamp(&mut self, _: Timestamp) {}
    fn document(&mut self, _: &serde_json::Value) {}

    fn body(&mut self, value: &Body) {
        self.0 = Some(value.take());
    }
}
