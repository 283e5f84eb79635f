//! Pairs of keys: RSA and elliptic curves. They encrypt and sign by the same library that the rest of the program uses for it.

use aws_lc_rs::agreement;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeyPair as RsaKeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, ParsedPublicKey, VerificationAlgorithm,
};
use undercast_kernel::{Bytes, Cx, Failure, Result};

use crate::rows::Key;
use crate::{error, material};

/// A pair of keys, as it is kept and told.
pub(crate) struct Pair {
    /// PKCS #8, DER.
    pub(crate) private: Vec<u8>,
    /// X.509 `SubjectPublicKeyInfo`, DER.
    pub(crate) public: Vec<u8>,
}

/// What is used of the library cannot fail with keys that it made itself.
fn broken(what: &'static str) -> impl Fn(aws_lc_rs::error::Unspecified) -> Failure {
    move |_| Failure::broken(what)
}

fn rejected(reason: aws_lc_rs::error::KeyRejected) -> Failure {
    Failure::broken(reason.to_string())
}

fn curve(spec: &str) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        "ECC_NIST_P256" => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        "ECC_NIST_P384" => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        "ECC_NIST_P521" => Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        "ECC_SECG_P256K1" => Some(&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => None,
    }
}

fn rsa_size(spec: &str) -> Option<KeySize> {
    match spec {
        "RSA_2048" => Some(KeySize::Rsa2048),
        "RSA_3072" => Some(KeySize::Rsa3072),
        "RSA_4096" => Some(KeySize::Rsa4096),
        _ => None,
    }
}

/// A new pair of keys of some spec. Chance is the library's own: it takes no other.
pub(crate) async fn generate(spec: &str) -> Result<Pair> {
    if let Some(size) = rsa_size(spec) {
        // Two large primes take up to seconds.
        return tokio::task::spawn_blocking(move || generate_rsa(size)).await.map_err(Failure::broken)?;
    }
    let curve = curve(spec).ok_or_else(|| Failure::not_built(format!("kms pairs of keys of the spec {spec}")))?;
    let pair = EcdsaKeyPair::generate(curve).map_err(broken("no pair of keys could be made"))?;
    let private = pair.to_pkcs8v1().map_err(broken("a private key could not be written"))?;
    Ok(Pair { private: private.as_ref().to_vec(), public: public(pair.public_key())? })
}

fn generate_rsa(size: KeySize) -> Result<Pair> {
    let pair = RsaKeyPair::generate(size).map_err(broken("no pair of keys could be made"))?;
    let private: aws_lc_rs::encoding::Pkcs8V1Der<'static> =
        pair.as_der().map_err(broken("a private key could not be written"))?;
    Ok(Pair { private: private.as_ref().to_vec(), public: public(pair.public_key())? })
}

fn public(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>> {
    Ok(key.as_der().map_err(broken("a public key could not be written"))?.as_ref().to_vec())
}

/// Whether this is a private key of some spec.
pub(crate) fn is_of(spec: &str, private: &[u8]) -> bool {
    match (curve(spec), rsa_size(spec)) {
        (Some(curve), _) => EcdsaKeyPair::from_pkcs8(curve, private).is_ok(),
        (None, Some(size)) => RsaKeyPair::from_pkcs8(private).is_ok_and(|pair| pair.public_modulus_len() == size.len()),
        (None, None) => false,
    }
}

/// The secret that a key and a public key of somebody else agree on. `None`: that is no public key for it.
pub(crate) fn agree(cx: &Cx, key: &Key, public: &[u8]) -> Result<Option<Bytes>> {
    let algorithm = match key.spec.as_str() {
        "ECC_NIST_P256" => &agreement::ECDH_P256,
        "ECC_NIST_P384" => &agreement::ECDH_P384,
        _ => &agreement::ECDH_P521,
    };
    let private =
        agreement::PrivateKey::from_private_key_der(algorithm, &material::current(cx, key)?).map_err(rejected)?;
    let public = agreement::UnparsedPublicKey::new(algorithm, public);
    Ok(agreement::agree(&private, public, (), |secret| Ok(Bytes::copy_from_slice(secret))).ok())
}

/// The public key of a key that is a pair.
pub(crate) fn public_key(cx: &Cx, key: &Key) -> Result<Vec<u8>> {
    let private = material::current(cx, key)?;
    match curve(&key.spec) {
        Some(curve) => public(EcdsaKeyPair::from_pkcs8(curve, &private).map_err(rejected)?.public_key()),
        None => public(RsaKeyPair::from_pkcs8(&private).map_err(rejected)?.public_key()),
    }
}

fn padding(algorithm: &str) -> &'static OaepAlgorithm {
    if algorithm == "RSAES_OAEP_SHA_1" { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 }
}

pub(crate) fn encrypt(cx: &Cx, key: &Key, algorithm: &str, plaintext: &[u8]) -> Result<Bytes> {
    let private = PrivateDecryptingKey::from_pkcs8(&material::current(cx, key)?).map_err(rejected)?;
    let public = OaepPublicEncryptingKey::new(private.public_key()).map_err(broken("an RSA key has no public part"))?;
    let most = public.max_plaintext_size(padding(algorithm));
    if plaintext.len() > most {
        let message =
            format!("Algorithm {algorithm} and key spec {} cannot encrypt data larger than {most} bytes.", key.spec);
        return Err(error::validation(message).into());
    }
    let mut out = vec![0; public.ciphertext_size()];
    let made =
        public.encrypt(padding(algorithm), plaintext, &mut out, None).map_err(broken("RSA could not encrypt"))?;
    Ok(Bytes::copy_from_slice(made))
}

