//! The Runtime API: what a runtime asks its environment for, and tells it. HTTP on a port inside the sandbox.
//!
//! Source: "Using the Lambda runtime API for custom runtimes" in the developer guide.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, watch};
use undercast_kernel::Kernel;

use crate::streamed;

/// The most bytes of a response.
pub(crate) const MOST_RESPONSE: usize = 6_291_556;
/// The most bytes of an answer in pieces.
const MOST_STREAMED: usize = 209_715_200;
/// What a runtime that stops in the middle of its answer has said.
const CUT: &[u8] = br#"{"errorType":"Runtime.TruncatedResponse","errorMessage":"The response ended early."}"#;
const PREFIX: &str = "/2018-06-01/runtime/";

/// An invocation, as the runtime gets it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    /// When it must be done, in milliseconds since 1970 by the machine's clock.
    pub(crate) deadline: i64,
    pub(crate) arn: String,
    pub(crate) trace: String,
    /// JSON.
    pub(crate) client_context: Option<String>,
}

/// What a runtime says of an invocation, or of its own start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What the handler returned.
    Success(Bytes),
    /// What went wrong, as JSON.
    Error(Bytes),
    /// What the handler returned was larger than it may be.
    TooLarge,
}

/// A part of an answer that comes piece by piece.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// What the runtime says that it is, before anything of it.
    Type(String),
    Bytes(Bytes),
}

/// Where a runtime is.
#[derive(Debug, Default)]
struct Standing {
    /// It asks for the next invocation.
    waiting: bool,
    next: Option<Invocation>,
    current: Option<String>,
    answer: Option<Answer>,
    failed_start: Option<Answer>,
    /// Who gets an answer piece by piece.
    pieces: Option<mpsc::UnboundedSender<Piece>>,
}

/// The host's side of a runtime's conversation.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    standing: watch::Sender<Standing>,
}

impl RuntimeApi {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { standing: watch::Sender::new(Standing::default()) })
    }

    /// Returns when the runtime asks for work, or has said that it cannot start.
    pub(crate) async fn started(&self) -> Option<Answer> {
        let mut seen = self.standing.subscribe();
        match seen.wait_for(|s| s.waiting || s.failed_start.is_some()).await {
            Ok(standing) => standing.failed_start.clone(),
            Err(_) => None,
        }
    }

    /// Hands an invocation to the runtime.
    pub(crate) fn offer(&self, invocation: Invocation, pieces: Option<mpsc::UnboundedSender<Piece>>) {
        self.standing.send_modify(|s| {
            s.pieces = pieces;
            s.answer = None;
            s.next = Some(invocation);
        });
    }

    /// Nobody waits for pieces any more.
    pub(crate) fn forget_pieces(&self) {
        self.standing.send_modify(|s| s.pieces = None);
    }

    /// Returns what the runtime says of the invocation.
    pub(crate) async fn answer(&self) -> Answer {
        let mut seen = self.standing.subscribe();
        match seen.wait_for(|s| s.answer.is_some()).await.ok().and_then(|s| s.answer.clone()) {
            Some(answer) => answer,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    /// Returns when the runtime asks for the next invocation.
    pub(crate) async fn idle(&self) {
        let mut seen = self.standing.subscribe();
        // Fails only when there is nobody left to ask.
        drop(seen.wait_for(|s| s.waiting).await);
    }

    async fn next(&self) -> Option<Invocation> {
        let mut seen = self.standing.subscribe();
        self.standing.send_modify(|s| s.waiting = true);
        seen.wait_for(|s| s.next.is_some()).await.ok()?;
        let mut taken = None;
        self.standing.send_modify(|s| {
            taken = s.next.take();
            s.waiting = false;
            s.current = taken.as_ref().map(|i| i.request_id.clone());
        });
        taken
    }

    /// Takes an answer, if it is for the invocation under way.
    fn settle(&self, request_id: &str, answer: Answer) -> bool {
        self.standing.send_if_modified(|s| {
            let fits = s.current.as_deref() == Some(request_id) && s.answer.is_none();
            if fits {
                s.answer = Some(answer);
            }
            fits
        })
    }

    /// Whether somebody waits for the pieces of the answer to this invocation.
    fn has_pieces(&self, request_id: &str) -> bool {
        let standing = self.standing.borrow();
        standing.current.as_deref() == Some(request_id) && standing.answer.is_none() && standing.pieces.is_some()
    }

    /// Hands an answer on piece by piece, and says how it ended.
    async fn stream(&self, kind: &str, mut body: Incoming) -> Answer {
        let Some(pieces) = self.standing.borrow().pieces.clone() else { return Answer::Success(Bytes::new()) };
        drop(pieces.send(Piece::Type(kind.to_owned())));
        let mut left = MOST_STREAMED;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Answer::Error(Bytes::from_static(CUT)) };
            match frame.into_data() {
                Ok(bytes) => {
                    let Some(rest) = left.checked_sub(bytes.len()) else { return Answer::TooLarge };
                    left = rest;
                    // A caller that has gone does not hear.
                    drop(pieces.send(Piece::Bytes(bytes)));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if trailers.contains_key("lambda-runtime-function-error-type") {
                        let told = trailers.get("lambda-runtime-function-error-body").and_then(|b| b.to_str().ok());
                        return Answer::Error(streamed::late_error(told.unwrap_or("{}")));
                    }
                }
            }
        }
        Answer::Success(Bytes::new())
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
        let words: Vec<&str> = path.split('/').collect();
        match (&parts.method, words.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => match self.next().await {
                Some(invocation) => handed(invocation),
                None => told(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
            },
            (&Method::POST, ["invocation", id, "response"]) if is_streaming(&parts.headers) && self.has_pieces(id) => {
                let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok());
                let answer = self.stream(kind.unwrap_or_default(), body).await;
                accepted(self.settle(id, answer))
            }
            (&Method::POST, ["invocation", id, "response"]) => {
                let answer = Limited::new(body, MOST_RESPONSE).collect().await;
                let answer = answer.map_or(Answer::TooLarge, |whole| Answer::Success(whole.to_bytes()));
                let large = answer == Answer::TooLarge;
                match self.settle(id, answer) {
                    true if large => told(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        r#"{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}"#,
                    ),
                    taken => accepted(taken),
                }
            }
            (&Method::POST, ["invocation", id, "error"]) => accepted(self.settle(id, Answer::Error(whole(body).await))),
            (&Method::POST, ["init", "error"]) => {
                let error = Answer::Error(whole(body).await);
                self.standing.send_modify(|s| s.failed_start = Some(error));
                accepted(true)
            }
            _ => told(
                StatusCode::NOT_FOUND,
                r#"{"errorMessage":"There is no such path in the Runtime API.","errorType":"NotFound"}"#,
            ),
        }
    }
}

