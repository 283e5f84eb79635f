//! Talking to a running cloud.

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;

/// Why a running cloud gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("`{0}` is not an endpoint: expected something like http://localhost:4566")]
    Endpoint(String),
    #[error("no cloud answers at {endpoint}; start one with `undercast up`, or name another with `--endpoint`")]
    Unreachable { endpoint: String, source: std::io::Error },
    #[error("the cloud at {endpoint} did not answer as expected")]
    Http { endpoint: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the cloud refused: {0}")]
    Refused(String),
}

/// Sends one request to one of the cloud's own endpoints and reads its JSON.
pub(crate) async fn call(endpoint: &str, method: &str, path: &str, body: Option<&Json>) -> Result<Json, ClientError> {
    let address = endpoint.strip_prefix("http://").ok_or_else(|| ClientError::Endpoint(endpoint.to_owned()))?;
    let address = address.trim_end_matches('/');
    let dial = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let unreachable = |source| ClientError::Unreachable { endpoint: endpoint.to_owned(), source };
    let stream = tokio::net::TcpStream::connect(&dial).await.map_err(unreachable)?;
    let broken =
        |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Http { endpoint: endpoint.to_owned(), source };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(Box::new(e)))?;
    let body = body.map(Json::to_string).unwrap_or_default();
    let request =
        http::Request::builder().method(method).uri(path).header("host", address).body(Full::new(body.into()));
    let request: http::Request<Full<hyper::body::Bytes>> = request.map_err(|e| broken(Box::new(e)))?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
    };
    // The connection ends with its sender, or before it when the other side hangs up after its answer.
    let (answer, _ended) = tokio::join!(exchange, connection);
    let (status, bytes) = answer.map_err(|e| broken(Box::new(e)))?;
    let json: Json = serde_json::from_slice(&bytes).map_err(|e| broken(Box::new(e)))?;
    if status.is_success() {
        return Ok(json);
    }
    Err(ClientError::Refused(json["error"].as_str().unwrap_or(status.as_str()).to_owned()))
}
