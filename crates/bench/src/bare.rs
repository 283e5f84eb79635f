//! What everything is measured against: servers that do nothing. Each runs in a process of its own.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Failed;

/// Serves a body of so many bytes until the process is ended. `raw` answers without reading what was asked: the load
/// generator's own ceiling.
pub(crate) fn serve(address: SocketAddr, raw: bool, length: usize) -> Result<(), Failed> {
    let body = Bytes::from(vec![b'x'; length]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            if raw {
                connections.spawn(answer_raw(stream, body.clone()));
            } else {
                connections.spawn(answer_http(stream, body.clone()));
            }
        }
    })
}

async fn answer_http(stream: TcpStream, body: Bytes) {
    let service = service_fn(|_: Request<Incoming>| {
        let mut response = Response::new(Full::new(body.clone()));
        response.headers_mut().insert("content-type", HeaderValue::from_static("binary/octet-stream"));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // The load ends by closing connections.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer_raw(mut stream: TcpStream, body: Bytes) {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    let mut given = vec![0; 4096];
    // A request is small enough to come in one piece.
    while let Ok(1..) = stream.read(&mut given).await {
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Serves a file with `sendfile`, to one client after the other, until the process is ended.
pub(crate) fn serve_file(address: SocketAddr, path: &Path) -> Result<(), Failed> {
    let listener = std::net::TcpListener::bind(address)?;
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut given = vec![0; 4096];
        while let Ok(1..) = stream.read(&mut given) {
            let mut file = std::fs::File::open(path)?;
            let length = file.metadata()?.len();
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes())?;
            // The standard library asks the kernel to copy from a file to a socket.
            std::io::copy(&mut file, &mut stream)?;
        }
    }
}
