//! Calls over HTTP to what is outside of the cloud: endpoints that its users name.
//!
//! Knows: addresses, one request and its answer, whom TLS trusts. Must not know: AWS's services, and what is said to whom.
//!
//! AWS itself is never called: who names one of its hosts is told so.

mod pinned;
mod url;

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub use url::Url;

/// So much of an answer is read.
const READ: usize = 1024 * 1024;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`
    pub method: String,
    /// Where.
    pub url: Url,
    /// Names and values, besides those that say where it goes and how long it is.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Bytes,
    /// How long the other side has, in the machine's time.
    pub patience: Duration,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its body, or the first MiB of it.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It is one of AWS's own hosts.
    #[error("{0} is AWS's own, and this cloud never calls AWS")]
    Aws(String),
    /// A header or the method cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Request(#[from] http::Error),
    /// Nobody is there, or it is somebody else.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("it did not answer in {} seconds", .0.as_secs())]
    Timeout(Duration),
}

fn unreachable(why: impl std::fmt::Display) -> NoAnswer {
    NoAnswer::Unreachable(why.to_string())
}

/// Those that the machine trusts: many files, which are read once.
static TRUSTED: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

/// Whom the other side can be vouched for by: this cloud's own CA, and those that the machine trusts.
fn roots(ca: &Path) -> RootCertStore {
    let mut roots = TRUSTED.clone();
    if let Ok(certificate) = CertificateDer::from_pem_file(ca) {
        roots.add_parsable_certificates([certificate]);
    }
    roots
}

async fn secure(
    trust: &Trust<'_>,
    host: &str,
    stream: TcpStream,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, NoAnswer> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(unreachable)?;
    let verifier = pinned::verifier(roots(trust.ca), trust.thumbprints).map_err(unreachable)?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(unreachable)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(unreachable)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> Result<Answer, NoAnswer> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let ask = async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let whole = Limited::new(body, READ).collect().await;
        let body = whole.map(http_body_util::Collected::to_bytes).unwrap_or_else(|_| Bytes::new());
        Ok::<_, hyper::Error>(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    };
    // The connection ends with its sender, or before it when the other side hangs up after its answer.
    let (answer, _ended) = tokio::join!(ask, connection);
    answer.map_err(unreachable)
}

/// Whom TLS trusts beside those that the machine trusts.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The certificate of the cloud's own authority, which need not be there.
    pub ca: &'a Path,
    /// SHA-1 of certificates, in hexadecimal. One of them in the other side's chain vouches for it.
    pub thumbprints: &'a [String],
}

/// Asks once. `ca`: the certificate of the cloud's own authority, which need not be there.
///
/// # Errors
/// When there is no answer.
pub async fn send(ca: &Path, request: Request) -> Result<Answer, NoAnswer> {
    send_trusting(&Trust { ca, thumbprints: &[] }, request).await
}

/// Asks once, and trusts some more than the machine does.
///
/// # Errors
/// When there is no answer.
pub async fn send_trusting(trust: &Trust<'_>, request: Request) -> Result<Answer, NoAnswer> {
    let Request { method, url, headers, body, patience } = request;
    let host = url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if url.is_aws() {
        return Err(NoAnswer::Aws(host));
    }
    let mut builder = http::Request::builder().method(method.as_str()).uri(&url.path).header("host", url.authority());
    for (name, value) in &headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(Full::new(body))?;
    let work = async {
        let stream = TcpStream::connect((host.as_str(), url.port)).await.map_err(unreachable)?;
        if url.tls {
            exchange(secure(trust, &host, stream).await?, request).await
        } else {
            exchange(stream, request).await
        }
    };
    tokio::time::timeout(patience, work).await.unwrap_or(Err(NoAnswer::Timeout(patience)))
}
