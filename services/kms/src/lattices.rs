//! Keys over lattices: ML-DSA (FIPS 204), which signs, and ML-KEM (FIPS 203), which encapsulates secrets.
//!
//! ML-DSA signs whole messages by the library of `pairs.rs`; representatives of messages, which that library does not take, by
//! another one, from the same seed.

use std::convert::Infallible;

use aws_lc_rs::signature::{self, PqdsaKeyPair, PqdsaSigningAlgorithm};
use ml_dsa::pkcs8::DecodePrivateKey as _;
use ml_dsa::{MlDsa44, MlDsa65, MlDsa87};
use ml_kem::kem::{Decapsulate as _, Encapsulate as _};
use ml_kem::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use ml_kem::{DecapsulationKey512, DecapsulationKey768, DecapsulationKey1024};
use rand_core::{TryCryptoRng, TryRng};
use undercast_kernel::{Bytes, Cx, Failure, Random, Result};

use crate::pairs::{Message, Pair, broken, rejected};

/// Does something with the type that a spec of ML-DSA has.
macro_rules! of_dsa {
    ($spec:expr, $type:ident => $work:expr) => {
        match $spec {
            "ML_DSA_44" => {
                type $type = MlDsa44;
                $work
            }
            "ML_DSA_65" => {
                type $type = MlDsa65;
                $work
            }
            _ => {
                type $type = MlDsa87;
                $work
            }
        }
    };
}

/// Does something with the type that a spec of ML-KEM has for its private keys.
macro_rules! of_kem {
    ($spec:expr, $type:ident => $work:expr) => {
        match $spec {
            "ML_KEM_512" => {
                type $type = DecapsulationKey512;
                $work
            }
            "ML_KEM_768" => {
                type $type = DecapsulationKey768;
                $work
            }
            _ => {
                type $type = DecapsulationKey1024;
                $work
            }
        }
    };
}

/// The kernel's chance, as the libraries ask for it.
struct Chance<'a>(&'a Random);

impl TryRng for Chance<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.0.bytes()))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.0.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> std::result::Result<(), Infallible> {
        for part in out.chunks_mut(64) {
            part.copy_from_slice(&self.0.bytes::<64>()[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Chance<'_> {}

/// How keys of a spec sign, if they are of ML-DSA.
pub(crate) fn signing(spec: &str) -> Option<&'static PqdsaSigningAlgorithm> {
    match spec {
        "ML_DSA_44" => Some(&signature::ML_DSA_44_SIGNING),
        "ML_DSA_65" => Some(&signature::ML_DSA_65_SIGNING),
        "ML_DSA_87" => Some(&signature::ML_DSA_87_SIGNING),
        _ => None,
    }
}

/// Whether a private key of ML-DSA is kept as its seed, of which all else is made.
pub(crate) fn is_seed(spec: &str, private: &[u8]) -> bool {
    of_dsa!(spec, P => ml_dsa::SigningKey::<P>::from_pkcs8_der(private).is_ok())
}

pub(crate) fn sign(
    cx: &Cx,
    scheme: &'static PqdsaSigningAlgorithm,
    spec: &str,
    private: &[u8],
    message: &Message<'_>,
) -> Result<Bytes> {
    match message {
        Message::Raw(bytes) => {
            let mut out = vec![0; scheme.signature_len()];
            let pair = PqdsaKeyPair::from_pkcs8(scheme, private).map_err(rejected)?;
            pair.sign(bytes, &mut out).map_err(broken("a signature could not be made"))?;
            Ok(out.into())
        }
        Message::Representative(of) => of_dsa!(spec, P => {
            let key = ml_dsa::SigningKey::<P>::from_pkcs8_der(private).map_err(Failure::broken)?;
            let made = key.expanded_key().sign_mu_randomized(&(**of).into(), &mut Chance(cx.random()));
            Ok(Bytes::copy_from_slice(&made.map_err(Failure::broken)?.encode()))
        }),
        Message::Digest(_) => Err(Failure::broken("ML-DSA signs no digests")),
    }
}

/// Whether a signature of a message's representative is the key's.
pub(crate) fn verifies(spec: &str, private: &[u8], of: &[u8; 64], signature: &[u8]) -> Result<bool> {
    of_dsa!(spec, P => {
        let key = ml_dsa::SigningKey::<P>::from_pkcs8_der(private).map_err(Failure::broken)?;
        let Ok(signature) = ml_dsa::Signature::<P>::try_from(signature) else { return Ok(false) };
        Ok(key.expanded_key().verifying_key().verify_mu(&(*of).into(), &signature))
    })
}

/// Whether keys of a spec encapsulate.
pub(crate) fn encapsulates(spec: &str) -> bool {
    spec.starts_with("ML_KEM_")
}

/// A new pair of keys of ML-KEM: its seed in PKCS #8, as RFC 9935 has it.
pub(crate) fn generate(cx: &Cx, spec: &str) -> Result<Pair> {
    of_kem!(spec, K => {
        let key = K::from_seed(cx.random().bytes::<64>().into());
        let private = key.to_pkcs8_der().map_err(Failure::broken)?.as_bytes().to_vec();
        let public = key.encapsulation_key().to_public_key_der().map_err(Failure::broken)?;
        Ok(Pair { private, public: public.as_bytes().to_vec() })
    })
}

/// The public part of a private key of ML-KEM.
pub(crate) fn public(spec: &str, private: &[u8]) -> Result<Vec<u8>> {
    of_kem!(spec, K => {
        let key = K::from_pkcs8_der(private).map_err(Failure::broken)?;
        let public = key.encapsulation_key().to_public_key_der().map_err(Failure::broken)?;
        Ok(public.as_bytes().to_vec())
    })
}

/// A new secret, and what only the private key makes it of again.
pub(crate) fn encapsulate(cx: &Cx, spec: &str, private: &[u8]) -> Result<(Bytes, Bytes)> {
    of_kem!(spec, K => {
        let key = K::from_pkcs8_der(private).map_err(Failure::broken)?;
        let (sealed, secret) = key.encapsulation_key().encapsulate_with_rng(&mut Chance(cx.random()));
        Ok((Bytes::copy_from_slice(&secret), Bytes::copy_from_slice(&sealed)))
    })
}

/// The secret in what was encapsulated. `None`: it has not the length that the spec gives it. What was encapsulated for
/// another key, or altered, becomes a secret that nobody else has: ML-KEM rejects in silence.
pub(crate) fn decapsulate(spec: &str, private: &[u8], sealed: &[u8]) -> Result<Option<Bytes>> {
    of_kem!(spec, K => {
        let key = K::from_pkcs8_der(private).map_err(Failure::broken)?;
        let Ok(sealed) = sealed.try_into() else { return Ok(None) };
        Ok(Some(Bytes::copy_from_slice(&key.decapsulate(sealed))))
    })
}
