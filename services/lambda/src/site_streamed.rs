//! Function URLs whose answers come piece by piece.
//!
//! Source: "Response streaming for Lambda functions" in the developer guide, and what AWS's Node.js runtime writes before a
//! body: JSON with status, headers and cookies, and eight zeros.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;
use undercast_kernel::{Body, Cx, Result};
use undercast_wire::Response;
use undercast_wire::value::BodyError;

use crate::function::Function;
use crate::invoke;
use crate::report::Call;
use crate::runtime_api::Piece;
use crate::site;
use crate::state::State;

/// What a function says of an answer that begins with a prelude.
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
/// What stands between a prelude and the body.
const END: [u8; 8] = [0; 8];
/// A prelude may be so long.
const MOST_PRELUDE: usize = 1024 * 1024;

/// A body as it comes. What had come before it was known what it is comes first.
struct Pieces {
    before: VecDeque<Bytes>,
    coming: mpsc::UnboundedReceiver<Piece>,
}

impl Stream for Pieces {
    type Item = std::result::Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.before.pop_front() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            match self.coming.poll_recv(cx) {
                Poll::Ready(Some(Piece::Bytes(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Poll::Ready(Some(Piece::Type(_))) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Runs a function and answers with what it writes, as it writes it.
pub(crate) async fn answer(state: &Arc<State>, cx: &Cx, function: &Function, mut call: Call) -> Result<Response> {
    let (pieces, mut coming) = mpsc::unbounded_channel();
    call.pieces = Some(pieces);
    let (sent, mut run) = tokio::sync::oneshot::channel();
    let (state, own, function) = (Arc::clone(state), cx.clone(), function.clone());
    cx.spawn(async move {
        // Who does not wait for it any more does not hear of it.
        drop(sent.send(invoke::run(&state, &own, &function, call).await));
    });
    let kind = tokio::select! {
        biased;
        Some(piece) = coming.recv() => match piece {
            Piece::Type(kind) => kind,
            Piece::Bytes(_) => String::new(),
        },
        done = &mut run => {
            let done = done.map_err(|_| cx.broken("an invocation ended without a result"))??;
            if done.failed {
                return Ok(site::broken());
            }
            // Who does not stream has its whole answer handed on as it is.
            let mut response = Response::new(200, done.payload);
            response.set("content-type", "application/octet-stream");
            return Ok(response);
        }
    };
    if kind != WITH_PRELUDE {
        let mut response = Response::new(200, Bytes::new());
        response.set("content-type", if kind.is_empty() { "application/octet-stream" } else { &kind });
        response.body = Body::stream(Box::pin(Pieces { before: VecDeque::new(), coming }), None);
        return Ok(response);
    }
    let Some((prelude, rest)) = prelude(&mut coming).await else { return Ok(site::broken()) };
    let Some(mut response) = site::composed(&prelude, "application/octet-stream") else { return Ok(site::broken()) };
    let before = VecDeque::from_iter((!rest.is_empty()).then_some(rest));
    response.body = Body::stream(Box::pin(Pieces { before, coming }), None);
    Ok(response)
}

/// The prelude, and what of the body came with it. `None`: there is none that makes sense.
async fn prelude(coming: &mut mpsc::UnboundedReceiver<Piece>) -> Option<(Map<String, Json>, Bytes)> {
    let mut all = BytesMut::new();
    loop {
        let Piece::Bytes(bytes) = coming.recv().await? else { continue };
        all.extend_from_slice(&bytes);
        if let Some(at) = all.windows(END.len()).position(|part| part == END) {
            let rest = all.split_off(at + END.len()).freeze();
            let mut parts: Map<String, Json> = serde_json::from_slice(all.get(..at)?).ok()?;
            parts.entry("statusCode").or_insert(Json::from(200));
            parts.remove("body");
            return Some((parts, rest));
        }
        if all.len() > MOST_PRELUDE {
            return None;
        }
    }
}
