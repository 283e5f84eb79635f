//! Pairs of keys: RSA, elliptic curves, lattices. They encrypt and sign by the same library that the rest of the program uses
//! for it, as far as it can: what it lacks of Ed25519 and of lattices is in `edwards.rs` and `lattices.rs`.

use aws_lc_rs::agreement;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeyPair as RsaKeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey, PqdsaKeyPair,
    VerificationAlgorithm,
};
use undercast_kernel::{Bytes, Cx, Failure, Result};

use crate::rows::Key;
use crate::{edwards, error, lattices, material};

/// A pair of keys, as it is kept and told.
pub(crate) struct Pair {
    /// PKCS #8, DER.
    pub(crate) private: Vec<u8>,
    /// X.509 `SubjectPublicKeyInfo`, DER.
    pub(crate) public: Vec<u8>,
}

/// What is used of the library cannot fail with keys that it made itself.
pub(crate) fn broken(what: &'static str) -> impl Fn(aws_lc_rs::error::Unspecified) -> Failure {
    move |_| Failure::broken(what)
}

pub(crate) fn rejected(reason: aws_lc_rs::error::KeyRejected) -> Failure {
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

/// A new pair of keys of some spec. Chance is the library's own where it takes no other.
pub(crate) async fn generate(cx: &Cx, spec: &str) -> Result<Pair> {
    if let Some(algorithm) = lattices::signing(spec) {
        let pair = PqdsaKeyPair::generate(algorithm).map_err(broken("no pair of keys could be made"))?;
        let private = pair.to_pkcs8v1().map_err(broken("a private key could not be written"))?;
        return Ok(Pair { private: private.as_ref().to_vec(), public: public(pair.public_key())? });
    }
    if spec == edwards::SPEC {
        let pair = Ed25519KeyPair::generate().map_err(broken("no pair of keys could be made"))?;
        let private = pair.to_pkcs8v1().map_err(broken("a private key could not be written"))?;
        return Ok(Pair { private: private.as_ref().to_vec(), public: public(pair.public_key())? });
    }
    if lattices::encapsulates(spec) {
        return lattices::generate(cx, spec);
    }
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
    if let Some(algorithm) = lattices::signing(spec) {
        return PqdsaKeyPair::from_pkcs8(algorithm, private).is_ok() && lattices::is_seed(spec, private);
    }
    if spec == edwards::SPEC {
        return edwards::read(private).is_ok();
    }
    if lattices::encapsulates(spec) {
        return lattices::public(spec, private).is_ok();
    }
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
    if let Some(algorithm) = lattices::signing(&key.spec) {
        return public(PqdsaKeyPair::from_pkcs8(algorithm, &private).map_err(rejected)?.public_key());
    }
    if key.spec == edwards::SPEC {
        return public(edwards::read(&private)?.public_key());
    }
    if lattices::encapsulates(&key.spec) {
        return lattices::public(&key.spec, &private);
    }
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

/// What a signature is made of: the message, its digest, or what ML-DSA makes of it with the public key.
pub(crate) enum Message<'a> {
    Raw(&'a [u8]),
    Digest(Digest),
    Representative(&'a [u8; 64]),
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
        (edwards::SPEC, _) => &signature::ED25519,
        ("ML_DSA_44", _) => &signature::ML_DSA_44,
        ("ML_DSA_65", _) => &signature::ML_DSA_65,
        ("ML_DSA_87", _) => &signature::ML_DSA_87,
        (_, "RSASSA_PSS_SHA_256") => &signature::RSA_PSS_2048_8192_SHA256,
        (_, "RSASSA_PSS_SHA_384") => &signature::RSA_PSS_2048_8192_SHA384,
        (_, "RSASSA_PSS_SHA_512") => &signature::RSA_PSS_2048_8192_SHA512,
        (_, "RSASSA_PKCS1_V1_5_SHA_384") => &signature::RSA_PKCS1_2048_8192_SHA384,
        (_, "RSASSA_PKCS1_V1_5_SHA_512") => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => &signature::RSA_PKCS1_2048_8192_SHA256,
    }
}

pub(crate) fn sign(cx: &Cx, key: &Key, algorithm: &str, message: &Message<'_>) -> Result<Bytes> {
    let private = material::current(cx, key)?;
    if let Some(scheme) = lattices::signing(&key.spec) {
        return lattices::sign(cx, scheme, &key.spec, &private, message);
    }
    if key.spec == edwards::SPEC {
        return edwards::sign(&private, message);
    }
    let failed = broken("a signature could not be made");
    let chance = aws_lc_rs::rand::SystemRandom::new();
    if let Some(curve) = curve(&key.spec) {
        let pair = EcdsaKeyPair::from_pkcs8(curve, &private).map_err(rejected)?;
        let made = match message {
            Message::Raw(bytes) => pair.sign(&chance, bytes),
            Message::Digest(digest) => pair.sign_digest(digest),
            Message::Representative(_) => return Err(no_representative(cx)),
        };
        return Ok(Bytes::copy_from_slice(made.map_err(failed)?.as_ref()));
    }
    let pair = RsaKeyPair::from_pkcs8(&private).map_err(rejected)?;
    let mut out = vec![0; pair.public_modulus_len()];
    let made = match message {
        Message::Raw(bytes) => pair.sign(rsa_signing(algorithm), &chance, bytes, &mut out),
        Message::Digest(digest) => pair.sign_digest(rsa_signing(algorithm), digest, &mut out),
        Message::Representative(_) => return Err(no_representative(cx)),
    };
    made.map_err(failed)?;
    Ok(out.into())
}

/// Representatives are ML-DSA's alone, which is checked before.
fn no_representative(cx: &Cx) -> Failure {
    cx.broken("a representative of a message came to a key that has none")
}

/// Whether a signature is the key's.
pub(crate) fn verifies(cx: &Cx, key: &Key, algorithm: &str, message: &Message<'_>, signature: &[u8]) -> Result<bool> {
    let told = public_key(cx, key)?;
    if let (edwards::SPEC, Message::Digest(digest)) = (key.spec.as_str(), message) {
        return edwards::verifies(&told, digest, signature);
    }
    let public = ParsedPublicKey::new(verification(&key.spec, algorithm), told).map_err(rejected)?;
    Ok(match message {
        Message::Raw(bytes) => public.verify_sig(bytes, signature).is_ok(),
        Message::Digest(digest) => public.verify_digest_sig(digest, signature).is_ok(),
        Message::Representative(of) => lattices::verifies(&key.spec, &material::current(cx, key)?, of, signature)?,
    })
}
