//! Giving bytes out: whole or a range, from rows and blobs, in pieces.

use std::collections::VecDeque;

use undercast_kernel::store::{BlobId, BlobReader, KeyStream, PIECE, Read};
use undercast_kernel::{Body, Bytes, Cx, Failure, Result};
use undercast_wire::value::BodyError;

use crate::checksum::{Algorithm, Checksum};
use crate::encryption::DataKey;
use crate::rows::{Bucket, Content, Object, SEGMENTS, Segment, Stored};
use crate::{error, intake};

/// Bytes from `start` on, so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Span {
    pub(crate) fn whole(size: u64) -> Self {
        Self { start: 0, length: size }
    }

    /// `bytes 0-9/100`
    pub(crate) fn header(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.start + self.length.saturating_sub(1))
    }

    /// The span that a `Range` header asks for. `None`: all of it, as S3 answers to a header that it does not
    /// understand or that asks for several ranges.
    pub(crate) fn of_header(text: &str, size: u64) -> Result<Option<Self>> {
        let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
            return Ok(None);
        };
        let (first, last) = (first.trim(), last.trim());
        let number = |t: &str| t.parse::<u64>().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit()));
        let unsatisfiable = || error::invalid_range(size, text);
        let span = match (first, last) {
            ("", last) => {
                let Some(count) = number(last) else { return Ok(None) };
                if count == 0 || size == 0 {
                    return Err(unsatisfiable().into());
                }
                let length = count.min(size);
                Self { start: size - length, length }
            }
            (first, last) => {
                let Some(start) = number(first) else { return Ok(None) };
                let end = if last.is_empty() { u64::MAX } else { number(last).unwrap_or(0) };
                if (!last.is_empty() && number(last).is_none()) || end < start {
                    return Ok(None);
                }
                if start >= size {
                    return Err(unsatisfiable().into());
                }
                Self { start, length: end.min(size - 1) - start + 1 }
            }
        };
        Ok(Some(span))
    }
}

/// What an object that was uploaded in parts is made of; nothing for others.
pub(crate) fn segments(from: &(impl Read + ?Sized), bucket: &Bucket, object: &Object) -> Result<Vec<Segment>> {
    let Content::Many(id) = &object.content else { return Ok(Vec::new()) };
    let found = SEGMENTS.get(from, &bucket.key(id))?;
    found.ok_or_else(|| Failure::broken(format!("the segments `{id}` of an object are not there")))
}

/// A piece still to be given.
struct Source {
    stored: Stored,
    span: Span,
}

/// The bytes of an object.
pub(crate) async fn open(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    object: Object,
    span: Span,
    key: Option<&DataKey>,
) -> Result<Body> {
    if span.length == 0 {
        return Ok(Body::empty());
    }
    match object.content {
        Content::One(stored) => one(cx, stored, span, key).await,
        Content::Many(_) => {
            let mut sources = VecDeque::new();
            let mut at = 0;
            for segment in segments(from, bucket, &object)? {
                let (start, end) = (span.start.max(at), (span.start + span.length).min(at + segment.size));
                if start < end {
                    sources.push_back(Source {
                        stored: segment.stored,
                        span: Span { start: start - at, length: end - start },
                    });
                }
                at += segment.size;
            }
            stream(cx, sources, span.length, key).await
        }
    }
}

/// What takes the key of its object off a piece, from `offset` on. `None`: it has none.
pub(crate) fn unsealer(stored: &Stored, offset: u64, key: Option<&DataKey>) -> Result<Option<KeyStream>> {
    match (stored.nonce(), key) {
        (None, _) => Ok(None),
        (Some(nonce), Some(key)) => key.stream(nonce, offset).map(Some),
        (Some(_), None) => Err(Failure::broken("bytes that are encrypted are read without their key")),
    }
}

fn unsealed(stream: Option<KeyStream>, bytes: Bytes) -> Bytes {
    let Some(mut stream) = stream else { return bytes };
    let mut plain = Vec::from(bytes);
    stream.apply(&mut plain);
    plain.into()
}

/// Bytes that stand for themselves.
pub(crate) async fn stored(cx: &Cx, stored: Stored, size: u64, key: Option<&DataKey>) -> Result<Body> {
    one(cx, stored, Span::whole(size), key).await
}

async fn one(cx: &Cx, stored: Stored, span: Span, key: Option<&DataKey>) -> Result<Body> {
    let unsealer = unsealer(&stored, span.start, key)?;
    match stored {
        Stored::Inline(bytes, _) => {
            let bytes = cx.blobs().unseal(Vec::from(bytes))?;
            Ok(unsealed(unsealer, slice(&bytes, span)).into())
        }
        Stored::Blob(id, _) if span.length <= PIECE as u64 => {
            let length = usize::try_from(span.length).unwrap_or(PIECE);
            let mut reader = cx.blobs().reader(&BlobId(id), span.start).await?.unsealed(unsealer);
            let bytes = reader.next(length).await.map_err(Failure::broken)?;
            if bytes.len() != length {
                return Err(Failure::broken("a blob is shorter than its object"));
            }
            Ok(bytes.into())
        }
        stored @ Stored::Blob(..) => stream(cx, VecDeque::from([Source { stored, span }]), span.length, key).await,
    }
}

