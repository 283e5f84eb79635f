//! Pairs of keys: made here, or brought by users; kept as ciphertext, and given away under a passphrase only.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, AES_256_KEY_LEN, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    KeyPair as _, RsaKeyPair,
};
use minicbor::bytes::ByteVec;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use undercast_kernel::{Cx, Failure, Result};
use yasna::models::ObjectIdentifier;

use crate::error;
use crate::x509::{parts, pem};

/// The algorithms of keys that are made here.
pub(crate) const MADE: &[&str] = &["RSA_2048", "EC_prime256v1", "EC_secp384r1"];

/// So often a passphrase is hashed before it encrypts.
const ITERATIONS: NonZeroU32 = match NonZeroU32::new(10_000) {
    Some(iterations) => iterations,
    None => NonZeroU32::MIN,
};

/// The modulus of 1,024 bits in DER: three bytes in front, one that says that it is positive, and its own.
const SMALL_MODULUS: usize = 3 + 1 + 128;

/// What an exported key begins with.
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// A new pair of keys. Chance is the library's own: it takes no other.
pub(crate) async fn generate(algorithm: &str) -> Result<KeyPair> {
    let made = match algorithm {
        // Two large primes take up to seconds.
        "RSA_2048" => {
            let make = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
            tokio::task::spawn_blocking(make).await.map_err(Failure::broken)?
        }
        "EC_prime256v1" => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        "EC_secp384r1" => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        other => return Err(Failure::not_built(format!("acm pairs of keys of the algorithm {other}"))),
    };
    made.map_err(Failure::broken)
}

/// A private key as it is kept.
pub(crate) fn sealed(cx: &Cx, pkcs8: &[u8]) -> Result<ByteVec> {
    Ok(cx.blobs().seal(pkcs8)?.into())
}

/// A private key that was kept.
pub(crate) fn opened(cx: &Cx, sealed: ByteVec) -> Result<Vec<u8>> {
    Ok(cx.blobs().unseal(sealed.into())?.to_vec())
}

/// A private key that somebody brought.
pub(crate) struct Brought {
    /// PKCS #8, DER.
    pub pkcs8: Vec<u8>,
    /// As certificates have it.
    pub public_key: Vec<u8>,
}

impl Brought {
    /// Reads one in PEM.
    ///
    /// # Errors
    /// `ValidationException` when it cannot be read, or is encrypted.
    pub(crate) fn read(text: &[u8]) -> Result<Self> {
        let unreadable = || error::validation("Passed PEM was not a private key.");
        let lossy = String::from_utf8_lossy(text);
        if lossy.contains(ENCRYPTED) || lossy.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(error::validation("The private key is encrypted. Remove the passphrase before importing it."));
        }
        let parts = parts(text).ok_or_else(unreadable)?;
        // OpenSSL writes the parameters of a curve in front of the key.
        let mut keys = parts.into_iter().filter(|(label, _)| label != "EC PARAMETERS");
        let (Some((label, der)), None) = (keys.next(), keys.next()) else { return Err(unreadable()) };
        let read = match label.as_str() {
            "RSA PRIVATE KEY" => Self::of_rsa(&der),
            "EC PRIVATE KEY" => Self::of_curve(&der),
            "PRIVATE KEY" => Self::of_curve(&der).or_else(|| Self::of_rsa(&inner(&der)?)),
            _ => None,
        };
        read.ok_or_else(unreadable)
    }

    /// Of PKCS #1. The library reads no keys under 2,048 bits, which may be imported nevertheless.
    fn of_rsa(der: &[u8]) -> Option<Self> {
        let (modulus, exponent) = yasna::parse_der(der, |reader| {
            reader.read_sequence(|reader| {
                reader.next().read_i64()?;
                let public = (reader.next().read_der()?, reader.next().read_der()?);
                // d, p, q and what follows from them.
                for _ in 0..6 {
                    reader.next().read_der()?;
                }
                Ok(public)
            })
        })
        .ok()?;
        let public_key = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_der(&modulus);
                writer.next().write_der(&exponent);
            });
        });
        let pkcs8 = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_i64(0);
                writer.next().write_sequence(|writer| {
                    writer.next().write_oid(&ObjectIdentifier::from_slice(&[1, 2, 840, 113_549, 1, 1, 1]));
                    writer.next().write_null();
                });
                writer.next().write_bytes(der);
            });
        });
        let small = modulus.len() == SMALL_MODULUS;
        (small || RsaKeyPair::from_der(der).is_ok()).then_some(Self { pkcs8, public_key })
    }

    /// Of SEC 1, or of PKCS #8.
    fn of_curve(der: &[u8]) -> Option<Self> {
        let pair = [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1_SIGNING]
            .into_iter()
            .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok())?;
        let pkcs8 = pair.to_pkcs8v1().ok()?.as_ref().to_vec();
        Some(Self { pkcs8, public_key: pair.public_key().as_ref().to_vec() })
    }
}

/// The key within PKCS #8.
fn inner(der: &[u8]) -> Option<Vec<u8>> {
    yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_i64()?;
            reader.next().read_der()?;
            let key = reader.next().read_bytes()?;
            // Attributes, which nobody here needs.
            reader.read_optional(|attributes| attributes.read_der().map(drop))?;
            Ok(key)
        })
    })
    .ok()
}

/// A private key in PEM, encrypted with a passphrase: PBES2 of PBKDF2 (HMAC over SHA-256) and AES-256 in CBC mode (RFC 8018).
pub(crate) fn encrypted(cx: &Cx, pkcs8: &[u8], passphrase: &[u8]) -> Result<String> {
    let failed = |_| Failure::broken("a private key could not be encrypted");
    let (salt, iv) = (cx.random().bytes::<16>(), cx.random().bytes::<16>());
    let mut key = [0; AES_256_KEY_LEN];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, ITERATIONS, &salt, passphrase, &mut key);
    let cipher = UnboundCipherKey::new(&AES_256, &key).and_then(PaddedBlockEncryptingKey::cbc_pkcs7).map_err(failed)?;
    let mut ciphertext = pkcs8.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    cipher.less_safe_encrypt(&mut ciphertext, context).map_err(failed)?;
    let oid = |parts: &[u64]| ObjectIdentifier::from_slice(parts);
    let der = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(&[1, 2, 840, 113_549, 1, 5, 13]));
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&oid(&[1, 2, 840, 113_549, 1, 5, 12]));
                        writer.next().write_sequence(|writer| {
                            writer.next().write_bytes(&salt);
                            writer.next().write_u32(ITERATIONS.get());
                            writer.next().write_sequence(|writer| {
                                writer.next().write_oid(&oid(&[1, 2, 840, 113_549, 2, 9]));
                                writer.next().write_null();
                            });
                        });
                    });
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&oid(&[2, 16, 840, 1, 101, 3, 4, 1, 42]));
                        writer.next().write_bytes(&iv);
                    });
                });
            });
            writer.next().write_bytes(&ciphertext);
        });
    });
    Ok(pem(ENCRYPTED, &der))
}
