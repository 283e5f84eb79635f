//! Bodies between the server and the wire: with time limits, length limits, signatures of chunks, hashes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use undercast_kernel::{Arrival, Kernel};
use undercast_wire::sigv4::chunked::ChunkedDecoder;
use undercast_wire::value::{Body, BodyError, ByteStream, Trailers};

/// A sender that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// Whether something of a request's body is still to be read.
pub(crate) struct Left(Arc<AtomicBool>);

impl Left {
    /// Something is: the connection will be closed behind the answer, and the client must be told.
    pub(crate) fn is_something(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A request's body as it arrives.
pub(crate) fn incoming(body: Incoming, kernel: Kernel, arrival: Arrival) -> (Body, Left) {
    let length = body.size_hint().exact();
    let left = Arc::new(AtomicBool::new(length != Some(0)));
    if length == Some(0) {
        return (Body::empty(), Left(left));
    }
    let came = Some((kernel, arrival));
    let arriving = Arriving { body, left: left.clone(), patience: SILENCE, silence: None, came };
    (Body::stream(Box::pin(arriving), length), Left(left))
}

struct Arriving<B> {
    body: B,
    /// Until its end was read.
    left: Arc<AtomicBool>,
    /// How long a sender may say nothing.
    patience: Duration,
    silence: Option<Pin<Box<tokio::time::Sleep>>>,
    /// Where it is noted when each piece came.
    came: Option<(Kernel, Arrival)>,
}

impl<B> Stream for Arriving<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.silence = None;
                    if self.body.is_end_stream() {
                        self.left.store(false, Ordering::Release);
                    }
                    if let Ok(data) = frame.into_data() {
                        if let Some((kernel, arrival)) = &self.came {
                            arrival.go_on(kernel.clock().now());
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(BodyError::Incomplete(Some(Box::new(error))))));
                }
                Poll::Ready(None) => {
                    self.left.store(false, Ordering::Release);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let patience = self.patience;
                    let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                    if silence.as_mut().poll(cx).is_ready() {
                        let message = "Your socket connection to the server was not read from or written to within the timeout period.";
                        return Poll::Ready(Some(Err(BodyError::Refused {
                            code: "RequestTimeout",
                            message: message.to_owned(),
                        })));
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// The content of an `aws-chunked` body.
pub(crate) fn unchunked(body: Body, decoder: ChunkedDecoder, length: Option<u64>) -> Body {
    let trailers = Trailers::default();
    let unchunk =
        Unchunk { stream: pieces(body), decoder, ready: VecDeque::new(), trailers: trailers.clone(), done: false };
    Body::stream_with_trailers(Box::pin(unchunk), length, trailers)
}

struct Unchunk {
    stream: ByteStream,
    decoder: ChunkedDecoder,
    ready: VecDeque<Bytes>,
    trailers: Trailers,
    done: bool,
}

impl Stream for Unchunk {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.done {
                return Poll::Ready(None);
            }
            match self.stream.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(bytes))) => match self.decoder.push(&bytes) {
                    Ok(pieces) => self.ready.extend(pieces),
                    Err(error) => {
                        self.done = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Poll::Ready(None) => {
                    self.done = true;
                    if let Err(error) = self.decoder.finish() {
                        return Poll::Ready(Some(Err(error)));
                    }
                    let found = self.decoder.trailers().to_vec();
                    *self.trailers.lock().unwrap_or_else(PoisonError::into_inner) = found;
                }
            }
        }
    }
}

/// The bytes of a body, however it came.
fn pieces(body: Body) -> ByteStream {
    match body.into_parts() {
        Ok(bytes) => Box::pin(futures_util::stream::once(async move { Ok(bytes) })),
        Err((stream, _)) => stream,
    }
}

/// An answer's body on its way to the server.
pub(crate) enum Outgoing {
    /// All of it.
    Whole(Option<Bytes>),
    /// In pieces.
    Stream(ByteStream, Option<u64>),
}

impl From<Body> for Outgoing {
    fn from(body: Body) -> Self {
        match body.into_parts() {
            Ok(bytes) => Self::Whole((!bytes.is_empty()).then_some(bytes)),
            Err((stream, length)) => Self::Stream(stream, length),
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Stream(stream, _) => {
                stream.as_mut().poll_next(cx).map(|next| next.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_, Some(length)) => SizeHint::with_exact(*length),
            Self::Stream(_, None) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sha2::{Digest, Sha256};
    use undercast_wire::text;

    use super::*;

    /// Sends one piece after another, each after a pause, and then nothing more and no end either.
    struct Slow {
        pieces: usize,
        pause: Duration,
        sleeping: Option<Pin<Box<tokio::time::Sleep>>>,
    }

    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            if self.pieces == 0 {
                return Poll::Pending;
            }
            let pause = self.pause;
            let sleeping = self.sleeping.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            std::task::ready!(sleeping.as_mut().poll(cx));
            self.sleeping = None;
            self.pieces -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
        }
    }

    #[tokio::test]
    async fn a_sender_may_be_slow_and_not_silent() {
        let patience = Duration::from_millis(200);
        let sender = Slow { pieces: 8, pause: patience / 4, sleeping: None };
        let mut body = Body::stream(
            Box::pin(Arriving { body: sender, left: Arc::default(), patience, silence: None, came: None }),
            None,
        );
        let began = Instant::now();
        for _ in 0..8 {
            assert_eq!(body.next().await.map(Result::unwrap), Some(Bytes::from_static(b"piece")));
        }
        assert!(began.elapsed() >= patience * 2, "longer than a silence may be");
        let refused = body.next().await.unwrap().unwrap_err();
        assert!(matches!(&refused, BodyError::Refused { code: "RequestTimeout", .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn a_body_ends_with_an_error_unless_it_has_its_hash() {
        for (text, wanted, good) in
            [("a body", "a body", true), ("a body", "another", false), ("", "", true), ("", "a", false)]
        {
            let expected = text::hex_encode(&Sha256::digest(wanted.as_bytes()));
            let body = Body::from(text.as_bytes().to_vec()).expecting(expected);
            let collected = body.collect(1 << 20).await;
            assert_eq!(collected.is_ok(), good, "{text:?} as {wanted:?}: {collected:?}");
        }
    }
}