fn slice(bytes: &Bytes, span: Span) -> Bytes {
    let start = usize::try_from(span.start).unwrap_or(usize::MAX).min(bytes.len());
    let end = usize::try_from(span.start + span.length).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(start..end)
}

/// The state of a body that is being given.
struct Giving {
    sources: VecDeque<Source>,
    file: Option<File>,
    blobs: undercast_kernel::store::Blobs,
    key: Option<DataKey>,
}

/// A blob that is being read.
struct File {
    reader: BlobReader,
    left: u64,
}

async fn stream(cx: &Cx, sources: VecDeque<Source>, length: u64, key: Option<&DataKey>) -> Result<Body> {
    let mut giving = Giving { sources, file: None, blobs: cx.blobs().clone(), key: key.cloned() };
    // The first file is opened before the answer begins, so that a failure is an answer and not a cut connection.
    if let Some(Source { stored, span }) = giving.sources.front()
        && let Stored::Blob(id, _) = stored
    {
        let unsealer = unsealer(stored, span.start, key)?;
        let reader = giving.blobs.reader(&BlobId(id.clone()), span.start).await?.unsealed(unsealer);
        giving.file = Some(File { reader, left: span.length });
        giving.sources.pop_front();
    }
    let stream = futures_util::stream::unfold(giving, |mut giving| async move {
        let piece = giving.next().await;
        piece.map(|piece| (piece.map_err(|e| BodyError::Incomplete(Some(Box::new(e)))), giving))
    });
    Ok(Body::stream(Box::pin(stream), Some(length)))
}

impl Giving {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        loop {
            if let Some(file) = &mut self.file {
                if file.left == 0 {
                    self.file = None;
                    continue;
                }
                let piece = file.next().await;
                file.left = file.left.saturating_sub(piece.as_ref().map_or(file.left, |p| p.len() as u64));
                return Some(piece);
            }
            let source = self.sources.pop_front()?;
            let unsealer = match unsealer(&source.stored, source.span.start, self.key.as_ref()) {
                Ok(unsealer) => unsealer,
                Err(error) => return Some(Err(std::io::Error::other(error))),
            };
            match source.stored {
                Stored::Inline(bytes, _) => {
                    let opened = self.blobs.unseal(Vec::from(bytes)).map_err(std::io::Error::other);
                    return Some(opened.map(|bytes| unsealed(unsealer, slice(&bytes, source.span))));
                }
                Stored::Blob(id, _) => match self.blobs.reader(&BlobId(id), source.span.start).await {
                    Ok(reader) => {
                        self.file = Some(File { reader: reader.unsealed(unsealer), left: source.span.length });
                    }
                    Err(error) => return Some(Err(std::io::Error::other(error))),
                },
            }
        }
    }
}

impl File {
    async fn next(&mut self) -> std::io::Result<Bytes> {
        let wanted = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let piece = self.reader.next(wanted).await?;
        if piece.len() != wanted {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(piece)
    }
}

/// The checksum of bytes that were just kept.
pub(crate) async fn checksum(
    cx: &Cx,
    stored: &Stored,
    key: Option<&DataKey>,
    algorithm: Algorithm,
) -> Result<Checksum> {
    let length = match stored {
        Stored::Inline(bytes, _) => cx.blobs().unseal(Vec::from(bytes.clone()))?.len() as u64,
        Stored::Blob(id, _) => cx.blobs().length(&BlobId(id.clone())).await?,
    };
    let body = one(cx, stored.clone(), Span::whole(length), key).await?;
    Ok(intake::hash(body, algorithm).await?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let span = |start, length| Some(Some(Span { start, length }));
        for (text, size, wanted) in [
            ("bytes=0-9", 100, span(0, 10)),
            ("bytes=90-", 100, span(90, 10)),
            ("bytes=90-200", 100, span(90, 10)),
            ("bytes=-5", 100, span(95, 5)),
            ("bytes=-500", 100, span(0, 100)),
            ("bytes=100-", 100, None),
            ("bytes=-0", 100, None),
            ("bytes=0-", 0, None),
            ("bytes=5-1", 100, Some(None)),
            ("bytes=0-1,3-4", 100, Some(None)),
            ("chars=0-1", 100, Some(None)),
            ("bytes=x-", 100, Some(None)),
        ] {
            assert_eq!(Span::of_header(text, size).ok(), wanted, "{text} of {size}");
        }
        assert_eq!(Span { start: 3, length: 4 }.header(10), "bytes 3-6/10");
    }
}