pub(crate) fn decrypt(cx: &Cx, key: &Key, algorithm: &str, blob: &[u8]) -> Result<Bytes> {
    decrypt_with(&material::current(cx, key)?, algorithm, blob)
}

/// The length of what an RSA key encrypts, in bytes.
pub(crate) fn modulus_length(private: &[u8]) -> Result<usize> {
    Ok(PrivateDecryptingKey::from_pkcs8(private).map_err(rejected)?.key_size_bytes())
}

/// Decrypts with a private key that is at hand.
pub(crate) fn decrypt_with(private: &[u8], algorithm: &str, blob: &[u8]) -> Result<Bytes> {
    let private = PrivateDecryptingKey::from_pkcs8(private).map_err(rejected)?;
    let private = OaepPrivateDecryptingKey::new(private).map_err(broken("an RSA key has no private part"))?;
    let mut out = vec![0; private.min_output_size()];
    let opened = private.decrypt(padding(algorithm), blob, &mut out, None);
    opened.map(|bytes| Bytes::copy_from_slice(bytes)).map_err(|_| error::bad_ciphertext().into())
}

/// What a signature is made of: the message, or its digest.
pub(crate) enum Message<'a> {
    Raw(&'a [u8]),
    Digest(Digest),
}

/// The digest of a signing algorithm.
pub(crate) fn digest_of(algorithm: &str) -> &'static digest::Algorithm {
    match algorithm.rsplit('_').next() {
        Some("384") => &digest::SHA384,
        Some("512") => &digest::SHA512,
        _ => &digest::SHA256,
    }
}

fn rsa_signing(algorithm: &str) -> &'static dyn signature::RsaEncoding {
    match algorithm {
        "RSASSA_PSS_SHA_256" => &signature::RSA_PSS_SHA256,
        "RSASSA_PSS_SHA_384" => &signature::RSA_PSS_SHA384,
        "RSASSA_PSS_SHA_512" => &signature::RSA_PSS_SHA512,
        "RSASSA_PKCS1_V1_5_SHA_384" => &signature::RSA_PKCS1_SHA384,
        "RSASSA_PKCS1_V1_5_SHA_512" => &signature::RSA_PKCS1_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

fn verification(spec: &str, algorithm: &str) -> &'static dyn VerificationAlgorithm {
    match (spec, algorithm) {
        ("ECC_NIST_P256", _) => &signature::ECDSA_P256_SHA256_ASN1,
        ("ECC_NIST_P384", _) => &signature::ECDSA_P384_SHA384_ASN1,
        ("ECC_NIST_P521", _) => &signature::ECDSA_P521_SHA512_ASN1,
        ("ECC_SECG_P256K1", _) => &signature::ECDSA_P256K1_SHA256_ASN1,
        (_, "RSASSA_PSS_SHA_256") => &signature::RSA_PSS_2048_8192_SHA256,
        (_, "RSASSA_PSS_SHA_384") => &signature::RSA_PSS_2048_8192_SHA384,
        (_, "RSASSA_PSS_SHA_512") => &signature::RSA_PSS_2048_8192_SHA512,
        (_, "RSASSA_PKCS1_V1_5_SHA_384") => &signature::RSA_PKCS1_2048_8192_SHA384,
        (_, "RSASSA_PKCS1_V1_5_SHA_512") => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => &signature::RSA_PKCS1_2048_8192_SHA256,
    }
}

pub(crate) fn sign(cx: &Cx, key: &Key, algorithm: &str, message: &Message<'_>) -> Result<Bytes> {
    let failed = broken("a signature could not be made");
    let private = material::current(cx, key)?;
    let chance = aws_lc_rs::rand::SystemRandom::new();
    if let Some(curve) = curve(&key.spec) {
        let pair = EcdsaKeyPair::from_pkcs8(curve, &private).map_err(rejected)?;
        let made = match message {
            Message::Raw(bytes) => pair.sign(&chance, bytes),
            Message::Digest(digest) => pair.sign_digest(digest),
        };
        return Ok(Bytes::copy_from_slice(made.map_err(failed)?.as_ref()));
    }
    let pair = RsaKeyPair::from_pkcs8(&private).map_err(rejected)?;
    let mut out = vec![0; pair.public_modulus_len()];
    let made = match message {
        Message::Raw(bytes) => pair.sign(rsa_signing(algorithm), &chance, bytes, &mut out),
        Message::Digest(digest) => pair.sign_digest(rsa_signing(algorithm), digest, &mut out),
    };
    made.map_err(failed)?;
    Ok(out.into())
}

/// Whether a signature is the key's.
pub(crate) fn verifies(cx: &Cx, key: &Key, algorithm: &str, message: &Message<'_>, signature: &[u8]) -> Result<bool> {
    let public = ParsedPublicKey::new(verification(&key.spec, algorithm), public_key(cx, key)?).map_err(rejected)?;
    Ok(match message {
        Message::Raw(bytes) => public.verify_sig(bytes, signature),
        Message::Digest(digest) => public.verify_digest_sig(digest, signature),
    }
    .is_ok())
}
