//! `InvokeWithResponseStream`: what a function answers, handed on piece by piece as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;
use undercast_kernel::wire::text;
use undercast_kernel::{Body, Cx, Result};
use undercast_wire::eventstream::{MEDIA_TYPE, Message};
use undercast_wire::json_write::JsonWriter;
use undercast_wire::value::BodyError;
use undercast_wire::write::Write as _;

use crate::api::{self, output};
use crate::function::FunctionName;
use crate::invoke::{self, client_context, payload};
use crate::report::{Call, Done};
use crate::runtime_api::Piece;
use crate::state::State;

/// The messages of an answer, as they come.
struct Messages(mpsc::UnboundedReceiver<std::result::Result<Bytes, BodyError>>);

impl Stream for Messages {
    type Item = std::result::Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

fn message(name: &str, content_type: &str, payload: Bytes) -> std::result::Result<Bytes, BodyError> {
    let encoded = Message::event(name, Some(content_type), payload).encode();
    encoded.map(Bytes::from).map_err(|why| BodyError::Incomplete(Some(Box::new(why))))
}

fn chunk(bytes: Bytes) -> std::result::Result<Bytes, BodyError> {
    let update = output::InvokeResponseStreamUpdate { payload: Some(bytes) };
    message("PayloadChunk", "application/octet-stream", update.payload.unwrap_or_else(Bytes::new))
}

/// The last message: how the run ended, and its log if that was asked for.
fn complete(done: &Result<Done>, tail: bool) -> std::result::Result<Bytes, BodyError> {
    let mut told = output::InvokeWithResponseStreamCompleteEvent::default();
    match done {
        Ok(done) => {
            if done.failed {
                told.error_code = Some("Unhandled".to_owned());
                told.error_details = Some(String::from_utf8_lossy(&done.payload).into_owned());
            }
            told.log_result = tail.then(|| text::base64(done.log.as_bytes()));
        }
        Err(failure) => {
            told.error_code = Some(failure.code().unwrap_or("ServiceException").to_owned());
            told.error_details = Some(failure.to_string());
        }
    }
    let mut json = JsonWriter::new();
    told.write(&mut json);
    message("InvokeComplete", "application/json", Bytes::from(json.finish()))
}

/// `InvokeWithResponseStream`
pub(crate) async fn invoke(
    state: &Arc<State>,
    cx: &Cx,
    input: api::InvokeWithResponseStreamInput,
) -> Result<api::InvokeWithResponseStreamOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let function = name.find_to_run(cx, &cx.read())?;
    let (payload, client_context) = (payload(input.payload, false)?, client_context(input.client_context)?);
    let output = |status: i32, body: Body| api::InvokeWithResponseStreamOutput {
        status_code: Some(status),
        executed_version: Some(function.version_name()),
        event_stream: Some(body),
        response_stream_content_type: Some(MEDIA_TYPE.to_owned()),
    };
    if input.invocation_type.as_deref() == Some("DryRun") {
        return Ok(output(204, Body::empty()));
    }
    let (pieces, mut coming) = mpsc::unbounded_channel();
    let call = Call {
        request_id: cx.request_id().to_owned(),
        payload,
        client_context,
        arn: name.qualified_arn(cx),
        pieces: Some(pieces),
    };
    let tail = input.log_type.as_deref() == Some("Tail");
    let (told, messages) = mpsc::unbounded_channel();
    let mut run = {
        let (state, own, function) = (Arc::clone(state), cx.clone(), function.clone());
        let (sent, done) = tokio::sync::oneshot::channel();
        cx.spawn(async move {
            // Who does not wait for it any more does not hear of it.
            drop(sent.send(invoke::run(&state, &own, &function, call).await));
        });
        done
    };
    let broken = || cx.broken("an invocation ended without a result");
    // What could not begin is answered with its error; once there is a piece there is an answer.
    let first = tokio::select! {
        biased;
        Some(piece) = coming.recv() => Some(piece),
        done = &mut run => {
            let done = done.map_err(|_| broken())??;
            send_whole(&told, &done);
            drop(told.send(complete(&Ok(done), tail)));
            return Ok(output(200, Body::stream(Box::pin(Messages(messages)), None)));
        }
    };
    let gone = broken();
    cx.spawn(async move {
        let mut next = first;
        let mut any = false;
        while let Some(piece) = next {
            any = true;
            if let Piece::Bytes(bytes) = piece {
                drop(told.send(chunk(bytes)));
            }
            next = coming.recv().await;
        }
        let done = run.await.unwrap_or(Err(gone));
        if let (false, Ok(done)) = (any, &done) {
            send_whole(&told, done);
        }
        drop(told.send(complete(&done, tail)));
    });
    Ok(output(200, Body::stream(Box::pin(Messages(messages)), None)))
}

/// Sends what a function answered that does not answer in pieces.
fn send_whole(told: &mpsc::UnboundedSender<std::result::Result<Bytes, BodyError>>, done: &Done) {
    if !done.failed && !done.payload.is_empty() {
        // A caller that has gone does not hear.
        drop(told.send(chunk(done.payload.clone())));
    }
}

/// An error that came after the first pieces, as the trailers of the Runtime API tell it.
pub(crate) fn late_error(body: &str) -> Bytes {
    text::unbase64(body).map_or_else(|| Bytes::from(body.to_owned()), Bytes::from)
}
