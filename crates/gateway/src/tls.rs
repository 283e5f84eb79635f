//! The own CA, and certificates for every name that leads here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the CA.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
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

/// Where the CA's certificate is, in `folder`.
pub fn certificate_path(folder: &Path) -> PathBuf {
    folder.join("undercast-ca.pem")
}

/// Makes the CA on first use, and says where its certificate is.
///
/// # Errors
/// When a file cannot be read or written.
pub fn ensure_ca(folder: &Path) -> Result<PathBuf, TlsError> {
    load_or_make(folder)?;
    Ok(certificate_path(folder))
}

fn load_or_make(folder: &Path) -> Result<(String, KeyPair), TlsError> {
    let (certificate, key) = (certificate_path(folder), folder.join("undercast-ca-key.pem"));
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    if certificate.exists() && key.exists() {
        let pem = std::fs::read_to_string(&certificate).map_err(fail(&certificate))?;
        let key_pem = std::fs::read_to_string(&key).map_err(fail(&key))?;
        return Ok((pem, KeyPair::from_pem(&key_pem)?));
    }
    let pair = KeyPair::generate()?;
    let pem = ca_params().self_signed(&pair)?.pem();
    std::fs::create_dir_all(folder).map_err(fail(folder))?;
    write_private(&key, &pair.serialize_pem()).map_err(fail(&key))?;
    std::fs::write(&certificate, &pem).map_err(fail(&certificate))?;
    Ok((pem, pair))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Undercast local CA");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
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
    let (_, ca_key) = load_or_make(folder)?;
    // The issuer's name and key identifier follow from these parameters and the key alone.
    let params = ca_params();
    let issuer = Issuer::from_params(&params, &ca_key);
    let mut names: Vec<String> = NAMES.iter().map(|n| (*n).to_owned()).chain(hosts.iter().cloned()).collect();
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    let pair = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&pair, &issuer)?;
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
