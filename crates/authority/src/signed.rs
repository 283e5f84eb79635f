//! Whether one certificate vouches for another.

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use x509_parser::certificate::X509Certificate;

/// Whether a certificate names another one as its issuer, and is signed with the other's key.
pub fn is_signed_by(own: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    if own.issuer() != issuer.subject() {
        return false;
    }
    let key = issuer.public_key();
    let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let curve = curve.map_or_else(String::new, |oid| oid.to_id_string());
    let oid = own.signature_algorithm.algorithm.to_id_string();
    let Some(algorithm) = verification(&oid, &curve) else { return false };
    let key = UnparsedPublicKey::new(algorithm, &key.subject_public_key.data);
    key.verify(own.tbs_certificate.as_ref(), &own.signature_value.data).is_ok()
}

/// How a signature of this kind is verified, with a key on this curve where it has one.
fn verification(oid: &str, curve: &str) -> Option<&'static dyn signature::VerificationAlgorithm> {
    const P256: &str = "1.2.840.10045.3.1.7";
    const P384: &str = "1.3.132.0.34";
    const P521: &str = "1.3.132.0.35";
    Some(match (oid, curve) {
        ("1.2.840.113549.1.1.5", _) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ("1.2.840.113549.1.1.11", _) => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        ("1.2.840.113549.1.1.12", _) => &signature::RSA_PKCS1_2048_8192_SHA384,
        ("1.2.840.113549.1.1.13", _) => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        ("1.2.840.10045.4.3.2", P256) => &signature::ECDSA_P256_SHA256_ASN1,
        ("1.2.840.10045.4.3.2", P384) => &signature::ECDSA_P384_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", P256) => &signature::ECDSA_P256_SHA384_ASN1,
        ("1.2.840.10045.4.3.3", P384) => &signature::ECDSA_P384_SHA384_ASN1,
        ("1.2.840.10045.4.3.2", P521) => &signature::ECDSA_P521_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", P521) => &signature::ECDSA_P521_SHA384_ASN1,
        ("1.2.840.10045.4.3.4", P521) => &signature::ECDSA_P521_SHA512_ASN1,
        ("1.3.101.112", _) => &signature::ED25519,
        _ => return None,
    })
}
