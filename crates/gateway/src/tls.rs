//! Certificates of the own CA for every name that leads here.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use undercast_authority::{Authority, AuthorityError};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The server's settings.
    #[error("the TLS server could not be set up")]
    Server(#[from] rustls::Error),
}

/// The version that a connection has come to.
pub(crate) fn version(connection: &rustls::ServerConnection) -> &'static str {
    // Older ones are not spoken.
    match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "1.3",
    }
}

/// The names that one certificate can cover: wildcards stand for one label only.
const NAMES: &[&str] = &[
    "localhost",
    "*.localhost",
    "*.s3.localhost",
    "*.us-east-1.localhost",
    "*.lambda-url.us-east-1.localhost",
    "*.execute-api.us-east-1.localhost",
    "localhost.localstack.cloud",
    "*.localhost.localstack.cloud",
    "*.s3.localhost.localstack.cloud",
];

/// A server's settings with a fresh certificate of the own CA.
///
/// # Errors
/// When the CA cannot be read or a certificate cannot be made.
pub fn server_config(folder: &Path, hosts: &[String]) -> Result<Arc<ServerConfig>, TlsError> {
    let authority = Authority::load(folder)?;
    let mut names: Vec<String> = NAMES.iter().map(|n| (*n).to_owned()).chain(hosts.iter().cloned()).collect();
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    let pair = KeyPair::generate()?;
    let certificate = authority.sign(&CertificateParams::new(names)?, &pair)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
