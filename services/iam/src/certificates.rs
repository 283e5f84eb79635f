//! X.509 certificates and their keys, as users bring them: in PEM.

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    KeyPair as _, RsaKeyPair,
};
use undercast_kernel::{Failure, Result};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

use crate::api::errors;

/// What is known of a certificate.
pub(crate) struct Certificate {
    der: Vec<u8>,
    /// Seconds since 1970: from when and until when it is good.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// Its public key, without what says of which kind it is.
    public_key: Vec<u8>,
}

fn unreadable() -> Failure {
    let message = "Unable to parse certificate. Please ensure the certificate is in PEM format.";
    errors::malformed_certificate_exception(message).into()
}

/// The parts of a text in PEM: what each is called, and its bytes.
fn parts(text: &str) -> Option<Vec<(String, Vec<u8>)>> {
    Pem::iter_from_buffer(text.as_bytes()).map(|part| part.ok().map(|p| (p.label, p.contents))).collect()
}

impl Certificate {
    fn read(der: Vec<u8>) -> Result<Self> {
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let public_key = parsed.public_key().subject_public_key.data.to_vec();
        Ok(Self { der, not_before, not_after, public_key })
    }

    /// All certificates of a text, in their order.
    fn read_all(text: &str) -> Result<Vec<Self>> {
        let parts = parts(text).ok_or_else(unreadable)?;
        if parts.is_empty() || parts.iter().any(|(label, _)| label != "CERTIFICATE") {
            return Err(unreadable());
        }
        parts.into_iter().map(|(_, der)| Self::read(der)).collect()
    }

    /// The one certificate of a text.
    pub(crate) fn read_one(text: &str) -> Result<Self> {
        let mut all = Self::read_all(text)?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(unreadable()),
        }
    }

    /// Whether another one's key signed it.
    fn is_signed_by(&self, issuer: &Self) -> bool {
        let (Ok((_, own)), Ok((_, other))) =
            (X509Certificate::from_der(&self.der), X509Certificate::from_der(&issuer.der))
        else {
            return false;
        };
        undercast_authority::is_signed_by(&own, &other)
    }

    /// Refuses a chain that does not begin with who signed the certificate, each signed by the next.
    pub(crate) fn check_chain(&self, chain: &str) -> Result<()> {
        let chain = Self::read_all(chain)?;
        let mut signed = self;
        for (at, issuer) in chain.iter().enumerate() {
            if !signed.is_signed_by(issuer) {
                let message = format!(
                    "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: {at}"
                );
                return Err(errors::malformed_certificate_exception(message).into());
            }
            signed = issuer;
        }
        Ok(())
    }

    /// Refuses a private key that is not the certificate's.
    pub(crate) fn check_key(&self, key: &str) -> Result<()> {
        let public = public_key(key).ok_or_else(|| {
            Failure::from(errors::malformed_certificate_exception(
                "Unable to parse private key. Please ensure the private key is unencrypted and in PEM format.",
            ))
        })?;
        if public != self.public_key {
            return Err(
                errors::key_pair_mismatch_exception("Provided certificate and private key do not match.").into()
            );
        }
        Ok(())
    }

    /// Whether it is the same as another one.
    pub(crate) fn is(&self, other: &str) -> bool {
        Self::read_one(other).is_ok_and(|other| other.der == self.der)
    }
}

/// The public half of a private key in PEM (PKCS#8, PKCS#1 or SEC1), in the form in which certificates have it. `None`: it
/// cannot be read, or is encrypted.
fn public_key(text: &str) -> Option<Vec<u8>> {
    let parts = parts(text)?;
    // OpenSSL writes the parameters of a curve in front of the key.
    let mut keys = parts.iter().filter(|(label, _)| label != "EC PARAMETERS");
    let ((label, der), None) = (keys.next()?, keys.next()) else { return None };
    let rsa = match label.as_str() {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(der).ok(),
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(der).ok(),
        "EC PRIVATE KEY" => None,
        _ => return None,
    };
    if let Some(rsa) = rsa {
        return Some(rsa.public_key().as_ref().to_vec());
    }
    [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1_SIGNING]
        .into_iter()
        .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok())
        .map(|pair| pair.public_key().as_ref().to_vec())
}

/// Whether a text is a private RSA key in PEM that something can be encrypted for.
pub(crate) fn is_rsa_key(text: &str) -> bool {
    let Some(parts) = parts(text) else { return false };
    let [(label, der)] = parts.as_slice() else { return false };
    let pair = match label.as_str() {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(der),
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(der),
        _ => return false,
    };
    pair.is_ok_and(|pair| pair.public_modulus_len() * 8 >= KeySize::Rsa2048.len() * 8)
}
