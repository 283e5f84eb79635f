//! HTTP and HTTPS endpoints: a POST each.
//!
//! Source: "Fanout Amazon SNS notifications to HTTPS endpoints" and "HTTP/HTTPS headers" in the developer guide.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use undercast_kernel::wire::text::base64;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use super::Answer;
use crate::envelope::Envelope;
use crate::message::Message;
use crate::retry::Policy;
use crate::rows::Subscription;

/// An endpoint has so long to answer, in the machine's time.
const PATIENCE: Duration = Duration::from_secs(15);
/// So much of its answer is read.
const READ: usize = 64 * 1024;
/// What SNS calls itself.
const AGENT: &str = "Amazon Simple Notification Service Agent";

/// The address of an endpoint, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    tls: bool,
    /// `user:password`
    login: Option<String>,
    host: String,
    port: u16,
    /// Path and query.
    path: String,
}

impl Url {
    /// Takes an address apart. `None`: it is none of this protocol.
    pub(crate) fn parse(text: &str, protocol: &str) -> Option<Self> {
        let rest = text.strip_prefix(protocol)?.strip_prefix("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login.to_owned()), place),
            None => (None, authority),
        };
        let tls = protocol == "https";
        let usual = if tls { 443 } else { 80 };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, usual),
        };
        let good = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_graphic())
            && path.bytes().all(|b| b.is_ascii_graphic());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        good.then(|| Self { tls, login, host: host.to_owned(), port, path })
    }

    fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// What is posted.
struct Post<'a> {
    headers: Vec<(&'static str, &'a str)>,
    body: String,
}

/// Nothing was answered: it is tried again.
fn unreachable(why: impl std::fmt::Display) -> Failure {
    AwsError::new("EndpointUnreachable", 503, why.to_string()).into()
}

/// Whom HTTPS endpoints can be vouched for by: this cloud's own CA, and those that the machine trusts.
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
) -> Result<(u16, http::HeaderMap, Bytes)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let ask = async move {
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        // More than is read of an answer does not matter: it is for logs alone.
        let body = Limited::new(body, READ)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_else(|_| Bytes::new());
        Ok::<_, hyper::Error>((parts.status.as_u16(), parts.headers, body))
    };
    // The connection ends with its sender, or before it when the other side hangs up after its answer.
    let (answer, _ended) = tokio::join!(ask, connection);
    answer.map_err(unreachable)
}

async fn send(cx: &Cx, url: &Url, post: &Post<'_>, login: Option<&str>) -> Result<(u16, http::HeaderMap, Bytes)> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host == "amazonaws.com" || host.ends_with(".amazonaws.com") {
        return Err(Failure::not_built(format!("sns deliveries to {host}: this cloud never calls AWS")));
    }
    let mut request = http::Request::builder()
        .method("POST")
        .uri(&url.path)
        .header("host", url.authority())
        .header("user-agent", AGENT)
        .header("connection", "close");
    for (name, value) in &post.headers {
        request = request.header(*name, *value);
    }
    if let Some(login) = login {
        request = request.header("authorization", format!("Basic {}", base64(login.as_bytes())));
    }
    let request = request.body(Full::new(Bytes::from(post.body.clone()))).map_err(Failure::broken)?;
    let work = async {
        let stream = TcpStream::connect((host.as_str(), url.port)).await.map_err(unreachable)?;
        if url.tls { exchange(secure(cx, url, stream).await?, request).await } else { exchange(stream, request).await }
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(unreachable("it did not answer in 15 seconds")))
}

/// Posts something; an endpoint that asks who it is gets told what its address says.
async fn post(cx: &Cx, endpoint: &str, protocol: &str, post: &Post<'_>) -> Result<Answer> {
    let url =
        Url::parse(endpoint, protocol).ok_or_else(|| AwsError::new("InvalidParameter", 400, "it is no address"))?;
    let (mut status, mut headers, mut body) = send(cx, &url, post, None).await?;
    let basic =
        headers.get("www-authenticate").is_some_and(|h| h.as_bytes().to_ascii_lowercase().starts_with(b"basic"));
    if let (401, true, Some(login)) = (status, basic, &url.login) {
        (status, headers, body) = send(cx, &url, post, Some(login)).await?;
    }
    drop(headers);
    let response = String::from_utf8_lossy(&body).into_owned();
    if (200..300).contains(&status) {
        return Ok(Answer { status, response });
    }
    let failed = AwsError::new("EndpointRefused", status, response);
    // Redirections are not followed, and can be put right: they are tried again.
    Err(AwsError { sender: (400..500).contains(&status), ..failed }.into())
}

/// Posts a notification.
pub(crate) async fn notify(envelope: &Envelope<'_>, subscription: &Subscription, message: &Message) -> Result<Answer> {
    let topic = envelope.topic.arn(envelope.cx);
    let arn = subscription.arn(&topic);
    let policy = Policy::of(envelope.topic, subscription);
    let mut headers = vec![
        ("content-type", policy.content_type.as_str()),
        ("x-amz-sns-message-type", "Notification"),
        ("x-amz-sns-message-id", &message.id),
        ("x-amz-sns-topic-arn", &topic),
        ("x-amz-sns-subscription-arn", &arn),
    ];
    let body = if subscription.is_raw() {
        headers.push(("x-amz-sns-rawdelivery", "true"));
        message.text_for(&subscription.protocol)
    } else {
        pretty(&envelope.notification(message, subscription, false)?)
    };
    post(envelope.cx, &subscription.endpoint, &subscription.protocol, &Post { headers, body }).await
}

/// Posts what asks for the confirmation of a subscription, or tells that it was ended.
pub(crate) async fn confirm(
    envelope: &Envelope<'_>,
    subscription: &Subscription,
    kind: &str,
    text: &Json,
) -> Result<()> {
    let topic = envelope.topic.arn(envelope.cx);
    let id = text["MessageId"].as_str().unwrap_or_default();
    let policy = Policy::of(envelope.topic, subscription);
    let arn = subscription.arn(&topic);
    let mut headers = vec![
        ("content-type", policy.content_type.as_str()),
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", id),
        ("x-amz-sns-topic-arn", &topic),
    ];
    if kind == "UnsubscribeConfirmation" {
        headers.push(("x-amz-sns-subscription-arn", &arn));
    }
    let post_it = Post { headers, body: pretty(text) };
    post(envelope.cx, &subscription.endpoint, &subscription.protocol, &post_it).await.map(drop)
}

/// A line each member, as SNS writes it to HTTP endpoints.
fn pretty(json: &Json) -> String {
    format!("{json:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let parsed = |text: &str, protocol: &str| {
            Url::parse(text, protocol).map(|u| format!("{:?} {} {} {}", u.login, u.host, u.port, u.path))
        };
        for (text, protocol, wanted) in [
            ("http://a.example/x?y=z", "http", Some("None a.example 80 /x?y=z")),
            ("https://u:p@a.example:8443", "https", Some("Some(\"u:p\") a.example 8443 /")),
            ("http://[::1]:8080/", "http", Some("None [::1] 8080 /")),
            ("http://[::1]?a", "http", Some("None [::1] 80 /?a")),
            ("https://a.example", "http", None),
            ("http://a.example", "https", None),
            ("http:///x", "http", None),
            ("http://a b/", "http", None),
            ("a.example", "http", None),
        ] {
            assert_eq!(parsed(text, protocol).as_deref(), wanted, "{text}");
        }
    }
}
