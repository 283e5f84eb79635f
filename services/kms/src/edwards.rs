//! Ed25519, whose keys sign messages as they are, or digests of them (Ed25519ph). Source: RFC 8032.

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use undercast_kernel::{Bytes, Failure, Result};

use crate::pairs::{Message, broken, rejected};

/// The spec of these keys.
pub(crate) const SPEC: &str = "ECC_NIST_EDWARDS25519";

/// A digest that the caller has made already. The library asks for one that it could make itself.
#[derive(Clone)]
struct Made([u8; 64]);

impl Default for Made {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl HashMarker for Made {}

impl OutputSizeUser for Made {
    type OutputSize = U64;
}

impl Update for Made {
    fn update(&mut self, _data: &[u8]) {}
}

impl FixedOutput for Made {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}

impl Made {
    fn of(digest: &Digest) -> Result<Self> {
        let bytes = digest.as_ref().try_into();
        Ok(Self(bytes.map_err(|_| Failure::broken("a digest for Ed25519ph has 64 bytes"))?))
    }
}

/// A private key in PKCS #8, of either version.
pub(crate) fn read(private: &[u8]) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(private).map_err(rejected)
}

pub(crate) fn sign(private: &[u8], message: &Message<'_>) -> Result<Bytes> {
    let pair = read(private)?;
    match message {
        Message::Raw(bytes) => Ok(Bytes::copy_from_slice(pair.sign(bytes).as_ref())),
        Message::Digest(digest) => {
            let seed = pair.seed().map_err(broken("a private key has no seed"))?;
            let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(broken("a seed could not be written"))?;
            let seed = seed.as_ref().try_into().map_err(|_| Failure::broken("a seed has 32 bytes"))?;
            let signature = SigningKey::from_bytes(seed).sign_prehashed(Made::of(digest)?, None);
            Ok(Bytes::copy_from_slice(&signature.map_err(Failure::broken)?.to_bytes()))
        }
        Message::Representative(_) => Err(Failure::broken("Ed25519 signs no representatives")),
    }
}

/// Whether a signature of a digest is that of the key whose public part this is (`SubjectPublicKeyInfo`).
pub(crate) fn verifies(public: &[u8], digest: &Digest, signature: &[u8]) -> Result<bool> {
    let point = public.last_chunk().ok_or_else(|| Failure::broken("a public key of Ed25519 has 32 bytes"))?;
    let key = VerifyingKey::from_bytes(point).map_err(Failure::broken)?;
    let Ok(signature) = Signature::from_slice(signature) else { return Ok(false) };
    Ok(key.verify_prehashed_strict(Made::of(digest)?, None, &signature).is_ok())
}
