//! Certificates that are trusted because their hash is known.

use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Trusts what `usual` trusts, and what one of the hashes vouches for.
#[derive(Debug)]
struct Pinned {
    usual: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    thumbprints: Vec<String>,
}

/// What says whether a server is who it says it is.
pub(crate) fn verifier(
    roots: RootCertStore,
    thumbprints: &[String],
) -> Result<Arc<dyn ServerCertVerifier>, VerifierBuilderError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    Ok(Arc::new(Pinned { usual, provider, thumbprints: thumbprints.to_vec() }))
}

fn thumbprint(certificate: &CertificateDer<'_>) -> String {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Pinned {
    fn is_known(&self, certificate: &CertificateDer<'_>) -> bool {
        let hash = thumbprint(certificate);
        self.thumbprints.iter().any(|known| known.eq_ignore_ascii_case(&hash))
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(refused) = usual else { return usual };
        // A certificate that is known itself needs nobody to vouch for it, only the right name.
        if self.is_known(end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        for certificate in intermediates.iter().filter(|certificate| self.is_known(certificate)) {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone().into_owned())?;
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
            let verifier = built.map_err(|error| Error::General(error.to_string()))?;
            let vouched = verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
            if vouched.is_ok() {
                return vouched;
            }
        }
        Err(refused)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
