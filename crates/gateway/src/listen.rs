//! Connections: HTTP/1.1, HTTP/2 and TLS on one port, told apart by their first bytes.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use undercast_kernel::{Kernel, auth};
use undercast_wire::Response;
use undercast_wire::http::names;

use crate::body::Outgoing;
use crate::lingering::{Lingering, Unread};
use crate::patience::Patience;
use crate::route::Router;
use crate::{DoorSettings, handle, host, tls};

/// Request heads larger than this are refused.
const HEAD: usize = 16 * 1024;
/// A client must have begun within this time, and have sent a head within it.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// Requests in flight have so long to end when the program stops.
const GRACE: Duration = Duration::from_secs(10);

/// The door of one cloud.
pub struct Gateway {
    pub(crate) kernel: Kernel,
    pub(crate) router: Router,
    pub(crate) settings: DoorSettings,
    pub(crate) stop: watch::Sender<bool>,
    tls: OnceLock<Option<TlsAcceptor>>,
    warned: Mutex<std::collections::HashSet<String>>,
}

/// Told when the program shall stop.
pub type Stopping = watch::Receiver<bool>;

impl Gateway {
    /// A door for the services of a kernel.
    pub fn new(kernel: Kernel, settings: DoorSettings) -> Arc<Self> {
        let router = Router::new(kernel.services());
        Arc::new(Self {
            kernel,
            router,
            settings,
            stop: watch::Sender::new(false),
            tls: OnceLock::new(),
            warned: Mutex::default(),
        })
    }

    /// Asks every listener to finish what is in flight and end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Told when the program shall stop.
    pub fn stopping(&self) -> Stopping {
        self.stop.subscribe()
    }

    /// Warns once of a key that looks like one of AWS's own. It is never logged: only its last four characters are.
    pub(crate) fn notice_real_key(&self, key: &str, issued_here: bool) {
        if issued_here || !auth::looks_real(key) {
            return;
        }
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = key.get(16..).unwrap_or_default().to_owned();
        if warned.len() < 64 && warned.insert(tail.clone()) {
            tracing::warn!(
                "a request was signed with what looks like a real AWS access key (…{tail}); use made-up credentials here"
            );
        }
    }

    fn acceptor(&self) -> Option<TlsAcceptor> {
        let make = || match tls::server_config(&self.settings.ca, &self.settings.hosts) {
            Ok(config) => Some(TlsAcceptor::from(config)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "TLS is not available");
                None
            }
        };
        self.tls.get_or_init(make).clone()
    }
}

/// Takes an address.
///
/// # Errors
/// When it is in use or may not be taken.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves connections until the door is told to stop; then finishes what is in flight.
pub async fn listen(gateway: Arc<Gateway>, listener: TcpListener) {
    let mut stopping = gateway.stopping();
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                gateway.kernel.spawn(connection(gateway.clone(), graceful.watcher(), stream, peer.ip()));
            }
            // Too many open files, most likely: wait for some to close.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    // What has not ended by then is cut.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

/// A connection of which the first bytes are known.
enum Begun {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn connection(gateway: Arc<Gateway>, watcher: Watcher, stream: TcpStream, peer: IpAddr) {
    // Answers are small; waiting to fill a packet only costs time.
    let _ = stream.set_nodelay(true);
    let mut stopping = gateway.stopping();
    let begun = tokio::select! {
        biased;
        begun = tokio::time::timeout(HEAD_TIME, begin(&gateway, stream)) => begun.ok().flatten(),
        // Nothing was asked yet, so nothing is owed.
        _ = stopping.wait_for(|stop| *stop) => None,
    };
    match begun {
        Some(Begun::Plain(stream)) => serve(gateway, watcher, stream, peer, None).await,
        Some(Begun::Tls(stream)) => {
            let version = tls::version(stream.get_ref().1);
            serve(gateway, watcher, stream, peer, Some(version)).await;
        }
        None => {}
    }
}

/// Waits for the first byte, and does the handshake if it is one of TLS. `None`: the client has gone, or speaks no
/// TLS that we do.
async fn begin(gateway: &Gateway, stream: TcpStream) -> Option<Begun> {
    let mut first = [0u8; 1];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    // A TLS handshake begins with record type 22.
    if first[0] != 22 {
        return Some(Begun::Plain(stream));
    }
    let stream = gateway.acceptor()?.accept(stream).await.ok()?;
    Some(Begun::Tls(Box::new(stream)))
}

async fn serve<S>(gateway: Arc<Gateway>, watcher: Watcher, stream: S, peer: IpAddr, tls: Option<&'static str>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unread = Unread::default();
    let stream = Lingering::new(stream, unread.clone());
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (gateway, unread) = (gateway.clone(), unread.clone());
        async move {
            let answer = if host::is_clear(&request) {
                handle::handle(&gateway, request, peer, tls, &unread).await
            } else {
                Some(Response::new(400, b"The request names more than one host.\n".to_vec()))
            };
            answer.map(outgoing).ok_or(Cut)
        }
    });
    let patience = Patience::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEAD).header_read_timeout(HEAD_TIME).timer(patience.clone());
    builder.http2().max_header_list_size(16 * 1024).timer(TokioTimer::new());
    builder.http2().keep_alive_interval(HEAD_TIME / 2).keep_alive_timeout(HEAD_TIME / 2);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let watched = watcher.watch(connection.into_owned());
    // A connection that ends badly has ended; its requests have told their own stories.
    if let Err(error) = patience.keep(HEAD_TIME, watched).await {
        tracing::debug!(error, "a connection ended early");
    }
}

/// The connection is cut on purpose.
#[derive(Debug, thiserror::Error)]
#[error("cut by a fault rule")]
struct Cut;

fn outgoing(response: Response) -> http::Response<Outgoing> {
    let mut out = http::Response::new(Outgoing::from(response.body));
    *out.status_mut() = http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    *out.headers_mut() = response.headers;
    out.headers_mut().entry(names::SERVER).or_insert(HeaderValue::from_static("Undercast"));
    out
}
