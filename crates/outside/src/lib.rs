//! Requests to servers outside of this cloud: what users have told a service to call, over HTTP or HTTPS.
//!
//! Redirections are not followed. Whom an HTTPS server can be vouched for by: this cloud's own CA, and those that the machine trusts
//! (`SSL_CERT_FILE` names others). AWS itself is never called.

mod url;

use std::sync::Arc;
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
use undercast_kernel::{AwsError, Cx, Failure, Result};

pub use url::Url;

/// So much of an answer is read, in bytes.
const READ: usize = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// Headers besides `host` and `connection`.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: Bytes,
    /// How long the server has to answer, by the machine's time.
    pub patience: Duration,
}

/// What was answered, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body, as far as 64 KiB.
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

/// The code of the error where nothing was answered.
pub const UNREACHABLE: &str = "EndpointUnreachable";

/// Nothing was answered: another try may come to something.
fn unreachable(why: impl std::fmt::Display) -> Failure {
    AwsError::new(UNREACHABLE, 503, why.to_string()).into()
}

/// Asks a server.
///
/// # Errors
/// [`UNREACHABLE`] when it does not answer in time, or cannot be trusted; that it is not built where it is AWS's own; something broken
/// where the request is none.
pub async fn send(cx: &Cx, url: &Url, asked: &Request<'_>) -> Result<Answer> {
    if url.host == "amazonaws.com" || url.host.ends_with(".amazonaws.com") {
        return Err(Failure::not_built(format!("requests to {}: this cloud never calls AWS", url.host)));
    }
    let mut request = http::Request::builder()
        .method(asked.method)
        .uri(&url.path)
        .header("host", url.authority())
        .header("connection", "close");
    for (name, value) in &asked.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(asked.body.clone())).map_err(Failure::broken)?;
    let work = async {
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await.map_err(unreachable)?;
        if url.tls { exchange(secure(cx, url, stream).await?, request).await } else { exchange(stream, request).await }
    };
    let late = || unreachable(format!("it did not answer in {} seconds", asked.patience.as_secs()));
    tokio::time::timeout(asked.patience, work).await.unwrap_or_else(|_| Err(late()))
}

/// Whom servers can be vouched for by.
fn roots(cx: &Cx) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let own = cx.kernel().settings().files.join("ca").join("undercast-ca.pem");
    if let Ok(certificate) = CertificateDer::from_pem_file(own) {
        roots.add_parsable_certificates([certificate]);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

async fn secure(cx: &Cx, url: &Url, stream: TcpStream) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(Failure::broken)?;
    let config = config.with_root_certificates(roots(cx)).with_no_client_auth();
    let name = ServerName::try_from(url.host.clone()).map_err(unreachable)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(unreachable)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> Result<Answer> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let ask = async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let whole = Limited::new(body, READ).collect().await;
        // What cannot be read to its end does not change the status.
        let body = whole.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok::<_, hyper::Error>(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    };
    // The connection ends with its sender, or before it when the other side hangs up after its answer.
    let (answer, _ended) = tokio::join!(ask, connection);
    answer.map_err(unreachable)
}
