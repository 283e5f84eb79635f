//! The load: connections that send the same bytes again and again, and read as little of the answers as they can.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failed;

/// So many connections are kept open.
pub(crate) const CONNECTIONS: usize = 64;

/// Where the load goes, over connections that stay open between the rounds.
pub(crate) struct Load {
    requests: Vec<Bytes>,
    streams: Vec<TcpStream>,
}

/// What a connection has found out.
struct Done {
    stream: TcpStream,
    index: usize,
    answers: u64,
}

impl Load {
    /// Connects so many times as usual. Connection `n` sends request `n`, or the only one.
    pub(crate) async fn connect(address: SocketAddr, requests: Vec<Vec<u8>>) -> Result<Self, Failed> {
        Self::over(CONNECTIONS, address, requests).await
    }

    /// Connects so many times.
    pub(crate) async fn over(connections: usize, address: SocketAddr, requests: Vec<Vec<u8>>) -> Result<Self, Failed> {
        let requests = requests.into_iter().map(Bytes::from).collect();
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        Ok(Self { requests, streams })
    }

    /// Sends for `span`, at least once, and says how many answers came in how long.
    pub(crate) async fn run(&mut self, span: Duration) -> Result<(u64, Duration), Failed> {
        let started = Instant::now();
        let until = started + span;
        let mut running = JoinSet::new();
        for (index, stream) in self.streams.drain(..).enumerate() {
            let request = self.requests[index % self.requests.len()].clone();
            running.spawn(ask_until(stream, index, request, until));
        }
        let mut done = Vec::new();
        while let Some(ended) = running.join_next().await {
            done.push(ended.map_err(|_| Failed::Said("a connection ended early".to_owned()))??);
        }
        let took = started.elapsed();
        done.sort_by_key(|d| d.index);
        let answers = done.iter().map(|d| d.answers).sum();
        self.streams = done.into_iter().map(|d| d.stream).collect();
        Ok((answers, took))
    }
}

async fn ask_until(stream: TcpStream, index: usize, request: Bytes, until: Instant) -> Result<Done, Failed> {
    let mut answers = 0;
    let mut connection = Connection { address: stream.peer_addr()?, stream, buffer: vec![0; 64 * 1024] };
    loop {
        connection.ask(&request).await?;
        answers += 1;
        if Instant::now() >= until {
            return Ok(Done { stream: connection.stream, index, answers });
        }
    }
}

/// A connection that waits for each answer.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failed> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends a request that must succeed, and gives the body of the answer.
    pub(crate) async fn ask_for_body(&mut self, request: &[u8]) -> Result<String, Failed> {
        self.stream.write_all(request).await?;
        let mut answer = Vec::new();
        while whole(&answer).is_none_or(|length| answer.len() < length) {
            let got = some(self.stream.read(&mut self.buffer).await?)?;
            answer.extend_from_slice(&self.buffer[..got]);
        }
        let head = memmem::find(&answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let text = String::from_utf8_lossy(&answer[head..]).into_owned();
        if status(&answer) != 200 {
            return Err(Failed::Said(format!("the load was refused: {text}")));
        }
        // Some servers let go of every client.
        if memmem::find(&answer[..head], b"onnection: close\r\n").is_some() {
            self.stream = TcpStream::connect(self.address).await?;
            self.stream.set_nodelay(true)?;
        }
        Ok(text)
    }

    /// Sends a request that must succeed, and reads as little of the answer as can be. Says how long it was, head and body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<usize, Failed> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let length = loop {
            filled += some(self.stream.read(&mut self.buffer[filled..]).await?)?;
            match whole(&self.buffer[..filled]) {
                Some(length) => break length,
                None if filled == self.buffer.len() => return Err(Failed::Said("an answer has no end".to_owned())),
                None => {}
            }
        };
        // Anything but success would be fast for the wrong reason.
        if self.buffer.get(9..12) != Some(b"200") {
            let shown = String::from_utf8_lossy(&self.buffer[..filled]).into_owned();
            return Err(Failed::Said(format!("the load was refused: {shown}")));
        }
        let closes = memmem::find(&self.buffer[..filled.min(512)], b"onnection: close\r\n").is_some();
        let mut left = length.saturating_sub(filled);
        while left > 0 {
            left = left.saturating_sub(some(self.stream.read(&mut self.buffer).await?)?);
        }
        // Some servers let go of every client.
        if closes {
            self.stream = TcpStream::connect(self.address).await?;
            self.stream.set_nodelay(true)?;
        }
        Ok(length)
    }
}

/// What was read, of a server that is still there.
fn some(got: usize) -> Result<usize, Failed> {
    if got == 0 { Err(Failed::Said("the server closed a connection".to_owned())) } else { Ok(got) }
}

/// The length of the answer that `bytes` begin with, once its head is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let length = bytes[..head].windows(16).position(|w| w.eq_ignore_ascii_case(b"\ncontent-length:"))?;
    let digits = bytes[length + 16..head].iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit());
    Some(head + digits.fold(0, |n, d| n * 10 + usize::from(d - b'0')))
}

/// Sends one request over a connection of its own. Gives back the status and the body.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>), Failed> {
    let mut answer = answer(address, request)?;
    let head = memmem::find(&answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    Ok((status(&answer), answer.split_off(head)))
}

fn answer(address: SocketAddr, request: &[u8]) -> Result<Vec<u8>, Failed> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while whole(&answer).is_none_or(|length| answer.len() < length) {
        match stream.read(&mut piece)? {
            0 => break,
            got => answer.extend_from_slice(&piece[..got]),
        }
    }
    Ok(answer)
}

fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).and_then(|s| std::str::from_utf8(s).ok());
    digits.and_then(|s| s.parse().ok()).unwrap_or(0)
}

/// Sends a request that must succeed, and gives back the head of the answer.
pub(crate) fn head_of(address: SocketAddr, request: &[u8]) -> Result<String, Failed> {
    let answer = answer(address, request)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    if status(&answer) == 200 { Ok(text) } else { Err(Failed::Said(text)) }
}

/// The same as [`ask`] for a request that must succeed.
pub(crate) fn must(address: SocketAddr, request: &[u8]) -> Result<String, Failed> {
    let (status, body) = ask(address, request)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if (200..300).contains(&status) { Ok(text) } else { Err(Failed::Said(format!("status {status}: {text}"))) }
}
