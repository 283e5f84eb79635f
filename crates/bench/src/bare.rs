//! What everything is measured against: servers that do nothing. Each runs in a process of its own.

use std::convert::Infallible;
use std::net::SocketAddr;

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

/// What both answer.
static BODY: [u8; 1024] = [b'x'; 1024];

/// Serves until the process is ended. `raw` answers without reading what was asked: the load generator's own ceiling.
pub(crate) fn serve(address: SocketAddr, raw: bool) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            if raw {
                connections.spawn(answer_raw(stream));
            } else {
                connections.spawn(answer_http(stream));
            }
        }
    })
}

async fn answer_http(stream: TcpStream) {
    let service = service_fn(|_: Request<Incoming>| async {
        let mut response = Response::new(Full::new(Bytes::from_static(&BODY)));
        response.headers_mut().insert("content-type", HeaderValue::from_static("binary/octet-stream"));
        Ok::<_, Infallible>(response)
    });
    // The load ends by closing connections.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer_raw(mut stream: TcpStream) {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\n".to_vec();
    answer.extend_from_slice(&BODY);
    let mut given = vec![0; 4096];
    // A request is small enough to come in one piece.
    while let Ok(1..) = stream.read(&mut given).await {
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