/// Whether a runtime answers piece by piece.
fn is_streaming(headers: &http::HeaderMap) -> bool {
    headers.get("lambda-runtime-function-response-mode").is_some_and(|mode| mode.as_bytes() == b"streaming")
}

async fn whole(body: Incoming) -> Bytes {
    Limited::new(body, MOST_RESPONSE)
        .collect()
        .await
        .map_or_else(|_| Bytes::from_static(b"{}"), http_body_util::Collected::to_bytes)
}

fn accepted(taken: bool) -> Response<Full<Bytes>> {
    if taken {
        told(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
    } else {
        told(StatusCode::BAD_REQUEST, r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#)
    }
}

fn told(status: StatusCode, json: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(json.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn handed(invocation: Invocation) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(invocation.payload));
    let headers = [
        ("lambda-runtime-aws-request-id", Some(invocation.request_id)),
        ("lambda-runtime-deadline-ms", Some(invocation.deadline.to_string())),
        ("lambda-runtime-invoked-function-arn", Some(invocation.arn)),
        ("lambda-runtime-trace-id", Some(invocation.trace)),
        ("lambda-runtime-client-context", invocation.client_context),
        ("content-type", Some("application/json".to_owned())),
    ];
    for (name, value) in headers {
        // A value that no header can carry is left out; of these only a client context could be one.
        if let Some(value) = value.and_then(|v| http::HeaderValue::from_str(&v).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Serves the API on a port inside until `alive` ends.
pub(crate) async fn serve(kernel: Kernel, api: Arc<RuntimeApi>, listener: TcpListener, mut alive: watch::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a Runtime API could not be opened");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = alive.changed() => return,
        };
        let Ok((stream, _)) = accepted else { return };
        // Answers are small; waiting to fill a packet only costs time.
        let _ = stream.set_nodelay(true);
        let (api, mut alive) = (Arc::clone(&api), alive.clone());
        kernel.spawn(async move {
            let service = service_fn(move |request| {
                let api = Arc::clone(&api);
                async move { Ok::<_, Infallible>(api.handle(request).await) }
            });
            tokio::select! {
                // How a runtime's connection ends says nothing that its process does not say better.
                _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
                _ = alive.changed() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_counts_for_its_own_invocation_only() {
        let api = RuntimeApi::new();
        api.offer(Invocation { request_id: "a".to_owned(), ..Invocation::default() }, None);
        assert_eq!(api.next().await.map(|i| i.request_id).as_deref(), Some("a"));
        assert!(!api.settle("b", Answer::TooLarge));
        assert!(api.settle("a", Answer::Success(Bytes::from_static(b"1"))));
        assert!(!api.settle("a", Answer::TooLarge), "the first answer stands");
        assert_eq!(api.answer().await, Answer::Success(Bytes::from_static(b"1")));
    }
}
