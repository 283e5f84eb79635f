//! The cloud's own certificate authority: a key and a certificate in the data directory, which `undercast ca` tells clients to
//! trust.
//!
//! Knows: where the two files are, how something is signed with them, and whether one certificate vouches for another. Must not know: what is signed, and for whom.

mod signed;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};

pub use signed::is_signed_by;

/// Why there is no authority, or why it signed nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of it.
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
}

/// The folder of the authority in a data directory.
pub fn folder(files: &Path) -> PathBuf {
    files.join("ca")
}

/// Where its certificate is, in `folder`.
pub fn certificate_path(folder: &Path) -> PathBuf {
    folder.join("undercast-ca.pem")
}

/// The authority of a cloud.
pub struct Authority {
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// Reads it from its folder, and makes it on first use.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn load(folder: &Path) -> Result<Self, AuthorityError> {
        // Two that come first at the same time must not make two.
        static FIRST: Mutex<()> = Mutex::new(());
        let _first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        let (certificate, key) = (certificate_path(folder), folder.join("undercast-ca-key.pem"));
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| AuthorityError::File { path, source }
        };
        if certificate.exists() && key.exists() {
            let pem = std::fs::read_to_string(&certificate).map_err(fail(&certificate))?;
            let key_pem = std::fs::read_to_string(&key).map_err(fail(&key))?;
            return Ok(Self { pem, key: KeyPair::from_pem(&key_pem)? });
        }
        let pair = KeyPair::generate()?;
        let pem = own_params().self_signed(&pair)?.pem();
        std::fs::create_dir_all(folder).map_err(fail(folder))?;
        write_private(&key, &pair.serialize_pem()).map_err(fail(&key))?;
        std::fs::write(&certificate, &pem).map_err(fail(&certificate))?;
        Ok(Self { pem, key: pair })
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate of a public key.
    ///
    /// # Errors
    /// When the parameters are not those of a certificate.
    pub fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Result<Certificate, AuthorityError> {
        // The issuer's name and key identifier follow from these parameters and the key alone.
        let own = own_params();
        Ok(params.signed_by(key, &Issuer::from_params(&own, &self.key))?)
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn own_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Undercast local CA");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
