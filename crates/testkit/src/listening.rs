//! Answers that are streams of events, read as they come, over HTTP/2 with prior knowledge: as the SDK for Java reads them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value as Json, json};
use undercast_kernel::json as inprocess;
use undercast_wire::eventstream::Message;
use undercast_wire::schema::{Shape, Structure};
use undercast_wire::{cbor, json_read};

use crate::client::{Answer, Client};

/// Longer than this nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of events that is being read.
pub struct Listening {
    body: Incoming,
    held: BytesMut,
    events: &'static Structure,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    /// Calls an operation whose answer is a stream of events.
    ///
    /// # Errors
    /// When it is refused: what it is answered.
    pub async fn listen(&self, service: &str, operation: &str, input: Json) -> Result<Listening, Answer> {
        let (call, request) = self.prepare(service, operation, input, None);
        let stream = tokio::net::TcpStream::connect(self.address).await.expect("a cloud");
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.expect("a connection");
        let connection = tokio::spawn(async move { drop(connection.await) });
        let body = request.body.into_parts().unwrap_or_default();
        let uri = format!("http://localhost:{}/", self.address.port());
        let mut out = http::Request::post(uri).body(Full::new(body)).expect("a request");
        *out.headers_mut() = request.headers;
        let response = sender.send_request(out).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status >= 300 {
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            return Err(call.answer(status, headers, body));
        }
        let events = call.operation.output.members.iter().find_map(|member| match member.shape {
            Shape::Structure(of) if of.event_stream => Some(of),
            _ => None,
        });
        let events = events.expect("an operation that answers with events");
        Ok(Listening { body: response.into_body(), held: BytesMut::new(), events, connection })
    }
}

impl Listening {
    /// The next message: of which kind, and its payload; `None`: the stream is over.
    pub async fn next(&mut self) -> Option<Json> {
        let next = tokio::time::timeout(PATIENCE, self.message());
        let message = next.await.expect("a message in time")?;
        let kind = message.text(":event-type").or(message.text(":exception-type")).unwrap_or_default().to_owned();
        let shape = self.events.members.iter().find(|member| member.name == kind).map(|member| &member.shape);
        let payload = match shape {
            Some(Shape::Structure(of)) => payload(&message, of),
            _ => Json::Null,
        };
        Some(json!({"event": kind, "payload": payload}))
    }

    async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some((message, length)) = Message::decode(&self.held).expect("a message") {
                drop(self.held.split_to(length));
                return Some(message);
            }
            let frame = self.body.frame().await?.expect("a frame");
            if let Ok(bytes) = frame.into_data() {
                self.held.extend_from_slice(&bytes);
            }
        }
    }
}

fn payload(message: &Message, of: &'static Structure) -> Json {
    let (bytes, mut unknown): (&Bytes, _) = (&message.payload, Vec::new());
    let fields = if message.text(":content-type").is_some_and(|t| t.starts_with("application/x-amz-cbor")) {
        cbor::aws_structure(bytes, of, &mut unknown)
    } else {
        json_read::structure(bytes, of, &mut unknown)
    };
    inprocess::encode(&fields.expect("an event of its shape"))
}
