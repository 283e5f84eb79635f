//! Bodies that are made while they are sent, and requests that no SDK makes.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::check::Outcome;

/// Pieces, one after the other, of which the last can be an error. It cannot be sent a second time.
struct Pieces {
    left: std::vec::IntoIter<Result<Bytes, std::io::Error>>,
    length: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.left.next().map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// A stream of pieces that says it has `length` bytes.
pub fn stream(pieces: Vec<Result<Bytes, std::io::Error>>, length: usize) -> ByteStream {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    ByteStream::new(SdkBody::from_body_1_x(Pieces { left: pieces.into_iter(), length }))
}

/// Bytes that look like nothing, the same ones each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Sends bytes to the cloud and gives back all that it answers; `cut`: the connection ends with the last of them.
pub async fn sent(address: &str, bytes: &[u8], cut: bool) -> Outcome<String> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(bytes).await?;
    if cut {
        socket.shutdown().await?;
    }
    let mut answer = Vec::new();
    // A server may also end such a connection without an answer.
    let _ = socket.read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status and the body of an answer to a presigned request.
pub async fn fetched(
    address: &str,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Outcome<(u16, String)> {
    let path = url.splitn(4, '/').nth(3).ok_or("a URL without a path")?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    );
    let answer = sent(address, request.as_bytes(), false).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, body.to_owned()))
}
